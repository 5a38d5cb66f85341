//! Numbers on a rectangle, and the few filters that are needed on them.

/// Row-major, no padding.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid<T> {
    pub width: usize,
    pub height: usize,
    pub data: Vec<T>,
}

/// Colours from 0 to 255 each, not rounded.
pub type Colours = Grid<[f32; 3]>;
/// Weights from 0 to 1, or other single numbers.
pub type Plane = Grid<f32>;

impl<T: Copy> Grid<T> {
    pub fn filled(width: usize, height: usize, value: T) -> Self {
        Self {
            width,
            height,
            data: vec![value; width * height],
        }
    }

    /// Each place's value, by column and row.
    pub fn of(width: usize, height: usize, mut value: impl FnMut(usize, usize) -> T) -> Self {
        let mut data = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                data.push(value(x, y));
            }
        }
        Self {
            width,
            height,
            data,
        }
    }

    pub fn map<U: Copy>(&self, value: impl FnMut(&T) -> U) -> Grid<U> {
        Grid {
            width: self.width,
            height: self.height,
            data: self.data.iter().map(value).collect(),
        }
    }

    /// Place by place with another grid of the same size.
    pub fn zip<U: Copy, V: Copy>(
        &self,
        other: &Grid<U>,
        mut value: impl FnMut(&T, &U) -> V,
    ) -> Grid<V> {
        debug_assert_eq!((self.width, self.height), (other.width, other.height));
        let both = self.data.iter().zip(&other.data);
        Grid {
            width: self.width,
            height: self.height,
            data: both.map(|(a, b)| value(a, b)).collect(),
        }
    }

    pub fn at(&self, x: usize, y: usize) -> T {
        self.data[y * self.width + x]
    }
}

/// What can be averaged.
pub trait Mixed: Copy {
    const ZERO: Self;
    fn plus(self, other: Self, weight: f32) -> Self;
}

impl Mixed for f32 {
    const ZERO: Self = 0.0;
    fn plus(self, other: Self, weight: f32) -> Self {
        self + other * weight
    }
}

impl<const N: usize> Mixed for [f32; N] {
    const ZERO: Self = [0.0; N];
    fn plus(self, other: Self, weight: f32) -> Self {
        std::array::from_fn(|i| self[i] + other[i] * weight)
    }
}

impl<T: Mixed> Grid<T> {
    /// Bilinear, at a place where cell `i` has its centre at `i + 0.5`; edges go on for ever.
    pub fn linear(&self, x: f32, y: f32) -> T {
        let (x, y) = (x - 0.5, y - 0.5);
        let (x0, y0) = (x.floor(), y.floor());
        let (fx, fy) = (x - x0, y - y0);
        let column = |i: f32| i.clamp(0.0, self.width as f32 - 1.0) as usize;
        let row = |i: f32| i.clamp(0.0, self.height as f32 - 1.0) as usize;
        let (l, r, t, b) = (column(x0), column(x0 + 1.0), row(y0), row(y0 + 1.0));
        T::ZERO
            .plus(self.at(l, t), (1.0 - fx) * (1.0 - fy))
            .plus(self.at(r, t), fx * (1.0 - fy))
            .plus(self.at(l, b), (1.0 - fx) * fy)
            .plus(self.at(r, b), fx * fy)
    }

    /// Bicubic (Catmull-Rom; Keys 1981), as [`Grid::linear`].
    pub fn cubic(&self, x: f32, y: f32) -> T {
        cubic(self.width, self.height, x, y, |at| self.data[at])
    }

    /// Mean over a square of `2 * radius + 1` cells, of those that are there.
    pub fn blurred(&self, radius: usize) -> Self {
        if radius == 0 {
            return self.clone();
        }
        let across = self.slid(radius, self.width, 1, self.height, self.width);
        across.slid(radius, self.height, self.width, self.width, 1)
    }

    /// One direction of [`Grid::blurred`]: `lines` lines of `count` cells.
    fn slid(&self, radius: usize, count: usize, step: usize, lines: usize, line: usize) -> Self {
        let mut out = self.clone();
        for l in 0..lines {
            let start = l * line;
            let mut sum = T::ZERO;
            let mut n = 0;
            for i in 0..radius.min(count) {
                sum = sum.plus(self.data[start + i * step], 1.0);
                n += 1;
            }
            for i in 0..count {
                if i + radius < count {
                    sum = sum.plus(self.data[start + (i + radius) * step], 1.0);
                    n += 1;
                }
                if i > radius {
                    sum = sum.plus(self.data[start + (i - radius - 1) * step], -1.0);
                    n -= 1;
                }
                out.data[start + i * step] = T::ZERO.plus(sum, 1.0 / n as f32);
            }
        }
        out
    }
}

/// The sixteen cells around a place, weighed; `at` reads a cell.
pub fn cubic<T: Mixed>(width: usize, height: usize, x: f32, y: f32, at: impl Fn(usize) -> T) -> T {
    let (x, y) = (x - 0.5, y - 0.5);
    let (x0, y0) = (x.floor(), y.floor());
    let (wx, wy) = (weights(x - x0), weights(y - y0));
    let (x0, y0) = (x0 as i64 - 1, y0 as i64 - 1);
    let clamp = |i: i64, n: usize| i.clamp(0, n as i64 - 1) as usize;
    let columns: [usize; 4] = std::array::from_fn(|i| clamp(x0 + i as i64, width));
    let mut sum = T::ZERO;
    for (j, wy) in wy.into_iter().enumerate() {
        let row = clamp(y0 + j as i64, height) * width;
        let mut line = T::ZERO;
        for (column, wx) in columns.into_iter().zip(wx) {
            line = line.plus(at(row + column), wx);
        }
        sum = sum.plus(line, wy);
    }
    sum
}

fn weights(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [
        -0.5 * t3 + t2 - 0.5 * t,
        1.5 * t3 - 2.5 * t2 + 1.0,
        -1.5 * t3 + 2.0 * t2 + 0.5 * t,
        0.5 * t3 - 0.5 * t2,
    ]
}

/// From 0 below `low` to 1 above `high`, without a kink.
pub fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// The middle one; `values` are reordered. 0 of nothing.
pub fn median(values: &mut [f32]) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sampling_is_exact_on_a_slope() {
        let slope = Grid::of(8, 8, |x, y| 3.0 * x as f32 - 2.0 * y as f32 + 5.0);
        for (x, y) in [(3.2, 4.9), (4.0, 4.0), (2.51, 5.49)] {
            let expected = 3.0 * (x - 0.5) - 2.0 * (y - 0.5) + 5.0;
            assert!((slope.linear(x, y) - expected).abs() < 1e-4);
            assert!((slope.cubic(x, y) - expected).abs() < 1e-4);
        }
        // A cell's own value at its centre, also at the edge.
        assert_eq!(slope.cubic(0.5, 7.5), slope.at(0, 7));
        assert_eq!(slope.linear(-9.0, 99.0), slope.at(0, 7));
    }

    #[test]
    fn a_blur_keeps_a_constant_and_is_the_mean_of_a_square() {
        let flat = Grid::filled(5, 4, 7.0);
        assert!(flat.blurred(2).data.iter().all(|v| (v - 7.0).abs() < 1e-5));
        let mut one = Grid::filled(7, 7, 0.0);
        one.data[3 * 7 + 3] = 9.0;
        let blurred = one.blurred(1);
        assert!((blurred.at(2, 4) - 1.0).abs() < 1e-5);
        assert!(blurred.at(5, 3).abs() < 1e-5);
        // A radius larger than the grid: the mean of all.
        let all = one.blurred(20);
        assert!((all.at(0, 0) - 9.0 / 49.0).abs() < 1e-5);
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut []), 0.0);
    }
}

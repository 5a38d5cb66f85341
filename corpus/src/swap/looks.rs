//! What a person's face looks like when nothing stands before it, and what does so in a frame.

use super::{
    colour::lab,
    grid::{Colours, Grid, Mixed, Plane, median, smoothstep},
    regions::Regions,
};

/// A texture kept for later: rounded to whole levels.
pub type Sampled = Grid<[u8; 3]>;

/// Levels by which a texel may differ from all it looked like, before it counts as hidden.
const TOLERANCE: f32 = 5.5;
/// Further levels where a face moves.
const TOLERANCE_OF_FEATURES: f32 = 12.0;
/// How much stranger than the best third a frame may be, to be believed: times, and levels.
const BELIEF: [f32; 2] = [1.25, 1.5];
/// What a level of colour and one of detail count in a [`Signature`].
const COLOUR: f32 = 0.6;
const DETAIL: f32 = 1.6;
/// Largest change of light that is put down to the light, in levels.
const LIGHT: f32 = 25.0;

pub fn rounded(texture: &Colours) -> Sampled {
    texture.map(|c| c.map(|v| v.round() as u8))
}

pub fn exact(texture: &Sampled) -> Colours {
    texture.map(|c| c.map(f32::from))
}

/// A face of a clip.
#[derive(Debug)]
pub struct Looks {
    /// Its texture with nothing before it.
    pub texture: Colours,
    /// Where that is skin or a feature: hair and what hides the face throughout is not.
    pub bare: Plane,
    /// Frames it was learned from, at half the size, and where each of them is believed.
    believed: Vec<(Signature, Grid<bool>)>,
    /// Levels each texel may differ from them.
    tolerance: Plane,
    skin: Plane,
    face: Plane,
}

/// The face that both clips of a pair have in common, without either's colours: the median of
/// all their textures. A hand before one of them does not show in it.
pub fn common(clips: [&[Sampled]; 2], regions: &Regions) -> Option<Colours> {
    let mut level = Vec::new();
    for samples in clips {
        let middle = medians(&samples.iter().collect::<Vec<_>>())?;
        let mean = mean(&middle, &regions.skin);
        level.extend(samples.iter().map(|s| (s, mean)));
    }
    let (first, _) = level.first()?;
    let mut values = vec![0.0; level.len()];
    Some(Grid::of(first.width, first.height, |x, y| {
        std::array::from_fn(|k| {
            for (value, (sample, mean)) in values.iter_mut().zip(&level) {
                *value = f32::from(sample.at(x, y)[k]) - mean[k];
            }
            median(&mut values)
        })
    }))
}

fn medians(samples: &[&Sampled]) -> Option<Colours> {
    let first = samples.first()?;
    let mut values = vec![0.0; samples.len()];
    Some(Grid::of(first.width, first.height, |x, y| {
        std::array::from_fn(|k| {
            for (value, sample) in values.iter_mut().zip(samples) {
                *value = f32::from(sample.at(x, y)[k]);
            }
            median(&mut values)
        })
    }))
}

fn mean(texture: &Colours, weights: &Plane) -> [f32; 3] {
    let mut sum = [0.0f64; 3];
    let mut total = 1e-9f64;
    for (colour, &weight) in texture.data.iter().zip(&weights.data) {
        total += f64::from(weight);
        for k in 0..3 {
            sum[k] += f64::from(colour[k] * weight);
        }
    }
    sum.map(|s| (s / total) as f32)
}

impl Looks {
    /// From textures of a clip. Of each texel, the third of the frames that is most like
    /// `common` around it is believed. `None` without a sample.
    pub fn of(samples: &[Sampled], common: &Colours, regions: &Regions) -> Option<Self> {
        let all: Vec<&Sampled> = samples.iter().collect();
        let level = mean(&medians(&all)?, &regions.skin);
        let side = common.width;
        let mut believed: Vec<(Signature, Grid<bool>)> = samples
            .iter()
            .map(|s| {
                (
                    signature(&exact(s)),
                    Grid::filled(side / 2, side / 2, false),
                )
            })
            .collect();
        let usual = signature(&common.map(|c| std::array::from_fn(|k| c[k] + level[k])));
        let strange: Vec<Plane> = believed
            .iter()
            .map(|(s, _)| apart(s, &usual, [0.0; 3]).blurred(side / 40))
            .collect();
        let enough = (samples.len() / 3).max(samples.len().min(5));
        let mut order: Vec<usize> = Vec::new();
        let mut values = Vec::new();
        let texture = Grid::of(side, side, |x, y| {
            order.clear();
            order.extend(0..samples.len());
            if enough < order.len() {
                order.select_nth_unstable_by(enough, |&a, &b| {
                    let of = |i: usize| strange[i].at(x / 2, y / 2);
                    of(a).total_cmp(&of(b))
                });
            }
            let worst = order[..enough]
                .iter()
                .map(|&i| strange[i].at(x / 2, y / 2))
                .fold(0.0, f32::max);
            for (i, strange) in strange.iter().enumerate() {
                if strange.at(x / 2, y / 2) <= worst * BELIEF[0] + BELIEF[1] {
                    believed[i].1.data[y / 2 * (side / 2) + x / 2] = true;
                }
            }
            std::array::from_fn(|k| {
                values.clear();
                let of = |&i: &usize| f32::from(samples[i].at(x, y)[k]);
                values.extend(order[..enough].iter().map(of));
                median(&mut values)
            })
        });
        believed.retain(|(_, anywhere)| anywhere.data.contains(&true));
        Some(Self {
            bare: bare(&texture, regions),
            texture,
            believed,
            tolerance: half(&regions.features).map(|f| TOLERANCE + TOLERANCE_OF_FEATURES * f),
            skin: half(&regions.skin),
            face: half(&regions.face),
        })
    }

    /// Where this face is seen in a frame's texture, from 0 to 1: where the frame is like any
    /// of those that are believed there, whatever the light.
    pub fn seen(&self, texture: &Colours) -> Plane {
        let now = signature(texture);
        let side = now.width;
        let mut least = Grid::filled(side, side, f32::INFINITY);
        let mut values = Vec::new();
        for (usual, believed) in &self.believed {
            let mut light = [0.0; 3];
            for (k, light) in light.iter_mut().enumerate() {
                values.clear();
                let texels = now.data.iter().zip(&usual.data);
                let skin = texels.zip(&self.skin.data).filter(|(_, s)| **s > 0.5);
                values.extend(skin.map(|((a, b), _)| a[k] - b[k]));
                *light = median(&mut values).clamp(-LIGHT * COLOUR, LIGHT * COLOUR);
            }
            let off = apart(&now, usual, light).blurred(side / 32);
            for ((least, off), believed) in least.data.iter_mut().zip(&off.data).zip(&believed.data)
            {
                if *believed {
                    *least = least.min(*off);
                }
            }
        }
        let seen = least.zip(&self.tolerance, |&off, &t| {
            1.0 - smoothstep(1.0, 2.0, off / t)
        });
        // A speck is noise; a hole in a hand is not a face.
        let mut seen = seen.blurred(side / 24).map(|&v| smoothstep(0.4, 0.9, v));
        fill(&mut seen, &self.face);
        let full = Grid::of(texture.width, texture.height, |x, y| {
            seen.linear((x as f32 + 0.5) / 2.0, (y as f32 + 0.5) / 2.0)
        });
        guided(&full, texture, side / 16)
    }
}

/// What hides a face comes in over its outline: a hole that does not reach it is a gleam or a
/// fold, and closed.
fn fill(seen: &mut Plane, face: &Plane) {
    const HIDDEN: f32 = 0.98;
    let (width, height) = (seen.width, seen.height);
    let mut reached = face.map(|&f| f < 0.2);
    let mut queue: Vec<usize> = (0..width * height).filter(|&i| reached.data[i]).collect();
    while let Some(at) = queue.pop() {
        let (x, y) = (at % width, at / width);
        let near = [
            (x > 0).then(|| at - 1),
            (x + 1 < width).then(|| at + 1),
            (y > 0).then(|| at - width),
            (y + 1 < height).then(|| at + width),
        ];
        for near in near.into_iter().flatten() {
            if !reached.data[near] && seen.data[near] < HIDDEN {
                reached.data[near] = true;
                queue.push(near);
            }
        }
    }
    for (seen, reached) in seen.data.iter_mut().zip(&reached.data) {
        if !reached {
            *seen = 1.0;
        }
    }
}

/// What a texel is known by, at half the size: its colour, and how its lightness stands out
/// from what is around it. A hand may have the colour of a cheek, but has edges.
type Signature = Grid<[f32; 4]>;

fn signature(texture: &Colours) -> Signature {
    let small = half(texture);
    let light = small.map(|c| (c[0] + c[1] + c[2]) / 3.0);
    let around = light.blurred(small.width / 16);
    let detail = light.zip(&around, |l, a| DETAIL * (l - a));
    small.zip(&detail, |c, &d| {
        [COLOUR * c[0], COLOUR * c[1], COLOUR * c[2], d]
    })
}

fn apart(a: &Signature, b: &Signature, light: [f32; 3]) -> Plane {
    a.zip(b, |a, b| {
        let squares = (0..3).map(|k| (a[k] - b[k] - light[k]).powi(2));
        (squares.sum::<f32>() / 3.0 + (a[3] - b[3]).powi(2)).sqrt()
    })
}

/// Half the size; each cell is the mean of four.
fn half<T: Mixed>(grid: &Grid<T>) -> Grid<T> {
    Grid::of(grid.width / 2, grid.height / 2, |x, y| {
        let (x, y) = (2 * x, 2 * y);
        T::ZERO
            .plus(grid.at(x, y), 0.25)
            .plus(grid.at(x + 1, y), 0.25)
            .plus(grid.at(x, y + 1), 0.25)
            .plus(grid.at(x + 1, y + 1), 0.25)
    })
}

/// As seen in a mirror: the layout is symmetric.
pub fn mirrored<T: Copy>(grid: &Grid<T>) -> Grid<T> {
    Grid::of(grid.width, grid.height, |x, y| {
        grid.at(grid.width - 1 - x, y)
    })
}

/// Where a face is skin: near the colours of its own cheeks and forehead. What stands
/// beside that among the features is theirs.
fn bare(texture: &Colours, regions: &Regions) -> Plane {
    let colours = texture.map(|&c| lab(c));
    let mut middle = [0.0; 3];
    let mut spread = [0.0; 3];
    for k in 0..3 {
        let skin = colours.data.iter().zip(&regions.skin.data);
        let mut values: Vec<f32> = skin.filter(|(_, s)| **s > 0.5).map(|(c, _)| c[k]).collect();
        middle[k] = median(&mut values);
        for v in &mut values {
            *v = (*v - middle[k]).abs();
        }
        spread[k] = 1.48 * median(&mut values);
    }
    // Light falls unevenly on a face; its hue is steadier.
    let least = [0.10, 0.012, 0.008];
    let off = colours.map(|c| {
        let squares = (0..3).map(|k| ((c[k] - middle[k]) / spread[k].max(least[k])).powi(2));
        squares.sum::<f32>().sqrt()
    });
    let side = texture.width;
    // A feature looks alike on both sides; hair that hangs over one of them does not.
    let apart = texture
        .zip(&mirrored(texture), |a, b| (a[1] - b[1]).min(0.0).abs())
        .blurred(side / 32);
    let features = regions.features.zip(&apart, |f, &a| {
        smoothstep(0.0, 0.5, *f) * (1.0 - smoothstep(30.0, 60.0, a))
    });
    let bare = off.blurred(side / 64).zip(&features, |&off, &f| {
        (1.0 - smoothstep(2.5, 4.5, off)).max(f)
    });
    // Hair is thin at its edge.
    bare.blurred(side / 24).map(|&v| smoothstep(0.6, 1.0, v))
}

/// A weight whose edges follow those of a picture (He et al. 2010, with its lightness).
pub fn guided(weights: &Plane, guide: &Colours, radius: usize) -> Plane {
    const SMOOTH: f32 = 0.0008;
    let guide = guide.map(|c| (c[0] + c[1] + c[2]) / 765.0);
    let mean_guide = guide.blurred(radius);
    let mean_weight = weights.blurred(radius);
    let both = guide.zip(weights, |g, w| g * w).blurred(radius);
    let square = guide.map(|g| g * g).blurred(radius);
    let slope = Grid::of(guide.width, guide.height, |x, y| {
        let (g, w) = (mean_guide.at(x, y), mean_weight.at(x, y));
        let a = (both.at(x, y) - g * w) / ((square.at(x, y) - g * g).max(0.0) + SMOOTH);
        [a, w - a * g, 0.0]
    });
    slope
        .blurred(radius)
        .zip(&guide, |s, g| (s[0] * g + s[1]).clamp(0.0, 1.0))
}

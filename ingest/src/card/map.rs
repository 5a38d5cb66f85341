//! The world as SVG: which countries samples come from, and where in them.

use fairframe_schemas::{
    SampleCounts,
    release::UNKNOWN,
    world::{self, WIDTH},
};

use crate::place::Gazetteer;

/// Steps of the tint; the last one is the darkest.
const STEPS: usize = 5;

/// A map ready to draw.
pub struct Map {
    /// Land without accepted samples, in one path.
    pub empty: String,
    pub countries: Vec<Tinted>,
    pub dots: Vec<Dot>,
    pub legend: Vec<Step>,
    /// Accepted samples without a country.
    pub unknown: u64,
}

/// A country with samples.
pub struct Tinted {
    pub name: String,
    pub samples: u64,
    /// 0 to 4.
    pub step: usize,
    pub path: String,
}

/// A cell with samples.
pub struct Dot {
    pub x: String,
    pub y: String,
    pub r: String,
    pub samples: u64,
}

/// Counts from `low` to `high` have one tint.
pub struct Step {
    pub step: usize,
    pub low: u64,
    pub high: u64,
}

/// Draws what the counts say of places.
pub fn map(counts: &SampleCounts) -> Map {
    let largest = counts.countries.iter().filter(|(code, _)| *code != UNKNOWN);
    let largest = largest.map(|(_, n)| *n).max().unwrap_or(0);
    let legend = legend(largest);
    let mut empty = String::new();
    let mut countries: Vec<Tinted> = Vec::new();
    for (code, path) in world::countries() {
        match counts.countries.get(code).copied() {
            Some(samples) if samples > 0 => countries.push(Tinted {
                name: country_name(code),
                samples,
                step: legend
                    .iter()
                    .rfind(|s| samples >= s.low)
                    .map_or(0, |s| s.step),
                path: path.to_owned(),
            }),
            _ => empty.push_str(path),
        }
    }
    let most = counts.cells.iter().map(|c| c.samples).max().unwrap_or(1);
    let dots = counts
        .cells
        .iter()
        .map(|cell| {
            let (x, y) = project(cell.latitude, cell.longitude);
            // Area, not radius, grows with the count; the smallest must still be seen.
            let r = 7.0 + 15.0 * (cell.samples as f64 / most as f64).sqrt();
            Dot {
                x: format!("{x:.0}"),
                y: format!("{y:.0}"),
                r: format!("{r:.1}"),
                samples: cell.samples,
            }
        })
        .collect();
    Map {
        empty,
        countries,
        dots,
        legend,
        unknown: counts.countries.get(UNKNOWN).copied().unwrap_or(0),
    }
}

/// The country's name, or its code where the gazetteer has none.
pub fn country_name(code: &str) -> String {
    match Gazetteer::bundled().by_code(code) {
        Some(country) => country.name.clone(),
        None => code.to_owned(),
    }
}

/// Steps from 1 to the largest count, each as many times wider as the last.
fn legend(largest: u64) -> Vec<Step> {
    if largest == 0 {
        return Vec::new();
    }
    let ratio = (largest as f64 + 1.0).powf(1.0 / STEPS as f64);
    let mut steps: Vec<Step> = Vec::new();
    for step in 0..STEPS {
        let low = steps.last().map_or(1, |s: &Step| s.high + 1);
        let high = if step + 1 == STEPS {
            largest
        } else {
            (ratio.powi(step as i32 + 1).round() as u64).saturating_sub(1)
        };
        if low > largest {
            break;
        }
        let high = high.max(low).min(largest);
        steps.push(Step { step, low, high });
    }
    // Few steps use the dark end, so that a small dataset is not a pale one.
    let shift = STEPS - steps.len();
    steps.iter_mut().for_each(|s| s.step += shift);
    steps
}

/// Equal Earth (Šavrič, Patterson, Jenny 2018: doi 10.1080/13658816.2018.1504949), scaled
/// so that the world is [`WIDTH`] units wide and y grows southwards.
pub fn project(latitude: f64, longitude: f64) -> (f64, f64) {
    let (half, _) = raw(0.0, 180.0);
    let (_, top) = raw(90.0, 0.0);
    let scale = WIDTH / (2.0 * half);
    let (x, y) = raw(latitude, longitude);
    ((x + half) * scale, (top - y) * scale)
}

fn raw(latitude: f64, longitude: f64) -> (f64, f64) {
    const A: [f64; 4] = [1.340264, -0.081106, 0.000893, 0.003796];
    let m = 3f64.sqrt() / 2.0;
    let t = (m * latitude.to_radians().sin()).asin();
    let (t2, t6) = (t * t, t.powi(6));
    let slope = A[0] + 3.0 * A[1] * t2 + t6 * (7.0 * A[2] + 9.0 * A[3] * t2);
    (
        longitude.to_radians() * t.cos() / (m * slope),
        t * (A[0] + A[1] * t2 + t6 * (A[2] + A[3] * t2)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projection_meets_the_frame() {
        let (x, y) = project(0.0, -180.0);
        assert!(x.abs() < 1e-9, "{x}");
        // Height to width of Equal Earth is 1 : 2.0545.
        let (_, south) = project(-90.0, 0.0);
        assert!((south - WIDTH / 2.0545).abs() < 0.2, "{south}");
        assert!((y - south / 2.0).abs() < 1e-9);
    }

    #[test]
    fn every_country_of_the_map_is_one_the_gazetteer_knows() {
        for (code, path) in world::countries() {
            assert!(path.starts_with('M') && path.ends_with('z'), "{code}");
            let known = Gazetteer::bundled().by_code(code).is_some();
            assert!(code == "-" || known, "{code}");
        }
    }

    #[test]
    fn no_border_crosses_the_whole_world() {
        for (code, path) in world::countries() {
            for ring in path.split('z') {
                let steps = ring.split_once('l').map_or("", |(_, steps)| steps);
                for step in steps.replace('-', " -").split_whitespace() {
                    let step: f64 = step.parse().unwrap();
                    assert!(step.abs() < WIDTH / 2.0, "{code}");
                }
            }
        }
    }

    #[test]
    fn legends_cover_every_count_without_gaps() {
        assert!(legend(0).is_empty());
        for largest in (1..200).chain([12_345, 1_000_000]) {
            let steps = legend(largest);
            assert!(steps.len() <= STEPS);
            assert_eq!(steps[0].low, 1);
            assert_eq!(steps.last().unwrap().high, largest);
            assert_eq!(steps.last().unwrap().step, STEPS - 1);
            for pair in steps.windows(2) {
                assert_eq!(pair[0].high + 1, pair[1].low, "{largest}");
            }
        }
    }

    #[test]
    fn countries_with_samples_are_drawn_apart() {
        let counts = SampleCounts {
            countries: [("FR", 3), ("KE", 9), (UNKNOWN, 2)]
                .map(|(k, n)| (k.to_owned(), n))
                .into(),
            ..SampleCounts::default()
        };
        let map = map(&counts);
        let names: Vec<&str> = map.countries.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["France", "Kenya"]);
        assert_eq!(map.unknown, 2);
    }
}

//! The world as SVG: land, and over it places or squares in the tint of their figure.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
};

use fairframe_ingest::{card::map::project, place::Gazetteer};
use fairframe_schemas::world;

use super::{count::Figure, request::By, scale::Tint};
use crate::{browse::Value, pages::places::Level};

/// A map ready to draw.
#[derive(Default)]
pub struct Drawing {
    /// Land without samples.
    pub land: String,
    /// Land that no figure is known of.
    pub unknown: String,
    pub shapes: Vec<Shape>,
    /// Squares that lead nowhere, one path a tint; in tenths of the map's units.
    pub squares: BTreeMap<&'static str, String>,
}

/// A place that leads to its samples.
pub struct Shape {
    pub path: String,
    pub class: &'static str,
    pub href: String,
    pub title: String,
    /// In tenths of the map's units.
    pub is_square: bool,
}

/// Draws figures in their tints; those in `linked` lead to their samples.
pub fn draw(by: By, figures: &[Figure], tints: &[Tint], linked: &HashMap<usize, Shape>) -> Drawing {
    match by {
        By::Level(level) => places(level, figures, tints, linked),
        By::Squares(degrees) => squares(f64::from(degrees), figures, tints, linked),
    }
}

impl Shape {
    fn with(&self, path: String, is_square: bool) -> Shape {
        Shape {
            path,
            is_square,
            class: self.class,
            href: self.href.clone(),
            title: self.title.clone(),
        }
    }
}

fn places(
    level: Level,
    figures: &[Figure],
    tints: &[Tint],
    linked: &HashMap<usize, Shape>,
) -> Drawing {
    let mut drawing = Drawing::default();
    let found: HashMap<&str, usize> = figures
        .iter()
        .enumerate()
        .filter_map(|(at, figure)| match &figure.value {
            Value::Word(word) => Some((word.as_str(), at)),
            _ => None,
        })
        .collect();
    let mut paths: BTreeMap<usize, String> = BTreeMap::new();
    for (code, path) in world::countries() {
        let country = Gazetteer::bundled().by_code(code);
        let at = country.and_then(|c| level.of(c)).and_then(|w| found.get(w));
        match at {
            Some(at) => paths.entry(*at).or_default().push_str(path),
            None if country.is_none() => drawing.unknown.push_str(path),
            None => drawing.land.push_str(path),
        }
    }
    for (at, path) in paths {
        match linked.get(&at) {
            Some(shape) => drawing.shapes.push(shape.with(path, false)),
            None if tints[at] == Tint::Unknown => drawing.unknown.push_str(&path),
            None => drawing.land.push_str(&path),
        }
    }
    drawing
}

fn squares(
    degrees: f64,
    figures: &[Figure],
    tints: &[Tint],
    linked: &HashMap<usize, Shape>,
) -> Drawing {
    let mut drawing = Drawing::default();
    let grid = Grid::new(degrees);
    for (_, path) in world::countries() {
        drawing.land.push_str(path);
    }
    // Neighbours in a row that look alike and lead nowhere are one shape: figures stand from
    // south to north, from west to east.
    let mut run: Option<(&'static str, f64, f64, f64)> = None;
    let mut end_run = |run: &mut Option<(&'static str, f64, f64, f64)>| {
        if let Some((class, south, west, east)) = run.take() {
            let path = drawing.squares.entry(class).or_default();
            grid.draw(south, west, east, path);
        }
    };
    for (at, figure) in figures.iter().enumerate() {
        let Value::Cell { south, west } = figure.value else {
            continue;
        };
        if linked.contains_key(&at) {
            continue;
        }
        let class = tints[at].class();
        match &mut run {
            Some((c, s, _, east)) if *c == class && *s == south && *east == west => {
                *east += degrees;
            }
            other => {
                end_run(other);
                *other = Some((class, south, west, west + degrees));
            }
        }
    }
    end_run(&mut run);
    let mut at: Vec<&usize> = linked.keys().collect();
    at.sort();
    for at in at {
        if let Value::Cell { south, west } = figures[*at].value {
            let mut path = String::new();
            grid.draw(south, west, west + degrees, &mut path);
            drawing.shapes.push(linked[at].with(path, true));
        }
    }
    drawing
}

/// The grid's parallels, from south to north, as Equal Earth draws them: straight and evenly
/// divided, so that of each two points are enough. Meridians are nearly straight over few degrees.
struct Grid {
    degrees: f64,
    /// In tenths of the map's units: y, x of the prime meridian, x of a degree.
    parallels: Vec<[f64; 3]>,
}

impl Grid {
    fn new(degrees: f64) -> Self {
        let count = (180.0 / degrees).round() as usize;
        let parallel = |at: usize| {
            let latitude = (at as f64 * degrees - 90.0).min(90.0);
            let ((middle, y), (east, _)) = (project(latitude, 0.0), project(latitude, 180.0));
            [10.0 * y, 10.0 * middle, 10.0 * (east - middle) / 180.0]
        };
        Self {
            degrees,
            parallels: (0..=count).map(parallel).collect(),
        }
    }

    /// Squares between two meridians.
    fn draw(&self, south: f64, west: f64, east: f64, path: &mut String) {
        let at = ((south + 90.0) / self.degrees).round() as usize;
        let Some([low, high]) = self.parallels.get(at..at + 2).and_then(|p| p.first_chunk()) else {
            return;
        };
        let point = |[y, middle, degree]: [f64; 3], longitude: f64| {
            (
                (middle + degree * longitude).round() as i64,
                y.round() as i64,
            )
        };
        let (nw, ne) = (point(*high, west), point(*high, east));
        let (sw, se) = (point(*low, west), point(*low, east));
        // To a String: cannot fail.
        let _ = write!(
            path,
            "M{} {}h{}l{} {}H{}z",
            nw.0,
            nw.1,
            ne.0 - nw.0,
            se.0 - ne.0,
            se.1 - ne.1,
            sw.0
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(south: f64, west: f64) -> Figure {
        Figure {
            value: Value::Cell { south, west },
            samples: 1,
            accepted: 1,
        }
    }

    #[test]
    fn neighbours_that_look_alike_are_one_shape_and_others_are_not() {
        let figures = [
            figure(0.0, 0.0),
            figure(0.0, 10.0),
            figure(0.0, 20.0),
            figure(0.0, 40.0),
            figure(10.0, 50.0),
        ];
        let tints = [
            Tint::Step(1),
            Tint::Step(1),
            Tint::Step(2),
            Tint::Step(2),
            Tint::Step(2),
        ];
        let drawing = draw(By::Squares(10), &figures, &tints, &HashMap::new());
        let shapes = |class: &str| drawing.squares[class].matches('M').count();
        assert_eq!((shapes("s1"), shapes("s2")), (1, 3));
        // 0 to 20 degrees east at the equator, in tenths of a world 2000 units wide.
        let (middle, twenty) = (project(0.0, 0.0).0, project(0.0, 20.0).0);
        let path = &drawing.squares["s1"];
        assert!(path.ends_with(&format!("H{:.0}z", 10.0 * middle)), "{path}");
        assert!((twenty - middle - 2000.0 / 18.0).abs() < 1e-9);
    }

    #[test]
    fn every_country_is_drawn_once_at_every_level() {
        let all: usize = world::countries().map(|(_, path)| path.len()).sum();
        for level in Level::ALL {
            let drawing = draw(By::Level(level), &[], &[], &HashMap::new());
            assert_eq!(drawing.land.len() + drawing.unknown.len(), all);
            assert!(!drawing.unknown.is_empty());
        }
    }
}

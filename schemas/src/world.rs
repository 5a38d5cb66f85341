//! The world for maps: a shape for each country.

/// Width of the world in the units of its paths; its height is 860.
pub const WIDTH: f64 = 2000.0;

/// `code TAB path` a line; `data/map/README.md` says where they come from.
const WORLD: &str = include_str!("../data/map/world.tsv");

/// The ISO 3166-1 alpha-2 code and the SVG path of each country; `-` where there is no code.
pub fn countries() -> impl Iterator<Item = (&'static str, &'static str)> {
    WORLD.lines().filter_map(|line| line.split_once('\t'))
}

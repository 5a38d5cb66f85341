//! A metric by country on a map of the world.

use std::collections::{BTreeMap, btree_map::Entry};

use fairframe_schemas::report::{Cell, Grouping, MetricReport, UNKNOWN_GROUP, Verdict};
use fairframe_schemas::{Column, world};

use super::text;

/// Steps of the tint; the last one, the darkest, is the best.
const STEPS: usize = 5;

/// Countries without a shape that are named.
const NAMED: usize = 8;

/// A map ready to draw.
pub struct Map {
    /// Land nothing is known of, in one path.
    pub empty: String,
    pub countries: Vec<Shape>,
    pub legend: Vec<Step>,
    pub insufficient: bool,
    /// Groups that have no shape on the map; empty where all have.
    pub elsewhere: String,
}

/// A country with items.
pub struct Shape {
    pub class: String,
    pub words: String,
    pub path: &'static str,
}

/// Values from `low` to `high` have one tint.
pub struct Step {
    pub step: usize,
    pub low: String,
    pub high: String,
}

/// None where the grouping is not by country, or fewer than two countries can be drawn.
pub fn map(
    metric: &MetricReport,
    grouping: &Grouping,
    places: &BTreeMap<String, String>,
) -> Option<Map> {
    if grouping.columns != [Column::Country.name()] {
        return None;
    }
    let code = |cell: &'_ Cell| -> String {
        let name = &cell.group[0];
        places.get(name).unwrap_or(name).to_ascii_uppercase()
    };
    let mut cells: BTreeMap<String, &Cell> = BTreeMap::new();
    let mut twice = Vec::new();
    for cell in &grouping.cells {
        match cells.entry(code(cell)) {
            Entry::Vacant(free) => {
                free.insert(cell);
            }
            // `ZA` beside `ZAF`: one of them is drawn, the other named.
            Entry::Occupied(_) => twice.push(cell),
        }
    }
    let shown = |cell: &&Cell| {
        cell.estimate
            .value
            .filter(|_| cell.estimate.verdict == Verdict::Shown)
    };
    let drawn = world::countries().filter_map(|(code, _)| cells.get(code));
    let values: Vec<f64> = drawn.filter_map(shown).collect();
    let low = values.iter().copied().reduce(f64::min)?;
    let high = values.iter().copied().reduce(f64::max)?;
    if values.len() < 2 || high <= low {
        return None;
    }
    let width = (high - low) / STEPS as f64;
    let tint = |step: usize| match metric.higher_is_better {
        true => step,
        false => STEPS - 1 - step,
    };
    let mut empty = String::new();
    let mut countries = Vec::new();
    let mut found = Vec::new();
    for (code, path) in world::countries() {
        let Some(cell) = cells.get(code) else {
            empty.push_str(path);
            continue;
        };
        found.push(code);
        let class = match shown(cell) {
            Some(value) => format!(
                "t{}",
                tint((((value - low) / width) as usize).min(STEPS - 1))
            ),
            None => "few".to_owned(),
        };
        let (value, n) = (text::estimate(&cell.estimate), text::count(cell.estimate.n));
        countries.push(Shape {
            words: format!("{}: {value}, n = {n}", cell.group[0]),
            class,
            path,
        });
    }
    let elsewhere: Vec<&str> = cells
        .iter()
        .filter(|(code, cell)| !found.contains(&code.as_str()) && cell.group[0] != UNKNOWN_GROUP)
        .map(|(_, cell)| *cell)
        .chain(twice)
        .map(|cell| cell.group[0].as_str())
        .collect();
    let more = elsewhere.len().saturating_sub(NAMED);
    let mut named = elsewhere[..elsewhere.len() - more].join(", ");
    if more > 0 {
        named.push_str(&format!(" and {more} more"));
    }
    Some(Map {
        empty,
        insufficient: countries.iter().any(|country| country.class == "few"),
        countries,
        legend: (0..STEPS)
            .map(|step| Step {
                step: tint(step),
                low: text::value(low + width * step as f64),
                high: text::value(low + width * (step + 1) as f64),
            })
            .collect(),
        elsewhere: named,
    })
}

//! Samples by year of capture: bars that lead to their years, and the two ends of a range.

use fairframe_schemas::text::counted;

use super::request::Asked;
use crate::browse::{Facet, Filter, GroupError, Key, Number, Value, View, date};

/// Years that are drawn; what others there are is counted.
const DRAWN: std::ops::RangeInclusive<i32> = 1000..=2999;

/// Years up to which each has a bar of its own; then ten or a hundred have one.
const SINGLE: i32 = 80;

/// The bars and the range.
#[derive(Default)]
pub struct Years {
    pub bars: Vec<Bar>,
    pub first: i32,
    pub last: i32,
    /// Width of all bars in units of one.
    pub width: i32,
    /// As they stand in the form: a year, or a date that is not the end of one.
    pub from: String,
    pub to: String,
    /// Samples without a year, or of one that is not drawn.
    pub unknown: u64,
}

pub struct Bar {
    pub from: i32,
    pub to: i32,
    pub samples: u64,
    pub href: String,
    /// In the picture: from the left, from the top, of 100.
    pub x: i32,
    pub y: String,
    pub height: String,
    /// Whether the range holds it.
    pub is_in: bool,
}

impl Bar {
    pub fn title(&self) -> String {
        let samples = counted(self.samples, "sample");
        match self.from == self.to {
            true => format!("{}: {samples}", self.from),
            false => format!("{} to {}: {samples}", self.from, self.to),
        }
    }
}

/// Counts the filter's samples by year, whatever years it asks for.
pub fn years(view: &View, asked: &Asked) -> Result<Years, GroupError> {
    let filter = asked.filter.captured_in(None, None);
    let groups = view.group_by(&filter, &[Key::Facet(Facet::Year)])?;
    let mut unknown = 0;
    let mut counted: Vec<(i32, u64)> = Vec::new();
    for group in groups {
        let year = match group.values.first() {
            Some(Value::Word(year)) => year.parse().ok().filter(|y| DRAWN.contains(y)),
            _ => None,
        };
        match year {
            Some(year) => counted.push((year, group.samples)),
            None => unknown += group.samples,
        }
    }
    counted.sort_unstable();
    let [from, to] = ends(&asked.filter);
    let mut years = Years {
        from,
        to,
        unknown,
        ..Years::default()
    };
    let (Some((first, _)), Some((last, _))) = (counted.first(), counted.last()) else {
        return Ok(years);
    };
    let step = match last - first {
        span if span < SINGLE => 1,
        span if span < 10 * SINGLE => 10,
        _ => 100,
    };
    let start = first - first.rem_euclid(step);
    years.first = start;
    years.last = last - last.rem_euclid(step) + step - 1;
    years.width = (years.last + 1 - start) / step;
    let mut sums = vec![0; years.width as usize];
    for (year, samples) in counted {
        sums[((year - start) / step) as usize] += samples;
    }
    let most = sums.iter().copied().max().unwrap_or(1).max(1);
    let range = asked.filter.ranges.get(&Number::Captured);
    let year = |end: Option<f64>| end.and_then(date).map(|d| chrono::Datelike::year(&d));
    let low = range.and_then(|r| year(r.min));
    let high = range.and_then(|r| year(r.max));
    let bars = sums.into_iter().enumerate().filter(|(_, n)| *n > 0);
    let bar = |(at, samples): (usize, u64)| {
        let from = start + at as i32 * step;
        let to = from + step - 1;
        // What is there is seen.
        let height = (100.0 * samples as f64 / most as f64).max(2.0);
        Bar {
            href: asked.with(filter.captured_in(Some(from), Some(to))),
            is_in: low.is_none_or(|low| to >= low) && high.is_none_or(|high| from <= high),
            x: at as i32,
            y: format!("{:.1}", 100.0 - height),
            height: format!("{height:.1}"),
            from,
            to,
            samples,
        }
    };
    years.bars = bars.map(bar).collect();
    Ok(years)
}

/// The two ends of the filter's years as somebody would write them.
fn ends(filter: &Filter) -> [String; 2] {
    let range = filter.ranges.get(&Number::Captured);
    let [min, max] = range.map_or([None; 2], |r| [r.min, r.max]);
    [(min, "-01-01"), (max, "-12-31")].map(|(end, whole)| {
        let text = end.and_then(date).map(|d| d.to_string());
        let text = text.unwrap_or_default();
        text.strip_suffix(whole).map_or(text.clone(), str::to_owned)
    })
}

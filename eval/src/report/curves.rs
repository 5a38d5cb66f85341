//! ROC curves and reliability, drawn: all items, the worst group, the best.

use fairframe_schemas::report::{Curve, Curves, Report};

use super::text;

/// Side of a chart in its own units.
const SIDE: f64 = 300.0;

/// The charts of one grouping.
pub struct Charts {
    pub id: String,
    pub title: String,
    pub lines: Vec<Line>,
    /// Whether any line has a ROC curve.
    pub roc: bool,
}

/// One group in both charts.
pub struct Line {
    /// `all`, `worst` or `best`.
    pub class: &'static str,
    pub name: String,
    pub roc: String,
    pub reliability: String,
    /// The bins, in words: mean score and share of fakes.
    pub bins: Vec<(String, String, String)>,
}

fn path(points: impl Iterator<Item = (f64, f64)>) -> String {
    let points = points.map(|(x, y)| format!("{:.1} {:.1}", x * SIDE, (1.0 - y) * SIDE));
    let points: Vec<String> = points.collect();
    match points.is_empty() {
        true => String::new(),
        false => format!("M{}", points.join("L")),
    }
}

fn line(columns: &[String], at: usize, curve: &Curve) -> Line {
    let (class, what) = [("all", "all"), ("worst", "worst: "), ("best", "best: ")][at.min(2)];
    let bins = curve.reliability.iter();
    Line {
        class,
        name: format!("{what}{}", text::group(columns, &curve.group)),
        roc: path(curve.roc.iter().copied()),
        reliability: path(bins.clone().map(|bin| (bin.mean_score, bin.share_of_fakes))),
        bins: bins
            .map(|bin| {
                let (score, share) = (text::value(bin.mean_score), text::value(bin.share_of_fakes));
                (score, share, text::count(bin.n))
            })
            .collect(),
    }
}

/// The charts of every grouping at every level.
pub fn charts(report: &Report) -> Vec<Charts> {
    let several = report
        .curves
        .iter()
        .any(|c| c.level != report.curves[0].level);
    let chart = |(at, curves): (usize, &Curves)| {
        let by = curves.columns.join(" × ").replace('_', " ");
        let level = text::items(curves.level);
        let lines = curves.lines.iter().enumerate();
        let lines: Vec<Line> = lines.map(|(at, c)| line(&curves.columns, at, c)).collect();
        Charts {
            id: format!("curves-{at}"),
            title: match (by.is_empty(), several) {
                (true, false) => format!("All {level}"),
                (true, true) => text::sentence(level),
                (false, false) => format!("By {by}"),
                (false, true) => format!("By {by}, {level}"),
            },
            roc: lines.iter().any(|line| !line.roc.is_empty()),
            lines,
        }
    };
    report.curves.iter().enumerate().map(chart).collect()
}

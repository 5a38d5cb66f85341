//! A report in a few words, for whatever lists reports.

use fairframe_schemas::report::{MetricReport, Report, TaskForm};

use super::text;

/// What stands on top of a report.
pub struct Brief {
    /// Task form and submission.
    pub title: String,
    pub refused: bool,
    /// The headline metric; none where nothing was scored.
    pub headline: Option<Headline>,
}

/// The headline metric, in words.
pub struct Headline {
    pub metric: String,
    pub value: String,
    /// With its level, such as `95% interval 0.61 to 0.74`; empty where there is none.
    pub interval: String,
    pub n: String,
    pub direction: &'static str,
    /// The worst group of the first grouping that has one.
    pub worst: Option<String>,
}

/// Says what a report says on top.
pub fn brief(report: &Report) -> Brief {
    let task = match report.task_form {
        TaskForm::MultiLabel => "Multi-label",
        TaskForm::Detection => "Real against fake",
        TaskForm::DetectionLabels => "Real against fake, by label",
        TaskForm::Recognition => "Recognition",
        TaskForm::Retrieval => "Retrieval",
        TaskForm::Classification => "Classification",
        TaskForm::FewShot => "Few-shot",
    };
    let submission = report.inputs.get(1).map_or("", |input| &input.name);
    Brief {
        title: format!("{task}: {submission}"),
        refused: report.refused(),
        headline: report.headline_metric().map(headline),
    }
}

fn headline(metric: &MetricReport) -> Headline {
    let estimate = &metric.overall;
    let worst = metric.by_group.iter().find_map(|grouping| {
        let found = grouping.disparity.as_ref()?;
        Some(format!(
            "{} in {}, the worst of {} groups by {}",
            text::value(found.worst_value),
            text::group(&grouping.columns, &found.worst_group),
            text::count(found.groups_shown),
            grouping.columns.join(" × ").replace('_', " "),
        ))
    });
    Headline {
        metric: metric.title.clone(),
        value: estimate
            .value
            .map_or_else(|| text::estimate(estimate), |v| format!("{v:.4}")),
        interval: estimate.interval.map_or_else(String::new, |i| {
            format!(
                "{} interval {:.4} to {:.4}",
                text::percent(i.level),
                i.low,
                i.high
            )
        }),
        n: format!("{} {}", text::count(estimate.n), text::items(metric.level)),
        direction: text::direction(metric),
        worst,
    }
}

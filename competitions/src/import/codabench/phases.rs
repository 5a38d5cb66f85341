//! Phases of a bundle to stages.

use std::path::Path;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use fairframe_eval::{read::Limits, sheet};
use fairframe_schemas::{
    CompetitionToml, Name,
    report::{InputRole, TaskForm},
};

use super::{Found, PhaseYaml};
use crate::{
    import::{ImportError, Imported, stage, titled},
    vault,
};

/// Where a phase of no end ends.
const NO_END: &str = "2099-12-31";

/// A phase's time as ours are written; Codabench means UTC.
fn time(text: &str) -> Option<String> {
    let text = text.trim();
    if NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
        || DateTime::parse_from_rfc3339(text).is_ok()
    {
        return Some(text.to_owned());
    }
    for form in ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"] {
        if let Ok(at) = NaiveDateTime::parse_from_str(text, form) {
            return Some(at.format("%Y-%m-%d %H:%M:%S").to_string());
        }
    }
    for form in ["%Y-%m-%d %H:%M:%S%:z", "%Y-%m-%d %H:%M:%S %z"] {
        if let Ok(at) = DateTime::parse_from_str(text, form) {
            return Some(at.to_rfc3339());
        }
    }
    let day = ["%m-%d-%Y", "%m/%d/%Y"];
    let day = day
        .iter()
        .find_map(|form| NaiveDate::parse_from_str(text, form).ok());
    day.map(|day| day.format("%Y-%m-%d").to_string())
}

pub(super) fn phases(
    stages: Vec<(PhaseYaml, Name, Found)>,
    to: &Path,
    toml: &mut CompetitionToml,
    imported: &mut Imported,
) -> Result<(), ImportError> {
    let starts: Vec<Option<String>> = stages
        .iter()
        .map(|(phase, ..)| phase.start.as_deref().and_then(time))
        .collect();
    let mut per_day = Vec::new();
    let mut totals = Vec::new();
    let mut seconds = Vec::new();
    for (at, (phase, name, found)) in stages.into_iter().enumerate() {
        let title = phase
            .name
            .as_deref()
            .map_or_else(|| name.to_string(), titled);
        let opens = starts[at].clone().unwrap_or_else(|| {
            imported.unmapped.push(format!(
                "phase `{title}`: no start that can be read; set `opens`"
            ));
            "2027-01-11".to_owned()
        });
        let closes = phase
            .end
            .as_deref()
            .and_then(time)
            .or_else(|| starts.get(at + 1).cloned().flatten());
        let closes = closes.unwrap_or_else(|| {
            imported.unmapped.push(format!(
                "phase `{title}`: no end that can be read; {NO_END} stands in `closes`"
            ));
            NO_END.to_owned()
        });
        per_day.extend(phase.max_submissions_per_day);
        totals.extend(phase.max_submissions);
        seconds.extend(phase.execution_time_limit);
        for key in phase
            .rest
            .keys()
            .filter(|key| key.as_str() != "description")
        {
            imported
                .unmapped
                .push(format!("phase `{title}`: `{key}`: nothing here is like it"));
        }
        let solution = found
            .solution
            .unwrap_or_else(|| format!("{name}/solution.csv"));
        let sample = match found.sample {
            Some(sample) => {
                imported.mapped.push(format!(
                    "phase `{title}`: its example solution is the sample submission"
                ));
                sample
            }
            None => {
                let sample = format!("{name}/sample_submission.csv");
                match made_sample(toml.task.form, &to.join(&solution)) {
                    Some(bytes) => {
                        vault::put(&to.join(&sample), &bytes)?;
                        imported.mapped.push(format!(
                            "phase `{title}`: a sample submission is made of the truth's ids"
                        ));
                    }
                    None => imported.unmapped.push(format!(
                        "phase `{title}`: no sample submission; put one to `{sample}`"
                    )),
                }
                sample
            }
        };
        imported.mapped.push(format!(
            "phase `{title}`: stage `{name}`, {opens} to {closes}"
        ));
        let files = [solution, sample];
        toml.stages
            .push(stage(name, title, [&opens, &closes], files));
    }
    let mut limit = |key: &str, found: Vec<u32>| -> Option<u32> {
        let least = found.iter().min().copied()?;
        if found.iter().any(|n| *n != least) {
            imported.unmapped.push(format!(
                "`{key}`: phases differ; the least, {least}, holds for all"
            ));
        }
        Some(least.max(1))
    };
    if let Some(n) = limit("max_submissions_per_day", per_day) {
        toml.limits.per_day = n.min(1_000);
    }
    toml.limits.total = limit("max_submissions", totals).map(|n| n.min(100_000));
    if let Some(n) = limit("execution_time_limit", seconds) {
        toml.limits.score_seconds = n.min(3_600);
    }
    Ok(())
}

/// A constant answer to every id of a truth, in the ids' order; none where that says nothing.
fn made_sample(form: TaskForm, truth: &Path) -> Option<Vec<u8>> {
    let answer = match form {
        TaskForm::MultiLabel | TaskForm::Recognition | TaskForm::Retrieval => "",
        TaskForm::Detection => "0.5",
        TaskForm::DetectionLabels => "real",
        TaskForm::Classification | TaskForm::FewShot => return None,
    };
    let truth = sheet::read(form, InputRole::Solution, truth, None, &Limits::default()).ok()?;
    truth.roles?;
    let columns = truth.key_columns().iter().map(|at| truth.table.name(*at));
    let mut header: Vec<String> = columns.collect();
    if truth.table.names.is_empty() {
        header = vec![sheet::column_names(form, InputRole::Submission)[0].to_owned()];
    }
    header.push(sheet::column_names(form, InputRole::Submission)[1].to_owned());
    let mut keys: Vec<String> = (0..truth.table.len())
        .filter(|row| truth.counts(*row, None))
        .map(|row| truth.key(row))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(&header).ok()?;
    for key in &keys {
        out.write_record(key.split('\u{1f}').chain([answer])).ok()?;
    }
    out.into_inner().ok()
}

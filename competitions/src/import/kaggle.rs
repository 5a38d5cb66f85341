//! Files of a Kaggle-like competition: `solution.csv` (with `Usage`) and `sample_submission.csv`, and
//! what is said in `.md` files beside them.

use std::path::Path;

use fairframe_schemas::{
    competition::{BoardColumnToml, RulesToml, Shows},
    report::TaskForm,
};

use super::{
    ImportError, Imported, Said, add_page, bundle::Bundle, declare, ending, few_values, form_of,
    headed, listed, metric, named, page, stage, titled, usual,
};
use crate::{prepare::USAGE, template::empty, vault};

/// Groups of a column that is taken for one to report by, at most.
const MAX_GROUPS: usize = 60;

/// What stands where the files say nothing of times.
const TIMES: [&str; 2] = ["2027-01-11", "2027-04-12"];

/// Makes a competition's folder of a folder or zip archive with a solution and a sample submission.
///
/// # Errors
/// [`ImportError`]; what lies in `to` then is no competition.
pub fn import(from: &Path, to: &Path, said: &Said) -> Result<Imported, ImportError> {
    empty(to)?;
    let mut bundle = Bundle::open(from)?;
    let file = |name: &str| name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let is_sample = |name: &str| file(name).contains("sample") && file(name).contains("submission");
    let is_solution =
        |name: &str| file(name).contains("solution") && !file(name).contains("sample");
    let find = |wanted: &'static str, is: &dyn Fn(&str) -> bool| {
        let found = bundle.names().find(|name| is(name)).map(str::to_owned);
        found.ok_or_else(|| ImportError::Missing {
            wanted,
            there: listed(bundle.names()),
        })
    };
    let solution = find("solution.csv", &is_solution)?;
    let sample = find("sample_submission.csv", &is_sample)?;
    let texts: Vec<String> = bundle
        .names()
        .filter(|name| file(name).ends_with(".md"))
        .map(str::to_owned)
        .collect();
    let rest: Vec<String> = bundle
        .names()
        .filter(|name| **name != solution && **name != sample && !texts.iter().any(|t| t == name))
        .map(str::to_owned)
        .collect();
    let kept = [
        format!("stage-1/solution{}", ending(&solution)),
        format!("stage-1/sample_submission{}", ending(&sample)),
    ];
    vault::put(&to.join(&kept[0]), &bundle.read(&solution)?)?;
    vault::put(&to.join(&kept[1]), &bundle.read(&sample)?)?;
    let (truth, answer) = (headed(&to.join(&kept[0]))?, headed(&to.join(&kept[1]))?);
    let form = said.form.or_else(|| form_of(&truth, Some(&answer)));
    let form = form.ok_or_else(|| ImportError::Unknown {
        columns: listed(answer.names.iter().chain(&truth.names).map(String::as_str)),
    })?;
    let stem = from
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let name = named(&stem).or_else(|| named("competition"));
    let name = name.ok_or_else(|| ImportError::Form {
        name: stem.clone(),
        message: "no name can be made of it".to_owned(),
    })?;
    let mut toml = usual(name.clone(), titled(&stem), form, metric(form, said)?);
    let mut imported = Imported {
        competition: name,
        mapped: vec![
            format!("`{solution}`: the truth of stage 1"),
            format!("`{sample}`: what may be answered, as `{}`", form.as_str()),
        ],
        unmapped: Vec::new(),
    };
    if said.metric.is_none() {
        imported.unmapped.push(format!(
            "the metric: these files do not name it. `{}` stands in `board.metric`",
            toml.board.metric
        ));
    }
    imported.unmapped.push(format!(
        "times: these files have none. {} to {} stand in `[[stage]]`",
        TIMES[0], TIMES[1]
    ));
    // As Kaggle has them.
    toml.limits.per_day = 5;
    toml.limits.selections = 2;
    let usage = truth.find(&[USAGE]);
    match usage {
        Some(_) => imported.mapped.push(format!("`{USAGE}`: public, private and ignored rows")),
        None => imported.unmapped.push(format!(
            "`{USAGE}`: the truth has no such column, so all rows are public and private at once; give `public_share` and `seed` to have some drawn"
        )),
    }
    let id = truth.names.first().filter(|first| {
        let sample = answer.names.first();
        sample.is_some_and(|sample| sample.eq_ignore_ascii_case(first))
    });
    toml.task.id = id.cloned();
    groups(&truth, &mut toml, &mut imported);
    let rules = texts.iter().find(|name| file(name).contains("rules"));
    for text in &texts {
        let bytes = bundle.read(text)?;
        if Some(text) == rules
            && let Some(words) = page(&bytes)
        {
            vault::put(&to.join("rules.md"), words.as_bytes())?;
            toml.rules = Some(RulesToml {
                version: "1".to_owned(),
                file: "rules.md".to_owned(),
            });
            imported
                .mapped
                .push(format!("`{text}`: the rules to accept"));
            continue;
        }
        let stem = file(text);
        let title = stem.trim_end_matches(".md").replace(['_', '-'], " ");
        add_page(to, &mut toml, (&title, text), &bytes, &mut imported)?;
    }
    for name in rest {
        imported.unmapped.push(format!(
            "`{name}`: not asked for; data for participants are put on a page as a link"
        ));
    }
    let stage_name = fairframe_schemas::Name::new("stage-1").map_err(|e| ImportError::Form {
        name: "stage-1".to_owned(),
        message: e.to_string(),
    })?;
    toml.stages = vec![stage(stage_name, "Stage 1".to_owned(), TIMES, kept)];
    declare(to, &toml)?;
    Ok(imported)
}

/// Columns of the truth beside id, answer and usage: to report by, where they have few values.
fn groups(
    truth: &fairframe_eval::read::Table,
    toml: &mut fairframe_schemas::CompetitionToml,
    imported: &mut Imported,
) {
    let used = match toml.task.form {
        TaskForm::DetectionLabels => truth.names.len(),
        _ => 2,
    };
    for (at, name) in truth.names.iter().enumerate().skip(used) {
        if name.eq_ignore_ascii_case(USAGE) {
            continue;
        }
        match few_values(&truth.columns[at], truth.len(), MAX_GROUPS) {
            Some(n) if n > 1 && !name.contains('+') => {
                toml.task.groups.push(name.clone());
                toml.board.columns.push(BoardColumnToml {
                    title: titled(&format!("Worst {name}")),
                    metric: None,
                    shows: Shows::WorstGroup,
                    grouping: Some(name.clone()),
                    group: Vec::new(),
                    weight: None,
                    hidden_until: None,
                });
                imported.mapped.push(format!("column `{name}`: {n} groups to report by"));
            }
            _ => imported.unmapped.push(format!(
                "column `{name}` of the truth: one value, or more than {MAX_GROUPS}; it is kept, and nothing is reported by it"
            )),
        }
    }
}

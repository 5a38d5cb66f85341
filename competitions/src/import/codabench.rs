//! Codabench's bundles: a zip archive or folder with a `competition.yaml` (version 2).
//!
//! Its scoring is a program of the host's, ours is a metric: phases, pages, terms and reference data
//! are taken over where they fit, programs never are.

mod phases;

use std::{collections::BTreeMap, path::Path};

use fairframe_eval::metrics;
use fairframe_schemas::{
    CompetitionToml, Name,
    competition::{BoardColumnToml, RulesToml, Shows},
};
use serde::Deserialize;
use yaml_serde::Value;

use self::phases::phases;
use super::{
    ImportError, Imported, Said, add_page, bundle::Bundle, declare, ending, form_of, fresh, headed,
    listed, metric, named, page, titled, usual,
};
use crate::{
    definition::{MAX_STAGES, MAX_TOML},
    template::empty,
    vault,
};

/// What is read of `competition.yaml`; the rest is listed.
#[derive(Deserialize)]
struct Yaml {
    title: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    terms: Option<String>,
    #[serde(default)]
    pages: Vec<PageYaml>,
    #[serde(default)]
    phases: Vec<PhaseYaml>,
    #[serde(default)]
    tasks: Vec<TaskYaml>,
    #[serde(default)]
    solutions: Vec<SolutionYaml>,
    #[serde(default, alias = "leaderboard")]
    leaderboards: Vec<BoardYaml>,
    #[serde(default)]
    version: Option<Value>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct PageYaml {
    title: String,
    file: String,
}

#[derive(Deserialize)]
struct PhaseYaml {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    start: Option<String>,
    #[serde(default)]
    end: Option<String>,
    #[serde(default)]
    max_submissions_per_day: Option<u32>,
    #[serde(default)]
    max_submissions: Option<u32>,
    #[serde(default)]
    execution_time_limit: Option<u32>,
    #[serde(default)]
    tasks: Vec<i64>,
    #[serde(default, rename = "index")]
    _index: Option<i64>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct TaskYaml {
    #[serde(default)]
    index: Option<i64>,
    #[serde(default)]
    reference_data: Option<String>,
    #[serde(default, rename = "name")]
    _name: Option<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct SolutionYaml {
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    tasks: Vec<i64>,
}

#[derive(Deserialize)]
struct BoardYaml {
    #[serde(default)]
    columns: Vec<ColumnYaml>,
    #[serde(default)]
    submission_rule: Option<String>,
}

#[derive(Deserialize)]
struct ColumnYaml {
    title: String,
    key: String,
    #[serde(default)]
    index: i64,
    #[serde(default)]
    sorting: Option<String>,
    #[serde(default)]
    computation: Option<String>,
    #[serde(default)]
    hidden: bool,
}

/// Makes a competition's folder of a bundle.
///
/// # Errors
/// [`ImportError`]; what lies in `to` then is no competition.
pub fn import(from: &Path, to: &Path, said: &Said) -> Result<Imported, ImportError> {
    empty(to)?;
    let mut bundle = Bundle::open(from)?;
    let (base, yaml) = read(&mut bundle)?;
    let mut unmapped = Vec::new();
    if yaml.phases.is_empty() {
        return Err(ImportError::Missing {
            wanted: "phase in competition.yaml",
            there: "nothing".to_owned(),
        });
    }
    let name = named(&yaml.title).or_else(|| named("competition"));
    let name = name.ok_or_else(|| ImportError::Form {
        name: "title".to_owned(),
        message: "no name can be made of it".to_owned(),
    })?;
    let mut stages: Vec<(PhaseYaml, Name, Found)> = Vec::new();
    for (at, phase) in yaml.phases.into_iter().enumerate() {
        let usual = format!("stage-{}", at + 1);
        let title = phase.name.clone().unwrap_or_else(|| usual.clone());
        if at >= MAX_STAGES {
            unmapped.push(format!(
                "phase `{title}`: there are {MAX_STAGES} stages already"
            ));
            continue;
        }
        let taken: Vec<&Name> = stages.iter().map(|(_, name, _)| name).collect();
        let Some(name) = fresh(named(&title), &usual, &taken) else {
            unmapped.push(format!("phase `{title}`: no name can be made of it"));
            continue;
        };
        let tasks: Vec<&TaskYaml> = phase
            .tasks
            .iter()
            .filter_map(|wanted| {
                let mut all = yaml.tasks.iter().enumerate();
                all.find(|(at, task)| task.index.unwrap_or(*at as i64) == *wanted)
                    .map(|(_, task)| task)
            })
            .collect();
        if tasks.len() > 1 {
            unmapped.push(format!(
                "phase `{title}`: it has {} tasks, a stage has one; the first is taken. Make stages or competitions of the others",
                tasks.len()
            ));
        }
        let task = tasks.into_iter().find(|task| task.reference_data.is_some());
        let found = truth(&mut bundle, &base, to, &name, task, &title, &mut unmapped)?;
        if let Some(sample) = yaml
            .solutions
            .iter()
            .find(|s| phase.tasks.iter().any(|t| s.tasks.contains(t)))
            && let Some(path) = &sample.path
            && let Some((file, bytes)) = table(&mut bundle, &format!("{base}{path}"))?
        {
            let kept = format!("{name}/sample_submission{}", ending(&file));
            vault::put(&to.join(&kept), &bytes)?;
            stages.push((
                phase,
                name,
                Found {
                    sample: Some(kept),
                    ..found
                },
            ));
            continue;
        }
        stages.push((phase, name, found));
    }
    let first = stages
        .iter()
        .find_map(|(_, _, found)| found.solution.clone());
    let form = match (said.form, &first) {
        (Some(form), _) => form,
        (None, Some(path)) => {
            let truth = headed(&to.join(path))?;
            form_of(&truth, None).ok_or_else(|| ImportError::Unknown {
                columns: listed(truth.names.iter().map(String::as_str)),
            })?
        }
        (None, None) => {
            return Err(ImportError::Unknown {
                columns: "no reference data that is one table".to_owned(),
            });
        }
    };
    let mut toml = usual(name.clone(), titled(&yaml.title), form, metric(form, said)?);
    let mut imported = Imported {
        competition: name,
        mapped: vec![format!("title `{}`", toml.title)],
        unmapped,
    };
    if let Some(text) = &yaml.description {
        toml.summary = titled(text);
        imported.mapped.push("description: the summary".to_owned());
    }
    board(&yaml.leaderboards, said, &mut toml, &mut imported);
    for PageYaml { title, file } in &yaml.pages {
        match bundle.has(&format!("{base}{file}")) {
            true => {
                let bytes = bundle.read(&format!("{base}{file}"))?;
                add_page(to, &mut toml, (title, file), &bytes, &mut imported)?;
            }
            false => imported
                .unmapped
                .push(format!("page `{file}`: it is not in the bundle")),
        }
    }
    if let Some(file) = &yaml.terms {
        let path = format!("{base}{file}");
        let bytes = match bundle.has(&path) {
            true => bundle.read(&path)?,
            false => Vec::new(),
        };
        match page(&bytes).filter(|text| !text.trim().is_empty()) {
            Some(text) => {
                vault::put(&to.join("rules.md"), text.as_bytes())?;
                toml.rules = Some(RulesToml {
                    version: "1".to_owned(),
                    file: "rules.md".to_owned(),
                });
                imported
                    .mapped
                    .push(format!("terms `{file}`: the rules to accept"));
            }
            None => imported
                .unmapped
                .push(format!("terms `{file}`: they are not there, or no text")),
        }
    }
    phases(stages, to, &mut toml, &mut imported)?;
    for task in &yaml.tasks {
        for key in task.rest.keys().filter(|key| key.as_str() != "description") {
            let what = match key.as_str() {
                "scoring_program" | "ingestion_program" => {
                    "programs are not run; a metric judges (`board.metric`)"
                }
                "input_data" => "put data for participants on a page as a link",
                _ => "nothing here is like it",
            };
            add_once(&mut imported.unmapped, format!("tasks: `{key}`: {what}"));
        }
    }
    for key in yaml.rest.keys() {
        let what = match key.as_str() {
            "image" => "a competition has no picture here",
            "docker_image" | "queue" => "nothing of participants' is run here",
            "html" => "pages of version 1.5: write them as `[[page]]` in Markdown",
            _ => "nothing here is like it",
        };
        imported.unmapped.push(format!("`{key}`: {what}"));
    }
    if yaml
        .version
        .as_ref()
        .and_then(Value::as_u64)
        .is_some_and(|v| v != 2)
    {
        imported
            .unmapped
            .push("`version`: it is not 2; look at everything twice".to_owned());
    }
    declare(to, &toml)?;
    Ok(imported)
}

fn add_once(list: &mut Vec<String>, line: String) {
    if !list.contains(&line) {
        list.push(line);
    }
}

/// The folder within the bundle that has `competition.yaml`, with a slash; and what it says.
fn read(bundle: &mut Bundle) -> Result<(String, Yaml), ImportError> {
    let is = |name: &&str| {
        let file = name.rsplit('/').next().unwrap_or(name);
        matches!(file, "competition.yaml" | "competition.yml")
    };
    let found = bundle.names().filter(is).min_by_key(|name| name.len());
    let path = found
        .map(str::to_owned)
        .ok_or_else(|| ImportError::Missing {
            wanted: "competition.yaml",
            there: listed(bundle.names()),
        })?;
    let form = |message: String| ImportError::Form {
        name: path.clone(),
        message,
    };
    let bytes = bundle.read(&path)?;
    if bytes.len() as u64 > MAX_TOML {
        return Err(form(format!("it has more than {MAX_TOML} bytes")));
    }
    let text = std::str::from_utf8(&bytes).map_err(|e| form(e.to_string()))?;
    let yaml: Yaml = yaml_serde::from_str(text).map_err(|e| form(e.to_string()))?;
    let base = path.rfind('/').map_or("", |at| &path[..=at]).to_owned();
    Ok((base, yaml))
}

/// What was kept of a phase's task.
#[derive(Default)]
struct Found {
    solution: Option<String>,
    sample: Option<String>,
}

/// Puts a phase's reference data in its place, where it is one table.
fn truth(
    bundle: &mut Bundle,
    base: &str,
    to: &Path,
    stage: &Name,
    task: Option<&TaskYaml>,
    title: &str,
    unmapped: &mut Vec<String>,
) -> Result<Found, ImportError> {
    let reference = task.and_then(|task| task.reference_data.as_ref());
    let Some(path) = reference else {
        unmapped.push(format!(
            "phase `{title}`: no reference data in the bundle; put the truth to `{stage}/solution.csv`"
        ));
        return Ok(Found::default());
    };
    let Some((file, bytes)) = table(bundle, &format!("{base}{path}"))? else {
        unmapped.push(format!(
            "phase `{title}`: `{path}` is not one table (CSV, JSON or Parquet); put the truth to `{stage}/solution.csv`"
        ));
        return Ok(Found::default());
    };
    let kept = format!("{stage}/solution{}", ending(&file));
    vault::put(&to.join(&kept), &bytes)?;
    Ok(Found {
        solution: Some(kept),
        sample: None,
    })
}

/// The one table at a place: a file, the file of an archive, or the file of a folder.
fn table(bundle: &mut Bundle, path: &str) -> Result<Option<(String, Vec<u8>)>, ImportError> {
    let is_table = |name: &str| {
        let name = name.to_ascii_lowercase();
        [".csv", ".csv.gz", ".json", ".parquet"]
            .iter()
            .any(|end| name.ends_with(end))
    };
    let one = |names: Vec<String>| match names.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    };
    if bundle.has(path) {
        let bytes = bundle.read(path)?;
        let Some(mut inner) = Bundle::within(path, bytes.clone())? else {
            return Ok(is_table(path).then(|| (path.to_owned(), bytes)));
        };
        let names = inner
            .names()
            .filter(|n| is_table(n))
            .map(str::to_owned)
            .collect();
        return match one(names) {
            Some(name) => Ok(Some((name.clone(), inner.read(&name)?))),
            None => Ok(None),
        };
    }
    let folder = format!("{}/", path.trim_end_matches('/'));
    let names = bundle
        .names()
        .filter(|name| name.starts_with(&folder) && is_table(name))
        .map(str::to_owned)
        .collect();
    match one(names) {
        Some(name) => Ok(Some((name.clone(), bundle.read(&name)?))),
        None => Ok(None),
    }
}

/// Leaderboard columns whose keys are metrics of ours.
fn board(boards: &[BoardYaml], said: &Said, toml: &mut CompetitionToml, imported: &mut Imported) {
    let known = metrics::of_form(toml.task.form);
    if boards.len() > 1 {
        imported
            .unmapped
            .push("leaderboards: there is one here; the first is taken".to_owned());
    }
    let Some(first) = boards.first() else {
        return;
    };
    if let Some(rule) = &first.submission_rule {
        imported.unmapped.push(format!(
            "leaderboards: submission rule `{rule}`; here a team's best stands in public, and what it chose in private"
        ));
    }
    let mut columns: Vec<&ColumnYaml> = first.columns.iter().collect();
    columns.sort_by_key(|column| column.index);
    let mut ranked = said.metric.is_some();
    for column in columns {
        let found = known.iter().find(|metric| is_called(metric.name, column));
        let line = |what: &str| format!("column `{}`: {what}", titled(&column.title));
        let Some(metric) = found else {
            imported.unmapped.push(line(&format!(
                "no metric of `{}` is called so; look at `board.metric` and `[[board.column]]`",
                toml.task.form.as_str()
            )));
            continue;
        };
        if column.computation.is_some() {
            imported
                .unmapped
                .push(line("it is computed from others; give weights instead"));
            continue;
        }
        let higher = column
            .sorting
            .as_deref()
            .is_none_or(|sorting| sorting != "asc");
        if higher != metric.higher_is_better {
            imported
                .unmapped
                .push(line("it is sorted the other way here"));
        }
        if column.hidden {
            imported
                .unmapped
                .push(line("it was hidden; give `hidden_until`"));
        }
        imported
            .mapped
            .push(line(&format!("metric `{}`", metric.name)));
        if ranked {
            toml.board.columns.push(BoardColumnToml {
                title: titled(&column.title),
                metric: Some(metric.name.to_owned()),
                shows: Shows::Overall,
                grouping: None,
                group: Vec::new(),
                weight: None,
                hidden_until: None,
            });
        } else {
            toml.board.metric = metric.name.to_owned();
            ranked = true;
        }
    }
    if !ranked {
        imported.unmapped.push(format!(
            "what ranks: the scoring program said so; `{}` stands in `board.metric`",
            toml.board.metric
        ));
    }
}

fn is_called(metric: &str, column: &ColumnYaml) -> bool {
    let plain = |text: &str| -> String {
        let letters = text.chars().filter(char::is_ascii_alphanumeric);
        letters.map(|c| c.to_ascii_lowercase()).collect()
    };
    let names: &[&str] = match metric {
        "auc" => &["auc", "rocauc", "auroc"],
        "top_1" => &["top1", "accuracy", "top1accuracy"],
        "f2_mean" => &["f2mean", "f2", "f2score"],
        "map_at_100" => &["mapat100", "map100", "map"],
        _ => &[],
    };
    [&column.key, &column.title].iter().any(|own| {
        let own = plain(own);
        own == plain(metric) || names.contains(&own.as_str())
    })
}

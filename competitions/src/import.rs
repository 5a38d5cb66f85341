//! Competitions of other systems to folders of ours: what maps is taken over, and what does not is
//! said, line by line.

mod bundle;
pub mod codabench;
pub mod kaggle;

use std::path::Path;

use fairframe_eval::{
    metrics,
    read::{JsonPart, Values},
    read::{Limits, ReadError, Table, read_table},
};
use fairframe_schemas::{
    CompetitionToml, Name, TaskToml,
    competition::{
        BoardToml, ExternalDataToml, LimitsToml, PageToml, StageToml, TeamsToml, TieRule,
    },
    report::TaskForm,
};

pub use bundle::{BundleError, MAX_ENTRIES, MAX_FILE, MAX_UNPACKED, unpack};

use crate::{
    definition::{self, MAX_PAGE, MAX_TITLE},
    template::TemplateError,
    vault::{self, VaultError},
};

/// What became of a competition.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Imported {
    pub competition: Name,
    /// What was taken over, in sentences.
    pub mapped: Vec<String>,
    /// What was not, and what to do.
    pub unmapped: Vec<String>,
}

/// What the host says, where files do not.
#[derive(Debug, Clone, Default)]
pub struct Said {
    pub form: Option<TaskForm>,
    pub metric: Option<String>,
}

/// Why nothing is imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Taken(#[from] TemplateError),
    #[error("there is no {wanted} among: {there}")]
    Missing { wanted: &'static str, there: String },
    #[error("`{name}` cannot be read: {message}")]
    Form { name: String, message: String },
    #[error(
        "what a submission answers cannot be told from the columns ({columns}); say it: `--form` \
         multi-label, detection, detection-labels, recognition, retrieval, classification or few-shot"
    )]
    Unknown { columns: String },
    #[error("`{metric}` is no metric of `{form}`; there are: {known}")]
    Metric {
        metric: String,
        form: &'static str,
        known: String,
    },
    #[error("what was made of it cannot be written: {0}")]
    Toml(#[from] toml::ser::Error),
}

/// The names that are there, for an error.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut shown: Vec<String> = names
        .take(12)
        .map(|name| format!("`{}`", name.chars().take(80).collect::<String>()))
        .collect();
    if shown.is_empty() {
        shown.push("nothing".to_owned());
    }
    shown.join(", ")
}

/// A name for addresses made of a text.
fn named(text: &str) -> Option<Name> {
    let mut name = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' => name.push(c),
            _ if !name.is_empty() && !name.ends_with('-') => name.push('-'),
            _ => {}
        }
        if name.len() >= 60 {
            break;
        }
    }
    Name::new(name.trim_matches('-')).ok()
}

/// Another name where one is taken.
fn fresh(wanted: Option<Name>, usual: &str, taken: &[&Name]) -> Option<Name> {
    let base = wanted.or_else(|| Name::new(usual).ok())?;
    let mut name = base.clone();
    let mut n = 2;
    while taken.contains(&&name) {
        name = Name::new(&format!("{base}-{n}")).ok()?;
        n += 1;
    }
    Some(name)
}

/// A title of ours: without control characters, not too long.
fn titled(text: &str) -> String {
    let mut title: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    title.truncate(title.floor_char_boundary(MAX_TITLE));
    title.trim().to_owned()
}

/// A file's ending, as ours have it; what a file is, is told by its bytes.
fn ending(name: &str) -> &'static str {
    let name = name.to_ascii_lowercase();
    for known in [
        ".csv.gz", ".csv.zst", ".csv.zip", ".csv", ".parquet", ".json", ".zip", ".7z",
    ] {
        if name.ends_with(known) {
            return known;
        }
    }
    ".csv"
}

/// A text as a page, where it may be one.
fn page(bytes: &[u8]) -> Option<&str> {
    let fits = bytes.len() as u64 <= MAX_PAGE;
    std::str::from_utf8(bytes).ok().filter(|_| fits)
}

/// A table whose first row names its columns.
fn headed(path: &Path) -> Result<Table, ReadError> {
    read_table(path, &Limits::default(), JsonPart::Pairs("label"), &|_| {
        true
    })
}

/// What a submission answers, by the columns of a truth and, where there is one, a sample.
fn form_of(solution: &Table, sample: Option<&Table>) -> Option<TaskForm> {
    let of = sample.unwrap_or(solution);
    let has = |names: &[&str]| of.find(names).is_some() || solution.find(names).is_some();
    if has(&["episode"]) {
        return Some(TaskForm::FewShot);
    }
    if has(&["landmarks", "landmark_id"]) {
        return Some(TaskForm::Recognition);
    }
    if has(&["images", "image_ids"]) {
        return Some(TaskForm::Retrieval);
    }
    let value = |table: &Table| -> Option<usize> {
        let known = table.find(&[
            "label", "target", "score", "prob", "is_fake", "class", "method",
        ]);
        known.or_else(|| (table.columns.len() > 1).then_some(1))
    };
    let all = |table: &Table, is: &dyn Fn(&str) -> bool| {
        let column = value(table).map(|at| &table.columns[at]);
        column.is_some_and(|c| (0..table.len()).all(|row| is(c.text(row).trim())))
            && !table.is_empty()
    };
    let word = |text: &str| matches!(text, "real" | "fake");
    if solution.find(&["method"]).is_some() || sample.is_some_and(|s| all(s, &word)) {
        return Some(TaskForm::DetectionLabels);
    }
    if has(&["labels"]) {
        return Some(TaskForm::MultiLabel);
    }
    let binary = |text: &str| text.parse::<f64>().is_ok_and(|n| n == 0.0 || n == 1.0);
    let share = |text: &str| text.parse::<f64>().is_ok_and(|n| (0.0..=1.0).contains(&n));
    if all(solution, &binary) && sample.is_none_or(|s| all(s, &share)) {
        return Some(TaskForm::Detection);
    }
    let one = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
    (has(&["label", "class", "target"]) && all(solution, &one)).then_some(TaskForm::Classification)
}

/// The metric a form is usually ranked by.
fn usual_metric(form: TaskForm) -> &'static str {
    match form {
        TaskForm::MultiLabel => metrics::multi_label::F2_MEAN,
        TaskForm::Detection => metrics::detection::LOG_LOSS,
        TaskForm::DetectionLabels => metrics::detection_labels::ACCURACY,
        TaskForm::Recognition => metrics::recognition::GAP,
        TaskForm::Retrieval => metrics::retrieval::MAP,
        TaskForm::Classification => metrics::classification::TOP_1,
        TaskForm::FewShot => metrics::few_shot::PREDICTED[0].name,
    }
}

/// The metric that ranks: as the host says, or the usual one.
fn metric(form: TaskForm, said: &Said) -> Result<String, ImportError> {
    let Some(metric) = &said.metric else {
        return Ok(usual_metric(form).to_owned());
    };
    let known: Vec<&str> = metrics::of_form(form).iter().map(|m| m.name).collect();
    match known.contains(&metric.as_str()) {
        true => Ok(metric.clone()),
        false => Err(ImportError::Metric {
            metric: metric.clone(),
            form: form.as_str(),
            known: listed(known.into_iter()),
        }),
    }
}

/// What is declared where the other system says nothing.
fn usual(competition: Name, title: String, form: TaskForm, metric: String) -> CompetitionToml {
    CompetitionToml {
        competition,
        title,
        summary: String::new(),
        timezone: "UTC".to_owned(),
        task: TaskToml::of_form(form),
        board: BoardToml {
            metric,
            ties: TieRule::default(),
            ladder: None,
            columns: Vec::new(),
            weight: None,
            public: None,
        },
        limits: LimitsToml::default(),
        teams: TeamsToml::default(),
        rules: None,
        external_data: ExternalDataToml::default(),
        stages: Vec::new(),
        pages: Vec::new(),
    }
}

fn stage(name: Name, title: String, [opens, closes]: [&str; 2], files: [String; 2]) -> StageToml {
    let [solution, sample_submission] = files;
    StageToml {
        name,
        title,
        opens: opens.to_owned(),
        closes: closes.to_owned(),
        reveals: None,
        solution,
        sample_submission,
        public_share: None,
        seed: None,
        drawn_by: None,
        block_days: None,
    }
}

/// Writes what is declared.
fn declare(to: &Path, toml: &CompetitionToml) -> Result<(), ImportError> {
    let text = toml::to_string(toml)?;
    Ok(vault::put(&to.join(definition::FILE), text.as_bytes())?)
}

/// Adds a page of a text; says what does not map.
fn add_page(
    to: &Path,
    toml: &mut CompetitionToml,
    (title, file): (&str, &str),
    bytes: &[u8],
    said: &mut Imported,
) -> Result<(), ImportError> {
    let Some(text) = page(bytes) else {
        said.unmapped.push(format!(
            "page `{file}`: it is longer than {} KiB or no UTF-8; shorten it and add a `[[page]]`",
            MAX_PAGE >> 10
        ));
        return Ok(());
    };
    if toml.pages.len() >= definition::MAX_PAGES {
        said.unmapped.push(format!(
            "page `{file}`: there are {} already",
            definition::MAX_PAGES
        ));
        return Ok(());
    }
    let taken: Vec<&Name> = toml.pages.iter().map(|p| &p.name).collect();
    let Some(name) = fresh(named(title), "page", &taken) else {
        said.unmapped
            .push(format!("page `{file}`: no name can be made of its title"));
        return Ok(());
    };
    let path = format!("pages/{name}.md");
    vault::put(&to.join(&path), text.as_bytes())?;
    if file.to_ascii_lowercase().ends_with(".html") || file.to_ascii_lowercase().ends_with(".htm") {
        said.unmapped.push(format!(
            "page `{file}` is HTML, which is shown as text: write `{path}` anew in Markdown"
        ));
    }
    said.mapped.push(format!("page `{file}`"));
    let title = match titled(title) {
        title if title.is_empty() => name.to_string(),
        title => title,
    };
    toml.pages.push(PageToml {
        name,
        title,
        file: path,
    });
    Ok(())
}

/// The distinct values of a column, where there are few.
fn few_values(column: &Values, rows: usize, most: usize) -> Option<usize> {
    let mut seen = std::collections::BTreeSet::new();
    for row in 0..rows {
        seen.insert(column.text(row).into_owned());
        if seen.len() > most {
            return None;
        }
    }
    Some(seen.len())
}

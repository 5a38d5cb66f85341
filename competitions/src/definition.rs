//! What a host declares, read and checked: every defect at once.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;
use fairframe_eval::metrics;
use fairframe_schemas::{
    CompetitionToml, Name, Timestamp,
    competition::{BoardColumnToml, LadderToml, Shows, StageToml},
    licence,
};

mod files;

use files::files;
pub(crate) use files::stays_within;

/// The file that declares a competition.
pub const FILE: &str = "competition.toml";

/// Largest `competition.toml`, and largest page, in bytes.
pub const MAX_TOML: u64 = 256 << 10;
pub const MAX_PAGE: u64 = 256 << 10;

pub const MAX_STAGES: usize = 20;
pub const MAX_PAGES: usize = 30;
pub const MAX_COLUMNS: usize = 40;

/// Least seed of a draw: smaller ones are tried out in no time.
pub const LEAST_SEED: u64 = 1 << 32;

/// Longest title, in bytes.
pub const MAX_TITLE: usize = 200;

/// A competition whose definition makes sense.
#[derive(Debug, Clone)]
pub struct Competition {
    pub toml: CompetitionToml,
    /// Where its files are.
    pub folder: PathBuf,
    pub zone: Tz,
    /// One after the other, at least one.
    pub stages: Vec<Stage>,
    /// From then on teams stay as they are.
    pub merge_until: Timestamp,
    /// Of each board column, in their order: hidden from all but hosts until then.
    pub hidden_until: Vec<Option<Timestamp>>,
    /// Whether more of the ranking number is better.
    pub higher_is_better: bool,
}

/// A stage with its times. It is open from `opens` on, and no more at `closes`.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    pub name: Name,
    pub title: String,
    pub opens: Timestamp,
    pub closes: Timestamp,
    /// From then on everybody sees the private board.
    pub reveals: Timestamp,
    pub block_days: Option<u32>,
    /// As declared.
    pub toml: StageToml,
}

/// What is wrong with a definition, each with the key it is about.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    #[error("`{path}` cannot be read: {error}")]
    Io { path: PathBuf, error: io::Error },
    #[error("`{path}`: {message}")]
    Toml { path: PathBuf, message: String },
    #[error(
        "`{path}` declares no competition that can be opened:{}",
        Listed(defects)
    )]
    Defects { path: PathBuf, defects: Vec<Defect> },
}

/// Something wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// Such as `stage[1].closes`.
    pub key: String,
    pub problem: String,
}

struct Listed<'a>(&'a [Defect]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Defect { key, problem } in self.0 {
            write!(f, "\n  {key}: {problem}")?;
        }
        Ok(())
    }
}

/// What is wrong, as it is found.
#[derive(Default)]
struct Defects(Vec<Defect>);

impl Defects {
    fn add(&mut self, key: impl Into<String>, problem: impl Into<String>) {
        self.0.push(Defect {
            key: key.into(),
            problem: problem.into(),
        });
    }
}

impl Competition {
    /// Reads a folder with a `competition.toml`. What it names is looked for; truths are not read
    /// ([`crate::prepare`](crate) does that).
    ///
    /// # Errors
    /// [`DefinitionError`], with every defect at once.
    pub fn read(folder: &Path) -> Result<Self, DefinitionError> {
        let path = folder.join(FILE);
        let text = read(&path, MAX_TOML).map_err(|error| DefinitionError::Io {
            path: path.clone(),
            error,
        })?;
        let toml = CompetitionToml::parse(&text).map_err(|error| DefinitionError::Toml {
            path: path.clone(),
            message: error.to_string(),
        })?;
        Self::checked(toml, folder).map_err(|defects| DefinitionError::Defects { path, defects })
    }

    fn checked(toml: CompetitionToml, folder: &Path) -> Result<Self, Vec<Defect>> {
        let mut defects = Defects::default();
        files(&toml, folder, &mut defects);
        let declared = Self::declared(toml, folder, &mut defects);
        match (defects.0.is_empty(), declared) {
            (true, Some(competition)) => Ok(competition),
            _ => Err(defects.0),
        }
    }

    /// What is declared, without a look at the files that it names; none with defects.
    fn declared(toml: CompetitionToml, folder: &Path, defects: &mut Defects) -> Option<Self> {
        texts(&toml, defects);
        let zone: Tz = match toml.timezone.parse() {
            Ok(zone) => zone,
            Err(_) => {
                let problem = format!(
                    "`{}` is no time zone; give an IANA name such as `Europe/Berlin` or `UTC`",
                    toml.timezone
                );
                defects.add("timezone", problem);
                Tz::UTC
            }
        };
        let stages = stages(&toml, zone, defects);
        let hidden_until = columns(&toml, zone, defects);
        let higher_is_better = ranking(&toml, defects);
        limits(&toml, defects);
        let last = stages.last().map(|s| s.closes);
        let merge_until = match &toml.teams.merge_until {
            Some(text) => moment(text, zone, "teams.merge_until", defects),
            None => last,
        };
        let merge_until = merge_until.filter(|_| defects.0.is_empty())?;
        Some(Self {
            folder: folder.to_owned(),
            zone,
            stages,
            merge_until,
            hidden_until,
            higher_is_better,
            toml,
        })
    }

    /// The same with nothing in it that tells which ids are public, for whoever judges: seeds.
    pub fn without_seeds(&self) -> CompetitionToml {
        let mut toml = self.toml.clone();
        for stage in &mut toml.stages {
            stage.seed = stage.seed.map(|_| LEAST_SEED);
        }
        toml
    }

    /// A competition that was read before, without its files.
    ///
    /// # Errors
    /// Where it was not, with every defect.
    pub fn again(toml: CompetitionToml) -> Result<Self, Vec<Defect>> {
        let mut defects = Defects::default();
        Self::declared(toml, Path::new(""), &mut defects).ok_or(defects.0)
    }

    /// A stage by its name.
    pub fn stage(&self, name: &Name) -> Option<&Stage> {
        self.stages.iter().find(|s| s.name == *name)
    }

    /// What of this definition another one changes, so that scores made by the one are not scores by
    /// the other; none where it changes texts, times, limits and what is hidden only.
    pub fn scores_otherwise(&self, other: &Self) -> Option<String> {
        if let Some(gone) = self.stages.iter().find(|s| other.stage(&s.name).is_none()) {
            return Some(format!("leaves out the stage `{}`", gone.name));
        }
        let (own, its) = (&self.toml, &other.toml);
        let columns = |toml: &CompetitionToml| -> Vec<BoardColumnToml> {
            let bare = |column: &BoardColumnToml| BoardColumnToml {
                title: String::new(),
                hidden_until: None,
                ..column.clone()
            };
            toml.board.columns.iter().map(bare).collect()
        };
        [
            (own.task != its.task, "changes `task`"),
            (
                own.board.metric != its.board.metric,
                "changes `board.metric`",
            ),
            (
                own.board.weight != its.board.weight,
                "changes `board.weight`",
            ),
            (
                own.board.ladder != its.board.ladder,
                "changes `board.ladder`",
            ),
            (columns(own) != columns(its), "changes what columns show"),
        ]
        .into_iter()
        .find_map(|(changed, words)| changed.then(|| words.to_owned()))
    }

    /// A text it names, such as a page.
    ///
    /// # Errors
    /// Where it cannot be read any more.
    pub fn text(&self, file: &str) -> io::Result<String> {
        read(&self.folder.join(file), MAX_PAGE)
    }
}

fn read(path: &Path, most: u64) -> io::Result<String> {
    let facts = fs::symlink_metadata(path)?;
    if !facts.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    if facts.len() > most {
        return Err(io::Error::other(format!("it has more than {most} bytes")));
    }
    fs::read_to_string(path)
}

fn texts(toml: &CompetitionToml, defects: &mut Defects) {
    let mut title = |key: String, text: &str, may_be_empty: bool| {
        if text.trim().is_empty() && !may_be_empty {
            defects.add(key, "say it in a few words");
        } else if text.len() > MAX_TITLE {
            defects.add(
                key,
                format!("it has more than {MAX_TITLE} bytes; shorten it"),
            );
        } else if text.chars().any(char::is_control) {
            defects.add(key, "it has control characters; leave them out");
        }
    };
    title("title".to_owned(), &toml.title, false);
    title("summary".to_owned(), &toml.summary, true);
    for (at, stage) in toml.stages.iter().enumerate() {
        title(format!("stage[{at}].title"), &stage.title, false);
    }
    for (at, page) in toml.pages.iter().enumerate() {
        title(format!("page[{at}].title"), &page.title, false);
    }
    for (at, column) in toml.board.columns.iter().enumerate() {
        title(format!("board.column[{at}].title"), &column.title, false);
    }
    for (at, text) in toml.external_data.licences.iter().enumerate() {
        if let Err(error) = licence::parse(text) {
            defects.add(format!("external_data.licences[{at}]"), error.to_string());
        }
    }
}

/// A moment, as text: with an offset, or in the zone; a date is its first moment.
///
/// # Errors
/// A defect: no such time, or two of them, where clocks are changed.
fn moment(text: &str, zone: Tz, key: &str, defects: &mut Defects) -> Option<Timestamp> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.with_timezone(&Utc));
    }
    let forms = [
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M",
    ];
    let local = forms
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    if local.is_none()
        && let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d")
    {
        return Some(crate::calendar::first_moment(zone, day));
    }
    let Some(local) = local else {
        let problem = format!(
            "`{text}` is no time; write `2018-09-05`, `2018-09-05 00:00` (in {zone}) or `2018-09-05T00:00:00+02:00`"
        );
        defects.add(key, problem);
        return None;
    };
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) => Some(at.with_timezone(&Utc)),
        LocalResult::None => {
            let problem = format!(
                "`{text}` does not exist in {zone}, where clocks go forward then; choose another time, or give an offset"
            );
            defects.add(key, problem);
            None
        }
        LocalResult::Ambiguous(a, b) => {
            let problem = format!(
                "`{text}` is twice in {zone}, where clocks go back then; write `{}` or `{}`",
                a.to_rfc3339(),
                b.to_rfc3339()
            );
            defects.add(key, problem);
            None
        }
    }
}

fn stages(toml: &CompetitionToml, zone: Tz, defects: &mut Defects) -> Vec<Stage> {
    if toml.stages.is_empty() {
        defects.add("stage", "declare at least one `[[stage]]`");
    }
    if toml.stages.len() > MAX_STAGES {
        defects.add("stage", format!("declare at most {MAX_STAGES}"));
    }
    let mut found: Vec<Stage> = Vec::new();
    for (at, stage) in toml.stages.iter().enumerate() {
        let key = |name: &str| format!("stage[{at}].{name}");
        if toml.stages[..at].iter().any(|s| s.name == stage.name) {
            let problem = format!("another stage is called `{}`; names differ", stage.name);
            defects.add(key("name"), problem);
        }
        let opens = moment(&stage.opens, zone, &key("opens"), defects);
        let closes = moment(&stage.closes, zone, &key("closes"), defects);
        let reveals = match &stage.reveals {
            Some(text) => moment(text, zone, &key("reveals"), defects),
            None => closes,
        };
        if let Some(share) = stage.public_share
            && !(share > 0.0 && share < 1.0)
        {
            let problem = "give more than 0 and less than 1, or leave it out";
            defects.add(key("public_share"), problem);
        }
        if stage.public_share.is_some() && stage.seed.is_none_or(|seed| seed < LEAST_SEED) {
            let problem = format!(
                "`public_share` is drawn by it: draw a number of at least {LEAST_SEED} at random and keep it to yourself, since whoever knows it knows which ids are public"
            );
            defects.add(key("seed"), problem);
        }
        if stage.drawn_by.is_some() && stage.public_share.is_none() {
            defects.add(
                key("drawn_by"),
                "it says how `public_share` is drawn; give that too",
            );
        }
        if stage.block_days.is_some_and(|days| days == 0 || days > 366) {
            defects.add(key("block_days"), "give 1 to 366, or leave it out");
        }
        let (Some(opens), Some(closes), Some(reveals)) = (opens, closes, reveals) else {
            continue;
        };
        if closes <= opens {
            defects.add(key("closes"), "it is not after `opens`");
        }
        if reveals < closes {
            let problem =
                "it is before `closes`: the private board would help whoever still submits";
            defects.add(key("reveals"), problem);
        }
        if let Some(before) = found.last()
            && opens < before.closes
        {
            let problem = format!(
                "stage `{}` is open until {}; stages follow each other",
                before.name, before.closes
            );
            defects.add(key("opens"), problem);
        }
        found.push(Stage {
            name: stage.name.clone(),
            title: stage.title.clone(),
            opens,
            closes,
            reveals,
            block_days: stage.block_days,
            toml: stage.clone(),
        });
    }
    found
}

/// The metrics of the task that a board may show.
fn known(toml: &CompetitionToml) -> Vec<&'static metrics::Metric> {
    metrics::of_form(toml.task.form)
}

fn unknown_metric(toml: &CompetitionToml, metric: &str) -> Option<String> {
    let known: Vec<&str> = known(toml).iter().map(|m| m.name).collect();
    (!known.contains(&metric)).then(|| {
        format!(
            "`{}` has no metric `{metric}`; there are: `{}`",
            toml.task.form.as_str(),
            known.join("`, `")
        )
    })
}

fn columns(toml: &CompetitionToml, zone: Tz, defects: &mut Defects) -> Vec<Option<Timestamp>> {
    let columns = &toml.board.columns;
    if columns.len() > MAX_COLUMNS {
        defects.add("board.column", format!("declare at most {MAX_COLUMNS}"));
    }
    let mut hidden = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        let key = |name: &str| format!("board.column[{at}].{name}");
        if let Some(metric) = &column.metric
            && let Some(problem) = unknown_metric(toml, metric)
        {
            defects.add(key("metric"), problem);
        }
        if let Some((name, problem)) = misgrouped(toml, column) {
            defects.add(key(name), problem);
        }
        if column.weight.is_some_and(|w| w > 0.0) && column.hidden_until.is_some() {
            let problem = "it would tell what is hidden, by what ranks; leave one of the two out";
            defects.add(key("hidden_until"), problem);
        }
        if column.weight.is_some_and(|w| !w.is_finite() || w < 0.0) {
            defects.add(key("weight"), "give a number of 0 or more");
        }
        let until = column.hidden_until.as_deref();
        hidden.push(until.and_then(|text| moment(text, zone, &key("hidden_until"), defects)));
    }
    hidden
}

/// What is wrong with what a column is grouped by.
fn misgrouped(toml: &CompetitionToml, column: &BoardColumnToml) -> Option<(&'static str, String)> {
    let groups = &toml.task.groups;
    let said = || format!("`{}`", groups.join("`, `"));
    match (column.shows, &column.grouping) {
        (Shows::Overall, None) => None,
        (Shows::Overall, Some(_)) => Some((
            "shows",
            "with a `grouping` say what is shown of it: `group`, `worst-group` or `difference`"
                .to_owned(),
        )),
        (_, None) => Some((
            "grouping",
            format!("say of which grouping; the task reports by: {}", said()),
        )),
        // A task form's own grouping (`method`) need not be declared.
        (shows, Some(grouping)) => {
            let columns = grouping.split('+').count();
            if shows == Shows::Group && column.group.len() != columns {
                let problem = format!("`{grouping}` has {columns} columns; give a value of each");
                return Some(("group", problem));
            }
            let own = fairframe_eval::own_column(toml.task.form);
            let there = groups.contains(grouping) || own == Some(grouping.as_str());
            (!there).then(|| ("grouping", format!("the task does not report by `{grouping}`; add it to `task.groups` (there are: {})", said())))
        }
    }
}

/// Whether more of what ranks is better.
fn ranking(toml: &CompetitionToml, defects: &mut Defects) -> bool {
    let board = &toml.board;
    if let Some(problem) = unknown_metric(toml, &board.metric) {
        defects.add("board.metric", problem);
        return true;
    }
    let better = |name: &str| {
        known(toml)
            .iter()
            .find(|m| m.name == name)
            .map(|m| m.higher_is_better)
    };
    let higher = better(&board.metric).unwrap_or(true);
    let weighted = board.columns.iter().filter(|c| c.weight.is_some());
    let mut any = false;
    for column in weighted {
        any = true;
        let metric = column.metric.as_ref().unwrap_or(&board.metric);
        if better(metric).is_some_and(|h| h != higher) {
            let problem = format!(
                "`{metric}` is better in the other direction than `{}`",
                board.metric
            );
            defects.add("board.column.weight", problem);
        }
        if column.shows == Shows::Difference {
            let problem = "a difference between groups is better when small; it cannot be averaged with scores";
            defects.add("board.column.weight", problem);
        }
    }
    if board.weight.is_some_and(|w| !w.is_finite() || w < 0.0) {
        defects.add("board.weight", "give a number of 0 or more");
    }
    let sum: f64 = board
        .columns
        .iter()
        .filter_map(|c| c.weight)
        .chain(board.weight)
        .sum();
    if (any || board.weight.is_some()) && sum <= 0.0 {
        defects.add("board.weight", "at least one weight must be more than 0");
    }
    if let Some(LadderToml::Step { step }) = board.ladder
        && !(step > 0.0 && step <= 1.0)
    {
        defects.add("board.ladder.step", "give more than 0 and at most 1");
    }
    higher
}

fn limits(toml: &CompetitionToml, defects: &mut Defects) {
    let limits = &toml.limits;
    let mut within = |key: &str, value: u64, range: std::ops::RangeInclusive<u64>| {
        if !range.contains(&value) {
            let problem = format!("give {} to {}", range.start(), range.end());
            defects.add(key, problem);
        }
    };
    within("limits.per_day", limits.per_day.into(), 1..=1_000);
    within(
        "limits.total",
        limits.total.unwrap_or(1).into(),
        1..=100_000,
    );
    within("limits.file_bytes", limits.file_bytes, 1..=10_000_000_000);
    within("limits.selections", limits.selections.into(), 1..=100);
    within(
        "limits.score_seconds",
        limits.score_seconds.into(),
        1..=3_600,
    );
    within(
        "limits.score_megabytes",
        limits.score_megabytes.into(),
        100..=1_000_000,
    );
    within("teams.size", toml.teams.size.into(), 1..=100);
}

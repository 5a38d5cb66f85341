//! Leaderboards: who stands where, and what of it is shown to whom.
//!
//! A board is made from all scores of a stage at once, by a worker, and kept as a file: pages read
//! it, and a corrected truth takes the place of the old one in one step.

mod written;

use std::{cmp::Ordering, collections::BTreeMap, path::PathBuf};

use fairframe_schemas::{Name, Timestamp, competition::TieRule};
use serde::{Deserialize, Serialize};

use crate::{
    definition::Competition,
    items::{ItemScores, ItemsError},
    ladder,
    ties::ranks,
};

/// A submission that was scored.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub submission: i64,
    /// None: a constant answer.
    pub team: Option<i64>,
    /// Of the team, or of the constant answer.
    pub name: String,
    pub at: Timestamp,
    /// Chosen to be judged by.
    pub selected: bool,
    pub public: Option<Scored>,
    pub private: Option<Scored>,
}

/// What it scored on one side.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    pub value: Option<f64>,
    /// What the public board shows of the team after it, by the Ladder.
    pub shown: Option<f64>,
    /// The submission whose score `shown` is.
    pub best: Option<i64>,
    pub columns: Vec<Cell>,
}

/// A column's value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// None where it is undefined or suppressed.
    pub value: Option<f64>,
    /// Bounds of its interval, where one was made.
    pub lower: Option<f64>,
    pub upper: Option<f64>,
    /// Items it rests on.
    pub n: u64,
    /// The worst group, where that is shown.
    pub group: Option<String>,
    /// Rests on fewer items than may be shown.
    pub suppressed: bool,
}

/// A leaderboard of a stage by a version of its truth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Board {
    pub competition: Name,
    pub stage: Name,
    /// The version of the truth.
    pub truth: i64,
    pub made_at: Timestamp,
    /// What ranks.
    pub metric: String,
    pub higher_is_better: bool,
    /// Titles of the columns beside it.
    pub columns: Vec<String>,
    pub public: Vec<Row>,
    pub private: Vec<Row>,
}

/// A team's row, or a constant answer's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// From 1; none for a constant answer and where there is no score.
    pub rank: Option<u32>,
    /// None: a constant answer.
    pub team: Option<i64>,
    pub name: String,
    pub value: Option<f64>,
    pub columns: Vec<Cell>,
    /// The submission that is shown.
    pub submission: i64,
    /// When it came.
    pub at: Timestamp,
    /// Submissions of the team that were scored.
    pub entries: u32,
}

/// The two sides of a stage's items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Public,
    Private,
}

impl Side {
    pub fn as_str(self) -> &'static str {
        match self {
            Side::Public => "public",
            Side::Private => "private",
        }
    }
}

/// Why a board cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    #[error(transparent)]
    Items(#[from] ItemsError),
    #[error("there is no stage `{0}`")]
    Stage(Name),
}

/// Makes the board of a stage from all that was scored, in the order it came. `results` is the
/// folder of a submission's results, where its items' scores are.
///
/// In public a team stands by what the Ladder shows. In private it stands by the best of the
/// submissions it chose; where it chose none, of those that were best in public, as many as it may
/// choose.
///
/// # Errors
/// [`BoardError`].
pub fn make(
    competition: &Competition,
    stage: &Name,
    truth: i64,
    now: Timestamp,
    entries: &[Entry],
    results: &dyn Fn(i64) -> PathBuf,
) -> Result<Board, BoardError> {
    if competition.stage(stage).is_none() {
        return Err(BoardError::Stage(stage.clone()));
    }
    let mut teams: BTreeMap<i64, Vec<&Entry>> = BTreeMap::new();
    let mut constant = Vec::new();
    for entry in entries {
        match entry.team {
            Some(team) => teams.entry(team).or_default().push(entry),
            None => constant.push(entry),
        }
    }
    let higher = competition.higher_is_better;
    let order = Order(higher);
    let toml = &competition.toml;
    let most = toml.limits.selections as usize;
    let mut sides = [Vec::new(), Vec::new()];
    for own in teams.values() {
        sides[0].extend(in_public(own, order));
        sides[1].extend(in_private(own, order, most));
    }
    for entry in constant {
        sides[0].extend(entry.public.as_ref().map(|s| row(entry, s, s.value, 1)));
        sides[1].extend(entry.private.as_ref().map(|s| row(entry, s, s.value, 1)));
    }
    let [mut public, mut private] = sides;
    let rule = toml.board.ties;
    place(&mut public, order, rule, &|seq| {
        ladder::public_items(&results(seq))
    })?;
    place(&mut private, order, rule, &|seq| {
        ladder::private_items(&results(seq))
    })?;
    Ok(Board {
        competition: toml.competition.clone(),
        stage: stage.clone(),
        truth,
        made_at: now,
        metric: toml.board.metric.clone(),
        higher_is_better: higher,
        columns: toml.board.columns.iter().map(|c| c.title.clone()).collect(),
        public,
        private,
    })
}

/// Which score is better; none is worse than any.
#[derive(Debug, Clone, Copy)]
struct Order(bool);

impl Order {
    /// `Less` where `a` stands before `b`.
    fn of(self, a: Option<f64>, b: Option<f64>) -> Ordering {
        match (a, b) {
            (Some(a), Some(b)) if self.0 => b.total_cmp(&a),
            (Some(a), Some(b)) => a.total_cmp(&b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        }
    }
}

fn row(entry: &Entry, scored: &Scored, value: Option<f64>, entries: usize) -> Row {
    Row {
        rank: None,
        team: entry.team,
        name: entry.name.clone(),
        value,
        columns: scored.columns.clone(),
        submission: entry.submission,
        at: entry.at,
        entries: u32::try_from(entries).unwrap_or(u32::MAX),
    }
}

/// A team's row in public: the best that its submissions led to.
fn in_public(own: &[&Entry], order: Order) -> Option<Row> {
    let shown = own.iter().filter_map(|e| Some((e, e.public.as_ref()?)));
    let (_, best) = shown.min_by(|(a, s), (b, t)| {
        order
            .of(s.shown, t.shown)
            .then(a.submission.cmp(&b.submission))
    })?;
    // Two teams that merged have submissions of both.
    let is = |e: &&&Entry| Some(e.submission) == best.best;
    let entry = own.iter().find(is).or(own.first())?;
    let scored = entry.public.as_ref()?;
    Some(row(entry, scored, best.shown, own.len()))
}

/// A team's row in private.
fn in_private(own: &[&Entry], order: Order, most: usize) -> Option<Row> {
    let mut judged: Vec<&&Entry> = own.iter().filter(|e| e.selected).collect();
    if judged.is_empty() {
        judged = own.iter().collect();
        let public = |e: &Entry| e.public.as_ref().and_then(|s| s.value);
        judged.sort_by(|a, b| {
            order
                .of(public(a), public(b))
                .then(a.submission.cmp(&b.submission))
        });
        judged.truncate(most);
    }
    let scored = judged.iter().filter_map(|e| Some((e, e.private.as_ref()?)));
    let (entry, best) = scored.min_by(|(a, s), (b, t)| {
        order
            .of(s.value, t.value)
            .then(a.submission.cmp(&b.submission))
    })?;
    Some(row(entry, best, best.value, own.len()))
}

/// Puts rows in order and ranks those of teams.
fn place(
    rows: &mut [Row],
    order: Order,
    rule: TieRule,
    items: &dyn Fn(i64) -> PathBuf,
) -> Result<(), BoardError> {
    rows.sort_by(|a, b| {
        let by_score = order.of(a.value, b.value);
        // A team stands before a constant answer that it equals; the earlier before the later.
        by_score
            .then(a.team.is_none().cmp(&b.team.is_none()))
            .then(a.at.cmp(&b.at))
            .then(a.submission.cmp(&b.submission))
    });
    let ranked: Vec<usize> = (0..rows.len())
        .filter(|at| rows[*at].team.is_some() && rows[*at].value.is_some())
        .collect();
    let scores: Vec<f64> = ranked.iter().filter_map(|at| rows[*at].value).collect();
    let read = |at: usize| {
        let path = items(rows[ranked[at]].submission);
        match path.exists() {
            true => ItemScores::read(&path).map(Some),
            false => Ok(None),
        }
    };
    let found = ranks(rule, &scores, read)?;
    for (at, rank) in ranked.into_iter().zip(found) {
        rows[at].rank = Some(rank);
    }
    Ok(())
}

impl Board {
    pub fn rows(&self, side: Side) -> &[Row] {
        match side {
            Side::Public => &self.public,
            Side::Private => &self.private,
        }
    }
}

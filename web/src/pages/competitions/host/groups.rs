//! For hosts: how teams do in each group, and what the last correction changed there.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Html,
};
use fairframe_competitions::{
    board::Row,
    groups::{self, Change, Spread},
    prepare::Counts,
    vault::groups_of,
};
use fairframe_schemas::Name;

use super::{Boards, Frame};
use crate::{
    App,
    access::Who,
    competitions::{self, Open},
    error::{AppError, page},
    pages::filters,
    state::competitions::truths::{self, Truth, TruthState},
};

/// Groups of a grouping, and teams, that a page shows; exports have all.
const SHOWN: usize = 200;

/// One group, drawn.
struct Line {
    group: String,
    spread: Spread,
    /// Where its quantiles and the best constant answer stand, of 100.
    quantiles: Option<[f64; 5]>,
    constant: Option<f64>,
}

impl Line {
    fn median(&self) -> Option<f64> {
        self.spread.quantiles.map(|q| q[2])
    }

    fn best(&self, higher_is_better: &bool) -> Option<f64> {
        let quantiles = self.spread.quantiles?;
        Some(quantiles[if *higher_is_better { 4 } else { 0 }])
    }
}

/// The groups of a grouping, those in which most teams fail first.
struct Section {
    title: String,
    lines: Vec<Line>,
    left_out: usize,
    /// Names of groups in which no team is better than a constant answer.
    failing: Vec<String>,
}

/// A team that a correction moved, as it is shown.
struct MovedLine {
    name: String,
    from: Option<u32>,
    to: Option<u32>,
    before: Option<f64>,
    now: Option<f64>,
    /// The group in which its score changed most, if it is by the same submission.
    most: Option<Most>,
}

struct Most {
    group: String,
    before: Option<f64>,
    now: Option<f64>,
}

/// What a correction is about.
struct Corrected {
    truth: Truth,
    /// None where a truth cannot be read any more.
    rows: Option<Counts>,
    groups: Vec<(String, String, Counts)>,
    moved: Vec<MovedLine>,
    left_out: usize,
}

#[derive(Template)]
#[template(path = "competitions/groups.html")]
struct GroupsPage {
    frame: Frame,
    stage: Name,
    title: String,
    metric: String,
    higher_is_better: bool,
    sections: Vec<Section>,
    /// Ends of the scale.
    least: Option<f64>,
    most: Option<f64>,
    corrected: Option<Corrected>,
    /// Whether a board was made.
    has_board: bool,
}

/// How the teams of a board do by group; nothing before the first board was made.
///
/// # Errors
/// Where it cannot be read.
pub(super) async fn read(open: &Open, stage: &Name, truth: i64) -> Result<Vec<Spread>, AppError> {
    let path = open.vault.spread(stage, truth);
    match tokio::fs::read(&path).await {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(AppError::internal),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(AppError::internal(error)),
    }
}

pub async fn show(
    State(app): State<App>,
    who: Who,
    Path((name, stage)): Path<(String, String)>,
) -> Result<Html<String>, AppError> {
    let open = competitions::find_hosted(&app, &who, &name).await?;
    let stage = open.stage(&stage)?.clone();
    let truths = truths::list(&app.db, open.name(), &stage.name).await?;
    let current = truths.iter().find(|t| t.state == TruthState::Current);
    let spread = match current {
        Some(truth) => read(&open, &stage.name, truth.version).await?,
        None => Vec::new(),
    };
    let (sections, [least, most]) = sections(spread);
    let boards = Boards::read(&app, &open, &stage.name, &truths).await?;
    page(&GroupsPage {
        has_board: boards.now.is_some(),
        corrected: corrected(&app, &open, &stage.name, &truths, boards).await?,
        metric: open.competition.toml.board.metric.clone(),
        higher_is_better: open.competition.higher_is_better,
        frame: Frame::new(&app, &who, open, "Host"),
        title: stage.title,
        stage: stage.name,
        sections,
        least,
        most,
    })
}

fn sections(all: Vec<Spread>) -> (Vec<Section>, [Option<f64>; 2]) {
    let ends = |s: &Spread| {
        let quantiles = s.quantiles.into_iter().flatten();
        quantiles.chain(s.constant).collect::<Vec<f64>>()
    };
    let values: Vec<f64> = all.iter().flat_map(ends).collect();
    let least = values.iter().copied().fold(0.0, f64::min);
    let most = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let place = |value: f64| (value - least) / (most - least) * 100.0;
    let mut sections: Vec<Section> = Vec::new();
    for spread in all {
        let title = spread.columns.join(" and ");
        if sections.last().is_none_or(|s| s.title != title) {
            sections.push(Section {
                title,
                lines: Vec::new(),
                left_out: 0,
                failing: Vec::new(),
            });
        }
        let Some(section) = sections.last_mut() else {
            continue;
        };
        let group = spread.group.join(", ");
        if spread.fails_everyone() {
            section.failing.push(group.clone());
        }
        section.lines.push(Line {
            group,
            quantiles: spread.quantiles.map(|q| q.map(place)),
            constant: spread.constant.map(place),
            spread,
        });
    }
    for section in &mut sections {
        let share = |line: &Line| match line.spread.teams {
            // Too few items to tell.
            0 => f64::INFINITY,
            teams => f64::from(line.spread.better) / f64::from(teams),
        };
        section.lines.sort_by(|a, b| {
            let median = |line: &Line| line.spread.quantiles.map_or(f64::INFINITY, |q| q[2]);
            let by_share = share(a).total_cmp(&share(b));
            by_share.then(median(a).total_cmp(&median(b)))
        });
        section.left_out = section.lines.len().saturating_sub(SHOWN);
        section.lines.truncate(SHOWN);
    }
    (sections, [Some(least), Some(most)])
}

/// What the newest correction that counts changed; none where the first truth counts.
async fn corrected(
    app: &App,
    open: &Open,
    stage: &Name,
    truths: &[Truth],
    boards: Boards,
) -> Result<Option<Corrected>, AppError> {
    let newest = |state| truths.iter().rev().find(|t| t.state == state);
    let (Some(now), Some(before)) = (newest(TruthState::Current), newest(TruthState::Past)) else {
        return Ok(None);
    };
    let found = app
        .competitions
        .correction(open, stage, [before, now])
        .await;
    let (open, now, before) = (open.clone(), now.clone(), before.clone());
    let look = move || -> Result<Corrected, AppError> {
        let (rows, groups) = match found {
            Some(found) => (Some(found.rows), found.groups.clone()),
            None => (None, Vec::new()),
        };
        let all = boards.moved();
        let mut moved = Vec::new();
        for one in all.iter().take(SHOWN) {
            moved.push(MovedLine {
                name: one.now.name.clone(),
                from: one.before.rank,
                to: one.now.rank,
                before: one.before.value,
                now: one.now.value,
                most: most(&open, one.before, one.now, [before.version, now.version])?,
            });
        }
        let words = |(columns, group, counts): (Vec<String>, Vec<String>, Counts)| {
            (columns.join(" and "), group.join(", "), counts)
        };
        Ok(Corrected {
            left_out: all.len() - moved.len(),
            moved,
            rows,
            groups: groups.into_iter().take(SHOWN).map(words).collect(),
            truth: now,
        })
    };
    let found = tokio::task::spawn_blocking(look).await;
    Ok(Some(found.map_err(AppError::internal)??))
}

/// The group in which a team's score changed most.
fn most(open: &Open, before: &Row, now: &Row, truths: [i64; 2]) -> Result<Option<Most>, AppError> {
    if before.submission != now.submission {
        return Ok(None);
    }
    let read = |row: &Row, truth| {
        let path = groups_of(&open.vault.results(row.submission, truth));
        groups::read(&path).map_err(AppError::internal)
    };
    let (Some(old), Some(new)) = (read(before, truths[0])?, read(now, truths[1])?) else {
        return Ok(None);
    };
    let words = |change: Change| Most {
        group: change.group.join(", "),
        before: Some(change.before),
        now: Some(change.now),
    };
    Ok(groups::most_changed(&old, &new).map(words))
}

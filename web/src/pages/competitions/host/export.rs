//! For hosts: all of a stage as tables.

use std::collections::BTreeMap;

use axum::{
    extract::{Path, State},
    response::Response,
};
use fairframe_competitions::{
    board::{Cell, Entry, Scored, Side},
    groups,
    table::{Table, Values},
    vault::groups_of,
};

use crate::{
    App,
    access::Who,
    competitions::{self, Open},
    error::AppError,
    pages::table,
    state::competitions::{
        scores,
        submissions::{self, Submission},
        truths::Truth,
    },
};

/// `submissions.csv`, `groups.parquet` and so on: what a table is called, and its form.
pub async fn file(
    State(app): State<App>,
    who: Who,
    Path((name, stage, file)): Path<(String, String, String)>,
) -> Result<Response, AppError> {
    let open = competitions::find_hosted(&app, &who, &name).await?;
    let stage = open.stage(&stage)?.name.clone();
    let truth = competitions::truth(&app, &open, &stage).await?;
    let (what, form) = file.rsplit_once('.').ok_or(AppError::NotFound("table"))?;
    let all = submissions::of_stage(&app.db, open.name(), &stage).await?;
    let scored = match what {
        "submissions" => scores::all(&app.db, open.name(), &stage, truth.version).await?,
        "groups" => Vec::new(),
        _ => return Err(AppError::NotFound("table")),
    };
    let (what, form) = (what.to_owned(), form.to_owned());
    let made = tokio::task::spawn_blocking(move || {
        let made = match what.as_str() {
            "submissions" => submitted(&open, &truth, all, &scored),
            _ => by_group(&open, &truth, &all)?,
        };
        table::sent(&made, &format!("{name}-{stage}-{what}"), &form)
    });
    made.await.map_err(AppError::internal)?
}

fn submitted(open: &Open, truth: &Truth, all: Vec<Submission>, scored: &[Entry]) -> Table {
    let by_seq: BTreeMap<i64, &Entry> = scored.iter().map(|e| (e.submission, e)).collect();
    let entry = |s: &Submission| by_seq.get(&s.seq).copied();
    let side = |s: &Submission, side| -> Option<&Scored> {
        let entry = entry(s)?;
        match side {
            Side::Public => entry.public.as_ref(),
            Side::Private => entry.private.as_ref(),
        }
    };
    let text = |of: fn(&Submission) -> Option<String>| Values::Text(all.iter().map(of).collect());
    let count = |of: fn(&Submission) -> Option<i64>| Values::Count(all.iter().map(of).collect());
    let number =
        |of: &dyn Fn(&Submission) -> Option<f64>| Values::Number(all.iter().map(of).collect());
    let public = |s: &Submission| side(s, Side::Public);
    let mut table = Table::default()
        .with("submission", count(|s| Some(s.seq)))
        .with("team", count(|s| s.team))
        .with(
            "baseline",
            text(|s| s.team.is_none().then(|| s.name.clone())),
        )
        .with("at", Values::Time(all.iter().map(|s| s.at).collect()))
        .with("state", text(|s| Some(s.state.as_str().to_owned())))
        .with(
            "counts",
            Values::Flag(all.iter().map(|s| s.counts).collect()),
        )
        .with(
            "selected",
            Values::Flag(all.iter().map(|s| s.selected).collect()),
        )
        .with("bytes", count(|s| i64::try_from(s.bytes).ok()))
        .with("sha256", text(|s| Some(s.sha256.to_string())))
        .with("truth", Values::Count(vec![Some(truth.version); all.len()]))
        .with("public", number(&|s| public(s)?.value))
        .with("public_shown", number(&|s| public(s)?.shown))
        .with("private", number(&|s| side(s, Side::Private)?.value));
    for (at, column) in open.competition.toml.board.columns.iter().enumerate() {
        for which in [Side::Public, Side::Private] {
            let cell = |s: &Submission| -> Option<&Cell> { side(s, which)?.columns.get(at) };
            let named = |part: &str| format!("{}_{}{part}", which.as_str(), column.title);
            table = table.with(&named(""), number(&|s| cell(s)?.value));
            table = table.with(&named("_lower"), number(&|s| cell(s)?.lower));
            table = table.with(&named("_upper"), number(&|s| cell(s)?.upper));
        }
    }
    table.with("external_data", text(|s| s.external.clone()))
}

/// A row for each submission and group of the private items.
fn by_group(open: &Open, truth: &Truth, all: &[Submission]) -> Result<Table, AppError> {
    let (mut seqs, mut teams, mut groupings, mut names) = (vec![], vec![], vec![], vec![]);
    let (mut items, mut values) = (vec![], vec![]);
    for submission in all {
        let path = groups_of(&open.vault.results(submission.seq, truth.version));
        let scores = groups::read(&path).map_err(AppError::internal)?;
        for score in scores.unwrap_or_default() {
            seqs.push(Some(submission.seq));
            teams.push(submission.team);
            groupings.push(Some(score.columns.join("+")));
            names.push(Some(score.group.join("+")));
            items.push(i64::try_from(score.n).ok());
            values.push(score.value);
        }
    }
    Ok(Table::default()
        .with("submission", Values::Count(seqs))
        .with("team", Values::Count(teams))
        .with("grouping", Values::Text(groupings))
        .with("group", Values::Text(names))
        .with("items", Values::Count(items))
        .with(&open.competition.toml.board.metric, Values::Number(values)))
}

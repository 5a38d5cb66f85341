//! Handing in: who may, what must be said, how often.

use fairframe_competitions::{calendar, definition::Stage};
use fairframe_schemas::{Timestamp, licence};
use serde::{Deserialize, Serialize};

use super::{Open, arrive::Arrived};
use crate::{
    App,
    access::Who,
    error::AppError,
    state::{
        accounts::{Account, Role},
        competitions::{
            self as state,
            submissions::{self, Allowance, Left, New, SubmitError},
            teams, uploads,
        },
    },
};

/// Longest text of a declaration, in bytes.
pub const MAX_DECLARED: usize = 4_000;

/// What a team says of outside data a submission was made with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct External {
    /// Whether any was used.
    pub used: bool,
    /// What it is, and where it is from.
    pub what: String,
    /// Its licence, as an SPDX expression.
    pub licence: String,
    /// What people who are shown in it agreed to; `nobody shown` where none are.
    pub consent: String,
}

impl External {
    /// What is wrong with it for that competition; all at once.
    fn problems(&self, open: &Open) -> Vec<String> {
        let asked = &open.competition.toml.external_data;
        let mut wrong = Vec::new();
        if !self.used {
            return wrong;
        }
        for (text, name) in [
            (&self.what, "what the data are"),
            (&self.licence, "its licence"),
            (&self.consent, "the consent"),
        ] {
            if text.len() > MAX_DECLARED {
                wrong.push(format!("Say {name} in at most {MAX_DECLARED} bytes."));
            }
        }
        if self.what.trim().is_empty() {
            wrong.push("Say what the outside data are and where they are from.".to_owned());
        }
        if licence::parse(self.licence.trim()).is_err() {
            wrong.push(
                "Say the outside data's licence as an SPDX expression, such as `CC-BY-4.0`."
                    .to_owned(),
            );
        } else if !asked.licences.is_empty()
            && !asked.licences.iter().any(|l| l == self.licence.trim())
        {
            let known = asked.licences.join(", ");
            wrong.push(format!("Outside data may have these licences: {known}."));
        }
        if asked.consent && self.consent.trim().is_empty() {
            wrong.push(
                "Say what people shown in the outside data agreed to, or that nobody is shown."
                    .to_owned(),
            );
        }
        wrong
    }
}

/// Who may hand in: participants, in competitions that are shown.
///
/// # Errors
/// A way to log in; [`AppError::Forbidden`].
pub fn participant<'a>(who: &'a Who, open: &Open) -> Result<&'a Account, AppError> {
    let account = who.known()?;
    match who.may(Role::Participant, Some(open.name())) {
        true => Ok(account),
        false => Err(AppError::Forbidden),
    }
}

/// How often a team may hand in to a stage, at a time.
pub fn allowance(open: &Open, stage: &Stage, now: Timestamp) -> Allowance {
    let limits = &open.competition.toml.limits;
    Allowance {
        day: open.competition.day(now),
        per_day: limits.per_day,
        total: limits.total,
        block_days: stage.block_days,
    }
}

/// What a person's team has left in a stage.
///
/// # Errors
/// Where the database cannot be read.
pub async fn left(
    app: &App,
    open: &Open,
    stage: &Stage,
    team: Option<i64>,
) -> Result<Left, AppError> {
    let allowed = allowance(open, stage, app.db.now());
    Ok(match team {
        Some(team) => submissions::left(&app.db, team, &stage.name, &allowed).await?,
        None => Left {
            today: allowed.per_day,
            in_all: allowed.total,
            blocked_until: None,
        },
    })
}

/// Whether the rules stand in the way: those of the competition, in their present version.
///
/// # Errors
/// Where the database cannot be read.
pub async fn rules_accepted(app: &App, open: &Open, account: &Account) -> Result<bool, AppError> {
    match &open.competition.toml.rules {
        None => Ok(true),
        Some(rules) => {
            let name = open.name();
            let accepted = state::accepted_rules(&app.db, name, &account.id, &rules.version);
            Ok(accepted.await?)
        }
    }
}

/// Hands a file in that has arrived, in an upload that ends with it or in a form. Gives the
/// submission's number. The bytes of one that is not taken do not stay.
///
/// # Errors
/// [`AppError::Conflict`] where no stage is open, rules are not accepted or limits are used up;
/// [`AppError::Invalid`] for what was not said of outside data.
pub async fn submit(
    app: &App,
    who: &Who,
    open: &Open,
    arrived: &Arrived,
    note: &str,
    external: Option<&External>,
    upload: Option<&str>,
) -> Result<i64, AppError> {
    let taken = take(app, who, open, arrived, note, external, upload).await;
    if taken.is_err() {
        // Nobody else's submission can begin to name them while this is looked at.
        let mut write = app.db.write().await?;
        if !submissions::has(&mut write, open.name(), &arrived.sha256).await? {
            open.vault.drop_submission(&arrived.sha256);
        }
    }
    taken
}

async fn take(
    app: &App,
    who: &Who,
    open: &Open,
    arrived: &Arrived,
    note: &str,
    external: Option<&External>,
    upload: Option<&str>,
) -> Result<i64, AppError> {
    let account = participant(who, open)?;
    has_accepted_rules(app, open, account).await?;
    if open.competition.toml.external_data.declare {
        let Some(external) = external else {
            let say = "Say whether outside data were used, and which.";
            return Err(AppError::Invalid(say.to_owned()));
        };
        let wrong = external.problems(open);
        if !wrong.is_empty() {
            return Err(AppError::Invalid(wrong.join(" ")));
        }
    }
    let external = external.map(|e| serde_json::json!(e).to_string());
    let mut write = app.db.write().await?;
    // By the moment the submission is taken at, not by the one the upload began at.
    let stage = stage_at(open, write.now)?;
    let by = (account.id.as_str(), account.name.as_str());
    let team = teams::own(&mut write, open.name(), by).await?;
    let new = New {
        competition: open.name(),
        stage: &stage.name,
        team,
        account: by,
        name: &arrived.name,
        sha256: arrived.sha256,
        bytes: arrived.bytes,
        note,
        external: external.as_deref(),
    };
    let allowed = allowance(open, stage, write.now);
    let seq = submissions::submit(&mut write, &new, &allowed).await?;
    // Somebody's who sent the same bytes and may not, they may have been removed a moment ago.
    if !open.vault.submission(&arrived.sha256).exists() {
        let again = "The file was lost on the way. Send it once more.";
        return Err(AppError::Conflict(again.to_owned()));
    }
    // With it: asked once more after a crash, it is not handed in twice.
    if let Some(id) = upload {
        uploads::end(&mut write, id).await?;
    }
    write.commit().await?;
    Ok(seq)
}

/// An error unless a submission could be taken now: said before a long upload, not after it.
///
/// # Errors
/// [`AppError::Conflict`].
pub async fn may_now(app: &App, open: &Open, account: &Account) -> Result<(), AppError> {
    let stage = stage_at(open, app.db.now())?;
    has_accepted_rules(app, open, account).await?;
    if let Some(team) = teams::of(&app.db, open.name(), &account.id).await? {
        let allowed = allowance(open, stage, app.db.now());
        submissions::may_now(&app.db, team.id, &stage.name, &allowed).await?;
    }
    Ok(())
}

async fn has_accepted_rules(app: &App, open: &Open, account: &Account) -> Result<(), AppError> {
    match rules_accepted(app, open, account).await? {
        true => Ok(()),
        false => Err(AppError::Conflict(format!(
            "Read and accept the rules first, at /competitions/{}.",
            open.name()
        ))),
    }
}

fn stage_at(open: &Open, now: Timestamp) -> Result<&Stage, AppError> {
    open.competition
        .stage_at(now)
        .ok_or_else(|| AppError::Conflict(calendar::words(&open.competition, now)))
}

impl From<SubmitError> for AppError {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::State(error) => error.into(),
            SubmitError::Long => AppError::Invalid(error.to_string()),
            other => AppError::Conflict(other.to_string()),
        }
    }
}

//! One's own team: its name, who is in it, offers to join and to merge.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::{Html, Redirect},
};
use serde::Deserialize;

use super::Frame;
use crate::{
    App,
    access::{Posted, Who},
    competitions::{self, Open, submit},
    error::{AppError, page},
    state::{
        accounts::{self, Account, By},
        competitions::teams::{self, MAX_NAME, MergeLimit, Offer, Team, TeamError},
    },
};

#[derive(Template)]
#[template(path = "competitions/team.html")]
struct TeamPage {
    frame: Frame,
    csrf: String,
    account: String,
    team: Option<Team>,
    offers: Vec<Offer>,
    late: bool,
}

impl TeamPage {
    fn leads(&self) -> bool {
        self.team
            .as_ref()
            .is_some_and(|t| t.is_led_by(&self.account))
    }

    fn is_own(&self, offer: &Offer) -> bool {
        self.team.as_ref().is_some_and(|t| t.id == offer.team)
    }

    fn until(&self) -> String {
        self.frame.shown(self.frame.open.competition.merge_until)
    }

    fn size(&self) -> u32 {
        self.frame.open.competition.toml.teams.size
    }
}

pub async fn show(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
) -> Result<Html<String>, AppError> {
    let open = competitions::find(&app, &who, &name).await?;
    let account = submit::participant(&who, &open)?.clone();
    let team = teams::of(&app.db, open.name(), &account.id).await?;
    let id = team.as_ref().map(|t| t.id);
    let offers = teams::offers(&app.db, open.name(), &account.id, id).await?;
    page(&TeamPage {
        late: app.db.now() >= open.competition.merge_until,
        frame: Frame::new(&app, &who, open, "Team"),
        csrf: who.csrf().to_owned(),
        account: account.id,
        team,
        offers,
    })
}

#[derive(Deserialize)]
pub struct Change {
    /// `enter`, `rename`, `invite`, `accept`, `decline`, `leave`, `propose`, `merge`.
    act: String,
    /// A name: of the team, of a person, of another team.
    #[serde(default)]
    name: String,
    /// The team that made an offer.
    team: Option<i64>,
    /// The team it was made to, where it is to merge.
    other: Option<i64>,
}

pub async fn change(
    State(app): State<App>,
    Path(name): Path<String>,
    Posted { who, form }: Posted<Change>,
) -> Result<Redirect, AppError> {
    let open = competitions::find(&app, &who, &name).await?;
    let account = submit::participant(&who, &open)?.clone();
    act(&app, &open, &account, &form).await?;
    Ok(Redirect::to(&format!("/competitions/{name}/team")))
}

async fn act(app: &App, open: &Open, account: &Account, form: &Change) -> Result<(), AppError> {
    let by = (account.id.as_str(), account.name.as_str());
    let own = teams::of(&app.db, open.name(), &account.id).await?;
    let must = || own.as_ref().ok_or(AppError::NotFound("team"));
    let size = open.competition.toml.teams.size;
    let named = form.name.trim();
    // Read before the transaction that changes something: these are only names.
    let person = match form.act.as_str() {
        "invite" => {
            let found = accounts::find(&app.db, By::Name(named)).await?;
            // Whether there is such an account, a participant need not learn.
            found.filter(|a| a.has(accounts::Role::Participant, Some(open.name())))
        }
        _ => None,
    };
    let other = match form.act.as_str() {
        "propose" => teams::by_name(&app.db, open.name(), named).await?,
        "merge" => match form.team {
            Some(id) => teams::find(&app.db, id).await?,
            None => None,
        },
        _ => None,
    };
    let other = other.filter(|t| t.competition == *open.name());
    let mut write = app.db.write().await?;
    let late = write.now >= open.competition.merge_until;
    if late && !matches!(form.act.as_str(), "enter" | "rename" | "decline") {
        return Err(TeamError::Late.into());
    }
    match form.act.as_str() {
        "enter" => {
            teams::own(&mut write, open.name(), by).await?;
        }
        "rename" => teams::rename(&mut write, by, must()?, named).await?,
        "invite" => {
            // The same answer for a name nobody has.
            if let Some(person) = &person
                && !must()?.has(&person.id)
            {
                let whom = (person.id.as_str(), person.name.as_str());
                teams::invite(&mut write, by, must()?, whom).await?;
            } else if !must()?.is_led_by(by.0) {
                return Err(TeamError::NotLeading.into());
            }
        }
        "accept" => {
            let team = form.team.ok_or(AppError::NotFound("team"))?;
            teams::accept(&mut write, by, open.name(), team, size).await?;
        }
        "decline" => {
            let team = form.team.ok_or(AppError::NotFound("team"))?;
            // One's own offer, or one made to oneself or one's team.
            match own.as_ref().filter(|o| o.is_led_by(by.0)) {
                Some(own) if own.id == team => {
                    let whom = accounts::find(&app.db, By::Name(named)).await?;
                    let whom = whom.as_ref().map(|a| a.id.as_str());
                    teams::decline(&mut write, team, whom, form.other).await?;
                }
                own => {
                    let own = own.map(|o| o.id);
                    teams::decline(&mut write, team, Some(by.0), own).await?;
                }
            }
        }
        "leave" => teams::leave(&mut write, by, must()?).await?,
        "propose" => {
            let other = other.ok_or(TeamError::Nobody)?;
            teams::propose_merge(&mut write, by, must()?, &other).await?;
        }
        "merge" => {
            let into = other.ok_or(TeamError::Nobody)?;
            let limits = limits(open, write.now);
            teams::merge(&mut write, by, (&into, must()?), size, &limits).await?;
        }
        _ => {
            return Err(AppError::Invalid(
                "There is no such thing to do.".to_owned(),
            ));
        }
    }
    write.commit().await?;
    Ok(())
}

/// What one team could have used of each stage by now.
fn limits(open: &Open, now: fairframe_schemas::Timestamp) -> Vec<MergeLimit> {
    let limits = &open.competition.toml.limits;
    let stages = open.competition.stages.iter();
    let most = |stage| {
        let days = open.competition.days_of(stage, now);
        let by_day = i64::from(limits.per_day) * i64::from(days);
        limits
            .total
            .map_or(by_day, |total| by_day.min(i64::from(total)))
    };
    stages
        .map(|stage| MergeLimit {
            stage: stage.name.clone(),
            most: most(stage),
        })
        .collect()
}

impl From<TeamError> for AppError {
    fn from(error: TeamError) -> Self {
        match error {
            TeamError::State(error) => error.into(),
            TeamError::Name | TeamError::Nobody => AppError::Invalid(error.to_string()),
            other => AppError::Conflict(other.to_string()),
        }
    }
}

//! Who plays together in a competition. Everybody is in one team of it at most, alone at first.

use fairframe_schemas::Name;
use serde_json::json;
use sqlx::Row;

use super::{
    super::{Db, Result, StateError, Write, audit::Act, text},
    queue,
};

/// Longest name of a team, in characters.
pub const MAX_NAME: usize = 40;

/// Offers a team may have open at a time.
pub const MAX_OFFERS: i64 = 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    pub id: i64,
    pub competition: Name,
    pub name: String,
    pub members: Vec<Member>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub account: String,
    pub name: String,
    /// Invites, merges, renames.
    pub leads: bool,
}

impl Team {
    pub fn has(&self, account: &str) -> bool {
        self.members.iter().any(|m| m.account == account)
    }

    pub fn is_led_by(&self, account: &str) -> bool {
        self.members.iter().any(|m| m.account == account && m.leads)
    }
}

/// Something a team or a person was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The team that asks.
    pub team: i64,
    pub team_name: String,
    /// Of the person asked to join; empty where a team is asked to merge.
    pub person: String,
    /// The team asked to merge.
    pub other: Option<(i64, String)>,
}

/// Why a team is not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum TeamError {
    #[error("A team's name has 1 to {MAX_NAME} characters, none of them a control character.")]
    Name,
    #[error("There is a team of that name already.")]
    Taken,
    #[error("Only whoever leads the team may do that.")]
    NotLeading,
    #[error("There is no such person or team in this competition.")]
    Nobody,
    #[error("The person is in a team of others; teams merge instead.")]
    InTeam,
    #[error("The team would have more than {0} members.")]
    Size(u32),
    #[error(
        "Together you have used {used} submissions of {stage}; a merged team may have used {most} by now."
    )]
    Used { used: i64, stage: String, most: i64 },
    #[error("Teams no longer change.")]
    Late,
    #[error("A team that has submitted cannot be left by its last member.")]
    Last,
    #[error("{MAX_OFFERS} offers of your team are open; take one back first.")]
    Offers,
    #[error(transparent)]
    State(#[from] StateError),
}

impl From<sqlx::Error> for TeamError {
    fn from(error: sqlx::Error) -> Self {
        TeamError::State(error.into())
    }
}

/// The team of an account in a competition: made, and named after the account, where there is
/// none yet.
pub async fn own(
    write: &mut Write,
    competition: &Name,
    account: (&str, &str),
) -> Result<i64, TeamError> {
    let (id, name) = account;
    let there: Option<i64> =
        sqlx::query_scalar("SELECT team FROM team_member WHERE competition = ? AND account = ?")
            .bind(competition.as_str())
            .bind(id)
            .fetch_optional(write.sql())
            .await?;
    if let Some(team) = there {
        return Ok(team);
    }
    // A team of others may have taken the account's name.
    let mut free = name.to_owned();
    let mut n = 1;
    while taken(write, competition, &free).await? {
        n += 1;
        free = format!("{name}-{n}");
    }
    let now = text(write.now);
    let team: i64 = sqlx::query_scalar(
        "INSERT INTO team (id, competition, name, made_at)
         SELECT coalesce(max(id), 0) + 1, ?, ?, ? FROM team RETURNING id",
    )
    .bind(competition.as_str())
    .bind(&free)
    .bind(now)
    .fetch_one(write.sql())
    .await?;
    join(write, competition, team, id, true).await?;
    tell(write, name, "enter", competition, team, "").await?;
    Ok(team)
}

async fn taken(write: &mut Write, competition: &Name, name: &str) -> Result<bool, TeamError> {
    let n: i64 = sqlx::query_scalar("SELECT count(*) FROM team WHERE competition = ? AND name = ?")
        .bind(competition.as_str())
        .bind(name)
        .fetch_one(write.sql())
        .await?;
    Ok(n > 0)
}

async fn join(
    write: &mut Write,
    competition: &Name,
    team: i64,
    account: &str,
    leads: bool,
) -> Result<(), TeamError> {
    sqlx::query("INSERT INTO team_member (competition, account, team, leads) VALUES (?, ?, ?, ?)")
        .bind(competition.as_str())
        .bind(account)
        .bind(team)
        .bind(leads)
        .execute(write.sql())
        .await?;
    // Whoever is in a team has no other offers to answer.
    sqlx::query(
        "DELETE FROM team_offer WHERE account = ?
         AND team IN (SELECT id FROM team WHERE competition = ?)",
    )
    .bind(account)
    .bind(competition.as_str())
    .execute(write.sql())
    .await?;
    Ok(())
}

async fn tell(
    write: &mut Write,
    actor: &str,
    act: &str,
    competition: &Name,
    team: i64,
    other: &str,
) -> Result<()> {
    let subject = format!("team {team} of {competition}");
    let act = Act {
        actor,
        act,
        subject: &subject,
        details: json!({ "other": other }),
        why: "",
    };
    write.tell(act).await?;
    Ok(())
}

pub async fn rename(
    write: &mut Write,
    by: (&str, &str),
    team: &Team,
    name: &str,
) -> Result<(), TeamError> {
    if !team.is_led_by(by.0) {
        return Err(TeamError::NotLeading);
    }
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(hides) {
        return Err(TeamError::Name);
    }
    if name == team.name {
        return Ok(());
    }
    if taken(write, &team.competition, name).await? {
        return Err(TeamError::Taken);
    }
    sqlx::query("UPDATE team SET name = ? WHERE id = ?")
        .bind(name)
        .bind(team.id)
        .execute(write.sql())
        .await?;
    tell(write, by.1, "rename", &team.competition, team.id, name).await?;
    queue::ask_boards(write, &team.competition).await?;
    Ok(())
}

/// Characters that hide or turn others, with which one team would look like another.
fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Asks a person to join. One who is in a team of their own, alone and without submissions, may.
pub async fn invite(
    write: &mut Write,
    by: (&str, &str),
    team: &Team,
    person: (&str, &str),
) -> Result<(), TeamError> {
    if !team.is_led_by(by.0) {
        return Err(TeamError::NotLeading);
    }
    offers_left(write, team.id).await?;
    let now = text(write.now);
    sqlx::query(
        "INSERT INTO team_offer (team, account, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(team.id)
    .bind(person.0)
    .bind(now)
    .execute(write.sql())
    .await?;
    tell(write, by.1, "invite", &team.competition, team.id, person.1).await?;
    Ok(())
}

async fn offers_left(write: &mut Write, team: i64) -> Result<(), TeamError> {
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM team_offer WHERE team = ?")
        .bind(team)
        .fetch_one(write.sql())
        .await?;
    match open >= MAX_OFFERS {
        true => Err(TeamError::Offers),
        false => Ok(()),
    }
}

/// Joins a team that asked. A team of one's own without submissions ends with that.
pub async fn accept(
    write: &mut Write,
    by: (&str, &str),
    competition: &Name,
    team: i64,
    size: u32,
) -> Result<(), TeamError> {
    // Of this competition: another one's rules are not this one's.
    let offered = sqlx::query(
        "DELETE FROM team_offer WHERE team = ? AND account = ?
         AND team IN (SELECT id FROM team WHERE competition = ?)",
    )
    .bind(team)
    .bind(by.0)
    .bind(competition.as_str())
    .execute(write.sql())
    .await?;
    if offered.rows_affected() == 0 {
        return Err(TeamError::Nobody);
    }
    let own: Option<i64> =
        sqlx::query_scalar("SELECT team FROM team_member WHERE competition = ? AND account = ?")
            .bind(competition.as_str())
            .bind(by.0)
            .fetch_optional(write.sql())
            .await?;
    if let Some(own) = own {
        if members(write, own).await? > 1 || submitted(write, own).await? > 0 {
            return Err(TeamError::InTeam);
        }
        end(write, own, Some(team)).await?;
    }
    if members(write, team).await? >= i64::from(size) {
        return Err(TeamError::Size(size));
    }
    join(write, competition, team, by.0, false).await?;
    tell(write, by.1, "join", competition, team, "").await?;
    Ok(())
}

async fn members(write: &mut Write, team: i64) -> Result<i64, TeamError> {
    let sql = "SELECT count(*) FROM team_member WHERE team = ?";
    Ok(sqlx::query_scalar(sql)
        .bind(team)
        .fetch_one(write.sql())
        .await?)
}

async fn submitted(write: &mut Write, team: i64) -> Result<i64, TeamError> {
    let sql = "SELECT count(*) FROM submission WHERE team = ?";
    Ok(sqlx::query_scalar(sql)
        .bind(team)
        .fetch_one(write.sql())
        .await?)
}

/// A team that nobody is in any more. Its name is free again.
async fn end(write: &mut Write, team: i64, into: Option<i64>) -> Result<(), TeamError> {
    for sql in [
        "DELETE FROM team_member WHERE team = ?",
        "DELETE FROM team_offer WHERE team = ?",
        "DELETE FROM team_offer WHERE other = ?",
    ] {
        sqlx::query(sql).bind(team).execute(write.sql()).await?;
    }
    sqlx::query("UPDATE team SET merged_into = ?, name = name || ' #' || id WHERE id = ?")
        .bind(into)
        .bind(team)
        .execute(write.sql())
        .await?;
    Ok(())
}

/// Says no to an offer, or takes one back.
pub async fn decline(
    write: &mut Write,
    team: i64,
    account: Option<&str>,
    other: Option<i64>,
) -> Result<bool> {
    let done = sqlx::query("DELETE FROM team_offer WHERE team = ? AND (account = ? OR other = ?)")
        .bind(team)
        .bind(account)
        .bind(other)
        .execute(write.sql())
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Leaves a team. What it handed in stays with it; somebody else leads, where the leader leaves.
pub async fn leave(write: &mut Write, by: (&str, &str), team: &Team) -> Result<(), TeamError> {
    // Counted now: another member may have left since the page was made.
    let there: i64 =
        sqlx::query_scalar("SELECT count(*) FROM team_member WHERE team = ? AND account = ?")
            .bind(team.id)
            .bind(by.0)
            .fetch_one(write.sql())
            .await?;
    if there == 0 {
        return Err(TeamError::Nobody);
    }
    if members(write, team.id).await? == 1 {
        if submitted(write, team.id).await? > 0 {
            return Err(TeamError::Last);
        }
        end(write, team.id, None).await?;
    } else {
        sqlx::query("DELETE FROM team_member WHERE team = ? AND account = ?")
            .bind(team.id)
            .bind(by.0)
            .execute(write.sql())
            .await?;
        let leads: i64 =
            sqlx::query_scalar("SELECT count(*) FROM team_member WHERE team = ? AND leads = 1")
                .bind(team.id)
                .fetch_one(write.sql())
                .await?;
        if leads == 0 {
            sqlx::query(
                "UPDATE team_member SET leads = 1 WHERE team = ? AND account =
                 (SELECT min(account) FROM team_member WHERE team = ?)",
            )
            .bind(team.id)
            .bind(team.id)
            .execute(write.sql())
            .await?;
        }
    }
    tell(write, by.1, "leave", &team.competition, team.id, "").await?;
    Ok(())
}

/// Asks another team to merge into this one.
pub async fn propose_merge(
    write: &mut Write,
    by: (&str, &str),
    team: &Team,
    other: &Team,
) -> Result<(), TeamError> {
    if !team.is_led_by(by.0) {
        return Err(TeamError::NotLeading);
    }
    if team.id == other.id || team.competition != other.competition {
        return Err(TeamError::Nobody);
    }
    offers_left(write, team.id).await?;
    let now = text(write.now);
    sqlx::query("INSERT INTO team_offer (team, other, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
        .bind(team.id)
        .bind(other.id)
        .bind(now)
        .execute(write.sql())
        .await?;
    let name = &other.name;
    tell(
        write,
        by.1,
        "offer to merge",
        &team.competition,
        team.id,
        name,
    )
    .await?;
    Ok(())
}

/// What a merged team may have used of each stage by now: so many would one team have had.
#[derive(Debug, Clone)]
pub struct MergeLimit {
    pub stage: Name,
    pub most: i64,
}

/// Merges a team into the one that asked for it, with all it handed in.
pub async fn merge(
    write: &mut Write,
    by: (&str, &str),
    (into, other): (&Team, &Team),
    size: u32,
    limits: &[MergeLimit],
) -> Result<(), TeamError> {
    if !other.is_led_by(by.0) {
        return Err(TeamError::NotLeading);
    }
    let offered = sqlx::query("DELETE FROM team_offer WHERE team = ? AND other = ?")
        .bind(into.id)
        .bind(other.id)
        .execute(write.sql())
        .await?;
    if offered.rows_affected() == 0 {
        return Err(TeamError::Nobody);
    }
    // Counted now, not when the page was made.
    let together = members(write, into.id).await? + members(write, other.id).await?;
    if together > i64::from(size) {
        return Err(TeamError::Size(size));
    }
    for limit in limits {
        let used: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM submission WHERE team IN (?, ?) AND stage = ? AND counts = 1",
        )
        .bind(into.id)
        .bind(other.id)
        .bind(limit.stage.as_str())
        .fetch_one(write.sql())
        .await?;
        if used > limit.most {
            return Err(TeamError::Used {
                used,
                stage: limit.stage.to_string(),
                most: limit.most,
            });
        }
    }
    for sql in [
        "UPDATE submission SET team = ?, selected = 0 WHERE team = ?",
        "UPDATE scoring SET team = ? WHERE team = ?",
        "UPDATE team_member SET team = ?, leads = 0 WHERE team = ?",
    ] {
        sqlx::query(sql)
            .bind(into.id)
            .bind(other.id)
            .execute(write.sql())
            .await?;
    }
    end(write, other.id, Some(into.id)).await?;
    tell(
        write,
        by.1,
        "merge",
        &into.competition,
        into.id,
        &other.name,
    )
    .await?;
    queue::ask_boards(write, &into.competition).await?;
    Ok(())
}

/// A team and who is in it.
pub async fn find(db: &Db, id: i64) -> Result<Option<Team>> {
    let row =
        sqlx::query("SELECT competition, name FROM team WHERE id = ? AND merged_into IS NULL")
            .bind(id)
            .fetch_optional(db.read())
            .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let members = sqlx::query(
        "SELECT m.account, a.name, m.leads FROM team_member m JOIN account a ON a.id = m.account
         WHERE m.team = ? ORDER BY m.leads DESC, a.name",
    )
    .bind(id)
    .fetch_all(db.read())
    .await?;
    let member = |row: &sqlx::sqlite::SqliteRow| Member {
        account: row.get(0),
        name: row.get(1),
        leads: row.get(2),
    };
    Ok(Some(Team {
        id,
        competition: super::named(row.get(0))?,
        name: row.get(1),
        members: members.iter().map(member).collect(),
    }))
}

/// The team of an account.
pub async fn of(db: &Db, competition: &Name, account: &str) -> Result<Option<Team>> {
    let id: Option<i64> =
        sqlx::query_scalar("SELECT team FROM team_member WHERE competition = ? AND account = ?")
            .bind(competition.as_str())
            .bind(account)
            .fetch_optional(db.read())
            .await?;
    match id {
        Some(id) => find(db, id).await,
        None => Ok(None),
    }
}

pub async fn by_name(db: &Db, competition: &Name, name: &str) -> Result<Option<Team>> {
    let id: Option<i64> = sqlx::query_scalar(
        "SELECT id FROM team WHERE competition = ? AND name = ? AND merged_into IS NULL",
    )
    .bind(competition.as_str())
    .bind(name)
    .fetch_optional(db.read())
    .await?;
    match id {
        Some(id) => find(db, id).await,
        None => Ok(None),
    }
}

/// Offers that a person, or their team, made or has to answer.
pub async fn offers(
    db: &Db,
    competition: &Name,
    account: &str,
    team: Option<i64>,
) -> Result<Vec<Offer>> {
    let rows = sqlx::query(
        "SELECT o.team, t.name, coalesce(a.name, ''), o.other, u.name
         FROM team_offer o JOIN team t ON t.id = o.team
         LEFT JOIN account a ON a.id = o.account LEFT JOIN team u ON u.id = o.other
         WHERE t.competition = ? AND (o.account = ? OR o.team = ? OR o.other = ?)
         ORDER BY o.at, o.team",
    )
    .bind(competition.as_str())
    .bind(account)
    .bind(team)
    .bind(team)
    .fetch_all(db.read())
    .await?;
    let offer = |row: &sqlx::sqlite::SqliteRow| Offer {
        team: row.get(0),
        team_name: row.get(1),
        person: row.get(2),
        other: row
            .get::<Option<i64>, _>(3)
            .map(|id| (id, row.get::<Option<String>, _>(4).unwrap_or_default())),
    };
    Ok(rows.iter().map(offer).collect())
}

//! Tokens for programs: shown once, for some things only, for some time only, revocable.

use std::{collections::BTreeSet, fmt, str::FromStr, time::Duration};

use fairframe_schemas::Timestamp;
use serde_json::json;
use sqlx::Row;

use super::{
    Db, Result, StateError, Write,
    accounts::{self, Account, AccountError, By},
    audit::Act,
    secret, text, time,
};

/// What every token begins with, so that leaked ones can be searched for.
pub const PREFIX: &str = "ff_";

/// Longest a token can last.
pub const MAX_DAYS: u32 = 366;

/// Tokens an account may have at a time.
pub const MAX_TOKENS: i64 = 50;

/// What a token may be used for, never more than its account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Read what the account may read.
    Read,
    /// Decide about samples, run jobs.
    Curate,
    /// Submit to competitions.
    Submit,
}

impl Scope {
    pub const ALL: [Scope; 3] = [Scope::Read, Scope::Curate, Scope::Submit];

    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Curate => "curate",
            Scope::Submit => "submit",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = StateError;

    fn from_str(text: &str) -> Result<Self> {
        let found = Scope::ALL.into_iter().find(|s| s.as_str() == text);
        found.ok_or_else(|| StateError::Stored {
            what: "the scope",
            value: text.to_owned(),
        })
    }
}

/// A token, without its secret.
#[derive(Debug, Clone)]
pub struct Token {
    pub id: String,
    pub name: String,
    pub scopes: BTreeSet<Scope>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub used_at: Option<Timestamp>,
}

/// Why a token is not made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("A token needs a name of 1 to 60 characters.")]
    Name,
    #[error("A token needs at least one scope.")]
    Scopes,
    #[error("A token lasts 1 to {MAX_DAYS} days.")]
    Days,
    #[error("There are {MAX_TOKENS} tokens already; revoke one first.")]
    TooMany,
    #[error(transparent)]
    Account(#[from] AccountError),
}

impl<E: Into<StateError>> From<E> for TokenError {
    fn from(error: E) -> Self {
        TokenError::Account(AccountError::State(error.into()))
    }
}

/// Makes a token. Gives what its owner must copy now.
pub async fn create(
    write: &mut Write,
    account: &Account,
    name: &str,
    scopes: &BTreeSet<Scope>,
    days: u32,
) -> Result<String, TokenError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 60 || name.chars().any(char::is_control) {
        return Err(TokenError::Name);
    }
    if scopes.is_empty() {
        return Err(TokenError::Scopes);
    }
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(TokenError::Days);
    }
    let now = text(write.now);
    let there: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM api_token WHERE account = ? AND revoked_at IS NULL AND expires_at > ?",
    )
    .bind(&account.id)
    .bind(&now)
    .fetch_one(write.sql())
    .await?;
    if there >= MAX_TOKENS {
        return Err(TokenError::TooMany);
    }
    let random = |e| TokenError::Account(AccountError::Random(e));
    let id = secret::id().map_err(random)?;
    let drawn = format!("{PREFIX}{}", secret::draw().map_err(random)?);
    let expires = write.now + Duration::from_secs(u64::from(days) * 24 * 3600);
    sqlx::query(
        "INSERT INTO api_token (id, account, name, scopes, secret_sha256, created_at, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&id)
    .bind(&account.id)
    .bind(name)
    .bind(words(scopes))
    .bind(secret::digest(&drawn))
    .bind(now)
    .bind(text(expires))
    .execute(write.sql())
    .await?;
    tell(write, account, "create-token", &id, scopes).await?;
    Ok(drawn)
}

/// Whether there was such a token of that account.
pub async fn revoke(write: &mut Write, account: &Account, id: &str) -> Result<bool> {
    let now = text(write.now);
    let done = sqlx::query(
        "UPDATE api_token SET revoked_at = ? WHERE id = ? AND account = ? AND revoked_at IS NULL",
    )
    .bind(now)
    .bind(id)
    .bind(&account.id)
    .execute(write.sql())
    .await?;
    let found = done.rows_affected() == 1;
    if found {
        tell(write, account, "revoke-token", id, &BTreeSet::new()).await?;
    }
    Ok(found)
}

async fn tell(
    write: &mut Write,
    by: &Account,
    act: &str,
    id: &str,
    scopes: &BTreeSet<Scope>,
) -> Result<()> {
    let subject = format!("token {id}");
    let act = Act {
        actor: &by.name,
        act,
        subject: &subject,
        details: json!({ "scopes": words(scopes) }),
        why: "",
    };
    write.tell(act).await?;
    Ok(())
}

fn words(scopes: &BTreeSet<Scope>) -> String {
    let words: Vec<&str> = scopes.iter().map(|s| s.as_str()).collect();
    words.join(" ")
}

fn parse(scopes: &str) -> Result<BTreeSet<Scope>> {
    scopes.split_whitespace().map(str::parse).collect()
}

/// Tokens of an account that may still be used, newest first.
pub async fn of(db: &Db, account: &str) -> Result<Vec<Token>> {
    let rows = sqlx::query(
        "SELECT id, name, scopes, created_at, expires_at, used_at FROM api_token
         WHERE account = ? AND revoked_at IS NULL AND expires_at > ? ORDER BY created_at DESC, id",
    )
    .bind(account)
    .bind(text(db.now()))
    .fetch_all(db.read())
    .await?;
    let token = |row: &sqlx::sqlite::SqliteRow| {
        Ok(Token {
            id: row.get(0),
            name: row.get(1),
            scopes: parse(row.get(2))?,
            created_at: time(row.get(3))?,
            expires_at: time(row.get(4))?,
            used_at: row.get::<Option<String>, _>(5).map(time).transpose()?,
        })
    };
    rows.iter().map(token).collect()
}

/// Who uses a token, and for what it is.
pub async fn find(db: &Db, drawn: &str) -> Result<Option<(Account, BTreeSet<Scope>)>> {
    let now = text(db.now());
    let row = sqlx::query(
        "SELECT id, account, scopes, used_at FROM api_token
         WHERE secret_sha256 = ? AND revoked_at IS NULL AND expires_at > ?",
    )
    .bind(secret::digest(drawn))
    .bind(&now)
    .fetch_optional(db.read())
    .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let account = accounts::find(db, By::Id(row.get(1))).await?;
    let Some(account) = account.filter(|a| !a.disabled) else {
        return Ok(None);
    };
    // The day of the last use is enough to find forgotten tokens.
    let used: Option<String> = row.get(3);
    if used.is_none_or(|used| used.get(..10) != now.get(..10)) {
        let mut write = db.write().await?;
        sqlx::query("UPDATE api_token SET used_at = ? WHERE id = ?")
            .bind(&now)
            .bind(row.get::<String, _>(0))
            .execute(write.sql())
            .await?;
        write.commit().await?;
    }
    Ok(Some((account, parse(row.get(2))?)))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::Fixture, *};

    #[tokio::test]
    async fn a_token_works_until_it_expires_or_is_revoked_by_its_owner() {
        let f = Fixture::new().await;
        let mut w = f.db.write().await.unwrap();
        for name in ["mira", "noor"] {
            accounts::create(&mut w, "console", name, &BTreeSet::new())
                .await
                .unwrap();
        }
        w.commit().await.unwrap();
        let mira = accounts::find(&f.db, By::Name("mira"))
            .await
            .unwrap()
            .unwrap();
        let noor = accounts::find(&f.db, By::Name("noor"))
            .await
            .unwrap()
            .unwrap();
        let scopes = BTreeSet::from([Scope::Read]);
        let mut w = f.db.write().await.unwrap();
        let drawn = create(&mut w, &mira, " laptop ", &scopes, 30)
            .await
            .unwrap();
        for (name, scopes, days) in [
            ("", &scopes, 1),
            ("x", &BTreeSet::new(), 1),
            ("x", &scopes, 0),
            ("x", &scopes, MAX_DAYS + 1),
        ] {
            assert!(create(&mut w, &mira, name, scopes, days).await.is_err());
        }
        w.commit().await.unwrap();
        let (account, found) = find(&f.db, &drawn).await.unwrap().unwrap();
        assert_eq!((account.name.as_str(), &found), ("mira", &scopes));
        let listed = of(&f.db, &mira.id).await.unwrap().remove(0);
        assert_eq!(listed.name, "laptop");
        assert!(listed.used_at.is_some());

        let mut w = f.db.write().await.unwrap();
        assert!(!revoke(&mut w, &noor, &listed.id).await.unwrap());
        w.commit().await.unwrap();
        assert!(find(&f.db, &drawn).await.unwrap().is_some());
        f.pass(Duration::from_secs(30 * 24 * 3600));
        assert!(find(&f.db, &drawn).await.unwrap().is_none());

        let mut w = f.db.write().await.unwrap();
        let drawn = create(&mut w, &mira, "desk", &scopes, 30).await.unwrap();
        w.commit().await.unwrap();
        let id = of(&f.db, &mira.id).await.unwrap().remove(0).id;
        let mut w = f.db.write().await.unwrap();
        assert!(revoke(&mut w, &mira, &id).await.unwrap());
        w.commit().await.unwrap();
        assert!(find(&f.db, &drawn).await.unwrap().is_none());
    }
}

//! Who has an account, and what each may do.

use std::{collections::BTreeSet, fmt, str::FromStr};

use fairframe_schemas::{Name, Timestamp};
use serde_json::json;
use sqlx::{Row, sqlite::SqliteRow};

use super::{Db, Result, StateError, Write, audit::Act, secret, text, time};

/// What an account may do. See docs/accounts.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Accounts and settings, and all that the others may.
    Admin,
    /// Decides about samples, consents and releases.
    Curator,
    /// Runs competitions.
    Host,
    /// Submits to competitions.
    Participant,
    /// Reads what is not for everybody.
    Researcher,
}

impl Role {
    pub const ALL: [Role; 5] = [
        Role::Admin,
        Role::Curator,
        Role::Host,
        Role::Participant,
        Role::Researcher,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Curator => "curator",
            Role::Host => "host",
            Role::Participant => "participant",
            Role::Researcher => "researcher",
        }
    }

    /// What it is for, after "may".
    pub fn may(self) -> &'static str {
        match self {
            Role::Admin => {
                "invite people, give roles, disable accounts, change settings, and all that the others may"
            }
            Role::Curator => {
                "see samples that were not accepted, decide about samples and consents, propose and approve releases, run jobs"
            }
            Role::Host => "run competitions",
            Role::Participant => {
                "contribute pictures to sources that ask for them, submit to competitions"
            }
            Role::Researcher => {
                "read and download what everybody may, and what asks for its terms to be accepted"
            }
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = StateError;

    fn from_str(text: &str) -> Result<Self> {
        let found = Role::ALL.into_iter().find(|r| r.as_str() == text);
        found.ok_or_else(|| StateError::Stored {
            what: "the role",
            value: text.to_owned(),
        })
    }
}

/// A role, everywhere or for one dataset.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Held {
    pub role: Role,
    /// None: for all datasets.
    pub dataset: Option<Name>,
}

/// What stands for all datasets; no name of one can be it.
const ALL: &str = "*";

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.dataset {
            None => write!(f, "{}", self.role),
            Some(dataset) => write!(f, "{} of {dataset}", self.role),
        }
    }
}

/// An account, without its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub id: String,
    pub name: String,
    pub created_at: Timestamp,
    pub disabled: bool,
    /// Whether a password was ever set.
    pub ready: bool,
    pub roles: BTreeSet<Held>,
}

impl Account {
    pub fn is_admin(&self) -> bool {
        self.has(Role::Admin, None)
    }

    /// Whether the role is held for that dataset (none: for all of them). Administrators hold all.
    pub fn has(&self, role: Role, dataset: Option<&Name>) -> bool {
        let fits = |held: &Held| match &held.dataset {
            None => held.role == role || held.role == Role::Admin,
            Some(its) => held.role == role && dataset == Some(its),
        };
        self.roles.iter().any(fits)
    }

    /// The datasets that the role is held for by name.
    pub fn datasets(&self, role: Role) -> impl Iterator<Item = &Name> {
        let held = self.roles.iter().filter(move |held| held.role == role);
        held.filter_map(|held| held.dataset.as_ref())
    }

    /// Whether the role is held for any dataset.
    pub fn has_somewhere(&self, role: Role) -> bool {
        self.is_admin() || self.roles.iter().any(|held| held.role == role)
    }
}

/// Shortest and longest name of an account.
pub const NAME_LENGTH: std::ops::RangeInclusive<usize> = 2..=40;

/// Whether it can be the name of an account: lower-case letters, digits, `.`, `_`, `-`,
/// a letter first.
pub fn is_name(name: &str) -> bool {
    NAME_LENGTH.contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
}

/// Why an account is not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error(
        "A name is 2 to 40 lower-case letters, digits, dots, hyphens or underscores, a letter first."
    )]
    Name,
    #[error("There is an account of that name already.")]
    Taken,
    #[error("There must be an administrator: name another one first.")]
    LastAdmin,
    #[error(transparent)]
    Random(#[from] secret::NoRandom),
    #[error(transparent)]
    State(#[from] StateError),
}

impl From<sqlx::Error> for AccountError {
    fn from(error: sqlx::Error) -> Self {
        AccountError::State(error.into())
    }
}

/// Makes an account without a password. Gives its id.
pub async fn create(
    write: &mut Write,
    by: &str,
    name: &str,
    roles: &BTreeSet<Held>,
) -> Result<String, AccountError> {
    if !is_name(name) {
        return Err(AccountError::Name);
    }
    let id = secret::id()?;
    let now = text(write.now);
    let done = sqlx::query(
        "INSERT INTO account (id, name, created_at) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING",
    )
    .bind(&id)
    .bind(name)
    .bind(now)
    .execute(write.sql())
    .await?;
    if done.rows_affected() == 0 {
        return Err(AccountError::Taken);
    }
    put_roles(write, &id, roles).await?;
    tell(write, by, "create-account", name, roles).await?;
    Ok(id)
}

/// Gives an account these roles and no others.
pub async fn set_roles(
    write: &mut Write,
    by: &str,
    account: &Account,
    roles: &BTreeSet<Held>,
) -> Result<(), AccountError> {
    sqlx::query("DELETE FROM held_role WHERE account = ?")
        .bind(&account.id)
        .execute(write.sql())
        .await?;
    put_roles(write, &account.id, roles).await?;
    still_an_admin(write).await?;
    tell(write, by, "set-roles", &account.name, roles).await?;
    Ok(())
}

/// Lets an account in no more, or again. Sessions end at once; tokens are refused.
pub async fn set_disabled(
    write: &mut Write,
    by: &str,
    account: &Account,
    disabled: bool,
) -> Result<(), AccountError> {
    let at = disabled.then(|| text(write.now));
    sqlx::query("UPDATE account SET disabled_at = ? WHERE id = ?")
        .bind(at)
        .bind(&account.id)
        .execute(write.sql())
        .await?;
    still_an_admin(write).await?;
    super::sessions::end_all(write, &account.id).await?;
    super::links::end_all(write, &account.id).await?;
    let act = if disabled {
        "disable-account"
    } else {
        "enable-account"
    };
    tell(write, by, act, &account.name, &account.roles).await?;
    Ok(())
}

/// Sets the hash of a password. All sessions end.
pub async fn set_password(write: &mut Write, account: &Account, hash: &str) -> Result<()> {
    sqlx::query("UPDATE account SET password = ? WHERE id = ?")
        .bind(hash)
        .bind(&account.id)
        .execute(write.sql())
        .await?;
    super::sessions::end_all(write, &account.id).await?;
    super::links::end_all(write, &account.id).await?;
    let subject = format!("account {}", account.name);
    let act = Act {
        actor: &account.name,
        act: "set-password",
        subject: &subject,
        details: json!({}),
        why: "",
    };
    write.tell(act).await?;
    Ok(())
}

async fn put_roles(write: &mut Write, id: &str, roles: &BTreeSet<Held>) -> Result<()> {
    for held in roles {
        sqlx::query("INSERT INTO held_role (account, role, dataset) VALUES (?, ?, ?)")
            .bind(id)
            .bind(held.role.as_str())
            .bind(held.dataset.as_ref().map_or(ALL, Name::as_str))
            .execute(write.sql())
            .await?;
    }
    Ok(())
}

async fn still_an_admin(write: &mut Write) -> Result<(), AccountError> {
    let left: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM account a JOIN held_role r ON r.account = a.id
         WHERE r.role = 'admin' AND r.dataset = '*' AND a.disabled_at IS NULL",
    )
    .fetch_one(write.sql())
    .await?;
    match left {
        0 => Err(AccountError::LastAdmin),
        _ => Ok(()),
    }
}

async fn tell(
    write: &mut Write,
    by: &str,
    act: &str,
    name: &str,
    roles: &BTreeSet<Held>,
) -> Result<()> {
    let roles: Vec<String> = roles.iter().map(Held::to_string).collect();
    let subject = format!("account {name}");
    let act = Act {
        actor: by,
        act,
        subject: &subject,
        details: json!({ "roles": roles }),
        why: "",
    };
    write.tell(act).await?;
    Ok(())
}

const COLUMNS: &str =
    "SELECT id, name, created_at, disabled_at IS NOT NULL, password IS NOT NULL FROM account";

/// Which account.
#[derive(Debug, Clone, Copy)]
pub enum By<'a> {
    Id(&'a str),
    Name(&'a str),
}

pub async fn find(db: &Db, by: By<'_>) -> Result<Option<Account>> {
    let row = match by {
        By::Id(id) => sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE id = ?"))).bind(id),
        By::Name(name) => {
            sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} WHERE name = ?"))).bind(name)
        }
    };
    let Some(row) = row.fetch_optional(db.read()).await? else {
        return Ok(None);
    };
    let mut account = account(&row)?;
    let held = sqlx::query("SELECT account, role, dataset FROM held_role WHERE account = ?")
        .bind(&account.id)
        .fetch_all(db.read())
        .await?;
    for row in &held {
        account.roles.insert(self::held(row)?);
    }
    Ok(Some(account))
}

/// All accounts, by name.
pub async fn all(db: &Db) -> Result<Vec<Account>> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!("{COLUMNS} ORDER BY name")))
        .fetch_all(db.read())
        .await?;
    let mut accounts = rows.iter().map(account).collect::<Result<Vec<_>>>()?;
    let rows = sqlx::query("SELECT account, role, dataset FROM held_role")
        .fetch_all(db.read())
        .await?;
    for row in &rows {
        let id: &str = row.get(0);
        if let Some(account) = accounts.iter_mut().find(|a| a.id == id) {
            account.roles.insert(held(row)?);
        }
    }
    Ok(accounts)
}

/// The hash of the password of an account that may enter; none where there is none.
pub async fn password(db: &Db, name: &str) -> Result<Option<String>> {
    let found: Option<Option<String>> =
        sqlx::query_scalar("SELECT password FROM account WHERE name = ? AND disabled_at IS NULL")
            .bind(name)
            .fetch_optional(db.read())
            .await?;
    Ok(found.flatten())
}

fn account(row: &SqliteRow) -> Result<Account> {
    Ok(Account {
        id: row.get(0),
        name: row.get(1),
        created_at: time(row.get(2))?,
        disabled: row.get(3),
        ready: row.get(4),
        roles: BTreeSet::new(),
    })
}

fn held(row: &SqliteRow) -> Result<Held> {
    let dataset: String = row.get(2);
    let dataset = match dataset.as_str() {
        ALL => None,
        name => Some(Name::new(name).map_err(|_| StateError::Stored {
            what: "the dataset",
            value: name.to_owned(),
        })?),
    };
    Ok(Held {
        role: row.get::<String, _>(1).parse()?,
        dataset,
    })
}

#[cfg(test)]
mod tests {
    use super::{super::tests::Fixture, *};

    fn roles(held: &[(Role, Option<&str>)]) -> BTreeSet<Held> {
        held.iter()
            .map(|(role, dataset)| Held {
                role: *role,
                dataset: dataset.map(|d| Name::new(d).unwrap()),
            })
            .collect()
    }

    #[tokio::test]
    async fn roles_hold_where_they_were_given() {
        let f = Fixture::new().await;
        let mut w = f.db.write().await.unwrap();
        create(&mut w, "console", "root", &roles(&[(Role::Admin, None)]))
            .await
            .unwrap();
        create(
            &mut w,
            "root",
            "mira",
            &roles(&[(Role::Curator, Some("photos"))]),
        )
        .await
        .unwrap();
        assert!(matches!(
            create(&mut w, "root", "mira", &BTreeSet::new()).await,
            Err(AccountError::Taken)
        ));
        for bad in [
            "",
            "a",
            "Mira",
            "1mira",
            "mi ra",
            "mira\n",
            "é-mira",
            &"m".repeat(41),
        ] {
            assert!(
                matches!(
                    create(&mut w, "root", bad, &BTreeSet::new()).await,
                    Err(AccountError::Name)
                ),
                "{bad:?}"
            );
        }
        w.commit().await.unwrap();
        let mira = find(&f.db, By::Name("mira")).await.unwrap().unwrap();
        let (photos, other) = (Name::new("photos").unwrap(), Name::new("other").unwrap());
        assert!(mira.has(Role::Curator, Some(&photos)));
        assert!(!mira.has(Role::Curator, Some(&other)));
        assert!(!mira.has(Role::Curator, None));
        assert!(!mira.has(Role::Host, Some(&photos)) && !mira.is_admin() && !mira.ready);
        let root = find(&f.db, By::Name("root")).await.unwrap().unwrap();
        assert!(
            Role::ALL
                .iter()
                .all(|r| root.has(*r, Some(&other)) && root.has(*r, None))
        );
        assert_eq!(all(&f.db).await.unwrap(), [mira, root]);
    }

    #[tokio::test]
    async fn the_last_administrator_stays_one() {
        let f = Fixture::new().await;
        let mut w = f.db.write().await.unwrap();
        create(&mut w, "console", "root", &roles(&[(Role::Admin, None)]))
            .await
            .unwrap();
        w.commit().await.unwrap();
        let root = find(&f.db, By::Name("root")).await.unwrap().unwrap();
        let mut w = f.db.write().await.unwrap();
        assert!(matches!(
            set_roles(&mut w, "root", &root, &BTreeSet::new()).await,
            Err(AccountError::LastAdmin)
        ));
        drop(w);
        let mut w = f.db.write().await.unwrap();
        assert!(matches!(
            set_disabled(&mut w, "root", &root, true).await,
            Err(AccountError::LastAdmin)
        ));
        drop(w);
        assert!(
            find(&f.db, By::Name("root"))
                .await
                .unwrap()
                .unwrap()
                .is_admin()
        );
    }
}

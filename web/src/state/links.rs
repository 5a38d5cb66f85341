//! One-time links: whoever opens one may set the password of an account. The first
//! administrator's, an invitation, a lost password.

use std::time::Duration;

use serde_json::json;

use super::{
    Db, Result, Write,
    accounts::{self, Account, AccountError, By, Held, Role},
    audit::Act,
    secret, text,
};

/// How long a link opens.
pub const LASTS: Duration = Duration::from_secs(72 * 3600);

/// Makes a link; earlier ones of the account open no more. Gives its secret, which is kept nowhere.
pub async fn create(write: &mut Write, account: &str) -> Result<String, AccountError> {
    end_all(write, account).await?;
    let drawn = secret::draw()?;
    sqlx::query("INSERT INTO link (secret_sha256, account, expires_at) VALUES (?, ?, ?)")
        .bind(secret::digest(&drawn))
        .bind(account)
        .bind(text(write.now + LASTS))
        .execute(write.sql())
        .await?;
    Ok(drawn)
}

/// The account that a link opens. It is spent when its password is set.
pub async fn account(db: &Db, drawn: &str) -> Result<Option<Account>> {
    let id: Option<String> =
        sqlx::query_scalar("SELECT account FROM link WHERE secret_sha256 = ? AND expires_at > ?")
            .bind(secret::digest(drawn))
            .bind(text(db.now()))
            .fetch_optional(db.read())
            .await?;
    let found = match id {
        Some(id) => accounts::find(db, By::Id(&id)).await?,
        None => None,
    };
    Ok(found.filter(|account| !account.disabled))
}

/// Spends a link inside a transaction: true once, for one of all that try.
pub async fn spend(write: &mut Write, drawn: &str) -> Result<bool> {
    let now = text(write.now);
    let done = sqlx::query("DELETE FROM link WHERE secret_sha256 = ? AND expires_at > ?")
        .bind(secret::digest(drawn))
        .bind(now)
        .execute(write.sql())
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Tells the chain that somebody was given a link.
pub async fn told(write: &mut Write, by: &str, name: &str) -> Result<()> {
    let subject = format!("account {name}");
    let act = Act {
        actor: by,
        act: "make-link",
        subject: &subject,
        details: json!({}),
        why: "",
    };
    write.tell(act).await?;
    Ok(())
}

pub(super) async fn end_all(write: &mut Write, account: &str) -> Result<()> {
    sqlx::query("DELETE FROM link WHERE account = ?")
        .bind(account)
        .execute(write.sql())
        .await?;
    Ok(())
}

/// The name of the first administrator's account.
pub const FIRST: &str = "admin";

/// Until somebody has set a password: a link for the first administrator. None after that.
pub async fn first(db: &Db) -> Result<Option<String>, AccountError> {
    let mut write = db.write().await?;
    let ready: i64 = sqlx::query_scalar("SELECT count(*) FROM account WHERE password IS NOT NULL")
        .fetch_one(write.sql())
        .await?;
    if ready > 0 {
        return Ok(None);
    }
    let there: Option<String> = sqlx::query_scalar("SELECT id FROM account WHERE name = ?")
        .bind(FIRST)
        .fetch_optional(write.sql())
        .await?;
    let id = match there {
        Some(id) => id,
        None => {
            let roles = [Held {
                role: Role::Admin,
                dataset: None,
            }];
            accounts::create(&mut write, "console", FIRST, &roles.into()).await?
        }
    };
    let drawn = create(&mut write, &id).await?;
    write.commit().await?;
    Ok(Some(drawn))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::Fixture, *};

    #[tokio::test]
    async fn the_first_link_opens_once_and_there_is_no_other_after_it() {
        let f = Fixture::new().await;
        let old = first(&f.db).await.unwrap().unwrap();
        let new = first(&f.db).await.unwrap().unwrap();
        assert!(account(&f.db, &old).await.unwrap().is_none());
        let admin = account(&f.db, &new).await.unwrap().unwrap();
        assert!(admin.is_admin());
        let mut w = f.db.write().await.unwrap();
        assert!(spend(&mut w, &new).await.unwrap());
        assert!(!spend(&mut w, &new).await.unwrap());
        accounts::set_password(&mut w, &admin, "$argon2id$...")
            .await
            .unwrap();
        w.commit().await.unwrap();
        assert!(account(&f.db, &new).await.unwrap().is_none());
        assert!(first(&f.db).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_link_opens_for_three_days() {
        let f = Fixture::new().await;
        let drawn = first(&f.db).await.unwrap().unwrap();
        f.pass(LASTS - Duration::from_secs(1));
        assert!(account(&f.db, &drawn).await.unwrap().is_some());
        f.pass(Duration::from_secs(1));
        assert!(account(&f.db, &drawn).await.unwrap().is_none());
        let mut w = f.db.write().await.unwrap();
        assert!(!spend(&mut w, &drawn).await.unwrap());
    }
}

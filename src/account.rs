//! `fairframe account`: for whoever has the machine, when nobody can log in any more.

use fairframe_schemas::Layout;
use fairframe_web::state::{
    Db,
    accounts::{self, By},
    links,
};
use serde_json::json;

use crate::{
    Common,
    exit::{self, Doing, Failure},
    ingest::clock,
};

#[derive(Debug, clap::Args)]
pub struct AccountArgs {
    /// Name of the account
    name: String,
}

/// There is no account of that name.
#[derive(Debug, thiserror::Error)]
#[error("there is no account `{0}`; an administrator invites people at `/admin/accounts`")]
struct NoAccount(String);

impl AccountArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        let doing = || format!("make a link for `{}`", self.name);
        let runtime = tokio::runtime::Runtime::new().doing("start the runtime")?;
        let link = runtime.block_on(async {
            let path = Layout::new(&common.root).state();
            let db = Db::open(&path, clock()).await.doing(doing())?;
            let account = accounts::find(&db, By::Name(&self.name))
                .await
                .doing(doing())?;
            let account = account
                .ok_or_else(|| NoAccount(self.name.clone()))
                .doing(doing())?;
            let mut write = db.write().await.doing(doing())?;
            let link = links::create(&mut write, &account.id)
                .await
                .doing(doing())?;
            links::told(&mut write, "console", &account.name)
                .await
                .doing(doing())?;
            write.commit().await.doing(doing())?;
            Ok(link)
        })?;
        let path = format!("/welcome/{link}");
        match common.json {
            true => exit::print_json(&json!({ "path": path }))?,
            false => exit::print(&format!("{path}\n"))?,
        }
        Ok(exit::OK)
    }
}

//! Who asks a server: a token from a file or the environment, never from the command line, which
//! every user of the machine can read.

use std::path::PathBuf;

use fairframe_ingest::server;

use crate::{
    Common,
    exit::{self, Doing, Failure},
};

/// The environment variable with a token of the server asked.
pub const TOKEN: &str = "FAIRFRAME_TOKEN";

/// How one says who asks.
#[derive(Debug, Clone, clap::Args)]
pub struct Credentials {
    /// File with a token of an account of the server [default: what FAIRFRAME_TOKEN holds]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl Credentials {
    /// None where nothing is said: most is for everybody.
    pub fn token(&self) -> Result<Option<String>, Failure> {
        let given = match &self.token_file {
            Some(file) => {
                let doing = || format!("read the token in {}", file.display());
                Some(std::fs::read_to_string(file).doing(doing())?)
            }
            None => std::env::var(TOKEN).ok(),
        };
        let given = given.map(|token| token.trim().to_owned());
        Ok(given.filter(|token| !token.is_empty()))
    }
}

#[derive(Debug, clap::Args)]
pub struct DatasetsArgs {
    /// Address of the server, as `https://data.example.org/`
    #[arg(long, value_name = "URL", env = "FAIRFRAME_SERVER")]
    server: String,
    #[command(flatten)]
    credentials: Credentials,
}

impl DatasetsArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        let token = self.credentials.token()?;
        let runtime = tokio::runtime::Runtime::new().doing("start the runtime")?;
        let found = runtime
            .block_on(server::datasets(&self.server, token.as_deref()))
            .doing("list datasets")?;
        if common.json {
            exit::print_json(&found)?;
            return Ok(exit::OK);
        }
        for d in &found {
            let line = format!(
                "{} {} ({} samples): {}",
                d.name, d.latest, d.accepted, d.title
            );
            // A server's words give a terminal no orders.
            let plain: String = line.chars().filter(|c| !c.is_control()).collect();
            exit::print(&format!("{plain}\n"))?;
        }
        Ok(exit::OK)
    }
}

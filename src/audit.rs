//! `fairframe audit`: the log of who decided what, checked or written out.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use fairframe_schemas::Layout;
use fairframe_web::state::{
    Db,
    audit::{self, Broken, Check},
};
use serde_json::json;

use crate::{
    Common,
    exit::{self, Doing, Failure},
    ingest::clock,
};

#[derive(Debug, clap::Args)]
pub struct AuditArgs {
    /// An exported log to check instead of the data folder's
    #[arg(value_name = "FILE", conflicts_with = "export")]
    file: Option<PathBuf>,
    /// Write the log out as JSON lines
    #[arg(long)]
    export: bool,
    /// A hash noted before: the log must still hold it
    #[arg(long, value_name = "HASH")]
    holds: Option<String>,
}

/// Longest line of an exported log, in bytes.
const MAX_LINE: usize = 1 << 20;

/// Entries read at a time.
const PAGE: u32 = 1_000;

#[derive(Debug, thiserror::Error)]
enum LogError {
    #[error("line {line} is longer than {MAX_LINE} bytes, so it is none of ours")]
    Long { line: usize },
    #[error("line {line} is no entry: {error}; give a file that `--export` wrote")]
    Line {
        line: usize,
        error: serde_json::Error,
    },
}

impl AuditArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        let runtime = tokio::runtime::Runtime::new().doing("start the runtime")?;
        let layout = Layout::new(&common.root);
        let mut held = self.holds.is_none();
        let mut look = |hash: &str| held |= self.holds.as_deref() == Some(hash);
        let verdict = match &self.file {
            Some(file) => of_file(file, &mut look)?,
            None => runtime.block_on(of_server(&layout.state(), self.export, &mut look))?,
        };
        if self.export {
            return Ok(exit::OK);
        }
        let (sound, entries, head, problem) = match &verdict {
            Ok(check) if held => (true, check.entries, check.head.as_str(), String::new()),
            Ok(check) => (
                false,
                check.entries,
                check.head.as_str(),
                "no entry has the hash that was noted".to_owned(),
            ),
            Err(broken) => (false, 0, "", broken.to_string()),
        };
        if common.json {
            let said =
                json!({"sound": sound, "entries": entries, "head": head, "problem": problem});
            exit::print_json(&said)?;
        } else if sound {
            exit::print(&format!(
                "{entries} entries hold together; the newest is {head}\n"
            ))?;
        } else {
            exit::print(&format!("the log does not hold: {problem}\n"))?;
        }
        Ok(if sound { exit::OK } else { exit::FOUND })
    }
}

async fn of_server(
    path: &Path,
    export: bool,
    look: &mut impl FnMut(&str),
) -> Result<Result<Check, Broken>, Failure> {
    let doing = || format!("read {}", path.display());
    std::fs::metadata(path).doing(doing())?;
    let db = Db::open(path, clock()).await.doing(doing())?;
    let mut check = Check::default();
    let mut last = 0;
    loop {
        let page = audit::after(&db, last, PAGE).await.doing(doing())?;
        let Some(newest) = page.last() else {
            return Ok(Ok(check));
        };
        last = newest.entry.seq;
        for written in &page {
            look(&written.hash);
            if export {
                let line = serde_json::to_string(written).doing(doing())?;
                exit::print(&format!("{line}\n"))?;
            } else if let Err(broken) = check.next(written) {
                return Ok(Err(broken));
            }
        }
    }
}

fn of_file(path: &Path, look: &mut impl FnMut(&str)) -> Result<Result<Check, Broken>, Failure> {
    let doing = || format!("read {}", path.display());
    let mut reader = BufReader::new(File::open(path).doing(doing())?);
    let mut check = Check::default();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let mut limited = std::io::Read::take(&mut reader, MAX_LINE as u64 + 1);
        if limited.read_until(b'\n', &mut line).doing(doing())? == 0 {
            break;
        }
        if line.len() > MAX_LINE {
            return Err(LogError::Long { line: number }).doing(doing());
        }
        let written: audit::Written = serde_json::from_slice(&line)
            .map_err(|error| LogError::Line {
                line: number,
                error,
            })
            .doing(doing())?;
        look(&written.hash);
        if let Err(broken) = check.next(&written) {
            return Ok(Err(broken));
        }
    }
    Ok(Ok(check))
}

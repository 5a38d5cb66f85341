//! `fairframe submit`.

use std::{fmt::Write, path::PathBuf};

use fairframe_ingest::{
    digest,
    submit::{Competition, External, PIECE, Submission, SubmitError, Upload},
};
use fairframe_schemas::Digest;

use crate::{
    Common,
    exit::{self, Doing, Failure},
    progress::Progress,
    server::{Credentials, TOKEN},
};

#[derive(Debug, clap::Args)]
pub struct SubmitArgs {
    /// CSV, Parquet or JSON, plain or packed
    file: PathBuf,
    /// Page of the competition, as `https://data.example.org/competitions/labels`
    #[arg(long, value_name = "URL")]
    to: String,
    /// A note, for your team only
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// Outside data it was made with: what they are and where they are from [default: none was used]
    #[arg(long, value_name = "TEXT", requires = "external_licence")]
    external_what: Option<String>,
    /// Their licence, as an SPDX expression
    #[arg(long, value_name = "SPDX", requires = "external_what")]
    external_licence: Option<String>,
    /// What people shown in them agreed to, or that nobody is shown
    #[arg(long, value_name = "TEXT", requires = "external_what")]
    external_consent: Option<String>,
    /// An upload that was cut off, to go on with
    #[arg(long, value_name = "ID")]
    resume: Option<String>,
    /// Do not wait for the score
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    credentials: Credentials,
}

impl SubmitArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        let doing = || format!("submit {}", self.file.display());
        let Some(token) = self.credentials.token()? else {
            return Err(format!(
                "it takes a token; make one with the scope `submit` on the server's page `/account`, \
                 and put it into {TOKEN} or a file that `--token-file` names"
            ))
            .doing(doing());
        };
        let competition = Competition::at(&self.to, &token).doing(doing())?;
        let runtime = tokio::runtime::Runtime::new().doing("start the runtime")?;
        let (number, sha256) = runtime.block_on(self.hand_in(&competition, common))?;
        if !common.json {
            let page = competition.submission_page(number);
            exit::print(&format!("submission {number}: {page}\n"))?;
        }
        let submission = runtime.block_on(async {
            match self.no_wait {
                true => competition.submission(number).await,
                false => competition.settled(number, &Progress::new(common)).await,
            }
        });
        let submission = submission.doing(format!("hear of submission {number}"))?;
        if submission.sha256 != sha256 {
            // Under `--quiet` too: what is judged is not this file.
            eprintln!(
                "warning: {} changed while it was sent, or since the upload began",
                self.file.display()
            );
        }
        if common.json {
            exit::print_json(&submission)?;
        } else if !self.no_wait {
            exit::print(&describe(&submission))?;
        }
        Ok(match submission.state.as_str() {
            "queued" | "scored" => exit::OK,
            "invalid" => exit::FOUND,
            _ => exit::FAILED,
        })
    }

    /// Sends the file; gives the submission's number, and the digest of what it should hold.
    async fn hand_in(
        &self,
        competition: &Competition,
        common: &Common,
    ) -> Result<(i64, Digest), Failure> {
        let doing = || format!("submit {}", self.file.display());
        let (sha256, bytes) = digest::of_file(&self.file).doing(doing())?;
        let upload = self.upload(competition, bytes).await.doing(doing())?;
        let id = &upload.id;
        // How one goes on with it, where it is worth that.
        let go_on = match bytes > PIECE {
            true => format!(" (`--resume {id}` goes on with it)"),
            false => String::new(),
        };
        if !go_on.is_empty() {
            eprintln!("upload {id}: `--resume {id}` goes on with it where it is cut off");
        }
        let progress = Progress::new(&Common {
            quiet: common.quiet || bytes <= PIECE,
            ..common.clone()
        });
        let sent = competition.send(&self.file, &upload, &progress).await;
        sent.doing(format!("{}{go_on}", doing()))?;
        let number = competition
            .finish(id, &sha256, &self.note, &self.external())
            .await
            .doing(format!("{}{go_on}", doing()))?;
        Ok((number, sha256))
    }

    async fn upload(&self, competition: &Competition, bytes: u64) -> Result<Upload, SubmitError> {
        if bytes == 0 {
            return Err(SubmitError::Empty(self.file.clone()));
        }
        let Some(id) = &self.resume else {
            let name = self.file.file_name().unwrap_or_default();
            return competition.begin(&name.to_string_lossy(), bytes).await;
        };
        let upload = competition.upload(id).await?;
        match upload.bytes == bytes {
            true => Ok(upload),
            false => Err(SubmitError::OtherFile {
                id: upload.id,
                theirs: upload.bytes,
                ours: bytes,
            }),
        }
    }

    fn external(&self) -> External {
        let text = |given: &Option<String>| given.clone().unwrap_or_default();
        External {
            used: self.external_what.is_some(),
            what: text(&self.external_what),
            licence: text(&self.external_licence),
            consent: text(&self.external_consent),
        }
    }
}

/// What a person reads of a submission that has left the queue.
fn describe(submission: &Submission) -> String {
    let value = |v: Option<f64>| v.map_or("undefined".to_owned(), |v| format!("{v:.5}"));
    let mut lines = Vec::new();
    match submission.state.as_str() {
        "scored" => {
            lines.push(format!("scored: {} in public", value(submission.public)));
            if submission.shown != submission.public {
                let shown = value(submission.shown);
                lines.push(format!("the board shows {shown} for your team"));
            }
        }
        "invalid" => lines.push("refused: it has defects".to_owned()),
        "failed" => lines.push("could not be scored; it does not count".to_owned()),
        "cancelled" => lines.push("was taken back".to_owned()),
        other => lines.push(other.to_owned()),
    }
    if !submission.problem.is_empty() {
        lines.push(submission.problem.clone());
    }
    for column in &submission.columns {
        let group = column.group.iter().map(|g| format!(" ({g})"));
        let group: String = group.collect();
        let shown = match column.suppressed {
            true => "too few items".to_owned(),
            false => format!("{}, {} items", value(column.value), column.n),
        };
        lines.push(format!("  {}{group}: {shown}", column.title));
    }
    for defect in submission.defects.iter().flatten() {
        lines.push(format!("  {}: {}", defect.kind.title(), defect.count));
        for at in &defect.shown {
            let mut line = "   ".to_owned();
            if let Some(row) = at.row {
                let _ = write!(line, " row {row}");
            }
            if let Some(column) = &at.column {
                let _ = write!(line, " column `{column}`");
            }
            lines.push(format!("{line} {}", at.text));
        }
        let more = defect.count.saturating_sub(defect.shown.len() as u64);
        if more > 0 {
            lines.push(format!("    and {more} more"));
        }
    }
    // A server's words give a terminal no orders.
    let plain = lines.iter().map(|line| {
        let kept: String = line.chars().filter(|c| !c.is_control()).collect();
        kept + "\n"
    });
    plain.collect()
}

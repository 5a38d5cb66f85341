//! Each submission is read in a process of its own: it reads the submission and its stage's truth,
//! writes one folder, and can do nothing else. It is a fork of a process that is loaded once.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use fairframe_competitions::{
    definition::Competition,
    score::{Outcome, ScoreOptions},
};
use fairframe_corpus::{
    item::Refusal,
    worker::{ForkServer, Limits, Task, WorkerError, serve_forks},
};
use fairframe_schemas::{CompetitionToml, Name};
use fairframe_web::competitions::work::{InProcess, Judge, JudgeError};
use serde::{Deserialize, Serialize};

/// The hidden subcommand that reads submissions.
pub const WORKER: &str = "judge-worker";

/// Items' scores are 8 bytes each.
const SCORE_MB: u64 = 512;
const REPORT_MB: u64 = 2048;
const OUTPUT_FILES: u64 = 100;

/// A submission to be read.
#[derive(Serialize, Deserialize)]
struct Judging {
    /// Without seeds.
    competition: CompetitionToml,
    stage: Name,
    /// A prepared truth's folder.
    truth: PathBuf,
    submission: PathBuf,
    /// Whether its reports are written; else its score.
    report: bool,
}

impl Task for Judging {
    /// A score, where one is wanted; or what is no fault of the submission's.
    type Done = Result<Option<Outcome>, String>;
    const NAME: &'static str = WORKER;

    fn reads(&self) -> Vec<PathBuf> {
        vec![self.truth.clone(), self.submission.clone()]
    }

    fn work(self, out: &Path) -> Result<Self::Done, Refusal> {
        Ok(self.judge(out))
    }
}

impl Judging {
    fn new(options: &ScoreOptions<'_>, report: bool) -> Self {
        Self {
            competition: options.competition.without_seeds(),
            stage: options.stage.clone(),
            truth: options.truth.to_owned(),
            submission: options.submission.to_owned(),
            report,
        }
    }

    fn judge(self, out: &Path) -> Result<Option<Outcome>, String> {
        let competition = Competition::again(self.competition).map_err(|defects| {
            format!("the competition does not come back as it was: {defects:?}")
        })?;
        let options = ScoreOptions {
            competition: &competition,
            stage: &self.stage,
            truth: &self.truth,
            submission: &self.submission,
        };
        let judged = match self.report {
            true => InProcess.report(&options, out).map(|()| None),
            false => InProcess.score(&options, out).map(Some),
        };
        judged.map_err(|error| error.to_string())
    }
}

/// Reads submissions: what this process was started for.
pub fn serve_judging() -> ExitCode {
    serve_forks::<Judging>()
}

/// Has submissions read in processes of their own.
pub struct Apart(pub ForkServer);

impl Apart {
    fn run(
        &self,
        options: &ScoreOptions<'_>,
        report: bool,
        out: &Path,
    ) -> Result<Option<Outcome>, JudgeError> {
        let declared = &options.competition.toml.limits;
        let limits = Limits {
            memory_mb: (u64::from(declared.score_megabytes) * 1_000_000) >> 20,
            // The worker watches the clock; this ends what outlives it.
            wall_s: u64::from(declared.score_seconds) + 60,
            cpu_s: u64::from(declared.score_seconds) * 1_000,
            output_mb: if report { REPORT_MB } else { SCORE_MB },
            output_files: OUTPUT_FILES,
            ..Limits::default()
        };
        self.0
            .run(Judging::new(options, report), out, &limits)
            .map_err(|error| match error {
                WorkerError::Refused(refusal) => JudgeError::Process(refusal.to_string()),
                machine => JudgeError::Machine(machine.to_string()),
            })?
            .map_err(JudgeError::Process)
    }
}

impl Judge for Apart {
    fn score(&self, options: &ScoreOptions<'_>, out: &Path) -> Result<Outcome, JudgeError> {
        let outcome = self.run(options, false, out)?;
        outcome.ok_or_else(|| JudgeError::Process("it gave no score".to_owned()))
    }

    fn report(&self, options: &ScoreOptions<'_>, out: &Path) -> Result<(), JudgeError> {
        self.run(options, true, out).map(drop)
    }
}

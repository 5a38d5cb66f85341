//! A competition tried out before it is opened: its truths made ready in a folder that goes again,
//! its sample submission and the constant answers scored.

use std::{io, path::Path};

use fairframe_schemas::{Name, Timestamp, report::Defect};
use serde::Serialize;

use crate::{
    baselines,
    definition::{Competition, DefinitionError, Stage},
    prepare::{self, Facts, PrepareError},
    score::{self, Outcome, ScoreError, ScoreOptions},
    vault::{self, VaultError},
};

/// What a check found.
#[derive(Debug, Serialize)]
pub struct Checked {
    pub competition: Name,
    pub title: String,
    pub timezone: String,
    pub merge_until: Timestamp,
    /// What ranks.
    pub metric: String,
    pub higher_is_better: bool,
    pub stages: Vec<StageChecked>,
}

#[derive(Debug, Serialize)]
pub struct StageChecked {
    pub name: Name,
    pub title: String,
    pub opens: Timestamp,
    pub closes: Timestamp,
    pub reveals: Timestamp,
    pub facts: Facts,
    pub sample: Value,
    pub baselines: Vec<(String, Value)>,
}

/// What an answer scores on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Value {
    pub public: Option<f64>,
    pub private: Option<f64>,
}

/// Why a competition cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    #[error(transparent)]
    Score(#[from] ScoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("no temporary folder can be made: {0}")]
    Scratch(io::Error),
    #[error("stage `{stage}`: {what} would be refused: {}", titles(defects))]
    Refused {
        stage: Name,
        what: String,
        defects: Vec<Defect>,
    },
}

fn titles(defects: &[Defect]) -> String {
    let titles = defects.iter().filter(|d| d.fatal);
    let titles: Vec<String> = titles
        .map(|d| format!("{} ({})", d.kind.title(), d.count))
        .collect();
    titles.join(", ")
}

/// Tries a competition's folder out; writes nothing that stays.
///
/// # Errors
/// [`CheckError`], with every defect of a file at once.
pub fn check(folder: &Path) -> Result<Checked, CheckError> {
    let competition = Competition::read(folder)?;
    let mut stages = Vec::new();
    for stage in &competition.stages {
        stages.push(of_stage(&competition, stage)?);
    }
    Ok(Checked {
        competition: competition.toml.competition.clone(),
        title: competition.toml.title.clone(),
        timezone: competition.zone.name().to_owned(),
        merge_until: competition.merge_until,
        metric: competition.toml.board.metric.clone(),
        higher_is_better: competition.higher_is_better,
        stages,
    })
}

fn of_stage(competition: &Competition, stage: &Stage) -> Result<StageChecked, CheckError> {
    let scratch = tempfile::tempdir().map_err(CheckError::Scratch)?;
    let truth = scratch.path().join("truth");
    let facts = prepare::prepare(competition, stage, None, &truth)?;
    let scored = |what: &str, submission: &Path| -> Result<Value, CheckError> {
        let options = ScoreOptions {
            competition,
            stage: &stage.name,
            truth: &truth,
            submission,
        };
        match score::score(&options)? {
            Outcome::Scored(scored) => Ok(Value {
                public: scored.public.value,
                private: scored.private.value,
            }),
            Outcome::Invalid(defects) => Err(CheckError::Refused {
                stage: stage.name.clone(),
                what: what.to_owned(),
                defects,
            }),
        }
    };
    let sample = competition.folder.join(&stage.toml.sample_submission);
    let sample = scored("the sample submission", &sample)?;
    let mut constant = Vec::new();
    for (name, bytes) in baselines::of(competition, stage, &truth)? {
        let path = scratch.path().join("answer");
        vault::put(&path, &bytes)?;
        let value = scored(&name, &path)?;
        constant.push((name, value));
    }
    Ok(StageChecked {
        name: stage.name.clone(),
        title: stage.title.clone(),
        opens: stage.opens,
        closes: stage.closes,
        reveals: stage.reveals,
        facts,
        sample,
        baselines: constant,
    })
}

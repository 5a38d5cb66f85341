//! Opening a competition, and correcting its truth.

use std::path::{Path, PathBuf};

use fairframe_competitions::{
    baselines,
    definition::{Competition, DefinitionError, LEAST_SEED, Stage},
    import::{self, BundleError},
    prepare::{self, PrepareError},
    vault::{Vault, VaultError},
};
use fairframe_schemas::{Digest, Layout, Name};

use super::vault;
use crate::state::{
    Db, StateError,
    competitions::{
        self as state, OpenError, submissions,
        truths::{self, TruthError},
    },
    secret,
};

/// Why a competition is not opened, or its truth not corrected.
#[derive(Debug, thiserror::Error)]
pub enum OpeningError {
    #[error(transparent)]
    Packed(#[from] BundleError),
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    #[error("keep the competition's files: {0}")]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Truth(#[from] TruthError),
    #[error(
        "the folder {0}, and there are submissions that were scored otherwise; open it under another name"
    )]
    Scored(String),
    #[error("the folder declares `{found}`, not `{wanted}`")]
    Other { found: Name, wanted: Name },
    #[error("the work stopped: {0}")]
    Stopped(#[from] tokio::task::JoinError),
}

impl From<StateError> for OpeningError {
    fn from(error: StateError) -> Self {
        OpeningError::Open(OpenError::State(error))
    }
}

/// A stage made ready: its truth in its place, its constant answers among the submissions.
struct Ready {
    stage: Name,
    truth: Digest,
    baselines: Vec<(String, Digest, u64)>,
}

/// A seed that nobody can try out: 60 bits, which TOML holds.
///
/// # Errors
/// Where the system gives no randomness.
pub fn seed() -> std::io::Result<u64> {
    let drawn = secret::draw().map_err(std::io::Error::other)?;
    let seed = u64::from_str_radix(&drawn[..15], 16).map_err(std::io::Error::other)?;
    Ok(seed.max(LEAST_SEED))
}

/// Opens a competition from its folder packed as a zip archive, which is unpacked into `making`.
///
/// # Errors
/// As [`open`], of a hostile archive too.
pub async fn open_packed(
    db: &Db,
    layout: &Layout,
    by: &str,
    (archive, making): (PathBuf, PathBuf),
    wanted: Option<&Name>,
) -> Result<Name, OpeningError> {
    let into = making.clone();
    tokio::task::spawn_blocking(move || import::unpack(&archive, &into)).await??;
    open(db, layout, by, &making, wanted).await
}

/// Opens a competition from its folder, to hosts only; or, where it is open already, puts this
/// definition in the place of the one in use. Gives its name.
///
/// The files are in their places before the database says so: a `kill -9` leaves at most files
/// that nothing names.
///
/// # Errors
/// [`OpeningError`]; every defect of a definition at once.
pub async fn open(
    db: &Db,
    layout: &Layout,
    by: &str,
    folder: &Path,
    wanted: Option<&Name>,
) -> Result<Name, OpeningError> {
    let (layout, folder, again) = (layout.clone(), folder.to_owned(), layout.clone());
    let wanted = wanted.cloned();
    let made = tokio::task::spawn_blocking(move || make(&layout, &folder, wanted.as_ref()));
    let (competition, definition, ready) = made.await??;
    let name = competition.toml.competition.clone();
    let title = &competition.toml.title;
    let stages: Vec<(Name, Digest)> = ready.iter().map(|r| (r.stage.clone(), r.truth)).collect();
    if let Some(row) = state::find(db, &name).await?
        && submissions::any(db, &name).await?
    {
        let folder = vault(&again, &name).definition(&row.definition);
        if let Some(changed) = Competition::read(&folder)?.scores_otherwise(&competition) {
            return Err(OpeningError::Scored(changed));
        }
    }
    let mut write = db.write().await?;
    match state::open(&mut write, by, &name, title, definition, &stages).await {
        Err(OpenError::Taken) => {
            state::redefine(&mut write, by, &name, title, definition, &stages).await?;
        }
        other => other?,
    }
    for stage in &ready {
        for (called, digest, bytes) in &stage.baselines {
            let file = (*digest, *bytes);
            let (at, truth) = (&stage.stage, &stage.truth);
            submissions::submit_baseline(&mut write, &name, at, truth, called, file).await?;
        }
    }
    write.commit().await?;
    Ok(name)
}

fn make(
    layout: &Layout,
    folder: &Path,
    wanted: Option<&Name>,
) -> Result<(Competition, Digest, Vec<Ready>), OpeningError> {
    let competition = Competition::read(folder)?;
    let name = &competition.toml.competition;
    if let Some(wanted) = wanted
        && wanted != name
    {
        return Err(OpeningError::Other {
            found: name.clone(),
            wanted: wanted.clone(),
        });
    }
    let vault = vault(layout, name);
    let mut ready = Vec::new();
    for stage in &competition.stages {
        ready.push(get_ready(&competition, stage, None, &vault)?);
    }
    let definition = vault.keep_definition(folder)?;
    Ok((competition, definition, ready))
}

/// Prepares a stage's truth: the folder's own, or a corrected one.
fn get_ready(
    competition: &Competition,
    stage: &Stage,
    solution: Option<&Path>,
    vault: &Vault,
) -> Result<Ready, OpeningError> {
    let making = vault.fresh()?;
    let prepared = prepare::prepare(competition, stage, solution, &making);
    if let Err(error) = prepared {
        vault.discard(&making);
        return Err(error.into());
    }
    let truth = vault.keep_truth(&stage.name, &making)?;
    let mut kept = Vec::new();
    for (called, bytes) in baselines::of(competition, stage, &vault.truth(&stage.name, &truth))? {
        kept.push((called, vault.keep_bytes(&bytes)?, bytes.len() as u64));
    }
    Ok(Ready {
        stage: stage.name.clone(),
        truth,
        baselines: kept,
    })
}

/// Takes a corrected solution of a stage: all submissions are scored by it, then it counts.
/// Gives its version.
///
/// # Errors
/// [`OpeningError`].
pub async fn correct(
    db: &Db,
    layout: &Layout,
    by: &str,
    competition: std::sync::Arc<Competition>,
    stage: &Name,
    solution: PathBuf,
    why: &str,
) -> Result<i64, OpeningError> {
    let vault = vault(layout, &competition.toml.competition);
    let name = competition.toml.competition.clone();
    let wanted = stage.clone();
    let made = tokio::task::spawn_blocking(move || {
        let stages = competition.stages.iter();
        let found = stages.into_iter().find(|s| s.name == wanted);
        let stage = found.ok_or(TruthError::None)?;
        get_ready(&competition, stage, Some(&solution), &vault)
    });
    let ready = made.await??;
    let mut write = db.write().await?;
    let version = truths::correct(&mut write, by, &name, stage, ready.truth, why).await?;
    for (called, digest, bytes) in &ready.baselines {
        let (truth, file) = (&ready.truth, (*digest, *bytes));
        submissions::submit_baseline(&mut write, &name, stage, truth, called, file).await?;
    }
    write.commit().await?;
    Ok(version)
}

//! Pair: who is swapped with whom.
//!
//! ```text
//! people (consent, strata, scenes) -> plan (splits, balance, draw) -> report, table
//! ```
//!
//! Only `people` sees consents and releases; what follows works on lists of people and
//! videos. People are dealt to splits first, pairs are drawn within a split, and each is
//! two rows, one a direction.

mod balance;
mod draw;
mod people;
mod plan;
mod report;
mod table;

#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
};

use fairframe_ingest::{atomic, disk};
use fairframe_schemas::{
    Digest, Layout, PairId, SourceToml, Timestamp,
    corpus::pair::{PAIRING, PAIRS, PairRow, Pairing},
};
use parquet::errors::ParquetError;

pub use people::{People, Person, Refused, Video};
pub use plan::{Plan, code, plan};
pub use report::{Told, told};
pub use table::{PairsError, bytes};

use crate::cast::{Cast, CastError};

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    #[error("{}: it has no `[corpus]`; name the `source.toml` of a corpus", .0.display())]
    NoCorpus(PathBuf),
    #[error(transparent)]
    Cast(#[from] CastError),
    #[error(transparent)]
    Pairs(#[from] PairsError),
    #[error(
        "{0} pairs are possible, more than {max}; say in `corpus.pair.pairs` how many are wanted",
        max = fairframe_schemas::source::MAX_PAIRS
    )]
    TooMany(u64),
    #[error("there is no plan to extend in {}; run it without `--extend` first", .0.display())]
    NothingToExtend(PathBuf),
    #[error("{}: {error}{}", path.display(), disk::remedy(error))]
    Write { path: PathBuf, error: io::Error },
    #[error("{}: {error}", path.display())]
    Parquet { path: PathBuf, error: ParquetError },
}

/// What is to be planned.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    pub layout: &'a Layout,
    pub source: &'a SourceToml,
    /// The `source.toml` itself.
    pub file: &'a Path,
    /// The moment consents are judged at.
    pub as_of: Timestamp,
    /// Keep the pairs that are there and add to them.
    pub extend: bool,
}

/// What became of it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Outcome {
    pub pairing: Pairing,
    /// Pairings of an earlier plan that are gone; none when it was extended.
    pub dropped: u64,
    pub folder: PathBuf,
}

/// Plans the pairs of a corpus and writes `pairs.parquet` and `pairing.json` to its folder.
pub fn run(settings: &Settings<'_>) -> Result<Outcome, PairError> {
    let corpus = settings.source.corpus.as_ref();
    let corpus = corpus.ok_or_else(|| PairError::NoCorpus(settings.file.to_owned()))?;
    let dataset = &settings.source.dataset;
    let folder = settings.layout.corpus(dataset);
    let path = folder.join(PAIRS);
    let beside = settings.file.parent().unwrap_or(Path::new("."));
    let cast = Cast::open(
        settings.layout,
        &beside.join(&corpus.actors),
        settings.as_of,
    )?;
    let there = match settings.extend {
        true => {
            Some(table::read(&path)?.ok_or_else(|| PairError::NothingToExtend(folder.clone()))?)
        }
        // It is written anew, readable or not.
        false => table::read(&path).ok().flatten(),
    };
    let before: Vec<PairId> = there.iter().flatten().map(|r| r.pair_id).collect();
    let earlier = there.filter(|_| settings.extend).unwrap_or_default();
    let people = People::of(&cast, &corpus.pair);
    let plan = plan(&people, &corpus.pair, &settings.source.split, earlier)?;
    let told = told(&plan, &people, &corpus.pair);
    let written = bytes(&plan.rows).map_err(|error| PairError::Parquet {
        path: path.clone(),
        error,
    })?;
    let pairing = Pairing {
        dataset: dataset.clone(),
        actors: cast.dataset.clone(),
        actors_version: cast.version.to_string(),
        as_of: settings.as_of,
        seed: corpus.pair.seed,
        asked: corpus.pair.pairs,
        pairs: told.pairs,
        kept: plan.kept,
        splits: told.splits,
        refused: told.refused,
        unbalanced: told.unbalanced,
        sha256: Digest::of(&written),
    };
    let write = |path: PathBuf, bytes: &[u8]| {
        atomic::write(&path, bytes).map_err(|error| PairError::Write { path, error })
    };
    write(path, &written)?;
    let text = serde_json::to_vec_pretty(&pairing).map_err(io::Error::from);
    let report = folder.join(PAIRING);
    let text = text.map_err(|error| PairError::Write {
        path: report.clone(),
        error,
    })?;
    write(report, &text)?;
    let now: HashSet<PairId> = plan.rows.iter().map(|r| r.pair_id).collect();
    Ok(Outcome {
        pairing,
        dropped: before.iter().filter(|id| !now.contains(id)).count() as u64,
        folder,
    })
}

/// The plan of a corpus, by the corpus's folder; empty when none was made.
pub fn read(corpus: &Path) -> Result<Vec<PairRow>, PairError> {
    Ok(table::read(&corpus.join(PAIRS))?.unwrap_or_default())
}

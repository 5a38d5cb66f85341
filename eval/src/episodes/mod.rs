//! Few-shot episodes as Meta-Dataset draws them (Triantafillou et al. 2020):
//! described first, as ids, frozen to a file, judged later.
//!
//! ```text
//! pool (samples of a dataset by class) -> draw (one seeded episode) -> file
//! ```

pub mod classify;
mod draw;
pub mod embeddings;
mod file;
pub mod logistic;
mod pool;

pub use draw::{Drawn, DrawnClass, draw, support_per_class, support_total};
pub use file::{json_lines, table};
pub use pool::{Pool, Sides, Wanted};

use std::path::PathBuf;

use crate::read::ReadError;

/// Episodes of one dataset, at most.
pub const MAX_EPISODES: u32 = 1_000_000;

/// How episodes are shaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Ways and shots vary as the paper has it.
    Varied,
    /// So many classes, support and query samples of each.
    Fixed { way: u32, shot: u32, query: u32 },
}

/// What is drawn from every pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawing {
    pub shape: Shape,
    /// Episodes of each dataset.
    pub episodes: u32,
    pub seed: u64,
}

/// Why no episodes can be drawn.
#[derive(Debug, thiserror::Error)]
pub enum EpisodeError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Manifest(#[from] crate::manifest::ManifestError),
    #[error("`{path}` has no column `{column}`; there are: `{known}`")]
    NoColumn {
        path: PathBuf,
        column: String,
        known: String,
    },
    #[error("`{path}` names the sample `{id}` twice; give every sample one row")]
    Repeated { path: PathBuf, id: String },
    #[error(
        "dataset `{dataset}` has {found} classes to draw from and {wanted} are needed; a class needs {needs}"
    )]
    TooFewClasses {
        dataset: String,
        found: usize,
        wanted: usize,
        needs: String,
    },
    #[error(
        "dataset `{dataset}`: in 100 draws of episode {episode} a class's sources never gave both support and query; leave such classes out or draw fewer samples"
    )]
    NotDisjoint { dataset: String, episode: u32 },
    #[error("`{path}` is no hierarchy: {message}; give a CSV of `child,parent`")]
    Hierarchy { path: PathBuf, message: String },
    #[error("no node of the hierarchy of `{dataset}` spans 5 to 392 of its classes")]
    NoNode { dataset: String },
    #[error("{what} is {value}; give {wanted}")]
    Option {
        what: &'static str,
        value: u32,
        wanted: &'static str,
    },
    #[error("the table of episodes cannot be written: {0}")]
    Write(String),
}

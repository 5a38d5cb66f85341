//! The manifest: the Parquet files of a release.

mod parquet_io;
mod read;
mod rows;
mod stretch;
mod write;

pub use parquet_io::{ColumnKind, ParallelWriter, read_parallel};
pub use read::{ManifestError, ReleaseReader, consent_ids};
pub use rows::{as_released, batch, samples};
pub use stretch::Stretch;
pub use write::{EXCLUDED, ManifestWriter, RESTRICTED, Stamp};

#[cfg(test)]
mod tests;

//! Manifests and submissions to reports: pure, synchronous, seeded.
//!
//! ```text
//! read -> check -> join -> statistics -> metrics -> groups -> intervals -> disparity -> report
//! ```

mod archive;
pub mod codes;
pub mod names;
mod parts;
pub mod read;
mod read_csv;
mod read_json;
mod read_parquet;
pub mod sheet;

pub mod check;
pub mod join;
pub mod manifest;

pub mod exchange;
pub mod statistics;

pub mod metrics;

pub mod groups;

mod bca;
pub mod intervals;

pub mod baselines;
pub mod compare;
pub mod control;
pub mod coverage;
mod curves;
pub mod disparity;
pub mod false_discovery;
pub mod permutation;
pub mod weights;
mod worst;

pub mod episodes;
pub mod evaluate;
mod forms;
pub mod options;
mod run;

pub mod report;

pub use evaluate::{EvalError, Evaluation, evaluate};
pub use forms::own_column;
pub use options::{EvalOptions, crossed};

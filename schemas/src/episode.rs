//! Few-shot episodes, frozen: what `fairframe episodes` writes, one line of
//! JSON Lines each, or as rows of a table.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Column;

/// The version of the episodes' shape.
pub const EPISODES_VERSION: u32 = 1;

/// Samples to learn a few classes from, and samples to tell them apart in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Episode {
    pub dataset: String,
    /// Whether the dataset is held out: nothing of it was trained on.
    pub held_out: bool,
    /// Counted from 0 within the dataset.
    pub episode: u32,
    /// Sample ids by class.
    pub support: BTreeMap<String, Vec<String>>,
    pub query: BTreeMap<String, Vec<String>>,
}

/// Columns of the table of episodes: one row per episode and sample.
pub const DATASET: &str = "dataset";
pub const HELD_OUT: &str = "held_out";
pub const EPISODE: &str = "episode";
pub const CLASS: &str = "class";
pub const ROLE: &str = "role";
/// Values of `role`.
pub const SUPPORT: &str = "support";
pub const QUERY: &str = "query";

/// The table's columns; its rows are ordered by dataset as given, episode,
/// class as drawn, and support before query.
pub fn episode_schema() -> SchemaRef {
    let field = |name, kind| Field::new(name, kind, false);
    Arc::new(Schema::new(vec![
        field(DATASET, DataType::Utf8),
        field(HELD_OUT, DataType::Boolean),
        field(EPISODE, DataType::UInt32),
        field(CLASS, DataType::Utf8),
        field(ROLE, DataType::Utf8),
        field(Column::SampleId.name(), DataType::Utf8),
    ]))
}

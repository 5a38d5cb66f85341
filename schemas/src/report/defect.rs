//! What is wrong with a file that is read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What can be wrong with a file that is read.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum DefectKind {
    Unreadable,
    NoRows,
    WrongHeader,
    RaggedRow,
    BadEncoding,
    EmptyId,
    NotANumber,
    OutOfRange,
    SoftTruth,
    BadPair,
    BadLabel,
    TooManyAnswers,
    EmptyTruth,
    RepeatedId,
    ConflictingId,
    NoIdKnown,
    MissingId,
    UnknownId,
    AmbiguousJoin,
}

impl DefectKind {
    /// Whether a submission with such a defect is refused.
    pub fn is_fatal(self) -> bool {
        !matches!(
            self,
            DefectKind::RepeatedId
                | DefectKind::TooManyAnswers
                | DefectKind::EmptyTruth
                | DefectKind::MissingId
                | DefectKind::UnknownId
                | DefectKind::AmbiguousJoin
        )
    }

    /// Whether it tells which ids the other file has; of too many answers it is said only
    /// where they are scored.
    pub fn is_of_ids(self) -> bool {
        matches!(
            self,
            DefectKind::NoIdKnown
                | DefectKind::MissingId
                | DefectKind::UnknownId
                | DefectKind::TooManyAnswers
        )
    }

    pub fn title(self) -> &'static str {
        match self {
            DefectKind::Unreadable => "file that cannot be read",
            DefectKind::NoRows => "no rows",
            DefectKind::WrongHeader => "wrong header",
            DefectKind::RaggedRow => "row with another number of fields",
            DefectKind::BadEncoding => "text that is not UTF-8",
            DefectKind::EmptyId => "empty id",
            DefectKind::NotANumber => "not a number",
            DefectKind::OutOfRange => "number out of range",
            DefectKind::SoftTruth => "truth that is neither 0 nor 1",
            DefectKind::BadPair => "not a class with a confidence",
            DefectKind::BadLabel => "neither `real` nor `fake`",
            DefectKind::TooManyAnswers => "more answers than are counted",
            DefectKind::EmptyTruth => "id without a truth",
            DefectKind::RepeatedId => "id repeated with the same answer",
            DefectKind::ConflictingId => "id repeated with another answer",
            DefectKind::NoIdKnown => "no id of the solution answered",
            DefectKind::MissingId => "id without an answer",
            DefectKind::UnknownId => "id that the solution does not have",
            DefectKind::AmbiguousJoin => "id that fits several samples of the manifest",
        }
    }

    /// What to do, or what was done.
    pub fn remedy(self) -> &'static str {
        match self {
            DefectKind::Unreadable => "hand in CSV, JSON or Parquet, packed at most once",
            DefectKind::NoRows => "hand in one row per id of the solution",
            DefectKind::WrongHeader => "use the column names of the task form",
            DefectKind::RaggedRow => {
                "give every row as many fields as the first; quote fields that hold commas"
            }
            DefectKind::BadEncoding => "save the file as UTF-8",
            DefectKind::EmptyId => "give every row an id",
            DefectKind::NotANumber => {
                "write scores as decimal numbers with a point; NaN is not an answer"
            }
            DefectKind::OutOfRange => "write scores as probabilities from 0 to 1",
            DefectKind::SoftTruth => {
                "write 0 for real and 1 for fake; if the labels are smoothed, say from where on they mean fake: `--truth-threshold 0.5`"
            }
            DefectKind::BadPair => {
                "write one class and a finite number, such as `142 0.93`, or nothing"
            }
            DefectKind::BadLabel => "write `real` or `fake`, in small letters",
            DefectKind::TooManyAnswers => "those after the hundredth are left out",
            DefectKind::EmptyTruth => "it is not scored",
            DefectKind::RepeatedId => "the first row counts",
            DefectKind::ConflictingId => "answer every id once",
            DefectKind::NoIdKnown => "check that the ids are those of the solution, spelled alike",
            DefectKind::MissingId => {
                "scored as the task form says: as nothing, wrong, or undecided; see the notes"
            }
            DefectKind::UnknownId => "the row is left out",
            DefectKind::AmbiguousJoin => "its groups are unknown; use sample ids",
        }
    }
}

/// Where a defect stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DefectAt {
    /// 1-based: the line for text, the record for Parquet; none for what is absent.
    pub row: Option<u64>,
    pub column: Option<String>,
    /// The id or value concerned, at most 80 characters of it.
    pub text: String,
}

/// All defects of one kind in one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Defect {
    pub file: InputRole,
    pub kind: DefectKind,
    pub fatal: bool,
    pub count: u64,
    /// The first of them, at most 20.
    pub shown: Vec<DefectAt>,
}

/// What a file was read as.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum InputRole {
    Solution,
    Submission,
    Manifest,
}

impl InputRole {
    pub fn as_str(self) -> &'static str {
        match self {
            InputRole::Solution => "solution",
            InputRole::Submission => "submission",
            InputRole::Manifest => "manifest",
        }
    }
}

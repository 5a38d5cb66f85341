//! What is written down, and nothing else: columns, ids, digests, licence,
//! consent, sources, versions, reports. The leaf crate of the workspace.

pub mod column;
pub mod comparison;
pub mod competition;
pub mod consent;
pub mod corpus;
pub mod decision;
pub mod episode;
pub mod id;
pub mod layout;
pub mod licence;
pub mod reason;
pub mod recall;
pub mod release;
pub mod report;
pub mod sample;
pub mod source;
pub mod task;
pub mod text;
pub mod version;
pub mod world;

pub use column::{Column, Visibility};
pub use competition::CompetitionToml;
pub use consent::{ConsentError, ConsentRecord, Pseudonym};
pub use decision::{Decided, Decision, Ruling};
pub use id::{Digest, PairId, SampleId};
pub use layout::Layout;
pub use reason::Reason;
pub use recall::{RecallEntry, RecallList};
pub use release::{ReleaseFile, SampleCounts, Summary};
pub use sample::{
    CapturedPrecision, ConsentState, Label, Manipulation, MediaType, PlaceOrigin, Purpose, Sample,
    Split, Status, SubjectAttribute, Timestamp,
};
pub use source::{Name, SourceToml};
pub use task::{Pooling, TaskToml};
pub use version::{DatasetVersion, SchemaVersion};

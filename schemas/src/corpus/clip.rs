//! A clip as other corpora's layouts tell of it: a row of what was exported or imported.

use arrow_schema::DataType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::table::table;
use crate::{Column, Split, sample::text_enum};

table! {
    /// A column of a table of clips.
    ClipColumn {
        File "file" always DataType::Utf8;
        Label "label" always DataType::Utf8;
        Method "method" null DataType::Utf8;
        Compression "compression" null DataType::Utf8;
        Target "target" null DataType::Utf8;
        Source "source" null DataType::Utf8;
        Scene "scene" null DataType::Utf8;
        Code "code" null DataType::Utf8;
        Original "original" null DataType::Utf8;
        Split (Column::Split.name()) null DataType::Utf8;
        Subjects "subjects" null DataType::Utf8;
    }
}

text_enum! {
    /// What a clip is.
    ClipLabel {
        Real = "real",
        Fake = "fake",
        /// Where a fake was changed.
        Mask = "mask",
    }
}

/// One clip of a layout. What a layout does not tell is `None`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ClipRow {
    /// Below the layout's folder, with `/`.
    pub file: String,
    pub label: ClipLabel,
    pub method: Option<String>,
    pub compression: Option<String>,
    /// The person, or video, whose head and background is shown; of a real clip, who is shown.
    pub target: Option<String>,
    /// Whose face is shown.
    pub source: Option<String>,
    pub scene: Option<String>,
    pub code: Option<String>,
    /// The file of the real clip that a fake was made from.
    pub original: Option<String>,
    pub split: Option<Split>,
}

impl ClipRow {
    /// A cell of a table; lists are joined by `|`, as tables of others do.
    pub fn cell(&self, column: ClipColumn) -> Option<String> {
        match column {
            ClipColumn::File => Some(self.file.clone()),
            ClipColumn::Label => Some(self.label.to_string()),
            ClipColumn::Method => self.method.clone(),
            ClipColumn::Compression => self.compression.clone(),
            ClipColumn::Target => self.target.clone(),
            ClipColumn::Source => self.source.clone(),
            ClipColumn::Scene => self.scene.clone(),
            ClipColumn::Code => self.code.clone(),
            ClipColumn::Original => self.original.clone(),
            ClipColumn::Split => self.split.map(|s| s.to_string()),
            ClipColumn::Subjects => {
                let sides = self.target.iter().chain(&self.source);
                let mut sides: Vec<&str> = sides.map(String::as_str).collect();
                sides.dedup();
                (!sides.is_empty()).then(|| sides.join("|"))
            }
        }
    }
}

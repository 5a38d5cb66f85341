//! Group columns from a manifest: `part-*.parquet`, joined by sample id,
//! source key, file name, or file name without its ending, in that order.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use fairframe_schemas::Column;

use crate::read::{Limits, ReadError};
use crate::read_parquet::{cell_text, for_each_batch};

/// Prefix of a column that reads a subject's attribute: `subject.age`.
const SUBJECT: &str = "subject.";
const MANIPULATION: &str = "manipulation.";

/// Why a manifest cannot be joined.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error(
        "`{path}` holds no `part-*.parquet`; name the folder of a version, such as `manifests/NAME/1.0.0`"
    )]
    Empty { path: PathBuf },
    #[error("`{path}` cannot be read: {source}")]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("`{path}` has no column `{column}`; it is not a part of a manifest")]
    NotAManifest { path: PathBuf, column: &'static str },
}

/// What the manifest says of the wanted ids.
#[derive(Debug, Default)]
pub struct Joined {
    /// Per id: index of its row in the columns.
    rows: HashMap<String, Found>,
    columns: BTreeMap<String, Vec<Option<String>>>,
    samples: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    /// 0 is the surest kind of key.
    kind: u8,
    row: usize,
    /// Another sample has the same key of that kind.
    ambiguous: bool,
}

impl Joined {
    pub fn has(&self, id: &str) -> bool {
        self.rows.get(id).is_some_and(|found| !found.ambiguous)
    }

    pub fn is_ambiguous(&self, id: &str) -> bool {
        self.rows.get(id).is_some_and(|found| found.ambiguous)
    }

    pub fn value(&self, id: &str, column: &str) -> Option<&str> {
        let found = self.rows.get(id).filter(|found| !found.ambiguous)?;
        self.columns.get(column)?[found.row].as_deref()
    }
}

/// Whether a manifest can have such a group column.
pub fn offers(column: &str) -> bool {
    let of_manipulation = |part: &str| matches!(part, "method" | "compression");
    column.strip_prefix(SUBJECT).is_some_and(|a| !a.is_empty())
        || column
            .strip_prefix(MANIPULATION)
            .is_some_and(of_manipulation)
        || OFFERED.iter().any(|offered| offered.name() == column)
}

/// Columns whose values make groups.
pub const OFFERED: &[Column] = &[
    Column::Dataset,
    Column::Version,
    Column::MediaType,
    Column::Mime,
    Column::VideoCodec,
    Column::Source,
    Column::Licence,
    Column::ConsentState,
    Column::PlaceOrigin,
    Column::Country,
    Column::Subregion,
    Column::Region,
    Column::CapturedPrecision,
    Column::Split,
    Column::SplitGroup,
    Column::Status,
    Column::Creator,
    Column::SubjectIds,
];

/// The parts of a manifest version, in order.
pub fn parts(folder: &Path) -> Result<Vec<PathBuf>, ManifestError> {
    let io_error = |source| ManifestError::Io {
        path: folder.to_owned(),
        source,
    };
    let mut parts = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io_error)? {
        let path = entry.map_err(io_error)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("part-") && name.ends_with(".parquet") {
            parts.push(path);
        }
    }
    parts.sort();
    if parts.is_empty() {
        return Err(ManifestError::Empty {
            path: folder.to_owned(),
        });
    }
    Ok(parts)
}

/// Reads what the parts say of `ids` in the wanted columns.
pub fn join(
    parts: &[PathBuf],
    ids: &HashSet<&str>,
    wanted: &BTreeSet<String>,
    limits: &Limits,
) -> Result<Joined, ManifestError> {
    let mut joined = Joined::default();
    for name in wanted {
        joined.columns.insert(name.clone(), Vec::new());
    }
    let tops: HashSet<&str> = wanted.iter().map(|name| top_column(name)).collect();
    for part in parts {
        let mut lacking = None;
        let wants = |name: &str| {
            tops.contains(name)
                || [Column::SampleId, Column::SourceKey, Column::SourceUrl]
                    .iter()
                    .any(|column| column.name() == name)
        };
        for_each_batch(part, limits, &wants, &mut |batch| {
            lacking = lacking.or(add_batch(&mut joined, batch, ids));
        })?;
        if let Some(column) = lacking {
            return Err(ManifestError::NotAManifest {
                path: part.clone(),
                column,
            });
        }
    }
    Ok(joined)
}

/// The manifest's column that a group column is read from.
pub(crate) fn top_column(name: &str) -> &str {
    if name.starts_with(SUBJECT) {
        Column::SubjectAttributes.name()
    } else if name.starts_with(MANIPULATION) {
        Column::Manipulation.name()
    } else {
        name
    }
}

/// Adds the samples that some id names; a missing key column is given back.
fn add_batch(
    joined: &mut Joined,
    batch: &RecordBatch,
    ids: &HashSet<&str>,
) -> Option<&'static str> {
    let Some(sample_ids) = batch.column_by_name(Column::SampleId.name()) else {
        return Some(Column::SampleId.name());
    };
    let Some(source_keys) = batch.column_by_name(Column::SourceKey.name()) else {
        return Some(Column::SourceKey.name());
    };
    let urls = batch.column_by_name(Column::SourceUrl.name());
    for row in 0..batch.num_rows() {
        let mut keys: Vec<(u8, String)> = Vec::new();
        if let Some(id) = cell_text(sample_ids.as_ref(), row) {
            keys.push((0, id));
        }
        let source_key = cell_text(source_keys.as_ref(), row);
        let url = urls.and_then(|urls| cell_text(urls.as_ref(), row));
        for text in [&source_key, &url].into_iter().flatten() {
            let name = text.split(['?', '#']).next().unwrap_or(text);
            let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
            keys.push((2, name.to_owned()));
            if let Some((stem, _)) = name.rsplit_once('.') {
                keys.push((3, stem.to_owned()));
            }
        }
        if let Some(key) = source_key {
            keys.push((1, key));
        }
        keys.retain(|(_, key)| !key.is_empty() && ids.contains(key.as_str()));
        if keys.is_empty() {
            continue;
        }
        let at = joined.samples;
        joined.samples += 1;
        for (name, values) in &mut joined.columns {
            values.push(group_value(batch, name, row));
        }
        for (kind, key) in keys {
            let found = Found {
                kind,
                row: at,
                ambiguous: false,
            };
            joined
                .rows
                .entry(key)
                .and_modify(|known| {
                    if kind < known.kind {
                        *known = found;
                    } else if kind == known.kind && known.row != at {
                        known.ambiguous = true;
                    }
                })
                .or_insert(found);
        }
    }
    None
}

pub(crate) fn group_value(batch: &RecordBatch, name: &str, row: usize) -> Option<String> {
    let column = batch.column_by_name(top_column(name))?;
    if let Some(attribute) = name.strip_prefix(SUBJECT) {
        return subject_attribute(column.as_ref(), attribute, row);
    }
    if let Some(part) = name.strip_prefix(MANIPULATION) {
        let fields = column.as_struct_opt()?;
        if fields.is_null(row) {
            return None;
        }
        return cell_text(fields.column_by_name(part)?.as_ref(), row);
    }
    cell_text(column.as_ref(), row)
}

/// The attribute of the subjects shown; several that differ are put together.
fn subject_attribute(column: &dyn Array, attribute: &str, row: usize) -> Option<String> {
    let list = column.as_list_opt::<i32>()?;
    if list.is_null(row) {
        return None;
    }
    let items = list.value(row);
    let fields = items.as_struct_opt()?;
    let names = fields.column_by_name("name")?;
    let values = fields.column_by_name("value")?;
    let found: BTreeSet<String> = (0..fields.len())
        .filter(|at| cell_text(names.as_ref(), *at).as_deref() == Some(attribute))
        .filter_map(|at| cell_text(values.as_ref(), at))
        .collect();
    (!found.is_empty()).then(|| found.into_iter().collect::<Vec<_>>().join(" + "))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, StringArray};
    use parquet::arrow::ArrowWriter;

    use super::*;

    #[test]
    fn ids_are_found_by_the_surest_key_and_never_by_a_doubtful_one() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            parts(folder.path()),
            Err(ManifestError::Empty { .. })
        ));
        let text = |values: Vec<&str>| Arc::new(StringArray::from(values)) as ArrayRef;
        let batch = RecordBatch::try_from_iter([
            ("sample_id", text(vec!["s1", "s2", "s3", "s4"])),
            (
                "source_key",
                text(vec!["k1", "a/v.mp4", "b/v.mp4", "File:X.jpg"]),
            ),
            ("country", text(vec!["ZA", "IN", "BR", "KE"])),
        ])
        .unwrap();
        let path = folder.path().join("part-00000.parquet");
        let file = std::fs::File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();

        let ids = HashSet::from(["s1", "k1", "v.mp4", "b/v.mp4", "File:X", "nobody"]);
        let wanted = BTreeSet::from(["country".to_owned()]);
        let parts = parts(folder.path()).unwrap();
        let joined = join(&parts, &ids, &wanted, &Limits::default()).unwrap();
        let country = |id: &str| joined.value(id, "country");
        assert_eq!(country("s1"), Some("ZA"));
        assert_eq!(country("k1"), Some("ZA"));
        assert_eq!(country("b/v.mp4"), Some("BR"));
        assert_eq!(country("File:X"), Some("KE"));
        assert_eq!(country("nobody"), None);
        assert!(joined.is_ambiguous("v.mp4"));
        assert_eq!(country("v.mp4"), None);
        assert!(offers("subject.age") && offers("manipulation.method") && !offers("colour"));
    }
}

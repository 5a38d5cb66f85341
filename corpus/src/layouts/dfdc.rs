//! DFDC: clips in one folder, and `metadata.json`:
//! `{"a.mp4": {"label": "FAKE", "split": "train", "original": "b.mp4"}, ...}`.
//!
//! Names tell nothing: ten letters each. It has no masks, and knows no people.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use fairframe_ingest::verify::splits::read_value;
use fairframe_schemas::{
    SampleId,
    corpus::{ClipLabel, ClipRow},
};
use serde_json::{Value, json};

use super::{Clip, Imported, Laid, LayoutError, tree};

const METADATA: &str = "metadata.json";

pub fn lay(clips: &[Clip]) -> Result<Laid, LayoutError> {
    // The real clip of a video at a rung.
    let real: BTreeMap<_, String> = clips
        .iter()
        .filter(|c| c.label == ClipLabel::Real)
        .map(|c| ((c.target.video, c.compression.clone()), file(c)))
        .collect();
    let rows: Vec<Option<ClipRow>> = clips
        .iter()
        .map(|clip| {
            let fake = match clip.label {
                ClipLabel::Mask => return None,
                label => label == ClipLabel::Fake,
            };
            let of = real.get(&(clip.target.video, clip.compression.clone()));
            Some(row(file(clip), clip.label, of.filter(|_| fake).cloned()))
        })
        .zip(clips)
        .map(|(row, clip)| {
            let split = clip.split;
            row.map(|row| ClipRow { split, ..row })
        })
        .collect();
    let entries: serde_json::Map<String, Value> = rows
        .iter()
        .flatten()
        .map(|row| {
            let label = row.label.as_str().to_uppercase();
            let facts = json!({ "label": label, "split": row.split.map(tree::word), "original": row.original });
            (row.file.clone(), facts)
        })
        .collect();
    let list = serde_json::to_vec(&entries).map_err(|e| tree::io_at(Path::new(METADATA))(e.into()));
    Ok(Laid {
        rows,
        lists: vec![(METADATA.to_owned(), list?)],
    })
}

fn row(file: String, label: ClipLabel, original: Option<String>) -> ClipRow {
    ClipRow {
        file,
        label,
        method: None,
        compression: None,
        target: None,
        source: None,
        scene: None,
        code: None,
        original,
        split: None,
    }
}

fn file(clip: &Clip) -> String {
    format!("{}.{}", letters(clip.sample), clip.ending)
}

/// Ten letters of the sample id: 47 bits.
fn letters(sample: SampleId) -> String {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&sample.as_bytes()[..8]);
    let mut number = u64::from_le_bytes(bytes);
    let letters = (0..10).map(|_| {
        let letter = b'a' + (number % 26) as u8;
        number /= 26;
        char::from(letter)
    });
    letters.collect()
}

pub fn read(root: &Path) -> Result<Imported, LayoutError> {
    let path = root.join(METADATA);
    let there: BTreeSet<String> = tree::clips(root)?.into_iter().collect();
    let Value::Object(entries) = read_value(&path)? else {
        return Err(tree::bad(
            &path,
            "is no object",
            "see docs/splits.md for the forms of lists",
        ));
    };
    let mut imported = Imported::default();
    let mut listed = BTreeSet::new();
    for (name, facts) in &entries {
        let wrong = |problem: &str| {
            let shown = name.escape_debug();
            tree::bad(
                &path,
                format!("`{shown}` {problem}"),
                "see docs/corpus.md for the form",
            )
        };
        let file = tree::named(&path, name)?;
        let text = |key: &str| facts.get(key).and_then(Value::as_str);
        let label = match text("label") {
            Some("REAL") => ClipLabel::Real,
            Some("FAKE") => ClipLabel::Fake,
            _ => return Err(wrong("has no `label` of `REAL` or `FAKE`")),
        };
        let original = text("original")
            .map(|o| tree::named(&path, o))
            .transpose()?;
        let mut row = row(file, label, original);
        row.split = match text("split") {
            None => None,
            Some(word) => {
                Some(tree::split(word).ok_or_else(|| wrong("has a `split` that is none"))?)
            }
        };
        imported.missing += u64::from(!there.contains(&row.file));
        listed.insert(row.file.clone());
        imported.rows.push(row);
    }
    imported.unknown = there.difference(&listed).cloned().collect();
    Ok(imported)
}

//! FaceForensics++ and DeepFakeDetection:
//!
//! ```text
//! original_sequences/actors/<c>/videos/<subject>__<scene>.mp4
//! manipulated_sequences/<Method>/<c>/videos/<target>_<source>__<scene>__<code>.mp4
//! manipulated_sequences/<Method>/masks/videos/...
//! splits/train.json  val.json  test.json    pairs of people
//! ```
//!
//! Also read: `original_sequences/youtube/<c>/videos/000.mp4` and `000_003.mp4`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use fairframe_ingest::verify::names;
use fairframe_schemas::{
    Split,
    corpus::{ClipLabel, ClipRow},
};
use serde_json::json;

use super::{Clip, Imported, Laid, LayoutError, tree};

const ORIGINAL: &str = "original_sequences";
const MANIPULATED: &str = "manipulated_sequences";
const MASKS: &str = "masks";

pub fn lay(clips: &[Clip]) -> Result<Laid, LayoutError> {
    let rows: Vec<Option<ClipRow>> = clips.iter().map(|c| Some(row(c))).collect();
    let lists = Split::ALL
        .iter()
        .map(|split| {
            let text = json!(pairs(clips, *split)).to_string();
            (
                format!("splits/{}.json", tree::word(*split)),
                text.into_bytes(),
            )
        })
        .collect();
    Ok(Laid { rows, lists })
}

/// Where a clip stands, and what its place tells.
pub fn row(clip: &Clip) -> ClipRow {
    let Clip { target, ending, .. } = clip;
    let compression = clip.compression.clone();
    let rung = compression.as_deref().unwrap_or("raw");
    let (subject, scene) = (&target.subject, &target.scene);
    let original = format!("{subject}__{scene}.{ending}");
    let original = |rung: &str| format!("{ORIGINAL}/actors/{rung}/videos/{original}");
    let mut found = ClipRow {
        file: original(rung),
        label: clip.label,
        method: clip.method.clone(),
        compression: Some(rung.to_owned()),
        target: Some(subject.clone()),
        source: None,
        scene: Some(scene.clone()),
        code: None,
        original: None,
        split: clip.split,
    };
    if let (Some(source), Some(method), Some(code)) = (&clip.source, &clip.method, &clip.code) {
        let source = &source.subject;
        let folder = match clip.label {
            ClipLabel::Mask => MASKS,
            _ => rung,
        };
        let name = format!("{subject}_{source}__{scene}__{code}.{ending}");
        found.file = format!("{MANIPULATED}/{method}/{folder}/videos/{name}");
        found.source = Some(source.clone());
        found.code = Some(code.clone());
        found.original = (clip.label == ClipLabel::Fake).then(|| original(rung));
        if clip.label == ClipLabel::Mask {
            found.compression = None;
        }
    }
    found
}

/// The pairs of people of one split, each once; who is in none is paired with themselves, as
/// readers of these lists unpack two names.
fn pairs(clips: &[Clip], split: Split) -> BTreeSet<[&str; 2]> {
    let here = || clips.iter().filter(|c| c.split == Some(split));
    let mut pairs = BTreeSet::new();
    let mut paired = BTreeSet::new();
    for clip in here() {
        let target = clip.target.subject.as_str();
        if let Some(source) = &clip.source {
            let source = source.subject.as_str();
            pairs.insert([target.min(source), target.max(source)]);
            paired.extend([target, source]);
        }
    }
    let all = here().map(|c| c.target.subject.as_str());
    pairs.extend(all.filter(|p| !paired.contains(p)).map(|p| [p, p]));
    pairs
}

pub fn read(root: &Path) -> Result<Imported, LayoutError> {
    let splits = tree::splits(root)?;
    let mut imported = Imported::default();
    for file in tree::clips(root)? {
        match parse(&file, &splits) {
            Some(row) => imported.rows.push(row),
            None => imported.unknown.push(file),
        }
    }
    link(&mut imported.rows);
    Ok(imported)
}

/// What a place tells; `None`: no clip of this layout stands there.
pub fn parse(file: &str, splits: &BTreeMap<String, Split>) -> Option<ClipRow> {
    let parts: Vec<&str> = file.split('/').collect();
    let [top, folder, rung, "videos", name] = parts.as_slice() else {
        return None;
    };
    let label = match (*top, *rung) {
        (ORIGINAL, _) => ClipLabel::Real,
        (MANIPULATED, MASKS) => ClipLabel::Mask,
        (MANIPULATED, _) => ClipLabel::Fake,
        _ => return None,
    };
    let actors = names::actors(name);
    let named = actors.unwrap_or_else(|| names::read(name));
    let (target, source) = match (label, named.pair) {
        (ClipLabel::Real, None) => {
            let mut who = named.subjects.into_iter().chain(named.videos);
            (who.next()?, None)
        }
        (ClipLabel::Fake | ClipLabel::Mask, Some((target, source))) => (target, Some(source)),
        _ => return None,
    };
    Some(ClipRow {
        file: file.to_owned(),
        label,
        method: (label != ClipLabel::Real).then(|| (*folder).to_owned()),
        compression: (label != ClipLabel::Mask).then(|| (*rung).to_owned()),
        split: splits.get(&target).copied(),
        target: Some(target),
        source,
        scene: named.scene,
        code: named.code,
        original: None,
    })
}

/// Names the real clip of each fake: the same target, scene and rung.
pub fn link(rows: &mut [ClipRow]) {
    let key = |r: &ClipRow| (r.target.clone(), r.scene.clone(), r.compression.clone());
    let real = rows.iter().filter(|r| r.label == ClipLabel::Real);
    let real: BTreeMap<_, String> = real.map(|r| (key(r), r.file.clone())).collect();
    for row in rows.iter_mut().filter(|r| r.label == ClipLabel::Fake) {
        row.original = real.get(&key(row)).cloned();
    }
}

//! The clips of a release that may be handed out, with the names they have in layouts.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use fairframe_ingest::{manifest::ReleaseReader, recall};
use fairframe_schemas::{Layout, Name, Sample, SampleId, Split, corpus::ClipLabel};

use super::LayoutError;
use crate::{
    cast::SCENE,
    clips::{COMPRESSION, KIND},
    pair,
};

/// A clip of a release.
#[derive(Debug, Clone)]
pub struct Clip {
    pub sample: SampleId,
    /// Its bytes in the store; they may be gone.
    pub media: PathBuf,
    /// Of file names.
    pub ending: &'static str,
    pub label: ClipLabel,
    /// In one word, as `FaceSwap`.
    pub method: Option<String>,
    /// A rung; masks have none.
    pub compression: Option<String>,
    pub target: Side,
    /// Of fakes and masks.
    pub source: Option<Side>,
    pub code: Option<String>,
    pub split: Option<Split>,
}

/// A video that a clip shows, as layouts name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    pub video: SampleId,
    pub subject: String,
    pub scene: String,
}

/// What stands in a release.
#[derive(Debug, Clone)]
pub struct Released {
    pub dataset: String,
    /// By sample id.
    pub clips: Vec<Clip>,
    /// Accepted rows that were withdrawn since.
    pub recalled: u64,
}

/// Reads the accepted clips of a release that nobody has withdrawn since.
pub fn released(layout: &Layout, folder: &Path) -> Result<Released, LayoutError> {
    let release = ReleaseReader::open(folder)?;
    // `manifests/<dataset>/<version>`
    let above = folder.canonicalize().map_err(|error| LayoutError::Io {
        path: folder.to_owned(),
        error,
    })?;
    let dataset = above.parent().and_then(|p| p.file_name()?.to_str());
    let dataset = dataset.unwrap_or("corpus").to_owned();
    let mut list = recall::read_list(&folder.join("recall.json"))?;
    if let Ok(name) = Name::new(&dataset)
        && let Some(newest) = recall::read_published(layout, &name)?
    {
        list = recall::union(list, newest);
    }
    let (samples, digests) = (list.samples(), list.digests());

    let mut rows = Vec::new();
    // People are named by the real clips of their videos, accepted or not.
    let mut shown: BTreeMap<SampleId, (String, Option<String>)> = BTreeMap::new();
    for row in release.accepted() {
        rows.extend(row?);
    }
    for excluded in release.excluded() {
        excluded?.iter().for_each(|s| note(&mut shown, s));
    }
    rows.iter().for_each(|s| note(&mut shown, s));
    let sides = sides(shown)?;

    let mut recalled = 0;
    let mut clips = Vec::new();
    for row in rows.iter().filter(|r| kind(r).is_some()) {
        let gone = |id: &SampleId| samples.contains(id);
        let bytes = row.media_sha256.is_some_and(|d| digests.contains(&d));
        if gone(&row.sample_id) || row.derived_from.iter().any(gone) || bytes {
            recalled += 1;
            continue;
        }
        clips.extend(clip(row, layout, &sides)?);
    }
    clips.sort_by_key(|c: &Clip| c.sample);
    Ok(Released {
        dataset,
        clips,
        recalled,
    })
}

/// Remembers whom a video shows, from the row of a real clip.
fn note(shown: &mut BTreeMap<SampleId, (String, Option<String>)>, sample: &Sample) {
    if let ([video], [subject], Some(ClipLabel::Real)) = (
        sample.derived_from.as_slice(),
        sample.subject_ids.as_slice(),
        kind(sample),
    ) {
        let scene = label(sample, SCENE).map(str::to_owned);
        shown.insert(*video, (subject.clone(), scene));
    }
}

/// Names for people and scenes that stand in file names: a person of letters, digits and `-`,
/// a scene of these and single `_`. A person's second video of a scene is `<scene>-2`.
fn sides(
    shown: BTreeMap<SampleId, (String, Option<String>)>,
) -> Result<HashMap<SampleId, Side>, LayoutError> {
    let mut people: BTreeMap<String, String> = BTreeMap::new();
    let mut takes: BTreeMap<(String, String), u32> = BTreeMap::new();
    let mut sides = HashMap::new();
    for (video, (subject, scene)) in shown {
        let name = plain(&subject, false);
        let known = people
            .entry(name.clone())
            .or_insert_with(|| subject.clone());
        if *known != subject || name.is_empty() {
            return Err(LayoutError::Ambiguous {
                one: known.clone(),
                other: subject,
                name,
            });
        }
        let scene = scene.map(|s| plain(&s, true)).filter(|s| !s.is_empty());
        let scene = scene.unwrap_or_else(|| "clip".to_owned());
        let mut take = scene.clone();
        loop {
            let n = takes.entry((name.clone(), take.clone())).or_insert(0);
            *n += 1;
            if *n == 1 {
                break;
            }
            // Whatever else is called so: numbers go up until one is free.
            take = format!("{scene}-{n}");
        }
        sides.insert(
            video,
            Side {
                video,
                subject: name,
                scene: take,
            },
        );
    }
    Ok(sides)
}

/// Letters, digits and `-`; of scenes also `_`, not doubled and not at the ends.
fn plain(text: &str, scene: bool) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let c = match c {
            c if c.is_ascii_alphanumeric() => c,
            '_' if scene => '_',
            _ => '-',
        };
        if c != '_' || !out.ends_with('_') {
            out.push(c);
        }
    }
    out.trim_matches('_').to_owned()
}

fn label<'a>(sample: &'a Sample, origin: &str) -> Option<&'a str> {
    let label = sample.labels.iter().find(|l| l.origin == origin);
    label.map(|l| l.label.as_str())
}

fn kind(sample: &Sample) -> Option<ClipLabel> {
    label(sample, KIND)?.parse().ok()
}

/// `None` of a clip without media: nothing was made.
fn clip(
    sample: &Sample,
    layout: &Layout,
    sides: &HashMap<SampleId, Side>,
) -> Result<Option<Clip>, LayoutError> {
    let wrong = |problem: String, remedy| LayoutError::Sample {
        sample: sample.sample_id,
        problem,
        remedy,
    };
    let (Some(label_of), Some(digest)) = (kind(sample), sample.media_sha256) else {
        return Ok(None);
    };
    let side = |id: SampleId| {
        let problem = || {
            let problem = format!("no real clip of {id} tells who is shown");
            wrong(problem, "release the real clips with the fakes")
        };
        sides.get(&id).cloned().ok_or_else(problem)
    };
    let compression = label(sample, COMPRESSION).map(|c| plain(c, false));
    let (target, source, method) = match &sample.manipulation {
        Some(m) => (
            side(m.target_sample)?,
            Some(side(m.source_sample)?),
            Some(camel(&m.method)),
        ),
        None => match sample.derived_from.as_slice() {
            [video] => (side(*video)?, None, None),
            _ => {
                let problem = "it names no video that it shows".to_owned();
                return Err(wrong(problem, "make the corpus and release it anew"));
            }
        },
    };
    let ending = match sample.mime.as_deref() {
        None | Some("video/mp4") => "mp4",
        Some("video/x-matroska") => "mkv",
        Some("video/webm") => "webm",
        Some("video/quicktime") => "mov",
        Some("video/x-msvideo") => "avi",
        Some(other) => {
            let problem = format!("`{other}` has no file ending that other corpora use");
            return Err(wrong(problem, "release it as MP4"));
        }
    };
    Ok(Some(Clip {
        sample: sample.sample_id,
        media: layout.media(&digest),
        ending,
        label: label_of,
        method,
        compression,
        code: source.as_ref().map(|s| pair::code(target.video, s.video)),
        target,
        source,
        split: sample.split,
    }))
}

/// `face-swap` as `FaceSwap`.
fn camel(method: &str) -> String {
    let words = method.split(|c: char| !c.is_ascii_alphanumeric());
    let upper = |word: &str| {
        let mut chars = word.chars();
        let first = chars.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(chars).collect::<String>()
    };
    words.map(upper).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_stand_in_file_names() {
        assert_eq!(plain("person_a", false), "person-a");
        assert_eq!(plain("../é x", false), "-----x");
        assert_eq!(plain("__exit__phone_room_", true), "exit_phone_room");
        assert_eq!(camel("face-swap"), "FaceSwap");
        assert_eq!(camel("DeepFakes"), "DeepFakes");
    }

    #[test]
    fn two_people_of_one_name_are_refused_and_takes_are_numbered() {
        let id = |n: &str| SampleId::new("s", n);
        let of = |rows: &[(&str, &str, Option<&str>)]| {
            let row = |(n, subject, scene): &(&str, &str, Option<&str>)| {
                (id(n), ((*subject).to_owned(), scene.map(str::to_owned)))
            };
            sides(rows.iter().map(row).collect())
        };
        let error = of(&[("1", "a_b", None), ("2", "a-b", None)]).unwrap_err();
        assert!(error.to_string().contains("`a-b`"), "{error}");
        let sides = of(&[
            ("1", "a", Some("x")),
            ("2", "a", Some("x")),
            ("3", "a", Some("x-2")),
            ("4", "b", Some("x")),
            ("5", "b", None),
        ])
        .unwrap();
        let mut names: Vec<String> = sides
            .values()
            .map(|s| format!("{}__{}", s.subject, s.scene))
            .collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 5);
        assert!(names.contains(&"b__clip".to_owned()), "{names:?}");
    }
}

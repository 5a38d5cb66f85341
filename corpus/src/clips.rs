//! Clips: the rows of the release to come, from all that was made.
//!
//! A clip is a real video or a fake; each stands in the release once for every rung of the
//! ladder, and each fake's mask once. Rows of an earlier list whose people have withdrawn
//! since stay in it with the reason, so that the release recalls them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use fairframe_ingest::atomic;
use fairframe_schemas::{
    self as schemas, Digest, Manipulation, MediaType, Name, Reason, Sample, SampleId, Split,
    Status,
    corpus::{CLIPS, ClipLine, PairRow},
    source::Rung,
};
use serde_json::json;

use crate::{
    cast::{Cast, SCENE, Video},
    compress::{self, ClipIn, ClipOut, CompressDone},
    item::{Made, Stage},
    label::Label,
    swap::{self, FAKES, SwapDone},
};

/// The origin of the labels `real`, `fake` and `mask`.
pub const KIND: &str = "corpus";
/// The origin of the label that names a rung.
pub const COMPRESSION: &str = "compression";
/// What a mask is called beside the rungs of its fake.
const MASK: &str = "mask";

/// What a clip shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Real,
    Fake,
    /// Where a fake was changed.
    Mask,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Real => "real",
            Kind::Fake => "fake",
            Kind::Mask => "mask",
        }
    }
}

/// A clip and what it is made from.
#[derive(Debug, Clone)]
pub struct Clip<'a> {
    /// Unique in the corpus, a part of file names: the video's id, or the fake's.
    pub name: String,
    pub what: What<'a>,
}

#[derive(Debug, Clone)]
pub enum What<'a> {
    Real(&'a Video),
    Fake(Box<Fake<'a>>),
}

/// A fake and both its sides.
#[derive(Debug, Clone)]
pub struct Fake<'a> {
    pub pair: &'a PairRow,
    pub method: &'a Name,
    pub target: &'a Video,
    pub source: &'a Video,
    /// What the swap came to.
    pub swapped: Made<SwapDone>,
}

/// All clips of a corpus, by name: every accepted video of the cast, and every fake that was
/// made, or refused, of an accepted pairing.
pub fn clips<'a>(
    corpus: &Path,
    cast: &'a Cast,
    pairs: &'a [PairRow],
    methods: &'a [Name],
) -> io::Result<Vec<Clip<'a>>> {
    let fakes = Stage::new(corpus, FAKES);
    let shown = |v: &&Video| cast.against_showing(v).is_none();
    let accepted = cast.videos.iter().filter(shown);
    let mut clips: Vec<Clip> = accepted
        .map(|video| Clip {
            name: video.sample.sample_id.to_string(),
            what: What::Real(video),
        })
        .collect();
    for pair in pairs {
        let Some((target, source)) = pair.accepted() else {
            continue;
        };
        let (Some(target), Some(source)) = (cast.video(target), cast.video(source)) else {
            continue;
        };
        for method in methods {
            let name = swap::item(pair.pair_id, method);
            if let Some(outcome) = fakes.outcome(&name)? {
                let what = What::Fake(Box::new(Fake {
                    pair,
                    method,
                    target,
                    source,
                    swapped: outcome.result,
                }));
                clips.push(Clip { name, what });
            }
        }
    }
    clips.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(clips)
}

/// What is to be compressed: real videos, fakes and their masks.
pub fn inputs(corpus: &Path, dataset: &Name, clips: &[Clip<'_>]) -> Vec<ClipIn> {
    let fakes = Stage::new(corpus, FAKES);
    let mut inputs = Vec::new();
    for clip in clips {
        let mut add = |file: PathBuf, kind| {
            let name = clip.name.clone();
            inputs.push(ClipIn { name, file, kind });
        };
        match &clip.what {
            What::Real(video) => {
                if let Some(file) = &video.file {
                    add(file.clone(), compress::Kind::Real);
                }
            }
            What::Fake(fake) if matches!(fake.swapped, Made::Done(_)) => {
                let folder = fakes.folder(&clip.name);
                let label = Label {
                    dataset: dataset.to_string(),
                    pair: fake.pair.pair_id.to_string(),
                    method: fake.method.to_string(),
                };
                add(folder.join(swap::MASTER), compress::Kind::Fake(label));
                add(folder.join(swap::MASK), compress::Kind::Mask);
            }
            What::Fake(_) => {}
        }
    }
    inputs
}

/// The rows of all clips: one a rung, and one for each fake's mask.
pub fn rows(
    source: &Name,
    clips: &[Clip<'_>],
    rungs: &[Rung],
    made: &[ClipOut],
    splits: &Splits,
) -> Vec<ClipLine> {
    let mut of: BTreeMap<(&str, Option<&str>), &Made<CompressDone>> = BTreeMap::new();
    for out in made {
        of.insert((&out.clip, out.rung.as_deref()), &out.result);
    }
    let mut rows = Vec::new();
    for clip in clips {
        let mask = of.get(&(clip.name.as_str(), None)).copied();
        let parts = rungs.iter().map(|r| Some(r.name.as_str()));
        let parts = parts.chain(mask.map(|_| None));
        for rung in parts {
            let result = of.get(&(clip.name.as_str(), rung)).copied();
            let mask = mask.filter(|_| rung.is_some());
            rows.push(row(source, clip, rung, result, mask, splits));
        }
    }
    rows
}

/// The row of one file of a clip; `rung` is `None` for a mask.
fn row(
    source: &Name,
    clip: &Clip<'_>,
    rung: Option<&str>,
    result: Option<&Made<CompressDone>>,
    mask: Option<&Made<CompressDone>>,
    splits: &Splits,
) -> ClipLine {
    let part = rung.unwrap_or(MASK);
    let mut sample = Sample::new(
        source.as_str(),
        &format!("{}/{part}", clip.name),
        MediaType::Clip,
    );
    let kind = match (&clip.what, rung) {
        (What::Real(_), _) => Kind::Real,
        (What::Fake(_), Some(_)) => Kind::Fake,
        (What::Fake(_), None) => Kind::Mask,
    };
    let label = |label: &str, origin: &str| schemas::Label {
        label: label.to_owned(),
        confidence: None,
        origin: origin.to_owned(),
    };
    sample.labels.push(label(kind.as_str(), KIND));
    sample
        .labels
        .extend(rung.map(|rung| label(rung, COMPRESSION)));
    let done = match result {
        Some(Made::Done(done)) => Some(done),
        _ => None,
    };
    match &clip.what {
        What::Real(video) => {
            of_video(&mut sample, video);
            sample.derived_from = vec![video.sample.sample_id];
            sample.title.clone_from(&video.sample.title);
            let subject = video.sample.subject_ids.first();
            sample.split = subject.and_then(|s| splits.of_subject.get(s)).copied();
        }
        What::Fake(fake) => {
            let mask = match mask {
                Some(Made::Done(mask)) => Some(mask.sha256),
                _ => None,
            };
            of_fake(&mut sample, fake, kind, rung, done, mask);
        }
    }
    let refusal = match (result, &clip.what) {
        (Some(Made::Done(_)), _) => None,
        (Some(Made::Refused(refusal)), _) => Some(refusal.reason),
        (None, What::Fake(fake)) => match &fake.swapped {
            Made::Refused(refusal) => Some(refusal.reason),
            Made::Done(_) => Some(Reason::FileMissing),
        },
        (None, What::Real(_)) => Some(Reason::FileMissing),
    };
    if let Some(reason) = refusal {
        sample.add_reason(reason);
    }
    let item = format!("{}--{part}", clip.name);
    ClipLine {
        file: done.map(|done| Path::new(compress::CLIPS).join(item).join(&done.file)),
        sha256: done.map(|done| done.sha256),
        sample,
    }
}

/// What a clip has from the video whose head and background it shows.
fn of_video(sample: &mut Sample, video: &Video) {
    let from = &video.sample;
    sample.creator.clone_from(&from.creator);
    sample.creator_url.clone_from(&from.creator_url);
    sample.credit.clone_from(&from.credit);
    sample.licence.clone_from(&from.licence);
    sample.licence_url.clone_from(&from.licence_url);
    sample.licence_evidence.clone_from(&from.licence_evidence);
    sample.attribution_required = from.attribution_required;
    sample.restrictions.clone_from(&from.restrictions);
    sample.opt_out.clone_from(&from.opt_out);
    sample.subject_ids.clone_from(&from.subject_ids);
    sample
        .subject_attributes
        .clone_from(&from.subject_attributes);
    sample.latitude = from.latitude;
    sample.longitude = from.longitude;
    sample.place_precision_m = from.place_precision_m;
    sample.place_origin = from.place_origin;
    sample.country.clone_from(&from.country);
    sample.captured_at = from.captured_at;
    sample.captured_precision = from.captured_precision;
    let scene = from.labels.iter().filter(|l| l.origin == SCENE).cloned();
    sample.labels.extend(scene);
}

/// A fake shows the target's head and background and the source's face: it carries both
/// people, and both licences bind it.
fn of_fake(
    sample: &mut Sample,
    fake: &Fake<'_>,
    kind: Kind,
    rung: Option<&str>,
    done: Option<&CompressDone>,
    mask: Option<Digest>,
) {
    of_video(sample, fake.target);
    let other = &fake.source.sample;
    let people: BTreeSet<String> = sample
        .subject_ids
        .iter()
        .chain(&other.subject_ids)
        .cloned()
        .collect();
    sample.subject_ids = people.into_iter().collect();
    let attributes: BTreeSet<_> = sample
        .subject_attributes
        .iter()
        .chain(&other.subject_attributes)
        .cloned()
        .collect();
    sample.subject_attributes = attributes.into_iter().collect();
    let join = |a: &mut Option<String>, b: &Option<String>, between: &str| match (&*a, b) {
        (Some(one), Some(two)) if one != two => *a = Some(format!("{one}{between}{two}")),
        (None, Some(_)) => a.clone_from(b),
        _ => {}
    };
    sample.licence = match (sample.licence.take(), &other.licence) {
        (Some(one), Some(two)) if one == *two => Some(one),
        (Some(one), Some(two)) => Some(format!("({one}) AND ({two})")),
        // Of one side nothing is known: of the whole nothing is.
        _ => None,
    };
    join(&mut sample.creator, &other.creator, " and ");
    join(&mut sample.credit, &other.credit, "; ");
    if sample.licence_evidence != other.licence_evidence {
        let evidence =
            json!({ "target": sample.licence_evidence, "source": other.licence_evidence });
        sample.licence_evidence = Some(evidence.to_string());
    }
    if sample.creator_url != other.creator_url {
        sample.creator_url = None;
    }
    if sample.licence_url != other.licence_url {
        sample.licence_url = None;
    }
    sample.attribution_required = match (sample.attribution_required, other.attribution_required) {
        (Some(false), Some(false)) => Some(false),
        (None, None) => None,
        _ => Some(true),
    };
    let either = |one: &[String], two: &[String]| -> Vec<String> {
        let all: BTreeSet<&String> = one.iter().chain(two).collect();
        all.into_iter().cloned().collect()
    };
    sample.restrictions = either(&sample.restrictions, &other.restrictions);
    sample.opt_out = either(&sample.opt_out, &other.opt_out);
    sample.title = Some(format!(
        "{}: {} {}",
        kind.as_str().to_uppercase(),
        fake.method,
        fake.pair.pair_id
    ));
    let (target, source) = (fake.target.sample.sample_id, other.sample_id);
    sample.derived_from = vec![target, source];
    sample.split = fake.pair.split;
    let mut parameters = json!({ "pair_id": fake.pair.pair_id, "pair_code": fake.pair.code });
    if let Made::Done(swapped) = &fake.swapped {
        parameters["swap"] = json!(swapped);
    }
    if let Some(done) = done {
        parameters["encoder"] = json!(done.encoder);
        parameters["before"] = json!(done.before);
    }
    sample.manipulation = Some(Manipulation {
        method: fake.method.to_string(),
        target_sample: target,
        source_sample: source,
        mask_sha256: mask,
        compression: rung.map(str::to_owned),
        parameters: Some(parameters.to_string()),
    });
}

/// Who is in which split.
#[derive(Debug, Clone, Default)]
pub struct Splits {
    of_subject: BTreeMap<String, Split>,
}

impl Splits {
    /// As the plan dealt them. Who is in no row of it stands in none.
    pub fn of(pairs: &[PairRow]) -> Self {
        let mut of_subject = BTreeMap::new();
        for pair in pairs {
            let Some(split) = pair.split else { continue };
            for subject in [&pair.target_subject, &pair.source_subject] {
                of_subject.extend(subject.clone().map(|s| (s, split)));
            }
        }
        Self { of_subject }
    }
}

/// Writes the list: `rows`, and of the list before them whatever was made from people who
/// have withdrawn since.
pub fn write(corpus: &Path, mut rows: Vec<ClipLine>, cast: &Cast) -> io::Result<u64> {
    let now: BTreeSet<SampleId> = rows.iter().map(|r| r.sample.sample_id).collect();
    let manipulable = cast.manipulable();
    for line in read(corpus)? {
        let id = line.sample.sample_id;
        if !now.contains(&id) && line.sample.status == Status::Withdrawn {
            rows.push(line);
        } else if !now.contains(&id)
            && let Some(reason) = gone(&line.sample, cast, &manipulable)
        {
            rows.push(withdrawn(line.sample, reason));
        }
    }
    rows.sort_by_key(|r| r.sample.sample_id);
    let mut text = Vec::new();
    for row in &rows {
        serde_json::to_writer(&mut text, row)?;
        text.push(b'\n');
    }
    atomic::write(&corpus.join(CLIPS), &text)?;
    Ok(rows.len() as u64)
}

/// The list as it stands; empty where there is none.
pub fn read(corpus: &Path) -> io::Result<Vec<ClipLine>> {
    let text = match fs::read_to_string(corpus.join(CLIPS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    text.lines()
        .map(|line| serde_json::from_str(line).map_err(io::Error::from))
        .collect()
}

/// Why a sample may not stay on account of the people in it.
pub fn gone(
    sample: &Sample,
    cast: &Cast,
    manipulable: &BTreeMap<SampleId, Option<Reason>>,
) -> Option<Reason> {
    sample.derived_from.iter().find_map(|id| {
        let against = match sample.manipulation {
            Some(_) => manipulable.get(id).copied(),
            None => cast.video(*id).map(|video| cast.against_showing(video)),
        };
        match against {
            // Not in the actors' release any more: nobody answers for it.
            None => Some(Reason::DerivedFromWithdrawn),
            Some(Some(reason)) if reason.status() == Status::Withdrawn => {
                Some(Reason::DerivedFromWithdrawn)
            }
            Some(against) => against,
        }
    })
}

/// The row that is left of a sample whose people have withdrawn. What it tells of them is
/// scrubbed at the release.
pub fn withdrawn(mut sample: Sample, reason: Reason) -> ClipLine {
    sample.add_reason(reason);
    ClipLine {
        file: None,
        sha256: None,
        sample,
    }
}

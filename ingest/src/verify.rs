//! `fairframe verify`: everything a release promises, checked offline.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fs,
    path::Path,
};

use arrow_array::cast::AsArray;
use fairframe_schemas::{
    Column, ConsentState, Digest, Layout, Purpose, Sample, SampleId, Split, Status, licence,
    release::Summary,
};

use crate::{
    digest,
    manifest::{ManifestError, ReleaseReader},
    recall,
    sums::{self, SUMS},
};

pub mod names;
pub mod splits;

/// One broken promise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Problem {
    /// Which rule: `digest`, `file`, `row`, `id`, `licence`, `consent`, `split`, `order`,
    /// `count`, `recall`, `media`; of other corpora's lists `identity`,
    /// `source-video`, `pair`, `near-duplicate`.
    pub rule: &'static str,
    /// File, sample or group.
    pub at: String,
    pub problem: String,
}

/// What was looked at, and what is wrong with it.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Verified {
    pub files: u64,
    pub rows: u64,
    /// Media files whose digest was checked.
    pub media: u64,
    /// The first [`MAX_SHOWN`] of each rule.
    pub problems: Vec<Problem>,
    /// All problems by rule.
    pub counts: BTreeMap<&'static str, u64>,
}

/// Problems kept of each rule; the rest is counted.
pub const MAX_SHOWN: u64 = 20;

impl Verified {
    fn add(&mut self, rule: &'static str, at: impl ToString, problem: impl ToString) {
        let count = self.counts.entry(rule).or_default();
        *count += 1;
        if *count <= MAX_SHOWN {
            let (at, problem) = (at.to_string(), problem.to_string());
            self.problems.push(Problem { rule, at, problem });
        }
    }

    pub fn is_sound(&self) -> bool {
        self.counts.is_empty()
    }
}

/// Checks a release folder; with `layout`, the bytes of its media too.
pub fn verify(folder: &Path, layout: Option<&Layout>) -> Result<Verified, ManifestError> {
    let mut v = Verified::default();
    if !check_files(folder, &mut v)? {
        return Ok(v);
    }
    let (recalled, bytes) = read_recall(&folder.join("recall.json"), &mut v);
    // The list beside the versions is that of the newest release.
    let newest = folder.parent().map(|dataset| dataset.join("recall.json"));
    let (since, bytes_since) = match newest.filter(|path| layout.is_some() && path.is_file()) {
        Some(path) => read_recall(&path, &mut v),
        None => Default::default(),
    };
    let mut splits: HashMap<String, Split> = HashMap::new();
    let mut together: HashMap<(&'static str, String), Split> = HashMap::new();
    let mut ids: HashSet<SampleId> = HashSet::new();
    let mut by_status: BTreeMap<Status, u64> = BTreeMap::new();

    // A part that cannot be read is one problem among others.
    let reader = match ReleaseReader::open(folder) {
        Ok(reader) => reader,
        Err(error) => {
            v.add("row", folder.display(), error);
            return Ok(v);
        }
    };
    let mut last = None;
    for batch in reader.accepted() {
        let samples = match batch {
            Ok(samples) => samples,
            Err(error) => {
                v.add("row", "accepted rows", error);
                break;
            }
        };
        for sample in samples {
            check_row(&sample, &mut v, &mut ids, &mut by_status);
            check_accepted(&sample, &recalled, &bytes, &mut v);
            check_split(&sample, &mut splits, &mut together, &mut v);
            let key = order_key(&sample);
            if last.as_ref().is_some_and(|l| *l > key) {
                v.add("order", sample.sample_id, "the row stands out of order");
            }
            last = Some(key);
            if let (Some(layout), Some(digest)) = (layout, &sample.media_sha256) {
                match since.contains(&sample.sample_id) || bytes_since.contains(digest) {
                    true => check_gone(layout, digest, &sample, &mut v),
                    false => check_media(layout, digest, &sample, &mut v),
                }
            }
        }
    }
    for batch in reader.excluded() {
        let samples = match batch {
            Ok(samples) => samples,
            Err(error) => {
                v.add("row", "excluded rows", error);
                break;
            }
        };
        for sample in samples {
            check_row(&sample, &mut v, &mut ids, &mut by_status);
            if sample.status == Status::Accepted {
                v.add(
                    "count",
                    sample.sample_id,
                    "an accepted row stands among the excluded",
                );
            } else if sample.reasons.is_empty() {
                v.add("count", sample.sample_id, "an excluded row gives no reason");
            }
        }
    }
    check_summary(folder, &reader, &by_status, &mut v);
    Ok(v)
}

/// Region, country, id; unknown last.
fn order_key(s: &Sample) -> ((bool, String), (bool, String), SampleId) {
    let part = |t: &Option<String>| (t.is_none(), t.clone().unwrap_or_default());
    (part(&s.region), part(&s.country), s.sample_id)
}

/// Files against `SHA256SUMS`. False where something is no regular file: a pipe
/// would be waited for, a link leads who knows where.
fn check_files(folder: &Path, v: &mut Verified) -> Result<bool, ManifestError> {
    let entries = fs::read_dir(folder).map_err(|error| ManifestError::Io {
        path: folder.to_owned(),
        error,
    })?;
    let mut there = BTreeSet::new();
    let mut regular = true;
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            v.add("file", &name, "it is no regular file");
            regular = false;
        }
        there.insert(name);
    }
    if regular {
        check_sums(folder, &there, v);
    }
    Ok(regular)
}

fn check_sums(folder: &Path, there: &BTreeSet<String>, v: &mut Verified) {
    let path = folder.join(SUMS);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) => {
            v.add("file", path.display(), e);
            return;
        }
    };
    let lines = match sums::parse(&text) {
        Ok(lines) => lines,
        Err(error) => {
            v.add("digest", path.display(), error);
            return;
        }
    };
    let mut listed = HashSet::new();
    for line in lines {
        v.files += 1;
        match digest::of_file(&folder.join(&line.name)) {
            Ok((found, _)) if found == line.sha256 => {}
            Ok((found, _)) => v.add(
                "digest",
                &line.name,
                format!("sha256 is {found}, not {}", line.sha256),
            ),
            Err(e) => v.add("file", &line.name, e),
        }
        listed.insert(line.name);
    }
    for name in there {
        if name != SUMS && !listed.contains(name) {
            v.add("file", name, "the file is not in SHA256SUMS");
        }
    }
}

fn read_recall(path: &Path, v: &mut Verified) -> (BTreeSet<SampleId>, BTreeSet<Digest>) {
    match recall::read_list(path) {
        Ok(list) => (list.samples(), list.digests()),
        Err(e) => {
            v.add("recall", path.display(), e);
            Default::default()
        }
    }
}

fn check_row(
    sample: &Sample,
    v: &mut Verified,
    ids: &mut HashSet<SampleId>,
    by_status: &mut BTreeMap<Status, u64>,
) {
    v.rows += 1;
    *by_status.entry(sample.status).or_default() += 1;
    if SampleId::new(&sample.source, &sample.source_key) != sample.sample_id {
        v.add(
            "id",
            sample.sample_id,
            "the id is not that of `source` and `source_key`",
        );
    }
    if !ids.insert(sample.sample_id) {
        v.add("id", sample.sample_id, "the id stands twice");
    }
    let worst = sample
        .reasons
        .iter()
        .map(|r| r.status())
        .max()
        .unwrap_or(Status::Accepted);
    if worst > sample.status {
        v.add(
            "count",
            sample.sample_id,
            "the status is milder than its reasons",
        );
    }
}

fn check_accepted(
    sample: &Sample,
    recalled: &BTreeSet<SampleId>,
    bytes: &BTreeSet<Digest>,
    v: &mut Verified,
) {
    let id = sample.sample_id;
    if sample.status != Status::Accepted {
        v.add(
            "count",
            id,
            format!(
                "a row of status `{}` stands among the accepted",
                sample.status
            ),
        );
    }
    match &sample.licence {
        None => v.add("licence", id, "accepted without a licence"),
        Some(text) => {
            if let Err(e) = licence::parse(text) {
                v.add("licence", id, e);
            }
        }
    }
    if !sample.subject_ids.is_empty() && sample.consent_state != Some(ConsentState::Given) {
        v.add("consent", id, "people are shown without a consent in force");
    }
    if sample.manipulation.is_some() {
        if sample.subject_ids.is_empty() || !sample.consent_purposes.contains(&Purpose::Manipulate)
        {
            v.add(
                "consent",
                id,
                "it is manipulated, and not everybody shown agreed to `manipulate`",
            );
        }
        if sample.derived_from.is_empty() {
            v.add(
                "consent",
                id,
                "it is manipulated, and not said from what it was made",
            );
        }
    }
    if recalled.contains(&id) {
        v.add(
            "recall",
            id,
            "the sample is on the recall list and accepted",
        );
    }
    if let Some(digest) = sample.media_sha256.filter(|d| bytes.contains(d)) {
        v.add(
            "recall",
            id,
            format!("its bytes `{digest}` are on the recall list, and it is accepted"),
        );
    }
}

/// What must stand in one split: the group, each subject, each picture's bytes.
fn check_split(
    sample: &Sample,
    splits: &mut HashMap<String, Split>,
    together: &mut HashMap<(&'static str, String), Split>,
    v: &mut Verified,
) {
    let Some(split) = sample.split else {
        v.add("split", sample.sample_id, "an accepted sample has no split");
        return;
    };
    if let Some(group) = &sample.split_group {
        let first = *splits.entry(group.clone()).or_insert(split);
        if first != split {
            v.add(
                "split",
                group,
                format!("the group stands in `{first}` and `{split}`"),
            );
        }
    }
    let subjects = sample.subject_ids.iter();
    let subjects = subjects.map(|s| ("subject", format!("{}/{s}", sample.source)));
    let bytes = sample.media_sha256.iter().map(|d| ("media", d.to_string()));
    for key in subjects.chain(bytes) {
        let what = format!("{} {}", key.0, key.1);
        let first = *together.entry(key).or_insert(split);
        if first != split {
            v.add(
                "split",
                what,
                format!("it stands in `{first}` and `{split}`"),
            );
        }
    }
}

/// The media of what was withdrawn since this release.
fn check_gone(layout: &Layout, digest: &Digest, sample: &Sample, v: &mut Verified) {
    v.media += 1;
    if layout.media(digest).exists() {
        v.add(
            "recall",
            sample.sample_id,
            "withdrawn since, and its bytes are still there; pull again, or apply the newest `recall.json`",
        );
    }
}

fn check_media(layout: &Layout, digest: &Digest, sample: &Sample, v: &mut Verified) {
    v.media += 1;
    match digest::of_file(&layout.media(digest)) {
        Ok((found, _)) if found == *digest => {}
        Ok((found, _)) => v.add(
            "media",
            sample.sample_id,
            format!("the bytes have sha256 {found}"),
        ),
        Err(e) => v.add("media", sample.sample_id, e),
    }
}

/// Rows say of which release they are; their summary must say the same.
fn check_stamps(reader: &ReleaseReader, summary: &Summary, v: &mut Verified) {
    let version = summary.version.to_string();
    let stamps = [
        (Column::Dataset, summary.dataset.as_str()),
        (Column::Version, version.as_str()),
    ];
    let mut others = BTreeSet::new();
    for batch in reader.all_columns(&stamps.map(|(column, _)| column)) {
        let Ok(batch) = batch else {
            return; // said already
        };
        for (column, stated) in stamps {
            let array = batch.column_by_name(column.name());
            let texts = array.and_then(|a| a.as_string_opt::<i32>());
            let found = texts.into_iter().flatten().flatten();
            let odd = found.filter(|found| *found != stated);
            others.extend(odd.map(|found| (column.name(), found.to_owned())));
            if others.len() > MAX_SHOWN as usize {
                break;
            }
        }
    }
    for (column, found) in others {
        v.add(
            "count",
            "summary.json",
            format!(
                "it is of {} {version}, and there are rows with `{column}` `{found}`",
                summary.dataset
            ),
        );
    }
}

fn check_summary(
    folder: &Path,
    reader: &ReleaseReader,
    by_status: &BTreeMap<Status, u64>,
    v: &mut Verified,
) {
    let read = fs::read_to_string(folder.join("summary.json")).map_err(|e| e.to_string());
    let parsed = read.and_then(|t| serde_json::from_str::<Summary>(&t).map_err(|e| e.to_string()));
    match parsed {
        Err(e) => v.add("count", "summary.json", e),
        Ok(summary) => {
            check_stamps(reader, &summary, v);
            let counts = &summary.counts;
            if counts.by_status != *by_status {
                v.add(
                    "count",
                    "summary.json",
                    "counts by status are not those of the rows",
                );
            }
            if counts.listed != by_status.values().sum::<u64>() {
                v.add(
                    "count",
                    "summary.json",
                    "samples listed and rows differ in number",
                );
            }
        }
    }
}

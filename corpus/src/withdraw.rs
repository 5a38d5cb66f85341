//! Withdraw: what is made from a withdrawn person goes.
//!
//! Everything made is judged by the actors' newest release and by the consents as they stand
//! now. What nobody answers for any more is removed: frames and crops of a video that is not
//! accepted, fakes and masks of which one side may not be manipulated, every clip of them, and
//! whatever a killed run left half made. The list of clips keeps a row for each, with the
//! reason, so that the next release of the corpus withdraws and recalls it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use fairframe_ingest::{
    atomic,
    disk::{self, Held},
};
use fairframe_schemas::{Layout, Name, Reason, SampleId, corpus::PairRow};
use serde::{Deserialize, Serialize};

use crate::{
    cast::{Cast, CastError, Video},
    clips, detector,
    item::Stage,
    pair,
};

/// The file of a corpus's folder that says where it was declared.
const DECLARED: &str = "declared.json";

/// Stages that make items, and what an item's name begins with.
pub const FRAMES: &str = "frames";
pub const FAKES: &str = "fakes";
pub const CLIPS: &str = "clips";

/// Where a corpus was declared: its people are asked about at every ingest of theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredAt {
    /// Its `source.toml`, absolute.
    pub source: PathBuf,
    /// That of the actors, absolute.
    pub actors: PathBuf,
    pub actors_dataset: Name,
}

/// What went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Gone {
    pub frames: u64,
    pub fakes: u64,
    pub clips: u64,
    /// Pairs of the plan that may not be made any more; planned anew, they are refused rows.
    pub pairs: u64,
}

impl Gone {
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}

/// Why withdrawals could not be followed.
#[derive(Debug, thiserror::Error)]
pub enum WithdrawError {
    #[error("{}: {error}{}", path.display(), disk::remedy(error))]
    Io { path: PathBuf, error: io::Error },
    #[error("another process works on corpus `{0}`; wait for it to end, and run this again")]
    Held(Name),
    #[error(transparent)]
    Cast(#[from] CastError),
    #[error(transparent)]
    Pair(#[from] pair::PairError),
}

/// One process at a time makes a corpus, or takes from it.
pub fn hold(layout: &Layout, corpus: &Name) -> Result<Held, WithdrawError> {
    let path = layout.corpus(corpus).join("lock");
    let open = || {
        fs::create_dir_all(layout.corpus(corpus))?;
        File::options().create(true).append(true).open(&path)
    };
    let wrap = |error| WithdrawError::Io {
        path: path.clone(),
        error,
    };
    Held::try_lock(open().map_err(wrap)?).map_err(|error| match error {
        TryLockError::WouldBlock => WithdrawError::Held(corpus.clone()),
        TryLockError::Error(error) => wrap(error),
    })
}

/// Remembers where a corpus was declared, before anything is made of it.
pub fn remember(layout: &Layout, corpus: &Name, at: &DeclaredAt) -> Result<(), WithdrawError> {
    let path = layout.corpus(corpus).join(DECLARED);
    let text = serde_json::to_vec_pretty(at).map_err(io::Error::from);
    text.and_then(|text| atomic::write(&path, &text))
        .map_err(|error| WithdrawError::Io { path, error })
}

/// The corpora made from the people of a dataset.
pub fn made_from(layout: &Layout, actors: &Name) -> Result<Vec<(Name, DeclaredAt)>, WithdrawError> {
    let folder = layout.corpora();
    let wrap = |path: &Path| {
        let path = path.to_owned();
        move |error| WithdrawError::Io { path, error }
    };
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(wrap(&folder))?,
    };
    let mut found = BTreeMap::new();
    for entry in entries {
        let path = entry.map_err(wrap(&folder))?.path();
        let name = path.file_name().and_then(|n| Name::new(n.to_str()?).ok());
        let declared = path.join(DECLARED);
        let Some(name) = name.filter(|_| declared.is_file()) else {
            continue;
        };
        let text = fs::read(&declared).map_err(wrap(&declared))?;
        let at: DeclaredAt =
            serde_json::from_slice(&text).map_err(|e| wrap(&declared)(e.into()))?;
        if at.actors_dataset == *actors {
            found.insert(name, at);
        }
    }
    Ok(found.into_iter().collect())
}

/// Removes what nobody answers for any more.
pub fn withdraw(layout: &Layout, corpus: &Name, cast: &Cast) -> Result<Gone, WithdrawError> {
    let folder = layout.corpus(corpus);
    let wrap = |path: &Path| {
        let path = path.to_owned();
        move |error| WithdrawError::Io { path, error }
    };
    let pairs = pair::read(&folder)?;
    let answered = Answered::of(cast, &pairs);
    // The list first: killed after it, the next run still removes the files.
    let listed =
        clips::read(&folder).map_err(wrap(&folder.join(fairframe_schemas::corpus::CLIPS)))?;
    if !listed.is_empty() {
        let manipulable = cast.manipulable();
        let rows = listed
            .into_iter()
            .map(|line| match clips::gone(&line.sample, cast, &manipulable) {
                Some(reason) => clips::withdrawn(line.sample, reason),
                None => line,
            })
            .collect();
        clips::write(&folder, rows, cast)
            .map_err(wrap(&folder.join(fairframe_schemas::corpus::CLIPS)))?;
    }
    let planned = pairs.iter().filter(|p| p.accepted().is_some());
    let mut gone = Gone {
        pairs: planned
            .filter(|p| !answered.has(&p.pair_id.to_string()))
            .count() as u64,
        ..Gone::default()
    };
    let mut leaving = Vec::new();
    for stage in [FRAMES, FAKES, CLIPS] {
        let items = Stage::new(&folder, stage);
        let at = items.folder("");
        let mut names = items.items().map_err(wrap(&at))?;
        names.extend(items.unfinished().map_err(wrap(&at))?);
        names.retain(|name| !answered.has(name));
        leaving.extend(names.into_iter().map(|name| (stage, name)));
    }
    // What the baseline detector learned of them, before the last trace that it did.
    if gone.pairs > 0 || !leaving.is_empty() {
        let report = detector::folder(layout, corpus);
        match fs::remove_dir_all(&report) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(wrap(&report)(error));
            }
            _ => {}
        }
    }
    for (stage, name) in leaving {
        let items = Stage::new(&folder, stage);
        let removed = items.remove(&name).map_err(wrap(&items.folder(&name)))?;
        *match stage {
            FRAMES => &mut gone.frames,
            FAKES => &mut gone.fakes,
            _ => &mut gone.clips,
        } += u64::from(removed);
    }
    Ok(gone)
}

/// What somebody answers for: videos, and fakes by their pairing.
struct Answered(BTreeSet<String>);

impl Answered {
    fn of(cast: &Cast, pairs: &[PairRow]) -> Self {
        let shown = |v: &&Video| cast.against_showing(v).is_none();
        let accepted = cast.videos.iter().filter(shown);
        let mut names: BTreeSet<String> =
            accepted.map(|v| v.sample.sample_id.to_string()).collect();
        let manipulable = cast.manipulable();
        let may = |id: &SampleId| manipulable.get(id) == Some(&None::<Reason>);
        for pair in pairs {
            if let Some((target, source)) = pair.target_sample.zip(pair.source_sample)
                && may(&target)
                && may(&source)
            {
                names.insert(pair.pair_id.to_string());
            }
        }
        Self(names)
    }

    /// Items are named `<video or pairing>[--<method>][--<rung>]`.
    fn has(&self, item: &str) -> bool {
        let of = item.split_once("--").map_or(item, |(of, _)| of);
        self.0.contains(of)
    }
}

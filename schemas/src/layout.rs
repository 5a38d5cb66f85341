//! Where things are kept.

use std::path::{Path, PathBuf};

use crate::{DatasetVersion, Digest, Name};

/// The data folder of an installation.
///
/// ```text
/// <root>/
///   store/ab/cd/<sha256>              media bytes, by content
///   thumbnails/ab/cd/<sha256>.jpg     made once from them
///   manifests/<dataset>/<version>/    releases: public columns only
///     part-00000.parquet ...          accepted rows
///     excluded.parquet                all other rows, same columns
///     croissant.json  card.html  ATTRIBUTION.csv  ATTRIBUTION.html
///     recall.json  summary.json  SHA256SUMS
///   manifests/<dataset>/recall.json   all that was ever withdrawn, asked for by copies of any release
///   restricted/<dataset>/<version>/   restricted.parquet: never served
///   receipts/<dataset>/               consent receipts (JSON-LD): to curators only
///   decisions/<dataset>.json          what curators decided, as approved for the next release; never served
///   journal/<dataset>.sqlite          what a running ingest has done so far
///   pulled/<dataset>/<version>/       in a copy, of what it holds: ATTRIBUTION.csv, ATTRIBUTION.html,
///                                     samples.csv (id -> file), failures.csv
///   corpora/<dataset>/                what a corpus is made of; never served
///     pairs.parquet  pairing.json     who is swapped with whom, and who is not, and why
///     frames/<sample>/                one folder a clip: faces found, crops, contact sheet
///     fakes/<fake>/                   one a swap: master, mask, quality of each frame
///     clips/<clip>--<rung>/           one a clip and quality: what is released
///     clips.jsonl                     the samples of the release to come
///   competitions/<name>/              definitions, truths, submissions, results, boards; never served
///   signing/                          key and certificates that fakes are labelled with; never served
///   state.sqlite                      what the server remembers: accounts, decisions, audit chain; never served
///   reports/<name>/                   report.html, report.json, groups.parquet, disparities.parquet, item_results.parquet
/// ```
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// Where the bytes with this digest stand.
    pub fn media(&self, digest: &Digest) -> PathBuf {
        by_digest(self.store(), digest, "")
    }

    pub fn thumbnail(&self, digest: &Digest) -> PathBuf {
        by_digest(self.root.join("thumbnails"), digest, ".jpg")
    }

    pub fn manifests(&self) -> PathBuf {
        self.root.join("manifests")
    }

    pub fn dataset(&self, dataset: &Name) -> PathBuf {
        self.manifests().join(dataset.as_str())
    }

    pub fn release(&self, dataset: &Name, version: DatasetVersion) -> PathBuf {
        self.dataset(dataset).join(version.to_string())
    }

    /// What was withdrawn up to now.
    pub fn recall(&self, dataset: &Name) -> PathBuf {
        self.dataset(dataset).join("recall.json")
    }

    /// What a pull keeps for itself.
    pub fn pulled(&self) -> PathBuf {
        self.root.join("pulled")
    }

    pub fn restricted(&self, dataset: &Name, version: DatasetVersion) -> PathBuf {
        self.root
            .join("restricted")
            .join(dataset.as_str())
            .join(version.to_string())
    }

    pub fn receipts(&self, dataset: &Name) -> PathBuf {
        self.root.join("receipts").join(dataset.as_str())
    }

    /// What curators decided.
    pub fn decisions(&self, dataset: &Name) -> PathBuf {
        self.root.join("decisions").join(format!("{dataset}.json"))
    }

    pub fn journal(&self, dataset: &Name) -> PathBuf {
        self.root.join("journal").join(format!("{dataset}.sqlite"))
    }

    /// Where a corpus is made.
    pub fn corpus(&self, dataset: &Name) -> PathBuf {
        self.corpora().join(dataset.as_str())
    }

    pub fn corpora(&self) -> PathBuf {
        self.root.join("corpora")
    }

    /// What a competition keeps.
    pub fn competition(&self, competition: &Name) -> PathBuf {
        self.root.join("competitions").join(competition.as_str())
    }

    /// Where competitions that are uploaded are unpacked; no competition has such a name.
    pub fn openings(&self) -> PathBuf {
        self.root.join("competitions").join(".opening")
    }

    pub fn signing(&self) -> PathBuf {
        self.root.join("signing")
    }

    /// The server's database.
    pub fn state(&self) -> PathBuf {
        self.root.join("state.sqlite")
    }

    pub fn reports(&self) -> PathBuf {
        self.root.join("reports")
    }
}

fn by_digest(base: PathBuf, digest: &Digest, suffix: &str) -> PathBuf {
    let hex = digest.to_string();
    base.join(&hex[..2])
        .join(&hex[2..4])
        .join(format!("{hex}{suffix}"))
}

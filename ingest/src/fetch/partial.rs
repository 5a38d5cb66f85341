//! The part of a long transfer that a later run may go on with.
//!
//! Beside the bytes stands a small JSON file that says what they are a part of.
//! A part is taken up only if
//!
//! - it is of the same URL,
//! - the server gave a **strong** validator (an `ETag` without `W/`, or else
//!   `Last-Modified`), which goes along as `If-Range`, so that a changed file
//!   comes whole and is never mixed with the old part,
//! - the machine has not been started anew since: after a power cut the length
//!   of a file may have reached the disk before its content.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::PathBuf,
};

use fairframe_schemas::SampleId;
use reqwest::header::{self, HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::store::{Digests, Store, Writer};

/// Transfers become resumable by a later run once this many bytes came; for
/// less, starting again is cheaper than keeping books.
pub(super) const KEEP_FROM: u64 = 4 << 20;

/// Largest such JSON file that is read.
const MAX_NOTE: u64 = 64 << 10;

/// What the bytes are a part of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    pub url: String,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    /// Of the whole file.
    pub length: Option<u64>,
    pub content_type: Option<String>,
    pub opt_out: Vec<String>,
    pub boot: String,
}

impl Note {
    /// What an answer says of the file it carries.
    pub fn of(url: &str, headers: &HeaderMap, length: Option<u64>) -> Self {
        let text = |name| {
            let value: &HeaderValue = headers.get(name)?;
            Some(value.to_str().ok()?.trim().to_owned())
        };
        Self {
            url: url.to_owned(),
            etag: text(header::ETAG).filter(|tag| tag.starts_with('"')),
            last_modified: text(header::LAST_MODIFIED),
            length,
            content_type: text(header::CONTENT_TYPE).and_then(|t| essence(&t)),
            opt_out: Vec::new(),
            boot: boot(),
        }
    }

    /// What `If-Range` carries.
    pub fn validator(&self) -> Option<&str> {
        self.etag.as_deref().or(self.last_modified.as_deref())
    }

    /// Whether a `206` is a part of the same version. It may leave out what
    /// `If-Range` has already proven, but not the `ETag` (RFC 9110, 15.3.7).
    pub fn is_continued_by(&self, part: &Note) -> bool {
        let lengths = match (self.length, part.length) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        let versions = match &self.etag {
            Some(tag) => part.etag.as_ref() == Some(tag),
            None => part.last_modified.is_none() || part.last_modified == self.last_modified,
        };
        lengths && versions
    }

    /// Whether a whole answer is of the same version.
    pub fn agrees(&self, other: &Note) -> bool {
        let lengths = match (self.length, other.length) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        let versions = match (&self.etag, &other.etag) {
            (Some(a), Some(b)) => a == b,
            (None, None) => self.last_modified == other.last_modified,
            _ => false,
        };
        lengths && versions
    }
}

/// `Image/JPEG; q=1` is `image/jpeg`.
fn essence(content_type: &str) -> Option<String> {
    let essence = content_type.split(';').next()?.trim().to_ascii_lowercase();
    (!essence.is_empty() && essence.len() <= 100).then_some(essence)
}

/// Names this start of the machine; empty where the system does not say.
fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

fn note_path(store: &Store, sample_id: SampleId) -> PathBuf {
    store.partial(sample_id).with_extension("json")
}

/// The part an earlier run left of this URL, if it may be gone on with.
pub(super) fn take_up(
    store: &Store,
    sample_id: SampleId,
    url: &str,
    digests: Digests,
) -> io::Result<Option<(Writer, Note)>> {
    let Some(writer) = store.resume(sample_id, digests)? else {
        return Ok(None);
    };
    match read(store, sample_id) {
        Some(note)
            if note.url == url
                && note.boot == boot()
                && !note.boot.is_empty()
                && note.validator().is_some()
                && note.length.is_none_or(|n| writer.bytes() <= n) =>
        {
            Ok(Some((writer, note)))
        }
        _ => {
            writer.discard();
            Ok(None)
        }
    }
}

fn read(store: &Store, sample_id: SampleId) -> Option<Note> {
    let mut text = String::new();
    File::open(note_path(store, sample_id))
        .ok()?
        .take(MAX_NOTE)
        .read_to_string(&mut text)
        .ok()?;
    serde_json::from_str(&text).ok()
}

/// Keeps the bytes and the note for a later run, if no other process is at it.
pub(super) fn keep(writer: &mut Writer, sample_id: SampleId, note: &Note) -> io::Result<bool> {
    if !writer.keep(sample_id)? {
        return Ok(false);
    }
    let path = note_path(writer.store(), sample_id);
    let new = path.with_extension("json.new");
    let mut file = File::create(&new)?;
    file.write_all(&serde_json::to_vec(note)?)?;
    fs::rename(new, path)?;
    Ok(true)
}

pub(super) fn forget(store: &Store, sample_id: SampleId) -> io::Result<()> {
    match fs::remove_file(note_path(store, sample_id)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

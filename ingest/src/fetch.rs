//! From where the bytes are to the store, checked on the way.
//!
//! What goes wrong with a sample is a [`FetchFailure`] with a reason code for its
//! row. Only a store that takes no bytes ends a run. Long transfers go on where they
//! stopped, within a run and after a crash; see [`transfer`].

mod partial;
#[cfg(test)]
mod tests;
mod transfer;

use std::{
    io::{self, Read},
    path::PathBuf,
};

use fairframe_schemas::{Digest, Reason, SampleId, source::FetchLimits};
use url::Url;

use crate::{
    archive::{self, ArchiveError},
    disk::DiskError,
    http::{Http, HttpConfig, HttpError},
    opt_out::OptOuts,
    source::{Expected, MediaRef},
    ssrf::shown,
    store::{Digests, Store, Written},
};
use transfer::Transfer;

/// Bytes that are now in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    pub sha256: Digest,
    pub bytes: u64,
    /// The type the server stated, lower case and without parameters.
    pub content_type: Option<String>,
    /// Words for the manifest's `opt_out`.
    pub opt_out: Vec<String>,
}

/// Why a sample's bytes are not in the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FetchFailure {
    pub reason: Reason,
    /// Names the URL or file.
    pub message: String,
    /// Opt-outs that were seen before it failed.
    pub opt_out: Vec<String>,
}

impl FetchFailure {
    fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            opt_out: Vec::new(),
        }
    }
}

impl From<HttpError> for FetchFailure {
    fn from(error: HttpError) -> Self {
        Self::new(error.reason(), error.to_string())
    }
}

/// Why a fetch ended: the sample's affair, or our own.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    Sample(#[from] FetchFailure),
    /// The store does not take the bytes, or gives them back.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl FetchError {
    fn store(store: &Store, error: io::Error) -> Self {
        let path: PathBuf = store.root();
        Self::Disk(DiskError { path, error })
    }
}

/// Why nothing can be fetched at all.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchSetupError {
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// Fetches media into a store. Clones share connections and manners.
#[derive(Clone)]
pub struct Fetcher {
    http: Http,
    opt_outs: Option<OptOuts>,
    store: Store,
    max_bytes: u64,
}

impl Fetcher {
    pub fn new(limits: &FetchLimits, store: Store) -> Result<Self, FetchSetupError> {
        let http = Http::new(HttpConfig::from(limits))?;
        Ok(Self::with_http(http, limits, store))
    }

    /// With a client that others use too, so that a host sees one pace.
    pub fn with_http(http: Http, limits: &FetchLimits, store: Store) -> Self {
        Self {
            opt_outs: limits.opt_outs.then(|| OptOuts::new(http.clone())),
            http,
            store,
            max_bytes: limits.max_bytes,
        }
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The same with another limit on the size of a file.
    pub fn limited(&self, max_bytes: u64) -> Self {
        Self {
            max_bytes,
            ..self.clone()
        }
    }

    /// Brings a sample's bytes into the store and checks them against what the
    /// source expects. `sample_id` names the part of a long transfer that a
    /// later call goes on with.
    pub async fn fetch(
        &self,
        sample_id: SampleId,
        media: &MediaRef,
        expected: &Expected,
    ) -> Result<Fetched, FetchError> {
        match media {
            MediaRef::None => {
                let message = "the record has no media";
                Err(FetchFailure::new(Reason::FileMissing, message).into())
            }
            MediaRef::Url(text) => {
                let url = Url::parse(text).map_err(|e| {
                    let text = shown(text);
                    FetchFailure::new(
                        Reason::FetchRefusedAddress,
                        format!("`{text}` is not a URL: {e}"),
                    )
                })?;
                Transfer {
                    http: &self.http,
                    opt_outs: self.opt_outs.as_ref(),
                    store: &self.store,
                    max_bytes: self.max_bytes,
                    sample_id,
                    url: &url,
                    expected,
                }
                .run()
                .await
            }
            MediaRef::File { .. } | MediaRef::Member { .. } => {
                let (store, wanted, max) = (self.store.clone(), media.clone(), self.max_bytes);
                let expected = expected.clone();
                let copied =
                    tokio::task::spawn_blocking(move || copy(&store, &wanted, &expected, max));
                let written = copied.await.map_err(|e| {
                    FetchFailure::new(Reason::FileMissing, format!("reading the file: {e}"))
                })??;
                Ok(Fetched {
                    sha256: written.sha256,
                    bytes: written.bytes,
                    content_type: None,
                    opt_out: Vec::new(),
                })
            }
        }
    }
}

fn name_of(media: &MediaRef) -> String {
    match media {
        MediaRef::None => String::new(),
        MediaRef::Url(url) => shown(url),
        MediaRef::File { path, .. } => path.display().to_string(),
        MediaRef::Member { archive, name } => format!("{}: {name}", archive.display()),
    }
}

/// Reads a file of a drop once, into the store if it is what was expected.
fn copy(
    store: &Store,
    media: &MediaRef,
    expected: &Expected,
    max_bytes: u64,
) -> Result<Written, FetchError> {
    let inner = archive::open_media(media).map_err(|error| match error {
        ArchiveError::Spool { path, error } => DiskError { path, error }.into(),
        error => FetchError::from(FetchFailure::new(error.reason(), error.to_string())),
    })?;
    let mut reader = Marked {
        inner,
        failed: false,
    };
    match store.copy_from(&mut reader, max_bytes, digests(expected)) {
        Ok(Some(writer)) => {
            check(&writer.written(), expected, &name_of(media))?;
            writer.commit().map_err(|e| FetchError::store(store, e))
        }
        Ok(None) => {
            let message = format!("`{}` is larger than {max_bytes} bytes", name_of(media));
            Err(FetchFailure::new(Reason::FetchTooLarge, message).into())
        }
        Err(e) if reader.failed => {
            let message = format!("`{}` cannot be read to its end: {e}", name_of(media));
            Err(FetchFailure::new(Reason::FetchTruncated, message).into())
        }
        Err(e) => Err(FetchError::store(store, e)),
    }
}

/// Remembers whether it was reading that failed, and not writing.
struct Marked<R> {
    inner: R,
    failed: bool,
}

impl<R: Read> Read for Marked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.inner.read(buffer);
        self.failed |= matches!(&result, Err(e) if e.kind() != io::ErrorKind::Interrupted);
        result
    }
}

/// A sha1 costs as much as the sha256: it is computed where one is stated.
fn digests(expected: &Expected) -> Digests {
    match expected.sha1 {
        Some(_) => Digests::Sha256AndSha1,
        None => Digests::Sha256,
    }
}

/// Compares what came with what the source announced. The digests come first:
/// they say more than a length.
fn check(written: &Written, expected: &Expected, name: &str) -> Result<(), FetchFailure> {
    let mismatch = |kind, stated: &dyn std::fmt::Display, found: &dyn std::fmt::Display| {
        Err(FetchFailure::new(
            Reason::DigestMismatch,
            format!("`{name}`: the source states {kind} {stated}, the bytes have {found}"),
        ))
    };
    if let Some(stated) = &expected.sha256
        && *stated != written.sha256
    {
        return mismatch("sha256", stated, &written.sha256);
    }
    if let (Some(stated), Some(found)) = (&expected.sha1, &written.sha1)
        && !stated.eq_ignore_ascii_case(found)
    {
        return mismatch("sha1", &shown(stated), found);
    }
    match expected.bytes {
        Some(stated) if stated != written.bytes => Err(FetchFailure::new(
            Reason::FetchTruncated,
            format!(
                "`{name}`: the source states {stated} bytes, {} came",
                written.bytes
            ),
        )),
        _ => Ok(()),
    }
}

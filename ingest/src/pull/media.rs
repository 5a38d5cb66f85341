//! The bytes of the accepted samples into the copy's store.

use fairframe_schemas::{Digest, Reason, SampleId, Split};
use futures_util::{StreamExt, stream};
use url::Url;

use super::{
    Clients, PullError,
    files::Release,
    origin::Origin,
    recalls::Withdrawn,
    record::{Failed, Mark, Record},
};
use crate::{
    fetch::{FetchError, FetchFailure, Fetcher},
    manifest::ReleaseReader,
    reporter::Reporter,
    source::{Expected, MediaRef, wikimedia::wants_contact},
    ssrf::shown,
    store::Store,
};

/// Largest file fetched of which the manifest states no size: 200 MiB.
pub const MAX_UNSTATED: u64 = 200 << 20;

/// Outcomes committed together. A kill loses no bytes: what is in the store
/// and not yet on record is read once more.
const COMMIT: usize = 512;

/// What a pull did for the samples, and did not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Samples {
    /// Accepted samples of the release, or of the split asked for.
    pub wanted: u64,
    /// There already: known to be right, or read once and found right.
    pub present: u64,
    pub fetched: u64,
    pub fetched_bytes: u64,
    pub failed: u64,
    /// On the recall list: not downloaded.
    pub recalled: u64,
    /// Records without media.
    pub without_media: u64,
}

pub(super) struct Job<'a> {
    pub origin: &'a Origin,
    pub clients: &'a Clients,
    pub store: &'a Store,
    pub record: &'a Record,
    pub withdrawn: &'a Withdrawn,
    pub split: Option<Split>,
    pub jobs: usize,
}

/// What is needed of a row.
struct Wanted {
    place: u64,
    sample_id: SampleId,
    digest: Digest,
    bytes: Option<u64>,
    source_url: Option<String>,
}

enum Done {
    Recalled,
    WithoutMedia,
    Trusted,
    Read(Digest, Mark),
    Fetched(Digest, Mark, u64),
    Failed(Failed),
}

enum Row {
    Wanted(Wanted),
    Known(Done),
}

impl Job<'_> {
    pub async fn run(
        &self,
        release: &Release,
        reporter: &dyn Reporter,
    ) -> Result<Samples, PullError> {
        let counts = &release.summary.counts;
        let total = match self.split {
            None => counts.accepted(),
            Some(split) => counts.splits.get(&split).copied().unwrap_or(0),
        };
        reporter.stage("media", Some(total));
        let reader = ReleaseReader::open(&release.folder)?;
        let mut done = stream::iter(self.rows(&reader))
            .map(|row| async {
                match row? {
                    Row::Wanted(wanted) => self.one(wanted).await,
                    Row::Known(done) => Ok(done),
                }
            })
            .buffer_unordered(self.jobs.max(1))
            .ready_chunks(64);
        let mut tally = Samples::default();
        let (mut right, mut failed) = (Vec::new(), Vec::new());
        while let Some(chunk) = done.next().await {
            for done in chunk {
                tally.wanted += 1;
                reporter.advance(1);
                match done? {
                    Done::Recalled => tally.recalled += 1,
                    Done::WithoutMedia => tally.without_media += 1,
                    Done::Trusted => tally.present += 1,
                    Done::Read(digest, mark) => {
                        tally.present += 1;
                        right.push((digest, mark));
                    }
                    Done::Fetched(digest, mark, bytes) => {
                        tally.fetched += 1;
                        tally.fetched_bytes += bytes;
                        right.push((digest, mark));
                    }
                    Done::Failed(row) => {
                        tally.failed += 1;
                        failed.push(row);
                    }
                }
            }
            if right.len() + failed.len() >= COMMIT {
                self.commit(&mut right, &mut failed).await?;
            }
        }
        self.commit(&mut right, &mut failed).await?;
        Ok(tally)
    }

    fn rows(&self, reader: &ReleaseReader) -> impl Iterator<Item = Result<Row, PullError>> {
        let rows = reader.accepted().flat_map(|batch| match batch {
            Ok(samples) => samples.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        });
        rows.enumerate().filter_map(move |(place, sample)| {
            let sample = match sample {
                Ok(sample) => sample,
                Err(error) => return Some(Err(error.into())),
            };
            if self.split.is_some() && sample.split != self.split {
                return None;
            }
            Some(Ok(match sample.media_sha256 {
                _ if self.withdrawn.holds(&sample) => Row::Known(Done::Recalled),
                None => Row::Known(Done::WithoutMedia),
                Some(digest) => Row::Wanted(Wanted {
                    place: place as u64,
                    sample_id: sample.sample_id,
                    digest,
                    bytes: sample.bytes.and_then(|n| u64::try_from(n).ok()),
                    source_url: sample.source_url,
                }),
            }))
        })
    }

    async fn commit(
        &self,
        right: &mut Vec<(Digest, Mark)>,
        failed: &mut Vec<Failed>,
    ) -> Result<(), PullError> {
        if !right.is_empty() {
            let store = self.store.clone();
            blocking(self.store, move || store.sync()).await?;
            self.record.checked(right)?;
        }
        self.record.failed(failed)?;
        right.clear();
        failed.clear();
        Ok(())
    }

    async fn one(&self, wanted: Wanted) -> Result<Done, PullError> {
        let digest = wanted.digest;
        if let Some(mark) = self.mark(&digest)? {
            if self.record.trusts(&digest, &mark)? {
                return Ok(Done::Trusted);
            }
            // The mark is from before the reading: a change meanwhile alters it.
            let store = self.store.clone();
            if blocking(self.store, move || store.is_sound(&digest)).await? {
                return Ok(Done::Read(digest, mark));
            }
            self.store
                .remove(&digest)
                .map_err(|e| self.io(&digest, e))?;
        }
        match self.fetch(&wanted).await? {
            Err(failed) => Ok(Done::Failed(failed)),
            Ok(bytes) => match self.mark(&digest)? {
                Some(mark) => Ok(Done::Fetched(digest, mark, bytes)),
                None => Err(self.io(&digest, std::io::ErrorKind::NotFound.into())),
            },
        }
    }

    fn mark(&self, digest: &Digest) -> Result<Option<Mark>, PullError> {
        Mark::of(&self.store.path(digest)).map_err(|e| self.io(digest, e))
    }

    fn io(&self, digest: &Digest, error: std::io::Error) -> PullError {
        PullError::Io {
            path: self.store.path(digest),
            error,
        }
    }

    /// From the release's own server or store; from the sample's upstream
    /// address where those have not got it.
    async fn fetch(&self, wanted: &Wanted) -> Result<Result<u64, Failed>, PullError> {
        let mut last = None;
        if let Some(media) = self.origin.media(&wanted.digest) {
            match get(&self.clients.from_server, wanted, &media).await? {
                Ok(bytes) => return Ok(Ok(bytes)),
                Err(failure) => {
                    let elsewhere = matches!(
                        failure.reason,
                        Reason::FetchNotFound
                            | Reason::FetchHttpError
                            | Reason::FileMissing
                            | Reason::DigestMismatch
                    );
                    if !elsewhere || wanted.source_url.is_none() {
                        return Ok(Err(failed(wanted, address(&media), failure)));
                    }
                    last = Some(failure);
                }
            }
        }
        let Some(url) = &wanted.source_url else {
            let message = format!(
                "sample `{}` has no address, and {} no store",
                wanted.sample_id, self.origin
            );
            let failure = FetchFailure {
                reason: Reason::FileMissing,
                message,
                opt_out: Vec::new(),
            };
            return Ok(Err(failed(wanted, String::new(), failure)));
        };
        if let Ok(parsed) = Url::parse(url)
            && wants_contact(&parsed, self.clients.user_agent.as_deref())
        {
            return Err(PullError::Contact {
                host: parsed.host_str().unwrap_or_default().to_owned(),
            });
        }
        let media = MediaRef::Url(url.clone());
        Ok(
            match get(&self.clients.from_upstream, wanted, &media).await? {
                Ok(bytes) => Ok(bytes),
                Err(mut failure) => {
                    if let Some(first) = last.filter(|f| f.reason == Reason::DigestMismatch) {
                        failure.message = format!("{}; {}", first.message, failure.message);
                    }
                    Err(failed(wanted, url.clone(), failure))
                }
            },
        )
    }
}

/// Fetches at most the bytes that the manifest states; more cannot have the digest.
/// What stops the pull is the outer error.
async fn get(
    from: &Fetcher,
    wanted: &Wanted,
    media: &MediaRef,
) -> Result<Result<u64, FetchFailure>, PullError> {
    let expected = Expected {
        sha256: Some(wanted.digest),
        bytes: wanted.bytes,
        ..Expected::default()
    };
    let limited = from.limited(wanted.bytes.unwrap_or(MAX_UNSTATED));
    match limited.fetch(wanted.sample_id, media, &expected).await {
        Ok(fetched) => Ok(Ok(fetched.bytes)),
        Err(FetchError::Disk(error)) => Err(error.into()),
        Err(FetchError::Sample(mut failure)) => {
            if failure.reason == Reason::FetchTooLarge && wanted.bytes.is_some() {
                failure.reason = Reason::DigestMismatch;
                failure.message = format!("{}: the file has changed", failure.message);
            }
            Ok(Err(failure))
        }
    }
}

fn failed(wanted: &Wanted, url: String, failure: FetchFailure) -> Failed {
    Failed {
        place: wanted.place,
        sample_id: wanted.sample_id,
        url: shown(&url),
        reason: failure.reason,
        message: failure.message,
    }
}

fn address(media: &MediaRef) -> String {
    match media {
        MediaRef::Url(url) => url.clone(),
        MediaRef::File { root, path } => root.join(path).display().to_string(),
        MediaRef::Member { .. } | MediaRef::None => String::new(),
    }
}

/// Work on the store that would hold up the transfers.
async fn blocking<T: Send + 'static>(
    store: &Store,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, PullError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(std::io::Error::other)
        .flatten()
        .map_err(|error| PullError::Io {
            path: store.root(),
            error,
        })
}

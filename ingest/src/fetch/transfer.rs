//! One URL's bytes, over as many connections as it takes.
//!
//! A broken connection is taken up with `Range` and `If-Range`. The rule is
//! that bytes of two versions are never joined: whenever the server's answer
//! is not plainly the rest of what we have (no `206`, another start, another
//! validator, another length), what we have is thrown away. A file that
//! changes again and again is [`Reason::FetchChanged`].

use std::io::{self, Write};

use fairframe_schemas::{Reason, SampleId};
use flate2::write::MultiGzDecoder;
use reqwest::header::{self, HeaderMap, HeaderValue};
use tokio::time::sleep;
use url::Url;

use super::{
    FetchError, FetchFailure, Fetched, check, digests,
    partial::{self, KEEP_FROM, Note},
};
use crate::{
    http::{Http, HttpError, Redirects, Response, first_words},
    opt_out::OptOuts,
    source::Expected,
    ssrf::shown,
    store::{Store, Writer},
};

/// Times a file may change under our hands before we give up.
const MAX_CHANGES: u32 = 2;

pub(super) struct Transfer<'a> {
    pub http: &'a Http,
    pub opt_outs: Option<&'a OptOuts>,
    pub store: &'a Store,
    pub max_bytes: u64,
    pub sample_id: SampleId,
    pub url: &'a Url,
    pub expected: &'a Expected,
}

/// What we have so far.
struct State {
    writer: Writer,
    /// Of the bytes in `writer`; `None` before the first answer.
    note: Option<Note>,
    /// Whether a later run can find them.
    kept: bool,
    /// Whether bytes of more than one answer were joined.
    joined: bool,
    changes: u32,
    opt_out: Vec<String>,
}

impl State {
    fn restart(&mut self, transfer: &Transfer) -> Result<(), Stop> {
        // First the note: bytes without one are never gone on with.
        if self.kept {
            partial::forget(transfer.store, transfer.sample_id).map_err(|e| transfer.disk(e))?;
            self.kept = false;
        }
        self.note = None;
        self.joined = false;
        self.writer.restart().map_err(|e| transfer.disk(e))
    }
}

/// Why an attempt ended.
struct Stop {
    error: FetchError,
    /// Whether another attempt may end better.
    again: bool,
}

impl Stop {
    fn last(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            error: FetchFailure::new(reason, message).into(),
            again: false,
        }
    }

    fn again(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            error: FetchFailure::new(reason, message).into(),
            again: true,
        }
    }
}

impl From<HttpError> for Stop {
    fn from(error: HttpError) -> Self {
        Self {
            again: error.is_transient(),
            error: FetchFailure::from(error).into(),
        }
    }
}

impl Transfer<'_> {
    pub async fn run(&self) -> Result<Fetched, FetchError> {
        let mut state = self.begin().map_err(|e| self.disk(e).error)?;
        let retries = self.http.config().retries;
        let mut attempt = 0;
        let mut rechecked = false;
        loop {
            let stop = match self.attempt(&mut state).await {
                Ok(()) => match check(&state.writer.written(), self.expected, &self.name()) {
                    Ok(()) => return self.finish(state),
                    // A server may have told the same validator for other bytes.
                    Err(failure) if state.joined && !rechecked => {
                        rechecked = true;
                        state.restart(self).map_err(|stop| stop.error)?;
                        Stop {
                            error: failure.into(),
                            again: true,
                        }
                    }
                    Err(failure) => Stop {
                        error: failure.into(),
                        again: false,
                    },
                },
                Err(stop) => stop,
            };
            if !stop.again || attempt >= retries {
                return Err(self.give_up(state, stop));
            }
            sleep(self.http.backoff(self.url, attempt)).await;
            attempt += 1;
        }
    }

    fn name(&self) -> String {
        shown(self.url.as_str())
    }

    /// The store does not take the bytes: no fault of the sample.
    fn disk(&self, error: io::Error) -> Stop {
        Stop {
            error: FetchError::store(self.store, error),
            again: false,
        }
    }

    fn begin(&self) -> io::Result<State> {
        let taken = partial::take_up(
            self.store,
            self.sample_id,
            self.url.as_str(),
            digests(self.expected),
        )?;
        let kept = taken.is_some();
        let (writer, note) = match taken {
            Some((writer, note)) => (writer, Some(note)),
            None => (self.store.writer(digests(self.expected))?, None),
        };
        Ok(State {
            writer,
            opt_out: note.as_ref().map(|n| n.opt_out.clone()).unwrap_or_default(),
            note,
            kept,
            joined: kept,
            changes: 0,
        })
    }

    fn finish(&self, state: State) -> Result<Fetched, FetchError> {
        let written = state.writer.commit().map_err(|e| self.disk(e).error)?;
        if state.kept {
            // A note without bytes does no harm.
            let _ = partial::forget(self.store, self.sample_id);
        }
        let mut opt_out = state.opt_out;
        opt_out.sort_unstable();
        opt_out.dedup();
        Ok(Fetched {
            sha256: written.sha256,
            bytes: written.bytes,
            content_type: state.note.and_then(|n| n.content_type),
            opt_out,
        })
    }

    fn give_up(&self, state: State, stop: Stop) -> FetchError {
        // What may end better another day is kept, if it is kept.
        let later = stop.again || matches!(stop.error, FetchError::Disk(_));
        if !(later && state.kept) {
            let _ = partial::forget(self.store, self.sample_id);
            state.writer.discard();
        }
        match stop.error {
            FetchError::Sample(mut failure) => {
                failure.opt_out.extend(state.opt_out);
                failure.opt_out.sort_unstable();
                failure.opt_out.dedup();
                failure.into()
            }
            disk => disk,
        }
    }

    /// One answer, read into `state` to its end.
    async fn attempt(&self, state: &mut State) -> Result<(), Stop> {
        let have = state.writer.bytes();
        let validator = state.note.as_ref().and_then(Note::validator);
        let mut headers = HeaderMap::new();
        headers.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        );
        let resuming = match validator.and_then(|v| HeaderValue::from_str(v).ok()) {
            Some(validator) if have > 0 => {
                if state.note.as_ref().and_then(|n| n.length) == Some(have) {
                    // Everything came and only the commit is missing.
                    return Ok(());
                }
                let range = HeaderValue::from_str(&format!("bytes={have}-"))
                    .map_err(|e| self.disk(io::Error::other(e)))?;
                headers.insert(header::RANGE, range);
                headers.insert(header::IF_RANGE, validator);
                true
            }
            _ => {
                state.restart(self)?;
                false
            }
        };
        let response = self.ask(state, &headers).await?;
        let response = match response.status().as_u16() {
            200 => response,
            206 => response,
            416 if resuming => {
                state.restart(self)?;
                return Err(Stop::again(
                    Reason::FetchChanged,
                    format!("`{}` no longer has the rest of the file", self.name()),
                ));
            }
            _ => return Err(response.into_error().await.into()),
        };
        let note = self.judge(state, &response, resuming)?;
        if let Some(opt_outs) = self.opt_outs {
            state
                .opt_out
                .extend(opt_outs.in_headers(response.headers()));
            state.opt_out.sort_unstable();
            state.opt_out.dedup();
        }
        let note = state.note.insert(Note {
            opt_out: state.opt_out.clone(),
            ..note
        });
        if let Some(length) = note.length.filter(|n| *n > self.max_bytes) {
            return Err(self.too_large(&format!("{length} bytes are announced")));
        }
        match encoding(&response) {
            None => self.read(state, response).await,
            Some(encoding) if matches!(&*encoding, "gzip" | "x-gzip") => {
                self.read_packed(state, response).await
            }
            Some(encoding) => Err(Stop::last(
                Reason::FetchHttpError,
                format!(
                    "`{}` comes in the encoding `{}`, which we did not ask for",
                    self.name(),
                    first_words(encoding.as_bytes())
                ),
            )),
        }
    }

    /// Asks, looking at the opt-outs of every origin on the way.
    async fn ask(&self, state: &mut State, headers: &HeaderMap) -> Result<Response, Stop> {
        let limit = self.http.config().max_redirects;
        let mut redirects = Redirects::new(self.url, limit);
        loop {
            let url = redirects.url();
            if let Some(opt_outs) = self.opt_outs {
                let before = opt_outs.before(url).await?;
                state.opt_out.extend(before.words);
                if let Some(why) = before.disallowed {
                    return Err(Stop::last(Reason::OptOut, why));
                }
            }
            let response = self.http.send(url, headers).await?;
            if let Some(response) = redirects.next(response)? {
                return Ok(self.http.settle(response).await?);
            }
        }
    }

    /// Whether an answer goes on with what we have; if not, what we have goes.
    fn judge(&self, state: &mut State, response: &Response, resuming: bool) -> Result<Note, Stop> {
        let url = self.url.as_str();
        if response.status() == 200 {
            let packed = encoding(response).is_some();
            let length = response.content_length().filter(|_| !packed);
            let mut note = Note::of(url, response.headers(), length);
            if packed {
                // Ranges would count packed bytes.
                note.etag = None;
                note.last_modified = None;
            }
            if resuming {
                let same = state.note.as_ref().is_some_and(|old| old.agrees(&note));
                state.restart(self)?;
                if !same {
                    self.changed(state)?;
                }
            }
            return Ok(note);
        }
        let Some((start, end, total)) = content_range(response.headers()) else {
            state.restart(self)?;
            let message = format!("`{}` sends a part and does not say which", self.name());
            return Err(if resuming {
                Stop::again(Reason::FetchHttpError, message)
            } else {
                Stop::last(Reason::FetchHttpError, message)
            });
        };
        let note = Note::of(url, response.headers(), total);
        if !resuming {
            return if start == 0 && total == Some(end + 1) {
                Ok(note)
            } else {
                Err(Stop::last(
                    Reason::FetchHttpError,
                    format!(
                        "`{}` sends a part where the whole was asked for",
                        self.name()
                    ),
                ))
            };
        }
        let goes_on = |old: &Note| start == state.writer.bytes() && old.is_continued_by(&note);
        match state.note.clone().filter(goes_on) {
            Some(old) if encoding(response).is_none() => {
                state.joined = true;
                Ok(Note {
                    length: old.length.or(total),
                    ..old
                })
            }
            _ => {
                state.restart(self)?;
                self.changed(state)?;
                Err(Stop::again(
                    Reason::FetchChanged,
                    format!(
                        "`{}` sends another part than the rest of the file",
                        self.name()
                    ),
                ))
            }
        }
    }

    fn changed(&self, state: &mut State) -> Result<(), Stop> {
        state.changes += 1;
        if state.changes < MAX_CHANGES {
            return Ok(());
        }
        Err(Stop::last(
            Reason::FetchChanged,
            format!(
                "`{}` changed {MAX_CHANGES} times while it was being fetched",
                self.name()
            ),
        ))
    }

    fn too_large(&self, what: &str) -> Stop {
        Stop::last(
            Reason::FetchTooLarge,
            format!("`{}`: {what}, the limit is {}", self.name(), self.max_bytes),
        )
    }

    async fn read(&self, state: &mut State, mut response: Response) -> Result<(), Stop> {
        let note = state.note.clone().unwrap_or_default();
        let mut may_keep = !state.kept && note.validator().is_some();
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(HttpError::Network { problem, .. }) => {
                    return Err(self.truncated(state, note.length, &problem));
                }
                Err(error) => return Err(error.into()),
            };
            let after = state.writer.bytes() + chunk.len() as u64;
            if after > self.max_bytes {
                return Err(self.too_large(&format!("{after} bytes came")));
            }
            if note.length.is_some_and(|n| after > n) {
                state.restart(self)?;
                return Err(Stop::again(
                    Reason::FetchTruncated,
                    format!("`{}` sends more bytes than it announces", self.name()),
                ));
            }
            state.writer.write_all(&chunk).map_err(|e| self.disk(e))?;
            if may_keep && after >= KEEP_FROM {
                may_keep = false;
                state.kept = partial::keep(&mut state.writer, self.sample_id, &note)
                    .map_err(|e| self.disk(e))?;
            }
        }
        if note.length.is_some_and(|n| n != state.writer.bytes()) {
            return Err(self.truncated(state, note.length, "the answer ended"));
        }
        Ok(())
    }

    fn truncated(&self, state: &State, length: Option<u64>, problem: &str) -> Stop {
        let of = length.map_or(String::new(), |n| format!(" of {n}"));
        Stop::again(
            if length.is_some() {
                Reason::FetchTruncated
            } else {
                Reason::FetchNetworkError
            },
            format!(
                "`{}`: {}{of} bytes came: {problem}",
                self.name(),
                state.writer.bytes()
            ),
        )
    }

    /// A body that is packed although we asked for it as it is.
    async fn read_packed(&self, state: &mut State, mut response: Response) -> Result<(), Stop> {
        let mut unpack = MultiGzDecoder::new(Limited {
            writer: &mut state.writer,
            limit: self.max_bytes,
            problem: None,
        });
        loop {
            let result = match response.chunk().await {
                Ok(Some(chunk)) => unpack.write_all(&chunk).map(|()| false),
                Ok(None) => unpack.try_finish().map(|()| true),
                Err(error) => return Err(error.into()),
            };
            match result {
                Ok(false) => {}
                Ok(true) => return Ok(()),
                Err(e) => {
                    return Err(match unpack.get_mut().problem.take() {
                        Some(Problem::Limit) => self.too_large("it unpacks to more"),
                        Some(Problem::Store(e)) => self.disk(e),
                        None => Stop::again(
                            Reason::FetchTruncated,
                            format!("`{}`: the gzip content is broken: {e}", self.name()),
                        ),
                    });
                }
            }
        }
    }
}

/// Writes up to a limit and remembers what went wrong.
struct Limited<'a> {
    writer: &'a mut Writer,
    limit: u64,
    problem: Option<Problem>,
}

enum Problem {
    Limit,
    Store(io::Error),
}

impl Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.writer.bytes() + bytes.len() as u64 > self.limit {
            self.problem = Some(Problem::Limit);
            return Err(io::Error::other("over the limit"));
        }
        match self.writer.write(bytes) {
            Ok(n) => Ok(n),
            Err(e) => {
                let kind = e.kind();
                self.problem = Some(Problem::Store(e));
                Err(kind.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The content encoding, if there is one.
fn encoding(response: &Response) -> Option<String> {
    let value = response.headers().get(header::CONTENT_ENCODING)?;
    let text = String::from_utf8_lossy(value.as_bytes())
        .trim()
        .to_ascii_lowercase();
    (!matches!(&*text, "" | "identity")).then_some(text)
}

/// `bytes 5-9/10` or `bytes 5-9/*`: first, last, length of the whole.
fn content_range(headers: &HeaderMap) -> Option<(u64, u64, Option<u64>)> {
    let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.trim().strip_prefix("bytes ")?.trim().split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let start: u64 = start.trim().parse().ok()?;
    let end: u64 = end.trim().parse().ok()?;
    let total = match total.trim() {
        "*" => None,
        n => Some(n.parse().ok()?),
    };
    (start <= end && end < u64::MAX && total.is_none_or(|n| end < n)).then_some((start, end, total))
}

#[test]
fn content_ranges() {
    let read = |text: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_RANGE, HeaderValue::from_static(text));
        content_range(&headers)
    };
    assert_eq!(read("bytes 5-9/10"), Some((5, 9, Some(10))));
    assert_eq!(read("bytes 5-9/*"), Some((5, 9, None)));
    for text in [
        "bytes 5-10/10",
        "bytes 9-5/10",
        "bytes */10",
        "5-9/10",
        "bytes 0-18446744073709551615/*",
        "bytes -1-5/9",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

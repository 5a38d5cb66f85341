//! A submission sent to a competition on a server: in pieces, so that one that is cut off goes on
//! where it stopped; then what became of it.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use fairframe_schemas::{Digest, Name, report::Defect};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use tokio::time::sleep;
use url::Url;

use crate::{
    http::{Http, HttpConfig, HttpError, Method, Response},
    reporter::Reporter,
    server::{self, ServerError},
    ssrf::shown,
};

/// What is sent at a time, in bytes: as much as a bad line has to send once more. A server takes
/// four times that.
pub const PIECE: u64 = 4 << 20;

/// Attempts after the first, each after a longer wait: a server may start anew meanwhile.
const RETRIES: u32 = 8;

/// Largest answer read, in bytes.
const MAX_ANSWER: u64 = 16 << 20;

/// Times between two looks at a submission that waits.
const FIRST_LOOK: Duration = Duration::from_millis(500);
const LAST_LOOK: Duration = Duration::from_secs(5);

/// Where the next piece begins (tus 1.0.0).
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");

#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    #[error(
        "`{0}` is no address of a competition; give one as `https://data.example.org/competitions/labels`"
    )]
    Competition(String),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{} is empty", .0.display())]
    Empty(PathBuf),
    /// The server's words, and what to do about it.
    #[error("{detail}{remedy}")]
    Refused {
        status: u16,
        detail: String,
        remedy: String,
    },
    #[error("`{url}` gives no {wanted}")]
    Answer { url: String, wanted: &'static str },
    #[error("the upload `{id}` is of a file of {theirs} bytes, this one has {ours}")]
    OtherFile { id: String, theirs: u64, ours: u64 },
}

impl SubmitError {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Http(error) if error.is_transient())
    }

    fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// An upload as the server has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Upload {
    pub id: String,
    pub bytes: u64,
    /// How much has arrived.
    pub offset: u64,
}

/// Outside data that a submission was made with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct External {
    pub used: bool,
    pub what: String,
    /// An SPDX expression.
    pub licence: String,
    /// What people who are shown in it agreed to.
    pub consent: String,
}

/// A submission of one's team, as the server tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    pub number: i64,
    pub stage: String,
    pub at: String,
    pub name: String,
    pub sha256: Digest,
    pub bytes: u64,
    /// `queued`, `scored`, `invalid`, `failed` or `cancelled`.
    pub state: String,
    /// Whether it uses up the limits.
    pub counts: bool,
    /// Itself and those before it in the queue; 0 while it is being scored.
    pub before: Option<i64>,
    pub public: Option<f64>,
    /// What the board shows of the team after it.
    pub shown: Option<f64>,
    pub columns: Vec<Column>,
    pub private: Option<f64>,
    /// Why it could not be scored.
    pub problem: String,
    pub defects: Option<Vec<Defect>>,
}

/// A column of the board.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    pub title: String,
    pub value: Option<f64>,
    pub lower: Option<f64>,
    pub upper: Option<f64>,
    /// Items it rests on.
    pub n: u64,
    pub group: Option<String>,
    /// Rests on fewer items than may be shown.
    pub suppressed: bool,
}

impl Submission {
    pub fn waits(&self) -> bool {
        self.state == "queued"
    }

    /// Where it stands in the queue.
    fn place(&self) -> String {
        let number = self.number;
        match self.before {
            Some(0) => format!("submission {number} is being scored"),
            Some(1) => format!("submission {number} is next in the queue"),
            Some(n) => format!("submission {number} waits; {} before it", n - 1),
            None => format!("submission {number} waits"),
        }
    }
}

#[derive(Deserialize)]
struct Taken {
    number: i64,
}

/// An error as the server sends it (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    detail: String,
}

/// A competition on a server, to somebody with a token.
pub struct Competition {
    http: Http,
    /// Where the API has it.
    url: Url,
    name: Name,
}

impl Competition {
    /// Reads the address of its page, or of one below it.
    pub fn at(address: &str, token: &str) -> Result<Self, SubmitError> {
        let mut url = server::address(address)?;
        let mut parts = url.path().trim_matches('/').split('/');
        let name = match (parts.next(), parts.next()) {
            (Some("competitions"), Some(name)) => Name::new(name).ok(),
            _ => None,
        };
        let name = name.ok_or_else(|| SubmitError::Competition(shown(address)))?;
        url.set_path(&format!("/api/v1/competitions/{name}"));
        url.set_query(None);
        url.set_fragment(None);
        let config = HttpConfig {
            retries: RETRIES,
            ..server::config(&url, Some(token))?
        };
        let http = Http::new(config)?;
        Ok(Self { http, url, name })
    }

    /// A page of the server.
    fn page(&self, path: &str) -> String {
        let mut url = self.url.clone();
        url.set_path(path);
        url.into()
    }

    /// The page of a submission.
    pub fn submission_page(&self, number: i64) -> String {
        let name = &self.name;
        self.page(&format!("/competitions/{name}/submissions/{number}"))
    }

    fn below(&self, parts: &[&str]) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(parts);
        }
        url
    }

    /// Begins an upload of that many bytes.
    pub async fn begin(&self, name: &str, bytes: u64) -> Result<Upload, SubmitError> {
        let url = self.below(&["uploads"]);
        // One that was begun and not heard of is forgotten by the server.
        let upload = json!({ "name": name, "bytes": bytes });
        self.post(&url, &upload, "upload").await
    }

    /// An upload that was begun.
    pub async fn upload(&self, id: &str) -> Result<Upload, SubmitError> {
        self.get(&["uploads", id], "upload").await
    }

    /// Sends what is missing of an upload. A piece that fails is sent again from where the server
    /// says that it is.
    pub async fn send(
        &self,
        path: &Path,
        upload: &Upload,
        reporter: &dyn Reporter,
    ) -> Result<(), SubmitError> {
        let wrap = |error| SubmitError::Io {
            path: path.to_owned(),
            error,
        };
        let file = File::open(path).map_err(wrap)?;
        let url = self.below(&["uploads", &upload.id]);
        reporter.stage("bytes sent", Some(upload.bytes));
        reporter.advance(upload.offset);
        let (mut at, mut failed) = (upload.offset, 0);
        while at < upload.bytes {
            let mut piece = vec![0u8; PIECE.min(upload.bytes - at) as usize];
            file.read_exact_at(&mut piece, at).map_err(wrap)?;
            let there = match self.piece(&url, at, piece.into()).await {
                Ok(there) => {
                    failed = 0;
                    there
                }
                // 409: what was sent before arrived after all, or did not.
                Err(error)
                    if failed < RETRIES
                        && (error.is_transient() || error.status() == Some(409)) =>
                {
                    reporter.message(&format!("{error}; trying again"));
                    sleep(self.http.backoff(&url, failed)).await;
                    failed += 1;
                    self.upload(&upload.id).await?.offset
                }
                Err(error) => return Err(error),
            };
            reporter.advance(there.saturating_sub(at));
            at = there;
        }
        Ok(())
    }

    /// Sends one piece; gives how much is there then.
    async fn piece(&self, url: &Url, at: u64, piece: Bytes) -> Result<u64, SubmitError> {
        let after = at + piece.len() as u64;
        let mut headers = HeaderMap::new();
        headers.insert(OFFSET, at.into());
        let kind = HeaderValue::from_static("application/octet-stream");
        headers.insert(header::CONTENT_TYPE, kind);
        let sent = self.http.send_body(Method::PATCH, url, &headers, piece);
        let response = sent.await?;
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let there = response.headers().get(OFFSET);
        let there: Option<u64> = there.and_then(|v| v.to_str().ok()?.parse().ok());
        match there {
            Some(there) if there == after => Ok(there),
            _ => Err(SubmitError::Answer {
                url: shown(url.as_str()),
                wanted: "offset that says the piece arrived",
            }),
        }
    }

    /// Submits an upload that is whole. Gives the submission's number.
    pub async fn finish(
        &self,
        id: &str,
        sha256: &Digest,
        note: &str,
        external: &External,
    ) -> Result<i64, SubmitError> {
        let url = self.below(&["uploads", id, "submit"]);
        let said = json!({ "note": note, "external": external });
        match self.post::<Taken>(&url, &said, "number").await {
            Ok(taken) => Ok(taken.number),
            // It was taken, and the answer that said so was lost.
            Err(gone) if gone.status() == Some(404) => {
                let all: Vec<Submission> = self.get(&["submissions"], "submissions").await?;
                let ours = all.into_iter().find(|s| s.sha256 == *sha256);
                ours.map(|s| s.number).ok_or(gone)
            }
            Err(error) => Err(error),
        }
    }

    pub async fn submission(&self, number: i64) -> Result<Submission, SubmitError> {
        let number = number.to_string();
        self.get(&["submissions", &number], "submission").await
    }

    /// Waits until a submission has left the queue.
    pub async fn settled(
        &self,
        number: i64,
        reporter: &dyn Reporter,
    ) -> Result<Submission, SubmitError> {
        let (mut look, mut said) = (FIRST_LOOK, String::new());
        loop {
            let submission = self.submission(number).await?;
            if !submission.waits() {
                return Ok(submission);
            }
            let place = submission.place();
            if place != said {
                reporter.message(&place);
                said = place;
            }
            sleep(look).await;
            look = (look * 2).min(LAST_LOOK);
        }
    }

    async fn get<T: DeserializeOwned>(
        &self,
        parts: &[&str],
        wanted: &'static str,
    ) -> Result<T, SubmitError> {
        let url = self.below(parts);
        let response = self.http.get(&url, HeaderMap::new()).await?;
        self.read(response, wanted).await
    }

    /// Sends JSON until there is an answer.
    async fn post<T: DeserializeOwned>(
        &self,
        url: &Url,
        body: &serde_json::Value,
        wanted: &'static str,
    ) -> Result<T, SubmitError> {
        let mut headers = HeaderMap::new();
        let kind = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, kind);
        let body = Bytes::from(body.to_string());
        let mut failed = 0;
        loop {
            let sent = self
                .http
                .send_body(Method::POST, url, &headers, body.clone());
            match sent.await {
                Ok(response) => return self.read(response, wanted).await,
                Err(error) if error.is_transient() && failed < RETRIES => {}
                Err(error) => return Err(error.into()),
            }
            sleep(self.http.backoff(url, failed)).await;
            failed += 1;
        }
    }

    async fn read<T: DeserializeOwned>(
        &self,
        response: Response,
        wanted: &'static str,
    ) -> Result<T, SubmitError> {
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let url = shown(response.url().as_str());
        let body = response.unpacked(MAX_ANSWER).await?;
        serde_json::from_slice(&body).map_err(|_| SubmitError::Answer { url, wanted })
    }

    /// Why something was refused, in the server's words where it has some.
    async fn refused(&self, response: Response) -> SubmitError {
        let (url, status) = (shown(response.url().as_str()), response.status().as_u16());
        let body = match response.unpacked(MAX_ANSWER).await {
            Ok(body) => body,
            Err(error) => return error.into(),
        };
        let Ok(Problem { detail }) = serde_json::from_slice(&body) else {
            let words = String::new();
            return HttpError::Status { url, status, words }.into();
        };
        let remedy = match status {
            401 => format!(
                " Make one with the scope `submit` at {}.",
                self.page("/account")
            ),
            403 => " The token needs the scope `submit`, its account the role `participant`."
                .to_owned(),
            _ => String::new(),
        };
        SubmitError::Refused {
            status,
            // A server's words give a terminal no orders.
            detail: detail.chars().filter(|c| !c.is_control()).collect(),
            remedy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_competition_is_named_by_its_pages() {
        for text in [
            "http://127.0.0.1:8080/competitions/labels",
            "http://127.0.0.1:8080/competitions/labels/",
            "http://127.0.0.1:8080/competitions/labels/submit?x=1#y",
        ] {
            let found = Competition::at(text, "ff_x").unwrap();
            let url = "http://127.0.0.1:8080/api/v1/competitions/labels";
            assert_eq!(found.url.as_str(), url);
            let one = found.below(&["uploads", "a/b"]);
            assert_eq!(one.as_str(), format!("{url}/uploads/a%2Fb"));
            assert_eq!(
                found.submission_page(3),
                "http://127.0.0.1:8080/competitions/labels/submissions/3"
            );
        }
        for text in [
            "http://127.0.0.1:8080/",
            "http://127.0.0.1:8080/competitions",
            "http://127.0.0.1:8080/datasets/labels",
            "labels",
        ] {
            assert!(Competition::at(text, "ff_x").is_err(), "{text}");
        }
    }
}

//! Files: whole or in ranges, with strong validators.

use std::path::Path as FilePath;

use axum::{
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use fairframe_ingest::croissant;
use fairframe_schemas::{Digest, Name, RecallList};
use tower::ServiceExt;
use tower_http::services::ServeFile;

use crate::{
    App,
    access::Who,
    catalog,
    error::AppError,
    headers,
    pieces::{self, PIECE},
    reports, terms,
};

/// `/data/{name}/{version}/{file}`: a file that the release's `SHA256SUMS` lists.
pub async fn release_file(
    State(app): State<App>,
    Path((name, version, file)): Path<(String, String, String)>,
    request: Request,
) -> Result<Response, AppError> {
    let release = catalog::release(&app.layout, &name, &version)?;
    let listed = release.file(&file)?;
    if has_rows(&listed.name) {
        terms::must_be_accepted(&app, &Who::asking(), &release.dataset).await?;
    }
    let path = release.folder.join(&listed.name);
    let mut response = serve(&path, &listed.sha256.to_string(), request).await?;
    let headers = response.headers_mut();
    set(headers, header::CONTENT_TYPE, content_type(&listed.name));
    if listed.name.ends_with(".html") {
        set(
            headers,
            header::CONTENT_SECURITY_POLICY,
            headers::DOCUMENT_POLICY,
        );
    }
    Ok(response)
}

/// Whether a file says something of each sample. What else a release says anybody may read: it
/// tells whether the terms are worth accepting, and what must be let go.
fn has_rows(name: &str) -> bool {
    name.ends_with(".parquet") || name.starts_with("ATTRIBUTION")
}

/// `/data/{name}/recall.json`: what the newest release withdraws, for copies of any release.
pub async fn recall(
    State(app): State<App>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, AppError> {
    let dataset = Name::new(&name)
        .ok()
        .and_then(|name| catalog::dataset(&app.layout, &name).transpose())
        .ok_or(AppError::NotFound("dataset"))?
        .map_err(AppError::internal)?;
    let path = dataset.recall_file(&app.layout);
    if !path.is_file() {
        return Err(AppError::NotFound("recall list"));
    }
    let tag = Digest::of(catalog::read_at_most(&path, RecallList::MAX_BYTES)?.as_bytes());
    let mut response = serve(&path, &tag.to_string(), request).await?;
    let headers = response.headers_mut();
    set(headers, header::CONTENT_TYPE, content_type("recall.json"));
    Ok(response)
}

/// What has its digest for a name never changes, so a browser need not ask again while it looks
/// through a dataset. But it may be withdrawn, and then nobody may get it who had not got it
/// before: no cache between us and the browser keeps it (`private`), and the browser lets it go
/// within a day. Pages are asked for each time and name no picture that was withdrawn.
const BY_DIGEST: &str = "private, max-age=86400, immutable";

/// `/media/{digest}`: the bytes of an accepted sample that may be handed on; for curators also of
/// one that waits for a decision.
pub async fn media(
    State(app): State<App>,
    Path(digest): Path<String>,
    request: Request,
) -> Result<Response, AppError> {
    let (digest, mime) = allowed(&app, &digest).await?;
    let who = Who::asking();
    // The same bytes may stand in a dataset that asks for nothing.
    let mut refused = None;
    for dataset in app.media.allowed(&who).await?.datasets(&digest) {
        match terms::must_be_accepted(&app, &who, dataset).await {
            Ok(()) => {
                refused = None;
                break;
            }
            Err(error) => refused = Some(error),
        }
    }
    if let Some(error) = refused {
        return Err(error);
    }
    let path = app.layout.media(&digest);
    let mut response = serve(&path, &digest.to_string(), request).await?;
    let headers = response.headers_mut();
    set(headers, header::CONTENT_TYPE, mime);
    set(headers, header::CACHE_CONTROL, BY_DIGEST);
    set(
        headers,
        header::CONTENT_SECURITY_POLICY,
        headers::MEDIA_POLICY,
    );
    if mime == "application/octet-stream" {
        set(headers, header::CONTENT_DISPOSITION, "attachment");
    }
    Ok(response)
}

/// `/thumbnails/{digest}`: the small picture of such a sample.
pub async fn thumbnail(
    State(app): State<App>,
    Path(digest): Path<String>,
    request: Request,
) -> Result<Response, AppError> {
    let (digest, _) = allowed(&app, &digest).await?;
    let path = app.layout.thumbnail(&digest);
    let mut response = serve(&path, &format!("t-{digest}"), request).await?;
    let headers = response.headers_mut();
    set(headers, header::CONTENT_TYPE, "image/jpeg");
    set(headers, header::CACHE_CONTROL, BY_DIGEST);
    set(
        headers,
        header::CONTENT_SECURITY_POLICY,
        headers::MEDIA_POLICY,
    );
    Ok(response)
}

/// `/reports/{name}/{file}`: one of the files a report has.
pub async fn report_file(
    State(app): State<App>,
    Path((name, file)): Path<(String, String)>,
    request: Request,
) -> Result<Response, AppError> {
    let name = Name::new(&name).map_err(|_| AppError::NotFound("report"))?;
    let file = reports::FILES.iter().find(|f| **f == file);
    let file = file.ok_or(AppError::NotFound("file"))?;
    let path = app.layout.reports().join(name.as_str()).join(file);
    let tag = reports::tag(&path).ok_or(AppError::NotFound("file"))?;
    let mut response = serve(&path, &tag, request).await?;
    let headers = response.headers_mut();
    set(headers, header::CONTENT_TYPE, content_type(file));
    if file.ends_with(".html") {
        set(
            headers,
            header::CONTENT_SECURITY_POLICY,
            headers::DOCUMENT_POLICY,
        );
    }
    Ok(response)
}

async fn allowed(app: &App, digest: &str) -> Result<(Digest, &'static str), AppError> {
    let digest: Digest = digest
        .parse()
        .map_err(|_| AppError::NotFound("media file"))?;
    let allowed = app.media.allowed(&Who::asking()).await?;
    let mime = allowed.mime(&digest);
    Ok((digest, mime.ok_or(AppError::NotFound("media file"))?))
}

fn content_type(name: &str) -> &'static str {
    match name {
        "croissant.json" => croissant::MEDIA_TYPE,
        _ => match croissant::encoding_format(name) {
            "application/x-parquet" => "application/vnd.apache.parquet",
            "text/html" => "text/html; charset=utf-8",
            "text/csv" => "text/csv; charset=utf-8; header=present",
            "text/plain" => "text/plain; charset=utf-8",
            other => other,
        },
    }
}

fn set(headers: &mut HeaderMap, name: header::HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}

/// Answers with a regular file (never through a link). RFC 9110: `If-None-Match` comes before
/// `If-Modified-Since`; a range is answered only where `If-Range` still holds.
pub(crate) async fn serve(
    path: &FilePath,
    tag: &str,
    mut request: Request,
) -> Result<Response, AppError> {
    let regular = tokio::fs::symlink_metadata(path)
        .await
        .is_ok_and(|m| m.is_file());
    if !regular {
        return Err(AppError::NotFound("file"));
    }
    let etag = format!("\"{tag}\"");
    let headers = request.headers_mut();
    if let Some(known) = headers.remove(header::IF_NONE_MATCH) {
        headers.remove(header::IF_MODIFIED_SINCE);
        if matches(&known, &etag) {
            return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
        }
    }
    if let Some(wanted) = headers.remove(header::IF_MATCH)
        && !matches(&wanted, &etag)
    {
        return Ok((StatusCode::PRECONDITION_FAILED, [(header::ETAG, etag)]).into_response());
    }
    // A range of another unit, or of several parts, is not for us: the whole file is the answer (RFC 9110, 14.2).
    let of_bytes = |range: &HeaderValue| {
        let text = range.to_str().unwrap_or_default();
        text.starts_with("bytes=") && !text.contains(',')
    };
    if headers.get(header::RANGE).is_some_and(|r| !of_bytes(r)) {
        headers.remove(header::RANGE);
    }
    // A date is too coarse to promise the same bytes: only our tag keeps a range.
    if let Some(condition) = headers.remove(header::IF_RANGE)
        && condition.as_bytes() != etag.as_bytes()
    {
        headers.remove(header::RANGE);
    }
    let is_get = request.method() == Method::GET;
    let mut response = ServeFile::new(path)
        .oneshot(request)
        .await
        .map_err(AppError::internal)?
        .map(Body::new);
    if let Some((from, length)) = part(&response).filter(|(_, n)| is_get && *n > PIECE) {
        // Large answers are read ahead of sending.
        let body = pieces::body(path.to_owned(), from, length).await;
        *response.body_mut() = body.map_err(AppError::internal)?;
    }
    if let Ok(value) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    Ok(response)
}

/// Which bytes of the file an answer has: from where, how many; none where it has none.
fn part(response: &Response) -> Option<(u64, u64)> {
    let header = |name| response.headers().get(name)?.to_str().ok();
    let length = header(header::CONTENT_LENGTH)?.parse().ok()?;
    match response.status() {
        StatusCode::OK => Some((0, length)),
        StatusCode::PARTIAL_CONTENT => {
            let range = header(header::CONTENT_RANGE)?.strip_prefix("bytes ")?;
            Some((range.split('-').next()?.parse().ok()?, length))
        }
        _ => None,
    }
}

/// Whether a list of tags (`*`, `"a"`, `W/"a", "b"`) holds ours; weak comparison.
fn matches(list: &HeaderValue, etag: &str) -> bool {
    let Ok(list) = list.to_str() else {
        return false;
    };
    list.split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_match_in_lists_weak_or_strong() {
        let list = |text: &str| HeaderValue::from_str(text).unwrap();
        assert!(matches(&list("\"a\", W/\"b\""), "\"b\""));
        assert!(matches(&list("*"), "\"b\""));
        assert!(!matches(&list("\"a\""), "\"b\""));
        assert!(!matches(&list("b"), "\"b\""));
    }
}

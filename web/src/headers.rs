//! Headers every answer has.

use axum::{
    extract::Request,
    http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header},
    middleware::Next,
    response::Response,
};
use tower_http::compression::{CompressionLayer, Predicate, predicate::SizeAbove};

/// Our own files and nothing else; nothing inline runs.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; \
                           img-src 'self'; media-src 'self'; \
                           form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Cards and reports are single files with their style inside; still nothing runs.
pub const DOCUMENT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; \
                                   form-action 'none'; base-uri 'none'; frame-ancestors 'none'; sandbox allow-popups allow-downloads";

/// Bytes made by strangers: nothing at all happens in their name.
pub const MEDIA_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; media-src 'self'; img-src 'self'; sandbox";

/// Sets what a handler has not set itself.
pub async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed: [(HeaderName, &'static str); 6] = [
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), microphone=(), geolocation=(), interest-cohort=()",
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in fixed {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-cache"));
    response
}

/// Shorter answers are not worth it, in bytes.
const WORTH: u64 = 1024;

/// Text that is sent packed to whoever takes it. Parquet and media are packed in themselves.
const TEXTS: [&str; 8] = [
    "text/html",
    "text/css",
    "text/csv",
    "text/plain",
    "text/javascript",
    "application/json",
    "application/ld+json",
    "image/svg+xml",
];

/// Marks an answer with a secret of its reader. How well it packs beside what somebody else made
/// the reader ask for would tell the secret (BREACH), so it is sent as it is.
#[derive(Debug, Clone, Copy)]
pub struct Secret;

fn is_text(status: StatusCode, _: Version, headers: &HeaderMap, extensions: &Extensions) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    status != StatusCode::PARTIAL_CONTENT
        && extensions.get::<Secret>().is_none()
        && (TEXTS.contains(&kind) || kind.ends_with("+xml") || kind.ends_with("+json"))
}

type Text = fn(StatusCode, Version, &HeaderMap, &Extensions) -> bool;

/// gzip, of text.
pub fn compression() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new().compress_when(SizeAbove::new(WORTH).and(is_text as Text))
}

/// What is packed on the way is not the same bytes any more: its tag is a weak one, which no range
/// is asked for with (RFC 9110, 8.8.1).
pub async fn weaken<B>(mut response: axum::http::Response<B>) -> axum::http::Response<B> {
    let headers = response.headers_mut();
    if headers.contains_key(header::CONTENT_ENCODING)
        && let Some(tag) = headers.get(header::ETAG).and_then(|t| t.to_str().ok())
        && !tag.starts_with("W/")
        && let Ok(weak) = HeaderValue::from_str(&format!("W/{tag}"))
    {
        headers.insert(header::ETAG, weak);
    }
    response
}

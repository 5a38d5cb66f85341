//! `/api/v1`: what the pages show and do, for programs. Described by `/api/openapi.json`,
//! explained by `/api`.
//!
//! Handlers call what the pages call; here stand the shapes of questions and answers only.

mod competitions;
mod curate;
mod data;
mod docs;
pub(crate) mod params;
mod run;
mod samples;
mod sent;
pub(crate) mod shapes;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::get,
};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{App, error::Problem};

/// Where the API stands.
pub const BASE: &str = "/api/v1";

/// How an answer to an error is sent (RFC 9457).
const PROBLEM: &str = "application/problem+json";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Fairframe",
        version = "1",
        description = "Datasets whose every sample carries its origin, licence, consent and place: \
                       found, read and, by curators, decided about.\n\nReading needs no account. \
                       What curators do needs a token with the scope `curate` of an account that \
                       curates the dataset, or a session whose changes carry its secret in \
                       `X-CSRF-Token`. Errors are problem details (RFC 9457)."
    ),
    tags(
        (name = "Datasets", description = "What there is, and the files of each release"),
        (name = "Samples", description = "Found by filters, counted, one by one"),
        (name = "Competitions", description = "Boards, submissions, uploads in pieces"),
        (name = "Curating", description = "Decisions, proposals, jobs, requests, the audit log"),
    ),
    modifiers(&Schemes)
)]
struct Doc;

/// How one says who asks.
struct Schemes;

impl Modify for Schemes {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let mut token = Http::new(HttpAuthScheme::Bearer);
        token.description = Some("A token made on the page of one's account.".to_owned());
        components.add_security_scheme("token", SecurityScheme::Http(token));
        let cookie = ApiKey::Cookie(ApiKeyValue::with_description(
            "session",
            "The session of a browser (`__Host-session` over TLS); changes also carry its secret, \
             which `/api/v1/me` tells, in `X-CSRF-Token`.",
        ));
        components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    }
}

fn described() -> OpenApiRouter<App> {
    let v1 = OpenApiRouter::new()
        .routes(routes!(data::datasets))
        .routes(routes!(data::dataset))
        .routes(routes!(data::release))
        .routes(routes!(data::schema))
        .routes(routes!(data::recalls))
        .routes(routes!(samples::samples))
        .routes(routes!(samples::sample))
        .routes(routes!(samples::facets))
        .routes(routes!(samples::groups))
        .routes(routes!(run::me))
        .routes(routes!(competitions::list))
        .routes(routes!(competitions::one))
        .routes(routes!(competitions::board))
        .routes(routes!(competitions::submission))
        .routes(routes!(competitions::begin))
        .routes(routes!(competitions::finish))
        .routes(routes!(curate::decisions, curate::decide))
        .routes(routes!(curate::undo))
        .routes(routes!(curate::proposals, curate::propose))
        .routes(routes!(curate::proposal))
        .routes(routes!(curate::approve))
        .routes(routes!(curate::decline))
        .routes(routes!(run::jobs, run::ask))
        .routes(routes!(run::job))
        .routes(routes!(run::cancel))
        .routes(routes!(run::takedowns))
        .routes(routes!(run::audit))
        .routes(routes!(run::export));
    // What a competition takes is checked while it arrives.
    let files = OpenApiRouter::new()
        .routes(routes!(competitions::submissions, competitions::submit))
        .layer(DefaultBodyLimit::disable());
    let pieces = OpenApiRouter::new()
        .routes(routes!(
            competitions::upload,
            competitions::piece,
            competitions::give_up
        ))
        .layer(DefaultBodyLimit::max(competitions::MAX_PIECE));
    let v1 = v1.merge(files).merge(pieces);
    OpenApiRouter::with_openapi(Doc::openapi()).nest(BASE, v1)
}

/// The document: `/api/openapi.json`.
pub fn openapi() -> utoipa::openapi::OpenApi {
    described().into_openapi()
}

pub fn routes() -> Router<App> {
    let (router, openapi) = described().split_for_parts();
    router
        .route("/api", get(docs::page))
        .route("/api/openapi.json", get(async move || Json(openapi)))
}

/// Sends errors of the API as problems, whoever found them.
pub async fn problems(request: Request, next: Next) -> Response {
    let ours = request.uri().path().starts_with("/api/");
    let response = next.run(request).await;
    let status = response.status();
    let mut problem = response.extensions().get::<Problem>().cloned();
    if !ours || problem.is_none() && !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    // Refused before any handler: a broken address, a body that is too large.
    let problem = problem.get_or_insert_with(|| Problem {
        title: status.canonical_reason().unwrap_or("Refused"),
        status: status.as_u16(),
        detail: "The request cannot be read.".to_owned(),
    });
    let status = StatusCode::from_u16(problem.status).unwrap_or(status);
    let mut answer = (status, Json(&*problem)).into_response();
    let kept = [
        header::ALLOW,
        header::RETRY_AFTER,
        header::WWW_AUTHENTICATE,
        header::CACHE_CONTROL,
    ];
    for name in kept {
        if let Some(value) = response.headers().get(&name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
    if status == StatusCode::UNAUTHORIZED {
        let scheme = HeaderValue::from_static("Bearer");
        headers.entry(header::WWW_AUTHENTICATE).or_insert(scheme);
    }
    answer
}

//! Pages, API, downloads: shows, never computes a metric.
//!
//! Every page works without JavaScript; there is none. All routes stand in
//! [`router`]. What may be served is decided in three places: [`catalog`]
//! (names and files of releases), [`allowed`] (media) and [`reports`].

pub mod allowed;
pub mod browse;
pub mod catalog;
pub mod error;
pub mod files;
mod headers;
pub mod hosts;
pub mod pages;
pub mod reports;
pub mod viewer;

use std::sync::Arc;

use axum::{Router, middleware, routing::get};
use fairframe_schemas::Layout;

use crate::{allowed::Media, browse::Indexes, error::AppError, hosts::Hosts};

/// What handlers share.
#[derive(Clone)]
pub struct App {
    pub layout: Arc<Layout>,
    pub media: Arc<Media>,
    pub indexes: Arc<Indexes>,
    /// Whether samples that were not accepted are shown.
    pub may_see_excluded: bool,
}

impl App {
    pub fn new(layout: Layout) -> Self {
        let layout = Arc::new(layout);
        Self {
            media: Arc::new(Media::new(layout.clone())),
            indexes: Arc::new(Indexes::new(layout.clone())),
            may_see_excluded: false,
            layout,
        }
    }
}

/// The whole of the web interface over one data folder. Reads only: nothing is ever written.
pub fn router(layout: Layout) -> Router {
    routes(App::new(layout))
}

/// Every route.
pub fn routes(app: App) -> Router {
    Router::new()
        .route("/", get(pages::home::home))
        .route("/datasets", get(pages::home::to_home))
        .route("/datasets/{name}", get(pages::dataset::dataset))
        .route("/datasets/{name}/", get(pages::dataset::without_slash))
        .route("/datasets/{name}/{version}/", get(pages::dataset::version))
        .route(
            "/datasets/{name}/{version}",
            get(pages::dataset::with_slash),
        )
        .route(
            "/datasets/{name}/{version}/samples",
            get(pages::samples::samples),
        )
        .route(
            "/datasets/{name}/{version}/samples/{id}",
            get(pages::samples::sample),
        )
        .route("/data/{name}/recall.json", get(files::recall))
        .route("/data/{name}/{version}/{file}", get(files::release_file))
        .route("/media/{digest}", get(files::media))
        .route("/thumbnails/{digest}", get(files::thumbnail))
        .route("/reports", get(pages::reports::reports))
        .route("/reports/{name}", get(pages::reports::with_slash))
        .route("/reports/{name}/", get(pages::reports::report))
        .route("/reports/{name}/{file}", get(files::report_file))
        .route("/assets/style.css", get(pages::style))
        .route("/assets/icon.svg", get(pages::icon))
        .route("/assets/world.svg", get(pages::samples::world))
        .route("/healthz", get(|| async { "ok\n" }))
        .fallback(|| async { AppError::NotFound("page") })
        .method_not_allowed_fallback(|| async { AppError::Method })
        .layer(middleware::from_fn(headers::secure))
        .with_state(app)
}

/// The same, answering to these names only.
pub fn router_for(layout: Layout, hosts: Hosts) -> Router {
    router(layout).layer(middleware::from_fn_with_state(hosts, hosts::check))
}

//! Pages, API, downloads: shows, never computes a metric.
//!
//! Every page works without JavaScript. All routes stand in [`router`]. Who asks is
//! found out in [`access`], what is remembered stands in [`state`]. What may be served is
//! decided in three places: [`catalog`] (names and files of releases), [`allowed`]
//! (media) and [`reports`].

pub mod access;
pub mod allowed;
pub mod api;
pub mod browse;
pub mod catalog;
mod changes;
mod columns;
pub mod competitions;
pub mod consents;
pub mod contribute;
pub mod error;
pub mod files;
mod firsts;
mod headers;
pub mod heap;
pub mod hosts;
pub mod jobs;
mod lookup;
mod origin;
pub mod pages;
mod pieces;
pub mod reports;
pub mod state;
mod terms;
mod ties;
mod uses;
pub mod viewer;
pub mod withheld;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};
use fairframe_schemas::Layout;
use tokio::sync::Notify;

use crate::{
    access::Limits,
    allowed::Media,
    browse::Indexes,
    changes::Changes,
    competitions::Competitions,
    consents::Consents,
    error::AppError,
    firsts::Firsts,
    hosts::Hosts,
    jobs::{Runner, Workshop},
    state::{Clock, Db, StateError},
    viewer::Overlays,
};

/// What handlers share.
#[derive(Clone)]
pub struct App {
    pub layout: Arc<Layout>,
    pub media: Arc<Media>,
    pub indexes: Arc<Indexes>,
    pub overlays: Arc<Overlays>,
    pub consents: Arc<Consents>,
    changes: Arc<Changes>,
    firsts: Arc<Firsts>,
    pub competitions: Arc<Competitions>,
    pub db: Db,
    pub limits: Arc<Limits>,
    /// Whether browsers reach the server by TLS: cookies then go no other way.
    pub https: bool,
    pub workshop: Workshop,
    /// Wakes the runner of jobs.
    pub wake: Arc<Notify>,
}

impl App {
    /// Opens the database of a data folder.
    pub async fn open(layout: Layout, clock: Clock, https: bool) -> Result<Self, StateError> {
        let layout = Arc::new(layout);
        let db = Db::open(&layout.state(), clock).await?;
        Ok(Self {
            media: Arc::new(Media::new(layout.clone(), db.clone())),
            indexes: Arc::new(Indexes::new(layout.clone())),
            overlays: Arc::default(),
            consents: Arc::new(Consents::new(layout.clone())),
            changes: Arc::default(),
            firsts: Arc::default(),
            competitions: Arc::default(),
            db,
            limits: Arc::default(),
            layout,
            https,
            workshop: Workshop::default(),
            wake: Arc::default(),
        })
    }

    /// What runs the jobs that people ask for.
    pub fn runner(&self) -> Runner {
        Runner {
            db: self.db.clone(),
            layout: self.layout.clone(),
            workshop: self.workshop.clone(),
            wake: self.wake.clone(),
        }
    }
}

/// The whole of the web interface over one data folder.
pub fn router(app: App) -> Router {
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
        .route(
            "/datasets/{name}/{version}/changes",
            get(pages::changes::changes),
        )
        .route(
            "/datasets/{name}/{version}/changes.json",
            get(pages::changes::json),
        )
        .route(
            "/datasets/{name}/{version}/quality",
            get(pages::quality::quality),
        )
        .route(
            "/datasets/{name}/{version}/duplicates",
            get(pages::duplicates::duplicates),
        )
        .route("/datasets/{name}/{version}/map", get(pages::map::map))
        .route("/datasets/{name}/{version}/map.csv", get(pages::map::table))
        .route(
            "/datasets/{name}/{version}/coverage",
            get(pages::coverage::coverage),
        )
        .route(
            "/datasets/{name}/{version}/coverage/{file}",
            get(pages::coverage::wish_list),
        )
        .route("/data/{name}/recall.json", get(files::recall))
        .route("/data/{name}/{version}/{file}", get(files::release_file))
        .route("/media/{digest}", get(files::media))
        .route("/thumbnails/{digest}", get(files::thumbnail))
        .route("/reports", get(pages::reports::reports))
        .route("/reports/{name}", get(pages::reports::with_slash))
        .route("/reports/{name}/", get(pages::reports::report))
        .route("/reports/{name}/{file}", get(files::report_file))
        .merge(accounts())
        .merge(curating())
        .merge(consent())
        .merge(contributing())
        .merge(competing())
        .merge(research())
        .merge(api::routes())
        .route("/assets/style.css", get(pages::style))
        .route("/assets/icon.svg", get(pages::icon))
        // Cards and reports are whole without us and name no icon: browsers ask for this one.
        .route("/favicon.ico", get(pages::icon))
        .route("/assets/world.svg", get(pages::samples::world))
        .route("/healthz", get(|| async { "ok\n" }))
        .fallback(|| async { AppError::NotFound("page") })
        .method_not_allowed_fallback(|| async { AppError::Method })
        .layer(middleware::from_fn_with_state(
            app.clone(),
            access::identify,
        ))
        .layer(middleware::from_fn(api::problems))
        .layer(middleware::from_fn(headers::secure))
        .layer(headers::compression())
        .layer(middleware::map_response(headers::weaken))
        .with_state(app)
}

/// Logging in, one's own account, everybody's accounts.
fn accounts() -> Router<App> {
    use pages::{account, admin, log_in};
    Router::new()
        .route("/login", get(log_in::form).post(log_in::log_in))
        .route("/logout", post(log_in::log_out))
        .route("/welcome/{link}", get(log_in::welcome).post(log_in::set))
        .route("/account", get(account::account))
        .route("/account/password", post(account::password))
        .route("/account/tokens", post(account::create_token))
        .route("/account/tokens/{id}/revoke", post(account::revoke_token))
        .route("/admin/accounts", get(admin::accounts).post(admin::invite))
        .route("/admin/accounts/{name}/roles", post(admin::roles))
        .route("/admin/accounts/{name}/link", post(admin::link))
        .route("/admin/accounts/{name}/disabled", post(admin::disable))
        .route("/admin/settings", post(admin::settings))
        .route("/audit", get(pages::audit::audit))
        .route("/audit/export", get(pages::audit::export))
}

/// Deciding, proposing and approving releases, running jobs.
fn curating() -> Router<App> {
    use pages::{decisions, duplicates, jobs, release};
    Router::new()
        .route("/datasets/{name}/decide", post(decisions::decide))
        .route("/datasets/{name}/duplicates/keep", post(duplicates::keep))
        .route("/datasets/{name}/decisions", get(decisions::decisions))
        .route(
            "/datasets/{name}/decisions/{batch}/undo",
            post(decisions::undo),
        )
        .route(
            "/datasets/{name}/release",
            get(release::page).post(release::propose),
        )
        .route(
            "/datasets/{name}/release/{proposal}/approve",
            post(release::approve),
        )
        .route(
            "/datasets/{name}/release/{proposal}/decline",
            post(release::decline),
        )
        .route("/jobs", get(jobs::jobs).post(jobs::ask))
        .route("/jobs/{seq}", get(jobs::job))
        .route("/jobs/{seq}/events", get(jobs::events))
        .route("/jobs/{seq}/cancel", post(jobs::cancel))
        .route("/assets/live.js", get(pages::live))
        .route("/assets/review.js", get(pages::review))
        .route("/assets/map.js", get(pages::map_script))
        .route("/assets/quality.js", get(pages::quality_script))
        .route("/assets/follow.js", get(pages::follow))
        .route(
            "/datasets/{name}/target",
            get(pages::coverage::target_page).post(pages::coverage::declare),
        )
}

/// What a release is like, what it asks for, what was withdrawn.
fn research() -> Router<App> {
    use pages::{preview, recalls, schema, statistics, terms};
    Router::new()
        .route("/datasets/{name}/{version}/schema", get(schema::schema))
        .route(
            "/datasets/{name}/{version}/statistics",
            get(statistics::statistics),
        )
        .route("/datasets/{name}/{version}/preview", get(preview::preview))
        .route("/datasets/{name}/terms", get(terms::show).post(terms::set))
        .route("/datasets/{name}/terms/accept", post(terms::accept))
        .route("/datasets/{name}/recalls", get(recalls::recalls))
        .route("/datasets/{name}/recalls.atom", get(recalls::feed))
        .route("/recalls.atom", get(recalls::feed_of_all))
}

/// Consents of a dataset's people; requests to take something down.
fn consent() -> Router<App> {
    use pages::{consent, takedown, takedowns};
    Router::new()
        .route("/datasets/{name}/consents", get(consent::ledger))
        .route("/datasets/{name}/consents/expiry", get(consent::expiry))
        .route(
            "/datasets/{name}/consents/{source}/{subject}",
            get(consent::person),
        )
        .route(
            "/datasets/{name}/consents/{source}/{subject}/withdraw",
            post(consent::withdraw),
        )
        .route(
            "/datasets/{name}/consents/{source}/{subject}/receipts/{record}",
            get(consent::receipt),
        )
        .route("/takedown", get(takedown::form).post(takedown::ask))
        .route("/takedown/{secret}", get(takedown::case))
        .route("/takedowns", get(takedowns::queue))
        .route("/takedowns/{number}", get(takedowns::handle))
        .route("/takedowns/{number}/sample", post(takedowns::link))
        .route("/takedowns/{number}/withdraw", post(takedowns::withdraw))
        .route("/takedowns/{number}/decline", post(takedowns::decline))
}

/// What people contribute.
fn contributing() -> Router<App> {
    use pages::contribute;
    let give = get(contribute::call)
        .post(contribute::give)
        .layer(DefaultBodyLimit::max(crate::contribute::MAX_FORM));
    Router::new()
        .route("/contribute", get(contribute::calls))
        .route("/contribute/{dataset}/{source}", give)
        .route(
            "/contribute/{dataset}/{source}/take-back",
            post(contribute::take_back),
        )
        .route(
            "/contribute/{dataset}/{source}/pictures/{file}",
            get(contribute::picture),
        )
}

/// Competitions: reading, handing in, hosting.
fn competing() -> Router<App> {
    use pages::competitions::{self, board, host, mine, opening, submit, team};
    // What a competition takes is checked while it arrives.
    let any = DefaultBodyLimit::disable();
    Router::new()
        .route("/competitions", get(competitions::list))
        .route("/competitions/{name}", get(competitions::overview))
        .route("/competitions/{name}/pages/{page}", get(competitions::text))
        .route(
            "/competitions/{name}/rules/accept",
            post(competitions::accept),
        )
        .route("/competitions/{name}/board", get(board::board))
        .route("/competitions/{name}/board.json", get(board::json))
        .route("/competitions/{name}/board.csv", get(board::csv))
        .route("/competitions/{name}/board.parquet", get(board::parquet))
        .route("/competitions/{name}/board.svg", get(board::picture))
        .route(
            "/competitions/{name}/submit",
            get(submit::form).post(submit::submit).layer(any),
        )
        .route("/competitions/{name}/submissions", get(mine::history))
        .route(
            "/competitions/{name}/submissions/choose",
            post(mine::choose),
        )
        .route("/competitions/{name}/submissions/{seq}", get(mine::one))
        .route(
            "/competitions/{name}/submissions/{seq}/file",
            get(mine::file),
        )
        .route(
            "/competitions/{name}/submissions/{seq}/report/{part}/{file}",
            get(mine::report),
        )
        .route(
            "/competitions/{name}/submissions/{seq}/note",
            post(mine::note),
        )
        .route(
            "/competitions/{name}/submissions/{seq}/cancel",
            post(mine::cancel),
        )
        .route(
            "/competitions/{name}/team",
            get(team::show).post(team::change),
        )
        .route("/competitions/{name}/host", get(host::show))
        .route(
            "/hosting",
            get(opening::show).post(opening::open).layer(any),
        )
        .route("/hosting/templates/{file}", get(opening::pack))
        .route(
            "/competitions/{name}/host/definition",
            post(opening::open_again).layer(any),
        )
        .route("/competitions/{name}/host/publish", post(host::publish))
        .route("/competitions/{name}/host/retry", post(host::retry))
        .route(
            "/competitions/{name}/host/{stage}/truth",
            post(host::correct).layer(any),
        )
        .route(
            "/competitions/{name}/host/{stage}/groups",
            get(host::groups::show),
        )
        .route(
            "/competitions/{name}/host/{stage}/{file}",
            get(host::export::file),
        )
}

/// The same, answering to these names only.
pub fn router_for(app: App, hosts: Hosts) -> Router {
    router(app).layer(middleware::from_fn_with_state(hosts, hosts::check))
}

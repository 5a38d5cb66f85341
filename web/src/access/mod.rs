//! Who asks, and what they may: found out once for each request, before any page.
//!
//! A browser shows a session's cookie, a program a token (`Authorization: Bearer`).
//! A request that changes something must come from our own pages: its `Origin` is
//! ours, and its form carries the session's secret ([`Posted`]). A token needs
//! neither, since no browser sends it by itself.

mod limits;
mod posted;

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, Method, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use fairframe_schemas::Name;

pub use self::{
    limits::{FORMS, Limits},
    posted::Posted,
};
use crate::{
    App,
    error::AppError,
    state::{
        accounts::{Account, Role},
        audit::Part,
        secret, sessions,
        tokens::{self, Scope},
    },
};

/// The address a connection comes from; whoever accepts connections says so.
#[derive(Debug, Clone, Copy)]
pub struct Client(pub IpAddr);

/// The cookie of a session. With TLS its name keeps other hosts from setting it.
fn cookie_name(https: bool) -> &'static str {
    match https {
        true => "__Host-session",
        false => "session",
    }
}

/// How a request said who asks.
#[derive(Debug, Clone)]
enum Through {
    Nothing,
    Session(sessions::Session),
    Token(BTreeSet<Scope>),
}

/// Who asks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Who(Arc<Asker>);

#[derive(Debug)]
struct Asker {
    account: Option<Account>,
    through: Through,
    /// The page asked for; `/` where something is to be changed.
    asked: String,
}

tokio::task_local! {
    static NOW_ASKING: Who;
}

impl Who {
    fn new(account: Option<Account>, through: Through, asked: String) -> Self {
        Self(Arc::new(Asker {
            account,
            through,
            asked,
        }))
    }

    pub fn nobody() -> Self {
        Self::new(None, Through::Nothing, "/".to_owned())
    }

    /// The page asked for, to come back to after logging in.
    pub fn asked(&self) -> &str {
        &self.0.asked
    }

    /// Who asks for the page that is being made: for what all pages have in common.
    pub fn asking() -> Self {
        NOW_ASKING
            .try_with(Clone::clone)
            .unwrap_or_else(|_| Self::nobody())
    }

    pub fn account(&self) -> Option<&Account> {
        self.0.account.as_ref()
    }

    /// The name in the audit chain; empty for nobody.
    pub fn name(&self) -> &str {
        self.account().map_or("", |account| &account.name)
    }

    pub fn session(&self) -> Option<&sessions::Session> {
        match &self.0.through {
            Through::Session(session) => Some(session),
            _ => None,
        }
    }

    /// What a form must carry to be this session's; empty without one.
    pub fn csrf(&self) -> &str {
        self.session().map_or("", |session| &session.csrf)
    }

    /// Whether a form's secret is this session's. Without a session there is none to protect;
    /// a token is sent by nobody but its program.
    pub fn sent(&self, csrf: &str) -> bool {
        self.session()
            .is_none_or(|session| secret::same(&session.csrf, csrf))
    }

    fn allows(&self, scope: Scope) -> bool {
        match &self.0.through {
            Through::Token(scopes) => scopes.contains(&scope),
            _ => true,
        }
    }

    /// Whether what is read may be more than everybody reads.
    pub fn reads(&self) -> bool {
        self.allows(Scope::Read)
    }

    /// What the token may be used for; none without one.
    pub fn scopes(&self) -> Option<&BTreeSet<Scope>> {
        match &self.0.through {
            Through::Token(scopes) => Some(scopes),
            _ => None,
        }
    }

    /// Whether the role may be used for that dataset. A token is never an administrator.
    pub fn may(&self, role: Role, dataset: Option<&Name>) -> bool {
        let allowed = match role {
            Role::Admin | Role::Host => matches!(self.0.through, Through::Session(_)),
            Role::Curator => self.allows(Scope::Curate),
            Role::Participant => self.allows(Scope::Submit),
            Role::Researcher => self.allows(Scope::Read),
        };
        allowed
            && self
                .account()
                .is_some_and(|account| account.has(role, dataset))
    }

    /// Whether this is a curator of the dataset.
    pub fn curates(&self, dataset: &Name) -> bool {
        self.may(Role::Curator, Some(dataset))
    }

    /// Whether this is a curator of anything: sees what all curators work with.
    pub fn curates_something(&self) -> bool {
        self.allows(Scope::Curate)
            && self
                .account()
                .is_some_and(|account| account.has_somewhere(Role::Curator))
    }

    /// Whether this may contribute to a dataset: its participants and its curators.
    pub fn contributes(&self, dataset: &Name) -> bool {
        self.may(Role::Participant, Some(dataset)) || self.curates(dataset)
    }

    pub fn may_contribute_something(&self) -> bool {
        let has = |role| self.account().is_some_and(|a| a.has_somewhere(role));
        (self.allows(Scope::Submit) && has(Role::Participant))
            || (self.allows(Scope::Curate) && has(Role::Curator))
    }

    pub fn must_contribute(&self, dataset: &Name) -> Result<&Account, AppError> {
        self.must(self.contributes(dataset))
    }

    pub fn is_admin(&self) -> bool {
        self.may(Role::Admin, None)
    }

    /// The account, or a way to log in.
    pub fn known(&self) -> Result<&Account, AppError> {
        self.account().ok_or(AppError::LogIn)
    }

    /// An error unless this is a curator of the dataset.
    pub fn must_curate(&self, dataset: &Name) -> Result<&Account, AppError> {
        self.must(self.curates(dataset))
    }

    pub fn must_curate_something(&self) -> Result<&Account, AppError> {
        self.must(self.curates_something())
    }

    /// The part of the audit log that a curator may read; none means all of it, for those who curate
    /// every dataset.
    pub fn audits(&self) -> Result<Option<Part>, AppError> {
        let account = self.must_curate_something()?;
        if account.has(Role::Curator, None) {
            return Ok(None);
        }
        Ok(Some(Part {
            actor: account.name.clone(),
            datasets: account.datasets(Role::Curator).cloned().collect(),
        }))
    }

    pub fn must_be_admin(&self) -> Result<&Account, AppError> {
        self.must(self.is_admin())
    }

    fn must(&self, may: bool) -> Result<&Account, AppError> {
        let account = self.known()?;
        match may {
            true => Ok(account),
            false => Err(AppError::Forbidden),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Who::asking())
    }
}

/// Finds out who asks, refuses what another site's page sends, goes on.
pub async fn identify(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    // Digests and the pages' own files are the same for everybody.
    if path.starts_with("/assets/") || path == "/healthz" {
        return next.run(request).await;
    }
    let changes = !matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let asked = request.uri().path_and_query().filter(|_| !changes);
    let asked = asked.map_or_else(|| "/".to_owned(), ToString::to_string);
    let who = match who(&app, request.headers(), asked).await {
        Ok(who) => who,
        Err(error) => return error.into_response(),
    };
    let by_token = matches!(who.0.through, Through::Token(_));
    NOW_ASKING
        .scope(who, async {
            if changes && !by_token && !is_ours(request.headers()) {
                return AppError::Forbidden.into_response();
            }
            let mut response = next.run(request).await;
            if Who::asking().account().is_some() {
                // What one person sees is for no shared cache.
                let control = response.headers_mut().entry(header::CACHE_CONTROL);
                control.or_insert(header::HeaderValue::from_static("private, no-cache"));
            }
            if Who::asking().session().is_some() {
                response.extensions_mut().insert(crate::headers::Secret);
            }
            response
        })
        .await
}

async fn who(app: &App, headers: &HeaderMap, asked: String) -> Result<Who, AppError> {
    if let Some(given) = headers.get(header::AUTHORIZATION) {
        let token = given.to_str().ok().and_then(|v| v.strip_prefix("Bearer "));
        let token = token.ok_or(AppError::BadToken)?;
        let found = tokens::find(&app.db, token.trim()).await?;
        let (account, scopes) = found.ok_or(AppError::BadToken)?;
        return Ok(Who::new(Some(account), Through::Token(scopes), asked));
    }
    let jar = CookieJar::from_headers(headers);
    let Some(cookie) = jar.get(cookie_name(app.https)) else {
        return Ok(Who::new(None, Through::Nothing, asked));
    };
    Ok(match sessions::find(&app.db, cookie.value()).await? {
        Some(session) => {
            let account = Some(session.account.clone());
            Who::new(account, Through::Session(session), asked)
        }
        None => Who::new(None, Through::Nothing, asked),
    })
}

/// Whether a browser says that one of our pages asks; or that it is no browser's page at all.
fn is_ours(headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name).map(|v| v.to_str().unwrap_or_default());
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    match text(header::ORIGIN) {
        // Old browsers send neither with some forms; those have the form's secret to show.
        None => true,
        Some(origin) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && host == text(header::HOST)
        }
    }
}

/// The cookie that begins a session in a browser.
pub fn begun(https: bool, secret: String) -> CookieJar {
    CookieJar::new().add(
        Cookie::build((cookie_name(https), secret))
            .path("/")
            .http_only(true)
            .secure(https)
            .same_site(SameSite::Lax)
            .build(),
    )
}

/// The cookie that ends it.
pub fn ended(https: bool) -> CookieJar {
    let mut over = Cookie::build((cookie_name(https), ""))
        .path("/")
        .http_only(true)
        .secure(https)
        .same_site(SameSite::Lax)
        .build();
    over.make_removal();
    CookieJar::new().add(over)
}

/// A path of this server to go on to, and nothing else.
pub fn local(path: &str) -> &str {
    let fine = path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains(['\\', '\r', '\n'])
        && !path.chars().any(char::is_control);
    if fine { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(given: &[(&'static str, &'static str)]) -> HeaderMap {
        given
            .iter()
            .map(|(name, value)| {
                (
                    header::HeaderName::from_static(name),
                    header::HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn a_form_comes_from_our_own_pages_or_from_no_page() {
        for ours in [
            &[][..],
            &[("host", "a.example")],
            &[
                ("host", "a.example:8080"),
                ("origin", "http://a.example:8080"),
            ],
            &[("host", "a.example"), ("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
        ] {
            assert!(is_ours(&headers(ours)), "{ours:?}");
        }
        for theirs in [
            &[("host", "a.example"), ("origin", "http://b.example")][..],
            &[("host", "a.example"), ("origin", "http://a.example:8080")],
            &[("host", "a.example"), ("origin", "null")],
            &[("origin", "null")],
            &[("host", "a.example"), ("sec-fetch-site", "cross-site")],
            &[("host", "a.example"), ("sec-fetch-site", "same-site")],
            &[
                ("host", "a.example"),
                ("origin", "http://a.example"),
                ("sec-fetch-site", "cross-site"),
            ],
        ] {
            assert!(!is_ours(&headers(theirs)), "{theirs:?}");
        }
    }

    #[test]
    fn one_goes_on_to_paths_of_this_server_only() {
        for fine in ["/", "/datasets/x?page=2&a=%2F%2Fb"] {
            assert_eq!(local(fine), fine);
        }
        for bad in [
            "",
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "/a\r\nb",
            "javascript:1",
            "/\tx",
        ] {
            assert_eq!(local(bad), "/", "{bad:?}");
        }
    }
}

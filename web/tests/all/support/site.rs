//! A site in process, and people who visit it with or without an account.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header},
};
use fairframe_schemas::{Layout, Name, Timestamp};
use fairframe_web::{
    App,
    state::{
        accounts::{self, By, Held, Role},
        sessions,
    },
};
use tower::ServiceExt;

/// A router over a data folder of its own, whose clock stands until it is moved.
pub struct Site {
    pub app: App,
    pub router: Router,
    pub layout: Layout,
    now: Arc<Mutex<Timestamp>>,
    _root: tempfile::TempDir,
}

/// A router over a folder that somebody else keeps.
pub async fn router(layout: Layout) -> Router {
    let app = App::open(layout, Arc::new(chrono::Utc::now), false);
    fairframe_web::router(app.await.unwrap())
}

/// The same, all of whose visitors are logged in as somebody with these roles.
pub async fn router_of(layout: Layout, roles: &[(Role, Option<&str>)]) -> Router {
    let app = App::open(layout, Arc::new(chrono::Utc::now), false);
    let app = app.await.unwrap();
    let secret = enter(&app, "somebody", roles).await;
    let cookie = HeaderValue::from_str(&format!("session={secret}")).unwrap();
    let with = move |mut request: Request<Body>| {
        let cookie = cookie.clone();
        async move {
            request.headers_mut().insert(header::COOKIE, cookie);
            request
        }
    };
    fairframe_web::router(app).layer(axum::middleware::map_request(with))
}

/// Makes an account and a session of it.
async fn enter(app: &App, name: &str, roles: &[(Role, Option<&str>)]) -> String {
    let held = roles.iter().map(|(role, dataset)| Held {
        role: *role,
        dataset: dataset.map(|d| Name::new(d).unwrap()),
    });
    let mut write = app.db.write().await.unwrap();
    let id = accounts::create(&mut write, "console", name, &held.collect())
        .await
        .unwrap();
    let secret = sessions::begin(&mut write, &id).await.unwrap();
    write.commit().await.unwrap();
    secret
}

impl Site {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The same, set up as somebody wants it.
    pub async fn with(set_up: impl FnOnce(&mut App)) -> Self {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        let now = Arc::new(Mutex::new("2026-03-01T08:00:00Z".parse().unwrap()));
        let told = now.clone();
        let clock = Arc::new(move || *told.lock().unwrap());
        let mut app = App::open(layout.clone(), clock, false).await.unwrap();
        set_up(&mut app);
        Self {
            router: fairframe_web::router(app.clone()),
            app,
            layout,
            now,
            _root: root,
        }
    }

    pub fn pass(&self, time: std::time::Duration) {
        *self.now.lock().unwrap() += time;
    }

    /// Somebody without an account.
    pub fn visitor(&self) -> Browser {
        Browser {
            router: self.router.clone(),
            cookie: None,
            csrf: String::new(),
        }
    }

    /// Who may not curate what a test is about: a curator of another dataset, a researcher,
    /// somebody without an account.
    pub async fn strangers(&self) -> [Browser; 3] {
        let other = self.member("other", &[(Role::Curator, Some("other"))]);
        let reader = self.member("reader", &[(Role::Researcher, None)]);
        [other.await, reader.await, self.visitor()]
    }

    /// Somebody who has an account already, logged in anew: sessions end.
    pub async fn again(&self, name: &str) -> Browser {
        let account = accounts::find(&self.app.db, By::Name(name)).await;
        let account = account.unwrap().unwrap();
        let mut write = self.app.db.write().await.unwrap();
        let secret = sessions::begin(&mut write, &account.id).await.unwrap();
        write.commit().await.unwrap();
        let session = sessions::find(&self.app.db, &secret).await;
        Browser {
            router: self.router.clone(),
            cookie: Some(format!("session={secret}")),
            csrf: session.unwrap().unwrap().csrf,
        }
    }

    /// Somebody with these roles (for a dataset, or all), logged in.
    pub async fn member(&self, name: &str, roles: &[(Role, Option<&str>)]) -> Browser {
        let secret = enter(&self.app, name, roles).await;
        let session = sessions::find(&self.app.db, &secret)
            .await
            .unwrap()
            .unwrap();
        Browser {
            router: self.router.clone(),
            cookie: Some(format!("session={secret}")),
            csrf: session.csrf,
        }
    }
}

/// Somebody's browser: keeps the cookie, sends the form's secret.
#[derive(Clone)]
pub struct Browser {
    pub router: Router,
    pub cookie: Option<String>,
    pub csrf: String,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    pub fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(&name).map_or("", |v| v.to_str().unwrap())
    }

    /// Where one is sent on to.
    pub fn to(&self) -> &str {
        self.header(header::LOCATION)
    }
}

impl Browser {
    pub async fn ask(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(header::HeaderName, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "data.example");
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let request = request.body(body.into()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        if let Some(set) = head.headers.get(header::SET_COOKIE) {
            let set = set.to_str().unwrap();
            let pair = set.split(';').next().unwrap();
            self.cookie = (!pair.ends_with('=')).then(|| pair.to_owned());
        }
        Answer {
            status: head.status,
            headers: head.headers,
            bytes: to_bytes(body, 64 << 20).await.unwrap().to_vec(),
        }
    }

    /// A page; takes up the secret of its forms.
    pub async fn get(&mut self, path: &str) -> Answer {
        let answer = self.ask(Method::GET, path, &[], Body::empty()).await;
        let mark = "name=\"csrf\" value=\"";
        if let Ok(text) = std::str::from_utf8(&answer.bytes)
            && let Some(at) = text.find(mark)
        {
            let rest = &text[at + mark.len()..];
            self.csrf = rest.split('"').next().unwrap().to_owned();
        }
        answer
    }

    /// A form with the secret of the session.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf.clone();
        self.post_raw(path, &[&[("csrf", csrf.as_str())], fields].concat())
            .await
    }

    /// A form as it stands.
    pub async fn post_raw(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let form = serde_html_form::to_string(fields).unwrap();
        let kind = [(header::CONTENT_TYPE, "application/x-www-form-urlencoded")];
        self.ask(Method::POST, path, &kind, form).await
    }
}

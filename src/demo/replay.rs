//! A wiki that says again what Wikimedia Commons once said, on loopback.
//!
//! ```text
//! replay/
//!   index.json     listings: which query (a part of its parameters; null: absent) has which answer
//!   answers/*.json recorded answers, in the API's format version 2
//!   pages.json     title -> page, for `titles` and `pageids`
//!   entities.json  M-id -> entity, for `wbgetentities`
//!   media/*        the bytes there are
//! ```
//!
//! Addresses of `upload.wikimedia.org` in the answers become addresses of this
//! server, so that a demo asks nobody else; for a file that is not shipped it
//! says 404.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path as UrlPath, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// How long and how often a port is asked for: 10 seconds.
const WAIT: Duration = Duration::from_millis(100);
const WAITS: u32 = 100;

/// One line of `index.json`.
#[derive(Deserialize)]
struct Entry {
    query: BTreeMap<String, Option<String>>,
    answer: String,
}

struct Replay {
    listings: Vec<(BTreeMap<String, Option<String>>, Value)>,
    pages: BTreeMap<String, Value>,
    entities: BTreeMap<String, Value>,
    media: BTreeMap<String, Vec<u8>>,
}

/// Serves a replay folder on a port, 0 for any; the API is at `/w/api.php`. The server runs until
/// the handle is aborted.
pub async fn serve(folder: &Path, port: u16) -> io::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = listen(port).await?;
    let address = listener.local_addr()?;
    let replay = Replay::load(folder, &format!("http://{address}"))?;
    let router = Router::new()
        .route("/w/api.php", get(api))
        .route("/media/{name}", get(media))
        .with_state(Arc::new(replay));
    let server = async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the replay server stopped");
        }
    };
    Ok((address, tokio::spawn(server)))
}

/// Waits a little for the port, which another demo soon gives back; then takes any.
async fn listen(port: u16) -> io::Result<TcpListener> {
    for _ in 0..WAITS {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse => tokio::time::sleep(WAIT).await,
            other => return other,
        }
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

impl Replay {
    fn load(folder: &Path, server: &str) -> io::Result<Self> {
        let index: Vec<Entry> = read(&folder.join("index.json"), server)?;
        let listing = |entry: Entry| {
            let answer = read(&folder.join(&entry.answer), server)?;
            Ok((entry.query, answer))
        };
        let mut media = BTreeMap::new();
        for file in fs::read_dir(folder.join("media"))? {
            let file = file?;
            let name = file.file_name().to_string_lossy().into_owned();
            media.insert(name, fs::read(file.path())?);
        }
        Ok(Self {
            listings: index.into_iter().map(listing).collect::<io::Result<_>>()?,
            pages: read(&folder.join("pages.json"), server)?,
            entities: read(&folder.join("entities.json"), server)?,
            media,
        })
    }

    fn answer(&self, query: &BTreeMap<String, String>) -> Value {
        let values = |key: &str| -> Vec<&str> {
            let text = query.get(key).map(String::as_str).unwrap_or_default();
            text.split('|').filter(|v| !v.is_empty()).collect()
        };
        match query.get("action").map(String::as_str) {
            Some("wbgetentities") => {
                let entity = |id: &str| {
                    let known = self.entities.get(id).cloned();
                    let missing = || json!({"id": id, "missing": ""});
                    (id.to_owned(), known.unwrap_or_else(missing))
                };
                let entities: Map<String, Value> = values("ids").into_iter().map(entity).collect();
                json!({"entities": entities, "success": 1})
            }
            Some("query") if query.contains_key("titles") => {
                let page = |title: &str| {
                    let missing = || json!({"ns": 6, "title": title, "missing": true});
                    self.pages.get(title).cloned().unwrap_or_else(missing)
                };
                let pages: Vec<Value> = values("titles").into_iter().map(page).collect();
                json!({"batchcomplete": true, "query": {"pages": pages}})
            }
            Some("query") if query.contains_key("pageids") => {
                let page = |id: &str| {
                    let number: u64 = id.parse().unwrap_or_default();
                    let known = self.pages.values().find(|p| p["pageid"] == number).cloned();
                    known.unwrap_or_else(|| json!({"pageid": number, "missing": true}))
                };
                let pages: Vec<Value> = values("pageids").into_iter().map(page).collect();
                json!({"batchcomplete": true, "query": {"pages": pages}})
            }
            _ => {
                let fits = |wanted: &BTreeMap<String, Option<String>>| {
                    wanted
                        .iter()
                        .all(|(key, value)| query.get(key) == value.as_ref())
                };
                let found = self.listings.iter().find(|(wanted, _)| fits(wanted));
                let refusal = json!({"error": {
                    "code": "not-recorded",
                    "info": "this question was never asked when the answers were recorded"}});
                found.map_or(refusal, |(_, answer)| answer.clone())
            }
        }
    }
}

/// Reads JSON, with addresses that point here.
fn read<T: DeserializeOwned>(path: &Path, server: &str) -> io::Result<T> {
    let named = |error: String| {
        io::Error::new(
            ErrorKind::InvalidData,
            format!("{}: {error}", path.display()),
        )
    };
    let text = fs::read_to_string(path)
        .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
    let text = text
        .replace("{server}", server)
        .replace("https://upload.wikimedia.org", &format!("{server}/upload"));
    serde_json::from_str(&text).map_err(|e| named(e.to_string()))
}

async fn api(
    State(replay): State<Arc<Replay>>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Json<Value> {
    Json(replay.answer(&query))
}

async fn media(State(replay): State<Arc<Replay>>, UrlPath(name): UrlPath<String>) -> Response {
    let Some(bytes) = replay.media.get(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kind = match name.rsplit('.').next() {
        Some("jpg") => "image/jpeg",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    };
    ([(header::CONTENT_TYPE, kind)], bytes.clone()).into_response()
}

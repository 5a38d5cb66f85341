//! A plain file server on loopback that answers ranges, and lies where a test tells it to.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

/// What becomes of one request.
pub enum Act {
    Serve,
    NotFound,
    /// Other bytes, as if they were the file.
    Instead(Vec<u8>),
    /// This many bytes of the body, then the connection breaks.
    Break(usize),
    /// This many bytes of the body, then nothing more for a while.
    Stall(usize),
    /// Each request waits first.
    Wait(Duration),
}

/// A request: path, and where its range starts.
pub type Asked = (String, Option<u64>);

pub struct Files {
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Files {
    /// Serves a folder; `act` says what to do at each request.
    pub fn serve(root: &Path, act: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (seen, act, root) = (asked.clone(), Arc::new(act), root.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, act, root) = (seen.clone(), act.clone(), root.clone());
                // A client that was killed hangs up; that is no failure of the server.
                std::thread::spawn(move || answer(&stream, &root, &*act, &seen));
            }
        });
        Self { port, asked }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }

    /// The requests whose path holds a text.
    pub fn asked_for(&self, part: &str) -> Vec<Asked> {
        let mut all = self.asked();
        all.retain(|(path, _)| path.contains(part));
        all
    }
}

fn answer(
    stream: &TcpStream,
    root: &Path,
    act: &dyn Fn(&Asked) -> Act,
    seen: &Mutex<Vec<Asked>>,
) -> Option<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let path = first.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    let mut start = None;
    for line in lines {
        let line = line.ok()?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(range) = line.strip_prefix("range: bytes=") {
            start = range.trim_end_matches('-').parse().ok();
        }
    }
    let asked = (path.clone(), start);
    let act = act(&asked);
    seen.lock().expect("no panic").push(asked);
    let mut out = stream;
    let file: PathBuf = root.join(&path);
    let bytes = match &act {
        Act::NotFound => None,
        Act::Instead(bytes) => Some(bytes.clone()),
        _ => std::fs::read(file).ok(),
    };
    let Some(bytes) = bytes else {
        let text = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return out.write_all(text.as_bytes()).ok();
    };
    let (from, whole) = (start.unwrap_or(0) as usize, bytes.len());
    let (status, range) = match start {
        None => ("200 OK", String::new()),
        Some(_) => (
            "206 Partial Content",
            format!("Content-Range: bytes {from}-{}/{whole}\r\n", whole - 1),
        ),
    };
    let length = whole - from;
    let head = format!(
        "HTTP/1.1 {status}\r\nETag: \"{whole}\"\r\n{range}Content-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    );
    if let Act::Wait(time) = act {
        std::thread::sleep(time);
    }
    out.write_all(head.as_bytes()).ok()?;
    let body = &bytes[from..];
    match act {
        Act::Break(n) => out.write_all(&body[..n.min(length)]).ok(),
        Act::Stall(n) => {
            out.write_all(&body[..n.min(length)]).ok()?;
            std::thread::sleep(Duration::from_secs(20));
            None
        }
        _ => out.write_all(body).ok(),
    }
}

//! A server on loopback that does what a test tells it, lies included.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// What was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// How many requests came before, over all connections.
    pub before: usize,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The first byte of `Range: bytes=N-`.
    pub fn range_start(&self) -> Option<usize> {
        self.header("range")?
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse()
            .ok()
    }
}

/// What a handler writes to.
pub struct Out<'a> {
    stream: &'a mut TcpStream,
    closing: &'a AtomicBool,
}

impl Out<'_> {
    pub fn raw(&mut self, bytes: &[u8]) {
        // The client may have gone, as a test may want.
        let _ = self.stream.write_all(bytes);
        let _ = self.stream.flush();
    }

    /// Status line, headers, `Content-Length` and body.
    pub fn answer(&mut self, status: &str, headers: &[(&str, &str)], body: &[u8]) {
        self.head(status, headers, Some(body.len()));
        self.raw(body);
    }

    pub fn head(&mut self, status: &str, headers: &[(&str, &str)], length: Option<usize>) {
        let mut text = format!("HTTP/1.1 {status}\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(length) = length {
            text.push_str(&format!("Content-Length: {length}\r\n"));
        }
        text.push_str("\r\n");
        self.raw(text.as_bytes());
    }

    /// Closes the connection after this answer.
    pub fn close(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        self.closing.store(true, Ordering::SeqCst);
    }

    /// Sends nothing for a while, or until the client hangs up.
    pub fn stall(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// Listens until the test's process ends.
pub struct TestServer {
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl TestServer {
    pub fn start(handler: impl Fn(&Asked, &mut Out) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let seen = asked.clone();
        let handler = Arc::new(handler);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let handler = handler.clone();
                let seen = seen.clone();
                std::thread::spawn(move || serve(stream, &*handler, &seen));
            }
        });
        Self { port, asked }
    }

    pub fn url(&self, path: &str) -> url::Url {
        url::Url::parse(&format!("http://127.0.0.1:{}{path}", self.port)).unwrap()
    }

    /// This server under another name; see [`Names`].
    pub fn named(&self, host: &str, path: &str) -> url::Url {
        url::Url::parse(&format!("http://{host}:{}{path}", self.port)).unwrap()
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|a| a.path).collect()
    }
}

fn serve(stream: TcpStream, handler: &dyn Fn(&Asked, &mut Out), seen: &Mutex<Vec<Asked>>) {
    let Ok(mut out) = stream.try_clone() else {
        return;
    };
    let _ = out.set_nodelay(true);
    let mut lines = BufReader::new(stream);
    let closing = AtomicBool::new(false);
    loop {
        let mut line = String::new();
        if !matches!(lines.read_line(&mut line), Ok(n) if n > 0) {
            return;
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            if !matches!(lines.read_line(&mut line), Ok(n) if n > 0) {
                return;
            }
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let asked = {
            let mut seen = seen.lock().unwrap();
            let asked = Asked {
                path,
                headers,
                before: seen.len(),
            };
            seen.push(asked.clone());
            asked
        };
        handler(
            &asked,
            &mut Out {
                stream: &mut out,
                closing: &closing,
            },
        );
        if closing.load(Ordering::SeqCst) {
            return;
        }
    }
}

/// Names for tests: a table instead of the system's resolver.
pub struct Names(pub Vec<(&'static str, &'static str)>);

impl crate::ssrf::Lookup for Names {
    fn lookup(&self, name: String) -> crate::ssrf::Looking {
        let found: Vec<_> = self
            .0
            .iter()
            .filter(|(n, _)| *n == name)
            .map(|(_, a)| a.parse().unwrap())
            .collect();
        Box::pin(async move { Ok(found) })
    }
}

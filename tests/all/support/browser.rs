//! Somebody's browser over a real connection, as far as forms go.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use super::{Serving, text};

const PASSWORD: &str = "otter lantern gravel mosaic";
const FORM: &str = "application/x-www-form-urlencoded";

/// Keeps the cookie, sends the form's secret.
#[derive(Default)]
pub struct Browser {
    pub cookie: String,
    pub csrf: String,
}

impl Browser {
    /// The status line, where one is sent on to, and the page.
    pub fn send(
        &mut self,
        server: &Serving,
        request: &str,
        body: &str,
    ) -> (String, String, String) {
        self.send_as(server, request, FORM, body.as_bytes())
    }

    /// The same with a body of another type.
    pub fn send_as(
        &mut self,
        server: &Serving,
        request: &str,
        kind: &str,
        body: &[u8],
    ) -> (String, String, String) {
        let address = server
            .url
            .trim_start_matches("http://")
            .trim_end_matches('/');
        let mut stream = TcpStream::connect(address).unwrap();
        let length = body.len();
        let cookie = &self.cookie;
        write!(
            stream,
            "{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nCookie: {cookie}\r\n\
             Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
        )
        .unwrap();
        stream.write_all(body).unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        let all = text(&all);
        let (head, page) = all.split_once("\r\n\r\n").unwrap();
        let header = |name: &str| {
            let line = head
                .lines()
                .find_map(|l| l.strip_prefix(&format!("{name}: ")));
            line.unwrap_or_default().to_owned()
        };
        if let Some(pair) = header("set-cookie")
            .split(';')
            .next()
            .filter(|p| !p.is_empty())
        {
            self.cookie = pair.to_owned();
        }
        let mark = "name=\"csrf\" value=\"";
        if let Some(at) = page.find(mark) {
            self.csrf = page[at + mark.len()..]
                .split('"')
                .next()
                .unwrap()
                .to_owned();
        }
        (
            head.lines().next().unwrap().to_owned(),
            header("location"),
            page.to_owned(),
        )
    }

    pub fn get(&mut self, server: &Serving, path: &str) -> String {
        let (status, _, page) = self.send(server, &format!("GET {path}"), "");
        assert!(status.contains(" 200 "), "{path}: {status}\n{page}");
        page
    }

    /// Sends a form and gives where it leads to.
    pub fn post(&mut self, server: &Serving, path: &str, form: &str) -> String {
        let body = format!("csrf={}&{form}", self.csrf);
        let (status, to, page) = self.send(server, &format!("POST {path}"), &body);
        assert!(status.contains(" 303 "), "{path}: {status}\n{page}");
        to
    }

    /// Sets a password by a one-time link and is logged in by that.
    pub fn enter(server: &Serving, link: &str) -> Self {
        let mut browser = Self::default();
        browser.get(server, link);
        let words = PASSWORD.replace(' ', "+");
        browser.post(server, link, &format!("password={words}&again={words}"));
        browser.get(server, "/account");
        browser
    }

    /// The page of a job once it is over.
    pub fn wait(&mut self, server: &Serving, job: &str) -> String {
        let begun = Instant::now();
        loop {
            let page = self.get(server, job);
            if !page.contains("data-events") {
                return page;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "{page}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// The body of a form with files, and its type: a field's name, a file's name (none: a text), the
/// bytes.
pub fn multipart(fields: &[(&str, Option<&str>, &[u8])]) -> (String, Vec<u8>) {
    let boundary = "3f1c0b9a52d84e7f";
    let mut body = Vec::new();
    for (name, file, bytes) in fields {
        let file = file.map_or(String::new(), |f| {
            format!("; filename=\"{f}\"\r\nContent-Type: application/octet-stream")
        });
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

//! Where readers find the server, for addresses they take elsewhere.

use axum::http::{HeaderMap, header};

use crate::App;

impl App {
    /// `https://host`, as the reader sees it; a host that is none is not repeated. Whether there
    /// is TLS before us nobody but who started the server can say.
    pub fn origin(&self, headers: &HeaderMap) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}", host(headers))
    }
}

fn host(headers: &HeaderMap) -> &str {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
    headers
        .get(header::HOST)
        .and_then(|h| h.to_str().ok())
        .filter(|h| (1..=255).contains(&h.len()) && h.bytes().all(plain))
        .unwrap_or("localhost")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_host_that_is_none_is_not_repeated() {
        let mut headers = HeaderMap::new();
        assert_eq!(host(&headers), "localhost");
        for (given, shown) in [
            ("data.example:8080", "data.example:8080"),
            ("[::1]:80", "[::1]:80"),
            ("x\"><script>", "localhost"),
            ("a b; rm -rf", "localhost"),
        ] {
            headers.insert(header::HOST, HeaderValue::from_str(given).unwrap());
            assert_eq!(host(&headers), shown);
        }
    }
}

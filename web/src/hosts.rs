//! Under which names the server answers.
//!
//! A page of a stranger may let its own name point at this machine (DNS
//! rebinding) and then read what is served here as if it were its own. The
//! browser sends that name along, so a name nobody has declared gets no answer.
//! Addresses cannot be rebound, and `localhost` is never asked of the DNS.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// The declared names. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Hosts(Arc<BTreeSet<String>>);

impl Hosts {
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(Arc::new(names.into_iter().map(plain).collect()))
    }

    /// Whether a host, with or without a port, is one of ours.
    pub fn answers(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        if host.contains('@') {
            return false;
        }
        let name = plain(authority.host());
        let address = name.trim_start_matches('[').trim_end_matches(']');
        address.parse::<IpAddr>().is_ok()
            || name == "localhost"
            || name.ends_with(".localhost")
            || self.0.contains(&name)
    }

    /// A request without a host comes from no browser.
    fn answer(&self, request: &Request) -> bool {
        let stated = |headers: &HeaderMap| {
            let mut hosts = headers.get_all(header::HOST).iter();
            hosts.all(|host| host.to_str().is_ok_and(|host| self.answers(host)))
        };
        let asked = request.uri().authority();
        stated(request.headers()) && asked.is_none_or(|a| self.answers(a.as_str()))
    }
}

/// Lower case, without the dot of a whole domain name.
fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

pub async fn check(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    if hosts.answer(&request) {
        return next.run(request).await;
    }
    let said = "this server does not answer to that name; start it with `--host NAME`\n";
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (StatusCode::MISDIRECTED_REQUEST, headers, said).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_loopback_names_and_declared_names_are_answered() {
        let hosts = Hosts::new(["Data.Example.ORG"]);
        for host in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "[::1]:8080",
            "10.1.2.3",
            "localhost",
            "LOCALHOST:80",
            "localhost.",
            "a.localhost:8080",
            "data.example.org",
            "data.example.org.:443",
        ] {
            assert!(hosts.answers(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:8080",
            "data.example.org.evil.example",
            "x.data.example.org",
            "localhost.evil.example",
            "notlocalhost",
            "127.0.0.1.evil.example",
            "2130706433",
            "localhost@evil.example",
            "evil.example@localhost",
            "[::1",
            "a b",
        ] {
            assert!(!hosts.answers(host), "{host}");
        }
    }
}

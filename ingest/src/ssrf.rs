//! Which addresses we refuse to talk to.
//!
//! A source names URLs, and a source is written by a stranger: a URL must not
//! make us fetch what only *we* can reach (cloud metadata, a router, a database
//! on loopback). Every hop is judged twice:
//!
//! 1. the URL itself ([`AddressRules::check_url`]): scheme, user part, port,
//!    literal addresses in any spelling;
//! 2. the addresses a name resolves to, inside the resolver that the connection
//!    uses ([`FilteredDns`]). There is no second lookup between check and
//!    connection, so a name that changes its answer (DNS rebinding) gains nothing.
//!
//! What is refused follows the IANA special-purpose registries for IPv4 and
//! IPv6 (RFC 6890 and its updates).

use std::{
    error::Error,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Addresses of one name that are looked at; further ones are ignored.
pub const MAX_ADDRESSES: usize = 16;

/// Longest URL taken, in bytes.
pub const MAX_URL: usize = 8 << 10;

/// Ports at or above 1024 that belong to other protocols (the Fetch standard's
/// "bad ports"); below 1024 only 80 and 443 are taken.
const BAD_PORTS: &[u16] = &[
    1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669,
    6679, 6697, 10080,
];

/// Why an address is not fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("`{url}` is not http or https")]
    Scheme { url: String },
    #[error("`{url}` names no host")]
    NoHost { url: String },
    #[error("the URL at host `{host}` carries a user name or password; remove it")]
    UserInfo { host: String },
    #[error(
        "port {port} of `{host}` is not one for http; add `{host}:{port}` to `allow_private` if it is meant"
    )]
    Port { host: String, port: u16 },
    #[error("the URL at host `{host}` is longer than {MAX_URL} bytes")]
    TooLong { host: String },
    #[error(
        "`{host}` is the {kind} address {address}; add `{host}` to `allow_private` if it is meant"
    )]
    Address {
        host: String,
        address: IpAddr,
        kind: &'static str,
    },
    #[error("`{0}` in `allow_private` is not a host name or address, with or without a port")]
    Rule(String),
}

/// Whether the addresses behind a URL are filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Public addresses only.
    Public,
    /// The source declares this host in `allow_private`.
    Private,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Allowed {
    host: String,
    port: Option<u16>,
}

/// The rules of one source.
#[derive(Debug, Clone, Default)]
pub struct AddressRules {
    allowed: Arc<[Allowed]>,
}

impl AddressRules {
    /// `allow_private`: host names or literal addresses, each with an optional
    /// `:port` (`wiki.example`, `127.0.0.1:8080`, `::1`, `[::1]:8080`).
    pub fn new(allow_private: &[String]) -> Result<Self, Refused> {
        let allowed = allow_private
            .iter()
            .map(|text| parse_rule(text).ok_or_else(|| Refused::Rule(text.clone())))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            allowed: allowed.into(),
        })
    }

    fn allows(&self, host: &str, port: u16) -> bool {
        self.allowed
            .iter()
            .any(|rule| rule.host == host && rule.port.is_none_or(|p| p == port))
    }

    /// Judges a URL before anything is resolved, and says how its name may resolve.
    pub fn check_url(&self, url: &Url) -> Result<Reach, Refused> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::Scheme {
                url: shown(url.as_str()),
            });
        }
        let no_host = || Refused::NoHost {
            url: shown(url.as_str()),
        };
        let host = url.host().ok_or_else(no_host)?;
        let text = host_text(&host);
        if text.is_empty() {
            return Err(no_host());
        }
        if url.as_str().len() > MAX_URL {
            return Err(Refused::TooLong { host: text });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::UserInfo { host: text });
        }
        let port = url.port_or_known_default().ok_or_else(no_host)?;
        if self.allows(&text, port) {
            return Ok(Reach::Private);
        }
        let usual = matches!(port, 80 | 443) || (port >= 1024 && !BAD_PORTS.contains(&port));
        if !usual {
            return Err(Refused::Port { host: text, port });
        }
        let address = match host {
            Host::Ipv4(v4) => IpAddr::V4(v4),
            Host::Ipv6(v6) => IpAddr::V6(v6),
            Host::Domain(_) => return Ok(Reach::Public),
        };
        match refusal(address) {
            Some(kind) => Err(Refused::Address {
                host: text,
                address,
                kind,
            }),
            None => Ok(Reach::Public),
        }
    }
}

fn parse_rule(text: &str) -> Option<Allowed> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|t| t.strip_suffix(']'))
        .unwrap_or(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Some(Allowed {
            host: address.to_string(),
            port: None,
        });
    }
    // The URL parser knows names, brackets, ports and punycode.
    if text.is_empty() || text.contains(['/', '@', '?', '#', '\\']) {
        return None;
    }
    let url = Url::parse(&format!("http://{text}/")).ok()?;
    // The parser drops the scheme's own port, so ask the text.
    let port = match text.rsplit_once(':') {
        Some((_, port)) if !text.ends_with(']') => Some(port.parse().ok()?),
        _ => None,
    };
    Some(Allowed {
        host: host_text(&url.host()?),
        port,
    })
}

/// Lower case without brackets and without the root's dot.
fn host_text(host: &Host<&str>) -> String {
    match host {
        Host::Domain(name) => name.trim_end_matches('.').to_ascii_lowercase(),
        Host::Ipv4(v4) => v4.to_string(),
        Host::Ipv6(v6) => v6.to_string(),
    }
}

/// At most 200 characters, for messages.
pub(crate) fn shown(url: &str) -> String {
    let mut text: String = url.chars().take(200).collect();
    if text.len() < url.len() {
        text.push('…');
    }
    text
}

/// The kind of a special-purpose address, or `None` for a public one.
pub fn refusal(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => refusal_v4(v4),
        IpAddr::V6(v6) => refusal_v6(v6),
    }
}

fn refusal_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    Some(match (a, b, c) {
        (0, ..) => "unspecified",
        (10, ..) | (192, 168, _) => "private",
        (172, 16..=31, _) => "private",
        (100, 64..=127, _) => "carrier-grade NAT",
        (127, ..) => "loopback",
        (169, 254, _) => "link-local",
        (192, 0, 0) => "IETF protocol",
        (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => "documentation",
        (192, 31, 196) | (192, 52, 193) | (192, 175, 48) => "AS112 or AMT",
        (192, 88, 99) => "6to4 relay",
        (198, 18..=19, _) => "benchmarking",
        (224..=239, ..) => "multicast",
        (240..=255, ..) => "reserved",
        _ => return None,
    })
}

fn refusal_v6(address: Ipv6Addr) -> Option<&'static str> {
    let s = address.segments();
    let embedded = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    Some(match s {
        [0, 0, 0, 0, 0, 0, 0, 0] => "unspecified",
        [0, 0, 0, 0, 0, 0, 0, 1] => "loopback",
        [0, 0, 0, 0, 0, 0xffff, ..] => "IPv4-mapped",
        [0, 0, 0, 0, 0xffff, 0, ..] => "IPv4-translated",
        [0, 0, 0, 0, 0, 0, ..] => "IPv4-compatible",
        // On networks with IPv6 only, every public IPv4 host looks like this
        // (RFC 6052), so it is as good as the address inside.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            return refusal_v4(embedded(high, low)).map(|_| "NAT64 of a special IPv4");
        }
        [0x64, 0xff9b, ..] => "local NAT64",
        [0x100, 0, 0, ..] => "discard-only",
        [0x2001, 0, ..] => "Teredo",
        [0x2001, 0xdb8, ..] => "documentation",
        [0x2001, 0..=0x1ff, ..] => "IETF protocol",
        [0x2002, ..] => "6to4",
        [0x2620, 0x4f, 0x8000, ..] => "AS112 or AMT",
        [0x3fff, 0..=0xfff, ..] => "documentation",
        [0x5f00, ..] => "segment routing",
        [0xfc00..=0xfdff, ..] => "unique local",
        [0xfe80..=0xfebf, ..] => "link-local",
        [0xfec0..=0xfeff, ..] => "site-local",
        [0xff00..=0xffff, ..] => "multicast",
        // Only 2000::/3 has been given out for use on the internet.
        [0x2000..=0x3fff, ..] => return None,
        _ => "reserved",
    })
}

/// What even a declared host may not resolve to: link-local holds cloud
/// metadata, the others are no servers.
fn refusal_when_declared(address: IpAddr) -> Option<&'static str> {
    refusal(address).filter(|kind| {
        matches!(
            *kind,
            "unspecified" | "link-local" | "multicast" | "reserved"
        )
    })
}

/// Looks names up and keeps what may be connected to.
#[derive(Clone)]
pub struct FilteredDns {
    reach: Reach,
    lookup: Arc<dyn Lookup>,
}

/// Where names are looked up; a test gives its own answers.
pub trait Lookup: Send + Sync {
    fn lookup(&self, name: String) -> Looking;
}

/// A lookup under way.
pub type Looking =
    std::pin::Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send + 'static>>;

/// The system's resolver.
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, name: String) -> Looking {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|a| a.ip()).take(MAX_ADDRESSES).collect())
        })
    }
}

impl FilteredDns {
    pub fn new(reach: Reach, lookup: Arc<dyn Lookup>) -> Self {
        Self { reach, lookup }
    }
}

impl Resolve for FilteredDns {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let looking = self.lookup.lookup(host.clone());
        let reach = self.reach;
        Box::pin(async move {
            let found = looking.await?;
            let mut good = Vec::new();
            let mut refused = None;
            for address in found.into_iter().take(MAX_ADDRESSES) {
                let kind = match reach {
                    Reach::Public => refusal(address),
                    Reach::Private => refusal_when_declared(address),
                };
                match kind {
                    None => good.push(SocketAddr::new(address, 0)),
                    Some(kind) => {
                        refused.get_or_insert(Refused::Address {
                            host: host.clone(),
                            address,
                            kind,
                        });
                    }
                }
            }
            match (good.is_empty(), refused) {
                (false, _) => Ok(Box::new(good.into_iter()) as Addrs),
                (true, Some(refused)) => Err(Box::new(refused) as Box<dyn Error + Send + Sync>),
                (true, None) => Err(format!("`{host}` has no address").into()),
            }
        })
    }
}

/// The refusal inside an error's chain of causes, if there is one.
pub(crate) fn refused_in(error: &(dyn Error + 'static)) -> Option<Refused> {
    let mut at = Some(error);
    while let Some(e) = at {
        if let Some(refused) = e.downcast_ref::<Refused>() {
            return Some(refused.clone());
        }
        at = e.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn special_addresses_are_refused_and_public_ones_are_not() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "192.0.0.8",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.9",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "192.88.99.1",
            "::",
            "::1",
            "::ffff:8.8.8.8",
            "::ffff:127.0.0.1",
            "::8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2001:10::1",
            "2002:7f00:1::",
            "2002:808:808::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
            "0:0:0:0:ffff:0:7f00:1",
        ] {
            assert!(refusal(text.parse().unwrap()).is_some(), "{text}");
        }
        for text in [
            "8.8.8.8",
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2620:0:860::1",
            "2a00:1450::1",
            "2001:4860:4860::8888",
            "64:ff9b::808:808",
            "2003::1",
        ] {
            assert_eq!(refusal(text.parse().unwrap()), None, "{text}");
        }
    }

    #[test]
    fn literal_addresses_are_seen_through_every_spelling() {
        let rules = AddressRules::default();
        for text in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://0/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://①②⑦.0.0.1/",
            "http://169.254.169.254/latest/",
            "http://127.0.0.1./",
        ] {
            assert!(
                matches!(rules.check_url(&url(text)), Err(Refused::Address { .. })),
                "{text}: {:?}",
                rules.check_url(&url(text))
            );
        }
        assert_eq!(
            rules.check_url(&url("https://8.8.8.8/x.jpg")),
            Ok(Reach::Public)
        );
    }

    #[test]
    fn only_plain_http_urls_are_taken() {
        let rules = AddressRules::default();
        let check = |text: &str| rules.check_url(&url(text));
        assert!(matches!(
            check("ftp://a.example/"),
            Err(Refused::Scheme { .. })
        ));
        assert!(matches!(
            check("file:///etc/passwd"),
            Err(Refused::Scheme { .. })
        ));
        assert!(matches!(
            check("gopher://a.example:70/"),
            Err(Refused::Scheme { .. })
        ));
        assert!(matches!(check("data:,x"), Err(Refused::Scheme { .. })));
        assert!(matches!(
            check("http://u:p@a.example/"),
            Err(Refused::UserInfo { .. })
        ));
        assert!(matches!(
            check("http://u@a.example/"),
            Err(Refused::UserInfo { .. })
        ));
        for port in [22, 25, 1023, 6000, 2049, 10080] {
            assert!(
                matches!(
                    check(&format!("http://a.example:{port}/")),
                    Err(Refused::Port { .. })
                ),
                "{port}"
            );
        }
        assert_eq!(check("http://a.example:8080/"), Ok(Reach::Public));
        let long = format!("http://a.example/{}", "a".repeat(MAX_URL));
        assert!(matches!(check(&long), Err(Refused::TooLong { .. })));
    }

    #[test]
    fn no_password_is_shown() {
        let text = AddressRules::default()
            .check_url(&url("http://user:secret@a.example/"))
            .unwrap_err()
            .to_string();
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn declared_hosts_are_allowed_with_their_port_only() {
        let rules = AddressRules::new(&[
            "127.0.0.1:8080".into(),
            "Wiki.Example".into(),
            "::1".into(),
            "[fd00::1]:81".into(),
            "a.example:80".into(),
        ])
        .unwrap();
        let ok = |text: &str| rules.check_url(&url(text));
        assert_eq!(ok("http://127.0.0.1:8080/x"), Ok(Reach::Private));
        assert!(ok("http://127.0.0.1:8081/x").is_err());
        assert!(ok("http://127.0.0.1/x").is_err());
        assert_eq!(ok("http://wiki.example:22/"), Ok(Reach::Private));
        assert_eq!(ok("http://WIKI.example./"), Ok(Reach::Private));
        assert_eq!(ok("http://sub.wiki.example/"), Ok(Reach::Public));
        assert_eq!(ok("http://[::1]:9000/"), Ok(Reach::Private));
        assert_eq!(ok("http://[fd00::1]:81/"), Ok(Reach::Private));
        assert!(ok("http://[fd00::1]/").is_err());
        assert_eq!(ok("http://a.example/"), Ok(Reach::Private));
        assert_eq!(ok("https://a.example/"), Ok(Reach::Public));
    }

    #[test]
    fn rules_that_are_no_hosts_are_refused() {
        for text in [
            "",
            "http://a.example",
            "a/b",
            "a:port",
            "a:99999",
            "u@a",
            "a b",
        ] {
            assert!(AddressRules::new(&[text.to_owned()]).is_err(), "{text}");
        }
    }

    struct Answers(Vec<IpAddr>);

    impl Lookup for Answers {
        fn lookup(&self, _: String) -> Looking {
            let found = self.0.clone();
            Box::pin(async move { Ok(found) })
        }
    }

    async fn resolve(reach: Reach, answers: &[&str]) -> Result<Vec<String>, String> {
        let answers = answers.iter().map(|a| a.parse().unwrap()).collect();
        FilteredDns::new(reach, Arc::new(Answers(answers)))
            .resolve("a.example".parse().unwrap())
            .await
            .map(|found| found.map(|a| a.ip().to_string()).collect())
            .map_err(|e| e.to_string())
    }

    #[tokio::test]
    async fn names_keep_their_public_addresses_only() {
        let found = resolve(Reach::Public, &["10.0.0.1", "8.8.8.8", "::1"]).await;
        assert_eq!(found.unwrap(), ["8.8.8.8"]);
        let none = resolve(Reach::Public, &["127.0.0.1"]).await.unwrap_err();
        assert!(none.contains("loopback"), "{none}");
        assert!(resolve(Reach::Public, &[]).await.is_err());
    }

    #[tokio::test]
    async fn a_declared_name_still_does_not_reach_metadata() {
        let found = resolve(
            Reach::Private,
            &["10.0.0.1", "169.254.169.254", "224.0.0.1"],
        )
        .await;
        assert_eq!(found.unwrap(), ["10.0.0.1"]);
        assert!(resolve(Reach::Private, &["169.254.169.254"]).await.is_err());
    }
}

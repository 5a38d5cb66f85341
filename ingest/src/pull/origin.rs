//! Where a release is: a folder, `fairframe serve`, or a plain file server
//! over the same tree.
//!
//! | | release file | media | recall list of the newest release |
//! | --- | --- | --- | --- |
//! | folder `R/manifests/D/V` | `R/manifests/D/V/F` | `R/store/ab/cd/S` | `R/manifests/D/recall.json`, newest version |
//! | `fairframe serve` | `/data/D/V/F` | `/media/S` | `/data/D/recall.json` |
//! | file server | `manifests/D/V/F` | `store/ab/cd/S` | `manifests/D/recall.json` |

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use fairframe_schemas::{DatasetVersion, Digest, Name};
use reqwest::header::HeaderMap;
use url::Url;

use super::PullError;
use crate::{http::Http, source::MediaRef, sums::SUMS, versions::Versions};

/// Where a release is pulled from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Folder {
        release: PathBuf,
        /// The store of the installation it stands in.
        store: Option<PathBuf>,
    },
    Server {
        /// Ends with a slash.
        release: Url,
        /// Whether media are at `/media/`, as `fairframe serve` has them.
        ours: bool,
    },
}

impl Origin {
    /// Reads what was typed. A page of the web interface means the release it shows.
    pub fn parse(text: &str) -> Result<Self, PullError> {
        let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
        if !lower.starts_with("http://") && !lower.starts_with("https://") {
            return Self::folder(Path::new(text));
        }
        let wrong = |problem: String| PullError::Address {
            address: crate::ssrf::shown(text),
            problem,
        };
        let mut url = Url::parse(text).map_err(|e| wrong(e.to_string()))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("it has a query or fragment; leave it out".to_owned()));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        let path = path.strip_suffix(SUMS).unwrap_or(&path);
        let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let at = parts.len().checked_sub(3);
        let kind = at.map(|at| parts[at]).unwrap_or_default();
        let names_version = parts
            .last()
            .is_some_and(|p| p.parse::<DatasetVersion>().is_ok());
        if !names_version {
            return Err(wrong(
                "it does not end with a version; name a release, as `…/data/demo/1.0.0/`"
                    .to_owned(),
            ));
        }
        let ours = matches!(kind, "data" | "datasets");
        if let Some(at) = at.filter(|_| kind == "datasets") {
            parts[at] = "data";
        }
        let path = format!("/{}/", parts.join("/"));
        url.set_path(&path);
        Ok(Self::Server { release: url, ours })
    }

    fn folder(path: &Path) -> Result<Self, PullError> {
        let wrap = |error| PullError::Io {
            path: path.to_owned(),
            error,
        };
        let release = fs::canonicalize(path).map_err(wrap)?;
        let store = release.ancestors().nth(3).map(|root| root.join("store"));
        Ok(Self::Folder {
            store: store.filter(|s| s.is_dir()),
            release,
        })
    }

    /// The host that typing its URL allows, as [`crate::ssrf::AddressRules::new`] takes it.
    pub fn typed_host(&self) -> Option<String> {
        let Self::Server { release, .. } = self else {
            return None;
        };
        let host = release.host_str()?;
        Some(format!("{host}:{}", release.port_or_known_default()?))
    }

    /// Whether a release is the one that the address names; else what it names. A
    /// folder is asked only where it stands in `manifests/`.
    pub(super) fn names(&self, dataset: &Name, version: DatasetVersion) -> Result<(), String> {
        let parts: Vec<&str> = match self {
            Self::Server { release, .. } => release.path().trim_matches('/').split('/').collect(),
            Self::Folder { release, .. } => {
                let parts = release.iter().map(|p| p.to_str().unwrap_or_default());
                let parts: Vec<&str> = parts.collect();
                match parts.as_slice() {
                    [.., "manifests", _, _] => parts,
                    _ => return Ok(()),
                }
            }
        };
        match parts.as_slice() {
            [.., d, v] if *d == dataset.as_str() && v.parse() == Ok(version) => Ok(()),
            [.., d, v] => Err(format!("{d} {v}")),
            _ => Err("no dataset".to_owned()),
        }
    }

    /// A file of the release; its name is one of `SHA256SUMS`.
    pub fn file(&self, name: &str) -> MediaRef {
        match self {
            Self::Folder { release, .. } => MediaRef::File {
                root: release.clone(),
                path: PathBuf::from(name),
            },
            Self::Server { release, .. } => MediaRef::Url(format!("{release}{name}")),
        }
    }

    /// Where the bytes of a sample would be, if they are there.
    pub fn media(&self, digest: &Digest) -> Option<MediaRef> {
        let hex = digest.to_string();
        let sharded = format!("{}/{}/{hex}", &hex[..2], &hex[2..4]);
        match self {
            Self::Folder { store, .. } => Some(MediaRef::File {
                root: store.clone()?,
                path: PathBuf::from(sharded),
            }),
            Self::Server { release, ours } => {
                let place = match ours {
                    true => format!("../../../media/{hex}"),
                    false => format!("../../../store/{sharded}"),
                };
                Some(MediaRef::Url(release.join(&place).ok()?.into()))
            }
        }
    }

    /// The bytes of `SHA256SUMS`.
    pub(super) async fn sums(&self, http: &Http, limit: u64) -> Result<Vec<u8>, PullError> {
        let found = match self {
            Self::Folder { release, .. } => read(&release.join(SUMS), limit)?,
            Self::Server { release, .. } => get(http, release, SUMS, limit).await?,
        };
        found.ok_or_else(|| PullError::NoRelease(self.to_string()))
    }

    /// The recall lists that are newer than the release's own: bytes and where they were.
    pub(super) async fn recalls(
        &self,
        http: &Http,
        limit: u64,
    ) -> Result<Vec<(String, Vec<u8>)>, PullError> {
        match self {
            Self::Folder { release, .. } => {
                let Some(dataset) = release.parent() else {
                    return Ok(Vec::new());
                };
                let there = Versions::of(dataset).map_err(|error| PullError::Io {
                    path: dataset.to_owned(),
                    error,
                })?;
                let newest = there.versions.last().map(|v| dataset.join(v.to_string()));
                let mut found = Vec::new();
                for folder in newest.iter().map(PathBuf::as_path).chain([dataset]) {
                    let path = folder.join("recall.json");
                    if let Some(bytes) = read(&path, limit)? {
                        found.push((path.display().to_string(), bytes));
                    }
                }
                Ok(found)
            }
            Self::Server { release, .. } => {
                let found = get(http, release, "../recall.json", limit).await?;
                let url = release.join("../recall.json").map(String::from);
                Ok(found
                    .map(|bytes| (url.unwrap_or_default(), bytes))
                    .into_iter()
                    .collect())
            }
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder { release, .. } => write!(f, "{}", release.display()),
            Self::Server { release, .. } => f.write_str(release.as_str()),
        }
    }
}

/// A file of at most `limit` bytes; `None` where there is none.
pub(super) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, PullError> {
    let wrap = |error| PullError::Io {
        path: path.to_owned(),
        error,
    };
    let file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(wrap)?,
    };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(wrap)?;
    if bytes.len() as u64 > limit {
        return Err(wrap(io::Error::other(format!(
            "larger than {limit} bytes, the most that is read"
        ))));
    }
    Ok(Some(bytes))
}

/// An answer of at most `limit` bytes; `None` where the server says there is none.
async fn get(
    http: &Http,
    base: &Url,
    name: &str,
    limit: u64,
) -> Result<Option<Vec<u8>>, PullError> {
    let url = base.join(name).map_err(|e| PullError::Address {
        address: base.to_string(),
        problem: e.to_string(),
    })?;
    let response = http.get(&url, HeaderMap::new()).await?;
    match response.status().as_u16() {
        200 => Ok(Some(response.unpacked(limit).await?)),
        404 | 410 => Ok(None),
        _ => Err(response.into_error().await.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(text: &str) -> (String, String) {
        let origin = Origin::parse(text).unwrap();
        let MediaRef::Url(media) = origin.media(&Digest::of(b"")).unwrap() else {
            panic!("a server has URLs")
        };
        (origin.to_string(), media)
    }

    #[test]
    fn what_people_paste_names_the_release() {
        let hex = Digest::of(b"").to_string();
        for typed in [
            "http://h:8080/data/demo/1.0.0/",
            "http://h:8080/data/demo/1.0.0",
            "http://h:8080/data/demo/1.0.0/SHA256SUMS",
            "http://h:8080/datasets/demo/1.0.0/",
        ] {
            let (release, found) = media(typed);
            assert_eq!(release, "http://h:8080/data/demo/1.0.0/", "{typed}");
            assert_eq!(found, format!("http://h:8080/media/{hex}"), "{typed}");
        }
        let (release, found) = media("https://h/x/manifests/demo/2.0.0");
        assert_eq!(release, "https://h/x/manifests/demo/2.0.0/");
        assert_eq!(found, format!("https://h/x/store/e3/b0/{hex}"));
        for typed in [
            "http://h/data/demo",
            "http://h/",
            "http://h/data/demo/1.0.0/?x=1",
        ] {
            assert!(Origin::parse(typed).is_err(), "{typed}");
        }
        let host = Origin::parse("http://[::1]/data/demo/1.0.0/").unwrap();
        assert_eq!(host.typed_host().as_deref(), Some("[::1]:80"));
    }
}

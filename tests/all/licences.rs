//! `deny.toml`, held without cargo-deny: every dependency has a licence that is
//! allowed and comes from the one registry; nothing is allowed in vain.

use std::{collections::BTreeSet, path::Path, process::Command};

use serde::Deserialize;
use spdx::{Expression, ParseMode};

#[derive(Deserialize)]
struct Deny {
    licenses: Licences,
}

#[derive(Deserialize)]
struct Licences {
    allow: Vec<String>,
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    name: String,
    allow: Vec<String>,
}

struct Package {
    name: String,
    version: String,
    licence: Option<String>,
}

impl Licences {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml");
        let text = std::fs::read_to_string(path).expect("deny.toml");
        toml::from_str::<Deny>(&text)
            .expect("its licences")
            .licenses
    }

    /// The same without one of them.
    fn without(&self, licence: &str) -> Self {
        let kept = self.allow.iter().filter(|a| *a != licence);
        let exceptions = self.exceptions.iter().map(|e| Exception {
            name: e.name.clone(),
            allow: e.allow.clone(),
        });
        Self {
            allow: kept.cloned().collect(),
            exceptions: exceptions.collect(),
        }
    }

    fn exceptions_of(&self, package: &Package) -> BTreeSet<&str> {
        let of = self.exceptions.iter().filter(|e| e.name == package.name);
        of.flat_map(|e| &e.allow).map(String::as_str).collect()
    }

    /// Why a package may not be used.
    fn wrong(&self, package: &Package) -> Option<String> {
        let Package { name, version, .. } = package;
        let Some(text) = &package.licence else {
            return Some(format!("{name} {version} states no licence"));
        };
        // Some still write `MIT/Apache-2.0`.
        let stated = match Expression::parse_mode(text, ParseMode::LAX) {
            Ok(stated) => stated,
            Err(e) => return Some(format!("{name} {version}: `{text}`: {}", e.reason)),
        };
        let except = self.exceptions_of(package);
        let allowed = stated.evaluate(|asked| {
            let asked = asked.to_string();
            except.contains(asked.as_str()) || self.allow.contains(&asked)
        });
        (!allowed).then(|| format!("{name} {version}: `{text}` is not allowed by deny.toml"))
    }
}

/// All packages that this machine's build uses, our own too.
fn packages() -> Vec<Package> {
    // `cargo metadata` names features of other platforms' too; the tree is what is built.
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--offline", "--locked"])
        .args(["--edges", "normal,build,dev", "--prefix", "none"])
        .args(["--format", "{p}|{l}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("text");
    // `name v1.0.0 (proc-macro)|MIT (*)`
    let lines: BTreeSet<&str> = text.lines().filter(|l| !l.is_empty()).collect();
    let packages = lines.into_iter().map(|line| {
        let (package, licence) = line.split_once('|').expect("package and licence");
        let mut words = package.split(' ').map(str::to_owned);
        let licence = licence.trim_end_matches("(*)").trim();
        Package {
            name: words.next().expect("a name"),
            version: words.next().expect("a version"),
            licence: (!licence.is_empty()).then(|| licence.to_owned()),
        }
    });
    let packages: Vec<Package> = packages.collect();
    assert!(packages.len() > 100, "all of them");
    packages
}

#[test]
fn every_dependency_has_a_licence_that_is_allowed() {
    let licences = Licences::read();
    let packages = packages();
    let wrong: Vec<String> = packages.iter().filter_map(|p| licences.wrong(p)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    for licence in &licences.allow {
        let less = licences.without(licence);
        let needed = packages.iter().any(|p| less.wrong(p).is_some());
        assert!(needed, "`{licence}` is allowed and no dependency needs it");
    }
    let bare = Licences {
        allow: licences.allow.clone(),
        exceptions: Vec::new(),
    };
    for Exception { name, .. } in &licences.exceptions {
        let mut named = packages.iter().filter(|p| p.name == *name);
        let needed = named.any(|p| bare.wrong(p).is_some());
        assert!(needed, "no dependency needs the exception for `{name}`");
    }
}

#[test]
fn dependencies_come_from_one_registry() {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Locked>,
    }
    #[derive(Deserialize)]
    struct Locked {
        source: Option<String>,
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
    let text = std::fs::read_to_string(path).expect("Cargo.lock");
    let lock: Lock = toml::from_str(&text).expect("its packages");
    let sources: BTreeSet<String> = lock.package.into_iter().filter_map(|p| p.source).collect();
    assert_eq!(sources.len(), 1, "{sources:?}");
    assert!(sources.iter().all(|s| s.starts_with("registry+")));
}

#[test]
fn offenders_are_found() {
    let licences = Licences::read();
    let wrong = |name: &str, licence: Option<&str>| {
        licences.wrong(&Package {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            licence: licence.map(str::to_owned),
        })
    };
    assert_eq!(wrong("a", Some("GPL-3.0-only OR MIT")), None);
    assert_eq!(wrong("a", Some("MIT/Apache-2.0")), None);
    assert_eq!(wrong("selectors", Some("MPL-2.0")), None);
    assert!(wrong("a", Some("MPL-2.0")).is_some());
    assert!(wrong("selectors", Some("MPL-2.0 AND GPL-3.0-only")).is_some());
    assert!(wrong("a", Some("GPL-3.0-only")).is_some());
    assert!(wrong("a", Some("as you like")).is_some());
    assert!(wrong("a", None).is_some());
}

//! The house's import rules, held on the manifests and on the sources.
//!
//! What a crate does not declare it cannot use, so most rules are rules of
//! `Cargo.toml`. The rest are words that may stand in named files only; the
//! lines of tests are free. A file that is named here and no longer needs to
//! be is found too.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use fairframe_schemas::Column;

/// Each crate's folder and the crates of the workspace it may use.
const CRATES: [(&str, &[&str]); 7] = [
    ("schemas", &[]),
    ("ingest", &["schemas"]),
    ("corpus", &["schemas", "ingest"]),
    ("eval", &["schemas"]),
    ("competitions", &["schemas", "eval"]),
    ("web", &["schemas", "eval", "competitions", "ingest"]),
    (
        "",
        &["schemas", "ingest", "corpus", "eval", "competitions", "web"],
    ),
];

/// Dependencies that only these crates may have ("" is the root package), and why.
const DEPENDENCIES: &[(&str, &[&str], &str)] = &[
    (
        "reqwest",
        &["ingest"],
        "ingest is the only crate that asks the network",
    ),
    (
        "ffmpeg-next",
        &["ingest", "corpus"],
        "media are described in ingest and made in corpus",
    ),
    (
        "turbojpeg",
        &["ingest", "corpus"],
        "media are described in ingest and made in corpus",
    ),
    (
        "image",
        &["ingest", "corpus"],
        "media are described in ingest and made in corpus",
    ),
    (
        "c2pa",
        &["ingest", "corpus"],
        "media are described in ingest and made in corpus",
    ),
    ("rusqlite", &["ingest"], "the journal is ingest's"),
    (
        "tokio",
        &["ingest", "web", ""],
        "schemas and eval are synchronous",
    ),
    ("axum", &["web", ""], "web and the demo's replay serve"),
    ("askama", &["ingest", "eval", "web"], "the root has no HTML"),
    (
        "arrow-array",
        &["ingest", "corpus", "eval", "competitions", "web"],
        "schemas only names columns",
    ),
    (
        "parquet",
        &["ingest", "corpus", "eval", "competitions", "web"],
        "schemas only names columns",
    ),
    ("sqlx", &["web"], "what the server remembers is the web's"),
    ("argon2", &["web"], "passwords are the web's"),
    ("clap", &[""], "the root is the command line"),
    ("indicatif", &[""], "only the binary knows a terminal"),
    (
        "tracing-subscriber",
        &[""],
        "only the binary decides where logs go",
    ),
    ("polars", &[], "arrow and parquet do it"),
];

/// A word that may stand only in files whose path starts with one of `only`.
struct Rule {
    words: &'static [&'static str],
    /// A longer word that is no offence.
    but: &'static str,
    only: &'static [&'static str],
    why: &'static str,
}

const NONE: &str = "\0";

const RULES: &[Rule] = &[
    Rule {
        words: &["reqwest"],
        but: "reqwest::header", // names of headers
        only: &["ingest/src/http", "ingest/src/ssrf.rs"],
        why: "all requests are paced, limited and judged by `Http`",
    },
    Rule {
        words: &["ffmpeg_next", "ffmpeg::"],
        but: NONE,
        only: &[
            "ingest/src/media/demux.rs",
            "ingest/src/media/video.rs",
            "corpus/src/video/",
        ],
        why: "ffmpeg runs in the worker processes, behind `media` and `video`",
    },
    Rule {
        words: &["turbojpeg::", "image::ImageReader", "c2pa::Reader"],
        but: NONE,
        only: &["ingest/src/media/", "corpus/src/"],
        why: "media are decoded in worker processes",
    },
    Rule {
        words: &["rusqlite"],
        but: NONE,
        // What an ingest has done; what a pull has done.
        only: &[
            // (and what to do when a disk does not take it).
            "ingest/src/disk.rs",
            "ingest/src/journal.rs",
            "ingest/src/pull/mod.rs",
            "ingest/src/pull/record.rs",
        ],
        why: "SQL stands with the record it keeps",
    },
    Rule {
        words: &["sqlx::"],
        but: NONE,
        only: &["web/src/state/"],
        why: "SQL stands with what is remembered",
    },
    Rule {
        words: &["scraper::"],
        but: NONE,
        only: &["ingest/src/html.rs"],
        why: "HTML of others is read in one place",
    },
    Rule {
        words: &["country_boundaries"],
        but: NONE,
        only: &["ingest/src/place.rs"],
        why: "places are found in one place",
    },
    Rule {
        words: &["Utc::now", "Local::now", "SystemTime::now"],
        but: NONE,
        // The binary hands the moment in; `Retry-After` may state a date to wait for.
        only: &["src/ingest.rs", "ingest/src/http"],
        why: "no clock inside a computation: the moment is handed in",
    },
    Rule {
        words: &["Instant::now"],
        but: NONE,
        // Waiting and deadlines; when outcomes are committed; what is kept in memory of a host;
        // drawing progress; what each part of framing and swapping takes.
        only: &[
            "ingest/src/http",
            "ingest/src/run/gather.rs",
            "ingest/src/opt_out.rs",
            "corpus/src/worker/",
            "corpus/src/frame/",
            "corpus/src/swap/spent.rs",
            "src/progress.rs",
            // Waiting for another process to end.
            "src/ingest.rs",
            "web/src/jobs.rs",
        ],
        why: "no clock inside a computation",
    },
    Rule {
        words: &["Command::new"],
        but: NONE,
        only: &[
            "ingest/src/media/",
            "corpus/src/worker/",
            "web/src/jobs.rs",
            "web/src/competitions/scorers.rs",
        ],
        why: "the only processes started are decoders, the swappers that somebody declares, the server's jobs and its scorers",
    },
    Rule {
        words: &["TcpListener", "TcpStream", "UdpSocket", "lookup_host"],
        but: NONE,
        only: &["ingest/src/ssrf.rs", "src/demo/replay.rs", "src/serve.rs"],
        why: "addresses are judged in ingest; only the root listens",
    },
    Rule {
        words: &[
            "fs::write",
            "fs::rename",
            "fs::remove",
            "fs::create_dir",
            "fs::copy",
            "File::create",
            "File::options",
            "OpenOptions",
        ],
        but: NONE,
        // Releases and copies; the report; the demo's own folder.
        only: &[
            "ingest/src/",
            "corpus/src/",
            "eval/src/report/mod.rs",
            "src/demo/root.rs",
            // What competitions keep, and the folders they begin with.
            "competitions/src/vault.rs",
            // The folder of the database.
            "web/src/state/mod.rs",
        ],
        why: "web writes nothing but its database; schemas and the rest of eval compute",
    },
];

/// SQL that PostgreSQL has not got, of what the server remembers: it stands where the file is opened and
/// copied. `?` for a value becomes a number when the statements move; `ON CONFLICT` both have.
const SQLITE: Rule = Rule {
    words: &[
        "PRAGMA",
        "VACUUM",
        "BEGIN IMMEDIATE",
        "INSERT OR",
        "REPLACE INTO",
        "AUTOINCREMENT",
        "WITHOUT ROWID",
        "rowid",
        "GLOB",
        "COLLATE NOCASE",
        "IFNULL",
        "ifnull",
        "strftime",
        "datetime(",
        "julianday",
        "json_extract",
        "json_each",
        "group_concat",
        "last_insert_rowid",
        "sqlite_master",
    ],
    but: NONE,
    only: &["web/src/state/mod.rs"],
    why: "queries are to run in PostgreSQL as well",
};

/// Modules of ingest that web may use: readers of a release, what is shown of it, the countries,
/// how decisions and contributions are handed over, and what finds near-duplicates and joins them.
const WEB_OF_INGEST: &[&str] = &[
    "attribution",
    "card",
    "contributed",
    "croissant",
    "decided",
    "dedupe",
    "diff",
    "manifest",
    "place",
    "split",
    "sums",
    "versions",
];

/// Files that name the columns of a contributor's table, which are often, but
/// not by rule, called like the manifest's.
const DROP_TABLES: &[&str] = &[
    "ingest/src/contributed.rs",
    "ingest/src/source/actors.rs",
    "ingest/src/source/crowdsourced.rs",
    "ingest/src/source/declared.rs",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// What is wrong with the manifest of the crate in `folder`.
fn wrong_in_manifest(folder: &str, text: &str) -> Vec<String> {
    let manifest: toml::Table = text.parse().expect("a Cargo.toml");
    let (_, may_use) = CRATES
        .iter()
        .find(|(f, _)| *f == folder)
        .expect("a crate of CRATES");
    let names = |table: &str| -> Vec<String> {
        let table = manifest.get(table).and_then(|t| t.as_table());
        table.into_iter().flat_map(|t| t.keys().cloned()).collect()
    };
    let mut wrong = Vec::new();
    // Tests too: a crate that needs another one for its tests is not apart from it.
    for table in ["dependencies", "build-dependencies", "dev-dependencies"] {
        for name in names(table) {
            if let Some(ours) = name.strip_prefix("fairframe-")
                && !may_use.contains(&ours)
            {
                wrong.push(format!("`{folder}/Cargo.toml` uses `{name}`"));
            }
        }
    }
    for name in [names("dependencies"), names("build-dependencies")].concat() {
        let rule = DEPENDENCIES.iter().find(|(n, _, _)| *n == name);
        if let Some((_, only, why)) = rule
            && !only.contains(&folder)
        {
            wrong.push(format!("`{folder}/Cargo.toml` uses `{name}`: {why}"));
        }
    }
    wrong
}

/// A source without its comments and its tests.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|w| {
        w[0].trim() == "#[cfg(test)]" && w[1].contains("mod ") && w[1].ends_with('{')
    });
    let lines = lines.into_iter().take(tests.unwrap_or(usize::MAX));
    let lines = lines.enumerate().map(|(at, line)| (at + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Whether `word` stands in `line` on its own, not within a longer name.
fn names(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !(before.is_some_and(part) && word.starts_with(part))
    })
}

fn wrong_by(rule: &Rule, text: &str) -> Vec<String> {
    let offends = |line: &str| {
        let line = line.replace(rule.but, "");
        rule.words.iter().any(|word| names(&line, word))
    };
    let lines = code(text).filter(|(_, line)| offends(line));
    lines
        .map(|(at, line)| format!("line {at}: `{}`: {}", line.trim(), rule.why))
        .collect()
}

fn is_named(path: &str, only: &[&str]) -> bool {
    only.iter().any(|start| path.starts_with(start))
}

/// String literals that name a column. Names of one word mean too much else.
fn column_names(text: &str) -> Vec<String> {
    let columns = Column::ALL.iter().map(|c| c.name());
    let literals: Vec<String> = columns
        .filter(|name| name.contains('_'))
        .map(|name| format!("\"{name}\""))
        .collect();
    let lines = code(text).filter(|(_, line)| literals.iter().any(|l| line.contains(l.as_str())));
    lines
        .map(|(at, line)| format!("line {at}: `{}`: say `Column::_.name()`", line.trim()))
        .collect()
}

/// Modules of ingest that a source names.
fn modules_of_ingest(text: &str) -> BTreeSet<String> {
    let text: String = code(text).map(|(_, line)| format!("{line}\n")).collect();
    let mut found = BTreeSet::new();
    for (at, path) in text.match_indices("fairframe_ingest::") {
        let rest = &text[at + path.len()..];
        let mut depth = 0usize;
        let mut word = String::new();
        // The first word of each branch: `a`, `{a::x, b::{y, z}}`.
        let mut first = true;
        for c in rest.chars() {
            match c {
                '{' => depth += 1,
                c if c.is_alphanumeric() || c == '_' => {
                    if first {
                        word.push(c);
                    }
                    continue;
                }
                c if c.is_whitespace() => continue,
                _ => {}
            }
            if !word.is_empty() {
                found.insert(std::mem::take(&mut word));
                first = false;
            }
            match c {
                '}' => depth = depth.saturating_sub(1),
                ',' if depth == 1 => first = true,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

/// The sources of all crates but those that hold tests only, by path.
fn sources() -> Vec<(String, String)> {
    let mut folders: Vec<PathBuf> = CRATES.map(|(f, _)| root().join(f).join("src")).into();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let tests = stem == "tests" || stem.ends_with("_tests") || stem.starts_with("test_");
            if tests || stem == "fixture" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root()).expect("below the root");
                found.push((name.display().to_string(), read(&path)));
            }
        }
    }
    found.sort();
    found
}

/// `make test` runs no examples in docs: there are none, as what stands there is no Rust.
#[test]
fn what_stands_in_docs_says_that_it_is_text() {
    let mut fences = 0;
    for (name, source) in sources() {
        let mut open = false;
        for (line, text) in (1..).zip(source.lines()) {
            let text = text.trim_start();
            let doc = ["///", "//!"].iter().find_map(|d| text.strip_prefix(d));
            let Some(fence) = doc.and_then(|doc| doc.trim().strip_prefix("```")) else {
                continue;
            };
            let run = !matches!(fence, "text" | "ignore");
            assert!(open || !run, "{name}:{line}: ```{fence}");
            open = !open;
            fences += 1;
        }
        assert!(!open, "{name}: a fence is left open");
    }
    assert!(fences > 0);
}

#[test]
fn crates_use_what_they_may() {
    let mut wrong = Vec::new();
    for (folder, _) in CRATES {
        let text = read(&root().join(folder).join("Cargo.toml"));
        wrong.extend(wrong_in_manifest(folder, &text));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_crate_has_a_rule() {
    let text: toml::Table = read(&root().join("Cargo.toml")).parse().expect("toml");
    let members = text["workspace"]["members"].as_array().expect("members");
    let members: BTreeSet<&str> = members.iter().filter_map(|m| m.as_str()).collect();
    let ruled: BTreeSet<&str> = CRATES
        .iter()
        .map(|c| c.0)
        .filter(|f| !f.is_empty())
        .collect();
    assert_eq!(members, ruled);
}

#[test]
fn words_stand_where_they_may() {
    let sources = sources();
    assert!(sources.len() > 100, "the walk found {}", sources.len());
    let mut wrong = Vec::new();
    for rule in RULES {
        for (path, text) in &sources {
            if !is_named(path, rule.only) {
                let found = wrong_by(rule, text);
                wrong.extend(found.into_iter().map(|w| format!("{path}, {w}")));
            }
        }
        for only in rule.only {
            let mut named = sources.iter().filter(|(path, _)| path.starts_with(only));
            if !named.any(|(_, text)| !wrong_by(rule, text).is_empty()) {
                wrong.push(format!("{only} need not be named for {:?}", rule.words));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn queries_of_the_web_are_portable() {
    let mut wrong = Vec::new();
    let mut asked = 0;
    for (path, text) in sources() {
        if path.starts_with("web/src/state/") && !is_named(&path, SQLITE.only) {
            asked += usize::from(text.contains("sqlx::query"));
            let found = wrong_by(&SQLITE, &text);
            wrong.extend(found.into_iter().map(|w| format!("{path}, {w}")));
        }
    }
    assert!(asked > 10, "the walk found {asked}");
    let migrations = fs::read_dir(root().join("web/migrations")).expect("migrations");
    for entry in migrations {
        let path = entry.expect("an entry").path();
        let found = wrong_by(&SQLITE, &read(&path));
        wrong.extend(
            found
                .into_iter()
                .map(|w| format!("{}, {w}", path.display())),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let own = read(&root().join(SQLITE.only[0]));
    assert!(!wrong_by(&SQLITE, &own).is_empty(), "it need not be named");
}

#[test]
fn column_names_stand_in_one_file() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let found = column_names(&text);
        if path == "schemas/src/column.rs" || DROP_TABLES.contains(&path.as_str()) {
            assert!(!found.is_empty(), "{path} need not be named");
        } else {
            wrong.extend(found.into_iter().map(|w| format!("{path}, {w}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn web_only_reads_releases() {
    let mut used = BTreeSet::new();
    for (path, text) in sources() {
        if path.starts_with("web/") {
            used.extend(modules_of_ingest(&text));
        }
    }
    let may: BTreeSet<String> = WEB_OF_INGEST.iter().map(|m| (*m).to_owned()).collect();
    assert_eq!(used, may, "modules of ingest that web uses, and may use");
}

/// FFmpeg's libraries bring 130 others, which a command would wait for. That nothing here reaches them is
/// seen by a linker that leaves out what is not reached: Rust's own, of this architecture.
#[cfg(target_arch = "x86_64")]
#[test]
fn only_what_decodes_loads_ffmpeg() {
    let loads_ffmpeg = |program: &str| {
        // Has the loader list what it loads, and go no further.
        let mut traced = std::process::Command::new(program);
        let traced = traced.env("LD_TRACE_LOADED_OBJECTS", "1").output();
        let listed = String::from_utf8(traced.expect("it is loaded").stdout).expect("a list");
        assert!(listed.contains("libc.so"), "{listed}");
        listed.contains("libav")
    };
    assert!(!loads_ffmpeg(env!("CARGO_BIN_EXE_fairframe")));
    assert!(loads_ffmpeg(env!("CARGO_BIN_EXE_fairframe-media")));
}

/// What holds the rules can see an offence.
#[test]
fn offenders_are_found() {
    let cargo = "[dependencies]\nfairframe-eval.workspace = true\nreqwest = \"1\"\n";
    assert!(wrong_in_manifest("", cargo)[0].contains("reqwest"));
    assert!(wrong_in_manifest("ingest", cargo)[0].contains("fairframe-eval"));
    assert_eq!(wrong_in_manifest("eval", cargo).len(), 2);
    let cargo = "[dev-dependencies]\nfairframe-ingest = { path = \"../ingest\" }\n";
    assert_eq!(wrong_in_manifest("eval", cargo).len(), 1);
    assert!(wrong_in_manifest("web", cargo).is_empty());

    for rule in RULES.iter().chain([&SQLITE]) {
        for word in rule.words {
            let offence = format!("fn f() {{\n    {word}x();\n}}\n");
            assert_eq!(wrong_by(rule, &offence).len(), 1, "{word}");
            let comment = format!("// {word}\n/// {word}\n");
            assert!(wrong_by(rule, &comment).is_empty(), "{word}");
            let test = format!("#[cfg(test)]\nmod tests {{\n    {word}x();\n}}\n");
            assert!(wrong_by(rule, &test).is_empty(), "{word}");
        }
        assert!(!is_named("web/src/lib.rs", rule.only));
    }
    assert!(wrong_by(&RULES[0], "use reqwest::header::{self, HeaderMap};").is_empty());
    assert!(!names("AskedCommand::new", "Command::new"));

    assert_eq!(column_names("let c = \"sample_id\";").len(), 1);
    assert!(column_names("let c = \"sample_ids\"; // \"a\"").is_empty());

    let text = "use fairframe_ingest::{attribution::web_link, run, fetch::{Fetcher, self}};\n\
        fn f() { fairframe_ingest::card::map::name() }\n";
    let found: Vec<String> = modules_of_ingest(text).into_iter().collect();
    assert_eq!(found, ["attribution", "card", "fetch", "run"]);
}

//! Split lists of other corpora, checked for what stands in two splits: a person, a
//! source video, the two directions of a pair, a near-duplicate. Offline, and
//! without the media.

mod alike;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use fairframe_schemas::Column;
use serde_json::{Map, Value};

use self::alike::Alike;
use super::{Verified, names};
use crate::{
    source::SourceError,
    strict_json::Strict,
    table::{Table, TableOptions},
};

/// Largest JSON list, in bytes.
pub const MAX_JSON: u64 = 256 << 20;

/// Most splits of one corpus.
const MAX_SPLITS: usize = 100;

/// What DeepfakeBench calls the splits.
const SPLITS: [&str; 4] = ["train", "val", "validation", "test"];

/// Other corpora's names for the columns of a table, ours first.
const VIDEO: [&str; 5] = ["video", "file", "filename", "name", "path"];
const SPLIT: [&str; 3] = ["split", "fold", "subset"];
const ORIGINAL: [&str; 2] = ["original", "source_video"];
const SUBJECT: [&str; 4] = [Column::SubjectIds.name(), "subjects", "subject", "identity"];
const HASH: &str = Column::PerceptualHash.name();

const FORMS: &str = "see docs/splits.md for the forms of lists";

/// DeepfakeBench's `{label, frames}`.
fn is_video(value: &Value) -> bool {
    value.get("frames").is_some()
}

/// Checks lists against each other. A list is a file, or a folder whose `.json` and
/// `.csv` files are lists; an entry that names no split is of the split that its file is
/// named after. `sources` is a JSON object from a video to where it was taken from, as
/// FaceForensics' `conversion_dict.json`: two videos of one source are one source video.
pub fn verify_splits(lists: &[PathBuf], sources: Option<&Path>) -> Result<Verified, SourceError> {
    let mut found = Found::default();
    if let Some(path) = sources {
        found.sources = read_sources(path)?;
    }
    let mut files = 0;
    for list in lists {
        for path in expand(list)? {
            found.read(&path)?;
            files += 1;
            if found.splits.len() > MAX_SPLITS {
                let problem = format!("names more than {MAX_SPLITS} splits");
                let remedy = "see whether its column of splits holds something else";
                return Err(bad(&path, None, &problem, remedy));
            }
        }
    }
    if let Some(path) = sources.filter(|_| !found.sources_used) {
        let problem = "names no video of the lists";
        return Err(bad(
            path,
            None,
            problem,
            "call the videos as the lists do, without folders and endings",
        ));
    }
    // A column of another name would put every row into the split of its file.
    if found.splits.len() < 2
        && let Some(list) = lists.first()
    {
        let problem = match found.splits.first() {
            None => "holds no entry".to_owned(),
            Some(split) => format!("all {} entries stand in one split, `{split}`", found.rows),
        };
        let columns = SPLIT.join("`, `");
        let remedy = format!(
            "give the lists of all splits; in a table, name the split in a column `{columns}`"
        );
        return Err(bad(list, None, &problem, &remedy));
    }
    let mut verified = found.judge();
    verified.files = files;
    Ok(verified)
}

/// One entry of a list.
#[derive(Default)]
struct Entry<'a> {
    split: &'a str,
    video: &'a str,
    original: Option<&'a str>,
    subjects: Vec<String>,
    hash: Option<u64>,
}

#[derive(Default)]
struct Found {
    sources: BTreeMap<String, String>,
    /// Whether they speak of any video of the lists.
    sources_used: bool,
    rows: u64,
    splits: BTreeSet<String>,
    /// Rule and what must stand in one split -> splits -> the first name of it there.
    seen: BTreeMap<(&'static str, String), BTreeMap<String, String>>,
    alike: Alike,
}

impl Found {
    fn read(&mut self, path: &Path) -> Result<(), SourceError> {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let json = path.extension().is_some_and(|e| e == "json");
        match json {
            true => self.read_json(path, &stem),
            false => self.read_table(path, &stem),
        }
    }

    fn add(&mut self, entry: &Entry<'_>) {
        self.rows += 1;
        if self.splits.len() > MAX_SPLITS {
            return; // refused when the list is read
        }
        if !self.splits.contains(entry.split) {
            self.splits.insert(entry.split.to_owned());
        }
        let name = names::read(entry.video);
        let mut videos = name.videos;
        videos.extend(entry.original.map(|o| names::stem(o).to_owned()));
        let mut keys: Vec<(&'static str, String)> = Vec::new();
        for video in videos {
            let source = self.sources.get(&video).cloned();
            self.sources_used |= source.is_some();
            keys.push(("source-video", source.unwrap_or(video)));
        }
        let people = name
            .subjects
            .into_iter()
            .chain(entry.subjects.iter().cloned());
        keys.extend(people.map(|s| ("identity", s)));
        keys.extend(name.pair.map(|(a, b)| {
            let (a, b) = if a < b { (a, b) } else { (b, a) };
            ("pair", format!("{a} and {b}"))
        }));
        for key in keys {
            let splits = self.seen.entry(key).or_default();
            splits
                .entry(entry.split.to_owned())
                .or_insert_with(|| entry.video.to_owned());
        }
        if let Some(hash) = entry.hash {
            self.alike.add(hash, entry.split, entry.video);
        }
    }

    fn judge(self) -> Verified {
        let mut v = Verified {
            rows: self.rows,
            ..Verified::default()
        };
        for ((rule, key), splits) in self.seen {
            if splits.len() > 1 {
                let places: Vec<String> = splits
                    .iter()
                    .map(|(split, name)| format!("in `{split}` (`{name}`)"))
                    .collect();
                v.add(rule, key, format!("it stands {}", places.join(" and ")));
            }
        }
        self.alike.judge(&mut v);
        v
    }

    fn read_json(&mut self, path: &Path, stem: &str) -> Result<(), SourceError> {
        match read_value(path)? {
            Value::Array(entries) => {
                for (i, entry) in entries.iter().enumerate() {
                    let video = match entry {
                        Value::String(name) => name.clone(),
                        Value::Array(pair) => match pair.as_slice() {
                            [Value::String(a), Value::String(b)] => format!("{a}_{b}"),
                            _ => {
                                return Err(bad(
                                    path,
                                    Some(i),
                                    "is no pair of two names",
                                    "give two texts, as `[\"000\", \"003\"]`",
                                ));
                            }
                        },
                        _ => {
                            return Err(bad(
                                path,
                                Some(i),
                                "is neither a name nor a pair of names",
                                "give texts or pairs of texts",
                            ));
                        }
                    };
                    self.add(&Entry {
                        split: stem,
                        video: &video,
                        ..Entry::default()
                    });
                }
                Ok(())
            }
            Value::Object(entries) => self.read_object(path, stem, &entries),
            _ => Err(bad(path, None, "is neither a list nor an object", FORMS)),
        }
    }

    /// Video -> label, video -> facts (DFDC), or DeepfakeBench's nested form.
    fn read_object(
        &mut self,
        path: &Path,
        stem: &str,
        entries: &Map<String, Value>,
    ) -> Result<(), SourceError> {
        for (i, (name, value)) in entries.iter().enumerate() {
            match value {
                Value::String(_) | Value::Number(_) => {
                    self.add(&Entry {
                        split: stem,
                        video: name,
                        ..Entry::default()
                    });
                }
                Value::Object(facts) if facts.get("label").is_some_and(|l| !l.is_object()) => {
                    let text = |key: &str| match facts.get(key) {
                        None | Some(Value::Null) => Ok(None),
                        Some(Value::String(text)) => Ok(Some(text.clone())),
                        Some(Value::Number(fold)) => Ok(Some(fold.to_string())),
                        Some(_) => {
                            let problem = format!("`{name}` has no text in `{key}`");
                            Err(bad(path, Some(i), &problem, FORMS))
                        }
                    };
                    self.add(&Entry {
                        split: text("split")?.as_deref().unwrap_or(stem),
                        video: name,
                        original: text("original")?.as_deref(),
                        ..Entry::default()
                    });
                }
                Value::Object(classes) => self.read_nested(classes).map_err(|(at, problem)| {
                    bad(
                        path,
                        Some(i),
                        &format!("`{name}`, `{at}`: {problem}"),
                        FORMS,
                    )
                })?,
                _ => {
                    return Err(bad(
                        path,
                        Some(i),
                        &format!("`{name}` is neither a label nor an object"),
                        FORMS,
                    ));
                }
            }
        }
        Ok(())
    }

    /// `{class: {split: {[compression:] {video: {label, frames}}}}}`; an error names the key.
    fn read_nested(&mut self, classes: &Map<String, Value>) -> Result<(), (String, &'static str)> {
        let wrong = |key: &str, problem| (key.to_owned(), problem);
        for (class, splits) in classes {
            let splits = splits.as_object();
            let splits = splits.ok_or_else(|| wrong(class, "is no object of splits"))?;
            for (split, videos) in splits {
                let videos = videos
                    .as_object()
                    .filter(|_| SPLITS.contains(&split.as_str()))
                    .ok_or_else(|| {
                        wrong(split, "is no split (`train`, `val`, `test`) of videos")
                    })?;
                for (key, value) in videos {
                    if is_video(value) {
                        self.add_nested(split, key);
                        continue;
                    }
                    let compressed = value.as_object();
                    for (video, value) in compressed
                        .ok_or_else(|| wrong(key, "is neither a video nor an object of videos"))?
                    {
                        if !is_video(value) {
                            return Err(wrong(video, "is no video with `frames`"));
                        }
                        self.add_nested(split, video);
                    }
                }
            }
        }
        Ok(())
    }

    fn add_nested(&mut self, split: &str, video: &str) {
        self.add(&Entry {
            split,
            video,
            ..Entry::default()
        });
    }

    fn read_table(&mut self, path: &Path, stem: &str) -> Result<(), SourceError> {
        let file = File::open(path).map_err(|e| io(path, e))?;
        let mut table = Table::open(Box::new(file), path, &TableOptions::default())?;
        let columns = table.columns().to_vec();
        let first = |names: &[&'static str]| {
            names
                .iter()
                .copied()
                .find(|n| columns.iter().any(|c| c == n))
        };
        let Some(video) = first(&VIDEO) else {
            return Err(bad(
                path,
                None,
                &format!("has none of the columns `{}`", VIDEO.join("`, `")),
                "name the column of videos `video`",
            ));
        };
        // An absent column is empty in every row.
        let or = |names: &[&'static str]| first(names).unwrap_or(names[0]);
        table.select([video, or(&SPLIT), or(&ORIGINAL), or(&SUBJECT), HASH])?;
        while let Some(row) = table.next()? {
            let row = row.map_err(|row| SourceError::Table {
                file: path.to_owned(),
                row: Some(row.row),
                column: None,
                problem: row.problem,
                remedy: row.remedy.to_owned(),
            })?;
            let at = |column: &str, problem: String, remedy: &str| SourceError::Table {
                file: path.to_owned(),
                row: Some(row.row),
                column: Some(column.to_owned()),
                problem,
                remedy: remedy.to_owned(),
            };
            let Some(name) = row.get(0) else {
                return Err(at(video, "is empty".to_owned(), "name the video"));
            };
            let hash = row.get(4).map(|text| {
                let read = (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok());
                read.flatten().ok_or_else(|| {
                    at(
                        HASH,
                        format!("`{text}` is no hash"),
                        "give 16 hexadecimal digits",
                    )
                })
            });
            self.add(&Entry {
                split: row.get(1).unwrap_or(stem),
                video: name,
                original: row.get(2),
                subjects: row
                    .get(3)
                    .into_iter()
                    .flat_map(|s| s.split('|').map(str::trim))
                    .filter(|s| !s.is_empty())
                    .map(str::to_owned)
                    .collect(),
                hash: hash.transpose()?,
            });
        }
        Ok(())
    }
}

/// The lists that a path names, in order of their names.
fn expand(path: &Path) -> Result<Vec<PathBuf>, SourceError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut lists = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|e| io(path, e))? {
        let list = entry.map_err(|e| io(path, e))?.path();
        if list.extension().is_some_and(|e| e == "json" || e == "csv") {
            lists.push(list);
        }
    }
    lists.sort();
    match lists.is_empty() {
        true => Err(bad(
            path,
            None,
            "holds no `.json` and no `.csv` file",
            "name the lists one by one",
        )),
        false => Ok(lists),
    }
}

/// Video -> where it was taken from: the first word, as a sequence number may follow.
fn read_sources(path: &Path) -> Result<BTreeMap<String, String>, SourceError> {
    let remedy = "give an object from videos to sources, as `{\"000\": \"<id> 0\"}`";
    let Value::Object(entries) = read_value(path)? else {
        return Err(bad(path, None, "is no object", remedy));
    };
    let mut sources = BTreeMap::new();
    for (i, (video, source)) in entries.into_iter().enumerate() {
        let Some(source) = source.as_str().and_then(|s| s.split_whitespace().next()) else {
            return Err(bad(
                path,
                Some(i),
                &format!("`{video}` names no source"),
                remedy,
            ));
        };
        sources.insert(video, source.to_owned());
    }
    Ok(sources)
}

/// Reads a JSON list of at most [`MAX_JSON`] bytes.
pub fn read_value(path: &Path) -> Result<Value, SourceError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| io(path, e))?;
    file.take(MAX_JSON + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| io(path, e))?;
    if bytes.len() as u64 > MAX_JSON {
        return Err(bad(
            path,
            None,
            &format!("is larger than {MAX_JSON} bytes"),
            "split the list",
        ));
    }
    let read = serde_json::from_slice(&bytes).map_err(|e| {
        bad(
            path,
            None,
            &format!("is no JSON: {e}"),
            "mend it, or give a `.csv`",
        )
    });
    read.map(|Strict(value)| value)
}

fn io(path: &Path, error: std::io::Error) -> SourceError {
    SourceError::Io {
        path: path.to_owned(),
        error,
    }
}

/// `entry` counts from 0; people count from 1.
fn bad(path: &Path, entry: Option<usize>, problem: &str, remedy: &str) -> SourceError {
    SourceError::Table {
        file: path.to_owned(),
        row: entry.map(|n| n as u64 + 1),
        column: None,
        problem: problem.to_owned(),
        remedy: remedy.to_owned(),
    }
}

#[cfg(test)]
#[path = "splits_tests.rs"]
mod tests;

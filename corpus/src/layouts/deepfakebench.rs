//! DeepfakeBench: FaceForensics' folders and a list over them, `<dataset>.json`:
//! `{dataset: {class: {split: {rung: {video: {"label": class, "frames": []}}}}}}`.
//!
//! Frames are pictures that DeepfakeBench's own preprocessing cuts out of the clips: none are
//! listed. Its script puts every actors' video in all three splits; here each is in one.

use std::{collections::BTreeMap, path::Path};

use fairframe_ingest::verify::{names, splits::read_value};
use fairframe_schemas::{
    Split,
    corpus::{ClipLabel, ClipRow},
};
use serde_json::{Map, Value, json};

use super::{Clip, Imported, Laid, LayoutError, faceforensics, tree};

/// The end of the class of real clips.
const REAL: &str = "_real";

pub fn lay(dataset: &str, clips: &[Clip]) -> Result<Laid, LayoutError> {
    let mut laid = faceforensics::lay(clips)?;
    let mut classes: BTreeMap<String, BTreeMap<&str, BTreeMap<&str, Map<String, Value>>>> =
        BTreeMap::new();
    for row in laid.rows.iter().flatten() {
        let (Some(split), Some(rung)) = (row.split, row.compression.as_deref()) else {
            continue;
        };
        let class = match &row.method {
            None => format!("{dataset}{REAL}"),
            Some(method) => format!("{dataset}_{method}"),
        };
        let video = names::stem(&row.file).to_owned();
        let facts = json!({ "label": class, "frames": [] });
        let splits = classes.entry(class).or_default();
        let videos = splits.entry(tree::word(split)).or_default();
        videos.entry(rung).or_default().insert(video, facts);
    }
    let name = format!("{dataset}.json");
    let text = json!({ dataset: classes }).to_string();
    laid.lists.push((name, text.into_bytes()));
    Ok(laid)
}

/// Reads the list, or the lists of a folder. Who and what stands in the videos' names.
pub fn read(from: &Path) -> Result<Imported, LayoutError> {
    let mut imported = Imported::default();
    let there = match from.is_dir() {
        true => tree::clips(from)?,
        false => Vec::new(),
    };
    let mut lists = vec![from.to_owned()];
    if from.is_dir() {
        let entries = std::fs::read_dir(from).map_err(tree::io_at(from))?;
        let paths: Result<Vec<_>, _> = entries.map(|e| e.map(|e| e.path())).collect();
        lists = paths.map_err(tree::io_at(from))?;
        lists.retain(|p| {
            let name = p.file_stem().unwrap_or_default().to_string_lossy();
            p.extension().is_some_and(|e| e == "json") && tree::split(&name).is_none()
        });
        lists.sort();
    }
    // Class, rung and name of a video -> its file, where the clips are there too.
    let mut files: BTreeMap<(Option<String>, String, String), String> = BTreeMap::new();
    for file in &there {
        let Some(row) = faceforensics::parse(file, &BTreeMap::new()) else {
            imported.unknown.push(file.clone());
            continue;
        };
        // Masks are in no list.
        if let Some(rung) = row.compression {
            files.insert(
                (row.method, rung, names::stem(file).to_owned()),
                file.clone(),
            );
        }
    }
    for list in &lists {
        let mut reading = Reading {
            list,
            files: &files,
            imported: &mut imported,
        };
        let wrong = || tree::bad(list, "is no list of DeepfakeBench", "see docs/splits.md");
        let value = read_value(list)?;
        let datasets = value.as_object().ok_or_else(wrong)?;
        for (dataset, classes) in datasets {
            for (class, splits) in classes.as_object().ok_or_else(wrong)? {
                for (split, below) in splits.as_object().ok_or_else(wrong)? {
                    let split = tree::split(split).ok_or_else(wrong)?;
                    let below = below.as_object().ok_or_else(wrong)?;
                    reading.videos(dataset, class, split, None, below)?;
                }
            }
        }
    }
    faceforensics::link(&mut imported.rows);
    Ok(imported)
}

struct Reading<'a> {
    list: &'a Path,
    files: &'a BTreeMap<(Option<String>, String, String), String>,
    imported: &'a mut Imported,
}

impl Reading<'_> {
    /// Videos, or rungs of videos.
    fn videos(
        &mut self,
        dataset: &str,
        class: &str,
        split: Split,
        rung: Option<&str>,
        below: &Map<String, Value>,
    ) -> Result<(), LayoutError> {
        for (name, value) in below {
            match value.as_object() {
                Some(facts) if facts.contains_key("frames") => {
                    let row = self.row(dataset, class, split, rung, name)?;
                    self.imported.rows.push(row);
                }
                Some(videos) if rung.is_none() => {
                    self.videos(dataset, class, split, Some(name), videos)?;
                }
                _ => {
                    let problem = format!("`{}` has no `frames`", name.escape_debug());
                    return Err(tree::bad(self.list, problem, "see docs/splits.md"));
                }
            }
        }
        Ok(())
    }

    fn row(
        &mut self,
        dataset: &str,
        class: &str,
        split: Split,
        rung: Option<&str>,
        name: &str,
    ) -> Result<ClipRow, LayoutError> {
        let name = tree::named(self.list, name)?;
        let real = class.to_lowercase().ends_with("real");
        let method = class
            .strip_prefix(dataset)
            .map(|m| m.trim_start_matches('_'));
        let method = method.filter(|m| !m.is_empty()).unwrap_or(class);
        let method = (!real).then(|| method.to_owned());
        let named = names::actors(&name).unwrap_or_else(|| names::read(&name));
        let (target, source) = match named.pair {
            Some((target, source)) if !real => (Some(target), Some(source)),
            _ => {
                let mut who = named.subjects.into_iter().chain(named.videos);
                (who.next(), None)
            }
        };
        let key = (method, rung.unwrap_or_default().to_owned(), name);
        let file = self.files.get(&key).cloned();
        self.imported.missing += u64::from(file.is_none());
        let (method, _, name) = key;
        Ok(ClipRow {
            file: file.unwrap_or(name),
            label: if real {
                ClipLabel::Real
            } else {
                ClipLabel::Fake
            },
            method,
            compression: rung.map(str::to_owned),
            target,
            source,
            scene: named.scene,
            code: named.code,
            original: None,
            split: Some(split),
        })
    }
}

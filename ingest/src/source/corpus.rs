//! A corpus: clips that were made from the videos of consenting actors.
//!
//! What was made stands in `clips.jsonl` of the corpus's folder, one sample a
//! line; its media stand beside it. The consent records are those of the actors.
//! A checkpoint is `{"row": n}`: the first `n` lines were listed.

use std::{
    fs::File,
    io::{BufRead, BufReader, ErrorKind},
    path::{Path, PathBuf},
};

use fairframe_schemas::{
    Layout, SourceToml,
    corpus::{CLIPS, ClipLine},
};
use serde_json::json;

use super::{Batch, Expected, Listed, MediaRef, Source, SourceError, actors::ActorsSource};

/// Samples of a batch.
const BATCH: usize = 1_000;
/// Longest line.
pub const MAX_LINE: usize = 1 << 20;

/// A corpus being listed.
#[derive(Debug)]
pub struct CorpusSource {
    source: String,
    /// The corpus's folder.
    root: PathBuf,
    actors: ActorsSource,
    reading: Option<(BufReader<File>, u64)>,
}

impl CorpusSource {
    /// Opens what was made; `folder` is where the `source.toml` stands.
    pub fn open(toml: &SourceToml, folder: &Path, layout: &Layout) -> Result<Self, SourceError> {
        let wrong = |file: &Path, problem: String, remedy: &str| SourceError::Table {
            file: file.to_owned(),
            row: None,
            column: None,
            problem,
            remedy: remedy.to_owned(),
        };
        let Some(corpus) = &toml.corpus else {
            let file = folder.join("source.toml");
            return Err(wrong(&file, "has no `[corpus]`".to_owned(), "add it"));
        };
        let file = folder.join(&corpus.actors);
        let text = std::fs::read_to_string(&file).map_err(|error| SourceError::Io {
            path: file.clone(),
            error,
        })?;
        let remedy = "name the `source.toml` of videos of actors in `corpus.actors`";
        let actors = SourceToml::parse(&text).map_err(|e| wrong(&file, e.to_string(), remedy))?;
        let folder = file.parent().unwrap_or(Path::new("."));
        Ok(Self {
            source: toml.source.to_string(),
            root: layout.corpus(&toml.dataset),
            actors: ActorsSource::open(&actors, folder)?,
            reading: None,
        })
    }

    /// The actors' consent records: name and bytes.
    pub fn consents(&self) -> Result<Vec<(String, Vec<u8>)>, SourceError> {
        self.actors.consents()
    }

    /// The session that it was made from.
    pub fn actors(&self) -> &ActorsSource {
        &self.actors
    }

    fn wrong(&self, row: Option<u64>, problem: impl Into<String>) -> SourceError {
        SourceError::Table {
            file: self.root.join(CLIPS),
            row,
            column: None,
            problem: problem.into(),
            remedy: "run `fairframe corpus` on its `source.toml`, which makes it anew".to_owned(),
        }
    }

    /// Opens the list and passes over the first `skip` lines.
    fn start(&self, skip: u64) -> Result<(BufReader<File>, u64), SourceError> {
        let path = self.root.join(CLIPS);
        let file = File::open(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => self.wrong(None, "nothing was made yet"),
            _ => SourceError::Io { path, error },
        })?;
        let mut reading = (BufReader::new(file), 0);
        while reading.1 < skip && self.line(&mut reading)?.is_some() {}
        Ok(reading)
    }

    fn line(&self, reading: &mut (BufReader<File>, u64)) -> Result<Option<Vec<u8>>, SourceError> {
        let mut line = Vec::new();
        let mut limited = std::io::Read::take(&mut reading.0, MAX_LINE as u64 + 1);
        let read = limited.read_until(b'\n', &mut line);
        let read = read.map_err(|error| SourceError::Io {
            path: self.root.join(CLIPS),
            error,
        })?;
        reading.1 += 1;
        match read {
            0 => Ok(None),
            _ if line.len() > MAX_LINE => {
                Err(self.wrong(Some(reading.1), format!("longer than {MAX_LINE} bytes")))
            }
            _ => Ok(Some(line)),
        }
    }

    fn listed(&self, row: u64, line: &[u8]) -> Result<Listed, SourceError> {
        let ClipLine {
            file,
            sha256,
            sample,
        } = serde_json::from_slice(line).map_err(|e| self.wrong(Some(row), e.to_string()))?;
        if sample.source != self.source {
            let problem = format!(
                "source `{}` where `{}` is declared",
                sample.source, self.source
            );
            return Err(self.wrong(Some(row), problem));
        }
        let media = match file {
            None => MediaRef::None,
            Some(path) => MediaRef::File {
                root: self.root.clone(),
                path,
            },
        };
        Ok(Listed {
            sample,
            media,
            expected: Expected {
                sha256,
                ..Expected::default()
            },
        })
    }
}

impl Source for CorpusSource {
    async fn next(
        &mut self,
        checkpoint: Option<&serde_json::Value>,
    ) -> Result<Option<Batch>, SourceError> {
        let done = checkpoint.and_then(|c| c["row"].as_u64()).unwrap_or(0);
        let mut reading = match self.reading.take() {
            Some(reading) if reading.1 == done => reading,
            _ => self.start(done)?,
        };
        let mut listed = Vec::new();
        while listed.len() < BATCH {
            let Some(line) = self.line(&mut reading)? else {
                break;
            };
            listed.push(self.listed(reading.1, &line)?);
        }
        if listed.is_empty() {
            return Ok(None);
        }
        let row = done + listed.len() as u64;
        reading.1 = row;
        self.reading = Some(reading);
        Ok(Some(Batch {
            listed,
            checkpoint: json!({ "row": row }),
            messages: Vec::new(),
        }))
    }
}

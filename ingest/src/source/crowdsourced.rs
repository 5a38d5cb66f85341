//! Drops of contributions: a table and, beside it, media; or the Kaggle form
//! of Inclusive Images, records without media. Columns: `docs/sources.md`.
//!
//! A checkpoint is `{"row": n}`: the first `n` rows of the table were listed.
//! A new process reads them again to know their keys, then goes on.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use fairframe_schemas::{
    Label, MediaType, Pseudonym, Reason, Sample, SourceToml,
    source::{CrowdForm, Crowdsourced},
};
use serde_json::json;

use super::{
    Batch, Expected, Listed, MediaRef, Source, SourceError, declared, description,
    drop::{self, DropFiles, Seen},
};
use crate::{
    archive::path,
    table::{Row, Table, TableOptions},
};

/// Rows of a batch.
const BATCH: usize = 1_000;
/// Longest key of a sample in bytes.
const MAX_KEY: usize = 1_024;
/// Attributions held in memory.
const MAX_ATTRIBUTIONS: usize = 10_000_000;

const TABLES: [&str; 8] = [
    "contributions.csv",
    "contributions.jsonl",
    "contributions.parquet",
    "contributions.tsv",
    "contributions.csv.gz",
    "contributions.csv.zst",
    "contributions.jsonl.gz",
    "contributions.jsonl.zst",
];

/// Columns of a table of contributions.
pub const COLUMNS: [&str; 22] = [
    "file",
    "title",
    "description",
    "contributor",
    "contributor_url",
    "credit",
    "licence",
    "licence_url",
    "landing_url",
    "consent",
    "subjects",
    "attributes",
    "restrictions",
    "country",
    "latitude",
    "longitude",
    "place_precision_m",
    "captured_at",
    "labels",
    "sha256",
    "bytes",
    "media_type",
];

const INCLUSIVE: [&str; 2] = ["image_id", "labels"];
const ATTRIBUTIONS: [&str; 2] = ["image_id", "source"];

/// A drop being listed.
#[derive(Debug)]
pub struct CrowdsourcedSource {
    drop: DropFiles,
    config: Crowdsourced,
    table_name: String,
    /// Whether media are fetched; if not, records have none and files need not be there.
    media: bool,
    creators: HashMap<Box<str>, Box<str>>,
    reading: Option<Reading>,
}

/// The table, where it stands, and the keys seen so far.
#[derive(Debug)]
struct Reading {
    table: Table,
    seen: Seen,
}

impl CrowdsourcedSource {
    /// Opens the drop and its table; `folder` is where the `source.toml` stands.
    pub fn open(source: &SourceToml, folder: &Path) -> Result<Self, SourceError> {
        let config = source
            .crowdsourced
            .clone()
            .ok_or_else(|| SourceError::Table {
                file: folder.join("source.toml"),
                row: None,
                column: None,
                problem: "has no `[crowdsourced]`".to_owned(),
                remedy: "add it".to_owned(),
            })?;
        let drop = DropFiles::open(source, folder, &config.path)?;
        drop.check_licence(config.licence.as_deref())?;
        let table_name = match &config.table {
            Some(path) => drop.name(path)?,
            None => drop.one_of(&TABLES)?,
        };
        let mut opened = Self {
            media: source.fetch.media && config.form == CrowdForm::Contributions,
            drop,
            config,
            table_name,
            creators: HashMap::new(),
            reading: None,
        };
        opened.check_renames()?;
        opened.creators = opened.attributions()?;
        opened.reading = Some(opened.start()?); // a wrong table fails now, not after an hour
        Ok(opened)
    }

    /// Consent records of the drop: name and bytes, sorted by name.
    pub fn consents(&self) -> Result<Vec<(String, Vec<u8>)>, SourceError> {
        self.drop.consents(&self.config.consents)
    }

    /// The folder of consent records, where the drop is a folder and has one.
    pub fn consents_folder(&self) -> Option<PathBuf> {
        self.drop.folder(&self.config.consents)
    }

    fn known(&self) -> &'static [&'static str] {
        match self.config.form {
            CrowdForm::Contributions => &COLUMNS,
            CrowdForm::InclusiveImages => &INCLUSIVE,
        }
    }

    /// What a column is called in the table.
    fn theirs<'a>(&'a self, ours: &'a str) -> &'a str {
        self.config.columns.get(ours).map_or(ours, String::as_str)
    }

    fn check_renames(&self) -> Result<(), SourceError> {
        for ours in self.config.columns.keys() {
            if !self.known().contains(&ours.as_str()) {
                return Err(self.drop.source_toml(
                    Some(ours.as_str()),
                    "is renamed under `columns`, but no column of ours has this name",
                    &format!("ours are `{}`", self.known().join("`, `")),
                ));
            }
        }
        Ok(())
    }

    fn attributions(&self) -> Result<HashMap<Box<str>, Box<str>>, SourceError> {
        let mut creators = HashMap::new();
        let Some(path) = &self.config.attributions else {
            return Ok(creators);
        };
        let name = self.drop.name(path)?;
        let options = TableOptions {
            encoding: self.config.encoding.clone(),
            positional: &ATTRIBUTIONS,
            ..Default::default()
        };
        let mut table = self.drop.table(&name, &options)?;
        for column in ATTRIBUTIONS {
            table.require(column)?;
        }
        table.select(ATTRIBUTIONS)?;
        while let Some(row) = table.next()? {
            match row {
                Ok(row) => {
                    if let (Some(id), Some(source)) = (row.get(0), row.get(1)) {
                        creators.insert(id.into(), source.into());
                    }
                }
                Err(bad) => self.drop.report(&name, &bad),
            }
            if creators.len() > MAX_ATTRIBUTIONS {
                return Err(self.drop.error(
                    &name,
                    None,
                    &format!("has more than {MAX_ATTRIBUTIONS} rows"),
                    "split the drop",
                ));
            }
        }
        Ok(creators)
    }

    fn start(&self) -> Result<Reading, SourceError> {
        let options = TableOptions {
            encoding: self.config.encoding.clone(),
            positional: match self.config.form {
                CrowdForm::Contributions => &[],
                CrowdForm::InclusiveImages => &INCLUSIVE,
            },
            ..Default::default()
        };
        let mut table = self.drop.table(&self.table_name, &options)?;
        table.require(self.theirs(self.known()[0]))?;
        if self.config.form == CrowdForm::InclusiveImages {
            table.require(self.theirs("labels"))?;
        }
        // `license` for `licence` would cost every row its licence, in silence.
        for found in table.columns() {
            let (ours, theirs): (Vec<_>, Vec<_>) =
                self.known().iter().map(|o| (*o, self.theirs(o))).unzip();
            if theirs.contains(&found.as_str()) {
                continue;
            }
            let near = ours.iter().zip(&theirs).find(|(o, t)| {
                !table.columns().iter().any(|c| c == **t)
                    && strsim::damerau_levenshtein(&found.to_lowercase(), o) <= 1
            });
            if let Some((ours, _)) = near {
                return Err(self.drop.error(
                    &self.table_name,
                    Some(found),
                    &format!("is not a column we know, but `{ours}` is"),
                    &format!(
                        "rename it, or write `{ours} = \"{found}\"` under `columns` in source.toml"
                    ),
                ));
            }
        }
        table.select(self.known().iter().map(|ours| self.theirs(ours)))?;
        Ok(Reading {
            table,
            seen: Seen::default(),
        })
    }

    /// The next row as a sample, `None` at the end. `check`: whether its file must be there.
    fn list_row(&self, reading: &mut Reading, check: bool) -> Result<Option<Listed>, SourceError> {
        let (mut listed, said) = match reading.table.next()? {
            None => return Ok(None),
            Some(Err(bad)) => {
                self.drop.report(&self.table_name, &bad);
                return Ok(Some(self.drop.bad_row(&self.table_name, bad.row)));
            }
            Some(Ok(row)) => {
                let cells = Cells {
                    row,
                    known: self.known(),
                };
                let listed = match self.config.form {
                    CrowdForm::Contributions => self.contribution(&cells, check),
                    CrowdForm::InclusiveImages => self.inclusive(&cells),
                };
                (listed, drop::hash(row.cells()))
            }
        };
        reading.seen.note(&mut listed.sample, said);
        Ok(Some(listed))
    }

    fn contribution(&self, cells: &Cells<'_>, check: bool) -> Listed {
        let Some(file) = cells.get("file") else {
            return self.drop.bad_row(&self.table_name, cells.row.row);
        };
        // A name that leaves the drop is still the key of its row.
        let canonical = path::canonical(file);
        let key: String = match &canonical {
            Ok(name) => name.clone(),
            Err(_) => declared::safe_key(file),
        };
        let media_type = match cells.get("media_type") {
            Some("image") => MediaType::Image,
            Some("video") => MediaType::Video,
            _ => declared::media_type(&key),
        };
        let mut sample = Sample::new(self.drop.source(), &key, media_type);
        let text = |name| cells.get(name).map(str::to_owned);
        let web = |name| text(name).filter(|url| declared::is_web(url));
        sample.title = text("title");
        sample.description = cells.get("description").and_then(description);
        sample.creator = text("contributor");
        sample.creator_url = web("contributor_url");
        sample.credit = text("credit");
        sample.landing_url = web("landing_url");
        sample.consent_id = text("consent");
        let mut list = |name, reason| {
            let (items, all) = declared::items(cells.get(name).unwrap_or_default());
            if !all {
                sample.add_reason(reason);
            }
            items
        };
        let subjects = list("subjects", Reason::SubjectUnknown);
        let restrictions = list("restrictions", Reason::RowInvalid);
        let labels = list("labels", Reason::RowInvalid);
        let attributes = list("attributes", Reason::RowInvalid);
        for subject in subjects {
            // What may be a name or an address is not repeated anywhere.
            match Pseudonym::new(subject) {
                Ok(pseudonym) => sample.subject_ids.push(pseudonym.as_str().to_owned()),
                Err(_) => sample.add_reason(Reason::SubjectUnknown),
            }
        }
        sample.restrictions = restrictions.into_iter().map(str::to_owned).collect();
        sample.labels = labels.into_iter().map(human).collect();
        for item in attributes {
            match declared::attribute(item, &sample.subject_ids) {
                Ok(attribute) => sample.subject_attributes.push(attribute),
                Err(reason) => sample.add_reason(reason),
            }
        }
        declared::licence(
            &mut sample,
            cells.get("licence"),
            cells.get("licence_url"),
            self.config.licence.as_deref(),
        );
        declared::country(&mut sample, cells.get("country"));
        let (latitude, longitude) = (cells.get("latitude"), cells.get("longitude"));
        declared::coordinates(
            &mut sample,
            latitude,
            longitude,
            cells.get("place_precision_m"),
        );
        declared::captured_at(&mut sample, cells.get("captured_at"));

        let mut expected = Expected::default();
        declared::expected(
            &mut sample,
            &mut expected,
            cells.get("sha256"),
            cells.get("bytes"),
        );
        let media = match canonical {
            Err(_) => {
                sample.add_reason(Reason::FileRefused);
                MediaRef::None
            }
            Ok(_) if !self.media => MediaRef::None,
            Ok(name) if check => self.drop.media(&name, &mut sample, &mut expected),
            Ok(name) => self.drop.media_ref(&name),
        };
        Listed {
            sample,
            media,
            expected,
        }
    }

    fn inclusive(&self, cells: &Cells<'_>) -> Listed {
        let Some(id) = cells.get("image_id").filter(|id| id.len() <= MAX_KEY) else {
            return self.drop.bad_row(&self.table_name, cells.row.row);
        };
        let mut sample = Sample::new(self.drop.source(), id, MediaType::Image);
        sample.creator = self.creators.get(id).map(|c| c.to_string());
        let labels = cells.get("labels").unwrap_or_default();
        let mut seen: Vec<&str> = Vec::new();
        for label in labels.split_ascii_whitespace() {
            if !seen.contains(&label) && seen.len() < 1_000 {
                seen.push(label);
            }
        }
        sample.labels = seen.into_iter().map(human).collect();
        declared::licence(&mut sample, None, None, self.config.licence.as_deref());
        Listed {
            sample,
            media: MediaRef::None,
            expected: Expected::default(),
        }
    }
}

impl Source for CrowdsourcedSource {
    async fn next(
        &mut self,
        checkpoint: Option<&serde_json::Value>,
    ) -> Result<Option<Batch>, SourceError> {
        let done = self.drop.checkpoint(checkpoint, "row")?;
        let mut reading = match self.reading.take() {
            Some(reading) if reading.table.position() <= done => reading,
            _ => self.start()?,
        };
        while reading.table.position() < done && self.list_row(&mut reading, false)?.is_some() {}
        let mut listed = Vec::with_capacity(BATCH);
        while listed.len() < BATCH
            && let Some(row) = self.list_row(&mut reading, true)?
        {
            listed.push(row);
        }
        let row = reading.table.position();
        self.reading = Some(reading);
        Ok((!listed.is_empty()).then(|| Batch {
            listed,
            checkpoint: json!({ "row": row }),
            messages: Vec::new(),
        }))
    }
}

/// A row, its cells by our names.
struct Cells<'a> {
    row: Row<'a>,
    known: &'static [&'static str],
}

impl<'a> Cells<'a> {
    fn get(&self, ours: &str) -> Option<&'a str> {
        self.row.get(self.known.iter().position(|n| *n == ours)?)
    }
}

fn human(label: &str) -> Label {
    Label {
        label: label.to_owned(),
        confidence: None,
        origin: "human".to_owned(),
    }
}

//! Videos of consenting actors: a session folder (or zip, tar) with subjects,
//! scenes, consent records and videos, or a list of clips without media.
//!
//! Who is shown is told by file names (`pattern`), by a table (`files`) or by
//! a list (`list`). A checkpoint is `{"row": n}`: the first `n` rows of the
//! table or list, or the first `n` file names in order, were listed.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use fairframe_schemas::{
    Label, MediaType, PlaceOrigin, Pseudonym, Reason, Sample, SourceToml, SubjectAttribute,
    source::Actors,
};
use serde_json::json;

use super::{
    Batch, Expected, Listed, MediaRef, Source, SourceError, declared,
    drop::{self, DropFiles, Seen},
    pattern::{self, Pattern},
};
use crate::{
    archive::path,
    place::Gazetteer,
    table::{Row, Table, TableOptions},
};

/// Clips of a batch.
const BATCH: usize = 1_000;
/// Subjects of a session, and scenes.
const MAX_SUBJECTS: usize = 1_000_000;

/// Columns of a table of files, and of a list.
pub const FILES: [&str; 7] = [
    "file",
    "subject",
    "scene",
    "title",
    "captured_at",
    "sha256",
    "bytes",
];
const LIST: [&str; 3] = ["path", "sha256", "size"];

/// Words in the name of a column of `subjects` that would carry personal data into a manifest.
const PERSONAL: [&str; 14] = [
    "name",
    "mail",
    "phone",
    "contact",
    "address",
    "birth",
    "passport",
    "signature",
    "note",
    "remark",
    "comment",
    "social_security",
    "ssn",
    "id_number",
];

/// What a session says of a person.
#[derive(Debug, Clone, Default)]
struct Subject {
    attributes: Vec<SubjectAttribute>,
    consent: Option<String>,
}

/// A session being listed.
#[derive(Debug)]
pub struct ActorsSource {
    drop: DropFiles,
    config: Actors,
    pattern: Pattern,
    subjects: BTreeMap<String, Subject>,
    /// Scene -> title.
    scenes: BTreeMap<String, String>,
    country: Option<String>,
    media: bool,
    reading: Option<Reading>,
}

#[derive(Debug)]
struct Reading {
    clips: Clips,
    position: u64,
    seen: Seen,
}

/// Where clips are named.
#[derive(Debug)]
enum Clips {
    Files(String, Table),
    List(String, Table),
    Names(std::vec::IntoIter<String>),
}

impl ActorsSource {
    /// Opens the session; `folder` is where the `source.toml` stands.
    pub fn open(source: &SourceToml, folder: &Path) -> Result<Self, SourceError> {
        let config = source.actors.clone().ok_or_else(|| SourceError::Table {
            file: folder.join("source.toml"),
            row: None,
            column: None,
            problem: "has no `[actors]`".to_owned(),
            remedy: "add it".to_owned(),
        })?;
        let drop = DropFiles::open(source, folder, &config.path)?;
        drop.check_licence(config.licence.as_deref())?;
        let pattern = Pattern::new(&config.pattern).map_err(|e| {
            let problem = format!("`{}` {e}", config.pattern);
            drop.source_toml(Some("pattern"), &problem, "correct the pattern")
        })?;
        let country = match &config.country {
            None => None,
            Some(code) => {
                let found = Gazetteer::bundled().by_code(code).ok_or_else(|| {
                    let problem = format!("`{code}` is no ISO 3166-1 alpha-2 code");
                    drop.source_toml(Some("country"), &problem, "correct it, e.g. `IT`")
                })?;
                Some(found.alpha2.clone())
            }
        };
        let subjects = subjects(&drop, &config)?;
        let scenes = scenes(&drop, &config)?;
        let mut opened = Self {
            media: source.fetch.media && config.list.is_none(),
            drop,
            config,
            pattern,
            subjects,
            scenes,
            country,
            reading: None,
        };
        opened.reading = Some(opened.start()?);
        Ok(opened)
    }

    /// Consent records of the session: name and bytes, sorted by name.
    pub fn consents(&self) -> Result<Vec<(String, Vec<u8>)>, SourceError> {
        self.drop.consents(&self.config.consents)
    }

    /// The folder of consent records, where the session is a folder and has one.
    pub fn consents_folder(&self) -> Option<PathBuf> {
        self.drop.folder(&self.config.consents)
    }

    /// Pseudonyms of the session, sorted.
    pub fn subjects(&self) -> impl Iterator<Item = &str> {
        self.subjects.keys().map(String::as_str)
    }

    fn start(&self) -> Result<Reading, SourceError> {
        let table = |path: &Path, columns: &[&str], required: &[&str]| {
            let name = self.drop.name(path)?;
            let mut table = self.drop.table(&name, &TableOptions::default())?;
            for column in required {
                table.require(column)?;
            }
            table.select(columns.iter().copied())?;
            Ok::<_, SourceError>((name, table))
        };
        let clips = if let Some(files) = &self.config.files {
            let (name, table) = table(files, &FILES, &FILES[..2])?;
            Clips::Files(name, table)
        } else if let Some(list) = &self.config.list {
            let (name, table) = table(list, &LIST, &LIST[..1])?;
            Clips::List(name, table)
        } else {
            let mut names = self.drop.names()?;
            names.retain(|name| declared::media_type(name) == MediaType::Video);
            Clips::Names(names.into_iter())
        };
        Ok(Reading {
            clips,
            position: 0,
            seen: Seen::default(),
        })
    }

    /// The next clip as a sample, `None` at the end. `check`: whether its file must be there.
    fn list_clip(&self, reading: &mut Reading, check: bool) -> Result<Option<Listed>, SourceError> {
        let (mut listed, said) = match &mut reading.clips {
            Clips::Names(names) => match names.next() {
                None => return Ok(None),
                Some(name) => {
                    let said = drop::hash([name.as_str()].into_iter());
                    let media = self.media.then_some(check);
                    (self.named(&name, media), said)
                }
            },
            Clips::Files(table_name, table) | Clips::List(table_name, table) => {
                let is_list = self.config.files.is_none();
                match table.next()? {
                    None => return Ok(None),
                    Some(Err(bad)) => {
                        self.drop.report(table_name, &bad);
                        let listed = self.drop.bad_row(table_name, bad.row);
                        (listed, drop::hash([].into_iter()))
                    }
                    Some(Ok(row)) => {
                        let listed = match row.get(0) {
                            None => self.drop.bad_row(table_name, row.row),
                            Some(path) if is_list => self.listed(path, &row),
                            Some(file) => self.filed(file, &row, check),
                        };
                        (listed, drop::hash(row.cells()))
                    }
                }
            }
        };
        reading.position += 1;
        reading.seen.note(&mut listed.sample, said);
        Ok(Some(listed))
    }

    /// A clip of the list: who is shown stands in its name; there are no bytes.
    fn listed(&self, name: &str, row: &Row<'_>) -> Listed {
        let mut listed = self.named(name, None);
        declared::expected(
            &mut listed.sample,
            &mut listed.expected,
            row.get(1),
            row.get(2),
        );
        listed
    }

    /// A clip whose name says who is shown. `media`: whether it has bytes, and whether they must be there.
    fn named(&self, name: &str, media: Option<bool>) -> Listed {
        let Ok(name) = path::canonical(name) else {
            return self.refused(name);
        };
        let mut sample = self.sample(&name);
        let mut expected = Expected::default();
        let stem = pattern::stem(&name);
        match self.pattern.read(stem) {
            None => {
                tracing::warn!(
                    file = %self.drop.path(&name).display(),
                    pattern = self.config.pattern,
                    "a clip's name does not fit the pattern and is listed as rejected"
                );
                sample.add_reason(Reason::RowInvalid);
            }
            Some(values) => {
                for (word, value) in values {
                    if pattern::PEOPLE.contains(&word) {
                        self.shows(&mut sample, value);
                    } else if word == "scene" {
                        self.scene(&mut sample, value);
                    } else if word != "take" {
                        sample.labels.push(label(value, word));
                    }
                }
            }
        }
        sample.title.get_or_insert_with(|| stem.to_owned());
        let media = match media {
            None => MediaRef::None,
            Some(true) => self.drop.media(&name, &mut sample, &mut expected),
            Some(false) => self.drop.media_ref(&name),
        };
        Listed {
            sample,
            media,
            expected,
        }
    }

    /// A clip of the table of files: who is shown stands in a column.
    fn filed(&self, name: &str, row: &Row<'_>, check: bool) -> Listed {
        let Ok(name) = path::canonical(name) else {
            return self.refused(name);
        };
        let mut sample = self.sample(&name);
        let (shown, all) = declared::items(row.get(1).unwrap_or_default());
        if shown.is_empty() || !all {
            sample.add_reason(Reason::SubjectUnknown);
        }
        for subject in shown {
            self.shows(&mut sample, subject);
        }
        if let Some(scene) = row.get(2) {
            self.scene(&mut sample, scene);
        }
        if let Some(title) = row.get(3) {
            sample.title = Some(title.to_owned());
        }
        sample
            .title
            .get_or_insert_with(|| pattern::stem(&name).to_owned());
        declared::captured_at(&mut sample, row.get(4));
        let mut expected = Expected::default();
        declared::expected(&mut sample, &mut expected, row.get(5), row.get(6));
        let media = match (self.media, check) {
            (false, _) => MediaRef::None,
            (true, true) => self.drop.media(&name, &mut sample, &mut expected),
            (true, false) => self.drop.media_ref(&name),
        };
        Listed {
            sample,
            media,
            expected,
        }
    }

    fn refused(&self, name: &str) -> Listed {
        let mut sample = self.sample(&declared::safe_key(name));
        sample.add_reason(Reason::FileRefused);
        Listed {
            sample,
            media: MediaRef::None,
            expected: Expected::default(),
        }
    }

    fn sample(&self, name: &str) -> Sample {
        let mut sample = Sample::new(self.drop.source(), name, declared::media_type(name));
        sample.creator = self.config.creator.clone();
        let (licence, url) = (&self.config.licence, &self.config.licence_url);
        declared::licence(&mut sample, None, url.as_deref(), licence.as_deref());
        if self.country.is_some() {
            sample.country = self.country.clone();
            sample.place_origin = Some(PlaceOrigin::Declared);
        }
        sample
    }

    fn shows(&self, sample: &mut Sample, subject: &str) {
        // What may be a name or an address is not repeated anywhere.
        if Pseudonym::new(subject).is_err() {
            sample.add_reason(Reason::SubjectUnknown);
            return;
        }
        if sample.subject_ids.iter().any(|s| s == subject) {
            return;
        }
        sample.subject_ids.push(subject.to_owned());
        let Some(known) = self.subjects.get(subject) else {
            sample.add_reason(Reason::SubjectUnknown);
            return;
        };
        sample
            .subject_attributes
            .extend(known.attributes.iter().cloned());
        // With several people shown, the records are found by subject.
        sample.consent_id = match sample.subject_ids.as_slice() {
            [_] => known.consent.clone(),
            _ => None,
        };
    }

    fn scene(&self, sample: &mut Sample, scene: &str) {
        sample.labels.push(label(scene, "scene"));
        if let Some(title) = self.scenes.get(scene) {
            sample.title = Some(title.clone());
        }
    }
}

impl Source for ActorsSource {
    async fn next(
        &mut self,
        checkpoint: Option<&serde_json::Value>,
    ) -> Result<Option<Batch>, SourceError> {
        let done = self.drop.checkpoint(checkpoint, "row")?;
        let mut reading = match self.reading.take() {
            Some(reading) if reading.position <= done => reading,
            _ => self.start()?,
        };
        while reading.position < done && self.list_clip(&mut reading, false)?.is_some() {}
        let mut listed = Vec::with_capacity(BATCH);
        while listed.len() < BATCH
            && let Some(clip) = self.list_clip(&mut reading, true)?
        {
            listed.push(clip);
        }
        let row = reading.position;
        self.reading = Some(reading);
        Ok((!listed.is_empty()).then(|| Batch {
            listed,
            checkpoint: json!({ "row": row }),
            messages: Vec::new(),
        }))
    }
}

fn label(value: &str, origin: &str) -> Label {
    Label {
        label: value.to_owned(),
        confidence: None,
        origin: origin.to_owned(),
    }
}

/// Reads the table of subjects: the pseudonym, and every other column as a
/// self-reported attribute (`consent` names the person's consent record).
fn subjects(drop: &DropFiles, config: &Actors) -> Result<BTreeMap<String, Subject>, SourceError> {
    let name = drop.name(&config.subjects)?;
    let mut table = drop.table(&name, &TableOptions::default())?;
    table.require(&config.subject_column)?;
    table.select([config.subject_column.as_str()])?;
    let mut subjects = BTreeMap::new();
    loop {
        // Keys of JSON lines may come late: looked at with every row.
        let columns = table.columns().to_vec();
        for column in &columns {
            let plain = column.to_lowercase().replace([' ', '-'], "_");
            if *column != config.subject_column && PERSONAL.iter().any(|word| plain.contains(word))
            {
                return Err(drop.error(
                    &name,
                    Some(column.as_str()),
                    "holds personal data, which must not come into a manifest",
                    "remove the column; people appear by pseudonym only",
                ));
            }
        }
        let row = match table.next()? {
            None => return Ok(subjects),
            Some(Err(bad)) => {
                drop.report(&name, &bad);
                continue;
            }
            Some(Ok(row)) => row,
        };
        let Some(id) = row.get(0) else { continue };
        if let Err(error) = Pseudonym::new(id) {
            return Err(drop.row_error(
                &name,
                row.row,
                &config.subject_column,
                &format!("holds no pseudonym: {error}"),
                "the consent records and the names of clips must say the same",
            ));
        }
        let mut subject = Subject::default();
        for (column, value) in columns.iter().zip(row.cells()) {
            if value.is_empty() || column.is_empty() || *column == config.subject_column {
                continue;
            }
            if column == "consent" {
                subject.consent = Some(value.to_owned());
                continue;
            }
            subject.attributes.push(SubjectAttribute {
                subject_id: id.to_owned(),
                name: column.clone(),
                value: value.to_owned(),
                origin: "self-reported".to_owned(),
            });
        }
        let line = row.row;
        if subjects.insert(id.to_owned(), subject).is_some() || subjects.len() > MAX_SUBJECTS {
            return Err(drop.row_error(
                &name,
                line,
                &config.subject_column,
                "names a subject a second time (or more than a million)",
                "give every person one row",
            ));
        }
    }
}

/// Titles of scenes, where there is such a table.
fn scenes(drop: &DropFiles, config: &Actors) -> Result<BTreeMap<String, String>, SourceError> {
    let name = drop.name(&config.scenes)?;
    let mut scenes = BTreeMap::new();
    if !drop.has(&name) {
        return Ok(scenes);
    }
    let mut table = drop.table(&name, &TableOptions::default())?;
    table.require("scene")?;
    table.select(["scene", "title"])?;
    while let Some(row) = table.next()? {
        match row {
            Ok(row) => {
                if let (Some(scene), Some(title)) = (row.get(0), row.get(1)) {
                    scenes.insert(scene.to_owned(), title.to_owned());
                }
            }
            Err(bad) => drop.report(&name, &bad),
        }
    }
    Ok(scenes)
}

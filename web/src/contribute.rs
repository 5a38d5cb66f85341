//! Contributions: pictures that people send by a page, as the drop of a declared source.
//!
//! The bytes are in the source's folder before the database says so, and the drop's table and
//! consent records are written from the database when an ingest begins: a `kill -9` at any moment
//! leaves at most bytes that nobody lists.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::SubsecRound;
use fairframe_ingest::contributed::{self, Contributed, DropError};
use fairframe_schemas::{
    ConsentState, Digest, MediaType, Name, Pseudonym, Timestamp,
    consent::{
        ConsentError, ConsentEvent, ConsentRecord, ConsentSchema, ConsentType, Evidence, PartyRole,
    },
    source::{ConsentText, Contribute},
};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{
    jobs::Workshop,
    state::{
        Db, StateError,
        contributions::{self, Given},
    },
};

/// Most pictures at once, and the largest form with them.
pub const MAX_PICTURES: usize = 50;
pub const MAX_FORM: usize = 512 << 20;

/// Largest consent text's file.
const MAX_TEXT: u64 = 64 << 10;

/// A declared source to which people may contribute.
#[derive(Debug, Clone)]
pub struct Call {
    pub dataset: Name,
    pub source: Name,
    pub title: String,
    pub contribute: Contribute,
    /// The consent text in use and its version; none: pictures of people are not taken.
    pub text: Option<(String, ConsentText)>,
    /// The drop's folder.
    pub drop: PathBuf,
    /// The folder of consent records in it.
    pub consents: PathBuf,
}

/// The sources that ask for contributions, by dataset and name.
pub fn calls(workshop: &Workshop) -> Vec<Call> {
    let mut found = Vec::new();
    for (file, toml) in workshop.sources() {
        let Some(crowd) = toml.crowdsourced else {
            continue;
        };
        let Some(contribute) = crowd.contribute else {
            continue;
        };
        let base = file.parent().unwrap_or(Path::new("."));
        let drop = base.join(&crowd.path);
        let text = match newest(&base.join(&contribute.texts)) {
            Ok(text) => text,
            Err(error) => {
                tracing::warn!(source = %toml.source, %error, "its consent texts are passed over");
                None
            }
        };
        found.push(Call {
            title: toml.about.title.unwrap_or_else(|| toml.dataset.to_string()),
            consents: drop.join(&crowd.consents),
            dataset: toml.dataset,
            source: toml.source,
            contribute,
            text,
            drop,
        });
    }
    found.sort_by(|a, b| (&a.dataset, &a.source).cmp(&(&b.dataset, &b.source)));
    found
}

/// The last text by name, and its version.
fn newest(folder: &Path) -> io::Result<Option<(String, ConsentText)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let is_text = |path: &PathBuf| path.extension().is_some_and(|e| e == "toml");
    let files = entries.flatten().map(|e| e.path()).filter(is_text);
    let Some(last) = files.max() else {
        return Ok(None);
    };
    if fs::metadata(&last)?.len() > MAX_TEXT {
        let message = format!("`{}` is larger than {MAX_TEXT} bytes", last.display());
        return Err(io::Error::other(message));
    }
    let text = toml::from_str(&fs::read_to_string(&last)?)
        .map_err(|error| io::Error::other(format!("`{}`: {error}", last.display())))?;
    let version = last.file_stem().unwrap_or_default().to_string_lossy();
    Ok(Some((version.into_owned(), text)))
}

impl Call {
    pub fn key(&self) -> (&Name, &Name) {
        (&self.dataset, &self.source)
    }

    /// The code of a contributor in this source: the same each time, and nobody's name.
    pub fn pseudonym(&self, account: &str) -> Option<Pseudonym> {
        let mut hash = Sha256::new();
        for part in [self.dataset.as_str(), self.source.as_str(), account] {
            hash.update(part);
            hash.update("\n");
        }
        let code = hex::encode(&hash.finalize()[..6]);
        Pseudonym::new(&format!("c-{code}")).ok()
    }

    /// The record of what a person who is shown agreed to now: the text in use, whole.
    pub fn consent(&self, subject: &Pseudonym, now: Timestamp) -> Option<ConsentRecord> {
        let (version, text) = self.text.as_ref()?;
        let moment = now.timestamp_micros();
        let now = now.trunc_subsecs(0);
        let controller = text
            .parties
            .iter()
            .find(|p| p.role == PartyRole::Controller)?;
        let valid_until = text
            .days
            .map(|days| now + Duration::from_secs(u64::from(days) * 24 * 3600));
        let record = ConsentRecord {
            schema_version: ConsentSchema::V1,
            record_id: format!("{subject}-{moment}"),
            pii_principal_id: subject.clone(),
            remark: Some(format!(
                "Consent text {version}, read on the page of contributions."
            )),
            processing: text.processing.clone(),
            parties: text.parties.clone(),
            events: vec![ConsentEvent {
                state: ConsentState::Given,
                time: now,
                entity_id: subject.clone(),
                purposes: None,
                event_type: Some(ConsentType::Explicit),
                valid_from: None,
                valid_until,
            }],
            evidence: Some(Evidence {
                sha256: Digest::of(text.text.as_bytes()),
                held_by: controller.party_id.clone(),
            }),
        };
        // As strictly as an ingest will read it.
        match ConsentRecord::parse(&json!(record).to_string()) {
            Ok(record) => Some(record),
            Err(error) => {
                tracing::warn!(source = %self.source, %error, "its consent text cannot be used");
                None
            }
        }
    }
}

/// Why contributions could not be handed over to an ingest.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    #[error("hand over the contributions: {0}")]
    Drop(#[from] DropError),
    #[error("hand over the contributions: a consent record cannot be read: {0}")]
    Consent(#[from] ConsentError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("hand over the contributions: {0}")]
    Stopped(#[from] tokio::task::JoinError),
}

/// Writes the drop's table and consent records as they stand now, and removes what nobody lists.
pub async fn hand_over(db: &Db, call: &Call) -> Result<(), HandOverError> {
    let given = contributions::all(db, call.key()).await?;
    let (call, now) = (call.clone(), db.now());
    tokio::task::spawn_blocking(move || write(&call, &given, now)).await?
}

fn write(call: &Call, given: &[Given], now: Timestamp) -> Result<(), HandOverError> {
    let (gone, kept): (Vec<&Given>, Vec<&Given>) = given.iter().partition(|g| g.taken_back);
    // The server may have been killed when somebody took them back.
    for given in gone {
        contributed::remove(&call.drop, &given.file)?;
    }
    let rows = kept.into_iter().map(row).collect::<Result<Vec<_>, _>>()?;
    // Records stay when pictures go: older releases may rest on them.
    let records: BTreeSet<&str> = given.iter().filter_map(|g| g.consent.as_deref()).collect();
    let named: Vec<(String, &str)> = records
        .into_iter()
        .map(|record| Ok((record_id(record)?, record)))
        .collect::<Result<_, HandOverError>>()?;
    Ok(contributed::write(
        &call.drop,
        &call.consents,
        &rows,
        &named,
        now,
    )?)
}

fn record_id(record: &str) -> Result<String, HandOverError> {
    Ok(ConsentRecord::parse(record)?.record_id)
}

/// A row of the drop's table.
fn row(given: &Given) -> Result<Contributed<'_>, HandOverError> {
    let digest = given.file.rsplit('/').next().unwrap_or_default();
    let record = given.consent.as_deref().map(record_id).transpose()?;
    Ok(Contributed {
        file: &given.file,
        media_type: MediaType::Image,
        licence: &given.licence,
        country: &given.country,
        labels: given.labels.join("|"),
        sha256: digest.split('.').next().unwrap_or_default(),
        bytes: given.bytes,
        contributor: &given.credit,
        subjects: given.subject.as_ref().map_or("", |s| s.as_str()),
        consent: record.unwrap_or_default(),
    })
}

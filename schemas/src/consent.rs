//! Consent records: what a person agreed to, when, and for how long.
//!
//! The fields are those of ISO/IEC TS 27560:2023 (header, processing, parties,
//! events), with terms of the W3C Data Privacy Vocabulary as in its guide
//! "Consent Records and Receipts as per ISO/IEC TS 27560:2023 using DPV".
//! Of the person it holds a pseudonym and nothing else.

mod standing;

use std::{collections::BTreeSet, fmt};

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{ConsentState, Digest, Purpose, Timestamp, sample::text_enum};

/// Largest record, in bytes.
pub const MAX_RECORD_BYTES: usize = 64 * 1024;
/// Most events of a record.
pub const MAX_EVENTS: usize = 256;
/// Most parties, kinds of data, places and recipients of a record, each.
pub const MAX_ITEMS: usize = 32;
/// Longest text of a field, in characters.
pub const MAX_TEXT_CHARS: usize = 1_000;
/// Longest pseudonym, in characters.
pub const MAX_PSEUDONYM_CHARS: usize = 64;

/// What is wrong with a record, where, and what to do.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("`{path}`: {problem}; {remedy}")]
pub struct ConsentError {
    /// The field, e.g. `events[1].time`; `.` for the record as a whole.
    pub path: String,
    pub problem: String,
    pub remedy: String,
}

impl ConsentError {
    fn new(path: impl fmt::Display, problem: impl fmt::Display, remedy: &str) -> Self {
        Self {
            path: path.to_string(),
            problem: problem.to_string(),
            remedy: remedy.to_owned(),
        }
    }
}

/// A consent record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentRecord {
    pub schema_version: ConsentSchema,
    /// Unique in its source; letters, digits and `-._:`, at most 128 characters.
    #[schemars(regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$"))]
    pub record_id: String,
    /// Who agreed: the subject's pseudonym.
    pub pii_principal_id: Pseudonym,
    /// Something the person should read with it; stands in the receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    pub processing: Processing,
    /// At least one of them the controller.
    pub parties: Vec<Party>,
    /// In order of time.
    pub events: Vec<ConsentEvent>,
    /// Where the proof is kept. Stands in no receipt and no manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

text_enum! {
    /// Version of the record's form.
    ConsentSchema { V1 = "fairframe-consent-1", }
}

/// What the consent is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Processing {
    /// Address of the notice that was shown.
    pub privacy_notice: String,
    /// Language of the notice, e.g. `en`, `pt-BR`.
    #[schemars(regex(pattern = r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"))]
    pub language: String,
    /// What was asked for; an event may name fewer.
    pub purposes: Vec<Purpose>,
    /// Kinds of personal data, in DPV's words: `pd:Picture`, `pd:Voice`.
    pub pii_information: Vec<String>,
    /// ISO 3166-1 alpha-2 codes.
    pub storage_locations: Vec<String>,
    /// ISO 8601 duration (`P10Y`), or `until-withdrawn`.
    pub retention_period: String,
    /// ISO 3166-1 alpha-2 code, or `EU`.
    pub jurisdiction: String,
    /// Who gets the data; empty for nobody but the parties.
    #[serde(default)]
    pub recipient_third_parties: Vec<String>,
    /// Address of the page, or `mailto:`, by which consent is withdrawn.
    pub withdrawal_method: String,
}

text_enum! {
    /// What a party does, in DPV's words.
    PartyRole {
        Controller = "dpv:DataController",
        Processor = "dpv:DataProcessor",
        Recipient = "dpv:Recipient",
        /// Speaks for the person: a guardian.
        Representative = "dpv:Representative",
        Authority = "dpv:Authority",
    }
}

/// An organisation, or the person's representative under a code of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// Unique in the record; of the form of a pseudonym.
    pub party_id: Pseudonym,
    pub role: PartyRole,
    pub name: String,
    /// Address of a page, or `mailto:`.
    pub contact: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

text_enum! {
    /// How consent was expressed, in DPV's words.
    ConsentType {
        Informed = "InformedConsent",
        Expressed = "ExpressedConsent",
        Explicit = "ExplicitlyExpressedConsent",
    }
}

/// Something that happened to the consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentEvent {
    pub state: ConsentState,
    /// RFC 3339 with its offset: `2026-03-01T09:30:00Z`.
    #[serde(deserialize_with = "strict_time")]
    pub time: Timestamp,
    /// Who did it: the pseudonym, or a party's id.
    pub entity_id: Pseudonym,
    /// Which purposes it is about; all of the record when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purposes: Option<Vec<Purpose>>,
    /// How it was expressed; wanted for `ConsentGiven`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<ConsentType>,
    /// For `ConsentGiven`: from when it holds; from `time` when absent.
    #[serde(
        default,
        deserialize_with = "strict_time_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub valid_from: Option<Timestamp>,
    /// For `ConsentGiven`: the moment it ends; until withdrawn when absent.
    #[serde(
        default,
        deserialize_with = "strict_time_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub valid_until: Option<Timestamp>,
}

/// Where the proof of the consent is kept: never the proof itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Digest of the signed form, recording or log.
    pub sha256: Digest,
    /// A party's id.
    pub held_by: Pseudonym,
}

/// A code that stands for a person: `person-a`, `p001`. Letters, digits, `_` and
/// `-`; nothing that looks like a name or a telephone number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[schemars(transparent)]
pub struct Pseudonym(#[schemars(regex(pattern = r"^[A-Za-z0-9_-]{1,64}$"))] String);

/// A text that cannot be a pseudonym. It is not repeated: it may be personal.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
pub enum PseudonymError {
    #[error(
        "a pseudonym is 1 to 64 of `A-Z`, `a-z`, `0-9`, `_` and `-`; use a code such as `person-a`"
    )]
    Characters,
    #[error("this pseudonym looks like a telephone number; use a code such as `person-a`")]
    Telephone,
    #[error("this pseudonym looks like a person's name; use a code such as `person-a`")]
    Name,
}

impl Pseudonym {
    pub fn new(text: &str) -> Result<Self, PseudonymError> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if !(1..=MAX_PSEUDONYM_CHARS).contains(&text.len()) || !text.bytes().all(fits) {
            return Err(PseudonymError::Characters);
        }
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        let other = text.bytes().any(|b| b.is_ascii_alphabetic());
        if digits >= 7 && !other {
            return Err(PseudonymError::Telephone);
        }
        if looks_like_a_name(text) {
            return Err(PseudonymError::Name);
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Two or more capitalised words: `Anna-Schmidt`, `Anna_Schmidt`, `AnnaSchmidt`.
fn looks_like_a_name(text: &str) -> bool {
    let mut words: Vec<String> = Vec::new();
    for c in text.chars() {
        match (c, words.last_mut()) {
            ('A'..='Z' | '-' | '_', _) | (_, None) => words.push(c.to_string()),
            (_, Some(word)) => word.push(c),
        }
    }
    words.retain(|w| !matches!(w.as_str(), "-" | "_"));
    let generic = [
        "Person",
        "Subject",
        "Actor",
        "Speaker",
        "Participant",
        "Contributor",
        "User",
        "Guardian",
    ];
    let name = |w: &String| {
        let mut chars = w.chars();
        chars.next().is_some_and(|c| c.is_ascii_uppercase())
            && w.len() > 1
            && chars.all(|c| c.is_ascii_lowercase())
    };
    words.len() > 1
        && words.iter().all(name)
        && !words.iter().any(|w| generic.contains(&w.as_str()))
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Pseudonym {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Pseudonym::new(&String::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}

/// A moment with date, time and offset, at most to the microsecond. `-00:00`
/// says that the offset is not known, which is not enough.
fn parse_time(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let plain = text.len() <= 40 && text.is_ascii() && bytes.get(10) == Some(&b'T');
    let fraction = text.split_once('.').map_or(0, |(_, rest)| {
        rest.bytes().take_while(u8::is_ascii_digit).count()
    });
    if !plain || fraction > 6 || text.ends_with("-00:00") || text.ends_with('z') {
        return None;
    }
    let time = DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc);
    // A leap second would not survive being written down in microseconds.
    let leap = time.timestamp_subsec_nanos() >= 1_000_000_000;
    (!leap && (EARLIEST..=LATEST).contains(&time.timestamp())).then_some(time)
}

/// 1900-01-01 and 2200-01-01, in seconds: a consent outside is a slip of the pen.
const EARLIEST: i64 = -2_208_988_800;
const LATEST: i64 = 7_258_118_400;

fn strict_time<'de, D: Deserializer<'de>>(d: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(d)?;
    parse_time(&text).ok_or_else(|| {
        let text: String = text.chars().take(40).collect();
        serde::de::Error::custom(format!(
            "`{text}` is not a moment as in `2026-03-01T09:30:00Z` or `2026-03-01T10:30:00+01:00`"
        ))
    })
}

fn strict_time_option<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Timestamp>, D::Error> {
    strict_time(d).map(Some)
}

impl ConsentRecord {
    /// Parses a record and checks it as a whole.
    pub fn parse(text: &str) -> Result<Self, ConsentError> {
        if text.len() > MAX_RECORD_BYTES {
            return Err(ConsentError::new(
                ".",
                format_args!("the record is larger than {MAX_RECORD_BYTES} bytes"),
                "keep proofs elsewhere and name their digest in `evidence`",
            ));
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut json = serde_json::Deserializer::from_str(text);
        let parsed: Self = serde_path_to_error::deserialize(&mut json).map_err(|e| {
            let path = e.path().to_string();
            ConsentError::new(
                path,
                e.into_inner(),
                "see `fairframe schema consent` for the form",
            )
        })?;
        json.end().map_err(|e| {
            ConsentError::new(".", e, "a file holds one record and nothing after it")
        })?;
        parsed.check()?;
        Ok(parsed)
    }

    /// Checks what the types alone do not say.
    pub fn check(&self) -> Result<(), ConsentError> {
        self.check_header()?;
        self.check_processing()?;
        self.check_parties()?;
        standing::check_events(self)
    }

    fn check_header(&self) -> Result<(), ConsentError> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
        let id = &self.record_id;
        let first = id.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if !first || id.len() > 128 || !id.bytes().all(fits) {
            return Err(ConsentError::new(
                "record_id",
                "it is not 1 to 128 letters, digits and `-._:`, beginning with a letter or digit",
                "use a UUID",
            ));
        }
        check_text("remark", self.remark.as_deref())
    }

    fn check_processing(&self) -> Result<(), ConsentError> {
        let p = &self.processing;
        check_address("processing.privacy_notice", &p.privacy_notice, false)?;
        check_address("processing.withdrawal_method", &p.withdrawal_method, true)?;
        let mut parts = p.language.split('-');
        let primary = parts.next().is_some_and(|l| {
            (2..=3).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_lowercase())
        });
        let rest = parts
            .all(|s| (2..=8).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_alphanumeric()));
        if !primary || !rest {
            return Err(ConsentError::new(
                "processing.language",
                "it is no language tag",
                "write it as in `en` or `pt-BR`",
            ));
        }
        if p.purposes.is_empty() {
            return Err(ConsentError::new(
                "processing.purposes",
                "no purpose is named",
                "name what was asked for: `collect`, `redistribute`, `train`, `evaluate`, `manipulate`",
            ));
        }
        check_once("processing.purposes", &p.purposes)?;
        check_list("processing.pii_information", &p.pii_information, |t| {
            let word = t.strip_prefix("pd:").or_else(|| t.strip_prefix("dpv:"));
            word.is_some_and(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_alphanumeric()))
        })?;
        check_list("processing.storage_locations", &p.storage_locations, |t| {
            is_country(t)
        })?;
        for (path, list) in [
            ("processing.pii_information", &p.pii_information),
            ("processing.storage_locations", &p.storage_locations),
        ] {
            if list.is_empty() {
                return Err(ConsentError::new(path, "it is empty", "name at least one"));
            }
        }
        if !is_duration(&p.retention_period) {
            return Err(ConsentError::new(
                "processing.retention_period",
                "it is neither an ISO 8601 duration nor `until-withdrawn`",
                "write it as in `P10Y`, `P18M` or `P90D`",
            ));
        }
        if !is_country(&p.jurisdiction) {
            return Err(ConsentError::new(
                "processing.jurisdiction",
                "it is no ISO 3166-1 alpha-2 code",
                "write it as in `DE`, or `EU`",
            ));
        }
        check_list(
            "processing.recipient_third_parties",
            &p.recipient_third_parties,
            |t| !t.trim().is_empty(),
        )
    }

    fn check_parties(&self) -> Result<(), ConsentError> {
        if self.parties.len() > MAX_ITEMS {
            return Err(ConsentError::new(
                "parties",
                format_args!("more than {MAX_ITEMS} parties"),
                "name those who decide and process",
            ));
        }
        let mut ids = BTreeSet::from([self.pii_principal_id.as_str()]);
        for (i, party) in self.parties.iter().enumerate() {
            if !ids.insert(party.party_id.as_str()) {
                return Err(ConsentError::new(
                    format_args!("parties[{i}].party_id"),
                    format_args!("`{}` stands twice", party.party_id),
                    "give each party an id of its own, different from the pseudonym",
                ));
            }
            let at = |field: &str| format!("parties[{i}].{field}");
            check_address(&at("contact"), &party.contact, true)?;
            check_text(&at("name"), Some(&party.name))?;
            check_text(&at("address"), party.address.as_deref())?;
        }
        if !self.parties.iter().any(|p| p.role == PartyRole::Controller) {
            return Err(ConsentError::new(
                "parties",
                "no party is the controller",
                "name who decides on the data, with `role` `dpv:DataController`",
            ));
        }
        if let Some(evidence) = &self.evidence
            && !self.parties.iter().any(|p| p.party_id == evidence.held_by)
        {
            return Err(ConsentError::new(
                "evidence.held_by",
                "it is no party of this record",
                "name the party under `parties`",
            ));
        }
        Ok(())
    }

    /// The party of that id.
    pub fn party(&self, id: &Pseudonym) -> Option<&Party> {
        self.parties.iter().find(|p| p.party_id == *id)
    }

    /// The record as it is written to a file: pretty, with a line end.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

fn check_text(path: &str, text: Option<&str>) -> Result<(), ConsentError> {
    let Some(text) = text else { return Ok(()) };
    let problem = if text.trim().is_empty() {
        "it is empty"
    } else if text.chars().count() > MAX_TEXT_CHARS {
        "it is too long"
    } else if text.chars().any(|c| c.is_control() && c != '\n') {
        "it holds control characters"
    } else {
        return Ok(());
    };
    Err(ConsentError::new(
        path,
        problem,
        "write 1 to 1000 characters of plain text",
    ))
}

fn check_list(
    path: &str,
    list: &[String],
    fits: impl Fn(&String) -> bool,
) -> Result<(), ConsentError> {
    if list.len() > MAX_ITEMS {
        return Err(ConsentError::new(
            path,
            format_args!("more than {MAX_ITEMS} of them"),
            "name kinds instead of single ones",
        ));
    }
    for (i, text) in list.iter().enumerate() {
        check_text(&format!("{path}[{i}]"), Some(text))?;
        if !fits(text) {
            let text: String = text.chars().take(60).collect();
            return Err(ConsentError::new(
                format_args!("{path}[{i}]"),
                format_args!("`{text}` is not of the form wanted"),
                "see `fairframe schema consent` for the form",
            ));
        }
    }
    Ok(())
}

fn check_once(path: &str, purposes: &[Purpose]) -> Result<(), ConsentError> {
    let once: BTreeSet<_> = purposes.iter().collect();
    if once.len() == purposes.len() {
        return Ok(());
    }
    Err(ConsentError::new(
        path,
        "a purpose stands twice",
        "name each purpose once",
    ))
}

/// A page (`https://..`) or, where allowed, `mailto:`.
fn check_address(path: &str, text: &str, mail: bool) -> Result<(), ConsentError> {
    let web = ["https://", "http://"].iter().any(|scheme| {
        text.strip_prefix(scheme)
            .is_some_and(|r| !r.starts_with('/'))
    });
    let mail = mail && text.starts_with("mailto:") && text.contains('@');
    let rest = text.split_once(':').map_or("", |(_, rest)| rest);
    let plain = rest.len() > 3
        && text.len() <= 2_048
        && !text
            .contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"{}|\\^`".contains(c));
    if (web || mail) && plain {
        return Ok(());
    }
    Err(ConsentError::new(
        path,
        "it is no address",
        "write it as in `https://example.org/notice`, a contact also as `mailto:...`",
    ))
}

fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase())
}

/// `P10Y`, `P1Y6M`, `P90D`, `P2W`, or `until-withdrawn`.
fn is_duration(text: &str) -> bool {
    if text == "until-withdrawn" {
        return true;
    }
    let Some(mut rest) = text.strip_prefix('P') else {
        return false;
    };
    let mut units = "YMWD".chars();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let Some(unit) = rest[digits..].chars().next() else {
            return false;
        };
        if !(1..=4).contains(&digits) || !units.any(|u| u == unit) {
            return false;
        }
        rest = &rest[digits + 1..];
    }
    text.len() > 1
}

#[cfg(test)]
mod tests;

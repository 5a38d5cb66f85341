//! One page of an answer becomes one listed sample, or a row that says why not.

use fairframe_schemas::{Label, MediaType, Reason, Sample, source::Wikimedia};
use serde_json::{Map, Value};
use url::Url;

use super::{
    entity::Entity,
    meta::Meta,
    place::{self, BadPlace, Place, Stated},
    when::{self, Reading},
};
use crate::{
    html,
    licence::{LicenceEvidence, read_licence},
    source::{Expected, Listed, MediaRef, cut, description},
};

/// The namespace of files.
const FILE: i64 = 6;

/// Longest text put into a column, in characters.
const MAX_TEXT: usize = 4_000;

/// Most labels of one sample, and most restrictions.
const MAX_LABELS: usize = 500;

/// What a page is read with.
pub struct Context<'a> {
    /// The source's id.
    pub source: &'a str,
    pub wiki: &'a Wikimedia,
    /// Address of the API, to complete addresses without a host.
    pub api: &'a Url,
}

/// How a page was come by.
#[derive(Debug, Default, Clone)]
pub struct Asked {
    /// Labels that the asker gave.
    pub labels: Vec<Label>,
    /// A wanted title led here through a redirect.
    pub renamed: bool,
}

/// The key of a page: its id, or its title where there is none.
pub fn key(page: &Map<String, Value>) -> String {
    match page.get("pageid").and_then(Value::as_u64) {
        Some(id) => id.to_string(),
        None => {
            let title = page.get("title").and_then(Value::as_str);
            title_key(title.unwrap_or_default())
        }
    }
}

/// The key of a title without a page.
pub fn title_key(title: &str) -> String {
    format!("title:{}", cut(title, MAX_TEXT))
}

impl Context<'_> {
    /// A row for something that has no page.
    pub fn without_page(&self, key: &str, title: Option<&str>, reason: Reason) -> Listed {
        let mut sample = Sample::new(self.source, key, MediaType::Image);
        sample.title = title.and_then(name_of).and_then(some_text);
        sample.add_reason(reason);
        refused(sample)
    }

    /// Reads a page with the entity of its structured data.
    pub fn listed(
        &self,
        page: &Map<String, Value>,
        entity: Option<&Entity>,
        asked: &Asked,
    ) -> Listed {
        let title = page.get("title").and_then(Value::as_str);
        let info = page.get("imageinfo").and_then(|list| list.get(0));
        let info = info.and_then(Value::as_object);
        let url = info.and_then(|i| self.address(i.get("url")));
        let kind = info.map(|i| Kind::of(i, url.as_ref()));
        let media_type = kind.and_then(Kind::media_type).unwrap_or(MediaType::Image);

        let mut sample = Sample::new(self.source, &key(page), media_type);
        sample.title = title.and_then(name_of).and_then(some_text);
        sample.labels.clone_from(&asked.labels);
        if asked.renamed {
            sample.add_reason(Reason::UpstreamRenamed);
        }
        if let Some(reason) = page_refusal(page, info) {
            sample.add_reason(reason);
            return refused(sample);
        }
        let (Some(info), Some(kind)) = (info, kind) else {
            sample.add_reason(Reason::UpstreamNoImageinfo);
            return refused(sample);
        };
        sample.landing_url = self
            .address(
                info.get("descriptionurl")
                    .or(info.get("descriptionshorturl")),
            )
            .map(Url::into);
        sample.source_url = url.map(Url::into);
        facts(&mut sample, info);
        self.describe(&mut sample, page, info, entity);
        let wanted = kind
            .media_type()
            .is_some_and(|m| self.wiki.media_types.contains(&m));
        if !wanted {
            sample.add_reason(Reason::MediaTypeNotWanted);
        }
        if sample.source_url.is_none() {
            sample.add_reason(Reason::UpstreamNoImageinfo);
        }
        let expected = Expected {
            sha1: sample.upstream_sha1.clone(),
            sha256: None,
            bytes: sample.bytes.and_then(|b| u64::try_from(b).ok()),
            state: None,
        };
        let media = match &sample.source_url {
            Some(url) if wanted => MediaRef::Url(url.clone()),
            _ => MediaRef::None,
        };
        Listed {
            sample,
            media,
            expected,
        }
    }

    /// An http(s) address, completed where it has no scheme or host.
    fn address(&self, value: Option<&Value>) -> Option<Url> {
        let text = value?.as_str().filter(|t| t.len() <= MAX_TEXT)?;
        let url = match text.strip_prefix("//") {
            Some(rest) => Url::parse(&format!("https://{rest}")),
            None => self.api.join(text),
        };
        url.ok().filter(|u| matches!(u.scheme(), "http" | "https"))
    }

    /// Words: what it shows, creator, credit, licence, place, date, labels.
    fn describe(
        &self,
        sample: &mut Sample,
        page: &Map<String, Value>,
        info: &Map<String, Value>,
        entity: Option<&Entity>,
    ) {
        let none = Map::new();
        let meta = info.get("extmetadata").and_then(Value::as_object);
        let meta = Meta(meta.unwrap_or(&none));
        let base = self.api.as_str();

        let said = meta.flat("ImageDescription", base);
        sample.description = said
            .as_deref()
            .and_then(description)
            .or_else(|| object_name(sample.title.as_deref(), &meta, base));
        let artist = meta.raw("Artist").map(|t| html::flatten_from(&t, base));
        let stated = entity.and_then(|e| e.creator.clone()).unwrap_or_default();
        let artist_text = artist.as_ref().and_then(|a| some_text(&a.text));
        sample.creator_url = artist.and_then(|a| a.link).or(stated.url);
        sample.creator = artist_text.or(stated.name);
        // How the author wants to be named goes before where the file came from.
        sample.credit = meta
            .text("Attribution", base)
            .or_else(|| meta.text("Credit", base));
        if sample.creator.is_none() && sample.credit.is_none() {
            let user = info.get("user").and_then(Value::as_str).and_then(some_text);
            sample.credit = user.map(|user| format!("uploaded by {user}"));
        }

        self.licence(sample, &meta, entity);
        sample.restrictions = meta
            .raw("Restrictions")
            .map(|t| words(&t))
            .unwrap_or_default();

        let statements = place::Statements {
            structured: entity.and_then(|e| e.place),
            extmetadata: meta.place(),
            geodata: page_coordinates(page),
        };
        let (chosen, bad) = place::choose(&statements, &self.wiki.place_trust);
        if let Some((place, origin)) = chosen {
            sample.latitude = Some(place.latitude);
            sample.longitude = Some(place.longitude);
            sample.place_precision_m = place.precision_m;
            sample.place_origin = Some(origin);
        }
        if bad {
            sample.add_reason(Reason::PlaceInvalid);
        }
        date(sample, entity.and_then(|e| e.taken), &meta);

        let depicts = entity.map(|e| e.depicts.as_slice()).unwrap_or_default();
        labels(sample, &categories(page, &meta), "category");
        labels(sample, depicts, "structured-data");
    }

    fn licence(&self, sample: &mut Sample, meta: &Meta<'_>, entity: Option<&Entity>) {
        let field = |name| meta.raw(name).filter(|t| !t.trim().is_empty());
        let code = field("License");
        let short_name = field("LicenseShortName");
        let url = field("LicenseUrl");
        let usage_terms = field("UsageTerms");
        let copyrighted = field("Copyrighted");
        let structured = entity.map(|e| e.licences.as_slice()).unwrap_or_default();
        let status = entity.map(|e| e.status.as_slice()).unwrap_or_default();
        let reading = read_licence(&LicenceEvidence {
            code: code.as_deref(),
            short_name: short_name.as_deref(),
            url: url.as_deref(),
            usage_terms: usage_terms.as_deref(),
            copyrighted: copyrighted.as_deref(),
            structured,
            status,
        });
        sample.licence = reading.expression;
        sample.licence_url = reading.url;
        let stated = field("AttributionRequired").and_then(|t| match t.trim() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        });
        sample.attribution_required = reading.attribution_required.or(stated);
        for reason in reading.reasons {
            sample.add_reason(reason);
        }
        sample.licence_evidence = meta.evidence(structured, status);
    }
}

/// Whether the description page says who made the file.
pub fn names_artist(page: &Map<String, Value>) -> bool {
    let info = page.get("imageinfo").and_then(|list| list.get(0));
    let meta = info.and_then(|i| i.get("extmetadata")?.as_object());
    // Where a link points is not asked here.
    meta.is_some_and(|meta| Meta(meta).text("Artist", "").is_some())
}

/// Why a page is no file to be had, by what the wiki says of it.
fn page_refusal(page: &Map<String, Value>, info: Option<&Map<String, Value>>) -> Option<Reason> {
    let is = |map: &Map<String, Value>, key: &str| {
        // `true`; in format version 1 it is there, as `""`.
        !matches!(map.get(key), None | Some(Value::Bool(false) | Value::Null))
    };
    if is(page, "invalid") {
        return Some(Reason::RowInvalid);
    }
    if is(page, "redirect") {
        return Some(Reason::UpstreamRedirect);
    }
    // `known`: no page here, but the file lies in a shared repository.
    if is(page, "missing") && !(is(page, "known") && info.is_some()) {
        return Some(Reason::UpstreamMissing);
    }
    if is(page, "special") {
        return Some(Reason::UpstreamNotAFile);
    }
    if page
        .get("ns")
        .and_then(Value::as_i64)
        .is_some_and(|ns| ns != FILE)
    {
        return Some(Reason::UpstreamNotAFile);
    }
    let info = info?;
    if is(info, "filehidden") || is(info, "suppressed") {
        return Some(Reason::UpstreamHidden);
    }
    is(info, "filemissing").then_some(Reason::UpstreamMissing)
}

fn refused(sample: Sample) -> Listed {
    Listed {
        sample,
        media: MediaRef::None,
        expected: Expected::default(),
    }
}

/// What the wiki measured. `describe` measures again, on the bytes.
fn facts(sample: &mut Sample, info: &Map<String, Value>) {
    let number = |key: &str| info.get(key).and_then(Value::as_i64).filter(|n| *n > 0);
    let side = |key: &str| number(key).and_then(|n| i32::try_from(n).ok());
    let text = |key: &str| info.get(key).and_then(Value::as_str);
    sample.bytes = number("size");
    sample.width = side("width");
    sample.height = side("height");
    sample.mime = text("mime").and_then(some_text);
    sample.duration_s = info
        .get("duration")
        .and_then(Value::as_f64)
        .filter(|d| d.is_finite() && *d > 0.0);
    sample.upstream_sha1 = text("sha1")
        .filter(|t| t.len() == 40 && t.bytes().all(|b| b.is_ascii_hexdigit()))
        .map(str::to_ascii_lowercase);
    sample.upstream_revision_at = text("timestamp").and_then(when::timestamp);
}

/// What a file is, before its bytes are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Image,
    Video,
    Other,
}

impl Kind {
    fn media_type(self) -> Option<MediaType> {
        match self {
            Kind::Image => Some(MediaType::Image),
            Kind::Video => Some(MediaType::Video),
            Kind::Other => None,
        }
    }

    /// By MediaWiki's media type; where it is missing or says little
    /// (`MULTIMEDIA` is any Ogg) by MIME type, else by the name's ending. Sound
    /// in an Ogg has no width; neither has video on a wiki that cannot measure it.
    fn of(info: &Map<String, Value>, url: Option<&Url>) -> Kind {
        let text = |key: &str| info.get(key).and_then(Value::as_str);
        let number = |key: &str| info.get(key).and_then(Value::as_f64);
        let flat = number("width") == Some(0.0);
        let by_mime = |mime: &str| match mime {
            "image/svg+xml" => Some(Kind::Other),
            "application/ogg" if flat => Some(Kind::Other),
            "application/ogg" => Some(Kind::Video),
            _ if mime.starts_with("image/") => Some(Kind::Image),
            _ if mime.starts_with("video/") => Some(Kind::Video),
            "" => None,
            _ => Some(Kind::Other),
        };
        let by_name = || {
            let path = url
                .map(|u| u.path().to_ascii_lowercase())
                .unwrap_or_default();
            match path.rsplit('.').next().unwrap_or_default() {
                "jpg" | "jpeg" | "jpe" | "png" | "gif" | "tif" | "tiff" | "webp" | "xcf" => {
                    Kind::Image
                }
                "webm" | "ogv" | "mpg" | "mpeg" | "mp4" => Kind::Video,
                "ogg" | "ogx" if !flat => Kind::Video,
                _ => Kind::Other,
            }
        };
        match text("mediatype") {
            Some("BITMAP") => Kind::Image,
            Some("VIDEO") => Kind::Video,
            Some("MULTIMEDIA" | "UNKNOWN" | "") | None => {
                text("mime").and_then(by_mime).unwrap_or_else(by_name)
            }
            // AUDIO, DRAWING (vector graphics), OFFICE, TEXT, ARCHIVE, 3D, ...
            Some(_) => Kind::Other,
        }
    }
}

/// What the work is called, where that says more than the file's name does.
fn object_name(title: Option<&str>, meta: &Meta<'_>, base: &str) -> Option<String> {
    let name = meta.text("ObjectName", base)?;
    let title = title.unwrap_or_default();
    let stem = title.rsplit_once('.').map_or(title, |(stem, _)| stem);
    (name != title && name != stem).then_some(name)
}

/// `prop=coordinates` (GeoData): the primary ones, on Earth.
fn page_coordinates(page: &Map<String, Value>) -> Stated {
    let list = page.get("coordinates")?.as_array()?;
    let on_earth = |c: &&Value| {
        let globe = c.get("globe").and_then(Value::as_str);
        globe.is_none_or(|g| g == "earth")
    };
    let first = list.iter().find(on_earth)?;
    let number = |key: &str| first.get(key).and_then(Value::as_f64);
    Some(match (number("lat"), number("lon")) {
        (Some(latitude), Some(longitude)) => Place::new(latitude, longitude, None),
        _ => Err(BadPlace),
    })
}

/// The structured date wins, unless the page says the same more exactly. Where
/// it is stated to be uncertain ("circa"), there is none.
fn date(sample: &mut Sample, structured: Option<Reading>, meta: &Meta<'_>) {
    let page = meta.raw("DateTimeOriginal");
    let page = page.map_or(Reading::None, |text| when::page_text(&text));
    let date = match (structured, page) {
        (Some(Reading::Date(a)), Reading::Date(b)) => Some(when::better(a, b)),
        (Some(Reading::Date(a)), _) => Some(a),
        (Some(Reading::None), _) => None,
        (_, Reading::Date(b)) => Some(b),
        (Some(Reading::Unreadable), _) | (None, Reading::Unreadable) => {
            sample.add_reason(Reason::DateInvalid);
            None
        }
        (None, Reading::None) => None,
    };
    if let Some((at, precision)) = date {
        sample.captured_at = Some(at);
        sample.captured_precision = Some(precision);
    }
}

/// Names of categories: of the page where asked for (without hidden ones),
/// else as `extmetadata` joins them.
fn categories(page: &Map<String, Value>, meta: &Meta<'_>) -> Vec<String> {
    let list = page.get("categories").and_then(Value::as_array);
    match list {
        Some(list) => list
            .iter()
            .filter_map(|c| c.get("title").and_then(Value::as_str))
            .filter_map(name_of)
            .map(str::to_owned)
            .collect(),
        None => meta
            .raw("Categories")
            .map(|t| words(&t))
            .unwrap_or_default(),
    }
}

fn labels(sample: &mut Sample, names: &[String], origin: &str) {
    for name in names {
        let Some(label) = some_text(name) else {
            continue;
        };
        let known = |l: &Label| l.label == label && l.origin == origin;
        if sample.labels.len() < MAX_LABELS && !sample.labels.iter().any(known) {
            sample.labels.push(Label {
                label,
                confidence: None,
                origin: origin.to_owned(),
            });
        }
    }
}

/// `a|b|c`, without empty and repeated ones, in upstream's order.
fn words(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in text.split('|').filter_map(some_text) {
        if found.len() < MAX_LABELS && !found.contains(&word) {
            found.push(word);
        }
    }
    found
}

/// `File:A.jpg` -> `A.jpg`.
fn name_of(title: &str) -> Option<&str> {
    let name = title.split_once(':').map_or(title, |(_, name)| name);
    (!name.is_empty()).then_some(name)
}

pub(super) fn some_text(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| cut(text, MAX_TEXT))
}

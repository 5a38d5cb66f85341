//! One sample, with everything that is known of it.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use fairframe_ingest::{attribution::web_link, card::map};
use fairframe_schemas::{
    CapturedPrecision, DatasetVersion, Digest, Label, Name, Reason, Ruling, Sample, SampleId,
    Status, Timestamp, licence, text, world as shapes,
};

use super::{super::filters, Tile, Tiles, request::Asked, words};
use crate::{
    App,
    access::Who,
    allowed::Allowed,
    browse::{Facet, Filter, Index, MAX_WORD, Neighbours, Overlay, View, kept},
    catalog,
    error::{AppError, page},
    pages::decisions as decidable,
    state::decisions::{self, Change, Standing},
    terms,
    viewer::Looking,
};

/// Other samples shown of each kind.
const OTHERS: usize = 12;

/// Bits by which the perceptual hashes of look-alikes may differ, of 64.
const ALIKE: u32 = 12;

/// Bytes of a picture that is shown as it is, not as its thumbnail.
const SHOWN_WHOLE: i64 = 4_000_000;

/// Pictures that every browser shows.
const PICTURES: [&str; 6] = [
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/webp",
    "image/bmp",
    "image/avif",
];

#[derive(Template)]
#[template(path = "samples/sample.html")]
struct SamplePage {
    dataset: Name,
    version: DatasetVersion,
    asked: Asked,
    /// At most [`TITLE`] characters.
    title: String,
    sample: Sample,
    status: String,
    /// By a decision that is not released yet.
    changed: bool,
    reasons: Vec<String>,
    labels: Vec<(Label, String)>,
    media: Option<Media>,
    licence: Licence,
    creator: Option<(String, String)>,
    subjects: Vec<(String, String)>,
    facts: Vec<(&'static str, String)>,
    captured: Option<String>,
    place: Place,
    group: Option<Related>,
    look_alikes: Vec<Tile>,
    made_from: Vec<Tile>,
    made_into: Vec<Tile>,
    pair: Option<Pair>,
    steps: Steps,
    /// For curators, of a sample of the newest release.
    review: Option<Review>,
}

/// What a curator can decide, and what was.
struct Review {
    csrf: String,
    standing: Option<Standing>,
    /// Why it cannot be accepted.
    against: Option<Reason>,
    /// One a line.
    labels: String,
    /// Where to go on to once it is decided.
    next: String,
}

/// How a sample is shown itself.
struct Media {
    digest: Digest,
    is_video: bool,
    /// Where the picture is; none where only its bytes may be downloaded.
    picture: Option<String>,
}

struct Licence {
    words: String,
    link: Option<String>,
    evidence: Option<String>,
}

struct Place {
    words: Vec<String>,
    /// Latitude and longitude, as written.
    coordinates: Option<String>,
    precision: Option<String>,
    map: Option<Locator>,
}

/// The world with a country tinted and a dot.
struct Locator {
    country: Option<String>,
    dot: Option<(String, String)>,
    name: String,
}

/// Others of the same split group.
struct Related {
    name: String,
    link: String,
    total: u64,
    tiles: Vec<Tile>,
}

/// How a fake was made, and of what.
struct Pair {
    method: String,
    compression: Option<String>,
    parameters: Option<String>,
    target: (String, String),
    source: (String, String),
}

/// To the samples before and after, among those asked for.
struct Steps {
    back: String,
    before: Option<String>,
    after: Option<String>,
    place: Option<u64>,
    total: u64,
}

/// Characters of a title at the head of the page.
const TITLE: usize = 160;

impl SamplePage {
    fn tiles<'a>(&self, tiles: &'a [Tile]) -> Tiles<'a> {
        Tiles { tiles }
    }

    fn time(&self, at: &Option<Timestamp>) -> String {
        at.map_or_else(String::new, |at| {
            at.format("%Y-%m-%d %H:%M UTC").to_string()
        })
    }

    fn link(&self, url: &Option<String>) -> Option<String> {
        url.as_deref().and_then(web_link)
    }
}

#[derive(Template)]
#[template(path = "samples/withdrawn.html")]
struct WithdrawnPage {
    dataset: Name,
    version: DatasetVersion,
    asked: Asked,
    id: SampleId,
}

/// What is looked up in the index, away from the threads that answer.
struct Known {
    sample: Option<Sample>,
    neighbours: Neighbours,
    group: Option<(Filter, u64, Vec<u32>)>,
    look_alikes: Vec<(u32, u32)>,
}

pub async fn sample(
    State(app): State<App>,
    who: Who,
    Path((name, version, id)): Path<(String, String, String)>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, AppError> {
    const KIND: AppError = AppError::NotFound("sample");
    let release = catalog::release(&app.layout, &name, &version)?;
    let asked = Asked::parse(&release.dataset, release.version, &pairs)?;
    let looking = Looking::at(&app, &who, release).await?;
    let number = match looking.find(&id) {
        Err(AppError::Gone(_)) => {
            let gone = page(&WithdrawnPage {
                dataset: looking.release.dataset,
                version: looking.release.version,
                asked,
                id: id.parse().map_err(|_| KIND)?,
            })?;
            return Ok((StatusCode::GONE, gone).into_response());
        }
        found => found?,
    };
    let known = {
        let (index, asked) = (looking.index.clone(), asked.clone());
        let look = move |view: &View<'_>| look_up(&index, view, &asked, number);
        looking.ask(look).await??
    };
    let view = looking.view();
    let row = view.row(number).ok_or(KIND)?;
    let (id, sample) = (row.id(), known.sample.ok_or(KIND)?);
    let Looking {
        release,
        index,
        allowed,
        viewer,
    } = &looking;

    let href = |id: SampleId| format!("{}/{id}", asked.base);
    let tile = |row: u32, note: String| {
        let row = view.row(row)?;
        let tile = Tile::new(&app, allowed, row, href(row.id()));
        Some(Tile { note, ..tile })
    };
    let plain = |row: u32| tile(row, String::new());
    let alike = |(row, distance): (u32, u32)| match distance {
        0 => tile(row, "looks the same".to_owned()),
        _ => tile(row, format!("{distance} of 64 bits differ")),
    };
    let group = known.group.zip(sample.split_group.clone());
    let group = group.map(|((filter, total, rows), name)| Related {
        name,
        link: asked.with(filter),
        total,
        tiles: rows.into_iter().filter_map(plain).collect(),
    });
    let parents = sample.derived_from.iter().take(OTHERS);
    let made_from = parents.filter_map(|p| index.find(p)).filter_map(plain);
    let made_from = made_from.collect();
    let other = |id: SampleId| (id.to_string(), href(id));
    let pair = sample.manipulation.as_ref().map(|m| Pair {
        method: m.method.clone(),
        compression: m.compression.clone(),
        parameters: m.parameters.clone(),
        target: other(m.target_sample),
        source: other(m.source_sample),
    });
    let one = |facet: Facet, word: &str| {
        let filter = Filter::default().toggled(facet, word);
        (word.to_owned(), asked.with(filter))
    };
    let step = |row: Option<u32>| row.map(|row| asked.sample(&index.id(row)));
    let place_in_list = known.neighbours.place.unwrap_or(1);
    let back = asked.with_page(1 + (place_in_list - 1) / super::grid::PER_PAGE);
    let review = match viewer.may_see_excluded && viewer.is_newest {
        true => {
            let after = step(known.neighbours.after);
            Some(review(&app, &who, release, index, &sample, after).await?)
        }
        false => None,
    };
    let standing = terms::of(&app, &who, &release.dataset).await?;
    let may_download = standing.is_none_or(|(_, accepted)| accepted);
    let status = row.word(Facet::Status).to_owned();
    let labels = shown_labels(&sample, &row.words(Facet::Label));
    let reasons: Vec<&str> = row.words(Facet::Reason);
    let body = page(&SamplePage {
        changed: viewer.overlay.changes.contains_key(&id),
        reasons: reasons
            .iter()
            .map(|r| words::shown(Facet::Reason, r))
            .collect(),
        labels: labels
            .into_iter()
            .map(|(label, word)| (label, one(Facet::Label, &word).1))
            .collect(),
        title: title(&sample),
        media: media(&app, allowed, &sample, may_download),
        licence: licence_of(&sample),
        creator: sample
            .creator
            .clone()
            .map(|name| (name, one(Facet::Creator, row.word(Facet::Creator)).1)),
        subjects: row
            .words(Facet::Subject)
            .into_iter()
            .map(|s| one(Facet::Subject, s))
            .collect(),
        facts: facts(&sample),
        captured: captured(&sample),
        place: place(&sample),
        steps: Steps {
            back,
            before: step(known.neighbours.before),
            after: step(known.neighbours.after),
            place: known.neighbours.place,
            total: known.neighbours.total,
        },
        status,
        group,
        look_alikes: known.look_alikes.into_iter().filter_map(alike).collect(),
        made_from,
        made_into: index
            .made_from(&id)
            .filter_map(plain)
            .take(OTHERS)
            .collect(),
        pair,
        review,
        dataset: release.dataset.clone(),
        version: release.version,
        asked: asked.clone(),
        sample,
    })?;
    Ok(body.into_response())
}

/// What can be decided of a sample of the newest release.
async fn review(
    app: &App,
    who: &Who,
    release: &catalog::Release,
    index: &Index,
    sample: &Sample,
    after: Option<String>,
) -> Result<Review, AppError> {
    let standing = decisions::of(&app.db, &release.dataset, sample.sample_id).await?;
    let released = Overlay::default();
    let released = View::new(index, crate::browse::Scope::All, &released);
    let accept = Change::Rule(Ruling::Accept);
    let against = released.find(&sample.sample_id);
    let own = standing.as_ref().and_then(|s| s.decision.labels.clone());
    let given = || sample.labels.iter().map(|l| l.label.clone()).collect();
    Ok(Review {
        csrf: who.csrf().to_owned(),
        against: against.and_then(|row| decidable::against(&row, &accept)),
        labels: own.unwrap_or_else(given).join("\n"),
        standing,
        next: after.unwrap_or_else(|| who.asked().to_owned()),
    })
}

fn look_up(index: &Index, view: &View, asked: &Asked, row: u32) -> Result<Known, AppError> {
    let sample = index.read(row).map_err(AppError::internal)?;
    let group = sample.as_ref().and_then(|s| s.split_group.clone());
    let group = group.filter(|name| name.len() <= MAX_WORD);
    let group = group.map(|name| {
        let filter = Filter {
            group: Some(name),
            ..Filter::default()
        };
        let mut rows = view.rows(&filter);
        let total = rows.len() as u64;
        rows.retain(|other| *other != row);
        rows.truncate(OTHERS);
        (filter, total, rows)
    });
    // What was withdrawn has no page to step to.
    let mut there = asked.filter.clone();
    let status = there.words.entry(Facet::Status).or_default();
    status.none.insert(Status::Withdrawn.to_string());
    Ok(Known {
        neighbours: view.neighbours(&there, asked.sort, row),
        look_alikes: view.look_alikes(row, ALIKE, OTHERS),
        group: group.filter(|(_, total, _)| *total > 1),
        sample,
    })
}

fn title(sample: &Sample) -> String {
    let title = sample.title.as_deref().filter(|t| !t.is_empty());
    let Some(title) = title else {
        return sample.sample_id.to_string();
    };
    let mut short: String = title.chars().take(TITLE).collect();
    if short.len() < title.len() {
        short.push('…');
    }
    short
}

/// The labels as they stand now, each with its word in the index; what the release says of one is
/// kept.
fn shown_labels(sample: &Sample, now: &[&str]) -> Vec<(Label, String)> {
    let word_of = |label: &Label| now.iter().find(|word| **word == kept(&label.label));
    let released = sample.labels.iter();
    let mut shown: Vec<(Label, String)> = released
        .filter_map(|label| Some((label.clone(), (*word_of(label)?).to_owned())))
        .collect();
    for word in now {
        if !shown.iter().any(|(_, known)| known == word) {
            let label = Label {
                label: (*word).to_owned(),
                confidence: None,
                origin: "not released yet".to_owned(),
            };
            shown.push((label, (*word).to_owned()));
        }
    }
    shown
}

/// The small picture only, where the terms of the dataset were not accepted.
fn media(app: &App, allowed: &Allowed, sample: &Sample, may_download: bool) -> Option<Media> {
    let digest = sample.media_sha256?;
    let mime = allowed.mime(&digest)?;
    let whole =
        may_download && PICTURES.contains(&mime) && sample.bytes.is_some_and(|b| b <= SHOWN_WHOLE);
    let thumbnail = app.layout.thumbnail(&digest).is_file();
    Some(Media {
        digest,
        is_video: may_download && mime.starts_with("video/"),
        picture: match (whole, thumbnail) {
            (true, _) => Some(format!("/media/{digest}")),
            (false, true) => Some(format!("/thumbnails/{digest}")),
            _ => None,
        },
    })
}

fn licence_of(sample: &Sample) -> Licence {
    let id = sample.licence.as_deref().unwrap_or_default();
    Licence {
        words: match licence::words(id) {
            Some(words) if id.starts_with("LicenseRef-") => words.to_owned(),
            Some(words) => format!("{words} ({id})"),
            None => words::shown(Facet::Licence, id),
        },
        link: sample.licence_url.as_deref().and_then(web_link),
        evidence: sample.licence_evidence.clone(),
    }
}

/// What was read from the file.
fn facts(sample: &Sample) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Media type", sample.media_type.to_string())];
    let mut push = |name, value: Option<String>| facts.extend(value.map(|v| (name, v)));
    push("Format", sample.mime.clone());
    push(
        "Size",
        sample
            .bytes
            .and_then(|b| u64::try_from(b).ok())
            .map(text::size),
    );
    let pixels = sample.width.zip(sample.height);
    push("Pixels", pixels.map(|(w, h)| format!("{w} × {h}")));
    let duration = sample.duration_s.filter(|s| s.is_finite());
    push(
        "Duration",
        duration.map(|s| text::duration((s * 1000.0) as u64)),
    );
    push(
        "Frames",
        sample
            .frame_count
            .and_then(|n| u64::try_from(n).ok())
            .map(text::count),
    );
    let rate = sample.frame_rate.map(|r| match sample.variable_frame_rate {
        Some(true) => format!("{r:.3} a second, varying"),
        _ => format!("{r:.3} a second"),
    });
    push("Frame rate", rate);
    push("Sharpness", sample.sharpness.map(|v| format!("{v:.2}")));
    push("Luminance", sample.luminance.map(|v| format!("{v:.4}")));
    push("Video codec", sample.video_codec.clone());
    let sound = |has| if has { "yes" } else { "no" }.to_owned();
    push("Sound", sample.has_audio.map(sound));
    push("sha256", sample.media_sha256.map(|d| d.to_string()));
    push(
        "Perceptual hash",
        sample.perceptual_hash.map(|h| format!("{h:016x}")),
    );
    facts
}

fn captured(sample: &Sample) -> Option<String> {
    let format = match sample.captured_precision {
        Some(CapturedPrecision::Year) => "%Y",
        Some(CapturedPrecision::Month) => "%Y-%m",
        Some(CapturedPrecision::Second) => "%Y-%m-%d %H:%M:%S UTC",
        Some(CapturedPrecision::Day) | None => "%Y-%m-%d",
    };
    sample.captured_at.map(|at| at.format(format).to_string())
}

fn place(sample: &Sample) -> Place {
    let country = sample.country.as_deref().map(map::country_name);
    let words = [
        country.clone(),
        sample.subregion.clone(),
        sample.region.clone(),
    ];
    let mut words: Vec<String> = words.into_iter().flatten().collect();
    words.dedup();
    let at = sample.latitude.zip(sample.longitude);
    let at = at.filter(|(lat, lon)| lat.abs() <= 90.0 && lon.abs() <= 180.0);
    let shape = sample
        .country
        .as_deref()
        .filter(|code| shapes::countries().any(|(known, _)| known == *code));
    let map = (at.is_some() || shape.is_some()).then(|| Locator {
        country: shape.map(str::to_owned),
        dot: at.map(|(latitude, longitude)| {
            let (x, y) = map::project(latitude, longitude);
            (format!("{x:.0}"), format!("{y:.0}"))
        }),
        name: country.unwrap_or_else(|| "no country".to_owned()),
    });
    let metres = sample
        .place_precision_m
        .filter(|m| m.is_finite() && *m >= 0.0);
    Place {
        coordinates: at.map(|(lat, lon)| format!("{lat}, {lon}")),
        precision: metres.map(|m| match m {
            m if m >= 1000.0 => format!("{:.0} km", m / 1000.0),
            m => format!("{m:.0} m"),
        }),
        words,
        map,
    }
}

/// `/assets/world.svg`: the countries, each under its code, for the locator maps.
pub async fn world() -> Response {
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 2000 860\"><g id=\"land\">",
    );
    for (code, path) in shapes::countries() {
        match code.bytes().all(|b| b.is_ascii_uppercase()) {
            true => svg.push_str(&format!("<path id=\"{code}\" d=\"{path}\"/>")),
            false => svg.push_str(&format!("<path d=\"{path}\"/>")),
        }
    }
    svg.push_str("</g></svg>");
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CACHE_CONTROL, "public, max-age=86400"),
    ];
    (headers, svg).into_response()
}

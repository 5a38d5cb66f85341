//! Releases to look at: of the photos shipped in `datasets/drop`, and of the
//! Dollar Street table where the shared folder is present.

pub mod site;

use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use fairframe_ingest::{
    attribution::{AttributionCsv, AttributionHtml},
    card::card,
    croissant::croissant,
    manifest::{ManifestWriter, Stamp},
    place::Gazetteer,
    summary::SummaryBuilder,
};
use fairframe_schemas::{
    CapturedPrecision, ConsentState, DatasetVersion, Digest, Label, Layout, MediaType, Name,
    PlaceOrigin, Purpose, Reason, RecallEntry, RecallList, ReleaseFile, Sample, Split, Summary,
    Timestamp, release::SourceSummary, source::About, version::Change,
};

pub fn project() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = if here.join("datasets").is_dir() {
        here
    } else {
        here.parent().unwrap()
    };
    root.to_owned()
}

/// A file of the shared folder, or a plain word that the test is skipped.
pub fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("FAIRFRAME_SHARED").map(PathBuf::from);
    let root = root.unwrap_or_else(|| project().join("../shared"));
    let file = root.join("data").join(path);
    if !file.exists() {
        println!(
            "skipped: `{}` is not there; set FAIRFRAME_SHARED",
            file.display()
        );
        return None;
    }
    Some(file)
}

pub fn version(text: &str) -> DatasetVersion {
    text.parse().unwrap()
}

pub fn as_of() -> Timestamp {
    "2026-01-15T12:00:00Z".parse().unwrap()
}

/// What a release is made of.
pub struct Release {
    pub dataset: &'static str,
    pub version: &'static str,
    pub previous: Option<&'static str>,
    pub change: Change,
    pub about: About,
    pub samples: Vec<Sample>,
    pub recall: Option<RecallList>,
}

/// Writes a release as a run does: Parquet, attribution, summary, card, Croissant, digests.
pub fn publish(layout: &Layout, release: Release) -> Summary {
    let dataset = Name::new(release.dataset).unwrap();
    let version = version(release.version);
    let folder = layout.release(&dataset, version);
    let restricted = layout.restricted(&dataset, version);
    fs::create_dir_all(&folder).unwrap();
    fs::create_dir_all(&restricted).unwrap();
    let recall = release
        .recall
        .unwrap_or_else(|| RecallList::new(dataset.clone()));
    let stamp = Stamp {
        dataset: dataset.clone(),
        version,
        recall_version: recall.recall_version,
    };
    let mut samples = release.samples;
    samples.sort_by_key(|s| (s.region.clone(), s.country.clone(), s.sample_id));
    let mut counts = SummaryBuilder::new();
    let create = |name: &str| BufWriter::new(File::create(folder.join(name)).unwrap());
    let mut table = AttributionCsv::new(create("ATTRIBUTION.csv")).unwrap();
    let mut page = AttributionHtml::new();
    let listed = samples.len() as u64;
    let restricted = restricted.join("restricted.parquet");
    let mut writer = ManifestWriter::create(&folder, &restricted, stamp).unwrap();
    for sample in samples {
        counts.add(&sample);
        if sample.status == fairframe_schemas::Status::Accepted {
            table.add(&sample).unwrap();
            page.add(&sample).unwrap();
        }
        writer.add(sample).unwrap();
    }
    writer.finish().unwrap();
    table.finish().unwrap().flush().unwrap();
    let tally = counts.finish(listed, 0);
    let mut summary = Summary {
        dataset,
        version,
        previous: release.previous.map(self::version),
        change: release.change,
        as_of: as_of(),
        generator: format!("fairframe {}", env!("CARGO_PKG_VERSION")),
        schema_version: "1".to_owned(),
        about: release.about,
        approval: None,
        sources: tally
            .by_source
            .into_iter()
            .map(|(source, by_status)| SourceSummary {
                source: Name::new(&source).unwrap(),
                kind: "crowdsourced".to_owned(),
                origin: None,
                by_status,
            })
            .collect(),
        counts: tally.counts,
        files: Vec::new(),
    };
    page.finish(&summary, create("ATTRIBUTION.html")).unwrap();
    summary.files = files(&folder);
    fs::write(folder.join("summary.json"), summary.to_json()).unwrap();
    fs::write(folder.join("recall.json"), recall.to_json()).unwrap();
    fs::write(folder.join("croissant.json"), croissant(&summary)).unwrap();
    fs::write(folder.join("card.html"), card(&summary).unwrap()).unwrap();
    let sums: String = files(&folder)
        .iter()
        .map(|f| format!("{}  {}\n", f.sha256, f.name))
        .collect();
    fs::write(folder.join("SHA256SUMS"), sums).unwrap();
    summary
}

fn files(folder: &Path) -> Vec<ReleaseFile> {
    let mut out: Vec<ReleaseFile> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let bytes = fs::read(entry.path()).unwrap();
            ReleaseFile {
                name: entry.file_name().into_string().unwrap(),
                bytes: bytes.len() as u64,
                sha256: Digest::of(&bytes),
                rows: None,
            }
        })
        .collect();
    out.sort_by(|a, b| a.name.cmp(&b.name));
    out
}

/// Puts bytes into the store, and a thumbnail beside them.
pub fn keep(layout: &Layout, bytes: &[u8]) -> Digest {
    let digest = Digest::of(bytes);
    for path in [layout.media(&digest), layout.thumbnail(&digest)] {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    digest
}

/// The four photos of `datasets/drop` as accepted samples, with their media in the store.
pub fn photos(layout: &Layout) -> Vec<Sample> {
    let drop = project().join("datasets/drop");
    let mut table = csv::Reader::from_path(drop.join("contributions.csv")).unwrap();
    let names = table.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    rows.iter()
        .map(|row| {
            let cell = |name: &str| {
                let at = names.iter().position(|n| n == name).unwrap();
                Some(row[at].to_owned()).filter(|c| !c.is_empty())
            };
            let file = cell("file").unwrap();
            let bytes = fs::read(drop.join(&file)).unwrap();
            let mut s = Sample::new("drop", &file, MediaType::Image);
            s.bytes = Some(bytes.len() as i64);
            s.media_sha256 = Some(keep(layout, &bytes));
            s.mime = Some("image/jpeg".to_owned());
            s.perceptual_hash = Some(u64::MAX - bytes.len() as u64); // beyond what a double holds
            s.retrieved_at = Some(as_of());
            s.title = cell("title");
            s.creator = cell("contributor");
            s.creator_url = cell("contributor_url");
            s.licence = cell("licence");
            s.licence_url = cell("licence_url");
            s.landing_url = cell("landing_url");
            s.latitude = cell("latitude").map(|v| v.parse().unwrap());
            s.longitude = cell("longitude").map(|v| v.parse().unwrap());
            s.captured_at = cell("captured_at")
                .filter(|v| v.len() == 10)
                .map(|v| format!("{v}T00:00:00Z").parse().unwrap());
            s.captured_precision = s.captured_at.map(|_| CapturedPrecision::Day);
            s.labels = cell("labels")
                .unwrap_or_default()
                .split('|')
                .map(|label| Label {
                    label: label.to_owned(),
                    confidence: (label == "tree").then_some(1.0),
                    origin: "human".to_owned(),
                })
                .collect();
            s.split = Some(Split::Train);
            if let Some(code) = cell("country") {
                locate(&mut s, &code);
            }
            s
        })
        .collect()
}

fn locate(sample: &mut Sample, country: &str) {
    let country = Gazetteer::bundled()
        .by_name(country)
        .or_else(|| Gazetteer::bundled().by_code(country));
    if let Some(country) = country {
        sample.country = Some(country.alpha2.clone());
        sample.subregion = country.subregion.clone();
        sample.region = country.region.clone();
        sample.place_origin = Some(PlaceOrigin::Declared);
    }
}

/// Two versions of one dataset: in the second the iguana is withdrawn, one photo shows a person
/// who did not agree to redistribution, and one waits for review.
pub fn demo(layout: &Layout) -> (Vec<Sample>, Summary) {
    let about = About {
        title: Some("Photos & places".to_owned()),
        description: Some("Four photos, two of them with a place.".to_owned()),
        publisher: Some("Fairframe".to_owned()),
        limitations: Some("Far too small to conclude anything.".to_owned()),
        ..About::default()
    };
    let mut samples = photos(layout);
    let release = |version, previous, change, samples, recall| Release {
        dataset: "photos",
        version,
        previous,
        change,
        about: about.clone(),
        samples,
        recall,
    };
    publish(
        layout,
        release("1.0.0", None, Change::None, samples.clone(), None),
    );
    let at = |samples: &[Sample], title: &str| {
        let found = samples
            .iter()
            .position(|s| s.title.as_deref().is_some_and(|t| t.contains(title)));
        found.unwrap()
    };
    let (iguana, avenue, waterfall) = (
        at(&samples, "iguana"),
        at(&samples, "Avenue"),
        at(&samples, "Waterfall"),
    );
    let mut recall = RecallList::new(Name::new("photos").unwrap());
    recall.recall_version = 1;
    recall.entries.push(RecallEntry {
        sample_id: samples[iguana].sample_id,
        media_sha256: samples[iguana].media_sha256,
        reason: Reason::Withdrawn,
        withdrawn_in: version("2.0.0"),
        at: as_of(),
    });
    samples[iguana].add_reason(Reason::Withdrawn);
    samples[avenue].subject_ids = vec!["p-01".to_owned()];
    samples[avenue].consent_id = Some("c-01".to_owned());
    samples[avenue].consent_state = Some(ConsentState::Given);
    samples[avenue].consent_purposes = vec![Purpose::Collect, Purpose::Train];
    samples[waterfall].add_reason(Reason::LicenceContradiction);
    let change = Change::Major;
    let summary = publish(
        layout,
        release(
            "2.0.0",
            Some("1.0.0"),
            change,
            samples.clone(),
            Some(recall),
        ),
    );
    (samples, summary)
}

/// The 13,565 rows of Dollar Street's table: real countries in real proportions, no media.
pub fn dollar_street(table: &Path) -> Vec<Sample> {
    let file = flate2::read::GzDecoder::new(BufReader::new(File::open(table).unwrap()));
    let mut reader = csv::Reader::from_reader(file);
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    rows.iter()
        .map(|row| {
            let mut s = Sample::new("dollar-street", &row[2], MediaType::Image);
            s.source_url = Some(row[2].to_owned());
            s.mime = Some("image/jpeg".to_owned());
            s.title = Some(row[7].trim_matches(['[', ']', '\'']).replace('_', " "));
            s.licence = Some("CC-BY-NC-4.0".to_owned());
            s.licence_url = Some("https://creativecommons.org/licenses/by-nc/4.0/".to_owned());
            s.creator = Some("Dollar Street, Gapminder".to_owned());
            s.latitude = row[4].parse().ok();
            s.longitude = row[5].parse().ok();
            locate(&mut s, &row[1]);
            let part = s.sample_id.as_bytes()[0];
            s.split = Some(match part {
                0..=204 => Split::Train,
                205..=229 => Split::Validation,
                _ => Split::Test,
            });
            s
        })
        .collect()
}

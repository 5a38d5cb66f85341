//! `croissant.json`: the release as Croissant 1.1 (MLCommons, 2026) with the
//! properties of Croissant RAI 1.0, JSON-LD.
//!
//! Specifications: <https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html>,
//! <https://docs.mlcommons.org/croissant/docs/croissant-rai-spec.html>.

mod responsible;

use std::collections::BTreeSet;

use arrow_schema::DataType;
use fairframe_schemas::{
    Column, ReleaseFile, Split, Summary,
    release::{OTHER, UNKNOWN},
};
use serde_json::{Map, Value, json};

/// Media type of the document.
pub const MEDIA_TYPE: &str = "application/ld+json; profile=\"http://mlcommons.org/croissant/1.1\"";

/// What is new in a version, as DCAT 3 says it (`adms:versionNotes`); neither Croissant nor schema.org
/// has a property for it. The whole name, since Croissant's context has no prefix of ADMS.
pub const VERSION_NOTES: &str = "http://www.w3.org/ns/adms#versionNotes";

/// Describes a release. `summary.files` names the Parquet parts (`part-*.parquet`),
/// `excluded.parquet` and what else can be downloaded. The same summary gives the same bytes.
pub fn croissant(summary: &Summary) -> String {
    let mut text = serde_json::to_string_pretty(&document(summary)).unwrap_or_default();
    text.push('\n');
    text
}

fn document(summary: &Summary) -> Value {
    let about = &summary.about;
    let publisher = about.publisher.as_deref();
    let maker = json!({
        "@type": "sc:Organization",
        "name": publisher.unwrap_or(summary.dataset.as_str()),
    });
    let mut doc = Map::new();
    doc.insert("@context".into(), context());
    doc.insert("@type".into(), json!("sc:Dataset"));
    doc.insert(
        "conformsTo".into(),
        json!([
            "http://mlcommons.org/croissant/1.1",
            "http://mlcommons.org/croissant/RAI/1.0"
        ]),
    );
    doc.insert("name".into(), json!(summary.dataset));
    doc.insert("alternateName".into(), json!(summary.title()));
    doc.insert("description".into(), json!(description(summary)));
    doc.insert("url".into(), json!(url(summary)));
    doc.insert("version".into(), json!(summary.version));
    let date = summary.as_of.format("%Y-%m-%d").to_string();
    doc.insert("datePublished".into(), json!(date));
    if let Some(notes) = summary.approval.as_ref().map(|a| a.notes.trim())
        && !notes.is_empty()
    {
        doc.insert(VERSION_NOTES.into(), json!(notes));
    }
    doc.insert("creator".into(), maker.clone());
    if publisher.is_some() {
        doc.insert("publisher".into(), maker);
    }
    doc.insert("license".into(), json!(licences(summary)));
    doc.insert("citeAs".into(), json!(cite_as(summary)));
    doc.insert("isLiveDataset".into(), json!(false));
    doc.insert("keywords".into(), json!(keywords(summary)));
    let places: Vec<Value> = known(summary.counts.subregions.keys())
        .map(|name| json!({"@type": "sc:Place", "name": name}))
        .collect();
    if !places.is_empty() {
        doc.insert("spatialCoverage".into(), json!(places));
    }
    let mut years = known(summary.counts.years.keys());
    if let Some(first) = years.next() {
        let last = years.next_back().unwrap_or(first);
        doc.insert("temporalCoverage".into(), json!(format!("{first}/{last}")));
    }
    responsible::describe(summary, &mut doc);
    doc.insert("distribution".into(), json!(distribution(summary)));
    doc.insert("recordSet".into(), json!(record_sets(summary)));
    Value::Object(doc)
}

fn known<'a>(
    words: impl DoubleEndedIterator<Item = &'a String>,
) -> impl DoubleEndedIterator<Item = &'a String> {
    words.filter(|w| *w != UNKNOWN && *w != OTHER)
}

fn description(summary: &Summary) -> String {
    match summary.about.description.as_deref().map(str::trim) {
        Some(text) if !text.is_empty() => text.to_owned(),
        _ => format!(
            "{}: images and video, each with its origin, licence, consent and place",
            summary.title()
        ),
    }
}

/// The dataset's page, or a name for it where no page is declared.
fn url(summary: &Summary) -> String {
    match &summary.about.url {
        Some(url) => url.clone(),
        None => format!("urn:fairframe:{}:{}", summary.dataset, summary.version),
    }
}

/// The declared citation, or a BibTeX entry made from the title.
pub fn cite_as(summary: &Summary) -> String {
    if let Some(citation) = &summary.about.citation {
        return citation.trim().to_owned();
    }
    let plain = |text: &str| text.replace(['{', '}', '\\'], "");
    let mut entry = format!(
        "@misc{{{}-{},\n  title = {{{}}},\n",
        summary.dataset,
        summary.version,
        plain(summary.title())
    );
    if let Some(publisher) = &summary.about.publisher {
        entry += &format!("  author = {{{{{}}}}},\n", plain(publisher));
    }
    entry += &format!(
        "  year = {{{}}},\n  version = {{{}}}\n}}",
        summary.as_of.format("%Y"),
        summary.version
    );
    entry
}

/// One entry a licence that occurs: the page of the SPDX list, or the `LicenseRef-` as it is.
fn licences(summary: &Summary) -> Vec<String> {
    let mut ids = BTreeSet::new();
    for expression in known(summary.counts.licences.keys()) {
        match spdx::Expression::parse(expression) {
            Ok(parsed) => ids.extend(parsed.requirements().map(|r| r.req.to_string())),
            Err(_) => {
                ids.insert(expression.clone());
            }
        }
    }
    if ids.is_empty() {
        ids.insert("LicenseRef-none".to_owned());
    }
    let page = |id: String| match spdx::license_id(&id) {
        Some(_) => format!("https://spdx.org/licenses/{id}.html"),
        None => id,
    };
    ids.into_iter().map(page).collect()
}

fn keywords(summary: &Summary) -> Vec<String> {
    let mut words: Vec<String> = ["fairness", "provenance", "geography"]
        .map(str::to_owned)
        .to_vec();
    let types = summary.counts.media_types.keys();
    words.extend(types.map(|t| t.as_str().to_owned()));
    words.extend(known(summary.counts.regions.keys()).cloned());
    words
}

fn is_part(file: &ReleaseFile) -> bool {
    file.name.starts_with("part-") && file.name.ends_with(".parquet")
}

/// Media type by the names a release has.
pub fn encoding_format(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("parquet") => "application/x-parquet",
        Some("csv") => "text/csv",
        Some("json") => "application/json",
        Some("html") => "text/html",
        _ => "text/plain",
    }
}

fn distribution(summary: &Summary) -> Vec<Value> {
    let mut out: Vec<Value> = summary
        .files
        .iter()
        .map(|file| {
            json!({
                "@type": "cr:FileObject",
                "@id": file.name,
                "name": file.name,
                "contentUrl": file.name,
                "contentSize": format!("{} B", file.bytes),
                "encodingFormat": encoding_format(&file.name),
                "sha256": file.sha256,
            })
        })
        .collect();
    if summary.files.iter().filter(|f| is_part(f)).count() > 1 {
        out.push(json!({
            "@type": "cr:FileSet",
            "@id": "parts",
            "name": "parts",
            "description": "all parts of the manifest",
            "encodingFormat": "application/x-parquet",
            "includes": "part-*.parquet",
        }));
    }
    out
}

fn record_sets(summary: &Summary) -> Vec<Value> {
    let mut sets = Vec::new();
    if !summary.counts.splits.is_empty() {
        sets.push(splits(summary));
    }
    let parts: Vec<&ReleaseFile> = summary.files.iter().filter(|f| is_part(f)).collect();
    let source = match parts.as_slice() {
        [] => None,
        [one] => Some(json!({"fileObject": {"@id": one.name}})),
        _ => Some(json!({"fileSet": {"@id": "parts"}})),
    };
    if let Some(source) = source {
        sets.push(record_set(
            "samples",
            "Accepted samples, one record each.",
            &source,
        ));
    }
    if summary.files.iter().any(|f| f.name == "excluded.parquet") {
        sets.push(record_set(
            "excluded",
            "Samples that were listed and not accepted, with the reasons; their media are not part of the dataset.",
            &json!({"fileObject": {"@id": "excluded.parquet"}}),
        ));
    }
    sets
}

/// The splits that occur, tied to Croissant's own terms.
fn splits(summary: &Summary) -> Value {
    let term = |split: &Split| match split {
        Split::Train => "cr:TrainingSplit",
        Split::Validation => "cr:ValidationSplit",
        Split::Test => "cr:TestSplit",
    };
    let data: Vec<Value> = summary
        .counts
        .splits
        .keys()
        .map(|split| json!({"splits/name": split, "splits/url": term(split)}))
        .collect();
    // The specification's example gives `url` the type cr:Split, which the public validator refuses.
    json!({
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": "The splits of the dataset.",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"},
            {"@type": "cr:Field", "@id": "splits/url", "name": "url", "dataType": "sc:URL"},
        ],
        "data": data,
    })
}

fn record_set(id: &str, description: &str, source: &Value) -> Value {
    let fields: Vec<Value> = Column::public()
        .map(|column| field(id, column, source))
        .collect();
    json!({
        "@type": "cr:RecordSet",
        "@id": id,
        "name": id,
        "description": description,
        "key": {"@id": format!("{id}/{}", Column::SampleId.name())},
        "field": fields,
    })
}

fn field(set: &str, column: Column, source: &Value) -> Value {
    let id = format!("{set}/{}", column.name());
    let extract = |path: Option<&str>| {
        let mut source = source.clone();
        source["extract"] = json!({"column": column.name()});
        if let Some(path) = path {
            source["transform"] = json!({"jsonPath": path});
        }
        source
    };
    let mut out = json!({
        "@type": "cr:Field",
        "@id": id,
        "name": column.name(),
        "description": meaning(column),
    });
    let (item, repeated) = match column.arrow_type() {
        DataType::List(item) => (item.data_type().clone(), true),
        other => (other, false),
    };
    if repeated {
        out["isArray"] = json!(true);
        out["arrayShape"] = json!("-1");
    }
    if let DataType::Struct(members) = item {
        let sub: Vec<Value> = members
            .iter()
            .map(|member| {
                json!({
                    "@type": "cr:Field",
                    "@id": format!("{id}/{}", member.name()),
                    "name": member.name(),
                    "dataType": data_type(member.data_type()),
                    "source": extract(Some(member.name())),
                })
            })
            .collect();
        out["subField"] = json!(sub);
        return out;
    }
    out["dataType"] = json!(match column {
        Column::SourceUrl | Column::LandingUrl | Column::CreatorUrl | Column::LicenceUrl => {
            "sc:URL"
        }
        _ => data_type(&item),
    });
    if let Some(same) = equivalent(column) {
        out["equivalentProperty"] = json!(same);
    }
    out["source"] = extract(None);
    out
}

/// The Croissant type of an Arrow type that occurs in the manifest.
fn data_type(arrow: &DataType) -> &'static str {
    match arrow {
        DataType::Boolean => "sc:Boolean",
        DataType::Int32 => "cr:Int32",
        DataType::Int64 => "cr:Int64",
        DataType::UInt64 => "cr:UInt64",
        DataType::Float64 => "cr:Float64",
        DataType::Timestamp(..) => "sc:DateTime",
        _ => "sc:Text",
    }
}

/// The schema.org property that means the same.
fn equivalent(column: Column) -> Option<&'static str> {
    Some(match column {
        Column::Latitude => "sc:latitude",
        Column::Longitude => "sc:longitude",
        Column::Country => "sc:addressCountry",
        Column::Creator => "sc:creator",
        Column::LicenceUrl => "sc:license",
        Column::Mime => "sc:encodingFormat",
        Column::MediaSha256 => "sc:sha256",
        Column::CapturedAt => "sc:dateCreated",
        Column::Credit => "sc:creditText",
        Column::Description => "sc:description",
        _ => return None,
    })
}

/// What a column means, in a sentence. Total, so that a new column cannot go undescribed.
pub fn meaning(column: Column) -> &'static str {
    match column {
        Column::SampleId => "Stable id: first 32 hex digits of sha256(source LF source_key).",
        Column::Dataset => "Name of the dataset.",
        Column::Version => "Version of the dataset.",
        Column::MediaType => "image, video, frame or clip.",
        Column::MediaSha256 => "sha256 of the media bytes; empty when never fetched.",
        Column::Bytes => "Size of the media, bytes.",
        Column::Width => "Width in pixels, after rotation.",
        Column::Height => "Height in pixels, after rotation.",
        Column::Mime => "Media type, from the content.",
        Column::DurationS => "Length of the video, seconds.",
        Column::FrameRate => "Frames a second.",
        Column::FrameRateRatio => "Frames a second as an exact ratio, such as 30000/1001.",
        Column::FrameCount => "Frames of the video.",
        Column::VariableFrameRate => "Whether the time between frames varies.",
        Column::VideoCodec => "Codec of the video stream.",
        Column::HasAudio => "Whether the video has sound.",
        Column::PerceptualHash => "64-bit DCT hash of the picture, of the middle frame for video.",
        Column::Sharpness => {
            "Variance of the Laplacian of the luma picture at 192 pixels, grey levels squared; of the middle frame for video."
        }
        Column::Luminance => "Mean luma, 0 (black) to 1 (white); of the middle frame for video.",
        Column::Source => "Id of the declared source.",
        Column::SourceKey => "Key of the sample at its source.",
        Column::SourceUrl => "Where the media were fetched from.",
        Column::LandingUrl => "The page that describes the media.",
        Column::UpstreamSha1 => "sha1 that upstream states.",
        Column::UpstreamRevisionAt => "When the upstream file was last changed.",
        Column::RetrievedAt => "When the media were fetched.",
        Column::Title => "Title, plain text.",
        Column::Description => "What the source says it shows, plain text.",
        Column::Creator => "Author, plain text.",
        Column::CreatorUrl => "Page of the author.",
        Column::Credit => "Credit line that upstream asks for.",
        Column::Licence => "SPDX licence expression.",
        Column::LicenceUrl => "Text of the licence.",
        Column::LicenceEvidence => "What upstream says of the licence, verbatim, as JSON.",
        Column::AttributionRequired => "Whether the licence asks for attribution.",
        Column::Restrictions => "Restrictions beside copyright that upstream names.",
        Column::OptOut => "Opt-outs of machine use that were found.",
        Column::ConsentId => "Consent record; not part of a release.",
        Column::ConsentState => "State of the consent, W3C Data Privacy Vocabulary.",
        Column::ConsentPurposes => "Purposes the consent covers.",
        Column::SubjectIds => "Pseudonyms of the people shown.",
        Column::SubjectAttributes => "Self-reported attributes of the people shown.",
        Column::Latitude => "WGS84 latitude, degrees.",
        Column::Longitude => "WGS84 longitude, degrees.",
        Column::PlacePrecisionM => "Precision of the place, metres.",
        Column::PreciseLatitude => "Precise latitude; not part of a release.",
        Column::PreciseLongitude => "Precise longitude; not part of a release.",
        Column::PlaceOrigin => "Which statement the place was taken from.",
        Column::Country => "ISO 3166-1 alpha-2 code; empty is unknown.",
        Column::Subregion => "UN M49 subregion; empty is unknown.",
        Column::Region => "UN M49 region; empty is unknown.",
        Column::CapturedAt => "When the media were captured.",
        Column::CapturedPrecision => "How exact captured_at is: second, day, month or year.",
        Column::Labels => "Labels as the source gives them.",
        Column::Split => "train, validation or test.",
        Column::SplitGroup => "Samples of one group stand in one split.",
        Column::Status => "accepted, quarantined, rejected, failed or withdrawn.",
        Column::Reasons => "Why the sample stands where it stands, reason codes.",
        Column::DerivedFrom => "Samples this one was made from.",
        Column::Manipulation => "How a manipulated sample was made.",
    }
}

/// The context of Croissant 1.1, appendix 1, with what the public validator adds.
fn context() -> Value {
    // A constant of this release; a test holds that it parses.
    serde_json::from_str(include_str!("croissant/context.json")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::tests::{approval, summary};

    #[test]
    fn the_context_holds_the_terms() {
        assert_eq!(context()["citeAs"], "cr:citeAs");
    }

    #[test]
    fn the_same_summary_gives_the_same_bytes() {
        assert_eq!(croissant(&summary()), croissant(&summary()));
    }

    #[test]
    fn every_public_column_is_described_once_and_no_restricted_one() {
        let doc = document(&summary());
        let sets = doc["recordSet"].as_array().unwrap();
        let samples = sets.iter().find(|s| s["@id"] == "samples").unwrap();
        let names: Vec<&str> = samples["field"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f["name"].as_str().unwrap())
            .collect();
        let public: Vec<&str> = Column::public().map(Column::name).collect();
        assert_eq!(names, public);
        assert!(!names.contains(&Column::ConsentId.name()));
    }

    #[test]
    fn licences_are_pages_of_the_spdx_list_or_references() {
        let mut s = summary();
        s.counts.licences = [
            ("CC-BY-4.0 OR GFDL-1.3-or-later", 1),
            ("LicenseRef-PD", 2),
            (UNKNOWN, 3),
        ]
        .map(|(k, v)| (k.to_owned(), v))
        .into();
        assert_eq!(
            licences(&s),
            [
                "https://spdx.org/licenses/CC-BY-4.0.html",
                "https://spdx.org/licenses/GFDL-1.3-or-later.html",
                "LicenseRef-PD"
            ]
        );
    }

    #[test]
    fn a_citation_is_made_where_none_is_declared() {
        let mut s = summary();
        s.about.citation = None;
        s.about.title = Some("Streets {of} the world".into());
        let text = cite_as(&s);
        assert!(text.contains("title = {Streets of the world}"), "{text}");
        s.about.citation = Some("Doe 2026".into());
        assert_eq!(cite_as(&s), "Doe 2026");
    }

    #[test]
    fn what_is_new_stands_in_it() {
        let mut s = summary();
        assert_eq!(document(&s).get(VERSION_NOTES), None);
        s.approval = Some(approval("Two more islands."));
        assert_eq!(document(&s)[VERSION_NOTES], "Two more islands.");
    }

    #[test]
    fn a_release_without_samples_is_still_described() {
        let mut s = summary();
        s.counts = Default::default();
        s.files.clear();
        let doc = document(&s);
        assert!(doc["recordSet"].as_array().unwrap().is_empty());
        assert!(!doc["license"].as_array().unwrap().is_empty());
    }
}

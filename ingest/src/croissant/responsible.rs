//! The properties of Croissant RAI 1.0: what the curator declares, then what the counts say.

use fairframe_schemas::{
    Status, Summary,
    release::{Counts, UNKNOWN},
    text::{count, counted, percent},
};
use serde_json::{Map, Value, json};

/// Puts the properties into the document.
pub fn describe(summary: &Summary, doc: &mut Map<String, Value>) {
    let about = &summary.about;
    let mut put = |name: &str, value: Value| doc.insert(format!("rai:{name}"), value);
    put("dataCollection", json!(collection(summary)));
    put("dataCollectionType", json!(collection_types(summary)));
    put("dataCollectionRawData", json!(raw_data(summary)));
    put("dataCollectionMissingData", json!(missing(summary)));
    put("dataPreprocessingProtocol", json!(preprocessing(summary)));
    put("personalSensitiveInformation", json!(personal(summary)));
    put("dataLimitations", json!(limitations(summary)));
    put("dataBiases", json!(biases(summary)));
    if let Some(uses) = &about.uses {
        put("dataUseCases", json!([uses]));
    }
    put("dataReleaseMaintenancePlan", json!(maintenance(summary)));
}

fn collection(summary: &Summary) -> String {
    let c = &summary.counts;
    let counted = format!(
        "{} listed by {}; {} accepted after checks of licence, consent, opt-outs, place and content.",
        counted(c.listed, "sample"),
        counted(summary.sources.len() as u64, "declared source"),
        count(c.accepted()),
    );
    match &summary.about.collection {
        Some(declared) => format!("{} {counted}", declared.trim()),
        None => counted,
    }
}

/// Words of the list that the specification recommends.
fn collection_types(summary: &Summary) -> Vec<&'static str> {
    let mut types: Vec<&str> = summary
        .sources
        .iter()
        .map(|source| match source.kind.as_str() {
            "wikimedia" => "Web API",
            "crowdsourced" => "User-generated content data",
            "actors" => "Physical data collection",
            _ => "Others",
        })
        .collect();
    types.sort_unstable();
    types.dedup();
    types
}

fn raw_data(summary: &Summary) -> String {
    let sources: Vec<String> = summary
        .sources
        .iter()
        .map(|s| match &s.origin {
            Some(origin) => format!("{} ({}, {origin})", s.source, s.kind),
            None => format!("{} ({})", s.source, s.kind),
        })
        .collect();
    format!("Sources: {}.", sources.join("; "))
}

fn unknown(counts: &Counts) -> u64 {
    counts.get(UNKNOWN).copied().unwrap_or(0)
}

fn missing(summary: &Summary) -> String {
    let c = &summary.counts;
    let n = c.accepted();
    let part = |counts: &Counts| {
        format!(
            "{} ({})",
            count(unknown(counts)),
            percent(unknown(counts), n)
        )
    };
    format!(
        "Of {} accepted, the country is unknown for {}, the date of capture for {}. \
         Unknown values are empty, never guessed, and counted as a group of their own.",
        counted(n, "sample"),
        part(&c.countries),
        part(&c.years),
    )
}

fn preprocessing(summary: &Summary) -> Vec<String> {
    let d = summary.counts.duplicates;
    vec![
        "Media bytes are unchanged; size, type and hash are read from the content.".to_owned(),
        format!(
            "{} refused as exact duplicates; {} that look nearly alike are kept together in {}.",
            counted(d.exact, "sample"),
            counted(d.near, "sample"),
            counted(d.near_groups, "split group"),
        ),
        "Splits are seeded, stratified by region and keep each split group together.".to_owned(),
    ]
}

fn personal(summary: &Summary) -> Vec<String> {
    let c = &summary.counts;
    let mut out = vec![
        "Geography: places of samples that show people are coarse unless the people consented to more."
            .to_owned(),
    ];
    if c.subjects == 0 {
        out.push(
            "No subjects are declared; people may still be recognisable in the media.".to_owned(),
        );
        return out;
    }
    out.push(format!(
        "{} shown under pseudonyms; consent records stay with the publisher.",
        match c.subjects {
            1 => "1 person".to_owned(),
            n => format!("{} people", count(n)),
        }
    ));
    let states: Vec<String> = c
        .consents
        .iter()
        .map(|(state, n)| format!("{state} {}", count(*n)))
        .collect();
    if !states.is_empty() {
        out.push(format!(
            "Consents by state, in samples: {}.",
            states.join(", ")
        ));
    }
    for (name, values) in &c.attributes {
        let values: Vec<String> = values
            .iter()
            .map(|(value, n)| format!("{value} {}", count(*n)))
            .collect();
        out.push(format!(
            "Self-reported {name}, in people: {}.",
            values.join(", ")
        ));
    }
    out
}

fn limitations(summary: &Summary) -> Vec<String> {
    let c = &summary.counts;
    let mut out = Vec::new();
    out.extend(summary.about.limitations.clone());
    out.push(format!(
        "The place is unknown for {} of the accepted samples: they cannot answer how a model does for whom.",
        percent(unknown(&c.regions), c.accepted())
    ));
    out.push(format!(
        "{} listed {} not accepted ({} quarantined for review); excluded.parquet holds each with its reasons.",
        counted(c.out() - c.accepted(), "sample"),
        if c.out() - c.accepted() == 1 { "was" } else { "were" },
        count(c.of(Status::Quarantined)),
    ));
    out
}

fn biases(summary: &Summary) -> Vec<String> {
    let c = &summary.counts;
    let shares: Vec<String> = c
        .regions
        .iter()
        .map(|(region, n)| format!("{region} {} (n = {})", percent(*n, c.accepted()), count(*n)))
        .collect();
    if shares.is_empty() {
        return vec!["The release holds no accepted samples.".to_owned()];
    }
    vec![format!(
        "Accepted samples by UN region: {}.",
        shares.join(", ")
    )]
}

fn maintenance(summary: &Summary) -> String {
    format!(
        "Versions follow MAJOR.MINOR.PATCH: a withdrawal is a MAJOR change, new samples a MINOR one. \
         This version was judged as of {}. Withdrawn samples are listed in recall.json for good; \
         `fairframe recall` applies the list to a copy already downloaded.",
        summary.as_of.format("%Y-%m-%d")
    )
}

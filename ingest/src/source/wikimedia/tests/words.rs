//! What a file's page says of it: what it shows, and the evidence of its licence.

use super::*;
use crate::source::MAX_DESCRIPTION;

/// A page with some `extmetadata`.
fn page_saying(words: &[(&str, &str)]) -> Map<String, Value> {
    let meta: Map<String, Value> = words
        .iter()
        .map(|(name, text)| ((*name).to_owned(), json!({ "value": text })))
        .collect();
    object(json!({"pageid": 1, "ns": 6, "title": "File:Night.jpg",
        "imageinfo": [{"mediatype": "BITMAP", "extmetadata": meta}]}))
}

fn description(words: &[(&str, &str)]) -> Option<String> {
    listed(&page_saying(words), None).sample.description
}

#[test]
fn recorded_descriptions_become_text() {
    let sample = listed(&page("image_data_html_description.json"), None).sample;
    assert_eq!(
        sample.description.as_deref(),
        Some(
            "Identificatie Titel(s): Allegorie op kunstenaar Francesco Mazzoli, bekend als Parmigianino"
        )
    );
    let mut merged = Merged::default();
    let mut answer = object(recorded("api/continuation/wmc_raw.json"));
    merged.add("test", &mut answer).unwrap();
    let rows: Vec<Listed> = merged.pages.iter().map(|p| listed(p, None)).collect();
    let of = |title: &str| {
        let row = rows
            .iter()
            .find(|r| r.sample.title.as_deref() == Some(title));
        row.unwrap().sample.description.as_deref()
    };
    assert_eq!(
        of("Niedercunnersdorf AmViebig 5.JPG"),
        Some("Niedercunnersdorf Am Viebig 5")
    );
    // No description, but a name of the work.
    assert_eq!(
        of("Edvard Munch - Night in Nice (1891).jpg"),
        Some("Night in Nice")
    );
    for row in &rows {
        let text = row.sample.description.as_deref().unwrap();
        assert!(!text.contains(['<', '\n']) && !text.is_empty(), "{text}");
    }
}

#[test]
fn a_name_is_a_description_only_where_it_says_more_than_the_file_name() {
    let name = |name| description(&[("ObjectName", name)]);
    assert_eq!(name("Night"), None);
    assert_eq!(name("Night.jpg"), None);
    assert_eq!(
        name("<i>Night in Nice</i>").as_deref(),
        Some("Night in Nice")
    );
    let both = [
        ("ObjectName", "Night in Nice"),
        ("ImageDescription", "By Munch"),
    ];
    assert_eq!(description(&both).as_deref(), Some("By Munch"));
    let blank = [
        ("ObjectName", "Night in Nice"),
        ("ImageDescription", "<br> "),
    ];
    assert_eq!(description(&blank).as_deref(), Some("Night in Nice"));
}

#[test]
fn a_long_description_is_cut_between_characters() {
    let exact = "ж".repeat(MAX_DESCRIPTION);
    assert_eq!(
        description(&[("ImageDescription", &exact)]).as_deref(),
        Some(exact.as_str())
    );
    let longer = format!("{exact}é");
    assert_eq!(
        description(&[("ImageDescription", &longer)]),
        Some(format!("{exact}…"))
    );
}

#[test]
fn evidence_is_verbatim_and_says_where_it_was_cut() {
    let artist = "<a href=\"//example.org/User:X\" title=\"User:X\">X</a>\n";
    let credit = "Own work <script>alert(1)</script>";
    let long = "§".repeat(16_001);
    let words = [
        ("Artist", artist),
        ("Credit", credit),
        ("License", "cc-by-4.0"),
        ("Permission", long.as_str()),
        ("ImageDescription", "not about the licence"),
    ];
    let sample = listed(&page_saying(&words), None).sample;
    let evidence: Value = serde_json::from_str(&sample.licence_evidence.unwrap()).unwrap();
    assert_eq!(
        evidence,
        json!({"Artist": artist, "Credit": credit, "License": "cc-by-4.0",
            "Permission": format!("{}…", "§".repeat(16_000)),
            "fairframe:cut": {"Permission": 16_001}})
    );
    // A text that ends in the sign itself was not cut.
    let sample = listed(&page_saying(&[("Permission", "and so on…")]), None).sample;
    let evidence = sample.licence_evidence.unwrap();
    assert_eq!(evidence, "{\"Permission\":\"and so on…\"}");
}

//! What the documentation shows is what is read.

use std::path::Path;

use fairframe_schemas::{ConsentRecord, SourceToml};

/// The fenced blocks of a language in a page of `docs/`.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let open = format!("```{language}\n");
    text.split(&open)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

#[test]
fn the_sources_shown_are_sources() {
    let shown = blocks("sources.md", "toml");
    let kinds: Vec<_> = shown
        .iter()
        .map(|text| SourceToml::parse(text).unwrap_or_else(|e| panic!("{e}\n{text}")))
        .map(|s| {
            (
                s.wikimedia.is_some(),
                s.crowdsourced.is_some(),
                s.actors.is_some(),
            )
        })
        .collect();
    let each = [
        (true, false, false),
        (false, true, false),
        (false, false, true),
    ];
    assert_eq!(kinds, each);
}

#[test]
fn the_consent_record_shown_is_a_consent_record() {
    let shown = blocks("consent.md", "json");
    assert_eq!(shown.len(), 1);
    ConsentRecord::parse(&shown[0]).unwrap();
}

use proptest::prelude::*;

use super::*;

mod statements;

fn text(text: &str) -> Option<String> {
    let read = words::read_text(text)?;
    Some(read.into_iter().collect::<Vec<_>>().join(" OR "))
}

fn url(text: &str) -> Option<String> {
    let read = words::read_url(text)?;
    Some(read.into_iter().collect::<Vec<_>>().join(" OR "))
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|i| (*i).to_owned()).collect()
}

#[test]
fn codes_and_names() {
    for (said, read) in [
        ("cc-by-sa-4.0", "CC-BY-SA-4.0"),
        ("CC BY-SA 4.0", "CC-BY-SA-4.0"),
        ("cc-by-4.0", "CC-BY-4.0"),
        ("CC BY 2.5", "CC-BY-2.5"),
        ("Cc-by-sa 1.0", "CC-BY-SA-1.0"),
        ("cc-sa-1.0", "CC-SA-1.0"),
        // Ports: SPDX lists some.
        ("cc-by-sa-3.0-de", "CC-BY-SA-3.0-DE"),
        ("CC BY-SA 3.0 de", "CC-BY-SA-3.0-DE"),
        ("cc-by-sa-2.0-uk", "CC-BY-SA-2.0-UK"),
        ("cc-by-sa-2.1-jp", "CC-BY-SA-2.1-JP"),
        ("cc-by-3.0-igo", "CC-BY-3.0-IGO"),
        ("cc-by-sa-3.0-es", "LicenseRef-CC-BY-SA-3.0-ES"),
        ("CC BY 2.5 scotland", "LicenseRef-CC-BY-2.5-SCOTLAND"),
        ("cc-by-2.1-jp", "LicenseRef-CC-BY-2.1-JP"),
        // No commerce, no changes: known, so that a policy can refuse them.
        ("CC BY-NC 4.0", "CC-BY-NC-4.0"),
        ("cc-by-nd-3.0", "CC-BY-ND-3.0"),
        ("CC BY-NC-ND 2.0", "CC-BY-NC-ND-2.0"),
        ("cc-by-nc-sa-3.0-igo", "CC-BY-NC-SA-3.0-IGO"),
        ("cc-by-nd-nc-1.0", "CC-BY-NC-ND-1.0"),
        ("cc-nc-1.0", "LicenseRef-CC-NC-1.0"),
        // Several versions.
        (
            "cc-by-sa-3.0,2.5,2.0,1.0",
            "CC-BY-SA-1.0 OR CC-BY-SA-2.0 OR CC-BY-SA-2.5 OR CC-BY-SA-3.0",
        ),
        (
            "CC BY-SA 4.0-3.0-2.5-2.0-1.0",
            "CC-BY-SA-1.0 OR CC-BY-SA-2.0 OR CC-BY-SA-2.5 OR CC-BY-SA-3.0 OR CC-BY-SA-4.0",
        ),
        (
            "cc-by-sa-2.5+",
            "CC-BY-SA-2.5 OR CC-BY-SA-3.0 OR CC-BY-SA-4.0",
        ),
        (
            "cc-by-all",
            "CC-BY-1.0 OR CC-BY-2.0 OR CC-BY-2.5 OR CC-BY-3.0 OR CC-BY-4.0",
        ),
        ("cc-by-sa-3.0-migrated", "CC-BY-SA-3.0"),
        // Several licences.
        ("CC BY-SA 3.0/GFDL", "CC-BY-SA-3.0 OR GFDL-1.2-or-later"),
        ("GFDL or CC BY-SA 3.0", "CC-BY-SA-3.0 OR GFDL-1.2-or-later"),
        (
            "GFDL-1.2-or-later OR CC-BY-SA-3.0",
            "CC-BY-SA-3.0 OR GFDL-1.2-or-later",
        ),
        ("cc-by-4.0|cc0", "CC-BY-4.0 OR CC0-1.0"),
        ("GFDL 1.2 or cc-by-nc-2.0", "CC-BY-NC-2.0 OR GFDL-1.2-only"),
        // Words.
        (
            "Creative Commons Attribution-Share Alike 4.0",
            "CC-BY-SA-4.0",
        ),
        (
            "Creative Commons Attribution-Share Alike 3.0 de",
            "CC-BY-SA-3.0-DE",
        ),
        ("Creative Commons Attribution 3.0 Unported", "CC-BY-3.0"),
        ("Creative Commons Attribution 2.0 Generic", "CC-BY-2.0"),
        (
            "Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International",
            "CC-BY-NC-SA-4.0",
        ),
        ("Creative Commons Attribution-NoDerivs 2.5", "CC-BY-ND-2.5"),
        ("Creative Commons Zero, Public Domain Dedication", "CC0-1.0"),
        ("cc0", "CC0-1.0"),
        ("cc-zero", "CC0-1.0"),
        ("PDM", "CC-PDM-1.0"),
        ("Public Domain Mark 1.0", "CC-PDM-1.0"),
        ("pd", "LicenseRef-PD"),
        ("Public domain", "LicenseRef-PD"),
        ("PD-USGov", "LicenseRef-PD-USGov"),
        ("pd-usgov-nasa", "LicenseRef-PD-USGov"),
        ("PD-self", "LicenseRef-PD-Author"),
        ("PD-old-100-expired", "LicenseRef-PD-old-100-expired"),
        ("PD-Art", "LicenseRef-PD-art"),
        ("No restrictions", "LicenseRef-No-Known-Restrictions"),
        (
            "No known copyright restrictions",
            "LicenseRef-No-Known-Restrictions",
        ),
        ("GFDL", "GFDL-1.2-or-later"),
        ("gfdl-1.2", "GFDL-1.2-only"),
        ("FAL", "LicenseRef-FAL"),
        ("Licence Art Libre 1.3", "LAL-1.3"),
        ("OGL 3", "OGL-UK-3.0"),
        ("Open Government Licence v3.0", "OGL-UK-3.0"),
        ("KOGL Type 1", "LicenseRef-KOGL-Type-1"),
        ("KOGL Type 4", "LicenseRef-KOGL-Type-4"),
        ("Attribution", "LicenseRef-Attribution"),
        ("Copyrighted free use", "LicenseRef-Copyrighted-Free-Use"),
        ("Fair use", "LicenseRef-Fair-Use"),
        ("All rights reserved", "LicenseRef-All-Rights-Reserved"),
        ("MIT", "MIT"),
        ("GPL", "GPL-2.0-or-later"),
        ("dl-de/by-2-0", "DL-DE-BY-2.0"),
        ("ODbL", "ODbL-1.0"),
        // SPDX's own.
        ("CC-BY-SA-3.0-DE", "CC-BY-SA-3.0-DE"),
        (
            "Apache-2.0 WITH LLVM-exception",
            "Apache-2.0 WITH LLVM-exception",
        ),
        ("LicenseRef-House-Rules", "LicenseRef-House-Rules"),
        ("MIT AND CC-BY-4.0", "MIT AND CC-BY-4.0"),
    ] {
        assert_eq!(text(said).as_deref(), Some(read), "{said}");
    }
}

#[test]
fn what_names_no_exact_licence_is_unreadable() {
    for said in [
        "",
        "  ",
        "CC BY-SA",
        "cc-by",
        "cc-by-9.9",
        "cc-by-2.1",
        "cc-by-sa-4.0-de",
        "cc-by-sa-3.0-xx",
        "cc-by-sa-3.0,2.5-de",
        "cc-by-nd-sa-4.0",
        "cc-by-by-4.0",
        "cc-4.0",
        "cc-by-sa-3.0-de-at",
        "cc-by-4.0-unported",
        "CC BY 4.0 but not for you",
        "CC BY-SA 3.0/my own terms",
        "GPLv2",
        "KOGL",
        "OGL",
        "BSD",
        "PD-whatever",
        "PD-because: I say so",
        "see below",
        "free",
        "<script>cc-by-4.0</script>",
        "(MIT OR CC-BY-4.0) AND CC0-1.0",
        "LicenseRef-",
    ] {
        assert_eq!(text(said), None, "{said}");
    }
    assert_eq!(text(&"cc0/".repeat(200)), None);
}

#[test]
fn addresses() {
    let cc = "creativecommons.org/licenses";
    for (said, read) in [
        (format!("https://{cc}/by-sa/4.0"), "CC-BY-SA-4.0"),
        (format!("http://{cc}/by-sa/4.0/"), "CC-BY-SA-4.0"),
        (format!("//{cc}/by/2.0/"), "CC-BY-2.0"),
        (format!("https://www.{cc}/by/2.0/deed.fr"), "CC-BY-2.0"),
        (format!("https://{cc}/by/4.0/legalcode"), "CC-BY-4.0"),
        (format!("https://{cc}/by/4.0/legalcode.de"), "CC-BY-4.0"),
        (
            format!("https://{cc}/by/4.0/deed.zh-hans?x=1#y"),
            "CC-BY-4.0",
        ),
        (
            format!("https://{cc}/by-sa/3.0/de/deed.en"),
            "CC-BY-SA-3.0-DE",
        ),
        (format!("https://{cc}/by-sa/2.1/jp/"), "CC-BY-SA-2.1-JP"),
        (
            format!("https://{cc}/by/2.1/jp/"),
            "LicenseRef-CC-BY-2.1-JP",
        ),
        (
            format!("https://{cc}/BY-SA/3.0/ES/"),
            "LicenseRef-CC-BY-SA-3.0-ES",
        ),
        (format!("https://{cc}/by-nd-nc/1.0/"), "CC-BY-NC-ND-1.0"),
        (format!("https://{cc}/by-nc-sa/2.0/"), "CC-BY-NC-SA-2.0"),
        (
            format!("https://{cc}/sampling+/1.0/"),
            "LicenseRef-CC-Sampling-Plus-1.0",
        ),
        (format!("https://{cc}/publicdomain/"), "CC-PDDC"),
        (
            "https://creativecommons.org/publicdomain/zero/1.0/deed.en".into(),
            "CC0-1.0",
        ),
        (
            "http://creativecommons.org/publicdomain/mark/1.0/".into(),
            "CC-PDM-1.0",
        ),
        (
            "https://www.flickr.com/commons/usage/".into(),
            "LicenseRef-No-Known-Restrictions",
        ),
        (
            "http://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/".into(),
            "OGL-UK-3.0",
        ),
        (
            "http://rightsstatements.org/vocab/InC-NC/1.0/".into(),
            "LicenseRef-RightsStatements-InC-NC-1.0",
        ),
        (
            "https://opendatacommons.org/licenses/odbl/1-0/".into(),
            "ODbL-1.0",
        ),
        ("https://opensource.org/licenses/MIT".into(), "MIT"),
        (
            "https://spdx.org/licenses/CC-BY-4.0.html".into(),
            "CC-BY-4.0",
        ),
    ] {
        assert_eq!(url(&said).as_deref(), Some(read), "{said}");
    }
    for said in [
        "".to_owned(),
        "javascript:alert(1)".to_owned(),
        format!("ftp://{cc}/by/4.0/"),
        format!("https://{cc}/"),
        format!("https://{cc}/by/"),
        format!("https://{cc}/by/4.0/fr/"),
        format!("https://{cc}/by/3.0/xx/"),
        format!("https://{cc}/by/3.0/de/at/"),
        format!("https://{cc}.evil.example/by/4.0/"),
        "https://evil.example/creativecommons.org/licenses/by/4.0/".to_owned(),
        // Does not say whether a later version may be chosen.
        "http://www.gnu.org/copyleft/fdl.html".to_owned(),
        "https://example.org/my-licence".to_owned(),
        format!("https://{cc}/by/4.0/{}", "x".repeat(600)),
    ] {
        assert_eq!(url(&said), None, "{said}");
    }
}

#[test]
fn many_statements_are_bounded() {
    let many = vec!["Q18199165".to_owned(); MAX_STATEMENTS + 1];
    let reading = read_licence(&LicenceEvidence {
        structured: &many,
        ..LicenceEvidence::default()
    });
    assert_eq!(reading.reasons, [Reason::LicenceUnknown]);
    let code: Vec<_> = ["cc-by-all", "cc-by-sa-all", "cc-by-nc-all", "cc-by-nd-all"].into();
    let reading = read_licence(&LicenceEvidence {
        code: Some(&code.join("|")),
        ..LicenceEvidence::default()
    });
    assert_eq!(reading.reasons, [Reason::LicenceUnknown]);
}

/// Every licence in the recorded answers of Commons.
#[test]
fn every_recorded_licence_is_read() {
    let mut counts = std::collections::BTreeMap::new();
    crate::test_recorded::extmetadata(|file, fields| {
        let field = |key: &str| fields.get(key).and_then(|f| f["value"].as_str());
        let evidence = LicenceEvidence {
            code: field("License"),
            short_name: field("LicenseShortName"),
            url: field("LicenseUrl"),
            usage_terms: field("UsageTerms"),
            copyrighted: field("Copyrighted"),
            ..LicenceEvidence::default()
        };
        let reading = read_licence(&evidence);
        // Upstream says itself whether attribution is required: the same must come out.
        if let (Some(said), Some(read)) =
            (field("AttributionRequired"), reading.attribution_required)
        {
            assert_eq!(said == "true", read, "{}", file.display());
        }
        let key = match reading.expression {
            Some(expression) => expression,
            None => reading.reasons[0].code().to_owned(),
        };
        *counts.entry(key).or_insert(0) += 1;
    });
    let counts: Vec<_> = counts.iter().map(|(k, v)| (k.as_str(), *v)).collect();
    assert_eq!(
        counts,
        [
            ("CC-BY-SA-2.0", 1),
            ("CC-BY-SA-3.0-DE", 6),
            ("CC-BY-SA-4.0", 43),
            ("LicenseRef-No-Known-Restrictions", 2),
            ("LicenseRef-PD", 22),
            ("licence-missing", 7),
        ]
    );
}

proptest! {
    #[test]
    fn what_comes_out_is_spdx_or_a_reason(
        code in proptest::option::of("(cc|CC|pd|gfdl|ogl|LicenseRef|MIT)?[-_ ,/+.0-9]{0,4}((by|sa|nc|nd|zero|all|de|uk|self|OR|AND)[-_ ,/+|]?){0,4}([0-9]\\.[0-9][-,+ ]?){0,3}[a-z]{0,3}"),
        short_name in proptest::option::of("\\PC{0,40}"),
        url in proptest::option::of("(https?:)?//(www\\.)?creativecommons\\.org/(licenses|publicdomain)/(by|by-sa|by-nc|zero|mark|x)/[0-9]\\.[0-9]/?(de|jp|deed\\.en|legalcode|\\PC)?/?"),
        structured in proptest::collection::vec("Q(18199165|20007257|6938433|42716613|[0-9]{1,9})", 0..4),
        status in proptest::collection::vec("Q(19652|50423863|88088423|99263261)", 0..3),
    ) {
        let reading = read_licence(&LicenceEvidence {
            code: code.as_deref(),
            short_name: short_name.as_deref(),
            url: url.as_deref(),
            usage_terms: None,
            copyrighted: None,
            structured: &structured,
            status: &status,
        });
        match &reading.expression {
            Some(expression) => {
                prop_assert!(fairframe_schemas::licence::parse(expression).is_ok(), "{}", expression);
                prop_assert!(reading.reasons.is_empty());
            }
            None => prop_assert_eq!(reading.reasons.len(), 1),
        }
        if let Some(url) = &reading.url {
            prop_assert!(url.starts_with("http"));
        }
    }
}

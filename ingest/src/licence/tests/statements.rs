//! Several statements of one licence: they agree, or they contradict.

use super::*;

/// Code, short name, address, P275, P6216 and what they come to.
#[test]
fn statements_agree_or_contradict() {
    use Reason::{LicenceContradiction, LicenceMissing, LicenceUnknown};
    type Row<'a> = (
        Option<&'a str>,
        Option<&'a str>,
        Option<&'a str>,
        &'a [&'a str],
        &'a [&'a str],
        Result<&'a str, Reason>,
    );
    let by_sa4 = Some("https://creativecommons.org/licenses/by-sa/4.0");
    let rows: &[Row] = &[
        (
            Some("cc-by-sa-4.0"),
            Some("CC BY-SA 4.0"),
            by_sa4,
            &["Q18199165"],
            &["Q50423863"],
            Ok("CC-BY-SA-4.0"),
        ),
        (None, None, by_sa4, &[], &[], Ok("CC-BY-SA-4.0")),
        (
            None,
            None,
            None,
            &["Q19125117"],
            &["Q50423863"],
            Ok("CC-BY-2.0"),
        ),
        // Upstream's short fields hold one of several.
        (
            Some("cc-by-sa-3.0"),
            None,
            None,
            &["Q14946043", "Q50829104"],
            &[],
            Ok("CC-BY-SA-3.0 OR GFDL-1.2-or-later"),
        ),
        (
            Some("cc-by-sa-3.0,2.5"),
            None,
            None,
            &["Q14946043"],
            &[],
            Ok("CC-BY-SA-2.5 OR CC-BY-SA-3.0"),
        ),
        // A reason for public domain is more than the bare word.
        (
            Some("pd"),
            Some("Public domain"),
            None,
            &["Q60671452"],
            &["Q19652"],
            Ok("LicenseRef-PD-USGov"),
        ),
        (Some("pd"), None, None, &["Q7257361"], &[], Ok("CC-PDM-1.0")),
        (
            Some("cc0"),
            Some("CC0"),
            None,
            &["Q6938433"],
            &["Q19652"],
            Ok("CC0-1.0"),
        ),
        (
            Some("cc0"),
            None,
            None,
            &["Q6938433"],
            &["Q88088423"],
            Ok("CC0-1.0"),
        ),
        (
            Some("cc0"),
            None,
            None,
            &["Q6938433"],
            &["Q50423863"],
            Ok("CC0-1.0"),
        ),
        (None, None, None, &[], &["Q19652"], Ok("LicenseRef-PD")),
        (
            None,
            None,
            None,
            &[],
            &["Q88088423"],
            Ok("LicenseRef-PD-Author"),
        ),
        (
            None,
            None,
            None,
            &["Q99263261"],
            &["Q99263261"],
            Ok("LicenseRef-No-Known-Restrictions"),
        ),
        // A photo under a licence of a work in the public domain.
        (
            Some("cc-by-sa-4.0"),
            None,
            None,
            &[],
            &["Q19652", "Q50423863"],
            Ok("CC-BY-SA-4.0"),
        ),
        // What we cannot read beside what we can: a template's own link, a rare item.
        (
            Some("cc-by-4.0"),
            None,
            Some("https://example.org/terms"),
            &["Q20007257"],
            &[],
            Ok("CC-BY-4.0"),
        ),
        (
            Some("gfdl"),
            Some("GFDL"),
            Some("http://www.gnu.org/copyleft/fdl.html"),
            &[],
            &[],
            Ok("GFDL-1.2-or-later"),
        ),
        (Some("cc-by-4.0"), None, None, &["Q1"], &[], Ok("CC-BY-4.0")),
        // Disagreement.
        (
            Some("cc-by-4.0"),
            None,
            by_sa4,
            &[],
            &[],
            Err(LicenceContradiction),
        ),
        (
            Some("cc-by-sa-4.0"),
            None,
            None,
            &["Q20007257"],
            &[],
            Err(LicenceContradiction),
        ),
        (
            Some("cc-by-sa-4.0"),
            Some("CC BY-SA 3.0"),
            None,
            &[],
            &[],
            Err(LicenceContradiction),
        ),
        (
            Some("cc-by-sa-3.0-de"),
            None,
            Some("https://creativecommons.org/licenses/by-sa/3.0/"),
            &[],
            &[],
            Err(LicenceContradiction),
        ),
        (
            Some("pd"),
            None,
            None,
            &["Q18199165"],
            &[],
            Err(LicenceContradiction),
        ),
        (
            Some("cc-by-sa-4.0"),
            None,
            None,
            &["Q18199165", "Q6938433"],
            &[],
            Err(LicenceContradiction),
        ),
        (
            Some("cc-by-sa-4.0"),
            None,
            None,
            &[],
            &["Q19652"],
            Err(LicenceContradiction),
        ),
        (
            Some("cc-by-sa-4.0"),
            None,
            None,
            &[],
            &["Q88088423"],
            Err(LicenceContradiction),
        ),
        (
            Some("pd"),
            None,
            None,
            &[],
            &["Q50423863"],
            Err(LicenceContradiction),
        ),
        // Nothing said, nothing readable.
        (None, None, None, &[], &[], Err(LicenceMissing)),
        (Some(""), Some("  "), None, &[], &[], Err(LicenceMissing)),
        (None, None, None, &[], &["Q50423863"], Err(LicenceMissing)),
        (None, None, None, &[], &["Q1"], Err(LicenceMissing)),
        (
            Some("my-licence"),
            None,
            None,
            &[],
            &[],
            Err(LicenceUnknown),
        ),
        (
            Some("cc-by"),
            None,
            None,
            &[],
            &["Q19652"],
            Err(LicenceUnknown),
        ),
        (
            None,
            None,
            Some("https://example.org/terms"),
            &[],
            &[],
            Err(LicenceUnknown),
        ),
        (None, None, None, &["Q1"], &[], Err(LicenceUnknown)),
    ];
    for row in rows {
        let (code, short_name, url, structured, status, want) = *row;
        let (structured, status) = (ids(structured), ids(status));
        let reading = read_licence(&LicenceEvidence {
            code,
            short_name,
            url,
            structured: &structured,
            status: &status,
            ..LicenceEvidence::default()
        });
        match want {
            Ok(expression) => {
                assert_eq!(reading.expression.as_deref(), Some(expression), "{row:?}");
                assert!(reading.reasons.is_empty(), "{row:?}");
            }
            Err(reason) => {
                assert_eq!(reading.expression, None, "{row:?}");
                assert_eq!(reading.reasons, [reason], "{row:?}");
                assert_eq!(reading.attribution_required, None, "{row:?}");
            }
        }
    }
}

#[test]
fn usage_terms_and_the_copyrighted_flag() {
    let read = |usage_terms, copyrighted, code| {
        read_licence(&LicenceEvidence {
            usage_terms,
            copyrighted,
            code,
            ..LicenceEvidence::default()
        })
    };
    let terms = Some("Creative Commons Attribution 4.0 International");
    assert_eq!(
        read(terms, None, None).expression.as_deref(),
        Some("CC-BY-4.0")
    );
    // Not looked at where the code is read.
    let other = read(Some("ask me"), Some("True"), Some("cc-by-4.0"));
    assert_eq!(other.expression.as_deref(), Some("CC-BY-4.0"));
    let unread = read(Some("ask me"), None, None);
    assert_eq!(unread.reasons, [Reason::LicenceUnknown]);
    let free = read(None, Some("False"), Some("pd"));
    assert_eq!(free.expression.as_deref(), Some("LicenseRef-PD"));
    // MediaWiki writes `True` for CC0 too.
    assert!(read(None, Some("True"), Some("cc0")).reasons.is_empty());
    let odd = read(None, Some("False"), Some("cc-by-4.0"));
    assert_eq!(odd.reasons, [Reason::LicenceContradiction]);
}

#[test]
fn attribution_is_asked_unless_an_alternative_does_not() {
    for (code, want) in [
        ("cc-by-sa-4.0", Some(true)),
        ("cc-by-sa-3.0-es", Some(true)),
        ("GFDL", Some(true)),
        ("OGL 3", Some(true)),
        ("FAL", Some(true)),
        ("MIT", Some(true)),
        ("cc0", Some(false)),
        ("pd", Some(false)),
        ("PD-USGov", Some(false)),
        ("No restrictions", Some(false)),
        ("Copyrighted free use", Some(false)),
        ("cc-by-4.0|cc0", Some(false)),
        ("cc-by-4.0|GFDL", Some(true)),
        ("Fair use", None),
        ("cc-sa-1.0", None),
        ("LicenseRef-House-Rules", None),
    ] {
        let reading = read_licence(&LicenceEvidence {
            code: Some(code),
            ..LicenceEvidence::default()
        });
        assert_eq!(reading.attribution_required, want, "{code}");
    }
}

#[test]
fn addresses_are_canonical_or_upstreams_and_never_hostile() {
    let read = |code, url| {
        let evidence = LicenceEvidence {
            code,
            url,
            ..LicenceEvidence::default()
        };
        read_licence(&evidence).url
    };
    let by_sa = "https://creativecommons.org/licenses/by-sa/4.0/";
    assert_eq!(read(Some("cc-by-sa-4.0"), None).as_deref(), Some(by_sa));
    let deed = "http://creativecommons.org/licenses/by-sa/4.0/deed.de";
    assert_eq!(read(None, Some(deed)).as_deref(), Some(by_sa));
    assert_eq!(
        read(Some("cc-by-sa-3.0-de"), None).as_deref(),
        Some("https://creativecommons.org/licenses/by-sa/3.0/de/")
    );
    assert_eq!(
        read(Some("cc0"), None).as_deref(),
        Some("https://creativecommons.org/publicdomain/zero/1.0/")
    );
    let own = "https://example.org/terms";
    assert_eq!(read(Some("cc-by-4.0"), Some(own)).as_deref(), Some(own));
    for hostile in [
        "javascript:alert(1)",
        "https://a:b@example.org/",
        "file:///x",
        "data:,x",
    ] {
        assert_eq!(read(None, Some(hostile)), None, "{hostile}");
    }
    assert_eq!(read(Some("GFDL"), None), None);
}

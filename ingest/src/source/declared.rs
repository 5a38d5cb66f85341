//! What people declare in a table, read strictly: licence, place, date, lists.

use chrono::{DateTime, Datelike, NaiveDate, TimeZone, Utc};
use fairframe_schemas::{
    CapturedPrecision, PlaceOrigin, Reason, Sample, SubjectAttribute, Timestamp, licence,
};
use serde_json::json;

use super::Expected;
use crate::place::Gazetteer;

/// Items of one list cell, and bytes of one item.
const MAX_ITEMS: usize = 1_000;
const MAX_ITEM: usize = 500;

/// Items separated by `|`, without white space around them, empty ones left out,
/// each once, in their order; and whether these are all: too long ones, and those
/// beyond the most, are left out.
pub(super) fn items(cell: &str) -> (Vec<&str>, bool) {
    let mut found: Vec<&str> = Vec::new();
    let mut all = true;
    for item in cell.split('|').map(str::trim) {
        if item.is_empty() || found.contains(&item) {
            continue;
        }
        if found.len() == MAX_ITEMS {
            return (found, false); // the rest is not looked at
        }
        match item.len() <= MAX_ITEM {
            true => found.push(item),
            false => all = false,
        }
    }
    (found, all)
}

/// Sets licence, URL and evidence. `licence` must be an SPDX expression; any
/// other text stays in the evidence, word for word, for a curator to read.
pub(super) fn licence(
    sample: &mut Sample,
    licence: Option<&str>,
    url: Option<&str>,
    default: Option<&str>,
) {
    sample.licence_url = url.filter(|u| is_web(u)).map(str::to_owned);
    let Some(text) = licence.or(default) else {
        if let Some(url) = url {
            sample.licence_evidence = Some(json!({ "licence_url": url }).to_string());
        }
        sample.add_reason(Reason::LicenceMissing);
        return;
    };
    let mut evidence = json!({ "licence": text });
    if let Some(url) = url {
        evidence["licence_url"] = url.into();
    }
    if licence.is_none() {
        evidence["declared_in"] = "source.toml".into();
    }
    sample.licence_evidence = Some(evidence.to_string());
    match licence::parse(text) {
        Ok(expression) => {
            sample.licence = Some(text.to_owned());
            sample.attribution_required = Some(!expression.evaluate(asks_nothing));
        }
        Err(_) => sample.add_reason(Reason::LicenceUnknown),
    }
}

/// Whether a licence asks for no attribution.
fn asks_nothing(requirement: &spdx::LicenseReq) -> bool {
    let name = requirement.license.to_string();
    ["CC0-1.0", "CC-PDM-1.0", "PDDL-1.0", "0BSD", "Unlicense"].contains(&name.as_str())
        || name == "LicenseRef-PD"
        || name.starts_with("LicenseRef-PD-")
}

pub(super) fn is_web(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|u| matches!(u.scheme(), "http" | "https"))
}

/// Country by ISO 3166-1 alpha-2 code or name; anything else is a reason.
pub(super) fn country(sample: &mut Sample, cell: Option<&str>) {
    let Some(text) = cell else { return };
    let gazetteer = Gazetteer::bundled();
    match gazetteer.by_code(text).or_else(|| gazetteer.by_name(text)) {
        Some(country) => {
            sample.country = Some(country.alpha2.clone());
            sample.place_origin.get_or_insert(PlaceOrigin::Declared);
        }
        None => sample.add_reason(Reason::CountryUnknown),
    }
}

/// WGS84 decimal degrees, both or none; a comma may stand for the point.
/// Exactly 0, 0 is a failed reading of a position, not a place.
pub(super) fn coordinates(
    sample: &mut Sample,
    latitude: Option<&str>,
    longitude: Option<&str>,
    precision_m: Option<&str>,
) {
    let number = |text: &str| text.replace(',', ".").parse::<f64>().ok();
    match (latitude, longitude) {
        (None, None) => {}
        (Some(latitude), Some(longitude)) => match (number(latitude), number(longitude)) {
            (Some(a), Some(b))
                if (-90.0..=90.0).contains(&a)
                    && (-180.0..=180.0).contains(&b)
                    && (a, b) != (0.0, 0.0) =>
            {
                (sample.latitude, sample.longitude) = (Some(a), Some(b));
                sample.place_origin = Some(PlaceOrigin::Declared);
                sample.place_precision_m = precision_m
                    .and_then(number)
                    .filter(|m| (0.0..2.1e7).contains(m));
            }
            _ => sample.add_reason(Reason::PlaceInvalid),
        },
        _ => sample.add_reason(Reason::PlaceInvalid),
    }
}

/// `2024`, `2024-05`, `2024-05-03`, or RFC 3339 with a zone. The time is the
/// first moment (UTC) of what was said, the precision says how much was said.
pub(super) fn date(text: &str) -> Option<(Timestamp, CapturedPrecision)> {
    let plain = |from: usize, to: usize| -> Option<u32> {
        let part = text.get(from..to)?;
        part.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| part.parse().ok())?
    };
    let start = |year: u32, month: u32, day: u32| {
        let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
        (date.year() >= 1).then(|| Utc.from_utc_datetime(&date.and_time(chrono::NaiveTime::MIN)))
    };
    let dashes = text.bytes().filter(|b| *b == b'-').count();
    match (text.len(), dashes) {
        (4, 0) => Some((start(plain(0, 4)?, 1, 1)?, CapturedPrecision::Year)),
        (7, 1) => Some((
            start(plain(0, 4)?, plain(5, 7)?, 1)?,
            CapturedPrecision::Month,
        )),
        (10, 2) => Some((
            start(plain(0, 4)?, plain(5, 7)?, plain(8, 10)?)?,
            CapturedPrecision::Day,
        )),
        _ => {
            let time = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
            (1..=9999)
                .contains(&time.year())
                .then_some((time, CapturedPrecision::Second))
        }
    }
}

pub(super) fn captured_at(sample: &mut Sample, cell: Option<&str>) {
    let Some(text) = cell else { return };
    match date(text) {
        Some((time, precision)) => {
            sample.captured_at = Some(time);
            sample.captured_precision = Some(precision);
        }
        None => sample.add_reason(Reason::DateInvalid),
    }
}

/// `subject:name=value` or, where one subject is shown, `name=value`. An error
/// where it is neither, or names a subject that is not among `subjects`.
pub(super) fn attribute(item: &str, subjects: &[String]) -> Result<SubjectAttribute, Reason> {
    let (left, value) = item.split_once('=').ok_or(Reason::RowInvalid)?;
    let (subject, name) = match (left.split_once(':'), subjects) {
        (Some((subject, name)), _) => (subject.trim(), name),
        (None, [only]) => (only.as_str(), left),
        _ => return Err(Reason::RowInvalid),
    };
    let (name, value) = (name.trim(), value.trim());
    if !subjects.iter().any(|s| s == subject) {
        return Err(Reason::SubjectUnknown);
    }
    if name.is_empty() || value.is_empty() {
        return Err(Reason::RowInvalid);
    }
    Ok(SubjectAttribute {
        subject_id: subject.to_owned(),
        name: name.to_owned(),
        value: value.to_owned(),
        origin: "self-reported".to_owned(),
    })
}

/// What the row says the bytes will be.
pub(super) fn expected(
    sample: &mut Sample,
    expected: &mut Expected,
    sha256: Option<&str>,
    bytes: Option<&str>,
) {
    let mut invalid = false;
    if let Some(text) = sha256 {
        expected.sha256 = text.to_ascii_lowercase().parse().ok();
        invalid |= expected.sha256.is_none();
    }
    if let Some(text) = bytes {
        expected.bytes = text.parse().ok();
        invalid |= expected.bytes.is_none();
    }
    if invalid {
        sample.add_reason(Reason::RowInvalid);
    }
}

/// A name that cannot be opened is still the key of its row.
pub(super) fn safe_key(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// The media type that a file name promises; the content decides later.
pub(super) fn media_type(name: &str) -> fairframe_schemas::MediaType {
    const VIDEO: [&str; 16] = [
        "3gp", "avi", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "ogv", "ts",
        "webm", "wmv", "y4m",
    ];
    let end = name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase());
    if end.is_some_and(|e| VIDEO.contains(&e.as_str())) {
        fairframe_schemas::MediaType::Video
    } else {
        fairframe_schemas::MediaType::Image
    }
}

#[cfg(test)]
mod tests {
    use fairframe_schemas::MediaType;
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Sample {
        Sample::new("s", "k", MediaType::Image)
    }

    #[test]
    fn dates_keep_their_precision() {
        for (text, start, precision) in [
            ("2024", "2024-01-01T00:00:00Z", CapturedPrecision::Year),
            ("2024-05", "2024-05-01T00:00:00Z", CapturedPrecision::Month),
            ("2024-02-29", "2024-02-29T00:00:00Z", CapturedPrecision::Day),
            (
                "2024-05-03T10:00:00+02:00",
                "2024-05-03T08:00:00Z",
                CapturedPrecision::Second,
            ),
        ] {
            let (time, got) = date(text).unwrap();
            assert_eq!((time, got), (start.parse().unwrap(), precision), "{text}");
        }
        for text in [
            "2023-02-29",
            "2024-13",
            "24",
            "0000",
            "03.05.2024",
            "2024-5-3",
            "2024-05-03T10:00:00",
            "2024/05/03",
            "-024",
            "2024-0５",
            "yesterday",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn a_licence_is_spdx_or_evidence() {
        let mut s = sample();
        licence(
            &mut s,
            Some("CC-BY-SA-4.0"),
            Some("https://a.example/"),
            None,
        );
        assert_eq!(s.licence.as_deref(), Some("CC-BY-SA-4.0"));
        assert_eq!((s.attribution_required, s.reasons.len()), (Some(true), 0));

        let mut s = sample();
        licence(&mut s, Some("CC BY"), Some("javascript:x"), Some("MIT"));
        assert_eq!((&s.licence, &s.licence_url), (&None, &None));
        assert_eq!(s.reasons, [Reason::LicenceUnknown]);
        let evidence = r#"{"licence":"CC BY","licence_url":"javascript:x"}"#;
        assert_eq!(s.licence_evidence.as_deref(), Some(evidence));

        let mut s = sample();
        licence(&mut s, None, None, Some("CC0-1.0"));
        assert_eq!(
            (s.licence.as_deref(), s.attribution_required),
            (Some("CC0-1.0"), Some(false))
        );
        assert!(s.licence_evidence.unwrap().contains("source.toml"));

        let mut s = sample();
        licence(&mut s, None, None, None);
        assert_eq!(s.reasons, [Reason::LicenceMissing]);
        let mut s = sample();
        licence(&mut s, Some("CC0-1.0 OR CC-BY-4.0"), None, None);
        assert_eq!(s.attribution_required, Some(false));
    }

    #[test]
    fn places_are_read_or_reasons() {
        let mut s = sample();
        coordinates(&mut s, Some("43,4674"), Some(" 11.8851".trim()), Some("10"));
        assert_eq!((s.latitude, s.longitude), (Some(43.4674), Some(11.8851)));
        assert_eq!(s.place_precision_m, Some(10.0));
        for (a, b) in [
            ("91", "0"),
            ("0", "0"),
            ("NaN", "1"),
            ("inf", "1"),
            ("43N", "11E"),
        ] {
            let mut s = sample();
            coordinates(&mut s, Some(a), Some(b), None);
            assert_eq!(
                (s.latitude, s.reasons.as_slice()),
                (None, &[Reason::PlaceInvalid][..])
            );
        }
        let mut s = sample();
        coordinates(&mut s, Some("1"), None, None);
        assert_eq!(s.reasons, [Reason::PlaceInvalid]);

        for text in ["IT", "it", "Italy"] {
            let mut s = sample();
            country(&mut s, Some(text));
            assert_eq!(s.country.as_deref(), Some("IT"), "{text}");
        }
        let mut s = sample();
        country(&mut s, Some("Atlantis"));
        assert_eq!(
            (s.country, s.reasons.as_slice()),
            (None, &[Reason::CountryUnknown][..])
        );
    }

    #[test]
    fn attributes_name_a_subject_that_is_shown() {
        let two = ["a".to_owned(), "b".to_owned()];
        let got = attribute("b: monk_tone = 7", &two).unwrap();
        assert_eq!(
            (
                got.subject_id.as_str(),
                got.name.as_str(),
                got.value.as_str()
            ),
            ("b", "monk_tone", "7")
        );
        assert_eq!(attribute("age=18-24", &two[..1]).unwrap().subject_id, "a");
        for bad in ["age=18", "a:age", "a:=1", "a:age="] {
            assert_eq!(attribute(bad, &two), Err(Reason::RowInvalid), "{bad}");
        }
        assert_eq!(attribute("c:age=18", &two), Err(Reason::SubjectUnknown));
    }

    #[test]
    fn lists_are_split_at_bars() {
        assert_eq!(
            items("tree| autumn leaf ||tree"),
            (vec!["tree", "autumn leaf"], true)
        );
        let long = "x".repeat(MAX_ITEM + 1);
        assert_eq!(items(&format!("{long}|a")), (vec!["a"], false));
    }

    proptest! {
        #[test]
        fn any_text_is_a_date_or_none(text in "[0-9TZ:+. -]{0,30}") {
            if let Some((time, _)) = date(&text) {
                prop_assert!((1..=9999).contains(&time.year()));
            }
        }
    }
}

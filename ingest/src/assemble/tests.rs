//! What a row says where source and bytes disagree or are silent. Each case is
//! a sample as listed, what was read from its bytes, and the row that follows.

use fairframe_schemas::{CapturedPrecision, Digest, Label};

use super::*;
use crate::{
    admit::{ConsentLedger, LedgerLimits},
    journal::FetchRecord,
    media::ExifTime,
    source::{Expected, Listed},
};

const BERLIN: (f64, f64) = (52.52, 13.40);
const NAIROBI: (f64, f64) = (-1.29, 36.82);
/// Across the Rhine from Kehl: 2 km into France.
const STRASBOURG: (f64, f64) = (48.573, 7.752);

/// A drop, a wiki with the usual order of trust, and wikis with another one.
const DROP: &str = "[crowdsourced]\npath = \".\"\n";
const WIKI: &str = "[wikimedia]\ncategories = [\"C\"]\n";
const WIKI_EXIF_FIRST: &str = "[wikimedia]\ncategories = [\"C\"]\nplace_trust = [\"exif\", \"structured-data\", \"extmetadata\"]\n";
const WIKI_EXIF_SECOND: &str = "[wikimedia]\ncategories = [\"C\"]\nplace_trust = [\"structured-data\", \"exif\", \"extmetadata\"]\n";

struct Case {
    source: SourceToml,
    entry: Entry,
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl Case {
    fn new(kind: &str, policy: &str) -> Self {
        let text = format!(
            "source = \"s\"\ndataset = \"d\"\n[policy]\nlicences = [\"CC0-1.0\"]\n{policy}\n{kind}"
        );
        let mut sample = Sample::new("s", "a", MediaType::Image);
        sample.licence = Some("CC0-1.0".into());
        let facts = Facts::new(MediaType::Image, "image/jpeg", 640, 480);
        Self {
            source: SourceToml::parse(&text).unwrap(),
            entry: Entry {
                listed: Listed {
                    sample,
                    media: MediaRef::Url("https://example.org/a".into()),
                    expected: Expected::default(),
                },
                fetched: Some(FetchRecord {
                    asked: String::new(),
                    at: time("2026-01-01T00:00:00Z"),
                    outcome: FetchOutcome::Stored {
                        sha256: Digest::of(b"a"),
                        bytes: 7,
                        content_type: None,
                        opt_out: Vec::new(),
                    },
                }),
                facts: Some(FactsRecord::Facts(Box::new(facts))),
            },
        }
    }

    fn sample(mut self, change: impl FnOnce(&mut Sample)) -> Self {
        change(&mut self.entry.listed.sample);
        self
    }

    fn stated(self, origin: PlaceOrigin, at: (f64, f64), precision_m: Option<f64>) -> Self {
        self.sample(|s| {
            (s.latitude, s.longitude) = (Some(at.0), Some(at.1));
            s.place_precision_m = precision_m;
            s.place_origin = Some(origin);
        })
    }

    fn country(self, code: &str) -> Self {
        self.sample(|s| s.country = Some(code.into()))
    }

    fn facts(mut self, change: impl FnOnce(&mut Facts)) -> Self {
        if let Some(FactsRecord::Facts(facts)) = &mut self.entry.facts {
            change(facts);
        }
        self
    }

    fn exif(self, at: (f64, f64), precision_m: Option<f64>) -> Self {
        self.facts(|f| {
            f.exif_place = Some(ExifPlace {
                latitude: at.0,
                longitude: at.1,
                precision_m,
            });
        })
    }

    fn media(mut self, media: MediaRef) -> Self {
        self.entry.listed.media = media;
        self
    }

    fn header(mut self, value: &str) -> Self {
        if let Some(FetchRecord {
            outcome: FetchOutcome::Stored { content_type, .. },
            ..
        }) = &mut self.entry.fetched
        {
            *content_type = Some(value.into());
        }
        self
    }

    fn row(self) -> Sample {
        let ledger = ConsentLedger::from_files(&self.source.source, [], LedgerLimits::default());
        let rules = Rules {
            source: &self.source,
            ledger: &ledger,
            as_of: time("2026-02-01T00:00:00Z"),
        };
        assemble(self.entry, &rules)
    }
}

/// A point `km` north of another.
fn north(of: (f64, f64), km: f64) -> (f64, f64) {
    (of.0 + km / 111.195, of.1)
}

#[test]
fn which_place_a_row_has_and_when_two_contradict() {
    use PlaceOrigin::{Declared, Exif, Extmetadata, StructuredData};
    type Row<'a> = (
        &'a str,
        Case,
        Option<(f64, f64)>,
        Option<PlaceOrigin>,
        Option<&'a str>,
        bool,
    );
    let drop = || Case::new(DROP, "");
    let near = north(BERLIN, 49.0);
    let far = north(BERLIN, 51.0);
    #[rustfmt::skip]
    let cases: Vec<Row> = vec![
        ("nothing is known", drop(), None, None, None, false),
        ("EXIF fills what is missing", drop().exif(BERLIN, Some(5.0)),
            Some(BERLIN), Some(Exif), Some("DE"), false),
        ("a declared country alone", drop().country("KE"), None, Some(Declared), Some("KE"), false),
        ("EXIF within the declared country", drop().country("DE").exif(BERLIN, None),
            Some(BERLIN), Some(Exif), Some("DE"), false),
        ("EXIF in another country than declared", drop().country("KE").exif(BERLIN, None),
            Some(BERLIN), Some(Exif), Some("KE"), true),
        ("EXIF across a near border", drop().country("DE").exif(STRASBOURG, None),
            Some(STRASBOURG), Some(Exif), Some("DE"), false),
        ("the same, no tolerance", Case::new(DROP, "place_tolerance_km = 0.0").country("DE").exif(STRASBOURG, None),
            Some(STRASBOURG), Some(Exif), Some("DE"), true),
        ("declared coordinates in another country than declared", drop().country("KE").stated(Declared, BERLIN, None),
            Some(BERLIN), Some(Declared), Some("KE"), true),
        ("a declaration stands before EXIF near it", drop().stated(Declared, BERLIN, None).exif(near, None),
            Some(BERLIN), Some(Declared), Some("DE"), false),
        ("EXIF too far from the declaration", drop().stated(Declared, BERLIN, None).exif(far, None),
            Some(BERLIN), Some(Declared), Some("DE"), true),
        ("EXIF on another continent", drop().stated(Declared, BERLIN, None).exif(NAIROBI, None),
            Some(BERLIN), Some(Declared), Some("DE"), true),
        ("what the declaration leaves open is no contradiction",
            drop().stated(Declared, BERLIN, Some(1_500.0)).exif(far, None),
            Some(BERLIN), Some(Declared), Some("DE"), false),
        ("nor what EXIF leaves open", drop().stated(Declared, BERLIN, None).exif(far, Some(1_500.0)),
            Some(BERLIN), Some(Declared), Some("DE"), false),
        ("the tolerance is the policy's", Case::new(DROP, "place_tolerance_km = 48.0").stated(Declared, BERLIN, None).exif(near, None),
            Some(BERLIN), Some(Declared), Some("DE"), true),
        ("a wiki is trusted before EXIF", Case::new(WIKI, "").stated(Extmetadata, BERLIN, None).exif(near, None),
            Some(BERLIN), Some(Extmetadata), Some("DE"), false),
        ("unless EXIF is trusted first", Case::new(WIKI_EXIF_FIRST, "").stated(StructuredData, BERLIN, None).exif(near, Some(5.0)),
            Some(near), Some(Exif), Some("DE"), false),
        ("and then it may contradict all the same", Case::new(WIKI_EXIF_FIRST, "").stated(StructuredData, BERLIN, None).exif(NAIROBI, None),
            Some(NAIROBI), Some(Exif), Some("KE"), true),
        ("EXIF in between gives way to the first", Case::new(WIKI_EXIF_SECOND, "").stated(StructuredData, BERLIN, None).exif(near, None),
            Some(BERLIN), Some(StructuredData), Some("DE"), false),
        ("and stands before the last", Case::new(WIKI_EXIF_SECOND, "").stated(Extmetadata, BERLIN, None).exif(near, None),
            Some(near), Some(Exif), Some("DE"), false),
        ("EXIF fills at a wiki too", Case::new(WIKI, "").exif(NAIROBI, None),
            Some(NAIROBI), Some(Exif), Some("KE"), false),
        ("at sea there is no country", drop().exif((30.0, -45.0), None),
            Some((30.0, -45.0)), Some(Exif), None, false),
    ];
    for (name, case, place, origin, country, contradicts) in cases {
        let row = case.row();
        assert_eq!(row.latitude.zip(row.longitude), place, "{name}");
        assert_eq!(row.place_origin, origin, "{name}");
        assert_eq!(row.country.as_deref(), country, "{name}");
        let region = match country {
            Some("DE") => Some("Europe"),
            Some("KE") => Some("Africa"),
            _ => None,
        };
        assert_eq!(row.region.as_deref(), region, "{name}");
        let expected = match contradicts {
            true => (Status::Quarantined, vec![Reason::PlaceContradiction]),
            false => (Status::Accepted, Vec::new()),
        };
        assert_eq!((row.status, row.reasons), expected, "{name}");
    }
}

#[test]
fn the_place_that_wins_brings_its_precision() {
    let exif_first = Case::new(WIKI_EXIF_FIRST, "");
    let stated = PlaceOrigin::StructuredData;
    let row = exif_first
        .stated(stated, BERLIN, Some(1_000.0))
        .exif(BERLIN, None);
    assert_eq!(row.row().place_precision_m, None);
    let drop = Case::new(DROP, "").stated(PlaceOrigin::Declared, BERLIN, Some(1_000.0));
    assert_eq!(
        drop.exif(BERLIN, Some(5.0)).row().place_precision_m,
        Some(1_000.0)
    );
}

#[test]
fn the_content_says_what_it_is_and_a_lie_is_noted() {
    use MediaType::{Clip, Frame, Image, Video};
    let png = |f: &mut Facts| f.mime = "image/png".into();
    let video = |mime: &str| Facts::new(Video, mime, 640, 480);
    let file = |name: &str| MediaRef::File {
        root: "drop".into(),
        path: name.into(),
    };
    let member = |name: &str| MediaRef::Member {
        archive: "drop.zip".into(),
        name: name.into(),
    };
    let url = |text: &str| MediaRef::Url(text.into());
    let drop = || Case::new(DROP, "");
    let says = |mime: &'static str| drop().sample(move |s| s.mime = Some(mime.into()));
    #[rustfmt::skip]
    let cases: Vec<(&str, Case, MediaType, &str, bool)> = vec![
        ("nobody said anything", drop(), Image, "image/jpeg", false),
        ("the source says so", says("image/jpeg"), Image, "image/jpeg", false),
        ("the source says another", says("image/png"), Image, "image/jpeg", true),
        ("another name of the type", says("image/pjpeg"), Image, "image/jpeg", false),
        ("the name says so", drop().media(file("a/b.JPG")), Image, "image/jpeg", false),
        ("the name says another", drop().media(file("a/b.jpg")).facts(png), Image, "image/png", true),
        ("in an archive", drop().media(member("b.jpeg")).facts(png), Image, "image/png", true),
        ("in an address", drop().media(url("https://h.org/b.webp?size=1#x.jpg")), Image, "image/jpeg", true),
        ("an address says so", drop().media(url("https://h.org/b.jpg?as=png")), Image, "image/jpeg", false),
        ("an address says nothing", drop().media(url("https://h.org/get.php?id=1.png")), Image, "image/jpeg", false),
        ("the header says so", drop().header("image/jpeg"), Image, "image/jpeg", false),
        ("the header says another", drop().header("image/webp"), Image, "image/jpeg", true),
        ("a vague header", drop().header("application/octet-stream"), Image, "image/jpeg", false),
        ("a video named like a picture", drop().media(file("a.jpg")).facts(|f| *f = video("video/mp4")), Video, "video/mp4", true),
        ("a video where a picture was listed", drop().facts(|f| *f = video("video/mp4")), Video, "video/mp4", true),
        ("a picture where a video was listed", drop().sample(|s| s.media_type = Video), Image, "image/jpeg", true),
        ("a frame stays one", drop().sample(|s| s.media_type = Frame), Frame, "image/jpeg", false),
        ("a clip stays one", drop().sample(|s| s.media_type = Clip).facts(|f| *f = video("video/mp4")), Clip, "video/mp4", false),
        ("Ogg by its older name", says("application/ogg").sample(|s| s.media_type = Video).facts(|f| *f = video("video/ogg")), Video, "video/ogg", false),
    ];
    for (name, case, media_type, mime, lie) in cases {
        let row = case.row();
        assert_eq!(row.media_type, media_type, "{name}");
        assert_eq!(row.mime.as_deref(), Some(mime), "{name}");
        let expected = match lie {
            true => vec![Reason::MediaTypeMismatch],
            false => Vec::new(),
        };
        // A lie about the type harms nobody: it is said, and the sample stays.
        assert_eq!(
            (row.status, row.reasons),
            (Status::Accepted, expected),
            "{name}"
        );
    }
}

#[test]
fn the_shorter_side_decides_what_is_too_small() {
    for (policy, size, small) in [
        ("", (1, 1), false),
        ("min_side = 480", (640, 480), false),
        ("min_side = 481", (640, 480), true),
        ("min_side = 481", (480, 640), true),
        ("min_side = 481", (10_000, 480), true),
    ] {
        let case = Case::new(DROP, policy).facts(|f| (f.width, f.height) = size);
        let row = case.row();
        assert_eq!(
            (row.width, row.height),
            (Some(size.0 as i32), Some(size.1 as i32))
        );
        let expected = match small {
            true => (Status::Rejected, vec![Reason::MediaTooSmall]),
            false => (Status::Accepted, Vec::new()),
        };
        assert_eq!((row.status, row.reasons), expected, "{policy} {size:?}");
    }
}

#[test]
fn exif_says_when_only_where_the_source_is_silent() {
    let taken = ExifTime {
        at: time("2008-10-22T16:28:39Z"),
        precision: CapturedPrecision::Second,
    };
    let year = (
        Some(time("2008-01-01T00:00:00Z")),
        Some(CapturedPrecision::Year),
    );
    for (name, stated, exif, expected) in [
        ("neither", (None, None), None, (None, None)),
        (
            "EXIF alone",
            (None, None),
            Some(taken),
            (Some(taken.at), Some(taken.precision)),
        ),
        ("the source alone", year, None, year),
        // Even where EXIF would be more exact: cameras' clocks are often wrong.
        ("both", year, Some(taken), year),
    ] {
        let case = Case::new(DROP, "")
            .sample(|s| (s.captured_at, s.captured_precision) = stated)
            .facts(|f| f.exif_captured_at = exif);
        let row = case.row();
        assert_eq!(
            (row.captured_at, row.captured_precision),
            expected,
            "{name}"
        );
        assert_eq!(row.reasons, [], "{name}");
    }
}

#[test]
fn what_could_not_be_fetched_or_read_keeps_what_the_source_says() {
    let whole = || {
        Case::new(DROP, "").country("KE").sample(|s| {
            s.mime = Some("image/png".into());
            s.labels = vec![Label {
                label: "x".into(),
                confidence: None,
                origin: "human".into(),
            }];
        })
    };
    let mut unread = whole();
    unread.entry.facts = Some(FactsRecord::Failed {
        reason: Reason::MediaCorrupt,
        message: "no".into(),
    });
    let mut unfetched = whole();
    unfetched.entry.facts = None;
    unfetched.entry.fetched.as_mut().unwrap().outcome = FetchOutcome::Failed {
        reason: Reason::FetchNotFound,
        message: "no".into(),
        opt_out: vec!["robots.txt".into(), "robots.txt".into()],
    };
    let mut record = whole();
    (record.entry.fetched, record.entry.facts) = (None, None);
    for (case, reasons, digest, status) in [
        (
            unread,
            &[Reason::MediaCorrupt][..],
            Some(Digest::of(b"a")),
            Status::Failed,
        ),
        (
            unfetched,
            &[Reason::OptOut, Reason::FetchNotFound],
            None,
            Status::Rejected,
        ),
        (record, &[], None, Status::Accepted),
    ] {
        let row = case.row();
        assert_eq!((row.status, row.reasons.as_slice()), (status, reasons));
        assert_eq!(row.media_sha256, digest);
        assert_eq!(row.retrieved_at.is_some(), digest.is_some());
        assert_eq!(row.region.as_deref(), Some("Africa"));
        assert_eq!((row.labels.len(), row.width), (1, None));
        assert!(row.opt_out.len() <= 1, "said once: {:?}", row.opt_out);
    }
}

/// A release says nothing of people but their pseudonym while no consent is in force.
#[test]
fn attributes_of_people_without_consent_are_withheld() {
    let case = Case::new(DROP, "").sample(|s| {
        s.subject_ids = vec!["p1".into()];
        s.subject_attributes = vec![fairframe_schemas::SubjectAttribute {
            subject_id: "p1".into(),
            name: "ethnicity".into(),
            value: "x".into(),
            origin: "self-reported".into(),
        }];
    });
    let ledger = ConsentLedger::default();
    let rules = Rules {
        source: &case.source,
        ledger: &ledger,
        as_of: time("2026-01-02T00:00:00Z"),
    };
    let row = assemble(case.entry, &rules);
    assert_eq!(row.reasons, [Reason::ConsentMissing]);
    assert_eq!(row.subject_ids, ["p1"]);
    assert_eq!(row.subject_attributes, []);
}

//! A drop of bad media through one whole ingest: every file becomes a row, with
//! the reason it deserves, and no good sample notices.

use std::{collections::BTreeMap, fs, io::Cursor, path::Path};

use fairframe_ingest::{
    manifest::ReleaseReader,
    reporter::Silent,
    run::{Declared, Outcome, Settings},
    store::Store,
    verify::verify,
};
use fairframe_schemas::{Digest, Layout, MediaType, Reason, Sample, SourceToml, Status};
use image::{DynamicImage, ImageFormat};

use crate::{
    clip,
    make::{self, cmyk_jpeg, encode, ffmpeg, noise, picture},
    photo, run, worker,
};

/// What is handed in: name, bytes, reasons. Without a reason of weight it is accepted.
pub struct Drop {
    folder: tempfile::TempDir,
    expected: BTreeMap<String, Vec<Reason>>,
}

impl Drop {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            expected: BTreeMap::new(),
        }
    }

    pub fn add(&mut self, name: &str, bytes: impl AsRef<[u8]>, reasons: &[Reason]) {
        fs::write(self.folder.path().join(name), bytes).unwrap();
        self.expected.insert(name.to_owned(), reasons.to_vec());
    }

    /// Everything this test knows to break.
    fn fill(&mut self) {
        use Reason::{
            FileMissing, MediaAnimated, MediaCorrupt, MediaEmpty, MediaTooLarge, MediaTruncated,
            MediaTypeMismatch, MediaTypeUnknown,
        };
        let made = tempfile::tempdir().unwrap();
        // Every picture is another, so that none is a duplicate.
        let mut seed = 0;
        let mut encoded = |ending: &str| {
            seed += 1;
            encode(&picture(seed), ending)
        };
        for ending in make::PICTURES {
            self.add(&format!("whole.{ending}"), encoded(ending), &[]);
            let bytes = encoded(ending);
            let half = &bytes[..bytes.len() / 2];
            self.add(&format!("cut.{ending}"), half, &[MediaTruncated]);
            let broken = make::broken(&encoded(ending), ending);
            self.add(&format!("broken.{ending}"), broken, &[MediaCorrupt]);
            let bomb = make::bomb(&encoded(ending), ending);
            self.add(&format!("bomb.{ending}"), bomb, &[MediaTooLarge]);
        }
        let whole = fs::read(clip()).unwrap();
        self.add("cut.mkv", &whole[..whole.len() / 2], &[MediaTruncated]);
        self.add("whole.mkv", whole, &[]);
        self.add("empty.jpg", "", &[MediaEmpty]);

        self.add(
            "rotated.jpg",
            fs::read(photo("landscape_6.jpg")).unwrap(),
            &[],
        );
        self.add("cmyk.jpg", cmyk_jpeg(&picture(101)), &[]);
        let sixteen = |seed| DynamicImage::from(DynamicImage::from(picture(seed)).to_rgb16());
        for (name, format) in [("16.png", ImageFormat::Png), ("16.tiff", ImageFormat::Tiff)] {
            let mut bytes = Cursor::new(Vec::new());
            let seed = 102 + self.expected.len() as u32;
            sixteen(seed).write_to(&mut bytes, format).unwrap();
            self.add(name, bytes.into_inner(), &[]);
        }
        for (ending, options) in [
            ("gif", "-i IN -frames:v 5 -vf scale=64:48"),
            (
                "webp",
                "-i IN -frames:v 5 -vf scale=64:48 -c:v libwebp_anim",
            ),
            ("png", "-i IN -frames:v 5 -vf scale=64:48 -f apng"),
        ] {
            let path = ffmpeg(made.path(), &format!("moving.{ending}"), options);
            let bytes = fs::read(path).unwrap();
            self.add(&format!("moving.{ending}"), bytes, &[MediaAnimated]);
        }

        let page = "<!DOCTYPE html><title>404 Not Found</title>".repeat(50);
        self.add("page.jpg", &page, &[MediaTypeUnknown]);
        self.add("page.mp4", page + "<hr>", &[MediaTypeUnknown]);
        self.add("notes.txt", "Taken on Monday.\n", &[MediaTypeUnknown]);
        self.add("noise.png", noise(5_000), &[MediaTypeUnknown]);
        self.add(
            "png.jpg",
            encode(&picture(201), "png"),
            &[MediaTypeMismatch],
        );
        self.add(
            "jpeg.mkv",
            encode(&picture(202), "jpg"),
            &[MediaTypeMismatch],
        );
        let wrapped = ffmpeg(
            made.path(),
            "clip.mp4",
            "-ss 1 -i IN -c:v libx264 -vf hflip,negate",
        );
        self.add("clip.gif", fs::read(wrapped).unwrap(), &[MediaTypeMismatch]);
        self.expected.insert("absent.jpg".into(), vec![FileMissing]);
    }

    /// The source, of those files that `wanted` names.
    pub fn declare(&self, wanted: impl Fn(&[Reason]) -> bool) -> Declared {
        let named = self.expected.iter().filter(|(_, reasons)| wanted(reasons));
        let rows: String = named.map(|(name, _)| format!("{name}\n")).collect();
        let path = self.folder.path();
        fs::write(path.join("contributions.csv"), format!("file\n{rows}")).unwrap();
        let text = "source = \"drop\"\ndataset = \"bad\"\n\
            [crowdsourced]\npath = \".\"\nlicence = \"CC0-1.0\"\n\
            [policy]\nlicences = [\"CC0-1.0\"]\n";
        Declared {
            toml: SourceToml::parse(text).unwrap(),
            text: text.to_owned(),
            file: path.join("source.toml"),
            folder: path.to_owned(),
        }
    }
}

pub fn ingest(root: &Path, source: Declared) -> Outcome {
    let settings = Settings {
        layout: Layout::new(root),
        sources: vec![source],
        as_of: None,
        now: "2026-06-01T00:00:00Z".parse().unwrap(),
        restart: false,
        listing: Default::default(),
        worker: worker(),
        parallel: 2,
    };
    run(fairframe_ingest::run::run(&settings, &Silent)).unwrap()
}

pub type Rows = BTreeMap<String, Sample>;

/// The accepted rows, and the others.
pub fn rows(release: &Path) -> (Rows, Rows) {
    let reader = ReleaseReader::open(release).unwrap();
    let by_key = |rows: Vec<Sample>| -> Rows {
        let n = rows.len();
        let rows: Rows = rows
            .into_iter()
            .map(|s| (s.source_key.clone(), s))
            .collect();
        assert_eq!(rows.len(), n, "a row stands twice");
        rows
    };
    let accepted = reader.accepted().flat_map(Result::unwrap).collect();
    let excluded = reader.excluded().flat_map(Result::unwrap).collect();
    (by_key(accepted), by_key(excluded))
}

fn status(reasons: &[Reason]) -> Status {
    let gravest = reasons.iter().map(|r| r.status()).max();
    gravest.unwrap_or(Status::Accepted)
}

#[test]
fn bad_media_cost_only_themselves() {
    let mut drop = Drop::new();
    drop.fill();
    let root = tempfile::tempdir().unwrap();
    let outcome = ingest(root.path(), drop.declare(|_| true));
    let layout = Layout::new(root.path());
    let (accepted, excluded) = rows(&outcome.folder);

    // In, and out or excluded: each once.
    let all: BTreeMap<&String, &Sample> = accepted.iter().chain(&excluded).collect();
    assert_eq!(accepted.len() + excluded.len(), drop.expected.len());
    assert!(all.keys().eq(&drop.expected.keys().collect::<Vec<_>>()));
    let counts = &outcome.summary.counts;
    assert_eq!(counts.listed, drop.expected.len() as u64);
    assert_eq!(counts.by_status.values().sum::<u64>(), counts.listed);
    assert_eq!(counts.by_status[&Status::Accepted], accepted.len() as u64);
    assert_eq!(
        counts.decided_by.values().sum::<u64>(),
        excluded.len() as u64
    );

    // Each where its reasons put it.
    let found: BTreeMap<&String, (Status, &[Reason])> = all
        .iter()
        .map(|(name, s)| (*name, (s.status, s.reasons.as_slice())))
        .collect();
    let expected = drop.expected.iter();
    let expected: BTreeMap<&String, (Status, &[Reason])> = expected
        .map(|(name, reasons)| (name, (status(reasons), reasons.as_slice())))
        .collect();
    assert_eq!(found, expected);
    assert!(accepted.values().all(|s| s.status == Status::Accepted));
    assert!(excluded.values().all(|s| s.status != Status::Accepted));

    // What is accepted is described, kept and shown.
    let store = Store::open(&layout).unwrap();
    for (name, row) in &accepted {
        let bytes = fs::read(drop.folder.path().join(name)).unwrap();
        let digest = Digest::of(&bytes);
        assert_eq!(row.media_sha256, Some(digest), "{name}");
        assert_eq!(row.bytes, Some(bytes.len() as i64), "{name}");
        assert!(store.is_sound(&digest).unwrap(), "{name}");
        assert!(layout.thumbnail(&digest).exists(), "{name}");
        assert!(row.perceptual_hash.is_some(), "{name}");
        assert!(row.sharpness.is_some() && row.luminance.is_some(), "{name}");
        let size = match name.as_str() {
            "rotated.jpg" => (600, 450),
            "whole.mkv" | "clip.gif" => (640, 480),
            _ => (320, 240),
        };
        assert_eq!(row.width.zip(row.height), Some(size), "{name}");
    }
    let is = |name: &str| (accepted[name].media_type, accepted[name].mime.as_deref());
    assert_eq!(is("png.jpg"), (MediaType::Image, Some("image/png")));
    assert_eq!(is("jpeg.mkv"), (MediaType::Image, Some("image/jpeg")));
    assert_eq!(is("clip.gif"), (MediaType::Video, Some("video/mp4")));
    // What is not gives no facts, and its bytes are known all the same.
    for (name, row) in &excluded {
        let described = row.reasons == [Reason::MediaAnimated];
        assert_eq!(row.width.is_some(), described, "{name}");
        assert_eq!(row.media_sha256.is_some(), name != "absent.jpg", "{name}");
    }
    let sound = verify(&outcome.folder, Some(&layout)).unwrap();
    assert!(sound.is_sound(), "{:?}", sound.problems);

    // Without the bad media the others are what they are with them.
    let alone = tempfile::tempdir().unwrap();
    let good = drop.declare(|reasons| status(reasons) == Status::Accepted);
    let other = ingest(alone.path(), good);
    assert_eq!(rows(&other.folder), (accepted, Rows::new()));

    // Again: nothing is new, and what failed is not tried for ever.
    let again = ingest(root.path(), drop.declare(|_| true));
    assert!(!again.written && again.version == outcome.version);
}

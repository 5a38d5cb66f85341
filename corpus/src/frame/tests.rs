//! Clips made from real ones, framed in process.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use fairframe_schemas::{
    Reason,
    corpus::frame::{CROPS, FRAMED, FRAMES, FrameRow, SHEET},
    source::{Crops, FrameRule, Sampling},
};

use super::*;
use crate::{
    face::{Affine, Detector, Rgb, overlap},
    item::Refusal,
    video::{Decoder, Encoder, Limits, Timing},
    worker::Task,
};

fn at(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

fn clip(name: &str) -> PathBuf {
    at("../datasets/actors/clips").join(name)
}

fn frame(video: &Path, rule: &FrameRule, out: &Path) -> Result<Framed, Refusal> {
    fs::create_dir_all(out).unwrap();
    let task = FrameTask {
        video: video.to_owned(),
        title: "test".to_owned(),
        rule: rule.clone(),
        limits: Limits::default(),
    };
    task.work(out).map(|done| done.made)
}

/// Every `n`-th frame, so that tests are short.
fn every(n: u32) -> FrameRule {
    FrameRule {
        sample: Sampling::Every(n),
        ..FrameRule::default()
    }
}

fn picture(path: &Path) -> Rgb {
    let picture = image::open(path).unwrap().into_rgb8();
    let (width, height) = picture.dimensions();
    let data = picture.into_raw();
    Rgb {
        width,
        height,
        data,
    }
}

/// The first `n` frames of a clip, changed, as a clip of their own.
fn changed(name: &str, n: usize, to: &Path, change: impl Fn(usize, &mut Rgb)) {
    let mut decoder = Decoder::open(&clip(name), &Limits::default()).unwrap();
    let facts = decoder.facts().clone();
    let size = (facts.width, facts.height);
    let mut encoder = Encoder::master(to, size, Timing::constant(30, 1)).unwrap();
    for i in 0..n {
        let mut frame = decoder.next_frame().unwrap().unwrap();
        change(i, &mut frame.rgb);
        encoder.push(&frame.rgb, i as f64 / 30.0).unwrap();
    }
    encoder.finish().unwrap();
}

/// Puts the official portrait's head, `side` pixels high, at (x, y).
fn portrait(onto: &mut Rgb, x: u32, y: u32, side: u32) {
    let from = picture(&at("../datasets/demo-commons/replay/media/obama.jpg"));
    let scale = 520.0 / side as f32;
    let head = from.warp(
        &Affine([[scale, 0.0, 230.0], [0.0, scale, 20.0]]),
        side,
        side,
    );
    for py in 0..side {
        for px in 0..side {
            onto.set(x + px, y + py, head.pixel(px, py));
        }
    }
}

fn grey(frame: &mut Rgb) {
    frame.data.fill(120);
}

/// All files below a folder, with their bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(folder).unwrap().to_owned();
                    files.insert(name, fs::read(&path).unwrap());
                }
            }
        }
    }
    files
}

#[test]
fn every_frame_is_a_row_and_two_runs_are_the_same() {
    let out = tempfile::tempdir().unwrap();
    let (a, b) = (out.path().join("a"), out.path().join("b"));
    let made = frame(&clip("again.mkv"), &every(6), &a).unwrap();
    assert_eq!(frame(&clip("again.mkv"), &every(6), &b).unwrap(), made);
    assert_eq!(files(&a), files(&b));
    let rows = read(&a).unwrap();
    assert_eq!(rows.len() as u64, made.frames);
    assert_eq!(made.facts.frames.div_ceil(6), made.frames);
    assert_eq!(
        (made.faces, made.crops, made.padded),
        (made.frames, made.frames, 0)
    );
    // Only what is told of is left.
    let names: Vec<PathBuf> = files(&a).into_keys().collect();
    let crops = rows
        .iter()
        .filter_map(|r| r.crop.clone())
        .map(PathBuf::from);
    let mut told: Vec<PathBuf> = crops.chain([FRAMES.into(), SHEET.into()]).collect();
    told.sort();
    assert_eq!(names, told);
    let detector = Detector::new().unwrap();
    for (i, row) in rows.iter().enumerate() {
        assert_eq!(row.frame, 6 * i as u64);
        assert!(
            (row.time_s - row.frame as f64 / 30.0).abs() < 0.002,
            "{row:?}"
        );
        assert_eq!((row.track, row.reason), (Some(0), None));
        let mesh = mesh(row).unwrap();
        assert_eq!(mesh.bounds().to_vec(), row.bounds.clone().unwrap());
        // The face stands in the middle of its crop and takes 1 / 1.3 of it.
        let crop = picture(&a.join(row.crop.as_ref().unwrap()));
        assert_eq!((crop.width, crop.height), (299, 299));
        let found = detector.detect(&crop, 0.5).unwrap();
        let [x, y, w, h] = found[0].bounds;
        assert!((x + w / 2.0 - 149.5).abs() < 40.0, "{:?}", found[0]);
        assert!((y + h / 2.0 - 149.5).abs() < 50.0, "{:?}", found[0]);
        let from = row.crop_from.as_ref().unwrap();
        let side = mesh.bounds()[2].max(mesh.bounds()[3]);
        let share = 299.0 * from[0] / side;
        assert!((share - 1.3).abs() < 0.15, "{share}");
    }
}

#[test]
fn the_person_in_the_background_is_not_taken() {
    let out = tempfile::tempdir().unwrap();
    let video = out.path().join("two.mkv");
    // Smaller, in a corner, there from the start; the actor goes out of sight for good at 20.
    changed("book.mkv", 26, &video, |i, frame| {
        if i >= 20 {
            grey(frame);
        }
        portrait(frame, 4, 8, 100);
    });
    let folder = out.path().join("framed");
    let made = frame(&video, &FrameRule::default(), &folder).unwrap();
    assert_eq!(made.tracks, 2);
    let rows = read(&folder).unwrap();
    assert_eq!(rows.len(), 26);
    for (i, row) in rows.iter().enumerate() {
        if i < 20 {
            assert_eq!(row.faces, 2, "{i}");
            let bounds = row.bounds.as_ref().unwrap();
            assert!(bounds[0] > 200.0, "{i}: {bounds:?}");
            assert_eq!(row.reason, None);
        } else {
            assert_eq!(row.reason, Some(Reason::FaceOther), "{i}");
            // Nothing is written down of who did not come to be filmed.
            assert_eq!((row.landmarks.as_ref(), row.crop.as_ref()), (None, None));
        }
    }
    assert_eq!(made.reasons, BTreeMap::from([(Reason::FaceOther, 6)]));
    assert!(!folder.join("tracks").exists());
}

#[test]
fn a_short_gap_is_bridged_and_a_long_one_is_not() {
    let out = tempfile::tempdir().unwrap();
    let video = out.path().join("gap.mkv");
    changed("walk.mkv", 24, &video, |i, frame| {
        if (8..14).contains(&i) {
            grey(frame);
        }
    });
    let rows = |gap_s: f64, name: &str| {
        let folder = out.path().join(name);
        let rule = FrameRule {
            gap_s,
            ..FrameRule::default()
        };
        let made = frame(&video, &rule, &folder).unwrap();
        (made, read(&folder).unwrap())
    };
    let (made, bridged) = rows(1.0, "bridged");
    assert_eq!(made.tracks, 1);
    for (i, row) in bridged.iter().enumerate() {
        let gone = (8..14).contains(&i).then_some(Reason::FaceMissing);
        assert_eq!(row.reason, gone, "{i}");
    }
    let (made, _) = rows(0.0, "apart");
    assert_eq!(made.tracks, 2);
}

#[test]
fn a_clip_without_a_face_has_rows_and_no_crops() {
    let out = tempfile::tempdir().unwrap();
    let video = out.path().join("flower.mkv");
    let flower = picture(&at("../datasets/demo-commons/replay/media/flower.jpg"));
    let size = (flower.width, flower.height);
    let mut encoder = Encoder::master(&video, size, Timing::constant(10, 1)).unwrap();
    for i in 0..4 {
        encoder.push(&flower, f64::from(i) / 10.0).unwrap();
    }
    encoder.finish().unwrap();
    let folder = out.path().join("framed");
    let made = frame(&video, &FrameRule::default(), &folder).unwrap();
    assert_eq!((made.frames, made.faces, made.crops), (4, 0, 0));
    // The flower looks like a face to the detector.
    for row in read(&folder).unwrap() {
        assert_eq!(row.reason, Some(Reason::FaceUnsure));
    }
    assert!(folder.join(SHEET).exists());
    assert!(!folder.join(CROPS).exists());
}

#[test]
fn a_file_that_ends_early_or_is_none_is_refused() {
    let out = tempfile::tempdir().unwrap();
    let bytes = fs::read(clip("no.mkv")).unwrap();
    let cases: [(&str, &[u8]); 3] = [
        ("half.mkv", &bytes[..bytes.len() / 2]),
        ("empty.mkv", b""),
        ("text.mkv", b"not a video at all"),
    ];
    for (name, bytes) in cases {
        let video = out.path().join(name);
        fs::write(&video, bytes).unwrap();
        let folder = out.path().join("framed");
        let refusal = frame(&video, &every(10), &folder).unwrap_err();
        assert_ne!(refusal.reason, Reason::StoreFailed, "{name}: {refusal}");
        fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn crops_beyond_the_edge_are_flagged_and_small_or_blurred_faces_are_not_cut() {
    let out = tempfile::tempdir().unwrap();
    let video = out.path().join("edge.mkv");
    changed("yes.mkv", 4, &video, |_, frame| {
        // The head moves to the upper left corner.
        let shifted = Affine([[1.0, 0.0, 270.0], [0.0, 1.0, 80.0]]);
        *frame = frame.warp(&shifted, frame.width, frame.height);
    });
    let folder = out.path().join("edge");
    let made = frame(&video, &FrameRule::default(), &folder).unwrap();
    assert_eq!((made.crops, made.padded), (4, 4));
    for (name, reason, rule) in [
        (
            "small",
            Reason::FaceTooSmall,
            FrameRule {
                least_side: 120.0,
                ..every(2)
            },
        ),
        (
            "blurred",
            Reason::FaceBlurred,
            FrameRule {
                least_sharpness: 1e5,
                ..every(2)
            },
        ),
    ] {
        let folder = out.path().join(name);
        let made = frame(&video, &rule, &folder).unwrap();
        assert_eq!(made.crops, 0);
        assert_eq!(made.reasons, BTreeMap::from([(reason, 2)]));
        // Landmarks are there all the same.
        assert!(read(&folder).unwrap().iter().all(|r| mesh(r).is_some()));
    }
}

#[test]
fn aligned_crops_have_level_eyes() {
    let out = tempfile::tempdir().unwrap();
    let rule = FrameRule {
        align: true,
        crops: Crops::Png,
        size: 256,
        ..every(12)
    };
    let made = frame(&clip("walk.mkv"), &rule, out.path()).unwrap();
    assert!(made.crops > 2);
    for row in read(out.path()).unwrap() {
        let from = row.crop_from.unwrap();
        let to = Affine([[from[0], from[1], from[2]], [from[3], from[4], from[5]]]);
        let to = to.inverse().unwrap();
        let p = row.points.unwrap();
        let (right, left) = (to.apply(p[0], p[1]), to.apply(p[2], p[3]));
        let level = (left.1 - right.1).atan2(left.0 - right.0).to_degrees();
        assert!(level.abs() < 6.0, "{level}");
        assert!(out.path().join(row.crop.unwrap()).exists());
    }
}

#[test]
fn crops_as_one_clip() {
    let out = tempfile::tempdir().unwrap();
    let rule = FrameRule {
        crops: Crops::Clip,
        ..every(10)
    };
    let made = frame(&clip("sorry.mkv"), &rule, out.path()).unwrap();
    let names: Vec<PathBuf> = files(out.path()).into_keys().collect();
    assert_eq!(names, [FRAMED, FRAMES, SHEET].map(PathBuf::from));
    let mut decoder = Decoder::open(&out.path().join(FRAMED), &Limits::default()).unwrap();
    assert_eq!(decoder.facts().frames, made.crops);
    let first = decoder.next_frame().unwrap().unwrap();
    assert_eq!((first.rgb.width, first.rgb.height), (299, 299));
}

#[test]
fn scenes_are_the_first_frames_of_shots() {
    let out = tempfile::tempdir().unwrap();
    let video = out.path().join("shots.mkv");
    changed("milk.mkv", 12, &video, |i, frame| {
        if i >= 5 {
            frame.data.iter_mut().for_each(|v| *v = 255 - *v);
        }
    });
    let rule = FrameRule {
        sample: Sampling::Scenes,
        ..FrameRule::default()
    };
    frame(&video, &rule, out.path()).unwrap();
    let rows: Vec<FrameRow> = read(out.path()).unwrap();
    assert_eq!(rows.iter().map(|r| r.frame).collect::<Vec<_>>(), [0, 5]);
    let [a, b] = [&rows[0], &rows[1]].map(|r| r.bounds.as_ref());
    // A negative is no face, or the same.
    let boxes = a.zip(b).map(|(a, b)| {
        let four = |v: &Vec<f32>| [v[0], v[1], v[2], v[3]];
        overlap(four(a), four(b))
    });
    assert!(boxes.is_none_or(|o| o > 0.3));
}

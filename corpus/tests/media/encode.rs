//! What is encoded comes back.

use std::path::Path;

use fairframe_corpus::{
    face::Rgb,
    video::{Codec, Decoder, Encoder, Frame, Limits, Pixels, Timing, X264},
};

use crate::make::{clip, difference, ffmpeg, probe};

fn frames(file: &Path) -> Vec<Frame> {
    let decoder = Decoder::open(file, &Limits::default()).unwrap();
    decoder.map(|f| f.unwrap()).collect()
}

fn encode(out: &Path, frames: &[Frame], timing: Timing, codec: &Codec) {
    let size = (frames[0].rgb.width, frames[0].rgb.height);
    let tags = [
        ("title".to_owned(), "a title".to_owned()),
        (
            "comment".to_owned(),
            "fairframe_manipulated=true".to_owned(),
        ),
    ];
    let mut encoder = Encoder::create(out, size, timing, codec, &tags).unwrap();
    for frame in frames {
        encoder.push(&frame.rgb, frame.time_s).unwrap();
    }
    let done = encoder.finish().unwrap();
    assert_eq!(done.frames, frames.len() as u64);
    assert_eq!(done.bytes, std::fs::metadata(out).unwrap().len());
    let x264 = matches!(codec, Codec::X264(_));
    assert_eq!(
        done.library
            .x264
            .is_some_and(|l| l.starts_with("x264 - core ")),
        x264
    );
}

#[test]
fn masters_and_masks_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let odd = "-i IN -vf crop=321:239:exact=1,format=yuv444p -c:v ffv1 -frames:v 9";
    let odd = frames(&ffmpeg(folder.path(), "odd.mkv", odd));
    let master = folder.path().join("master.mkv");
    encode(&master, &odd, Timing::constant(30, 1), &Codec::Master);
    assert_eq!(frames(&master).len(), odd.len());
    for (a, b) in frames(&master).iter().zip(&odd) {
        assert_eq!(a.rgb, b.rgb);
        assert!((a.time_s - b.time_s).abs() < 0.001);
    }
    let grey = |n: usize| -> Vec<u8> { (0..33 * 21).map(|i| (i * 7 + n) as u8).collect() };
    let path = folder.path().join("mask.mkv");
    let mut mask = Encoder::mask(&path, (33, 21), Timing::constant(25, 1)).unwrap();
    for n in 0..4 {
        mask.push_grey(&grey(n), n as f64 / 25.0).unwrap();
    }
    assert!(mask.push_grey(&[0; 5], 1.0).is_err());
    assert!(mask.push(&Rgb::new(33, 21), 1.0).is_err());
    mask.finish().unwrap();
    for (n, frame) in frames(&path).iter().enumerate() {
        let expected: Vec<u8> = grey(n).iter().flat_map(|g| [*g; 3]).collect();
        assert_eq!(frame.rgb.data, expected);
    }
}

#[test]
fn a_clip_is_the_same_bytes_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let real = frames(&clip());
    let codec = Codec::X264(X264::crf(23));
    let (a, b) = (folder.path().join("a.mp4"), folder.path().join("b.mp4"));
    encode(&a, &real, Timing::constant(30, 1), &codec);
    encode(&b, &real, Timing::constant(30, 1), &codec);
    assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
    let tags = probe(&a, "-show_entries format_tags");
    let tags = tags.join("\n");
    assert!(
        tags.contains("a title") && tags.contains("fairframe_manipulated=true"),
        "{tags}"
    );
    assert!(!tags.contains("Lavf"), "{tags}");
    let stream =
        "-select_streams v -show_entries stream=pix_fmt,color_range,color_space,avg_frame_rate";
    assert_eq!(probe(&a, stream), ["yuv420p,tv,smpte170m,30/1"]);
    // The index comes before the frames.
    let bytes = std::fs::read(&a).unwrap();
    let at = |kind: &[u8]| bytes.windows(4).position(|w| w == kind).unwrap();
    assert!(at(b"moov") < at(b"mdat"));
    for (a, b) in frames(&a).iter().zip(&real) {
        assert!(difference(&a.rgb.data, &b.rgb.data).1 < 4.0);
        assert!((a.time_s - b.time_s).abs() < 0.001);
    }
}

#[test]
fn quality_follows_the_rate_factor() {
    let folder = tempfile::tempdir().unwrap();
    let real = &frames(&clip())[..20];
    let mut last = 0.0;
    for (crf, most) in [(0, 1.5), (23, 4.0), (40, 12.0)] {
        let out = folder.path().join("c.mp4");
        encode(
            &out,
            real,
            Timing::constant(30, 1),
            &Codec::X264(X264::crf(crf)),
        );
        let decoded = frames(&out);
        assert_eq!(decoded.len(), real.len());
        let each = decoded.iter().zip(real);
        let each = each.map(|(a, b)| difference(&a.rgb.data, &b.rgb.data).1);
        let mean = each.sum::<f64>() / real.len() as f64;
        assert!(last < mean && mean < most, "{crf}: {mean}");
        last = mean;
    }
}

#[test]
fn rgb_and_full_colour() {
    let folder = tempfile::tempdir().unwrap();
    let real = &frames(&clip())[..5];
    let out = folder.path().join("c.mp4");
    for (pixels, crf, mean) in [(Pixels::Rgb24, 0, 0.0), (Pixels::Yuv444p, 0, 0.8)] {
        let codec = Codec::X264(X264 {
            pixels,
            ..X264::crf(crf)
        });
        encode(&out, real, Timing::constant(30, 1), &codec);
        let decoded = frames(&out);
        assert_eq!(decoded.len(), real.len());
        for (a, b) in decoded.iter().zip(real) {
            let (_, average) = difference(&a.rgb.data, &b.rgb.data);
            assert!(average <= mean, "{pixels:?}: {average}");
        }
    }
}

#[test]
fn times_that_vary_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let vfr = "-i IN -vf select=mod(n\\,3) -vsync vfr -c:v libx264";
    let vfr = ffmpeg(folder.path(), "vfr.mp4", vfr);
    let timing = Decoder::open(&vfr, &Limits::default())
        .unwrap()
        .facts()
        .timing;
    assert!(timing.variable);
    let before = frames(&vfr);
    for (name, codec, within) in [
        ("c.mp4", Codec::X264(X264::crf(30)), 2e-5),
        ("c.mkv", Codec::Master, 1.1e-3),
    ] {
        let out = folder.path().join(name);
        encode(&out, &before, timing, &codec);
        let after = frames(&out);
        assert_eq!(after.len(), before.len());
        for (a, b) in after.iter().zip(&before) {
            assert!(
                (a.time_s - b.time_s).abs() < within,
                "{} {}",
                a.time_s,
                b.time_s
            );
        }
    }
}

#[test]
fn what_cannot_be_written_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("no/such/folder/a.mkv");
    assert!(Encoder::master(&nowhere, (16, 16), Timing::constant(25, 1)).is_err());
    let path = folder.path().join("a.mkv");
    assert!(Encoder::master(&path, (0, 16), Timing::constant(25, 1)).is_err());
    let encoder = Encoder::master(&path, (16, 16), Timing::constant(25, 1)).unwrap();
    assert!(encoder.finish().is_err());
    let mut encoder = Encoder::master(&path, (16, 16), Timing::constant(25, 1)).unwrap();
    assert!(encoder.push(&Rgb::new(16, 15), 0.0).is_err());
}

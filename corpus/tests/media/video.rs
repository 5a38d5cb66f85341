//! Decoded frames against those of `ffmpeg` itself.

use std::path::Path;

use fairframe_corpus::video::{Decoder, Frame, Limits};
use fairframe_schemas::{Reason, source::MediaLimits};

use crate::make::{PLAIN, clip, difference, ffmpeg, ffmpeg_on, probe, shown};

fn open(file: &Path) -> Decoder {
    Decoder::open(file, &Limits::default()).unwrap()
}

fn frames(file: &Path) -> Vec<Frame> {
    open(file).map(|f| f.unwrap()).collect()
}

fn refused(file: &Path, limits: &Limits) -> Reason {
    let frames = Decoder::open(file, limits).and_then(|d| d.collect::<Result<Vec<_>, _>>());
    frames.unwrap_err().reason
}

/// Every frame of a file is what `ffmpeg` shows, within these levels: at most, and on average.
fn as_ffmpeg(file: &Path, scale: &str, size: (u32, u32), (most, mean): (u8, f64)) {
    let decoder = open(file);
    let facts = decoder.facts().clone();
    assert_eq!((facts.width, facts.height), size, "{facts:?}");
    let times = decoder.times();
    let ours: Vec<Frame> = decoder.map(|f| f.unwrap()).collect();
    let theirs = shown(file, scale, size);
    assert_eq!(ours.len(), theirs.len());
    assert_eq!(ours.len() as u64, facts.frames);
    for (n, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        assert_eq!(ours.index, n as u64);
        assert!((ours.time_s - times[n]).abs() < 1e-9);
        let (worst, average) = difference(&ours.rgb.data, theirs);
        assert!(
            worst <= most && average <= mean,
            "{}: frame {n}: {worst} {average}",
            file.display()
        );
    }
}

#[test]
fn frames_are_those_that_ffmpeg_shows() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    as_ffmpeg(&clip(), PLAIN, (640, 480), (0, 0.0));
    let decoder = open(&clip());
    let facts = decoder.facts();
    assert!(facts.full_range);
    assert_eq!(facts.pixel_format, "yuvj420p");
    assert_eq!(facts.timing.rate, (30, 1));
    assert!(!facts.timing.variable);

    let limited = "-i IN -vf scale=out_range=tv,format=yuv420p -c:v libx264 -qp 0";
    let limited = ffmpeg(folder, "limited.mp4", limited);
    as_ffmpeg(&limited, PLAIN, (640, 480), (0, 0.0));
    let ten = "-i IN -vf scale=out_range=tv,format=yuv420p10le -c:v ffv1";
    let ten = ffmpeg(folder, "ten.mkv", ten);
    as_ffmpeg(&ten, PLAIN, (640, 480), (0, 0.0));
    assert_eq!(open(&ten).facts().pixel_format, "yuv420p10le");
    // Whatever range and depth they are kept in, the colours are the same.
    for other in [limited, ten] {
        assert!(!open(&other).facts().full_range);
        for (a, b) in frames(&clip()).iter().zip(frames(&other)) {
            let (worst, average) = difference(&a.rgb.data, &b.rgb.data);
            assert!(worst <= 4 && average < 1.0, "{worst} {average}");
        }
    }

    let odd = "-i IN -vf crop=321:239:exact=1,format=yuv444p -c:v ffv1 -frames:v 5";
    as_ffmpeg(&ffmpeg(folder, "odd.mkv", odd), PLAIN, (321, 239), (0, 0.0));
    let odd = "-i IN -vf format=yuv444p,crop=321:239:exact=1,format=yuv420p -c:v ffv1 -frames:v 5";
    as_ffmpeg(
        &ffmpeg(folder, "odd420.mkv", odd),
        PLAIN,
        (321, 239),
        (0, 0.0),
    );

    let high = "-i IN -vf scale=1280:720:out_color_matrix=bt709 -c:v libx264 -frames:v 5";
    let high = ffmpeg(folder, "high.mp4", high);
    as_ffmpeg(
        &high,
        &format!("in_color_matrix=bt709:{PLAIN}"),
        (1280, 720),
        (0, 0.0),
    );
    // Stated: believed.
    let stated =
        "-i IN -vf scale=out_color_matrix=bt709 -colorspace bt709 -c:v libx264 -frames:v 5";
    let stated = ffmpeg(folder, "stated.mp4", stated);
    as_ffmpeg(&stated, PLAIN, (640, 480), (0, 0.0));
}

#[test]
fn turned_and_anamorphic() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let plain = ffmpeg(
        folder,
        "plain.mp4",
        "-i IN -vf crop=480:320 -c:v libx264 -frames:v 8",
    );
    for (degrees, size) in [(90, (320, 480)), (180, (480, 320)), (270, (320, 480))] {
        let arguments = format!("-i IN -c copy -metadata:s:v:0 rotate={degrees}");
        let turned = ffmpeg_on(&plain, folder, "turned.mp4", &arguments);
        // `ffmpeg` turns before it converts: chroma lies a quarter of a pixel elsewhere.
        as_ffmpeg(&turned, PLAIN, size, (40, 1.0));
        // The same pixels elsewhere.
        let (a, b) = (&frames(&plain)[3].rgb, &frames(&turned)[3].rgb);
        let (x, y) = (10, 20);
        let there = match degrees {
            90 => [(319 - y, x), (y, 479 - x)],
            180 => [(479 - x, 319 - y), (479 - x, 319 - y)],
            _ => [(y, 479 - x), (319 - y, x)],
        };
        assert!(there.iter().any(|(u, v)| b.pixel(*u, *v) == a.pixel(x, y)));
    }
    // 4:3 shown from 704 x 576 with pixels of 12:11.
    let pal = "-i IN -vf scale=704:576,setsar=12/11 -c:v libx264 -frames:v 5";
    let pal = ffmpeg(folder, "pal.mp4", pal);
    let to = "768:576:flags=bicubic+accurate_rnd+full_chroma_int+bitexact";
    as_ffmpeg(&pal, to, (768, 576), (0, 0.0));
}

#[test]
fn times_are_the_containers() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Every third frame dropped, times kept.
    let vfr = "-i IN -vf select=mod(n\\,3) -vsync vfr -c:v libx264 -bf 3";
    let vfr = ffmpeg(folder, "vfr.mp4", vfr);
    let decoder = open(&vfr);
    assert!(decoder.facts().timing.variable);
    let stated = probe(
        &vfr,
        "-select_streams v -show_entries frame=best_effort_timestamp_time",
    );
    let stated: Vec<f64> = stated.iter().map(|t| t.parse().unwrap()).collect();
    let first = stated[0];
    let ours: Vec<f64> = decoder.map(|f| f.unwrap().time_s).collect();
    assert_eq!(ours.len(), stated.len());
    for (ours, stated) in ours.iter().zip(&stated) {
        assert!((ours - (stated - first)).abs() < 1e-5, "{ours} {stated}");
    }
    let ntsc = ffmpeg(folder, "ntsc.mkv", "-r 30000/1001 -i IN -c:v libx264");
    assert_eq!(open(&ntsc).facts().timing.rate, (30_000, 1_001));
    // AVI states no presentation times: in order, evenly.
    let avi = ffmpeg(
        folder,
        "b.avi",
        "-i IN -c:v mpeg4 -bf 2 -q:v 2 -frames:v 30",
    );
    let times: Vec<f64> = frames(&avi).iter().map(|f| f.time_s).collect();
    assert_eq!(times.len(), 30);
    for (n, t) in times.iter().enumerate() {
        assert!((t - n as f64 / 30.0).abs() < 0.005, "{n} {t}");
    }
}

#[test]
fn the_best_of_several_streams() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let several = "-i IN -f lavfi -i sine=duration=1 -filter_complex [0:v]split[a][b];[a]scale=160:120[s] \
        -map [s] -map 1:a -map [b] -c:v libx264 -c:a aac -shortest -frames:v 10 -disposition:v:0 0 -disposition:v:1 default";
    let several = several.replace("        ", "");
    let several = ffmpeg(folder, "several.mkv", &several);
    let decoder = open(&several);
    assert_eq!((decoder.facts().width, decoder.facts().height), (640, 480));
    assert!(decoder.count() > 5);
    let tone = "-f lavfi -i sine=duration=1 -c:a aac";
    let tone = ffmpeg(folder, "tone.mp4", tone);
    assert_eq!(refused(&tone, &Limits::default()), Reason::MediaTypeUnknown);
}

#[test]
fn some_frames_are_those_of_all_frames() {
    let folder = tempfile::tempdir().unwrap();
    let clips = [
        ("b.mp4", "-i IN -c:v libx264 -bf 3 -g 20"),
        (
            "open.mp4",
            "-i IN -c:v libx264 -bf 3 -g 10 -x264-params open-gop=1:b-pyramid=normal",
        ),
        (
            "recovers.mp4",
            "-i IN -c:v libx264 -g 10 -x264-params intra-refresh=1",
        ),
        ("short.ts", "-i IN -c:v libx264 -bf 2 -g 5"),
        ("h.mp4", "-i IN -c:v libx265 -x265-params log-level=none"),
        (
            "closed.mp4",
            "-i IN -c:v libx265 -g 12 -x265-params log-level=none:open-gop=0",
        ),
        (
            "open.mkv",
            "-i IN -c:v libx265 -g 12 -x265-params log-level=none",
        ),
        ("m.mkv", "-i IN -c:v mpeg2video -bf 2 -q:v 3"),
        ("a.avi", "-i IN -c:v mpeg4 -bf 2 -q:v 3"),
        (
            "v.webm",
            "-i IN -c:v libvpx -deadline good -cpu-used 5 -auto-alt-ref 1 -lag-in-frames 16",
        ),
    ];
    for (name, arguments) in clips {
        let file = ffmpeg(folder.path(), name, arguments);
        let all = frames(&file);
        assert_eq!(all.len() as u64, open(&file).facts().frames, "{name}");
        for wanted in [
            vec![0, 7, 30, 31, 64],
            vec![5],
            vec![40],
            vec![9, 10, 19, 44, 45, 63],
            (0..all.len() as u64).collect(),
            vec![],
        ] {
            let mut decoder = open(&file);
            decoder.only(wanted.iter().copied());
            let some: Vec<Frame> = decoder.map(|f| f.unwrap()).collect();
            let expected: Vec<&Frame> = wanted.iter().map(|n| &all[*n as usize]).collect();
            assert!(some.iter().eq(expected), "{name} {wanted:?}");
        }
        let threads = Limits {
            threads: 4,
            ..Limits::default()
        };
        let again = Decoder::open(&file, &threads).unwrap().map(|f| f.unwrap());
        assert!(again.eq(all), "{name}");
    }
    let mut decoder = open(&clip());
    let late = decoder
        .next_where(|_, time_s| time_s >= 1.0)
        .unwrap()
        .unwrap();
    assert_eq!(late.index, 30);
}

#[test]
fn over_the_limits_or_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let few = Limits {
        max_frames: 10,
        ..Limits::default()
    };
    assert_eq!(refused(&clip(), &few), Reason::MediaTooLarge);
    for media in [
        MediaLimits {
            max_pixels: 640 * 480 - 1,
            ..MediaLimits::default()
        },
        MediaLimits {
            max_duration_s: 1.0,
            ..MediaLimits::default()
        },
    ] {
        let small = Limits {
            media,
            ..Limits::default()
        };
        assert_eq!(refused(&clip(), &small), Reason::MediaTooLarge);
    }
    let whole = ffmpeg(
        folder,
        "whole.mp4",
        "-i IN -c:v libx264 -movflags +faststart",
    );
    let bytes = std::fs::read(&whole).unwrap();
    let path = folder.join("cut.mp4");
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(refused(&path, &Limits::default()), Reason::MediaTruncated);
    // Noise amid the frames.
    let mut noisy = bytes.clone();
    let middle = bytes.len() / 2;
    for byte in &mut noisy[middle..middle + 2000] {
        *byte = byte.wrapping_mul(37) ^ 0x5a;
    }
    std::fs::write(&path, noisy).unwrap();
    assert_eq!(refused(&path, &Limits::default()), Reason::MediaCorrupt);
    let lenient = Limits {
        max_damaged: 1000,
        ..Limits::default()
    };
    let through = Decoder::open(&path, &lenient).unwrap();
    let through: Vec<Frame> = through.map(|f| f.unwrap()).collect();
    assert!(through.len() > 40);
    // Noise in a group of pictures that nobody asks for is not decoded.
    let groups = ffmpeg(folder, "groups.mp4", "-i IN -c:v libx264 -g 10");
    let mut noisy = std::fs::read(&groups).unwrap();
    let third = noisy.len() / 3;
    for byte in &mut noisy[third..third + 2000] {
        *byte = byte.wrapping_mul(37) ^ 0x5a;
    }
    std::fs::write(&path, noisy).unwrap();
    assert_eq!(refused(&path, &Limits::default()), Reason::MediaCorrupt);
    let (mut whole, mut noisy) = (open(&groups), open(&path));
    for decoder in [&mut whole, &mut noisy] {
        decoder.only([3, 60]);
    }
    assert!(noisy.map(|f| f.unwrap()).eq(whole.map(|f| f.unwrap())));
    // Another kind of container, which would open other files.
    std::fs::write(&path, b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n").unwrap();
    assert_eq!(refused(&path, &Limits::default()), Reason::MediaCorrupt);
}

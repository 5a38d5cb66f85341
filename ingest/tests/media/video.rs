//! What is read from video, whole and damaged.

use std::process::Command;

use fairframe_ingest::media::Describer;
use fairframe_schemas::{MediaType, Reason, source::MediaLimits};

use crate::{
    clip, describe, describe_within,
    make::{cut, ffmpeg},
    reason, run, worker,
};

#[test]
fn a_real_clip() {
    let folder = tempfile::tempdir().unwrap();
    let thumbnail = folder.path().join("t.jpg");
    let facts = run(async {
        Describer::new(&MediaLimits::default(), worker(), 1)
            .describe(&clip(), Some(&thumbnail))
            .await
            .unwrap()
    });
    assert_eq!(facts.media_type, MediaType::Video);
    assert_eq!(facts.mime, "video/x-matroska");
    assert_eq!((facts.width, facts.height), (640, 480));
    assert_eq!(facts.video_codec.as_deref(), Some("h264"));
    assert!(!facts.has_audio);
    // What ffprobe counts, by decoding.
    let probe = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-count_frames",
            "-select_streams",
            "v:0",
            "-of",
            "csv=p=0",
        ])
        .args(["-show_entries", "stream=nb_read_frames"])
        .arg(clip())
        .output()
        .unwrap();
    let counted: u64 = String::from_utf8(probe.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert_eq!(facts.frame_count, Some(counted));
    let rate = facts.frame_rate.unwrap();
    let length = facts.duration_s.unwrap();
    assert!(
        (counted as f64 / rate - length).abs() < 0.15,
        "{counted} {rate} {length}"
    );
    assert!((2.0..5.0).contains(&length));
    let small = image::open(&thumbnail).unwrap();
    assert_eq!((small.width(), small.height()), (256, 192));
    // Again, and in another worker: the same.
    assert_eq!(describe(&clip()).unwrap(), facts);
}

#[test]
fn rotation_aspect_rates_and_containers() {
    let folder = tempfile::tempdir().unwrap();
    let plain = describe(&ffmpeg(folder.path(), "plain.mp4", "-i IN -c copy")).unwrap();
    assert_eq!(plain.mime, "video/mp4");
    let hash = plain.perceptual_hash.unwrap();
    assert!((describe(&clip()).unwrap().perceptual_hash.unwrap() ^ hash).count_ones() <= 4);

    // The picture turned, and the display matrix that turns it back: it looks the same.
    for (degrees, vf, orientation) in [
        ("90", "transpose=cclock", 6),
        ("180", "hflip,vflip", 3),
        ("270", "transpose=clock", 8),
    ] {
        let turned = ffmpeg(
            folder.path(),
            "turned.mp4",
            &format!("-i IN -vf {vf} -c:v libx264 -crf 18"),
        );
        let stored = describe(&turned).unwrap();
        let out = folder.path().join("matrix.mp4");
        let status = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-i"])
            .arg(&turned)
            .args([
                "-c",
                "copy",
                "-metadata:s:v:0",
                &format!("rotate={}", 360 - degrees.parse::<i32>().unwrap()),
            ])
            .arg(&out)
            .status()
            .unwrap();
        assert!(status.success());
        let facts = describe(&out).unwrap();
        let upright = [&facts, &stored].iter().any(|f| {
            (f.width, f.height) == (640, 480)
                && (f.perceptual_hash.unwrap() ^ hash).count_ones() <= 8
        });
        assert!(upright, "{degrees}: {facts:?}");
        assert!([orientation, 14 - orientation].contains(&facts.orientation) || orientation == 3);
    }

    // 4:3 shown from 704 x 576 with pixels of 12:11.
    let pal = "-i IN -vf scale=704:576,setsar=12/11 -c:v libx264 -frames:v 10";
    let pal = describe(&ffmpeg(folder.path(), "pal.mp4", pal)).unwrap();
    assert_eq!((pal.width, pal.height), (768, 576));

    let odd = "-i IN -vf crop=321:239:exact=1,format=yuv444p -c:v ffv1 -frames:v 5";
    let odd = describe(&ffmpeg(folder.path(), "odd.mkv", odd)).unwrap();
    assert_eq!((odd.width, odd.height), (321, 239));
    assert_eq!(odd.frame_count, Some(5));

    let ntsc = "-r 30000/1001 -i IN -c:v libx264 -f matroska";
    let ntsc = describe(&ffmpeg(folder.path(), "ntsc.mkv", ntsc)).unwrap();
    assert_eq!(ntsc.frame_rate_ratio, Some((30_000, 1_001)));
    assert_eq!(ntsc.variable_frame_rate, Some(false));

    let webm = "-i IN -c:v libvpx -deadline realtime -frames:v 20";
    let webm = describe(&ffmpeg(folder.path(), "w.webm", webm)).unwrap();
    assert_eq!(webm.mime, "video/webm");
    assert_eq!(webm.video_codec.as_deref(), Some("vp8"));
    assert_eq!(webm.frame_count, Some(20));

    // Every third frame dropped, times kept.
    let vfr = "-i IN -vf select=mod(n\\,3) -vsync vfr -c:v libx264";
    let vfr = describe(&ffmpeg(folder.path(), "vfr.mp4", vfr)).unwrap();
    assert_eq!(vfr.variable_frame_rate, Some(true));

    let sound = "-i IN -f lavfi -i sine=duration=2 -c:v copy -c:a aac -shortest";
    assert!(
        describe(&ffmpeg(folder.path(), "sound.mp4", sound))
            .unwrap()
            .has_audio
    );
    let deaf = ffmpeg(
        folder.path(),
        "tone.mp4",
        "-f lavfi -i sine=duration=1 -c:a aac",
    );
    assert_eq!(reason(&deaf), Reason::MediaTypeUnknown);
}

#[test]
fn truncated_long_and_broken_video() {
    let folder = tempfile::tempdir().unwrap();
    let index_first = ffmpeg(
        folder.path(),
        "first.mp4",
        "-i IN -c copy -movflags +faststart",
    );
    let index_last = ffmpeg(folder.path(), "last.mp4", "-i IN -c copy");
    for whole in [&index_first, &index_last] {
        assert!(describe(whole).is_ok());
        for share in [0.9, 0.5] {
            let path = cut(folder.path(), whole, "cut.mp4", share);
            assert_eq!(reason(&path), Reason::MediaTruncated, "{whole:?} {share}");
        }
    }
    let path = cut(folder.path(), &clip(), "cut.mkv", 0.5);
    assert_eq!(reason(&path), Reason::MediaTruncated);

    let short = MediaLimits {
        max_duration_s: 1.0,
        ..MediaLimits::default()
    };
    let refused = describe_within(&clip(), &short).unwrap_err();
    assert_eq!(refused.reason, Reason::MediaTooLarge);

    let mut bytes = std::fs::read(&index_first).unwrap();
    let from = bytes.len() / 4;
    for byte in &mut bytes[from..] {
        *byte = byte.wrapping_mul(37) ^ 0x5a;
    }
    let path = folder.path().join("noise.mp4");
    std::fs::write(&path, bytes).unwrap();
    // Noise where frames should be: whatever is said, nothing hangs or crashes the run.
    let _ = describe(&path);
}

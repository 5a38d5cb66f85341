//! Describing files through real worker processes: real photos and clips, what
//! `ffmpeg` makes of them, and hostile bytes.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use fairframe_ingest::media::{DescribeError, Describer, Facts, MediaFailure, WorkerCommand};
use fairframe_schemas::{MediaType, Reason, source::MediaLimits};

fn worker() -> WorkerCommand {
    WorkerCommand {
        program: env!("CARGO_BIN_EXE_media-worker").into(),
        arguments: Vec::new(),
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn describe(path: &Path) -> Result<Facts, MediaFailure> {
    describe_within(path, &MediaLimits::default())
}

fn describe_within(path: &Path, limits: &MediaLimits) -> Result<Facts, MediaFailure> {
    run(async {
        Describer::new(limits, worker(), 1)
            .describe(path, None)
            .await
            .map_err(of_file)
    })
}

fn of_file(error: DescribeError) -> MediaFailure {
    match error {
        DescribeError::File(failure) => failure,
        DescribeError::Machine { .. } => panic!("{error}"),
    }
}

fn reason(path: &Path) -> Reason {
    describe(path).unwrap_err().reason
}

fn datasets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets")
}

fn photo(name: &str) -> PathBuf {
    datasets().join("drop/media").join(name)
}

fn clip() -> PathBuf {
    datasets().join("actors/clips/yes.mkv")
}

/// Runs `ffmpeg` on the clip (`IN` stands for it) and gives the file it wrote.
fn ffmpeg(folder: &Path, name: &str, arguments: &str) -> PathBuf {
    let out = folder.join(name);
    let clip = clip();
    let arguments = arguments.split(' ').map(|a| match a {
        "IN" => clip.to_str().unwrap(),
        other => other,
    });
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-y"])
        .args(arguments)
        .arg(&out)
        .stdin(Stdio::null())
        .status()
        .expect("the program `ffmpeg` is installed");
    assert!(status.success(), "{name}");
    out
}

fn cut(folder: &Path, whole: &Path, name: &str, share: f64) -> PathBuf {
    let bytes = std::fs::read(whole).unwrap();
    let out = folder.join(name);
    std::fs::write(&out, &bytes[..(bytes.len() as f64 * share) as usize]).unwrap();
    out
}

#[test]
fn a_real_photo_with_a_place() {
    let folder = tempfile::tempdir().unwrap();
    let thumbnail = folder.path().join("a/b/thumbnail.jpg");
    let facts = run(async {
        Describer::new(&MediaLimits::default(), worker(), 1)
            .describe(&photo("DSCN0010.jpg"), Some(&thumbnail))
            .await
            .unwrap()
    });
    assert_eq!(facts.media_type, MediaType::Image);
    assert_eq!(facts.mime, "image/jpeg");
    assert_eq!((facts.width, facts.height), (640, 480));
    assert_eq!(facts.reasons, []);
    let place = facts.exif_place.unwrap();
    assert!((place.latitude - 43.467_448).abs() < 1e-4, "{place:?}");
    assert!((place.longitude - 11.885_127).abs() < 1e-4, "{place:?}");
    assert_eq!(place.precision_m, Some(5.0));
    let taken = facts.exif_captured_at.unwrap();
    assert_eq!(taken.at.to_rfc3339(), "2008-10-22T16:28:39+00:00");

    let small = image::open(&thumbnail).unwrap();
    assert_eq!((small.width(), small.height()), (256, 192));
    let left: Vec<_> = std::fs::read_dir(thumbnail.parent().unwrap())
        .unwrap()
        .collect();
    assert_eq!(left.len(), 1, "no temporary file is left");
    // The thumbnail looks like the photo.
    let again = describe(&thumbnail).unwrap();
    let (a, b) = (
        facts.perceptual_hash.unwrap(),
        again.perceptual_hash.unwrap(),
    );
    assert!((a ^ b).count_ones() <= 2);
}

#[test]
fn a_rotated_photo_is_described_upright() {
    let folder = tempfile::tempdir().unwrap();
    let thumbnail = folder.path().join("t.jpg");
    let facts = run(async {
        Describer::new(&MediaLimits::default(), worker(), 1)
            .describe(&photo("landscape_6.jpg"), Some(&thumbnail))
            .await
            .unwrap()
    });
    assert_eq!(facts.orientation, 6);
    assert_eq!((facts.width, facts.height), (600, 450));
    let small = image::open(&thumbnail).unwrap();
    assert_eq!((small.width(), small.height()), (256, 192));
}

#[test]
fn all_picture_formats_look_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let photo = image::open(photo("DSCN0012.jpg")).unwrap();
    let hash = describe(&self::photo("DSCN0012.jpg"))
        .unwrap()
        .perceptual_hash
        .unwrap();
    let mut made = Vec::new();
    for (name, mime) in [
        // The names lie: the type is read from the content.
        ("png.jpg", "image/png"),
        ("webp.txt", "image/webp"),
        ("tiff.html", "image/tiff"),
        ("bmp.mp4", "image/bmp"),
        ("gif", "image/gif"),
    ] {
        let path = folder.path().join(name);
        let format = image::ImageFormat::from_mime_type(mime).unwrap();
        photo.save_with_format(&path, format).unwrap();
        made.push((path, mime));
    }
    let sixteen = folder.path().join("sixteen.png");
    image::DynamicImage::from(photo.to_rgb16())
        .save(&sixteen)
        .unwrap();
    made.push((sixteen, "image/png"));
    let sixteen = folder.path().join("sixteen.tiff");
    image::DynamicImage::from(photo.to_rgb16())
        .save(&sixteen)
        .unwrap();
    made.push((sixteen, "image/tiff"));
    let grey = folder.path().join("grey.png");
    image::DynamicImage::from(photo.to_luma8())
        .save(&grey)
        .unwrap();
    made.push((grey, "image/png"));
    let grey = folder.path().join("grey.jpg");
    image::DynamicImage::from(photo.to_luma8())
        .save(&grey)
        .unwrap();
    made.push((grey, "image/jpeg"));
    let alpha = folder.path().join("alpha.png");
    image::DynamicImage::from(photo.to_rgba16())
        .save(&alpha)
        .unwrap();
    made.push((alpha, "image/png"));
    let cmyk = folder.path().join("cmyk.jpg");
    std::fs::write(&cmyk, cmyk_jpeg(&photo.to_rgb8())).unwrap();
    made.push((cmyk, "image/jpeg"));
    for (path, mime) in made {
        let facts = describe(&path).unwrap();
        assert_eq!(facts.mime, mime, "{path:?}");
        assert_eq!((facts.width, facts.height), (640, 480), "{path:?}");
        assert_eq!((facts.animated, facts.reasons.as_slice()), (false, &[][..]));
        let distance = (facts.perceptual_hash.unwrap() ^ hash).count_ones();
        assert!(distance <= 6, "{path:?}: {distance}");
    }
}

/// A YCCK JPEG without an Adobe segment's inversion, as libjpeg-turbo writes CMYK.
fn cmyk_jpeg(rgb: &image::RgbImage) -> Vec<u8> {
    let mut compressor = turbojpeg::Compressor::new().unwrap();
    let pixels: Vec<u8> = rgb
        .pixels()
        // Inverted, as Adobe does: libjpeg-turbo adds the Adobe marker.
        .flat_map(|p| {
            let [r, g, b] = p.0;
            [r, g, b, 255]
        })
        .collect();
    compressor
        .compress_to_vec(turbojpeg::Image {
            pixels: &pixels[..],
            width: rgb.width() as usize,
            pitch: rgb.width() as usize * 4,
            height: rgb.height() as usize,
            format: turbojpeg::PixelFormat::CMYK,
        })
        .unwrap()
}

#[test]
fn animations_are_noticed_and_need_leave() {
    let folder = tempfile::tempdir().unwrap();
    for (name, options) in [
        ("a.gif", "-i IN -frames:v 5 -vf scale=64:48"),
        (
            "a.webp",
            "-i IN -frames:v 5 -vf scale=64:48 -c:v libwebp_anim",
        ),
        ("a.png", "-i IN -frames:v 5 -vf scale=64:48 -f apng"),
    ] {
        let path = ffmpeg(folder.path(), name, options);
        let facts = describe(&path).unwrap();
        assert!(facts.animated, "{name}");
        assert_eq!(facts.reasons, [Reason::MediaAnimated], "{name}");
        assert_eq!((facts.width, facts.height), (64, 48), "{name}");
        let allowed = MediaLimits {
            allow_animated: true,
            ..MediaLimits::default()
        };
        assert_eq!(
            describe_within(&path, &allowed).unwrap().reasons,
            [],
            "{name}"
        );
    }
    let still = ffmpeg(folder.path(), "still.gif", "-i IN -frames:v 1");
    assert!(!describe(&still).unwrap().animated);
}

#[test]
fn truncated_and_corrupt_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let decoded = image::open(photo("DSCN0012.jpg")).unwrap();
    let mut wholes = vec![photo("DSCN0012.jpg")];
    for name in ["w.png", "w.webp", "w.tiff", "w.bmp", "w.gif"] {
        let path = folder.path().join(name);
        decoded.save(&path).unwrap();
        wholes.push(path);
    }
    let progressive = ffmpeg(folder.path(), "p.jpg", "-i IN -frames:v 1");
    wholes.push(progressive);
    for whole in wholes {
        for share in [0.9, 0.5, 0.2] {
            let path = cut(folder.path(), &whole, "cut", share);
            assert_eq!(reason(&path), Reason::MediaTruncated, "{whole:?} {share}");
        }
        // A header, and then noise.
        let mut bytes = std::fs::read(&whole).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 2_000].fill(0x5a);
        if whole.extension().is_some_and(|e| e == "png") {
            let path = folder.path().join("noise");
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(reason(&path), Reason::MediaCorrupt, "{whole:?}");
        }
    }
}

#[test]
fn bytes_that_are_no_media() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    assert_eq!(reason(&file("empty.jpg", b"")), Reason::MediaEmpty);
    let html = b"<!DOCTYPE html><title>404</title>".repeat(100);
    assert_eq!(reason(&file("page.jpg", &html)), Reason::MediaTypeUnknown);
    assert_eq!(
        reason(&file("a.avif", b"\0\0\0\x1cftypavif\0\0\0\0")),
        Reason::MediaTypeUnknown
    );
    // A playlist would make FFmpeg open other files: it is not even asked.
    let list = "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n";
    assert_eq!(
        reason(&file("list.mp4", list.as_bytes())),
        Reason::MediaTypeUnknown
    );
    assert_eq!(
        reason(&file("soi.jpg", b"\xff\xd8\xff")),
        Reason::MediaTruncated
    );
    for magic in [
        &b"\x89PNG\r\n\x1a\n"[..],
        b"GIF89a",
        b"RIFF\xff\xff\xff\x7fWEBP",
        b"II*\0",
    ] {
        let got = reason(&file("short", magic));
        assert!(
            matches!(got, Reason::MediaTruncated | Reason::MediaCorrupt),
            "{got} {magic:?}"
        );
    }
}

#[test]
fn bombs_are_refused_from_their_header() {
    let folder = tempfile::tempdir().unwrap();
    // A PNG of 60000 x 60000 whose data are a few bytes.
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    png.extend(60_000u32.to_be_bytes());
    png.extend(60_000u32.to_be_bytes());
    png.extend([8, 2, 0, 0, 0]);
    let crc = crc32(&png[12..29]);
    png.extend(crc.to_be_bytes());
    png.extend(b"\0\0\0\x04IDAT\x78\x9c\x03\0");
    png.extend(crc32(b"IDAT\x78\x9c\x03\0").to_be_bytes());
    let path = folder.path().join("bomb.png");
    std::fs::write(&path, &png).unwrap();
    assert_eq!(reason(&path), Reason::MediaTooLarge);

    // A real photo whose frame header says 65500 x 65500.
    let mut jpeg = std::fs::read(photo("DSCN0010.jpg")).unwrap();
    // The last one: the first is that of the small picture inside the EXIF block.
    let sof = jpeg
        .windows(5)
        .rposition(|w| w == [0xff, 0xc0, 0, 0x11, 8])
        .unwrap();
    jpeg[sof + 5..sof + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
    let path = folder.path().join("bomb.jpg");
    std::fs::write(&path, &jpeg).unwrap();
    assert_eq!(reason(&path), Reason::MediaTooLarge);

    let few = MediaLimits {
        max_pixels: 640 * 480 - 1,
        ..MediaLimits::default()
    };
    let refused = describe_within(&photo("DSCN0010.jpg"), &few).unwrap_err();
    assert_eq!(refused.reason, Reason::MediaTooLarge);
    assert!(refused.message.contains("640 x 480"), "{refused}");
}

/// CRC-32 as in PNG (ISO 3309), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

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

#[test]
fn dead_hung_and_babbling_workers_cost_one_sample() {
    let short = Duration::from_millis(700);
    let with = |program: &str, arguments: &[&str]| {
        let command = WorkerCommand {
            program: program.into(),
            arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
        };
        run(async {
            Describer::new(&MediaLimits::default(), command, 2)
                .with_wall_clock(short)
                .describe(&photo("DSCN0010.jpg"), None)
                .await
                .unwrap_err()
        })
    };
    let crashed = |program, arguments: &[&str]| of_file(with(program, arguments));
    for (program, arguments) in [
        ("/bin/false", &[][..]),
        ("/bin/sleep", &["60"]),
        ("/bin/echo", &["nonsense"]),
    ] {
        let failure = crashed(program, arguments);
        assert_eq!(
            failure.reason,
            Reason::WorkerCrashed,
            "{program}: {failure}"
        );
    }
    // Longer than any line may be, and without an end.
    let failure = crashed("/bin/sh", &["-c", "yes | tr -d '\\n'"]);
    assert_eq!(failure.reason, Reason::WorkerCrashed);
}

#[test]
fn what_this_machine_cannot_do_is_no_samples_fault() {
    let machine = |command: WorkerCommand, file: &Path, thumbnail: Option<&Path>| {
        let error = run(async {
            Describer::new(&MediaLimits::default(), command, 1)
                .describe(file, thumbnail)
                .await
                .unwrap_err()
        });
        assert!(matches!(error, DescribeError::Machine { .. }), "{error}");
        error.to_string()
    };
    let folder = tempfile::tempdir().unwrap();
    let photo = photo("DSCN0010.jpg");
    let absent = WorkerCommand {
        program: "/no/such/program".into(),
        arguments: Vec::new(),
    };
    let said = machine(absent, &photo, None);
    assert!(
        said.starts_with("/no/such/program: the decoder cannot be started"),
        "{said}"
    );
    let limitless = WorkerCommand {
        program: "/bin/sh".into(),
        arguments: vec!["-c".to_owned(), "exit 3".to_owned()],
    };
    assert!(machine(limitless, &photo, None).contains("cannot limit itself"));
    let lost = folder.path().join("absent.jpg");
    assert!(machine(worker(), &lost, None).contains("absent.jpg: No such file"));
    // The folder of the thumbnail is a file.
    std::fs::write(folder.path().join("a"), "").unwrap();
    let nowhere = folder.path().join("a/thumbnail.jpg");
    assert!(machine(worker(), &photo, Some(&nowhere)).contains("a/thumbnail.jpg: "));
}

#[test]
fn a_killed_worker_is_replaced() {
    run(async {
        // An argument that the worker ignores tells it from those of other tests.
        let mark = "to-be-killed";
        let command = WorkerCommand {
            arguments: vec![mark.to_owned()],
            ..worker()
        };
        let describer = Describer::new(&MediaLimits::default(), command, 1);
        let photo = photo("DSCN0010.jpg");
        describer.describe(&photo, None).await.unwrap();
        let children = children(mark);
        assert_eq!(children.len(), 1, "one worker serves");
        let status = Command::new("kill")
            .args(["-9", &children[0]])
            .status()
            .unwrap();
        assert!(status.success());
        // It died idle: the next file is tried again in a fresh worker.
        describer.describe(&photo, None).await.unwrap();
    });
}

#[test]
fn sources_of_a_run_share_the_workers() {
    run(async {
        let mark = "shared-by-sources";
        let command = WorkerCommand {
            arguments: vec![mark.to_owned()],
            ..worker()
        };
        let first = Describer::new(&MediaLimits::default(), command, 2);
        let tight = MediaLimits {
            memory_mb: 300,
            ..MediaLimits::default()
        };
        let second = first.within(&tight);
        let photo = photo("DSCN0010.jpg");
        // Many at once by both: never more workers than may work at a time.
        for _ in 0..3 {
            let all = (0..8).map(|i| {
                let describer = if i % 2 == 0 { &first } else { &second };
                describer.describe(&photo, None)
            });
            for facts in futures_util::future::join_all(all).await {
                facts.unwrap();
            }
            // One that is being replaced may not be reaped yet.
            let most = (0..100).map(|_| {
                std::thread::sleep(Duration::from_millis(20));
                children(mark).len()
            });
            assert!(most.into_iter().any(|n| n <= 2));
        }
        second.finish().await;
        assert_eq!(children(mark).len(), 0, "one pool");
    });
}

/// Ids of this process's children that were started with the argument `mark`.
fn children(mark: &str) -> Vec<String> {
    let mut found = Vec::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let list = task.unwrap().path().join("children");
        let ids = std::fs::read_to_string(list).unwrap_or_default();
        found.extend(ids.split_whitespace().map(str::to_owned).filter(|id| {
            std::fs::read_to_string(format!("/proc/{id}/cmdline"))
                .is_ok_and(|line| line.contains(mark))
        }));
    }
    found
}

#[test]
fn memory_and_time_limits_end_the_worker_only() {
    let folder = tempfile::tempdir().unwrap();
    // 144 megapixels of one colour: small on disk, 432 MB decoded.
    let large = folder.path().join("large.png");
    image::RgbImage::new(12_000, 12_000).save(&large).unwrap();
    let tight = MediaLimits {
        memory_mb: 128,
        ..MediaLimits::default()
    };
    let failure = describe_within(&large, &tight).unwrap_err();
    assert_eq!(failure.reason, Reason::MediaTooLarge, "{failure}");
    assert!(describe(&large).is_ok());

    // 64 megapixels of noise, which take longer than the second that is left to them.
    let mut state = 1u32;
    let noise = image::RgbImage::from_fn(8_000, 8_000, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        image::Rgb([(state >> 24) as u8, (state >> 16) as u8, (state >> 8) as u8])
    });
    let large = folder.path().join("noise.webp");
    noise.save(&large).unwrap();
    let hasty = MediaLimits {
        cpu_s: 0,
        ..MediaLimits::default()
    };
    run(async {
        let describer = Describer::new(&hasty, worker(), 1);
        let failure = of_file(describer.describe(&large, None).await.unwrap_err());
        assert_eq!(failure.reason, Reason::WorkerCrashed, "{failure}");
        describer
            .describe(&photo("DSCN0010.jpg"), None)
            .await
            .unwrap();
    });
}

#[test]
fn a_worker_leaves_with_its_parent() {
    // A shell starts the worker in the background on a pipe that stays open, and is killed.
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let script = format!(
        "exec 9<>{pipe}; {worker} <&9 >/dev/null & echo $!; wait",
        pipe = pipe.display(),
        worker = env!("CARGO_BIN_EXE_media-worker"),
    );
    let keep = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&pipe)
        .unwrap();
    let mut shell = Command::new("/bin/sh")
        .args(["-c", &script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = std::io::BufReader::new(shell.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut output, &mut line).unwrap();
    let worker = PathBuf::from(format!("/proc/{}", line.trim()));
    assert!(worker.exists());
    std::thread::sleep(Duration::from_millis(200));
    shell.kill().unwrap();
    shell.wait().unwrap();
    let gone = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        !worker.exists()
    });
    assert!(gone, "the worker lives on");
    drop(keep);
}

#[test]
fn a_line_that_is_no_job_ends_the_worker() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_media-worker"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"{\"path\": 7}\n")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}

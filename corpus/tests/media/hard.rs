//! Clips that are hard to frame, made of real ones: dark, two people side by side, faces turned
//! away, ten minutes. What is said of a frame is a face where it stands, or a reason.

use std::path::{Path, PathBuf};

use fairframe_corpus::{
    frame::{FrameTask, Framed, mesh, read},
    video::Limits,
    worker::{self, Task, Workers},
};
use fairframe_schemas::{
    Reason,
    corpus::frame::FrameRow,
    source::{Crops, FrameRule, Sampling},
};

use crate::{
    make::{clips, ffmpeg_on},
    worker::command,
};

fn every(n: u32) -> FrameRule {
    FrameRule {
        sample: Sampling::Every(n),
        crops: Crops::None,
        ..FrameRule::default()
    }
}

fn task(video: &Path, rule: &FrameRule) -> FrameTask {
    FrameTask {
        video: video.to_owned(),
        title: "hard".to_owned(),
        rule: rule.clone(),
        limits: Limits::default(),
    }
}

fn framed(video: &Path, rule: &FrameRule) -> (Framed, Vec<FrameRow>) {
    let out = tempfile::tempdir().unwrap();
    let done = task(video, rule).work(out.path()).unwrap();
    (done.made, read(out.path()).unwrap())
}

/// A clip through a filter of `ffmpeg`, without loss.
fn filtered(clip: &str, folder: &Path, name: &str, filter: &str) -> PathBuf {
    let arguments = format!("-i IN -vf {filter} -c:v ffv1 -pix_fmt bgr0");
    ffmpeg_on(&clips().join(clip), folder, name, &arguments)
}

/// Mean distance of the landmarks of two rows, the first's carried along by `place`, in
/// distances of the eyes.
fn apart(from: &FrameRow, to: &FrameRow, place: impl Fn(f32, f32) -> (f32, f32)) -> f32 {
    let (from, to) = (mesh(from).unwrap(), mesh(to).unwrap());
    let at = |i: usize| place(from.points[i][0], from.points[i][1]);
    let eyes = (at(33).0 - at(263).0).hypot(at(33).1 - at(263).1);
    let sum: f32 = (0..from.points.len())
        .map(|i| (at(i).0 - to.points[i][0]).hypot(at(i).1 - to.points[i][1]))
        .sum();
    sum / from.points.len() as f32 / eyes
}

fn has_face(row: &FrameRow) -> bool {
    assert_eq!(row.landmarks.is_some(), row.bounds.is_some());
    assert!(row.landmarks.is_some() || row.reason.is_some());
    row.landmarks.is_some()
}

/// Rows have the faces of `from`, carried along by `place`; how many have one at all.
fn there(from: &[FrameRow], rows: &[FrameRow], place: impl Fn(f32, f32) -> (f32, f32)) -> usize {
    assert_eq!(from.len(), rows.len());
    let mut there = 0;
    for (from, row) in from.iter().zip(rows).filter(|(_, row)| has_face(row)) {
        let apart = apart(from, row, &place);
        assert!(apart < 0.15, "frame {}: {apart}", row.frame);
        there += 1;
    }
    there
}

#[test]
fn in_the_dark_a_face_is_where_it_is_in_the_light_or_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let (_, light) = framed(&clips().join("no.mkv"), &every(8));
    assert!(light.iter().all(has_face));
    // Of so many levels of 255.
    for (levels, all) in [(64, true), (32, true), (12, false), (0, false)] {
        let part = format!("val*{levels}/255");
        let filter = format!("lutrgb=r={part}:g={part}:b={part}");
        let name = format!("dark-{levels}.mkv");
        let (made, dark) = framed(
            &filtered("no.mkv", folder.path(), &name, &filter),
            &every(8),
        );
        let found = there(&light, &dark, |x, y| (x, y));
        assert_eq!(found == light.len(), all, "{levels}: {found}");
        assert_eq!(made.faces as usize, found);
        if levels == 0 {
            let missing = |r: &FrameRow| r.reason == Some(Reason::FaceMissing);
            assert!(dark.iter().all(missing));
        }
    }
}

#[test]
fn of_two_people_side_by_side_the_nearer_one_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (_, alone) = framed(&clips().join("no.mkv"), &every(6));
    let near = "crop=320:480:160:0";
    let far = format!("{near},scale=192:288,pad=320:480:64:96");
    for (order, left) in [("[a][b]", 0.0), ("[b][a]", 320.0)] {
        // From frame 50 on the nearer one is out of sight.
        let away = format!("drawbox=x={left}:y=0:w=320:h=480:t=fill:enable=gte(n\\,50)");
        let graph = format!("[0]{near}[a];[1]{far}[b];{order}hstack=shortest=1,{away}");
        let other = clips().join("walk.mkv");
        let arguments = format!(
            "-i IN -i {} -filter_complex {graph} -c:v ffv1 -pix_fmt bgr0",
            other.display()
        );
        let name = format!("two-{left}.mkv");
        let video = ffmpeg_on(&clips().join("no.mkv"), folder.path(), &name, &arguments);
        let (made, rows) = framed(&video, &every(6));
        assert_eq!(made.tracks, 2);
        let (seen, gone) = rows.split_at(9);
        assert!(
            seen.iter()
                .all(|r| r.faces == 2 && r.track == seen[0].track)
        );
        let place = |x: f32, y: f32| (x - 160.0 + left, y);
        assert_eq!(there(&alone[..9], seen, place), 9);
        // The other one does not take their place.
        for row in gone {
            assert_eq!(row.reason, Some(Reason::FaceOther));
            assert!(!has_face(row) && row.track.is_none());
        }
        assert_eq!(gone.len(), 2);
    }
}

#[test]
fn a_face_turned_away_stands_where_it_is_or_has_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (_, front) = framed(&clips().join("no.mkv"), &every(8));
    let all = front.len();
    let framed = |name: &str, filter: &str| {
        let name = format!("{name}.mkv");
        framed(&filtered("no.mkv", folder.path(), &name, filter), &every(8)).1
    };
    // As narrow as a head turned by so much would be: no clip shows one.
    let narrow = |width: u32| {
        let left = (640 - width) / 2;
        let filter = format!("scale={width}:480:flags=bicubic,pad=640:480:{left}:0");
        let rows = framed(&format!("narrow-{width}"), &filter);
        let scale = width as f32 / 640.0;
        there(&front, &rows, |x, y| (left as f32 + scale * x, y))
    };
    assert_eq!((narrow(384), narrow(128)), (all, 0));
    // Lying, and standing on the head.
    let lying = framed("lying", "transpose=clock");
    assert_eq!(there(&front, &lying, |x, y| (479.0 - y, x)), all);
    let on_head = framed("on-head", "hflip,vflip");
    there(&front, &on_head, |x, y| (639.0 - x, 479.0 - y));
    for row in lying.iter().chain(&on_head) {
        assert_eq!(has_face(row), row.reason.is_none());
    }
}

/// Ten minutes need no more memory than ten seconds. Takes some 10 minutes:
/// `cargo test --release -p fairframe-corpus --test media ten_minutes -- --ignored --nocapture`.
#[test]
#[ignore = "takes 10 minutes"]
fn ten_minutes_need_no_more_memory_than_ten_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let workers = Workers::new(command(), 1, worker::Limits::default());
    let rule = FrameRule {
        sample: Sampling::All,
        ..every(1)
    };
    let peak = |seconds: u32| {
        let name = format!("{seconds}.mkv");
        let arguments = format!("-stream_loop -1 -i IN -t {seconds} -c copy");
        let video = ffmpeg_on(&clips().join("no.mkv"), folder.path(), &name, &arguments);
        let out = tempfile::tempdir().unwrap();
        let done = workers.run(task(&video, &rule), out.path()).unwrap();
        assert!(done.made.frames >= u64::from(seconds) * 29, "{done:?}");
        // Of all children there were: the largest, in KiB.
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: a plain call with a valid pointer, to numbers for which 0 is a value.
        let most = unsafe {
            libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr());
            usage.assume_init().ru_maxrss
        };
        eprintln!("{} frames: {} MiB", done.made.frames, most / 1024);
        most as f64
    };
    let (short, long) = (peak(10), peak(600));
    assert!(long < 1.2 * short, "{long} KiB, {short} for ten seconds");
}

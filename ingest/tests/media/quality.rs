//! Sharpness and luminance of real photos and clips, and of what is made of them.

use std::path::{Path, PathBuf};

use fairframe_ingest::{journal::Journal, media::Facts};
use fairframe_schemas::{Layout, Name};
use image::{DynamicImage, imageops::FilterType};

use crate::{clip, describe, ingest::Drop, photo};

const PHOTOS: [&str; 2] = ["DSCN0010.jpg", "DSCN0012.jpg"];

fn measured(facts: &Facts) -> (f64, f64) {
    (facts.sharpness.unwrap(), facts.luminance.unwrap())
}

fn save(folder: &Path, name: &str, picture: &DynamicImage) -> PathBuf {
    let path = folder.join(name);
    picture.save(&path).unwrap();
    path
}

#[test]
fn a_blurred_copy_is_less_sharp_and_a_darkened_one_less_bright() {
    let folder = tempfile::tempdir().unwrap();
    for name in PHOTOS {
        let (sharpness, luminance) = measured(&describe(&photo(name)).unwrap());
        assert!(sharpness > 100.0, "{name}: {sharpness}");
        assert!((0.2..0.8).contains(&luminance), "{name}: {luminance}");
        let picture = image::open(photo(name)).unwrap();
        let mut before = sharpness;
        for sigma in [3.0, 6.0, 12.0] {
            let path = save(folder.path(), "blurred.png", &picture.blur(sigma));
            let (blurred, light) = measured(&describe(&path).unwrap());
            assert!(
                blurred < before / 2.0,
                "{name}, {sigma}: {blurred} of {before}"
            );
            assert!((light - luminance).abs() < 0.01, "{name}, {sigma}: {light}");
            before = blurred;
        }
        let mut dark = picture.to_rgb8();
        dark.pixels_mut().for_each(|p| p.0 = p.0.map(|v| v / 2));
        let path = save(folder.path(), "dark.png", &dark.into());
        let (_, dark) = measured(&describe(&path).unwrap());
        assert!((dark - luminance / 2.0).abs() < 0.01, "{name}: {dark}");
    }
}

#[test]
fn half_the_size_is_about_as_sharp_and_as_bright() {
    let folder = tempfile::tempdir().unwrap();
    for name in PHOTOS {
        let picture = image::open(photo(name)).unwrap();
        // As a camera would have taken it, and half of that.
        let large = picture.resize_exact(1280, 960, FilterType::CatmullRom);
        let (sharpness, luminance) =
            measured(&describe(&save(folder.path(), "large.jpg", &large)).unwrap());
        let half = large.resize_exact(640, 480, FilterType::Triangle);
        for (name, copy) in [("half.jpg", &half), ("half.png", &half)] {
            let (s, l) = measured(&describe(&save(folder.path(), name, copy)).unwrap());
            assert!(
                (s / sharpness - 1.0).abs() < 0.15,
                "{name}: {s} of {sharpness}"
            );
            assert!((l - luminance).abs() < 0.005, "{name}: {l} of {luminance}");
        }
    }
}

#[test]
fn the_same_pixels_give_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let picture = image::open(photo(PHOTOS[0])).unwrap();
    let names = ["a.png", "a.bmp", "a.tiff"];
    let paths = names.map(|name| save(folder.path(), name, &picture));
    let first = measured(&describe(&paths[0]).unwrap());
    for path in paths.iter().chain(&paths) {
        assert_eq!(measured(&describe(path).unwrap()), first, "{path:?}");
    }
    // Turned, it has the same pixels.
    let turned = save(folder.path(), "turned.png", &picture.rotate180());
    let (sharpness, luminance) = measured(&describe(&turned).unwrap());
    assert!((sharpness / first.0 - 1.0).abs() < 0.02 && (luminance - first.1).abs() < 0.001);
}

#[test]
fn of_a_video_its_middle_frame_is_measured() {
    let (sharpness, luminance) = measured(&describe(&clip()).unwrap());
    assert!(sharpness > 1.0 && (0.05..0.95).contains(&luminance));
}

/// A journal of a release that did not measure: its media are looked at again, nothing is fetched
/// anew, and the next version says what was measured.
#[test]
fn what_an_earlier_release_did_not_measure_is_measured_by_the_next_ingest() {
    let mut drop = Drop::new();
    for name in PHOTOS {
        drop.add(name, std::fs::read(photo(name)).unwrap(), &[]);
    }
    let root = tempfile::tempdir().unwrap();
    let first = crate::ingest::ingest(root.path(), drop.declare(|_| true));
    let (whole, _) = crate::ingest::rows(&first.folder);
    assert!(
        whole
            .values()
            .all(|s| s.sharpness.is_some() && s.luminance.is_some())
    );

    // As the release before wrote it: facts without the two numbers, and rows without them.
    let layout = Layout::new(root.path());
    let journal = layout.journal(&Name::new("bad").unwrap());
    drop_measures(&journal);
    let opened = Journal::open(&journal).unwrap();
    let page = opened.page(None, 10).unwrap();
    assert!(page.iter().all(|e| !e.facts.as_ref().unwrap().is_whole()));
    std::mem::drop(opened);
    let table = drop.declare(|_| true);
    let again = crate::ingest::ingest(root.path(), table);
    // They are what they were, so there is nothing to release.
    assert!(!again.written);
    let opened = Journal::open(&journal).unwrap();
    let page = opened.page(None, 10).unwrap();
    assert_eq!(page.len(), 2);
    for entry in page {
        assert!(entry.facts.unwrap().is_whole());
        let at = entry.fetched.unwrap().at;
        let row = &whole[&entry.listed.sample.source_key];
        assert_eq!(Some(at), row.retrieved_at, "it was fetched again");
    }
}

fn drop_measures(journal: &Path) {
    let db = rusqlite::Connection::open(journal).unwrap();
    let changed = db
        .execute(
            "UPDATE facts SET json = json_remove(json, '$.facts.sharpness', '$.facts.luminance')",
            [],
        )
        .unwrap();
    assert_eq!(changed, 2);
}

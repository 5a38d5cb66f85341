//! What is read from pictures.

use fairframe_ingest::media::Describer;
use fairframe_schemas::{MediaType, Reason, source::MediaLimits};

use crate::{
    describe, describe_within,
    make::{cmyk_jpeg, ffmpeg},
    photo, run, worker,
};

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

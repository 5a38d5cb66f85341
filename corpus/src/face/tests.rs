//! Faces in real pictures, against what onnxruntime and OpenCV make of them
//! (`corpus/testdata/reference.py`).

use std::path::{Path, PathBuf};

use super::*;

fn at(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

fn open(name: &str) -> Rgb {
    let folders = ["testdata", "../datasets/demo-commons/replay/media"];
    let path = folders.iter().map(|f| at(f).join(name));
    let path = path.into_iter().find(|p| p.exists()).unwrap();
    let picture = image::open(path).unwrap().into_rgb8();
    let (width, height) = picture.dimensions();
    Rgb {
        width,
        height,
        data: picture.into_raw(),
    }
}

/// What the reference says of a picture: `(what, number, [x, y, z])`.
fn reference(name: &str) -> Vec<(String, usize, [f32; 3])> {
    let mut rows = csv::Reader::from_path(at("testdata/meshes.csv")).unwrap();
    rows.deserialize::<(String, String, usize, f32, f32, f32)>()
        .map(Result::unwrap)
        .filter(|r| r.0 == name)
        .map(|r| (r.1, r.2, [r.3, r.4, r.5]))
        .collect()
}

const PICTURES: [&str; 4] = ["obama.jpg", "biden.jpg", "again-10.jpg", "walk-40.jpg"];

#[test]
fn faces_and_points_are_those_of_the_reference() {
    let detector = Detector::new().unwrap();
    let landmarker = Landmarker::new().unwrap();
    for name in PICTURES {
        let picture = open(name);
        let expected = reference(name);
        let one = |what: &str| expected.iter().find(|e| e.0 == what).unwrap().2;
        let faces = detector.detect(&picture, 0.5).unwrap();
        assert_eq!(faces.len(), 1, "{name}");
        let face = faces[0];
        let (score, corner, size) = (one("score"), one("corner"), one("size"));
        assert!((face.score - score[0]).abs() < 0.02, "{name} {face:?}");
        let bounds = [corner[0], corner[1], size[0], size[1]];
        assert!(overlap(face.bounds, bounds) > 0.96, "{name} {face:?}");
        // The network and the resampling by themselves.
        let (middle, square) = (one("middle"), one("square"));
        let roi = Roi {
            x: middle[0],
            y: middle[1],
            side: square[0],
            angle: square[1],
        };
        let mesh = landmarker.mesh(&picture, roi).unwrap().unwrap();
        assert!((mesh.score - score[1]).abs() < 0.02, "{name}");
        let off = |mesh: &Mesh| {
            let points = expected.iter().filter(|e| e.0 == "mesh");
            assert_eq!(points.clone().count(), POINTS);
            points.fold(0.0f32, |worst, (_, number, [x, y, z])| {
                let p = mesh.points[*number];
                let off = [p[0] - x, p[1] - y, p[2] - z].map(f32::abs);
                worst.max(off[0]).max(off[1]).max(off[2])
            })
        };
        assert!(off(&mesh) < 0.5, "{name}: {} pixels off", off(&mesh));
        // From the picture alone: another box leads to slightly other points.
        let first = landmarker.first(&picture, &face).unwrap().unwrap();
        let share = off(&first) / size[0];
        assert!(share < 0.01, "{name}: {share} of the face off");
    }
}

#[test]
fn a_turned_picture_has_turned_points() {
    let landmarker = Landmarker::new().unwrap();
    let detector = Detector::new().unwrap();
    let canonical = Canonical::new().unwrap();
    let picture = open("obama.jpg");
    let face = detector.detect(&picture, 0.5).unwrap()[0];
    let upright = landmarker.first(&picture, &face).unwrap().unwrap();
    let pose = canonical.pose(&upright);
    assert!(pose.roll.abs() < 10.0 && pose.yaw.abs() < 20.0, "{pose:?}");
    // By 25 degrees about the middle, anticlockwise as seen.
    let (sin, cos) = 25f32.to_radians().sin_cos();
    let (cx, cy) = (picture.width as f32 / 2.0, picture.height as f32 / 2.0);
    let turn = Affine([
        [cos, -sin, cx - cos * cx + sin * cy],
        [sin, cos, cy - sin * cx - cos * cy],
    ]);
    let turned = picture.warp(&turn, picture.width, picture.height);
    let face = detector.detect(&turned, 0.5).unwrap()[0];
    let mesh = landmarker.first(&turned, &face).unwrap().unwrap();
    let found = canonical.pose(&mesh);
    assert!(
        (found.roll - (pose.roll - 25.0)).abs() < 2.0,
        "{found:?} {pose:?}"
    );
    for (p, q) in five_points(&mesh).iter().zip(five_points(&upright)) {
        let (x, y) = turn.apply(p[0], p[1]);
        assert!((x - q[0]).hypot(y - q[1]) < 5.0, "{p:?} {q:?}");
    }
}

#[test]
fn a_mirrored_face_looks_the_other_way() {
    let (detector, landmarker) = (Detector::new().unwrap(), Landmarker::new().unwrap());
    let canonical = Canonical::new().unwrap();
    let picture = open("biden.jpg");
    let flip = Affine([[-1.0, 0.0, picture.width as f32], [0.0, 1.0, 0.0]]);
    let poses = [
        &picture,
        &picture.warp(&flip, picture.width, picture.height),
    ]
    .map(|p| {
        let face = detector.detect(p, 0.5).unwrap()[0];
        canonical.pose(&landmarker.first(p, &face).unwrap().unwrap())
    });
    assert!((poses[0].yaw + poses[1].yaw).abs() < 4.0, "{poses:?}");
    assert!((poses[0].pitch - poses[1].pitch).abs() < 4.0, "{poses:?}");
}

#[test]
fn small_and_close_faces_are_found() {
    let detector = Detector::new().unwrap();
    let picture = open("obama.jpg");
    let face = detector.detect(&picture, 0.5).unwrap()[0].bounds;
    let (x, y) = (face[0] + face[2] / 2.0, face[1] + face[3] / 2.0);
    for share in [0.05f32, 0.1, 0.3, 0.6, 0.9] {
        let scale = face[2] / (640.0 * share);
        let view = Affine([
            [scale, 0.0, x - 320.0 * scale],
            [0.0, scale, y - 320.0 * scale],
        ]);
        let view = picture.warp(&view, 640, 640);
        let faces = detector.detect(&view, 0.5).unwrap();
        let (w, middle) = (
            faces[0].bounds[2],
            faces[0].bounds[0] + faces[0].bounds[2] / 2.0,
        );
        assert!((w / 640.0 / share - 1.0).abs() < 0.25, "{share}: {faces:?}");
        assert!((middle - 320.0).abs() < 0.15 * w, "{share}: {faces:?}");
    }
}

#[test]
fn there_is_no_face_where_there_is_none() {
    let (detector, landmarker) = (Detector::new().unwrap(), Landmarker::new().unwrap());
    for name in [
        "flower.jpg",
        "china.jpg",
        "rocket.jpg",
        "hubble_deep_field.jpg",
    ] {
        let picture = open(name);
        // The detector takes the flower for a face; the mesh is what decides.
        for face in detector.detect(&picture, 0.5).unwrap() {
            assert_eq!(landmarker.first(&picture, &face).unwrap(), None, "{name}");
        }
    }
    let picture = open("flower.jpg");
    for (x, side) in [
        (100.0, 150.0),
        (300.0, 90.0),
        (-500.0, 20.0),
        (f32::NAN, 50.0),
    ] {
        let (y, angle) = (100.0, 0.0);
        let roi = Roi { x, y, side, angle };
        assert_eq!(landmarker.mesh(&picture, roi).unwrap(), None);
    }
    for side in [0.0, -4.0, f32::NAN, f32::INFINITY] {
        let (x, y, angle) = (0.0, 0.0, 0.0);
        let roi = Roi { x, y, side, angle };
        assert_eq!(landmarker.mesh(&picture, roi).unwrap(), None);
    }
    // A picture of one pixel, and a line.
    assert_eq!(detector.detect(&Rgb::new(1, 1), 0.5).unwrap(), []);
    assert_eq!(detector.detect(&Rgb::new(2000, 1), 0.5).unwrap(), []);
}

#[test]
fn an_aligned_face_stands_in_the_template() {
    let (detector, landmarker) = (Detector::new().unwrap(), Landmarker::new().unwrap());
    let canonical = Canonical::new().unwrap();
    let template = template(&canonical, 299.0, 1.3);
    let picture = open("obama.jpg");
    let face = detector.detect(&picture, 0.5).unwrap()[0];
    let mesh = landmarker.first(&picture, &face).unwrap().unwrap();
    let there = Similarity::between(&template, &five_points(&mesh)).unwrap();
    let crop = picture.warp(&there.affine(), 299, 299);
    let face = detector.detect(&crop, 0.5).unwrap()[0];
    let mesh = landmarker.first(&crop, &face).unwrap().unwrap();
    for (p, q) in five_points(&mesh).iter().zip(template) {
        assert!((p[0] - q[0]).hypot(p[1] - q[1]) < 20.0, "{p:?} {q:?}");
    }
}

//! The kernel on real faces: two actors of `shared/data/actor-videos`, with the meshes that the
//! reference found (`corpus/testdata`).

use std::path::Path;

use fairframe_schemas::Reason;

use super::{
    canonical::{LANDMARKS, POINTS},
    faces::{Faces, Plan},
    grid::{Colours, Grid},
    measure::difference,
    membrane,
    pose::Pose,
    smooth::smoothed,
    swapper::{Limits, Swapped, Swapper},
    texture::{Atlas, draw, eyes},
};
use crate::face::{Mesh, Rgb};

const LIMITS: Limits = Limits {
    pose_gap: 90.0,
    hidden: 1.0,
};

fn testdata(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata")
        .join(name)
}

/// A frame of an actor, and the mesh of their face.
fn actor(name: &str) -> (Rgb, Mesh) {
    let picture = image::open(testdata(name)).unwrap().into_rgb8();
    let (width, height) = picture.dimensions();
    let picture = Rgb {
        width,
        height,
        data: picture.into_raw(),
    };
    let mut points = [[0.0; 3]; LANDMARKS];
    let mut rows = csv::Reader::from_path(testdata("meshes.csv")).unwrap();
    for row in rows.deserialize::<(String, String, usize, f32, f32, f32)>() {
        let (picture, what, number, x, y, z) = row.unwrap();
        if picture == name && what == "mesh" {
            points[number] = [x, y, z];
        }
    }
    (picture, Mesh { points, score: 1.0 })
}

fn moved(mesh: &Mesh, place: impl Fn([f32; 3]) -> [f32; 3]) -> Mesh {
    Mesh {
        points: mesh.points.map(place),
        score: mesh.score,
    }
}

type Clip = Vec<(Rgb, Option<Mesh>)>;

fn faces(clip: &Clip) -> Faces {
    let meshes: Vec<_> = clip.iter().map(|(_, mesh)| mesh.clone()).collect();
    let seconds: Vec<f64> = (0..clip.len()).map(|i| i as f64 / 30.0).collect();
    Faces::of(&meshes, &seconds)
}

fn swap(target: &Clip, source: &Clip, limits: Limits) -> Option<Vec<Swapped>> {
    let plan = Plan::new(faces(target), faces(source));
    let (mut of_source, mut of_target) = (plan.of_source(), plan.of_target());
    for (i, (picture, _)) in source.iter().enumerate() {
        of_source.see(i, picture);
    }
    for (i, (picture, _)) in target.iter().enumerate() {
        of_target.see(i, picture);
    }
    let mut swapper = Swapper::new(&plan, limits, of_target, of_source)?;
    let mut made: Vec<Swapped> = Vec::new();
    for (i, (picture, _)) in target.iter().enumerate() {
        made.extend(swapper.push(i, picture.clone()));
    }
    made.extend(swapper.finish().0);
    Some(made)
}

/// A still clip of an actor.
fn still(name: &str, frames: usize) -> Clip {
    let (picture, mesh) = actor(name);
    vec![(picture, Some(mesh)); frames]
}

fn outside_is_the_target(made: &Swapped) {
    for (at, mask) in made.mask.iter().enumerate() {
        let pixel = at * 3..at * 3 + 3;
        if *mask == 0 {
            assert_eq!(made.fake.data[pixel.clone()], made.target.data[pixel]);
        }
    }
}

fn change(made: &Swapped) -> f64 {
    let weight = |at: usize| f64::from(made.mask[at]) / 255.0;
    difference(&made.fake, &made.target, weight).unwrap()
}

#[test]
fn a_face_on_itself_is_itself() {
    let clip = still("again-10.jpg", 6);
    let made = swap(&clip, &clip, LIMITS).unwrap();
    assert_eq!(made.len(), clip.len());
    for (i, made) in made.iter().enumerate() {
        assert_eq!((made.index, made.reason), (i, None));
        outside_is_the_target(made);
        let replaced = made.mask.iter().filter(|m| **m > 200).count() as f32;
        let size = eyes(clip[0].1.as_ref().unwrap());
        assert!(replaced > 0.8 * size * size, "{replaced} of {size}");
        assert!(change(made) < 2.0, "{}", change(made));
    }
}

#[test]
fn another_face_is_another_and_always_the_same() {
    let (target, source) = (still("again-10.jpg", 5), still("walk-40.jpg", 4));
    let made = swap(&target, &source, LIMITS).unwrap();
    for made in &made {
        assert_eq!((made.reason, made.source), (None, Some(0)));
        outside_is_the_target(made);
        assert!(change(made) > 4.0, "{}", change(made));
    }
    let again = swap(&target, &source, LIMITS).unwrap();
    for (made, again) in made.iter().zip(&again) {
        assert_eq!((&made.fake, &made.mask), (&again.fake, &again.mask));
    }
}

#[test]
fn frames_without_a_face_and_heads_too_far_apart_keep_the_target() {
    let mut target = still("again-10.jpg", 9);
    target[4].1 = None;
    let source = still("walk-40.jpg", 3);
    let made = swap(&target, &source, LIMITS).unwrap();
    let reasons: Vec<_> = made.iter().map(|m| m.reason).collect();
    let mut expected = vec![None; 9];
    expected[4] = Some(Reason::FaceMissing);
    assert_eq!(reasons, expected);
    assert_eq!(made[4].fake, made[4].target);
    assert!(made[4].mask.iter().all(|m| *m == 0));
    let strict = Limits {
        pose_gap: 0.1,
        ..LIMITS
    };
    for made in swap(&target, &source, strict).unwrap() {
        assert!(made.reason.is_some());
        assert_eq!(made.fake, made.target);
    }
    // Nobody there, on either side.
    let nobody: Clip = target.iter().map(|(p, _)| (p.clone(), None)).collect();
    assert!(swap(&nobody, &source, LIMITS).is_none());
    assert!(swap(&target, &nobody, LIMITS).is_none());
}

#[test]
fn what_comes_in_before_the_face_stays_before_it() {
    let mut target = still("again-10.jpg", 12);
    let mesh = target[0].1.clone().unwrap();
    // A green bar from the chin's side up to the nose, in three frames.
    let (nose, size) = (mesh.points[1], eyes(&mesh));
    let within_bar = |x: u32, y: u32, rim: f32| {
        let (dx, dy) = (x as f32 - nose[0], y as f32 - nose[1]);
        let across = dx > -0.15 * size + rim && dx < 0.25 * size - rim;
        across && dy > 0.1 * size + rim && dy < 2.0 * size - rim
    };
    let bar = |x: u32, y: u32| within_bar(x, y, 0.0);
    for (picture, _) in &mut target[5..8] {
        for y in 0..picture.height {
            for x in 0..picture.width {
                if bar(x, y) {
                    picture.set(x, y, [20, 160, 60]);
                }
            }
        }
    }
    let made = swap(&target, &still("walk-40.jpg", 3), LIMITS).unwrap();
    let within = |made: &Swapped| {
        let (mut replaced, mut all) = (0.0, 0.0);
        for y in 0..made.target.height {
            for x in 0..made.target.width {
                if within_bar(x, y, 1.0) && (y as f32) < nose[1] + 0.6 * size {
                    let at = (y * made.target.width + x) as usize;
                    replaced += f64::from(made.mask[at]) / 255.0;
                    all += 1.0;
                }
            }
        }
        replaced / all
    };
    assert!(within(&made[0]) > 0.9, "{}", within(&made[0]));
    assert!(within(&made[6]) < 0.1, "{}", within(&made[6]));
    assert!(made[6].hidden > made[0].hidden);
    // Too much of it, and the frame keeps the target.
    let strict = Limits {
        hidden: 0.05,
        ..LIMITS
    };
    let made = swap(&target, &still("walk-40.jpg", 3), strict).unwrap();
    assert_eq!(made[0].reason, None);
    assert_eq!(made[6].reason, Some(Reason::FaceHidden));
}

#[test]
fn a_texture_put_back_by_another_mesh_is_the_affine_image() {
    let (picture, mesh) = actor("again-10.jpg");
    // A slope is kept exactly by affine maps and by cubic sampling.
    let slope = |x: f32, y: f32| 20.0 + 0.12 * x + 0.2 * y;
    let mut painted = Rgb::new(picture.width, picture.height);
    for y in 0..picture.height {
        for x in 0..picture.width {
            let value = slope(x as f32 + 0.5, y as f32 + 0.5).round() as u8;
            painted.set(x, y, [value; 3]);
        }
    }
    let texture = Atlas::new(192).unwrap(&painted, &mesh);
    // Grown by a tenth, sheared, moved.
    let turned = moved(&mesh, |[x, y, z]| {
        [1.1 * x + 0.1 * y - 30.0, 1.1 * y + 5.0, z]
    });
    let back = |x: f32, y: f32| {
        let y = (y - 5.0) / 1.1;
        ((x + 30.0 - 0.1 * y) / 1.1, y)
    };
    let drawn = draw(&turned, picture.width as usize, picture.height as usize);
    let mut seen = 0;
    for (i, pixel) in drawn.pixels.data.iter().enumerate() {
        let Some(([u, v], front)) = *pixel else {
            continue;
        };
        // Away from the texture's own border.
        if (u - 0.5).hypot(v - 0.5) > 0.3 || front < 0.5 {
            continue;
        }
        let x = (drawn.left + i % drawn.pixels.width) as f32 + 0.5;
        let y = (drawn.top + i / drawn.pixels.width) as f32 + 0.5;
        let (x, y) = back(x, y);
        let value = texture.cubic(u * 192.0, v * 192.0)[0];
        assert!((value - slope(x, y)).abs() < 1.0, "{value} {}", slope(x, y));
        seen += 1;
    }
    assert!(seen > 500, "{seen}");
}

#[test]
fn a_pose_is_what_a_face_was_turned_by() {
    let (yaw, pitch, roll) = (20f32.to_radians(), 10f32.to_radians(), -5f32.to_radians());
    let turn = |[x, y, z]: [f32; 3]| {
        // Leaning, then down, then to the viewer's right.
        let (x, y) = (
            x * roll.cos() - y * roll.sin(),
            x * roll.sin() + y * roll.cos(),
        );
        let (y, z) = (
            y * pitch.cos() - z * pitch.sin(),
            y * pitch.sin() + z * pitch.cos(),
        );
        let (x, z) = (x * yaw.cos() - z * yaw.sin(), x * yaw.sin() + z * yaw.cos());
        [70.0 * x + 300.0, 70.0 * y + 200.0, 70.0 * z]
    };
    let mesh = Mesh {
        points: POINTS.map(turn),
        score: 1.0,
    };
    let pose = Pose::of(&mesh).unwrap();
    for (found, set) in [(pose.yaw, 20.0), (pose.pitch, 10.0), (pose.roll, -5.0)] {
        assert!((found - set).abs() < 0.05, "{pose:?}");
    }
    assert!(pose.gap(&pose) == 0.0);
    // All in one place: no pose.
    let flat = Mesh {
        points: [[1.0; 3]; LANDMARKS],
        score: 1.0,
    };
    assert_eq!(Pose::of(&flat), None);
}

#[test]
fn landmarks_stand_still_or_move_on_without_lag() {
    let (_, mesh) = actor("again-10.jpg");
    let seconds: Vec<f64> = (0..30).map(|i| f64::from(i) / 30.0).collect();
    let tremble = |i: usize| if i.is_multiple_of(2) { 0.4 } else { -0.4 };
    let at = |shift: &dyn Fn(usize) -> f32| -> Vec<Option<Mesh>> {
        (0..30)
            .map(|i| Some(moved(&mesh, |[x, y, z]| [x + shift(i), y, z])))
            .collect()
    };
    let still = smoothed(&at(&tremble), &seconds);
    let off = |m: &Option<Mesh>, by: f32| {
        (m.as_ref().unwrap().points[0][0] - mesh.points[0][0] - by).abs()
    };
    assert!((5..25).all(|i| off(&still[i], 0.0) < 0.15), "{still:?}");
    // Two pixels a frame.
    let moving = smoothed(&at(&|i| 2.0 * i as f32), &seconds);
    assert!((8..22).all(|i| off(&moving[i], 2.0 * i as f32) < 0.3));
    // A gap is no bridge.
    let mut gap = at(&|_| 0.0);
    gap[10] = None;
    assert!(smoothed(&gap, &seconds)[10].is_none());
}

#[test]
fn a_membrane_meets_the_ring_and_has_no_curvature() {
    let side = 128;
    let source: Colours = Grid::filled(side, side, [80.0; 3]);
    let target = Grid::of(side, side, |x, y| {
        [80.0, 80.0 + x as f32 * 0.2, 90.0 - y as f32 * 0.1]
    });
    let ring = Grid::of(side, side, |x, y| {
        let near = x.min(y).min(side - 1 - x).min(side - 1 - y);
        f32::from(u8::from((4..10).contains(&near)))
    });
    let inside = Grid::filled(side, side, true);
    let same = membrane::correction(&source, &source, &ring, &inside);
    assert!(same.data.iter().flatten().all(|v| v.abs() < 1e-4));
    // A slope has no curvature: it goes on inside, where nothing was asked.
    let sloped = membrane::correction(&target, &source, &ring, &inside);
    for (x, y) in [(16, 16), (32, 32), (20, 44)] {
        let [r, g, b] = sloped.at(x, y);
        let at = |v: usize| v as f32 * 2.0 + 0.5;
        assert!(r.abs() < 0.1);
        assert!((g - 0.2 * at(x)).abs() < 0.6, "{g}");
        assert!((b - (10.0 - 0.1 * at(y))).abs() < 0.6, "{b}");
    }
    // Nothing known: nothing added.
    let nothing = Grid::filled(side, side, 0.0);
    let none = membrane::correction(&target, &source, &nothing, &inside);
    assert!(none.data.iter().flatten().all(|v| *v == 0.0));
}

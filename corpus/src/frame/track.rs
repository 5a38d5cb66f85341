//! Following faces over frames.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use fairframe_schemas::source::FrameRule;

use crate::face::{Detector, FaceError, Landmarker, Mesh, Rgb, Roi, Similarity, overlap};

/// Faces looked at in one frame; the surest.
const MOST_FACES: usize = 8;
/// Between frames further apart, faces are found anew rather than followed.
const FOLLOW_S: f64 = 0.25;
/// Overlap (intersection over union) of a face with itself a frame later, at least.
const STAYS: f32 = 0.3;
/// The same over a gap.
const RETURNS: f32 = 0.15;
/// Overlap of two meshes from which on they are one face.
const ONE: f32 = 0.4;
/// How differently two meshes of one face may be shaped: see [`difference`].
const SHAPE: f32 = 0.2;

/// A face of a frame.
#[derive(Debug, Clone)]
pub struct Followed {
    pub track: u32,
    pub mesh: Mesh,
    /// Score of the detector, when it looked.
    pub detection: Option<f32>,
}

/// All that a frame shows.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub faces: Vec<Followed>,
    /// Something looked like a face and has no face's points.
    pub unsure: bool,
}

struct Track {
    id: u32,
    mesh: Mesh,
    time_s: f64,
}

/// Gives faces numbers that stay the same over frames.
pub struct Tracker<'a> {
    rule: &'a FrameRule,
    detector: Detector,
    landmarker: Landmarker,
    /// Seen within the gap, the oldest first.
    tracks: Vec<Track>,
    next: u32,
    /// Frames since the detector looked.
    since: u32,
    before_s: Option<f64>,
    /// How much of the clip each track is.
    weights: BTreeMap<u32, f64>,
    pub detecting: Duration,
    pub meshing: Duration,
}

impl<'a> Tracker<'a> {
    pub fn new(rule: &'a FrameRule) -> Result<Self, FaceError> {
        Ok(Self {
            rule,
            detector: Detector::new()?,
            landmarker: Landmarker::new()?,
            tracks: Vec::new(),
            next: 0,
            since: 0,
            before_s: None,
            weights: BTreeMap::new(),
            detecting: Duration::ZERO,
            meshing: Duration::ZERO,
        })
    }

    /// Looks at the next frame.
    pub fn look(&mut self, frame: &Rgb, time_s: f64) -> Result<Seen, FaceError> {
        let began = Instant::now();
        let gap_s = self.reach(time_s);
        self.tracks
            .retain(|t| time_s - t.time_s <= gap_s + FOLLOW_S);
        let mut seen = Seen::default();
        let mut lost = self.tracks.is_empty();
        for track in &self.tracks {
            let last = Some(track.time_s) == self.before_s;
            if !last || time_s - track.time_s > FOLLOW_S {
                lost = true;
                continue;
            }
            let mesh = self.landmarker.mesh(frame, Roi::of_mesh(&track.mesh))?;
            // A younger track that has slid onto an older one's face is lost.
            let stays = |m: &Mesh| {
                overlap(m.bounds(), track.mesh.bounds()) > STAYS && !known(&seen.faces, m)
            };
            match mesh.filter(stays) {
                Some(mesh) => seen.faces.push(Followed {
                    track: track.id,
                    mesh,
                    detection: None,
                }),
                None => lost = true,
            }
        }
        self.since += 1;
        self.meshing += began.elapsed();
        if lost || self.since >= self.rule.detect_every {
            self.since = 0;
            self.find(frame, time_s, &mut seen)?;
        }
        for face in &seen.faces {
            let track = self.tracks.iter_mut().find(|t| t.id == face.track);
            if let Some(track) = track {
                track.mesh = face.mesh.clone();
                track.time_s = time_s;
            }
            *self.weights.entry(face.track).or_default() += weight(&face.mesh, frame);
        }
        self.before_s = Some(time_s);
        Ok(seen)
    }

    /// Looks for faces that are not followed: new ones, and those that return.
    fn find(&mut self, frame: &Rgb, time_s: f64, seen: &mut Seen) -> Result<(), FaceError> {
        let began = Instant::now();
        let mut found = self.detector.detect(frame, self.rule.least_score as f32)?;
        found.truncate(MOST_FACES);
        let looked = Instant::now();
        self.detecting += looked - began;
        for face in found {
            let same = |f: &&mut Followed| {
                f.detection.is_none() && overlap(f.mesh.bounds(), face.bounds) > STAYS
            };
            if let Some(followed) = seen.faces.iter_mut().find(same) {
                followed.detection = Some(face.score);
                continue;
            }
            let Some(mesh) = self.landmarker.first(frame, &face)? else {
                seen.unsure = true;
                continue;
            };
            if known(&seen.faces, &mesh) {
                continue;
            }
            let track = self
                .returned(&mesh, time_s, &seen.faces)
                .unwrap_or_else(|| {
                    let id = self.next;
                    self.next += 1;
                    let mesh = mesh.clone();
                    self.tracks.push(Track { id, mesh, time_s });
                    id
                });
            seen.faces.push(Followed {
                track,
                mesh,
                detection: Some(face.score),
            });
        }
        self.meshing += looked.elapsed();
        Ok(())
    }

    /// How long a face may have been out of sight. A face of the frame that was looked at last
    /// was never out of sight, however few frames are.
    fn reach(&self, time_s: f64) -> f64 {
        let step = self.before_s.map_or(0.0, |before| time_s - before);
        self.rule.gap_s.max(step)
    }

    /// The track that was lost about where this face is, and is shaped like it.
    fn returned(&self, mesh: &Mesh, time_s: f64, seen: &[Followed]) -> Option<u32> {
        let bounds = mesh.bounds();
        let near = |t: &&Track| {
            time_s - t.time_s <= self.reach(time_s)
                && !seen.iter().any(|f| f.track == t.id)
                && overlap(t.mesh.bounds(), bounds) > RETURNS
                && difference(&t.mesh, mesh) < SHAPE
        };
        let overlapping = |t: &&Track| overlap(t.mesh.bounds(), bounds);
        self.tracks
            .iter()
            .filter(near)
            .max_by(|a, b| overlapping(a).total_cmp(&overlapping(b)))
            .map(|t| t.id)
    }

    /// The track that is most of the clip: long in sight, large, near the middle. The first
    /// of equals.
    pub fn subject(&self) -> Option<u32> {
        let most = self.weights.values().fold(0.0, |m: f64, w| m.max(*w));
        let first = self.weights.iter().find(|(_, w)| **w >= most);
        first.map(|(id, _)| *id)
    }

    /// How many faces were followed.
    pub fn tracks(&self) -> u32 {
        self.next
    }
}

fn known(faces: &[Followed], mesh: &Mesh) -> bool {
    faces
        .iter()
        .any(|f| overlap(f.mesh.bounds(), mesh.bounds()) > ONE)
}

/// A frame's part of a track's weight: the share of the frame's height that its face takes,
/// less towards the corners.
fn weight(mesh: &Mesh, frame: &Rgb) -> f64 {
    let [x, y, w, h] = mesh.bounds();
    let (fw, fh) = (frame.width as f32, frame.height as f32);
    let off = (x + w / 2.0 - fw / 2.0).hypot(y + h / 2.0 - fh / 2.0) / (fw / 2.0).hypot(fh / 2.0);
    f64::from(w.max(h) / fh) * f64::from(1.0 - off).max(0.1)
}

/// How differently two meshes are shaped: the distance in root mean square that is left after
/// the best similarity, as a share of the box's side.
pub fn difference(a: &Mesh, b: &Mesh) -> f32 {
    let flat = |m: &Mesh| m.points.map(|p| [p[0], p[1]]);
    let (from, to) = (flat(a), flat(b));
    let Some(best) = Similarity::between(&from, &to) else {
        return f32::INFINITY;
    };
    let best = best.affine();
    let squares = from.iter().zip(&to).map(|(f, t)| {
        let (x, y) = best.apply(f[0], f[1]);
        (x - t[0]).powi(2) + (y - t[1]).powi(2)
    });
    let [_, _, w, h] = b.bounds();
    (squares.sum::<f32>() / from.len() as f32).sqrt() / w.max(h)
}

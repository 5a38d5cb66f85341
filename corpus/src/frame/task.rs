//! One clip: decoded once, its face followed, cut out and written down.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use fairframe_schemas::{
    Reason,
    corpus::frame::{CROPS, FRAMED, FrameRow},
    source::{Crops, FrameRule, Sampling},
};
use serde::{Deserialize, Serialize};

use super::{
    choose::Choice,
    crop::{Cutter, Places, save, sharpness},
    sample::{Cuts, indices},
    sheet::{CELLS, Thumb},
    table::Writer,
    track::{Followed, Seen, Tracker},
};
use crate::{
    face::{Canonical, Rgb, five_points},
    item::Refusal,
    video::{Decoder, Facts, Frame, Limits},
    worker::Task,
};

/// Bytes of frames that wait for those after them, and how many at most.
const WAITING_BYTES: usize = 128 << 20;
const WAITING: usize = 64;
/// Smoothing reaches so many standard deviations.
const REACH: f64 = 3.0;
/// Rows and crops of all tracks, until the subject's is known.
pub(super) const CANDIDATES: &str = "candidates.parquet";
pub(super) const TRACKS: &str = "tracks";

/// A clip to be framed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameTask {
    pub video: PathBuf,
    /// Stands on the contact sheet.
    pub title: String,
    pub rule: FrameRule,
    pub limits: Limits,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameDone {
    pub made: Framed,
    pub spent: Spent,
}

/// A framed clip; the same for the same clip and settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Framed {
    pub facts: Facts,
    /// Rows: frames that were looked at.
    pub frames: u64,
    /// Of these, with the subject's landmarks.
    pub faces: u64,
    pub crops: u64,
    /// Of these, reaching beyond the frame.
    pub padded: u64,
    /// Faces that were followed, whosever.
    pub tracks: u32,
    /// Frames without a crop, by the reason.
    pub reasons: BTreeMap<Reason, u64>,
}

/// Seconds spent on each part of the work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    pub decode_s: f64,
    pub detect_s: f64,
    pub mesh_s: f64,
    /// Smoothing, cutting, measuring.
    pub crop_s: f64,
    pub write_s: f64,
}

impl Spent {
    pub fn add(&mut self, other: &Self) {
        self.decode_s += other.decode_s;
        self.detect_s += other.detect_s;
        self.mesh_s += other.mesh_s;
        self.crop_s += other.crop_s;
        self.write_s += other.write_s;
    }

    pub fn total_s(&self) -> f64 {
        self.decode_s + self.detect_s + self.mesh_s + self.crop_s + self.write_s
    }
}

impl Task for FrameTask {
    type Done = FrameDone;
    const NAME: &'static str = "frame";

    fn reads(&self) -> Vec<PathBuf> {
        vec![self.video.clone()]
    }

    fn work(self, out: &Path) -> Result<FrameDone, Refusal> {
        let began = Instant::now();
        let mut decoder = Decoder::open(&self.video, &self.limits)?;
        let facts = decoder.facts().clone();
        let times = decoder.times();
        let wanted = indices(self.rule.sample, &times);
        let expected = wanted.as_ref().map_or(times.len(), Vec::len) as u64;
        if let Some(wanted) = wanted {
            decoder.only(wanted);
        }
        let mut decoding = began.elapsed();
        let mut work = Work::new(&self, out, expected)?;
        let mut cuts = Cuts::default();
        loop {
            let began = Instant::now();
            let frame = decoder.next_frame()?;
            decoding += began.elapsed();
            let Some(frame) = frame else { break };
            if self.rule.sample != Sampling::Scenes || cuts.begins(&frame.rgb) {
                work.add(frame)?;
            }
        }
        work.finish(facts, decoding)
    }
}

/// Where a track's crop of a frame stands until the subject is known.
pub(super) fn track_crop(out: &Path, crops: Crops, track: u32, frame: u64) -> PathBuf {
    let ending = match crops {
        Crops::Jpeg => "jpg",
        _ => "png",
    };
    out.join(TRACKS)
        .join(format!("{track}/{frame:06}.{ending}"))
}

pub(super) fn failed(what: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(Reason::StoreFailed, what.to_string())
}

/// A frame whose crops wait for the places in those after it.
struct Waiting {
    frame: Frame,
    seen: Seen,
    on_sheet: bool,
}

struct Work<'a> {
    task: &'a FrameTask,
    out: &'a Path,
    canonical: Canonical,
    cutter: Cutter<'a>,
    tracker: Tracker<'a>,
    places: Places,
    waiting: VecDeque<Waiting>,
    candidates: Writer,
    /// By frame: what may stand on the sheet, for each track and for none.
    cells: BTreeMap<u64, Vec<(Option<u32>, Thumb)>>,
    /// Frames to come, and those that came.
    expected: u64,
    came: u64,
    cropping: Duration,
    writing: Duration,
}

impl<'a> Work<'a> {
    fn new(task: &'a FrameTask, out: &'a Path, expected: u64) -> Result<Self, Refusal> {
        let canonical = Canonical::new().map_err(|e| failed(&e))?;
        let candidates = Writer::create(&out.join(CANDIDATES)).map_err(|e| failed(&e))?;
        Ok(Self {
            task,
            out,
            cutter: Cutter::new(&task.rule, &canonical),
            canonical,
            tracker: Tracker::new(&task.rule).map_err(|e| failed(&e))?,
            places: Places::default(),
            waiting: VecDeque::new(),
            candidates,
            cells: BTreeMap::new(),
            expected,
            came: 0,
            cropping: Duration::ZERO,
            writing: Duration::ZERO,
        })
    }

    fn add(&mut self, frame: Frame) -> Result<(), Refusal> {
        let seen = self.tracker.look(&frame.rgb, frame.time_s);
        let seen = seen.map_err(|e| failed(&e))?;
        for face in &seen.faces {
            self.places.add(face.track, frame.time_s, &face.mesh);
        }
        // Evenly spaced over what is to come: the first of each of the sheet's equal parts.
        let part = |n: u64| n * CELLS / self.expected.max(CELLS);
        let on_sheet = self.came == 0 || part(self.came) != part(self.came - 1);
        self.came += 1;
        let most = (WAITING_BYTES / frame.rgb.data.len().max(1)).clamp(2, WAITING);
        let until_s = frame.time_s - REACH * self.task.rule.smooth_s;
        self.waiting.push_back(Waiting {
            frame,
            seen,
            on_sheet: on_sheet && (self.cells.len() as u64) < CELLS,
        });
        while let Some(first) = self.waiting.front()
            && (first.frame.time_s <= until_s || self.waiting.len() > most)
        {
            self.cut_first()?;
        }
        Ok(())
    }

    /// Rows and crops of the frame that waited longest.
    fn cut_first(&mut self) -> Result<(), Refusal> {
        let Some(Waiting {
            frame,
            seen,
            on_sheet,
        }) = self.waiting.pop_front()
        else {
            return Ok(());
        };
        let began = Instant::now();
        let wrote = self.writing;
        let reach_s = REACH * self.task.rule.smooth_s;
        self.places.forget(frame.time_s - reach_s);
        let mut thumbs = Vec::new();
        if on_sheet {
            thumbs.push((None, Thumb::of(&frame.rgb)));
        }
        let row = FrameRow {
            frame: frame.index,
            time_s: frame.time_s,
            faces: seen.faces.len() as u32,
            ..Default::default()
        };
        for face in &seen.faces {
            let (row, crop) = self.face(&frame, face, row.clone());
            if let Some(crop) = crop {
                if on_sheet {
                    thumbs.push((Some(face.track), Thumb::of(&crop)));
                }
                self.keep(&crop, face.track, &row)?;
            }
            self.push(row)?;
        }
        if seen.faces.is_empty() {
            let reason = match seen.unsure {
                true => Reason::FaceUnsure,
                false => Reason::FaceMissing,
            };
            let reason = Some(reason);
            self.push(FrameRow { reason, ..row })?;
        }
        if on_sheet {
            self.cells.insert(frame.index, thumbs);
        }
        self.cropping += began.elapsed().saturating_sub(self.writing - wrote);
        Ok(())
    }

    /// All that is known of a face, and its crop.
    fn face(&self, frame: &Frame, face: &Followed, row: FrameRow) -> (FrameRow, Option<Rgb>) {
        let rule = &self.task.rule;
        let bounds = face.mesh.bounds();
        let pose = self.canonical.pose(&face.mesh);
        let sharpness = sharpness(&frame.rgb, &face.mesh);
        let mut row = FrameRow {
            track: Some(face.track),
            detection: face.detection,
            score: Some(face.mesh.score),
            bounds: Some(bounds.to_vec()),
            points: Some(five_points(&face.mesh).as_flattened().to_vec()),
            landmarks: Some(face.mesh.points.as_flattened().to_vec()),
            yaw: Some(pose.yaw),
            pitch: Some(pose.pitch),
            roll: Some(pose.roll),
            sharpness: Some(sharpness),
            ..row
        };
        row.reason = if f64::from(bounds[2].max(bounds[3])) < rule.least_side {
            Some(Reason::FaceTooSmall)
        } else if f64::from(sharpness) < rule.least_sharpness {
            Some(Reason::FaceBlurred)
        } else {
            None
        };
        if row.reason.is_some() {
            return (row, None);
        }
        let (track, time_s) = (face.track, frame.time_s);
        let Some(cut) = self.cutter.cut(&frame.rgb, &self.places, track, time_s) else {
            row.reason = Some(Reason::FaceUnsure);
            return (row, None);
        };
        row.crop_from = Some(cut.from.0.as_flattened().to_vec());
        row.padded = Some(cut.padded);
        row.crop = match rule.crops {
            Crops::Jpeg => Some(format!("{CROPS}/{:06}.jpg", frame.index)),
            Crops::Png => Some(format!("{CROPS}/{:06}.png", frame.index)),
            Crops::Clip => Some(FRAMED.to_owned()),
            Crops::None => None,
        };
        (row, Some(cut.picture))
    }

    fn keep(&mut self, crop: &Rgb, track: u32, row: &FrameRow) -> Result<(), Refusal> {
        if row.crop.is_none() {
            return Ok(());
        }
        let began = Instant::now();
        let path = track_crop(self.out, self.task.rule.crops, track, row.frame);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|e| failed(&e))?;
        }
        save(crop, &path, self.task.rule.crops)?;
        self.writing += began.elapsed();
        Ok(())
    }

    fn push(&mut self, row: FrameRow) -> Result<(), Refusal> {
        let began = Instant::now();
        self.candidates.push(row).map_err(|e| failed(&e))?;
        self.writing += began.elapsed();
        Ok(())
    }

    fn finish(mut self, facts: Facts, decoding: Duration) -> Result<FrameDone, Refusal> {
        while !self.waiting.is_empty() {
            self.cut_first()?;
        }
        let began = Instant::now();
        self.candidates.finish().map_err(|e| failed(&e))?;
        let made = Choice {
            task: self.task,
            out: self.out,
            subject: self.tracker.subject(),
            tracks: self.tracker.tracks(),
            cells: self.cells,
        };
        let made = made.write(facts)?;
        let writing = self.writing + began.elapsed();
        Ok(FrameDone {
            made,
            spent: Spent {
                decode_s: decoding.as_secs_f64(),
                detect_s: self.tracker.detecting.as_secs_f64(),
                mesh_s: self.tracker.meshing.as_secs_f64(),
                crop_s: self.cropping.as_secs_f64(),
                write_s: writing.as_secs_f64(),
            },
        })
    }
}

//! The swap of one pair, as a worker does it: files in, files out.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use fairframe_schemas::{
    Reason,
    corpus::{QUALITY, QualityRow},
    source::SwapRule,
};
use serde::{Deserialize, Serialize};

use super::{
    faces::{Faces, Plan},
    measure::{self, Moment},
    quality,
    sheet::Sheet,
    spent::{Spent, timed},
    swapper::{self, Swapped, Swapper},
};
use crate::{
    face::{FaceError, Landmarker, Mesh, Roi},
    frame,
    item::Refusal,
    video::{self, Decoder, Encoded, Encoder},
    worker::Task,
};

/// Files of a fake's folder.
pub const MASTER: &str = "master.mkv";
pub const MASK: &str = "mask.mkv";
pub const SHEET: &str = "sheet.jpg";

/// One side of a pair.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Side {
    /// The video's bytes.
    pub video: PathBuf,
    /// What `frame` made of it.
    pub frames: PathBuf,
}

/// What a swap needs. Made by `run` only, from a `Consented`.
#[derive(Debug, Serialize, Deserialize)]
pub struct SwapTask {
    pub(super) target: Side,
    pub(super) source: Side,
    pub(super) rule: SwapRule,
    pub(super) limits: video::Limits,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SwapDone {
    pub frames: u64,
    pub swapped: u64,
    /// Frames that keep the target's pixels, by reason.
    pub kept: BTreeMap<Reason, u64>,
    /// Means over the swapped frames, as in `quality.parquet`.
    pub landmark_error: Option<f64>,
    pub seam_energy: Option<f64>,
    pub sharpness: Option<f64>,
    pub colour_difference: Option<f64>,
    pub flicker: Option<f64>,
    pub master: Encoded,
    pub mask: Encoded,
}

impl Task for SwapTask {
    type Done = (SwapDone, Spent);
    const NAME: &'static str = "swap";

    fn reads(&self) -> Vec<PathBuf> {
        [&self.target, &self.source]
            .into_iter()
            .flat_map(|s| [s.video.clone(), s.frames.clone()])
            .collect()
    }

    fn work(self, out: &Path) -> Result<Self::Done, Refusal> {
        let landmarker = Landmarker::new().map_err(broken)?;
        let mut spent = Spent::default();
        let target = self.target.faces(&landmarker, &self.limits, &mut spent)?;
        let source = self.source.faces(&landmarker, &self.limits, &mut spent)?;
        let plan = timed(&mut spent.learn_s, || Plan::new(target, source));
        let mut writer = Writer::open(&self.target, &self.limits, &self.rule, out)?;

        let mut of_source = plan.of_source();
        let mut decoder = timed(&mut spent.decode_s, || self.source.open(&self.limits))?;
        decoder.only(of_source.wanted.iter().map(|&i| i as u64));
        while let Some(frame) = timed(&mut spent.decode_s, || decoder.next_frame())? {
            let index = frame.index as usize;
            timed(&mut spent.learn_s, || of_source.see(index, &frame.rgb));
            if let Some(mesh) = &plan.source.meshes[index] {
                writer.sheet.source(index, &frame.rgb, mesh);
            }
        }
        let mut of_target = plan.of_target();
        let mut decoder = timed(&mut spent.decode_s, || self.target.open(&self.limits))?;
        decoder.only(of_target.wanted.iter().map(|&i| i as u64));
        while let Some(frame) = timed(&mut spent.decode_s, || decoder.next_frame())? {
            let index = frame.index as usize;
            timed(&mut spent.learn_s, || of_target.see(index, &frame.rgb));
        }

        let limits = swapper::Limits {
            pose_gap: self.rule.most_pose_gap as f32,
            hidden: self.rule.most_hidden as f32,
        };
        let swapper = timed(&mut spent.learn_s, || {
            Swapper::new(&plan, limits, of_target, of_source)
        });
        let mut swapper = swapper.ok_or_else(|| {
            Refusal::new(Reason::FaceMissing, "one of the two videos shows no face")
        })?;
        let mut decoder = timed(&mut spent.decode_s, || self.target.open(&self.limits))?;
        while let Some(frame) = timed(&mut spent.decode_s, || decoder.next_frame())? {
            if let Some(made) = swapper.push(frame.index as usize, frame.rgb) {
                writer.take(made, &plan.target, &landmarker)?;
            }
        }
        let (last, swapping) = swapper.finish();
        for made in last {
            writer.take(made, &plan.target, &landmarker)?;
        }
        spent.add(&swapping);
        writer.spent.add(&spent);
        writer.finish()
    }
}

impl Side {
    pub(super) fn open(&self, limits: &video::Limits) -> Result<Decoder, Refusal> {
        Decoder::open(&self.video, limits)
    }

    /// The subject's mesh in every frame: what `frame` found, and in frames that it did not
    /// look at, followed from the frame before.
    pub fn faces(
        &self,
        landmarker: &Landmarker,
        limits: &video::Limits,
        spent: &mut Spent,
    ) -> Result<Faces, Refusal> {
        let mut decoder = timed(&mut spent.decode_s, || self.open(limits))?;
        let seconds = decoder.times();
        let mut meshes: Vec<Option<Mesh>> = vec![None; seconds.len()];
        let mut looked = vec![false; seconds.len()];
        let unread = |e: frame::FramesError| written(&self.frames, e);
        for row in frame::rows(&self.frames).map_err(unread)? {
            let row = row.map_err(unread)?;
            let index = row.frame as usize;
            if let Some(slot) = meshes.get_mut(index) {
                *slot = frame::mesh(&row);
                looked[index] = true;
            }
        }
        if looked.contains(&false) {
            let mut last: Option<Mesh> = None;
            while let Some(frame) = timed(&mut spent.decode_s, || decoder.next_frame())? {
                let index = frame.index as usize;
                let Some(slot) = meshes.get_mut(index) else {
                    break;
                };
                if !looked[index]
                    && let Some(last) = &last
                {
                    let roi = Roi::of_mesh(last);
                    let found = timed(&mut spent.landmarks_s, || landmarker.mesh(&frame.rgb, roi));
                    *slot = found.map_err(broken)?;
                }
                last = slot.clone();
            }
        }
        Ok(Faces::of(&meshes, &seconds))
    }
}

/// The models come with this program: that they do not run is this machine's affair.
pub(super) fn broken(error: FaceError) -> Refusal {
    Refusal::new(Reason::StoreFailed, error.to_string())
}

pub(super) fn written(path: &Path, error: impl std::fmt::Display) -> Refusal {
    Refusal::new(Reason::StoreFailed, format!("{}: {error}", path.display()))
}

/// Measures frames and writes what is kept of them.
pub struct Writer<'a> {
    rule: &'a SwapRule,
    out: &'a Path,
    seconds: Vec<f64>,
    master: Encoder,
    mask: Encoder,
    pub sheet: Sheet,
    rows: Vec<QualityRow>,
    before: Option<Moment>,
    pub spent: Spent,
}

impl<'a> Writer<'a> {
    pub fn open(
        target: &Side,
        limits: &video::Limits,
        rule: &'a SwapRule,
        out: &'a Path,
    ) -> Result<Self, Refusal> {
        let decoder = target.open(limits)?;
        let facts = decoder.facts();
        let (size, timing) = ((facts.width, facts.height), facts.timing);
        let seconds = decoder.times();
        Ok(Self {
            rule,
            out,
            master: Encoder::master(&out.join(MASTER), size, timing)?,
            mask: Encoder::mask(&out.join(MASK), size, timing)?,
            sheet: Sheet::new(seconds.len()),
            seconds,
            rows: Vec::new(),
            before: None,
            spent: Spent::default(),
        })
    }

    /// The next frame. One that did not come out well keeps the target's pixels.
    pub fn take(
        &mut self,
        made: Swapped,
        faces: &Faces,
        landmarker: &Landmarker,
    ) -> Result<(), Refusal> {
        let Swapped {
            index,
            target,
            mut fake,
            mut mask,
            mut reason,
            source,
            pose_gap,
            hidden,
        } = made;
        let time_s = self.seconds.get(index).copied().unwrap_or_default();
        let mesh = faces.meshes.get(index).and_then(Option::as_ref);
        let (mut error, mut seam, mut sharpness) = (None, None, None);
        if reason.is_none()
            && let Some(mesh) = mesh
        {
            let roi = Roi::of_mesh(mesh);
            let found = timed(&mut self.spent.landmarks_s, || landmarker.mesh(&fake, roi));
            let found = found.map_err(broken)?;
            error = found.map(|found| measure::landmark_error(&found, mesh));
            (seam, sharpness) = timed(&mut self.spent.measure_s, || {
                let seam = measure::seam_energy(&target, &fake, &mask);
                (seam, measure::sharpness(&target, &fake, &mask))
            });
            if error.is_none_or(|e| e > self.rule.most_landmark_error) {
                reason = Some(Reason::SwapDistorted);
            } else if seam.is_some_and(|s| s > self.rule.most_seam) {
                reason = Some(Reason::SwapSeam);
            }
            if reason.is_some() {
                fake.clone_from(&target);
                mask.fill(0);
            }
        }
        let weight = |at: usize| f64::from(mask[at]) / 255.0;
        let colour = timed(&mut self.spent.measure_s, || {
            measure::difference(&fake, &target, weight)
        });
        let worth = error.filter(|_| reason.is_none());
        timed(&mut self.spent.encode_s, || {
            self.sheet
                .see(index, [&target, &fake], &mask, mesh, source, worth);
            self.master.push(&fake, time_s)?;
            self.mask.push_grey(&mask, time_s)
        })?;
        let moment = Moment { target, fake, mask };
        let flicker = timed(&mut self.spent.measure_s, || {
            self.before.as_ref().and_then(|b| moment.flicker(b))
        });
        self.rows.push(QualityRow {
            frame: index as u64,
            time_s,
            reason,
            source_frame: source.filter(|_| reason.is_none()).map(|s| s as u64),
            pose_gap_deg: pose_gap.filter(|g| g.is_finite()).map(f64::from),
            hidden_share: hidden.map(f64::from),
            landmark_error: error,
            seam_energy: seam,
            sharpness,
            colour_difference: colour,
            mask_share: measure::mask_share(&moment.mask),
            flicker,
        });
        self.before = Some(moment);
        Ok(())
    }

    /// Closes the files. A clip with too few swapped frames is refused; the table of its frames
    /// is written all the same.
    pub fn finish(self) -> Result<(SwapDone, Spent), Refusal> {
        let mut spent = self.spent;
        let done = timed(&mut spent.encode_s, || self.close())?;
        Ok((done, spent))
    }

    fn close(self) -> Result<SwapDone, Refusal> {
        let rows = &self.rows;
        let mut kept: BTreeMap<Reason, u64> = BTreeMap::new();
        for reason in rows.iter().filter_map(|r| r.reason) {
            *kept.entry(reason).or_default() += 1;
        }
        let frames = rows.len() as u64;
        let swapped = frames - kept.values().sum::<u64>();
        let path = self.out.join(QUALITY);
        let bytes = quality::table(rows).map_err(|e| written(&path, e))?;
        fs::write(&path, bytes).map_err(|e| written(&path, e))?;
        if (swapped as f64) < self.rule.least_swapped * frames as f64 || swapped == 0 {
            let why: Vec<String> = kept.iter().map(|(r, n)| format!("{n} {r}")).collect();
            return Err(Refusal::new(
                Reason::SwapTooFew,
                format!("{swapped} of {frames} frames: {}", why.join(", ")),
            ));
        }
        let mean = |get: fn(&QualityRow) -> Option<f64>| {
            let values = rows.iter().filter(|r| r.reason.is_none());
            let values: Vec<f64> = values.filter_map(get).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        let done = SwapDone {
            frames,
            swapped,
            landmark_error: mean(|r| r.landmark_error),
            seam_energy: mean(|r| r.seam_energy),
            sharpness: mean(|r| r.sharpness),
            colour_difference: mean(|r| r.colour_difference),
            flicker: mean(|r| r.flicker),
            kept,
            master: self.master.finish()?,
            mask: self.mask.finish()?,
        };
        let path = self.out.join(SHEET);
        self.sheet.write(&path).map_err(|e| written(&path, e))?;
        Ok(done)
    }
}

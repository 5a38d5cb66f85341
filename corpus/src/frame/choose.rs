//! What the whole clip decides: whose track is the subject's, and so which rows and crops stay.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use fairframe_schemas::{
    Reason,
    corpus::frame::{CROPS, FRAMED, FRAMES, FrameRow, SHEET},
    source::Crops,
};

use super::{
    sheet::{self, Thumb},
    table::{Rows, Writer},
    task::{CANDIDATES, FrameTask, Framed, TRACKS, failed, track_crop},
};
use crate::{
    face::Rgb,
    item::Refusal,
    video::{Encoder, Facts, Timing},
};

/// What was found of all tracks.
pub struct Choice<'a> {
    pub task: &'a FrameTask,
    pub out: &'a Path,
    pub subject: Option<u32>,
    pub tracks: u32,
    /// By frame: what may stand on the sheet, for each track and for none.
    pub cells: BTreeMap<u64, Vec<(Option<u32>, Thumb)>>,
}

impl Choice<'_> {
    /// Writes the table, the subject's crops and the sheet; removes the other tracks'.
    pub fn write(mut self, facts: Facts) -> Result<Framed, Refusal> {
        let crops = self.out.join(CROPS);
        let stills = matches!(self.task.rule.crops, Crops::Jpeg | Crops::Png);
        if stills {
            fs::create_dir(&crops).map_err(|e| failed(&e))?;
        }
        let mut made = Framed {
            facts,
            frames: 0,
            faces: 0,
            crops: 0,
            padded: 0,
            tracks: self.tracks,
            reasons: BTreeMap::new(),
        };
        let mut clip = None;
        let mut cells = Vec::new();
        let mut table = Writer::create(&self.out.join(FRAMES)).map_err(|e| failed(&e))?;
        let candidates = self.out.join(CANDIDATES);
        let mut rows = Rows::open(&candidates).map_err(|e| failed(&e))?.peekable();
        while let Some(row) = rows.next() {
            let mut row = row.map_err(|e| failed(&e))?;
            let same = |next: &Result<FrameRow, _>| {
                next.as_ref().is_ok_and(|n: &FrameRow| n.frame == row.frame)
            };
            let mut others = Vec::new();
            while let Some(Ok(next)) = rows.next_if(same) {
                others.push(next);
            }
            if let Some(subject) = others.into_iter().find(|r| r.track == self.subject) {
                row = subject;
            }
            let row = self.of_subject(row);
            made.count(&row);
            if row.crop.is_some() {
                self.keep(&row, &made.facts, &mut clip)?;
            }
            if let Some(thumb) = self.thumb(&row) {
                // The sheet has no use for landmarks.
                let landmarks = None;
                let row = row.clone();
                cells.push((FrameRow { landmarks, ..row }, thumb));
            }
            table.push(row).map_err(|e| failed(&e))?;
        }
        table.finish().map_err(|e| failed(&e))?;
        if let Some(clip) = clip {
            let _: crate::video::Encoded = clip.finish()?;
        }
        fs::remove_file(&candidates).map_err(|e| failed(&e))?;
        gone(fs::remove_dir_all(self.out.join(TRACKS)))?;
        if stills && made.crops == 0 {
            fs::remove_dir(&crops).map_err(|e| failed(&e))?;
        }
        let title = format!(
            "{}  {} of {} frames cropped",
            self.task.title, made.crops, made.frames
        );
        sheet::write(&self.out.join(SHEET), &title, &cells)?;
        Ok(made)
    }

    /// The subject's row as it is; of another face, only that it is there.
    fn of_subject(&self, row: FrameRow) -> FrameRow {
        if row.track.is_none() || row.track == self.subject {
            return row;
        }
        FrameRow {
            frame: row.frame,
            time_s: row.time_s,
            faces: row.faces,
            reason: Some(Reason::FaceOther),
            ..Default::default()
        }
    }

    fn thumb(&mut self, row: &FrameRow) -> Option<Thumb> {
        let thumbs = self.cells.remove(&row.frame)?;
        let track = row.track.filter(|_| row.reason.is_none());
        thumbs
            .into_iter()
            .find(|(of, _)| *of == track)
            .map(|(_, thumb)| thumb)
    }

    /// Puts a crop where its row says.
    fn keep(
        &self,
        row: &FrameRow,
        facts: &Facts,
        clip: &mut Option<Encoder>,
    ) -> Result<(), Refusal> {
        let (Some(name), Some(track)) = (&row.crop, row.track) else {
            return Ok(());
        };
        let from = track_crop(self.out, self.task.rule.crops, track, row.frame);
        if self.task.rule.crops != Crops::Clip {
            return fs::rename(from, self.out.join(name)).map_err(|e| failed(&e));
        }
        let picture = image::open(&from).map_err(|e| failed(&e))?.into_rgb8();
        let (width, height) = picture.dimensions();
        let data = picture.into_raw();
        let picture = Rgb {
            width,
            height,
            data,
        };
        let clip = match clip {
            Some(clip) => clip,
            none => {
                // Frames without a face are not in it.
                let rate = facts.timing.rate;
                let variable = true;
                let timing = Timing { rate, variable };
                let path: PathBuf = self.out.join(FRAMED);
                none.insert(Encoder::master(&path, (width, height), timing)?)
            }
        };
        clip.push(&picture, row.time_s)
    }
}

impl Framed {
    fn count(&mut self, row: &FrameRow) {
        self.frames += 1;
        self.faces += u64::from(row.landmarks.is_some());
        self.crops += u64::from(row.reason.is_none());
        self.padded += u64::from(row.reason.is_none() && row.padded == Some(true));
        if let Some(reason) = row.reason {
            *self.reasons.entry(reason).or_default() += 1;
        }
    }
}

/// What was to be removed is not there, now or never.
fn gone(removed: io::Result<()>) -> Result<(), Refusal> {
    match removed {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed(&e)),
        _ => Ok(()),
    }
}

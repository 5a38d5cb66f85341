//! Contact sheets: a look at a clip's crops, and at the frames that have none.

use std::path::Path;

use fairframe_schemas::{Reason, corpus::frame::FrameRow, source::Crops};

use super::{crop::save, font};
use crate::{
    face::{Affine, Rgb},
    item::Refusal,
};

/// Cells of a sheet at most.
pub const CELLS: u64 = 40;
/// Cells of a row.
const COLUMNS: u32 = 8;
/// Side of a cell's picture, the band of text below, the space between cells.
const SIDE: u32 = 144;
const BAND: u32 = 30;
const GAP: u32 = 12;
/// The band of text above all.
const HEAD: u32 = 40;
const EDGE: u32 = 3;

const PAPER: [u8; 3] = [247, 246, 243];
const INK: [u8; 3] = [38, 42, 48];
const FAINT: [u8; 3] = [122, 126, 132];
/// A crop; one that reaches beyond the frame; none.
const GOOD: [u8; 3] = [62, 128, 112];
const FLAG: [u8; 3] = [204, 150, 52];
const NONE: [u8; 3] = [188, 82, 68];

/// A cell's picture: a crop, or the whole frame.
#[derive(Debug, Clone)]
pub struct Thumb(Rgb);

impl Thumb {
    /// A picture scaled into the square, upright in its middle.
    pub fn of(picture: &Rgb) -> Self {
        let (w, h) = (picture.width as f32, picture.height as f32);
        let scale = w.max(h) / SIDE as f32;
        let size = |side: f32| ((side / scale).round() as u32).clamp(1, SIDE);
        let (tw, th) = (size(w), size(h));
        let small = picture.warp(
            &Affine([[w / tw as f32, 0.0, 0.0], [0.0, h / th as f32, 0.0]]),
            tw,
            th,
        );
        let mut thumb = Rgb::new(SIDE, SIDE);
        fill(&mut thumb, [0, 0, SIDE, SIDE], [226, 225, 221]);
        paste(&mut thumb, (SIDE - tw) / 2, (SIDE - th) / 2, &small);
        Self(thumb)
    }
}

/// Draws a sheet of rows and their pictures, under a title, and writes it as JPEG.
pub fn write(path: &Path, title: &str, cells: &[(FrameRow, Thumb)]) -> Result<(), Refusal> {
    let columns = COLUMNS.min(cells.len().max(4) as u32);
    let lines = (cells.len() as u32).div_ceil(columns);
    let (wide, high) = (SIDE + GAP, SIDE + BAND + GAP);
    let mut sheet = Rgb::new(columns * wide + GAP, HEAD + lines * high + GAP);
    let all = [0, 0, sheet.width, sheet.height];
    fill(&mut sheet, all, PAPER);
    font::write(&mut sheet, GAP, GAP + 2, 2, INK, title);
    for (i, (row, thumb)) in cells.iter().enumerate() {
        let (x, y) = (
            GAP + i as u32 % columns * wide,
            HEAD + i as u32 / columns * high,
        );
        let colour = match (row.reason, row.padded) {
            (Some(_), _) => NONE,
            (None, Some(true)) => FLAG,
            _ => GOOD,
        };
        fill(&mut sheet, [x, y, SIDE, SIDE], colour);
        paste_inner(&mut sheet, x, y, &thumb.0);
        let below = y + SIDE + 5;
        let when = format!("{} {:.2} s", row.frame, row.time_s);
        font::write(&mut sheet, x, below, 1, INK, &when);
        let what = told(row);
        font::write(&mut sheet, x, below + 11, 1, FAINT, &what);
    }
    save(&sheet, path, Crops::Jpeg)
}

/// What stands in the second line of a cell, at most 24 letters.
fn told(row: &FrameRow) -> String {
    let words = match (row.reason, row.yaw, row.pitch) {
        (Some(Reason::FaceOther), ..) => "another face".to_owned(),
        (Some(reason), ..) => reason.code().replace('-', " "),
        (None, Some(yaw), Some(pitch)) => {
            let padded = if row.padded == Some(true) {
                " edge"
            } else {
                ""
            };
            format!("yaw {yaw:.0} pitch {pitch:.0}{padded}")
        }
        _ => String::new(),
    };
    words
        .chars()
        .take((SIDE / font::ADVANCE) as usize)
        .collect()
}

/// Fills a rectangle (x, y, width, height), as far as it is in the picture.
pub fn fill(picture: &mut Rgb, [x, y, w, h]: [u32; 4], colour: [u8; 3]) {
    for y in y..(y + h).min(picture.height) {
        for x in x..(x + w).min(picture.width) {
            picture.set(x, y, colour);
        }
    }
}

fn paste(picture: &mut Rgb, x: u32, y: u32, piece: &Rgb) {
    for py in 0..piece.height {
        for px in 0..piece.width {
            picture.set(x + px, y + py, piece.pixel(px, py));
        }
    }
}

/// Leaves the edge as it is.
fn paste_inner(picture: &mut Rgb, x: u32, y: u32, piece: &Rgb) {
    for py in EDGE..piece.height - EDGE {
        for px in EDGE..piece.width - EDGE {
            picture.set(x + px, y + py, piece.pixel(px, py));
        }
    }
}

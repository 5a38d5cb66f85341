//! The contact sheet of a fake: what a person looks at.

use std::{collections::BTreeMap, io, path::Path};

use image::{ImageEncoder, codecs::jpeg::JpegEncoder};

use crate::face::{Affine, Mesh, Rgb};

/// Frames evenly spaced, besides the best and the worst.
const FRAMES: usize = 8;
/// Side of a tile in pixels, and of the cut around a face as a multiple of the mesh.
const TILE: u32 = 160;
const AROUND: f32 = 1.7;
const QUALITY: u8 = 90;
/// Frames around columns: none, the best, the worst.
const BORDER: u32 = 4;
const EVEN: [u8; 3] = [255; 3];
const BEST: [u8; 3] = [40, 160, 60];
const WORST: [u8; 3] = [200, 40, 40];

/// What is shown of a frame: target, source, fake, mask.
type Column = [Rgb; 4];

/// Tiles are cut while frames pass by.
pub struct Sheet {
    wanted: Vec<usize>,
    columns: Vec<Column>,
    best: Option<(f64, Column)>,
    worst: Option<(f64, Column)>,
    /// Cuts of the source's frames that may be used.
    sources: BTreeMap<usize, Rgb>,
}

impl Sheet {
    /// Of a clip of so many frames.
    pub fn new(frames: usize) -> Self {
        let n = FRAMES.min(frames);
        Self {
            wanted: (0..n).map(|i| i * (frames - 1) / (n - 1).max(1)).collect(),
            columns: Vec::new(),
            best: None,
            worst: None,
            sources: BTreeMap::new(),
        }
    }

    /// A source frame that may be used.
    pub fn source(&mut self, index: usize, picture: &Rgb, mesh: &Mesh) {
        self.sources.insert(index, cut(picture, Some(mesh)));
    }

    /// The next frame; `error` is how badly it was swapped, where it was.
    pub fn see(
        &mut self,
        index: usize,
        pictures: [&Rgb; 2],
        mask: &[u8],
        mesh: Option<&Mesh>,
        source: Option<usize>,
        error: Option<f64>,
    ) {
        let wanted = self.wanted.contains(&index);
        let best = error.filter(|e| self.best.as_ref().is_none_or(|(b, _)| e < b));
        let worst = error.filter(|e| self.worst.as_ref().is_none_or(|(w, _)| e > w));
        if !wanted && best.is_none() && worst.is_none() {
            return;
        }
        let [target, fake] = pictures;
        let grey = Rgb {
            width: target.width,
            height: target.height,
            data: mask.iter().flat_map(|&v| [v; 3]).collect(),
        };
        let other = source.and_then(|s| self.sources.get(&s)).cloned();
        let column = [
            cut(target, mesh),
            other.unwrap_or_else(|| Rgb::new(TILE, TILE)),
            cut(fake, mesh),
            cut(&grey, mesh),
        ];
        if let Some(error) = best {
            self.best = Some((error, column.clone()));
        }
        if let Some(error) = worst {
            self.worst = Some((error, column.clone()));
        }
        if wanted {
            self.columns.push(column);
        }
    }

    /// Writes it: evenly spaced frames, then the best (green) and the worst (red).
    pub fn write(self, path: &Path) -> io::Result<()> {
        let even = self.columns.into_iter().map(|c| (EVEN, c));
        let best = self.best.map(|(_, c)| (BEST, c));
        let worst = self.worst.map(|(_, c)| (WORST, c));
        let columns: Vec<_> = even.chain(best).chain(worst).collect();
        let step = TILE + 2 * BORDER;
        let mut sheet = Rgb::new(step * columns.len().max(1) as u32, step * 4);
        for (i, (colour, column)) in columns.iter().enumerate() {
            for (j, tile) in column.iter().enumerate() {
                for y in 0..step {
                    for x in 0..step {
                        let inside = |v: u32| (BORDER..BORDER + TILE).contains(&v);
                        let pixel = match inside(x) && inside(y) {
                            true => tile.pixel(x - BORDER, y - BORDER),
                            false => *colour,
                        };
                        sheet.set(i as u32 * step + x, j as u32 * step + y, pixel);
                    }
                }
            }
        }
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, QUALITY)
            .write_image(
                &sheet.data,
                sheet.width,
                sheet.height,
                image::ExtendedColorType::Rgb8,
            )
            .map_err(io::Error::other)?;
        std::fs::write(path, bytes)
    }
}

/// A square around a face, or the middle of the picture.
fn cut(picture: &Rgb, mesh: Option<&Mesh>) -> Rgb {
    let (width, height) = (picture.width as f32, picture.height as f32);
    let (x, y, side) = match mesh.map(Mesh::bounds) {
        Some([x, y, w, h]) => (x + w / 2.0, y + h / 2.0, AROUND * w.max(h)),
        None => (width / 2.0, height / 2.0, width.min(height)),
    };
    let scale = side / TILE as f32;
    let corner = |middle: f32| middle - side / 2.0;
    let from = Affine([[scale, 0.0, corner(x)], [0.0, scale, corner(y)]]);
    picture.warp(&from, TILE, TILE)
}

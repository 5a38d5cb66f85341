//! The swap of one clip: pure, frame by frame, with memory that does not grow with the clip's
//! pictures.
//!
//! ```text
//! source frames -> some textures -> its looks -> colours carried ---\
//! target frames -> some textures -> its looks (first reading)        \
//! target frames -> texture -> seen, correction -> smoothed -> drawn -> fake, mask
//! ```

use std::collections::VecDeque;

use fairframe_schemas::Reason;

use super::{
    canonical::LAYOUT,
    choose,
    colour::Palette,
    faces::{Plan, Sampler},
    grid::{Colours, Grid, Mixed, Plane, smoothstep},
    likeness,
    looks::{Looks, common, exact, mirrored},
    membrane,
    pose::{Placed, Pose},
    regions::Regions,
    spent::{Spent, timed},
    texture::draw,
};
use crate::face::{Mesh, Rgb};

/// Frames before and after over which corrections and visibility are smoothed, and source
/// frames are faded into each other.
const REACH: usize = 3;
/// How much of the source's shape the inner face takes on.
const SHAPE: f32 = 0.8;
/// What a source frame costs whose face is all hidden, in units of [`Pose::unlike`].
const HIDDEN: f32 = 10.0;

/// When a frame keeps the target's pixels.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Degrees between the heads.
    pub pose_gap: f32,
    /// Share of the face.
    pub hidden: f32,
}

/// Share of the face that something hides.
fn hidden(seen: &Plane, regions: &Regions) -> f32 {
    let weighed = seen.data.iter().zip(&regions.face.data);
    let hidden: f32 = weighed.map(|(s, f)| (1.0 - s) * f).sum();
    hidden / regions.face.data.iter().sum::<f32>()
}

/// Share of a half face that may be hair before the other half is taken for it.
const HAIR: f32 = 0.05;

/// Where the mirrored face is taken: all of a half that hair hangs over, if the other is better.
fn borrowed(bare: &Plane, regions: &Regions) -> Plane {
    let side = bare.width;
    let hidden = |right: bool| {
        let (mut hidden, mut all) = (0.0, 0.0);
        for y in 0..side {
            for x in 0..side / 2 {
                let x = if right { side - 1 - x } else { x };
                all += regions.face.at(x, y);
                hidden += (1.0 - bare.at(x, y)) * regions.face.at(x, y);
            }
        }
        hidden / all
    };
    let (left, right) = (hidden(false), hidden(true));
    let takes = |own: f32, other: f32| own > HAIR && other < own / 2.0;
    Grid::of(side, side, |x, _| {
        let off = (x as f32 + 0.5) / side as f32 - 0.5;
        let half = if off < 0.0 {
            takes(left, right)
        } else {
            takes(right, left)
        };
        f32::from(u8::from(half)) * smoothstep(0.02, 0.12, off.abs())
    })
}

/// What hair hides on one side is taken from the other. Where they meet, in the middle, a face
/// and its mirror image agree.
fn completed(own: Colours, borrowed: &Plane) -> Colours {
    let weighed = |own: &[f32; 3], (other, weight): &([f32; 3], f32)| {
        std::array::from_fn(|k| own[k] + weight * (other[k] - own[k]))
    };
    let other = mirrored(&own).zip(borrowed, |&o, &b| (o, b));
    own.zip(&other, weighed)
}

/// A frame of the fake.
#[derive(Debug)]
pub struct Swapped {
    pub index: usize,
    pub target: Rgb,
    pub fake: Rgb,
    /// How strongly each pixel was replaced, 0 to 255; where it is 0 the fake is the target.
    pub mask: Vec<u8>,
    /// Why nothing was.
    pub reason: Option<Reason>,
    /// The source's frame that weighs most.
    pub source: Option<usize>,
    pub pose_gap: Option<f32>,
    pub hidden: Option<f32>,
}

impl Swapped {
    /// A frame that is the target's as it stands.
    pub fn kept(index: usize, target: Rgb) -> Self {
        Self {
            index,
            fake: target.clone(),
            mask: vec![0; target.width as usize * target.height as usize],
            target,
            reason: None,
            source: None,
            pose_gap: None,
            hidden: None,
        }
    }

    /// Takes the pixels of another picture of the same size where a mask is not 0.
    pub fn paint_over(&mut self, picture: &[u8], mask: Vec<u8>) {
        let pixels = self
            .fake
            .data
            .chunks_exact_mut(3)
            .zip(picture.chunks_exact(3));
        for ((old, new), mask) in pixels.zip(&mask) {
            if *mask > 0 {
                old.copy_from_slice(new);
            }
        }
        self.mask = mask;
    }
}

/// A target frame under way.
struct Pending {
    index: usize,
    picture: Rgb,
    found: Option<Found>,
}

struct Found {
    seen: Plane,
    correction: Colours,
}

/// All that was learned; turns target frames into fake ones.
pub struct Swapper<'a> {
    plan: &'a Plan,
    limits: Limits,
    /// Of the source, in the target's colours.
    textures: Vec<Colours>,
    frames: Vec<usize>,
    chosen: Vec<Option<usize>>,
    looks: Looks,
    /// Where both faces are skin, and the target's is replaced.
    allowed: Plane,
    window: VecDeque<Pending>,
    spent: Spent,
}

impl<'a> Swapper<'a> {
    /// `None` where one of the two shows no face.
    pub fn new(
        plan: &'a Plan,
        limits: Limits,
        target: Sampler<'_>,
        source: Sampler<'_>,
    ) -> Option<Self> {
        let regions = &plan.regions;
        let (frames, source, target) = (source.wanted, source.samples, target.samples);
        let common = common([&target, &source], regions)?;
        let theirs = Looks::of(&source, &common, regions)?;
        let looks = Looks::of(&target, &common, regions)?;
        let weights = || {
            let bare = theirs.bare.data.iter().zip(&looks.bare.data);
            bare.zip(&regions.skin.data).map(|((a, b), s)| a * b * s)
        };
        let from = Palette::of(&theirs.texture, weights())?;
        let to = Palette::of(&looks.texture, weights())?;
        let borrowed = borrowed(&theirs.bare, regions);
        let mut textures = Vec::with_capacity(source.len());
        let mut penalties = Vec::with_capacity(source.len());
        for sample in &source {
            let texture = exact(sample);
            let seen = theirs.seen(&texture);
            penalties.push(HIDDEN * hidden(&seen, regions));
            let mut whole = texture;
            for ((colour, usual), &seen) in whole
                .data
                .iter_mut()
                .zip(&theirs.texture.data)
                .zip(&seen.data)
            {
                let mixed: [f32; 3] =
                    std::array::from_fn(|k| usual[k] + seen * (colour[k] - usual[k]));
                *colour = from.carry(&to, mixed);
            }
            textures.push(completed(whole, &borrowed));
        }
        let usual = completed(theirs.texture.map(|c| from.carry(&to, *c)), &borrowed);
        let lifted = likeness::lifted(&usual, &looks.texture, regions);
        for texture in &mut textures {
            *texture = texture.zip(&lifted, |c, l| c.map(|v| (v * l).min(255.0)));
        }
        let seen: Vec<Colours> = target.iter().map(exact).collect();
        let detail = likeness::detail(&textures, &seen, &looks.bare, regions);
        for texture in &mut textures {
            *texture = likeness::sharpened(texture, detail);
        }
        let poses: Vec<Pose> = frames
            .iter()
            .filter_map(|&i| plan.source.poses[i])
            .collect();
        let chosen = choose::choose(&plan.target.poses, &poses, &penalties);
        let allowed = theirs
            .bare
            .zip(&borrowed, |own, b| own * (1.0 - b))
            .zip(
                &mirrored(&theirs.bare).zip(&borrowed, |other, b| other * b),
                |a, b| a + b,
            )
            .zip(&looks.bare, |a, b| a * b)
            .zip(&regions.face, |a, f| a * f);
        Some(Self {
            plan,
            limits,
            textures,
            frames,
            chosen,
            looks,
            allowed,
            window: VecDeque::new(),
            spent: Spent::default(),
        })
    }

    /// The next target frame; the fake one that is ready now, some frames behind.
    pub fn push(&mut self, index: usize, picture: Rgb) -> Option<Swapped> {
        let mut spent = self.spent;
        let found = self.find(index, &picture, &mut spent);
        self.window.push_back(Pending {
            index,
            picture,
            found,
        });
        if self.window.len() > 2 * REACH + 1 {
            self.window.pop_front();
        }
        let made = (self.window.len() > REACH)
            .then(|| self.window.len() - 1 - REACH)
            .and_then(|at| self.make(at, &mut spent));
        self.spent = spent;
        made
    }

    /// The fakes of the last frames, in order, and where the time went.
    pub fn finish(self) -> (Vec<Swapped>, Spent) {
        let mut spent = self.spent;
        let first = self.window.len().saturating_sub(REACH);
        let last = (first..self.window.len())
            .filter_map(|at| self.make(at, &mut spent))
            .collect();
        (last, spent)
    }

    fn find(&self, index: usize, picture: &Rgb, spent: &mut Spent) -> Option<Found> {
        let mesh = self.plan.target.meshes.get(index)?.as_ref()?;
        let source = timed(&mut spent.blend_s, || self.texture(index))?;
        let texture = timed(&mut spent.warp_s, || self.plan.atlas.unwrap(picture, mesh));
        let seen = timed(&mut spent.hide_s, || self.looks.seen(&texture));
        let correction = timed(&mut spent.blend_s, || {
            let known = seen
                .zip(&self.allowed, |s, a| s * f32::from(u8::from(*a > 0.0)))
                .zip(&self.plan.regions.ring, |s, r| s * r)
                .zip(&self.looks.bare, |s, b| s * b);
            membrane::correction(&texture, &source, &known, &self.plan.inside)
        });
        Some(Found { seen, correction })
    }

    /// Source frames are faded into each other where they change.
    fn mix(&self, index: usize) -> Vec<(usize, f32)> {
        let mut mix: Vec<(usize, f32)> = Vec::new();
        let first = index.saturating_sub(REACH);
        for (other, chosen) in self
            .chosen
            .iter()
            .enumerate()
            .skip(first)
            .take(index - first + REACH + 1)
        {
            let Some(chosen) = *chosen else { continue };
            let weight = (REACH + 1 - other.abs_diff(index)) as f32;
            match mix.iter_mut().find(|(i, _)| *i == chosen) {
                Some((_, sum)) => *sum += weight,
                None => mix.push((chosen, weight)),
            }
        }
        let total: f32 = mix.iter().map(|(_, w)| w).sum();
        for (_, weight) in &mut mix {
            *weight /= total;
        }
        mix
    }

    fn texture(&self, index: usize) -> Option<Colours> {
        let mix = self.mix(index);
        let side = self.plan.atlas.side();
        let mut sum = Grid::filled(side, side, [0.0; 3]);
        for &(i, weight) in &mix {
            sum = sum.zip(&self.textures[i], |s, t| s.plus(*t, weight));
        }
        (!mix.is_empty()).then_some(sum)
    }

    /// The target's mesh with the source's inner shape.
    fn shaped(&self, mesh: &Mesh) -> Mesh {
        let Some(placed) = Placed::of(mesh) else {
            return mesh.clone();
        };
        let mut shaped = mesh.clone();
        let (target, source) = (&self.plan.target.shape, &self.plan.source.shape);
        for (i, point) in shaped.points.iter_mut().enumerate() {
            let [u, v] = LAYOUT[i];
            let side = self.plan.atlas.side() as f32;
            let inner = SHAPE * self.plan.regions.face.linear(u * side, v * side);
            let apart = std::array::from_fn(|k| source[i][k] - target[i][k]);
            for (p, d) in point.iter_mut().zip(placed.turned(apart)) {
                *p += inner * d;
            }
        }
        shaped
    }

    fn make(&self, at: usize, spent: &mut Spent) -> Option<Swapped> {
        let pending = self.window.get(at)?;
        let mut swapped = Swapped::kept(pending.index, pending.picture.clone());
        swapped.reason = self.replace(at, &mut swapped, spent).err();
        Some(swapped)
    }

    /// Replaces the face of a frame, unless there is a reason not to.
    fn replace(&self, at: usize, swapped: &mut Swapped, spent: &mut Spent) -> Result<(), Reason> {
        let index = swapped.index;
        let faces = &self.plan.target;
        let mesh = faces.meshes.get(index).and_then(Option::as_ref);
        let (Some(mesh), Some(pose), Some(source), Some((seen, correction))) = (
            mesh,
            faces.poses.get(index).copied().flatten(),
            timed(&mut spent.blend_s, || self.texture(index)),
            timed(&mut spent.blend_s, || self.smooth(at)),
        ) else {
            return Err(Reason::FaceMissing);
        };
        let mix = self.mix(index);
        let most = mix.iter().max_by(|a, b| a.1.total_cmp(&b.1));
        let frame = most.map(|(i, _)| self.frames[*i]);
        let gap = frame
            .and_then(|f| self.plan.source.poses[f])
            .map_or(f32::INFINITY, |other| pose.gap(&other));
        let hidden = hidden(&seen, &self.plan.regions);
        swapped.pose_gap = Some(gap);
        swapped.hidden = Some(hidden);
        if gap > self.limits.pose_gap {
            return Err(Reason::PoseGap);
        }
        if hidden > self.limits.hidden {
            return Err(Reason::FaceHidden);
        }
        swapped.source = frame;
        let allowed = self.allowed.zip(&seen, |a, s| a * s);
        timed(&mut spent.warp_s, || {
            self.paint(&self.shaped(mesh), &source, &correction, &allowed, swapped);
        });
        Ok(())
    }

    fn paint(
        &self,
        mesh: &Mesh,
        source: &Colours,
        correction: &Colours,
        allowed: &Plane,
        swapped: &mut Swapped,
    ) {
        let fake = &mut swapped.fake;
        let (width, height) = (fake.width as usize, fake.height as usize);
        let side = self.plan.atlas.side() as f32;
        let coarse = correction.width as f32;
        let drawn = draw(mesh, width, height);
        for (i, pixel) in drawn.pixels.data.iter().enumerate() {
            let Some(([u, v], front)) = *pixel else {
                continue;
            };
            let weight = allowed.linear(u * side, v * side) * smoothstep(0.1, 0.4, front);
            let level = (weight * 255.0).round();
            if level < 1.0 {
                continue;
            }
            let weight = level / 255.0;
            let colour = source
                .cubic(u * side, v * side)
                .plus(correction.linear(u * coarse, v * coarse), 1.0);
            let (x, y) = (i % drawn.pixels.width, i / drawn.pixels.width);
            let pixel = (drawn.top + y) * width + drawn.left + x;
            swapped.mask[pixel] = level as u8;
            for (value, new) in fake.data[pixel * 3..].iter_mut().zip(colour) {
                let old = f32::from(*value);
                *value = (old + weight * (new - old)).round().clamp(0.0, 255.0) as u8;
            }
        }
    }

    /// Visibility and correction at a place of the window, weighed over those around it.
    fn smooth(&self, at: usize) -> Option<(Plane, Colours)> {
        let mut total = 0.0;
        let mut sum: Option<Colours> = None;
        let mut sum_seen: Option<Plane> = None;
        let mut total_seen = 0.0;
        for (other, pending) in self.window.iter().enumerate() {
            let Some(found) = &pending.found else {
                continue;
            };
            let off = other.abs_diff(at);
            if off > REACH {
                continue;
            }
            let weight = (REACH + 1 - off) as f32;
            total += weight;
            sum = Some(match sum {
                None => found.correction.map(|c| c.map(|v| v * weight)),
                Some(sum) => sum.zip(&found.correction, |s, c| {
                    std::array::from_fn(|k| s[k] + weight * c[k])
                }),
            });
            // Hands are fast: only the neighbours.
            if off <= 1 {
                let weight = (2 - off) as f32;
                total_seen += weight;
                sum_seen = Some(match sum_seen {
                    None => found.seen.map(|v| v * weight),
                    Some(sum) => sum.zip(&found.seen, |s, v| s + weight * v),
                });
            }
        }
        Some((
            sum_seen?.map(|v| v / total_seen),
            sum?.map(|c| c.map(|v| v / total)),
        ))
    }
}

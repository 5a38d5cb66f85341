//! Scores put to their samples, frames and videos.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use ahash::RandomState;
use fairframe_schemas::report::{Counts, DefectKind, InputRole, Level};
use rayon::prelude::*;

use crate::check::{Checked, Defects, Ids, Kept};
use crate::codes::Codes;
use crate::join::{Identity, Items, Place, Rows, missing, settle};
use crate::metrics::detection::{Detection, Options, ScoredItems};
use crate::metrics::multi_label::Lists;
use crate::parts::parts;
use crate::read::{Numbers, Table};
use crate::statistics::Sum;
use fairframe_schemas::Pooling;

/// What becomes of frames, and of what has no score.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    pub pooling: Pooling,
    pub no_score: f64,
}

impl Policy {
    /// A video's score.
    fn pooled(self, frames: &mut [f64]) -> Option<f64> {
        // None is negative: their bits are in their order.
        frames.sort_unstable_by_key(|score| score.to_bits());
        let (n, middle) = (frames.len(), frames.len() / 2);
        match self.pooling {
            _ if n == 0 => None,
            Pooling::Mean => {
                let mut sum = Sum::default();
                frames.iter().for_each(|score| sum.add(*score));
                Some(sum.value() / n as f64)
            }
            Pooling::Max => frames.last().copied(),
            Pooling::Median if n % 2 == 1 => Some(frames[middle]),
            Pooling::Median => Some((frames[middle - 1] + frames[middle]) / 2.0),
        }
    }
}

/// No video, or no score.
const NONE: u32 = u32::MAX;

/// The ids of the solution, each once, in the order of the file.
struct Videos {
    ids: Vec<u32>,
    fake: Vec<bool>,
    rows: Rows,
    /// The place of each id there is, or [`NONE`].
    place_of: Vec<u32>,
}

impl Videos {
    fn of(
        solution: &Checked<Vec<bool>>,
        table: &Table,
        names: &Ids,
        defects: &mut Defects,
    ) -> Self {
        let (mut ids, mut fakes) = (Vec::new(), Vec::new());
        let mut place_of = vec![NONE; names.ids.len()];
        let mut sizes: Vec<usize> = Vec::new();
        // Whether the rows of each stand together.
        let mut together = true;
        let mut start = 0;
        for end in run_ends(&solution.ids) {
            let id = solution.ids.get(start);
            let place = &mut place_of[id as usize];
            if *place == NONE {
                *place = ids.len() as u32;
                ids.push(id);
                fakes.push(solution.values[start]);
                sizes.push(0);
            } else {
                together = false;
            }
            sizes[*place as usize] += end - start;
            start = end;
        }
        let as_first = |at: &usize| {
            let place = place_of[solution.ids.get(*at) as usize];
            fakes[place as usize] == solution.values[*at]
        };
        let all = 0..solution.ids.len();
        if !all.clone().into_par_iter().all(|at| as_first(&at)) {
            for at in all.filter(|at| !as_first(at)) {
                let id = names.ids.get(solution.ids.get(at));
                let text = format!("{id}: its frames differ in truth");
                let line = Some(table.line(solution.rows.get(at)));
                let kind = DefectKind::ConflictingId;
                defects.add(InputRole::Solution, kind, line, None, &text);
            }
        }
        let all_rows = matches!(solution.rows, Kept::First(_));
        let rows = match solution.frames.is_some() {
            false => Rows::One(solution.rows.clone()),
            true if together && all_rows => Rows::Runs(ends(&sizes)),
            true => {
                let places = solution.ids.iter().map(|id| place_of[id as usize]);
                let rows = solution.rows.iter().map(|row| row as u32);
                let (rows, ends) = by_place(&sizes, places, rows);
                Rows::Several(Lists::of_sorted(rows, ends))
            }
        };
        Self {
            ids,
            fake: fakes,
            rows,
            place_of,
        }
    }

    fn place(&self, id: u32) -> Option<usize> {
        let place = self.place_of[id as usize];
        (place != NONE).then_some(place as usize)
    }
}

/// Where each run of the same number ends.
fn run_ends(codes: &Codes) -> Vec<usize> {
    let ends = |part: Range<usize>| -> Vec<usize> {
        let mut last = codes.get(part.start.saturating_sub(1));
        let mut is_new = |at: &usize| std::mem::replace(&mut last, codes.get(*at)) != last;
        part.filter(|at| is_new(at)).collect()
    };
    let parts: Vec<Vec<usize>> = parts(codes.len()).into_par_iter().map(ends).collect();
    let last = (!codes.is_empty()).then_some(codes.len());
    parts.into_iter().flatten().chain(last).collect()
}

/// Where each of so many end to end ends.
fn ends(sizes: &[usize]) -> Vec<usize> {
    let mut all = 0;
    let end = |size: &usize| {
        all += size;
        all
    };
    sizes.iter().map(end).collect()
}

/// Values put together by place, in the order they come in: all values, and
/// where each place's end.
fn by_place<V: Copy + Default>(
    sizes: &[usize],
    places: impl Iterator<Item = u32>,
    values: impl Iterator<Item = V>,
) -> (Vec<V>, Vec<usize>) {
    let mut starts = ends(sizes);
    let mut sorted = vec![V::default(); starts.last().copied().unwrap_or_default()];
    starts
        .iter_mut()
        .zip(sizes)
        .for_each(|(start, size)| *start -= size);
    for (place, value) in places.zip(values) {
        let next = &mut starts[place as usize];
        sorted[*next] = value;
        *next += 1;
    }
    (sorted, starts)
}

/// Joins scores by id, and by frame where both sides name frames. Gives the
/// video level before the frame level, or the one level there is.
pub(super) fn join(
    (solution, solution_table): (&Checked<Vec<bool>>, &Table),
    (submission, table): (&Checked<Numbers>, &Table),
    names: Ids,
    id_column: usize,
    (options, policy): (Options, Policy),
    defects: &mut Defects,
    counts: &mut Counts,
) -> Vec<Items<Detection>> {
    let names = Arc::new(names);
    let videos = Videos::of(solution, solution_table, &names, defects);
    let place = Place { table, id_column };
    let has_frames = submission.frames.is_some();
    // Frames are matched by name only where the names mean the same.
    let by_frame = has_frames
        && solution.frames.is_some()
        && table.positional_frames == solution_table.positional_frames;
    let one_by_one = same_order(solution, submission);
    if !one_by_one {
        for (at, id) in submission.ids.iter().enumerate() {
            if videos.place(id).is_none() && !solution.left_out.contains(&id) {
                counts.unknown += 1;
                place.unknown(defects, submission.rows.get(at), names.ids.get(id));
            }
        }
    }
    let level = if has_frames || solution.frames.is_some() {
        Level::Video
    } else {
        Level::Sample
    };
    let new_items = |level, rows, items| Items {
        level,
        identity: Identity::new(names.clone(), rows),
        form: Detection { items, options },
    };
    // The frames that have a say in their video: the solution's, or all.
    let counted = match by_frame && !one_by_one {
        true => Counted::Some(named_frames(solution, submission)),
        false => Counted::All,
    };
    let pooled = pooled(&videos, submission, (&counted, one_by_one), policy);
    let mut frames = None;
    if by_frame {
        let (scores, answered) = match &counted {
            Counted::All => (submission.values.clone(), vec![true; solution.ids.len()]),
            Counted::Some(counted) => {
                let score = |at: &u32| match *at {
                    NONE => policy.no_score,
                    at => submission.values.get(at as usize),
                };
                (
                    Numbers::narrowed(counted.par_iter().map(score).collect()),
                    counted.iter().map(|at| *at != NONE).collect(),
                )
            }
        };
        let items = ScoredItems::new(scores, solution.values.clone());
        let mut items = new_items(Level::Frame, Rows::One(solution.rows.clone()), items);
        items.identity.ids = solution.ids.clone();
        items.identity.frames = solution.frames.clone();
        items.identity.answered = answered;
        frames = Some(items);
        if let Counted::Some(counted) = &counted {
            unknown_frames(
                (submission, &solution.left_out_frames),
                &videos,
                counted,
                &names,
                &place,
                defects,
                counts,
            );
        }
    } else if let Some(named) = &submission.frames {
        let (mut of, mut ids, mut names, mut scores, mut fakes) =
            <(Vec<u32>, Vec<_>, Vec<_>, Vec<_>, Vec<_>)>::default();
        for (at, id) in submission.ids.iter().enumerate() {
            if let Some(video) = videos.place(id) {
                of.push(video as u32);
                ids.push(id);
                names.push(named.get(at));
                scores.push(submission.values.get(at));
                fakes.push(videos.fake[video]);
            }
        }
        let rows = Rows::Shared(of, Box::new(videos.rows.clone()));
        let items = ScoredItems::new(Numbers::narrowed(scores), fakes);
        let mut items = new_items(Level::Frame, rows, items);
        items.identity.answered = vec![true; ids.len()];
        items.identity.ids = Arc::new(ids.into());
        items.identity.frames = Some(Arc::new(names.into()));
        frames = Some(items);
    }
    for (id, score) in videos.ids.iter().zip(&pooled) {
        match score {
            Some(_) => counts.answered += 1,
            None => {
                counts.unanswered += 1;
                missing(defects, names.ids.get(*id));
            }
        }
    }
    let scores = pooled.iter().map(|score| score.unwrap_or(policy.no_score));
    let items = ScoredItems::new(Numbers::narrowed(scores.collect()), videos.fake);
    let mut whole = new_items(level, videos.rows, items);
    whole.identity.answered = pooled.iter().map(Option::is_some).collect();
    whole.identity.ids = Arc::new(videos.ids.into());
    settle(defects, counts);
    std::iter::once(whole).chain(frames).collect()
}

/// Whether both are of the same ids and frames in the same order.
fn same_order(solution: &Checked<Vec<bool>>, submission: &Checked<Numbers>) -> bool {
    let same = |a: &Arc<Codes>, b: &Arc<Codes>| {
        let all = |at| a.get(at) == b.get(at);
        Arc::ptr_eq(a, b) || (a.len() == b.len() && (0..a.len()).into_par_iter().all(all))
    };
    let frames = match (&solution.frames, &submission.frames) {
        (Some(a), Some(b)) => same(a, b),
        (a, b) => a.is_none() && b.is_none(),
    };
    frames && same(&solution.ids, &submission.ids)
}

/// The answers that have a say.
enum Counted {
    All,
    /// The answer to each of the solution's frames, or [`NONE`].
    Some(Vec<u32>),
}

/// The score of each video; None where it has none.
fn pooled(
    videos: &Videos,
    submission: &Checked<Numbers>,
    (counted, one_by_one): (&Counted, bool),
    policy: Policy,
) -> Vec<Option<f64>> {
    // -0.0 would sort apart from 0.0.
    let value = |at: usize| submission.values.get(at) + 0.0;
    if let (Rows::Runs(ends), true) = (&videos.rows, one_by_one) {
        let run = |at: usize| {
            let start = at.checked_sub(1).map_or(0, |before| ends[before]);
            let mut scores: Vec<f64> = (start..ends[at]).map(value).collect();
            policy.pooled(&mut scores)
        };
        return (0..ends.len()).into_par_iter().map(run).collect();
    }
    let (all, some) = match counted {
        Counted::All => (submission.ids.len(), &[][..]),
        Counted::Some(counted) => (0, counted.as_slice()),
    };
    let given = || {
        let some = some.iter().filter(|at| **at != NONE);
        (0..all).chain(some.map(|at| *at as usize))
    };
    let known = || given().filter_map(|at| Some((videos.place(submission.ids.get(at))?, at)));
    let mut sizes = vec![0; videos.ids.len()];
    known().for_each(|(video, _)| sizes[video] += 1);
    let places = known().map(|(video, _)| video as u32);
    let (mut scores, _) = by_place(&sizes, places, known().map(|(_, at)| value(at)));
    let mut rest = scores.as_mut_slice();
    let of_video = sizes.iter().map(|size| rest.split_off_mut(..*size));
    let each: Vec<&mut [f64]> = of_video.flatten().collect();
    each.into_par_iter()
        .map(|scores| policy.pooled(scores))
        .collect()
}

/// The score of each of the solution's frames, or [`NONE`].
fn named_frames(solution: &Checked<Vec<bool>>, submission: &Checked<Numbers>) -> Vec<u32> {
    fn key<V>(of: &Checked<V>, at: usize) -> u64 {
        let frame = of.frames.as_ref().map_or(0, |frames| frames.get(at));
        u64::from(of.ids.get(at)) << 32 | u64::from(frame)
    }
    let all = submission.ids.len();
    let given = |at| key(submission, at);
    // Both files mostly go on with the same frame; else all are looked up.
    let mut places: Option<HashMap<u64, u32, RandomState>> = None;
    let mut next = 0;
    let find = |frame: usize| {
        let wanted = key(solution, frame);
        if next < all && given(next) == wanted {
            next += 1;
            return (next - 1) as u32;
        }
        let places =
            places.get_or_insert_with(|| (0..all).map(|at| (given(at), at as u32)).collect());
        let found = places.get(&wanted).copied();
        next = found.map_or(next, |at| at as usize + 1);
        found.unwrap_or(NONE)
    };
    (0..solution.ids.len()).map(find).collect()
}

/// Names the frames of known videos that the solution does not have.
fn unknown_frames(
    (submission, left_out): (&Checked<Numbers>, &HashSet<u64>),
    videos: &Videos,
    counted: &[u32],
    names: &Ids,
    place: &Place<'_>,
    defects: &mut Defects,
    counts: &mut Counts,
) {
    let found = || counted.iter().filter(|at| **at != NONE);
    // Each is found once.
    if found().count() == submission.ids.len() {
        return;
    }
    let mut used = vec![false; submission.ids.len()];
    found().for_each(|at| used[*at as usize] = true);
    for at in (0..used.len()).filter(|at| !used[*at]) {
        // Frames of unknown videos have been named already.
        let frame = submission.frames.as_ref().map_or(0, |f| f.get(at));
        let id = submission.ids.get(at);
        let known = left_out.contains(&(u64::from(id) << 32 | u64::from(frame)));
        if videos.place(id).is_some() && !known {
            counts.unknown += 1;
            let (id, frame) = (names.ids.get(id), names.frames.get(frame));
            let text = format!("{id}, frame `{frame}`");
            place.unknown(defects, submission.rows.get(at), &text);
        }
    }
}

#[cfg(test)]
mod tests;

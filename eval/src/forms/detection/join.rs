//! Scores put to their samples, frames and videos.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ahash::RandomState;
use fairframe_schemas::report::{Counts, DefectKind, InputRole, Level};
use rayon::prelude::*;

use crate::check::{Checked, Defects, Ids};
use crate::join::{Identity, Items, Place, Rows, missing, settle};
use crate::metrics::detection::{Detection, Options, Scored};
use crate::metrics::multi_label::Lists;
use crate::read::Table;
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
        frames.sort_unstable_by(f64::total_cmp);
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
        for (at, id) in solution.ids.iter().enumerate() {
            let place = &mut place_of[*id as usize];
            let fake = solution.values[at];
            if *place == NONE {
                *place = ids.len() as u32;
                ids.push(*id);
                fakes.push(fake);
                sizes.push(0);
            }
            sizes[*place as usize] += 1;
            if fakes[*place as usize] != fake {
                let text = format!("{}: its frames differ in truth", names.ids.get(*id));
                let line = Some(table.line(solution.rows[at] as usize));
                let kind = DefectKind::ConflictingId;
                defects.add(InputRole::Solution, kind, line, None, &text);
            }
        }
        let rows = match solution.frames.is_empty() {
            true => Rows::One(solution.rows.clone()),
            false => {
                let places = solution.ids.iter().map(|id| place_of[*id as usize]);
                let (rows, ends) = by_place(&sizes, places, solution.rows.iter().copied());
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

/// Values put together by place, in the order they come in: all values, and
/// where each place's end.
fn by_place<V: Copy + Default>(
    sizes: &[usize],
    places: impl Iterator<Item = u32>,
    values: impl Iterator<Item = V>,
) -> (Vec<V>, Vec<usize>) {
    let mut starts = Vec::with_capacity(sizes.len());
    let mut all = 0;
    for size in sizes {
        starts.push(all);
        all += size;
    }
    let mut sorted = vec![V::default(); all];
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
    (submission, table): (&Checked<Vec<f64>>, &Table),
    names: Ids,
    id_column: usize,
    (options, policy): (Options, Policy),
    defects: &mut Defects,
    counts: &mut Counts,
) -> Vec<Items<Detection>> {
    let names = Arc::new(names);
    let videos = Videos::of(solution, solution_table, &names, defects);
    let place = Place { table, id_column };
    for (at, id) in submission.ids.iter().enumerate() {
        if videos.place(*id).is_none() && !solution.left_out.contains(id) {
            counts.unknown += 1;
            place.unknown(defects, submission.rows[at] as usize, names.ids.get(*id));
        }
    }
    let has_frames = !submission.frames.is_empty();
    let level = if has_frames || !solution.frames.is_empty() {
        Level::Video
    } else {
        Level::Sample
    };
    let new_items = |level, rows| Items {
        level,
        identity: Identity::new(names.clone(), rows),
        form: Detection {
            items: Vec::new(),
            options,
        },
    };
    // Frames are matched by name only where the names mean the same.
    let by_frame = has_frames
        && !solution.frames.is_empty()
        && table.positional_frames == solution_table.positional_frames;
    // The frames that have a say in their video: the solution's, or all.
    let counted: Vec<u32> = match by_frame {
        true => named_frames(solution, submission),
        false => (0..submission.ids.len() as u32).collect(),
    };
    let pooled = pooled(&videos, submission, &counted, policy);
    let mut frames = None;
    if by_frame {
        let mut items = new_items(Level::Frame, Rows::One(solution.rows.clone()));
        items.identity.ids.clone_from(&solution.ids);
        items.identity.frames = Some(solution.frames.clone());
        items.identity.answered = counted.iter().map(|at| *at != NONE).collect();
        let both = counted.par_iter().zip(&solution.values);
        let scored = both.map(|(at, fake)| Scored {
            score: match *at {
                NONE => policy.no_score,
                at => submission.values[at as usize],
            },
            fake: *fake,
        });
        items.form.items = scored.collect();
        frames = Some(items);
        unknown_frames(
            (submission, &solution.left_out_frames),
            &videos,
            &counted,
            &names,
            &place,
            defects,
            counts,
        );
    } else if has_frames {
        let (mut of, mut ids, mut names, mut scored) =
            <(Vec<u32>, Vec<_>, Vec<_>, Vec<_>)>::default();
        for (at, id) in submission.ids.iter().enumerate() {
            if let Some(video) = videos.place(*id) {
                of.push(video as u32);
                ids.push(*id);
                names.push(submission.frames[at]);
                scored.push(Scored {
                    score: submission.values[at],
                    fake: videos.fake[video],
                });
            }
        }
        let rows = Rows::Shared(of, Box::new(videos.rows.clone()));
        let mut items = new_items(Level::Frame, rows);
        items.identity.answered = vec![true; ids.len()];
        items.identity.ids = ids;
        items.identity.frames = Some(names);
        items.form.items = scored;
        frames = Some(items);
    }
    let mut whole = new_items(level, Rows::default());
    for ((id, fake), score) in videos.ids.iter().zip(&videos.fake).zip(&pooled) {
        match score {
            Some(_) => counts.answered += 1,
            None => {
                counts.unanswered += 1;
                missing(defects, names.ids.get(*id));
            }
        }
        whole.form.items.push(Scored {
            score: score.unwrap_or(policy.no_score),
            fake: *fake,
        });
        whole.identity.answered.push(score.is_some());
    }
    whole.identity.ids = videos.ids;
    whole.identity.rows = videos.rows;
    settle(defects, counts);
    std::iter::once(whole).chain(frames).collect()
}

/// The score of each video; None where it has none.
fn pooled(
    videos: &Videos,
    submission: &Checked<Vec<f64>>,
    counted: &[u32],
    policy: Policy,
) -> Vec<Option<f64>> {
    let given = || {
        counted
            .iter()
            .filter(|at| **at != NONE)
            .map(|at| *at as usize)
    };
    let known = || given().filter_map(|at| Some((videos.place(submission.ids[at])?, at)));
    let mut sizes = vec![0; videos.ids.len()];
    known().for_each(|(video, _)| sizes[video] += 1);
    let places = known().map(|(video, _)| video as u32);
    let values = known().map(|(_, at)| submission.values[at]);
    let (mut scores, _) = by_place(&sizes, places, values);
    let mut rest = scores.as_mut_slice();
    let of_video = sizes.iter().map(|size| rest.split_off_mut(..*size));
    let each: Vec<&mut [f64]> = of_video.flatten().collect();
    each.into_par_iter()
        .map(|scores| policy.pooled(scores))
        .collect()
}

/// The score of each of the solution's frames, or [`NONE`].
fn named_frames(solution: &Checked<Vec<bool>>, submission: &Checked<Vec<f64>>) -> Vec<u32> {
    let key = |of: (&[u32], &[u32]), at: usize| u64::from(of.0[at]) << 32 | u64::from(of.1[at]);
    let asked = |at| key((&solution.ids, &solution.frames), at);
    let given = |at| key((&submission.ids, &submission.frames), at);
    let all = submission.ids.len();
    let same = |at| asked(at) == given(at);
    if all == solution.ids.len() && (0..all).into_par_iter().all(same) {
        return (0..all as u32).collect();
    }
    // Both files mostly go on with the same frame; else all are looked up.
    let mut places: Option<HashMap<u64, u32, RandomState>> = None;
    let mut next = 0;
    let find = |frame: usize| {
        let wanted = asked(frame);
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
    (submission, left_out): (&Checked<Vec<f64>>, &HashSet<u64>),
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
        let (id, frame) = (submission.ids[at], submission.frames[at]);
        let known = left_out.contains(&(u64::from(id) << 32 | u64::from(frame)));
        if videos.place(id).is_some() && !known {
            counts.unknown += 1;
            let (id, frame) = (names.ids.get(id), names.frames.get(frame));
            let text = format!("{id}, frame `{frame}`");
            place.unknown(defects, submission.rows[at] as usize, &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::Lines;

    /// Ids and frames of one letter or two digits.
    fn names() -> Ids {
        let mut names = Ids::default();
        for id in ["u", "v", "w", "x"] {
            names.ids.code(id);
        }
        (0..40).for_each(|frame| assert_eq!(names.frames.code(&frame.to_string()), frame));
        names
    }

    fn checked<V>(keys: &[(&str, &str)], values: V) -> Checked<V> {
        let names = names();
        let framed = keys.iter().filter(|(_, frame)| !frame.is_empty());
        let frame = |(_, frame): &(&str, &str)| names.frames.find(frame).unwrap();
        Checked {
            ids: keys
                .iter()
                .map(|(id, _)| names.ids.find(id).unwrap())
                .collect(),
            frames: framed.map(frame).collect(),
            values,
            rows: (0..keys.len() as u32).collect(),
            ignored: 0,
            left_out: Default::default(),
            left_out_frames: Default::default(),
        }
    }

    const POLICY: Policy = Policy {
        pooling: Pooling::Mean,
        no_score: 0.5,
    };

    #[test]
    fn frames_are_pooled_as_declared() {
        for (pooling, odd, even) in [
            (Pooling::Mean, 0.5, 0.375),
            (Pooling::Max, 1.0, 0.75),
            (Pooling::Median, 0.25, 0.375),
        ] {
            let policy = Policy { pooling, ..POLICY };
            assert_eq!(policy.pooled(&mut [1.0, 0.25, 0.25]), Some(odd));
            assert_eq!(policy.pooled(&mut [0.75, 0.0, 0.5, 0.25]), Some(even));
            assert_eq!(policy.pooled(&mut []), None);
        }
    }

    fn bare(rows: usize, positional: bool) -> Table {
        Table {
            names: vec!["video_id".into()],
            lines: Lines::first(rows),
            positional_frames: positional,
            ..Table::default()
        }
    }

    fn joined(
        solution: &Checked<Vec<bool>>,
        submission: &Checked<Vec<f64>>,
        positional: bool,
    ) -> (Vec<Items<Detection>>, Counts, Vec<DefectKind>) {
        let (mut defects, mut counts) = (Defects::default(), Counts::default());
        let items = join(
            (solution, &bare(solution.ids.len(), false)),
            (submission, &bare(submission.ids.len(), positional)),
            names(),
            0,
            (Options::default(), POLICY),
            &mut defects,
            &mut counts,
        );
        let kinds = defects.into_list().iter().map(|d| d.kind).collect();
        (items, counts, kinds)
    }

    #[test]
    fn a_video_is_the_mean_of_its_frames_and_without_frames_one_half() {
        let solution = checked(&[("v", ""), ("w", ""), ("x", "")], vec![true, false, true]);
        let submission = checked(
            &[("v", "0"), ("v", "1"), ("w", "0"), ("u", "0")],
            vec![0.2, 0.8, 0.1, 0.9],
        );
        let (items, counts, kinds) = joined(&solution, &submission, true);
        assert_eq!(
            [items[0].level, items[1].level],
            [Level::Video, Level::Frame]
        );
        let scores: Vec<f64> = items[0].form.items.iter().map(|s| s.score).collect();
        assert_eq!(scores, [0.5, 0.1, 0.5]);
        assert_eq!(items[0].identity.answered, [true, true, false]);
        assert_eq!(items[1].form.items.len(), 3);
        assert_eq!(
            (counts.answered, counts.unanswered, counts.unknown),
            (2, 1, 1)
        );
        assert_eq!(kinds, [DefectKind::MissingId, DefectKind::UnknownId]);
    }

    #[test]
    fn named_frames_are_matched_by_name_and_positions_by_video() {
        let solution = checked(
            &[("v", "10"), ("v", "20"), ("w", "10")],
            vec![true, true, false],
        );
        let submission = checked(
            &[("v", "20"), ("v", "30"), ("w", "10")],
            vec![0.9, 0.0, 0.3],
        );
        let (items, counts, _) = joined(&solution, &submission, false);
        let frames: Vec<f64> = items[1].form.items.iter().map(|s| s.score).collect();
        assert_eq!(frames, [0.5, 0.9, 0.3]);
        // Frame 30 is none of the solution's: it has no say in the video.
        assert_eq!(items[0].form.items[0].score, 0.9);
        assert_eq!(counts.unknown, 1);
        let (items, counts, _) = joined(&solution, &submission, true);
        assert_eq!(items[0].form.items[0].score, 0.45);
        assert_eq!((items[1].form.items.len(), counts.unknown), (3, 0));
        // All frames of a video rest on its rows, which are not copied for each.
        let rows = &items[1].identity.rows;
        assert_eq!(rows.lists().map(<[u32]>::len).sum::<usize>(), 3);
        assert_eq!(rows.of_items(vec!['v', 'w']), ['v', 'v', 'w']);
        // An answer to a frame that is known and not scored is no defect.
        let mut solution = solution;
        let (v, thirty) = (solution.ids[0], submission.frames[1]);
        solution
            .left_out_frames
            .insert(u64::from(v) << 32 | u64::from(thirty));
        assert_eq!(joined(&solution, &submission, false).1.unknown, 0);
    }

    #[test]
    fn a_video_with_two_truths_is_a_defect_of_the_solution() {
        let solution = checked(&[("v", "1"), ("v", "2")], vec![true, false]);
        let (_, _, kinds) = joined(&solution, &checked(&[("v", "1")], vec![0.5]), false);
        assert!(kinds.contains(&DefectKind::ConflictingId));
    }

    #[test]
    fn all_ids_wrong_is_said_as_such() {
        let solution = checked(&[("v", "")], vec![true]);
        let (_, _, kinds) = joined(&solution, &checked(&[("w", "")], vec![0.5]), false);
        assert_eq!(kinds[0], DefectKind::NoIdKnown);
    }
}

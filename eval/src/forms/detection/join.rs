//! Scores put to their samples, frames and videos.

use std::collections::{BTreeMap, HashMap};

use fairframe_schemas::report::{Counts, DefectKind, InputRole, Level};

use crate::check::{Checked, Defects};
use crate::join::{Identity, Items, Place, missing, settle};
use crate::metrics::detection::{Detection, Options, Scored};
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

/// One id of the solution with all its rows.
struct Truth {
    fake: bool,
    rows: Vec<usize>,
}

/// Joins scores by id, and by frame where both sides name frames. Gives the
/// video level before the frame level, or the one level there is.
pub(super) fn join(
    solution: (&Checked<Vec<bool>>, &Table),
    submission: (&Checked<Vec<f64>>, &Table),
    id_column: usize,
    (options, policy): (Options, Policy),
    defects: &mut Defects,
    counts: &mut Counts,
) -> Vec<Items<Detection>> {
    let (solution, solution_table) = solution;
    let (submission, table) = submission;
    let mut truths: HashMap<&str, Truth> = HashMap::new();
    let mut order: Vec<&str> = Vec::new();
    for (at, id) in solution.ids.iter().enumerate() {
        let (fake, row) = (solution.values[at], solution.rows[at]);
        let truth = truths.entry(id).or_insert_with(|| {
            order.push(id);
            let rows = Vec::new();
            Truth { fake, rows }
        });
        truth.rows.push(row);
        if truth.fake != fake {
            let text = format!("{id}: its frames differ in truth");
            let line = Some(solution_table.rows[row]);
            let kind = DefectKind::ConflictingId;
            defects.add(InputRole::Solution, kind, line, None, &text);
        }
    }
    let place = Place { table, id_column };
    // The scores of each known id: (frame name, score), in file order.
    let mut scores: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, id) in submission.ids.iter().enumerate() {
        if truths.contains_key(id.as_str()) {
            scores.entry(id).or_default().push(at);
        } else if !solution.left_out.contains(id) {
            counts.unknown += 1;
            place.unknown(defects, submission.rows[at], id);
        }
    }
    let has_frames = !submission.frames.is_empty();
    let level = if has_frames || !solution.frames.is_empty() {
        Level::Video
    } else {
        Level::Sample
    };
    let new_items = |level| Items {
        level,
        identity: Identity::default(),
        form: Detection {
            items: Vec::new(),
            options,
        },
    };
    // Frames are matched by name only where the names mean the same.
    let by_frame = has_frames
        && !solution.frames.is_empty()
        && table.positional_frames == solution_table.positional_frames;
    let mut frames = has_frames.then(|| new_items(Level::Frame));
    if let Some(frames) = &mut frames {
        frames.identity.frames = Some(Vec::new());
        if by_frame {
            scores = named_frames(
                solution,
                submission,
                policy.no_score,
                frames,
                &place,
                defects,
                counts,
            );
        } else {
            for (at, id) in submission.ids.iter().enumerate() {
                if let Some(truth) = truths.get(id.as_str()) {
                    let score = submission.values[at];
                    push_frame(frames, id, &submission.frames[at], score, true, truth);
                }
            }
        }
    }
    let mut whole = new_items(level);
    for id in order {
        let truth = &truths[id];
        let given = scores.get(id).map_or(&[][..], Vec::as_slice);
        let mut given: Vec<f64> = given.iter().map(|at| submission.values[*at]).collect();
        let pooled = policy.pooled(&mut given);
        match pooled {
            Some(_) => counts.answered += 1,
            None => {
                counts.unanswered += 1;
                missing(defects, id);
            }
        }
        let score = pooled.unwrap_or(policy.no_score);
        whole.form.items.push(Scored {
            score,
            fake: truth.fake,
        });
        whole.identity.push(id, pooled.is_some(), &truth.rows);
    }
    settle(defects, counts);
    std::iter::once(whole).chain(frames).collect()
}

fn push_frame(
    frames: &mut Items<Detection>,
    id: &str,
    frame: &str,
    score: f64,
    answered: bool,
    truth: &Truth,
) {
    frames.form.items.push(Scored {
        score,
        fake: truth.fake,
    });
    frames.identity.push(id, answered, &truth.rows);
    if let Some(names) = &mut frames.identity.frames {
        names.push(frame.to_owned());
    }
}

/// The solution's frames with their scores; gives the scores by video of the
/// frames that the solution has.
fn named_frames<'a>(
    solution: &'a Checked<Vec<bool>>,
    submission: &Checked<Vec<f64>>,
    no_score: f64,
    frames: &mut Items<Detection>,
    place: &Place<'_>,
    defects: &mut Defects,
    counts: &mut Counts,
) -> HashMap<&'a str, Vec<usize>> {
    let mut answers: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (at, id) in submission.ids.iter().enumerate() {
        answers.insert((id, &submission.frames[at]), at);
    }
    let mut by_video: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut videos: std::collections::HashSet<&str> = std::collections::HashSet::new();
    for (at, id) in solution.ids.iter().enumerate() {
        let frame = solution.frames[at].as_str();
        videos.insert(id);
        let answer = answers.remove(&(id.as_str(), frame));
        if let Some(answer) = answer {
            by_video.entry(id).or_default().push(answer);
        }
        let score = answer.map_or(no_score, |at| submission.values[at]);
        let truth = Truth {
            fake: solution.values[at],
            rows: vec![solution.rows[at]],
        };
        push_frame(frames, id, frame, score, answer.is_some(), &truth);
    }
    // Frames of unknown videos have been named already.
    let mut unknown: Vec<usize> = answers
        .into_iter()
        .filter(|((id, _), _)| videos.contains(id))
        .map(|(_, at)| at)
        .collect();
    unknown.sort_unstable();
    counts.unknown += unknown.len() as u64;
    for at in unknown {
        let text = format!("{}, frame `{}`", submission.ids[at], submission.frames[at]);
        place.unknown(defects, submission.rows[at], &text);
    }
    by_video
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked<V>(keys: &[(&str, &str)], values: V) -> Checked<V> {
        let framed = keys.iter().any(|(_, frame)| !frame.is_empty());
        Checked {
            ids: keys.iter().map(|(id, _)| (*id).to_owned()).collect(),
            frames: keys
                .iter()
                .filter(|_| framed)
                .map(|(_, frame)| (*frame).to_owned())
                .collect(),
            values,
            rows: (0..keys.len()).collect(),
            ignored: 0,
            left_out: Default::default(),
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
            rows: (1..=rows as u64).collect(),
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

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
    let framed = keys.iter().all(|(_, frame)| !frame.is_empty());
    let id = |at: usize| names.ids.find(keys[at].0).unwrap();
    let frame = |at: usize| names.frames.find(keys[at].1).unwrap();
    Checked {
        ids: Arc::new(Codes::of(keys.len(), 9, id)),
        frames: framed.then(|| Arc::new(Codes::of(keys.len(), 40, frame))),
        values,
        rows: Kept::First(keys.len()),
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
    submission: &Checked<Numbers>,
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
        Numbers::narrowed(vec![0.2, 0.8, 0.1, 0.9]),
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
        Numbers::narrowed(vec![0.9, 0.0, 0.3]),
    );
    let (items, counts, _) = joined(&solution, &submission, false);
    let frames: Vec<f64> = items[1].form.items.iter().map(|s| s.score).collect();
    assert_eq!(frames, [0.5, 0.9, 0.3]);
    // Frame 30 is none of the solution's: it has no say in the video.
    assert_eq!(items[0].form.items.get(0).score, 0.9);
    assert_eq!(counts.unknown, 1);
    let (items, counts, _) = joined(&solution, &submission, true);
    assert_eq!(items[0].form.items.get(0).score, 0.45);
    assert_eq!((items[1].form.items.len(), counts.unknown), (3, 0));
    // All frames of a video rest on its rows, which are not copied for each.
    let rows = &items[1].identity.rows;
    let all = (0..rows.lists()).flat_map(|at| rows.list(at));
    assert_eq!(all.collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(rows.of_items(vec![7, 8]), [7, 7, 8]);
    // An answer to a frame that is known and not scored is no defect.
    let mut solution = solution;
    let thirty = submission.frames.as_ref().unwrap().get(1);
    let v = solution.ids.get(0);
    solution
        .left_out_frames
        .insert(u64::from(v) << 32 | u64::from(thirty));
    assert_eq!(joined(&solution, &submission, false).1.unknown, 0);
}

#[test]
fn the_order_of_frames_has_no_say() {
    let names = ["u", "v", "w"];
    let frames: Vec<String> = (0..40).map(|frame| frame.to_string()).collect();
    let mut keys: Vec<(&str, &str)> = Vec::new();
    for id in names {
        keys.extend(frames.iter().map(|frame| (id, frame.as_str())));
    }
    let truth = |keys: &[(&str, &str)]| keys.iter().map(|(id, _)| *id == "v").collect();
    let score = |(id, frame): &(&str, &str)| {
        let frame: f64 = frame.parse().unwrap();
        (frame * 0.7 + f64::from(id.as_bytes()[0])) % 1.0
    };
    let scores = |keys: &[(&str, &str)]| Numbers::narrowed(keys.iter().map(score).collect());
    let of = |solution: &[(&str, &str)], submission: &[(&str, &str)]| {
        let solution = checked(solution, truth(solution));
        let submission = checked(submission, scores(submission));
        let (items, counts, defects) = joined(&solution, &submission, false);
        assert_eq!((counts.scored, counts.unknown), (3, 0), "{defects:?}");
        let mut found: Vec<(String, Option<String>, f64, bool, Vec<usize>)> = Vec::new();
        for items in &items {
            for at in 0..items.identity.len() {
                let scored = items.form.items.get(at);
                found.push((
                    items.identity.id(at).to_owned(),
                    items.identity.frame(at).map(str::to_owned),
                    scored.score,
                    scored.fake,
                    items.identity.rows.list(at).collect(),
                ));
            }
        }
        found
    };
    let wanted = of(&keys, &keys);
    assert_eq!(
        (wanted.len(), wanted[1].4.clone()),
        (123, (40..80).collect())
    );
    // Rows that stand together are answered in another order; then none stand together.
    let mut turned = keys.clone();
    turned.reverse();
    assert_eq!(of(&keys, &turned), wanted);
    let mut apart = keys.clone();
    apart.sort_by_key(|(id, frame)| (frame.to_string(), id.to_string()));
    for answers in [&keys, &apart] {
        let mut found = of(&apart, answers);
        found.iter_mut().for_each(|item| item.4.clear());
        found[3..].sort_by_key(|item| {
            (
                item.0.clone(),
                item.1.as_ref().unwrap().parse::<u32>().unwrap(),
            )
        });
        let bare = |item: &(String, Option<String>, f64, bool, Vec<usize>)| {
            (item.0.clone(), item.1.clone(), item.2.to_bits(), item.3)
        };
        assert!(found.iter().map(bare).eq(wanted.iter().map(bare)));
    }
}

#[test]
fn a_video_with_two_truths_is_a_defect_of_the_solution() {
    let solution = checked(&[("v", "1"), ("v", "2")], vec![true, false]);
    let (_, _, kinds) = joined(
        &solution,
        &checked(&[("v", "1")], Numbers::narrowed(vec![0.5])),
        false,
    );
    assert!(kinds.contains(&DefectKind::ConflictingId));
}

#[test]
fn all_ids_wrong_is_said_as_such() {
    let solution = checked(&[("v", "")], vec![true]);
    let (_, _, kinds) = joined(
        &solution,
        &checked(&[("w", "")], Numbers::narrowed(vec![0.5])),
        false,
    );
    assert_eq!(kinds[0], DefectKind::NoIdKnown);
}

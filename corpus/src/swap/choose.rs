//! Which source frame lends its face to each target frame.

use super::pose::Pose;

/// What a change of source frame costs, in units of [`Pose::unlike`].
const CHANGE: f32 = 1.5;

/// At most `most` frames that differ as much as they can: each next one is the farthest from
/// those there are (Gonzalez 1985), beginning with the first. Sorted.
pub fn spread(poses: &[Option<Pose>], most: usize) -> Vec<usize> {
    let mut chosen = Vec::new();
    let mut apart: Vec<f32> = poses
        .iter()
        .map(|p| if p.is_some() { f32::INFINITY } else { -1.0 })
        .collect();
    while chosen.len() < most {
        let mut next = None;
        for (i, &d) in apart.iter().enumerate() {
            if d > next.map_or(0.0, |(_, best)| best) {
                next = Some((i, d));
            }
        }
        let Some((next, _)) = next else { break };
        let Some(pose) = poses[next] else { break };
        chosen.push(next);
        for (apart, other) in apart.iter_mut().zip(poses) {
            if let Some(other) = other {
                *apart = apart.min(pose.unlike(other));
            }
        }
    }
    chosen.sort_unstable();
    chosen
}

/// The cheapest choice over the whole clip (dynamic programming; Viterbi 1967): for each target
/// frame an index into `sources`, `None` where it has no pose. `penalties` are what a source
/// frame costs by itself. Without sources nothing is chosen.
pub fn choose(targets: &[Option<Pose>], sources: &[Pose], penalties: &[f32]) -> Vec<Option<usize>> {
    let mut chosen = vec![None; targets.len()];
    if sources.is_empty() {
        return chosen;
    }
    let mut costs = vec![0.0f32; sources.len()];
    let mut came_from: Vec<Vec<u16>> = Vec::with_capacity(targets.len());
    for target in targets {
        let (cheapest, &least) = costs
            .iter()
            .enumerate()
            .min_by(|a, b| a.1.total_cmp(b.1))
            .unwrap_or((0, &0.0));
        let mut from = Vec::with_capacity(sources.len());
        let mut next = Vec::with_capacity(sources.len());
        for (i, source) in sources.iter().enumerate() {
            let own = target.map_or(0.0, |t| t.unlike(source) + penalties[i]);
            let stays = costs[i] <= least + CHANGE;
            from.push(if stays { i } else { cheapest } as u16);
            // Costs are kept relative to the least, so that a long clip loses no digits.
            let before = if stays { costs[i] } else { least + CHANGE };
            next.push(before - least + own);
        }
        came_from.push(from);
        costs = next;
    }
    let last = costs.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
    let mut at = last.map_or(0, |(i, _)| i);
    for (t, from) in came_from.iter().enumerate().rev() {
        chosen[t] = targets[t].map(|_| at);
        at = usize::from(from[at]);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turned(yaw: f32) -> Pose {
        Pose {
            yaw,
            ..Pose::default()
        }
    }

    #[test]
    fn the_nearest_is_chosen_and_held() {
        let sources = [turned(-20.0), turned(0.0), turned(20.0)];
        let targets: Vec<_> = [-19.0, -18.0, 1.0, 0.0, 0.0, 19.0, 22.0]
            .map(|y| Some(turned(y)))
            .into();
        let chosen = choose(&targets, &sources, &[0.0; 3]);
        assert_eq!(chosen, [0, 0, 1, 1, 1, 2, 2].map(Some));
        // A single frame that leans over is not worth two changes.
        let mut shaken = vec![Some(turned(4.0)); 9];
        shaken[4] = Some(turned(11.0));
        assert_eq!(choose(&shaken, &sources, &[0.0; 3]), vec![Some(1); 9]);
        // Nor is a frame whose face is hidden.
        let hidden = choose(&shaken, &sources, &[0.0, 99.0, 0.0]);
        assert_eq!(hidden, vec![Some(2); 9]);
    }

    #[test]
    fn frames_without_a_face_choose_nothing() {
        let targets = [None, Some(turned(0.0)), None];
        let chosen = choose(&targets, &[turned(1.0)], &[0.0]);
        assert_eq!(chosen, [None, Some(0), None]);
        assert_eq!(choose(&targets, &[], &[]), [None; 3]);
        assert_eq!(choose(&[], &[turned(1.0)], &[0.0]), []);
    }

    #[test]
    fn a_spread_takes_the_ends() {
        let poses: Vec<_> = (0..11)
            .map(|i| (i != 3).then(|| turned(i as f32)))
            .collect();
        assert_eq!(spread(&poses, 3), [0, 5, 10]);
        assert_eq!(spread(&poses, 99).len(), 10);
        // Twice the same face is once enough.
        assert_eq!(spread(&[Some(turned(1.0)); 4], 4), [0]);
        assert!(spread(&[None], 4).is_empty());
    }
}

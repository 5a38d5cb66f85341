//! The items that score worst: where a person looks first.

use fairframe_schemas::report::{WorstItem, WorstItems};

use crate::evaluate::ItemResults;
use crate::metrics::detection::LOG_LOSS;

/// Items named per level.
const MOST: usize = 20;

/// Characters kept of a truth or an answer.
const MAX_TEXT: usize = 80;

/// One pass; what is kept is bounded.
pub(crate) fn worst_items(items: &ItemResults) -> WorstItems {
    let higher_is_better = items.metric != LOG_LOSS;
    let identity = &items.identity;
    let order = |a: &usize, b: &usize| {
        let by_score = items.score[*a].total_cmp(&items.score[*b]);
        let by_score = match higher_is_better {
            true => by_score,
            false => by_score.reverse(),
        };
        by_score.then_with(|| (identity.id(*a), a).cmp(&(identity.id(*b), b)))
    };
    let mut worst: Vec<usize> = Vec::with_capacity(MOST + 1);
    for at in 0..items.score.len() {
        if worst.len() == MOST && worst.last().is_some_and(|last| order(&at, last).is_gt()) {
            continue;
        }
        let place = worst.partition_point(|kept| order(kept, &at).is_lt());
        worst.insert(place, at);
        worst.truncate(MOST);
    }
    let last = worst.last().map(|at| items.score[*at]);
    let alike = items.score.iter().filter(|score| Some(**score) == last);
    let named = worst.iter().filter(|at| Some(items.score[**at]) == last);
    let short = |text: &str| text.chars().take(MAX_TEXT).collect::<String>();
    WorstItems {
        level: items.level,
        metric: items.metric.to_owned(),
        higher_is_better,
        more_alike: (alike.count() - named.count()) as u64,
        items: worst
            .iter()
            .map(|at| WorstItem {
                id: identity.id(*at).to_owned(),
                frame: identity.frame(*at).map(str::to_owned),
                truth: short(&items.truth[*at]),
                answer: short(&items.value[*at]),
                answered: identity.answered[*at],
                score: items.score[*at],
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fairframe_schemas::report::Level;

    use super::*;
    use crate::check::Ids;
    use crate::join::{Identity, Rows};

    fn of(metric: &'static str, scores: &[f64]) -> WorstItems {
        let mut names = Ids::default();
        let name = |at: usize| format!("i{:03}", scores.len() - at);
        let ids = (0..scores.len()).map(|at| names.ids.code(&name(at)));
        let ids = ids.collect::<Vec<u32>>().into();
        let mut identity = Identity::new(Arc::new(names), Rows::default());
        identity.ids = Arc::new(ids);
        identity.answered = (0..scores.len()).map(|at| at != 0).collect();
        // Names run against the order of the items.
        let texts = |text: &str| vec![text.to_owned(); scores.len()];
        worst_items(&ItemResults {
            level: Level::Image,
            metric,
            identity,
            value: texts(&"x".repeat(100)),
            truth: texts("y"),
            score: scores.to_vec(),
            groups: Vec::new(),
        })
    }

    #[test]
    fn the_worst_come_first_and_what_is_left_out_is_counted() {
        let found = of(LOG_LOSS, &[0.1, 2.0, 0.5]);
        let scores: Vec<f64> = found.items.iter().map(|item| item.score).collect();
        assert_eq!((scores, found.more_alike), (vec![2.0, 0.5, 0.1], 0));
        assert!(!found.items[2].answered && found.items[2].answer.len() == MAX_TEXT);
        let found = of("f2", &[&[1.0; 5][..], &[0.0; 30]].concat());
        assert_eq!((found.items.len(), found.more_alike), (MOST, 10));
        assert_eq!(found.items[0].id, "i001");
        assert!(of("f2", &[]).items.is_empty());
    }
}

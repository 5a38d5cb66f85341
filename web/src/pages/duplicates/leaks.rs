//! What stands in two splits, in words.

use fairframe_schemas::text::counted;

use crate::browse::{Facet, Filter, Leak, Shared, View, query};

/// Leaks that are shown; all are counted.
const SHOWN: usize = 50;

/// What was found, and of what.
pub struct Said {
    pub total: u64,
    pub lines: Vec<Line>,
}

/// One leak.
pub struct Line {
    /// What must stand in one split, and its name.
    pub what: &'static str,
    pub name: String,
    /// `train (12 samples)`, with the first of them.
    pub splits: Vec<(String, String)>,
    /// All its samples, where an address can name them.
    pub all: Option<String>,
}

/// The leaks of a release; none where no sample has a split.
pub fn leaks(view: &View<'_>, base: &str) -> Option<Said> {
    let split = Filter::default().excluding(Facet::Split, "");
    if view.count(&split) == 0 {
        return None;
    }
    let found = view.leaks();
    let lines = found.iter().take(SHOWN).map(|leak| line(view, base, leak));
    Some(Said {
        total: found.len() as u64,
        lines: lines.collect(),
    })
}

fn line(view: &View<'_>, base: &str, leak: &Leak) -> Line {
    let samples = |key: &str, word: &str| {
        let pair = [(key.to_owned(), word.to_owned())];
        format!("{base}/samples?{}", query(&pair))
    };
    let (what, name, all) = match leak.shared {
        Shared::Subject => {
            let all = samples(Facet::Subject.key(), &leak.name);
            ("Subject", leak.name.clone(), Some(all))
        }
        Shared::Parent => {
            let all = format!("{base}/samples/{}", leak.name);
            let there = leak.name.parse().is_ok_and(|id| view.find(&id).is_some());
            ("Made from", leak.name.clone(), there.then_some(all))
        }
        // The first of its samples leads on to it: reading its name would take a while.
        Shared::SplitGroup => ("A split group", String::new(), None),
        Shared::Bytes => ("The same bytes", String::new(), None),
    };
    let splits = leak.splits.iter().map(|(split, rows)| {
        let words = format!("{split} ({})", counted(rows.len() as u64, "sample"));
        let first = view.index().id(rows[0]);
        (words, format!("{base}/samples/{first}"))
    });
    Line {
        what,
        name,
        splits: splits.collect(),
        all,
    }
}

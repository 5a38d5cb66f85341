//! The wish list: what to look for, place by place, for people and for programs.

use std::collections::HashMap;

use fairframe_schemas::text::guard;
use serde::Serialize;

use super::gaps::{Gaps, Target, accepted};
use crate::{
    browse::{Facet, Filter, GroupError, Key, Sort, Value, View},
    pages::samples::shown,
};

/// The labels looked at: the most frequent ones of the samples.
const LABELS: usize = 20;

/// Those told of each place.
const RAREST: usize = 3;

/// The file.
#[derive(Debug, Serialize)]
pub struct WishList {
    pub dataset: String,
    pub version: String,
    pub target: &'static str,
    pub by: &'static str,
    /// The samples that were counted, as in an address.
    pub filter: String,
    /// Samples of the dataset that is wished for.
    pub size: u64,
    pub have: u64,
    pub place_unknown: u64,
    pub missing: u64,
    pub wishes: Vec<Wish>,
}

#[derive(Debug, Serialize)]
pub struct Wish {
    pub place: String,
    pub name: String,
    pub have: u64,
    pub want: u64,
    pub missing: u64,
    /// Of the labels that most samples have: those that are rarest here by their share.
    pub rarest_labels: Vec<Rare>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rare {
    pub label: String,
    pub have: u64,
}

/// Places that miss samples, with the labels that are rarest there.
pub fn wishes(
    view: &View,
    filter: &Filter,
    target: &Target,
    gaps: &Gaps,
) -> Result<Vec<Wish>, GroupError> {
    let labels = labels(view, filter, target)?;
    let lacking = gaps.rows.iter().filter(|gap| gap.missing() > 0);
    Ok(lacking
        .map(|gap| Wish {
            name: shown(target.level.facet(), &gap.place),
            have: gap.have,
            want: gap.want,
            missing: gap.missing(),
            rarest_labels: rarest(&labels, &gap.place),
            place: gap.place.clone(),
        })
        .collect())
}

/// A frequent label with its samples, in all and by place.
struct Frequent {
    label: String,
    samples: u64,
    places: HashMap<String, u64>,
}

fn labels(view: &View, filter: &Filter, target: &Target) -> Result<Vec<Frequent>, GroupError> {
    let Some(filter) = accepted(filter) else {
        return Ok(Vec::new());
    };
    let found = view.query(&filter, Sort::default(), 0..0, &[Facet::Label]);
    // Counted as if the filter had no condition on labels: those it has not are passed over.
    let words = found.facets.into_iter().flat_map(|counts| counts.words);
    let words = words.map(|(word, _)| word).filter(|word| !word.is_empty());
    let choice = filter.words.get(&Facet::Label).cloned().unwrap_or_default();
    let is_meant = |word: &String| {
        (choice.any.is_empty() || choice.any.contains(word)) && !choice.none.contains(word)
    };
    let mut out: Vec<Frequent> = words
        .take(LABELS)
        .filter(is_meant)
        .map(|label| Frequent {
            label,
            samples: 0,
            places: HashMap::new(),
        })
        .collect();
    if out.is_empty() {
        return Ok(out);
    }
    let mut with = filter;
    let choice = with.words.entry(Facet::Label).or_default();
    choice.any = out.iter().map(|frequent| frequent.label.clone()).collect();
    let keys = [target.level.facet(), Facet::Label].map(Key::Facet);
    for group in view.group_by(&with, &keys)? {
        let [place, Value::Word(label)] = &group.values[..] else {
            continue;
        };
        let Some(frequent) = out.iter_mut().find(|frequent| frequent.label == *label) else {
            continue;
        };
        frequent.samples += group.samples;
        if let Value::Word(place) = place {
            frequent.places.insert(place.clone(), group.samples);
        }
    }
    Ok(out)
}

/// By the share of a label's samples that are of the place; equal ones, the most frequent first.
fn rarest(labels: &[Frequent], place: &str) -> Vec<Rare> {
    let mut here: Vec<(u64, &Frequent)> = labels
        .iter()
        .map(|label| (label.places.get(place).copied().unwrap_or(0), label))
        .collect();
    here.sort_by(|(a, one), (b, other)| {
        let share = (u128::from(*a) * u128::from(other.samples))
            .cmp(&(u128::from(*b) * u128::from(one.samples)));
        share
            .then(other.samples.cmp(&one.samples))
            .then_with(|| one.label.cmp(&other.label))
    });
    let rare = |(have, label): (u64, &Frequent)| Rare {
        label: label.label.clone(),
        have,
    };
    here.into_iter().take(RAREST).map(rare).collect()
}

impl WishList {
    /// The places as a table.
    pub fn to_csv(&self) -> String {
        let mut out = csv::Writer::from_writer(Vec::new());
        let names = ["place", "name", "have", "want", "missing", "rarest_labels"];
        // To a Vec: cannot fail, every line as long as the first.
        let _ = out.write_record(names);
        for wish in &self.wishes {
            let labels = wish.rarest_labels.iter().map(|rare| rare.label.as_str());
            let labels = labels.collect::<Vec<_>>().join(" | ");
            let _ = out.write_record([
                guard(&wish.place),
                guard(&wish.name),
                wish.have.to_string(),
                wish.want.to_string(),
                wish.missing.to_string(),
                guard(&labels),
            ]);
        }
        let bytes = out.into_inner().unwrap_or_default();
        String::from_utf8(bytes).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rarest_labels_are_those_with_the_smallest_share_here() {
        let label = |label: &str, samples, here: u64| Frequent {
            label: label.to_owned(),
            samples,
            places: [("KE".to_owned(), here)].into(),
        };
        let labels = [
            label("tree", 100, 10),
            label("house", 50, 0),
            label("boat", 40, 1),
            label("car", 20, 0),
        ];
        let rare: Vec<(String, u64)> = rarest(&labels, "KE")
            .into_iter()
            .map(|r| (r.label, r.have))
            .collect();
        let owned = |l: &str, n| (l.to_owned(), n);
        assert_eq!(rare, [owned("house", 0), owned("car", 0), owned("boat", 1)]);
        assert_eq!(rarest(&labels, "FR")[0].label, "tree");
    }
}

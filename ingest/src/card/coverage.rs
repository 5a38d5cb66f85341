//! Who is in the picture: the share of samples beside the share of people.

use std::collections::BTreeMap;

use fairframe_schemas::{
    SampleCounts,
    release::UNKNOWN,
    text::{count, percent},
};

use crate::place::Gazetteer;

/// Fewer samples with a known place than this say nothing about shares.
pub const MIN_SAMPLES: u64 = 30;

/// A UN M49 subregion, or the samples whose place is unknown.
pub struct Row {
    pub region: String,
    pub subregion: String,
    pub n: u64,
    /// Of the accepted samples with a known place.
    pub share: String,
    /// Wilson interval of the share, level 95%.
    pub interval: String,
    pub population_share: String,
    /// Share of samples divided by share of people.
    pub ratio: String,
    pub verdict: Verdict,
    pub bar: Bar,
}

/// Lengths in percent of the widest bar.
pub struct Bar {
    pub share: String,
    pub low: String,
    pub high: String,
    pub population: String,
}

/// What the interval says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The whole interval is under the population's share.
    Under,
    /// The whole interval is over it.
    Over,
    /// The interval holds the population's share.
    Near,
    /// Fewer than [`MIN_SAMPLES`] samples have a place.
    Insufficient,
}

impl Verdict {
    pub fn text(self) -> &'static str {
        match self {
            Verdict::Under => "under-represented",
            Verdict::Over => "over-represented",
            Verdict::Near => "in proportion",
            Verdict::Insufficient => "insufficient data",
        }
    }

    pub fn class(self) -> &'static str {
        match self {
            Verdict::Under => "under",
            Verdict::Over => "over",
            Verdict::Near => "near",
            Verdict::Insufficient => "few",
        }
    }
}

/// Shares by subregion.
pub struct Coverage {
    /// By region, then subregion; where samples are too few to judge, only those that have any.
    pub rows: Vec<Row>,
    /// Subregions that stand in no row, and the share of people who live there.
    pub others: usize,
    pub others_population: String,
    /// Whether shares may be compared: at least [`MIN_SAMPLES`] samples have a place.
    pub judged: bool,
    /// Samples with a known subregion.
    pub known: u64,
    pub unknown: u64,
    pub unknown_share: String,
    /// People counted, all countries.
    pub population: u64,
    /// Subregions that are under-represented, most missing people first.
    pub missing: Vec<String>,
}

/// Compares the counts with the gazetteer's population.
pub fn coverage(counts: &SampleCounts) -> Coverage {
    let mut people: BTreeMap<(String, String), u64> = BTreeMap::new();
    for country in Gazetteer::bundled().countries() {
        if let (Some(region), Some(subregion), Some(population)) =
            (&country.region, &country.subregion, country.population)
        {
            *people
                .entry((region.clone(), subregion.clone()))
                .or_default() += population;
        }
    }
    let population: u64 = people.values().sum();
    let unknown = counts.subregions.get(UNKNOWN).copied().unwrap_or(0);
    let total: u64 = counts.subregions.values().sum();
    let known = total - unknown;
    let judged = known >= MIN_SAMPLES;
    let mut figures: Vec<_> = people
        .into_iter()
        .map(|((region, subregion), people)| {
            let n = counts.subregions.get(&subregion).copied().unwrap_or(0);
            let share = n as f64 / known.max(1) as f64;
            let (low, high) = wilson(n, known).unwrap_or((0.0, 1.0));
            let of_people = people as f64 / population.max(1) as f64;
            (region, subregion, n, share, low, high, people, of_people)
        })
        .collect();
    let all = figures.len();
    if !judged {
        figures.retain(|f| f.2 > 0);
    }
    let shown_population: u64 = figures.iter().map(|f| f.6).sum();
    let others = all - figures.len();
    let widest = figures
        .iter()
        .map(|f| f.3.max(f.7).max(if judged { f.5 } else { 0.0 }))
        .fold(0.0, f64::max)
        .max(0.01);
    let length = |share: f64| format!("{:.2}", 100.0 * (share / widest).min(1.0));
    let mut missing = Vec::new();
    let rows = figures
        .into_iter()
        .map(
            |(region, subregion, n, share, low, high, people, of_people)| {
                let verdict = match () {
                    () if !judged => Verdict::Insufficient,
                    () if high < of_people => Verdict::Under,
                    () if low > of_people => Verdict::Over,
                    () => Verdict::Near,
                };
                if verdict == Verdict::Under {
                    missing.push((of_people - share, subregion.clone()));
                }
                Row {
                    region,
                    subregion,
                    n,
                    share: percent(n, known),
                    interval: format!("{:.1} to {:.1}%", 100.0 * low, 100.0 * high),
                    population_share: percent(people, population),
                    ratio: format!("{:.2}×", share / of_people),
                    verdict,
                    bar: Bar {
                        share: length(share),
                        low: length(low),
                        high: length(high),
                        population: length(of_people),
                    },
                }
            },
        )
        .collect();
    missing.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    Coverage {
        rows,
        others,
        others_population: percent(population - shown_population, population),
        judged,
        known,
        unknown,
        unknown_share: percent(unknown, total),
        population,
        missing: missing.into_iter().map(|(_, name)| name).collect(),
    }
}

impl Coverage {
    /// One sentence that says the main thing.
    pub fn sentence(&self) -> String {
        if self.known == 0 {
            return "No accepted sample has a known place: there is nothing to compare with the world's population.".to_owned();
        }
        if !self.judged {
            return format!(
                "{} of the accepted samples {} a known place: too few to compare with the world's population (at least {MIN_SAMPLES} are needed).",
                count(self.known),
                if self.known == 1 { "has" } else { "have" }
            );
        }
        match self.missing.as_slice() {
            [] => "No subregion is clearly under-represented.".to_owned(),
            [one] => format!("Clearly under-represented: {one}."),
            many => format!(
                "{} subregions are clearly under-represented; most people are missing from {}.",
                many.len(),
                many[..many.len().min(3)].join(", ")
            ),
        }
    }
}

/// The Wilson score interval of a proportion at level 95% (Wilson 1927,
/// doi 10.1080/01621459.1927.10502953). None for n = 0.
pub fn wilson(k: u64, n: u64) -> Option<(f64, f64)> {
    if n == 0 {
        return None;
    }
    const Z: f64 = 1.959_963_984_540_054;
    let (k, n) = (k as f64, n as f64);
    let p = k / n;
    let z2 = Z * Z;
    let middle = p + z2 / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let under = 1.0 + z2 / n;
    let low = if k == 0.0 {
        0.0
    } else {
        (middle - half) / under
    };
    let high = if k == n { 1.0 } else { (middle + half) / under };
    Some((low.max(0.0), high.min(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_agrees_with_published_values() {
        let (low, high) = wilson(18, 20).unwrap();
        assert!((low - 0.699).abs() < 5e-4 && (high - 0.972).abs() < 5e-4);
        let (low, high) = wilson(0, 7).unwrap();
        assert!(low == 0.0 && (high - 0.354).abs() < 5e-4);
        assert_eq!(wilson(0, 0), None);
        assert_eq!(wilson(1, 1).unwrap().1, 1.0);
    }

    fn counts(pairs: &[(&str, u64)]) -> SampleCounts {
        SampleCounts {
            subregions: pairs.iter().map(|(k, n)| ((*k).to_owned(), *n)).collect(),
            ..SampleCounts::default()
        }
    }

    #[test]
    fn a_dataset_of_one_subregion_lacks_the_others() {
        let c = coverage(&counts(&[("Western Europe", 1000), (UNKNOWN, 50)]));
        let row = |name: &str| c.rows.iter().find(|r| r.subregion == name).unwrap();
        assert_eq!(row("Western Europe").verdict, Verdict::Over);
        assert_eq!(row("Sub-Saharan Africa").verdict, Verdict::Under);
        assert_eq!(c.missing[0], "Southern Asia");
        assert_eq!((c.known, c.unknown), (1000, 50));
        assert!(c.population > 7_000_000_000);
    }

    #[test]
    fn few_samples_are_not_judged() {
        for pairs in [&[][..], &[("Western Europe", 29)]] {
            let c = coverage(&counts(pairs));
            assert!(c.rows.iter().all(|r| r.verdict == Verdict::Insufficient));
            assert!(
                c.sentence()
                    .contains(if c.known == 0 { "nothing" } else { "too few" })
            );
            assert_eq!(c.rows.len(), usize::from(c.known > 0));
            assert_eq!(c.rows.len() + c.others, 17);
        }
    }
}

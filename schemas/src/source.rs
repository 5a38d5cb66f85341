//! `source.toml`: what is declared about a source. Its JSON Schema is made
//! from these types (`fairframe schema source`).

mod about;
mod actors;
mod contribute;
mod corpus;
mod crowdsourced;
mod name;
mod rules;
mod wikimedia;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use about::About;
pub use actors::Actors;
pub use contribute::{ConsentText, Contribute};
pub use corpus::{
    CompressRule, Corpus, Crops, ExternalMethod, FACE_SWAP, FrameRule, MAX_PAIRS, PairRule, Rung,
    RungPixels, RungPreset, Sampling, Scenes, SwapRule,
};
pub use crowdsourced::{CrowdForm, Crowdsourced};
pub use name::{Name, NameError};
pub use rules::{ConsentRule, Dedupe, FetchLimits, MediaLimits, OptOutRule, Policy, SplitRule};
pub use wikimedia::{GeoSearch, TimeRange, Wikimedia};

/// A declared source of one dataset. Exactly one of `wikimedia`,
/// `crowdsourced`, `actors` and `corpus` says of which kind it is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceToml {
    /// The dataset this source feeds. Several sources may feed one.
    pub dataset: Name,
    /// The source's id: part of every sample id, so it must never change.
    pub source: Name,
    #[serde(default)]
    pub about: About,
    #[serde(default)]
    pub policy: Policy,
    #[serde(default)]
    pub fetch: FetchLimits,
    #[serde(default)]
    pub media: MediaLimits,
    #[serde(default)]
    pub dedupe: Dedupe,
    #[serde(default)]
    pub split: SplitRule,
    pub wikimedia: Option<Wikimedia>,
    pub crowdsourced: Option<Crowdsourced>,
    pub actors: Option<Actors>,
    pub corpus: Option<Corpus>,
}

fn consents_folder() -> PathBuf {
    "consents".into()
}

/// What can be wrong with a `source.toml` (or a `task.toml`).
#[derive(Debug, Clone, thiserror::Error, PartialEq)]
pub enum SourceTomlError {
    #[error("line {line}, column {column}: {message}{}", nearest.as_ref().map(|n| format!("; did you mean `{n}`?")).unwrap_or_default())]
    Toml {
        message: String,
        line: usize,
        column: usize,
        nearest: Option<String>,
    },
    #[error(
        "{0} of `[wikimedia]`, `[crowdsourced]`, `[actors]`, `[corpus]` stand in it; a source has exactly one"
    )]
    Kinds(usize),
    #[error("`[split]` fractions {train} + {validation} + {test} must each be 0 to 1 and sum to 1")]
    Fractions {
        train: f64,
        validation: f64,
        test: f64,
    },
    #[error("`{key}` is {value}, outside {allowed}")]
    Range {
        key: &'static str,
        value: String,
        allowed: &'static str,
    },
    #[error("policy licence {0}")]
    Licence(String),
}

impl SourceToml {
    /// Parses and checks a `source.toml`; an unknown key is an error that names the nearest known one.
    pub fn parse(text: &str) -> Result<Self, SourceTomlError> {
        let parsed: SourceToml = toml::from_str(text).map_err(|e| toml_error(text, &e))?;
        parsed.check()?;
        Ok(parsed)
    }

    /// The folder of consent records, if the source has one.
    pub fn consents_folder(&self, base: &std::path::Path) -> Option<PathBuf> {
        let below = |path: &PathBuf, consents: &PathBuf| {
            let folder = base.join(path).join(consents);
            folder.is_dir().then_some(folder)
        };
        match (&self.crowdsourced, &self.actors) {
            (Some(c), _) => below(&c.path, &c.consents),
            (_, Some(a)) => below(&a.path, &a.consents),
            _ => None,
        }
    }

    fn check(&self) -> Result<(), SourceTomlError> {
        let kinds = [
            self.wikimedia.is_some(),
            self.crowdsourced.is_some(),
            self.actors.is_some(),
            self.corpus.is_some(),
        ];
        let count = kinds.into_iter().filter(|k| *k).count();
        if count != 1 {
            return Err(SourceTomlError::Kinds(count));
        }
        let SplitRule {
            train,
            validation,
            test,
            ..
        } = self.split;
        let sums = (train + validation + test - 1.0).abs() < 1e-9;
        if !sums
            || [train, validation, test]
                .iter()
                .any(|f| !(0.0..=1.0).contains(f))
        {
            return Err(SourceTomlError::Fractions {
                train,
                validation,
                test,
            });
        }
        let range = |key, value: f64, low: f64, high: f64, allowed| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(SourceTomlError::Range {
                    key,
                    value: value.to_string(),
                    allowed,
                })
            }
        };
        range(
            "fetch.timeout_s",
            self.fetch.timeout_s,
            0.1,
            86_400.0,
            "0.1 to 86400",
        )?;
        range(
            "fetch.stall_s",
            self.fetch.stall_s,
            0.1,
            3_600.0,
            "0.1 to 3600",
        )?;
        range(
            "fetch.per_host",
            self.fetch.per_host.into(),
            1.0,
            256.0,
            "1 to 256",
        )?;
        range(
            "fetch.per_host_rate",
            self.fetch.per_host_rate,
            0.0,
            1e6,
            "0 to 1000000",
        )?;
        range(
            "fetch.max_redirects",
            self.fetch.max_redirects.into(),
            0.0,
            20.0,
            "0 to 20",
        )?;
        range(
            "fetch.retries",
            self.fetch.retries.into(),
            0.0,
            20.0,
            "0 to 20",
        )?;
        range(
            "media.thumbnail",
            self.media.thumbnail.into(),
            0.0,
            2048.0,
            "0 to 2048",
        )?;
        range(
            "media.memory_mb",
            self.media.memory_mb as f64,
            64.0,
            65_536.0,
            "64 to 65536",
        )?;
        range(
            "media.cpu_s",
            self.media.cpu_s as f64,
            1.0,
            3_600.0,
            "1 to 3600",
        )?;
        range(
            "dedupe.max_distance",
            self.dedupe.max_distance.into(),
            0.0,
            16.0,
            "0 to 16",
        )?;
        range(
            "policy.place_tolerance_km",
            self.policy.place_tolerance_km,
            0.0,
            20_040.0,
            "0 to 20040",
        )?;
        if let Some(corpus) = &self.corpus
            && let Some((key, value, allowed)) = corpus.compress.out_of_range()
        {
            return Err(SourceTomlError::Range {
                key,
                value,
                allowed,
            });
        }
        if let Some(w) = &self.wikimedia {
            range("wikimedia.batch", w.batch.into(), 1.0, 500.0, "1 to 500")?;
            // The wiki would list nothing, and all that was released would be taken for gone.
            if let Some(uploaded) = w.uploaded.as_ref().filter(|u| u.from > u.to) {
                return Err(SourceTomlError::Range {
                    key: "wikimedia.uploaded.from",
                    value: uploaded.from.to_rfc3339(),
                    allowed: "any time not after `to`",
                });
            }
            for g in &w.geosearch {
                range(
                    "wikimedia.geosearch.radius_m",
                    g.radius_m.into(),
                    10.0,
                    10_000.0,
                    "10 to 10000",
                )?;
                range(
                    "wikimedia.geosearch.latitude",
                    g.latitude,
                    -90.0,
                    90.0,
                    "-90 to 90",
                )?;
                range(
                    "wikimedia.geosearch.longitude",
                    g.longitude,
                    -180.0,
                    180.0,
                    "-180 to 180",
                )?;
            }
        }
        if let Some(c) = &self.corpus {
            let (rule, few) = (&c.pair, |n: u64| n as f64);
            let pairs = few(rule.pairs.unwrap_or(1));
            let most = few(MAX_PAIRS);
            range("corpus.pair.pairs", pairs, 0.0, most, "0 to 10000000")?;
            range("corpus.pair.reuse", rule.reuse, 1.0, 1e6, "1 to 1000000")?;
            let within = few(rule.within_subject);
            range("corpus.pair.within_subject", within, 0.0, 1e3, "0 to 1000")?;
            if let Some((key, value)) = c.swap.relative() {
                return Err(SourceTomlError::Range {
                    key,
                    value,
                    allowed: "absolute paths",
                });
            }
            for (key, value, least, most, allowed) in c.swap.numbers() {
                range(key, value, least, most, allowed)?;
            }
            for (key, value, least, most, allowed) in c.frame.numbers() {
                range(key, value, least, most, allowed)?;
            }
        }
        for licence in &self.policy.licences {
            crate::licence::parse_entry(licence)
                .map_err(|e| SourceTomlError::Licence(e.to_string()))?;
        }
        Ok(())
    }
}

/// Where and what, with the nearest known word.
pub(crate) fn toml_error(text: &str, error: &toml::de::Error) -> SourceTomlError {
    let at = error.span().map_or(0, |s| s.start.min(text.len()));
    let before = text.get(..at).unwrap_or_default();
    let message = error.message().trim().to_owned();
    SourceTomlError::Toml {
        line: before.matches('\n').count() + 1,
        column: before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1,
        nearest: nearest_known(&message),
        message,
    }
}

/// Serde says ``unknown field `x`, expected one of `a`, `b` ``: the nearest of them, if it is near.
fn nearest_known(message: &str) -> Option<String> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if !message.starts_with("unknown field") && !message.starts_with("unknown variant") {
        return None;
    }
    let wrong = quoted.next()?;
    quoted
        .map(|known| (strsim::damerau_levenshtein(wrong, known), known))
        .min()
        .filter(|(distance, known)| *distance <= 1 + known.len() / 3)
        .map(|(_, known)| known.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "dataset = \"demo\"\nsource = \"commons\"\n";

    #[test]
    fn a_small_source_parses_with_defaults() {
        let s = SourceToml::parse(&format!(
            "{HEAD}[wikimedia]\ncategories = [\"Volcanoes\"]\n"
        ))
        .unwrap();
        assert_eq!(
            s.wikimedia.unwrap().api,
            "https://commons.wikimedia.org/w/api.php"
        );
        assert_eq!(s.fetch.max_bytes, 200 << 20);
    }

    #[test]
    fn an_unknown_key_names_the_nearest_and_its_line() {
        let e = SourceToml::parse(&format!("{HEAD}[wikimedia]\ncategorys = []\n")).unwrap_err();
        assert!(e.to_string().contains("did you mean `categories`?"), "{e}");
        assert!(e.to_string().starts_with("line 4, column 1: "), "{e}");
        assert!(
            matches!(
                e,
                SourceTomlError::Toml {
                    line: 4,
                    column: 1,
                    ..
                }
            ),
            "{e:?}"
        );
    }

    #[test]
    fn a_source_has_one_kind() {
        assert_eq!(
            SourceToml::parse(HEAD).unwrap_err(),
            SourceTomlError::Kinds(0)
        );
        let both = format!("{HEAD}[wikimedia]\n[actors]\npath = \".\"\n");
        assert_eq!(
            SourceToml::parse(&both).unwrap_err(),
            SourceTomlError::Kinds(2)
        );
    }

    #[test]
    fn hostile_names_are_refused() {
        for name in ["../x", "", "A", "a/b", "-a", "a-", "é", &"a".repeat(65)] {
            assert!(Name::new(name).is_err(), "{name}");
        }
        assert!(Name::new("commons-2026").is_ok());
    }

    #[test]
    fn a_range_of_times_does_not_run_backwards() {
        let range = |from, to| {
            SourceToml::parse(&format!(
                "{HEAD}[wikimedia]\nuploaded = {{ from = \"{from}\", to = \"{to}\" }}\n"
            ))
        };
        let (early, late) = ("2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z");
        assert!(range(early, late).is_ok() && range(early, early).is_ok());
        let said = range(late, early).unwrap_err().to_string();
        assert!(
            said.contains("`wikimedia.uploaded.from` is 2024-02-01"),
            "{said}"
        );
    }

    #[test]
    fn fractions_must_sum_to_one() {
        let text = format!("{HEAD}[split]\ntrain = 0.9\n[wikimedia]\n");
        assert!(matches!(
            SourceToml::parse(&text),
            Err(SourceTomlError::Fractions { .. })
        ));
    }
}

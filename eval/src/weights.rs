//! Weights of groups from outside: how much each counts in a mean over groups.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fairframe_schemas::report::{Cell, Interval, IntervalMethod, WeightedMean};

use crate::groups::{JudgedCell, Judging, local_clusters};
use crate::intervals::{cell_key, quantile, replicates};
use crate::metrics::Form;

/// Bytes of a file of weights, at most.
const MAX_BYTES: u64 = 64 << 20;

/// A weight per group of one grouping.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// What they are, for people.
    pub name: String,
    /// The grouping they belong to.
    pub columns: Vec<String>,
    of: BTreeMap<Vec<String>, f64>,
    total: f64,
}

/// Why weights cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    #[error("weights `{path}` cannot be read: {message}")]
    Read { path: PathBuf, message: String },
    #[error(
        "weights `{path}` have no column `weight` as their last, after the columns of a grouping"
    )]
    Header { path: PathBuf },
    #[error("row {row} of weights `{path}`: `{text}` is not a weight; give a number of 0 or more")]
    NotAWeight {
        path: PathBuf,
        row: u64,
        text: String,
    },
    #[error("row {row} of weights `{path}` repeats `{group}`; give each group one weight")]
    Repeated {
        path: PathBuf,
        row: u64,
        group: String,
    },
}

/// Codes are compared without regard to case.
fn key(group: &[String]) -> Vec<String> {
    group.iter().map(|v| v.trim().to_uppercase()).collect()
}

impl Weights {
    /// Weights of one column; each weight may go by several names.
    pub fn by_name<'a, N: IntoIterator<Item = &'a str>>(
        name: &str,
        column: &str,
        weights: impl IntoIterator<Item = (N, f64)>,
    ) -> Self {
        let (mut of, mut total) = (BTreeMap::new(), 0.0);
        for (names, weight) in weights {
            total += weight;
            for name in names {
                of.entry(key(&[name.to_owned()])).or_insert(weight);
            }
        }
        Self {
            name: name.to_owned(),
            columns: vec![column.to_owned()],
            of,
            total,
        }
    }

    /// Reads a CSV whose last column is `weight` and whose others are the
    /// columns of a grouping, in its order.
    pub fn read(path: &Path) -> Result<Self, WeightsError> {
        let error = |message: String| WeightsError::Read {
            path: path.to_owned(),
            message,
        };
        let bytes = std::fs::metadata(path).map_err(|e| error(e.to_string()))?;
        if bytes.len() > MAX_BYTES {
            return Err(error(format!("it is larger than {MAX_BYTES} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|e| error(e.to_string()))?;
        let text = text.trim_start_matches('\u{feff}');
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let mut columns: Vec<String> = reader
            .headers()
            .map_err(|e| error(e.to_string()))?
            .iter()
            .map(|name| name.trim().to_owned())
            .collect();
        let last = columns.pop();
        if last.as_deref() != Some("weight") || columns.is_empty() {
            return Err(WeightsError::Header {
                path: path.to_owned(),
            });
        }
        let (mut of, mut total) = (BTreeMap::new(), 0.0);
        for (at, row) in reader.records().enumerate() {
            let row = row.map_err(|e| error(e.to_string()))?;
            let line = at as u64 + 2;
            let text = row.get(columns.len()).unwrap_or_default().trim();
            let weight = text.parse().ok();
            let Some(weight) = weight.filter(|w: &f64| w.is_finite() && *w >= 0.0) else {
                return Err(WeightsError::NotAWeight {
                    path: path.to_owned(),
                    row: line,
                    text: text.chars().take(80).collect(),
                });
            };
            let group: Vec<String> = row.iter().take(columns.len()).map(str::to_owned).collect();
            total += weight;
            if of.insert(key(&group), weight).is_some() {
                return Err(WeightsError::Repeated {
                    path: path.to_owned(),
                    row: line,
                    group: group.join("+"),
                });
            }
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self {
            name: name.into_owned(),
            columns,
            of,
            total,
        })
    }

    /// All of them together.
    pub fn total(&self) -> f64 {
        self.total
    }

    /// The weight of each cell; None where the grouping is another.
    pub(crate) fn each(
        &self,
        columns: &[String],
        cells: &[JudgedCell],
    ) -> Option<Vec<Option<f64>>> {
        let of = |cell: &JudgedCell| self.of.get(&key(&cell.group)).copied();
        (columns == self.columns).then(|| cells.iter().map(of).collect())
    }

    /// The mean over the groups that are shown and have a weight; None where
    /// the grouping is another or no weight remains.
    pub fn mean(&self, columns: &[String], cells: &[Cell]) -> Option<WeightedMean> {
        if columns != self.columns {
            return None;
        }
        let (mut sum, mut weight, mut groups) = (0.0, 0.0, 0);
        for cell in cells {
            let value = cell.estimate.value;
            if let (Some(value), Some(w)) = (value, self.of.get(&key(&cell.group))) {
                sum += w * value;
                weight += w;
                groups += 1;
            }
        }
        (weight > 0.0).then(|| WeightedMean {
            value: sum / weight,
            weights: self.name.clone(),
            groups,
            share_of_weight: weight / self.total,
            interval: None,
        })
    }
}

/// Percentile interval of each metric's weighted mean: every group is
/// resampled on its own, as for its own interval and by the same draws, and
/// the groups' resamples are averaged one by one. A resample in which a group
/// has no value has no mean.
pub(crate) fn mean_intervals<F: Form>(
    form: &F,
    columns: &[String],
    cells: &[JudgedCell],
    weights: &[Option<f64>],
    judging: &Judging<'_>,
) -> Vec<Option<Interval>> {
    if judging.resampling.resamples == 0 {
        return vec![None; form.metrics().len()];
    }
    let shown = |cell: &JudgedCell| cell.estimates.iter().any(|e| e.value.is_some());
    let drawn: Vec<(&JudgedCell, f64, Vec<Vec<Option<f64>>>)> = cells
        .iter()
        .zip(weights)
        .filter_map(|(cell, weight)| Some((cell, (*weight)?)))
        .filter(|(cell, _)| shown(cell))
        .map(|(cell, weight)| (cell, weight, resampled(form, columns, cell, judging)))
        .collect();
    let resamples = judging.resampling.resamples as usize;
    let interval = |metric: usize| {
        let here = drawn
            .iter()
            .filter(|(cell, ..)| cell.estimates[metric].value.is_some());
        let parts: Vec<(f64, &Vec<Vec<Option<f64>>>)> =
            here.map(|(_, w, drawn)| (*w, drawn)).collect();
        let total: f64 = parts.iter().map(|(weight, _)| weight).sum();
        if parts.is_empty() || total <= 0.0 {
            return None;
        }
        let mean = |at: usize| -> Option<f64> {
            let mut sum = 0.0;
            for (weight, drawn) in &parts {
                sum += weight * drawn.get(at)?[metric]?;
            }
            Some(sum / total)
        };
        let mut means: Vec<f64> = (0..resamples).filter_map(mean).collect();
        means.sort_unstable_by(f64::total_cmp);
        let outside = (1.0 - judging.resampling.level) / 2.0;
        Some(Interval {
            method: match judging.clusters {
                Some(_) => IntervalMethod::ClusterBootstrap,
                None => IntervalMethod::Bootstrap,
            },
            level: judging.resampling.level,
            low: quantile(&means, outside)?,
            high: quantile(&means, 1.0 - outside)?,
            undefined_resamples: (resamples - means.len()) as u64,
        })
    };
    (0..form.metrics().len()).map(interval).collect()
}

/// A cell's resamples, as [`crate::groups::judge_groups`] draws them.
fn resampled<F: Form>(
    form: &F,
    columns: &[String],
    judged: &JudgedCell,
    judging: &Judging<'_>,
) -> Vec<Vec<Option<f64>>> {
    let cell = form.prepare(&judged.items);
    let clusters = judging
        .clusters
        .map(|clusters| local_clusters(F::order(&cell), clusters));
    let key = cell_key(
        judging.resampling.seed,
        judging.level,
        columns,
        &judged.group,
    );
    replicates(
        form,
        &cell,
        clusters.as_deref(),
        key,
        judging.resampling.resamples,
    )
}

#[cfg(test)]
mod tests {
    use fairframe_schemas::report::{Estimate, Verdict};

    use super::*;

    fn cell(name: &str, value: Option<f64>) -> Cell {
        Cell {
            group: vec![name.to_owned()],
            estimate: Estimate {
                n: 50,
                denominators: Default::default(),
                value,
                interval: None,
                verdict: match value {
                    Some(_) => Verdict::Shown,
                    None => Verdict::InsufficientData,
                },
            },
            baseline: None,
            beats_baseline: None,
        }
    }

    fn written(text: &str) -> Result<Weights, WeightsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("people.csv");
        std::fs::write(&path, text).unwrap();
        Weights::read(&path)
    }

    #[test]
    fn shown_groups_count_by_their_weight() {
        let weights = written("\u{feff}country,weight\nZA,60\nIN,1400\nBR,200\nKE,50\n").unwrap();
        let cells = [
            cell("za", Some(0.5)),
            cell("BR", Some(0.9)),
            cell("IN", None),
            cell("unknown", Some(0.1)),
        ];
        let columns = ["country".to_owned()];
        let mean = weights.mean(&columns, &cells).unwrap();
        assert!((mean.value - (60.0 * 0.5 + 200.0 * 0.9) / 260.0).abs() < 1e-15);
        assert_eq!((mean.groups, mean.weights.as_str()), (2, "people.csv"));
        assert!((mean.share_of_weight - 260.0 / 1710.0).abs() < 1e-15);
        assert_eq!(weights.mean(&["region".to_owned()], &cells), None);
        assert_eq!(weights.mean(&columns, &cells[2..]), None);
    }

    #[test]
    fn a_weight_may_go_by_several_names_and_counts_once() {
        let rows = [(["ZA", "ZAF"], 60.0), (["KE", "KEN"], 40.0)];
        let weights = Weights::by_name("people", "country", rows);
        let mean = weights.mean(&["country".to_owned()], &[cell("ZAF", Some(1.0))]);
        assert_eq!(mean.unwrap().share_of_weight, 0.6);
    }

    #[test]
    fn what_is_no_weight_is_named_with_its_row() {
        let said = |text| written(text).unwrap_err().to_string();
        assert!(said("country\nZA\n").contains("no column `weight`"));
        assert!(said("country,weight\nZA,1\nIN,-1\n").contains("row 3"));
        assert!(said("country,weight\nZA,NaN\n").contains("`NaN`"));
        assert!(said("country,weight\nZA,1\nza,1\n").contains("repeats `za`"));
        assert!(said("country,weight\nZA\n").contains("cannot be read"));
    }
}

//! What every task form's evaluation shares: groups, clusters, the manifest,
//! and the judging of one level.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use fairframe_schemas::Column;
use fairframe_schemas::report::{
    Baseline, Cell, Counts, Curves, DefectKind, EqualisedOdds, Estimate, FewShotReport, GapNull,
    Grouping, InputRole, Interval, Level, MetricReport, Within,
};

use crate::baselines::beats;
use crate::check::{self, Checked, Defects, Ids, Kept, Roles, Usage};
use crate::codes::Codes;
use crate::compare::Side;
use crate::control::{JudgedLevel, judge_within};
use crate::disparity::disparity;
use crate::evaluate::{EvalError, ItemResults};
use crate::forms;
use crate::groups::{GroupColumn, JudgedCell, Judging, group_name, grouping, judge_all};
use crate::intervals::Resampling;
use crate::join::{Identity, Items, Place, Rows, by_id};
use crate::manifest::{self, Joined};
use crate::metrics::Form;
use crate::names::{Names, renumbered};
use crate::options::EvalOptions;
use crate::parts::{each, filled, mapped};
use crate::permutation::nulls;
use crate::read::{Table, Values};
use crate::weights::mean_intervals;

/// Groups of a video whose frames differ in a column.
pub const SEVERAL_GROUP: &str = "several";

/// The groupings asked for, once each; every column is known.
pub(crate) fn resolve_groups(
    options: &EvalOptions,
    solution: &Table,
) -> Result<Vec<Vec<String>>, EvalError> {
    let mut groupings: Vec<Vec<String>> = Vec::new();
    let asked = if options.groups.is_empty() && options.manifest.is_some() {
        [Column::Region, Column::Country]
            .map(|c| vec![c.name().to_owned()])
            .to_vec()
    } else {
        options.groups.clone()
    };
    for columns in forms::own_grouping(options.form, solution)
        .into_iter()
        .chain(asked)
    {
        if !groupings.contains(&columns) {
            groupings.push(columns);
        }
    }
    let columns = groupings.iter().flatten().chain(&options.cluster);
    for column in columns.chain(&options.controls) {
        let in_solution = solution.find(&[column]).is_some();
        let in_manifest = options.manifest.is_some() && manifest::offers(column);
        if !in_solution && !in_manifest {
            let mut known = solution.names.clone();
            known.extend_from_slice(&solution.unread);
            if options.manifest.is_some() {
                known.extend(manifest::OFFERED.iter().map(|c| c.name().to_owned()));
                known.push("subject.NAME".to_owned());
            }
            return Err(EvalError::UnknownColumn {
                column: column.clone(),
                manifest: match options.manifest {
                    Some(_) => " nor in the manifest",
                    None => " nor is a manifest given (`--manifest`)",
                },
                known: match known.is_empty() {
                    true => "none (the solution has no header)".to_owned(),
                    false => format!("`{}`", known.join("`, `")),
                },
            });
        }
    }
    Ok(groupings)
}

/// What one level adds to the report.
pub(crate) struct LevelReport {
    pub metrics: Vec<MetricReport>,
    pub baselines: Vec<Baseline>,
    pub equalised_odds: Vec<EqualisedOdds>,
    pub items: ItemResults,
}

/// One grouping of one level, every metric.
struct Judged<'a> {
    crossed: Vec<&'a GroupColumn>,
    cells: Vec<JudgedCell>,
    /// The best constant answer's value, per cell and metric.
    constants: Vec<Vec<Option<f64>>>,
    nulls: Vec<Option<GapNull>>,
    /// Of the weighted means, per metric; empty without weights.
    mean_intervals: Vec<Option<Interval>>,
    within: Vec<JudgedLevel>,
}

pub(crate) struct Run<'a> {
    pub options: &'a EvalOptions,
    pub groupings: Vec<Vec<String>>,
    pub ids: Ids,
    pub defects: Defects,
    pub counts: Counts,
    pub notes: Vec<String>,
    pub parts: Vec<PathBuf>,
    /// Where the levels are kept for a comparison, if there is to be one.
    pub sides: Option<Mutex<Vec<Side>>>,
    pub few_shot: Option<FewShotReport>,
    pub curves: Vec<Curves>,
}

impl Run<'_> {
    /// Which column of which file is what; None, with a defect, where one
    /// lacks what it needs.
    pub(crate) fn roles(&mut self, solution: &Table, submission: &Table) -> Option<[Roles; 2]> {
        let form = self.options.form;
        let mut of = |role, table| {
            let id = self.options.id.as_deref();
            check::roles(form, role, table, id, &mut self.defects)
        };
        let truth = of(InputRole::Solution, solution);
        let answer = of(InputRole::Submission, submission);
        Some([truth?, answer?])
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage(self.options.usage.clone())
    }

    pub(crate) fn note(&mut self, sentence: &str) {
        self.notes.push(sentence.to_owned());
    }

    /// Finds the answer to each id that is scored; None where the files are
    /// refused.
    pub(crate) fn by_id<T, A>(
        &mut self,
        truth: &Checked<T>,
        answers: &Checked<A>,
        place: Place<'_>,
    ) -> Result<Option<(Identity, Vec<Option<usize>>)>, EvalError> {
        self.note_usage(truth.ignored, truth.ids.len())?;
        let names = std::mem::take(&mut self.ids);
        let (defects, counts) = (&mut self.defects, &mut self.counts);
        let found = by_id(truth, answers, names, place, defects, counts);
        Ok((!self.defects.any_fatal()).then_some(found))
    }

    /// Group columns of the items, and their clusters.
    pub(crate) fn groups(
        &mut self,
        solution: &Table,
        identity: &Identity,
    ) -> Result<(Vec<GroupColumn>, Option<Arc<Codes>>), EvalError> {
        let joined = self.join_manifest(identity)?;
        let columns = self.columns(solution, identity, joined.as_ref());
        let clusters = self.clusters(solution, identity, joined.as_ref(), false);
        Ok((columns, clusters))
    }

    /// Constant answers beside the submission, from what [`Self::judge`]
    /// found: `names` has one per metric.
    pub(crate) fn baselines<F: Form>(
        items: &Items<F>,
        metrics: &[MetricReport],
        names: &[&str],
    ) -> Vec<Baseline> {
        let with_name = metrics.iter().zip(names);
        with_name
            .filter(|(metric, _)| metric.baseline.is_some())
            .map(|(metric, name)| Baseline {
                name: (*name).to_owned(),
                metric: metric.metric.clone(),
                level: items.level,
                n: items.form.len() as u64,
                value: metric.baseline,
            })
            .collect()
    }

    pub(crate) fn note_usage(&mut self, ignored: u64, kept: usize) -> Result<(), EvalError> {
        self.counts.solution_ignored = ignored;
        match &self.options.usage {
            Some(usage) if kept == 0 && ignored > 0 => {
                return Err(EvalError::NothingToScore {
                    usage: usage.clone(),
                });
            }
            Some(usage) => self.notes.push(format!(
                "Only rows of the solution with the usage `{usage}` are scored."
            )),
            None if ignored > 0 => self.notes.push(format!(
                "{ignored} rows of the solution with the usage `Ignored` are not scored."
            )),
            None => {}
        }
        Ok(())
    }

    /// Reads what the manifest says of the ids; doubtful ones are defects.
    pub(crate) fn join_manifest(
        &mut self,
        identity: &Identity,
    ) -> Result<Option<Joined>, EvalError> {
        if self.parts.is_empty() {
            return Ok(None);
        }
        let ids = || (0..identity.len()).map(|item| identity.id(item));
        let wanted: BTreeSet<String> = self
            .groupings
            .iter()
            .flatten()
            .chain(&self.options.cluster)
            .chain(&self.options.controls)
            .filter(|column| manifest::offers(column))
            .cloned()
            .collect();
        let asked: HashSet<&str> = ids().collect();
        let joined = manifest::join(&self.parts, &asked, &wanted, &self.options.limits)?;
        for id in ids() {
            if joined.is_ambiguous(id) {
                let kind = DefectKind::AmbiguousJoin;
                self.defects.add(InputRole::Manifest, kind, None, None, id);
            }
        }
        let found = ids().filter(|id| joined.has(id)).count() as u64;
        self.counts.joined = Some(found);
        let absent = identity.len() as u64 - found;
        if absent > 0 {
            self.notes.push(format!(
                "{absent} of {} ids are not in the manifest: their groups are `unknown`.",
                identity.len()
            ));
        }
        Ok(Some(joined))
    }

    /// One column, from the solution, else from the manifest.
    fn column(
        name: &str,
        solution: &Table,
        identity: &Identity,
        joined: Option<&Joined>,
    ) -> GroupColumn {
        let Some(at) = solution.find(&[name]) else {
            let value = |item| joined?.value(identity.id(item), name);
            return GroupColumn::new(name, (0..identity.len()).map(value));
        };
        let mut names = Names::default();
        // A text of the column to its number, the rows of a list to theirs.
        let rows = &identity.rows;
        let codes = match &solution.columns[at] {
            Values::Coded {
                codes,
                names: known,
            } => {
                let group = |text: &str| names.code(group_name(text));
                let of: Vec<u32> = known.iter().map(group).collect();
                if matches!(rows, Rows::One(Kept::First(len)) if *len == codes.len()) {
                    return GroupColumn::of(name, Codes::shared(codes, &of), &names);
                }
                let several = names.code(SEVERAL_GROUP);
                let list = |at: usize| {
                    let mut all = rows.list(at).map(|row| codes.get(row));
                    let first = all.next().unwrap_or_default();
                    match all.all(|code| code == first) {
                        true => of[first as usize],
                        false => several,
                    }
                };
                filled(rows.lists(), list)
            }
            column => {
                let list = |at: usize| {
                    let mut all = rows.list(at).map(|row| column.text(row));
                    let first = all.next().unwrap_or_default();
                    names.code(match all.all(|text| text == first) {
                        true => group_name(&first),
                        false => SEVERAL_GROUP,
                    })
                };
                (0..rows.lists()).map(list).collect()
            }
        };
        GroupColumn::of(name, Arc::new(rows.of_items(codes).into()), &names)
    }

    pub(crate) fn columns(
        &self,
        solution: &Table,
        identity: &Identity,
        joined: Option<&Joined>,
    ) -> Vec<GroupColumn> {
        let groups = self.groupings.iter().flatten();
        let names: BTreeSet<&String> = groups.chain(&self.options.controls).collect();
        let names: Vec<&String> = names.into_iter().collect();
        let column = |name: &String| Self::column(name, solution, identity, joined);
        each(names, column)
    }

    /// The cluster of each item, numbered as they come; an item without one
    /// stands for itself (a frame for its video).
    pub(crate) fn clusters(
        &mut self,
        solution: &Table,
        identity: &Identity,
        joined: Option<&Joined>,
        framed: bool,
    ) -> Option<Arc<Codes>> {
        let Some(declared) = &self.options.cluster else {
            return framed.then(|| Codes::as_they_come(&identity.ids));
        };
        let declared = Self::column(declared, solution, identity, joined);
        let unknown = declared.unknown();
        // Three kinds of key: a declared cluster, a video, an item.
        let key = |item: usize| match declared.codes.get(item) {
            code if Some(code) != unknown => u64::from(code),
            _ if framed => 1 << 32 | u64::from(identity.ids.get(item)),
            _ => 2 << 32 | item as u64,
        };
        let (clusters, _) = renumbered((0..identity.len()).map(key));
        Some(Arc::new(clusters.into()))
    }

    fn judging<'b>(&self, level: Level, clusters: Option<&'b Codes>) -> Judging<'b> {
        Judging {
            min_n: self.options.min_n,
            resampling: Resampling {
                resamples: match self.options.values_only {
                    true => 0,
                    false => self.options.resamples,
                },
                seed: self.options.seed,
                level: self.options.interval_level,
                kind: self.options.bootstrap,
            },
            level: level.as_str(),
            clusters,
        }
    }

    /// Judges everything of one level. `constant` gives the best constant
    /// answer's value per metric over some items.
    pub(crate) fn judge<F: Form + Clone + Send + 'static>(
        &self,
        items: &Items<F>,
        columns: &[GroupColumn],
        clusters: Option<&Arc<Codes>>,
        constant: &(dyn Fn(&[u32]) -> Vec<Option<f64>> + Sync),
    ) -> Vec<MetricReport> {
        if let Some(mut sides) = self.sides.as_ref().and_then(|sides| sides.lock().ok()) {
            sides.push(Side {
                level: items.level,
                identity: items.identity.clone(),
                columns: columns.to_vec(),
                clusters: clusters.cloned(),
                form: Box::new(items.form.clone()),
            });
        }
        let judging = self.judging(items.level, clusters.map(Arc::as_ref));
        let metrics = items.form.metrics().len();
        let constant = |cell: &[u32]| match self.options.values_only {
            true => vec![None; metrics],
            false => constant(cell),
        };
        let named = |names: &[String]| -> Vec<&GroupColumn> {
            names
                .iter()
                .filter_map(|name| columns.iter().find(|column| column.name == *name))
                .collect()
        };
        let controls = named(&self.options.controls);
        let permutations = match self.options.values_only {
            true => 0,
            false => self.options.permutations,
        };
        let crossed: Vec<_> = self.groupings.iter().map(|names| named(names)).collect();
        let (overall, cells) = judge_all(&items.form, &crossed, &judging);
        let overall_constant = constant(&overall.items);
        let judged: Vec<Judged> = self
            .groupings
            .iter()
            .zip(crossed.into_iter().zip(cells))
            .map(|(names, (crossed, cells))| Judged {
                mean_intervals: self
                    .options
                    .weights
                    .as_ref()
                    .and_then(|weights| weights.each(names, &cells))
                    .map_or_else(Vec::new, |weights| {
                        mean_intervals(&items.form, names, &cells, &weights, &judging)
                    }),
                constants: mapped(cells.len(), |at| constant(&cells[at].items)),
                nulls: nulls(&items.form, names, &cells, &judging, permutations),
                within: judge_within(&items.form, &controls, &crossed, &judging, permutations),
                crossed,
                cells,
            })
            .collect();
        let metrics = items.form.metrics().iter().enumerate();
        metrics
            .filter(|(_, metric)| self.options.wants(metric.name))
            .map(|(at, metric)| {
                let estimate = overall.estimates[at].clone();
                let better = |value: Option<f64>, baseline: Option<f64>| {
                    Some(beats(value?, baseline?, metric.higher_is_better))
                };
                let gaps = |cells: &[Cell], overall: &Estimate, columns: &[String], null| {
                    let mut found = disparity(cells, overall, metric.higher_is_better)?;
                    let weights = self.options.weights.as_ref();
                    found.weighted_mean = weights.and_then(|w| w.mean(columns, cells));
                    found.null = null;
                    Some(found)
                };
                let by_group: Vec<Grouping> = judged
                    .iter()
                    .map(|judged| {
                        let mut group = grouping(&judged.crossed, &judged.cells, at);
                        for (cell, constant) in group.cells.iter_mut().zip(&judged.constants) {
                            let value = cell.estimate.value;
                            cell.baseline = constant[at].filter(|_| value.is_some());
                            cell.beats_baseline = better(value, cell.baseline);
                        }
                        let columns = &group.columns;
                        let null = judged.nulls[at].clone();
                        group.disparity = gaps(&group.cells, &estimate, columns, null);
                        let found = group.disparity.as_mut();
                        if let Some(mean) = found.and_then(|found| found.weighted_mean.as_mut()) {
                            mean.interval = judged.mean_intervals.get(at).copied().flatten();
                        }
                        let levels = judged.within.iter().map(|level| {
                            let cells = grouping(&judged.crossed, &level.cells, at).cells;
                            let (overall, null) = (&level.overall[at], level.nulls[at].clone());
                            Within {
                                level: level.level.clone(),
                                overall: overall.clone(),
                                disparity: gaps(&cells, overall, columns, null),
                                cells,
                            }
                        });
                        group.within = levels.collect();
                        group
                    })
                    .collect();
                MetricReport {
                    metric: metric.name.to_owned(),
                    title: metric.title.to_owned(),
                    definition: metric.definition.to_owned(),
                    level: items.level,
                    higher_is_better: metric.higher_is_better,
                    baseline: overall_constant[at],
                    beats_baseline: better(estimate.value, overall_constant[at]),
                    overall: estimate,
                    at_threshold: overall.thresholds[at],
                    by_group,
                }
            })
            .collect()
    }
}

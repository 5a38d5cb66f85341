//! The samples of one dataset by class, from a manifest's folder or a table.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use fairframe_schemas::Column;

use super::EpisodeError;
use crate::manifest::{group_value, parts, top_column};
use crate::read::{JsonPart, Limits, read_table};
use crate::read_parquet::{cell_text, for_each_batch};

/// Support from samples with one value of a column, query from another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sides {
    pub column: String,
    pub support: String,
    pub query: String,
}

/// What is read of a dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    pub class: String,
    /// The class of classes (Omniglot's alphabet).
    pub alphabet: Option<String>,
    /// Samples with one value never stand in both support and query.
    pub disjoint: Option<String>,
    pub sides: Option<Sides>,
    /// Only samples of this split.
    pub split: Option<String>,
}

/// One sample that may be drawn.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub id: String,
    /// Its source, if support and query are to be apart in it.
    pub source: Option<u32>,
    pub support: bool,
    pub query: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Class {
    pub name: String,
    pub alphabet: Option<String>,
    /// Indices of its samples, in the order of their ids.
    pub samples: Vec<u32>,
}

/// One dataset. Nothing depends on the order of its rows.
#[derive(Debug, Clone)]
pub struct Pool {
    pub name: String,
    pub held_out: bool,
    pub(super) samples: Vec<Sample>,
    /// In the order of their names.
    pub(super) classes: Vec<Class>,
    /// Classes below each node of a hierarchy, nodes in the order of names.
    pub(super) nodes: Option<Vec<Vec<u32>>>,
    pub(super) sided: bool,
}

impl Wanted {
    fn columns(&self) -> Vec<&str> {
        let more = [&self.alphabet, &self.disjoint];
        let mut names = vec![self.class.as_str()];
        names.extend(more.into_iter().flatten().map(String::as_str));
        names.extend(self.sides.iter().map(|sides| sides.column.as_str()));
        names.extend(self.split.iter().map(|_| Column::Split.name()));
        names
    }
}

/// A class of a manifest: the only label of a sample; else none.
fn value(batch: &RecordBatch, name: &str, row: usize) -> Option<String> {
    if name != Column::Labels.name() {
        return group_value(batch, name, row);
    }
    let list = batch.column_by_name(name)?.as_list_opt::<i32>()?;
    if list.is_null(row) {
        return None;
    }
    let items = list.value(row);
    let labels = items.as_struct_opt()?.column_by_name("label")?.clone();
    let found: BTreeSet<String> = (0..labels.len())
        .filter_map(|at| cell_text(labels.as_ref(), at))
        .collect();
    match found.len() {
        1 => found.into_iter().next(),
        _ => None,
    }
}

impl Pool {
    /// Reads the folder of a manifest's version (accepted samples only), or a
    /// CSV or Parquet table with `sample_id` and the wanted columns.
    pub fn read(
        name: &str,
        path: &Path,
        wanted: &Wanted,
        limits: &Limits,
    ) -> Result<Self, EpisodeError> {
        let columns = wanted.columns();
        let id = Column::SampleId.name();
        let mut rows: Vec<(String, Vec<Option<String>>)> = Vec::new();
        let no_column = |column: &str, known: Vec<String>| EpisodeError::NoColumn {
            path: path.to_owned(),
            column: column.to_owned(),
            known: known.join("`, `"),
        };
        if path.is_dir() {
            let status = Column::Status.name();
            let mut lacking = None;
            for part in parts(path)? {
                let wants = |name: &str| {
                    name == id || name == status || columns.iter().any(|c| top_column(c) == name)
                };
                for_each_batch(&part, limits, &wants, &mut |batch| {
                    for column in columns.iter().chain([&id]) {
                        if batch.column_by_name(top_column(column)).is_none() {
                            lacking = Some((*column).to_owned());
                            return;
                        }
                    }
                    for row in 0..batch.num_rows() {
                        let cell = |name: &str| group_value(batch, name, row);
                        let accepted = cell(status).is_none_or(|status| status == "accepted");
                        if let (Some(id), true) = (cell(id), accepted) {
                            let values = columns.iter().map(|c| value(batch, c, row));
                            rows.push((id, values.collect()));
                        }
                    }
                })?;
            }
            if let Some(column) = lacking {
                return Err(no_column(&column, Vec::new()));
            }
        } else {
            let table = read_table(path, limits, JsonPart::Probs, &|_| true)?;
            let find = |column: &str| {
                let found = table.find(&[column]);
                found.ok_or_else(|| no_column(column, table.names.clone()))
            };
            let at_id = find(id)?;
            let at: Vec<usize> = columns.iter().map(|c| find(c)).collect::<Result<_, _>>()?;
            for row in 0..table.len() {
                let text = |at: usize| {
                    let text = table.columns[at].text(row).trim().to_owned();
                    (!text.is_empty()).then_some(text)
                };
                if let Some(id) = text(at_id) {
                    rows.push((id, at.iter().map(|at| text(*at)).collect()));
                }
            }
        }
        rows.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(EpisodeError::Repeated {
                path: path.to_owned(),
                id: pair[0].0.clone(),
            });
        }
        Ok(Self::of(name, rows, wanted))
    }

    /// Rows in the order of their ids, with the wanted columns in theirs.
    fn of(name: &str, rows: Vec<(String, Vec<Option<String>>)>, wanted: &Wanted) -> Self {
        let mut pool = Self {
            name: name.to_owned(),
            held_out: false,
            samples: Vec::new(),
            classes: Vec::new(),
            nodes: None,
            sided: wanted.sides.is_some(),
        };
        let mut classes: BTreeMap<String, (Option<String>, Vec<u32>)> = BTreeMap::new();
        let mut sources: HashMap<String, u32> = HashMap::new();
        for (id, values) in rows {
            let mut values = values.into_iter();
            let Some(class) = values.next().flatten() else {
                continue;
            };
            let mut next = |there: bool| there.then(|| values.next().flatten()).flatten();
            let alphabet = next(wanted.alphabet.is_some());
            let source = next(wanted.disjoint.is_some());
            let side = next(wanted.sides.is_some());
            let split = next(wanted.split.is_some());
            if wanted.split.is_some() && split != wanted.split {
                continue;
            }
            let (support, query) = wanted.sides.as_ref().map_or((true, true), |sides| {
                let is = |wanted: &String| side.as_ref() == Some(wanted);
                (is(&sides.support), is(&sides.query))
            });
            if !support && !query {
                continue;
            }
            let at = pool.samples.len() as u32;
            // A sample whose source is not known is a source of its own.
            let source = wanted.disjoint.as_ref().map(|_| {
                let known = sources.len() as u32;
                let key = source.map_or_else(|| format!("sample {id}"), |s| format!("source {s}"));
                *sources.entry(key).or_insert(known)
            });
            pool.samples.push(Sample {
                id,
                source,
                support,
                query,
            });
            let class = classes.entry(class).or_insert((alphabet, Vec::new()));
            class.1.push(at);
        }
        pool.classes = classes
            .into_iter()
            .map(|(name, (alphabet, samples))| Class {
                name,
                alphabet,
                samples,
            })
            .collect();
        pool
    }

    /// Draws ways from the nodes of a hierarchy: a CSV of `child,parent`,
    /// whose leaves are classes of the pool; a child may have several parents.
    pub fn with_hierarchy(mut self, path: &Path, limits: &Limits) -> Result<Self, EpisodeError> {
        let table = read_table(path, limits, JsonPart::Probs, &|_| true)?;
        let columns = table.find(&["child"]).zip(table.find(&["parent"]));
        let error = |message: String| EpisodeError::Hierarchy {
            path: path.to_owned(),
            message,
        };
        let (child, parent) = columns.ok_or_else(|| error("it lacks a column".to_owned()))?;
        let mut parents: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for row in 0..table.len() {
            let text = |at: usize| table.columns[at].text(row).trim().to_owned();
            parents.entry(text(child)).or_default().insert(text(parent));
        }
        let mut below: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for (at, class) in self.classes.iter().enumerate() {
            // Every node above the class, each once: a cycle ends here too.
            let (mut seen, mut open) = (BTreeSet::new(), vec![class.name.as_str()]);
            while let Some(node) = open.pop() {
                for parent in parents.get(node).into_iter().flatten() {
                    if seen.insert(parent.as_str()) {
                        open.push(parent);
                    }
                }
            }
            for node in seen {
                below.entry(node).or_default().push(at as u32);
            }
        }
        self.nodes = Some(below.into_values().collect());
        Ok(self)
    }

    /// A pool made by hand: classes with so many samples each.
    #[cfg(test)]
    pub(super) fn made(sizes: &[usize], source: impl Fn(usize, usize) -> Option<String>) -> Self {
        let mut rows = Vec::new();
        for (class, n) in sizes.iter().enumerate() {
            for at in 0..*n {
                let values = vec![Some(format!("c{class:03}")), source(class, at)];
                rows.push((format!("c{class:03}-{at:04}"), values));
            }
        }
        let wanted = Wanted {
            class: "class".to_owned(),
            disjoint: source(0, 0).map(|_| "source".to_owned()),
            ..Wanted::default()
        };
        Self::of("made", rows, &wanted)
    }
}

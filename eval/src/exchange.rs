//! Statistics as Arrow: what an engine sends between machines. Every state goes out as one batch
//! whose rows are in one order, so that equal states give equal bytes, and comes in again
//! bit by bit; merged over any partition it is the state of the whole.
//!
//! Numbers of labels and classes are codes: all parts of one evaluation share one list of them.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array,
};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, Field, Schema, SchemaRef};

use crate::metrics::classification::ClassificationState;
use crate::metrics::detection::{self, Scored};
use crate::metrics::detection_labels::LabelsState;
use crate::metrics::recognition::{Prediction, RecognitionState};
use crate::metrics::retrieval::RetrievalState;
use crate::statistics::{DetectionState, MultiLabelState, Tally};

/// Most that the counts of one column of a state may be together: sums of 65,536 such states,
/// five times over as F2 has them, do not overflow.
const MAX_COUNT: u64 = 1 << 44;

/// Largest code of a label: a state keeps a tally for each up to its largest.
const MAX_CODE: u32 = 1 << 24;

/// Why something is not a state.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("this is no Arrow stream of a `{state}` state: {source}")]
    Arrow {
        state: &'static str,
        source: ArrowError,
    },
    #[error("a `{state}` state has the columns {wanted}, not {found}")]
    Schema {
        state: &'static str,
        wanted: String,
        found: String,
    },
    #[error("row {row} of a `{state}` state: {what}")]
    Row {
        state: &'static str,
        row: usize,
        what: &'static str,
    },
}

type Columns = Vec<(&'static str, bool, ArrayRef)>;

/// A statistic that leaves and enters as Arrow.
pub trait Exchange: Default {
    const NAME: &'static str;

    /// Its rows in their order: name, whether it may be null, values.
    fn columns(&self) -> Columns;

    /// Adds rows of the right types. What is wrong with one is said with its place.
    fn add(&mut self, rows: &RecordBatch) -> Result<(), (usize, &'static str)>;

    fn schema() -> SchemaRef {
        let columns = Self::default().columns();
        let field = |(name, null, array): (&str, bool, ArrayRef)| {
            Field::new(name, array.data_type().clone(), null)
        };
        Arc::new(Schema::new(
            columns.into_iter().map(field).collect::<Vec<_>>(),
        ))
    }

    fn to_arrow(&self) -> Result<RecordBatch, StateError> {
        let columns = self.columns().into_iter().map(|(.., array)| array);
        RecordBatch::try_new(Self::schema(), columns.collect()).map_err(arrow::<Self>)
    }

    /// Merges a state that came as a batch. After an error the state holds a part of it: drop it.
    fn merge_arrow(&mut self, batch: &RecordBatch) -> Result<(), StateError> {
        let (wanted, found) = (Self::schema(), batch.schema());
        if wanted.fields() != found.fields() {
            let names = |schema: &Schema| {
                let fields = schema.fields().iter();
                let fields = fields.map(|f| format!("`{}` ({})", f.name(), f.data_type()));
                fields.collect::<Vec<_>>().join(", ")
            };
            return Err(StateError::Schema {
                state: Self::NAME,
                wanted: names(&wanted),
                found: names(&found),
            });
        }
        let state = Self::NAME;
        let bad = |(row, what)| StateError::Row { state, row, what };
        bounded(batch).map_err(bad)?;
        self.add(batch).map_err(bad)
    }

    /// As an Arrow IPC stream.
    fn to_ipc(&self) -> Result<Vec<u8>, StateError> {
        let batch = self.to_arrow()?;
        let mut writer =
            StreamWriter::try_new(Vec::new(), &batch.schema()).map_err(arrow::<Self>)?;
        writer.write(&batch).map_err(arrow::<Self>)?;
        writer.into_inner().map_err(arrow::<Self>)
    }

    /// Merges the states of an Arrow IPC stream.
    fn merge_ipc(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        // Arrow's decoder trusts lengths in the stream, and panics where they lie.
        let batches = std::panic::catch_unwind(|| {
            let reader = StreamReader::try_new(bytes, None)?;
            reader.collect::<Result<Vec<_>, _>>()
        });
        let lying = || Err(ArrowError::IpcError("its lengths do not fit".to_owned()));
        let batches = batches.unwrap_or_else(|_| lying());
        for batch in batches.map_err(arrow::<Self>)? {
            self.merge_arrow(&batch)?;
        }
        Ok(())
    }
}

fn arrow<S: Exchange>(source: ArrowError) -> StateError {
    let state = S::NAME;
    StateError::Arrow { state, source }
}

fn counts(values: impl IntoIterator<Item = u64>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(values))
}

fn floats(values: impl IntoIterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(Float64Array::from_iter(values))
}

/// The schema was compared before, so that a column is what it is taken for.
fn column<A: Array + 'static>(rows: &RecordBatch, at: usize) -> Result<&A, (usize, &'static str)> {
    rows.column(at)
        .as_any()
        .downcast_ref()
        .ok_or((0, "a column of another type"))
}

fn count(rows: &RecordBatch, at: usize, row: usize) -> Result<u64, (usize, &'static str)> {
    Ok(column::<UInt64Array>(rows, at)?.value(row))
}

/// Whether the counts of each column stay within [`MAX_COUNT`].
fn bounded(rows: &RecordBatch) -> Result<(), (usize, &'static str)> {
    for array in rows.columns() {
        let Some(counts) = array.as_any().downcast_ref::<UInt64Array>() else {
            continue;
        };
        let mut sum = 0u64;
        for (row, value) in counts.values().iter().enumerate() {
            sum = sum.saturating_add(*value);
            if sum > MAX_COUNT {
                return Err((row, "counts over 2^44"));
            }
        }
    }
    Ok(())
}

/// A row per F2 (`hit` is `5tp`, `all` is `5tp + 4fn + fp`, `images` have it), and one per label
/// with its `tp`, `fn` and `fp` as `hit`, `missed` and `all`.
impl Exchange for MultiLabelState {
    const NAME: &'static str = "multi-label";

    fn columns(&self) -> Columns {
        let mut ratios: Vec<_> = self.ratios.iter().collect();
        ratios.sort_unstable();
        let ratios = ratios.into_iter();
        let ratios = ratios.map(|((hit, all), n)| (None, *n, *hit, 0, *all));
        let labels = (0..)
            .zip(&self.labels)
            .filter(|(_, tally)| **tally != Tally::default());
        let labels = labels.map(|(code, t)| (Some(code), 0, t.tp, t.fn_, t.fp));
        let rows: Vec<_> = ratios.chain(labels).collect();
        let codes = UInt32Array::from_iter(rows.iter().map(|row| row.0));
        vec![
            ("label", true, Arc::new(codes)),
            ("images", false, counts(rows.iter().map(|row| row.1))),
            ("hit", false, counts(rows.iter().map(|row| row.2))),
            ("missed", false, counts(rows.iter().map(|row| row.3))),
            ("all", false, counts(rows.iter().map(|row| row.4))),
        ]
    }

    fn add(&mut self, rows: &RecordBatch) -> Result<(), (usize, &'static str)> {
        let codes = column::<UInt32Array>(rows, 0)?;
        for row in 0..rows.num_rows() {
            let [images, hit, missed, all] = [1, 2, 3, 4].map(|at| count(rows, at, row));
            let (images, hit, missed, all) = (images?, hit?, missed?, all?);
            if codes.is_valid(row) {
                let (code, tally) = (
                    codes.value(row),
                    Tally {
                        tp: hit,
                        fn_: missed,
                        fp: all,
                    },
                );
                if code > MAX_CODE {
                    return Err((row, "a label over 2^24"));
                }
                self.label(code as usize).merge(tally);
                // What all images hold is what the labels hold.
                self.total.merge(tally);
            } else if hit > all {
                return Err((row, "an F2 over 1"));
            } else {
                *self.ratios.entry((hit, all)).or_default() += images;
            }
        }
        Ok(())
    }
}

/// A row per score, in the order of [`detection::sort`].
impl Exchange for DetectionState {
    const NAME: &'static str = "detection";

    fn columns(&self) -> Columns {
        let mut sorted = self.scores.clone();
        detection::sort(&mut sorted);
        let scores = floats(sorted.iter().map(|item| Some(item.score)));
        let fakes: Vec<bool> = sorted.iter().map(|item| item.fake).collect();
        vec![
            ("score", false, scores),
            ("fake", false, Arc::new(BooleanArray::from(fakes))),
        ]
    }

    fn add(&mut self, rows: &RecordBatch) -> Result<(), (usize, &'static str)> {
        let (scores, fakes) = (
            column::<Float64Array>(rows, 0)?,
            column::<BooleanArray>(rows, 1)?,
        );
        for row in 0..rows.num_rows() {
            let (score, fake) = (scores.value(row), fakes.value(row));
            if !(0.0..=1.0).contains(&score) {
                return Err((row, "a score outside 0 to 1"));
            }
            self.scores.push(Scored { score, fake });
        }
        Ok(())
    }
}

/// A row for all images (`class` is null) and one per class.
impl Exchange for ClassificationState {
    const NAME: &'static str = "classification";

    fn columns(&self) -> Columns {
        let all = (None, self.n, self.first, self.five);
        let classes = self
            .classes
            .iter()
            .map(|(class, (n, right))| (Some(*class), *n, *right, 0));
        let rows: Vec<_> = std::iter::once(all).chain(classes).collect();
        vec![
            (
                "class",
                true,
                Arc::new(UInt32Array::from_iter(rows.iter().map(|row| row.0))),
            ),
            ("n", false, counts(rows.iter().map(|row| row.1))),
            ("first", false, counts(rows.iter().map(|row| row.2))),
            ("five", false, counts(rows.iter().map(|row| row.3))),
        ]
    }

    fn add(&mut self, rows: &RecordBatch) -> Result<(), (usize, &'static str)> {
        let classes = column::<UInt32Array>(rows, 0)?;
        for row in 0..rows.num_rows() {
            let (n, first, five) = (
                count(rows, 1, row)?,
                count(rows, 2, row)?,
                count(rows, 3, row)?,
            );
            if first > n || five > n {
                return Err((row, "more right answers than images"));
            }
            if classes.is_valid(row) {
                let known = self.classes.entry(classes.value(row)).or_default();
                *known = (known.0 + n, known.1 + first);
            } else {
                self.n += n;
                self.first += first;
                self.five += five;
            }
        }
        Ok(())
    }
}

/// A row of pristine images and one of fakes.
impl Exchange for LabelsState {
    const NAME: &'static str = "detection-labels";

    fn columns(&self) -> Columns {
        vec![
            (
                "fake",
                false,
                Arc::new(BooleanArray::from(vec![false, true])),
            ),
            ("n", false, counts(self.n)),
            ("right", false, counts(self.right)),
        ]
    }

    fn add(&mut self, rows: &RecordBatch) -> Result<(), (usize, &'static str)> {
        let fakes = column::<BooleanArray>(rows, 0)?;
        for row in 0..rows.num_rows() {
            let (n, right) = (count(rows, 1, row)?, count(rows, 2, row)?);
            if right > n {
                return Err((row, "more right answers than images"));
            }
            let at = usize::from(fakes.value(row));
            self.n[at] += n;
            self.right[at] += right;
        }
        Ok(())
    }
}

/// A row per prediction, surest first, and last one without confidence that counts the queries
/// with a landmark and without an answer.
impl Exchange for RecognitionState {
    const NAME: &'static str = "recognition";

    fn columns(&self) -> Columns {
        let mut sorted: Vec<&Prediction> = self.predictions.iter().collect();
        sorted.sort_unstable_by(|a, b| {
            a.order(b)
                .then((a.landmark, a.right).cmp(&(b.landmark, b.right)))
        });
        let texts = |each: &dyn Fn(&Prediction) -> &str| -> ArrayRef {
            let values = sorted.iter().map(|p| Some(each(p))).chain([None]);
            Arc::new(values.collect::<StringArray>())
        };
        let flags = |each: &dyn Fn(&Prediction) -> bool| -> ArrayRef {
            let values: Vec<bool> = sorted.iter().map(|p| each(p)).chain([false]).collect();
            Arc::new(BooleanArray::from(values))
        };
        let silent = sorted.iter().map(|_| 0).chain([self.silent]);
        vec![
            (
                "confidence",
                true,
                floats(sorted.iter().map(|p| Some(p.confidence)).chain([None])),
            ),
            ("id", true, texts(&|p| &p.id)),
            ("class", true, texts(&|p| &p.class)),
            ("landmark", false, flags(&|p| p.landmark)),
            ("right", false, flags(&|p| p.right)),
            ("silent", false, counts(silent)),
        ]
    }

    fn add(&mut self, rows: &RecordBatch) -> Result<(), (usize, &'static str)> {
        let confidences = column::<Float64Array>(rows, 0)?;
        let (ids, classes) = (
            column::<StringArray>(rows, 1)?,
            column::<StringArray>(rows, 2)?,
        );
        let (landmarks, rights) = (
            column::<BooleanArray>(rows, 3)?,
            column::<BooleanArray>(rows, 4)?,
        );
        for row in 0..rows.num_rows() {
            self.silent += count(rows, 5, row)?;
            if confidences.is_null(row) {
                continue;
            }
            if !confidences.value(row).is_finite() || ids.is_null(row) || classes.is_null(row) {
                return Err((
                    row,
                    "a prediction without a finite confidence, an id or a class",
                ));
            }
            self.predictions.push(Prediction {
                confidence: confidences.value(row),
                id: ids.value(row).to_owned(),
                class: classes.value(row).to_owned(),
                landmark: landmarks.value(row),
                right: rights.value(row),
            });
        }
        Ok(())
    }
}

/// A row per query by its average precision, and last one with what all queries have right.
impl Exchange for RetrievalState {
    const NAME: &'static str = "retrieval";

    fn columns(&self) -> Columns {
        let mut sorted = self.ap.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let none = || sorted.iter().map(|_| 0);
        vec![
            (
                "ap",
                true,
                floats(sorted.iter().map(|ap| Some(*ap)).chain([None])),
            ),
            ("first", false, counts(none().chain([self.first]))),
            ("ten", false, counts(none().chain([self.ten]))),
        ]
    }

    fn add(&mut self, rows: &RecordBatch) -> Result<(), (usize, &'static str)> {
        let aps = column::<Float64Array>(rows, 0)?;
        for row in 0..rows.num_rows() {
            self.first += count(rows, 1, row)?;
            self.ten += count(rows, 2, row)?;
            if aps.is_valid(row) {
                if !(0.0..=1.0).contains(&aps.value(row)) {
                    return Err((row, "an average precision outside 0 to 1"));
                }
                self.ap.push(aps.value(row));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::detection_labels::Called;
    use crate::metrics::retrieval;

    /// One row of any form, as a seed makes it.
    #[derive(Debug, Clone)]
    struct Row {
        score: f64,
        flags: [bool; 3],
        labels: [Vec<u32>; 2],
        number: u32,
    }

    fn rows() -> impl Strategy<Value = Vec<(Row, usize)>> {
        let labels =
            || prop::collection::btree_set(0u32..7, 0..4).prop_map(|set| set.into_iter().collect());
        let row = (0u32..=20, any::<[bool; 3]>(), [labels(), labels()], 0u32..9).prop_map(
            |(score, flags, labels, number)| Row {
                score: f64::from(score) / 20.0,
                flags,
                labels,
                number,
            },
        );
        prop::collection::vec((row, 0usize..4), 0..60)
    }

    /// Every part over the wire, merged from the last: the same bytes and values as the whole.
    fn holds<S: Exchange, V: PartialEq + std::fmt::Debug>(
        rows: &[(Row, usize)],
        update: impl Fn(&mut S, &Row),
        evaluate: impl Fn(&S) -> V,
    ) {
        let mut whole = S::default();
        let mut parts: Vec<S> = (0..4).map(|_| S::default()).collect();
        for (row, part) in rows {
            update(&mut whole, row);
            update(&mut parts[*part], row);
        }
        let mut merged = S::default();
        for part in parts.iter().rev() {
            merged.merge_ipc(&part.to_ipc().unwrap()).unwrap();
        }
        assert_eq!(merged.to_ipc().unwrap(), whole.to_ipc().unwrap());
        assert_eq!(evaluate(&merged), evaluate(&whole));
    }

    proptest! {
        #[test]
        fn any_partition_over_the_wire_merges_to_the_same_bits(rows in rows()) {
            holds(&rows, |s: &mut MultiLabelState, r| s.update(&r.labels[0], &r.labels[1]), |s| s.evaluate());
            let options = detection::Options::default();
            holds(&rows, |s: &mut DetectionState, r| s.update(r.score, r.flags[0]), |s| s.evaluate(&options));
            holds(&rows, |s: &mut ClassificationState, r| s.update(&r.labels[0], r.number), |s| s.evaluate());
            let called = |r: &Row| Called {
                fake: r.flags[0],
                called_fake: r.flags[1].then_some(r.flags[2]),
            };
            holds(&rows, |s: &mut LabelsState, r| s.update(called(r)), |s| s.evaluate());
            let prediction = |r: &Row| Prediction {
                confidence: r.score,
                id: format!("q{}", r.number),
                class: r.labels[0].len().to_string(),
                landmark: r.flags[0],
                right: r.flags[0] && r.flags[1],
            };
            holds(&rows, |s: &mut RecognitionState, r| match r.flags[2] {
                true => s.update(prediction(r)),
                false => s.update_silent(r.flags[0]),
            }, |s| s.evaluate());
            let query = |r: &Row| retrieval::Scored { ap: r.score, first: r.flags[0], ten: r.number as u8 };
            holds(&rows, |s: &mut RetrievalState, r| s.update(query(r)), |s| s.evaluate());
        }

        #[test]
        fn no_bytes_make_it_panic(at in 0usize..2_000, bit in 0u8..8, cut in 0usize..2_000) {
            let mut state = DetectionState::default();
            state.update(0.25, true);
            state.update(0.75, false);
            let mut bytes = state.to_ipc().unwrap();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            bytes.truncate(bytes.len().min(cut));
            let _ = DetectionState::default().merge_ipc(&bytes);
        }
    }

    #[test]
    fn what_is_no_state_is_refused_with_the_reason() {
        let labels = LabelsState::default().to_ipc().unwrap();
        let said = DetectionState::default()
            .merge_ipc(&labels)
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("`score` (Float64)") && said.contains("`right`"),
            "{said}"
        );
        let said = LabelsState::default()
            .merge_ipc(b"PAR1")
            .unwrap_err()
            .to_string();
        assert!(said.contains("no Arrow stream"), "{said}");
        let of = |columns: Vec<ArrayRef>| {
            RecordBatch::try_new(DetectionState::schema(), columns).unwrap()
        };
        let fake = || Arc::new(BooleanArray::from(vec![true])) as ArrayRef;
        let batch = of(vec![floats([Some(f64::NAN)]), fake()]);
        let said = DetectionState::default()
            .merge_arrow(&batch)
            .unwrap_err()
            .to_string();
        assert!(said.contains("outside 0 to 1"), "{said}");
        let columns = vec![
            Arc::new(BooleanArray::from(vec![true])) as ArrayRef,
            counts([u64::MAX]),
            counts([0]),
        ];
        let batch = RecordBatch::try_new(LabelsState::schema(), columns).unwrap();
        let said = LabelsState::default()
            .merge_arrow(&batch)
            .unwrap_err()
            .to_string();
        assert!(said.contains("over 2^44"), "{said}");
    }

    #[test]
    fn nothing_is_a_state_too() {
        let bytes = RetrievalState::default().to_ipc().unwrap();
        let mut state = RetrievalState::default();
        state.merge_ipc(&bytes).unwrap();
        assert_eq!(state.evaluate(), [None; 3]);
    }
}

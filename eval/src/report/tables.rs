//! `groups.parquet` and `item_results.parquet`.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float64Builder, StringBuilder, UInt64Builder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use fairframe_schemas::report::{Cell, Estimate, Interval, MetricReport, Report, Verdict};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::evaluate::Evaluation;

/// Rows of one record batch.
const BATCH: usize = 65_536;

fn schema(fields: &[(&str, DataType, bool)]) -> SchemaRef {
    Arc::new(Schema::new(
        fields
            .iter()
            .map(|(name, kind, null)| Field::new(*name, kind.clone(), *null))
            .collect::<Vec<_>>(),
    ))
}

fn writer(schema: SchemaRef) -> Result<ArrowWriter<Vec<u8>>, ParquetError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_created_by(concat!("fairframe ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    ArrowWriter::try_new(Vec::new(), schema, Some(properties))
}

/// One row per metric, level, grouping and group, and one more per level of
/// the controls; the whole has the grouping `overall`.
pub fn groups(report: &Report) -> Result<Vec<u8>, ParquetError> {
    let text = DataType::Utf8;
    let schema = schema(&[
        ("metric", text.clone(), false),
        ("level", text.clone(), false),
        ("grouping", text.clone(), false),
        ("group", text.clone(), false),
        ("control", text.clone(), true),
        ("control_level", text.clone(), true),
        ("n", DataType::UInt64, false),
        ("positives", DataType::UInt64, true),
        ("negatives", DataType::UInt64, true),
        ("clusters", DataType::UInt64, true),
        ("value", DataType::Float64, true),
        ("low", DataType::Float64, true),
        ("high", DataType::Float64, true),
        ("interval_method", text.clone(), true),
        ("interval_level", DataType::Float64, true),
        ("undefined_resamples", DataType::UInt64, true),
        ("verdict", text, false),
        ("baseline", DataType::Float64, true),
        ("beats_baseline", DataType::Boolean, true),
    ]);
    let mut rows: Vec<(&MetricReport, String, String, GroupRow<'_>)> = Vec::new();
    for metric in &report.metrics {
        let whole = GroupRow {
            estimate: &metric.overall,
            baseline: metric.baseline,
            beats: metric.beats_baseline,
            level: None,
        };
        rows.push((metric, "overall".into(), "all".into(), whole));
        for grouping in &metric.by_group {
            for cell in &grouping.cells {
                let (name, group) = (grouping.columns.join("+"), cell.group.join("+"));
                rows.push((metric, name, group, GroupRow::of(cell, None)));
            }
            for within in &grouping.within {
                let level = Some(within.level.join("+"));
                for cell in &within.cells {
                    let (name, group) = (grouping.columns.join("+"), cell.group.join("+"));
                    rows.push((metric, name, group, GroupRow::of(cell, level.clone())));
                }
            }
        }
    }
    let texts =
        |each: &dyn Fn(&(&MetricReport, String, String, GroupRow<'_>)) -> Option<String>| {
            let mut builder = StringBuilder::new();
            rows.iter().for_each(|row| builder.append_option(each(row)));
            Arc::new(builder.finish()) as ArrayRef
        };
    let counts = |each: &dyn Fn(&GroupRow<'_>) -> Option<u64>| {
        let mut builder = UInt64Builder::new();
        rows.iter()
            .for_each(|row| builder.append_option(each(&row.3)));
        Arc::new(builder.finish()) as ArrayRef
    };
    let floats = |each: &dyn Fn(&GroupRow<'_>) -> Option<f64>| {
        let mut builder = Float64Builder::new();
        rows.iter()
            .for_each(|row| builder.append_option(each(&row.3)));
        Arc::new(builder.finish()) as ArrayRef
    };
    let controls = report.settings.controls.join("+");
    let mut beats = BooleanBuilder::new();
    rows.iter().for_each(|row| beats.append_option(row.3.beats));
    let columns: Vec<ArrayRef> = vec![
        texts(&|row| Some(row.0.metric.clone())),
        texts(&|row| Some(row.0.level.as_str().to_owned())),
        texts(&|row| Some(row.1.clone())),
        texts(&|row| Some(row.2.clone())),
        texts(&|row| row.3.level.as_ref().map(|_| controls.clone())),
        texts(&|row| row.3.level.clone()),
        counts(&|row| Some(row.estimate.n)),
        counts(&|row| row.denominator("positives")),
        counts(&|row| row.denominator("negatives")),
        counts(&|row| row.clusters()),
        floats(&|row| row.estimate.value),
        floats(&|row| row.interval().map(|i| i.low)),
        floats(&|row| row.interval().map(|i| i.high)),
        texts(&|row| row.3.interval().map(|i| i.method.as_str().to_owned())),
        floats(&|row| row.interval().map(|i| i.level)),
        counts(&|row| row.interval().map(|i| i.undefined_resamples)),
        texts(&|row| Some(verdict(row.3.estimate.verdict).to_owned())),
        floats(&|row| row.baseline),
        Arc::new(beats.finish()),
    ];
    let mut writer = writer(schema.clone())?;
    writer.write(&RecordBatch::try_new(schema, columns)?)?;
    writer.into_inner()
}

struct GroupRow<'a> {
    estimate: &'a Estimate,
    baseline: Option<f64>,
    beats: Option<bool>,
    /// The level of the controls that the group is seen within.
    level: Option<String>,
}

impl<'a> GroupRow<'a> {
    fn of(cell: &'a Cell, level: Option<String>) -> Self {
        Self {
            level,
            estimate: &cell.estimate,
            baseline: cell.baseline,
            beats: cell.beats_baseline,
        }
    }
}

impl GroupRow<'_> {
    fn denominator(&self, name: &str) -> Option<u64> {
        self.estimate.denominators.get(name).copied()
    }

    /// Clusters the metric rests on; of the rarer class where it needs both.
    fn clusters(&self) -> Option<u64> {
        let names = ["clusters", "positive_clusters", "negative_clusters"];
        names.iter().filter_map(|n| self.denominator(n)).min()
    }

    fn interval(&self) -> Option<Interval> {
        self.estimate.interval
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Shown => "shown",
        Verdict::InsufficientData => "insufficient-data",
        Verdict::Undefined => "undefined",
    }
}

/// One row per item and level, with what was answered, what is true, and what
/// that scores; a group column `x` stands as `group_x`, so that no name can
/// meet one of the fixed columns.
pub fn item_results(evaluation: &Evaluation) -> Result<Vec<u8>, ParquetError> {
    let mut fields: Vec<(String, DataType, bool)> = [
        ("item_id", DataType::Utf8, false),
        ("frame", DataType::Utf8, true),
        ("level", DataType::Utf8, false),
        ("metric", DataType::Utf8, false),
        ("value", DataType::Utf8, false),
        ("truth", DataType::Utf8, false),
        ("score", DataType::Float64, false),
        ("answered", DataType::Boolean, false),
    ]
    .map(|(name, kind, null)| (name.to_owned(), kind, null))
    .into();
    if let Some(first) = evaluation.items.first() {
        for column in &first.groups {
            fields.push((format!("group_{}", column.name), DataType::Utf8, false));
        }
    }
    let borrowed: Vec<(&str, DataType, bool)> = fields
        .iter()
        .map(|(name, kind, null)| (name.as_str(), kind.clone(), *null))
        .collect();
    let schema = schema(&borrowed);
    let mut writer = writer(schema.clone())?;
    for items in &evaluation.items {
        let all = items.score.len();
        for start in (0..all).step_by(BATCH) {
            let range = start..(start + BATCH).min(all);
            let mut score = Float64Builder::with_capacity(range.len());
            score.append_slice(&items.score[range.clone()]);
            let mut answered = BooleanBuilder::with_capacity(range.len());
            answered.append_slice(&items.identity.answered[range.clone()]);
            let mut columns: Vec<ArrayRef> = vec![
                texts(&range, &|at| Some(items.identity.id(at))),
                texts(&range, &|at| items.identity.frame(at)),
                texts(&range, &|_| Some(items.level.as_str())),
                texts(&range, &|_| Some(items.metric)),
                texts(&range, &|at| Some(&items.value[at])),
                texts(&range, &|at| Some(&items.truth[at])),
                Arc::new(score.finish()),
                Arc::new(answered.finish()),
            ];
            for column in &items.groups {
                columns.push(texts(&range, &|at| Some(column.value(at))));
            }
            writer.write(&RecordBatch::try_new(schema.clone(), columns)?)?;
        }
    }
    writer.into_inner()
}

fn texts<'a>(range: &Range<usize>, each: &dyn Fn(usize) -> Option<&'a str>) -> ArrayRef {
    let mut builder = StringBuilder::with_capacity(range.len(), 16 * range.len());
    range.clone().for_each(|at| builder.append_option(each(at)));
    Arc::new(builder.finish())
}

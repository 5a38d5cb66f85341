//! `groups.parquet`, `disparities.parquet` and `item_results.parquet`.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float64Builder, StringBuilder, UInt64Builder};
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use fairframe_schemas::report::{
    Cell, Disparity, Estimate, GapNull, Interval, MetricReport, Report, Verdict, WeightedMean,
};
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

/// One row per metric, level and grouping, and one more per level of the
/// controls: how far its groups stand apart, and what of that is chance.
pub fn disparities(report: &Report) -> Result<Vec<u8>, ParquetError> {
    struct Row<'a> {
        metric: &'a MetricReport,
        grouping: String,
        level: Option<String>,
        found: &'a Disparity,
    }
    let mut rows: Vec<Row<'_>> = Vec::new();
    for metric in &report.metrics {
        for grouping in &metric.by_group {
            let whole = grouping.disparity.iter().map(|found| (None, found));
            let within = grouping.within.iter().filter_map(|within| {
                Some((Some(within.level.join("+")), within.disparity.as_ref()?))
            });
            rows.extend(whole.chain(within).map(|(level, found)| Row {
                metric,
                grouping: grouping.columns.join("+"),
                level,
                found,
            }));
        }
    }
    let controls = report.settings.controls.join("+");
    let texts = |each: &dyn Fn(&Row<'_>) -> Option<String>| {
        let mut builder = StringBuilder::new();
        rows.iter().for_each(|row| builder.append_option(each(row)));
        Arc::new(builder.finish()) as ArrayRef
    };
    let counts = |each: &dyn Fn(&Disparity) -> Option<u64>| {
        let values = rows.iter().map(|row| each(row.found));
        Arc::new(values.collect::<UInt64Array>()) as ArrayRef
    };
    let floats = |each: &dyn Fn(&Disparity) -> Option<f64>| {
        let values = rows.iter().map(|row| each(row.found));
        Arc::new(values.collect::<Float64Array>()) as ArrayRef
    };
    fn null(found: &Disparity) -> Option<&GapNull> {
        found.null.as_ref()
    }
    fn mean(found: &Disparity) -> Option<&WeightedMean> {
        found.weighted_mean.as_ref()
    }
    let columns: Vec<(&str, bool, ArrayRef)> = vec![
        (
            "metric",
            false,
            texts(&|row| Some(row.metric.metric.clone())),
        ),
        (
            "level",
            false,
            texts(&|row| Some(row.metric.level.as_str().to_owned())),
        ),
        ("grouping", false, texts(&|row| Some(row.grouping.clone()))),
        (
            "control",
            true,
            texts(&|row| row.level.as_ref().map(|_| controls.clone())),
        ),
        ("control_level", true, texts(&|row| row.level.clone())),
        ("groups_shown", false, counts(&|d| Some(d.groups_shown))),
        (
            "groups_suppressed",
            false,
            counts(&|d| Some(d.groups_suppressed)),
        ),
        ("difference", false, floats(&|d| Some(d.difference))),
        ("ratio", true, floats(&|d| d.ratio)),
        (
            "difference_to_overall",
            true,
            floats(&|d| d.difference_to_overall),
        ),
        ("ratio_to_overall", true, floats(&|d| d.ratio_to_overall)),
        (
            "best_group",
            false,
            texts(&|row| Some(row.found.best_group.join("+"))),
        ),
        ("best_value", false, floats(&|d| Some(d.best_value))),
        (
            "worst_group",
            false,
            texts(&|row| Some(row.found.worst_group.join("+"))),
        ),
        ("worst_value", false, floats(&|d| Some(d.worst_value))),
        ("worst_bound", true, floats(&|d| d.worst_bound)),
        ("macro_mean", false, floats(&|d| Some(d.macro_mean))),
        ("weighted_mean", true, floats(&|d| Some(mean(d)?.value))),
        (
            "weighted_low",
            true,
            floats(&|d| Some(mean(d)?.interval?.low)),
        ),
        (
            "weighted_high",
            true,
            floats(&|d| Some(mean(d)?.interval?.high)),
        ),
        (
            "share_of_weight",
            true,
            floats(&|d| Some(mean(d)?.share_of_weight)),
        ),
        (
            "permutations",
            true,
            counts(&|d| Some(null(d)?.permutations)),
        ),
        ("null_mean", true, floats(&|d| Some(null(d)?.mean))),
        ("null_p95", true, floats(&|d| Some(null(d)?.p95))),
        ("p", true, floats(&|d| Some(null(d)?.p))),
        ("q", true, floats(&|d| Some(null(d)?.q))),
    ];
    let fields = columns.iter();
    let fields: Vec<(&str, DataType, bool)> = fields
        .map(|(name, null, array)| (*name, array.data_type().clone(), *null))
        .collect();
    let schema = schema(&fields);
    let columns = columns.into_iter().map(|(.., array)| array).collect();
    let mut writer = writer(schema.clone())?;
    writer.write(&RecordBatch::try_new(schema, columns)?)?;
    writer.into_inner()
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

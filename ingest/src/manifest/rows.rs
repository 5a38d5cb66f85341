//! Samples to columns and back.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, ListArray, RecordBatch,
    StringArray, StructArray, TimestampMicrosecondArray, UInt64Array,
    builder::{ListBuilder, StringBuilder},
    cast::AsArray,
    types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType, UInt64Type},
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{ArrowError, Schema};
use chrono::{DateTime, Utc};
use fairframe_schemas::{
    Column, Label, Manipulation, Reason, Sample, SubjectAttribute, Timestamp,
    column::{label_fields, list_item, manipulation_fields, subject_attribute_fields},
};

use super::{ManifestError, Stamp};

/// Degrees to which the place of a sample showing people is rounded in a
/// release: 0.1, at most 11.1 km. The precise place stands in `restricted.parquet`.
const PEOPLE_GRID_DEG: f64 = 0.1;
const PEOPLE_GRID_M: f64 = 11_132.0;

/// Builds the record batch of `columns` for these samples.
pub fn batch(
    columns: impl Iterator<Item = Column>,
    samples: &[Sample],
    stamp: &Stamp,
) -> Result<RecordBatch, ArrowError> {
    let (fields, arrays): (Vec<_>, Vec<_>) = columns
        .map(|c| (c.field(), array(c, samples, stamp)))
        .unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
}

fn text<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn owned(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn time(values: impl Iterator<Item = Option<Timestamp>>) -> ArrayRef {
    let micros = values.map(|t| t.map(|t| t.timestamp_micros()));
    Arc::new(
        micros
            .collect::<TimestampMicrosecondArray>()
            .with_timezone("UTC"),
    )
}

fn float(values: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.collect::<Float64Array>())
}

fn truth(values: impl Iterator<Item = Option<bool>>) -> ArrayRef {
    Arc::new(values.collect::<BooleanArray>())
}

fn texts<T: ToString>(samples: &[Sample], get: impl Fn(&Sample) -> &[T]) -> ArrayRef {
    let mut builder =
        ListBuilder::new(StringBuilder::new()).with_field(list_item(arrow_schema::DataType::Utf8));
    for sample in samples {
        for item in get(sample) {
            builder.values().append_value(item.to_string());
        }
        builder.append(true);
    }
    Arc::new(builder.finish())
}

fn structs(lengths: impl Iterator<Item = usize>, items: StructArray) -> ArrayRef {
    let field = list_item(items.data_type().clone());
    Arc::new(ListArray::new(
        field,
        OffsetBuffer::from_lengths(lengths),
        Arc::new(items),
        None,
    ))
}

/// Whether people are shown, also such as could not be named or whose record alone is.
pub(super) fn shows_people(sample: &Sample) -> bool {
    let unnamed = sample.reasons.contains(&Reason::SubjectUnknown);
    !sample.subject_ids.is_empty() || unnamed || sample.consent_id.is_some()
}

/// The place as a release may show it.
fn shown_degrees(sample: &Sample, degrees: Option<f64>) -> Option<f64> {
    let degrees = degrees?;
    if !shows_people(sample) {
        return Some(degrees);
    }
    // Divide by the inverse: 10 is exact, 0.1 is not.
    Some((degrees / PEOPLE_GRID_DEG).round() / (1.0 / PEOPLE_GRID_DEG))
}

/// The sample as a release shows it: no consent id, people's places on a grid.
pub fn as_released(sample: &Sample) -> Sample {
    let mut shown = sample.clone();
    shown.latitude = shown_degrees(sample, sample.latitude);
    shown.longitude = shown_degrees(sample, sample.longitude);
    shown.place_precision_m = shown_precision(sample);
    shown.consent_id = None;
    shown
}

/// Bytes of all texts that may be long.
pub(super) fn text_bytes(s: &Sample) -> usize {
    let texts = [
        &s.title,
        &s.description,
        &s.creator,
        &s.creator_url,
        &s.credit,
        &s.source_url,
        &s.landing_url,
        &s.licence,
        &s.licence_url,
        &s.licence_evidence,
        &s.consent_id,
    ];
    let lists = [&s.restrictions, &s.opt_out, &s.subject_ids];
    let attributes = s.subject_attributes.iter();
    let manipulation = s.manipulation.as_ref().and_then(|m| m.parameters.as_ref());
    s.source_key.len()
        + texts.into_iter().flatten().map(String::len).sum::<usize>()
        + lists.into_iter().flatten().map(String::len).sum::<usize>()
        + s.labels.iter().map(|l| l.label.len()).sum::<usize>()
        + attributes
            .map(|a| a.name.len() + a.value.len())
            .sum::<usize>()
        + manipulation.map_or(0, String::len)
}

fn shown_precision(sample: &Sample) -> Option<f64> {
    if !shows_people(sample) || sample.latitude.is_none() {
        return sample.place_precision_m;
    }
    Some(sample.place_precision_m.unwrap_or(0.0).max(PEOPLE_GRID_M))
}

fn array(column: Column, s: &[Sample], stamp: &Stamp) -> ArrayRef {
    match column {
        Column::SampleId => owned(s.iter().map(|s| Some(s.sample_id.to_string()))),
        Column::Dataset => text(s.iter().map(|_| Some(stamp.dataset.as_str()))),
        Column::Version => {
            let version = stamp.version.to_string();
            text(s.iter().map(|_| Some(version.as_str())))
        }
        Column::MediaType => text(s.iter().map(|s| Some(s.media_type.as_str()))),
        Column::MediaSha256 => owned(s.iter().map(|s| s.media_sha256.map(|d| d.to_string()))),
        Column::Bytes => Arc::new(s.iter().map(|s| s.bytes).collect::<Int64Array>()),
        Column::Width => Arc::new(s.iter().map(|s| s.width).collect::<Int32Array>()),
        Column::Height => Arc::new(s.iter().map(|s| s.height).collect::<Int32Array>()),
        Column::Mime => text(s.iter().map(|s| s.mime.as_deref())),
        Column::DurationS => float(s.iter().map(|s| s.duration_s)),
        Column::FrameRate => float(s.iter().map(|s| s.frame_rate)),
        Column::FrameRateRatio => text(s.iter().map(|s| s.frame_rate_ratio.as_deref())),
        Column::FrameCount => Arc::new(s.iter().map(|s| s.frame_count).collect::<Int64Array>()),
        Column::VariableFrameRate => truth(s.iter().map(|s| s.variable_frame_rate)),
        Column::VideoCodec => text(s.iter().map(|s| s.video_codec.as_deref())),
        Column::HasAudio => truth(s.iter().map(|s| s.has_audio)),
        Column::PerceptualHash => {
            Arc::new(s.iter().map(|s| s.perceptual_hash).collect::<UInt64Array>())
        }
        Column::Sharpness => float(s.iter().map(|s| s.sharpness)),
        Column::Luminance => float(s.iter().map(|s| s.luminance)),
        Column::Source => text(s.iter().map(|s| Some(s.source.as_str()))),
        Column::SourceKey => text(s.iter().map(|s| Some(s.source_key.as_str()))),
        Column::SourceUrl => text(s.iter().map(|s| s.source_url.as_deref())),
        Column::LandingUrl => text(s.iter().map(|s| s.landing_url.as_deref())),
        Column::UpstreamSha1 => text(s.iter().map(|s| s.upstream_sha1.as_deref())),
        Column::UpstreamRevisionAt => time(s.iter().map(|s| s.upstream_revision_at)),
        Column::RetrievedAt => time(s.iter().map(|s| s.retrieved_at)),
        Column::Title => text(s.iter().map(|s| s.title.as_deref())),
        Column::Description => text(s.iter().map(|s| s.description.as_deref())),
        Column::Creator => text(s.iter().map(|s| s.creator.as_deref())),
        Column::CreatorUrl => text(s.iter().map(|s| s.creator_url.as_deref())),
        Column::Credit => text(s.iter().map(|s| s.credit.as_deref())),
        Column::Licence => text(s.iter().map(|s| s.licence.as_deref())),
        Column::LicenceUrl => text(s.iter().map(|s| s.licence_url.as_deref())),
        Column::LicenceEvidence => text(s.iter().map(|s| s.licence_evidence.as_deref())),
        Column::AttributionRequired => truth(s.iter().map(|s| s.attribution_required)),
        Column::Restrictions => texts(s, |s| &s.restrictions),
        Column::OptOut => texts(s, |s| &s.opt_out),
        Column::ConsentId => text(s.iter().map(|s| s.consent_id.as_deref())),
        Column::ConsentState => text(s.iter().map(|s| s.consent_state.map(|c| c.as_str()))),
        Column::ConsentPurposes => texts(s, |s| &s.consent_purposes),
        Column::SubjectIds => texts(s, |s| &s.subject_ids),
        Column::SubjectAttributes => {
            let all = || s.iter().flat_map(|s| &s.subject_attributes);
            let items = StructArray::new(
                subject_attribute_fields(),
                vec![
                    text(all().map(|a| Some(a.subject_id.as_str()))),
                    text(all().map(|a| Some(a.name.as_str()))),
                    text(all().map(|a| Some(a.value.as_str()))),
                    text(all().map(|a| Some(a.origin.as_str()))),
                ],
                None,
            );
            structs(s.iter().map(|s| s.subject_attributes.len()), items)
        }
        Column::Latitude => float(s.iter().map(|s| shown_degrees(s, s.latitude))),
        Column::Longitude => float(s.iter().map(|s| shown_degrees(s, s.longitude))),
        Column::PlacePrecisionM => float(s.iter().map(shown_precision)),
        Column::PreciseLatitude => float(s.iter().map(|s| s.latitude)),
        Column::PreciseLongitude => float(s.iter().map(|s| s.longitude)),
        Column::PlaceOrigin => text(s.iter().map(|s| s.place_origin.map(|p| p.as_str()))),
        Column::Country => text(s.iter().map(|s| s.country.as_deref())),
        Column::Subregion => text(s.iter().map(|s| s.subregion.as_deref())),
        Column::Region => text(s.iter().map(|s| s.region.as_deref())),
        Column::CapturedAt => time(s.iter().map(|s| s.captured_at)),
        Column::CapturedPrecision => {
            text(s.iter().map(|s| s.captured_precision.map(|p| p.as_str())))
        }
        Column::Labels => {
            let all = || s.iter().flat_map(|s| &s.labels);
            let items = StructArray::new(
                label_fields(),
                vec![
                    text(all().map(|l| Some(l.label.as_str()))),
                    float(all().map(|l| l.confidence)),
                    text(all().map(|l| Some(l.origin.as_str()))),
                ],
                None,
            );
            structs(s.iter().map(|s| s.labels.len()), items)
        }
        Column::Split => text(s.iter().map(|s| s.split.map(|p| p.as_str()))),
        Column::SplitGroup => text(s.iter().map(|s| s.split_group.as_deref())),
        Column::Status => text(s.iter().map(|s| Some(s.status.as_str()))),
        Column::Reasons => texts(s, |s| &s.reasons),
        Column::DerivedFrom => texts(s, |s| &s.derived_from),
        Column::Manipulation => {
            let each = || s.iter().map(|s| s.manipulation.as_ref());
            // Children of a null struct must still be there: empty text.
            let children: Vec<ArrayRef> = vec![
                text(each().map(|m| Some(m.map_or("", |m| m.method.as_str())))),
                owned(
                    each().map(|m| Some(m.map_or(String::new(), |m| m.target_sample.to_string()))),
                ),
                owned(
                    each().map(|m| Some(m.map_or(String::new(), |m| m.source_sample.to_string()))),
                ),
                owned(each().map(|m| m.and_then(|m| m.mask_sha256).map(|d| d.to_string()))),
                text(each().map(|m| m.and_then(|m| m.compression.as_deref()))),
                text(each().map(|m| m.and_then(|m| m.parameters.as_deref()))),
            ];
            let valid: NullBuffer = each().map(|m| m.is_some()).collect::<Vec<bool>>().into();
            Arc::new(StructArray::new(
                manipulation_fields(),
                children,
                Some(valid),
            ))
        }
    }
}

/// Reads samples back from a batch that has all release columns, but for those that came later.
pub fn samples(batch: &RecordBatch) -> Result<Vec<Sample>, ManifestError> {
    let view = View { batch };
    (0..batch.num_rows()).map(|row| view.sample(row)).collect()
}

struct View<'a> {
    batch: &'a RecordBatch,
}

impl View<'_> {
    /// Whether the manifest was written before there was such a column.
    fn lacks(&self, column: Column) -> bool {
        column.may_be_absent() && self.batch.column_by_name(column.name()).is_none()
    }

    fn column(&self, column: Column) -> Result<&ArrayRef, ManifestError> {
        let array = self.batch.column_by_name(column.name()).ok_or_else(|| {
            ManifestError::ColumnMissing {
                column: column.name(),
            }
        })?;
        if *array.data_type() != column.arrow_type() {
            return Err(ManifestError::ColumnType {
                column: column.name(),
                found: array.data_type().to_string(),
                expected: column.arrow_type().to_string(),
            });
        }
        Ok(array)
    }

    fn text(&self, column: Column, row: usize) -> Result<Option<String>, ManifestError> {
        if self.lacks(column) {
            return Ok(None);
        }
        let array = self.column(column)?.as_string::<i32>();
        Ok(array.is_valid(row).then(|| array.value(row).to_owned()))
    }

    fn parsed<T: std::str::FromStr>(
        &self,
        column: Column,
        row: usize,
    ) -> Result<Option<T>, ManifestError>
    where
        T::Err: std::fmt::Display,
    {
        let array = self.column(column)?.as_string::<i32>();
        if array.is_null(row) {
            return Ok(None);
        }
        let value = array.value(row).parse();
        value
            .map(Some)
            .map_err(|e: T::Err| invalid(column, row, e.to_string()))
    }

    fn needed<T: std::str::FromStr>(&self, column: Column, row: usize) -> Result<T, ManifestError>
    where
        T::Err: std::fmt::Display,
    {
        self.parsed(column, row)?
            .ok_or_else(|| invalid(column, row, "it is null".to_owned()))
    }

    fn float(&self, column: Column, row: usize) -> Result<Option<f64>, ManifestError> {
        if self.lacks(column) {
            return Ok(None);
        }
        let array = self.column(column)?.as_primitive::<Float64Type>();
        Ok(array.is_valid(row).then(|| array.value(row)))
    }

    fn int(&self, column: Column, row: usize) -> Result<Option<i32>, ManifestError> {
        let array = self.column(column)?.as_primitive::<Int32Type>();
        Ok(array.is_valid(row).then(|| array.value(row)))
    }

    fn long(&self, column: Column, row: usize) -> Result<Option<i64>, ManifestError> {
        if self.lacks(column) {
            return Ok(None);
        }
        let array = self.column(column)?.as_primitive::<Int64Type>();
        Ok(array.is_valid(row).then(|| array.value(row)))
    }

    fn truth(&self, column: Column, row: usize) -> Result<Option<bool>, ManifestError> {
        if self.lacks(column) {
            return Ok(None);
        }
        let array = self.column(column)?.as_boolean();
        Ok(array.is_valid(row).then(|| array.value(row)))
    }

    fn time(&self, column: Column, row: usize) -> Result<Option<Timestamp>, ManifestError> {
        let array = self
            .column(column)?
            .as_primitive::<TimestampMicrosecondType>();
        if array.is_null(row) {
            return Ok(None);
        }
        DateTime::<Utc>::from_timestamp_micros(array.value(row))
            .map(Some)
            .ok_or_else(|| invalid(column, row, "the time is out of range".to_owned()))
    }

    fn list<T: std::str::FromStr>(
        &self,
        column: Column,
        row: usize,
    ) -> Result<Vec<T>, ManifestError>
    where
        T::Err: std::fmt::Display,
    {
        let items = self.column(column)?.as_list::<i32>().value(row);
        let items = items.as_string::<i32>();
        (0..items.len())
            .map(|i| {
                items
                    .value(i)
                    .parse()
                    .map_err(|e: T::Err| invalid(column, row, e.to_string()))
            })
            .collect()
    }

    fn labels(&self, row: usize) -> Result<Vec<Label>, ManifestError> {
        let items = self.column(Column::Labels)?.as_list::<i32>().value(row);
        let items = items.as_struct();
        let (label, origin) = (
            items.column(0).as_string::<i32>(),
            items.column(2).as_string::<i32>(),
        );
        let confidence = items.column(1).as_primitive::<Float64Type>();
        Ok((0..items.len())
            .map(|i| Label {
                label: label.value(i).to_owned(),
                confidence: confidence.is_valid(i).then(|| confidence.value(i)),
                origin: origin.value(i).to_owned(),
            })
            .collect())
    }

    fn attributes(&self, row: usize) -> Result<Vec<SubjectAttribute>, ManifestError> {
        let items = self
            .column(Column::SubjectAttributes)?
            .as_list::<i32>()
            .value(row);
        let items = items.as_struct();
        let part = |i: usize, at: usize| items.column(i).as_string::<i32>().value(at).to_owned();
        Ok((0..items.len())
            .map(|i| SubjectAttribute {
                subject_id: part(0, i),
                name: part(1, i),
                value: part(2, i),
                origin: part(3, i),
            })
            .collect())
    }

    fn manipulation(&self, row: usize) -> Result<Option<Manipulation>, ManifestError> {
        let column = Column::Manipulation;
        let items = self.column(column)?.as_struct();
        if items.is_null(row) {
            return Ok(None);
        }
        let part = |i: usize| {
            let array = items.column(i).as_string::<i32>();
            array.is_valid(row).then(|| array.value(row).to_owned())
        };
        let id = |i: usize| {
            part(i)
                .unwrap_or_default()
                .parse()
                .map_err(|e: fairframe_schemas::id::HexError| invalid(column, row, e.to_string()))
        };
        Ok(Some(Manipulation {
            method: part(0).unwrap_or_default(),
            target_sample: id(1)?,
            source_sample: id(2)?,
            mask_sha256: part(3).map(|d| d.parse()).transpose().map_err(
                |e: fairframe_schemas::id::HexError| invalid(column, row, e.to_string()),
            )?,
            compression: part(4),
            parameters: part(5),
        }))
    }

    fn sample(&self, row: usize) -> Result<Sample, ManifestError> {
        let hash = self
            .column(Column::PerceptualHash)?
            .as_primitive::<UInt64Type>();
        Ok(Sample {
            sample_id: self.needed(Column::SampleId, row)?,
            media_type: self.needed(Column::MediaType, row)?,
            media_sha256: self.parsed(Column::MediaSha256, row)?,
            bytes: self.long(Column::Bytes, row)?,
            width: self.int(Column::Width, row)?,
            height: self.int(Column::Height, row)?,
            mime: self.text(Column::Mime, row)?,
            duration_s: self.float(Column::DurationS, row)?,
            frame_rate: self.float(Column::FrameRate, row)?,
            frame_rate_ratio: self.text(Column::FrameRateRatio, row)?,
            frame_count: self.long(Column::FrameCount, row)?,
            variable_frame_rate: self.truth(Column::VariableFrameRate, row)?,
            video_codec: self.text(Column::VideoCodec, row)?,
            has_audio: self.truth(Column::HasAudio, row)?,
            perceptual_hash: hash.is_valid(row).then(|| hash.value(row)),
            sharpness: self.float(Column::Sharpness, row)?,
            luminance: self.float(Column::Luminance, row)?,
            source: self.needed(Column::Source, row)?,
            source_key: self.needed(Column::SourceKey, row)?,
            source_url: self.text(Column::SourceUrl, row)?,
            landing_url: self.text(Column::LandingUrl, row)?,
            upstream_sha1: self.text(Column::UpstreamSha1, row)?,
            upstream_revision_at: self.time(Column::UpstreamRevisionAt, row)?,
            retrieved_at: self.time(Column::RetrievedAt, row)?,
            title: self.text(Column::Title, row)?,
            description: self.text(Column::Description, row)?,
            creator: self.text(Column::Creator, row)?,
            creator_url: self.text(Column::CreatorUrl, row)?,
            credit: self.text(Column::Credit, row)?,
            licence: self.text(Column::Licence, row)?,
            licence_url: self.text(Column::LicenceUrl, row)?,
            licence_evidence: self.text(Column::LicenceEvidence, row)?,
            attribution_required: self.truth(Column::AttributionRequired, row)?,
            restrictions: self.list(Column::Restrictions, row)?,
            opt_out: self.list(Column::OptOut, row)?,
            // Restricted: a release does not hold it.
            consent_id: None,
            consent_state: self.parsed(Column::ConsentState, row)?,
            consent_purposes: self.list(Column::ConsentPurposes, row)?,
            subject_ids: self.list(Column::SubjectIds, row)?,
            subject_attributes: self.attributes(row)?,
            latitude: self.float(Column::Latitude, row)?,
            longitude: self.float(Column::Longitude, row)?,
            place_precision_m: self.float(Column::PlacePrecisionM, row)?,
            place_origin: self.parsed(Column::PlaceOrigin, row)?,
            country: self.text(Column::Country, row)?,
            subregion: self.text(Column::Subregion, row)?,
            region: self.text(Column::Region, row)?,
            captured_at: self.time(Column::CapturedAt, row)?,
            captured_precision: self.parsed(Column::CapturedPrecision, row)?,
            labels: self.labels(row)?,
            split: self.parsed(Column::Split, row)?,
            split_group: self.text(Column::SplitGroup, row)?,
            status: self.needed(Column::Status, row)?,
            reasons: self.list(Column::Reasons, row)?,
            derived_from: self.list(Column::DerivedFrom, row)?,
            manipulation: self.manipulation(row)?,
        })
    }
}

fn invalid(column: Column, row: usize, problem: String) -> ManifestError {
    ManifestError::Value {
        column: column.name(),
        row: row as u64 + 1,
        problem,
    }
}

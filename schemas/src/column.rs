//! The manifest's columns. No column name stands anywhere else.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

/// Who may see a column. A public release holds public columns only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    Public,
    /// Stands in `restricted.parquet`, outside the release folder.
    Restricted,
}

macro_rules! columns {
    ($($variant:ident $name:literal $null:ident $visibility:ident $ty:expr;)*) => {
        /// A column of the manifest.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Column { $($variant,)* }

        impl Column {
            pub const ALL: &'static [Column] = &[$(Column::$variant,)*];

            pub const fn name(self) -> &'static str {
                match self { $(Column::$variant => $name,)* }
            }

            pub fn is_nullable(self) -> bool {
                match self { $(Column::$variant => columns!(@null $null),)* }
            }

            pub fn visibility(self) -> Visibility {
                match self { $(Column::$variant => Visibility::$visibility,)* }
            }

            pub fn arrow_type(self) -> DataType {
                match self { $(Column::$variant => $ty,)* }
            }
        }
    };
    (@null null) => { true };
    (@null always) => { false };
}

columns! {
    SampleId "sample_id" always Public DataType::Utf8;
    Dataset "dataset" always Public DataType::Utf8;
    Version "version" always Public DataType::Utf8;
    MediaType "media_type" always Public DataType::Utf8;
    MediaSha256 "media_sha256" null Public DataType::Utf8;
    Bytes "bytes" null Public DataType::Int64;
    Width "width" null Public DataType::Int32;
    Height "height" null Public DataType::Int32;
    Mime "mime" null Public DataType::Utf8;
    DurationS "duration_s" null Public DataType::Float64;
    FrameRate "frame_rate" null Public DataType::Float64;
    FrameRateRatio "frame_rate_ratio" null Public DataType::Utf8;
    FrameCount "frame_count" null Public DataType::Int64;
    VariableFrameRate "variable_frame_rate" null Public DataType::Boolean;
    VideoCodec "video_codec" null Public DataType::Utf8;
    HasAudio "has_audio" null Public DataType::Boolean;
    PerceptualHash "perceptual_hash" null Public DataType::UInt64;
    Sharpness "sharpness" null Public DataType::Float64;
    Luminance "luminance" null Public DataType::Float64;
    Source "source" always Public DataType::Utf8;
    SourceKey "source_key" always Public DataType::Utf8;
    SourceUrl "source_url" null Public DataType::Utf8;
    LandingUrl "landing_url" null Public DataType::Utf8;
    UpstreamSha1 "upstream_sha1" null Public DataType::Utf8;
    UpstreamRevisionAt "upstream_revision_at" null Public timestamp();
    RetrievedAt "retrieved_at" null Public timestamp();
    Title "title" null Public DataType::Utf8;
    Description "description" null Public DataType::Utf8;
    Creator "creator" null Public DataType::Utf8;
    CreatorUrl "creator_url" null Public DataType::Utf8;
    Credit "credit" null Public DataType::Utf8;
    Licence "licence" null Public DataType::Utf8;
    LicenceUrl "licence_url" null Public DataType::Utf8;
    LicenceEvidence "licence_evidence" null Public DataType::Utf8;
    AttributionRequired "attribution_required" null Public DataType::Boolean;
    Restrictions "restrictions" always Public text_list();
    OptOut "opt_out" always Public text_list();
    ConsentId "consent_id" null Restricted DataType::Utf8;
    ConsentState "consent_state" null Public DataType::Utf8;
    ConsentPurposes "consent_purposes" always Public text_list();
    SubjectIds "subject_ids" always Public text_list();
    SubjectAttributes "subject_attributes" always Public list(DataType::Struct(subject_attribute_fields()));
    Latitude "latitude" null Public DataType::Float64;
    Longitude "longitude" null Public DataType::Float64;
    PlacePrecisionM "place_precision_m" null Public DataType::Float64;
    PreciseLatitude "precise_latitude" null Restricted DataType::Float64;
    PreciseLongitude "precise_longitude" null Restricted DataType::Float64;
    PlaceOrigin "place_origin" null Public DataType::Utf8;
    Country "country" null Public DataType::Utf8;
    Subregion "subregion" null Public DataType::Utf8;
    Region "region" null Public DataType::Utf8;
    CapturedAt "captured_at" null Public timestamp();
    CapturedPrecision "captured_precision" null Public DataType::Utf8;
    Labels "labels" always Public list(DataType::Struct(label_fields()));
    Split "split" null Public DataType::Utf8;
    SplitGroup "split_group" null Public DataType::Utf8;
    Status "status" always Public DataType::Utf8;
    Reasons "reasons" always Public text_list();
    DerivedFrom "derived_from" always Public text_list();
    Manipulation "manipulation" null Public DataType::Struct(manipulation_fields());
}

impl Column {
    pub fn field(self) -> Field {
        Field::new(self.name(), self.arrow_type(), self.is_nullable())
    }

    pub fn by_name(name: &str) -> Option<Column> {
        Column::ALL.iter().copied().find(|c| c.name() == name)
    }

    /// Added after format 1 was first written: a manifest without it is read as one where it
    /// is null everywhere.
    pub fn may_be_absent(self) -> bool {
        matches!(
            self,
            Column::FrameRateRatio
                | Column::FrameCount
                | Column::VariableFrameRate
                | Column::HasAudio
                | Column::Sharpness
                | Column::Luminance
                | Column::Description
        )
    }

    /// The columns of a release, in order.
    pub fn public() -> impl Iterator<Item = Column> {
        Column::ALL
            .iter()
            .copied()
            .filter(|c| c.visibility() == Visibility::Public)
    }

    /// The columns of `restricted.parquet`: the key and what a release must not hold.
    pub fn restricted() -> impl Iterator<Item = Column> {
        std::iter::once(Column::SampleId).chain(
            Column::ALL
                .iter()
                .copied()
                .filter(|c| c.visibility() == Visibility::Restricted),
        )
    }
}

/// The Arrow schema of `part-*.parquet` and `excluded.parquet`.
pub fn release_schema() -> SchemaRef {
    Arc::new(Schema::new(
        Column::public().map(Column::field).collect::<Vec<_>>(),
    ))
}

/// The Arrow schema of `restricted.parquet`.
pub fn restricted_schema() -> SchemaRef {
    Arc::new(Schema::new(
        Column::restricted().map(Column::field).collect::<Vec<_>>(),
    ))
}

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The item of every list column; named `element` as the Parquet format asks.
pub fn list_item(item: DataType) -> Arc<Field> {
    Arc::new(Field::new("element", item, false))
}

fn list(item: DataType) -> DataType {
    DataType::List(list_item(item))
}

fn text_list() -> DataType {
    list(DataType::Utf8)
}

/// Fields of one element of `labels`.
pub fn label_fields() -> Fields {
    Fields::from(vec![
        Field::new("label", DataType::Utf8, false),
        Field::new("confidence", DataType::Float64, true),
        Field::new("origin", DataType::Utf8, false),
    ])
}

/// Fields of one element of `subject_attributes`.
pub fn subject_attribute_fields() -> Fields {
    Fields::from(vec![
        Field::new("subject_id", DataType::Utf8, false),
        Field::new("name", DataType::Utf8, false),
        Field::new("value", DataType::Utf8, false),
        Field::new("origin", DataType::Utf8, false),
    ])
}

/// Fields of `manipulation`.
pub fn manipulation_fields() -> Fields {
    Fields::from(vec![
        Field::new("method", DataType::Utf8, false),
        Field::new("target_sample", DataType::Utf8, false),
        Field::new("source_sample", DataType::Utf8, false),
        Field::new("mask_sha256", DataType::Utf8, true),
        Field::new("compression", DataType::Utf8, true),
        Field::new("parameters", DataType::Utf8, true),
    ])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_column_is_public_or_restricted_and_named_once() {
        let names: HashSet<_> = Column::ALL.iter().map(|c| c.name()).collect();
        assert_eq!(names.len(), Column::ALL.len());
        let shown = Column::public().count();
        let kept = Column::restricted().count() - 1; // the key stands in both
        assert_eq!(shown + kept, Column::ALL.len());
    }

    #[test]
    fn no_consent_id_and_no_precise_place_in_a_release() {
        let schema = release_schema();
        for column in [
            Column::ConsentId,
            Column::PreciseLatitude,
            Column::PreciseLongitude,
        ] {
            assert!(schema.field_with_name(column.name()).is_err());
        }
    }

    #[test]
    fn only_a_column_that_can_be_null_may_be_absent() {
        for column in Column::ALL.iter().filter(|c| c.may_be_absent()) {
            assert!(column.is_nullable(), "{}", column.name());
        }
    }

    #[test]
    fn names_round_trip() {
        for &column in Column::ALL {
            assert_eq!(Column::by_name(column.name()), Some(column));
        }
        assert_eq!(Column::by_name("nonsense"), None);
    }
}

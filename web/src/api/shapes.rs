//! What is in a row of a release, as JSON and as a schema of it.

use arrow_schema::DataType;
use fairframe_ingest::croissant;
use fairframe_schemas::{Column, Sample};
use serde_json::{Map, Value, json};
use utoipa::openapi::{
    RefOr,
    schema::{ArrayBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type},
};

use crate::error::AppError;

/// Every public column of a sample, in order; null where nothing is known, no restricted one.
pub fn row(sample: &Sample, dataset: &str, version: &str) -> Result<Map<String, Value>, AppError> {
    let known = serde_json::to_value(sample).map_err(AppError::internal)?;
    let of = |column: Column| match column {
        Column::Dataset => json!(dataset),
        Column::Version => json!(version),
        // More than a double holds.
        Column::PerceptualHash => json!(sample.perceptual_hash.map(|h| format!("{h:016x}"))),
        _ => match known.get(column.name()) {
            Some(value) => value.clone(),
            None if matches!(column.arrow_type(), DataType::List(_)) => json!([]),
            None => Value::Null,
        },
    };
    let columns = Column::public();
    Ok(columns.map(|c| (c.name().to_owned(), of(c))).collect())
}

/// The type of a column, for people: `text`, `list of text`, ...
pub fn type_words(kind: &DataType) -> String {
    match kind {
        DataType::Boolean => "yes or no".to_owned(),
        DataType::Int32 | DataType::Int64 => "whole number".to_owned(),
        DataType::UInt64 => "64 bits".to_owned(),
        DataType::Float64 => "number".to_owned(),
        DataType::Timestamp(..) => "time, UTC".to_owned(),
        DataType::List(item) => format!("list of {}", type_words(item.data_type())),
        DataType::Struct(fields) => {
            let names: Vec<&str> = fields.iter().map(|f| f.name().as_str()).collect();
            format!("record of {}", names.join(", "))
        }
        _ => "text".to_owned(),
    }
}

/// The unit of a column's numbers.
pub fn unit(column: Column) -> Option<&'static str> {
    Some(match column {
        Column::Bytes => "bytes",
        Column::Width | Column::Height => "pixels",
        Column::DurationS => "seconds",
        Column::FrameRate | Column::FrameRateRatio => "frames a second",
        Column::FrameCount => "frames",
        Column::Latitude | Column::Longitude => "degrees",
        Column::PlacePrecisionM => "metres",
        Column::PerceptualHash => "bits",
        _ => return None,
    })
}

fn schema(kind: &DataType, nullable: bool) -> Schema {
    let of = |kind: Type| match nullable {
        true => SchemaType::from_iter([kind, Type::Null]),
        false => SchemaType::new(kind),
    };
    let plain = |kind| ObjectBuilder::new().schema_type(of(kind));
    match kind {
        DataType::Boolean => plain(Type::Boolean).into(),
        DataType::Int32 | DataType::Int64 => plain(Type::Integer).into(),
        DataType::Float64 => plain(Type::Number).into(),
        DataType::Timestamp(..) => {
            let time = SchemaFormat::KnownFormat(KnownFormat::DateTime);
            plain(Type::String).format(Some(time)).into()
        }
        DataType::List(item) => {
            let items = schema(item.data_type(), item.is_nullable());
            ArrayBuilder::new().items(RefOr::T(items)).into()
        }
        DataType::Struct(fields) => {
            let mut object = plain(Type::Object);
            for field in fields {
                let property = schema(field.data_type(), field.is_nullable());
                object = object.property(field.name(), property);
            }
            object.into()
        }
        _ => plain(Type::String).into(),
    }
}

/// The schema of [`row`].
pub fn row_schema() -> RefOr<Schema> {
    let mut object = ObjectBuilder::new().schema_type(Type::Object);
    for column in Column::public() {
        let mut property = schema(&column.arrow_type(), column.is_nullable());
        let about = croissant::meaning(column).to_owned();
        match &mut property {
            Schema::Object(object) => object.description = Some(about),
            Schema::Array(array) => array.description = Some(about),
            _ => {}
        }
        object = object
            .property(column.name(), property)
            .required(column.name());
    }
    RefOr::T(object.into())
}

#[cfg(test)]
mod tests {
    use fairframe_schemas::MediaType;

    use super::*;

    #[test]
    fn a_row_has_every_public_column_and_no_restricted_one() {
        let mut sample = Sample::new("s", "k", MediaType::Image);
        sample.consent_id = Some("c-1".to_owned());
        sample.perceptual_hash = Some(u64::MAX);
        let row = row(&sample, "d", "1.0.0").unwrap();
        let names: Vec<&str> = row.keys().map(String::as_str).collect();
        let public: Vec<&str> = Column::public().map(Column::name).collect();
        assert_eq!(names, public);
        assert_eq!(row[Column::PerceptualHash.name()], "ffffffffffffffff");
        assert_eq!(row[Column::Labels.name()], json!([]));
        assert!(!serde_json::to_string(&row).unwrap().contains("c-1"));
        assert_eq!(
            fairframe_schemas::column::release_schema().fields().len(),
            row.len()
        );
    }
}

//! A table as it leaves: CSV for people and spreadsheets, Parquet for programs.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use fairframe_schemas::{Timestamp, text};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    errors::ParquetError,
    file::properties::WriterProperties,
};

/// The values of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    Text(Vec<Option<String>>),
    Number(Vec<Option<f64>>),
    Count(Vec<Option<i64>>),
    Flag(Vec<bool>),
    /// UTC; whole seconds in CSV.
    Time(Vec<Timestamp>),
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Values::Text(values) => values.len(),
            Values::Number(values) => values.len(),
            Values::Count(values) => values.len(),
            Values::Flag(values) => values.len(),
            Values::Time(values) => values.len(),
        }
    }

    fn cell(&self, row: usize) -> String {
        fn shown<T: ToString>(value: &Option<T>) -> String {
            value.as_ref().map(T::to_string).unwrap_or_default()
        }
        match self {
            // A cell that a spreadsheet would take for a formula is none.
            Values::Text(values) => text::guard(values[row].as_deref().unwrap_or_default()),
            Values::Number(values) => shown(&values[row]),
            Values::Count(values) => shown(&values[row]),
            Values::Flag(values) => values[row].to_string(),
            Values::Time(values) => values[row].to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        }
    }

    fn array(&self) -> ArrayRef {
        match self {
            Values::Text(values) => Arc::new(StringArray::from_iter(values)),
            Values::Number(values) => Arc::new(Float64Array::from(values.clone())),
            Values::Count(values) => Arc::new(Int64Array::from(values.clone())),
            Values::Flag(values) => Arc::new(BooleanArray::from(values.clone())),
            Values::Time(values) => {
                let times = values.iter().map(Timestamp::timestamp_micros);
                Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
            }
        }
    }
}

/// Named columns of one length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table(Vec<(String, Values)>);

impl Table {
    /// The same with another column. A name that is taken gets a number.
    #[must_use]
    pub fn with(mut self, name: &str, values: Values) -> Self {
        debug_assert!(
            self.0
                .first()
                .is_none_or(|(_, first)| first.len() == values.len())
        );
        let is_free = |wanted: &str| !self.0.iter().any(|(name, _)| name == wanted);
        let numbered = (2..).map(|n| format!("{name} {n}"));
        let name = std::iter::once(name.to_owned())
            .chain(numbered)
            .find(|n| is_free(n));
        self.0.push((name.unwrap_or_default(), values));
        self
    }

    fn rows(&self) -> usize {
        self.0.first().map_or(0, |(_, values)| values.len())
    }

    /// RFC 4180, with a header.
    pub fn to_csv(&self) -> Vec<u8> {
        let mut out = csv::Writer::from_writer(Vec::new());
        // Into memory: nothing fails.
        let _ = out.write_record(self.0.iter().map(|(name, _)| text::guard(name)));
        for row in 0..self.rows() {
            let _ = out.write_record(self.0.iter().map(|(_, values)| values.cell(row)));
        }
        out.into_inner().unwrap_or_default()
    }

    /// # Errors
    /// Where it has no columns.
    pub fn to_parquet(&self) -> Result<Vec<u8>, ParquetError> {
        let columns = self
            .0
            .iter()
            .map(|(name, values)| (name, values.array(), true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_created_by(concat!("fairframe ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties))?;
        writer.write(&batch)?;
        writer.into_inner()
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

    use super::*;

    #[test]
    fn a_table_is_the_same_in_both_forms_and_no_cell_is_a_formula() {
        let table = Table::default()
            .with("team", Values::Text(vec![Some("=1+1".to_owned()), None]))
            .with("score", Values::Number(vec![None, Some(0.1)]))
            .with("score", Values::Count(vec![Some(-3), None]))
            .with("=counts", Values::Flag(vec![true, false]))
            .with("at", Values::Time(vec![DateTime::UNIX_EPOCH; 2]));
        let csv = String::from_utf8(table.to_csv()).unwrap();
        let wanted = "team,score,score 2,'=counts,at\n\
                      '=1+1,,-3,true,1970-01-01T00:00:00Z\n\
                      ,0.1,,false,1970-01-01T00:00:00Z\n";
        assert_eq!(csv, wanted);
        let bytes = table.to_parquet().unwrap();
        assert_eq!(bytes, table.to_parquet().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.parquet");
        std::fs::write(&path, bytes).unwrap();
        let file = std::fs::File::open(path).unwrap();
        let mut batches = ParquetRecordBatchReader::try_new(file, 10).unwrap();
        let batch = batches.next().unwrap().unwrap();
        for ((name, values), (field, array)) in table
            .0
            .iter()
            .zip(batch.schema().fields().iter().zip(batch.columns()))
        {
            assert_eq!(name, field.name());
            assert_eq!(&values.array(), array);
        }
    }
}

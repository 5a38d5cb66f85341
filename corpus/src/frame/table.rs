//! `frames.parquet`: rows to columns and back, some at a time.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow_array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, RecordBatch, StringArray,
    UInt32Array, UInt64Array,
    builder::{Float32Builder, ListBuilder},
    cast::AsArray,
    types::{Float32Type, Float64Type, UInt32Type, UInt64Type},
};
use arrow_schema::DataType;
use fairframe_schemas::{
    SchemaVersion,
    column::list_item,
    corpus::frame::{FRAMES, FrameColumn, FrameRow},
};
use parquet::{
    arrow::{
        ArrowWriter,
        arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
    },
    basic::{Compression, ZstdLevel},
    errors::ParquetError,
    file::{metadata::KeyValue, properties::WriterProperties},
};

use crate::face::{Mesh, POINTS};

/// Rows of a group: what is held in memory, about 3 MB.
const GROUP: usize = 512;

/// Why frames cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FramesError {
    #[error("{}: {error}", path.display())]
    Io {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("{}: {error}; remove its folder to frame it again", path.display())]
    Parquet { path: PathBuf, error: ParquetError },
    #[error("{}: column `{column}` is {found}, not {expected}; it was written by another release: remove its folder to frame it again", path.display())]
    Column {
        path: PathBuf,
        column: &'static str,
        found: String,
        expected: String,
    },
    #[error("{}, row {row}, column `{column}`: `{value}` cannot be read; remove its folder to frame it again", path.display())]
    Value {
        path: PathBuf,
        row: u64,
        column: &'static str,
        value: String,
    },
}

/// Writes rows as they come.
pub struct Writer {
    writer: ArrowWriter<File>,
    rows: Vec<FrameRow>,
}

impl Writer {
    pub fn create(path: &Path) -> Result<Self, ParquetError> {
        let stamp = KeyValue::new(
            "fairframe.schema_version".to_owned(),
            SchemaVersion::CURRENT.to_string(),
        );
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            // Numbers that hardly repeat.
            .set_dictionary_enabled(false)
            .set_max_row_group_row_count(Some(GROUP))
            .set_key_value_metadata(Some(vec![stamp]))
            .build();
        let writer =
            ArrowWriter::try_new(File::create(path)?, FrameColumn::schema(), Some(properties))?;
        Ok(Self {
            writer,
            rows: Vec::new(),
        })
    }

    pub fn push(&mut self, row: FrameRow) -> Result<(), ParquetError> {
        self.rows.push(row);
        match self.rows.len() < GROUP {
            true => Ok(()),
            false => self.flush(),
        }
    }

    fn flush(&mut self) -> Result<(), ParquetError> {
        let arrays = FrameColumn::ALL.iter().map(|c| array(*c, &self.rows));
        let batch = RecordBatch::try_new(FrameColumn::schema(), arrays.collect());
        self.writer
            .write(&batch.map_err(|e| ParquetError::ArrowError(e.to_string()))?)?;
        self.rows.clear();
        self.writer.flush()
    }

    pub fn finish(mut self) -> Result<(), ParquetError> {
        if !self.rows.is_empty() {
            self.flush()?;
        }
        self.writer.close().map(|_| ())
    }
}

fn array(column: FrameColumn, rows: &[FrameRow]) -> ArrayRef {
    fn floats(rows: &[FrameRow], get: impl Fn(&FrameRow) -> Option<f32>) -> ArrayRef {
        Arc::new(rows.iter().map(get).collect::<Float32Array>())
    }
    fn lists(rows: &[FrameRow], get: impl Fn(&FrameRow) -> &Option<Vec<f32>>) -> ArrayRef {
        let field = list_item(DataType::Float32);
        let mut builder = ListBuilder::new(Float32Builder::new()).with_field(field);
        for row in rows {
            let values = get(row);
            builder
                .values()
                .append_slice(values.as_deref().unwrap_or_default());
            builder.append(values.is_some());
        }
        Arc::new(builder.finish())
    }
    match column {
        FrameColumn::Frame => Arc::new(rows.iter().map(|r| Some(r.frame)).collect::<UInt64Array>()),
        FrameColumn::TimeS => Arc::new(
            rows.iter()
                .map(|r| Some(r.time_s))
                .collect::<Float64Array>(),
        ),
        FrameColumn::Faces => Arc::new(rows.iter().map(|r| Some(r.faces)).collect::<UInt32Array>()),
        FrameColumn::Track => Arc::new(rows.iter().map(|r| r.track).collect::<UInt32Array>()),
        FrameColumn::Detection => floats(rows, |r| r.detection),
        FrameColumn::Score => floats(rows, |r| r.score),
        FrameColumn::Bounds => lists(rows, |r| &r.bounds),
        FrameColumn::Points => lists(rows, |r| &r.points),
        FrameColumn::Landmarks => lists(rows, |r| &r.landmarks),
        FrameColumn::Yaw => floats(rows, |r| r.yaw),
        FrameColumn::Pitch => floats(rows, |r| r.pitch),
        FrameColumn::Roll => floats(rows, |r| r.roll),
        FrameColumn::Sharpness => floats(rows, |r| r.sharpness),
        FrameColumn::CropFrom => lists(rows, |r| &r.crop_from),
        FrameColumn::Padded => Arc::new(rows.iter().map(|r| r.padded).collect::<BooleanArray>()),
        FrameColumn::Crop => {
            let texts = rows.iter().map(|r| r.crop.as_deref());
            Arc::new(texts.collect::<StringArray>())
        }
        FrameColumn::Reason => {
            let codes = rows.iter().map(|r| r.reason.map(|c| c.code()));
            Arc::new(codes.collect::<StringArray>())
        }
    }
}

/// The rows of a file, a few in memory at a time.
pub struct Rows {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
    batch: RecordBatch,
    /// The next of the batch, and of all.
    next: usize,
    row: u64,
}

/// Rows of the clip framed in `folder`, in the order of its frames.
pub fn rows(folder: &Path) -> Result<Rows, FramesError> {
    Rows::open(&folder.join(FRAMES))
}

/// All rows of the clip framed in `folder`; about 6 kB each.
pub fn read(folder: &Path) -> Result<Vec<FrameRow>, FramesError> {
    rows(folder)?.collect()
}

impl Rows {
    pub(super) fn open(path: &Path) -> Result<Self, FramesError> {
        let path = path.to_owned();
        let file = File::open(&path).map_err(|error| FramesError::Io {
            path: path.clone(),
            error,
        })?;
        let failed = |error| FramesError::Parquet {
            path: path.clone(),
            error,
        };
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(failed)?;
        for column in FrameColumn::ALL {
            let found = builder.schema().field_with_name(column.name());
            let found = found.map(|f| f.data_type().to_string());
            let expected = column.arrow_type().to_string();
            if found.as_ref().ok() != Some(&expected) {
                return Err(FramesError::Column {
                    column: column.name(),
                    found: found.unwrap_or_else(|_| "missing".to_owned()),
                    expected,
                    path,
                });
            }
        }
        let reader = builder.with_batch_size(GROUP).build().map_err(failed)?;
        Ok(Self {
            batch: RecordBatch::new_empty(FrameColumn::schema()),
            path,
            reader,
            next: 0,
            row: 0,
        })
    }

    fn cell(&self, column: FrameColumn) -> Option<&ArrayRef> {
        let array = self.batch.column_by_name(column.name())?;
        (!array.is_null(self.next)).then_some(array)
    }

    fn float(&self, column: FrameColumn) -> Option<f32> {
        let array = self.cell(column)?.as_primitive::<Float32Type>();
        Some(array.value(self.next))
    }

    fn text(&self, column: FrameColumn) -> Option<&str> {
        Some(self.cell(column)?.as_string::<i32>().value(self.next))
    }

    fn list(&self, column: FrameColumn, length: usize) -> Result<Option<Vec<f32>>, FramesError> {
        let Some(array) = self.cell(column) else {
            return Ok(None);
        };
        let items = array.as_list::<i32>().value(self.next);
        let values = items.as_primitive::<Float32Type>().values().to_vec();
        match values.len() == length {
            true => Ok(Some(values)),
            false => Err(self.wrong(column, format!("{} numbers", values.len()))),
        }
    }

    fn wrong(&self, column: FrameColumn, value: String) -> FramesError {
        FramesError::Value {
            path: self.path.clone(),
            row: self.row + 1,
            column: column.name(),
            value,
        }
    }

    fn always(&self, column: FrameColumn) -> Result<&ArrayRef, FramesError> {
        let cell = self.cell(column);
        cell.ok_or_else(|| self.wrong(column, "null".to_owned()))
    }

    fn row(&self) -> Result<FrameRow, FramesError> {
        let at = self.next;
        let whole = |column| Ok(self.always(column)?.as_primitive::<UInt32Type>().value(at));
        let reason = self.text(FrameColumn::Reason).map(|code| {
            let wrong = |_| self.wrong(FrameColumn::Reason, code.to_owned());
            code.parse().map_err(wrong)
        });
        Ok(FrameRow {
            frame: self
                .always(FrameColumn::Frame)?
                .as_primitive::<UInt64Type>()
                .value(at),
            time_s: self
                .always(FrameColumn::TimeS)?
                .as_primitive::<Float64Type>()
                .value(at),
            faces: whole(FrameColumn::Faces)?,
            track: self
                .cell(FrameColumn::Track)
                .map(|a| a.as_primitive::<UInt32Type>().value(at)),
            detection: self.float(FrameColumn::Detection),
            score: self.float(FrameColumn::Score),
            bounds: self.list(FrameColumn::Bounds, 4)?,
            points: self.list(FrameColumn::Points, 10)?,
            landmarks: self.list(FrameColumn::Landmarks, 3 * POINTS)?,
            yaw: self.float(FrameColumn::Yaw),
            pitch: self.float(FrameColumn::Pitch),
            roll: self.float(FrameColumn::Roll),
            sharpness: self.float(FrameColumn::Sharpness),
            crop_from: self.list(FrameColumn::CropFrom, 6)?,
            padded: self
                .cell(FrameColumn::Padded)
                .map(|a| a.as_boolean().value(at)),
            crop: self.text(FrameColumn::Crop).map(str::to_owned),
            reason: reason.transpose()?,
        })
    }
}

impl Iterator for Rows {
    type Item = Result<FrameRow, FramesError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.next == self.batch.num_rows() {
            match self.reader.next()? {
                Ok(batch) => (self.batch, self.next) = (batch, 0),
                Err(error) => {
                    return Some(Err(FramesError::Parquet {
                        path: self.path.clone(),
                        error: error.into(),
                    }));
                }
            }
        }
        let row = self.row();
        self.next += 1;
        self.row += 1;
        Some(row)
    }
}

/// The mesh of a row that has one.
pub fn mesh(row: &FrameRow) -> Option<Mesh> {
    let values = row.landmarks.as_ref()?;
    let (points, []) = values.as_chunks::<3>() else {
        return None;
    };
    Some(Mesh {
        points: points.try_into().ok()?,
        score: row.score?,
    })
}

#[cfg(test)]
mod tests {
    use fairframe_schemas::Reason;

    use super::*;

    fn whole(frame: u64) -> FrameRow {
        FrameRow {
            frame,
            time_s: frame as f64 / 30.0,
            faces: 2,
            track: Some(1),
            detection: Some(0.75),
            score: Some(0.5),
            bounds: Some(vec![1.0, 2.0, 3.0, 4.0]),
            points: Some((0..10).map(|v| v as f32).collect()),
            landmarks: Some((0..1404).map(|v| v as f32 * 0.1).collect()),
            yaw: Some(-1.0),
            pitch: Some(2.0),
            roll: Some(3.0),
            sharpness: Some(99.5),
            crop_from: Some(vec![1.0, 0.0, 0.5, 0.0, 1.0, 0.5]),
            padded: Some(true),
            crop: Some("crops/000001.jpg".to_owned()),
            reason: None,
        }
    }

    fn bare(frame: u64) -> FrameRow {
        FrameRow {
            frame,
            reason: Some(Reason::FaceMissing),
            ..Default::default()
        }
    }

    #[test]
    fn rows_come_back_and_bytes_repeat() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FRAMES);
        let many: Vec<FrameRow> = (0..1200)
            .map(|i| if i % 3 == 0 { bare(i) } else { whole(i) })
            .collect();
        for rows in [many, vec![bare(0)], Vec::new()] {
            let write = || {
                let mut writer = Writer::create(&path).unwrap();
                for row in &rows {
                    writer.push(row.clone()).unwrap();
                }
                writer.finish().unwrap();
                std::fs::read(&path).unwrap()
            };
            assert_eq!(write(), write());
            assert_eq!(read(folder.path()).unwrap(), rows);
        }
        let mesh = mesh(&whole(1)).unwrap();
        assert_eq!(mesh.points[467][2], 1403.0 * 0.1);
        assert_eq!(super::mesh(&bare(1)), None);
    }

    #[test]
    fn what_is_no_table_of_frames_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |folder: &Path| read(folder).unwrap_err().to_string();
        assert!(matches!(read(folder.path()), Err(FramesError::Io { .. })));
        std::fs::write(folder.path().join(FRAMES), "no parquet").unwrap();
        assert!(refused(folder.path()).contains(FRAMES));
        let mut writer = Writer::create(&folder.path().join(FRAMES)).unwrap();
        let mut row = whole(0);
        row.landmarks = Some(vec![1.0; 12]);
        writer.push(whole(0)).unwrap();
        writer.push(row).unwrap();
        writer.finish().unwrap();
        let said = refused(folder.path());
        assert!(
            said.contains("row 2, column `landmarks`: `12 numbers`"),
            "{said}"
        );
    }
}

//! Parquet written and read on all cores: columns of a row group are encoded
//! in parallel, row groups are decoded in parallel. Bytes do not depend on the
//! number of threads.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write},
    path::Path,
    sync::Arc,
    thread::JoinHandle,
};

use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, FieldRef, Fields, Schema, SchemaRef};
use parquet::{
    arrow::{
        ArrowSchemaConverter, ProjectionMask,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
        arrow_writer::{
            ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves,
        },
    },
    basic::{Compression, Type as PhysicalType, ZstdLevel},
    errors::{ParquetError, Result},
    file::{
        metadata::KeyValue,
        properties::{EnabledStatistics, WriterProperties, WriterVersion},
        writer::SerializedFileWriter,
    },
    schema::types::ColumnPath,
};
use rayon::prelude::*;

/// How a column's values repeat: decides dictionary, statistics, bloom filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Few distinct values: dictionary.
    Repeating,
    /// Nearly all distinct, in some order (coordinates): no dictionary.
    Distinct,
    /// Distinct and in no order (digests, hashes, URLs): no dictionary, and no
    /// bounds, which would span everything and prune nothing.
    Unordered,
    /// Distinct and looked up by value: no dictionary, bloom filter.
    Key,
}

/// Rows in a row group; within the contract's 64k to 1M.
pub const ROW_GROUP_ROWS: usize = 512 * 1024;

/// And bytes of their columns in memory.
pub const ROW_GROUP_BYTES: usize = 1 << 30;

/// Column chunks of a row group, by top-level column.
type Encoded = Result<Vec<Vec<ArrowColumnChunk>>>;

/// Writes record batches to one Parquet file. A full row group is encoded on
/// all cores in the background while the next one is gathered: at most two are
/// in memory.
pub struct ParallelWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    /// Leaves of each top-level column, as the Parquet schema has them.
    leaves: Vec<usize>,
    pending: Vec<RecordBatch>,
    pending_rows: usize,
    pending_bytes: usize,
    encoding: Option<JoinHandle<Encoded>>,
    row_groups: usize,
}

impl<W: Write + Send> ParallelWriter<W> {
    /// `kinds` by top-level column name; a column not named is `Repeating`.
    pub fn new(
        sink: W,
        schema: SchemaRef,
        kinds: &BTreeMap<&str, ColumnKind>,
        key_values: Vec<KeyValue>,
    ) -> Result<Self> {
        let mut properties = WriterProperties::builder()
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_created_by(format!("fairframe {}", env!("CARGO_PKG_VERSION")))
            .set_key_value_metadata((!key_values.is_empty()).then_some(key_values));
        let parquet_schema = ArrowSchemaConverter::new().convert(&schema)?;
        let mut leaves = vec![0; schema.fields().len()];
        for (index, leaf) in parquet_schema.columns().iter().enumerate() {
            leaves[parquet_schema.get_column_root_idx(index)] += 1;
            let top = leaf.path().parts().first().map_or("", String::as_str);
            let kind = kinds.get(top).copied().unwrap_or(ColumnKind::Repeating);
            let path = ColumnPath::new(leaf.path().parts().to_vec());
            if kind != ColumnKind::Repeating {
                properties = properties.set_column_dictionary_enabled(path.clone(), false);
            }
            if kind == ColumnKind::Unordered {
                properties =
                    properties.set_column_statistics_enabled(path.clone(), EnabledStatistics::None);
                if leaf.physical_type() != PhysicalType::BYTE_ARRAY {
                    // A hash in binary is noise to a compressor.
                    properties =
                        properties.set_column_compression(path.clone(), Compression::UNCOMPRESSED);
                }
            }
            if kind == ColumnKind::Key {
                properties = properties.set_column_bloom_filter_enabled(path, true);
            }
        }
        // The Arrow schema rides along, so that a reader gets the types back exactly.
        let mut properties = properties.build();
        parquet::arrow::add_encoded_arrow_schema_to_metadata(&schema, &mut properties);
        let file = SerializedFileWriter::new(
            sink,
            parquet_schema.root_schema_ptr(),
            Arc::new(properties),
        )?;
        let factory = ArrowRowGroupWriterFactory::new(&file, Arc::clone(&schema));
        Ok(Self {
            file,
            factory,
            schema,
            leaves,
            pending: Vec::new(),
            pending_rows: 0,
            pending_bytes: 0,
            encoding: None,
            row_groups: 0,
        })
    }

    pub fn write(&mut self, mut batch: RecordBatch) -> Result<()> {
        while self.pending_rows + batch.num_rows() >= ROW_GROUP_ROWS {
            let head = ROW_GROUP_ROWS - self.pending_rows;
            self.pending.push(batch.slice(0, head));
            self.pending_rows += head;
            batch = batch.slice(head, batch.num_rows() - head);
            self.flush()?;
        }
        if batch.num_rows() > 0 {
            for column in batch.columns() {
                self.pending_bytes += column.to_data().get_slice_memory_size()?;
            }
            self.pending_rows += batch.num_rows();
            self.pending.push(batch);
            if self.pending_bytes >= ROW_GROUP_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.pending_rows == 0 {
            return Ok(());
        }
        let mut writers = self
            .factory
            .create_column_writers(self.row_groups)?
            .into_iter();
        let mut jobs: Vec<Job> = Vec::with_capacity(self.schema.fields().len());
        for (index, field) in self.schema.fields().iter().enumerate() {
            let own: Vec<_> = writers.by_ref().take(self.leaves[index]).collect();
            jobs.push((index, Arc::clone(field), own));
        }
        let pending = std::mem::take(&mut self.pending);
        (self.pending_rows, self.pending_bytes) = (0, 0);
        self.row_groups += 1;
        self.append_encoded()?;
        self.encoding = Some(std::thread::spawn(move || encode(jobs, &pending)));
        Ok(())
    }

    /// Waits for the row group that is being encoded and appends it.
    fn append_encoded(&mut self) -> Result<()> {
        let Some(encoding) = self.encoding.take() else {
            return Ok(());
        };
        let encoded = encoding
            .join()
            .map_err(|_| ParquetError::General("encoding a row group panicked".to_owned()))??;
        let mut row_group = self.file.next_row_group()?;
        for chunk in encoded.into_iter().flatten() {
            chunk.append_to_row_group(&mut row_group)?;
        }
        row_group.close()?;
        Ok(())
    }

    /// Writes what is left and the footer, flushes, and hands the sink to `end`.
    /// (`into_inner` would flush last, and tell of a full disk in words alone.)
    pub fn finish<T>(mut self, end: impl FnOnce(&mut W) -> io::Result<T>) -> Result<T> {
        self.flush()?;
        self.append_encoded()?;
        self.file.finish()?;
        Ok(end(self.file.inner_mut())?)
    }
}

/// A column's place, its field, and the writers of its leaves.
type Job = (usize, FieldRef, Vec<ArrowColumnWriter>);

fn encode(jobs: Vec<Job>, batches: &[RecordBatch]) -> Encoded {
    jobs.into_par_iter()
        .with_max_len(1)
        .map(|(index, field, mut writers)| {
            for batch in batches {
                let leaves = compute_leaves(&field, batch.column(index))?;
                if leaves.len() != writers.len() {
                    return Err(ParquetError::General(format!(
                        "column `{}` has {} leaves and {} writers",
                        field.name(),
                        leaves.len(),
                        writers.len()
                    )));
                }
                for (writer, leaf) in writers.iter_mut().zip(&leaves) {
                    writer.write(leaf)?;
                }
            }
            writers.into_iter().map(|w| w.close()).collect()
        })
        .collect()
}

/// Reads whole columns (`columns`: top-level names, `None`: all) of a file.
/// Batches come in file order; top-level strings and bytes come as views into
/// the decompressed pages, which saves copying them once more.
pub fn read_parallel(path: &Path, columns: Option<&[&str]>) -> Result<Vec<RecordBatch>> {
    let file = File::open(path).map_err(|e| ParquetError::External(Box::new(e)))?;
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())?;
    let viewed = Arc::new(viewed(metadata.schema()));
    let metadata = ArrowReaderMetadata::try_new(
        Arc::clone(metadata.metadata()),
        ArrowReaderOptions::new().with_schema(viewed),
    )?;
    let mask = match columns {
        None => ProjectionMask::all(),
        Some(names) => ProjectionMask::columns(metadata.parquet_schema(), names.iter().copied()),
    };
    let batches: Vec<Vec<RecordBatch>> = (0..metadata.metadata().num_row_groups())
        .into_par_iter()
        .with_max_len(1)
        .map(|index| {
            let file = File::open(path).map_err(|e| ParquetError::External(Box::new(e)))?;
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone())
                .with_projection(mask.clone())
                .with_row_groups(vec![index])
                .with_batch_size(64 * 1024)
                .build()?
                .map(|b| b.map_err(ParquetError::from))
                .collect::<Result<Vec<_>>>()
        })
        .collect::<Result<_>>()?;
    Ok(batches.into_iter().flatten().collect())
}

/// The same columns, with strings and bytes as views.
fn viewed(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| {
        let kind = match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
            DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
            _ => return Arc::clone(field),
        };
        Arc::new(field.as_ref().clone().with_data_type(kind))
    });
    Schema::new_with_metadata(fields.collect::<Fields>(), schema.metadata().clone())
}

#[cfg(test)]
mod tests {
    use arrow_array::{
        Array, ArrayRef, Int64Array, StringArray, StructArray,
        builder::{Int64Builder, LargeListBuilder, MapBuilder, StringBuilder},
        cast::AsArray,
        types::Int64Type,
    };
    use arrow_schema::{DataType, Field, Schema};

    use super::*;

    fn written(batches: &[RecordBatch]) -> Vec<u8> {
        let kinds = BTreeMap::from([("id", ColumnKind::Distinct)]);
        let schema = batches[0].schema();
        let mut writer = ParallelWriter::new(Vec::new(), schema, &kinds, Vec::new()).unwrap();
        for batch in batches {
            writer.write(batch.clone()).unwrap();
        }
        writer.finish(|sink| Ok(std::mem::take(sink))).unwrap()
    }

    /// Rows with a plain and a nested column; `id` counts up from `first`.
    fn rows(first: i64, n: i64) -> RecordBatch {
        let id: ArrayRef = Arc::new(Int64Array::from_iter_values(first..first + n));
        let text = |k: i64| format!("r{}", k % 7);
        let word: ArrayRef = Arc::new(StringArray::from_iter_values((first..first + n).map(text)));
        let number = Arc::new(Field::new("number", DataType::Int64, false));
        let name = Arc::new(Field::new("name", DataType::Utf8, false));
        let pair = StructArray::from(vec![(number, Arc::clone(&id)), (name, word)]);
        RecordBatch::try_from_iter([("id", id), ("pair", Arc::new(pair) as ArrayRef)]).unwrap()
    }

    #[test]
    fn many_row_groups_come_back_in_order_and_bytes_repeat() {
        const ROWS: i64 = 1_200_000;
        // Batches that end on no boundary of a row group.
        const BATCH: i64 = 70_000;
        let batches: Vec<RecordBatch> = (0..ROWS)
            .step_by(BATCH as usize)
            .map(|first| rows(first, BATCH.min(ROWS - first)))
            .collect();
        let bytes = written(&batches);
        assert!(bytes == written(&batches), "bytes differ");

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.parquet");
        std::fs::write(&path, &bytes).unwrap();
        let file = File::open(&path).unwrap();
        let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).unwrap();
        let groups = metadata.metadata().row_groups();
        let sizes: Vec<i64> = groups.iter().map(|g| g.num_rows()).collect();
        assert_eq!(sizes, [524_288, 524_288, 151_424]);

        let mut next = 0;
        for batch in read_parallel(&path, None).unwrap() {
            assert_eq!(batch, rows(next, batch.num_rows() as i64));
            next += batch.num_rows() as i64;
        }
        assert_eq!(next, ROWS);
        let only = read_parallel(&path, Some(&["id"])).unwrap();
        let ids = only
            .iter()
            .flat_map(|b| b.column(0).as_primitive::<Int64Type>().values());
        assert!(ids.copied().eq(0..ROWS));
    }

    /// Whatever nests, each leaf gets its own writer.
    #[test]
    fn every_nested_type_keeps_its_leaves() {
        let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
        let mut list = LargeListBuilder::new(Int64Builder::new());
        for k in 0..3 {
            map.keys().append_value(format!("k{k}"));
            map.values().append_value(k);
            map.append(true).unwrap();
            list.append_value((0..k).map(Some));
        }
        let map: ArrayRef = Arc::new(map.finish());
        let list: ArrayRef = Arc::new(list.finish());
        let fields = vec![
            Field::new("id", DataType::Int64, false),
            Field::new("map", map.data_type().clone(), false),
            Field::new("list", list.data_type().clone(), false),
            Field::new("last", DataType::Int64, false),
        ];
        let id: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let last: ArrayRef = Arc::new(Int64Array::from(vec![7, 8, 9]));
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(schema, vec![id, map, list, last]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nested.parquet");
        std::fs::write(&path, written(std::slice::from_ref(&batch))).unwrap();
        assert_eq!(read_parallel(&path, None).unwrap(), [batch]);
    }
}

//! Parquet written and read on all cores: columns of a row group are encoded
//! in parallel, row groups are decoded in parallel. Bytes do not depend on the
//! number of threads.

use std::{collections::BTreeMap, fs::File, io::Write, path::Path, sync::Arc};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::{
    arrow::{
        ArrowSchemaConverter, ProjectionMask,
        arrow_reader::{
            ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
        },
        arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves},
    },
    basic::{Compression, ZstdLevel},
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
    /// Nearly all distinct (ids, digests, URLs): no dictionary.
    Distinct,
    /// Distinct and looked up by value: no dictionary, bloom filter.
    Key,
}

/// Rows in a row group; within the contract's 64k to 1M.
pub const ROW_GROUP_ROWS: usize = 512 * 1024;

/// Writes record batches to one Parquet file.
pub struct ParallelWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    pending: Vec<RecordBatch>,
    pending_rows: usize,
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
        for leaf in parquet_schema.columns() {
            let top = leaf.path().parts().first().map_or("", String::as_str);
            let kind = kinds.get(top).copied().unwrap_or(ColumnKind::Repeating);
            let path = ColumnPath::new(leaf.path().parts().to_vec());
            if kind != ColumnKind::Repeating {
                properties = properties.set_column_dictionary_enabled(path.clone(), false);
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
            pending: Vec::new(),
            pending_rows: 0,
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
            self.pending_rows += batch.num_rows();
            self.pending.push(batch);
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
        let mut jobs = Vec::with_capacity(self.schema.fields().len());
        for (index, field) in self.schema.fields().iter().enumerate() {
            let leaves = leaf_count(field.data_type());
            let own: Vec<_> = writers.by_ref().take(leaves).collect();
            jobs.push((index, field, own));
        }
        let pending = &self.pending;
        let encoded: Vec<Vec<ArrowColumnChunk>> = jobs
            .into_par_iter()
            .with_max_len(1)
            .map(|(index, field, mut writers)| {
                for batch in pending {
                    let leaves = compute_leaves(field, batch.column(index))?;
                    for (writer, leaf) in writers.iter_mut().zip(&leaves) {
                        writer.write(leaf)?;
                    }
                }
                writers
                    .into_iter()
                    .map(|w| w.close())
                    .collect::<Result<Vec<_>>>()
            })
            .collect::<Result<_>>()?;
        let mut row_group = self.file.next_row_group()?;
        for chunk in encoded.into_iter().flatten() {
            chunk.append_to_row_group(&mut row_group)?;
        }
        row_group.close()?;
        self.pending.clear();
        self.pending_rows = 0;
        self.row_groups += 1;
        Ok(())
    }

    /// Writes what is left and the footer; gives the sink back.
    pub fn finish(mut self) -> Result<W> {
        self.flush()?;
        self.file.into_inner()
    }
}

fn leaf_count(data_type: &arrow_schema::DataType) -> usize {
    use arrow_schema::DataType::{List, Struct};
    match data_type {
        Struct(fields) => fields.iter().map(|f| leaf_count(f.data_type())).sum(),
        List(item) => leaf_count(item.data_type()),
        _ => 1,
    }
}

/// Reads whole columns (`columns`: top-level names, `None`: all) of a file.
/// Batches come in file order.
pub fn read_parallel(path: &Path, columns: Option<&[&str]>) -> Result<Vec<RecordBatch>> {
    let file = File::open(path).map_err(|e| ParquetError::External(Box::new(e)))?;
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())?;
    let mask = match columns {
        None => ProjectionMask::all(),
        Some(names) => ProjectionMask::columns(metadata.parquet_schema(), names.iter().copied()),
    };
    // Half row groups: with few row groups all cores still have work to the end.
    let mut pieces = Vec::new();
    for (index, group) in metadata.metadata().row_groups().iter().enumerate() {
        pieces.push((index, group.num_rows().max(0) as usize));
    }
    let batches: Vec<Vec<RecordBatch>> = pieces
        .into_par_iter()
        .with_max_len(1)
        .map(|(index, rows)| {
            let file = File::open(path).map_err(|e| ParquetError::External(Box::new(e)))?;
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone())
                .with_projection(mask.clone())
                .with_row_groups(vec![index])
                .with_row_selection(RowSelection::from(vec![
                    parquet::arrow::arrow_reader::RowSelector::select(rows),
                ]))
                .with_batch_size(64 * 1024)
                .build()?
                .map(|b| b.map_err(ParquetError::from))
                .collect::<Result<Vec<_>>>()
        })
        .collect::<Result<_>>()?;
    Ok(batches.into_iter().flatten().collect())
}

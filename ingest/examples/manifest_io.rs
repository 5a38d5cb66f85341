//! Writes an Arrow IPC file as Parquet with the manifest's writer, reads every
//! column back, and prints one JSON line: seconds of each, sums to check by.
//!
//! ```text
//! manifest_io TABLE.arrow OUT.parquet
//! ```

use std::{
    collections::BTreeMap, error::Error, fs::File, io::BufWriter, path::Path, sync::Arc,
    time::Instant,
};

use arrow_array::{
    RecordBatch,
    cast::AsArray,
    types::{Int32Type, UInt64Type},
};
use arrow_buffer::Buffer;
use arrow_ipc::{
    Block,
    convert::try_fb_to_schema,
    reader::{FileDecoder, read_footer_length},
    root_as_footer,
};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use fairframe_ingest::manifest::{ColumnKind, ParallelWriter, read_parallel};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(table), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("which table, and where to?".into());
    };
    let start = Instant::now();
    let (schema, table) = map_table(Path::new(&table))?;
    let kinds: BTreeMap<&str, ColumnKind> = [
        ("image_id", ColumnKind::Distinct),
        ("url", ColumnKind::Unordered),
        ("sha256", ColumnKind::Unordered),
        ("phash", ColumnKind::Unordered),
        ("lat", ColumnKind::Distinct),
        ("lon", ColumnKind::Distinct),
        ("captured_at", ColumnKind::Distinct),
        ("bytes", ColumnKind::Distinct),
    ]
    .into();
    let sink = BufWriter::new(File::create(&out)?);
    let mut writer = ParallelWriter::new(sink, schema, &kinds, Vec::new())?;
    for batch in table {
        writer.write(batch)?;
    }
    writer.finish(|_| Ok(()))?;
    let write_s = start.elapsed().as_secs_f64();

    let start = Instant::now();
    let batches = read_parallel(Path::new(&out), None)?;
    let read_s = start.elapsed().as_secs_f64();

    let column =
        |b: &RecordBatch, name: &str| b.column_by_name(name).cloned().ok_or("a column is missing");
    let (mut rows, mut width, mut xor) = (0u64, 0i64, 0u64);
    for batch in &batches {
        rows += batch.num_rows() as u64;
        let widths = column(batch, "width")?;
        width += widths
            .as_primitive::<Int32Type>()
            .values()
            .iter()
            .map(|v| i64::from(*v))
            .sum::<i64>();
        let hashes = column(batch, "phash")?;
        xor ^= hashes
            .as_primitive::<UInt64Type>()
            .values()
            .iter()
            .fold(0, |a, v| a ^ v);
    }
    let bytes = std::fs::metadata(&out)?.len();
    println!(
        "{}",
        serde_json::json!({
            "workload": "F", "rows": rows, "parquet_bytes": bytes, "write_s": write_s, "read_s": read_s,
            "sum_width": width, "xor_phash": xor,
        })
    );
    Ok(())
}

/// The batches of an Arrow file, their values left where the page cache has them.
fn map_table(path: &Path) -> Result<(SchemaRef, Vec<RecordBatch>), Box<dyn Error>> {
    // SAFETY: a benchmark's own input; nothing writes to it meanwhile.
    let map = unsafe { memmap2::Mmap::map(&File::open(path)?)? };
    let file = Buffer::from(Bytes::from_owner(map));
    let end = file.len().checked_sub(10).ok_or("not an Arrow file")?;
    let length = read_footer_length(file[end..].try_into()?)?;
    let footer = root_as_footer(&file[end - length..end]).map_err(|e| e.to_string())?;
    let schema = Arc::new(try_fb_to_schema(footer.schema().ok_or("no schema")?)?);
    // SAFETY: the same; the peers map the table without checking its text either.
    let mut decoder = unsafe {
        FileDecoder::new(Arc::clone(&schema), footer.version()).with_skip_validation(true)
    };
    let part = |block: &Block| {
        let length = block.bodyLength() as usize + block.metaDataLength() as usize;
        file.slice_with_length(block.offset() as usize, length)
    };
    for block in footer.dictionaries().iter().flatten() {
        decoder.read_dictionary(block, &part(block))?;
    }
    let mut batches = Vec::new();
    for block in footer.recordBatches().iter().flatten() {
        batches.extend(decoder.read_record_batch(block, &part(block))?);
    }
    Ok((schema, batches))
}

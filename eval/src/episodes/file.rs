//! Episodes as bytes: a table (Parquet), or JSON Lines.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, StringBuilder, UInt32Builder};
use arrow_array::{ArrayRef, RecordBatch};
use fairframe_schemas::episode::{EPISODES_VERSION, Episode, QUERY, SUPPORT, episode_schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::{Drawing, Drawn, EpisodeError, Pool};

/// Key of the file's metadata that says how it was drawn.
const DRAWN: &str = "fairframe.episodes";

/// One row per episode and sample. The same draw gives the same bytes.
pub fn table(pools: &[(Pool, Vec<Drawn>)], drawing: &Drawing) -> Result<Vec<u8>, EpisodeError> {
    write(pools, drawing).map_err(|error| EpisodeError::Write(error.to_string()))
}

fn write(pools: &[(Pool, Vec<Drawn>)], drawing: &Drawing) -> Result<Vec<u8>, ParquetError> {
    let said = format!(
        "version {EPISODES_VERSION}, seed {}, {} episodes a dataset, {:?}",
        drawing.seed, drawing.episodes, drawing.shape
    );
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_created_by(concat!("fairframe ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(vec![KeyValue::new(DRAWN.to_owned(), said)]))
        .build();
    let schema = episode_schema();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))?;
    for (pool, episodes) in pools {
        for some in episodes.chunks(1000) {
            let (mut dataset, mut class) = (StringBuilder::new(), StringBuilder::new());
            let (mut role, mut id) = (StringBuilder::new(), StringBuilder::new());
            let (mut held_out, mut number) = (BooleanBuilder::new(), UInt32Builder::new());
            for drawn in some {
                for of_class in &drawn.classes {
                    let sides = [(SUPPORT, &of_class.support), (QUERY, &of_class.query)];
                    for (name, samples) in sides {
                        for sample in samples {
                            dataset.append_value(&pool.name);
                            held_out.append_value(pool.held_out);
                            number.append_value(drawn.episode);
                            class.append_value(&pool.classes[of_class.class as usize].name);
                            role.append_value(name);
                            id.append_value(&pool.samples[*sample as usize].id);
                        }
                    }
                }
            }
            let columns: Vec<ArrayRef> = vec![
                Arc::new(dataset.finish()),
                Arc::new(held_out.finish()),
                Arc::new(number.finish()),
                Arc::new(class.finish()),
                Arc::new(role.finish()),
                Arc::new(id.finish()),
            ];
            writer.write(&RecordBatch::try_new(schema.clone(), columns)?)?;
        }
    }
    writer.into_inner()
}

/// One line of JSON per episode.
pub fn json_lines(pools: &[(Pool, Vec<Drawn>)]) -> Result<Vec<u8>, EpisodeError> {
    let mut bytes = Vec::new();
    for (pool, episodes) in pools {
        for drawn in episodes {
            let side = |of: &dyn Fn(&super::DrawnClass) -> &Vec<u32>| -> BTreeMap<_, _> {
                let class = |class: &super::DrawnClass| {
                    let name = pool.classes[class.class as usize].name.clone();
                    let ids = of(class).iter();
                    let ids = ids.map(|at| pool.samples[*at as usize].id.clone());
                    (name, ids.collect())
                };
                drawn.classes.iter().map(class).collect()
            };
            let line = Episode {
                dataset: pool.name.clone(),
                held_out: pool.held_out,
                episode: drawn.episode,
                support: side(&|class| &class.support),
                query: side(&|class| &class.query),
            };
            serde_json::to_writer(&mut bytes, &line)
                .map_err(|error| EpisodeError::Write(error.to_string()))?;
            bytes.push(b'\n');
        }
    }
    Ok(bytes)
}

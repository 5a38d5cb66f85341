//! Fetches a list of URLs into a store and describes each file in worker
//! processes (sha256, decode, EXIF, hash, 256 px thumbnail): workload D.
//!
//! ```text
//! ingest_urls URLS WORKER [--at-once 16] [--workers 2] [--take N]
//! ```
//!
//! WORKER is the built `fairframe-media`.
//!
//! Prints one JSON line: images a second, CPU milliseconds an image (this
//! process and its workers).

use std::{collections::BTreeSet, error::Error, time::Instant};

use fairframe_ingest::{
    fetch::Fetcher,
    media::{Describer, WorkerCommand},
    source::{Expected, MediaRef},
    store::Store,
};
use fairframe_schemas::{
    Layout, SampleId,
    source::{FetchLimits, MediaLimits},
};
use futures_util::{StreamExt, TryStreamExt};

/// User and system time of this process and of its children that have ended, in seconds.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(4)
        .filter_map(|f| f.parse::<u64>().ok())
        .sum();
    ticks as f64 / 100.0
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut at_once, mut workers, mut take, mut plain) = (16usize, 2usize, usize::MAX, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--at-once" => at_once = value()?.parse()?,
            "--workers" => workers = value()?.parse()?,
            "--take" => take = value()?.parse()?,
            _ => plain.push(argument),
        }
    }
    let [list, worker] = plain.as_slice() else {
        return Err("which URLS, which WORKER?".into());
    };
    let urls: Vec<String> = std::fs::read_to_string(list)?
        .lines()
        .take(take)
        .map(str::to_owned)
        .collect();
    let hosts: BTreeSet<String> = urls
        .iter()
        .filter_map(|u| Some(url::Url::parse(u).ok()?.host_str()?.to_owned()))
        .collect();
    let folder = tempfile::tempdir()?;
    let layout = Layout::new(folder.path());
    let limits = FetchLimits {
        per_host: u32::try_from(at_once)?,
        allow_private: hosts.into_iter().collect(),
        ..FetchLimits::default()
    };
    let command = WorkerCommand::of(worker.into());
    let start = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let images = runtime.block_on(async {
        let fetcher = Fetcher::new(&limits, Store::open(&layout)?)?;
        let describer = Describer::new(&MediaLimits::default(), command, workers);
        let (fetcher, describer, layout) = (&fetcher, &describer, &layout);
        let count = futures_util::stream::iter(&urls)
            .map(|url| async move {
                let id = SampleId::new("bench", url);
                let media = MediaRef::Url(url.clone());
                let fetched = fetcher
                    .fetch(id, &media, &Expected::default())
                    .await
                    .map_err(|e| e.to_string())?;
                let thumbnail = layout.thumbnail(&fetched.sha256);
                let path = fetcher.store().path(&fetched.sha256);
                let described = describer.describe(&path, Some(&thumbnail)).await;
                described.map_err(|e| e.to_string())
            })
            .buffer_unordered(at_once * 4)
            .try_fold(0u64, |count, _| async move { Ok(count + 1) })
            .await?;
        describer.finish().await;
        fetcher.store().sync()?;
        Ok::<_, Box<dyn Error>>(count)
    })?;
    let wall = start.elapsed().as_secs_f64();
    println!(
        "{}",
        serde_json::json!({
            "workload": "D", "images": images, "wall_s": wall,
            "images_per_s": images as f64 / wall, "cpu_ms_per_image": 1e3 * cpu_s() / images as f64,
        })
    );
    Ok(())
}

//! Fetches a list of URLs into a store and prints what it took.
//!
//! ```text
//! cargo run --release -p fairframe-ingest --example fetch_many -- URLS [--at-once 16] [--data FOLDER] [--opt-outs] [--sync-every N]
//! ```
//!
//! `URLS` holds one URL a line. Hosts of the list may be private. Prints one
//! JSON object: images a second, and CPU milliseconds (user + system, of the
//! whole process) an image.

use std::{collections::BTreeSet, error::Error, path::PathBuf, time::Instant};

use fairframe_ingest::{
    fetch::Fetcher,
    source::{Expected, MediaRef},
    store::Store,
};
use fairframe_schemas::{Layout, SampleId, source::FetchLimits};
use futures_util::StreamExt;

fn main() -> Result<(), Box<dyn Error>> {
    let mut list = None;
    let mut data: Option<PathBuf> = None;
    let (mut at_once, mut sync_every, mut opt_outs) = (16usize, 0u64, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--at-once" => at_once = value()?.parse()?,
            "--sync-every" => sync_every = value()?.parse()?,
            "--data" => data = Some(value()?.into()),
            "--opt-outs" => opt_outs = true,
            _ => list = Some(argument),
        }
    }
    let list = list.ok_or("which list of URLs?")?;
    let urls: Vec<String> = std::fs::read_to_string(list)?
        .lines()
        .map(str::to_owned)
        .collect();
    let hosts: BTreeSet<String> = urls
        .iter()
        .filter_map(|u| Some(url::Url::parse(u).ok()?.host_str()?.to_owned()))
        .collect();
    let folder = tempfile::tempdir()?;
    let layout = Layout::new(data.unwrap_or_else(|| folder.path().to_owned()));
    let limits = FetchLimits {
        per_host: u32::try_from(at_once)?,
        allow_private: hosts.into_iter().collect(),
        opt_outs,
        ..FetchLimits::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let start = Instant::now();
    let (mut bytes, mut failed, mut done, mut sync_s) = (0u64, 0u64, 0u64, 0.0);
    runtime.block_on(async {
        let fetcher = Fetcher::new(&limits, Store::open(&layout)?)?;
        let mut fetching = futures_util::stream::iter(urls.iter().map(|url| {
            let fetcher = fetcher.clone();
            let id = SampleId::new("bench", url);
            let media = MediaRef::Url(url.clone());
            tokio::spawn(async move { fetcher.fetch(id, &media, &Expected::default()).await })
        }))
        .buffer_unordered(at_once);
        while let Some(result) = fetching.next().await {
            done += 1;
            match result? {
                Ok(fetched) => bytes += fetched.bytes,
                Err(failure) => {
                    failed += 1;
                    eprintln!("{failure}");
                }
            }
            if sync_every > 0 && done.is_multiple_of(sync_every) {
                let before = Instant::now();
                let store = fetcher.store().clone();
                tokio::task::spawn_blocking(move || store.sync()).await??;
                sync_s += before.elapsed().as_secs_f64();
            }
        }
        Ok::<_, Box<dyn Error>>(())
    })?;
    let wall = start.elapsed().as_secs_f64();
    let cpu = cpu_seconds();
    println!(
        "{}",
        serde_json::json!({
            "images": done,
            "failed": failed,
            "bytes": bytes,
            "wall_s": wall,
            "images_per_s": done as f64 / wall,
            "megabytes_per_s": bytes as f64 / wall / 1e6,
            "cpu_ms_per_image": cpu * 1e3 / done as f64,
            "sync_s": sync_s,
        })
    );
    Ok(())
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in brackets may hold spaces; utime and stime are the 12th and
    // 13th fields after it, in ticks of 1/100 s.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |i: usize| -> f64 { fields.get(i).and_then(|f| f.parse().ok()).unwrap_or(0.0) };
    (ticks(11) + ticks(12)) / 100.0
}

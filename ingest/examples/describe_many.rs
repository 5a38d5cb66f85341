//! Measures the CPU time of describing pictures in one process and prints one
//! JSON line: sha256, decode, EXIF, hash, 256 px thumbnail for each file.
//!
//! ```text
//! describe_many [--count N] [--workers N WORKER] FILE...
//! ```
//!
//! With `--workers`, the files go through the pool of worker processes
//! (`WORKER` is the built `fairframe-media`), and their time is counted.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use fairframe_ingest::media::{Describer, WorkerCommand, describe_here};
use fairframe_schemas::source::MediaLimits;
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};

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

fn main() -> ExitCode {
    let mut count = usize::MAX;
    let mut workers = None;
    let mut files: Vec<PathBuf> = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--count" => count = args.next().and_then(|n| n.parse().ok()).unwrap_or(count),
            "--workers" => {
                workers = args
                    .next()
                    .and_then(|n| n.parse::<usize>().ok())
                    .zip(args.next());
            }
            _ => files.push(arg.into()),
        }
    }
    files.truncate(count);
    if files.is_empty() {
        eprintln!("usage: describe_many [--count N] [--workers N WORKER] FILE...");
        return ExitCode::from(2);
    }
    let Ok(folder) = tempfile::tempdir() else {
        return ExitCode::FAILURE;
    };
    let limits = MediaLimits::default();
    let digest = |file: &PathBuf| {
        let bytes = std::fs::read(file).unwrap_or_default();
        hex::encode(Sha256::digest(&bytes))
    };
    let (wall, cpu) = (Instant::now(), cpu_s());
    let mut failed = 0;
    if let Some((parallel, program)) = workers {
        let Ok(runtime) = tokio::runtime::Runtime::new() else {
            return ExitCode::FAILURE;
        };
        failed = runtime.block_on(async {
            let command = WorkerCommand::of(program.into());
            let describer = Describer::new(&limits, command, parallel);
            let results = stream::iter(&files)
                .map(|file| {
                    let thumbnail = folder.path().join(format!("{}.jpg", digest(file)));
                    let describer = &describer;
                    async move { describer.describe(file, Some(&thumbnail)).await }
                })
                .buffer_unordered(parallel + 1)
                .collect::<Vec<_>>()
                .await;
            describer.finish().await;
            results.iter().filter(|r| r.is_err()).count()
        });
    } else {
        for file in &files {
            let thumbnail = folder.path().join(format!("{}.jpg", digest(file)));
            failed += usize::from(describe_here(file, Some(&thumbnail), &limits).is_err());
        }
    }
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_s() - cpu);
    let n = files.len() as f64;
    println!(
        "{}",
        serde_json::json!({
            "workload": "D-decode", "peer": "fairframe", "size": files.len(),
            "inner_wall_s": wall, "inner_cpu_s": cpu,
            "result": {
                "failed": failed,
                "cpu_ms_per_image": cpu / n * 1e3,
                "images_per_s": n / wall,
            },
        })
    );
    ExitCode::SUCCESS
}

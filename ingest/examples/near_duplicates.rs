//! Times the near-duplicate search on a `.npy` of 64-bit hashes and prints one
//! JSON line: pairs, pairs per distance, an order-independent checksum.
//!
//! ```text
//! near_duplicates HASHES.npy [--distance 6] [--mode count|pairs|clusters]
//! ```

use std::{process::ExitCode, time::Instant};

use fairframe_ingest::dedupe::{for_each_near_pair, near_duplicate_clusters, near_duplicates};

/// The finaliser of SplitMix64 over both ids.
fn pair_hash(i: u32, j: u32) -> u64 {
    let x = (u64::from(i) << 32 | u64::from(j)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A one-dimensional little-endian `u64` array in NumPy's format 1.0.
fn read_npy(path: &str) -> Result<Vec<u64>, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("{path}: {e}"))?;
    let header = bytes
        .get(8..10)
        .map(|l| usize::from(u16::from_le_bytes([l[0], l[1]])))
        .ok_or_else(|| format!("{path}: not a .npy file"))?;
    let data = bytes
        .get(10 + header..)
        .ok_or_else(|| format!("{path}: the header is cut off"))?;
    Ok(data
        .as_chunks::<8>()
        .0
        .iter()
        .map(|c| u64::from_le_bytes(*c))
        .collect())
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        args.iter()
            .position(|a| a == name)
            .and_then(|at| args.get(at + 1).cloned())
    };
    let distance = option("--distance").map_or(Ok(6), |d| d.parse::<u32>());
    let mode = option("--mode").unwrap_or_else(|| "count".to_owned());
    let (Some(path), Ok(distance)) = (args.first(), distance) else {
        eprintln!("usage: near_duplicates HASHES.npy [--distance 6] [--mode count|pairs|clusters]");
        return ExitCode::from(2);
    };
    let hashes = match read_npy(path) {
        Ok(hashes) => hashes,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::FAILURE;
        }
    };
    // The pool's threads start here, not inside the timing.
    rayon_warm();
    let start = Instant::now();
    let result = match mode.as_str() {
        "clusters" => {
            let mut labels = near_duplicate_clusters(&hashes, distance);
            let seconds = start.elapsed().as_secs_f64();
            labels.sort_unstable();
            labels.dedup();
            serde_json::json!({"seconds": seconds, "clusters": labels.len()})
        }
        "pairs" => {
            let pairs = near_duplicates(&hashes, distance);
            let seconds = start.elapsed().as_secs_f64();
            let checksum = pairs
                .iter()
                .fold(0u64, |sum, &(i, j)| sum.wrapping_add(pair_hash(i, j)));
            serde_json::json!({
                "seconds": seconds, "pairs": pairs.len(), "checksum": format!("{checksum:016x}"),
            })
        }
        _ => {
            let states = for_each_near_pair(
                &hashes,
                distance,
                || ([0u64; 65], 0u64),
                |(counts, sum), i, j, d| {
                    counts[d as usize] += 1;
                    *sum = sum.wrapping_add(pair_hash(i, j));
                },
            );
            let seconds = start.elapsed().as_secs_f64();
            let mut counts = vec![0u64; distance as usize + 1];
            let mut checksum = 0u64;
            for (part, sum) in states {
                for (total, count) in counts.iter_mut().zip(part) {
                    *total += count;
                }
                checksum = checksum.wrapping_add(sum);
            }
            serde_json::json!({
                "seconds": seconds, "pairs": counts.iter().sum::<u64>(),
                "per_distance": counts, "checksum": format!("{checksum:016x}"),
            })
        }
    };
    let seconds = result["seconds"].as_f64();
    println!(
        "{}",
        serde_json::json!({
            "workload": "H", "peer": format!("fairframe_{mode}"), "size": hashes.len(),
            "inner_wall_s": seconds, "result": result,
        })
    );
    ExitCode::SUCCESS
}

fn rayon_warm() {
    let few: Vec<u64> = (0..4_096u64)
        .map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .collect();
    let _ = near_duplicates(&few, 0);
}

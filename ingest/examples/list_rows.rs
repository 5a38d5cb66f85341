//! How fast records without media are listed, and in how much memory:
//! `cargo run --release -p fairframe-ingest --example list_rows [rows]`.
//!
//! The table has the form of Inclusive Images (`image_id,labels`), labels as
//! in its real rows: 1 to 8 ids.

use std::{
    io::{BufWriter, Write},
    time::Instant,
};

use fairframe_ingest::source::{Source, crowdsourced::CrowdsourcedSource};
use fairframe_schemas::SourceToml;

/// Highest resident memory of this process so far, in MB (`VmHWM`).
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmHWM:"));
    let kb = line.and_then(|l| l.split_whitespace().nth(1)?.parse::<f64>().ok());
    kb.unwrap_or(f64::NAN) / 1024.0
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rows: u64 = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => 1_000_000,
    };
    let folder = tempfile::tempdir()?;
    let mut out = BufWriter::new(std::fs::File::create(folder.path().join("labels.csv"))?);
    for i in 0..rows {
        let mixed = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        write!(out, "{mixed:016x}{i:08x},")?;
        for label in 0..=mixed % 8 {
            write!(
                out,
                "/m/0{:x} ",
                (mixed >> 20).wrapping_mul(label + 1) % 0x7_ffff
            )?;
        }
        writeln!(out)?;
    }
    out.flush()?;
    let config = SourceToml::parse(
        "dataset = \"bench\"\nsource = \"bench\"\n[crowdsourced]\npath = \".\"\n\
         form = \"inclusive-images\"\ntable = \"labels.csv\"\nlicence = \"CC-BY-4.0\"\n",
    )?;
    let mut source = CrowdsourcedSource::open(&config, folder.path())?;
    let start = Instant::now();
    let (mut listed, mut checkpoint) = (0u64, None);
    while let Some(batch) = source.next(checkpoint.as_ref()).await? {
        listed += batch.listed.len() as u64;
        checkpoint = Some(batch.checkpoint);
        if listed.is_multiple_of((rows / 5).max(1_000)) {
            println!("{listed} rows, peak {:.0} MB", peak_mb());
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "listed {listed} rows in {seconds:.2} s: {:.0} rows/s, peak {:.0} MB",
        listed as f64 / seconds,
        peak_mb()
    );
    Ok(())
}

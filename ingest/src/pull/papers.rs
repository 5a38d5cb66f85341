//! What is written of a copy: attributions and places of exactly the samples
//! it holds, and the failures. Made from manifest, store and record, so the same
//! copy gives the same bytes.

use std::path::{Path, PathBuf};

use fairframe_schemas::{Column, Layout, RecallList, text::guard};

use super::{
    PullError,
    files::{self, Release},
    recalls::Withdrawn,
    record::{Mark, Record},
};
use crate::{
    atomic::Whole,
    attribution::{AttributionCsv, AttributionHtml},
    manifest::ReleaseReader,
    recall,
    store::Store,
};

/// The columns of `failures.csv`.
pub const FAILURES: [&str; 4] = [Column::SampleId.name(), "url", "reason", "message"];

/// The columns of `samples.csv`; `file` starts at the copy's folder.
pub const SAMPLES: [&str; 4] = [
    Column::SampleId.name(),
    Column::Split.name(),
    Column::Mime.name(),
    "file",
];

/// Where these files of a release stand in a copy.
pub(super) fn folder(layout: &Layout, release: &Release) -> PathBuf {
    layout
        .pulled()
        .join(release.summary.dataset.as_str())
        .join(release.summary.version.to_string())
}

/// Writes them all and counts the samples the copy holds.
pub(super) fn write(
    layout: &Layout,
    release: &Release,
    store: &Store,
    record: &Record,
    withdrawn: &Withdrawn,
) -> Result<u64, PullError> {
    let held = write_held(layout, release, store, record, withdrawn)?;
    let folder = folder(layout, release);
    let failures = Whole::create(&folder.join("failures.csv")).map_err(|e| io(&folder, e))?;
    let mut failures = table(failures);
    failures
        .write_record(FAILURES)
        .map_err(|e| csv(&folder, e))?;
    record.each_failed(|line| {
        failures
            .write_record(line.map(|cell| guard(&cell)))
            .map_err(|e| csv(&folder, e))
    })?;
    finish(failures, &folder)?;
    Ok(held)
}

/// Writes again what the copy holds of every release pulled into it: something was removed.
pub(super) fn rewrite(layout: &Layout, store: &Store, record: &Record) -> Result<(), PullError> {
    let manifests = layout.manifests();
    for dataset in recall::datasets(layout).map_err(|e| io(&manifests, e))? {
        let list = recall::read_published(layout, &dataset)?;
        let list = list.unwrap_or_else(|| RecallList::new(dataset.clone()));
        let withdrawn = Withdrawn::new(layout, list, true)?;
        for version in recall::versions(layout, &dataset)? {
            let release_folder = layout.release(&dataset, version);
            let release = Release {
                summary: files::read_summary(&release_folder.join(files::SUMMARY))?,
                folder: release_folder,
                files: 0,
            };
            if folder(layout, &release).is_dir() {
                write_held(layout, &release, store, record, &withdrawn)?;
            }
        }
    }
    Ok(())
}

/// Attributions and places of the samples held; counts them.
fn write_held(
    layout: &Layout,
    release: &Release,
    store: &Store,
    record: &Record,
    withdrawn: &Withdrawn,
) -> Result<u64, PullError> {
    let folder = folder(layout, release);
    let create = |name: &str| Whole::create(&folder.join(name)).map_err(|e| io(&folder, e));
    let mut by_row =
        AttributionCsv::new(create("ATTRIBUTION.csv")?).map_err(|e| csv(&folder, e))?;
    let mut to_read = AttributionHtml::new();
    let mut places = table(create("samples.csv")?);
    places.write_record(SAMPLES).map_err(|e| csv(&folder, e))?;
    let mut held = 0;
    for batch in ReleaseReader::open(&release.folder)?.accepted() {
        for sample in batch? {
            let Some(digest) = sample.media_sha256.filter(|_| !withdrawn.holds(&sample)) else {
                continue;
            };
            let path = layout.media(&digest);
            match Mark::of(&path).map_err(|e| io(&path, e))? {
                Some(mark) if record.trusts(&digest, &mark)? => {}
                // The record was lost or the file touched: the bytes themselves say.
                Some(mark) if store.is_sound(&digest).map_err(|e| io(&path, e))? => {
                    record.checked(&[(digest, mark)])?;
                }
                _ => continue,
            }
            held += 1;
            by_row.add(&sample).map_err(|e| csv(&folder, e))?;
            to_read.add(&sample).map_err(|e| io(&folder, e))?;
            let file = path.strip_prefix(layout.root()).unwrap_or(&path);
            places
                .write_record([
                    &*sample.sample_id.to_string(),
                    sample.split.map_or("", |s| s.as_str()),
                    &guard(sample.mime.as_deref().unwrap_or("")),
                    &file.to_string_lossy(),
                ])
                .map_err(|e| csv(&folder, e))?;
        }
    }
    let whole = by_row.finish().map_err(|e| io(&folder, e))?;
    whole.finish().map_err(|e| io(&folder, e))?;
    let mut page = create("ATTRIBUTION.html")?;
    to_read
        .finish(&release.summary, &mut page)
        .and_then(|()| page.finish())
        .map_err(|e| io(&folder, e))?;
    finish(places, &folder)?;
    Ok(held)
}

fn table(out: Whole) -> csv::Writer<Whole> {
    csv::WriterBuilder::new()
        .terminator(csv::Terminator::Any(b'\n'))
        .from_writer(out)
}

fn finish(table: csv::Writer<Whole>, folder: &Path) -> Result<(), PullError> {
    table
        .into_inner()
        .map_err(|e| e.into_error())
        .and_then(Whole::finish)
        .map_err(|e| io(folder, e))
}

fn io(path: &Path, error: std::io::Error) -> PullError {
    PullError::Io {
        path: path.to_owned(),
        error,
    }
}

fn csv(folder: &Path, error: csv::Error) -> PullError {
    io(folder, error.into())
}

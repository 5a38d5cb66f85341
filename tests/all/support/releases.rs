//! Releases of samples of our choice, as the ingest writes them.

use std::path::{Path, PathBuf};

use fairframe_ingest::{
    manifest::Stamp,
    release::{ReleaseWriter, schema_version},
};
use fairframe_schemas::{Layout, Name, RecallList, Sample, Summary, version::Change};

/// Writes a release with the samples in the order given; where it stands.
pub fn write(
    root: &Path,
    dataset: &str,
    version: &str,
    samples: Vec<Sample>,
    recall: Option<&RecallList>,
) -> PathBuf {
    let layout = Layout::new(root);
    let stamp = Stamp {
        dataset: Name::new(dataset).unwrap(),
        version: version.parse().unwrap(),
        recall_version: 0,
    };
    let none = RecallList::new(stamp.dataset.clone());
    let listed = samples.len() as u64;
    let mut writer = ReleaseWriter::create(&layout, &stamp).unwrap();
    for sample in samples {
        writer.add(sample).unwrap();
    }
    let summary = Summary {
        dataset: stamp.dataset.clone(),
        version: stamp.version,
        previous: None,
        change: Change::None,
        as_of: "2026-09-01T00:00:00Z".parse().unwrap(),
        generator: "test".to_owned(),
        schema_version: schema_version(),
        about: Default::default(),
        approval: None,
        sources: Vec::new(),
        counts: Default::default(),
        files: Vec::new(),
    };
    writer
        .finish(summary, recall.unwrap_or(&none), listed, 0)
        .unwrap();
    layout.release(&stamp.dataset, stamp.version)
}

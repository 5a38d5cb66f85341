//! `fairframe export`.

use std::path::PathBuf;

use fairframe_corpus::layouts::{Exported, Form, Media, export};
use fairframe_ingest::versions::Versions;
use fairframe_schemas::Layout;

use crate::{
    Common,
    exit::{self, Doing, Failure},
    ingest::declared,
};

/// Lays out a released corpus as others do.
///
/// Only rows that are accepted and were not withdrawn since. An export is a copy of its own: a
/// later withdrawal does not reach it; export again and remove the old one.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// `source.toml` of a corpus (its newest release), or the folder of a release
    #[arg(value_name = "SOURCE.TOML|MANIFEST")]
    corpus: PathBuf,
    /// `faceforensics`, `dfdc`, `deepfakebench` or `parquet`
    #[arg(long, value_name = "LAYOUT")]
    layout: Form,
    /// A new or empty folder
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Copy the media instead of linking them to the store
    #[arg(long)]
    copy: bool,
}

impl ExportArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        let layout = Layout::new(&common.root);
        let doing = || format!("export {}", self.corpus.display());
        let release = match self.corpus.is_dir() {
            true => self.corpus.clone(),
            false => {
                let dataset = declared(&self.corpus)?.toml.dataset;
                let versions = Versions::of(&layout.dataset(&dataset)).doing(doing())?;
                let newest = versions.versions.last().copied();
                let none = format!(
                    "dataset `{dataset}` has no release; run `fairframe ingest` on it first"
                );
                layout.release(&dataset, newest.ok_or(none).doing(doing())?)
            }
        };
        let media = match self.copy {
            true => Media::Copy,
            false => Media::Link,
        };
        let exported = export(&layout, &release, self.layout, &self.to, media).doing(doing())?;
        match common.json {
            true => exit::print_json(&exported)?,
            false => exit::print(&self.describe(&exported))?,
        }
        Ok(match exported.missing.is_empty() {
            true => exit::OK,
            false => exit::FOUND,
        })
    }

    fn describe(&self, e: &Exported) -> String {
        let mut text = format!("{} in {}\n", self.layout, self.to.display());
        let lines = [
            (e.real, "real clips"),
            (e.fake, "fakes"),
            (e.masks, "masks"),
            (e.left_out, "clips that the layout has no place for"),
            (e.recalled, "withdrawn since the release: left out"),
            (
                e.missing.len() as u64,
                "whose media are not in the store: left out",
            ),
        ];
        for (n, words) in lines.into_iter().filter(|(n, _)| *n > 0) {
            text.push_str(&format!("  {n:>9} {words}\n"));
        }
        text
    }
}

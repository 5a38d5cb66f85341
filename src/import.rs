//! `fairframe import`.

use std::path::PathBuf;

use fairframe_corpus::layouts::{Form, Imported, csv, import, parquet};
use fairframe_ingest::atomic;

use crate::{
    Common,
    exit::{self, Doing, Failure},
};

/// Reads a corpus that others laid out, as a table with a row a clip.
///
/// Who, which scene, method, quality and split, as far as folders, names and lists tell. What
/// is no clip of the layout is named, and nothing outside the folder is touched.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// The corpus's folder
    #[arg(value_name = "DIR")]
    from: PathBuf,
    /// `faceforensics`, `dfdc`, `deepfakebench` or `parquet`
    #[arg(long, value_name = "LAYOUT")]
    layout: Form,
    /// Where to: .parquet for Parquet, else CSV
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

impl ImportArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        let doing = || format!("import {}", self.from.display());
        let imported = import(self.layout, &self.from).doing(doing())?;
        let bytes = match self.to.extension().is_some_and(|e| e == "parquet") {
            true => parquet(&imported.rows).doing(doing())?,
            false => {
                let mut bytes = Vec::new();
                csv(&imported.rows, &mut bytes).doing(doing())?;
                bytes
            }
        };
        atomic::write(&self.to, &bytes).doing(format!("write {}", self.to.display()))?;
        match common.json {
            true => exit::print_json(&serde_json::json!({
                "rows": imported.rows.len(),
                "missing": imported.missing,
                "unknown": imported.unknown,
            }))?,
            false => exit::print(&self.describe(&imported))?,
        }
        let sound = imported.missing == 0 && imported.unknown.is_empty();
        Ok(if sound { exit::OK } else { exit::FOUND })
    }

    fn describe(&self, imported: &Imported) -> String {
        /// Names shown; the rest is counted.
        const SHOWN: usize = 10;
        let (rows, to) = (imported.rows.len(), self.to.display());
        let mut text = format!("{rows} clips in {to}\n");
        if imported.missing > 0 {
            let n = imported.missing;
            text.push_str(&format!("  {n} of them are listed and not there\n"));
        }
        for name in imported.unknown.iter().take(SHOWN) {
            text.push_str(&format!("  {name}: no clip of this layout\n"));
        }
        if imported.unknown.len() > SHOWN {
            let n = imported.unknown.len();
            text.push_str(&format!("  {n} such files in all\n"));
        }
        text
    }
}

//! `fairframe verify`.

use std::path::PathBuf;

use fairframe_ingest::verify::verify;
use fairframe_schemas::Layout;

use crate::{
    Common,
    exit::{self, Doing, Failure},
};

#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// Folder of a release
    #[arg(value_name = "MANIFEST")]
    folder: PathBuf,
    /// Check the bytes of the media in the data folder too
    #[arg(long)]
    media: bool,
}

impl VerifyArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        let layout = self.media.then(|| Layout::new(&common.root));
        let found = verify(&self.folder, layout.as_ref())
            .doing(format!("verify {}", self.folder.display()))?;
        if common.json {
            exit::print_json(&found)?;
        } else {
            for p in &found.problems {
                println!("{}: {}: {}", p.rule, p.at, p.problem);
            }
            for (rule, count) in &found.counts {
                println!("{rule}: {count} in all");
            }
            println!(
                "{} files, {} rows, {} media checked",
                found.files, found.rows, found.media
            );
        }
        Ok(if found.is_sound() {
            exit::OK
        } else {
            exit::FOUND
        })
    }
}

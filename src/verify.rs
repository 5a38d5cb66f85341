//! `fairframe verify`.

use std::path::PathBuf;

use fairframe_ingest::verify::{splits::verify_splits, verify};
use fairframe_schemas::Layout;

use crate::{
    Common,
    exit::{self, Doing, Failure},
};

#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// Folder of a release
    #[arg(value_name = "MANIFEST", required_unless_present = "splits")]
    folder: Option<PathBuf>,
    /// Check the bytes of the media in the data folder too
    #[arg(long, conflicts_with = "splits")]
    media: bool,
    /// Split lists of another corpus instead: files, or folders of them
    #[arg(long, value_name = "LIST", num_args = 1.., conflicts_with = "folder")]
    splits: Vec<PathBuf>,
    /// Where the videos of the lists were taken from (JSON, as FaceForensics' `conversion_dict.json`)
    #[arg(long, value_name = "TABLE", requires = "splits")]
    sources: Option<PathBuf>,
}

impl VerifyArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        let layout = self.media.then(|| Layout::new(&common.root));
        let found = match &self.folder {
            Some(folder) => {
                verify(folder, layout.as_ref()).doing(format!("verify {}", folder.display()))?
            }
            None => verify_splits(&self.splits, self.sources.as_deref()).doing("verify splits")?,
        };
        if common.json {
            exit::print_json(&found)?;
        } else {
            for p in &found.problems {
                println!("{}: {}: {}", p.rule, p.at, p.problem);
            }
            for (rule, count) in &found.counts {
                println!("{rule}: {count} in all");
            }
            match self.folder {
                Some(_) => println!(
                    "{} files, {} rows, {} media checked",
                    found.files, found.rows, found.media
                ),
                None => println!("{} lists, {} entries checked", found.files, found.rows),
            }
        }
        Ok(if found.is_sound() {
            exit::OK
        } else {
            exit::FOUND
        })
    }
}

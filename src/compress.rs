//! `fairframe compress`.

use crate::{
    Common,
    corpus::{Compressed, Opened, StageArgs},
    exit::Failure,
};

/// Writes the real and fake clips of a corpus in every quality of its ladder.
///
/// Each fake is labelled in its own metadata. What is there already, made from the same, stays.
#[derive(Debug, clap::Args)]
pub struct CompressArgs {
    #[command(flatten)]
    stage: StageArgs,
}

impl CompressArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        self.stage.run(common, Opened::compress, describe)
    }
}

/// What a person reads at the end.
fn describe(outcome: &Compressed) -> String {
    let Compressed {
        made,
        refused,
        folder,
    } = outcome;
    let folder = folder.display();
    format!("  {made:>9} files, masks among them\n  {refused:>9} refused\n  {folder}\n")
}

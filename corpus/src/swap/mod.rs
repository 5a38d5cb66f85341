//! Swap: one person's face onto another's, frame by frame.
//!
//! ```text
//! stage (plan, consent) -> consent -> task (decode) -> faces -> swapper -> quality, sheet
//!                                  -> external: hand out -> program -> take in -> quality, sheet
//! ```
//!
//! The method `face-swap` is of the FaceSwap family of FaceForensics (Rössler et al. 2019): a
//! dense mesh, the source's texture drawn onto the target's pose, colours and seams matched. All
//! that is learned and smoothed lives on the face laid flat (`canonical`, `texture`), where the
//! same texel is the same place of the face in every frame. `docs/corpus.md` tells it whole.

// The kernel: pure.
mod canonical;
mod choose;
mod colour;
mod faces;
mod grid;
mod likeness;
mod looks;
mod membrane;
mod pose;
mod regions;
mod smooth;
mod swapper;
mod texture;

// What is kept of it.
mod measure;
mod quality;
mod sheet;
mod spent;

// How it is run.
mod consent;
mod external;
mod stage;
mod task;

#[cfg(test)]
mod clip_tests;
#[cfg(test)]
mod tests;

pub use consent::Consented;
pub use external::{HandOut, TakeIn};
pub use spent::Spent;
pub use stage::{Made, Outcome, Settings, SwapError, run};
pub use task::{MASK, MASTER, SHEET, Side, SwapDone, SwapTask};

/// The stage's folder in a corpus's.
pub const FAKES: &str = "fakes";
/// Changes when the same inputs give other pixels: what is there is then made again.
pub const VERSION: u32 = 2;

/// The item of a pair and method.
pub fn item(pair: fairframe_schemas::PairId, method: &fairframe_schemas::Name) -> String {
    format!("{pair}--{method}")
}

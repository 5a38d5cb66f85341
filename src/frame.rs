//! `fairframe frame`.

use fairframe_corpus::frame::Outcome;

use crate::{
    Common,
    corpus::{Opened, StageArgs},
    exit::Failure,
};

/// Finds, follows and cuts out the face in each video of the actors.
///
/// What is framed already stays; a killed run goes on.
#[derive(Debug, clap::Args)]
pub struct FrameArgs {
    #[command(flatten)]
    stage: StageArgs,
}

impl FrameArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        self.stage.run(common, Opened::frame, describe)
    }
}

/// What a person reads at the end: frames, faces, what was refused, where it is.
pub fn describe(outcome: &Outcome) -> String {
    let mut text = String::new();
    let mut line = |n: u64, words: String| text.push_str(&format!("  {n:>9} {words}\n"));
    line(outcome.videos, "videos framed".to_owned());
    if outcome.kept > 0 {
        line(outcome.kept, "of them before".to_owned());
    }
    if outcome.without_face > 0 {
        line(outcome.without_face, "of them without any face".to_owned());
    }
    line(outcome.frames, "frames looked at".to_owned());
    line(outcome.crops, "faces cut out".to_owned());
    if outcome.padded > 0 {
        line(outcome.padded, "of them reach beyond the frame".to_owned());
    }
    for (reason, n) in &outcome.reasons {
        line(*n, format!("frames without, {reason}: {}", reason.text()));
    }
    for r in &outcome.refused {
        text.push_str(&format!("  refused `{}`: {}\n", r.key, r.refusal));
    }
    let (n, spent) = (outcome.made, &outcome.spent);
    if n > 0 {
        let total = spent.total_s();
        let share = |s: f64| 100.0 * s / total;
        text.push_str(&format!(
            "  {:.1} frames a second and worker: decode {:.0}%, detect {:.0}%, mesh {:.0}%, crop {:.0}%, write {:.0}%\n",
            n as f64 / total,
            share(spent.decode_s),
            share(spent.detect_s),
            share(spent.mesh_s),
            share(spent.crop_s),
            share(spent.write_s),
        ));
    }
    text.push_str(&format!("  {}\n", outcome.folder.display()));
    text
}

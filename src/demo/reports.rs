//! Submissions the demo judges: shipped ones, and with `FAIRFRAME_SHARED`
//! those whose licences keep them out of the project.

use std::path::{Path, PathBuf};

use crate::{eval::judge, exit::Failure};

/// Folders below `reports`.
pub const NAMES: &[&str] = &[
    "demo-corpus-baseline",
    "dfdc",
    "dfdc-frames",
    "inclusive-images-team-a-4",
    "inclusive-images-team-a-16",
];

/// Judges what is shipped and what `FAIRFRAME_SHARED` names.
pub fn reports(datasets: &Path, out: &Path) -> Result<(), Failure> {
    let dfdc = datasets.join("dfdc");
    let (folds, predictions) = (dfdc.join("folds.csv"), dfdc.join("predictions_1.json"));
    // So few videos that groups of 30 would hide the smaller of the two.
    let by_fold = ["--group", "fold", "--min-n", "5"];
    judge(
        "detection",
        &folds,
        &predictions,
        &by_fold,
        &out.join("dfdc"),
    )?;

    let shared = std::env::var_os("FAIRFRAME_SHARED").map(|root| PathBuf::from(root).join("data"));
    let Some(data) = shared.filter(|data| data.is_dir()) else {
        eprintln!(
            "(Inclusive Images is not shipped: with FAIRFRAME_SHARED=DIR and its files in \
             DIR/data, as datasets/inclusive-images/README.md has it, it is judged here too)"
        );
        return Ok(());
    };
    let inclusive = data.join("inclusive-images");
    if inclusive.is_dir() {
        let truth = inclusive.join("inclusive_images_stage_1_solutions.csv.gz");
        for (team, name) in [
            ("team_a_4", "inclusive-images-team-a-4"),
            ("team_a_16", "inclusive-images-team-a-16"),
        ] {
            println!("\nInclusive Images, {team}");
            let answers = inclusive.join("submissions").join(format!("{team}.csv.gz"));
            judge("multi-label", &truth, &answers, &[], &out.join(name))?;
        }
    }
    let frames = data.join("dfdc/predictions_1.json");
    if frames.is_file() {
        println!("\nDFDC, the smoothed truth of its frames read at 0.5");
        let at = ["--truth-threshold", "0.5"];
        judge("detection", &frames, &frames, &at, &out.join("dfdc-frames"))?;
    }
    Ok(())
}

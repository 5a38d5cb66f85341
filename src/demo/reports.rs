//! Submissions the demo judges: shipped ones, and with `FAIRFRAME_SHARED`
//! those whose licences keep them out of the project.

use std::path::{Path, PathBuf};

use clap::Parser;

use crate::{
    eval,
    exit::{Doing, Failure},
};

/// Folders below `reports`.
pub const NAMES: &[&str] = &[
    "dfdc",
    "dfdc-frames",
    "inclusive-images-team-a-4",
    "inclusive-images-team-a-16",
];

#[derive(clap::Parser)]
struct Eval {
    #[command(flatten)]
    args: eval::EvalArgs,
}

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

fn judge(
    form: &str,
    solution: &Path,
    submission: &Path,
    more: &[&str],
    out: &Path,
) -> Result<(), Failure> {
    let mut line = vec!["eval".into(), "--form".into(), form.into()];
    line.extend(["--solution".into(), solution.as_os_str().to_owned()]);
    line.extend(["--submission".into(), submission.as_os_str().to_owned()]);
    line.extend(["--out".into(), out.as_os_str().to_owned()]);
    line.extend(more.iter().map(Into::into));
    let Eval { args } = Eval::parse_from(line);
    eval::run(&args, false, &mut std::io::stdout()).doing("evaluate")?;
    Ok(())
}

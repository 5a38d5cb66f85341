//! `fairframe eval`: one submission against one solution.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use fairframe_eval::compare::compare;
use fairframe_eval::weights::Weights;
use fairframe_eval::{EvalError, EvalOptions, crossed, evaluate, report};
use fairframe_ingest::place::Gazetteer;
use fairframe_schemas::report::{Bootstrap, Report, TaskForm};
use fairframe_schemas::{Pooling, TaskToml};

use crate::exit::{Doing, Failure};

/// The submission (or the solution) has defects that make a score
/// meaningless. The report is written and names them all.
pub const EXIT_REFUSED: u8 = 3;

/// Scores a submission, overall and for whom.
///
/// Writes report.html, report.json, groups.parquet, disparities.parquet and
/// item_results.parquet,
/// and with --against comparison.html and comparison.json.
/// Exit code 0: scored; 3: refused, the report names every defect.
#[derive(Debug, clap::Args)]
pub struct EvalArgs {
    /// A `task.toml`: form and options, which options given here override
    #[arg(long, value_name = "FILE")]
    pub task: Option<PathBuf>,
    /// What the submission answers
    #[arg(long, value_enum, required_unless_present = "task")]
    pub form: Option<Form>,
    /// Truth: CSV or JSON, plain, gzip, zstd, zip or 7z; or Parquet
    #[arg(long, value_name = "FILE")]
    pub solution: PathBuf,
    /// Answers: CSV or JSON, plain, gzip, zstd, zip or 7z; or Parquet
    #[arg(long, value_name = "FILE")]
    pub submission: PathBuf,
    /// Folder of a manifest version to take group columns from
    #[arg(long, value_name = "DIR")]
    pub manifest: Option<PathBuf>,
    /// Column with the ids, in both files [default: found by its usual names]
    #[arg(long, value_name = "COLUMN")]
    pub id: Option<String>,
    /// Column to report by, or up to three to cross: country+method; may be repeated
    #[arg(long = "group", value_name = "COLUMN[+COLUMN]")]
    pub groups: Vec<String>,
    /// Column whose values are resampled whole (video, uploader, subject)
    #[arg(long, value_name = "COLUMN")]
    pub cluster: Option<String>,
    /// Score only rows of the solution with this usage [default: all but Ignored]
    #[arg(long, value_name = "USAGE")]
    pub usage: Option<String>,
    /// A score at or over it is called fake [default: 0.5]
    #[arg(long)]
    pub threshold: Option<f64>,
    /// Log loss clips scores to [eps, 1 - eps] [default: 1e-15]
    #[arg(long)]
    pub eps: Option<f64>,
    /// Read a truth at or over it as fake, where labels are smoothed
    #[arg(long)]
    pub truth_threshold: Option<f64>,
    /// How a video's score is made of its frames': mean, max or median [default: mean]
    #[arg(long)]
    pub pooling: Option<Pooling>,
    /// The score of a sample, frame or video that has none [default: 0.5]
    #[arg(long, value_name = "SCORE")]
    pub no_score: Option<f64>,
    /// Seed of the resampling [default: 0]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Resamples per group [default: 1000]
    #[arg(long, value_name = "N")]
    pub bootstrap: Option<u32>,
    /// Groups that rest on fewer are suppressed [default: 30]
    #[arg(long, value_name = "N")]
    pub min_n: Option<u64>,
    /// A metric to report; may be repeated [default: all of the form]
    #[arg(long = "metric", value_name = "METRIC", conflicts_with = "against")]
    pub metrics: Vec<String>,
    /// Values only: no intervals, constant answers or item results; fast
    #[arg(long, conflicts_with = "against")]
    pub values_only: bool,
    /// Leave out item_results.parquet
    #[arg(long)]
    pub no_items: bool,
    /// Kind of the bootstrap intervals [default: percentile]
    #[arg(long, value_enum)]
    pub interval: Option<Interval>,
    /// Permutations of group names that say what a gap is by chance; 0 for none [default: 1000]
    #[arg(long, value_name = "N")]
    pub permutations: Option<u32>,
    /// Column within whose values groups are compared too; may be repeated
    #[arg(long = "control", value_name = "COLUMN")]
    pub controls: Vec<String>,
    /// Weights of the mean over groups: `population` (people per country, World
    /// Bank), or a CSV of the columns of a grouping and `weight`
    #[arg(long, value_name = "population|FILE")]
    pub weights: Option<PathBuf>,
    /// Few-shot: a table whose `sample_id` names the rows of a numpy matrix
    #[arg(long, value_name = "FILE")]
    pub ids: Option<PathBuf>,
    /// Another submission to hold this one against, item by item
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Also write the defects of the files to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub defects: Option<PathBuf>,
    /// Folder of the report
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    MultiLabel,
    Detection,
    DetectionLabels,
    Recognition,
    Retrieval,
    Classification,
    FewShot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Interval {
    /// Quantiles of the resamples
    Percentile,
    /// Bias-corrected and accelerated
    Bca,
}

/// People per country, as the dataset cards have them.
fn population() -> Weights {
    let countries = Gazetteer::bundled().countries().iter();
    let known = countries.filter_map(|country| {
        let names = [&country.alpha2, &country.alpha3, &country.name];
        Some((names.map(String::as_str), country.population? as f64))
    });
    Weights::by_name("population (World Bank)", "country", known)
}

/// Codes of countries by their other names.
fn places() -> BTreeMap<String, String> {
    let countries = Gazetteer::bundled().countries().iter();
    let named = countries.flat_map(|country| {
        let names = [&country.alpha3, &country.name];
        names.map(|name| (name.clone(), country.alpha2.clone()))
    });
    named.collect()
}

impl EvalArgs {
    fn options(&self) -> Result<EvalOptions, EvalError> {
        let task = match (&self.task, self.form) {
            (Some(path), form) => {
                let mut task = read_task(path)?;
                task.form = form.map_or(task.form, Form::task_form);
                task
            }
            (None, form) => TaskToml::of_form(form.unwrap_or(Form::Detection).task_form()),
        };
        let weights = match &self.weights {
            Some(name) if name.as_os_str() == "population" => Some(population()),
            Some(path) => Some(Weights::read(path)?),
            None => None,
        };
        let (solution, submission) = (self.solution.clone(), self.submission.clone());
        let declared = EvalOptions::of_task(&task, solution, submission);
        let list = |given: &Vec<String>, declared| match given.is_empty() {
            true => declared,
            false => given.clone(),
        };
        Ok(EvalOptions {
            manifest: self.manifest.clone(),
            id: self.id.clone().or(declared.id),
            groups: match self.groups.is_empty() {
                true => declared.groups,
                false => self.groups.iter().map(|group| crossed(group)).collect(),
            },
            cluster: self.cluster.clone().or(declared.cluster),
            usage: self.usage.clone().or(declared.usage),
            threshold: self.threshold.unwrap_or(declared.threshold),
            eps: self.eps.unwrap_or(declared.eps),
            truth_threshold: self.truth_threshold.or(declared.truth_threshold),
            pooling: self.pooling.unwrap_or(declared.pooling),
            no_score: self.no_score.unwrap_or(declared.no_score),
            seed: self.seed.unwrap_or(declared.seed),
            resamples: self.bootstrap.unwrap_or(declared.resamples),
            min_n: self.min_n.unwrap_or(declared.min_n),
            metrics: self.metrics.clone(),
            values_only: self.values_only,
            no_items: self.no_items,
            bootstrap: match self.interval {
                Some(Interval::Percentile) => Bootstrap::Percentile,
                Some(Interval::Bca) => Bootstrap::Bca,
                None => declared.bootstrap,
            },
            permutations: self.permutations.unwrap_or(declared.permutations),
            controls: list(&self.controls, declared.controls),
            weights,
            ids: self.ids.clone(),
            places: places(),
            ..declared
        })
    }
}

impl Form {
    fn task_form(self) -> TaskForm {
        match self {
            Form::MultiLabel => TaskForm::MultiLabel,
            Form::Detection => TaskForm::Detection,
            Form::DetectionLabels => TaskForm::DetectionLabels,
            Form::Recognition => TaskForm::Recognition,
            Form::Retrieval => TaskForm::Retrieval,
            Form::Classification => TaskForm::Classification,
            Form::FewShot => TaskForm::FewShot,
        }
    }
}

fn read_task(path: &Path) -> Result<TaskToml, EvalError> {
    let wrong = |message: String| EvalError::Task {
        path: path.to_owned(),
        message,
    };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    TaskToml::parse(&text).map_err(|error| wrong(error.to_string()))
}

/// Evaluates, writes the report and says on `out` what it found, or the report as JSON.
pub fn run(args: &EvalArgs, as_json: bool, out: &mut impl Write) -> Result<ExitCode, EvalError> {
    // A bad path fails before the work.
    report::prepare(&args.out)?;
    let options = args.options()?;
    let (evaluation, rival) = match &args.against {
        Some(against) => {
            let (ours, rival, comparison) = compare(&options, against)?;
            if let Some(comparison) = comparison {
                report::write_comparison(&comparison, &args.out)?;
            }
            (ours, Some(rival))
        }
        None => (evaluate(&options)?, None),
    };
    report::write(&evaluation, &args.out)?;
    if let Some(path) = &args.defects {
        report::write_defects(&evaluation.report, path)?;
    }
    let said = if as_json {
        json(&evaluation.report, out)
    } else {
        summary(&evaluation.report, args, out)
    };
    said.map_err(|source| EvalError::Write {
        path: PathBuf::from("standard output"),
        source,
    })?;
    let refused = rival.is_some_and(|rival| rival.report.refused());
    Ok(if refused || evaluation.report.refused() {
        ExitCode::from(EXIT_REFUSED)
    } else {
        ExitCode::SUCCESS
    })
}

fn json(report: &Report, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}

/// Judges as a command line of `fairframe eval` would, for commands that end in a report.
pub fn judge(
    form: &str,
    solution: &Path,
    submission: &Path,
    more: &[&str],
    out: &Path,
) -> Result<(), Failure> {
    #[derive(clap::Parser)]
    struct Eval {
        #[command(flatten)]
        args: EvalArgs,
    }
    let mut line: Vec<OsString> = vec!["eval".into(), "--form".into(), form.into()];
    line.extend(["--solution".into(), solution.as_os_str().to_owned()]);
    line.extend(["--submission".into(), submission.as_os_str().to_owned()]);
    line.extend(["--out".into(), out.as_os_str().to_owned()]);
    line.extend(more.iter().map(Into::into));
    let Eval { args } = Eval::try_parse_from(line).doing("evaluate")?;
    run(&args, false, &mut std::io::stdout()).doing("evaluate")?;
    Ok(())
}

fn summary(report: &Report, args: &EvalArgs, out: &mut impl Write) -> io::Result<()> {
    for defect in &report.defects {
        let weight = if defect.fatal { "fatal" } else { "note" };
        writeln!(
            out,
            "{weight}: {}: {} ({}): {}",
            defect.file.as_str(),
            defect.kind.title(),
            defect.count,
            defect.kind.remedy()
        )?;
        if defect.fatal {
            for at in &defect.shown {
                let row = at.row.map_or(String::new(), |row| format!("row {row} "));
                let column = at.column.as_deref().unwrap_or_default();
                writeln!(out, "  {row}{column} `{}`", at.text)?;
            }
        }
    }
    if report.refused() {
        writeln!(out, "refused: nothing was scored")?;
    }
    for metric in &report.metrics {
        let estimate = &metric.overall;
        let value = match (estimate.value, estimate.interval) {
            (Some(value), Some(i)) => format!("{value:.6} ({:.6} to {:.6})", i.low, i.high),
            (Some(value), None) => format!("{value:.6}"),
            _ => "undefined".to_owned(),
        };
        writeln!(
            out,
            "{} ({}): {value}, n = {}",
            metric.metric,
            metric.level.as_str(),
            estimate.n
        )?;
    }
    writeln!(out, "report: {}", args.out.join("report.html").display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: EvalArgs,
    }

    #[test]
    fn the_arguments_are_sound_and_crossings_are_split() {
        use clap::{CommandFactory, Parser};
        Cli::command().debug_assert();
        let cli = Cli::parse_from([
            "eval",
            "--form",
            "detection",
            "--solution",
            "s",
            "--submission",
            "p",
            "--out",
            "o",
            "--group",
            "country",
            "--group",
            "method + compression",
        ]);
        let options = cli.args.options().unwrap();
        assert_eq!(options.groups[1], ["method", "compression"]);
        assert_eq!(
            (options.form, options.resamples),
            (TaskForm::Detection, 1000)
        );
    }

    #[test]
    fn a_task_declares_and_options_override() {
        use clap::Parser;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("task.toml");
        let text = "form = \"detection\"\ngroups = [\"region+method\"]\n[metric]\neps = 0.01\npooling = \"max\"\n[intervals]\nseed = 7\n";
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        let files = ["--solution", "s", "--submission", "p", "--out", "o"];
        let parse = |more: &[&str]| {
            let given = ["eval"].iter().chain(&files).chain(more);
            Cli::try_parse_from(given).map(|cli| cli.args.options())
        };
        assert!(parse(&[]).is_err(), "neither form nor task");
        let options = parse(&["--task", path, "--seed", "9"]).unwrap().unwrap();
        assert_eq!((options.form, options.eps), (TaskForm::Detection, 0.01));
        assert_eq!((options.seed, options.pooling), (9, Pooling::Max));
        assert_eq!(options.groups, [["region", "method"]]);
        std::fs::write(path, "form = \"detection\"\n[metric]\npoling = \"max\"\n").unwrap();
        let error = parse(&["--task", path]).unwrap().unwrap_err().to_string();
        assert!(error.contains("line 3, column 1"), "{error}");
        assert!(error.contains("did you mean `pooling`?"), "{error}");
    }

    #[test]
    fn people_per_country_are_bundled() {
        let weights = population();
        assert_eq!(weights.columns, ["country"]);
        assert!(weights.total() > 7e9 && weights.total() < 9e9);
    }
}

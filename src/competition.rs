//! `fairframe competition`: a folder that declares a competition, begun, tried out, taken over from
//! elsewhere.

use std::path::PathBuf;

use clap::Subcommand;
use fairframe_competitions::{
    check::{self, Checked, StageChecked, Value},
    import::{self, Imported, Said},
    prepare::Misfits,
    template,
};
use fairframe_schemas::report::TaskForm;
use fairframe_web::competitions::opening;

use crate::{
    Common,
    exit::{self, Doing, Failure},
    open::OpenArgs,
};

/// A competition's folder: `competition.toml`, pages, rules, truths, sample submissions.
#[derive(Debug, clap::Args)]
pub struct CompetitionArgs {
    #[command(subcommand)]
    command: CompetitionCommand,
}

#[derive(Debug, Subcommand)]
enum CompetitionCommand {
    /// Writes a folder to begin with, which can be opened as it is
    New {
        /// Its name in `fairframe competition templates`
        #[arg(long, value_name = "NAME")]
        template: String,
        /// A folder that is not there, or is empty
        dir: PathBuf,
    },
    /// Opens a folder on this data folder's server, to its hosts only until they publish it
    Open(OpenArgs),
    /// What there is to begin with
    Templates,
    /// Reads a folder, makes its truths ready, scores its sample submissions and the constant
    /// answers; writes nothing
    Check { dir: PathBuf },
    /// Makes a folder of another system's files, and says what does not map
    Import {
        /// `kaggle`: solution.csv and sample_submission.csv; `codabench`: competition.yaml
        #[arg(value_name = "KIND")]
        kind: Kind,
        /// A folder or zip archive
        #[arg(value_name = "IN")]
        from: PathBuf,
        /// A folder that is not there, or is empty
        dir: PathBuf,
        /// What a submission answers, where its columns do not tell
        #[arg(long, value_name = "FORM", value_parser = form)]
        form: Option<TaskForm>,
        /// What ranks, as `report.json` names it
        #[arg(long, value_name = "METRIC")]
        metric: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    Kaggle,
    Codabench,
}

fn form(text: &str) -> Result<TaskForm, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

impl CompetitionArgs {
    pub fn run(self, common: &Common) -> Result<u8, Failure> {
        match self.command {
            CompetitionCommand::New { template, dir } => new(common, &template, &dir),
            CompetitionCommand::Open(args) => args.run(common),
            CompetitionCommand::Templates => templates(common),
            CompetitionCommand::Check { dir } => {
                let checked = check::check(&dir).doing("open the competition")?;
                print(common, &checked, &words(&checked))
            }
            CompetitionCommand::Import {
                kind,
                from,
                dir,
                form,
                metric,
            } => {
                let said = Said { form, metric };
                let imported = match kind {
                    Kind::Kaggle => import::kaggle::import(&from, &dir, &said),
                    Kind::Codabench => import::codabench::import(&from, &dir, &said),
                };
                let imported = imported.doing("import the competition")?;
                let next = dir.display().to_string();
                print(common, &imported, &of_import(&imported, &next))
            }
        }
    }
}

fn print(common: &Common, found: &impl serde::Serialize, words: &str) -> Result<u8, Failure> {
    match common.json {
        true => exit::print_json(found)?,
        false => exit::print(words)?,
    }
    Ok(exit::OK)
}

fn new(common: &Common, name: &str, dir: &std::path::Path) -> Result<u8, Failure> {
    let Some(template) = template::find(name) else {
        let names: Vec<&str> = template::ALL.iter().map(|t| t.name).collect();
        let known = names.join("`, `");
        return Err(format!(
            "there is no template `{name}`; there are: `{known}`"
        ))
        .doing("begin a competition");
    };
    let seed = opening::seed().doing("draw a seed")?;
    template.write(dir, seed).doing("begin a competition")?;
    template.write_examples(dir).doing("begin a competition")?;
    let dir = dir.display();
    let mut words = format!(
        "{} is in {dir}. Put your own in the place of these examples:\n",
        template.title
    );
    for (file, form) in template.adds {
        words.push_str(&format!("  {file:<32}{form}\n"));
    }
    words.push_str(&format!(
        "Set the times in competition.toml, then: fairframe competition check {dir}\n"
    ));
    print(common, &template.adds, &words)
}

fn templates(common: &Common) -> Result<u8, Failure> {
    let all: Vec<[&str; 2]> = template::ALL.iter().map(|t| [t.name, t.about]).collect();
    let lines = all
        .iter()
        .map(|[name, title]| format!("{name:<22}{title}\n"));
    print(common, &all, &lines.collect::<String>())
}

fn words(checked: &Checked) -> String {
    let better = match checked.higher_is_better {
        true => "more",
        false => "less",
    };
    let mut text = format!(
        "{} ({}): ranked by {}, {better} is better; times in {}\n",
        checked.title, checked.competition, checked.metric, checked.timezone
    );
    for stage in &checked.stages {
        text.push_str(&of_stage(stage));
    }
    text
}

fn of_stage(stage: &StageChecked) -> String {
    let facts = &stage.facts;
    let sides = match facts.both {
        true => format!("{} public and private at once", facts.public),
        false => format!("{} public, {} private", facts.public, facts.private),
    };
    let mut text = format!(
        "\n{} ({}), {} to {}, private board from {}\n  truth      {sides}, {} ignored; {} ids are asked for\n",
        stage.title,
        stage.name,
        stage.opens,
        stage.closes,
        stage.reveals,
        facts.ignored,
        facts.asked
    );
    let mut misfit = |misfits: &Misfits, what: &str| {
        if misfits.count > 0 {
            text.push_str(&format!(
                "  note       {} {what}, such as {}\n",
                misfits.count,
                misfits.first.join(", ")
            ));
        }
    };
    misfit(&facts.without_truth, "ids that are asked for have no truth");
    misfit(
        &facts.not_asked,
        "truths are not asked for: everybody scores as unanswered there",
    );
    let mut row = |kind: &str, name: &str, value: Value| {
        let [public, private] = [value.public, value.private].map(|v| match v {
            Some(v) => format!("{v:.6}"),
            None => "undefined".to_owned(),
        });
        text.push_str(&format!(
            "  {kind:<11}{public:>10} public {private:>10} private  {name}\n"
        ));
    };
    row("sample", "the sample submission", stage.sample);
    for (name, value) in &stage.baselines {
        row("constant", name, *value);
    }
    text
}

fn of_import(imported: &Imported, dir: &str) -> String {
    let mut text = format!("{}\n\ntaken over:\n", imported.competition);
    let lines =
        |lines: &[String]| -> String { lines.iter().map(|line| format!("  {line}\n")).collect() };
    text.push_str(&lines(&imported.mapped));
    if !imported.unmapped.is_empty() {
        text.push_str("\nnot taken over, or to be looked at:\n");
        text.push_str(&lines(&imported.unmapped));
    }
    text.push_str(&format!("\nnext: fairframe competition check {dir}\n"));
    text
}

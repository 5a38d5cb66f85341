//! The command line: parses, runs, prints, exits. Computes nothing.

mod account;
mod audit;
mod backup;
mod competition;
mod compress;
mod corpus;
mod demo;
mod diff;
mod episodes;
mod eval;
mod exit;
mod export;
mod frame;
mod import;
mod ingest;
mod judge;
mod open;
mod pair;
mod progress;
mod pull;
mod recall;
mod schema;
mod serve;
mod server;
mod submit;
mod swap;
mod verify;
mod work;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

/// Image and video datasets whose every sample carries origin, licence,
/// consent and place; submissions judged by how they do for whom.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// The data folder
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "fairframe-data",
        env = "FAIRFRAME_ROOT"
    )]
    pub root: PathBuf,
    /// Print the outcome as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Progress as lines of JSON, for the server of this process id; the run ends when that does
    #[arg(
        long = "progress-lines",
        value_name = "PID",
        global = true,
        hide = true
    )]
    pub lines: Option<i32>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole way on the bundled samples
    Demo(demo::DemoArgs),
    /// Sources to a release of a dataset; continues where a killed run stopped
    Ingest(ingest::IngestArgs),
    /// Checks every digest, licence, consent and split of a release, offline
    Verify(verify::VerifyArgs),
    /// What datasets a server has
    Datasets(server::DatasetsArgs),
    /// A release and its media into a folder; goes on where a killed pull stopped
    Pull(pull::PullArgs),
    /// Removes withdrawn samples from a copy
    Recall(recall::RecallArgs),
    /// What one release changes against another
    Diff(diff::DiffArgs),
    /// The whole way from actor videos to a released corpus
    Corpus(corpus::CorpusArgs),
    /// Plans who is swapped with whom in a corpus
    Pair(pair::PairArgs),
    /// Finds, follows and cuts out the face in each video of a corpus
    Frame(frame::FrameArgs),
    /// Makes the fakes of a corpus
    Swap(swap::SwapArgs),
    /// Writes a corpus's clips, real and fake, in every quality of its ladder
    Compress(compress::CompressArgs),
    /// A released corpus as FaceForensics, DFDC or DeepfakeBench lay theirs out
    Export(export::ExportArgs),
    /// A folder of such a corpus as a table of clips
    Import(import::ImportArgs),
    /// Draws few-shot episodes and freezes them to a file
    Episodes(Box<episodes::EpisodesArgs>),
    /// Judges a submission, overall and for whom
    Eval(Box<eval::EvalArgs>),
    /// Begins, checks or imports a competition's folder
    Competition(competition::CompetitionArgs),
    /// Sends a submission to a competition on a server and waits for its score
    Submit(submit::SubmitArgs),
    /// The web interface over the data folder
    Serve(serve::ServeArgs),
    /// Scores what waits in the queue of competitions; `serve` starts its own
    Work(work::WorkArgs),
    /// A link with which the password of an account is set
    Account(account::AccountArgs),
    /// Checks or exports the server's log of who decided what
    Audit(audit::AuditArgs),
    /// Copies the server's database, also while it runs
    Backup(backup::BackupArgs),
    /// What is written down: columns, reasons, JSON Schemas
    Schema(schema::SchemaArgs),
    /// Reads submissions; started by `work`
    #[command(name = judge::WORKER, hide = true)]
    JudgeWorker,
}

fn main() -> ExitCode {
    let Cli { common, command } = Cli::parse();
    if matches!(command, Command::JudgeWorker) {
        return judge::serve_judging();
    }
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_env("FAIRFRAME_LOG"))
        .with_writer(std::io::stderr)
        .init();
    if let Some(server) = common.lines {
        end_with(server);
    }
    let result = match command {
        Command::Demo(args) => args.run(&common),
        Command::Ingest(args) => args.run(&common),
        Command::Verify(args) => args.run(&common),
        Command::Datasets(args) => args.run(&common),
        Command::Pull(args) => args.run(&common),
        Command::Recall(args) => args.run(&common),
        Command::Diff(args) => args.run(&common),
        Command::Frame(args) => args.run(&common),
        Command::Compress(args) => args.run(&common),
        Command::Corpus(args) => args.run(&common),
        Command::Pair(args) => args.run(&common),
        Command::Swap(args) => args.run(&common),
        Command::Export(args) => args.run(&common),
        Command::Import(args) => args.run(&common),
        Command::Episodes(args) => args.run(&common),
        Command::Eval(args) => {
            fairframe_web::heap::give_back();
            return eval_code(&args, common.json);
        }
        Command::Competition(args) => args.run(&common),
        Command::Submit(args) => args.run(&common),
        Command::Serve(args) => args.run(&common),
        Command::Work(args) => args.run(&common),
        Command::Account(args) => args.run(&common),
        Command::Audit(args) => args.run(&common),
        Command::Backup(args) => args.run(&common),
        Command::Schema(args) => args.run(common.json),
        Command::JudgeWorker => Ok(exit::OK),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("failed to {error}");
            ExitCode::from(exit::FAILED)
        }
    }
}

/// Lets this process be killed when its server is: a server that starts again begins the job
/// again, not beside this one.
fn end_with(server: i32) {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    let set = set_parent_process_death_signal(Some(Signal::KILL));
    // It may have been killed before that was set.
    let there = getppid().is_some_and(|parent| parent.as_raw_nonzero().get() == server);
    if set.is_err() || !there {
        std::process::exit(i32::from(exit::FAILED));
    }
}

fn eval_code(args: &eval::EvalArgs, as_json: bool) -> ExitCode {
    eval::run(args, as_json, &mut std::io::stdout()).unwrap_or_else(|error| {
        eprintln!("failed to evaluate: {error}");
        ExitCode::from(exit::FAILED)
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}

//! The command line: parses, runs, prints, exits. Computes nothing.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand, ValueEnum};
use fairframe_ingest::place::Gazetteer;
use fairframe_schemas::{Column, Reason, SourceToml, Visibility};

/// Image and video datasets whose every sample carries origin, licence, consent and place.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Checks the declared sources shipped in `datasets/`.
    Demo,
    /// Parses and checks `source.toml` files.
    Check { sources: Vec<PathBuf> },
    /// Prints what is written down.
    Schema { what: Written },
    /// Says in which country a point lies.
    Place {
        #[arg(allow_hyphen_values = true)]
        latitude: f64,
        #[arg(allow_hyphen_values = true)]
        longitude: f64,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Written {
    /// JSON Schema of `source.toml`.
    Source,
    /// The manifest's columns.
    Columns,
    /// Reason codes.
    Reasons,
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Demo => {
            let names = ["drop", "actors", "cremad", "inclusive-images"];
            check(
                names
                    .map(|n| PathBuf::from(format!("datasets/{n}/source.toml")))
                    .to_vec(),
            )
        }
        Command::Check { sources } => check(sources),
        Command::Schema { what } => schema(what),
        Command::Place {
            latitude,
            longitude,
        } => place(latitude, longitude),
    }
}

/// Exit code 1 when any of the files is wrong; each is reported.
fn check(sources: Vec<PathBuf>) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for path in sources {
        let parsed = std::fs::read_to_string(&path)
            .map_err(|e| e.to_string())
            .and_then(|text| SourceToml::parse(&text).map_err(|e| e.to_string()));
        match parsed {
            Ok(s) => println!(
                "{}: source `{}` of dataset `{}`",
                path.display(),
                s.source,
                s.dataset
            ),
            Err(error) => {
                eprintln!("failed to read {}: {error}", path.display());
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

fn schema(what: Written) -> ExitCode {
    match what {
        Written::Source => {
            let schema = SourceToml::json_schema();
            println!("{schema:#}");
        }
        Written::Columns => {
            for &column in Column::ALL {
                let null = if column.is_nullable() {
                    "null"
                } else {
                    "not null"
                };
                let seen = match column.visibility() {
                    Visibility::Public => "public",
                    Visibility::Restricted => "restricted",
                };
                println!("{}\t{}\t{null}\t{seen}", column.name(), column.arrow_type());
            }
        }
        Written::Reasons => {
            for &reason in Reason::ALL {
                println!("{}\t{}\t{}", reason.code(), reason.status(), reason.text());
            }
        }
    }
    ExitCode::SUCCESS
}

fn place(latitude: f64, longitude: f64) -> ExitCode {
    match Gazetteer::bundled().at(latitude, longitude) {
        Some(c) => {
            let or_none = |t: &Option<String>| t.clone().unwrap_or_else(|| "none".to_owned());
            println!(
                "{}\t{}\t{}\t{}",
                c.alpha2,
                c.name,
                or_none(&c.subregion),
                or_none(&c.region)
            );
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("{latitude}, {longitude}: in no country");
            ExitCode::FAILURE
        }
    }
}

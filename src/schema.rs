//! `fairframe schema`.

use clap::ValueEnum;
use fairframe_schemas::{
    Column, Reason, SourceToml, Visibility, recall::RecallList, release::Summary,
};
use schemars::schema_for;

use crate::exit::{self, Failure};

#[derive(Debug, clap::Args)]
pub struct SchemaArgs {
    what: Written,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Written {
    /// The manifest's columns
    Columns,
    /// Reason codes
    Reasons,
    /// JSON Schema of `source.toml`
    Source,
    /// JSON Schema of `task.toml`
    Task,
    /// JSON Schema of `competition.toml`
    Competition,
    /// JSON Schema of a consent record
    Consent,
    /// JSON Schema of `summary.json`
    Summary,
    /// JSON Schema of `recall.json`
    Recall,
    /// JSON Schema of a line of few-shot episodes
    Episode,
    /// JSON Schema of `report.json`
    Report,
    /// JSON Schema of `comparison.json`
    Comparison,
}

impl SchemaArgs {
    pub fn run(self, as_json: bool) -> Result<u8, Failure> {
        match self.what {
            Written::Columns => table(
                ["column", "type", "null", "visibility"],
                Column::ALL.iter().map(|column| {
                    [
                        column.name().to_owned(),
                        column.arrow_type().to_string(),
                        match column.is_nullable() {
                            true => "null".to_owned(),
                            false => "not null".to_owned(),
                        },
                        match column.visibility() {
                            Visibility::Public => "public".to_owned(),
                            Visibility::Restricted => "restricted".to_owned(),
                        },
                    ]
                }),
                as_json,
            )?,
            Written::Reasons => table(
                ["reason", "status", "text"],
                Reason::ALL
                    .iter()
                    .map(|r| [r.to_string(), r.status().to_string(), r.text().to_owned()]),
                as_json,
            )?,
            Written::Source => exit::print_json(&schema_for!(SourceToml))?,
            Written::Task => exit::print_json(&schema_for!(fairframe_schemas::TaskToml))?,
            Written::Competition => {
                exit::print_json(&schema_for!(fairframe_schemas::CompetitionToml))?
            }
            Written::Consent => {
                exit::print_json(&schema_for!(fairframe_schemas::consent::ConsentRecord))?
            }
            Written::Summary => exit::print_json(&schema_for!(Summary))?,
            Written::Episode => {
                exit::print_json(&schema_for!(fairframe_schemas::episode::Episode))?
            }
            Written::Report => exit::print_json(&schema_for!(fairframe_schemas::report::Report))?,
            Written::Comparison => {
                exit::print_json(&schema_for!(fairframe_schemas::comparison::Comparison))?
            }
            Written::Recall => exit::print_json(&schema_for!(RecallList))?,
        }
        Ok(exit::OK)
    }
}

/// Lines with tabs, or an object a row.
fn table<const N: usize>(
    names: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
    as_json: bool,
) -> Result<(), Failure> {
    if !as_json {
        return exit::print(&rows.map(|row| row.join("\t") + "\n").collect::<String>());
    }
    let object = |row: [String; N]| -> serde_json::Map<String, serde_json::Value> {
        let named = names.iter().zip(row);
        named
            .map(|(name, cell)| ((*name).to_owned(), cell.into()))
            .collect()
    };
    exit::print_json(&rows.map(object).collect::<Vec<_>>())
}

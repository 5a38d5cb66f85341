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
    pub fn run(self) -> Result<u8, Failure> {
        match self.what {
            Written::Columns => {
                let mut lines = String::new();
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
                    let (name, kind) = (column.name(), column.arrow_type());
                    lines.push_str(&format!("{name}\t{kind}\t{null}\t{seen}\n"));
                }
                exit::print(&lines)?;
            }
            Written::Reasons => {
                let line = |r: &Reason| format!("{r}\t{}\t{}\n", r.status(), r.text());
                exit::print(&Reason::ALL.iter().map(line).collect::<String>())?;
            }
            Written::Source => exit::print_json(&schema_for!(SourceToml))?,
            Written::Task => exit::print_json(&schema_for!(fairframe_schemas::TaskToml))?,
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

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
    /// JSON Schema of a consent record
    Consent,
    /// JSON Schema of `summary.json`
    Summary,
    /// JSON Schema of `recall.json`
    Recall,
}

impl SchemaArgs {
    pub fn run(self) -> Result<u8, Failure> {
        match self.what {
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
                    println!("{reason}\t{}\t{}", reason.status(), reason.text());
                }
            }
            Written::Source => exit::print_json(&schema_for!(SourceToml))?,
            Written::Consent => {
                exit::print_json(&schema_for!(fairframe_schemas::consent::ConsentRecord))?
            }
            Written::Summary => exit::print_json(&schema_for!(Summary))?,
            Written::Recall => exit::print_json(&schema_for!(RecallList))?,
        }
        Ok(exit::OK)
    }
}

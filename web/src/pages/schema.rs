//! `/datasets/{name}/{version}/schema`: every column, what it means, how full it is.

use arrow_schema::DataType;
use askama::Template;
use axum::{
    extract::{Path, State},
    response::Html,
};
use fairframe_ingest::croissant;
use fairframe_schemas::{
    DatasetVersion, Name,
    text::{count, percent},
};

use crate::{
    App,
    api::shapes::{type_words, unit},
    catalog, columns,
    error::{AppError, page},
};

#[derive(Template)]
#[template(path = "schema.html")]
struct Schema {
    dataset: Name,
    version: DatasetVersion,
    title: String,
    rows: u64,
    columns: Vec<Line>,
}

struct Line {
    name: &'static str,
    kind: String,
    unit: Option<&'static str>,
    meaning: &'static str,
    /// Of the samples; empty where none is without.
    without: String,
    /// Percent of a bar that is full.
    full: u64,
}

pub async fn schema(
    State(app): State<App>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Html<String>, AppError> {
    let release = catalog::release(&app.layout, &name, &version)?;
    let filled = columns::of(&release).await?;
    let rows = filled.rows;
    let columns = filled.columns.into_iter().map(|(column, without)| Line {
        name: column.name(),
        kind: match column.arrow_type() {
            kind @ DataType::List(_) => type_words(&kind),
            kind if column.is_nullable() => format!("{}, optional", type_words(&kind)),
            kind => type_words(&kind),
        },
        unit: unit(column),
        meaning: croissant::meaning(column),
        without: match without {
            0 => "–".to_owned(),
            n => percent(n, rows),
        },
        full: 100 * (rows - without.min(rows)) / rows.max(1),
    });
    page(&Schema {
        title: release.summary()?.title().to_owned(),
        columns: columns.collect(),
        dataset: release.dataset,
        version: release.version,
        rows,
    })
}

impl Schema {
    fn all(&self) -> String {
        count(self.rows)
    }
}

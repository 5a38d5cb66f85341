//! `/datasets/{name}/{version}/preview`: rows of the Parquet files as a table.

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Html,
};
use fairframe_ingest::manifest::ReleaseReader;
use fairframe_schemas::{Column, DatasetVersion, Name};
use serde_json::Value;

use super::filters;
use crate::{
    App,
    access::Who,
    api::shapes,
    browse::{self, Facet, nearest},
    catalog,
    error::{AppError, page},
    terms,
    viewer::Looking,
};

/// Rows of one page.
const PER_PAGE: u64 = 20;

/// Characters of a cell.
const CELL: usize = 160;

/// What is shown unless it is chosen.
const USUAL: [Column; 8] = [
    Column::SampleId,
    Column::Title,
    Column::Creator,
    Column::Licence,
    Column::Country,
    Column::CapturedAt,
    Column::Labels,
    Column::Split,
];

#[derive(Template)]
#[template(path = "preview.html")]
struct Preview {
    dataset: Name,
    version: DatasetVersion,
    title: String,
    /// Every column, and whether it is shown.
    choices: Vec<(&'static str, bool)>,
    columns: Vec<Column>,
    rows: Vec<Row>,
    total: u64,
    first: u64,
    last: u64,
    before: Option<String>,
    after: Option<String>,
}

struct Row {
    href: String,
    /// In the order of the columns; none of a sample that was withdrawn.
    cells: Option<Vec<String>>,
}

/// The text of a cell.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(cell).collect();
            items.join(", ")
        }
        Value::Object(fields) => match fields.get("label") {
            Some(label) => cell(label),
            None => value.to_string(),
        },
        other => other.to_string(),
    };
    let mut short: String = text.chars().take(CELL).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn chosen(pairs: &[(String, String)]) -> Result<Vec<Column>, AppError> {
    let mut chosen = Vec::new();
    for (key, value) in pairs {
        if key != "column" && key != "page" {
            let short: String = key.chars().take(60).collect();
            return Err(AppError::Invalid(format!("`{short}` means nothing here.")));
        }
        if key != "column" || value.is_empty() {
            continue;
        }
        let column = Column::public().find(|c| c.name() == value);
        let column = column.ok_or_else(|| {
            let near = nearest(value, Column::public().map(Column::name));
            let near = near.map_or(String::new(), |n| format!(" Did you mean `{n}`?"));
            let short: String = value.chars().take(60).collect();
            AppError::Invalid(format!("`{short}` is no column.{near}"))
        })?;
        if !chosen.contains(&column) {
            chosen.push(column);
        }
    }
    Ok(match chosen.is_empty() {
        true => USUAL.to_vec(),
        false => chosen,
    })
}

pub async fn preview(
    State(app): State<App>,
    who: Who,
    Path((name, version)): Path<(String, String)>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Html<String>, AppError> {
    let release = catalog::release(&app.layout, &name, &version)?;
    let columns = chosen(&pairs)?;
    let asked = pairs
        .iter()
        .rfind(|(key, v)| key == "page" && !v.is_empty());
    let number = asked.map_or(Ok(1), |(_, page)| page.parse::<u64>());
    let number = number.ok().filter(|n| *n > 0);
    let number = number.ok_or(AppError::NotFound("page of rows"))?;
    terms::must_be_accepted(&app, &who, &release.dataset).await?;
    let title = release.summary()?.title().to_owned();
    let looking = Looking::at(&app, &who, release).await?;
    let total = u64::from(looking.index.accepted());
    let first = (number - 1).saturating_mul(PER_PAGE);
    if first >= total.max(1) {
        return Err(AppError::NotFound("page of rows"));
    }
    let folder = looking.release.folder.clone();
    let read = move || ReleaseReader::open(&folder)?.slice(first, PER_PAGE);
    let read = tokio::task::spawn_blocking(read).await;
    let read = read.map_err(AppError::internal)?;
    let samples = read.map_err(AppError::internal)?;
    let view = looking.view();
    let (dataset, version) = (&looking.release.dataset, looking.release.version);
    let base = format!("/datasets/{dataset}/{version}");
    let mut rows = Vec::new();
    for sample in &samples {
        let row = view.find(&sample.sample_id);
        let is_there =
            row.is_some_and(|row| !row.is_withdrawn() && !row.word(Facet::Status).is_empty());
        let cells = match is_there {
            false => None,
            true => {
                let all = shapes::row(sample, dataset.as_str(), &version.to_string())?;
                let cells = columns
                    .iter()
                    .map(|c| all.get(c.name()).map_or_else(String::new, cell));
                Some(cells.collect())
            }
        };
        rows.push(Row {
            href: format!("{base}/samples/{}", sample.sample_id),
            cells,
        });
    }
    let chosen_ones = pairs.iter().filter(|(key, _)| key == "column");
    let link = |number: u64| {
        let mut query: Vec<(String, String)> = chosen_ones.clone().cloned().collect();
        query.push(("page".to_owned(), number.to_string()));
        format!("{base}/preview?{}", browse::query(&query))
    };
    let last = first + rows.len() as u64;
    page(&Preview {
        choices: Column::public()
            .map(|c| (c.name(), columns.contains(&c)))
            .collect(),
        before: (number > 1).then(|| link(number - 1)),
        after: (last < total).then(|| link(number + 1)),
        first: if total == 0 { 0 } else { first + 1 },
        dataset: dataset.clone(),
        version,
        title,
        columns,
        rows,
        total,
        last,
    })
}

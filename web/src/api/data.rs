//! Datasets, their releases, columns and recall lists.

use arrow_schema::DataType;
use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use fairframe_ingest::croissant;
use fairframe_schemas::{RecallEntry, Timestamp};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    params::{self, Versioned},
    shapes,
};
use crate::{
    App,
    access::Who,
    catalog::{self, Dataset},
    columns,
    error::{AppError, Problems},
    pages::dataset::files,
    terms,
};

/// A dataset and its versions.
#[derive(Serialize, ToSchema)]
pub struct DatasetItem {
    name: String,
    title: String,
    description: Option<String>,
    /// The newest version.
    latest: String,
    /// Newest first.
    versions: Vec<String>,
    /// Accepted samples of the newest version.
    accepted: u64,
    /// The page of the dataset.
    page: String,
}

#[derive(Serialize, ToSchema)]
pub struct Datasets {
    items: Vec<DatasetItem>,
}

fn item(app: &App, dataset: Dataset) -> Result<DatasetItem, AppError> {
    let latest = dataset.latest().to_string();
    let release = catalog::release(&app.layout, dataset.name.as_str(), &latest)?;
    let summary = release.summary()?;
    Ok(DatasetItem {
        title: summary.title().to_owned(),
        accepted: summary.counts.accepted(),
        page: format!("/datasets/{}", dataset.name),
        versions: dataset.versions.iter().map(|v| v.to_string()).collect(),
        description: summary.about.description,
        name: dataset.name.to_string(),
        latest,
    })
}

/// Every dataset
#[utoipa::path(get, path = "/datasets", tag = "Datasets",
    responses((status = 200, description = "By name", body = Datasets), Problems))]
pub async fn datasets(State(app): State<App>) -> Result<Json<Datasets>, AppError> {
    let all = catalog::datasets(&app.layout).map_err(AppError::internal)?;
    let mut items = Vec::new();
    for dataset in all {
        let name = dataset.name.clone();
        match item(&app, dataset) {
            Ok(item) => items.push(item),
            // One unreadable release must not hide the others.
            Err(error) => tracing::error!(dataset = %name, %error, "release passed over"),
        }
    }
    Ok(Json(Datasets { items }))
}

/// One dataset
#[utoipa::path(get, path = "/datasets/{name}", tag = "Datasets",
    params(("name" = String, Path, description = "Name of a dataset")),
    responses((status = 200, description = "The dataset", body = DatasetItem), Problems))]
pub async fn dataset(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<DatasetItem>, AppError> {
    let dataset = params::dataset(&app, &name)?;
    Ok(Json(item(&app, dataset)?))
}

/// A file of a release.
#[derive(Serialize, ToSchema)]
pub struct FileItem {
    name: String,
    bytes: u64,
    sha256: String,
    about: &'static str,
    /// Where it is downloaded; ranges are answered.
    href: String,
}

/// Terms to accept before downloading.
#[derive(Serialize, ToSchema)]
pub struct TermsItem {
    text: String,
    /// Whether who asks has accepted them, or need not.
    accepted: bool,
    /// Where a person accepts them.
    page: String,
}

/// A release.
#[derive(Serialize, ToSchema)]
pub struct ReleaseItem {
    dataset: String,
    version: String,
    previous: Option<String>,
    /// What it changes against `previous`: none, patch, minor or major.
    #[schema(value_type = String)]
    change: fairframe_schemas::version::Change,
    /// The moment consents and withdrawals were judged at.
    #[schema(value_type = String, format = DateTime)]
    as_of: Timestamp,
    is_latest: bool,
    files: Vec<FileItem>,
    /// None where the dataset is open to everybody.
    terms: Option<TermsItem>,
    /// `summary.json` of the release: what it says of itself, with all counts.
    #[schema(value_type = Object)]
    summary: Value,
}

/// A release: what it says of itself, its files with sizes and sha256
#[utoipa::path(get, path = "/datasets/{name}/versions/{version}", tag = "Datasets",
    params(
        Versioned,
    ),
    responses((status = 200, description = "The release", body = ReleaseItem), Problems))]
pub async fn release(
    State(app): State<App>,
    who: Who,
    Path(Versioned { name, version }): Path<Versioned>,
) -> Result<Json<ReleaseItem>, AppError> {
    let release = params::release(&app, &name, &version)?;
    let summary = release.summary()?;
    let dataset = params::dataset(&app, &name)?;
    let base = format!("/data/{}/{}", release.dataset, release.version);
    let files = files(&release)?.into_iter().map(|file| FileItem {
        href: format!("{base}/{}", file.name),
        name: file.name,
        bytes: file.bytes,
        sha256: file.sha256,
        about: file.about,
    });
    let standing = terms::of(&app, &who, &release.dataset).await?;
    Ok(Json(ReleaseItem {
        dataset: release.dataset.to_string(),
        version: release.version.to_string(),
        previous: summary.previous.map(|v| v.to_string()),
        change: summary.change,
        as_of: summary.as_of,
        is_latest: dataset.latest() == release.version,
        files: files.collect(),
        terms: standing.map(|(terms, accepted)| TermsItem {
            page: terms::page(&terms.dataset),
            text: terms.text,
            accepted,
        }),
        summary: serde_json::to_value(&summary).map_err(AppError::internal)?,
    }))
}

/// A column of the Parquet files.
#[derive(Serialize, ToSchema)]
pub struct ColumnItem {
    name: String,
    /// In Arrow's words.
    arrow_type: String,
    /// For people.
    r#type: String,
    unit: Option<&'static str>,
    meaning: &'static str,
    /// Whether a sample may be without; lists are then empty.
    optional: bool,
    /// Accepted samples without it.
    without: u64,
}

#[derive(Serialize, ToSchema)]
pub struct SchemaItem {
    /// Accepted samples.
    rows: u64,
    columns: Vec<ColumnItem>,
}

/// The columns of a release: type, unit, meaning, how many samples are without
#[utoipa::path(get, path = "/datasets/{name}/versions/{version}/schema", tag = "Datasets",
    params(
        Versioned,
    ),
    responses((status = 200, description = "In the order of the files", body = SchemaItem), Problems))]
pub async fn schema(
    State(app): State<App>,
    Path(Versioned { name, version }): Path<Versioned>,
) -> Result<Json<SchemaItem>, AppError> {
    let release = params::release(&app, &name, &version)?;
    let filled = columns::of(&release).await?;
    let columns = filled.columns.into_iter().map(|(column, without)| {
        let kind = column.arrow_type();
        ColumnItem {
            name: column.name().to_owned(),
            arrow_type: kind.to_string(),
            r#type: shapes::type_words(&kind),
            unit: shapes::unit(column),
            meaning: croissant::meaning(column),
            optional: column.is_nullable() || matches!(kind, DataType::List(_)),
            without,
        }
    });
    Ok(Json(SchemaItem {
        columns: columns.collect(),
        rows: filled.rows,
    }))
}

/// A sample that copies must let go.
#[derive(Serialize, ToSchema)]
pub struct RecallItem {
    sample_id: String,
    /// None where no bytes were known.
    media_sha256: Option<String>,
    /// A reason code.
    reason: String,
    /// The first version without it.
    withdrawn_in: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

#[derive(Serialize, ToSchema)]
pub struct Recalls {
    dataset: String,
    /// How many releases withdrew something.
    recall_version: u64,
    items: Vec<RecallItem>,
}

/// Everything that was ever withdrawn: what copies of any version follow
#[utoipa::path(get, path = "/datasets/{name}/recalls", tag = "Datasets",
    params(("name" = String, Path, description = "Name of a dataset")),
    responses((status = 200, description = "By sample", body = Recalls), Problems))]
pub async fn recalls(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Response, AppError> {
    let dataset = params::dataset(&app, &name)?;
    let list = dataset.recalls(&app.layout)?;
    let item = |e: RecallEntry| RecallItem {
        sample_id: e.sample_id.to_string(),
        media_sha256: e.media_sha256.map(|d| d.to_string()),
        reason: e.reason.code().to_owned(),
        withdrawn_in: e.withdrawn_in.to_string(),
        at: e.at,
    };
    Ok(Json(Recalls {
        dataset: list.dataset.to_string(),
        recall_version: list.recall_version,
        items: list.entries.into_iter().map(item).collect(),
    })
    .into_response())
}

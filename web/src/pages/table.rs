//! Tables to download.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use fairframe_competitions::table::Table;

use super::download;
use crate::error::AppError;

/// A table as a file: `csv` or `parquet`.
///
/// # Errors
/// [`AppError::NotFound`] for another form.
pub fn sent(table: &Table, name: &str, form: &str) -> Result<Response, AppError> {
    let (kind, bytes) = match form {
        "csv" => ("text/csv; charset=utf-8", table.to_csv()),
        "parquet" => {
            let bytes = table.to_parquet().map_err(AppError::internal)?;
            ("application/vnd.apache.parquet", bytes)
        }
        _ => return Err(AppError::NotFound("table")),
    };
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            download(&format!("{name}.{form}")),
        ),
    ];
    Ok((headers, bytes).into_response())
}

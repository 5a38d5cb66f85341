//! A report on disk: `report.json`, `report.html`, `groups.parquet`,
//! `disparities.parquet` and `item_results.parquet`.

mod brief;
mod by_group;
mod comparison;
mod curves;
mod html;
mod map;
mod pivot;
mod plot;
mod tables;
mod text;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fairframe_schemas::report::{Defect, Report};

use crate::evaluate::{EvalError, Evaluation};

/// Makes the output folder, so that a bad path fails before the long work.
pub fn prepare(folder: &Path) -> Result<(), EvalError> {
    fs::create_dir_all(folder).map_err(|source| EvalError::Write {
        path: folder.to_owned(),
        source,
    })
}

/// Writes the five files, or four where no results by item were asked for; each is
/// whole or not there.
pub fn write(evaluation: &Evaluation, folder: &Path) -> Result<Vec<PathBuf>, EvalError> {
    prepare(folder)?;
    let form_error = |name: &str, message: String| EvalError::WriteForm {
        path: folder.join(name),
        message,
    };
    let (items, groups) = ("item_results.parquet", "groups.parquet");
    let gaps = "disparities.parquet";
    let mut json = serde_json::to_vec_pretty(&evaluation.report)
        .map_err(|error| form_error("report.json", error.to_string()))?;
    json.push(b'\n');
    let files = [
        (
            items,
            match evaluation.item_results {
                false => Vec::new(),
                true => tables::item_results(evaluation)
                    .map_err(|e| form_error(items, e.to_string()))?,
            },
        ),
        (
            groups,
            tables::groups(&evaluation.report).map_err(|e| form_error(groups, e.to_string()))?,
        ),
        (
            gaps,
            tables::disparities(&evaluation.report).map_err(|e| form_error(gaps, e.to_string()))?,
        ),
        ("report.json", json),
        (
            "report.html",
            html::page(&evaluation.report)
                .map_err(|e| form_error("report.html", e.to_string()))?
                .into_bytes(),
        ),
    ];
    let mut written = Vec::new();
    for (name, bytes) in files {
        if bytes.is_empty() {
            continue;
        }
        let path = folder.join(name);
        write_whole(&path, &bytes).map_err(|source| EvalError::Write {
            path: path.clone(),
            source,
        })?;
        written.push(path);
    }
    Ok(written)
}

/// What is wrong with the files, for machines: whether they were refused, and
/// every kind of defect with its count and first places.
pub fn write_defects(report: &Report, path: &Path) -> Result<(), EvalError> {
    #[derive(serde::Serialize)]
    struct Found<'a> {
        refused: bool,
        defects: &'a [Defect],
    }
    let found = Found {
        refused: report.refused(),
        defects: &report.defects,
    };
    let json = serde_json::to_vec_pretty(&found).map_err(io::Error::from);
    let written = json.and_then(|mut json| {
        json.push(b'\n');
        write_whole(path, &json)
    });
    written.map_err(|source| EvalError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Temporary name, fsync, rename, fsync of the folder.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let partial = path.with_file_name(name);
    let mut file = fs::File::create(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&partial, path)?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => fs::File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

pub use brief::{Brief, Headline, brief};
pub use comparison::{comparison_page, write_comparison};
pub use html::page;

//! Reports in the data folder: `reports/<name>/` with the files of [`FILES`].

use std::{fs, io, path::Path, time::UNIX_EPOCH};

use fairframe_eval::report::{Brief, brief};
use fairframe_schemas::{Layout, Name};

use crate::catalog;

/// The files a report may have; no other is served.
pub const FILES: [&str; 5] = [
    "report.html",
    "report.json",
    "groups.parquet",
    "disparities.parquet",
    "item_results.parquet",
];

/// A report that exists.
pub struct Report {
    pub name: Name,
    /// The files it has, in the order of [`FILES`].
    pub files: Vec<ReportFile>,
    /// What it says on top; none where `report.json` cannot be read.
    pub brief: Option<Brief>,
}

/// A file of a report.
pub struct ReportFile {
    pub name: &'static str,
    pub bytes: u64,
}

impl ReportFile {
    /// What it is.
    pub fn about(&self) -> &'static str {
        match self.name {
            "report.html" => "the report, to read",
            "report.json" => "the same, for programs",
            "groups.parquet" => "every group's figures with n and interval",
            "disparities.parquet" => "how far groups stand apart, and what of that is chance",
            _ => "every item's result, to regroup without a rerun",
        }
    }
}

impl Report {
    /// Whether there is something to read.
    pub fn has_page(&self) -> bool {
        self.files.iter().any(|f| f.name == FILES[0])
    }
}

/// All reports, by name.
pub fn reports(layout: &Layout) -> io::Result<Vec<Report>> {
    let entries = match fs::read_dir(layout.reports()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut out = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        if let Some(name) = name.to_str().and_then(|n| Name::new(n).ok())
            && let Some(report) = report(layout, name)
        {
            out.push(report);
        }
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(out)
}

/// One report; none without a single file.
pub fn report(layout: &Layout, name: Name) -> Option<Report> {
    let folder = layout.reports().join(name.as_str());
    let files: Vec<ReportFile> = FILES
        .into_iter()
        .filter_map(|name| {
            let data = fs::symlink_metadata(folder.join(name)).ok()?;
            let bytes = data.len();
            data.is_file().then_some(ReportFile { name, bytes })
        })
        .collect();
    let brief = files
        .iter()
        .find(|f| f.name == FILES[1])
        .and_then(|f| catalog::read_text(&folder.join(f.name)).ok())
        .and_then(|text| serde_json::from_str(&text).ok())
        .map(|report| brief(&report));
    (!files.is_empty()).then_some(Report { name, files, brief })
}

/// A validator from size and time: reports are replaced as a whole, by renaming.
pub fn tag(path: &Path) -> Option<String> {
    let data = fs::symlink_metadata(path).ok()?;
    let written = data.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    data.is_file()
        .then(|| format!("{:x}-{:x}", data.len(), written.as_nanos()))
}

//! Which reports were made with some samples, as far as their files tell.

use std::{collections::BTreeSet, fs::File, path::Path};

use arrow_array::{Array, StringArray};
use fairframe_schemas::{Layout, SampleId};
use parquet::arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder};

use crate::{error::AppError, reports};

/// The column of a report's items that names them.
const ITEM: &str = "item_id";

/// What reports tell of.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Uses {
    /// Names of reports that scored one of the samples.
    pub reports: Vec<String>,
    /// Reports that name none of their items, or whose items cannot be read.
    pub untold: u64,
    /// All reports.
    pub all: u64,
}

/// Looks through the items of every report.
pub fn of(layout: &Layout, samples: &BTreeSet<SampleId>) -> Result<Uses, AppError> {
    let mut uses = Uses::default();
    for report in reports::reports(layout).map_err(AppError::internal)? {
        uses.all += 1;
        let folder = layout.reports().join(report.name.as_str());
        match scored(&folder.join("item_results.parquet"), samples) {
            Some(true) => uses.reports.push(report.name.to_string()),
            Some(false) => {}
            None => uses.untold += 1,
        }
    }
    Ok(uses)
}

/// Whether a report's items are of these samples; none where that cannot be read, or where no
/// item is named by the id of a sample.
fn scored(path: &Path, samples: &BTreeSet<SampleId>) -> Option<bool> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).ok()?).ok()?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), [ITEM]);
    let mut named = false;
    for batch in builder.with_projection(mask).build().ok()? {
        let batch = batch.ok()?;
        let items = batch.column_by_name(ITEM)?;
        let items = items.as_any().downcast_ref::<StringArray>()?;
        for item in items.iter().flatten() {
            if let Ok(id) = item.parse::<SampleId>() {
                named = true;
                if samples.contains(&id) {
                    return Some(true);
                }
            }
        }
    }
    named.then_some(false)
}

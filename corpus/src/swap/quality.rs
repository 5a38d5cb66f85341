//! `quality.parquet`: rows to columns.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt64Array};
use fairframe_schemas::corpus::{QualityColumn, QualityRow};
use parquet::{
    arrow::ArrowWriter, basic::Compression, errors::ParquetError,
    file::properties::WriterProperties,
};

/// The file's bytes: the same rows give the same.
pub fn table(rows: &[QualityRow]) -> Result<Vec<u8>, ParquetError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), QualityColumn::schema(), Some(properties))?;
    let arrays = QualityColumn::ALL.iter().map(|c| array(*c, rows)).collect();
    writer.write(&RecordBatch::try_new(QualityColumn::schema(), arrays)?)?;
    writer.into_inner()
}

fn array(column: QualityColumn, rows: &[QualityRow]) -> ArrayRef {
    let counts = |get: &dyn Fn(&QualityRow) -> Option<u64>| -> ArrayRef {
        Arc::new(rows.iter().map(get).collect::<UInt64Array>())
    };
    let numbers = |get: &dyn Fn(&QualityRow) -> Option<f64>| -> ArrayRef {
        Arc::new(rows.iter().map(get).collect::<Float64Array>())
    };
    match column {
        QualityColumn::Frame => counts(&|r| Some(r.frame)),
        QualityColumn::TimeS => numbers(&|r| Some(r.time_s)),
        QualityColumn::Swapped => {
            let flags = rows.iter().map(|r| Some(r.reason.is_none()));
            Arc::new(flags.collect::<BooleanArray>())
        }
        QualityColumn::Reason => {
            let codes = rows.iter().map(|r| r.reason.map(|r| r.code()));
            Arc::new(codes.collect::<StringArray>())
        }
        QualityColumn::SourceFrame => counts(&|r| r.source_frame),
        QualityColumn::PoseGapDeg => numbers(&|r| r.pose_gap_deg),
        QualityColumn::HiddenShare => numbers(&|r| r.hidden_share),
        QualityColumn::LandmarkError => numbers(&|r| r.landmark_error),
        QualityColumn::SeamEnergy => numbers(&|r| r.seam_energy),
        QualityColumn::Sharpness => numbers(&|r| r.sharpness),
        QualityColumn::ColourDifference => numbers(&|r| r.colour_difference),
        QualityColumn::MaskShare => numbers(&|r| Some(r.mask_share)),
        QualityColumn::Flicker => numbers(&|r| r.flicker),
    }
}

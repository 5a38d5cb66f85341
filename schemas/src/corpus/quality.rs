//! `quality.parquet`: how each frame of a fake came out.

use arrow_schema::DataType;

use super::table::table;
use crate::Reason;

/// The file of a fake's folder that holds a row a frame.
pub const QUALITY: &str = "quality.parquet";

table! {
    /// A column of `quality.parquet`.
    QualityColumn {
        Frame "frame" always DataType::UInt64;
        TimeS "time_s" always DataType::Float64;
        Swapped "swapped" always DataType::Boolean;
        Reason "reason" null DataType::Utf8;
        SourceFrame "source_frame" null DataType::UInt64;
        PoseGapDeg "pose_gap_deg" null DataType::Float64;
        HiddenShare "hidden_share" null DataType::Float64;
        LandmarkError "landmark_error" null DataType::Float64;
        SeamEnergy "seam_energy" null DataType::Float64;
        Sharpness "sharpness" null DataType::Float64;
        ColourDifference "colour_difference" null DataType::Float64;
        MaskShare "mask_share" always DataType::Float64;
        Flicker "flicker" null DataType::Float64;
    }
}

/// One frame of a fake.
#[derive(Debug, Clone, PartialEq)]
pub struct QualityRow {
    /// Of the target's frames, from 0.
    pub frame: u64,
    pub time_s: f64,
    /// Why the target's pixels were kept; none where the face was replaced.
    pub reason: Option<Reason>,
    /// The source's frame whose face weighs most. External methods need not tell.
    pub source_frame: Option<u64>,
    /// Degrees between the two heads.
    pub pose_gap_deg: Option<f64>,
    /// Share of the face that something hides.
    pub hidden_share: Option<f64>,
    /// Mean distance of the landmarks found again in the fake from the target's, in distances
    /// of the eyes. What was measured of a frame that was then given up is kept here, too.
    pub landmark_error: Option<f64>,
    /// Mean gradient along the border of the mask, over the target's at the same places: 1
    /// where the border does not show.
    pub seam_energy: Option<f64>,
    /// Mean Laplacian where the mask is full, over the target's there: below 1 the fake is the
    /// softer one.
    pub sharpness: Option<f64>,
    /// Mean difference of the colours within the mask from the target's, in levels of 255.
    pub colour_difference: Option<f64>,
    /// Share of the picture that was replaced, weighed by how strongly.
    pub mask_share: f64,
    /// Mean change since the frame before within both masks, over the target's; none where
    /// one of the two was not swapped.
    pub flicker: Option<f64>,
}

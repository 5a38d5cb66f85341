//! `frames.parquet`: a row for every frame that was looked at, with its face or the reason why
//! there is none.

use arrow_schema::DataType;
use serde::{Deserialize, Serialize};

use super::table::table;
use crate::{Reason, column::list_item};

/// The file of a clip's folder that holds its frames.
pub const FRAMES: &str = "frames.parquet";
/// The folder beside it that holds its crops.
pub const CROPS: &str = "crops";
/// The video of its crops, where there is one.
pub const FRAMED: &str = "framed.mkv";
/// What a person looks at.
pub const SHEET: &str = "sheet.jpg";

table! {
    /// A column of `frames.parquet`. Positions are pixels of the frame as shown.
    FrameColumn {
        Frame "frame" always DataType::UInt64;
        TimeS "time_s" always DataType::Float64;
        Faces "faces" always DataType::UInt32;
        Track "track" null DataType::UInt32;
        Detection "detection" null DataType::Float32;
        Score "score" null DataType::Float32;
        Bounds "bounds" null floats();
        Points "points" null floats();
        Landmarks "landmarks" null floats();
        Yaw "yaw" null DataType::Float32;
        Pitch "pitch" null DataType::Float32;
        Roll "roll" null DataType::Float32;
        Sharpness "sharpness" null DataType::Float32;
        CropFrom "crop_from" null floats();
        Padded "padded" null DataType::Boolean;
        Crop "crop" null DataType::Utf8;
        Reason "reason" null DataType::Utf8;
    }
}

fn floats() -> DataType {
    DataType::List(list_item(DataType::Float32))
}

/// One frame that was looked at.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FrameRow {
    /// Among all frames of the clip, from 0.
    pub frame: u64,
    /// Seconds after the first frame.
    pub time_s: f64,
    /// Faces seen in it, whosever they are.
    pub faces: u32,
    /// The face that is followed: the same number, the same face. All rows with a face have
    /// the subject's; `None` where it is not to be seen.
    pub track: Option<u32>,
    /// Score of the detector, in frames where it looked.
    pub detection: Option<f32>,
    /// Score of the mesh.
    pub score: Option<f32>,
    /// Box of the mesh as measured: x, y, width, height.
    pub bounds: Option<Vec<f32>>,
    /// Right eye, left eye (the person's), tip of the nose, right and left corner of the
    /// mouth: x, y each.
    pub points: Option<Vec<f32>>,
    /// 468 points: x, y, z each; z has the same scale, smaller is nearer.
    pub landmarks: Option<Vec<f32>>,
    /// Degrees, positive towards the picture's right.
    pub yaw: Option<f32>,
    /// Degrees, positive downwards.
    pub pitch: Option<f32>,
    /// Degrees, positive clockwise.
    pub roll: Option<f32>,
    /// Variance of the Laplacian of the face's box at 160 x 160 pixels; smaller is more
    /// blurred.
    pub sharpness: Option<f32>,
    /// From positions in the crop to the frame: a, b, c, d, e, f of (ax + by + c, dx + ey + f).
    pub crop_from: Option<Vec<f32>>,
    /// The crop reaches beyond the frame, whose edge goes on.
    pub padded: Option<bool>,
    /// The crop's file, below the clip's folder.
    pub crop: Option<String>,
    /// Why there is no crop.
    pub reason: Option<Reason>,
}

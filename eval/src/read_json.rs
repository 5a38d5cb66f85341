//! Per-frame JSON, as detectors write it: `{"probs": {video: [[p], ...]},
//! "targets": {video: [[t], ...]}}`. Frames are told apart by position only.

use std::fmt;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::read::{JsonPart, Limits, ReadError, Table, Texts, Values};

/// A JSON object in the order it is written, repeated keys included.
struct Pairs(Vec<(String, Vec<Frame>)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of videos")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Pairs, M::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor)
    }
}

/// `p` or `[p]`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Frame {
    Bare(f64),
    Listed([f64; 1]),
}

#[derive(Deserialize)]
struct WithProbs {
    probs: Pairs,
    #[serde(default, rename = "targets")]
    _targets: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct WithTargets {
    targets: Pairs,
    #[serde(default, rename = "probs")]
    _probs: Option<IgnoredAny>,
}

/// Reads one part to a table of `video_id`, `frame` (position from 0) and
/// `score` or `label`; a row is a frame, counted from 1.
pub(crate) fn read_table(
    path: &Path,
    reader: impl Read,
    limits: &Limits,
    part: JsonPart,
) -> Result<Table, ReadError> {
    let mut bytes = Vec::new();
    reader
        .take(limits.json_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| ReadError::Io {
            path: path.to_owned(),
            source,
        })?;
    if bytes.len() as u64 > limits.json_bytes {
        return Err(ReadError::TooLarge {
            path: path.to_owned(),
            limit: limits.json_bytes,
            what: "bytes of JSON",
        });
    }
    let bytes = bytes
        .strip_prefix(&[0xef, 0xbb, 0xbf][..])
        .unwrap_or(&bytes);
    let json_error = |error: serde_json::Error| ReadError::Json {
        path: path.to_owned(),
        message: error.to_string(),
        part: match part {
            JsonPart::Probs => "probs",
            JsonPart::Targets => "targets",
        },
    };
    let (pairs, value_name) = match part {
        JsonPart::Probs => {
            let file: WithProbs = serde_json::from_slice(bytes).map_err(json_error)?;
            (file.probs.0, "score")
        }
        JsonPart::Targets => {
            let file: WithTargets = serde_json::from_slice(bytes).map_err(json_error)?;
            (file.targets.0, "label")
        }
    };
    let mut ids = Texts::default();
    let mut frames = Texts::default();
    let mut values = Vec::new();
    for (video, scores) in &pairs {
        for (position, frame) in scores.iter().enumerate() {
            ids.push(video);
            frames.push(&position.to_string());
            values.push(match frame {
                Frame::Bare(value) | Frame::Listed([value]) => *value,
            });
        }
    }
    Ok(Table {
        names: vec!["video_id".into(), "frame".into(), value_name.into()],
        rows: (1..=values.len() as u64).collect(),
        columns: vec![
            Values::Text(ids),
            Values::Text(frames),
            Values::Number(values),
        ],
        defects: Vec::new(),
        positional_frames: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, part: JsonPart) -> Result<Table, ReadError> {
        read_table(
            Path::new("x.json"),
            text.as_bytes(),
            &Limits::default(),
            part,
        )
    }

    #[test]
    fn both_parts_are_read_from_one_file() {
        let text = r#"{"probs":{"v":[[0.1],0.2]},"targets":{"v":[[1],[1]]}}"#;
        let probs = read(text, JsonPart::Probs).unwrap();
        assert_eq!(probs.columns[2].number(1), Some(0.2));
        assert_eq!(probs.columns[1].text(1), "1");
        let targets = read(text, JsonPart::Targets).unwrap();
        assert_eq!(targets.columns[2].number(0), Some(1.0));
    }

    #[test]
    fn other_json_is_refused_with_the_form_expected() {
        for text in [
            r#"{"a":1}"#,
            r#"{"probs":[1]}"#,
            r#"{"probs":{"v":[[NaN]]}}"#,
            r#"{"probs":{"v":[["x"]]}}"#,
            r#"{"probs":{"v":[[1,2]]}}"#,
            r#"{"probs":{"v":"#,
        ] {
            let error = read(text, JsonPart::Probs).unwrap_err().to_string();
            assert!(error.contains("expected {\"probs\""), "{error}");
        }
    }
}

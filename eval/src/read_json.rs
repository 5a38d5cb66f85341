//! JSON: per-frame scores, as detectors write them, `{"probs": {video: [[p],
//! ...]}, "targets": {video: [[t], ...]}}`, where frames are told apart by
//! position only; one object of ids, `{"0000.png": "real"}`; and few-shot
//! episodes, one object a line.

use std::fmt;
use std::io::Read;
use std::marker::PhantomData;
use std::path::Path;

use fairframe_schemas::Column;
use fairframe_schemas::episode::{
    CLASS, DATASET, EPISODE, Episode, HELD_OUT, QUERY, ROLE, SUPPORT,
};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::read::{JsonPart, Limits, Lines, Numbers, ReadError, Table, Texts, Values};
use crate::read_csv::io_error;

/// A JSON object in the order it is written, repeated keys included.
struct Pairs<T>(Vec<(String, T)>);

/// Frames by video.
type Videos = Pairs<Vec<Frame>>;

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for PairsVisitor<T> {
            type Value = Pairs<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Pairs<T>, M::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor(PhantomData))
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
    probs: Videos,
    #[serde(default, rename = "targets")]
    _targets: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct WithTargets {
    targets: Videos,
    #[serde(default, rename = "probs")]
    _probs: Option<IgnoredAny>,
}

/// What is said of an id.
#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Text(String),
    Number(serde_json::Number),
    Flag(bool),
    Nothing(()),
    List(Vec<Said>),
}

impl Said {
    /// As a cell: a list's parts are separated by spaces.
    fn text(&self) -> String {
        match self {
            Said::Text(text) => text.clone(),
            Said::Number(number) => number.to_string(),
            Said::Flag(flag) => flag.to_string(),
            Said::Nothing(()) => String::new(),
            Said::List(list) => list.iter().map(Said::text).collect::<Vec<_>>().join(" "),
        }
    }
}

/// Reads what is wanted to a table: `video_id`, `frame` (position from 0) and
/// `score` or `label`, a row a frame; or `id` and one more column, a row an
/// id. Rows are counted from 1.
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
        .map_err(|source| io_error(path, source))?;
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
        expected: match part {
            JsonPart::Probs => "{\"probs\": {\"video\": [[number], ...]}}",
            JsonPart::Targets => "{\"targets\": {\"video\": [[number], ...]}}",
            JsonPart::Pairs(_) => "{\"id\": \"answer\", ...}",
            JsonPart::Episodes => {
                "{\"dataset\": ..., \"held_out\": ..., \"episode\": ..., \"support\": ..., \"query\": ...}, one a line"
            }
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
        JsonPart::Pairs(name) => {
            let pairs: Pairs<Said> = serde_json::from_slice(bytes).map_err(json_error)?;
            return Ok(said_of(pairs, name));
        }
        JsonPart::Episodes => {
            let episodes = serde_json::Deserializer::from_slice(bytes).into_iter();
            return episodes_of(episodes).map_err(json_error);
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
        lines: Lines::first(values.len()),
        columns: vec![
            Values::Text(ids),
            Values::Text(frames),
            Values::Number(Numbers::narrowed(values)),
        ],
        positional_frames: true,
        ..Table::default()
    })
}

fn said_of(pairs: Pairs<Said>, name: &str) -> Table {
    let (mut ids, mut values) = (Texts::default(), Texts::default());
    for (id, said) in &pairs.0 {
        ids.push(id);
        values.push(&said.text());
    }
    Table {
        names: vec!["id".into(), name.into()],
        lines: Lines::first(ids.len()),
        columns: vec![Values::Text(ids), Values::Text(values)],
        ..Table::default()
    }
}

/// The rows that the table of these episodes has.
fn episodes_of(
    episodes: impl Iterator<Item = serde_json::Result<Episode>>,
) -> serde_json::Result<Table> {
    let names = [
        DATASET,
        HELD_OUT,
        EPISODE,
        CLASS,
        ROLE,
        Column::SampleId.name(),
    ];
    let mut columns = names.map(|_| Texts::default());
    let mut lines = Lines::default();
    for (line, episode) in (1..).zip(episodes) {
        let episode = episode?;
        let (held_out, number) = (episode.held_out.to_string(), episode.episode.to_string());
        for (role, side) in [(SUPPORT, &episode.support), (QUERY, &episode.query)] {
            for (class, ids) in side {
                for id in ids {
                    let cells = [
                        episode.dataset.as_str(),
                        &held_out,
                        &number,
                        class,
                        role,
                        id,
                    ];
                    for (column, cell) in columns.iter_mut().zip(cells) {
                        column.push(cell);
                    }
                    lines.push(line);
                }
            }
        }
    }
    Ok(Table {
        names: names.map(str::to_owned).into(),
        columns: columns.map(Values::Text).into(),
        lines,
        ..Table::default()
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
            assert!(error.contains("write {\"probs\""), "{error}");
        }
    }

    #[test]
    fn one_object_of_ids_is_a_table_repeats_included() {
        let text = r#"{"a":"real","b":["x","y"],"c":1.5,"a":null,"d":true}"#;
        let table = read(text, JsonPart::Pairs("label")).unwrap();
        assert_eq!(table.names, ["id", "label"]);
        let cell = |row| (table.columns[0].text(row), table.columns[1].text(row));
        let cells: Vec<_> = (0..5).map(cell).collect();
        let wanted = [
            ("a", "real"),
            ("b", "x y"),
            ("c", "1.5"),
            ("a", ""),
            ("d", "true"),
        ];
        assert_eq!(cells, wanted.map(|(a, b)| (a.into(), b.into())));
        for text in [r#"{"a":{"b":1}}"#, "[1]", r#"{"a""#] {
            assert!(read(text, JsonPart::Pairs("label")).is_err());
        }
    }

    #[test]
    fn episodes_are_the_rows_of_their_table() {
        let line = r#"{"dataset":"d","held_out":true,"episode":0,"support":{"b":["1"]},"query":{"b":["2","3"]}}"#;
        let table = read(&format!("{line}\n{line}\n"), JsonPart::Episodes).unwrap();
        let lines: Vec<u64> = (0..table.len()).map(|row| table.line(row)).collect();
        assert_eq!(lines, [1, 1, 1, 2, 2, 2]);
        let cells: Vec<_> = table.columns.iter().map(|c| c.text(2)).collect();
        assert_eq!(cells, ["d", "true", "0", "b", "query", "3"]);
        let cut = read(&line[..40], JsonPart::Episodes)
            .unwrap_err()
            .to_string();
        assert!(cut.contains("one a line"), "{cut}");
    }
}

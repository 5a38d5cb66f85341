//! Recorded answers of Wikimedia Commons (`tests/data/wikimedia`), for tests.

use std::path::Path;

use serde_json::{Map, Value};

/// Hands over every `extmetadata` in them, with its file's name.
pub fn extmetadata(mut each: impl FnMut(&Path, &Map<String, Value>)) {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/wikimedia");
    let mut files = Vec::new();
    let mut folders = vec![recorded];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "json") {
                files.push(path);
            }
        }
    }
    files.sort();
    for file in files {
        let value: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let mut values = vec![&value];
        while let Some(value) = values.pop() {
            match value {
                Value::Object(map) => {
                    if let Some(Value::Object(fields)) = map.get("extmetadata") {
                        each(&file, fields);
                    }
                    values.extend(map.values());
                }
                Value::Array(items) => values.extend(items),
                _ => {}
            }
        }
    }
}

//! The shared folder of real input, for tests. It is named by the environment
//! variable `FAIRFRAME_SHARED`, else `../shared` beside the workspace.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// The folder, or `None` with a plain word that the test is skipped.
pub fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("FAIRFRAME_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    if folder.join("data").is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: {} is not there", folder.display());
    None
}

/// Hands over every `extmetadata` of the recorded Wikimedia answers, with its file's name.
pub fn extmetadata(mut each: impl FnMut(&Path, &Map<String, Value>)) {
    let Some(folder) = folder() else { return };
    let mut files = Vec::new();
    let mut folders = vec![folder.join("data/wikimedia")];
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

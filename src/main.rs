//! Checks `source.toml` files: those named, or the ones shipped in `datasets/`.

use std::process::ExitCode;

use fairframe_schemas::SourceToml;

fn main() -> ExitCode {
    let mut paths: Vec<String> = std::env::args().skip(1).collect();
    if paths.is_empty() {
        paths = ["drop", "actors", "cremad", "inclusive-images"]
            .map(|name| format!("datasets/{name}/source.toml"))
            .to_vec();
    }
    let mut code = ExitCode::SUCCESS;
    for path in paths {
        let parsed = std::fs::read_to_string(&path)
            .map_err(|e| e.to_string())
            .and_then(|text| SourceToml::parse(&text).map_err(|e| e.to_string()));
        match parsed {
            Ok(s) => println!("{path}: source `{}` of dataset `{}`", s.source, s.dataset),
            Err(error) => {
                eprintln!("failed to read {path}: {error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

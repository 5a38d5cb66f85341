//! The files that a definition names.

use std::{
    fs,
    path::{Component, Path},
};

use fairframe_schemas::CompetitionToml;

use super::{Defects, MAX_PAGE, MAX_PAGES, MAX_TITLE, read};

/// Whether a name stays within the folder.
pub(crate) fn stays_within(file: &str) -> bool {
    let path = Path::new(file);
    !file.is_empty()
        && !file.contains(['\\', '\0'])
        && path.components().all(|c| matches!(c, Component::Normal(_)))
}

/// Looks for what a definition names: files within its folder, that are no links.
pub(super) fn files(toml: &CompetitionToml, folder: &Path, defects: &mut Defects) {
    let mut look = |key: String, file: &str, text: bool| {
        if !stays_within(file) {
            let problem = format!("`{file}` leaves the folder; name a file within it");
            return defects.add(key, problem);
        }
        // A link on the way leads out as well.
        let mut path = folder.to_owned();
        for part in Path::new(file).components() {
            path.push(part);
            match fs::symlink_metadata(&path) {
                Ok(facts) if facts.is_symlink() => {
                    let problem = format!("`{file}` is a link; put the file itself there");
                    return defects.add(key, problem);
                }
                Ok(_) => {}
                Err(error) => {
                    return defects.add(key, format!("`{file}` cannot be read: {error}"));
                }
            }
        }
        if !path.is_file() {
            defects.add(key, format!("`{file}` is no file"));
        } else if text && let Err(error) = read(&path, MAX_PAGE) {
            defects.add(key, format!("`{file}` cannot be read: {error}"));
        }
    };
    for (at, stage) in toml.stages.iter().enumerate() {
        look(format!("stage[{at}].solution"), &stage.solution, false);
        let key = format!("stage[{at}].sample_submission");
        look(key, &stage.sample_submission, false);
    }
    for (at, page) in toml.pages.iter().enumerate() {
        look(format!("page[{at}].file"), &page.file, true);
    }
    if let Some(rules) = &toml.rules {
        look("rules.file".to_owned(), &rules.file, true);
        if rules.version.trim().is_empty() || rules.version.len() > MAX_TITLE {
            defects.add("rules.version", "name the version, such as `2026-01`");
        }
    }
    if toml.pages.len() > MAX_PAGES {
        defects.add("page", format!("declare at most {MAX_PAGES}"));
    }
    for (at, page) in toml.pages.iter().enumerate() {
        if toml.pages[..at].iter().any(|p| p.name == page.name) {
            let problem = format!("another page is called `{}`; names differ", page.name);
            defects.add(format!("page[{at}].name"), problem);
        }
    }
}

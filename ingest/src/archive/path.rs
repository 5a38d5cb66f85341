//! Names of members: always relative, always forward, never out of the drop.

/// Longest name in bytes.
pub const MAX_NAME: usize = 1024;
/// Longest part between two slashes in bytes.
pub const MAX_PART: usize = 255;
/// Most folders below one another.
pub const MAX_DEPTH: usize = 32;

/// Why a name cannot be that of a file in a drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    #[error("is empty")]
    Empty,
    #[error("is longer than {MAX_NAME} bytes, or a part of it than {MAX_PART}")]
    TooLong,
    #[error("stands more than {MAX_DEPTH} folders deep")]
    TooDeep,
    #[error("is absolute")]
    Absolute,
    #[error("leaves the drop with `..`")]
    Parent,
    #[error("has a backslash; use `/` between folders")]
    Backslash,
    #[error("has a control character")]
    Control,
    #[error("is not UTF-8")]
    NotUtf8,
}

/// The canonical form of a relative name: `./a//b` becomes `a/b`.
///
/// What comes back has no empty part, no `.`, no `..`, no backslash, no
/// control character and no leading slash or drive letter, so joining it to a
/// folder stays below that folder (links apart: see [`super::folder`]).
pub fn canonical(name: &str) -> Result<String, NameProblem> {
    if name.len() > MAX_NAME {
        return Err(NameProblem::TooLong);
    }
    if name.chars().any(char::is_control) {
        return Err(NameProblem::Control);
    }
    if name.contains('\\') {
        return Err(NameProblem::Backslash);
    }
    if name.starts_with('/') {
        return Err(NameProblem::Absolute);
    }
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(NameProblem::Parent),
            long if long.len() > MAX_PART => return Err(NameProblem::TooLong),
            part => parts.push(part),
        }
    }
    // Also where it was hidden: `./a:` is `a:`.
    let drive = parts.first().copied().unwrap_or_default().as_bytes();
    if drive.len() >= 2 && drive[0].is_ascii_alphabetic() && drive[1] == b':' {
        return Err(NameProblem::Absolute);
    }
    match parts.len() {
        0 => Err(NameProblem::Empty),
        n if n > MAX_DEPTH => Err(NameProblem::TooDeep),
        _ => Ok(parts.join("/")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_names_are_refused() {
        for (name, problem) in [
            ("", NameProblem::Empty),
            ("./.", NameProblem::Empty),
            ("/etc/passwd", NameProblem::Absolute),
            ("C:/x.jpg", NameProblem::Absolute),
            ("../x.jpg", NameProblem::Parent),
            ("a/../../x.jpg", NameProblem::Parent),
            ("a\\b.jpg", NameProblem::Backslash),
            ("a\0.jpg", NameProblem::Control),
            ("a\n.jpg", NameProblem::Control),
            (&"a".repeat(2000), NameProblem::TooLong),
            (&"a".repeat(300), NameProblem::TooLong),
            (&"a/".repeat(40), NameProblem::TooDeep),
        ] {
            assert_eq!(canonical(name), Err(problem), "{name:?}");
        }
        assert_eq!(canonical("./a:"), Err(NameProblem::Absolute));
        assert_eq!(canonical("./a//b.jpg").unwrap(), "a/b.jpg");
        assert_eq!(canonical("médias/日本.jpg").unwrap(), "médias/日本.jpg");
        assert_eq!(canonical("..a/b..").unwrap(), "..a/b..");
    }

    proptest! {
        #[test]
        fn a_canonical_name_stays_below(name in r"[a-c./\\:\x00 é]{0,24}") {
            if let Ok(good) = canonical(&name) {
                prop_assert!(Path::new(&good).components().all(|c| matches!(c, Component::Normal(_))));
                prop_assert_eq!(canonical(&good).unwrap(), good);
            }
        }
    }
}

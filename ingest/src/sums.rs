//! `SHA256SUMS`: the files of a release and their digests.

use std::collections::HashSet;

use fairframe_schemas::Digest;

/// The file with the digests of all others.
pub const SUMS: &str = "SHA256SUMS";

/// Largest `SHA256SUMS` read, in bytes.
pub const MAX_SUMS: u64 = 4 << 20;

/// Most files of a release.
pub const MAX_FILES: usize = 10_000;

/// A file as `SHA256SUMS` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SumsLine {
    pub name: String,
    pub sha256: Digest,
}

/// Why a list is not relied on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SumsError {
    #[error("line {line}: `{text}` is not `<sha256>  <name>`")]
    Line { line: usize, text: String },
    #[error(
        "line {line}: `{name}` is no name of a release file: letters, digits, `.`, `-` and `_`, at most 128, no dot in front"
    )]
    Name { line: usize, name: String },
    #[error("line {line}: `{name}` is named twice")]
    Twice { line: usize, name: String },
    #[error("more than {MAX_FILES} files are named")]
    TooMany,
}

/// Lines `digest  name`. A name that could leave the folder spoils the whole list.
pub fn parse(text: &str) -> Result<Vec<SumsLine>, SumsError> {
    let mut names = HashSet::new();
    let mut out = Vec::new();
    for (index, whole) in text.lines().enumerate() {
        let line = index + 1;
        let shown = |text: &str| text.chars().take(120).collect::<String>();
        if out.len() == MAX_FILES {
            return Err(SumsError::TooMany);
        }
        let parts = whole.split_once("  ");
        let (sha256, name) = parts
            .and_then(|(digest, name)| Some((digest.parse().ok()?, name)))
            .ok_or_else(|| SumsError::Line {
                line,
                text: shown(whole),
            })?;
        if !is_plain(name) {
            let name = shown(name);
            return Err(SumsError::Name { line, name });
        }
        // Case is folded: some file systems hold only one of the two.
        if !names.insert(name.to_ascii_lowercase()) {
            let name = name.to_owned();
            return Err(SumsError::Twice { line, name });
        }
        out.push(SumsLine {
            name: name.to_owned(),
            sha256,
        });
    }
    Ok(out)
}

fn is_plain(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    (1..=128).contains(&name.len())
        && !name.starts_with('.')
        && !name.eq_ignore_ascii_case(SUMS)
        && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_folder_spoil_the_list() {
        let digest = Digest::of(b"").to_string();
        let sums = parse(&format!("{digest}  part-00000.parquet\n")).unwrap();
        assert_eq!(sums[0].name, "part-00000.parquet");
        let long = "a".repeat(129);
        for name in [
            "../x",
            "/etc/passwd",
            "a/b",
            ".hidden",
            "..",
            "",
            "a\\b",
            "a\u{0}",
            " a",
            "SHA256SUMS",
            &long,
        ] {
            let found = parse(&format!("{digest}  {name}\n"));
            assert!(matches!(found, Err(SumsError::Name { .. })), "{name}");
        }
        assert!(matches!(parse("abc  x"), Err(SumsError::Line { .. })));
        let twice = parse(&format!("{digest}  a\n{digest}  A\n"));
        assert!(matches!(twice, Err(SumsError::Twice { line: 2, .. })));
    }

    #[test]
    fn the_number_of_files_is_bounded() {
        let digest = Digest::of(b"").to_string();
        let lines = |n| (0..n).map(|i| format!("{digest}  f{i}\n"));
        assert!(parse(&lines(MAX_FILES).collect::<String>()).is_ok());
        let many = parse(&lines(MAX_FILES + 1).collect::<String>());
        assert_eq!(many, Err(SumsError::TooMany));
    }
}

//! File names that say who and what is shown: `{subject}__{scene}`.

/// Longest pattern in bytes, and most placeholders.
const MAX_PATTERN: usize = 200;
const MAX_WORDS: usize = 16;

/// Words that name a person shown.
pub const PEOPLE: [&str; 3] = ["subject", "target", "source"];

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("is longer than {MAX_PATTERN} bytes or has more than {MAX_WORDS} placeholders")]
    TooLong,
    #[error("has a `{{` without `}}`, or a `}}` without `{{`")]
    Unclosed,
    #[error("has the placeholder `{{{0}}}`; use lower-case letters and `_`")]
    Word(String),
    #[error("has `{{{0}}}` twice")]
    Twice(String),
    #[error(
        "has two placeholders with nothing between them, so that nobody knows where the first ends"
    )]
    Adjacent,
    #[error("has a `/`; it is matched against the file name without folder and ending")]
    Slash,
    #[error("names nobody: use `{{subject}}`, or `{{target}}` and `{{source}}`")]
    Nobody,
}

/// A compiled pattern: a literal, then placeholders each followed by a literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    start: String,
    words: Vec<(String, String)>,
}

impl Pattern {
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_PATTERN {
            return Err(PatternError::TooLong);
        }
        if text.contains('/') {
            return Err(PatternError::Slash);
        }
        let mut parts = text.split('{');
        let start = parts.next().unwrap_or_default().to_owned();
        if start.contains('}') {
            return Err(PatternError::Unclosed);
        }
        let mut words: Vec<(String, String)> = Vec::new();
        for part in parts {
            let (word, literal) = part.split_once('}').ok_or(PatternError::Unclosed)?;
            if literal.contains('}') {
                return Err(PatternError::Unclosed);
            }
            if word.is_empty() || !word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
                return Err(PatternError::Word(word.to_owned()));
            }
            if words.iter().any(|(w, _)| w == word) {
                return Err(PatternError::Twice(word.to_owned()));
            }
            if words.last().is_some_and(|(_, before)| before.is_empty()) {
                return Err(PatternError::Adjacent);
            }
            words.push((word.to_owned(), literal.to_owned()));
        }
        if words.len() > MAX_WORDS {
            return Err(PatternError::TooLong);
        }
        if !words.iter().any(|(w, _)| PEOPLE.contains(&w.as_str())) {
            return Err(PatternError::Nobody);
        }
        Ok(Self { start, words })
    }

    /// The placeholders' values in a file name without folder and ending, in
    /// order; `None` where it does not fit. Each placeholder takes at least one
    /// character and ends at the first place where the literal after it stands;
    /// the last one takes the rest. Linear in the name: nothing backtracks.
    pub fn read<'a>(&self, name: &'a str) -> Option<Vec<(&str, &'a str)>> {
        let mut rest = name.strip_prefix(self.start.as_str())?;
        let mut values = Vec::with_capacity(self.words.len());
        for (i, (word, literal)) in self.words.iter().enumerate() {
            let value = if i + 1 == self.words.len() {
                let value = rest.strip_suffix(literal.as_str())?;
                rest = "";
                value
            } else {
                let first = rest.chars().next()?.len_utf8();
                let at = first + rest[first..].find(literal.as_str())?;
                let value = &rest[..at];
                rest = &rest[at + literal.len()..];
                value
            };
            if value.is_empty() {
                return None;
            }
            values.push((word.as_str(), value));
        }
        Some(values)
    }

    /// The name that these values give: [`Self::read`] backwards.
    #[cfg(test)]
    fn write(&self, values: &[&str]) -> String {
        let mut name = self.start.clone();
        for ((_, literal), value) in self.words.iter().zip(values) {
            name.push_str(value);
            name.push_str(literal);
        }
        name
    }
}

/// A file name without folder and ending.
pub fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read<'a>(pattern: &str, name: &'a str) -> Option<Vec<&'a str>> {
        let pattern = Pattern::new(pattern).unwrap();
        Some(pattern.read(name)?.into_iter().map(|(_, v)| v).collect())
    }

    #[test]
    fn real_names() {
        let dfd = "{subject}__{scene}";
        assert_eq!(
            read(dfd, "01__exit_phone_room").unwrap(),
            ["01", "exit_phone_room"]
        );
        let swap = "{target}_{source}__{scene}__{code}";
        assert_eq!(
            read(swap, "01_02__exit_phone_room__YVGY8LOK").unwrap(),
            ["01", "02", "exit_phone_room", "YVGY8LOK"]
        );
        let cremad = "{subject}_{sentence}_{emotion}_{level}";
        assert_eq!(
            read(cremad, "1001_DFA_ANG_XX").unwrap(),
            ["1001", "DFA", "ANG", "XX"]
        );
        for (pattern, name) in [
            (dfd, "01_exit"),
            (dfd, "__exit"),
            (dfd, "01__"),
            (swap, "01__x__y"),
            (cremad, "1001_DFA_ANG"),
        ] {
            assert_eq!(read(pattern, name), None, "{name}");
        }
        assert_eq!(read("take-{subject}-end", "take-a-end").unwrap(), ["a"]);
        assert_eq!(stem("VideoFlash/1001_DFA_ANG_XX.flv"), "1001_DFA_ANG_XX");
    }

    #[test]
    fn what_is_no_pattern() {
        for (text, error) in [
            ("{subject}{scene}", PatternError::Adjacent),
            ("{subject", PatternError::Unclosed),
            ("subject}", PatternError::Unclosed),
            ("{subject}_{Scene}", PatternError::Word("Scene".to_owned())),
            ("{subject}_{}", PatternError::Word(String::new())),
            (
                "{subject}_{subject}",
                PatternError::Twice("subject".to_owned()),
            ),
            ("{scene}", PatternError::Nobody),
            ("", PatternError::Nobody),
            ("a/{subject}", PatternError::Slash),
            (&"x".repeat(201), PatternError::TooLong),
        ] {
            assert_eq!(Pattern::new(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_writes_the_name(pattern in "[a_]{0,2}(\\{(subject|scene|take)\\}[a_]{0,2}){1,3}", name in "[ab_é]{0,12}") {
            if let Ok(pattern) = Pattern::new(&pattern)
                && let Some(values) = pattern.read(&name)
            {
                let values: Vec<_> = values.into_iter().map(|(_, v)| v).collect();
                prop_assert_eq!(pattern.write(&values), name);
            }
        }

        #[test]
        fn any_text_is_a_pattern_or_an_error(text in "\\PC{0,40}") {
            let _ = Pattern::new(&text);
        }
    }
}

//! Texts with numbers: each text once, in order of first appearance.

use std::collections::HashMap;

use ahash::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// Numbers for texts, from 0 up.
#[derive(Debug, Clone, Default)]
pub struct Names {
    bytes: String,
    ends: Vec<usize>,
    codes: HashTable<u32>,
    hasher: RandomState,
    /// The code given in turn last.
    last: u32,
}

impl Names {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn get(&self, code: u32) -> &str {
        get(&self.bytes, &self.ends, code)
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len() as u32).map(|code| self.get(code))
    }

    /// The number of a text that is known.
    pub fn find(&self, text: &str) -> Option<u32> {
        let text = text.as_bytes();
        let is_it = |code: &u32| raw(&self.bytes, &self.ends, *code) == text;
        self.codes.find(self.hasher.hash_one(text), is_it).copied()
    }

    /// As [`Names::code`], and faster where texts come in the order in which
    /// they were numbered, or again and again.
    pub fn code_in_turn(&mut self, text: &str) -> u32 {
        let mut guesses = [self.last, self.last.wrapping_add(1)].into_iter();
        let is_it = |guess: &u32| {
            (*guess as usize) < self.len()
                && raw(&self.bytes, &self.ends, *guess) == text.as_bytes()
        };
        self.last = match guesses.find(is_it) {
            Some(guess) => guess,
            None => self.code(text),
        };
        self.last
    }

    /// The number of a text, a new one if it is not known.
    pub fn code(&mut self, text: &str) -> u32 {
        let Self {
            bytes,
            ends,
            codes,
            hasher,
            ..
        } = self;
        let entry = codes.entry(
            hasher.hash_one(text.as_bytes()),
            |code| raw(bytes, ends, *code) == text.as_bytes(),
            |code| hasher.hash_one(raw(bytes, ends, *code)),
        );
        match entry {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(free) => {
                let code = ends.len() as u32;
                free.insert(code);
                bytes.push_str(text);
                ends.push(bytes.len());
                code
            }
        }
    }

    /// Makes room for so many more, so that the table grows once.
    pub fn reserve(&mut self, more: usize) {
        let Self {
            bytes,
            ends,
            codes,
            hasher,
            ..
        } = self;
        ends.reserve(more);
        codes.reserve(more, |code| hasher.hash_one(raw(bytes, ends, *code)));
    }
}

#[inline]
fn get<'a>(bytes: &'a str, ends: &[usize], code: u32) -> &'a str {
    &bytes[span(ends, code)]
}

/// As bytes: comparing and hashing need not know where letters end.
#[inline]
fn raw<'a>(bytes: &'a str, ends: &[usize], code: u32) -> &'a [u8] {
    &bytes.as_bytes()[span(ends, code)]
}

#[inline]
fn span(ends: &[usize], code: u32) -> std::ops::Range<usize> {
    let at = code as usize;
    let start = if at == 0 { 0 } else { ends[at - 1] };
    start..ends[at]
}

/// The words of a text, as `split_whitespace` has them; much faster where only
/// spaces part them.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    let plain = text.bytes().all(|byte| (b' '..0x7f).contains(&byte));
    let spaces = memchr::memchr_iter(b' ', text.as_bytes());
    let mut start = 0;
    let between = spaces.chain([text.len()]).map(move |end| {
        let word = &text[start..end];
        start = end + 1;
        word
    });
    let simple = plain.then(|| between.filter(|word| !word.is_empty()));
    let other = (!plain).then(|| text.split_whitespace());
    simple
        .into_iter()
        .flatten()
        .chain(other.into_iter().flatten())
}

/// Rows without gaps, renumbered: a number for each distinct key, in order of
/// first appearance.
pub fn renumbered(keys: impl ExactSizeIterator<Item = u64>) -> (Vec<u32>, Vec<u64>) {
    let mut known: HashMap<u64, u32, RandomState> = HashMap::default();
    let mut distinct: Vec<u64> = Vec::new();
    let mut codes = Vec::with_capacity(keys.len());
    let mut last = None;
    for key in keys {
        let code = match last {
            Some((same, code)) if same == key => code,
            _ => *known.entry(key).or_insert_with(|| {
                distinct.push(key);
                distinct.len() as u32 - 1
            }),
        };
        last = Some((key, code));
        codes.push(code);
    }
    (codes, distinct)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_numbered_as_they_come_and_found_again() {
        let mut names = Names::default();
        let texts = ["b", "", "a", "b", "", "c", "a", "c"];
        let codes: Vec<u32> = texts.iter().map(|text| names.code(text)).collect();
        assert_eq!(codes, [0, 1, 2, 0, 1, 3, 2, 3]);
        assert_eq!(names.iter().collect::<Vec<_>>(), ["b", "", "a", "c"]);
        assert_eq!((names.find("c"), names.find("d")), (Some(3), None));
        for (text, code) in [("b", 0), ("", 1), ("c", 3), ("c", 3), ("d", 4)] {
            assert_eq!(names.code_in_turn(text), code);
        }
        assert_eq!(renumbered([7, 7, 3, 7].into_iter()).0, [0, 0, 1, 0]);
    }

    #[test]
    fn words_are_those_of_split_whitespace() {
        for text in ["", " ", "a", " a  bc d ", "a\tb c", "é ü", "a\u{a0}b c"] {
            let split: Vec<&str> = text.split_whitespace().collect();
            assert_eq!(words(text).collect::<Vec<_>>(), split, "{text:?}");
        }
    }

    #[test]
    fn a_hundred_thousand_names_stay_apart() {
        let mut names = Names::default();
        names.reserve(10);
        for _ in 0..2 {
            for at in 0..100_000u32 {
                assert_eq!(names.code(&format!("x{at}")), at);
            }
        }
        assert_eq!(names.len(), 100_000);
    }
}

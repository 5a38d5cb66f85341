//! Columns of words: each word kept once, each row a number.

use std::collections::{HashMap, HashSet};

/// Sorted words. Code 0 is the empty word, which says that there is none.
#[derive(Debug, Default)]
pub struct Words {
    text: String,
    /// Where each word ends in `text`.
    ends: Vec<u32>,
}

impl Words {
    /// Of any words in any order, once or more often.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let distinct: HashSet<&str> = words.into_iter().chain([""]).collect();
        let mut words: Vec<&str> = distinct.into_iter().collect();
        words.sort_unstable();
        let mut out = Words::default();
        for word in words {
            out.text.push_str(word);
            out.ends.push(out.text.len() as u32);
        }
        out.text.shrink_to_fit();
        out.ends.shrink_to_fit();
        out
    }

    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// The word of a code; empty beyond the last one.
    pub fn get(&self, code: u32) -> &str {
        let at = code as usize;
        let start = at.checked_sub(1).map_or(0, |before| self.end(before));
        self.text.get(start..self.end(at)).unwrap_or_default()
    }

    fn end(&self, at: usize) -> usize {
        let last = self.text.len();
        self.ends.get(at).map_or(last, |end| *end as usize)
    }

    pub fn code(&self, word: &str) -> Option<u32> {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle as u32) < word {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low < self.count() && self.get(low as u32) == word).then_some(low as u32)
    }

    /// The code of each word, for many to be looked up.
    pub fn codes(&self) -> HashMap<&str, u32> {
        self.iter().zip(0..).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.count()).map(|code| self.get(code as u32))
    }

    pub fn bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * 4
    }
}

/// The codes of some rows.
#[derive(Debug)]
pub enum Codes {
    /// One a row, of at most 256 words.
    Byte(Vec<u8>),
    /// One a row.
    Wide(Vec<u32>),
    /// Any number a row: those of row `i` end at `ends[i]`.
    Many { ends: Vec<u32>, codes: Vec<u32> },
}

impl Codes {
    /// Calls `each` with the codes of a row: 0 where there is none.
    #[inline]
    pub fn each(&self, row: usize, mut each: impl FnMut(u32)) {
        match self {
            Codes::Byte(codes) => each(u32::from(codes[row])),
            Codes::Wide(codes) => each(codes[row]),
            Codes::Many { ends, codes } => {
                let of_row = many(ends, codes, row);
                if of_row.is_empty() {
                    each(0);
                }
                of_row.iter().copied().for_each(each);
            }
        }
    }

    pub fn bytes(&self) -> usize {
        match self {
            Codes::Byte(codes) => codes.capacity(),
            Codes::Wide(codes) => codes.capacity() * 4,
            Codes::Many { ends, codes } => (ends.capacity() + codes.capacity()) * 4,
        }
    }
}

pub(super) fn many<'a>(ends: &[u32], codes: &'a [u32], row: usize) -> &'a [u32] {
    let start = row.checked_sub(1).map_or(0, |before| ends[before]);
    &codes[start as usize..ends[row] as usize]
}

/// One text a row, in one piece.
#[derive(Debug, Default)]
pub struct Texts {
    pub text: String,
    pub ends: Vec<u32>,
}

impl Texts {
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.end_row();
    }

    pub fn end_row(&mut self) {
        self.ends.push(self.text.len() as u32);
    }

    pub fn start(&self, row: usize) -> usize {
        row.checked_sub(1).map_or(0, |b| self.ends[b] as usize)
    }

    pub fn get(&self, row: usize) -> &str {
        let range = self.start(row)..self.ends[row] as usize;
        self.text.get(range).unwrap_or_default()
    }

    pub fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    pub fn bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_codes_in_their_order() {
        let words = Words::new(vec!["b", "a", "", "b", "é"]);
        assert_eq!(words.iter().collect::<Vec<_>>(), ["", "a", "b", "é"]);
        for (code, word) in words.iter().enumerate() {
            assert_eq!(words.code(word), Some(code as u32));
            assert_eq!(words.get(code as u32), word);
        }
        assert_eq!(words.code("c"), None);
        assert_eq!(words.get(99), "");
        assert_eq!(words.codes()["é"], 3);
        assert_eq!(Words::new([]).code(""), Some(0));
    }
}

//! Texts with numbers: each text once, in order of first appearance.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use ahash::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rayon::prelude::*;

/// A text as two words and a length: a short one whole, so that nothing else
/// is looked at to tell it from others; of a long one its hash.
type Key = (u64, u64, u32);

/// A name's key and number, in as few bytes as can be.
type Known = (u64, u64, u32, u32);

/// Bytes of the longest text that its key holds whole.
const SHORT: usize = 16;

#[inline]
fn key(text: &[u8], hasher: &RandomState) -> Key {
    let word = |at: usize| {
        text[at..]
            .first_chunk()
            .map(|eight| u64::from_le_bytes(*eight))
    };
    let half = |at: usize| {
        text[at..]
            .first_chunk()
            .map(|four| u32::from_le_bytes(*four))
    };
    let n = text.len();
    // The second read begins where it ends with the text: both may overlap.
    let (first, second) = match n {
        0 => (0, 0),
        1..4 => {
            let of = |at: usize| u64::from(text[at]);
            (of(0) | of(n / 2) << 8 | of(n - 1) << 16, 0)
        }
        4..8 => {
            let halves = half(0).zip(half(n - 4)).unwrap_or_default();
            (u64::from(halves.0), u64::from(halves.1))
        }
        8..=SHORT => word(0).zip(word(n - 8)).unwrap_or_default(),
        _ => (hasher.hash_one(text), 0),
    };
    (first, second, n as u32)
}

/// Numbers for texts, from 0 up.
#[derive(Debug, Clone, Default)]
pub struct Names {
    bytes: String,
    ends: Vec<usize>,
    /// Made when a text is first looked for.
    known: OnceLock<HashTable<Known>>,
    hasher: RandomState,
    /// The code given in turn last.
    last: u32,
}

/// Parts of the hashes that are numbered apart from each other: the table of
/// one stays in a core's cache.
const SHARDS: usize = 256;
/// Fewer texts are numbered one by one.
const FEW: usize = 1 << 14;

impl Names {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes they take, without what is there to look them up.
    pub fn memory(&self) -> usize {
        self.bytes.len() + size_of_val(self.ends.as_slice())
    }

    pub fn get(&self, code: u32) -> &str {
        get(&self.bytes, &self.ends, code)
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len() as u32).map(|code| self.get(code))
    }

    /// The number of the empty text, if it is known.
    pub fn empty(&self) -> Option<u32> {
        let starts = std::iter::once(&0).chain(&self.ends);
        let at = starts
            .zip(&self.ends)
            .position(|(start, end)| start == end)?;
        Some(at as u32)
    }

    /// The number of a text that is known.
    pub fn find(&self, text: &str) -> Option<u32> {
        let known = self.known.get_or_init(|| self.table());
        let key = key(text.as_bytes(), &self.hasher);
        let found = known.find(self.hasher.hash_one(key), |known| {
            key_of(known) == key && (text.len() <= SHORT || self.get(known.3) == text)
        });
        found.map(|known| known.3)
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
        if self.known.get().is_none() {
            self.known = OnceLock::from(self.table());
        }
        let Self {
            bytes,
            ends,
            known,
            hasher,
            ..
        } = self;
        let key = key(text.as_bytes(), hasher);
        let is_it = |known: &Known| {
            key_of(known) == key && (text.len() <= SHORT || get(bytes, ends, known.3) == text)
        };
        let hash = |known: &Known| hasher.hash_one(key_of(known));
        let entry = known
            .get_mut()
            .map(|known| known.entry(hasher.hash_one(key), is_it, hash));
        match entry {
            Some(Entry::Occupied(known)) => known.get().3,
            free => {
                let code = ends.len() as u32;
                if let Some(Entry::Vacant(free)) = free {
                    free.insert((key.0, key.1, key.2, code));
                }
                bytes.push_str(text);
                ends.push(bytes.len());
                code
            }
        }
    }

    /// The numbers of many texts, new ones in the order in which they first
    /// appear: as [`Names::code`] of each in turn, and on all cores.
    pub fn codes<'a>(&mut self, rows: usize, text: impl Fn(usize) -> &'a str + Sync) -> Vec<u32> {
        let few = rows.min(FEW);
        let mut codes: Vec<u32> = Vec::with_capacity(rows);
        // Texts that come in turn, or again and again, are told without hashing each; the first
        // ones say what the column is like.
        let in_turn = |row: &usize| match row.checked_sub(1) {
            Some(last) if text(last) == text(*row) => true,
            _ => *row < self.len() && self.get(*row as u32) == text(*row),
        };
        let mut many = rows > few && (0..few).filter(in_turn).count() < few / 2;
        if many && self.len() <= FEW {
            let before = self.len();
            codes.extend((0..few).map(|row| self.code_in_turn(text(row))));
            many = self.len() - before > few / 2;
        }
        let from = codes.len();
        let firsts = match many {
            true => self.firsts(from..rows, &text),
            false => None,
        };
        let Some(firsts) = firsts else {
            codes.extend((from..rows).map(|row| self.code_in_turn(text(row))));
            return codes;
        };
        let known = self.len();
        for (row, first) in (from..).zip(firsts) {
            let first = first as usize;
            codes.push(match first.checked_sub(known) {
                None => first as u32,
                Some(first) if from + first < row => codes[from + first],
                Some(_) => {
                    self.bytes.push_str(text(row));
                    self.ends.push(self.bytes.len());
                    self.ends.len() as u32 - 1
                }
            });
        }
        if self.len() > known {
            self.forget_index();
        }
        codes
    }

    /// For each text the first that is the same: of the names as they are
    /// numbered, then of the texts. None where two of one hash differ.
    fn firsts<'a>(
        &self,
        rows: Range<usize>,
        text: &(impl Fn(usize) -> &'a str + Sync),
    ) -> Option<Vec<u32>> {
        let known = self.len();
        let all = known + rows.len();
        let of = |at: usize| match at.checked_sub(known) {
            Some(row) => text(rows.start + row),
            None => self.get(at as u32),
        };
        let hashed = |from: usize, to: usize| {
            let room = (to - from) / SHARDS * 9 / 8;
            let mut shards: Vec<Vec<(u64, u32)>> =
                (0..SHARDS).map(|_| Vec::with_capacity(room)).collect();
            for at in from..to {
                let hash = self.hasher.hash_one(of(at).as_bytes());
                // Not its highest bits: a table tells its entries apart by those.
                shards[(hash >> 48) as usize % SHARDS].push((hash, at as u32));
            }
            shards
        };
        let part = all.div_ceil(4 * rayon::current_num_threads());
        let parts: Vec<_> = (0..all.div_ceil(part))
            .into_par_iter()
            .map(|at| hashed(at * part, ((at + 1) * part).min(all)))
            .collect();
        let firsts: Vec<AtomicU32> = (0..all).map(|_| AtomicU32::new(0)).collect();
        (0..SHARDS).into_par_iter().for_each(|shard| {
            let room: usize = parts.iter().map(|part| part[shard].len()).sum();
            let mut seen: HashTable<(u64, u32)> = HashTable::with_capacity(room.min(FEW));
            for (hash, at) in parts.iter().flat_map(|part| &part[shard]) {
                let is_it = |(other, _): &(u64, u32)| other == hash;
                let first = match seen.entry(*hash, is_it, |(hash, _)| *hash) {
                    Entry::Occupied(known) => known.get().1,
                    Entry::Vacant(free) => free.insert((*hash, *at)).get().1,
                };
                firsts[*at as usize].store(first, Ordering::Relaxed);
            }
        });
        let firsts: Vec<u32> = firsts.into_iter().map(AtomicU32::into_inner).collect();
        let same = |(at, first): (usize, &u32)| {
            let first = *first as usize;
            first == at || of(at) == of(first)
        };
        let all_same = firsts.par_iter().enumerate().all(same);
        all_same.then(|| firsts[known..].to_vec())
    }

    fn table(&self) -> HashTable<Known> {
        let mut known = HashTable::with_capacity(self.len());
        for code in 0..self.len() as u32 {
            let key = key(self.get(code).as_bytes(), &self.hasher);
            let hash = |known: &Known| self.hasher.hash_one(key_of(known));
            let entry = (key.0, key.1, key.2, code);
            known.insert_unique(self.hasher.hash_one(key), entry, hash);
        }
        known
    }

    /// Lets go of what is only there to look texts up; it is made again where one is.
    pub fn forget_index(&mut self) {
        self.known = OnceLock::new();
    }
}

#[inline]
fn key_of(known: &Known) -> Key {
    (known.0, known.1, known.2)
}

#[inline]
fn get<'a>(bytes: &'a str, ends: &[usize], code: u32) -> &'a str {
    &bytes[span(ends, code)]
}

/// As bytes: comparing need not know where letters end.
#[inline]
fn raw<'a>(bytes: &'a str, ends: &[usize], code: u32) -> &'a [u8] {
    &bytes.as_bytes()[span(ends, code)]
}

#[inline]
fn span(ends: &[usize], code: u32) -> Range<usize> {
    let at = code as usize;
    let start = if at == 0 { 0 } else { ends[at - 1] };
    start..ends[at]
}

/// The words of a text, as `split_whitespace` has them; much faster where only
/// spaces part them.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    let plain = text.bytes().all(|byte| (b' '..0x7f).contains(&byte));
    let mut rest = Some(text);
    let spaced = std::iter::from_fn(move || {
        let text = rest?;
        let end = space(text.as_bytes());
        rest = text.get(end + 1..);
        Some(&text[..end])
    });
    let simple = plain.then(|| spaced.filter(|word| !word.is_empty()));
    let other = (!plain).then(|| text.split_whitespace());
    simple
        .into_iter()
        .flatten()
        .chain(other.into_iter().flatten())
}

/// Where the first space is, or the end; eight bytes at a time, as words are short.
#[inline]
fn space(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let mut at = 0;
    while let Some(eight) = text[at..].first_chunk() {
        // Bytes that are a space become 0, and of those the highest bit is set.
        let bytes = u64::from_le_bytes(*eight) ^ (ONES * b' ' as u64);
        let spaces = bytes.wrapping_sub(ONES) & !bytes & (ONES << 7);
        if spaces > 0 {
            return at + spaces.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = text[at..].iter().position(|byte| *byte == b' ');
    rest.map_or(text.len(), |more| at + more)
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_numbered_as_they_come_and_found_again() {
        let mut names = Names::default();
        let texts = ["b", "", "a", "b", "", "c", "a", "c"];
        let codes: Vec<u32> = texts.iter().map(|text| names.code(text)).collect();
        assert_eq!(codes, [0, 1, 2, 0, 1, 3, 2, 3]);
        assert_eq!(names.iter().collect::<Vec<_>>(), ["b", "", "a", "c"]);
        assert_eq!((names.find("c"), names.find("d")), (Some(3), None));
        assert_eq!((names.empty(), Names::default().empty()), (Some(1), None));
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
        for _ in 0..2 {
            for at in 0..100_000u32 {
                assert_eq!(names.code(&format!("x{at}")), at);
            }
        }
        assert_eq!(names.len(), 100_000);
    }

    #[test]
    fn many_at_once_are_numbered_as_one_by_one() {
        // Some are known before, many stand there twice; short ones and long ones.
        let texts: Vec<String> = (0..60_000u32)
            .map(|at| match at.wrapping_mul(2_654_435_761) % 40_000 {
                long if long % 3 == 0 => format!("a text of more than sixteen bytes {long}"),
                short => short.to_string(),
            })
            .collect();
        let (mut all, mut each) = (Names::default(), Names::default());
        for part in [&texts[..20_000], &texts[10_000..], &texts[..10]] {
            let codes = all.codes(part.len(), |row| part[row].as_str());
            let one_by_one: Vec<u32> = part.iter().map(|text| each.code(text)).collect();
            assert_eq!(codes, one_by_one);
        }
        assert!(all.iter().eq(each.iter()));
        assert_eq!(all.find("1"), each.find("1"));
        assert_eq!(all.code("new"), each.code("new"));
    }

    proptest! {
        #[test]
        fn keys_of_different_texts_differ(a in "[ab\u{0}]{0,18}", b in "[ab\u{0}]{0,18}") {
            let hasher = RandomState::new();
            let (x, y) = (key(a.as_bytes(), &hasher), key(b.as_bytes(), &hasher));
            prop_assert_eq!(x == y, a == b);
        }

        #[test]
        fn words_are_those_of_split_whitespace_anywhere(text in "[a\u{e9} \t]{0,40}|[a-c ]{0,60}") {
            let split: Vec<&str> = text.split_whitespace().collect();
            prop_assert_eq!(words(&text).collect::<Vec<_>>(), split);
        }
    }
}

//! Texts as they are searched: without regard to case, a part of a word is enough.

use chrono::{Datelike, NaiveDate};
use memchr::memmem::Finder;

use super::{bits::Bits, words::Texts};

/// Bytes of a title that are kept for lists.
pub const MAX_TITLE: usize = 500;

/// Bytes of a description that are searched.
pub const MAX_DESCRIPTION: usize = 2000;

/// Between the texts of a row, and after them: control characters, which no searched text has.
const BETWEEN: char = '\u{1f}';
const END: char = '\n';

/// Title, creator and description of some rows, in small letters.
#[derive(Debug, Default)]
pub struct Search {
    texts: Texts,
}

impl Search {
    pub fn push(&mut self, [title, creator, description]: [&str; 3]) {
        let parts = [
            cut(title, MAX_TITLE),
            cut(creator, MAX_TITLE),
            cut(description, MAX_DESCRIPTION),
        ];
        for part in parts {
            fold(part, &mut self.texts.text);
            self.texts.text.push(BETWEEN);
        }
        self.texts.text.push(END);
        self.texts.end_row();
    }

    pub fn shrink(&mut self) {
        self.texts.shrink();
    }

    pub fn bytes(&self) -> usize {
        self.texts.bytes()
    }

    /// The rows that hold every needle; needles are folded.
    pub fn find(&self, needles: &[String]) -> Bits {
        let rows = self.texts.ends.len();
        let Some(longest) = needles.iter().max_by_key(|n| n.len()) else {
            return Bits::all(rows);
        };
        // The longest is the rarest, nearly always: the others are looked for in its rows only.
        let others: Vec<Finder> = needles
            .iter()
            .filter(|n| *n != longest)
            .map(|n| Finder::new(n.as_bytes()))
            .collect();
        let finder = Finder::new(longest.as_bytes());
        let hay = self.texts.text.as_bytes();
        let mut found = Bits::none(rows);
        let (mut at, mut row) = (0, 0);
        while let Some(hit) = finder.find(&hay[at..]) {
            let hit = (at + hit) as u32;
            // Step by step: a frequent needle is in one of the next rows.
            while self.texts.ends[row] <= hit {
                row += 1;
            }
            let text = self.texts.get(row).as_bytes();
            if others.iter().all(|other| other.find(text).is_some()) {
                found.set(row, true);
            }
            at = self.texts.ends[row] as usize;
            row += 1;
            if row == rows {
                break;
            }
        }
        found
    }
}

/// Small letters; control characters become spaces.
pub fn fold(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            _ if c.is_control() => out.push(' '),
            _ if c.is_ascii() => out.push(c.to_ascii_lowercase()),
            'ς' => out.push('σ'),
            _ => out.extend(c.to_lowercase()),
        }
    }
}

/// At most so many bytes of a text.
pub fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

const EPOCH: NaiveDate = NaiveDate::from_ymd_opt(1970, 1, 1).expect("a date");

/// Days since 1970-01-01 as a date; none where the calendar has no such day.
pub fn date(days: f64) -> Option<NaiveDate> {
    if !days.is_finite() {
        return None;
    }
    EPOCH.checked_add_signed(chrono::TimeDelta::try_days(days as i64)?)
}

pub fn days(date: NaiveDate) -> f64 {
    (date - EPOCH).num_days() as f64
}

pub fn year(days: f64) -> Option<i32> {
    date(days).map(|date| date.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rows: &[[&str; 3]], needles: &[&str]) -> Vec<usize> {
        let mut search = Search::default();
        rows.iter().for_each(|row| search.push(*row));
        let folded = |needle: &&str| {
            let mut out = String::new();
            fold(needle, &mut out);
            out
        };
        let needles: Vec<String> = needles.iter().map(folded).collect();
        search.find(&needles).rows()
    }

    #[test]
    fn every_needle_is_found_in_any_text_and_never_across_two() {
        let rows = [
            ["Old castle", "Ana Ruiz", ""],
            ["CASTLE", "", "by the river\nRhine"],
            ["", "", ""],
            ["ΟΔΟΣ Ærø", "İpek", "cas"],
            ["tle", "castl", "e"],
        ];
        assert_eq!(found(&rows, &["castle"]), [0, 1]);
        assert_eq!(found(&rows, &["castle", "ruiz"]), [0]);
        assert_eq!(found(&rows, &["river rhine"]), [1]);
        assert_eq!(found(&rows, &["οδος", "ÆRØ"]), [3]);
        assert_eq!(found(&rows, &[]), [0, 1, 2, 3, 4]);
        assert_eq!(found(&rows, &["nothing"]), Vec::<usize>::new());
    }

    #[test]
    fn days_are_dates() {
        assert_eq!(year(0.0), Some(1970));
        assert_eq!(year(-1.0), Some(1969));
        assert_eq!(year(f64::NAN), None);
        assert_eq!(year(1e300), None);
        assert_eq!(date(days(EPOCH)), Some(EPOCH));
    }
}

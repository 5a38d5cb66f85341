//! A set of rows of one block.

/// One bit a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bits {
    words: Vec<u64>,
    rows: usize,
}

impl Bits {
    pub fn none(rows: usize) -> Self {
        Self {
            words: vec![0; rows.div_ceil(64)],
            rows,
        }
    }

    pub fn all(rows: usize) -> Self {
        let mut bits = Self {
            words: vec![!0; rows.div_ceil(64)],
            rows,
        };
        if let Some(last) = bits.words.last_mut()
            && !rows.is_multiple_of(64)
        {
            *last = (1 << (rows % 64)) - 1;
        }
        bits
    }

    /// Of the rows for which `is` says yes.
    #[inline]
    pub fn of(rows: usize, is: impl Fn(usize) -> bool) -> Self {
        let mut bits = Self::none(rows);
        for (at, word) in bits.words.iter_mut().enumerate() {
            let first = at * 64;
            for bit in 0..64.min(rows - first) {
                *word |= u64::from(is(first + bit)) << bit;
            }
        }
        bits
    }

    pub fn get(&self, row: usize) -> bool {
        self.words[row / 64] >> (row % 64) & 1 == 1
    }

    pub fn set(&mut self, row: usize, on: bool) {
        let bit = 1 << (row % 64);
        match on {
            true => self.words[row / 64] |= bit,
            false => self.words[row / 64] &= !bit,
        }
    }

    pub fn and(&mut self, other: &Bits) {
        for (own, other) in self.words.iter_mut().zip(&other.words) {
            *own &= other;
        }
    }

    pub fn count(&self) -> u64 {
        self.words.iter().map(|w| u64::from(w.count_ones())).sum()
    }

    pub fn is_all(&self) -> bool {
        self.count() == self.rows as u64
    }

    /// The rows in the set, rising.
    #[inline]
    pub fn each(&self, mut each: impl FnMut(usize)) {
        for (at, word) in self.words.iter().enumerate() {
            let mut left = *word;
            while left != 0 {
                each(at * 64 + left.trailing_zeros() as usize);
                left &= left - 1;
            }
        }
    }

    #[cfg(test)]
    pub fn rows(&self) -> Vec<usize> {
        let mut rows = Vec::with_capacity(self.count() as usize);
        self.each(|row| rows.push(row));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_end_with_their_rows() {
        for rows in [0, 1, 63, 64, 65, 200] {
            assert_eq!(Bits::all(rows).count(), rows as u64);
            assert_eq!(Bits::all(rows), Bits::of(rows, |_| true));
            let odd = Bits::of(rows, |row| row % 2 == 1);
            assert!(odd.rows().iter().all(|row| row % 2 == 1));
            assert_eq!(odd.count(), rows as u64 / 2);
        }
    }
}

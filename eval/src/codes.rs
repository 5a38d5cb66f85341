//! Numbers of few values, in as few bytes each as the largest takes.

use std::sync::Arc;

use crate::names::renumbered;
use crate::parts::filled;

/// One number a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Codes {
    Byte(Vec<u8>),
    Short(Vec<u16>),
    Wide(Vec<u32>),
}

impl Default for Codes {
    fn default() -> Self {
        Codes::Byte(Vec::new())
    }
}

impl From<Vec<u32>> for Codes {
    fn from(codes: Vec<u32>) -> Self {
        Codes::Wide(codes)
    }
}

impl Codes {
    /// So many numbers, none larger than `most`.
    pub fn of(len: usize, most: u32, code: impl Fn(usize) -> u32 + Sync) -> Self {
        match most {
            0..=0xff => Codes::Byte(filled(len, |at| code(at) as u8)),
            0x100..=0xffff => Codes::Short(filled(len, |at| code(at) as u16)),
            _ => Codes::Wide(filled(len, code)),
        }
    }

    #[inline]
    pub fn get(&self, at: usize) -> u32 {
        match self {
            Codes::Byte(codes) => codes[at].into(),
            Codes::Short(codes) => codes[at].into(),
            Codes::Wide(codes) => codes[at],
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Codes::Byte(codes) => codes.len(),
            Codes::Short(codes) => codes.len(),
            Codes::Wide(codes) => codes.len(),
        }
    }

    /// The bytes they take.
    pub fn memory(&self) -> usize {
        match self {
            Codes::Byte(codes) => codes.len(),
            Codes::Short(codes) => 2 * codes.len(),
            Codes::Wide(codes) => 4 * codes.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = u32> {
        (0..self.len()).map(|at| self.get(at))
    }

    /// Adds numbers.
    pub fn extend(&mut self, more: &[u32]) {
        match more.iter().max() {
            Some(0x1_0000..) => self.widen(true),
            Some(0x100..) => self.widen(false),
            _ => {}
        }
        match self {
            Codes::Byte(codes) => codes.extend(more.iter().map(|code| *code as u8)),
            Codes::Short(codes) => codes.extend(more.iter().map(|code| *code as u16)),
            Codes::Wide(codes) => codes.extend_from_slice(more),
        }
    }

    pub fn append(&mut self, more: &Codes) {
        match more {
            Codes::Byte(_) => {}
            Codes::Short(_) => self.widen(false),
            Codes::Wide(_) => self.widen(true),
        }
        match (self, more) {
            (Codes::Byte(codes), Codes::Byte(more)) => codes.extend_from_slice(more),
            (Codes::Short(codes), Codes::Short(more)) => codes.extend_from_slice(more),
            (Codes::Wide(codes), Codes::Wide(more)) => codes.extend_from_slice(more),
            (Codes::Byte(codes), more) => codes.extend(more.iter().map(|code| code as u8)),
            (Codes::Short(codes), more) => codes.extend(more.iter().map(|code| code as u16)),
            (Codes::Wide(codes), more) => codes.extend(more.iter()),
        }
    }

    fn widen(&mut self, fully: bool) {
        match (&self, fully) {
            (Codes::Wide(_), _) | (Codes::Short(_), false) => {}
            (_, true) => *self = Codes::Wide(self.iter().collect()),
            (_, false) => *self = Codes::Short(self.iter().map(|code| code as u16).collect()),
        }
    }

    /// As [`Codes::renumbered`]; the same where each number stands for itself.
    pub fn shared(codes: &Arc<Self>, of: &[u32]) -> Arc<Self> {
        match (0..).zip(of).all(|(code, of)| code == *of) {
            true => codes.clone(),
            false => Arc::new(codes.renumbered(of)),
        }
    }

    /// Numbered from 0 in the order in which they come; the same where they are.
    pub fn as_they_come(codes: &Arc<Self>) -> Arc<Self> {
        let mut next = 0;
        let mut in_turn = |code: u32| {
            next += u32::from(code == next);
            code < next
        };
        match codes.iter().all(&mut in_turn) {
            true => codes.clone(),
            false => Arc::new(renumbered(codes.iter().map(u64::from)).0.into()),
        }
    }

    /// What stands for each number in `of`.
    pub fn renumbered(&self, of: &[u32]) -> Self {
        match self {
            Codes::Byte(codes) => mapped(codes, of),
            Codes::Short(codes) => mapped(codes, of),
            Codes::Wide(codes) => mapped(codes, of),
        }
    }
}

fn mapped<N: Copy + Into<u32> + Sync>(codes: &[N], of: &[u32]) -> Codes {
    let most = of.iter().max().copied().unwrap_or_default();
    Codes::of(codes.len(), most, |at| {
        let code: u32 = codes[at].into();
        of[code as usize]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_whatever_they_take() {
        let mut codes = Codes::default();
        let mut wanted = Vec::new();
        for more in [&[3, 255][..], &[], &[256, 0], &[65_535], &[65_536, 7], &[1]] {
            codes.extend(more);
            wanted.extend_from_slice(more);
            assert_eq!(codes.iter().collect::<Vec<_>>(), wanted);
        }
        assert!(matches!(codes, Codes::Wide(_)) && codes.len() == 8);
        for (most, bytes) in [(255, 1), (256, 2), (65_535, 2), (65_536, 4)] {
            let codes = Codes::of(9, most, |at| most - at as u32);
            let width = match &codes {
                Codes::Byte(_) => 1,
                Codes::Short(_) => 2,
                Codes::Wide(_) => 4,
            };
            assert_eq!((codes.get(8), width), (most - 8, bytes));
        }
        for width in [0, 255, 256, 65_536] {
            let (mut first, more) = (codes.clone(), Codes::of(2, width, |_| width));
            first.append(&more);
            let mut other = Codes::of(1, 0, |_| 0);
            other.append(&more);
            assert_eq!(first.iter().skip(8).collect::<Vec<_>>(), [width; 2]);
            assert_eq!(other.iter().collect::<Vec<_>>(), [0, width, width]);
        }
        for (numbers, wanted) in [
            (&[0, 0, 1, 0, 2][..], [0, 0, 1, 0, 2]),
            (&[0, 2, 2, 1, 0], [0, 1, 1, 2, 0]),
            (&[5, 5, 0, 9, 0], [0, 0, 1, 2, 1]),
        ] {
            let codes = Arc::new(Codes::of(5, 9, |at| numbers[at]));
            let counted = Codes::as_they_come(&codes);
            assert_eq!(counted.iter().collect::<Vec<_>>(), wanted);
            assert_eq!(Arc::ptr_eq(&codes, &counted), numbers == wanted);
        }
        let other = Codes::of(3, 2, |at| at as u32).renumbered(&[9, 300, 4]);
        assert_eq!(other.iter().collect::<Vec<_>>(), [9, 300, 4]);
    }
}

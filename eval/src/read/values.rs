//! Cells of one column.

use std::sync::Arc;

use rayon::prelude::*;

use crate::codes::Codes;
use crate::names::Names;

/// Text cells of one column.
#[derive(Debug, Clone)]
pub enum Texts {
    /// End to end.
    Joined { bytes: String, ends: Vec<usize> },
    /// From and to in a file that is kept as it was read.
    Spans {
        file: Arc<String>,
        spans: Vec<(u32, u32)>,
    },
}

impl Default for Texts {
    fn default() -> Self {
        Texts::Joined {
            bytes: String::new(),
            ends: Vec::new(),
        }
    }
}

impl Texts {
    /// Adds a cell; cells of a file that is kept are all there from the start.
    pub fn push(&mut self, text: &str) {
        if let Texts::Joined { bytes, ends } = self {
            bytes.push_str(text);
            ends.push(bytes.len());
        }
    }

    pub fn get(&self, row: usize) -> &str {
        match self {
            Texts::Joined { bytes, ends } => {
                let start = if row == 0 { 0 } else { ends[row - 1] };
                &bytes[start..ends[row]]
            }
            Texts::Spans { file, spans } => {
                let (from, to) = spans[row];
                &file[from as usize..to as usize]
            }
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Texts::Joined { ends, .. } => ends.len(),
            Texts::Spans { spans, .. } => spans.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes they take; of a file that is kept, where they stand in it.
    pub fn memory(&self) -> usize {
        match self {
            Texts::Joined { bytes, ends } => bytes.len() + size_of_val(ends.as_slice()),
            Texts::Spans { spans, .. } => size_of_val(spans.as_slice()),
        }
    }
}

/// One column: as text, or as numbers where the file is typed.
#[derive(Debug, Clone)]
pub enum Values {
    Text(Texts),
    /// Absent values are NaN.
    Number(Numbers),
    /// Text whose distinct values stand once; an absent one is empty.
    Coded {
        codes: Arc<Codes>,
        names: Names,
    },
}

/// Numbers in the precision their file has them.
#[derive(Debug, Clone)]
pub enum Numbers {
    Single(Arc<Vec<f32>>),
    Double(Arc<Vec<f64>>),
}

impl Default for Numbers {
    fn default() -> Self {
        Numbers::Single(Arc::default())
    }
}

impl Numbers {
    /// In single precision where that loses nothing.
    pub fn narrowed(numbers: Vec<f64>) -> Self {
        match is_single(&numbers) {
            true => Numbers::Single(Arc::new(
                numbers.par_iter().map(|number| *number as f32).collect(),
            )),
            false => Numbers::Double(Arc::new(numbers)),
        }
    }

    /// The same, in single precision where that loses nothing.
    pub fn narrow(&self) -> Self {
        match self {
            Numbers::Double(numbers) if is_single(numbers) => Self::narrowed(numbers.to_vec()),
            numbers => numbers.clone(),
        }
    }

    #[inline]
    pub fn get(&self, at: usize) -> f64 {
        match self {
            Numbers::Single(numbers) => numbers[at].into(),
            Numbers::Double(numbers) => numbers[at],
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Numbers::Single(numbers) => numbers.len(),
            Numbers::Double(numbers) => numbers.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Values {
    /// The cell as text; an absent one is empty.
    pub fn text(&self, row: usize) -> std::borrow::Cow<'_, str> {
        match self {
            Values::Text(texts) => texts.get(row).into(),
            Values::Coded { codes, names } => names.get(codes.get(row)).into(),
            Values::Number(numbers) if numbers.get(row).is_nan() => "".into(),
            Values::Number(numbers) => numbers.get(row).to_string().into(),
        }
    }

    /// The cell as a number; none where it is not one.
    pub fn number(&self, row: usize) -> Option<f64> {
        match self {
            Values::Text(texts) => texts.get(row).trim().parse().ok(),
            Values::Coded { codes, names } => names.get(codes.get(row)).trim().parse().ok(),
            Values::Number(numbers) => Some(numbers.get(row)),
        }
    }
}

fn is_single(numbers: &[f64]) -> bool {
    let is_single = |number: &f64| f64::from(*number as f32) == *number;
    numbers.par_iter().all(is_single)
}

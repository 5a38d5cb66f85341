//! One column of one row group, as batches are added to it.

use std::collections::HashMap;
use std::sync::Arc;

use ahash::RandomState;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use super::same;
use crate::codes::Codes;
use crate::names::Names;
use crate::read::{Numbers, Texts, Values};

/// Whole numbers from 0 up that are looked up in a list.
const SMALL: usize = 1 << 12;
/// A value that has no code yet.
const UNSEEN: u32 = u32::MAX;

/// One column of one row group.
pub(super) enum Part {
    Text(Texts),
    Single(Vec<f32>),
    Double(Vec<f64>),
    Coded {
        codes: Codes,
        /// Of one batch.
        here: Vec<u32>,
        names: Box<Names>,
        /// The dictionary seen last, as a row group has one for many batches; and the codes of
        /// its values, those that were seen.
        last: Option<(ArrayRef, Vec<u32>)>,
        /// The codes of small whole numbers, and of others.
        small: Vec<u32>,
        large: HashMap<i64, u32, RandomState>,
    },
}

impl Part {
    pub(super) fn of(kind: &DataType) -> Self {
        match empty_for(kind) {
            Some(Values::Number(Numbers::Single(_))) => Part::Single(Vec::new()),
            Some(Values::Number(Numbers::Double(_))) => Part::Double(Vec::new()),
            Some(Values::Coded { .. }) => Part::Coded {
                codes: Codes::default(),
                here: Vec::new(),
                names: Box::default(),
                last: None,
                small: Vec::new(),
                large: HashMap::default(),
            },
            _ => Part::Text(Texts::default()),
        }
    }

    pub(super) fn append(&mut self, array: &ArrayRef) {
        match self {
            Part::Single(numbers) => match array.as_primitive::<Float32Type>() {
                array if array.null_count() == 0 => numbers.extend_from_slice(array.values()),
                array => numbers.extend(array.iter().map(|number| number.unwrap_or(f32::NAN))),
            },
            Part::Double(numbers) => match array.as_primitive::<Float64Type>() {
                array if array.null_count() == 0 => numbers.extend_from_slice(array.values()),
                array => numbers.extend(array.iter().map(|number| number.unwrap_or(f64::NAN))),
            },
            Part::Text(texts) => {
                for row in 0..array.len() {
                    texts.push(&cell_text(array, row).unwrap_or_default());
                }
            }
            Part::Coded {
                codes,
                here,
                names,
                last,
                small,
                large,
            } => {
                here.clear();
                macro_rules! whole {
                    ($kind:ty) => {{
                        let array = array.as_primitive::<$kind>();
                        small.resize(SMALL, UNSEEN);
                        let absent = (array.null_count() > 0).then(|| names.code(""));
                        let mut code = |value: <$kind as ArrowPrimitiveType>::Native| {
                            let code = match small.get_mut(value as usize) {
                                Some(code) => code,
                                None => large.entry(value as i64).or_insert(UNSEEN),
                            };
                            if *code == UNSEEN {
                                *code = names.code(&value.to_string());
                            }
                            *code
                        };
                        match absent {
                            None => here.extend(array.values().iter().map(|value| code(*value))),
                            Some(absent) => {
                                here.extend(array.iter().map(|v| v.map_or(absent, &mut code)))
                            }
                        }
                    }};
                }
                match array.data_type() {
                    DataType::Int8 => whole!(Int8Type),
                    DataType::Int16 => whole!(Int16Type),
                    DataType::Int32 => whole!(Int32Type),
                    DataType::Int64 => whole!(Int64Type),
                    DataType::UInt8 => whole!(UInt8Type),
                    DataType::UInt16 => whole!(UInt16Type),
                    DataType::UInt32 => whole!(UInt32Type),
                    // Distinct values have distinct bits.
                    DataType::UInt64 => whole!(UInt64Type),
                    DataType::Dictionary(key, _) if **key == DataType::Int32 => {
                        let array = array.as_dictionary::<Int32Type>();
                        let values = array.values();
                        let mut known = match last.take() {
                            Some((known, codes)) if same(&known, values) => codes,
                            _ => vec![UNSEEN; values.len()],
                        };
                        let keys = array.keys();
                        let absent = (keys.null_count() > 0).then(|| names.code(""));
                        let mut code = |key: i32| {
                            let code = &mut known[key as usize];
                            if *code == UNSEEN {
                                let text = cell_text(values, key as usize);
                                *code = names.code(&text.unwrap_or_default());
                            }
                            *code
                        };
                        match absent {
                            None => here.extend(keys.values().iter().map(|key| code(*key))),
                            Some(absent) => {
                                here.extend(keys.iter().map(|key| key.map_or(absent, &mut code)))
                            }
                        }
                        *last = Some((values.clone(), known));
                    }
                    _ => {
                        let cells = (0..array.len()).map(|row| cell_text(array, row));
                        here.extend(
                            cells.map(|cell| names.code(cell.as_deref().unwrap_or_default())),
                        );
                    }
                }
                codes.extend(here);
            }
        }
    }

    /// The bytes it takes.
    pub(super) fn memory(&self) -> usize {
        match self {
            Part::Text(texts) => texts.memory(),
            Part::Single(numbers) => size_of_val(numbers.as_slice()),
            Part::Double(numbers) => size_of_val(numbers.as_slice()),
            Part::Coded { codes, names, .. } => codes.memory() + names.memory(),
        }
    }

    /// Lets go of what is only there to add to it.
    pub(super) fn forget_dictionary(&mut self) {
        if let Part::Coded {
            here,
            last,
            small,
            large,
            names,
            ..
        } = self
        {
            (*here, *last, *small) = Default::default();
            *large = HashMap::default();
            names.forget_index();
        }
    }

    /// The parts of one column, end to end.
    pub(super) fn joined(parts: Vec<Part>) -> Values {
        let mut parts = parts.into_iter();
        let Some(mut all) = parts.next() else {
            return Values::Text(Texts::default());
        };
        for part in parts {
            match (&mut all, part) {
                (Part::Single(all), Part::Single(more)) => all.extend_from_slice(&more),
                (Part::Double(all), Part::Double(more)) => all.extend_from_slice(&more),
                (Part::Text(all), Part::Text(more)) => {
                    (0..more.len()).for_each(|row| all.push(more.get(row)));
                }
                (
                    Part::Coded { codes, names, .. },
                    Part::Coded {
                        codes: more,
                        names: others,
                        ..
                    },
                ) => {
                    let known: Vec<u32> = others.iter().map(|name| names.code(name)).collect();
                    codes.append(&more.renumbered(&known));
                }
                _ => {}
            }
        }
        match all {
            Part::Text(texts) => Values::Text(texts),
            Part::Single(numbers) => Values::Number(Numbers::Single(Arc::new(numbers))),
            Part::Double(numbers) => Values::Number(Numbers::Double(Arc::new(numbers))),
            Part::Coded {
                codes, mut names, ..
            } => {
                names.forget_index();
                Values::Coded {
                    codes: Arc::new(codes),
                    names: *names,
                }
            }
        }
    }
}

fn coded() -> Values {
    Values::Coded {
        codes: Arc::default(),
        names: Names::default(),
    }
}

/// What a column of such a kind becomes; none where it is left out.
pub(super) fn empty_for(kind: &DataType) -> Option<Values> {
    match kind {
        DataType::Float32 => Some(Values::Number(Numbers::Single(Arc::default()))),
        DataType::Float64 => Some(Values::Number(Numbers::Double(Arc::default()))),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            Some(Values::Text(Texts::default()))
        }
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => Some(coded()),
        DataType::List(item) | DataType::LargeList(item)
            if matches!(
                item.data_type(),
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
            ) =>
        {
            Some(Values::Text(Texts::default()))
        }
        DataType::Dictionary(_, value) if empty_for(value).is_some() => Some(coded()),
        _ => None,
    }
}

/// One cell as text: lists are joined with spaces; none where it is null or
/// of a kind that has no text.
pub(crate) fn cell_text(array: &dyn Array, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    macro_rules! number {
        ($kind:ty) => {
            array.as_primitive::<$kind>().value(row).to_string()
        };
    }
    Some(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).to_owned(),
        DataType::Utf8View => array.as_string_view().value(row).to_owned(),
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Int8 => number!(Int8Type),
        DataType::Int16 => number!(Int16Type),
        DataType::Int32 => number!(Int32Type),
        DataType::Int64 => number!(Int64Type),
        DataType::UInt8 => number!(UInt8Type),
        DataType::UInt16 => number!(UInt16Type),
        DataType::UInt32 => number!(UInt32Type),
        DataType::UInt64 => number!(UInt64Type),
        DataType::Float32 => number!(Float32Type),
        DataType::Float64 => number!(Float64Type),
        DataType::List(_) => joined(array.as_list::<i32>().value(row).as_ref()),
        DataType::LargeList(_) => joined(array.as_list::<i64>().value(row).as_ref()),
        DataType::Dictionary(_, _) => {
            // A slice of one: `normalized_keys` turns over every key it is given.
            let one = array.slice(row, 1);
            let dictionary = one.as_any_dictionary_opt()?;
            let key = *dictionary.normalized_keys().first()?;
            return cell_text(dictionary.values().as_ref(), key);
        }
        _ => return None,
    })
}

fn joined(items: &dyn Array) -> String {
    (0..items.len())
        .filter_map(|at| cell_text(items, at))
        .collect::<Vec<_>>()
        .join(" ")
}

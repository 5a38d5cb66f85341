//! A stretch of a release in memory, column by column.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasher, RandomState},
};

use arrow_array::{
    Array, ArrayRef, RecordBatch,
    cast::AsArray,
    types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType, UInt64Type},
};
use fairframe_ingest::manifest::{ManifestError, Stretch};
use fairframe_schemas::{Column, Digest, SampleId, Status};

use super::{
    facet::{Facet, Number, PLACE, kept},
    text::{self, Search},
    words::{Codes, Texts},
};

/// Rows of a block; the unit of parallel work.
pub const BLOCK_ROWS: u64 = 64 * 1024;

const COLUMNS: [Column; 35] = [
    Column::SampleId,
    Column::Status,
    Column::Reasons,
    Column::Region,
    Column::Subregion,
    Column::Country,
    Column::Latitude,
    Column::Longitude,
    Column::PlaceOrigin,
    Column::CapturedAt,
    Column::Licence,
    Column::Labels,
    Column::MediaType,
    Column::Mime,
    Column::Source,
    Column::Split,
    Column::SplitGroup,
    Column::ConsentState,
    Column::ConsentPurposes,
    Column::Restrictions,
    Column::OptOut,
    Column::Manipulation,
    Column::Creator,
    Column::SubjectIds,
    Column::Title,
    Column::Description,
    Column::MediaSha256,
    Column::Bytes,
    Column::Width,
    Column::Height,
    Column::DurationS,
    Column::PerceptualHash,
    Column::Sharpness,
    Column::Luminance,
    Column::DerivedFrom,
];

/// Some rows of a release.
pub struct Block {
    /// The number of its first row in the release.
    pub first: u32,
    pub rows: usize,
    pub ids: Vec<SampleId>,
    pub digests: Vec<Option<Digest>>,
    pub hashes: Vec<Option<u64>>,
    /// By [`Facet`].
    pub facets: Vec<Codes>,
    /// By stored [`Number`]; NaN where unknown.
    pub numbers: Vec<Vec<f64>>,
    /// The split group of each row, hashed; 0 where there is none.
    pub groups: Vec<u64>,
    /// Samples that rows were made from.
    pub parents: Vec<(SampleId, u32)>,
    pub titles: Texts,
    pub search: Search,
}

/// A block whose codes are its own.
pub(super) struct Draft {
    block: Block,
    own: Vec<Own>,
}

/// One facet of one block while it is read.
#[derive(Default)]
struct Own {
    words: Vec<String>,
    find: HashMap<String, u32>,
    /// Rows follow each other with the same word: the last one looked up.
    last: Option<u32>,
    codes: Vec<u32>,
    ends: Vec<u32>,
}

impl Own {
    fn push(&mut self, word: &str) {
        let word = kept(word);
        if let Some(last) = self.last
            && self.words[last as usize] == word
        {
            self.codes.push(last);
            return;
        }
        let code = match self.find.get(word) {
            Some(code) => *code,
            None => {
                let code = self.words.len() as u32;
                self.words.push(word.to_owned());
                self.find.insert(word.to_owned(), code);
                code
            }
        };
        self.last = Some(code);
        self.codes.push(code);
    }

    fn end_row(&mut self) {
        self.ends.push(self.codes.len() as u32);
    }
}

impl Draft {
    /// Reads a stretch. Of what was withdrawn only that is kept.
    pub fn read(
        stretch: &Stretch,
        withdrawn: &BTreeSet<SampleId>,
        hasher: &RandomState,
    ) -> Result<Self, ManifestError> {
        let rows = stretch.rows() as usize;
        let mut draft = Draft {
            block: Block {
                first: 0,
                rows,
                ids: Vec::with_capacity(rows),
                digests: Vec::with_capacity(rows),
                hashes: Vec::with_capacity(rows),
                facets: Vec::new(),
                numbers: (0..Number::STORED)
                    .map(|_| Vec::with_capacity(rows))
                    .collect(),
                groups: Vec::with_capacity(rows),
                parents: Vec::new(),
                titles: Texts::default(),
                search: Search::default(),
            },
            own: Facet::ALL.iter().map(|_| Own::default()).collect(),
        };
        for batch in stretch.columns(&COLUMNS)? {
            draft.add(&Batch { batch: &batch? }, withdrawn, hasher)?;
        }
        draft.block.titles.shrink();
        draft.block.search.shrink();
        Ok(draft)
    }

    /// The words of a facet, in the order they were met.
    pub fn words(&self, facet: Facet) -> impl Iterator<Item = &str> {
        self.own[facet as usize].words.iter().map(String::as_str)
    }

    /// With the codes of the whole release.
    pub fn finish(self, first: u32, codes: &[HashMap<&str, u32>]) -> Block {
        let mut block = self.block;
        block.first = first;
        for parent in &mut block.parents {
            parent.1 += first;
        }
        let facets = Facet::ALL.iter().zip(self.own).zip(codes);
        block.facets = facets
            .map(|((facet, own), all)| {
                let code = |word: &String| all.get(word.as_str()).copied().unwrap_or(0);
                let codes: Vec<u32> = own.words.iter().map(code).collect();
                let code = |own: &u32| codes[*own as usize];
                if facet.is_list() {
                    let codes = own.codes.iter().map(code).collect();
                    let ends = own.ends.into_boxed_slice().into_vec();
                    Codes::Many { ends, codes }
                } else if all.len() <= 256 {
                    Codes::Byte(own.codes.iter().map(|own| code(own) as u8).collect())
                } else {
                    Codes::Wide(own.codes.iter().map(code).collect())
                }
            })
            .collect();
        block
    }

    fn add(
        &mut self,
        batch: &Batch,
        withdrawn: &BTreeSet<SampleId>,
        hasher: &RandomState,
    ) -> Result<(), ManifestError> {
        let rows = batch.batch.num_rows();
        let first = self.block.ids.len();
        let ids = batch.texts(Column::SampleId);
        let status = batch.texts(Column::Status);
        let mut gone = Vec::with_capacity(rows);
        for row in 0..rows {
            let id: SampleId =
                ids(row)
                    .and_then(|id| id.parse().ok())
                    .ok_or_else(|| ManifestError::Value {
                        column: Column::SampleId.name(),
                        row: row as u64,
                        problem: "is no sample id".to_owned(),
                    })?;
            gone.push(status(row) == Some(Status::Withdrawn.as_str()) || withdrawn.contains(&id));
            self.block.ids.push(id);
        }
        let kept = |row: usize| !gone[row];

        for (facet, column) in ONE {
            let words = batch.texts(column);
            let own = &mut self.own[facet as usize];
            for row in 0..rows {
                own.push(words(row).filter(|_| kept(row)).unwrap_or_default());
            }
        }
        let own = &mut self.own[Facet::Status as usize];
        for row in 0..rows {
            own.push(match kept(row) {
                true => status(row).unwrap_or_default(),
                false => Status::Withdrawn.as_str(),
            });
        }
        for (facet, column) in MANY {
            let lists = batch.lists(column, (column == Column::Labels).then_some("label"));
            let own = &mut self.own[facet as usize];
            for row in 0..rows {
                // Why it was withdrawn is said; nothing else is.
                if kept(row) || facet == Facet::Reason {
                    let before = own.codes.len();
                    lists(row, &mut |word| own.push(word));
                    let new = &mut own.codes[before..];
                    new.sort_unstable();
                    let mut distinct: Vec<u32> = new.to_vec();
                    distinct.dedup();
                    own.codes.truncate(before);
                    own.codes.extend(distinct);
                }
                own.end_row();
            }
        }
        for (facet, field) in [
            (Facet::Method, "method"),
            (Facet::Compression, "compression"),
        ] {
            let words = batch.field(Column::Manipulation, field);
            let own = &mut self.own[facet as usize];
            for row in 0..rows {
                own.push(words(row).filter(|_| kept(row)).unwrap_or_default());
            }
        }

        let known =
            |row: usize, number: Option<f64>| number.filter(|_| kept(row)).unwrap_or(f64::NAN);
        let numbers: [&dyn Fn(usize) -> Option<f64>; Number::STORED] = [
            &batch.int32(Column::Width),
            &batch.int32(Column::Height),
            &batch.int64(Column::Bytes),
            &batch.float(Column::DurationS),
            &batch.days(Column::CapturedAt),
            &batch.float(Column::Latitude),
            &batch.float(Column::Longitude),
            &batch.float(Column::Sharpness),
            &batch.float(Column::Luminance),
        ];
        for (stored, number) in self.block.numbers.iter_mut().zip(numbers) {
            stored.extend((0..rows).map(|row| known(row, number(row))));
        }
        self.add_places_and_years(first, rows, &kept);
        self.add_texts(batch, rows, &kept);

        let groups = batch.texts(Column::SplitGroup);
        let hash = |row| {
            groups(row)
                .filter(|_| kept(row))
                .map_or(0, |g| hasher.hash_one(g).max(1))
        };
        self.block.groups.extend((0..rows).map(hash));
        let digests = batch.texts(Column::MediaSha256);
        let digest = |row| {
            digests(row)
                .filter(|_| kept(row))
                .and_then(|d| d.parse().ok())
        };
        self.block.digests.extend((0..rows).map(digest));
        let hashes = batch.uint64(Column::PerceptualHash);
        let hash = |row| hashes(row).filter(|_| kept(row));
        self.block.hashes.extend((0..rows).map(hash));
        let parents = batch.lists(Column::DerivedFrom, None);
        for row in (0..rows).filter(|row| kept(*row)) {
            parents(row, &mut |id| {
                if let Ok(id) = id.parse() {
                    self.block.parents.push((id, (first + row) as u32));
                }
            });
        }
        Ok(())
    }

    fn add_places_and_years(&mut self, first: usize, rows: usize, kept: &impl Fn(usize) -> bool) {
        let last = |own: &Own, row: usize| !own.words[own.codes[first + row] as usize].is_empty();
        for row in 0..rows {
            let located = self.block.numbers[Number::Latitude as usize][first + row].is_finite();
            let area = [Facet::Country, Facet::Region]
                .iter()
                .any(|f| last(&self.own[*f as usize], row));
            let word = match (kept(row), located, area) {
                (false, ..) => "",
                (_, true, _) => PLACE[0],
                (_, _, true) => PLACE[1],
                _ => PLACE[2],
            };
            self.own[Facet::Place as usize].push(word);
            let day = self.block.numbers[Number::Captured as usize][first + row];
            let year = text::year(day).map(|y| y.to_string());
            self.own[Facet::Year as usize].push(year.as_deref().unwrap_or_default());
        }
    }

    fn add_texts<'a>(&mut self, batch: &Batch<'a>, rows: usize, kept: &impl Fn(usize) -> bool) {
        let titles = batch.texts(Column::Title);
        let creators = batch.texts(Column::Creator);
        let descriptions = batch.texts(Column::Description);
        for row in 0..rows {
            let of = |text: Option<&'a str>| text.filter(|_| kept(row)).unwrap_or_default();
            let title = of(titles(row));
            let (creator, description) = (of(creators(row)), of(descriptions(row)));
            self.block.titles.push(text::cut(title, text::MAX_TITLE));
            self.block.search.push([title, creator, description]);
        }
    }
}

impl Block {
    /// A stored or made number; NaN where unknown.
    #[inline]
    pub fn number(&self, number: Number, row: usize) -> f64 {
        let stored = |number: Number| self.numbers[number as usize][row];
        match number {
            Number::Pixels => stored(Number::Width) * stored(Number::Height),
            Number::Aspect if stored(Number::Height) == 0.0 => f64::NAN,
            Number::Aspect => stored(Number::Width) / stored(Number::Height),
            Number::Elongation => {
                // `max` passes over what is not known.
                let (width, height) = (stored(Number::Width), stored(Number::Height));
                match width > height {
                    true if height > 0.0 => width / height,
                    false if width > 0.0 => height / width,
                    _ => f64::NAN,
                }
            }
            stored_one => stored(stored_one),
        }
    }

    pub fn bytes(&self) -> usize {
        self.ids.capacity() * size_of::<SampleId>()
            + self.digests.capacity() * size_of::<Option<Digest>>()
            + self.hashes.capacity() * size_of::<Option<u64>>()
            + self.facets.iter().map(Codes::bytes).sum::<usize>()
            + self.numbers.iter().map(|n| n.capacity() * 8).sum::<usize>()
            + self.groups.capacity() * 8
            + self.parents.capacity() * size_of::<(SampleId, u32)>()
            + self.titles.bytes()
            + self.search.bytes()
    }
}

const ONE: [(Facet, Column); 11] = [
    (Facet::Region, Column::Region),
    (Facet::Subregion, Column::Subregion),
    (Facet::Country, Column::Country),
    (Facet::PlaceOrigin, Column::PlaceOrigin),
    (Facet::Licence, Column::Licence),
    (Facet::MediaType, Column::MediaType),
    (Facet::Mime, Column::Mime),
    (Facet::Source, Column::Source),
    (Facet::Split, Column::Split),
    (Facet::Consent, Column::ConsentState),
    (Facet::Creator, Column::Creator),
];

const MANY: [(Facet, Column); 6] = [
    (Facet::Reason, Column::Reasons),
    (Facet::Label, Column::Labels),
    (Facet::Purpose, Column::ConsentPurposes),
    (Facet::Restriction, Column::Restrictions),
    (Facet::OptOut, Column::OptOut),
    (Facet::Subject, Column::SubjectIds),
];

/// Columns by name. The types were checked with the file's format; a column that is absent has no values.
struct Batch<'a> {
    batch: &'a RecordBatch,
}

impl<'a> Batch<'a> {
    fn column(&self, column: Column) -> Option<&'a ArrayRef> {
        self.batch.column_by_name(column.name())
    }

    fn texts(&self, column: Column) -> impl Fn(usize) -> Option<&'a str> + use<'a> {
        let array = self.column(column).and_then(|a| a.as_string_opt::<i32>());
        move |row| array.filter(|a| a.is_valid(row)).map(|a| a.value(row))
    }

    fn field(&self, column: Column, field: &str) -> impl Fn(usize) -> Option<&'a str> + use<'a> {
        let parent = self.column(column).and_then(|a| a.as_struct_opt());
        let array = parent.and_then(|p| p.column_by_name(field));
        let array = array.and_then(|a| a.as_string_opt::<i32>());
        move |row| {
            parent.filter(|p| p.is_valid(row))?;
            array.filter(|a| a.is_valid(row)).map(|a| a.value(row))
        }
    }

    /// Calls with each text of a row's list, or of the field of each of its structs.
    fn lists(
        &self,
        column: Column,
        field: Option<&str>,
    ) -> impl Fn(usize, &mut dyn FnMut(&str)) + use<'a> {
        let list = self.column(column).and_then(|a| a.as_list_opt::<i32>());
        let values = list.map(|l| l.values());
        let values = match field {
            None => values,
            Some(field) => values
                .and_then(|v| v.as_struct_opt())
                .and_then(|v| v.column_by_name(field)),
        };
        let values = values.and_then(|v| v.as_string_opt::<i32>());
        move |row, each| {
            if let (Some(list), Some(values)) = (list, values)
                && list.is_valid(row)
            {
                let offsets = list.value_offsets();
                for at in offsets[row] as usize..offsets[row + 1] as usize {
                    each(values.value(at));
                }
            }
        }
    }

    fn int32(&self, column: Column) -> impl Fn(usize) -> Option<f64> + use<'a> {
        let array = self.column(column);
        let array = array.and_then(|a| a.as_primitive_opt::<Int32Type>());
        move |row| {
            array
                .filter(|a| a.is_valid(row))
                .map(|a| f64::from(a.value(row)))
        }
    }

    fn int64(&self, column: Column) -> impl Fn(usize) -> Option<f64> + use<'a> {
        let array = self.column(column);
        let array = array.and_then(|a| a.as_primitive_opt::<Int64Type>());
        move |row| {
            array
                .filter(|a| a.is_valid(row))
                .map(|a| a.value(row) as f64)
        }
    }

    fn uint64(&self, column: Column) -> impl Fn(usize) -> Option<u64> + use<'a> {
        let array = self.column(column);
        let array = array.and_then(|a| a.as_primitive_opt::<UInt64Type>());
        move |row| array.filter(|a| a.is_valid(row)).map(|a| a.value(row))
    }

    fn float(&self, column: Column) -> impl Fn(usize) -> Option<f64> + use<'a> {
        let array = self.column(column);
        let array = array.and_then(|a| a.as_primitive_opt::<Float64Type>());
        move |row| array.filter(|a| a.is_valid(row)).map(|a| a.value(row))
    }

    fn days(&self, column: Column) -> impl Fn(usize) -> Option<f64> + use<'a> {
        const DAY: i64 = 86_400_000_000;
        let array = self.column(column);
        let array = array.and_then(|a| a.as_primitive_opt::<TimestampMicrosecondType>());
        move |row| {
            let value = array.filter(|a| a.is_valid(row)).map(|a| a.value(row));
            value.map(|micros| micros.div_euclid(DAY) as f64)
        }
    }
}

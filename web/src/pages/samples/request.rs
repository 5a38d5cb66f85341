//! What an address asks for: a filter, an order, a page, a form.

use fairframe_schemas::{DatasetVersion, Name, SampleId};

use crate::{
    browse::{Facet, Filter, FilterError, Number, Sort, last, nearest},
    pages::address,
};

/// Keys of the pages of samples that are not of the filter.
const OWN: [&str; 4] = ["sort", "view", "page", "more"];

/// Orders to choose from.
pub const SORTS: [(&str, &str); 13] = [
    ("", "as in the manifest"),
    ("-captured", "newest first"),
    ("captured", "oldest first"),
    ("-pixels", "most pixels first"),
    ("pixels", "fewest pixels first"),
    ("-bytes", "largest files first"),
    ("bytes", "smallest files first"),
    ("-duration", "longest first"),
    ("duration", "shortest first"),
    ("sharpness", "least sharp first"),
    ("-sharpness", "sharpest first"),
    ("luminance", "darkest first"),
    ("-luminance", "brightest first"),
];

/// An address of samples, read.
#[derive(Debug, Clone)]
pub struct Asked {
    pub base: String,
    pub filter: Filter,
    pub sort: Sort,
    pub list: bool,
    /// From 1; as it was asked for, which may be beyond the last.
    pub page: u64,
    /// The facet that is shown with all its words.
    pub more: Option<Facet>,
}

impl Asked {
    /// Reads the pairs of a query.
    pub fn parse(
        dataset: &Name,
        version: DatasetVersion,
        pairs: &[(String, String)],
    ) -> Result<Self, FilterError> {
        let filter = Filter::parse(pairs, &OWN)?;
        let own = |key| last(pairs, key);
        let page = own("page").unwrap_or("1");
        let plain = page.bytes().all(|b| b.is_ascii_digit());
        let page = match page.parse() {
            Ok(page) => page,
            Err(_) if plain => u64::MAX, // there is no such page either
            Err(_) => return Err(unknown("page", page, Vec::new())),
        };
        let list = match own("view") {
            None | Some("grid") => false,
            Some("list") => true,
            Some(other) => return Err(unknown("view", other, vec!["grid", "list"])),
        };
        let more = match own("more") {
            None => None,
            Some(key) => Some(Facet::by_key(key).ok_or_else(|| {
                unknown("facet", key, Facet::ALL.iter().map(|f| f.key()).collect())
            })?),
        };
        Ok(Self {
            base: base(dataset, version),
            filter,
            sort: sort(own("sort").unwrap_or_default())?,
            list,
            page,
            more,
        })
    }

    /// Of a filter, in the usual order and form.
    pub fn of(dataset: &Name, version: DatasetVersion, filter: Filter) -> Self {
        Self {
            base: base(dataset, version),
            filter,
            sort: Sort::default(),
            list: false,
            page: 1,
            more: None,
        }
    }

    /// The order as it stands in an address.
    pub fn sort_key(&self) -> String {
        let sign = if self.sort.falling { "-" } else { "" };
        self.sort
            .by
            .map_or(String::new(), |n| format!("{sign}{}", n.key()))
    }

    /// The address, without what need not be said.
    pub fn link(&self) -> String {
        self.at(&self.base, true)
    }

    /// The address of a sample, as one of those asked for.
    pub fn sample(&self, id: &SampleId) -> String {
        self.at(&format!("{}/{id}", self.base), false)
    }

    fn at(&self, path: &str, with_page: bool) -> String {
        let mut own = Vec::new();
        let mut push = |key: &str, value: String| own.push((key.to_owned(), value));
        if self.sort.by.is_some() {
            push("sort", self.sort_key());
        }
        if self.list {
            push("view", "list".to_owned());
        }
        if with_page && self.page > 1 {
            push("page", self.page.to_string());
        }
        if let Some(facet) = self.more.filter(|_| with_page) {
            push("more", facet.key().to_owned());
        }
        address(path, &self.filter, &own)
    }

    /// The address with another filter, from its first page.
    pub fn with(&self, filter: Filter) -> String {
        let asked = Asked {
            filter,
            page: 1,
            ..self.clone()
        };
        asked.link()
    }

    /// The same filter on another page of the version.
    pub fn on(&self, page: &str) -> String {
        let version = self.base.trim_end_matches("samples");
        match self.filter.is_empty() {
            true => format!("{version}{page}"),
            false => format!("{version}{page}?{}", self.filter),
        }
    }

    pub fn without_filter(&self) -> String {
        self.with(Filter::default())
    }

    pub fn with_page(&self, page: u64) -> String {
        Asked {
            page,
            ..self.clone()
        }
        .link()
    }

    pub fn with_view(&self, list: bool) -> String {
        Asked {
            list,
            ..self.clone()
        }
        .link()
    }

    pub fn with_more(&self, more: Option<Facet>) -> String {
        Asked {
            more,
            ..self.clone()
        }
        .link()
    }

    /// What a form sends along so that it changes only its own fields.
    pub fn hidden(&self, but: &[&str]) -> Vec<(String, String)> {
        let link = Asked {
            page: 1,
            more: None,
            ..self.clone()
        }
        .link();
        let text = link.split_once('?').map_or("", |(_, query)| query);
        let pairs = axum::http::Uri::try_from(format!("/?{text}"))
            .ok()
            .and_then(|uri| axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri).ok());
        let pairs = pairs.map(|p| p.0).unwrap_or_default().into_iter();
        pairs
            .filter(|(key, _)| !but.contains(&key.as_str()))
            .collect()
    }
}

fn base(dataset: &Name, version: DatasetVersion) -> String {
    format!("/datasets/{dataset}/{version}/samples")
}

/// A word of an address that is none of the known ones.
pub fn unknown(key: &'static str, word: &str, known: Vec<&str>) -> FilterError {
    FilterError::Word {
        key,
        word: word.chars().take(60).collect(),
        near: nearest(word, known).map(str::to_owned),
    }
}

/// The order that a word names; as in the manifest for none.
pub fn sort(text: &str) -> Result<Sort, FilterError> {
    let (key, falling) = match text.strip_prefix('-') {
        Some(key) => (key, true),
        None => (text, false),
    };
    if text.is_empty() {
        return Ok(Sort::default());
    }
    let by = Number::by_key(key)
        .ok_or_else(|| unknown("sort", key, Number::ALL.iter().map(|n| n.key()).collect()))?;
    Ok(Sort {
        by: Some(by),
        falling,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&str, &str)]) -> Result<Asked, FilterError> {
        let pairs: Vec<(String, String)> = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let dataset = Name::new("d").expect("a name");
        Asked::parse(&dataset, DatasetVersion::FIRST, &pairs)
    }

    #[test]
    fn an_address_says_no_more_than_it_must() {
        let base = "/datasets/d/1.0.0/samples";
        let plain = asked(&[("page", "1"), ("view", "grid"), ("sort", ""), ("text", "")]);
        assert_eq!(plain.unwrap().link(), base);
        let full = asked(&[
            ("sort", "-captured"),
            ("country", "IT"),
            ("view", "list"),
            ("page", "3"),
        ]);
        let full = full.unwrap();
        let text = format!("{base}?country=IT&sort=-captured&view=list&page=3");
        assert_eq!(full.link(), text);
        assert_eq!(
            full.with(Filter::default()),
            format!("{base}?sort=-captured&view=list")
        );
        let hidden = full.hidden(&["sort"]);
        let owned = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        assert_eq!(hidden, [owned("country", "IT"), owned("view", "list")]);
    }

    #[test]
    fn orders_and_forms_are_known_ones() {
        for pairs in [
            ("sort", "captcha"),
            ("sort", "--bytes"),
            ("view", "gird"),
            ("page", "-1"),
            ("page", "x"),
            ("more", "contry"),
        ] {
            assert!(
                matches!(asked(&[pairs]), Err(FilterError::Word { .. })),
                "{pairs:?}"
            );
        }
        assert_eq!(
            asked(&[("page", "99999999999999999999999")]).unwrap().page,
            u64::MAX
        );
    }
}

//! An answer in several parts becomes one answer.
//!
//! MediaWiki's *raw continuation* (API:Continue): while `continue` is there
//! without `batchcomplete`, the next part holds more properties of the same
//! pages. Merging is therefore page by page, property by property: lists are
//! joined, what is known stays.

use serde_json::{Map, Value};

use super::file_urls::decoded;
use crate::source::SourceError;

/// Most pages of one batch. The API gives at most 500 without special rights.
pub const MAX_PAGES: usize = 5_000;

/// Most parts of one batch.
pub const MAX_PARTS: usize = 200;

/// Most memory of one merged batch, roughly, in bytes.
pub const MAX_WEIGHT: usize = 128 << 20;

/// One batch's pages and what else its answers said.
#[derive(Debug, Default)]
pub struct Merged {
    /// In the order in which they first came.
    pub pages: Vec<Map<String, Value>>,
    /// `from -> to`, of titles that were asked for in another spelling.
    pub normalized: Vec<(String, String)>,
    /// `from -> to`, where redirects were followed.
    pub redirects: Vec<(String, String)>,
    /// `list=categorymembers`.
    pub members: Vec<String>,
    parts: usize,
    weight: usize,
}

impl Merged {
    /// Adds a part. `url` is named in errors.
    pub fn add(&mut self, url: &str, answer: &mut Map<String, Value>) -> Result<(), SourceError> {
        let error = |problem: String| SourceError::Api {
            url: url.to_owned(),
            problem,
            remedy: "make `batch` in `[wikimedia]` smaller, or look at what the wiki answers"
                .to_owned(),
        };
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(error(format!(
                "one batch comes in more than {MAX_PARTS} parts"
            )));
        }
        let Some(query) = answer.remove("query") else {
            return Ok(());
        };
        self.weight += weight(&query);
        if self.weight > MAX_WEIGHT {
            return Err(error(format!(
                "one batch takes more than {} MiB",
                MAX_WEIGHT >> 20
            )));
        }
        let Value::Object(mut query) = query else {
            return Err(error("`query` is no object".to_owned()));
        };
        for page in pages(query.remove("pages")).map_err(error)? {
            self.add_page(page);
            // With every page: each is looked for among those known.
            if self.pages.len() > MAX_PAGES {
                return Err(error(format!("one batch has more than {MAX_PAGES} pages")));
            }
        }
        self.normalized.extend(renames(query.get("normalized")));
        self.redirects.extend(renames(query.get("redirects")));
        let members = query.get("categorymembers").and_then(Value::as_array);
        let titles = members.into_iter().flatten().filter_map(|m| m.get("title"));
        self.members
            .extend(titles.filter_map(Value::as_str).map(str::to_owned));
        Ok(())
    }

    fn add_page(&mut self, page: Map<String, Value>) {
        let known = self.pages.iter_mut().find(|p| same_page(p, &page));
        match known {
            Some(known) => join(known, page),
            None => self.pages.push(page),
        }
    }
}

/// Format version 2 lists pages, version 1 (older recordings) maps them.
fn pages(pages: Option<Value>) -> Result<Vec<Map<String, Value>>, String> {
    let values: Vec<Value> = match pages {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(Value::Object(map)) => map.into_iter().map(|(_, page)| page).collect(),
        Some(_) => return Err("`pages` is neither a list nor an object".to_owned()),
    };
    values
        .into_iter()
        .map(|page| match page {
            Value::Object(page) => Ok(page),
            _ => Err("a page is no object".to_owned()),
        })
        .collect()
}

/// By page id; by title where there is no page.
fn same_page(a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    match (a.get("pageid"), b.get("pageid")) {
        (Some(a), Some(b)) => a == b,
        (None, None) => a.get("title").is_some() && a.get("title") == b.get("title"),
        _ => false,
    }
}

/// Lists are joined; a property that both name stays as it first came.
fn join(known: &mut Map<String, Value>, more: Map<String, Value>) {
    for (key, value) in more {
        match (known.get_mut(&key), value) {
            (Some(Value::Array(list)), Value::Array(more)) => list.extend(more),
            (Some(_), _) => {}
            (None, value) => {
                known.insert(key, value);
            }
        }
    }
}

fn renames(list: Option<&Value>) -> Vec<(String, String)> {
    let list = list.and_then(Value::as_array);
    let text = |r: &Value, key: &str| r.get(key).and_then(Value::as_str).map(str::to_owned);
    let from = |r: &Value| {
        let from = text(r, "from")?;
        // So where it is not in Unicode's normal form C.
        match r.get("fromencoded") == Some(&Value::Bool(true)) {
            true => decoded(&from),
            false => Some(from),
        }
    };
    list.into_iter()
        .flatten()
        .filter_map(|r| Some((from(r)?, text(r, "to")?)))
        .collect()
}

/// Roughly the memory a value takes, in bytes. Parsed JSON is at most 128 deep.
fn weight(value: &Value) -> usize {
    32 + match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(weight).sum(),
        Value::Object(map) => map.iter().map(|(k, v)| 32 + k.len() + weight(v)).sum(),
        _ => 0,
    }
}

/// Whether an answer says that its batch is complete (`true`, or `""` in
/// format version 1).
pub fn is_complete(answer: &Map<String, Value>) -> bool {
    !matches!(
        answer.get("batchcomplete"),
        None | Some(Value::Bool(false) | Value::Null)
    )
}

/// What to add to the next request. An object that names nothing but
/// `continue` itself leads nowhere: the listing ends there.
pub fn continuation(answer: &Map<String, Value>) -> Option<Map<String, Value>> {
    match answer.get("continue") {
        Some(Value::Object(next)) if next.keys().any(|k| k != "continue") => Some(next.clone()),
        _ => None,
    }
}

//! Questions about pages, and their answers as rows.

use std::collections::{BTreeMap, BTreeSet};

use fairframe_schemas::{Label, Reason};
use serde_json::{Map, Value};

use super::{Wanted, WikimediaSource, params};
use crate::source::{
    Listed, SourceError,
    wikimedia::{
        checkpoint::{self, Checkpoint},
        client::{Answerer, AskError, Params},
        merge::{self, Merged},
        meta,
        page::{self, Asked, Context},
    },
};

/// Longest chain of redirects followed.
const MAX_HOPS: usize = 5;

impl<A: Answerer> WikimediaSource<A> {
    /// A row for each wanted title, and for what redirects lead to.
    pub(super) async fn wanted(&mut self, wanted: Vec<Wanted>) -> Result<Vec<Listed>, SourceError> {
        let mut rows = Vec::new();
        let mut labels: BTreeMap<String, Vec<Label>> = BTreeMap::new();
        let mut titles: Vec<&str> = Vec::new();
        for want in &wanted {
            match &want.title {
                Ok(title) => {
                    if !titles.contains(&title.as_str()) {
                        titles.push(title);
                    }
                    let all = labels.entry(title.clone()).or_default();
                    all.extend(want.labels.iter().cloned());
                }
                Err(name) => {
                    let key = page::title_key(name);
                    let mut row = self.context().without_page(&key, None, Reason::RowInvalid);
                    row.sample.labels.clone_from(&want.labels);
                    rows.push(row);
                }
            }
        }
        if titles.is_empty() {
            return Ok(rows);
        }
        let mut params = self.properties();
        params.insert("titles".to_owned(), titles.join("|"));
        let merged = self.ask_whole(params.clone()).await?;

        // Which page each title stands for, in the wiki's own spelling.
        let spelling = chain(&merged.normalized);
        let mut asked: BTreeMap<String, Asked> = BTreeMap::new();
        let mut found: BTreeSet<&str> = BTreeSet::new();
        let title_of = |page: &Map<String, Value>| {
            let title = page.get("title").and_then(Value::as_str);
            title.unwrap_or_default().to_owned()
        };
        let pages: BTreeSet<String> = merged.pages.iter().map(title_of).collect();
        let mut redirects = Vec::new();
        for title in &titles {
            let spelled = follow(&spelling, title);
            if pages.contains(&spelled) {
                found.insert(title);
                let all = labels.get(*title).into_iter().flatten().cloned();
                asked.entry(spelled).or_default().labels.extend(all);
            }
        }
        for page in &merged.pages {
            if page
                .get("redirect")
                .is_some_and(|r| *r != Value::Bool(false))
            {
                redirects.push(title_of(page));
            }
        }
        for title in titles.iter().filter(|t| !found.contains(*t)) {
            // An interwiki title, or one the answer passes over.
            let key = page::title_key(title);
            let mut row = self
                .context()
                .without_page(&key, Some(title), Reason::UpstreamMissing);
            row.sample.labels = labels.get(*title).cloned().unwrap_or_default();
            rows.push(row);
        }
        let mut all = merged.pages;
        if !redirects.is_empty() {
            params.insert("titles".to_owned(), redirects.join("|"));
            params.insert("redirects".to_owned(), "1".to_owned());
            let targets = self.ask_whole(params).await?;
            let leads_to = chain(&targets.redirects);
            for from in &redirects {
                let to = follow(&leads_to, from);
                let labels = asked.get(from).map(|a| a.labels.clone());
                let target = asked.entry(to).or_default();
                target.labels.extend(labels.unwrap_or_default());
                target.renamed = true;
            }
            let known: BTreeSet<String> = all.iter().map(page::key).collect();
            let new = |p: &Map<String, Value>| !known.contains(&page::key(p));
            all.extend(targets.pages.into_iter().filter(new));
        }
        rows.extend(self.rows(all, &asked).await?);
        Ok(rows)
    }

    /// Pages become rows. A page without `imageinfo` is asked for once more by
    /// itself: when a listing shifts between two parts of an answer, a page can
    /// slip in with only some of its properties.
    pub(super) async fn rows(
        &mut self,
        mut pages: Vec<Map<String, Value>>,
        asked: &BTreeMap<String, Asked>,
    ) -> Result<Vec<Listed>, SourceError> {
        let partial: Vec<u64> = pages
            .iter()
            .filter(|p| is_partial(p))
            .filter_map(page_id)
            .collect();
        for some in partial.chunks(self.per_request()) {
            let ids: Vec<String> = some.iter().map(u64::to_string).collect();
            let mut params = self.properties();
            params.insert("pageids".to_owned(), ids.join("|"));
            for whole in self.ask_whole(params).await?.pages {
                let same = |p: &&mut Map<String, Value>| page_id(p) == page_id(&whole);
                if let Some(page) = pages.iter_mut().find(same) {
                    *page = whole;
                }
            }
        }
        let ids: Vec<u64> = pages
            .iter()
            .filter(|p| p.contains_key("imageinfo") && !p.contains_key("redirect"))
            .filter_map(page_id)
            .collect();
        let mut entities = self.entities_of(&ids).await?;
        let unnamed: Vec<u64> = pages
            .iter()
            .filter(|p| !page::names_artist(p))
            .filter_map(page_id)
            .collect();
        self.name_creators(&unnamed, &mut entities).await?;
        let nothing = Asked::default();
        let context = self.context();
        let row = |page: &Map<String, Value>| {
            let title = page.get("title").and_then(Value::as_str);
            let asked = title.and_then(|t| asked.get(t)).unwrap_or(&nothing);
            let entity = page_id(page).and_then(|id| entities.get(&id));
            context.listed(page, entity, asked)
        };
        Ok(pages.iter().map(row).collect())
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context {
            source: &self.source,
            wiki: &self.wiki,
            api: self.client.base(),
        }
    }

    /// What is asked of every page.
    pub(super) fn properties(&self) -> Params {
        params([
            ("action", "query"),
            ("prop", "info|imageinfo|categories|coordinates"),
            (
                "iiprop",
                "url|size|sha1|mime|mediatype|timestamp|user|extmetadata",
            ),
            ("iiextmetadatalanguage", "en"),
            ("iiextmetadatafilter", meta::ASKED),
            ("clshow", "!hidden"),
            ("cllimit", "max"),
            ("coprop", "globe"),
            ("colimit", "max"),
        ])
    }

    pub(super) fn generator<const N: usize>(
        &self,
        name: &str,
        query: [(String, String); N],
    ) -> Params {
        let mut params = self.properties();
        params.insert("generator".to_owned(), name.to_owned());
        params.extend(query);
        params
    }

    /// A batch that has no successor: titles and page ids.
    pub(super) async fn ask_whole(&self, params: Params) -> Result<Merged, AskError> {
        self.ask_batch(params, &mut Checkpoint::default()).await
    }

    /// Asks from `place.next` on until the batch is complete, and moves `place.next`.
    pub(super) async fn ask_batch(
        &self,
        params: Params,
        place: &mut Checkpoint,
    ) -> Result<Merged, AskError> {
        let mut merged = Merged::default();
        let mut seen: Vec<Map<String, Value>> = Vec::new();
        let mut next = place.next.clone();
        loop {
            let mut now = params.clone();
            for (key, value) in next.iter().flatten() {
                let value = match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                now.insert(key.clone(), value);
            }
            let url = self.client.url(&now);
            let mut answer = self.client.ask(&now).await?;
            merged.add(url.as_str(), &mut answer)?;
            let stuck = |problem: &str| {
                AskError::Failed(SourceError::Api {
                    url: url.to_string(),
                    problem: problem.to_owned(),
                    remedy: "the wiki's continuation is broken; ask for something else or for \
                             smaller batches"
                        .to_owned(),
                })
            };
            let following = merge::continuation(&answer);
            if following.as_ref().is_some_and(checkpoint::is_too_large) {
                return Err(stuck("its `continue` is too large"));
            }
            if merge::is_complete(&answer) || following.is_none() {
                if following.is_some() && following == place.next {
                    return Err(stuck("its `continue` leads back to itself"));
                }
                place.next = following;
                if !place.turtle_moves() {
                    return Err(stuck("its `continue` leads in a circle"));
                }
                return Ok(merged);
            }
            next = following;
            if let Some(n) = &next {
                if seen.contains(n) {
                    return Err(stuck("its `continue` leads back to itself"));
                }
                seen.push(n.clone());
            }
        }
    }
}

fn page_id(page: &Map<String, Value>) -> Option<u64> {
    page.get("pageid").and_then(Value::as_u64)
}

/// A file's page without facts, where the wiki does not say that there are none.
fn is_partial(page: &Map<String, Value>) -> bool {
    let says_why = ["imageinfo", "missing", "redirect", "invalid", "special"];
    let no_file = page.get("imagerepository").and_then(Value::as_str) == Some("");
    let a_file = page.get("ns").and_then(Value::as_i64).unwrap_or(6) == 6;
    a_file && !no_file && !says_why.iter().any(|key| page.contains_key(*key))
}

fn chain(renames: &[(String, String)]) -> BTreeMap<&str, &str> {
    let pairs = renames
        .iter()
        .map(|(from, to)| (from.as_str(), to.as_str()));
    pairs.collect()
}

fn follow(renames: &BTreeMap<&str, &str>, title: &str) -> String {
    let mut title = title;
    for _ in 0..MAX_HOPS {
        match renames.get(title) {
            Some(to) => title = to,
            None => break,
        }
    }
    title.to_owned()
}

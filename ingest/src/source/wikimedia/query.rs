//! What is wanted, stage after stage, batch after batch.

mod answers;
mod entities;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use fairframe_schemas::{
    Label, SourceToml,
    source::{GeoSearch, TimeRange, Wikimedia},
};
use serde::Serialize;
use serde_json::Value;

use super::{
    checkpoint::Checkpoint,
    client::{Answerer, ApiClient, AskError, Params},
    file_urls::{self, Table},
};
use crate::{
    http::Http,
    source::{Batch, Listed, Source, SourceError},
};

/// Most categories of one listing, subcategories included.
pub const MAX_CATEGORIES: usize = 10_000;

/// Most titles, page ids or entities in one request, without special rights.
const MAX_VALUES: usize = 50;

/// Most bytes of titles in one address; servers refuse addresses over 8 KiB.
const MAX_TITLE_BYTES: usize = 5_000;

/// `list=geosearch` has no continuation: it answers with at most this many.
const NEAR_LIMIT: usize = 500;

/// CirrusSearch, the search of Wikimedia's wikis, shows no result beyond this one
/// (`MAX_OFFSET_LIMIT`): it ends there or refuses to go on.
const SEARCH_LIMIT: u64 = 10_000;

/// Steps without a row (empty categories) before an empty batch is handed out,
/// so that its checkpoint is kept.
const MAX_EMPTY_STEPS: usize = 16;

/// One way of saying which files are wanted.
#[derive(Debug, Clone, Serialize)]
enum Stage {
    /// Roots, levels, and what is not entered.
    Categories(Vec<String>, u32, Vec<String>),
    Search(String),
    Near(GeoSearch),
    Titles(Vec<String>),
    PageIds(Vec<u64>),
    Uploaded(TimeRange),
    FileUrls(PathBuf),
}

/// Lists the files of a wiki.
pub struct WikimediaSource<A = Http> {
    client: ApiClient<A>,
    source: String,
    wiki: Wikimedia,
    base_dir: PathBuf,
    stages: Vec<Stage>,
    plan: String,
    /// Whether the wiki still counts as having structured data.
    entities: bool,
    /// What creators are called that are items.
    names: BTreeMap<String, Option<String>>,
    /// To be handed out with the next batch.
    pub(super) messages: Vec<String>,
}

impl WikimediaSource<Http> {
    /// `base_dir` is the folder of the `source.toml`; paths in it are relative to it.
    pub fn new(toml: &SourceToml, base_dir: &Path, http: Http) -> Result<Self, SourceError> {
        Self::with_answerer(toml, base_dir, http)
    }
}

impl<A: Answerer> WikimediaSource<A> {
    /// As [`WikimediaSource::new`], with anything that answers.
    pub fn with_answerer(
        toml: &SourceToml,
        base_dir: &Path,
        answerer: A,
    ) -> Result<Self, SourceError> {
        let error = |problem: &str, remedy: &str| SourceError::Api {
            url: format!("source `{}`", toml.source),
            problem: problem.to_owned(),
            remedy: remedy.to_owned(),
        };
        let wiki = toml.wikimedia.clone().ok_or_else(|| {
            error(
                "it is not of this kind",
                "its `source.toml` needs a `[wikimedia]` table",
            )
        })?;
        let stages = stages(&wiki);
        if stages.is_empty() {
            return Err(error(
                "nothing is asked for",
                "give `categories`, `search`, `geosearch`, `titles`, `page_ids`, `uploaded` \
                 or `file_urls` in `[wikimedia]`",
            ));
        }
        let user_agent = toml.fetch.user_agent.as_deref();
        let client = ApiClient::new(answerer, &wiki.api, wiki.maxlag, user_agent)?;
        let plan = serde_json::to_string(&stages).unwrap_or_default();
        Ok(Self {
            client,
            source: toml.source.to_string(),
            base_dir: base_dir.to_owned(),
            stages,
            plan: fairframe_schemas::Digest::of(plan.as_bytes()).to_string()[..16].to_owned(),
            entities: wiki.structured_data,
            names: BTreeMap::new(),
            messages: Vec::new(),
            wiki,
        })
    }

    fn restore(&self, checkpoint: Option<&Value>) -> Result<Checkpoint, SourceError> {
        let fresh = || Checkpoint {
            plan: self.plan.clone(),
            ..Checkpoint::default()
        };
        let Some(value) = checkpoint else {
            return Ok(fresh());
        };
        let kept: Checkpoint =
            serde_json::from_value(value.clone()).map_err(|e| SourceError::Api {
                url: self.client.base().to_string(),
                problem: format!(
                    "the checkpoint of source `{}` is unreadable: {e}",
                    self.source
                ),
                remedy: "start a new run".to_owned(),
            })?;
        if kept.plan != self.plan {
            tracing::warn!(
                source = self.source,
                "`[wikimedia]` asks for something else than before; listing starts anew"
            );
            return Ok(fresh());
        }
        Ok(kept)
    }

    /// One request's worth of the stage at hand; moves the checkpoint on.
    async fn step(
        &mut self,
        stage: &Stage,
        place: &mut Checkpoint,
    ) -> Result<Vec<Listed>, SourceError> {
        match stage {
            Stage::Categories(roots, depth, _) => self.category(roots, *depth, place).await,
            Stage::Search(text) => self.search(text, place).await,
            Stage::Near(near) => {
                let query = [
                    (
                        "ggscoord".to_owned(),
                        format!("{}|{}", near.latitude, near.longitude),
                    ),
                    ("ggsradius".to_owned(), near.radius_m.to_string()),
                    ("ggsnamespace".to_owned(), "6".to_owned()),
                    ("ggslimit".to_owned(), NEAR_LIMIT.to_string()),
                ];
                let rows = self.generated("geosearch", query, place).await?;
                if rows.len() >= NEAR_LIMIT {
                    self.messages.push(format!(
                        "{}: the wiki lists no more than {NEAR_LIMIT} files near a point; near \
                         {}, {} there may be more: give several smaller circles in `geosearch`",
                        self.source, near.latitude, near.longitude
                    ));
                }
                Ok(rows)
            }
            Stage::Uploaded(range) => self.uploaded(range, place).await,
            Stage::Titles(titles) => {
                let from = usize::try_from(place.at)
                    .unwrap_or(usize::MAX)
                    .min(titles.len());
                let (rows, taken) = self.titles(&titles[from..]).await?;
                place.at += taken as u64;
                if from + taken >= titles.len() {
                    place.stage_done();
                }
                Ok(rows)
            }
            Stage::PageIds(ids) => {
                let from = usize::try_from(place.at)
                    .unwrap_or(usize::MAX)
                    .min(ids.len());
                let some = &ids[from..ids.len().min(from + self.per_request())];
                let rows = self.page_ids(some).await?;
                place.at += some.len() as u64;
                if from + some.len() >= ids.len() {
                    place.stage_done();
                }
                Ok(rows)
            }
            Stage::FileUrls(path) => self.file_urls(path, place).await,
        }
    }

    /// A batch of what the wiki's search finds.
    async fn search(
        &mut self,
        text: &str,
        place: &mut Checkpoint,
    ) -> Result<Vec<Listed>, SourceError> {
        let next = place.next.as_ref().and_then(|n| n.get("gsroffset"));
        let from = next.and_then(Value::as_u64).unwrap_or(0);
        let of = |key: &str, value: &str| (format!("gsr{key}"), value.to_owned());
        let query = [
            of("search", text),
            of("namespace", "6"),
            of("limit", &self.wiki.batch.to_string()),
        ];
        let (rows, ended) = match self.generated("search", query, place).await {
            Ok(rows) => (rows, place.next.is_none()),
            Err(AskError::Refused(_)) if from >= SEARCH_LIMIT => {
                place.stage_done();
                (Vec::new(), true)
            }
            Err(error) => return Err(error.into()),
        };
        if ended && from + u64::from(self.wiki.batch) >= SEARCH_LIMIT {
            self.messages.push(format!(
                "{}: the wiki's search ends at result {SEARCH_LIMIT}, and there may be more: \
                 narrow `search` (`incategory:`, `filemime:`, a year) in several sources, or list \
                 by `categories`",
                self.source
            ));
        }
        Ok(rows)
    }

    fn per_request(&self) -> usize {
        (self.wiki.batch as usize).clamp(1, MAX_VALUES)
    }

    /// A batch of one category; at its end its subcategories are queued.
    async fn category(
        &mut self,
        roots: &[String],
        depth: u32,
        place: &mut Checkpoint,
    ) -> Result<Vec<Listed>, SourceError> {
        if place.categories.is_empty() {
            for root in roots {
                self.queue(place, root, depth)?;
            }
        }
        let at = usize::try_from(place.at).unwrap_or(usize::MAX);
        let Some((name, depth)) = place.categories.get(at).cloned() else {
            place.stage_done();
            return Ok(Vec::new());
        };
        let title = format!("Category:{name}");
        let begins = place.next.is_none();
        let query = [
            ("gcmtitle".to_owned(), title.clone()),
            ("gcmtype".to_owned(), "file".to_owned()),
            ("gcmlimit".to_owned(), self.wiki.batch.to_string()),
        ];
        let params = self.generator("categorymembers", query);
        let merged = self.ask_batch(params, place).await?;
        let rows = self.rows(merged.pages, &BTreeMap::new()).await?;
        if place.next.is_some() {
            return Ok(rows);
        }
        let mut empty = begins && rows.is_empty();
        if depth > 0 {
            for sub in self.subcategories(&title).await? {
                empty = false;
                self.queue(place, &sub, depth - 1)?;
            }
        }
        // A wiki answers so for a category that is not there, too.
        if empty && at < roots.len() {
            self.messages.push(format!(
                "{}: `{title}` lists nothing: see whether the wiki has a category of this name, \
                 and whether its files lie deeper than `depth`",
                self.source
            ));
        }
        place.at += 1;
        if place.at >= place.categories.len() as u64 {
            place.stage_done();
        }
        Ok(rows)
    }

    /// Queues a category unless it was found before (categories form cycles).
    fn queue(&self, place: &mut Checkpoint, title: &str, depth: u32) -> Result<(), SourceError> {
        let name = category_name(title);
        let excluded = |not: &String| category_name(not) == name;
        if name.is_empty()
            || place.categories.iter().any(|(known, _)| *known == name)
            || self.wiki.exclude_categories.iter().any(excluded)
        {
            return Ok(());
        }
        if place.categories.len() >= MAX_CATEGORIES {
            return Err(SourceError::Api {
                url: self.client.base().to_string(),
                problem: format!(
                    "below the categories asked for there are more than {MAX_CATEGORIES}"
                ),
                remedy: "make `depth` in `[wikimedia]` smaller, or name the categories".to_owned(),
            });
        }
        place.categories.push((name, depth));
        Ok(())
    }

    async fn subcategories(&self, title: &str) -> Result<Vec<String>, SourceError> {
        let params = params([
            ("action", "query"),
            ("list", "categorymembers"),
            ("cmtitle", title),
            ("cmtype", "subcat"),
            ("cmlimit", "max"),
        ]);
        let mut found = Vec::new();
        let mut place = Checkpoint::default();
        loop {
            let merged = self.ask_batch(params.clone(), &mut place).await?;
            found.extend(merged.members);
            if place.next.is_none() || found.len() > MAX_CATEGORIES {
                return Ok(found);
            }
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.source
    }

    pub(super) fn batch(&self) -> u32 {
        self.wiki.batch
    }

    /// A batch of a listing that the wiki generates.
    pub(super) async fn generated<const N: usize>(
        &mut self,
        generator: &str,
        query: [(String, String); N],
        place: &mut Checkpoint,
    ) -> Result<Vec<Listed>, AskError> {
        let params = self.generator(generator, query);
        let merged = self.ask_batch(params, place).await?;
        if place.next.is_none() {
            place.stage_done();
        }
        Ok(self.rows(merged.pages, &BTreeMap::new()).await?)
    }

    /// Titles of one request; also how many of them it took.
    async fn titles(&mut self, titles: &[String]) -> Result<(Vec<Listed>, usize), SourceError> {
        let taken = fitting(titles, self.per_request());
        let wanted = titles[..taken].iter().map(|title| Wanted {
            title: file_urls::checked(&file_title(title)).ok_or_else(|| title.clone()),
            labels: Vec::new(),
        });
        let rows = self.wanted(wanted.collect()).await?;
        Ok((rows, taken))
    }

    /// Rows of a table of file URLs.
    async fn file_urls(
        &mut self,
        path: &Path,
        place: &mut Checkpoint,
    ) -> Result<Vec<Listed>, SourceError> {
        let mut table = Table::open(&self.base_dir.join(path), place.at)?;
        let line = place.line.max(2);
        let mut wanted = Vec::new();
        let mut bytes = 0;
        let mut last = false;
        while wanted.len() < self.per_request() && bytes < MAX_TITLE_BYTES {
            let Some(row) = table.rows(1, line + wanted.len() as u64)?.pop() else {
                last = true;
                break;
            };
            if let Err(problem) = &row.title {
                tracing::warn!(file = %path.display(), row = row.line, problem);
            }
            let labels = row.labels.into_iter().map(|(label, origin)| Label {
                label,
                confidence: None,
                origin: origin.to_owned(),
            });
            bytes += row.title.as_ref().map_or(0, |t| encoded_len(t));
            wanted.push(Wanted {
                title: row.title.map_err(|_| row.name),
                labels: labels.collect(),
            });
        }
        place.at = table.position();
        place.line = line + wanted.len() as u64;
        if last {
            place.stage_done();
        }
        self.wanted(wanted).await
    }

    async fn page_ids(&mut self, ids: &[u64]) -> Result<Vec<Listed>, SourceError> {
        let joined: Vec<String> = ids.iter().map(u64::to_string).collect();
        let mut params = self.properties();
        params.insert("pageids".to_owned(), joined.join("|"));
        let merged = self.ask_whole(params).await?;
        self.rows(merged.pages, &BTreeMap::new()).await
    }
}

impl<A: Answerer> Source for WikimediaSource<A> {
    async fn next(&mut self, checkpoint: Option<&Value>) -> Result<Option<Batch>, SourceError> {
        let mut place = self.restore(checkpoint)?;
        let limit = self.wiki.limit.unwrap_or(u64::MAX);
        let mut listed = Vec::new();
        for _ in 0..MAX_EMPTY_STEPS {
            let Some(stage) = self.stages.get(place.stage).cloned() else {
                return Ok(None);
            };
            let left = limit.saturating_sub(place.listed);
            if left == 0 {
                return Ok(None);
            }
            listed = self.step(&stage, &mut place).await?;
            listed.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            if !listed.is_empty() || !self.messages.is_empty() {
                break;
            }
        }
        place.listed += listed.len() as u64;
        let checkpoint = serde_json::to_value(&place).map_err(|e| SourceError::Api {
            url: self.client.base().to_string(),
            problem: format!("the checkpoint cannot be written: {e}"),
            remedy: "report this".to_owned(),
        })?;
        Ok(Some(Batch {
            listed,
            checkpoint,
            messages: std::mem::take(&mut self.messages),
        }))
    }
}

/// A title someone wants; where it cannot be asked for, what it is called.
struct Wanted {
    title: Result<String, String>,
    labels: Vec<Label>,
}

/// In this order; several selections are joined.
fn stages(wiki: &Wikimedia) -> Vec<Stage> {
    let mut stages = Vec::new();
    if !wiki.categories.is_empty() {
        stages.push(Stage::Categories(
            wiki.categories.clone(),
            wiki.depth,
            wiki.exclude_categories.clone(),
        ));
    }
    stages.extend(wiki.search.clone().map(Stage::Search));
    stages.extend(wiki.geosearch.iter().cloned().map(Stage::Near));
    if !wiki.titles.is_empty() {
        stages.push(Stage::Titles(wiki.titles.clone()));
    }
    if !wiki.page_ids.is_empty() {
        stages.push(Stage::PageIds(wiki.page_ids.clone()));
    }
    stages.extend(wiki.uploaded.clone().map(Stage::Uploaded));
    stages.extend(wiki.file_urls.iter().cloned().map(Stage::FileUrls));
    stages
}

fn params<const N: usize>(pairs: [(&str, &str); N]) -> Params {
    let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    pairs.into_iter().map(owned).collect()
}

/// `A.jpg` -> `File:A.jpg`; file names hold no colon.
fn file_title(title: &str) -> String {
    let title = title.trim().replace('_', " ");
    if title.contains(':') {
        title
    } else {
        format!("File:{title}")
    }
}

/// A category's name in the wiki's spelling, without the namespace in any language.
fn category_name(title: &str) -> String {
    let title = title.replace('_', " ");
    let name = title
        .split_once(':')
        .map_or(title.as_str(), |(_, name)| name);
    let words: Vec<&str> = name.split_whitespace().collect();
    let name = words.join(" ");
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => name,
    }
}

/// How many of the titles fit into one request; at least one.
fn fitting(titles: &[String], most: usize) -> usize {
    let mut bytes = 0;
    let fits = |title: &&String| {
        bytes += encoded_len(title);
        bytes <= MAX_TITLE_BYTES
    };
    let count = titles.iter().take(most).take_while(fits).count();
    count.max(1).min(titles.len())
}

fn encoded_len(title: &str) -> usize {
    let encoded = url::form_urlencoded::byte_serialize(title.as_bytes());
    encoded.map(str::len).sum::<usize>() + "File%3A%7C".len()
}

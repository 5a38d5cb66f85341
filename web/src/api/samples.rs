//! Samples: found, counted, one by one.

use axum::{
    Json,
    extract::{Path, Query, State},
};
use fairframe_schemas::{SampleId, Status};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{
    IntoParams, ToSchema,
    openapi::{
        path::{Parameter, ParameterIn},
        schema::{ArrayBuilder, ObjectBuilder, Type},
    },
};

use super::{
    params::{self, Filters, Versioned, each, query},
    shapes,
};
use crate::{
    App,
    access::Who,
    allowed::Allowed,
    browse::{self, Facet, Filter, Group, Key, Number, Row, View, last, nearest},
    error::{AppError, Problems},
    pages::{address, samples::sort},
    terms,
    viewer::Looking,
};

/// Samples of an answer, unless it is said.
const USUAL: u64 = 100;
/// The most.
const MOST: u64 = 1000;

/// Words of a facet in an answer.
const MAX_WORDS: usize = 10_000;

/// Groups of an answer.
const MAX_GROUPS: usize = 10_000;

/// Edges of bands.
const MAX_EDGES: usize = 100;

/// What is shown of a sample in lists. Of a withdrawn one: that it was.
#[derive(Serialize, ToSchema)]
pub struct SampleItem {
    sample_id: String,
    status: String,
    reasons: Vec<String>,
    title: Option<String>,
    media_type: Option<String>,
    mime: Option<String>,
    media_sha256: Option<String>,
    /// Pixels.
    width: Option<i64>,
    /// Pixels.
    height: Option<i64>,
    bytes: Option<i64>,
    /// Seconds.
    duration_s: Option<f64>,
    /// Day of capture, UTC.
    captured: Option<String>,
    country: Option<String>,
    subregion: Option<String>,
    region: Option<String>,
    /// Degrees.
    latitude: Option<f64>,
    /// Degrees.
    longitude: Option<f64>,
    licence: Option<String>,
    creator: Option<String>,
    labels: Vec<String>,
    split: Option<String>,
    source: Option<String>,
    /// The sample in this API.
    href: String,
    /// Its bytes, where they may be handed on.
    media: Option<String>,
    thumbnail: Option<String>,
}

impl SampleItem {
    fn new(app: &App, allowed: &Allowed, row: Row<'_>, at: &str) -> Self {
        let word = |facet| Some(row.word(facet).to_owned()).filter(|w| !w.is_empty());
        let words = |facet| row.words(facet).into_iter().map(str::to_owned).collect();
        let whole = |number| row.number(number).map(|n| n as i64);
        let served = row.digest().filter(|d| allowed.mime(d).is_some());
        Self {
            sample_id: row.id().to_string(),
            status: row.word(Facet::Status).to_owned(),
            reasons: words(Facet::Reason),
            title: row.title().map(str::to_owned),
            media_type: word(Facet::MediaType),
            mime: word(Facet::Mime),
            media_sha256: row.digest().map(|d| d.to_string()),
            width: whole(Number::Width),
            height: whole(Number::Height),
            bytes: whole(Number::Bytes),
            duration_s: row.number(Number::Duration),
            captured: row
                .number(Number::Captured)
                .and_then(browse::date)
                .map(|d| d.to_string()),
            country: word(Facet::Country),
            subregion: word(Facet::Subregion),
            region: word(Facet::Region),
            latitude: row.number(Number::Latitude),
            longitude: row.number(Number::Longitude),
            licence: word(Facet::Licence),
            creator: word(Facet::Creator),
            labels: words(Facet::Label),
            split: word(Facet::Split),
            source: word(Facet::Source),
            href: format!("{at}/samples/{}", row.id()),
            media: served.map(|d| format!("/media/{d}")),
            thumbnail: served
                .filter(|d| app.layout.thumbnail(d).is_file())
                .map(|d| format!("/thumbnails/{d}")),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct SamplePage {
    /// Samples that the filter holds.
    total: u64,
    items: Vec<SampleItem>,
    /// The address of the next samples; none after the last.
    next: Option<String>,
}

/// Order and paging.
pub struct Paging;

impl IntoParams for Paging {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let orders = Number::ALL.iter().map(|n| n.key());
        let orders = orders.flat_map(|key| [key.to_owned(), format!("-{key}")]);
        let orders: Vec<String> = orders.collect();
        let limit = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(MOST));
        vec![
            query(
                "sort",
                "Order; with `-` the greatest first; as in the manifest where it is not said",
                text().enum_values(Some(orders)),
            ),
            query(
                "limit",
                "Samples of the answer; 100 where it is not said",
                limit,
            ),
            query(
                "after",
                "The sample after which to go on, as in `next`",
                text().pattern(Some("^[0-9a-f]{32}$")),
            ),
        ]
    }
}

/// Samples that a filter holds
///
/// The keys are those of the page of samples: values of one key are joined by *or*, keys by *and*.
/// Follow `next` until there is none. Everything that is known of many samples stands in the
/// Parquet files of the release.
#[utoipa::path(get, path = "/datasets/{name}/versions/{version}/samples", tag = "Samples",
    params(
        Versioned,
        Paging, Filters,
    ),
    responses((status = 200, description = "Some samples", body = SamplePage), Problems))]
pub async fn samples(
    State(app): State<App>,
    who: Who,
    Path(Versioned { name, version }): Path<Versioned>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<SamplePage>, AppError> {
    let release = params::release(&app, &name, &version)?;
    let filter = Filter::parse(&pairs, &["sort", "limit", "after"])?;
    let sort = sort(last(&pairs, "sort").unwrap_or_default())?;
    let limit = params::limit(&pairs, USUAL, MOST)?;
    terms::must_be_accepted(&app, &who, &release.dataset).await?;
    let looking = Looking::at(&app, &who, release).await?;
    let unknown = || AppError::Invalid("`after` is no sample of this release.".to_owned());
    let after = last(&pairs, "after").map(|id| id.parse::<SampleId>().map_err(|_| unknown()));
    let after = after.transpose()?.map(|id| looking.index.find(&id));
    let after = after.map(|row| row.ok_or_else(unknown)).transpose()?;
    let (asked, order) = (filter.clone(), sort);
    let search = move |view: &View<'_>| {
        let start = match after {
            None => 0,
            Some(row) => view.neighbours(&asked, order, row).place?,
        };
        Some((start, view.query(&asked, order, start..start + limit, &[])))
    };
    let moved = || {
        let text = "The filter does not hold the sample of `after` any more: begin anew.";
        AppError::Conflict(text.to_owned())
    };
    let (start, found) = looking.ask(search).await?.ok_or_else(moved)?;
    let at = params::at(&looking.release.dataset, looking.release.version);
    let view = looking.view();
    let rows = found.rows.iter().filter_map(|row| view.row(*row));
    let items = rows.map(|row| SampleItem::new(&app, &looking.allowed, row, &at));
    let items: Vec<SampleItem> = items.collect();
    let more = start + (items.len() as u64) < found.total;
    let next = items.last().filter(|_| more).map(|end| {
        let mut own = vec![("limit".to_owned(), limit.to_string())];
        if let Some(order) = last(&pairs, "sort") {
            own.push(("sort".to_owned(), order.to_owned()));
        }
        own.push(("after".to_owned(), end.sample_id.clone()));
        address(&format!("{at}/samples"), &filter, &own)
    });
    Ok(Json(SamplePage {
        total: found.total,
        items,
        next,
    }))
}

#[derive(Serialize, ToSchema)]
pub struct SampleDoc {
    /// Where it stands now; for curators with what is decided and not released yet.
    status: String,
    reasons: Vec<String>,
    /// Every public column, as released.
    #[schema(schema_with = shapes::row_schema)]
    sample: Map<String, Value>,
    /// Samples that were made from it.
    made_into: Vec<String>,
    media: Option<String>,
    thumbnail: Option<String>,
    /// Its page.
    page: String,
}

/// One sample with everything that is known of it
///
/// 410 where it was withdrawn.
#[utoipa::path(get, path = "/datasets/{name}/versions/{version}/samples/{id}", tag = "Samples",
    params(
        ("name" = String, Path, description = "Name of a dataset"),
        ("version" = String, Path, description = "A version, or `latest`"),
        ("id" = String, Path, description = "Id of a sample"),
    ),
    responses((status = 200, description = "The sample", body = SampleDoc), Problems))]
pub async fn sample(
    State(app): State<App>,
    who: Who,
    Path((name, version, id)): Path<(String, String, String)>,
) -> Result<Json<SampleDoc>, AppError> {
    const KIND: AppError = AppError::NotFound("sample");
    let release = params::release(&app, &name, &version)?;
    terms::must_be_accepted(&app, &who, &release.dataset).await?;
    let looking = Looking::at(&app, &who, release).await?;
    let number = looking.find(&id)?;
    let index = looking.index.clone();
    let read = looking.ask(move |_| index.read(number)).await?;
    let sample = read.map_err(AppError::internal)?.ok_or(KIND)?;
    let view = looking.view();
    let row = view.row(number).ok_or(KIND)?;
    let release = &looking.release;
    let (dataset, version) = (release.dataset.as_str(), release.version.to_string());
    let id = row.id();
    let made = looking.index.made_from(&id).filter_map(|n| view.row(n));
    let made = made.filter(|row| row.word(Facet::Status) != Status::Withdrawn.as_str());
    let made: Vec<String> = made
        .take(MOST as usize)
        .map(|r| r.id().to_string())
        .collect();
    let SampleItem {
        status,
        reasons,
        media,
        thumbnail,
        ..
    } = SampleItem::new(&app, &looking.allowed, row, "");
    Ok(Json(SampleDoc {
        status,
        reasons,
        sample: shapes::row(&sample, dataset, &version)?,
        made_into: made,
        media,
        thumbnail,
        page: format!("/datasets/{dataset}/{version}/samples/{id}"),
    }))
}

#[derive(Serialize, ToSchema)]
pub struct WordCount {
    /// Empty for samples without any.
    word: String,
    samples: u64,
}

#[derive(Serialize, ToSchema)]
pub struct FacetCounts {
    facet: String,
    title: String,
    /// Most first.
    words: Vec<WordCount>,
    /// Further words that are left out.
    more: u64,
}

#[derive(Serialize, ToSchema)]
pub struct Facets {
    /// Samples that the filter holds.
    total: u64,
    facets: Vec<FacetCounts>,
}

/// Which facets are counted.
pub struct Counted;

impl IntoParams for Counted {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let keys = Facet::ALL.iter().map(|f| f.key());
        let key = ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(keys));
        let about = "A facet to count; all where none is said";
        vec![query("facet", about, ArrayBuilder::new().items(key))]
    }
}

fn facet(key: &str) -> Result<Facet, AppError> {
    Facet::by_key(key).ok_or_else(|| {
        let near = nearest(key, Facet::ALL.iter().map(|f| f.key()));
        let near = near.map_or(String::new(), |n| format!(" Did you mean `{n}`?"));
        let short: String = key.chars().take(60).collect();
        AppError::Invalid(format!("`{short}` is no facet.{near}"))
    })
}

/// How many samples of a filter have each word
///
/// A facet that the filter has a condition on is counted as if it had not, so that what else could
/// be chosen is counted too.
#[utoipa::path(get, path = "/datasets/{name}/versions/{version}/facets", tag = "Samples",
    params(
        Versioned,
        Counted, Filters,
    ),
    responses((status = 200, description = "Counts", body = Facets), Problems))]
pub async fn facets(
    State(app): State<App>,
    who: Who,
    Path(Versioned { name, version }): Path<Versioned>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<Facets>, AppError> {
    let release = params::release(&app, &name, &version)?;
    let filter = Filter::parse(&pairs, &["facet"])?;
    let wanted = each(&pairs, "facet").into_iter().map(facet);
    let mut wanted = wanted.collect::<Result<Vec<Facet>, _>>()?;
    wanted.sort();
    wanted.dedup();
    if wanted.is_empty() {
        wanted = Facet::ALL.to_vec();
    }
    let looking = Looking::at(&app, &who, release).await?;
    let count = move |view: &View<'_>| view.query(&filter, Default::default(), 0..0, &wanted);
    let found = looking.ask(count).await?;
    let facets = found.facets.into_iter().map(|counts| FacetCounts {
        facet: counts.facet.key().to_owned(),
        title: counts.facet.title().to_owned(),
        more: counts.words.len().saturating_sub(MAX_WORDS) as u64,
        words: counts
            .words
            .into_iter()
            .take(MAX_WORDS)
            .map(|(word, samples)| WordCount { word, samples })
            .collect(),
    });
    Ok(Json(Facets {
        total: found.total,
        facets: facets.collect(),
    }))
}

/// Samples that have the same values.
#[derive(Serialize, ToSchema)]
pub struct GroupItem {
    /// One for each key: a word, `[south, west]` of a square, the number of a band from 0, or null
    /// where nothing is known.
    #[schema(value_type = Vec<Object>, schema_with = values_schema)]
    values: Vec<Value>,
    samples: u64,
}

fn values_schema() -> utoipa::openapi::schema::Array {
    let any = utoipa::openapi::schema::SchemaType::AnyValue;
    ArrayBuilder::new()
        .items(ObjectBuilder::new().schema_type(any))
        .build()
}

#[derive(Serialize, ToSchema)]
pub struct Groups {
    /// As they were asked for.
    by: Vec<String>,
    groups: Vec<GroupItem>,
}

/// What is counted by.
pub struct By;

impl IntoParams for By {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let key = ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(1000))
            .examples(["country", "cell:5", "band:width:0,640,1280"]);
        let keys = ArrayBuilder::new()
            .items(key)
            .max_items(Some(browse::MAX_KEYS));
        let about = "A facet; squares of so many degrees (`cell:5`); bands of a number between \
                     rising edges (`band:width:0,640,1280`). At most three, of which one with \
                     several words a sample";
        vec![query("by", about, keys)]
    }
}

fn group_key(text: &str) -> Result<Key, AppError> {
    let wrong = |what: &str| AppError::Invalid(format!("`by` cannot be read: {what}."));
    match text.split_once(':') {
        None => facet(text).map(Key::Facet),
        Some(("cell", degrees)) => {
            let degrees = degrees.parse().map_err(|_| wrong("degrees are a number"))?;
            Ok(Key::Cell { degrees })
        }
        Some(("band", rest)) => {
            let (number, edges) = rest.split_once(':').ok_or_else(|| wrong("no edges"))?;
            let number = Number::by_key(number).ok_or_else(|| wrong("no such number"))?;
            let edges = edges.split(',').map(str::parse);
            let edges: Result<Vec<f64>, _> = edges.take(MAX_EDGES + 1).collect();
            match edges {
                Ok(edges) if edges.len() <= MAX_EDGES => Ok(Key::Band { number, edges }),
                _ => Err(wrong("edges are numbers, at most 100 of them")),
            }
        }
        Some(_) => Err(wrong("it is a facet, `cell:` or `band:`")),
    }
}

/// How many samples of a filter have each combination of values: for maps and tables
#[utoipa::path(get, path = "/datasets/{name}/versions/{version}/groups", tag = "Samples",
    params(
        Versioned,
        By, Filters,
    ),
    responses((status = 200, description = "Groups with samples", body = Groups), Problems))]
pub async fn groups(
    State(app): State<App>,
    who: Who,
    Path(Versioned { name, version }): Path<Versioned>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<Groups>, AppError> {
    let release = params::release(&app, &name, &version)?;
    let filter = Filter::parse(&pairs, &["by"])?;
    let by = each(&pairs, "by");
    let keys = by.iter().take(browse::MAX_KEYS + 1).map(|k| group_key(k));
    let keys = keys.collect::<Result<Vec<Key>, _>>()?;
    let lists = keys
        .iter()
        .filter(|k| matches!(k, Key::Facet(f) if f.is_list()));
    if lists.count() > 1 {
        let text = "Count by one facet only of which a sample can have several words.";
        return Err(AppError::Invalid(text.to_owned()));
    }
    let looking = Looking::at(&app, &who, release).await?;
    let count = move |view: &View<'_>| view.group_by(&filter, &keys);
    let found = looking.ask(count).await?;
    let found = found.map_err(|error| {
        let text = fairframe_schemas::text::sentence(&error.to_string());
        AppError::Invalid(format!("{text}."))
    })?;
    if found.len() > MAX_GROUPS {
        return Err(AppError::Invalid(format!(
            "These are {} groups, more than {MAX_GROUPS}: filter, or count by less.",
            found.len()
        )));
    }
    let value = |value: browse::Value| match value {
        browse::Value::None => Value::Null,
        browse::Value::Word(word) => word.into(),
        browse::Value::Cell { south, west } => vec![south, west].into(),
        browse::Value::Band(band) => band.into(),
    };
    let group = |group: Group| GroupItem {
        values: group.values.into_iter().map(value).collect(),
        samples: group.samples,
    };
    Ok(Json(Groups {
        by: by.into_iter().map(str::to_owned).collect(),
        groups: found.into_iter().map(group).collect(),
    }))
}

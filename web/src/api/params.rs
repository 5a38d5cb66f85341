//! The keys of a query, described once: those that samples are filtered by, and those of paging.

use fairframe_schemas::{DatasetVersion, Name};
use serde::Deserialize;
use utoipa::{
    IntoParams,
    openapi::{
        Required,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::{ArrayBuilder, ObjectBuilder, Schema, Type},
    },
};

use crate::{
    App,
    browse::{Facet, MAX_WORD, Number, last},
    catalog::{self, Release},
    error::AppError,
};

/// A release, as an address names it.
#[derive(Deserialize, IntoParams)]
pub struct Versioned {
    /// Name of a dataset
    pub name: String,
    /// A version, or `latest`
    pub version: String,
}

/// The word for the newest version.
pub const LATEST: &str = "latest";

/// The release that two words of an address name; `latest` is the newest one.
pub fn release(app: &App, name: &str, version: &str) -> Result<Release, AppError> {
    if version != LATEST {
        return catalog::release(&app.layout, name, version);
    }
    let dataset = dataset(app, name)?;
    catalog::release(&app.layout, name, &dataset.latest().to_string())
}

pub fn dataset(app: &App, name: &str) -> Result<catalog::Dataset, AppError> {
    let name = Name::new(name).map_err(|_| AppError::NotFound("dataset"))?;
    catalog::dataset(&app.layout, &name)
        .map_err(AppError::internal)?
        .ok_or(AppError::NotFound("dataset"))
}

/// Where a release is in the API.
pub fn at(name: &Name, version: DatasetVersion) -> String {
    format!("{}/datasets/{name}/versions/{version}", super::BASE)
}

/// Every value of a key.
pub fn each<'a>(pairs: &'a [(String, String)], key: &'static str) -> Vec<&'a str> {
    let found = pairs.iter().filter(|(k, v)| k == key && !v.is_empty());
    found.map(|(_, value)| value.as_str()).collect()
}

/// A whole number from 1 to `most`.
pub fn limit(pairs: &[(String, String)], usual: u64, most: u64) -> Result<u64, AppError> {
    let Some(text) = last(pairs, "limit") else {
        return Ok(usual);
    };
    let number = text.parse().ok().filter(|n| (1..=most).contains(n));
    number.ok_or_else(|| AppError::Invalid(format!("`limit` is a whole number from 1 to {most}.")))
}

/// What samples are filtered by: the keys of the page of samples.
pub struct Filters;

fn text(most: usize) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(most))
}

pub fn query(name: &str, about: &str, schema: impl Into<Schema>) -> Parameter {
    let schema: Schema = schema.into();
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(schema))
        .build()
}

fn words(facet: Facet) -> Schema {
    let word = match facet.known() {
        Some(known) => text(MAX_WORD).enum_values(Some(known)),
        None => text(MAX_WORD),
    };
    Schema::from(ArrayBuilder::new().items(word).max_items(Some(50)))
}

impl IntoParams for Filters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut all = Vec::new();
        for facet in Facet::ALL {
            let title = facet.title();
            let about = format!("{title}: one of these; empty for none at all");
            all.push(query(facet.key(), &about, words(*facet)));
            let about = format!("{title}: none of these");
            all.push(query(&format!("{}!", facet.key()), &about, words(*facet)));
        }
        for number in Number::ALL {
            for (end, word) in [("min", "at least"), ("max", "at most")] {
                let schema = match number {
                    Number::Captured => text(10).pattern(Some(r"^\d{4}(-\d{2}(-\d{2})?)?$")),
                    _ => ObjectBuilder::new().schema_type(Type::Number),
                };
                let about = format!("{}, {word}", number.title());
                all.push(query(&format!("{}-{end}", number.key()), &about, schema));
            }
        }
        all.push(query(
            "text",
            "Words, and \"phrases\", of titles, descriptions and creators; all must be there",
            text(200),
        ));
        all.push(query(
            "box",
            "South, west, north, east in degrees",
            text(100),
        ));
        all.push(query("group", "One split group", text(MAX_WORD)));
        all
    }
}

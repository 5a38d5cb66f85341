//! What a source says about the dataset it feeds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the dataset card says. Sources of one dataset say it together: what one
/// states another may leave out, and none may contradict.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct About {
    pub title: Option<String>,
    pub description: Option<String>,
    pub url: Option<String>,
    /// How to cite the dataset (BibTeX or text).
    pub citation: Option<String>,
    /// Who publishes it.
    pub publisher: Option<String>,
    /// Croissant RAI: how the data were collected.
    pub collection: Option<String>,
    /// Croissant RAI: what it must not be used for, known biases.
    pub limitations: Option<String>,
    /// Croissant RAI: what it is meant for.
    pub uses: Option<String>,
}

impl About {
    /// What both say; the key of which both state different things.
    pub fn join(self, other: &About) -> Result<About, &'static str> {
        Ok(About {
            title: said("title", self.title, &other.title)?,
            description: said("description", self.description, &other.description)?,
            url: said("url", self.url, &other.url)?,
            citation: said("citation", self.citation, &other.citation)?,
            publisher: said("publisher", self.publisher, &other.publisher)?,
            collection: said("collection", self.collection, &other.collection)?,
            limitations: said("limitations", self.limitations, &other.limitations)?,
            uses: said("uses", self.uses, &other.uses)?,
        })
    }
}

fn said(
    key: &'static str,
    one: Option<String>,
    other: &Option<String>,
) -> Result<Option<String>, &'static str> {
    match (one, other) {
        (Some(one), Some(other)) if one != *other => Err(key),
        (one, other) => Ok(one.or_else(|| other.clone())),
    }
}

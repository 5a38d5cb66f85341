//! Finds the sample that somebody means: by its number, by the digest of its bytes, by an
//! address on this server, or by where it came from.

use std::{collections::BTreeSet, sync::Arc};

use arrow_array::{Array, StringArray};
use fairframe_ingest::manifest::ReleaseReader;
use fairframe_schemas::{Column, Digest, Layout, Name, SampleId};
use tokio::sync::Semaphore;

use crate::{
    catalog,
    error::AppError,
    state::takedowns::Found,
    ties::{self, Row},
};

/// Addresses and numbers looked for in one text.
const MAX_WORDS: usize = 20;

/// Manifests looked through at a time: it takes a second for a million rows, and anybody may ask.
static LOOKING: Semaphore = Semaphore::const_new(1);

/// What a text may name.
#[derive(Debug, Default, PartialEq, Eq)]
struct Named {
    ids: BTreeSet<SampleId>,
    digests: BTreeSet<Digest>,
    addresses: BTreeSet<String>,
    datasets: BTreeSet<Name>,
}

impl Named {
    fn of(text: &str) -> Self {
        let mut named = Named::default();
        let end = |c: char| matches!(c, '.' | ',' | ';' | ')' | '>' | '"' | '\'');
        let words = text
            .split_whitespace()
            .map(|w| w.trim_matches(['<', '(', '"', '\'']));
        for word in words.map(|w| w.trim_end_matches(end)).take(MAX_WORDS) {
            if word.starts_with("https://") || word.starts_with("http://") {
                named.addresses.insert(word.to_owned());
            }
            if let Some((_, rest)) = word.split_once("/datasets/") {
                let name = rest.split(['/', '?', '#']).next().unwrap_or_default();
                named.datasets.extend(Name::new(name));
            }
            let pieces = word.split(|c: char| !c.is_ascii_alphanumeric());
            for piece in pieces.map(str::to_ascii_lowercase) {
                match piece.len() {
                    32 => named.ids.extend(piece.parse::<SampleId>()),
                    64 => named.digests.extend(piece.parse::<Digest>()),
                    _ => {}
                }
            }
        }
        named
    }

    fn is_nothing(&self) -> bool {
        self.ids.is_empty() && self.digests.is_empty() && self.addresses.is_empty()
    }
}

/// The first sample, accepted or not, of the newest releases that a text names. Datasets that it
/// names are looked through before the others.
pub async fn find(layout: &Arc<Layout>, text: &str) -> Result<Option<Found>, AppError> {
    let named = Named::of(text);
    if named.is_nothing() {
        return Ok(None);
    }
    let layout = layout.clone();
    let _turn = LOOKING.acquire().await.map_err(AppError::internal)?;
    let look = tokio::task::spawn_blocking(move || {
        let mut datasets = catalog::datasets(&layout).map_err(AppError::internal)?;
        datasets.sort_by_key(|d| (!named.datasets.contains(&d.name), d.name.clone()));
        for dataset in datasets {
            let folder = layout.release(&dataset.name, dataset.latest());
            let reader = ReleaseReader::open(&folder).map_err(AppError::internal)?;
            if let Some(sample) = named.among(&reader)? {
                let dataset = dataset.name;
                return Ok(Some(Found { dataset, sample }));
            }
        }
        Ok(None)
    });
    look.await.map_err(AppError::internal)?
}

impl Named {
    fn among(&self, reader: &ReleaseReader) -> Result<Option<SampleId>, AppError> {
        let columns = [
            Column::SampleId,
            Column::MediaSha256,
            Column::SourceUrl,
            Column::LandingUrl,
        ];
        for batch in reader.all_columns(&columns) {
            let batch = batch.map_err(AppError::internal)?;
            let [ids, digests, sources, landings] = columns.map(|column| {
                let array = batch.column_by_name(column.name());
                array.and_then(|a| a.as_any().downcast_ref::<StringArray>())
            });
            let text = |array: Option<&StringArray>, row| {
                let array = array.filter(|a| a.is_valid(row))?;
                Some(array.value(row).to_owned())
            };
            for row in 0..batch.num_rows() {
                let Some(Ok(id)) = text(ids, row).map(|id| id.parse::<SampleId>()) else {
                    continue;
                };
                let digest = || text(digests, row).and_then(|d| d.parse().ok());
                let linked = |array| text(array, row).is_some_and(|u| self.addresses.contains(&u));
                if self.ids.contains(&id)
                    || !self.digests.is_empty()
                        && digest().is_some_and(|d| self.digests.contains(&d))
                    || !self.addresses.is_empty() && (linked(sources) || linked(landings))
                {
                    return Ok(Some(id));
                }
            }
        }
        Ok(None)
    }
}

/// What is known of a sample, whether or not it shows anybody; none if the newest release has
/// not got it.
pub async fn row(layout: &Arc<Layout>, found: &Found) -> Result<Option<Row>, AppError> {
    let (layout, found) = (layout.clone(), found.clone());
    let _turn = LOOKING.acquire().await.map_err(AppError::internal)?;
    let look = tokio::task::spawn_blocking(move || {
        let dataset = catalog::dataset(&layout, &found.dataset).map_err(AppError::internal)?;
        let Some(dataset) = dataset else {
            return Ok(None);
        };
        let folder = layout.release(&dataset.name, dataset.latest());
        let reader = ReleaseReader::open(&folder).map_err(AppError::internal)?;
        Ok(ties::rows(&reader, |row| row.id == found.sample)?.pop())
    });
    look.await.map_err(AppError::internal)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_digests_and_addresses_are_made_out_in_a_text() {
        let (id, digest) = (SampleId::new("s", "k"), Digest::of(b"x"));
        let text = format!(
            "It is <https://data.example/datasets/photos/1.0.0/samples/{id}>, also\n{} and \
             https://data.example/media/{digest}. Please.",
            id.to_string().to_uppercase(),
        );
        let named = Named::of(&text);
        assert_eq!(named.ids, BTreeSet::from([id]));
        assert_eq!(named.digests, BTreeSet::from([digest]));
        assert_eq!(
            named.datasets,
            BTreeSet::from([Name::new("photos").unwrap()])
        );
        assert!(
            named
                .addresses
                .contains(&format!("https://data.example/media/{digest}"))
        );
        for nothing in [
            "",
            "the picture of me by the river",
            "javascript:alert(1)",
            "ß".repeat(32).as_str(),
        ] {
            assert!(Named::of(nothing).is_nothing(), "{nothing}");
        }
    }
}

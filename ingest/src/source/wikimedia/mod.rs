//! Wikimedia: any MediaWiki Action API, Wikimedia Commons by default.
//!
//! ```text
//! query.rs       what is wanted, stage after stage
//! uploaded.rs    files by the time of their upload
//! checkpoint.rs  where the listing stands
//! client.rs      one request: URL, limits, errors, maxlag
//! merge.rs       the parts of one answer become one answer
//! file_urls.rs   addresses of files, as in Google Landmarks' train.csv
//! page.rs        a page becomes a listed sample
//! meta.rs        what the description page says
//! entity.rs      structured data (Wikibase statements)
//! when.rs        dates and how exact they are
//! place.rs       coordinates and which statement wins
//! ```
//!
//! A **batch** is what one round of the API's continuation yields, up to
//! `batchcomplete`: its pages have all their properties. Checkpoints lie
//! between batches only, so the same checkpoint asks the same requests again.
//!
//! A sample's key is the page id, which survives renaming (the redirect left
//! behind gets a new one). A wanted title without a page is `title:<Title>`.

mod checkpoint;
mod client;
mod entity;
mod file_urls;
mod merge;
mod meta;
mod page;
mod place;
mod query;
mod uploaded;
mod when;

#[cfg(test)]
mod tests;

pub use client::{Answerer, MAX_ANSWER_BYTES, wants_contact};
pub use query::{MAX_CATEGORIES, WikimediaSource};

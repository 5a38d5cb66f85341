//! Every row of a release in memory, column by column: what pages filter,
//! count, group and sort.
//!
//! ```ignore
//! let index = app.indexes.get(&release).await?;          // an `AppError` page while it is made
//! let filter = Filter::parse(&pairs, &["page", "by"])?;  // an `AppError` page where it is wrong
//! let view = View::new(&index, scope, &overlay);
//! let found = view.query(&filter, sort, 0..48, &[Facet::Country]);
//! let groups = view.group_by(&filter, &[Key::Cell { degrees: 5.0 }, Key::Facet(Facet::Year)])?;
//! let here = format!("/datasets/{name}/{version}/samples?{filter}");
//! ```
//!
//! An index is immutable. Decisions that are not released yet lie over it as an [`Overlay`];
//! what was withdrawn is not in it. Work is done in blocks of 64k rows on all cores: questions
//! to a large release take milliseconds to tens of them, so handlers ask in
//! `tokio::task::spawn_blocking`.

mod bits;
mod block;
mod cache;
mod clusters;
mod facet;
mod filter;
mod group;
mod index;
mod overlay;
mod select;
mod spread;
mod text;
mod view;
mod words;

#[cfg(test)]
mod model_tests;

pub use cache::Indexes;
pub use clusters::{Alike, Cluster, Leak, Shared, WITHIN};
pub use facet::{Facet, MAX_WORD, Number, PLACE, kept, nearest};
pub use filter::{Area, Choice, Filter, FilterError, MAX_QUERY, Range, last, query, written};
pub use group::{Group, GroupError, Key, MAX_KEYS, MIN_CELL, Value};
pub use index::{Index, IndexError};
pub use overlay::{Change, Overlay};
pub use spread::{Spread, Spreads};
pub use text::date;
pub use view::{Counts, Found, Neighbours, Row, Scope, Sort, View};
pub use words::Words;

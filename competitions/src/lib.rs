//! Competitions: a task that many answer, when, how often, and who stands where.
//!
//! ```text
//! definition -> calendar -> prepare -> score -> ladder -> ties -> board
//!                              |         |
//!                           (truth)   (items' scores)
//! ```
//!
//! Pure but for [`vault`], which keeps what competitions have on the disk: no clock, no network, no
//! database. The moment is handed in.

pub mod definition;

pub mod calendar;
pub mod vault;

pub mod prepare;

pub mod baselines;
pub mod groups;
pub mod items;
pub mod jackknife;
pub mod score;

pub mod ladder;
pub mod ties;

pub mod board;

pub mod check;
pub mod import;
pub mod markdown;
pub mod table;
pub mod template;

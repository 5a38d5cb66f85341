//! The pages, the API and the workers. One program: each further one is linked with all of it anew.
//! `cargo test --release -p fairframe-web --test all browse::` runs the tests of one file.

mod accounts;
mod api;
mod browse;
mod competitions;
mod consent;
mod contribute;
mod curate;
mod duplicates;
mod map;
mod over_http;
mod pages;
mod quality;
mod research;
mod support;

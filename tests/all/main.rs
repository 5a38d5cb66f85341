//! The program's tests in one program: each further one is linked with all of Fairframe anew.
//! `cargo test --release --test all serve::` runs those of one file.

mod browser;
mod competitions;
mod corpus;
mod curate;
mod demo;
mod disk;
mod episodes;
mod features;
mod frame;
mod host;
mod imports;
mod ingest;
mod judge;
mod kill;
mod layouts;
mod licences;
mod mediawiki;
mod mediawiki_ingest;
mod pair;
mod pull;
mod recall;
mod replay;
mod reports;
mod schemas;
mod serve;
mod submit;
mod support;
mod swap;
mod verify;

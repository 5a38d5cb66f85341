//! Competitions without pages. One program: each further one is linked with all of it anew.
//! `cargo test --release -p fairframe-competitions --test all told::` runs the tests of one file.

mod import;
mod prepare;
mod score;
mod support;
mod told;

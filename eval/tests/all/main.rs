//! The evaluator as its user calls it. One program: each further one is linked with all of it anew.
//! `cargo test --release -p fairframe-eval --test all contract::` runs the tests of one file.

mod bad_input;
mod compare;
mod contract;
mod few_shot;
mod fuzz;
mod one_file;
mod oracle;
mod real;
mod support;
mod targets;
mod uncertainty;

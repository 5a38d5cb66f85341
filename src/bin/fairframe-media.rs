//! `fairframe-media`: decodes and encodes media for `fairframe`, which starts it and never calls FFmpeg
//! itself.

use std::process::ExitCode;

use fairframe_corpus::worker;
use fairframe_ingest::media::{
    self,
    program::{DESCRIBE, FOR, NAME, OTHER_VERSION, VERSION},
};

/// Exit code of a wrong command line, as of `fairframe`.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [FOR, VERSION, DESCRIBE] => media::worker_main(),
        [FOR, VERSION, task] => worker::worker_main(task),
        [FOR, other, task] => {
            let why_not = format!("{NAME} {VERSION} was started by `fairframe` {other}");
            // A program's launcher says on standard output why it does not become it.
            if task == worker::PROGRAM {
                println!("{why_not}");
            }
            eprintln!("{why_not}");
            ExitCode::from(OTHER_VERSION)
        }
        _ => {
            eprintln!(
                "{NAME} {VERSION} decodes and encodes media for `fairframe`, which starts it"
            );
            ExitCode::from(USAGE)
        }
    }
}

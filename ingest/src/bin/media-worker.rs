//! The decoding process alone, as `fairframe-media` runs it: for the tests
//! and measurements of this crate, which cannot see the programs above it.

fn main() -> std::process::ExitCode {
    fairframe_ingest::media::worker_main()
}

//! Describing files through real worker processes: real photos and clips, what
//! `ffmpeg` makes of them, and hostile bytes.

mod damaged;
mod ingest;
mod make;
mod pictures;
mod quality;
mod video;
mod workers;

use std::path::{Path, PathBuf};

use fairframe_ingest::media::{DescribeError, Describer, Facts, MediaFailure, WorkerCommand};
use fairframe_schemas::{Reason, source::MediaLimits};

fn worker() -> WorkerCommand {
    WorkerCommand {
        program: env!("CARGO_BIN_EXE_media-worker").into(),
        arguments: Vec::new(),
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn describe(path: &Path) -> Result<Facts, MediaFailure> {
    describe_within(path, &MediaLimits::default())
}

fn describe_within(path: &Path, limits: &MediaLimits) -> Result<Facts, MediaFailure> {
    run(async {
        Describer::new(limits, worker(), 1)
            .describe(path, None)
            .await
            .map_err(of_file)
    })
}

fn of_file(error: DescribeError) -> MediaFailure {
    match error {
        DescribeError::File(failure) => failure,
        DescribeError::Machine { .. } => panic!("{error}"),
    }
}

fn reason(path: &Path) -> Reason {
    describe(path).unwrap_err().reason
}

fn datasets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets")
}

fn photo(name: &str) -> PathBuf {
    datasets().join("drop/media").join(name)
}

fn clip() -> PathBuf {
    datasets().join("actors/clips/yes.mkv")
}

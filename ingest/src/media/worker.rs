//! The decoding process: one JSON line in for each file, one out.
//!
//! It limits itself before it touches a file: memory (`RLIMIT_DATA`, and
//! `RLIMIT_AS` with room for code), CPU time for each file (`RLIMIT_CPU`, whose
//! soft limit moves along), size of written files, open files, no core dumps.
//! It ends with its standard input, and when its parent is gone.

use std::{
    fs::File,
    io::{self, BufRead, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use fairframe_schemas::{Reason, source::MediaLimits};
use rustix::process::{Resource, Rlimit, getppid, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::{
    DescribeError, Facts, MediaFailure, image,
    sniff::{HEAD, Kind, sniff},
    video,
};

/// A file to describe.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub path: PathBuf,
    pub thumbnail: Option<PathBuf>,
    pub limits: MediaLimits,
}

/// What comes back.
pub(super) type Answer = Result<Facts, DescribeError>;

/// Longest line either way.
pub(super) const MAX_LINE: u64 = 1 << 20;
/// Largest file a worker may write: a thumbnail.
const MAX_WRITTEN: u64 = 64 << 20;
/// Address space for code, libraries and stacks, beyond the memory limit.
const CODE: u64 = 2 << 30;
const MAX_FILES: u64 = 256;
/// Exit code of a worker that could not limit itself and so touched no file.
pub(super) const NO_LIMITS: u8 = 3;

/// Does what `fairframe-media` is started for by an ingest: reads jobs from standard input until
/// it ends. Exits with 2 on a line that is not a job, with [`NO_LIMITS`] where
/// it cannot limit itself.
pub fn worker_main() -> ExitCode {
    leave_with_parent();
    let fixed = [
        (Resource::Core, 0),
        (Resource::Fsize, MAX_WRITTEN),
        (Resource::Nofile, MAX_FILES),
    ];
    for (resource, value) in fixed {
        if limit(resource, value).is_err() {
            return ExitCode::from(NO_LIMITS);
        }
    }
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        match input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(0) => return ExitCode::SUCCESS,
            Ok(_) => {}
            Err(_) => return ExitCode::from(2),
        }
        let Ok(job) = serde_json::from_slice::<Job>(&line) else {
            return ExitCode::from(2);
        };
        if limit_job(&job.limits).is_err() {
            return ExitCode::from(NO_LIMITS);
        }
        let answer: Answer = describe_here(&job.path, job.thumbnail.as_deref(), &job.limits);
        let Ok(mut text) = serde_json::to_vec(&answer) else {
            return ExitCode::from(4);
        };
        text.push(b'\n');
        if output
            .write_all(&text)
            .and_then(|()| output.flush())
            .is_err()
        {
            return ExitCode::SUCCESS;
        }
    }
}

/// The limits of one job.
fn limit_job(limits: &MediaLimits) -> io::Result<()> {
    let memory = limits.memory_mb << 20;
    limit(Resource::Data, memory)?;
    limit(Resource::As, memory + CODE)?;
    limit(Resource::Cpu, cpu_seconds()? + limits.cpu_s + 1)
}

/// Sets a soft limit, so that the next job can have its own; never above the
/// hard limit that the process was given.
fn limit(resource: Resource, value: u64) -> io::Result<()> {
    let maximum = getrlimit(resource).maximum;
    let current = Some(maximum.map_or(value, |most| most.min(value)));
    setrlimit(resource, Rlimit { current, maximum })?;
    Ok(())
}

/// CPU time used so far: user and system, fields 14 and 15 of `/proc/self/stat`
/// (proc(5)), in hundredths of a second.
fn cpu_seconds() -> io::Result<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let ticks: u64 = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Ok(ticks / 100)
}

/// Ends the process soon after its parent is gone, even amid a job. (The
/// kernel's parent-death signal follows the parent's *thread*, which may end
/// while the parent lives.)
fn leave_with_parent() {
    let parent = getppid();
    std::thread::spawn(move || {
        while getppid() == parent {
            std::thread::sleep(Duration::from_millis(500));
        }
        std::process::exit(0);
    });
}

/// Describes a file in this very process, without its protection: for the
/// worker, and for measuring.
pub fn describe_here(
    path: &Path,
    thumbnail: Option<&Path>,
    limits: &MediaLimits,
) -> Result<Facts, DescribeError> {
    let failed = |reason, message: &str| Err(MediaFailure::new(reason, message).into());
    let unreadable = |e: io::Error| DescribeError::machine(path, &e);
    let mut file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    if length == 0 {
        return failed(Reason::MediaEmpty, "the file has no bytes");
    }
    let mut bytes = vec![0; HEAD.min(length as usize)];
    file.read_exact(&mut bytes).map_err(unreadable)?;
    match sniff(&bytes) {
        Kind::Video => video::describe(path, thumbnail, limits),
        Kind::Unread(name) => failed(Reason::MediaTypeUnknown, &format!("{name} is not read")),
        Kind::Unknown => failed(Reason::MediaTypeUnknown, "the content is of no known type"),
        kind => {
            // Pictures are read whole; half of the memory is for what comes out of them.
            if length > (limits.memory_mb << 20) / 2 {
                let message = format!(
                    "{length} bytes do not fit into half of {} MB",
                    limits.memory_mb
                );
                return failed(Reason::MediaTooLarge, &message);
            }
            bytes.reserve_exact(length as usize - bytes.len());
            file.take(length)
                .read_to_end(&mut bytes)
                .map_err(unreadable)?;
            image::describe(&bytes, kind, thumbnail, limits)
        }
    }
}

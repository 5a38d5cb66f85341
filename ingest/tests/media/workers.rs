//! Worker processes that die, hang or run over their limits.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use fairframe_ingest::media::{DescribeError, Describer, WorkerCommand};
use fairframe_schemas::{Reason, source::MediaLimits};

use crate::{describe, describe_within, of_file, photo, run, worker};

#[test]
fn dead_hung_and_babbling_workers_cost_one_sample() {
    let short = Duration::from_millis(700);
    let with = |program: &str, arguments: &[&str]| {
        let command = WorkerCommand {
            program: program.into(),
            arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
        };
        run(async {
            Describer::new(&MediaLimits::default(), command, 2)
                .with_wall_clock(short)
                .describe(&photo("DSCN0010.jpg"), None)
                .await
                .unwrap_err()
        })
    };
    let crashed = |program, arguments: &[&str]| of_file(with(program, arguments));
    for (program, arguments) in [
        ("/bin/false", &[][..]),
        ("/bin/sh", &["-c", "exec sleep 60"]),
        ("/bin/echo", &["nonsense"]),
    ] {
        let failure = crashed(program, arguments);
        assert_eq!(
            failure.reason,
            Reason::WorkerCrashed,
            "{program}: {failure}"
        );
    }
    // Longer than any line may be, and without an end.
    let failure = crashed("/bin/sh", &["-c", "yes | tr -d '\\n'"]);
    assert_eq!(failure.reason, Reason::WorkerCrashed);
}

#[test]
fn what_this_machine_cannot_do_is_no_samples_fault() {
    let machine = |command: WorkerCommand, file: &Path, thumbnail: Option<&Path>| {
        let error = run(async {
            Describer::new(&MediaLimits::default(), command, 1)
                .describe(file, thumbnail)
                .await
                .unwrap_err()
        });
        assert!(matches!(error, DescribeError::Machine { .. }), "{error}");
        error.to_string()
    };
    let folder = tempfile::tempdir().unwrap();
    let photo = photo("DSCN0010.jpg");
    let absent = WorkerCommand {
        program: "/no/such/program".into(),
        arguments: Vec::new(),
    };
    let said = machine(absent, &photo, None);
    assert!(
        said.starts_with("/no/such/program: the decoder cannot be started"),
        "{said}"
    );
    let limitless = WorkerCommand {
        program: "/bin/sh".into(),
        arguments: vec!["-c".to_owned(), "exit 3".to_owned()],
    };
    assert!(machine(limitless, &photo, None).contains("cannot limit itself"));
    let other = WorkerCommand {
        program: "/bin/sh".into(),
        arguments: vec!["-c".to_owned(), "exit 5".to_owned()],
    };
    assert!(machine(other, &photo, None).contains("it is not of version"));
    let lost = folder.path().join("absent.jpg");
    assert!(machine(worker(), &lost, None).contains("absent.jpg: No such file"));
    // The folder of the thumbnail is a file.
    std::fs::write(folder.path().join("a"), "").unwrap();
    let nowhere = folder.path().join("a/thumbnail.jpg");
    assert!(machine(worker(), &photo, Some(&nowhere)).contains("a/thumbnail.jpg: "));
}

#[test]
fn a_killed_worker_is_replaced() {
    run(async {
        // An argument that the worker ignores tells it from those of other tests.
        let mark = "to-be-killed";
        let command = WorkerCommand {
            arguments: vec![mark.to_owned()],
            ..worker()
        };
        let describer = Describer::new(&MediaLimits::default(), command, 1);
        let photo = photo("DSCN0010.jpg");
        describer.describe(&photo, None).await.unwrap();
        let children = children(mark);
        assert_eq!(children.len(), 1, "one worker serves");
        let status = Command::new("kill")
            .args(["-9", &children[0]])
            .status()
            .unwrap();
        assert!(status.success());
        // It died idle: the next file is tried again in a fresh worker.
        describer.describe(&photo, None).await.unwrap();
    });
}

#[test]
fn sources_of_a_run_share_the_workers() {
    run(async {
        let mark = "shared-by-sources";
        let command = WorkerCommand {
            arguments: vec![mark.to_owned()],
            ..worker()
        };
        let first = Describer::new(&MediaLimits::default(), command, 2);
        let tight = MediaLimits {
            memory_mb: 300,
            ..MediaLimits::default()
        };
        let second = first.within(&tight);
        let photo = photo("DSCN0010.jpg");
        // Many at once by both: never more workers than may work at a time.
        for _ in 0..3 {
            let all = (0..8).map(|i| {
                let describer = if i % 2 == 0 { &first } else { &second };
                describer.describe(&photo, None)
            });
            for facts in futures_util::future::join_all(all).await {
                facts.unwrap();
            }
            // One that is being replaced may not be reaped yet.
            let most = (0..100).map(|_| {
                std::thread::sleep(Duration::from_millis(20));
                children(mark).len()
            });
            assert!(most.into_iter().any(|n| n <= 2));
        }
        second.finish().await;
        assert_eq!(children(mark).len(), 0, "one pool");
    });
}

/// Ids of this process's children that were started with the argument `mark`.
fn children(mark: &str) -> Vec<String> {
    let mut found = Vec::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let list = task.unwrap().path().join("children");
        let ids = std::fs::read_to_string(list).unwrap_or_default();
        found.extend(ids.split_whitespace().map(str::to_owned).filter(|id| {
            std::fs::read_to_string(format!("/proc/{id}/cmdline"))
                .is_ok_and(|line| line.contains(mark))
        }));
    }
    found
}

#[test]
fn memory_and_time_limits_end_the_worker_only() {
    let folder = tempfile::tempdir().unwrap();
    // 144 megapixels of one colour: small on disk, 432 MB decoded.
    let large = folder.path().join("large.png");
    image::RgbImage::new(12_000, 12_000).save(&large).unwrap();
    let tight = MediaLimits {
        memory_mb: 128,
        ..MediaLimits::default()
    };
    let failure = describe_within(&large, &tight).unwrap_err();
    assert_eq!(failure.reason, Reason::MediaTooLarge, "{failure}");
    assert!(describe(&large).is_ok());

    // 64 megapixels of noise, which take longer than the second that is left to them.
    let mut state = 1u32;
    let noise = image::RgbImage::from_fn(8_000, 8_000, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        image::Rgb([(state >> 24) as u8, (state >> 16) as u8, (state >> 8) as u8])
    });
    let large = folder.path().join("noise.webp");
    noise.save(&large).unwrap();
    let hasty = MediaLimits {
        cpu_s: 0,
        ..MediaLimits::default()
    };
    run(async {
        let describer = Describer::new(&hasty, worker(), 1);
        let failure = of_file(describer.describe(&large, None).await.unwrap_err());
        assert_eq!(failure.reason, Reason::WorkerCrashed, "{failure}");
        describer
            .describe(&photo("DSCN0010.jpg"), None)
            .await
            .unwrap();
    });
}

#[test]
fn a_worker_leaves_with_its_parent() {
    // A shell starts the worker in the background on a pipe that stays open, and is killed.
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let script = format!(
        "exec 9<>{pipe}; {worker} <&9 >/dev/null & echo $!; wait",
        pipe = pipe.display(),
        worker = env!("CARGO_BIN_EXE_media-worker"),
    );
    let keep = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&pipe)
        .unwrap();
    let mut shell = Command::new("/bin/sh")
        .args(["-c", &script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = std::io::BufReader::new(shell.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut output, &mut line).unwrap();
    let worker = PathBuf::from(format!("/proc/{}", line.trim()));
    assert!(worker.exists());
    std::thread::sleep(Duration::from_millis(200));
    shell.kill().unwrap();
    shell.wait().unwrap();
    let gone = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        !worker.exists()
    });
    assert!(gone, "the worker lives on");
    drop(keep);
}

#[test]
fn a_line_that_is_no_job_ends_the_worker() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_media-worker"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"{\"path\": 7}\n")
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}

//! Real worker processes, and tasks that do what none may.

use std::{path::Path, process::Command, time::Duration};

use fairframe_corpus::{
    item::Refusal,
    worker::{Limits, Task, WorkerCommand, WorkerError, Workers},
};
use fairframe_schemas::Reason;

use crate::misbehave::Misbehave;

pub fn command() -> WorkerCommand {
    WorkerCommand {
        program: env!("CARGO_BIN_EXE_corpus-worker").into(),
        arguments: Vec::new(),
    }
}

fn small() -> Limits {
    Limits {
        memory_mb: 64,
        cpu_s: 1,
        wall_s: 20,
        output_mb: 4,
        output_files: 50,
        open_files: 64,
    }
}

fn said(task: Misbehave, out: &Path) -> Result<String, WorkerError> {
    Workers::new(command(), 1, small()).run(task, out)
}

fn refused(task: Misbehave, limits: Limits) -> Reason {
    let out = tempfile::tempdir().unwrap();
    match Workers::new(command(), 1, limits).run(task, out.path()) {
        Err(WorkerError::Refused(refusal)) => refusal.reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_task_may() {
    let out = tempfile::tempdir().unwrap();
    assert_eq!(
        said(Misbehave::Write(1 << 20), out.path()).unwrap(),
        "it could"
    );
    assert_eq!(out.path().join("a").metadata().unwrap().len(), 1 << 20);
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    assert_eq!(
        said(Misbehave::Read(manifest), out.path()).unwrap(),
        "it could"
    );
}

#[test]
fn what_no_task_may() {
    let out = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let file = other.path().join("b");
    std::fs::write(&file, "b").unwrap();
    let denied = [
        Misbehave::ReadOther("/etc/passwd".into()),
        Misbehave::ReadOther(file.clone()),
        Misbehave::WriteOther(file.clone()),
        Misbehave::WriteOther(other.path().join("c")),
        Misbehave::Remove(file.clone()),
        Misbehave::Socket,
        Misbehave::Exec,
        Misbehave::Fork,
        Misbehave::Kill,
        #[cfg(target_arch = "x86_64")]
        Misbehave::OtherCalls,
        Misbehave::RaiseLimit,
    ];
    for task in denied {
        assert_eq!(
            said(task.clone(), out.path()).unwrap(),
            "permission denied",
            "{task:?}"
        );
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "b");
    let open = said(Misbehave::OpenFiles, out.path()).unwrap();
    assert!(open.contains("Too many open files"), "{open}");
}

#[test]
fn what_runs_over_a_limit_is_refused() {
    for task in [
        Misbehave::Memory,
        Misbehave::Spin,
        Misbehave::SpinInThreads,
        Misbehave::Write(5 << 20),
        Misbehave::ManyFiles,
        Misbehave::Panic,
        Misbehave::Abort,
        Misbehave::Chatter,
    ] {
        assert_eq!(refused(task, small()), Reason::WorkerCrashed);
    }
    let short = Limits {
        wall_s: 1,
        ..small()
    };
    assert_eq!(refused(Misbehave::Sleep, short), Reason::WorkerCrashed);
    assert_eq!(refused(Misbehave::Refuse, small()), Reason::MediaCorrupt);
}

#[test]
fn what_is_the_machines_affair_ends_the_run() {
    let out = tempfile::tempdir().unwrap();
    let machine = |workers: Workers, task| {
        let result = workers.run(task, out.path());
        assert!(
            matches!(result, Err(WorkerError::Machine { .. })),
            "{result:?}"
        );
    };
    machine(Workers::new(command(), 1, small()), Misbehave::FullDisk);
    let missing = WorkerCommand {
        program: "/no/such/program".into(),
        arguments: Vec::new(),
    };
    machine(Workers::new(missing, 1, small()), Misbehave::Refuse);
    let workers = Workers::new(command(), 1, small());
    let result = workers.run(Unknown, out.path());
    assert!(
        matches!(result, Err(WorkerError::Machine { .. })),
        "{result:?}"
    );
}

/// A task that the worker does not list.
#[derive(serde::Serialize, serde::Deserialize)]
struct Unknown;

impl Task for Unknown {
    type Done = ();
    const NAME: &'static str = "unknown";

    fn reads(&self) -> Vec<std::path::PathBuf> {
        Vec::new()
    }

    fn work(self, _: &Path) -> Result<(), Refusal> {
        Ok(())
    }
}

#[test]
fn a_worker_ends_with_its_parent() {
    let out = tempfile::tempdir().unwrap();
    let mut parent = Command::new(env!("CARGO_BIN_EXE_corpus-worker"))
        .arg("parent")
        .arg(out.path())
        .spawn()
        .unwrap();
    let wait = |what: &dyn Fn() -> bool| {
        for _ in 0..2000 {
            if what() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    };
    let named = out.path().join("pid");
    assert!(wait(&|| named.exists()));
    let pid = std::fs::read_to_string(&named).unwrap();
    let alive = Path::new("/proc").join(pid.trim());
    assert!(alive.exists());
    parent.kill().unwrap();
    parent.wait().unwrap();
    // Gone, or dead and not yet collected by whoever inherited it.
    let gone = || {
        let status = std::fs::read_to_string(alive.join("stat")).unwrap_or_default();
        status.is_empty()
            || status
                .rsplit(')')
                .next()
                .unwrap()
                .trim_start()
                .starts_with('Z')
    };
    assert!(wait(&gone));
}

//! Real programs of others, confined: what they may, and what none may.

use std::{
    fs,
    path::{Path, PathBuf},
};

use fairframe_corpus::worker::{Limits, Program, WorkerError, Workers};
use fairframe_schemas::Reason;

use crate::worker::command;

fn program(command: &[&str]) -> Program {
    Program {
        command: command.iter().map(|&word| word.to_owned()).collect(),
        reads: Vec::new(),
        devices: Vec::new(),
        limits: Limits {
            memory_mb: 256,
            cpu_s: 20,
            wall_s: 20,
            output_mb: 4,
            output_files: 50,
            open_files: 64,
        },
    }
}

fn run(program: &Program, folder: &Path) -> Result<(), String> {
    let workers = Workers::new(command(), 1, Limits::default());
    match workers.run_program(program, folder) {
        Ok(()) => Ok(()),
        Err(WorkerError::Refused(refusal)) => {
            assert_eq!(refusal.reason, Reason::SwapMethodFailed);
            Err(refusal.message)
        }
        Err(error) => panic!("{error}"),
    }
}

fn failure(program: &Program) -> String {
    let folder = tempfile::tempdir().unwrap();
    run(program, folder.path()).unwrap_err()
}

#[test]
fn a_program_works_in_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("target")).unwrap();
    fs::write(folder.path().join("target/a"), "frame").unwrap();
    // With `-c`, the argument after the script is `$0`; `cp` and `env` are other programs.
    let script = "mkdir \"$0/fake\" && cp target/a fake/a && env > said && echo no > /dev/null";
    run(&program(&["sh", "-c", script]), folder.path()).unwrap();
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("fake/a"), "frame");
    // Nothing of our environment.
    let said = read("said");
    let names: Vec<&str> = said.lines().filter_map(|l| l.split('=').next()).collect();
    let known = [
        "HOME", "LANG", "PATH", "PWD", "TMPDIR", "OLDPWD", "SHLVL", "_",
    ];
    assert!(names.iter().all(|n| known.contains(n)), "{said}");
}

#[test]
fn a_program_that_fails_says_why() {
    let failing = program(&["sh", "-c", "echo 'no   model' >&2; exit 3"]);
    let said = failure(&failing);
    assert!(said.ends_with("3: no model"), "{said}");
    let said = failure(&program(&["/no/such/program"]));
    assert!(said.contains("`/no/such/program`: No such file"), "{said}");
    let said = failure(&program(&[]));
    assert!(said.contains("no command is declared"), "{said}");
    // It may write its last words, but not have others read for it.
    let folder = tempfile::tempdir().unwrap();
    let script = "rm stderr.txt; echo forged > stderr.txt; exit 4";
    let said = run(&program(&["sh", "-c", script]), folder.path()).unwrap_err();
    assert!(said.ends_with("4: "), "{said}");
}

#[test]
fn a_launcher_of_another_version_ends_the_run() {
    // As `fairframe-media` says it, in words and by its exit code; a program may end with that code too.
    let mut other = command();
    other.program = "/bin/sh".into();
    other.arguments = vec!["-c".to_owned(), "echo another version; exit 5".to_owned()];
    let workers = Workers::new(other, 1, Limits::default());
    let folder = tempfile::tempdir().unwrap();
    let ended = workers.run_program(&program(&["true"]), folder.path());
    let machine =
        matches!(&ended, Err(WorkerError::Machine { problem, .. }) if problem.contains("version"));
    assert!(machine, "{ended:?}");
    let said = failure(&program(&["sh", "-c", "echo another version; exit 5"]));
    assert!(said.contains("exit status: 5"), "{said}");
}

#[test]
fn what_is_declared_may_be_read_and_run() {
    let house = tempfile::tempdir().unwrap();
    let place = |name: &str| house.path().join(name).display().to_string();
    fs::write(place("model"), "weights").unwrap();
    fs::write(place("swap.sh"), format!("cat {}", place("model"))).unwrap();
    // The file that the command names, and no other beside it.
    let mut named = program(&["sh", &place("swap.sh")]);
    let said = failure(&named);
    assert!(said.contains("model: Permission denied"), "{said}");
    named.reads = vec![PathBuf::from(place("model"))];
    let folder = tempfile::tempdir().unwrap();
    run(&named, folder.path()).unwrap();
    // A device, used once it is declared.
    let mut device = program(&["python3", "-c", "open('/dev/ptmx', 'r+b', 0)"]);
    assert!(failure(&device).contains("PermissionError"));
    device.devices = vec![PathBuf::from("/dev/ptmx")];
    let folder = tempfile::tempdir().unwrap();
    run(&device, folder.path()).unwrap();
    // Read, not written.
    let script = format!("echo x > {}", place("model"));
    let mut writes = program(&["sh", "-c", &script]);
    writes.reads = vec![house.path().to_owned()];
    assert!(failure(&writes).contains("Permission denied"));
    assert_eq!(fs::read_to_string(place("model")).unwrap(), "weights");
}

#[test]
fn what_no_program_may() {
    let house = tempfile::tempdir().unwrap();
    let secret = house.path().join("secret");
    fs::write(&secret, "a face").unwrap();
    let secret = secret.display().to_string();
    let elsewhere = house.path().join("more").display().to_string();
    let mut denied = vec![
        "import socket; socket.socket()".to_owned(),
        "import socket; socket.socket(socket.AF_UNIX)".to_owned(),
        "import socket; socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)".to_owned(),
        format!("open('{secret}')"),
        "open('/etc/passwd')".to_owned(),
        format!("import os; os.listdir('{}')", house.path().display()),
        format!("open('{secret}', 'a')"),
        format!("open('{elsewhere}', 'w')"),
        format!("import os; os.mkdir('{elsewhere}')"),
        format!("import os; os.unlink('{secret}')"),
        format!("import os; os.link('{secret}', 'mine')"),
        "import os; os.symlink('/etc/passwd', 'mine')".to_owned(),
        "import os; os.mkfifo('mine')".to_owned(),
        "import os; os.kill(os.getppid(), 9)".to_owned(),
        "import os; os.setsid()".to_owned(),
        "import os; os.setpgid(0, 0)".to_owned(),
        format!("open('/proc/{}/environ')", std::process::id()),
    ];
    if cfg!(target_arch = "x86_64") {
        // A process with rights of its own; the second set of calls.
        for call in [
            "56, 0x10000000 | 17, 0, 0, 0, 0",
            "0x40000000 | 41, 2, 1, 0",
        ] {
            denied.push(format!(
                "import ctypes, os; c = ctypes.CDLL(None, use_errno=True); \
                 c.syscall({call}) < 0 or exit(0); \
                 raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))"
            ));
        }
    }
    for script in denied {
        let said = failure(&program(&["python3", "-c", &script]));
        // Landlock says of a link out of sight that it leads to another disk.
        let words = ["PermissionError", "Operation not permitted", "Errno 18"];
        let refused = words.iter().any(|w| said.contains(w));
        assert!(refused, "{script}: {said}");
    }
    let files = fs::read_dir(house.path()).unwrap().count();
    assert_eq!(
        (files, fs::read_to_string(&secret).unwrap().as_str()),
        (1, "a face")
    );
    // A program that it wrote itself is not run.
    let script = "printf '#!/bin/sh\\n' > mine; chmod +x mine; ./mine";
    assert!(failure(&program(&["sh", "-c", script])).contains("Permission denied"));
}

#[test]
fn a_program_over_a_limit_is_stopped_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let mut slow = program(&["sh", "-c", "(sleep 1000 & echo $! > child); sleep 1000"]);
    slow.limits.wall_s = 1;
    let said = run(&slow, folder.path()).unwrap_err();
    assert!(said.contains("it did not end in 1 s"), "{said}");
    // One that ends well leaves nobody behind either.
    let other = tempfile::tempdir().unwrap();
    let quick = program(&["sh", "-c", "sleep 1000 & echo $! > child"]);
    run(&quick, other.path()).unwrap();
    for folder in [&folder, &other] {
        let child = fs::read_to_string(folder.path().join("child")).unwrap();
        // Gone, or dead and not yet buried by whoever took it over: a kill takes a moment.
        let status = format!("/proc/{}/status", child.trim());
        let gone = || {
            let status = fs::read_to_string(&status);
            status.is_err() || status.unwrap().contains("State:\tZ")
        };
        while !gone() {
            std::thread::yield_now();
        }
    }
    let memory = program(&["python3", "-c", "bytearray(1 << 30)"]);
    assert!(failure(&memory).contains("MemoryError"));
    let large = program(&["sh", "-c", "head -c 9000000 /dev/zero > a"]);
    let said = failure(&large);
    let words = ["File size limit", "signal: 25", "wrote more than 4 MB"];
    assert!(words.iter().any(|w| said.contains(w)), "{said}");
    let many = "for i in $(seq 100); do echo > $i; done; sleep 1000";
    let said = failure(&program(&["sh", "-c", many]));
    assert!(
        said.contains("it wrote more than 4 MB or 50 files"),
        "{said}"
    );
    let raise = "import resource as r; r.setrlimit(r.RLIMIT_DATA, (1 << 40, 1 << 40))";
    let said = failure(&program(&["python3", "-c", raise]));
    assert!(said.contains("Error"), "{said}");
}

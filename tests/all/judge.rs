//! The processes that read submissions, forks of one server: what they may, and what not.

use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::symlink,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::support::{fairframe, ok, text};
use serde_json::json;

/// A competition's folder with its examples, and what a process is told of it.
struct House {
    folder: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("competition");
        let mut new = fairframe(folder.path());
        new.args(["competition", "new", "--template", "dfdc"]);
        ok(new.arg(&own));
        for name in ["truth", "out"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// The task to read the submission of that name, as it is sent.
    fn task(&self, submission: &str) -> Vec<u8> {
        let toml = fs::read_to_string(self.path("competition/competition.toml")).unwrap();
        let competition: toml::Table = toml.parse().unwrap();
        let job = json!({
            "task": {
                "competition": competition,
                "stage": "main",
                "truth": self.path("truth"),
                "submission": self.path(submission),
                "report": false,
            },
            "out": self.path("out"),
            "limits": { "memory_mb": 700, "wall_s": 60 },
            "parent": 0,
        });
        let job = job.to_string();
        let length = (job.len() as u64).to_le_bytes();
        [&length, job.as_bytes()].concat()
    }

    /// Something to read that waits for somebody to write it first.
    fn pipe(&self) -> String {
        let pipe = self.path("truth/facts.json");
        let made = Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        pipe
    }
}

/// The server of forks.
struct Server(Child);

impl Server {
    fn start() -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_fairframe"))
            .arg("judge-worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        Self(child.unwrap())
    }

    fn send(&mut self, task: &[u8]) {
        self.0.stdin.as_mut().unwrap().write_all(task).unwrap();
    }

    fn answer(&mut self) -> String {
        let output = self.0.stdout.as_mut().unwrap();
        let mut answer = Vec::new();
        let mut number = [0; 4];
        loop {
            output.read_exact(&mut number).unwrap();
            let length = u64::from(u32::from_le_bytes(number));
            if length == 0 {
                break;
            }
            output
                .by_ref()
                .take(length)
                .read_to_end(&mut answer)
                .unwrap();
        }
        output.read_exact(&mut number).unwrap();
        assert_eq!(number, [0; 4], "its exit status");
        text(&answer).to_owned()
    }

    /// The fork that does a task, once it is confined.
    fn fork(&mut self) -> u32 {
        for _ in 0..2_000 {
            let found = Command::new("pgrep")
                .args(["-P", &self.0.id().to_string()])
                .output();
            let found = text(&found.unwrap().stdout).trim().parse();
            if let Ok(pid) = found
                && fact(pid, "status", "Seccomp:").ends_with('2')
            {
                return pid;
            }
            assert!(self.0.try_wait().unwrap().is_none(), "it ended");
            thread::sleep(Duration::from_millis(5));
        }
        panic!("nothing was begun");
    }
}

fn fact(pid: u32, file: &str, name: &str) -> String {
    let all = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let line = all.lines().find(|line| line.starts_with(name));
    line.unwrap_or_else(|| panic!("{name}: {all}")).to_owned()
}

#[test]
fn it_is_limited_and_confined_while_it_reads() {
    let house = House::new();
    let pipe = house.pipe();
    let mut server = Server::start();
    server.send(&house.task("out"));
    let fork = server.fork();
    assert!(fact(fork, "status", "NoNewPrivs:").ends_with('1'));
    let most = (700_u64 << 20).to_string();
    assert!(fact(fork, "limits", "Max data size").contains(&most));
    assert!(fact(fork, "limits", "Max core file size").contains(" 0 "));
    // What the server hears and says is not its.
    let of = |pid: u32, fd| fs::read_link(format!("/proc/{pid}/fd/{fd}")).unwrap();
    let null = Path::new("/dev/null");
    assert_eq!([0, 1].map(|fd| of(fork, fd)), [null, null]);
    let own = server.0.id();
    let held = fs::read_dir(format!("/proc/{fork}/fd")).unwrap();
    for fd in held {
        let to = fs::read_link(fd.unwrap().path()).unwrap();
        assert!([0, 1].iter().all(|fd| of(own, *fd) != to), "{to:?}");
    }
    // The server has one thread, whose locks a fork knows, and is not confined by it.
    assert!(fact(own, "status", "Threads:").ends_with("\t1"));
    assert!(fact(own, "status", "Seccomp:").ends_with('0'));
    fs::write(&pipe, "{").unwrap();
    let said = server.answer();
    assert!(said.contains("is no prepared truth"), "{said}");
}

#[test]
fn each_submission_has_a_process_of_its_own() {
    let house = House::new();
    let pipe = house.pipe();
    let mut server = Server::start();
    let mut forks = Vec::new();
    for _ in 0..3 {
        server.send(&house.task("out"));
        forks.push(server.fork());
        fs::write(&pipe, "{").unwrap();
        server.answer();
    }
    forks.dedup();
    assert_eq!(forks.len(), 3);
    // One that is under way ends with its server, and the server when nobody waits any more.
    server.send(&house.task("out"));
    let fork = server.fork();
    drop(server.0.stdin.take());
    server.0.wait().unwrap();
    for _ in 0..2_000 {
        let status = fs::read_to_string(format!("/proc/{fork}/status"));
        if status.is_err() || status.is_ok_and(|text| text.contains("State:\tZ")) {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("it lives on");
}

#[test]
fn it_reads_nothing_but_what_it_was_given() {
    let house = House::new();
    // A file beside, such as another stage's truth, by way of a link.
    let other = house.path("competition/solution.csv");
    assert!(Path::new(&other).exists());
    symlink(&other, house.path("truth/facts.json")).unwrap();
    let mut server = Server::start();
    server.send(&house.task("out"));
    let said = server.answer();
    assert!(
        said.contains("Permission denied") || said.contains("os error 18"),
        "{said}"
    );
    // The same bytes where it may read are read, and are no facts.
    fs::remove_file(house.path("truth/facts.json")).unwrap();
    fs::copy(&other, house.path("truth/facts.json")).unwrap();
    server.send(&house.task("out"));
    let said = server.answer();
    assert!(said.contains("is no prepared truth"), "{said}");
}

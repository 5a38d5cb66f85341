//! The process that reads a submission: what it may, and what not.

mod support;

use std::{
    fs,
    io::Write,
    os::unix::fs::symlink,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use support::{fairframe, ok, text};

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

    /// Starts it; it reads the submission of that name.
    fn start(&self, submission: &str) -> Child {
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
            "parent": std::process::id(),
        });
        let mut child = Command::new(env!("CARGO_BIN_EXE_fairframe"))
            .args(["corpus-worker", "submission"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(job.to_string().as_bytes())
            .unwrap();
        child
    }

    /// What it answers.
    fn answer(&self, submission: &str) -> Value {
        let output = self.start(submission).wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", text(&output.stdout)))
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
    // It waits for somebody to write what it reads first.
    let pipe = house.path("truth/facts.json");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let mut child = house.start("out");
    let pid = child.id();
    let is_confined = || fact(pid, "status", "Seccomp:").ends_with('2');
    for _ in 0..2_000 {
        if is_confined() {
            break;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        thread::sleep(Duration::from_millis(5));
    }
    assert!(is_confined());
    assert!(fact(pid, "status", "NoNewPrivs:").ends_with('1'));
    let most = (700_u64 << 20).to_string();
    assert!(fact(pid, "limits", "Max data size").contains(&most));
    assert!(fact(pid, "limits", "Max core file size").contains(" 0 "));
    fs::write(&pipe, "{").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        text(&output.stdout).contains("is no prepared truth"),
        "{output:?}"
    );
}

#[test]
fn it_reads_nothing_but_what_it_was_given() {
    let house = House::new();
    // A file beside, such as another stage's truth, by way of a link.
    let other = house.path("competition/solution.csv");
    assert!(Path::new(&other).exists());
    symlink(&other, house.path("truth/facts.json")).unwrap();
    let said = house.answer("out").to_string();
    assert!(
        said.contains("Permission denied") || said.contains("os error 18"),
        "{said}"
    );
    // The same bytes where it may read are read, and are no facts.
    fs::remove_file(house.path("truth/facts.json")).unwrap();
    fs::copy(&other, house.path("truth/facts.json")).unwrap();
    let said = house.answer("out").to_string();
    assert!(said.contains("is no prepared truth"), "{said}");
}

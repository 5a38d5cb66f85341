//! What the tests of the real binary share.
use std::{
    io::{BufRead, BufReader},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

pub mod browser;
pub mod competition;
pub mod files;
pub mod forms;
pub mod mediawiki;
pub mod random;
pub mod releases;
/// The demo's server of recorded answers.
#[path = "../../../src/demo/replay.rs"]
pub mod replay;

pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn datasets() -> PathBuf {
    workspace().join("datasets")
}

/// A port that was free a moment ago.
pub fn free_port() -> String {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    free.local_addr().unwrap().port().to_string()
}

/// The real binary with a data folder.
pub fn fairframe(root: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fairframe"));
    command
        .arg("--root")
        .arg(root)
        .arg("--quiet")
        .current_dir(workspace());
    command
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs to success; says what was printed where it fails.
pub fn ok(command: &mut Command) -> Output {
    let output = command.output().expect("the binary starts");
    assert!(
        output.status.success(),
        "{command:?}\n{}\n{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    output
}

/// `fairframe serve` over a data folder, stopped when dropped.
pub struct Serving {
    pub child: Child,
    pub url: String,
}

impl Serving {
    pub fn start(root: &Path) -> Self {
        Self::with(root, &[])
    }

    pub fn with(root: &Path, arguments: &[&str]) -> Self {
        let mut child = fairframe(root)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut said = String::new();
        let err = child.stderr.take().expect("stderr");
        BufReader::new(err).read_line(&mut said).expect("it speaks");
        let Some(url) = said.split(" at ").nth(1).map(str::trim) else {
            panic!("no address, but: {said}");
        };
        Self {
            url: url.to_owned(),
            child,
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The Python with the packages of `tests/python/requirements.txt`; `None`,
/// said plainly, where there is none. Never `None` in CI.
pub fn python() -> Option<PathBuf> {
    let folder = std::env::var_os("FAIRFRAME_VENV")
        .map(PathBuf::from)
        .unwrap_or_else(|| {
            let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
            target
                .unwrap_or_else(|| workspace().join("target"))
                .join("venv")
        });
    let python = folder.join("bin/python");
    if python.exists() {
        return Some(python);
    }
    assert!(
        std::env::var_os("CI").is_none_or(|v| v != "true"),
        "no Python in {}",
        folder.display()
    );
    eprintln!(
        "skipped: no Python in {} (`make venv` makes it)",
        folder.display()
    );
    None
}

/// A Chromium to look with; never none in CI.
pub fn has_chromium() -> bool {
    let name = std::env::var_os("FAIRFRAME_CHROMIUM").unwrap_or_else(|| "chromium".into());
    let found = Command::new(&name).arg("--version").output();
    if found.is_ok_and(|said| said.status.success()) {
        return true;
    }
    assert!(
        std::env::var_os("CI").is_none_or(|v| v != "true"),
        "no {name:?} here"
    );
    eprintln!("skipped: no {name:?} (`make test-packages` installs it)");
    false
}

/// Every file below a folder with its bytes, by relative path.
pub fn tree(folder: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(&at).expect("the folder is there") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path
                    .strip_prefix(folder)
                    .expect("below")
                    .display()
                    .to_string();
                found.insert(name, std::fs::read(&path).expect("readable"));
            }
        }
    }
    found
}

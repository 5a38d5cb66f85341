//! What tests beside the real Python share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Python of the test environment; None, said plainly, where it is absent.
pub fn python() -> Option<PathBuf> {
    let folder = std::env::var_os("FAIRFRAME_VENV").map_or_else(
        || {
            std::env::var_os("CARGO_TARGET_DIR")
                .map_or_else(|| root().join("target"), PathBuf::from)
                .join("venv")
        },
        PathBuf::from,
    );
    let python = folder.join("bin/python");
    let works = python.exists()
        && Command::new(&python)
            .args(["-c", "import sklearn, fairlearn, pandas"])
            .output()
            .is_ok_and(|output| output.status.success());
    if works {
        return Some(python);
    }
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "no scikit-learn and fairlearn in `{}`",
        folder.display()
    );
    eprintln!(
        "skipped: no scikit-learn and fairlearn in `{}` (FAIRFRAME_VENV)",
        folder.display()
    );
    None
}

pub fn oracle(python: &Path, args: &[&str]) -> BTreeMap<String, f64> {
    let output = Command::new(python)
        .arg(root().join("tests/python/oracle_eval.py"))
        .args(args)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A small seeded generator: the inputs are made here, so that both sides
/// read the same files.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % bound
    }

    pub fn unit(&mut self) -> f64 {
        self.below(1 << 20) as f64 / (1 << 20) as f64
    }
}

pub fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

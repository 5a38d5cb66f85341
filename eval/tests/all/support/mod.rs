//! What tests beside the real Python share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use fairframe_schemas::report::{IntervalMethod, Level, Report};

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

/// What an oracle says, and which function says it.
#[derive(serde::Deserialize)]
pub struct Said {
    /// Keyed as metric, metric/GROUP or metric/GROUP#what.
    pub values: BTreeMap<String, f64>,
    /// Keys of what has no value.
    undefined: Vec<String>,
    /// By metric or what.
    by: BTreeMap<String, String>,
}

impl Said {
    /// Who says the value of a key.
    pub fn by(&self, key: &str) -> &str {
        &self.by[named(key)]
    }
}

/// What a key is a value of: `f2_mean` of `f2_mean/ZA`, `ratio` of `f2_mean#ratio`.
fn named(key: &str) -> &str {
    let of_metric = || key.split('/').next().unwrap_or(key);
    key.split_once('#').map_or_else(of_metric, |(_, what)| what)
}

pub fn oracle(python: &Path, args: &[&str]) -> Said {
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

/// All values of a level, overall and by one grouping (`a+b` where columns are crossed), keyed
/// as the oracle keys them.
pub fn found(report: &Report, level: Level, group: &str) -> BTreeMap<String, f64> {
    let mut values = BTreeMap::new();
    let mut put = |key: String, value: Option<f64>| values.extend(value.map(|value| (key, value)));
    for metric in report.metrics.iter().filter(|m| m.level == level) {
        let name = &metric.metric;
        let mut groupings = metric.by_group.iter();
        let grouping = groupings.find(|g| g.columns.join("+") == group);
        let mut estimates = vec![(name.clone(), &metric.overall)];
        for cell in grouping.into_iter().flat_map(|g| &g.cells) {
            estimates.push((format!("{name}/{}", cell.group.join("+")), &cell.estimate));
        }
        for (key, estimate) in estimates {
            let wilson = estimate.interval;
            let wilson = wilson.filter(|i| i.method == IntervalMethod::Wilson);
            put(format!("{key}#wilson_low"), wilson.map(|i| i.low));
            put(format!("{key}#wilson_high"), wilson.map(|i| i.high));
            put(key, estimate.value);
        }
        put(format!("{name}#constant"), metric.baseline);
        put(format!("{name}_threshold"), metric.at_threshold);
        if let Some(d) = grouping.and_then(|g| g.disparity.as_ref()) {
            for (what, value) in [
                ("difference", Some(d.difference)),
                ("ratio", d.ratio),
                ("difference_to_overall", d.difference_to_overall),
                ("ratio_to_overall", d.ratio_to_overall),
                ("macro_mean", Some(d.macro_mean)),
            ] {
                put(format!("{name}#{what}"), value);
            }
        }
    }
    let mut odds = report.equalised_odds.iter();
    let odds = odds.find(|o| o.level == level && o.columns.join("+") == group);
    put("equalised_odds".to_owned(), odds.map(|o| o.difference));
    values
}

/// Holds what was found against all that an oracle says, to 1e-12.
pub fn hold_all(data: &str, found: &BTreeMap<String, f64>, said: &Said) {
    assert!(said.values.len() > 2);
    for key in &said.undefined {
        assert_eq!(found.get(key), None, "`{key}` is undefined");
    }
    let mut differences = Differences::new(data);
    for (key, wanted) in &said.values {
        let found = found.get(key).unwrap_or_else(|| panic!("no `{key}`"));
        differences.hold(key, said.by(key), (*found, *wanted), 1e-12);
    }
}

/// How many values were held against an oracle, and the largest difference.
type Largest = (u64, f64);

/// Of all tests of this binary, by metric, oracle and data.
static LARGEST: Mutex<BTreeMap<[String; 3], Largest>> = Mutex::new(BTreeMap::new());

/// Holds values against oracles. Where `FAIRFRAME_ORACLES` names a folder, the largest differences
/// are written there for `tests/python/oracle_table.py`, a file for each test binary.
pub struct Differences {
    data: String,
    largest: BTreeMap<[String; 2], Largest>,
}

impl Differences {
    /// Of values of `data`, in words.
    pub fn new(data: &str) -> Self {
        Self {
            data: data.to_owned(),
            largest: BTreeMap::new(),
        }
    }

    /// Asserts that what was found and what the oracle says are no further apart than `within`.
    pub fn hold(&mut self, key: &str, oracle: &str, (found, wanted): (f64, f64), within: f64) {
        let difference = (found - wanted).abs();
        assert!(
            difference <= within,
            "{key} of {}: {found} is not {wanted}",
            self.data
        );
        let of = [named(key), oracle].map(str::to_owned);
        let (n, largest) = self.largest.entry(of).or_default();
        *n += 1;
        *largest = largest.max(difference);
    }
}

impl Drop for Differences {
    fn drop(&mut self) {
        let Some(folder) = std::env::var_os("FAIRFRAME_ORACLES").map(PathBuf::from) else {
            return;
        };
        // Values of a test that fails are no finding.
        if std::thread::panicking() {
            return;
        }
        let mut all = LARGEST.lock().unwrap();
        for ([metric, oracle], (n, largest)) in std::mem::take(&mut self.largest) {
            let kept = all.entry([metric, oracle, self.data.clone()]).or_default();
            *kept = (kept.0 + n, kept.1.max(largest));
        }
        let line = |(of, (n, largest)): (&[String; 3], &Largest)| {
            format!("{}\t{n}\t{largest:e}\n", of.join("\t"))
        };
        let lines: String = all.iter().map(line).collect();
        let file = folder.join(concat!(env!("CARGO_CRATE_NAME"), ".tsv"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(file, lines).unwrap();
    }
}

/// A folder of the shared data; None, said plainly, where it is absent.
pub fn shared(name: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("FAIRFRAME_SHARED");
    let shared = shared.map_or_else(|| root().join("../shared"), PathBuf::from);
    let folder = shared.join("data").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!(
        "skipped: `{}` is absent (FAIRFRAME_SHARED)",
        folder.display()
    );
    None
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

//! `[corpus.swap]`: how fakes are made, and which are refused.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Name;

/// The method that comes with Fairframe.
pub const FACE_SWAP: &str = "face-swap";

/// How fakes are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SwapRule {
    /// Methods by name: `face-swap`, or a key of `external`. Every pair is made by each.
    pub methods: Vec<Name>,
    /// Methods that are programs of others.
    pub external: BTreeMap<Name, ExternalMethod>,
    /// Share of the target's frames that must be swapped; a fake with fewer is refused.
    pub least_swapped: f64,
    /// Degrees between the heads of target and source, and
    pub most_pose_gap: f64,
    /// share of the face that may be hidden, and
    pub most_hidden: f64,
    /// mean distance of the fake's landmarks from the target's, in distances of the eyes, and
    pub most_landmark_error: f64,
    /// how much steeper the fake is than the target along the border: a frame over one of these
    /// keeps the target's pixels.
    pub most_seam: f64,
}

/// A program that swaps faces. `docs/corpus.md` says what it is given and what it must leave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExternalMethod {
    /// Program and arguments; the folder to work in is added as the last one.
    pub command: Vec<String>,
    /// Its version, in your words: a fake made by another one is made again.
    #[serde(default)]
    pub version: String,
    /// Seconds after which it is stopped, and the fake refused.
    #[serde(default = "hour")]
    pub timeout_s: u64,
    /// MiB that each of its processes may hold.
    #[serde(default = "memory")]
    pub memory_mb: u64,
    /// Absolute paths of files and folders that it may read and run, besides the folder it
    /// works in, the system's programs and libraries, and what its command names.
    #[serde(default)]
    pub reads: Vec<PathBuf>,
    /// Absolute paths of devices that it may use, such as `/dev/nvidia0`.
    #[serde(default)]
    pub devices: Vec<PathBuf>,
}

fn hour() -> u64 {
    3600
}

fn memory() -> u64 {
    8192
}

impl SwapRule {
    /// The first path that is not absolute, with its key: nobody could say from where it counts.
    pub(crate) fn relative(&self) -> Option<(&'static str, String)> {
        let mut paths = self.external.values().flat_map(|method| {
            let reads = method
                .reads
                .iter()
                .map(|p| ("corpus.swap.external.reads", p));
            let devices = method.devices.iter();
            reads.chain(devices.map(|p| ("corpus.swap.external.devices", p)))
        });
        let found = paths.find(|(_, path)| !path.is_absolute());
        found.map(|(key, path)| (key, path.display().to_string()))
    }

    /// Key, value, least, most, and both in words, of every number.
    pub(crate) fn numbers(&self) -> Vec<(&'static str, f64, f64, f64, &'static str)> {
        let timeout = "corpus.swap.external.timeout_s";
        let mut numbers = vec![
            (
                "corpus.swap.least_swapped",
                self.least_swapped,
                0.0,
                1.0,
                "0 to 1",
            ),
            (
                "corpus.swap.most_pose_gap",
                self.most_pose_gap,
                0.0,
                180.0,
                "0 to 180",
            ),
            (
                "corpus.swap.most_hidden",
                self.most_hidden,
                0.0,
                1.0,
                "0 to 1",
            ),
            (
                "corpus.swap.most_landmark_error",
                self.most_landmark_error,
                0.0,
                10.0,
                "0 to 10",
            ),
            (
                "corpus.swap.most_seam",
                self.most_seam,
                1.0,
                1000.0,
                "1 to 1000",
            ),
        ];
        for method in self.external.values() {
            let seconds = method.timeout_s as f64;
            numbers.push((timeout, seconds, 1.0, 604_800.0, "1 to 604800"));
            let (key, memory) = ("corpus.swap.external.memory_mb", method.memory_mb as f64);
            numbers.push((key, memory, 16.0, 1_048_576.0, "16 to 1048576"));
        }
        numbers
    }
}

impl Default for SwapRule {
    fn default() -> Self {
        Self {
            methods: Name::new(FACE_SWAP).into_iter().collect(),
            external: BTreeMap::new(),
            least_swapped: 0.5,
            most_pose_gap: 35.0,
            most_hidden: 0.6,
            most_landmark_error: 0.25,
            most_seam: 3.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_within_its_own_bounds() {
        let rule = SwapRule::default();
        assert_eq!(rule.methods.len(), 1);
        for (key, value, least, most, _) in rule.numbers() {
            assert!((least..=most).contains(&value), "{key}");
        }
    }

    #[test]
    fn a_program_is_declared_by_its_command() {
        let text = "methods = ['ghost']\n[external.ghost]\ncommand = ['python3', 'ghost.py']\n";
        let rule: SwapRule = toml::from_str(text).unwrap();
        let method = &rule.external[&rule.methods[0]];
        assert_eq!((method.command.len(), method.timeout_s), (2, 3600));
        // A name becomes a part of folders' names.
        assert!(toml::from_str::<SwapRule>("methods = ['../x']").is_err());
        let endless = format!("{text}timeout_s = 1000000\n");
        let rule: SwapRule = toml::from_str(&endless).unwrap();
        let outside = |n: &(_, f64, f64, f64, _)| !(n.2..=n.3).contains(&n.1);
        assert_eq!(rule.relative(), None);
        for key in ["reads", "devices"] {
            let text = format!("{text}{key} = ['/opt/ghost', 'ghost']\n");
            let rule: SwapRule = toml::from_str(&text).unwrap();
            let (named, path) = rule.relative().unwrap();
            assert!(named.ends_with(key) && path == "ghost", "{named} {path}");
        }
        assert_eq!(rule.numbers().iter().filter(|n| outside(n)).count(), 1);
    }
}

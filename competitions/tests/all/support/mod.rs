//! Competitions of a few rows, written to a temporary folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use fairframe_competitions::{
    definition::{Competition, Stage},
    prepare::{self, Facts, PrepareError},
    score::{self, Outcome, ScoreOptions, Scored},
};
use fairframe_schemas::report::Defect;

/// Real input of others, where it is there.
pub fn shared(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("FAIRFRAME_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let folder = root.join("data").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!(
        "skipped: `{}` is absent (FAIRFRAME_SHARED)",
        folder.display()
    );
    None
}

/// A competition with one stage, `one`.
pub struct Small {
    pub folder: tempfile::TempDir,
    pub competition: Competition,
}

/// What differs between competitions.
pub struct Declared<'a> {
    /// Of `[task]`.
    pub task: &'a str,
    /// Of `[board]` and below.
    pub board: &'a str,
    /// Of `[[stage]]`.
    pub stage: &'a str,
    pub solution: &'a [u8],
    pub sample: &'a [u8],
}

impl Default for Declared<'_> {
    fn default() -> Self {
        Self {
            task: "form = \"multi-label\"",
            board: "metric = \"f2_mean\"",
            stage: "",
            solution: b"",
            sample: b"",
        }
    }
}

impl Small {
    pub fn new(declared: &Declared<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let Declared {
            task, board, stage, ..
        } = declared;
        let toml = format!(
            "competition = \"c\"\ntitle = \"C\"\ntimezone = \"UTC\"\n[task]\n{task}\n[board]\n{board}\n\
             [[stage]]\nname = \"one\"\ntitle = \"One\"\nopens = \"2026-01-01\"\ncloses = \"2026-02-01\"\n\
             solution = \"solution\"\nsample_submission = \"sample\"\n{stage}\n"
        );
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        write("competition.toml", toml.as_bytes());
        write("solution", declared.solution);
        write("sample", declared.sample);
        let competition = Competition::read(folder.path()).unwrap();
        Self {
            folder,
            competition,
        }
    }

    pub fn stage(&self) -> &Stage {
        &self.competition.stages[0]
    }

    pub fn truth(&self) -> PathBuf {
        self.folder.path().join("truth")
    }

    pub fn prepare(&self) -> Result<Facts, PrepareError> {
        prepare::prepare(&self.competition, self.stage(), None, &self.truth())
    }

    pub fn prepared(self) -> Self {
        self.prepare().unwrap();
        self
    }

    pub fn with<T>(&self, submission: &[u8], what: impl Fn(&ScoreOptions<'_>) -> T) -> T {
        let path = self.folder.path().join("0123456789abcdef");
        fs::write(&path, submission).unwrap();
        what(&ScoreOptions {
            competition: &self.competition,
            stage: &self.stage().name,
            truth: &self.truth(),
            submission: &path,
        })
    }

    pub fn outcome(&self, submission: &[u8]) -> Outcome {
        self.with(submission, |options| score::score(options).unwrap())
    }

    pub fn score(&self, submission: &[u8]) -> Scored {
        match self.outcome(submission) {
            Outcome::Scored(scored) => *scored,
            Outcome::Invalid(defects) => panic!("{defects:?}"),
        }
    }

    /// What is said of a submission, whether or not it is scored.
    pub fn defects(&self, submission: &[u8]) -> (bool, Vec<Defect>) {
        match self.outcome(submission) {
            Outcome::Scored(scored) => (true, scored.defects),
            Outcome::Invalid(defects) => (false, defects),
        }
    }
}

/// The files of a folder and its folders with their bytes, by name.
pub fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.push((name, fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Labels of images in three regions, the last with three images only; the board shows each, the
/// worst and the gap.
pub fn by_region() -> Small {
    let column = |title: &str, shows: &str, group: &str| {
        format!(
            "[[board.column]]\ntitle = \"{title}\"\nshows = \"{shows}\"\ngrouping = \"region\"\n{group}\n"
        )
    };
    let board = [
        "metric = \"f2_mean\"\n".to_owned(),
        column("North", "group", "group = [\"north\"]"),
        column("South", "group", "group = [\"south\"]"),
        column("West", "group", "group = [\"west\"]"),
        column("Worst", "worst-group", ""),
        column("Gap", "difference", ""),
        "[[board.column]]\ntitle = \"Micro\"\nmetric = \"f2_micro\"\n".to_owned(),
    ];
    by_region_with(&board.concat())
}

/// The same with another board.
pub fn by_region_with(board: &str) -> Small {
    let mut solution = String::from("image_id,labels,region,Usage\n");
    let mut sample = String::from("image_id,labels\n");
    for (region, n) in [("north", 40), ("south", 20), ("west", 3)] {
        for i in 0..n {
            for usage in ["Public", "Private"] {
                let id = format!("{region}{i}{usage}");
                solution.push_str(&format!("{id},x,{region},{usage}\n"));
                sample.push_str(&format!("{id},\n"));
            }
        }
    }
    Small::new(&Declared {
        task: "form = \"multi-label\"\ngroups = [\"region\"]\nmin_n = 2",
        board,
        solution: solution.as_bytes(),
        sample: sample.as_bytes(),
        ..Declared::default()
    })
    .prepared()
}

/// Answers rightly to as many of each region.
pub fn answers(right: [usize; 3]) -> Vec<u8> {
    let mut text = String::from("image_id,labels\n");
    for ((region, n), right) in [("north", 40), ("south", 20), ("west", 3)]
        .iter()
        .zip(right)
    {
        for i in 0..*n {
            for usage in ["Public", "Private"] {
                let label = if i < right { "x" } else { "y" };
                text.push_str(&format!("{region}{i}{usage},{label}\n"));
            }
        }
    }
    text.into_bytes()
}

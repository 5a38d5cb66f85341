//! A host at the command line: from a template to the final board, on real predictions.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::support::competition::{open, publish};
use crate::support::{Serving, browser::Browser, datasets, fairframe, ok, text};
use serde_json::Value;

const NAME: &str = "deepfake-detection";

/// As the template has it.
const EPS: f64 = 0.001;

/// A detector's answers to frames, by video.
fn probabilities() -> BTreeMap<String, Vec<f64>> {
    let text = fs::read(datasets().join("dfdc/predictions_1.json")).unwrap();
    let file: Value = serde_json::from_slice(&text).unwrap();
    let frames = |list: &Value| {
        let all = list.as_array().unwrap().iter();
        all.map(|frame| frame[0].as_f64().unwrap()).collect()
    };
    let videos = file["probs"].as_object().unwrap();
    videos
        .iter()
        .map(|(v, list)| (v.clone(), frames(list)))
        .collect()
}

/// Each video's answer: the mean of its frames.
fn means() -> BTreeMap<String, f64> {
    let mean = |frames: &Vec<f64>| frames.iter().sum::<f64>() / frames.len() as f64;
    probabilities()
        .iter()
        .map(|(v, frames)| (v.clone(), mean(frames)))
        .collect()
}

/// Label and original of each video.
fn truths() -> BTreeMap<String, (u8, String)> {
    let mut reader = csv::Reader::from_path(datasets().join("dfdc/folds.csv")).unwrap();
    let rows = reader.records().map(|row| row.unwrap());
    // A real video is its own original.
    rows.map(|row| {
        (
            row[0].to_owned(),
            (row[2].parse().unwrap(), row[3].to_owned()),
        )
    })
    .collect()
}

fn answers(label: impl Fn(&str) -> f64) -> String {
    let rows = means()
        .into_keys()
        .map(|video| format!("{video},{}\n", label(&video)));
    std::iter::once("filename,label\n".to_owned())
        .chain(rows)
        .collect()
}

fn log_loss<'a>(
    videos: impl Iterator<Item = &'a (String, u8)>,
    answer: &dyn Fn(&str) -> f64,
) -> f64 {
    let (mut sum, mut n) = (0.0, 0.0);
    for (video, label) in videos {
        let p = answer(video).clamp(EPS, 1.0 - EPS);
        sum -= if *label == 1 { p.ln() } else { (1.0 - p).ln() };
        n += 1.0;
    }
    sum / n
}

/// A side of the prepared truth, as it lies on the server's disk.
fn side(root: &Path, side: &str) -> Vec<(String, u8)> {
    let stage = root.join("competitions").join(NAME).join("truths/main");
    let truth = fs::read_dir(stage).unwrap().next().unwrap().unwrap().path();
    let mut reader = csv::Reader::from_path(truth.join(format!("{side}.csv"))).unwrap();
    let rows = reader.records().map(|row| row.unwrap());
    rows.map(|row| (row[0].to_owned(), row[1].parse().unwrap()))
        .collect()
}

struct House {
    root: tempfile::TempDir,
    /// The host's folder.
    folder: PathBuf,
}

impl House {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("mine");
        Self { root, folder }
    }

    fn host(&self, arguments: &[&str]) -> String {
        let mut command = fairframe(self.root.path());
        text(&ok(command.arg("competition").args(arguments).arg(&self.folder)).stdout)
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let mut command = fairframe(self.root.path());
        let output = command.arg("competition").args(arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        text(&output.stderr)
    }

    fn put(&self, name: &str, content: &str) {
        fs::write(self.folder.join(name), content).unwrap();
    }

    fn change(&self, of: &[(&str, &str)]) {
        let path = self.folder.join("competition.toml");
        let mut toml = fs::read_to_string(&path).unwrap();
        for (old, new) in of {
            assert!(toml.contains(old), "{old}: {toml}");
            toml = toml.replace(old, new);
        }
        fs::write(path, toml).unwrap();
    }

    /// The template with the real truth; open until far away.
    fn declare(&self) {
        self.host(&["new", "--template", "dfdc"]);
        let rows = truths().into_iter();
        let rows = rows.map(|(video, (label, original))| format!("{video},{label},{original}\n"));
        let head = "filename,label,original\n".to_owned();
        self.put(
            "solution.csv",
            &std::iter::once(head).chain(rows).collect::<String>(),
        );
        self.put("sample_submission.csv", &answers(|_| 0.5));
        self.change(&[
            ("min_n = 30", "min_n = 10"),
            (
                "public_share = 0.3",
                "public_share = 0.4\ndrawn_by = \"original\"",
            ),
            ("closes = \"2030-04-01\"", "closes = \"2100-01-01\""),
            ("reveals = \"2030-04-08\"", "reveals = \"2100-01-02\""),
            ("opens = \"2030-01-07\"", "opens = \"2020-01-01\""),
        ]);
    }
}

#[test]
fn a_host_takes_the_deepfake_template_to_a_final_board() {
    let house = House::new();
    house.declare();
    let said = house.host(&["check"]);
    assert!(said.contains("the sample submission"), "{said}");
    // One half to everything: -ln(1/2) on both sides.
    assert!(said.contains("0.693147"), "{said}");
    house.host(&["open"]);

    let root = house.root.path();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let tokens = runtime.block_on(async {
        let db = open(root).await;
        let tokens = publish(&db, NAME, 3).await;
        db.close().await;
        tokens
    });
    let server = Serving::with(root, &["--workers", "1"]);
    let clipped = |p: f64| p.clamp(0.1, 0.9);
    let means = means();
    let json = datasets().join("dfdc/predictions_1.json");
    let (soft, half) = (root.join("soft.csv"), root.join("half.csv"));
    fs::write(&soft, answers(|video| clipped(means[video]))).unwrap();
    fs::write(&half, answers(|_| 0.5)).unwrap();
    for (token, file) in tokens.iter().zip([&json, &soft, &half]) {
        let mut command = fairframe(root);
        command.arg("--json").arg("submit").arg(file);
        let to = format!("{}/competitions/{NAME}", server.url);
        command.args(["--to", &to]).env("FAIRFRAME_TOKEN", token);
        let one: Value = serde_json::from_slice(&ok(&mut command).stdout).unwrap();
        assert_eq!(one["state"], "scored", "{one}");
        assert!(one["private"].is_null(), "{one}");
    }

    // The host ends it: times may change while it runs.
    house.change(&[
        ("closes = \"2100-01-01\"", "closes = \"2020-01-02\""),
        ("reveals = \"2100-01-02\"", "reveals = \"2020-01-03\""),
        (
            "merge_until = \"2030-03-25\"",
            "merge_until = \"2020-01-02\"",
        ),
    ]);
    house.host(&["open"]);
    let board = final_board(&server);

    // What each scored, from the rows of the truth by a formula of this test's own.
    let truth = side(root, "private");
    assert!(truth.len() > 20 && side(root, "public").len() > 20);
    let raw = |video: &str| means[video];
    let soft = |video: &str| clipped(means[video]);
    let wanted = [
        ("team0", log_loss(truth.iter(), &raw)),
        ("team1", log_loss(truth.iter(), &soft)),
        ("team2", 0.5_f64.ln().abs()),
    ];
    for (team, value) in wanted {
        let row = board.iter().find(|row| row["team"] == team);
        let found = row.unwrap_or_else(|| panic!("{team}: {board:?}"));
        let shown = found["value"].as_f64().unwrap();
        assert!(
            (shown - value).abs() < 1e-12,
            "{team}: {shown} is not {value}"
        );
    }
    // The detector is better than one half everywhere, by far; nobody is told apart by less.
    let rank = |team: &str| board.iter().find(|row| row["team"] == team).unwrap()["rank"].as_u64();
    assert_eq!(rank("team2"), Some(3), "{board:?}");
    // Nobody's public part had a video whose original stands in the private one.
    let originals = |videos: &[(String, u8)]| -> std::collections::BTreeSet<String> {
        let all = truths();
        videos
            .iter()
            .map(|(video, _)| all[video].1.clone())
            .collect()
    };
    let both = (originals(&truth), originals(&side(root, "public")));
    assert!(both.0.is_disjoint(&both.1));
}

/// The private board's rows.
fn final_board(server: &Serving) -> Vec<Value> {
    let path = format!("/competitions/{NAME}/board.json?side=private");
    let body = Browser::default().get(server, &path);
    let board: Value =
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
    board["rows"].as_array().unwrap().clone()
}

#[test]
fn what_is_wrong_is_said_before_anything_is_written() {
    let house = House::new();
    let listed = text(&ok(fairframe(house.root.path()).args(["competition", "templates"])).stdout);
    for name in [
        "inclusive-images",
        "dfdc",
        "faceforensics",
        "landmark-recognition",
    ] {
        assert!(listed.contains(name), "{listed}");
    }
    let folder = house.folder.to_str().unwrap();
    let unknown = house.refused(&["new", "--template", "imagenet", folder]);
    assert!(
        unknown.contains("no template `imagenet`") && unknown.contains("dfdc"),
        "{unknown}"
    );
    assert!(!house.folder.exists());
    house.declare();
    let again = house.refused(&["new", "--template", "dfdc", folder]);
    assert!(again.contains("not an empty folder"), "{again}");

    // Every defect at once, each with its key.
    house.change(&[
        ("timezone = \"UTC\"", "timezone = \"Mars/Olympus\""),
        ("per_day = 2", "per_day = 0"),
    ]);
    let wrong = house.refused(&["check", folder]);
    for key in ["timezone", "limits.per_day"] {
        assert!(wrong.contains(key), "{wrong}");
    }
    let wrong = house.refused(&["open", folder]);
    assert!(wrong.contains("Mars/Olympus"), "{wrong}");
    assert!(
        !house
            .root
            .path()
            .join("competitions")
            .join(NAME)
            .join("definitions")
            .exists()
    );
    house.change(&[
        ("timezone = \"Mars/Olympus\"", "timezone = \"UTC\""),
        ("per_day = 0", "per_day = 2"),
    ]);
    house.put("solution.csv", "filename,label,original\nnobody,1,nobody\n");
    let wrong = house.refused(&["check", folder]);
    assert!(
        wrong.contains("nobody") || wrong.contains("answer"),
        "{wrong}"
    );
}

#[test]
fn a_kaggle_folder_becomes_a_competition() {
    let house = House::new();
    let from = house.root.path().join("kaggle");
    fs::create_dir_all(&from).unwrap();
    let rows = truths().into_iter().enumerate();
    let rows = rows.map(|(at, (video, (label, _)))| {
        let usage = ["Public", "Private"][usize::from(at % 3 > 0)];
        format!("{video},{label},{usage}\n")
    });
    let head = "filename,label,Usage\n".to_owned();
    let solution: String = std::iter::once(head).chain(rows).collect();
    fs::write(from.join("solution.csv"), solution).unwrap();
    fs::write(from.join("sample_submission.csv"), answers(|_| 0.5)).unwrap();
    fs::write(from.join("Evaluation.md"), "# Evaluation\n\nLog loss.\n").unwrap();
    let kaggle = from.to_str().unwrap();
    let said = house.host(&[
        "import",
        "kaggle",
        "--form",
        "detection",
        "--metric",
        "log_loss",
        kaggle,
    ]);
    assert!(said.contains("Evaluation.md"), "{said}");
    let checked = house.host(&["check"]);
    assert!(checked.contains("31 public, 62 private"), "{checked}");
    assert!(checked.contains("0.693147"), "{checked}");
}

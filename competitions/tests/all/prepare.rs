//! Truths made ready.

use std::{collections::BTreeMap, fs, path::Path};

use crate::support::{Declared, Small, files};
use fairframe_competitions::prepare::{Facts, PrepareError};

/// The sides of a prepared folder: id to `Usage`.
fn sides(truth: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(truth.join("solution.csv")).unwrap();
    let rows = text.lines().skip(1).map(|line| {
        let (id, usage) = (
            line.split(',').next().unwrap(),
            line.rsplit(',').next().unwrap(),
        );
        (id.to_owned(), usage.to_owned())
    });
    rows.collect()
}

fn table(header: &str, rows: impl Iterator<Item = String>) -> Vec<u8> {
    let mut text = format!("{header}\n");
    rows.for_each(|row| text.push_str(&format!("{row}\n")));
    text.into_bytes()
}

fn drawn(solution: &[u8], n: usize, stage: &str) -> (Small, Facts) {
    let sample = table("image_id,labels", (0..n).map(|i| format!("i{i},x")));
    let small = Small::new(&Declared {
        solution,
        sample: &sample,
        stage,
        ..Declared::default()
    });
    let facts = small.prepare().unwrap();
    (small, facts)
}

#[test]
fn a_draw_is_of_ids_not_of_rows() {
    let row = |i: usize| format!("i{i},a b");
    let share = "public_share = 0.3\nseed = 7000000007";
    let forth = table("image_id,labels", (0..1_000).map(row));
    let back = table("image_id,labels", (0..1_000).rev().map(row));
    let (first, facts) = drawn(&forth, 1_000, share);
    let (second, _) = drawn(&back, 1_000, share);
    let mut one = files(&first.truth());
    let mut other = files(&second.truth());
    // The facts name the digest of the file as it was given, which is another.
    one.retain(|(name, _)| name != "facts.json");
    other.retain(|(name, _)| name != "facts.json");
    assert_eq!(one.len(), 4);
    assert_eq!(one, other);
    // 300 are expected, with a standard deviation of 14.5.
    assert!((240..=360).contains(&facts.public), "{}", facts.public);
    assert_eq!(facts.public + facts.private, 1_000);
    // What is withdrawn or added moves no other one.
    let fewer = table("image_id,labels", (0..1_000).step_by(2).map(row));
    let (third, _) = drawn(&fewer, 1_000, share);
    let all = sides(&first.truth());
    for (id, usage) in sides(&third.truth()) {
        assert_eq!(all[&id], usage, "{id}");
    }
    // Another seed is another draw.
    let (fourth, _) = drawn(&forth, 1_000, "public_share = 0.3\nseed = 8000000007");
    assert_ne!(sides(&fourth.truth()), all);
}

#[test]
fn what_is_drawn_by_a_column_stays_together() {
    let rows = (0..400).map(|i| format!("i{i},a,u{}", i / 8));
    let solution = table("image_id,labels,uploader", rows);
    let (small, _) = drawn(
        &solution,
        400,
        "public_share = 0.5\nseed = 5000000007\ndrawn_by = \"uploader\"",
    );
    let sides = sides(&small.truth());
    let mut of: BTreeMap<usize, Vec<&String>> = BTreeMap::new();
    for i in 0..400 {
        of.entry(i / 8).or_default().push(&sides[&format!("i{i}")]);
    }
    assert!(of.values().all(|of| of.iter().all(|usage| *usage == of[0])));
    let public = of.values().filter(|of| *of[0] == "Public").count();
    assert!((10..=40).contains(&public), "{public}");
}

#[test]
fn few_items_leave_no_side_empty() {
    let solution = table("image_id,labels", (0..3).map(|i| format!("i{i},a")));
    for seed in 5_000_000_000u64..5_000_000_040 {
        for share in [0.05, 0.95] {
            let (_, facts) = drawn(
                &solution,
                3,
                &format!("public_share = {share}\nseed = {seed}"),
            );
            assert!(facts.public > 0 && facts.private > 0, "{seed} {share}");
            assert_eq!(facts.public + facts.private, 3);
        }
    }
}

#[test]
fn without_a_draw_all_is_public_and_private() {
    let solution = b"image_id,labels\nb,x\na,y\na,y\n";
    let small = Small::new(&Declared {
        solution,
        sample: b"image_id,labels\na,x\nb,x\nc,x\n",
        ..Declared::default()
    });
    let facts = small.prepare().unwrap();
    assert_eq!((facts.public, facts.private, facts.both), (2, 2, true));
    assert_eq!(
        (facts.without_truth.count, &facts.without_truth.first[..]),
        (1, &["c".to_owned()][..])
    );
    let names: Vec<String> = files(&small.truth()).into_iter().map(|(n, _)| n).collect();
    assert_eq!(names, ["facts.json", "ids.json", "solution.csv"]);
    // By id, a row that says the same again left out.
    let text = fs::read_to_string(small.truth().join("solution.csv")).unwrap();
    assert_eq!(text, "image_id,labels\na,y\nb,x\n");
    assert_eq!(Facts::read(&small.truth()).unwrap(), facts);
}

#[test]
fn usage_is_taken_as_it_stands() {
    let solution = b"image_id,labels,Usage\nd,w,ignored\na,x,Public\nb,y,private\nc,,PRIVATE\n";
    let small = Small::new(&Declared {
        solution,
        sample: b"image_id,labels\na,x\nb,x\nc,x\nd,\n",
        ..Declared::default()
    });
    let facts = small.prepare().unwrap();
    assert_eq!((facts.public, facts.private, facts.ignored), (1, 2, 1));
    assert_eq!(facts.without_truth.count, 0);
    let read = |name: &str| fs::read_to_string(small.truth().join(name)).unwrap();
    assert_eq!(read("public.csv"), "image_id,labels\na,x\n");
    assert_eq!(read("private.csv"), "image_id,labels\nb,y\nc,\n");
    assert_eq!(
        read("solution.csv"),
        "image_id,labels,Usage\na,x,Public\nb,y,Private\nc,,Private\nd,w,Ignored\n"
    );
}

#[test]
fn all_that_does_not_fit_is_said_at_once() {
    let board = "metric = \"f2_mean\"\n[[board.column]]\ntitle = \"North\"\nshows = \"group\"\n\
                 grouping = \"region\"\ngroup = [\"north\"]";
    let small = Small::new(&Declared {
        task: "form = \"multi-label\"\ngroups = [\"region\", \"region+camera\"]\ncluster = \"uploader\"",
        board,
        stage: "public_share = 0.5\nseed = 5000000007",
        solution: b"image_id,labels,region,Usage\na,x,south,Public\na,y,south,Public\n",
        sample: b"image_id,labels\na,x\na,x\nb,x\n",
    });
    let error = small.prepare().unwrap_err();
    let PrepareError::Misfit { stage, problems } = &error else {
        panic!("{error}");
    };
    assert_eq!(stage, "one");
    // A truth that contradicts itself ends the look at what follows from it.
    assert!(
        problems[0].contains("id repeated with another answer"),
        "{error}"
    );
    let small = Small::new(&Declared {
        solution: b"image_id,labels,region,Usage\na,x,south,Public\nb,y,south,soon\n",
        task: "form = \"multi-label\"\ngroups = [\"region\", \"region+camera\"]\ncluster = \"uploader\"",
        board,
        stage: "public_share = 0.5\nseed = 5000000007",
        sample: b"image_id,labels\na,x\na,x\nb,x\n",
    });
    let error = small.prepare().unwrap_err().to_string();
    for words in [
        "no column `camera`",
        "no column `uploader`",
        "it has `image_id`, `labels`, `region`, `Usage`",
        "leave one of them out",
        "answers 1 ids twice",
        "board.column[0].group",
    ] {
        assert!(error.contains(words), "{words}: {error}");
    }
    assert!(!small.truth().exists());
}

#[test]
fn a_side_without_rows_and_files_of_other_ids_are_refused() {
    let refused = |solution: &[u8], sample: &[u8]| {
        let small = Small::new(&Declared {
            solution,
            sample,
            ..Declared::default()
        });
        small.prepare().unwrap_err().to_string()
    };
    let sample = b"image_id,labels\na,x\n";
    let error = refused(b"image_id,labels,Usage\na,x,Public\n", sample);
    assert!(error.contains("no row of the truth is private"), "{error}");
    let error = refused(b"image_id,labels\nz,x\n", sample);
    assert!(error.contains("no id of the solution answered"), "{error}");
    let error = refused(b"image_id,labels,Usage\na,x,soon\n", sample);
    assert!(error.contains("another `Usage`"), "{error}");
    let error = refused(b"name,what\na,x\n", sample);
    assert!(error.contains("wrong header"), "{error}");
}

#[test]
fn frames_stay_with_their_video_and_episodes_whole() {
    let rows = (0..60).flat_map(|v| (0..3).map(move |f| format!("v{v},{f},{}", v % 2)));
    let solution = table("video_id,frame,label", rows);
    let rows = (0..60).flat_map(|v| (0..3).map(move |f| format!("v{v},{f},0.5")));
    let sample = table("video_id,frame,score", rows);
    let small = Small::new(&Declared {
        task: "form = \"detection\"",
        board: "metric = \"log_loss\"",
        stage: "public_share = 0.5\nseed = 5000000007",
        solution: &solution,
        sample: &sample,
    });
    let facts = small.prepare().unwrap();
    assert_eq!((facts.public + facts.private, facts.asked), (180, 180));
    assert_eq!(facts.public % 3, 0);
    let mut rows = Vec::new();
    for e in 0..40 {
        for class in ["k1", "k2"] {
            rows.push(format!("d,{e},{class},support,s{class}{e}"));
            rows.push(format!("d,{e},{class},query,q{class}{e}"));
        }
    }
    let solution = table("dataset,episode,class,role,sample_id", rows.into_iter());
    let rows = (0..40).flat_map(|e| ["k1", "k2"].map(|c| format!("d,{e},q{c}{e},k1")));
    let sample = table("dataset,episode,sample_id,class", rows);
    let small = Small::new(&Declared {
        task: "form = \"few-shot\"",
        board: "metric = \"accuracy\"",
        stage: "public_share = 0.5\nseed = 5000000007",
        solution: &solution,
        sample: &sample,
    });
    let facts = small.prepare().unwrap();
    assert_eq!((facts.public + facts.private, facts.asked), (80, 80));
    assert_eq!((facts.without_truth.count, facts.not_asked.count), (0, 0));
    assert_eq!(facts.public % 2, 0);
}

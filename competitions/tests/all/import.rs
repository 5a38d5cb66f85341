//! Competitions of other systems, and files that are none.

use std::{
    fs,
    io::{Cursor, Write},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use crate::support::{files, shared};
use fairframe_competitions::{
    check::check,
    import::{BundleError, ImportError, Imported, MAX_ENTRIES, Said, codabench, kaggle, unpack},
};
use fairframe_schemas::{CompetitionToml, report::TaskForm};
use zip::{ZipWriter, write::SimpleFileOptions};

fn put(folder: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn toml(folder: &Path) -> CompetitionToml {
    CompetitionToml::parse(&fs::read_to_string(folder.join("competition.toml")).unwrap()).unwrap()
}

fn says(lines: &[String], words: &str) {
    assert!(
        lines.iter().any(|line| line.contains(words)),
        "{words}: {lines:#?}"
    );
}

/// A truth with a group column and `Usage`, and a sample submission.
fn kaggle_like(folder: &Path) {
    let mut solution = String::from("id,label,country,camera,Usage\n");
    let mut sample = String::from("id,label\n");
    for i in 0..80 {
        let usage = ["Public", "Private", "Private", "Ignored"][i % 4];
        let country = ["KE", "NP"][i % 2];
        solution.push_str(&format!("v{i}.mp4,{},{country},c{i},{usage}\n", i % 3 / 2));
        sample.push_str(&format!("v{i}.mp4,0.5\n"));
    }
    put(folder, "solution.csv", solution);
    put(folder, "sample_submission.csv", sample);
    put(folder, "overview.md", "# Videos\n");
    put(folder, "rules.md", "# Rules\n");
    put(folder, "train.zip", "x");
}

#[test]
fn a_kaggle_like_folder_can_be_opened_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (
        folder.path().join("Deep Fakes 2020"),
        folder.path().join("to"),
    );
    kaggle_like(&from);
    let imported = kaggle::import(&from, &to, &Said::default()).unwrap();
    assert_eq!(imported.competition.as_str(), "deep-fakes-2020");
    says(&imported.mapped, "column `country`: 2 groups");
    says(&imported.mapped, "`Usage`");
    says(&imported.mapped, "the rules to accept");
    for words in ["the metric", "times", "column `camera`", "`train.zip`"] {
        says(&imported.unmapped, words);
    }
    let toml = toml(&to);
    assert_eq!(toml.task.form, TaskForm::Detection);
    assert_eq!(
        (toml.board.metric.as_str(), toml.task.groups.len()),
        ("log_loss", 1)
    );
    let checked = check(&to).unwrap();
    let facts = &checked.stages[0].facts;
    assert_eq!((facts.public, facts.private, facts.ignored), (20, 40, 20));
    assert_eq!(
        checked.stages[0].sample.public,
        Some(std::f64::consts::LN_2)
    );
    // A folder with something in it is left alone.
    let before = files(&to);
    assert!(matches!(
        kaggle::import(&from, &to, &Said::default()),
        Err(ImportError::Taken(_))
    ));
    assert_eq!(files(&to), before);
}

#[test]
fn what_is_answered_is_told_by_columns_or_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut n = 0;
    let mut import = |solution: &str, sample: &str, said: &Said| {
        n += 1;
        let from = folder.path().join(format!("from{n}"));
        put(&from, "solution.csv", solution);
        put(&from, "sample_submission.csv", sample);
        let to = folder.path().join(format!("to{n}"));
        kaggle::import(&from, &to, said).map(|_| toml(&to))
    };
    let usual = Said::default();
    for (solution, sample, form) in [
        (
            "image_id,labels\na,x y\n",
            "image_id,labels\na,x\n",
            TaskForm::MultiLabel,
        ),
        // The real file has no header; its sample has.
        (
            "2b2b,/m/01\n3c3c,/m/02 /m/03\n",
            "image_id,labels\n2b2b,\n3c3c,\n",
            TaskForm::MultiLabel,
        ),
        (
            "id,landmarks\na,5\n",
            "id,landmarks\na,5 0.1\n",
            TaskForm::Recognition,
        ),
        ("id,images\na,5\n", "id,images\na,5\n", TaskForm::Retrieval),
        (
            "id,label\na,cat\n",
            "id,label\na,dog\n",
            TaskForm::Classification,
        ),
        (
            "image,method\na,swap\n",
            "image,label\na,real\n",
            TaskForm::DetectionLabels,
        ),
        (
            "id,label\na,1\nb,0\n",
            "id,label\na,0.5\nb,0.5\n",
            TaskForm::Detection,
        ),
    ] {
        assert_eq!(
            import(solution, sample, &usual).unwrap().task.form,
            form,
            "{solution}"
        );
    }
    let error = import("id,price\na,3.5\n", "id,price\na,1\n", &usual).unwrap_err();
    assert!(error.to_string().contains("`price`"), "{error}");
    let said = Said {
        form: Some(TaskForm::Classification),
        metric: Some("mean_per_class".to_owned()),
    };
    let toml = import("id,label\na,3\n", "id,label\na,1\n", &said).unwrap();
    assert_eq!(
        (toml.task.form, toml.board.metric.as_str()),
        (TaskForm::Classification, "mean_per_class")
    );
    let said = Said {
        metric: Some("rmse".to_owned()),
        ..said
    };
    let error = import("id,label\na,3\n", "id,label\na,1\n", &said).unwrap_err();
    assert!(error.to_string().contains("`top_1`"), "{error}");
}

#[test]
fn inclusive_images_is_imported_from_its_real_files() {
    let Some(real) = shared("inclusive-images") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("inclusive-images");
    for name in [
        "inclusive_images_stage_1_solutions.csv.gz",
        "stage_1_sample_submission.csv.gz",
    ] {
        put(&from, name, fs::read(real.join(name)).unwrap());
    }
    let to = folder.path().join("to");
    kaggle::import(&from, &to, &Said::default()).unwrap();
    let checked = check(&to).unwrap();
    let stage = &checked.stages[0];
    assert_eq!((stage.facts.public, stage.facts.both), (32_088, true));
    assert_eq!(checked.metric, "f2_mean");
    let best = stage
        .baselines
        .iter()
        .filter_map(|(_, v)| v.public)
        .fold(0.0, f64::max);
    assert!(best > 0.1 && best < 0.296, "{best}");
}

const YAML: &str = r"version: 2
title: Iris of the eye
description: Eyes
image: logo.png
terms: terms.md
docker_image: codalab/codalab-legacy:py3
pages:
- title: Overview
  file: overview.md
- title: Old page
  file: old.html
- title: Gone
  file: gone.md
tasks:
- index: 0
  name: eyes
  reference_data: reference.zip
  scoring_program: scoring.zip
- index: 1
  name: more eyes
  reference_data: reference_2.zip
  scoring_program: scoring.zip
  input_data: input.zip
solutions: []
phases:
- index: 0
  name: Development
  start: 2027-01-11 00:00:00
  end: 2027-02-01 12:30:00
  max_submissions_per_day: 5
  max_submissions: 100
  tasks: [0]
- index: 1
  name: Final
  start: 2027-02-02
  max_submissions_per_day: 2
  auto_migrate_to_this_phase: true
  tasks: [1]
leaderboards:
- title: Results
  key: main
  submission_rule: Force_Last
  columns:
  - title: ROC AUC
    key: auc
    index: 1
    sorting: desc
  - title: Log loss
    key: log_loss
    index: 0
    sorting: asc
  - title: Duration
    key: duration
    index: 2
    sorting: asc
";

fn codabench_like(top: &str) -> Vec<u8> {
    let truth = |from: usize| {
        let rows = (from..from + 30).map(|i| format!("e{i},{}\n", i % 2));
        format!("id,label\n{}", rows.collect::<String>())
    };
    let (first, second) = (truth(0), truth(30));
    let reference = zipped(&[
        ("truth.csv", first.as_bytes()),
        ("__MACOSX/._truth.csv", b"x"),
    ]);
    let reference_2 = zipped(&[("truth.csv", second.as_bytes())]);
    let name = |file: &str| format!("{top}{file}");
    zipped(&[
        (&name("competition.yaml"), YAML.as_bytes()),
        (&name("overview.md"), b"# Eyes\n"),
        (&name("old.html"), b"<h1>Old</h1>"),
        (&name("terms.md"), b"# Terms\n"),
        (&name("reference.zip"), &reference),
        (&name("reference_2.zip"), &reference_2),
        (&name("scoring.zip"), b"PK"),
    ])
}

fn import_zip(bytes: &[u8]) -> (tempfile::TempDir, PathBuf, Result<Imported, ImportError>) {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "bundle.zip", bytes);
    let to = folder.path().join("to");
    let imported = codabench::import(&folder.path().join("bundle.zip"), &to, &Said::default());
    (folder, to, imported)
}

#[test]
fn a_codabench_bundle_is_taken_over_as_far_as_it_maps() {
    for top in ["", "my_bundle/"] {
        let (_folder, to, imported) = import_zip(&codabench_like(top));
        let imported = imported.unwrap();
        assert_eq!(imported.competition.as_str(), "iris-of-the-eye");
        for words in [
            "page `overview.md`",
            "the rules to accept",
            "stage `development`, 2027-01-11 00:00:00 to 2027-02-01 12:30:00",
            "column `ROC AUC`: metric `auc`",
            "a sample submission is made of the truth's ids",
        ] {
            says(&imported.mapped, words);
        }
        for words in [
            "`image`",
            "`docker_image`",
            "`scoring_program`: programs are not run",
            "`input_data`",
            "page `old.html` is HTML",
            "page `gone.md`: it is not in the bundle",
            "phase `Final`: no end",
            "phase `Final`: `auto_migrate_to_this_phase`",
            "`max_submissions_per_day`: phases differ; the least, 2",
            "column `Duration`: no metric",
            "submission rule `Force_Last`",
        ] {
            says(&imported.unmapped, words);
        }
        let toml = toml(&to);
        assert_eq!(toml.board.metric, "log_loss");
        assert_eq!((toml.limits.per_day, toml.limits.total), (2, Some(100)));
        let checked = check(&to).unwrap();
        assert_eq!(checked.stages.len(), 2);
        for stage in &checked.stages {
            assert_eq!((stage.facts.public, stage.facts.asked), (30, 30));
            assert_eq!(stage.sample.public, Some(std::f64::consts::LN_2));
        }
    }
}

#[test]
fn archives_that_escape_link_or_burst_are_refused() {
    let refused = |bytes: &[u8]| -> ImportError {
        let (folder, _to, imported) = import_zip(bytes);
        // Nothing stands outside of where it may.
        let names: Vec<String> = files(folder.path()).into_iter().map(|(n, _)| n).collect();
        let strange = names
            .iter()
            .find(|n| *n != "bundle.zip" && !n.starts_with("to/"));
        assert_eq!(strange, None);
        imported.unwrap_err()
    };
    for name in [
        "../evil.txt",
        "/etc/evil",
        "a/../../evil",
        "a\\..\\evil",
        "C:evil",
        "./x",
    ] {
        let zip = zipped(&[("competition.yaml", YAML.as_bytes()), (name, b"x")]);
        let error = refused(&zip);
        assert!(
            matches!(error, ImportError::Bundle(BundleError::Escapes(_))),
            "{name}: {error}"
        );
    }
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("competition.yaml", SimpleFileOptions::default())
        .unwrap();
    zip.write_all(YAML.as_bytes()).unwrap();
    zip.add_symlink("overview.md", "/etc/passwd", SimpleFileOptions::default())
        .unwrap();
    let error = refused(&zip.finish().unwrap().into_inner());
    assert!(
        matches!(error, ImportError::Bundle(BundleError::Link(_))),
        "{error}"
    );

    let many: Vec<String> = (0..=MAX_ENTRIES).map(|i| format!("f{i}")).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert!(matches!(
        refused(&zipped(&many)),
        ImportError::Bundle(BundleError::Many)
    ));

    // 64 MiB of nothing in some 64 KiB: as a page, and as a truth in an archive of its own.
    let nothing = vec![b'a'; 64 << 20];
    let truth = zipped(&[("truth.csv", b"id,label\na,1\nb,0\n")]);
    let yaml = ("competition.yaml", YAML.as_bytes());
    let bomb = [yaml, ("reference.zip", &truth), ("overview.md", &nothing)];
    let inner = zipped(&[("truth.csv", &nothing)]);
    for files in [&bomb[..], &[yaml, ("reference.zip", &inner)]] {
        let zip = zipped(files);
        assert!(zip.len() < 1 << 17);
        let error = refused(&zip);
        let burst = matches!(error, ImportError::Bundle(BundleError::Large { .. }));
        assert!(burst, "{error}");
    }

    let aliases = (0..12).fold("a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, i| {
        let list = vec![format!("*a{i}"); 9].join(",");
        format!("{text}a{}: &a{} [{list}]\n", i + 1, i + 1)
    });
    let deep = format!(
        "title: x\nphases: {}{}\n",
        "[".repeat(50_000),
        "]".repeat(50_000)
    );
    for yaml in [
        aliases.as_str(),
        deep.as_str(),
        "title: [",
        "- 1\n",
        "",
        "title: x\nphases: 3\n",
    ] {
        let error = refused(&zipped(&[("competition.yaml", yaml.as_bytes())]));
        assert!(matches!(error, ImportError::Form { .. }), "{error}");
    }
    for bytes in [&b"no zip"[..], b"PK\x03\x04 and no more", b""] {
        let error = refused(bytes);
        let no_bundle = matches!(
            error,
            ImportError::Bundle(BundleError::Neither(_) | BundleError::Zip { .. })
        );
        assert!(no_bundle, "{error}");
    }
    let error = refused(&zipped(&[("readme.md", b"x")]));
    assert!(matches!(error, ImportError::Missing { .. }), "{error}");
}

#[test]
fn links_in_a_folder_are_refused_too() {
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("from");
    kaggle_like(&from);
    fs::remove_file(from.join("solution.csv")).unwrap();
    symlink("/etc/passwd", from.join("solution.csv")).unwrap();
    let error = kaggle::import(&from, &folder.path().join("to"), &Said::default()).unwrap_err();
    assert!(
        matches!(error, ImportError::Bundle(BundleError::Link(_))),
        "{error}"
    );
    assert!(!folder.path().join("to").exists());
}

#[test]
fn a_folder_is_unpacked_from_wherever_it_stands_in_an_archive_and_nothing_else_is() {
    let at = tempfile::tempdir().unwrap();
    let archive = at.path().join("a.zip");
    let unpack = |files: &[(&str, &[u8])]| {
        let to = tempfile::tempdir_in(at.path()).unwrap();
        fs::write(&archive, zipped(files)).unwrap();
        unpack(&archive, to.path()).map(|()| to)
    };
    let long = vec![b'x'; 200_000];
    for top in ["", "one/", "one/two/"] {
        let names = ["competition.toml", "stage-1/solution.csv"].map(|n| format!("{top}{n}"));
        let to = unpack(&[
            (&names[0], b"toml"),
            (&names[1], &long),
            ("__MACOSX/competition.toml", b"x"),
        ]);
        let to = to.unwrap();
        assert_eq!(
            fs::read(to.path().join("competition.toml")).unwrap(),
            b"toml"
        );
        assert_eq!(
            fs::read(to.path().join("stage-1/solution.csv")).unwrap(),
            long
        );
        let there = fs::read_dir(to.path()).unwrap().count();
        assert_eq!(there, 2, "{top}");
    }
    for escaping in ["../competition.toml", "/etc/competition.toml", "a\\..\\b"] {
        let error = unpack(&[("competition.toml", b""), (escaping, b"")]).unwrap_err();
        assert!(matches!(error, BundleError::Escapes(_)), "{error}");
    }
    let both: [(&str, &[u8]); 3] = [("competition.toml", b""), ("a", b""), ("a/b", b"")];
    assert!(matches!(unpack(&both).unwrap_err(), BundleError::Io { .. }));
    let bomb = vec![0; 40 << 20];
    let error = unpack(&[("competition.toml", b""), ("a", &bomb)]).unwrap_err();
    assert!(matches!(error, BundleError::Large { .. }), "{error}");
    let error = unpack(&[("not-competition.toml", b"")]).unwrap_err();
    assert!(matches!(error, BundleError::Absent(_)), "{error}");
}

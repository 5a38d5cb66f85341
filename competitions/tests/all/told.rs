//! What a team is told of its submission, and what its host: nothing that tells the truth.

use std::fs;

use crate::support::{Declared, Small, answers, by_region, by_region_with, files};
use fairframe_competitions::score::{self, LEAST, Outcome, ScoreOptions};
use fairframe_schemas::report::{DefectKind, Report};

/// Truths of the same sample that have nothing in common but their form.
fn truths(form: &str, sample: &str, solutions: &[&str]) -> Vec<Small> {
    let of = |solution: &&str| {
        let small = Small::new(&Declared {
            task: form,
            board: match form {
                "form = \"detection\"" => "metric = \"log_loss\"",
                "form = \"retrieval\"" => "metric = \"map_at_100\"",
                "form = \"few-shot\"" => "metric = \"accuracy\"",
                _ => "metric = \"f2_mean\"",
            },
            solution: solution.as_bytes(),
            sample: sample.as_bytes(),
            ..Declared::default()
        });
        small.prepared()
    };
    solutions.iter().map(of).collect()
}

#[test]
fn what_is_said_of_a_submission_does_not_depend_on_the_truth() {
    let labels = truths(
        "form = \"multi-label\"",
        "image_id,labels\na,\nb,\nc,\nd,\ne,\n",
        &[
            "image_id,labels,Usage\na,x,Public\nb,y,Private\n",
            "image_id,labels,Usage\nc,z w,Private\nd,,Public\ne,q,Ignored\n",
            "image_id,labels\na,1\nb,2\nc,3\nd,4\ne,5\n",
            "image_id,labels,Usage\na,x,Ignored\ne,x,Public\nd,x,Private\n",
        ],
    );
    let scores = truths(
        "form = \"detection\"",
        "filename,label\na,0.5\nb,0.5\nc,0.5\nd,0.5\n",
        &[
            "filename,label,Usage\na,1,Public\nb,0,Private\n",
            "filename,label\na,0\nb,0\nc,1\nd,1\n",
            "filename,label,Usage\nc,0,Public\nd,1,Private\na,1,Ignored\n",
        ],
    );
    let said = |truths: &[Small], submission: &str| {
        let mut all = truths.iter().map(|t| t.defects(submission.as_bytes()));
        let first = all.next().unwrap();
        for other in all {
            assert_eq!(other, first, "{submission}");
        }
        first
    };
    for (submission, is_scored) in [
        ("image_id,labels\na,x\nb,y\nc,\nd,x\ne,y\n", true),
        // One id each: whether it has a truth, and on which side, is not said.
        ("image_id,labels\na,x\n", true),
        ("image_id,labels\nb,x\n", true),
        ("image_id,labels\nc,x\n", true),
        ("image_id,labels\ne,x\n", true),
        ("image_id,labels\nd,x\nzz,y\nzzz,\n", true),
        ("image_id,labels\na,x\na,y\n", false),
        ("image_id,labels\nc,x\nc,x\n", true),
        ("image_id,labels\nzz,x\n", false),
        ("image_id,labels\n,x\na,\n", false),
        ("image_id,labels\n", false),
        ("", false),
        // Not a header: a file without one, whose first row answers an id nobody asks for.
        ("foo,bar\na,x\n", true),
        ("image_id,labels\na,x,y,z\nb\n", false),
    ] {
        assert_eq!(said(&labels, submission).0, is_scored, "{submission}");
    }
    for (submission, is_scored) in [
        ("filename,label\na,0.5\nb,0.1\nc,1\nd,0\n", true),
        ("filename,label\nc,0.5\n", true),
        ("filename,label\na,nan\nd,1.5\nb,x\n", false),
        ("filename,label\nd,-1\n", false),
        ("filename,label\nb,0.5\nb,0.6\n", false),
        ("filename,label\nq,0.5\n", false),
    ] {
        assert_eq!(said(&scores, submission).0, is_scored, "{submission}");
    }
    let retrieved = truths(
        "form = \"retrieval\"",
        "id,images\na,x\nb,x\nc,x\n",
        &[
            "id,images,Usage\na,x,Public\nb,y,Private\n",
            "id,images,Usage\nc,x,Public\nb,z,Private\n",
            "id,images\na,x\nb,x\n",
        ],
    );
    let many = vec!["z"; 101].join(" ");
    for id in ["a", "b", "c"] {
        let (is_scored, defects) = said(&retrieved, &format!("id,images\n{id},{many}\n"));
        let kinds: Vec<DefectKind> = defects.iter().map(|d| d.kind).collect();
        let wanted = vec![DefectKind::TooManyAnswers, DefectKind::MissingId];
        assert_eq!((is_scored, kinds), (true, wanted), "{id}");
    }
    let episodes = |usage: [&str; 3]| {
        let mut text = String::from("dataset,episode,class,role,sample_id,Usage\n");
        for (e, usage) in usage.iter().enumerate().filter(|(_, u)| !u.is_empty()) {
            for (class, role) in [
                ("k", "support"),
                ("l", "support"),
                ("k", "query"),
                ("l", "query"),
            ] {
                text.push_str(&format!("d,{e},{class},{role},{role}{class}{e},{usage}\n"));
            }
        }
        text
    };
    let [one, other, third] = [
        episodes(["Public", "Private", ""]),
        episodes(["", "Public", "Private"]),
        episodes(["Private", "Ignored", "Public"]),
    ];
    let mut sample = String::from("dataset,episode,sample_id,class\n");
    for e in 0..3 {
        sample.push_str(&format!("d,{e},queryk{e},k\nd,{e},queryl{e},k\n"));
    }
    let few = truths("form = \"few-shot\"", &sample, &[&one, &other, &third]);
    for e in 0..3 {
        for (class, is_scored) in [("k", true), ("l", false)] {
            let twice = format!("{sample}d,{e},queryk{e},{class}\n");
            assert_eq!(said(&few, &twice).0, is_scored, "{e} {class}");
        }
    }
    let (_, defects) = said(&labels, "image_id,labels\na,x\nzz,y\n");
    let counts: Vec<_> = defects.iter().map(|d| (d.kind, d.count)).collect();
    assert_eq!(
        counts,
        [(DefectKind::MissingId, 4), (DefectKind::UnknownId, 1)]
    );
    let named: Vec<&str> = defects[0].shown.iter().map(|at| at.text.as_str()).collect();
    assert_eq!(named, ["b", "c", "d", "e"]);
}

#[test]
fn what_is_no_table_is_refused_without_a_word_of_where_it_is() {
    let small = by_region();
    let mut zip = Vec::new();
    zip.extend_from_slice(b"PK\x03\x04 this is no archive");
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(*b"i\0d\0").collect();
    for bytes in [
        zip,
        utf16,
        b"PAR1 and no more".to_vec(),
        vec![0x1f, 0x8b, 8, 0, 1, 2, 3],
        vec![0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3],
        b"{\"a\": ".to_vec(),
        b"7z\xbc\xaf\x27\x1c".to_vec(),
    ] {
        let Outcome::Invalid(defects) = small.outcome(&bytes) else {
            panic!("{bytes:?}");
        };
        assert_eq!(defects[0].kind, DefectKind::Unreadable, "{bytes:?}");
        let text = &defects[0].shown[0].text;
        assert!(
            !text.contains('/') && !text.contains("0123456789"),
            "{text}"
        );
    }
    // Of our own files something is said to hosts only: it is no outcome.
    let gone = small.folder.path().join("gone");
    let options = ScoreOptions {
        competition: &small.competition,
        stage: &small.stage().name,
        truth: &small.truth(),
        submission: &gone,
    };
    assert!(score::score(&options).is_err());
}

#[test]
fn a_team_is_told_of_public_groups_and_a_host_of_all() {
    let small = by_region();
    let out = small.folder.path().join("out");
    let submission = answers([30, 5, 3]);
    small.with(&submission, |options| score::report(options, &out).unwrap());
    let names: Vec<String> = files(&out).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "public/disparities.parquet",
            "public/groups.parquet",
            "public/report.html",
            "public/report.json",
            "whole/disparities.parquet",
            "whole/groups.parquet",
            "whole/item_results.parquet",
            "whole/report.html",
            "whole/report.json",
        ]
    );
    for (name, bytes) in files(&out.join("public")) {
        let text = String::from_utf8_lossy(&bytes);
        for hidden in ["Private", "north1P", "west0", "0123456789abcdef"] {
            assert!(!text.contains(hidden), "{name}: {hidden}");
        }
    }
    let read = |side: &str| -> Report {
        serde_json::from_slice(&fs::read(out.join(side).join("report.json")).unwrap()).unwrap()
    };
    let report = read("public");
    let metric = report.headline_metric().unwrap();
    assert_eq!(metric.overall.n, 63);
    assert!(metric.overall.interval.is_some());
    for cell in &metric.by_group[0].cells {
        let shown = cell.group == ["north"];
        assert_eq!(cell.estimate.value.is_some(), shown, "{:?}", cell.group);
        assert!(cell.baseline.is_none() || shown);
        assert!(cell.estimate.n >= LEAST || !shown);
    }
    assert!(metric.by_group[0].disparity.is_none());
    assert!(report.worst_items.is_empty() && report.curves.is_empty());
    // The truth's digest would tell a small truth to whoever tries them all.
    assert_eq!(report.inputs.len(), 1);
    assert_eq!((report.counts.answered, report.counts.unanswered), (126, 0));
    let whole = read("whole");
    assert_eq!(whole.headline_metric().unwrap().overall.n, 126);
    let groupings = &whole.headline_metric().unwrap().by_group;
    assert!(groupings.iter().any(|g| g.columns == ["Usage"]));
    // The host set 2 as the least, and sees it so.
    assert!(
        groupings[0]
            .cells
            .iter()
            .all(|c| c.estimate.value.is_some())
    );
}

#[test]
fn reports_are_the_same_bytes_and_keep_what_a_ladder_keeps() {
    let mut solution = String::from("image_id,labels\n");
    let mut sample = String::from("image_id,labels\n");
    for i in 0..40 {
        solution.push_str(&format!("i{i},x\n"));
        sample.push_str(&format!("i{i},x\n"));
    }
    let small = Small::new(&Declared {
        board: "metric = \"f2_mean\"\nladder = { form = \"step\", step = 0.01 }",
        solution: solution.as_bytes(),
        sample: sample.as_bytes(),
        ..Declared::default()
    })
    .prepared();
    let out = |name: &str| small.folder.path().join(name);
    for name in ["first", "second"] {
        let to = out(name);
        small.with(sample.as_bytes(), |options| {
            score::report(options, &to).unwrap()
        });
    }
    assert_eq!(files(&out("first")), files(&out("second")));
    let read = |side: &str| -> Report {
        let path = out("first").join(side).join("report.json");
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    };
    let public = read("public");
    assert!(public.metrics.is_empty() && public.baselines.is_empty());
    assert_eq!(public.counts.answered, 40);
    assert_eq!(
        read("revealed").headline_metric().unwrap().overall.value,
        Some(1.0)
    );
    // A submission that is refused has no report.
    let refused = small.with(b"image_id,labels\nz,\n", |options| {
        score::report(options, &out("third")).is_err()
    });
    assert!(refused && !out("third").exists());
}

#[test]
fn what_a_column_hides_is_not_in_the_teams_report_either() {
    let hidden = "metric = \"f2_mean\"\n[[board.column]]\ntitle = \"Worst\"\nshows = \"worst-group\"\n\
                  grouping = \"region\"\nhidden_until = \"2027-01-01\"\n\
                  [[board.column]]\ntitle = \"Macro\"\nmetric = \"f2_macro\"\nhidden_until = \"2027-01-01\"";
    let small = by_region_with(hidden);
    let out = small.folder.path().join("out");
    let submission = answers([30, 5, 3]);
    small.with(&submission, |options| score::report(options, &out).unwrap());
    let read = |side: &str| -> Report {
        serde_json::from_slice(&fs::read(out.join(side).join("report.json")).unwrap()).unwrap()
    };
    let report = read("public");
    assert!(
        report
            .metrics
            .iter()
            .all(|m| m.by_group.is_empty() && m.metric != "f2_macro")
    );
    assert_eq!(report.headline_metric().unwrap().metric, "f2_mean");
    let whole = read("whole");
    assert!(
        whole
            .metrics
            .iter()
            .any(|m| m.metric == "f2_macro" && !m.by_group.is_empty())
    );
}

//! Submissions scored on both sides, and what a team is told.

mod support;

use std::{fs, path::Path};

use fairframe_competitions::{
    baselines,
    score::{self, LEAST, Outcome, ScoreOptions, Scored},
};
use fairframe_schemas::report::{DefectKind, Report};
use support::{Declared, Small, files, shared};

/// Inclusive Images with its real files, its stage declared as `stage` says.
fn inclusive(stage: &str) -> Option<(Small, std::path::PathBuf)> {
    let folder = shared("inclusive-images")?;
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    let small = Small::new(&Declared {
        solution: &read("inclusive_images_stage_1_solutions.csv.gz"),
        sample: &read("stage_1_sample_submission.csv.gz"),
        stage,
        ..Declared::default()
    });
    Some((small, folder.join("submissions")))
}

fn scored(small: &Small, submission: &Path) -> Scored {
    small.score(&fs::read(submission).unwrap())
}

#[test]
fn real_submissions_have_the_scores_they_have() {
    let Some((small, submissions)) = inclusive("") else {
        return;
    };
    let facts = small.prepare().unwrap();
    assert_eq!(
        (facts.public, facts.private, facts.asked),
        (32_088, 32_088, 32_580)
    );
    assert_eq!((facts.without_truth.count, facts.not_asked.count), (493, 1));
    for (file, value) in [
        ("team_a_4.csv.gz", 0.296_012),
        ("team_a_16.csv.gz", 0.299_916),
    ] {
        let scored = scored(&small, &submissions.join(file));
        let found = scored.public.value.unwrap();
        assert!((found - value).abs() < 5e-7, "{file}: {found}");
        assert_eq!(scored.public, scored.private);
        let items = scored.public.items.unwrap();
        let mean = items.scores.iter().sum::<f64>() / items.scores.len() as f64;
        assert!((mean - found).abs() < 1e-12);
    }
}

#[test]
fn real_sides_add_up_to_the_whole() {
    let Some((small, submissions)) = inclusive("public_share = 0.34\nseed = 1") else {
        return;
    };
    let facts = small.prepare().unwrap();
    assert_eq!(facts.public + facts.private, 32_088);
    let share = facts.public as f64 / 32_088.0;
    assert!((share - 0.34).abs() < 0.01, "{share}");
    let scored = scored(&small, &submissions.join("team_a_4.csv.gz"));
    let (public, private) = (scored.public.value.unwrap(), scored.private.value.unwrap());
    let whole = share * public + (1.0 - share) * private;
    assert!((whole - 0.296_012).abs() < 5e-7, "{whole}");
    assert_ne!(public, private);
    // A label less for an image is seen on the side that has it only.
    assert_ne!(
        scored.public.items.unwrap().ids,
        scored.private.items.unwrap().ids
    );
}

#[test]
fn dfdc_is_scored_by_video_from_its_real_frames() {
    let Some(folder) = shared("dfdc") else {
        return;
    };
    let frames = fs::read(folder.join("predictions_1.json")).unwrap();
    let small = Small::new(&Declared {
        task: "form = \"detection\"\n[task.metric]\ntruth_threshold = 0.5\neps = 0.01",
        board: "metric = \"log_loss\"\n[[board.column]]\ntitle = \"AUC\"\nmetric = \"auc\"",
        solution: &frames,
        sample: &frames,
        ..Declared::default()
    });
    let facts = small.prepare().unwrap();
    assert_eq!((facts.public, facts.asked), (93, 2_666));
    let scored = small.score(&frames);
    assert_eq!((scored.public.n, scored.defects.len()), (93, 0));
    // Its mean log loss over videos, each the mean of its frames, clipped at 0.01.
    let items = scored.public.items.unwrap();
    let by_hand = by_hand(&frames);
    assert_eq!(items.scores.len(), by_hand.len());
    let mean = by_hand.iter().sum::<f64>() / 93.0;
    assert!((scored.public.value.unwrap() - mean).abs() < 1e-12);
    let auc = scored.public.columns[0].value.unwrap();
    assert!(auc > 0.5 && auc <= 1.0, "{auc}");
}

fn by_hand(json: &[u8]) -> Vec<f64> {
    let json: serde_json::Value = serde_json::from_slice(json).unwrap();
    let number = |frame: &serde_json::Value| match frame.as_array() {
        Some(list) => list[0].as_f64().unwrap(),
        None => frame.as_f64().unwrap(),
    };
    let mean = |frames: &serde_json::Value| {
        let frames = frames.as_array().unwrap();
        frames.iter().map(number).sum::<f64>() / frames.len() as f64
    };
    let probs = json["probs"].as_object().unwrap();
    let loss = |(video, frames): (&String, &serde_json::Value)| {
        let p = mean(frames).clamp(0.01, 0.99);
        match mean(&json["targets"][video]) >= 0.5 {
            true => -p.ln(),
            false => -(1.0 - p).ln(),
        }
    };
    probs.iter().map(loss).collect()
}

/// Labels of images in three regions, the last with three images only.
fn by_region() -> Small {
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
    Small::new(&Declared {
        task: "form = \"multi-label\"\ngroups = [\"region\"]\nmin_n = 2",
        board: &board.concat(),
        solution: solution.as_bytes(),
        sample: sample.as_bytes(),
        ..Declared::default()
    })
    .prepared()
}

/// Answers rightly to as many of each region.
fn answers(small: &Small, right: [usize; 3]) -> Vec<u8> {
    let mut text = String::from("image_id,labels\n");
    let _ = small;
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

#[test]
fn columns_show_groups_and_hide_those_the_others_would_tell() {
    let small = by_region();
    let scored = small.score(&answers(&small, [30, 5, 3]));
    let public = &scored.public;
    // 38 of 63 images are answered rightly.
    assert!((public.value.unwrap() - 38.0 / 63.0).abs() < 1e-12);
    let cells = &public.columns;
    let north = &cells[0];
    assert_eq!(
        (north.value, north.n, north.suppressed),
        (Some(0.75), 40, false)
    );
    // Mean 3/4, sample variance 3/16 * 40/39: 1.96 standard errors.
    let half = 1.959_963_984_540_054 * (3.0_f64 / 16.0 / 39.0).sqrt();
    assert!((north.upper.unwrap() - 0.75 - half).abs() < 1e-12);
    assert!((north.lower.unwrap() - 0.75 + half).abs() < 1e-12);
    // Three images are too few, whatever `min_n` says; the whole, less north and south, would tell
    // of them: the smaller of the two is hidden too.
    for cell in &cells[1..3] {
        assert_eq!((cell.value, cell.suppressed), (None, true));
    }
    assert_eq!((cells[1].n, cells[2].n), (20, 3));
    let worst = &cells[3];
    assert_eq!(
        (worst.value, worst.group.as_deref()),
        (Some(0.75), Some("north"))
    );
    assert!(cells[4].suppressed && cells[4].value.is_none());
    // Micro F2 is no mean of images: no interval is made of it here.
    assert!(cells[5].value.is_some() && cells[5].lower.is_none());
}

#[test]
fn weights_make_what_ranks_and_its_items() {
    let rows = |i: usize| format!("i{i},x,{}", if i < 30 { "a" } else { "b" });
    let mut solution = String::from("image_id,labels,region\n");
    let mut sample = String::from("image_id,labels\n");
    let mut given = String::from("image_id,labels\n");
    for i in 0..50 {
        solution.push_str(&format!("{}\n", rows(i)));
        sample.push_str(&format!("i{i},\n"));
        let label = if i % 3 == 0 { "x" } else { "y" };
        given.push_str(&format!("i{i},{label}\n"));
    }
    let declared = |second: &str| {
        format!(
            "metric = \"f2_mean\"\nweight = 1.0\n[[board.column]]\ntitle = \"B\"\n{second}\ngrouping = \"region\"\nweight = 3.0"
        )
    };
    let scored = |board: &str| {
        let small = Small::new(&Declared {
            task: "form = \"multi-label\"\ngroups = [\"region\"]\nmin_n = 10",
            board,
            solution: solution.as_bytes(),
            sample: sample.as_bytes(),
            ..Declared::default()
        });
        small.prepared().score(given.as_bytes())
    };
    let group = scored(&declared("shows = \"group\"\ngroup = [\"b\"]"));
    // 17 of 50 overall; of b (30 to 49) 7 of 20.
    let wanted = (17.0 / 50.0 + 3.0 * 7.0 / 20.0) / 4.0;
    assert!((group.public.value.unwrap() - wanted).abs() < 1e-12);
    let items = group.public.items.unwrap().scores;
    let mean = items.iter().sum::<f64>() / items.len() as f64;
    assert!((mean - wanted).abs() < 1e-12);
    // Which group is worst is no sum of items.
    let worst = scored(&declared("shows = \"worst-group\""));
    let wanted = (17.0 / 50.0 + 3.0 * 10.0 / 30.0) / 4.0;
    assert!((worst.public.value.unwrap() - wanted).abs() < 1e-12);
    // As pseudo-values of blocks, here of one item each: their mean is near the value, and items
    // of the group that is not the worst weigh only in the whole.
    let items = worst.public.items.unwrap().scores;
    assert_eq!(items.len(), 50);
    let mean = items.iter().sum::<f64>() / 50.0;
    assert!((mean - wanted).abs() < 1e-9, "{mean} {wanted}");
    assert_ne!(worst.private.n, 0);
}

#[test]
fn what_is_no_mean_is_held_against_another_by_blocks_of_items() {
    let (mut solution, mut sample) = (
        String::from("id,label,uploader\n"),
        String::from("id,label\n"),
    );
    let (mut good, mut poor) = (sample.clone(), sample.clone());
    for i in 0..400 {
        let fake = i % 2;
        solution.push_str(&format!("i{i:03},{fake},u{}\n", i / 10));
        sample.push_str(&format!("i{i:03},0.5\n"));
        let noise = f64::from((i * 7919) % 101) / 101.0;
        for (of, share) in [(&mut good, 0.5), (&mut poor, 0.2)] {
            let score = share * f64::from(fake) + (1.0 - share) * noise;
            of.push_str(&format!("i{i:03},{score:.4}\n"));
        }
    }
    for (more, blocks) in [("", 200), ("\ncluster = \"uploader\"", 40)] {
        let small = Small::new(&Declared {
            task: &format!("form = \"detection\"{more}"),
            board: "metric = \"auc\"",
            solution: solution.as_bytes(),
            sample: sample.as_bytes(),
            ..Declared::default()
        });
        let prepared = small.prepared();
        let [good, poor] = [&good, &poor].map(|given| prepared.score(given.as_bytes()).public);
        let (a, b) = (good.items.unwrap(), poor.items.unwrap());
        assert_eq!((a.scores.len(), good.n), (blocks, 400));
        let paired = a.paired(&b).unwrap();
        let difference = good.value.unwrap() - poor.value.unwrap();
        assert!(
            (paired.mean - difference).abs() < 0.01,
            "{paired:?} {difference}"
        );
        assert!(
            paired.error > 0.0 && difference > 1.96 * paired.error,
            "{paired:?}"
        );
    }
}

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
    let submission = answers(&small, [30, 5, 3]);
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
fn constant_answers_are_scored_like_any() {
    let few = "dataset,episode,class,role,sample_id\n\
               d,0,k1,support,s1\nd,0,k2,support,s2\nd,0,k1,query,q1\nd,0,k2,query,q2\n\
               d,1,k3,support,s3\nd,1,k4,support,s4\nd,1,k3,query,q3\nd,1,k4,query,q4\n";
    for (form, metric, solution, sample, names, values) in [
        (
            "multi-label",
            "f2_mean",
            "image_id,labels\na,x y\nb,x\nc,x z\n",
            "image_id,labels\na,q\nb,q\nc,\n",
            &["the most frequent label", "the 2 most frequent labels"][..],
            // F2 of {x}: 5/9, 1, 5/9. Of {x, y}: 1, 5/6, and 1 of 2 right: 5/10.
            &[19.0 / 27.0, 7.0 / 9.0][..],
        ),
        (
            "detection",
            "log_loss",
            "filename,label\na,1\nb,0\nc,0\nd,0\n",
            "filename,label\na,0\nb,0\nc,0\nd,0\n",
            &["0.5 for all", "the share of fakes"],
            &[std::f64::consts::LN_2, 0.562_335_144_618_808_5],
        ),
        (
            "detection-labels",
            "accuracy",
            "image,method\na.png,deepfakes\nb.png,pristine\nc.png,faceswap\n",
            "{\"a.png\": \"real\", \"b.png\": \"real\", \"c.png\": \"real\"}",
            &["fake for every", "real for every"],
            &[2.0 / 3.0, 1.0 / 3.0],
        ),
        (
            "recognition",
            "gap",
            "id,landmarks\na,7\nb,7\nc,\nd,9\n",
            "id,landmarks\na,1 0.5\nb,\nc,\nd,\n",
            &["the most frequent landmark"],
            // Right, right, nothing there, wrong: (1 + 1) / 3.
            &[2.0 / 3.0],
        ),
        (
            "retrieval",
            "map_at_100",
            "id,images\na,x y\nb,x\n",
            "id,images\na,x\nb,x\n",
            &["the 2 images"],
            &[1.0],
        ),
        (
            "classification",
            "top_1",
            "id,label\na,cat\nb,cat\nc,dog\nd,eel\n",
            "id,label\na,cat\nb,cat\nc,cat\nd,cat\n",
            &["the most frequent class"],
            &[0.5],
        ),
        (
            "few-shot",
            "accuracy",
            few,
            "dataset,episode,sample_id,class\nd,0,q1,k1\nd,0,q2,k1\nd,1,q3,k3\nd,1,q4,k3\n",
            &["the first class"],
            &[0.5],
        ),
    ] {
        let small = Small::new(&Declared {
            task: &format!("form = \"{form}\""),
            board: &format!("metric = \"{metric}\""),
            solution: solution.as_bytes(),
            sample: sample.as_bytes(),
            ..Declared::default()
        })
        .prepared();
        let found = baselines::of(&small.competition, small.stage(), &small.truth()).unwrap();
        let again = baselines::of(&small.competition, small.stage(), &small.truth()).unwrap();
        assert_eq!(found, again);
        for (wanted, (name, _)) in names.iter().zip(&found) {
            assert!(name.starts_with(wanted), "{form}: {name}");
        }
        for ((name, bytes), wanted) in found.iter().zip(values) {
            let scored = small.score(bytes);
            assert_eq!(scored.defects, [], "{form}: {name}");
            let value = scored.public.value.unwrap();
            assert!((value - wanted).abs() < 1e-12, "{form}: {name}: {value}");
            // A mean of items has items; GAP is no mean of them.
            let items = scored.public.items.is_some();
            assert_eq!(items, metric != "gap", "{form}");
        }
    }
}

//! Submissions scored on both sides.

use std::{fs, path::Path};

use crate::support::{Declared, Small, answers, by_region, shared};
use fairframe_competitions::{baselines, score::Scored};

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
    let Some((small, submissions)) = inclusive("public_share = 0.34\nseed = 5000000001") else {
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

#[test]
fn columns_show_groups_and_hide_those_the_others_would_tell() {
    let small = by_region();
    let scored = small.score(&answers([30, 5, 3]));
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

#[test]
fn an_episode_that_is_private_has_its_constant_answer_too() {
    let mut solution = String::from("dataset,episode,class,role,sample_id\n");
    let mut sample = String::from("dataset,episode,sample_id,class\n");
    for e in 0..30 {
        for class in ["k1", "k2"] {
            solution.push_str(&format!("d,{e},{class},support,s{e}{class}\n"));
            solution.push_str(&format!("d,{e},{class},query,q{e}{class}\n"));
            sample.push_str(&format!("d,{e},q{e}{class},k1\n"));
        }
    }
    let small = Small::new(&Declared {
        task: "form = \"few-shot\"",
        board: "metric = \"accuracy\"",
        stage: "public_share = 0.5\nseed = 5000000009",
        solution: solution.as_bytes(),
        sample: sample.as_bytes(),
    })
    .prepared();
    let found = baselines::of(&small.competition, small.stage(), &small.truth()).unwrap();
    let scored = small.score(&found[0].1);
    // One of two queries of each episode.
    assert_eq!(
        (scored.public.value, scored.private.value),
        (Some(0.5), Some(0.5))
    );
}

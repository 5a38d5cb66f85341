use std::{fs, path::PathBuf};

use super::{super::names, verify_splits};

fn shipped(name: &str) -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../datasets/faceforensics"
    ))
    .join(name)
}

/// The problems in lists given as file name and text, as `rule: at: problem`.
fn problems(files: &[(&str, &str)]) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let found = verify_splits(&[folder.path().to_owned()], None);
    let found = found.map_err(|e| {
        e.to_string()
            .replace(&folder.path().display().to_string(), "")
    })?;
    let shown = found.problems.iter();
    Ok(shown
        .map(|p| format!("{}: {}: {}", p.rule, p.at, p.problem))
        .collect())
}

#[test]
fn the_official_splits_of_faceforensics_share_seven_source_videos() {
    let lists = [shipped("splits")];
    let alone = verify_splits(&lists, None).unwrap();
    assert!(alone.is_sound(), "by its own numbers nothing is shared");
    assert_eq!((alone.files, alone.rows), (3, 500));

    let found = verify_splits(&lists, Some(&shipped("conversion_dict.json"))).unwrap();
    let shared: Vec<(&str, &str, &str)> = found
        .problems
        .iter()
        .map(|p| (p.rule, p.at.as_str(), p.problem.as_str()))
        .collect();
    assert_eq!(found.counts.values().sum::<u64>(), 7);
    let ids: Vec<&str> = shared.iter().map(|(_, at, _)| *at).collect();
    assert_eq!(
        ids,
        [
            "nUNnFudF2pA",
            "pGmDKODT6V4",
            "tR7z_H1qPMc",
            "wERnQNuwQbM",
            "xG9J__APvnY",
            "yvf0HOswcPk",
            "zPdvu-SUnbg"
        ]
    );
    assert!(shared.iter().all(|(rule, _, _)| *rule == "source-video"));
    // 838 stands in train, 837 in val: one video, cut in two.
    assert!(
        shared[3].2.contains("in `train` (`") && shared[3].2.contains("838"),
        "{}",
        shared[3].2
    );
    assert!(
        shared[3].2.contains("in `val` (`") && shared[3].2.contains("837"),
        "{}",
        shared[3].2
    );
}

#[test]
fn what_stands_in_two_splits_is_found_in_every_form() {
    // Both directions of a pair.
    let found = problems(&[
        ("train.json", r#"[["000", "003"]]"#),
        ("val.json", r#"[["003", "000"]]"#),
    ])
    .unwrap();
    assert_eq!(
        found,
        [
            "pair: 000 and 003: it stands in `train` (`000_003`) and in `val` (`003_000`)",
            "source-video: 000: it stands in `train` (`000_003`) and in `val` (`003_000`)",
            "source-video: 003: it stands in `train` (`000_003`) and in `val` (`003_000`)",
        ]
    );
    // Celeb-DF: a person as himself and as somebody's face.
    let found = problems(&[
        (
            "train.json",
            r#"{"Celeb-real/id0_0001": "real", "Celeb-real/id7_0001": "real"}"#,
        ),
        ("test.json", r#"{"Celeb-synthesis/id16_id0_0003": "fake"}"#),
    ]);
    assert_eq!(
        found.unwrap(),
        [
            "identity: id0: it stands in `test` (`Celeb-synthesis/id16_id0_0003`) and in `train` (`Celeb-real/id0_0001`)"
        ]
    );
    // DeeperForensics: one actor.
    let found = problems(&[
        (
            "train.json",
            r#"{"manipulated_videos/end_to_end/000_M101": "fake"}"#,
        ),
        (
            "test.json",
            r#"{"manipulated_videos/end_to_end/003_M101": "fake"}"#,
        ),
    ]);
    assert_eq!(found.unwrap().len(), 1);
    // DFDC: a fake apart from its original.
    let dfdc = r#"{"a.mp4": {"label": "FAKE", "split": "train", "original": "b.mp4"},
                   "b.mp4": {"label": "REAL", "split": "test", "original": null},
                   "c.mp4": {"label": "REAL", "split": "test", "original": null}}"#;
    assert_eq!(
        problems(&[("metadata.json", dfdc)]).unwrap(),
        ["source-video: b: it stands in `test` (`b.mp4`) and in `train` (`a.mp4`)"]
    );
    // DeepfakeBench, with and without compression.
    let bench = r#"{"FaceForensics++": {
        "FF-DF": {"train": {"c23": {"000_003": {"label": "FF-DF", "frames": []}}}},
        "FF-real": {"test": {"000": {"label": "FF-real", "frames": []}}}}}"#;
    assert_eq!(
        problems(&[("FaceForensics++.json", bench)]).unwrap(),
        ["source-video: 000: it stands in `test` (`000`) and in `train` (`000_003`)"]
    );
    // A table: people, and pictures that look alike.
    let table = "video,split,subject_ids,perceptual_hash\n\
                 a.png,train,p1|p2,00000000000000ff\n\
                 b.png,test,p2,ffffffffffffffff\n\
                 c.png,test,p3,00000000000000fe\n\
                 d.png,train,p4,00000000000000fc\n";
    assert_eq!(
        problems(&[("all.csv", table)]).unwrap(),
        [
            "identity: p2: it stands in `test` (`b.png`) and in `train` (`a.png`)",
            "near-duplicate: a.png: in `train`, looks like `c.png` in `test`",
            "near-duplicate: c.png: in `test`, looks like `d.png` in `train`",
        ]
    );
    // DFDC's folds: frames of a fake in another fold than those of its original.
    let folds = "video,file,label,original,frame,fold\nb,1.png,0,b,1,0\na,1.png,1,b,1,1\n";
    assert_eq!(problems(&[("folds.csv", folds)]).unwrap().len(), 1);
}

#[test]
fn names_say_who_and_what() {
    let facts = |name: &str| {
        let n = names::read(name);
        (n.videos.join(" "), n.subjects.join(" "), n.pair.is_some())
    };
    let is = |videos: &str, subjects: &str, pair| (videos.to_owned(), subjects.to_owned(), pair);
    assert_eq!(
        facts("01_02__exit_phone_room__YVGY8LOK.mp4"),
        is("01__exit_phone_room", "01 02", true)
    );
    assert_eq!(
        facts("01__exit_phone_room.mp4"),
        is("01__exit_phone_room", "01", false)
    );
    assert_eq!(facts("raw/videos/000_003"), is("000 003", "", true));
    assert_eq!(
        facts("original_sequences/youtube/raw/videos/003"),
        is("003", "", false)
    );
    assert_eq!(
        facts("Celeb-synthesis/id0_id16_0003"),
        is("id0_0003", "id0 id16", true)
    );
    assert_eq!(facts("000_M101"), is("000", "M101", true));
    assert_eq!(
        facts("method_A/1152039/1152039_A/1848521_1152039_A_000"),
        is("1848521_1152039_A_000", "1848521 1152039", true)
    );
    assert_eq!(
        facts("person-a_person-b__walk__0A1B2C3D.mp4"),
        is("person-a__walk", "person-a person-b", true)
    );
    // Without a code any words could be meant.
    assert_eq!(facts("any__words.mp4"), is("any__words", "", false));
    assert_eq!(facts("a_b_c__walk__0A1B2C3D").1, "");
    let named = names::actors("01_02__exit_phone_room__YVGY8LOK.mp4").unwrap();
    assert_eq!(named.scene.as_deref(), Some("exit_phone_room"));
    assert_eq!(named.code.as_deref(), Some("YVGY8LOK"));
    for none in [
        "01",
        "01__",
        "__x",
        "01_02_03__x",
        "01__x__y__z",
        "0 1__x",
        "01__x__YVGY8LOK",
    ] {
        assert_eq!(names::actors(none), None, "{none}");
    }
    assert_eq!(facts("a b.c.mp4"), is("a b.c", "", false));
}

#[test]
fn lists_that_cannot_be_read_say_where_and_why() {
    for (name, text, expected) in [
        ("train.json", "[", "/train.json: is no JSON"),
        (
            "train.json",
            "7",
            "/train.json: is neither a list nor an object",
        ),
        (
            "train.json",
            r#"[["1", "2"], ["3"]]"#,
            "/train.json, row 2: is no pair of two names",
        ),
        (
            "train.json",
            r#"["1", 2]"#,
            "/train.json, row 2: is neither a name nor a pair",
        ),
        (
            "train.json",
            r#"{"a": null}"#,
            "/train.json, row 1: `a` is neither a label nor an object",
        ),
        (
            "train.json",
            r#"{"a": {"b": {"train": {"c": {}, "d": {"e": 1}}}}}"#,
            "/train.json, row 1: `a`, `e`: is no video",
        ),
        (
            "train.csv",
            "x,y\n1,2\n",
            "/train.csv: has none of the columns `video`",
        ),
        (
            "train.csv",
            "video,split\n,train\n",
            "/train.csv, row 2, column `video`: is empty",
        ),
        (
            "train.csv",
            "video,perceptual_hash\na,zz\n",
            "/train.csv, row 2, column `perceptual_hash`: `zz` is no hash",
        ),
        ("readme.txt", "", ": holds no `.json` and no `.csv` file"),
    ] {
        let said = problems(&[(name, text)]).unwrap_err();
        assert!(
            said.starts_with(expected),
            "`{expected}` expected, not `{said}`"
        );
    }
    let nested = "[".repeat(100_000);
    assert!(
        problems(&[("train.json", &nested)])
            .unwrap_err()
            .contains("recursion limit")
    );
}

#[test]
fn a_command_that_sees_one_split_has_checked_nothing_and_says_so() {
    // `Split` is no column of ours: every row would be of the split `all`.
    let table = "video,Split\na.mp4,train\na.mp4,test\n";
    let said = problems(&[("all.csv", table)]).unwrap_err();
    assert!(said.contains("`all`") && said.contains("`split`"), "{said}");
    let said = problems(&[("train.json", r#"["000", "001"]"#)]).unwrap_err();
    assert!(said.contains("`train`"), "{said}");
}

#[test]
fn people_are_told_apart_without_the_spaces_around_them() {
    let table =
        "video,split,subject_ids\na.png,train,p1 | p2\nb.png,test,p2||p3\nc.png,train,p4||\n";
    assert_eq!(
        problems(&[("all.csv", table)]).unwrap(),
        ["identity: p2: it stands in `test` (`b.png`) and in `train` (`a.png`)"]
    );
}

#[test]
fn what_a_list_says_twice_or_in_words_unknown_is_not_passed_over() {
    let twice = r#"{"a.mp4": {"label": "REAL", "split": "train"},
                    "a.mp4": {"label": "REAL", "split": "test"}}"#;
    let said = problems(&[("metadata.json", twice)]).unwrap_err();
    assert!(said.contains("`a.mp4` stands twice"), "{said}");
    let video = r#"{"000": {"label": "x", "frames": []}}"#;
    let nested =
        |split: &str| format!(r#"{{"FF": {{"DF": {{"train": {video}, "{split}": {video}}}}}}}"#);
    let said = problems(&[("FF.json", &nested("dev"))]).unwrap_err();
    assert!(said.contains("`dev`"), "{said}");
    assert_eq!(problems(&[("FF.json", &nested("val"))]).unwrap().len(), 1);
    let bare = r#"{"FF": {"DF": {"train": {"c23": {"000": {"label": "x"}, "001": {"label": "x", "frames": []}}}}}}"#;
    let said = problems(&[("FF.json", bare)]).unwrap_err();
    assert!(said.contains("`000`"), "{said}");
}

#[test]
fn pictures_that_are_all_alike_cost_no_memory() {
    let mut table = String::from("video,split,perceptual_hash\n");
    for i in 0..200_000 {
        let split = if i % 2 == 0 { "train" } else { "test" };
        table.push_str(&format!("{i}.png,{split},{:016x}\n", i % 3));
    }
    let found = problems(&[("all.csv", &table)]).unwrap();
    assert_eq!(
        found[0],
        "near-duplicate: 0.png: in `train`, looks like `3.png` in `test`"
    );
}

#[test]
fn a_number_behind_a_dot_is_no_ending() {
    assert_eq!(names::stem("a/person.01"), "person.01");
    assert_eq!(names::stem("a/person.01.mp4"), "person.01");
    assert_eq!(names::stem("a/clip.3gp"), "clip");
}

#[test]
fn sources_that_speak_of_other_videos_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let sources = folder.path().join("sources.json");
    fs::write(&sources, r#"{"seq_000": "a 0"}"#).unwrap();
    let said = verify_splits(&[shipped("splits")], Some(&sources)).unwrap_err();
    assert!(
        said.to_string()
            .contains("sources.json: names no video of the lists"),
        "{said}"
    );
}

#[test]
fn folds_may_be_numbers_and_are_not_without_number() {
    let folds = r#"{"a.mp4": {"label": 1, "split": 0, "original": "b.mp4"},
                    "b.mp4": {"label": 0, "split": 1}}"#;
    assert_eq!(
        problems(&[("folds.json", folds)]).unwrap(),
        ["source-video: b: it stands in `0` (`a.mp4`) and in `1` (`b.mp4`)"]
    );
    let odd = r#"{"a.mp4": {"label": 1, "split": ["train"]}}"#;
    let said = problems(&[("folds.json", odd)]).unwrap_err();
    assert!(
        said.contains("row 1: `a.mp4` has no text in `split`"),
        "{said}"
    );
    let rows: String = (0..200).map(|i| format!("a.mp4,{i}\n")).collect();
    let said = problems(&[("all.csv", &format!("video,split\n{rows}"))]).unwrap_err();
    assert!(said.contains("more than 100 splits"), "{said}");
}

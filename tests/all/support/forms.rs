//! A solution and two submissions of each task form, made here from a seed: what the tests
//! of reports judge.

use std::{fmt::Write as _, fs, path::Path};

/// One judging: its name, and its command line after `eval`, but for `--out`.
pub struct Judging {
    pub name: &'static str,
    pub line: Vec<String>,
}

struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % bound
    }

    fn unit(&mut self) -> f64 {
        self.below(1 << 20) as f64 / f64::from(1 << 20)
    }
}

/// Codes and a name, as manifests and people write them; one is nowhere on a map.
const COUNTRIES: [&str; 9] = [
    "KE", "IN", "US", "DE", "BR", "NG", "ID", "Japan", "Atlantis",
];
const METHODS: [&str; 4] = ["pristine", "Deepfakes", "Face2Face", "NeuralTextures"];

/// A solution, submission A and submission B of one form.
struct Files {
    head: [&'static str; 2],
    rows: Vec<(String, [String; 2])>,
}

fn files(
    items: usize,
    head: [&'static str; 2],
    mut row: impl FnMut(usize, &mut Numbers) -> (String, [String; 2]),
) -> Files {
    let mut numbers = Numbers(7);
    Files {
        head,
        rows: (0..items).map(|at| row(at, &mut numbers)).collect(),
    }
}

fn of(form: &str) -> Files {
    // Countries later in the list do worse, so that there is a gap to see.
    let right = |at: usize, n: &mut Numbers| n.below(20) as usize > at % COUNTRIES.len();
    let labels = |n: &mut Numbers| format!("/m/{} /m/{}", n.below(5), 5 + n.below(5));
    match form {
        "multi-label" => files(
            900,
            ["image_id,labels,country", "image_id,labels"],
            |at, n| {
                let truth = labels(n);
                let answers = [0, 1].map(|_| match right(at, n) {
                    true => truth.clone(),
                    false => labels(n),
                });
                let country = COUNTRIES[at % COUNTRIES.len()];
                (
                    format!("i{at:04},{truth},{country}"),
                    answers.map(|a| format!("i{at:04},{a}")),
                )
            },
        ),
        "detection" => files(
            1200,
            [
                "filename,label,country,method,compression",
                "filename,label",
            ],
            |at, n| {
                let method = METHODS[at % 4];
                let fake = u8::from(method != "pristine");
                let compression = ["c0", "c23", "c40"][at / 4 % 3];
                let country = COUNTRIES[at / 12 % COUNTRIES.len()];
                let answers = [0.3, 0.2].map(|skill| {
                    let score = n.unit() * (1.0 - skill) + f64::from(fake) * skill;
                    format!("v{at:04}.mp4,{score:.4}")
                });
                (
                    format!("v{at:04}.mp4,{fake},{country},{method},{compression}"),
                    answers,
                )
            },
        ),
        "detection-frames" => files(
            900,
            ["video_id,frame,label,country", "video_id,frame,score"],
            |at, n| {
                let (video, frame) = (at / 10, at % 10);
                let fake = u8::from(video % 3 != 0);
                let country = COUNTRIES[video % 3];
                let answers = [0.4, 0.2].map(|skill| {
                    let score = n.unit() * (1.0 - skill) + f64::from(fake) * skill;
                    format!("v{video:03},{frame},{score:.4}")
                });
                (format!("v{video:03},{frame},{fake},{country}"), answers)
            },
        ),
        "detection-labels" => files(800, ["image,method,compression", "image,label"], |at, n| {
            let method = METHODS[at % 4];
            let truth = ["fake", "real"][usize::from(method == "pristine")];
            let other = ["real", "fake"][usize::from(method == "pristine")];
            let answers = [0, 1].map(|_| {
                let answer = [other, truth][usize::from(right(at % 4, n))];
                format!("{at:04}.png,{answer}")
            });
            (
                format!("{at:04}.png,{method},{}", ["c23", "c40"][at / 4 % 2]),
                answers,
            )
        }),
        "recognition" => files(900, ["id,landmarks,country", "id,landmarks"], |at, n| {
            let truth = match at % 5 {
                0 => String::new(),
                _ => format!("{}", n.below(40)),
            };
            let answers = [0, 1].map(|_| match (right(at, n), truth.is_empty()) {
                (true, true) => format!("q{at:04},"),
                (true, false) => format!("q{at:04},{truth} {:.3}", 0.3 + 0.7 * n.unit()),
                _ => format!("q{at:04},{} {:.3}", n.below(40), 0.6 * n.unit()),
            });
            let country = COUNTRIES[at % COUNTRIES.len()];
            (format!("q{at:04},{truth},{country}"), answers)
        }),
        "retrieval" => files(500, ["id,images,country", "id,images"], |at, n| {
            let truth: Vec<String> = (0..3)
                .map(|k| format!("x{:03}", 3 * (at % 150) + k))
                .collect();
            let answers = [0, 1].map(|_| {
                let mut found: Vec<String> = (0..8)
                    .map(|_| format!("x{:03}", 450 + n.below(500)))
                    .collect();
                for id in &truth {
                    if right(at, n) {
                        found.insert(n.below(6) as usize, id.clone());
                    }
                }
                found.dedup();
                format!("q{at:04},{}", found.join(" "))
            });
            let country = COUNTRIES[at % COUNTRIES.len()];
            (format!("q{at:04},{},{country}", truth.join(" ")), answers)
        }),
        _ => files(
            900,
            [
                "id,label,country",
                "id,label_1,label_2,label_3,label_4,label_5",
            ],
            |at, n| {
                let truth = n.below(20);
                let answers = [0, 1].map(|_| {
                    let mut best: Vec<u64> = (0..5).map(|_| n.below(20)).collect();
                    if right(at, n) {
                        best[0] = truth;
                    }
                    let best: Vec<String> = best.iter().map(u64::to_string).collect();
                    format!("p{at:04},{}", best.join(","))
                });
                let country = COUNTRIES[at % COUNTRIES.len()];
                (format!("p{at:04},{truth},{country}"), answers)
            },
        ),
    }
}

/// Writes the files of every form but few-shot; each is to be judged beside a second submission.
pub fn judgings(folder: &Path) -> Vec<Judging> {
    let forms = [
        ("multi-label", "multi-label", &["country"][..]),
        ("detection", "detection", &["country", "method+compression"]),
        ("detection-frames", "detection", &["country"]),
        (
            "detection-labels",
            "detection-labels",
            &["method+compression"],
        ),
        ("recognition", "recognition", &["country"]),
        ("retrieval", "retrieval", &["country"]),
        ("classification", "classification", &["country"]),
    ];
    let judging = |(name, form, groups): (&'static str, &str, &[&str])| {
        let Files { head, rows } = of(name);
        let mut tables = [head[0], head[1], head[1]].map(|head| format!("{head}\n"));
        for (truth, answers) in rows {
            let lines = [truth, answers[0].clone(), answers[1].clone()];
            for (table, line) in tables.iter_mut().zip(lines) {
                writeln!(table, "{line}").unwrap();
            }
        }
        let mut line = vec!["--form".to_owned(), form.to_owned()];
        for ((option, file), table) in [
            ("--solution", "truth"),
            ("--submission", "ours"),
            ("--against", "theirs"),
        ]
        .iter()
        .zip(tables)
        {
            let path = folder.join(format!("{name}-{file}.csv"));
            fs::write(&path, table).unwrap();
            line.extend([(*option).to_owned(), path.display().to_string()]);
        }
        for group in groups {
            line.extend(["--group".to_owned(), (*group).to_owned()]);
        }
        line.extend(["--bootstrap", "200", "--permutations", "200"].map(str::to_owned));
        Judging { name, line }
    };
    forms.into_iter().map(judging).collect()
}

/// Episodes drawn by the real binary, in JSON lines, and predictions for their queries.
pub fn few_shot(folder: &Path) -> Judging {
    let mut numbers = Numbers(5);
    let mut draw = super::fairframe(folder);
    draw.arg("episodes").args(["--episodes", "30"]);
    for dataset in ["birds", "signs", "fungi"] {
        let mut samples = "sample_id,class\n".to_owned();
        for at in 0..240 {
            writeln!(samples, "{dataset}-{at:03},{dataset}{}", at % 8).unwrap();
        }
        let path = folder.join(format!("{dataset}.csv"));
        fs::write(&path, samples).unwrap();
        draw.arg(format!("{dataset}={}", path.display()));
    }
    let drawn = folder.join("episodes.jsonl");
    super::ok(draw.arg("--out").arg(&drawn));
    let mut answers = ["ours", "theirs"].map(|_| "dataset,episode,sample_id,class\n".to_owned());
    for line in fs::read_to_string(&drawn).unwrap().lines() {
        let episode: fairframe_schemas::episode::Episode = serde_json::from_str(line).unwrap();
        let classes: Vec<&String> = episode.query.keys().collect();
        for (class, ids) in &episode.query {
            for id in ids {
                for (table, skill) in answers.iter_mut().zip([7, 5]) {
                    let answer = match numbers.below(10) < skill {
                        true => class,
                        false => classes[numbers.below(classes.len() as u64) as usize],
                    };
                    let (dataset, number) = (&episode.dataset, episode.episode);
                    writeln!(table, "{dataset},{number},{id},{answer}").unwrap();
                }
            }
        }
    }
    let mut line = ["--form", "few-shot", "--min-n", "10", "--solution"]
        .map(str::to_owned)
        .to_vec();
    line.push(drawn.display().to_string());
    for ((option, file), table) in [("--submission", "ours"), ("--against", "theirs")]
        .iter()
        .zip(answers)
    {
        let path = folder.join(format!("few-shot-{file}.csv"));
        fs::write(&path, table).unwrap();
        line.extend([(*option).to_owned(), path.display().to_string()]);
    }
    line.extend(["--bootstrap", "200", "--permutations", "200"].map(str::to_owned));
    Judging {
        name: "few-shot",
        line,
    }
}

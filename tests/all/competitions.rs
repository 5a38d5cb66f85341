//! Submissions to a real server whose processes are killed, again and again, while they come in:
//! what it said it took is there once and is scored, by the same numbers as ever.
//!
//! The moments are random; `FAIRFRAME_SEED` repeats those of a run that failed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::support::competition::{TOML, begin, open};
use crate::support::{Serving, fairframe, ok, random::Random};
use fairframe_schemas::{Layout, Name};
use fairframe_web::state::competitions::{queue, scores, submissions, truths};

/// Times the server is killed, times one of its workers is, and times what reads submissions for a
/// worker is: a fork, or what forks.
const SERVERS: u64 = 40;
const WORKERS: u64 = 60;
const READERS: u64 = 20;

const TEAMS: usize = 8;

const ITEMS: usize = 300;

/// A submission with so many items right; the score is that share, since all items count.
fn answers(right: usize) -> String {
    let mut text = "image_id,labels\n".to_owned();
    for item in 0..ITEMS {
        let label = if item < right { "cat" } else { "dog" };
        text.push_str(&format!("i{item:03},{label}\n"));
    }
    text
}

/// Sends a submission; its number where the server said that it took it.
fn submit(address: &str, token: &str, text: &str) -> Option<i64> {
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n{text}\r\n--b--\r\n"
    );
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .ok()?;
    write!(
        stream,
        "POST /api/v1/competitions/labels/submissions HTTP/1.1\r\nHost: {address}\r\n\
         Authorization: Bearer {token}\r\nContent-Type: multipart/form-data; boundary=b\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    if !answer.starts_with("HTTP/1.1 201") {
        // Some are refused while five of theirs wait; none for another reason.
        assert!(
            answer.is_empty() || answer.contains("wait for their scores"),
            "{answer}"
        );
        return None;
    }
    let json = answer.split("\r\n\r\n").nth(1)?;
    let json: serde_json::Value = serde_json::from_str(json).ok()?;
    json["number"].as_i64()
}

fn children(of: u32) -> Vec<String> {
    let found = Command::new("pgrep").args(["-P", &of.to_string()]).output();
    let found = String::from_utf8(found.unwrap().stdout).unwrap();
    found.lines().map(str::to_owned).collect()
}

#[test]
fn servers_and_workers_that_are_killed_lose_and_double_nothing() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let root = tempfile::tempdir().unwrap();
    let (solution, sample) = (answers(ITEMS), answers(0));
    let tokens = runtime.block_on(begin(root.path(), TOML, &solution, &sample, TEAMS));
    let mut random = Random::new();
    let mut taken: BTreeMap<i64, (usize, usize)> = BTreeMap::new();
    let mut workers_killed = 0;
    for life in 0..=SERVERS {
        let mut server = Serving::with(root.path(), &["--workers", "2"]);
        let address = server
            .url
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned();
        let senders: Vec<_> = tokens
            .iter()
            .enumerate()
            .map(|(team, token)| {
                let (address, token) = (address.clone(), token.clone());
                let first = random.below(ITEMS as u64) as usize;
                std::thread::spawn(move || {
                    let mut own = Vec::new();
                    for n in 0..6 {
                        let right = (first + 37 * n) % ITEMS;
                        if let Some(seq) = submit(&address, &token, &answers(right)) {
                            own.push((seq, (team, right)));
                        }
                    }
                    own
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(random.below(700)));
        let worker = children(server.child.id()).into_iter().next();
        if workers_killed < WORKERS
            && let Some(worker) = worker
        {
            let _ = Command::new("kill").args(["-9", &worker]).status();
            workers_killed += 1;
            std::thread::sleep(Duration::from_millis(random.below(300)));
        }
        if life < SERVERS {
            server.child.kill().unwrap();
            server.child.wait().unwrap();
        }
        for sender in senders {
            for (seq, what) in sender.join().unwrap() {
                assert!(
                    taken.insert(seq, what).is_none(),
                    "number {seq} was given twice"
                );
            }
        }
        if life < SERVERS {
            continue;
        }
        // The last one lives on; what it started does not all.
        let mut readers_killed = 0;
        let until = Instant::now() + Duration::from_secs(60);
        while readers_killed < READERS && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(random.below(100)));
            let of = |parent: &String| children(parent.parse().unwrap());
            let workers = children(server.child.id());
            for forks in workers.iter().flat_map(of) {
                let reader = of(&forks).pop().unwrap_or(forks);
                let killed = Command::new("kill").args(["-9", &reader]).status();
                readers_killed += u64::from(killed.unwrap().success());
            }
        }
        assert!(readers_killed > 0, "nothing was being read");
        while workers_killed < WORKERS {
            std::thread::sleep(Duration::from_millis(random.below(400)));
            for worker in children(server.child.id()) {
                let _ = Command::new("kill").args(["-9", &worker]).status();
                workers_killed += 1;
            }
        }
        runtime.block_on(settled(root.path(), &taken));
    }
    println!("{} submissions were taken", taken.len());
    assert!(taken.len() as u64 > SERVERS, "the load was no load");
}

/// Waits for the queue to be done, then holds all that is there against what was taken.
async fn settled(root: &Path, taken: &BTreeMap<i64, (usize, usize)>) {
    let db = open(root).await;
    let (name, stage) = (Name::new("labels").unwrap(), Name::new("one").unwrap());
    let until = Instant::now() + Duration::from_secs(240);
    loop {
        let counts: BTreeMap<String, i64> = queue::counts(&db, &name)
            .await
            .unwrap()
            .into_iter()
            .collect();
        if !counts.contains_key("queued") && !counts.contains_key("running") {
            break;
        }
        assert!(
            Instant::now() < until,
            "something waits for ever: {counts:?}"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let truth = truths::current(&db, &name, &stage).await.unwrap().unwrap();
    let all = submissions::of_stage(&db, &name, &stage).await.unwrap();
    let there: BTreeSet<i64> = all
        .iter()
        .filter(|s| s.team.is_some())
        .map(|s| s.seq)
        .collect();
    for (seq, (team, right)) in taken {
        assert!(there.contains(seq), "number {seq} was lost");
        let own = all.iter().find(|s| s.seq == *seq).unwrap();
        // Killed three times in a row it may be set aside; then it does not count.
        if own.state == submissions::State::Failed {
            assert!(!own.counts);
            continue;
        }
        assert_eq!(
            own.state,
            submissions::State::Scored,
            "number {seq} of team{team}"
        );
        let [public, private] = scores::of(&db, *seq, truth.version).await.unwrap();
        let share = *right as f64 / ITEMS as f64;
        for score in [public, private] {
            assert!((score.unwrap().value.unwrap() - share).abs() < 1e-12);
        }
    }
    // What was on the disk when the server was killed may have been taken without an answer.
    let unanswered = there.len() - taken.len();
    assert!(unanswered <= TEAMS * SERVERS as usize, "{unanswered}");
    // The Ladder, in the order they came: each team shows its best, by steps.
    let scored = scores::all(&db, &name, &stage, truth.version)
        .await
        .unwrap();
    let mut best: BTreeMap<i64, f64> = BTreeMap::new();
    for entry in scored.iter().filter(|e| e.team.is_some()) {
        let public = entry.public.as_ref().unwrap();
        let held = best.entry(entry.team.unwrap()).or_insert(f64::NEG_INFINITY);
        let value = public.value.unwrap();
        if !held.is_finite() || value - *held > 0.01 {
            *held = (value / 0.01).round() * 0.01;
        }
        assert!(
            (public.shown.unwrap() - *held).abs() < 1e-9,
            "{entry:?} {held}"
        );
    }
    let board = Layout::new(root)
        .competition(&name)
        .join("boards/one-1.json");
    let board: serde_json::Value = serde_json::from_slice(&fs::read(board).unwrap()).unwrap();
    let rows = board["public"].as_array().unwrap();
    let mut shown = 0;
    for row in rows.iter().filter(|row| !row["team"].is_null()) {
        let held = best[&row["team"].as_i64().unwrap()];
        assert!((row["value"].as_f64().unwrap() - held).abs() < 1e-9);
        shown += 1;
    }
    assert_eq!(shown, best.len());
    db.close().await;
    // And nobody's entry of the audit chain is missing or twice.
    ok(fairframe(root).arg("audit"));
}

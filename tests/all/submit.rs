//! `fairframe submit` against a real server: scored, refused, cut off, gone on with.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use crate::support::competition::{LABELS, TOML, begin};
use crate::support::{Serving, fairframe, ok, text};
use serde_json::Value;

/// Files of more than one piece.
const ITEMS: usize = 60_000;

/// Their lines are long.
const PAD: usize = 90;

/// Within the second piece.
const CUT: u64 = 5 << 20;

struct House {
    server: Serving,
    root: tempfile::TempDir,
    token: String,
}

impl House {
    fn new(toml: &str, items: usize) -> Self {
        let root = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (solution, sample) = (answers(items, items), answers(items, 0));
        let tokens = runtime.block_on(begin(root.path(), toml, &solution, &sample, 1));
        Self {
            server: Serving::with(root.path(), &["--workers", "1"]),
            root,
            token: tokens.into_iter().next().unwrap(),
        }
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.root.path().join("answers.csv");
        fs::write(&path, text).unwrap();
        path
    }

    /// The command for a file, by way of an address.
    fn submit(&self, url: &str, text: &str) -> Command {
        let mut command = fairframe(self.root.path());
        let to = format!("{}/competitions/{LABELS}", url.trim_end_matches('/'));
        command
            .arg("submit")
            .arg(self.file(text))
            .args(["--to", &to])
            .env("FAIRFRAME_TOKEN", &self.token);
        command
    }

    fn direct(&self, text: &str) -> Command {
        self.submit(&self.server.url, text)
    }
}

/// A submission with so many of the items right.
fn answers(items: usize, right: usize) -> String {
    let pad = if items == ITEMS { PAD } else { 0 };
    let mut text = "image_id,labels\n".to_owned();
    for item in 0..items {
        let label = if item < right { "cat" } else { "dog" };
        text.push_str(&format!("i{item:06}{},{label}\n", "x".repeat(pad)));
    }
    text
}

/// As [`TOML`], with room for long files, and no Ladder.
fn roomy() -> String {
    TOML.replace("file_bytes = 100000", "file_bytes = 100000000")
        .replace("ladder = { form = \"step\", step = 0.01 }\n", "")
}

/// Stands between a client and the server.
struct Relay {
    url: String,
    /// Bytes that went to the server.
    sent: Arc<AtomicU64>,
    /// Hears when the line was cut.
    cut: mpsc::Receiver<()>,
}

impl Relay {
    /// The line is cut once, after so many bytes; a client that is to be `held` does not notice.
    fn new(server: &str, after: u64, held: bool) -> Self {
        let server = server
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let sent = Arc::new(AtomicU64::new(0));
        let (tell, cut) = mpsc::channel();
        let count = sent.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (count, tell) = (count.clone(), tell.clone());
                let up = TcpStream::connect(&server).unwrap();
                let (mut answers, mut back) =
                    (up.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || io::copy(&mut answers, &mut back));
                std::thread::spawn(move || pass(client, up, &count, after, held, &tell));
            }
        });
        Self { url, sent, cut }
    }
}

fn pass(
    mut client: TcpStream,
    mut up: TcpStream,
    count: &AtomicU64,
    after: u64,
    held: bool,
    tell: &mpsc::Sender<()>,
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(n) = client.read(&mut buffer) {
        let before = count.fetch_add(n as u64, Ordering::SeqCst);
        if n == 0 || up.write_all(&buffer[..n]).is_err() {
            break;
        }
        if before < after && before + n as u64 >= after {
            let _ = up.shutdown(Shutdown::Both);
            let _ = tell.send(());
            if held {
                std::thread::sleep(Duration::from_secs(60));
            }
            break;
        }
    }
    let _ = up.shutdown(Shutdown::Both);
    let _ = client.shutdown(Shutdown::Both);
}

#[test]
fn a_submission_is_scored_and_a_broken_one_refused() {
    let toml = format!(
        "{}\n[external_data]\ndeclare = true\nlicences = [\"CC-BY-4.0\"]\n",
        roomy()
    );
    let house = House::new(&toml, 300);
    let done = ok(&mut house.direct(&answers(300, 150)));
    let said = text(&done.stdout);
    assert!(said.starts_with("submission "), "{said}");
    assert!(said.contains("scored: 0.5"), "{said}");

    let done = ok(house.direct(&answers(300, 75)).args([
        "--json",
        "--note",
        "with others",
        "--external-what",
        "pictures of ours",
        "--external-licence",
        "CC-BY-4.0",
    ]));
    let one: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(one["state"], "scored", "{one}");
    assert!(
        (one["public"].as_f64().unwrap() - 0.25).abs() < 0.1,
        "{one}"
    );

    // A licence the rules do not allow.
    let other = ["--external-what", "x", "--external-licence", "CC-BY-SA-4.0"];
    let refused = house.direct(&answers(300, 1)).args(other).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(
        said.contains("may have these licences: CC-BY-4.0"),
        "{said}"
    );

    let broken = answers(300, 150) + "i000007,none\n";
    let refused = house.direct(&broken).output().unwrap();
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused.stderr));
    let said = text(&refused.stdout);
    assert!(said.contains("refused: it has defects"), "{said}");
    assert!(
        said.contains("row 302") && said.contains("i000007"),
        "{said}"
    );

    let sent = ok(house.direct(&answers(300, 3)).args(["--no-wait"]));
    assert_eq!(text(&sent.stdout).lines().count(), 1);
}

#[test]
fn who_may_not_is_told_what_to_do() {
    let house = House::new(TOML, 300);
    let file = answers(300, 150);
    for (token, remedy) in [
        ("", "make one with the scope `submit`"),
        ("ff_wrong", "Make one with the scope `submit` at http://"),
    ] {
        let mut command = house.direct(&file);
        let refused = command.env("FAIRFRAME_TOKEN", token).output().unwrap();
        assert_eq!(refused.status.code(), Some(1));
        let said = text(&refused.stderr);
        assert!(said.contains(remedy), "{said}");
        assert!(said.contains("/account"), "{said}");
    }
    let mut command = house.direct(&file);
    let refused = command.args(["--resume", "none"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(said.contains("no such upload"), "{said}");
}

#[test]
fn a_line_that_is_cut_is_taken_up_again() {
    let house = House::new(&roomy(), ITEMS);
    let file = answers(ITEMS, ITEMS / 2);
    assert!(file.len() as u64 > CUT);
    let relay = Relay::new(&house.server.url, CUT, false);
    let done = ok(house.submit(&relay.url, &file).arg("--json"));
    relay.cut.try_recv().expect("the line was cut");
    let one: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(one["state"], "scored", "{one}");
    assert_eq!(one["bytes"].as_u64(), Some(file.len() as u64));
    let said = text(&done.stderr);
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn an_upload_whose_sender_was_killed_goes_on_where_it_stopped() {
    let house = House::new(&roomy(), ITEMS);
    let file = answers(ITEMS, ITEMS / 2);
    let relay = Relay::new(&house.server.url, CUT, true);
    let mut first = house
        .submit(&relay.url, &file)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let err = first.stderr.take().unwrap();
    BufReader::new(err).read_line(&mut said).unwrap();
    let id = said
        .strip_prefix("upload ")
        .and_then(|s| s.split(':').next());
    let id = id.unwrap_or_else(|| panic!("{said}"));
    relay.cut.recv_timeout(Duration::from_secs(60)).unwrap();
    first.kill().unwrap();
    first.wait().unwrap();

    // Another file is not it.
    let mut other = house.direct(&answers(300, 1));
    let refused = other.args(["--resume", id]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(said.contains("is of a file of"), "{said}");

    let relay = Relay::new(&house.server.url, u64::MAX, false);
    let mut rest = house.submit(&relay.url, &file);
    let done = ok(rest.args(["--json", "--resume", id]));
    let one: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(one["state"], "scored", "{one}");
    assert_eq!(one["bytes"].as_u64(), Some(file.len() as u64));
    let sent = relay.sent.load(Ordering::SeqCst);
    assert!(sent < file.len() as u64 / 2, "{sent} bytes were sent again");
}

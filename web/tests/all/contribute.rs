//! The page on which people contribute: who may, what is taken, what is refused.

use crate::support::site::{Answer, Browser, Site};
use axum::http::{Method, StatusCode, header};
use fairframe_web::{App, contribute, jobs::Workshop, state::accounts::Role};

const CALL: &str = "/contribute/everyday/contributed";
const BOUNDARY: &str = "3f1c0b9a52d84e7f";

/// A site with the shipped call for contributions, in a folder of its own.
async fn site() -> (Site, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let call = folder.path().join("contributions");
    let shipped = crate::support::project().join("datasets/contributions");
    std::fs::create_dir_all(call.join("texts")).unwrap();
    for file in ["source.toml", "texts/2026-11-01.toml"] {
        std::fs::copy(shipped.join(file), call.join(file)).unwrap();
    }
    let sources = Some(folder.path().to_owned());
    let workshop = Workshop {
        program: None,
        sources,
    };
    (
        Site::with(|app: &mut App| app.workshop = workshop).await,
        folder,
    )
}

type Field<'a> = (&'a str, Option<&'a str>, &'a [u8]);

const FINE: [Field<'static>; 8] = [
    ("country", None, b"KE"),
    ("label", None, b"stove"),
    ("further", None, b"jiko,  charcoal ,jiko"),
    ("licence", None, b"CC0-1.0"),
    ("credit", None, b""),
    ("shows", None, b"nobody"),
    ("written", None, b"keep"),
    ("pictures", Some("a.jpg"), b"\xff\xd8\xff-a"),
];

/// The fields with one in place of another, or further ones.
fn with<'a>(changes: &[Field<'a>]) -> Vec<Field<'a>> {
    let kept = FINE.iter().filter(|f| changes.iter().all(|c| c.0 != f.0));
    kept.chain(changes).copied().collect()
}

async fn send(browser: &mut Browser, csrf: bool, fields: &[Field<'_>]) -> Answer {
    let mut body = Vec::new();
    let secret = browser.csrf.clone();
    let first: Field = ("csrf", None, secret.as_bytes());
    for (name, file, bytes) in csrf.then_some(&first).into_iter().chain(fields) {
        let file = file.map_or(String::new(), |f| format!("; filename=\"{f}\""));
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let headers = [(header::CONTENT_TYPE, kind.as_str())];
    browser.ask(Method::POST, CALL, &headers, body).await
}

fn files(folder: &tempfile::TempDir) -> Vec<String> {
    let mut found = Vec::new();
    for part in ["media", ".arriving"] {
        let folder = folder.path().join("contributions/given").join(part);
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            found.push(format!("{part}/{}", entry.unwrap().file_name().display()));
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn participants_and_curators_contribute_and_nobody_else() {
    let (site, folder) = site().await;
    let mut visitor = site.visitor();
    for path in ["/contribute", CALL] {
        assert_eq!(
            visitor.get(path).await.status,
            StatusCode::SEE_OTHER,
            "{path}"
        );
    }
    assert_eq!(
        send(&mut visitor, true, &FINE).await.status,
        StatusCode::SEE_OTHER
    );
    for (name, role, dataset, may) in [
        ("reader", Role::Researcher, None, false),
        ("host", Role::Host, None, false),
        ("stranger", Role::Participant, Some("other"), false),
        ("curates-other", Role::Curator, Some("other"), false),
        ("giver", Role::Participant, Some("everyday"), true),
        ("anywhere", Role::Participant, None, true),
        ("curator", Role::Curator, Some("everyday"), true),
        ("admin", Role::Admin, None, true),
    ] {
        let mut member = site.member(name, &[(role, dataset)]).await;
        let list = member.get("/contribute").await;
        assert_eq!(list.text().contains(CALL), may, "{name}");
        let picture = [&b"\xff\xd8\xff"[..], name.as_bytes()].concat();
        let pictures = with(&[("pictures", Some("a.jpg"), &picture)]);
        let page = member.get(CALL).await;
        let sent = send(&mut member, true, &pictures).await;
        let expected = match may {
            true => (StatusCode::OK, StatusCode::SEE_OTHER),
            false => (StatusCode::FORBIDDEN, StatusCode::FORBIDDEN),
        };
        assert_eq!(
            (page.status, sent.status),
            expected,
            "{name}: {}",
            sent.text()
        );
    }
    assert_eq!(files(&folder).len(), 4);
    for path in [
        "/contribute/everyday/none",
        "/contribute/none/contributed",
        "/contribute/%2e%2e/x",
    ] {
        let mut admin = site
            .member(&format!("m{}", path.len()), &[(Role::Admin, None)])
            .await;
        assert_eq!(
            admin.get(path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_strangers_form_leaves_nothing_on_the_disk() {
    let (site, folder) = site().await;
    let mut giver = site.member("giver", &[(Role::Participant, None)]).await;
    giver.get(CALL).await;
    assert_eq!(
        send(&mut giver, false, &FINE).await.status,
        StatusCode::FORBIDDEN
    );
    // The secret after the picture is too late.
    let secret = giver.csrf.clone();
    let late = with(&[("csrf", None, secret.as_bytes())]);
    assert_eq!(
        send(&mut giver, false, &late).await.status,
        StatusCode::FORBIDDEN
    );
    assert!(files(&folder).is_empty());
}

#[tokio::test]
async fn what_is_wrong_is_said_all_at_once_and_nothing_is_kept() {
    let (site, folder) = site().await;
    let mut giver = site.member("giver", &[(Role::Participant, None)]).await;
    giver.get(CALL).await;
    let wrong = with(&[
        ("country", None, b"XX"),
        ("licence", None, b"CC-BY-NC-4.0"),
        ("shows", None, b"somebody"),
        ("credit", None, &[b'a'; 300]),
    ]);
    let answer = send(&mut giver, true, &wrong).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    for said in [
        "country where",
        "one of the licences",
        "Say who",
        "name to credit is longer",
    ] {
        assert!(answer.text().contains(said), "{said}: {}", answer.text());
    }
    // What was typed is still there.
    assert!(answer.text().contains("value=\"jiko,  charcoal ,jiko\""));
    for (field, said) in [
        (("shows", None, &b"me"[..]), "agree to the text"),
        (
            (
                "pictures",
                Some("a.html"),
                &b"<script>alert(1)</script>"[..],
            ),
            "is no JPEG",
        ),
        (("pictures", Some("a.jpg"), &b""[..]), "is no JPEG"),
        (("pictures", Some(""), &b""[..]), "at least one picture"),
        (("further", None, &[b'l'; 201][..]), "labels of at most"),
    ] {
        let answer = send(&mut giver, true, &with(&[field])).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{said}");
        assert!(answer.text().contains(said), "{said}: {}", answer.text());
    }
    let long = with(&[("further", None, &[b'x'; 5000])]);
    assert_eq!(
        send(&mut giver, true, &long).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    // A picture's name is shown as text.
    let named = with(&[("pictures", Some("<img src=x onerror=alert(1)>"), b"no")]);
    let answer = send(&mut giver, true, &named).await;
    assert!(!answer.text().contains("<img src=x"), "{}", answer.text());
    assert!(files(&folder).is_empty());
    // One that is none beside one that is: the other is taken, and what was not is said.
    let both = with(&[
        ("pictures", Some("a.jpg"), b"\xff\xd8\xff-1"),
        ("pictures", Some("b.jpg"), b"no picture"),
    ]);
    let answer = send(&mut giver, true, &both).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.text().contains("1 picture arrived") && answer.text().contains("b.jpg"));
    assert_eq!(files(&folder).len(), 1);
    let again = send(&mut giver, true, &both).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        again.text().contains("was here already"),
        "{}",
        again.text()
    );
    // More than fifty.
    let many: Vec<Vec<u8>> = (0..51u8).map(|n| vec![0xff, 0xd8, 0xff, n]).collect();
    let mut fields = with(&[("pictures", None, b"")]);
    fields.retain(|f| f.0 != "pictures");
    fields.extend(many.iter().map(|m| ("pictures", Some("p.jpg"), &m[..])));
    let answer = send(&mut giver, true, &fields).await;
    assert!(
        answer.text().contains("at most 50 pictures"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn ones_own_pictures_and_nobody_elses() {
    let (site, folder) = site().await;
    let mut ada = site.member("ada", &[(Role::Participant, None)]).await;
    let mut ben = site.member("ben", &[(Role::Participant, None)]).await;
    ada.get(CALL).await;
    let me = with(&[("shows", None, b"me"), ("agreed", None, b"2026-11-01")]);
    assert_eq!(
        send(&mut ada, true, &me).await.status,
        StatusCode::SEE_OTHER
    );
    let file = files(&folder).pop().unwrap();
    let path = format!("{CALL}/pictures/{}", file.trim_start_matches("media/"));
    let got = ada.get(&path).await;
    assert_eq!(
        (got.status, &got.bytes[..]),
        (StatusCode::OK, &b"\xff\xd8\xff-a"[..])
    );
    ben.get(CALL).await;
    assert_eq!(ben.get(&path).await.status, StatusCode::NOT_FOUND);
    let back = format!("{CALL}/take-back");
    for file in [
        file.as_str(),
        "../source.toml",
        "media/../../source.toml",
        "",
    ] {
        let answer = ben.post(&back, &[("file", file)]).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{file}");
    }
    assert!(folder.path().join("contributions/source.toml").exists());
    // What an ingest is handed.
    let call = contribute::calls(&site.app.workshop).pop().unwrap();
    let table = || {
        let path = call.drop.join("contributions.csv");
        std::fs::read_to_string(path).unwrap()
    };
    contribute::hand_over(&site.app.db, &call).await.unwrap();
    let written = table();
    let row: Vec<&str> = written.lines().nth(1).unwrap().split(',').collect();
    assert_eq!((row[0], row[4]), (file.as_str(), "charcoal|jiko|stove"));
    let id = row[9];
    let record = std::fs::read_to_string(call.consents.join(format!("{id}.json"))).unwrap();
    assert!(!record.contains("ada"), "{record}");
    assert!(fairframe_schemas::consent::ConsentRecord::parse(&record).is_ok());

    assert_eq!(
        ada.post(&back, &[("file", &file)]).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        ada.post(&back, &[("file", &file)]).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(ada.get(&path).await.status, StatusCode::NOT_FOUND);
    assert!(ada.get(CALL).await.text().contains("Taken back"));
    assert!(files(&folder).is_empty());
    contribute::hand_over(&site.app.db, &call).await.unwrap();
    assert_eq!(table().lines().count(), 1);
    // The same bytes are not taken again.
    let answer = send(&mut ada, true, &me).await;
    assert!(
        answer.text().contains("was here already"),
        "{}",
        answer.text()
    );
}

/// What a camera wrote stays out unless somebody says otherwise; what cannot be read is not taken.
#[tokio::test]
async fn where_a_picture_was_taken_is_left_out_unless_it_is_wanted() {
    let (site, folder) = site().await;
    let mut giver = site
        .member("giver", &[(Role::Participant, Some("everyday"))])
        .await;
    let page = giver.get(CALL).await;
    let at = |name: &str| page.text().find(&format!("name=\"{name}\"")).unwrap();
    assert!(at("written") < at("pictures"), "said before they arrive");
    assert!(
        !page
            .text()
            .contains("name=\"written\" value=\"keep\" checked")
    );
    let photo = crate::support::project().join("datasets/drop/media/DSCN0010.jpg");
    let photo = std::fs::read(photo).unwrap();
    let sent: Vec<Field> = with(&[
        ("written", None, b"keep"),
        ("pictures", Some("a.jpg"), &photo),
    ]);
    let kept = |files: Vec<String>| -> Vec<Vec<u8>> {
        let read = |f: &String| std::fs::read(folder.path().join("contributions/given").join(f));
        files.iter().map(|f| read(f).unwrap()).collect()
    };
    assert_eq!(
        send(&mut giver, true, &sent).await.status,
        StatusCode::SEE_OTHER
    );
    assert!(kept(files(&folder)) == std::slice::from_ref(&photo));
    let mut bare = sent.clone();
    bare.retain(|f| f.0 != "written");
    assert_eq!(
        send(&mut giver, true, &bare).await.status,
        StatusCode::SEE_OTHER
    );
    let both = kept(files(&folder));
    let smaller = both.iter().find(|b| b.len() < photo.len()).unwrap();
    assert_eq!(both.len(), 2);
    let has = |bytes: &[u8], words: &[u8]| bytes.windows(words.len()).any(|w| w == words);
    // The datum of its coordinates.
    assert!(has(&photo, b"WGS-84") && !has(smaller, b"WGS-84"));

    let mut broken = bare.clone();
    broken.retain(|f| f.0 != "pictures");
    broken.push(("pictures", Some("b.jpg"), b"\xff\xd8\xff-a"));
    broken.push(("pictures", Some("c.tif"), b"II*\0and what comes after it"));
    let page = send(&mut giver, true, &broken).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    for words in [
        "“b.jpg” is not taken: its file is broken",
        "“c.tif” is not taken: from TIFF",
    ] {
        assert!(page.text().contains(words), "{}", page.text());
    }
    assert_eq!(files(&folder).len(), 2);
}

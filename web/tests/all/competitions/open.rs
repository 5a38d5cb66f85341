//! Opening a competition on a page, and changing it there.

use std::io::{Cursor, Write};

use axum::http::StatusCode;
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

/// The small competition's folder, packed in a folder of its own.
fn packed(toml: &str) -> Vec<u8> {
    let at = tempfile::tempdir().unwrap();
    let folder = folder(at.path(), toml);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let name = format!("my folder/{name}");
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(&fs::read(&path).unwrap()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn left_behind(site: &Site) -> usize {
    match fs::read_dir(site.layout.openings()) {
        Ok(all) => all.count(),
        Err(_) => 0,
    }
}

#[tokio::test]
async fn every_template_can_be_taken_and_sent_back_as_it_is() {
    let site = Site::new().await;
    let mut host = site.member("hana", &[(Role::Host, None)]).await;
    let page = host.get("/hosting").await;
    for template in fairframe_competitions::template::ALL {
        let path = format!("/hosting/templates/{}.zip", template.name);
        assert!(page.text().contains(&path), "{path}");
        let taken = host.get(&path).await;
        assert_eq!(taken.header(header::CONTENT_TYPE), "application/zip");
        assert_eq!(taken.header(header::CACHE_CONTROL), "no-store");
        let opened = send_with(&mut host, "/hosting", &taken.bytes, &[]).await;
        assert_eq!(opened.status, StatusCode::SEE_OTHER, "{}", opened.text());
        let shown = host.get(opened.to()).await;
        let hidden = "Only hosts see this competition";
        assert!(shown.text().contains(hidden), "{}", template.name);
        let name = opened.to().split('/').nth(2).unwrap().to_owned();
        let hidden = site.visitor().get(&format!("/competitions/{name}")).await;
        assert_eq!(hidden.status, StatusCode::NOT_FOUND);
    }
    let again = host.get("/hosting/templates/dfdc.zip").await;
    let first = host.get("/hosting/templates/dfdc.zip").await;
    assert_ne!(again.bytes, first.bytes, "each has a seed of its own");
    let none = host.get("/hosting/templates/none.zip").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    assert_eq!(left_behind(&site), 0);
}

#[tokio::test]
async fn what_is_wrong_is_said_without_a_word_of_where_it_stands() {
    let site = Site::new().await;
    let mut host = site.member("hana", &[(Role::Host, None)]).await;
    host.get("/hosting").await;
    let wrong = TOML
        .replace("f2_mean", "f3_mean")
        .replace("file = \"about.md\"", "file = \"../about.md\"");
    let mut bare = ZipWriter::new(Cursor::new(Vec::new()));
    bare.start_file("notes.txt", SimpleFileOptions::default())
        .unwrap();
    let bare = bare.finish().unwrap().into_inner();
    let mut broken = packed(TOML);
    broken.truncate(200);
    for (bytes, words) in [
        (
            packed(&wrong),
            vec!["board.metric", "f3_mean", "page[0].file"],
        ),
        (bare, vec!["competition.toml", "not in the bundle"]),
        (b"no archive".to_vec(), vec!["what was sent", "zip archive"]),
        (broken, vec!["what was sent", "zip archive"]),
        (Vec::new(), vec!["Choose a file"]),
    ] {
        let said = send_with(&mut host, "/hosting", bytes, &[]).await;
        assert_eq!(said.status, StatusCode::UNPROCESSABLE_ENTITY);
        for words in words {
            assert!(said.text().contains(words), "{words}: {}", said.text());
        }
        let root = site.layout.root().display().to_string();
        assert!(!said.text().contains(&root), "{}", said.text());
    }
    assert!(state::all(&site.app.db).await.unwrap().is_empty());
    assert_eq!(left_behind(&site), 0);
}

#[tokio::test]
async fn hosts_of_one_competition_change_that_one_and_open_none() {
    let game = Game::new().await;
    let (mut host, mut ana) = (game.host.clone(), game.player("ana").await);
    for who in [&mut host, &mut ana] {
        assert_eq!(who.get("/hosting").await.status, StatusCode::FORBIDDEN);
        let sent = send_with(who, "/hosting", packed(TOML), &[]).await;
        assert_eq!(sent.status, StatusCode::FORBIDDEN);
        let taken = who.get("/hosting/templates/dfdc.zip").await;
        assert_eq!(taken.status, StatusCode::FORBIDDEN);
    }
    let visitor = game.site.visitor().get("/hosting").await;
    assert_eq!(visitor.status, StatusCode::SEE_OTHER);

    let path = "/competitions/labels/host/definition";
    let other = TOML.replace("title = \"Stage one\"", "title = \"The first\"");
    let sent = send_with(&mut ana, path, packed(&other), &[]).await;
    assert_eq!(sent.status, StatusCode::FORBIDDEN);
    host.get("/competitions/labels/host").await;
    let sent = send_with(&mut host, path, packed(&other), &[]).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text());
    let shown = game.site.visitor().get("/competitions/labels").await;
    assert!(shown.text().contains("The first"), "{}", shown.text());
    // Not another one's, and not without the session's secret.
    let strange = TOML.replace("competition = \"labels\"", "competition = \"others\"");
    let sent = send_with(&mut host, path, packed(&strange), &[]).await;
    assert_eq!(sent.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(sent.text().contains("others"), "{}", sent.text());
    host.csrf = "0".repeat(64);
    let sent = send_with(&mut host, path, packed(TOML), &[]).await;
    assert_eq!(sent.status, StatusCode::FORBIDDEN, "{}", sent.text());
}

//! How often one may hand in: by the day of the competition's zone, also when many ask at once.

use axum::http::StatusCode;

use super::*;

#[tokio::test]
async fn a_day_ends_at_midnight_of_the_competitions_zone() {
    // Kathmandu is 5 h 45 min ahead: its day begins at 18:15 UTC.
    let game = Game::of(&TOML.replace("timezone = \"UTC\"", "timezone = \"Asia/Kathmandu\"")).await;
    let mut ana = game.player("ana").await;
    for right in [10, 20, 30] {
        number(&send(&mut ana, &answers(right)).await);
        game.work().await;
    }
    let refused = send(&mut ana, &answers(40)).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused.text().contains("2026-03-01 18:15 UTC"),
        "{}",
        refused.text()
    );
    game.until("2026-03-01T18:14:59Z");
    assert_eq!(
        send(&mut ana, &answers(40)).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    game.until("2026-03-01T18:15:00Z");
    number(&send(&mut ana, &answers(40)).await);
}

#[tokio::test]
async fn many_at_once_are_no_more_than_the_limit() {
    let game = Game::new().await;
    let ana = game.player("ana").await;
    let tasks: Vec<_> = (0..12)
        .map(|n| {
            let mut ana = ana.clone();
            tokio::spawn(async move { send(&mut ana, &answers(n)).await.status })
        })
        .collect();
    let mut taken = 0;
    for task in tasks {
        match task.await.unwrap() {
            StatusCode::SEE_OTHER => taken += 1,
            status => assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY),
        }
    }
    assert_eq!(taken, 3);
}

#[tokio::test]
async fn what_was_taken_back_does_not_count_and_a_large_file_is_refused() {
    let game = Game::new().await;
    let mut ana = game.player("ana").await;
    let seq = number(&send(&mut ana, &answers(10)).await);
    let path = format!("/competitions/labels/submissions/{seq}/cancel");
    assert_eq!(ana.post(&path, &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(ana.post(&path, &[]).await.status, StatusCode::CONFLICT);
    let page = ana.get("/competitions/labels/submit").await;
    assert!(
        page.text()
            .contains("<strong>3</strong> submissions left today")
    );
    let large = "x".repeat(100_001);
    let refused = send(&mut ana, &large).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().contains("at most"), "{}", refused.text());
    // Nothing of it stays.
    let left = game.site.layout.competition(&Name::new("labels").unwrap());
    assert_eq!(fs::read_dir(left.join("arriving")).unwrap().count(), 0);
    game.work().await;
    assert!(rows(&game.board("public", "one").await).is_empty());
}

#[tokio::test]
async fn whoever_submitted_waits_for_the_block_to_end() {
    let game =
        Game::of(&TOML.replace("seed = 5000000002\n", "seed = 5000000002\nblock_days = 2\n")).await;
    let mut ana = game.player("ana").await;
    number(&send(&mut ana, &answers(10)).await);
    game.work().await;
    game.site.pass(hours(47));
    let mut ana = game.site.again("ana").await;
    let refused = send(&mut ana, &answers(20)).await;
    assert_eq!(
        refused.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        refused.to()
    );
    assert!(
        refused.text().contains("less than 2 days ago"),
        "{}",
        refused.text()
    );
    game.site.pass(hours(1));
    number(&send(&mut ana, &answers(20)).await);
}

#[tokio::test]
async fn outside_data_are_declared_before_anything_is_taken() {
    let external =
        "[external_data]\ndeclare = true\nlicences = [\"CC-BY-4.0\"]\nconsent = true\n\n[rules]";
    let game = Game::of(&TOML.replace("[rules]", external)).await;
    let mut ana = game.player("ana").await;
    let path = "/competitions/labels/submit";
    let silent = send(&mut ana, &answers(10)).await;
    assert!(
        silent.text().contains("Say whether outside data were used"),
        "{}",
        silent.text()
    );
    let some = [("external", "yes"), ("licence", "MIT")];
    let lacking = send_with(&mut ana, path, &answers(10), &some).await;
    for words in [
        "Say what the outside data are",
        "may have these licences: CC-BY-4.0",
        "agreed to",
    ] {
        assert!(lacking.text().contains(words), "{words}");
    }
    let all = [
        ("external", "yes"),
        ("what", "Open Images"),
        ("licence", "CC-BY-4.0"),
        ("consent", "nobody shown"),
    ];
    number(&send_with(&mut ana, path, &answers(10), &all).await);
    number(&send_with(&mut ana, path, &answers(10), &[("external", "no")]).await);
    let export = game
        .host
        .clone()
        .get("/competitions/labels/host/one/submissions.csv")
        .await;
    assert!(export.text().contains("Open Images"), "{}", export.text());
}

#[tokio::test]
async fn what_is_not_taken_leaves_no_bytes() {
    let game = Game::new().await;
    let (mut ana, mut ben) = (game.player("ana").await, game.player("ben").await);
    for right in [10, 20, 30] {
        number(&send(&mut ana, &answers(right)).await);
        game.work().await;
    }
    let kept = game.site.layout.competition(&Name::new("labels").unwrap());
    let count = || fs::read_dir(kept.join("submissions")).unwrap().count();
    let before = count();
    for right in [40, 50] {
        let refused = send(&mut ana, &answers(right)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    // What is found wrong only once the file is there.
    let note = "n".repeat(1_001);
    let path = "/competitions/labels/submit";
    let long = send_with(&mut ben, path, &answers(60), &[("note", &note)]).await;
    assert_eq!(long.status, StatusCode::UNPROCESSABLE_ENTITY);
    // Bytes that a submission has stay, whoever sends them again in vain.
    let same = send_with(&mut ben, path, &answers(10), &[("note", &note)]).await;
    assert_eq!(same.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(count(), before);
    number(&send(&mut ben, &answers(10)).await);
    assert_eq!(count(), before);
}

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
async fn days_are_those_of_the_zone_where_clocks_change_too() {
    // A moment within a day, its last second, and the first moment of the next.
    for (zone, within, last, next) in [
        // Kiritimati is 14 hours ahead, Pago Pago 11 behind.
        (
            "Pacific/Kiritimati",
            "2026-03-02T01:00:00Z",
            "2026-03-02T09:59:59Z",
            "2026-03-02T10:00:00Z",
        ),
        (
            "Pacific/Pago_Pago",
            "2026-03-02T12:00:00Z",
            "2026-03-03T10:59:59Z",
            "2026-03-03T11:00:00Z",
        ),
        // 23 hours: clocks go forward at two.
        (
            "America/New_York",
            "2026-03-08T05:00:00Z",
            "2026-03-09T03:59:59Z",
            "2026-03-09T04:00:00Z",
        ),
        // Havana's 8 March has no midnight: it begins at one.
        (
            "America/Havana",
            "2026-03-07T12:00:00Z",
            "2026-03-08T04:59:59Z",
            "2026-03-08T05:00:00Z",
        ),
        // 24 and a half hours.
        (
            "Australia/Lord_Howe",
            "2026-04-04T13:00:00Z",
            "2026-04-05T13:29:59Z",
            "2026-04-05T13:30:00Z",
        ),
    ] {
        let toml = TOML
            .replace("\"UTC\"", &format!("\"{zone}\""))
            .replace("\"2026-03-01\"", "\"2026-02-20\"")
            .replace("closes = \"2026-03-05\"", "closes = \"2026-05-01\"")
            .replace("reveals = \"2026-03-06\"\n", "")
            .replace("\"2026-03-10\"", "\"2026-05-10\"")
            .replace("\"2026-03-12\"", "\"2026-05-12\"");
        let game = Game::of(&toml).await;
        game.player("ana").await;
        game.until(within);
        let mut ana = game.site.again("ana").await;
        for right in [10, 20, 30] {
            number(&send(&mut ana, &answers(right)).await);
        }
        game.until(last);
        let mut ana = game.site.again("ana").await;
        let refused = send(&mut ana, &answers(40)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{zone}");
        let shown = next.replace('T', " ").replace(":00Z", " UTC");
        assert!(
            refused.text().contains(&shown),
            "{zone}: {}",
            refused.text()
        );
        game.until(next);
        number(&send(&mut ana, &answers(40)).await);
    }
}

#[tokio::test]
async fn a_stage_is_open_from_its_first_moment_up_to_its_last() {
    let toml = TOML
        .replace("\"UTC\"", "\"Asia/Kolkata\"")
        .replace("\"2026-03-01\"", "\"2026-03-02T09:00\"")
        .replace(
            "closes = \"2026-03-05\"",
            "closes = \"2026-03-04T09:00:00-05:00\"",
        );
    let game = Game::of(&toml).await;
    game.player("ana").await;
    let board = "/competitions/labels/board.json?side=private&stage=one";
    for (moment, taken, shown) in [
        ("2026-03-02T03:29:59Z", false, false),
        ("2026-03-02T03:30:00Z", true, false),
        ("2026-03-04T13:59:59Z", true, false),
        ("2026-03-04T14:00:00Z", false, false),
        ("2026-03-05T18:29:59Z", false, false),
        ("2026-03-05T18:30:00Z", false, true),
        ("2026-03-09T18:30:00Z", true, true),
        ("2026-03-11T18:29:59Z", true, true),
        ("2026-03-11T18:30:00Z", false, true),
    ] {
        game.until(moment);
        let mut ana = game.site.again("ana").await;
        let sent = send(&mut ana, &answers(10)).await.status;
        let wanted = match taken {
            true => StatusCode::SEE_OTHER,
            false => StatusCode::UNPROCESSABLE_ENTITY,
        };
        assert_eq!(sent, wanted, "{moment}");
        game.work().await;
        let found = game.site.visitor().get(board).await.status;
        assert_eq!(found == StatusCode::OK, shown, "{moment}");
    }
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

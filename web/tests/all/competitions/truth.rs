//! A corrected truth: all is scored by it, then the board changes in one step.

use axum::http::StatusCode;

use super::*;

const TRUTH: &str = "/competitions/labels/host/one/truth";

#[tokio::test]
async fn a_corrected_truth_counts_once_all_is_scored_by_it() {
    let game = Game::new().await;
    let (mut ana, mut ben) = (game.player("ana").await, game.player("ben").await);
    number(&send(&mut ana, &answers(60)).await);
    number(&send(&mut ben, &answers(20)).await);
    game.work().await;
    let before = game.board("public", "one").await;
    assert_eq!(rows(&before)[0].1, "ana");

    // Nothing was ever a cat, a dog or a tree: all were birds, and ben says so more often.
    let mut host = game.host.clone();
    let birds = ["cat", "dog", "tree"]
        .iter()
        .fold(solution(), |text, label| {
            text.replace(&format!(",{label},"), ",bird,")
        });
    let silent = send_with(&mut host, TRUTH, &birds, &[("why", " ")]).await;
    assert_eq!(silent.status, StatusCode::UNPROCESSABLE_ENTITY);
    let same = send_with(&mut host, TRUTH, &solution(), &[("why", "again")]).await;
    assert_eq!(same.status, StatusCode::CONFLICT);
    let taken = send_with(&mut host, TRUTH, &birds, &[("why", "They were birds.")]).await;
    assert_eq!(taken.status, StatusCode::SEE_OTHER, "{}", taken.text());
    let another = send_with(&mut host, TRUTH, &solution(), &[("why", "no")]).await;
    assert_eq!(another.status, StatusCode::CONFLICT);

    // While it is being scored, boards show the old truth, and a new submission is scored by both.
    assert_eq!(game.board("public", "one").await, before);
    number(&send(&mut ben, &answers(10)).await);
    game.work().await;
    let truths = game.truths().await;
    assert_eq!(truths[0].state, truths::TruthState::Past);
    assert_eq!(truths[1].state, truths::TruthState::Current);
    let after = game.board("public", "one").await;
    assert_eq!(after["truth"], 2);
    let found = rows(&after);
    assert_eq!((found[0].1, found[1].1), ("ben", "ana"));
    assert!((found[0].2 - 0.9).abs() < 0.1, "{found:?}");
    // The most frequent label is another one now: it is right everywhere, and was not before.
    let frequent = |board: &serde_json::Value| -> Vec<f64> {
        let all = board["rows"].as_array().unwrap().iter();
        let named = all.filter(|row| row["team"] == "the most frequent label for every image");
        named.map(|row| row["value"].as_f64().unwrap()).collect()
    };
    assert!(
        matches!(frequent(&before)[..], [value] if value < 0.6),
        "{before}"
    );
    assert_eq!(frequent(&after), [1.0], "{after}");
    let page = game.site.visitor().get("/competitions/labels/board").await;
    assert!(page.text().contains("They were birds."));
    let page = host.get("/competitions/labels/host").await;
    assert!(
        page.text().contains("2 teams moved by the last correction"),
        "{}",
        page.text()
    );
    // Why, by group; and the same as tables.
    let page = host.get("/competitions/labels/host/one/groups").await;
    for words in [
        "200 items changed, 0 were added, 0 withdrawn",
        "They were birds.",
        "By country",
        // Nobody is better than the answer that is right everywhere by now.
        "0 of 2",
    ] {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
    let to = "/competitions/labels/host/one/";
    let csv = host.get(&format!("{to}groups.csv")).await;
    let csv = csv.text();
    assert!(
        csv.starts_with("submission,team,grouping,group,items,f2_mean\n"),
        "{csv}"
    );
    assert!(csv.contains(",country,BR,"), "{csv}");
    for table in ["groups", "submissions"] {
        let file = host.get(&format!("{to}{table}.parquet")).await;
        assert_eq!(file.status, StatusCode::OK);
        assert!(file.bytes.starts_with(b"PAR1"));
    }
    for path in ["groups", "groups.csv", "submissions.parquet"] {
        let refused = ben.get(&format!("{to}{path}")).await.status;
        assert_eq!(refused, StatusCode::FORBIDDEN, "{path}");
    }
    let none = host.get(&format!("{to}everything.csv")).await.status;
    assert_eq!(none, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_withdrawn_sample_leaves_scoring_with_its_row() {
    let game = Game::new().await;
    let mut ana = game.player("ana").await;
    number(&send(&mut ana, &answers(60)).await);
    game.work().await;
    let before = game.board("public", "one").await;
    // Items 60 to 99 of each hundred, which ana has wrong, are withdrawn.
    let text: String = solution()
        .lines()
        .enumerate()
        .filter(|(at, _)| *at == 0 || (at - 1) % 100 < 60)
        .map(|(_, line)| format!("{line}\n"))
        .collect();
    let mut host = game.host.clone();
    let taken = send_with(&mut host, TRUTH, &text, &[("why", "Withdrawn.")]).await;
    assert_eq!(taken.status, StatusCode::SEE_OTHER, "{}", taken.text());
    game.work().await;
    let board = game.board("public", "one").await;
    assert!(rows(&before)[0].2 < 1.0);
    assert_eq!(rows(&board)[0].2, 1.0);
}

#[tokio::test]
async fn a_correction_does_not_wait_for_what_was_taken_back() {
    let game = Game::new().await;
    let mut ana = game.player("ana").await;
    let seq = number(&send(&mut ana, &answers(60)).await);
    let mut host = game.host.clone();
    let text = solution().replace("i000,cat", "i000,dog");
    let taken = send_with(&mut host, TRUTH, &text, &[("why", "A dog.")]).await;
    assert_eq!(taken.status, StatusCode::SEE_OTHER, "{}", taken.text());
    // The constant answers are scored by both; then the one that is left is taken back.
    let cancel = format!("/competitions/labels/submissions/{seq}/cancel");
    assert_eq!(ana.post(&cancel, &[]).await.status, StatusCode::SEE_OTHER);
    game.work().await;
    assert_eq!(game.truths().await[1].state, truths::TruthState::Current);
}

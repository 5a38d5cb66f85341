//! Two stages from the first submission to the final board.

use axum::http::StatusCode;

use super::*;

#[tokio::test]
async fn two_stages_end_in_a_final_board() {
    let game = Game::new().await;
    let (mut ana, mut ben) = (game.player("ana").await, game.player("ben").await);
    let first = number(&send(&mut ana, &answers(60)).await);
    number(&send(&mut ben, &answers(20)).await);
    let page = ana
        .get(&format!("/competitions/labels/submissions/{first}"))
        .await;
    assert!(page.text().contains("waits") || page.text().contains("queue"));
    assert_eq!(page.header(header::REFRESH), "2");
    game.work().await;

    // Of 200 items 100 or so are public; 60 of each hundred are right.
    let board = game.board("public", "one").await;
    let found = rows(&board);
    assert_eq!(found[0].1, "ana");
    assert!(
        (found[0].2 - 0.6).abs() < 0.1 && (found[1].2 - 0.2).abs() < 0.1,
        "{found:?}"
    );
    assert_eq!((found[0].0, found[1].0), (Some(1), Some(2)));
    let constant = board["rows"].as_array().unwrap();
    assert!(constant.iter().any(|row| row["baseline"] == true));
    let worst = &constant[0]["columns"][0];
    assert!(
        worst["group"].is_string() && worst["n"].as_u64().unwrap() >= 10,
        "{worst}"
    );

    // The page says the same, and nothing it was given runs.
    let page = game.site.visitor().get("/competitions/labels/board").await;
    assert!(
        page.text().contains("Labels &amp; &lt;places&gt;")
            || page.text().contains("&#60;places&#62;")
    );
    assert!(page.text().contains(&format!("{:.5}", found[0].2)));
    let about = game.site.visitor().get("/competitions/labels").await;
    assert!(!about.text().contains("<script>alert"), "{}", about.text());
    let csv = game
        .site
        .visitor()
        .get("/competitions/labels/board.csv")
        .await;
    let head = "rank,team,f2_mean,Worst country,entries,at,baseline
";
    assert!(
        csv.text().starts_with(head)
            && csv.text().contains(
                "
1,ana,"
            ),
        "{}",
        csv.text()
    );
    let svg = game
        .site
        .visitor()
        .get("/competitions/labels/board.svg")
        .await;
    assert!(svg.text().starts_with("<svg") && svg.text().contains("Labels &amp; &lt;places&gt;"));

    // The private side is nobody's but the host's until it is shown.
    let hidden = "/competitions/labels/board?side=private&stage=one";
    for who in [&mut game.site.visitor(), &mut ana] {
        assert_eq!(who.get(hidden).await.status, StatusCode::NOT_FOUND);
        let own = who
            .get(&format!("/competitions/labels/submissions/{first}"))
            .await;
        assert!(!own.text().contains("Private:"));
    }
    let mut host = game.host.clone();
    assert_eq!(host.get(hidden).await.status, StatusCode::OK);

    // The report of the public items is the team's; the whole one is not.
    let base = format!("/competitions/labels/submissions/{first}/report");
    assert_eq!(
        ana.get(&format!("{base}/public/report.html")).await.status,
        StatusCode::OK
    );
    for (path, status) in [
        (format!("{base}/whole/report.html"), StatusCode::NOT_FOUND),
        (
            format!("{base}/public/item_results.parquet"),
            StatusCode::NOT_FOUND,
        ),
    ] {
        assert_eq!(ana.get(&path).await.status, status, "{path}");
    }
    assert_eq!(
        host.get(&format!("{base}/whole/report.html")).await.status,
        StatusCode::OK
    );

    // Closed, then shown.
    game.until("2026-03-05T00:00:00Z");
    let mut ana = game.site.again("ana").await;
    let late = send(&mut ana, &answers(70)).await;
    assert_eq!(late.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        late.text().contains("Stage two opens at 2026-03-10"),
        "{}",
        late.text()
    );
    assert_eq!(
        game.site.visitor().get(hidden).await.status,
        StatusCode::NOT_FOUND
    );
    game.until("2026-03-06T00:00:00Z");
    let private = game.board("private", "one").await;
    assert_eq!(rows(&private)[0].1, "ana");

    // The second stage has its own board, and the last word.
    game.until("2026-03-10T00:00:00Z");
    let (mut ana, mut ben) = (game.site.again("ana").await, game.site.again("ben").await);
    number(&send(&mut ben, &answers(90)).await);
    number(&send(&mut ana, &answers(40)).await);
    game.work().await;
    game.until("2026-03-12T00:00:00Z");
    let last = game.board("private", "two").await;
    assert_eq!(rows(&last)[0].1, "ben");
    let page = game.site.visitor().get("/competitions").await;
    assert!(page.text().contains("the final board is shown"));
}

#[tokio::test]
async fn a_file_with_defects_says_all_of_them_and_does_not_count() {
    let game = Game::new().await;
    let mut ana = game.player("ana").await;
    for text in [
        "image_id,labels\nnone,cat\n",
        "\u{0}\u{1}",
        "PK\u{3}\u{4}broken",
    ] {
        let seq = number(&send(&mut ana, text).await);
        game.work().await;
        let page = ana
            .get(&format!("/competitions/labels/submissions/{seq}"))
            .await;
        assert!(
            page.text().contains("it has defects"),
            "{text:?}: {}",
            page.text()
        );
        assert!(page.text().contains("What is wrong with it"), "{text:?}");
    }
    let page = ana.get("/competitions/labels/submit").await;
    assert!(
        page.text()
            .contains("<strong>3</strong> submissions left today"),
        "{}",
        page.text()
    );
    assert!(
        game.host
            .clone()
            .get("/competitions/labels/host")
            .await
            .text()
            .contains("Why submissions were refused")
    );
}

#[tokio::test]
async fn an_upload_in_pieces_goes_on_where_it_stopped_and_is_handed_in_once() {
    let game = Game::new().await;
    let mut ana = game.player("ana").await;
    let made = ana
        .post(
            "/account/tokens",
            &[("name", "t"), ("scope", "submit"), ("days", "10")],
        )
        .await;
    let text = made.text();
    let token = text[text.find("ff_").expect("a token")..].chars();
    let token: String = token
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect();
    let bearer = format!("Bearer {token}");
    let mut program = game.site.visitor();
    let base = "/api/v1/competitions/labels/uploads";
    let text = answers(50);
    let json = [
        (header::AUTHORIZATION, bearer.as_str()),
        (header::CONTENT_TYPE, "application/json"),
    ];
    let begin = format!("{{\"name\":\"a.csv\",\"bytes\":{}}}", text.len());
    let begun = program.ask(Method::POST, base, &json, begin).await;
    assert_eq!(begun.status, StatusCode::CREATED, "{}", begun.text());
    let begun: serde_json::Value = serde_json::from_slice(&begun.bytes).unwrap();
    let one = format!("{base}/{}", begun["id"].as_str().unwrap());
    let offset = |n: usize| n.to_string();
    for (from, to, status) in [
        (0, 700, StatusCode::NO_CONTENT),
        (0, 700, StatusCode::CONFLICT), // sent once more, since no answer came
        (700, text.len(), StatusCode::NO_CONTENT),
    ] {
        let at = offset(from);
        let headers = [
            (header::AUTHORIZATION, bearer.as_str()),
            (
                header::HeaderName::from_static("upload-offset"),
                at.as_str(),
            ),
            (header::CONTENT_TYPE, "application/offset+octet-stream"),
        ];
        let sent = program
            .ask(Method::PATCH, &one, &headers, text[from..to].to_owned())
            .await;
        assert_eq!(
            sent.status,
            status,
            "{from} {}",
            String::from_utf8_lossy(&sent.bytes)
        );
    }
    // Nobody else's.
    let mut ben = game.player("ben").await;
    assert_eq!(ben.get(&one).await.status, StatusCode::NOT_FOUND);
    let submit = format!("{one}/submit");
    let taken = program.ask(Method::POST, &submit, &json, "{}").await;
    assert_eq!(taken.status, StatusCode::CREATED, "{}", taken.text());
    let again = program.ask(Method::POST, &submit, &json, "{}").await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    game.work().await;
    let own = [(header::AUTHORIZATION, bearer.as_str())];
    let list = program
        .ask(
            Method::GET,
            "/api/v1/competitions/labels/submissions",
            &own,
            "",
        )
        .await;
    let list: serde_json::Value = serde_json::from_slice(&list.bytes).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(
        (&list[0]["state"], &list[0]["private"]),
        (&"scored".into(), &serde_json::Value::Null)
    );
}

#[tokio::test]
async fn with_a_ladder_nothing_else_is_told_until_the_stage_is_shown() {
    let ladder = "metric = \"f2_mean\"\nladder = { form = \"step\", step = 0.1 }\n";
    let game = Game::of(&TOML.replace("metric = \"f2_mean\"\n", ladder)).await;
    let mut ana = game.player("ana").await;
    let first = number(&send(&mut ana, &answers(60)).await);
    let worse = number(&send(&mut ana, &answers(20)).await);
    game.work().await;
    let list = "/api/v1/competitions/labels/submissions";
    let told = |answer: Answer| -> Vec<(f64, f64)> {
        let list: serde_json::Value = serde_json::from_slice(&answer.bytes).unwrap();
        let number = |v: &serde_json::Value| v.as_f64().unwrap_or(f64::NAN);
        let items = list.as_array().unwrap().iter();
        items
            .map(|s| (number(&s["public"]), number(&s["shown"])))
            .collect()
    };
    let seen = told(ana.get(list).await);
    // Newest first: the worse one shows what the better one had, rounded to the step.
    assert_eq!(seen[0], seen[1]);
    assert!(
        (seen[0].0 * 10.0 - (seen[0].0 * 10.0).round()).abs() < 1e-9,
        "{seen:?}"
    );
    let page = ana
        .get(&format!("/competitions/labels/submissions/{worse}"))
        .await;
    assert!(!page.text().contains("Worst country"), "{}", page.text());
    let both = format!("/competitions/labels/submissions?a={first}&b={worse}");
    assert!(
        ana.get(&both)
            .await
            .text()
            .contains("they cannot be compared")
    );
    let report = format!("/competitions/labels/submissions/{worse}/report/revealed/report.html");
    assert_eq!(ana.get(&report).await.status, StatusCode::NOT_FOUND);

    game.until("2026-03-06T00:00:00Z");
    let mut ana = game.site.again("ana").await;
    let seen = told(ana.get(list).await);
    assert!(seen[0].0 < seen[1].0 && seen[0].1 == seen[1].1, "{seen:?}");
    assert!(ana.get(&both).await.text().contains("over"));
    assert_eq!(ana.get(&report).await.status, StatusCode::OK);
}

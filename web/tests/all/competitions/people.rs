//! Who sees and does what; teams.

use axum::http::StatusCode;

use fairframe_web::state::competitions::teams;

use super::*;

#[tokio::test]
async fn nobody_sees_or_changes_what_is_another_teams() {
    let game = Game::new().await;
    let (mut ana, mut ben) = (game.player("ana").await, game.player("ben").await);
    let own = number(&send(&mut ana, &answers(60)).await);
    number(&send(&mut ben, &answers(20)).await);
    game.work().await;
    let of = |rest: &str| format!("/competitions/labels/submissions/{own}{rest}");
    let reads = [
        of(""),
        of("/file"),
        of("/report/public/report.html"),
        format!("/api/v1/competitions/labels/submissions/{own}"),
    ];
    for path in &reads {
        assert_eq!(ana.get(path).await.status, StatusCode::OK, "{path}");
        assert_eq!(ben.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
        let visitor = game.site.visitor().get(path).await;
        let out = [StatusCode::SEE_OTHER, StatusCode::UNAUTHORIZED];
        assert!(out.contains(&visitor.status), "{path} {}", visitor.status);
    }
    for (path, fields) in [
        (of("/note"), vec![("note", "mine")]),
        (of("/cancel"), vec![]),
    ] {
        assert_eq!(
            ben.post(&path, &fields).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
        assert_eq!(
            ana.post_raw(&path, &fields).await.status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    let number = own.to_string();
    let chosen = [("stage", "one"), ("chosen", number.as_str())];
    let path = "/competitions/labels/submissions/choose";
    assert_eq!(
        ben.post(path, &chosen).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(ana.post(path, &chosen).await.status, StatusCode::SEE_OTHER);

    // Hosting is for hosts of this competition.
    let mut other = game
        .site
        .member("olga", &[(Role::Host, Some("other"))])
        .await;
    for path in [
        "/competitions/labels/host",
        "/competitions/labels/host/one/submissions.csv",
    ] {
        for who in [&mut ana, &mut other] {
            assert_eq!(who.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
        }
        assert_eq!(game.host.clone().get(path).await.status, StatusCode::OK);
    }
    // Programs are asked who they are, and told nothing by a token of another scope.
    for path in [
        "/api/v1/competitions/labels/submissions".to_owned(),
        format!("/api/v1/competitions/labels/submissions/{own}"),
        "/api/v1/competitions/labels/uploads/none".to_owned(),
    ] {
        let nobody = game.site.visitor().get(&path).await;
        assert_eq!(nobody.status, StatusCode::UNAUTHORIZED, "{path}");
        let reader = game.site.again("olga").await.get(&path).await;
        assert_eq!(reader.status, StatusCode::FORBIDDEN, "{path}");
    }
    let truth = "/competitions/labels/host/one/truth";
    let forged = send_with(&mut ana, truth, &solution(), &[("why", "I win")]).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    for (path, fields) in [
        ("/competitions/labels/host/publish", [("hidden", "true")]),
        ("/competitions/labels/host/retry", [("task", "1")]),
    ] {
        assert_eq!(
            ana.post(path, &fields).await.status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    assert_eq!(game.truths().await.len(), 1);
}

#[tokio::test]
async fn a_hidden_competition_is_there_for_its_hosts_only() {
    let mut game = Game::new().await;
    let mut ana = game.player("ana").await;
    let mut host = game.host.clone();
    host.post("/competitions/labels/host/publish", &[("hidden", "true")])
        .await;
    for path in [
        "/competitions/labels",
        "/competitions/labels/board",
        "/competitions/labels/board.json",
        "/competitions/labels/submit",
        "/competitions/labels/team",
        "/api/v1/competitions/labels",
    ] {
        assert_eq!(ana.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert!(!ana.get("/competitions").await.text().contains("places"));
    assert_eq!(
        send(&mut ana, &answers(1)).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        game.host.get("/competitions/labels").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn who_may_not_take_part_or_has_not_accepted_the_rules_hands_nothing_in() {
    let game = Game::new().await;
    let mut reader = game
        .site
        .member("reader", &[(Role::Researcher, None)])
        .await;
    assert_eq!(
        send(&mut reader, &answers(1)).await.status,
        StatusCode::FORBIDDEN
    );
    let mut new = game.site.member("new", &[(Role::Participant, None)]).await;
    new.get("/competitions/labels").await;
    let refused = send(&mut new, &answers(1)).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text().contains("accept the"), "{}", refused.text());
    let old = new
        .post("/competitions/labels/rules/accept", &[("version", "0")])
        .await;
    assert_eq!(old.status, StatusCode::CONFLICT);
}

const TEAM: &str = "/competitions/labels/team";

#[tokio::test]
async fn teams_invite_merge_and_stay_within_what_one_team_may() {
    let game = Game::new().await;
    let (mut ana, mut ben, mut cleo) = (
        game.player("ana").await,
        game.player("ben").await,
        game.player("cleo").await,
    );
    number(&send(&mut ana, &answers(60)).await);
    number(&send(&mut ana, &answers(50)).await);
    number(&send(&mut ben, &answers(20)).await);
    number(&send(&mut ben, &answers(30)).await);
    game.work().await;

    // On the first day one team may have used three; together they used four.
    let done = ana.post(TEAM, &[("act", "propose"), ("name", "ben")]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    let team = ana.get(TEAM).await.text().to_owned();
    assert!(
        team.contains("asked <strong dir=\"auto\">ben</strong> to merge"),
        "{team}"
    );
    let page = ben.get(TEAM).await.text().to_owned();
    let mark = "name=\"team\" value=\"";
    let at = page.find(mark).expect("an offer") + mark.len();
    let id: String = page[at..]
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let merge = [("act", "merge"), ("team", id.as_str())];
    let refused = ben.post(TEAM, &merge).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(
        refused.text().contains("Together you have used 4"),
        "{}",
        refused.text()
    );
    // Nobody merges a team that did not ask for it, or that is not theirs.
    assert_eq!(cleo.post(TEAM, &merge).await.status, StatusCode::NOT_FOUND);

    // On the second day it may have used six.
    game.site.pass(hours(24));
    let mut ana = game.site.again("ana").await;
    let mut ben = game.site.again("ben").await;
    let mut cleo = game.site.again("cleo").await;
    assert_eq!(ben.post(TEAM, &merge).await.status, StatusCode::SEE_OTHER);
    let history = ben.get("/competitions/labels/submissions").await;
    assert_eq!(history.status, StatusCode::OK, "{}", history.to());
    assert_eq!(
        history
            .text()
            .matches("<td class=\"num\"><a href=\"/competitions/labels/submissions/")
            .count(),
        4
    );

    // Two are all a team may have here.
    ana.post(TEAM, &[("act", "invite"), ("name", "cleo")]).await;
    assert!(cleo.get(TEAM).await.text().contains("invites you"));
    let full = cleo
        .post(TEAM, &[("act", "accept"), ("team", id.as_str())])
        .await;
    assert_eq!(full.status, StatusCode::CONFLICT);
    assert!(
        full.text().contains("more than 2 members"),
        "{}",
        full.text()
    );
    // Whether a name is anybody's, an invitation does not tell.
    let nobody = ana
        .post(TEAM, &[("act", "invite"), ("name", "nobody")])
        .await;
    assert_eq!(nobody.status, StatusCode::SEE_OTHER);

    game.work().await;
    number(&send(&mut ben, &answers(10)).await);
    game.work().await;
    let board = game.board("public", "one").await;
    let found = rows(&board);
    assert_eq!(found.len(), 1);
    // The better of both histories.
    assert!((found[0].2 - 0.6).abs() < 0.1, "{found:?}");

    game.until("2026-03-12T00:00:00Z");
    let mut ana = game.site.again("ana").await;
    let late = ana.post(TEAM, &[("act", "leave")]).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn names_of_teams_do_not_pass_for_others() {
    let game = Game::new().await;
    let (mut ana, mut ben) = (game.player("ana").await, game.player("ben").await);
    for who in [&mut ana, &mut ben] {
        who.post(TEAM, &[("act", "enter")]).await;
    }
    for (name, status) in [
        ("ben", StatusCode::CONFLICT),
        ("be\u{200b}n", StatusCode::UNPROCESSABLE_ENTITY),
        ("\u{202e}neb", StatusCode::UNPROCESSABLE_ENTITY),
        (" ", StatusCode::UNPROCESSABLE_ENTITY),
        ("<b>Team</b> =1+1", StatusCode::SEE_OTHER),
    ] {
        let done = ana.post(TEAM, &[("act", "rename"), ("name", name)]).await;
        assert_eq!(done.status, status, "{name:?}");
    }
    number(&send(&mut ana, &answers(60)).await);
    game.work().await;
    let page = game.site.visitor().get("/competitions/labels/board").await;
    assert!(!page.text().contains("<b>Team"), "{}", page.text());
}

#[tokio::test]
async fn an_invitation_is_to_a_team_of_its_competition() {
    let game = Game::new().await;
    let from = folder(
        game.folder.path(),
        &TOML.replace("\"labels\"", "\"others\""),
    );
    let site = &game.site;
    opening::open(&site.app.db, &site.layout, "hana", &from, None)
        .await
        .unwrap();
    let mut write = site.app.db.write().await.unwrap();
    let others = Name::new("others").unwrap();
    state::set_hidden(&mut write, "hana", &others, false)
        .await
        .unwrap();
    write.commit().await.unwrap();
    let (mut ana, mut ben) = (game.player("ana").await, game.player("ben").await);
    ben.post("/competitions/others/team", &[("act", "enter")])
        .await;
    let invite = [("act", "invite"), ("name", "ana")];
    assert_eq!(
        ben.post("/competitions/others/team", &invite).await.status,
        StatusCode::SEE_OTHER
    );
    let page = ana.get("/competitions/others/team").await.text().to_owned();
    let mark = "name=\"team\" value=\"";
    let at = page.find(mark).expect("an offer") + mark.len();
    let id: String = page[at..]
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let accept = [("act", "accept"), ("team", id.as_str())];
    let elsewhere = ana.post(TEAM, &accept).await;
    assert_eq!(
        elsewhere.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        elsewhere.text()
    );
    assert_eq!(
        ana.post("/competitions/others/team", &accept).await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn the_last_two_do_not_leave_at_once_and_boards_show_who_teams_are() {
    let game = Game::new().await;
    let (mut ana, mut ben) = (game.player("ana").await, game.player("ben").await);
    number(&send(&mut ana, &answers(60)).await);
    game.work().await;
    ana.post(TEAM, &[("act", "rename"), ("name", "The Anas")])
        .await;
    game.work().await;
    assert_eq!(rows(&game.board("public", "one").await)[0].1, "The Anas");
    ana.post(TEAM, &[("act", "invite"), ("name", "ben")]).await;
    let page = ben.get(TEAM).await.text().to_owned();
    let mark = "name=\"team\" value=\"";
    let at = page.find(mark).expect("an offer") + mark.len();
    let id: String = page[at..]
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    ben.post(TEAM, &[("act", "accept"), ("team", id.as_str())])
        .await;
    // Both saw a team of two.
    let db = &game.site.app.db;
    let seen = teams::find(db, id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(seen.members.len(), 2);
    let mut write = db.write().await.unwrap();
    let by = |n: usize| {
        (
            seen.members[n].account.as_str(),
            seen.members[n].name.as_str(),
        )
    };
    teams::leave(&mut write, by(0), &seen).await.unwrap();
    write.commit().await.unwrap();
    let mut write = db.write().await.unwrap();
    assert!(matches!(
        teams::leave(&mut write, by(1), &seen).await,
        Err(teams::TeamError::Last)
    ));
}

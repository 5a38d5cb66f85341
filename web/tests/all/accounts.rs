//! Logging in, what each role may do, and what strangers cannot.

use std::time::Duration;

use crate::support::site::Site;
use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use fairframe_web::state::{accounts::Role, audit, links};

const PASSWORD: &str = "otter lantern gravel mosaic";

#[tokio::test]
async fn from_the_first_link_to_a_second_persons_log_in() {
    let site = Site::new().await;
    let link = links::first(&site.app.db).await.unwrap().unwrap();
    let mut admin = site.visitor();
    let welcome = format!("/welcome/{link}");
    assert!(admin.get(&welcome).await.text().contains("Welcome, admin"));
    let weak = [("password", "password1234"), ("again", "password1234")];
    let answer = admin.post(&welcome, &weak).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text().contains("too easy to guess"));
    let unlike = [("password", PASSWORD), ("again", "something else")];
    assert!(
        admin
            .post(&welcome, &unlike)
            .await
            .text()
            .contains("not the same")
    );
    let good = [("password", PASSWORD), ("again", PASSWORD)];
    let answer = admin.post(&welcome, &good).await;
    assert_eq!((answer.status, answer.to()), (StatusCode::SEE_OTHER, "/"));
    let set = answer.header(header::SET_COOKIE);
    assert!(
        set.contains("HttpOnly") && set.contains("SameSite=Lax"),
        "{set}"
    );
    // Spent.
    assert_eq!(
        site.visitor().get(&welcome).await.status,
        StatusCode::NOT_FOUND
    );
    assert!(links::first(&site.app.db).await.unwrap().is_none());

    assert!(admin.get("/").await.text().contains("Accounts"));
    let page = admin.get("/admin/accounts").await;
    assert!(page.text().contains("admin"));
    let invited = [
        ("name", "Mira"),
        ("role", "curator"),
        ("role", "researcher:photos"),
    ];
    let page = admin.post("/admin/accounts", &invited).await;
    let text = page.text();
    let at = text.find("/welcome/").unwrap();
    let link: String = text[at..].chars().take_while(|c| *c != '<').collect();

    let mut mira = site.visitor();
    mira.get(&link).await;
    assert_eq!(mira.post(&link, &good).await.status, StatusCode::SEE_OTHER);
    let page = mira.get("/account").await;
    assert!(
        page.text().contains("researcher of photos"),
        "{}",
        page.text()
    );
    assert_eq!(
        mira.get("/admin/accounts").await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(mira.get("/audit").await.status, StatusCode::OK);
    let csrf = mira.csrf.clone();
    assert_eq!(
        mira.post("/logout", &[]).await.status,
        StatusCode::SEE_OTHER
    );
    assert!(mira.cookie.is_none() && !csrf.is_empty());

    let mut again = site.visitor();
    let answer = again.get("/audit?before=7").await;
    assert_eq!(answer.to(), "/login?next=%2Faudit%3Fbefore%3D7");
    let form = [
        ("name", "mira"),
        ("password", PASSWORD),
        ("next", "/audit?before=7"),
    ];
    let answer = again.post("/login", &form).await;
    assert_eq!(
        (answer.status, answer.to()),
        (StatusCode::SEE_OTHER, "/audit?before=7")
    );
    let form = [
        ("name", "mira"),
        ("password", PASSWORD),
        ("next", "//evil.example"),
    ];
    assert_eq!(site.visitor().post("/login", &form).await.to(), "/");
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_look_alike_and_run_out() {
    let site = Site::new().await;
    let link = links::first(&site.app.db).await.unwrap().unwrap();
    let good = [("password", PASSWORD), ("again", PASSWORD)];
    site.visitor()
        .post(&format!("/welcome/{link}"), &good)
        .await;
    let mut stranger = site.visitor();
    let mut seen = Vec::new();
    for name in ["admin", "nobody"] {
        let form = [
            ("name", name),
            ("password", "not the password"),
            ("next", ""),
        ];
        let answer = stranger.post("/login", &form).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        let typed = format!("value=\"{name}\"");
        assert!(answer.text().contains(&typed));
        seen.push(answer.text().replace(&typed, "value"));
    }
    assert_eq!(seen[0], seen[1]);
    let mut last = StatusCode::OK;
    for _ in 0..10 {
        let form = [("name", "admin"), ("password", "not the password")];
        last = stranger.post("/login", &form).await.status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    // The right one does not help then.
    let form = [("name", "admin"), ("password", PASSWORD)];
    assert_eq!(
        stranger.post("/login", &form).await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
}

#[tokio::test]
async fn another_sites_page_changes_nothing() {
    let site = Site::new().await;
    let mut admin = site.member("root", &[(Role::Admin, None)]).await;
    let before = audit::head(&site.app.db).await.unwrap();
    let form = [("name", "evil"), ("role", "admin")];
    for csrf in ["", "wrong"] {
        let with = [&form[..], &[("csrf", csrf)]].concat();
        let answer = admin.post_raw("/admin/accounts", &with).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{csrf}");
    }
    assert_eq!(
        admin.post_raw("/admin/accounts", &form).await.status,
        StatusCode::FORBIDDEN
    );
    // With the right secret, but from elsewhere.
    let body = format!("csrf={}&name=evil&role=admin", admin.csrf);
    let kind = (header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    for (name, value) in [
        (header::ORIGIN, "https://evil.example"),
        (
            header::HeaderName::from_static("sec-fetch-site"),
            "cross-site",
        ),
    ] {
        let headers = [kind.clone(), (name, value)];
        let answer = admin
            .ask(Method::POST, "/admin/accounts", &headers, body.clone())
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{value}");
    }
    let text = [(header::CONTENT_TYPE, "text/plain")];
    let answer = admin
        .ask(Method::POST, "/admin/accounts", &text, body)
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(audit::head(&site.app.db).await.unwrap(), before);
}

#[tokio::test]
async fn a_curator_of_one_dataset_reads_of_it_and_of_own_acts() {
    let site = Site::new().await;
    crate::support::demo(&site.layout);
    let mut root = site.member("root", &[(Role::Admin, None)]).await;
    let mut ines = site.member("ines", &[(Role::Curator, None)]).await;
    let mut mira = site
        .member("mira", &[(Role::Curator, Some("photos"))])
        .await;
    let mut noor = site.member("noor", &[(Role::Curator, Some("films"))]).await;
    let terms = [("text", "Research only.")];
    root.post("/datasets/photos/terms", &terms).await;
    mira.post(
        "/account/tokens",
        &[("name", "laptop"), ("days", "9"), ("scope", "read")],
    )
    .await;
    root.post("/admin/settings", &[("two_persons", "false")])
        .await;
    for (person, all, photos, token) in [
        (&mut root, true, true, true),
        (&mut ines, true, true, true),
        (&mut mira, false, true, true),
        (&mut noor, false, false, false),
    ] {
        let page = person.get("/audit").await.text().to_owned();
        assert_eq!(page.contains("terms of photos"), photos, "{page}");
        assert_eq!(page.contains("token "), token, "{page}");
        assert_eq!(page.contains("two-persons"), all, "{page}");
        assert_eq!(page.contains("/audit/export"), all, "{page}");
        let api = person.get("/api/v1/audit").await.text().to_owned();
        assert_eq!(api.contains("terms of photos"), photos, "{api}");
        assert_eq!(api.contains("two-persons"), all, "{api}");
        let export = if all {
            StatusCode::OK
        } else {
            StatusCode::FORBIDDEN
        };
        for path in ["/audit/export", "/api/v1/audit/export"] {
            assert_eq!(person.get(path).await.status, export, "{path}");
        }
    }
}

#[tokio::test]
async fn every_route_of_accounts_asks_who_asks() {
    let site = Site::new().await;
    let mut root = site.member("root", &[(Role::Admin, None)]).await;
    let mut mira = site.member("mira", &[(Role::Curator, None)]).await;
    let mut noor = site
        .member("noor", &[(Role::Researcher, Some("photos"))])
        .await;
    let mut nobody = site.visitor();
    for (method, path, statuses) in [
        (Method::GET, "/account", [200, 200, 200, 303]),
        (Method::GET, "/audit", [200, 200, 403, 303]),
        (Method::GET, "/audit/export", [200, 200, 403, 303]),
        (Method::GET, "/admin/accounts", [200, 403, 403, 303]),
        (Method::POST, "/admin/accounts", [422, 403, 403, 303]),
        (
            Method::POST,
            "/admin/accounts/nobody/roles",
            [404, 403, 403, 303],
        ),
        (
            Method::POST,
            "/admin/accounts/nobody/link",
            [404, 403, 403, 303],
        ),
        (
            Method::POST,
            "/admin/accounts/nobody/disabled",
            [404, 403, 403, 303],
        ),
        (Method::POST, "/admin/settings", [303, 403, 403, 303]),
        (Method::POST, "/account/tokens", [422, 422, 422, 303]),
        (
            Method::POST,
            "/account/tokens/x/revoke",
            [404, 404, 404, 303],
        ),
        (Method::GET, "/logout", [405, 405, 405, 405]),
        (Method::DELETE, "/audit", [405, 405, 405, 405]),
    ] {
        let people = [&mut root, &mut mira, &mut noor, &mut nobody];
        for (browser, status) in people.into_iter().zip(statuses) {
            let answer = match method {
                Method::POST => {
                    let form = [
                        ("name", "!"),
                        ("days", "1"),
                        ("disabled", "true"),
                        ("two_persons", "true"),
                    ];
                    browser.post(path, &form).await
                }
                _ => browser.ask(method.clone(), path, &[], Body::empty()).await,
            };
            assert_eq!(
                answer.status.as_u16(),
                status,
                "{method} {path}: {}",
                answer.text()
            );
        }
    }
}

#[tokio::test]
async fn a_token_does_what_it_is_for_and_its_owner_revokes_it() {
    let site = Site::new().await;
    let mut mira = site.member("mira", &[(Role::Admin, None)]).await;
    let form = [("name", "laptop"), ("days", "30"), ("scope", "curate")];
    let page = mira.post("/account/tokens", &form).await;
    let text = page.text();
    let at = text.find("ff_").unwrap();
    let token = format!("Bearer {}", &text[at..at + 67]);
    assert!(!mira.get("/account").await.text().contains("ff_"));
    let mut program = site.visitor();
    let with = |token: &str| [(header::AUTHORIZATION, token.to_owned())];
    let mut ask = async |path: &str, token: &str| {
        let headers = with(token);
        let headers = [(headers[0].0.clone(), headers[0].1.as_str())];
        program
            .ask(Method::GET, path, &headers, Body::empty())
            .await
            .status
            .as_u16()
    };
    assert_eq!(ask("/audit", &token).await, 200);
    // Never an administrator, never one's own account.
    assert_eq!(ask("/admin/accounts", &token).await, 403);
    assert_eq!(ask("/account", &token).await, 303);
    for wrong in ["Bearer ff_0", "Bearer", "Basic bWlyYTp4", "ff_0"] {
        assert_eq!(ask("/", wrong).await, 401, "{wrong}");
    }
    let page = mira.get("/account").await;
    let text = page.text();
    let at = text.find("/account/tokens/").unwrap();
    let revoke: String = text[at..].chars().take_while(|c| *c != '"').collect();
    let mut noor = site.member("noor", &[(Role::Admin, None)]).await;
    assert_eq!(noor.post(&revoke, &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(ask("/audit", &token).await, 200);
    assert_eq!(mira.post(&revoke, &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(ask("/audit", &token).await, 401);
}

#[tokio::test]
async fn a_disabled_account_is_out_at_once_and_the_last_administrator_stays() {
    let site = Site::new().await;
    let mut root = site.member("root", &[(Role::Admin, None)]).await;
    let mut mira = site.member("mira", &[(Role::Curator, None)]).await;
    assert_eq!(mira.get("/audit").await.status, StatusCode::OK);
    let yes = [("disabled", "true")];
    assert_eq!(
        root.post("/admin/accounts/mira/disabled", &yes)
            .await
            .status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(mira.get("/audit").await.status, StatusCode::SEE_OTHER);
    assert_eq!(
        root.post("/admin/accounts/mira/link", &[]).await.status,
        StatusCode::CONFLICT
    );
    assert_eq!(
        root.post("/admin/accounts/root/disabled", &yes)
            .await
            .status,
        StatusCode::CONFLICT
    );
    assert_eq!(
        root.post("/admin/accounts/root/roles", &[]).await.status,
        StatusCode::CONFLICT
    );
    site.pass(Duration::from_secs(8 * 24 * 3600));
    assert_eq!(root.get("/audit").await.to(), "/login?next=%2Faudit");
}

#[tokio::test]
async fn the_chain_is_shown_checked_and_exported() {
    let site = Site::new().await;
    let mut root = site.member("root", &[(Role::Admin, None)]).await;
    root.post("/admin/settings", &[("two_persons", "false")])
        .await;
    let page = root.get("/audit").await;
    assert!(
        page.text().contains("The chain of 2 entries holds."),
        "{}",
        page.text()
    );
    assert!(page.text().contains("setting two-persons"));
    assert!(
        root.get("/admin/accounts")
            .await
            .text()
            .contains("two-person rule is off")
    );
    let export = root.get("/audit/export").await;
    let mut check = audit::Check::default();
    for line in export.text().lines() {
        check.next(&serde_json::from_str(line).unwrap()).unwrap();
    }
    assert_eq!(check.entries, 2);
    let mut write = site.app.db.write().await.unwrap();
    sqlx::query("UPDATE audit SET actor = 'mira' WHERE seq = 1")
        .execute(write.sql())
        .await
        .unwrap();
    write.commit().await.unwrap();
    assert!(
        root.get("/audit")
            .await
            .text()
            .contains("The chain is broken")
    );
}

#[tokio::test]
async fn a_password_is_changed_by_whoever_knows_it_and_ends_other_sessions() {
    let site = Site::new().await;
    let link = links::first(&site.app.db).await.unwrap().unwrap();
    let welcome = format!("/welcome/{link}");
    let mut admin = site.visitor();
    admin
        .post(&welcome, &[("password", PASSWORD), ("again", PASSWORD)])
        .await;
    let mut elsewhere = site.visitor();
    let enter = [("name", "admin"), ("password", PASSWORD)];
    elsewhere.post("/login", &enter).await;
    admin.get("/account").await;
    let new = "seven harbours quiet violin";
    for (current, again, status) in [
        ("not the password", new, StatusCode::UNPROCESSABLE_ENTITY),
        (PASSWORD, "another", StatusCode::UNPROCESSABLE_ENTITY),
        (PASSWORD, new, StatusCode::SEE_OTHER),
    ] {
        let form = [("current", current), ("password", new), ("again", again)];
        let answer = admin.post("/account/password", &form).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    assert_eq!(admin.get("/account").await.status, StatusCode::OK);
    assert_eq!(
        elsewhere.get("/account").await.status,
        StatusCode::SEE_OTHER
    );
    let status = site.visitor().post("/login", &enter).await.status;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

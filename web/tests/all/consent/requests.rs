//! Requests to take something down.

use super::*;

#[tokio::test]
async fn a_request_about_a_person_is_answered_by_their_withdrawal() {
    let site = site().await;
    let [mut visitor, _, mut kofi, mut mira, _] = people(&site).await;
    let about = format!(
        "http://data.example/datasets/studio/1.0.0/samples/{}",
        id("studio", "b")
    );
    let mine = ask(&site, &about).await;
    let person = "/datasets/studio/consents/studio/person-b";
    let page = mira.get("/takedowns/1").await;
    let link = format!("{person}?case=1");
    assert!(page.text().contains(&link), "{}", page.text());
    assert!(mira.get(&link).await.text().contains("takedown request 1"));
    assert_eq!(kofi.get("/takedowns/1").await.status, StatusCode::NOT_FOUND);
    let form = [("why", "On request."), ("case", "1")];
    let done = mira.post(&format!("{person}/withdraw"), &form).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    assert!(
        visitor
            .get(&mine)
            .await
            .text()
            .contains("It was taken down.")
    );
    assert_eq!(media(&mut visitor, "studio", "b").await, [404, 404]);
    assert_eq!(media(&mut visitor, "studio", "fake").await, [404, 404]);
    assert_eq!(media(&mut visitor, "studio", "cut").await, [200, 200]);
    // A case that is closed closes nothing again.
    let answer = mira.post(&format!("{A}/withdraw"), &form).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert_eq!(media(&mut visitor, "studio", "a").await, [200, 200]);
}

#[tokio::test]
async fn a_case_is_linked_by_hand_where_nothing_was_found() {
    let site = site().await;
    let [_, _, mut kofi, mut mira, _] = people(&site).await;
    ask(&site, "the picture of me by the river").await;
    let late = mira.post("/takedowns/1/withdraw", &[("why", "x")]).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    let digest = Digest::of(b"bytes of studio a").to_string();
    let media = format!("https://data.example/media/{digest}");
    let linked = kofi
        .post("/takedowns/1/sample", &[("sample", &media)])
        .await;
    // He handed it to the studio's curators.
    assert_eq!(linked.to(), "/takedowns");
    assert_eq!(kofi.get("/takedowns/1").await.status, StatusCode::NOT_FOUND);
    let page = mira.get("/takedowns/1").await;
    assert!(page.text().contains(&id("studio", "a").to_string()));
    assert!(page.text().contains("3 samples go"), "{}", page.text());
}

#[tokio::test]
async fn hostile_texts_are_shown_as_they_are_or_refused() {
    let site = site().await;
    let [_, .., mut mira, _] = people(&site).await;
    let script = "<script>alert(1)</script>\"' onmouseover=\"x";
    let mut form = request(script);
    form[2].1 = "line\r\nnext \u{202e}gpj.exe \u{0}\u{7}\u{1b}[31m שלום";
    form[3].1 = "\"><img src=x>";
    let mut visitor = site.visitor();
    let sent = visitor.post("/takedown", &form).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    for path in ["/takedowns", "/takedowns/1"] {
        let page = mira.get(path).await;
        let text = page.text();
        assert!(
            !text.contains("<script>alert") && !text.contains("<img src=x>"),
            "{path}"
        );
        assert!(
            !text.contains(['\u{202e}', '\u{0}', '\u{7}', '\u{1b}']),
            "{path}"
        );
    }
    assert!(mira.get("/takedowns/1").await.text().contains("שלום"));
    let filled = visitor.get("/takedown?about=%3Cscript%3E%22").await;
    assert!(!filled.text().contains("<script>\""));

    let long = "x".repeat(100 << 10);
    for (field, text) in [
        ("about", long.as_str()),
        ("reason", long.as_str()),
        ("contact", long.as_str()),
        ("about", " \u{202e} "),
        ("reason", ""),
        ("relation", "owner"),
        ("website", "https://spam.example"),
    ] {
        let mut form = request("x").to_vec();
        form.retain(|(name, _)| *name != field);
        form.push((field, text));
        // From elsewhere each time: the limit is another test's.
        let answer = site_from(&site, field.len() as u8 + text.len() as u8, &form).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}");
        assert!(!answer.text().contains("has arrived"));
    }
    assert_eq!(mira.get("/takedowns/2").await.status, StatusCode::NOT_FOUND);
}

/// Sends a request from an address.
async fn site_from(site: &Site, address: u8, form: &[(&str, &str)]) -> Answer {
    let mut visitor = site.visitor();
    let client = fairframe_web::access::Client(IpAddr::from([10, 0, 0, address]));
    visitor.router = visitor.router.layer(axum::Extension(client));
    visitor.post("/takedown", form).await
}

#[tokio::test]
async fn an_address_runs_out_of_requests_and_others_do_not() {
    let site = site().await;
    for n in 0..access::FORMS.get() {
        let sent = site_from(&site, 1, &request("x")).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{n}");
    }
    let more = site_from(&site, 1, &request("x")).await;
    assert_eq!(more.status, StatusCode::TOO_MANY_REQUESTS);
    let other = site_from(&site, 2, &request("x")).await;
    assert_eq!(other.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_case_is_seen_by_its_link_only_and_forgotten_when_closed() {
    let site = site().await;
    let [mut visitor, .., mut mira, mut root] = people(&site).await;
    let about = format!("zq-about {}", id("studio", "a"));
    let mine = ask(&site, &about).await;
    let secret = mine.strip_prefix("/takedown/").unwrap();
    assert_eq!(secret.len(), 64);
    let other = ask(&site, &about).await;
    assert_ne!(mine, other);
    for guess in [
        "1",
        "takedown",
        &"0".repeat(64),
        &secret[..63],
        &secret.to_uppercase(),
    ] {
        let answer = visitor.get(&format!("/takedown/{guess}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{guess}");
    }
    let page = visitor.get(&mine).await;
    assert_eq!(page.header(header::CACHE_CONTROL), "no-store");
    assert_eq!(page.header(header::REFERRER_POLICY), "no-referrer");
    assert!(
        page.text()
            .contains("An answer is due by <time datetime=\"2026-03-31")
    );
    // Whoever looks over a shoulder learns nothing of the person.
    for secret in ["zq-contact", "zq-about", "I never agreed", "studio"] {
        assert!(!page.text().contains(secret), "{secret}");
    }
    let case = mira.get("/takedowns/1").await;
    assert_eq!(case.header(header::CACHE_CONTROL), "no-store");
    assert!(case.text().contains("zq-contact-5550100") && case.text().contains("zq-about"));

    let declined = mira
        .post(
            "/takedowns/1/decline",
            &[("why", "It shows somebody else.")],
        )
        .await;
    assert_eq!(declined.status, StatusCode::SEE_OTHER);
    let page = visitor.get(&mine).await;
    assert!(
        page.text().contains("It shows somebody else."),
        "{}",
        page.text()
    );
    let mut chain = String::new();
    for path in ["/takedowns/1", "/audit/export"] {
        let page = root.get(path).await;
        assert_eq!(page.status, StatusCode::OK);
        for secret in ["zq-contact", "zq-about", "I never agreed"] {
            assert!(!page.text().contains(secret), "{path}: {secret}");
        }
        chain = page.text().to_owned();
    }
    assert!(chain.contains("takedown request 1") && !chain.contains(secret));
    assert!(audit::verify(&site.app.db).await.unwrap().is_ok());
}

#[tokio::test]
async fn late_answers_stand_out() {
    let site = site().await;
    let mine = ask(&site, "x").await;
    site.pass(29 * DAY);
    ask(&site, "y").await;
    site.pass(2 * DAY);
    let mut mira = site.member("mira", &[(Role::Curator, None)]).await;
    let page = mira.get("/takedowns").await;
    let text = page.text();
    assert!(
        text.contains("1 overdue") && text.contains("overdue since 2026-03-31"),
        "{text}"
    );
    assert!(text.contains("28 days left"), "{text}");
    assert!(text.find("/takedowns/1\"").unwrap() < text.find("/takedowns/2\"").unwrap());
    assert!(
        site.visitor()
            .get(&mine)
            .await
            .text()
            .contains("The answer is late.")
    );
}

//! The ledger, receipts, withdrawals.

use super::*;

#[tokio::test]
async fn the_ledger_counts_filters_and_finds() {
    let site = site().await;
    let [.., mut mira, _] = people(&site).await;
    let page = mira.get("/datasets/studio/consents").await;
    assert_eq!(page.header(header::CACHE_CONTROL), "no-store");
    let text = page.text();
    assert!(text.contains("5 people in version 1.0.0"), "{text}");
    let row = |text: &str, person: &str| {
        let rows = text
            .split("<tr>")
            .find(|r| r.contains(&format!(">{person}<")));
        let row = rows.unwrap_or_else(|| panic!("{person}: {text}"));
        let cells = row
            .split("</td>")
            .map(|c| c.rsplit('>').next().unwrap().trim().to_owned());
        cells.collect::<Vec<_>>()
    };
    // Accepted, others, derived.
    assert_eq!(row(text, "person-a")[3..6], ["1", "1", "2"]);
    assert_eq!(row(text, "person-b")[3..6], ["1", "0", "1"]);
    assert_eq!(row(text, "person-c")[3..6], ["0", "0", "0"]);
    assert!(text.contains("2026-03-20"));
    for (query, there, away) in [
        ("state=expired", "person-c", "person-a"),
        ("state=given&q=SON-B", "person-b", "person-a"),
        ("q=-d", "person-d", "person-b"),
    ] {
        let page = mira
            .get(&format!("/datasets/studio/consents?{query}"))
            .await;
        let has = |person: &str| page.text().contains(&format!(">{person}<"));
        assert!(has(there) && !has(away), "{query}");
    }
    let none = mira.get("/datasets/studio/consents?state=refused").await;
    assert!(none.text().contains("Nobody fits."));
    for (query, status) in [
        ("state=nonsense", 422),
        (&format!("q={}", "x".repeat(65)), 422),
        ("page=2", 404),
        ("page=0", 404),
        ("page=x", 404),
    ] {
        let page = mira
            .get(&format!("/datasets/studio/consents?{query}"))
            .await;
        assert_eq!(page.status.as_u16(), status, "{query}");
    }
    let page = mira
        .get("/datasets/studio/consents?q=%3Cscript%3E%22")
        .await;
    assert!(!page.text().contains("<script>"));

    // What ends when, the first first; time passes without an ingest.
    let order = |text: &str| {
        let people = ["person-b", "person-c", "person-d", "person-e"];
        let mut found: Vec<_> = people.map(|p| (text.find(&format!(">{p}<")), p)).to_vec();
        found.sort();
        found.into_iter().map(|(_, p)| p).collect::<Vec<_>>()
    };
    let page = mira.get("/datasets/studio/consents/expiry").await;
    assert_eq!(
        order(page.text()),
        ["person-c", "person-b", "person-d", "person-e"]
    );
    let counts = |text: &str| {
        let cells = text
            .split("<dd>")
            .skip(1)
            .map(|d| d.split('<').next().unwrap().to_owned());
        cells.collect::<Vec<_>>()
    };
    assert_eq!(counts(page.text()), ["1", "1", "1", "1", "1"]);
    site.pass(20 * DAY);
    let mut noor = site.member("noor", &[(Role::Curator, None)]).await;
    let page = noor.get("/datasets/studio/consents/expiry").await;
    assert_eq!(counts(page.text()), ["2", "0", "1", "1", "1"]);
    let page = noor.get("/datasets/studio/consents?state=expired").await;
    assert!(page.text().contains(">person-b<"));
}

#[tokio::test]
async fn a_receipt_is_handed_out_as_it_stands_and_no_evidence_anywhere() {
    let site = site().await;
    let [.., mut mira, _] = people(&site).await;
    let answer = mira.get(&format!("{A}/receipts/c-person-a")).await;
    let folder = site.layout.receipts(&Name::new("studio").unwrap());
    let file = fs::read(folder.join("studio--c-person-a.jsonld")).unwrap();
    assert_eq!(answer.bytes, file);
    assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
    assert_eq!(answer.header(header::CONTENT_TYPE), "application/ld+json");
    let proof = Digest::of(PROOF.as_bytes()).to_string();
    for page in [
        A,
        "/datasets/studio/consents",
        "/datasets/studio/consents/expiry",
    ] {
        assert!(!mira.get(page).await.text().contains(&proof), "{page}");
    }
    for other in [
        "c-person-b",
        "..%2f..%2fstate.sqlite",
        "c-person-a.jsonld",
        "%00",
    ] {
        let answer = mira.get(&format!("{A}/receipts/{other}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{other}");
    }
    // What is no receipt is said to be none.
    fs::write(folder.join("studio--broken.jsonld"), "{").unwrap();
    let page = mira.get("/datasets/studio/consents").await;
    assert!(page.text().contains("1 receipts cannot be read"));
}

#[tokio::test]
async fn a_withdrawal_shows_before_what_goes_and_stops_media_at_once() {
    let site = site().await;
    let [mut visitor, _, _, mut mira, _] = people(&site).await;
    for (source, key) in [
        ("studio", "a"),
        ("studio", "b"),
        ("studio", "cut"),
        ("studio", "fake"),
        ("studio", "landscape"),
        ("copies", "small"),
    ] {
        assert_eq!(
            media(&mut visitor, source, key).await,
            [200, 200],
            "{source} {key}"
        );
    }
    assert_eq!(media(&mut mira, "studio", "waits").await, [200, 200]);
    let (before, _) = audit::head(&site.app.db).await.unwrap();
    let preview = mira.get(A).await;
    let text = preview.text();
    for (key, there) in [
        ("a", true),
        ("waits", true),
        ("cut", true),
        ("fake", true),
        ("b", false),
    ] {
        assert_eq!(
            text.contains(&id("studio", key).to_string()),
            there,
            "{key}"
        );
    }
    assert!(
        text.contains("<strong>4</strong> samples of studio"),
        "{text}"
    );
    assert!(
        text.contains("<strong>1</strong> of <a href=\"/datasets/copies\">"),
        "{text}"
    );

    let why = [("why", "They wrote to us.")];
    let answer = mira.post(&format!("{A}/withdraw"), &why).await;
    assert_eq!((answer.status, answer.to()), (StatusCode::SEE_OTHER, A));
    for browser in [&mut visitor, &mut mira] {
        for (source, key, status) in [
            ("studio", "a", 404),
            ("studio", "waits", 404),
            ("studio", "cut", 404),
            ("studio", "fake", 404),
            ("copies", "small", 404),
            ("studio", "b", 200),
            ("studio", "landscape", 200),
        ] {
            assert_eq!(
                media(browser, source, key).await,
                [status; 2],
                "{source} {key}"
            );
        }
    }
    // Nobody's pages show them, in any version.
    let samples = "/datasets/studio/1.0.0/samples";
    for browser in [&mut visitor, &mut mira] {
        let grid = browser.get(samples).await;
        for (key, status) in [("a", 410), ("fake", 410), ("cut", 410), ("b", 200)] {
            let id = id("studio", key);
            let page = browser.get(&format!("{samples}/{id}")).await;
            assert_eq!(page.status.as_u16(), status, "{key}");
            assert_eq!(
                grid.text().contains(&id.to_string()),
                status == 200,
                "{key}"
            );
        }
    }
    let page = mira.get(A).await;
    assert!(
        page.text()
            .contains("follow with the next approved release"),
        "{}",
        page.text()
    );
    assert!(page.text().contains("Nothing is left to withdraw."));
    let ledger = mira.get("/datasets/studio/consents?state=waiting").await;
    assert!(ledger.text().contains(">person-a<") && !ledger.text().contains(">person-b<"));
    let again = mira.post(&format!("{A}/withdraw"), &why).await;
    assert_eq!(again.status, StatusCode::CONFLICT);

    let studio = Name::new("studio").unwrap();
    let withdrew = fairframe_web::state::withdrawn::withdrew(&site.app.db, &studio)
        .await
        .unwrap();
    assert_eq!(withdrew.len(), 1);
    let standing = decisions::standing(&site.app.db, &studio).await.unwrap();
    assert_eq!(standing.len(), 4);
    let check = audit::verify(&site.app.db).await.unwrap().unwrap();
    assert_eq!(check.entries, before + 2);
}

#[tokio::test]
async fn a_sample_that_is_withdrawn_is_refused_until_that_is_undone() {
    let site = site().await;
    let [mut visitor, _, _, mut mira, _] = people(&site).await;
    let mine = ask(&site, "https://origin.example/studio/landscape.mp4").await;
    let page = mira.get("/takedowns/1").await;
    assert!(page.text().contains(&id("studio", "landscape").to_string()));
    assert!(page.text().contains("It goes alone"));
    assert_eq!(media(&mut visitor, "studio", "landscape").await, [200, 200]);
    let done = mira
        .post("/takedowns/1/withdraw", &[("why", "It is theirs.")])
        .await;
    assert_eq!(
        (done.status, done.to()),
        (StatusCode::SEE_OTHER, "/takedowns")
    );
    assert_eq!(media(&mut visitor, "studio", "landscape").await, [404, 404]);
    assert_eq!(media(&mut visitor, "studio", "a").await, [200, 200]);
    assert!(
        visitor
            .get(&mine)
            .await
            .text()
            .contains("It was taken down.")
    );
    // Once more is too late.
    for action in ["withdraw", "decline"] {
        let path = format!("/takedowns/1/{action}");
        let late = mira.post(&path, &[("why", "x")]).await;
        assert_eq!(late.status, StatusCode::CONFLICT);
    }
    let studio = Name::new("studio").unwrap();
    let batch = decisions::batches(&site.app.db, &studio, 1).await.unwrap()[0].seq;
    let mut write = site.app.db.write().await.unwrap();
    decisions::undo(&mut write, &studio, "mira", batch)
        .await
        .unwrap();
    write.commit().await.unwrap();
    assert_eq!(media(&mut visitor, "studio", "landscape").await, [200, 200]);
    assert!(audit::verify(&site.app.db).await.unwrap().is_ok());
}

//! Who may ask for what, and what makes no sense.

use super::*;

#[tokio::test]
async fn what_makes_no_sense_is_told_on_a_page() {
    let mut desk = Desk::new(samples(5, 40)).await;
    for query in [
        "map?by=planet",
        "map?by=squares-3",
        "map?by=squares-0.0001",
        "map?show=colour",
        "map?order=--samples",
        "map?captured-min=NaN",
        "map?captured-min=99999",
        "map?captured-max=2015-13",
        "map?captured-min=-5",
        "map?colour=red",
        "map?status=lost",
        "map?box=1,2,3",
        "map.csv?by=planet",
        "coverage?by=squares-1",
        "coverage?target=mine",
        "coverage?size=0",
        "coverage?size=-1",
        "coverage?size=1000000001",
        "coverage?size=NaN",
        "coverage?size=99999999999999999999999",
        "coverage?captured-min=x",
        "coverage/wish-list.csv?size=x",
    ] {
        let answer = ready(&mut desk.nobody, &format!("{BASE}/{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
    }
    for path in [
        "/datasets/places/9.0.0/map",
        "/datasets/none/1.0.0/map",
        "/datasets/places/x/coverage",
        "/datasets/places/1.0.0/coverage/wish-list.xml",
        "/datasets/places/1.0.0/coverage/..%2Fsecret",
        "/datasets/places/1.0.0/coverage?target=declared",
    ] {
        assert_eq!(
            ready(&mut desk.nobody, path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    // Nothing found, and words of strangers, are pages like others.
    let script = "label=%3Cscript%3Ealert(1)%3C/script%3E%22%27%20onmouseover=%22x";
    for query in [
        "map?captured-min=2999",
        "map?status=rejected&by=squares-1",
        "coverage?country=XX",
        "coverage?status=rejected",
    ] {
        ok(&mut desk.nobody, &format!("{BASE}/{query}")).await;
    }
    for page in ["map", "coverage"] {
        let answer = ok(&mut desk.nobody, &format!("{BASE}/{page}?{script}")).await;
        assert!(
            !answer.text().contains("<script>alert"),
            "{}",
            answer.text()
        );
        assert!(
            !answer.text().contains("\" onmouseover"),
            "{}",
            answer.text()
        );
        assert!(!answer.text().contains("NaN") && !answer.text().contains("inf%"));
    }
    // A label that a spreadsheet would run is guarded.
    let list = ok(
        &mut desk.nobody,
        &format!("{BASE}/coverage/wish-list.csv?label=%3D1%2B1"),
    )
    .await;
    assert!(list.text().contains("'=1+1"), "{}", list.text());
}

#[tokio::test]
async fn decisions_are_seen_by_curators_and_by_nobody_else() {
    let mut desk = Desk::new(samples(13, 60)).await;
    let is_in = |s: &&Sample| s.country.as_deref() == Some("IT") && is_accepted(s);
    let ids: Vec<SampleId> = desk
        .samples
        .iter()
        .filter(is_in)
        .map(|s| s.sample_id)
        .collect();
    ok(&mut desk.mira, &format!("{BASE}/samples")).await;
    let fields = [
        ("change", "quarantine"),
        ("filter", "country=IT&status=accepted"),
        ("held", &ids.len().to_string()),
    ];
    let answer = desk.mira.post("/datasets/places/decide", &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    let of_italy = |rows: &[BTreeMap<String, String>], key: &str| {
        let row = rows.iter().find(|row| row["place"] == "IT");
        row.map_or("none".to_owned(), |row| row[key].clone())
    };
    let public = desk.table(false, "map.csv").await;
    assert_eq!(of_italy(&public, "samples"), ids.len().to_string());
    let own = desk.table(true, "map.csv").await;
    assert_eq!(of_italy(&own, "samples"), of_italy(&own, "not_accepted"));
    let wished = |text: &str| text.lines().any(|line| line.starts_with("IT,Italy,0,"));
    let path = format!("{BASE}/coverage/wish-list.csv?by=country&target=uniform&size=5000");
    assert!(wished(ok(&mut desk.mira, &path).await.text()));
    assert!(!wished(ok(&mut desk.nobody, &path).await.text()));
    let page = ok(&mut desk.mira, &format!("{BASE}/coverage")).await;
    assert!(page.text().contains("Decisions that are not released yet"));
    let page = ok(&mut desk.nobody, &format!("{BASE}/coverage")).await;
    assert!(!page.text().contains("Decisions that are not released yet"));
}

#[tokio::test]
async fn every_route_asks_who_asks() {
    let desk = Desk::new(samples(29, 30)).await;
    let mut mira = desk.mira.clone();
    let [mut other, mut reader, mut nobody] = desk.site.strangers().await;
    for (path, statuses) in [
        ("/datasets/places/1.0.0/map", [200, 200, 200, 200]),
        ("/datasets/places/1.0.0/map.csv", [200, 200, 200, 200]),
        (
            "/datasets/places/1.0.0/map?show=not-accepted",
            [200, 403, 403, 303],
        ),
        (
            "/datasets/places/1.0.0/map?order=-not-accepted",
            [200, 403, 403, 303],
        ),
        (
            "/datasets/places/1.0.0/map.csv?show=not-accepted",
            [200, 403, 403, 303],
        ),
        ("/datasets/places/1.0.0/coverage", [200, 200, 200, 200]),
        (
            "/datasets/places/1.0.0/coverage/wish-list.csv",
            [200, 200, 200, 200],
        ),
        (
            "/datasets/places/1.0.0/coverage/wish-list.json",
            [200, 200, 200, 200],
        ),
        ("/datasets/places/target", [200, 403, 403, 303]),
        ("/datasets/none/target", [403, 403, 403, 303]),
        ("/assets/map.js", [200, 200, 200, 200]),
    ] {
        let people = [&mut mira, &mut other, &mut reader, &mut nobody];
        for (browser, status) in people.into_iter().zip(statuses) {
            let answer = ready(browser, path).await;
            assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text());
        }
    }
    let fields = [("text", "region,share\nAsia,1\n")];
    let people = [&mut other, &mut reader, &mut nobody, &mut mira];
    for (browser, status) in people.into_iter().zip([403, 403, 303, 303]) {
        let answer = browser.post("/datasets/places/target", &fields).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
    }
    // A form of no page of ours changes nothing.
    let answer = mira
        .post_raw(
            "/datasets/places/target",
            &[("csrf", "x"), ("act", "remove")],
        )
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let page = ok(&mut nobody, "/datasets/places/1.0.0/coverage").await;
    assert!(page.text().contains("as declared"));
    // Only curators are told of what was refused, or how to declare a target.
    let page = ok(&mut nobody, "/datasets/places/1.0.0/map").await;
    assert!(!page.text().contains("ot accepted"), "{}", page.text());
    let page = ok(&mut nobody, "/datasets/places").await;
    for link in ["map", "coverage"] {
        assert!(
            page.text()
                .contains(&format!("/datasets/places/1.0.0/{link}\"")),
            "{link}"
        );
    }
}

//! Targets and what is missing against them.

use super::*;

#[tokio::test]
async fn a_target_is_declared_whole_or_not_at_all_and_stands_in_the_audit() {
    let mut desk = Desk::new(samples(17, 100)).await;
    let target = "/datasets/places/target";
    ok(&mut desk.mira, target).await;
    let big = format!("country,share\n{}", "IT,0\n".repeat(20_000));
    for (text, said) in [
        ("region,share\nAfrica,NaN\nEurope,1", "Row 2, column 2"),
        ("region,share\nAfrica,-0.5\nEurope,1.5", "not negative"),
        ("country,share\nAtlantis,1", "`Atlantis` is no country"),
        ("country,share\nIT,0.5\nIT,0.5", "stands in row 2 already"),
        ("region,share\nAfrica,0.1", "add up to 0.1000"),
        ("", "It is empty"),
        (SCRIPT, "Row 1, column 1"),
        (&big, "at most 65536 are read"),
    ] {
        let answer = desk
            .mira
            .post(target, &[("text", text), ("why", "x")])
            .await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{said}");
        assert!(
            answer.text().contains(said) || answer.text().contains(&said.replace('`', "&#96;")),
            "{said}: {}",
            answer.text()
        );
        assert!(!answer.text().contains("<script>alert"));
    }
    let huge = "x".repeat(10 << 20);
    let answer = desk.mira.post(target, &[("text", &huge)]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let long = "x".repeat(4_001);
    let answer = desk
        .mira
        .post(target, &[("text", "region,share\nAsia,1"), ("why", &long)])
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        desk.mira.post(target, &[("act", "remove")]).await.status,
        StatusCode::CONFLICT
    );
    assert!(
        ok(&mut desk.mira, target)
            .await
            .text()
            .contains("Declare one")
    );

    let fields = [
        ("text", "region,share\nAfrica,60\nEurope,40\n"),
        ("why", "agreed in March"),
    ];
    assert_eq!(
        desk.mira.post(target, &fields).await.status,
        StatusCode::SEE_OTHER
    );
    assert!(ok(&mut desk.mira, target).await.text().contains("60.0%"));
    // From then on it is what everybody's page is held against.
    let counts = recount(desk.samples.iter().filter(is_accepted), |s| {
        place(s, "region")
    });
    let n = |region: &str| counts.get(region).copied().unwrap_or(0);
    let grows = (n("Africa") * 100)
        .div_ceil(60)
        .max((n("Europe") * 100).div_ceil(40));
    let answer = ok(&mut desk.nobody, &format!("{BASE}/coverage/wish-list.json")).await;
    let list: serde_json::Value = serde_json::from_slice(&answer.bytes).unwrap();
    assert_eq!(
        (list["target"].as_str(), list["by"].as_str()),
        (Some("declared"), Some("region"))
    );
    assert_eq!(list["size"], grows);
    assert_eq!(list["missing"], grows - n("Africa") - n("Europe"));
    let page = ok(&mut desk.nobody, &format!("{BASE}/coverage")).await;
    assert!(
        page.text()
            .contains("of places that the target does not name")
    );

    let fields = [("act", "remove"), ("why", "too early")];
    assert_eq!(
        desk.mira.post(target, &fields).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        ready(
            &mut desk.nobody,
            &format!("{BASE}/coverage?target=declared")
        )
        .await
        .status,
        StatusCode::NOT_FOUND
    );
    let db = &desk.site.app.db;
    assert!(audit::verify(db).await.unwrap().is_ok());
    let told = audit::before(db, None, i64::MAX, 2).await.unwrap();
    assert_eq!(
        (told[0].entry.act.as_str(), told[1].entry.act.as_str()),
        ("remove", "declare")
    );
    assert_eq!(told[1].entry.why, "agreed in March");
    assert!(
        told[1].entry.details.contains("\"Africa\":60000000000"),
        "{}",
        told[1].entry.details
    );
}

#[tokio::test]
async fn a_version_is_held_against_the_one_before() {
    let mut desk = Desk::new(samples(19, 100)).await;
    let mut more = desk.samples.clone();
    more.extend(samples(23, 300).into_iter().skip(100));
    publish(&desk.site.layout, "1.1.0", Some("1.0.0"), &more);
    let page = ok(
        &mut desk.nobody,
        "/datasets/places/1.1.0/coverage?by=region",
    )
    .await;
    let known = desk
        .samples
        .iter()
        .filter(is_accepted)
        .filter(|s| s.region.is_some());
    let said = format!("In 1.0.0: {} samples with a place", known.count());
    assert!(page.text().contains(&said), "{said}");
    assert!(page.text().contains(" before</span>"));
    let page = ok(
        &mut desk.nobody,
        "/datasets/places/1.1.0/coverage?label=tree",
    )
    .await;
    assert!(!page.text().contains("In 1.0.0"));
}

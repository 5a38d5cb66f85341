//! Decisions, proposals and jobs by programs.

use super::*;

#[tokio::test]
async fn a_decision_is_made_once_for_a_key_and_undone() {
    let desk = Desk::new().await;
    let mut p = desk.curator().await;
    let decisions = "/api/v1/datasets/photos/decisions";
    let wish = json!({"change": "reject", "samples": [desk.id("Farmhouse")], "why": "blurred"});
    let key = [(header::HeaderName::from_static("idempotency-key"), "k-1")];
    let mut first = None;
    for _ in 0..3 {
        let answer = p.with(Method::POST, decisions, Some(&wish), &key).await;
        assert_eq!(answer.status.as_u16(), 201, "{}", answer.text());
        let done: Value = serde_json::from_slice(&answer.bytes).unwrap();
        assert_eq!(*first.get_or_insert(done.clone()), done);
    }
    let batch = first.unwrap()["seq"].as_i64().unwrap();
    let made = p.get(decisions).await;
    assert_eq!(
        (&made["standing"], made["batches"].as_array().unwrap().len()),
        (&json!(1), 1)
    );
    let other = json!({"change": "clear", "samples": [desk.id("Farmhouse")]});
    let answer = p.with(Method::POST, decisions, Some(&other), &key).await;
    assert_eq!(answer.status.as_u16(), 422, "{}", answer.text());
    let long = "k".repeat(201);
    let long = [(
        header::HeaderName::from_static("idempotency-key"),
        long.as_str(),
    )];
    let answer = p.with(Method::POST, decisions, Some(&other), &long).await;
    assert_eq!(answer.status.as_u16(), 422);

    // Curators see it at once, others do not.
    let rejected = p.get(&format!("{RELEASE}/samples?status=rejected")).await;
    assert_eq!(rejected["total"], 1);
    let others = desk
        .anybody()
        .get(&format!("{RELEASE}/samples?status=rejected"))
        .await;
    assert_eq!(others["total"], 0);
    // As many as were looked at, or none.
    let filtered =
        |held: usize| json!({"change": "quarantine", "filter": "status=rejected", "held": held});
    assert_eq!(p.post(decisions, filtered(7)).await.0, 409);
    for (wrong, status) in [
        (
            json!({"change": "reject", "samples": [desk.id("Farmhouse")]}),
            422,
        ),
        (
            json!({"change": "withdraw", "samples": [desk.id("Farmhouse")], "why": "x"}),
            422,
        ),
        (
            json!({"change": "accept", "samples": [desk.id("Waterfall")]}),
            409,
        ),
        (json!({"change": "quarantine", "samples": ["x"]}), 404),
        (json!({"change": "quarantine"}), 422),
        (json!({"change": "quarantine", "sample": ["x"]}), 422),
        (json!([]), 422),
    ] {
        assert_eq!(p.post(decisions, wrong.clone()).await.0, status, "{wrong}");
    }
    let undo = format!("{decisions}/{batch}/undo");
    assert_eq!(p.post(&undo, json!({})).await.0, 201);
    assert_eq!(p.post(&undo, json!({})).await.0, 409);
    assert_eq!(
        p.post(&format!("{decisions}/999/undo"), json!({})).await.0,
        404
    );
    assert_eq!(p.get(decisions).await["standing"], 0);
    let entries = p.get("/api/v1/audit?limit=1000").await;
    let acts: Vec<&str> = entries["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["act"].as_str().unwrap())
        .collect();
    assert_eq!(acts.iter().filter(|a| **a == "decide").count(), 1);
    // A part is no chain: all of it is for those who curate everything.
    let mut ines = desk.curator_of_all().await;
    let all = ines.get("/api/v1/audit?limit=1000").await;
    let all = all["items"].as_array().unwrap().len();
    assert!(acts.len() < all, "{acts:?} of {all}");
    let refused = p.send(Method::GET, "/api/v1/audit/export", None).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let export = ines.send(Method::GET, "/api/v1/audit/export", None).await;
    let mut check = audit::Check::default();
    for line in export.text().lines() {
        check.next(&serde_json::from_str(line).unwrap()).unwrap();
    }
    assert_eq!(check.entries as usize, all);
}

#[tokio::test]
async fn proposals_and_jobs_go_the_way_of_the_pages() {
    let desk = Desk::new().await;
    let mut p = desk.curator().await;
    let wish = json!({"change": "reject", "samples": [desk.id("Farmhouse")], "why": "blurred"});
    assert_eq!(
        p.post("/api/v1/datasets/photos/decisions", wish).await.0,
        201
    );
    let proposals = "/api/v1/datasets/photos/proposals";
    assert_eq!(p.post(proposals, json!({"notes": " "})).await.0, 422);
    let (status, made) = p.post(proposals, json!({"notes": "One fewer."})).await;
    assert_eq!(status, 201);
    assert_eq!(p.post(proposals, json!({"notes": "Again."})).await.0, 409);
    let one = format!("{proposals}/{}", made["seq"]);
    let found = p.get(&one).await;
    assert_eq!(
        (&found["state"], &found["samples"]),
        (&json!("open"), &json!(1))
    );
    assert_eq!(found["proposed_by"], "mira");
    // Here no sources are declared, so nothing can be released or run.
    assert_eq!(p.post(&format!("{one}/approve"), json!({})).await.0, 409);
    let (status, declined) = p
        .post(&format!("{one}/decline"), json!({"why": "not yet"}))
        .await;
    assert_eq!((status, &declined["state"]), (200, &json!("declined")));
    assert_eq!(p.post(&format!("{one}/decline"), json!({})).await.0, 409);
    assert_eq!(p.get(proposals).await["items"].as_array().unwrap().len(), 1);
    let job = json!({"dataset": "photos", "kind": "ingest"});
    assert_eq!(p.post("/api/v1/jobs", job).await.0, 404);
    let job = json!({"dataset": "others", "kind": "ingest"});
    assert_eq!(p.post("/api/v1/jobs", job).await.0, 403);

    // One that somebody asked for; and one of a dataset that is not mira's.
    let mut numbers = Vec::new();
    for dataset in ["photos", "others"] {
        let dataset = fairframe_schemas::Name::new(dataset).unwrap();
        let mut write = desk.site.app.db.write().await.unwrap();
        let seq = jobs::ask(&mut write, jobs::Kind::Ingest, &dataset, "noor", None).await;
        write.commit().await.unwrap();
        numbers.push(seq.unwrap());
    }
    let listed = p.get("/api/v1/jobs").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    let mine = format!("/api/v1/jobs/{}", numbers[0]);
    assert_eq!(p.get(&mine).await["state"], "queued");
    let (status, job) = p.post(&format!("{mine}/cancel"), json!({})).await;
    assert_eq!((status, &job["cancel"]), (200, &json!(true)));
    assert_eq!(p.post(&format!("{mine}/cancel"), json!({})).await.0, 409);
    let other = format!("/api/v1/jobs/{}", numbers[1]);
    assert_eq!(p.send(Method::GET, &other, None).await.status.as_u16(), 404);
    assert_eq!(p.post(&format!("{other}/cancel"), json!({})).await.0, 404);
    assert_eq!(
        p.get("/api/v1/takedowns").await,
        json!({"open": [], "closed": []})
    );
}

#[tokio::test]
async fn a_session_changes_things_with_its_secret_only() {
    let desk = Desk::new().await;
    let mut mira = desk.site.member("mira", &[(Role::Curator, None)]).await;
    let me = mira.get("/api/v1/me").await;
    let me: Value = serde_json::from_slice(&me.bytes).unwrap();
    assert_eq!((&me["name"], &me["scopes"]), (&json!("mira"), &Value::Null));
    let csrf = me["csrf"].as_str().unwrap().to_owned();
    let notes = r#"{"notes": "x"}"#;
    let kind = (header::CONTENT_TYPE, "application/json");
    let secret = header::HeaderName::from_static("x-csrf-token");
    for (headers, status) in [
        (vec![kind.clone()], 403),
        (vec![kind.clone(), (secret.clone(), "wrong")], 403),
        (
            vec![
                (header::CONTENT_TYPE, "text/plain"),
                (secret.clone(), csrf.as_str()),
            ],
            422,
        ),
        (vec![kind, (secret, csrf.as_str())], 201),
    ] {
        let path = "/api/v1/datasets/photos/proposals";
        let answer = mira.ask(Method::POST, path, &headers, notes).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
    }
}

//! Creators that are items, and what they are called.

use super::*;

/// A file whose page names no author, and its creator as structured data has it.
fn file(id: u64) -> Value {
    json!({"pageid": id, "ns": 6, "title": format!("File:{id}.jpg"), "imagerepository": "local",
        "imageinfo": [{"url": format!("https://upload.wikimedia.org/{id}.jpg"), "mediatype": "BITMAP"}]})
}

fn by(item: &str) -> Value {
    json!({"statements": {"P170": [{"rank": "normal", "mainsnak": {"property": "P170",
        "snaktype": "value", "datavalue": {"type": "wikibase-entityid", "value": {"id": item}}}}]}})
}

fn called(labels: &[(&str, &str)]) -> Value {
    let label = |(language, value): &(&str, &str)| {
        let label = json!({"language": language, "value": value});
        ((*language).to_owned(), label)
    };
    json!({"type": "item", "labels": labels.iter().map(label).collect::<Map<String, Value>>()})
}

/// Files 1 to `last`, of which file n is by item Qn; `item` says what those are.
fn wiki<'a>(
    last: u64,
    item: impl Fn(u64) -> Value + 'a,
) -> Fake<impl Fn(&BTreeMap<String, String>, usize) -> Value + 'a> {
    Fake::new(move |p: &BTreeMap<String, String>, _| {
        if p["action"] == "query" {
            let pages: Vec<Value> = (1..=last).map(file).collect();
            return json!({"batchcomplete": true, "query": {"pages": pages}});
        }
        let ids: Vec<&str> = p["ids"].split('|').collect();
        assert!(ids.len() <= 50);
        let entity = |id: &&str| {
            let number: u64 = id[1..].parse().unwrap();
            let entity = if id.starts_with('M') {
                assert_eq!(p["props"], "claims");
                by(&format!("Q{number}"))
            } else {
                assert_eq!(p["props"], "labels");
                assert!(p["languages"].starts_with("en|mul|de|"));
                item(number)
            };
            ((*id).to_owned(), entity)
        };
        let entities: Map<String, Value> = ids.iter().map(entity).collect();
        json!({"entities": entities, "success": 1})
    })
}

async fn creators(fake: &Fake<impl Fn(&BTreeMap<String, String>, usize) -> Value>) -> Vec<String> {
    let toml = source_toml("categories = [\"A\"]");
    let rows = list(&toml, Path::new("."), fake).await.unwrap();
    let who = |row: &Listed| {
        let sample = &row.sample;
        let url = sample.creator_url.as_deref().unwrap_or_default();
        let item = url.strip_prefix("https://www.wikidata.org/wiki/").unwrap();
        format!("{item} {}", sample.creator.as_deref().unwrap_or("-"))
    };
    rows.iter().map(who).collect()
}

#[tokio::test]
async fn an_item_is_called_by_its_label_in_the_first_language_that_has_one() {
    let fake = wiki(7, |number| match number {
        1 => called(&[("de", "Eduard"), ("en", " Edvard Munch ")]),
        2 => called(&[("de", "Das Amt"), ("mul", "The Bureau")]),
        3 => called(&[("en", ""), ("ja", "葛飾北斎")]),
        4 => called(&[("xx", "nobody asked")]),
        5 => json!({"id": "Q5", "missing": ""}),
        6 => json!({"labels": []}),
        _ => called(&[("en", &"ж".repeat(2_000))]),
    });
    let found = creators(&fake).await;
    assert_eq!(
        found[..6],
        [
            "Q1 Edvard Munch",
            "Q2 The Bureau",
            "Q3 葛飾北斎",
            "Q4 -",
            "Q5 -",
            "Q6 -"
        ]
    );
    assert_eq!(found[6].chars().count(), "Q7 ".len() + 1_000);
}

#[tokio::test]
async fn items_are_asked_for_in_fifties_and_each_once() {
    let fake = wiki(120, |number| called(&[("en", &format!("No. {number}"))]));
    let found = creators(&fake).await;
    assert_eq!(found.len(), 120);
    assert_eq!(found[119], "Q120 No. 120");
    let asked = fake.asked.borrow();
    let labels = asked
        .iter()
        .filter(|a| a.get("props").is_some_and(|p| p == "labels"));
    assert_eq!(labels.count(), 3);
}

#[tokio::test]
async fn nobody_is_asked_about_who_is_named_already() {
    let named = |p: &BTreeMap<String, String>, _| {
        if p["action"] == "query" {
            let mut page = file(1);
            page["imageinfo"][0]["extmetadata"] = json!({"Artist": {"value": "<b>Munch</b>"}});
            return json!({"batchcomplete": true, "query": {"pages": [page]}});
        }
        assert_eq!(p["ids"], "M1");
        json!({"entities": {"M1": by("Q41406")}, "success": 1})
    };
    assert_eq!(creators(&Fake::new(named)).await, ["Q41406 Munch"]);
}

#[tokio::test]
async fn a_wiki_that_has_no_items_leaves_them_without_a_name() {
    for code in ["no-such-entity", "badvalue"] {
        let fake = Fake::new(move |p: &BTreeMap<String, String>, _| {
            if p["action"] == "query" {
                return json!({"batchcomplete": true, "query": {"pages": [file(1), file(2)]}});
            }
            if p["ids"].starts_with('Q') {
                return json!({"error": {"code": code, "info": "no such thing here"}});
            }
            json!({"entities": {"M1": by("Q1"), "M2": by("Q2")}, "success": 1})
        });
        assert_eq!(creators(&fake).await, ["Q1 -", "Q2 -"], "{code}");
    }
}

//! Stages, continuation and checkpoints, against a wiki in memory.

use super::*;

fn keys(rows: &[Listed]) -> Vec<&str> {
    rows.iter().map(|r| r.sample.source_key.as_str()).collect()
}

/// Categories: A has B and C, B has A again (a cycle), C has D.
fn tree(params: &BTreeMap<String, String>) -> Value {
    let name = |key: &str| {
        params
            .get(key)
            .map(|t| t.trim_start_matches("Category:").to_owned())
    };
    if let Some(category) = name("cmtitle") {
        let subs: &[&str] = match category.as_str() {
            "A" => &["Category:B", "Category:C"],
            "B" => &["Category:A"],
            "C" => &["Category:D"],
            _ => &[],
        };
        let members: Vec<Value> = subs.iter().map(|t| json!({"ns": 14, "title": t})).collect();
        return json!({"batchcomplete": true, "query": {"categorymembers": members}});
    }
    let category = name("gcmtitle").unwrap();
    let first = 10 * u64::from(category.as_bytes()[0] - b'A');
    let at: u64 = params.get("gcmcontinue").map_or(0, |c| c.parse().unwrap());
    let pages = [file(first + at, &format!("File:{category}{at}.jpg"))];
    if at < 2 && category != "C" {
        let next = (at + 1).to_string();
        json!({"batchcomplete": true, "query": {"pages": pages},
            "continue": {"gcmcontinue": next, "continue": "gcmcontinue||"}})
    } else if category == "C" {
        // Nothing in it: no `query` at all.
        json!({"batchcomplete": true})
    } else {
        json!({"batchcomplete": true, "query": {"pages": pages}})
    }
}

#[tokio::test]
async fn categories_are_followed_to_their_depth_and_cycles_end() {
    for (depth, expected) in [
        (0, vec!["0", "1", "2"]),
        (1, vec!["0", "1", "2", "10", "11", "12"]),
        (9, vec!["0", "1", "2", "10", "11", "12", "30", "31", "32"]),
    ] {
        let fake = Fake::new(|p: &BTreeMap<String, String>, _| tree(p));
        let toml = source_toml(&format!(
            "categories = [\"category:a\"]\ndepth = {depth}\n{NO_ENTITIES}"
        ));
        let rows = list(&toml, Path::new("."), &fake).await.unwrap();
        assert_eq!(keys(&rows), expected, "depth {depth}");
    }
}

#[tokio::test]
async fn the_limit_holds_across_batches() {
    let fake = Fake::new(|p: &BTreeMap<String, String>, _| tree(p));
    let toml = source_toml(&format!("categories = [\"A\"]\nlimit = 2\n{NO_ENTITIES}"));
    let rows = list(&toml, Path::new("."), &fake).await.unwrap();
    assert_eq!(keys(&rows), ["0", "1"]);
    assert_eq!(fake.asked.borrow().len(), 2, "no request after the limit");
}

#[tokio::test]
async fn the_same_checkpoint_gives_the_same_batch() {
    let fake = Fake::new(|p: &BTreeMap<String, String>, _| tree(p));
    let toml = source_toml(&format!("categories = [\"A\"]\ndepth = 3\n{NO_ENTITIES}"));
    let mut checkpoint = None;
    loop {
        let ask = async || {
            let mut source = WikimediaSource::with_answerer(&toml, Path::new("."), &fake).unwrap();
            source.next(checkpoint.as_ref()).await.unwrap()
        };
        let (Some(one), Some(two)) = (ask().await, ask().await) else {
            break;
        };
        assert_eq!(one.listed, two.listed);
        assert_eq!(one.checkpoint, two.checkpoint);
        checkpoint = Some(one.checkpoint);
    }
}

#[tokio::test]
async fn another_question_starts_anew_and_a_broken_checkpoint_is_named() {
    let fake = Fake::new(|p: &BTreeMap<String, String>, _| tree(p));
    let start = |categories: &str| {
        let toml = source_toml(&format!("categories = [{categories}]\n{NO_ENTITIES}"));
        WikimediaSource::with_answerer(&toml, Path::new("."), &fake).unwrap()
    };
    let first = start("\"A\"").next(None).await.unwrap().unwrap();
    let other = start("\"B\"")
        .next(Some(&first.checkpoint))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(keys(&other.listed), ["10"]);
    let error = start("\"A\"")
        .next(Some(&json!({"stage": "x"})))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("start a new run"), "{error}");
}

/// As MediaWiki on SQLite: sorted by time alone, within a second in any order,
/// another one when it goes on, which it does by name.
fn uploads(files: &[(u64, &str)], params: &BTreeMap<String, String>) -> Value {
    let stamp = |second: u64| format!("201510312300{second:02}");
    let (from, name) = match params.get("gaicontinue") {
        Some(next) => next.split_once('|').unwrap(),
        None => ("", ""),
    };
    let limit: usize = params["gailimit"].parse().unwrap();
    let mut left: Vec<_> = files.iter().enumerate().collect();
    if !from.is_empty() {
        left.reverse();
        left.sort_by_key(|(_, (second, _))| *second);
    }
    let mut left = left.into_iter().filter(|(_, (second, n))| {
        let at = stamp(*second);
        at.as_str() > from || (at == from && *n >= name)
    });
    let pages: Vec<Value> = left
        .by_ref()
        .take(limit)
        .map(|(id, (second, name))| {
            let mut page = file(id as u64, &format!("File:{name}"));
            page["imageinfo"][0]["timestamp"] = format!("2015-10-31T23:00:{second:02}Z").into();
            page
        })
        .collect();
    let mut answer = json!({"batchcomplete": true, "query": {"pages": pages}});
    if let Some((_, (second, name))) = left.next() {
        let next = format!("{}|{name}", stamp(*second));
        answer["continue"] = json!({"gaicontinue": next, "continue": "gaicontinue||"});
    }
    answer
}

#[tokio::test]
async fn files_of_one_second_are_listed_once_whatever_their_order() {
    let names = ["e", "b", "d", "a", "c", "f"];
    let seconds: [Vec<u64>; 5] = [
        vec![1, 1, 1, 1, 1, 1],
        vec![1, 2, 2, 2, 2, 3],
        vec![1, 1, 2, 2, 3, 3],
        vec![1, 1, 1, 1, 2, 2],
        vec![1, 2, 3, 4, 5, 6],
    ];
    for seconds in seconds {
        let files: Vec<(u64, &str)> = seconds.iter().copied().zip(names).collect();
        for batch in [1, 2, 3, 5, 6, 500] {
            let fake = Fake::new(|p: &BTreeMap<String, String>, _| uploads(&files, p));
            let toml = source_toml(&format!(
                "uploaded = {{ from = \"2015-10-31T23:00:00Z\", to = \"2015-10-31T23:59:59Z\" }}\n\
                 batch = {batch}\n{NO_ENTITIES}"
            ));
            let rows = list(&toml, Path::new("."), &fake).await.unwrap();
            let mut found = keys(&rows);
            found.sort_unstable();
            let expected = ["0", "1", "2", "3", "4", "5"];
            assert_eq!(found, expected, "batches of {batch}, {seconds:?}");
        }
    }
}

#[tokio::test]
async fn recorded_parts_are_one_batch() {
    // Asked as it was recorded: three parts, then the next batch.
    let fake = Fake::new(|params: &BTreeMap<String, String>, _| {
        let part = match params.get("gucontinue").map(String::as_str) {
            Some("Edvard_Munch_-_Night_in_Nice_(1891).jpg|nowiki|1281339") => "pretty2",
            Some("Niedercunnersdorf_Gartenweg_12.JPG|dewiki|9849507") => "pretty3",
            Some(other) => panic!("{other}"),
            None if params.contains_key("gaicontinue") => {
                return json!({"batchcomplete": ""});
            }
            None => "pretty1",
        };
        recorded(&format!("api/continuation/wmc_{part}.json"))
    });
    let toml = source_toml(&format!(
        "uploaded = {{ from = \"2015-10-31T23:00:00Z\", to = \"2015-10-31T23:59:59Z\" }}\n{NO_ENTITIES}"
    ));
    let rows = list(&toml, Path::new("."), &fake).await.unwrap();
    assert_eq!(rows.len(), 9);
    let asked = fake.asked.borrow();
    assert_eq!(asked.len(), 4);
    assert_eq!(asked[0]["gaistart"], "2015-10-31T23:00:00Z");
    assert_eq!(asked[1]["continue"], "||imageinfo");
    assert_eq!(
        asked[3]["gaicontinue"], "20151031230201|",
        "from its first file on"
    );
    assert!(
        asked
            .iter()
            .all(|a| a["formatversion"] == "2" && a["maxlag"] == "5")
    );
}

#[tokio::test]
async fn continuation_that_leads_nowhere_is_an_error() {
    // Within a batch, recorded: the part comes again and again.
    let within = Fake::new(|_: &BTreeMap<String, String>, _| {
        recorded("api/continuation/wmc_continue_max_iter.json")
    });
    // Between batches: in a circle of three.
    let circle = Fake::new(|p: &BTreeMap<String, String>, _| {
        let at: u64 = p.get("gcmcontinue").map_or(0, |c| c.parse().unwrap());
        json!({"batchcomplete": true, "query": {"pages": [file(at, "File:A.jpg")]},
            "continue": {"gcmcontinue": ((at + 1) % 3).to_string(), "continue": "-"}})
    });
    let toml = source_toml(&format!("categories = [\"A\"]\n{NO_ENTITIES}"));
    let error = list(&toml, Path::new("."), &within)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("leads back to itself"), "{error}");
    let error = list(&toml, Path::new("."), &circle)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("in a circle"), "{error}");
    assert!(circle.asked.borrow().len() < 20);
}

#[tokio::test]
async fn too_many_parts_pages_or_categories_are_an_error() {
    let parts = Fake::new(
        |_: &BTreeMap<String, String>, n| json!({"continue": {"clcontinue": n, "continue": "-"}}),
    );
    let toml = source_toml(&format!("categories = [\"A\"]\ndepth = 1\n{NO_ENTITIES}"));
    let error = list(&toml, Path::new("."), &parts)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("more than 200 parts"), "{error}");
    let pages = Fake::new(|_: &BTreeMap<String, String>, _| {
        let pages: Vec<Value> = (1..=5_001).map(|id| json!({"pageid": id})).collect();
        json!({"query": {"pages": pages}})
    });
    let error = list(&toml, Path::new("."), &pages)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("more than 5000 pages"), "{error}");
    let categories = Fake::new(|p: &BTreeMap<String, String>, n| {
        if !p.contains_key("cmtitle") {
            return json!({"batchcomplete": true});
        }
        let members: Vec<Value> = (0..4_000)
            .map(|i| json!({"title": format!("Category:{n} {i}")}))
            .collect();
        json!({"batchcomplete": true, "query": {"categorymembers": members},
            "continue": {"cmcontinue": n, "continue": "-"}})
    });
    let error = list(&toml, Path::new("."), &categories)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("more than 10000"), "{error}");
    assert!(error.contains("depth"), "{error}");
}

#[tokio::test]
async fn refusals_are_named_and_busy_wikis_waited_for() {
    let busy = Fake::new(|p: &BTreeMap<String, String>, n| match n {
        0..=2 => {
            json!({"error": {"code": "maxlag", "info": "Waiting for db1: 5.2 seconds lagged", "lag": 5.2}})
        }
        _ => tree(p),
    });
    let toml = source_toml(&format!("categories = [\"A\"]\nlimit = 1\n{NO_ENTITIES}"));
    assert_eq!(list(&toml, Path::new("."), &busy).await.unwrap().len(), 1);
    assert_eq!(busy.asked.borrow().len(), 4);
    for (answer, words) in [
        (
            json!({"error": {"code": "maxlag", "info": "lagged"}}),
            "run again later",
        ),
        (
            json!({"error": {"code": "invalidtitle", "info": "Bad title"}}),
            "`invalidtitle`: Bad title",
        ),
        (
            json!({"errors": [{"code": "badgenerator", "text": "Unknown"}]}),
            "does not offer",
        ),
        (json!({"error": "x"}), "`unnamed`"),
        (json!([1, 2]), "no object"),
        (json!({"query": []}), "`query` is no object"),
        (json!({"query": {"pages": 7}}), "neither a list"),
        (json!({"query": {"pages": ["x"]}}), "a page is no object"),
    ] {
        let fake = Fake::new(|_: &BTreeMap<String, String>, _| answer.clone());
        let error = list(&toml, Path::new("."), &fake)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
        assert!(
            error.contains("https://commons.wikimedia.org/w/api.php?"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn structured_data_comes_in_fifties_and_a_bad_id_spoils_only_itself() {
    let fake = Fake::new(|p: &BTreeMap<String, String>, _| {
        if p["action"] == "query" {
            let pages: Vec<Value> = (1..=60)
                .map(|id| file(id, &format!("File:{id}.jpg")))
                .collect();
            return json!({"batchcomplete": true, "query": {"pages": pages}});
        }
        let ids: Vec<&str> = p["ids"].split('|').collect();
        assert!(ids.len() <= 50);
        if ids.contains(&"M7") {
            return json!({"error": {"code": "no-such-entity", "info": "x", "id": "M7"}});
        }
        let statement = recorded("structured-data/license_cc_by_2.0.json");
        let entity = |id: &&str| match *id {
            "M9" => ((*id).to_owned(), json!({"id": id, "missing": ""})),
            _ => (
                (*id).to_owned(),
                json!({"id": id, "statements": {"P275": [statement]}}),
            ),
        };
        json!({"entities": ids.iter().map(entity).collect::<Map<String, Value>>(), "success": 1})
    });
    let toml = source_toml("categories = [\"A\"]");
    let rows = list(&toml, Path::new("."), &fake).await.unwrap();
    assert_eq!(rows.len(), 60);
    for row in &rows {
        let expected = !["7", "9"].contains(&row.sample.source_key.as_str());
        assert_eq!(
            row.sample.licence.is_some(),
            expected,
            "{}",
            row.sample.source_key
        );
    }
}

#[tokio::test]
async fn a_wiki_without_structured_data_is_asked_once() {
    let fake = Fake::new(
        |p: &BTreeMap<String, String>, _| match p["action"].as_str() {
            "wbgetentities" => json!({"error": {"code": "badvalue", "info": "Unrecognized value"}}),
            _ => tree(p),
        },
    );
    let toml = source_toml("categories = [\"A\"]");
    let mut source = WikimediaSource::with_answerer(&toml, Path::new("."), &fake).unwrap();
    let mut checkpoint = None;
    let mut count = 0;
    while let Some(batch) = source.next(checkpoint.as_ref()).await.unwrap() {
        count += batch.listed.len();
        checkpoint = Some(batch.checkpoint);
    }
    assert_eq!(count, 3);
    let asked = fake.asked.borrow();
    assert_eq!(
        asked
            .iter()
            .filter(|a| a["action"] == "wbgetentities")
            .count(),
        1
    );
}

#[tokio::test]
async fn a_page_that_slips_into_a_later_part_is_asked_for_again() {
    let fake = Fake::new(|p: &BTreeMap<String, String>, n| match n {
        0 => json!({"query": {"pages": [file(1, "File:A.jpg"), file(2, "File:B.jpg")]},
            "continue": {"clcontinue": "1|x", "continue": "||info"}}),
        1 => json!({"batchcomplete": true, "query": {"pages": [
            {"pageid": 1, "ns": 6, "title": "File:A.jpg", "categories": [{"title": "Category:X"}]},
            {"pageid": 3, "ns": 6, "title": "File:C.jpg"}]}}),
        _ => {
            assert_eq!(p["pageids"], "3");
            json!({"batchcomplete": true, "query": {"pages": [file(3, "File:C.jpg")]}})
        }
    });
    let toml = source_toml(&format!("search = \"x\"\n{NO_ENTITIES}"));
    let rows = list(&toml, Path::new("."), &fake).await.unwrap();
    assert_eq!(keys(&rows), ["1", "2", "3"]);
    assert!(rows.iter().all(|r| matches!(r.media, MediaRef::Url(_))));
    assert_eq!(rows[0].sample.labels[0].label, "X");
}

#[tokio::test]
async fn near_points_page_ids_and_long_titles() {
    let fake = Fake::new(|p: &BTreeMap<String, String>, _| {
        if let Some(ids) = p.get("pageids") {
            let pages: Vec<Value> = ids
                .split('|')
                .map(|id| json!({"pageid": id.parse::<u64>().unwrap(), "missing": true}))
                .collect();
            return json!({"batchcomplete": true, "query": {"pages": pages}});
        }
        if let Some(titles) = p.get("titles") {
            let pages: Vec<Value> = titles
                .split('|')
                .enumerate()
                .map(|(i, t)| file(100 + i as u64, t))
                .collect();
            return json!({"batchcomplete": true, "query": {"pages": pages}});
        }
        assert_eq!(p["ggscoord"], "-1.5|36.25");
        let mut page = file(1, "File:A.jpg");
        page["coordinates"] = json!([{"lat": 1, "lon": 2, "globe": "moon"}, {"lat": -1.5, "lon": 36.2, "globe": "earth"}]);
        json!({"batchcomplete": true, "query": {"pages": [page]}})
    });
    let long: Vec<String> = (0..40)
        .map(|i| format!("\"{}{i}.jpg\"", "ж".repeat(100)))
        .collect();
    let toml = source_toml(&format!(
        "page_ids = [{}]\ntitles = [{}]\ngeosearch = [{{ latitude = -1.5, longitude = 36.25, radius_m = 500 }}]\n{NO_ENTITIES}",
        (1..=60)
            .map(|i| i.to_string())
            .collect::<Vec<_>>()
            .join(","),
        long.join(",")
    ));
    let rows = list(&toml, Path::new("."), &fake).await.unwrap();
    assert_eq!(rows.len(), 1 + 40 + 60);
    assert_eq!(rows[0].sample.longitude, Some(36.2));
    assert_eq!(rows[0].sample.place_origin, Some(PlaceOrigin::Geodata));
    assert_eq!(rows[100].sample.reasons, [Reason::UpstreamMissing]);
    assert_eq!(rows[100].sample.source_key, "60");
}

#[test]
fn nobody_starts_without_a_question_or_a_contact() {
    let fake = Fake::new(|_: &BTreeMap<String, String>, _| json!({}));
    let error = |text: &str| {
        let toml = SourceToml::parse(&format!("dataset = \"d\"\nsource = \"s\"\n{text}")).unwrap();
        match WikimediaSource::with_answerer(&toml, Path::new("."), &fake) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    };
    let ask = "[wikimedia]\ncategories = [\"A\"]\n";
    assert!(error(ask).contains("set `user_agent` in `[fetch]`"));
    assert!(error(&format!("[fetch]\nuser_agent = \"me/1.0\"\n{ask}")).contains("user_agent"));
    assert_eq!(
        error(&format!(
            "[fetch]\nuser_agent = \"me/1.0 (me@example.org)\"\n{ask}"
        )),
        ""
    );
    // Other wikis are asked as we are.
    assert_eq!(
        error(&format!("{ask}api = \"http://wiki.example/api.php\"")),
        ""
    );
    assert!(error(&format!("{ask}api = \"wiki.example\"")).contains("not an http(s) address"));
    assert!(error(&format!("{ask}api = \"http://a.example/api.php?x=1\"")).contains("without `?`"));
    assert!(
        error("[wikimedia]\napi = \"http://wiki.example/api.php\"")
            .contains("nothing is asked for")
    );
}

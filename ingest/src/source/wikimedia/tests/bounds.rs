//! Where a wiki's own limits end a listing, and what is left out on purpose.

use super::*;

fn file(id: u64) -> Value {
    json!({"pageid": id, "ns": 6, "title": format!("File:{id}.jpg"), "imagerepository": "local",
        "imageinfo": [{"url": format!("https://upload.wikimedia.org/{id}.jpg"), "mediatype": "BITMAP"}]})
}

/// Rows and messages of a whole listing.
async fn all(
    toml: &SourceToml,
    answer: impl Fn(&BTreeMap<String, String>, usize) -> Value,
) -> Result<(usize, Vec<String>), SourceError> {
    let fake = Fake::new(answer);
    let (mut rows, mut messages, mut checkpoint) = (0, Vec::new(), None);
    loop {
        let mut source = WikimediaSource::with_answerer(toml, Path::new("."), &fake)?;
        let Some(batch) = source.next(checkpoint.as_ref()).await? else {
            return Ok((rows, messages));
        };
        rows += batch.listed.len();
        messages.extend(batch.messages);
        checkpoint = Some(batch.checkpoint);
    }
}

/// A search with so many results, shown up to 10,000 as CirrusSearch does.
fn results(params: &BTreeMap<String, String>, total: u64, refuses: bool) -> Value {
    let from: u64 = params.get("gsroffset").map_or(0, |o| o.parse().unwrap());
    let limit: u64 = params["gsrlimit"].parse().unwrap();
    if from >= 10_000 && refuses {
        return json!({"error": {"code": "cirrussearch-offset-too-large",
            "info": "Could not retrieve results. Up to 10000 search results are supported."}});
    }
    let to = (from + limit).min(total).min(10_000);
    let pages: Vec<Value> = (from..to).map(file).collect();
    let mut answer = json!({"batchcomplete": true, "query": {"pages": pages}});
    let goes_on = if refuses { total } else { total.min(10_000) };
    if to < goes_on {
        answer["continue"] = json!({"gsroffset": to, "continue": "gsroffset||"});
    }
    answer
}

#[tokio::test]
async fn a_search_that_is_cut_says_so_and_what_to_do() {
    let toml = source_toml("search = \"bridge\"\nbatch = 400\nstructured_data = false\n");
    for refuses in [true, false] {
        let (rows, messages) = all(&toml, |p, _| results(p, 25_000, refuses))
            .await
            .unwrap();
        assert_eq!(rows, 10_000, "{refuses}");
        let [message] = &messages[..] else {
            panic!("{messages:?}");
        };
        assert!(
            message.starts_with("commons: the wiki's search ends at result 10000")
                && message.contains("narrow `search`"),
            "{message}"
        );
    }
    let (rows, messages) = all(&toml, |p, _| results(p, 9_300, true)).await.unwrap();
    assert_eq!((rows, messages), (9_300, Vec::new()));
}

#[tokio::test]
async fn a_search_that_is_refused_before_its_limit_is_an_error() {
    let toml = source_toml("search = \"bridge\"\nbatch = 400\nstructured_data = false\n");
    let error = all(&toml, |p, n| match n {
        0..3 => results(p, 25_000, true),
        _ => json!({"error": {"code": "internal_api_error", "info": "x"}}),
    });
    let error = error.await.unwrap_err().to_string();
    assert!(error.contains("internal_api_error"), "{error}");
}

#[tokio::test]
async fn a_full_circle_says_that_there_may_be_more() {
    let toml = source_toml(
        "geosearch = [{ latitude = 1.5, longitude = 2.0, radius_m = 500 }]\nstructured_data = false\n",
    );
    let near = |n: u64| {
        move |_: &BTreeMap<String, String>, _| {
            let pages: Vec<Value> = (1..=n).map(file).collect();
            json!({"batchcomplete": true, "query": {"pages": pages}})
        }
    };
    let (rows, messages) = all(&toml, near(500)).await.unwrap();
    assert_eq!((rows, messages.len()), (500, 1));
    assert!(
        messages[0].contains("near 1.5, 2 there may be more"),
        "{messages:?}"
    );
    assert_eq!(all(&toml, near(499)).await.unwrap().1, Vec::<String>::new());
}

/// A has B and C; B has D; C has B and E.
fn tree(params: &BTreeMap<String, String>) -> Value {
    let name = |key: &str| Some(params.get(key)?.trim_start_matches("Category:").to_owned());
    if let Some(category) = name("cmtitle") {
        let below: &[&str] = match category.as_str() {
            "A" => &["B", "C"],
            "B" => &["D"],
            "C" => &["B", "E"],
            _ => &[],
        };
        let member = |name: &&str| json!({"ns": 14, "title": format!("Category:{name}")});
        let members: Vec<Value> = below.iter().map(member).collect();
        return json!({"batchcomplete": true, "query": {"categorymembers": members}});
    }
    let category = name("gcmtitle").unwrap();
    let page = file(u64::from(category.as_bytes()[0] - b'A'));
    json!({"batchcomplete": true, "query": {"pages": [page]}})
}

#[tokio::test]
async fn an_excluded_category_is_not_entered_nor_what_only_it_leads_to() {
    for (excluded, expected) in [
        ("", vec!["0", "1", "2", "3", "4"]),
        ("\"category:b\"", vec!["0", "2", "4"]),
        ("\"C\"", vec!["0", "1", "3"]),
        ("\"B\", \"Category:C\"", vec!["0"]),
        ("\"A\"", vec![]),
    ] {
        let toml = source_toml(&format!(
            "categories = [\"A\"]\ndepth = 5\nexclude_categories = [{excluded}]\nstructured_data = false\n"
        ));
        let fake = Fake::new(|p: &BTreeMap<String, String>, _| tree(p));
        let rows = list(&toml, Path::new("."), &fake).await.unwrap();
        let keys: Vec<&str> = rows.iter().map(|r| r.sample.source_key.as_str()).collect();
        assert_eq!(keys, expected, "{excluded}");
    }
}

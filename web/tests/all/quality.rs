//! Quality by group: figures against a plain recount, whom what is shown to, and what is refused.

use std::{collections::BTreeMap, fs};

use crate::support::{
    Release,
    site::{Browser, Site},
};
use axum::http::{Method, StatusCode};
use fairframe_eval::intervals::wilson;
use fairframe_schemas::{
    Layout, MediaType, Reason, Sample, source::About, text::percent, version::Change,
};
use fairframe_web::state::accounts::Role;

/// Rows of three regions and none, whose sharpness and luminance hang on where they are from.
fn rows() -> Vec<Sample> {
    let of = |at: usize| {
        let mut s = Sample::new("drop", &format!("{at}.jpg"), MediaType::Image);
        let (region, country) = match at % 10 {
            0..4 => (Some("Africa"), Some("NG")),
            4..8 => (Some("Europe"), Some("IT")),
            8 if at < 150 => (Some("Oceania"), Some("FJ")),
            _ => (None, None),
        };
        s.region = region.map(str::to_owned);
        s.country = country.map(str::to_owned);
        s.licence = Some("CC0-1.0".to_owned());
        let light = (at * 37 % 100) as f64 / 100.0;
        s.luminance = Some(match region {
            Some("Africa") => light * light,
            _ => light,
        });
        s.sharpness = (!at.is_multiple_of(7)).then_some((at * 13 % 101) as f64 * 10.0);
        (s.width, s.height) = (Some(100 + at as i32), Some(400));
        s.title = Some(format!("<b>number</b> {at}"));
        if at.is_multiple_of(29) {
            s.add_reason(Reason::LicenceContradiction);
        }
        s
    };
    (0..300).map(of).collect()
}

fn publish(layout: &Layout, samples: Vec<Sample>) {
    let release = Release {
        dataset: "photos",
        version: "1.0.0",
        previous: None,
        change: Change::None,
        about: About::default(),
        samples,
        recall: None,
    };
    crate::support::publish(layout, release);
}

const PAGE: &str = "/datasets/photos/1.0.0/quality";

/// A page, once its index is there.
async fn page(browser: &mut Browser, path: &str) -> String {
    loop {
        let answer = browser.get(path).await;
        if answer.status != StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
            return answer.text().to_owned();
        }
    }
}

/// The rows of the table: the group, then the text of the other cells without marks.
fn table(text: &str) -> Vec<Vec<String>> {
    let body = text.split("<tbody>").nth(1).unwrap();
    let body = body.split("</tbody>").next().unwrap();
    let plain = |cell: &str| {
        let mut out = String::new();
        let mut inside = false;
        for c in cell.chars() {
            match c {
                '<' => inside = true,
                '>' => inside = false,
                c if !inside => out.push(c),
                _ => {}
            }
        }
        out.trim().to_owned()
    };
    let rows = body.split("<tr>").skip(1);
    rows.map(|row| {
        let row = row.replace("<span class=\"soft about\">", "|");
        let cells = row.split("</th>").flat_map(|part| part.split("</td>"));
        cells
            .map(plain)
            .filter(|c| !c.is_empty() && c != "</tr>")
            .collect()
    })
    .collect()
}

/// The first number of samples that a page of samples says it found.
fn found(page: &str) -> u64 {
    let count = page.split(" of ").nth(1).unwrap();
    let count = page
        .split("<p class=\"count\">")
        .nth(1)
        .map_or(count, |p| p.split(" of ").nth(1).unwrap());
    let digits = count
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '\u{202f}');
    let digits: String = digits.filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[tokio::test]
async fn shares_are_those_of_a_plain_recount_and_their_links_lead_to_the_same_samples() {
    let site = Site::new().await;
    let samples = rows();
    publish(&site.layout, samples.clone());
    let mut visitor = site.visitor();
    type Number = fn(&Sample) -> Option<f64>;
    let pixels: Number = |s| Some(f64::from(s.width?) * f64::from(s.height?));
    let longer: Number = |s| {
        let (w, h) = (f64::from(s.width?), f64::from(s.height?));
        Some(w.max(h) / w.min(h))
    };
    let cases: [(&str, Number, f64, f64, bool); 4] = [
        ("luminance", |s| s.luminance, 0.25, 0.25, false),
        ("sharpness", |s| s.sharpness, 300.0, 300.0, false),
        ("pixels", pixels, 0.1, 100_000.0, false),
        ("elongation", longer, 2.0, 2.0, true),
    ];
    for (key, number, at, edge, over) in cases {
        let path = format!("{PAGE}?measure={key}&at={at}&least=20");
        let text = page(&mut visitor, &path).await;
        let mut expected: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
        for s in samples.iter().filter(|s| s.reasons.is_empty()) {
            let entry = expected.entry(s.region.as_deref().unwrap_or("unknown"));
            let (falls, n, unknown) = entry.or_default();
            match number(s) {
                Some(v) => {
                    *n += 1;
                    *falls += u64::from(if over { v >= edge } else { v <= edge });
                }
                None => *unknown += 1,
            }
        }
        let rows = table(&text);
        assert_eq!(rows.len(), expected.len(), "{key}: {rows:?}");
        for row in &rows {
            let name = row[0].split('|').next().unwrap();
            let (falls, n, unknown) = expected[name];
            if unknown > 0 {
                assert!(
                    row[0].ends_with(&format!("{unknown} not measured")),
                    "{row:?}"
                );
            }
            if n < 20 {
                assert_eq!(
                    row[1..],
                    ["too few".to_owned(), n.to_string()],
                    "{key}: {name}"
                );
                continue;
            }
            let (low, high) = wilson(falls as f64, n, 0.95).unwrap();
            let share = format!(
                "{} ({:.1} to {:.1}%)",
                percent(falls, n),
                low * 100.0,
                high * 100.0
            );
            assert_eq!(
                row[1..],
                [falls.to_string(), n.to_string(), share],
                "{key}: {name}"
            );
        }
        // The link of each group leads to as many samples.
        let links = text
            .split("<a href=\"")
            .skip(1)
            .filter_map(|l| l.split_once('"'));
        let links: Vec<(String, String)> = links
            .map(|(link, rest)| (link, rest.split('>').next().unwrap()))
            .filter(|(_, rest)| rest.contains("aria-label=\""))
            .map(|(link, rest)| {
                let label = rest.split("aria-label=\"").nth(1).unwrap();
                let label = label.split('"').next().unwrap();
                (link.replace("&#38;", "&"), label.to_owned())
            })
            .filter(|(link, label)| link.contains("/samples?") && label.contains(" of "))
            .collect();
        assert!(!links.is_empty(), "{key}");
        for (link, label) in links {
            let (falls, _) = label.split_once(" of ").unwrap();
            let samples = page(&mut visitor, &link).await;
            assert_eq!(found(&samples).to_string(), falls, "{key}: {link}");
        }
    }
}

#[tokio::test]
async fn a_threshold_that_takes_out_one_region_is_said_so() {
    let site = Site::new().await;
    publish(&site.layout, rows());
    let mut visitor = site.visitor();
    let text = page(&mut visitor, &format!("{PAGE}?measure=luminance&at=0.25")).await;
    let verdict = text.split("verdict\">").nth(1).unwrap();
    let verdict = verdict.split("</p>").next().unwrap();
    assert!(
        verdict.contains("of the samples from Africa and"),
        "{verdict}"
    );
    assert!(verdict.contains("more than chance"), "{verdict}");
    // Sharpness does not hang on the region.
    let text = page(&mut visitor, &format!("{PAGE}?measure=sharpness&at=300")).await;
    assert!(text.contains("differ as much by chance"), "{text}");
    // One group alone is compared with nothing.
    let text = page(&mut visitor, &format!("{PAGE}?by=licence")).await;
    assert!(text.contains("nothing to compare"), "{text}");
    let text = page(&mut visitor, &format!("{PAGE}?region=Africa&at=1e300")).await;
    assert!(text.contains("100.0%"), "{text}");
}

#[tokio::test]
async fn curators_see_what_stands_and_everybody_the_same_figures() {
    let site = Site::new().await;
    publish(&site.layout, rows());
    let path = format!("{PAGE}?measure=luminance&at=0.25");
    let open = page(&mut site.visitor(), &path).await;
    let mut seen = Vec::new();
    for (name, roles) in [
        ("mira", vec![(Role::Curator, Some("photos"))]),
        ("olaf", vec![(Role::Curator, Some("other"))]),
        ("rhea", vec![(Role::Researcher, None)]),
        ("pia", vec![(Role::Participant, None)]),
        ("hana", vec![(Role::Host, None)]),
        ("ada", vec![(Role::Admin, None)]),
    ] {
        let mut member = site.member(name, &roles).await;
        let text = page(&mut member, &path).await;
        assert_eq!(table(&text), table(&open), "{name}");
        seen.push((name, text.contains("decide about them at once")));
        let answer = member.ask(Method::POST, &path, &[], "").await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{name}");
    }
    assert_eq!(seen[0], ("mira", true));
    assert!(seen[1..5].iter().all(|(_, decides)| !decides), "{seen:?}");
    assert!(!open.contains("decide about them at once"));

    // What a curator rejects counts no more, for curators; to others it stands as released.
    let mut mira = site
        .member("mira2", &[(Role::Curator, Some("photos"))])
        .await;
    let text = page(
        &mut mira,
        "/datasets/photos/1.0.0/samples?status=accepted&luminance-max=0.25&region=Africa",
    )
    .await;
    let held = found(&text).to_string();
    let fields = [
        ("change", "reject"),
        ("filter", "status=accepted&luminance-max=0.25&region=Africa"),
        ("held", held.as_str()),
        ("why", "too dark"),
    ];
    let answer = mira.post("/datasets/photos/decide", &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    let text = page(&mut mira, &path).await;
    let africa = table(&text).into_iter().find(|r| r[0] == "Africa").unwrap();
    assert_eq!(africa[1], "0", "{africa:?}");
    assert_eq!(table(&page(&mut site.visitor(), &path).await), table(&open));
}

#[tokio::test]
async fn what_was_not_measured_or_was_withdrawn_is_in_no_share() {
    let site = Site::new().await;
    crate::support::demo(&site.layout);
    let path = "/datasets/photos/2.0.0/quality";
    // The demo's photos come from before the measures.
    let text = page(&mut site.visitor(), path).await;
    assert!(
        text.contains("None of the 2 samples was measured"),
        "{text}"
    );
    assert!(!text.contains("iguana"));

    // A release of the first format, as it was written then.
    let folder = crate::support::project().join("ingest/tests/data/format-1");
    for name in ["part-00000.parquet", "excluded.parquet"] {
        let to = site.layout.release(
            &fairframe_schemas::Name::new("photos").unwrap(),
            crate::support::version("1.0.0"),
        );
        fs::copy(folder.join(name), to.join(name)).unwrap();
    }
    let mut visitor = site.visitor();
    let text = page(&mut visitor, PAGE).await;
    assert!(
        text.contains("None of the 3 samples was measured"),
        "{text}"
    );
    let text = page(&mut visitor, &format!("{PAGE}?measure=pixels")).await;
    assert!(text.contains("Of all 3 measured samples"), "{text}");
    let text = page(
        &mut visitor,
        "/datasets/photos/1.0.0/samples?sharpness-min=1",
    )
    .await;
    assert!(text.contains("No sample is meant"), "{text}");
}

#[tokio::test]
async fn a_slider_asks_for_a_share_of_all_and_works_without_a_script() {
    let site = Site::new().await;
    publish(&site.layout, rows());
    let mut visitor = site.visitor();
    let field = |text: &str, name: &str| {
        let tag = text
            .split("<input ")
            .find(|t| t.contains(&format!("name=\"{name}\"")));
        let value = tag.unwrap().split("value=\"").nth(1).unwrap();
        value.split('"').next().unwrap().to_owned()
    };
    for measure in ["luminance", "elongation"] {
        let asked = format!("{PAGE}?measure={measure}&by=country&share=20");
        let text = page(&mut visitor, &asked).await;
        assert!(text.contains("<input type=\"range\" name=\"share\" min=\"0.5\" max=\"50\""));
        assert_eq!(field(&text, "share"), "20");
        // The number that it comes to says the same, and the slider stands where the number is.
        let at = field(&text, "at");
        let same = page(
            &mut visitor,
            &format!("{PAGE}?measure={measure}&by=country&at={at}"),
        )
        .await;
        assert_eq!(table(&text), table(&same), "{measure}");
        let all = text.split("measured samples, ").nth(1).unwrap();
        let share: f64 = all.split('%').next().unwrap().parse().unwrap();
        assert!((share - 20.0).abs() < 2.0, "{measure}: {share}");
        assert_eq!(
            field(&same, "share"),
            ((2.0 * share).round() / 2.0).to_string()
        );
        // Another measure is asked for as large a share.
        assert!(
            text.contains("measure=sharpness&#38;by=country&#38;share=20"),
            "{text}"
        );
    }
    let script = visitor.get("/assets/quality.js").await;
    assert_eq!(script.status, StatusCode::OK);
    assert!(script.text().contains("./follow.js"));
    assert_eq!(
        visitor.get("/assets/follow.js").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_what_is_hostile_is_shown_as_text() {
    let site = Site::new().await;
    let mut samples = rows();
    for s in &mut samples {
        s.region = Some("<script>alert(1)</script>".to_owned());
    }
    publish(&site.layout, samples);
    let mut visitor = site.visitor();
    let text = page(&mut visitor, PAGE).await;
    assert!(!text.contains("<script>alert"), "{text}");
    assert!(text.contains("&#60;script&#62;alert(1)"));
    let text = page(
        &mut visitor,
        &format!("{PAGE}?text=%22%3E%3Cscript%3Ealert(2)"),
    )
    .await;
    assert!(!text.contains("<script>alert"), "{text}");
    for query in [
        "measure=colour",
        "measure=%00",
        "by=creator",
        "by=subject",
        "at=NaN",
        "at=-1",
        "at=inf",
        "at=1e999",
        "at=0x10",
        "share=0",
        "share=100",
        "share=NaN",
        "share=-5",
        "least=0",
        "least=-3",
        "least=99999999999999999999999",
        "page=2",
        "luminance-max=dark",
        &format!("text={}", "x".repeat(9000)),
    ] {
        let answer = visitor.get(&format!("{PAGE}?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(!answer.text().contains("panicked"));
    }
    for path in [
        "/datasets/nothing/1.0.0/quality",
        "/datasets/photos/9.0.0/quality",
        "/datasets/photos/1.0/quality",
        "/datasets/..%2Fphotos/1.0.0/quality",
    ] {
        assert_eq!(
            visitor.get(path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

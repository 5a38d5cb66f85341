//! Map and coverage, in process: the numbers against a recount of the rows, who sees what, and what
//! strangers write.

mod askers;
mod coverage;

use std::collections::BTreeMap;

use crate::support::site::{Answer, Browser, Site};
use axum::http::{StatusCode, header};
use chrono::Datelike;
use fairframe_ingest::place::Gazetteer;
use fairframe_schemas::{
    CapturedPrecision, Label, Layout, MediaType, Reason, Sample, SampleId, Status, source::About,
    version::Change,
};
use fairframe_web::state::{accounts::Role, audit};
use proptest::prelude::*;

const BASE: &str = "/datasets/places/1.0.0";
const SCRIPT: &str = "<script>alert(1)</script>\"' onmouseover=\"x";
const COUNTRIES: [&str; 8] = ["IT", "FR", "KE", "NG", "BR", "JP", "SG", "FJ"];

/// A page, once its index is there.
async fn ready(browser: &mut Browser, path: &str) -> Answer {
    loop {
        let answer = browser.get(path).await;
        if answer.status != StatusCode::SERVICE_UNAVAILABLE {
            return answer;
        }
    }
}

async fn ok(browser: &mut Browser, path: &str) -> Answer {
    let answer = ready(browser, path).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    answer
}

/// Rows that a seed makes: places with and without coordinates, on edges of squares among them.
fn samples(seed: u64, rows: u64) -> Vec<Sample> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = move |n: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) % n
    };
    let row = |at: u64| {
        let mut s = Sample::new("odd", &at.to_string(), MediaType::Image);
        s.title = Some(format!("{SCRIPT} {at}"));
        s.licence = Some("CC0-1.0".to_owned());
        if below(5) > 0 {
            let code = COUNTRIES[(below(9) * below(8) / 8) as usize];
            let country = Gazetteer::bundled().by_code(code).unwrap();
            s.country = Some(country.alpha2.clone());
            s.subregion = country.subregion.clone();
            s.region = country.region.clone();
        }
        if below(3) > 0 {
            s.latitude = Some(below(361) as f64 / 2.0 - 90.0);
            s.longitude = Some(below(721) as f64 / 2.0 - 180.0);
        }
        if below(4) > 0 {
            let year = 1950 + below(60);
            s.captured_at = Some(format!("{year}-12-31T23:59:59Z").parse().unwrap());
            s.captured_precision = Some(CapturedPrecision::Second);
        }
        s.labels = ["tree", SCRIPT, "=1+1"][..below(4) as usize]
            .iter()
            .map(|label| Label {
                label: (*label).to_owned(),
                confidence: None,
                origin: "human".to_owned(),
            })
            .collect();
        match below(6) {
            0 => s.add_reason(Reason::LicenceMissing),
            1 => s.add_reason(Reason::DuplicateExact),
            _ => {}
        }
        s
    };
    (0..rows).map(row).collect()
}

fn publish(
    layout: &Layout,
    version: &'static str,
    previous: Option<&'static str>,
    samples: &[Sample],
) {
    let release = crate::support::Release {
        dataset: "places",
        version,
        previous,
        change: Change::None,
        about: About::default(),
        samples: samples.to_vec(),
        recall: None,
    };
    crate::support::publish(layout, release);
}

struct Desk {
    site: Site,
    samples: Vec<Sample>,
    mira: Browser,
    nobody: Browser,
}

impl Desk {
    async fn new(samples: Vec<Sample>) -> Self {
        let site = Site::new().await;
        publish(&site.layout, "1.0.0", None, &samples);
        let mira = site
            .member("mira", &[(Role::Curator, Some("places"))])
            .await;
        let nobody = site.visitor();
        Self {
            site,
            samples,
            mira,
            nobody,
        }
    }

    /// Rows of a table of numbers.
    async fn table(&mut self, curator: bool, path: &str) -> Vec<BTreeMap<String, String>> {
        let browser = if curator {
            &mut self.mira
        } else {
            &mut self.nobody
        };
        let answer = ok(browser, &format!("{BASE}/{path}")).await;
        assert!(
            answer
                .header(header::CONTENT_DISPOSITION)
                .starts_with("attachment; filename=\"places-1.0.0-")
        );
        let mut reader = csv::Reader::from_reader(&answer.bytes[..]);
        reader.deserialize().map(Result::unwrap).collect()
    }

    /// How many samples the page of samples says a link of ours leads to.
    async fn led_to(&mut self, curator: bool, link: &str) -> u64 {
        let browser = if curator {
            &mut self.mira
        } else {
            &mut self.nobody
        };
        let page = ok(browser, link).await;
        let text = page.text();
        if text.contains("No sample is meant") {
            return 0;
        }
        let count = text.split("class=\"soft\">").nth(1).unwrap();
        let count = count
            .split(" of ")
            .nth(1)
            .unwrap()
            .split([' ', '.'])
            .next()
            .unwrap();
        let digits: String = count.chars().filter(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    }
}

fn is_accepted(s: &&Sample) -> bool {
    s.status == Status::Accepted
}

fn recount<'a, K: Ord>(
    samples: impl Iterator<Item = &'a Sample>,
    key: impl Fn(&Sample) -> K,
) -> BTreeMap<K, u64> {
    let mut counts = BTreeMap::new();
    for sample in samples {
        *counts.entry(key(sample)).or_default() += 1;
    }
    counts
}

/// The south-west corner of a sample's square, as the table writes it.
fn square(s: &Sample, degrees: f64) -> String {
    let (Some(latitude), Some(longitude)) = (s.latitude, s.longitude) else {
        return String::new();
    };
    let corner = |v: f64, span: f64| {
        ((v + span) / degrees)
            .floor()
            .min(2.0 * span / degrees - 1.0)
            * degrees
            - span
    };
    format!("{} {}", corner(latitude, 90.0), corner(longitude, 180.0))
}

fn place(s: &Sample, by: &str) -> String {
    match by {
        "country" => s.country.clone().unwrap_or_default(),
        "subregion" => s.subregion.clone().unwrap_or_default(),
        "region" => s.region.clone().unwrap_or_default(),
        squares => square(
            s,
            squares.strip_prefix("squares-").unwrap().parse().unwrap(),
        ),
    }
}

/// Links of a page's table with the count that stands beside each.
fn rows(page: &Answer) -> Vec<(String, u64)> {
    let body = page.text().split("<tbody>").nth(1).unwrap();
    let rows = body.split("<tr>").skip(1);
    rows.map(|row| {
        let link = row
            .split("href=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let count = row
            .split("<td class=\"num\">")
            .nth(1)
            .unwrap()
            .split('<')
            .next()
            .unwrap();
        let digits: String = count.chars().filter(char::is_ascii_digit).collect();
        (link.replace("&#38;", "&"), digits.parse().unwrap())
    })
    .collect()
}

/// The words of each cell of a page's table.
fn cells(page: &Answer) -> Vec<Vec<String>> {
    let body = page.text().split("<tbody>").nth(1).unwrap();
    let body = body.split("</tbody>").next().unwrap();
    let words = |cell: &str| {
        let parts = cell.split('<').map(|part| part.rsplit('>').next().unwrap());
        parts.collect::<String>().trim().to_owned()
    };
    let rows = body.split("<tr>").skip(1);
    rows.map(|row| {
        let cells = row.split("<t").skip(1);
        cells.map(|cell| words(&format!("<{cell}"))).collect()
    })
    .collect()
}

#[test]
fn the_numbers_are_those_of_the_rows() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(
        proptest::test_runner::Config {
            cases: 6,
            failure_persistence: None,
            ..Default::default()
        },
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    let cases = (any::<u64>(), 0u64..400, 1950i32..2010);
    let outcome = runner.run(&cases, |(seed, rows, year)| {
        runtime.block_on(holds(samples(seed, rows), year));
        Ok(())
    });
    outcome.unwrap();
}

async fn holds(samples: Vec<Sample>, year: i32) {
    let mut desk = Desk::new(samples).await;
    let all = desk.samples.clone();
    for by in [
        "country",
        "subregion",
        "region",
        "squares-10",
        "squares-5",
        "squares-2",
        "squares-1",
    ] {
        for curator in [false, true] {
            let seen = |s: &&Sample| curator || is_accepted(s);
            let from_year = |s: &&Sample| s.captured_at.is_some_and(|at| at.year() >= year);
            let query = format!("map.csv?by={by}&captured-min={year}");
            let found = desk.table(curator, &query).await;
            let seen: Vec<&Sample> = all.iter().filter(seen).filter(from_year).collect();
            let counts = recount(seen.iter().copied(), |s| place(s, by));
            let refused = recount(seen.iter().copied().filter(|s| !is_accepted(s)), |s| {
                place(s, by)
            });
            let told: BTreeMap<String, u64> = found
                .iter()
                .map(|row| {
                    (
                        row["place"].trim_start_matches('\'').to_owned(),
                        row["samples"].parse().unwrap(),
                    )
                })
                .collect();
            assert_eq!(told, counts, "{by}");
            for row in &found {
                let place = row["place"].trim_start_matches('\'');
                let own = refused.get(place).copied().unwrap_or(0);
                assert_eq!(
                    row.get("not_accepted").cloned(),
                    curator.then(|| own.to_string())
                );
            }
        }
    }
    // Coverage: what there is, what is wanted.
    let accepted: Vec<&Sample> = all.iter().filter(is_accepted).collect();
    for (by, uniform) in [("country", true), ("subregion", false), ("region", true)] {
        let target = if uniform { "uniform" } else { "population" };
        let path = format!("{BASE}/coverage/wish-list.json?by={by}&target={target}&size=1000");
        let answer = ok(&mut desk.nobody, &path).await;
        let list: serde_json::Value = serde_json::from_slice(&answer.bytes).unwrap();
        let counts = recount(accepted.iter().copied(), |s| place(s, by));
        let known: u64 = counts
            .iter()
            .filter(|(k, _)| !k.is_empty())
            .map(|(_, n)| n)
            .sum();
        assert_eq!(list["have"], known);
        assert_eq!(list["place_unknown"], counts.get("").copied().unwrap_or(0));
        let mut missing = 0;
        let mut last = u64::MAX;
        for wish in list["wishes"].as_array().unwrap() {
            let n = |key: &str| wish[key].as_u64().unwrap();
            let place = wish["place"].as_str().unwrap();
            assert_eq!(
                n("have"),
                counts.get(place).copied().unwrap_or(0),
                "{place}"
            );
            assert_eq!(n("want") - n("have"), n("missing"));
            assert!(0 < n("missing") && n("missing") <= last);
            last = n("missing");
            missing += n("missing");
            for rare in wish["rarest_labels"].as_array().unwrap() {
                let label = rare["label"].as_str().unwrap();
                let here = accepted.iter().filter(|s| {
                    self::place(s, by) == place && s.labels.iter().any(|l| l.label == label)
                });
                assert_eq!(rare["have"], here.count());
            }
        }
        assert_eq!(list["missing"], missing);
    }
}

#[tokio::test]
async fn every_place_leads_to_exactly_its_samples() {
    let mut desk = Desk::new(samples(7, 120)).await;
    for query in [
        "by=country",
        "by=region&status=accepted",
        "by=country&country!=IT&label=tree",
        "by=squares-10",
        "by=squares-10&box=-30,170,60,-120",
        "by=squares-5&box=0,0,45,90&captured-max=1980",
        "by=country&captured-min=1960&captured-max=1970-06",
    ] {
        for curator in [false, true] {
            let browser = if curator {
                &mut desk.mira
            } else {
                &mut desk.nobody
            };
            let page = ok(browser, &format!("{BASE}/map?{query}")).await;
            let rows = rows(&page);
            assert!(!rows.is_empty(), "{query}");
            for (link, samples) in rows {
                assert_eq!(
                    desk.led_to(curator, &link).await,
                    samples,
                    "{query}: {link}"
                );
            }
        }
    }
    // Bars of years as well: to maps of that year.
    let page = ok(&mut desk.nobody, &format!("{BASE}/map?label=tree")).await;
    let list = page.text().split("class=\"by-year\"").nth(1).unwrap();
    let list = list.split("</ul>").next().unwrap();
    let mut years = 0;
    for bar in list.split("<li><a href=\"").skip(1) {
        let link = bar.split('"').next().unwrap().replace("&#38;", "&");
        let words = bar.split('>').nth(1).unwrap().split('<').next().unwrap();
        let (year, samples) = words.split_once(": ").unwrap();
        assert!(
            link.contains(&format!(
                "captured-min={year}-01-01&captured-max={year}-12-31"
            )),
            "{link}"
        );
        let samples: u64 = samples.split(' ').next().unwrap().parse().unwrap();
        let samples_link = link.replace("/map?", "/samples?");
        assert_eq!(desk.led_to(false, &samples_link).await, samples);
        years += 1;
    }
    assert!(years > 10, "{years}");
}

#[tokio::test]
async fn the_table_has_the_order_asked_for() {
    let mut desk = Desk::new(samples(11, 300)).await;
    for (order, rising, curator) in [
        ("samples", true, false),
        ("-samples", false, false),
        ("per-million", true, false),
        ("-per-million", false, false),
        ("-not-accepted", false, true),
    ] {
        let browser = if curator {
            &mut desk.mira
        } else {
            &mut desk.nobody
        };
        let page = ok(browser, &format!("{BASE}/map?order={order}")).await;
        let column = match order.trim_start_matches('-') {
            "samples" => 1,
            "per-million" => 3,
            _ => 4,
        };
        let number = |row: &Vec<String>| -> Option<f64> {
            let cell = row[column].as_str();
            // Of what was not accepted, the share.
            let cell = match column {
                4 => cell.split_once(' ')?.1.split('%').next()?,
                _ => cell,
            };
            cell.replace('\u{202f}', "").parse().ok()
        };
        let numbers: Vec<Option<f64>> = cells(&page).iter().map(number).collect();
        // What has no number stands last; what is unknown behind all.
        let known: Vec<f64> = numbers.iter().copied().map_while(|n| n).collect();
        assert!(known.len() > 3, "{order}: {numbers:?}");
        let known = match column {
            3 => &known[..],
            _ => &known[..known.len() - 1],
        };
        assert!(
            known.is_sorted_by(|a, b| if rising { a <= b } else { a >= b }),
            "{order}: {known:?}"
        );
        let sorted = if rising { "ascending" } else { "descending" };
        assert_eq!(
            page.text()
                .matches(&format!("aria-sort=\"{sorted}\""))
                .count(),
            1
        );
    }
    let page = ok(&mut desk.nobody, &format!("{BASE}/map?order=place")).await;
    let at = |name: &str| page.text().find(&format!("<bdi>{name}</bdi>")).unwrap();
    assert!(at("France") < at("Italy") && at("Italy") < at("Kenya") && at("Kenya") < at("unknown"));
}

#[tokio::test]
async fn a_place_that_the_shapes_lack_is_told_and_nothing_is_lost() {
    let mut desk = Desk::new(samples(3, 200)).await;
    let page = ok(&mut desk.nobody, &format!("{BASE}/map")).await;
    assert!(
        page.text()
            .contains("1 with samples is too small to be drawn"),
        "Singapore"
    );
    let counted: u64 = rows(&page).iter().map(|r| r.1).sum();
    let accepted = desk.samples.iter().filter(is_accepted).count() as u64;
    assert_eq!(counted, accepted);
    let total = format!(">{accepted} accepted samples<");
    assert!(page.text().contains(&total), "{total}");
    // Shares of few samples are not told, whatever they are.
    let page = ok(
        &mut desk.mira,
        &format!("{BASE}/map?show=not-accepted&country=JP"),
    )
    .await;
    assert!(page.text().contains("fewer than 30 samples"));
    assert!(page.text().contains("<title>Japan: "), "{}", page.text());
    assert!(!page.text().contains("path class=\"s"), "{}", page.text());
    // There are no people by squares.
    let page = ok(
        &mut desk.nobody,
        &format!("{BASE}/map?by=squares-10&show=per-million"),
    )
    .await;
    assert!(page.text().contains("the map shows counts"));
}

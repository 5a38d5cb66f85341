//! Makes a release of many rows and measures how fast it is browsed.
//!
//! ```text
//! million make ROOT [ROWS]        a dataset `million` in the data folder ROOT (default: 1 000 000 rows),
//!                                 in two versions: of the second, one row in a thousand is gone and one
//!                                 in a hundred has another title
//! million measure ROOT [FILTERS]  pages of samples with every facet, maps and coverage, under random
//!                                 filters (default: 200)
//! ```
//!
//! Rows are invented, in the proportions of Commons: few countries, licences, labels and creators
//! have most samples; titles and descriptions are words; a tenth is excluded. The same rows for
//! the same number each time.

use std::{
    error::Error,
    fs,
    io::{BufWriter, Write},
    path::Path,
    sync::Arc,
    time::Instant,
};

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use chrono::DateTime;
use fairframe_ingest::{
    attribution::{AttributionCsv, AttributionHtml},
    manifest::{ManifestWriter, Stamp},
    place::Gazetteer,
    summary::SummaryBuilder,
};
use fairframe_schemas::{
    CapturedPrecision, DatasetVersion, Digest, Label, Layout, MediaType, Name, PlaceOrigin, Reason,
    RecallList, Sample, Split, Status, Summary, source::About, version::Change,
};
use fairframe_web::App;
use tower::ServiceExt;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// SplitMix64 (Steele, Lea, Flood 2014: doi 10.1145/2714064.2660195).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, n: usize) -> usize {
        (self.part() * n as f64) as usize
    }

    /// Below `n`; small ones far more often (about as 1 / rank).
    fn few(&mut self, n: usize) -> usize {
        ((n as f64 + 1.0).powf(self.part()) - 1.0) as usize
    }

    fn word(&mut self) -> String {
        const PARTS: [&str; 16] = [
            "ka", "ro", "min", "tel", "sa", "vor", "li", "dun", "pe", "gra", "on", "ber", "chi",
            "mo", "st", "wal",
        ];
        let mut rank = self.few(20_000);
        let mut word = String::new();
        loop {
            word.push_str(PARTS[rank % 16]);
            rank /= 16;
            if rank == 0 {
                return word;
            }
        }
    }

    fn words(&mut self, n: usize) -> String {
        (0..n).map(|_| self.word()).collect::<Vec<_>>().join(" ")
    }
}

const LICENCES: [&str; 8] = [
    "CC-BY-SA-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-4.0",
    "CC0-1.0",
    "CC-BY-2.0",
    "CC-BY-SA-2.0",
    "LicenseRef-Public-Domain",
    "CC-BY-3.0",
];
const MIMES: [&str; 5] = [
    "image/jpeg",
    "image/png",
    "video/webm",
    "image/tiff",
    "image/webp",
];
const REASONS: [Reason; 6] = [
    Reason::LicenceMissing,
    Reason::FetchNotFound,
    Reason::DuplicateExact,
    Reason::MediaCorrupt,
    Reason::LicenceNotAllowed,
    Reason::OptOut,
];

fn sample(at: usize, countries: &Countries) -> Sample {
    let random = &mut Random(at as u64);
    let mut s = Sample::new(
        ["commons", "drop", "archive"][random.few(3)],
        &at.to_string(),
        MediaType::Image,
    );
    let digest = Digest::of(&at.to_le_bytes());
    s.media_sha256 = Some(digest);
    s.mime = Some(MIMES[random.few(5)].to_owned());
    if s.mime.as_deref() == Some("video/webm") {
        s.media_type = MediaType::Video;
        s.duration_s = Some(1.0 + 120.0 * random.part());
    }
    s.bytes = Some(20_000 + (8e6 * random.part()) as i64);
    s.width = Some([640, 1024, 1600, 3000, 4000, 6000][random.below(6)]);
    s.height = s.width.map(|w| w * [2, 3, 4][random.below(3)] / 4);
    s.perceptual_hash = Some(random.next());
    s.sharpness = Some((random.part().powi(3) * 400_000.0).round() / 100.0);
    s.luminance = Some((random.part() * 10_000.0).round() / 10_000.0);
    s.title = Some(format!("{} {at}", random.words(4)));
    s.description = (random.part() < 0.8).then(|| {
        let n = 4 + random.few(40);
        random.words(n)
    });
    s.creator = Some(format!("{} {}", random.words(1), random.few(80_000)));
    s.source_url = Some(format!("https://upload.example/{digest}.jpg"));
    s.landing_url = Some(format!("https://commons.example/wiki/File:{at}"));
    s.licence = Some(LICENCES[random.few(8)].to_owned());
    s.licence_url = Some("https://creativecommons.org/licenses/by-sa/4.0/".to_owned());
    s.licence_evidence = Some(format!(
        "{{\"LicenseShortName\":\"CC BY-SA 4.0\",\"revision\":{}}}",
        random.next()
    ));
    if random.part() < 0.85 {
        let (code, subregion, region) = &countries[random.few(countries.len())];
        (s.country, s.subregion, s.region) =
            (Some(code.clone()), subregion.clone(), region.clone());
        // So that a threshold has somebody to take out.
        if region.as_deref() == Some("Africa") {
            s.luminance = s.luminance.map(|l| (l * l * 10_000.0).round() / 10_000.0);
        }
        s.place_origin = Some(PlaceOrigin::ALL[random.few(6)]);
        if random.part() < 0.7 {
            s.latitude = Some((random.part() * 140.0 - 60.0).round() + random.part());
            s.longitude = Some((random.part() * 358.0 - 179.0).round() + random.part());
        }
    }
    if random.part() < 0.9 {
        let seconds = (1.0 - random.part().powi(3)) * 1.5e9 + 2e8;
        s.captured_at = DateTime::from_timestamp(seconds as i64, 0);
        s.captured_precision = Some(CapturedPrecision::Second);
    }
    s.labels = (0..random.few(8))
        .map(|_| Label {
            label: format!("/m/0{:x}", random.few(8000)),
            confidence: None,
            origin: "human".to_owned(),
        })
        .collect();
    s.split = Some(Split::ALL[random.few(3)]);
    s.split_group = Some(format!("g{}", random.below(700_000)));
    match random.part() {
        p if p < 0.1 => s.add_reason(REASONS[random.few(6)]),
        p if p < 0.15 => s.add_reason(Reason::DuplicateNear),
        _ => {}
    }
    s
}

fn make(root: &Path, rows: usize) -> Outcome {
    let gazetteer = Gazetteer::bundled();
    let codes = [
        "US", "DE", "FR", "IT", "GB", "ES", "PL", "UA", "IN", "CH", "JP", "BR", "RU", "CZ", "NL",
        "CN", "SE", "AT", "BE", "AU", "CA", "TR", "MX", "NG", "KE", "ZA", "AR", "EG", "ID", "TH",
        "VN", "PH", "PE", "CL", "CO", "MA", "GH", "BD", "PK", "IR", "NZ", "FJ",
    ];
    let countries: Countries = codes
        .iter()
        .filter_map(|code| gazetteer.by_code(code))
        .map(|c| (c.alpha2.clone(), c.subregion.clone(), c.region.clone()))
        .collect();
    // Manifest order, without holding the rows: their keys only.
    let key = |at: usize| {
        let s = sample(at, &countries);
        (s.region, s.country, s.sample_id, at)
    };
    let mut keys: Vec<_> = (0..rows).map(key).collect();
    keys.sort();
    let order: Vec<usize> = keys.into_iter().map(|(.., at)| at).collect();
    let second = "2.0.0".parse()?;
    release(root, DatasetVersion::FIRST, None, &order, &countries)?;
    release(
        root,
        second,
        Some(DatasetVersion::FIRST),
        &order,
        &countries,
    )
}

/// Code, subregion and region of countries.
type Countries = Vec<(String, Option<String>, Option<String>)>;

fn release(
    root: &Path,
    version: DatasetVersion,
    previous: Option<DatasetVersion>,
    order: &[usize],
    countries: &Countries,
) -> Outcome {
    let layout = Layout::new(root);
    let dataset = Name::new("million")?;
    let folder = layout.release(&dataset, version);
    let restricted = layout.restricted(&dataset, version);
    fs::create_dir_all(&folder)?;
    fs::create_dir_all(&restricted)?;
    let stamp = Stamp {
        dataset: dataset.clone(),
        version,
        recall_version: 0,
    };
    let mut writer =
        ManifestWriter::create(&folder, &restricted.join("restricted.parquet"), stamp)?;
    let mut counts = SummaryBuilder::new();
    let create = |name: &str| fs::File::create(folder.join(name)).map(BufWriter::new);
    let mut table = AttributionCsv::new(create("ATTRIBUTION.csv")?)?;
    for at in order {
        let mut s = sample(*at, countries);
        if previous.is_some() {
            if at % 1000 == 7 {
                continue;
            }
            if at % 100 == 3 {
                s.title = Some(format!("{at}, another title"));
            }
        }
        counts.add(&s);
        if s.status == Status::Accepted {
            table.add(&s)?;
        }
        writer.add(s)?;
    }
    writer.finish()?;
    table.finish()?.flush()?;
    let summary = Summary {
        dataset: dataset.clone(),
        version,
        previous,
        change: match previous {
            Some(_) => Change::Major,
            None => Change::None,
        },
        as_of: DateTime::UNIX_EPOCH,
        generator: "million".to_owned(),
        schema_version: "1".to_owned(),
        about: About::default(),
        approval: None,
        sources: Vec::new(),
        counts: counts.finish(order.len() as u64, 0).counts,
        files: Vec::new(),
    };
    AttributionHtml::new().finish(&summary, create("ATTRIBUTION.html")?)?;
    fs::write(folder.join("summary.json"), summary.to_json())?;
    fs::write(
        folder.join("recall.json"),
        RecallList::new(dataset).to_json(),
    )?;
    // Last: a folder with it is a release.
    let mut sums = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let digest = Digest::of(&fs::read(folder.join(&name))?);
        sums.push(format!("{digest}  {name}\n"));
    }
    sums.sort();
    fs::write(folder.join("SHA256SUMS"), sums.concat())?;
    Ok(())
}

/// A query as somebody clicks one together.
fn random_query(random: &mut Random) -> String {
    let mut parts = Vec::new();
    for _ in 0..1 + random.few(4) {
        parts.push(match random.below(10) {
            0 => format!(
                "country={}",
                ["US", "DE", "IT", "KE", "FJ"][random.below(5)]
            ),
            1 => format!("country!={}", ["US", "DE"][random.below(2)]),
            2 => format!("licence={}", LICENCES[random.below(8)]),
            3 => format!("label=/m/0{:x}", random.few(8000)),
            4 => format!("text={}", random.word()),
            5 => format!("text={}%20{}", random.word(), random.word()),
            6 => "box=40,-10,60,30".to_owned(),
            7 => format!("year={}", 1990 + random.below(30)),
            8 => format!("width-min={}", 1000 * random.below(5)),
            _ => format!("region={}", ["Europe", "Africa", "Asia"][random.below(3)]),
        });
    }
    match random.below(4) {
        0 => parts.push("sort=-captured".to_owned()),
        1 => parts.push("sort=pixels".to_owned()),
        _ => {}
    }
    parts.push(format!("page={}", 1 + random.few(5)));
    parts.join("&")
}

/// What is held now, and the most that was.
fn memory() {
    let [now, most] = ["VmRSS", "VmHWM"].map(memory_mb);
    println!("  memory: {now} MB, at most {most} MB");
}

/// A line of `/proc/self/status`, in MB.
fn memory_mb(line: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let own = status.lines().find(|l| l.starts_with(line));
    let kb = own.and_then(|l| l.split_whitespace().nth(1));
    kb.and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) / 1024
}

async fn measure(root: &Path, filters: usize) -> Outcome {
    let started = Instant::now();
    let router = fairframe_web::router(
        App::open(Layout::new(root), Arc::new(chrono::Utc::now), false).await?,
    );
    let base = "/datasets/million/1.0.0/samples";
    let ask = async |path: String| -> Outcome<(StatusCode, String)> {
        let request = Request::get(path).body(Body::empty())?;
        let response = router.clone().oneshot(request).await?;
        let status = response.status();
        let body = to_bytes(response.into_body(), 64 << 20).await?;
        Ok((status, String::from_utf8(body.to_vec())?))
    };
    let (status, _) = ask("/".to_owned()).await?;
    println!(
        "home page: {status}, {:.0} ms after the start",
        started.elapsed().as_secs_f64() * 1e3
    );
    let started = Instant::now();
    while ask(base.to_owned()).await?.0 == StatusCode::SERVICE_UNAVAILABLE {}
    println!("index built: {:.2} s", started.elapsed().as_secs_f64());
    memory();

    let random = &mut Random(7);
    let queries: Vec<String> = (0..filters).map(|_| random_query(random)).collect();
    let mut pages = Vec::new();
    let mut samples = Vec::new();
    for query in &queries {
        let started = Instant::now();
        let (status, body) = ask(format!("{base}?{query}")).await?;
        // A page beyond the last one is a page too.
        if status != StatusCode::OK && status != StatusCode::NOT_FOUND {
            return Err(format!("{status} for {query}").into());
        }
        pages.push((started.elapsed().as_secs_f64() * 1e3, query.as_str()));
        let link = body
            .split("href=\"")
            .skip(1)
            .filter_map(|l| l.split('"').next());
        let mut links = link.filter(|l| l.starts_with(&format!("{base}/")));
        if let Some(link) = links.next() {
            let started = Instant::now();
            let (status, _) = ask(link.replace("&#38;", "&")).await?;
            if status != StatusCode::OK {
                return Err(format!("{status} for {link}").into());
            }
            samples.push((started.elapsed().as_secs_f64() * 1e3, link.to_owned()));
        }
    }
    report("pages with every facet", pages);
    let folder = base.trim_end_matches("/samples");
    for path in [
        "quality?measure=sharpness",
        "quality?measure=luminance&by=country",
        "quality?measure=pixels&by=label",
        "duplicates",
        "duplicates?show=all",
        "duplicates?within=8",
        "duplicates?within=8",
    ] {
        let started = Instant::now();
        let (status, _) = ask(format!("{folder}/{path}")).await?;
        let ms = started.elapsed().as_secs_f64() * 1e3;
        println!("{path}: {status}, {ms:.0} ms");
        memory();
    }
    report("single samples", samples);
    for (what, page) in [
        ("maps by country", "map?by=country"),
        (
            "maps by region, per million people",
            "map?by=region&show=per-million",
        ),
        ("maps by squares of 10 degrees", "map?by=squares-10"),
        ("maps by squares of 1 degree", "map?by=squares-1"),
        ("coverage by subregion", "coverage?by=subregion"),
        ("coverage by country", "coverage?by=country"),
        ("wish lists by country", "coverage/wish-list.csv?by=country"),
    ] {
        let mut times = Vec::new();
        // All samples, and what somebody clicked together.
        for filter in std::iter::once("").chain(queries.iter().map(String::as_str)) {
            let own = |part: &&str| !part.starts_with("page=") && !part.starts_with("sort=");
            let filter: Vec<&str> = filter.split('&').filter(own).collect();
            let path = format!("/datasets/million/1.0.0/{page}&{}", filter.join("&"));
            let started = Instant::now();
            let (status, _) = ask(path.clone()).await?;
            if status != StatusCode::OK {
                return Err(format!("{status} for {path}").into());
            }
            times.push((started.elapsed().as_secs_f64() * 1e3, path));
        }
        report(what, times);
    }
    Ok(())
}

fn report<T: std::fmt::Display>(what: &str, mut times: Vec<(f64, T)>) {
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let at = |part: f64| {
        times.get(((times.len() as f64 * part) as usize).min(times.len().saturating_sub(1)))
    };
    let ms = |part| at(part).map_or(f64::NAN, |t| t.0);
    println!(
        "{what}: {} asked, p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms",
        times.len(),
        ms(0.5),
        ms(0.9),
        ms(0.99)
    );
    for (ms, slow) in times.iter().rev().take(3) {
        println!("  {ms:.1} ms  {slow}");
    }
    memory();
}

fn main() -> Outcome {
    // As `fairframe serve` does.
    fairframe_web::heap::keep_little();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: usize| args.get(at).map_or(Ok(default), |n| n.parse());
    match args.first().map(String::as_str) {
        Some("make") if args.len() > 1 => make(Path::new(&args[1]), number(2, 1_000_000)?),
        Some("measure") if args.len() > 1 => {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(measure(Path::new(&args[1]), number(2, 200)?))
        }
        _ => Err("usage: million make ROOT [ROWS] | measure ROOT [FILTERS]".into()),
    }
}

//! Who made what, under which licence: `ATTRIBUTION.csv` for machines and
//! `ATTRIBUTION.html` for people (title, author, source, licence).
//!
//! A cell of the CSV that a spreadsheet would run as a formula (it starts with
//! `=`, `+`, `-`, `@`, tab or return) is written with a leading `'`, as OWASP
//! advises; the true value stands in the Parquet manifest.

use std::{
    collections::BTreeMap,
    io::{self, Read, Seek, Write},
};

use fairframe_schemas::{
    Column, Sample, Summary, licence,
    text::{count, escape, guard},
};

/// The columns of `ATTRIBUTION.csv`.
pub const COLUMNS: [&str; 10] = [
    Column::SampleId.name(),
    Column::Title.name(),
    Column::Creator.name(),
    Column::CreatorUrl.name(),
    Column::Licence.name(),
    Column::LicenceUrl.name(),
    Column::SourceUrl.name(),
    Column::LandingUrl.name(),
    Column::Credit.name(),
    "changes",
];

/// Writes `ATTRIBUTION.csv` row by row, in the order samples come.
pub struct AttributionCsv<W: Write> {
    csv: csv::Writer<W>,
}

impl<W: Write> AttributionCsv<W> {
    pub fn new(out: W) -> csv::Result<Self> {
        let mut csv = csv::WriterBuilder::new()
            .terminator(csv::Terminator::Any(b'\n'))
            .from_writer(out);
        csv.write_record(COLUMNS)?;
        Ok(Self { csv })
    }

    pub fn add(&mut self, sample: &Sample) -> csv::Result<()> {
        let id = sample.sample_id.to_string();
        let changes = changes(sample);
        let cells = [
            Some(id.as_str()),
            sample.title.as_deref(),
            sample.creator.as_deref(),
            sample.creator_url.as_deref(),
            sample.licence.as_deref(),
            sample.licence_url.as_deref(),
            sample.source_url.as_deref(),
            sample.landing_url.as_deref(),
            sample.credit.as_deref(),
            Some(changes),
        ];
        self.csv.write_record(cells.map(|c| guard(c.unwrap_or(""))))
    }

    /// Writes what is left and hands back the output.
    pub fn finish(self) -> io::Result<W> {
        self.csv.into_inner().map_err(|e| e.into_error())
    }
}

/// What was done to the work, as CC licences ask to be said.
fn changes(sample: &Sample) -> &'static str {
    if sample.manipulation.is_some() {
        "altered: see the manifest's column `manipulation`"
    } else if !sample.derived_from.is_empty() {
        "derived from another sample"
    } else {
        "none: the bytes are those of the source"
    }
}

/// Writes `ATTRIBUTION.html`, grouped by licence. Rows go to one temporary file per licence
/// while they come (at most [`MAX_LICENCES`]; the rest shares one), so memory does not grow.
pub struct AttributionHtml {
    groups: BTreeMap<String, Group>,
}

/// Most licences that get a section of their own; others stand in a last one, each with its name.
pub const MAX_LICENCES: usize = 64;

/// Longest title, author or credit shown, in characters; the manifest has the whole.
const MAX_SHOWN: usize = 300;

struct Group {
    rows: std::fs::File,
    buffer: Vec<u8>,
    count: u64,
    /// The first licence URL seen; all samples of a group share the expression.
    url: Option<String>,
}

const OTHERS: &str = "\u{10ffff}";

impl AttributionHtml {
    pub fn new() -> Self {
        Self {
            groups: BTreeMap::new(),
        }
    }

    pub fn add(&mut self, sample: &Sample) -> io::Result<()> {
        let licence = sample.licence.as_deref().unwrap_or("unknown");
        let known = self.groups.contains_key(licence);
        let key = if known || self.groups.len() < MAX_LICENCES {
            licence
        } else {
            OTHERS
        };
        if !self.groups.contains_key(key) {
            let group = Group {
                rows: tempfile::tempfile()?,
                buffer: Vec::new(),
                count: 0,
                url: None,
            };
            self.groups.insert(key.to_owned(), group);
        }
        let Some(group) = self.groups.get_mut(key) else {
            return Ok(());
        };
        if group.url.is_none() {
            group.url = sample.licence_url.as_deref().and_then(web_link);
        }
        group.count += 1;
        row(&mut group.buffer, sample, key == OTHERS)?;
        if group.buffer.len() > 64 << 10 {
            group.rows.write_all(&group.buffer)?;
            group.buffer.clear();
        }
        Ok(())
    }

    /// Writes the page.
    pub fn finish(self, summary: &Summary, mut out: impl Write) -> io::Result<()> {
        let title = escape(summary.title());
        write!(
            out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>Attribution: {title} {version}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
             <a class=\"skip\" href=\"#works\">To the works</a>\n<main>\n\
             <p class=\"soft\">{title} {version}</p>\n<h1>Attribution</h1>\n<p>Every work below is used as its \
             licence allows; each line names title, author, source and licence. The same for \
             programs: <a href=\"ATTRIBUTION.csv\">ATTRIBUTION.csv</a>.</p>\n",
            version = summary.version,
        )?;
        if self.groups.is_empty() {
            writeln!(out, "<p>This version holds no samples.</p>")?;
        } else {
            writeln!(out, "<nav aria-label=\"Licences\"><ul>")?;
            for (at, (licence, group)) in self.groups.iter().enumerate() {
                let name = escape(section_name(licence));
                let n = count(group.count);
                writeln!(out, "<li><a href=\"#licence-{at}\">{name}</a> {n}</li>")?;
            }
            writeln!(out, "</ul></nav>")?;
        }
        writeln!(out, "<div id=\"works\" tabindex=\"-1\">")?;
        for (at, (licence, mut group)) in self.groups.into_iter().enumerate() {
            let name = escape(section_name(&licence));
            // The id and the words: one is the heading, the other stands below it.
            let other = licence::words(&licence).map(|words| match name == escape(words) {
                true => licence.as_str(),
                false => words,
            });
            let other = other.map_or_else(String::new, |other| {
                format!("<p class=\"soft\">{}</p>\n", escape(other))
            });
            let heading = match group.url.as_deref() {
                Some(url) if licence != OTHERS => link(url, &name, " rel=\"license\""),
                _ => name,
            };
            writeln!(
                out,
                "<section>\n<h2 id=\"licence-{at}\">{heading}</h2>\n{other}<ul class=\"works\">"
            )?;
            group.rows.rewind()?;
            let mut block = vec![0; 64 << 10];
            loop {
                let n = group.rows.read(&mut block)?;
                if n == 0 {
                    break;
                }
                out.write_all(&block[..n])?;
            }
            out.write_all(&group.buffer)?;
            writeln!(out, "</ul>\n</section>")?;
        }
        writeln!(out, "</div>\n</main>\n</body>\n</html>")
    }
}

impl Default for AttributionHtml {
    fn default() -> Self {
        Self::new()
    }
}

fn section_name(key: &str) -> &str {
    match licence::words(key).filter(|_| key.starts_with("LicenseRef-")) {
        Some(words) => words,
        None if key == OTHERS => "Other licences",
        None => key,
    }
}

/// One line: title, author, source, licence.
fn row(out: &mut Vec<u8>, sample: &Sample, show_licence: bool) -> io::Result<()> {
    let title = match shown(sample.title.as_deref()) {
        Some(title) => title,
        None => sample.sample_id.to_string(),
    };
    let page = sample.landing_url.as_deref().and_then(web_link);
    let page = page.or_else(|| sample.source_url.as_deref().and_then(web_link));
    let title = match &page {
        Some(url) => link(url, &format!("<cite>{title}</cite>"), ""),
        None => format!("<cite>{title}</cite>"),
    };
    let creator = shown(sample.creator.as_deref()).unwrap_or_else(|| "unknown author".to_owned());
    let creator = match sample.creator_url.as_deref().and_then(web_link) {
        Some(url) => link(&url, &creator, " rel=\"author\""),
        None => creator,
    };
    write!(
        out,
        "<li id=\"s-{id}\">{title} by {creator}, from {source}",
        id = sample.sample_id,
        source = escape(&sample.source)
    )?;
    if show_licence {
        let licence = escape(sample.licence.as_deref().unwrap_or("unknown"));
        let licence = match sample.licence_url.as_deref().and_then(web_link) {
            Some(url) => link(&url, &licence, " rel=\"license\""),
            None => licence,
        };
        write!(out, ", {licence}")?;
    }
    if let Some(credit) = shown(sample.credit.as_deref()) {
        write!(out, "; credit: {credit}")?;
    }
    if sample.manipulation.is_some() || !sample.derived_from.is_empty() {
        write!(out, "; {}", changes(sample))?;
    }
    writeln!(out, "</li>")
}

/// Text cut to what is shown, escaped; none for nothing.
fn shown(text: Option<&str>) -> Option<String> {
    let text = text?.trim();
    if text.is_empty() {
        return None;
    }
    let mut cut: String = text.chars().take(MAX_SHOWN).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    Some(escape(&cut))
}

fn link(url: &str, inner: &str, more: &str) -> String {
    format!("<a href=\"{}\"{more}>{inner}</a>", escape(url))
}

/// The URL if it may stand in a link: absolute, http or https, with a host, no credentials.
pub fn web_link(text: &str) -> Option<String> {
    let text = match text.strip_prefix("//") {
        // Commons writes protocol-relative links.
        Some(rest) => format!("https://{rest}"),
        None => text.to_owned(),
    };
    let url = url::Url::parse(&text).ok()?;
    let web = matches!(url.scheme(), "http" | "https");
    let bare = url.username().is_empty() && url.password().is_none();
    (web && bare && url.has_host()).then(|| url.to_string())
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b2422;--soft:#5b6864;--line:#dde3df;--paper:#fbfbf8;--link:#0b5f52}\
@media(prefers-color-scheme:dark){:root{--ink:#e7ece9;--soft:#a1afa9;--line:#2c3633;--paper:#131816;--link:#7fd1bf}}\
body{margin:0 auto;padding:2rem 1.25rem 4rem;max-width:46rem;background:var(--paper);color:var(--ink);\
font:1rem/1.55 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",Arial,sans-serif}\
h1,h2{font-family:\"Iowan Old Style\",\"Palatino Linotype\",Palatino,\"Book Antiqua\",Georgia,serif;line-height:1.15;font-weight:600}\
h1{font-size:clamp(2rem,6vw,3rem);margin:.25rem 0 .75rem}h2{font-size:1.35rem;margin:2.5rem 0 .25rem;padding-top:1.25rem;border-top:1px solid var(--line)}\
.soft{color:var(--soft);margin:0}.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:.5rem;background:var(--paper);padding:.5rem}\
:focus-visible{outline:2px solid var(--link);outline-offset:2px}#works:focus{outline:none}\
a{color:var(--link);text-underline-offset:.15em}nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;padding:0;color:var(--soft)}\
.works{list-style:none;padding:0}.works li{padding:.35rem 0;overflow-wrap:anywhere}cite{font-style:normal;font-weight:600}\
@media print{a{color:inherit}body{max-width:none;padding:0}}";

#[cfg(test)]
mod tests {
    use fairframe_schemas::MediaType;

    use super::*;
    use crate::summary::tests::summary;

    fn hostile() -> Sample {
        let mut s = Sample::new("commons", "1", MediaType::Image);
        s.title = Some("=HYPERLINK(\"http://x\",\"y\")".into());
        s.creator = Some("<script>alert(1)</script>, \"quoted\"\nsecond line".into());
        s.creator_url = Some("javascript:alert(1)".into());
        s.licence = Some("CC-BY-4.0".into());
        s.licence_url = Some("//creativecommons.org/licenses/by/4.0/".into());
        s.landing_url = Some("https://commons.example/wiki/File:\"><b>".into());
        s.credit = Some("@SUM(1)".into());
        s
    }

    #[test]
    fn formulas_are_guarded_and_the_rest_reads_back() {
        let mut csv = AttributionCsv::new(Vec::new()).unwrap();
        csv.add(&hostile()).unwrap();
        let bytes = csv.finish().unwrap();
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        assert_eq!(reader.headers().unwrap(), &COLUMNS[..]);
        let row = reader.records().next().unwrap().unwrap();
        assert_eq!(&row[1], "'=HYPERLINK(\"http://x\",\"y\")");
        assert_eq!(&row[2], hostile().creator.unwrap());
        assert_eq!(&row[8], "'@SUM(1)");
        for start in ["=", "+", "-", "@", "\t", "\r"] {
            assert!(guard(&format!("{start}1")).starts_with('\''));
        }
        assert_eq!(guard("plain"), "plain");
    }

    #[test]
    fn the_page_holds_no_markup_from_outside_and_links_only_to_the_web() {
        let mut html = AttributionHtml::new();
        html.add(&hostile()).unwrap();
        let mut bytes = Vec::new();
        html.finish(&summary(), &mut bytes).unwrap();
        let page = String::from_utf8(bytes).unwrap();
        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains("javascript:"), "{page}");
        assert!(!page.contains("<b>"), "{page}");
        assert!(page.contains("&lt;script&gt;"), "{page}");
        assert!(
            page.contains("href=\"https://creativecommons.org/licenses/by/4.0/\""),
            "{page}"
        );
    }

    #[test]
    fn works_stand_under_their_licence_however_many_licences_there_are() {
        let mut html = AttributionHtml::new();
        for i in 0..500 {
            let mut s = Sample::new("s", &i.to_string(), MediaType::Image);
            s.licence = Some(format!("LicenseRef-{:03}", i % 100));
            html.add(&s).unwrap();
        }
        assert_eq!(html.groups.len(), MAX_LICENCES + 1);
        let mut bytes = Vec::new();
        html.finish(&summary(), &mut bytes).unwrap();
        let page = String::from_utf8(bytes).unwrap();
        assert_eq!(page.matches("<li id=\"s-").count(), 500);
        assert!(page.contains("LicenseRef-099"));
    }

    #[test]
    fn only_web_addresses_are_linked() {
        for text in [
            "ftp://x/",
            "data:text/html,x",
            "/wiki/x",
            "http://u:p@host/",
            "",
            "https://",
        ] {
            assert_eq!(web_link(text), None, "{text}");
        }
        assert!(web_link("http://a.example/x y").is_some());
    }

    #[test]
    fn directions_and_controls_cannot_redraw_the_page() {
        assert_eq!(escape("a\u{202e}b\u{0}c'"), "ab c&#39;");
    }
}

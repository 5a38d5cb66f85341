//! A board as it leaves: CSV, and a picture to embed.

use std::fmt::Write as _;

use fairframe_schemas::text;

use super::{Board, Row, Side};

/// Rows a picture shows at most.
pub const MAX_DRAWN: usize = 20;

impl Board {
    /// Rows of a side as CSV, RFC 4180. `shows` says of each column whether whoever asks sees it.
    pub fn to_csv(&self, side: Side, shows: &[bool]) -> String {
        let mut out = csv::Writer::from_writer(Vec::new());
        let mut head = vec!["rank".to_owned(), "team".to_owned(), self.metric.clone()];
        head.extend(shown(&self.columns, shows).cloned());
        head.extend(["entries", "at", "baseline"].map(str::to_owned));
        // Into memory: nothing fails.
        let _ = out.write_record(&head);
        for row in self.rows(side) {
            let number = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
            let mut cells = vec![
                row.rank.map(|r| r.to_string()).unwrap_or_default(),
                text::guard(&row.name),
                number(row.value),
            ];
            cells.extend(shown(&row.columns, shows).map(|c| number(c.value)));
            cells.push(row.entries.to_string());
            cells.push(row.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
            cells.push(row.team.is_none().to_string());
            let _ = out.write_record(&cells);
        }
        String::from_utf8(out.into_inner().unwrap_or_default()).unwrap_or_default()
    }

    /// The first rows of a side as a picture: no script, nothing from elsewhere.
    pub fn to_svg(&self, side: Side, title: &str) -> String {
        let rows: Vec<&Row> = self.rows(side).iter().take(MAX_DRAWN).collect();
        let height = 56 + 26 * rows.len();
        let mut out = String::new();
        let _ = write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"480\" height=\"{height}\" viewBox=\"0 0 480 {height}\" role=\"img\" font-family=\"system-ui, sans-serif\" font-size=\"14\">\
             <title>{}</title><rect width=\"480\" height=\"{height}\" rx=\"8\" fill=\"#fff\" stroke=\"#ccc\"/>\
             <text x=\"16\" y=\"30\" font-weight=\"600\" fill=\"#222\">{}</text>",
            cut(title, 200),
            cut(title, 48),
        );
        for (at, row) in rows.iter().enumerate() {
            let y = 58 + 26 * at;
            let rank = row.rank.map_or_else(String::new, |r| r.to_string());
            let value = row
                .value
                .map_or_else(|| "–".to_owned(), |v| format!("{v:.5}"));
            let fill = if row.team.is_none() {
                "#767676"
            } else {
                "#222"
            };
            let _ = write!(
                out,
                "<text x=\"40\" y=\"{y}\" text-anchor=\"end\" fill=\"#595959\">{rank}</text>\
                 <text x=\"56\" y=\"{y}\" fill=\"{fill}\">{}</text>\
                 <text x=\"464\" y=\"{y}\" text-anchor=\"end\" fill=\"{fill}\">{value}</text>",
                cut(&row.name, 36),
            );
        }
        out.push_str("</svg>");
        out
    }
}

fn shown<'a, T>(all: &'a [T], shows: &'a [bool]) -> impl Iterator<Item = &'a T> {
    all.iter()
        .zip(shows)
        .filter(|(_, shows)| **shows)
        .map(|(cell, _)| cell)
}

/// Text within XML, cut to so many characters.
fn cut(text: &str, most: usize) -> String {
    let mut short: String = text.chars().take(most).collect();
    if text.chars().nth(most).is_some() {
        short.push('…');
    }
    text::escape(&short)
}

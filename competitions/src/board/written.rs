//! A board as it leaves: a table, and a picture to embed.

use std::fmt::Write as _;

use fairframe_schemas::text;

use super::{Board, Row, Side};
use crate::table::{Table, Values};

/// Rows a picture shows at most.
pub const MAX_DRAWN: usize = 20;

impl Board {
    /// Rows of a side. `shows` says of each column whether whoever asks sees it.
    pub fn table(&self, side: Side, shows: &[bool]) -> Table {
        let rows = self.rows(side);
        let ranks = rows.iter().map(|row| row.rank.map(i64::from));
        let names = rows.iter().map(|row| Some(row.name.clone()));
        let scores = rows.iter().map(|row| row.value);
        let mut table = Table::default()
            .with("rank", Values::Count(ranks.collect()))
            .with("team", Values::Text(names.collect()))
            .with(&self.metric, Values::Number(scores.collect()));
        for (at, title) in self.columns.iter().enumerate() {
            if shows.get(at).is_some_and(|shown| *shown) {
                let cells = rows.iter().map(|row| row.columns.get(at)?.value);
                table = table.with(title, Values::Number(cells.collect()));
            }
        }
        let entries = rows.iter().map(|row| Some(i64::from(row.entries)));
        let baselines = rows.iter().map(|row| row.team.is_none());
        table
            .with("entries", Values::Count(entries.collect()))
            .with("at", Values::Time(rows.iter().map(|row| row.at).collect()))
            .with("baseline", Values::Flag(baselines.collect()))
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

/// Text within XML, cut to so many characters.
fn cut(text: &str, most: usize) -> String {
    let mut short: String = text.chars().take(most).collect();
    if text.chars().nth(most).is_some() {
        short.push('…');
    }
    text::escape(&short)
}

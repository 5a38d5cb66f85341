//! A declared target as it is pasted: CSV, read whole, with every defect at its row and column.

use std::collections::BTreeMap;

use crate::{browse::nearest, pages::places::Level};

/// Longest text, in bytes: each country ten times over.
pub const MAX_TEXT: usize = 64 * 1024;

/// Rows, the first of them the names of the columns.
pub const MAX_ROWS: usize = 1_000;

/// Defects that are told; the rest is counted.
pub const MAX_TOLD: usize = 20;

/// Parts of a share that are told apart: a billionth.
const PARTS: f64 = 1e9;

/// How far the sum of all shares may be from 1 (or 100): what rounding to two decimals does.
const TOLERANCE: f64 = 0.01;

/// A distribution: the weight of each place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    pub level: Level,
    pub shares: BTreeMap<String, u64>,
}

/// What is wrong, and where; rows and columns from 1, none where it is the text as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    pub at: Option<(usize, usize)>,
    pub problem: String,
}

/// Everything that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Defects {
    pub told: Vec<Defect>,
    /// Those beyond [`MAX_TOLD`].
    pub more: u64,
}

impl Defects {
    fn add(&mut self, at: Option<(usize, usize)>, problem: impl Into<String>) {
        let problem = problem.into();
        match self.told.len() < MAX_TOLD {
            true => self.told.push(Defect { at, problem }),
            false => self.more += 1,
        }
    }

    fn one(problem: impl Into<String>) -> Self {
        let mut defects = Defects::default();
        defects.add(None, problem);
        defects
    }
}

/// Enough of a stranger's text to know it by.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

impl Declared {
    /// Reads `country,share` (or `subregion,share`, `region,share`) and a row for each place.
    pub fn parse(text: &str) -> Result<Self, Defects> {
        if text.len() > MAX_TEXT {
            return Err(Defects::one(format!(
                "It has {} bytes; at most {MAX_TEXT} are read.",
                text.len()
            )));
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = (1..).zip(text.lines());
        let rows: Vec<(usize, csv::StringRecord)> = lines
            .filter(|(_, line)| !line.trim().is_empty())
            .take(MAX_ROWS + 1)
            .map(|(at, line)| (at, cells(line)))
            .collect();
        if rows.len() > MAX_ROWS {
            return Err(Defects::one(format!("It has more than {MAX_ROWS} rows.")));
        }
        let Some(((line, head), rows)) = rows.split_first() else {
            return Err(Defects::one("It is empty."));
        };
        let mut defects = Defects::default();
        let name = head.get(0).unwrap_or_default();
        let level = Level::by_key(&name.to_lowercase());
        if level.is_none() {
            let problem = format!(
                "The first column is called `country`, `subregion` or `region`, not `{}`.",
                short(name)
            );
            defects.add(Some((*line, 1)), problem);
        }
        if head.get(1).map(str::to_lowercase).as_deref() != Some("share") {
            defects.add(Some((*line, 2)), "The second column is called `share`.");
        }
        let Some(level) = level else {
            return Err(defects);
        };
        let mut shares: BTreeMap<String, (u64, usize)> = BTreeMap::new();
        let mut sum = 0.0;
        for (line, row) in rows {
            if row.len() != 2 {
                let problem = format!("It has {} columns instead of 2.", row.len());
                defects.add(Some((*line, row.len().min(3))), problem);
                continue;
            }
            let place = place(level, &row[0]);
            if let Err(problem) = &place {
                defects.add(Some((*line, 1)), problem);
            }
            let share = share(&row[1]);
            if let Err(problem) = &share {
                defects.add(Some((*line, 2)), problem);
            }
            let (Ok(place), Ok(share)) = (place, share) else {
                continue;
            };
            sum += share;
            let parts = (share * PARTS).round() as u64;
            match shares.get(place) {
                Some((_, first)) => {
                    let problem = format!("`{place}` stands in row {first} already.");
                    defects.add(Some((*line, 1)), problem);
                }
                None => {
                    shares.insert(place.to_owned(), (parts, *line));
                }
            }
        }
        let is_whole = |whole: f64| (sum - whole).abs() <= TOLERANCE * whole;
        if defects.told.is_empty() && !is_whole(1.0) && !is_whole(100.0) {
            let problem = format!("The shares add up to {sum:.4}; they should to 1, or to 100.");
            defects.add(None, problem);
        }
        match defects.told.is_empty() {
            true => Ok(Self {
                level,
                shares: shares.into_iter().map(|(k, (w, _))| (k, w)).collect(),
            }),
            false => Err(defects),
        }
    }
}

/// The cells of a line; no name of a place goes over two.
fn cells(line: &str) -> csv::StringRecord {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .trim(csv::Trim::All)
        .from_reader(line.as_bytes());
    let row = reader.records().next().and_then(Result::ok);
    row.unwrap_or_default()
}

fn place(level: Level, text: &str) -> Result<&'static str, String> {
    if let Some(place) = level.find(text) {
        return Ok(place);
    }
    let known = level.people();
    let meant = match level {
        Level::Country => None,
        _ => nearest(text, known.keys().copied()),
    };
    let meant = meant.map_or(String::new(), |m| format!("; did you mean `{m}`?"));
    Err(format!(
        "`{}` is no {} that is known{meant}",
        short(text),
        level.key()
    ))
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text
        .strip_suffix('%')
        .unwrap_or(text)
        .trim()
        .parse()
        .map_err(|_| format!("`{}` is no number.", short(text)))?;
    match share {
        s if !s.is_finite() => Err(format!("`{}` is no number.", short(text))),
        s if s < 0.0 => Err("A share is not negative.".to_owned()),
        s if s > 100.0 => Err("A share is at most 100.".to_owned()),
        s if s > 0.0 && s * PARTS < 1.0 => {
            Err("A share under a billionth is not told apart from none.".to_owned())
        }
        s => Ok(s),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defects(text: &str) -> Vec<(Option<(usize, usize)>, String)> {
        let found = Declared::parse(text).unwrap_err().told.into_iter();
        found.map(|d| (d.at, d.problem)).collect()
    }

    #[test]
    fn shares_and_percents_names_and_codes_are_read() {
        let fractions =
            "\u{feff}Country , Share\r\nIT,0.25\r\n\"Korea, Republic of\",0.5\r\nKEN,.25\r\n";
        let one = Declared::parse(fractions).unwrap();
        assert_eq!(one.level, Level::Country);
        let weights: Vec<(&str, u64)> = one.shares.iter().map(|(k, w)| (k.as_str(), *w)).collect();
        assert_eq!(
            weights,
            [
                ("IT", 250_000_000),
                ("KE", 250_000_000),
                ("KR", 500_000_000)
            ]
        );
        let percents = Declared::parse("region,share\nafrica,60%\nEurope,40\nAsia,0\n").unwrap();
        assert_eq!(percents.level, Level::Region);
        assert_eq!(percents.shares["Africa"], 60_000_000_000);
        assert_eq!(percents.shares["Asia"], 0);
    }

    #[test]
    fn every_defect_is_told_at_its_row_and_column() {
        let text = "country,share\nIT,NaN\nXX,0.5\nIT,-1\nFR,0.1,0.2\nDE,1e400\nKE,inf\nNG,101\nUS,1e-12\n\n\nES,0.1\nSpain,0.1\n";
        let found = defects(text);
        let places: Vec<(usize, usize)> = found.iter().map(|d| d.0.unwrap()).collect();
        assert_eq!(
            places,
            [
                (2, 2),
                (3, 1),
                (4, 2),
                (5, 3),
                (6, 2),
                (7, 2),
                (8, 2),
                (9, 2),
                (13, 1)
            ]
        );
        assert!(found[1].1.contains("`XX` is no country"), "{found:?}");
        assert!(found[8].1.contains("row 12"), "{found:?}");
        let found = defects("region,share\nEurop,1\n");
        assert!(found[0].1.contains("did you mean `Europe`"), "{found:?}");
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        for (text, said) in [
            ("", "empty"),
            ("country,share\n", "add up to 0.0000"),
            ("country,share\nIT,0.5\n", "add up to 0.5000"),
            ("country,share\nIT,0\nFR,0\n", "add up to 0"),
            (
                "planet,share\nMars,1\n",
                "`country`, `subregion` or `region`",
            ),
            (
                "country;share\nIT;1\n",
                "`country`, `subregion` or `region`",
            ),
            ("country,weight\nIT,1\n", "called `share`"),
        ] {
            let found = defects(text);
            assert!(
                found.iter().any(|d| d.1.contains(said)),
                "{text}: {found:?}"
            );
        }
        let many = format!("country,share\n{}", "XX,x\n".repeat(30));
        let found = Declared::parse(&many).unwrap_err();
        assert_eq!((found.told.len(), found.more), (MAX_TOLD, 40));
        let long = format!("country,share\n{}", "IT,0\n".repeat(1_000));
        assert!(
            Declared::parse(&long).unwrap_err().told[0]
                .problem
                .contains("1000 rows")
        );
        let big = "x".repeat(MAX_TEXT + 1);
        assert!(
            Declared::parse(&big).unwrap_err().told[0]
                .problem
                .contains("bytes")
        );
    }
}

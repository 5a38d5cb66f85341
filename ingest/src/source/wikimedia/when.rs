//! Dates of capture and how exact they are.
//!
//! Wikis give local time without a zone; it is taken as UTC. A date less exact
//! than its year ("1910s", "circa 1910") is no date.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use fairframe_schemas::{CapturedPrecision, Timestamp};

/// A time and its precision.
pub type Captured = (Timestamp, CapturedPrecision);

/// What a date text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Nothing, or a date less exact than its year.
    None,
    /// Something that we cannot read.
    Unreadable,
    Date(Captured),
}

/// Longest text looked at, in bytes.
const MAX_TEXT: usize = 4_096;

/// Wikibase's precision numbers (Wikibase data model, `time`): 14 second,
/// 11 day, 10 month, 9 year; less are decades and more.
pub fn wikibase(time: &str, precision: u64, julian: bool) -> Reading {
    let Some(rest) = time.strip_prefix('+') else {
        // Before the common era.
        return Reading::None;
    };
    let mut halves = rest.splitn(2, 'T');
    let date: Vec<&str> = halves.next().unwrap_or_default().split('-').collect();
    let [year, month, day] = date[..] else {
        return Reading::Unreadable;
    };
    let (Ok(year), Ok(month), Ok(day)) = (year.parse::<i32>(), month.parse(), day.parse()) else {
        return Reading::Unreadable;
    };
    let (precision, month, day) = match precision {
        11..=14 => (CapturedPrecision::Day, month, day),
        10 => (CapturedPrecision::Month, month, 1),
        9 => (CapturedPrecision::Year, 1, 1),
        0..=8 => return Reading::None,
        _ => return Reading::Unreadable,
    };
    if julian && precision == CapturedPrecision::Day {
        return match julian_to_gregorian(year, month, day) {
            Some(date) => at(date, NaiveTime::MIN, precision),
            None => Reading::Unreadable,
        };
    }
    match NaiveDate::from_ymd_opt(year, month, day) {
        Some(date) if (1..=9999).contains(&year) => at(date, NaiveTime::MIN, precision),
        _ => Reading::Unreadable,
    }
}

/// By the Julian day number (Richards 2013, Explanatory Supplement to the
/// Astronomical Almanac, section 15.11).
fn julian_to_gregorian(year: i32, month: u32, day: u32) -> Option<NaiveDate> {
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (y, m, d) = (i64::from(year), i64::from(month), i64::from(day));
    let a = (14 - m) / 12;
    let (y, m) = (y + 4800 - a, m + 12 * a - 3);
    let number = d + (153 * m + 2) / 5 + 365 * y + y / 4 - 32083;
    // 1 January of year 1 (Gregorian) is Julian day 1721426.
    NaiveDate::from_num_days_from_ce_opt(i32::try_from(number - 1_721_425).ok()?)
}

/// A date as description pages state it: `2012-09-25 16:23:02`, `2002-04-02`,
/// EXIF's `2008:10:22 16:28:39`, `1891`, `26 July 2014`, the hidden statement
/// `date QS:P,+1891-00-00T00:00:00Z/9`, or `<time datetime="...">`.
pub fn page_text(html: &str) -> Reading {
    let mut end = html.len().min(MAX_TEXT);
    while !html.is_char_boundary(end) {
        end -= 1;
    }
    let html = &html[..end];
    if let Some(statement) = between(html, "date QS:P", '<') {
        return quick_statement(statement);
    }
    if let Some(stated) = between(html, "datetime=\"", '"') {
        let reading = plain(stated);
        if reading != Reading::Unreadable {
            return reading;
        }
    }
    plain(&crate::html::flatten(html).text)
}

fn between<'a>(text: &'a str, before: &str, after: char) -> Option<&'a str> {
    let rest = &text[text.find(before)? + before.len()..];
    Some(rest.split(after).next().unwrap_or(rest))
}

/// `,+1891-00-00T00:00:00Z/9`, or with `P1480,Q5727902` for "circa", or
/// `,+1910-...Z/8,P1319,...` for a span.
fn quick_statement(statement: &str) -> Reading {
    let mut parts = statement.split(',').map(str::trim);
    let Some((time, precision)) = parts
        .by_ref()
        .find_map(|p| p.starts_with('+').then(|| p.split_once('/')).flatten())
    else {
        return Reading::None;
    };
    // Any qualifier makes it less exact than it looks: circa, not before, not after.
    if parts.next().is_some() {
        return Reading::None;
    }
    match precision.trim().parse() {
        Ok(precision) => wikibase(time, precision, false),
        Err(_) => Reading::Unreadable,
    }
}

fn plain(text: &str) -> Reading {
    match written(text) {
        // `%Y` also takes the year of `05-06-12`.
        Reading::Date((time, _)) if time.year() < 100 => Reading::Unreadable,
        other => other,
    }
}

fn written(text: &str) -> Reading {
    let text = text.trim();
    if text.is_empty() {
        return Reading::None;
    }
    let circa = [
        "circa", "c.", "ca.", "before", "after", "between", "unknown",
    ];
    let lower = text.to_lowercase();
    if circa.iter().any(|word| lower.starts_with(word)) {
        return Reading::None;
    }
    let text = text.strip_prefix("Taken on").map_or(text, str::trim);
    let second = CapturedPrecision::Second;
    for form in [
        "%Y-%m-%d %H:%M:%S",
        "%Y:%m:%d %H:%M:%S",
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%dT%H:%M:%SZ",
        "%d %B %Y, %H:%M:%S",
    ] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, form) {
            return at(time.date(), time.time(), second);
        }
    }
    // To the minute: kept as the day, for the column knows no minutes.
    for form in ["%Y-%m-%d %H:%M", "%Y:%m:%d %H:%M", "%d %B %Y, %H:%M"] {
        if let Ok(time) = NaiveDateTime::parse_from_str(text, form) {
            return at(time.date(), NaiveTime::MIN, CapturedPrecision::Day);
        }
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        let time = time.naive_utc();
        return at(time.date(), time.time(), second);
    }
    for form in ["%Y-%m-%d", "%Y:%m:%d", "%d %B %Y", "%B %d, %Y"] {
        if let Ok(date) = NaiveDate::parse_from_str(text, form) {
            return at(date, NaiveTime::MIN, CapturedPrecision::Day);
        }
    }
    for form in ["%Y-%m-%d", "%d %B %Y"] {
        let (first, form) = match form {
            "%Y-%m-%d" => (format!("{text}-01"), form),
            _ => (format!("1 {text}"), form),
        };
        if let Ok(date) = NaiveDate::parse_from_str(&first, form) {
            return at(date, NaiveTime::MIN, CapturedPrecision::Month);
        }
    }
    let year = (text.len() == 4).then(|| text.parse().ok()).flatten();
    match year.and_then(|year| NaiveDate::from_ymd_opt(year, 1, 1)) {
        Some(date) => at(date, NaiveTime::MIN, CapturedPrecision::Year),
        None => Reading::Unreadable,
    }
}

fn at(date: NaiveDate, time: NaiveTime, precision: CapturedPrecision) -> Reading {
    if !(1..=9999).contains(&date.year()) {
        return Reading::Unreadable;
    }
    let time = date.and_time(time).and_utc();
    Reading::Date((time, precision))
}

/// Of two statements the first wins, unless the second says the same more exactly.
pub fn better(first: Captured, second: Captured) -> Captured {
    let exactness = |p: CapturedPrecision| match p {
        CapturedPrecision::Second => 3,
        CapturedPrecision::Day => 2,
        CapturedPrecision::Month => 1,
        CapturedPrecision::Year => 0,
    };
    let within = match first.1 {
        CapturedPrecision::Second => false,
        CapturedPrecision::Day => first.0.date_naive() == second.0.date_naive(),
        CapturedPrecision::Month => {
            (first.0.year(), first.0.month()) == (second.0.year(), second.0.month())
        }
        CapturedPrecision::Year => first.0.year() == second.0.year(),
    };
    if within && exactness(second.1) > exactness(first.1) {
        second
    } else {
        first
    }
}

/// An upstream time such as `2015-10-31T23:00:22Z`.
pub fn timestamp(text: &str) -> Option<Timestamp> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    (1..=9999)
        .contains(&time.year())
        .then(|| time.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        show(page_text(text))
    }

    fn show(reading: Reading) -> String {
        match reading {
            Reading::None => "none".to_owned(),
            Reading::Unreadable => "unreadable".to_owned(),
            Reading::Date((time, precision)) => {
                format!("{} {precision}", time.format("%Y-%m-%dT%H:%M:%S"))
            }
        }
    }

    #[test]
    fn texts_of_description_pages() {
        for (text, expected) in [
            ("2012-09-25 16:23:02", "2012-09-25T16:23:02 second"),
            ("2008:10:22 16:28:39", "2008-10-22T16:28:39 second"),
            ("2002-04-02", "2002-04-02T00:00:00 day"),
            ("2012-09-25 16:23", "2012-09-25T00:00:00 day"),
            ("2012-09", "2012-09-01T00:00:00 month"),
            ("26 July 2014", "2014-07-26T00:00:00 day"),
            ("July 2014", "2014-07-01T00:00:00 month"),
            ("1891", "1891-01-01T00:00:00 year"),
            (
                "1891\n<div style=\"display: none;\">date QS:P,+1891-00-00T00:00:00Z/9</div>",
                "1891-01-01T00:00:00 year",
            ),
            (
                "circa 1910<div>date QS:P,+1910-00-00T00:00:00Z/9,P1480,Q5727902</div>",
                "none",
            ),
            ("1910s<div>date QS:P,+1910-00-00T00:00:00Z/8</div>", "none"),
            (
                "<time class=\"dtstart\" datetime=\"2014-07-26\">26 July 2014</time>",
                "2014-07-26T00:00:00 day",
            ),
            ("circa 1910", "none"),
            ("", "none"),
            ("0000:00:00 00:00:00", "unreadable"),
            ("2012-13-45", "unreadable"),
            ("05-06-12", "unreadable"),
            ("26 July 14", "unreadable"),
            ("July 14", "unreadable"),
            ("gestern", "unreadable"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn the_calendar_of_old_russia_is_converted() {
        // The October Revolution: 25 October 1917 (Julian) is 7 November (Gregorian).
        let day = wikibase("+1917-10-25T00:00:00Z", 11, true);
        assert_eq!(show(day), "1917-11-07T00:00:00 day");
        // Britain: 2 September 1752 was followed by 14 September.
        let day = wikibase("+1752-09-02T00:00:00Z", 11, true);
        assert_eq!(show(day), "1752-09-13T00:00:00 day");
    }

    #[test]
    fn impossible_times_are_unreadable() {
        for time in [
            "+99999999999-01-01T00:00:00Z",
            "+2020-02-31T00:00:00Z",
            "+2020",
            "+2020-01-xxT",
            "+0000-01-01T00:00:00Z",
        ] {
            assert_eq!(wikibase(time, 11, false), Reading::Unreadable, "{time}");
        }
        assert_eq!(wikibase("-0044-03-15T00:00:00Z", 11, false), Reading::None);
    }

    #[test]
    fn a_finer_statement_of_the_same_day_wins_another_day_does_not() {
        let date = |text| match page_text(text) {
            Reading::Date(date) => date,
            other => panic!("{other:?}"),
        };
        let (day, second) = (date("2012-09-25"), date("2012-09-25 16:23:02"));
        assert_eq!(better(day, second), second);
        assert_eq!(better(second, day), second);
        assert_eq!(better(day, date("2012-09-26 16:23:02")), day);
        assert_eq!(better(date("2012"), day), day);
    }
}

//! EXIF (CIPA DC-008): orientation, place, time. Nothing else is kept.

use chrono::{DateTime, FixedOffset, NaiveDate, Utc};
use exif::{Exif, In, Rational, Reader, Tag, Value};
use fairframe_schemas::{CapturedPrecision, Reason};

use super::{ExifPlace, ExifTime, Facts};

/// Largest block of EXIF that is read: JPEG cannot hold more than 64 KiB in a
/// segment, other formats should not.
pub const MAX_BYTES: usize = 1 << 20;

/// Metres in a degree of latitude.
const DEGREE_M: f64 = 111_320.0;

/// What a phone's or camera's receiver can do at best, however many digits it
/// writes (GPS.gov, "GPS accuracy": within 4.9 m under open sky).
const RECEIVER_M: f64 = 5.0;

/// Reads a TIFF block into the facts: turns the size by the orientation, sets
/// place and time, or adds a reason why not. Broken EXIF leaves the picture as it is.
pub fn read_into(facts: &mut Facts, raw: &[u8]) {
    if raw.len() > MAX_BYTES {
        return;
    }
    let read = Reader::new().continue_on_error(true).read_raw(raw.to_vec());
    let Ok(exif) = read.or_else(|e| e.distill_partial_result(|_| {})) else {
        return;
    };
    if let Some(orientation @ 1..=8) = value(&exif, Tag::Orientation).and_then(|v| v.get_uint(0)) {
        facts.orientation = orientation as u8;
        if orientation >= 5 {
            std::mem::swap(&mut facts.width, &mut facts.height);
        }
    }
    match place(&exif) {
        Ok(place) => facts.exif_place = place,
        Err(Unreadable) => facts.reasons.push(Reason::PlaceInvalid),
    }
    match captured_at(&exif) {
        Ok(time) => facts.exif_captured_at = time,
        Err(Unreadable) => facts.reasons.push(Reason::DateInvalid),
    }
}

/// Something is stated that cannot be meant.
#[derive(Debug, PartialEq, Eq)]
struct Unreadable;

fn value(exif: &Exif, tag: Tag) -> Option<&Value> {
    exif.get_field(tag, In::PRIMARY).map(|field| &field.value)
}

/// The first string of an ASCII field, without padding.
fn text(exif: &Exif, tag: Tag) -> Option<&str> {
    let Value::Ascii(parts) = value(exif, tag)? else {
        return None;
    };
    std::str::from_utf8(parts.first()?)
        .ok()
        .map(|t| t.trim_matches(['\0', ' ']))
}

fn place(exif: &Exif) -> Result<Option<ExifPlace>, Unreadable> {
    let (latitude, longitude) = (
        value(exif, Tag::GPSLatitude),
        value(exif, Tag::GPSLongitude),
    );
    let (Some(latitude), Some(longitude)) = (latitude, longitude) else {
        return match (latitude, longitude) {
            (None, None) => Ok(None),
            _ => Err(Unreadable),
        };
    };
    let status = text(exif, Tag::GPSStatus);
    if status == Some("V") {
        return Err(Unreadable);
    }
    let (lat, lat_step) = angle(latitude, text(exif, Tag::GPSLatitudeRef), ["N", "S"], 90.0)?;
    let (lon, lon_step) = angle(
        longitude,
        text(exif, Tag::GPSLongitudeRef),
        ["E", "W"],
        180.0,
    )?;
    // A camera without a fix writes zeros; only one that says "active" is believed there.
    if lat == 0.0 && lon == 0.0 && status != Some("A") {
        return Err(Unreadable);
    }
    let stated = match value(exif, Tag::GPSHPositioningError) {
        Some(Value::Rational(v)) => v.first().map(Rational::to_f64),
        _ => None,
    };
    let stated = stated.filter(|m| m.is_finite() && *m > 0.0 && *m < 20_000_000.0);
    let digits = lat_step.max(lon_step * lat.to_radians().cos()) * DEGREE_M;
    let mut precision = stated.unwrap_or(digits.max(RECEIVER_M));
    // Other datums (Tokyo, ED50, ...) lie up to some hundred metres off WGS84.
    let datum = text(exif, Tag::GPSMapDatum).unwrap_or_default();
    let plain: String = datum.chars().filter(char::is_ascii_alphanumeric).collect();
    if !plain.is_empty() && !plain.to_ascii_uppercase().starts_with("WGS") {
        precision = precision.max(500.0);
    }
    Ok(Some(ExifPlace {
        latitude: lat,
        longitude: lon,
        precision_m: Some(precision),
    }))
}

/// Degrees, minutes, seconds with their reference letter, and the least step
/// that their denominators can express, in degrees.
fn angle(
    value: &Value,
    reference: Option<&str>,
    [plus, minus]: [&str; 2],
    limit: f64,
) -> Result<(f64, f64), Unreadable> {
    let Value::Rational(parts) = value else {
        return Err(Unreadable);
    };
    let sign = match reference {
        Some(r) if r.eq_ignore_ascii_case(plus) => 1.0,
        Some(r) if r.eq_ignore_ascii_case(minus) => -1.0,
        _ => return Err(Unreadable),
    };
    if parts.is_empty() || parts.len() > 3 {
        return Err(Unreadable);
    }
    let mut degrees = 0.0;
    let mut step = f64::NAN;
    let mut unit = 1.0;
    for (at, part) in parts.iter().enumerate() {
        // Some writers leave minutes or seconds as 0/0.
        if part.denom == 0 && part.num == 0 && at > 0 {
            break;
        }
        if part.denom == 0 || (at > 0 && part.to_f64() > 60.0) {
            return Err(Unreadable);
        }
        degrees += part.to_f64() * unit;
        // A trailing `0/1` says nothing of the precision: it is what decimal minutes are followed by.
        if at == 0 || part.num != 0 || part.denom != 1 {
            step = unit / f64::from(part.denom);
        }
        unit /= 60.0;
    }
    let degrees = sign * degrees;
    if !degrees.is_finite() || degrees.abs() > limit {
        return Err(Unreadable);
    }
    // `-0.0` is 0.
    Ok((degrees + 0.0, step))
}

fn captured_at(exif: &Exif) -> Result<Option<ExifTime>, Unreadable> {
    let tags = [
        (
            Tag::DateTimeOriginal,
            Tag::OffsetTimeOriginal,
            Tag::SubSecTimeOriginal,
        ),
        (
            Tag::DateTimeDigitized,
            Tag::OffsetTimeDigitized,
            Tag::SubSecTimeDigitized,
        ),
    ];
    for (date, offset, fraction) in tags {
        let Some(written) = text(exif, date) else {
            continue;
        };
        // Blank or zero: a clock that was never set says nothing.
        if written.chars().all(|c| matches!(c, ' ' | ':' | '0' | '-')) {
            continue;
        }
        return moment(
            written,
            text(exif, offset),
            text(exif, fraction).unwrap_or_default(),
        )
        .map(Some)
        .ok_or(Unreadable);
    }
    Ok(None)
}

/// `YYYY:MM:DD HH:MM:SS`, an offset `+HH:MM`, digits of the second's fraction.
fn moment(written: &str, offset: Option<&str>, fraction: &str) -> Option<ExifTime> {
    let number = |from: usize, to: usize| {
        let part = written.get(from..to)?;
        part.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| part.parse::<u32>().ok())?
    };
    let date = NaiveDate::from_ymd_opt(number(0, 4)? as i32, number(5, 7)?, number(8, 10)?)?;
    let digits: String = fraction
        .chars()
        .take_while(char::is_ascii_digit)
        .take(6)
        .collect();
    let micros = format!("{digits:0<6}").parse::<u32>().ok()?;
    let local = match written.len() {
        10 => date.and_hms_opt(0, 0, 0)?,
        _ => date.and_hms_micro_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?, micros)?,
    };
    let zone = offset
        .filter(|o| !o.is_empty())
        .and_then(|o| o.parse::<FixedOffset>().ok());
    let (at, precision): (DateTime<Utc>, _) = match zone {
        Some(zone) if written.len() > 10 => (
            local.and_local_timezone(zone).single()?.to_utc(),
            CapturedPrecision::Second,
        ),
        _ => (local.and_utc(), CapturedPrecision::Day),
    };
    Some(ExifTime { at, precision })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use exif::{Field, experimental::Writer};

    use super::*;

    fn block(fields: &[(Tag, Value)]) -> Vec<u8> {
        let fields: Vec<Field> = fields
            .iter()
            .map(|(tag, value)| Field {
                tag: *tag,
                ifd_num: In::PRIMARY,
                value: value.clone(),
            })
            .collect();
        let mut writer = Writer::new();
        fields.iter().for_each(|f| writer.push_field(f));
        let mut out = Cursor::new(Vec::new());
        writer.write(&mut out, false).unwrap();
        out.into_inner()
    }

    fn facts(fields: &[(Tag, Value)]) -> Facts {
        let mut facts = Facts::new(fairframe_schemas::MediaType::Image, "image/jpeg", 40, 30);
        read_into(&mut facts, &block(fields));
        facts
    }

    fn ascii(text: &str) -> Value {
        Value::Ascii(vec![text.as_bytes().to_vec()])
    }

    fn dms(parts: &[(u32, u32)]) -> Value {
        let parts = parts.iter().map(|&(num, denom)| Rational { num, denom });
        Value::Rational(parts.collect())
    }

    fn gps(lat: Value, north: &str, lon: Value, east: &str) -> Vec<(Tag, Value)> {
        vec![
            (Tag::GPSLatitudeRef, ascii(north)),
            (Tag::GPSLatitude, lat),
            (Tag::GPSLongitudeRef, ascii(east)),
            (Tag::GPSLongitude, lon),
        ]
    }

    #[test]
    fn signs_and_precision() {
        let south_west = gps(
            dms(&[(33, 1), (51, 1), (3600, 100)]),
            "S",
            dms(&[(70, 1), (30, 1), (0, 1)]),
            "W",
        );
        let place = facts(&south_west).exif_place.unwrap();
        assert!((place.latitude + 33.86).abs() < 1e-9);
        assert!((place.longitude + 70.5).abs() < 1e-9);
        // Longitude is written to whole minutes.
        let precision = place.precision_m.unwrap();
        assert!((1400.0..1900.0).contains(&precision), "{precision}");

        let decimal = gps(
            dms(&[(52_520_000, 1_000_000)]),
            "N",
            dms(&[(13_405_000, 1_000_000)]),
            "E",
        );
        let place = facts(&decimal).exif_place.unwrap();
        assert!((place.latitude - 52.52).abs() < 1e-9);
        assert_eq!(place.precision_m, Some(5.0));

        let mut stated = decimal;
        stated.push((Tag::GPSHPositioningError, dms(&[(65, 10)])));
        assert_eq!(facts(&stated).exif_place.unwrap().precision_m, Some(6.5));
        stated.push((Tag::GPSMapDatum, ascii("TOKYO")));
        assert_eq!(facts(&stated).exif_place.unwrap().precision_m, Some(500.0));
    }

    #[test]
    fn impossible_places_are_dropped_with_a_reason() {
        let fine = || dms(&[(10, 1), (0, 1), (0, 1)]);
        let zero = || dms(&[(0, 1), (0, 1), (0, 1)]);
        for (fields, why) in [
            (gps(zero(), "N", zero(), "E"), "a camera without a fix"),
            (gps(dms(&[(1, 0)]), "N", fine(), "E"), "infinite"),
            (gps(dms(&[(0, 0)]), "N", fine(), "E"), "not a number"),
            (gps(dms(&[(91, 1)]), "N", fine(), "E"), "beyond the pole"),
            (
                gps(fine(), "N", dms(&[(181, 1)]), "E"),
                "beyond the antimeridian",
            ),
            (
                gps(dms(&[(10, 1), (75, 1)]), "N", fine(), "E"),
                "75 minutes",
            ),
            (gps(fine(), "", fine(), "E"), "no reference"),
            (gps(fine(), "N", fine(), "Q"), "no such reference"),
            (gps(ascii("10"), "N", fine(), "E"), "wrong type"),
            (gps(fine(), "N", fine(), "E")[..2].to_vec(), "half of it"),
        ] {
            let facts = facts(&fields);
            assert_eq!(facts.exif_place, None, "{why}");
            assert_eq!(facts.reasons, [Reason::PlaceInvalid], "{why}");
        }
        let mut void = gps(fine(), "N", fine(), "E");
        void.push((Tag::GPSStatus, ascii("V")));
        assert_eq!(facts(&void).exif_place, None);
        let mut null_island = gps(zero(), "N", zero(), "E");
        null_island.push((Tag::GPSStatus, ascii("A")));
        assert_eq!(facts(&null_island).exif_place.unwrap().latitude, 0.0);
    }

    #[test]
    fn times() {
        let at = |fields: &[(Tag, Value)]| facts(fields).exif_captured_at;
        let original = |t: &str| (Tag::DateTimeOriginal, ascii(t));
        let bare = at(&[original("2008:10:22 16:28:39")]).unwrap();
        assert_eq!(bare.at.to_rfc3339(), "2008-10-22T16:28:39+00:00");
        assert_eq!(bare.precision, CapturedPrecision::Day);
        let zoned = at(&[
            original("2008:10:22 01:28:39"),
            (Tag::OffsetTimeOriginal, ascii("+05:30")),
            (Tag::SubSecTimeOriginal, ascii("25 ")),
        ])
        .unwrap();
        assert_eq!(zoned.at.to_rfc3339(), "2008-10-21T19:58:39.250+00:00");
        assert_eq!(zoned.precision, CapturedPrecision::Second);
        assert_eq!(at(&[original("0000:00:00 00:00:00")]), None);
        assert_eq!(at(&[original("    :  :     :  :  ")]), None);
        let broken = facts(&[original("2008:13:45 16:28:39")]);
        assert_eq!(broken.exif_captured_at, None);
        assert_eq!(broken.reasons, [Reason::DateInvalid]);
        assert_eq!(
            facts(&[original("ünïcode:45 16:28")]).reasons,
            [Reason::DateInvalid]
        );
    }

    #[test]
    fn orientation_turns_the_size() {
        for orientation in 0..=9u16 {
            let facts = facts(&[(Tag::Orientation, Value::Short(vec![orientation]))]);
            let turned = (5..=8).contains(&orientation);
            let size = if turned { (30, 40) } else { (40, 30) };
            assert_eq!((facts.width, facts.height), size, "{orientation}");
        }
    }

    #[test]
    fn garbage_is_ignored() {
        let mut facts = Facts::new(fairframe_schemas::MediaType::Image, "image/jpeg", 4, 3);
        let before = facts.clone();
        let mut whole = block(&gps(dms(&[(1, 1)]), "N", dms(&[(1, 1)]), "E"));
        read_into(&mut facts, &whole[..6]);
        read_into(&mut facts, b"not a TIFF block at all");
        read_into(&mut facts, &[]);
        whole.resize(MAX_BYTES + 1, 0);
        read_into(&mut facts, &whole);
        assert_eq!(facts, before);
    }
}

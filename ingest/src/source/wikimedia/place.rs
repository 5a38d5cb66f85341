//! Coordinates, and which statement of them wins.

use fairframe_schemas::PlaceOrigin;

/// Metres of one degree of latitude (mean, WGS84).
const METRES_PER_DEGREE: f64 = 111_195.0;

/// WGS84 degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    pub latitude: f64,
    pub longitude: f64,
    pub precision_m: Option<f64>,
}

/// One statement of a place: readable, or given and not readable.
pub type Stated = Option<Result<Place, BadPlace>>;

/// Coordinates were given that are no place on Earth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadPlace;

impl Place {
    /// `precision` in degrees, as Wikibase states it.
    pub fn new(latitude: f64, longitude: f64, precision: Option<f64>) -> Result<Self, BadPlace> {
        // NaN is in no range.
        if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
            return Err(BadPlace);
        }
        let precision_m = precision
            .filter(|p| *p > 0.0 && *p <= 180.0)
            .map(|p| p * METRES_PER_DEGREE);
        Ok(Self {
            latitude,
            longitude,
            precision_m,
        })
    }
}

/// What was stated where.
#[derive(Debug, Default)]
pub struct Statements {
    pub structured: Stated,
    pub extmetadata: Stated,
    /// `prop=coordinates`, of the extension GeoData.
    pub geodata: Stated,
}

/// The statement that the order of trust puts first, and whether one of those
/// looked at could not be read. `exif` is read after fetching, elsewhere.
pub fn choose(
    statements: &Statements,
    trust: &[PlaceOrigin],
) -> (Option<(Place, PlaceOrigin)>, bool) {
    let mut bad = false;
    for &origin in trust {
        let stated = match origin {
            PlaceOrigin::StructuredData => statements.structured,
            PlaceOrigin::Extmetadata => statements.extmetadata,
            PlaceOrigin::Geodata => statements.geodata,
            PlaceOrigin::Exif | PlaceOrigin::Category | PlaceOrigin::Declared => None,
        };
        match stated {
            Some(Ok(place)) => return (Some((place, origin)), bad),
            Some(Err(BadPlace)) => bad = true,
            None => {}
        }
    }
    (None, bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(latitude: f64) -> Stated {
        Some(Place::new(latitude, 0.0, None))
    }

    #[test]
    fn the_order_of_trust_decides() {
        use PlaceOrigin::{Exif, Extmetadata, Geodata, StructuredData};
        let all = Statements {
            structured: at(1.0),
            extmetadata: at(2.0),
            geodata: at(3.0),
        };
        let first = |trust: &[PlaceOrigin]| choose(&all, trust).0.map(|(p, o)| (p.latitude, o));
        assert_eq!(
            first(&[StructuredData, Extmetadata]),
            Some((1.0, StructuredData))
        );
        assert_eq!(
            first(&[Exif, Extmetadata, StructuredData]),
            Some((2.0, Extmetadata))
        );
        assert_eq!(first(&[Geodata, Extmetadata]), Some((3.0, Geodata)));
        assert_eq!(first(&[Exif]), None);
        let geodata_only = Statements {
            geodata: at(3.0),
            ..Statements::default()
        };
        let first = |trust: &[PlaceOrigin]| choose(&geodata_only, trust).0.map(|(_, o)| o);
        assert_eq!(
            first(&[StructuredData, Extmetadata, Geodata]),
            Some(Geodata)
        );
        assert_eq!(first(&[StructuredData, Extmetadata]), None, "not trusted");
    }

    #[test]
    fn an_unreadable_statement_is_passed_over_and_noted() {
        use PlaceOrigin::{Extmetadata, StructuredData};
        let statements = Statements {
            structured: at(91.0),
            extmetadata: at(2.0),
            ..Statements::default()
        };
        let (place, bad) = choose(&statements, &[StructuredData, Extmetadata]);
        assert_eq!(place.map(|(p, _)| p.latitude), Some(2.0));
        assert!(bad);
        for (latitude, longitude) in [(f64::NAN, 0.0), (0.0, 180.1), (f64::INFINITY, 0.0)] {
            assert_eq!(Place::new(latitude, longitude, None), Err(BadPlace));
        }
    }
}

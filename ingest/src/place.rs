//! Place: from coordinates or a name to a country and its UN M49 regions.
//!
//! Boundaries are those bundled with the crate `country-boundaries` (180 x 90
//! raster; © OpenStreetMap contributors, ODbL 1.0): right for every settlement
//! and major road, oblivious of sea borders. Regions are UN M49's, population
//! is the World Bank's; `data/geography/README.md` says where each file comes
//! from and how Taiwan, Kosovo and Antarctica are answered.

use std::{collections::BTreeMap, sync::OnceLock};

use country_boundaries::{BOUNDARIES_ODBL_180X90, CountryBoundaries, LatLon};

/// The attribution that the bundled boundaries ask for.
pub const BOUNDARIES_ATTRIBUTION: &str =
    "Country boundaries © OpenStreetMap contributors, Open Database License 1.0";

/// A country or territory with an ISO 3166-1 code (and Kosovo).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Country {
    /// ISO 3166-1 alpha-2, upper case.
    pub alpha2: String,
    /// ISO 3166-1 alpha-3, upper case.
    pub alpha3: String,
    /// English short name.
    pub name: String,
    /// UN M49 region, e.g. `Africa`; none for Antarctica.
    pub region: Option<String>,
    /// UN M49 sub-region, e.g. `Sub-Saharan Africa`.
    pub subregion: Option<String>,
    /// People, in the latest year the World Bank has; none for some territories.
    pub population: Option<u64>,
}

/// Countries by coordinates, code and name. Reads no file and no network.
#[derive(Debug)]
pub struct Gazetteer {
    countries: Vec<Country>,
    by_code: BTreeMap<String, usize>,
    by_name: BTreeMap<String, usize>,
    boundaries: CountryBoundaries,
}

#[derive(serde::Deserialize)]
struct IsoRow {
    name: String,
    #[serde(rename = "alpha-2")]
    alpha2: String,
    #[serde(rename = "alpha-3")]
    alpha3: String,
    region: String,
    #[serde(rename = "sub-region")]
    subregion: String,
}

#[derive(serde::Deserialize)]
struct NameRow {
    alpha2: String,
    name: String,
}

#[derive(serde::Deserialize)]
struct PopulationRow {
    alpha3: String,
    population: u64,
}

/// What people write that no list above has.
const ALIASES: &[(&str, &str)] = &[
    ("america", "US"),
    ("u s a", "US"),
    ("u s", "US"),
    ("usa", "US"),
    ("united states", "US"),
    ("great britain", "GB"),
    ("britain", "GB"),
    ("u k", "GB"),
    ("uk", "GB"),
    ("england", "GB"),
    ("scotland", "GB"),
    ("wales", "GB"),
    ("northern ireland", "GB"),
    ("russia", "RU"),
    ("vietnam", "VN"),
    ("burma", "MM"),
    ("birmania", "MM"),
    ("ivory coast", "CI"),
    ("cape verde", "CV"),
    ("swaziland", "SZ"),
    ("czech republic", "CZ"),
    ("macedonia", "MK"),
    ("holland", "NL"),
    ("turkey", "TR"),
    ("palestine", "PS"),
    ("east timor", "TL"),
    ("vatican", "VA"),
    ("macau", "MO"),
    ("dr congo", "CD"),
    ("d r congo", "CD"),
    ("drc", "CD"),
    ("congo kinshasa", "CD"),
    ("congo brazzaville", "CG"),
    ("uae", "AE"),
    ("emirates", "AE"),
    ("tanzania", "TZ"),
    ("micronesia", "FM"),
    ("falkland islands", "FK"),
    ("reunion", "RE"),
    ("republic of china", "TW"),
];

/// ISO 3166-2 subdivisions that also hold an ISO 3166-1 code of their own.
const DUAL_CODED: &[(&str, &str)] = &[
    ("CN-HK", "HK"),
    ("CN-MO", "MO"),
    ("CN-TW", "TW"),
    ("FI-01", "AX"),
    ("FR-971", "GP"),
    ("FR-972", "MQ"),
    ("FR-973", "GF"),
    ("FR-974", "RE"),
    ("FR-976", "YT"),
    ("FR-BL", "BL"),
    ("FR-GF", "GF"),
    ("FR-GP", "GP"),
    ("FR-MF", "MF"),
    ("FR-MQ", "MQ"),
    ("FR-NC", "NC"),
    ("FR-PF", "PF"),
    ("FR-PM", "PM"),
    ("FR-RE", "RE"),
    ("FR-TF", "TF"),
    ("FR-WF", "WF"),
    ("FR-YT", "YT"),
    ("NL-AW", "AW"),
    ("NL-BQ1", "BQ"),
    ("NL-BQ2", "BQ"),
    ("NL-BQ3", "BQ"),
    ("NL-CW", "CW"),
    ("NL-SX", "SX"),
    ("NO-21", "SJ"),
    ("NO-22", "SJ"),
    ("US-AS", "AS"),
    ("US-GU", "GU"),
    ("US-MP", "MP"),
    ("US-PR", "PR"),
    ("US-UM", "UM"),
    ("US-VI", "VI"),
];

impl Gazetteer {
    /// The one gazetteer, parsed at its first use (some 10 ms).
    pub fn bundled() -> &'static Gazetteer {
        static BUNDLED: OnceLock<Gazetteer> = OnceLock::new();
        BUNDLED.get_or_init(Gazetteer::build)
    }

    /// All inputs are compiled in, so a failure here is a broken build, not bad data.
    fn build() -> Gazetteer {
        let population: BTreeMap<String, u64> =
            rows::<PopulationRow>(include_str!("../data/geography/population.csv"))
                .map(|row| (row.alpha3, row.population))
                .collect();
        let some = |text: String| (!text.is_empty()).then_some(text);
        let mut countries: Vec<Country> =
            rows::<IsoRow>(include_str!("../data/geography/iso3166_regional_all.csv"))
                .map(|row| Country {
                    population: population.get(&row.alpha3).copied(),
                    alpha2: row.alpha2,
                    alpha3: row.alpha3,
                    name: row.name,
                    region: some(row.region),
                    subregion: some(row.subregion),
                })
                .collect();
        countries.push(Country {
            alpha2: "XK".to_owned(),
            alpha3: "XKX".to_owned(),
            name: "Kosovo".to_owned(),
            region: Some("Europe".to_owned()),
            subregion: Some("Southern Europe".to_owned()),
            population: population.get("XKX").copied(),
        });
        for country in &mut countries {
            if country.alpha2 == "TW" {
                country.region = Some("Asia".to_owned());
                country.subregion = Some("Eastern Asia".to_owned());
            }
        }
        countries.sort_by(|a, b| a.alpha2.cmp(&b.alpha2));

        let by_code: BTreeMap<String, usize> = countries
            .iter()
            .enumerate()
            .map(|(at, country)| (country.alpha2.clone(), at))
            .collect();
        let mut by_name = BTreeMap::new();
        let named = rows::<NameRow>(include_str!("../data/geography/names.csv"));
        let names = countries
            .iter()
            .map(|c| (c.alpha2.clone(), c.name.clone()))
            .chain(named.map(|row| (row.alpha2, row.name)))
            .chain(
                ALIASES
                    .iter()
                    .map(|(name, code)| ((*code).to_owned(), (*name).to_owned())),
            );
        for (code, name) in names {
            if let Some(&at) = by_code.get(&code) {
                for form in [plain(&name), plain(before_bracket(&name))] {
                    by_name.entry(form).or_insert(at);
                }
                // "Korea, Republic of" is also "Republic of Korea".
                if let Some((head, tail)) = name.split_once(", ") {
                    by_name
                        .entry(plain(&format!("{tail} {head}")))
                        .or_insert(at);
                }
            }
        }
        by_name.remove("");
        // Either Korea; `Virgin Islands` and `Saint Martin` likewise lose their bracket.
        for ambiguous in ["korea", "virgin islands", "saint martin"] {
            by_name.remove(ambiguous);
        }
        for (at, country) in countries.iter().enumerate() {
            by_name.entry(country.alpha3.to_lowercase()).or_insert(at);
        }
        let boundaries = CountryBoundaries::from_reader(BOUNDARIES_ODBL_180X90)
            .expect("the bundled boundaries are readable");
        Gazetteer {
            countries,
            by_code,
            by_name,
            boundaries,
        }
    }

    /// Every country, by alpha-2.
    pub fn countries(&self) -> &[Country] {
        &self.countries
    }

    /// The country at WGS84 degrees. `None` at sea, and for coordinates that
    /// are not finite or lie outside -90..=90 and -180..=180. Territories with
    /// a code of their own answer for themselves (Guadeloupe is `GP`). Where
    /// areas overlap, the smallest decides, by its ISO 3166 code: Crimea is
    /// `UA-43`, hence `UA`. Everything south of 60° S is `AQ`, sea included.
    pub fn at(&self, latitude: f64, longitude: f64) -> Option<&Country> {
        if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
            return None;
        }
        let position = LatLon::new(latitude, longitude).ok()?;
        let found = self.boundaries.ids(position).into_iter().find_map(|id| {
            let dual = DUAL_CODED
                .iter()
                .find(|(subdivision, _)| *subdivision == id);
            match (dual, id.split_once('-')) {
                (Some((_, code)), _) => self.by_code(code),
                (None, Some((code, _))) => self.by_code(code),
                (None, None) => self.by_code(id),
            }
        });
        match found {
            // ISO 3166-1: `AQ` is all that lies south of 60° S; the boundaries leave it out.
            None if latitude <= -60.0 => self.by_code("AQ"),
            found => found,
        }
    }

    /// By ISO 3166-1 alpha-2 (any case), or `XK`.
    pub fn by_code(&self, alpha2: &str) -> Option<&Country> {
        if alpha2.len() != 2 {
            return None;
        }
        let at = self.by_code.get(&alpha2.to_ascii_uppercase())?;
        self.countries.get(*at)
    }

    /// By English name, common alias or alpha-3; case, accents, punctuation
    /// and a leading "the" do not matter. Names that fit several countries
    /// ("Korea") give `None`.
    pub fn by_name(&self, text: &str) -> Option<&Country> {
        if text.len() > 200 {
            return None;
        }
        self.countries.get(*self.by_name.get(&plain(text))?)
    }
}

fn rows<T: serde::de::DeserializeOwned>(text: &'static str) -> impl Iterator<Item = T> {
    csv::Reader::from_reader(text.as_bytes())
        .into_deserialize::<T>()
        .map(|row| row.expect("the bundled table is readable"))
}

fn before_bracket(name: &str) -> &str {
    name.split('(').next().unwrap_or(name)
}

/// Lower case, Latin accents folded, words separated by single spaces, no leading "the".
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        let folded = match c {
            'à'..='å' | 'ā' | 'ă' | 'ą' => "a",
            'æ' => "ae",
            'ç' | 'ć' | 'č' => "c",
            'è'..='ë' | 'ē' | 'ę' | 'ě' => "e",
            'ì'..='ï' | 'ī' | 'ı' => "i",
            'ñ' | 'ń' => "n",
            'ò'..='ö' | 'ø' | 'ō' => "o",
            'ù'..='ü' | 'ū' => "u",
            'ý' | 'ÿ' => "y",
            'š' | 'ś' | 'ş' => "s",
            'ž' | 'ź' | 'ż' => "z",
            'ß' => "ss",
            '&' => " and ",
            '\u{300}'..='\u{36f}' | '\'' | '’' | '‘' => "",
            _ if c.is_alphanumeric() => {
                out.push(c);
                continue;
            }
            _ => " ",
        };
        out.push_str(folded);
    }
    let words: Vec<&str> = out.split_whitespace().collect();
    match words.split_first() {
        Some((&"the", rest)) if !rest.is_empty() => rest.join(" "),
        _ => words.join(" "),
    }
}

/// Mean radius of the Earth in km (IUGG R1).
const EARTH_RADIUS_KM: f64 = 6371.0088;

/// Great-circle distance in km between two (latitude, longitude) in degrees, on
/// a sphere, by the haversine formula (Sinnott, Sky and Telescope 68, 1984);
/// within 0.6 % of the ellipsoid. NaN in, NaN out.
pub fn distance_km(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (lat_a, lat_b) = (a.0.to_radians(), b.0.to_radians());
    let half_lat = (lat_b - lat_a) / 2.0;
    let half_lon = (b.1 - a.1).to_radians() / 2.0;
    let h = half_lat.sin().powi(2) + lat_a.cos() * lat_b.cos() * half_lon.sin().powi(2);
    2.0 * EARTH_RADIUS_KM * h.clamp(0.0, 1.0).sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(lat: f64, lon: f64) -> Option<&'static str> {
        Gazetteer::bundled().at(lat, lon).map(|c| c.alpha2.as_str())
    }

    fn named(text: &str) -> Option<&'static str> {
        Gazetteer::bundled()
            .by_name(text)
            .map(|c| c.alpha2.as_str())
    }

    #[test]
    fn cities_lie_in_their_countries() {
        for (lat, lon, want) in [
            (52.52, 13.405, "DE"),
            (-1.2921, 36.8219, "KE"),
            (6.5244, 3.3792, "NG"),
            (33.0, -97.0, "US"),
            (-33.86, 151.2, "AU"),
            (41.9022, 12.4539, "VA"),
            (43.4674, 11.8851, "IT"),
            (47.6973, 8.6910, "DE"),
            (-29.31, 27.48, "LS"),
            (30.0444, 31.2357, "EG"),
            (64.1466, -21.9426, "IS"),
        ] {
            assert_eq!(code(lat, lon), Some(want), "{lat}, {lon}");
        }
    }

    #[test]
    fn territories_answer_for_themselves() {
        for (lat, lon, want) in [
            (16.2411, -61.5331, "GP"),
            (-20.8789, 55.4481, "RE"),
            (18.4655, -66.1057, "PR"),
            (22.3193, 114.1694, "HK"),
            (22.1987, 113.5439, "MO"),
            (25.033, 121.5654, "TW"),
            (42.6629, 21.1655, "XK"),
            (60.0973, 19.9348, "AX"),
            (12.5211, -69.9683, "AW"),
            (64.1814, -51.6941, "GL"),
            (78.2232, 15.6267, "SJ"),
            (12.1443, -68.2655, "BQ"),
            (44.95, 34.1, "UA"),
            (34.08, 74.8, "IN"),
            (31.9, 35.2, "PS"),
            (-77.85, 166.67, "AQ"),
        ] {
            assert_eq!(code(lat, lon), Some(want), "{lat}, {lon}");
        }
    }

    #[test]
    fn sea_poles_antimeridian_and_nonsense() {
        assert_eq!(code(0.0, 0.0), None);
        assert_eq!(code(35.0, -40.0), None);
        assert_eq!(code(90.0, 0.0), None);
        assert_eq!(code(-90.0, 0.0), Some("AQ"));
        // Chukotka lies on both sides of the antimeridian, which is one line.
        assert_eq!(code(67.5, 179.9), Some("RU"));
        assert_eq!(code(67.5, -179.9), Some("RU"));
        assert_eq!(code(67.5, 180.0), code(67.5, -180.0));
        for (lat, lon) in [
            (f64::NAN, 0.0),
            (0.0, f64::NAN),
            (91.0, 0.0),
            (-90.1, 0.0),
            (10.0, 180.1),
            (10.0, f64::INFINITY),
        ] {
            assert_eq!(code(lat, lon), None, "{lat}, {lon}");
        }
    }

    #[test]
    fn names_aliases_and_alpha3() {
        for (text, want) in [
            ("Germany", "DE"),
            ("GERMANY ", "DE"),
            ("DEU", "DE"),
            ("the Netherlands", "NL"),
            ("Cote d'Ivoire", "CI"),
            ("Côte d’Ivoire", "CI"),
            ("Ivory Coast", "CI"),
            ("USA", "US"),
            ("U.S.A.", "US"),
            ("United States", "US"),
            ("UK", "GB"),
            ("Great Britain", "GB"),
            ("South Korea", "KR"),
            ("Korea, Republic of", "KR"),
            ("Republic of Korea", "KR"),
            ("North Korea", "KP"),
            ("Russia", "RU"),
            ("Russian Federation", "RU"),
            ("Viet Nam", "VN"),
            ("Bolivia", "BO"),
            ("Iran", "IR"),
            ("Congo", "CG"),
            ("DR Congo", "CD"),
            ("Taiwan", "TW"),
            ("Kosovo", "XK"),
            ("Czechia", "CZ"),
            ("Türkiye", "TR"),
            ("Turkey", "TR"),
            ("Sao Tome & Principe", "ST"),
            ("Hong Kong", "HK"),
            ("Namibia", "NA"),
            ("Laos", "LA"),
            ("Syria", "SY"),
            ("Brunei", "BN"),
            ("Moldova", "MD"),
            ("Venezuela", "VE"),
            ("Eswatini", "SZ"),
            ("North Macedonia", "MK"),
            ("Tanzania", "TZ"),
        ] {
            assert_eq!(named(text), Some(want), "{text}");
        }
        for text in [
            "",
            "the",
            "Korea",
            "Virgin Islands",
            "Atlantis",
            "()",
            "Xyz",
        ] {
            assert_eq!(named(text), None, "{text}");
        }
        assert_eq!(named(&"a".repeat(100_000)), None);
    }

    #[test]
    fn the_table_is_whole() {
        let all = Gazetteer::bundled().countries();
        assert_eq!(all.len(), 250);
        let without: Vec<&str> = all
            .iter()
            .filter(|c| c.region.is_none() || c.subregion.is_none())
            .map(|c| c.alpha2.as_str())
            .collect();
        assert_eq!(without, ["AQ"]);
        let kenya = Gazetteer::bundled().by_code("ke").unwrap();
        assert_eq!(kenya.region.as_deref(), Some("Africa"));
        assert_eq!(kenya.subregion.as_deref(), Some("Sub-Saharan Africa"));
        assert!(kenya.population.unwrap() > 50_000_000);
        // `NA` is Namibia, not a missing value.
        assert_eq!(Gazetteer::bundled().by_code("NA").unwrap().name, "Namibia");
        assert!(Gazetteer::bundled().by_code("ZZ").is_none());
        assert!(Gazetteer::bundled().by_code("é").is_none());
    }

    #[test]
    fn distances() {
        let (berlin, nairobi) = ((52.52, 13.405), (-1.2921, 36.8219));
        assert!((distance_km(berlin, nairobi) - 6372.0).abs() < 10.0);
        assert_eq!(distance_km(berlin, berlin), 0.0);
        // Half the circumference, and no NaN from rounding.
        let half = std::f64::consts::PI * EARTH_RADIUS_KM;
        assert!((distance_km((0.0, 0.0), (0.0, 180.0)) - half).abs() < 1e-6);
        assert!((distance_km((45.0, 10.0), (-45.0, -170.0)) - half).abs() < 1e-3);
        assert!(distance_km((0.0, 179.9), (0.0, -179.9)) < 23.0);
        assert!(distance_km((f64::NAN, 0.0), berlin).is_nan());
    }
}

//! What samples can be filtered, counted and sorted by.

use fairframe_schemas::{ConsentState, MediaType, PlaceOrigin, Purpose, Reason, Split, Status};

/// Words of a closed list.
type Known = fn() -> Vec<&'static str>;

macro_rules! facets {
    ($($(#[$doc:meta])* $variant:ident $key:literal $title:literal $many:literal $known:expr;)*) => {
        /// A property whose values are words. A sample without one has the empty word.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Facet { $($(#[$doc])* $variant,)* }

        impl Facet {
            pub const ALL: &'static [Facet] = &[$(Facet::$variant,)*];

            /// The name in an address.
            pub fn key(self) -> &'static str {
                match self { $(Facet::$variant => $key,)* }
            }

            /// The name on a page.
            pub fn title(self) -> &'static str {
                match self { $(Facet::$variant => $title,)* }
            }

            /// Whether a sample can have several.
            pub fn is_list(self) -> bool {
                match self { $(Facet::$variant => $many,)* }
            }

            /// The words there can be, where their list is closed.
            pub fn known(self) -> Option<Vec<&'static str>> {
                let known: Option<Known> = match self { $(Facet::$variant => $known,)* };
                known.map(|words| words())
            }
        }
    };
}

macro_rules! words {
    ($of:ident) => {
        Some(|| $of::ALL.iter().map(|word| word.as_str()).collect())
    };
}

facets! {
    Status "status" "Status" false words!(Status);
    Reason "reason" "Reason" true Some(|| Reason::ALL.iter().map(|r| r.code()).collect());
    Region "region" "Region" false None;
    Subregion "subregion" "Subregion" false None;
    Country "country" "Country" false None;
    /// What is known of the place: [`PLACE`].
    Place "place" "Place" false Some(|| PLACE.to_vec());
    PlaceOrigin "place-from" "Place taken from" false words!(PlaceOrigin);
    /// Of `captured_at`, UTC.
    Year "year" "Year" false None;
    Licence "licence" "Licence" false None;
    Label "label" "Label" true None;
    MediaType "type" "Media type" false words!(MediaType);
    Mime "mime" "Format" false None;
    Source "source" "Source" false None;
    Split "split" "Split" false words!(Split);
    Consent "consent" "Consent" false words!(ConsentState);
    Purpose "purpose" "Agreed to" true words!(Purpose);
    Restriction "restriction" "Restriction" true None;
    OptOut "opt-out" "Opt-out" true None;
    Method "method" "Manipulation" false None;
    Compression "compression" "Compression" false None;
    Creator "creator" "Creator" false None;
    /// Pseudonyms of people shown.
    Subject "subject" "Subject" true None;
}

/// Words of [`Facet::Place`]: coordinates are known, a country or region only, nothing.
pub const PLACE: [&str; 3] = ["coordinates", "area", "unknown"];

/// Bytes of a word that are kept; the rest is cut off.
pub const MAX_WORD: usize = 200;

/// What is kept of a word.
pub fn kept(word: &str) -> &str {
    &word[..word.floor_char_boundary(MAX_WORD)]
}

impl Facet {
    pub fn by_key(key: &str) -> Option<Facet> {
        Facet::ALL.iter().copied().find(|f| f.key() == key)
    }
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $variant:ident $key:literal $title:literal;)*) => {
        /// A property that is a number; none where it is unknown.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Number { $($(#[$doc])* $variant,)* }

        impl Number {
            pub const ALL: &'static [Number] = &[$(Number::$variant,)*];

            /// The name in an address, before `-min` and `-max`.
            pub fn key(self) -> &'static str {
                match self { $(Number::$variant => $key,)* }
            }

            /// The name on a page, with its unit.
            pub fn title(self) -> &'static str {
                match self { $(Number::$variant => $title,)* }
            }
        }
    };
}

numbers! {
    Width "width" "Width, pixels";
    Height "height" "Height, pixels";
    Bytes "bytes" "Size, bytes";
    Duration "duration" "Duration, seconds";
    /// Days since 1970-01-01, UTC; a date in an address.
    Captured "captured" "Captured";
    Latitude "latitude" "Latitude, degrees";
    Longitude "longitude" "Longitude, degrees";
    /// Variance of the Laplacian at 192 pixels.
    Sharpness "sharpness" "Sharpness";
    /// Mean luma, 0 to 1.
    Luminance "luminance" "Luminance, 0 to 1";
    /// Width times height.
    Pixels "pixels" "Pixels";
    /// Width by height.
    Aspect "aspect" "Width by height";
    /// The longer side by the shorter, 1 or more.
    Elongation "elongation" "Longer by shorter side";
}

impl Number {
    /// Those that are stored; the others are made of them.
    pub(super) const STORED: usize = 9;

    pub fn by_key(key: &str) -> Option<Number> {
        Number::ALL.iter().copied().find(|n| n.key() == key)
    }
}

/// The nearest of the known words, if it is near.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong: String = wrong.chars().take(64).collect();
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(&wrong, known), known))
        .min()
        .filter(|(distance, known)| *distance <= 1 + known.chars().count() / 3)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_are_found_and_stand_for_one_thing() {
        let mut seen = BTreeSet::new();
        for facet in Facet::ALL {
            assert_eq!(Facet::by_key(facet.key()), Some(*facet));
            assert!(seen.insert(facet.key().to_owned()));
        }
        for number in Number::ALL {
            assert_eq!(Number::by_key(number.key()), Some(*number));
            assert!(seen.insert(format!("{}-min", number.key())));
        }
    }

    #[test]
    fn the_nearest_word_is_near() {
        let known = ["country", "licence", "label"];
        assert_eq!(nearest("contry", known), Some("country"));
        assert_eq!(nearest("license", known), Some("licence"));
        assert_eq!(nearest("zzzzzzzz", known), None);
    }
}

//! What is measured of quality, and how it is said.

use crate::browse::{Facet, Number};

use super::samples::word;

/// A number that a threshold can be set on.
#[derive(Debug)]
pub struct Measure {
    pub number: Number,
    /// What the page is about with it.
    pub title: &'static str,
    /// What falls: before the threshold's field.
    pub falls: &'static str,
    pub unit: &'static str,
    pub about: &'static str,
    /// Whether what is large falls, and not what is small.
    pub over: bool,
    /// The stored number by the shown one.
    factor: f64,
    /// Whether ten is as far from one as a hundred is from ten.
    by_orders: bool,
}

pub const MEASURES: [Measure; 4] = [
    Measure {
        number: Number::Sharpness,
        title: "Blur",
        falls: "Sharpness of at most",
        unit: "",
        about: "Sharpness is the variance of the Laplacian of the picture at 192 pixels: small where nothing has an edge. Fog, water and night have few edges too.",
        over: false,
        factor: 1.0,
        by_orders: true,
    },
    Measure {
        number: Number::Luminance,
        title: "Darkness",
        falls: "Luminance of at most",
        unit: "",
        about: "Luminance is the mean luma: 0 for black, 1 for white. It is low at night and indoors without a lamp, and also in close portraits of people with dark skin.",
        over: false,
        factor: 1.0,
        by_orders: false,
    },
    Measure {
        number: Number::Pixels,
        title: "Size",
        falls: "At most",
        unit: "megapixels",
        about: "Width times height. Older and cheaper cameras and slow lines make small pictures.",
        over: false,
        factor: 1e6,
        by_orders: true,
    },
    Measure {
        number: Number::Elongation,
        title: "Odd shape",
        falls: "Longer by shorter side of at least",
        unit: "",
        about: "The longer side by the shorter: 1 for a square, 1.5 for a camera's picture, 2 and more for panoramas, strips and screenshots.",
        over: true,
        factor: 1.0,
        by_orders: true,
    },
];

pub fn measure(key: &str) -> Option<&'static Measure> {
    MEASURES.iter().find(|m| m.key() == key)
}

impl Measure {
    pub fn key(&self) -> &'static str {
        self.number.key()
    }

    /// A stored number in the shown unit, to three digits: as a threshold is offered.
    pub fn shown(&self, stored: f64) -> f64 {
        rounded(stored / self.factor)
    }

    pub fn stored(&self, shown: f64) -> f64 {
        shown * self.factor
    }

    pub fn said(&self, stored: f64) -> String {
        match self.unit {
            "" => self.shown(stored).to_string(),
            unit => format!("{} {unit}", self.shown(stored)),
        }
    }

    /// Where a stored number stands on the axis, in any unit.
    pub fn drawn(&self, stored: f64) -> f64 {
        match self.by_orders {
            true => (stored / self.factor + 0.01).ln(),
            false => stored,
        }
    }
}

/// To three significant digits.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let digits = 2 - value.abs().log10().floor() as i32;
    match digits {
        ..=0 => value.round(),
        digits => {
            let parts = 10f64.powi(digits.min(12));
            (value * parts).round() / parts
        }
    }
}

/// Samples of a group: `from Africa`, `under CC BY 4.0`.
pub fn in_words(facet: Facet, of: &str) -> String {
    let shown = word(facet, of);
    let (with, without) = match facet {
        Facet::Region | Facet::Subregion | Facet::Country => ("from", "from unknown places"),
        Facet::Licence => ("under", "of unknown licence"),
        Facet::Source => ("of source", "of no source"),
        Facet::Label => ("labelled", "without a label"),
        Facet::Year => ("of", "of unknown year"),
        Facet::MediaType => ("of type", "of no type"),
        Facet::Split => ("of split", "without a split"),
        _ => ("whose place is of", "without a place"),
    };
    match of.is_empty() {
        true => without.to_owned(),
        false => format!("{with} {shown}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_have_three_digits() {
        for (value, shown) in [
            (0.0, 0.0),
            (0.123456, 0.123),
            (12.3456, 12.3),
            (1234.56, 1235.0),
            (0.000012345, 0.0000123),
            (f64::NAN, 0.0),
        ] {
            assert_eq!(rounded(value), shown);
        }
        assert_eq!(
            measure("pixels").unwrap().said(12_345_678.0),
            "12.3 megapixels"
        );
        assert!(measure("colour").is_none());
    }

    #[test]
    fn groups_are_said_as_people_say_them() {
        assert_eq!(in_words(Facet::Country, "IT"), "from Italy");
        assert_eq!(in_words(Facet::Region, ""), "from unknown places");
        assert_eq!(in_words(Facet::Label, "tree"), "labelled tree");
    }
}

//! From figures to tints, and the legend that says which is which.

use super::request::Show;

/// Tints, palest first.
pub const STEPS: usize = 5;

/// Samples under which a share is not told apart: `docs/method.md`.
pub const MIN_SAMPLES: u64 = 30;

/// How a place is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tint {
    /// 0 to 4.
    Step(usize),
    /// There is none.
    Zero,
    /// There is no figure.
    Unknown,
}

impl Tint {
    pub fn class(self) -> &'static str {
        const CLASSES: [&str; STEPS] = ["s0", "s1", "s2", "s3", "s4"];
        match self {
            Tint::Step(step) => CLASSES[step.min(STEPS - 1)],
            Tint::Zero => "zero",
            Tint::Unknown => "unknown",
        }
    }
}

/// Lower bounds of the tints, falling; the last is open to zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    show: Show,
    bounds: Vec<f64>,
    is_empty: bool,
    of_squares: bool,
}

/// A line of the legend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub class: &'static str,
    pub words: String,
}

/// Parts of hundreds that shares of what was not accepted are told apart by.
const REFUSED: [f64; 4] = [50.0, 25.0, 10.0, 5.0];

impl Scale {
    /// For figures of which the largest is this. Bounds are 1 and 3 times powers of ten, so that
    /// four of them span a hundredfold; counts have none under 2.
    pub fn new(show: Show, of_squares: bool, largest: f64) -> Self {
        let mut bounds = Vec::new();
        if show == Show::Refused {
            bounds.extend(REFUSED);
        } else if largest > 0.0 {
            let mut power = largest.log10().floor() as i32;
            let mut digit = 3;
            if largest < 3.0 * ten(power) {
                digit = 1;
            }
            while bounds.len() < STEPS - 1 {
                let bound = f64::from(digit) * ten(power);
                if show == Show::Count && bound < 2.0 {
                    break;
                }
                bounds.push(bound);
                (digit, power) = if digit == 3 {
                    (1, power)
                } else {
                    (3, power - 1)
                };
            }
        }
        Self {
            show,
            bounds,
            is_empty: largest <= 0.0,
            of_squares,
        }
    }

    /// Few steps use the dark end, so that a small dataset is not a pale one.
    pub fn tint(&self, figure: Option<f64>) -> Tint {
        match figure {
            None => Tint::Unknown,
            Some(figure) if figure <= 0.0 => Tint::Zero,
            Some(figure) => {
                let above = self.bounds.iter().take_while(|b| figure < **b).count();
                Tint::Step(STEPS - 1 - above)
            }
        }
    }

    /// Darkest first, then what is none and what is not known.
    pub fn legend(&self) -> Vec<Line> {
        let unit = match self.show {
            Show::Share | Show::Refused => "%",
            _ => "",
        };
        let text = |bound: f64| format!("{}{unit}", figure(bound));
        let mut lines = Vec::new();
        let mut high: Option<f64> = None;
        for (at, low) in self
            .bounds
            .iter()
            .map(|b| Some(*b))
            .chain([None])
            .enumerate()
        {
            let words = match (low, high) {
                (Some(low), None) => format!("{} or more", text(low)),
                (Some(low), Some(high)) => format!("{} to under {}", text(low), text(high)),
                (None, Some(high)) => format!("under {}", text(high)),
                (None, None) if self.is_empty => break,
                (None, None) => "1".to_owned(),
            };
            let class = Tint::Step(STEPS - 1 - at).class();
            lines.push(Line { class, words });
            high = low;
        }
        let zero = match self.show {
            Show::Refused => "0%",
            _ => "none",
        };
        let unknown = match self.show {
            Show::Refused => Some(format!("fewer than {MIN_SAMPLES} samples: no share told")),
            Show::PerMillion => Some("number of people not known".to_owned()),
            _ if self.of_squares => None,
            _ => Some("no ISO 3166 code".to_owned()),
        };
        let mut push = |tint: Tint, words: String| {
            let class = tint.class();
            lines.push(Line { class, words });
        };
        push(Tint::Zero, zero.to_owned());
        if let Some(words) = unknown {
            push(Tint::Unknown, words);
        }
        lines
    }
}

fn ten(power: i32) -> f64 {
    match power {
        0.. => 10f64.powi(power),
        _ => 1.0 / 10f64.powi(-power),
    }
}

/// A figure to three digits, as far as it has them.
pub fn figure(value: f64) -> String {
    let text = match value {
        0.0 => return "0".to_owned(),
        v if v < 0.0005 => return "<0.001".to_owned(),
        v if v >= 100.0 => return fairframe_schemas::text::count(v.round() as u64),
        v if v >= 10.0 => format!("{v:.1}"),
        v if v >= 1.0 => format!("{v:.2}"),
        v => format!("{v:.3}"),
    };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits() {
        for (value, text) in [
            (0.0, "0"),
            (0.00049, "<0.001"),
            (0.0005, "0.001"),
            (0.3, "0.3"),
            (1.0, "1"),
            (1.234, "1.23"),
            (12.34, "12.3"),
            (100.4, "100"),
            (12_345.0, "12\u{202f}345"),
        ] {
            assert_eq!(figure(value), text, "{value}");
        }
    }

    #[test]
    fn every_figure_has_the_tint_its_line_of_the_legend_says() {
        let scale = Scale::new(Show::Count, false, 12_345.0);
        assert_eq!(scale.bounds, [10_000.0, 3_000.0, 1_000.0, 300.0]);
        for (figure, tint) in [
            (12_345.0, Tint::Step(4)),
            (10_000.0, Tint::Step(4)),
            (9_999.0, Tint::Step(3)),
            (300.0, Tint::Step(1)),
            (1.0, Tint::Step(0)),
            (0.0, Tint::Zero),
        ] {
            assert_eq!(scale.tint(Some(figure)), tint, "{figure}");
        }
        assert_eq!(scale.tint(None), Tint::Unknown);
        let words: Vec<String> = scale.legend().into_iter().map(|l| l.words).collect();
        assert_eq!(words[0], "10\u{202f}000 or more");
        assert_eq!(words[1], "3\u{202f}000 to under 10\u{202f}000");
        assert_eq!(words[4], "under 300");
        assert_eq!(words[5], "none");
    }

    #[test]
    fn small_and_empty_datasets_have_legends_too() {
        assert_eq!(Scale::new(Show::Count, false, 0.0).bounds, [0.0; 0]);
        assert_eq!(
            Scale::new(Show::Count, false, 1.0).tint(Some(1.0)),
            Tint::Step(4)
        );
        let few = Scale::new(Show::Count, false, 4.0);
        assert_eq!(few.bounds, [3.0]);
        assert_eq!(few.legend()[1].words, "under 3");
        let rare = Scale::new(Show::PerMillion, false, 0.04);
        assert_eq!(rare.bounds.len(), 4);
        assert_eq!(rare.legend()[0].words, "0.03 or more");
        for largest in [1e-9, 0.1, 1.0, 3.0, 29.9, 30.0, 1e9] {
            let bounds = Scale::new(Show::Share, false, largest).bounds;
            assert!(
                bounds[0] <= largest && largest < 10.0 * bounds[0],
                "{largest}"
            );
            assert!(bounds.windows(2).all(|w| w[0] > w[1]));
        }
    }
}

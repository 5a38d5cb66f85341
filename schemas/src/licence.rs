//! Licences are SPDX expressions, parsed strictly, at the door.

/// A text that is not a valid SPDX expression.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not an SPDX licence expression: {why}")]
pub struct LicenceError {
    pub text: String,
    pub why: String,
}

/// Parses an SPDX expression; ids must be of the SPDX list or `LicenseRef-...`.
pub fn parse(text: &str) -> Result<spdx::Expression, LicenceError> {
    let error = |why: String| LicenceError {
        text: text.chars().take(200).collect(),
        why,
    };
    // The parser lets an empty reference pass.
    if text
        .split([' ', '(', ')'])
        .any(|word| word == "LicenseRef-")
    {
        return Err(error("a `LicenseRef-` needs a name".to_owned()));
    }
    spdx::Expression::parse(text).map_err(|e| error(e.reason.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts() {
        for text in [
            "CC-BY-SA-4.0",
            "CC0-1.0",
            "CC-BY-4.0 OR GFDL-1.3-or-later",
            "LicenseRef-PD",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn refuses() {
        for text in [
            "",
            "CC BY 4.0",
            "cc-by-sa-4.0",
            "CC-BY-9.9",
            "CC-BY-4.0 AND",
            "LicenseRef-",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

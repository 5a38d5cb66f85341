//! Licences are SPDX expressions, parsed strictly, at the door.

use spdx::{LicenseItem, LicenseReq, expression::ExprNode};

/// "Public domain", for whatever reason. A policy that admits it admits every
/// stated reason, `LicenseRef-PD-...`, as well.
pub const PUBLIC_DOMAIN: &str = "LicenseRef-PD";

/// Longest expression read, in bytes.
pub const MAX_EXPRESSION_BYTES: usize = 2_048;

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
    if text.len() > MAX_EXPRESSION_BYTES {
        return Err(error(format!(
            "it is longer than {MAX_EXPRESSION_BYTES} bytes"
        )));
    }
    // The parser lets an empty reference pass.
    if text
        .split([' ', '(', ')'])
        .any(|word| word == "LicenseRef-")
    {
        return Err(error("a `LicenseRef-` needs a name".to_owned()));
    }
    spdx::Expression::parse(text).map_err(|e| error(e.reason.to_string()))
}

/// Parses one entry of a policy: a licence, with or without an exception, and no choice in it.
pub fn parse_entry(text: &str) -> Result<LicenseReq, LicenceError> {
    let expression = parse(text)?;
    let mut nodes = expression.iter();
    match (nodes.next(), nodes.next()) {
        (Some(ExprNode::Req(only)), None) => Ok(only.req.clone()),
        _ => Err(LicenceError {
            text: text.chars().take(200).collect(),
            why: "name one licence an entry".to_owned(),
        }),
    }
}

/// Whether a policy that admits `allowed` admits what `expression` offers:
/// of an `OR` one side is enough, of an `AND` both are needed, and an exception
/// (`WITH`) must be named in the policy.
///
/// A licence "or later" is also admitted through a later version on the list.
/// A port is a licence of its own: `CC-BY-SA-3.0` does not admit `CC-BY-SA-3.0-DE`.
/// What cannot be parsed, in the expression or in the list, admits nothing.
pub fn satisfied_by(expression: &str, allowed: &[String]) -> bool {
    let Ok(expression) = parse(expression) else {
        return false;
    };
    let allowed: Vec<_> = allowed
        .iter()
        .filter_map(|entry| parse_entry(entry).ok())
        .collect();
    expression.evaluate(|offer| allowed.iter().any(|entry| admits(entry, offer)))
}

/// The licence in words where SPDX or we have some: `Creative Commons Attribution 4.0
/// International`. None for an expression of several, which its ids say best.
pub fn words(expression: &str) -> Option<&'static str> {
    if expression == PUBLIC_DOMAIN {
        return Some("Public domain");
    }
    let reason = expression.strip_prefix(PUBLIC_DOMAIN);
    if reason.is_some_and(|reason| reason.starts_with('-') && !reason.contains(' ')) {
        return Some("Public domain, for a stated reason");
    }
    let name = spdx::license_id(expression)?.full_name;
    (name != expression).then_some(name)
}

fn admits(entry: &LicenseReq, offer: &LicenseReq) -> bool {
    if entry == offer {
        return true;
    }
    if entry.addition != offer.addition {
        return false;
    }
    match (&entry.license, &offer.license) {
        (LicenseItem::Spdx { id: entry, .. }, LicenseItem::Spdx { id, or_later }) => {
            let (family, least, later) = versioned(id.name);
            let (entry_family, version, _) = versioned(entry.name);
            (*or_later || later) && family == entry_family && version >= least
        }
        (LicenseItem::Other(entry), LicenseItem::Other(offer)) => {
            entry.doc_ref.is_none()
                && offer.doc_ref.is_none()
                && "LicenseRef-".len() + entry.lic_ref.len() == PUBLIC_DOMAIN.len()
                && PUBLIC_DOMAIN.ends_with(&entry.lic_ref)
                && offer
                    .lic_ref
                    .strip_prefix(entry.lic_ref.as_str())
                    .is_some_and(|reason| reason.starts_with('-'))
        }
        _ => false,
    }
}

/// `GFDL-1.2-or-later` as (`GFDL-`, 1.2, true). Without a version: the whole name.
fn versioned(name: &str) -> (String, Vec<u32>, bool) {
    let later = name.ends_with("-or-later");
    let name = name.trim_end_matches("-or-later").trim_end_matches("-only");
    let mut family = String::new();
    let mut version = Vec::new();
    for part in name.split('-') {
        let numbers: Result<Vec<u32>, _> = part.split('.').map(str::parse).collect();
        match numbers {
            Ok(numbers) if version.is_empty() => version = numbers,
            _ => {
                family.push_str(part);
                family.push('-');
            }
        }
    }
    (family, version, later)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn licences_have_words() {
        for (expression, wanted) in [
            (
                "CC-BY-SA-4.0",
                Some("Creative Commons Attribution Share Alike 4.0 International"),
            ),
            ("LicenseRef-PD", Some("Public domain")),
            (
                "LicenseRef-PD-USGov",
                Some("Public domain, for a stated reason"),
            ),
            ("LicenseRef-PDX", None),
            ("CC-BY-4.0 OR MIT", None),
            ("LicenseRef-PD-old AND MIT", None),
            ("unknown", None),
        ] {
            assert_eq!(words(expression), wanted, "{expression}");
        }
    }

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

    fn admitted(expression: &str, allowed: &[&str]) -> bool {
        let allowed: Vec<_> = allowed.iter().map(|a| (*a).to_owned()).collect();
        satisfied_by(expression, &allowed)
    }

    #[test]
    fn policies_admit() {
        for (expression, allowed) in [
            ("CC-BY-4.0", &["CC0-1.0", "CC-BY-4.0"][..]),
            ("CC-BY-SA-3.0 OR GFDL-1.2-or-later", &["CC-BY-SA-3.0"]),
            ("CC-BY-NC-4.0 OR CC-BY-4.0", &["CC-BY-4.0"]),
            ("MIT AND CC-BY-4.0", &["MIT", "CC-BY-4.0"]),
            ("(MIT OR CC-BY-NC-4.0) AND CC-BY-4.0", &["MIT", "CC-BY-4.0"]),
            ("CC-BY-NC-4.0 AND MIT OR CC-BY-4.0", &["CC-BY-4.0"]),
            (
                "LicenseRef-CC-BY-SA-3.0-ES",
                &["LicenseRef-CC-BY-SA-3.0-ES"],
            ),
            ("CC-BY-SA-3.0-DE", &["CC-BY-SA-3.0-DE"]),
            ("LicenseRef-PD", &["LicenseRef-PD"]),
            ("LicenseRef-PD-USGov", &["LicenseRef-PD"]),
            ("LicenseRef-PD-old-100-expired", &["LicenseRef-PD"]),
            ("GFDL-1.2-or-later", &["GFDL-1.2-or-later"]),
            ("GFDL-1.2-or-later", &["GFDL-1.2-only"]),
            ("GFDL-1.2-or-later", &["GFDL-1.3-only"]),
            ("MPL-1.1+", &["MPL-2.0"]),
            (
                "Apache-2.0 WITH LLVM-exception",
                &["Apache-2.0 WITH LLVM-exception"],
            ),
        ] {
            assert!(admitted(expression, allowed), "{expression} by {allowed:?}");
        }
    }

    #[test]
    fn policies_refuse() {
        for (expression, allowed) in [
            ("CC-BY-4.0", &[][..]),
            ("CC-BY-4.0", &["CC-BY-SA-4.0", "CC-BY-3.0"]),
            ("CC-BY-NC-4.0", &["CC-BY-4.0"]),
            ("CC-BY-ND-4.0", &["CC-BY-4.0"]),
            ("MIT AND CC-BY-NC-4.0", &["MIT", "CC-BY-4.0"]),
            ("CC-BY-NC-4.0 OR CC-BY-ND-4.0", &["CC-BY-4.0"]),
            // A port is a licence of its own, in both directions.
            ("CC-BY-SA-3.0-DE", &["CC-BY-SA-3.0"]),
            ("CC-BY-SA-3.0", &["CC-BY-SA-3.0-DE"]),
            // Only the family of the public domain has members.
            ("LicenseRef-PDX", &["LicenseRef-PD"]),
            ("LicenseRef-PD", &["LicenseRef-PD-USGov"]),
            ("LicenseRef-A-B", &["LicenseRef-A"]),
            ("DocumentRef-x:LicenseRef-PD-USGov", &["LicenseRef-PD"]),
            // No later version, and none where none is offered.
            ("GFDL-1.3-or-later", &["GFDL-1.2-only"]),
            ("GFDL-1.2-only", &["GFDL-1.3-only", "GFDL-1.2-or-later"]),
            ("GFDL-1.2-or-later", &["GFDL-1.2-invariants-only"]),
            ("Apache-2.0 WITH LLVM-exception", &["Apache-2.0"]),
            ("Apache-2.0", &["Apache-2.0 WITH LLVM-exception"]),
            // What cannot be parsed admits nothing.
            ("CC BY 4.0", &["CC BY 4.0"]),
            ("", &["CC-BY-4.0"]),
            ("MIT", &["MIT OR CC-BY-4.0"]),
        ] {
            assert!(
                !admitted(expression, allowed),
                "{expression} by {allowed:?}"
            );
        }
    }

    #[test]
    fn an_entry_is_one_licence() {
        assert!(parse_entry("MIT").is_ok());
        assert!(parse_entry("Apache-2.0 WITH LLVM-exception").is_ok());
        let error = parse_entry("MIT OR CC0-1.0").unwrap_err();
        assert!(
            error.to_string().contains("one licence an entry"),
            "{error}"
        );
    }

    #[test]
    fn long_expressions_are_refused() {
        let long = vec!["MIT"; 1_000].join(" OR ");
        assert!(parse(&long).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "(MIT|CC0-1\\.0|GFDL-1\\.2-or-later|OR|AND|WITH|[()+ ]|LicenseRef-[a-z.]{0,3}|\\PC){0,12}") {
            let allowed = [text.clone(), "MIT".to_owned()];
            let _ = parse_entry(&text);
            let admitted = satisfied_by(&text, &allowed);
            prop_assert!(!admitted || parse(&text).is_ok());
        }

        #[test]
        fn a_longer_list_never_admits_less(
            offers in proptest::collection::vec("(MIT|CC0-1\\.0|CC-BY-4\\.0|CC-BY-NC-4\\.0)", 1..4),
            operators in proptest::collection::vec("( OR | AND )", 3),
            few in proptest::collection::vec("(MIT|CC0-1\\.0|CC-BY-4\\.0)", 0..3),
            more in "(MIT|CC0-1\\.0|CC-BY-4\\.0)",
        ) {
            let mut text = offers[0].clone();
            for (offer, operator) in offers[1..].iter().zip(&operators) {
                text = format!("{text}{operator}{offer}");
            }
            let mut all = few.clone();
            all.push(more);
            prop_assert!(!satisfied_by(&text, &few) || satisfied_by(&text, &all));
        }
    }
}

//! Upstream's words about a licence, read as an SPDX expression.
//!
//! Nothing is guessed: a word that names no exact licence (`CC BY` without a
//! version, `GPLv2` that may or may not mean "or later") is unreadable, and a
//! sample of which no statement can be read is quarantined. `docs/licences.md`
//! has the whole table.

mod wikidata;
mod words;

use std::collections::BTreeSet;

use fairframe_schemas::Reason;

/// Most structured statements looked at; a file with more is unreadable.
pub const MAX_STATEMENTS: usize = 64;

/// Most licences one reading may name as alternatives; more is unreadable.
pub const MAX_ALTERNATIVES: usize = 16;

/// What upstream says, each field as it stands there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LicenceEvidence<'a> {
    /// `extmetadata.License`, or the licence column of a drop.
    pub code: Option<&'a str>,
    /// `extmetadata.LicenseShortName`.
    pub short_name: Option<&'a str>,
    /// `extmetadata.LicenseUrl`.
    pub url: Option<&'a str>,
    /// `extmetadata.UsageTerms`; looked at where the three above say nothing readable.
    pub usage_terms: Option<&'a str>,
    /// `extmetadata.Copyrighted`. Only `False` is a statement: `True` is what
    /// MediaWiki writes for everything whose code is not `pd`.
    pub copyrighted: Option<&'a str>,
    /// Q-ids of P275, copyright licence.
    pub structured: &'a [String],
    /// Q-ids of P6216, copyright status.
    pub status: &'a [String],
}

/// What it comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LicenceReading {
    /// A valid SPDX expression; alternatives are joined by `OR`, sorted.
    pub expression: Option<String>,
    /// The licence's address: upstream's, in its canonical form where we know
    /// it, else the one that the licence is published at.
    pub url: Option<String>,
    /// Whether every alternative asks for attribution; `None` where it is not known.
    pub attribution_required: Option<bool>,
    /// Empty, or one of `licence-missing`, `licence-unknown`, `licence-contradiction`.
    pub reasons: Vec<Reason>,
}

/// Licences one statement offers to choose from.
type Alternatives = BTreeSet<String>;

/// Reads the evidence.
///
/// Statements agree when they share a licence; the expression then names every
/// licence that any of them offers, for upstream's short fields hold only one
/// of several. They contradict each other when two share none, when one of
/// them alone mixes public domain into a licence, or when the copyright status
/// says the opposite of all of them.
pub fn read_licence(evidence: &LicenceEvidence<'_>) -> LicenceReading {
    let said = |text: Option<&str>| text.is_some_and(|t| !t.trim().is_empty());
    let mut statements: Vec<Alternatives> = Vec::new();
    statements.extend(evidence.code.and_then(words::read_text));
    statements.extend(evidence.short_name.and_then(words::read_text));
    statements.extend(evidence.url.and_then(words::read_url));
    if statements.is_empty() {
        statements.extend(evidence.usage_terms.and_then(words::read_text));
    }
    if evidence.structured.len() <= MAX_STATEMENTS {
        // One licence each: together they are what can be chosen from.
        let known: Alternatives = evidence
            .structured
            .iter()
            .filter_map(|id| wikidata::licence(id))
            .collect();
        if !known.is_empty() {
            statements.push(known);
        }
    }
    let status = Status::read(evidence.status);
    if statements.is_empty() && !said_any(evidence) {
        statements.extend(status.alone());
    }
    let url = evidence.url.and_then(web_address);
    let refused = |reason| LicenceReading {
        url: url.clone(),
        reasons: vec![reason],
        ..LicenceReading::default()
    };
    let Some(alternatives) = merge(&statements) else {
        if !statements.is_empty() {
            return refused(Reason::LicenceContradiction);
        }
        let stated = said_any(evidence) || said(evidence.usage_terms);
        return refused(if stated {
            Reason::LicenceUnknown
        } else {
            Reason::LicenceMissing
        });
    };
    let not_copyrighted = evidence
        .copyrighted
        .is_some_and(|c| c.trim().eq_ignore_ascii_case("false"));
    let all_licensed = alternatives.iter().all(|l| right(l) == Right::Licensed);
    if (not_copyrighted && all_licensed) || status.contradicts(&alternatives) {
        return refused(Reason::LicenceContradiction);
    }
    let expression = alternatives
        .iter()
        .cloned()
        .collect::<Vec<_>>()
        .join(" OR ");
    if alternatives.len() > MAX_ALTERNATIVES
        || fairframe_schemas::licence::parse(&expression).is_err()
    {
        return refused(Reason::LicenceUnknown);
    }
    let canonical = alternatives.iter().find_map(|l| words::published_at(l));
    let same = evidence
        .url
        .and_then(words::read_url)
        .and_then(|read| read.iter().find_map(|l| words::published_at(l)));
    LicenceReading {
        attribution_required: attribution(&alternatives),
        url: same.or(url).or(canonical),
        expression: Some(expression),
        reasons: Vec::new(),
    }
}

/// Whether upstream says anything about the licence itself (not of the copyright status).
fn said_any(evidence: &LicenceEvidence<'_>) -> bool {
    [
        evidence.code,
        evidence.short_name,
        evidence.url,
        evidence.usage_terms,
    ]
    .into_iter()
    .flatten()
    .any(|t| !t.trim().is_empty())
        || !evidence.structured.is_empty()
}

/// Every licence offered, or `None` where two statements disagree or none was made.
fn merge(statements: &[Alternatives]) -> Option<Alternatives> {
    for (i, one) in statements.iter().enumerate() {
        for other in &statements[i + 1..] {
            if !one.iter().any(|a| other.iter().any(|b| same(a, b))) {
                return None;
            }
        }
    }
    let mut all: Alternatives = statements.iter().flatten().cloned().collect();
    for free in [Right::Free, Right::Licensed] {
        let offers = |s: &Alternatives| s.iter().any(|l| right(l) == free);
        // A file that is public domain by one statement only, and licensed by all.
        if all.iter().any(|l| right(l) != free) && offers(&all) && !statements.iter().all(offers) {
            return None;
        }
    }
    if all.len() > 1
        && all
            .iter()
            .any(|l| l != words::PD && right(l) == Right::Free)
    {
        all.remove(words::PD);
    }
    (!all.is_empty()).then_some(all)
}

/// `LicenseRef-PD` says that a work is free and not why; any reason fits it.
fn same(a: &str, b: &str) -> bool {
    a == b
        || (a == words::PD && right(b) == Right::Free)
        || (b == words::PD && right(a) == Right::Free)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Right {
    /// Public domain, by law or by dedication.
    Free,
    /// Someone holds the copyright and gives a licence, or refuses one.
    Licensed,
    /// Nobody says: "no known copyright restrictions".
    Unsaid,
}

fn right(licence: &str) -> Right {
    match licence {
        "CC0-1.0" | "CC-PDM-1.0" | "CC-PDDC" | "PDDL-1.0" | words::PD => Right::Free,
        words::NO_KNOWN_RESTRICTIONS => Right::Unsaid,
        _ if licence.starts_with("LicenseRef-PD-") => Right::Free,
        _ if licence.starts_with("LicenseRef-RightsStatements-") => Right::Unsaid,
        _ => Right::Licensed,
    }
}

/// P6216 of a file. A file may have several: of the photo and of what it shows.
#[derive(Debug, Default)]
struct Status {
    public_domain: bool,
    copyrighted: bool,
    dedicated: bool,
    no_known_restrictions: bool,
}

impl Status {
    fn read(ids: &[String]) -> Self {
        let has = |id: &str| ids.iter().take(MAX_STATEMENTS).any(|i| i == id);
        Self {
            public_domain: has(wikidata::PUBLIC_DOMAIN),
            copyrighted: has(wikidata::COPYRIGHTED),
            dedicated: has(wikidata::DEDICATED),
            no_known_restrictions: has(wikidata::NO_KNOWN_RESTRICTIONS),
        }
    }

    /// What the status says where nothing else says anything.
    fn alone(&self) -> Option<Alternatives> {
        let licence = match self {
            Self {
                copyrighted: true, ..
            } => return None,
            Self {
                dedicated: true, ..
            } => words::PD_AUTHOR,
            Self {
                public_domain: true,
                ..
            } => words::PD,
            Self {
                no_known_restrictions: true,
                ..
            } => words::NO_KNOWN_RESTRICTIONS,
            _ => return None,
        };
        Some(Alternatives::from([licence.to_owned()]))
    }

    fn contradicts(&self, alternatives: &Alternatives) -> bool {
        let all = |r: Right| alternatives.iter().all(|l| right(l) == r);
        let free = self.public_domain || self.dedicated;
        // A dedication is made by someone who holds the copyright.
        let by_law = |l: &String| {
            right(l) == Right::Free
                && !matches!(
                    l.as_str(),
                    "CC0-1.0" | "CC-PDDC" | "PDDL-1.0" | words::PD_AUTHOR
                )
        };
        (free && !self.copyrighted && all(Right::Licensed))
            || (self.copyrighted && !free && alternatives.iter().all(by_law))
    }
}

/// Whether a licence asks for attribution.
fn asks_attribution(licence: &str) -> Option<bool> {
    let free = right(licence) == Right::Free;
    if free
        || matches!(
            licence,
            words::NO_KNOWN_RESTRICTIONS | words::FREE_USE | "WTFPL" | "DL-DE-ZERO-2.0"
        )
    {
        return Some(false);
    }
    let name = licence.strip_prefix("LicenseRef-").unwrap_or(licence);
    let asks = [
        "CC-BY-",
        "GFDL-",
        "GPL-",
        "LGPL-",
        "AGPL-",
        "OGL-",
        "NLOD-",
        "LAL-",
        "KOGL-",
        "DL-DE-BY-",
        "GODL-",
        "etalab-",
    ];
    let exact = [
        "MIT",
        "Apache-2.0",
        "ODbL-1.0",
        "ODC-By-1.0",
        "FAL",
        "Attribution",
    ];
    (asks.iter().any(|p| name.starts_with(p)) || exact.contains(&name)).then_some(true)
}

/// Whoever may choose can choose the alternative that does not ask.
fn attribution(alternatives: &Alternatives) -> Option<bool> {
    let asked: Vec<_> = alternatives.iter().map(|l| asks_attribution(l)).collect();
    if asked.contains(&Some(false)) {
        Some(false)
    } else if asked.contains(&None) {
        None
    } else {
        Some(true)
    }
}

/// Upstream's address as a web address; anything else (a script, a file) is none.
fn web_address(text: &str) -> Option<String> {
    let url = words::parse_url(text)?;
    let plain = url.username().is_empty() && url.password().is_none();
    plain.then(|| String::from(url))
}

#[cfg(test)]
mod tests;

//! Licence codes, short names and addresses.

use fairframe_schemas::licence;
use url::Url;

use super::Alternatives;

/// Longest text looked at, in bytes; a longer one is unreadable.
pub const MAX_TEXT_BYTES: usize = 512;

pub const PD: &str = "LicenseRef-PD";
/// Released by the holder of the copyright (Commons `PD-author`, `PD-self`, ...).
pub const PD_AUTHOR: &str = "LicenseRef-PD-Author";
pub const PD_USGOV: &str = "LicenseRef-PD-USGov";
pub const NO_KNOWN_RESTRICTIONS: &str = "LicenseRef-No-Known-Restrictions";
pub const FREE_USE: &str = "LicenseRef-Copyrighted-Free-Use";

/// Versions of the six Creative Commons licences that are no port.
const VERSIONS: [&str; 5] = ["1.0", "2.0", "2.5", "3.0", "4.0"];

/// Versions that were ported to jurisdictions; 4.0 never was.
const PORTED: [&str; 5] = ["1.0", "2.0", "2.1", "2.5", "3.0"];

/// Jurisdictions with a Creative Commons port, as in the addresses.
const PORTS: &str = " am ar at au az be bg br ca ch cl cn co cr cz de dk ec ee eg es fi fr ge gr \
    gt hk hr hu ie igo il in it jp kr lu mk mt mx my nl no nz pe ph pl pr pt ro rs scotland se sg \
    si th tw ug uk us ve vn za ";

/// Reads a code (`cc-by-sa-3.0-de`), a short name (`CC BY-SA 3.0 de`), usage
/// terms in English or an SPDX expression. `None`: not readable as a whole.
pub fn read_text(text: &str) -> Option<Alternatives> {
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_TEXT_BYTES {
        return None;
    }
    if let Some(read) = spdx_expression(text) {
        return Some(read);
    }
    let lower = text.to_lowercase();
    if let Some(read) = one(&lower) {
        return Some(read);
    }
    let split = lower.replace(" or ", "/").replace(", ", "/");
    let parts: Vec<_> = split.split(['/', '|', ';']).map(str::trim).collect();
    if parts.len() < 2 {
        return None;
    }
    // A part that cannot be read may be the one that counts: all or nothing.
    let read: Vec<_> = parts.into_iter().map(one).collect::<Option<_>>()?;
    Some(read.into_iter().flatten().collect())
}

/// An expression in SPDX's own words: ids joined by `OR`, or one that has no choice in it.
fn spdx_expression(text: &str) -> Option<Alternatives> {
    licence::parse(text).ok()?;
    if text.contains(" OR ") {
        let plain = !text.contains(['(', ')']) && !text.contains(" AND ");
        return plain.then(|| text.split(" OR ").map(|p| p.trim().to_owned()).collect());
    }
    // The parser takes lower-case operators; we do not.
    let lower = [" or ", " and ", " with "];
    let plain = !lower.iter().any(|o| text.contains(o)) && !text.contains(['(', ')']);
    plain.then(|| Alternatives::from([text.to_owned()]))
}

fn single(licence: impl Into<String>) -> Option<Alternatives> {
    Some(Alternatives::from([licence.into()]))
}

/// One licence (or one Creative Commons licence in several versions), in lower case.
fn one(text: &str) -> Option<Alternatives> {
    let key = key(text);
    if let Some(licence) = by_name(&key) {
        return single(licence);
    }
    if let Some(tag) = key.strip_prefix("pd-") {
        return public_domain(tag).and_then(single);
    }
    creative_commons(&key)
}

/// The text with every run of spaces, hyphens and underscores as one hyphen.
fn key(text: &str) -> String {
    let text = text.replace(", ", " ");
    let words = text.split(|c: char| c.is_whitespace() || matches!(c, '-' | '_' | '(' | ')'));
    let words: Vec<_> = words.filter(|w| !w.is_empty()).collect();
    words.join("-")
}

/// Names that mean exactly one licence.
fn by_name(key: &str) -> Option<&'static str> {
    Some(match key {
        "cc0"
        | "cc-0"
        | "cc-zero"
        | "cc0-1.0"
        | "cc-zero-1.0"
        | "cc-0-1.0"
        | "creative-commons-0"
        | "creative-commons-zero"
        | "creative-commons-cc0"
        | "creative-commons-cc0-license"
        | "cc0-1.0-universal"
        | "creative-commons-zero-public-domain-dedication"
        | "creative-commons-cc0-1.0-universal-public-domain-dedication" => "CC0-1.0",
        "pdm"
        | "pdm-1.0"
        | "cc-pdm"
        | "cc-pdm-1.0"
        | "public-domain-mark"
        | "public-domain-mark-1.0"
        | "creative-commons-public-domain-mark"
        | "creative-commons-public-domain-mark-1.0" => "CC-PDM-1.0",
        "pd" | "public-domain" | "publicdomain" => PD,
        "no-restrictions"
        | "no-known-restrictions"
        | "no-known-copyright-restrictions"
        | "flickr-no-known-copyright-restrictions" => NO_KNOWN_RESTRICTIONS,
        // Commons' template: "Version 1.2 or any later version".
        "gfdl" | "gfdl-1.2+" | "gfdl-1.2-or-later" => "GFDL-1.2-or-later",
        "gfdl-1.1+" | "gfdl-1.1-or-later" => "GFDL-1.1-or-later",
        "gfdl-1.3+" | "gfdl-1.3-or-later" => "GFDL-1.3-or-later",
        "gfdl-1.2" | "gfdl-1.2-only" => "GFDL-1.2-only",
        "gfdl-1.3-only" => "GFDL-1.3-only",
        // Their templates say "or any later version"; the plain `v2`, `v3` do not say.
        "gpl" | "gpl-2.0+" | "gpl-2.0-or-later" | "gplv2+" => "GPL-2.0-or-later",
        "gpl-3.0+" | "gpl-3.0-or-later" | "gplv3+" => "GPL-3.0-or-later",
        "gplv2-only" | "gpl-2.0-only" => "GPL-2.0-only",
        "gplv3-only" | "gpl-3.0-only" => "GPL-3.0-only",
        "lgpl" | "lgplv2.1+" | "lgpl-2.1-or-later" => "LGPL-2.1-or-later",
        "lgplv3+" | "lgpl-3.0-or-later" => "LGPL-3.0-or-later",
        "fal" | "free-art-license" | "free-art-licence" | "art-libre" | "licence-art-libre" => {
            "LicenseRef-FAL"
        }
        "fal-1.3" | "free-art-license-1.3" | "licence-art-libre-1.3" => "LAL-1.3",
        "fal-1.2" | "free-art-license-1.2" | "licence-art-libre-1.2" => "LAL-1.2",
        "ogl-1"
        | "ogl1"
        | "ogl-v1"
        | "ogl-1.0"
        | "ogl-v1.0"
        | "open-government-licence-v1.0"
        | "open-government-licence-1.0" => "OGL-UK-1.0",
        "ogl-2"
        | "ogl2"
        | "ogl-v2"
        | "ogl-2.0"
        | "ogl-v2.0"
        | "open-government-licence-v2.0"
        | "open-government-licence-2.0" => "OGL-UK-2.0",
        "ogl-3"
        | "ogl3"
        | "ogl-v3"
        | "ogl-3.0"
        | "ogl-v3.0"
        | "open-government-licence-v3.0"
        | "open-government-licence-3.0" => "OGL-UK-3.0",
        "kogl-type-1" | "kogl-type1" | "kogl-1" => "LicenseRef-KOGL-Type-1",
        // 2: no commercial use. 3: no changes. 4: neither.
        "kogl-type-2" | "kogl-type2" | "kogl-2" => "LicenseRef-KOGL-Type-2",
        "kogl-type-3" | "kogl-type3" | "kogl-3" => "LicenseRef-KOGL-Type-3",
        "kogl-type-4" | "kogl-type4" | "kogl-4" => "LicenseRef-KOGL-Type-4",
        "attribution" | "attribution-only-license" | "attribution-only-licence" => {
            "LicenseRef-Attribution"
        }
        "copyrighted-free-use" | "copyrightedfreeuse" => FREE_USE,
        "fair-use" | "non-free" | "non-free-fair-use" => "LicenseRef-Fair-Use",
        "all-rights-reserved" => "LicenseRef-All-Rights-Reserved",
        "mit" | "expat" | "mit-license" => "MIT",
        "apache-2.0" | "apache-license-2.0" => "Apache-2.0",
        "odbl" | "odbl-1.0" => "ODbL-1.0",
        "pddl" | "pddl-1.0" => "PDDL-1.0",
        "odc-by" | "odc-by-1.0" => "ODC-By-1.0",
        "wtfpl" => "WTFPL",
        "nlod-1.0" => "NLOD-1.0",
        "nlod-2.0" => "NLOD-2.0",
        "etalab-2.0" | "licence-ouverte-2.0" | "open-licence-2.0" => "etalab-2.0",
        "dl-de-by-2.0" | "dl-de/by-2-0" | "dl-de/by-2.0" => "DL-DE-BY-2.0",
        "dl-de-zero-2.0" | "dl-de/zero-2-0" | "dl-de/zero-2.0" => "DL-DE-ZERO-2.0",
        "godl-india" => "LicenseRef-GODL-India",
        _ => return None,
    })
}

/// The reason of a Commons `PD-...` tag, where it is one we know.
fn public_domain(tag: &str) -> Option<String> {
    let known = [
        "anon",
        "art",
        "ineligible",
        "old",
        "scan",
        "shape",
        "simple",
        "text",
        "textlogo",
        "us",
    ];
    match tag.split('-').next()? {
        "usgov" => Some(PD_USGOV.to_owned()),
        "author" | "heirs" | "release" | "self" | "user" => Some(PD_AUTHOR.to_owned()),
        word if known.contains(&word) => {
            let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
            (tag.len() <= 40 && tag.bytes().all(fits)).then(|| format!("{PD}-{tag}"))
        }
        _ => None,
    }
}

/// Which of the four conditions a Creative Commons licence has.
#[derive(Default, Clone, Copy)]
struct Conditions {
    by: bool,
    nc: bool,
    nd: bool,
    sa: bool,
}

impl Conditions {
    /// Takes one word; `None` where it is none or stands twice.
    fn take(&mut self, word: &str) -> Option<()> {
        let slot = match word {
            "by" | "attribution" => &mut self.by,
            "nc" | "noncommercial" => &mut self.nc,
            "nd" | "noderivs" | "noderivatives" => &mut self.nd,
            "sa" | "sharealike" => &mut self.sa,
            _ => return None,
        };
        (!std::mem::replace(slot, true)).then_some(())
    }

    /// The name up to the version: `CC-BY-NC-SA`.
    fn name(self) -> Option<String> {
        if self.nd && self.sa {
            return None;
        }
        let parts = [
            (self.by, "-BY"),
            (self.nc, "-NC"),
            (self.nd, "-ND"),
            (self.sa, "-SA"),
        ];
        let name: String = parts.iter().filter(|p| p.0).map(|p| p.1).collect();
        (!name.is_empty()).then(|| format!("CC{name}"))
    }
}

/// `cc-by-sa-3.0-de`, `cc-by-sa-3.0,2.5,2.0,1.0`, `cc-by-sa-4.0-3.0-2.5`,
/// `cc-by-1.0+`, `creative-commons-attribution-share-alike-4.0-international`.
fn creative_commons(key: &str) -> Option<Alternatives> {
    let rest = key
        .strip_prefix("cc-")
        .or_else(|| key.strip_prefix("creative-commons-"))?;
    let spelled = rest
        .replace("share-alike", "sharealike")
        .replace("non-commercial", "noncommercial")
        .replace("no-deriv", "noderiv");
    let mut words = spelled.split('-').peekable();
    let mut conditions = Conditions::default();
    while let Some(word) = words.next_if(|w| !w.starts_with(|c: char| c.is_ascii_digit())) {
        match word {
            "all" if words.peek().is_none() => {
                return name_all(conditions, &VERSIONS, None);
            }
            "license" | "licence" => {}
            word => conditions.take(word)?,
        }
    }
    let mut versions = Vec::new();
    while let Some(word) = words.next_if(|w| w.starts_with(|c: char| c.is_ascii_digit())) {
        for version in word.split(',') {
            match version.strip_suffix('+') {
                Some(first) => {
                    let from = VERSIONS.iter().position(|v| *v == first)?;
                    versions.extend_from_slice(&VERSIONS[from..]);
                }
                None => versions.push(version),
            }
        }
    }
    let mut port = None;
    for word in words {
        match (word, versions.as_slice()) {
            ("international", ["4.0"]) | ("unported" | "migrated", ["3.0"]) => {}
            ("generic", ["1.0" | "2.0" | "2.5"]) => {}
            (word, [_]) if port.is_none() => port = Some(word),
            _ => return None,
        }
    }
    name_all(conditions, &versions, port)
}

fn name_all(conditions: Conditions, versions: &[&str], port: Option<&str>) -> Option<Alternatives> {
    let named = |version: &&str| name(conditions, version, port);
    let all: Alternatives = versions.iter().map(named).collect::<Option<_>>()?;
    (!all.is_empty()).then_some(all)
}

/// The SPDX id, or a `LicenseRef-` where SPDX has none: most ports, and the
/// licences of 2002 without attribution.
fn name(conditions: Conditions, version: &str, port: Option<&str>) -> Option<String> {
    let name = conditions.name()?;
    let Some(port) = port else {
        let id = format!("{name}-{version}");
        if spdx::license_id(&id).is_some_and(|known| known.name == id) {
            return Some(id);
        }
        let old = !conditions.by && version == "1.0";
        return old.then(|| format!("LicenseRef-{id}"));
    };
    let known = PORTS.contains(&format!(" {port} ")) && PORTED.contains(&version);
    if !known || !conditions.by {
        return None;
    }
    let id = format!("{name}-{version}-{}", port.to_ascii_uppercase());
    let listed = spdx::license_id(&id).is_some_and(|known| known.name == id);
    Some(if listed {
        id
    } else {
        format!("LicenseRef-{id}")
    })
}

/// A web address; one without a scheme (`//host/..`) is read as https.
pub fn parse_url(text: &str) -> Option<Url> {
    let text = text.trim();
    if text.len() > MAX_TEXT_BYTES {
        return None;
    }
    let url = match text.strip_prefix("//") {
        Some(rest) => Url::parse(&format!("https://{rest}")),
        None => Url::parse(text),
    };
    url.ok()
        .filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host())
}

/// Reads the address of a licence. The GNU project's addresses are not read:
/// they do not say whether a later version may be chosen.
pub fn read_url(text: &str) -> Option<Alternatives> {
    let url = parse_url(text)?;
    let host = url.host_str()?;
    let host = host.strip_prefix("www.").unwrap_or(host);
    let path = url.path().to_ascii_lowercase();
    let parts: Vec<_> = path.split('/').filter(|p| !p.is_empty()).collect();
    match host {
        "creativecommons.org" => creative_commons_path(&parts).and_then(single),
        "flickr.com" if parts.starts_with(&["commons", "usage"]) => single(NO_KNOWN_RESTRICTIONS),
        "nationalarchives.gov.uk" => match parts.as_slice() {
            [
                "doc",
                "open-government-licence",
                "version",
                v @ ("1" | "2" | "3"),
                ..,
            ] => single(format!("OGL-UK-{v}.0")),
            _ => None,
        },
        "opendatacommons.org" => match parts.as_slice() {
            ["licenses", "odbl", ..] => single("ODbL-1.0"),
            ["licenses", "pddl", ..] => single("PDDL-1.0"),
            ["licenses", "by", ..] => single("ODC-By-1.0"),
            _ => None,
        },
        "rightsstatements.org" => rights_statement(&url).and_then(single),
        "opensource.org" | "spdx.org" => match parts.as_slice() {
            ["licenses", _] => {
                let id = url.path().trim_end_matches('/').rsplit('/').next()?;
                let id = id.strip_suffix(".html").unwrap_or(id);
                licence::parse(id).ok()?;
                single(id)
            }
            _ => None,
        },
        _ => None,
    }
}

fn creative_commons_path(parts: &[&str]) -> Option<String> {
    // The page of a licence in some language is the licence.
    let page = |p: &str| {
        ["deed", "legalcode"].iter().any(|name| {
            p.strip_prefix(name)
                .is_some_and(|r| r.is_empty() || r.starts_with('.'))
        })
    };
    let parts = match parts {
        [rest @ .., last] if page(last) => rest,
        all => all,
    };
    match parts {
        ["publicdomain", "zero", "1.0"] => Some("CC0-1.0".to_owned()),
        ["publicdomain", "mark", "1.0"] => Some("CC-PDM-1.0".to_owned()),
        ["licenses", "publicdomain"] | ["publicdomain", "certification", "1.0", "us"] => {
            Some("CC-PDDC".to_owned())
        }
        ["licenses", "sampling", "1.0"] => Some("LicenseRef-CC-Sampling-1.0".to_owned()),
        ["licenses", "sampling+", "1.0"] => Some("LicenseRef-CC-Sampling-Plus-1.0".to_owned()),
        ["licenses", "nc-sampling+", "1.0"] => {
            Some("LicenseRef-CC-NC-Sampling-Plus-1.0".to_owned())
        }
        ["licenses", kind, version, port @ ..] if port.len() < 2 => {
            let mut conditions = Conditions::default();
            kind.split('-').try_for_each(|word| conditions.take(word))?;
            name(conditions, version, port.first().copied())
        }
        _ => None,
    }
}

/// `https://rightsstatements.org/vocab/InC/1.0/`
fn rights_statement(url: &Url) -> Option<String> {
    let codes = [
        "InC",
        "InC-OW-EU",
        "InC-EDU",
        "InC-NC",
        "InC-RUU",
        "NoC-CR",
        "NoC-NC",
        "NoC-OKLR",
        "NoC-US",
        "CNE",
        "UND",
        "NKC",
    ];
    let mut parts = url.path().split('/').filter(|p| !p.is_empty());
    let (form, code, version) = (parts.next()?, parts.next()?, parts.next()?);
    (matches!(form, "vocab" | "page") && codes.contains(&code) && version == "1.0")
        .then(|| format!("LicenseRef-RightsStatements-{code}-1.0"))
}

/// Where a licence is published, for those of Creative Commons.
pub fn published_at(licence: &str) -> Option<String> {
    let site = "https://creativecommons.org";
    let name = licence.strip_prefix("LicenseRef-").unwrap_or(licence);
    match name {
        "CC0-1.0" => return Some(format!("{site}/publicdomain/zero/1.0/")),
        "CC-PDM-1.0" => return Some(format!("{site}/publicdomain/mark/1.0/")),
        _ => {}
    }
    let rest = name.strip_prefix("CC-BY")?;
    let digit = rest.find(|c: char| c.is_ascii_digit())?;
    let kind = rest.get(..digit - 1)?.to_ascii_lowercase();
    let version = rest.get(digit..)?.to_ascii_lowercase().replace('-', "/");
    Some(format!("{site}/licenses/by{kind}/{version}/"))
}

//! Structured data of a file: statements of its MediaInfo entity (`M` and the
//! page id), in Wikibase's JSON.

use serde_json::{Map, Value};

use super::{
    place::{BadPlace, Place, Stated},
    when::{self, Reading},
};

/// Most statements looked at in one entity.
const MAX_STATEMENTS: usize = 2_000;

/// Longest name or address taken from a statement, in characters.
const MAX_TEXT: usize = 1_000;

const LICENCE: &str = "P275";
const CREATOR: &str = "P170";
const INCEPTION: &str = "P571";
const COPYRIGHT_STATUS: &str = "P6216";
const DEPICTS: &str = "P180";
/// Where the camera stood; trusted before [`COORDINATES`].
const POINT_OF_VIEW: &str = "P1259";
const COORDINATES: &str = "P625";

const AUTHOR_NAME: &str = "P2093";
const URL: &str = "P2699";
const WIKIMEDIA_USER: &str = "P4174";
const CIRCUMSTANCES: &str = "P1480";
const EARLIEST: &str = "P1319";
const LATEST: &str = "P1326";

const EARTH: &str = "Q2";
const JULIAN_CALENDAR: &str = "Q1985786";

/// Who made a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Creator {
    pub name: Option<String>,
    pub url: Option<String>,
    /// The item that stands for them; its label is their name.
    pub item: Option<String>,
}

/// What an entity states of a file.
#[derive(Debug, Default)]
pub struct Entity {
    /// P275, Q-ids.
    pub licences: Vec<String>,
    /// P6216, Q-ids.
    pub status: Vec<String>,
    pub creator: Option<Creator>,
    /// P571; [`Reading::None`] when it is stated to be uncertain.
    pub taken: Option<Reading>,
    pub place: Stated,
    /// P180, Q-ids.
    pub depicts: Vec<String>,
}

impl Entity {
    /// Reads an entity of `wbgetentities`; what is not understood is left out.
    pub fn read(entity: &Map<String, Value>) -> Self {
        let all = statements(entity);
        let best = |property: &str| best_ranked(&all, property);
        let creators = best(CREATOR);
        let dates = best(INCEPTION);
        let mut place = None;
        for property in [POINT_OF_VIEW, COORDINATES] {
            // The first that is a place on Earth, or failing that a bad one.
            for statement in best(property) {
                place = match (place, coordinates(statement)) {
                    (Some(Ok(p)), _) => Some(Ok(p)),
                    (earlier, new) => new.or(earlier),
                };
            }
        }
        Self {
            licences: items(&ranked(&all, LICENCE)),
            status: items(&best(COPYRIGHT_STATUS)),
            creator: creators.first().map(|s| creator(s)),
            taken: dates.iter().find_map(|s| date(s)),
            place,
            depicts: items(&ranked(&all, DEPICTS)),
        }
    }
}

/// All statements: by property (`statements`, `claims`) or as a flat list.
/// An entity without any has an empty list where the object would be.
fn statements(entity: &Map<String, Value>) -> Vec<&Map<String, Value>> {
    let stated = entity.get("statements").or_else(|| entity.get("claims"));
    let lists: Vec<&Vec<Value>> = match stated {
        Some(Value::Object(by_property)) => {
            by_property.values().filter_map(Value::as_array).collect()
        }
        Some(Value::Array(list)) => vec![list],
        _ => Vec::new(),
    };
    lists
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .take(MAX_STATEMENTS)
        .collect()
}

type Statement<'a> = &'a Map<String, Value>;

/// Statements of a property that are not deprecated.
fn ranked<'a>(all: &[Statement<'a>], property: &str) -> Vec<Statement<'a>> {
    let of = |s: &Statement<'_>| {
        s.get("mainsnak").and_then(|m| m.get("property")) == Some(&Value::from(property))
            && s.get("rank").and_then(Value::as_str) != Some("deprecated")
    };
    all.iter().copied().filter(of).collect()
}

/// The preferred ones, or where none is preferred all that are not deprecated.
fn best_ranked<'a>(all: &[Statement<'a>], property: &str) -> Vec<Statement<'a>> {
    let mut found = ranked(all, property);
    let preferred = |s: &Statement<'_>| s.get("rank").and_then(Value::as_str) == Some("preferred");
    if found.iter().any(preferred) {
        found.retain(preferred);
    }
    found
}

/// The value of a snak that has one (not `somevalue`, `novalue`).
fn value(snak: Option<&Value>) -> Option<&Value> {
    snak?.get("datavalue")?.get("value")
}

fn item(snak: Option<&Value>) -> Option<String> {
    let id = value(snak)?.get("id")?.as_str()?;
    let digits = id.strip_prefix('Q')?;
    let fits = (1..=12).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| id.to_owned())
}

fn items(statements: &[Statement<'_>]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for id in statements.iter().filter_map(|s| item(s.get("mainsnak"))) {
        if !found.contains(&id) {
            found.push(id);
        }
    }
    found
}

fn qualifier<'a>(statement: Statement<'a>, property: &str) -> Option<&'a Value> {
    statement.get("qualifiers")?.get(property)?.get(0)
}

fn text(snak: Option<&Value>) -> Option<String> {
    let text = value(snak)?.as_str()?.trim();
    (!text.is_empty()).then(|| text.chars().take(MAX_TEXT).collect())
}

/// A creator without an item is `somevalue`, described by qualifiers.
fn creator(statement: Statement<'_>) -> Creator {
    let by = |property| text(qualifier(statement, property));
    let item = item(statement.get("mainsnak"));
    let page = |id| format!("https://www.wikidata.org/wiki/{id}");
    Creator {
        name: by(AUTHOR_NAME).or_else(|| by(WIKIMEDIA_USER)),
        url: by(URL).or_else(|| item.as_ref().map(page)),
        item,
    }
}

/// Languages in which an item's label is taken, the first that has one; `mul`
/// is a name that is the same in all of them.
pub const LANGUAGES: &[&str] = &[
    "en", "mul", "de", "fr", "es", "it", "pt", "nl", "sv", "pl", "cs", "hu", "tr", "id", "vi",
    "ru", "uk", "el", "he", "ar", "fa", "hi", "bn", "th", "zh", "ja", "ko",
];

/// `labels: { language: { language, value } }`.
pub fn label(item: &Map<String, Value>) -> Option<String> {
    let labels = item.get("labels")?.as_object()?;
    let value = |language: &&str| Some(labels.get(*language)?.get("value")?.as_str()?.trim());
    let label = LANGUAGES.iter().filter_map(value).find(|l| !l.is_empty())?;
    Some(label.chars().take(MAX_TEXT).collect())
}

/// `None` where there is no value.
fn date(statement: Statement<'_>) -> Option<Reading> {
    let value = value(statement.get("mainsnak"))?;
    // Circa, not before, not after: less exact than the precision says.
    if [CIRCUMSTANCES, EARLIEST, LATEST]
        .iter()
        .any(|p| qualifier(statement, p).is_some())
    {
        return Some(Reading::None);
    }
    let time = value.get("time").and_then(Value::as_str);
    let precision = value.get("precision").and_then(Value::as_u64);
    let julian = value
        .get("calendarmodel")
        .and_then(Value::as_str)
        .is_some_and(|c| c.ends_with(JULIAN_CALENDAR));
    Some(match (time, precision) {
        (Some(time), Some(precision)) => when::wikibase(time, precision, julian),
        _ => Reading::Unreadable,
    })
}

/// `None` where there is no value, or it lies on another globe.
fn coordinates(statement: Statement<'_>) -> Stated {
    let value = value(statement.get("mainsnak"))?;
    let globe = value.get("globe").and_then(Value::as_str);
    if globe.is_some_and(|g| g.rsplit('/').next() != Some(EARTH)) {
        return None;
    }
    let number = |key: &str| value.get(key).and_then(Value::as_f64);
    Some(match (number("latitude"), number("longitude")) {
        (Some(latitude), Some(longitude)) => Place::new(latitude, longitude, number("precision")),
        _ => Err(BadPlace),
    })
}

//! Where a listing stands, as JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Largest `continue` object kept, in bytes of its JSON.
const MAX_CONTINUE: usize = 16 << 10;

/// Where a listing stands. Kept small: of the categories only names, of the
/// continuation only the last object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Checkpoint {
    /// What the stages were; a listing of other stages starts anew.
    pub plan: String,
    pub stage: usize,
    /// Category, title or page id that is next, or the byte of a table.
    pub at: u64,
    /// Line of the table at `at`.
    pub line: u64,
    /// The API's `continue`.
    pub next: Option<Map<String, Value>>,
    pub turtle: Option<Turtle>,
    /// Names found so far in order, with the levels that may still be followed.
    pub categories: Vec<(String, u32)>,
    /// Rows handed out.
    pub listed: u64,
}

/// Brent's cycle detection (1980) over `continue` objects: two places kept,
/// any cycle found within three times its length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turtle {
    at: Map<String, Value>,
    power: u64,
    steps: u64,
}

impl Checkpoint {
    /// On to the next stage.
    pub fn stage_done(&mut self) {
        *self = Self {
            plan: std::mem::take(&mut self.plan),
            stage: self.stage + 1,
            listed: self.listed,
            ..Self::default()
        };
    }

    /// One step of Brent's algorithm; false when `next` has been here before.
    pub fn turtle_moves(&mut self) -> bool {
        let Some(next) = &self.next else {
            self.turtle = None;
            return true;
        };
        match &mut self.turtle {
            Some(turtle) if turtle.at == *next => return false,
            Some(turtle) if turtle.steps + 1 < turtle.power => turtle.steps += 1,
            turtle => {
                let power = turtle.as_ref().map_or(1, |t| t.power.saturating_mul(2));
                *turtle = Some(Turtle {
                    at: next.clone(),
                    power,
                    steps: 0,
                });
            }
        }
        true
    }
}

/// Whether a `continue` object is larger than any that a wiki has reason to send.
pub fn is_too_large(next: &Map<String, Value>) -> bool {
    serde_json::to_string(next).map_or(true, |text| text.len() > MAX_CONTINUE)
}

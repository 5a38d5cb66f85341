//! Files by the time of their upload.
//!
//! MediaWiki goes on at `<time>|<name>`, but sorts by time alone: which of the
//! files of one second it has given already only some databases make sure of.
//! So a second is never cut in two: what was given of the one at the batch's
//! end is left for the next batch, which starts with that second.

use chrono::NaiveDateTime;
use fairframe_schemas::{Timestamp, source::TimeRange};
use serde_json::{Map, Value};

use super::{checkpoint::Checkpoint, client::Answerer, query::WikimediaSource};
use crate::source::{Listed, SourceError};

/// Most files of one answer, without special rights.
const MAX_LIMIT: u32 = 500;

const CONTINUE: &str = "gaicontinue";
const LIMIT: &str = "gailimit";

impl<A: Answerer> WikimediaSource<A> {
    pub(super) async fn uploaded(
        &mut self,
        range: &TimeRange,
        place: &mut Checkpoint,
    ) -> Result<Vec<Listed>, SourceError> {
        let at = |t: &Timestamp| t.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let before = place.next.as_ref().and_then(second).map(|(_, time)| time);
        // Wide for the whole batch: the wiki's `continue` to its further parts names no limit.
        let widened = place.next.as_ref().is_some_and(|n| n.contains_key(LIMIT));
        let limit = if widened { MAX_LIMIT } else { self.batch() };
        let query = [
            ("gaisort".to_owned(), "timestamp".to_owned()),
            ("gaidir".to_owned(), "newer".to_owned()),
            ("gaistart".to_owned(), at(&range.from)),
            ("gaiend".to_owned(), at(&range.to)),
            (LIMIT.to_owned(), limit.to_string()),
        ];
        let widest = limit >= MAX_LIMIT;
        let mut rows = self.generated("allimages", query, place).await?;
        let Some(next) = &mut place.next else {
            return Ok(rows);
        };
        let Some((stamp, second)) = second(next) else {
            return Ok(rows);
        };
        let whole = |row: &Listed| row.sample.upstream_revision_at != Some(second);
        if before.is_some_and(|before| second < before) {
            return Ok(rows); // backwards: the turtle sees where it ends
        }
        if rows.iter().any(whole) && before.is_none_or(|before| second > before) {
            rows.retain(whole);
            place.turtle = None; // time goes on, the wiki's own places may come again
            next.insert(CONTINUE.to_owned(), format!("{stamp}|").into());
        } else if widest {
            // More files of one second than an answer holds: as the wiki says.
            self.messages.push(format!(
                "{}: more than {MAX_LIMIT} files were uploaded at {}; some of them may not be \
                 listed: name them in `titles`",
                self.name(),
                at(&second)
            ));
            next.insert(LIMIT.to_owned(), MAX_LIMIT.to_string().into());
        } else {
            rows.clear();
            place.turtle = None;
            next.insert(CONTINUE.to_owned(), format!("{stamp}|").into());
            next.insert(LIMIT.to_owned(), MAX_LIMIT.to_string().into());
        }
        Ok(rows)
    }
}

/// The second at which the listing goes on, as the wiki writes it and as a time.
fn second(next: &Map<String, Value>) -> Option<(String, Timestamp)> {
    let (stamp, _) = next.get(CONTINUE)?.as_str()?.split_once('|')?;
    let time = NaiveDateTime::parse_from_str(stamp, "%Y%m%d%H%M%S").ok()?;
    Some((stamp.to_owned(), time.and_utc()))
}

//! When what is open, and what a day is where clocks are changed.

use std::ops::Range;

use chrono::{Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use fairframe_schemas::Timestamp;

use crate::definition::{Competition, Stage};

/// The first moment of a day in a zone. Clocks may jump over midnight: the day then begins later.
/// Where a zone left a day out whole (Samoa had no 30 December 2011), it is the next one's.
pub(crate) fn first_moment(zone: Tz, day: NaiveDate) -> Timestamp {
    let midnight = day.and_time(NaiveTime::MIN);
    // Clocks jump by whole minutes, and by a day at most.
    for minutes in 0..=2 * 24 * 60 {
        let local = midnight + TimeDelta::minutes(minutes);
        if let Some(at) = zone.from_local_datetime(&local).earliest() {
            return at.with_timezone(&Utc);
        }
    }
    midnight.and_utc()
}

impl Competition {
    /// The stage that is open.
    pub fn stage_at(&self, now: Timestamp) -> Option<&Stage> {
        let mut stages = self.stages.iter();
        stages.find(|s| (s.opens..s.closes).contains(&now))
    }

    /// The day a moment is in, in the competition's zone: from its first moment up to the next
    /// day's. Some days have 23, 24.5 or 25 hours.
    pub fn day(&self, at: Timestamp) -> Range<Timestamp> {
        day(self.zone, at)
    }

    /// Days of a stage that have begun by `now`, the first and the present one among them.
    pub fn days_of(&self, stage: &Stage, now: Timestamp) -> u32 {
        let now = now.min(stage.closes);
        if now < stage.opens {
            return 0;
        }
        let local = |at: Timestamp| at.with_timezone(&self.zone).date_naive();
        let days = (local(now) - local(stage.opens)).num_days() + 1;
        u32::try_from(days).unwrap_or(0)
    }

    /// Whether a stage's private board may be shown to everybody.
    pub fn reveals(&self, stage: &Stage, now: Timestamp) -> bool {
        now >= stage.reveals
    }

    /// Whether the last stage is closed and shown.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.stages.last().is_some_and(|s| now >= s.reveals)
    }

    /// A moment for people, in the competition's zone and with its name.
    pub fn shown(&self, at: Timestamp) -> String {
        let local = at.with_timezone(&self.zone);
        format!("{} {}", local.format("%Y-%m-%d %H:%M %:z"), self.zone)
    }
}

fn day(zone: Tz, at: Timestamp) -> Range<Timestamp> {
    let mut date = at.with_timezone(&zone).date_naive();
    loop {
        let next = date.checked_add_days(Days::new(1)).unwrap_or(date);
        let found = first_moment(zone, date)..first_moment(zone, next);
        // Where clocks went back over midnight, the evening that comes twice is the new day's.
        if at < found.end || next == date {
            return found;
        }
        date = next;
    }
}

/// Why nothing is taken at a moment, and when something will be.
pub fn words(competition: &Competition, now: Timestamp) -> String {
    let next = competition.stages.iter().find(|s| s.opens > now);
    match next {
        Some(stage) => format!(
            "Nothing can be submitted now. {} opens at {}.",
            stage.title,
            competition.shown(stage.opens)
        ),
        None => "This competition has ended; nothing can be submitted any more.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn days_are_as_long_as_they_are() {
        for (zone, moment, from, to) in [
            // An ordinary day, ahead of UTC.
            (
                "Asia/Kolkata",
                "2026-03-01T19:00:00Z",
                "2026-03-01T18:30:00Z",
                "2026-03-02T18:30:00Z",
            ),
            // 23 and 25 hours.
            (
                "Europe/Berlin",
                "2026-03-29T12:00:00Z",
                "2026-03-28T23:00:00Z",
                "2026-03-29T22:00:00Z",
            ),
            (
                "Europe/Berlin",
                "2026-10-25T12:00:00Z",
                "2026-10-24T22:00:00Z",
                "2026-10-25T23:00:00Z",
            ),
            // Clocks change by half an hour.
            (
                "Australia/Lord_Howe",
                "2026-10-03T20:00:00Z",
                "2026-10-03T13:30:00Z",
                "2026-10-04T13:00:00Z",
            ),
            // Midnight was jumped over: the day began at one.
            (
                "America/Sao_Paulo",
                "2018-11-04T12:00:00Z",
                "2018-11-04T03:00:00Z",
                "2018-11-05T02:00:00Z",
            ),
            // Clocks went back from 00:01 to 23:01.
            (
                "America/St_Johns",
                "2010-11-07T02:45:00Z",
                "2010-11-07T02:30:00Z",
                "2010-11-08T03:30:00Z",
            ),
            // A day that was left out: the one before ends where the one after begins.
            (
                "Pacific/Apia",
                "2011-12-30T09:59:59Z",
                "2011-12-29T10:00:00Z",
                "2011-12-30T10:00:00Z",
            ),
            (
                "Pacific/Apia",
                "2011-12-30T10:00:00Z",
                "2011-12-30T10:00:00Z",
                "2011-12-31T10:00:00Z",
            ),
        ] {
            let found = day(zone.parse().unwrap(), at(moment));
            assert_eq!(found, at(from)..at(to), "{zone} {moment}");
            assert!(found.contains(&at(moment)));
        }
    }

    proptest::proptest! {
        #[test]
        fn each_moment_is_in_one_day_and_days_follow_each_other(
            seconds in 0i64..4_000_000_000,
            zone in 0..chrono_tz::TZ_VARIANTS.len(),
        ) {
            let zone = chrono_tz::TZ_VARIANTS[zone];
            let moment = chrono::DateTime::from_timestamp(seconds, 0).unwrap();
            let found = day(zone, moment);
            proptest::prop_assert!(found.contains(&moment), "{zone} {moment} {found:?}");
            proptest::prop_assert_eq!(day(zone, found.end).start, found.end);
        }
    }
}

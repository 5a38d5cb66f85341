//! Where a consent stands at a moment.
//!
//! Each purpose has a life of its own: the events that name it, in order of
//! time. A person who withdraws one purpose keeps the others; one who gives
//! consent again after withdrawing has given it again, in the same record.

use std::collections::BTreeSet;

use super::{ConsentError, ConsentEvent, ConsentRecord, MAX_EVENTS, PartyRole, check_once};
use crate::{ConsentState, Purpose, Timestamp};

/// Where one purpose stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing has happened yet.
    None,
    Requested,
    /// Given, but its time has not come.
    NotYet,
    Given,
    Expired,
    Refused,
    Invalidated,
    Withdrawn,
}

impl Standing {
    fn state(self) -> ConsentState {
        match self {
            Standing::None | Standing::NotYet => ConsentState::Unknown,
            Standing::Requested => ConsentState::Requested,
            Standing::Given => ConsentState::Given,
            Standing::Expired => ConsentState::Expired,
            Standing::Refused => ConsentState::Refused,
            Standing::Invalidated => ConsentState::Invalidated,
            Standing::Withdrawn => ConsentState::Withdrawn,
        }
    }
}

impl ConsentEvent {
    /// The purposes it is about.
    fn names<'a>(&'a self, record: &'a ConsentRecord) -> &'a [Purpose] {
        self.purposes
            .as_deref()
            .unwrap_or(&record.processing.purposes)
    }
}

impl ConsentRecord {
    fn standing(&self, purpose: Purpose, at: Timestamp) -> Standing {
        let mut now = Standing::None;
        let events = self.events.iter().take_while(|e| e.time <= at);
        for event in events.filter(|e| e.names(self).contains(&purpose)) {
            now = match event.state {
                ConsentState::Given => {
                    if event.valid_until.is_some_and(|until| until <= at) {
                        Standing::Expired
                    } else if event.valid_from.is_some_and(|from| from > at) {
                        Standing::NotYet
                    } else {
                        Standing::Given
                    }
                }
                // Asking again takes nothing away.
                ConsentState::Requested if now == Standing::None => Standing::Requested,
                ConsentState::Requested | ConsentState::Unknown => now,
                ConsentState::Withdrawn => Standing::Withdrawn,
                ConsentState::Expired => Standing::Expired,
                ConsentState::Refused => Standing::Refused,
                ConsentState::Invalidated => Standing::Invalidated,
            };
        }
        now
    }

    fn any(&self, wanted: Standing, at: Timestamp) -> bool {
        self.of(wanted, at).next().is_some()
    }

    fn of(&self, wanted: Standing, at: Timestamp) -> impl Iterator<Item = Purpose> {
        let purposes = self.processing.purposes.iter().copied();
        purposes.filter(move |p| self.standing(*p, at) == wanted)
    }

    /// The state of one purpose.
    pub fn purpose_state_at(&self, purpose: Purpose, at: Timestamp) -> ConsentState {
        self.standing(purpose, at).state()
    }

    /// The state of the consent as a whole: given while one purpose is in
    /// force, else the gravest of what became of them. `ConsentUnknown`: nothing
    /// has happened by then, or what was given does not hold yet ([`Self::begins_after`]).
    pub fn state_at(&self, at: Timestamp) -> ConsentState {
        let gravity = [
            Standing::Given,
            Standing::Withdrawn,
            Standing::Invalidated,
            Standing::Refused,
            Standing::Expired,
            Standing::NotYet,
            Standing::Requested,
        ];
        let first = gravity.into_iter().find(|s| self.any(*s, at));
        first.unwrap_or(Standing::None).state()
    }

    /// The purposes in force, in the order of [`Purpose`].
    pub fn purposes_at(&self, at: Timestamp) -> BTreeSet<Purpose> {
        self.of(Standing::Given, at).collect()
    }

    /// The purposes that were given and then withdrawn or declared invalid.
    pub fn withdrawn_at(&self, at: Timestamp) -> BTreeSet<Purpose> {
        let invalid = self.of(Standing::Invalidated, at);
        self.of(Standing::Withdrawn, at).chain(invalid).collect()
    }

    /// Whether a purpose is withdrawn once all its events have come to pass.
    pub fn withdraws(&self) -> bool {
        self.any(Standing::Withdrawn, Timestamp::MAX_UTC)
    }

    /// Whether consent was or will be given, but holds only after `at`.
    pub fn begins_after(&self, at: Timestamp) -> bool {
        let later = |e: &ConsentEvent| e.state == ConsentState::Given && e.time > at;
        matches!(
            self.state_at(at),
            ConsentState::Unknown | ConsentState::Requested
        ) && (self.any(Standing::NotYet, at) || self.events.iter().any(later))
    }

    /// The last event by then that decided something: giving, refusing, withdrawing, ...
    pub fn decided_at(&self, at: Timestamp) -> Option<Timestamp> {
        let mut decisions = self.events.iter().filter(|e| {
            e.time <= at && !matches!(e.state, ConsentState::Requested | ConsentState::Unknown)
        });
        decisions.next_back().map(|e| e.time)
    }
}

/// Events must be possible in this order and said by those who may say them.
pub(super) fn check_events(record: &ConsentRecord) -> Result<(), ConsentError> {
    let events = &record.events;
    if events.is_empty() || events.len() > MAX_EVENTS {
        return Err(ConsentError::new(
            "events",
            format_args!("{} events stand in it", events.len()),
            "write 1 to 256 events",
        ));
    }
    for (i, event) in events.iter().enumerate() {
        let error = |field: &str, problem: &str, remedy: &str| {
            Err(ConsentError::new(
                format_args!("events[{i}].{field}"),
                problem,
                remedy,
            ))
        };
        let names = event.names(record);
        if let Some(purposes) = &event.purposes {
            check_once(&format!("events[{i}].purposes"), purposes)?;
            let all = &record.processing.purposes;
            if purposes.is_empty() || purposes.iter().any(|p| !all.contains(p)) {
                return error(
                    "purposes",
                    "it names none, or one that the record does not",
                    "name purposes of `processing.purposes`, or leave the field out for all of them",
                );
            }
        }
        if let Some(before) = i.checked_sub(1).map(|b| &events[b])
            && event.time < before.time
        {
            return error(
                "time",
                "it is before the event above it",
                "put the events in order of time",
            );
        }
        // Being asked and answering in one moment is no contradiction.
        let decides = |e: &ConsentEvent| e.state != ConsentState::Requested;
        let same_moment = events[..i]
            .iter()
            .rev()
            .take_while(|e| e.time == event.time)
            .filter(|e| decides(e) && decides(event));
        for other in same_moment {
            if other.names(record).iter().any(|p| names.contains(p)) {
                return error(
                    "time",
                    "another event has the same time and a purpose in common",
                    "say which came first, to the second or microsecond",
                );
            }
        }
        check_window(event, &error)?;
        check_speaker(record, event, &error)?;
        let just_before = |p: &Purpose| {
            let upto = &events[..i];
            last_state(record, upto, *p)
        };
        let possible = |p: &Purpose| match event.state {
            ConsentState::Withdrawn | ConsentState::Expired => {
                just_before(p) == Some(ConsentState::Given)
            }
            ConsentState::Refused => just_before(p) != Some(ConsentState::Given),
            ConsentState::Invalidated => matches!(
                just_before(p),
                Some(ConsentState::Given | ConsentState::Withdrawn | ConsentState::Expired)
            ),
            _ => true,
        };
        if !names.iter().all(possible) {
            let problem = match event.state {
                ConsentState::Refused => "consent that stands given is withdrawn, not refused",
                _ => "it ends a consent that does not stand given",
            };
            return error(
                "state",
                problem,
                "name only the purposes it is about, or add the event that is missing",
            );
        }
    }
    Ok(())
}

/// The last thing that happened to a purpose, but for being asked.
fn last_state(
    record: &ConsentRecord,
    events: &[ConsentEvent],
    purpose: Purpose,
) -> Option<ConsentState> {
    let mut about = events
        .iter()
        .filter(|e| e.state != ConsentState::Requested && e.names(record).contains(&purpose));
    about.next_back().map(|e| e.state)
}

type Refuse<'a> = &'a dyn Fn(&str, &str, &str) -> Result<(), ConsentError>;

fn check_window(event: &ConsentEvent, error: Refuse<'_>) -> Result<(), ConsentError> {
    let given = event.state == ConsentState::Given;
    if given && event.event_type.is_none() {
        return error(
            "event_type",
            "it is missing",
            "say how consent was expressed: `ExplicitlyExpressedConsent`, `ExpressedConsent` or `InformedConsent`",
        );
    }
    if !given && (event.valid_from.is_some() || event.valid_until.is_some()) {
        return error(
            "valid_from",
            "only consent that is given holds for a time",
            "leave `valid_from` and `valid_until` out",
        );
    }
    let from = event.valid_from.unwrap_or(event.time);
    if from < event.time {
        return error(
            "valid_from",
            "it is before the consent was given",
            "consent does not reach back; write `time` or a later moment",
        );
    }
    if event.valid_until.is_some_and(|until| until <= from) {
        return error(
            "valid_until",
            "it is not after the beginning",
            "write a later moment, or leave it out for consent until withdrawn",
        );
    }
    Ok(())
}

fn check_speaker(
    record: &ConsentRecord,
    event: &ConsentEvent,
    error: Refuse<'_>,
) -> Result<(), ConsentError> {
    let principal = event.entity_id == record.pii_principal_id;
    let party = record.party(&event.entity_id);
    if !principal && party.is_none() {
        return error(
            "entity_id",
            "it is neither the person nor a party of this record",
            "write the pseudonym, or name the party under `parties`",
        );
    }
    let speaks = principal || party.is_some_and(|p| p.role == PartyRole::Representative);
    match event.state {
        ConsentState::Given | ConsentState::Refused if !speaks => error(
            "entity_id",
            "only the person or a representative gives or refuses consent",
            "write the pseudonym, or give the party the role `dpv:Representative`",
        ),
        ConsentState::Unknown => error(
            "state",
            "`ConsentUnknown` is not something that happens",
            "leave the event out",
        ),
        // A withdrawal is taken from anybody: it must never fail on a formality.
        _ => Ok(()),
    }
}

//! What is known of the people of a dataset: their samples from the manifest of the newest
//! release, the records that samples rest on from its restricted columns, and where their
//! consent stands from the receipts. Never the evidence, which stands in none of them.

mod receipt;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use fairframe_ingest::manifest::{self, RESTRICTED, ReleaseReader};
use fairframe_schemas::{
    ConsentState, DatasetVersion, Digest, Layout, Name, Pseudonym, Purpose, SampleId, Status,
    Timestamp,
};

pub use self::receipt::Record;
use crate::{
    catalog::{self, SUMS},
    error::AppError,
    ties::{self, Made, Row},
};

/// What is known, by dataset; read anew when a release or receipts are written.
pub struct Consents {
    layout: Arc<Layout>,
    held: Mutex<BTreeMap<Name, (State, Arc<Known>)>>,
}

/// The newest version, and when its list of files and the folder of receipts were written.
type State = (DatasetVersion, [Option<SystemTime>; 2]);

/// A person: the source, which says whose pseudonym it is, and the pseudonym.
pub type Key = (Name, Pseudonym);

/// The people of a dataset, as of its newest release.
pub struct Known {
    pub version: DatasetVersion,
    pub people: BTreeMap<Key, Person>,
    /// Receipts that cannot be read: whose they are is not known.
    pub unreadable: u64,
    /// Rows that show people or were made from others, by id.
    rows: Vec<Row>,
    made: Made,
}

/// Of one person.
#[derive(Debug, Default)]
pub struct Person {
    /// By id.
    pub records: Vec<Record>,
    /// Rows that show the person, by place in [`Known::rows`].
    shown: Vec<u32>,
    /// The person's consent as the manifest has it: where there is no record.
    stated: Option<ConsentState>,
}

/// Where a person's consent stands at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub state: ConsentState,
    pub purposes: BTreeSet<Purpose>,
    /// When the first of these purposes ends; none: until withdrawn.
    pub until: Option<Timestamp>,
}

impl Consents {
    pub fn new(layout: Arc<Layout>) -> Self {
        Self {
            layout,
            held: Mutex::default(),
        }
    }

    /// What is known of a dataset's people. Reads the folder each time, and the files when one
    /// has changed.
    pub async fn known(self: &Arc<Self>, dataset: &Name) -> Result<Arc<Known>, AppError> {
        let (this, dataset) = (self.clone(), dataset.clone());
        let look = move || this.current(&dataset);
        tokio::task::spawn_blocking(look)
            .await
            .map_err(AppError::internal)?
    }

    fn current(&self, dataset: &Name) -> Result<Arc<Known>, AppError> {
        let found = catalog::dataset(&self.layout, dataset).map_err(AppError::internal)?;
        let version = found.ok_or(AppError::NotFound("dataset"))?.latest();
        let sums = self.layout.release(dataset, version).join(SUMS);
        let receipts = self.layout.receipts(dataset);
        let written = |path| fs::metadata(path).and_then(|m| m.modified()).ok();
        let state = (version, [sums, receipts].map(written));
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, people)) = held.get(dataset)
            && *known == state
        {
            return Ok(people.clone());
        }
        let known = Arc::new(read(&self.layout, dataset, version)?);
        held.insert(dataset.clone(), (state, known.clone()));
        Ok(known)
    }

    /// The file of a receipt, if the person has that record.
    pub fn receipt(&self, dataset: &Name, person: &Person, record: &str) -> Option<PathBuf> {
        let found = person.records.iter().find(|r| r.id == record)?;
        Some(self.layout.receipts(dataset).join(&found.file))
    }
}

fn read(layout: &Layout, dataset: &Name, version: DatasetVersion) -> Result<Known, AppError> {
    let reader = ReleaseReader::open(&layout.release(dataset, version));
    let reader = reader.map_err(AppError::internal)?;
    let tied = |row: &Row| !row.subjects.is_empty() || !row.parents.is_empty();
    let mut rows = ties::rows(&reader, tied)?;
    rows.sort_by_key(|row| row.id);

    let mut people: BTreeMap<Key, Person> = BTreeMap::new();
    for (place, row) in (0u32..).zip(&rows) {
        let Ok(source) = Name::new(&row.source) else {
            continue;
        };
        for subject in &row.subjects {
            let Ok(subject) = Pseudonym::new(subject) else {
                continue;
            };
            let person = people.entry((source.clone(), subject)).or_default();
            person.shown.push(place);
            let stated = person.stated.into_iter().chain(row.consent);
            person.stated = stated.max_by_key(|s| gravity(*s));
        }
    }
    // A copy that was pulled has none.
    let restricted = layout.restricted(dataset, version).join(RESTRICTED);
    let named = match restricted.is_file() {
        true => manifest::consent_ids(&restricted).map_err(AppError::internal)?,
        false => HashMap::new(),
    };
    let mut rests: HashMap<(&str, &str), u64> = HashMap::new();
    for row in &rows {
        for record in named.get(&row.id).into_iter().flat_map(|n| n.split(' ')) {
            *rests.entry((row.source.as_str(), record)).or_default() += 1;
        }
    }
    let (receipts, unreadable) = receipt::all(&layout.receipts(dataset))?;
    for (key, mut record) in receipts {
        record.rests = *rests
            .get(&(key.0.as_str(), record.id.as_str()))
            .unwrap_or(&0);
        people.entry(key).or_default().records.push(record);
    }
    for person in people.values_mut() {
        person.records.sort_by(|a, b| a.id.cmp(&b.id));
    }
    Ok(Known {
        version,
        people,
        unreadable,
        made: Made::new(&rows),
        rows,
    })
}

/// From harmless to grave.
fn gravity(state: ConsentState) -> u8 {
    match state {
        ConsentState::Given => 0,
        ConsentState::Unknown => 1,
        ConsentState::Requested => 2,
        ConsentState::Expired => 3,
        ConsentState::Refused => 4,
        ConsentState::Invalidated => 5,
        ConsentState::Withdrawn => 6,
    }
}

impl Known {
    /// The rows that show a person, by id.
    pub fn shown(&self, person: &Person) -> impl Iterator<Item = &Row> {
        person.shown.iter().map(|place| &self.rows[*place as usize])
    }

    /// All that goes when a person withdraws: the rows that show them, and what was made from
    /// those. The ids of rows of other datasets are not known here.
    pub fn goes(&self, person: &Person) -> Vec<&Row> {
        self.goes_with(self.shown(person).map(|row| row.id))
    }

    /// All that goes with some samples: themselves and what was made from them.
    pub fn goes_with(&self, samples: impl IntoIterator<Item = SampleId>) -> Vec<&Row> {
        let gone = self.made.with(samples);
        gone.into_iter().filter_map(|id| self.row(id)).collect()
    }

    /// How many rows are or were made from some samples, or have the same bytes.
    pub fn touched(&self, samples: &BTreeSet<SampleId>, bytes: &BTreeSet<Digest>) -> u64 {
        let gone = self.made.with(samples.iter().copied());
        let same = |row: &&Row| row.digest.is_some_and(|d| bytes.contains(&d));
        let touched = |row: &&Row| gone.contains(&row.id) || same(row);
        self.rows.iter().filter(touched).count() as u64
    }

    /// A row that shows people or was made from others.
    pub fn row(&self, id: SampleId) -> Option<&Row> {
        let place = self.rows.binary_search_by_key(&id, |row| row.id).ok()?;
        Some(&self.rows[place])
    }

    /// Whether the newest release still holds something of the person.
    pub fn holds(&self, person: &Person) -> bool {
        let mut rows = self.shown(person);
        rows.any(|row| row.status != Status::Withdrawn)
    }
}

impl Person {
    /// Samples that show the person.
    pub fn samples(&self) -> u64 {
        self.shown.len() as u64
    }

    /// Where the consent stands. What was withdrawn in one record is withdrawn; what was renewed
    /// in another is in force, as at an ingest.
    pub fn at(&self, now: Timestamp) -> Standing {
        let purposes: BTreeMap<Purpose, Option<Timestamp>> = self.purposes_at(now);
        let states: Vec<ConsentState> = self.records.iter().map(|r| r.state_at(now)).collect();
        let has = |state| states.contains(&state);
        let state = if has(ConsentState::Withdrawn) {
            ConsentState::Withdrawn
        } else if has(ConsentState::Given) {
            ConsentState::Given
        } else {
            let gravest = states.iter().copied().max_by_key(|s| gravity(*s));
            gravest.or(self.stated).unwrap_or(ConsentState::Unknown)
        };
        let given = state == ConsentState::Given;
        Standing {
            state,
            until: purposes.values().copied().flatten().min().filter(|_| given),
            purposes: purposes.into_keys().filter(|_| given).collect(),
        }
    }

    /// The purposes in force in any record and withdrawn in none, and when each ends.
    fn purposes_at(&self, now: Timestamp) -> BTreeMap<Purpose, Option<Timestamp>> {
        let mut out: BTreeMap<Purpose, Option<Timestamp>> = BTreeMap::new();
        for record in &self.records {
            for (purpose, until) in record.given_at(now) {
                let known = out.entry(purpose).or_insert(until);
                // The later end holds; none is the latest.
                *known = known.zip(until).map(|(a, b)| a.max(b));
            }
        }
        for record in &self.records {
            for purpose in record.withdrawn_at(now) {
                out.remove(&purpose);
            }
        }
        out
    }

    /// When consent that was in force has ended, where it has.
    pub fn expired(&self, now: Timestamp) -> Option<Timestamp> {
        let expired = self.at(now).state == ConsentState::Expired;
        let ends = self.records.iter().flat_map(Record::ends);
        ends.filter(|end| expired && *end <= now).max()
    }
}

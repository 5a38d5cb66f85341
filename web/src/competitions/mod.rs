//! Competitions as the server has them: read once, and what is done to them.
//!
//! ```text
//! open -> arrive -> submit -> (queue) -> work -> board
//! ```

pub mod arrive;
pub mod opening;
pub mod scorers;
pub mod submit;
pub mod work;

use std::{
    collections::{HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use fairframe_competitions::{
    board::{Board, Cell},
    definition::{Competition, Stage},
    prepare::{Correction, correction},
    vault::Vault,
};
use fairframe_schemas::{Digest, Layout, Name};

use crate::{
    App,
    access::Who,
    error::AppError,
    state::{
        accounts::Role,
        competitions::{
            self as state, Opened,
            scores::{self, Score},
            submissions::Submission,
            truths,
        },
    },
};

/// A competition, and whether whoever asks hosts it.
#[derive(Clone)]
pub struct Open {
    pub row: Opened,
    pub competition: Arc<Competition>,
    pub vault: Vault,
    pub hosts: bool,
}

impl Open {
    pub fn name(&self) -> &Name {
        &self.row.name
    }

    pub fn stage(&self, name: &str) -> Result<&Stage, AppError> {
        let stages = self.competition.stages.iter();
        let found = stages.into_iter().find(|s| s.name.as_str() == name);
        found.ok_or(AppError::NotFound("stage"))
    }

    /// The stage to show when none is named: the open one, the last that was, or the first.
    pub fn usual_stage(&self, now: fairframe_schemas::Timestamp) -> &Stage {
        let stages = &self.competition.stages;
        let begun = stages.iter().rev().find(|s| s.opens <= now);
        begun.unwrap_or(&stages[0])
    }
}

/// Definitions and boards that were read; each is read again when another takes its place.
#[derive(Default)]
pub struct Competitions {
    definitions: Mutex<HashMap<Name, (Digest, Arc<Competition>)>>,
    boards: Mutex<HashMap<PathBuf, (Stamp, Arc<Board>)>>,
    reading: tokio::sync::Mutex<()>,
    corrections: Mutex<Corrections>,
    correcting: tokio::sync::Mutex<()>,
}

/// Corrections kept, newest first: truths do not change.
const KEPT: usize = 16;

/// By the folders of both truths.
type Corrections = VecDeque<([PathBuf; 2], Arc<Correction>)>;

/// What tells one file under a name from the next.
type Stamp = (u64, u64, std::time::SystemTime);

/// The folder of a competition.
pub fn vault(layout: &Layout, competition: &Name) -> Vault {
    Vault::new(layout.competition(competition))
}

impl Competitions {
    /// The definition in use.
    ///
    /// # Errors
    /// Where its folder cannot be read any more: it could when it was opened.
    pub fn definition(&self, layout: &Layout, row: &Opened) -> Result<Arc<Competition>, AppError> {
        let mut known = self
            .definitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((digest, competition)) = known.get(&row.name)
            && *digest == row.definition
        {
            return Ok(competition.clone());
        }
        let folder = vault(layout, &row.name).definition(&row.definition);
        let read = Competition::read(&folder).map_err(AppError::internal)?;
        let read = Arc::new(read);
        known.insert(row.name.clone(), (row.definition, read.clone()));
        Ok(read)
    }

    /// The newest board of a truth of a stage; none before the first was made.
    ///
    /// # Errors
    /// Where its file cannot be read.
    pub async fn board(
        &self,
        vault: &Vault,
        stage: &Name,
        truth: i64,
    ) -> Result<Option<Arc<Board>>, AppError> {
        let path = vault.board(stage, truth);
        let Some(at) = stamp(&path)? else {
            return Ok(None);
        };
        if let Some(board) = self.known(&path, &at) {
            return Ok(Some(board));
        }
        // A new board is read once, whoever else waits for it.
        let _turn = self.reading.lock().await;
        let Some(at) = stamp(&path)? else {
            return Ok(None);
        };
        if let Some(board) = self.known(&path, &at) {
            return Ok(Some(board));
        }
        let file = path.clone();
        let read = tokio::task::spawn_blocking(move || -> Result<Board, AppError> {
            let bytes = std::fs::read(&file).map_err(AppError::internal)?;
            serde_json::from_slice(&bytes).map_err(AppError::internal)
        });
        let board = Arc::new(read.await.map_err(AppError::internal)??);
        let mut boards = self.boards.lock().unwrap_or_else(PoisonError::into_inner);
        boards.insert(path, (at, board.clone()));
        Ok(Some(board))
    }

    /// What a correction of a stage changed, from one truth to the next; none where one of them
    /// cannot be read.
    pub async fn correction(
        &self,
        open: &Open,
        stage: &Name,
        [before, now]: [&truths::Truth; 2],
    ) -> Option<Arc<Correction>> {
        let key = [before, now].map(|truth| open.vault.truth(stage, &truth.digest));
        let _turn = self.correcting.lock().await;
        if let Some((_, found)) = self.corrections().iter().find(|(own, _)| *own == key) {
            return Some(found.clone());
        }
        let (competition, named, [old, new]) =
            (open.competition.clone(), stage.to_string(), key.clone());
        let read = move || correction(&competition, &named, &old, &new);
        let found = match tokio::task::spawn_blocking(read).await.ok()? {
            Ok(found) => Arc::new(found),
            Err(error) => {
                tracing::error!(%error, "a correction cannot be told");
                return None;
            }
        };
        let mut kept = self.corrections();
        kept.push_front((key, found.clone()));
        kept.truncate(KEPT);
        Some(found)
    }

    fn corrections(&self) -> MutexGuard<'_, Corrections> {
        self.corrections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, path: &Path, at: &Stamp) -> Option<Arc<Board>> {
        let boards = self.boards.lock().unwrap_or_else(PoisonError::into_inner);
        let (stamp, board) = boards.get(path)?;
        (stamp == at).then(|| board.clone())
    }
}

/// None where there is no file.
fn stamp(path: &Path) -> Result<Option<Stamp>, AppError> {
    use std::os::unix::fs::MetadataExt;
    let facts = match std::fs::metadata(path) {
        Ok(facts) => facts,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(AppError::internal(error)),
    };
    let changed = facts.modified().map_err(AppError::internal)?;
    Ok(Some((facts.ino(), facts.len(), changed)))
}

/// A competition by its name, for whoever may know of it.
///
/// # Errors
/// [`AppError::NotFound`] where there is none, or it is hidden from whoever asks.
pub async fn find(app: &App, who: &Who, name: &str) -> Result<Open, AppError> {
    const KIND: &str = "competition";
    let name = Name::new(name).map_err(|_| AppError::NotFound(KIND))?;
    let row = state::find(&app.db, &name).await?;
    let row = row.ok_or(AppError::NotFound(KIND))?;
    open(app, who, row)?.ok_or(AppError::NotFound(KIND))
}

/// All that whoever asks may know of, newest first.
///
/// # Errors
/// Where a definition cannot be read.
pub async fn all(app: &App, who: &Who) -> Result<Vec<Open>, AppError> {
    let mut found = Vec::new();
    for row in state::all(&app.db).await? {
        found.extend(open(app, who, row)?);
    }
    Ok(found)
}

fn open(app: &App, who: &Who, row: Opened) -> Result<Option<Open>, AppError> {
    let hosts = who.may(Role::Host, Some(&row.name));
    if row.hidden && !hosts {
        return Ok(None);
    }
    Ok(Some(Open {
        competition: app.competitions.definition(&app.layout, &row)?,
        vault: vault(&app.layout, &row.name),
        hosts,
        row,
    }))
}

/// A competition for its hosts.
///
/// # Errors
/// As [`find`]; [`AppError::Forbidden`] for others, and a way to log in.
pub async fn find_hosted(app: &App, who: &Who, name: &str) -> Result<Open, AppError> {
    let open = find(app, who, name).await?;
    who.known()?;
    match open.hosts {
        true => Ok(open),
        false => Err(AppError::Forbidden),
    }
}

/// What a submission scored, public and private, as far as whoever asks is told.
///
/// The private score is told once the stage's private board is shown. With a Ladder a team is told
/// what the board shows after a submission and nothing else of it until then: the scores themselves
/// are what the Ladder keeps.
///
/// # Errors
/// Where the database cannot be read.
pub async fn told(
    app: &App,
    open: &Open,
    submission: &Submission,
) -> Result<[Option<Score>; 2], AppError> {
    let truth = truth(app, open, &submission.stage).await?;
    let [mut public, mut private] = scores::of(&app.db, submission.seq, truth.version).await?;
    if !tells_all(app, open, open.stage(submission.stage.as_str())?) {
        private = None;
        if let Some(public) = public.as_mut()
            && open.competition.toml.board.ladder.is_some()
        {
            public.value = public.shown;
            public.columns = "[]".to_owned();
        }
    }
    Ok([public, private])
}

/// The board's columns of a score, titles and values, as far as they are shown by now.
///
/// # Errors
/// Where they cannot be read.
pub fn columns(app: &App, open: &Open, score: &Score) -> Result<Vec<(String, Cell)>, AppError> {
    let now = app.db.now();
    let cells: Vec<Cell> = serde_json::from_str(&score.columns).map_err(AppError::internal)?;
    let columns = &open.competition.toml.board.columns;
    let hidden = &open.competition.hidden_until;
    let shown = columns.iter().zip(hidden).zip(cells);
    let shown =
        shown.filter(|((_, until), _)| open.hosts || until.is_none_or(|until| until <= now));
    Ok(shown
        .map(|((column, _), cell)| (column.title.clone(), cell))
        .collect())
}

/// Whether all scores of a stage are told: to hosts, and once its private board is shown.
pub fn tells_all(app: &App, open: &Open, stage: &Stage) -> bool {
    open.hosts || open.competition.reveals(stage, app.db.now())
}

/// The version of the truth that counts for a stage.
///
/// # Errors
/// Where the database cannot be read.
pub async fn truth(app: &App, open: &Open, stage: &Name) -> Result<truths::Truth, AppError> {
    let found = truths::current(&app.db, open.name(), stage).await?;
    found.ok_or(AppError::NotFound("stage"))
}

//! What somebody may see of a release.

use std::{
    collections::HashMap,
    num::NonZero,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use fairframe_schemas::{DatasetVersion, Name, Reason, SampleId};
use tokio::sync::Semaphore;

use crate::{
    App,
    access::Who,
    allowed::Allowed,
    browse::{Change, Facet, Index, Overlay, Row, Scope, View},
    catalog::{self, Release},
    error::AppError,
    state::decisions,
    withheld::Withheld,
};

/// Who looks at a release, as far as its samples are concerned.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// Samples that were not accepted are for curators.
    pub may_see_excluded: bool,
    /// Whether there is no newer release: decisions are about the newest.
    pub is_newest: bool,
    /// Decisions that are not released yet: curators see them over the newest release.
    pub overlay: Arc<Overlay>,
}

/// Overlays of the newest releases, kept until something is decided.
#[derive(Default)]
pub struct Overlays(Mutex<HashMap<Name, (DatasetVersion, Arc<Overlay>)>>);

impl Viewer {
    pub async fn of(
        app: &App,
        who: &Who,
        release: &Release,
        index: &Arc<Index>,
    ) -> Result<Self, AppError> {
        let may_see_excluded = who.curates(&release.dataset);
        let newest = catalog::dataset(&app.layout, &release.dataset);
        let newest = newest.map_err(AppError::internal)?;
        let is_newest = newest.is_some_and(|d| d.latest() == release.version);
        let overlay = match may_see_excluded && is_newest {
            true => overlay(app, release, index).await?,
            false => Arc::default(),
        };
        Ok(Self {
            may_see_excluded,
            is_newest,
            overlay,
        })
    }

    /// Where no decisions lie over the release: what was withdrawn on this server, which nobody
    /// is shown any more.
    pub fn with(self, withheld: &Withheld, dataset: &Name) -> Self {
        match self.overlay.changes.is_empty() {
            true => Self {
                overlay: withheld.overlay(dataset),
                ..self
            },
            false => self,
        }
    }

    pub fn scope(&self) -> Scope {
        match self.may_see_excluded {
            true => Scope::All,
            false => Scope::Accepted,
        }
    }
}

/// Questions to indexes at a time. Each takes all cores where it can: more at once would only be in
/// each other's way, and whose turn comes would be chance.
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    Semaphore::new(2 * cores)
});

/// A release with all that is needed to show its samples to somebody.
pub struct Looking {
    pub release: Release,
    pub index: Arc<Index>,
    pub allowed: Allowed,
    pub viewer: Viewer,
}

impl Looking {
    pub async fn at(app: &App, who: &Who, release: Release) -> Result<Self, AppError> {
        let (index, allowed) = tokio::join!(app.indexes.get(&release), app.media.allowed(who));
        let (index, allowed) = (index?, allowed?);
        let viewer = Viewer::of(app, who, &release, &index).await?;
        let viewer = viewer.with(allowed.withheld(), &release.dataset);
        Ok(Self {
            release,
            index,
            allowed,
            viewer,
        })
    }

    pub fn view(&self) -> View<'_> {
        View::new(&self.index, self.viewer.scope(), &self.viewer.overlay)
    }

    /// Asks the index, away from the threads that answer; when many ask, in the order they came.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&View<'_>) -> T + Send + 'static,
    ) -> Result<T, AppError> {
        let (index, overlay) = (self.index.clone(), self.viewer.overlay.clone());
        let scope = self.viewer.scope();
        let _turn = TURNS.acquire().await.map_err(AppError::internal)?;
        tokio::task::spawn_blocking(move || question(&View::new(&index, scope, &overlay)))
            .await
            .map_err(AppError::internal)
    }

    /// The row of a sample; [`AppError::Gone`] where it was withdrawn, whoever asks.
    pub fn find(&self, id: &str) -> Result<u32, AppError> {
        const KIND: AppError = AppError::NotFound("sample");
        let id: SampleId = id.parse().map_err(|_| KIND)?;
        let number = self.index.find(&id).ok_or(KIND)?;
        let everything = View::new(&self.index, Scope::All, &self.viewer.overlay);
        let is_withdrawn = |row: Row<'_>| row.is_withdrawn();
        if everything.row(number).is_some_and(is_withdrawn) {
            return Err(AppError::Gone("sample"));
        }
        let seen = self.view().row(number).is_some();
        seen.then_some(number).ok_or(KIND)
    }
}

/// The decisions that stand, as they change the rows of the newest release.
pub async fn overlay(
    app: &App,
    release: &Release,
    index: &Arc<Index>,
) -> Result<Arc<Overlay>, AppError> {
    let revision = decisions::revision(&app.db, &release.dataset).await?;
    let revision = u64::try_from(revision).unwrap_or(0);
    let held = || {
        app.overlays
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    };
    if let Some((version, overlay)) = held().get(&release.dataset)
        && *version == release.version
        && overlay.revision == revision
    {
        return Ok(overlay.clone());
    }
    let standing = decisions::standing(&app.db, &release.dataset).await?;
    let index = index.clone();
    let made = tokio::task::spawn_blocking(move || {
        let nothing = Overlay::default();
        let view = View::new(&index, Scope::All, &nothing);
        let changes = standing.into_values().filter_map(|standing| {
            let decision = standing.decision;
            let row = view
                .find(&decision.sample_id)
                .filter(|r| !r.is_withdrawn())?;
            let reasons: Vec<Reason> = row
                .words(Facet::Reason)
                .iter()
                .filter_map(|code| code.parse().ok())
                .collect();
            let (reasons, status) = decision.judge(&reasons);
            let change = Change {
                status: Some(status),
                reasons: Some(reasons),
                labels: decision.labels,
            };
            Some((decision.sample_id, change))
        });
        Overlay {
            revision,
            changes: changes.collect(),
        }
    });
    let made = Arc::new(made.await.map_err(AppError::internal)?);
    held().insert(release.dataset.clone(), (release.version, made.clone()));
    Ok(made)
}

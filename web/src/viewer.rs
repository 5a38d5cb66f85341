//! What somebody may see of a release.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use fairframe_schemas::{DatasetVersion, Name, Reason};

use crate::{
    App,
    access::Who,
    browse::{Change, Facet, Index, Overlay, Scope, View},
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

//! What somebody may see of a release.

use std::sync::Arc;

use crate::{
    App,
    browse::{Overlay, Scope},
};

/// Who looks, as far as samples and media are concerned.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// Samples that were not accepted are for curators, and so are the media of those that wait
    /// for a decision.
    pub may_see_excluded: bool,
    /// Decisions that are not released yet.
    pub overlay: Arc<Overlay>,
}

impl Viewer {
    pub fn of(app: &App) -> Self {
        Self {
            may_see_excluded: app.may_see_excluded,
            overlay: Arc::default(),
        }
    }

    /// Anybody.
    pub fn public() -> Self {
        Self {
            may_see_excluded: false,
            overlay: Arc::default(),
        }
    }

    pub fn scope(&self) -> Scope {
        match self.may_see_excluded {
            true => Scope::All,
            false => Scope::Accepted,
        }
    }
}

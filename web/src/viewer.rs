//! What somebody may see of a release.

use std::sync::Arc;

use fairframe_schemas::Name;

use crate::{
    access::Who,
    browse::{Overlay, Scope},
};

/// Who looks at a dataset, as far as its samples are concerned.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// Samples that were not accepted are for curators.
    pub may_see_excluded: bool,
    /// Decisions that are not released yet.
    pub overlay: Arc<Overlay>,
}

impl Viewer {
    pub fn of(who: &Who, dataset: &Name) -> Self {
        Self {
            may_see_excluded: who.curates(dataset),
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

//! Whether somebody may download: everybody, unless the dataset has terms; then whoever accepted
//! them, with a session or a token of that account, and its curators.

use fairframe_schemas::Name;

use crate::{
    App,
    access::Who,
    error::AppError,
    state::{
        accounts::Role,
        terms::{self, Terms},
    },
};

/// The terms of a dataset, and whether they are accepted or need not be; none where there are none.
pub async fn of(app: &App, who: &Who, dataset: &Name) -> Result<Option<(Terms, bool)>, AppError> {
    let Some(found) = terms::of(&app.db, dataset).await? else {
        return Ok(None);
    };
    let accepted = match who.account().filter(|_| who.reads()) {
        _ if who.curates(dataset) => true,
        // Whoever says the terms need not accept them, with a token that only reads either.
        Some(account) if account.has(Role::Curator, Some(dataset)) => true,
        Some(account) => terms::accepted(&app.db, &account.id, found.seq).await?,
        None => false,
    };
    Ok(Some((found, accepted)))
}

/// An error where terms are to be accepted first.
pub async fn must_be_accepted(app: &App, who: &Who, dataset: &Name) -> Result<(), AppError> {
    match of(app, who, dataset).await? {
        Some((terms, false)) => Err(AppError::Terms(terms.dataset)),
        _ => Ok(()),
    }
}

/// Where they are read and accepted.
pub fn page(dataset: &Name) -> String {
    format!("/datasets/{dataset}/terms")
}

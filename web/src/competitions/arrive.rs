//! Files that arrive: at once in a form, or piece by piece (the core of tus 1.0.0).

use axum::extract::multipart::Field;
use fairframe_competitions::vault::{Vault, VaultError};
use fairframe_schemas::Digest;

use crate::{error::AppError, state::secret};

/// Bytes gathered before they are written.
const AT_ONCE: usize = 1 << 20;

/// A submission's bytes, on the disk and under the name of their digest.
#[derive(Debug, Clone)]
pub struct Arrived {
    pub name: String,
    pub sha256: Digest,
    pub bytes: u64,
}

/// An upload that is dropped before it is kept leaves nothing.
struct Arriving<'a> {
    vault: &'a Vault,
    id: String,
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        self.vault.drop_upload(&self.id);
    }
}

/// Reads a file off a form, holding no more than a piece of it.
///
/// # Errors
/// [`AppError::Invalid`] where it is larger than `most` bytes or does not arrive whole.
pub async fn from_form(
    vault: &Vault,
    field: &mut Field<'_>,
    name: String,
    most: u64,
) -> Result<Arrived, AppError> {
    let id = secret::draw().map_err(AppError::internal)?;
    let arriving = Arriving { vault, id };
    let broken = |_| AppError::Invalid("The file did not arrive whole.".to_owned());
    let (mut there, mut gathered) = (0, Vec::new());
    while let Some(piece) = field.chunk().await.map_err(broken)? {
        gathered.extend_from_slice(&piece);
        if there + gathered.len() as u64 > most {
            return Err(too_large(most));
        }
        if gathered.len() >= AT_ONCE {
            let (vault, id) = (vault.clone(), arriving.id.clone());
            let full = std::mem::take(&mut gathered);
            there = blocking(move || vault.add(&id, there, &full)).await?;
        }
    }
    kept(vault, &arriving.id, name, there, gathered).await
}

/// Puts an upload that is whole among the submissions.
///
/// # Errors
/// [`AppError::Invalid`] where it is empty.
pub async fn keep(vault: &Vault, id: &str, name: String, there: u64) -> Result<Arrived, AppError> {
    kept(vault, id, name, there, Vec::new()).await
}

/// The same of one of which `rest` is not on the disk yet.
async fn kept(
    vault: &Vault,
    id: &str,
    name: String,
    there: u64,
    rest: Vec<u8>,
) -> Result<Arrived, AppError> {
    if there == 0 && rest.is_empty() {
        return Err(AppError::Invalid(
            "Choose a file; this one is empty.".to_owned(),
        ));
    }
    let (vault, id) = (vault.clone(), id.to_owned());
    let kept = blocking(move || {
        if !rest.is_empty() {
            vault.add(&id, there, &rest)?;
        }
        vault.keep_submission(&id)
    });
    let (sha256, bytes) = kept.await?;
    Ok(Arrived {
        name,
        sha256,
        bytes,
    })
}

pub fn too_large(most: u64) -> AppError {
    let most = fairframe_schemas::text::size(most);
    AppError::Invalid(format!("The file may have at most {most}; pack it."))
}

/// Work on the disk, off the threads that answer.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, VaultError> + Send + 'static,
) -> Result<T, AppError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(AppError::internal)?
        .map_err(AppError::internal)
}

//! What each item of a stage gave a submission: with it two submissions are held against each
//! other item by item, without the truth.

use std::{fs, path::Path};

use fairframe_schemas::Digest;

use crate::vault::{self, VaultError};

/// The first bytes of a file of items' scores: what it is, and its version.
const MARK: &[u8; 8] = b"ffitems1";

/// A score of each item, in the order of the truth's rows.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemScores {
    /// Of the items' ids in their order: only scores of the same items are held against each other.
    pub ids: Digest,
    /// One each; the metric is their mean.
    pub scores: Vec<f64>,
}

/// Why items' scores cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ItemsError {
    #[error("`{path}` cannot be read: {error}")]
    Io { path: String, error: std::io::Error },
    #[error("`{0}` holds no items' scores")]
    Form(String),
}

/// How two submissions differ over the same items.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paired {
    /// Mean of `a - b`.
    pub mean: f64,
    /// Standard error of that mean: the sample's standard deviation over the root of `n`.
    pub error: f64,
    pub n: usize,
}

impl ItemScores {
    /// Little-endian: the mark, the ids' digest, the scores.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn write(&self, path: &Path) -> Result<(), VaultError> {
        let mut bytes = Vec::with_capacity(40 + 8 * self.scores.len());
        bytes.extend_from_slice(MARK);
        bytes.extend_from_slice(self.ids.as_bytes());
        for score in &self.scores {
            bytes.extend_from_slice(&score.to_le_bytes());
        }
        vault::put(path, &bytes)
    }

    /// # Errors
    /// Where the file is not there, or is no such file.
    pub fn read(path: &Path) -> Result<Self, ItemsError> {
        let name = || path.display().to_string();
        let bytes = fs::read(path).map_err(|error| ItemsError::Io {
            path: name(),
            error,
        })?;
        let rest = bytes.strip_prefix(MARK.as_slice());
        let (ids, scores) = rest
            .and_then(|rest| rest.split_first_chunk::<32>())
            .ok_or_else(|| ItemsError::Form(name()))?;
        let (scores, []) = scores.as_chunks::<8>() else {
            return Err(ItemsError::Form(name()));
        };
        Ok(Self {
            ids: Digest::from_bytes(*ids),
            scores: scores.iter().map(|s| f64::from_le_bytes(*s)).collect(),
        })
    }

    /// How this differs from another; none where the items are not the same, or fewer than two.
    pub fn paired(&self, other: &Self) -> Option<Paired> {
        let n = self.scores.len();
        if self.ids != other.ids || n != other.scores.len() || n < 2 {
            return None;
        }
        let differences = || self.scores.iter().zip(&other.scores).map(|(a, b)| a - b);
        let mean = differences().sum::<f64>() / n as f64;
        let squares: f64 = differences().map(|d| (d - mean).powi(2)).sum();
        let deviation = (squares / (n - 1) as f64).sqrt();
        Some(Paired {
            mean,
            error: deviation / (n as f64).sqrt(),
            n,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(scores: &[f64]) -> ItemScores {
        ItemScores {
            ids: Digest::of(b"a,b,c,d"),
            scores: scores.to_vec(),
        }
    }

    #[test]
    fn scores_come_back_as_they_were_and_damage_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("items/public.f64");
        let kept = scores(&[0.625, 1.0, 0.0, 0.541_667]);
        kept.write(&path).unwrap();
        assert_eq!(ItemScores::read(&path).unwrap(), kept);
        let bytes = fs::read(&path).unwrap();
        for broken in [&bytes[..bytes.len() - 3], &bytes[..20], &bytes[1..]] {
            fs::write(&path, broken).unwrap();
            assert!(matches!(ItemScores::read(&path), Err(ItemsError::Form(_))));
        }
        let gone = folder.path().join("none");
        assert!(matches!(
            ItemScores::read(&gone),
            Err(ItemsError::Io { .. })
        ));
    }

    #[test]
    fn differences_are_of_the_same_items() {
        let (a, b) = (scores(&[1.0, 0.0, 1.0, 1.0]), scores(&[0.0, 0.0, 1.0, 0.0]));
        // Differences 1, 0, 0, 1: mean 1/2, variance 1/3, standard error sqrt(1/12).
        let paired = a.paired(&b).unwrap();
        assert_eq!((paired.mean, paired.n), (0.5, 4));
        assert!((paired.error - (1.0_f64 / 12.0).sqrt()).abs() < 1e-15);
        assert_eq!(b.paired(&a).unwrap().mean, -0.5);
        let other = ItemScores {
            ids: Digest::of(b"others"),
            ..b
        };
        assert_eq!(a.paired(&other), None);
        assert_eq!(scores(&[1.0]).paired(&scores(&[0.0])), None);
    }
}

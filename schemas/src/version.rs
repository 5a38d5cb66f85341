//! Versions: of a dataset (Croissant's rule) and of the format (ours).

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the manifest format. A reader refuses what is newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SchemaVersion(u32);

impl SchemaVersion {
    /// What this release writes.
    pub const CURRENT: SchemaVersion = SchemaVersion(1);

    /// Reads a `fairframe.schema_version` value, refusing newer formats.
    pub fn check(text: &str) -> Result<Self, VersionError> {
        let number: u32 = text
            .parse()
            .map_err(|_| VersionError::Unreadable(text.to_owned()))?;
        if number == 0 || number > Self::CURRENT.0 {
            return Err(VersionError::Newer {
                found: number,
                known: Self::CURRENT.0,
            });
        }
        Ok(Self(number))
    }
}

impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a change does to a version number, by Croissant's rule: MAJOR when
/// existing rows can no longer be found (a withdrawal), MINOR when rows are
/// added and old results still hold, PATCH when neither rows nor media change.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    None,
    Patch,
    Minor,
    Major,
}

/// `major.minor.patch` of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatasetVersion {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

impl DatasetVersion {
    pub const FIRST: DatasetVersion = DatasetVersion {
        major: 1,
        minor: 0,
        patch: 0,
    };

    pub fn after(self, change: Change) -> Self {
        match change {
            Change::None => self,
            Change::Patch => Self {
                patch: self.patch + 1,
                ..self
            },
            Change::Minor => Self {
                minor: self.minor + 1,
                patch: 0,
                ..self
            },
            Change::Major => Self {
                major: self.major + 1,
                minor: 0,
                patch: 0,
            },
        }
    }
}

impl fmt::Display for DatasetVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// What can be wrong with a version.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum VersionError {
    #[error("`{0}` is not a version")]
    Unreadable(String),
    #[error(
        "format version {found} is not one this release reads (it reads 1 to {known}); use a newer fairframe"
    )]
    Newer { found: u32, known: u32 },
}

impl FromStr for DatasetVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let error = || VersionError::Unreadable(text.to_owned());
        let parts: Vec<&str> = text.split('.').collect();
        let [major, minor, patch] = parts.as_slice() else {
            return Err(error());
        };
        let number = |part: &str| {
            let canonical = part.len() == 1 || !part.starts_with('0');
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            if canonical && digits {
                part.parse().map_err(|_| error())
            } else {
                Err(error())
            }
        };
        Ok(Self {
            major: number(major)?,
            minor: number(minor)?,
            patch: number(patch)?,
        })
    }
}

macro_rules! version_serde {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}
version_serde!(DatasetVersion);

impl JsonSchema for DatasetVersion {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DatasetVersion".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_withdrawal_is_a_major_change() {
        let v: DatasetVersion = "1.4.2".parse().unwrap();
        assert_eq!(v.after(Change::Major).to_string(), "2.0.0");
        assert_eq!(v.after(Change::Minor).to_string(), "1.5.0");
        assert_eq!(v.after(Change::Patch).to_string(), "1.4.3");
        assert_eq!(v.after(Change::None), v);
    }

    #[test]
    fn versions_order_by_number_not_by_text() {
        let a: DatasetVersion = "1.9.0".parse().unwrap();
        let b: DatasetVersion = "1.10.0".parse().unwrap();
        assert!(a < b);
    }

    #[test]
    fn odd_versions_are_refused() {
        for text in [
            "1.0",
            "01.0.0",
            "1.0.0-rc1",
            "",
            "1..0",
            "a.b.c",
            "../..",
            "1.0.99999999999",
        ] {
            assert!(text.parse::<DatasetVersion>().is_err(), "{text}");
        }
        assert!(SchemaVersion::check("2").is_err());
        assert!(SchemaVersion::check("1").is_ok());
    }
}

//! Identities: samples by where they came from, media by what they are.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The stable identity of a sample: the first 32 hex digits of
/// sha256(`source` LF `source_key`). Never reused, never changed by new bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleId([u8; 16]);

impl SampleId {
    pub fn new(source: &str, source_key: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(source.as_bytes());
        hasher.update(b"\n");
        hasher.update(source_key.as_bytes());
        let full = hasher.finalize();
        let mut id = [0u8; 16];
        id.copy_from_slice(&full[..16]);
        Self(id)
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// The stable identity of a directed pairing: the first 32 hex digits of
/// sha256(`pair` LF target LF source), by sample ids; what is not there is empty.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PairId([u8; 16]);

impl PairId {
    pub fn new(target: SampleId, source: SampleId) -> Self {
        Self::of(&format!("{target}\n{source}"))
    }

    /// Of a row that is no pairing: a video that may not be paired.
    pub fn of_video(video: SampleId) -> Self {
        Self::of(&format!("{video}\n"))
    }

    /// Of a row that is no pairing: a person whom nobody could be paired with.
    pub fn of_subject(subject: &str) -> Self {
        Self::of(&format!("\n\n{subject}"))
    }

    fn of(text: &str) -> Self {
        let full = Sha256::digest(format!("pair\n{text}"));
        let mut id = [0u8; 16];
        id.copy_from_slice(&full[..16]);
        Self(id)
    }
}

/// A sha256 digest of media bytes; written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A text that is not the hex form of an id or digest.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not {expected} lower-case hex digits")]
pub struct HexError {
    pub text: String,
    pub expected: usize,
}

macro_rules! hex_text {
    ($name:ident, $bytes:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = HexError;

            fn from_str(text: &str) -> Result<Self, HexError> {
                let error = || HexError {
                    text: text.chars().take(80).collect(),
                    expected: $bytes * 2,
                };
                if text.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(error());
                }
                let mut bytes = [0u8; $bytes];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| error())?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<'de, str>::deserialize(d)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "pattern": format!("^[0-9a-f]{{{}}}$", $bytes * 2),
                })
            }
        }
    };
}

hex_text!(SampleId, 16);
hex_text!(PairId, 16);
hex_text!(Digest, 32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sample_id_is_the_first_half_of_the_sha256_of_source_and_key() {
        // printf 'commons\n44672185' | sha256sum
        let id = SampleId::new("commons", "44672185");
        let full = Digest::of(b"commons\n44672185").to_string();
        assert_eq!(id.to_string(), full[..32]);
        assert_eq!(id.to_string().parse::<SampleId>().unwrap(), id);
    }

    #[test]
    fn digest_of_nothing_is_the_published_value() {
        assert_eq!(
            Digest::of(b"").to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn upper_case_and_wrong_length_are_refused() {
        assert!(
            "ABCDEF0123456789abcdef0123456789"
                .parse::<SampleId>()
                .is_err()
        );
        assert!("abc".parse::<SampleId>().is_err());
        assert!("".parse::<Digest>().is_err());
    }
}

//! Secrets: drawn from the system, shown once, kept as their SHA-256.
//!
//! A fast digest will do: 256 random bits cannot be guessed. Passwords are another
//! matter (argon2id, OWASP's parameters: 19 MiB, 2 passes, 1 lane).

use std::sync::LazyLock;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use fairframe_schemas::Digest;

/// Shortest password, in characters.
pub const MIN_PASSWORD: usize = 10;

/// Longest password, in bytes: hashing more costs the server and gains nobody anything.
pub const MAX_PASSWORD: usize = 256;

/// Least strength, of 0 to 4 (zxcvbn: at least 10^8 guesses).
const MIN_STRENGTH: u8 = 3;

/// The system gave no random bytes. Nothing can be done safely then.
#[derive(Debug, thiserror::Error)]
#[error("draw random bytes: {0}")]
pub struct NoRandom(getrandom::Error);

/// 64 hexadecimal digits that nobody can guess.
pub fn draw() -> Result<String, NoRandom> {
    Ok(hex::encode(random::<32>()?))
}

/// A name for a row: 16 hexadecimal digits.
pub fn id() -> Result<String, NoRandom> {
    Ok(hex::encode(random::<8>()?))
}

fn random<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(NoRandom)?;
    Ok(bytes)
}

/// What stands in the database for a secret.
pub fn digest(secret: &str) -> String {
    Digest::of(secret.as_bytes()).to_string()
}

/// Whether two secrets are one, in a time that does not tell how far they agree.
pub fn same(a: &str, b: &str) -> bool {
    // Digests of unequal texts differ from a random place on.
    Digest::of(a.as_bytes()) == Digest::of(b.as_bytes())
}

/// Why a password is not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WeakPassword {
    #[error("The password is shorter than {MIN_PASSWORD} characters.")]
    Short,
    #[error("The password is longer than {MAX_PASSWORD} bytes.")]
    Long,
    #[error(
        "The password is too easy to guess. Take four unrelated words, or let your browser suggest one."
    )]
    Guessable,
}

/// Judges a password for somebody of that name (NIST SP 800-63B: length and
/// guessability, no rules of composition).
pub fn judge(password: &str, name: &str) -> Result<(), WeakPassword> {
    if password.len() > MAX_PASSWORD {
        return Err(WeakPassword::Long);
    }
    if password.chars().count() < MIN_PASSWORD {
        return Err(WeakPassword::Short);
    }
    let strength = u8::from(zxcvbn::zxcvbn(password, &[name, "fairframe"]).score());
    match strength < MIN_STRENGTH {
        true => Err(WeakPassword::Guessable),
        false => Ok(()),
    }
}

fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

/// The password could not be hashed.
#[derive(Debug, thiserror::Error)]
#[error("hash a password: {0}")]
pub struct NotHashed(String);

/// The PHC string of a password, with a salt of its own. Takes some 20 ms and 19 MiB.
pub fn hash(password: &str) -> Result<String, NotHashed> {
    let hashed = argon2().hash_password(password.as_bytes());
    hashed
        .map(|h| h.to_string())
        .map_err(|e| NotHashed(e.to_string()))
}

/// What a password is held against where there is none, so that it takes as long.
static NOBODYS: LazyLock<Option<String>> = LazyLock::new(|| hash(&draw().ok()?).ok());

/// Whether it is the password; as slow as the other way round, also where there is none.
pub fn is_password(password: &str, hash: Option<&str>) -> bool {
    if password.len() > MAX_PASSWORD {
        return false;
    }
    let parsed = PasswordHash::new(hash.or(NOBODYS.as_deref()).unwrap_or_default());
    let right = parsed.is_ok_and(|h| argon2().verify_password(password.as_bytes(), &h).is_ok());
    right && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_judged_by_length_and_guesses() {
        assert_eq!(judge("short", "mira"), Err(WeakPassword::Short));
        assert_eq!(judge(&"long ".repeat(60), "mira"), Err(WeakPassword::Long));
        for easy in [
            "password1234",
            "aaaaaaaaaaaa",
            "fairframe2026",
            "miramiramira",
        ] {
            assert_eq!(judge(easy, "mira"), Err(WeakPassword::Guessable), "{easy}");
        }
        assert_eq!(judge("otter lantern gravel mosaic", "mira"), Ok(()));
        // Characters are counted, not bytes.
        assert_eq!(judge("ÄÖÜßéèêëà", "mira"), Err(WeakPassword::Short));
    }

    #[test]
    fn only_the_password_opens_and_nothing_opens_without_one() {
        let hashed = hash("otter lantern gravel mosaic").unwrap();
        assert!(
            hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hashed}"
        );
        assert!(is_password("otter lantern gravel mosaic", Some(&hashed)));
        assert!(!is_password("otter lantern gravel mosai", Some(&hashed)));
        assert!(!is_password("otter lantern gravel mosaic", None));
        assert!(!is_password("x", Some("not a hash")));
        // The stand-in is one that is really worked through.
        assert!(
            NOBODYS
                .as_deref()
                .unwrap()
                .starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
        );
        // Salted.
        assert_ne!(hashed, hash("otter lantern gravel mosaic").unwrap());
    }
}

//! What a server keeps in place of passwords.

use std::sync::OnceLock;

use hmac::{Hmac, Mac, digest::KeyInit};
use mailwire_core::Secret;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::{Mechanism, SaslError, prepare::prepare};

/// The number of times that a password is hashed unless told otherwise: the least that [RFC 7677 section 4](https://www.rfc-editor.org/rfc/rfc7677#section-4) allows.
/// More makes a stolen store harder to use, and each login slower, on the client's side too.
pub const DEFAULT_ITERATIONS: u32 = 4096;

/// The keys that SCRAM needs of one user for one hash function ([RFC 5802 section 3](https://www.rfc-editor.org/rfc/rfc5802#section-3)). Passwords cannot be read
/// out of it, but can be guessed with it.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    /// The salt.
    pub salt: Vec<u8>,
    /// The number of times that the password was hashed.
    pub iterations: u32,
    /// `H(ClientKey)`
    pub stored_key: Secret,
    /// `HMAC(SaltedPassword, "Server Key")`
    pub server_key: Secret,
}

impl ScramKeys {
    /// Keys that are stored elsewhere.
    pub fn new(
        salt: impl Into<Vec<u8>>,
        iterations: u32,
        stored_key: impl Into<Secret>,
        server_key: impl Into<Secret>,
    ) -> Self {
        Self { salt: salt.into(), iterations, stored_key: stored_key.into(), server_key: server_key.into() }
    }
}

/// Shows no key.
impl std::fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScramKeys").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// A user's password as a server keeps it: enough for all mechanisms with passwords, and not the
/// password itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPassword {
    sha256: ScramKeys,
    sha1: Option<ScramKeys>,
}

impl StoredPassword {
    /// Derives what is kept, with a random salt and [`DEFAULT_ITERATIONS`].
    ///
    /// # Errors
    ///
    /// The password is empty or has characters that passwords must not have ([RFC 4013](https://www.rfc-editor.org/rfc/rfc4013)), or the
    /// system has no randomness.
    pub fn derive(password: &Secret) -> Result<Self, SaslError> {
        Self::derive_with(password, DEFAULT_ITERATIONS)
    }

    /// Derives what is kept with another number of iterations. An [`Authenticator`](super::Authenticator) then
    /// says so, for the sake of the users that do not exist.
    ///
    /// # Errors
    ///
    /// Those of [`derive`](Self::derive).
    pub fn derive_with(password: &Secret, iterations: u32) -> Result<Self, SaslError> {
        let password = prepare(password)?;
        let mut salt = vec![0; 16];
        getrandom::fill(&mut salt)
            .map_err(|_| SaslError::InvalidCredentials("the system has no randomness"))?;
        let iterations = iterations.max(1);
        Ok(Self {
            sha256: derive_sha256(password.expose(), &salt, iterations),
            sha1: Some(derive_sha1(password.expose(), &salt, iterations)),
        })
    }

    /// Takes keys that are stored elsewhere. Without those for SHA-1, SCRAM-SHA-1 always fails.
    #[must_use]
    pub const fn from_keys(sha256: ScramKeys, sha1: Option<ScramKeys>) -> Self {
        Self { sha256, sha1 }
    }

    /// Returns the keys for SHA-256.
    #[must_use]
    pub const fn sha256(&self) -> &ScramKeys {
        &self.sha256
    }

    /// Returns the keys for SHA-1.
    #[must_use]
    pub const fn sha1(&self) -> Option<&ScramKeys> {
        self.sha1.as_ref()
    }

    /// Checks whether this is the password. Takes as long for a wrong one as for the right one.
    #[must_use]
    pub fn verify(&self, password: &Secret) -> bool {
        // What cannot be a password is hashed all the same.
        let prepared = prepare(password);
        let candidate = prepared.as_ref().unwrap_or(password);
        let keys = derive_sha256(candidate.expose(), &self.sha256.salt, self.sha256.iterations);
        let same = keys.stored_key == self.sha256.stored_key;
        same && prepared.is_ok()
    }

    /// Puts another's salt and iterations in place, for a user without keys of this hash function: what
    /// others see must not differ from one mechanism to the next.
    pub(super) fn looks_like(mut keys: ScramKeys, other: &Self) -> ScramKeys {
        keys.salt.clone_from(&other.sha256.salt);
        keys.iterations = other.sha256.iterations;
        keys
    }

    pub(super) const fn keys(&self, mechanism: &Mechanism) -> Option<&ScramKeys> {
        match mechanism {
            Mechanism::ScramSha256 | Mechanism::ScramSha256Plus => Some(&self.sha256),
            Mechanism::ScramSha1 | Mechanism::ScramSha1Plus => self.sha1.as_ref(),
            _ => None,
        }
    }

    /// Makes what stands in for a user that does not exist, from a key of at most 64 bytes that is the
    /// server's secret: the same each time, so that the salt betrays nothing. No password fits.
    #[must_use]
    pub fn decoy(user: &str, key: &Secret, iterations: u32) -> Self {
        let part = |label: &[u8]| {
            let mut mac = hmac_sha256(key.expose());
            mac.update(label);
            mac.update(user.as_bytes());
            mac.finalize().into_bytes().to_vec()
        };
        let shorten = |mut bytes: Vec<u8>, length| {
            bytes.truncate(length);
            bytes
        };
        let salt = shorten(part(b"salt"), 16);
        let (stored, server) = (part(b"stored"), part(b"server"));
        Self {
            sha256: ScramKeys {
                salt: salt.clone(),
                iterations,
                stored_key: stored.clone().into(),
                server_key: server.clone().into(),
            },
            sha1: Some(ScramKeys {
                salt,
                iterations,
                stored_key: shorten(stored, 20).into(),
                server_key: shorten(server, 20).into(),
            }),
        }
    }
}

/// A key that lives as long as the process.
pub(super) fn process_key() -> Secret {
    static KEY: OnceLock<[u8; 32]> = OnceLock::new();
    let key = KEY.get_or_init(|| {
        let mut key = [0; 32];
        // Without randomness, the decoys are known; everything else still holds.
        let _ = getrandom::fill(&mut key);
        key
    });
    Secret::from(&key[..])
}

/// A key of at most one block is filled up with zeros (RFC 2104 section 2), which spares the case of
/// a key that is refused.
fn block(key: &[u8]) -> [u8; 64] {
    let mut block = [0; 64];
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    block
}

fn hmac_sha256(key: &[u8]) -> Hmac<Sha256> {
    <Hmac<Sha256> as KeyInit>::new(&block(key).into())
}

fn hmac_sha1(key: &[u8]) -> Hmac<Sha1> {
    <Hmac<Sha1> as KeyInit>::new(&block(key).into())
}

fn derive_sha256(password: &[u8], salt: &[u8], iterations: u32) -> ScramKeys {
    let salted = Secret::from(pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, salt, iterations).to_vec());
    let key = |label: &[u8]| hmac_sha256(salted.expose()).chain_update(label).finalize().into_bytes();
    ScramKeys::new(salt, iterations, Sha256::digest(key(b"Client Key")).to_vec(), key(b"Server Key").to_vec())
}

fn derive_sha1(password: &[u8], salt: &[u8], iterations: u32) -> ScramKeys {
    let salted = Secret::from(pbkdf2::pbkdf2_hmac_array::<Sha1, 20>(password, salt, iterations).to_vec());
    let key = |label: &[u8]| hmac_sha1(salted.expose()).chain_update(label).finalize().into_bytes();
    ScramKeys::new(salt, iterations, Sha1::digest(key(b"Client Key")).to_vec(), key(b"Server Key").to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifies_the_password_and_no_other() {
        let stored = StoredPassword::derive(&"pencil".into()).unwrap();
        assert!(stored.verify(&"pencil".into()));
        for wrong in ["Pencil", "", "pencil ", "\u{7}"] {
            assert!(!stored.verify(&wrong.into()), "{wrong:?}");
        }
        // SASLprep: a soft hyphen is nothing, a Roman numeral is its letters.
        assert!(stored.verify(&"pen\u{ad}cil".into()));
        let roman = StoredPassword::derive(&"IX".into()).unwrap();
        assert!(roman.verify(&"\u{2168}".into()));
        assert!(StoredPassword::derive(&"".into()).is_err());
    }

    #[test]
    fn decoys_are_the_same_each_time_and_fit_nothing() {
        let key = process_key();
        let decoy = StoredPassword::decoy("nobody", &key, 4096);
        assert_eq!(decoy, StoredPassword::decoy("nobody", &key, 4096));
        assert_ne!(decoy.sha256.salt, StoredPassword::decoy("somebody", &key, 4096).sha256.salt);
        assert!(!decoy.verify(&"".into()));
        let real = StoredPassword::derive(&"x".into()).unwrap();
        assert_eq!(decoy.sha256.salt.len(), real.sha256.salt.len());
    }

    #[test]
    fn debug_shows_no_key() {
        let stored = StoredPassword::derive(&"pencil".into()).unwrap();
        assert_eq!(format!("{:?}", stored.sha256()), "ScramKeys { iterations: 4096, .. }");
    }
}

//! What a server keeps in place of passwords.

use std::sync::OnceLock;

use hmac::{Hmac, Mac, digest::KeyInit};
use mailwire_core::Secret;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::{Mechanism, SaslError, prepare::prepared_password};

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
    /// What a proof of the client is checked by: `H(ClientKey)`.
    pub stored_key: Secret,
    /// What the server proves itself by: `HMAC(SaltedPassword, "Server Key")`.
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

/// A user's password as a server keeps it: enough for all mechanisms with passwords but CRAM-MD5, and not the
/// password itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPassword {
    sha256: ScramKeys,
    sha1: Option<ScramKeys>,
    sha512: Option<ScramKeys>,
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
        let password = prepared_password(password)?;
        let mut salt = vec![0; 16];
        getrandom::fill(&mut salt)
            .map_err(|_| SaslError::InvalidCredentials("the system has no randomness"))?;
        let iterations = iterations.max(1);
        Ok(Self {
            sha256: derive_sha256(password.expose(), &salt, iterations),
            sha1: Some(derive_sha1(password.expose(), &salt, iterations)),
            sha512: Some(derive_sha512(password.expose(), &salt, iterations)),
        })
    }

    /// Takes keys that are stored elsewhere. Without those for SHA-1, SCRAM-SHA-1 always fails.
    #[must_use]
    pub const fn from_keys(sha256: ScramKeys, sha1: Option<ScramKeys>) -> Self {
        Self { sha256, sha1, sha512: None }
    }

    /// Adds keys for SHA-512. Without them, SCRAM-SHA-512 always fails: to be offered once all users have them.
    #[must_use]
    pub fn with_sha512(mut self, sha512: ScramKeys) -> Self {
        self.sha512 = Some(sha512);
        self
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

    /// Returns the keys for SHA-512.
    #[must_use]
    pub const fn sha512(&self) -> Option<&ScramKeys> {
        self.sha512.as_ref()
    }

    /// Checks whether this is the password. Takes as long for a wrong one as for the right one.
    #[must_use]
    pub fn verify(&self, password: &Secret) -> bool {
        // What cannot be a password is hashed all the same.
        let prepared = prepared_password(password);
        let candidate = prepared.as_ref().unwrap_or(password);
        let keys = derive_sha256(candidate.expose(), &self.sha256.salt, self.sha256.iterations);
        let same = keys.stored_key == self.sha256.stored_key;
        same && prepared.is_ok()
    }

    /// What stands in for the keys of a user that has none for this mechanism, or does not exist: what others see must
    /// tell neither. `found` is what the user has, `self` what stands in for a user without anything.
    ///
    /// Where those have one salt for all hash functions, a user's one is shown, otherwise what stands in for it.
    pub(super) fn stand_in(
        &self,
        found: Option<&Self>,
        mechanism: &Mechanism,
        name: &str,
        key: &Secret,
    ) -> ScramKeys {
        let shown = |keys: &ScramKeys| (keys.salt.clone(), keys.iterations);
        let mut keys = match self.keys(mechanism) {
            Some(keys) => keys.clone(),
            None => {
                let mut keys = decoy_keys(name, key, mechanism);
                (keys.salt, keys.iterations) = shown(&self.sha256);
                keys
            }
        };
        if let (Some(found), true) = (found, shown(&keys) == shown(&self.sha256)) {
            (keys.salt, keys.iterations) = shown(&found.sha256);
        }
        keys
    }

    pub(super) const fn keys(&self, mechanism: &Mechanism) -> Option<&ScramKeys> {
        match mechanism {
            Mechanism::ScramSha512 | Mechanism::ScramSha512Plus => self.sha512.as_ref(),
            Mechanism::ScramSha256 | Mechanism::ScramSha256Plus => Some(&self.sha256),
            Mechanism::ScramSha1 | Mechanism::ScramSha1Plus => self.sha1.as_ref(),
            _ => None,
        }
    }

    /// Makes what stands in for a user that does not exist, from a key of at most 64 bytes that is the
    /// server's secret: the same each time, so that the salt betrays nothing. No password fits.
    #[must_use]
    pub fn decoy(user: &str, key: &Secret, iterations: u32) -> Self {
        let keys = |mechanism| ScramKeys { iterations, ..decoy_keys(user, key, &mechanism) };
        Self {
            sha256: keys(Mechanism::ScramSha256),
            sha1: Some(keys(Mechanism::ScramSha1)),
            sha512: Some(keys(Mechanism::ScramSha512)),
        }
    }
}

/// Keys that no password fits, of the right length, with a salt that is one for all hash functions.
fn decoy_keys(user: &str, key: &Secret, mechanism: &Mechanism) -> ScramKeys {
    let length = match mechanism {
        Mechanism::ScramSha512 | Mechanism::ScramSha512Plus => 64,
        Mechanism::ScramSha1 | Mechanism::ScramSha1Plus => 20,
        _ => 32,
    };
    let salt = <Hmac<Sha256> as KeyInit>::new(&block::<64>(key.expose()).into())
        .chain_update("salt")
        .chain_update(user)
        .finalize()
        .into_bytes();
    let part = |label: &str| {
        let mac = <Hmac<Sha512> as KeyInit>::new(&block::<128>(key.expose()).into());
        let bytes = mac.chain_update(label).chain_update(user).finalize().into_bytes();
        Secret::from(bytes.get(..length).unwrap_or(&bytes))
    };
    let salt = salt.get(..16).unwrap_or(&salt);
    ScramKeys::new(salt, DEFAULT_ITERATIONS, part("stored"), part("server"))
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
fn block<const SIZE: usize>(key: &[u8]) -> [u8; SIZE] {
    let mut block = [0; SIZE];
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    block
}

/// The keys of a password for one hash function, whose results have `$length` bytes and whose blocks `$block`.
macro_rules! derive {
    ($name:ident, $hash:ty, $length:literal, $block:literal) => {
        fn $name(password: &[u8], salt: &[u8], iterations: u32) -> ScramKeys {
            let salted = pbkdf2::pbkdf2_hmac_array::<$hash, $length>(password, salt, iterations);
            let salted = Secret::from(salted.to_vec());
            let mac = <Hmac<$hash> as KeyInit>::new(&block::<$block>(salted.expose()).into());
            let key = |label: &[u8]| mac.clone().chain_update(label).finalize().into_bytes();
            let stored = <$hash>::digest(key(b"Client Key")).to_vec();
            ScramKeys::new(salt, iterations, stored, key(b"Server Key").to_vec())
        }
    };
}

derive!(derive_sha512, Sha512, 64, 128);
derive!(derive_sha256, Sha256, 32, 64);
derive!(derive_sha1, Sha1, 20, 64);

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
    #[test]
    fn what_stands_in_looks_as_what_there_is() {
        let key = process_key();
        let real = StoredPassword::derive_with(&"x".into(), 5000).unwrap();
        let mechanism = Mechanism::ScramSha512;
        let shared = StoredPassword::decoy("ada", &key, 5000);
        // One salt for all hash functions: a user without keys for one shows the salt of the others.
        let stands = shared.stand_in(Some(&real), &mechanism, "ada", &key);
        assert_eq!((&stands.salt, stands.iterations), (&real.sha256.salt, 5000));
        assert_eq!(shared.stand_in(None, &mechanism, "ada", &key), *shared.sha512().unwrap());
        // A salt for each: it shows another one.
        let own = ScramKeys::new(vec![9; 24], 20_000, vec![0; 64], vec![0; 64]);
        let apart = shared.clone().with_sha512(own.clone());
        assert_eq!(apart.stand_in(Some(&real), &mechanism, "ada", &key), own);
        // A store that makes no keys for it: neither who exists nor who does not.
        let without = StoredPassword::from_keys(shared.sha256.clone(), None);
        let stands = without.stand_in(None, &mechanism, "ada", &key);
        assert_eq!((&stands.salt, stands.iterations), (&shared.sha256.salt, 5000));
        assert_eq!(stands.stored_key.expose().len(), 64);
        let stands = without.stand_in(Some(&real), &mechanism, "ada", &key);
        assert_eq!(stands.salt, real.sha256.salt);
    }
}

//! CRAM-MD5 ([RFC 2195](https://www.rfc-editor.org/rfc/rfc2195)).
//!
//! ```abnf
//! challenge = msg-id
//! response  = user SP digest
//! digest    = 32LHEX
//! ```

use hmac::{Hmac, Mac};
use mailwire_core::Secret;
use md5::Md5;

/// The answer to a challenge.
#[cfg(feature = "client")]
pub(super) fn response(user: &str, secret: &Secret, challenge: &[u8]) -> Secret {
    let mut response = format!("{user} ").into_bytes();
    response.extend_from_slice(digest(secret, challenge).expose());
    response.into()
}

/// Takes an answer apart: the user and the digest. A user's name may have spaces in it.
#[cfg(feature = "server")]
pub(super) fn read(response: &[u8]) -> Option<(&str, Secret)> {
    let (user, digest) = response.split_last_chunk::<32>()?;
    let user = std::str::from_utf8(user.strip_suffix(b" ")?).ok()?;
    let well_formed = digest.iter().all(u8::is_ascii_hexdigit) && !user.is_empty() && !user.contains('\0');
    well_formed.then(|| (user, Secret::from(digest.to_ascii_lowercase())))
}

/// A challenge that nobody can foresee; `None` if the system has no randomness.
#[cfg(feature = "server")]
pub(super) fn challenge() -> Option<Secret> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).ok()?;
    Some(format!("<{}@localhost>", hex(&random)).into())
}

/// The keyed hash of a challenge, in hexadecimal.
pub(super) fn digest(secret: &Secret, challenge: &[u8]) -> Secret {
    // A key of any length is taken.
    match Hmac::<Md5>::new_from_slice(secret.expose()) {
        Ok(mac) => hex(&mac.chain_update(challenge).finalize().into_bytes()).into(),
        Err(_) => Secret::default(),
    }
}

/// In small hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(all(test, feature = "client", feature = "server"))]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        let answer = response("tim", &"tanstaaftanstaaf".into(), challenge);
        assert_eq!(answer.expose(), b"tim b913a602c7eda7a495b4e6e7334d3890");
        let (user, digest) = read(answer.expose()).unwrap();
        assert_eq!((user, digest.expose()), ("tim", &b"b913a602c7eda7a495b4e6e7334d3890"[..]));
        let long = Secret::from(vec![b'x'; 1000]);
        assert_eq!(super::digest(&long, challenge).expose().len(), 32);
    }

    #[test]
    fn what_is_no_answer() {
        let digest = "b913a602c7eda7a495b4e6e7334d3890";
        for bad in [
            String::new(),
            digest.into(),
            format!(" {digest}"),
            format!("tim{digest}"),
            format!("tim {}", digest.trim_start_matches('b')),
            format!("tim {}g", digest.trim_start_matches('b')),
            format!("t\0m {digest}"),
        ] {
            assert!(read(bad.as_bytes()).is_none(), "{bad}");
        }
        assert_eq!(read(format!("a b {}", digest.to_uppercase()).as_bytes()).unwrap().0, "a b");
        assert_ne!(challenge(), challenge());
    }
}

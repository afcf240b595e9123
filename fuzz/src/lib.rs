//! What the fuzz targets of mailwire do: a function a target, over the oracles of `mailwire-oracles`.

pub mod connecting;
pub mod imap;
pub mod mail;
pub mod pop3;
pub mod smtp;

use std::fmt::Debug;

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use mailwire_core::{Connection, Dialect, Misuse, SaslStep, Secret, SendError};
use mailwire_oracles::{
    Observation,
    script::{Owner, hides, session},
};

#[global_allocator]
static ALLOCATOR: mailwire_oracles::memory::Counting = mailwire_oracles::memory::Counting;

/// `bytes` as a message that can be sent as it is: no CR or LF but in pairs, and one at its end; no NUL.
#[must_use]
pub(crate) fn message(bytes: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    for line in bytes.split(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        message.extend_from_slice(line);
        message.extend_from_slice(b"\r\n");
    }
    message
}

/// A session by a script, and the bytes of the script around a secret in the last of each of these `lines`.
pub(crate) fn session_with_secrets<O: Owner<Connection: Debug>>(data: &[u8], lines: &[&[&str]]) {
    session::<O>(data);
    // After TLS; both dialects.
    let config = data.first().copied().unwrap_or_default() & 8;
    let junk = data.get(1..).unwrap_or_default();
    for lines in lines {
        hides::<O>(config, lines, SECRET, junk);
    }
}

/// What nothing may show. It is base64.
const SECRET: &str = "AHVzZXIAY29ycmVjdCBob3JzZQ==";

/// Runs a case that is made of `data`.
pub(crate) fn case<T: for<'a> Arbitrary<'a>>(data: &[u8], run: fn(T)) {
    if let Ok(case) = T::arbitrary_take_rest(Unstructured::new(data)) {
        run(case);
    }
}

/// Has `check` look at a value that was read, in the strict dialect or else in the lenient one.
pub(crate) fn check_read<T>(read: (Option<T>, Option<T>), check: fn(&T, Dialect)) {
    match read {
        (Some(value), _) => check(&value, Dialect::Strict),
        (None, Some(value)) => check(&value, Dialect::Lenient),
        (None, None) => {}
    }
}

/// Sends a message, which comes back as it was if it is refused. Whether it was sent.
pub(crate) fn sent<T, R>(message: T, send: impl FnOnce(T) -> Result<R, SendError<T>>) -> bool
where
    T: Clone + PartialEq + Debug,
{
    let copy = message.clone();
    match send(message) {
        Ok(_) => true,
        Err(refused) => {
            assert_eq!(refused.message, copy, "what is refused is handed back");
            false
        }
    }
}

/// Gives `bytes` to `send`, as a part of a body: what it takes and what it leaves are all of them.
pub(crate) fn send_part(bytes: &[u8], send: impl FnOnce(&mut Bytes) -> Result<usize, Misuse>) {
    let mut chunk = Bytes::copy_from_slice(bytes);
    if let Ok(taken) = send(&mut chunk) {
        assert_eq!(taken + chunk.len(), bytes.len());
    }
}

/// A part of a body, which is never empty.
pub(crate) fn body(chunk: &Bytes) -> Observation {
    assert!(!chunk.is_empty());
    Observation::Body(chunk.to_vec())
}

/// Has a client answer a challenge.
pub(crate) fn answer_challenge(client: &mut impl Connection, challenge: &Secret) {
    let step = if challenge.expose() == b"no" { SaslStep::Cancel } else { SaslStep::Data("yes".into()) };
    client.send_auth(step).expect("a challenge waits");
}

//! What the fuzz targets of mailwire do: a function a target, over the oracles of `mailwire-oracles`.

pub mod imap;
pub mod pop3;
pub mod smtp;

#[global_allocator]
static ALLOCATOR: mailwire_oracles::memory::Counting = mailwire_oracles::memory::Counting;

/// `bytes` as a message that can be sent as it is: no CR or LF but in pairs, and one at its end.
#[must_use]
pub(crate) fn message(bytes: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    for line in bytes.split(|byte| matches!(byte, b'\r' | b'\n')) {
        message.extend_from_slice(line);
        message.extend_from_slice(b"\r\n");
    }
    message
}

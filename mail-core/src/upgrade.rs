//! What stands between the agreement on TLS and TLS itself.

use crate::{Error, Next, Output, Upgrade};

/// What a machine wants from the agreement on TLS until the stream is another one: what it has said leaves
/// first, and no byte in clear may come any more.
///
/// # Errors
///
/// Bytes came after `command`, or the stream ended.
pub fn await_tls<E>(
    command: &'static str,
    input: &[u8],
    output: &Output,
    eof: bool,
) -> Result<Next<E>, Error> {
    refuse_injection(command, input)?;
    if eof {
        return Err(Error::UnexpectedEof { during: "before TLS was up" });
    }
    Ok(if output.is_empty() { Next::Upgrade(Upgrade::Tls) } else { Next::Paused })
}

/// That nothing has come after `command` or the answer to it: whoever is on the way could have put it there
/// (CVE-2011-0411).
///
/// # Errors
///
/// Something has.
pub const fn refuse_injection(command: &'static str, input: &[u8]) -> Result<(), Error> {
    if input.is_empty() { Ok(()) } else { Err(Error::BytesAfterUpgrade { command }) }
}

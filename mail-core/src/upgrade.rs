//! What stands between the agreement on another stream and that stream.

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
    Ok(once_drained(Upgrade::Tls, output))
}

/// What a machine wants from any agreement until the stream is another one: what it has said leaves over the
/// one that it was said over.
pub fn once_drained<E>(upgrade: Upgrade, output: &Output) -> Next<E> {
    if output.is_empty() { Next::Upgrade(upgrade) } else { Next::Paused }
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

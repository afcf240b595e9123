//! What a connection takes from its peer, and how much of it.

/// Limits of a connection, for both roles. Each has a safe default.
///
/// Nothing is allocated by a number that the peer announced: bodies and listings are streamed, and
/// what these limits bound is time and the size of a single piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of one line with its line end: a command, a status line, a line of a listing. The
    /// RFCs say 255 for commands and 512 for status lines; some peers send more.
    pub line: usize,
    /// Octets of one line of a SASL exchange (RFC 5034 section 4 sets no limit).
    pub sasl_line: usize,
    /// Steps of one SASL exchange.
    pub sasl_steps: u32,
    /// Lines of one listing. They are not kept.
    pub listing_lines: u64,
    /// Capabilities in one list. They are kept.
    pub capabilities: usize,
    /// Octets of one message body. It is not kept.
    pub message: u64,
    /// Client: commands that may wait in the machine to be sent.
    pub queue: usize,
    /// Client: commands that may be on their way at once when PIPELINING is offered.
    pub pipeline_depth: usize,
    /// Octets of output that may wait to be written.
    pub output: usize,
    /// Server: commands that are unknown, malformed or out of sequence, in one session.
    pub bad_commands: usize,
    /// Server: NOOP, CAPA and USER in a row.
    pub no_ops: usize,
    /// Server: logins that the application refused, in one session.
    pub failed_logins: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line: 8 * 1024,
            sasl_line: 64 * 1024,
            sasl_steps: 32,
            listing_lines: 10_000_000,
            capabilities: 256,
            message: 64 * 1024 * 1024 * 1024,
            queue: 1024,
            pipeline_depth: 64,
            output: 64 * 1024,
            bad_commands: 20,
            no_ops: 1000,
            failed_logins: 10,
        }
    }
}

//! What a peer may use up.

/// The limits of one connection, of both roles. Each has a safe default; the documentation of each
/// says what happens when it is reached.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Server: a command's line, in bytes with its line end. A longer one is dropped and answered
    /// with 500. RFC 5321 section 4.5.3.1.4 asks for 512 at least, extensions add to it.
    pub command_line: usize,
    /// Server: AUTH's line and a response of a SASL exchange. A longer one is dropped and answered
    /// with 500, which ends the exchange. RFC 4954 section 4 says that 12288 is enough.
    pub auth_line: usize,
    /// Client: a line of a reply. A longer one ends the connection with
    /// [`LineTooLong`](mailwire_core::Error::LineTooLong). It leaves room for SASL challenges.
    pub reply_line: usize,
    /// Client: the lines of one reply. More end the connection.
    pub reply_lines: usize,
    /// Server: a message, in bytes as it is stored (without stuffed dots). It is announced as SIZE;
    /// a larger message is refused with 552, its bytes are read and dropped.
    pub message: u64,
    /// Server: recipients of one message. More are refused with 452.
    pub recipients: usize,
    /// Server: commands that do not parse, are unknown or out of order. At this number the
    /// connection ends with 421.
    pub bad_commands: usize,
    /// Server: commands in a row that lead nowhere (NOOP, RSET, HELP, VRFY, EXPN, EHLO, MAIL); an
    /// accepted recipient starts the count anew. At this number the connection ends with 421.
    pub idle_commands: usize,
    /// Server: failed AUTH commands. At this number the connection ends with 421.
    pub auth_failures: usize,
    /// Client: commands that wait to be written or to be answered. `send` refuses more.
    pub pipeline: usize,
    /// Client: lines from the server that are no replies. At this number the connection ends.
    pub noise: usize,
    /// Bytes that wait to be written. A client's `send` and `send_body` take no more; a server reads
    /// no more commands.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command_line: 4096,
            auth_line: 16 * 1024,
            reply_line: 16 * 1024,
            reply_lines: 1000,
            message: 50 * 1024 * 1024,
            recipients: 1000,
            bad_commands: 20,
            idle_commands: 100,
            auth_failures: 5,
            pipeline: 2048,
            noise: 20,
            output: 64 * 1024,
        }
    }
}

//! What a connection takes from its peer, and how much of it.

/// Bounds on what the peer of one connection may use up, for both roles.
///
/// [`Limits::client`] and [`Limits::server`] are safe defaults. Nothing is allocated by a number that
/// the peer announced: bodies and listings are streamed, and what is bounded here is time and the
/// size of a single piece.
///
/// ```
/// use mailwire_pop3::Limits;
///
/// let mut limits = Limits::server();
/// limits.auth_failures = 3;
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one line with its line end: a command, a status line, a line of a listing. The RFCs
    /// say 255 for commands and 512 for status lines; some peers send more. Beyond it the connection
    /// ends with [`LineTooLong`](crate::Error::LineTooLong).
    pub line: usize,
    /// Bytes of one line of a SASL exchange with its line end. [RFC 5034 section
    /// 4](https://www.rfc-editor.org/rfc/rfc5034#section-4) sets no limit. Beyond it the connection
    /// ends, as for `line`.
    pub auth_line: usize,
    /// Steps of one SASL exchange. More end the connection.
    pub auth_steps: usize,
    /// Client: lines of one listing. They are not kept. More end the connection.
    pub listing_lines: u64,
    /// Client: capabilities in one list. They are kept. More end the connection.
    pub capabilities: usize,
    /// Client: bytes of the capabilities in one list, as its lines have them. More end the connection.
    pub capability_bytes: usize,
    /// Client: bytes of one message, without stuffed dots. It is not kept. More end the connection.
    pub message: u64,
    /// Client: commands that may wait in the machine to be sent. `send` refuses more with
    /// [`Misuse::Full`](crate::Misuse::Full).
    pub queue: usize,
    /// Client: commands that may be on their way at once where PIPELINING is offered. Others wait in
    /// the queue.
    pub pipeline: usize,
    /// Client: lines from the server between replies that are no replies. More end the connection.
    pub noise: usize,
    /// Bytes that wait to be written. A client then holds commands back, a server reads no more of
    /// them, and parts of bodies and listings are not taken.
    pub output: usize,
    /// Server: commands in one session that are unknown, malformed or not valid now. At this number
    /// the connection ends.
    pub bad_commands: usize,
    /// Server: commands in a row that lead nowhere: NOOP, CAPA and USER. More end the connection.
    pub idle_commands: usize,
    /// Server: logins that the application refused on one connection. At this number it ends.
    pub auth_failures: usize,
}

impl Limits {
    /// The limits of a client: it has chosen its server, and maildrops can be large.
    #[must_use]
    pub const fn client() -> Self {
        Self {
            line: 8 * 1024,
            auth_line: 64 * 1024,
            auth_steps: 32,
            listing_lines: 10_000_000,
            capabilities: 256,
            capability_bytes: 64 * 1024,
            message: 64 * 1024 * 1024 * 1024,
            queue: 1024,
            pipeline: 64,
            noise: 20,
            output: 64 * 1024,
            bad_commands: 20,
            idle_commands: 1000,
            auth_failures: 10,
        }
    }

    /// The limits of a server: its clients are anybody.
    #[must_use]
    pub const fn server() -> Self {
        Self::client()
    }
}

//! What one peer may cost.

/// Bounds on what a peer can make this side hold or do.
///
/// Nothing is ever allocated because a peer announced it: a limit is compared with what is
/// announced, and memory grows with what has come. Each limit has a defined answer.
///
/// ```
/// use mailwire_imap::Limits;
///
/// // A server that takes messages of at most 25 MB.
/// let limits = Limits { literal: 25_000_000, ..Limits::server() };
/// assert!(limits.line < Limits::client().line);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one line with its line end; literals are not counted. Beyond it, the connection
    /// ends: a client errs, a server says BYE.
    pub line: usize,
    /// Bytes of one message: all its lines and inline literals. The answer is that of `line`.
    pub message: usize,
    /// Bytes of the largest literal that is part of its message. A larger one is streamed if it is
    /// data of a message (FETCH, APPEND), and refused in a command otherwise.
    pub inline_literal: usize,
    /// Bytes of the largest literal that is streamed. A client ends the connection beyond it; a
    /// server answers NO with TOOBIG.
    pub literal: u64,
    /// Literals in one message. The answer is that of `line`.
    pub literals: usize,
    /// Levels of nested lists: search keys, body structures. A message that is nested deeper does
    /// not parse.
    pub nesting: usize,
    /// Commands in progress: sent and unanswered, or taken and unanswered. A client refuses more
    /// with [`Misuse::Full`](mailwire_core::Misuse::Full), a server leaves them unread.
    pub pipeline: usize,
    /// Bytes of output that wait before a server stops taking commands.
    pub output: usize,
    /// Commands that do not parse or are not allowed, in a row, before a server says BYE.
    pub bad_commands: usize,
    /// NOOP, CHECK and CAPABILITY commands before authentication, before a server says BYE.
    pub idle_commands: usize,
    /// Untagged BYE responses in a row that a client takes before it ends the connection itself.
    pub byes: usize,
}

impl Limits {
    /// For a client: it has chosen its server, and mailboxes can be large.
    #[must_use]
    pub const fn client() -> Self {
        Self {
            line: 8 << 20,
            message: 16 << 20,
            inline_literal: 64 << 10,
            literal: 2 << 30,
            literals: 16_384,
            nesting: 32,
            pipeline: 1024,
            output: 1 << 20,
            bad_commands: 16,
            idle_commands: 64,
            byes: 8,
        }
    }

    /// For a server: its clients are anybody.
    #[must_use]
    pub const fn server() -> Self {
        Self {
            line: 64 << 10,
            message: 256 << 10,
            inline_literal: 16 << 10,
            literal: 128 << 20,
            literals: 1024,
            pipeline: 64,
            output: 256 << 10,
            ..Self::client()
        }
    }
}

/// Those of a client.
impl Default for Limits {
    fn default() -> Self {
        Self::client()
    }
}

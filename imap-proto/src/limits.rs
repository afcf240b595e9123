//! What one peer may cost.

/// Bounds what a peer can make this side hold or do.
///
/// Nothing is ever allocated because a peer announced it: a limit is compared with what is
/// announced, and memory grows with what has come. Each limit has a defined answer.
///
/// ```
/// use mailwire_imap::Limits;
///
/// // A server that takes messages of at most 25 MB.
/// let mut limits = Limits::server();
/// limits.message = 25_000_000;
/// assert!(limits.line < Limits::client().line);
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one line with its line end; literals are not counted. Beyond it, the connection
    /// ends: a client errs, a server says BYE.
    pub line: usize,
    /// Bytes of one command or response: all its lines and inline literals. The answer is that of
    /// `line`.
    pub frame: usize,
    /// Bytes of the largest literal that is part of its frame. A larger one is streamed if it is
    /// data of a message (FETCH, APPEND), and refused in a command otherwise.
    pub inline_literal: usize,
    /// Bytes of the largest mail message or part of one: the largest literal that is streamed, or the literals
    /// of one message that a client has put together (CATENATE). A client ends the connection beyond it; a
    /// server answers NO with TOOBIG.
    pub message: u64,
    /// Literals in one frame. The answer is that of `line`.
    pub literals: usize,
    /// Levels of nested lists: search keys, body structures. A frame that is nested deeper does not
    /// parse.
    pub nesting: usize,
    /// Bytes of memory that a client keeps of what a server offers. More end the connection.
    pub capabilities: usize,
    /// Commands that a client was given and that are unanswered. More are refused with
    /// [`Misuse::Full`](mailwire_core::Misuse::Full). (A server takes one command at a time, and
    /// leaves the others unread.)
    pub queue: usize,
    /// Bytes of output that wait before a server stops taking commands.
    pub output: usize,
    /// Bytes of one FETCH response of a server, all literals counted, or [`message`](Self::message) if that is
    /// more. The machine does not count them: whoever answers the commands says NO with LIMIT before
    /// anything of a larger one is written.
    pub response: u64,
    /// Bytes that a server looks at, compares or copies for one command, beyond a multiple of what is
    /// stored and of what is sent. The machine does not count them: whoever answers the commands does,
    /// and says NO with LIMIT beyond it.
    pub work: u64,
    /// Commands that do not parse or are not allowed, in a row, before a server says BYE.
    pub bad_commands: usize,
    /// Steps of one SASL exchange: challenges for a client, responses for a server. Beyond it, the
    /// connection ends: a client errs, a server says BYE.
    pub auth_steps: usize,
    /// NOOP, CAPABILITY and ID commands before the login, before a server says BYE.
    pub idle_commands: usize,
    /// Logins that are refused, by whatever command, before a server says BYE.
    pub auth_failures: usize,
    /// What a client takes in a row that leads nowhere: BYE responses, after which it ends the
    /// connection as if the server had; and responses that do not parse while no command is in
    /// progress, after which it errs.
    pub noise: usize,
}

impl Limits {
    /// Makes the limits of a client: it has chosen its server, and mailboxes can be large.
    #[must_use]
    pub const fn client() -> Self {
        Self {
            line: 8 << 20,
            frame: 16 << 20,
            inline_literal: 64 << 10,
            message: 2 << 30,
            literals: 16_384,
            nesting: 32,
            capabilities: 64 << 10,
            queue: 1024,
            output: 1 << 20,
            response: 1 << 30,
            work: 256 << 20,
            bad_commands: 16,
            auth_steps: 32,
            idle_commands: 64,
            auth_failures: 5,
            noise: 64,
        }
    }

    /// Makes the limits of a server: its clients are anybody.
    #[must_use]
    pub const fn server() -> Self {
        Self {
            line: 64 << 10,
            frame: 256 << 10,
            inline_literal: 16 << 10,
            message: 128 << 20,
            literals: 1024,
            output: 256 << 10,
            ..Self::client()
        }
    }
}

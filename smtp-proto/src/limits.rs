//! What a peer may use up.

use mailwire_core::setters;

/// The limits of one connection. Each has a safe default; the documentation of each says what happens
/// when it is reached.
///
/// # Examples
///
/// ```
/// use mailwire_smtp::Limits;
///
/// // A server that takes messages of at most 25 MB.
/// let limits = Limits::server().with_message(25_000_000);
/// assert!(limits.line < Limits::client().line);
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one line with its line end. A longer command is dropped by a server and answered with
    /// 500; [RFC 5321 section 4.5.3.1.4](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1.4) asks
    /// for 512 at least, and extensions add to it: a server's limit from there on is raised to what the
    /// extensions need that it offers. A longer line of a reply ends the connection of a
    /// client with [`LineTooLong`](mailwire_core::Error::LineTooLong).
    pub line: usize,
    /// Server: bytes of AUTH's line, and of a response of a SASL exchange. A longer one is dropped and
    /// answered with 500, which ends the exchange.
    /// [RFC 4954 section 4](https://www.rfc-editor.org/rfc/rfc4954#section-4) says that 12288 is enough.
    pub auth_line: usize,
    /// Challenges of one SASL exchange. More end the connection, of a server with 421.
    pub auth_steps: usize,
    /// Client: lines of one reply. More end the connection.
    pub reply_lines: usize,
    /// Client: bytes of one reply with its line ends. More end the connection.
    pub reply: usize,
    /// Server: bytes of a message as it is stored, without stuffed dots. It is announced as SIZE; a
    /// larger message is refused with 552, its bytes are read and dropped.
    pub message: u64,
    /// Server: recipients of one message. More are refused with 452.
    pub recipients: usize,
    /// Server: bytes of MAIL and of all RCPTs of one message, and what their parameters take that are not known. Once there
    /// are so many, more recipients are refused with 452.
    pub transaction: usize,
    /// Server: MAIL commands of one session, accepted or not. More are refused with 452. No limit by default; one of at
    /// most 999,999 is announced as MAILMAX where LIMITS is offered, as is `recipients` as RCPTMAX ([RFC 9422 section
    /// 4](https://www.rfc-editor.org/rfc/rfc9422#section-4)).
    pub transactions: usize,
    /// Server: commands that do not parse, are unknown or out of order. At this number the connection
    /// ends with 421.
    pub bad_commands: usize,
    /// Server: commands in a row that lead nowhere: all that are known here but RCPT, DATA, AUTH, STARTTLS, ATRN and
    /// QUIT; BDAT only where the chunk is empty and not the last. An accepted recipient starts the count anew. More end
    /// the connection with 421.
    pub idle_commands: usize,
    /// Server: failed AUTH commands. At this number the connection ends with 421.
    pub auth_failures: usize,
    /// Client: commands that are given and not answered yet. `send` refuses more with
    /// [`Full`](mailwire_core::Misuse::Full).
    pub queue: usize,
    /// Client: lines from the server that are no replies. More end the connection.
    pub noise: usize,
    /// Bytes that wait to be written. A client's `send` and `send_body` take no more; a server reads
    /// no more commands.
    pub output: usize,
}

impl Limits {
    /// The limits of a client, which has chosen its server.
    #[must_use]
    pub const fn client() -> Self {
        Self {
            line: 16 * 1024,
            auth_line: 16 * 1024,
            auth_steps: 32,
            reply_lines: 1000,
            reply: 256 * 1024,
            message: 50 * 1024 * 1024,
            recipients: 1000,
            transaction: 1 << 20,
            transactions: usize::MAX,
            bad_commands: 20,
            idle_commands: 100,
            auth_failures: 5,
            queue: 2048,
            noise: 20,
            output: 64 * 1024,
        }
    }

    /// The limits of a server, whose clients are anybody.
    #[must_use]
    pub const fn server() -> Self {
        Self { line: 4096, ..Self::client() }
    }
}

setters!(Limits {
    with_line(line: usize),
    with_auth_line(auth_line: usize),
    with_auth_steps(auth_steps: usize),
    with_reply_lines(reply_lines: usize),
    with_reply(reply: usize),
    with_message(message: u64),
    with_recipients(recipients: usize),
    with_transaction(transaction: usize),
    with_transactions(transactions: usize),
    with_bad_commands(bad_commands: usize),
    with_idle_commands(idle_commands: usize),
    with_auth_failures(auth_failures: usize),
    with_queue(queue: usize),
    with_noise(noise: usize),
    with_output(output: usize),
});

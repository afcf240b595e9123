//! What goes wrong, and when.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use mailwire_transport::Protocol;

/// One thing that goes wrong at a [`MailServer`](crate::testing::MailServer): what, and when.
///
/// A value is made of what happens ([`reply`](Self::reply), [`cut`](Self::cut) and others) and of the moment
/// ([`before`](Self::before), [`in_place_of_answer`](Self::in_place_of_answer), [`after`](Self::after),
/// [`at_read`](Self::at_read), [`at_written`](Self::at_written)). Without a moment it is that of a new connection. It happens
/// once, at the first moment that fits, unless [`nth`](Self::nth), [`times`](Self::times), [`always`](Self::always) or
/// [`with_odds`](Self::with_odds) say otherwise. Of more faults that fit, the one that was given first happens.
///
/// # Commands
///
/// They are called by their names, in any case: `RCPT`, `RETR`, `UID FETCH`, and `FETCH` for both `FETCH` and `UID FETCH`.
/// Besides, there are
///
/// - `*`: any command;
/// - `CONNECT`: the connection itself, whose answer is the greeting;
/// - `.`: the end of a message that came after DATA. Before it, the server has not taken the message; in place of its
///   answer, it has, and the client is not told.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mailwire_store::testing::Fault;
/// use mailwire_transport::Protocol;
///
/// let faults = [
///     // The second recipient is greylisted.
///     Fault::reply("450 4.7.1 Come back later").before("RCPT").nth(2),
///     // The first message is stored, but the client does not hear of it.
///     Fault::reset().in_place_of_answer("."),
///     // Each FETCH takes a second.
///     Fault::delay(Duration::from_secs(1)).before("FETCH").always(),
///     // One in a hundred commands of POP3 ends the connection.
///     Fault::cut().before("*").over(Protocol::Pop3).with_odds(0.01),
/// ];
/// # assert_eq!(faults.len(), 4);
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What happens.
    pub action: Action,
    /// When it does.
    pub moment: Moment,
    /// The protocol that it is about; any, if there is none.
    pub protocol: Option<Protocol>,
    /// The connection that it is about, counted for each protocol from 1; any, if there is none.
    pub connection: Option<u64>,
    /// Which of the moments that fit is the first at which it happens, counted from 1.
    pub nth: u32,
    /// How often it happens; without an end, if there is none.
    pub times: Option<u32>,
    /// The probability, from 0 to 1, with which it happens at a moment that fits.
    pub odds: f64,
}

/// What happens at a [`Fault`].
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// This is said. See [`Fault::reply`].
    Reply(Bytes),
    /// The server does nothing for so long.
    Delay(Duration),
    /// The server ends the connection as it should, without a word.
    Close,
    /// The connection is lost: it ends without TLS' close_notify.
    Cut,
    /// The connection is reset.
    Reset,
    /// The server neither reads nor writes any more.
    Stall,
    /// So many random bytes are said, and a line end.
    Garbage(usize),
    /// The server says that it ends (421, `* BYE`, `-ERR [SYS/TEMP]`), and ends the connection.
    Goodbye,
    /// When the connection ends, TLS' close_notify is not sent.
    WithoutCloseNotify,
    /// From now on, so many bytes are written at once, and then nothing for a while.
    Slow {
        /// How many.
        bytes: usize,
        /// How long nothing is written.
        pause: Duration,
    },
}

/// The moment of a [`Fault`].
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// A command has come.
    Before(String),
    /// A command was carried out, and its answer is due.
    Answer(String),
    /// The answer of a command was sent.
    After(String),
    /// So many bytes were read of the client.
    Read(u64),
    /// So many bytes were written to the client.
    Written(u64),
}

/// A fault that has happened.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// The protocol of the connection.
    pub protocol: Protocol,
    /// The number of the connection, counted for each protocol from 1.
    pub connection: u64,
    /// What was done.
    pub action: Action,
    /// When that was: the names of commands are those that came.
    pub moment: Moment,
    /// The time.
    pub at: SystemTime,
}

impl Fault {
    pub(super) fn new(action: Action) -> Self {
        Self {
            action,
            moment: Moment::Before("CONNECT".into()),
            protocol: None,
            connection: None,
            nth: 1,
            times: Some(1),
            odds: 1.0,
        }
    }

    /// The server says this. [`before`](Self::before) a command, the command is not carried out, and this is its answer;
    /// [in place of its answer](Self::in_place_of_answer) it is carried out, and the client is told this.
    ///
    /// The last line end can be left out. For IMAP, a line that begins with `OK`, `NO` or `BAD` gets the command's tag; what
    /// the server says beside the tagged response stays.
    pub fn reply(text: impl Into<Bytes>) -> Self {
        Self::new(Action::Reply(text.into()))
    }

    /// The server does nothing for so long.
    #[must_use]
    pub fn delay(time: Duration) -> Self {
        Self::new(Action::Delay(time))
    }

    /// The server ends the connection as it should, with TLS' close_notify, but without a word of the protocol.
    #[must_use]
    pub fn close() -> Self {
        Self::new(Action::Close)
    }

    /// The connection is lost: it ends without TLS' close_notify, as if the network or the process had died.
    #[must_use]
    pub fn cut() -> Self {
        Self::new(Action::Cut)
    }

    /// The connection is reset (TCP's RST).
    #[must_use]
    pub fn reset() -> Self {
        Self::new(Action::Reset)
    }

    /// The server neither reads nor writes any more, and keeps the connection until the client ends it.
    #[must_use]
    pub fn stall() -> Self {
        Self::new(Action::Stall)
    }

    /// The server says so many random bytes, in place of the answer or beside it, and a line end. A client that bears with
    /// noise waits for the answer all the same, until its time is over.
    #[must_use]
    pub fn garbage(bytes: usize) -> Self {
        Self::new(Action::Garbage(bytes))
    }

    /// The server says that it ends (421, `* BYE`, `-ERR [SYS/TEMP]`), and ends the connection.
    #[must_use]
    pub fn goodbye() -> Self {
        Self::new(Action::Goodbye)
    }

    /// The connection ends when the client says goodbye: QUIT is carried out, and 221 is lost; likewise LOGOUT.
    #[must_use]
    pub fn lost_goodbye() -> Self {
        Self { moment: Moment::Answer(GOODBYE.into()), ..Self::new(Action::Cut) }
    }

    /// When the connection ends, TLS' close_notify is not sent, as with many servers.
    #[must_use]
    pub fn without_close_notify() -> Self {
        Self::new(Action::WithoutCloseNotify)
    }

    /// From the moment on, the server writes so many bytes at once, one at least, and then nothing for `pause`.
    #[must_use]
    pub fn slow(bytes: usize, pause: Duration) -> Self {
        Self::new(Action::Slow { bytes, pause })
    }

    /// Faults of all kinds but stalls and slowness, at any command of any protocol: each command meets one of them with
    /// about this probability. Delays last as long as `delay`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use mailwire_store::testing::{Config, Fault};
    ///
    /// let config = Config::new().with_faults(Fault::weather(0.05, Duration::from_millis(20))).with_seed(42);
    /// ```
    #[must_use]
    pub fn weather(odds: f64, delay: Duration) -> Vec<Self> {
        let mut faults = vec![
            Self::delay(delay).before(ANY),
            Self::goodbye().before(ANY),
            Self::close().before(ANY),
            Self::cut().before(ANY),
            Self::reset().before(ANY),
            Self::garbage(24).after(ANY),
            Self::cut().in_place_of_answer(ANY),
            Self::reset().in_place_of_answer(ANY),
            Self::reset().after(ANY),
        ];
        let later = [
            (Protocol::Smtp, "451 4.3.0 Not now"),
            (Protocol::Submission, "451 4.3.0 Not now"),
            (Protocol::Lmtp, "451 4.3.0 Not now"),
            (Protocol::Imap, "NO [UNAVAILABLE] Not now"),
            (Protocol::Pop3, "-ERR [SYS/TEMP] Not now"),
        ];
        faults.extend(later.map(|(protocol, text)| Self::reply(text).before(ANY).over(protocol)));
        // Each protocol has one of the replies.
        let each = odds / (faults.len() - later.len() + 1) as f64;
        faults.into_iter().map(|fault| fault.with_odds(each)).collect()
    }

    /// It happens when the command has come, which is not carried out then, unless it is only delayed or answered slowly.
    #[must_use]
    pub fn before(mut self, command: impl Into<String>) -> Self {
        self.moment = Moment::Before(command.into());
        self
    }

    /// It happens when the command was carried out, in place of its answer, which is only delayed by
    /// [`delay`](Self::delay), and slowed by [`slow`](Self::slow).
    #[must_use]
    pub fn in_place_of_answer(mut self, command: impl Into<String>) -> Self {
        self.moment = Moment::Answer(command.into());
        self
    }

    /// It happens when the answer of the command was sent.
    #[must_use]
    pub fn after(mut self, command: impl Into<String>) -> Self {
        self.moment = Moment::After(command.into());
        self
    }

    /// It happens when the server has read so many bytes of the protocol on a connection, wherever that is.
    #[must_use]
    pub fn at_read(mut self, bytes: u64) -> Self {
        self.moment = Moment::Read(bytes);
        self
    }

    /// It happens when the server has written so many bytes of the protocol on a connection, in the middle of an answer
    /// perhaps.
    #[must_use]
    pub fn at_written(mut self, bytes: u64) -> Self {
        self.moment = Moment::Written(bytes);
        self
    }

    /// It happens in this protocol only.
    #[must_use]
    pub const fn over(mut self, protocol: Protocol) -> Self {
        self.protocol = Some(protocol);
        self
    }

    /// It happens on this connection only. They are counted for each protocol from 1.
    #[must_use]
    pub const fn on_connection(mut self, number: u64) -> Self {
        self.connection = Some(number);
        self
    }

    /// It happens at the moment of this number at first, counted from 1, over all connections that it is about.
    #[must_use]
    pub const fn nth(mut self, nth: u32) -> Self {
        self.nth = nth;
        self
    }

    /// It happens so many times.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// It happens whenever the moment fits.
    #[must_use]
    pub const fn always(mut self) -> Self {
        self.times = None;
        self
    }

    /// It happens with this probability whenever the moment fits: never at 0, always at 1. The chances are drawn
    /// from [the seed](crate::testing::Config::with_seed), the protocol and the number of the connection: a client that says
    /// the same over the first connection of a run meets the same faults in each run with that seed.
    #[must_use]
    pub const fn with_odds(mut self, odds: f64) -> Self {
        self.odds = odds;
        self.always()
    }
}

/// Stands for any command.
const ANY: &str = "*";
/// Stands for QUIT and LOGOUT.
const GOODBYE: &str = "QUIT or LOGOUT";

impl Moment {
    /// Whether this moment of a fault is that one of a conversation.
    pub(super) fn fits(&self, now: &Self) -> bool {
        match (self, now) {
            (Self::Before(wanted), Self::Before(command))
            | (Self::Answer(wanted), Self::Answer(command))
            | (Self::After(wanted), Self::After(command)) => is_meant(wanted, command),
            (wanted, now) => wanted == now,
        }
    }
}

fn is_meant(wanted: &str, command: &str) -> bool {
    let is = |wanted: &str, name: &str| wanted.eq_ignore_ascii_case(name);
    let without_uid = command.strip_prefix("UID ").unwrap_or(command);
    match wanted {
        ANY => command != CONNECT,
        GOODBYE => is("QUIT", command) || is("LOGOUT", command),
        _ => is(wanted, command) || is(wanted, without_uid),
    }
}

/// Stands for the connection itself.
pub(super) const CONNECT: &str = "CONNECT";
/// Stands for the end of a message.
pub(super) const MESSAGE_END: &str = ".";

//! What is said over a connection, as lines for people.

mod line;
mod log;
mod repeats;
mod words;

use std::{
    fmt::{self, Write as _},
    io::{self, IoSlice},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use self::log::Conversation;
use super::DriverConfig;
use crate::{Protocol, traces};

/// Who has said a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The client.
    Client,
    /// The server.
    Server,
}

/// A line of a conversation, as a [`WireLog`] shows it. `Display` gives the form of transcripts: `C: NOOP`,
/// `S: 250 OK`.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireLine<'a> {
    /// Of which conversation it is: a number that no other one of this process has, from 1 on.
    pub connection: u64,
    /// What is spoken, as far as the greeting tells: submission and LMTP are [`Protocol::Smtp`]. `None` before it.
    pub protocol: Option<Protocol>,
    /// Who has said it.
    pub side: Side,
    /// What was said, without the end of the line: control characters and what is not UTF-8 are escaped, what may
    /// not be shown stands in brackets. A line that begins with a bracket by itself has `\x5b` in its place.
    pub text: &'a str,
}

impl fmt::Display for WireLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Client => "C: ",
            Side::Server => "S: ",
        };
        f.write_str(side)?;
        f.write_str(self.text)
    }
}

/// Is shown the lines of a conversation, in both directions, as they leave and come; without secrets.
///
/// - Of commands that log in (AUTH, AUTHENTICATE, LOGIN, PASS, APOP) the name and the SASL mechanism are shown; of a
///   SASL exchange, neither challenges nor responses. `[hidden]` stands in their place.
/// - A client's line that begins with no known command is hidden as well: it could be a part of a login that has
///   lost its way.
/// - Literals, chunks of BDAT and messages are shown by their length alone, lines are cut after 16 KiB.
/// - A server's line that repeats a secret of the login before it is hidden but for its first word.
///
/// The protocol is recognised by the server's greeting; before it, a client's lines are hidden.
///
/// [`wire_transcript`] writes what is shown to a file.
///
/// # Examples
///
/// ```
/// use mailwire_transport::{DriverConfig, WireLog};
///
/// let mut config = DriverConfig::client();
/// config.wire_log = Some(WireLog::of_client(|line| eprintln!("{line}")));
/// ```
#[derive(Clone)]
pub struct WireLog {
    own: Side,
    show: Arc<dyn Fn(WireLine<'_>) + Send + Sync>,
}

/// Two are equal that show to the same, as clones do.
impl PartialEq for WireLog {
    fn eq(&self, other: &Self) -> bool {
        self.own == other.own && Arc::ptr_eq(&self.show, &other.show)
    }
}

impl Eq for WireLog {}

impl WireLog {
    /// A log of connections in which this side is the client. `show` is called while the connection is worked
    /// on, and must not block.
    #[must_use]
    pub fn of_client(show: impl Fn(WireLine<'_>) + Send + Sync + 'static) -> Self {
        Self { own: Side::Client, show: Arc::new(show) }
    }

    /// A log of connections in which this side is the server. `show` is called while the connection is worked
    /// on, and must not block.
    #[must_use]
    pub fn of_server(show: impl Fn(WireLine<'_>) + Send + Sync + 'static) -> Self {
        Self { own: Side::Server, show: Arc::new(show) }
    }

    /// Which side is this one.
    pub(super) const fn own(&self) -> Side {
        self.own
    }

    /// Shows a line.
    pub fn show(&self, line: WireLine<'_>) {
        (self.show)(line);
    }
}

impl fmt::Debug for WireLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WireLog").field("own", &self.own).finish_non_exhaustive()
    }
}

/// What a driver shows of its conversation, if anybody wants to see it.
pub(super) struct Wire(Option<Box<Conversation>>);

impl Wire {
    pub(super) fn of(config: &DriverConfig) -> Self {
        Self(config.wire_log.clone().map(|log| Box::new(Conversation::new(log))))
    }

    /// This side has written so many bytes of these.
    pub(super) fn wrote(&mut self, slices: &[IoSlice<'_>], mut written: usize) {
        let Some(conversation) = &mut self.0 else { return };
        for slice in slices {
            let (shown, _) = slice.split_at(written.min(slice.len()));
            written = written.saturating_sub(shown.len());
            conversation.wrote(shown);
        }
    }

    /// The peer has sent so many bytes, the last of these.
    pub(super) fn read(&mut self, input: &[u8], count: usize) {
        let Some(conversation) = &mut self.0 else { return };
        let begin = input.len().saturating_sub(count);
        conversation.read(input.get(begin..).unwrap_or_default());
    }
}

/// How long a conversation is silent before what comes next has a note with the time.
const SILENCE: Duration = Duration::from_millis(100);

/// Writes conversations as transcripts: what it returns is for [`Endpoint::with_wire_log`](crate::Endpoint::with_wire_log)
/// and [`WireLog`], and copies of it, for several servers, write to the same place.
///
/// The language is that of `mailwire_core::testing::Transcript`: a line that the client or the server says begins with
/// `C: ` or `S: `. Before it stands a note where the conversation is another one than that of the line before, where
/// its protocol has become known, and after a silence of 100 ms: `# connection NUMBER PROTOCOL SECONDS`. The protocol is
/// `smtp`, `imap`, `pop3` or `unknown`, the seconds are those since this function was called. What a [`WireLog`] does not show
/// is `[hidden]`, `[N bytes]` or `[a message of N bytes]`. The program `inspect` reads all of that.
///
/// Each line is written at once, and in one piece. The first error of `out` is told to `tracing`, and nothing more is written.
///
/// # Examples
///
/// ```no_run
/// use mailwire_transport::{Endpoint, Protocol, Security, wire_transcript};
///
/// let file = std::fs::File::create("mail.log")?;
/// let endpoint = Endpoint::new("imap.example.org", Protocol::Imap, Security::implicit_tls())
///     .with_wire_log(wire_transcript(file));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn wire_transcript(
    out: impl io::Write + Send + 'static,
) -> impl Fn(WireLine<'_>) + Clone + Send + Sync + 'static {
    let transcript = WireTranscript { out: Some(out), began: Instant::now(), last: None };
    let transcript = Arc::new(Mutex::new(transcript));
    move |line| transcript.lock().unwrap_or_else(PoisonError::into_inner).write(line)
}

struct WireTranscript<W> {
    /// `None` after an error.
    out: Option<W>,
    began: Instant,
    /// The conversation and protocol of the last line, and when it was.
    last: Option<(u64, Option<Protocol>, Instant)>,
}

impl<W: io::Write> WireTranscript<W> {
    fn write(&mut self, line: WireLine<'_>) {
        let Some(out) = &mut self.out else { return };
        let now = Instant::now();
        let goes_on = self.last.is_some_and(|(connection, protocol, at)| {
            (connection, protocol) == (line.connection, line.protocol)
                && now.saturating_duration_since(at) < SILENCE
        });
        let mut text = String::with_capacity(line.text.len().saturating_add(64));
        if !goes_on {
            let protocol = match line.protocol {
                None => "unknown",
                Some(Protocol::Imap) => "imap",
                Some(Protocol::Pop3) => "pop3",
                Some(_) => "smtp",
            };
            let seconds = now.saturating_duration_since(self.began).as_secs_f64();
            // A string takes all that is written to it.
            let _ = writeln!(text, "# connection {} {protocol} {seconds:.3}", line.connection);
        }
        let _ = writeln!(text, "{line}");
        self.last = Some((line.connection, line.protocol, now));
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            traces::warn!(%error, "the transcript of what is said cannot be written");
            self.out = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was written, and an error from the third line on.
    #[derive(Clone, Default)]
    struct Pages(Arc<Mutex<(usize, String)>>);

    impl io::Write for Pages {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut pages = self.0.lock().unwrap();
            pages.0 += 1;
            if pages.0 == 4 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            pages.1.push_str(std::str::from_utf8(bytes).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn another_conversation_has_a_note() {
        let pages = Pages::default();
        let write = wire_transcript(pages.clone());
        let line = |connection, protocol, side, text| WireLine { connection, protocol, side, text };
        write(line(7, None, Side::Client, "[hidden]"));
        write(line(7, Some(Protocol::Imap), Side::Server, "* OK hi"));
        write.clone()(line(8, Some(Protocol::Submission), Side::Server, "220 hi"));
        write(line(8, Some(Protocol::Submission), Side::Client, "NOOP"));
        write(line(8, Some(Protocol::Submission), Side::Client, "after an error nothing is written"));
        let text = pages.0.lock().unwrap().1.clone();
        let without_time = |line: &str| match line.strip_prefix("# ").and_then(|note| note.rsplit_once(' ')) {
            Some((note, seconds)) if seconds.parse::<f64>().is_ok() => note.to_owned(),
            _ => line.to_owned(),
        };
        let lines: Vec<_> = text.lines().map(without_time).collect();
        let expected = [
            "connection 7 unknown",
            "C: [hidden]",
            "connection 7 imap",
            "S: * OK hi",
            "connection 8 smtp",
            "S: 220 hi",
        ];
        assert_eq!(lines, expected, "{text}");
    }
}

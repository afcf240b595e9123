//! Finding the end of a message without understanding it.
//!
//! An IMAP message is a line, or several with literals between them: a line that ends in `{5}` is
//! followed by five bytes of data and another line ([RFC 9051 section
//! 4.3](https://www.rfc-editor.org/rfc/rfc9051#section-4.3)). The [`Framer`] finds messages in linear
//! time however they arrive, and asks its owner what to do with each literal: keep it in the message,
//! stream it, or refuse it.
//!
//! Only the grammar says whether a line that ends in `{5}` announces a literal. A server's status text
//! (`* OK see ticket {20}`) is text to its end; in a client's command every such line announces one ([RFC
//! 7888 section 3](https://www.rfc-editor.org/rfc/rfc7888#section-3)).

use alloc::vec::Vec;

use bytes::{Buf, Bytes, BytesMut};
use mailwire_core::{Dialect, Error, LineFramer, Newline, private::take_secret};

pub use crate::literal::{Announcement, announcement};
use crate::{Limits, types::ParseContext};

/// Says whose messages are framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Speaker {
    /// A client: commands.
    Client,
    /// A server: responses.
    Server,
}

/// Holds one complete message.
///
/// An inline literal stands in it as it came, `{5}\r\nhello`. A streamed one stands in it as its
/// announcement alone: the bytes that followed are not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The message without its last line end: a slice of the input, unless a literal of it was
    /// streamed.
    pub bytes: Bytes,
    /// Where the bytes of each streamed literal would stand, ascending.
    pub streamed: Vec<usize>,
    /// How its last line ended.
    pub newline: Newline,
}

impl Frame {
    /// Tells a parser what it has to know of the frame besides its bytes. Lists may be nested `nesting`
    /// levels deep.
    #[inline]
    #[must_use]
    pub fn context(&self, dialect: Dialect, nesting: usize) -> ParseContext {
        ParseContext {
            newline: self.newline,
            streamed: self.streamed.clone(),
            nesting,
            ..ParseContext::new(dialect)
        }
    }

    /// Makes the context for who parses the frame only once: the places of streamed literals move to it.
    pub(crate) fn take_context(&mut self, dialect: Dialect, nesting: usize) -> ParseContext {
        let streamed = core::mem::take(&mut self.streamed);
        ParseContext { newline: self.newline, streamed, nesting, ..ParseContext::new(dialect) }
    }
}

/// Where the name of a command with a secret ends, LOGIN or AUTHENTICATE: wherever it stands among the
/// first words, for the tag can be missing, and other words can stand before it.
pub(crate) fn login_end(command: &[u8]) -> Option<usize> {
    const WORDS: usize = 8;
    let (mut end, mut words) = (0, 0);
    for word in command.split(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
        end += word.len();
        let is_login = match word.first() {
            Some(b'l' | b'L') => word.eq_ignore_ascii_case(b"LOGIN"),
            Some(b'a' | b'A') => word.eq_ignore_ascii_case(b"AUTHENTICATE"),
            _ => false,
        };
        if is_login {
            return Some(end);
        }
        end += 1;
        words += usize::from(!word.is_empty());
        if words == WORDS {
            break;
        }
    }
    None
}

/// Tells what the [`Framer`] has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framed {
    /// Nothing more is found without more input.
    NeedInput,
    /// A whole message was found, and taken off the input.
    Message(Frame),
    /// A literal is announced, and nothing of it is taken yet. The owner decides with
    /// [`keep`](Framer::keep), [`stream`](Framer::stream), [`skip`](Framer::skip) or
    /// [`refuse`](Framer::refuse); until then the same is found again.
    Literal(Announcement),
    /// The next bytes of a streamed literal have come: a slice of the input.
    Chunk(Bytes),
    /// The streamed literal is complete; the rest of its message follows.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Line,
    /// A decision is due about the literal that starts at this offset of the input.
    Announced(Announcement, usize),
    /// An inline literal ends at this offset of the input.
    Inline(usize),
    Streaming(u64),
    Skipping(u64),
}

/// Finds messages in what arrives, and remembers how far it has looked.
#[derive(Debug, Clone)]
pub struct Framer {
    speaker: Speaker,
    lines: LineFramer,
    state: State,
    /// Where in the input the line begins that is being looked for.
    line_start: usize,
    /// What came before a streamed literal of the present message.
    head: Vec<u8>,
    streamed: Vec<usize>,
    literals: usize,
    hide: Hide,
}

/// Which messages may hold a secret, and are zeroed where they stood in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Hide {
    #[default]
    Nothing,
    /// LOGIN and AUTHENTICATE.
    Logins,
    All,
}

impl Framer {
    /// Makes a framer at the start of a message.
    #[must_use]
    pub const fn new(speaker: Speaker) -> Self {
        Self {
            speaker,
            lines: LineFramer::new(),
            state: State::Line,
            line_start: 0,
            head: Vec::new(),
            streamed: Vec::new(),
            literals: 0,
            hide: Hide::Nothing,
        }
    }

    /// Says which of the messages to come may hold a secret.
    #[inline]
    pub(crate) const fn hide(&mut self, hide: Hide) {
        self.hide = hide;
    }

    /// Finds what comes next. Only a message that is complete, and bytes of streamed literals, are
    /// taken off the input.
    ///
    /// # Errors
    ///
    /// A line, a message or a number of literals beyond its limit.
    // Always: it has several callers, each of which acts on one of its results at once.
    #[inline(always)]
    pub fn next(&mut self, input: &mut BytesMut, limits: &Limits) -> Result<Framed, Error> {
        loop {
            match self.state {
                State::Line => {
                    let Some(end) = self.find_line(input, limits)? else { return Ok(Framed::NeedInput) };
                    let line = input.get(self.line_start..end).unwrap_or_default();
                    match announcement(line) {
                        Some(announced) if self.permits_literal(line) => {
                            self.literals += 1;
                            if self.literals > limits.literals {
                                return Err(exceeded("literals in a message", limits.literals as u64));
                            }
                            self.state = State::Announced(announced, end);
                        }
                        _ => return Ok(Framed::Message(self.take_message(input, end))),
                    }
                }
                State::Announced(announced, _) => return Ok(Framed::Literal(announced)),
                State::Inline(end) if input.len() < end => return Ok(Framed::NeedInput),
                State::Inline(end) => {
                    self.line_start = end;
                    self.state = State::Line;
                }
                State::Streaming(0) => {
                    self.state = State::Line;
                    return Ok(Framed::End);
                }
                State::Streaming(_) | State::Skipping(1..) if input.is_empty() => {
                    return Ok(Framed::NeedInput);
                }
                State::Streaming(left) => {
                    let taken = available(input, left);
                    self.state = State::Streaming(left.saturating_sub(taken as u64));
                    return Ok(Framed::Chunk(input.split_to(taken).freeze()));
                }
                State::Skipping(0) => self.state = State::Line,
                State::Skipping(left) => {
                    let taken = available(input, left);
                    self.state = State::Skipping(left.saturating_sub(taken as u64));
                    input.advance(taken);
                }
            }
        }
    }

    /// Keeps the announced literal in its message.
    ///
    /// # Errors
    ///
    /// The message would exceed its limit.
    pub fn keep(&mut self, limits: &Limits) -> Result<(), Error> {
        if let State::Announced(announced, start) = self.state {
            let end = usize::try_from(announced.size).ok().and_then(|size| start.checked_add(size));
            match end {
                Some(end) if self.head.len().saturating_add(end) <= limits.frame => {
                    self.lines.skip_to(end);
                    self.state = State::Inline(end);
                }
                _ => return Err(exceeded("bytes in a message", limits.frame as u64)),
            }
        }
        Ok(())
    }

    /// Has the announced literal come as [`Framed::Chunk`]s. Takes what lies before it off the
    /// input, and returns it from the start of the message or from the end of the last streamed
    /// literal, with the announcement at its end.
    pub fn stream(&mut self, input: &mut BytesMut) -> Bytes {
        let State::Announced(announced, start) = self.state else { return Bytes::new() };
        let text = input.split_to(start.min(input.len())).freeze();
        self.head.extend_from_slice(&text);
        self.streamed.push(self.head.len());
        self.begin_line();
        self.state = State::Streaming(announced.size);
        text
    }

    /// Begins the message anew after its last streamed literal: what lies before is no longer counted, and is not
    /// part of the [`Framed::Message`].
    pub fn restart(&mut self) {
        self.head.clear();
        self.streamed.clear();
        self.literals = 0;
    }

    /// Reads past the announced literal. The message then goes on after it, without it.
    pub fn skip(&mut self, input: &mut BytesMut) {
        let State::Announced(announced, start) = self.state else { return };
        input.advance(start.min(input.len()));
        self.begin_line();
        self.state = State::Skipping(announced.size);
    }

    /// Ends the message where it announces a literal that will not come, because its sender is told so;
    /// returns it as far as it came.
    #[inline]
    pub fn refuse(&mut self, input: &mut BytesMut) -> Bytes {
        let State::Announced(_, start) = self.state else { return Bytes::new() };
        self.take_message(input, start).bytes
    }

    /// Ends the message before the bytes of its streamed literal, which will not come after all, because
    /// its sender is told so.
    pub fn cancel(&mut self) {
        if let State::Streaming(_) = self.state {
            self.restart();
            self.begin_line();
        }
    }

    /// Reads past the rest of the streamed literal.
    pub fn discard(&mut self) {
        if let State::Streaming(left) = self.state {
            self.state = State::Skipping(left);
        }
    }

    /// The message up to the announced literal: from its start, or from the end of the last streamed
    /// literal.
    #[must_use]
    pub fn announced<'a>(&self, input: &'a BytesMut) -> &'a [u8] {
        match self.state {
            State::Announced(_, start) => input.get(..start).unwrap_or_default(),
            _ => &[],
        }
    }

    /// The message up to the announced literal as a frame, as if the announced literal were streamed and
    /// the message ended there.
    #[inline]
    #[must_use]
    pub fn announced_frame(&self, input: &BytesMut) -> Frame {
        let bytes = Bytes::copy_from_slice(self.announced(input));
        Frame { streamed: alloc::vec![bytes.len()], bytes, newline: Newline::CrLf }
    }

    /// Parks the framer until the line or literal that is looked at ends: [`LineFramer::park`].
    pub fn park(&mut self) {
        self.lines.park();
    }

    /// Whether the framer is parked still: [`LineFramer::is_parked`].
    #[inline]
    #[must_use]
    pub fn is_parked(&mut self, input: &[u8]) -> bool {
        self.lines.is_parked(input)
    }

    /// What it finds lines with.
    #[inline]
    pub(crate) const fn lines(&mut self) -> &mut LineFramer {
        &mut self.lines
    }

    /// Wakes the framer: [`LineFramer::unpark`].
    pub fn unpark(&mut self) {
        self.lines.unpark();
    }

    /// Whether a literal is awaited or under way.
    #[must_use]
    pub const fn in_literal(&self) -> bool {
        !matches!(self.state, State::Line)
    }

    /// Whether nothing of a message has come, given the input that waits.
    #[must_use]
    pub fn at_boundary(&self, input: &BytesMut) -> bool {
        self.is_between() && input.is_empty()
    }

    /// Whether what was taken from the input so far ends with a message.
    #[must_use]
    #[inline]
    pub fn is_between(&self) -> bool {
        self.state == State::Line && self.literals == 0
    }

    #[inline]
    fn find_line(&mut self, input: &BytesMut, limits: &Limits) -> Result<Option<usize>, Error> {
        let line = self.line_start.saturating_add(limits.line);
        let message = limits.frame.saturating_sub(self.head.len());
        self.lines.find(input, line.min(message)).map_err(|_| {
            if line <= message {
                Error::LineTooLong { limit: limits.line }
            } else {
                exceeded("bytes in a message", limits.frame as u64)
            }
        })
    }

    /// Whether a line that ends like an announcement is one. After a literal it always is; so it
    /// is in a command.
    fn permits_literal(&self, line: &[u8]) -> bool {
        self.speaker == Speaker::Client || self.literals > 0 || response_can_hold_literal(line)
    }

    // The frame goes where it is needed without a stop in memory.
    #[inline(always)]
    fn take_message(&mut self, input: &mut BytesMut, end: usize) -> Frame {
        let end = end.min(input.len());
        let hidden = match self.hide {
            Hide::Nothing => false,
            Hide::Logins => input.get(..end).is_some_and(|message| login_end(message).is_some()),
            Hide::All => true,
        };
        let mut bytes = if hidden { take_secret(input, end) } else { input.split_to(end).freeze() };
        let newline = if bytes.ends_with(b"\r\n") { Newline::CrLf } else { Newline::Lf };
        bytes.truncate(bytes.len().saturating_sub(match newline {
            Newline::CrLf => 2,
            Newline::Lf => 1,
        }));
        self.begin_line();
        self.literals = 0;
        if self.streamed.is_empty() {
            return Frame { bytes, streamed: Vec::new(), newline };
        }
        self.join(&bytes, newline)
    }

    /// Puts a message together whose literals were streamed: what lay before them, and its end.
    #[inline(never)]
    fn join(&mut self, end: &[u8], newline: Newline) -> Frame {
        let mut whole = core::mem::take(&mut self.head);
        whole.extend_from_slice(end);
        Frame { bytes: whole.into(), streamed: core::mem::take(&mut self.streamed), newline }
    }

    #[inline]
    fn begin_line(&mut self) {
        self.lines.reset();
        self.line_start = 0;
        self.state = State::Line;
    }
}

fn available(input: &BytesMut, left: u64) -> usize {
    usize::try_from(left).map_or(input.len(), |left| left.min(input.len()))
}

const fn exceeded(what: &'static str, limit: u64) -> Error {
    Error::LimitExceeded { what, limit }
}

/// Whether the first line of a response can announce a literal at its end.
///
/// None can stand in continuation requests, tagged responses and untagged status responses, which
/// end in free text, nor in data that is only atoms and numbers. Data that is not known may hold
/// some.
fn response_can_hold_literal(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"*") else { return false };
    // The space can be missing, and is not missed by the grammar either.
    let (first, rest) = first_word(rest);
    let numbered = first.iter().all(u8::is_ascii_digit);
    // Nearly all literals stand in these.
    if numbered && rest.starts_with(b" FETCH") {
        return true;
    }
    let name = if numbered { first_word(rest).0 } else { first };
    let is_one_of = |never: &[&[u8]]| never.iter().any(|never| name.eq_ignore_ascii_case(never));
    let never = match name.len() {
        2 => is_one_of(&[b"OK", b"NO"]),
        3 => is_one_of(&[b"BAD", b"BYE"]),
        4 => is_one_of(&[b"SORT"]),
        5 => is_one_of(&[b"FLAGS"]),
        6 => is_one_of(&[b"SEARCH", b"EXISTS", b"RECENT"]),
        7 => is_one_of(&[b"PREAUTH", b"ENABLED", b"EXPUNGE"]),
        10 => is_one_of(&[b"CAPABILITY"]),
        _ => false,
    };
    // A response code without its OK is a status, too.
    !never && !name.starts_with(b"[")
}

/// The first word of a text, and what stands after it.
fn first_word(text: &[u8]) -> (&[u8], &[u8]) {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let start = text.iter().position(|byte| !is_blank(byte)).unwrap_or(text.len());
    let text = text.get(start..).unwrap_or_default();
    let end = text.iter().position(is_blank).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::String, vec};

    use super::*;

    fn limits() -> Limits {
        Limits { inline_literal: 10, ..Limits::client() }
    }

    /// Frames with the rule of a client: literals above the inline limit are streamed.
    fn frames(speaker: Speaker, pieces: &[&[u8]], limits: &Limits) -> Result<Vec<String>, Error> {
        let (mut framer, mut input, mut out) = (Framer::new(speaker), BytesMut::new(), vec![]);
        let mut chunk = vec![];
        for piece in pieces {
            input.extend_from_slice(piece);
            loop {
                match framer.next(&mut input, limits)? {
                    Framed::NeedInput => break,
                    Framed::Message(frame) => out.push(format!("{}", frame.bytes.escape_ascii())),
                    Framed::Literal(announced) if announced.size > limits.inline_literal as u64 => {
                        let text = framer.stream(&mut input);
                        out.push(format!("start {}", text.escape_ascii()));
                    }
                    Framed::Literal(_) => framer.keep(limits)?,
                    Framed::Chunk(bytes) => chunk.extend_from_slice(&bytes),
                    Framed::End => {
                        out.push(format!("body {}", core::mem::take(&mut chunk).escape_ascii()));
                    }
                }
            }
        }
        Ok(out)
    }

    fn at_every_cut(speaker: Speaker, text: &[u8]) -> Vec<String> {
        let whole = frames(speaker, &[text], &limits()).unwrap();
        for cut in 0..=text.len() {
            let (a, b) = text.split_at(cut);
            assert_eq!(frames(speaker, &[a, b], &limits()).unwrap(), whole, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(frames(speaker, &bytes, &limits()).unwrap(), whole);
        whole
    }

    #[test]
    fn literals_stay_or_stream() {
        let text = b"* 1 FETCH (BODY[1] {3}\r\na\nb BODY[2] {11}\r\n{5}\r\n* OK ) FLAGS ())\r\n* 2 EXISTS\n";
        assert_eq!(
            at_every_cut(Speaker::Server, text),
            [
                r"start * 1 FETCH (BODY[1] {3}\r\na\nb BODY[2] {11}\r\n",
                r"body {5}\r\n* OK )",
                r"* 1 FETCH (BODY[1] {3}\r\na\nb BODY[2] {11}\r\n FLAGS ())",
                r"* 2 EXISTS",
            ]
        );
    }

    #[test]
    fn empty_literals_and_literals_in_a_row() {
        assert_eq!(
            at_every_cut(Speaker::Client, b"a LOGIN {0+}\r\n {3+}\r\nabc\r\nb NOOP\r\n"),
            [r"a LOGIN {0+}\r\n {3+}\r\nabc", "b NOOP"]
        );
    }

    #[test]
    fn status_text_announces_nothing() {
        for line in [
            "* OK see ticket {20}",
            "* ok [ALERT] {20}",
            "*  NO  {20}",
            "* BYE {20}",
            "* PREAUTH {5}",
            "* [COPYUID 1 2 3] {20}",
            "*OK {20}",
            "*[ALERT] {20}",
            "A1 OK done {20}",
            "A1 NO [X] {20}",
            "+ go on {20}",
            "+ {20}",
            "* 3 EXISTS {20}",
            "* SEARCH 1 2 {20}",
            "* LIST () \"/\" a {-5}",
            "* LIST () \"/\" a {+5}",
            "* LIST () \"/\" a {}",
            "* LIST () \"/\" a 5}",
        ] {
            let text = format!("{line}\r\n* 3 EXISTS\r\n* 1 RECENT\r\n");
            assert_eq!(
                at_every_cut(Speaker::Server, text.as_bytes()),
                [line.replace('"', "\\\"").as_str(), "* 3 EXISTS", "* 1 RECENT"]
            );
        }
    }

    #[test]
    fn data_announces() {
        for line in ["* LIST () \"/\" {3}", "* 1 FETCH (BODY[] ~{003}", "* XDATA {3}", "*  STATUS  {3}"] {
            let text = format!("{line}\r\nabc)\r\n* 3 EXISTS\r\n");
            assert_eq!(at_every_cut(Speaker::Server, text.as_bytes()).len(), 2, "{line}");
        }
    }

    #[test]
    fn sizes() {
        let at_end = |text: &str| announcement(text.as_bytes());
        let announced = |size, synchronizing, binary| Some(Announcement { size, synchronizing, binary });
        assert_eq!(at_end("x {5}\r\n"), announced(5, true, false));
        assert_eq!(at_end("x ~{5+}\r\n"), announced(5, false, true));
        assert_eq!(at_end("{0000000000000000000000000000005}\n"), announced(5, true, false));
        assert_eq!(at_end("{18446744073709551616}\r\n"), announced(u64::MAX, true, false));
        for text in
            ["{-1}\r\n", "{+1}\r\n", "{1++}\r\n", "{ 1}\r\n", "{1} \r\n", "{}\r\n", "{+}\r\n", "}\r\n"]
        {
            assert_eq!(at_end(text), None, "{text:?}");
        }
    }

    #[test]
    fn limits_end_a_message() {
        let limits = Limits { line: 30, frame: 60, literals: 3, inline_literal: 40, ..Limits::client() };
        let run = |text: &[u8]| frames(Speaker::Client, &[text], &limits);
        assert_eq!(run(&[b'x'; 30]), Err(Error::LineTooLong { limit: 30 }));
        assert_eq!(
            run(b"a {20+}\r\n01234567890123456789 {30+}\r\n"),
            Err(exceeded("bytes in a message", 60))
        );
        assert_eq!(run(b"a {0+}\r\n {0+}\r\n {0+}\r\n {0+}\r\n"), Err(exceeded("literals in a message", 3)));
        // The limit on lines starts anew after a literal.
        assert!(run(b"a xxxxxxxxxxxxxxx {5+}\r\nabcde xxxxxxxxxxxxxxxxxxx\r\n").is_ok());
    }

    #[test]
    fn refused_and_skipped() {
        let limits = limits();
        let mut input = BytesMut::from(&b"a X {99}\r\nb NOOP\r\nc X {4+}\r\nzzzz y\r\nd NOOP\r\n"[..]);
        let mut framer = Framer::new(Speaker::Client);
        assert!(matches!(framer.next(&mut input, &limits), Ok(Framed::Literal(_))));
        assert_eq!(framer.announced(&input), b"a X {99}\r\n");
        assert_eq!(framer.refuse(&mut input), "a X {99}");
        let Ok(Framed::Message(frame)) = framer.next(&mut input, &limits) else { panic!() };
        assert_eq!(frame.bytes, "b NOOP");
        assert!(matches!(framer.next(&mut input, &limits), Ok(Framed::Literal(_))));
        framer.skip(&mut input);
        let Ok(Framed::Message(frame)) = framer.next(&mut input, &limits) else { panic!() };
        assert_eq!(frame.bytes, " y");
        let Ok(Framed::Message(frame)) = framer.next(&mut input, &limits) else { panic!() };
        assert_eq!(frame.bytes, "d NOOP");
        assert!(framer.at_boundary(&input));
    }

    /// What is zeroed where it stood is a copy.
    #[test]
    fn logins_are_hidden_and_nothing_else_is() {
        for (text, hidden) in [
            (&b"a LOGIN b c\r\n"[..], true),
            (b"a\tlogin b c\r\n", true),
            (b"a         LOGIN b c\r\n", true),
            (b"Authenticate PLAIN AGEAYg==\r\n", true),
            (b"a UID LOGIN b c\r\n", true),
            (b"a LOGIN {1+}\r\nb {1+}\r\nc\r\n", true),
            (b"a NOOP\r\n", false),
            (b"a LOGINS b c\r\n", false),
            // What follows it is another message.
            (b"a\r\nLOGIN b c\r\n", false),
            (b"a NOOP\r\nb LOGIN b c\r\n", false),
        ] {
            let mut input = BytesMut::from(text);
            let place = input.as_ptr();
            let mut framer = Framer::new(Speaker::Client);
            framer.hide(Hide::Logins);
            let frame = loop {
                match framer.next(&mut input, &limits()) {
                    Ok(Framed::Literal(_)) => framer.keep(&limits()).unwrap(),
                    Ok(Framed::Message(frame)) => break frame,
                    other => panic!("{other:?}"),
                }
            };
            assert_eq!(frame.bytes.as_ptr() != place, hidden, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn chunks_are_slices_of_the_input() {
        let limits = limits();
        let mut input = BytesMut::from(&b"* 1 FETCH (BODY[] {20}\r\n01234567890123456789)\r\n"[..]);
        let body = input.as_ptr().wrapping_add(24);
        let mut framer = Framer::new(Speaker::Server);
        assert!(matches!(framer.next(&mut input, &limits), Ok(Framed::Literal(_))));
        framer.stream(&mut input);
        let Ok(Framed::Chunk(chunk)) = framer.next(&mut input, &limits) else { panic!() };
        assert_eq!((chunk.as_ptr(), chunk.len()), (body, 20));
    }
}

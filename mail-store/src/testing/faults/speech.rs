//! Follows a conversation of any of the protocols: where commands begin, and where their answers end.
//!
//! One command at a time is let through: what comes after it is held until it is answered. So the answer that is written
//! belongs to the last command that was read, also where clients send commands in groups. Nothing is taken for a command
//! that is not: messages, literals, the steps of a login.

use mailwire_transport::Protocol;

use super::fault::{CONNECT, MESSAGE_END};

/// A longer line is no longer followed, nor is what comes after it.
const MOST_LINE: usize = 256 * 1024;

/// What the bytes at the beginning of what came are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A command of this name, which has so many bytes.
    Command(String, usize),
    /// So many bytes that belong to what came before.
    Rest(usize),
    /// So many bytes of a command that the server is not to see.
    Unheard(usize),
    /// Bytes that come too early: the last command is not answered.
    TooEarly,
    /// Not enough of them.
    Incomplete,
}

/// What the bytes at the beginning of what is said are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// So many bytes of an answer.
    Answer {
        length: usize,
        /// The first of the answer.
        first: bool,
        /// A reply is complete. LMTP has more than one.
        reply: bool,
        /// The answer is.
        last: bool,
    },
    /// So many bytes of something else.
    Other(usize),
    /// Not enough of them.
    Incomplete,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Smtp { lmtp: bool },
    Imap,
    Pop3,
}

/// What comes next from the client.
#[derive(Debug)]
enum Next {
    Command,
    /// An answer is due.
    Nothing,
    /// A line that goes on with the command.
    Line,
    /// So many bytes of a literal or a chunk; after a literal the line goes on.
    Raw {
        left: u64,
        then_line: bool,
    },
    /// The lines of a message.
    Message(Dots),
    /// Anything: another stream is about to be put below, or this is not followed any more.
    Anything,
    /// What belongs to a command that the server does not see.
    Unheard {
        left: u64,
        then_line: bool,
    },
}

/// The command that is being answered.
#[derive(Debug, Default)]
struct Due {
    name: String,
    /// IMAP: its tag, with a space after it.
    tag: Option<Vec<u8>>,
    /// IMAP: so many bytes come once the server has said that they may.
    literal: Option<u64>,
    /// SMTP: how many replies are due.
    replies: usize,
    /// POP3: lines come after the status.
    lines: bool,
    /// Some of the answer was said.
    begun: bool,
}

/// What the server is in the middle of saying.
#[derive(Debug)]
enum Saying {
    Line,
    /// A literal of IMAP, within a line.
    Literal(u64),
    /// A line that goes on after a literal.
    RestOfLine,
    /// POP3: lines until a dot.
    Lines(Dots),
}

#[derive(Debug)]
pub(super) struct Speech {
    kind: Kind,
    next: Next,
    due: Option<Due>,
    saying: Saying,
    /// SMTP: the recipients that were accepted.
    recipients: usize,
}

impl Speech {
    pub(super) fn new(protocol: Protocol) -> Self {
        let kind = match protocol {
            Protocol::Imap => Kind::Imap,
            Protocol::Pop3 => Kind::Pop3,
            protocol => Kind::Smtp { lmtp: protocol == Protocol::Lmtp },
        };
        let due = Some(Due { name: CONNECT.into(), replies: 1, ..Due::default() });
        Self { kind, next: Next::Nothing, due, saying: Saying::Line, recipients: 0 }
    }

    pub(super) const fn is_imap(&self) -> bool {
        matches!(self.kind, Kind::Imap)
    }

    /// The name of the command that is being answered.
    pub(super) fn due(&self) -> &str {
        self.due.as_ref().map_or("", |due| &due.name)
    }

    /// The tag of the command that is being answered, with a space.
    pub(super) fn tag(&self) -> &[u8] {
        self.due.as_ref().and_then(|due| due.tag.as_deref()).unwrap_or_default()
    }

    /// The server asks for more, and has nothing to say: there is nothing that it answers, unless its answer has a tag.
    pub(super) fn idle(&mut self) -> bool {
        let tagged = self.due.as_ref().is_some_and(|due| due.tag.is_some());
        let release = !tagged && matches!(self.next, Next::Nothing) && matches!(self.saying, Saying::Line);
        if release {
            (self.next, self.due) = (Next::Command, None);
        }
        release
    }

    /// Nothing is followed any more.
    pub(super) fn give_up(&mut self) {
        (self.next, self.due) = (Next::Anything, None);
    }

    /// There is another stream below.
    pub(super) fn upgraded(&mut self) {
        (self.next, self.due, self.recipients) = (Next::Command, None, 0);
    }

    /// Looks at what came.
    pub(super) fn hear(&mut self, input: &[u8]) -> Heard {
        if matches!(self.next, Next::Nothing) && self.due.is_none() {
            self.next = Next::Command;
        }
        let some = |most: u64| usize::try_from(most).unwrap_or(usize::MAX).min(input.len());
        match &mut self.next {
            Next::Nothing => Heard::TooEarly,
            _ if input.is_empty() => Heard::Incomplete,
            Next::Anything => Heard::Rest(input.len()),
            Next::Command | Next::Line | Next::Unheard { left: 0, .. } => self.hear_line(input),
            Next::Raw { left, then_line } => {
                let length = some(*left);
                *left -= length as u64;
                if *left == 0 {
                    self.next = if *then_line { Next::Line } else { Next::Nothing };
                }
                Heard::Rest(length)
            }
            Next::Unheard { left, then_line } => {
                let length = some(*left);
                *left -= length as u64;
                if *left == 0 && !*then_line {
                    self.next = Next::Command;
                }
                Heard::Unheard(length)
            }
            Next::Message(dots) => match dots.step(input) {
                Step::Some(length) => Heard::Rest(length),
                Step::End => Heard::Command(MESSAGE_END.into(), END.len()),
                Step::Incomplete => Heard::Incomplete,
            },
        }
    }

    fn hear_line(&mut self, input: &[u8]) -> Heard {
        let Some(end) = memchr::memchr(b'\n', input) else {
            if input.len() < MOST_LINE {
                return Heard::Incomplete;
            }
            self.give_up();
            return Heard::Rest(input.len());
        };
        let length = end + 1;
        let line = input.get(..length).unwrap_or_default();
        match self.next {
            Next::Line => {
                self.go_on(line);
                Heard::Rest(length)
            }
            Next::Unheard { .. } => {
                self.next = match literal(line) {
                    Some((left, true)) => Next::Unheard { left, then_line: true },
                    _ => Next::Command,
                };
                Heard::Unheard(length)
            }
            _ => Heard::Command(self.name(line), length),
        }
    }

    /// The name of the command that begins with this line.
    fn name(&self, line: &[u8]) -> String {
        let mut words = words(line);
        if self.is_imap() {
            words.next();
        }
        let name = upper(words.next());
        if self.is_imap() && name == "UID" { format!("UID {}", upper(words.next())) } else { name }
    }

    /// The server gets this command.
    pub(super) fn carried_out(&mut self, name: &str, line: &[u8]) {
        let argument = words(line).nth(1);
        let mut due = Due { name: name.to_owned(), replies: 1, ..Due::default() };
        self.next = Next::Nothing;
        match self.kind {
            Kind::Smtp { lmtp } => match name {
                "MAIL" | "RSET" | "EHLO" | "HELO" | "LHLO" => self.recipients = 0,
                "STARTTLS" => self.next = Next::Anything,
                MESSAGE_END if lmtp => due.replies = self.recipients.max(1),
                "BDAT" => {
                    if let Some(left @ 1..) = number(argument) {
                        self.next = Next::Raw { left, then_line: false };
                    }
                    if lmtp && upper(words(line).nth(2)) == "LAST" {
                        due.replies = self.recipients.max(1);
                    }
                }
                _ => {}
            },
            Kind::Pop3 => match name {
                "STLS" => self.next = Next::Anything,
                "CAPA" | "RETR" | "TOP" => due.lines = true,
                "LIST" | "UIDL" | "LANG" => due.lines = argument.is_none(),
                _ => {}
            },
            Kind::Imap => {
                let tag = words(line).next().filter(|tag| !matches!(tag, [b'*' | b'+', ..]));
                due.tag = tag.map(|tag| [tag, b" "].concat());
                if matches!(name, "STARTTLS" | "COMPRESS") {
                    self.next = Next::Anything;
                }
            }
        }
        self.due = Some(due);
        if self.is_imap() && matches!(self.next, Next::Nothing) {
            self.go_on(line);
        }
    }

    /// What comes after a line that the server gets and that ends no message.
    fn go_on(&mut self, line: &[u8]) {
        self.next = match literal(line).filter(|_| self.is_imap()) {
            Some((left, true)) if left > 0 => Next::Raw { left, then_line: true },
            Some((_, true)) => Next::Line,
            Some((left, false)) => {
                if let Some(due) = &mut self.due {
                    due.literal = Some(left);
                }
                Next::Nothing
            }
            None => Next::Nothing,
        };
    }

    /// The server does not get this command. What belongs to it is not heard.
    pub(super) fn not_carried_out(&mut self, name: &str, line: &[u8]) {
        let tag = words(line).next().map(|tag| [tag, b" "].concat());
        self.due = Some(Due { tag: tag.filter(|_| self.is_imap()), ..Due::default() });
        self.next = match (self.kind, literal(line)) {
            (Kind::Imap, Some((left, true))) => Next::Unheard { left, then_line: true },
            (Kind::Smtp { .. }, _) if name == "BDAT" => match number(words(line).nth(1)) {
                Some(left @ 1..) => Next::Unheard { left, then_line: false },
                _ => Next::Command,
            },
            _ => Next::Command,
        };
    }

    /// The tag of a command that was not carried out: it gets its answer now.
    pub(super) fn take_tag(&mut self) -> Vec<u8> {
        self.due.take().and_then(|due| due.tag).unwrap_or_default()
    }

    /// Looks at what is said.
    pub(super) fn say(&mut self, output: &[u8]) -> Said {
        if output.is_empty() {
            return Said::Incomplete;
        }
        match &mut self.saying {
            Saying::Literal(left) => {
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(output.len());
                *left -= length as u64;
                if *left == 0 {
                    self.saying = Saying::RestOfLine;
                }
                Said::Other(length)
            }
            Saying::Lines(dots) => match dots.step(output) {
                Step::Some(length) => Said::Answer { length, first: false, reply: false, last: false },
                Step::End => self.end(END.len(), false, true),
                Step::Incomplete => Said::Incomplete,
            },
            Saying::Line | Saying::RestOfLine => {
                let Some(end) = memchr::memchr(b'\n', output) else {
                    if output.len() < MOST_LINE {
                        return Said::Incomplete;
                    }
                    self.saying = Saying::RestOfLine;
                    return Said::Other(output.len());
                };
                let length = end + 1;
                let line = output.get(..length).unwrap_or_default();
                let begins = matches!(self.saying, Saying::Line);
                self.saying = Saying::Line;
                match self.kind {
                    Kind::Smtp { .. } if begins => self.say_smtp(line),
                    Kind::Pop3 if begins => self.say_pop3(line),
                    Kind::Imap => self.say_imap(line, begins),
                    _ => Said::Other(length),
                }
            }
        }
    }

    fn say_smtp(&mut self, line: &[u8]) -> Said {
        let length = line.len();
        let is_last = line.get(3) != Some(&b'-');
        let Some(due) = &mut self.due else { return Said::Other(length) };
        let first = !std::mem::replace(&mut due.begun, true);
        match line {
            [b'3', b'3', b'4', ..] => {
                due.begun = false;
                if is_last {
                    self.next = Next::Line;
                }
                return Said::Other(length);
            }
            // PRDR: one reply for each recipient, and one for all.
            [b'3', b'5', b'3', ..] => due.replies = self.recipients + 2,
            _ => {}
        }
        if !is_last {
            return Said::Answer { length, first, reply: false, last: false };
        }
        due.replies = due.replies.saturating_sub(1);
        if due.replies > 0 {
            return Said::Answer { length, first, reply: true, last: false };
        }
        let (takes_body, positive) = (line.starts_with(b"354"), line.starts_with(b"2"));
        if positive && due.name == "RCPT" {
            self.recipients += 1;
        }
        let said = self.end(length, first, positive);
        if takes_body {
            self.next = Next::Message(Dots::default());
        }
        said
    }

    fn say_pop3(&mut self, line: &[u8]) -> Said {
        let length = line.len();
        let Some(due) = &mut self.due else { return Said::Other(length) };
        if line.starts_with(b"+ ") {
            self.next = Next::Line;
            return Said::Other(length);
        }
        let positive = line.starts_with(b"+OK");
        if due.lines && positive {
            due.begun = true;
            self.saying = Saying::Lines(Dots::default());
            return Said::Answer { length, first: true, reply: false, last: false };
        }
        self.end(length, true, positive)
    }

    fn say_imap(&mut self, line: &[u8], begins: bool) -> Said {
        let length = line.len();
        if let Some((left, _)) = literal(line) {
            self.saying = if left == 0 { Saying::RestOfLine } else { Saying::Literal(left) };
            return Said::Other(length);
        }
        let Some(due) = self.due.as_mut().filter(|_| begins) else { return Said::Other(length) };
        if line.starts_with(b"+") {
            self.next = match due.literal.take() {
                Some(left @ 1..) => Next::Raw { left, then_line: true },
                _ => Next::Line,
            };
            return Said::Other(length);
        }
        match &due.tag {
            None if due.name == CONNECT => self.end(length, true, true),
            Some(tag) if line.starts_with(tag) => {
                let positive = upper(words(line).nth(1)) == "OK";
                self.end(length, true, positive)
            }
            // A line without a tag that would do is answered so.
            Some(_) if line.starts_with(b"* BAD") => self.end(length, true, false),
            _ => Said::Other(length),
        }
    }

    /// The answer ends.
    fn end(&mut self, length: usize, first: bool, positive: bool) -> Said {
        self.saying = Saying::Line;
        self.due = None;
        let upgrades = positive && matches!(self.next, Next::Anything);
        if !upgrades && matches!(self.next, Next::Nothing | Next::Anything) {
            self.next = Next::Command;
        }
        Said::Answer { length, first, reply: true, last: true }
    }
}

/// The end of a message.
const END: &[u8] = b".\r\n";

/// Finds the line with a dot alone.
#[derive(Debug)]
struct Dots {
    line_begins: bool,
    after_cr: bool,
}

enum Step {
    /// So many bytes come before it.
    Some(usize),
    /// Here it is.
    End,
    Incomplete,
}

impl Default for Dots {
    fn default() -> Self {
        Self { line_begins: true, after_cr: false }
    }
}

impl Dots {
    fn step(&mut self, bytes: &[u8]) -> Step {
        if self.line_begins && bytes.starts_with(END) {
            return Step::End;
        }
        if bytes.is_empty() || (self.line_begins && END.starts_with(bytes)) {
            return Step::Incomplete;
        }
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            (self.line_begins, self.after_cr) = (false, bytes.last() == Some(&b'\r'));
            return Step::Some(bytes.len());
        };
        let cr = match end.checked_sub(1) {
            Some(before) => bytes.get(before) == Some(&b'\r'),
            None => self.after_cr,
        };
        (self.line_begins, self.after_cr) = (cr, false);
        Step::Some(end + 1)
    }
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.trim_ascii_end().split(|byte| *byte == b' ').filter(|word| !word.is_empty())
}

/// The beginning of a word, in upper case.
fn upper(word: Option<&[u8]>) -> String {
    let word = word.unwrap_or_default();
    String::from_utf8_lossy(word.get(..32).unwrap_or(word)).to_ascii_uppercase()
}

fn number(word: Option<&[u8]>) -> Option<u64> {
    std::str::from_utf8(word?).ok()?.parse().ok()
}

/// The size of a literal that is announced at the end of a line, and whether it comes unasked.
fn literal(line: &[u8]) -> Option<(u64, bool)> {
    let line = line.trim_ascii_end().strip_suffix(b"}")?;
    let begin = memchr::memrchr(b'{', line)?;
    let digits = line.get(begin + 1..)?;
    match digits.strip_suffix(b"+") {
        Some(digits) => Some((number(Some(digits))?, true)),
        None => Some((number(Some(digits))?, false)),
    }
}

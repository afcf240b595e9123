//! What of a conversation is shown, and what is not.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering},
};

use self::Words::{Hidden, Name, Shown};
use super::{
    Side, WireLine, WireLog,
    line::{Line, escape_line, trim_end},
    repeats::Repeats,
    words::{EXCHANGES, IMAP, LOGINS, MECHANISMS, POP3, SMTP, is_one_of, words},
};
use crate::Protocol;

/// How many conversations were shown to somebody, or begun to.
static CONVERSATIONS: AtomicU64 = AtomicU64::new(0);

/// The most commands without an answer that are remembered.
const MOST_PENDING: usize = 64 * 1024;

/// What one side says next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Line,
    /// So many bytes of a literal are left.
    Literal {
        size: usize,
        left: usize,
    },
    /// The lines of a message, to a dot alone; so many bytes of it have come.
    Message(usize),
    /// The lines of a list, to a dot alone.
    List,
}

/// What follows a POP3 server's `+OK`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Follows {
    Nothing,
    List,
    Message,
    /// The command is AUTH.
    Exchange,
}

struct Direction {
    line: Line,
    part: Part,
    /// A literal was on the way, and the line goes on after it; whether it is hidden then.
    goes_on: Option<bool>,
    /// The literal waits for the server's leave.
    waits: bool,
}

impl Direction {
    fn new() -> Self {
        Self { line: Line::default(), part: Part::Line, goes_on: None, waits: false }
    }
}

/// The parts of a line that are shown.
enum Words {
    /// All of it.
    Shown,
    /// None of it.
    Hidden,
    /// So many bytes at the beginning.
    Name(usize),
}

/// A conversation on its way through a driver: the one place that decides what is shown of it.
pub(super) struct Conversation {
    log: WireLog,
    connection: u64,
    protocol: Option<Protocol>,
    client: Direction,
    server: Direction,
    /// A SASL exchange goes on.
    exchange: bool,
    /// SMTP: DATA was sent, and the message follows a 354.
    data: bool,
    /// POP3: what the answers that are due look like.
    pending: VecDeque<Follows>,
    repeats: Repeats,
}

impl Conversation {
    pub(super) fn new(log: WireLog) -> Self {
        Self {
            log,
            connection: CONVERSATIONS.fetch_add(1, Ordering::Relaxed).saturating_add(1),
            protocol: None,
            client: Direction::new(),
            server: Direction::new(),
            exchange: false,
            data: false,
            pending: VecDeque::new(),
            repeats: Repeats::default(),
        }
    }

    /// This side has written these bytes.
    pub(super) fn wrote(&mut self, bytes: &[u8]) {
        self.take(self.log.own(), bytes);
    }

    /// The peer has sent these bytes.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        let peer = match self.log.own() {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        };
        self.take(peer, bytes);
    }

    const fn direction(&mut self, side: Side) -> &mut Direction {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    fn take(&mut self, side: Side, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let direction = self.direction(side);
            if let Part::Literal { size, left } = direction.part {
                let (taken, rest) = bytes.split_at(left.min(bytes.len()));
                bytes = rest;
                if direction.goes_on == Some(true) {
                    direction.line.push(taken);
                }
                direction.part = Part::Literal { size, left: left.saturating_sub(taken.len()) };
                self.end_literal(side);
                continue;
            }
            let end = bytes.iter().position(|&byte| byte == b'\n').map(|at| at.saturating_add(1));
            let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            direction.line.push(line);
            bytes = rest;
            if end.is_some() {
                let mut line = std::mem::take(&mut direction.line);
                self.line(side, &line);
                line.clear();
                self.direction(side).line = line;
                self.end_literal(side);
            }
        }
    }

    /// Shows a literal that has come to its end.
    fn end_literal(&mut self, side: Side) {
        let direction = self.direction(side);
        if let Part::Literal { size, left: 0 } = direction.part {
            direction.part = Part::Line;
            direction.waits = false;
            if direction.goes_on == Some(true) {
                let mut literal = std::mem::take(&mut direction.line);
                self.repeats.remember(literal.text());
                literal.clear();
                self.direction(side).line = literal;
                self.show(side, "[hidden]");
            } else {
                self.show(side, &format!("[{size} bytes]"));
            }
        }
    }

    fn line(&mut self, side: Side, line: &Line) {
        let direction = self.direction(side);
        match direction.part {
            Part::Message(count) if line.text() == b"." => {
                direction.part = Part::Line;
                self.show(side, &format!("[a message of {count} bytes]"));
                self.show(side, ".");
                return;
            }
            Part::Message(count) => {
                direction.part = Part::Message(count.saturating_add(line.length));
                return;
            }
            Part::List => {
                if line.text() == b"." {
                    direction.part = Part::Line;
                }
                return self.show_line(side, line, &Shown);
            }
            Part::Line | Part::Literal { .. } => {}
        }
        let words = match side {
            Side::Client => {
                let words = self.client_line(line);
                match words {
                    Shown => self.repeats.clear(),
                    Name(end) => self.repeats.remember(line.text().get(end..).unwrap_or_default()),
                    Hidden => self.repeats.remember(line.text()),
                }
                words
            }
            Side::Server => match self.server_line(line) {
                Shown if self.repeats.are_in(line.text()) => {
                    let first = words(line.text()).next();
                    first.map_or(
                        Hidden,
                        |(word, end)| if self.repeats.are_in(word) { Hidden } else { Name(end) },
                    )
                }
                words => words,
            },
        };
        self.show_line(side, line, &words);
    }

    fn client_line(&mut self, line: &Line) -> Words {
        let text = line.text();
        let goes_on = self.client.goes_on.take();
        if self.exchange && goes_on.is_none() {
            return if text == b"*" { Shown } else { Hidden };
        }
        let words = match (goes_on, self.protocol) {
            (Some(true), _) | (None, None) => Hidden,
            (Some(false), _) => Shown,
            (None, Some(protocol)) => self.command(protocol, text),
        };
        if self.protocol == Some(Protocol::Imap) && !self.exchange {
            if let Some((size, waits)) = line.literal() {
                self.client.goes_on = Some(!matches!(words, Shown));
                self.client.part = Part::Literal { size, left: size };
                self.client.waits = waits;
            }
        }
        words
    }

    fn command(&mut self, protocol: Protocol, text: &[u8]) -> Words {
        let mut words = words(text);
        let (mut name, mut end) = words.next().unwrap_or_default();
        let tag_is_command = protocol == Protocol::Imap && is_one_of(name, LOGINS);
        if protocol == Protocol::Imap && !name.eq_ignore_ascii_case(b"DONE") {
            (name, end) = words.next().unwrap_or_default();
        }
        let argument = words.next();
        if tag_is_command {
            return Hidden;
        }
        if protocol == Protocol::Pop3 {
            self.expect(name, argument.is_some());
        }
        if is_one_of(name, EXCHANGES) {
            self.exchange = protocol != Protocol::Pop3 || argument.is_some();
            return match argument {
                None => Shown,
                Some((mechanism, end)) if is_one_of(mechanism, MECHANISMS) => match words.next() {
                    None => Shown,
                    Some(_) => Name(end),
                },
                Some(_) => Name(end),
            };
        }
        if is_one_of(name, LOGINS) {
            return Name(end);
        }
        let known = match protocol {
            Protocol::Imap => IMAP,
            Protocol::Pop3 => POP3,
            _ => SMTP,
        };
        self.data = name.eq_ignore_ascii_case(b"DATA");
        if protocol == Protocol::Smtp && name.eq_ignore_ascii_case(b"BDAT") {
            let size = argument.and_then(|(digits, _)| std::str::from_utf8(digits).ok()?.parse().ok());
            if let Some(size) = size {
                self.client.part = Part::Literal { size, left: size };
            }
        }
        if is_one_of(name, known) { Shown } else { Hidden }
    }

    /// Notes what the answer to a command of POP3 will look like.
    fn expect(&mut self, name: &[u8], has_argument: bool) {
        let follows = if is_one_of(name, &["RETR", "TOP"]) {
            Follows::Message
        } else if name.eq_ignore_ascii_case(b"AUTH") && has_argument {
            Follows::Exchange
        } else if name.eq_ignore_ascii_case(b"CAPA")
            || !has_argument && is_one_of(name, &["LIST", "UIDL", "AUTH"])
        {
            Follows::List
        } else {
            Follows::Nothing
        };
        if self.pending.len() < MOST_PENDING {
            self.pending.push_back(follows);
        }
    }

    fn server_line(&mut self, line: &Line) -> Words {
        let text = line.text();
        let Some(protocol) = self.protocol else {
            self.protocol = match text {
                [b'+', b'O' | b'o', ..] | [b'-', ..] => Some(Protocol::Pop3),
                [b'*', ..] => Some(Protocol::Imap),
                [b'0'..=b'9', ..] => Some(Protocol::Smtp),
                _ => None,
            };
            return Shown;
        };
        match protocol {
            Protocol::Imap => self.imap_response(line),
            Protocol::Pop3 => self.pop3_answer(text),
            _ => self.smtp_reply(text),
        }
    }

    fn smtp_reply(&mut self, text: &[u8]) -> Words {
        let is_code = text.iter().take(3).filter(|byte| byte.is_ascii_digit()).count() == 3;
        if !is_code {
            return if self.exchange { Hidden } else { Shown };
        }
        if text.starts_with(b"334") {
            return if text.len() > 4 { Name(3) } else { Shown };
        }
        if text.get(3) != Some(&b'-') {
            self.exchange = false;
            // Replies to what was sent before DATA in the same group come before it.
            if self.data && text.starts_with(b"354") {
                self.data = false;
                self.client.part = Part::Message(0);
            }
        }
        Shown
    }

    fn imap_response(&mut self, line: &Line) -> Words {
        let text = line.text();
        if let Some(hidden) = self.server.goes_on.take() {
            self.server_literal(line);
            return if hidden { Hidden } else { Shown };
        }
        if text.starts_with(b"+") {
            return if self.exchange && text.len() > 2 { Name(1) } else { Shown };
        }
        let mut words = words(text);
        let (tag, _) = words.next().unwrap_or_default();
        let (status, _) = words.next().unwrap_or_default();
        let is_status = is_one_of(status, &["OK", "NO", "BAD", "BYE", "PREAUTH"]);
        if tag == b"*" {
            if !is_status {
                self.server_literal(line);
            }
            return Shown;
        }
        if !is_status {
            return if self.exchange { Hidden } else { Shown };
        }
        self.exchange = false;
        if self.client.waits {
            // The literal was refused, and is not sent.
            self.client = Direction::new();
        }
        Shown
    }

    fn server_literal(&mut self, line: &Line) {
        if let Some((size, _)) = line.literal() {
            self.server.part = Part::Literal { size, left: size };
            self.server.goes_on = Some(false);
        }
    }

    fn pop3_answer(&mut self, text: &[u8]) -> Words {
        let (status, _) = words(text).next().unwrap_or_default();
        let ok = status.eq_ignore_ascii_case(b"+OK");
        if !ok && !status.eq_ignore_ascii_case(b"-ERR") {
            return match text {
                [b'+'] | [b'+', b' '] => Shown,
                [b'+', b' ', ..] => Name(1),
                _ if self.exchange => Hidden,
                _ => Shown,
            };
        }
        match self.pending.pop_front() {
            Some(Follows::Exchange) => self.exchange = false,
            Some(Follows::List) if ok => self.server.part = Part::List,
            Some(Follows::Message) if ok => self.server.part = Part::Message(0),
            _ => {}
        }
        Shown
    }

    fn show_line(&self, side: Side, line: &Line, words: &Words) {
        let text = line.text();
        let shown = match words {
            Shown if line.tail.is_empty() => escape_line(text),
            Shown => {
                let ending = line.tail.len().saturating_sub(trim_end(&line.tail).len());
                let more = line.length.saturating_sub(text.len()).saturating_sub(ending);
                let literal = line.announcement().as_deref().map(escape_line).unwrap_or_default();
                let space = if literal.is_empty() { "" } else { " " };
                format!("{} [{more} more bytes]{space}{literal}", escape_line(text))
            }
            Hidden => "[hidden]".into(),
            Name(end) => format!("{} [hidden]", escape_line(text.get(..*end).unwrap_or_default())),
        };
        self.show(side, &shown);
    }

    fn show(&self, side: Side, text: &str) {
        self.log.show(WireLine { connection: self.connection, protocol: self.protocol, side, text });
    }
}

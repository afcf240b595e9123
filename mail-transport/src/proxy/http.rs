//! CONNECT of HTTP/1.1: [RFC 9110 section 9.3.6](https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6).

use mailwire_core::{
    ParseError, Secret, Text,
    grammar::{Grammar, byte, expected, run_all},
    sasl,
};
use nom::{
    bytes::complete::{tag, take_while_m_n},
    combinator::{map, opt, rest},
    sequence::preceded,
};

use super::{HostPort, ProxyRefusal, Step};

/// The most that is read of an answer, in bytes.
const MOST: usize = 16 * 1024;

/// How much is kept of the proxy's words, in bytes.
const WORDS: usize = 200;

#[derive(Debug)]
pub(super) struct Http {
    output: Option<Secret>,
    /// The status line and the header, as far as they have come.
    answer: Vec<u8>,
    /// What all answers had until now, with those that are not the last one.
    total: usize,
    done: bool,
    has_login: bool,
}

impl Http {
    /// ```text
    /// CONNECT host ":" port SP HTTP/1.1 CRLF
    /// Host: host ":" port CRLF
    /// [ Proxy-Authorization: Basic token68 CRLF ] CRLF
    /// ```
    pub(super) fn new(login: Option<&(String, Secret)>, host: &str, port: u16) -> Result<Self, ProxyRefusal> {
        // Nothing in a name begins a line of its own.
        if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ProxyRefusal::NotAskable("the name of the server is none"));
        }
        let server = HostPort(host, port);
        let begin = format!("CONNECT {server} HTTP/1.1\r\nHost: {server}\r\n");
        let mut request = Vec::with_capacity(begin.len().saturating_add(2));
        if let Some((user, password)) = login {
            if user.contains(':') {
                return Err(ProxyRefusal::NotAskable("a : in the name of its user"));
            }
            let length = user.len().saturating_add(password.expose().len()).saturating_add(1);
            let mut both = Vec::with_capacity(length);
            both.extend_from_slice(user.as_bytes());
            both.push(b':');
            both.extend_from_slice(password.expose());
            let both = Secret::from(both);
            // It never grows, so that no part of the password is left in memory that was given back.
            request.reserve_exact(begin.len().saturating_add(length.saturating_mul(2)).saturating_add(64));
            request.extend_from_slice(begin.as_bytes());
            request.extend_from_slice(b"Proxy-Authorization: Basic ");
            sasl::encode(both.expose(), &mut request);
            request.extend_from_slice(b"\r\n");
        } else {
            request.extend_from_slice(begin.as_bytes());
        }
        request.extend_from_slice(b"\r\n");
        Ok(Self {
            output: Some(request.into()),
            answer: Vec::new(),
            total: 0,
            done: false,
            has_login: login.is_some(),
        })
    }

    /// The end of a header is two bytes away at least, or one after the end of a line, and what comes after it is the server's: so never more is
    /// asked for than must still come. That is some dozen small reads, of bytes that are there already.
    pub(super) fn next(&mut self) -> Step {
        if let Some(output) = self.output.take() {
            return Step::Write(output);
        }
        match self.answer.as_slice() {
            _ if self.done => Step::Done,
            [.., b'\n', b'\r'] | [.., b'\n'] => Step::Read(1),
            // A lone LF ends a line, too: RFC 9112 section 2.2.
            _ => Step::Read(2),
        }
    }

    pub(super) fn received(&mut self, bytes: &[u8]) -> Result<(), ProxyRefusal> {
        self.total = self.total.saturating_add(bytes.len());
        if self.total > MOST {
            return Err(ProxyRefusal::NotAProxy("a header of more than 16 KiB"));
        }
        self.answer.extend_from_slice(bytes);
        if !(self.answer.ends_with(b"\n\r\n") || self.answer.ends_with(b"\n\n")) {
            return Ok(());
        }
        let answer = std::mem::take(&mut self.answer);
        let line = answer.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (status, words) = status(line).map_err(|error| ProxyRefusal::NotAProxy(error.reason))?;
        match status {
            100..=199 => Ok(()),
            200..=299 => {
                self.done = true;
                Ok(())
            }
            407 if self.has_login => Err(ProxyRefusal::LoginRefused),
            407 => Err(ProxyRefusal::LoginNeeded),
            _ => Err(ProxyRefusal::Http { status, reason: Text::from(words.get(..WORDS).unwrap_or(words)) }),
        }
    }
}

/// The status that a status line tells, and its words.
pub(crate) fn status(line: &[u8]) -> Result<(u16, &[u8]), ParseError> {
    run_all(line, status_line())
}

/// ```text
/// status-line = "HTTP/1." DIGIT SP 3DIGIT [ SP reason-phrase ]
/// ```
fn status_line<'a>() -> impl Grammar<'a, (u16, &'a [u8])> {
    let digits =
        |count, reason| expected(reason, take_while_m_n(count, count, |byte: u8| byte.is_ascii_digit()));
    let version = (expected("expected HTTP/1.", tag(&b"HTTP/1."[..])), digits(1, "expected a version"));
    let status = map(digits(3, "expected a status"), |digits: &[u8]| {
        digits.iter().fold(0, |status: u16, digit| status * 10 + u16::from(digit - b'0'))
    });
    let words = map(opt(preceded(byte(b' ', "expected a space"), rest)), Option::unwrap_or_default);
    map((version, byte(b' ', "expected a space"), status, words), |(_, (), status, words)| (status, words))
}

//! A conversation with a server that may break every rule: lines with bounds, and what it offers. The clients of this crate would
//! refuse what is to be told here.

use std::{fmt, io, time::Duration};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{Protocol, Stream, runtime::timeout};

/// The most that a line may have, in bytes, and the most lines of an answer.
const LINE: usize = 8192;
const LINES: usize = 200;

/// A conversation.
pub(super) struct Talk {
    pub(super) stream: Stream,
    protocol: Protocol,
    patience: Duration,
    input: BytesMut,
}

/// What a server said to a command, or as its greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// Yes, with all lines of the answer.
    Yes(Vec<String>),
    /// No, with all lines.
    No(Vec<String>),
    /// It is not the protocol's, whatever it is.
    Strange(String),
    /// Nothing within the time.
    Silence,
    /// The connection ended.
    Gone(String),
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yes(lines) | Self::No(lines) => f.write_str(&lines.join(" / ")),
            Self::Strange(line) => f.write_str(line),
            Self::Silence => f.write_str("nothing"),
            Self::Gone(reason) => f.write_str(reason),
        }
    }
}

impl Talk {
    pub(super) fn new(stream: Stream, protocol: Protocol, patience: Duration) -> Self {
        Self { stream, protocol, patience, input: BytesMut::new() }
    }

    /// The greeting.
    pub(super) async fn greeting(&mut self) -> Said {
        self.answer(None).await
    }

    /// What the server offers, as words: each line of EHLO or CAPA, each capability of IMAP.
    pub(super) async fn offered(&mut self) -> Said {
        match self.protocol {
            Protocol::Imap => match self.ask("CAPABILITY").await {
                Said::Yes(lines) => {
                    let listed = lines.iter().filter_map(|line| strip(line, "* CAPABILITY "));
                    Said::Yes(listed.flat_map(|line| line.split(' ')).map(str::to_owned).collect())
                }
                other => other,
            },
            Protocol::Pop3 => match self.ask("CAPA").await {
                Said::Yes(lines) => Said::Yes(lines.into_iter().skip(1).collect()),
                other => other,
            },
            _ => {
                let name = crate::smtp::own_name(self.stream.local_addr());
                match self.ask(&format!("EHLO {name}")).await {
                    Said::Yes(lines) => {
                        Said::Yes(lines.iter().skip(1).map(|line| after_code(line).to_owned()).collect())
                    }
                    other => other,
                }
            }
        }
    }

    /// Asks for TLS, and gives the stream for it where that is agreed to. What came in clear after that is not part of it.
    pub(super) async fn start_tls(mut self) -> Result<Stream, Said> {
        let command = if self.protocol == Protocol::Pop3 { "STLS" } else { "STARTTLS" };
        match self.ask(command).await {
            Said::Yes(_) if self.input.is_empty() => Ok(self.stream),
            Said::Yes(_) => Err(Said::Strange("more came in clear after STARTTLS was agreed to".into())),
            other => Err(other),
        }
    }

    /// Says goodbye. What comes of that is of no interest.
    pub(super) async fn end(mut self) {
        let word = if self.protocol == Protocol::Imap { "LOGOUT" } else { "QUIT" };
        let _ = self.ask(word).await;
        let _ = timeout(self.patience, self.stream.shutdown()).await;
    }

    /// Sends a command and reads the answer.
    async fn ask(&mut self, command: &str) -> Said {
        let tag = if self.protocol == Protocol::Imap { "a1 " } else { "" };
        let line = format!("{tag}{command}\r\n");
        let writing = async {
            self.stream.write_all(line.as_bytes()).await?;
            self.stream.flush().await
        };
        match timeout(self.patience, writing).await {
            Err(_) => return Said::Silence,
            Ok(Err(error)) => return Said::Gone(error.to_string()),
            Ok(Ok(())) => {}
        }
        self.answer(Some(command)).await
    }

    /// Reads an answer: to a command, or the greeting. All of it has to come within the time.
    async fn answer(&mut self, command: Option<&str>) -> Said {
        let patience = self.patience;
        match timeout(patience, self.whole_answer(command)).await {
            Err(_) => Said::Silence,
            Ok(Err(error)) => match error.kind() {
                io::ErrorKind::InvalidData => Said::Strange(error.to_string()),
                _ => Said::Gone(error.to_string()),
            },
            Ok(Ok(said)) => said,
        }
    }

    async fn whole_answer(&mut self, command: Option<&str>) -> io::Result<Said> {
        let mut lines: Vec<String> = Vec::new();
        while lines.len() < LINES {
            let line = self.line().await?;
            let verdict = match self.protocol {
                Protocol::Imap => imap_verdict(&line, command.is_some()),
                Protocol::Pop3 if lines.is_empty() => pop3_verdict(&line, command == Some("CAPA")),
                Protocol::Pop3 if line == "." => Verdict::Yes,
                Protocol::Pop3 => Verdict::More,
                _ => smtp_verdict(&line),
            };
            if self.protocol == Protocol::Pop3 && line == "." {
                return Ok(Said::Yes(lines));
            }
            lines.push(line);
            match verdict {
                Verdict::More => {}
                Verdict::Yes => return Ok(Said::Yes(lines)),
                Verdict::No => return Ok(Said::No(lines)),
                Verdict::Strange => return Ok(Said::Strange(lines.pop().unwrap_or_default())),
            }
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "an answer without end"))
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut searched = 0;
        loop {
            let rest = self.input.get(searched..).unwrap_or_default();
            if let Some(at) = rest.iter().position(|&byte| byte == b'\n') {
                let line = self.input.split_to(searched.saturating_add(at).saturating_add(1));
                return Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            }
            searched = self.input.len();
            if searched > LINE {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line without end"));
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                let words = String::from_utf8_lossy(&self.input).into_owned();
                let reason = match words.is_empty() {
                    true => "the server closed the connection".to_owned(),
                    false => format!("the server closed the connection after {words:?}"),
                };
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, reason));
            }
        }
    }
}

enum Verdict {
    More,
    Yes,
    No,
    Strange,
}

fn smtp_verdict(line: &str) -> Verdict {
    let is_reply = matches!(line.as_bytes(), [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9', rest @ ..]
        if matches!(rest.first(), None | Some(b' ' | b'-')));
    match (is_reply, line.as_bytes()) {
        (false, _) => Verdict::Strange,
        (true, [_, _, _, b'-', ..]) => Verdict::More,
        (true, [b'2' | b'3', ..]) => Verdict::Yes,
        _ => Verdict::No,
    }
}

fn pop3_verdict(line: &str, is_long: bool) -> Verdict {
    match line.split(' ').next().unwrap_or_default() {
        "+OK" if is_long => Verdict::More,
        "+OK" => Verdict::Yes,
        "-ERR" => Verdict::No,
        _ => Verdict::Strange,
    }
}

fn imap_verdict(line: &str, is_answer: bool) -> Verdict {
    let mut words = line.split(' ').map(str::to_ascii_uppercase);
    let (tag, word) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    match (tag.as_str(), word.as_str(), is_answer) {
        ("*", "BYE", _) | ("A1", "NO" | "BAD", true) => Verdict::No,
        ("A1", "OK", true) | ("*", "OK" | "PREAUTH", false) => Verdict::Yes,
        ("*", _, true) => Verdict::More,
        _ => Verdict::Strange,
    }
}

/// The rest of a line that begins so, in whichever case.
fn strip<'a>(line: &'a str, beginning: &str) -> Option<&'a str> {
    let (before, after) = line.split_at_checked(beginning.len())?;
    before.eq_ignore_ascii_case(beginning).then_some(after)
}

/// What a line of a reply says after its code.
fn after_code(line: &str) -> &str {
    line.get(4..).unwrap_or_default()
}

/// The protocol whose greeting this is.
pub(super) fn spoken(line: &str) -> Option<&'static str> {
    match line {
        _ if line.starts_with("+OK") => Some("POP3"),
        _ if line.starts_with("* OK") || line.starts_with("* PREAUTH") => Some("IMAP"),
        _ if line.starts_with("SSH-") => Some("SSH"),
        _ if line.starts_with("HTTP/") => Some("HTTP"),
        _ if line.starts_with("220") => Some("SMTP or FTP"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    async fn said(protocol: Protocol, bytes: &str, ask: bool) -> Said {
        let (ours, mut theirs) = duplex(1 << 16);
        theirs.write_all(bytes.as_bytes()).await.unwrap();
        theirs.shutdown().await.unwrap();
        let mut talk = Talk::new(Stream::other(ours), protocol, Duration::from_secs(60));
        if ask { talk.offered().await } else { talk.greeting().await }
    }

    fn yes(words: &[&str]) -> Said {
        Said::Yes(words.iter().map(|&word| word.to_owned()).collect())
    }

    #[tokio::test]
    async fn greetings_and_offers_of_each_protocol() {
        use Protocol::{Imap, Pop3, Smtp};
        assert_eq!(said(Smtp, "220-a\r\n220 b\r\n", false).await, yes(&["220-a", "220 b"]));
        assert_eq!(said(Imap, "* OK hi\r\n", false).await, yes(&["* OK hi"]));
        assert_eq!(said(Pop3, "+OK\r\n", false).await, yes(&["+OK"]));
        assert!(matches!(said(Smtp, "554 no\r\n", false).await, Said::No(_)));
        assert!(matches!(said(Imap, "* BYE no\r\n", false).await, Said::No(_)));
        assert!(matches!(said(Pop3, "-ERR no\r\n", false).await, Said::No(_)));
        assert!(matches!(said(Smtp, "+OK hi\r\n", false).await, Said::Strange(_)));
        assert!(matches!(said(Smtp, "", false).await, Said::Gone(_)));
        assert_eq!(
            said(Smtp, "250-a\r\n250-SIZE 10\r\n250 AUTH PLAIN\r\n", true).await,
            yes(&["SIZE 10", "AUTH PLAIN"])
        );
        assert_eq!(
            said(Imap, "* CAPABILITY IMAP4rev1 IDLE\r\na1 OK\r\n", true).await,
            yes(&["IMAP4rev1", "IDLE"])
        );
        assert_eq!(said(Pop3, "+OK\r\nTOP\r\nUIDL\r\n.\r\n", true).await, yes(&["TOP", "UIDL"]));
        assert!(matches!(said(Pop3, "-ERR what\r\n", true).await, Said::No(_)));
    }

    #[tokio::test]
    async fn nothing_grows_without_end() {
        assert!(matches!(said(Protocol::Smtp, &"a".repeat(10_000), false).await, Said::Strange(_)));
        assert!(matches!(said(Protocol::Smtp, &"250-a\r\n".repeat(300), true).await, Said::Strange(_)));
    }
}

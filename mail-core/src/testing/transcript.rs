//! The language of transcripts.

use std::{
    fs, io,
    path::Path,
    string::{String, ToString},
    vec::Vec,
};

use nom::{
    IResult, Parser,
    branch::alt,
    bytes::complete::{tag, take_while},
    combinator::{eof, map, rest, value, verify},
    sequence::{preceded, terminated},
};

use crate::Upgrade;

/// The one or the other end of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Who has connected.
    Client,
    /// Who was connected to.
    Server,
}

/// A conversation.
///
/// As a text it has a line for each of these:
///
/// | line | meaning |
/// | --- | --- |
/// | `C: text`, `S: text` | what the client or the server says; CR LF follows it on the wire |
/// | `--- tls`, `--- deflate`, `--- uncompressed` | both sides replace the stream so |
/// | `= text` | what the client's caller is told, in the words of its [`Actor`](super::Actor) |
/// | `> text` | what the client's caller asks for, where its machine makes something else of it |
/// | `@ name`, `@ name value` | an option, for the actors; `@ role client` is for one role alone; `@ client-fails error`, `@ server-fails error` is the error that a side ends with |
/// | `# text`, nothing | a comment |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript {
    /// The name, for messages of tests.
    pub name: String,
    /// The options and their values.
    options: Vec<(String, String)>,
    /// What happens, in order. Lines of one side that follow each other are one turn.
    pub turns: Vec<Turn>,
}

/// What happens next in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Lines that one side says, each with its CR LF.
    Said {
        /// Who says them.
        by: Side,
        /// The lines.
        bytes: Vec<u8>,
    },
    /// Another stream takes over.
    Upgrade(Upgrade),
    /// What the client's caller is told.
    Told(String),
    /// What the client's caller asks for.
    Request(String),
}

/// A line that is not one of a transcript.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}, line {line}: not a line of a transcript: {text}")]
pub struct TranscriptError {
    /// The transcript's name.
    pub name: String,
    /// The number of the line, from 1 on.
    pub line: usize,
    /// The line.
    pub text: String,
}

#[derive(Debug, Clone, Copy)]
enum Line<'a> {
    Said(Side, &'a str),
    Upgrade(Upgrade),
    Told(&'a str),
    Request(&'a str),
    Option(&'a str, &'a str),
    Comment,
}

/// ```text
/// line = ("C:" / "S:" / "=" / ">") [SP text] / "--- " ("tls" / "deflate" / "uncompressed") / "@" SP name [SP text] / ["#" text]
/// ```
fn line(input: &str) -> IResult<&str, Line<'_>> {
    let side = alt((value(Side::Client, tag("C:")), value(Side::Server, tag("S:"))));
    let name = verify(take_while(|c: char| c != ' '), |name: &str| !name.is_empty());
    alt((
        map((side, text), |(side, text)| Line::Said(side, text)),
        map(preceded(tag("--- "), terminated(upgrade, eof)), Line::Upgrade),
        map(preceded(tag("="), text), Line::Told),
        map(preceded(tag(">"), text), Line::Request),
        map(preceded(tag("@ "), (name, text)), |(name, text)| Line::Option(name, text)),
        value(Line::Comment, alt((preceded(tag("#"), rest), eof))),
    ))
    .parse(input)
}

fn upgrade(input: &str) -> IResult<&str, Upgrade> {
    let tls = value(Upgrade::Tls, tag("tls"));
    let deflate = value(Upgrade::Deflate, tag("deflate"));
    alt((tls, deflate, value(Upgrade::Uncompressed, tag("uncompressed")))).parse(input)
}

/// What stands after a space, or nothing.
fn text(input: &str) -> IResult<&str, &str> {
    alt((preceded(tag(" "), rest), eof)).parse(input)
}

impl Transcript {
    /// Reads a transcript.
    ///
    /// # Errors
    ///
    /// The first line that is none of the language's.
    pub fn parse(name: &str, text: &str) -> Result<Self, TranscriptError> {
        let mut transcript = Self { name: name.into(), options: Vec::new(), turns: Vec::new() };
        for (index, text) in text.lines().enumerate() {
            let Ok(("", line)) = line(text) else {
                let line = index.saturating_add(1);
                return Err(TranscriptError { name: name.into(), line, text: text.into() });
            };
            transcript.add(line);
        }
        Ok(transcript)
    }

    fn add(&mut self, line: Line<'_>) {
        match line {
            Line::Said(side, text) => {
                let line = text.bytes().chain(*b"\r\n");
                match self.turns.last_mut() {
                    Some(Turn::Said { by, bytes }) if *by == side => bytes.extend(line),
                    _ => self.turns.push(Turn::Said { by: side, bytes: line.collect() }),
                }
            }
            Line::Upgrade(upgrade) => self.turns.push(Turn::Upgrade(upgrade)),
            Line::Told(text) => self.turns.push(Turn::Told(text.into())),
            Line::Request(text) => self.turns.push(Turn::Request(text.into())),
            Line::Option(name, value) => self.options.push((name.into(), value.into())),
            Line::Comment => {}
        }
    }

    /// The value of an option, empty if it has none; `None` where the option is not set.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|option| option.0 == name).map(|option| option.1.as_str())
    }

    /// Whether an option is set.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.option(name).is_some()
    }

    /// Whether the conversation is for the machine of this side, by the option `role`.
    #[must_use]
    pub fn is_for(&self, side: Side) -> bool {
        match self.option("role") {
            Some("client") => side == Side::Client,
            Some("server") => side == Side::Server,
            _ => true,
        }
    }

    /// How the stream is protected, by the option `channel`: `clear`, `starttls` or, by default, `tls`.
    ///
    /// # Panics
    ///
    /// The option says something else.
    #[must_use]
    pub fn channel(&self) -> crate::Channel {
        match self.option("channel") {
            Some("clear") => crate::Channel::Clear,
            Some("starttls") => crate::Channel::StartTls,
            Some("tls") | None => crate::Channel::Tls,
            Some(other) => panic!("{}: no such channel: {other}", self.name),
        }
    }

    /// All that one side says.
    #[must_use]
    pub fn said_by(&self, side: Side) -> Vec<u8> {
        let said = self.turns.iter().filter_map(|turn| match turn {
            Turn::Said { by, bytes } if *by == side => Some(&bytes[..]),
            _ => None,
        });
        said.collect::<Vec<_>>().concat()
    }
}

/// The transcripts in a folder, in the order of their names.
///
/// # Panics
///
/// The folder or a file in it cannot be read, a file is no transcript, or there is none.
#[must_use]
pub fn transcripts(folder: impl AsRef<Path>) -> Vec<Transcript> {
    let folder = folder.as_ref();
    match read_folder(folder) {
        Ok(transcripts) if !transcripts.is_empty() => transcripts,
        Ok(_) => panic!("{}: no transcripts", folder.display()),
        Err(error) => panic!("{}: {error}", folder.display()),
    }
}

fn read_folder(folder: &Path) -> io::Result<Vec<Transcript>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().to_string();
            Transcript::parse(&name, &fs::read_to_string(path)?).map_err(io::Error::other)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;

    #[test]
    fn lines_of_one_side_are_one_turn() {
        let text = "@ role client\n@ lmtp\nS: 220 a\n\nS:\nC: x \n--- tls\n= told\n> asked\nC: y\n# C: z\n";
        let transcript = Transcript::parse("t", text).unwrap();
        let said = |by, bytes: &[u8]| Turn::Said { by, bytes: bytes.into() };
        assert_eq!(
            transcript.turns,
            vec![
                said(Side::Server, b"220 a\r\n\r\n"),
                said(Side::Client, b"x \r\n"),
                Turn::Upgrade(Upgrade::Tls),
                Turn::Told("told".into()),
                Turn::Request("asked".into()),
                said(Side::Client, b"y\r\n"),
            ]
        );
        assert_eq!((transcript.option("lmtp"), transcript.option("clear")), (Some(""), None));
        assert!(transcript.is_for(Side::Client) && !transcript.is_for(Side::Server));
    }

    #[test]
    fn what_is_no_line_is_an_error_that_says_where() {
        for text in ["C:x", "D: x", "--- ssl", "@", "@lmtp", " C: x", "--- tls "] {
            let error = Transcript::parse("t", &["S: a\n", text].concat()).unwrap_err();
            assert_eq!((error.line, error.text.as_str()), (2, text), "{error}");
        }
    }
}

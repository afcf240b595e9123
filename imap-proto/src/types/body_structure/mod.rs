//! The MIME structure of a message.

mod extension;
mod parse;

use alloc::{boxed::Box, vec::Vec};

use self::parse::{is_message, is_text};
use super::{
    chars,
    envelope::Envelope,
    raw::RawValue,
    short_list::ShortList,
    string::ImapString,
    write::{write_imap_string, write_next_nstring, write_number, write_string},
};

/// A part of a message, with the parts inside of it (RFC 9051 section 7.5.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum BodyStructure {
    /// One that is not `multipart`.
    Single(Box<SinglePart>),
    /// A `multipart`, whose parts stand inside of it.
    Multi(Box<MultiPart>),
}

/// A part that is not `multipart`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SinglePart {
    /// `text`, in any case.
    pub media_type: ImapString,
    /// `plain`, in any case.
    pub media_subtype: ImapString,
    /// Parameters of Content-Type: names and values.
    pub parameters: ShortList<(ImapString, ImapString)>,
    /// What other parts call it: Content-ID.
    pub id: Option<ImapString>,
    /// What it is, in words: Content-Description.
    pub description: Option<ImapString>,
    /// How its bytes are encoded: Content-Transfer-Encoding.
    pub encoding: ContentEncoding,
    /// The size as it is transferred. `None` where a server does not know it, which the grammar
    /// does not have; it is written as 0.
    pub octets: Option<u64>,
    /// What more there is for some media types. Where it is not what the media type asks for, an
    /// empty one is written.
    pub kind: PartKind,
    /// What BODYSTRUCTURE says more than BODY.
    pub extension: Option<PartExtension>,
}

/// What depends on the media type of a part.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum PartKind {
    /// Any other type: nothing more.
    #[default]
    Basic,
    /// `text`, which has lines.
    Text {
        /// The size in lines. `None` where a server does not say; written as 0.
        lines: Option<u64>,
    },
    /// `message/rfc822` or `message/global`.
    Message(Box<MessagePart>),
}

/// A message inside of a message.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MessagePart {
    /// Its envelope.
    pub envelope: Envelope,
    /// Its structure.
    pub body: BodyStructure,
    /// The size in lines. `None` where a server does not say; written as 0.
    pub lines: Option<u64>,
}

/// A `multipart`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MultiPart {
    /// The parts. None only where a server breaks the grammar; it is then written as a part of the
    /// type `multipart` without content.
    pub parts: ShortList<BodyStructure>,
    /// `mixed`, in any case.
    pub media_subtype: ImapString,
    /// What BODYSTRUCTURE says more than BODY.
    pub extension: Option<MultiExtension>,
}

/// How the bytes of a part are encoded: Content-Transfer-Encoding.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum ContentEncoding {
    /// `7BIT`, which is also the default.
    #[default]
    SevenBit,
    /// `8BIT`: lines of any bytes.
    EightBit,
    /// `BINARY`: any bytes.
    Binary,
    /// `BASE64`: any bytes, in letters and digits.
    Base64,
    /// `QUOTED-PRINTABLE`: text, with escapes for what is not ASCII.
    QuotedPrintable,
    /// Another encoding, as it was named.
    Other(ImapString),
}

/// The extension data of a part that is not `multipart`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PartExtension {
    /// The checksum of its content: Content-MD5.
    pub md5: Option<ImapString>,
    /// What every part can have.
    pub common: CommonExtension,
}

/// The extension data of a `multipart`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MultiExtension {
    /// Parameters of Content-Type: names and values.
    pub parameters: ShortList<(ImapString, ImapString)>,
    /// What every part can have.
    pub common: CommonExtension,
}

/// The extension data that every part can have.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct CommonExtension {
    /// Whether it is shown or kept as a file: Content-Disposition.
    pub disposition: Option<Disposition>,
    /// The languages that it is in: Content-Language.
    pub language: Vec<ImapString>,
    /// Where it can be had: Content-Location.
    pub location: Option<ImapString>,
    /// What no standard has defined yet.
    pub others: Vec<RawValue>,
}

/// Whether a part is to be shown or kept as a file: Content-Disposition.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Disposition {
    /// `attachment`, in any case.
    pub kind: ImapString,
    /// Names and values.
    pub parameters: ShortList<(ImapString, ImapString)>,
}

impl MessagePart {
    /// Makes a message within a message.
    #[must_use]
    pub const fn new(envelope: Envelope, body: BodyStructure, lines: Option<u64>) -> Self {
        Self { envelope, body, lines }
    }
}

impl Disposition {
    /// Makes a disposition: `attachment`, with its parameters.
    #[must_use]
    pub const fn new(kind: ImapString, parameters: ShortList<(ImapString, ImapString)>) -> Self {
        Self { kind, parameters }
    }
}

impl BodyStructure {
    /// Appends the structure.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(b'(');
        match self {
            Self::Single(part) => part.write(out),
            Self::Multi(part) => part.write(out),
        }
        out.push(b')');
    }

    /// The extension data that every part can have, if the server gave any.
    #[must_use]
    pub fn common(&self) -> Option<&CommonExtension> {
        match self {
            Self::Single(part) => part.extension.as_ref().map(|extension| &extension.common),
            Self::Multi(part) => part.extension.as_ref().map(|extension| &extension.common),
        }
    }
}

impl ContentEncoding {
    /// The name, as it is written.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::SevenBit => b"7BIT",
            Self::EightBit => b"8BIT",
            Self::Binary => b"BINARY",
            Self::Base64 => b"BASE64",
            Self::QuotedPrintable => b"QUOTED-PRINTABLE",
            Self::Other(name) => name.as_bytes(),
        }
    }
}

impl From<ImapString> for ContentEncoding {
    fn from(name: ImapString) -> Self {
        match Self::known(name.as_bytes()) {
            Some(known) => known,
            // The default.
            None if name.is_empty() => Self::SevenBit,
            None => Self::Other(name),
        }
    }
}

impl ContentEncoding {
    /// By its length and bytes.
    #[inline]
    fn known(name: &[u8]) -> Option<Self> {
        let is = |known: &str| chars::is_name(name, known);
        Some(match name.len() {
            4 if is("7BIT") => Self::SevenBit,
            4 if is("8BIT") => Self::EightBit,
            6 if is("BASE64") => Self::Base64,
            6 if is("BINARY") => Self::Binary,
            16 if is("QUOTED-PRINTABLE") => Self::QuotedPrintable,
            _ => return None,
        })
    }
}

impl SinglePart {
    fn is_text(&self) -> bool {
        is_text(&self.media_type)
    }

    fn is_message(&self) -> bool {
        is_message(&self.media_type, &self.media_subtype)
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_imap_string(out, &self.media_type);
        out.push(b' ');
        write_imap_string(out, &self.media_subtype);
        out.push(b' ');
        write_parameters(out, &self.parameters);
        write_next_nstring(out, self.id.as_ref());
        write_next_nstring(out, self.description.as_ref());
        out.push(b' ');
        write_string(out, self.encoding.as_bytes());
        out.push(b' ');
        write_number(out, self.octets.unwrap_or(0));
        // The media type says what a reader expects.
        if self.is_text() {
            let lines = if let PartKind::Text { lines } = self.kind { lines } else { None };
            out.push(b' ');
            write_number(out, lines.unwrap_or(0));
        } else if self.is_message() {
            match &self.kind {
                PartKind::Message(message) => {
                    out.push(b' ');
                    message.envelope.write(out);
                    out.push(b' ');
                    message.body.write(out);
                    out.push(b' ');
                    write_number(out, message.lines.unwrap_or(0));
                }
                _ => {
                    out.push(b' ');
                    Envelope::default().write(out);
                    out.extend_from_slice(b" (\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0) 0");
                }
            }
        }
        if let Some(extension) = &self.extension {
            write_next_nstring(out, extension.md5.as_ref());
            extension.common.write(out);
        }
    }
}

impl MultiPart {
    fn write(&self, out: &mut Vec<u8>) {
        if self.parts.is_empty() {
            out.extend_from_slice(b"\"MULTIPART\" ");
            write_imap_string(out, &self.media_subtype);
            out.push(b' ');
            write_parameters(out, self.extension.as_ref().map_or(&[], |extension| &extension.parameters));
            out.extend_from_slice(b" NIL NIL \"7BIT\" 0");
            if let Some(extension) = &self.extension {
                out.extend_from_slice(b" NIL");
                extension.common.write(out);
            }
            return;
        }
        for part in &self.parts {
            part.write(out);
        }
        out.push(b' ');
        write_imap_string(out, &self.media_subtype);
        if let Some(extension) = &self.extension {
            out.push(b' ');
            write_parameters(out, &extension.parameters);
            extension.common.write(out);
        }
    }
}

impl CommonExtension {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(b' ');
        match &self.disposition {
            None => out.extend_from_slice(b"NIL"),
            Some(disposition) => {
                out.push(b'(');
                write_imap_string(out, &disposition.kind);
                out.push(b' ');
                write_parameters(out, &disposition.parameters);
                out.push(b')');
            }
        }
        out.push(b' ');
        match self.language.as_slice() {
            [] => out.extend_from_slice(b"NIL"),
            [language] => write_imap_string(out, language),
            languages => {
                for (at, language) in languages.iter().enumerate() {
                    out.push(if at == 0 { b'(' } else { b' ' });
                    write_imap_string(out, language);
                }
                out.push(b')');
            }
        }
        write_next_nstring(out, self.location.as_ref());
        for other in self.others.iter().filter(|other| other.is_complete()) {
            out.push(b' ');
            other.write(out);
        }
    }
}

fn write_parameters(out: &mut Vec<u8>, parameters: &[(ImapString, ImapString)]) {
    if parameters.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    for (at, (name, value)) in parameters.iter().enumerate() {
        out.push(if at == 0 { b'(' } else { b' ' });
        write_imap_string(out, name);
        out.push(b' ');
        write_imap_string(out, value);
    }
    out.push(b')');
}

//! Reading APPEND, whose literals may come in chunks.

use alloc::vec::Vec;

use mailwire_core::{ParseError, ParseErrorKind};

use super::{Append, AppendBytes, AppendData, AppendKind, AppendLiteral, AppendMessage, CatPart};
use crate::{
    capability::Capability,
    command::{
        AString,
        parse::eat_word,
        rules::{Need, Needs},
    },
    extensions::annotate::EntryAtts,
    types::{DateTime, Flag, FlagSet, Literal, MailboxName, Reader, read_astring, read_literal},
};

impl Append {
    /// ```text
    /// append = "APPEND" SP mailbox 1*append-message     ; RFC 3502
    /// ```
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        r.space()?;
        let mailbox = MailboxName::read(r)?;
        r.space()?;
        let mut append = Self::new(mailbox, AppendMessage::read(r)?);
        read_messages(r, &mut append.messages)?;
        Ok(append)
    }
}

impl AppendMessage {
    /// ```text
    /// append-message = [SP flag-list] [SP date-time] [SP att-annotate] SP append-data       ; RFC 5257
    /// append-data    = literal / literal8 / "CATENATE" SP "(" cat-part *(SP cat-part) ")"   ; RFC 4469
    /// ```
    ///
    /// The first space was read.
    #[inline(always)]
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let flags = if r.peek() == Some(b'(') {
            let start = r.offset();
            let flags = FlagSet::read(r)?;
            if flags.contains(&Flag::Recent) {
                return Err(ParseError::new(start, "\\Recent cannot be stored"));
            }
            r.space()?;
            flags
        } else {
            FlagSet::new()
        };
        let mut date = None;
        if r.peek() == Some(b'"') {
            date = Some(DateTime::read(r)?);
            r.space()?;
        }
        let mut annotations = Vec::new();
        let data = match r.peek() {
            Some(b'a' | b'A' | b'c' | b'C') => Self::read_named(r, &mut annotations)?,
            _ => AppendData::Literal(AppendLiteral::read(r)?),
        };
        Ok(Self { flags, date, annotations, data })
    }

    /// Annotations, and what is put together.
    #[cold]
    fn read_named(r: &mut Reader<'_>, annotations: &mut Vec<EntryAtts>) -> Result<AppendData, ParseError> {
        if eat_word(r, "ANNOTATION") {
            *annotations = EntryAtts::read_all(r)?;
            r.space()?;
        }
        if !eat_word(r, "CATENATE") {
            return AppendLiteral::read(r).map(AppendData::Literal);
        }
        r.space()?;
        r.expect(b'(', "expected (")?;
        let mut parts = alloc::vec![CatPart::read(r)?];
        CatPart::read_more(r, &mut parts)?;
        Ok(AppendData::Catenate(parts))
    }
}

impl CatPart {
    /// ```text
    /// cat-part = "URL" SP astring / "TEXT" SP literal / utf8-literal     ; RFC 4469, RFC 6855
    /// ```
    #[cold]
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        if eat_word(r, "URL") {
            r.space()?;
            let url = AString::new(read_astring(r)?.into_text());
            return url.map(Self::Url).map_err(|_| ParseError::new(start, "a line end in a URL"));
        }
        if eat_word(r, "TEXT") {
            r.space()?;
        } else if !matches!(r.peek(), Some(b'u' | b'U')) {
            return Err(ParseError::new(start, "expected URL or TEXT"));
        }
        AppendLiteral::read(r).map(Self::Text)
    }

    /// Those after the first, up to the `)`, or as far as they have come.
    fn read_more(r: &mut Reader<'_>, parts: &mut Vec<Self>) -> Result<(), ParseError> {
        loop {
            let streamed = matches!(parts.last(), Some(Self::Text(text)) if text.bytes.streamed().is_some());
            if (streamed && r.is_at_end()) || r.eat(b')') {
                return Ok(());
            }
            r.space()?;
            parts.push(Self::read(r)?);
        }
    }
}

impl AppendLiteral {
    /// ```text
    /// literal / literal8 / utf8-literal
    /// utf8-literal = "UTF8" SP "(" literal8 ")"                  ; RFC 6855
    /// ```
    ///
    /// Of one that comes in chunks, what follows may come later, too.
    #[inline(always)]
    fn read(r: &mut Reader<'_>) -> Result<Self, ParseError> {
        let start = r.offset();
        let kind = match r.peek() {
            Some(b'~') => AppendKind::Binary,
            Some(b'{') => AppendKind::Plain,
            Some(b'u' | b'U') if eat_word(r, "UTF8") => {
                r.space()?;
                r.expect(b'(', "expected (")?;
                if r.peek() != Some(b'~') {
                    return Err(r.error("expected a literal8"));
                }
                AppendKind::Utf8
            }
            // An extension's.
            byte => {
                let letter = byte.is_some_and(|byte| byte.is_ascii_alphabetic());
                let kind = if letter { ParseErrorKind::Unknown } else { ParseErrorKind::Syntax };
                return Err(r.error("expected the message as a literal").with_kind(kind));
            }
        };
        let bytes = match read_literal(r)? {
            Literal::Inline(text)
                if kind == AppendKind::Plain && memchr::memchr(0, text.as_bytes()).is_some() =>
            {
                return Err(ParseError::new(start, "NUL in a message"));
            }
            Literal::Inline(text) => AppendBytes::Inline(text),
            Literal::Streamed { length } => AppendBytes::Streamed { length },
        };
        if kind == AppendKind::Utf8 {
            let comes_later = bytes.streamed().is_some() && r.is_at_end();
            if !comes_later {
                r.expect(b')', "expected )")?;
            }
        }
        Ok(Self { kind, bytes })
    }
}

/// What of an APPEND is still open after a literal of it that comes in chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct OpenAppend {
    /// The parenthesis of `UTF8 (`.
    utf8: bool,
    /// That of `CATENATE (`.
    catenate: bool,
}

/// What follows such a literal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct AppendMore {
    /// More parts of the message that is being put together.
    pub(crate) parts: Vec<CatPart>,
    /// More messages.
    pub(crate) messages: Vec<AppendMessage>,
}

impl OpenAppend {
    /// After the literal at the end of this message, which comes in chunks.
    pub(crate) fn after(message: &AppendMessage) -> Self {
        match &message.data {
            AppendData::Literal(literal) => Self { utf8: literal.kind == AppendKind::Utf8, catenate: false },
            AppendData::Catenate(parts) => Self::after_parts(parts),
        }
    }

    /// Whether parts of a message can follow.
    pub(crate) const fn is_catenate(self) -> bool {
        self.catenate
    }

    /// Whether anything has to follow.
    pub(crate) const fn is_open(self) -> bool {
        self.catenate || self.utf8
    }

    fn after_parts(parts: &[CatPart]) -> Self {
        let utf8 = matches!(parts.last(), Some(CatPart::Text(text)) if text.kind == AppendKind::Utf8);
        Self { utf8, catenate: true }
    }
}

impl AppendMore {
    /// What is open after the literal at its end, which comes in chunks.
    pub(crate) fn open(&self) -> OpenAppend {
        self.messages.last().map_or_else(|| OpenAppend::after_parts(&self.parts), OpenAppend::after)
    }

    /// What a server must have for it.
    pub(crate) fn needs(&self, needs: &mut Needs<'_>) {
        needs.add((!self.messages.is_empty()).then(|| Need::of(&Capability::MultiAppend)));
        for part in &self.parts {
            if let CatPart::Text(text) = part {
                needs.add(text.needs());
            }
        }
        self.messages.iter().for_each(|message| message.needs(needs));
    }

    /// How the literal at its end is announced.
    pub(crate) fn last_kind(&self) -> Option<AppendKind> {
        match (self.messages.last(), self.parts.last()) {
            (Some(message), _) => message.literals().last().map(|literal| literal.kind),
            (None, Some(CatPart::Text(text))) => Some(text.kind),
            _ => None,
        }
    }

    /// What stands after a literal that came in chunks, where this was open: to the end of the command, or to
    /// the next such literal.
    pub(crate) fn read(r: &mut Reader<'_>, open: OpenAppend) -> Result<Self, ParseError> {
        let mut more = Self::default();
        if open.utf8 {
            r.expect(b')', "expected )")?;
        }
        if open.catenate {
            CatPart::read_more(r, &mut more.parts)?;
        }
        read_messages(r, &mut more.messages)?;
        Ok(more)
    }
}

/// Those after the first, each after a space.
#[inline]
fn read_messages(r: &mut Reader<'_>, messages: &mut Vec<AppendMessage>) -> Result<(), ParseError> {
    if r.is_at_end() { Ok(()) } else { read_several(r, messages) }
}

#[cold]
fn read_several(r: &mut Reader<'_>, messages: &mut Vec<AppendMessage>) -> Result<(), ParseError> {
    while r.peek() == Some(b' ') && r.peek_at(1).is_some_and(|byte| byte != b' ') {
        r.skip(1);
        messages.push(AppendMessage::read(r)?);
    }
    Ok(())
}

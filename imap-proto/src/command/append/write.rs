//! Writing APPEND.

use super::{Append, AppendBytes, AppendData, AppendKind, AppendLiteral, AppendMessage, CatPart};
use crate::{command::writer::Writer, extensions::annotate::EntryAtts};

impl Append {
    pub(in crate::command) fn write(&self, e: &mut Writer<'_>) {
        e.put(b"APPEND ");
        self.write_arguments(e);
    }

    #[inline]
    pub(in crate::command) fn write_arguments(&self, e: &mut Writer<'_>) {
        e.mailbox(&self.mailbox);
        for message in &self.messages {
            message.write(e);
        }
    }
}

impl AppendMessage {
    fn write(&self, e: &mut Writer<'_>) {
        if self.flags.has_form() {
            e.put(b" ");
            self.flags.write(e.out);
        }
        if let Some(date) = self.date {
            e.put(b" ");
            date.write(e.out);
        }
        if !self.annotations.is_empty() {
            EntryAtts::put_all(&self.annotations, e);
        }
        e.put(b" ");
        match &self.data {
            AppendData::Literal(literal) => literal.write(e),
            AppendData::Catenate(parts) => {
                e.put(b"CATENATE (");
                e.spaced(parts, |e, part| part.write(e));
                e.put(b")");
            }
        }
    }
}

impl CatPart {
    fn write(&self, e: &mut Writer<'_>) {
        match self {
            Self::Url(url) => {
                e.put(b"URL ");
                e.astring(url);
            }
            Self::Text(literal) => {
                if literal.kind != AppendKind::Utf8 {
                    e.put(b"TEXT ");
                }
                literal.write(e);
            }
        }
    }
}

impl AppendLiteral {
    #[inline]
    fn write(&self, e: &mut Writer<'_>) {
        let utf8 = self.kind == AppendKind::Utf8;
        if utf8 {
            e.put(b"UTF8 (");
        }
        let binary = self.kind != AppendKind::Plain;
        e.announce(self.bytes.len(), binary);
        match &self.bytes {
            AppendBytes::Inline(text) => e.put(text.as_bytes()),
            AppendBytes::Streamed { length } => e.body(*length, binary),
        }
        if utf8 {
            e.put(b")");
        }
    }
}

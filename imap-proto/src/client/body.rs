//! Large literals, which come in chunks.

use alloc::vec::Vec;

use bytes::BytesMut;
use mailwire_core::{Error, Newline, Parsed};

use super::{
    BodyItem, BodyStart, Event,
    state::{Ignoring, Machine},
};
use crate::{
    framing::{Announcement, Frame},
    response::{MsgAtt, Response, Untagged},
    types::Data,
};

impl Machine {
    pub(super) fn take_literal(
        &mut self,
        announced: Announcement,
        input: &mut BytesMut,
    ) -> Result<(), Error> {
        let limits = &self.config.limits;
        if announced.size > limits.message {
            return Err(Error::LimitExceeded { what: "bytes in a literal", limit: limits.message });
        }
        if announced.size <= limits.inline_literal as u64 {
            return self.framer.keep(limits);
        }
        if self.ignoring.is_none() && self.is_out_of_place() {
            self.ignoring = Some(Ignoring::State);
        }
        if self.ignoring.is_some() {
            self.framer.skip(input);
            return Ok(());
        }
        let Some(start) = self.body_start(input, announced.size) else {
            self.ignoring = Some(Ignoring::Literal(self.framer.announced(input).len()));
            self.framer.skip(input);
            return Ok(());
        };
        if !self.is_about_messages() {
            self.ignoring = Some(Ignoring::State);
            self.framer.skip(input);
            return Ok(());
        }
        if start.number.is_none() && start.uid.is_none() {
            self.ignoring = Some(Ignoring::Zero);
            self.framer.skip(input);
            return Ok(());
        }
        self.fetching = Some((start.number, start.uid));
        self.framer.stream(input);
        self.events.push_back(Event::BodyStart(start));
        Ok(())
    }

    /// What the announced literal belongs to: the last item of a FETCH response, if the response
    /// ended there. Items before an earlier streamed literal are not looked at again.
    fn body_start(&self, input: &BytesMut, length: u64) -> Option<BodyStart> {
        let text = self.framer.announced(input);
        let mut bytes = Vec::with_capacity(text.len() + 32);
        if self.fetching.is_some() {
            bytes.extend_from_slice(b"* 1 FETCH (");
            bytes.extend_from_slice(text.strip_prefix(b" ").unwrap_or(text));
        } else {
            bytes.extend_from_slice(text);
        }
        let streamed = alloc::vec![bytes.len()];
        bytes.push(b')');
        let mut closed = Frame { bytes: bytes.into(), streamed, newline: Newline::CrLf };
        let Ok(Parsed { value: Response::Untagged(Untagged::Fetch(mut fetch)), .. }) =
            self.parse(&mut closed)
        else {
            return None;
        };
        let (number, known) = self.fetching.unwrap_or((fetch.number, fetch.uid));
        let names_a_message = number.is_some() || known.is_some();
        let uid = fetch.message_uid();
        let streamed = |data: &Data| matches!(data, Data::Streamed { .. });
        let item = match fetch.items.pop()? {
            MsgAtt::Section(part) if streamed(&part.data) => {
                BodyItem::Section { section: part.section, origin: part.origin }
            }
            MsgAtt::Binary(part) if streamed(&part.data) => {
                BodyItem::Binary { part: part.part, origin: part.origin }
            }
            MsgAtt::Rfc822(data) if streamed(&data) => BodyItem::Rfc822,
            MsgAtt::Rfc822Header(data) if streamed(&data) => BodyItem::Rfc822Header,
            MsgAtt::Rfc822Text(data) if streamed(&data) => BodyItem::Rfc822Text,
            _ => return None,
        };
        let uid = known.or(uid).filter(|_| names_a_message);
        Some(BodyStart { number, uid, item, length })
    }
}

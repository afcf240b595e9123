//! ENVELOPE: [RFC 9051 section 7.5.2](https://www.rfc-editor.org/rfc/rfc9051#section-7.5.2).

use bytes::Bytes;
use mailwire_core::Text;
use mailwire_imap::types::{self, Envelope, ImapString};

use super::{
    Message, Part,
    address::{self, MAX_ADDRESSES, addresses},
    header,
};

impl Message {
    /// Makes the ENVELOPE of the message: the fields of its header that lists show. Encoded words stay
    /// encoded; Sender and Reply-To are those of From if there are none.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        self.envelope_of(&self.root)
    }

    /// Makes the ENVELOPE of an embedded message: see [`envelope`](Self::envelope).
    #[must_use]
    pub fn envelope_of(&self, message: &Part) -> Envelope {
        let header = self.header(message);
        let [mut date, mut subject, mut in_reply_to, mut message_id] = [const { None }; 4];
        let mut addresses: [Vec<types::Address>; 6] = Default::default();
        for field in header::fields(&header) {
            let is = |name: &&str| field.is(name.as_bytes());
            if let Some(list) = ADDRESS_FIELDS.iter().position(is) {
                let list = addresses.get_mut(list);
                if let Some(list) = list.filter(|list| list.len() < MAX_ADDRESSES) {
                    list.extend(address_list(&field.value()));
                }
                continue;
            }
            let once = if is(&"date") {
                &mut date
            } else if is(&"subject") {
                &mut subject
            } else if is(&"in-reply-to") {
                &mut in_reply_to
            } else if is(&"message-id") {
                &mut message_id
            } else {
                continue;
            };
            once.get_or_insert_with(|| string(field.value()));
        }
        let [from, mut sender, mut reply_to, to, cc, bcc] = addresses;
        for list in [&mut sender, &mut reply_to] {
            if list.is_empty() {
                list.clone_from(&from);
            }
        }
        Envelope::new([from, sender, reply_to, to, cc, bcc])
            .with_date(date)
            .with_subject(subject)
            .with_in_reply_to(in_reply_to)
            .with_message_id(message_id)
    }
}

const ADDRESS_FIELDS: [&str; 6] = ["from", "sender", "reply-to", "to", "cc", "bcc"];

pub(super) fn address_list(value: &Bytes) -> impl Iterator<Item = types::Address> {
    addresses(value).into_iter().map(|address| match address {
        address::Address::Mailbox { name, route, mailbox, host } => {
            types::Address::new(Some(string(mailbox)), Some(string(host)))
                .with_name(name.map(string))
                .with_adl(route.map(string))
        }
        address::Address::GroupStart(name) => types::Address::new(Some(string(name)), None),
        address::Address::GroupEnd => types::Address::default(),
    })
}

/// Text of a header, in which there is no NUL any more.
pub(super) fn string(text: Bytes) -> ImapString {
    ImapString::new(Text::from(text)).unwrap_or(ImapString::EMPTY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(raw: &'static str) -> Envelope {
        Message::parse(Bytes::from_static(raw.as_bytes())).envelope()
    }

    #[test]
    fn fields_and_defaults() {
        let envelope = envelope(
            "Subject: =?utf-8?q?h=C3=A9?=\r\n there\r\nsubject: second\r\nFrom: \"A, B\" <a@b>\r\n\
             To: c@d\r\nTo: e@f\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <1@x>\r\n\r\n",
        );
        assert_eq!(envelope.subject().unwrap(), &"=?utf-8?q?h=C3=A9?= there");
        assert_eq!(envelope.from()[0].name.clone().unwrap(), "A, B");
        assert_eq!((envelope.sender(), envelope.reply_to()), (envelope.from(), envelope.from()));
        assert_eq!(envelope.to().len(), 2);
        assert_eq!(envelope.message_id().unwrap(), &"<1@x>");
        assert!(envelope.in_reply_to().is_none() && envelope.cc().is_empty());
    }

    #[test]
    fn groups() {
        let group = envelope("To: us: a@b;\r\n\r\n");
        let to = group.to();
        let mailboxes: Vec<_> = to.iter().map(|a| (a.mailbox.is_some(), a.host.is_some())).collect();
        assert_eq!(mailboxes, [(true, false), (true, true), (false, false)]);
    }

    #[test]
    fn without_a_header() {
        assert_eq!(envelope(""), Envelope::default());
        assert_eq!(envelope("\r\nSubject: body"), Envelope::default());
    }
}

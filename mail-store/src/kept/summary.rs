//! What lists of messages show, made once: no FETCH of a list opens a body.
//!
//! It is kept as IMAP has it on the wire, which is compact and read quickly.

use bytes::Bytes;
use mailwire_core::Dialect;
use mailwire_imap::{
    response::{FetchData, MsgAtt, Response, Untagged},
    types::{BodyStructure, Envelope, SeqNumber},
};

use crate::message::Message;

/// A longer one is not kept: it is worked out each time.
const MAX: usize = 64 << 10;

/// The summary of a message.
pub(crate) fn write(message: &Message) -> Option<Vec<u8>> {
    let envelope = MsgAtt::Envelope(Box::new(message.envelope()));
    let structure = MsgAtt::BodyStructure(message.structure(true));
    let data = FetchData::new(SeqNumber::MIN, vec![envelope, structure]);
    let mut text = Vec::new();
    Response::Untagged(Untagged::Fetch(data)).write(&mut text);
    text.truncate(text.len().saturating_sub(2));
    (text.len() <= MAX && read(text.clone()).is_some()).then_some(text)
}

/// What a summary says. `None` if it cannot be read.
pub(crate) fn read(text: Vec<u8>) -> Option<(Box<Envelope>, BodyStructure)> {
    let parsed = Response::parse(&Bytes::from(text), Dialect::Lenient).ok()?;
    let Response::Untagged(Untagged::Fetch(data)) = parsed.value else { return None };
    let (mut envelope, mut structure) = (None, None);
    for item in data.items {
        match item {
            MsgAtt::Envelope(found) => envelope = Some(found),
            MsgAtt::BodyStructure(found) => structure = Some(found),
            _ => return None,
        }
    }
    Some((envelope?, structure?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_the_message_says() {
        for raw in [
            "",
            "x",
            "Subject: x\r\n\r\nhello\r\n",
            "Subject: \u{fc}n \"quoted\" \\ \r\nFrom: Ada <ada@x>, a: b@c, d@e;\r\nTo: <>\r\n\r\n",
            "Subject: =?utf-8?q?=C3=BC?=\r\nDate: nonsense\r\nMessage-ID: <a@b>\r\nIn-Reply-To: <c@d> <e@f>\r\n\r\n",
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html; charset=\"x y\"; \
             name*=utf-8''a%20b\r\nContent-Disposition: attachment; filename=\"a\\\"b\"\r\nContent-MD5: x\r\n\
             Content-Language: de, en\r\n\r\n<p>\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\n--b--\r\n",
            "Content-Type: multipart/mixed; boundary=b\r\n\r\nno parts",
            "Content-Type: text/plain; name=\"\u{1}\u{80}\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\u{fc}\u{0}",
        ] {
            let message = Message::parse(raw.into());
            let text = write(&message).unwrap_or_else(|| panic!("{raw:?}"));
            let (envelope, structure) = read(text).unwrap();
            assert_eq!((*envelope, structure), (message.envelope(), message.structure(true)), "{raw:?}");
        }
        assert_eq!(read(b"* 1 FETCH (UID 1)".to_vec()), None);
        assert_eq!(read(b"nonsense".to_vec()), None);
    }
}

//! What an index of texts is made of.

use super::{
    Message,
    casemap::casemap,
    envelope::address_list,
    header,
    needles::Position,
    search::{Looks, look_at_body, look_at_named_field, shown},
};

/// The texts of a message, one after the other, as they are compared: whatever a search finds in the message is in there.
/// `None` if that is more than `most` bytes.
pub(crate) fn indexed(message: &Message, most: usize) -> Option<String> {
    let mut texts = Texts { mapped: Vec::new(), most };
    let header = message.header(&message.root);
    for field in header::fields(&header) {
        look_at_named_field(&mut texts, &field);
        let name = field.name.to_ascii_lowercase();
        if matches!(&*name, b"from" | b"to" | b"cc" | b"bcc") {
            address_list(&field.value()).for_each(|address| texts.look_at_all(&shown(&address)));
        }
        if texts.is_done() {
            return None;
        }
    }
    look_at_body(message, &message.root, &mut texts);
    if texts.is_done() { None } else { String::from_utf8(texts.mapped).ok() }
}

/// Texts on their way into an index. What follows each other there need not do so in the message: at worst something is
/// looked at that is not there.
struct Texts {
    mapped: Vec<u8>,
    most: usize,
}

impl Looks for Texts {
    fn look_at(&mut self, _: &mut Position, text: &str) {
        if !self.is_done() {
            casemap(text, &mut self.mapped);
        }
    }

    fn is_done(&self) -> bool {
        self.mapped.len() > self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_texts_are_there_as_they_are_compared() {
        let raw = "From: =?utf-8?q?J=C3=B6rg?= <(x)j@x.example>\r\nSubject: a\r\n\tb\r\n\
            Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
            Stra=DFe=\r\nn\r\n";
        let message = Message::parse(raw.into());
        let texts = indexed(&message, 1000).unwrap();
        for text in ["FROM: JO\u{308}RG <(X)J@", "JO\u{308}RG <J@X.EXAMPLE>", "SUBJECT: A B", "STRA\u{df}EN"]
        {
            assert!(texts.contains(text), "{text} in {texts}");
        }
        assert_eq!(indexed(&message, texts.len()), Some(texts.clone()));
        assert_eq!(indexed(&message, texts.len() - 1), None);
    }
}

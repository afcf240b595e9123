//! BODY and BODYSTRUCTURE: [RFC 9051 section 7.5.2](https://www.rfc-editor.org/rfc/rfc9051#section-7.5.2).

use bytes::Bytes;
use mailwire_core::keywords;
use mailwire_imap::types::{
    BodyStructure, CommonExtension, Disposition, ImapString, MessagePart, MultiExtension, MultiPart,
    PartExtension, PartKind, ShortList, SinglePart,
};

use super::{
    Content, Message, Part,
    decode::encoding,
    envelope::string,
    header,
    mime::{tokens, value_with_parameters},
};

impl Message {
    /// Describes the parts of the message: `BODYSTRUCTURE`, or `BODY` without what that leaves out.
    #[must_use]
    pub fn structure(&self, extended: bool) -> BodyStructure {
        self.structure_of(&self.root, extended)
    }

    fn structure_of(&self, part: &Part, extended: bool) -> BodyStructure {
        let fields = self.content_fields(part);
        let parameters = parameters(&part.content_type.parameters);
        let media_subtype = string(part.content_type.subtype.clone());
        let kind = match &part.content {
            Content::Multipart(parts) => {
                let mut multi = MultiPart::default();
                multi.parts = parts.iter().map(|part| self.structure_of(part, extended)).collect();
                multi.media_subtype = media_subtype;
                if extended {
                    let extension = multi.extension.insert(MultiExtension::default());
                    (extension.parameters, extension.common) = (parameters, fields.common());
                }
                return BodyStructure::Multi(Box::new(multi));
            }
            Content::Message { message, lines } => PartKind::Message(Box::new(MessagePart::new(
                self.envelope_of(message),
                self.structure_of(message, extended),
                Some(*lines),
            ))),
            Content::Leaf { lines } if part.content_type.kind.eq_ignore_ascii_case(b"text") => {
                PartKind::Text { lines: Some(*lines) }
            }
            Content::Leaf { .. } => PartKind::Basic,
        };
        let mut single = SinglePart::default();
        single.media_type = string(part.content_type.kind.clone());
        single.media_subtype = media_subtype;
        single.parameters = parameters;
        single.id = fields.id.clone().map(string);
        single.description = fields.description.clone().map(string);
        single.encoding = encoding(fields.encoding.as_ref());
        single.octets = Some(part.body.len() as u64);
        single.kind = kind;
        if extended {
            let extension = single.extension.insert(PartExtension::default());
            (extension.md5, extension.common) = (fields.md5.clone().map(string), fields.common());
        }
        BodyStructure::Single(Box::new(single))
    }

    fn content_fields(&self, part: &Part) -> Fields {
        let mut fields = Fields::default();
        let header = self.header(part);
        for field in header::fields(&header) {
            let Some((prefix, rest)) = field.name.split_at_checked("content-".len()) else { continue };
            if !prefix.eq_ignore_ascii_case(b"content-") {
                continue;
            }
            let slot = match ContentField::of(rest) {
                Some(ContentField::Id) => &mut fields.id,
                Some(ContentField::Description) => &mut fields.description,
                Some(ContentField::TransferEncoding) => &mut fields.encoding,
                Some(ContentField::Md5) => &mut fields.md5,
                Some(ContentField::Disposition) => &mut fields.disposition,
                Some(ContentField::Language) => &mut fields.language,
                Some(ContentField::Location) => &mut fields.location,
                None => continue,
            };
            slot.get_or_insert_with(|| field.value());
        }
        fields
    }
}

/// Turns a `BODYSTRUCTURE` into what `BODY` shows of it: the same parts without extension data.
#[must_use]
pub fn without_extension(structure: BodyStructure) -> BodyStructure {
    match structure {
        BodyStructure::Single(mut part) => {
            part.extension = None;
            if let PartKind::Message(message) = part.kind {
                let MessagePart { envelope, body, lines, .. } = *message;
                let body = without_extension(body);
                part.kind = PartKind::Message(Box::new(MessagePart::new(envelope, body, lines)));
            }
            BodyStructure::Single(part)
        }
        BodyStructure::Multi(mut multi) => {
            multi.extension = None;
            multi.parts = multi.parts.into_iter().map(without_extension).collect();
            BodyStructure::Multi(multi)
        }
    }
}

keywords! {
    /// The fields of a part's header that describe it, without `Content-`.
    enum ContentField {
        Description = "description",
        Disposition = "disposition",
        Id = "id",
        Language = "language",
        Location = "location",
        Md5 = "md5",
        TransferEncoding = "transfer-encoding",
    }
}

/// The values of the fields that describe a part's content.
#[derive(Default)]
struct Fields {
    id: Option<Bytes>,
    description: Option<Bytes>,
    encoding: Option<Bytes>,
    md5: Option<Bytes>,
    disposition: Option<Bytes>,
    language: Option<Bytes>,
    location: Option<Bytes>,
}

impl Fields {
    fn common(&self) -> CommonExtension {
        let disposition = self.disposition.as_ref().and_then(value_with_parameters);
        let language = self.language.as_ref().map(tokens).unwrap_or_default();
        let mut common = CommonExtension::default();
        common.disposition =
            disposition.map(|(kind, list)| Disposition::new(string(kind), parameters(&list)));
        common.language = language.into_iter().map(string).collect();
        common.location = self.location.clone().map(string);
        common
    }
}

fn parameters(list: &[(Bytes, Bytes)]) -> ShortList<(ImapString, ImapString)> {
    list.iter().map(|(name, value)| (string(name.clone()), string(value.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use mailwire_imap::types::ContentEncoding;

    use super::*;

    fn structure(raw: &'static str, extended: bool) -> BodyStructure {
        Message::parse(Bytes::from_static(raw.as_bytes())).structure(extended)
    }

    #[test]
    fn a_plain_message() {
        let BodyStructure::Single(part) = structure("Subject: x\r\n\r\none\r\ntwo", false) else { panic!() };
        assert_eq!(
            (&part.media_type, &part.media_subtype),
            (&string("text".into()), &string("plain".into()))
        );
        assert_eq!((part.octets, part.kind), (Some(8), PartKind::Text { lines: Some(1) }));
        assert!(part.extension.is_none());
        assert_eq!(part.encoding, ContentEncoding::SevenBit);
    }

    #[test]
    fn parts_and_their_fields() {
        let BodyStructure::Multi(multi) = structure(
            "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: image/png; name=\"a b\"\r\n\
             Content-Transfer-Encoding: BASE64\r\nContent-Disposition: attachment; filename=f.png\r\n\
             Content-ID: <1@x>\r\nContent-Language: de, en\r\n\r\nAAAA\r\n\
             --x\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nhi\r\n--x--\r\n",
            true,
        ) else {
            panic!()
        };
        assert_eq!((multi.media_subtype, multi.parts.len()), (string("mixed".into()), 2));
        assert_eq!(multi.extension.unwrap().parameters.len(), 1);
        let BodyStructure::Single(image) = &multi.parts[0] else { panic!() };
        assert_eq!((&image.encoding, image.octets), (&ContentEncoding::Base64, Some(4)));
        let common = &image.extension.as_ref().unwrap().common;
        assert_eq!(common.disposition.as_ref().unwrap().kind, "attachment");
        assert_eq!(common.language.len(), 2);
        let BodyStructure::Single(message) = &multi.parts[1] else { panic!() };
        let PartKind::Message(inner) = &message.kind else { panic!() };
        assert_eq!(inner.envelope.subject().unwrap(), &"inner");
        assert_eq!(inner.lines, Some(2));
    }

    #[test]
    fn an_empty_multipart_has_a_part() {
        for raw in
            ["Content-Type: multipart/mixed\r\n\r\n", "Content-Type: multipart/x; boundary=a\r\n\r\n--a--"]
        {
            let BodyStructure::Multi(multi) = structure(raw, true) else { panic!() };
            assert_eq!(multi.parts.len(), 1);
        }
    }
}

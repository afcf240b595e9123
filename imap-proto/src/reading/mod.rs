//! Messages for people: subjects, names, files and texts, without the encodings that they came in.
//!
//! What a server tells of a message stands in [`Envelope`](crate::types::Envelope) and
//! [`BodyStructure`](crate::types::BodyStructure) as the header has it. From there,
//!
//! - [`decode_words`] gives a subject, with its encoded words decoded ([RFC 2047](https://www.rfc-editor.org/rfc/rfc2047)),
//!   and [`Envelope::decoded_subject`](crate::types::Envelope::decoded_subject) asks it;
//! - [`addresses`] gives names and addresses, and [`groups`] the groups that they are in;
//! - [`BodyStructure::parts`](crate::types::BodyStructure::parts) gives all parts with their numbers, and
//!   [`BodyStructure::contents`](crate::types::BodyStructure::contents) which of them are texts to show and which
//!   attachments; a [`Part`] tells its file name ([RFC 2231](https://www.rfc-editor.org/rfc/rfc2231));
//! - [`TransferDecoder`] undoes base64 and quoted-printable as a part comes, and [`decode_text`] the charset.
//!
//! All of it takes what real programs write: words that are cut in the middle of a letter, encoded words in quotes, raw
//! 8-bit, names with only half of RFC 2231. Nothing fails; what cannot be understood stays as it is. It takes time in
//! proportion to the input.
//!
//! Names, groups, parts, contents and transfer encodings are there with the feature `reading`.
//!
//! # Charsets
//!
//! UTF-8, US-ASCII, ISO-8859-1 and windows-1252 are known here. Functions that end in `_with` take a [`Charsets`], which
//! is asked for all others: `mailwire-transport` has one under its feature `encoded-words`.
//!
//! # Examples
//!
//! ```
//! use mailwire_imap::{Dialect, Response, Untagged, reading, response::MsgAtt};
//!
//! let line = br#"* 1 FETCH (UID 7 ENVELOPE (NIL "=?utf-8?q?Caf=C3=A9?=" (("=?utf-8?b?w4RuZQ==?=" NIL "a" "example.org"))
//!     NIL NIL NIL NIL NIL NIL NIL) BODYSTRUCTURE (("TEXT" "PLAIN" ("CHARSET" "utf-8") NIL NIL "7BIT" 5 1)
//!     ("IMAGE" "PNG" NIL NIL NIL "BASE64" 80 NIL ("ATTACHMENT" ("FILENAME*" "utf-8''%C3%84.png"))) "MIXED"))"#;
//! let line = String::from_utf8_lossy(line).split_whitespace().collect::<Vec<_>>().join(" ");
//! let parsed = Response::parse(&line.into(), Dialect::Lenient)?;
//! let Response::Untagged(Untagged::Fetch(message)) = parsed.value else { panic!() };
//! for item in &message.items {
//!     match item {
//!         MsgAtt::Envelope(envelope) => {
//!             assert_eq!(envelope.decoded_subject().as_deref(), Some("Café"));
//!             let from: Vec<_> = reading::addresses(envelope.from()).collect();
//!             assert_eq!(from[0].to_string(), "Äne <a@example.org>");
//!         }
//!         MsgAtt::BodyStructure(structure) => {
//!             let contents = structure.contents();
//!             assert_eq!(contents.plain[0].to_string(), "1");
//!             assert_eq!(contents.attachments[0].to_string(), "2");
//!             assert_eq!(contents.attachments[0].file_name().as_deref(), Some("Ä.png"));
//!         }
//!         _ => {}
//!     }
//! }
//! # Ok::<(), mailwire_imap::ParseError>(())
//! ```

#[cfg(feature = "reading")]
mod addresses;
mod base64;
mod charsets;
#[cfg(feature = "reading")]
mod contents;
#[cfg(feature = "reading")]
mod parameters;
#[cfg(feature = "reading")]
mod parts;
#[cfg(feature = "reading")]
mod transfer;
mod words;

#[cfg(feature = "reading")]
pub use self::{
    addresses::{AddressGroup, NamedAddress, addresses, addresses_with, groups, groups_with},
    contents::Contents,
    parameters::{parameter, parameter_with, safe_file_name},
    parts::{Part, Parts},
    transfer::TransferDecoder,
};
pub use self::{
    charsets::{Charsets, decode_text, decode_text_with},
    words::{decode_words, decode_words_with},
};

//! What is told of a message.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use mailwire_imap::{
    reading::{self, NamedAddress, Part},
    types::{Address, BodyStructure, DateTime, PartKind},
};
use mailwire_store::{
    message::{Message, encoded_words, header},
    testing::ReceivedMessage,
};
use mailwire_transport::Protocol;
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Refused},
    html::IMAGES,
    links::links,
};

/// In one answer, texts are cut off after so many bytes; they can be had whole by themselves.
const TEXT: usize = 1 << 20;
/// In a list, a text is cut off after so many letters, and so many addresses are named.
const LETTERS: usize = 300;
const ADDRESSES: usize = 5;
/// More bytes of names and values of header fields are not told; they are in the source.
const HEADERS: usize = 1 << 20;

/// The media types of images that are shown where HTML names them. As images, they run and load nothing.
const SHOWN: [&str; 8] = [
    "image/avif",
    "image/bmp",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/svg+xml",
    "image/webp",
    "image/x-icon",
];

pub(super) const fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Submission => "submission",
        Protocol::Lmtp => "lmtp",
        Protocol::Imap => "imap",
        Protocol::Pop3 => "pop3",
        _ => "smtp",
    }
}

/// A time as [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339) has it, in UTC.
pub(super) fn time(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(0);
    let Some(shown) = DateTime::from_unix(seconds, 0) else { return String::new() };
    let (date, (hour, minute, second)) = (shown.date(), shown.time());
    let (year, month, day, millis) = (date.year(), date.month(), date.day(), since.subsec_millis());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// A message in the list.
pub(super) fn summary(received: &ReceivedMessage, message: &Message) -> Value {
    let envelope = message.envelope();
    let structure = message.structure(true);
    let recipients = received.recipients();
    let attachments = structure.contents().attachments.len();
    json!({
        "number": received.number,
        "received": time(received.at),
        "protocol": protocol(received.protocol),
        "size": received.raw.len(),
        "envelope": {
            "from": short(&received.from()),
            "recipients": recipients.iter().take(ADDRESSES).map(|to| short(to)).collect::<Vec<_>>(),
            "count": recipients.len(),
        },
        "from": people(envelope.from(), ADDRESSES),
        "to": people(envelope.to(), ADDRESSES),
        "subject": received.subject().map(|subject| short(&subject)),
        "attachments": attachments,
        "preview": message.preview(),
    })
}

/// All that is told of one message. What is large is cut off, and told by itself, too.
pub(super) fn whole(received: &ReceivedMessage, message: &Message) -> Value {
    let envelope = message.envelope();
    let structure = message.structure(true);
    let contents = structure.contents();
    let (text, html) = (plain(message), html(message));
    let links = links(text.as_deref(), html.as_deref());
    let is_cut = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > TEXT);
    let is_cut = is_cut(&text) || is_cut(&html);
    let client = &received.client;
    json!({
        "number": received.number,
        "received": time(received.at),
        "protocol": protocol(received.protocol),
        "size": received.raw.len(),
        "envelope": { "from": received.from(), "recipients": received.recipients() },
        "client": {
            "address": client.address.map(|address| address.to_string()),
            "hello": client.hello.as_ref().map(ToString::to_string),
            "tls": client.tls,
            "user": received.user(),
        },
        "from": people(envelope.from(), usize::MAX),
        "to": people(envelope.to(), usize::MAX),
        "cc": people(envelope.cc(), usize::MAX),
        "reply_to": people(envelope.reply_to(), usize::MAX),
        "subject": received.subject(),
        "date": received.header("Date"),
        "headers": headers(message),
        "structure": tree(&structure),
        "text": text.map(|text| cut(text, TEXT)),
        "html": html.map(|html| cut(html, TEXT)),
        "cut": is_cut,
        "links": links,
        "inline": contents.related.iter().map(described).collect::<Vec<_>>(),
        "attachments": contents.attachments.iter().map(described).collect::<Vec<_>>(),
    })
}

/// What is to be read of a message by who reads plain text, if there is any.
pub(super) fn plain(message: &Message) -> Option<String> {
    texts(message, "plain")
}

/// What is to be read of a message by who reads HTML, if there is any.
pub(super) fn html(message: &Message) -> Option<String> {
    texts(message, "html")
}

fn texts(message: &Message, subtype: &str) -> Option<String> {
    let structure = message.structure(true);
    let contents = structure.contents();
    let parts = if subtype == "plain" { contents.plain } else { contents.html };
    let texts: Vec<String> = parts
        .iter()
        .filter(|part| part.is("text", subtype))
        .filter_map(|part| text_of(message, part))
        .collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

fn text_of(message: &Message, part: &Part<'_>) -> Option<String> {
    message.text(message.root().find(&part.number)?).ok()
}

/// The content of a part, as a file: `2.1` is its number.
pub(super) fn part(message: &Message, number: &str) -> Result<Answer, Refused> {
    let wanted: Result<Vec<NonZeroU32>, _> = number.split('.').map(str::parse).collect();
    let wanted = wanted.map_err(|_| Refused::NotFound)?;
    let structure = message.structure(true);
    let part = structure.parts().find(|part| part.number == wanted).ok_or(Refused::NotFound)?;
    // What is encoded as nobody knows is given as it stands.
    let found = message.root().find(&wanted).ok_or(Refused::NotFound)?;
    let content = message.decoded(found).unwrap_or_else(|_| message.body(found));
    Ok(Answer::download("application/octet-stream", &name_of(&part), content))
}

fn name_of(part: &Part<'_>) -> String {
    part.file_name().unwrap_or_else(|| {
        let media_type = part.media_type();
        let kind = match &*media_type {
            "message/rfc822" | "message/global" => "eml",
            "text/plain" => "txt",
            "text/html" => "html",
            image => SHOWN.iter().find(|it| **it == image).map_or("bin", |it| ending(it)),
        };
        format!("part-{part}.{kind}")
    })
}

/// How the name of an image's file ends.
fn ending(media_type: &str) -> &str {
    let subtype = media_type.rsplit('/').next().unwrap_or_default();
    subtype.trim_start_matches("x-").split('+').next().unwrap_or_default()
}

/// The images that a message's HTML can name by their Content-ID, as `data:` URLs, as far as there is room for them.
pub(super) fn images(message: &Message) -> BTreeMap<String, String> {
    let structure = message.structure(true);
    let mut room = IMAGES;
    let named = structure.parts().filter_map(|part| {
        let media_type = part.media_type();
        let kind = SHOWN.iter().find(|kind| **kind == media_type)?;
        let id = String::from_utf8_lossy(part.content_id()?).into_owned();
        let found = message.root().find(&part.number)?;
        room = room.checked_sub(found.body.len())?;
        let content = BASE64_STANDARD.encode(message.decoded(found).ok()?);
        Some((id, format!("data:{kind};base64,{content}")))
    });
    named.collect()
}

fn people(addresses: &[Address], most: usize) -> Vec<Value> {
    let person = |NamedAddress { name, address, .. }| match most {
        usize::MAX => json!({ "name": name, "address": address }),
        _ => json!({ "name": name.map(|name| short(&name)), "address": short(&address) }),
    };
    reading::addresses(addresses).take(most).map(person).collect()
}

/// The fields of the header in their order, decoded.
fn headers(message: &Message) -> Vec<Value> {
    let mut room = HEADERS;
    let header = message.header(message.root());
    let fields = header::fields(&header).map_while(|field| {
        room = room.checked_sub(field.whole.len())?;
        let name = String::from_utf8_lossy(&field.name);
        Some(json!({ "name": name, "value": encoded_words(&field.value()) }))
    });
    fields.collect()
}

/// The parts of a message within each other.
fn tree(structure: &BodyStructure) -> Value {
    let known: BTreeMap<String, Part<'_>> = structure.parts().map(|part| (part.to_string(), part)).collect();
    match structure {
        BodyStructure::Single(_) => branch(structure, "1", &known),
        BodyStructure::Multi(_) => branch(structure, "", &known),
    }
}

fn branch(structure: &BodyStructure, number: &str, known: &BTreeMap<String, Part<'_>>) -> Value {
    let below =
        |at: usize| if number.is_empty() { format!("{}", at + 1) } else { format!("{number}.{}", at + 1) };
    let several = |parts: &[BodyStructure]| -> Vec<Value> {
        parts.iter().enumerate().map(|(at, part)| branch(part, &below(at), known)).collect()
    };
    match structure {
        BodyStructure::Multi(multi) => {
            let subtype = multi.media_subtype.to_string_lossy().to_ascii_lowercase();
            json!({ "number": number, "type": format!("multipart/{subtype}"), "parts": several(&multi.parts) })
        }
        BodyStructure::Single(part) => {
            let mut told = known.get(number).map(described).unwrap_or_default();
            told.insert(
                "encoding".into(),
                String::from_utf8_lossy(part.encoding.as_bytes()).to_ascii_lowercase().into(),
            );
            if let PartKind::Message(inner) = &part.kind {
                let parts = match &inner.body {
                    BodyStructure::Multi(multi) => several(&multi.parts),
                    single @ BodyStructure::Single(_) => several(std::slice::from_ref(single)),
                };
                told.insert("parts".into(), parts.into());
            }
            told.into()
        }
    }
}

/// What is told of a part, besides its content.
fn described(part: &Part<'_>) -> Map<String, Value> {
    let disposition = part.disposition().map(|found| found.kind.to_string_lossy().to_ascii_lowercase());
    let id = part.content_id().map(String::from_utf8_lossy);
    let told = [
        ("number", part.to_string().into()),
        ("type", part.media_type().into()),
        ("name", name_of(part).into()),
        ("disposition", disposition.into()),
        ("content_id", id.into()),
        ("charset", part.charset().map(String::from_utf8_lossy).into()),
        ("size", part.part.octets.into()),
    ];
    told.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}

fn short(text: &str) -> String {
    match text.char_indices().nth(LETTERS) {
        Some((end, _)) => format!("{}\u{2026}", text.split_at(end).0),
        None => text.to_owned(),
    }
}

/// A text of so many bytes at most.
fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_and_cuts() {
        assert_eq!(time(UNIX_EPOCH + Duration::from_millis(1_764_398_578_042)), "2025-11-29T06:42:58.042Z");
        assert_eq!(cut("a\u{fc}b".to_owned(), 2), "a");
        assert_eq!(cut("a\u{fc}b".to_owned(), 4), "a\u{fc}b");
        let long = "\u{fc}".repeat(LETTERS + 1);
        assert_eq!(short(&long).chars().count(), LETTERS + 1);
        assert!(short(&long).ends_with('\u{2026}'));
    }

    #[test]
    fn parts_within_each_other() {
        let raw = "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: message/rfc822\r\n\r\n\
            Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\nContent-Type: text/html\r\n\r\ny\r\n--b--\r\n\
            --a\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nz\r\n--a\r\n\
            Content-Type: image/png; name=\"../e.png\"\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <i@x>\r\n\r\nAAAA\r\n--a--\r\n";
        let message = Message::parse(raw.into());
        let told = tree(&message.structure(true));
        let numbers = |parts: &Value| -> Vec<String> {
            parts
                .as_array()
                .into_iter()
                .flatten()
                .map(|part| part["number"].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!((&told["type"], &told["number"]), (&json!("multipart/mixed"), &json!("")));
        assert_eq!(numbers(&told["parts"]), ["1", "2", "3"]);
        assert_eq!(numbers(&told["parts"][0]["parts"]), ["1.1", "1.2"]);
        assert_eq!(numbers(&told["parts"][1]["parts"]), ["2.1"]);
        assert_eq!(told["parts"][0]["parts"][1]["type"], "text/html");
        assert_eq!(told["parts"][2]["name"], "e.png");
        assert_eq!(told["parts"][2]["encoding"], "base64");
        assert_eq!(images(&message)["i@x"], "data:image/png;base64,AAAA");
        assert!(part(&message, "1.2").is_ok() && part(&message, "3").is_ok());
        assert_eq!((ending("image/svg+xml"), ending("image/x-icon")), ("svg", "icon"));
        for number in ["", "0", "4", "1.3", "x", "1.", "../1"] {
            assert!(part(&message, number).is_err(), "{number}");
        }
    }
}

//! The first words of a message, for a list of messages.

use super::{Content, Message, Part, decode::charset, header};

/// The most characters of a preview ([RFC 8970 section 3.3](https://www.rfc-editor.org/rfc/rfc8970#section-3.3)).
const CHARACTERS: usize = 200;
/// So many parts are looked at for one with words in it.
const PARTS: usize = 32;

impl Message {
    /// So many bytes of all texts together, before decoding, are looked at for a preview.
    const PREVIEWED: usize = 16 << 10;

    /// About how many bytes are looked at for a preview of a message of this size.
    pub(crate) fn preview_cost(size: u64) -> u64 {
        size.min(Self::PREVIEWED as u64)
    }

    /// Gives the message's first words in one line, at most 200 characters, without markup and without what it
    /// quotes where there is more: what PREVIEW shows ([RFC 8970](https://www.rfc-editor.org/rfc/rfc8970)). Empty if
    /// there are none, or if they are encrypted.
    ///
    /// ```
    /// use mailwire_store::message::Message;
    ///
    /// let message = Message::parse("Subject: x\r\n\r\n> Lunch?\r\n\r\nYes,\r\n  gladly.\r\n".into());
    /// assert_eq!(message.preview(), "Yes, gladly.");
    /// ```
    #[must_use]
    pub fn preview(&self) -> String {
        let mut texts = Vec::new();
        gather(&self.root, &mut texts);
        let plain = texts.iter().filter(|part| part.content_type.is("text", "plain"));
        let html = texts.iter().filter(|part| part.content_type.is("text", "html"));
        let mut left = Self::PREVIEWED;
        plain
            .chain(html)
            .filter_map(|part| self.words(part, &mut left))
            .find(|words| !words.is_empty())
            .unwrap_or_default()
    }

    /// The first words of a text, if it can be read and is no attachment; `left` bytes may still be looked at.
    fn words(&self, part: &Part, left: &mut usize) -> Option<String> {
        let disposition = header::first(&self.header(part), b"content-disposition").unwrap_or_default();
        let attached = disposition.get(..10).is_some_and(|kind| kind.eq_ignore_ascii_case(b"attachment"));
        if attached {
            return None;
        }
        let most = part.body.len().min(*left);
        *left -= most;
        let bytes = match self.decoder(part).ok()? {
            Ok(mut decoder) => {
                let mut decoded = Vec::new();
                decoder.next(&mut decoded, most);
                decoded.into()
            }
            Err(body) => body.slice(..body.len().min(most)),
        };
        let text = charset(&bytes, part.content_type.parameter("charset").map(|name| &name[..]));
        if part.content_type.is("text", "html") {
            return Some(one_line(&without_markup(&text)));
        }
        // Quotes and signatures are not what it is about, where there is anything else.
        let own: String = text
            .split_inclusive('\n')
            .take_while(|line| line.trim_end_matches(['\r', '\n']) != "-- ")
            .filter(|line| !line.starts_with('>'))
            .collect();
        Some(one_line(&own)).filter(|own| !own.is_empty()).or_else(|| Some(one_line(&text)))
    }
}

/// The texts of a message, in their order: not of messages inside it, nor what is encrypted.
fn gather<'a>(part: &'a Part, texts: &mut Vec<&'a Part>) {
    match &part.content {
        Content::Multipart(parts) if !part.content_type.is("multipart", "encrypted") => {
            for part in parts.iter().take(PARTS) {
                gather(part, texts);
            }
        }
        Content::Leaf { .. } if texts.len() < PARTS && part.content_type.is_text() => texts.push(part),
        _ => {}
    }
}

/// Words with one space between them.
fn one_line(text: &str) -> String {
    let (mut line, mut count, mut space) = (String::new(), 0, false);
    for letter in text.chars() {
        if letter.is_whitespace() || letter.is_control() || letter == '\u{feff}' {
            space = count > 0;
            continue;
        }
        if std::mem::take(&mut space) {
            line.push(' ');
            count += 1;
        }
        if count >= CHARACTERS {
            break;
        }
        line.push(letter);
        count += 1;
    }
    // A letter that was cut where looking ended.
    line.truncate(line.trim_end_matches([' ', '\u{fffd}']).len());
    line
}

/// Elements whose content is not shown.
const HIDDEN: [&str; 5] = ["head", "script", "style", "template", "title"];

/// The text of HTML, in one pass: tags are spaces, and what is hidden is left out.
fn without_markup(html: &str) -> String {
    let (mut text, mut rest) = (String::new(), html);
    // What would end the element that is left out.
    let mut hidden: Option<&str> = None;
    while let Some(open) = rest.find(['<', '&']) {
        let (before, markup) = rest.split_at(open);
        if hidden.is_none() {
            text.push_str(before);
        }
        if let Some(markup) = markup.strip_prefix('&') {
            let (letter, after) = entity(markup);
            if hidden.is_none() {
                text.push(letter);
            }
            rest = after;
            continue;
        }
        let end = if markup.starts_with("<!--") {
            markup.find("-->").map(|at| at + 3)
        } else {
            markup.find('>').map(|at| at + 1)
        };
        let Some((tag, after)) = end.and_then(|end| markup.split_at_checked(end)) else { return text };
        let name = tag.trim_start_matches(['<', '/']).split(|c: char| !c.is_ascii_alphanumeric()).next();
        let known = HIDDEN.iter().find(|known| name.is_some_and(|name| name.eq_ignore_ascii_case(known)));
        match (hidden, known) {
            (None, Some(known)) if !tag.starts_with("</") && !tag.ends_with("/>") => hidden = Some(known),
            (Some(begun), Some(known)) if tag.starts_with("</") && begun == *known => hidden = None,
            _ => {}
        }
        if !is_inline(name.unwrap_or_default()) {
            text.push(' ');
        }
        rest = after;
    }
    if hidden.is_none() {
        text.push_str(rest);
    }
    text
}

/// Elements that can stand within a word.
fn is_inline(name: &str) -> bool {
    ["a", "b", "em", "font", "i", "s", "span", "strong", "sub", "sup", "u", "wbr"]
        .iter()
        .any(|inline| name.eq_ignore_ascii_case(inline))
}

/// A character reference, after its `&`, and what follows it.
fn entity(markup: &str) -> (char, &str) {
    const LONGEST: usize = 10;
    let end = markup.bytes().take(LONGEST).position(|byte| byte == b';');
    let Some((name, rest)) = end.and_then(|end| markup.split_at_checked(end)) else { return ('&', markup) };
    let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    let letter = match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" | "zwnj" | "shy" => Some(' '),
        "ndash" => Some('\u{2013}'),
        "mdash" => Some('\u{2014}'),
        "hellip" => Some('\u{2026}'),
        _ => match name.strip_prefix('#').map(|number| number.strip_prefix(['x', 'X']).ok_or(number)) {
            Some(Ok(hex)) => number(hex, 16),
            Some(Err(decimal)) => number(decimal, 10),
            None => None,
        },
    };
    match letter {
        Some(letter) => (letter, rest.strip_prefix(';').unwrap_or(rest)),
        None => ('&', markup),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preview(raw: impl Into<Vec<u8>>) -> String {
        Message::parse(raw.into().into()).preview()
    }

    #[test]
    fn words_of_all_kinds() {
        let html = "Content-Type: text/html; charset=utf-8\r\n\r\n<html><head><title>no</title></head>\
            <style>p { x: y }</style><!-- <p>no</p> --><p>Gr&uuml;&#252;&#xDF;e<br>a<b>b</b>c &amp; &lt;d&gt;</p>";
        assert_eq!(preview(html), "Gr&uuml;\u{fc}\u{df}e abc & <d>");
        let alternative = "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\
            Content-Type: multipart/alternative; boundary=y\r\n\r\n--y\r\nContent-Type: text/html\r\n\r\n<i>h</i>\
            \r\n--y\r\nContent-Transfer-Encoding: base64\r\n\r\ncGxhaW4=\r\n--y--\r\n--x\r\n\
            Content-Disposition: ATTACHMENT\r\n\r\nno\r\n--x--\r\n";
        assert_eq!(preview(alternative), "plain");
        let attached = "Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nno\r\n";
        assert_eq!(preview(attached), "");
        for (body, expected) in [
            ("> a\r\n\r\n\tb  c\r\n-- \r\nme\r\n", "b c"),
            ("> a\r\n> b\r\n", "> a > b"),
            ("-- \r\nme", "-- me"),
            ("", ""),
            (" \r\n\u{feff}\u{1}\r\n", ""),
        ] {
            assert_eq!(preview(format!("Subject: s\r\n\r\n{body}")), expected);
        }
        assert_eq!(
            preview("Content-Type: text/plain; charset=iso-8859-1\r\n\r\nJ\u{f6}rg".replace('\u{f6}', "?")),
            "J?rg"
        );
        assert_eq!(preview("Content-Type: image/png\r\n\r\nabc"), "");
        assert_eq!(preview("Content-Transfer-Encoding: x-own\r\n\r\nabc"), "");
        let encrypted = "Content-Type: multipart/encrypted; boundary=x\r\n\r\n--x\r\n\r\nno\r\n--x--\r\n";
        assert_eq!(preview(encrypted), "");
    }

    #[test]
    fn no_more_than_two_hundred_characters_however_long_it_is() {
        let words = preview(format!("Subject: s\r\n\r\n{}", "\u{e4} ".repeat(40_000)));
        assert_eq!(words.chars().count(), 199, "{words}");
        // Where looking ends in the middle of a letter.
        let spaces = format!("Subject: s\r\n\r\n{}\u{e4}", " ".repeat(Message::PREVIEWED - 1));
        assert_eq!(preview(spaces), "");
        // Nor is more looked at where it is in many parts.
        let part = |text: &str| format!("--x\r\n\r\n{text}\r\n");
        let start = format!("Content-Type: multipart/mixed; boundary=x\r\n\r\n{}", part(&" ".repeat(10_000)));
        assert_eq!(preview(format!("{start}{}--x--", part("a"))), "a");
        assert_eq!(preview(format!("{start}{}{}--x--", part(&" ".repeat(10_000)), part("a"))), "");
        for html in ["<", "&", "<!--", "<p", "&#x;", "&#99999999;", "<style>", "</"] {
            let body = format!("Content-Type: text/html\r\n\r\n{}", html.repeat(20_000));
            assert!(preview(body).chars().count() <= 200);
        }
    }
}

//! HTML that somebody else has written, for a frame of the page.
//!
//! What keeps it from running and loading anything is its frame, which is a sandbox, and the policy that it is served with.
//! Here, what they leave open is taken away: elements that have a browser connect to a server, or that have documents of their own.

use std::collections::BTreeMap;

use super::query::unescaped;

/// With the images in it, HTML may become so much longer, in bytes.
pub(super) const IMAGES: usize = 32 << 20;

/// A Content-ID is no longer, in bytes: no line of a header is.
const ID: usize = 998;

/// Elements without an end tag that are replaced by one which means nothing and may stand in the same places. A tag has its
/// name literally, whatever is done with its text.
const REPLACED: [&str; 5] = [
    "base", "embed", "frame", // With preconnect, no policy keeps a browser from connecting.
    "link", "meta",
];
/// Elements that are replaced, and not what is between their tags. Those of animations give others a link while they are shown.
const OPENED: [&str; 7] = ["animate", "applet", "fencedframe", "iframe", "object", "portal", "set"];

/// A link leads nowhere: a browser connects to where it leads as soon as a finger is on it. It looks like one, and the page
/// shows where it leads. An attribute has its name literally, too.
const LINK: &str = "data-href";
const LOOKS: &str = "<style>:where(a[data-href]){color:#00e;text-decoration:underline}</style>";

/// HTML to be shown, with the images of the message where it names them by their Content-ID.
pub(super) fn tamed(html: &str, images: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(html.len() + 64);
    let (declaration, mut rest) = html.split_at(declaration(html));
    out.push_str(declaration);
    out.push_str(LOOKS);
    let mut left = Remaining { room: IMAGES, names: html.len() + ID };
    while let Some(at) = rest.find(['<', 'c', 'C', 'h', 'H']) {
        let (before, found) = rest.split_at(at);
        out.push_str(before);
        let replaced = tag(found).or_else(|| link(found)).or_else(|| image(found, images, &mut left));
        let (done, after) = replaced.unwrap_or_else(|| found.split_at(1));
        out.push_str(done);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Where a document type declaration ends, if there is one: what stands before it would have it ignored.
fn declaration(html: &str) -> usize {
    let start = html.len() - html.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).len();
    let is_one = html.get(start..start + 9).is_some_and(|begin| begin.eq_ignore_ascii_case("<!doctype"));
    is_one.then(|| html.find('>')).flatten().map_or(0, |end| end + 1)
}

/// What stands for the begin of a tag, and the rest after it, if its element is replaced.
fn tag(found: &str) -> Option<(&'static str, &str)> {
    let (is_end, name) = match found.strip_prefix("</") {
        Some(name) => (true, name),
        None => (false, found.strip_prefix('<')?),
    };
    let length = name.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(name.len());
    let (name, rest) = name.split_at(length);
    let is_one = |elements: &[&str]| elements.iter().any(|element| element.eq_ignore_ascii_case(name));
    let begin = match (is_one(&REPLACED), is_one(&OPENED), is_end) {
        (true, _, false) => "<bgsound",
        (true, _, true) => "</bgsound",
        (_, true, false) => "<x-element",
        (_, true, true) => "</x-element",
        _ => return None,
    };
    Some((begin, rest))
}

/// The attribute that stands for `href`, and the rest after it, if a value follows.
fn link(found: &str) -> Option<(&'static str, &str)> {
    let (name, rest) = found.split_at_checked(4)?;
    let has_value = rest.trim_start_matches(['\t', '\n', '\x0c', '\r', ' ']).starts_with('=');
    (has_value && name.eq_ignore_ascii_case("href")).then_some((LINK, rest))
}

/// What may still be done for images.
struct Remaining {
    /// So many bytes of them fit in.
    room: usize,
    /// So many bytes of names are looked at: those of images stand one after the other, and only others within each other.
    names: usize,
}

/// An image in the place of `cid:`, and the rest after it, if the message has it and there is room.
fn image<'a>(
    found: &'a str,
    images: &'a BTreeMap<String, String>,
    left: &mut Remaining,
) -> Option<(&'a str, &'a str)> {
    let (scheme, rest) = found.split_at_checked(4)?;
    if !scheme.eq_ignore_ascii_case("cid:") {
        return None;
    }
    let ends = |byte: u8| byte.is_ascii_whitespace() || b"\"'()<>".contains(&byte);
    let end = rest.bytes().take(ID.min(left.names)).position(ends);
    left.names -= end.unwrap_or(ID).min(left.names);
    let (id, rest) = rest.split_at(end?);
    let image = images.get(&unescaped(id))?;
    left.room = left.room.checked_sub(image.len())?;
    Some((image, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(html: &str) -> String {
        let images = [("a b@x".to_owned(), "data:image/png;base64,AA==".to_owned())];
        tamed(html, &images.into()).replacen(LOOKS, "", 1)
    }

    #[test]
    fn what_connects_or_has_documents_of_its_own_is_replaced() {
        for (html, expected) in [
            ("<LINK rel=preconnect src=//x>", "<bgsound rel=preconnect src=//x>"),
            ("<link/rel=x><linked><link-x>", "<bgsound/rel=x><linked><bgsound-x>"),
            ("<meta http-equiv=refresh content='0;//x'>", "<bgsound http-equiv=refresh content='0;//x'>"),
            ("<base href=//x></base>", "<bgsound data-href=//x></bgsound>"),
            (
                "<iframe srcdoc='<link>'><meta></IFRAME>",
                "<x-element srcdoc='<bgsound>'><bgsound></x-element>",
            ),
            ("<object data=x>y</object><embed src=x>", "<x-element data=x>y</x-element><bgsound src=x>"),
            ("<frameset><frame src=x></frameset>", "<frameset><bgsound src=x></frameset>"),
            ("a < b, <", "a < b, <"),
            ("<", "<"),
            ("</", "</"),
            (
                "<a><animate attributeName=href values=//x /><set to=//y /></a>",
                "<a><x-element attributeName=href values=//x /><x-element to=//y /></a>",
            ),
            ("<li\u{fc}nk>", "<li\u{fc}nk>"),
            ("<link", "<bgsound"),
        ] {
            assert_eq!(shown(html), expected);
        }
    }

    #[test]
    fn links_lead_nowhere() {
        for (html, expected) in [
            ("<a HREF \n= '//x'>h", "<a data-href \n= '//x'>h"),
            ("<image xlink:href=x/href=y>", "<image xlink:data-href=x/data-href=y>"),
            ("href, hreflang=de, hre", "href, hreflang=de, hre"),
        ] {
            assert_eq!(shown(html), expected);
        }
    }

    #[test]
    fn a_declaration_stays_the_first() {
        assert!(tamed("<p>x", &BTreeMap::new()).starts_with(LOOKS));
        let declared = tamed("\n<!DOCTYPE html><p>x", &BTreeMap::new());
        assert_eq!(declared, format!("\n<!DOCTYPE html>{LOOKS}<p>x"));
        assert!(tamed("<!doctype", &BTreeMap::new()).starts_with(LOOKS));
    }

    #[test]
    fn images_of_the_message_are_shown() {
        let image = "data:image/png;base64,AA==";
        for (html, expected) in [
            ("<img src=\"cid:a%20b@x\">", format!("<img src=\"{image}\">")),
            ("url(CID:a%20b@x) cid:", format!("url({image}) cid:")),
            ("cid:cid:a%20b@x ", format!("cid:{image} ")),
            ("cid:other, c, C\u{fc}", "cid:other, c, C\u{fc}".to_owned()),
        ] {
            assert_eq!(shown(html), expected);
        }
        // Each of these looks like a name that goes on to the end, and the work on them comes to one.
        let long = format!("{}cid:a%20b@x ", "cid:".repeat(10_000));
        assert!(shown(&long) == long, "an image after names within each other");
        let large = "x".repeat(IMAGES / 3);
        let html = "cid:large ".repeat(10);
        assert_eq!(tamed(&html, &[("large".to_owned(), large)].into()).matches("cid:large").count(), 7);
    }
}

//! Small XML documents of strangers: no entity but the five that XML has, no document type, and bounds on all that can grow.

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};

use super::DocumentError;

/// How deep elements may stand within each other.
const DEPTH: usize = 16;

/// How many elements a document may have.
const ELEMENTS: usize = 4096;

/// How many attributes of an element are looked at.
const ATTRIBUTES: usize = 16;

/// An element, by names without prefixes.
#[derive(Debug, Default)]
pub(super) struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    elements: Vec<Element>,
}

impl Element {
    /// Reads a document, whose size the caller has bounded.
    pub(super) fn parse(document: &[u8]) -> Result<Self, DocumentError> {
        let document = document.strip_prefix("\u{feff}".as_bytes()).unwrap_or(document);
        let text = std::str::from_utf8(document).map_err(|_| DocumentError::new("not UTF-8"))?;
        let mut reader = Reader::from_str(text);
        let mut open: Vec<Self> = Vec::new();
        let mut root = None;
        let mut count = 0_usize;
        loop {
            let event = reader.read_event().map_err(DocumentError::new)?;
            if matches!(event, Event::Start(_) | Event::Empty(_)) {
                count = count.saturating_add(1);
                if count > ELEMENTS || open.len() >= DEPTH {
                    return Err(DocumentError::new(
                        "more elements, or deeper ones, than such a document has",
                    ));
                }
                if open.is_empty() && root.is_some() {
                    return Err(DocumentError::new("two documents"));
                }
            }
            match event {
                Event::Start(start) => open.push(Self::begin(&start)?),
                Event::Empty(start) => close(&mut open, &mut root, Self::begin(&start)?),
                Event::End(_) => {
                    let element =
                        open.pop().ok_or_else(|| DocumentError::new("an end without a beginning"))?;
                    close(&mut open, &mut root, element);
                }
                Event::Text(text) => {
                    push(&mut open, &text.xml10_content().map_err(DocumentError::new)?);
                }
                Event::CData(text) => push(&mut open, &text.decode().map_err(DocumentError::new)?),
                Event::GeneralRef(reference) => {
                    let known = match reference.resolve_char_ref().map_err(DocumentError::new)? {
                        Some(letter) => Some(letter),
                        None => predefined(&reference),
                    };
                    let letter = known.ok_or_else(|| DocumentError::new("an entity"))?;
                    push(&mut open, letter.encode_utf8(&mut [0; 4]));
                }
                Event::DocType(_) => return Err(DocumentError::new("a document type")),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof if open.is_empty() => break,
                Event::Eof => return Err(DocumentError::new("it ends in the middle")),
            }
        }
        root.ok_or_else(|| DocumentError::new("no element"))
    }

    fn begin(start: &BytesStart<'_>) -> Result<Self, DocumentError> {
        let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        // Looking for an attribute that is there twice would be quadratic.
        let mut attributes = start.attributes();
        let attributes = attributes.with_checks(false).take(ATTRIBUTES);
        let attributes = attributes.map(|attribute| {
            let attribute = attribute.map_err(DocumentError::new)?;
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(DocumentError::new)?;
            Ok((name(attribute.key.local_name().as_ref()), value.into_owned()))
        });
        Ok(Self {
            name: name(start.local_name().as_ref()),
            attributes: attributes.collect::<Result<_, DocumentError>>()?,
            ..Self::default()
        })
    }

    /// Returns the element if it has this name.
    pub(super) fn named(&self, name: &str) -> Option<&Self> {
        (self.name == name).then_some(self)
    }

    /// Returns the elements within it that have this name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> + 'a {
        self.elements.iter().filter(move |element| element.name == name)
    }

    /// Returns the first element within it that has this name.
    pub(super) fn first(&self, name: &str) -> Option<&Self> {
        self.elements.iter().find(|element| element.name == name)
    }

    /// Returns the text of the first element within it that has this name, if it has one.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.first(name).map(Self::text).filter(|text| !text.is_empty())
    }

    /// Returns the text, without space around it.
    pub(super) fn text(&self) -> &str {
        self.text.trim()
    }

    /// Returns the value of an attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim())
    }
}

fn close(open: &mut [Element], root: &mut Option<Element>, element: Element) {
    match open.last_mut() {
        Some(parent) => parent.elements.push(element),
        None => *root = Some(element),
    }
}

fn push(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

/// [Extensible Markup Language section 4.6](https://www.w3.org/TR/xml/#sec-predefined-ent).
const fn predefined(name: &[u8]) -> Option<char> {
    match name {
        b"amp" => Some('&'),
        b"apos" => Some('\''),
        b"gt" => Some('>'),
        b"lt" => Some('<'),
        b"quot" => Some('"'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_attributes_and_texts() {
        let root = Element::parse(
            b"<?xml version=\"1.0\"?><!-- c --><x:a xmlns:x='u'><b c=\"&lt;d\">e &amp; &#102;<![CDATA[<g>]]></b><b/></x:a>",
        )
        .unwrap();
        assert!(root.named("a").is_some());
        assert_eq!(root.text_of("b"), Some("e & f<g>"));
        assert_eq!((root.all("b").count(), root.first("b").unwrap().attribute("c")), (2, Some("<d")));
    }

    #[test]
    fn hostile_documents_are_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"cc\"><!ENTITY d \"&b;&b;\">]><a>&d;</a>";
        let outside = "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>";
        let deep = "<a>".repeat(100_000);
        let wide = format!("<a>{}</a>", "<b/>".repeat(5000));
        let attributes = format!("<a {}/>", (0..20_000).map(|n| format!("b{n}='' ")).collect::<String>());
        for (document, reason) in [
            (bomb, "document type"),
            (outside, "document type"),
            ("<a>&unknown;</a>", "entity"),
            ("<a b='&unknown;'/>", ""),
            ("<a>&#0;</a>", ""),
            (&deep, "deeper"),
            (&wide, "more elements"),
            ("<a><b></a></b>", ""),
            ("<a/><a/>", "two documents"),
            ("<a>", "in the middle"),
            ("</a>", ""),
            ("", "no element"),
            ("{}", "no element"),
        ] {
            let error = Element::parse(document.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(reason), "{reason}: {error}");
        }
        assert!(Element::parse(b"<a>\xff</a>").is_err());
        // No more of them is looked at than anybody has.
        assert_eq!(Element::parse(attributes.as_bytes()).unwrap().attributes.len(), ATTRIBUTES);
    }
}

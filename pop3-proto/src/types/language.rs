//! Languages, as LANG names them.

use mailwire_core::{Invalid, Text, text_newtype};

text_newtype! {
    /// The tag of a language, such as `de` or `i-default` ([RFC 5646](https://www.rfc-editor.org/rfc/rfc5646)). The
    /// case of letters does not count.
    ///
    /// ```text
    /// tag = 1*8ALPHA *("-" 1*8alphanum)
    /// ```
    ///
    /// One that was read leniently can have other printable ASCII.
    pub struct LanguageTag: str, ignore_case;
}

text_newtype! {
    /// A range of languages ([RFC 4647 section 2.1](https://www.rfc-editor.org/rfc/rfc4647#section-2.1)): a language
    /// with all its variants, or `*`, the language that the server prefers.
    ///
    /// ```
    /// use mailwire_pop3::{LanguageRange, LanguageTag};
    ///
    /// let range = LanguageRange::new("de")?;
    /// assert!(range.matches(&LanguageTag::new("de-CH")?) && !range.matches(&LanguageTag::new("den")?));
    /// assert!(LanguageRange::PREFERRED.is_preferred());
    /// # Ok::<(), mailwire_pop3::Invalid>(())
    /// ```
    pub struct LanguageRange: str, ignore_case;
}

impl LanguageTag {
    /// The greatest length that is taken, in bytes.
    pub const MAX_LENGTH: usize = 64;

    /// A tag.
    ///
    /// # Errors
    ///
    /// It is no tag, or has more than 64 octets.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        let text = text.into();
        match find_invalid(text.as_bytes()) {
            None => Ok(Self(text)),
            Some((offset, reason)) => Err(Invalid::new("language tag", offset, reason)),
        }
    }
}

impl LanguageRange {
    /// `*`: the language that the server prefers ([RFC 6856 section
    /// 3.2](https://www.rfc-editor.org/rfc/rfc6856#section-3.2)).
    pub const PREFERRED: Self = Self(Text::from_static("*"));

    /// A range.
    ///
    /// # Errors
    ///
    /// It is neither a tag nor `*`, or has more than 64 octets.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        let text = text.into();
        if text == *"*" {
            return Ok(Self(text));
        }
        match find_invalid(text.as_bytes()) {
            None => Ok(Self(text)),
            Some((offset, reason)) => Err(Invalid::new("language range", offset, reason)),
        }
    }

    /// Whether it is `*`.
    #[must_use]
    pub fn is_preferred(&self) -> bool {
        self.as_bytes() == b"*"
    }

    /// Whether a language is within it: the tag is equal, or goes on with a hyphen ([RFC 4647 section
    /// 3.3.1](https://www.rfc-editor.org/rfc/rfc4647#section-3.3.1)). Any is within `*`.
    #[must_use]
    pub fn matches(&self, tag: &LanguageTag) -> bool {
        let (range, tag) = (self.as_bytes(), tag.as_bytes());
        let begins = tag.get(..range.len()).is_some_and(|start| start.eq_ignore_ascii_case(range));
        self.is_preferred() || (begins && matches!(tag.get(range.len()), None | Some(b'-')))
    }
}

impl From<LanguageTag> for LanguageRange {
    fn from(tag: LanguageTag) -> Self {
        Self(tag.0)
    }
}

fn find_invalid(tag: &[u8]) -> Option<(usize, &'static str)> {
    const SUBTAG: usize = 8;
    if tag.len() > LanguageTag::MAX_LENGTH {
        return Some((LanguageTag::MAX_LENGTH, "it is too long"));
    }
    let mut offset = 0;
    for (index, subtag) in tag.split(|&byte| byte == b'-').enumerate() {
        let allowed =
            |byte: &u8| if index == 0 { byte.is_ascii_alphabetic() } else { byte.is_ascii_alphanumeric() };
        if let Some(at) = subtag.iter().position(|byte| !allowed(byte)) {
            return Some((offset + at, "a character that no tag has there"));
        }
        if !(1..=SUBTAG).contains(&subtag.len()) {
            return Some((offset, "a part that has not 1 to 8 characters"));
        }
        offset += subtag.len() + 1;
    }
    None
}

//! The name in USER and APOP.

use mailwire_core::{Invalid, Text, private::check_text, text_newtype};

text_newtype! {
    /// The name of a mailbox in USER and APOP ([RFC 1939 section
    /// 7](https://www.rfc-editor.org/rfc/rfc1939#section-7)). Its meaning is the server's.
    ///
    /// No space and no control character; UTF-8 is possible, and for servers that say `UTF8 USER`
    /// ([RFC 6856 section 2.2](https://www.rfc-editor.org/rfc/rfc6856#section-2.2)).
    pub struct UserName: bytes;
}

impl UserName {
    /// A user name.
    ///
    /// # Errors
    ///
    /// It is empty, or has a space, a control character, or what is not UTF-8.
    pub fn new(text: impl Into<Text>) -> Result<Self, Invalid> {
        let text = text.into();
        Self::validate(text.as_bytes())?;
        Ok(Self(text))
    }

    /// What [`new`](Self::new) looks at.
    pub(crate) fn validate(text: &[u8]) -> Result<(), Invalid> {
        const WHAT: &str = "user name";
        let allowed = |byte| byte > b' ' && byte != 0x7f;
        check_text(WHAT, text, 1..=usize::MAX, allowed, "a space or control character")?;
        match core::str::from_utf8(text) {
            Ok(_) => Ok(()),
            Err(error) => Err(Invalid::new(WHAT, error.valid_up_to(), Self::NOT_UTF_8)),
        }
    }

    /// The reason why bytes are refused that are not UTF-8.
    pub(crate) const NOT_UTF_8: &str = "not UTF-8";

    /// Whether it needs `UTF8 USER` ([RFC 6856 section 2.2](https://www.rfc-editor.org/rfc/rfc6856#section-2.2)).
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.as_bytes().is_ascii()
    }
}

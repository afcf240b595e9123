//! Replies, from server to client.

mod code;
mod frame;
mod lines;
mod meaning;
mod parse;
mod status;
mod write;

use alloc::vec::Vec;
use core::fmt;

use mailwire_core::{Invalid, Text};

pub use code::{EnhancedCode, ReplyCode};
pub use frame::{ReplyFrame, ReplyFramer};
pub use lines::ReplyLines;
use lines::Written;
pub(crate) use parse::has_code;
pub use status::{EnhancedStatus, Subject};
pub(crate) use write::write_line;

/// A reply of a server: a code, perhaps an enhanced code, and one or more lines of text
/// ([RFC 5321 section 4.2](https://www.rfc-editor.org/rfc/rfc5321#section-4.2)).
///
/// # Examples
///
/// ```
/// use mailwire_core::Dialect;
/// use mailwire_smtp::Reply;
///
/// let frame = bytes::Bytes::from_static(b"550-5.1.1 No such user here\r\n550 5.1.1 Sorry");
/// let reply = Reply::parse(&frame, Dialect::Strict).unwrap().value;
/// assert_eq!((reply.code().get(), reply.enhanced().unwrap().to_string()), (550, "5.1.1".into()));
/// assert_eq!(reply.lines().last().unwrap(), "Sorry");
///
/// let mut out = Vec::new();
/// reply.write(&mut out);
/// assert_eq!(out, b"550-5.1.1 No such user here\r\n550 5.1.1 Sorry\r\n");
/// ```
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Reply {
    code: ReplyCode,
    enhanced: Option<EnhancedCode>,
    #[cfg_attr(feature = "serde", serde(rename = "lines"))]
    text: Written,
}

impl Reply {
    /// A reply of a program's own making: one line. What cannot stand in a reply, line ends for
    /// instance, becomes `?`; where that would hide a mistake, use [`try_new`](Self::try_new).
    ///
    /// A text that starts with an enhanced code is read as having one.
    #[must_use]
    pub fn new(code: ReplyCode, text: &str) -> Self {
        Self::from_lines(code, &[printable(text)])
    }

    /// A reply of one line for each of `lines`, of which there must be one.
    ///
    /// # Errors
    ///
    /// No line, a control character other than a tab, text that is not UTF-8, or a line that makes
    /// the reply's line longer than 512 bytes ([RFC 5321 section
    /// 4.5.3.1.5](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1.5)).
    pub fn try_new(code: ReplyCode, lines: impl IntoIterator<Item = Text>) -> Result<Self, Invalid> {
        let lines: Vec<Text> = lines.into_iter().collect();
        for line in &lines {
            if let Some(offset) = line.as_bytes().iter().position(|&byte| !is_text(byte)) {
                return Err(Invalid::new("reply text", offset, "control character"));
            }
            if line.as_str().is_none() {
                return Err(Invalid::new("reply text", 0, "not UTF-8"));
            }
            if line.len() > MAX_TEXT {
                return Err(Invalid::new("reply text", MAX_TEXT, "too long for one line"));
            }
        }
        if lines.is_empty() {
            return Err(Invalid::new("reply text", 0, "a reply has a line"));
        }
        Ok(Self::from_lines(code, &lines))
    }

    fn from_lines(code: ReplyCode, lines: &[Text]) -> Self {
        let (text, enhanced) = Written::of(code, lines);
        Self { code, enhanced, text }
    }

    /// Sets the enhanced code to one of `subject` and `detail`, whose class is the reply's own
    /// ([RFC 2034 section 4](https://www.rfc-editor.org/rfc/rfc2034#section-4)). A reply of an
    /// intermediate code has none.
    #[must_use]
    pub fn with_enhanced(mut self, subject: u16, detail: u16) -> Self {
        self.enhanced = EnhancedCode::new(self.code.class(), subject, detail);
        self
    }

    /// A refusal of a 4yz or 5yz code, an enhanced code and a text, which is treated as by [`new`](Self::new). Where
    /// the registry's own reply code will do, [`EnhancedStatus::reject`] and [`EnhancedStatus::defer`] cannot fail.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_smtp::Reply;
    ///
    /// let reply = Reply::reject(550, "5.1.1", "No such user here")?;
    /// assert!(reply.is_permanent_failure() && reply.is_unknown_recipient());
    /// assert!(Reply::reject(451, "5.1.1", "Which now?").is_err());
    /// # Ok::<(), mailwire_smtp::Invalid>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A code that refuses nothing; an enhanced code that is none, or is of another class ([RFC 2034 section
    /// 4](https://www.rfc-editor.org/rfc/rfc2034#section-4)).
    pub fn reject(code: u16, enhanced: &str, text: &str) -> Result<Self, Invalid> {
        let code = ReplyCode::try_from(code)?;
        let enhanced: EnhancedCode = enhanced.parse()?;
        match code.class() {
            4 | 5 if code.class() == enhanced.class() => Ok(Self::with_code(code, enhanced, text)),
            4 | 5 => Err(Invalid::new("enhanced code", 0, "another class than the reply's")),
            _ => Err(Invalid::new("reply code", 0, "expected 4xx or 5xx")),
        }
    }

    /// A reply of one line, with an enhanced code of the reply's class.
    pub(crate) fn with_code(code: ReplyCode, enhanced: EnhancedCode, text: &str) -> Self {
        Self { code, enhanced: Some(enhanced), text: Written::made(printable(text), 0) }
    }

    /// A reply of the program's own: code, enhanced subject and detail, text.
    pub(crate) fn of(code: ReplyCode, subject: u16, detail: u16, text: &'static str) -> Self {
        Self {
            code,
            enhanced: EnhancedCode::new(code.class(), subject, detail),
            text: Written::made(Text::from_static(text), 0),
        }
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> ReplyCode {
        self.code
    }

    /// The enhanced code, if the text started with one.
    #[must_use]
    pub const fn enhanced(&self) -> Option<EnhancedCode> {
        self.enhanced
    }

    /// The lines of text without codes. There is at least one; it may be empty.
    #[must_use]
    pub fn lines(&self) -> ReplyLines<'_> {
        self.text.lines()
    }

    /// The first line of text.
    #[must_use]
    pub fn first_line(&self) -> Text {
        self.lines().next().unwrap_or_default()
    }

    /// Whether it is 2yz: what was asked for is done.
    #[must_use]
    pub const fn is_positive(&self) -> bool {
        self.code.class() == 2
    }

    /// Whether it is 3yz: the server waits for more.
    #[must_use]
    pub const fn is_intermediate(&self) -> bool {
        self.code.class() == 3
    }

    /// Whether it is 4yz: not now.
    #[must_use]
    pub const fn is_transient_failure(&self) -> bool {
        self.code.class() == 4
    }

    /// Whether it is 5yz: not ever, in this form.
    #[must_use]
    pub const fn is_permanent_failure(&self) -> bool {
        self.code.class() == 5
    }

    /// A copy that keeps no receive buffer alive.
    #[must_use]
    pub fn compact(&self) -> Self {
        Self { code: self.code, enhanced: self.enhanced, text: self.text.compact() }
    }

    /// Adds a line, for replies that are built piece by piece.
    #[must_use]
    #[inline]
    pub fn with_line(self, line: &str) -> Self {
        Self { text: self.text.with(self.code, &printable(line)), ..self }
    }
}

/// A reply's line has at most 512 bytes: three of code, one space, the line end, and room for an
/// enhanced code.
const MAX_TEXT: usize = 512 - 6 - 10;

/// ```abnf
/// textstring = 1*(%d09 / %d32-126 / UTF8-non-ascii)   ; RFC 5321 section 4.2, RFC 6531 section 3.7.4.2
/// ```
pub(crate) const fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | 32..=126 | 128..)
}

/// Text of a program's own making that fits into a line.
fn printable(text: &str) -> Text {
    if text.len() <= MAX_TEXT && text.bytes().all(is_text) {
        return Text::from(text);
    }
    let end = (0..=MAX_TEXT.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let text = text.get(..end).unwrap_or_default();
    Text::from(text.bytes().map(|byte| if is_text(byte) { byte } else { b'?' }).collect::<Vec<u8>>())
}

/// The code, the enhanced code, and the text in one line.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        for line in self.lines().filter(|line| !line.is_empty()) {
            write!(f, " {line}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("code", &self.code.get())
            .field("enhanced", &self.enhanced)
            .field("lines", &self.lines())
            .finish()
    }
}

//! Dot-stuffing, the framing of bodies in SMTP (RFC 5321 section 4.5.2) and POP3 (RFC 1939
//! section 3), as a streaming transform.
//!
//! A body ends in a line that is a lone dot; a body line that starts with a dot gets another one
//! in front. Both directions hand out slices of what they are given and copy nothing.
//!
//! A bare CR or LF in a body is how one message is smuggled into another (CVE-2023-51764 and its
//! kin), because servers disagree on whether it ends a line. A [`Stuffer`] never emits one; an
//! [`Unstuffer`] never takes one for a line end unless told to, and says that it met one.

pub(crate) mod bare;
mod mend;
mod scan;
mod stuff;
#[cfg(test)]
mod tests;
mod text;
mod unstuff;

pub use mend::Mender;
pub use stuff::{BareNewline, Mended, Stuffer};
pub use text::CheckedText;
pub use unstuff::{LineEnds, Unstuffed, Unstuffer};

/// What the bytes before a chunk ended in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// A whole line, or nothing yet.
    LineEnd,
    Cr,
    Other,
}

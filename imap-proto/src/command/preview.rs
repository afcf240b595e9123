//! How the first words of a message are asked for (RFC 8970).

use super::{rules::Need, writer::Writer};
use crate::{
    capability::Capability,
    types::{Reader, chars},
};

/// How PREVIEW is asked for ([RFC 8970 section 4](https://www.rfc-editor.org/rfc/rfc8970#section-4)); and
/// SNIPPET, which was before it.
///
/// ```
/// use mailwire_imap::command::{FetchAtt, PreviewMods};
///
/// let now = FetchAtt::Preview(PreviewMods::new());
/// let if_at_hand = FetchAtt::Preview(PreviewMods::new().with_lazy(true));
/// # let _ = (now, if_at_hand);
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PreviewMods {
    /// `LAZY`: only if it can be told without delay. Otherwise the answer is `NIL`.
    pub lazy: bool,
    /// `FUZZY`: by this algorithm, as early drafts had it. It is written only for servers with
    /// `PREVIEW=FUZZY` or `SNIPPET=FUZZY`.
    pub fuzzy: bool,
}

mailwire_core::setters!(const PreviewMods {
    with_lazy(lazy: bool),
    with_fuzzy(fuzzy: bool),
});

impl PreviewMods {
    /// The words, however long it takes to find them.
    #[must_use]
    pub const fn new() -> Self {
        Self { lazy: false, fuzzy: false }
    }

    /// What a server must have for PREVIEW.
    pub(super) fn needs(self) -> Need {
        Need::of(if self.fuzzy { &Capability::PreviewFuzzy } else { &Capability::Preview })
    }

    /// ```text
    /// [SP "(" preview-mod *(SP preview-mod) ")"]
    /// preview-mod = "LAZY"
    /// ```
    ///
    /// And `FUZZY` and `LAZY=FUZZY` of early drafts. Nothing is read of a list with anything else.
    #[cold]
    pub(super) fn read(r: &mut Reader<'_>) -> Self {
        let (start, mut mods) = (r.offset(), Self::new());
        if !r.rest().starts_with(b" (") {
            return mods;
        }
        r.skip(2);
        loop {
            let word = r.take_class(chars::ATOM);
            let is = |known: &str| chars::is_name(word, known);
            let (lazy, fuzzy) = (is("LAZY") || is("LAZY=FUZZY"), is("FUZZY") || is("LAZY=FUZZY"));
            if !lazy && !fuzzy {
                break;
            }
            (mods.lazy, mods.fuzzy) = (mods.lazy | lazy, mods.fuzzy | fuzzy);
            if r.eat(b')') {
                return mods;
            }
            if !r.eat(b' ') {
                break;
            }
        }
        r.seek(start);
        Self::new()
    }

    pub(super) fn write(self, e: &mut Writer<'_>) {
        e.put(match (self.lazy, self.fuzzy) {
            (false, false) => b"",
            (true, false) => b" (LAZY)",
            (false, true) => b" (FUZZY)",
            (true, true) => b" (LAZY=FUZZY)",
        });
    }
}

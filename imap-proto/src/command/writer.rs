//! How commands are written: strings and literals as the server can take them.

use alloc::{collections::VecDeque, vec::Vec};

use super::AString;
use crate::literal::Announcement;
use crate::types::{chars, is_astring_atom, is_quotable, write_number, write_plain_quoted, write_quoted};

/// Whether literals need the server's go-ahead (RFC 7888).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Literals {
    /// Each literal is announced with `{5}`, and the server says `+` before it is sent.
    #[default]
    Synchronizing,
    /// LITERAL-: those of up to 4096 bytes are sent at once, as `{5+}`.
    Minus,
    /// LITERAL+: all are sent at once.
    Plus,
}

/// The largest non-synchronizing literal under LITERAL-.
pub(crate) const LITERAL_MINUS: u64 = 4096;

impl Literals {
    /// Whether a literal of `size` bytes has to wait.
    #[must_use]
    pub const fn synchronizes(self, size: u64) -> bool {
        match self {
            Literals::Synchronizing => true,
            Literals::Minus => size > LITERAL_MINUS,
            Literals::Plus => false,
        }
    }
}

/// What the server understands, as far as writing depends on it.
///
/// The default is a server of which nothing is known.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct WriteOptions {
    /// How literals are announced.
    pub literals: Literals,
    /// UTF-8 may stand in quoted strings and mailbox names: IMAP4rev2 or UTF8=ACCEPT is on.
    pub utf8: bool,
}

mailwire_core::setters!(const WriteOptions {
    with_literals(literals: Literals),
    with_utf8(utf8: bool),
});

/// Where a command that is written has to wait.
///
/// Its bytes are in the buffer that was written to; at each of these places, counted from the start
/// of the command, a synchronizing literal begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// Offsets at which the server's `+` must have come before the rest is sent, ascending.
    pub waits: Vec<usize>,
    /// Where the bytes of literals belong that are streamed, and how many they are: offsets in what was written,
    /// ascending. At one that waits, too, the wait comes first.
    pub bodies: Vec<(usize, u64)>,
}

/// What is done with the rest of a command, step by step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteStep {
    /// The server's `+` is waited for.
    Wait,
    /// So many bytes of it are sent.
    Text(usize),
    /// So many bytes are sent that are elsewhere.
    Body { length: u64, binary: bool },
}

/// Appends the parts of one command to a buffer.
pub(crate) struct Writer<'a> {
    pub(crate) out: &'a mut Vec<u8>,
    pub(crate) options: WriteOptions,
    start: usize,
    /// Where the text is interrupted: for what, and after how many bytes.
    cuts: Vec<(usize, WriteStep)>,
    parts: Parts,
}

/// Where the parts of a command go that wait for the server.
enum Parts {
    /// To the same buffer.
    Together,
    /// To a buffer of their own, which this is.
    Aside(Vec<u8>),
    /// That is being written to; here is the one before it.
    Swapped(Vec<u8>),
}

impl<'a> Writer<'a> {
    #[inline]
    pub(crate) fn new(out: &'a mut Vec<u8>, options: WriteOptions) -> Self {
        let start = out.len();
        Self { out, options, start, cuts: Vec::new(), parts: Parts::Together }
    }

    /// A writer that puts what waits for the server into a buffer of its own.
    pub(crate) fn in_parts(out: &'a mut Vec<u8>, options: WriteOptions, room: usize) -> Self {
        Self { parts: Parts::Aside(Vec::with_capacity(room)), ..Self::new(out, options) }
    }

    #[inline]
    pub(crate) fn finish(self) -> Written {
        if self.cuts.is_empty() { Written::default() } else { Self::cut_at(self.cuts) }
    }

    #[cold]
    fn cut_at(cuts: Vec<(usize, WriteStep)>) -> Written {
        let mut written = Written::default();
        for (at, step) in cuts {
            match step {
                WriteStep::Wait => written.waits.push(at),
                WriteStep::Body { length, .. } => written.bodies.push((at, length)),
                WriteStep::Text(_) => {}
            }
        }
        written
    }

    /// What is not sent at once, if there is anything, and what is to be done with it.
    pub(crate) fn finish_parts(self) -> Option<(Vec<u8>, VecDeque<WriteStep>)> {
        let Parts::Swapped(first) = self.parts else { return None };
        let rest = core::mem::replace(self.out, first);
        let (mut steps, mut from) = (VecDeque::with_capacity(2 * self.cuts.len()), 0);
        for (index, (at, step)) in self.cuts.into_iter().enumerate() {
            // The first one is where the rest begins.
            let at = if index == 0 { 0 } else { at };
            if at > from {
                steps.push_back(WriteStep::Text(at - from));
            }
            from = at;
            steps.push_back(step);
        }
        if rest.len() > from {
            steps.push_back(WriteStep::Text(rest.len() - from));
        }
        Some((rest, steps))
    }

    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn number(&mut self, number: u64) {
        write_number(self.out, number);
    }

    /// `astring`: an atom if it can be one.
    // In one piece with `Login::write`.
    #[inline(always)]
    pub(crate) fn astring(&mut self, string: &AString) {
        self.astring_bytes(string.as_bytes());
    }

    #[inline]
    pub(crate) fn astring_bytes(&mut self, bytes: &[u8]) {
        if is_astring_atom(bytes) { self.put(bytes) } else { self.string_bytes(bytes) }
    }

    /// `string`: quoted if it can be, otherwise a literal.
    pub(crate) fn string_bytes(&mut self, bytes: &[u8]) {
        if write_plain_quoted(self.out, bytes) {
            return;
        }
        if is_quotable(bytes) || (self.options.utf8 && is_quotable_utf8(bytes)) {
            write_quoted(self.out, bytes);
        } else {
            self.announce(bytes.len() as u64, false);
            self.put(bytes);
        }
    }

    /// The header of a literal, after which its bytes go.
    pub(crate) fn announce(&mut self, size: u64, binary: bool) {
        let synchronizing = self.options.literals.synchronizes(size);
        Announcement { size, synchronizing, binary }.write(self.out);
        if synchronizing {
            self.wait();
        }
    }

    /// The name of a command that has a UID form.
    pub(crate) fn name(&mut self, uid: bool, name: &[u8]) {
        if uid {
            self.put(b"UID ");
        }
        self.put(name);
    }

    /// What follows waits for the server.
    pub(crate) fn wait(&mut self) {
        self.cut(WriteStep::Wait);
    }

    /// Bytes follow that are elsewhere.
    pub(crate) fn body(&mut self, length: u64, binary: bool) {
        self.cut(WriteStep::Body { length, binary });
    }

    #[cold]
    fn cut(&mut self, step: WriteStep) {
        self.cuts.push((self.out.len().saturating_sub(self.start), step));
        if let Parts::Aside(waiting) = &mut self.parts {
            let first = core::mem::replace(self.out, core::mem::take(waiting));
            self.parts = Parts::Swapped(first);
            self.start = 0;
        }
    }

    /// Each of `items`, with a space before each but the first.
    #[inline]
    pub(crate) fn spaced<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.put(b" ");
            }
            write(self, item);
        }
    }
}

/// UTF8-2, UTF8-3, UTF8-4 are QUOTED-CHARs of IMAP4rev2.
fn is_quotable_utf8(bytes: &[u8]) -> bool {
    bytes.len() <= 1000
        && bytes.iter().all(|&byte| byte >= 0x80 || chars::is(byte, chars::TEXT))
        && core::str::from_utf8(bytes).is_ok()
}

//! Messages for servers that take fewer bytes: parts are encoded again as they are sent.
//!
//! [RFC 6152 section 3](https://www.rfc-editor.org/rfc/rfc6152#section-3) has a client convert a message for a server without
//! 8BITMIME, or give it back; [RFC 3030 section 3](https://www.rfc-editor.org/rfc/rfc3030#section-3) likewise without
//! BINARYMIME. Each part is converted for itself (RFC 2045, RFC 2046); what is about several parts says `7bit`.

mod encode;
mod header;
mod walk;

use std::collections::VecDeque;

use bytes::Bytes;
use mailwire_core::{
    Misuse,
    dot::{Mended, Mender},
};

use self::{
    encode::{Base64, QuotedPrintable},
    header::{Encoding, Header, Kind},
    walk::{HeaderContext, Sink, Walk},
};
use super::needs::Target;

impl Target {
    const fn container(self) -> Encoding {
        match self {
            Self::SevenBit => Encoding::SevenBit,
            Self::EightBit => Encoding::EightBit,
        }
    }
}

/// A message that is converted as it is sent.
#[derive(Debug)]
pub(super) struct Downgrade {
    target: Target,
    /// Mends lines before they are looked into.
    mender: Option<Mender>,
    mended: Mended,
    walk: Walk,
    convert: Convert,
    /// About how long it will be.
    length: Option<u64>,
    /// What was read, and not converted yet.
    rest: Bytes,
    finished: bool,
}

/// So many bytes are converted at once: a message in memory may be one piece.
const AT_ONCE: usize = 64 * 1024;

impl Downgrade {
    /// Converts a message for `target`; `mends` says that CRs and LFs that stand alone become line ends. One in memory, of
    /// which the pieces are given, is looked through before: then all that cannot be converted is found here.
    ///
    /// # Errors
    ///
    /// What has to be converted and must not be: it is signed, or stands in a header.
    pub(super) fn new<'a>(
        target: Target,
        mends: bool,
        pieces: Option<impl Iterator<Item = &'a Bytes>>,
    ) -> Result<Self, Misuse> {
        let mut found = None;
        let mut length = None;
        let mut mended = Mended::default();
        let mender = || mends.then(Mender::new);
        if let Some(pieces) = pieces {
            let (mut mender, mut walk, mut survey) = (mender(), Walk::new(), Survey::new(target));
            for piece in pieces {
                walk.push(&mend(&mut mender, piece.clone()), &mut survey)?;
            }
            walk.finish(&mut survey)?;
            mended = mender.map_or(mended, |mut mender| mender.finish());
            length = Some(walk.offset().saturating_add(survey.growth));
            found = Some(survey.found);
        }
        let convert = Convert::new(target, found);
        let (mender, walk, rest) = (mender(), Walk::new(), Bytes::new());
        Ok(Self { target, mender, mended, walk, convert, length, rest, finished: false })
    }

    pub(super) const fn target(&self) -> Target {
        self.target
    }

    /// About how many bytes there will be, if that is known.
    pub(super) const fn length(&self) -> Option<u64> {
        self.length
    }

    /// The CRs and LFs that stood alone, and were made CR LF: of a message that is read, when it is at its end.
    pub(super) const fn mended(&self) -> Mended {
        self.mended
    }

    /// What was read and is to be converted [next](Self::next), before more is read.
    pub(super) fn rest(&mut self) -> Option<Bytes> {
        Some(std::mem::take(&mut self.rest)).filter(|rest| !rest.is_empty())
    }

    /// Takes what was read, nothing at the end, and gives what is to be sent; `None` where more is needed for that.
    ///
    /// # Errors
    ///
    /// What must not be converted.
    pub(super) fn next(&mut self, mut read: Bytes) -> Result<Option<Bytes>, Misuse> {
        self.rest = read.split_off(read.len().min(AT_ONCE));
        if read.is_empty() && !std::mem::replace(&mut self.finished, true) {
            self.walk.finish(&mut self.convert)?;
            self.mended = self.mender.as_mut().map_or(self.mended, Mender::finish);
        }
        self.walk.push(&mend(&mut self.mender, read), &mut self.convert)?;
        let out = std::mem::take(&mut self.convert.out);
        Ok((!out.is_empty() || self.finished).then(|| out.into()))
    }
}

fn mend(mender: &mut Option<Mender>, piece: Bytes) -> Bytes {
    match mender {
        Some(mender) => mender.push(piece),
        None => piece,
    }
}

/// What was found out of a part, before it is converted.
#[derive(Debug, Clone, Copy)]
struct Found {
    to: Option<Encoding>,
    charset: &'static str,
}

/// RFC 1428: bytes whose charset nobody has told.
const UNKNOWN: &str = "unknown-8bit";

const SIGNED: &str = "bytes that the server does not take, in a message or part that is signed as it is";
const IN_HEADER: &str = "a byte beyond ASCII in a header field";
const NOT_TO_BE_ENCODED: &str =
    "bytes that the server does not take, in a part whose type may not be encoded";
const WITHOUT_PARTS: &str = "a byte beyond ASCII in a multipart whose parts do not come";
const MISLABELLED: &str = "a byte beyond ASCII in a part that says it has none";

const fn refuse<T>(reason: &'static str, offset: u64) -> Result<T, Misuse> {
    Err(Misuse::InvalidBody { reason, offset })
}

/// A part that is looked through.
#[derive(Debug)]
struct Looked {
    header: Header,
    signed: bool,
    offset: u64,
    length: u64,
    special: u64,
    beyond_ascii: bool,
    /// It has a NUL, or a CR or LF that stands alone.
    binary: bool,
    after_cr: bool,
    utf8: bool,
}

/// Looks through a message in memory.
struct Survey {
    target: Target,
    signed: bool,
    /// Of each part, in order.
    found: VecDeque<Found>,
    part: Option<Looked>,
    growth: u64,
}

impl Survey {
    const fn new(target: Target) -> Self {
        Self { target, signed: false, found: VecDeque::new(), part: None, growth: 0 }
    }

    fn find(
        &mut self,
        to: Option<Encoding>,
        charset: &'static str,
        signed: bool,
        offset: u64,
    ) -> Result<(), Misuse> {
        if to.is_some() {
            if signed {
                return refuse(SIGNED, offset);
            }
            self.growth = self.growth.saturating_add(120);
        }
        self.found.push_back(Found { to, charset });
        Ok(())
    }
}

impl Sink for Survey {
    fn header(&mut self, _: &[u8], header: &Header, context: HeaderContext) -> Result<(), Misuse> {
        if let Some(at) = header.beyond_ascii {
            return refuse(IN_HEADER, context.offset.saturating_add(at as u64));
        }
        self.signed |= header.signed && context.outermost;
        let signed = self.signed || context.signed;
        match header.kind {
            Kind::Multipart { .. } | Kind::Message => {
                self.find(container(header, self.target), UNKNOWN, signed, context.offset)
            }
            Kind::Leaf { .. } | Kind::Opaque => {
                self.part = Some(Looked {
                    header: header.clone(),
                    signed,
                    offset: context.offset,
                    length: 0,
                    special: 0,
                    beyond_ascii: false,
                    binary: false,
                    after_cr: false,
                    utf8: true,
                });
                Ok(())
            }
        }
    }

    fn body(&mut self, bytes: &[u8]) -> Result<(), Misuse> {
        let Some(part) = &mut self.part else { return Ok(()) };
        part.length = part.length.saturating_add(bytes.len() as u64);
        for &byte in bytes {
            part.binary |= byte == 0 || part.after_cr != (byte == b'\n');
            part.after_cr = byte == b'\r';
            part.special += u64::from(QuotedPrintable::is_special(byte));
        }
        if !bytes.is_ascii() {
            part.beyond_ascii = true;
            part.utf8 &= std::str::from_utf8(bytes).is_ok();
        }
        Ok(())
    }

    fn body_end(&mut self) -> Result<(), Misuse> {
        let Some(part) = self.part.take() else { return Ok(()) };
        let binary = part.binary || part.after_cr;
        let wrong = binary || part.beyond_ascii && self.target == Target::SevenBit;
        let text = part.header.kind == Kind::Leaf { text: true };
        let to = match part.header.encoding {
            Encoding::SevenBit if !wrong => None,
            Encoding::EightBit if !wrong && self.target == Target::EightBit => None,
            Encoding::QuotedPrintable | Encoding::Base64 | Encoding::Other => match wrong {
                true => return refuse(MISLABELLED, part.offset),
                false => None,
            },
            // Only its name is wrong.
            Encoding::EightBit | Encoding::Binary if !wrong => Some(self.target.container()),
            _ if part.header.kind == Kind::Opaque => return refuse(NOT_TO_BE_ENCODED, part.offset),
            _ if text && !binary && part.special.saturating_mul(6) < part.length => {
                Some(Encoding::QuotedPrintable)
            }
            _ => Some(Encoding::Base64),
        };
        self.growth = self.growth.saturating_add(match to {
            Some(Encoding::QuotedPrintable) => {
                part.special.saturating_mul(2).saturating_add(part.length / 25)
            }
            Some(Encoding::Base64) => (part.length / 3).saturating_add(part.length / 27).saturating_add(4),
            _ => 0,
        });
        let charset = if part.utf8 { "utf-8" } else { UNKNOWN };
        self.find(to, charset, part.signed, part.offset)
    }

    fn between(&mut self, bytes: &[u8], signed: bool, offset: u64) -> Result<(), Misuse> {
        may_be_replaced(self.target, bytes, signed || self.signed, offset)
    }

    fn without_parts(&mut self, offset: u64) -> Result<(), Misuse> {
        without_parts(self.target, offset)
    }
}

/// Whether text that nobody reads may lose what the server does not take.
fn may_be_replaced(target: Target, bytes: &[u8], signed: bool, offset: u64) -> Result<(), Misuse> {
    match target == Target::SevenBit && signed && !bytes.is_ascii() {
        true => refuse(SIGNED, offset),
        false => Ok(()),
    }
}

/// Where no part comes, people read what stands there.
fn without_parts(target: Target, offset: u64) -> Result<(), Misuse> {
    match target {
        Target::SevenBit => refuse(WITHOUT_PARTS, offset),
        Target::EightBit => Ok(()),
    }
}

/// What a part with parts has to say, if that is something else.
fn container(header: &Header, target: Target) -> Option<Encoding> {
    let too_much = match target {
        Target::SevenBit => matches!(header.encoding, Encoding::EightBit | Encoding::Binary),
        Target::EightBit => header.encoding == Encoding::Binary,
    };
    too_much.then(|| target.container())
}

/// Converts a message.
#[derive(Debug)]
struct Convert {
    target: Target,
    found: Option<VecDeque<Found>>,
    signed: bool,
    encoder: Encoder,
    out: Vec<u8>,
    offset: u64,
}

#[derive(Debug)]
enum Encoder {
    Keep,
    QuotedPrintable(QuotedPrintable),
    Base64(Base64),
}

impl Convert {
    const fn new(target: Target, found: Option<VecDeque<Found>>) -> Self {
        Self { target, found, signed: false, encoder: Encoder::Keep, out: Vec::new(), offset: 0 }
    }

    /// What is made of a part that nobody has looked through: what it says of itself has to do.
    fn by_header(&mut self, header: &Header, context: HeaderContext) -> Result<Found, Misuse> {
        if let Some(at) = header.beyond_ascii {
            return refuse(IN_HEADER, context.offset.saturating_add(at as u64));
        }
        self.signed |= header.signed && context.outermost;
        let to = match (&header.kind, header.encoding) {
            (Kind::Multipart { .. } | Kind::Message, _) => container(header, self.target),
            (_, Encoding::EightBit) if self.target == Target::EightBit => None,
            (Kind::Opaque, Encoding::EightBit | Encoding::Binary) => {
                return refuse(NOT_TO_BE_ENCODED, context.offset);
            }
            (Kind::Leaf { text: true }, Encoding::EightBit) => Some(Encoding::QuotedPrintable),
            (_, Encoding::EightBit | Encoding::Binary) => Some(Encoding::Base64),
            _ => None,
        };
        if to.is_some() && (self.signed || context.signed) {
            return refuse(SIGNED, context.offset);
        }
        Ok(Found { to, charset: UNKNOWN })
    }
}

impl Sink for Convert {
    fn header(&mut self, block: &[u8], header: &Header, context: HeaderContext) -> Result<(), Misuse> {
        let found = match &mut self.found {
            Some(found) => found.pop_front().unwrap_or(Found { to: None, charset: UNKNOWN }),
            None => self.by_header(header, context)?,
        };
        self.offset = context.offset;
        self.encoder = match found.to {
            Some(Encoding::QuotedPrintable) => Encoder::QuotedPrintable(QuotedPrintable::default()),
            Some(Encoding::Base64) => Encoder::Base64(Base64::default()),
            _ => Encoder::Keep,
        };
        match found.to {
            Some(to) => header.write(block, to, found.charset, context.message, &mut self.out),
            None => self.out.extend_from_slice(block),
        }
        if context.empty_line {
            self.out.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    fn body(&mut self, bytes: &[u8]) -> Result<(), Misuse> {
        match &mut self.encoder {
            Encoder::Keep if self.target == Target::SevenBit && !bytes.is_ascii() => {
                return refuse(MISLABELLED, self.offset);
            }
            Encoder::Keep => self.out.extend_from_slice(bytes),
            Encoder::QuotedPrintable(encoder) => encoder.push(bytes, &mut self.out),
            Encoder::Base64(encoder) => encoder.push(bytes, &mut self.out),
        }
        Ok(())
    }

    fn body_end(&mut self) -> Result<(), Misuse> {
        match std::mem::replace(&mut self.encoder, Encoder::Keep) {
            Encoder::Keep => {}
            Encoder::QuotedPrintable(encoder) => encoder.finish(&mut self.out),
            Encoder::Base64(encoder) => encoder.finish(&mut self.out),
        }
        Ok(())
    }

    /// Nobody reads what stands there beside boundaries.
    fn between(&mut self, bytes: &[u8], signed: bool, offset: u64) -> Result<(), Misuse> {
        may_be_replaced(self.target, bytes, signed || self.signed, offset)?;
        match self.target {
            Target::SevenBit => {
                self.out.extend(bytes.iter().map(|byte| if byte.is_ascii() { *byte } else { b'?' }))
            }
            Target::EightBit => self.out.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn without_parts(&mut self, offset: u64) -> Result<(), Misuse> {
        without_parts(self.target, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(target: Target, surveyed: bool, pieces: &[Bytes]) -> Result<Vec<u8>, Misuse> {
        let mut downgrade = Downgrade::new(target, false, surveyed.then(|| pieces.iter()))?;
        let (mut out, mut pieces) = (Vec::new(), pieces.iter().cloned());
        loop {
            let read = downgrade.rest().or_else(|| pieces.next()).unwrap_or_default();
            match downgrade.next(read)? {
                Some(bytes) if bytes.is_empty() => return Ok(out),
                bytes => out.extend_from_slice(&bytes.unwrap_or_default()),
            }
        }
    }

    fn cut(message: &[u8], size: usize) -> Vec<Bytes> {
        message.chunks(size).map(Bytes::copy_from_slice).collect()
    }

    #[test]
    fn parts_are_found_wherever_long_lines_are_cut() {
        let long = "\u{e9}".repeat(700);
        let spaces = " ".repeat(2000);
        let message = format!(
            "MIME-Version: 1.0\r\nX-Long: {}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
             Content-Type: application/x\r\nContent-Transfer-Encoding: binary\r\n\r\n{long}\r\n{long}\r\n--b{spaces}\r\n\
             \r\n--b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{long}\r\n--b--\r\n",
            "x".repeat(1100)
        );
        for target in [Target::SevenBit, Target::EightBit] {
            for surveyed in [true, false] {
                let whole = converted(target, surveyed, &cut(message.as_bytes(), usize::MAX)).unwrap();
                for size in (1..40).chain(990..1130).chain(2000..2020) {
                    let pieces = cut(message.as_bytes(), size);
                    assert!(
                        converted(target, surveyed, &pieces).unwrap() == whole,
                        "{target:?} {surveyed} {size}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_large_piece_is_converted_bit_by_bit() {
        let body = "\u{e9}\r\n".repeat(100_000);
        let message = format!(
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{body}"
        );
        let pieces = [Bytes::from(message.clone())];
        let mut downgrade = Downgrade::new(Target::SevenBit, true, Some(pieces.iter())).unwrap();
        let first = downgrade.next(pieces[0].clone()).unwrap().unwrap();
        assert!(first.len() < 4 * AT_ONCE && downgrade.rest().is_some());
        let whole = converted(Target::SevenBit, true, &pieces).unwrap();
        assert!(whole == converted(Target::SevenBit, true, &cut(message.as_bytes(), 1000)).unwrap());
    }

    /// What is put in place of it is nobody's loss beside parts; without them, or under a signature, it is.
    #[test]
    fn text_beside_boundaries_is_not_lost_where_it_counts() {
        let message = |before: &str, boundary: &str, after: &str| {
            format!(
                "{before}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n\u{e9}\r\n{after}"
            )
        };
        let inner = "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n\u{e9}\r\n--b--\r\n";
        for (message, reason) in [
            (message("", "b", "--b\r\n\r\nx\r\n--b--\r\n\u{e9}\r\n"), None),
            (message("", "b ", "--b \r\n\r\nx\r\n--b --\r\n"), Some(WITHOUT_PARTS)),
            (message("", "b", "--c\r\n\r\nx\r\n--c--\r\n"), Some(WITHOUT_PARTS)),
            (message("", "b", "--b--\r\n"), Some(WITHOUT_PARTS)),
            (message("", "b", inner), Some(WITHOUT_PARTS)),
            (message("X-DKIM-Signature: x\r\n", "b", "--b\r\n\r\nx\r\n--b--\r\n"), Some(SIGNED)),
        ] {
            for surveyed in [true, false] {
                let found = converted(Target::SevenBit, surveyed, &cut(message.as_bytes(), 7));
                let refused = found.err().map(|misuse| match misuse {
                    Misuse::InvalidBody { reason, .. } => reason,
                    other => panic!("{other}"),
                });
                assert_eq!(refused, reason, "{message}");
            }
            assert!(converted(Target::EightBit, true, &cut(message.as_bytes(), 7)).is_ok(), "{message}");
        }
    }

    /// How many headers a message has.
    fn headers(message: &[u8]) -> usize {
        let (mut walk, mut survey) = (Walk::new(), Survey::new(Target::EightBit));
        walk.push(message, &mut survey).unwrap();
        walk.finish(&mut survey).unwrap();
        survey.found.len()
    }

    proptest::proptest! {
        /// What is converted has its parts, no more and no fewer, and needs no conversion.
        #[test]
        fn no_part_comes_or_goes(parts in proptest::collection::vec(proptest::sample::select(vec![
            "--b", "--c", "--", "\r\n--b\r\n", "\r\n--c\r\n", "\r\n--b--\r\n", "\r\n--c--\r\n", "\r\n", "\r\n\r\n", " ", "=", "x",
            "\u{e9}", "\u{e9} and a text that is mostly ASCII, so that it is quoted-printable", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "Content-Transfer-Encoding: 8bit\r\n", "Content-Transfer-Encoding: 8bit\r\n\r\n",
            "Content-Type: multipart/mixed; boundary=c\r\n\r\n", "Content-Type: message/rfc822\r\n\r\n", "Content-Type: a/b\r\n",
        ]), 0..40), size in 1..100_usize) {
            let message = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{}", parts.concat());
            let pieces = cut(message.as_bytes(), size);
            for surveyed in [true, false] {
                let Ok(out) = converted(Target::SevenBit, surveyed, &pieces) else { continue };
                proptest::prop_assert!(out.is_ascii());
                let text = String::from_utf8_lossy(&out);
                proptest::prop_assert_eq!(headers(&out), headers(message.as_bytes()), "{}", text);
                let again = converted(Target::SevenBit, true, &cut(&out, size)).unwrap();
                proptest::prop_assert_eq!(String::from_utf8_lossy(&again), text);
            }
        }
    }
}

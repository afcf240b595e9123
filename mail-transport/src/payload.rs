//! What a caller sends.

#[cfg(feature = "smtp")]
use std::sync::{Arc, OnceLock};
use std::{collections::VecDeque, fmt, io, pin::Pin};

use bytes::{Bytes, BytesMut};
use mailwire_core::Invalid;
#[cfg(feature = "smtp")]
use mailwire_core::private::TextSearch;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::{Error, InvalidValue};

/// A mail message to be sent, in memory, whole or in pieces, or read while it is sent. Its lines should end in CR LF. Nothing of
/// it is copied but what is borrowed (`&str`, `&[u8]`).
///
/// # Examples
///
/// ```no_run
/// use mailwire_transport::Payload;
///
/// # async fn example() -> std::io::Result<()> {
/// let short = Payload::from("Subject: Hello\r\n\r\nHello.\r\n");
/// let file = tokio::fs::File::open("large.eml").await?;
/// let length = file.metadata().await?.len();
/// let large = Payload::from_reader(file, Some(length));
/// # let _ = (short, large);
/// # Ok(())
/// # }
/// ```
pub struct Payload<'a> {
    /// What is in memory: all of it, or what comes before the reader's bytes.
    pieces: VecDeque<Bytes>,
    /// How many of the first pieces are fields that were put before the message.
    added: usize,
    reader: Option<Reader<'a>>,
    /// What was found when it was looked through, for all copies.
    #[cfg(feature = "smtp")]
    known: Arc<OnceLock<Known>>,
}

/// What is known of a message in memory.
#[cfg(feature = "smtp")]
#[derive(Debug, Clone, Copy)]
struct Known {
    /// No CR or LF stands alone, and there is no NUL.
    text: bool,
    ascii: bool,
}

struct Reader<'a> {
    reader: Pin<Box<dyn AsyncRead + Send + 'a>>,
    length: Option<u64>,
    buffer: BytesMut,
}

/// How much of a reader is read at once, in bytes.
const READ_SIZE: usize = 64 * 1024;

impl<'a> Payload<'a> {
    /// A message that is read while it is sent, so that it is never whole in memory.
    ///
    /// IMAP needs the `length` in bytes, exactly: it sends so many and reads no more. With SMTP it
    /// lets a server refuse a large message before it comes; an estimate will do.
    pub fn from_reader(reader: impl AsyncRead + Send + 'a, length: Option<u64>) -> Self {
        let reader = Reader { reader: Box::pin(reader), length, buffer: BytesMut::new() };
        Self { reader: Some(reader), ..Self::of(VecDeque::new()) }
    }

    /// A message that is the concatenation of pieces.
    pub fn from_pieces(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        let mut payload = Self::of(VecDeque::new());
        for piece in pieces {
            if !piece.is_empty() {
                payload.pieces.push_back(piece);
            }
        }
        payload
    }

    fn of(pieces: VecDeque<Bytes>) -> Self {
        Self {
            pieces,
            added: 0,
            reader: None,
            #[cfg(feature = "smtp")]
            known: Arc::default(),
        }
    }

    /// Puts header fields before the message: a signature, a trace field. Neither they nor the message are copied.
    ///
    /// ```
    /// use mailwire_transport::Payload;
    ///
    /// let message = "Subject: Hello\r\n\r\nHello.\r\n";
    /// let payload = Payload::from(message).with_header("X-Queue: 7\r\n")?;
    /// # Ok::<(), mailwire_transport::InvalidValue>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Something other than lines, each ended by CR LF, that are fields (a name and a colon) or continue one; an empty
    /// line, with which the header would end, is none.
    pub fn with_header(mut self, fields: impl Into<Bytes>) -> Result<Self, InvalidValue> {
        let fields = fields.into();
        check_fields(&fields)?;
        if !fields.is_empty() {
            self.pieces.push_front(fields);
            self.added += 1;
            #[cfg(feature = "smtp")]
            {
                self.known = Arc::default();
            }
        }
        Ok(self)
    }

    /// How many bytes of it are in memory at most, but for single pieces.
    #[cfg(all(feature = "smtp", feature = "pool"))]
    pub(crate) fn held(&self) -> usize {
        let read = if self.reader.is_some() { READ_SIZE } else { 0 };
        self.pieces.iter().map(Bytes::len).sum::<usize>().saturating_add(read)
    }

    /// The number of bytes, if it is known.
    #[inline]
    pub(crate) fn length(&self) -> Option<u64> {
        let pieces: u64 = self.pieces.iter().map(|piece| piece.len() as u64).sum();
        self.reader.as_ref().map_or(Some(pieces), |reader| reader.length?.checked_add(pieces))
    }

    /// Whether it is ASCII, if that is known.
    #[cfg(feature = "smtp")]
    pub(crate) fn is_ascii(&self) -> Option<bool> {
        match self.known() {
            Some(known) => Some(known.ascii),
            // What is to be read can be anything.
            None => (!self.pieces.iter().all(|piece| piece.is_ascii())).then_some(false),
        }
    }

    /// Whether it is known to be text: no CR or LF stands alone in it, and there is no NUL. It is looked through the first time, until the first
    /// piece is taken off it.
    #[cfg(all(feature = "smtp", feature = "client"))]
    pub(crate) fn is_text(&self) -> bool {
        self.known().is_some_and(|known| known.text)
    }

    #[cfg(feature = "smtp")]
    fn known(&self) -> Option<Known> {
        let look = || {
            let mut search = TextSearch::new(true, true);
            for piece in &self.pieces {
                search.look(piece);
                if !search.is_text() {
                    break;
                }
            }
            search.finish();
            let ascii = self.pieces.iter().all(|piece| piece.is_ascii());
            Known { text: search.is_text(), ascii }
        };
        self.is_in_memory().then(|| *self.known.get_or_init(look))
    }

    /// Whether all of it is in memory, so that it can be sent more than once.
    #[cfg(feature = "smtp")]
    pub(crate) const fn is_in_memory(&self) -> bool {
        self.reader.is_none()
    }

    /// A copy to be sent once more, if the message is in memory. The bytes are shared.
    #[cfg(feature = "smtp")]
    pub(crate) fn again(&self) -> Option<Self> {
        self.is_in_memory().then(|| Self {
            pieces: self.pieces.clone(),
            added: self.added,
            reader: None,
            known: self.known.clone(),
        })
    }

    /// The pieces, if all of them are in memory.
    pub(crate) fn pieces(&self) -> Option<impl Iterator<Item = &Bytes>> {
        self.reader.is_none().then(|| self.pieces.iter())
    }

    /// Whether all of it was taken off; of one that is read that is not known before.
    #[cfg(all(feature = "smtp", feature = "client"))]
    pub(crate) fn is_used_up(&self) -> bool {
        self.pieces.is_empty() && self.reader.is_none()
    }

    /// How many of the next pieces are fields that were put before the message.
    #[cfg(feature = "smtp")]
    pub(crate) const fn added(&self) -> usize {
        self.added
    }

    /// The bytes, if they are in memory in one piece.
    #[inline]
    #[cfg(feature = "imap")]
    pub(crate) fn bytes(&self) -> Option<Bytes> {
        let mut pieces = self.pieces()?;
        let first = pieces.next().cloned().unwrap_or_default();
        pieces.next().is_none().then_some(first)
    }

    /// The next piece, of at most `limit` bytes if it is read; empty at the end.
    pub(crate) async fn next(&mut self, limit: u64) -> io::Result<Bytes> {
        if let Some(piece) = self.pieces.pop_front() {
            self.added = self.added.saturating_sub(1);
            return Ok(piece);
        }
        let Some(Reader { reader, buffer, .. }) = &mut self.reader else { return Ok(Bytes::new()) };
        buffer.reserve(READ_SIZE);
        reader.take(limit).read_buf(buffer).await?;
        Ok(buffer.split().freeze())
    }
}

/// ```abnf
/// fields = *(1*ftext ":" *([FWS] VCHAR) CRLF)   ; RFC 5322 section 2.2
/// ```
#[inline]
fn check_fields(fields: &[u8]) -> Result<(), Invalid> {
    let mut rest = fields;
    let mut first = true;
    while !rest.is_empty() {
        let offset = fields.len().saturating_sub(rest.len());
        let error = |reason| Invalid::new("header", offset, reason);
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or(error("expected CR LF at its end"))?;
        let (line, after) = rest.split_at_checked(end.saturating_add(1)).unwrap_or((rest, &[]));
        let line = line.strip_suffix(b"\r\n").ok_or(error("expected CR LF at the end of each line"))?;
        if line.contains(&b'\r') {
            return Err(error("unexpected CR"));
        }
        if line.trim_ascii().is_empty() {
            return Err(error("unexpected empty line"));
        }
        if first || !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
            if name.is_empty() || name.len() == line.len() || !name.iter().all(u8::is_ascii_graphic) {
                return Err(error("expected the name of a field and a colon"));
            }
        }
        first = false;
        rest = after;
    }
    Ok(())
}

/// The caller's own reader failed: the network has nothing to do with it.
pub(crate) fn unreadable(error: io::Error) -> Error {
    Error::from(error).during(&"the message", &"cannot be read")
}

impl From<Bytes> for Payload<'_> {
    fn from(bytes: Bytes) -> Self {
        Self::from_pieces([bytes])
    }
}

/// What is made of [`Bytes`] is made of these, too.
macro_rules! from_bytes {
    ($type:ty) => {
        $crate::payload::from_bytes!($type, owned Vec<u8>, String);
        $crate::payload::from_bytes!($type, borrowed str, [u8], String, Vec<u8>);

        impl<const N: usize> From<&[u8; N]> for $type {
            fn from(bytes: &[u8; N]) -> Self {
                bytes::Bytes::copy_from_slice(bytes).into()
            }
        }

        impl From<&bytes::Bytes> for $type {
            fn from(bytes: &bytes::Bytes) -> Self {
                bytes.clone().into()
            }
        }
    };
    ($type:ty, owned $($from:ty),*) => { $(
        impl From<$from> for $type {
            fn from(bytes: $from) -> Self {
                bytes::Bytes::from(bytes).into()
            }
        }
    )* };
    ($type:ty, borrowed $($from:ty),*) => { $(
        impl From<&$from> for $type {
            fn from(bytes: &$from) -> Self {
                let bytes: &[u8] = bytes.as_ref();
                bytes::Bytes::copy_from_slice(bytes).into()
            }
        }
    )* };
}

from_bytes!(Payload<'_>);
pub(crate) use from_bytes;

/// Shows the length alone.
impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload").field("length", &self.length()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        for (fields, right) in [
            ("", true),
            ("A: b\r\n", true),
            ("A:\r\nB: c\r\n\td\r\n", true),
            ("A: b", false),
            ("A: b\n", false),
            ("A: b\r\r\n", false),
            ("A: b\r\n\r\n", false),
            ("A: b\r\n \r\n", false),
            (" A: b\r\n", false),
            ("A b: c\r\n", false),
            (": c\r\n", false),
            ("A\r\n", false),
        ] {
            assert_eq!(Payload::from("x").with_header(fields).is_ok(), right, "{fields:?}");
        }
    }

    #[tokio::test]
    async fn pieces_are_neither_copied_nor_lost() {
        let message = Bytes::from_static(b"Subject: x\r\n\r\n\xe9\r\n");
        let header = Bytes::from_static(b"A: b\r\n");
        let mut payload = Payload::from(message.clone()).with_header(header.clone()).unwrap();
        assert_eq!(payload.length(), Some((message.len() + header.len()) as u64));
        for piece in [&header, &message] {
            let next = payload.next(1).await.unwrap();
            assert_eq!((next.as_ptr(), next.len()), (piece.as_ptr(), piece.len()));
        }
        assert!(payload.next(1).await.unwrap().is_empty());

        for (length, known) in [(None, None), (Some(3), Some(9))] {
            let mut payload =
                Payload::from_reader(&b"c\r\n"[..], length).with_header(header.clone()).unwrap();
            assert_eq!(payload.length(), known);
            assert_eq!(payload.next(2).await.unwrap(), header);
            assert_eq!(payload.next(2).await.unwrap(), "c\r");
            assert_eq!(payload.next(2).await.unwrap(), "\n");
        }
    }

    #[cfg(all(feature = "smtp", feature = "client"))]
    #[test]
    fn what_is_known_of_the_bytes() {
        let header = Bytes::from_static("A: \u{e9}\r\n".as_bytes());
        let read = || Payload::from_reader(&b""[..], None);
        assert_eq!(Payload::from("x").is_ascii(), Some(true));
        assert_eq!(Payload::from("x").with_header(header.clone()).unwrap().is_ascii(), Some(false));
        assert_eq!(read().is_ascii(), None);
        assert_eq!(read().with_header(header.clone()).unwrap().is_ascii(), Some(false));
        // What is found counts for copies, and is looked for anew where something else comes before it.
        let payload = Payload::from("x\r\n");
        let copy = payload.again().unwrap();
        assert!(copy.is_text() && payload.known.get().is_some());
        assert!(!read().is_text());
        let nul = payload.with_header("A: \0\r\n").unwrap();
        assert!(!nul.is_text() && copy.is_text());
        let pieces = |pieces: &[&'static str]| {
            Payload::from_pieces(pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes())))
        };
        assert!(pieces(&["a\r", "\nb"]).is_text());
        for odd in [&["a\r", "b"][..], &["a", "\nb"], &["a\r\n\r"], &["a\nb", "\u{e9}"]] {
            assert!(!pieces(odd).is_text(), "{odd:?}");
        }
        assert_eq!(pieces(&["a\nb", "\u{e9}"]).is_ascii(), Some(false));
    }
}

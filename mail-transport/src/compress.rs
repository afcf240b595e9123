//! Compression of a connection by DEFLATE (RFC 1951), in both directions.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::Stream;

/// A stream that is compressed in both directions, above TLS if there is TLS.
///
/// What is written is compressed as it comes, and can be read by the peer after a flush: [`Driver`](crate::Driver)
/// flushes once for each group of commands or responses. What is read is decompressed into the room that the
/// reader has, and no further: however much a few bytes stand for, no more than that is in memory, and a reader
/// that does not read holds the peer back. It takes about 400 KiB of memory.
#[derive(Debug)]
pub struct Compressed {
    pub(crate) inner: Stream,
    inbound: Inbound,
    outbound: Outbound,
}

/// So much is compressed or decompressed before others have their turn.
const TURN: usize = 256 << 10;
/// So much is taken at once.
const PIECE: usize = 16 << 10;
/// So much that is compressed waits for the stream below before more is taken.
const WAITING: usize = 32 << 10;
/// The end of a sync flush: an empty block, after which the next byte begins anew (RFC 1951 section 3.2.4).
const FLUSHED: [u8; 4] = [0, 0, 0xff, 0xff];

/// What comes in.
struct Inbound {
    mode: Mode,
    /// Bytes that are given as they are before all others.
    plain: BytesMut,
    /// What was received and not decompressed yet.
    raw: BytesMut,
    /// So many bytes of it lie before the end of a flush, and are decompressed together.
    piece: usize,
    /// The last of the bytes that were decompressed.
    last: [u8; 4],
    turn: usize,
}

/// How what was received is read.
enum Mode {
    Compressed(Box<Decompress>),
    /// Nothing compressed comes any more, but for the rest of the last flush.
    Ending(Box<Decompress>),
    /// The compressed data has ended by itself.
    Ended,
    Plain,
}

/// What goes out.
#[derive(Default)]
struct Outbound {
    /// None after the end of compression.
    deflate: Option<Box<Compress>>,
    /// What is compressed and not written yet, from `written` on.
    waiting: Vec<u8>,
    written: usize,
    /// Something was taken that a peer cannot read before a flush.
    dirty: bool,
    finished: bool,
    turn: usize,
}

impl Compressed {
    /// Compresses what is written to `inner` from now on, and decompresses what comes: first of all `rest`.
    pub(crate) fn new(inner: Stream, rest: BytesMut) -> Self {
        Self { inner, inbound: Inbound::new(rest), outbound: Outbound::new() }
    }

    /// Compresses anew, after the end of compression.
    pub(crate) fn begin(&mut self, rest: BytesMut) {
        let Inbound { plain, raw, .. } = &mut self.inbound;
        let mut first = rest;
        first.extend_from_slice(plain);
        first.extend_from_slice(raw);
        self.inbound = Inbound::new(first);
        self.outbound = Outbound::new();
    }

    /// Ends compression, in both directions. `rest` was received already, and is given once more. All that was
    /// written has to be flushed.
    pub(crate) fn end(&mut self, rest: BytesMut) {
        self.inbound.end(rest);
        self.outbound = Outbound::default();
    }

    /// Whether the stream below can take the place of this one.
    pub(crate) fn is_over(&self) -> bool {
        let Inbound { mode, plain, raw, .. } = &self.inbound;
        matches!(mode, Mode::Plain) && plain.is_empty() && raw.is_empty()
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the compressed data is damaged")
}

/// Whether it is others' turn: then the task is woken for its next one.
fn is_others_turn(turn: &mut usize, cx: &Context<'_>) -> bool {
    let over = *turn >= TURN;
    if over {
        *turn = 0;
        cx.waker().wake_by_ref();
    }
    over
}

impl Inbound {
    fn new(raw: BytesMut) -> Self {
        let inflate = Box::new(Decompress::new(false));
        let mode = Mode::Compressed(inflate);
        Self { mode, plain: BytesMut::new(), raw, piece: 0, last: [0; 4], turn: 0 }
    }

    fn end(&mut self, rest: BytesMut) {
        self.plain = rest;
        self.mode = match std::mem::replace(&mut self.mode, Mode::Plain) {
            Mode::Compressed(inflate) if self.last != FLUSHED => Mode::Ending(inflate),
            _ => Mode::Plain,
        };
    }

    fn poll_read(
        &mut self,
        inner: &mut Stream,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if is_others_turn(&mut self.turn, cx) {
                return Poll::Pending;
            }
            let before = buf.filled().len();
            match &mut self.mode {
                _ if !self.plain.is_empty() => give(&mut self.plain, buf),
                Mode::Plain if self.raw.is_empty() => return Pin::new(inner).poll_read(cx, buf),
                Mode::Plain => give(&mut self.raw, buf),
                Mode::Ended if !self.raw.is_empty() => return Poll::Ready(Err(damaged())),
                Mode::Ended => {}
                Mode::Compressed(_) | Mode::Ending(_) => self.inflate(buf)?,
            }
            if buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            if self.raw.is_empty() {
                self.raw.reserve(PIECE);
                if ready!(pin!(inner.read_buf(&mut self.raw)).poll(cx))? == 0 {
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }

    /// Decompresses a piece into the room that there is.
    fn inflate(&mut self, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        let (inflate, is_ending) = match &mut self.mode {
            Mode::Compressed(inflate) => (inflate, false),
            Mode::Ending(inflate) => (inflate, true),
            Mode::Ended | Mode::Plain => return Ok(()),
        };
        if self.piece == 0 {
            // What stands after a flush can be no part of the compressed data: see `Mode::Ending`.
            let flushed = memmem::find(&self.raw, &FLUSHED).map(|at| at.saturating_add(FLUSHED.len()));
            self.piece = match flushed {
                _ if is_ending => self.raw.len().min(1),
                flushed => flushed.unwrap_or(self.raw.len()),
            };
        }
        let piece = self.raw.get(..self.piece).unwrap_or_default();
        // What the reader has not written to yet is zeroed: no more of it than is likely to be filled.
        let room = buf.initialize_unfilled_to(buf.remaining().min(PIECE));
        let (taken, given) = (inflate.total_in(), inflate.total_out());
        let status = inflate.decompress(piece, room, FlushDecompress::None).map_err(|_| damaged())?;
        let count = |before: u64, now: u64| usize::try_from(now.wrapping_sub(before)).unwrap_or(usize::MAX);
        let (taken, given) = (count(taken, inflate.total_in()), count(given, inflate.total_out()));
        if taken == 0 && given == 0 && !piece.is_empty() && status != Status::StreamEnd {
            return Err(damaged());
        }
        for byte in piece.get(taken.saturating_sub(FLUSHED.len())..taken).unwrap_or_default() {
            self.last.rotate_left(1);
            if let Some(last) = self.last.last_mut() {
                *last = *byte;
            }
        }
        buf.advance(given);
        self.raw.advance(taken);
        self.piece = self.piece.saturating_sub(taken);
        self.turn = self.turn.saturating_add(given).saturating_add(taken);
        if status == Status::StreamEnd {
            self.mode = if is_ending { Mode::Plain } else { Mode::Ended };
        } else if is_ending && self.last == FLUSHED {
            self.mode = Mode::Plain;
        }
        Ok(())
    }
}

/// Gives what there is and what there is room for.
fn give(from: &mut BytesMut, buf: &mut ReadBuf<'_>) {
    let count = from.len().min(buf.remaining());
    buf.put_slice(&from.split_to(count));
}

impl Outbound {
    fn new() -> Self {
        // Fast: the text of this protocol becomes a third of its length at any level.
        Self { deflate: Some(Box::new(Compress::new(Compression::fast(), false))), ..Self::default() }
    }

    /// Compresses the beginning of what is given.
    fn poll_take(
        &mut self,
        inner: &mut Stream,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.waiting.len().saturating_sub(self.written) >= WAITING {
            ready!(self.poll_drain(inner, cx))?;
        }
        // A peer that always leaves something unread would have all of it kept.
        if self.written >= WAITING {
            self.waiting.drain(..self.written.min(self.waiting.len()));
            self.written = 0;
        }
        if is_others_turn(&mut self.turn, cx) {
            return Poll::Pending;
        }
        let mut taken = 0;
        for buf in bufs {
            let mut rest = buf.get(..buf.len().min(PIECE - taken)).unwrap_or_default();
            while !rest.is_empty() {
                let count = self.compress(rest, FlushCompress::None)?;
                rest = rest.get(count..).unwrap_or_default();
                taken += count;
            }
        }
        self.dirty |= taken > 0;
        self.turn = self.turn.saturating_add(taken);
        Poll::Ready(Ok(taken))
    }

    /// Compresses once, and says how much of `input` was taken. Never nothing of something.
    fn compress(&mut self, input: &[u8], flush: FlushCompress) -> io::Result<usize> {
        let Some(deflate) = &mut self.deflate else { return Ok(input.len()) };
        self.waiting.reserve(PIECE);
        let (taken, given) = (deflate.total_in(), self.waiting.len());
        deflate.compress_vec(input, &mut self.waiting, flush).map_err(|_| damaged())?;
        let taken = usize::try_from(deflate.total_in().wrapping_sub(taken)).unwrap_or(usize::MAX);
        if taken == 0 && self.waiting.len() == given && !input.is_empty() {
            return Err(damaged());
        }
        Ok(taken)
    }

    /// Makes all that was taken readable for the peer; `Finish` is for the end of the stream.
    fn flush(&mut self, flush: FlushCompress) -> io::Result<()> {
        if !std::mem::take(&mut self.dirty) && flush == FlushCompress::Sync {
            return Ok(());
        }
        loop {
            let before = self.waiting.len();
            self.compress(&[], flush)?;
            // It has all been given where there was room for more. But a call that gives what there was no room for earlier
            // need not have come to the flush itself: that shows in its end.
            let given = self.waiting.len() < self.waiting.capacity();
            let flushed = flush != FlushCompress::Sync || self.waiting.ends_with(&FLUSHED);
            if given && flushed || self.waiting.len() == before {
                return Ok(());
            }
        }
    }

    fn poll_drain(&mut self, inner: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.waiting.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut *inner).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written = self.written.saturating_add(count),
            }
        }
        self.written = 0;
        self.waiting.clear();
        self.waiting.shrink_to(WAITING);
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Compressed {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { inner, inbound, .. } = self.get_mut();
        inbound.poll_read(inner, cx, buf)
    }
}

impl AsyncWrite for Compressed {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { inner, outbound, .. } = self.get_mut();
        match outbound.deflate {
            Some(_) => outbound.poll_take(inner, cx, bufs),
            None => Pin::new(inner).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { inner, outbound, .. } = self.get_mut();
        outbound.flush(FlushCompress::Sync)?;
        ready!(outbound.poll_drain(inner, cx))?;
        Pin::new(inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { inner, outbound, .. } = self.get_mut();
        if outbound.deflate.is_some() && !std::mem::replace(&mut outbound.finished, true) {
            outbound.flush(FlushCompress::Finish)?;
        }
        ready!(outbound.poll_drain(inner, cx))?;
        Pin::new(inner).poll_shutdown(cx)
    }
}

/// Shows no bytes: they are a conversation's.
impl std::fmt::Debug for Inbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mode = match self.mode {
            Mode::Compressed(_) => "compressed",
            Mode::Ending(_) => "ending",
            Mode::Ended => "ended",
            Mode::Plain => "plain",
        };
        f.debug_struct("Inbound").field("mode", &mode).field("raw", &self.raw.len()).finish_non_exhaustive()
    }
}

/// Shows no bytes: they are a conversation's.
impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbound").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Bytes that cannot be compressed are more than there is room for at once.
    #[test]
    fn a_flush_leaves_nothing_behind() {
        let mut number = 1_u64;
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            number = number.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
            (number >> 56) as u8
        })
        .take(200_000)
        .collect();
        let (mut outbound, mut inflate) = (Outbound::new(), Decompress::new(false));
        let mut read = Vec::with_capacity(1 << 20);
        for length in (1..40).map(|step| step * 4_999) {
            let bytes = &bytes[..length];
            for piece in bytes.chunks(PIECE) {
                let mut rest = piece;
                while !rest.is_empty() {
                    let count = outbound.compress(rest, FlushCompress::None).unwrap();
                    rest = &rest[count..];
                }
            }
            outbound.dirty = true;
            outbound.flush(FlushCompress::Sync).unwrap();
            let waiting = std::mem::take(&mut outbound.waiting);
            assert!(waiting.ends_with(&FLUSHED), "{length}");
            read.clear();
            inflate.decompress_vec(&waiting, &mut read, FlushDecompress::Sync).unwrap();
            assert_eq!(read, bytes, "{length}");
        }
    }
}

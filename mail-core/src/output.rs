//! What waits to be written.

use alloc::{collections::VecDeque, vec::Vec};
use core::{fmt, mem};

use bytes::{Buf, Bytes};

use crate::Secret;

/// Bytes on their way to the peer: small pieces are copied together, large ones are chained and
/// never copied.
///
/// It is a [`Buf`], so `write_vectored` over [`chunks_vectored`](Buf::chunks_vectored) and
/// [`advance`](Buf::advance) drain it. Its memory is kept for the next message. Nothing here
/// refuses bytes: state machines ask [`is_full`](Self::is_full) or [`room`](Self::room) first.
///
/// ```
/// use bytes::{Buf, Bytes};
/// use mailwire_core::Output;
///
/// let mut output = Output::new(64 * 1024);
/// let body = Bytes::from(vec![b'x'; 4096]);
/// output.put(b"DATA follows\r\n");
/// output.append(body.clone());
/// assert_eq!(output.chunk(), b"DATA follows\r\n");
/// output.advance(14);
/// assert_eq!(output.chunk().as_ptr(), body.as_ptr());
/// ```
pub struct Output {
    /// All copied bytes that wait, in order; those before `copied_start` are written.
    copied: Vec<u8>,
    copied_start: usize,
    pieces: VecDeque<Piece>,
    /// What [`write_chained`](Self::write_chained) gives, empty between its calls.
    chained: Vec<(usize, Bytes)>,
    length: usize,
    limit: usize,
    /// How many bytes were taken off since the beginning.
    taken: u64,
}

/// A place in the stream of all bytes that were ever put to an [`Output`], from [`Output::mark`].
///
/// With it a machine knows whether a command has left before its answer comes. The default is the
/// beginning, which has always left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct OutputMark(u64);

enum Piece {
    /// So many of the copied bytes.
    Copied(usize),
    Chained(Bytes),
}

impl Output {
    /// A chunk below this size is cheaper to copy than to write as a piece of its own.
    pub const CHAIN_FROM: usize = 512;

    /// An empty output that is [full](Self::is_full) from `limit` bytes on.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            copied: Vec::new(),
            copied_start: 0,
            pieces: VecDeque::new(),
            chained: Vec::new(),
            length: 0,
            limit,
            taken: 0,
        }
    }

    /// The number of bytes that wait.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// How many bytes may be put before the output is full.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.limit.saturating_sub(self.length)
    }

    /// Whether the peer should read before more is put.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.length >= self.limit
    }

    /// The limit in bytes.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Marks the place after the last byte that was put.
    ///
    /// ```
    /// use bytes::Buf;
    /// use mailwire_core::Output;
    ///
    /// let mut output = Output::new(1024);
    /// output.put(b"NOOP\r\n");
    /// let mark = output.mark();
    /// output.put(b"QUIT\r\n");
    /// output.advance(5);
    /// assert!(!output.has_left(mark));
    /// output.advance(1);
    /// assert!(output.has_left(mark));
    /// ```
    #[must_use]
    #[inline]
    pub const fn mark(&self) -> OutputMark {
        OutputMark(self.taken + self.length as u64)
    }

    /// Whether all that was put before `mark` was taken off the output, to be written to the peer.
    #[must_use]
    #[inline]
    pub const fn has_left(&self, mark: OutputMark) -> bool {
        mark.0 <= self.taken
    }

    /// Copies `bytes` to the end.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        self.copied.extend_from_slice(bytes);
        self.count_copied(bytes.len());
    }

    /// Lets `write` append to the copied bytes, as serializers do.
    #[inline]
    pub fn write<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let before = self.copied.len();
        let result = write(&mut self.copied);
        self.count_copied(self.copied.len().saturating_sub(before));
        result
    }

    /// Lets `write` make what may hold a secret, in memory of its own that is zeroed as soon as it has left.
    /// `room` is the most that it takes, in bytes: beyond it, a part can be left in memory that was given back.
    pub fn write_secret<T>(&mut self, room: usize, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let mut out = Vec::with_capacity(room);
        let result = write(&mut out);
        self.chain(Secret::from(out).into_bytes());
        result
    }

    /// Writes with a function that is also given a list for large bytes that are to be chained, not copied: each with its place
    /// in the buffer, ascending.
    ///
    /// ```
    /// use bytes::{Buf, Bytes};
    /// use mailwire_core::Output;
    ///
    /// let mut output = Output::new(64 * 1024);
    /// let literal = Bytes::from(vec![b'x'; 4096]);
    /// output.write_chained(|out, chained| {
    ///     out.extend_from_slice(b"{4096}\r\n");
    ///     chained.push((out.len(), literal.clone()));
    ///     out.extend_from_slice(b")\r\n");
    /// });
    /// output.advance(8);
    /// assert_eq!(output.chunk().as_ptr(), literal.as_ptr());
    /// output.advance(4096);
    /// assert_eq!(output.chunk(), b")\r\n");
    /// ```
    pub fn write_chained<T>(&mut self, write: impl FnOnce(&mut Vec<u8>, &mut Vec<(usize, Bytes)>) -> T) -> T {
        let mut from = self.copied.len();
        let mut chained = mem::take(&mut self.chained);
        let result = write(&mut self.copied, &mut chained);
        for (place, bytes) in chained.drain(..) {
            let place = place.min(self.copied.len());
            self.count_copied(place.saturating_sub(from));
            from = from.max(place);
            self.chain(bytes);
        }
        self.count_copied(self.copied.len().saturating_sub(from));
        self.chained = chained;
        result
    }

    /// So many bytes were appended to the copied ones.
    fn count_copied(&mut self, added: usize) {
        if added > 0 {
            self.length += added;
            match self.pieces.back_mut() {
                Some(Piece::Copied(length)) => *length += added,
                _ => self.pieces.push_back(Piece::Copied(added)),
            }
        }
    }

    fn chain(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.length += bytes.len();
            self.pieces.push_back(Piece::Chained(bytes));
        }
    }

    /// Appends a part of a body: chained as it is, or copied if it is small.
    pub fn append(&mut self, chunk: Bytes) {
        if chunk.len() < Self::CHAIN_FROM { self.put(&chunk) } else { self.chain(chunk) }
    }

    /// Forgets what waits.
    pub fn clear(&mut self) {
        self.copied.clear();
        self.copied_start = 0;
        self.pieces.clear();
        self.count_taken(self.length);
    }

    /// So many bytes, which were there, are no longer.
    fn count_taken(&mut self, count: usize) {
        self.length -= count;
        self.taken += count as u64;
    }

    fn take_off(&mut self, count: usize) {
        let mut left = count.min(self.length);
        self.count_taken(left);
        while left > 0 {
            let (taken, emptied) = match self.pieces.front_mut() {
                None => break,
                Some(Piece::Copied(length)) => {
                    let taken = left.min(*length);
                    *length -= taken;
                    self.copied_start += taken;
                    (taken, *length == 0)
                }
                Some(Piece::Chained(bytes)) => {
                    let taken = left.min(bytes.len());
                    bytes.advance(taken);
                    (taken, bytes.is_empty())
                }
            };
            left -= taken;
            if emptied {
                self.pieces.pop_front();
            }
        }
        self.reclaim();
    }

    /// Gives back the memory of written bytes: all of it once nothing copied waits, otherwise when
    /// it is the larger half, so that each byte is moved at most once on average.
    fn reclaim(&mut self) {
        if self.copied_start == self.copied.len() {
            self.copied.clear();
            self.copied_start = 0;
        } else if self.copied_start > 4096 && self.copied_start > self.copied.len() / 2 {
            self.copied.drain(..self.copied_start);
            self.copied_start = 0;
        }
    }

    /// Gives back the memory of an output in which nothing waits, but for a little: for who waits for the peer, perhaps for
    /// long.
    pub fn give_back(&mut self) {
        /// What a reply or a few take.
        const LITTLE: usize = 512;
        if self.length == 0 && self.copied.capacity() > LITTLE {
            self.copied = Vec::new();
        }
        if self.length == 0 && self.pieces.capacity() > LITTLE / size_of::<Piece>() {
            self.pieces = VecDeque::new();
        }
        if self.chained.capacity() > 0 {
            self.chained = Vec::new();
        }
    }

    fn copied_at(&self, start: usize, length: usize) -> &[u8] {
        self.copied.get(start..start.saturating_add(length)).unwrap_or_default()
    }
}

impl Buf for Output {
    #[inline]
    fn remaining(&self) -> usize {
        self.length
    }

    fn chunk(&self) -> &[u8] {
        match self.pieces.front() {
            None => &[],
            Some(Piece::Copied(length)) => self.copied_at(self.copied_start, *length),
            Some(Piece::Chained(bytes)) => bytes,
        }
    }

    /// Takes `count` bytes off the front; more than there are empties the output.
    #[inline]
    fn advance(&mut self, count: usize) {
        // Often there is nothing.
        if self.length > 0 {
            self.take_off(count);
        }
    }

    #[cfg(feature = "std")]
    fn chunks_vectored<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>]) -> usize {
        let mut copied_start = self.copied_start;
        let mut filled = 0;
        for (slot, piece) in slices.iter_mut().zip(&self.pieces) {
            let bytes = match piece {
                Piece::Copied(length) => {
                    let bytes = self.copied_at(copied_start, *length);
                    copied_start += length;
                    bytes
                }
                Piece::Chained(bytes) => bytes,
            };
            *slot = std::io::IoSlice::new(bytes);
            filled += 1;
        }
        filled
    }
}

/// Shows sizes only: what waits can be a password.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("len", &self.length)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn keeps_order_and_identity() {
        let large = Bytes::from(vec![7; 2000]);
        let mut output = Output::new(10_000);
        output.put(b"ab");
        output.append(Bytes::from_static(b"cd"));
        output.append(large.clone());
        output.put(b"ef");
        assert_eq!(output.len(), 2006);

        let mut slices = [std::io::IoSlice::new(&[]); 8];
        assert_eq!(output.chunks_vectored(&mut slices), 3);
        assert_eq!(
            (&slices[0][..], slices[1].as_ptr(), &slices[2][..]),
            (&b"abcd"[..], large.as_ptr(), &b"ef"[..])
        );

        output.advance(3);
        assert_eq!(output.chunk(), b"d");
        output.advance(1 + 1999);
        assert_eq!(output.chunk(), [7]);
        output.advance(2);
        assert_eq!(output.chunk(), b"f");
        output.advance(1);
        assert!(output.is_empty() && !output.has_remaining());
    }

    #[test]
    fn chained_bytes_stand_in_their_places() {
        let large = Bytes::from(vec![7; 2000]);
        let mut output = Output::new(10_000);
        output.put(b"a");
        output.write_chained(|out, chained| {
            out.extend_from_slice(b"b");
            chained.push((out.len(), large.clone()));
            chained.push((out.len(), large.slice(1..)));
            out.extend_from_slice(b"c");
            chained.push((out.len(), large.slice(2..)));
            chained.push((out.len(), Bytes::new()));
            // Beyond the end, and before the one before it: it comes where it can.
            chained.push((1000, large.slice(3..)));
            chained.push((0, large.slice(4..)));
        });
        output.put(b"d");
        assert_eq!(output.len(), 4 + 5 * 2000 - 10);

        let mut slices = [std::io::IoSlice::new(&[]); 10];
        let count = output.chunks_vectored(&mut slices);
        let at = |index: usize| &large[index..];
        let expected = [b"ab", at(0), at(1), b"c", at(2), at(3), at(4), b"d"];
        assert_eq!(
            slices[..count].iter().map(|slice| slice.len()).collect::<Vec<_>>(),
            expected.map(<[u8]>::len)
        );
        for (slice, expected) in slices.iter().zip(expected) {
            assert_eq!(&slice[..], expected);
            assert!(slice.len() < 10 || slice.as_ptr() == expected.as_ptr());
        }
        output.advance(output.len());
        assert!(output.is_empty() && output.chained.is_empty());
    }

    #[test]
    fn a_mark_has_left_with_the_last_byte_before_it() {
        let mut output = Output::new(10_000);
        assert!(output.has_left(OutputMark::default()) && output.has_left(output.mark()));
        let mut marks = Vec::new();
        for _ in 0..3 {
            output.put(b"ab");
            output.append(Bytes::from(vec![7; 600]));
            output.write_chained(|out, chained| {
                out.push(b'c');
                chained.push((out.len(), Bytes::from(vec![7; 600])));
            });
            marks.push(output.mark());
        }
        for taken in 0..=output.len() {
            for (at, mark) in marks.iter().enumerate() {
                assert_eq!(output.has_left(*mark), taken >= (at + 1) * 1203, "{taken}");
            }
            output.advance(1);
        }
        assert!(output.mark() == marks[2]);
        output.put(b"x");
        assert!(output.mark() > marks[2] && !output.has_left(output.mark()));
    }

    #[test]
    fn memory_is_bounded_by_what_waits() {
        let mut output = Output::new(100);
        for _ in 0..100_000 {
            output.put(&[1; 50]);
            output.advance(49);
            output.put(b"x");
            output.advance(1);
        }
        // One byte a round stays; the rest must have been given back.
        assert_eq!(output.len(), 100_000);
        assert!(output.copied.len() <= 2 * output.len() + 4096);
    }

    #[test]
    fn a_drained_output_is_reused_without_allocating() {
        let mut output = Output::new(100);
        output.put(&[0; 64]);
        output.advance(64);
        let capacity = output.copied.capacity();
        for _ in 0..1000 {
            output.put(&[0; 64]);
            output.advance(64);
        }
        assert_eq!(output.copied.capacity(), capacity);
    }
}

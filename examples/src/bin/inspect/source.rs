//! Where the bytes come from.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use bytes::BytesMut;

use crate::Side;

/// A file, read a piece at a time, with the bytes of each side that wait for an inspector.
pub(crate) struct Source {
    reader: BufReader<Box<dyn Read>>,
    transcript: bool,
    /// Whose bytes a raw file holds.
    side: Side,
    client: Stream,
    server: Stream,
    offset: u64,
    /// The sides that have to be told of the end.
    ending: Option<Vec<Side>>,
}

#[derive(Default)]
struct Stream {
    input: BytesMut,
    place: Position,
}

/// Which bytes of the file a message is.
#[derive(Default)]
pub(crate) struct Position {
    /// How many bytes of the stream belong to messages that are reported, and how many were taken.
    reported: u64,
    taken: u64,
    /// Where pieces of the stream begin in the file: stream offset, file offset.
    pieces: VecDeque<(u64, u64)>,
}

impl Position {
    /// The inspector took so many bytes.
    pub(crate) fn taken(&mut self, count: usize) {
        self.taken += count as u64;
    }

    /// The offset in the file and the length of the message that was just completed.
    pub(crate) fn message(&mut self) -> (u64, u64) {
        while self.pieces.get(1).is_some_and(|next| next.0 <= self.reported) {
            self.pieces.pop_front();
        }
        let (stream, file) = self.pieces.front().copied().unwrap_or_default();
        let offset = file + (self.reported - stream);
        let length = self.taken - self.reported;
        self.reported = self.taken;
        (offset, length)
    }
}

/// How much of a raw file is read at once.
const PIECE: usize = 64 * 1024;

impl Source {
    /// Opens `path`. It is a transcript if it starts with `C: ` or `S: `.
    pub(crate) fn open(path: &Path, side: Side) -> io::Result<Self> {
        let file: Box<dyn Read> =
            if path.as_os_str() == "-" { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
        let mut reader = BufReader::with_capacity(PIECE, file);
        let start = reader.fill_buf()?;
        let transcript = start.starts_with(b"C: ") || start.starts_with(b"S: ");
        let (client, server) = (Stream::default(), Stream::default());
        Ok(Self { reader, transcript, side, client, server, offset: 0, ending: None })
    }

    /// Whether both sides are in the file.
    pub(crate) fn is_transcript(&self) -> bool {
        self.transcript
    }

    /// The bytes of `side` that wait, and where they are from.
    pub(crate) fn input(&mut self, side: Side) -> (&mut BytesMut, &mut Position) {
        let stream = match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        };
        (&mut stream.input, &mut stream.place)
    }

    /// Reads a piece. Returns the side that said it, and whether that side has ended; `None` when all
    /// is read.
    pub(crate) fn read_more(&mut self) -> io::Result<Option<(Side, bool)>> {
        if let Some(ending) = &mut self.ending {
            return Ok(ending.pop().map(|side| (side, true)));
        }
        let read = if self.transcript { self.read_line()? } else { self.read_piece()? };
        if read.is_none() {
            self.ending =
                Some(if self.transcript { vec![Side::Server, Side::Client] } else { vec![self.side] });
            return self.read_more();
        }
        Ok(read.map(|side| (side, false)))
    }

    fn read_piece(&mut self) -> io::Result<Option<Side>> {
        let piece = self.reader.fill_buf()?;
        if piece.is_empty() {
            return Ok(None);
        }
        let (length, side) = (piece.len(), self.side);
        let stream = if side == Side::Client { &mut self.client } else { &mut self.server };
        stream.input.extend_from_slice(piece);
        if stream.place.pieces.is_empty() {
            stream.place.pieces.push_back((0, 0));
        }
        self.reader.consume(length);
        Ok(Some(side))
    }

    /// A line of a transcript; its line end stands for CR LF. Lines that are neither side's are notes.
    fn read_line(&mut self) -> io::Result<Option<Side>> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let start = self.offset;
            let length = self.reader.read_until(b'\n', &mut line)?;
            if length == 0 {
                return Ok(None);
            }
            self.offset += length as u64;
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let (side, text) = match text {
                [b'C', b':', text @ ..] => (Side::Client, text),
                [b'S', b':', text @ ..] => (Side::Server, text),
                _ => continue,
            };
            let indent = usize::from(text.starts_with(b" "));
            let text = text.get(indent..).unwrap_or_default();
            let (input, place) = self.input(side);
            let stream_offset = place.taken + input.len() as u64;
            place.pieces.push_back((stream_offset, start + 2 + indent as u64));
            input.extend_from_slice(text);
            input.extend_from_slice(b"\r\n");
            return Ok(Some(side));
        }
    }
}

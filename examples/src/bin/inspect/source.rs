//! Where the bytes come from.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use bytes::BytesMut;

use crate::{
    Protocol, Side,
    masked::{StandIn, stand_in},
};

/// A file, read a piece at a time, with the bytes of each side that wait for an inspector.
pub(crate) struct Source {
    reader: BufReader<Box<dyn Read>>,
    form: Form,
    /// The conversations of a log, by their numbers; other files have one.
    conversations: BTreeMap<u64, Conversation>,
    /// Of which one the next lines are.
    current: u64,
    offset: u64,
    left_out: Option<LeftOut>,
    /// Who has to be told of the end.
    ending: Option<Vec<Said>>,
}

/// What a file holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The bytes of one side.
    Raw(Side),
    /// The lines of both.
    Transcript,
    /// Transcripts of conversations that have numbers, with parts left out: a wire log.
    Log,
}

/// Who has said what was read.
#[derive(Clone, Copy)]
pub(crate) struct Said {
    pub(crate) side: Side,
    /// There is nothing more of it.
    pub(crate) ended: bool,
    /// Where it was said, as far as the file tells.
    pub(crate) of: Option<Of>,
}

/// A conversation of a log.
#[derive(Clone, Copy)]
pub(crate) struct Of {
    pub(crate) connection: u64,
    pub(crate) protocol: Option<Protocol>,
}

#[derive(Default)]
struct Conversation {
    protocol: Option<Protocol>,
    client: Stream,
    server: Stream,
}

impl Conversation {
    const fn stream(&mut self, side: Side) -> &mut Stream {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

/// Bytes that a log has left out, as far as they were not made up yet.
struct LeftOut {
    said: Said,
    left: u64,
    is_lines: bool,
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
    /// Opens `path`. It is a transcript if it starts with `C: ` or `S: `, and a log if it starts with a log's note; otherwise
    /// it holds the bytes of `side`. `None` if that is needed.
    pub(crate) fn open(path: &Path, side: Option<Side>) -> io::Result<Option<Self>> {
        let file: Box<dyn Read> =
            if path.as_os_str() == "-" { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
        let mut reader = BufReader::with_capacity(PIECE, file);
        let start = reader.fill_buf()?;
        let form = if start.starts_with(b"C: ") || start.starts_with(b"S: ") {
            Form::Transcript
        } else if start.starts_with(NOTE) {
            Form::Log
        } else {
            let Some(side) = side else { return Ok(None) };
            Form::Raw(side)
        };
        let conversations = BTreeMap::new();
        Ok(Some(Self { reader, form, conversations, current: 0, offset: 0, left_out: None, ending: None }))
    }

    /// Whether both sides are in the file.
    pub(crate) fn has_both_sides(&self) -> bool {
        !matches!(self.form, Form::Raw(_))
    }

    /// Whether it is a log: it says what is spoken, and has parts left out.
    pub(crate) fn is_log(&self) -> bool {
        self.form == Form::Log
    }

    /// The bytes that wait, of the side that has said this, and where they are from.
    pub(crate) fn input(&mut self, said: Said) -> (&mut BytesMut, &mut Position) {
        let number = said.of.map_or(0, |of| of.connection);
        let stream = self.conversations.entry(number).or_default().stream(said.side);
        (&mut stream.input, &mut stream.place)
    }

    /// Reads a piece. Returns who said it; `None` when all is read.
    pub(crate) fn read_more(&mut self) -> io::Result<Option<Said>> {
        if let Some(ending) = &mut self.ending {
            return Ok(ending.pop());
        }
        if let Some(left_out) = self.left_out.take() {
            return Ok(Some(self.make_up(left_out)));
        }
        let read = match self.form {
            Form::Raw(side) => self.read_piece(side)?,
            Form::Transcript | Form::Log => self.read_line()?,
        };
        if read.is_none() {
            self.ending = Some(self.endings());
            return self.read_more();
        }
        Ok(read)
    }

    /// All sides that end with the file, the last one first.
    fn endings(&self) -> Vec<Said> {
        if let Form::Raw(side) = self.form {
            return vec![Said { side, ended: true, of: None }];
        }
        let conversations = self.conversations.iter().rev();
        let both = |(number, conversation): (&u64, &Conversation)| {
            let of = self.is_log().then_some(Of { connection: *number, protocol: conversation.protocol });
            [Side::Server, Side::Client].map(|side| Said { side, ended: true, of })
        };
        conversations.flat_map(both).collect()
    }

    fn read_piece(&mut self, side: Side) -> io::Result<Option<Said>> {
        let piece = self.reader.fill_buf()?;
        if piece.is_empty() {
            return Ok(None);
        }
        let length = piece.len();
        let stream = self.conversations.entry(0).or_default().stream(side);
        stream.input.extend_from_slice(piece);
        if stream.place.pieces.is_empty() {
            stream.place.pieces.push_back((0, 0));
        }
        self.reader.consume(length);
        Ok(Some(Said { side, ended: false, of: None }))
    }

    /// A line of a transcript; its line end stands for CR LF. Lines that are neither side's are notes.
    fn read_line(&mut self) -> io::Result<Option<Said>> {
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
                note => {
                    if let (Form::Log, Some(of)) = (self.form, note_of(note)) {
                        self.current = of.connection;
                        self.conversations.entry(of.connection).or_default().protocol = of.protocol;
                    }
                    continue;
                }
            };
            let indent = usize::from(text.starts_with(b" "));
            let text = text.get(indent..).unwrap_or_default();
            return Ok(Some(self.line(side, text, start + 2 + indent as u64)));
        }
    }

    /// Takes a line that stands at `place` in the file.
    fn line(&mut self, side: Side, text: &[u8], place: u64) -> Said {
        let is_log = self.is_log();
        let conversation = self.conversations.entry(self.current).or_default();
        let protocol = conversation.protocol;
        let of = is_log.then_some(Of { connection: self.current, protocol });
        let said = Said { side, ended: false, of };
        let stream = conversation.stream(side);
        let stream_offset = stream.place.taken + stream.input.len() as u64;
        stream.place.pieces.push_back((stream_offset, place));
        let text = match is_log.then(|| stand_in(protocol, side, text)) {
            Some(StandIn::Bytes { count, is_lines }) => {
                return self.make_up(LeftOut { said, left: count, is_lines });
            }
            Some(StandIn::Line(text)) => text,
            None => text.into(),
        };
        stream.input.extend_from_slice(&text);
        stream.input.extend_from_slice(b"\r\n");
        said
    }

    /// Makes up a piece of what a log has left out.
    fn make_up(&mut self, mut left_out: LeftOut) -> Said {
        let piece = usize::try_from(left_out.left).unwrap_or(PIECE).min(PIECE);
        left_out.left -= piece as u64;
        let said = left_out.said;
        let (input, _) = self.input(said);
        input.resize(input.len() + piece, b'x');
        if left_out.left > 0 {
            self.left_out = Some(left_out);
        } else if left_out.is_lines {
            let end = input.len() - piece.min(2);
            input.truncate(end);
            // A message is empty, or ends as lines do.
            input.extend_from_slice(b"\r\n".get(2 - piece.min(2)..).unwrap_or_default());
        }
        said
    }
}

/// How a log begins.
const NOTE: &[u8] = b"# connection ";

/// The note before lines of a conversation: `# connection NUMBER PROTOCOL SECONDS`.
fn note_of(line: &[u8]) -> Option<Of> {
    let mut words = std::str::from_utf8(line.strip_prefix(NOTE)?).ok()?.split(' ');
    let connection = words.next()?.parse().ok()?;
    let protocol = words.next().and_then(Protocol::named);
    Some(Of { connection, protocol })
}

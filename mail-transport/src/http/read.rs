//! Reading a response, as far as it has come ([RFC 9112](https://www.rfc-editor.org/rfc/rfc9112)).

use bytes::{Bytes, BytesMut};
use mailwire_core::LineFramer;

use super::{HttpError, Response};

/// The most that the header may have, in bytes.
const HEAD: usize = 32 * 1024;

/// The most that a line between two chunks may have, in bytes.
const CHUNK_LINE: usize = 1024;

/// Reads one response.
pub(super) struct Reader<'a> {
    host: &'a str,
    limit: usize,
    framer: LineFramer,
    state: State,
    response: Response,
    body: BytesMut,
    /// What all lines have had until now.
    head: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    StatusLine,
    Fields(Framing),
    /// So many bytes of the body are still to come.
    Length(usize),
    /// The body ends with the connection.
    Close,
    ChunkSize,
    Chunk(usize),
    ChunkEnd,
    Trailer,
    Done,
}

/// How the body's end is known: [RFC 9112 section 6.3](https://www.rfc-editor.org/rfc/rfc9112#section-6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Close,
    Length(usize),
    Chunked,
}

impl<'a> Reader<'a> {
    pub(super) fn new(host: &'a str, limit: usize) -> Self {
        Self {
            host,
            limit,
            framer: LineFramer::new(),
            state: State::StatusLine,
            response: Response::default(),
            body: BytesMut::new(),
            head: 0,
        }
    }

    /// Takes what has come, and returns the response when it is whole.
    pub(super) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Response>, HttpError> {
        loop {
            self.state = match self.state {
                State::Done => return Ok(Some(self.take())),
                State::Length(0) => State::Done,
                State::Length(left) => match self.take_body(input, left)? {
                    0 => return Ok(None),
                    taken => State::Length(left.saturating_sub(taken)),
                },
                State::Chunk(0) => State::ChunkEnd,
                State::Chunk(left) => match self.take_body(input, left)? {
                    0 => return Ok(None),
                    taken => State::Chunk(left.saturating_sub(taken)),
                },
                State::Close => match self.take_body(input, usize::MAX)? {
                    0 => return Ok(None),
                    _ => State::Close,
                },
                _ => match self.line(input)? {
                    None => return Ok(None),
                    Some(line) => self.after(&line)?,
                },
            };
        }
    }

    /// The connection has ended.
    pub(super) fn end(mut self) -> Result<Response, HttpError> {
        match self.state {
            State::Close | State::Done | State::Length(0) => Ok(self.take()),
            _ => Err(self.malformed("it ends in the middle")),
        }
    }

    fn take(&mut self) -> Response {
        self.response.body = std::mem::take(&mut self.body).freeze();
        std::mem::take(&mut self.response)
    }

    fn malformed(&self, reason: &'static str) -> HttpError {
        HttpError::Malformed { host: self.host.to_owned(), reason }
    }

    fn take_body(&mut self, input: &mut BytesMut, left: usize) -> Result<usize, HttpError> {
        let taken = input.split_to(input.len().min(left));
        if self.body.len().saturating_add(taken.len()) > self.limit {
            return Err(self.too_large());
        }
        self.body.extend_from_slice(&taken);
        Ok(taken.len())
    }

    fn too_large(&self) -> HttpError {
        HttpError::TooLarge { host: self.host.to_owned(), limit: self.limit }
    }

    fn line(&mut self, input: &mut BytesMut) -> Result<Option<Bytes>, HttpError> {
        let is_head = matches!(self.state, State::StatusLine | State::Fields(_) | State::Trailer);
        let limit = if is_head { HEAD.saturating_sub(self.head) } else { CHUNK_LINE };
        let line = self
            .framer
            .next_line(input, limit)
            .map_err(|_| self.malformed("a line or a header without an end"))?;
        Ok(line.map(|line| {
            if is_head {
                self.head = self.head.saturating_add(line.text.len()).saturating_add(2);
            }
            line.text
        }))
    }

    /// The state after a line.
    fn after(&mut self, line: &[u8]) -> Result<State, HttpError> {
        Ok(match self.state {
            State::StatusLine => {
                self.response.status =
                    status(line).ok_or_else(|| self.malformed("its status line is none"))?;
                State::Fields(Framing::Close)
            }
            State::Fields(framing) if line.is_empty() => match (self.response.status, framing) {
                // It was said that a response is to come.
                (100..=199, _) => {
                    self.response = Response::default();
                    State::StatusLine
                }
                (204 | 304, _) => State::Done,
                (_, Framing::Length(length)) if length > self.limit => return Err(self.too_large()),
                (_, Framing::Length(length)) => State::Length(length),
                (_, Framing::Chunked) => State::ChunkSize,
                (_, Framing::Close) => State::Close,
            },
            State::Fields(framing) => State::Fields(self.field(framing, line)?),
            State::ChunkSize => match chunk_size(line) {
                None => return Err(self.malformed("the size of a chunk is none")),
                Some(0) => State::Trailer,
                Some(size) if size > self.limit => return Err(self.too_large()),
                Some(size) => State::Chunk(size),
            },
            State::ChunkEnd if line.is_empty() => State::ChunkSize,
            State::ChunkEnd => return Err(self.malformed("a chunk has another size than it says")),
            State::Trailer if line.is_empty() => State::Done,
            state => state,
        })
    }

    /// ```text
    /// field-line = field-name ":" OWS field-value OWS
    /// ```
    fn field(&mut self, framing: Framing, line: &[u8]) -> Result<Framing, HttpError> {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            return Err(self.malformed("a line of its header is none"));
        };
        let (name, value) = line.split_at_checked(colon).unwrap_or((line, &[]));
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let text = || Some(String::from_utf8_lossy(value).into_owned());
        match name.to_ascii_lowercase().as_slice() {
            b"content-type" => self.response.media_type = text(),
            b"location" => self.response.location = text(),
            // What is said twice is cut in two places by two readers.
            b"content-length" => {
                let length = number(value).ok_or_else(|| self.malformed("its length is none"))?;
                return match framing {
                    Framing::Close => Ok(Framing::Length(length)),
                    Framing::Length(known) if known == length => Ok(framing),
                    _ => Err(self.malformed("it has two lengths")),
                };
            }
            b"transfer-encoding" => {
                return match framing {
                    Framing::Close if value.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
                    Framing::Close => Err(self.malformed("it is encoded in a way that was not asked for")),
                    _ => Err(self.malformed("it has two lengths")),
                };
            }
            b"content-encoding" if !value.eq_ignore_ascii_case(b"identity") => {
                return Err(self.malformed("it is encoded in a way that was not asked for"));
            }
            _ => {}
        }
        Ok(framing)
    }
}

/// ```text
/// status-line = "HTTP/1." DIGIT SP 3DIGIT [ SP reason-phrase ]
/// ```
fn status(line: &[u8]) -> Option<u16> {
    crate::proxy::http_status(line).ok().map(|(status, _)| status).filter(|status| *status >= 100)
}

/// ```text
/// chunk-size = 1*HEXDIG [ chunk-ext ]
/// ```
fn chunk_size(line: &[u8]) -> Option<usize> {
    let size = line.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    let size =
        std::str::from_utf8(size).ok().filter(|size| size.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    usize::from_str_radix(size, 16).ok()
}

fn number(value: &[u8]) -> Option<usize> {
    let value =
        std::str::from_utf8(value).ok().filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()))?;
    value.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads it whole, and byte by byte, with the same outcome.
    fn read(bytes: &[u8]) -> Result<Response, String> {
        let cut = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let (mut reader, mut input) = (Reader::new("a.example", 20), BytesMut::new());
            for piece in pieces {
                input.extend_from_slice(piece);
                if let Some(response) = reader.next(&mut input).map_err(|error| error.to_string())? {
                    return Ok(response);
                }
            }
            reader.end().map_err(|error| error.to_string())
        };
        let whole = cut(&mut [bytes].into_iter());
        assert_eq!(cut(&mut bytes.chunks(1)), whole);
        whole
    }

    #[test]
    fn bodies_of_each_kind() {
        for (response, body) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more", "hello"),
            ("HTTP/1.1 200 OK\r\n\r\nto the end", "to the end"),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;a=b\r\n, y\r\n0\r\nX: y\r\n\r\nmore",
                "hello, y",
            ),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\nContent-Length: 1\r\n\r\na", "a"),
            ("HTTP/1.0 204 No Content\r\n\r\nx", ""),
            ("HTTP/1.1 200 OK\ncontent-length:2\n\nab", "ab"),
        ] {
            assert_eq!(read(response.as_bytes()).unwrap().body, body, "{response}");
        }
        let moved =
            read(b"HTTP/1.1 301 Moved\r\nLocation: https://b.example/\r\nContent-Type: text/xml\r\n\r\n")
                .unwrap();
        assert_eq!(
            moved,
            Response::new(301, "").with_location("https://b.example/").with_media_type("text/xml")
        );
    }

    #[test]
    fn what_is_none_or_too_large_is_refused() {
        let endless = format!("HTTP/1.1 200 OK\r\n{}", "X-Y: z\r\n".repeat(10_000));
        let line = format!("HTTP/1.1 200 {}", "x".repeat(100_000));
        for (response, reason) in [
            ("", "in the middle"),
            ("220 mail.example ESMTP\r\n", "status line"),
            ("HTTP/1.1 2000 OK\r\n\r\n", "status line"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n", "more than 20 bytes"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n", "length is none"),
            ("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na", "length is none"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "two lengths"),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "two lengths",
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "not asked for"),
            ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", "not asked for"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", "size of a chunk"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "size of a chunk"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n", "more than 20 bytes"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "another size"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "in the middle"),
            ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "a line of its header"),
            ("HTTP/1.1 200 OK\r\n\r\nmore than twenty bytes to the end", "more than 20 bytes"),
            (endless.as_str(), "without an end"),
            (line.as_str(), "without an end"),
        ] {
            let error = read(response.as_bytes()).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}

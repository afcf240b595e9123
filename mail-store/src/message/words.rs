//! The tokens of structured fields, read leniently:
//! [RFC 2045 section 5.1](https://www.rfc-editor.org/rfc/rfc2045#section-5.1).

use bytes::Bytes;

use super::continuations;

/// A place in a field's unfolded value.
pub(super) struct Words<'a> {
    value: &'a Bytes,
    position: usize,
}

impl<'a> Words<'a> {
    pub(super) fn new(value: &'a Bytes) -> Self {
        Self { value, position: 0 }
    }

    pub(super) fn mark(&self) -> usize {
        self.position
    }

    pub(super) fn reset(&mut self, mark: usize) {
        self.position = mark;
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.value.get(self.position).copied()
    }

    pub(super) fn bump(&mut self) {
        self.position = (self.position + 1).min(self.value.len());
    }

    /// Steps over white space and comments. Gives the content of the last comment.
    pub(super) fn skip_blank(&mut self) -> Option<Bytes> {
        let mut comment = None;
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\r' | b'\n') => self.bump(),
                Some(b'(') => comment = Some(self.comment()),
                _ => return comment,
            }
        }
    }

    fn comment(&mut self) -> Bytes {
        let start = self.position + 1;
        let mut depth = 0usize;
        while let Some(byte) = self.peek() {
            let end = self.position;
            self.bump();
            match byte {
                b'\\' => self.bump(),
                b'(' => depth += 1,
                b')' => {
                    depth -= 1;
                    if depth == 0 {
                        return self.value.slice(start..end);
                    }
                }
                _ => {}
            }
        }
        self.value.slice(start.min(self.value.len())..)
    }

    /// The content of a quoted string, whose first quote is next. It may lack its last one.
    pub(super) fn quoted(&mut self) -> Bytes {
        self.bump();
        let start = self.position;
        let rest = self.value.get(start..).unwrap_or_default();
        match memchr::memchr2(b'"', b'\\', rest) {
            Some(end) if rest.get(end) == Some(&b'"') => {
                self.position = start + end + 1;
                return self.value.slice(start..start + end);
            }
            _ => {}
        }
        let mut content = Vec::new();
        while let Some(byte) = self.peek() {
            self.bump();
            match byte {
                b'"' => break,
                b'\\' => {
                    content.extend(self.peek());
                    self.bump();
                }
                byte => content.push(byte),
            }
        }
        content.into()
    }

    /// As many bytes as are of a class.
    pub(super) fn take_while(&mut self, class: impl Fn(u8) -> bool) -> Bytes {
        let start = self.position;
        while self.peek().is_some_and(&class) {
            self.bump();
        }
        self.value.slice(start..self.position)
    }

    pub(super) fn eat(&mut self, byte: u8) -> bool {
        self.skip_blank();
        let found = self.peek() == Some(byte);
        if found {
            self.bump();
        }
        found
    }

    /// A token, or a quoted string in a token's place.
    pub(super) fn token(&mut self) -> Option<Bytes> {
        self.skip_blank();
        let token = match self.peek()? {
            b'"' => self.quoted(),
            _ => self.take_while(is_of_token),
        };
        (!token.is_empty()).then_some(token)
    }

    /// `; name=value` as often as it comes, also where the semicolon is missing. What has no value is left
    /// out, and values in pieces are joined.
    pub(super) fn parameters(&mut self) -> Vec<(Bytes, Bytes)> {
        let mut parameters = Vec::new();
        while self.peek().is_some() && parameters.len() < MAX_PARAMETERS {
            if self.eat(b';') {
                continue;
            }
            let name = self.take_while(|byte| !b"=;( \t\r\n".contains(&byte));
            if !self.eat(b'=') || name.is_empty() {
                // Junk.
                self.take_while(|byte| byte != b';');
                continue;
            }
            self.skip_blank();
            let value = if self.peek() == Some(b'"') { self.quoted() } else { self.unquoted() };
            parameters.push((name, value));
        }
        continuations::join(parameters)
    }

    /// A value without quotes. It ends at a space if a parameter follows, and otherwise at the semicolon: the
    /// name of a file may have spaces.
    fn unquoted(&mut self) -> Bytes {
        let start = self.position;
        loop {
            self.take_while(|byte| !b";( \t\r\n".contains(&byte));
            let end = self.position;
            self.take_while(|byte| b" \t\r\n".contains(&byte));
            let next = self.position;
            let ends = matches!(self.peek(), None | Some(b';' | b'(')) || {
                let is_name = !self.take_while(is_of_token).is_empty() && self.eat(b'=');
                self.reset(next);
                is_name
            };
            if ends {
                return self.value.slice(start..end);
            }
        }
    }
}

fn is_of_token(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f && !b"()<>@,;:\\\"/[]?=".contains(&byte)
}

const MAX_PARAMETERS: usize = 100;

//! Reading commands.

use bytes::Bytes;
use mailwire_core::{
    Cursor, Newline, ParseError, Parsed, Text,
    sasl::{self, Mechanism},
};

use super::{Command, MAX_COMMAND_LINE};
use crate::{
    context::ParseContext,
    deviation,
    extensions::Xclient,
    types::{
        ApopDigest, Keyword, LanguageRange, LineText, MessageNumber, Password, UserName, find_break,
        is_vchar, trim_end,
    },
};

impl Command {
    /// Reads a command from a line without its line end ([RFC 2449 section
    /// 3](https://www.rfc-editor.org/rfc/rfc2449#section-3)).
    ///
    /// ```text
    /// command = keyword *(SP param) CRLF    ;255 octets maximum
    /// keyword = 3*4VCHAR
    /// param   = 1*VCHAR                     ; RFC 2449 section 3
    /// ```
    ///
    /// # Errors
    ///
    /// What is wrong and where. A server answers it with `-ERR`. A bare LF as the line end is always
    /// wrong: whether it ends a line is what injection lives on.
    pub fn parse(frame: &Bytes, context: impl Into<ParseContext>) -> Result<Parsed<Self>, ParseError> {
        let context = context.into();
        match context.newline {
            Newline::CrLf => Cursor::parse(frame, context.dialect, command),
            Newline::Lf => Err(ParseError::new(frame.len(), "a line that ends in a bare LF")),
        }
    }
}

fn command(cursor: &mut Cursor<'_>) -> Result<Command, ParseError> {
    if cursor.rest().len() + 2 > MAX_COMMAND_LINE {
        cursor.deviate_at(MAX_COMMAND_LINE - 2, deviation::LONG_COMMAND)?;
    }
    // Clearing bit 5 makes letters upper case; a space as fourth byte becomes NUL. By the keywords'
    // table a NOOP takes 13 % more: hostile/pop3-server-commands.
    let (word, length) = match cursor.rest() {
        [a, b, c, b' ', ..] | [a, b, c] => ([a & 0xdf, b & 0xdf, c & 0xdf, 0], 3),
        [a, b, c, d, b' ', ..] | [a, b, c, d] => ([a & 0xdf, b & 0xdf, c & 0xdf, d & 0xdf], 4),
        _ => return other(cursor),
    };
    cursor.skip(length);
    match &word {
        b"USER" => Ok(Command::User(user(cursor)?)),
        b"PASS" => pass(cursor),
        b"APOP" => apop(cursor),
        b"AUTH" => auth(cursor),
        // An argument here would be a mistake of somebody who is about to be trusted.
        b"STLS" => {
            end(cursor)?;
            Ok(Command::Stls)
        }
        b"CAPA" => plain(cursor, Command::Capa),
        b"LANG" => lang(cursor),
        b"STAT" => plain(cursor, Command::Stat),
        b"LIST" => Ok(Command::List(optional_message(cursor)?)),
        b"UIDL" => Ok(Command::Uidl(optional_message(cursor)?)),
        b"RETR" => Ok(Command::Retr(message(cursor)?)),
        b"TOP\0" => top(cursor),
        b"DELE" => Ok(Command::Dele(message(cursor)?)),
        b"RSET" => plain(cursor, Command::Rset),
        b"NOOP" => plain(cursor, Command::Noop),
        b"QUIT" => plain(cursor, Command::Quit),
        _ => {
            cursor.seek(0);
            other(cursor)
        }
    }
}

/// A command without arguments. Some clients give it one.
fn plain(cursor: &mut Cursor<'_>, command: Command) -> Result<Command, ParseError> {
    if !cursor.is_at_end() {
        surplus_argument(cursor)?;
    }
    end(cursor)?;
    Ok(command)
}

#[cold]
fn surplus_argument(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    let start = cursor.offset();
    if cursor.take_while(|byte| byte == b' ').is_empty() || cursor.is_at_end() {
        cursor.rewind(start);
        return Ok(());
    }
    cursor.deviate(deviation::SURPLUS_ARGUMENT)?;
    let argument = cursor.rest();
    cursor.skip(find_break(argument).unwrap_or(argument.len()));
    Ok(())
}

/// The end of the line, or spaces before it.
fn end(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    if cursor.peek() == Some(b' ') {
        let start = cursor.offset();
        cursor.take_while(|byte| byte == b' ');
        if !cursor.is_at_end() {
            return Err(ParseError::new(start, "unexpected argument"));
        }
        cursor.deviate_at(start, deviation::SPACE_BEFORE_LINE_END)?;
    }
    cursor.expect_end()
}

/// The space before an argument.
fn space(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    if !cursor.eat(b' ') {
        return Err(cursor.error("an argument is missing"));
    }
    if cursor.peek() == Some(b' ') {
        cursor.deviate(deviation::EXTRA_SPACE)?;
        cursor.take_while(|byte| byte == b' ');
    }
    Ok(())
}

/// `msg`: digits.
fn number(cursor: &mut Cursor<'_>) -> Result<MessageNumber, ParseError> {
    let start = cursor.offset();
    let number = cursor.number_u32()?;
    MessageNumber::new(number).ok_or(ParseError::new(start, MessageNumber::NOT_ZERO))
}

/// `RETR msg`, `DELE msg`
fn message(cursor: &mut Cursor<'_>) -> Result<MessageNumber, ParseError> {
    space(cursor)?;
    let number = number(cursor)?;
    end(cursor)?;
    Ok(number)
}

/// `LIST [msg]`, `UIDL [msg]`
fn optional_message(cursor: &mut Cursor<'_>) -> Result<Option<MessageNumber>, ParseError> {
    if cursor.is_at_end() {
        return Ok(None);
    }
    if cursor.rest().iter().all(|&byte| byte == b' ') {
        end(cursor)?;
        return Ok(None);
    }
    space(cursor)?;
    let number = number(cursor)?;
    end(cursor)?;
    Ok(Some(number))
}

/// `TOP msg n`
fn top(cursor: &mut Cursor<'_>) -> Result<Command, ParseError> {
    space(cursor)?;
    let number = number(cursor)?;
    space(cursor)?;
    let lines = cursor.number_u64()?;
    end(cursor)?;
    Ok(Command::Top { number, lines })
}

/// `USER name`. A space in the name is taken leniently, as it is the only argument.
fn user(cursor: &mut Cursor<'_>) -> Result<UserName, ParseError> {
    space(cursor)?;
    let start = cursor.offset();
    let name = trim_end(cursor.rest(), b" ");
    cursor.skip(name.len());
    let name = user_name(cursor, start)?;
    end(cursor)?;
    Ok(name)
}

/// What lies between `start` and the cursor, as a user name.
fn user_name(cursor: &mut Cursor<'_>, start: usize) -> Result<UserName, ParseError> {
    let text = cursor.text_from(start);
    if let Err(invalid) = UserName::validate(text.as_bytes()) {
        let offset = start.saturating_add(invalid.offset);
        if text.is_empty() || text.as_bytes().iter().any(u8::is_ascii_control) {
            return Err(ParseError::new(offset, invalid.reason));
        }
        let not_utf_8 = invalid.reason == UserName::NOT_UTF_8;
        let name = if not_utf_8 { deviation::NOT_UTF_8 } else { deviation::SPACE_IN_USER_NAME };
        cursor.deviate_at(offset, name)?;
    }
    Ok(UserName::unchecked(text))
}

/// `PASS string`. Spaces are part of the password (RFC 1939 section 7).
fn pass(cursor: &mut Cursor<'_>) -> Result<Command, ParseError> {
    if !cursor.eat(b' ') {
        return Err(cursor.error("an argument is missing"));
    }
    let start = cursor.offset();
    let password = Password::new(cursor.rest())
        .map_err(|invalid| ParseError::new(start.saturating_add(invalid.offset), invalid.reason))?;
    cursor.skip(usize::MAX);
    Ok(Command::Pass(password))
}

/// `APOP name digest`. The digest is the last word, so that a name with a space can be read.
fn apop(cursor: &mut Cursor<'_>) -> Result<Command, ParseError> {
    space(cursor)?;
    let start = cursor.offset();
    let rest = trim_end(cursor.rest(), b" ");
    let Some(split) = rest.iter().rposition(|&byte| byte == b' ') else {
        cursor.skip(rest.len());
        return Err(cursor.error("an argument is missing"));
    };
    let name = trim_end(rest.get(..split).unwrap_or_default(), b" ");
    cursor.skip(name.len());
    let name = user_name(cursor, start)?;
    space(cursor)?;
    let digest = digest(cursor)?;
    end(cursor)?;
    Ok(Command::Apop { name, digest })
}

/// 32 hexadecimal digits in lower case.
fn digest(cursor: &mut Cursor<'_>) -> Result<ApopDigest, ParseError> {
    const WRONG: &str = "not a digest of 32 hexadecimal digits";
    let mut digest = [0; 16];
    let mut upper = None;
    for byte in &mut digest {
        for _ in 0..2 {
            let here = cursor.offset();
            let digit = match cursor.peek() {
                Some(digit @ b'0'..=b'9') => digit - b'0',
                Some(digit @ b'a'..=b'f') => digit - b'a' + 10,
                Some(digit @ b'A'..=b'F') => {
                    upper.get_or_insert(here);
                    digit - b'A' + 10
                }
                _ => return Err(cursor.error(WRONG)),
            };
            *byte = (*byte << 4) | digit;
            cursor.skip(1);
        }
    }
    if !matches!(cursor.peek(), None | Some(b' ')) {
        return Err(cursor.error(WRONG));
    }
    if let Some(offset) = upper {
        cursor.deviate_at(offset, deviation::DIGEST_IN_UPPER_CASE)?;
    }
    Ok(ApopDigest::new(digest))
}

/// ```text
/// auth-command     = "AUTH" SP sasl-mech [SP initial-response] ...
/// initial-response = base64 / "="              ; RFC 5034 section 5
/// ```
///
/// Old clients send `AUTH` alone to learn the mechanisms.
fn auth(cursor: &mut Cursor<'_>) -> Result<Command, ParseError> {
    if cursor.rest().iter().all(|&byte| byte == b' ') {
        end(cursor)?;
        return Ok(Command::AuthList);
    }
    space(cursor)?;
    let mechanism = Mechanism::read(cursor)?;
    if cursor.rest().iter().all(|&byte| byte == b' ') {
        end(cursor)?;
        return Ok(Command::Auth { mechanism, initial: None });
    }
    space(cursor)?;
    let start = cursor.offset();
    let argument = cursor.take_while(|byte| byte != b' ');
    let initial = sasl::decode_initial(argument)
        .map_err(|error| ParseError::new(start.saturating_add(error.offset), error.reason))?;
    end(cursor)?;
    Ok(Command::Auth { mechanism, initial: Some(initial) })
}

/// ```text
/// lang-command   = "LANG" [SP lang-range]
/// lang-range     = (1*8ALPHA *("-" 1*8alphanum)) / "*"     ; RFC 4647 section 2.1
/// ```
fn lang(cursor: &mut Cursor<'_>) -> Result<Command, ParseError> {
    if cursor.rest().iter().all(|&byte| byte == b' ') {
        end(cursor)?;
        return Ok(Command::Lang(None));
    }
    space(cursor)?;
    let start = cursor.offset();
    let range = LanguageRange::new(cursor.text_while(is_vchar)).map_err(|invalid| {
        ParseError::new(start.saturating_add(invalid.offset), "not a range of languages")
    })?;
    end(cursor)?;
    Ok(Command::Lang(Some(range)))
}

/// A command that is not known here, or whose name is not of three or four letters.
fn other(cursor: &mut Cursor<'_>) -> Result<Command, ParseError> {
    let keyword = cursor.text_while1(is_vchar, "expected a command")?;
    if !matches!(cursor.peek(), None | Some(b' ')) {
        return Err(cursor.error("a character that no command has"));
    }
    if keyword.len() > Keyword::MAX_LENGTH {
        return Err(ParseError::new(Keyword::MAX_LENGTH, "no command has such a long name"));
    }
    // Clearing bit 5 has no meaning for a digit, and seven letters are no word of four.
    if keyword.eq_ignore_ascii_case("UTF8") {
        return plain(cursor, Command::Utf8);
    }
    if keyword.eq_ignore_ascii_case("XCLIENT") {
        return Xclient::read(cursor).map(Command::Xclient);
    }
    if !matches!(keyword.len(), 3 | 4) {
        cursor.deviate_at(keyword.len().min(4), deviation::KEYWORD_LENGTH)?;
    }
    let arguments = if cursor.eat(b' ') {
        let start = cursor.offset();
        let text: Text = cursor.text_rest();
        if let Some(offset) = find_break(text.as_bytes()) {
            return Err(ParseError::new(start.saturating_add(offset), "a CR or NUL in an argument"));
        }
        Some(LineText::unchecked(text))
    } else {
        None
    };
    Ok(Command::Other { keyword: Keyword::unchecked(keyword), arguments })
}

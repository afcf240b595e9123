//! Reading commands.

use alloc::vec::Vec;

use bytes::Bytes;
use mailwire_core::{Cursor, Dialect, Newline, ParseError, Parsed, sasl, sasl::Mechanism};

use super::{Auth, Command, Mail, Name, Rcpt};
use crate::{
    ParseContext, deviation,
    extensions::{burl::Burl, client_id::ClientId, etrn::Node, xclient::Attributes},
    types::{
        Argument, BodyType, Domain, EhloName, ForwardPath, Keyword, Query, ReversePath, Submitter, Verb,
        read_domain,
    },
};

impl Command {
    /// Reads one command, `frame` being its line without the line end.
    ///
    /// # Errors
    ///
    /// What is not a command, with the place. Control characters, and a line end other than CR LF
    /// ([`ParseContext::newline`]), are errors in every dialect.
    pub fn parse(frame: &Bytes, context: impl Into<ParseContext>) -> Result<Parsed<Self>, ParseError> {
        Self::parse_in(frame, context.into())
    }

    fn parse_in(frame: &Bytes, context: ParseContext) -> Result<Parsed<Self>, ParseError> {
        let mut cursor = Cursor::new(frame, context.dialect);
        let command = command(&mut cursor)?;
        line_end(&mut cursor, context.newline)?;
        Ok(cursor.finish(command))
    }
}

// Always: it has one caller, and a call that hands a command over is 4 % of the short ones (smtp/command-ehlo).
#[inline(always)]
fn command(cursor: &mut Cursor<'_>) -> Result<Command, ParseError> {
    let Some(name) = name(cursor) else {
        let verb = Verb::read(cursor)?;
        return Ok(Command::Other { verb, argument: argument(cursor)? });
    };
    Ok(match name {
        Name::Mail => mail(cursor)?,
        Name::Rcpt => rcpt(cursor)?,
        Name::Ehlo => Command::Ehlo(ehlo_name(cursor)?),
        Name::Helo => Command::Helo(ehlo_name(cursor)?),
        Name::Lhlo => Command::Lhlo(ehlo_name(cursor)?),
        Name::Bdat => bdat(cursor)?,
        Name::Burl => burl(cursor)?,
        Name::Data => plain(cursor, Command::Data)?,
        Name::Rset => plain(cursor, Command::Rset)?,
        Name::Quit => plain(cursor, Command::Quit)?,
        Name::StartTls => Command::StartTls,
        Name::Auth => auth(cursor)?,
        Name::Noop => Command::Noop(argument(cursor)?),
        Name::Help => Command::Help(argument(cursor)?),
        Name::Vrfy => Command::Vrfy(after_space(cursor, Query::read)?),
        Name::Expn => Command::Expn(after_space(cursor, Query::read)?),
        Name::Atrn => Command::Atrn(domains(cursor)?),
        Name::ClientId => Command::ClientId(after_space(cursor, |cursor| ClientId::read(cursor, space))?),
        Name::Etrn => Command::Etrn(after_space(cursor, Node::read)?),
        Name::Onex => plain(cursor, Command::Onex)?,
        Name::Verb => plain(cursor, Command::Verb)?,
        Name::Xclient => Command::Xclient(Attributes::read(cursor, another)?),
        Name::Xforward => Command::Xforward(Attributes::read(cursor, another)?),
    })
}

/// Steps over a name that is known.
#[inline]
fn name(cursor: &mut Cursor<'_>) -> Option<Name> {
    let rest = cursor.rest();
    let length = match rest {
        [_, _, _, _] | [_, _, _, _, b' ', ..] => 4,
        _ => rest
            .iter()
            .position(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'_'))
            .unwrap_or(rest.len()),
    };
    let name = Name::of(rest.get(..length)?)?;
    cursor.skip(length);
    Some(name)
}

/// The end, and perhaps white space before it, which receivers SHOULD tolerate (RFC 5321 section
/// 4.1.1): it is no error in the strict dialect either.
#[inline]
fn line_end(cursor: &mut Cursor<'_>, newline: Newline) -> Result<(), ParseError> {
    if matches!(cursor.peek(), Some(b' ' | b'\t')) {
        if cursor.dialect() == Dialect::Lenient {
            let start = cursor.offset();
            cursor.take_while(|byte| matches!(byte, b' ' | b'\t'));
            if cursor.is_at_end() {
                cursor.deviate_at(start, deviation::SPACE_BEFORE_LINE_END)?;
            }
        } else {
            cursor.take_while(|byte| matches!(byte, b' ' | b'\t'));
        }
    }
    match (cursor.rest(), newline) {
        ([], Newline::CrLf) => Ok(()),
        ([], Newline::Lf) => Err(cursor.error("LF without CR")),
        ([0..=31 | 127, ..], _) => Err(cursor.error("control character")),
        ([..], _) => Err(cursor.error("expected no more arguments")),
    }
}

/// One space. Some clients write more of them, or a tab.
#[inline]
fn space(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    match cursor.peek() {
        Some(b' ') => {}
        Some(b'\t') => cursor.deviate(deviation::TAB_FOR_SPACE)?,
        _ => return Err(cursor.error("expected a space")),
    }
    cursor.skip(1);
    if matches!(cursor.peek(), Some(b' ' | b'\t')) {
        cursor.deviate(deviation::EXTRA_SPACE)?;
        cursor.take_while(|byte| matches!(byte, b' ' | b'\t'));
    }
    Ok(())
}

/// Whether nothing but white space is left of the line.
fn at_line_end(cursor: &Cursor<'_>) -> bool {
    match cursor.rest() {
        [] => true,
        [b' ' | b'\t', rest @ ..] => rest.iter().all(|byte| matches!(byte, b' ' | b'\t')),
        _ => false,
    }
}

/// A command without arguments. STARTTLS is none of these: RFC 3207 section 4 has an answer for its arguments.
#[inline]
fn plain(cursor: &mut Cursor<'_>, command: Command) -> Result<Command, ParseError> {
    if !cursor.is_at_end() {
        surplus_argument(cursor)?;
    }
    Ok(command)
}

#[cold]
fn surplus_argument(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    if at_line_end(cursor) || !matches!(cursor.peek(), Some(b' ' | b'\t')) {
        return Ok(());
    }
    space(cursor)?;
    cursor.deviate(deviation::SURPLUS_ARGUMENT)?;
    cursor.take_while(|byte| byte == b'\t' || !byte.is_ascii_control());
    Ok(())
}

#[inline]
fn ehlo_name(cursor: &mut Cursor<'_>) -> Result<EhloName, ParseError> {
    space(cursor)?;
    EhloName::read(cursor)
}

/// ```abnf
/// noop = "NOOP" [ SP String ] CRLF
/// help = "HELP" [ SP String ] CRLF
/// ```
fn argument(cursor: &mut Cursor<'_>) -> Result<Option<Argument>, ParseError> {
    if at_line_end(cursor) {
        return Ok(None);
    }
    required_argument(cursor).map(Some)
}

/// A space and what stands after it.
#[cold]
fn after_space<T>(
    cursor: &mut Cursor<'_>,
    read: impl FnOnce(&mut Cursor<'_>) -> Result<T, ParseError>,
) -> Result<T, ParseError> {
    space(cursor)?;
    read(cursor)
}

/// ```abnf
/// atrn = "ATRN" [SP domain *("," domain)]     ; RFC 2645 section 5.2.1
/// ```
#[cold]
fn domains(cursor: &mut Cursor<'_>) -> Result<Vec<Domain>, ParseError> {
    let mut domains = Vec::new();
    if another(cursor)? {
        domains.push(read_domain(cursor)?);
        while cursor.eat(b',') {
            domains.push(read_domain(cursor)?);
        }
    }
    Ok(domains)
}

/// The space before another argument, if there is one.
fn another(cursor: &mut Cursor<'_>) -> Result<bool, ParseError> {
    if at_line_end(cursor) {
        return Ok(false);
    }
    space(cursor).map(|()| true)
}

/// ```abnf
/// vrfy = "VRFY" SP String CRLF
/// expn = "EXPN" SP String CRLF
/// ```
fn required_argument(cursor: &mut Cursor<'_>) -> Result<Argument, ParseError> {
    space(cursor)?;
    Argument::read(cursor)
}

/// The word and colon before a path. Clients write spaces around the colon.
#[inline]
fn path_prefix(cursor: &mut Cursor<'_>, word: &'static str, reason: &'static str) -> Result<(), ParseError> {
    space(cursor)?;
    cursor.expect_ignore_case(word, reason)?;
    if cursor.peek() == Some(b' ') {
        cursor.deviate(deviation::SPACE_BEFORE_COLON)?;
        cursor.take_while(|byte| byte == b' ');
    }
    cursor.expect(b':', "expected a colon")?;
    if cursor.peek() == Some(b' ') {
        cursor.deviate(deviation::SPACE_AFTER_COLON)?;
        cursor.take_while(|byte| byte == b' ');
    }
    Ok(())
}

/// ```abnf
/// mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF   ; RFC 5321 section 4.1.1.2
/// ```
#[inline]
fn mail(cursor: &mut Cursor<'_>) -> Result<Command, ParseError> {
    path_prefix(cursor, "FROM", "expected FROM:")?;
    let mut mail = Mail::new(ReversePath::read(cursor)?);
    parameters(cursor, |cursor, start, keyword| {
        let known = match keyword.len() {
            4 if keyword.eq_ignore_ascii_case(b"SIZE") => {
                value(cursor)?;
                mail.size.replace(cursor.number_u64()?).is_some()
            }
            4 if keyword.eq_ignore_ascii_case(b"BODY") => {
                value(cursor)?;
                mail.body.replace(BodyType::read(cursor)?).is_some()
            }
            4 if keyword.eq_ignore_ascii_case(b"AUTH") => {
                value(cursor)?;
                mail.auth.replace(Submitter::read(cursor)?).is_some()
            }
            8 if keyword.eq_ignore_ascii_case(b"SMTPUTF8") => core::mem::replace(&mut mail.smtp_utf8, true),
            _ => mail.parameters_mut().read(cursor, start, keyword)?,
        };
        once(start, known)
    })?;
    Ok(Command::Mail(mail))
}

/// ```abnf
/// rcpt = "RCPT TO:" ( "<Postmaster@" Domain ">" / "<Postmaster>" / Forward-path )
///        [SP Rcpt-parameters] CRLF                             ; RFC 5321 section 4.1.1.3
/// ```
#[inline]
fn rcpt(cursor: &mut Cursor<'_>) -> Result<Command, ParseError> {
    path_prefix(cursor, "TO", "expected TO:")?;
    let mut rcpt = Rcpt::new(ForwardPath::read(cursor)?);
    parameters(cursor, |cursor, start, keyword| {
        let known = rcpt.parameters_mut().read(cursor, start, keyword)?;
        once(start, known)
    })?;
    Ok(Command::Rcpt(rcpt))
}

/// ```abnf
/// bdat-cmd   = "BDAT" SP chunk-size [ SP end-marker ] CRLF      ; RFC 3030 section 2
/// chunk-size = 1*DIGIT
/// end-marker = "LAST"
/// ```
fn bdat(cursor: &mut Cursor<'_>) -> Result<Command, ParseError> {
    space(cursor)?;
    let start = cursor.offset();
    let size = cursor.number_u64()?;
    if size > i64::MAX as u64 {
        return Err(ParseError::new(start, "number too large"));
    }
    Ok(Command::Bdat { size, last: end_marker(cursor)? })
}

/// The mark of the last part of a message, if it is there.
fn end_marker(cursor: &mut Cursor<'_>) -> Result<bool, ParseError> {
    let last = !at_line_end(cursor);
    if last {
        space(cursor)?;
        cursor.expect_ignore_case("LAST", "expected LAST or the end of the line")?;
    }
    Ok(last)
}

#[cold]
fn burl(cursor: &mut Cursor<'_>) -> Result<Command, ParseError> {
    let url = after_space(cursor, Burl::read_url)?;
    Ok(Command::Burl(Burl::new(url).with_last(end_marker(cursor)?)))
}

/// ```abnf
/// Mail-parameters = esmtp-param *(SP esmtp-param)
/// esmtp-param     = esmtp-keyword ["=" esmtp-value]
/// ```
#[inline]
fn parameters(
    cursor: &mut Cursor<'_>,
    mut parameter: impl FnMut(&mut Cursor<'_>, usize, &[u8]) -> Result<(), ParseError>,
) -> Result<(), ParseError> {
    while !at_line_end(cursor) {
        space(cursor)?;
        let start = cursor.offset();
        let keyword = Keyword::skip(cursor);
        parameter(cursor, start, keyword)?;
        if !matches!(cursor.peek(), None | Some(b' ' | b'\t')) {
            return Err(cursor.error("expected a space or the end of the line"));
        }
    }
    Ok(())
}

/// A parameter that is known stands once in a command.
#[inline]
fn once(start: usize, again: bool) -> Result<(), ParseError> {
    if again { Err(ParseError::new(start, "a parameter that was given before")) } else { Ok(()) }
}

fn value(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    cursor.expect(b'=', "expected = and a value")
}

/// ```abnf
/// auth-command     = "AUTH" SP sasl-mech [SP initial-response] CRLF   ; RFC 4954 section 8
/// initial-response = base64 / "="
/// ```
fn auth(cursor: &mut Cursor<'_>) -> Result<Command, ParseError> {
    space(cursor)?;
    let mechanism = Mechanism::read(cursor)?;
    if at_line_end(cursor) {
        return Ok(Command::Auth(Auth { mechanism, initial: None }));
    }
    space(cursor)?;
    let start = cursor.offset();
    let encoded: &[u8] = cursor.take_while(|byte| byte > b' ' && byte < 127);
    let initial = sasl::decode_initial(encoded)
        .map_err(|error| ParseError::new(start.saturating_add(error.offset), error.reason))?;
    Ok(Command::Auth(Auth { mechanism, initial: Some(initial) }))
}

/// The first word of a line, as far as it is one: for choosing the reply to what does not parse.
pub(crate) fn first_word(line: &[u8]) -> &[u8] {
    let length = line.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(line.len());
    line.get(..length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use mailwire_core::Deviation;

    use super::*;

    #[test]
    fn values_are_slices_of_the_frame() {
        let frame = Bytes::from_static(b"NOOP some text that is long enough");
        let parsed = Command::parse(&frame, Dialect::Strict).unwrap();
        let Command::Noop(Some(argument)) = parsed.value else { panic!() };
        assert_eq!(argument.as_bytes().as_ptr(), frame[5..].as_ptr());
    }

    #[test]
    fn errors_name_the_place() {
        for (line, offset) in [
            (&b"STARTTLS foo"[..], 9),
            (b"RCPT TO:<a\rb@example.org>", 10),
            (b"NOOP \x00", 5),
            (b"NOOP a\x00", 6),
            (b"NOOP\n", 4),
            (b"NOOP\r", 4),
            (b"MAIL FROM:<a@b> SIZE=x", 21),
            (b"MAIL FROM:<a@b> SIZE=1 SIZE=2", 23),
            (b"MAIL FROM:<a@b> SIZE", 20),
            (b"MAIL FROM:<a@b>SIZE=1", 15),
            (b"EHLO", 4),
            (b"BDAT", 4),
            (b"BDAT LAST", 5),
            (b"BDAT -1", 5),
            (b"BDAT 9223372036854775808", 5),
            (b"BDAT 99999999999999999999999999 LAST", 5),
            (b"BDAT 5 FIRST", 7),
            (b"BDAT 5LAST", 6),
            (b"BDAT 5 LAST LAST", 12),
            (b"BDAT 5\r", 6),
            (b"AUTH PLAIN Zg==!", 15),
            (b"AUTH PLAIN = x", 13),
            (b"", 0),
            (b"NOOP\r\nNOOP", 4),
        ] {
            for dialect in [Dialect::Strict, Dialect::Lenient] {
                let error = Command::parse(&Bytes::from_static(line), dialect).unwrap_err();
                assert_eq!(error.offset, offset, "{} {error}", line.escape_ascii());
            }
        }
    }

    #[test]
    fn a_line_that_ends_in_lf_alone_is_no_command() {
        for dialect in [Dialect::Strict, Dialect::Lenient] {
            let context = ParseContext::new(dialect).with_newline(Newline::Lf);
            assert_eq!(Command::parse(&Bytes::from_static(b"NOOP"), context).unwrap_err().offset, 4);
        }
    }

    #[test]
    fn trailing_white_space_is_tolerated() {
        let frame = Bytes::from_static(b"RSET ");
        assert_eq!(Command::parse(&frame, Dialect::Strict).unwrap().value, Command::Rset);
        assert_eq!(
            Command::parse(&frame, Dialect::Lenient).unwrap().deviations,
            vec![Deviation::new("space-before-line-end", 4)]
        );
    }
}

//! Reading commands.

use alloc::vec::Vec;

use bytes::Bytes;
use mailwire_core::{ParseError, ParseErrorKind, Parsed, Text};

use super::{
    Append, Authenticate, Command, Copy, Create, Fetch, List, Login, OtherCommand, Replace, Request, Search,
    Select, Sort, Status, Store, Thread, rules::Name,
};
use crate::{
    capability::Capability,
    extensions::{ExtensionCommand, id, multisearch::ESearch, notify::Notify},
    framing,
    types::{
        Atom, ListPattern, Literal, MailboxName, ParseContext, Reader, Tag, UidSet, Value, chars,
        read_literal,
    },
};

#[cfg(feature = "server")]
impl Request {
    /// Reads a complete command without its line end.
    ///
    /// # Errors
    ///
    /// What is not a command, with the place where it went wrong.
    #[inline]
    pub fn parse(frame: &Bytes, context: impl Into<ParseContext>) -> Result<Parsed<Self>, ParseError> {
        Self::parse_in(frame, &context.into())
    }

    #[inline]
    pub(crate) fn parse_in(frame: &Bytes, context: &ParseContext) -> Result<Parsed<Self>, ParseError> {
        Self::parse_telling(frame, context, &mut None)
    }

    /// Reads a command, and tells what of a known one is not known: so that it is [`Other`](Command::Other), or a
    /// member of it is.
    pub(crate) fn parse_telling(
        frame: &Bytes,
        context: &ParseContext,
        unknown: &mut Option<ParseError>,
    ) -> Result<Parsed<Self>, ParseError> {
        let mut reader = Reader::new(frame, context);
        reader.line_end(context.newline)?;
        let tag = read_tag(&mut reader)?;
        reader.space()?;
        let start = reader.offset();
        let mut command = read_command(&mut reader);
        if !(command.is_ok() && reader.is_at_end()) {
            command = odd_end(&mut reader, command, start, unknown);
        }
        if let Some(member) = reader.unknown() {
            unknown.get_or_insert(member);
        }
        // It is moved only once.
        command.map(|command| reader.finish(Self { tag, command }))
    }
}

/// Ends a command that has spaces or parameters after it; one with something in it that is not known is
/// kept as it came, from `start` on.
#[cold]
fn odd_end(
    r: &mut Reader<'_>,
    command: Result<Command, ParseError>,
    start: usize,
    unknown: &mut Option<ParseError>,
) -> Result<Command, ParseError> {
    let error = match command {
        Ok(command) if r.rest().starts_with(b" (") && takes_parameters(&command) => {
            let what = "unknown parameter of a command";
            ParseError::new(r.offset() + 2, what).with_kind(ParseErrorKind::Unknown)
        }
        Ok(command) => return r.end().map(|()| command),
        Err(error) if error.kind == ParseErrorKind::Unknown => error,
        Err(error) => return Err(error),
    };
    let odd = |r: &Reader<'_>| r.deviations().iter().any(|deviation| deviation.offset >= start);
    if odd(r) {
        return Err(error);
    }
    r.seek(start);
    let kept = r.text_class(chars::ATOM, "expected a command").and_then(|name| {
        r.eat(b' ');
        let rest = r.offset();
        Value::skip_all(r)?;
        r.seek(rest);
        Ok(Command::Other(OtherCommand::from_frame(Atom::unchecked(name), other_arguments(r)?)))
    });
    match kept {
        // What is kept is written as it is, and must be strict.
        Ok(command) if !odd(r) => {
            *unknown = Some(error);
            Ok(command)
        }
        // What is wrong with it first is what was not known.
        _ => Err(error),
    }
}

/// Whether extensions may add a list of parameters at its end (RFC 4466).
fn takes_parameters(command: &Command) -> bool {
    use Command as C;
    matches!(
        command,
        C::Select(_)
            | C::Examine(_)
            | C::Create(_)
            | C::Delete(_)
            | C::Rename { .. }
            | C::Subscribe(_)
            | C::Unsubscribe(_)
            | C::List(_)
            | C::Lsub { .. }
            | C::Status(_)
            | C::Fetch(_)
            | C::Store(_)
            | C::StoreAnnotations(_)
            | C::StoreLabels(_)
            | C::Copy(_)
            | C::Move(_)
            | C::UidExpunge(_)
    )
}

/// Steps over a word and not over the beginning of a longer one.
pub(crate) fn eat_word(r: &mut Reader<'_>, word: &str) -> bool {
    !r.peek_at(word.len()).is_some_and(|byte| chars::is(byte, chars::ASTRING)) && r.eat_ignore_case(word)
}

/// ```text
/// atom = 1*ATOM-CHAR
/// ```
#[inline]
pub(super) fn read_atom(r: &mut Reader<'_>) -> Result<Atom, ParseError> {
    r.text_class(chars::ATOM, "expected an atom").map(Atom::unchecked)
}

/// ```text
/// tag = 1*<any ASTRING-CHAR except "+">
/// ```
fn read_tag(r: &mut Reader<'_>) -> Result<Tag, ParseError> {
    r.text_class(chars::TAG, "expected a tag").map(Tag::unchecked)
}

/// ```text
/// command        = tag SP (command-any / command-auth / command-nonauth / command-select) CRLF
/// command-any    = "CAPABILITY" / "LOGOUT" / "NOOP"
/// command-auth   = append / create / delete / enable / examine / list / namespace-command / rename /
///                  select / status / subscribe / unsubscribe / idle
/// command-nonauth = login / authenticate / "STARTTLS"
/// command-select = "CLOSE" / "UNSELECT" / "EXPUNGE" / copy / move / fetch / store / search / uid
/// ```
#[inline]
fn read_command(r: &mut Reader<'_>) -> Result<Command, ParseError> {
    let start = r.offset();
    let name = r.take_class(chars::ATOM);
    if name.is_empty() {
        return Err(r.error("expected a command"));
    }
    Ok(match Name::of(name) {
        Some(Name::Uid) => return read_uid(r),
        Some(Name::Fetch) => Command::Fetch(Fetch::read(r, false)?),
        Some(Name::Store) => Store::read(r, false)?,
        Some(Name::Search) => Command::Search(Search::read(r, false)?),
        Some(Name::ESearch) => Command::ESearch(ESearch::read(r)?.into()),
        Some(Name::Sort) => Command::Sort(Sort::read(r, false)?.into()),
        Some(Name::Thread) => Command::Thread(Thread::read(r, false)?.into()),
        Some(Name::Copy) => Command::Copy(Copy::read(r, false)?),
        Some(Name::Move) => Command::Move(Copy::read(r, false)?),
        Some(Name::Noop) => Command::Noop,
        Some(Name::Idle) => Command::Idle,
        Some(Name::Notify) => Command::Notify(Notify::read(r)?.into()),
        Some(Name::Select) => Command::Select(Select::read(r)?),
        Some(Name::Examine) => Command::Examine(Select::read(r)?),
        Some(Name::List) => Command::List(List::read(r)?),
        Some(Name::Status) => Command::Status(Status::read(r)?),
        Some(Name::Append) => Command::Append(Append::read(r)?),
        Some(Name::Replace) => Command::Replace(Replace::read(r, false)?.into()),
        Some(Name::Capability) => Command::Capability,
        Some(Name::Login) => Command::Login(Login::read(r)?),
        Some(Name::Authenticate) => Command::Authenticate(Authenticate::read(r)?),
        Some(Name::StartTls) => Command::StartTls,
        Some(Name::Logout) => Command::Logout,
        Some(Name::Enable) => Command::Enable(read_enable(r)?),
        Some(Name::Compress) => {
            read_algorithm(r)?;
            Command::Compress
        }
        Some(Name::Create) => Command::Create(Create::read(r)?),
        Some(Name::Delete) => Command::Delete(mailbox(r)?),
        Some(Name::Rename) => {
            let from = mailbox(r)?;
            Command::Rename { from, to: mailbox(r)? }
        }
        Some(Name::Subscribe) => Command::Subscribe(mailbox(r)?),
        Some(Name::Unsubscribe) => Command::Unsubscribe(mailbox(r)?),
        Some(Name::Lsub) => {
            let reference = mailbox(r)?;
            r.space()?;
            Command::Lsub { reference, pattern: ListPattern::read(r)? }
        }
        Some(Name::Namespace) => Command::Namespace,
        Some(Name::Check) => Command::Check,
        Some(Name::Close) => Command::Close,
        Some(Name::Unauthenticate) => Command::Unauthenticate,
        Some(Name::Unselect) => Command::Unselect,
        Some(Name::Expunge) => Command::Expunge,
        Some(Name::Id) => Command::Id(id::read_command(r)?),
        None => match ExtensionCommand::read(name, r) {
            Some(command) => Command::Extension(command?),
            None => return read_other(r, start),
        },
    })
}

/// A command that is not known.
#[cold]
fn read_other(r: &mut Reader<'_>, start: usize) -> Result<Command, ParseError> {
    let name = Atom::unchecked(r.text_from(start));
    r.eat(b' ');
    Ok(Command::Other(OtherCommand::from_frame(name, other_arguments(r)?)))
}

/// What stands after its name: one line, but for its literals.
fn other_arguments(r: &mut Reader<'_>) -> Result<Text, ParseError> {
    let start = r.offset();
    while let Some(at) = memchr::memchr3(0, b'\r', b'\n', r.rest()) {
        let line = r.rest().get(..at).unwrap_or_default();
        let open = memchr::memrchr(b'{', line).filter(|_| framing::announcement(line).is_some());
        match open {
            Some(open) if r.rest().get(at..).is_some_and(|rest| rest.starts_with(b"\r\n")) => {
                let binary = open.checked_sub(1).and_then(|before| line.get(before)) == Some(&b'~');
                r.skip(open);
                match read_literal(r)? {
                    Literal::Inline(text) if binary || memchr::memchr(0, text.as_bytes()).is_none() => {}
                    Literal::Inline(_) => return Err(r.error("NUL in a literal")),
                    Literal::Streamed { .. } => return Err(r.error("the literal is too large")),
                }
            }
            _ => {
                r.skip(at);
                return Err(r.error("NUL, CR or LF in a command"));
            }
        }
    }
    r.skip(usize::MAX);
    Ok(r.text_from(start))
}

/// ```text
/// uid         = "UID" SP (copy / move / fetch / search / store / uid-expunge)
/// uid-expunge = "EXPUNGE" SP sequence-set
/// ```
fn read_uid(r: &mut Reader<'_>) -> Result<Command, ParseError> {
    r.space()?;
    let start = r.offset();
    let name = r.take_class(chars::ATOM);
    Ok(match Name::of(name) {
        Some(Name::Fetch) => Command::Fetch(Fetch::read(r, true)?),
        Some(Name::Store) => Store::read(r, true)?,
        Some(Name::Search) => Command::Search(Search::read(r, true)?),
        Some(Name::Sort) => Command::Sort(Sort::read(r, true)?.into()),
        Some(Name::Thread) => Command::Thread(Thread::read(r, true)?.into()),
        Some(Name::Copy) => Command::Copy(Copy::read(r, true)?),
        Some(Name::Move) => Command::Move(Copy::read(r, true)?),
        Some(Name::Replace) => Command::Replace(Replace::read(r, true)?.into()),
        Some(Name::Expunge) => {
            r.space()?;
            Command::UidExpunge(UidSet::read(r)?)
        }
        _ if name.is_empty() => return Err(ParseError::new(start, "expected a command that takes UIDs")),
        _ => {
            return Err(ParseError::new(start, "unknown UID command").with_kind(ParseErrorKind::Unknown));
        }
    })
}

fn mailbox(r: &mut Reader<'_>) -> Result<MailboxName, ParseError> {
    r.space()?;
    MailboxName::read(r)
}

/// ```text
/// compress  = "COMPRESS" SP algorithm                 ; RFC 4978
/// algorithm = "DEFLATE"
/// ```
fn read_algorithm(r: &mut Reader<'_>) -> Result<(), ParseError> {
    r.space()?;
    let start = r.offset();
    let name = r.take_class(chars::ATOM);
    if name.eq_ignore_ascii_case(b"DEFLATE") {
        Ok(())
    } else {
        Err(ParseError::new(start, "expected DEFLATE"))
    }
}

/// ```text
/// enable = "ENABLE" 1*(SP capability)
/// ```
fn read_enable(r: &mut Reader<'_>) -> Result<Vec<Capability>, ParseError> {
    let mut capabilities = Vec::new();
    loop {
        let start = r.offset();
        r.space()?;
        capabilities.extend(Capability::read(r)?);
        if r.peek() != Some(b' ') || r.peek_at(1).is_none() {
            return if capabilities.is_empty() {
                Err(ParseError::new(start, "expected a capability"))
            } else {
                Ok(capabilities)
            };
        }
    }
}

/// What can be told of a command before it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    pub(crate) tag: &'a [u8],
    pub(crate) name: &'a [u8],
    /// What stands after the name.
    pub(crate) rest: &'a [u8],
}

/// Reads the tag and the name at the beginning of a command, if they are there.
#[inline]
pub(crate) fn parse_head(text: &[u8]) -> Option<Head<'_>> {
    let word =
        |text: &[u8], class| text.iter().position(|&byte| !chars::is(byte, class)).unwrap_or(text.len());
    let (tag, rest) = text.split_at_checked(word(text, chars::TAG))?;
    let rest = rest.strip_prefix(b" ")?;
    let (name, rest) = rest.split_at_checked(word(rest, chars::ATOM))?;
    if tag.is_empty() { None } else { Some(Head { tag, name, rest }) }
}

/// Whether a literal of a command can be a message.
pub(crate) fn takes_message(head: &Head<'_>) -> bool {
    match Name::of(head.name) {
        Some(Name::Append | Name::Replace) => true,
        Some(Name::Uid) => head.rest.get(..8).is_some_and(|name| name.eq_ignore_ascii_case(b" REPLACE")),
        _ => false,
    }
}

/// Whether the literal announced at the end of a command is a message of APPEND or REPLACE, or a part of one.
pub(crate) fn announces_message(head: &Head<'_>) -> bool {
    match Name::of(head.name) {
        Some(Name::Append) => append_announces_message(head.rest),
        Some(Name::Replace) => after_number(head.rest).is_some_and(append_announces_message),
        Some(Name::Uid) => {
            let Some((name, rest)) = head.rest.split_at_checked(8) else { return false };
            name.eq_ignore_ascii_case(b" REPLACE") && after_number(rest).is_some_and(append_announces_message)
        }
        _ => false,
    }
}

/// What stands after a space and a number.
fn after_number(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(b" ")?;
    let end = text.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'*')?;
    text.get(end..)
}

/// Whether the literal announced at the end of a part of an APPEND is an argument, and no message: a URL of CATENATE, or
/// the value of an annotation.
pub(crate) fn announces_argument(text: &[u8]) -> bool {
    let Some(open) = memchr::memrchr(b'{', text) else { return false };
    let before = text.get(..open).unwrap_or_default();
    let before = before.strip_suffix(b"~").unwrap_or(before);
    [&b"URL "[..], b"value.priv ", b"value.shared "].into_iter().any(|word| {
        let Some((before, last)) = before.split_at_checked(before.len().saturating_sub(word.len())) else {
            return false;
        };
        matches!(before.last(), Some(b' ' | b'(')) && last.eq_ignore_ascii_case(word)
    })
}

/// The arguments of an APPEND, from the end of its name: whether the mailbox's name is complete, and what is
/// announced no other argument.
fn append_announces_message(arguments: &[u8]) -> bool {
    let Some(arguments) = arguments.strip_prefix(b" ") else { return false };
    let after = match arguments.first() {
        Some(b'"') => {
            let mut escaped = true;
            let end = arguments.iter().position(|&byte| {
                let closes = byte == b'"' && !escaped;
                escaped = byte == b'\\' && !escaped;
                closes
            });
            // The first quote opens: it counts as escaped.
            end.and_then(|end| arguments.get(end + 1..))
        }
        Some(b'{' | b'~') => {
            let line = arguments
                .iter()
                .position(|&byte| byte == b'\n')
                .and_then(|end| arguments.split_at_checked(end + 1));
            line.and_then(|(line, rest)| {
                let size = usize::try_from(framing::announcement(line)?.size).ok()?;
                rest.get(size..)
            })
        }
        _ => arguments.iter().position(|&byte| byte == b' ').and_then(|end| arguments.get(end..)),
    };
    after.is_some_and(|after| !after.is_empty() && !announces_argument(after))
}

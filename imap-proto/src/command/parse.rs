//! Reading commands.

use alloc::vec::Vec;

use bytes::Bytes;
use mailwire_core::{ParseError, Parsed, Text};

use super::{
    AString, Append, Authenticate, Command, Copy, Fetch, List, Login, OtherCommand, Request, Search, Select,
    StatusItem, Store,
    name::{known, name as name_key},
};
use crate::{
    capability::Capability,
    framing,
    types::{
        Atom, ListPattern, Literal, MailboxName, ParseContext, Reader, SequenceSet, Tag, chars, eat_nil,
        read_literal, read_nstring, read_string,
    },
};

impl Request {
    /// Reads a complete command without its line end.
    ///
    /// # Errors
    ///
    /// What is not a command, with the place where it went wrong.
    pub fn parse(frame: &Bytes, context: ParseContext<'_>) -> Result<Parsed<Self>, ParseError> {
        let mut reader = Reader::new(frame, &context);
        reader.line_end(context.newline)?;
        let tag = read_tag(&mut reader)?;
        reader.space()?;
        let command = read_command(&mut reader);
        if command.is_ok() {
            reader.end()?;
        }
        // It is moved only once.
        command.map(|command| reader.finish(Self { tag, command }))
    }
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
fn read_command(r: &mut Reader<'_>) -> Result<Command, ParseError> {
    let start = r.offset();
    let name = r.take_class(chars::ATOM);
    if name.is_empty() {
        return Err(r.error("expected a command"));
    }
    Ok(match name_key(name) {
        names::UID => return read_uid(r),
        names::FETCH => Command::Fetch(Fetch::read(r, false)?),
        names::STORE => Command::Store(Store::read(r, false)?),
        names::SEARCH => Command::Search(Search::read(r, false)?),
        names::COPY => Command::Copy(Copy::read(r, false)?),
        names::MOVE => Command::Move(Copy::read(r, false)?),
        names::NOOP => Command::Noop,
        names::IDLE => Command::Idle,
        names::SELECT => Command::Select(Select::read(r)?),
        names::EXAMINE => Command::Examine(Select::read(r)?),
        names::LIST => Command::List(List::read(r)?),
        names::STATUS => {
            let mailbox = mailbox(r)?;
            r.space()?;
            Command::Status { mailbox, items: StatusItem::read_list(r)? }
        }
        names::APPEND => Command::Append(Append::read(r)?.into()),
        names::CAPABILITY => Command::Capability,
        names::LOGIN => Command::Login(Login::read(r)?),
        names::AUTHENTICATE => Command::Authenticate(Authenticate::read(r)?),
        names::STARTTLS => Command::StartTls,
        names::LOGOUT => Command::Logout,
        names::ENABLE => Command::Enable(read_enable(r)?),
        names::CREATE => Command::Create(mailbox(r)?),
        names::DELETE => Command::Delete(mailbox(r)?),
        names::RENAME => {
            let from = mailbox(r)?;
            Command::Rename { from, to: mailbox(r)? }
        }
        names::SUBSCRIBE => Command::Subscribe(mailbox(r)?),
        names::UNSUBSCRIBE => Command::Unsubscribe(mailbox(r)?),
        names::LSUB => {
            let reference = mailbox(r)?;
            r.space()?;
            Command::Lsub { reference, pattern: ListPattern::read(r)? }
        }
        names::NAMESPACE => Command::Namespace,
        names::CHECK => Command::Check,
        names::CLOSE => Command::Close,
        names::UNSELECT => Command::Unselect,
        names::EXPUNGE => Command::Expunge,
        names::ID => Command::Id(read_id(r)?),
        _ => return read_other(r, start),
    })
}

/// A command that is not known.
#[cold]
fn read_other(r: &mut Reader<'_>, start: usize) -> Result<Command, ParseError> {
    let name = Atom::unchecked(r.text_from(start));
    r.eat(b' ');
    Ok(Command::Other(OtherCommand::from_frame(name, other_arguments(r)?)))
}

/// What stands behind its name: one line, but for its literals.
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
    Ok(match name_key(name) {
        names::FETCH => Command::Fetch(Fetch::read(r, true)?),
        names::STORE => Command::Store(Store::read(r, true)?),
        names::SEARCH => Command::Search(Search::read(r, true)?),
        names::COPY => Command::Copy(Copy::read(r, true)?),
        names::MOVE => Command::Move(Copy::read(r, true)?),
        names::EXPUNGE => {
            r.space()?;
            Command::UidExpunge(SequenceSet::read(r)?)
        }
        _ => return Err(ParseError::new(start, "not a command that takes UIDs")),
    })
}

fn mailbox(r: &mut Reader<'_>) -> Result<MailboxName, ParseError> {
    r.space()?;
    MailboxName::read(r)
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

/// More than this must not be sent (RFC 2971 section 3.3).
const ID_FIELDS: usize = 30;

/// ```text
/// id             = "ID" SP id-params-list                                ; RFC 2971
/// id-params-list = "(" *(string SP nstring) ")" / nil
/// ```
#[allow(clippy::type_complexity)]
fn read_id(r: &mut Reader<'_>) -> Result<Option<Vec<(AString, Option<AString>)>>, ParseError> {
    r.space()?;
    if eat_nil(r) {
        return Ok(None);
    }
    r.expect(b'(', "expected ( or NIL")?;
    let mut fields = Vec::new();
    r.items(|r| {
        let start = r.offset();
        if fields.len() == ID_FIELDS {
            r.deviate("too-many-id-fields")?;
        }
        let line_end = |_| ParseError::new(start, "a line end in an argument");
        let field = AString::new(read_string(r)?.into_text()).map_err(line_end)?;
        r.space()?;
        let value = read_nstring(r)?.map(|value| AString::new(value.into_text())).transpose();
        fields.push((field, value.map_err(line_end)?));
        Ok(())
    })?;
    Ok(Some(fields))
}

/// What can be told of a command before it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    pub(crate) tag: &'a [u8],
    pub(crate) name: &'a [u8],
    /// What stands behind the name.
    pub(crate) rest: &'a [u8],
}

/// Reads the tag and the name at the beginning of a command, if they are there.
pub(crate) fn parse_head(text: &[u8]) -> Option<Head<'_>> {
    let word = |text: &[u8], class| text.iter().take_while(|byte| chars::is(**byte, class)).count();
    let (tag, rest) = text.split_at_checked(word(text, chars::TAG))?;
    let rest = rest.strip_prefix(b" ")?;
    let (name, rest) = rest.split_at_checked(word(rest, chars::ATOM))?;
    if tag.is_empty() { None } else { Some(Head { tag, name, rest }) }
}

/// Whether the literal announced at the end of an APPEND command, given from behind its name, is
/// the message: the mailbox's name stands before it.
pub(crate) fn append_announces_message(arguments: &[u8]) -> bool {
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
    after.is_some_and(|after| !after.is_empty())
}

/// The names that are known here.
mod names {
    use super::known;

    pub(super) const APPEND: (u64, u64) = known("APPEND");
    pub(super) const AUTHENTICATE: (u64, u64) = known("AUTHENTICATE");
    pub(super) const CAPABILITY: (u64, u64) = known("CAPABILITY");
    pub(super) const CHECK: (u64, u64) = known("CHECK");
    pub(super) const CLOSE: (u64, u64) = known("CLOSE");
    pub(super) const COPY: (u64, u64) = known("COPY");
    pub(super) const CREATE: (u64, u64) = known("CREATE");
    pub(super) const DELETE: (u64, u64) = known("DELETE");
    pub(super) const ENABLE: (u64, u64) = known("ENABLE");
    pub(super) const EXAMINE: (u64, u64) = known("EXAMINE");
    pub(super) const EXPUNGE: (u64, u64) = known("EXPUNGE");
    pub(super) const FETCH: (u64, u64) = known("FETCH");
    pub(super) const ID: (u64, u64) = known("ID");
    pub(super) const IDLE: (u64, u64) = known("IDLE");
    pub(super) const LIST: (u64, u64) = known("LIST");
    pub(super) const LOGIN: (u64, u64) = known("LOGIN");
    pub(super) const LOGOUT: (u64, u64) = known("LOGOUT");
    pub(super) const LSUB: (u64, u64) = known("LSUB");
    pub(super) const MOVE: (u64, u64) = known("MOVE");
    pub(super) const NAMESPACE: (u64, u64) = known("NAMESPACE");
    pub(super) const NOOP: (u64, u64) = known("NOOP");
    pub(super) const RENAME: (u64, u64) = known("RENAME");
    pub(super) const SEARCH: (u64, u64) = known("SEARCH");
    pub(super) const SELECT: (u64, u64) = known("SELECT");
    pub(super) const STARTTLS: (u64, u64) = known("STARTTLS");
    pub(super) const STATUS: (u64, u64) = known("STATUS");
    pub(super) const STORE: (u64, u64) = known("STORE");
    pub(super) const SUBSCRIBE: (u64, u64) = known("SUBSCRIBE");
    pub(super) const UID: (u64, u64) = known("UID");
    pub(super) const UNSELECT: (u64, u64) = known("UNSELECT");
    pub(super) const UNSUBSCRIBE: (u64, u64) = known("UNSUBSCRIBE");
}

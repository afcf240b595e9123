//! Reading commands.

use alloc::vec::Vec;

use bytes::Bytes;
use mailwire_core::{ParseError, Parsed};

use super::{
    AString, Append, Authenticate, Command, Copy, Fetch, List, Login, OtherCommand, Request, Search, Select,
    StatusItem, Store,
};
use crate::{
    capability::Capability,
    framing,
    types::{
        Atom, ListPattern, MailboxName, ParseContext, Reader, SequenceSet, Tag, chars, eat_nil, read_nstring,
        read_string,
    },
};

impl Request {
    /// Reads a complete command without its line end.
    ///
    /// # Errors
    ///
    /// What is not a command, with the place where it went wrong.
    pub fn parse(frame: &Bytes, context: ParseContext<'_>) -> Result<Parsed<Self>, ParseError> {
        let mut reader = Reader::new(frame, context)?;
        let tag = read_tag(&mut reader)?;
        reader.space()?;
        let command = read_command(&mut reader)?;
        reader.end()?;
        Ok(reader.finish(Self { tag, command }))
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

/// Writes `name` in upper case into `room`, if it fits.
#[inline]
pub(super) fn uppercase<'b>(name: &[u8], room: &'b mut [u8; 16]) -> Option<&'b [u8]> {
    let upper = room.get_mut(..name.len())?;
    for (to, from) in upper.iter_mut().zip(name) {
        *to = from.to_ascii_uppercase();
    }
    Some(upper)
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
    let mut upper = [0u8; 16];
    Ok(match uppercase(name, &mut upper).unwrap_or_default() {
        b"UID" => return read_uid(r),
        b"FETCH" => Command::Fetch(Fetch::read(r, false)?),
        b"STORE" => Command::Store(Store::read(r, false)?),
        b"SEARCH" => Command::Search(Search::read(r, false)?),
        b"COPY" => Command::Copy(Copy::read(r, false)?),
        b"MOVE" => Command::Move(Copy::read(r, false)?),
        b"NOOP" => Command::Noop,
        b"IDLE" => Command::Idle,
        b"SELECT" => Command::Select(Select::read(r)?),
        b"EXAMINE" => Command::Examine(Select::read(r)?),
        b"LIST" => Command::List(List::read(r)?),
        b"STATUS" => {
            let mailbox = mailbox(r)?;
            r.space()?;
            Command::Status { mailbox, items: StatusItem::read_list(r)? }
        }
        b"APPEND" => Command::Append(Append::read(r)?),
        b"CAPABILITY" => Command::Capability,
        b"LOGIN" => Command::Login(Login::read(r)?),
        b"AUTHENTICATE" => Command::Authenticate(Authenticate::read(r)?),
        b"STARTTLS" => Command::StartTls,
        b"LOGOUT" => Command::Logout,
        b"ENABLE" => Command::Enable(read_enable(r)?),
        b"CREATE" => Command::Create(mailbox(r)?),
        b"DELETE" => Command::Delete(mailbox(r)?),
        b"RENAME" => {
            let from = mailbox(r)?;
            Command::Rename { from, to: mailbox(r)? }
        }
        b"SUBSCRIBE" => Command::Subscribe(mailbox(r)?),
        b"UNSUBSCRIBE" => Command::Unsubscribe(mailbox(r)?),
        b"LSUB" => {
            let reference = mailbox(r)?;
            r.space()?;
            Command::Lsub { reference, pattern: ListPattern::read(r)? }
        }
        b"NAMESPACE" => Command::Namespace,
        b"CHECK" => Command::Check,
        b"CLOSE" => Command::Close,
        b"UNSELECT" => Command::Unselect,
        b"EXPUNGE" => Command::Expunge,
        b"ID" => Command::Id(read_id(r)?),
        _ => {
            let name = Atom::unchecked(r.text_from(start));
            r.eat(b' ');
            Command::Other(OtherCommand::from_frame(name, r.text_rest()))
        }
    })
}

/// ```text
/// uid         = "UID" SP (copy / move / fetch / search / store / uid-expunge)
/// uid-expunge = "EXPUNGE" SP sequence-set
/// ```
fn read_uid(r: &mut Reader<'_>) -> Result<Command, ParseError> {
    r.space()?;
    let start = r.offset();
    let name = r.take_class(chars::ATOM);
    let mut upper = [0u8; 16];
    Ok(match uppercase(name, &mut upper).unwrap_or_default() {
        b"FETCH" => Command::Fetch(Fetch::read(r, true)?),
        b"STORE" => Command::Store(Store::read(r, true)?),
        b"SEARCH" => Command::Search(Search::read(r, true)?),
        b"COPY" => Command::Copy(Copy::read(r, true)?),
        b"MOVE" => Command::Move(Copy::read(r, true)?),
        b"EXPUNGE" => {
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
        r.space()?;
        capabilities.extend(Capability::read(r)?);
        if r.peek() != Some(b' ') || r.peek_at(1).is_none() {
            return Ok(capabilities);
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

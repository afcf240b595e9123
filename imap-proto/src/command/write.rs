//! Writing commands.

use alloc::{collections::VecDeque, vec::Vec};

use super::{Command, OtherCommand, Request, WriteOptions, WriteStep, Written, writer::Writer};
use crate::{
    extensions::id,
    framing,
    types::{ListPattern, MailboxName, Section, SectionText, Tag},
};

impl Request {
    /// Appends the command to `out`, and says where it has to wait for the server.
    #[inline]
    pub fn write(&self, options: WriteOptions, out: &mut Vec<u8>) -> Written {
        self.command.write(&self.tag, options, out)
    }
}

impl Command {
    /// Appends the command to `out`, and says where it has to wait for the server.
    ///
    /// Nothing is allocated but room in `out`, unless there is a synchronizing literal or a mailbox
    /// name has to be converted.
    #[inline]
    pub fn write(&self, tag: &Tag, options: WriteOptions, out: &mut Vec<u8>) -> Written {
        let mut writer = Writer::new(out, options);
        self.put_whole(tag, &mut writer);
        writer.finish()
    }

    /// Appends the command up to where it has to wait, or bytes that are not here belong. The rest comes back,
    /// with what is to be done with it.
    pub(crate) fn write_parts(
        &self,
        tag: &Tag,
        options: WriteOptions,
        room: usize,
        out: &mut Vec<u8>,
    ) -> Option<(Vec<u8>, VecDeque<WriteStep>)> {
        let mut writer = Writer::in_parts(out, options, room);
        self.put_whole(tag, &mut writer);
        writer.finish_parts()
    }

    /// Puts the tag, the command and its line end.
    fn put_whole(&self, tag: &Tag, writer: &mut Writer<'_>) {
        writer.put(tag.as_bytes());
        writer.put(b" ");
        self.put(writer);
        writer.put(b"\r\n");
    }

    fn put(&self, e: &mut Writer<'_>) {
        match self {
            Command::Capability
            | Command::Noop
            | Command::Logout
            | Command::StartTls
            | Command::Namespace
            | Command::Idle
            | Command::Check
            | Command::Close
            | Command::Unauthenticate
            | Command::Unselect
            | Command::Expunge => e.put(self.name().as_bytes()),
            Command::Authenticate(authenticate) => authenticate.write(e),
            Command::Login(login) => login.write(e),
            Command::Enable(capabilities) => {
                e.put(b"ENABLE");
                for capability in capabilities {
                    e.put(b" ");
                    capability.write(e.out);
                }
            }
            Command::Select(select) | Command::Examine(select) => {
                e.put(self.name().as_bytes());
                e.put(b" ");
                select.write(e);
            }
            Command::Notify(notify) => notify.write(e),
            Command::Compress => e.put(b"COMPRESS DEFLATE"),
            Command::Create(create) => create.write(e),
            Command::Delete(mailbox) => write_mailbox(e, b"DELETE ", mailbox),
            Command::Rename { from, to } => {
                write_mailbox(e, b"RENAME ", from);
                write_mailbox(e, b" ", to);
            }
            Command::Subscribe(mailbox) => write_mailbox(e, b"SUBSCRIBE ", mailbox),
            Command::Unsubscribe(mailbox) => write_mailbox(e, b"UNSUBSCRIBE ", mailbox),
            Command::List(list) => list.write(e),
            Command::Lsub { reference, pattern } => {
                write_mailbox(e, b"LSUB ", reference);
                e.put(b" ");
                e.pattern(pattern);
            }
            Command::Status(status) => status.write(e),
            Command::Append(append) => append.write(e),
            Command::Replace(replace) => replace.write(e),
            Command::UidExpunge(set) => {
                e.put(b"UID EXPUNGE ");
                set.write(e.out);
            }
            Command::Search(search) => search.write(e),
            Command::ESearch(search) => search.write(e),
            Command::Sort(sort) => sort.write(e),
            Command::Thread(thread) => thread.write(e),
            Command::Fetch(fetch) => fetch.write(e),
            Command::Store(store) => store.write(e),
            Command::StoreAnnotations(store) => store.write(e),
            Command::StoreLabels(store) => store.write(e),
            Command::Copy(copy) => {
                e.name(copy.messages.is_uid(), b"COPY ");
                copy.write(e);
            }
            Command::Move(copy) => {
                e.name(copy.messages.is_uid(), b"MOVE ");
                copy.write(e);
            }
            Command::Id(fields) => id::write_command(fields.as_deref(), e),
            Command::Extension(command) => command.write(e),
            Command::Other(other) => write_other(other, e),
        }
    }
}

fn write_mailbox(e: &mut Writer<'_>, name: &[u8], mailbox: &MailboxName) {
    e.put(name);
    e.mailbox(mailbox);
}

/// As it came, with waits where literals in it want them.
fn write_other(other: &OtherCommand, e: &mut Writer<'_>) {
    e.put(other.name().as_bytes());
    let mut rest = other.arguments().as_bytes();
    if !rest.is_empty() {
        e.put(b" ");
    }
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let Some((line, after)) = rest.split_at_checked(end + 1) else { break };
        let Some(announced) = framing::announcement(line) else { break };
        e.put(line);
        if announced.synchronizing {
            e.wait();
        }
        let size = usize::try_from(announced.size).unwrap_or(usize::MAX).min(after.len());
        let (literal, after) = after.split_at_checked(size).unwrap_or_default();
        e.put(literal);
        rest = after;
    }
    e.put(rest);
}

impl Writer<'_> {
    /// In UTF-8 or modified UTF-7, as the server reads it.
    pub(crate) fn mailbox(&mut self, name: &MailboxName) {
        let bytes = name.as_bytes();
        if self.options.utf8 && memchr::memchr(b'&', bytes).is_some() {
            self.astring_bytes(name.to_utf8().as_bytes());
        } else if !self.options.utf8 && !bytes.is_ascii() {
            self.astring_bytes(name.to_utf7().as_bytes());
        } else {
            self.astring_bytes(bytes);
        }
    }

    pub(crate) fn pattern(&mut self, pattern: &ListPattern) {
        let bytes = pattern.as_bytes();
        // `%` and `*` are the characters of a list-mailbox that an atom does not have.
        if bytes == b"*" || bytes == b"%" { self.put(bytes) } else { self.string_bytes(bytes) }
    }

    pub(super) fn section(&mut self, section: &Section) {
        match section.text() {
            Some(SectionText::HeaderFields(names) | SectionText::HeaderFieldsNot(names)) => {
                self.put(b"[");
                for number in section.part() {
                    self.number(u64::from(number.get()));
                    self.put(b".");
                }
                self.put(match section.text() {
                    Some(SectionText::HeaderFieldsNot(_)) => b"HEADER.FIELDS.NOT (",
                    _ => b"HEADER.FIELDS (",
                });
                self.spaced(names, |e, name| e.astring_bytes(name.as_bytes()));
                self.put(b")]");
            }
            _ => section.write(self.out),
        }
    }
}

//! The values that commands and responses are made of. A value that exists can be sent safely.
#![allow(dead_code, unused_imports)]

pub(crate) mod chars;
mod datetime;
mod flag;
mod mailbox;
mod reader;
mod section;
mod sequence;
mod string;
mod utf7;

pub use datetime::{Date, DateTime};
pub use flag::{Flag, FlagSet, MailboxAttribute, OddName, PermanentFlags};
pub use mailbox::{ListPattern, MailboxName};
pub(crate) use mailbox::{read_delimiter, write_delimiter};
pub use reader::ParseContext;
pub(crate) use reader::Reader;
pub use section::{Partial, Section, SectionText};
pub use sequence::{SeqNumber, SeqRange, SequenceSet, Uid, UidSet};
pub(crate) use sequence::{display, read_nz};
pub use string::{Atom, Data, ImapString, Tag};
pub(crate) use string::{
    Literal, checked, eat_nil, is_astring_atom, is_quotable, read_astring, read_data, read_literal,
    read_nstring, read_string, text_newtype, write_astring, write_literal, write_nstring, write_number,
    write_quoted, write_string,
};

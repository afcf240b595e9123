//! The values that commands and responses are made of. A value that exists can be sent safely.

mod address;
mod body_structure;
#[cfg(any(feature = "chrono", feature = "jiff", feature = "time"))]
mod calendars;
pub(crate) mod chars;
mod datetime;
mod envelope;
mod flag;
mod flag_set;
mod known_set;
#[cfg(feature = "server")]
mod list_matcher;
mod mailbox;
mod number;
mod numbers;
mod object_id;
mod partial_range;
mod quoted;
mod raw;
mod reader;
mod section;
mod set;
mod short_list;
mod string;
mod text;
mod utf7;
mod value;
mod write;

pub use address::Address;
pub use body_structure::{
    BodyStructure, CommonExtension, ContentEncoding, Disposition, MessagePart, MultiExtension, MultiPart,
    PartExtension, PartKind, SinglePart,
};
pub use datetime::{Date, DateTime};
pub use envelope::Envelope;
pub use flag::{Flag, MailboxAttribute, MalformedName};
pub use flag_set::{FlagSet, MailboxAttributes, PermanentFlags};
pub use known_set::{KnownNumbers, KnownSet, KnownUids};
#[cfg(feature = "server")]
pub use list_matcher::ListMatcher;
pub use mailbox::{ListPattern, MailboxName};
pub(crate) use mailbox::{read_delimiter, write_delimiter};
pub(crate) use mailwire_core::private::{hex, unescape};
pub(crate) use number::{read_count, read_known_count, read_mod_seq};
pub use numbers::{ModSeq, SeqNumber, SetMember, Uid, UidValidity};
pub use object_id::ObjectId;
pub use partial_range::PartialRange;
pub use raw::RawValue;
pub(crate) use raw::skip_value;
pub use reader::ParseContext;
pub(crate) use reader::Reader;
pub use section::{Partial, Section, SectionText};
pub(crate) use section::{read_section_binary, write_section_binary};
pub(crate) use set::read_nz;
pub use set::{MessageSet, SeqRange, SequenceSet, SetNumber, UidSet};
pub use short_list::ShortList;
pub use string::{Atom, Data, ImapString, Tag};
pub(crate) use string::{
    Literal, checked, eat_nil, read_astring, read_data, read_literal, read_nstring, read_string,
};
pub(crate) use text::display;
pub use value::{Value, Word};
pub(crate) use write::{
    is_astring_atom, is_quotable, write_astring, write_nstring, write_number, write_numbers,
    write_plain_quoted, write_quoted, write_spaced, write_string,
};

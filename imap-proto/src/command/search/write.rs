//! Writing the keys of SEARCH.

use alloc::vec::Vec;
use core::num::NonZeroU32;

use super::SearchKey;
use crate::{
    command::{AString, OtherItem, WriteOptions, writer::Writer},
    types::{Atom, Date, ObjectId},
};

impl SearchKey {
    #[inline]
    pub(in crate::command) fn write_all(keys: &[Self], e: &mut Writer<'_>) {
        if keys.is_empty() {
            e.put(b"ALL");
        }
        e.spaced(keys, |e, key| key.write(e));
    }

    /// Whether the key says nothing that a character set would have to be named for.
    #[cold]
    pub(crate) fn is_ascii(&self) -> bool {
        let mut out = Vec::new();
        self.write(&mut Writer::new(&mut out, WriteOptions::default()));
        out.is_ascii()
    }

    fn write(&self, e: &mut Writer<'_>) {
        match self {
            Self::All => e.put(b"ALL"),
            Self::Annotation(search) => search.write(e),
            Self::Answered => e.put(b"ANSWERED"),
            Self::Bcc(word) => write_text(e, b"BCC ", word),
            Self::Before(date) => write_date(e, b"BEFORE ", *date),
            Self::Body(word) => write_text(e, b"BODY ", word),
            Self::Cc(word) => write_text(e, b"CC ", word),
            Self::Deleted => e.put(b"DELETED"),
            Self::Draft => e.put(b"DRAFT"),
            Self::EmailId(id) => write_id(e, b"EMAILID ", id),
            Self::Filter(name) => write_word(e, b"FILTER ", name),
            Self::Flagged => e.put(b"FLAGGED"),
            Self::From(word) => write_text(e, b"FROM ", word),
            Self::Fuzzy(key) => {
                e.put(b"FUZZY ");
                key.write(e);
            }
            Self::Header(field, word) => {
                write_text(e, b"HEADER ", field);
                write_text(e, b" ", word);
            }
            Self::Keyword(keyword) => write_word(e, b"KEYWORD ", keyword),
            Self::Larger(size) => write_size(e, b"LARGER ", *size),
            Self::ModSeq(search) => search.write(e),
            Self::New => e.put(b"NEW"),
            Self::Not(key) => {
                e.put(b"NOT ");
                key.write(e);
            }
            Self::Old => e.put(b"OLD"),
            Self::Older(seconds) => write_nz(e, b"OLDER ", *seconds),
            Self::On(date) => write_date(e, b"ON ", *date),
            Self::Or(one, other) => {
                e.put(b"OR ");
                one.write(e);
                e.put(b" ");
                other.write(e);
            }
            Self::Recent => e.put(b"RECENT"),
            Self::SaveDateSupported => e.put(b"SAVEDATESUPPORTED"),
            Self::SavedBefore(date) => write_date(e, b"SAVEDBEFORE ", *date),
            Self::SavedOn(date) => write_date(e, b"SAVEDON ", *date),
            Self::SavedSince(date) => write_date(e, b"SAVEDSINCE ", *date),
            Self::Seen => e.put(b"SEEN"),
            Self::SentBefore(date) => write_date(e, b"SENTBEFORE ", *date),
            Self::SentOn(date) => write_date(e, b"SENTON ", *date),
            Self::SentSince(date) => write_date(e, b"SENTSINCE ", *date),
            Self::Since(date) => write_date(e, b"SINCE ", *date),
            Self::Smaller(size) => write_size(e, b"SMALLER ", *size),
            Self::Subject(word) => write_text(e, b"SUBJECT ", word),
            Self::Text(word) => write_text(e, b"TEXT ", word),
            Self::ThreadId(id) => write_id(e, b"THREADID ", id),
            Self::To(word) => write_text(e, b"TO ", word),
            Self::Uid(set) => {
                e.put(b"UID ");
                set.write(e.out);
            }
            Self::UidAfter(uid) => write_nz(e, b"UIDAFTER ", (*uid).into()),
            Self::UidBefore(uid) => write_nz(e, b"UIDBEFORE ", (*uid).into()),
            Self::Unanswered => e.put(b"UNANSWERED"),
            Self::Undeleted => e.put(b"UNDELETED"),
            Self::Undraft => e.put(b"UNDRAFT"),
            Self::Unflagged => e.put(b"UNFLAGGED"),
            Self::Unkeyword(keyword) => write_word(e, b"UNKEYWORD ", keyword),
            Self::Unseen => e.put(b"UNSEEN"),
            Self::Younger(seconds) => write_nz(e, b"YOUNGER ", *seconds),
            Self::Sequence(set) => set.write(e.out),
            Self::And(keys) => {
                e.put(b"(");
                Self::write_all(keys, e);
                e.put(b")");
            }
            Self::GmailLabel(label) => {
                e.put(b"X-GM-LABELS ");
                label.put(e);
            }
            Self::GmailMessageId(id) => write_long(e, b"X-GM-MSGID ", *id),
            Self::GmailRaw(query) => write_text(e, b"X-GM-RAW ", query),
            Self::GmailThreadId(id) => write_long(e, b"X-GM-THRID ", *id),
            Self::Other(item) => write_other(item, e),
        }
    }
}

#[cold]
fn write_other(item: &OtherItem, e: &mut Writer<'_>) {
    e.put(item.name.as_bytes());
    if !item.arguments.is_empty() {
        e.put(b" ");
        e.values(&item.arguments);
    }
}

#[inline(always)]
fn write_text(e: &mut Writer<'_>, name: &[u8], word: &AString) {
    e.put(name);
    e.astring(word);
}

#[inline(always)]
fn write_word(e: &mut Writer<'_>, name: &[u8], word: &Atom) {
    e.put(name);
    e.put(word.as_bytes());
}

#[inline(always)]
fn write_id(e: &mut Writer<'_>, name: &[u8], id: &ObjectId) {
    e.put(name);
    e.put(id.as_bytes());
}

#[inline(always)]
fn write_date(e: &mut Writer<'_>, name: &[u8], date: Date) {
    e.put(name);
    date.write(e.out);
}

#[inline(always)]
fn write_nz(e: &mut Writer<'_>, name: &[u8], number: NonZeroU32) {
    e.put(name);
    e.number(u64::from(number.get()));
}

#[inline(always)]
fn write_long(e: &mut Writer<'_>, name: &[u8], number: u64) {
    e.put(name);
    e.number(number);
}

#[inline(always)]
fn write_size(e: &mut Writer<'_>, name: &[u8], size: u64) {
    e.put(name);
    e.number(size.min(i64::MAX as u64));
}

//! The keys of SEARCH.

use alloc::{boxed::Box, vec::Vec};
use core::num::NonZeroU32;

use super::{fuzzy, saved};
use crate::{
    capability::Capability,
    command::{AString, OtherItem, rules::Need},
    extensions::{
        annotate::{self, SearchAnnotation},
        condstore::{self, SearchModSeq},
        gmail::GmailLabel,
    },
    types::{Atom, Date, ObjectId, SequenceSet, Uid, UidSet},
};

/// What SEARCH looks for.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum SearchKey {
    /// `ALL`: all messages.
    All,
    /// `ANNOTATION`: words in an annotation ([RFC 5257 section
    /// 4.8](https://www.rfc-editor.org/rfc/rfc5257#section-4.8)).
    Annotation(Box<SearchAnnotation>),
    /// `ANSWERED`: with `\Answered`.
    Answered,
    /// `BCC`: a word in that field.
    Bcc(AString),
    /// `BEFORE`: by internal date.
    Before(Date),
    /// `BODY`: a word in the body.
    Body(AString),
    /// `CC`: a word in that field.
    Cc(AString),
    /// `DELETED`: with `\Deleted`.
    Deleted,
    /// `DRAFT`: with `\Draft`.
    Draft,
    /// `EMAILID`: the message of this identifier
    /// ([RFC 8474 section 5.4](https://www.rfc-editor.org/rfc/rfc8474#section-5.4)).
    EmailId(ObjectId),
    /// `FILTER`: the keys that are stored under this name, an atom without `/`
    /// ([RFC 5466 section 3.1](https://www.rfc-editor.org/rfc/rfc5466#section-3.1)).
    Filter(Atom),
    /// `FLAGGED`: with `\Flagged`.
    Flagged,
    /// `FROM`: a word in that field.
    From(AString),
    /// `FUZZY`: what is like this
    /// ([RFC 6203 section 3](https://www.rfc-editor.org/rfc/rfc6203#section-3)).
    Fuzzy(Box<SearchKey>),
    /// `HEADER`: a word in a field. The empty word asks for the field itself.
    Header(AString, AString),
    /// `KEYWORD`: with this keyword.
    Keyword(Atom),
    /// `LARGER`, in bytes.
    Larger(u64),
    /// `MODSEQ`: changed at some change or after it (RFC 7162).
    ModSeq(SearchModSeq),
    /// `NEW`: recent and not seen. RFC 3501 only.
    New,
    /// `NOT`: what the key does not find.
    Not(Box<SearchKey>),
    /// `OLD`: not recent. RFC 3501 only.
    Old,
    /// `OLDER`: whose internal date is at least so many seconds ago
    /// ([RFC 5032 section 2](https://www.rfc-editor.org/rfc/rfc5032#section-2)).
    Older(NonZeroU32),
    /// `ON`: by internal date.
    On(Date),
    /// `OR`: what one of two keys finds.
    Or(Box<SearchKey>, Box<SearchKey>),
    /// `RECENT`: RFC 3501 only.
    Recent,
    /// `SAVEDATESUPPORTED`: all messages, if their mailbox knows when they were put into it
    /// ([RFC 8514 section 4.3](https://www.rfc-editor.org/rfc/rfc8514#section-4.3)).
    SaveDateSupported,
    /// `SAVEDBEFORE`: by the date on which they were put into the mailbox
    /// ([RFC 8514 section 4.3](https://www.rfc-editor.org/rfc/rfc8514#section-4.3)).
    SavedBefore(Date),
    /// `SAVEDON`: on that day, as [`SavedBefore`](Self::SavedBefore).
    SavedOn(Date),
    /// `SAVEDSINCE`: on that day or later.
    SavedSince(Date),
    /// `SEEN`: with `\Seen`.
    Seen,
    /// `SENTBEFORE`: by the Date field.
    SentBefore(Date),
    /// `SENTON`: by the Date field.
    SentOn(Date),
    /// `SENTSINCE`: by the Date field, on that day or later.
    SentSince(Date),
    /// `SINCE`: by internal date.
    Since(Date),
    /// `SMALLER`, in bytes.
    Smaller(u64),
    /// `SUBJECT`: a word in that field.
    Subject(AString),
    /// `TEXT`: a word in header or body.
    Text(AString),
    /// `THREADID`: the messages of the thread with this identifier
    /// ([RFC 8474 section 5.4](https://www.rfc-editor.org/rfc/rfc8474#section-5.4)).
    ThreadId(ObjectId),
    /// `TO`: a word in that field.
    To(AString),
    /// `UID`: messages by their unique identifiers.
    Uid(UidSet),
    /// `UIDAFTER`: higher unique identifiers than this
    /// ([RFC 9738](https://www.rfc-editor.org/rfc/rfc9738)).
    UidAfter(Uid),
    /// `UIDBEFORE`: lower unique identifiers than this
    /// ([RFC 9738](https://www.rfc-editor.org/rfc/rfc9738)).
    UidBefore(Uid),
    /// `UNANSWERED`: without `\Answered`.
    Unanswered,
    /// `UNDELETED`: without `\Deleted`.
    Undeleted,
    /// `UNDRAFT`: without `\Draft`.
    Undraft,
    /// `UNFLAGGED`: without `\Flagged`.
    Unflagged,
    /// `UNKEYWORD`: without this keyword.
    Unkeyword(Atom),
    /// `UNSEEN`: without `\Seen`.
    Unseen,
    /// `YOUNGER`: whose internal date is at most so many seconds ago
    /// ([RFC 5032 section 2](https://www.rfc-editor.org/rfc/rfc5032#section-2)).
    Younger(NonZeroU32),
    /// Messages by their sequence numbers.
    Sequence(SequenceSet),
    /// `(...)`: all of these, at least one.
    And(Vec<SearchKey>),
    /// `X-GM-LABELS`: messages with this label of Gmail.
    GmailLabel(GmailLabel),
    /// `X-GM-MSGID`: the message of this identifier of Gmail.
    GmailMessageId(u64),
    /// `X-GM-RAW`: what Gmail finds by its own search language: `has:attachment larger:5M`.
    GmailRaw(AString),
    /// `X-GM-THRID`: the messages of this conversation of Gmail.
    GmailThreadId(u64),
    /// A key that is not known here. It is read with all that follows it in the command or in its list, for
    /// only its extension says where its arguments end.
    Other(OtherItem),
}

impl SearchKey {
    /// Whether sequence numbers stand in it, or may do so.
    #[inline]
    #[must_use]
    pub fn uses_sequence_numbers(&self) -> bool {
        // It may have some among its arguments.
        let names = |key: &Self| matches!(key, Self::Sequence(_) | Self::Other(_)).then_some(());
        self.leaf(&mut |key| names(key)).is_some()
    }

    /// The first that `find` gives for a key in it that holds no other keys.
    #[inline]
    pub(crate) fn leaf<'a, T>(&'a self, find: &mut impl FnMut(&'a Self) -> Option<T>) -> Option<T> {
        match self {
            // Apart, as most keys hold no others.
            Self::Not(_) | Self::Fuzzy(_) | Self::Or(..) | Self::And(_) => self.leaf_within(find),
            leaf => find(leaf),
        }
    }

    #[inline(never)]
    fn leaf_within<'a, T>(&'a self, find: &mut impl FnMut(&'a Self) -> Option<T>) -> Option<T> {
        match self {
            Self::Not(key) => key.leaf(find),
            // What is within may need nothing, and this does.
            Self::Fuzzy(key) => find(self).or_else(|| key.leaf(find)),
            Self::Or(one, other) => one.leaf(find).or_else(|| other.leaf(find)),
            Self::And(keys) => keys.iter().find_map(|key| key.leaf(find)),
            leaf => find(leaf),
        }
    }

    /// Whether it is about modification sequences
    /// ([RFC 7162 section 3.1.5](https://www.rfc-editor.org/rfc/rfc7162#section-3.1.5)): the answer has one then.
    #[inline]
    #[must_use]
    pub fn uses_mod_seq(&self) -> bool {
        self.leaf(&mut |key| matches!(key, Self::ModSeq(_)).then_some(())).is_some()
    }

    /// Whether something in it may be like what is looked for
    /// ([RFC 6203 section 3](https://www.rfc-editor.org/rfc/rfc6203#section-3)).
    #[inline]
    #[must_use]
    pub fn is_fuzzy(&self) -> bool {
        self.leaf(&mut |key| matches!(key, Self::Fuzzy(_)).then_some(())).is_some()
    }

    /// What a server must have for this key itself.
    pub(super) fn needs(&self) -> Option<Need> {
        Some(match self {
            Self::ModSeq(_) => condstore::needs_condstore(),
            Self::Older(_) | Self::Younger(_) => Need::of(&Capability::Within),
            Self::Fuzzy(_) => fuzzy(),
            Self::Annotation(_) => annotate::needs_annotate(),
            Self::Filter(_) => Need::of(&Capability::Filters),
            Self::GmailLabel(_) | Self::GmailMessageId(_) | Self::GmailRaw(_) | Self::GmailThreadId(_) => {
                Need::of(&Capability::GmailExtensions)
            }
            Self::EmailId(_) | Self::ThreadId(_) => Need::of(&Capability::ObjectId),
            Self::SaveDateSupported | Self::SavedBefore(_) | Self::SavedOn(_) | Self::SavedSince(_) => {
                Need::of(&Capability::SaveDate)
            }
            Self::UidAfter(_) | Self::UidBefore(_) => Need::one_of(&[
                Capability::MessageLimit(NonZeroU32::MIN),
                Capability::SaveLimit(NonZeroU32::MIN),
            ]),
            Self::Sequence(set) if set.is_saved() => saved(),
            Self::Uid(set) if set.is_saved() => saved(),
            _ => return None,
        })
    }

    /// Whether it ends in a key that is not known, to which all belongs that follows.
    pub(super) fn takes_all(&self) -> bool {
        match self {
            Self::Other(_) => true,
            Self::Not(key) | Self::Or(_, key) | Self::Fuzzy(key) => key.takes_all(),
            _ => false,
        }
    }

    /// The opposite.
    #[inline]
    #[must_use]
    #[allow(clippy::should_implement_trait)]
    pub fn not(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// This or `other`.
    #[inline]
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::Or(Box::new(self), Box::new(other))
    }
}

//! Writing response codes.

use alloc::vec::Vec;

use super::{Code, plain};
use crate::{
    Capability,
    extensions::urlauth::UrlMechanism,
    types::{ImapString, ModSeq, chars, write_number, write_quoted, write_spaced},
};

impl Code {
    /// Appends the code without its brackets.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let number = |out: &mut Vec<u8>, name: &[u8], value: u64| {
            out.extend_from_slice(name);
            write_number(out, value);
        };
        match self {
            Self::BadCharset(charsets) => {
                out.extend_from_slice(b"BADCHARSET");
                for (at, charset) in charsets.iter().enumerate() {
                    out.extend_from_slice(if at == 0 { b" (" } else { b" " });
                    write_word(out, charset);
                }
                if !charsets.is_empty() {
                    out.push(b')');
                }
            }
            Self::InProgress(progress) => {
                out.extend_from_slice(b"INPROGRESS");
                if let Some(progress) = progress {
                    progress.write(out);
                }
            }
            Self::BadEvent(names) => {
                out.extend_from_slice(b"BADEVENT (");
                write_spaced(out, names, |out, name| out.extend_from_slice(name.as_bytes()));
                out.push(b')');
            }
            Self::Capability(capabilities) => {
                out.extend_from_slice(b"CAPABILITY");
                Capability::write_all(out, capabilities);
            }
            Self::PermanentFlags(flags) => {
                out.extend_from_slice(b"PERMANENTFLAGS ");
                flags.write(out);
            }
            Self::UidNext(uid) => number(out, b"UIDNEXT ", plain(*uid)),
            Self::UidValidity(validity) => number(out, b"UIDVALIDITY ", plain(*validity)),
            Self::Unseen(message) => number(out, b"UNSEEN ", plain(*message)),
            Self::AppendUid { uid_validity, uids } => {
                number(out, b"APPENDUID ", plain(*uid_validity));
                out.push(b' ');
                uids.write(out);
            }
            Self::CopyUid(copy) => {
                number(out, b"COPYUID ", plain(copy.uid_validity));
                out.push(b' ');
                copy.source.write(out);
                out.push(b' ');
                copy.destination.write(out);
            }
            Self::HighestModSeq(value) => number(out, b"HIGHESTMODSEQ ", value.map_or(0, ModSeq::get)),
            Self::MessageLimit { limit, uid } => {
                number(out, b"MESSAGELIMIT ", u64::from(limit.get()));
                if let Some(uid) = uid {
                    number(out, b" ", u64::from(uid.get()));
                }
            }
            Self::Modified(set) => {
                out.extend_from_slice(b"MODIFIED ");
                set.write(out);
            }
            Self::Annotate(code) => {
                out.extend_from_slice(b"ANNOTATE ");
                out.extend_from_slice(code.as_str().as_bytes());
            }
            Self::Annotations(support) => support.write(out),
            Self::Metadata(code) => code.write(out),
            Self::NoUpdate(tag) => {
                out.extend_from_slice(b"NOUPDATE ");
                write_quoted(out, tag.as_bytes());
            }
            Self::UndefinedFilter(name) => {
                out.extend_from_slice(b"UNDEFINED-FILTER ");
                out.extend_from_slice(name.as_bytes());
            }
            Self::Referral(urls) => {
                out.extend_from_slice(b"REFERRAL");
                // An URL with another character has it in its form with `%`.
                for url in urls.iter().filter(|url| is_url(url.as_bytes())) {
                    out.push(b' ');
                    out.extend_from_slice(url.as_bytes());
                }
            }
            Self::BadUrl(url) => {
                out.extend_from_slice(b"BADURL ");
                write_bad_url(out, url.as_bytes());
            }
            Self::UrlMech(others) => UrlMechanism::write_all(out, others),
            Self::MaxConvertMessages(limit) => number(out, b"MAXCONVERTMESSAGES ", u64::from(limit.get())),
            Self::MaxConvertParts(limit) => number(out, b"MAXCONVERTPARTS ", u64::from(limit.get())),
            Self::NewName(names) => {
                out.extend_from_slice(b"NEWNAME");
                for name in names.iter() {
                    out.push(b' ');
                    write_word(out, name);
                }
            }
            Self::WebAlert(url) => {
                out.extend_from_slice(b"WEBALERT ");
                write_bad_url(out, url.as_bytes());
            }
            Self::ObjectIds(ids) => {
                out.extend_from_slice(b"OBJECTID ");
                ids.write(out);
            }
            Self::MailboxId(id) => {
                out.extend_from_slice(b"MAILBOXID (");
                write_word(out, id);
                out.push(b')');
            }
            Self::Other(other) => {
                out.extend_from_slice(other.name.as_bytes());
                // Where they could not be read back they are left out.
                let arguments = other.arguments.as_ref().filter(|arguments| {
                    memchr::memchr3(b']', b'\r', b'\n', arguments.as_bytes()).is_none()
                        && !arguments.is_empty()
                        && arguments.as_str().is_some()
                });
                if let Some(arguments) = arguments {
                    out.push(b' ');
                    out.extend_from_slice(arguments.as_bytes());
                }
            }
            Self::Malformed(_) => {}
            known => out.extend_from_slice(known.known_name().unwrap_or_default().as_bytes()),
        }
    }
}

/// Appends an atom, or a quoted string; a literal cannot stand in a code.
fn write_word(out: &mut Vec<u8>, word: &ImapString) {
    let plain: Vec<u8>;
    let mut bytes = word.as_bytes();
    if !chars::all(bytes, chars::TEXT) {
        plain = bytes.iter().map(|&byte| if chars::is(byte, chars::TEXT) { byte } else { b'?' }).collect();
        bytes = &plain;
    }
    if !bytes.is_empty() && chars::all(bytes, chars::ATOM) {
        out.extend_from_slice(bytes);
    } else {
        write_quoted(out, bytes);
    }
}

pub(super) fn is_url(url: &[u8]) -> bool {
    !url.is_empty() && url.iter().all(|&byte| byte > b' ' && byte < 0x7f && byte != b']')
}

/// Appends a URL with `%` for what would end it.
pub(super) fn write_bad_url(out: &mut Vec<u8>, url: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for (at, &byte) in url.iter().enumerate() {
        if is_url(&[byte]) && !(at == 0 && byte == b'"') {
            out.push(byte);
            continue;
        }
        out.push(b'%');
        out.extend([byte >> 4, byte & 15].iter().filter_map(|digit| DIGITS.get(usize::from(*digit))));
    }
}

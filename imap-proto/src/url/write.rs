//! Writing IMAP URLs.

use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use mailwire_core::{Text, grammar::percent_encode};

use super::{
    AuthType, ImapUrl, MailboxRef, MessageRef, Server, Target, UrlAuth,
    parse::{is_achar, is_bchar},
};
use crate::types::DateTime;

impl fmt::Display for ImapUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "imap://{}", self.server)?;
        self.target.as_ref().map_or(Ok(()), |target| target.fmt(f))
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            percent_encode(f, user.as_bytes(), is_achar)?;
        }
        match &self.auth {
            None => {}
            Some(AuthType::Any) => f.write_str(";AUTH=*")?,
            Some(AuthType::Mechanism(name)) => {
                f.write_str(";AUTH=")?;
                // `*` alone would be any.
                percent_encode(f, name.as_bytes(), |byte| byte != b'*' && is_achar(byte))?;
            }
        }
        if self.user.is_some() || self.auth.is_some() {
            f.write_char('@')?;
        }
        f.write_str(self.host())?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// With the `/` before it, so that it is relative to a server.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('/')?;
        match self {
            Self::Messages(list) => {
                list.mailbox.fmt(f)?;
                if let Some(search) = &list.search {
                    f.write_char('?')?;
                    percent_encode(f, search.as_bytes(), is_bchar)?;
                }
                Ok(())
            }
            Self::Message(part) => part.fmt(f),
        }
    }
}

/// Without the `/` before it.
impl fmt::Display for MailboxRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What would be taken for a server, or for a way up, is encoded (section 7).
        for (at, level) in self.name().split('/').enumerate() {
            match (at, level) {
                (0, "") => {}
                (1, _) if self.name().starts_with('/') => f.write_str("%2F")?,
                (1.., _) => f.write_char('/')?,
                _ => {}
            }
            match level {
                "." => f.write_str("%2E")?,
                ".." => f.write_str("%2E%2E")?,
                level => percent_encode(f, level.as_bytes(), is_bchar)?,
            }
        }
        self.uid_validity.map_or(Ok(()), |validity| write!(f, ";UIDVALIDITY={}", validity.get()))
    }
}

impl fmt::Display for MessageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/;UID={}", self.mailbox, self.uid.get())?;
        if let Some(section) = &self.section {
            let mut whole = Vec::new();
            section.section().write(&mut whole);
            f.write_str("/;SECTION=")?;
            let inner = whole.strip_prefix(b"[").and_then(|inner| inner.strip_suffix(b"]"));
            percent_encode(f, inner.unwrap_or_default(), is_bchar)?;
        }
        if let Some(partial) = self.partial {
            write!(f, "/;PARTIAL={}", partial.offset)?;
            if let Some(length) = partial.length {
                write!(f, ".{length}")?;
            }
        }
        self.auth.as_ref().map_or(Ok(()), |auth| auth.fmt(f))
    }
}

impl fmt::Display for UrlAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(expire) = self.expire {
            f.write_str(";EXPIRE=")?;
            write_date(f, expire)?;
        }
        f.write_str(";URLAUTH=")?;
        percent_encode(f, self.access.name(), is_achar)?;
        if let Some(user) = self.access.user() {
            f.write_char('+')?;
            percent_encode(f, user.as_bytes(), is_achar)?;
        }
        match &self.verifier {
            Some(verifier) => write!(f, ":{}:{}", verifier.mechanism, verifier.token()),
            None => Ok(()),
        }
    }
}

/// As [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339#section-5.6) has it. A zone of a day or more, which it has
/// not, becomes UTC.
fn write_date(f: &mut fmt::Formatter<'_>, time: DateTime) -> fmt::Result {
    let in_a_day = time.zone().unsigned_abs() < 24 * 60;
    let time = if in_a_day { time } else { DateTime::from_unix(time.to_unix(), 0).unwrap_or(time) };
    let (date, (hour, minute, second)) = (time.date(), time.time());
    let (year, month, day) = (date.year(), date.month(), date.day());
    write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
    let zone = time.zone().unsigned_abs();
    match time.zone() {
        0 => f.write_char('Z'),
        east => write!(f, "{}{:02}:{:02}", if east > 0 { '+' } else { '-' }, zone / 60, zone % 60),
    }
}

impl From<&Target> for Text {
    fn from(target: &Target) -> Self {
        alloc::format!("{target}").into()
    }
}

//! URLs for fuzzing.

use alloc::{format, string::String};
use core::num::NonZeroU64;

use ::arbitrary::{Arbitrary, Error, Result, Unstructured};

use super::{
    Access, AuthMechanism, AuthType, ImapUrl, MailboxRef, MessageList, MessageRef, Server, Target, UrlAuth,
    UrlPartial, UrlSection, UrlText, Verifier,
};
use crate::{
    command::arbitrary::{maybe, section, some, word},
    types::{DateTime, Uid, UidValidity},
};

fn made<T, E>(value: core::result::Result<T, E>) -> Result<T> {
    value.map_err(|_| Error::IncorrectFormat)
}

/// Names with all that stands for something else in a URL.
fn name(u: &mut Unstructured<'_>) -> Result<String> {
    const PARTS: [&str; 14] =
        ["a", "INBOX", "/", ".", "..", ";UID=", "%", "?", "ü", "&", "b c", ":@", "=+,", "台"];
    some(u, |u| u.choose(&PARTS).copied()).map(|parts| parts.concat())
}

fn text(u: &mut Unstructured<'_>) -> Result<UrlText> {
    if u.arbitrary()? {
        name(u).and_then(|name| made(UrlText::new(name)))
    } else {
        made(UrlText::new(&b"\xff\r\n"[..]))
    }
}

impl<'a> Arbitrary<'a> for Server {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        const HOSTS: [&str; 4] = ["example.com", "[::1]", "127.0.0.1", "m%C3%BC.example"];
        let mut server = made(Self::new(*u.choose(&HOSTS)?))?;
        server.port = u.arbitrary()?;
        if u.arbitrary()? {
            server = made(server.with_user(&name(u)?))?;
        }
        server.auth =
            maybe(u, |u| Ok(if u.arbitrary()? { AuthType::Any } else { AuthType::Mechanism(text(u)?) }))?;
        Ok(server)
    }
}

impl<'a> Arbitrary<'a> for MailboxRef {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut mailbox = made(Self::new(&name(u)?))?;
        mailbox.uid_validity = u.arbitrary::<Option<u32>>()?.and_then(UidValidity::new);
        Ok(mailbox)
    }
}

impl<'a> Arbitrary<'a> for UrlAuth {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let access = match u.int_in_range(0..=4)? {
            0 => Access::AuthUser,
            1 => Access::Anonymous,
            2 => Access::User(text(u)?),
            3 => Access::Submit(text(u)?),
            _ => made(Access::application(&format!("x{}", word(u, b"az09")?), maybe(u, text)?))?,
        };
        let mut auth = Self::new(access);
        auth.expire = maybe(u, |u| {
            let (seconds, zone) = (i64::from(u.arbitrary::<u32>()?), u.int_in_range(-1439..=1439)?);
            DateTime::from_unix(seconds, zone).ok_or(Error::IncorrectFormat)
        })?;
        auth.verifier = maybe(u, |u| {
            let mechanism = made(AuthMechanism::new(word(u, b"AZ09.-")?))?;
            made(Verifier::new(mechanism, format!("{:032x}", u.arbitrary::<u128>()?)))
        })?;
        Ok(auth)
    }
}

impl<'a> Arbitrary<'a> for Target {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mailbox = u.arbitrary()?;
        if u.arbitrary()? {
            let mut list = MessageList::new(mailbox);
            list.search = maybe(u, text)?;
            return Ok(list.into());
        }
        let mut part = MessageRef::new(mailbox, Uid::new(u.arbitrary()?).unwrap_or(Uid::MIN));
        part.section = UrlSection::new(section(u)?);
        part.partial = maybe(u, |u| {
            Ok(UrlPartial { offset: u.arbitrary()?, length: maybe(u, |u| u.arbitrary::<NonZeroU64>())? })
        })?;
        part.auth = maybe(u, |u| u.arbitrary())?;
        Ok(part.into())
    }
}

impl<'a> Arbitrary<'a> for ImapUrl {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self { server: u.arbitrary()?, target: u.arbitrary()? })
    }
}

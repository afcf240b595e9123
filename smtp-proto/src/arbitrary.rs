//! Values for fuzzing: each can be written, and reads back as itself in the strict dialect.

use alloc::{string::String, vec::Vec};

use arbitrary::{Arbitrary, Result, Unstructured};
use mailwire_core::Text;

use crate::{
    AddressLiteral, Argument, Auth, BodyType, Capabilities, Capability, Command, Domain, EhloName,
    ForwardPath, Host, Keyword, Mail, Mailbox, OtherCapability, Parameter, ParameterValue, Query, Rcpt,
    Reply, ReplyCode, ReversePath, Submitter, Verb,
    extensions::{
        Parameters, Rare, burl::UrlSources, deliver_by::DeliverByParam, priority::PriorityProfile,
        xclient::AttributeNames,
    },
};

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// A word of `alphabet`, of a length within `range`.
fn word(
    u: &mut Unstructured<'_>,
    alphabet: &[u8],
    range: core::ops::RangeInclusive<usize>,
) -> Result<String> {
    let length = u.int_in_range(range)?;
    (0..length).map(|_| u.choose(alphabet).map(|&byte| char::from(byte))).collect()
}

/// Printable text, perhaps with characters beyond ASCII.
fn printable(u: &mut Unstructured<'_>, most: usize) -> Result<String> {
    let length = u.int_in_range(0..=most)?;
    (0..length)
        .map(|_| {
            Ok(match u.arbitrary::<u8>()? {
                byte @ 32..=126 => char::from(byte),
                byte => char::from_u32(0xc0 + u32::from(byte)).unwrap_or('x'),
            })
        })
        .collect()
}

fn valid<T, E>(value: core::result::Result<T, E>) -> Result<T> {
    value.map_err(|_| arbitrary::Error::IncorrectFormat)
}

macro_rules! arbitrary {
    ($name:ty, |$u:ident| $body:expr) => {
        impl<'a> Arbitrary<'a> for $name {
            fn arbitrary($u: &mut Unstructured<'a>) -> Result<Self> {
                $body
            }
        }
    };
}

arbitrary!(Domain, |u| {
    let labels = u.int_in_range(1..=4)?;
    let mut text = String::new();
    for at in 0..labels {
        if at > 0 {
            text.push('.');
        }
        text += &word(u, LETTERS, 1..=3)?;
        if u.ratio(1, 4)? {
            text += "-";
            text += &word(u, LETTERS, 1..=3)?;
        }
        if u.ratio(1, 16)? {
            text += "ü";
        }
    }
    valid(Self::try_from(text))
});

arbitrary!(AddressLiteral, |u| {
    Ok(if u.arbitrary()? {
        core::net::IpAddr::V4(u.arbitrary::<[u8; 4]>()?.into()).into()
    } else {
        core::net::IpAddr::V6(u.arbitrary::<[u8; 16]>()?.into()).into()
    })
});

arbitrary!(Host, |u| Ok(if u.ratio(1, 4)? {
    Self::Literal(u.arbitrary()?)
} else {
    Self::Domain(u.arbitrary()?)
}));
arbitrary!(EhloName, |u| u.arbitrary().map(|host: Host| host.into()));
arbitrary!(Mailbox, |u| {
    let local_part = printable(u, 12)?;
    let host = u.arbitrary()?;
    valid(Self::new(&local_part, &host))
});
arbitrary!(ReversePath, |u| Ok(if u.ratio(1, 8)? { Self::Null } else { Self::Mailbox(u.arbitrary()?) }));
arbitrary!(ForwardPath, |u| Ok(if u.ratio(1, 8)? {
    Self::Postmaster
} else {
    Self::Mailbox(u.arbitrary()?)
}));
arbitrary!(Submitter, |u| Ok(if u.ratio(1, 4)? { Self::Unknown } else { u.arbitrary::<Mailbox>()?.into() }));
arbitrary!(Keyword, |u| {
    // The prefix keeps clear of keywords that are known.
    valid(Self::try_from(alloc::format!("X-{}", word(u, LETTERS, 1..=8)?)))
});
arbitrary!(ParameterValue, |u| {
    let text: String = printable(u, 12)?.chars().filter(|char| !matches!(char, ' ' | '=')).collect();
    valid(Self::try_from(alloc::format!("v{text}")))
});
arbitrary!(Parameter, |u| Ok(Self { keyword: u.arbitrary()?, value: u.arbitrary()? }));
arbitrary!(BodyType, |u| Ok(*u.choose(&[Self::SevenBit, Self::EightBitMime, Self::BinaryMime])?));
arbitrary!(Argument, |u| {
    let text = printable(u, 20)?;
    valid(Self::try_from(alloc::format!("a{}", text.trim())))
});
arbitrary!(Query, |u| Ok(Self::new(u.arbitrary()?).with_smtp_utf8(u.arbitrary()?)));
arbitrary!(Verb, |u| valid(Self::try_from(alloc::format!("X{}", word(u, LETTERS, 0..=8)?))));
arbitrary!(Auth, |u| Ok(Self { mechanism: u.arbitrary()?, initial: u.arbitrary()? }));
/// Printable ASCII of a length within `range`.
pub(crate) fn ascii(u: &mut Unstructured<'_>, range: core::ops::RangeInclusive<usize>) -> Result<String> {
    let length = u.int_in_range(range)?;
    (0..length).map(|_| u.int_in_range(b' '..=b'~').map(char::from)).collect()
}

impl<'a, T: Parameters + Arbitrary<'a>> Arbitrary<'a> for Rare<T> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut rare = Self::NONE;
        if u.ratio(1, 2)? {
            *rare.get_mut() = u.arbitrary()?;
        }
        Ok(rare)
    }
}

arbitrary!(Mail, |u| Ok(Self {
    from: u.arbitrary()?,
    size: u.arbitrary()?,
    body: u.arbitrary()?,
    smtp_utf8: u.arbitrary()?,
    auth: u.arbitrary()?,
    rare: u.arbitrary()?,
}));
arbitrary!(Rcpt, |u| Ok(Self { to: u.arbitrary()?, rare: u.arbitrary()? }));
arbitrary!(Command, |u| Ok(match u.int_in_range(0..=23)? {
    0 => Self::Ehlo(u.arbitrary()?),
    1 => Self::Helo(u.arbitrary()?),
    2 => Self::Lhlo(u.arbitrary()?),
    3 => Self::Mail(u.arbitrary()?),
    4 => Self::Rcpt(u.arbitrary()?),
    5 => Self::Data,
    6 => Self::Rset,
    7 => Self::Noop(u.arbitrary()?),
    8 => Self::Vrfy(u.arbitrary()?),
    9 => Self::Expn(u.arbitrary()?),
    10 => Self::Help(u.arbitrary()?),
    11 => Self::Quit,
    12 => Self::StartTls,
    13 => Self::Auth(u.arbitrary()?),
    15 => Self::ClientId(u.arbitrary()?),
    16 => Self::Etrn(u.arbitrary()?),
    17 => Self::Onex,
    18 => Self::Verb,
    19 => Self::Xclient(u.arbitrary()?),
    20 => Self::Xforward(u.arbitrary()?),
    21 => Self::Atrn(u.arbitrary()?),
    22 => Self::Burl(u.arbitrary()?),
    14 => Self::Bdat { size: u.int_in_range(0..=i64::MAX as u64)?, last: u.arbitrary()? },
    _ => Self::Other { verb: u.arbitrary()?, argument: u.arbitrary()? },
}));

arbitrary!(ReplyCode, |u| {
    let code = u.int_in_range(2..=5u16)? * 100 + u.int_in_range(0..=59)?;
    Self::new(code).ok_or(arbitrary::Error::IncorrectFormat)
});
arbitrary!(Reply, |u| {
    let code = u.arbitrary()?;
    let count = u.int_in_range(1..=4)?;
    let lines: Vec<Text> = (0..count).map(|_| printable(u, 30).map(Text::from)).collect::<Result<_>>()?;
    let reply = valid(Self::try_new(code, lines))?;
    Ok(match u.arbitrary()? {
        Some((subject, detail)) if reply.enhanced().is_none() => reply.with_enhanced(subject, detail),
        _ => reply,
    })
});
arbitrary!(Capability, |u| Ok(match u.int_in_range(0..=19)? {
    0 => Self::Pipelining,
    1 => Self::Size(u.arbitrary()?),
    2 => Self::EightBitMime,
    3 => Self::SmtpUtf8,
    4 => Self::EnhancedStatusCodes,
    5 => Self::StartTls,
    6 => Self::Auth(u.arbitrary()?),
    7 => Self::Vrfy,
    8 => Self::Expn,
    9 => Self::Help,
    10 => Self::Dsn,
    11 => Self::Chunking,
    12 => Self::BinaryMime,
    13 => Self::DeliverBy(valid(DeliverByParam::new(u.arbitrary::<Option<u16>>()?.map(u32::from)))?),
    14 => Self::FutureRelease(u.arbitrary()?),
    15 => Self::Limits(u.arbitrary()?),
    16 => Self::MtPriority(
        u.arbitrary::<bool>()?.then(|| PriorityProfile::new("MIXER")).transpose().ok().flatten()
    ),
    17 => Self::NoSoliciting(u.arbitrary()?),
    18 => u
        .choose(&[
            Self::Atrn,
            Self::PipeConnect,
            Self::Burl(valid(UrlSources::new("imap"))?),
            Self::Checkpoint,
            Self::ClientId,
            Self::Etrn,
            Self::Onex,
            Self::Verb,
            Self::Xclient(AttributeNames::xclient()),
            Self::Xforward(AttributeNames::xforward()),
            Self::Conneg,
            Self::Conperm,
            Self::IgnoreQuota,
            Self::Mtrk,
            Self::Prdr,
            Self::RequireTls,
            Self::Rrvs,
            Self::Submitter,
            Self::XrcptForward,
        ])?
        .clone(),
    _ => {
        let other = valid(OtherCapability::new(u.arbitrary()?))?;
        Self::Other(valid(other.with_parameters(word(u, LETTERS, 0..=8)?))?)
    }
}));
arbitrary!(Capabilities, |u| u.arbitrary().map(|list: Vec<Capability>| list.into_iter().collect()));

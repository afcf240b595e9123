//! Values for fuzzing, each of which can be written and read again.

use alloc::{string::String, vec::Vec};

use arbitrary::{Arbitrary, Result, Unstructured};
use mailwire_core::Secret;

use crate::{
    capability::Capability,
    command::Command,
    reply::{
        DropListing, Greeting, LanguageListing, Listing, Reply, ResponseCode, ScanListing, UniqueIdListing,
    },
    types::{
        ApopDigest, ApopTimestamp, Keyword, LanguageRange, LanguageTag, LineText, Password, ReplyText,
        UniqueId, UserName,
    },
};

/// Up to `max` bytes, at least one of them, each brought into the class.
fn bytes(u: &mut Unstructured<'_>, max: usize, class: impl Fn(u8) -> u8) -> Result<Vec<u8>> {
    let length = u.int_in_range(1..=max)?;
    (0..length).map(|_| u.arbitrary().map(&class)).collect()
}

const fn vchar(byte: u8) -> u8 {
    b'!' + byte % 94
}

fn pick<T: Clone>(u: &mut Unstructured<'_>, values: &[T]) -> Result<T> {
    u.choose(values).cloned()
}

const WRONG: arbitrary::Error = arbitrary::Error::IncorrectFormat;

impl<'a> Arbitrary<'a> for UniqueId {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Self::new(bytes(u, Self::MAX_LENGTH, vchar)?).map_err(|_| WRONG)
    }
}

impl<'a> Arbitrary<'a> for UserName {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Self::new(bytes(u, 40, vchar)?).map_err(|_| WRONG)
    }
}

impl<'a> Arbitrary<'a> for Password {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let line = |byte| if matches!(byte, b'\r' | b'\n' | 0) { b' ' } else { byte };
        Self::new(bytes(u, 200, line)?).map_err(|_| WRONG)
    }
}

impl<'a> Arbitrary<'a> for ApopDigest {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        u.arbitrary().map(Self::new)
    }
}

impl<'a> Arbitrary<'a> for ApopTimestamp {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let inner = |byte| if matches!(vchar(byte), b'<' | b'>') { b'.' } else { vchar(byte) };
        let mut text = Vec::from(b"<");
        text.extend(bytes(u, 20, inner)?);
        text.push(b'@');
        text.extend(bytes(u, 20, inner)?);
        text.push(b'>');
        Self::new(text).or(Err(WRONG))
    }
}

impl<'a> Arbitrary<'a> for Keyword {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Self::new(bytes(u, Self::MAX_LENGTH, vchar)?).map_err(|_| WRONG)
    }
}

impl<'a> Arbitrary<'a> for LineText {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Self::new(String::from_utf8_lossy(&bytes(u, 100, vchar)?).replace('~', " ")).map_err(|_| WRONG)
    }
}

impl<'a> Arbitrary<'a> for ReplyText {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        u.arbitrary::<Vec<u8>>().map(|text| Self::lossy(&String::from_utf8_lossy(&text)))
    }
}

impl<'a> Arbitrary<'a> for ResponseCode {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        if u.arbitrary()? {
            let known = [
                Self::AUTH,
                Self::IN_USE,
                Self::LOGIN_DELAY,
                Self::SYS_PERM,
                Self::SYS_TEMP,
                Self::UTF8,
                Self::XCLIENT,
            ];
            return pick(u, &known);
        }
        let level = |byte| if matches!(vchar(byte), b'/' | b']') { b'-' } else { vchar(byte) };
        let mut text = bytes(u, 10, level)?;
        if u.arbitrary()? {
            text.push(b'/');
            text.extend(bytes(u, 10, level)?);
        }
        Self::new(text).map_err(|_| WRONG)
    }
}

impl<'a> Arbitrary<'a> for Command {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u.int_in_range(0..=19)? {
            0 => Self::User(u.arbitrary()?),
            1 => Self::Pass(u.arbitrary()?),
            2 => Self::Apop { name: u.arbitrary()?, digest: u.arbitrary()? },
            3 => {
                let initial: Option<Vec<u8>> = u.arbitrary()?;
                let initial = initial.map(|data| Secret::from(data.get(..90).unwrap_or(&data)));
                Self::Auth { mechanism: u.arbitrary()?, initial }
            }
            4 => Self::Stls,
            5 => Self::Capa,
            6 => Self::Stat,
            7 => Self::List(u.arbitrary()?),
            8 => Self::Uidl(u.arbitrary()?),
            9 => Self::Retr(u.arbitrary()?),
            10 => Self::Top { number: u.arbitrary()?, lines: u.arbitrary()? },
            11 => Self::Dele(u.arbitrary()?),
            12 => Self::Rset,
            13 => Self::Noop,
            14 => Self::Quit,
            15 => Self::AuthList,
            16 => Self::Utf8,
            17 => Self::Lang(u.arbitrary()?),
            18 => Self::Xclient(u.arbitrary()?),
            _ => Self::Other {
                keyword: pick(u, &["XTND", "XYZ"])?.try_into().map_err(|_| WRONG)?,
                arguments: u.arbitrary()?,
            },
        })
    }
}

impl<'a> Arbitrary<'a> for Capability {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u.int_in_range(0..=13)? {
            0 => Self::Top,
            1 => Self::User,
            2 => Self::Sasl(u.arbitrary()?),
            3 => Self::RespCodes,
            4 => Self::LoginDelay { seconds: u.arbitrary()?, per_user: u.arbitrary()? },
            5 => Self::Pipelining,
            6 => Self::Expire { days: u.arbitrary()?, per_user: u.arbitrary()? },
            7 => Self::Uidl,
            8 => Self::Implementation(u.arbitrary()?),
            9 => Self::Stls,
            10 => Self::AuthRespCode,
            11 => Self::Utf8 { user: u.arbitrary()? },
            12 => Self::Lang,
            _ => Self::Other {
                tag: pick(u, &["X-GOOGLE-RICO", "XOIP", ".cap"])?.try_into().map_err(|_| WRONG)?,
                arguments: u.arbitrary()?,
            },
        })
    }
}

impl<'a> Arbitrary<'a> for DropListing {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self::new(u.arbitrary()?, u.arbitrary()?).with_rest(u.arbitrary()?))
    }
}

impl<'a> Arbitrary<'a> for ScanListing {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self::new(u.arbitrary()?, u.arbitrary()?).with_rest(u.arbitrary()?))
    }
}

impl<'a> Arbitrary<'a> for UniqueIdListing {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self::new(u.arbitrary()?, u.arbitrary()?))
    }
}

impl<'a> Arbitrary<'a> for LanguageTag {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut text = bytes(u, 8, |byte| b'a' + byte % 26)?;
        if u.arbitrary()? {
            text.push(b'-');
            text.extend(bytes(u, 8, |byte| b'0' + byte % 10)?);
        }
        Self::new(text).or(Err(WRONG))
    }
}

impl<'a> Arbitrary<'a> for LanguageRange {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(if u.arbitrary()? { Self::PREFERRED } else { LanguageTag::arbitrary(u)?.into() })
    }
}

impl<'a> Arbitrary<'a> for LanguageListing {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self::new(u.arbitrary()?, u.arbitrary()?))
    }
}

/// Of each kind that [`Expected`](crate::Expected) tells apart: reading it again needs the same.
impl<'a> Arbitrary<'a> for Listing {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u.int_in_range(0..=5)? {
            0 => Self::Scan(u.arbitrary()?),
            1 => Self::UniqueId(u.arbitrary()?),
            2 => Self::Capability(u.arbitrary()?),
            3 => Self::Language(u.arbitrary()?),
            4 => Self::Mechanism(u.arbitrary()?),
            _ => Self::Other(u.arbitrary()?),
        })
    }
}

impl<'a> Arbitrary<'a> for Reply {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u.int_in_range(0..=5)? {
            0 => Self::Ok { code: u.arbitrary()?, text: u.arbitrary()? },
            1 => Self::Err { code: u.arbitrary()?, text: u.arbitrary()? },
            2 => Self::Drop(u.arbitrary()?),
            3 => Self::Listing(Listing::Scan(u.arbitrary()?)),
            4 => Self::Listing(Listing::Language(u.arbitrary()?)),
            _ => Self::Listing(Listing::UniqueId(u.arbitrary()?)),
        })
    }
}

impl<'a> Arbitrary<'a> for Greeting {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let greeting = Self { ok: u.arbitrary()?, code: u.arbitrary()?, ..Self::new(u.arbitrary()?) };
        let timestamp: Option<ApopTimestamp> = u.arbitrary()?;
        Ok(match timestamp {
            Some(timestamp) => greeting.with_timestamp(&timestamp),
            None => greeting,
        })
    }
}

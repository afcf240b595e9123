//! JMAPACCESS: where the mail is to be had by JMAP ([RFC 9698](https://www.rfc-editor.org/rfc/rfc9698)).

use alloc::vec::Vec;

use mailwire_core::ParseError;

use super::spaced;
use crate::{
    capability::Capability,
    command::{Rules, Writer, rules},
    types::{ImapString, Reader, read_string, write_string},
};

/// `GETJMAPACCESS`: asks for the URL of the JMAP session, where the same login works ([RFC 9698 section
/// 4](https://www.rfc-editor.org/rfc/rfc9698#section-4)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct GetJmapAccess;

/// `JMAPACCESS`: the URL of the JMAP session. Identifiers of messages, threads and mailboxes are those of OBJECTID.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct JmapAccessData {
    /// The URL.
    pub url: ImapString,
}

const COMMAND: &str = "GETJMAPACCESS";
const DATA: &str = "JMAPACCESS";

impl GetJmapAccess {
    #[allow(clippy::unused_self)]
    pub(crate) const fn name(&self) -> &'static str {
        COMMAND
    }

    #[allow(clippy::unused_self)]
    pub(crate) fn rules(&self) -> Rules {
        rules::logged_in().needs(&Capability::JmapAccess)
    }

    pub(crate) fn row(name: &[u8]) -> Option<Rules> {
        name.eq_ignore_ascii_case(COMMAND.as_bytes())
            .then(|| rules::logged_in().needs(&Capability::JmapAccess))
    }

    /// ```text
    /// command-auth =/ "GETJMAPACCESS"
    /// ```
    pub(crate) fn read(name: &[u8], _: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        name.eq_ignore_ascii_case(COMMAND.as_bytes()).then_some(Ok(Self))
    }

    #[allow(clippy::unused_self)]
    pub(crate) fn write(&self, e: &mut Writer<'_>) {
        e.put(COMMAND.as_bytes());
    }
}

impl JmapAccessData {
    /// Says where the JMAP session is.
    #[must_use]
    pub const fn new(url: ImapString) -> Self {
        Self { url }
    }

    #[allow(clippy::unused_self)]
    pub(crate) const fn name(&self) -> &'static str {
        DATA
    }

    /// ```text
    /// resp-jmapaccess = "JMAPACCESS" SP quoted
    /// ```
    ///
    /// After the name. `None`: the name is another.
    pub(crate) fn read(name: &[u8], r: &mut Reader<'_>) -> Option<Result<Self, ParseError>> {
        name.eq_ignore_ascii_case(DATA.as_bytes()).then(|| Ok(Self { url: spaced(r, read_string)? }))
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"JMAPACCESS ");
        write_string(out, self.url.as_bytes());
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for JmapAccessData {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let url = alloc::format!("https://{}", crate::command::arbitrary::word(u, b"ab.\"\\ /")?);
        ImapString::new(url).map(Self::new).map_err(|_| arbitrary::Error::IncorrectFormat)
    }
}

// The derived one needs the standard library.
#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for GetJmapAccess {
    fn arbitrary(_: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self)
    }
}

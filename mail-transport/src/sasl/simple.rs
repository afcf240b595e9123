//! The messages that are one line of grammar: that of PLAIN ([RFC 4616
//! section 2](https://www.rfc-editor.org/rfc/rfc4616#section-2)), and the trace of ANONYMOUS.

use mailwire_core::Secret;
#[cfg(feature = "server")]
use mailwire_core::grammar::{byte, expected, run_all};
#[cfg(feature = "server")]
use nom::{bytes::complete::take_while1, combinator::opt, sequence::terminated};

#[cfg(feature = "server")]
use super::{SaslError, scram::utf8};

/// The message of PLAIN.
#[cfg(feature = "client")]
pub(super) fn plain(acting_as: Option<&str>, user: &str, password: &Secret) -> Secret {
    let parts = [acting_as.unwrap_or_default().as_bytes(), b"\0", user.as_bytes(), b"\0", password.expose()];
    // It is written once, into room that is enough.
    let mut message = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| message.extend_from_slice(part));
    message.into()
}

/// What PLAIN carries.
#[cfg(feature = "server")]
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plain {
    pub(super) acting_as: Option<String>,
    pub(super) user: String,
    pub(super) password: Secret,
}

/// ```abnf
/// message = [authzid] UTF8NUL authcid UTF8NUL passwd
/// authcid = 1*SAFE
/// authzid = 1*SAFE
/// passwd  = 1*SAFE
/// UTF8NUL = %x00
/// SAFE    = UTF1 / UTF2 / UTF3 / UTF4
///           ;; any UTF-8 encoded Unicode character except NUL
/// ```
///
/// A password can be in another encoding: there are old ones that are.
#[cfg(feature = "server")]
pub(super) fn read_plain(message: &[u8]) -> Result<Plain, SaslError> {
    let is_safe = |byte| byte != 0;
    let nul = || byte(0, "expected NUL");
    let grammar = (
        terminated(opt(utf8(is_safe)), nul()),
        terminated(expected("expected a name", utf8(is_safe)), nul()),
        expected("expected a password", take_while1(is_safe)),
    );
    let (acting_as, user, password) = run_all(message, grammar).map_err(SaslError::Malformed)?;
    Ok(Plain { acting_as: acting_as.map(str::to_owned), user: user.to_owned(), password: password.into() })
}

/// What ANONYMOUS can carry ([RFC 4505 sections 2 and 3](https://www.rfc-editor.org/rfc/rfc4505#section-2)): an address,
/// or up to 255 characters without `@`; none of them controls anything.
///
/// ```abnf
/// message = [ email / token ]
/// token   = 1*255TCHAR
/// ```
pub(super) fn check_trace(trace: &str) -> Result<(), &'static str> {
    if trace.chars().any(char::is_control) {
        Err("a control character in a trace")
    } else if !trace.contains('@') && trace.chars().count() > 255 {
        Err("a trace of more than 255 characters")
    } else {
        Ok(())
    }
}

#[cfg(all(test, feature = "client", feature = "server"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (acting_as, user, password) in [
            (None, "tim", &b"tanstaaftanstaaf"[..]),
            (Some("Ursel"), "Kurt", b"xipj3plmq"),
            (Some("\u{fc}"), "\u{1f511}", b"\xff\x01"),
        ] {
            let message = plain(acting_as, user, &password.into());
            let plain = Plain {
                acting_as: acting_as.map(str::to_owned),
                user: user.to_owned(),
                password: password.into(),
            };
            assert_eq!(read_plain(message.expose()), Ok(plain));
        }
        // RFC 4616 section 4.
        assert_eq!(plain(Some("Ursel"), "Kurt", &"xipj3plmq".into()), "Ursel\0Kurt\0xipj3plmq".into());
    }

    #[test]
    fn every_other_message_is_refused() {
        for (bad, offset) in [
            (&b""[..], 0),
            (b"tim", 3),
            (b"\0", 1),
            (b"\0tim", 4),
            (b"\0tim\0", 5),
            (b"\0\0x", 1),
            (b"tim\0\0x", 4),
            (b"\0tim\0x\0", 6),
            (b"\0tim\0x\0y", 6),
            (b"\xff\0tim\0x", 0),
            (b"\0tim\xff\0x", 4),
        ] {
            let Err(SaslError::Malformed(error)) = read_plain(bad) else { panic!("{}", bad.escape_ascii()) };
            assert_eq!(error.offset, offset, "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn traces() {
        assert!(check_trace("").is_ok() && check_trace(&"\u{e4}".repeat(255)).is_ok());
        assert!(check_trace(&"\u{e4}".repeat(256)).is_err() && check_trace("a\u{85}b").is_err());
        assert!(check_trace(&format!("{}@example.org", "a".repeat(300))).is_ok());
    }
}

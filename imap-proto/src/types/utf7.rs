//! Modified UTF-7 (RFC 3501 section 5.1.3).

use alloc::{borrow::Cow, string::String, vec::Vec};

use mailwire_core::private::base64_value;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/// `name` in modified UTF-7.
pub(crate) fn encode(name: &str) -> Cow<'_, str> {
    if name.bytes().all(|byte| byte.is_ascii() && byte != b'&') {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len() + 8);
    let mut bits = 0u32;
    let mut held = 0u32;
    let mut shifted = false;
    let push = |out: &mut String, sextet: u32| {
        out.extend(ALPHABET.get((sextet & 63) as usize).map(|&byte| char::from(byte)));
    };
    for c in name.chars() {
        if c.is_ascii() {
            if shifted {
                if held > 0 {
                    push(&mut out, bits << (6 - held));
                }
                (bits, held, shifted) = (0, 0, false);
                out.push('-');
            }
            out.push(c);
            if c == '&' {
                out.push('-');
            }
            continue;
        }
        if !shifted {
            out.push('&');
            shifted = true;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            bits = (bits << 16) | u32::from(*unit);
            held += 16;
            while held >= 6 {
                held -= 6;
                push(&mut out, bits >> held);
            }
            bits &= (1 << held) - 1;
        }
    }
    if shifted {
        if held > 0 {
            push(&mut out, bits << (6 - held));
        }
        out.push('-');
    }
    Cow::Owned(out)
}

/// The name that `wire` stands for, if it is correct modified UTF-7 and ASCII.
pub(crate) fn decode(wire: &[u8]) -> Option<Cow<'_, str>> {
    let text = core::str::from_utf8(wire).ok().filter(|text| text.is_ascii())?;
    if !wire.contains(&b'&') {
        return Some(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(wire.len());
    let mut pieces = text.split('&');
    out.push_str(pieces.next()?);
    for piece in pieces {
        let (encoded, plain) = piece.split_once('-')?;
        if encoded.is_empty() {
            out.push('&');
        } else {
            let mut units = Vec::new();
            let mut bits = 0u32;
            let mut held = 0u32;
            for byte in encoded.bytes() {
                // A comma stands for the slash, which divides mailbox names.
                let value = match byte {
                    b',' => 63,
                    b'/' => return None,
                    byte => base64_value(byte)?,
                };
                bits = (bits << 6) | u32::from(value);
                held += 6;
                if held >= 16 {
                    held -= 16;
                    units.push((bits >> held) as u16);
                    bits &= (1 << held) - 1;
                }
            }
            if held >= 6 || bits != 0 {
                return None;
            }
            for c in char::decode_utf16(units) {
                out.push(c.ok()?);
            }
        }
        out.push_str(plain);
    }
    Some(Cow::Owned(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_the_rfc() {
        for (name, wire) in [
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("&", "&-"),
            ("a&b", "a&-b"),
            ("😀", "&2D3eAA-"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("plain", "plain"),
        ] {
            assert_eq!(encode(name), wire);
            assert_eq!(decode(wire.as_bytes()).unwrap(), name);
        }
        for wrong in ["&", "&U,BTFw", "&Jjo!-", "&U-", "&2D0-", "a&b c-"] {
            assert_eq!(decode(wrong.as_bytes()), None, "{wrong}");
        }
    }
}

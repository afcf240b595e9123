//! Values of parameters in pieces: [RFC 2231 section 3](https://www.rfc-editor.org/rfc/rfc2231#section-3).

use std::cmp::Ordering;

use bytes::Bytes;

/// A piece of a value: `name*1*=...`.
struct Piece {
    name: Bytes,
    number: usize,
    /// It is percent-encoded: there is an asterisk after its number.
    is_encoded: bool,
    value: Bytes,
    /// Its place in the list.
    place: usize,
}

/// Joins values in pieces, as IMAP servers should
/// ([section 6](https://www.rfc-editor.org/rfc/rfc2231#section-6)): `name*0=a; name*1=b` is `name=ab`. The joined
/// value stands in the place of its first piece, and stays percent-encoded if one of the pieces is. Where a
/// piece is missing, or there twice, all of them stay as they are.
pub(super) fn join(mut parameters: Vec<(Bytes, Bytes)>) -> Vec<(Bytes, Bytes)> {
    let mut pieces: Vec<Piece> = parameters.iter().enumerate().filter_map(piece).collect();
    if pieces.is_empty() {
        return parameters;
    }
    pieces.sort_by(|one, other| by_name(one, other).then(one.number.cmp(&other.number)));
    let mut joined = vec![false; parameters.len()];
    for pieces in pieces.chunk_by(|one, other| by_name(one, other) == Ordering::Equal) {
        let is_complete = pieces.iter().map(|piece| piece.number).eq(0..pieces.len());
        let Some(first) = pieces.iter().map(|piece| piece.place).min().filter(|_| is_complete) else {
            continue;
        };
        for piece in pieces {
            if let Some(joined) = joined.get_mut(piece.place) {
                *joined = piece.place != first;
            }
        }
        if let Some(parameter) = parameters.get_mut(first) {
            *parameter = whole(pieces);
        }
    }
    let mut joined = joined.into_iter();
    parameters.retain(|_| joined.next() != Some(true));
    parameters
}

fn piece((place, (name, value)): (usize, &(Bytes, Bytes))) -> Option<Piece> {
    let (start, is_encoded) = match name.strip_suffix(b"*") {
        Some(start) => (start, true),
        None => (&name[..], false),
    };
    let asterisk = memchr::memrchr(b'*', start)?;
    let base = start.get(..asterisk).filter(|base| !base.is_empty())?;
    let number = start.get(asterisk + 1..)?;
    let is_number = matches!(number, [b'0'] | [b'1'..=b'9'] | [b'1'..=b'9', b'0'..=b'9']);
    let number = std::str::from_utf8(number).ok().filter(|_| is_number)?.parse().ok()?;
    Some(Piece { name: name.slice_ref(base), number, is_encoded, value: value.clone(), place })
}

fn by_name(one: &Piece, other: &Piece) -> Ordering {
    one.name.iter().map(u8::to_ascii_lowercase).cmp(other.name.iter().map(u8::to_ascii_lowercase))
}

fn whole(pieces: &[Piece]) -> (Bytes, Bytes) {
    let is_encoded = pieces.iter().any(|piece| piece.is_encoded);
    let mut name = pieces.first().map(|piece| piece.name.to_vec()).unwrap_or_default();
    let mut value = Vec::new();
    if is_encoded {
        name.push(b'*');
        // A first piece that is not encoded names no charset, where the value as a whole has to.
        if pieces.first().is_some_and(|piece| !piece.is_encoded) {
            value.extend_from_slice(b"''");
        }
    }
    for piece in pieces {
        if is_encoded && !piece.is_encoded {
            piece.value.iter().for_each(|&byte| percent(byte, &mut value));
        } else {
            value.extend_from_slice(&piece.value);
        }
    }
    (name.into(), value.into())
}

/// A byte as RFC 2231's `attribute-char`, or encoded.
fn percent(byte: u8, out: &mut Vec<u8>) {
    if byte.is_ascii_graphic() && !b"*'%()<>@,;:\\\"/[]?=".contains(&byte) {
        out.push(byte);
    } else {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        let digit = |value: u8| HEX.get(usize::from(value)).copied();
        out.push(b'%');
        out.extend(digit(byte >> 4).into_iter().chain(digit(byte & 15)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::Words;

    fn read(value: &'static str) -> Vec<String> {
        let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let parameters = Words::new(&value.into()).parameters();
        parameters.iter().map(|(name, value)| format!("{}={}", show(name), show(value))).collect()
    }

    #[test]
    fn pieces_are_joined() {
        for (value, expected) in [
            (";name*0=\"a long \"; name*1=name.txt", &["name=a long name.txt"][..]),
            (";a=1;NAME*1=b; b=2; name*0=a; c=3", &["a=1", "name=ab", "b=2", "c=3"]),
            (";n*0*=utf-8''Gr%C3%BC; n*1*=%C3%9Fe; n*2=\"*x%\"", &["n*=utf-8''Gr%C3%BC%C3%9Fe%2Ax%25"]),
            (";n*0=a; n*1*=%20b", &["n*=''a%20b"]),
            (";n*=utf-8''a; n=b", &["n*=utf-8''a", "n=b"]),
            // Broken numbering.
            (";n*0=a; n*2=c", &["n*0=a", "n*2=c"]),
            (";n*1=a", &["n*1=a"]),
            (";n*0=a; n*0=b", &["n*0=a", "n*0=b"]),
            (";n*00=a; n*x=b; *0=c; n**=d", &["n*00=a", "n*x=b", "*0=c", "n**=d"]),
        ] {
            assert_eq!(read(value), expected, "{value}");
        }
    }
}

//! What the parsers of all protocols have to hold.

use std::fmt::Debug;

use mailwire_core::{Dialect, ParseError, Parsed};

/// Reads the same message in both dialects. Strict reading reports no deviation; what it accepts,
/// lenient reading accepts as the same value; an error lies within the message. Gives the values
/// that were read: the strict one, the lenient one, or none.
pub fn both_dialects<T: Debug + PartialEq>(
    length: usize,
    read: impl Fn(Dialect) -> Result<Parsed<T>, ParseError>,
) -> (Option<T>, Option<T>) {
    let [strict, lenient] = [Dialect::Strict, Dialect::Lenient].map(|dialect| {
        let read = read(dialect);
        match &read {
            Ok(parsed) => {
                for deviation in &parsed.deviations {
                    assert!(deviation.offset <= length, "{deviation:?} lies beyond {length} bytes");
                }
            }
            Err(error) => assert!(error.offset <= length, "{error:?} lies beyond {length} bytes"),
        }
        read
    });
    if let Ok(strict) = &strict {
        assert_eq!(strict.deviations, [], "a deviation in the strict dialect");
        match &lenient {
            Ok(lenient) => {
                assert_eq!(strict.value, lenient.value, "strict (left) and lenient (right) differ")
            }
            Err(error) => panic!("strict but not lenient: {strict:?}, {error:?}"),
        }
    } else if let Ok(lenient) = &lenient {
        // In what may be a part of a message, lenient reading does not look for NUL.
        if matches!(&strict, Err(error) if error.reason == "nul-in-literal") {
            return (None, None);
        }
        assert!(
            !lenient.deviations.is_empty(),
            "refused by strict reading, without a deviation: {lenient:?}, {strict:?}"
        );
    }
    (strict.ok().map(|parsed| parsed.value), lenient.ok().map(|parsed| parsed.value))
}

/// Places to cut `data` at, made of the data itself: for targets whose input is the message and
/// nothing else.
#[must_use]
pub fn cuts_of(data: &[u8]) -> Vec<u16> {
    let mut state = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 48) as u16
    };
    (0..next() % 8).map(|_| next()).collect()
}

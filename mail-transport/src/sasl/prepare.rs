//! The one form of names and passwords that both sides hash.

use std::borrow::Cow;

use mailwire_core::Secret;
use stringprep::tables;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::SaslError;

/// Puts a password into the one form in which both sides hash it: that of SASLprep
/// ([RFC 4013](https://www.rfc-editor.org/rfc/rfc4013)), as
/// [RFC 5802 section 5.1](https://www.rfc-editor.org/rfc/rfc5802#section-5.1) asks for. What SASLprep does not know, such as
/// letters that came after Unicode 3.2, has the form of its successor, the profile OpaqueString of
/// [RFC 8265](https://www.rfc-editor.org/rfc/rfc8265#section-4.2).
///
/// ```
/// use mailwire_transport::sasl::prepared_password;
///
/// assert_eq!(prepared_password(&"pen\u{ad}cil".into())?, "pencil".into(), "a soft hyphen is nothing");
/// assert_eq!(prepared_password(&"e\u{301}\u{1f511}".into())?, "\u{e9}\u{1f511}".into(), "a key from Unicode 6");
/// assert!(prepared_password(&"a\nb".into()).is_err());
/// # Ok::<(), mailwire_transport::sasl::SaslError>(())
/// ```
///
/// # Errors
///
/// The password is empty or has characters that passwords must not have. What is not UTF-8 is left
/// as it is.
pub fn prepared_password(password: &Secret) -> Result<Secret, SaslError> {
    let prepared = match std::str::from_utf8(password.expose()) {
        Ok(text) => saslprep(text)
            .or_else(|| opaque_string(text))
            .ok_or(SaslError::InvalidCredentials("a character that passwords must not have"))?,
        Err(_) => password.clone(),
    };
    if prepared.is_empty() {
        return Err(SaslError::InvalidCredentials("an empty password"));
    }
    Ok(prepared)
}

/// The password of APOP as both sides digest it, prepared by SASLprep where it has characters beyond ASCII ([RFC 6856
/// section 2.2](https://www.rfc-editor.org/rfc/rfc6856#section-2.2)).
///
/// # Errors
///
/// The password has characters that passwords must not have.
#[cfg(feature = "pop3")]
pub(crate) fn for_digest(password: &Secret) -> Result<Secret, SaslError> {
    if password.expose().is_ascii() { Ok(password.clone()) } else { prepared_password(password) }
}

/// RFC 4013 as `stringprep::saslprep` does it, which leaves pieces of a password in memory that it gives back.
fn saslprep(text: &str) -> Option<Secret> {
    let spaces = |letter| if tables::non_ascii_space_character(letter) { ' ' } else { letter };
    let mapped = || text.chars().map(spaces).filter(|letter| !tables::commonly_mapped_to_nothing(*letter));
    let letters = || mapped().nfkc();
    // RFC 4013 sections 2.3 and 2.5.
    let is_permitted = |letter: char| {
        !(tables::non_ascii_space_character(letter)
            || tables::ascii_control_character(letter)
            || tables::non_ascii_control_character(letter)
            || tables::private_use(letter)
            || tables::non_character_code_point(letter)
            || tables::surrogate_code(letter)
            || tables::inappropriate_for_plain_text(letter)
            || tables::inappropriate_for_canonical_representation(letter)
            || tables::change_display_properties_or_deprecated(letter)
            || tables::tagging_character(letter)
            || tables::unassigned_code_point(letter))
    };
    // RFC 3454 section 6.
    let right_to_left = letters().any(tables::bidi_r_or_al);
    let mixed = right_to_left
        && (letters().any(tables::bidi_l)
            || !letters().next().is_some_and(tables::bidi_r_or_al)
            || !letters().last().is_some_and(tables::bidi_r_or_al));
    (!mixed && letters().all(is_permitted)).then(|| secret(letters))
}

/// RFC 8265 section 4.2: spaces become one kind of space, then normalization form C; nothing else is changed.
fn opaque_string(text: &str) -> Option<Secret> {
    if text.chars().any(|letter| !is_freeform(letter)) {
        return None;
    }
    let spaces = |letter: char| if letter.is_whitespace() { ' ' } else { letter };
    Some(secret(|| text.chars().map(spaces).nfc()))
}

/// These letters in memory that never grows: what does leaves pieces of a password behind.
fn secret<I: Iterator<Item = char>>(letters: impl Fn() -> I) -> Secret {
    let mut text = Vec::with_capacity(letters().map(char::len_utf8).sum());
    let mut room = [0; 4];
    letters().for_each(|letter| text.extend_from_slice(letter.encode_utf8(&mut room).as_bytes()));
    Secret::from(text)
}

/// Whether it is in the FreeformClass of RFC 8264 section 4.3. What is not assigned yet is let pass, as every
/// program knows another version of Unicode.
fn is_freeform(letter: char) -> bool {
    // Old Hangul jamo; what can be ignored; what controls the text around it; what is in private use or none.
    !letter.is_control()
        && !matches!(letter,
            '\u{1100}'..='\u{11ff}' | '\u{a960}'..='\u{a97c}' | '\u{d7b0}'..='\u{d7fb}'
            | '\u{ad}' | '\u{34f}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e000}'..='\u{f8ff}' | '\u{fdd0}'..='\u{fdef}'
            | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}')
        && u32::from(letter) & 0xfffe != 0xfffe
}

/// Puts a user's name into the one form that SASLprep has for it
/// ([RFC 4013](https://www.rfc-editor.org/rfc/rfc4013)), as is done before an
/// [`Authenticator`](super::Authenticator) is asked: a store that keeps names keeps them so. Letters that SASLprep does
/// not know have the form of its successor, the profile UsernameCasePreserved of
/// [RFC 8265](https://www.rfc-editor.org/rfc/rfc8265#section-3.4). A name that has characters which names must not have
/// stays as it is.
///
/// ```
/// use mailwire_transport::sasl::prepared_name;
///
/// assert_eq!(prepared_name("ca\u{ad}rol"), "carol", "a soft hyphen is nothing");
/// assert_eq!(prepared_name("\u{2168}"), "IX", "a Roman numeral is its letters");
/// assert_eq!(prepared_name("\u{a66f}\u{ff41}e\u{301}\u{a641}"), "\u{a66f}a\u{e9}\u{a641}");
/// ```
#[must_use]
pub fn prepared_name(user: &str) -> Cow<'_, str> {
    match stringprep::saslprep(user) {
        Ok(prepared) => prepared,
        Err(_) => username(user).map_or(Cow::Borrowed(user), Cow::Owned),
    }
}

/// RFC 8265 section 3.4: wide and narrow letters become usual ones, then normalization form C.
fn username(name: &str) -> Option<String> {
    let is_identifier =
        |letter: char| letter.is_ascii_graphic() || letter.is_alphanumeric() || is_combining_mark(letter);
    if !name.chars().all(|letter| is_identifier(letter) && is_freeform(letter)) {
        return None;
    }
    let usual = |letter: char| match letter {
        '\u{ff01}'..='\u{ffef}' => letter.to_string().nfkc().collect::<String>(),
        letter => letter.to_string(),
    };
    let usual: String = name.chars().map(usual).collect();
    Some(usual.nfc().collect())
}

/// The name under which a store knows a user: prepared, and in the store's own spelling.
#[cfg(feature = "server")]
pub(crate) fn canonical(authenticator: &impl super::Authenticator, user: &str) -> String {
    authenticator.canonical_name(&prepared_name(user)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_beyond_saslprep() {
        let prepared = |text: &str| prepared_password(&text.into()).map(|secret| secret.expose().to_vec());
        // SASLprep decides where it can.
        assert_eq!(prepared("\u{2168}"), Ok(b"IX".to_vec()));
        assert_eq!(prepared("\u{a0}"), Ok(b" ".to_vec()));
        // Letters of both directions, and what came later: OpaqueString, which leaves numerals alone.
        for (text, expected) in [
            ("\u{627}1", "\u{627}1"),
            ("\u{1f511}\u{2168}", "\u{1f511}\u{2168}"),
            ("\u{1f511}\u{3000}x", "\u{1f511} x"),
            ("A\u{30a}\u{1f511}", "\u{c5}\u{1f511}"),
        ] {
            assert_eq!(prepared(text), Ok(expected.as_bytes().to_vec()), "{text:?}");
        }
        for bad in
            ["", "\u{7}", "a\u{1f511}\0", "\u{e000}", "\u{1f511}\u{2028}", "\u{1f511}\u{200d}", "\u{1ffff}"]
        {
            assert!(prepared(bad).is_err(), "{bad:?}");
        }
        assert_eq!(prepared_password(&Secret::from(&b"\xff"[..])), Ok(Secret::from(&b"\xff"[..])));
    }

    /// What is done here for secrets is what the library does for other texts.
    #[test]
    fn saslprep_is_saslprep() {
        let letters = [
            "a",
            "\u{ad}",
            "\u{a0}",
            "\u{2168}",
            "e",
            "\u{301}",
            "\u{627}",
            "1",
            "\u{e9}",
            "\u{fb2b}",
            "\u{221}",
            "\u{1f511}",
            " ",
            "\u{7}",
            "\u{5d0}",
            "\u{200b}",
            "\u{fdfa}",
            "\u{1680}",
        ];
        for (first, second) in letters.iter().flat_map(|first| letters.map(|second| (*first, second))) {
            for third in letters {
                let text = [first, second, third].concat();
                let expected = stringprep::saslprep(&text).ok().map(|text| Secret::from(text.as_ref()));
                assert_eq!(saslprep(&text), expected, "{text:?}");
            }
        }
    }

    #[test]
    fn names_beyond_saslprep() {
        for (name, expected) in [
            ("\u{a641}\u{ff21}", "\u{a641}A"),
            ("\u{a641}o\u{308}", "\u{a641}\u{f6}"),
            // None that a name may have, and none at all.
            ("\u{1f511}\u{ff21}", "\u{1f511}\u{ff21}"),
            ("a\0", "a\0"),
            ("", ""),
        ] {
            assert_eq!(prepared_name(name), expected, "{name:?}");
        }
    }
}

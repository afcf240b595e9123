//! Message disposition notifications.

use std::fmt;

use super::{
    Field, FieldText, Limits, Original, ReportError, Typed,
    delivery::{put, put_all},
    field::{self, Line, invalid, take, take_as, without_comments},
    values::is_atom,
};
use crate::InvalidValue;

/// What a recipient, or a program of the recipient, did with a message
/// ([RFC 8098](https://www.rfc-editor.org/rfc/rfc8098), [RFC 6533 section
/// 5](https://www.rfc-editor.org/rfc/rfc6533#section-5)).
///
/// # Examples
///
/// ```
/// use mailwire_transport::smtp::report::{Disposition, DispositionReport, DispositionType, Typed};
///
/// let displayed = Disposition::manual(DispositionType::Displayed);
/// let report = DispositionReport::new(Typed::new("rfc822", "bob@example.net")?, displayed)
///     .with_original_message_id("<1@example.org>".parse()?);
///
/// let mut content = Vec::new();
/// report.write_content(&mut content);
/// assert!(content.ends_with(b"Disposition: manual-action/MDN-sent-manually; displayed\r\n"));
/// assert_eq!(DispositionReport::parse_content(&content, &Default::default())?, report);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DispositionReport {
    /// The program ([RFC 8098 section 3.2.1](https://www.rfc-editor.org/rfc/rfc8098#section-3.2.1)).
    pub reporting_ua: Option<ReportingUa>,
    /// Who made this report of one that is not of the Internet
    /// ([RFC 8098 section 3.2.2](https://www.rfc-editor.org/rfc/rfc8098#section-3.2.2)).
    pub gateway: Option<Typed>,
    /// The recipient as the sender said it
    /// ([RFC 8098 section 3.2.3](https://www.rfc-editor.org/rfc/rfc8098#section-3.2.3)).
    pub original_recipient: Option<Typed>,
    /// The recipient ([RFC 8098 section 3.2.4](https://www.rfc-editor.org/rfc/rfc8098#section-3.2.4)).
    pub recipient: Typed,
    /// The message's Message-ID, with its angle brackets
    /// ([RFC 8098 section 3.2.5](https://www.rfc-editor.org/rfc/rfc8098#section-3.2.5)).
    pub original_message_id: Option<FieldText>,
    /// What was done.
    pub disposition: Disposition,
    /// What went wrong, for the modifier `error`
    /// ([RFC 8098 section 3.2.7](https://www.rfc-editor.org/rfc/rfc8098#section-3.2.7)).
    pub errors: Vec<FieldText>,
    /// All other fields, in their order; those of [RFC 3798](https://www.rfc-editor.org/rfc/rfc3798) among them: `Failure` and `Warning`.
    pub extensions: Vec<Field>,
    /// The words for people. Lines end in LF.
    pub text: Option<String>,
    /// What is returned of the message.
    pub original: Option<Original>,
}

/// The program that reports ([RFC 8098 section 3.2.1](https://www.rfc-editor.org/rfc/rfc8098#section-3.2.1)).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReportingUa {
    name: FieldText,
    product: Option<FieldText>,
}

impl ReportingUa {
    /// A program by its name, often that of its host, and the name of the product.
    ///
    /// # Errors
    ///
    /// A name that is empty or has a semicolon.
    pub fn new(name: FieldText, product: Option<FieldText>) -> Result<Self, InvalidValue> {
        match name.as_str().find(';') {
            Some(at) => Err(invalid("name of a program", at, "unexpected semicolon", name.as_str())),
            None if name.is_empty() => Err(invalid("name of a program", 0, "expected a name", "")),
            None => Ok(Self { name, product: product.filter(|product| !product.is_empty()) }),
        }
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &FieldText {
        &self.name
    }

    /// The product.
    #[must_use]
    pub const fn product(&self) -> Option<&FieldText> {
        self.product.as_ref()
    }

    /// ```abnf
    /// reporting-ua-field = "Reporting-UA" ":" OWS ua-name OWS [ ";" OWS ua-product OWS ]
    /// ```
    fn read(value: &str) -> Option<Self> {
        let (name, product) = match value.split_once(';') {
            Some((name, product)) => (name, Some(FieldText::lenient(product.as_bytes()))),
            None => (value, None),
        };
        Self::new(FieldText::lenient(name.as_bytes()), product).ok()
    }
}

impl fmt::Display for ReportingUa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        self.product.iter().try_for_each(|product| write!(f, "; {product}"))
    }
}

/// What was done with a message, and how ([RFC 8098 section 3.2.6](https://www.rfc-editor.org/rfc/rfc8098#section-3.2.6)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Disposition {
    /// Who did it.
    pub action_mode: ActionMode,
    /// Who let the report be sent.
    pub sending_mode: SendingMode,
    /// What was done.
    pub kind: DispositionType,
    /// More about it.
    pub modifiers: Vec<Modifier>,
}

/// Whether a person did something, or a program by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActionMode {
    /// `manual-action`: a person said so.
    Manual,
    /// `automatic-action`: a program did it by itself.
    Automatic,
}

/// Whether a person agreed to a report, or a program sent it by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SendingMode {
    /// `MDN-sent-manually`: a person agreed to this report.
    Manual,
    /// `MDN-sent-automatically`: a program is set to send them.
    Automatic,
}

/// What was done with a message ([RFC 8098 section 3.2.6.2](https://www.rfc-editor.org/rfc/rfc8098#section-3.2.6.2)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DispositionType {
    /// It was shown to a person.
    Displayed,
    /// It was sent somewhere: printed, faxed, forwarded.
    Dispatched,
    /// A program did something with it.
    Processed,
    /// It was deleted.
    Deleted,
    /// Another word: `denied` and `failed` of [RFC 2298](https://www.rfc-editor.org/rfc/rfc2298), for instance.
    Other(Modifier),
}

/// A word that says more about a disposition: an atom, in lower case. `error` is the one that
/// [RFC 8098](https://www.rfc-editor.org/rfc/rfc8098#section-3.2.6.3) has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Modifier(String);

impl Modifier {
    /// Makes a modifier of a word.
    ///
    /// # Errors
    ///
    /// A text that is no atom, or has a slash.
    pub fn new(word: &str) -> Result<Self, InvalidValue> {
        Self::read(word)
            .ok_or_else(|| invalid("disposition modifier", 0, "expected an atom without a slash", word))
    }

    /// `error`: something went wrong, as the field `Error` says.
    #[must_use]
    pub fn error() -> Self {
        Self("error".to_owned())
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn read(word: &str) -> Option<Self> {
        let word = word.trim();
        (is_atom(word) && !word.contains('/')).then(|| Self(word.to_ascii_lowercase()))
    }
}

impl DispositionType {
    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Displayed => "displayed",
            Self::Dispatched => "dispatched",
            Self::Processed => "processed",
            Self::Deleted => "deleted",
            Self::Other(other) => other.as_str(),
        }
    }

    fn read(word: &str) -> Option<Self> {
        let word = Modifier::read(word)?;
        Some(match word.as_str() {
            "displayed" => Self::Displayed,
            "dispatched" => Self::Dispatched,
            "processed" => Self::Processed,
            "deleted" => Self::Deleted,
            _ => Self::Other(word),
        })
    }
}

impl Disposition {
    /// A person did it, and agreed to the report: what is to be sent by default.
    #[must_use]
    pub const fn manual(kind: DispositionType) -> Self {
        Self::new(ActionMode::Manual, SendingMode::Manual, kind)
    }

    /// A program did it, and reports by itself.
    #[must_use]
    pub const fn automatic(kind: DispositionType) -> Self {
        Self::new(ActionMode::Automatic, SendingMode::Automatic, kind)
    }

    /// What was done, by whom, and who agreed to the report.
    #[must_use]
    pub const fn new(action_mode: ActionMode, sending_mode: SendingMode, kind: DispositionType) -> Self {
        Self { action_mode, sending_mode, kind, modifiers: Vec::new() }
    }

    /// Adds a modifier.
    #[must_use]
    pub fn with_modifier(mut self, modifier: Modifier) -> Self {
        self.modifiers.push(modifier);
        self
    }

    /// ```abnf
    /// "Disposition" ":" OWS disposition-mode OWS ";" OWS disposition-type
    ///     [ OWS "/" OWS disposition-modifier *( OWS "," OWS disposition-modifier ) ] OWS
    /// disposition-mode = action-mode OWS "/" OWS sending-mode
    /// ```
    ///
    /// Others leave the modes out, which then are those of a person, or write a type or a modifier that is empty.
    fn read(value: &str) -> Option<Self> {
        let text = without_comments(value);
        let (modes, rest) = text.split_once(';').unwrap_or(("", &text));
        let (kind, modifiers) = rest.split_once('/').unwrap_or((rest, ""));
        let (action, sending) = modes.split_once('/').unwrap_or((modes, ""));
        let automatic = |mode: &str, word: &str| mode.trim().eq_ignore_ascii_case(word);
        let action_mode =
            if automatic(action, "automatic-action") { ActionMode::Automatic } else { ActionMode::Manual };
        let sending_mode = match automatic(sending, "MDN-sent-automatically") {
            true => SendingMode::Automatic,
            false => SendingMode::Manual,
        };
        let modifiers = modifiers.split(',').filter_map(Modifier::read).collect();
        Some(Self { action_mode, sending_mode, kind: DispositionType::read(kind)?, modifiers })
    }
}

impl fmt::Display for Disposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.action_mode {
            ActionMode::Manual => "manual-action/",
            ActionMode::Automatic => "automatic-action/",
        })?;
        f.write_str(match self.sending_mode {
            SendingMode::Manual => "MDN-sent-manually; ",
            SendingMode::Automatic => "MDN-sent-automatically; ",
        })?;
        f.write_str(self.kind.as_str())?;
        for (at, modifier) in self.modifiers.iter().enumerate() {
            write!(f, "{}{}", if at == 0 { '/' } else { ',' }, modifier.as_str())?;
        }
        Ok(())
    }
}

const KNOWN: [&str; 7] = [
    "Reporting-UA",
    "MDN-Gateway",
    "Original-Recipient",
    "Final-Recipient",
    "Original-Message-ID",
    "Disposition",
    "Error",
];

mailwire_core::setters!(DispositionReport {
    with_reporting_ua(reporting_ua: some ReportingUa),
    with_gateway(gateway: some Typed),
    with_original_recipient(original_recipient: some Typed),
    with_original_message_id(original_message_id: some FieldText),
    with_errors(errors: Vec<FieldText>),
    with_extensions(extensions: Vec<Field>),
    with_text(text: some into String),
    with_original(original: some Original),
});

impl DispositionReport {
    /// What was done with a message by its recipient.
    #[must_use]
    pub const fn new(recipient: Typed, disposition: Disposition) -> Self {
        Self {
            reporting_ua: None,
            gateway: None,
            original_recipient: None,
            recipient,
            original_message_id: None,
            disposition,
            errors: Vec::new(),
            extensions: Vec::new(),
            text: None,
            original: None,
        }
    }

    /// Reads the content of a part of the type `message/disposition-notification` or
    /// `message/global-disposition-notification`, without its transfer encoding.
    ///
    /// # Errors
    ///
    /// [`ReportError::Malformed`] without a recipient or a disposition, [`ReportError::TooLarge`] beyond the limits.
    pub fn parse_content(content: &[u8], limits: &Limits) -> Result<Self, ReportError> {
        limits.check("bytes of fields", content.len(), limits.content)?;
        // Empty lines end nothing here.
        let mut fields: Vec<Field> = field::lines(content)
            .filter_map(|line| match line {
                Line::Field(field) => Some(field),
                Line::Blank => None,
            })
            .collect();
        let original_recipient =
            take(&mut fields, "Original-Recipient").map(|it| Typed::read_address(it.as_str()));
        let recipient = take(&mut fields, "Final-Recipient").map(|it| Typed::read_address(it.as_str()));
        let recipient =
            recipient.or_else(|| original_recipient.clone()).ok_or(ReportError::Malformed("no recipient"))?;
        let disposition = take_as(&mut fields, "Disposition", Disposition::read)
            .ok_or(ReportError::Malformed("no disposition"))?;
        let mut report = Self { original_recipient, ..Self::new(recipient, disposition) };
        report.reporting_ua = take_as(&mut fields, "Reporting-UA", ReportingUa::read);
        report.gateway = take(&mut fields, "MDN-Gateway").map(|it| Typed::read_mta(it.as_str()));
        report.original_message_id = take(&mut fields, "Original-Message-ID");
        for field in fields {
            if field.is("Error") {
                report.errors.push(field.value().clone());
            } else {
                report.extensions.push(field);
            }
        }
        Ok(report)
    }

    /// Appends the content of the part that programs read: of the type `message/disposition-notification` if it is
    /// [ASCII](Self::is_ascii), else `message/global-disposition-notification`.
    ///
    /// ```abnf
    /// disposition-notification-content = [ reporting-ua-field CRLF ] [ mdn-gateway-field CRLF ]
    ///     [ original-recipient-field CRLF ] final-recipient-field CRLF [ original-message-id-field CRLF ]
    ///     disposition-field CRLF *( error-field CRLF ) *( extension-field CRLF )   ; RFC 8098 section 3.1
    /// ```
    pub fn write_content(&self, out: &mut Vec<u8>) {
        put("Reporting-UA", self.reporting_ua.as_ref(), out);
        put("MDN-Gateway", self.gateway.as_ref(), out);
        put("Original-Recipient", self.original_recipient.as_ref(), out);
        put("Final-Recipient", Some(&self.recipient), out);
        put("Original-Message-ID", self.original_message_id.as_ref(), out);
        put("Disposition", Some(&self.disposition), out);
        for error in &self.errors {
            put("Error", Some(error), out);
        }
        put_all(&self.extensions, &KNOWN, out);
    }

    /// Whether the fields are ASCII.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        let mut content = Vec::new();
        self.write_content(&mut content);
        content.is_ascii()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dispositions() {
        for (text, expected) in [
            (
                "automatic-action/MDN-sent-automatically;processed/error,Expired",
                "automatic-action/MDN-sent-automatically; processed/error,expired",
            ),
            (
                "Manual-Action / mdn-sent-automatically (x) ; DISPLAYED / ",
                "manual-action/MDN-sent-automatically; displayed",
            ),
            ("displayed", "manual-action/MDN-sent-manually; displayed"),
            ("manual-action/MDN-sent-manually; denied/, ,", "manual-action/MDN-sent-manually; denied"),
        ] {
            let read = Disposition::read(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(read.to_string(), expected);
            assert_eq!(Disposition::read(expected), Some(read));
        }
        for text in ["", "manual-action/MDN-sent-manually;", "a b"] {
            assert_eq!(Disposition::read(text), None, "{text}");
        }
    }
}

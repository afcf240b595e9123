//! Delivery status notifications.

use mailwire_smtp::{EnhancedCode, extensions::future_release::Hold, trace::Timestamp};

use super::{
    Field, FieldText, Limits, Original, ReportError, Typed,
    field::{self, Line, take, take_as},
    values::{is_atom, read_date, read_status},
};

/// What became of a message on its way to its recipients
/// ([RFC 3464](https://www.rfc-editor.org/rfc/rfc3464), [RFC 6533](https://www.rfc-editor.org/rfc/rfc6533)).
///
/// # Examples
///
/// ```
/// use mailwire_transport::smtp::{
///     proto::EnhancedCode,
///     report::{Action, DeliveryReport, RecipientReport, Typed},
/// };
///
/// let status = EnhancedCode::new(5, 1, 1).unwrap();
/// let bob = RecipientReport::new(Typed::new("rfc822", "bob@example.net")?, Action::Failed, status)
///     .with_diagnostic(Typed::new("smtp", "550 5.1.1 No such user")?);
/// let report = DeliveryReport::new(Typed::new("dns", "mail.example.org")?).with_recipient(bob);
///
/// let mut content = Vec::new();
/// report.write_content(&mut content);
/// assert!(content.starts_with(b"Reporting-MTA: dns; mail.example.org\r\n\r\nFinal-Recipient: rfc822; bob@example.net\r\n"));
/// assert_eq!(DeliveryReport::parse_content(&content, &Default::default())?, report);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryReport {
    /// The ENVID that the message was sent with
    /// ([RFC 3464 section 2.2.1](https://www.rfc-editor.org/rfc/rfc3464#section-2.2.1)).
    pub envelope_id: Option<FieldText>,
    /// Who tried to deliver the message. A report has it; of one that was read it may be missing
    /// ([RFC 3464 section 2.2.2](https://www.rfc-editor.org/rfc/rfc3464#section-2.2.2)).
    pub reporting_mta: Option<Typed>,
    /// Who made this report of one that is not of the Internet
    /// ([RFC 3464 section 2.2.3](https://www.rfc-editor.org/rfc/rfc3464#section-2.2.3)).
    pub gateway: Option<Typed>,
    /// Where the message came from ([RFC 3464 section 2.2.4](https://www.rfc-editor.org/rfc/rfc3464#section-2.2.4)).
    pub received_from: Option<Typed>,
    /// When the message came ([RFC 3464 section 2.2.5](https://www.rfc-editor.org/rfc/rfc3464#section-2.2.5)).
    pub arrival_date: Option<Timestamp>,
    /// All other fields about the message, in their order.
    pub extensions: Vec<Field>,
    /// What became of it, for one recipient or several.
    pub recipients: Vec<RecipientReport>,
    /// The words for people. Lines end in LF.
    pub text: Option<String>,
    /// What is returned of the message.
    pub original: Option<Original>,
}

/// What became of a message for one recipient
/// ([RFC 3464 section 2.3](https://www.rfc-editor.org/rfc/rfc3464#section-2.3)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientReport {
    /// The recipient as the sender said it: the ORCPT that the message was sent with
    /// ([RFC 3464 section 2.3.1](https://www.rfc-editor.org/rfc/rfc3464#section-2.3.1)).
    pub original: Option<Typed>,
    /// The recipient as the reporting MTA knew it
    /// ([RFC 3464 section 2.3.2](https://www.rfc-editor.org/rfc/rfc3464#section-2.3.2)).
    pub recipient: Typed,
    /// What was done.
    pub action: Action,
    /// The status, independent of the protocol.
    pub status: EnhancedCode,
    /// The server that said so ([RFC 3464 section 2.3.5](https://www.rfc-editor.org/rfc/rfc3464#section-2.3.5)).
    pub remote_mta: Option<Typed>,
    /// What it said: the reply, for `smtp`
    /// ([RFC 3464 section 2.3.6](https://www.rfc-editor.org/rfc/rfc3464#section-2.3.6)).
    pub diagnostic: Option<Typed>,
    /// Its words in other languages: the tag of a language, and the text
    /// ([RFC 6533 section 4.1](https://www.rfc-editor.org/rfc/rfc6533#section-4.1)).
    pub localized: Vec<Typed>,
    /// When it was tried last ([RFC 3464 section 2.3.7](https://www.rfc-editor.org/rfc/rfc3464#section-2.3.7)).
    pub last_attempt: Option<Timestamp>,
    /// The name of the entry in the last MTA's log
    /// ([RFC 3464 section 2.3.8](https://www.rfc-editor.org/rfc/rfc3464#section-2.3.8)).
    pub log_id: Option<FieldText>,
    /// Until when it will be tried, for [`Action::Delayed`]
    /// ([RFC 3464 section 2.3.9](https://www.rfc-editor.org/rfc/rfc3464#section-2.3.9)).
    pub retry_until: Option<Timestamp>,
    /// All other fields about the recipient, in their order.
    pub extensions: Vec<Field>,
}

/// What was done for a recipient ([RFC 3464 section 2.3.3](https://www.rfc-editor.org/rfc/rfc3464#section-2.3.3)).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// The message could not be delivered, and is given up.
    Failed,
    /// The message could not be delivered so far, and is tried again.
    Delayed,
    /// The message was delivered: to a mailbox, or a mailing list.
    Delivered,
    /// The message was handed on to where no reports of success come from.
    Relayed,
    /// The message was delivered, and forwarded to several others.
    Expanded,
    /// Another word.
    Other(OtherAction),
}

/// A word for an action that no standard has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OtherAction(String);

impl OtherAction {
    /// The word, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Action {
    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
            Self::Other(other) => other.as_str(),
        }
    }

    fn read(value: &str) -> Option<Self> {
        let text = field::without_comments(value);
        let word = text.split([' ', '\t', ';']).next().filter(|word| is_atom(word))?.to_ascii_lowercase();
        Some(match &*word {
            "failed" => Self::Failed,
            "delayed" => Self::Delayed,
            "delivered" => Self::Delivered,
            "relayed" => Self::Relayed,
            "expanded" => Self::Expanded,
            _ => Self::Other(OtherAction(word)),
        })
    }

    /// What a status means where nothing else is said.
    fn of_status(status: EnhancedCode) -> Self {
        match status.class() {
            2 => Self::Delivered,
            4 => Self::Delayed,
            _ => Self::Failed,
        }
    }

    /// The status of an action of which nothing else is said.
    fn status(&self) -> Option<EnhancedCode> {
        let class = match self {
            Self::Delivered | Self::Relayed | Self::Expanded => 2,
            Self::Delayed => 4,
            Self::Failed | Self::Other(_) => 5,
        };
        EnhancedCode::new(class, 0, 0)
    }
}

impl RecipientReport {
    /// What was done for a recipient, and how it ended.
    #[must_use]
    pub const fn new(recipient: Typed, action: Action, status: EnhancedCode) -> Self {
        Self {
            original: None,
            recipient,
            action,
            status,
            remote_mta: None,
            diagnostic: None,
            localized: Vec::new(),
            last_attempt: None,
            log_id: None,
            retry_until: None,
            extensions: Vec::new(),
        }
    }

    /// Reads a group of fields. What is missing is found in the other fields: the recipient in that of the sender, the
    /// action in the status, the status in the diagnostic code.
    fn read(mut group: Vec<Field>) -> Option<Self> {
        let original = take(&mut group, ORIGINAL_RECIPIENT).map(|it| Typed::read_address(it.as_str()));
        let last = take(&mut group, FINAL_RECIPIENT).map(|it| Typed::read_address(it.as_str()));
        let recipient = last.or_else(|| original.clone())?;
        let action = take_as(&mut group, ACTION, Action::read);
        let diagnostic = take(&mut group, "Diagnostic-Code").map(|it| Typed::read_diagnostic(it.as_str()));
        let status = take_as(&mut group, "Status", read_status)
            .or_else(|| diagnostic.as_ref().and_then(status_of_reply))
            .or_else(|| action.as_ref().unwrap_or(&Action::Failed).status())?;
        let action = action.unwrap_or_else(|| Action::of_status(status));
        let remote_mta = take(&mut group, "Remote-MTA").map(|it| Typed::read_mta(it.as_str()));
        let mut localized = Vec::new();
        group.retain(|field| {
            let is = field.is(LOCALIZED);
            if is {
                localized.push(Typed::read(field.value().as_str(), |_| "i-default"));
            }
            !is
        });
        Some(Self {
            original,
            recipient,
            action,
            status,
            remote_mta,
            diagnostic,
            localized,
            last_attempt: take_as(&mut group, "Last-Attempt-Date", read_date),
            log_id: take(&mut group, "Final-Log-ID"),
            retry_until: take_as(&mut group, "Will-Retry-Until", read_date),
            extensions: group,
        })
    }

    /// ```abnf
    /// per-recipient-fields = [ original-recipient-field CRLF ] final-recipient-field CRLF action-field CRLF
    ///     status-field CRLF [ remote-mta-field CRLF ]
    ///     [ diagnostic-code-field CRLF *(localized-diagnostic-text-field CRLF) ]   ; RFC 6533 section 4.1
    ///     [ last-attempt-date-field CRLF ] [ final-log-id-field CRLF ] [ will-retry-until-field CRLF ]
    ///     *( extension-field CRLF )
    /// ```
    fn write(&self, out: &mut Vec<u8>) {
        put(ORIGINAL_RECIPIENT, self.original.as_ref(), out);
        put(FINAL_RECIPIENT, Some(&self.recipient), out);
        put(ACTION, Some(self.action.as_str()), out);
        put("Status", Some(self.status), out);
        put("Remote-MTA", self.remote_mta.as_ref(), out);
        put("Diagnostic-Code", self.diagnostic.as_ref(), out);
        for localized in self.localized.iter().filter(|_| self.diagnostic.is_some()) {
            put(LOCALIZED, Some(localized), out);
        }
        put("Last-Attempt-Date", self.last_attempt, out);
        put("Final-Log-ID", self.log_id.as_ref(), out);
        put("Will-Retry-Until", self.retry_until.filter(|_| self.action == Action::Delayed), out);
        put_all(&self.extensions, &RECIPIENT_FIELDS, out);
    }
}

const ORIGINAL_RECIPIENT: &str = "Original-Recipient";
const FINAL_RECIPIENT: &str = "Final-Recipient";
const ACTION: &str = "Action";
const LOCALIZED: &str = "Localized-Diagnostic";

/// The fields that begin a group where no empty line does: each recipient has one of each.
const ONCE: [&str; 3] = [ORIGINAL_RECIPIENT, FINAL_RECIPIENT, ACTION];

/// The fields that have a place of their own, and are written there alone.
const MESSAGE_FIELDS: [&str; 8] = [
    "Original-Envelope-Id",
    "Reporting-MTA",
    "DSN-Gateway",
    "Received-From-MTA",
    "Arrival-Date",
    ORIGINAL_RECIPIENT,
    FINAL_RECIPIENT,
    ACTION,
];
const RECIPIENT_FIELDS: [&str; 10] = [
    ORIGINAL_RECIPIENT,
    FINAL_RECIPIENT,
    ACTION,
    "Status",
    "Remote-MTA",
    "Diagnostic-Code",
    LOCALIZED,
    "Last-Attempt-Date",
    "Final-Log-ID",
    "Will-Retry-Until",
];

mailwire_core::setters!(RecipientReport {
    with_original(original: some Typed),
    with_remote_mta(remote_mta: some Typed),
    with_diagnostic(diagnostic: some Typed),
    with_last_attempt(last_attempt: some Timestamp),
    with_log_id(log_id: some FieldText),
    with_retry_until(retry_until: some Timestamp),
    with_extensions(extensions: Vec<Field>),
});

mailwire_core::setters!(DeliveryReport {
    with_envelope_id(envelope_id: some FieldText),
    with_gateway(gateway: some Typed),
    with_received_from(received_from: some Typed),
    with_arrival_date(arrival_date: some Timestamp),
    with_extensions(extensions: Vec<Field>),
    with_recipients(recipients: Vec<RecipientReport>),
    with_text(text: some into String),
    with_original(original: some Original),
});

impl DeliveryReport {
    /// A report about no recipient yet, of the MTA that tried.
    #[must_use]
    pub fn new(reporting_mta: Typed) -> Self {
        Self { reporting_mta: Some(reporting_mta), ..Self::EMPTY }
    }

    const EMPTY: Self = Self {
        envelope_id: None,
        reporting_mta: None,
        gateway: None,
        received_from: None,
        arrival_date: None,
        extensions: Vec::new(),
        recipients: Vec::new(),
        text: None,
        original: None,
    };

    /// Adds what became of the message for one more recipient.
    #[must_use]
    pub fn with_recipient(mut self, recipient: RecipientReport) -> Self {
        self.recipients.push(recipient);
        self
    }

    /// Tells that the message was held back as its sender asked ([RFC 4865 section
    /// 5.1.2](https://www.rfc-editor.org/rfc/rfc4865#section-5.1.2)), which comes with
    /// [`arrival_date`](Self::with_arrival_date): a field among the [`extensions`](Self::extensions), `for;3600`.
    #[must_use]
    pub fn with_hold(mut self, hold: &Hold) -> Self {
        self.extensions.push(Field::future_release_request(hold));
        self
    }

    /// Reads the content of a part of the type `message/delivery-status` or `message/global-delivery-status`, without its
    /// transfer encoding.
    ///
    /// What servers leave out or write in another way is understood where there is no doubt: groups without an empty line
    /// between them, addresses and names without their form, an action or a status that is missing. A field that cannot be
    /// understood stays in `extensions`, as does a second one of a name.
    ///
    /// # Errors
    ///
    /// [`ReportError::Malformed`] if it has no recipient, [`ReportError::TooLarge`] beyond the limits.
    pub fn parse_content(content: &[u8], limits: &Limits) -> Result<Self, ReportError> {
        let mut groups = groups(content, limits)?.into_iter();
        let mut about = groups.next().unwrap_or_default();
        let mut report = Self {
            envelope_id: take(&mut about, "Original-Envelope-Id"),
            reporting_mta: take(&mut about, "Reporting-MTA").map(|it| Typed::read_mta(it.as_str())),
            gateway: take(&mut about, "DSN-Gateway").map(|it| Typed::read_mta(it.as_str())),
            received_from: take(&mut about, "Received-From-MTA").map(|it| Typed::read_mta(it.as_str())),
            arrival_date: take_as(&mut about, "Arrival-Date", read_date),
            ..Self::EMPTY
        };
        // Where no empty line follows the fields about the message, those of the first recipient do.
        let first = about.iter().position(|field| ONCE.iter().any(|name| field.is(name)));
        let first = about.split_off(first.unwrap_or(about.len()));
        report.extensions = about;
        for group in std::iter::once(first).chain(groups).filter(|group| !group.is_empty()) {
            if group.iter().any(|field| field.is(ORIGINAL_RECIPIENT) || field.is(FINAL_RECIPIENT)) {
                report.recipients.extend(RecipientReport::read(group));
            } else {
                // About no recipient of its own.
                let last = report.recipients.last_mut();
                last.map_or(&mut report.extensions, |last| &mut last.extensions).extend(group);
            }
        }
        if report.recipients.is_empty() {
            return Err(ReportError::Malformed("no recipient"));
        }
        Ok(report)
    }

    /// Appends the content of the part that programs read: of the type `message/delivery-status` if it is
    /// [ASCII](Self::is_ascii), else `message/global-delivery-status`.
    ///
    /// ```abnf
    /// delivery-status-content = per-message-fields 1*( CRLF per-recipient-fields )   ; RFC 3464 section 2.1
    /// per-message-fields = [ original-envelope-id-field CRLF ] reporting-mta-field CRLF [ dsn-gateway-field CRLF ]
    ///     [ received-from-mta-field CRLF ] [ arrival-date-field CRLF ] *( extension-field CRLF )
    /// ```
    pub fn write_content(&self, out: &mut Vec<u8>) {
        put("Original-Envelope-Id", self.envelope_id.as_ref(), out);
        let unnamed = || Typed::unchecked("unknown", "");
        put("Reporting-MTA", Some(self.reporting_mta.clone().unwrap_or_else(unnamed)), out);
        put("DSN-Gateway", self.gateway.as_ref(), out);
        put("Received-From-MTA", self.received_from.as_ref(), out);
        put("Arrival-Date", self.arrival_date, out);
        put_all(&self.extensions, &MESSAGE_FIELDS, out);
        for recipient in &self.recipients {
            out.extend_from_slice(b"\r\n");
            recipient.write(out);
        }
    }

    /// Whether the fields are ASCII.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        let mut content = Vec::new();
        self.write_content(&mut content);
        content.is_ascii()
    }
}

/// The groups of fields: about the message, and about each recipient. They end at empty lines; where those are missing, at a
/// field that a group has already.
fn groups(content: &[u8], limits: &Limits) -> Result<Vec<Vec<Field>>, ReportError> {
    limits.check("bytes of fields", content.len(), limits.content)?;
    let mut groups: Vec<Vec<Field>> = Vec::new();
    let mut seen = [false; ONCE.len()];
    let mut open = false;
    for line in field::lines(content) {
        let Line::Field(field) = line else {
            open = false;
            continue;
        };
        let once = ONCE.iter().position(|name| field.is(name));
        let again = once.and_then(|at| seen.get(at)).is_some_and(|seen| *seen);
        if !open || again {
            limits.check("recipients", groups.len(), limits.recipients)?;
            groups.push(Vec::new());
            seen = Default::default();
            open = true;
        }
        if let Some(seen) = once.and_then(|at| seen.get_mut(at)) {
            *seen = true;
        }
        if let Some(group) = groups.last_mut() {
            group.push(field);
        }
    }
    Ok(groups)
}

/// The enhanced code in an SMTP reply, or what its first digit says.
fn status_of_reply(diagnostic: &Typed) -> Option<EnhancedCode> {
    if diagnostic.kind() != "smtp" {
        return None;
    }
    let mut words = diagnostic.text().split([' ', '-']);
    let code = words.next().filter(|code| code.len() == 3)?;
    let class = code.parse::<u16>().ok()? / 100;
    let enhanced = words.next().and_then(|word| read_status(word.trim_start_matches('#')));
    enhanced.or_else(|| EnhancedCode::new(u8::try_from(class).ok()?, 0, 0))
}

/// Appends a field that has a value.
pub(super) fn put(name: &str, value: Option<impl std::fmt::Display>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        field::write(name, &value.to_string(), out);
    }
}

/// Appends the fields that have no place of their own.
pub(super) fn put_all(fields: &[Field], known: &[&str], out: &mut Vec<u8>) {
    for field in fields.iter().filter(|field| !known.iter().any(|name| field.is(name))) {
        field::write(field.name(), field.value().as_str(), out);
    }
}

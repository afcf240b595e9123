//! What a sender is told: reports of delivery (RFC 3464).

use std::time::SystemTime;

use bytes::Bytes;
use mailwire_transport::smtp::{
    proto::{EnhancedCode, Host, Mailbox},
    report::{Action, DeliveryReport, Header, Original, RecipientReport, Typed},
};

use super::Why;

/// Messages of so many bytes are returned whole; of larger ones, the header is.
const RETURNED: usize = 64 << 10;

/// Something that a sender is told about one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) recipient: Mailbox,
    pub(super) why: Why,
    /// Until when it is tried; `None` for what is given up.
    pub(super) until: Option<SystemTime>,
}

/// A report from this host, for a sender: all of its recipients were given up, or all are late.
pub(super) fn write(
    name: &Host,
    sender: &Mailbox,
    message: &Bytes,
    arrived: SystemTime,
    told: &[Told],
    now: SystemTime,
) -> Option<Bytes> {
    let is_late = told.iter().any(|told| told.until.is_some());
    let mut text = format!("This is the mail system at {name}.\n\n");
    text.push_str(if is_late {
        "Your message is not delivered yet to those below. It is tried again; you need not send it again.\n"
    } else {
        "Your message could not be delivered to:\n"
    });
    let mut report = DeliveryReport::new(Typed::new("dns", name.as_str()).ok()?);
    for told in told {
        let Some(recipient) = of_one(told, now) else { continue };
        let said = told.why.host.as_ref().map_or(String::new(), |host| format!("{host}: "));
        text.push_str(&format!("\n<{}>\n    {said}{}\n", told.recipient, one_line(&told.why.text)));
        report = report.with_recipient(recipient);
    }
    report.arrival_date = Some(arrived.into());
    // A warning needs no more than what tells which message it is about.
    let is_whole = !is_late && message.len() <= RETURNED;
    let original = if is_whole { Original::Message(message.clone()) } else { Original::headers_of(message) };
    let report = report.with_text(text).with_original(original);
    let from = Mailbox::new("MAILER-DAEMON", name).ok()?;
    Some(report.write(&Header::new(from, sender.clone(), now)).into())
}

fn of_one(told: &Told, now: SystemTime) -> Option<RecipientReport> {
    let (action, class) = if told.until.is_some() { (Action::Delayed, 4) } else { (Action::Failed, 5) };
    let code: Option<EnhancedCode> = told.why.code.parse().ok();
    // What is given up has failed, also where the last refusal was one for now (RFC 3464 section 2.3.4 has the class say so).
    let code = code.and_then(|code| EnhancedCode::new(class, code.subject(), code.detail()));
    let recipient = Typed::address(&told.recipient);
    let mut report = RecipientReport::new(recipient, action, code.or(EnhancedCode::new(class, 0, 0))?);
    report.remote_mta = told.why.host.as_ref().and_then(|host| Typed::new("dns", host.as_str()).ok());
    let diagnostic = told.why.reply.as_ref().map(|reply| one_line(reply));
    report.diagnostic = diagnostic.and_then(|reply| Typed::new("smtp", reply).ok());
    report.last_attempt = Some(now.into());
    report.retry_until = told.until.map(Into::into);
    Some(report)
}

/// A text of a server, in one line, without control characters.
fn one_line(text: &str) -> String {
    text.trim_end().chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

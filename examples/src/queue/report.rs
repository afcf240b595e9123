//! What a sender is told: reports of delivery (RFC 3464).

use std::time::SystemTime;

use bytes::Bytes;
use mailwire_transport::smtp::{
    proto::{EnhancedCode, Host, Mailbox, Rcpt, extensions::dsn::Ret},
    report::{Action, DeliveryReport, FieldText, Header, Original, RecipientReport, Typed},
};

use super::{Parcel, Why};

/// Messages of so many bytes are returned whole, unless the sender says what is to be; of larger ones, the header is.
const RETURNED: usize = 64 << 10;

/// What a report is about: the same for all of its recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is given up.
    Failed,
    /// It is tried again.
    Late,
    Delivered,
    /// It was handed on to where no reports come from.
    Relayed,
}

impl Kind {
    const fn words(self) -> &'static str {
        match self {
            Self::Failed => "Your message could not be delivered to:\n",
            Self::Late => {
                "Your message is not delivered yet to those below. It is tried again; you need not send it again.\n"
            }
            Self::Delivered => "Your message was delivered to:\n",
            Self::Relayed => {
                "Your message was handed on, to servers which do not tell what becomes of it, for:\n"
            }
        }
    }

    /// With the class of its status ([RFC 3464 section 2.3.4](https://www.rfc-editor.org/rfc/rfc3464#section-2.3.4)).
    const fn action(self) -> (Action, u8) {
        match self {
            Self::Failed => (Action::Failed, 5),
            Self::Late => (Action::Delayed, 4),
            Self::Delivered => (Action::Delivered, 2),
            Self::Relayed => (Action::Relayed, 2),
        }
    }
}

/// Something that a sender is told about one recipient.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) rcpt: &'a Rcpt,
    /// Why it was not delivered.
    pub(super) why: Option<&'a Why>,
}

/// When a message came, when it was tried, and until when it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) arrived: SystemTime,
    pub(super) now: SystemTime,
    pub(super) until: SystemTime,
}

/// A report from this host, for the sender of a message. `None` if there is nobody to be told.
pub(super) fn write(
    name: &Host,
    parcel: &Parcel,
    kind: Kind,
    told: &[Told<'_>],
    times: Times,
) -> Option<Bytes> {
    let sender = parcel.from()?;
    let mut text = format!("This is the mail system at {name}.\n\n{}", kind.words());
    let mut report = DeliveryReport::new(Typed::new("dns", name.as_str()).ok()?);
    for told in told {
        let Some(recipient) = of_one(told, kind, times) else { continue };
        text.push_str(&format!("\n<{}>\n", told.rcpt.to));
        if let Some(why) = told.why {
            let said = why.host.as_ref().map_or(String::new(), |host| format!("{host}: "));
            text.push_str(&format!("    {said}{}\n", one_line(&why.text)));
        }
        report = report.with_recipient(recipient);
    }
    report.arrival_date = Some(times.arrived.into());
    if let Some(hold) = &parcel.hold {
        report = report.with_hold(hold);
    }
    let id = parcel.envelope.mail().parameters().envelope_id.as_ref();
    report.envelope_id = id.and_then(|id| FieldText::new(id.to_string()).ok());
    let report = report.with_text(text).with_original(returned(parcel, kind));
    let from = Mailbox::new("MAILER-DAEMON", name).ok()?;
    Some(report.write(&Header::new(from, sender.clone(), times.now)).into())
}

/// What is returned of a message: of one that has failed as much as its sender wants.
fn returned(parcel: &Parcel, kind: Kind) -> Original {
    let asked = parcel.envelope.mail().parameters();
    let is_whole = match (kind, asked.ret) {
        // RFC 8689 section 5.
        _ if asked.require_tls => false,
        (Kind::Failed, Some(ret)) => ret == Ret::Full,
        (Kind::Failed, None) => parcel.message.len() <= RETURNED,
        // The others need no more than what tells which message it is about (RFC 3461 section 6.2).
        _ => false,
    };
    if is_whole { Original::Message(parcel.message.clone()) } else { Original::headers_of(&parcel.message) }
}

fn of_one(told: &Told<'_>, kind: Kind, times: Times) -> Option<RecipientReport> {
    let (action, class) = kind.action();
    let code: Option<EnhancedCode> = told.why.and_then(|why| why.code.parse().ok());
    // What is given up has failed, also where the last refusal was one for now.
    let code = code.and_then(|code| EnhancedCode::new(class, code.subject(), code.detail()));
    let recipient = Typed::address(told.rcpt.to.mailbox()?);
    let mut report = RecipientReport::new(recipient, action, code.or(EnhancedCode::new(class, 0, 0))?);
    report.original = told.rcpt.parameters().original_recipient.as_ref().map(Typed::from);
    if let Some(why) = told.why {
        report.remote_mta = why.host.as_ref().and_then(|host| Typed::new("dns", host.as_str()).ok());
        let diagnostic = why.reply.as_ref().map(|reply| one_line(reply));
        report.diagnostic = diagnostic.and_then(|reply| Typed::new("smtp", reply).ok());
    }
    report.last_attempt = Some(times.now.into());
    report.retry_until = (kind == Kind::Late).then(|| times.until.into());
    Some(report)
}

/// A text of a server, in one line, without control characters.
fn one_line(text: &str) -> String {
    text.trim_end().chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

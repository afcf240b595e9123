//! Reports of what a server refused.

use std::{collections::HashMap, fmt::Write as _};

use mailwire_smtp::{EnhancedCode, Host, Rcpt, extensions::dsn::Notify};

use super::{Action, DeliveryReport, FieldText, RecipientReport, Typed};
use crate::{
    RefusedKind,
    smtp::{Envelope, RefusedRecipient},
};

impl DeliveryReport {
    /// The report about recipients that `remote_mta` refused and that are given up, from `reporting_mta`, which tried: with the ENVID and each
    /// ORCPT of the envelope, the server's words, and a text that says in English what the fields say.
    ///
    /// `None` if nobody is to be told: the message came from the null address, or for none of these recipients the sender wants
    /// to hear of failure ([RFC 3461 section 4.1](https://www.rfc-editor.org/rfc/rfc3461#section-4.1)).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: &mut mailwire_transport::smtp::Client, next: &mut mailwire_transport::smtp::Client)
    /// # -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::SystemTime;
    /// use bytes::Bytes;
    /// use mailwire_transport::smtp::{
    ///     Envelope, proto::{Host, Mailbox},
    ///     report::{DeliveryReport, Header, Original},
    /// };
    ///
    /// let envelope = Envelope::new("ada@example.org", ["bob@example.net", "carol@example.net"])?;
    /// let message = Bytes::from("From: ada@example.org\r\nSubject: Hello\r\n\r\nHello, both of you.\r\n");
    /// let refused = match client.send(&envelope, message.clone()).await {
    ///     Ok(sent) => sent.refused,
    ///     Err(_) => client.take_refused(),
    /// };
    /// let (us, them) = (Host::try_from("mail.example.org")?, Host::try_from("mx.example.net")?);
    /// if let Some(report) = DeliveryReport::of_refused(&us, &them, &envelope, &refused) {
    ///     let report = report.with_original(Original::of(&message, envelope.mail().parameters().ret));
    ///     let sender = Mailbox::try_from("ada@example.org")?;
    ///     let header = Header::new(Mailbox::try_from("mailer-daemon@mail.example.org")?, sender, SystemTime::now());
    ///     let _sent = next.send(&header.envelope(), report.write(&header)).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn of_refused(
        reporting_mta: &Host,
        remote_mta: &Host,
        envelope: &Envelope,
        refused: &[RefusedRecipient],
    ) -> Option<Self> {
        let mail = envelope.mail();
        mail.from.mailbox()?;
        // By address: an envelope can have thousands.
        let rcpts: HashMap<String, &Rcpt> =
            envelope.recipients().iter().rev().map(|rcpt| (rcpt.to.to_string(), rcpt)).collect();
        let mut report = Self::new(Typed::host(reporting_mta));
        let id = mail.parameters().envelope_id.as_ref();
        report.envelope_id = id.map(|id| FieldText::lenient(id.as_bytes()));
        let mut text = format!(
            "This is the mail system at {reporting_mta}.\n\nYour message could not be delivered to:\n"
        );
        for refused in refused {
            let rcpt = rcpts.get(&refused.recipient.to_string()).copied();
            if rcpt
                .and_then(|rcpt| rcpt.parameters().notify)
                .is_some_and(|notify| !notify.has(Notify::FAILURE))
            {
                continue;
            }
            let Some(mut recipient) = of_one(refused) else { continue };
            recipient.original =
                rcpt.and_then(|rcpt| rcpt.parameters().original_recipient.as_ref()).map(Typed::from);
            recipient.remote_mta = Some(Typed::host(remote_mta));
            let said = recipient.diagnostic.as_ref().map_or("", Typed::text);
            let _ = writeln!(text, "\n<{}>\n    {remote_mta} said: {said}", recipient.recipient.text());
            report.recipients.push(recipient);
        }
        (!report.recipients.is_empty()).then(|| report.with_text(text))
    }
}

/// Who, and why.
fn of_one(refused: &RefusedRecipient) -> Option<RecipientReport> {
    let said = refused.error.refused();
    let reply = said.and_then(|said| match said.kind {
        RefusedKind::Smtp(code) => Some((code, said)),
        _ => None,
    });
    let enhanced = said.and_then(|said| said.code.as_ref()?.as_str()?.parse().ok());
    let class = reply.map_or(5, |(code, _)| if code / 100 == 4 { 4 } else { 5 });
    let status = enhanced.or(EnhancedCode::new(class, 0, 0))?;
    let diagnostic = reply.map(|(code, said)| {
        let enhanced = said.code.iter().map(|code| format!(" {code}")).collect::<String>();
        Typed::unchecked("smtp", &format!("{code}{enhanced} {}", said.text.to_string_lossy()))
    });
    let mut report = RecipientReport::new(Typed::recipient(&refused.recipient), Action::Failed, status);
    report.diagnostic = diagnostic;
    Some(report)
}

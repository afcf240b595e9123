//! Reports of what became of a message that a server took.

use std::fmt::Write as _;

use mailwire_smtp::{EnhancedCode, EnhancedStatus, Host, Rcpt, Reply, ReplyCode, extensions::dsn::Notify};

use super::{Action, DeliveryReport, FieldText, RecipientReport, Typed};
use crate::smtp::server::Transaction;

impl DeliveryReport {
    /// The report that a message is in the mailboxes of those recipients whose sender wants to hear of success
    /// (`NOTIFY=SUCCESS`), from `reporting_mta`, which put it there. `replies` are what came of the transaction's recipients,
    /// in their order, as [`Session::message_for_each`](crate::smtp::server::Session::message_for_each) gives them; those
    /// that are not positive are left out.
    ///
    /// It has the ENVID and each ORCPT, how long the message was to be held back, and a text that says in English what the fields say. Of the message its header is
    /// [returned](DeliveryReport::with_original) alone ([RFC 3461 section
    /// 6.2](https://www.rfc-editor.org/rfc/rfc3461#section-6.2)).
    ///
    /// `None` if nobody is to be told: the message came from the null address, or for none of these recipients the sender
    /// wants it ([RFC 3461 section 5.2.3](https://www.rfc-editor.org/rfc/rfc3461#section-5.2.3)).
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_transport::smtp::{
    ///     proto::{Host, Mail, Mailbox, Rcpt, Reply, ReplyCode, extensions::dsn::Notify},
    ///     report::DeliveryReport,
    ///     server::Transaction,
    /// };
    ///
    /// let mail = Mail::new(Mailbox::try_from("anna@example.org")?);
    /// let bob = Rcpt::new(Mailbox::try_from("bob@example.net")?).with_notify(Notify::SUCCESS);
    /// let transaction = Transaction::new(mail).with_recipient(bob);
    /// let replies = [Reply::new(ReplyCode::OK, "2.0.0 Stored")];
    /// let report = DeliveryReport::of_delivered(&Host::try_from("mx.example.net")?, &transaction, &replies).unwrap();
    /// assert_eq!(report.recipients[0].recipient.text(), "bob@example.net");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn of_delivered(reporting_mta: &Host, transaction: &Transaction, replies: &[Reply]) -> Option<Self> {
        let wanted = |rcpt: &Rcpt, reply: &Reply| {
            let notify = rcpt.parameters().notify;
            (reply.is_positive() && notify.is_some_and(|notify| notify.has(Notify::SUCCESS)))
                .then(|| (status(reply), None))
        };
        let what = "Your message was delivered to:";
        of_transaction(reporting_mta, transaction, replies, Action::Delivered, what, wanted)
    }

    /// The report that a message which was taken for all could not be put into the mailboxes of those recipients whose reply is
    /// not positive, from `reporting_mta`, which tried. Otherwise as [`of_delivered`](Self::of_delivered).
    ///
    /// `None` if nobody is to be told: the message came from the null address, or for none of these recipients the sender
    /// wants to hear of failure, as is so without NOTIFY ([RFC 3461 section
    /// 5.2.6](https://www.rfc-editor.org/rfc/rfc3461#section-5.2.6)).
    #[must_use]
    pub fn of_undelivered(
        reporting_mta: &Host,
        transaction: &Transaction,
        replies: &[Reply],
    ) -> Option<Self> {
        let wanted = |rcpt: &Rcpt, reply: &Reply| {
            let notify = rcpt.parameters().notify;
            (!reply.is_positive() && notify.is_none_or(|notify| notify.has(Notify::FAILURE)))
                .then(|| (status(reply), Some(Typed::unchecked("smtp", &reply.to_string()))))
        };
        let what = "Your message could not be delivered to:";
        of_transaction(reporting_mta, transaction, replies, Action::Failed, what, wanted)
    }

    /// The report that a message was not delivered by the time that its sender set with DELIVERBY, and is all the same
    /// ([RFC 2852 section 4.1.3](https://www.rfc-editor.org/rfc/rfc2852#section-4.1.3)). Otherwise as
    /// [`of_delivered`](Self::of_delivered), of all recipients.
    ///
    /// `None` if nobody is to be told: the message came from the null address, or for none of its recipients the sender
    /// wants to hear of delay, as is so without NOTIFY.
    #[must_use]
    pub fn of_late(reporting_mta: &Host, transaction: &Transaction) -> Option<Self> {
        let wanted = |rcpt: &Rcpt, _: &Reply| {
            let notify = rcpt.parameters().notify;
            notify
                .is_none_or(|notify| notify.has(Notify::DELAY))
                .then_some((Some(EnhancedStatus::DeliveryExpired.transient()), None))
        };
        let any = vec![Reply::new(ReplyCode::OK, ""); transaction.recipients.len()];
        let what = "Your message is delivered later than you asked for, to:";
        of_transaction(reporting_mta, transaction, &any, Action::Delayed, what, wanted)
    }
}

/// What is said of a recipient: the status, and the reply.
type Said = (Option<EnhancedCode>, Option<Typed>);

fn of_transaction(
    reporting_mta: &Host,
    transaction: &Transaction,
    replies: &[Reply],
    action: Action,
    what: &str,
    wanted: impl Fn(&Rcpt, &Reply) -> Option<Said>,
) -> Option<DeliveryReport> {
    transaction.from().mailbox()?;
    let mut report = DeliveryReport::new(Typed::host(reporting_mta));
    let id = transaction.mail.parameters().envelope_id.as_ref();
    report.envelope_id = id.map(|id| FieldText::lenient(id.as_bytes()));
    if let Some(hold) = &transaction.mail.parameters().hold {
        report = report.with_hold(hold);
    }
    let mut text = format!("This is the mail system at {reporting_mta}.\n\n{what}\n");
    for (rcpt, reply) in transaction.recipients.iter().zip(replies) {
        let Some((status, diagnostic)) = wanted(rcpt, reply) else { continue };
        let Some(status) = status else { continue };
        let mut recipient = RecipientReport::new(Typed::recipient(&rcpt.to), action.clone(), status);
        recipient.original = rcpt.parameters().original_recipient.as_ref().map(Typed::from);
        let _ = writeln!(text, "\n<{}>", recipient.recipient.text());
        if let Some(said) = &diagnostic {
            let _ = writeln!(text, "    {}", said.text());
        }
        recipient.diagnostic = diagnostic;
        report.recipients.push(recipient);
    }
    (!report.recipients.is_empty()).then(|| report.with_text(text))
}

/// The enhanced code of a reply, or what its first digit says.
fn status(reply: &Reply) -> Option<EnhancedCode> {
    reply.enhanced().or_else(|| EnhancedCode::new(reply.code().class(), 0, 0))
}

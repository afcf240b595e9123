//! Reports of delivery, and where they go: DSN of the SMTP service.

use std::{fmt::Debug, future::Future, io, pin::Pin, sync::Arc, time::SystemTime};

use bytes::{Bytes, BytesMut};
use mailwire_smtp::{
    Domain, EnhancedStatus, ForwardPath, Host, Mailbox, Reply, ReversePath,
    extensions::{deliver_by::ByMode, dsn::Ret},
    trace::ReturnPath,
};
use mailwire_transport::smtp::{
    report::{DeliveryReport, Header, Original},
    server::{Client, Transaction},
};
use tokio::{sync::mpsc, time::Instant};

use crate::{BodyReader, BodyWriter, Error, Result, SmtpSession, Store, Target, staging::Staged};

/// A report for a sender who has no mailbox here.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct OutgoingReport {
    /// Who reports, and to whom. The report is sent from the null address, so that nobody reports about it ([RFC 3461 section
    /// 6.1](https://www.rfc-editor.org/rfc/rfc3461#section-6.1)): `header.envelope()` is that envelope, where clients are
    /// compiled in.
    pub header: Header,
    /// What it says.
    pub report: DeliveryReport,
    /// The whole message, to be sent.
    pub message: Bytes,
}

/// What an application does with reports whose senders have no mailbox here: most put them into the queue of what is sent.
///
/// The sending half of a channel of tokio is one, which keeps them in memory.
pub trait ReportQueue: Debug + Send + Sync + 'static {
    /// Takes a report: it is kept when this has ended. The client's answer waits for it.
    ///
    /// # Errors
    ///
    /// It cannot be kept, which is traced. A report of success is lost then; in place of one of failure, the message is
    /// refused.
    fn queue(&self, report: OutgoingReport) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + '_>>;
}

impl ReportQueue for mpsc::Sender<OutgoingReport> {
    fn queue(&self, report: OutgoingReport) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send + '_>> {
        Box::pin(async move { self.send(report).await.map_err(|_| io::ErrorKind::BrokenPipe.into()) })
    }
}

/// How an [`SmtpService`](crate::SmtpService) reports: see
/// [`SmtpService::with_reports`](crate::SmtpService::with_reports).
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct Reports {
    queue: Arc<dyn ReportQueue>,
    /// Who reports. `None`, the default: `MAILER-DAEMON` at the server's name.
    pub from: Option<Mailbox>,
    /// Messages of so many bytes are returned whole in a report of failure, unless the sender wants the header alone
    /// (`RET=HDRS`); of larger ones, and in other reports, the header is. 64 KiB by default.
    pub returned: u64,
}

/// What is looked at of a message for its header, in bytes.
const HEADER: u64 = 64 << 10;

impl Reports {
    /// Reports that go to `queue`, unless the sender has a mailbox here.
    #[must_use]
    pub fn new(queue: impl ReportQueue) -> Self {
        Self { queue: Arc::new(queue), from: None, returned: HEADER }
    }
}

mailwire_core::setters!(Reports {
    with_from(from: some Mailbox),
    with_returned(returned: u64),
});

/// The reports of one connection.
#[derive(Debug)]
pub(crate) struct Reporting {
    reports: Reports,
    /// When the message was announced.
    begun: Instant,
}

impl Reporting {
    pub(crate) fn new(reports: Reports) -> Self {
        Self { reports, begun: Instant::now() }
    }

    /// A transaction begins.
    pub(crate) fn begin(&mut self) {
        self.begun = Instant::now();
    }

    /// What is to be done with a message that is not delivered in time ([RFC 2852 section
    /// 4.1.3](https://www.rfc-editor.org/rfc/rfc2852#section-4.1.3)); `None` if it is in time.
    fn late(&self, transaction: &Transaction) -> Option<ByMode> {
        let by = transaction.mail.parameters().deliver_by?;
        let passed = i64::try_from(self.begun.elapsed().as_secs()).unwrap_or(i64::MAX);
        (i64::from(by.seconds()) <= passed).then_some(by.mode())
    }
}

/// What is returned of a message.
enum Returned {
    Header,
    AsAsked,
}

impl<S: Store> SmtpSession<S> {
    /// Gives up a message that is not wanted any more, as it comes too late.
    pub(crate) async fn give_up_late(&self, transaction: &Transaction, staged: &Staged) -> Option<Reply> {
        let late = self.reporting.as_ref()?.late(transaction)?;
        if late != ByMode::Return {
            return None;
        }
        self.store.deliver(staged.body, &[]).await;
        Some(EnhancedStatus::DeliveryExpired.reject("Delivery time expired"))
    }

    /// Sends the reports of what was delivered, to whom wants them.
    pub(crate) async fn report(
        &self,
        client: &Client,
        transaction: &Transaction,
        staged: &Staged,
        replies: &[Reply],
    ) {
        let Some(reporting) = &self.reporting else { return };
        let host = host(client);
        let late = reporting.late(transaction).and_then(|_| DeliveryReport::of_late(&host, transaction));
        let late = late.filter(|_| replies.iter().any(Reply::is_positive));
        for report in late.into_iter().chain(DeliveryReport::of_delivered(&host, transaction, replies)) {
            self.send(reporting, &host, transaction, staged, report, Returned::Header).await;
        }
    }

    /// Sends the report of those who do not get a message that others have got. Whether it may be accepted now.
    pub(crate) async fn report_failure(
        &self,
        client: &Client,
        transaction: &Transaction,
        staged: &Staged,
        replies: &[Reply],
    ) -> bool {
        let Some(reporting) = &self.reporting else { return false };
        let some = replies.iter().any(Reply::is_positive) && !replies.iter().all(Reply::is_positive);
        if !some || transaction.from().mailbox().is_none() {
            return false;
        }
        let host = host(client);
        match DeliveryReport::of_undelivered(&host, transaction, replies) {
            Some(report) => self.send(reporting, &host, transaction, staged, report, Returned::AsAsked).await,
            // Nobody wants to hear of it.
            None => true,
        }
    }

    /// Whether the report is on its way.
    async fn send(
        &self,
        reporting: &Reporting,
        host: &Host,
        transaction: &Transaction,
        staged: &Staged,
        mut report: DeliveryReport,
        returned: Returned,
    ) -> bool {
        let Some(to) = transaction.from().mailbox() else { return true };
        let from = match &reporting.reports.from {
            Some(from) => Ok(from.clone()),
            None => Mailbox::try_from(format!("MAILER-DAEMON@{host}")),
        };
        let Ok(from) = from else { return false };
        report.original = self.original(&reporting.reports, transaction, staged, returned).await;
        let header = Header::new(from, to.clone(), SystemTime::now());
        let message = Bytes::from(report.write(&header));
        match self.recipient(&ForwardPath::Mailbox(to.clone())).await {
            Ok(account) => match self.put(account, &message).await {
                Ok(()) => return true,
                Err(error) => tracing::info!(%error, "a report does not get into a mailbox here"),
            },
            Err(Error::NoSuchAccount) => {}
            Err(error) => tracing::warn!(%error, "the store failed"),
        }
        let queued = reporting.reports.queue.queue(OutgoingReport { header, report, message }).await;
        if let Err(error) = &queued {
            tracing::warn!(%error, "a report is not sent");
        }
        queued.is_ok()
    }

    /// What is returned of a message, as it is stored. One that is gone by now is not.
    async fn original(
        &self,
        reports: &Reports,
        transaction: &Transaction,
        staged: &Staged,
        returned: Returned,
    ) -> Option<Original> {
        let ret = match (returned, transaction.mail.parameters().ret) {
            (Returned::AsAsked, ret) if staged.size <= reports.returned => ret,
            _ => Some(Ret::Headers),
        };
        let whole = ret != Some(Ret::Headers);
        let end = if whole { staged.size } else { staged.size.min(HEADER) };
        let mut reader = self.store.read(staged.body, 0..end).await.ok()?;
        let mut bytes = BytesMut::new();
        while let Some(chunk) = reader.chunk().await.ok()? {
            bytes.extend_from_slice(&chunk);
        }
        let cut = end < staged.size && !ends_header(&bytes);
        if cut {
            let whole = whole_fields(&bytes);
            bytes.truncate(whole);
        }
        Some(Original::of(&bytes.freeze(), ret))
    }

    /// Puts a report into an INBOX.
    async fn put(&self, account: crate::AccountId, message: &Bytes) -> Result<()> {
        let mut fields = Vec::new();
        if self.trace_fields {
            ReturnPath::new(ReversePath::Null).write(&mut fields);
        }
        let size = (fields.len() as u64).saturating_add(message.len() as u64);
        let mut writer = self.store.body(&[account], Some(size)).await?;
        writer.write(fields.into()).await?;
        writer.write(message.clone()).await?;
        let body = writer.finish().await?;
        let delivered = self.store.deliver(body, &[Target::inbox(account)]).await;
        delivered.into_iter().next().unwrap_or(Err(Error::NoSuchMailbox)).map(drop)
    }
}

fn host(client: &Client) -> Host {
    client.server.clone().unwrap_or_else(|| Domain::localhost().into())
}

/// Whether the end of a header is in these bytes.
fn ends_header(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"\r\n\r\n").is_some() || bytes.starts_with(b"\r\n")
}

/// How many bytes are fields that are whole: the last one may go on.
fn whole_fields(bytes: &[u8]) -> usize {
    let starts = memchr::memrchr_iter(b'\n', bytes).map(|end| end.saturating_add(1));
    let mut starts =
        starts.filter(|&start| bytes.get(start).is_some_and(|byte| !matches!(byte, b' ' | b'\t')));
    starts.next().unwrap_or(0)
}

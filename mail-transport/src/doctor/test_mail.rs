//! A message from the address to itself: sent through submission, waited for by IMAP and by POP3, and left where it is.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{
    Doctor, Finding, Subject,
    checks::servers::{
        AUTHENTICATION_FAILED, AUTHENTICATION_RESULTS, TEST_DEFERRED, TEST_DELIVERED, TEST_FAILS,
        TEST_MISSING, TEST_ONE_WAY, TEST_REFUSED, TEST_RETURNED, TEST_SLOW, TEST_WITHHELD,
    },
    login::Account,
    results,
};
use crate::{
    Error, Protocol, Result,
    dns::Resolver,
    http::Http,
    imap::{self, FetchAtt, SearchKey, proto::command::AString},
    pop3,
    runtime::{sleep_until, timeout_at},
    sasl::Credentials,
    smtp::{self, Envelope},
};

/// The most that is read of a header, or of a message that comes back, in bytes.
const READ: usize = 256 * 1024;

/// How many of the newest messages are looked at by POP3.
const NEWEST: usize = 30;

/// How many of the newest messages that name it are looked at by IMAP.
const REPORTS: usize = 4;

/// How long is waited before asking again, where the server does not tell by itself.
const PAUSE: Duration = Duration::from_secs(3);

/// A test message.
struct Test {
    /// What its Message-ID has between the angle brackets.
    id: String,
    text: String,
}

impl Test {
    fn new(address: &str, domain: &str, now: SystemTime) -> Option<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).ok()?;
        let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let id = format!("{random}.doctor@{domain}");
        let date = date(now)?;
        let text = format!(
            "From: <{address}>\r\nTo: <{address}>\r\nSubject: A test message of the mail doctor\r\nDate: {date}\r\n\
             Message-ID: <{id}>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\
             Auto-Submitted: auto-generated\r\n\r\n\
             This message was sent to see whether mail of this address arrives.\r\nIt can be deleted.\r\n"
        );
        Some(Self { id, text })
    }
}

/// What became of the message where it was waited for.
enum Seen {
    /// Its header, and after how long it was there.
    Arrived(Vec<u8>, Duration),
    /// It came back: the report.
    Returned(Vec<u8>),
    NotInTime,
    Failed(Error),
}

impl<R: Resolver, H: Http> Doctor<R, H> {
    /// Sends the message and waits for it.
    pub(super) async fn test_mail(
        &self,
        subject: &Subject,
        accounts: &[Account],
        credentials: &Credentials,
    ) -> Vec<Finding> {
        let of = |protocol| accounts.iter().find(|account| account.server.protocol == protocol);
        let (imap, pop3) = (of(Protocol::Imap), of(Protocol::Pop3));
        let withheld = |what: &str| {
            let remedy = "Mend what is told of logging in, and examine again.";
            vec![Finding::new(&TEST_WITHHELD, &subject.domain, what).with_remedy(remedy)]
        };
        let Some(submission) = of(Protocol::Submission) else {
            return withheld("No test message is sent: nobody could log in where mail is sent.");
        };
        if imap.is_none() && pop3.is_none() {
            return withheld("No test message is sent: nobody could log in where mail is read.");
        }
        let Some(test) = Test::new(&subject.address, &subject.domain, SystemTime::now()) else {
            return withheld("No test message is sent: this machine has no randomness.");
        };
        self.step("sending the test message");
        let begun = Instant::now();
        if let Err(error) = send(&test, subject, submission, credentials).await {
            return vec![not_sent(submission, &error)];
        }
        self.step("waiting for the test message");
        let until = begun + self.options.patience;
        let by_imap = async { Some(by_imap(&test, imap?, credentials, begun, until).await) };
        let by_pop3 = async { Some(by_pop3(&test, pop3?, credentials, begun, until).await) };
        let (by_imap, by_pop3) = tokio::join!(by_imap, by_pop3);
        self.told(subject, by_imap, by_pop3)
    }

    fn told(&self, subject: &Subject, imap: Option<Seen>, pop3: Option<Seen>) -> Vec<Finding> {
        let address = subject.address.as_str();
        let ways = [("IMAP", imap), ("POP3", pop3)].into_iter().filter_map(|(way, seen)| Some((way, seen?)));
        let (mut findings, mut arrived, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for (way, seen) in ways {
            match seen {
                Seen::Arrived(header, after) => arrived.push((way, header, after)),
                Seen::Returned(report) => {
                    let what = "The test message came back: a server on the way refused it.";
                    let finding = Finding::new(&TEST_RETURNED, address, what)
                        .with_remedy("The report says who refused it, and why.");
                    return vec![
                        results::diagnosis(&report)
                            .into_iter()
                            .fold(finding, |finding, (name, value)| finding.with_detail(name, value)),
                    ];
                }
                Seen::NotInTime => missing.push((way, "it did not arrive".to_owned())),
                Seen::Failed(error) => missing.push((way, error.to_string())),
            }
        }
        if arrived.is_empty() {
            let patience = self.options.patience.as_secs();
            let what =
                format!("The test message was accepted, and did not arrive within {patience} seconds.");
            let finding = Finding::new(&TEST_MISSING, address, what)
                .with_remedy("Look into the queue and the log of the server where mail is sent; see whether a filter has put it elsewhere (spam).");
            let told = missing.into_iter().fold(finding, |finding, (way, why)| finding.with_detail(way, why));
            return vec![told];
        }
        let slowest = arrived.iter().map(|(_, _, after)| *after).max().unwrap_or_default();
        let fastest = arrived.iter().map(|(_, _, after)| *after).min().unwrap_or_default();
        let finding = match fastest > self.options.slow {
            true => Finding::new(
                &TEST_SLOW,
                address,
                format!("The test message took {} seconds to arrive.", fastest.as_secs()),
            )
            .with_remedy("The Received fields of the message tell where it waited: greylisting, a slow filter, or a full queue."),
            false => Finding::new(
                &TEST_DELIVERED,
                address,
                format!("The test message arrived within {:.1} seconds.", slowest.as_secs_f64()),
            ),
        };
        let finding = arrived.iter().fold(finding, |finding, (way, _, after)| {
            finding.with_detail(format!("by {way}"), format_args!("after {:.1} seconds", after.as_secs_f64()))
        });
        findings.push(match arrived.first() {
            Some((_, header, _)) => results::received(header)
                .into_iter()
                .fold(finding, |finding, one| finding.with_detail("Received", one)),
            None => finding,
        });
        for (way, why) in missing {
            let what = format!("The test message arrived, and {way} does not show it.");
            let remedy = "See that both protocols serve the same mailbox, and that nothing else fetches and deletes mail.";
            findings.push(
                Finding::new(&TEST_ONE_WAY, address, what).with_remedy(remedy).with_detail("reason", why),
            );
        }
        if let Some((_, header, _)) = arrived.first() {
            findings.push(authentication(address, header));
        }
        findings
    }
}

/// Sends the message.
async fn send(test: &Test, subject: &Subject, account: &Account, credentials: &Credentials) -> Result<()> {
    let envelope = Envelope::new(subject.address.as_str(), [subject.address.as_str()])?;
    let mut client = smtp::Client::connect(account.endpoint.clone(), credentials).await?;
    let sent = client.send(&envelope, test.text.as_str()).await.map(drop);
    // What became of the message is known.
    let _ = client.quit().await;
    sent
}

fn not_sent(account: &Account, error: &Error) -> Finding {
    let subject = account.server.to_string();
    let finding = match error.refused() {
        Some(refused) if refused.is_transient() => {
            let what = "The server does not take the test message now, and wants it to be sent again later (greylisting, a full disk, too many messages).";
            let remedy = "Users who have logged in should not be greylisted: leave them out of it. Otherwise the server's words tell why.";
            Finding::new(&TEST_DEFERRED, subject, what).with_remedy(remedy)
        }
        Some(_) => {
            let what = "The server refuses the test message.";
            let remedy = "Its words tell why: the user may not send from this address, a filter takes the message for spam, or the recipient is not known.";
            Finding::new(&TEST_REFUSED, subject, what).with_remedy(remedy)
        }
        None => {
            let what = "The test message could not be sent: the connection or the conversation failed.";
            Finding::new(&TEST_FAILS, subject, what).with_remedy("See in the server's log why.")
        }
    };
    finding.with_detail("answer", error)
}

/// Waits by IMAP, without a change to the mailbox.
async fn by_imap(
    test: &Test,
    account: &Account,
    credentials: &Credentials,
    begun: Instant,
    until: Instant,
) -> Seen {
    let waiting = async {
        let mut client = imap::Client::connect(account.endpoint.clone(), credentials).await?;
        client.examine("INBOX").await?;
        let can_idle = client.has(&imap::proto::Capability::Idle);
        loop {
            if let Some(seen) = look_by_imap(test, &mut client, begun).await? {
                let _ = client.logout().await;
                return Ok(seen);
            }
            let next = Instant::now() + PAUSE;
            if can_idle {
                let mut idle = client.idle().await?;
                // What it says is looked at by searching; a server that says nothing is asked all the same.
                if let Ok(update) = timeout_at(next, idle.next()).await {
                    update?;
                }
                idle.done().await?;
                client.updates().for_each(drop);
            } else {
                sleep_until(next).await;
                client.noop().await?;
            }
        }
    };
    match timeout_at(until, waiting).await {
        Ok(Ok(seen)) => seen,
        Ok(Err(error)) => Seen::Failed(error),
        Err(_) => Seen::NotInTime,
    }
}

/// Whether the message, or a report of it, is there.
async fn look_by_imap(test: &Test, client: &mut imap::Client, begun: Instant) -> Result<Option<Seen>> {
    let named = |text: &str| AString::new(text.to_owned());
    let keys = [SearchKey::Header(named("Message-ID")?, named(&test.id)?)];
    if let Some(uid) = client.uid_search(keys).await?.iter().next() {
        let body = client.fetch_item(uid, peek(imap::proto::types::Section::HEADER)).await?;
        let header = match body {
            Some(body) => body.bytes(READ).await?.to_vec(),
            None => Vec::new(),
        };
        return Ok(Some(Seen::Arrived(header, begun.elapsed())));
    }
    // Not BODY: what a report quotes is a header again, into which some servers look for TEXT only.
    let keys = [SearchKey::Text(named(&test.id)?)];
    let found: Vec<_> = client.uid_search(keys).await?.iter().collect();
    for uid in found.into_iter().rev().take(REPORTS) {
        let body = client.fetch_item(uid, peek(imap::proto::types::Section::WHOLE)).await?;
        let message = match body {
            Some(body) => body.bytes(READ).await.unwrap_or_default().to_vec(),
            None => Vec::new(),
        };
        if results::is_report_of(&message, &test.id) {
            return Ok(Some(Seen::Returned(message)));
        }
    }
    Ok(None)
}

/// A part, without the flag that it was read.
const fn peek(section: imap::proto::types::Section) -> FetchAtt {
    FetchAtt::BodySection { section, partial: None, peek: true }
}

/// Waits by POP3. Nothing is deleted.
async fn by_pop3(
    test: &Test,
    account: &Account,
    credentials: &Credentials,
    begun: Instant,
    until: Instant,
) -> Seen {
    let waiting = async {
        loop {
            let mut client = pop3::Client::connect(account.endpoint.clone(), credentials).await?;
            let found = look_by_pop3(test, &mut client, begun).await?;
            let _ = client.quit().await;
            if let Some(seen) = found {
                return Ok(seen);
            }
            // What comes after the login is seen at the next one only.
            sleep_until(Instant::now() + PAUSE).await;
        }
    };
    match timeout_at(until, waiting).await {
        Ok(Ok(seen)) => seen,
        Ok(Err(error)) => Seen::Failed(error),
        Err(_) => Seen::NotInTime,
    }
}

/// Whether the message, or a report of it, is among the newest.
async fn look_by_pop3(test: &Test, client: &mut pop3::Client, begun: Instant) -> Result<Option<Seen>> {
    let mut listed = client.list().await?;
    listed.sort_unstable_by_key(|one| one.number);
    for one in listed.into_iter().rev().take(NEWEST) {
        // Neither the message nor a report of it is large.
        let is_small = one.octets.is_none_or(|octets| octets <= READ as u64);
        let header = match client.top(one.number, 0).await {
            Ok(body) => body.bytes(READ).await?,
            Err(error) if error.refused().is_none() => return Err(error),
            // TOP is not there everywhere.
            Err(_) if is_small => client.retr(one.number).await?.bytes(READ).await?,
            Err(_) => continue,
        };
        if results::field(&header, "Message-ID").next().is_some_and(|value| value.contains(&test.id)) {
            return Ok(Some(Seen::Arrived(header.to_vec(), begun.elapsed())));
        }
        if is_small && results::may_be_report(&header) {
            let report = client.retr(one.number).await?.bytes(READ).await?;
            if results::is_report_of(&report, &test.id) {
                return Ok(Some(Seen::Returned(report.to_vec())));
            }
        }
    }
    Ok(None)
}

/// What the server that took the message says of SPF, DKIM and DMARC.
fn authentication(address: &str, header: &[u8]) -> Finding {
    let told: Vec<String> = results::field(header, "Authentication-Results").take(5).collect();
    let failed: Vec<_> = told.iter().flat_map(|told| results::failed(told)).collect();
    let finding = match (told.is_empty(), failed.is_empty()) {
        (true, _) => Finding::new(
            &AUTHENTICATION_RESULTS,
            address,
            "The server says nothing of SPF, DKIM and DMARC of the test message (no Authentication-Results): it did not leave the server, or is not looked at.",
        ),
        (false, true) => Finding::new(
            &AUTHENTICATION_RESULTS,
            address,
            "No check of the test message failed, of SPF, DKIM and DMARC.",
        ),
        (false, false) => Finding::new(
            &AUTHENTICATION_FAILED,
            address,
            format!("The test message does not pass {}: other servers take it for forged.", failed.join(", ")),
        )
        .with_remedy("See what is told of the records; sign messages with DKIM where they leave, and name all servers that send in SPF."),
    };
    told.into_iter().fold(finding, |finding, told| finding.with_detail("Authentication-Results", told))
}

/// A date as header fields have it: [RFC 5322 section 3.3](https://www.rfc-editor.org/rfc/rfc5322#section-3.3).
fn date(now: SystemTime) -> Option<String> {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let time = x509_cert::der::DateTime::try_from(now).ok()?;
    let days = time.unix_duration().as_secs() / 86_400;
    let day = DAYS.get(usize::try_from(days % 7).ok()?)?;
    let month = MONTHS.get(usize::from(time.month()).checked_sub(1)?)?;
    let (hour, minute, second) = (time.hour(), time.minutes(), time.seconds());
    Some(format!("{day}, {} {month} {} {hour:02}:{minute:02}:{second:02} +0000", time.day(), time.year()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let at = |seconds| date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        assert_eq!(at(0), "Thu, 1 Jan 1970 00:00:00 +0000");
        assert_eq!(at(1_796_000_000), "Mon, 30 Nov 2026 00:53:20 +0000");
    }
}

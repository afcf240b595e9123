//! Servers that fail, and what our clients make of it: each kind of fault in each protocol, by a script, at any byte and by
//! chance.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use mailwire_store::testing::{Config, Fault, MailServer, Moment};
use mailwire_transport::{
    Endpoint, Error, Protocol, Security, Timeouts, imap,
    pop3::{self, Deletions},
    smtp::{self, Envelope, Outcome},
};

const MESSAGE: &str = "Subject: Hello\r\n\r\n.dot\r\nHi!\r\n";
const ALL: [Protocol; 5] =
    [Protocol::Smtp, Protocol::Submission, Protocol::Lmtp, Protocol::Imap, Protocol::Pop3];

fn envelope() -> Envelope {
    Envelope::new("ada@example.org", ["bob@example.net", "carol@example.net"]).unwrap()
}

async fn start(faults: impl IntoIterator<Item = Fault>) -> MailServer {
    MailServer::start_with(Config::new().with_faults(faults)).await.unwrap()
}

/// A client of any protocol.
#[allow(clippy::large_enum_variant, reason = "there are few of them")]
enum Client {
    Smtp(smtp::Client),
    Imap(imap::Client),
    Pop3(pop3::Client),
}

impl Client {
    async fn connect(server: &MailServer, protocol: Protocol) -> Result<Self, Error> {
        Self::connect_to(server, server.endpoint(protocol), protocol).await
    }

    /// One that loses its patience soon.
    async fn hasty(server: &MailServer, protocol: Protocol) -> Result<Self, Error> {
        let mut timeouts = Timeouts::default();
        let soon = Duration::from_millis(150);
        (timeouts.greeting, timeouts.command, timeouts.close) = (soon, soon, soon);
        Self::connect_to(server, server.endpoint(protocol).with_timeouts(timeouts), protocol).await
    }

    async fn connect_to(server: &MailServer, endpoint: Endpoint, protocol: Protocol) -> Result<Self, Error> {
        let credentials = server.credentials();
        Ok(match protocol {
            Protocol::Imap => Self::Imap(imap::Client::connect(endpoint, &credentials).await?),
            Protocol::Pop3 => Self::Pop3(pop3::Client::connect(endpoint, &credentials).await?),
            Protocol::Submission => Self::Smtp(smtp::Client::connect(endpoint, &credentials).await?),
            Protocol::Lmtp => Self::Smtp(smtp::Client::connect_with(endpoint, smtp::Config::lmtp()).await?),
            _ => Self::Smtp(smtp::Client::connect_with(endpoint, smtp::Config::anonymous()).await?),
        })
    }

    async fn noop(&mut self) -> Result<(), Error> {
        match self {
            Self::Smtp(client) => client.noop().await,
            Self::Imap(client) => client.noop().await,
            Self::Pop3(client) => client.noop().await,
        }
    }

    async fn leave(self) -> Result<(), Error> {
        match self {
            Self::Smtp(client) => client.quit().await,
            Self::Imap(client) => client.logout().await,
            Self::Pop3(client) => client.quit().await.map(drop).map_err(|error| error.error),
        }
    }

    fn smtp(&mut self) -> &mut smtp::Client {
        match self {
            Self::Smtp(client) => client,
            _ => panic!("not SMTP"),
        }
    }

    fn imap(&mut self) -> &mut imap::Client {
        match self {
            Self::Imap(client) => client,
            _ => panic!("not IMAP"),
        }
    }

    fn pop3(&mut self) -> &mut pop3::Client {
        match self {
            Self::Pop3(client) => client,
            _ => panic!("not POP3"),
        }
    }
}

/// What a server says for now.
fn not_now(protocol: Protocol) -> Fault {
    Fault::reply(match protocol {
        Protocol::Imap => "NO [UNAVAILABLE] Not now",
        Protocol::Pop3 => "-ERR [SYS/TEMP] Not now",
        _ => "450 4.3.0 Not now",
    })
}

#[tokio::test]
async fn replies_are_what_they_are_to_be_and_the_conversation_goes_on() {
    for protocol in ALL {
        let server = start([
            not_now(protocol).before("NOOP"),
            not_now(protocol).in_place_of_answer("noop"),
            Fault::reply("* OK beside\r\n").over(Protocol::Imap).before("nothing"),
        ])
        .await;
        let mut client = Client::connect(&server, protocol).await.unwrap();
        for _ in 0..2 {
            let error = client.noop().await.unwrap_err();
            assert!(error.refused().unwrap().is_transient(), "{protocol:?}: {error}");
        }
        client.noop().await.unwrap();
        client.leave().await.unwrap();
        let moments: Vec<_> = server.faults().into_iter().map(|fault| fault.moment).collect();
        assert_eq!(moments, [Moment::Before("NOOP".into()), Moment::Answer("NOOP".into())]);
    }
}

#[tokio::test]
async fn connections_that_end_are_errors_that_pass() {
    let ends: [fn() -> Fault; 3] = [Fault::close, Fault::cut, Fault::reset];
    for protocol in ALL {
        for end in ends {
            let server = start([
                end().before("NOOP").on_connection(1),
                end().in_place_of_answer("NOOP").on_connection(2),
                end().after("NOOP").on_connection(3),
                end().on_connection(4),
            ])
            .await;
            for connection in 1..=3 {
                let mut client = Client::connect(&server, protocol).await.unwrap();
                if connection == 3 {
                    client.noop().await.unwrap();
                }
                let error = client.noop().await.unwrap_err();
                assert!(error.is_transient(), "{protocol:?} {connection}: {error}");
                assert!(client.noop().await.is_err());
            }
            assert!(Client::connect(&server, protocol).await.is_err());
            assert_eq!(server.faults().len(), 4);
        }
    }
}

#[tokio::test]
async fn goodbyes_are_told_from_lost_connections() {
    for protocol in ALL {
        let server = start([
            Fault::goodbye().before("NOOP").on_connection(1),
            Fault::goodbye().in_place_of_answer("NOOP").on_connection(2),
            Fault::goodbye().on_connection(3),
        ])
        .await;
        for _ in 0..2 {
            let mut client = Client::connect(&server, protocol).await.unwrap();
            let error = client.noop().await.unwrap_err();
            assert!(
                error.is_transient() && error.to_string().contains("going away"),
                "{protocol:?}: {error}"
            );
        }
        let error = Client::connect(&server, protocol).await.err().unwrap();
        assert!(error.to_string().contains("going away"), "{protocol:?}: {error}");
    }
}

#[tokio::test]
async fn stalls_and_nonsense_cost_no_more_than_the_client_s_patience() {
    for protocol in ALL {
        let server = start([
            Fault::stall().before("NOOP").on_connection(1),
            Fault::garbage(40).in_place_of_answer("NOOP").on_connection(2),
            Fault::stall().on_connection(3),
            Fault::delay(Duration::from_secs(3600)).in_place_of_answer("NOOP").on_connection(4),
        ])
        .await;
        for connection in 1..=4 {
            let client = Client::hasty(&server, protocol).await;
            let error = match client {
                Ok(mut client) => client.noop().await.unwrap_err(),
                Err(error) => error,
            };
            let at_greeting = connection == 3;
            assert!(at_greeting || error.refused().is_none(), "{protocol:?} {connection}: {error}");
        }
        assert_eq!(server.faults().len(), 4);
        let begun = Instant::now();
        server.shutdown().await;
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}

#[tokio::test]
async fn delays_and_slowness_are_borne() {
    let delay = Duration::from_millis(30);
    for protocol in ALL {
        let server = start([
            Fault::delay(delay).before("NOOP"),
            Fault::delay(delay).in_place_of_answer("NOOP"),
            Fault::delay(delay).after("NOOP"),
            Fault::delay(delay),
            Fault::slow(7, Duration::from_millis(1)).before("NOOP").nth(4),
        ])
        .await;
        let begun = Instant::now();
        let mut client = Client::connect(&server, protocol).await.unwrap();
        for _ in 0..5 {
            client.noop().await.unwrap();
        }
        client.leave().await.unwrap();
        assert_eq!(server.faults().len(), 5, "{protocol:?}");
        assert!(begun.elapsed() >= 4 * delay);
    }
}

#[tokio::test]
async fn the_end_can_be_without_manners() {
    for protocol in ALL {
        let server = start([Fault::without_close_notify().on_connection(1), Fault::lost_goodbye()]).await;
        let mut client = Client::connect(&server, protocol).await.unwrap();
        client.noop().await.unwrap();
        let _ = client.leave().await;
        let client = Client::connect(&server, protocol).await.unwrap();
        let _ = client.leave().await;
        assert_eq!(server.faults().len(), 2, "{protocol:?}");
    }
    // What is deleted in POP3 is not known then.
    let server = start([Fault::lost_goodbye()]).await;
    server.deliver("user@localhost", MESSAGE).unwrap();
    let mut client = Client::connect(&server, Protocol::Pop3).await.unwrap();
    client.pop3().dele(1).await.unwrap();
    let Client::Pop3(client) = client else { panic!() };
    assert_eq!(client.quit().await.unwrap_err().deletions, Deletions::Unknown);
    assert!(server.user("user@localhost").unwrap().messages("INBOX").unwrap().is_empty());
}

#[tokio::test]
async fn what_became_of_a_message_is_what_the_client_says() {
    for protocol in [Protocol::Smtp, Protocol::Submission, Protocol::Lmtp] {
        let later = "451 4.3.0 Later";
        let cases = [
            (Fault::reply(later).before("MAIL"), Outcome::Refused, 0),
            (Fault::reply(later).before("DATA"), Outcome::Refused, 0),
            (Fault::cut().before("DATA"), Outcome::NotSent, 0),
            (Fault::reply(later).before("."), Outcome::Refused, 0),
            (Fault::reply(later).in_place_of_answer("."), Outcome::Refused, 1),
            (Fault::cut().before("."), Outcome::Unknown, 0),
            (Fault::cut().in_place_of_answer("."), Outcome::Unknown, 1),
            (Fault::reset().in_place_of_answer("."), Outcome::Unknown, 1),
            (Fault::cut().after("."), Outcome::Accepted, 1),
        ];
        for (fault, outcome, kept) in cases {
            let server = start([fault.clone()]).await;
            let mut client = Client::connect(&server, protocol).await.unwrap();
            let sent = client.smtp().send(&envelope(), MESSAGE).await;
            let is_sent = sent.as_ref().is_ok_and(|sent| sent.refused.is_empty());
            assert_eq!(client.smtp().outcome(), outcome, "{protocol:?} {fault:?} {sent:?}");
            assert_eq!(is_sent, outcome == Outcome::Accepted, "{protocol:?} {fault:?}");
            assert_eq!(server.messages().len(), kept, "{protocol:?} {fault:?}");
            if matches!(fault.action, mailwire_store::testing::Action::Reply(_)) {
                let sent = client.smtp().send(&envelope(), MESSAGE).await.unwrap();
                assert!(sent.refused.is_empty(), "{protocol:?} {fault:?}");
                assert_eq!(server.messages().len(), kept + 1);
                assert_eq!(server.messages()[kept].raw, MESSAGE);
            }
        }
    }
}

#[tokio::test]
async fn one_recipient_of_a_group_can_be_refused() {
    let server = start([Fault::reply("450 4.7.1 Greylisted").before("RCPT").nth(2)]).await;
    let mut client = Client::connect(&server, Protocol::Smtp).await.unwrap();
    let sent = client.smtp().send(&envelope(), MESSAGE).await.unwrap();
    assert_eq!(sent.refused.len(), 1);
    assert_eq!(server.messages()[0].recipients(), ["bob@example.net"]);
}

#[tokio::test]
async fn large_messages_and_literals_pass_and_can_be_refused() {
    let large = Bytes::from(format!("Subject: large\r\n\r\n{}", "....0123456789abcdef\r\n".repeat(20_000)));
    let server = start([
        Fault::reply("452 4.3.1 Full").before("BDAT"),
        Fault::reply("NO [OVERQUOTA] Full").before("APPEND").times(2),
        Fault::reply("-ERR no").before("RETR"),
    ])
    .await;
    let mut client = Client::connect(&server, Protocol::Smtp).await.unwrap();
    assert!(client.smtp().send(&envelope(), large.clone()).await.is_err());
    assert!(client.smtp().send(&envelope(), large.clone()).await.unwrap().refused.is_empty());
    assert_eq!(server.messages().len(), 1);
    assert_eq!(server.messages()[0].raw, large);

    let mut client = Client::connect(&server, Protocol::Imap).await.unwrap();
    assert!(client.imap().append("INBOX", large.clone()).await.unwrap_err().refused().is_some());
    assert!(client.imap().append("INBOX", MESSAGE).await.unwrap_err().refused().is_some());
    client.imap().append("INBOX", large.clone()).await.unwrap();
    client.imap().append("INBOX", MESSAGE).await.unwrap();
    client.imap().compress().await.unwrap();
    assert_eq!(client.imap().select("INBOX").await.unwrap().exists, 2);
    client.leave().await.unwrap();

    let mut client = Client::connect(&server, Protocol::Pop3).await.unwrap();
    assert!(client.pop3().retr(1).await.is_err());
    assert_eq!(client.pop3().retr(1).await.unwrap().bytes(1 << 20).await.unwrap(), large);
    assert_eq!(client.pop3().retr(2).await.unwrap().bytes(1 << 20).await.unwrap(), MESSAGE);
    client.leave().await.unwrap();
}

/// Sends one message, and says what came of it.
async fn send(server: &MailServer, security: Security) -> Outcome {
    let endpoint = server.endpoint_with(Protocol::Smtp, security);
    let Ok(mut client) = smtp::Client::connect_with(endpoint, smtp::Config::anonymous()).await else {
        return Outcome::NotSent;
    };
    let sent = client.send(&envelope(), MESSAGE).await;
    let outcome = client.outcome();
    assert_eq!(sent.is_ok(), outcome == Outcome::Accepted, "{sent:?}");
    let _ = client.quit().await;
    outcome
}

#[tokio::test]
async fn no_byte_at_which_a_connection_is_lost_makes_a_client_lie() {
    let clear = Security::plaintext_without_encryption();
    let server = start([]).await;
    assert_eq!(send(&server, clear).await, Outcome::Accepted);
    let mut seen = HashMap::new();
    for byte in 0..700 {
        for fault in [Fault::cut().at_read(byte), Fault::reset().at_written(byte)] {
            server.clear();
            server.mend();
            server.inject(fault.clone());
            let outcome = send(&server, clear).await;
            let kept = server.messages().len();
            let fits = match outcome {
                Outcome::NotSent | Outcome::Refused => kept == 0,
                Outcome::Accepted => kept == 1,
                _ => true,
            };
            assert!(fits, "{fault:?}: {outcome:?} and {kept} kept");
            if server.faults().is_empty() {
                assert_eq!(outcome, Outcome::Accepted);
            }
            *seen.entry(outcome).or_insert(0) += 1;
        }
    }
    assert!([Outcome::NotSent, Outcome::Unknown, Outcome::Accepted].iter().all(|it| seen.contains_key(it)));
}

/// Sends messages one after the other in bad weather, each until it is accepted or nobody knows. Returns what is known of each,
/// and what happened.
async fn through(seed: u64, count: usize) -> (Vec<Outcome>, MailServer) {
    let faults = Fault::weather(0.1, Duration::from_millis(1));
    let server = MailServer::start_with(Config::new().with_faults(faults).with_seed(seed)).await.unwrap();
    let mut outcomes = Vec::new();
    let mut client: Option<Client> = None;
    for number in 0..count {
        let message = format!("Subject: {number}\r\n\r\nHi!\r\n");
        let outcome = loop {
            let mut usable = match client.take() {
                Some(client) => client,
                None => match Client::connect(&server, Protocol::Smtp).await {
                    Ok(client) => client,
                    Err(_) => continue,
                },
            };
            let sent = usable.smtp().send(&envelope(), message.clone()).await;
            let outcome = usable.smtp().outcome();
            if !matches!(sent, Err(ref error) if error.refused().is_none()) && usable.smtp().is_usable() {
                client = Some(usable);
            }
            if matches!(outcome, Outcome::Accepted | Outcome::Unknown) {
                break outcome;
            }
        };
        outcomes.push(outcome);
    }
    (outcomes, server)
}

#[tokio::test]
async fn in_bad_weather_nothing_is_lost_or_doubled() {
    let (outcomes, server) = through(7, 300).await;
    let mut kept = HashMap::<String, usize>::new();
    for message in server.messages() {
        *kept.entry(message.subject().unwrap()).or_default() += 1;
    }
    for (number, outcome) in outcomes.iter().enumerate() {
        let kept = kept.get(&number.to_string()).copied().unwrap_or(0);
        assert!(
            kept == 1 || (kept == 0 && *outcome == Outcome::Unknown),
            "{number}: {outcome:?}, {kept} kept"
        );
    }
    let unknown = outcomes.iter().filter(|outcome| **outcome == Outcome::Unknown).count();
    assert!(unknown > 0 && server.faults().len() > 50, "{unknown}, {}", server.faults().len());
}

#[tokio::test]
async fn chance_is_the_same_for_the_same_seed() {
    let what = |server: &MailServer| {
        let told = server.faults().into_iter().map(|it| (it.connection, it.action, it.moment));
        told.collect::<Vec<_>>()
    };
    let ((one, first), (two, second), (_, third)) =
        (through(1, 60).await, through(1, 60).await, through(2, 60).await);
    assert_eq!(one, two);
    assert_eq!(what(&first), what(&second));
    assert_ne!(what(&first), what(&third));
}

#[tokio::test]
async fn faults_are_each_connection_s_own() {
    let server = start([Fault::cut().before("NOOP").on_connection(3)]).await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(Client::connect(&server, Protocol::Imap).await.unwrap());
    }
    let answers: Vec<_> =
        clients.into_iter().map(|mut client| async move { client.noop().await.is_ok() }).collect();
    let mut answered = tokio::task::JoinSet::new();
    answers.into_iter().enumerate().for_each(|(number, answer)| {
        answered.spawn(async move { (number, answer.await) });
    });
    let mut answered = answered.join_all().await;
    answered.sort_unstable();
    assert_eq!(answered.iter().map(|it| it.1).collect::<Vec<_>>(), [true, true, false, true]);
}

#[tokio::test]
async fn all_connections_are_cut_at_once() {
    let server = MailServer::start().await.unwrap();
    let mut idling = Client::connect(&server, Protocol::Imap).await.unwrap();
    idling.imap().select("INBOX").await.unwrap();
    let mut idle = idling.imap().idle().await.unwrap();
    let mut others = Vec::new();
    for protocol in ALL {
        others.push(Client::connect(&server, protocol).await.unwrap());
    }
    server.inject(Fault::stall().before("NOOP").over(Protocol::Imap));
    let mut stalled = Client::connect(&server, Protocol::Imap).await.unwrap();
    let stalling = async {
        while server.faults().is_empty() {
            tokio::task::yield_now().await;
        }
        server.cut_connections();
    };
    let (stalled, ()) = tokio::join!(stalled.noop(), stalling);
    assert!(stalled.unwrap_err().is_transient());
    assert!(idle.next().await.unwrap_err().is_transient());
    for mut other in others {
        assert!(other.noop().await.unwrap_err().is_transient());
    }
    for protocol in ALL {
        let mut again = Client::connect(&server, protocol).await.unwrap();
        again.noop().await.unwrap();
        again.leave().await.unwrap();
    }
}

//! Messages to a server that cuts, delays, and answers 421 and 451 by chance, in virtual time: a thousand, and ten thousand in the
//! test that is ignored, which `.ci/run` runs.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod peer;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use mailwire_core::Channel;
use mailwire_transport::{
    Error, Payload, Result, Stream,
    pool::PoolOptions,
    sasl::Authenticator,
    smtp::{
        Client, Config, Envelope, Mailer, MailerOptions, Sent, Server,
        proto::{Host, Rcpt, Reply, ReplyCode},
        server::{self, Body, BodyError, Service, Session, Transaction},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::JoinSet,
    time::sleep,
};

/// What happens by chance, and can be had again by the same seed. (How long a mailer pauses is by another chance.)
#[derive(Clone)]
struct Dice(Arc<Mutex<u64>>);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(seed)))
    }

    /// A number below `end`.
    fn below(&self, end: u64) -> u64 {
        let mut state = self.0.lock().unwrap();
        // SplitMix64.
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    fn percent(&self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// Counts how often each message was accepted.
#[derive(Clone)]
struct Counter {
    dice: Dice,
    accepted: Arc<Mutex<HashMap<u32, u32>>>,
}

fn reply(code: u16, text: &str) -> Reply {
    Reply::new(ReplyCode::new(code).unwrap(), text)
}

impl Counter {
    /// A refusal by chance.
    fn refusal(&self) -> Option<Reply> {
        if self.dice.percent(2) {
            return Some(reply(451, "4.3.0 Not now"));
        }
        self.dice.percent(1).then(|| reply(421, "4.3.2 Going down"))
    }
}

impl Authenticator for Counter {}

impl Service for Counter {
    type Session = Self;
    type Authenticator = Self;

    fn authenticator(&self) -> &Self {
        self
    }

    async fn connect(&self, _: &server::Client) -> Result<Self, Reply> {
        match self.refusal() {
            Some(refusal) => Err(refusal),
            None => Ok(self.clone()),
        }
    }
}

impl Session for Counter {
    async fn rcpt(&mut self, _: &server::Client, _: &Rcpt) -> Reply {
        self.refusal().unwrap_or_else(|| reply(250, "2.1.5 Ok"))
    }

    async fn message(
        &mut self,
        _: &server::Client,
        _: &Transaction,
        body: &mut Body<'_>,
    ) -> Result<Reply, BodyError> {
        if self.dice.percent(1) {
            // Before all of it has come.
            return Ok(reply(451, "4.3.0 Not now"));
        }
        let message = body.bytes().await?;
        if let Some(refusal) = self.refusal() {
            return Ok(refusal);
        }
        let text = std::str::from_utf8(&message).unwrap();
        let number = text.strip_prefix("Subject: ").unwrap().lines().next().unwrap().parse().unwrap();
        assert_eq!(text, text_of(number), "a part of a message, or another");
        *self.accepted.lock().unwrap().entry(number).or_default() += 1;
        Ok(reply(250, "2.0.0 Ok"))
    }

    async fn message_for_each(
        &mut self,
        client: &server::Client,
        transaction: &Transaction,
        body: &mut Body<'_>,
    ) -> Result<Vec<Reply>, BodyError> {
        Ok(vec![self.message(client, transaction, body).await?])
    }
}

fn text_of(number: u32) -> String {
    let line = ".A line that begins with a dot.\r\n";
    format!("Subject: {number}\r\n\r\n{}", line.repeat(number as usize % 97))
}

/// Hands bytes on between two streams, with delays, and cuts both at some byte in either direction.
async fn relay(dice: Dice, mut client: DuplexStream, mut server: DuplexStream) {
    let rare = |chance, end| if dice.percent(chance) { dice.below(end) as usize } else { usize::MAX };
    let (mut up, mut down) = (rare(30, 60_000), rare(30, 3_000));
    let (mut from_client, mut from_server) = ([0; 2048], [0; 2048]);
    loop {
        if dice.below(500) == 0 {
            // Beyond what the client has patience for, now and then.
            sleep(Duration::from_secs(dice.below(400))).await;
        }
        let (read, from, to, left) = tokio::select! {
            read = client.read(&mut from_client) => (read, &from_client, &mut server, &mut up),
            read = server.read(&mut from_server) => (read, &from_server, &mut client, &mut down),
        };
        let passed = read.unwrap_or(0).min(*left);
        *left -= passed;
        if passed == 0 || to.write_all(from.get(..passed).unwrap()).await.is_err() {
            return;
        }
    }
}

/// A server, and how often each message was accepted by it.
#[derive(Clone)]
struct Faulty {
    dice: Dice,
    server: Arc<Server<Counter>>,
    accepted: Arc<Mutex<HashMap<u32, u32>>>,
    config: Config,
}

impl Faulty {
    fn new(seed: u64, lmtp: bool) -> Self {
        let dice = Dice::new(seed);
        let accepted = Arc::default();
        let counter = Counter { dice: dice.clone(), accepted: Arc::clone(&accepted) };
        let server = Server::new(counter, Host::try_from("mx.example").unwrap());
        let server = Arc::new(if lmtp { server.lmtp() } else { server });
        let config = if lmtp { Config::lmtp() } else { Config::anonymous() };
        Self { dice, server, accepted, config }
    }

    async fn connect(self) -> Result<Client> {
        if self.dice.percent(3) {
            return Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into());
        }
        let (ours, near) = tokio::io::duplex(4096);
        let (far, theirs) = tokio::io::duplex(4096);
        tokio::spawn(relay(self.dice, near, far));
        let server = self.server;
        tokio::spawn(async move {
            let _ = server.serve_stream(Stream::other(theirs), Channel::Clear).await;
        });
        Client::over(Stream::other(ours), peer::endpoint(), self.config).await
    }

    fn times(&self, number: u32) -> u32 {
        self.accepted.lock().unwrap().get(&number).copied().unwrap_or(0)
    }
}

#[derive(Debug, Default)]
struct Tally {
    sent: u32,
    refused: u32,
    lost: u32,
    in_doubt: u32,
    in_doubt_and_there: u32,
    rounds: u32,
}

/// How messages are handed over.
#[derive(Debug, Clone, Copy, PartialEq)]
enum By {
    Send,
    /// Read while they are sent.
    Reader,
    SendAll,
}

/// A mailer for this server, and what it gave.
async fn hand_over(by: By, mailer: &Mailer, faulty: &Faulty, left: Vec<u32>) -> Vec<(u32, Result<Sent>)> {
    let envelope = || Envelope::new("ada@a.example", ["bob@b.example"]).unwrap();
    if by == By::SendAll {
        let messages: Vec<_> = left.iter().map(|number| (envelope(), text_of(*number))).collect();
        let mut mailing = mailer.send_all(messages);
        let mut results = Vec::new();
        while let Some((place, result)) = mailing.next().await {
            results.push((*left.get(place).unwrap(), result));
        }
        assert_eq!(results.len(), left.len());
        return results;
    }
    let queue = Arc::new(Mutex::new(left));
    let mut senders = JoinSet::new();
    for _ in 0..32 {
        let (mailer, queue, faulty) = (mailer.clone(), queue.clone(), faulty.clone());
        senders.spawn(async move {
            let mut results = Vec::new();
            loop {
                let Some(number) = queue.lock().unwrap().pop() else { return results };
                assert_eq!(faulty.times(number), 0);
                let text = text_of(number);
                let message = match by {
                    By::Reader => Payload::from_reader(text.as_bytes(), None),
                    _ => Payload::from(text),
                };
                results.push((number, mailer.send(&envelope(), message).await));
            }
        });
    }
    senders.join_all().await.into_iter().flatten().collect()
}

/// Sends `count` messages, and those that were not accepted again, as a queue does, until each was accepted or is in
/// doubt.
async fn send_all(faulty: &Faulty, count: u32, by: By) -> Tally {
    let connect = faulty.clone();
    let pool = PoolOptions::new().with_connections(8).with_uses(40).with_wait(Duration::from_secs(3600));
    let options = MailerOptions::new().with_pool(pool.with_waiting(64));
    let mailer = Mailer::from_connector(move || connect.clone().connect(), options);
    let mut tally = Tally::default();
    let mut in_doubt = Vec::new();
    let mut left: Vec<u32> = (0..count).collect();
    while !left.is_empty() {
        tally.rounds += 1;
        for (number, result) in hand_over(by, &mailer, faulty, std::mem::take(&mut left)).await {
            let times = faulty.times(number);
            match result {
                Ok(_) => {
                    assert_eq!(times, 1, "{number} is said to be sent");
                    tally.sent += 1;
                }
                Err(Error::InDoubt(_)) => {
                    assert!(times <= 1, "{number} in doubt");
                    in_doubt.push(number);
                }
                Err(error) => {
                    assert_eq!(times, 0, "{number} is said not to be sent: {error}");
                    assert!(error.is_transient(), "{number}: {error}");
                    match error {
                        Error::Refused(_) => tally.refused += 1,
                        _ => tally.lost += 1,
                    }
                    left.push(number);
                }
            }
        }
        assert!(tally.rounds < 50, "{tally:?}");
    }
    // What is still on its way comes to its end.
    sleep(Duration::from_secs(3600)).await;
    tally.in_doubt = in_doubt.len() as u32;
    tally.in_doubt_and_there = in_doubt.iter().map(|number| faulty.times(*number)).sum();
    assert_eq!(tally.sent + tally.in_doubt, count, "{tally:?}");
    let accepted = faulty.accepted.lock().unwrap();
    assert!(accepted.values().all(|times| *times == 1), "{tally:?}");
    assert_eq!(accepted.len() as u32, tally.sent + tally.in_doubt_and_there, "{tally:?}");
    assert!(mailer.status().in_use == 0 && mailer.status().idle <= 8, "{mailer:?}");
    tally
}

/// What was to happen did: one in so many messages is refused, in doubt, and of many some in doubt and there.
fn is_bad_weather(tally: &Tally, count: u32) {
    println!("{tally:?}");
    assert!(tally.refused > count / 100, "{tally:?}");
    assert!(tally.in_doubt > count / 1000 && tally.in_doubt_and_there >= count / 2000, "{tally:?}");
}

#[tokio::test(start_paused = true)]
async fn messages_are_each_accepted_once_or_reported() {
    for (seed, by) in [(1, By::Send), (5, By::SendAll)] {
        is_bad_weather(&send_all(&Faulty::new(seed, false), 1_000, by).await, 1_000);
    }
}

#[tokio::test(start_paused = true)]
#[ignore = "a step of its own"]
async fn ten_thousand_messages_are_each_accepted_once_or_reported() {
    for (seed, by) in [(1, By::Send), (5, By::SendAll)] {
        is_bad_weather(&send_all(&Faulty::new(seed, false), 10_000, by).await, 10_000);
    }
}

#[tokio::test(start_paused = true)]
async fn so_are_those_by_lmtp_and_those_that_are_read_while_they_are_sent() {
    for (seed, lmtp, by) in
        [(2, true, By::Send), (3, false, By::Reader), (4, true, By::Reader), (6, true, By::SendAll)]
    {
        println!("{:?}", send_all(&Faulty::new(seed, lmtp), 300, by).await);
    }
}

//! Messages by a mailer to a `MailServer` that fails by chance, over real sockets: a thousand, and ten thousand in the test that is
//! ignored, which `.ci/run` runs.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{collections::HashMap, time::Duration};

use mailwire_store::testing::{Config, Fault, MailServer};
use mailwire_transport::{
    Error, Protocol, Result, Security,
    pool::PoolOptions,
    smtp::{self, Envelope, Mailer, MailerOptions, Sent},
};
use tokio::task::JoinSet;

/// What goes wrong at a command of a hundred: it is lost on the way there or back, it is late, it is refused for now, the server
/// says that it ends.
fn weather() -> Vec<Fault> {
    [
        Fault::cut().before("*"),
        Fault::reset().before("*"),
        Fault::cut().in_place_of_answer("*"),
        Fault::reset().in_place_of_answer("*"),
        // Of this one the client learns most seldom what became of the message.
        Fault::cut().in_place_of_answer("."),
        Fault::goodbye().before("*"),
        Fault::reply("421 4.3.2 Going down").in_place_of_answer("RCPT"),
        Fault::reply("451 4.3.0 Not now").before("RCPT"),
        Fault::reply("451 4.3.0 Not now").before("MAIL"),
        Fault::delay(Duration::from_millis(3)).before("*"),
    ]
    .map(|fault| fault.with_odds(0.005))
    .into()
}

fn text_of(number: usize) -> String {
    let line = ".A line that begins with a dot.\r\n";
    format!("Subject: {number}\r\n\r\n{}", line.repeat(number % 97))
}

fn envelope() -> Envelope {
    Envelope::new("ada@a.example", ["bob@b.example"]).unwrap()
}

/// How often each message was taken. None is another, or a part of one.
fn taken(server: &MailServer) -> HashMap<usize, u32> {
    let mut times = HashMap::new();
    for message in server.messages() {
        let number = message.subject().unwrap().parse().unwrap();
        assert_eq!(message.raw, text_of(number));
        *times.entry(number).or_default() += 1;
    }
    times
}

async fn one_by_one(mailer: &Mailer, left: &[usize]) -> Vec<(usize, Result<Sent>)> {
    let mut senders = JoinSet::new();
    for part in left.chunks(left.len().div_ceil(16)) {
        let (mailer, part) = (mailer.clone(), part.to_vec());
        senders.spawn(async move {
            let mut results = Vec::new();
            for number in part {
                results.push((number, mailer.send(&envelope(), text_of(number)).await));
            }
            results
        });
    }
    senders.join_all().await.into_iter().flatten().collect()
}

async fn at_once(mailer: &Mailer, left: &[usize]) -> Vec<(usize, Result<Sent>)> {
    let messages: Vec<_> = left.iter().map(|number| (envelope(), text_of(*number))).collect();
    let mut mailing = mailer.send_all(messages);
    let mut results = Vec::new();
    while let Some((place, result)) = mailing.next().await {
        results.push((left[place], result));
    }
    results
}

/// Sends so many messages, and those that were not accepted again, as a queue does: each is accepted once, or in doubt. Gives how
/// often one was refused, and how many are in doubt and there.
async fn each_is_accepted_once_or_reported(
    seed: u64,
    count: usize,
    protocol: Protocol,
    all_at_once: bool,
) -> (usize, usize) {
    let config = Config::new().with_faults(weather()).with_seed(seed);
    let server = MailServer::start_with(config).await.unwrap();
    let clear = Security::plaintext_without_encryption();
    let config = match protocol {
        Protocol::Lmtp => smtp::Config::lmtp(),
        _ => smtp::Config::anonymous(),
    };
    let pool = PoolOptions::new().with_connections(8).with_uses(40).with_wait(Duration::from_secs(60));
    let options = MailerOptions::new().with_pool(pool).with_first_pause(Duration::ZERO);
    let mailer = Mailer::with_options(server.endpoint_with(protocol, clear), config, options);
    let mut left: Vec<usize> = (0..count).collect();
    let (mut sent, mut doubtful, mut refused, mut rounds) = (Vec::new(), Vec::new(), 0, 0);
    while !left.is_empty() {
        rounds += 1;
        let results = match all_at_once {
            true => at_once(&mailer, &left).await,
            false => one_by_one(&mailer, &left).await,
        };
        assert_eq!(results.len(), left.len());
        left.clear();
        let taken = taken(&server);
        for (number, result) in results {
            let times = taken.get(&number).copied().unwrap_or(0);
            match result {
                Ok(_) => {
                    assert_eq!(times, 1, "{number} is said to be sent");
                    sent.push(number);
                }
                Err(Error::InDoubt(_)) => {
                    assert!(times <= 1, "{number} in doubt");
                    doubtful.push(number);
                }
                Err(error) => {
                    assert_eq!(times, 0, "{number} is said not to be sent: {error}");
                    assert!(error.is_transient(), "{number}: {error}");
                    refused += 1;
                    left.push(number);
                }
            }
        }
        assert!(rounds < 50, "{} left", left.len());
    }
    assert_eq!(mailer.close(Duration::from_secs(60)).await, 0);
    let taken = taken(&server);
    assert!(taken.values().all(|times| *times == 1));
    assert!(sent.iter().all(|number| taken[number] == 1));
    assert!(taken.keys().all(|number| sent.contains(number) || doubtful.contains(number)));
    let (faults, there) = (server.faults().len(), taken.len() - sent.len());
    println!(
        "{count} {protocol:?}: {faults} faults, {refused} refused, {} in doubt, {there} there",
        doubtful.len()
    );
    server.shutdown().await;
    (refused, there)
}

/// All at once, and a tenth as many in other ways.
async fn all_ways(count: usize) {
    let mut sum = (0, 0);
    for (seed, count, protocol, all_at_once) in [
        (1, count / 10, Protocol::Smtp, false),
        (2, count, Protocol::Smtp, true),
        (3, count / 10, Protocol::Lmtp, true),
    ] {
        let (refused, there) = each_is_accepted_once_or_reported(seed, count, protocol, all_at_once).await;
        sum = (sum.0 + refused, sum.1 + there);
    }
    // What was to happen did.
    assert!(sum.0 > count / 200 && sum.1 > count / 1000, "{sum:?}");
}

#[tokio::test]
async fn messages_are_each_accepted_once_or_reported() {
    all_ways(800).await;
}

#[tokio::test]
#[ignore = "a step of its own"]
async fn ten_thousand_messages_are_each_accepted_once_or_reported() {
    all_ways(10_000).await;
}

//! Sending over connections that are kept, in virtual time, to servers that follow a script.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod peer;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use mailwire_transport::{
    Error, Payload, Phase, Result,
    pool::{PoolOptions, Rate},
    smtp::{self, Client, Envelope, Mailer, MailerOptions, Sent},
};
use peer::{
    scripts::{ACCEPTED, QUIT, Scripts, envelope},
    smtp_script,
};
use tokio::time::{Instant, sleep};

async fn send(mailer: &Mailer) -> Result<Sent> {
    mailer.send(&envelope(), "Subject: x\r\n\r\nx\r\n").await
}

fn pool(options: PoolOptions) -> MailerOptions {
    MailerOptions::new().with_pool(options)
}

const SECOND: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_connection_is_used_again_and_ended_with_quit() {
    let scripts = Scripts::new([&*[ACCEPTED, ACCEPTED, ACCEPTED, QUIT].concat()]);
    let mailer = scripts.mailer(MailerOptions::new());
    let begun = Instant::now();
    for _ in 0..3 {
        let sent = send(&mailer.clone()).await.unwrap();
        assert_eq!(sent.reply.to_string(), "250 taken");
    }
    let status = mailer.status();
    assert_eq!((status.in_use, status.idle, status.waiting), (0, 1, 0));
    assert_eq!(mailer.close(GRACE).await, 0);
    assert!(matches!(send(&mailer).await, Err(Error::Closed)));
    assert_eq!((scripts.connections(), begun.elapsed()), (1, Duration::ZERO));
    scripts.finish().await;
}

#[tokio::test(start_paused = true)]
async fn after_so_many_messages_another_connection_is_made() {
    let two = [ACCEPTED, ACCEPTED, QUIT].concat();
    let scripts = Scripts::new([&*two, ACCEPTED]);
    let mailer = scripts.mailer(pool(PoolOptions::new().with_uses(2)));
    for _ in 0..3 {
        let _ = send(&mailer).await.unwrap();
    }
    scripts.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_used_is_ended_in_time() {
    let scripts = Scripts::new([&*[ACCEPTED, ACCEPTED, QUIT].concat()]);
    let mailer = scripts.mailer(pool(PoolOptions::new().with_ask_after(GRACE)));
    let _ = send(&mailer).await.unwrap();
    sleep(59 * SECOND).await;
    let _ = send(&mailer).await.unwrap();
    sleep(59 * SECOND).await;
    assert_eq!(mailer.status().idle, 1);
    sleep(2 * SECOND).await;
    assert_eq!((mailer.status().idle, mailer.status().in_use), (0, 0));
    scripts.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_old_is_ended_in_time() {
    let scripts = Scripts::new([&*[ACCEPTED, ACCEPTED, QUIT].concat(), ACCEPTED]);
    let options = PoolOptions::new().with_age(100 * SECOND).with_ask_after(GRACE);
    let mailer = scripts.mailer(pool(options));
    let _ = send(&mailer).await.unwrap();
    sleep(50 * SECOND).await;
    let _ = send(&mailer).await.unwrap();
    sleep(49 * SECOND).await;
    assert_eq!(mailer.status().idle, 1);
    sleep(2 * SECOND).await;
    assert_eq!(mailer.status().idle, 0);
    let _ = send(&mailer).await.unwrap();
    scripts.finish().await;
}

#[tokio::test(start_paused = true)]
async fn messages_keep_to_the_rate() {
    let scripts = Scripts::new([&*ACCEPTED.repeat(5)]);
    let rate = Rate::new(2, 10 * SECOND);
    let mailer = scripts.mailer(pool(PoolOptions::new().with_rate(rate)));
    let begun = Instant::now();
    let mut times = Vec::new();
    for _ in 0..5 {
        let _ = send(&mailer).await.unwrap();
        times.push(begun.elapsed().as_secs());
    }
    assert_eq!(times, [0, 0, 10, 10, 20]);
    scripts.finish().await;

    // Who would wait for too long is told.
    let scripts = Scripts::new([ACCEPTED]);
    let options = PoolOptions::new().with_rate(Rate::new(1, 60 * SECOND));
    let mailer = scripts.mailer(pool(options));
    let _ = send(&mailer).await.unwrap();
    let error = send(&mailer).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { phase: Phase::Pool, .. }), "{error}");
}

/// Whoever has waited for the rate, and then for a connection, uses it when it has that.
#[tokio::test(start_paused = true)]
async fn messages_keep_to_the_rate_when_they_have_waited_for_a_connection() {
    let scripts = Scripts::new([QUIT]);
    let long = 600 * SECOND;
    let options = PoolOptions::new().with_connections(1).with_rate(Rate::new(1, 60 * SECOND));
    let mailer = scripts.mailer(pool(options.with_wait(long).with_idle(long).with_ask_after(long)));
    let begun = Instant::now();
    let held = mailer.client().await.unwrap();
    let others = [(); 2].map(|()| {
        let mailer = mailer.clone();
        tokio::spawn(async move { mailer.client().await.map(|_| begun.elapsed()).unwrap() })
    });
    sleep(150 * SECOND).await;
    drop(held);
    let mut times = Vec::new();
    for other in others {
        times.push(other.await.unwrap());
    }
    assert_eq!(times, [150 * SECOND, 210 * SECOND]);
    assert_eq!(mailer.close(GRACE).await, 0);
    scripts.finish().await;
}

/// What goes before a message of which the server says 421 at some place, and after it.
const GOODBYES: [(&str, &str); 8] = [
    ("the greeting", "S: 421 4.3.2 going down"),
    (
        "EHLO",
        "S: 220 mx.example ESMTP
        C: EHLO localhost
        S: 421 4.3.2 going down",
    ),
    (
        "MAIL",
        "S: 220 mx.example ESMTP
        C: EHLO localhost
        S: 250-mx.example
        S: 250 PIPELINING
        C: MAIL FROM:<ada@a.example>
        S: 421 4.3.2 going down",
    ),
    (
        "RCPT",
        "S: 220 mx.example ESMTP
        C: EHLO localhost
        S: 250-mx.example
        S: 250 PIPELINING
        C: MAIL FROM:<ada@a.example>
        C: RCPT TO:<bob@b.example>
        S: 250 ok
        S: 421 4.3.2 going down",
    ),
    (
        "DATA",
        "S: 220 mx.example ESMTP
        C: EHLO localhost
        S: 250-mx.example
        S: 250 PIPELINING
        C: MAIL FROM:<ada@a.example>
        C: RCPT TO:<bob@b.example>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 421 4.3.2 going down",
    ),
    (
        "the message",
        "S: 220 mx.example ESMTP
        C: EHLO localhost
        S: 250-mx.example
        S: 250 PIPELINING
        C: MAIL FROM:<ada@a.example>
        C: RCPT TO:<bob@b.example>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 354 go
        R: message
        S: 421 4.3.2 going down",
    ),
    (
        "MAIL without PIPELINING",
        "S: 220 mx.example ESMTP
        C: EHLO localhost
        S: 250 mx.example
        C: MAIL FROM:<ada@a.example>
        S: 421 4.3.2 going down",
    ),
    (
        "DATA without PIPELINING",
        "S: 220 mx.example ESMTP
        C: EHLO localhost
        S: 250 mx.example
        C: MAIL FROM:<ada@a.example>
        S: 250 ok
        C: RCPT TO:<bob@b.example>
        S: 250 ok
        C: DATA
        S: 421 4.3.2 going down",
    ),
];

#[tokio::test(start_paused = true)]
async fn a_421_ends_a_connection_and_not_the_mailer() {
    for (place, script) in GOODBYES {
        let scripts = Scripts::raw([script, &smtp_script(ACCEPTED)]);
        let mailer = scripts.mailer(MailerOptions::new());
        let sent = send(&mailer).await;
        assert!(sent.is_ok(), "{place}: {sent:?}");
        assert_eq!(scripts.connections(), 2, "{place}");
        scripts.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_421_while_nothing_is_sent_costs_nothing() {
    let goodbye = [ACCEPTED, "S: 421 4.4.2 idle for too long"].concat();
    let scripts = Scripts::new([&*goodbye, ACCEPTED]);
    let mailer = scripts.mailer(MailerOptions::new());
    let _ = send(&mailer).await.unwrap();
    sleep(SECOND).await;
    let begun = Instant::now();
    let _ = send(&mailer).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    scripts.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_the_server_has_closed_loses_no_message() {
    let scripts = Scripts::new([ACCEPTED, ACCEPTED, ACCEPTED]);
    let mailer = scripts.mailer(MailerOptions::new());
    let begun = Instant::now();
    for _ in 0..3 {
        let _ = send(&mailer).await.unwrap();
        tokio::task::yield_now().await;
    }
    // Seen before anything is sent, and without a pause.
    assert_eq!((scripts.connections(), begun.elapsed()), (3, Duration::ZERO));
    scripts.finish().await;

    // A goodbye that came together with the answer, and a server that does not close by itself.
    let goodbye = [ACCEPTED, "S: 421 4.4.2 and that was it\nwait"].concat();
    let scripts = Scripts::new([&*goodbye, ACCEPTED]);
    let mailer = scripts.mailer(MailerOptions::new().with_attempts(1));
    for _ in 0..2 {
        let _ = send(&mailer).await.unwrap();
    }
    assert_eq!(scripts.connections(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_that_is_lost_within_the_commands_does_not_count() {
    let lost = [ACCEPTED, "C: MAIL FROM:<ada@a.example>"].concat();
    let scripts = Scripts::new([&*lost, ACCEPTED]);
    let mailer = scripts.mailer(MailerOptions::new().with_attempts(1));
    let begun = Instant::now();
    let _ = send(&mailer).await.unwrap();
    let _ = send(&mailer).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    scripts.finish().await;
}

#[tokio::test(start_paused = true)]
async fn refusals_of_a_message_come_back_as_they_are() {
    let commands = "
        C: MAIL FROM:<ada@a.example>
        C: RCPT TO:<bob@b.example>
        C: DATA
    ";
    let script = format!(
        "{commands}
        S: 250 ok
        S: 450 4.2.0 greylisted
        S: 503 no recipients
        C: RSET
        {commands}
        S: 250 reset
        S: 451 4.3.0 full
        S: 503 no sender
        S: 503 no recipients
        {commands}
        S: 250 ok
        S: 250 ok
        S: 354 go
        R: message
        S: 554 5.7.1 spam"
    );
    let scripts = Scripts::new([&*script]);
    let mailer = scripts.mailer(MailerOptions::new());
    for (command, text) in [("RCPT", "450 4.2.0"), ("MAIL", "451 4.3.0"), ("DATA", "554 5.7.1")] {
        let error = send(&mailer).await.unwrap_err();
        let refused = error.refused().unwrap_or_else(|| panic!("{error}"));
        assert_eq!(refused.command, command, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
    assert_eq!(scripts.connections(), 1);
    scripts.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_server_may_have_is_not_sent_twice() {
    let unanswered = ACCEPTED.replace("S: 250 taken", "");
    let scripts = Scripts::new([&*unanswered, ACCEPTED]);
    let mailer = scripts.mailer(MailerOptions::new());
    let error = send(&mailer).await.unwrap_err();
    assert!(matches!(error, Error::InDoubt(_)) && !error.is_transient(), "{error}");
    assert_eq!(scripts.connections(), 1);
    let _ = send(&mailer).await.unwrap();
    scripts.finish().await;
}

#[tokio::test(start_paused = true)]
async fn attempts_have_an_end_and_pauses_between_them() {
    let scripts = Scripts::new([]);
    let mailer = scripts.mailer(MailerOptions::new().with_attempts(4));
    let begun = Instant::now();
    let error = send(&mailer).await.unwrap_err();
    assert!(matches!(error, Error::Io(_)), "{error}");
    assert_eq!(scripts.connections(), 4);
    // A second, two and four, shortened by chance.
    let taken = begun.elapsed();
    assert!(taken >= SECOND * 7 / 2 && taken <= 7 * SECOND, "{taken:?}");

    // What another attempt would not mend is told at once.
    let scripts = Scripts::raw(["S: 554 5.7.1 you again"]);
    let error = send(&scripts.mailer(MailerOptions::new())).await.unwrap_err();
    assert_eq!(
        (error.refused().map(|refused| refused.command), scripts.connections()),
        (Some("the connection"), 1)
    );
}

#[tokio::test(start_paused = true)]
async fn waiting_has_an_end_and_so_has_the_queue() {
    let slow = ACCEPTED.replace("S: 250 taken", "wait");
    let scripts = Scripts::new([&*slow]);
    let options = PoolOptions::new().with_connections(1).with_waiting(2).with_wait(5 * SECOND);
    let mailer = scripts.mailer(pool(options));
    let begun = Instant::now();
    let first = tokio::spawn({
        let mailer = mailer.clone();
        async move { send(&mailer).await }
    });
    tokio::task::yield_now().await;
    let (one, two, three) = tokio::join!(send(&mailer), send(&mailer), send(&mailer));
    for waited in [one, two] {
        assert!(matches!(waited, Err(Error::Timeout { phase: Phase::Pool, .. })), "{waited:?}");
    }
    let busy = three.unwrap_err();
    assert!(matches!(busy, Error::Busy { waiting: 2, .. }) && busy.is_transient(), "{busy}");
    assert_eq!(begun.elapsed(), 5 * SECOND);
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    // The answer to its message is waited for by the next one, as long as that has patience.
    assert_eq!((mailer.status().in_use, mailer.status().idle), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn whoever_came_first_is_first() {
    let scripts = Scripts::new([&*ACCEPTED.repeat(40)]);
    let mailer = scripts.mailer(pool(PoolOptions::new().with_connections(1)));
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for number in 0..40 {
        let (mailer, order) = (mailer.clone(), order.clone());
        tasks.push(tokio::spawn(async move {
            let _ = send(&mailer).await.unwrap();
            order.lock().unwrap().push(number);
        }));
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), (0..40).collect::<Vec<_>>());
    scripts.finish().await;
}

#[tokio::test(start_paused = true)]
async fn there_are_never_more_connections_than_permitted() {
    let scripts = Scripts::new([ACCEPTED; 30]);
    let mailer = scripts.mailer(pool(PoolOptions::new().with_connections(3).with_uses(1)));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let mailer = mailer.clone();
        tasks.spawn(async move {
            let _ = send(&mailer).await.unwrap();
            let status = mailer.status();
            assert!(status.in_use + status.idle <= 3, "{status:?}");
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    assert_eq!(scripts.connections(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_message_costs_its_connection_and_nothing_else() {
    let stuck = "
        C: MAIL FROM:<ada@a.example>
        C: RCPT TO:<bob@b.example>
        C: DATA
        S: 250 ok
        wait
    ";
    let scripts = Scripts::new([stuck, ACCEPTED]);
    let mailer = scripts.mailer(pool(PoolOptions::new().with_connections(1)));
    assert!(tokio::time::timeout(SECOND, send(&mailer)).await.is_err());
    let _ = send(&mailer).await.unwrap();
    assert_eq!(scripts.connections(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_takes_no_turn() {
    let scripts = Scripts::new([&*ACCEPTED.repeat(2)]);
    let mailer = scripts.mailer(pool(PoolOptions::new().with_connections(1)));
    let lease = mailer.client().await.unwrap();
    assert!(tokio::time::timeout(SECOND, send(&mailer)).await.is_err());
    assert_eq!(mailer.status().waiting, 0);
    let next = tokio::spawn({
        let mailer = mailer.clone();
        async move { send(&mailer).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(mailer.status().waiting, 1);
    drop(lease);
    let _ = next.await.unwrap().unwrap();
    let _ = send(&mailer).await.unwrap();
    scripts.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_is_asked_after_a_while_and_given_up_if_it_is_silent() {
    let asked = [ACCEPTED, "C: NOOP\nS: 250 here\n", ACCEPTED, "C: NOOP\nwait"].concat();
    let scripts = Scripts::new([&*asked, ACCEPTED]);
    let mailer = scripts.mailer(MailerOptions::new());
    for _ in 0..2 {
        let _ = send(&mailer).await.unwrap();
        sleep(30 * SECOND).await;
    }
    let begun = Instant::now();
    let _ = send(&mailer).await.unwrap();
    assert_eq!((begun.elapsed(), scripts.connections()), (10 * SECOND, 2));
}

#[tokio::test(start_paused = true)]
async fn what_can_be_read_once_goes_over_a_connection_that_has_just_answered() {
    let reader = || Payload::from_reader(&b"Subject: x\r\n\r\nx\r\n"[..], None);
    let noop = "C: NOOP\nS: 250 here\n";
    let scripts = Scripts::new([
        &*[ACCEPTED, noop, ACCEPTED, "C: NOOP"].concat(),
        ACCEPTED,
        "C: MAIL FROM:<ada@a.example>",
    ]);
    let mailer = scripts.mailer(MailerOptions::new());
    for _ in 0..3 {
        let _ = mailer.send(&envelope(), reader()).await.unwrap();
    }
    // Not sent, and not to be sent again.
    let second = scripts.connections();
    tokio::task::yield_now().await;
    let error = mailer.send(&envelope(), reader()).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!((second, scripts.connections()), (2, 3));
    scripts.finish().await;
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_being_sent_come_to_their_end_before_it_closes() {
    let scripts = Scripts::new([&*[ACCEPTED, QUIT].concat(), QUIT]);
    let mailer = scripts.mailer(MailerOptions::new());
    let (busy, idle) = (mailer.client().await.unwrap(), mailer.client().await.unwrap());
    drop(idle);
    let closing = tokio::spawn({
        let mailer = mailer.clone();
        async move { mailer.close(GRACE).await }
    });
    sleep(SECOND).await;
    assert!(matches!(send(&mailer).await, Err(Error::Closed)));
    let mut busy = busy;
    let _ = busy.send(&envelope(), "Subject: x\r\n\r\nx\r\n").await.unwrap();
    assert!(!closing.is_finished());
    drop(busy);
    assert_eq!(closing.await.unwrap(), 0);
    scripts.finish().await;

    // Who does not come back in time is counted, and closed when it does.
    let scripts = Scripts::new([QUIT]);
    let mailer = scripts.mailer(MailerOptions::new());
    let late = mailer.client().await.unwrap();
    assert_eq!(mailer.close(SECOND).await, 1);
    drop(late);
    scripts.finish().await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_when_it_closes_is_told() {
    let scripts = Scripts::new([QUIT]);
    let mailer = scripts.mailer(pool(PoolOptions::new().with_connections(1)));
    let lease = mailer.client().await.unwrap();
    let waiting = tokio::spawn({
        let mailer = mailer.clone();
        async move { send(&mailer).await }
    });
    tokio::task::yield_now().await;
    let begun = Instant::now();
    let closing = tokio::spawn({
        let mailer = mailer.clone();
        async move { mailer.close(GRACE).await }
    });
    assert!(matches!(waiting.await.unwrap(), Err(Error::Closed)));
    assert_eq!(begun.elapsed(), Duration::ZERO);
    drop(lease);
    assert_eq!(closing.await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_somebody_elses_is_not_given_back() {
    let xclient = "
        S: 220 mx.example ESMTP
        C: EHLO localhost
        S: 250-mx.example
        S: 250 XCLIENT NAME ADDR
        C: XCLIENT ADDR=192.0.2.1
        S: 220 mx.example ESMTP
        C: EHLO localhost
        S: 250 mx.example
    ";
    let scripts = Scripts::raw([xclient, &smtp_script(ACCEPTED)]);
    let mailer = scripts.mailer(MailerOptions::new());
    let mut client = mailer.client().await.unwrap();
    let attributes = smtp::proto::extensions::xclient::Attributes::of_address([192, 0, 2, 1].into());
    client.xclient(attributes).await.unwrap();
    drop(client);
    assert_eq!(mailer.status().idle, 0);
    let _ = send(&mailer).await.unwrap();
    scripts.finish().await;
}

/// The outcome of one message is not told of the next, of which nothing is sent.
#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_sent_costs_no_connection() {
    let scripts = Scripts::new([&*[ACCEPTED, ACCEPTED, QUIT].concat()]);
    let mailer = scripts.mailer(MailerOptions::new());
    let _ = send(&mailer).await.unwrap();
    let error = mailer.send(&envelope(), "Subject: x\r\n\r\n\0\r\n").await.unwrap_err();
    assert!(matches!(error, Error::Misuse(_)), "{error:?}");
    let _ = send(&mailer).await.unwrap();
    assert_eq!((scripts.connections(), mailer.status().idle), (1, 1));
    assert_eq!(mailer.close(GRACE).await, 0);
    scripts.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_sent_has_no_outcome_of_another() {
    use smtp::{Config, Missing, Outcome};
    let scripts = smtp_script(&ACCEPTED.repeat(2));
    let config = Config::anonymous().with_missing_smtp_utf8(Missing::Drop);
    let (outcomes, error) = peer::with(&scripts, async |stream| {
        let mut client = Client::over(stream, peer::endpoint(), config).await.unwrap();
        let _ = client.send(&envelope(), "Subject: x\r\n\r\nx\r\n").await.unwrap();
        let first = client.outcome();
        let abroad = Envelope::new("ada@a.example", ["b\u{f6}b@b.example"]).unwrap();
        let error = client.send(&abroad, "Subject: x\r\n\r\nx\r\n").await.unwrap_err();
        let second = client.outcome();
        let _ = client.send(&envelope(), "Subject: x\r\n\r\nx\r\n").await.unwrap();
        assert!(client.send_message("Subject: from nobody\r\n\r\nx\r\n").await.is_err());
        ((first, second, client.outcome()), error)
    })
    .await;
    assert!(matches!(error, Error::Misuse(_)), "{error}");
    assert_eq!(outcomes, (Outcome::Accepted, Outcome::NotSent, Outcome::NotSent));
}

/// A connection that is being ended is one of those that there may be: however long the server takes for that.
#[tokio::test(start_paused = true)]
async fn a_connection_that_is_being_ended_counts() {
    let slow = [ACCEPTED, "C: QUIT\nwait"].concat();
    let scripts = Scripts::new([&*slow, ACCEPTED]);
    let options = PoolOptions::new().with_connections(1).with_idle(10 * SECOND).with_wait(GRACE);
    let mailer = scripts.mailer(pool(options));
    let _ = send(&mailer).await.unwrap();
    sleep(11 * SECOND).await;
    assert_eq!((mailer.status().in_use, mailer.status().idle), (1, 0));
    let next = tokio::spawn({
        let mailer = mailer.clone();
        async move { send(&mailer).await }
    });
    tokio::task::yield_now().await;
    assert_eq!((scripts.connections(), mailer.status().waiting), (1, 1));
    // Its patience has an end.
    let _ = next.await.unwrap().unwrap();
    assert_eq!(scripts.connections(), 2);
}

#[tokio::test(start_paused = true)]
async fn connections_that_are_ended_when_it_closes_count() {
    let slow = [ACCEPTED, "C: QUIT\nwait"].concat();
    let scripts = Scripts::new([&*slow]);
    let mailer = scripts.mailer(MailerOptions::new());
    let _ = send(&mailer).await.unwrap();
    let closing = tokio::spawn({
        let mailer = mailer.clone();
        async move { mailer.close(SECOND / 2).await }
    });
    tokio::task::yield_now().await;
    assert_eq!((mailer.status().in_use, mailer.status().idle), (1, 0));
    // It was not in use by anybody.
    assert_eq!((closing.await.unwrap(), mailer.status().in_use), (0, 0));
}

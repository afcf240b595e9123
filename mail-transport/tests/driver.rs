//! The driver against a toy protocol: cuts, cancellation, memory, writes, clocks.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::{
    io,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use mailwire_core::{Error, Upgrade};
use mailwire_transport::{Driver, DriverConfig, DriverError, Step};
use support::{Script, Toy};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

type Scripted = Driver<Script, Toy>;

/// Runs a server that answers each command `re: ...`, and lists what happened.
async fn serve(driver: &mut Scripted) -> Vec<String> {
    let mut log = Vec::new();
    loop {
        match driver.next().await {
            Ok(Step::Event(line)) => {
                driver.connection_mut().reply(&format!("re: {line}"));
                log.push(line);
            }
            Ok(Step::Blocked) => unreachable!("everything is answered at once"),
            Ok(step) => {
                log.push(format!("{step:?}"));
                return log;
            }
            Err(error) => {
                log.push(format!("{error}"));
                return log;
            }
        }
    }
}

const CONVERSATIONS: [&[u8]; 5] = [
    b"one\r\ntwo\r\n\r\nthree\r\n",
    b"one\r\ncut off",
    b"one\r\nSTARTTLS\r\n",
    b"one\r\nSTARTTLS\r\ninjected\r\n",
    b"",
];

#[tokio::test]
async fn every_cut_gives_the_same_events() {
    for input in CONVERSATIONS {
        let mut whole = Driver::new(Script::new([input]), Toy::server());
        let expected = serve(&mut whole).await;
        let written = whole.into_parts().0.written;
        for hesitant in [false, true] {
            for write_at_most in [1, 3, usize::MAX] {
                for cut in 0..=input.len() {
                    // A cut right after STARTTLS is not seen as an injection by this machine, but
                    // by the driver or the handshake: `tls.rs` has that over sockets.
                    let mut script = Script::new([&input[..cut], &input[cut..]]);
                    if input.ends_with(b"injected\r\n") && cut == input.len() - 10 {
                        continue;
                    }
                    script.hesitant = hesitant;
                    script.write_at_most = write_at_most;
                    let mut driver = Driver::new(script, Toy::server());
                    assert_eq!(serve(&mut driver).await, expected, "cut at {cut}");
                    assert_eq!(driver.into_parts().0.written, written);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_call_dropped_at_every_await_loses_nothing() {
    for input in CONVERSATIONS {
        // Hesitant streams say "pending" before each answer; each "pending" drops the future.
        let mut script = Script::new(input.chunks(1));
        script.hesitant = true;
        script.write_at_most = 2;
        let mut driver = Driver::new(script, Toy::server());
        let mut cx = Context::from_waker(Waker::noop());
        let (mut log, mut dropped) = (Vec::new(), 0);
        loop {
            let polled = {
                let mut next = Box::pin(driver.next());
                next.as_mut().poll(&mut cx)
            };
            match polled {
                Poll::Pending => dropped += 1,
                Poll::Ready(Ok(Step::Event(line))) => {
                    driver.connection_mut().reply(&format!("re: {line}"));
                    log.push(line);
                }
                Poll::Ready(Ok(step)) => {
                    log.push(format!("{step:?}"));
                    break;
                }
                Poll::Ready(Err(error)) => {
                    log.push(format!("{error}"));
                    break;
                }
            }
        }
        let Script { written, reads, .. } = driver.into_parts().0;
        assert!(dropped >= input.len() - reads.len());

        let mut whole = Driver::new(Script::new(input.chunks(1)), Toy::server());
        let expected = serve(&mut whole).await;
        assert_eq!((log, written), (expected, whole.into_parts().0.written));
    }
}

#[tokio::test]
async fn a_group_of_commands_is_one_write() {
    let mut toy = Toy::client();
    for _ in 0..20 {
        toy.send("command");
    }
    toy.append(Bytes::from(vec![b'x'; 2000]));
    toy.send("command");
    let replies = b"ok\r\n".repeat(21);
    let mut driver = Driver::new(Script::new([&replies[..]]), toy);
    for _ in 0..21 {
        assert_eq!(driver.next().await.unwrap(), Step::Event("ok".into()));
    }
    assert_eq!(driver.next().await.unwrap(), Step::Blocked);
    assert_eq!(driver.stream().writes, 1);
}

#[tokio::test]
async fn replies_to_a_group_are_one_write() {
    let mut script = Script::new([&b"a\r\nb\r\nc\r\n"[..]]);
    script.ends = false;
    let mut driver = Driver::new(script, Toy::server());
    for _ in 0..3 {
        let Step::Event(line) = driver.next().await.unwrap() else { unreachable!() };
        driver.connection_mut().reply(&line);
    }
    let pending = tokio::time::timeout(Duration::ZERO, driver.next()).await;
    assert!(pending.is_err());
    assert_eq!(driver.stream().writes, 1);
    assert_eq!(driver.stream().written, b"a\r\nb\r\nc\r\n");
}

#[tokio::test]
async fn nobody_reads_while_it_is_the_callers_move() {
    let flood = b"command\r\n".repeat(100_000);
    let mut driver = Driver::new(Script::new([&flood[..]]), Toy::server());
    let Step::Event(_) = driver.next().await.unwrap() else { unreachable!() };
    for _ in 0..10 {
        assert_eq!(driver.next().await.unwrap(), Step::Blocked);
    }
    let left: usize = driver.stream().reads.iter().map(Vec::len).sum();
    assert!(flood.len() - left <= driver.config().read_at_most, "read {}", flood.len() - left);
}

#[tokio::test]
async fn reading_stays_within_the_buffer() {
    let flood = b"command\r\n".repeat(200_000);
    let mut driver = Driver::new(Script::new([&flood[..]]), Toy::server());
    while let Step::Event(line) = driver.next().await.unwrap() {
        driver.connection_mut().reply(&line);
        assert!(driver.buffered() <= 2 * driver.config().read_at_most);
    }
    assert_eq!(driver.into_parts().0.written, flood);
}

#[tokio::test]
async fn an_endless_line_ends_the_conversation_within_the_limit() {
    let mut driver = Driver::new(Script::new([&[b'x'; 1_000_000][..]]), Toy::server());
    for _ in 0..2 {
        let error = driver.next().await.unwrap_err();
        assert!(matches!(error, DriverError::Protocol(Error::LineTooLong { limit: 1000 })));
    }
    let script = driver.into_parts().0;
    assert_eq!(script.written, b"fatal\r\n", "the last reply is drained");
    assert!(script.shut);
    let left: usize = script.reads.iter().map(Vec::len).sum();
    assert!(1_000_000 - left <= 128 * 1024);
}

#[tokio::test]
async fn full_buffers_on_both_sides_do_not_deadlock() {
    // Pipes of 64 bytes, and a client that sends all its commands before it reads a reply.
    let (a, b) = duplex(64);
    let mut toy = Toy::client();
    for _ in 0..2000 {
        toy.send("a command of a certain length");
    }
    let mut client = Driver::new(a, toy);
    let server = tokio::spawn(async move {
        let mut driver = Driver::new(b, Toy::server());
        let mut count = 0;
        while let Step::Event(line) = driver.next().await.unwrap() {
            driver.connection_mut().reply(&line.repeat(3));
            count += 1;
        }
        count
    });
    for _ in 0..2000 {
        let Step::Event(line) = client.next().await.unwrap() else { unreachable!() };
        assert_eq!(line.len(), 87);
    }
    drop(client);
    assert_eq!(server.await.unwrap(), 2000);
}

#[tokio::test]
async fn the_last_words_of_a_peer_that_reads_no_more_are_heard() {
    let mut toy = Toy::client();
    toy.send("hello");
    let mut script = Script::new([&b"421 going away\r\n"[..]]);
    script.write_error = Some(io::ErrorKind::BrokenPipe);
    let mut driver = Driver::new(script, toy);
    assert_eq!(driver.next().await.unwrap(), Step::Event("421 going away".into()));
    for _ in 0..2 {
        assert!(matches!(driver.next().await.unwrap_err(), DriverError::Io(error)
            if matches!(error.kind(), io::ErrorKind::BrokenPipe)));
    }
    assert!(driver.is_broken());
}

#[tokio::test]
async fn an_upgrade_keeps_no_byte_of_before() {
    let mut toy = Toy::client();
    toy.send("STARTTLS");
    let mut driver = Driver::new(Script::new([&b"GO\r\n"[..]]), toy);
    assert_eq!(driver.next().await.unwrap(), Step::Upgrade(Upgrade::Tls));
    assert_eq!(driver.next().await.unwrap(), Step::Upgrade(Upgrade::Tls), "until it is done");
    let mut driver = driver.replace_stream(|_, _| Script::new([&b"ok\r\n"[..]])).unwrap();
    assert_eq!(driver.connection().upgrades, 1);
    driver.connection_mut().send("hello");
    assert_eq!(driver.next().await.unwrap(), Step::Event("ok".into()));
}

#[tokio::test]
async fn a_handshake_that_fails_or_is_dropped_leaves_no_stream() {
    for fails in [true, false] {
        let mut toy = Toy::client();
        toy.send("STARTTLS");
        let mut driver = Driver::new(Script::new([&b"GO\r\n"[..]]), toy);
        assert_eq!(driver.next().await.unwrap(), Step::Upgrade(Upgrade::Tls));
        let handshake = driver.upgrade_in_place(Script::default(), |_, _| async {
            if fails {
                Err(DriverError::Io(io::ErrorKind::InvalidData.into()))
            } else {
                std::future::pending().await
            }
        });
        assert!(!matches!(tokio::time::timeout(Duration::ZERO, handshake).await, Ok(Ok(()))));
        assert_eq!(driver.connection().upgrades, 0);
        assert!(matches!(driver.next().await.unwrap_err(), DriverError::Io(_)));
    }
}

/// A driver whose machine has something to say and waits for a minute, and its peer.
fn greeting_within_a_minute() -> (Driver<DuplexStream, Toy>, DuplexStream) {
    let (a, b) = duplex(1000);
    let mut toy = Toy::client();
    toy.timeout = Some(Duration::from_secs(60));
    toy.send("hello");
    (Driver::new(a, toy), b)
}

#[tokio::test(start_paused = true)]
async fn silence_ends_in_the_machines_time() {
    let (mut driver, mut b) = greeting_within_a_minute();
    let start = tokio::time::Instant::now();
    let peer = async {
        // Bytes that move start the time anew.
        tokio::time::sleep(Duration::from_secs(50)).await;
        b.write_all(b"a part").await.unwrap();
        std::future::pending::<()>().await;
    };
    let error = tokio::select! { result = driver.next() => result.unwrap_err(), () = peer => unreachable!() };
    assert!(matches!(error, DriverError::Protocol(Error::TimedOut { .. })));
    let seconds = start.elapsed().as_secs();
    assert!((110..=120).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn one_byte_a_second_is_not_progress_for_ever() {
    let (mut driver, mut b) = greeting_within_a_minute();
    driver.config_mut().step_deadline = Some(Duration::from_secs(180));
    let start = tokio::time::Instant::now();
    let tarpit = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            b.write_all(b"x").await.unwrap();
        }
    };
    let error =
        tokio::select! { result = driver.next() => result.unwrap_err(), () = tarpit => unreachable!() };
    assert!(matches!(error, DriverError::Protocol(Error::TimedOut { .. })));
    let seconds = start.elapsed().as_secs();
    assert!((180..=195).contains(&seconds), "{seconds}");
}

/// Serves lines of which the first is the beginning of something that goes on: each line but the last is a part.
async fn seconds_of_parts(least_rate: u32, bytes_a_second: usize) -> u64 {
    let (a, mut b) = duplex(100_000);
    let mut toy = Toy::server();
    toy.timeout = Some(Duration::from_secs(60));
    let mut driver = Driver::new(a, toy);
    driver.config_mut().step_deadline = Some(Duration::from_secs(180));
    driver.config_mut().least_rate = least_rate;
    let line = [b"part ".repeat(bytes_a_second), b"\r\n".to_vec()].concat();
    let line = line[line.len() - bytes_a_second..].to_vec();
    let start = tokio::time::Instant::now();
    let sender = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            b.write_all(&line).await.unwrap();
        }
    };
    let server = async {
        loop {
            match driver.next().await {
                Ok(Step::Event(_)) => driver.connection_mut().due = 0,
                Ok(step) => unreachable!("{step:?}"),
                Err(error) => return error,
            }
        }
    };
    let server = tokio::time::timeout(Duration::from_secs(10_000), server);
    let ended = tokio::select! { ended = server => ended, () = sender => unreachable!() };
    assert!(!matches!(ended, Ok(DriverError::Io(_))), "{ended:?}");
    start.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn parts_of_a_whole_do_not_start_its_time_anew() {
    // Ten bytes a second, where each hundred give a second more: a tenth more in all.
    let seconds = seconds_of_parts(100, 10).await;
    assert!((195..=205).contains(&seconds), "{seconds}");
    let seconds = seconds_of_parts(0, 10).await;
    assert!((175..=185).contains(&seconds), "without a rate, length gives no time: {seconds}");
    let seconds = seconds_of_parts(100, 200).await;
    assert_eq!(seconds, 10_000, "who is fast enough may go on");
}

#[tokio::test(start_paused = true)]
async fn a_reader_of_a_byte_a_second_is_given_up() {
    let (a, mut b) = duplex(16);
    let mut toy = Toy::server();
    toy.timeout = Some(Duration::from_secs(60));
    toy.append(Bytes::from(vec![b'x'; 1_000_000]));
    let mut driver = Driver::new(a, toy);
    driver.config_mut().step_deadline = Some(Duration::from_secs(180));
    let start = tokio::time::Instant::now();
    let reader = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            b.read_u8().await.unwrap();
        }
    };
    let error =
        tokio::select! { result = driver.next() => result.unwrap_err(), () = reader => unreachable!() };
    assert!(matches!(error, DriverError::Protocol(Error::TimedOut { .. })));
    let seconds = start.elapsed().as_secs();
    assert!((180..=200).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn dropping_and_calling_again_does_not_wind_the_clock_back() {
    let (a, _b) = duplex(1000);
    let mut toy = Toy::client();
    toy.timeout = Some(Duration::from_secs(60));
    toy.send("hello");
    let mut driver = Driver::new(a, toy);
    let start = tokio::time::Instant::now();
    let error = loop {
        if let Ok(result) = tokio::time::timeout(Duration::from_secs(1), driver.next()).await {
            break result.unwrap_err();
        }
    };
    assert!(matches!(error, DriverError::Protocol(Error::TimedOut { .. })));
    assert!((60..=75).contains(&start.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn the_callers_own_time_is_not_the_peers() {
    let (a, mut b) = duplex(1000);
    let mut toy = Toy::server();
    toy.timeout = Some(Duration::from_secs(60));
    let mut driver = Driver::new(a, toy);
    b.write_all(b"one\r\n").await.unwrap();
    assert_eq!(driver.next().await.unwrap(), Step::Event("one".into()));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    driver.connection_mut().reply("done at last");
    let peer = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        b.write_all(b"two\r\n").await.unwrap();
    };
    let (step, ()) = tokio::join!(driver.next(), peer);
    assert_eq!(step.unwrap(), Step::Event("two".into()));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_given_up() {
    let (a, _b) = duplex(16);
    let mut toy = Toy::client();
    toy.send("a line that does not fit into the pipe");
    let mut driver = Driver::new(a, toy);
    assert!(matches!(driver.next().await.unwrap_err(), DriverError::Io(error)
        if error.kind() == io::ErrorKind::TimedOut));

    // The last reply of a failed connection is not waited for without end either.
    let (a, mut b) = duplex(4);
    let mut toy = Toy::server();
    toy.timeout = Some(Duration::from_secs(60));
    let mut driver = Driver::with_config(a, toy, DriverConfig::server());
    let start = tokio::time::Instant::now();
    assert!(matches!(driver.next().await.unwrap_err(), DriverError::Protocol(Error::TimedOut { .. })));
    assert!(start.elapsed() < Duration::from_secs(60 + 15));
    let mut got = [0; 4];
    b.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"fata");
}

#[tokio::test(start_paused = true)]
async fn a_machine_may_go_on_after_its_time() {
    let (a, mut b) = duplex(100);
    let mut toy = Toy::server();
    toy.timeout = Some(Duration::from_secs(10));
    toy.patient = true;
    let mut driver = Driver::new(a, toy);
    let peer = async {
        tokio::time::sleep(Duration::from_secs(35)).await;
        b.write_all(b"late\r\n").await.unwrap();
    };
    let (step, ()) = tokio::join!(driver.next(), peer);
    assert_eq!(step.unwrap(), Step::Event("late".into()));
    assert_eq!(driver.connection().timeouts, 3);
}

#[tokio::test]
async fn flush_writes_without_reading() {
    let (a, mut b) = duplex(100);
    let mut toy = Toy::client();
    toy.send("hello");
    let mut driver = Driver::new(a, toy);
    b.write_all(b"unread\r\n").await.unwrap();
    driver.flush().await.unwrap();
    let mut got = [0; 7];
    b.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"hello\r\n");
    assert_eq!(driver.buffered(), 0);
}

#[test]
fn debug_shows_no_byte() {
    let mut toy = Toy::client();
    toy.send("PASS tanstaaf");
    let driver = Driver::new(Script::default(), toy);
    assert!(!format!("{driver:?}").contains("tanstaaf"));
}

#[tokio::test]
async fn the_last_reply_reaches_a_client_that_is_still_sending() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut driver = Driver::with_config(stream, Toy::server(), DriverConfig::server());
        let error = driver.next().await.unwrap_err();
        assert!(matches!(error, DriverError::Protocol(Error::LineTooLong { .. })));
    });
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    // Without lingering, these unread bytes would make the server's system reset the connection.
    client.write_all(&[b'x'; 600_000]).await.unwrap();
    client.shutdown().await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "fatal\r\n");
    server.await.unwrap();
}

/// A machine that says `NeedInput` while its body is on the way hears a reply that comes before the
/// body's end.
#[tokio::test]
async fn a_reply_that_overtakes_a_body_is_heard() {
    let (a, mut b) = duplex(64);
    let mut toy = Toy::client();
    toy.send("BODY");
    toy.append(Bytes::from(vec![b'x'; 100_000]));
    let mut driver = Driver::new(a, toy);
    b.write_all(b"552 too much\r\n").await.unwrap();
    assert_eq!(driver.next().await.unwrap(), Step::Event("552 too much".into()));
}

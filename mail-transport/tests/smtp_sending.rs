//! Messages by DATA, BDAT and LMTP, one by one and in a row, and connections that are cut at every byte.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests"
)]

mod peer;

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
};

use bytes::Bytes;
use mailwire_core::{Channel, Misuse, NotOffered};
use mailwire_transport::{
    Error, Payload, Stream,
    sasl::Authenticator,
    smtp::{
        Client, Config, Envelope, Outcome, Server,
        proto::{BodyType, Capability, Host, Mail, Mailbox, Rcpt, Reply, ReplyCode},
        server::{self, Body, BodyError, Service, Session, Transaction},
    },
};
use peer::{endpoint, smtp, smtp_script, with};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// Keeps the messages that it has accepted, and for whom.
#[derive(Clone, Default)]
struct Keeper(Arc<Mutex<Vec<Bytes>>>, Arc<Mutex<Vec<(Bytes, String)>>>);

impl Authenticator for Keeper {}

impl Service for Keeper {
    type Session = Self;
    type Authenticator = Self;

    fn authenticator(&self) -> &Self {
        self
    }

    async fn connect(&self, _: &server::Client) -> Result<Self, Reply> {
        Ok(self.clone())
    }
}

fn reply(code: u16, text: &str) -> Reply {
    Reply::new(ReplyCode::new(code).unwrap(), text)
}

fn is(rcpt: &Rcpt, local_part: &str) -> bool {
    rcpt.to.mailbox().is_some_and(|mailbox| mailbox.local_part() == local_part)
}

impl Session for Keeper {
    async fn rcpt(&mut self, _: &server::Client, rcpt: &Rcpt) -> Reply {
        if is(rcpt, "nobody") { reply(550, "5.1.1 No") } else { reply(250, "2.1.5 Ok") }
    }

    async fn message(
        &mut self,
        _: &server::Client,
        transaction: &Transaction,
        body: &mut Body<'_>,
    ) -> Result<Reply, BodyError> {
        if transaction.mail.from.mailbox().is_some_and(|from| from.local_part() == "unread") {
            return Ok(reply(451, "4.3.0 Not now"));
        }
        let message = body.bytes().await?;
        if message.starts_with(b"Subject: no") {
            return Ok(reply(554, "5.7.1 No"));
        }
        let recipients = transaction.recipients.iter().map(|rcpt| (message.clone(), rcpt.to.to_string()));
        self.1.lock().unwrap().extend(recipients);
        self.0.lock().unwrap().push(message);
        Ok(reply(250, "2.0.0 Ok"))
    }

    async fn message_for_each(
        &mut self,
        client: &server::Client,
        transaction: &Transaction,
        body: &mut Body<'_>,
    ) -> Result<Vec<Reply>, BodyError> {
        let all = self.message(client, transaction, body).await?;
        if !transaction.recipients.iter().any(|rcpt| is(rcpt, "full")) {
            return Ok(vec![all]);
        }
        let full = |rcpt| if is(rcpt, "full") { reply(452, "4.2.2 Full") } else { all.clone() };
        Ok(transaction.recipients.iter().map(full).collect())
    }
}

/// Copies between two streams, and cuts both after so many bytes from the client, or to it.
async fn cut(mut client: DuplexStream, mut server: DuplexStream, mut up: usize, mut down: usize) {
    let (mut from_client, mut from_server) = ([0; 4096], [0; 4096]);
    while up > 0 && down > 0 {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let passed = read.unwrap_or(0).min(up);
                up -= passed;
                if passed == 0 || server.write_all(&from_client[..passed]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut from_server) => {
                let passed = read.unwrap_or(0).min(down);
                down -= passed;
                if passed == 0 || client.write_all(&from_server[..passed]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Runs `client` against a server whose connection is cut, and gives what the server has accepted.
async fn against<T>(
    configure: impl Fn(Server<Keeper>) -> Server<Keeper>,
    limits: (usize, usize),
    client: impl AsyncFnOnce(Stream) -> T,
) -> (T, Vec<Bytes>) {
    let (result, keeper) = against_keeper(configure, limits, client).await;
    let kept = keeper.0.lock().unwrap().clone();
    (result, kept)
}

async fn against_keeper<T>(
    configure: impl Fn(Server<Keeper>) -> Server<Keeper>,
    (up, down): (usize, usize),
    client: impl AsyncFnOnce(Stream) -> T,
) -> (T, Keeper) {
    let keeper = Keeper::default();
    let server = configure(Server::new(keeper.clone(), Host::try_from("mx.example").unwrap()));
    let (ours, near) = tokio::io::duplex(1 << 16);
    let (far, theirs) = tokio::io::duplex(1 << 16);
    let (result, _, ()) = tokio::join!(
        client(Stream::other(ours)),
        server.serve_stream(Stream::other(theirs), Channel::Clear),
        cut(near, far, up, down)
    );
    (result, keeper)
}

#[derive(Debug, Clone, Copy)]
struct Way {
    binary: bool,
    lmtp: bool,
    pipelining: bool,
}

const WAYS: [Way; 6] = [
    Way { binary: false, lmtp: false, pipelining: true },
    Way { binary: true, lmtp: false, pipelining: true },
    Way { binary: false, lmtp: true, pipelining: true },
    Way { binary: true, lmtp: true, pipelining: true },
    Way { binary: false, lmtp: false, pipelining: false },
    Way { binary: true, lmtp: false, pipelining: false },
];

impl Way {
    fn server(self, server: Server<Keeper>) -> Server<Keeper> {
        let server = server.binary_mime();
        if self.lmtp { server.lmtp() } else { server }
    }

    async fn client(self, stream: Stream) -> mailwire_transport::Result<Client> {
        let config = if self.lmtp { Config::lmtp() } else { Config::anonymous() };
        Client::over(stream, endpoint(), config.with_pipelining(self.pipelining)).await
    }

    fn envelope(self, to: &[&str]) -> Envelope {
        let mut mail = Mail::new(Mailbox::try_from("ada@a.example").unwrap());
        if self.binary {
            mail.body = Some(BodyType::BinaryMime);
        }
        Envelope::from_commands(mail, to.iter().map(|to| Rcpt::new(Mailbox::try_from(*to).unwrap())))
    }

    /// A message of two parts, which BDAT sends as chunks.
    fn message(subject: &'static str) -> Payload<'static> {
        Payload::from_reader(subject.as_bytes().chain(&b"\r\n\r\n.\r\n"[..]), None)
    }

    /// Sends `subjects` in a row, and gives what is known of each.
    async fn send(self, stream: Stream, subjects: &[&'static str]) -> Vec<(bool, Outcome)> {
        let Ok(mut client) = self.client(stream).await else {
            return subjects.iter().map(|_| (false, Outcome::NotSent)).collect();
        };
        let messages = subjects.iter().map(|subject| {
            let to = if subject.ends_with('?') {
                &["nobody@b.example"][..]
            } else {
                &["bob@b.example", "carol@b.example"]
            };
            (self.envelope(to), Self::message(subject))
        });
        let mut sending = client.send_all(messages);
        let mut known = Vec::new();
        while let Some(result) = sending.next().await {
            known.push((result.is_ok(), sending.outcome()));
        }
        known
    }
}

/// Nothing is lost, nothing comes twice, and the caller knows.
#[tokio::test(start_paused = true)]
async fn a_connection_that_is_cut_at_any_byte_leaves_no_doubt_beyond_the_unknown() {
    let subjects = ["Subject: 1", "Subject: no", "Subject: 2?", "Subject: 3"];
    for way in WAYS {
        let mut unknown = 0;
        for upwards in [true, false] {
            let mut whole = false;
            let mut at = 0;
            while !whole {
                at += 1;
                let limits = if upwards { (at, usize::MAX) } else { (usize::MAX, at) };
                let serve = |server| way.server(server);
                let (known, kept) =
                    against(serve, limits, async |stream| way.send(stream, &subjects).await).await;
                assert_eq!(known.len(), subjects.len(), "{way:?} {limits:?}");
                for (subject, (sent, outcome)) in subjects.iter().zip(&known) {
                    let count = kept.iter().filter(|kept| kept.starts_with(subject.as_bytes())).count();
                    let at = format!("{way:?} {limits:?} {subject} {known:?}");
                    match outcome {
                        Outcome::Accepted => assert!(*sent && count == 1, "{at}"),
                        Outcome::NotSent | Outcome::Refused => assert!(!sent && count == 0, "{at}"),
                        Outcome::Unknown => assert!(!sent && count <= 1, "{at}"),
                    }
                }
                let in_doubt = known.iter().filter(|(_, outcome)| *outcome == Outcome::Unknown).count();
                assert!(in_doubt <= 1, "one message at most waits for its answer: {known:?}");
                unknown += in_doubt;
                whole = kept.len() == 2 && known.iter().filter(|(sent, _)| *sent).count() == 2;
                assert!(at < 10_000, "{way:?} {known:?}");
            }
        }
        assert!(unknown > 0);
    }
}

#[tokio::test]
async fn messages_of_any_bytes_go_by_bdat() {
    let binary = Way { binary: true, lmtp: false, pipelining: true };
    let message = Bytes::from_iter((0..300_000u32).map(|at| (at % 251) as u8).chain(*b"\r\n.\r\n\0\r"));
    let (sent, kept) = against(Server::binary_mime, (usize::MAX, usize::MAX), async |stream| {
        let mut client = binary.client(stream).await.unwrap();
        client.send(&binary.envelope(&["bob@b.example"]), message.clone()).await
    })
    .await;
    assert_eq!(sent.unwrap().reply.code(), ReplyCode::OK);
    assert!(kept == [message]);

    // A server that does not offer it is not asked.
    let (sent, kept) = against(
        |server| server,
        (usize::MAX, usize::MAX),
        async |stream| {
            let mut client = binary.client(stream).await.unwrap();
            let sent = client.send(&binary.envelope(&["bob@b.example"]), "x\r\n").await;
            assert!(client.is_usable());
            sent
        },
    )
    .await;
    let error = sent.unwrap_err();
    assert!(
        matches!(error, Error::Misuse(Misuse::NotOffered(NotOffered::Extension("BINARYMIME")))),
        "{error}"
    );
    assert!(kept.is_empty());
}

#[tokio::test]
async fn prdr_has_a_result_for_each_recipient() {
    let whole = (usize::MAX, usize::MAX);
    for way in [Way { binary: false, ..WAYS[0] }, Way { binary: true, ..WAYS[0] }] {
        let (_, kept) = against(
            |server| server.binary_mime().with_extension(Capability::Prdr).unwrap(),
            whole,
            async |stream| {
                let mut client = way.client(stream).await.unwrap();
                let send = |to: &[&str]| {
                    let envelope = way.envelope(to);
                    Envelope::from_commands(
                        envelope.mail().clone().with_prdr(true),
                        envelope.recipients().to_vec(),
                    )
                };
                let sent = client
                    .send(&send(&["bob@b.example", "full@b.example", "carol@b.example"]), "1\r\n")
                    .await;
                let sent = sent.unwrap();
                assert_eq!(sent.reply.code(), ReplyCode::OK);
                let refused: Vec<_> = sent.refused.iter().map(|it| it.recipient.to_string()).collect();
                assert_eq!(refused, ["<full@b.example>"]);
                let sent = client.send(&send(&["bob@b.example", "carol@b.example"]), "2\r\n").await.unwrap();
                assert!(sent.refused.is_empty());
                client.quit().await.unwrap();
            },
        )
        .await;
        assert_eq!(kept.len(), 2);
    }
}

/// RFC 2033: the answers that came count, though the connection is lost before the others.
#[tokio::test(start_paused = true)]
async fn answers_of_lmtp_count_though_the_rest_is_lost() {
    let script = |answers: &str| {
        format!(
            "S: 220 mx.example LMTP
            C: LHLO localhost
            S: 250 mx.example
            C: MAIL FROM:<ada@a.example>
            S: 250 ok
            C: RCPT TO:<bob@b.example>
            S: 250 ok
            C: RCPT TO:<nobody@b.example>
            S: 550 5.1.1 nobody
            C: RCPT TO:<carol@b.example>
            S: 250 ok
            C: RCPT TO:<dave@b.example>
            S: 250 ok
            C: DATA
            S: 354 go
            R: message
            {answers}"
        )
    };
    let to = ["bob@b.example", "nobody@b.example", "carol@b.example", "dave@b.example"];
    let send = async |stream| {
        let mut client = Client::over(stream, endpoint(), Config::lmtp()).await.unwrap();
        let result = client.send(&Envelope::new("ada@a.example", to).unwrap(), "1\r\n").await;
        let told: Vec<_> = match &result {
            Ok(sent) => sent.refused.iter().map(|it| (it.recipient.to_string(), it.outcome)).collect(),
            Err(_) => Vec::new(),
        };
        (result.is_ok(), client.outcome(), told)
    };
    let (sent, _, told) = with(&script("S: 250 bob has it"), send).await;
    assert!(sent);
    let expected = [
        ("<nobody@b.example>", Outcome::Refused),
        ("<carol@b.example>", Outcome::Unknown),
        ("<dave@b.example>", Outcome::Unknown),
    ];
    assert_eq!(told, expected.map(|(to, outcome)| (to.to_owned(), outcome)));
    let (sent, outcome, _) = with(&script("S: 550 not bob"), send).await;
    assert_eq!((sent, outcome), (false, Outcome::Unknown));
}

/// What a client says, up to QUIT.
async fn wire(config: Config, envelope: Envelope, message: impl Into<Payload<'static>>) -> String {
    let (ours, mut theirs) = tokio::io::duplex(1 << 20);
    let server = async {
        let keeper = Keeper::default();
        let server = Server::new(keeper, Host::try_from("mx.example").unwrap());
        let (near, far) = tokio::io::duplex(1 << 20);
        let (mut read, mut write) = tokio::io::split(near);
        let (mut from, mut to) = tokio::io::split(&mut theirs);
        let mut said = Vec::new();
        let up = async {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(count @ 1..) = from.read(&mut buffer).await {
                said.extend_from_slice(&buffer[..count]);
                write.write_all(&buffer[..count]).await.unwrap();
            }
            write.shutdown().await.unwrap();
        };
        let down = async {
            let _ = tokio::io::copy(&mut read, &mut to).await;
        };
        let _ = tokio::join!(server.serve_stream(Stream::other(far), Channel::Clear), up, down);
        String::from_utf8(said).unwrap()
    };
    let client = async {
        let mut client = Client::over(Stream::other(ours), endpoint(), config).await.unwrap();
        let _ = client.send(&envelope, message).await.unwrap();
        client.quit().await.unwrap();
    };
    tokio::join!(server, client).0
}

#[tokio::test]
async fn large_messages_go_by_bdat_unless_that_is_forbidden() {
    let envelope = || Envelope::new("ada@a.example", ["bob@b.example"]).unwrap();
    let large = Bytes::from("A line with a dot.\r\n.\r\n".repeat(10_000));
    let said = wire(Config::anonymous(), envelope(), large.clone()).await;
    assert!(said.contains(&format!("BDAT {} LAST\r\nA line", large.len())) && !said.contains("DATA\r\n"));
    let said = wire(Config::anonymous().with_chunking(false), envelope(), large.clone()).await;
    assert!(said.contains("DATA\r\nA line") && said.contains("\r\n..\r\n"));
    // So does one that is mended.
    let lf = large.iter().copied().filter(|byte| *byte != b'\r').collect::<Bytes>();
    let said = wire(Config::anonymous(), envelope(), lf).await;
    assert!(
        said.contains(&format!("BDAT {} LAST\r\nA line", large.len())) && said.contains("dot.\r\n.\r\nA")
    );
    let said = wire(Config::anonymous(), envelope(), "small\r\n").await;
    assert!(said.contains("DATA\r\nsmall\r\n.\r\n"));
    // A line end that is cut in two, by the pieces or by the chunks, is whole again.
    let (line, chunk) = ("0123456789abcdef".repeat(4), 1 << 20);
    let whole = Bytes::from(format!("{}\r\n{line}\r\n", "x".repeat(chunk - 1)));
    let pieces = [whole.slice(..chunk), whole.slice(chunk..chunk + 1), whole.slice(chunk + 1..)];
    for payload in [Payload::from(whole.clone()), Payload::from_pieces(pieces)] {
        let said = wire(Config::anonymous(), envelope(), payload).await;
        let (before, _) = said.split_once(&format!("\r\n{line}\r\n")).unwrap();
        assert!(before.contains("x\r\nBDAT ") && before.ends_with(" LAST"));
    }
    // Several chunks, so that a server that is full says so early.
    let said = wire(Config::anonymous(), envelope(), Bytes::from("x".repeat(2_500_000))).await;
    let chunks = said.lines().filter(|line| line.contains("BDAT ")).count();
    assert_eq!(chunks, 3);
}

/// A session that refuses without reading gets the chunks dropped, and the connection goes on.
#[tokio::test]
async fn a_message_by_bdat_that_nobody_reads_is_dropped() {
    let (_, kept) = against(
        |server| server,
        (usize::MAX, usize::MAX),
        async |stream| {
            let mut client = smtp(stream).await.unwrap();
            let large = Bytes::from("x".repeat(3_000_000));
            let unread = Envelope::new("unread@a.example", ["bob@b.example"]).unwrap();
            let error = client.send(&unread, large.clone()).await.unwrap_err();
            assert!(error.to_string().contains("451 4.3.0 Not now"), "{error}");
            assert_eq!(client.outcome(), Outcome::Refused);
            let fine = Envelope::new("ada@a.example", ["bob@b.example"]).unwrap();
            let _ = client.send(&fine, large).await.unwrap();
            client.quit().await.unwrap();
        },
    )
    .await;
    assert_eq!(kept.len(), 1);
}

#[tokio::test]
async fn what_comes_between_two_chunks_is_answered() {
    let keeper = Keeper::default();
    let server = Server::new(keeper.clone(), Host::try_from("mx.example").unwrap());
    let (ours, mut theirs) = tokio::io::duplex(1 << 16);
    let begin = "MAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\n";
    let said = format!(
        "EHLO client.example\r\n{begin}BDAT 3\r\na\r\nNOOP\r\nVRFY x\r\nBDAT 3 LAST\r\nb\r\n\
         {begin}BDAT 3\r\nc\r\nRSET\r\n{begin}BDAT 3\r\nd\r\nEHLO client.example\r\n{begin}BDAT 3\r\ne\r\nQUIT\r\n"
    );
    theirs.write_all(said.as_bytes()).await.unwrap();
    let mut replies = String::new();
    let (served, read) = tokio::join!(
        server.serve_stream(Stream::other(ours), Channel::Clear),
        theirs.read_to_string(&mut replies)
    );
    served.unwrap();
    read.unwrap();
    let codes: Vec<_> =
        replies.lines().filter(|line| line.as_bytes()[3] == b' ').map(|line| &line[..3]).collect();
    assert_eq!(
        codes.join(" "),
        "220 250 250 250 250 250 252 250 250 250 250 250 250 250 250 250 250 250 250 221"
    );
    assert_eq!(*keeper.0.lock().unwrap(), ["a\r\nb\r\n"]);
}

#[tokio::test]
async fn the_end_of_a_message_and_the_next_one_are_one_group() {
    let script = smtp_script(
        "C: MAIL FROM:<ada@a.example>
        C: RCPT TO:<b@b.example>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 354 go
        C: 1
        C: .
        C: MAIL FROM:<ada@a.example>
        C: RCPT TO:<c@b.example>
        C: DATA
        S: 250 first
        S: 250 ok
        S: 550 nobody
        S: 554 nobody
        C: RSET
        C: MAIL FROM:<ada@a.example>
        C: RCPT TO:<d@b.example>
        C: DATA
        S: 250 ok
        S: 250 ok
        S: 250 ok
        S: 354 go
        C: 3
        C: .
        S: 250 third
        C: QUIT
        S: 221 bye",
    );
    with(&script, async |stream| {
        let mut client = smtp(stream).await.unwrap();
        let to = |to: &str| Envelope::new("ada@a.example", [to]).unwrap();
        let messages = [
            (to("b@b.example"), "1\r\n"),
            (Envelope::new("ada@a.example", []).unwrap(), "0\r\n"),
            (to("bare@b.example"), "a\0b"),
            (to("c@b.example"), "2\r\n"),
            (to("d@b.example"), "3\r\n"),
        ];
        // Those that cannot be sent are no reason to wait, but come in their order.
        let messages = [
            messages[0].clone(),
            messages[3].clone(),
            messages[1].clone(),
            messages[2].clone(),
            messages[4].clone(),
        ];
        let mut sending = client.send_all(messages);
        let mut told = Vec::new();
        while let Some(result) = sending.next().await {
            told.push((
                result.map(|sent| sent.reply.first_line().to_string()).map_err(|error| error.to_string()),
                sending.outcome(),
            ));
        }
        assert_eq!(told[0], (Ok("first".to_owned()), Outcome::Accepted));
        assert!(told[1].0.as_ref().unwrap_err().contains("nobody"));
        assert!(told[2].0.as_ref().unwrap_err().contains("recipients"));
        assert!(told[3].0.as_ref().unwrap_err().contains("NUL"));
        assert_eq!(told[4], (Ok("third".to_owned()), Outcome::Accepted));
        assert_eq!(told.len(), 5);
        client.quit().await.unwrap();
    })
    .await;
}

/// Polls a future a number of times.
async fn poll_times<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = times;
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

#[tokio::test]
async fn a_dropped_call_goes_on() {
    for way in WAYS {
        let (told, kept) = against(
            |server| way.server(server),
            (usize::MAX, usize::MAX),
            async |stream| {
                let mut client = way.client(stream).await.unwrap();
                let subjects = ["Subject: 1", "Subject: 2", "Subject: 3"];
                let messages =
                    subjects.iter().map(|subject| (way.envelope(&["bob@b.example"]), Way::message(subject)));
                let mut sending = client.send_all(messages);
                let mut told = 0;
                loop {
                    match poll_times(sending.next(), 0).await {
                        Some(Some(result)) => {
                            let _ = result.unwrap();
                            told += 1;
                        }
                        Some(None) => break told,
                        None => tokio::task::yield_now().await,
                    }
                }
            },
        )
        .await;
        assert_eq!((told, kept.len()), (3, 3), "{way:?}");
    }
}

/// A server that takes two recipients at once, and says so or not.
fn two_at_once(way: Way, told: bool, server: Server<Keeper>) -> Server<Keeper> {
    way.server(server).configure(|config| {
        config.limits.recipients = 2;
        if !told {
            let rest = config.capabilities().iter().filter(|it| !matches!(it, Capability::Limits(_)));
            let rest: Vec<_> = rest.collect();
            config.set_capabilities(rest).unwrap();
        }
    })
}

/// Of messages that need several transactions, each has one result, and each recipient is known for at every cut.
#[tokio::test(start_paused = true)]
async fn messages_in_parts_leave_no_doubt_at_any_cut() {
    let subjects = ["Subject: 1", "Subject: no", "Subject: 3"];
    let to = ["a@b.example", "nobody@b.example", "c@b.example", "d@b.example", "a@b.example"];
    let send = async |way: Way, stream| {
        let Ok(mut client) = way.client(stream).await else { return Vec::new() };
        let messages = subjects.iter().map(|subject| {
            let message = [subject.as_bytes(), b"\r\n\r\n.\r\n"].map(Bytes::copy_from_slice);
            (way.envelope(&to), Payload::from_pieces(message))
        });
        let mut sending = client.send_all(messages);
        let mut known = Vec::new();
        while let Some(result) = sending.next().await {
            known.push((result, sending.outcome()));
        }
        known
    };
    for (way, told) in [(WAYS[0], true), (WAYS[0], false), (WAYS[1], true), (WAYS[3], true), (WAYS[2], false)]
    {
        let (mut doubts, mut halves) = (0, 0);
        for upwards in [true, false] {
            let mut whole = false;
            let mut at = 0;
            while !whole {
                at += 3;
                let limits = if upwards { (at, usize::MAX) } else { (usize::MAX, at) };
                let configure = |server| two_at_once(way, told, server);
                let (known, keeper) =
                    against_keeper(configure, limits, async |stream| send(way, stream).await).await;
                let delivered = keeper.1.lock().unwrap();
                for (subject, (result, outcome)) in subjects.iter().zip(&known) {
                    for name in ["a", "nobody", "c", "d"] {
                        let recipient = format!("<{name}@b.example>");
                        let has = |(message, to): &&(Bytes, String)| {
                            message.starts_with(subject.as_bytes()) && *to == recipient
                        };
                        let count = delivered.iter().filter(has).count();
                        let outcome = match result {
                            Ok(sent) => sent
                                .refused
                                .iter()
                                .find(|it| it.recipient.to_string() == recipient)
                                .map_or(Outcome::Accepted, |it| it.outcome),
                            Err(_) => *outcome,
                        };
                        let at =
                            format!("{way:?} {told} {limits:?} {subject} {recipient} {outcome:?} {result:?}");
                        match outcome {
                            Outcome::Accepted => assert_eq!(count, 1, "{at}"),
                            Outcome::NotSent | Outcome::Refused => assert_eq!(count, 0, "{at}"),
                            Outcome::Unknown => assert!(count <= 1, "{at}"),
                        }
                        doubts += usize::from(outcome == Outcome::Unknown);
                    }
                    let lost =
                        |it: &&mailwire_transport::smtp::RefusedRecipient| it.outcome != Outcome::Refused;
                    halves += result.as_ref().map_or(0, |sent| sent.refused.iter().filter(lost).count());
                }
                whole = delivered.len() == 6
                    && known.len() == 3
                    && known[2].0.as_ref().is_ok_and(|it| it.refused.len() == 1);
                if whole {
                    let refused = &known[2].0.as_ref().unwrap().refused;
                    let refused: Vec<_> = refused.iter().map(|it| it.recipient.to_string()).collect();
                    assert_eq!(refused, ["<nobody@b.example>"], "{way:?} {told}");
                    assert_eq!(known[1].1, Outcome::Refused);
                }
                assert!(at < 20_000, "{way:?} {known:?}");
            }
        }
        assert!(doubts > 0 && halves > 0, "{way:?}");
    }
}

/// The parts of a message go out without a round trip between them.
#[tokio::test]
async fn parts_of_messages_in_a_row_are_one_group() {
    let begin = |names: &[&str]| {
        let to: String = names.iter().map(|name| format!("C: RCPT TO:<{name}@b.example>\n")).collect();
        format!("C: MAIL FROM:<ada@a.example>\n{to}C: DATA\n")
    };
    let script = smtp_script(&format!(
        "{}S: 250 ok\nS: 250 ok\nS: 452 4.5.3 too many\nS: 452 4.5.3 too many\nS: 452 4.5.3 too many\nS: 354 go\nC: 1\nC: .
        {}S: 250 first part\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: 1\nC: .
        {}S: 250 second part\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: 1\nC: .
        {}S: 250 third part\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: 1\nC: .
        {}S: 250 fourth part\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: 2\nC: .
        S: 421 4.3.2 shutting down",
        begin(&["a", "b", "c", "d"]),
        begin(&["b"]),
        begin(&["c"]),
        begin(&["d"]),
        begin(&["x"]),
    ));
    with(&script, async |stream| {
        let mut client = smtp(stream).await.unwrap();
        let to = |names: &[&str]| {
            let to: Vec<_> = names.iter().map(|name| format!("{name}@b.example")).collect();
            Envelope::new("ada@a.example", to.iter().map(String::as_str)).unwrap()
        };
        let messages = [(to(&["a", "b", "c", "d"]), "1\r\n"), (to(&["x"]), "2\r\n"), (to(&["y"]), "3\r\n")];
        let mut sending = client.send_all(messages);
        let sent = sending.next().await.unwrap().unwrap();
        assert!(sent.refused.is_empty() && sent.reply.first_line() == *"fourth part", "{sent:?}");
        let error = sending.next().await.unwrap().unwrap_err();
        assert_eq!(
            (error.refused().unwrap().text.clone(), sending.outcome()),
            ("shutting down".into(), Outcome::Refused)
        );
        // What was not tried says why.
        let error = sending.next().await.unwrap().unwrap_err();
        assert_eq!(
            (error.refused().unwrap().text.clone(), sending.outcome()),
            ("shutting down".into(), Outcome::NotSent)
        );
        assert!(sending.next().await.is_none());
    })
    .await;
}

/// RFC 2033: 421 for one recipient, after the message was accepted for another, is why nothing more is sent.
#[tokio::test]
async fn a_goodbye_after_a_part_is_the_reason_for_the_rest() {
    let script = "S: 220 mx.example LMTP
        C: LHLO localhost
        S: 250-mx.example\nS: 250 LIMITS RCPTMAX=2
        C: MAIL FROM:<ada@a.example>\nS: 250 ok
        C: RCPT TO:<a@b.example>\nS: 250 ok
        C: RCPT TO:<b@b.example>\nS: 250 ok
        C: DATA\nS: 354 go\nR: message
        S: 250 2.0.0 a has it
        S: 421 4.3.2 shutting down";
    with(script, async |stream| {
        let mut client = Client::over(stream, endpoint(), Config::lmtp()).await.unwrap();
        let to = ["a@b.example", "b@b.example", "c@b.example"];
        let sent = client.send(&Envelope::new("ada@a.example", to).unwrap(), "1\r\n").await.unwrap();
        let told: Vec<_> = sent
            .refused
            .iter()
            .map(|it| (it.recipient.to_string(), it.outcome, it.error.refused().unwrap().text.to_string()))
            .collect();
        let down = "shutting down".to_owned();
        let expected = [("<b@b.example>", Outcome::Refused), ("<c@b.example>", Outcome::NotSent)];
        assert_eq!(told, expected.map(|(to, outcome)| (to.to_owned(), outcome, down.clone())));
        assert!(!client.is_usable());
    })
    .await;
}

/// A stream whose messages are not there yet holds up no answer, and one that is there is begun at once.
#[tokio::test]
async fn messages_of_a_stream_are_sent_as_they_come() {
    let to = || Envelope::new("ada@a.example", ["b@b.example"]).unwrap();
    let (sender, mut receiver) = tokio::sync::mpsc::channel(8);
    let (told, kept) = against(
        |server| server,
        (usize::MAX, usize::MAX),
        async |stream| {
            let mut client = smtp(stream).await.unwrap();
            let queue = futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx));
            let mut sending = client.send_stream(queue);
            let mut told = 0;
            for subject in ["Subject: 1\r\n", "Subject: 2\r\n", "Subject: 3\r\n"] {
                sender.send((to(), subject)).await.unwrap();
                // The answer comes, though no other message does.
                let _ = sending.next().await.unwrap().unwrap();
                told += 1;
            }
            // Dropped while it waits for a message, it is as before.
            for _ in 0..3 {
                assert!(poll_times(sending.next(), 0).await.is_none());
                tokio::task::yield_now().await;
            }
            sender.send((to(), "Subject: 4\r\n")).await.unwrap();
            sender.send((to(), "Subject: 5\r\n")).await.unwrap();
            drop(sender);
            while let Some(result) = sending.next().await {
                let _ = result.unwrap();
                told += 1;
            }
            assert!(client.is_usable());
            client.quit().await.unwrap();
            told
        },
    )
    .await;
    assert_eq!((told, kept.len()), (5, 5));
}

/// Of a stream, one message at most is taken before the one before it is answered.
#[tokio::test]
async fn a_stream_is_taken_from_by_one_ahead() {
    let taken = std::cell::Cell::new(0);
    let script = smtp_script(
        "C: MAIL FROM:<ada@a.example>\nC: RCPT TO:<b@b.example>\nC: DATA
        S: 250 ok\nS: 250 ok\nS: 354 go\nR: message
        wait",
    );
    with(&script, async |stream| {
        let mut client = smtp(stream).await.unwrap();
        let messages = (0..100).map(|_| {
            taken.set(taken.get() + 1);
            (Envelope::new("ada@a.example", ["b@b.example"]).unwrap(), "1\r\n")
        });
        let mut sending = client.send_all(messages);
        for _ in 0..50 {
            assert!(poll_times(sending.next(), 0).await.is_none());
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(taken.get(), 2);
}

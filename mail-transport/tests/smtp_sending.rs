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

/// Keeps the messages that it has accepted.
#[derive(Clone, Default)]
struct Keeper(Arc<Mutex<Vec<Bytes>>>);

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
    (up, down): (usize, usize),
    client: impl AsyncFnOnce(Stream) -> T,
) -> (T, Vec<Bytes>) {
    let keeper = Keeper::default();
    let server = configure(Server::new(keeper.clone(), Host::try_from("mx.example").unwrap()));
    let (ours, near) = tokio::io::duplex(1 << 16);
    let (far, theirs) = tokio::io::duplex(1 << 16);
    let (result, _, ()) = tokio::join!(
        client(Stream::other(ours)),
        server.serve_stream(Stream::other(theirs), Channel::Clear),
        cut(near, far, up, down)
    );
    let kept = keeper.0.lock().unwrap().clone();
    (result, kept)
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
async fn wire(config: Config, envelope: Envelope, message: Bytes) -> String {
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
    let mut mends = Config::anonymous();
    mends.bare_newline = mailwire_transport::smtp::BareNewline::Normalize;
    assert!(wire(mends, envelope(), large).await.contains("DATA\r\nA line"));
    let said = wire(Config::anonymous(), envelope(), "small\r\n".into()).await;
    assert!(said.contains("DATA\r\nsmall\r\n.\r\n"));
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
            (to("bare@b.example"), "a\nb"),
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
        assert!(told[3].0.as_ref().unwrap_err().contains("CR"));
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

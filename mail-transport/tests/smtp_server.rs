//! What an application of the SMTP server is told, over a stream in memory.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, reason = "tests")]

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use mailwire_core::Channel;
use mailwire_transport::{
    Driver, DriverConfig, Endpoint, Security, Step, Stream,
    sasl::Authenticator,
    smtp::{
        self, Outcome, Server,
        proto::{
            Capability, Command, DateTime, Host, Mail, Mailbox, Rcpt, Reply, ReplyCode,
            extensions::{
                burl::{Burl, MessageUrl, UrlSources},
                deliver_by::DeliverByParam,
                future_release::{FutureRelease, Hold, HoldInterval},
            },
            server as machine,
        },
        server::{Body, BodyError, Client, Part, Service, Session, Transaction},
    },
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Keeps what it is told.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<(Client, Transaction, String)>>>);

impl Authenticator for Recorder {}

impl Service for Recorder {
    type Session = Self;
    type Authenticator = Self;

    fn authenticator(&self) -> &Self {
        self
    }

    async fn connect(&self, _: &Client) -> Result<Self, Reply> {
        Ok(self.clone())
    }
}

fn reply(code: u16, text: &str) -> Reply {
    Reply::new(ReplyCode::new(code).unwrap(), text)
}

impl Session for Recorder {
    async fn mail(&mut self, _: &Client, mail: &Mail) -> Reply {
        match mail.from.mailbox() {
            Some(mailbox) if mailbox.local_part() == "spam" => reply(550, "5.7.1 No"),
            _ => reply(250, "2.1.0 Ok"),
        }
    }

    async fn rcpt(&mut self, _: &Client, rcpt: &Rcpt) -> Reply {
        match rcpt.to.mailbox() {
            Some(mailbox) if mailbox.local_part() == "nobody" => reply(550, "5.1.1 No"),
            _ => reply(250, "2.1.5 Ok"),
        }
    }

    async fn message(
        &mut self,
        client: &Client,
        transaction: &Transaction,
        body: &mut Body<'_>,
    ) -> Result<Reply, BodyError> {
        let mut text = String::new();
        while let Some(part) = body.part().await? {
            match part {
                Part::Bytes(bytes) => text.push_str(std::str::from_utf8(&bytes).unwrap()),
                Part::Url(url) if url.host() == "imap.example.com" => text.push_str("fetched\r\n"),
                Part::Url(_) => {
                    return Err(body.refuse(reply(554, "5.7.8 URL resolution requires trust relationship")));
                }
            }
        }
        self.0.lock().unwrap().push((client.clone(), transaction.clone(), text));
        Ok(reply(250, "2.0.0 Ok"))
    }
}

fn fetching<S: Service>(server: Server<S>) -> Server<S> {
    server.with_extension(Capability::Burl(UrlSources::new("imap").unwrap())).unwrap()
}

fn url(host: &str) -> MessageUrl {
    MessageUrl::new(format!("imap://a@{host}/x/;uid=1;urlauth=submit+a:internal:0")).unwrap()
}

/// Holds messages for a day at most.
#[derive(Clone, Default)]
struct Holding(Recorder);

impl Service for Holding {
    type Session = Recorder;
    type Authenticator = Recorder;

    fn authenticator(&self) -> &Recorder {
        &self.0
    }

    fn extensions(&self) -> Vec<Capability> {
        vec![Capability::DeliverBy(DeliverByParam::default())]
    }

    fn extensions_for(&self, _: &Client) -> Vec<Capability> {
        let day = HoldInterval::new(86_400).unwrap();
        vec![Capability::FutureRelease(FutureRelease::starting(SystemTime::now(), day).unwrap())]
    }

    async fn connect(&self, _: &Client) -> Result<Recorder, Reply> {
        Ok(self.0.clone())
    }
}

/// RFC 4865: what is offered is of the time of the connection, and the session is told how long to hold a message.
#[tokio::test]
async fn a_message_that_is_to_be_held_comes_with_its_time() {
    let holding = Holding::default();
    let before = now();
    let server = Server::new(holding.clone(), Host::try_from("mx.example").unwrap());
    let (ours, mut theirs) = tokio::io::duplex(1 << 16);
    let in_hours = |hours: i64| DateTime::from_unix_seconds(now() + hours * 3600).unwrap();
    let talk = async {
        let message = "RCPT TO:<b@a.example>\r\nBDAT 4 LAST\r\nhi\r\n";
        let mut said = format!("EHLO c\r\nMAIL FROM:<a@a.example> HOLDFOR=3600\r\n{message}");
        // Not until after it has to be delivered.
        for (hours, by) in [(2, "BY=7201;R"), (2, "BY=7000;R"), (1, "BY=-1;N"), (25, "BY=90001;N")] {
            said += &format!("MAIL FROM:<a@a.example> HOLDUNTIL={} {by}\r\n", in_hours(hours));
            said += "RSET\r\n";
        }
        theirs.write_all((said + "QUIT\r\n").as_bytes()).await.unwrap();
        let mut answers = String::new();
        theirs.read_to_string(&mut answers).await.unwrap();
        answers
    };
    let (served, answers) = tokio::join!(server.serve_stream(Stream::other(ours), Channel::Clear), talk);
    served.unwrap();
    let last = answers.lines().find_map(|line| line.split_once("FUTURERELEASE 86400 ")).unwrap().1;
    let last = DateTime::new(last).unwrap().unix_seconds();
    assert!((before + 86_400..=now() + 86_400).contains(&last), "{answers}");
    let refused: Vec<_> = answers.lines().filter(|line| line.starts_with("501")).collect();
    let late = "501 5.5.4 It would be held until it is too late";
    assert_eq!(refused, [late, late, "501 5.5.4 Messages are not held for so long"], "{answers}");
    let told = holding.0.0.lock().unwrap();
    let [(_, transaction, message)] = &told[..] else { unreachable!("{told:?}") };
    let hour = Hold::For(HoldInterval::new(3600).unwrap());
    assert_eq!((transaction.mail.parameters().hold.as_ref(), &**message), (Some(&hour), "hi\r\n"));
}

fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

/// RFC 4468: the application fetches it.
#[tokio::test]
async fn a_message_that_the_server_fetches() {
    let recorder = Recorder::default();
    let server = fetching(Server::new(recorder.clone(), Host::try_from("mx.example").unwrap()));
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let endpoint = Endpoint::tcp("mx.example", 1, Security::plaintext_without_encryption());
    let talk = async {
        let mut client =
            smtp::Client::over(Stream::other(theirs), endpoint, smtp::Config::anonymous()).await.unwrap();
        for (burl, code) in
            [(Burl::new(url("imap.example.com")), None), (Burl::new(url("imap.example.org")), Some("5.7.8"))]
        {
            client.call(Mail::new(Mailbox::try_from("a@b.example").unwrap()).into()).await.unwrap();
            client.call(Rcpt::new(Mailbox::try_from("c@d.example").unwrap()).into()).await.unwrap();
            let answer = client.call(Command::Burl(burl)).await;
            let refused = answer.as_ref().err().and_then(|error| error.refused()?.code.clone());
            assert_eq!(refused.as_ref().and_then(|code| code.as_str()), code);
            let outcome = if code.is_none() { Outcome::Accepted } else { Outcome::Refused };
            assert_eq!(client.outcome(), outcome);
            client.rset().await.unwrap();
        }
        client.quit().await.unwrap();
    };
    let (served, ()) = tokio::join!(server.serve_stream(Stream::other(ours), Channel::Clear), talk);
    served.unwrap();
    let told = recorder.0.lock().unwrap();
    let [(_, transaction, message)] = &told[..] else { unreachable!("{told:?}") };
    assert_eq!((transaction.recipients.len(), &**message), (1, "fetched\r\n"));
}

/// Section 3.3: BURL and BDAT in any order, until one of them is the last.
#[tokio::test]
async fn a_message_of_several_parts() {
    let (good, bad) = (url("imap.example.com"), url("imap.example.org"));
    let (good, bad) = (format!("BURL {good}"), format!("BURL {bad}"));
    let (first, last) = ("BDAT 8\r\nfirst.\r\n", "BDAT 7 LAST\r\nlast.\r\n");
    let envelope = "MAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\n";
    let again = format!("{envelope}BDAT 0 LAST\r\n");
    for (parts, codes, messages) in [
        (format!("{first}{good}\r\n{good}\r\n{last}"), "250 250 250 250", "first.|fetched|fetched|last.|"),
        (
            format!("{good}\r\n{first}{good} LAST\r\n{again}"),
            "250 250 250 250 250 250",
            "fetched|first.|fetched|;",
        ),
        (format!("{good}\r\nNOOP\r\nVRFY x\r\n{last}"), "250 250 252 250", "fetched|last.|"),
        (format!("{good}\r\n{good} LAST\r\n{again}"), "250 250 250 250 250", "fetched|fetched|;"),
        // What is refused fails the message: nothing of it is kept, and RSET has to come unless it was the last.
        (format!("{bad}\r\n{last}RSET\r\n{again}"), "554 503 250 250 250 250", ""),
        (format!("{first}{bad}\r\n{first}RSET\r\n{again}"), "250 554 503 250 250 250 250", ""),
        (format!("{good}\r\n{bad}\r\n{first}RSET\r\n{again}"), "250 554 503 250 250 250 250", ""),
        (format!("{first}{bad} LAST\r\n{again}"), "250 554 250 250 250", ""),
        // So does a line end that reaches over it.
        (format!("BDAT 2\r\nx\r{good}\r\nRSET\r\n{again}"), "250 554 250 250 250 250", ""),
        // Given up between two parts.
        (format!("{good}\r\nRSET\r\n{again}"), "250 250 250 250 250", ""),
        (format!("{good}\r\n{first}EHLO y.example\r\n{again}"), "250 250 250 250 250 250", ""),
        (format!("{first}{good}\r\nQUIT\r\n"), "250 250 221", ""),
        (format!("{good}\r\nQUIT\r\n"), "250 221", ""),
        // DATA does not mix with them.
        (format!("{good}\r\nDATA\r\n{last}"), "250 503 250", "fetched|last.|"),
    ] {
        let recorder = Recorder::default();
        let server = fetching(Server::new(recorder.clone(), Host::try_from("mx.example").unwrap()));
        let said = talk(&server, &format!("EHLO x.example\r\n{envelope}{parts}")).await;
        let (_, answers) = said.split_once("2.1.5 Ok\r\n").unwrap();
        let is_last = |line: &&str| line.as_bytes().get(3) == Some(&b' ');
        let came: Vec<_> = answers.lines().filter(is_last).map(|line| &line[..3]).collect();
        assert_eq!(came.join(" "), codes, "{parts}");
        let mut texts: Vec<_> =
            recorder.0.lock().unwrap().iter().map(|it| it.2.replace("\r\n", "|")).collect();
        // The empty one, for which `again` asks.
        let went_on = parts.ends_with(&again).then(|| texts.pop().unwrap());
        assert_eq!(went_on.unwrap_or_default(), "");
        assert_eq!(texts.join(";"), messages.trim_end_matches(';'), "{parts}");
    }
    // Who reads bytes alone has none fetched.
    let server = smtp::server::each_message(async |_| reply(250, "2.0.0 Ok"));
    let server = fetching(Server::new(server, Host::try_from("mx.example").unwrap()));
    let said = talk(&server, &format!("EHLO x.example\r\n{envelope}{first}{good}\r\nQUIT\r\n")).await;
    assert!(said.contains("\r\n554 5.6.6 "), "{said}");
    // A message that never ends.
    let server = fetching(Server::new(Recorder::default(), Host::try_from("mx.example").unwrap()));
    let endless = format!("{good}\r\n").repeat(150);
    let (served, said) = heard(&server, &format!("EHLO x.example\r\n{envelope}{endless}")).await;
    assert!(served.is_err() && said.contains("\r\n421 ") && said.matches(" 2.5.0 ").count() == 100, "{said}");
}

/// What the server says to a client that says all of `input` at once.
async fn talk<S: Service>(server: &Server<S>, input: &str) -> String {
    let (served, said) = heard(server, input).await;
    served.unwrap();
    said
}

/// How the conversation ends, too.
async fn heard<S: Service>(server: &Server<S>, input: &str) -> (mailwire_transport::Result<()>, String) {
    let (ours, mut theirs) = tokio::io::duplex(1 << 16);
    theirs.write_all(input.as_bytes()).await.unwrap();
    theirs.shutdown().await.unwrap();
    let mut said = String::new();
    let (served, read) = tokio::join!(
        server.serve_stream(Stream::other(ours), Channel::Clear),
        theirs.read_to_string(&mut said)
    );
    read.unwrap();
    (served, said)
}

fn server() -> (Server<Recorder>, Recorder) {
    let recorder = Recorder::default();
    (Server::new(recorder.clone(), "mx.example".try_into().unwrap()), recorder)
}

/// The codes of the replies, without the lines of EHLO's.
fn codes(said: &str) -> String {
    let last = said.lines().filter(|line| line.as_bytes().get(3) == Some(&b' '));
    last.map(|line| &line[..3]).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_message_comes_with_its_transaction() {
    let (server, recorder) = server();
    let said = talk(
        &server,
        "EHLO client.example\r\nMAIL FROM:<ada@client.example> SIZE=3 BODY=8BITMIME\r\nRCPT TO:<nobody@mx.example>\r\n\
         RCPT TO:<bob@mx.example>\r\nRCPT TO:<Postmaster>\r\nRCPT TO:<bob@mx.example>\r\nDATA\r\na\r\n.\r\n\
         MAIL FROM:<>\r\nRCPT TO:<an.address.of.more.than.a.few.bytes@mx.example>\r\nDATA\r\nb\r\n.\r\nQUIT\r\n",
    )
    .await;
    assert_eq!(codes(&said), "220 250 250 550 250 250 250 354 250 250 250 354 250 221");
    let recorded = std::mem::take(&mut *recorder.0.lock().unwrap());
    let [(client, first, a), (_, second, b)] = &recorded[..] else { panic!("{recorded:?}") };
    assert_eq!(
        (client.hello.as_ref().unwrap().as_str(), client.extended, client.lmtp),
        ("client.example", true, false)
    );
    assert_eq!((a.as_str(), b.as_str()), ("a\r\n", "b\r\n"));
    assert_eq!((first.from().mailbox().unwrap().local_part(), first.mail.size), ("ada", Some(3)));
    let names: Vec<String> = first.recipients.iter().map(|rcpt| rcpt.to.to_string()).collect();
    assert_eq!(names, ["<bob@mx.example>", "<Postmaster>", "<bob@mx.example>"]);
    assert_eq!((second.from().mailbox(), second.recipients.len()), (None, 1));
}

/// A transaction that was given up, refused or replaced leaves nothing in the next one.
#[tokio::test]
async fn no_recipient_is_left_of_the_transaction_before() {
    let (server, recorder) = server();
    for between in [
        "RSET\r\n",
        "EHLO again.example\r\n",
        "HELO again.example\r\n",
        "DATA\r\na\rb\r\n.\r\n",
        "DATA\r\nb\r\n.\r\n",
    ] {
        let input = format!(
            "EHLO client.example\r\nMAIL FROM:<ada@client.example>\r\nRCPT TO:<carol@mx.example>\r\n{between}\
             MAIL FROM:<spam@client.example>\r\nRCPT TO:<dave@mx.example>\r\n\
             MAIL FROM:<eve@client.example>\r\nRCPT TO:<bob@mx.example>\r\nDATA\r\nlast\r\n.\r\nQUIT\r\n"
        );
        let said = talk(&server, &input).await;
        let recorded = std::mem::take(&mut *recorder.0.lock().unwrap());
        let Some((client, transaction, text)) = recorded.last() else { panic!("{said}") };
        assert_eq!(text, "last\r\n", "{said}");
        assert!(client.extended != between.starts_with("HELO"));
        assert_eq!(transaction.from().mailbox().unwrap().local_part(), "eve", "{between}");
        assert_eq!(transaction.recipients.len(), 1, "{between}: {transaction:?}");
    }
}

#[tokio::test]
async fn lmtp_has_the_transaction_too() {
    let (server, recorder) = server();
    let said = talk(
        &server.lmtp(),
        "LHLO client.example\r\nMAIL FROM:<ada@client.example>\r\nRCPT TO:<bob@mx.example>\r\nRCPT TO:<carol@mx.example>\r\n\
         DATA\r\na\r\n.\r\nQUIT\r\n",
    )
    .await;
    assert_eq!(codes(&said), "220 250 250 250 250 354 250 250 221");
    let recorded = recorder.0.lock().unwrap();
    let (client, transaction, _) = &recorded[0];
    assert!(client.lmtp && client.extended && transaction.recipients.len() == 2);
}

/// Answers each recipient once it is told to go on.
struct OneByOne(Arc<tokio::sync::Semaphore>);

impl Session for OneByOne {
    async fn message(
        &mut self,
        _: &Client,
        _: &Transaction,
        body: &mut Body<'_>,
    ) -> Result<Reply, BodyError> {
        // One reply is for all: nobody is left to be answered.
        assert!(!body.answer(Reply::new(ReplyCode::FAILED, "5.0.0 Nobody")).await?);
        Ok(Reply::new(ReplyCode::OK, "2.0.0 All"))
    }

    async fn message_for_each(
        &mut self,
        _: &Client,
        transaction: &Transaction,
        body: &mut Body<'_>,
    ) -> Result<Vec<Reply>, BodyError> {
        assert_eq!(body.bytes().await?, "a\r\n");
        for (rcpt, n) in transaction.recipients.iter().zip(1..) {
            let rest = format!("2.0.0 {}", rcpt.to);
            self.0.acquire().await.unwrap().forget();
            if n == 3 {
                // The others get what is given back.
                return Ok(vec![Reply::new(ReplyCode::OK, &rest)]);
            }
            assert!(body.answer(Reply::new(ReplyCode::OK, &rest)).await?);
        }
        Ok(Vec::new())
    }
}

#[derive(Clone)]
struct Deliverer(Arc<tokio::sync::Semaphore>);

impl Authenticator for Deliverer {}

impl Service for Deliverer {
    type Session = OneByOne;
    type Authenticator = Self;

    fn authenticator(&self) -> &Self {
        self
    }

    async fn connect(&self, _: &Client) -> Result<OneByOne, Reply> {
        Ok(OneByOne(self.0.clone()))
    }
}

#[tokio::test]
async fn recipients_are_answered_as_each_is_delivered() {
    use tokio::io::AsyncBufReadExt as _;

    for recipients in [1, 2, 3, 5] {
        let go_on = Arc::new(tokio::sync::Semaphore::new(0));
        let server = Server::new(Deliverer(go_on.clone()), Host::try_from("mx.example").unwrap()).lmtp();
        let (ours, theirs) = tokio::io::duplex(4096);
        let serving = server.serve_stream(Stream::other(theirs), Channel::Clear);
        let talking = async {
            let mut stream = tokio::io::BufReader::new(ours);
            let mut line = String::new();
            let commands = format!(
                "LHLO client.example\r\nMAIL FROM:<ada@client.example>\r\n{}DATA\r\na\r\n.\r\nQUIT\r\n",
                (0..recipients).map(|n| format!("RCPT TO:<u{n}@mx.example>\r\n")).collect::<String>()
            );
            stream.write_all(commands.as_bytes()).await.unwrap();
            for n in 0..recipients {
                // Nobody is delivered to before, and each is told before the next.
                go_on.add_permits(1);
                line.clear();
                while !line.starts_with("250 2.0.0 <") {
                    line.clear();
                    assert_ne!(stream.read_line(&mut line).await.unwrap(), 0);
                }
                let expected = format!("250 2.0.0 <u{}@mx.example>\r\n", n.min(2));
                assert_eq!(line, expected, "{recipients}");
            }
            line.clear();
            stream.read_line(&mut line).await.unwrap();
            assert!(line.starts_with("221"), "{line}");
        };
        let (served, ()) = tokio::join!(serving, talking);
        served.unwrap();
    }
}

mod proxy {
    //! XCLIENT and XFORWARD, our client against our server.

    use mailwire_core::Secret;
    use mailwire_transport::{
        Endpoint, Security,
        sasl::{Credentials, LoginContext, Mechanism, Unavailable},
        smtp::{
            Config, Envelope,
            proto::{
                Capability, Command, Domain,
                extensions::{
                    etrn::Node,
                    xclient::{AttributeName, Attributes},
                },
            },
        },
    };

    use super::*;

    /// Trusts everybody.
    #[derive(Clone, Default)]
    struct Trusting(Recorder);

    impl Authenticator for Trusting {}

    impl Service for Trusting {
        type Session = Recorder;
        type Authenticator = Self;

        fn authenticator(&self) -> &Self {
            self
        }

        fn trusts(&self, client: &Client) -> bool {
            client.hello.is_none()
        }

        async fn connect(&self, _: &Client) -> Result<Recorder, Reply> {
            Ok(self.0.clone())
        }
    }

    async fn with<S: Service, T>(
        server: &Server<S>,
        talk: impl AsyncFnOnce(mailwire_transport::smtp::Client) -> T,
    ) -> T {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let endpoint = Endpoint::tcp("localhost", 25, Security::plaintext_without_encryption());
        let client = async {
            let client =
                mailwire_transport::smtp::Client::over(Stream::other(theirs), endpoint, Config::anonymous());
            talk(client.await.unwrap()).await
        };
        let (served, result) = tokio::join!(server.serve_stream(Stream::other(ours), Channel::Clear), client);
        served.unwrap();
        result
    }

    #[tokio::test]
    async fn a_proxys_client_takes_its_place() {
        let service = Trusting::default();
        let server = Server::new(service.clone(), "mx.example".try_into().unwrap());
        with(&server, async |mut client| {
            let of_anna = Attributes::of_address("192.0.2.7".parse().unwrap())
                .with(AttributeName::Port, "4025")
                .unwrap()
                .with(AttributeName::Login, "anna")
                .unwrap();
            client.xclient(of_anna).await.unwrap();
            let forwarded = Attributes::of_address("192.0.2.8".parse().unwrap());
            client.xforward(forwarded).await.unwrap();
            let envelope = Envelope::new("anna@client.example", ["bob@mx.example"]).unwrap();
            let _sent = client.send(&envelope, "a\r\n").await.unwrap();
            let _sent = client.send(&envelope, "b\r\n").await.unwrap();
            client.quit().await.unwrap();
        })
        .await;
        let recorded = service.0.0.lock().unwrap();
        let [(first, transaction, _), (second, ..)] = &recorded[..] else { panic!("{recorded:?}") };
        assert_eq!(first.address, Some("192.0.2.7:4025".parse().unwrap()));
        assert_eq!(first.identity.as_ref().unwrap().user, "anna");
        // It has introduced itself again.
        assert!(first.extended && first.hello.is_some());
        assert_eq!(first.protocol(transaction).as_str(), "ESMTPA");
        let told = first.forwarded.as_ref().unwrap().address();
        assert_eq!(told, Some("192.0.2.8".parse().unwrap()));
        // That was about one message.
        assert_eq!((second.forwarded.as_ref(), second.address), (None, first.address));
    }

    #[tokio::test]
    async fn nobody_is_trusted_by_default() {
        let (server, _) = server();
        with(&server, async |mut client| {
            let attributes = || Attributes::of_address("192.0.2.7".parse().unwrap());
            assert!(client.xclient(attributes()).await.is_err());
            assert!(client.xforward(attributes()).await.is_err());
            assert!(client.etrn(Node::Host("example.org".parse().unwrap())).await.is_err());
            assert!(client.verb().await.is_err());
            client.noop().await.unwrap();
            client.quit().await.unwrap();
        })
        .await;
        let said =
            talk(&server, "EHLO a\r\nXCLIENT ADDR=192.0.2.7\r\nXFORWARD ADDR=192.0.2.7\r\nQUIT\r\n").await;
        assert_eq!(codes(&said), "220 250 502 502 221");
    }

    #[tokio::test]
    async fn a_queue_is_started_where_the_application_says_so() {
        let (server, _) = server();
        let server = server.configure(|config| {
            let offered: Vec<_> = config.capabilities().iter().collect();
            let offered = offered.into_iter().chain([Capability::Etrn]);
            config.set_capabilities(offered).unwrap();
        });
        with(&server, async |mut client| {
            let node = Node::Subdomains("example.org".parse().unwrap());
            let reply = client.etrn(node.clone()).await.unwrap_err();
            assert_eq!(reply.refused().unwrap().reply().unwrap().code(), ReplyCode::CANNOT_QUEUE);
            assert!(client.call(Command::Etrn(node)).await.is_err());
            client.quit().await.unwrap();
        })
        .await;
    }

    /// Has mail for whoever has logged in.
    #[derive(Clone)]
    struct Provider;

    impl Authenticator for Provider {
        fn mechanisms(&self) -> &[Mechanism] {
            &[Mechanism::Plain]
        }

        async fn verify_password(
            &self,
            _: &str,
            password: &Secret,
            _: &LoginContext,
        ) -> Result<bool, Unavailable> {
            Ok(password.expose() == b"secret")
        }
    }

    impl Session for Provider {
        async fn atrn(&mut self, client: &Client, domains: &[Domain]) -> Reply {
            let own = domains.iter().all(|domain| domain.as_str() == "example.org");
            match client.identity.is_some() && own {
                true => reply(250, "2.0.0 OK now reversing the connection"),
                false => reply(450, "4.7.1 ATRN request refused"),
            }
        }

        async fn message(
            &mut self,
            _: &Client,
            _: &Transaction,
            _: &mut Body<'_>,
        ) -> Result<Reply, BodyError> {
            Ok(reply(550, "5.7.1 No mail comes in here"))
        }
    }

    impl Service for Provider {
        type Session = Self;
        type Authenticator = Self;

        fn authenticator(&self) -> &Self {
            self
        }

        async fn connect(&self, _: &Client) -> Result<Self, Reply> {
            Ok(self.clone())
        }

        async fn turned(&self, _: &Client, domains: Vec<Domain>, stream: Stream) {
            let endpoint = Endpoint::tcp("customer", 366, Security::plaintext_without_encryption());
            let client = mailwire_transport::smtp::Client::over(stream, endpoint, Config::anonymous()).await;
            let mut client = client.unwrap();
            let to = format!("bob@{}", domains[0]);
            let envelope = Envelope::new("ada@example.net", [to.as_str()]).unwrap();
            let _sent = client.send(&envelope, "waited\r\n").await.unwrap();
            client.quit().await.unwrap();
        }
    }

    /// RFC 2645: the customer asks, and then the provider is the client.
    #[tokio::test]
    async fn roles_change() {
        let provider = Server::new(Provider, "provider.example".try_into().unwrap());
        let provider = provider.allow_clear_credentials().configure(|config| {
            let offered: Vec<_> = config.capabilities().iter().collect();
            config.set_capabilities(offered.into_iter().chain([Capability::Atrn])).unwrap();
        });
        let (customer, recorder) = server();
        for (domain, granted) in [("example.com", false), ("example.org", true)] {
            let (ours, theirs) = tokio::io::duplex(1 << 16);
            let asks = async {
                let endpoint = Endpoint::tcp("provider", 366, Security::plaintext_without_encryption());
                let config = Config::login(Credentials::password("bob", "secret"));
                let config = config.with_allow_clear_credentials(true);
                let client = mailwire_transport::smtp::Client::over(Stream::other(theirs), endpoint, config);
                let client = client.await.unwrap();
                match client.atrn([domain.parse().unwrap()]).await {
                    Ok(stream) => customer.serve_stream(stream, Channel::Clear).await.unwrap(),
                    Err(error) => assert!(!granted && error.refused().is_some(), "{error}"),
                }
            };
            let (served, ()) = tokio::join!(provider.serve_stream(Stream::other(ours), Channel::Clear), asks);
            served.unwrap();
            assert_eq!(recorder.0.lock().unwrap().len(), usize::from(granted));
        }
        let recorded = recorder.0.lock().unwrap();
        assert_eq!(recorded[0].2, "waited\r\n");
        assert_eq!(recorded[0].1.recipients[0].to.to_string(), "<bob@example.org>");
    }
}

/// What is read and dropped of a message that is too large was asked for: its bytes give time as those of any other, and the
/// client learns that it need not try again.
#[tokio::test(start_paused = true)]
async fn a_slow_message_that_is_too_large_is_refused_at_its_end() {
    let mut config = machine::Config::new(Host::try_from("mx.example").unwrap(), Channel::Clear);
    config.limits.message = 10_000;
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let mut driver = Driver::with_config(ours, machine::Connection::new(config), DriverConfig::server());
    let serve = async {
        while let Step::Event(event) = driver.next().await.unwrap() {
            let server = driver.connection_mut();
            match event {
                machine::Event::Command { ticket, command: Command::Data, .. } => {
                    server.accept_body(ticket).unwrap();
                }
                machine::Event::Command { ticket, .. } => {
                    server.reply(ticket, reply(250, "2.0.0 Ok")).unwrap();
                }
                _ => {}
            }
        }
    };
    let (mut reading, mut writing) = tokio::io::split(theirs);
    let send = async {
        writing.write_all(b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<b@a.example>\r\nDATA\r\n").await.unwrap();
        // For longer than a command may take whose bytes give it no time.
        for _ in 0..1500 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            writing.write_all(&[b'x', b'\r', b'\n'].repeat(300)).await.unwrap();
        }
        writing.write_all(b".\r\nQUIT\r\n").await.unwrap();
    };
    let mut answers = String::new();
    let ((), (), _) = tokio::join!(serve, send, reading.read_to_string(&mut answers));
    assert!(answers.contains("\r\n552 ") && answers.ends_with("\r\n250 2.0.0 Ok\r\n"), "{answers}");
}

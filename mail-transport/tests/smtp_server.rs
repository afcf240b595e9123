//! What an application of the SMTP server is told, over a stream in memory.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex};

use mailwire_core::Channel;
use mailwire_transport::{
    Stream,
    sasl::Authenticator,
    smtp::{
        Server,
        proto::{Mail, Rcpt, Reply, ReplyCode},
        server::{Body, BodyError, Client, Service, Session, Transaction},
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
        let text = String::from_utf8(body.bytes().await?.to_vec()).unwrap();
        self.0.lock().unwrap().push((client.clone(), transaction.clone(), text));
        Ok(reply(250, "2.0.0 Ok"))
    }
}

/// What the server says to a client that says all of `input` at once.
async fn talk<S: Service>(server: &Server<S>, input: &str) -> String {
    let (ours, mut theirs) = tokio::io::duplex(1 << 16);
    theirs.write_all(input.as_bytes()).await.unwrap();
    theirs.shutdown().await.unwrap();
    let mut said = String::new();
    let (served, read) = tokio::join!(
        server.serve_stream(Stream::other(ours), Channel::Clear),
        theirs.read_to_string(&mut said)
    );
    served.unwrap();
    read.unwrap();
    said
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

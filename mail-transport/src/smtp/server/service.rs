//! What an application implements.

use std::{future::Future, net::SocketAddr, time::SystemTime};

use mailwire_smtp::{
    Capability, Command, Domain, EhloName, Host, Mail, Query, Rcpt, Reply, ReplyCode,
    extensions::{
        etrn::Node,
        xclient::{AttributeName, Attributes},
    },
    server::default_reply,
    trace::{Protocol, Received},
};

use super::{Body, BodyError, Transaction};
use crate::{
    Stream,
    sasl::{Authenticator, Identity},
};

/// The client that is connected, as far as it is known.
#[non_exhaustive]
#[derive(Debug, Clone, Default)]
pub struct Client {
    /// The address of the client; none over a Unix socket.
    pub address: Option<SocketAddr>,
    /// The address of the proxy that told the client's by the PROXY protocol, if one did.
    pub proxy: Option<SocketAddr>,
    /// What XFORWARD has told of where the next message came from: for logs.
    pub forwarded: Option<Attributes>,
    /// The name that this server gives itself.
    pub server: Option<Host>,
    /// The name in the client's EHLO, which proves nothing.
    pub hello: Option<EhloName>,
    /// Whether the client said EHLO or LHLO, and not HELO.
    pub extended: bool,
    /// Whether LMTP is spoken.
    pub lmtp: bool,
    /// Whether TLS protects the connection.
    pub tls: bool,
    /// The name of the TLS cipher suite.
    pub cipher_suite: Option<&'static str>,
    /// The identity as which the client has logged in.
    pub identity: Option<Identity>,
}

impl Client {
    /// The client of this one, which is a proxy, by what that says of it. What is not told is kept.
    pub(super) fn behind(&self, attributes: &Attributes) -> Self {
        let Self { address, proxy, lmtp, server, tls, cipher_suite, .. } = self.clone();
        let port = attributes.port().or(address.map(|address| address.port())).unwrap_or(0);
        let address = match attributes.get(AttributeName::Addr) {
            Some(_) => attributes.address().map(|address| SocketAddr::new(address, port)),
            None => address.map(|address| SocketAddr::new(address.ip(), port)),
        };
        Self {
            address,
            proxy,
            lmtp,
            server,
            tls,
            cipher_suite,
            hello: attributes.text(AttributeName::Helo).and_then(|name| name.parse().ok()),
            extended: attributes.text(AttributeName::Proto) == Some("ESMTP"),
            identity: attributes.text(AttributeName::Login).map(Identity::new),
            forwarded: None,
        }
    }

    /// Returns the protocol that a message comes by, for its trace field ([RFC
    /// 3848](https://www.rfc-editor.org/rfc/rfc3848)).
    #[must_use]
    pub fn protocol(&self, transaction: &Transaction) -> Protocol {
        let protocol = if self.lmtp { Protocol::lmtp() } else { Protocol::smtp(self.extended) };
        protocol
            .with_tls(self.tls)
            .with_authenticated(self.identity.is_some())
            .with_smtp_utf8(transaction.mail.smtp_utf8)
    }

    /// Returns the field `Received` that this server has to put before a message that comes now ([RFC 5321 section
    /// 4.4](https://www.rfc-editor.org/rfc/rfc5321#section-4.4)). The recipient is in it where there is one alone.
    ///
    /// The name that belongs to the client's address, and this server's name for the message, are the application's to
    /// add; the date is in UTC.
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_transport::smtp::{proto::Mail, server::{Client, Transaction}};
    ///
    /// # fn example(client: &Client, transaction: &Transaction) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    /// let mut fields = Vec::new();
    /// client.received(transaction).with_id("7B1")?.write(&mut fields);
    /// # Ok(fields)
    /// # }
    /// # let fields = example(&Client::default(), &Transaction::new(Mail::new(mailwire_smtp::ReversePath::Null)))?;
    /// # assert!(fields.starts_with(b"Received: from localhost"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn received(&self, transaction: &Transaction) -> Received {
        let from = self.hello.clone().unwrap_or_else(|| Domain::localhost().into());
        let by = self.server.clone().unwrap_or_else(|| Domain::localhost().into());
        let mut received = Received::new(from, by, SystemTime::now().into());
        received.address = self.address.map(|address| address.ip());
        received.protocol = Some(self.protocol(transaction));
        if let [recipient] = &transaction.recipients[..] {
            received.recipient = recipient.to.mailbox().cloned();
        }
        match self.cipher_suite.map(|name| received.clone().with_cipher_suite(name)) {
            Some(Ok(received)) => received,
            _ => received,
        }
    }
}

/// The application of an SMTP server: its users, and what becomes of connections.
pub trait Service: Send + Sync + 'static {
    /// The state of one connection.
    type Session: Session;
    /// The user store.
    type Authenticator: Authenticator;

    /// Returns the user store. One without mechanisms lets nobody log in.
    fn authenticator(&self) -> &Self::Authenticator;

    /// The extensions whose parameters this service keeps: a [`Server`](super::Server) offers them. None by default; a
    /// server can be told to offer more ([`Server::with_extension`](super::Server::with_extension)).
    fn extensions(&self) -> Vec<Capability> {
        Vec::new()
    }

    /// What is offered to one client beside: asked when its connection begins, for what depends on who it is, or on the time, as the
    /// last date of [FUTURERELEASE](mailwire_smtp::extensions::future_release::FutureRelease::starting) does. Nothing by default.
    /// What the machine cannot keep is left out.
    ///
    /// A message that is to be held back comes with [`MailParameters::hold`](mailwire_smtp::MailParameters::hold), within what was
    /// offered, and [`Hold::release_time`](mailwire_smtp::extensions::future_release::Hold::release_time) says until when; what
    /// would be held until after the time of DELIVERBY is refused before it gets to the session ([RFC 4865 section
    /// 5.2.2](https://www.rfc-editor.org/rfc/rfc4865#section-5.2.2)).
    fn extensions_for(&self, client: &Client) -> Vec<Capability> {
        let _ = client;
        Vec::new()
    }

    /// Whether a client is trusted to tell, for its own clients, who they are: XCLIENT and XFORWARD are offered to it
    /// then, and believed. Nobody is, by default; a name or a login proves less than an address within one's own network.
    fn trusts(&self, client: &Client) -> bool {
        let _ = client;
        false
    }

    /// Sends mail over a connection in which the roles have changed, after the session has agreed to
    /// [`atrn`](Session::atrn): an [`smtp::Client::over`](crate::smtp::Client::over) the stream waits for the greeting
    /// of who was the client until now. By default, the connection is closed.
    fn turned(
        &self,
        client: &Client,
        domains: Vec<Domain>,
        stream: Stream,
    ) -> impl Future<Output = ()> + Send {
        let _ = (client, domains, stream);
        async {}
    }

    /// Begins a connection, or refuses it. A refusal is a reply of 554, 521 or 421.
    fn connect(&self, client: &Client) -> impl Future<Output = Result<Self::Session, Reply>> + Send;
}

/// One connection. The machine keeps the order of commands; what comes here is allowed now.
///
/// A transaction is [`mail`](Self::mail), [`rcpt`](Self::rcpt) for each recipient, then
/// [`message`](Self::message), which is told of all of it as a [`Transaction`]. It is over after `message` or
/// [`reset`](Self::reset).
pub trait Session: Send {
    /// Answers EHLO, HELO or LHLO. A positive reply's text stands after the server's name.
    fn hello(&mut self, client: &Client) -> impl Future<Output = Reply> + Send {
        let _ = client;
        async { Reply::new(ReplyCode::OK, "") }
    }

    /// Tells that a login succeeded; `client` says who.
    fn authenticated(&mut self, client: &Client) -> impl Future<Output = ()> + Send {
        let _ = client;
        async {}
    }

    /// Answers MAIL: a transaction begins with its sender.
    fn mail(&mut self, client: &Client, mail: &Mail) -> impl Future<Output = Reply> + Send {
        let _ = client;
        let reply = default_reply(&Command::Mail(mail.clone()));
        async { reply }
    }

    /// Answers RCPT. Only recipients with a positive reply belong to the transaction.
    fn rcpt(&mut self, client: &Client, rcpt: &Rcpt) -> impl Future<Output = Reply> + Send {
        let _ = client;
        let reply = default_reply(&Command::Rcpt(rcpt.clone()));
        async { reply }
    }

    /// Takes the message, read as it comes. A positive reply takes the responsibility for it: it must be
    /// stored by then ([RFC 5321 section 4.2.5](https://www.rfc-editor.org/rfc/rfc5321#section-4.2.5)).
    ///
    /// A refusal before the first part is asked for is the answer to DATA: the message is not sent then. With BDAT it
    /// is on its way, and dropped. Where BURL is offered, [`Body::part`] gives the URLs of what is to be fetched.
    /// What is left unread otherwise is read and dropped. In LMTP the reply counts for all recipients; see
    /// [`message_for_each`](Self::message_for_each).
    ///
    /// # Errors
    ///
    /// The body's: the message is not to be kept, and what the client is told is not this session's
    /// matter.
    fn message(
        &mut self,
        client: &Client,
        transaction: &Transaction,
        body: &mut Body<'_>,
    ) -> impl Future<Output = Result<Reply, BodyError>> + Send;

    /// Takes the message in LMTP, or in SMTP with PRDR: one reply for each accepted recipient, in their order ([RFC 2033 section 4.2](https://www.rfc-editor.org/rfc/rfc2033#section-4.2)). Recipients without one get the last. Where each is delivered by itself, [`Body::answer`] tells the client at once.
    ///
    /// # Errors
    ///
    /// As for [`message`](Self::message).
    fn message_for_each(
        &mut self,
        client: &Client,
        transaction: &Transaction,
        body: &mut Body<'_>,
    ) -> impl Future<Output = Result<Vec<Reply>, BodyError>> + Send {
        async move { Ok(vec![self.message(client, transaction, body).await?]) }
    }

    /// Tells that the transaction is given up: RSET, a new EHLO, a refused message.
    fn reset(&mut self) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Answers VRFY.
    fn vrfy(&mut self, client: &Client, who: &Query) -> impl Future<Output = Reply> + Send {
        let _ = client;
        let reply = default_reply(&Command::Vrfy(who.clone()));
        async { reply }
    }

    /// Answers EXPN.
    fn expn(&mut self, client: &Client, list: &Query) -> impl Future<Output = Reply> + Send {
        let _ = client;
        let reply = default_reply(&Command::Expn(list.clone()));
        async { reply }
    }

    /// Answers ETRN, where that is offered: asks that mail be sent to a host now ([RFC
    /// 1985](https://www.rfc-editor.org/rfc/rfc1985)). Whether the client may ask for it is the application's to
    /// decide; refused with 458 by default.
    fn etrn(&mut self, client: &Client, node: &Node) -> impl Future<Output = Reply> + Send {
        let _ = client;
        let reply = default_reply(&Command::Etrn(node.clone()));
        async { reply }
    }

    /// Answers ATRN of a client that has logged in, where that is offered: whether there is mail for these domains,
    /// or with none of them, for the client ([RFC 2645](https://www.rfc-editor.org/rfc/rfc2645)). After a positive reply,
    /// [`Service::turned`] sends it. Refused with 453, no mail, by default; 450 refuses domains that are not the client's.
    fn atrn(&mut self, client: &Client, domains: &[Domain]) -> impl Future<Output = Reply> + Send {
        let _ = client;
        let reply = default_reply(&Command::Atrn(domains.to_vec()));
        async { reply }
    }

    /// Answers XCLIENT of a client that is [trusted](Service::trusts). `client` is what it says of its own client, who
    /// takes its place if the reply is positive: the server greets it, and its EHLO comes next.
    fn xclient(&mut self, client: &Client) -> impl Future<Output = Reply> + Send {
        let _ = client;
        async { Reply::new(ReplyCode::READY, "") }
    }

    /// Answers any other command: HELP, NOOP, XFORWARD, CLIENTID, and unknown ones if the configuration lets them through.
    fn command(&mut self, client: &Client, command: &Command) -> impl Future<Output = Reply> + Send {
        let _ = client;
        let reply = default_reply(command);
        async { reply }
    }
}

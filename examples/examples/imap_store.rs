//! An IMAP server over messages that are made up when they are asked for: `imap_store 127.0.0.1:1143`.
//! Whoever has real mailboxes implements `mailwire_store::Store` instead, and has all of IMAP, POP3 and delivery by it.
use mailwire_store::message::Message;
use mailwire_transport::{
    Budget, Security,
    imap::{
        proto::{
            command::{FetchAtt, List},
            response::MsgAtt,
            types::*,
        },
        server::*,
    },
    sasl::{Authenticator, Identity, LoginContext, Mechanism, Unavailable},
    server::{Listener, NoReader},
};

/// Ten news, read-only.
struct News;

fn message(uid: Uid) -> Message {
    Message::parse(format!("From: news@example.org\r\nSubject: News {uid}\r\n\r\nNothing new.\r\n").into())
}

impl Authenticator for News {
    fn mechanisms(&self) -> &[Mechanism] {
        &[Mechanism::Plain]
    }

    async fn verify_password(
        &self,
        _: &str,
        password: &mailwire_core::Secret,
        _: &LoginContext,
    ) -> Result<bool, Unavailable> {
        Ok(*password == "secret".into())
    }
}

impl Service for News {
    type Session = Self;
    type Authenticator = Self;

    fn authenticator(&self) -> &Self {
        self
    }

    async fn open(&self, _: &Identity) -> Result<Self, Refusal> {
        Ok(Self)
    }
}

impl Session for News {
    async fn list(&mut self, _: &List) -> Result<Vec<Mailbox>, Refusal> {
        Ok(vec![Mailbox::new("INBOX")])
    }

    async fn status(&mut self, _: &str, _: &StatusOptions) -> Result<Status, Refusal> {
        Ok(Status::default())
    }

    async fn select(&mut self, _: &str, _: &SelectOptions) -> Result<Selected, Refusal> {
        let uids: Vec<Uid> = (1..=10).filter_map(Uid::new).collect();
        Ok(Selected::new(UidValidity::MIN, Uid::new(11).ok_or_else(Refusal::unavailable)?, uids)
            .with_read_only(true))
    }

    async fn search(&mut self, _: &SearchOptions, _: &mut Budget) -> Result<Vec<Uid>, Refusal> {
        Err(Refusal::not_here())
    }

    async fn fetch(
        &mut self,
        uids: &[Uid],
        options: &FetchOptions,
        out: &mut FetchWriter<'_>,
    ) -> Result<(), Refusal> {
        for &uid in uids {
            let message = message(uid);
            let mut fetched = Fetched::<NoReader>::new(uid);
            for item in &options.items {
                match item {
                    FetchAtt::Flags => fetched.data(MsgAtt::Flags(FlagSet::new())),
                    FetchAtt::Envelope => fetched.data(MsgAtt::Envelope(message.envelope().into())),
                    FetchAtt::Rfc822Size => fetched.data(MsgAtt::Rfc822Size(message.raw().len() as u64)),
                    FetchAtt::BodySection { section, .. } => {
                        fetched.content(item.clone(), message.section(section))
                    }
                    _ => return Err(Refusal::not_here()),
                }
            }
            out.message(fetched).await?;
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_default();
    let listener = Listener::bind(&*address, Security::plaintext_without_encryption(), None).await?;
    println!("{}", listener.local_addr().map_or(address, |it| it.to_string()));
    let server = Server::new(News).allow_clear_credentials();
    Ok(server.serve(listener, Default::default()).await?)
}

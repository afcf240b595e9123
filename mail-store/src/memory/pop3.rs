//! The store behind a POP3 server.

use mailwire_pop3::UniqueId;
use mailwire_transport::{
    pop3::server::{Entry, Refusal, Service},
    sasl::Identity,
    server::{Content, NoReader},
};

use super::{Maildrop, Refused, Store};

impl Service for Store {
    type Maildrop = Maildrop;
    type Authenticator = Self;

    fn authenticator(&self) -> &Self {
        self
    }

    async fn open(&self, identity: &Identity) -> Result<Maildrop, Refusal> {
        Ok(self.lock_maildrop(&identity.acting_as)?)
    }
}

impl mailwire_transport::pop3::server::Maildrop for Maildrop {
    type Reader = NoReader;

    async fn messages(&mut self) -> Result<Vec<Entry>, Refusal> {
        let entry = |message| {
            let unique_id = UniqueId::new(self.unique_id(message)).map_err(|_| Refusal::unavailable())?;
            Ok(Entry::new(message.size(), unique_id))
        };
        Self::messages(self).iter().map(entry).collect()
    }

    async fn retr(&mut self, index: usize) -> Result<Content, Refusal> {
        let message = Self::messages(self).get(index).ok_or_else(|| Refusal::new("no such message"))?;
        Ok(message.raw().clone().into())
    }

    async fn commit(self, deleted: Vec<usize>) -> Result<(), Refusal> {
        Ok(Self::commit(self, deleted)?)
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Locked => Self::in_use(),
            refused => Self::new(refused.to_string()),
        }
    }
}

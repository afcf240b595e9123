//! The mailbox that all of it happens in, and connections to it.

use std::{collections::BTreeSet, fmt::Debug, future::Future, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use mailwire_transport::{
    Account, Address, Endpoint, Security,
    imap::{
        Client, Config, FetchAtt, Flag, FlagChange, SearchKey, UidSet,
        client::AppendOptions,
        proto::types::{DateTime, Envelope, FlagSet, Section, Uid},
    },
};

/// How long the server has to tell by itself what has happened.
const PATIENCE: Duration = Duration::from_secs(20);

/// A tour through the extensions of a server.
pub(crate) struct Tour<'a> {
    account: &'a Account,
    endpoint: Endpoint,
    pub(crate) mailbox: String,
    /// The character between the levels of a name.
    pub(crate) delimiter: char,
    /// The other session, for the plain way and for what others do. It has the mailbox open.
    pub(crate) plain: Client,
}

/// What plain commands say of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) uid: Uid,
    pub(crate) flags: FlagSet,
    pub(crate) size: u64,
    pub(crate) date: DateTime,
    pub(crate) envelope: Envelope,
    pub(crate) body: Bytes,
}

/// The messages of the mailbox, with the day of January 2026 on which each came.
pub(crate) const MESSAGES: [(u8, &str); 6] = [
    (
        5,
        "From: Zoe <mia@example.org>\r\nTo: anna@example.org\r\nSubject: Tea\r\nMessage-ID: <1@example.org>\r\n\
         Date: Mon, 5 Jan 2026 10:00:00 +0000\r\n\r\nIs there tea?\r\n",
    ),
    (
        4,
        "From: Bob <bob@example.org>\r\nTo: zoe@example.org\r\nSubject: Re: Tea\r\nMessage-ID: <2@example.org>\r\n\
         References: <1@example.org>\r\nDate: Mon, 5 Jan 2026 12:00:00 +0100\r\n\r\nThere is.\r\n",
    ),
    (
        7,
        "From: adam@example.org\r\nTo: Bob <bob@example.org>\r\nSubject: apples\r\nMessage-ID: <3@example.org>\r\n\
         Date: Sun, 4 Jan 2026 09:00:00 +0000\r\n\r\nApples, too, and more words than anybody has written so far.\r\n",
    ),
    (
        6,
        "From: Zoe <mia@example.org>\r\nTo: bob@example.org\r\nSubject: Re: Re: tea\r\nMessage-ID: <4@example.org>\r\n\
         References: <1@example.org> <2@example.org>\r\nDate: Tue, 6 Jan 2026 10:00:00 +0000\r\n\r\nWith milk.\r\n",
    ),
    (
        8,
        "From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>\r\nTo: anna@example.org\r\n\
         Subject: =?utf-8?q?=C3=9Cber_B=C3=A4ume?=\r\nMessage-ID: <5@example.org>\r\n\
         Date: Wed, 7 Jan 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=cut\r\n\r\n--cut\r\nContent-Type: text/plain\r\n\r\nTrees.\r\n\
         --cut\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECA/8=\r\n\
         --cut--\r\n",
    ),
    (
        9,
        "From: carl@example.org\r\nTo: anna@example.org\r\nSubject: Fwd: apples\r\nMessage-ID: <6@example.org>\r\n\
         In-Reply-To: <3@example.org>\r\nDate: Thu, 8 Jan 2026 10:00:00 +0000\r\n\r\nSee below.\r\n",
    ),
];

/// The content of the attachment.
pub(crate) const ATTACHMENT: [u8; 5] = [0, 1, 2, 3, 255];

impl<'a> Tour<'a> {
    /// Makes the mailbox and puts the messages there.
    pub(crate) async fn begin(account: &'a Account, mailbox: &str) -> Result<Self> {
        let endpoint = account.endpoint().clone();
        let mut plain = Client::connect_with(endpoint.clone(), Config::try_from(account)?).await?;
        let delimiter =
            plain.list("", "").await?.first().and_then(|root| root.delimiter).map_or('/', char::from);
        let mut tour = Self { account, endpoint, mailbox: mailbox.to_owned(), delimiter, plain };
        tour.remove().await?;
        tour.plain.create(&tour.mailbox).await?;
        for (day, message) in MESSAGES {
            let came = DateTime::from_unix(1_767_225_600 + 86_400 * (i64::from(day) - 1) + 3600, 0);
            let options = AppendOptions::new().with_flags([Flag::Seen]).with_date(came);
            tour.plain.append_with(&tour.mailbox, options, message).await?;
        }
        tour.plain.select(&tour.mailbox).await?;
        Ok(tour)
    }

    /// Removes what a check has left: messages beyond the first ones, and flags.
    pub(crate) async fn restore(&mut self) -> Result<()> {
        let uids = self.uids().await?;
        let (first, rest) = uids.split_at_checked(MESSAGES.len()).unwrap_or((&uids, &[]));
        self.plain.uid_store(first, FlagChange::replace([Flag::Seen]).silent()).await?;
        self.plain.uid_store(rest, FlagChange::add([Flag::Deleted]).silent()).await?;
        self.plain.expunge().await?;
        Ok(())
    }

    /// Deletes the mailbox with all that may be left below it.
    async fn remove(&mut self) -> Result<()> {
        let mut names: Vec<_> = self.plain.list("", &format!("{}*", self.mailbox)).await?;
        names.sort_by_key(|listed| std::cmp::Reverse(listed.name.as_bytes().len()));
        for listed in names {
            // One that only has others below it cannot be.
            let _ = self.plain.delete(&listed.name).await;
        }
        Ok(())
    }

    pub(crate) async fn end(mut self) -> Result<()> {
        self.plain.close().await?;
        self.remove().await?;
        Ok(self.plain.logout().await?)
    }

    pub(crate) fn config(&self) -> Result<Config> {
        Ok(Config::try_from(self.account)?)
    }

    pub(crate) fn starts_tls(&self) -> bool {
        self.endpoint.security() == Security::required_starttls()
    }

    /// What the server offers, before a login and after it.
    pub(crate) async fn offered(&self) -> Result<BTreeSet<String>> {
        let before = self.connect_with(Config::anonymous()).await?;
        let after = self.connect().await?;
        let both = before.capabilities().iter().chain(after.capabilities().iter());
        Ok(both.map(ToString::to_string).collect())
    }

    pub(crate) async fn connect_with(&self, config: Config) -> Result<Client> {
        Ok(Client::connect_with(self.endpoint.clone(), config).await?)
    }

    /// The name of the server, and of the user.
    pub(crate) fn host(&self) -> &str {
        match self.endpoint.address() {
            Address::Tcp { host, .. } => host,
            _ => "localhost",
        }
    }

    pub(crate) fn user(&self) -> Result<&str> {
        self.account.user().context("no user")
    }

    /// Another session.
    pub(crate) async fn connect(&self) -> Result<Client> {
        self.connect_with(self.config()?).await
    }

    /// Another session, with the mailbox open.
    pub(crate) async fn open(&self) -> Result<Client> {
        let mut client = self.connect().await?;
        client.select(&self.mailbox).await?;
        Ok(client)
    }

    /// The name of a mailbox below the tour's.
    pub(crate) fn below(&self, name: &str) -> String {
        format!("{}{}{name}", self.mailbox, self.delimiter)
    }

    /// The messages as the other session sees them.
    pub(crate) async fn messages(&mut self) -> Result<Vec<Message>> {
        self.plain.noop().await?;
        let whole = FetchAtt::BodySection { section: Section::WHOLE, partial: None, peek: true };
        let items =
            [FetchAtt::Flags, FetchAtt::Rfc822Size, FetchAtt::InternalDate, FetchAtt::Envelope, whole];
        let mut found = Vec::new();
        let mut answers = self.plain.uid_fetch(UidSet::all(), items).await?;
        while let Some(message) = answers.next().await? {
            let mut flags = message.flags().cloned().unwrap_or_default();
            flags.remove(&Flag::Recent);
            found.push(Message {
                uid: message.uid().context("no UID")?,
                flags,
                size: message.size().context("no size")?,
                date: message.internal_date().context("no internal date")?,
                envelope: message.envelope().cloned().context("no envelope")?,
                body: message.body().context("no body")?,
            });
        }
        Ok(found)
    }

    pub(crate) async fn uids(&mut self) -> Result<Vec<Uid>> {
        self.plain.noop().await?;
        let mut found: Vec<Uid> = self.plain.uid_search([SearchKey::All]).await?.iter().collect();
        found.sort_unstable();
        Ok(found)
    }

    /// The other session stores a message here. Gives its UID.
    pub(crate) async fn add(&mut self, message: &str) -> Result<Uid> {
        let before = self.uids().await?;
        self.plain.append(&self.mailbox, Bytes::copy_from_slice(message.as_bytes())).await?;
        let after = self.uids().await?;
        let mut new = after.into_iter().filter(|uid| !before.contains(uid));
        match (new.next(), new.next()) {
            (Some(uid), None) => Ok(uid),
            _ => bail!("APPEND has not stored one message"),
        }
    }

    /// The other session removes a message.
    pub(crate) async fn remove_message(&mut self, uid: Uid) -> Result<()> {
        self.plain.noop().await?;
        self.plain.uid_store(uid, FlagChange::add([Flag::Deleted])).await?;
        self.plain.expunge().await?;
        Ok(())
    }
}

/// What came of something is what was expected.
pub(crate) fn same<T: PartialEq + Debug>(what: &str, came: &T, expected: &T) -> Result<()> {
    ensure!(came == expected, "{what}: {came:?}, not {expected:?}");
    Ok(())
}

/// Waits for something that the server tells by itself.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(result) => result,
        Err(_) => bail!("{what} did not come"),
    }
}

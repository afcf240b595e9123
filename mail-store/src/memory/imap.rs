//! The store as an IMAP service.

use std::{cell::OnceCell, ops::Deref};

use bytes::{Bytes, BytesMut};
use mailwire_core::Text;
use mailwire_imap::{
    command::{FetchAtt, List, StoreAction},
    response::{BinarySize, Code, MsgAtt},
    types::{Date, DateTime, Flag, FlagSet, MailboxAttribute, PermanentFlags, Uid},
};
use mailwire_transport::{
    imap::server::{
        Appended, Body, Copied, CopyOptions, CreateOptions, FetchOptions, Fetched, Mailbox,
        NewMessage as Appending, Refusal, SearchOptions, SelectOptions, Selected, Service, Session, Status,
        StatusOptions, StoreOptions, Stored, Update,
    },
    sasl::Identity,
    server::{Content, NoReader},
};

use super::{Change, Flags, InternalDate, MailboxInfo, Message, NewMessage, Refused, Store, User, View};
use crate::message::{Candidate, Message as Parts, UnknownEncoding, partial};

impl Service for Store {
    type Session = UserSession;
    type Authenticator = Self;

    fn authenticator(&self) -> &Self {
        self
    }

    async fn open(&self, identity: &Identity) -> Result<UserSession, Refusal> {
        let user = self.user(&identity.acting_as);
        let user =
            user.ok_or_else(|| Refusal::new("There is no such user").with_code(Code::AuthorizationFailed))?;
        Ok(UserSession { user, view: None })
    }
}

/// An IMAP session of a user of a [`Store`].
#[derive(Debug)]
pub struct UserSession {
    user: User,
    view: Option<View>,
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let code = match refused {
            Refused::NoSuchMailbox | Refused::NoSuchUser => Code::NonExistent,
            Refused::MailboxExists => Code::AlreadyExists,
            Refused::OverQuota => Code::OverQuota,
            Refused::Locked => Code::InUse,
            Refused::HasChildren => Code::HasChildren,
            Refused::ReadOnly => Code::NoPerm,
            _ => Code::Cannot,
        };
        Self::new(refused.to_string()).with_code(code)
    }
}

/// Copying into a mailbox that is not there: the client may make it and try again.
fn try_create(refused: Refused) -> Refusal {
    match refused {
        Refused::NoSuchMailbox => Refusal::from(refused).with_code(Code::TryCreate),
        _ => refused.into(),
    }
}

impl UserSession {
    fn view(&mut self) -> Result<&mut View, Refusal> {
        self.view.as_mut().ok_or_else(|| Refusal::new("No mailbox is open"))
    }

    fn take_updates(&mut self) -> Vec<Update> {
        let Some(view) = &mut self.view else { return Vec::new() };
        let changes = view.take_changes();
        let mut updates = Vec::new();
        for recent in [false, true] {
            let of_kind = |message: &&Message| view.is_recent(message.uid) == recent;
            let uids: Vec<Uid> = changes.added.iter().filter(of_kind).filter_map(Message::number).collect();
            if !uids.is_empty() {
                updates.push(Update::Added { uids, recent });
            }
        }
        if !changes.changed.is_empty() {
            let flags = |message: &Message| Some((message.number()?, message.flags.to_set()));
            updates.push(Update::Flags(changes.changed.iter().filter_map(flags).collect()));
        }
        if !changes.expunged.is_empty() {
            updates.push(Update::Expunged(uids(changes.expunged)));
        }
        if changes.deleted {
            updates.push(Update::MailboxGone);
        }
        updates
    }
}

impl Session for UserSession {
    type Reader = NoReader;

    async fn list(&mut self, _: &List) -> Result<Vec<Mailbox>, Refusal> {
        let mailbox = |info: MailboxInfo| {
            let mut mailbox = Mailbox::new(info.name).subscribed(info.subscribed);
            if !info.exists {
                mailbox = mailbox.with(MailboxAttribute::NonExistent);
            }
            if let Some(attribute) = info.special_use.and_then(|name| MailboxAttribute::new(name).ok()) {
                mailbox = mailbox.with(attribute);
            }
            mailbox
        };
        Ok(self.user.mailboxes().into_iter().map(mailbox).collect())
    }

    async fn status(&mut self, mailbox: &str, _: &StatusOptions) -> Result<Status, Refusal> {
        let status = self.user.status(mailbox)?;
        let mut all = Status::default();
        all.messages = Some(status.messages);
        all.recent = Some(status.recent);
        all.uid_next = Some(status.uid_next);
        all.uid_validity = Some(status.uid_validity);
        all.unseen = Some(status.unseen);
        all.deleted = Some(status.deleted);
        all.size = Some(status.size);
        Ok(all)
    }

    async fn select(&mut self, mailbox: &str, options: &SelectOptions) -> Result<Selected, Refusal> {
        let read_only = options.read_only;
        self.view = None;
        let view = self.user.open(mailbox, read_only)?;
        let known = view.uids();
        let is_unseen = |uid: &u32| {
            view.message(*uid).is_some_and(|message| !message.flags.contains(Flags::SEEN.as_bytes()))
        };
        let flags: FlagSet = Selected::system_flags()
            .iter()
            .cloned()
            .chain(view.flags_in_use().to_set().iter().cloned())
            .collect();
        let mut selected = Selected::new(view.uid_validity(), view.uid_next(), uids(known.iter().copied()));
        selected.recent = uids(known.iter().copied().filter(|uid| view.is_recent(*uid)));
        selected.unseen = known.iter().copied().find(is_unseen).and_then(Uid::new);
        selected.read_only = read_only;
        if !read_only {
            selected.permanent_flags = PermanentFlags { flags: flags.clone(), new_keywords: true };
        }
        selected.flags = flags;
        self.view = Some(view);
        Ok(selected)
    }

    async fn unselect(&mut self) {
        self.view = None;
    }

    async fn fetch(&mut self, uids: &[Uid], options: &FetchOptions) -> Result<Vec<Fetched>, Refusal> {
        let view = self.view()?;
        let mut fetched = Vec::with_capacity(uids.len());
        for uid in uids {
            if let Some(message) = view.message(uid.get()) {
                fetched.push(fetch(*uid, &message, &options.items)?);
            }
        }
        Ok(fetched)
    }

    async fn store(&mut self, uids: &[Uid], options: &StoreOptions) -> Result<Vec<Stored>, Refusal> {
        let how = match options.action {
            StoreAction::Replace => Change::Replace,
            StoreAction::Add => Change::Add,
            StoreAction::Remove => Change::Remove,
        };
        let stored = self.view()?.store(&numbers(uids), how, &Flags::from_set(&options.flags))?;
        let one = |stored: super::Stored| {
            Some(Stored::new(Uid::new(stored.uid)?, stored.flags.to_set(), stored.changed))
        };
        Ok(stored.into_iter().filter_map(one).collect())
    }

    async fn search(&mut self, options: &SearchOptions) -> Result<Vec<Uid>, Refusal> {
        let view = self.view()?;
        let mut found = Vec::new();
        for (done, uid) in view.uids().iter().enumerate() {
            if view.message(*uid).is_some_and(|message| options.keys.iter().all(|key| message.matches(key))) {
                found.extend(Uid::new(*uid));
            }
            // Looking into many messages takes a while; others have their turn.
            if done % 64 == 63 {
                tokio::task::yield_now().await;
            }
        }
        Ok(found)
    }

    async fn append(
        &mut self,
        mailbox: &str,
        message: Appending,
        body: &mut Body<'_>,
    ) -> Result<Option<Appended>, Refusal> {
        // What can be told before the message is sent, is.
        self.user.status(mailbox).map_err(try_create)?;
        if body.length() > self.user.room() {
            return Err(Refused::OverQuota.into());
        }
        let raw = collect(body).await?;
        let date = message.date.map_or_else(InternalDate::now, |date| InternalDate {
            seconds: date.to_unix(),
            zone: date.zone(),
        });
        let message = NewMessage { raw, flags: Flags::from_set(&message.flags), date };
        let (uid_validity, uid) = self.user.append(mailbox, message).map_err(try_create)?;
        Ok(Uid::new(uid).map(|uid| Appended::new(uid_validity, uid)))
    }

    async fn copy_to(
        &mut self,
        uids: &[Uid],
        target: &str,
        _: &CopyOptions,
    ) -> Result<Option<Copied>, Refusal> {
        let copied = self.view()?.copy(&numbers(uids), target, false).map_err(try_create)?;
        Ok(Some(copied.into()))
    }

    async fn move_to(&mut self, uids: &[Uid], target: &str, _: &CopyOptions) -> Result<Copied, Refusal> {
        Ok(self.view()?.copy(&numbers(uids), target, true).map_err(try_create)?.into())
    }

    async fn expunge(&mut self, only: Option<&[Uid]>) -> Result<Vec<Uid>, Refusal> {
        let only = only.map(numbers);
        Ok(uids(self.view()?.expunge(only.as_deref())?))
    }

    async fn updates(&mut self) -> Vec<Update> {
        loop {
            match &mut self.view {
                Some(view) => view.changed().await,
                None => std::future::pending().await,
            }
            let updates = self.take_updates();
            if !updates.is_empty() {
                return updates;
            }
        }
    }

    async fn poll_updates(&mut self) -> Vec<Update> {
        self.take_updates()
    }

    async fn create(&mut self, mailbox: &str, _: &CreateOptions) -> Result<(), Refusal> {
        Ok(self.user.create(mailbox, None)?)
    }

    async fn delete(&mut self, mailbox: &str) -> Result<(), Refusal> {
        Ok(self.user.delete(mailbox)?)
    }

    async fn rename(&mut self, from: &str, to: &str) -> Result<(), Refusal> {
        Ok(self.user.rename(from, to)?)
    }

    async fn subscribe(&mut self, mailbox: &str, subscribed: bool) -> Result<(), Refusal> {
        if subscribed {
            self.user.subscribe(mailbox)?;
        } else {
            self.user.unsubscribe(mailbox);
        }
        Ok(())
    }
}

impl Message {
    fn number(&self) -> Option<Uid> {
        Uid::new(self.uid)
    }

    fn date_time(&self) -> Option<DateTime> {
        DateTime::from_unix(self.date.seconds, self.date.zone)
    }
}

impl Candidate for Message {
    fn uid(&self) -> u32 {
        self.uid
    }

    fn has_flag(&self, flag: &[u8]) -> bool {
        self.flags.contains(flag)
    }

    fn internal_date(&self) -> Option<Date> {
        self.date_time().map(DateTime::date)
    }

    fn size(&self) -> u64 {
        self.raw().len() as u64
    }

    fn message(&self) -> impl Deref<Target = Parts> {
        self.parts()
    }
}

impl Flags {
    fn to_set(&self) -> FlagSet {
        self.iter().filter_map(|flag| Flag::new(flag.clone()).ok()).collect()
    }

    fn from_set(flags: &FlagSet) -> Self {
        let settable = |flag: &&Flag| flag.is_settable();
        flags.iter().filter(settable).map(|flag| Text::from(flag.to_string())).collect()
    }
}

impl From<super::Copied> for Copied {
    fn from(copied: super::Copied) -> Self {
        let pair = |(from, to)| Some((Uid::new(from)?, Uid::new(to)?));
        Self::new(copied.uid_validity, copied.uids.into_iter().filter_map(pair).collect::<Vec<_>>())
    }
}

fn uids(numbers: impl IntoIterator<Item = u32>) -> Vec<Uid> {
    numbers.into_iter().filter_map(Uid::new).collect()
}

fn numbers(uids: &[Uid]) -> Vec<u32> {
    uids.iter().map(|uid| uid.get()).collect()
}

/// A message as one piece. It grows as it comes, whatever was announced.
async fn collect(body: &mut Body<'_>) -> Result<Bytes, Refusal> {
    let Some(first) = body.chunk().await? else { return Ok(Bytes::new()) };
    let mut message = BytesMut::from(&first[..]);
    while let Some(chunk) = body.chunk().await? {
        message.extend_from_slice(&chunk);
    }
    Ok(message.freeze())
}

fn fetch(uid: Uid, message: &Message, items: &[FetchAtt]) -> Result<Fetched, Refusal> {
    use mailwire_imap::types::Section;
    let mut fetched = Fetched::new(uid);
    let looked_at = OnceCell::new();
    let parts = || looked_at.get_or_init(|| message.parts());
    let unknown = |_: UnknownEncoding| {
        Refusal::new("The part's transfer encoding is not known").with_code(Code::UnknownCte)
    };
    for item in items {
        let content = match item {
            FetchAtt::Flags => {
                fetched.data(MsgAtt::Flags(message.flags.to_set()));
                continue;
            }
            FetchAtt::InternalDate => {
                fetched.data(MsgAtt::InternalDate(message.date_time()));
                continue;
            }
            FetchAtt::Rfc822Size => {
                fetched.data(MsgAtt::Rfc822Size(message.size()));
                continue;
            }
            FetchAtt::Envelope => {
                fetched.data(MsgAtt::Envelope(Box::new(parts().envelope())));
                continue;
            }
            FetchAtt::Body => {
                fetched.data(MsgAtt::Body(parts().structure(false)));
                continue;
            }
            FetchAtt::BodyStructure => {
                fetched.data(MsgAtt::BodyStructure(parts().structure(true)));
                continue;
            }
            FetchAtt::BinarySize { part } => {
                let size = match parts().binary(part) {
                    Some(decoded) => decoded.map_err(unknown)?.len() as u64,
                    None => 0,
                };
                fetched.data(MsgAtt::BinarySize(Box::new(BinarySize { part: part.clone(), size })));
                continue;
            }
            FetchAtt::BodySection { section, partial: range, .. } => {
                parts().section(section).map(|found| partial(&found, *range))
            }
            FetchAtt::Binary { part, partial: range, .. } => match parts().binary(part) {
                Some(decoded) => Some(partial(&decoded.map_err(unknown)?, *range)),
                None => None,
            },
            FetchAtt::Rfc822 => Some(message.raw().clone()),
            FetchAtt::Rfc822Header => parts().section(&Section::HEADER),
            FetchAtt::Rfc822Text => parts().section(&Section::TEXT),
            _ => continue,
        };
        fetched.content(item.clone(), content.map(Content::Bytes));
    }
    Ok(fetched)
}

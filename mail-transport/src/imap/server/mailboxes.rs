//! Commands about mailboxes.

use mailwire_imap::{
    Capability,
    command::{Create, FetchAtt, List, ListReturnOpt, Select, Since, StatusAtt},
    extensions::condstore::QResync,
    extensions::namespace::{NamespaceData, NamespaceDescr},
    response::{Code, ListData, ListExtension, ListKind, Reply, StatusAttVal, StatusData, Untagged},
    types::{ImapString, ListPattern, MailboxAttribute, MailboxName, ModSeq, Uid},
    view::{Numbering, View},
};

use super::{
    answers::Status,
    conversation::{Conversation, Stop, done},
    listing::{Listed, Listing, Mailbox, Tree, unicode_name, wire_name},
    open::{Counted, KnownFlags, Open, ok, permanent},
    options::{CreateOptions, MetadataOptions, SelectOptions, StatusOptions},
    refusal::Refusal,
    sending::push,
    service::{Service, Session},
};
use crate::{Budget, Error};

impl<S: Service> Conversation<S> {
    pub(super) fn session(&mut self) -> Result<&mut S::Session, Stop> {
        self.session.as_mut().ok_or(Stop::Bad("Log in first"))
    }

    /// The name that a client means. What is no name in the revision that it speaks is refused.
    pub(super) fn name(&self, mailbox: &MailboxName) -> Result<String, Stop> {
        let utf8 = self.utf8();
        unicode_name(mailbox, utf8).ok_or_else(|| {
            let written = if utf8 { "UTF-8" } else { "modified UTF-7" };
            Refusal::new(format!("The mailbox name is not {written}")).with_code(Code::Cannot).into()
        })
    }

    pub(super) fn session_and_name(
        &mut self,
        mailbox: &MailboxName,
    ) -> Result<(&mut S::Session, String), Stop> {
        let name = self.name(mailbox)?;
        Ok((self.session()?, name))
    }

    /// SELECT and EXAMINE: RFC 9051 section 6.3.2.
    pub(super) async fn select(&mut self, select: Select, read_only: bool) -> Result<Reply, Stop> {
        // Whatever comes of it, the mailbox before it is closed.
        let before = self.open.take();
        let (rev2, uid_only) = (self.rev2(), self.driver.connection().is_uid_only());
        let (session, name) = self.session_and_name(&select.mailbox)?;
        if before.is_some() {
            session.unselect().await;
        }
        let selected = session.select(&name, &SelectOptions::new().with_read_only(read_only)).await?;
        let highest = session.highest_mod_seq();
        let read_only = read_only || selected.read_only;
        let numbering = if uid_only { Numbering::UidOnly } else { Numbering::Numbers };
        let mut view = View::with_uids(selected.uids, numbering);
        view.set_recent(selected.recent);
        let mut tell = vec![Untagged::Flags(selected.flags.clone()), Untagged::Exists(view.len())];
        if rev2 {
            let listed = listed(ListKind::List, Mailbox::new(name.clone()), true);
            tell.extend(listed.map(Untagged::List));
        } else {
            tell.push(Untagged::Recent(view.recent()));
            let unseen = selected.unseen.filter(|_| !uid_only).and_then(|uid| view.number(uid));
            tell.extend(unseen.map(|number| ok(Code::Unseen(Some(number)), "The first unseen message")));
        }
        tell.push(ok(Code::UidValidity(Some(selected.uid_validity)), "UIDs are valid"));
        tell.push(ok(Code::UidNext(Some(selected.uid_next)), "The next UID"));
        tell.push(permanent(selected.permanent_flags.clone()));
        let mailbox_id = selected.mailbox_id.filter(|_| self.offers(&Capability::ObjectId));
        tell.extend(mailbox_id.map(|id| ok(Code::MailboxId(id.into()), "The mailbox")));
        if self.offers(&Capability::UrlAuth) {
            tell.push(ok(Code::UrlMech(Vec::new()), "URLs can be authorized"));
        }
        if self.can_count_changes() {
            // RFC 7162 section 3.1.2: one of the two.
            let code = highest.map_or(Code::NoModSeq, |highest| Code::HighestModSeq(Some(highest)));
            tell.push(ok(code, "The last change"));
        }
        for data in tell {
            push(&mut self.driver, data).await?;
        }
        let flags = KnownFlags { flags: selected.flags, permanent: selected.permanent_flags };
        self.open = Some(Open::new(
            name,
            selected.uid_validity,
            view,
            read_only,
            flags,
            Counted::new(highest, selected.uid_next),
        ));
        let known = select.qresync.filter(|known| known.uid_validity == selected.uid_validity);
        if let Some(known) = known.filter(|_| highest.is_some()) {
            if let Err(stop) = self.resync(*known, selected.uid_next).await {
                self.close(false).await?;
                return Err(stop);
            }
        }
        let code = if read_only { Code::ReadOnly } else { Code::ReadWrite };
        Ok(done().with_code(code))
    }

    /// CREATE: RFC 9051 section 6.3.4. The mailbox's identifier is told where identifiers are offered (RFC
    /// 8474 section 4.1).
    pub(super) async fn create(&mut self, create: &Create) -> Result<Reply, Stop> {
        let tells_id = self.offers(&Capability::ObjectId);
        let (session, name) = self.session_and_name(&create.mailbox)?;
        let options = CreateOptions::new().with_special_use(create.special_use.as_slice());
        session.create(&name, &options).await?;
        let mut reply = done();
        if tells_id {
            let made = session.status(&name, &StatusOptions::new([StatusAtt::MailboxId])).await;
            reply.code = made.ok().and_then(|made| made.mailbox_id).map(|id| Code::MailboxId(id.into()));
        }
        Ok(reply)
    }

    /// Whether clients can ask for modification sequences.
    pub(super) fn can_count_changes(&self) -> bool {
        self.offers(&Capability::CondStore) || self.offers(&Capability::QResync)
    }

    /// Tells a client that comes back what has changed: RFC 7162 section 3.2.5.
    async fn resync(&mut self, known: QResync, uid_next: Uid) -> Result<(), Stop> {
        let (_, open) = self.opened()?;
        let all = Uid::new(uid_next.get() - 1).map(|last| (Uid::MIN, last));
        let asked = match known.known_uids {
            Some(uids) => uids.normalized(),
            None => all.into_iter().collect(),
        };
        // Up to that message nothing is gone.
        let there = known.match_data.and_then(|data| {
            data.last_match(|number, uid| open.view.uid(number) == Some(uid)).map(|last| (Uid::MIN, last))
        });
        let since = Since::ChangedOrVanished(known.mod_seq);
        let changed = self.tell_vanished(since, &asked, there).await?;
        self.give(changed, vec![FetchAtt::Flags, FetchAtt::ModSeq], true).await?;
        Ok(())
    }

    /// CLOSE and UNSELECT: RFC 9051 sections 6.4.1 and 6.4.2.
    pub(super) async fn close(&mut self, expunge: bool) -> Result<Reply, Stop> {
        let open = self.open.take();
        let session = self.session()?;
        let expunged = match open {
            Some(Open { read_only: false, .. }) if expunge => session.expunge(None).await.map(drop),
            _ => Ok(()),
        };
        session.unselect().await;
        // It is closed in any case; a refusal would mean that it is not.
        if let Err(refusal) = expunged {
            tracing::warn!(reason = %refusal.text, "cannot expunge");
        }
        Ok(done())
    }

    /// LIST: RFC 9051 section 6.3.9.
    pub(super) async fn list(&mut self, list: List) -> Result<Reply, Stop> {
        self.list_as(ListKind::List, list).await
    }

    /// XLIST: LIST, with special uses by the names that it has for them.
    pub(super) async fn xlist(&mut self, list: List) -> Result<Reply, Stop> {
        self.list_as(ListKind::Xlist, list).await
    }

    async fn list_as(&mut self, kind: ListKind, list: List) -> Result<Reply, Stop> {
        let (rev2, utf8) = (self.rev2(), self.utf8());
        if list.selection().is_empty() && list.patterns.iter().all(|pattern| pattern.as_bytes().is_empty()) {
            return self.list_delimiter(kind).await;
        }
        let all = self.session()?.list(&list).await?;
        let told: Vec<_> = list.returns().to_vec();
        let extended = rev2 || !list.selection().is_empty() || !list.returns().is_empty();
        let listing = Listing::list(&list, utf8);
        let (mut budget, tree) = self.tree(all).await?;
        for entry in tree.entries() {
            let Some(line) = listing.line(entry, &mut budget).await? else { continue };
            let Listed { mut mailbox, child_subscribed } = line;
            let name = mailbox.name.clone();
            let selectable = mailbox.is_selectable();
            show_attributes(&mut mailbox, extended);
            if kind == ListKind::Xlist {
                show_old_uses(&mut mailbox);
            }
            let Some(mut response) = listed(kind, mailbox, utf8) else { continue };
            if child_subscribed {
                let subscribed = ImapString::new("SUBSCRIBED").ok();
                response.extensions.push(ListExtension::ChildInfo(subscribed.into_iter().collect()));
            }
            push(&mut self.driver, Untagged::List(response)).await?;
            for option in told.iter().filter(|_| selectable) {
                let entries = if let ListReturnOpt::Metadata(entries) = option { entries.len() } else { 1 };
                budget.spend(ASKED * entries as u64).await?;
                self.tell_listed(&name, option).await?;
            }
        }
        Ok(done())
    }

    /// What is told of a mailbox after its LIST: nothing where it fails (RFC 5819, 8440, 9590).
    async fn tell_listed(&mut self, name: &str, option: &ListReturnOpt) -> Result<(), Stop> {
        match option {
            ListReturnOpt::Status(items) => {
                let asked = StatusOptions::new(items.as_slice());
                if let Ok(status) = self.session()?.status(name, &asked).await {
                    self.tell_status(name, items, &status).await?;
                }
                Ok(())
            }
            ListReturnOpt::MyRights => self.tell_rights(name).await,
            ListReturnOpt::Metadata(entries) => {
                let asked = MetadataOptions::new(entries.as_slice());
                match self.tell_metadata(Some(name), &asked, None).await {
                    Ok(_) | Err(Stop::No(_)) => Ok(()),
                    Err(stop) => Err(stop),
                }
            }
            _ => Ok(()),
        }
    }

    /// LSUB: RFC 3501 section 6.3.9.
    pub(super) async fn lsub(
        &mut self,
        reference: &MailboxName,
        pattern: &ListPattern,
    ) -> Result<Reply, Stop> {
        if pattern.as_bytes().is_empty() {
            return self.list_delimiter(ListKind::Lsub).await;
        }
        let utf8 = self.utf8();
        let all = self.session()?.list(&List::new(reference.clone(), pattern.clone())).await?;
        let listing = Listing::lsub(reference, pattern, utf8);
        let (mut budget, tree) = self.tree(all).await?;
        for entry in tree.entries() {
            let Some(line) = listing.line(entry, &mut budget).await? else { continue };
            if let Some(response) = listed(ListKind::Lsub, line.mailbox, utf8) {
                push(&mut self.driver, Untagged::List(response)).await?;
            }
        }
        Ok(done())
    }

    /// Mailboxes in their order, and what it may cost to compare them.
    async fn tree(&mut self, mailboxes: Vec<Mailbox>) -> Result<(Budget, Tree), Stop> {
        let mut budget = self.budget();
        let cost = Tree::cost(&mailboxes);
        budget.grant(cost);
        let tree = budget.run(cost, || Tree::new(mailboxes)).await?;
        Ok((budget, tree))
    }

    /// An empty pattern asks for the delimiter.
    async fn list_delimiter(&mut self, kind: ListKind) -> Result<Reply, Stop> {
        let namespaces = self.session()?.namespace().await?;
        let delimiter = namespaces.personal.first().and_then(|(_, delimiter)| *delimiter);
        let mut root = Mailbox::new("").with(MailboxAttribute::NoSelect);
        root.delimiter = delimiter;
        if let Some(response) = listed(kind, root, false) {
            push(&mut self.driver, Untagged::List(response)).await?;
        }
        Ok(done())
    }

    /// NAMESPACE: RFC 9051 section 6.3.10.
    pub(super) async fn namespace(&mut self) -> Result<Reply, Stop> {
        let namespaces = self.session()?.namespace().await?;
        let utf8 = self.utf8();
        let convert = |list: Vec<(String, Option<char>)>| {
            let one = |(prefix, delimiter): (String, Option<char>)| {
                let prefix = ImapString::new(wire_name(&prefix, utf8)?.into_text()).ok()?;
                Some(NamespaceDescr::new(prefix, delimiter.and_then(ascii)))
            };
            list.into_iter().filter_map(one).collect()
        };
        let response = NamespaceData::new(
            convert(namespaces.personal),
            convert(namespaces.other_users),
            convert(namespaces.shared),
        );
        push(&mut self.driver, Untagged::Namespace(Box::new(response))).await?;
        Ok(done())
    }

    /// STATUS: RFC 9051 section 6.3.11.
    pub(super) async fn status(&mut self, mailbox: &MailboxName, items: &[StatusAtt]) -> Result<Reply, Stop> {
        if items.iter().any(|item| matches!(item, StatusAtt::Other(_))) {
            return Err(Stop::Bad("Unknown STATUS item"));
        }
        let (session, name) = self.session_and_name(mailbox)?;
        let status = session.status(&name, &StatusOptions::new(items)).await?;
        self.tell_status(&name, items, &status).await?;
        Ok(done())
    }

    pub(super) async fn tell_status(
        &mut self,
        name: &str,
        items: &[StatusAtt],
        status: &Status,
    ) -> Result<(), Error> {
        let Some(mailbox) = wire_name(name, self.utf8()) else { return Ok(()) };
        let offered = self.driver.connection().capabilities().append_limit();
        let value = |item: &StatusAtt| {
            Some(match item {
                StatusAtt::Messages => StatusAttVal::Messages(status.messages?),
                StatusAtt::Recent => StatusAttVal::Recent(status.recent?),
                StatusAtt::UidNext => StatusAttVal::UidNext(Some(status.uid_next?)),
                StatusAtt::UidValidity => StatusAttVal::UidValidity(Some(status.uid_validity?)),
                StatusAtt::Unseen => StatusAttVal::Unseen(status.unseen?),
                StatusAtt::Deleted => StatusAttVal::Deleted(status.deleted?),
                StatusAtt::DeletedStorage => {
                    StatusAttVal::DeletedStorage(status.deleted_bytes?.div_ceil(1024))
                }
                StatusAtt::Size => StatusAttVal::Size(status.size?),
                StatusAtt::AppendLimit => StatusAttVal::AppendLimit(status.append_limit.unwrap_or(offered)),
                StatusAtt::MailboxId => StatusAttVal::MailboxId(status.mailbox_id.clone()?.into()),
                // Where changes are not counted, it is 0.
                StatusAtt::HighestModSeq => {
                    StatusAttVal::HighestModSeq(status.highest_mod_seq.unwrap_or(ModSeq::ZERO))
                }
                _ => return None,
            })
        };
        let items: Vec<_> = items.iter().filter_map(value).collect();
        push(&mut self.driver, Untagged::Status(StatusData::new(mailbox, items))).await?;
        Ok(())
    }
}

/// What it costs to tell something of a mailbox that LIST shows, in bytes.
const ASKED: u64 = 64;

/// `\NonExistent` is for those who know it (RFC 9051 section 7.3.1).
pub(super) fn show_attributes(mailbox: &mut Mailbox, extended: bool) {
    let attributes = &mut mailbox.attributes;
    if !extended && attributes.contains(&MailboxAttribute::NonExistent) {
        attributes.retain(|attribute| *attribute != MailboxAttribute::NonExistent);
        if !attributes.contains(&MailboxAttribute::NoSelect) {
            attributes.insert(0, MailboxAttribute::NoSelect);
        }
    }
    if extended && mailbox.subscribed && !attributes.contains(&MailboxAttribute::Subscribed) {
        attributes.push(MailboxAttribute::Subscribed);
    }
}

/// Special uses as XLIST has them, from before they had today's names.
fn show_old_uses(mailbox: &mut Mailbox) {
    for attribute in &mut mailbox.attributes {
        let old = match attribute {
            MailboxAttribute::All => "\\AllMail",
            MailboxAttribute::Flagged => "\\Starred",
            MailboxAttribute::Junk => "\\Spam",
            _ => continue,
        };
        if let Ok(old) = MailboxAttribute::new(old) {
            *attribute = old;
        }
    }
    if mailbox.name == "INBOX" {
        mailbox.attributes.push(MailboxAttribute::Inbox);
    }
}

pub(super) fn listed(kind: ListKind, mailbox: Mailbox, utf8: bool) -> Option<ListData> {
    let name = wire_name(&mailbox.name, utf8)?;
    let data = ListData::new(kind, name, mailbox.delimiter.and_then(ascii));
    Some(data.with_attributes(mailbox.attributes.into_iter().collect()))
}

fn ascii(delimiter: char) -> Option<u8> {
    u8::try_from(delimiter).ok().filter(u8::is_ascii)
}

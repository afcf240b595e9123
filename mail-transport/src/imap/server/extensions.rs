//! Commands of extensions that stand on their own.

use std::collections::BTreeSet;

use mailwire_core::Text;
use mailwire_imap::{
    Capability,
    command::{AString, List},
    extensions::{
        ExtensionCommand,
        acl::{AclCommand, AclData},
        jmap_access::JmapAccessData,
        language::{LanguageCommand, LanguageData},
        listing::{ListingCommand, ListingKind},
        metadata::{EntryName, GetMetadata, MetadataCode, MetadataCommand, MetadataData},
        quota::{QuotaCommand, QuotaData, QuotaRoot},
    },
    response::{Code, Reply},
    types::{ImapString, MailboxName},
};

use super::{
    answers::GrantableRights,
    conversation::{Conversation, Stop, done},
    listing::wire_name,
    options::MetadataOptions,
    refusal::Refusal,
    sending::push,
    service::{Service, Session},
};

/// The language in which all texts are by default ([RFC 2277 section
/// 4.5](https://www.rfc-editor.org/rfc/rfc2277#section-4.5)).
const DEFAULT_LANGUAGE: &str = "i-default";

impl<S: Service> Conversation<S> {
    pub(super) async fn extension(&mut self, command: ExtensionCommand) -> Result<Reply, Stop> {
        match command {
            ExtensionCommand::Acl(command) => self.acl(command).await,
            ExtensionCommand::GetJmapAccess(_) => self.jmap_access().await,
            ExtensionCommand::Language(command) => self.language(&command).await,
            ExtensionCommand::Listing(command) => self.listing(command).await,
            ExtensionCommand::Metadata(MetadataCommand::Get(get)) => self.get_metadata(&get).await,
            ExtensionCommand::Metadata(MetadataCommand::Set { mailbox, entries }) => {
                self.set_metadata(&mailbox, &entries).await
            }
            ExtensionCommand::Quota(command) => self.quota(command).await,
            ExtensionCommand::UrlAuth(command) => self.url_auth(command).await,
            _ => Err(Stop::Bad("Unknown command")),
        }
    }

    /// ACL: RFC 4314 section 3.
    async fn acl(&mut self, command: AclCommand) -> Result<Reply, Stop> {
        let data = match command {
            AclCommand::Set { mailbox, identifier, change } => {
                let identifier = name_of(&identifier)?;
                let (session, name) = self.session_and_name(&mailbox)?;
                session.set_acl(&name, &identifier, change).await?;
                return Ok(done());
            }
            AclCommand::Delete { mailbox, identifier } => {
                let identifier = name_of(&identifier)?;
                let (session, name) = self.session_and_name(&mailbox)?;
                session.delete_acl(&name, &identifier).await?;
                return Ok(done());
            }
            AclCommand::Get(mailbox) => {
                let (session, name) = self.session_and_name(&mailbox)?;
                let entries = session.acl(&name).await?.into_iter().filter_map(|(identifier, rights)| {
                    Some((AString::new(identifier).ok()?, rights.with_obsolete()))
                });
                AclData::Acl { mailbox, entries: entries.collect() }
            }
            AclCommand::ListRights { mailbox, identifier } => {
                let asked = name_of(&identifier)?;
                let (session, name) = self.session_and_name(&mailbox)?;
                let GrantableRights { required, optional } = session.list_rights(&name, &asked).await?;
                AclData::ListRights { mailbox, identifier, required, optional }
            }
            AclCommand::MyRights(mailbox) => {
                let (session, name) = self.session_and_name(&mailbox)?;
                let rights = session.my_rights(&name).await?.with_obsolete();
                AclData::MyRights { mailbox, rights }
            }
            _ => return Err(Stop::Bad("Unknown command")),
        };
        push(&mut self.driver, data.into()).await?;
        Ok(done())
    }

    /// GETJMAPACCESS: RFC 9698 section 4.
    async fn jmap_access(&mut self) -> Result<Reply, Stop> {
        let url = self.service().jmap_session().and_then(|url| ImapString::new(url).ok());
        let Some(url) = url else { return Err(Stop::Bad("There is no JMAP session")) };
        push(&mut self.driver, JmapAccessData::new(url).into()).await?;
        Ok(done())
    }

    /// LANGUAGE: RFC 5255 section 3.2.
    async fn language(&mut self, command: &LanguageCommand) -> Result<Reply, Stop> {
        let languages = self.service().languages();
        let tell = |tags: Vec<String>| LanguageData::new(tags).map_err(|_| Refusal::unavailable());
        if command.ranges.is_empty() {
            if languages.is_empty() {
                return Err(Refusal::new("There is but one language").into());
            }
            let all = tell(languages.into_iter().chain([DEFAULT_LANGUAGE.into()]).collect())?;
            push(&mut self.driver, all.into()).await?;
            return Ok(done());
        }
        let chosen = command.ranges.iter().filter_map(AString::as_str).find_map(|range| {
            let fits = |tag: &&str| {
                let start = tag.get(..range.len()).is_some_and(|start| start.eq_ignore_ascii_case(range));
                start && matches!(tag.as_bytes().get(range.len()), None | Some(b'-'))
            };
            let all = languages.iter().map(String::as_str).chain([DEFAULT_LANGUAGE]);
            if range.eq_ignore_ascii_case("default") {
                all.into_iter().next()
            } else {
                all.into_iter().find(fits)
            }
        });
        let Some(chosen) = chosen.map(str::to_owned) else {
            return Err(Refusal::new("No such language").with_code(Code::Cannot).into());
        };
        self.speak(chosen.clone());
        push(&mut self.driver, tell(vec![chosen])?.into()).await?;
        Ok(done())
    }

    /// RLIST and RLSUB, which show no mailboxes of other servers, and XLIST.
    async fn listing(&mut self, command: ListingCommand) -> Result<Reply, Stop> {
        match command.kind {
            ListingKind::RLsub => self.lsub(&command.reference, &command.pattern).await,
            ListingKind::XList => self.xlist(List::new(command.reference, command.pattern)).await,
            _ => self.list(List::new(command.reference, command.pattern)).await,
        }
    }

    /// GETMETADATA: RFC 5464 section 4.2.
    async fn get_metadata(&mut self, get: &GetMetadata) -> Result<Reply, Stop> {
        let name = self.annotated(&get.mailbox)?;
        let options = MetadataOptions::new(get.entries.as_slice()).with_depth(get.depth);
        let longest = self.tell_metadata(name.as_deref(), &options, get.max_size).await?;
        let mut reply = done();
        reply.code = longest.map(|length| Code::Metadata(MetadataCode::LongEntries(length)));
        Ok(reply)
    }

    /// Tells annotations, one by one; values beyond `max_size` are left out, and the length of the longest of those is
    /// given.
    pub(super) async fn tell_metadata(
        &mut self,
        name: Option<&str>,
        options: &MetadataOptions,
        max_size: Option<u32>,
    ) -> Result<Option<u64>, Stop> {
        check_names(options.entries.iter())?;
        let Some(mailbox) = wire_name(name.unwrap_or_default(), self.utf8()) else { return Ok(None) };
        let found = self.session()?.metadata(name, options).await?;
        // Each once: thousands can be asked for.
        let key = |entry: &EntryName| entry.to_string().to_ascii_lowercase();
        let mut told: BTreeSet<String> = found.iter().map(|(entry, _)| key(entry)).collect();
        let missing = options.entries.iter().filter(|entry| told.insert(key(entry)));
        let missing: Vec<_> = missing.cloned().map(|entry| (entry, None)).collect();
        let mut longest = None;
        for (entry, value) in found.into_iter().map(|(entry, value)| (entry, Some(value))).chain(missing) {
            let length = value.as_ref().map_or(0, |value| value.as_bytes().len() as u64);
            if max_size.is_some_and(|most| length > u64::from(most)) {
                longest = longest.max(Some(length));
                continue;
            }
            let data = MetadataData::Values { mailbox: mailbox.clone(), entries: vec![(entry, value)] };
            push(&mut self.driver, data.into()).await?;
        }
        Ok(longest)
    }

    /// SETMETADATA: RFC 5464 section 4.3.
    async fn set_metadata(
        &mut self,
        mailbox: &MailboxName,
        entries: &[(EntryName, Option<Text>)],
    ) -> Result<Reply, Stop> {
        check_names(entries.iter().map(|(name, _)| name))?;
        let name = self.annotated(mailbox)?;
        self.session()?.set_metadata(name.as_deref(), entries).await?;
        Ok(done())
    }

    /// What annotations are of: a mailbox, or the server where the name is empty.
    fn annotated(&self, mailbox: &MailboxName) -> Result<Option<String>, Stop> {
        if mailbox.as_bytes().is_empty() {
            return Ok(None);
        }
        if !self.offers(&Capability::Metadata) {
            return Err(Stop::Bad("Only the server has annotations"));
        }
        self.name(mailbox).map(Some)
    }

    /// QUOTA: RFC 9208 section 4.1.
    async fn quota(&mut self, command: QuotaCommand) -> Result<Reply, Stop> {
        let roots = match command {
            QuotaCommand::Get(root) => {
                let root = name_of(&root)?;
                vec![self.session()?.quota(&root).await?]
            }
            QuotaCommand::GetRoot(mailbox) => {
                let (session, name) = self.session_and_name(&mailbox)?;
                let roots = session.quota_roots(&name).await?;
                let names = roots.iter().map(|root| root.name.clone()).collect();
                push(&mut self.driver, QuotaData::Roots { mailbox, roots: names }.into()).await?;
                roots
            }
            QuotaCommand::Set { root, limits } => {
                let root = name_of(&root)?;
                vec![self.session()?.set_quota(&root, &limits).await?]
            }
            _ => return Err(Stop::Bad("Unknown command")),
        };
        for QuotaRoot { name, usage, .. } in roots {
            push(&mut self.driver, QuotaData::Quota { root: name, usage }.into()).await?;
        }
        Ok(done())
    }

    /// MYRIGHTS of a mailbox that LIST shows, where they can be told (RFC 8440).
    pub(super) async fn tell_rights(&mut self, name: &str) -> Result<(), Stop> {
        let Some(mailbox) = wire_name(name, self.utf8()) else { return Ok(()) };
        if let Ok(rights) = self.session()?.my_rights(name).await {
            push(&mut self.driver, AclData::MyRights { mailbox, rights: rights.with_obsolete() }.into())
                .await?;
        }
        Ok(())
    }
}

fn name_of(text: &AString) -> Result<String, Stop> {
    text.as_str().map(str::to_owned).ok_or(Stop::Bad("The name is not UTF-8"))
}

fn check_names<'a>(mut names: impl Iterator<Item = &'a EntryName>) -> Result<(), Stop> {
    if names.all(EntryName::is_valid) { Ok(()) } else { Err(Stop::Bad("Not the name of an annotation")) }
}

//! What extensions ask about mailboxes and the server: quotas, rights, annotations, Gmail's labels and others.

use std::collections::HashMap;

use mailwire_core::{Invalid, Text};
use mailwire_imap::{
    command::{AString, Command, StoreAction},
    extensions::{
        ExtensionCommand, ExtensionData,
        acl::{AclCommand, AclData, Rights, RightsChange},
        annotate::{AnnotationStore, EntryAtts},
        gmail::{GmailLabel, GmailStore},
        jmap_access::GetJmapAccess,
        listing::{ListingCommand, ListingKind},
        metadata::{EntryName, GetMetadata, MetadataCode, MetadataCommand, MetadataData},
        quota::{QuotaCommand, QuotaData, QuotaResource, QuotaRoot, SetQuotaResource},
        uid_batches::UidBatchesCommand,
        urlauth::{ResetKey, UrlAuthCommand, UrlAuthData, UrlFetchArg, UrlFetched, UrlRump},
    },
    response::{Code, ListData, ListKind, Reply, Untagged},
    types::{ImapString, ListPattern, MailboxName, Uid},
    url::ImapUrl,
};

use super::{
    Client, FetchedMessage, ToMailbox, ToSet,
    error::{too_many, unexpected},
    fetch::Wanted,
    messages::StoredUnchanged,
};
use crate::Result;

/// The annotations that a server has: [`Client::metadata_with`].
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// The entries and their values. `None`: there is no such entry.
    pub entries: Vec<(EntryName, Option<Text>)>,
    /// The length of the longest value that was left out for being longer than was asked for, in bytes.
    pub longest_left_out: Option<u64>,
}

impl Metadata {
    /// Returns the value of an entry, if there is one. Case does not matter.
    #[must_use]
    pub fn get(&self, entry: &str) -> Option<&Text> {
        let same = |name: &EntryName| name.as_bytes().eq_ignore_ascii_case(entry.as_bytes());
        self.entries.iter().find(|(name, _)| same(name))?.1.as_ref()
    }
}

/// The rights that can be given to somebody: [`Client::list_rights`].
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListedRights {
    /// The rights that are there whatever is said.
    pub required: Rights,
    /// The rights that can be given: those of one member only together.
    pub optional: Vec<Rights>,
}

impl Client {
    /// Sends a command of an extension. `take` is given its data, and hands back what is not for it.
    pub(super) async fn extension(
        &mut self,
        command: impl Into<ExtensionCommand>,
        mut take: impl FnMut(ExtensionData) -> std::result::Result<(), ExtensionData> + Send,
    ) -> Result<Reply> {
        let (mut room, mut count, limit) = (self.room(), 0_usize, self.settings.items);
        let mut take = |data| {
            let Untagged::Extension(_) = data else { return Ok(Some(data)) };
            count += 1;
            if count > limit {
                return Err(too_many("responses", limit));
            }
            Ok(match room.keep(data)? {
                Untagged::Extension(data) => take(*data).err().map(Untagged::from),
                data => Some(data),
            })
        };
        self.run(Command::Extension(command.into()), &mut take).await
    }

    /// GETQUOTA: asks for usage and limits of a quota root ([RFC 9208 section
    /// 4.1.1](https://www.rfc-editor.org/rfc/rfc9208#section-4.1.1)). STORAGE is in units of 1024 bytes.
    ///
    /// # Errors
    ///
    /// The server refuses or does not offer QUOTA, or the connection fails.
    pub async fn quota(&mut self, root: &str) -> Result<Vec<QuotaResource>> {
        self.quota_of(QuotaCommand::get(root)?).await
    }

    async fn quota_of(&mut self, command: QuotaCommand) -> Result<Vec<QuotaResource>> {
        let mut found = Vec::new();
        let take = |data| match data {
            ExtensionData::Quota(QuotaData::Quota { usage, .. }) => {
                found = usage;
                Ok(())
            }
            data => Err(data),
        };
        self.extension(command, take).await?;
        Ok(found)
    }

    /// GETQUOTAROOT: asks what limits a mailbox: its quota roots, with their usage and limits. There may be none.
    ///
    /// # Errors
    ///
    /// As [`quota`](Self::quota).
    pub async fn quota_roots(&mut self, mailbox: impl ToMailbox) -> Result<Vec<QuotaRoot>> {
        let mut found: Vec<QuotaRoot> = Vec::new();
        // Where each is: a server can have very many.
        let mut places: HashMap<_, usize> = HashMap::new();
        let take = |data| match data {
            ExtensionData::Quota(QuotaData::Roots { roots, .. }) => {
                for name in roots {
                    places.entry(name.clone()).or_insert(found.len());
                    found.push(QuotaRoot::new(name, []));
                }
                Ok(())
            }
            ExtensionData::Quota(QuotaData::Quota { root, usage }) => {
                match places.get(&root).and_then(|&place| found.get_mut(place)) {
                    Some(known) => known.usage = usage,
                    None => {
                        places.insert(root.clone(), found.len());
                        found.push(QuotaRoot::new(root, usage));
                    }
                }
                Ok(())
            }
            data => Err(data),
        };
        self.extension(QuotaCommand::GetRoot(mailbox.to_mailbox()?), take).await?;
        Ok(found)
    }

    /// SETQUOTA: sets the limits of a quota root, all of them: what is not named has none. Gives usage and limits as
    /// they are then.
    ///
    /// # Errors
    ///
    /// The server refuses or does not offer QUOTASET, or the connection fails.
    pub async fn set_quota(
        &mut self,
        root: &str,
        limits: impl Into<Vec<SetQuotaResource>>,
    ) -> Result<Vec<QuotaResource>> {
        self.quota_of(QuotaCommand::set(root, limits)?).await
    }

    /// GETACL: asks who has which rights to a mailbox ([RFC 4314 section
    /// 3.3](https://www.rfc-editor.org/rfc/rfc4314#section-3.3)).
    ///
    /// # Errors
    ///
    /// The server refuses or does not offer ACL, or the connection fails.
    pub async fn acl(&mut self, mailbox: impl ToMailbox) -> Result<Vec<(Text, Rights)>> {
        let mut found = Vec::new();
        let take = |data| match data {
            ExtensionData::Acl(AclData::Acl { entries, .. }) => {
                found.extend(entries.into_iter().map(|(who, rights)| (who.into_text(), rights.current())));
                Ok(())
            }
            data => Err(data),
        };
        self.extension(AclCommand::Get(mailbox.to_mailbox()?), take).await?;
        Ok(found)
    }

    /// SETACL: gives rights to a mailbox to a user or a group, or takes some away ([RFC 4314 section
    /// 3.1](https://www.rfc-editor.org/rfc/rfc4314#section-3.1)).
    ///
    /// # Errors
    ///
    /// As [`acl`](Self::acl).
    pub async fn set_acl(
        &mut self,
        mailbox: impl ToMailbox,
        identifier: &str,
        change: RightsChange,
    ) -> Result<()> {
        let command = AclCommand::set(mailbox.to_mailbox()?, identifier, change)?;
        self.extension(command, Err).await.map(drop)
    }

    /// DELETEACL: takes a user or a group off the list of those who have rights to a mailbox.
    ///
    /// # Errors
    ///
    /// As [`acl`](Self::acl).
    pub async fn delete_acl(&mut self, mailbox: impl ToMailbox, identifier: &str) -> Result<()> {
        let command = AclCommand::delete(mailbox.to_mailbox()?, identifier)?;
        self.extension(command, Err).await.map(drop)
    }

    /// LISTRIGHTS: asks which rights to a mailbox a user or a group can be given.
    ///
    /// # Errors
    ///
    /// As [`acl`](Self::acl).
    pub async fn list_rights(&mut self, mailbox: impl ToMailbox, identifier: &str) -> Result<ListedRights> {
        let mut found = None;
        let take = |data| match data {
            ExtensionData::Acl(AclData::ListRights { required, optional, .. }) => {
                found = Some(ListedRights { required, optional });
                Ok(())
            }
            data => Err(data),
        };
        self.extension(AclCommand::list_rights(mailbox.to_mailbox()?, identifier)?, take).await?;
        found.ok_or(unexpected("an answer to LISTRIGHTS without rights"))
    }

    /// MYRIGHTS: asks which rights to a mailbox the user has.
    ///
    /// # Errors
    ///
    /// As [`acl`](Self::acl).
    pub async fn my_rights(&mut self, mailbox: impl ToMailbox) -> Result<Rights> {
        let mut found = None;
        let take = |data| match data {
            ExtensionData::Acl(AclData::MyRights { rights, .. }) => {
                found = Some(rights.current());
                Ok(())
            }
            data => Err(data),
        };
        self.extension(AclCommand::MyRights(mailbox.to_mailbox()?), take).await?;
        found.ok_or(unexpected("an answer to MYRIGHTS without rights"))
    }

    /// GETMETADATA: asks for one annotation of a mailbox, or of the server where the name is empty ([RFC
    /// 5464](https://www.rfc-editor.org/rfc/rfc5464#section-4.2)). `None` if there is none.
    ///
    /// # Errors
    ///
    /// This cannot be the name of an annotation, the server refuses or does not offer METADATA, or the connection
    /// fails.
    pub async fn metadata(&mut self, mailbox: impl ToMailbox, entry: &str) -> Result<Option<Text>> {
        let get = GetMetadata::new(mailbox.to_mailbox()?, [EntryName::new(entry)?]);
        Ok(self.metadata_with(get).await?.get(entry).cloned())
    }

    /// GETMETADATA with its options: several annotations, those below them, and none that is too long.
    ///
    /// # Errors
    ///
    /// Nothing is asked for; otherwise as [`metadata`](Self::metadata).
    pub async fn metadata_with(&mut self, get: GetMetadata) -> Result<Metadata> {
        if get.entries.is_empty() {
            return Err(Invalid::new("GETMETADATA", 0, "nothing is asked for").into());
        }
        let mut found = Metadata::default();
        let asked = get.mailbox.to_utf8();
        let take = |data| match data {
            ExtensionData::Metadata(MetadataData::Values { mailbox, entries })
                if mailbox.to_utf8() == asked =>
            {
                found.entries.extend(entries);
                Ok(())
            }
            data => Err(data),
        };
        let reply = self.extension(MetadataCommand::Get(get), take).await?;
        if let Some(Code::Metadata(MetadataCode::LongEntries(length))) = reply.code {
            found.longest_left_out = Some(length);
        }
        Ok(found)
    }

    /// SETMETADATA: changes annotations of a mailbox, or of the server where the name is empty: all or none. `None`
    /// removes one.
    ///
    /// # Errors
    ///
    /// Nothing is to be changed; otherwise as [`metadata`](Self::metadata). [`Code::Metadata`] says what was too
    /// much.
    pub async fn set_metadata(
        &mut self,
        mailbox: impl ToMailbox,
        entries: impl Into<Vec<(EntryName, Option<Text>)>>,
    ) -> Result<()> {
        let entries = entries.into();
        if entries.is_empty() {
            return Err(Invalid::new("SETMETADATA", 0, "nothing is to be changed").into());
        }
        self.extension(MetadataCommand::set(mailbox.to_mailbox()?, entries), Err).await.map(drop)
    }

    /// UIDBATCHES: parts the selected mailbox into batches of so many messages, that of the highest UIDs first
    /// ([RFC 10022](https://www.rfc-editor.org/rfc/rfc10022)). Gives the lowest and the highest UID of each, so
    /// that a large mailbox can be fetched piece by piece.
    ///
    /// Ask again only when the mailbox is selected anew, or when more than half a batch of messages came or went.
    ///
    /// # Errors
    ///
    /// The server does not offer UIDBATCHES, or refuses: less than
    /// [500](UidBatchesCommand::SMALLEST) messages, or too many batches; or the connection fails.
    pub async fn uid_batches(&mut self, asked: UidBatchesCommand) -> Result<Vec<(Uid, Uid)>> {
        let limit = self.settings.items;
        let mut room = self.room();
        let mut batches = None;
        let mut take = |data| match data {
            Untagged::Extension(data) => match *data {
                ExtensionData::UidBatches(data) => {
                    room.take::<(Uid, Uid)>(data.batches.len(), 0)?;
                    if data.batches.len() > limit {
                        return Err(too_many("batches", limit));
                    }
                    batches = Some(data.batches);
                    Ok(None)
                }
                data => Ok(Some(data.into())),
            },
            data => Ok(Some(data)),
        };
        self.run(Command::from(asked), &mut take).await?;
        batches.ok_or(unexpected("an answer to UIDBATCHES without batches"))
    }

    /// GETJMAPACCESS: asks for the URL of the JMAP session in which the same login works ([RFC
    /// 9698](https://www.rfc-editor.org/rfc/rfc9698)).
    ///
    /// # Errors
    ///
    /// The server does not offer JMAPACCESS, or the connection fails.
    pub async fn jmap_session(&mut self) -> Result<Text> {
        let mut found = None;
        let take = |data| match data {
            ExtensionData::JmapAccess(data) => {
                found = Some(data.url.into_text());
                Ok(())
            }
            data => Err(data),
        };
        self.extension(GetJmapAccess, take).await?;
        found.ok_or(unexpected("an answer to GETJMAPACCESS without a URL"))
    }

    /// GENURLAUTH: authorizes URLs of messages, each of which says who asks (the user of the mailbox) and who may use it
    /// ([RFC 4467](https://www.rfc-editor.org/rfc/rfc4467)). Gives them in the same order.
    ///
    /// # Errors
    ///
    /// One of them cannot be authorized, the server does not offer URLAUTH, or the connection fails.
    pub async fn generate_url_auth<'u>(
        &mut self,
        urls: impl IntoIterator<Item = &'u ImapUrl>,
    ) -> Result<Vec<Text>> {
        let urls = urls.into_iter().map(|url| Ok(UrlRump::new(AString::new(url.to_string())?)));
        let urls = urls.collect::<Result<Vec<_>>>()?;
        if urls.is_empty() {
            return Ok(Vec::new());
        }
        let mut made = Vec::with_capacity(urls.len());
        let take = |data| match data {
            ExtensionData::UrlAuth(UrlAuthData::Generated(urls)) => {
                made.extend(urls.into_iter().map(ImapString::into_text));
                Ok(())
            }
            data => Err(data),
        };
        self.extension(UrlAuthCommand::Generate(urls), take).await?;
        Ok(made)
    }

    /// RESETKEY: takes back all authorized URLs of a mailbox.
    ///
    /// # Errors
    ///
    /// The server refuses or does not offer URLAUTH, or the connection fails.
    pub async fn reset_key(&mut self, mailbox: impl ToMailbox) -> Result<()> {
        let reset = ResetKey::new(mailbox.to_mailbox()?);
        self.extension(UrlAuthCommand::ResetKey(Some(reset)), Err).await.map(drop)
    }

    /// RESETKEY: takes back all authorized URLs of the user.
    ///
    /// # Errors
    ///
    /// As [`reset_key`](Self::reset_key).
    pub async fn reset_all_keys(&mut self) -> Result<()> {
        self.extension(UrlAuthCommand::ResetKey(None), Err).await.map(drop)
    }

    /// URLFETCH: what authorized URLs name. Gives an answer for each, in any order; it is
    /// [`UrlContent::Nil`](mailwire_imap::extensions::urlauth::UrlContent::Nil) where the URL is not, or no longer, valid
    /// for this user. Other forms than the bytes as they are need `URLAUTH=BINARY`.
    ///
    /// # Errors
    ///
    /// The server refuses or does not offer it, or the connection fails.
    pub async fn url_fetch(&mut self, urls: impl Into<Vec<UrlFetchArg>>) -> Result<Vec<UrlFetched>> {
        let urls = urls.into();
        if urls.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = Vec::with_capacity(urls.len());
        let take = |data| match data {
            ExtensionData::UrlAuth(UrlAuthData::Fetched(urls)) => {
                found.extend(urls);
                Ok(())
            }
            data => Err(data),
        };
        self.extension(UrlAuthCommand::Fetch(urls), take).await?;
        Ok(found)
    }

    /// RLIST: lists mailboxes as [`list`](Self::list) does, with those of other servers ([RFC
    /// 2193](https://www.rfc-editor.org/rfc/rfc2193)). What is done to those is refused with [`Code::Referral`]: where
    /// they are. Nothing follows that by itself.
    ///
    /// # Errors
    ///
    /// The server refuses or does not offer MAILBOX-REFERRALS, or the connection fails.
    pub async fn rlist(&mut self, reference: impl ToMailbox, pattern: &str) -> Result<Vec<ListData>> {
        self.list_by(ListingKind::RList, reference.to_mailbox()?, pattern).await
    }

    /// RLSUB: lists subscribed mailboxes as [`lsub`](Self::lsub) does, with those of other servers.
    ///
    /// # Errors
    ///
    /// As [`rlist`](Self::rlist).
    pub async fn rlsub(&mut self, reference: impl ToMailbox, pattern: &str) -> Result<Vec<ListData>> {
        self.list_by(ListingKind::RLsub, reference.to_mailbox()?, pattern).await
    }

    /// XLIST: lists mailboxes with what they are for, on servers from before SPECIAL-USE.
    /// [`special_mailboxes`](Self::special_mailboxes) asks in whatever way the server has.
    ///
    /// # Errors
    ///
    /// The server refuses or does not offer XLIST, or the connection fails.
    pub async fn xlist(&mut self, reference: impl ToMailbox, pattern: &str) -> Result<Vec<ListData>> {
        self.list_by(ListingKind::XList, reference.to_mailbox()?, pattern).await
    }

    async fn list_by(
        &mut self,
        kind: ListingKind,
        reference: MailboxName,
        pattern: &str,
    ) -> Result<Vec<ListData>> {
        let command = ListingCommand::new(kind, reference, ListPattern::new(pattern)?);
        let wanted: fn(ListKind) -> bool = match kind {
            ListingKind::RLsub => |kind| kind == ListKind::Lsub,
            _ => |kind| kind != ListKind::Lsub,
        };
        self.listed(command.into(), wanted).await
    }

    /// UID STORE of annotations of messages. `Code::Annotations` among what SELECT tells says what a mailbox takes.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: &mut mailwire_transport::imap::Client) -> mailwire_transport::Result<()> {
    /// use mailwire_transport::imap::proto::{
    ///     extensions::annotate::{AnnotationAttribute, AnnotationName, EntryAtts},
    ///     types::Uid,
    /// };
    ///
    /// let comment = EntryAtts::new(AnnotationName::new("/comment")?)
    ///     .with_value(AnnotationAttribute::VALUE_PRIV, "Get tickets");
    /// client.uid_store_annotations(Uid::MIN, [comment]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The server refuses or does not offer ANNOTATE-EXPERIMENT-1, or the connection fails.
    pub async fn uid_store_annotations(
        &mut self,
        messages: impl ToSet<Uid>,
        annotations: impl Into<Vec<EntryAtts>>,
    ) -> Result<()> {
        let Some(set) = messages.to_set()? else { return Ok(()) };
        self.store_annotations_with(AnnotationStore::new(set, annotations)).await.map(drop)
    }

    /// STORE or UID STORE of annotations, with its options. Gives the messages that it left alone because somebody had
    /// changed them.
    ///
    /// # Errors
    ///
    /// As [`uid_store_annotations`](Self::uid_store_annotations).
    pub async fn store_annotations_with(&mut self, store: AnnotationStore) -> Result<StoredUnchanged> {
        let wanted = store.unchanged_since.map(|_| Wanted::flags(store.messages.clone()));
        let (messages, reply) = self.store_and_tell(store.into(), wanted).await?;
        Ok(StoredUnchanged::new(messages, reply))
    }

    /// UID STORE of Gmail's labels. Gives what the server says of the labels now.
    ///
    /// # Errors
    ///
    /// The server refuses or does not offer X-GM-EXT-1, or the connection fails.
    pub async fn uid_store_labels(
        &mut self,
        messages: impl ToSet<Uid>,
        action: StoreAction,
        labels: impl Into<Vec<GmailLabel>>,
    ) -> Result<Vec<FetchedMessage>> {
        let Some(set) = messages.to_set()? else { return Ok(Vec::new()) };
        Ok(self.store_labels_with(GmailStore::new(set, action, labels)).await?.messages)
    }

    /// STORE or UID STORE of Gmail's labels, with its options. Gives what the server says of the labels now, and the messages that
    /// it left alone because somebody had changed them.
    ///
    /// # Errors
    ///
    /// As [`uid_store_labels`](Self::uid_store_labels).
    pub async fn store_labels_with(&mut self, store: GmailStore) -> Result<StoredUnchanged> {
        let tells = !store.silent || store.unchanged_since.is_some();
        let wanted = tells.then(|| Wanted::flags(store.messages.clone()));
        let (messages, reply) = self.store_and_tell(store.into(), wanted).await?;
        Ok(StoredUnchanged::new(messages, reply))
    }
}

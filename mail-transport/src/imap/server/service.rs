//! What an application implements.

use std::future::Future;

use mailwire_core::{Secret, Text};
use mailwire_imap::{
    Capability,
    command::List,
    extensions::{
        acl::{Rights, RightsChange},
        metadata::EntryName,
        quota::{QuotaRoot, SetQuotaResource},
    },
    response::ThreadNode,
    types::{ModSeq, Uid},
    url::{Access, MessageRef},
};

use super::{
    answers::{
        Appended, Changes, Copied, GrantableRights, Labelled, Namespaces, Selected, Status, Stored, Update,
        UrlContent,
    },
    body::{Body, Messages},
    fetch_writer::FetchWriter,
    listing::Mailbox,
    options::{
        ChangesOptions, CopyOptions, CreateOptions, FetchOptions, LabelOptions, MetadataOptions, NewMessage,
        SearchOptions, SelectOptions, SortOptions, StatusOptions, StoreOptions, ThreadOptions, UrlOptions,
        WatchOptions,
    },
    refusal::Refusal,
};
use crate::{
    Budget,
    sasl::{Authenticator, Identity},
};

/// An IMAP service: who may log in, and what a session is. See [`Server`](super::Server).
pub trait Service: Send + Sync + 'static {
    /// One user's session.
    type Session: Session;
    /// Who knows the users' passwords.
    type Authenticator: Authenticator;

    /// Who knows the users' passwords. LOGIN and AUTHENTICATE ask here.
    fn authenticator(&self) -> &Self::Authenticator;

    /// Begins the session of a user who has proved who that is.
    ///
    /// # Errors
    ///
    /// The user is not let in now.
    fn open(&self, identity: &Identity) -> impl Future<Output = Result<Self::Session, Refusal>> + Send;

    /// What the server says of itself in answer to ID (RFC 2971), and may learn of the client.
    fn id(&self, client: &[(Text, Option<Text>)]) -> Vec<(String, String)> {
        let _ = client;
        vec![("name".into(), "mailwire".into())]
    }

    /// The extensions whose part all sessions of this service do, beyond what every session has to. The server
    /// offers those that it can keep, and ENABLE is answered with those that are enabled. None by default.
    fn capabilities(&self) -> Vec<Capability> {
        Vec::new()
    }

    /// The tags of the languages that texts are in ([RFC 5646](https://www.rfc-editor.org/rfc/rfc5646)), the preferred one
    /// first, beside English for everybody (`i-default`). None by default. LANGUAGE belongs among the
    /// [`capabilities`](Self::capabilities) of a service that has some.
    fn languages(&self) -> Vec<String> {
        Vec::new()
    }

    /// The URL of the JMAP session in which the same logins work ([RFC 9698](https://www.rfc-editor.org/rfc/rfc9698)).
    /// JMAPACCESS and OBJECTID belong among the [`capabilities`](Self::capabilities) of a service that has one.
    fn jmap_session(&self) -> Option<String> {
        None
    }
}

/// A user's session. All names of mailboxes are in Unicode, all messages are named by their UIDs;
/// sequence numbers, responses and the two revisions' differences are the server's.
///
/// What changes mailboxes and messages is refused by default.
///
/// One call is made at a time. Calls are not dropped half-way while the client stays, except for
/// [`updates`](Self::updates).
pub trait Session: Send + 'static {
    /// The user's mailboxes and subscriptions, in any order. All may be given: what `request` does
    /// not ask for is left out by the server, as are the levels of hierarchy added that are missing.
    fn list(&mut self, request: &List) -> impl Future<Output = Result<Vec<Mailbox>, Refusal>> + Send;

    /// What is in a mailbox: at least what is asked for.
    fn status(
        &mut self,
        mailbox: &str,
        options: &StatusOptions,
    ) -> impl Future<Output = Result<Status, Refusal>> + Send;

    /// Opens a mailbox. Another one that was open is closed before.
    fn select(
        &mut self,
        mailbox: &str,
        options: &SelectOptions,
    ) -> impl Future<Output = Result<Selected, Refusal>> + Send;

    /// Ends what [`select`](Self::select) began. Nothing by default.
    fn unselect(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Gives what is asked for of these messages, which the client knows, to `out`: each message as soon as it is
    /// made, in any order. Messages that are gone are left out. Reading sets no flag: the server calls
    /// [`store`](Self::store) where it has to.
    ///
    /// # Errors
    ///
    /// What [`FetchWriter::message`] says, or why no more can be given.
    fn fetch(
        &mut self,
        uids: &[Uid],
        options: &FetchOptions,
        out: &mut FetchWriter<'_>,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// Changes flags. Gives what they are now; messages that are gone are left out.
    fn store(
        &mut self,
        uids: &[Uid],
        options: &StoreOptions,
    ) -> impl Future<Output = Result<Vec<Stored>, Refusal>> + Send {
        let _ = (uids, options);
        async { Err(Refusal::not_here()) }
    }

    /// The messages that are looked for, in any order. `budget` is what this may cost: see
    /// [`Limits::work`](mailwire_imap::Limits::work). Grant it what is stored and looked at once, and spend all
    /// that is looked at.
    fn search(
        &mut self,
        options: &SearchOptions,
        budget: &mut Budget,
    ) -> impl Future<Output = Result<Vec<Uid>, Refusal>> + Send;

    /// How well each of these messages, which a search with these options found, fits what it looked for: from 1 to 100,
    /// in ascending order of the UIDs, which `uids` are in ([RFC 6203 section
    /// 4](https://www.rfc-editor.org/rfc/rfc6203#section-4)). Those that are gone are left out. It is asked for where
    /// the service has [`Capability::SearchFuzzy`].
    ///
    /// # Errors
    ///
    /// It takes too much work. By default, that it is not possible here.
    fn relevancy(
        &mut self,
        uids: &[Uid],
        options: &SearchOptions,
        budget: &mut Budget,
    ) -> impl Future<Output = Result<Vec<(Uid, u8)>, Refusal>> + Send {
        let _ = (uids, options, budget);
        async { Err(Refusal::not_here()) }
    }

    /// The messages of `uids`, which ascend, in an order: SORT. Those that are gone are left out. Whoever has it says
    /// so by [`Service::capabilities`]: SORT, and what brings more keys.
    ///
    /// # Errors
    ///
    /// It takes too much work. By default, that it is not possible here.
    fn sort(
        &mut self,
        uids: &[Uid],
        options: &SortOptions,
        budget: &mut Budget,
    ) -> impl Future<Output = Result<Vec<Uid>, Refusal>> + Send {
        let _ = (uids, options, budget);
        async { Err(Refusal::not_here()) }
    }

    /// The messages of `uids`, which ascend, in conversations: THREAD. The numbers of the nodes are UIDs. Whoever has it
    /// says so by [`Service::capabilities`]: `THREAD=` and the algorithm. [`mailwire_imap::threading`] has all of them.
    ///
    /// # Errors
    ///
    /// It takes too much work. By default, that it is not possible here.
    fn thread(
        &mut self,
        uids: &[Uid],
        options: &ThreadOptions,
        budget: &mut Budget,
    ) -> impl Future<Output = Result<Vec<ThreadNode>, Refusal>> + Send {
        let _ = (uids, options, budget);
        async { Err(Refusal::not_here()) }
    }

    /// Stores a message. The client is told to send it when its first chunk is asked for: an answer
    /// before that saves it from sending. A refusal with [`Code::TryCreate`](mailwire_imap::response::Code::TryCreate) if there is no such
    /// mailbox.
    ///
    /// A service with [`Capability::Catenate`] takes it [piece by piece](Body::piece), in this call, in
    /// [`append_all`](Self::append_all) and in [`replace`](Self::replace); ranges in URLs come where it has
    /// [`Capability::UrlPartial`], too.
    fn append(
        &mut self,
        mailbox: &str,
        message: NewMessage,
        body: &mut Body<'_>,
    ) -> impl Future<Output = Result<Option<Appended>, Refusal>> + Send {
        let _ = (mailbox, message, body);
        async { Err(Refusal::not_here()) }
    }

    /// Stores the messages of one APPEND: all or none ([RFC 3502](https://www.rfc-editor.org/rfc/rfc3502)). The client
    /// is told to send each when its first chunk is asked for. It is called for every APPEND, in place of
    /// [`append`](Self::append), where the service has [`Capability::MultiAppend`].
    fn append_all(
        &mut self,
        mailbox: &str,
        messages: &mut Messages<'_>,
    ) -> impl Future<Output = Result<Vec<Appended>, Refusal>> + Send {
        let _ = (mailbox, messages);
        async { Err(Refusal::not_here()) }
    }

    /// Stores a message as [`append`](Self::append) does, and removes one from the open mailbox: both or nothing
    /// ([RFC 8508](https://www.rfc-editor.org/rfc/rfc8508)). It is called where the service has
    /// [`Capability::Replace`]. [`updates`](Self::updates) tells of both changes.
    fn replace(
        &mut self,
        replaced: Uid,
        mailbox: &str,
        message: NewMessage,
        body: &mut Body<'_>,
    ) -> impl Future<Output = Result<Option<Appended>, Refusal>> + Send {
        let _ = (replaced, mailbox, message, body);
        async { Err(Refusal::not_here()) }
    }

    /// Copies messages to the end of another mailbox: all or none.
    fn copy_to(
        &mut self,
        uids: &[Uid],
        target: &str,
        options: &CopyOptions,
    ) -> impl Future<Output = Result<Option<Copied>, Refusal>> + Send {
        let _ = (uids, target, options);
        async { Err(Refusal::not_here()) }
    }

    /// Moves messages to the end of another mailbox: all or none. Those in the answer are gone from
    /// this one.
    fn move_to(
        &mut self,
        uids: &[Uid],
        target: &str,
        options: &CopyOptions,
    ) -> impl Future<Output = Result<Copied, Refusal>> + Send {
        let _ = (uids, target, options);
        async { Err(Refusal::not_here()) }
    }

    /// Removes those of `uids`, or of all messages, that are `\Deleted`. Gives those that are gone.
    fn expunge(&mut self, uids: Option<&[Uid]>) -> impl Future<Output = Result<Vec<Uid>, Refusal>> + Send {
        let _ = uids;
        async { Err(Refusal::not_here()) }
    }

    /// What others did to the open mailbox since it was last said: waits until there is something.
    /// The future is dropped and asked for again often: nothing may be lost by that.
    ///
    /// What this session did itself is not an update, but for new messages, which APPEND and COPY to
    /// the open mailbox put there. Telling twice that a message is gone does no harm.
    fn updates(&mut self) -> impl Future<Output = Vec<Update>> + Send {
        std::future::pending()
    }

    /// Gives what [`updates`](Self::updates) has now, without waiting: empty if there is nothing. It is
    /// asked after each command until there is nothing: a page at a time is enough.
    fn poll_updates(&mut self) -> impl Future<Output = Vec<Update>> + Send {
        async { now_or_never(self.updates()).unwrap_or_default() }
    }

    /// Says what is wanted as [`updates`](Self::updates) from now on ([RFC
    /// 5465](https://www.rfc-editor.org/rfc/rfc5465)). A refusal changes nothing. NOTIFY belongs among the
    /// [capabilities](Service::capabilities) of a service that can watch all mailboxes of a user. By default only the
    /// open one can be watched.
    ///
    /// Of other mailboxes, only those are told of that the user may see, and what happens in them only where the user
    /// may read them.
    fn watch(&mut self, options: &WatchOptions) -> impl Future<Output = Result<(), Refusal>> + Send {
        let possible = *options == WatchOptions::new();
        async move { if possible { Ok(()) } else { Err(Refusal::not_here()) } }
    }

    /// What has happened in the open mailbox since some change, which may be one of long ago: CHANGEDSINCE and
    /// QRESYNC. Whoever has forgotten which messages are gone since then gives all that are not there.
    ///
    /// It is asked for only by clients of a service with CONDSTORE or QRESYNC among its
    /// [`capabilities`](Service::capabilities); as are [`highest_mod_seq`](Self::highest_mod_seq) and
    /// [`mod_seq_of`](Self::mod_seq_of). Such a service also gives MODSEQ in [`fetch`](Self::fetch), and the
    /// modification sequences in all its answers.
    fn changes(&mut self, options: &ChangesOptions) -> impl Future<Output = Result<Changes, Refusal>> + Send {
        let _ = options;
        async { Err(Refusal::not_here()) }
    }

    /// The change up to which everything that happened in the open mailbox was given, by updates and
    /// answers. `None` if changes are not counted: clients are told so (NOMODSEQ).
    fn highest_mod_seq(&self) -> Option<ModSeq> {
        None
    }

    /// The last change of any of these messages.
    fn mod_seq_of(&mut self, uids: &[Uid]) -> impl Future<Output = Result<Option<ModSeq>, Refusal>> + Send {
        let _ = uids;
        async { Ok(None) }
    }

    /// Makes a mailbox.
    fn create(
        &mut self,
        mailbox: &str,
        options: &CreateOptions,
    ) -> impl Future<Output = Result<(), Refusal>> + Send {
        let _ = (mailbox, options);
        async { Err(Refusal::not_here()) }
    }

    /// Deletes a mailbox.
    fn delete(&mut self, mailbox: &str) -> impl Future<Output = Result<(), Refusal>> + Send {
        let _ = mailbox;
        async { Err(Refusal::not_here()) }
    }

    /// Gives a mailbox and those below it another name.
    fn rename(&mut self, from: &str, to: &str) -> impl Future<Output = Result<(), Refusal>> + Send {
        let _ = (from, to);
        async { Err(Refusal::not_here()) }
    }

    /// Subscribes to a name, or ends that.
    fn subscribe(
        &mut self,
        mailbox: &str,
        subscribed: bool,
    ) -> impl Future<Output = Result<(), Refusal>> + Send {
        let _ = (mailbox, subscribed);
        async { Err(Refusal::not_here()) }
    }

    /// Where mailboxes are. By default, the user's own are at the root, divided by `/`.
    fn namespace(&mut self) -> impl Future<Output = Result<Namespaces, Refusal>> + Send {
        async { Ok(Namespaces { personal: vec![(String::new(), Some('/'))], ..Namespaces::default() }) }
    }

    /// What limits a mailbox: its quota roots ([RFC 9208 section
    /// 4.1.2](https://www.rfc-editor.org/rfc/rfc9208#section-4.1.2)). QUOTA and its `QUOTA=RES-` belong among the
    /// [capabilities](Service::capabilities) of a service that has some.
    fn quota_roots(&mut self, mailbox: &str) -> impl Future<Output = Result<Vec<QuotaRoot>, Refusal>> + Send {
        let _ = mailbox;
        async { Err(Refusal::not_here()) }
    }

    /// Usage and limits of a quota root.
    fn quota(&mut self, root: &str) -> impl Future<Output = Result<QuotaRoot, Refusal>> + Send {
        let _ = root;
        async { Err(Refusal::not_here()) }
    }

    /// Sets the limits of a quota root, all of them: what is not named has none. Gives what they are now. QUOTASET
    /// belongs among the [capabilities](Service::capabilities) of a service that does it.
    fn set_quota(
        &mut self,
        root: &str,
        limits: &[SetQuotaResource],
    ) -> impl Future<Output = Result<QuotaRoot, Refusal>> + Send {
        let _ = (root, limits);
        async { Err(Refusal::not_here()) }
    }

    /// Who has which rights to a mailbox ([RFC 4314](https://www.rfc-editor.org/rfc/rfc4314)). ACL and `RIGHTS=` belong
    /// among the [capabilities](Service::capabilities) of a service that has rights.
    fn acl(&mut self, mailbox: &str) -> impl Future<Output = Result<Vec<(String, Rights)>, Refusal>> + Send {
        let _ = mailbox;
        async { Err(Refusal::not_here()) }
    }

    /// Gives rights to an identifier, or takes some away.
    fn set_acl(
        &mut self,
        mailbox: &str,
        identifier: &str,
        change: RightsChange,
    ) -> impl Future<Output = Result<(), Refusal>> + Send {
        let _ = (mailbox, identifier, change);
        async { Err(Refusal::not_here()) }
    }

    /// Takes an identifier and its rights off a mailbox's list.
    fn delete_acl(
        &mut self,
        mailbox: &str,
        identifier: &str,
    ) -> impl Future<Output = Result<(), Refusal>> + Send {
        let _ = (mailbox, identifier);
        async { Err(Refusal::not_here()) }
    }

    /// Which rights to a mailbox an identifier can be given.
    fn list_rights(
        &mut self,
        mailbox: &str,
        identifier: &str,
    ) -> impl Future<Output = Result<GrantableRights, Refusal>> + Send {
        let _ = (mailbox, identifier);
        async { Err(Refusal::not_here()) }
    }

    /// Which rights to a mailbox the user has.
    fn my_rights(&mut self, mailbox: &str) -> impl Future<Output = Result<Rights, Refusal>> + Send {
        let _ = mailbox;
        async { Err(Refusal::not_here()) }
    }

    /// The annotations of a mailbox, or of the server where there is no name, that are there of those that are asked for
    /// ([RFC 5464](https://www.rfc-editor.org/rfc/rfc5464)). METADATA, or METADATA-SERVER, belongs among the
    /// [capabilities](Service::capabilities) of a service that has annotations.
    fn metadata(
        &mut self,
        mailbox: Option<&str>,
        options: &MetadataOptions,
    ) -> impl Future<Output = Result<Vec<(EntryName, Text)>, Refusal>> + Send {
        let _ = (mailbox, options);
        async { Err(Refusal::not_here()) }
    }

    /// Changes annotations of a mailbox, or of the server where there is no name: all or none. `None` removes one.
    /// [`Code::Metadata`](mailwire_imap::response::Code::Metadata) says what is too much.
    fn set_metadata(
        &mut self,
        mailbox: Option<&str>,
        entries: &[(EntryName, Option<Text>)],
    ) -> impl Future<Output = Result<(), Refusal>> + Send {
        let _ = (mailbox, entries);
        async { Err(Refusal::not_here()) }
    }

    /// Changes Gmail's labels. Gives what they are now; messages that are gone are left out. X-GM-EXT-1 belongs among
    /// the [capabilities](Service::capabilities) of a service that has labels, and Gmail's identifiers and search.
    fn store_labels(
        &mut self,
        uids: &[Uid],
        options: &LabelOptions,
    ) -> impl Future<Output = Result<Vec<Labelled>, Refusal>> + Send {
        let _ = (uids, options);
        async { Err(Refusal::not_here()) }
    }

    /// The secret with which URLs of a mailbox are authorized, of a user and that mailbox ([RFC 4467 section
    /// 3](https://www.rfc-editor.org/rfc/rfc4467#section-3)). If there is none, it is `fresh` from now on. URLAUTH, and
    /// `URLAUTH=BINARY` if it can decode parts, belong among the [capabilities](Service::capabilities) of a service that
    /// keeps them.
    ///
    /// `None`: there is no key; or one is to be made, and `owner` is not this session's user, or has no such mailbox.
    fn url_key(
        &mut self,
        owner: &str,
        mailbox: &str,
        fresh: Option<Secret>,
    ) -> impl Future<Output = Result<Option<Secret>, Refusal>> + Send {
        let _ = (owner, mailbox, fresh);
        async { Err(Refusal::not_here()) }
    }

    /// Forgets the [key](Self::url_key) of this user and a mailbox, or all of this user's: the URLs that were authorized with
    /// it are no longer.
    fn reset_url_keys(&mut self, mailbox: Option<&str>) -> impl Future<Output = Result<(), Refusal>> + Send {
        let _ = mailbox;
        async { Err(Refusal::not_here()) }
    }

    /// Whether this session is one that may use URLs with this access. By default, where everybody may who has logged in.
    fn may_use_url(&mut self, access: &Access) -> impl Future<Output = bool> + Send {
        let may = matches!(access, Access::Anonymous | Access::AuthUser);
        async move { may }
    }

    /// What a URL names, as far as `owner` may read it. It was authorized, and this session may use it. `None`: there is no
    /// such part.
    ///
    /// # Errors
    ///
    /// It is larger than the options allow, or takes too much work.
    fn url_content(
        &mut self,
        owner: &str,
        part: &MessageRef,
        options: &UrlOptions,
        budget: &mut Budget,
    ) -> impl Future<Output = Result<Option<UrlContent>, Refusal>> + Send {
        let _ = (owner, part, options, budget);
        async { Err(Refusal::not_here()) }
    }

    /// Texts are in this language from now on: one of [`Service::languages`], or `i-default`.
    fn speak(&mut self, language: &str) {
        let _ = language;
    }
}

/// What a future has now.
fn now_or_never<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut cx) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

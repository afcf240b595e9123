//! Mailboxes and what is known of them.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use mailwire_core::Text;
use mailwire_transport::imap::{
    Capability, MailboxName, StatusAtt,
    proto::{
        command::{Create, List, ListReturnOpt, ListSelectOpt},
        extensions::{
            acl::{Rights, RightsChange},
            metadata::EntryName,
            quota::ResourceName,
        },
        response::{ListData, StatusData},
        types::{ListPattern, MailboxAttribute},
    },
};

use crate::{
    AS_EXPECTED, NOTHING_TO_DO,
    tour::{Tour, same},
};

/// Somebody who may be given rights.
const FRIEND: &str = "bob@example.org";

impl Tour<'_> {
    /// Numbers of the mailbox, from a session that does not have it open.
    pub(crate) async fn plain_status(&self, items: &[StatusAtt]) -> Result<StatusData> {
        Ok(self.connect().await?.status(&self.mailbox, items.to_vec()).await?)
    }

    fn pattern(&self) -> Result<ListPattern> {
        Ok(ListPattern::new(&format!("{}*", self.mailbox))?)
    }
}

fn names(listed: impl IntoIterator<Item = ListData>) -> BTreeSet<String> {
    listed.into_iter().map(|listed| listed.name.to_unicode().into_owned()).collect()
}

fn everywhere(pattern: ListPattern) -> Result<List> {
    Ok(List::new(MailboxName::from_wire("")?, pattern))
}

pub(crate) async fn acl(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    let rights = Rights::LOOKUP.with(Rights::READ);
    client.set_acl(&tour.mailbox, FRIEND, RightsChange::Replace(rights)).await?;
    let of_friend = |entries: Vec<(Text, Rights)>| {
        entries.into_iter().find(|(who, _)| who.as_bytes() == FRIEND.as_bytes()).map(|(_, rights)| rights)
    };
    same("GETACL", &of_friend(tour.connect().await?.acl(&tour.mailbox).await?), &Some(rights))?;
    client.set_acl(&tour.mailbox, FRIEND, RightsChange::Remove(Rights::READ)).await?;
    same("SETACL -r", &of_friend(client.acl(&tour.mailbox).await?), &Some(Rights::LOOKUP))?;
    let listed = client.list_rights(&tour.mailbox, FRIEND).await?;
    let all = listed.optional.iter().fold(listed.required, |all, some| all.with(*some));
    ensure!(all.contains(rights), "LISTRIGHTS without lr: {listed:?}");
    let mine = client.my_rights(&tour.mailbox).await?;
    ensure!(mine.contains(rights.with(Rights::ADMINISTER)), "MYRIGHTS without lra: {mine:?}");
    client.delete_acl(&tour.mailbox, FRIEND).await?;
    same("DELETEACL", &of_friend(client.acl(&tour.mailbox).await?), &None)?;
    Ok(AS_EXPECTED)
}

/// The owner has the rights that the server says it has beyond the first ones.
pub(crate) async fn rights(tour: &mut Tour<'_>, letters: &str) -> Result<&'static str> {
    let mine = tour.connect().await?.my_rights(&tour.mailbox).await?;
    ensure!(mine.contains(Rights::new(letters)?.current()), "{mine:?} is without {letters}");
    Ok(AS_EXPECTED)
}

pub(crate) async fn children(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    let child = tour.below("Child");
    client.create(&child).await?;
    let parent = client.list("", &tour.mailbox).await?.pop().context("the mailbox is not listed")?;
    ensure!(parent.attributes.contains(&MailboxAttribute::HasChildren), "{:?}", parent.attributes);
    let leaf = client.list("", &child).await?.pop().context("the child is not listed")?;
    ensure!(!leaf.attributes.contains(&MailboxAttribute::HasChildren), "{:?}", leaf.attributes);
    client.delete(&child).await?;
    Ok(AS_EXPECTED)
}

pub(crate) async fn create_special_use(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    // Some servers have uses for mailboxes at the top only.
    let archive = format!("{}-Kept", tour.mailbox);
    let mut create = Create::new(MailboxName::new(&archive)?);
    create.special_use = vec![MailboxAttribute::Archive];
    client.create_with(create).await?;
    let found = client.special_mailboxes().await?;
    let is_there = |kept: &MailboxName| {
        found
            .iter()
            .any(|it| it.mailbox == *kept && it.special_use == MailboxAttribute::Archive && !it.guessed)
    };
    ensure!(is_there(&MailboxName::new(&archive)?), "{found:?}");
    // Where one with a use is protected, the use is removed first (RFC 6154 section 4).
    if client.has(&Capability::Metadata) && client.delete(&archive).await.is_err() {
        client.set_metadata(&archive, [(EntryName::new("/private/specialuse")?, None)]).await?;
        client.delete(&archive).await?;
    }
    Ok(AS_EXPECTED)
}

/// What is subscribed to, by LIST and by LSUB.
pub(crate) async fn list_extended(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    let child = tour.below("Child");
    client.create(&child).await?;
    client.subscribe(&child).await?;
    let expected = names(client.lsub("", &format!("{}*", tour.mailbox)).await?);
    let list = everywhere(tour.pattern()?)?.selecting([ListSelectOpt::Subscribed]);
    let found = names(client.list_with(list).await?.into_iter().map(|listed| listed.mailbox));
    same("LIST (SUBSCRIBED)", &found, &expected)?;
    let list = everywhere(tour.pattern()?)?.returning([ListReturnOpt::Subscribed, ListReturnOpt::Children]);
    let listed = client.list_with(list).await?;
    let subscribed = listed.iter().filter(|it| it.mailbox.attributes.contains(&MailboxAttribute::Subscribed));
    same("RETURN (SUBSCRIBED)", &names(subscribed.map(|it| it.mailbox.clone())), &expected)?;
    let all = names(client.list("", &format!("{}*", tour.mailbox)).await?);
    same("LIST", &names(listed.into_iter().map(|it| it.mailbox)), &all)?;
    // A mailbox above one that is subscribed to is told with it.
    let list = everywhere(ListPattern::new(&tour.mailbox)?)?
        .selecting([ListSelectOpt::Subscribed, ListSelectOpt::RecursiveMatch]);
    let found = client.list_with(list).await?.pop().context("RECURSIVEMATCH: nothing")?;
    ensure!(!found.mailbox.extensions.is_empty(), "no CHILDINFO: {found:?}");
    client.unsubscribe(&child).await?;
    client.delete(&child).await?;
    Ok(AS_EXPECTED)
}

pub(crate) async fn list_metadata(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    let entry = EntryName::new("/private/comment")?;
    client.set_metadata(&tour.mailbox, [(entry.clone(), Some(Text::from("tea")))]).await?;
    let expected = client.metadata(&tour.mailbox, "/private/comment").await?;
    let list = everywhere(ListPattern::new(&tour.mailbox)?)?
        .returning([ListReturnOpt::Metadata(vec![entry.clone()])]);
    let found = client.list_with(list).await?;
    let told: Vec<_> = found.iter().flat_map(|listed| &listed.metadata).cloned().collect();
    same("METADATA", &told, &vec![(entry.clone(), expected)])?;
    client.set_metadata(&tour.mailbox, [(entry, None)]).await?;
    Ok(AS_EXPECTED)
}

pub(crate) async fn list_rights(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    let expected = client.my_rights(&tour.mailbox).await?;
    let list = everywhere(ListPattern::new(&tour.mailbox)?)?.returning([ListReturnOpt::MyRights]);
    let found = client.list_with(list).await?;
    same("MYRIGHTS", &found.iter().map(|it| it.rights).collect(), &vec![Some(expected)])?;
    Ok(AS_EXPECTED)
}

pub(crate) async fn list_status(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    let items = vec![StatusAtt::Messages, StatusAtt::UidNext, StatusAtt::UidValidity, StatusAtt::Unseen];
    let expected = client.status(&tour.mailbox, items.clone()).await?;
    let list = everywhere(ListPattern::new(&tour.mailbox)?)?.returning([ListReturnOpt::Status(items)]);
    let found = client.list_with(list).await?.pop().and_then(|it| it.status).context("no STATUS")?;
    let shown = |it: &StatusData| (it.messages(), it.uid_next(), it.uid_validity(), it.unseen());
    same("STATUS", &shown(&found), &shown(&expected))?;
    Ok(AS_EXPECTED)
}

pub(crate) async fn remote_list(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    let expected = names(client.list("", "*").await?);
    same("RLIST", &names(client.rlist("", "*").await?), &expected)?;
    let expected = names(client.lsub("", "*").await?);
    same("RLSUB", &names(client.rlsub("", "*").await?), &expected)?;
    Ok(AS_EXPECTED)
}

/// What one session has set is there for another.
pub(crate) async fn metadata(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    let comment = EntryName::new("/private/comment")?;
    for value in ["plain", "a \"quoted\" one", "in\r\nlines"] {
        client.set_metadata(&tour.mailbox, [(comment.clone(), Some(Text::from(value)))]).await?;
        let found = tour.connect().await?.metadata(&tour.mailbox, "/private/comment").await?;
        same("the annotation", &found, &Some(Text::from(value)))?;
    }
    client.set_metadata(&tour.mailbox, [(comment, None)]).await?;
    let found = tour.connect().await?.metadata(&tour.mailbox, "/private/comment").await?;
    same("the annotation that is gone", &found, &None)?;
    // Of the server itself, whatever there is.
    client.metadata("", "/shared/comment").await?;
    Ok(AS_EXPECTED)
}

pub(crate) async fn namespace(tour: &mut Tour<'_>) -> Result<&'static str> {
    let namespaces = tour.connect().await?.namespace().await?;
    let own = namespaces.personal.first().context("no personal namespace")?;
    same("the delimiter", &own.delimiter.map(char::from), &Some(tour.delimiter))?;
    Ok(AS_EXPECTED)
}

/// The use of what is limited is what is there.
pub(crate) async fn quota(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    let roots = client.quota_roots(&tour.mailbox).await?;
    for root in &roots {
        let name = root.name.as_text().to_string_lossy().into_owned();
        same("GETQUOTA", &client.quota(&name).await?, &root.usage)?;
    }
    let counted = |roots: &[mailwire_transport::imap::proto::extensions::quota::QuotaRoot]| {
        let mut usage = roots.iter().flat_map(|root| &root.usage);
        usage.find(|usage| usage.resource == ResourceName::Message).map(|usage| usage.usage)
    };
    let Some(before) = counted(&roots) else {
        return Ok(if roots.is_empty() { NOTHING_TO_DO } else { AS_EXPECTED });
    };
    let uid = tour.add("Subject: one more\r\n\r\nHere.\r\n").await?;
    same("MESSAGE", &counted(&client.quota_roots(&tour.mailbox).await?), &Some(before + 1))?;
    tour.remove_message(uid).await?;
    Ok(AS_EXPECTED)
}

/// What LIST selects by use are those that it tells a use of.
pub(crate) async fn special_use(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    let all = client.list_with(everywhere(ListPattern::ALL)?.returning([ListReturnOpt::SpecialUse])).await?;
    let with_use = all.into_iter().filter(|it| it.mailbox.attributes.iter().any(|it| it.is_special_use()));
    let expected = names(with_use.map(|it| it.mailbox));
    let selected =
        client.list_with(everywhere(ListPattern::ALL)?.selecting([ListSelectOpt::SpecialUse])).await?;
    same("LIST (SPECIAL-USE)", &names(selected.into_iter().map(|it| it.mailbox)), &expected)?;
    let found = client.special_mailboxes().await?.into_iter().filter(|it| !it.guessed);
    same("all uses", &found.map(|it| it.mailbox.to_unicode().into_owned()).collect(), &expected)?;
    Ok(AS_EXPECTED)
}

pub(crate) async fn size(tour: &mut Tour<'_>) -> Result<&'static str> {
    let expected: u64 = tour.messages().await?.iter().map(|message| message.size).sum();
    same("SIZE", &tour.plain_status(&[StatusAtt::Size]).await?.size(), &Some(expected))?;
    Ok(AS_EXPECTED)
}

/// A name in UTF-8 is the one that the other session sees.
pub(crate) async fn utf8_names(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    client.enable([Capability::Utf8Accept]).await?;
    let name = tour.below("B\u{e4}ume");
    client.create(&name).await?;
    let expected = [tour.mailbox.clone(), name.clone()].into();
    same("LIST in UTF-8", &names(client.list("", &format!("{}*", tour.mailbox)).await?), &expected)?;
    same("LIST", &names(tour.connect().await?.list("", &format!("{}*", tour.mailbox)).await?), &expected)?;
    client.delete(&name).await?;
    Ok(AS_EXPECTED)
}

pub(crate) async fn xlist(tour: &mut Tour<'_>) -> Result<&'static str> {
    let mut client = tour.connect().await?;
    let expected = names(client.list("", "*").await?);
    same("XLIST", &names(client.xlist("", "*").await?), &expected)?;
    Ok(AS_EXPECTED)
}

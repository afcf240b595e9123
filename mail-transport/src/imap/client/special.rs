//! What mailboxes are for, found out in whatever way the server has.

use std::collections::HashSet;

use mailwire_imap::{
    Capability,
    command::{List, ListReturnOpt},
    response::ListData,
    types::{ListPattern, MailboxAttribute, MailboxName},
};

use super::Client;
use crate::Result;

/// A mailbox and what it is for: [`Client::special_mailboxes`].
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecialMailbox {
    /// The mailbox.
    pub mailbox: MailboxName,
    /// What it is for: an attribute of [RFC 6154](https://www.rfc-editor.org/rfc/rfc6154#section-2), RFC 8457 or RFC
    /// 9979.
    pub special_use: MailboxAttribute,
    /// Whether nothing but the name says so.
    pub guessed: bool,
}

/// The last level of names that are usual for a use, in small letters.
const USUAL: &[(MailboxAttribute, &[&str])] = &[
    (
        MailboxAttribute::Sent,
        &[
            "sent",
            "sent items",
            "sent messages",
            "sent mail",
            "gesendet",
            "gesendete elemente",
            "gesendete objekte",
            "envoyés",
            "messages envoyés",
            "éléments envoyés",
            "enviados",
            "elementos enviados",
            "mensagens enviadas",
            "posta inviata",
            "inviata",
            "verzonden",
            "verzonden items",
            "skickat",
            "sendt",
            "lähetetyt",
            "wysłane",
            "отправленные",
            "已发送",
            "送信済み",
        ],
    ),
    (
        MailboxAttribute::Drafts,
        &[
            "drafts",
            "draft",
            "entwürfe",
            "brouillons",
            "borradores",
            "rascunhos",
            "bozze",
            "concepten",
            "utkast",
            "kladder",
            "luonnokset",
            "szkice",
            "черновики",
            "草稿",
            "下書き",
        ],
    ),
    (
        MailboxAttribute::Trash,
        &[
            "trash",
            "deleted",
            "deleted items",
            "deleted messages",
            "bin",
            "papierkorb",
            "gelöscht",
            "gelöschte elemente",
            "gelöschte objekte",
            "corbeille",
            "éléments supprimés",
            "papelera",
            "elementos eliminados",
            "lixo",
            "lixeira",
            "cestino",
            "prullenbak",
            "verwijderde items",
            "papperskorgen",
            "papirkurv",
            "roskakori",
            "kosz",
            "удаленные",
            "已删除",
            "ゴミ箱",
        ],
    ),
    (
        MailboxAttribute::Junk,
        &[
            "junk",
            "junk email",
            "junk e-mail",
            "junk mail",
            "spam",
            "bulk mail",
            "unerwünscht",
            "indésirables",
            "courrier indésirable",
            "correo no deseado",
            "posta indesiderata",
            "ongewenst",
            "skräppost",
            "спам",
            "垃圾邮件",
        ],
    ),
    (
        MailboxAttribute::Archive,
        &["archive", "archives", "archiv", "archivo", "arquivo", "archivio", "archief", "arkiv", "arkisto"],
    ),
    (MailboxAttribute::All, &["all mail", "all messages"]),
    (MailboxAttribute::Flagged, &["starred", "flagged"]),
];

impl Client {
    /// Finds out what mailboxes are for: by LIST with SPECIAL-USE ([RFC
    /// 6154](https://www.rfc-editor.org/rfc/rfc6154)), by XLIST, by the attributes that plain LIST has; and for uses that
    /// are not found so, by names that are usual in several languages.
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection fails.
    pub async fn special_mailboxes(&mut self) -> Result<Vec<SpecialMailbox>> {
        Ok(found_in(&self.list_with_uses().await?))
    }

    /// All mailboxes, with what they are for as far as the server can tell.
    async fn list_with_uses(&mut self) -> Result<Vec<ListData>> {
        if self.has(&Capability::SpecialUse) && self.has_or_rev2(&Capability::ListExtended) {
            let list = List::new(MailboxName::from_wire("")?, ListPattern::ALL);
            let listed = self.list_with(list.returning([ListReturnOpt::SpecialUse])).await?;
            return Ok(listed.into_iter().map(|listed| listed.mailbox).collect());
        }
        if self.has(&Capability::XList) && !self.has(&Capability::SpecialUse) {
            return self.xlist("", "*").await;
        }
        self.list("", "*").await
    }
}

fn found_in(mailboxes: &[ListData]) -> Vec<SpecialMailbox> {
    let mut found: Vec<SpecialMailbox> = Vec::new();
    for mailbox in mailboxes {
        for special_use in mailbox.attributes.iter().filter_map(told) {
            found.push(SpecialMailbox { mailbox: mailbox.name.clone(), special_use, guessed: false });
        }
    }
    let guesses = mailboxes.iter().filter(|mailbox| is_mailbox(mailbox));
    let mut guesses: Vec<_> = guesses.filter_map(|mailbox| Some((mailbox, guessed(mailbox)?))).collect();
    // What lies deep is hardly what is looked for.
    guesses.sort_by_key(|(mailbox, _)| levels(mailbox));
    let told: HashSet<_> = found.iter().map(|one| one.mailbox.clone()).collect();
    let mut uses: HashSet<_> = found.iter().map(|one| one.special_use.clone()).collect();
    for (mailbox, special_use) in guesses {
        if !told.contains(&mailbox.name) && uses.insert(special_use.clone()) {
            let (mailbox, special_use) = (mailbox.name.clone(), special_use.clone());
            found.push(SpecialMailbox { mailbox, special_use, guessed: true });
        }
    }
    found
}

/// The use that an attribute tells, by today's name: XLIST has others for some.
fn told(attribute: &MailboxAttribute) -> Option<MailboxAttribute> {
    if attribute.is_special_use() {
        return Some(attribute.clone());
    }
    let MailboxAttribute::Extension(name) = attribute else { return None };
    let old = [
        ("AllMail", MailboxAttribute::All),
        ("Starred", MailboxAttribute::Flagged),
        ("Spam", MailboxAttribute::Junk),
    ];
    old.into_iter().find(|(old, _)| name.eq_ignore_ascii_case(old)).map(|(_, today)| today)
}

/// The use that a name lets guess.
fn guessed(mailbox: &ListData) -> Option<&'static MailboxAttribute> {
    let name = mailbox.name.to_unicode().to_lowercase();
    let delimiter = mailbox.delimiter.map(char::from);
    let last = delimiter.and_then(|delimiter| name.rsplit(delimiter).next()).unwrap_or(&name);
    USUAL.iter().find(|(_, names)| names.contains(&last)).map(|(special_use, _)| special_use)
}

fn levels(mailbox: &ListData) -> usize {
    mailbox.name.as_bytes().iter().filter(|byte| Some(**byte) == mailbox.delimiter).count()
}

fn is_mailbox(mailbox: &ListData) -> bool {
    !mailbox.name.is_inbox() && mailbox.is_selectable()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use mailwire_core::Dialect;
    use mailwire_imap::response::{Response, Untagged};

    use super::*;

    fn found(lines: &[&'static str]) -> Vec<String> {
        let list = |line: &&'static str| match Response::parse(&Bytes::from(*line), Dialect::Strict)
            .unwrap()
            .value
        {
            Response::Untagged(Untagged::List(list)) => list,
            other => panic!("{other:?}"),
        };
        let found = found_in(&lines.iter().map(list).collect::<Vec<_>>());
        let show = |one: &SpecialMailbox| {
            format!("{} {}{}", one.special_use, one.mailbox.to_unicode(), if one.guessed { "?" } else { "" })
        };
        found.iter().map(show).collect()
    }

    #[test]
    fn by_attribute_before_name() {
        let lines = [
            "* LIST () \"/\" INBOX",
            "* LIST () \"/\" Sent",
            "* LIST (\\Sent) \"/\" Postausgang",
            "* LIST () \"/\" 2024/Trash",
            "* LIST () \"/\" \"Entw&APw-rfe\"",
            "* LIST () \"/\" Trash",
            "* LIST (\\Noselect) \"/\" Junk",
        ];
        assert_eq!(found(&lines), ["\\Sent Postausgang", "\\Drafts Entwürfe?", "\\Trash Trash?"]);
    }

    #[test]
    fn by_the_names_of_xlist() {
        let lines = [
            "* XLIST (\\HasNoChildren \\Inbox) \"/\" Inbox",
            "* XLIST (\\HasNoChildren \\AllMail) \"/\" \"[Gmail]/Alle Nachrichten\"",
            "* XLIST (\\HasNoChildren \\Spam) \"/\" \"[Gmail]/Spam\"",
            "* XLIST (\\HasNoChildren \\Important) \"/\" \"[Gmail]/Wichtig\"",
        ];
        let uses = ["\\All [Gmail]/Alle Nachrichten", "\\Junk [Gmail]/Spam", "\\Important [Gmail]/Wichtig"];
        assert_eq!(found(&lines), uses);
    }
}

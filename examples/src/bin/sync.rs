//! Keeps an IMAP account and a Maildir equal.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::Parser;
use mailwire_examples::{
    AccountArguments, EXIT_STATUS, Link, MailboxArguments, Status, Tally, Usage,
    maildir::{Maildir, folder_of, mailbox_of, subfolders},
    program, say,
    sync::{Lock, Options, STATE, synchronize},
    tell,
};
use mailwire_transport::{
    Protocol,
    imap::{Capability, Client, proto::types::MailboxName},
};

/// Keeps a mailbox, or all of an account, and a Maildir equal.
///
/// What is new on one side comes to the other, with its flags and date. What was deleted on one side is deleted on
/// the other, but only what both had: the file `.mailwire-sync` in the Maildir says what that was. Of each flag, the
/// side that has changed it decides; a deletion goes before a change of flags. Keywords other than `$Forwarded` have
/// no place in a Maildir, and stay on the server as they are.
///
/// It can be stopped at any time, by force as well: the next run goes on. If the server's UIDVALIDITY changes, or
/// `.mailwire-sync` is lost, messages that are on both sides are known by their content, and nothing is deleted.
/// What a server is still storing when the next run begins, less than a second after one was killed, that run cannot
/// see, and stores again.
///
/// With --all, the Maildir is INBOX, and has the other mailboxes beside it as Maildir++ folders: `.Archive.2025` is
/// Archive/2025. Mailboxes and folders that one side does not have are made there. None is ever removed: whoever
/// deletes one does so on both sides.
///
/// Examples:
///   MAILWIRE_PASSWORD=... sync --server mail.example.org --user anna Mail
///   MAILWIRE_PASSWORD=... sync --server mail.example.org --user anna --all --exclude Junk Mail
#[derive(Parser)]
#[command(version, verbatim_doc_comment, after_help = EXIT_STATUS)]
struct Arguments {
    #[command(flatten)]
    account: AccountArguments,
    /// The mailbox; without, that of the URL, or INBOX
    #[arg(long, conflicts_with = "all")]
    mailbox: Option<String>,
    /// All mailboxes of the account
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    mailboxes: MailboxArguments,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Remove all messages of one side if all of them are gone on the other; without, more than 20 stay
    #[arg(long)]
    delete_all: bool,
    /// Compress the connection, where the server can
    #[arg(long)]
    compress: bool,
    /// The Maildir, which is made if it is not there
    #[arg(value_name = "MAILDIR")]
    maildir: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program(run).await
}

async fn connect(arguments: &Arguments) -> Result<Client> {
    let mut client = arguments.account.imap("mailwire-sync").await?;
    if arguments.compress && client.has(&Capability::CompressDeflate) {
        client.compress().await?;
    }
    Ok(client)
}

async fn run(arguments: &Arguments, tally: &mut Tally) -> Result<()> {
    let MailboxArguments { include, exclude } = &arguments.mailboxes;
    if !(arguments.all || include.is_empty() && exclude.is_empty()) {
        return Err(Usage("--include and --exclude go with --all".into()).into());
    }
    let account = arguments.account.required_account(Protocol::Imap)?;
    // Not as it was given: a URL can have a password in it.
    let (user, server) = (account.user().unwrap_or_default(), account.endpoint().address());
    let named = || format!("the Maildir {}", arguments.maildir.display());
    if !arguments.dry_run {
        Maildir::open(&arguments.maildir).with_context(named)?;
    }
    let lock = arguments.maildir.exists().then(|| Lock::take(&arguments.maildir));
    let _lock = lock.transpose().with_context(named)?;
    let mut link = Link::new(async || connect(arguments).await);
    let pairs = if arguments.all {
        pairs(arguments, link.client().await?, tally).await?
    } else {
        let named = arguments.mailbox.as_deref().or(account.mailbox()).unwrap_or("INBOX");
        let name = MailboxName::new(named).map_err(|error| Usage(format!("--mailbox {named}: {error}")))?;
        BTreeMap::from([(String::new(), name)])
    };
    for (folder, mailbox) in pairs {
        let path = arguments.maildir.join(&folder);
        let maildir =
            if arguments.dry_run { Maildir::at(path) } else { Maildir::open(path).with_context(named)? };
        // Quoted: a name can have a line end in it.
        let place = format!("{user} at {server} {:?}", mailbox.to_unicode());
        let options = Options { dry_run: arguments.dry_run, delete_all: arguments.delete_all };
        let report = synchronize(&mut link, &mailbox, &maildir, &place, options, tally).await?;
        let would = if arguments.dry_run { "would be: " } else { "" };
        say(format_args!("{mailbox}: {would}{report}"))?;
    }
    link.leave().await;
    Ok(())
}

/// The mailboxes by their folders. What is missing on one side is made.
async fn pairs(
    arguments: &Arguments,
    client: &mut Client,
    tally: &mut Tally,
) -> Result<BTreeMap<String, MailboxName>> {
    let (listed, delimiter) = MailboxArguments::default().of(client).await?;
    let mut pairs = BTreeMap::new();
    for mailbox in listed {
        match folder_of(&mailbox.name.to_unicode(), delimiter) {
            Some(folder) => drop(pairs.insert(folder, mailbox.name)),
            None => tally.failed_as(Status::Refused, &mailbox.name, "its name cannot be that of a folder"),
        }
    }
    for folder in folders(&arguments.maildir)? {
        if pairs.contains_key(&folder) {
            continue;
        }
        let Some(mailbox) = mailbox_of(&folder, delimiter) else {
            tally.failed_as(Status::Refused, &folder, "no mailbox of the server can have this name");
            continue;
        };
        let name = MailboxName::new(&mailbox)?;
        if !arguments.mailboxes.mean(&name, delimiter)? {
            continue;
        }
        if arguments.maildir.join(&folder).join(STATE).exists() {
            tell(format_args!(
                "{mailbox} is not on the server any more; its folder {folder} stays. Without its {STATE}, it would be \
                 stored anew"
            ));
            continue;
        }
        // A dry run cannot look into what is not there.
        if arguments.dry_run {
            tell(format_args!("{mailbox} would be made on the server"));
            continue;
        }
        match client.create(&name).await {
            Ok(_) => drop(pairs.insert(folder, name)),
            Err(error) => tally.failed(&mailbox, &error.into()),
        }
    }
    let mut meant = BTreeMap::new();
    for (folder, name) in pairs {
        if arguments.mailboxes.mean(&name, delimiter)? {
            meant.insert(folder, name);
        }
    }
    Ok(meant)
}

fn folders(path: &Path) -> Result<Vec<String>> {
    if path.exists() { Ok(subfolders(path)?) } else { Ok(Vec::new()) }
}

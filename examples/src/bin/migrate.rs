//! Copies all mailboxes of one account into another.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::Parser;
use mailwire_examples::{
    EXIT_STATUS, Link, MailboxArguments, Tally, Usage, WireArguments,
    migrate::{Journal, Options, migrate},
    program, say,
};
use mailwire_transport::{
    Account, Protocol, Timeouts,
    imap::{Capability, Client, Config},
    sasl::Credentials,
    tls::ClientTls,
};

/// Copies all mailboxes of one account into another, with flags, dates and subscriptions. Nothing is changed or
/// deleted in the source, and nothing in the target, but for what is added.
///
/// A message that is in the target already, by its size, its date and its Message-ID, is not copied again. So it can be
/// stopped at any time, by force as well, and run again; with --state it then need not look at what has gone, and what
/// the target's owner has deleted since does not come back. Connections that are lost are made again. What the target had
/// received when a run was stopped it may still be storing: begin the next one some seconds later, as a message that is not
/// there yet is copied again.
///
/// Separators between the levels of names are translated, and so is what all names of an account begin with. A
/// mailbox that is for sent mail, drafts, junk and the like goes to the one of the target that is for the same.
/// Mailboxes of other users are left out. What a server refuses, for it is too large perhaps, is named on standard error
/// and at the end, and does not stop the rest.
///
/// The passwords come from the environment: MAILWIRE_FROM_PASSWORD and MAILWIRE_TO_PASSWORD, or MAILWIRE_PASSWORD for
/// both; for OAuth, MAILWIRE_FROM_TOKEN and MAILWIRE_TO_TOKEN.
///
/// Examples:
///   MAILWIRE_FROM_PASSWORD=... MAILWIRE_TO_PASSWORD=... migrate --state move.state \
///       --from imaps://anna@old.example.org --to imaps://anna@new.example.org
///   migrate --from imaps://anna@old.example.org --to imaps://anna@new.example.org --exclude Trash --dry-run
#[derive(Parser)]
#[command(version, verbatim_doc_comment, after_help = EXIT_STATUS)]
struct Arguments {
    /// The account that is copied: imaps://USER@HOST for TLS from the first byte, imap://USER@HOST for STARTTLS
    #[arg(long, value_name = "URL")]
    from: String,
    /// The account that it is copied into
    #[arg(long, value_name = "URL")]
    to: String,
    /// Trust the certificate authorities in this PEM file, and no others, for the account that is copied
    #[arg(long, value_name = "FILE")]
    from_ca: Option<PathBuf>,
    /// Trust the certificate authorities in this PEM file, and no others, for the account that it is copied into
    #[arg(long, value_name = "FILE")]
    to_ca: Option<PathBuf>,
    /// Remember in this file what has gone
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    #[command(flatten)]
    mailboxes: MailboxArguments,
    /// Keep the names of mailboxes, also where the target has another one that is for the same
    #[arg(long)]
    keep_names: bool,
    /// Say what would be copied, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not compress the connections
    #[arg(long)]
    no_compress: bool,
    #[command(flatten)]
    wire: WireArguments,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program(run).await
}

async fn run(arguments: &Arguments, tally: &mut Tally) -> Result<()> {
    let mut from = account("from", &arguments.from, arguments.from_ca.as_deref())?;
    let mut to = account("to", &arguments.to, arguments.to_ca.as_deref())?;
    if let Some(write) = arguments.wire.open()? {
        from = from.map_endpoint(|endpoint| endpoint.with_wire_log(write.clone()));
        to = to.map_endpoint(|endpoint| endpoint.with_wire_log(write));
    }
    let mut journal = match &arguments.state {
        Some(path) if !arguments.dry_run || path.exists() => Journal::open(path, &format!("{from} > {to}"))?,
        _ => Journal::new(),
    };
    let compress = !arguments.no_compress;
    let mut source = Link::new(async || connect(&from, compress).await.context("--from"));
    let mut target = Link::new(async || connect(&to, compress).await.context("--to"));
    let options = Options { dry_run: arguments.dry_run, keep_names: arguments.keep_names };
    let (mut copied, mut there, mut failed) = (0, 0, Vec::new());
    let report = |report: &mailwire_examples::migrate::Report| {
        copied += report.copied;
        there += report.there;
        failed.extend(report.failed.clone());
        let would = if options.dry_run { "would be: " } else { "" };
        Ok(say(format_args!("{would}{report}"))?)
    };
    let mailboxes = &arguments.mailboxes;
    let result = migrate(&mut source, &mut target, mailboxes, &mut journal, options, tally, report).await;
    source.leave().await;
    target.leave().await;
    say(format_args!("{copied} messages copied, {there} there already, {} not copied", failed.len()))?;
    failed.iter().try_for_each(|failed| say(format_args!("not copied: {failed}")))?;
    result
}

fn account(side: &str, url: &str, ca: Option<&Path>) -> Result<Account> {
    let usage = |why: &dyn std::fmt::Display| Usage(format!("--{side}: {why}"));
    if !Account::is_url(url) {
        return Err(usage(&"a URL is needed, as imaps://anna@mail.example.org").into());
    }
    let mut account = Account::parse(url).map_err(|error| usage(&error))?;
    if account.protocol() != Protocol::Imap {
        return Err(usage(&format_args!("{account} is of another protocol")).into());
    }
    if let Some(mailbox) = account.mailbox() {
        // All others would be copied, too.
        let why = format_args!("the mailbox {mailbox} of the URL is not used; --include names those to copy");
        return Err(usage(&why).into());
    }
    let Some(user) = account.user().map(str::to_owned) else {
        return Err(usage(&"a user is needed, as imaps://anna@mail.example.org").into());
    };
    if !account.has_password() {
        let upper = side.to_uppercase();
        let variable = |name: &str| std::env::var(name).ok();
        if let Some(token) = variable(&format!("MAILWIRE_{upper}_TOKEN")) {
            account = account.with_credentials(Credentials::token(user, token));
        } else if let Some(password) =
            variable(&format!("MAILWIRE_{upper}_PASSWORD")).or_else(|| variable("MAILWIRE_PASSWORD"))
        {
            account = account.with_password(password);
        } else {
            return Err(usage(&format_args!("set MAILWIRE_{upper}_PASSWORD for the user {user}")).into());
        }
    }
    if let Some(path) = ca {
        let named = || format!("--{side}-ca {}", path.display());
        let pem = std::fs::read(path).with_context(named)?;
        let tls = ClientTls::with_roots_pem(pem).map_err(|error| Usage(format!("{}: {error}", named())))?;
        account = account.map_endpoint(|endpoint| endpoint.with_tls(tls));
    }
    Ok(account.map_endpoint(|endpoint| endpoint.with_timeouts(Timeouts::interactive())))
}

async fn connect(account: &Account, compress: bool) -> Result<Client> {
    let mut config = Config::try_from(account)?;
    config.identify("mailwire-migrate", env!("CARGO_PKG_VERSION"))?;
    let mut client = Client::connect_with(account.endpoint().clone(), config).await?;
    if compress && client.has(&Capability::CompressDeflate) {
        client.compress().await?;
    }
    Ok(client)
}

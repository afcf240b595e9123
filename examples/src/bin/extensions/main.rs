//! Tries the extensions that an IMAP server offers, and holds what comes of each against a plain way to know it.

mod changes;
mod finding;
mod mailboxes;
mod messages;
mod mirror;
mod sessions;
mod tour;

use std::{collections::BTreeSet, process::ExitCode};

use anyhow::{Result, bail};
use clap::Parser;
use mailwire_examples::{AccountArguments, EXIT_STATUS, Tally, Usage, program, say};
use mailwire_transport::Protocol;

use self::tour::Tour;

/// Tries the extensions that an IMAP server offers, and holds what comes of each against a plain way to know it.
///
/// It works in a mailbox of its own, which is made for it and deleted at the end. A line is printed for each
/// capability: its name and `as expected`, `nothing to do`, `not used` (there is no check of it here) or
/// `differs`, with what differs. The synchroniser is the last line.
///
/// Example:
///   MAILWIRE_PASSWORD=... extensions --server mail.example.org --user anna
#[derive(Parser)]
#[command(version, verbatim_doc_comment, after_help = EXIT_STATUS)]
struct Arguments {
    #[command(flatten)]
    account: AccountArguments,
    /// The mailbox that is made, used and deleted, with those whose names begin with it
    #[arg(long, default_value = "Mailwire-Extensions")]
    mailbox: String,
    /// Only capabilities in whose names this is
    #[arg(long, default_value = "")]
    only: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program(run).await
}

async fn run(arguments: &Arguments, tally: &mut Tally) -> Result<()> {
    let account = arguments.account.required_account(Protocol::Imap)?;
    if let Some(mailbox) = account.mailbox() {
        // All that is in it would be lost.
        bail!(Usage(format!(
            "--server: the mailbox {mailbox} of the URL is not used; --mailbox names one to work in"
        )));
    }
    let mut tour = Tour::begin(&account, &arguments.mailbox).await?;
    let mut names: BTreeSet<String> = tour.offered().await?;
    names.insert("the synchroniser".into());
    for name in names.iter().filter(|name| name.contains(&arguments.only)) {
        let outcome = match check(&mut tour, name).await {
            Ok(outcome) => {
                tally.done();
                outcome.to_owned()
            }
            Err(error) => {
                let told = format!("differs: {error:#}");
                tally.failed(name, &error);
                told
            }
        };
        say(format_args!("{name:28}  {outcome}"))?;
        tour.restore().await?;
    }
    tour.end().await
}

const AS_EXPECTED: &str = "as expected";
/// What a server says of itself, or does by itself.
const NOTHING_TO_DO: &str = "nothing to do";
const NOT_USED: &str = "not used";

async fn check(tour: &mut Tour<'_>, name: &str) -> Result<&'static str> {
    match name {
        "IMAP4rev1" | "IMAP4rev2" | "LITERAL+" | "LITERAL-" => messages::stored(tour).await,
        "ANNOTATE-EXPERIMENT-1" => messages::annotations(tour).await,
        "APPENDLIMIT" => messages::append_limit(tour).await,
        "BINARY" => messages::binary(tour).await,
        "CATENATE" | "URL-PARTIAL" => messages::catenate(tour).await,
        "MULTIAPPEND" => messages::multi_append(tour).await,
        "OBJECTID" => messages::object_ids(tour).await,
        "PREVIEW" | "PREVIEW=FUZZY" | "SNIPPET=FUZZY" => messages::preview(tour, name).await,
        "REPLACE" => messages::replace(tour).await,
        "SAVEDATE" => messages::save_dates(tour).await,
        "UIDPLUS" => messages::uid_plus(tour).await,
        "URLAUTH" => messages::authorized_urls(tour).await,
        "URLAUTH=BINARY" => messages::authorized_parts(tour).await,
        "MOVE" => messages::moves(tour).await,

        "CONDSTORE" => changes::condstore(tour).await,
        "IDLE" => changes::idle(tour).await,
        "NOTIFY" => changes::notify(tour).await,
        "QRESYNC" => changes::qresync(tour).await,
        "UIDONLY" => changes::uid_only(tour).await,
        "UNSELECT" => changes::unselect(tour).await,
        "the synchroniser" => mirror::synchroniser(tour).await,

        "CONTEXT=SEARCH" | "CONTEXT=SORT" => finding::kept_result(tour, name).await,
        "ESEARCH" => finding::extended_search(tour).await,
        "ESORT" => finding::extended_sort(tour).await,
        "I18NLEVEL=1" | "I18NLEVEL=2" => finding::any_case(tour).await,
        "MULTISEARCH" => finding::everywhere(tour).await,
        "PARTIAL" => finding::pages(tour).await,
        "SEARCHRES" => finding::saved_result(tour).await,
        "SEARCH=FUZZY" => finding::fuzzy(tour).await,
        "SORT" | "SORT=DISPLAY" | "SORT=MODSEQ" | "SORT=UID" => finding::sort(tour, name).await,
        "THREAD=ORDEREDSUBJECT" | "THREAD=REFERENCES" | "THREAD=REFS" => finding::thread(tour, name).await,
        "UIDBATCHES" => finding::batches(tour).await,
        "WITHIN" => finding::ages(tour).await,

        "ACL" => mailboxes::acl(tour).await,
        "CHILDREN" => mailboxes::children(tour).await,
        "CREATE-SPECIAL-USE" => mailboxes::create_special_use(tour).await,
        "LIST-EXTENDED" => mailboxes::list_extended(tour).await,
        "LIST-METADATA" => mailboxes::list_metadata(tour).await,
        "LIST-MYRIGHTS" => mailboxes::list_rights(tour).await,
        "LIST-STATUS" => mailboxes::list_status(tour).await,
        "MAILBOX-REFERRALS" => mailboxes::remote_list(tour).await,
        "METADATA" => mailboxes::metadata(tour).await,
        "NAMESPACE" => mailboxes::namespace(tour).await,
        "QUOTA" => mailboxes::quota(tour).await,
        "SPECIAL-USE" => mailboxes::special_use(tour).await,
        "STATUS=SIZE" => mailboxes::size(tour).await,
        "XLIST" => mailboxes::xlist(tour).await,

        "COMPRESS=DEFLATE" => sessions::compress(tour).await,
        "ENABLE" => sessions::enable(tour).await,
        "ID" => sessions::id(tour).await,
        "LANGUAGE" => sessions::language(tour).await,
        "LOGINDISABLED" => sessions::login_disabled(tour).await,
        "SASL-IR" => sessions::initial_response(tour).await,
        "STARTTLS" => Ok(if tour.starts_tls() { AS_EXPECTED } else { NOTHING_TO_DO }),
        "UTF8=ACCEPT" => mailboxes::utf8_names(tour).await,
        "UNAUTHENTICATE" => sessions::unauthenticate(tour).await,
        "LOGIN-REFERRALS" | "INPROGRESS" => Ok(NOTHING_TO_DO),
        name => match name.split_once('=') {
            Some(("AUTH", mechanism)) => sessions::login(tour, mechanism).await,
            Some(("APPENDLIMIT", _)) => messages::append_limit(tour).await,
            Some(("RIGHTS", letters)) => mailboxes::rights(tour, letters).await,
            Some(("QUOTA", _)) => mailboxes::quota(tour).await,
            _ => Ok(NOT_USED),
        },
    }
}

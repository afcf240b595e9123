//! Sends messages by SMTP, submission or LMTP.

use std::{io, path::PathBuf, process::ExitCode, str::FromStr};

use anyhow::{Context as _, Result, anyhow};
use clap::Parser;
use mailwire_examples::{
    AccountArguments, EXIT_STATUS, Input, Status, Tally, Usage, compose, program, say, tell,
};
use mailwire_transport::{
    Protocol,
    smtp::{
        self, Envelope, Outcome, RefusedRecipient,
        proto::{
            ForwardPath,
            extensions::{
                dsn::{EnvelopeId, Notify, Ret},
                xclient::{AttributeName, AttributeValue, Attributes},
            },
        },
    },
};

/// Sends messages by SMTP, submission or LMTP.
///
/// Each FILE is a message with its header; its line ends may be LF or CR LF. Messages are read while they
/// are sent, so their size does not matter. Standard output has a line for each message and recipient that
/// was accepted, standard error one for each that was not; neither stops the others.
///
/// Without a FILE, a message is written of --subject, --body and --attach, from and to the addresses that are given.
///
/// Examples:
///   MAILWIRE_PASSWORD=... send --server mail.example.org --user anna --from anna@example.org \
///       --to bob@example.net message.eml
///   send --server localhost:24 --security plaintext --lmtp --from '' --to anna@localhost message.eml
///   MAILWIRE_PASSWORD=... send --server mail.example.org --user anna --from anna@example.org \
///       --to bob@example.net --subject Report --body Attached. --attach report.pdf
#[derive(Parser)]
#[command(version, verbatim_doc_comment, after_help = EXIT_STATUS)]
struct Arguments {
    #[command(flatten)]
    account: AccountArguments,
    /// The sender's address; empty for the null address of reports
    #[arg(long, value_name = "ADDRESS")]
    from: String,
    /// A recipient's address; may be given several times
    #[arg(long, value_name = "ADDRESS", required = true)]
    to: Vec<String>,
    /// The domain of addresses that are given without one
    #[arg(long, value_name = "NAME")]
    domain: Option<String>,
    /// Speak LMTP, as a URL with lmtp: says by itself
    #[arg(long)]
    lmtp: bool,
    /// When the sender is to get a report about delivery; may be given several times. Without, when it fails
    #[arg(long, value_name = "WHEN")]
    notify: Vec<NotifyName>,
    /// What of the message comes back in such a report
    #[arg(long = "return", value_name = "WHAT")]
    returned: Option<ReturnName>,
    /// What such a report names the message by
    #[arg(long, value_name = "TEXT")]
    envelope_id: Option<String>,
    /// What the server is told of the client that this program stands for, where it trusts this program (XCLIENT): as
    /// ADDR=192.0.2.7; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    xclient: Vec<Told>,
    /// The name in EHLO
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The subject of a message that is written here
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
    /// The text of a message that is written here; `-` reads it from standard input
    #[arg(long, value_name = "TEXT")]
    body: Option<String>,
    /// A file that goes with a message that is written here, with the content type that its name tells; may be given
    /// several times
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// The messages
    #[arg(
        required_unless_present_any = ["subject", "body", "attach"],
        conflicts_with_all = ["subject", "body", "attach"]
    )]
    files: Vec<PathBuf>,
}

/// When somebody wants a report about delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum NotifyName {
    /// Never
    Never,
    /// When the message is delivered
    Success,
    /// When it cannot be delivered
    Failure,
    /// When it takes unusually long
    Delay,
}

/// An attribute of a client.
#[derive(Debug, Clone)]
struct Told(AttributeName, AttributeValue);

impl FromStr for Told {
    type Err = String;

    fn from_str(told: &str) -> Result<Self, String> {
        let (name, value) = told.split_once('=').ok_or("given as NAME=VALUE")?;
        let known = AttributeName::of(name.as_bytes()).ok_or_else(|| format!("{name}: no such attribute"))?;
        Ok(Self(known, AttributeValue::new(value).map_err(|error| error.to_string())?))
    }
}

/// What of a message a report about it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ReturnName {
    /// All of it
    Full,
    /// Its header
    Headers,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program(run).await
}

async fn run(arguments: &Arguments, tally: &mut Tally) -> Result<()> {
    let envelope = arguments.envelope()?;
    if arguments.files.is_empty() {
        return compose_and_send(arguments, &envelope, tally).await;
    }
    let mut client = None;
    for (index, path) in arguments.files.iter().enumerate() {
        let name = path.display().to_string();
        let mut input = match Input::open(path).await {
            Ok(input) => input,
            Err(error) => {
                tally.failed_as(Status::NoInput, name, error);
                continue;
            }
        };
        let mut connected = match client.take() {
            Some(client) => client,
            None => match arguments.connect().await {
                Ok(client) => client,
                Err(error) => {
                    for path in arguments.files.iter().skip(index) {
                        tell(format_args!("{}: not tried", path.display()));
                    }
                    return Err(error);
                }
            },
        };
        let result = connected.send(&envelope, input.payload()).await;
        let ended = result.is_err();
        drop(input);
        match result {
            Ok(sent) => report(&name, &envelope, &sent, tally),
            Err(error) => not_sent(&name, &mut connected, error, tally),
        }
        // What is left of a message that failed must not get into the next.
        if !ended || connected.rset().await.is_ok() {
            client = Some(connected);
        }
    }
    if let Some(client) = client {
        leave(client).await;
    }
    Ok(())
}

/// Sends a message that is written here.
async fn compose_and_send(arguments: &Arguments, envelope: &Envelope, tally: &mut Tally) -> Result<()> {
    let from = match arguments.from.as_str() {
        "" => return Err(Usage("--from: a message that is written here is from somebody".into()).into()),
        from => arguments.address("--from", from)?,
    };
    let to: Vec<String> =
        arguments.to.iter().map(|to| arguments.address("--to", to)).collect::<Result<_>>()?;
    let text = match arguments.body.as_deref().unwrap_or_default() {
        "-" => io::read_to_string(io::stdin()).context("cannot read standard input")?,
        text => text.to_owned(),
    };
    let subject = arguments.subject.as_deref().unwrap_or_default();
    let message = compose(&from, to.iter().map(String::as_str), subject, &text, &arguments.attach).await?;
    let mut client = arguments.connect().await?;
    let name = arguments.subject.as_deref().unwrap_or("the message");
    match client.send(envelope, message).await {
        Ok(sent) => report(name, envelope, &sent, tally),
        Err(error) => not_sent(name, &mut client, error, tally),
    }
    leave(client).await;
    Ok(())
}

/// Ends the session. All is said: how it ends changes nothing.
async fn leave(client: smtp::Client) {
    if !client.is_usable() {
        return;
    }
    if let Err(error) = client.quit().await {
        tell(format_args!("the end of the session: {error}"));
    }
}

/// Tells what became of a message that was accepted for some recipients.
fn report(name: &str, envelope: &Envelope, sent: &smtp::Sent, tally: &mut Tally) {
    let mut refused: Vec<&RefusedRecipient> = sent.refused.iter().collect();
    for recipient in envelope.recipients() {
        // One that is named twice may be refused once.
        if let Some(index) = refused.iter().position(|refused| refused.recipient == recipient.to) {
            refuse(name, &recipient.to, &refused.swap_remove(index).error, tally);
        } else {
            tally.done();
            let accepted = say(format_args!("{name}: {}: {}", recipient.to, sent.reply));
            if let Err(error) = accepted {
                tally.failed_as(Status::Local, name, error);
            }
        }
    }
}

fn refuse(name: &str, recipient: &ForwardPath, error: &mailwire_transport::Error, tally: &mut Tally) {
    let temporary = error.is_transient();
    let kind = if temporary { Status::Temporary } else { Status::Refused };
    tally.failed_as(kind, format_args!("{name}: {recipient}"), error);
}

/// Tells what became of a message that was accepted for nobody, as far as it is known.
fn not_sent(name: &str, client: &mut smtp::Client, error: mailwire_transport::Error, tally: &mut Tally) {
    let refused = client.take_refused();
    if !refused.is_empty() {
        for refused in &refused {
            refuse(name, &refused.recipient, &refused.error, tally);
        }
    } else if error.refused().is_none() && client.outcome() == Outcome::Unknown {
        let what =
            format!("{name}: sent in full, but the answer is lost; it may arrive twice if it is sent again");
        tally.unsure(what, &error.into());
    } else {
        tally.failed(format_args!("{name}: not sent"), &error.into());
    }
}

impl Arguments {
    async fn connect(&self) -> Result<smtp::Client> {
        let protocol = match (self.lmtp, &self.account.user) {
            (true, _) => Protocol::Lmtp,
            (false, Some(_)) => Protocol::Submission,
            (false, None) => Protocol::Smtp,
        };
        let account = self.account.account(protocol)?;
        let mut config = smtp::Config::try_from(&account)?;
        config.lmtp |= self.lmtp;
        if let Some(name) = &self.name {
            config.name =
                Some(name.as_str().try_into().map_err(|error| Usage(format!("--name {name}: {error}")))?);
        }
        let mut client = smtp::Client::connect_with(account.into_endpoint(), config).await?;
        let mut told = self.xclient.iter().cloned();
        if let Some(Told(name, value)) = told.next() {
            let first = Attributes::new(name, value);
            let all = told.fold(first, |all, Told(name, value)| all.with_value(name, value));
            client.xclient(all).await?;
        }
        Ok(client)
    }

    fn envelope(&self) -> Result<Envelope> {
        let from = if self.from.is_empty() { String::new() } else { self.address("--from", &self.from)? };
        let to: Vec<String> = self.to.iter().map(|to| self.address("--to", to)).collect::<Result<_>>()?;
        let envelope = Envelope::new(&from, to.iter().map(String::as_str))?;
        let mut mail = envelope.mail().clone();
        if let Some(returned) = self.returned {
            mail = mail.with_ret(match returned {
                ReturnName::Full => Ret::Full,
                ReturnName::Headers => Ret::Headers,
            });
        }
        if let Some(id) = &self.envelope_id {
            let id = EnvelopeId::new(id.clone());
            mail = mail.with_envelope_id(id.map_err(|error| Usage(format!("--envelope-id: {error}")))?);
        }
        let notify = self.notify()?;
        let recipients = envelope.recipients().iter().cloned().map(|rcpt| match notify {
            Some(notify) => rcpt.with_notify(notify),
            None => rcpt,
        });
        Ok(Envelope::from_commands(mail, recipients.collect::<Vec<_>>()))
    }

    fn notify(&self) -> Result<Option<Notify>> {
        let conditions = self.notify.iter().map(|name| match name {
            NotifyName::Never => Notify::NEVER,
            NotifyName::Success => Notify::SUCCESS,
            NotifyName::Failure => Notify::FAILURE,
            NotifyName::Delay => Notify::DELAY,
        });
        if self.notify.len() > 1 && self.notify.contains(&NotifyName::Never) {
            return Err(Usage("--notify never: nothing goes with it".into()).into());
        }
        Ok(conditions.reduce(|all, condition| all | condition))
    }

    /// An address with its domain. It is checked here, so that the words name it.
    fn address(&self, option: &str, given: &str) -> Result<String> {
        let address = match &self.domain {
            Some(domain) if !given.contains('@') => format!("{given}@{domain}"),
            None if !given.contains('@') => {
                return Err(
                    Usage(format!("{option} {given}: no domain, neither here nor with --domain")).into()
                );
            }
            _ => given.to_owned(),
        };
        Envelope::new(&address, []).map_err(|error| anyhow!(Usage(format!("{option} {given}: {error}"))))?;
        Ok(address)
    }
}

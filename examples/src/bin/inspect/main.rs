//! Explains captured mail traffic: one JSON object a line for each message.

mod imap;
mod masked;
mod pop3;
mod report;
mod smtp;
mod source;
mod unknown;

use std::{
    collections::BTreeMap,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, ValueEnum};
use mailwire_core::Dialect;

use report::{Report, Summary};
use source::Source;

/// Explains captured SMTP, IMAP or POP3 traffic, one JSON object a line for each message.
///
/// A FILE holds the raw bytes that one side sent (say which with --side), or a transcript whose lines start with `C: ` and
/// `S: `, which shows both sides in context, or what --wire of the other programs has written: transcripts of several connections,
/// with notes of what is spoken, and with passwords and messages left out. Files of any size are read as a stream; `-` is
/// standard input.
///
/// Each object has: file; offset and length of the message in bytes of the file (in a transcript, of the
/// line where it starts and of the message itself); side; kind (FETCH, OK, MAIL, ...); value, the typed
/// value; deviations, what the lenient dialect accepted, each with its name and its offset in the
/// message; raw, what was kept unparsed; error, null or a reason and its offset in the message.
///
/// Of a file of --wire, each object also has connection, its number, and protocol. What was left out there has a stand-in of
/// the same length in what is shown (`x`); the kind is HIDDEN where a message is not known for that, and CUT where its line
/// was too long for the file.
///
/// A command whose literal the server has refused is of the kind REFUSED, and is not read further.
///
/// Without the other side's words some things are guessed: after DATA, AUTH and AUTHENTICATE the
/// client is taken to go on as if the server had agreed. Passwords and SASL data are not shown.
///
/// A summary goes to standard error. The exit status is 1 if any message had an error, and 2 if a file
/// could not be read.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The protocol that is spoken; a file of --wire tells it
    #[arg(long)]
    protocol: Option<Protocol>,
    /// Whose bytes a raw FILE holds; a transcript shows both
    #[arg(long)]
    side: Option<Side>,
    /// How exact reading is
    #[arg(long, default_value = "lenient")]
    dialect: DialectName,
    /// In POP3's raw server side, each +OK has a body that ends in a lone dot
    #[arg(long)]
    multiline: bool,
    /// Captured traffic
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// What is spoken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Debug)]
pub(crate) enum Protocol {
    /// SMTP, submission and LMTP.
    Smtp,
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
}

impl Protocol {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
        }
    }

    /// The protocol of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Smtp, Self::Imap, Self::Pop3].into_iter().find(|protocol| protocol.name() == name)
    }
}

/// Who sent a message.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub(crate) enum Side {
    /// The client.
    Client,
    /// The server.
    Server,
}

#[derive(Clone, Copy, ValueEnum)]
enum DialectName {
    Strict,
    Lenient,
}

/// What knows a protocol: it takes messages off the bytes of each side.
pub(crate) trait Inspector {
    /// The next message that is complete, taken off `input`. What it takes without giving a message
    /// is part of the next one. With `ended`, no more input follows, and what is left is an
    /// incomplete message.
    fn next(&mut self, side: Side, input: &mut bytes::BytesMut, ended: bool) -> Option<report::Finding>;
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut out = BufWriter::new(io::stdout().lock());
    let mut summary = Summary::default();
    for file in &arguments.files {
        if let Err(error) = inspect(&arguments, file, &mut out, &mut summary) {
            if error.kind() == io::ErrorKind::BrokenPipe {
                return ExitCode::SUCCESS;
            }
            eprintln!("inspect: {}: {error}", file.display());
            return ExitCode::from(2);
        }
    }
    if let Err(error) = out.flush() {
        eprintln!("inspect: {error}");
        return ExitCode::from(2);
    }
    eprintln!("{summary}");
    if summary.errors > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn inspect(
    arguments: &Arguments,
    file: &Path,
    out: &mut impl Write,
    summary: &mut Summary,
) -> io::Result<()> {
    let dialect = match arguments.dialect {
        DialectName::Strict => Dialect::Strict,
        DialectName::Lenient => Dialect::Lenient,
    };
    let missing = |what| io::Error::other(format!("{what} is needed: see --help"));
    let mut source = Source::open(file, arguments.side)?.ok_or_else(|| missing("--side"))?;
    let (both, is_log) = (source.has_both_sides(), source.is_log());
    if arguments.protocol.is_none() && !is_log {
        return Err(missing("--protocol"));
    }
    let inspector = |protocol: Option<Protocol>| -> Box<dyn Inspector> {
        match protocol.or(arguments.protocol) {
            Some(Protocol::Smtp) => Box::new(smtp::Smtp::new(dialect, both)),
            Some(Protocol::Imap) => Box::new(imap::Imap::new(dialect, both)),
            Some(Protocol::Pop3) => Box::new(pop3::Pop3::new(dialect, both, arguments.multiline)),
            None => Box::new(unknown::Unknown),
        }
    };
    // Of a log, one for each conversation, from when it is known what is spoken.
    let mut inspectors = BTreeMap::new();
    let mut report = Report::new(file, out, summary);
    while let Some(said) = source.read_more()? {
        let (number, protocol) = said.of.map_or((0, None), |of| (of.connection, of.protocol));
        let inspector = inspectors.entry((number, protocol)).or_insert_with(|| inspector(protocol));
        loop {
            let (input, place) = source.input(said);
            let before = input.len();
            let message = inspector.next(said.side, input, said.ended);
            place.taken(before.saturating_sub(input.len()));
            let Some(message) = message else { break };
            let (offset, length) = place.message();
            let message = if is_log { message.of_log() } else { message };
            report.write(said, offset, length, message)?;
        }
    }
    Ok(())
}

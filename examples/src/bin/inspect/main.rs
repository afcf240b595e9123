//! Explains captured mail traffic: one JSON object a line for each message.

mod imap;
mod pop3;
mod report;
mod smtp;
mod source;

use std::{
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
/// A FILE holds either the raw bytes that one side sent (say which with --side), or a transcript whose
/// lines start with `C: ` and `S: `, which shows both sides in context. Files of any size are read as
/// a stream; `-` is standard input.
///
/// Each object has: file; offset and length of the message in bytes of the file (in a transcript, of the
/// line where it starts and of the message itself); side; kind (FETCH, OK, MAIL, ...); value, the typed
/// value; deviations, what the lenient dialect accepted, each with its name and its offset in the
/// message; raw, what was kept unparsed; error, null or a reason and its offset in the message.
///
/// Without the other side's words some things are guessed: after DATA, AUTH and AUTHENTICATE the
/// client is taken to go on as if the server had agreed. Passwords and SASL data are not shown.
///
/// A summary goes to standard error. The exit status is 1 if any message had an error, and 2 if a file
/// could not be read.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The protocol that is spoken
    #[arg(long)]
    protocol: Protocol,
    /// Whose bytes a raw FILE holds; a transcript shows both
    #[arg(long, required_unless_present = "help")]
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

#[derive(Clone, Copy, ValueEnum)]
enum Protocol {
    Smtp,
    Imap,
    Pop3,
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
    let mut source = Source::open(file, arguments.side.unwrap_or(Side::Server))?;
    let context = source.is_transcript();
    let mut inspector: Box<dyn Inspector> = match arguments.protocol {
        Protocol::Smtp => Box::new(smtp::Smtp::new(dialect, context)),
        Protocol::Imap => Box::new(imap::Imap::new(dialect, context)),
        Protocol::Pop3 => Box::new(pop3::Pop3::new(dialect, context, arguments.multiline)),
    };
    let mut report = Report::new(file, out, summary);
    while let Some((side, ended)) = source.read_more()? {
        loop {
            let (input, place) = source.input(side);
            let before = input.len();
            let message = inspector.next(side, input, ended);
            place.taken(before.saturating_sub(input.len()));
            let Some(message) = message else { break };
            let (offset, length) = place.message();
            report.write(side, offset, length, message)?;
        }
    }
    Ok(())
}

//! Reads reports about mail.

use std::{fmt::Display, path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Parser;
use mailwire_examples::{EXIT_STATUS, Status, Tally, program, say};
use mailwire_transport::smtp::report::{Limits, Report, ReportError};

/// Reads reports about mail: whether it was delivered, and what became of it then.
///
/// Each FILE is a message. A line is printed for each recipient that a report is about: what was done, who the recipient
/// is, the status, and with `--envelope-id` of `send` the identifier that was given there. Messages that are no reports are
/// passed over.
///
/// Example:
///   reports message.eml
#[derive(Parser)]
#[command(version, verbatim_doc_comment, after_help = EXIT_STATUS)]
struct Arguments {
    /// The messages
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    program(run).await
}

async fn run(arguments: &Arguments, tally: &mut Tally) -> Result<()> {
    for path in &arguments.files {
        let name = path.display();
        let message = match tokio::fs::read(path).await {
            Ok(message) => message,
            Err(error) => {
                tally.failed_as(Status::NoInput, name, error);
                continue;
            }
        };
        match Report::parse(&message.into(), &Limits::default()) {
            Ok(report) => {
                tell(&name, &report)?;
                tally.done();
            }
            Err(ReportError::NotReport) => {}
            Err(error) => tally.failed(name, &error.into()),
        }
    }
    Ok(())
}

fn tell(name: &impl Display, report: &Report) -> std::io::Result<()> {
    match report {
        Report::Delivery(report) => {
            let id = report.envelope_id.as_ref().map(|id| format!(" ({id})")).unwrap_or_default();
            for recipient in &report.recipients {
                let (action, status) = (recipient.action.as_str(), recipient.status);
                let who = recipient.original.as_ref().unwrap_or(&recipient.recipient);
                let said = recipient.diagnostic.as_ref().map(|said| format!(": {}", said.text()));
                let said = said.unwrap_or_default();
                say(format_args!("{name}: {action}: {}: {status}{id}{said}", who.text()))?;
            }
        }
        Report::Disposition(report) => {
            say(format_args!("{name}: {}: {}", report.disposition, report.recipient.text()))?;
        }
        _ => {}
    }
    Ok(())
}

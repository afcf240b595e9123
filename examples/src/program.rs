//! How a program starts, speaks and ends.

use std::{
    env,
    fmt::{self, Display},
    io::{self, IsTerminal, Write as _},
    process::{ExitCode, Termination},
    time::Duration,
};

use anyhow::Result;
use clap::error::ErrorKind;
use indicatif::{ProgressBar, ProgressStyle};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::{Status, Tally, Usage};

/// Runs a program, to its exit status. `run` is given its arguments, and a tally for what it does of several things.
pub async fn program<A: clap::Parser>(run: impl AsyncFnOnce(&A, &mut Tally) -> Result<()>) -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(exit) => return exit,
    };
    let mut tally = Tally::new();
    let result = run(&arguments, &mut tally).await;
    tally.end(result).report()
}

/// Returns the arguments of this program, and starts the traces that RUST_LOG asks for.
///
/// # Errors
///
/// The program is to end with this status: help was asked for and given, or the arguments are wrong, which was
/// told.
pub fn arguments<A: clap::Parser>() -> Result<A, ExitCode> {
    let arguments = A::try_parse().map_err(|error| {
        // Where it cannot be told, the status still is.
        let _ = error.print();
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
            _ => Status::Usage.report(),
        }
    })?;
    trace().map_err(|error| exit_code(Err::<(), _>(error.into())))?;
    Ok(arguments)
}

/// Shows the traces that RUST_LOG asks for on standard error: `debug`, or `mailwire_transport=trace,warn`.
fn trace() -> Result<(), Usage> {
    let wanted = env::var("RUST_LOG").unwrap_or_default();
    if wanted.is_empty() {
        return Ok(());
    }
    let targets: Targets = wanted.parse().map_err(|error| Usage(format!("RUST_LOG={wanted}: {error}")))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false);
    tracing_subscriber::registry().with(lines).with(targets).init();
    Ok(())
}

/// Returns the exit status of a program that came to this. An error is told.
#[must_use]
pub fn exit_code(result: Result<impl Termination>) -> ExitCode {
    match result {
        Ok(result) => result.report(),
        Err(error) => {
            tell(Causes(&error));
            Status::of(&error).report()
        }
    }
}

/// Tells something on standard error, in a line that begins with the program's name.
pub fn tell(what: impl Display) {
    let path = env::args_os().next().unwrap_or_default();
    let name = std::path::Path::new(&path).file_stem().unwrap_or(&path).to_string_lossy();
    // There is nowhere else to tell it.
    let _ = writeln!(io::stderr(), "{name}: {what}");
}

/// Says what was done, in a line on standard output.
///
/// # Errors
///
/// It cannot be written.
pub fn say(what: impl Display) -> io::Result<()> {
    writeln!(io::stdout(), "{what}")
        .map_err(|error| io::Error::new(error.kind(), format!("cannot write to standard output: {error}")))
}

/// An error with its causes in one line. One that its effect's words have already said is left out.
pub(crate) struct Causes<'a>(pub(crate) &'a anyhow::Error);

impl Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        for cause in self.0.chain().skip(1) {
            let cause = cause.to_string();
            if !said.contains(&cause) {
                write!(f, ": {cause}")?;
                said = cause;
            }
        }
        Ok(())
    }
}

/// A progress bar over so many bytes: shown only on a terminal, and only if the work takes a while.
#[must_use]
pub fn progress(bytes: u64, what: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(bytes).with_style(style).with_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let error =
            Err::<(), _>(anyhow::anyhow!("no route")).context("to a.example: no route").context("1.eml");
        assert_eq!(
            error.map_err(|error| Causes(&error).to_string()),
            Err("1.eml: to a.example: no route".into())
        );
        let error = Err::<(), _>(anyhow::anyhow!("no route")).context("it failed");
        assert_eq!(error.map_err(|error| Causes(&error).to_string()), Err("it failed: no route".into()));
    }
}

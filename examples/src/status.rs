//! What a program tells the script that has started it.

use std::{
    fmt::Display,
    io,
    process::{ExitCode, Termination},
};

use mailwire_core::{Misuse, NotOffered};
use mailwire_transport::{Error, pop3::QuitError};

use crate::tell;

/// The exit status of a program. The numbers are those of BSD's `sysexits.h`, where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// All was done.
    Done = 0,
    /// A part was done, or may have been.
    Partly = 1,
    /// The arguments are wrong, and nothing was tried.
    Usage = 64,
    /// A file cannot be read.
    NoInput = 66,
    /// A refusal for good.
    Refused = 69,
    /// A file or the output cannot be written.
    Local = 74,
    /// A failure for now.
    Temporary = 75,
    /// The login was refused.
    Login = 77,
}

/// What `--help` says of it.
pub const EXIT_STATUS: &str = "Exit status:
   0  all was done
   1  a part was done, or may have been; standard error names what was not
  64  the arguments are wrong, and nothing was tried
  66  a file cannot be read
  69  refused for good, or the server cannot be understood or trusted
  74  a file or the output cannot be written: the disk is full, perhaps
  75  a failure for now: the same may succeed later
  77  the login was refused

RUST_LOG=debug shows on standard error what is going on, without passwords and messages.";

impl Status {
    /// Returns what an error means for the program that ends with it, or for one thing of several that it was
    /// to do.
    #[must_use]
    pub fn of(error: &anyhow::Error) -> Self {
        let known = error.chain().find_map(|cause| {
            if let Some(error) = cause.downcast_ref::<Error>() {
                return Some(Self::of_transport(error));
            }
            if let Some(error) = cause.downcast_ref::<QuitError>() {
                return Some(Self::of_transport(&error.error));
            }
            if let Some(error) = cause.downcast_ref::<io::Error>() {
                let missing = error.kind() == io::ErrorKind::NotFound;
                return Some(if missing { Self::NoInput } else { Self::Local });
            }
            if cause.is::<Later>() {
                return Some(Self::Temporary);
            }
            (cause.is::<Usage>() || cause.is::<mailwire_core::Invalid>()).then_some(Self::Usage)
        });
        known.unwrap_or(Self::Refused)
    }

    fn of_transport(error: &Error) -> Self {
        match error {
            Error::Invalid(_) => Self::Usage,
            error if error.is_transient() => Self::Temporary,
            Error::Sasl(_) | Error::Misuse(Misuse::NotOffered(NotOffered::Mechanism)) => Self::Login,
            Error::Refused(refused)
                if ["AUTH", "AUTHENTICATE", "LOGIN", "APOP", "USER", "PASS"].contains(&refused.command) =>
            {
                Self::Login
            }
            _ => Self::Refused,
        }
    }
}

impl Termination for Status {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

/// The arguments do not fit: the program ends before it has tried anything.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// It does not go on now, and may do so later.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Later(pub &'static str);

/// What a program has done of the many things that it was to do. What it has not is told on standard error when
/// it fails, and the exit status comes of both.
#[derive(Debug, Default)]
pub struct Tally {
    done: u64,
    unsure: bool,
    failure: Option<Status>,
}

impl Tally {
    /// A tally of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One thing is done, for certain.
    pub const fn done(&mut self) {
        self.done = self.done.saturating_add(1);
    }

    /// `what` is not done.
    pub fn failed(&mut self, what: impl Display, error: &anyhow::Error) {
        self.failed_as(Status::of(error), what, crate::program::Causes(error));
    }

    /// `what` is not done, and the reason is of this kind. Of several kinds the first one counts; but as long as
    /// something may succeed later, it is worth to try again.
    pub fn failed_as(&mut self, kind: Status, what: impl Display, why: impl Display) {
        self.note(kind, format_args!("{what}: {why}"));
    }

    fn note(&mut self, kind: Status, why: impl Display) {
        tell(why);
        if self.failure.is_none() || kind == Status::Temporary {
            self.failure = Some(kind);
        }
    }

    /// `what` may be done or not: to try again may do it twice.
    pub fn unsure(&mut self, what: impl Display, error: &anyhow::Error) {
        self.unsure = true;
        self.failed(what, error);
    }

    /// So many more things were not tried, for the reason that was told last.
    pub fn not_tried(&mut self, count: usize) {
        if count > 0 {
            let kind = self.failure.unwrap_or(Status::Temporary);
            self.note(kind, format_args!("{count} more not tried"));
        }
    }

    /// Returns the exit status, at the end. An error is why it has come before all was tried.
    #[must_use]
    pub fn end(mut self, result: anyhow::Result<()>) -> Status {
        if let Err(error) = result {
            self.note(Status::of(&error), crate::program::Causes(&error));
        }
        self.status()
    }

    /// Returns the exit status as it is now.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self.failure {
            None => Status::Done,
            Some(_) if self.done > 0 || self.unsure => Status::Partly,
            Some(failure) => failure,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(failures: &[Status], done: bool) -> Status {
        let mut tally = Tally::new();
        for &failure in failures {
            tally.failed_as(failure, "it", "a test");
        }
        if done {
            tally.done();
        }
        tally.status()
    }

    #[test]
    fn a_part_is_told_from_nothing_and_from_all() {
        use Status::{Done, Local, Partly, Refused, Temporary};
        assert_eq!(of(&[], false), Done);
        assert_eq!(of(&[], true), Done);
        assert_eq!(of(&[Refused], true), Partly);
        assert_eq!(of(&[Refused, Local], false), Refused);
        assert_eq!(of(&[Refused, Temporary, Local], false), Temporary);
    }

    #[test]
    fn what_may_have_been_done_counts_as_a_part() {
        let mut tally = Tally::new();
        tally.unsure("it", &Error::Closed.into());
        assert_eq!(tally.status(), Status::Partly);
    }

    #[test]
    fn an_error_tells_whose_fault_it_is() {
        let of = |error: anyhow::Error| Status::of(&error.context("while it did something"));
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(of(full.into()), Status::Local);
        assert_eq!(of(io::Error::from(io::ErrorKind::NotFound).into()), Status::NoInput);
        // The network's, not the disk's.
        assert_eq!(of(Error::Io(io::ErrorKind::ConnectionReset.into()).into()), Status::Temporary);
        assert_eq!(of(Usage("no".into()).into()), Status::Usage);
        assert_eq!(of(anyhow::anyhow!("something else")), Status::Refused);
    }
}

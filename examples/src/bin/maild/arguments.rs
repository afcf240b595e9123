//! How the program is called.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use mailwire_examples::{EXIT_STATUS, server::Listen};

use crate::config::StoreAt;

/// A mail server: SMTP in, submission with a queue out, LMTP, IMAP and POP3, over a file or a PostgreSQL database.
///
/// With --store alone it works from nothing: it makes the file, a certificate beside it and a first user, whose password it
/// prints, and listens on this machine, at ports that anybody may have. What else it is to be is in a file in TOML:
/// examples/maild/maild.toml has all of it, with comments.
///
/// Each place where it listens is printed, with its protocol, once it does. It ends on SIGINT and SIGTERM, after its clients
/// have been told and what is being delivered has had its time. On SIGHUP the certificates are read again.
///
/// A socket that systemd has opened is named systemd:NAME in the place of an address, by its FileDescriptorName. Started by
/// systemd as Type=notify, it says when it is ready.
///
/// Example:
///   maild --store sqlite:mail.db
#[derive(Parser)]
#[command(version, verbatim_doc_comment, after_help = EXIT_STATUS)]
pub(crate) struct Arguments {
    /// The configuration
    #[arg(long, value_name = "FILE", global = true, env = "MAILD_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Where users and mail are kept, in place of what the configuration says: sqlite:FILE, or a PostgreSQL database as
    /// postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "STORE", global = true)]
    pub(crate) store: Option<StoreAt>,
    /// A protocol and where to listen, in place of all that the configuration says; may be given several times
    #[arg(long, value_name = "PROTOCOL=ADDRESS", global = true)]
    pub(crate) listen: Vec<Listen>,
    /// Where /health and /metrics are told, in place of what the configuration says
    #[cfg(feature = "http")]
    #[arg(long, value_name = "ADDRESS", global = true)]
    pub(crate) http: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve, as without a command
    Run,
    /// Say what is wrong with the configuration, and do nothing
    CheckConfig,
    /// The users; a password is read from MAILWIRE_PASSWORD, or a line of standard input
    #[command(subcommand)]
    User(UserCommand),
    /// What is on its way out
    #[command(subcommand)]
    Queue(QueueCommand),
}

#[derive(Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user: anna, for anna at each of the domains, or anna@example.org
    Add {
        /// The name
        name: String,
    },
    /// Give a user another password
    Passwd {
        /// The name
        name: String,
    },
    /// Tell all names
    List,
}

#[derive(Subcommand)]
pub(crate) enum QueueCommand {
    /// Tell what waits: number, size, when it came, from whom; then each recipient, and why it was not delivered
    List,
    /// Try all that waits now, or one message
    Flush {
        /// The message
        number: Option<u64>,
    },
    /// Remove a message, without telling anybody
    Remove {
        /// The message
        number: u64,
    },
}

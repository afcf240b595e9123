//! What commands are called in errors.

use mailwire_imap::command::Command;

pub(super) const fn static_name(command: &Command) -> &'static str {
    match command {
        Command::Capability => "CAPABILITY",
        Command::Noop => "NOOP",
        Command::Logout => "LOGOUT",
        Command::StartTls => "STARTTLS",
        Command::Authenticate(_) => "AUTHENTICATE",
        Command::Login(_) => "LOGIN",
        Command::Enable(_) => "ENABLE",
        Command::Select(_) => "SELECT",
        Command::Examine(_) => "EXAMINE",
        Command::Create(_) => "CREATE",
        Command::Delete(_) => "DELETE",
        Command::Rename { .. } => "RENAME",
        Command::Subscribe(_) => "SUBSCRIBE",
        Command::Unsubscribe(_) => "UNSUBSCRIBE",
        Command::List(_) => "LIST",
        Command::Lsub { .. } => "LSUB",
        Command::Namespace => "NAMESPACE",
        Command::Status { .. } => "STATUS",
        Command::Append(_) => "APPEND",
        Command::Idle => "IDLE",
        Command::Check => "CHECK",
        Command::Close => "CLOSE",
        Command::Unselect => "UNSELECT",
        Command::Expunge | Command::UidExpunge(_) => "EXPUNGE",
        Command::Search(_) => "SEARCH",
        Command::Fetch(_) => "FETCH",
        Command::Store(_) => "STORE",
        Command::Copy(_) => "COPY",
        Command::Move(_) => "MOVE",
        Command::Id(_) => "ID",
        _ => "the command",
    }
}

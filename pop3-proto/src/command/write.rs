//! Writing commands.

use alloc::vec::Vec;

use mailwire_core::{private::write_number, sasl};

use super::Command;

impl Command {
    /// Appends the command with its line end. Nothing is allocated but the room in `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::User(name) => put(out, b"USER ", name.as_bytes()),
            Self::Pass(password) => put(out, b"PASS ", password.expose()),
            Self::Apop { name, digest } => {
                put(out, b"APOP ", name.as_bytes());
                out.push(b' ');
                digest.write(out);
            }
            Self::Auth { mechanism, initial } => {
                put(out, b"AUTH ", mechanism.as_bytes());
                if let Some(initial) = initial {
                    out.push(b' ');
                    sasl::encode_initial(initial.expose(), out);
                }
            }
            Self::AuthList => out.extend_from_slice(b"AUTH"),
            Self::Stls => out.extend_from_slice(b"STLS"),
            Self::Capa => out.extend_from_slice(b"CAPA"),
            Self::Utf8 => out.extend_from_slice(b"UTF8"),
            Self::Lang(None) => out.extend_from_slice(b"LANG"),
            Self::Lang(Some(range)) => put(out, b"LANG ", range.as_bytes()),
            Self::Xclient(client) => client.write(out),
            Self::Stat => out.extend_from_slice(b"STAT"),
            Self::List(None) => out.extend_from_slice(b"LIST"),
            Self::List(Some(message)) => number(out, b"LIST ", message.get().into()),
            Self::Uidl(None) => out.extend_from_slice(b"UIDL"),
            Self::Uidl(Some(message)) => number(out, b"UIDL ", message.get().into()),
            Self::Retr(message) => number(out, b"RETR ", message.get().into()),
            Self::Top { number: message, lines } => {
                number(out, b"TOP ", message.get().into());
                number(out, b" ", *lines);
            }
            Self::Dele(message) => number(out, b"DELE ", message.get().into()),
            Self::Rset => out.extend_from_slice(b"RSET"),
            Self::Noop => out.extend_from_slice(b"NOOP"),
            Self::Quit => out.extend_from_slice(b"QUIT"),
            Self::Other { keyword, arguments } => {
                out.extend_from_slice(keyword.as_bytes());
                if let Some(arguments) = arguments {
                    put(out, b" ", arguments.as_bytes());
                }
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

fn put(out: &mut Vec<u8>, before: &[u8], text: &[u8]) {
    out.extend_from_slice(before);
    out.extend_from_slice(text);
}

fn number(out: &mut Vec<u8>, before: &[u8], number: u64) {
    out.extend_from_slice(before);
    write_number(out, number);
}

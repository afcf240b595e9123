//! Writing commands.

use alloc::vec::Vec;

use mailwire_core::{private::write_number, sasl};

use super::{Auth, Command, Mail, Rcpt};

impl Command {
    /// Appends the command with its line end.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Mail(mail) => write_mail(mail, out),
            Self::Rcpt(rcpt) => write_rcpt(rcpt, out),
            Self::Ehlo(name) => with_argument(out, *b"EHLO ", name.as_bytes()),
            Self::Helo(name) => with_argument(out, *b"HELO ", name.as_bytes()),
            Self::Lhlo(name) => with_argument(out, *b"LHLO ", name.as_bytes()),
            Self::Data => out.extend_from_slice(b"DATA"),
            Self::Bdat { size, last } => write_bdat(*size, *last, out),
            Self::Burl(burl) => {
                out.extend_from_slice(b"BURL ");
                burl.write(out);
            }
            Self::Rset => out.extend_from_slice(b"RSET"),
            Self::Quit => out.extend_from_slice(b"QUIT"),
            Self::StartTls => out.extend_from_slice(b"STARTTLS"),
            Self::Noop(None) => out.extend_from_slice(b"NOOP"),
            Self::Help(None) => out.extend_from_slice(b"HELP"),
            Self::Noop(Some(argument)) => with_argument(out, *b"NOOP ", argument.as_bytes()),
            Self::Help(Some(argument)) => with_argument(out, *b"HELP ", argument.as_bytes()),
            Self::Vrfy(query) => {
                out.extend_from_slice(b"VRFY ");
                query.write(out);
            }
            Self::Expn(query) => {
                out.extend_from_slice(b"EXPN ");
                query.write(out);
            }
            Self::Atrn(domains) => {
                out.extend_from_slice(b"ATRN");
                for (at, domain) in domains.iter().enumerate() {
                    out.push(if at == 0 { b' ' } else { b',' });
                    out.extend_from_slice(domain.as_bytes());
                }
            }
            Self::ClientId(id) => {
                out.extend_from_slice(b"CLIENTID ");
                id.write(out);
            }
            Self::Etrn(node) => {
                out.extend_from_slice(b"ETRN ");
                node.write(out);
            }
            Self::Onex => out.extend_from_slice(b"ONEX"),
            Self::Verb => out.extend_from_slice(b"VERB"),
            Self::Xclient(attributes) => {
                out.extend_from_slice(b"XCLIENT");
                attributes.write(out);
            }
            Self::Xforward(attributes) => {
                out.extend_from_slice(b"XFORWARD");
                attributes.write(out);
            }
            Self::Auth(auth) => write_auth(auth, out),
            Self::Other { verb, argument } => {
                out.extend_from_slice(verb.as_bytes());
                if let Some(argument) = argument {
                    out.push(b' ');
                    out.extend_from_slice(argument.as_bytes());
                }
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends a verb with its space, whose length is known, and an argument.
fn with_argument(out: &mut Vec<u8>, verb: [u8; 5], argument: &[u8]) {
    out.extend_from_slice(&verb);
    out.extend_from_slice(argument);
}

fn write_auth(auth: &Auth, out: &mut Vec<u8>) {
    with_argument(out, *b"AUTH ", auth.mechanism.as_bytes());
    if let Some(initial) = &auth.initial {
        out.push(b' ');
        sasl::encode_initial(initial.expose(), out);
    }
}

fn write_bdat(size: u64, last: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(b"BDAT ");
    write_number(out, size);
    if last {
        out.extend_from_slice(b" LAST");
    }
}

fn write_mail(mail: &Mail, out: &mut Vec<u8>) {
    out.extend_from_slice(b"MAIL FROM:");
    mail.from.write(out);
    if let Some(size) = mail.size {
        out.extend_from_slice(b" SIZE=");
        write_number(out, size);
    }
    if let Some(body) = mail.body {
        out.extend_from_slice(b" BODY=");
        out.extend_from_slice(body.as_str().as_bytes());
    }
    if mail.smtp_utf8 {
        out.extend_from_slice(b" SMTPUTF8");
    }
    if let Some(auth) = &mail.auth {
        out.extend_from_slice(b" AUTH=");
        auth.write(out);
    }
    if let Some(parameters) = mail.rare.get() {
        parameters.write(out);
    }
}

fn write_rcpt(rcpt: &Rcpt, out: &mut Vec<u8>) {
    out.extend_from_slice(b"RCPT TO:");
    rcpt.to.write(out);
    if let Some(parameters) = rcpt.rare.get() {
        parameters.write(out);
    }
}

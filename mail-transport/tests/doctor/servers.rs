//! Servers that do as they are told.

use std::sync::{Arc, Mutex};

use mailwire_transport::{Stream, tls::ServerTls};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

use crate::world::Net;

/// What is said to a line (the greeting, to an empty one) in place of what would be; an empty text ends the connection. Whether
/// TLS is there is known.
pub type Say = Arc<dyn Fn(&str, bool) -> Option<String> + Send + Sync>;

/// The messages of anna, and whether those that are sent come there.
pub type Mailbox = Arc<Mutex<Vec<String>>>;

#[derive(Clone, Copy, PartialEq)]
pub enum Speaks {
    Smtp,
    Submission,
    Imap,
    Pop3,
}

pub fn normally(_: &str, _: bool) -> Option<String> {
    None
}

impl Net {
    /// All servers of the domain, with this certificate.
    pub async fn all_with(&mut self, tls: &ServerTls) {
        self.implicit(993, Speaks::Imap, tls.clone(), normally).await;
        self.implicit(465, Speaks::Submission, tls.clone(), normally).await;
        self.clear(25, Speaks::Smtp, Some(tls.clone()), normally).await;
    }

    /// All is well.
    pub async fn good() -> Self {
        let mut net = Self::new();
        let tls = net.authority.good();
        net.all_with(&tls).await;
        net
    }

    pub async fn implicit(
        &mut self,
        port: u16,
        speaks: Speaks,
        tls: ServerTls,
        say: impl Fn(&str, bool) -> Option<String> + Send + Sync + 'static,
    ) -> u16 {
        let listener = Self::listener().await;
        let real = self.at(port, &listener);
        let (say, mailbox): (Say, _) = (Arc::new(say), self.mailbox.clone());
        tokio::spawn(async move {
            loop {
                let stream: Stream = listener.accept().await.unwrap().0.into();
                let (tls, say, mailbox) = (tls.clone(), say.clone(), mailbox.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, speaks, None, say, mailbox).await;
                    }
                });
            }
        });
        real
    }

    pub async fn clear(
        &mut self,
        port: u16,
        speaks: Speaks,
        tls: Option<ServerTls>,
        say: impl Fn(&str, bool) -> Option<String> + Send + Sync + 'static,
    ) {
        let listener = Self::listener().await;
        self.at(port, &listener);
        let (say, mailbox): (Say, _) = (Arc::new(say), self.mailbox.clone());
        tokio::spawn(async move {
            loop {
                let stream: Stream = listener.accept().await.unwrap().0.into();
                tokio::spawn(serve(stream, speaks, tls.clone(), say.clone(), mailbox.clone()));
            }
        });
    }

    /// A server that knows nothing newer than this version: its answer to each hello.
    pub async fn old(&mut self, port: u16, version: u8) {
        let listener = Self::listener().await;
        self.at(port, &listener);
        tokio::spawn(async move {
            loop {
                let mut stream = listener.accept().await.unwrap().0;
                let mut hello = vec![2, 0, 0, 38, 3, version];
                hello.extend([7; 32]);
                hello.extend([0, 0, 0x2f, 0]);
                let mut record = vec![22, 3, version, 0, 42];
                record.extend(hello);
                let mut header = [0; 5];
                let _ = stream.read_exact(&mut header).await;
                let _ = stream.write_all(&record).await;
                // The rest is read, so that the end is not a reset.
                tokio::spawn(async move { while stream.read_u8().await.is_ok() {} });
            }
        });
    }
}

async fn serve(stream: Stream, speaks: Speaks, tls: Option<ServerTls>, say: Say, mailbox: Mailbox) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    loop {
        let is_tls = stream.get_ref().is_tls();
        let (tag, rest) = match speaks {
            Speaks::Imap => line.split_once(' ').unwrap_or(("*", "")),
            _ => ("", line.as_str()),
        };
        let usual = || {
            of_mailbox(speaks, rest, &mailbox.lock().unwrap())
                .unwrap_or_else(|| usual(speaks, rest, is_tls, tls.is_some()))
        };
        let said = say(rest, is_tls).unwrap_or_else(usual).replace('~', tag);
        if said.is_empty() || stream.write_all(format!("{said}\r\n").as_bytes()).await.is_err() {
            return;
        }
        let _ = stream.flush().await;
        if matches!(rest, "STARTTLS" | "STLS") && !said.contains("NO") && !said.starts_with('4') {
            let Some(tls) = tls.clone() else { return };
            let Ok(protected) = tls.accept(stream.into_inner()).await else { return };
            stream = BufReader::new(protected);
        }
        line.clear();
        if said.starts_with("354") {
            let mut message = String::new();
            while stream.read_line(&mut message).await.is_ok_and(|length| length > 0)
                && !format!("\r\n{message}").ends_with("\r\n.\r\n")
            {}
            // Nothing comes from a client that was told of no recipient.
            if message.len() > 3 {
                mailbox.lock().unwrap().push(message);
            }
            ".".clone_into(&mut line);
            continue;
        }
        if said.starts_with("+ idling") {
            // `DONE` ends it.
            let mut done = String::new();
            let _ = stream.read_line(&mut done).await;
            let _ = stream.write_all(format!("{} OK\r\n", said.rsplit(' ').next().unwrap()).as_bytes()).await;
        }
        if !stream.read_line(&mut line).await.is_ok_and(|length| length > 0) {
            return;
        }
        line.truncate(line.trim_end().len());
    }
}

/// What is said of the messages that are there.
fn of_mailbox(speaks: Speaks, line: &str, messages: &[String]) -> Option<String> {
    let last = messages.last();
    let header = last.and_then(|message| message.split("\r\n\r\n").next()).unwrap_or_default();
    let id = line.split(' ').next_back().unwrap_or_default().trim_matches(['"', '<', '>']);
    let is_in = |text: &str| !id.is_empty() && text.contains(id);
    let is_report = header.contains("Subject: Undelivered");
    let found = |is: bool| format!("* SEARCH{}\r\n~ OK", if is { " 1" } else { "" });
    let verb: String = line.split(' ').take(3).collect::<Vec<_>>().join(" ").to_ascii_uppercase();
    Some(match speaks {
        Speaks::Imap if verb.starts_with("EXAMINE") => {
            format!("* {} EXISTS\r\n~ OK [READ-ONLY]", messages.len())
        }
        Speaks::Imap if verb == "UID SEARCH HEADER" => found(is_in(header) && !is_report),
        Speaks::Imap if verb == "UID SEARCH TEXT" => found(last.is_some_and(|last| is_report && is_in(last))),
        Speaks::Imap if verb.starts_with("UID FETCH") => {
            let (section, text) = match line.contains("HEADER") {
                true => ("HEADER", format!("{header}\r\n\r\n")),
                false => ("", last.cloned().unwrap_or_default()),
            };
            format!("* 1 FETCH (UID 1 BODY[{section}] {{{}}}\r\n{text})\r\n~ OK", text.len())
        }
        Speaks::Pop3 if verb == "LIST" => {
            let listed: String = messages
                .iter()
                .zip(1..)
                .map(|(message, number)| format!("{number} {}\r\n", message.len()))
                .collect();
            format!("+OK\r\n{listed}.")
        }
        Speaks::Pop3 if verb.starts_with("TOP") => format!("+OK\r\n{header}\r\n\r\n."),
        Speaks::Pop3 if verb.starts_with("RETR") => format!("+OK\r\n{}\r\n.", last?),
        _ => return None,
    })
}

fn usual(speaks: Speaks, line: &str, is_tls: bool, has_tls: bool) -> String {
    let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
    let offers_tls = has_tls && !is_tls;
    let text = match (speaks, verb.as_str()) {
        (Speaks::Smtp | Speaks::Submission, "") => "220 mail.example.org ESMTP",
        (Speaks::Smtp | Speaks::Submission, "EHLO") => {
            let tls = if offers_tls { "250-STARTTLS\r\n" } else { "" };
            let auth = if is_tls && speaks == Speaks::Submission { "250-AUTH PLAIN\r\n" } else { "" };
            return format!(
                "250-mail.example.org\r\n{tls}{auth}250-SIZE 1000000\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8"
            );
        }
        (Speaks::Smtp | Speaks::Submission, "STARTTLS") => "220 go",
        (Speaks::Smtp | Speaks::Submission, "QUIT") => "221 bye",
        (Speaks::Submission, "AUTH") => "235 in",
        (Speaks::Submission, "MAIL" | "RCPT" | ".") => "250 ok",
        (Speaks::Submission, "DATA") => "354 go",
        (Speaks::Smtp | Speaks::Submission, _) => "500 what",
        (Speaks::Imap, "") => "* OK hi",
        (Speaks::Imap, "CAPABILITY") if is_tls => {
            "* CAPABILITY IMAP4rev1 IDLE SASL-IR AUTH=PLAIN\r\n~ OK done"
        }
        (Speaks::Imap, "CAPABILITY") if offers_tls => {
            "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n~ OK done"
        }
        (Speaks::Imap, "CAPABILITY") => "* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n~ OK done",
        (Speaks::Imap, "STARTTLS") => "~ OK go",
        (Speaks::Imap, "AUTHENTICATE" | "NOOP") => "~ OK done",
        (Speaks::Imap, "IDLE") => "+ idling ~",
        (Speaks::Imap, "LOGOUT") => "* BYE\r\n~ OK bye",
        (Speaks::Imap, _) => "~ BAD what",
        (Speaks::Pop3, "") => "+OK hi",
        (Speaks::Pop3, "CAPA") if is_tls => "+OK\r\nTOP\r\nUIDL\r\nUSER\r\n.",
        (Speaks::Pop3, "CAPA") if offers_tls => "+OK\r\nTOP\r\nUIDL\r\nSTLS\r\n.",
        (Speaks::Pop3, "CAPA") => "+OK\r\nTOP\r\nUIDL\r\n.",
        (Speaks::Pop3, "STLS" | "QUIT" | "USER" | "PASS") => "+OK",
        (Speaks::Pop3, _) => "-ERR what",
    };
    text.to_owned()
}

/// Listens at a port whose queue of connections is full, so that attempts to connect are dropped, as by a firewall.
pub async fn full() -> (u16, Vec<tokio::task::JoinHandle<std::io::Result<tokio::net::TcpStream>>>, TcpListener)
{
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let waiting = (0..8).map(|_| tokio::spawn(tokio::net::TcpStream::connect(address))).collect();
    tokio::task::yield_now().await;
    (address.port(), waiting, listener)
}

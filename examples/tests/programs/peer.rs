//! Servers that follow a script.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// What a server does upon a line of the client.
pub(crate) enum Answer {
    /// Says this. `TAG` is the tag of the client's line.
    Say(String),
    /// Says this, and ends the connection.
    Last(String),
    /// What such servers do.
    Usual,
}

pub(crate) fn say(text: impl Into<String>) -> Answer {
    Answer::Say(text.into())
}

pub(crate) fn last(text: impl Into<String>) -> Answer {
    Answer::Last(text.into())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Imap,
    Pop3,
    Smtp,
}

/// A server that runs for as long as the test.
pub(crate) struct Peer {
    pub(crate) port: u16,
    said: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// An IMAP server whose mailbox has the messages of UIDs 7, 8 and 9. `answer` is asked first, with the number of
    /// the connection, from 1 on, and the client's line.
    pub(crate) fn imap(answer: impl FnMut(usize, &str) -> Answer + Send + 'static) -> Self {
        Self::start(Protocol::Imap, answer)
    }

    /// A POP3 server with the messages 1 and 2, whose unique ids are `aaa` and `bbb`.
    pub(crate) fn pop3(answer: impl FnMut(usize, &str) -> Answer + Send + 'static) -> Self {
        Self::start(Protocol::Pop3, answer)
    }

    /// An SMTP or LMTP server that takes all. The line `.` ends a message, whose own lines are not asked about.
    pub(crate) fn smtp(answer: impl FnMut(usize, &str) -> Answer + Send + 'static) -> Self {
        Self::start(Protocol::Smtp, answer)
    }

    fn start(protocol: Protocol, mut answer: impl FnMut(usize, &str) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let said = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&said);
        thread::spawn(move || {
            for (index, stream) in listener.incoming().enumerate() {
                // How the client leaves is its own affair.
                let _ = serve(protocol, stream.unwrap(), index + 1, &mut answer, &log);
            }
        });
        Self { port, said }
    }

    /// The lines of all clients, without messages.
    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// How many of the lines have this in them.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.said().iter().filter(|line| line.contains(what)).count()
    }
}

fn serve(
    protocol: Protocol,
    mut stream: TcpStream,
    connection: usize,
    answer: &mut impl FnMut(usize, &str) -> Answer,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    stream.write_all(match protocol {
        Protocol::Imap => b"* OK hello\r\n",
        Protocol::Pop3 => b"+OK hello\r\n",
        Protocol::Smtp => b"220 mx.example.net\r\n",
    })?;
    let mut in_message = false;
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        if in_message && line != "." {
            continue;
        }
        log.lock().unwrap().push(line.to_owned());
        let (text, ends) = match answer(connection, line) {
            Answer::Say(text) => (text, false),
            Answer::Last(text) => (text, true),
            Answer::Usual => usual(protocol, line),
        };
        let tag = line.split(' ').next().unwrap_or_default();
        stream.write_all(text.replace("TAG", tag).as_bytes())?;
        if ends {
            return Ok(());
        }
        in_message = text.starts_with("354");
        if let Some(length) = text.strip_prefix("+ ").and_then(|_| line.rsplit_once('{')) {
            let length = length.1.trim_end_matches('}').parse().unwrap();
            let mut literal = vec![0; length];
            reader.read_exact(&mut literal)?;
            // The command's own end.
            reader.read_line(&mut String::new())?;
            stream.write_all(format!("{tag} OK [APPENDUID 1 12] stored\r\n").as_bytes())?;
        }
    }
}

fn usual(protocol: Protocol, line: &str) -> (String, bool) {
    let text = match protocol {
        Protocol::Imap => imap(line),
        Protocol::Pop3 => pop3(line),
        Protocol::Smtp => smtp(line),
    };
    let ends = line.contains("LOGOUT") || line == "QUIT";
    (text, ends)
}

/// The message of this UID, or number.
pub(crate) fn message(number: &str) -> String {
    format!("Subject: message {number}\r\n\r\nhi\r\n")
}

fn imap(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let data = match words[1] {
        "CAPABILITY" => "* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\n".to_owned(),
        "SELECT" | "EXAMINE" => "* 3 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 1] x\r\n".to_owned(),
        "LOGOUT" => "* BYE\r\n".to_owned(),
        "APPEND" => return "+ go on\r\n".to_owned(),
        "UID" if words[2] == "SEARCH" => "* SEARCH 7 8 9\r\n".to_owned(),
        "UID" if line.contains("BODY.PEEK[]") => {
            let message = message(words[3]);
            format!("* 1 FETCH (UID {} BODY[] {{{}}}\r\n{message})\r\n", words[3], message.len())
        }
        "UID" => (7..=9)
            .map(|uid| {
                format!(
                    "* {} FETCH (UID {uid} FLAGS () RFC822.SIZE 20 ENVELOPE (NIL \"number {uid}\" NIL NIL NIL NIL NIL NIL NIL NIL))\r\n",
                    uid - 6
                )
            })
            .collect(),
        _ => String::new(),
    };
    format!("{data}TAG OK done\r\n")
}

fn pop3(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    match words[0] {
        "CAPA" => "+OK\r\nUSER\r\nUIDL\r\n.\r\n".to_owned(),
        "STAT" => "+OK 2 56\r\n".to_owned(),
        "LIST" => "+OK\r\n1 28\r\n2 28\r\n.\r\n".to_owned(),
        "UIDL" => "+OK\r\n1 aaa\r\n2 bbb\r\n.\r\n".to_owned(),
        "RETR" => format!("+OK\r\n{}.\r\n", message(words[1])),
        _ => "+OK\r\n".to_owned(),
    }
}

fn smtp(line: &str) -> String {
    match line.get(..4).unwrap_or(line) {
        "EHLO" | "LHLO" => "250-mx.example.net\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
        "DATA" => "354 go on\r\n",
        "QUIT" => "221 2.0.0 bye\r\n",
        "." => "250 2.0.0 queued as 1\r\n",
        _ => "250 2.0.0 ok\r\n",
    }
    .to_owned()
}

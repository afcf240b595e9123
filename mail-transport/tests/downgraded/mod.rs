//! What becomes of a password where somebody on the way takes the offer of TLS away, refuses it, or speaks in the server's place:
//! it stays here.

use mailwire_transport::{
    Endpoint, Error, Protocol, Result, Security, Stream, imap, pop3, sasl::Credentials, smtp,
    testing::TestCa, tls::ServerTls,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use crate::listen;

const PASSWORD: &str = "correct-horse-7";
/// `\0anna\0correct-horse-7`
const PLAIN: &str = "AGFubmEAY29ycmVjdC1ob3JzZS03";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attack {
    /// Nobody is on the way.
    None,
    /// The offer of TLS is taken away.
    Strips,
    /// TLS is offered, and refused when it is asked for.
    Refuses,
    /// More than the answer comes in clear, at once.
    SaysMore,
    /// What comes in place of the server's part of the handshake is the protocol's.
    SaysMoreLater,
    /// A certificate for another name, of an authority that is trusted.
    OtherName,
    /// A certificate for the name, of an authority that is not.
    OtherAuthority,
}

/// What came from the client.
#[derive(Debug, Default)]
struct Heard {
    /// Its lines in clear.
    clear: Vec<String>,
    /// What came after it had asked for TLS, if that is not TLS.
    after: Vec<u8>,
    within_tls: Vec<String>,
}

fn greeting(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Imap => "* OK hello\r\n",
        Protocol::Pop3 => "+OK hello\r\n",
        _ => "220 localhost hello\r\n",
    }
}

/// What the server answers to a line. Whoever wants to log in may do so, in clear, too.
fn answer(protocol: Protocol, line: &str, offers_tls: bool) -> String {
    let (tag, line) = match protocol {
        Protocol::Imap => line.split_once(' ').unwrap_or((line, "")),
        _ => ("", line),
    };
    let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
    let tls = |word: &'static str| if offers_tls { word } else { "" };
    match (protocol, verb.as_str()) {
        (Protocol::Imap, "CAPABILITY") => {
            format!("* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN{}\r\n{tag} OK\r\n", tls(" STARTTLS"))
        }
        (Protocol::Imap, _) => format!("{tag} OK done\r\n"),
        (Protocol::Pop3, "CAPA") => format!("+OK\r\nUSER\r\nSASL PLAIN\r\n{}.\r\n", tls("STLS\r\n")),
        (Protocol::Pop3, "AUTH") if line.split(' ').count() == 2 => "+ \r\n".into(),
        (Protocol::Pop3, _) => "+OK done\r\n".into(),
        (_, "EHLO") => format!("250-localhost\r\n{}250 AUTH PLAIN LOGIN\r\n", tls("250-STARTTLS\r\n")),
        (_, "STARTTLS") => "220 go on\r\n".into(),
        (_, "AUTH") => "235 welcome\r\n".into(),
        _ => "250 done\r\n".into(),
    }
}

fn refusal(protocol: Protocol, line: &str) -> String {
    match protocol {
        Protocol::Imap => format!("{} NO not now\r\n", line.split(' ').next().unwrap_or_default()),
        Protocol::Pop3 => "-ERR not now\r\n".into(),
        _ => "502 5.5.1 not here\r\n".into(),
    }
}

/// One client is served, by whoever it reaches.
async fn serve(socket: TcpStream, protocol: Protocol, attack: Attack, tls: ServerTls) -> Heard {
    let mut heard = Heard::default();
    let mut stream = BufReader::new(Stream::from(socket));
    stream.write_all(greeting(protocol).as_bytes()).await.unwrap();
    let mut line = String::new();
    loop {
        line.clear();
        // Whoever has nothing to fear goes without a word.
        if !stream.read_line(&mut line).await.is_ok_and(|length| length > 0) {
            return heard;
        }
        let text = line.trim_end();
        let is_tls = stream.get_ref().is_tls();
        if is_tls { &mut heard.within_tls } else { &mut heard.clear }.push(text.to_owned());
        let asks_for_tls = !is_tls && (text.ends_with("STARTTLS") || text.ends_with("STLS"));
        let mut said = match (asks_for_tls, attack) {
            (true, Attack::Strips | Attack::Refuses) => refusal(protocol, text),
            _ => answer(protocol, text, !is_tls && attack != Attack::Strips),
        };
        if asks_for_tls && attack == Attack::SaysMore {
            said += greeting(protocol);
        }
        if stream.write_all(said.as_bytes()).await.is_err() {
            return heard;
        }
        stream.flush().await.unwrap();
        match attack {
            _ if !asks_for_tls => {}
            Attack::Strips | Attack::Refuses => {}
            Attack::SaysMore => {
                let _ = stream.read_to_end(&mut heard.after).await;
                return heard;
            }
            Attack::SaysMoreLater => {
                let mut hello = [0; 5];
                stream.read_exact(&mut hello).await.unwrap();
                stream.write_all(greeting(protocol).as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                let _ = stream.read_to_end(&mut heard.after).await;
                return heard;
            }
            Attack::None | Attack::OtherName | Attack::OtherAuthority => {
                let Ok(protected) = tls.accept(stream.into_inner()).await else { return heard };
                stream = BufReader::new(protected);
            }
        }
    }
}

/// Somebody logs in as anna.
async fn log_in(protocol: Protocol, endpoint: Endpoint) -> Result<()> {
    let credentials = Credentials::password("anna", PASSWORD);
    match protocol {
        Protocol::Imap => imap::Client::connect(endpoint, &credentials).await.map(drop),
        Protocol::Pop3 => pop3::Client::connect(endpoint, &credentials).await.map(drop),
        _ => smtp::Client::connect(endpoint, &credentials).await.map(drop),
    }
}

/// What comes of a login, and what was heard on the way.
async fn against(protocol: Protocol, attack: Attack) -> (Result<()>, Heard) {
    let (ca, stranger) = (TestCa::new().unwrap(), TestCa::new().unwrap());
    let tls = match attack {
        Attack::OtherName => ca.server_tls(&["mail.example.org"]),
        Attack::OtherAuthority => stranger.server_tls(&["localhost"]),
        _ => ca.server_tls(&["localhost"]),
    }
    .unwrap();
    let (listener, port) = listen().await;
    let serving =
        tokio::spawn(async move { serve(listener.accept().await.unwrap().0, protocol, attack, tls).await });
    let endpoint = crate::endpoint(port, Security::required_starttls(), ca.client_tls().unwrap());
    let result = log_in(protocol, endpoint).await;
    (result, serving.await.unwrap())
}

const PROTOCOLS: [Protocol; 3] = [Protocol::Submission, Protocol::Imap, Protocol::Pop3];

#[tokio::test]
async fn no_password_leaves_where_tls_is_taken_away() {
    let attacks = [
        Attack::Strips,
        Attack::Refuses,
        Attack::SaysMore,
        Attack::SaysMoreLater,
        Attack::OtherName,
        Attack::OtherAuthority,
    ];
    for protocol in PROTOCOLS {
        for attack in attacks {
            let (result, heard) = against(protocol, attack).await;
            let error = result.unwrap_err();
            let is_tls = matches!(error, Error::Tls(_));
            let is_handshake =
                matches!(attack, Attack::SaysMoreLater | Attack::OtherName | Attack::OtherAuthority);
            assert!(is_tls || !is_handshake, "{protocol:?} {attack:?}: {error:?}");
            // Nothing but what it takes to ask for TLS, and to go.
            let may_be_said = |line: &String| {
                let words = ["EHLO", "STARTTLS", "QUIT", "CAPABILITY", "LOGOUT", "CAPA", "STLS"];
                line.split(' ').take(2).any(|word| words.contains(&word))
            };
            assert!(heard.clear.iter().all(may_be_said), "{protocol:?} {attack:?}: {heard:?}");
            assert_eq!(heard.within_tls, Vec::<String>::new(), "{protocol:?} {attack:?}");
            let all = format!("{:?}{}", heard.clear, String::from_utf8_lossy(&heard.after));
            assert!(!all.contains(PASSWORD) && !all.contains(PLAIN), "{protocol:?} {attack:?}: {all}");
        }
    }
}

/// Otherwise the above would prove nothing.
#[tokio::test]
async fn the_password_is_said_within_tls() {
    for protocol in PROTOCOLS {
        let (result, heard) = against(protocol, Attack::None).await;
        result.unwrap();
        assert!(heard.within_tls.iter().any(|line| line.contains(PLAIN)), "{protocol:?}: {heard:?}");
        assert!(!heard.clear.iter().any(|line| line.contains("AUTH")), "{protocol:?}: {heard:?}");
    }
}

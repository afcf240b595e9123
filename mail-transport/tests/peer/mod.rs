//! Servers that follow a script, for any of the protocols.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

pub mod scripts;

use mailwire_transport::{Endpoint, Result, Security, Stream, Timeouts, imap, pop3, sasl::Credentials, smtp};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// Plays `script` and ends the connection. `S: ` is sent, `C: ` must come, `S+ ` is sent without a line
/// end; `R: ` is read up to the end of a message; `wait` waits for ever. In a client's line, what stands
/// before `~` is its tag, which `~` stands for from then on.
pub async fn play(stream: &mut DuplexStream, script: &str) -> String {
    let mut tag = String::new();
    for step in script.lines().map(str::trim).filter(|step| !step.is_empty()) {
        if let Some(text) = step.strip_prefix("S: ") {
            let text = format!("{}\r\n", text.replace('~', &tag));
            if stream.write_all(text.as_bytes()).await.is_err() {
                return format!("gone before {step}");
            }
        } else if let Some(text) = step.strip_prefix("S+ ") {
            let _ = stream.write_all(text.as_bytes()).await;
        } else if let Some(text) = step.strip_prefix("C:") {
            let text = text.trim_start();
            let Some(line) = line(stream).await else { return format!("gone before {step}") };
            let came = match (text.strip_prefix("~ "), line.split_once(' ')) {
                (Some(_), Some((first, rest))) => {
                    first.clone_into(&mut tag);
                    format!("~ {rest}")
                }
                _ => line,
            };
            if came != text {
                return format!("{came:?} in place of {text:?}");
            }
        } else if step == "R: message" {
            while line(stream).await.is_some_and(|line| line != ".") {}
        } else if step == "wait" {
            std::future::pending::<()>().await;
        } else {
            return format!("not a step: {step}");
        }
    }
    String::new()
}

async fn line(stream: &mut DuplexStream) -> Option<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await.ok()?);
    }
    line.truncate(line.len() - 2);
    String::from_utf8(line).ok()
}

/// Runs `client` over a stream whose other end plays the script.
pub async fn with<T>(script: &str, client: impl AsyncFnOnce(Stream) -> T) -> T {
    let (ours, mut theirs) = tokio::io::duplex(1 << 16);
    let server = async move {
        let wrong = play(&mut theirs, script).await;
        drop(theirs);
        wrong
    };
    let client = client(Stream::other(ours));
    let mut server = std::pin::pin!(server);
    let mut client = std::pin::pin!(client);
    let mut wrong = None;
    let result = loop {
        tokio::select! {
            result = &mut client => break result,
            said = &mut server, if wrong.is_none() => wrong = Some(said),
        }
    };
    if let Some(wrong) = wrong {
        assert_eq!(wrong, "", "in {script}");
    }
    result
}

pub fn endpoint() -> Endpoint {
    let endpoint = Endpoint::tcp("mail.example", 1, Security::plaintext_without_encryption());
    endpoint.with_timeouts(Timeouts::interactive())
}

pub fn ada() -> Credentials {
    Credentials::password("ada", "tanstaaf")
}

/// A client of IMAP that logs in with LOGIN, over a stream.
pub async fn imap(stream: Stream) -> Result<imap::Client> {
    let mut config = imap::Config::login(ada()).with_allow_clear_credentials(true);
    config.mechanism = Some(imap::LoginMechanism::Login);
    imap::Client::over(stream, endpoint(), config).await
}

/// What the server of [`imap`] says until the login is done, and `script`.
pub fn imap_script(script: &str) -> String {
    format!(
        "S: * OK [CAPABILITY IMAP4rev1 IDLE LITERAL- MOVE UIDPLUS] hi
        C: ~ LOGIN ada \"tanstaaf\"
        S: ~ OK [CAPABILITY IMAP4rev1 IDLE MOVE UIDPLUS] in
        {script}"
    )
}

pub async fn smtp(stream: Stream) -> Result<smtp::Client> {
    smtp::Client::over(stream, endpoint(), smtp::Config::anonymous()).await
}

pub fn smtp_script(script: &str) -> String {
    format!(
        "S: 220 mx.example ESMTP
        C: EHLO localhost
        S: 250-mx.example
        S: 250 PIPELINING
        {script}"
    )
}

pub async fn pop3(stream: Stream) -> Result<pop3::Client> {
    let mut config = pop3::Config::login(ada()).with_allow_clear_credentials(true);
    config.mechanism = Some(pop3::LoginMechanism::UserPass);
    pop3::Client::over(stream, endpoint(), config.with_ask_capabilities(false)).await
}

pub fn pop3_script(script: &str) -> String {
    format!(
        "S: +OK hi
        C: USER ada
        S: +OK
        C: PASS tanstaaf
        S: +OK
        {script}"
    )
}

//! The POP3 client against servers that follow a script.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use mailwire_transport::{
    Endpoint, Error, Result, Security, Stream,
    pop3::{Client, Config, Deletions, Download, Keep, LoginMechanism, Seen},
    sasl::{Credentials, Mechanism, SaslError},
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// A server that says its lines: `S: ` is sent, and `S+ ` without a line end; `C: ` must come, and then the end.
async fn play(mut stream: DuplexStream, script: &str) -> String {
    play_on(&mut stream, script).await
}

async fn play_on(stream: &mut DuplexStream, script: &str) -> String {
    let mut wrong = String::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(text) = line.strip_prefix("S:") {
            let text = format!("{}\r\n", text.strip_prefix(' ').unwrap_or(text));
            if stream.write_all(text.as_bytes()).await.is_err() {
                return format!("gone before {line}");
            }
        } else if let Some(text) = line.strip_prefix("S+ ") {
            // Without a line end, as with `\r` at the end of the text.
            if stream.write_all(text.replace("\\r", "\r").as_bytes()).await.is_err() {
                return format!("gone before {line}");
            }
        } else if let Some(text) = line.strip_prefix("C: ") {
            let mut came = Vec::new();
            while !came.ends_with(b"\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => came.push(byte),
                    Err(_) => return format!("gone before {line}"),
                }
            }
            let came = String::from_utf8_lossy(&came);
            if came.trim_end() != text {
                wrong = format!("{came:?} in place of {text:?}");
                break;
            }
        }
    }
    wrong
}

fn ada() -> Config {
    Config::login(Credentials::password("ada", "tanstaaf"))
}

fn clear() -> Config {
    ada().with_allow_clear_credentials(true)
}

async fn against<T>(config: Config, script: &str, calls: impl AsyncFnOnce(Client) -> Result<T>) -> T {
    tried(config, script, calls).await.unwrap()
}

async fn tried<T>(config: Config, script: &str, calls: impl AsyncFnOnce(Client) -> Result<T>) -> Result<T> {
    let (ours, theirs) = tokio::io::duplex(4096);
    let client = async move {
        let endpoint = Endpoint::tcp("test", 110, Security::plaintext_without_encryption());
        let client = Client::over(Stream::other(ours), endpoint, config).await?;
        calls(client).await
    };
    let (result, wrong) = tokio::join!(client, play(theirs, script));
    assert_eq!(wrong, "", "{:?}", result.as_ref().err());
    result
}

const LOGGED_IN: &str = "
    S: +OK ready
    C: CAPA
    S: -ERR what?
    C: USER ada
    S: +OK
    C: PASS tanstaaf
    S: +OK
";

fn then(script: &str) -> String {
    format!("{LOGGED_IN}{script}")
}

#[tokio::test]
async fn an_old_server() {
    let script = then(
        "
        C: STAT
        S: +OK 2 320
        C: LIST
        S: +OK
        S: 1 120
        S: 2 200
        S: .
        C: UIDL
        S: -ERR what?
        C: RETR 1
        S: +OK
        S: Subject: hi
        S:
        S: ..
        S: .
        C: DELE 1
        S: +OK
        C: QUIT
        S: +OK bye
        ",
    );
    against(clear(), &script, async |mut client| {
        assert!(!client.capabilities().is_known());
        let stat = client.stat().await?;
        assert_eq!((stat.messages, stat.octets), (2, Some(320)));
        let list = client.list().await?;
        assert_eq!(list[1].octets, Some(200));
        let error = client.uidl().await.unwrap_err();
        assert_eq!(error.refused().unwrap().to_string(), "the server refused UIDL: -ERR what?");
        assert_eq!(client.retr(1).await?.bytes(100).await?, "Subject: hi\r\n\r\n.\r\n");
        assert!(matches!(client.retr(0).await, Err(Error::Invalid(_))));
        client.dele(1).await?;
        assert_eq!(client.deletions(), Deletions::Marked(1));
        assert_eq!(client.quit().await?, Deletions::Done(1));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn logs_in_the_best_way() {
    const APOP: &str = "C: APOP ada c4c9334bac560ecc979e58001b3e22fb\nS: +OK\n";
    let greeting = "S: +OK <1896.697170952@dbc.mtview.ca.us>\nC: CAPA\n";
    let sasl = format!("{greeting}S: +OK\nS: SASL PLAIN LOGIN\nS: USER\nS: .\n");
    // In clear, what does not show the password comes first, allowed or not.
    let script = format!("{sasl}{APOP}");
    against(clear(), &script, async |_| Ok(())).await;
    against(ada(), &script, async |_| Ok(())).await;
    // APOP is not what it seems.
    let script = format!(
        "{greeting}S: -ERR\nC: APOP ada c4c9334bac560ecc979e58001b3e22fb\nS: -ERR no\nC: USER ada\nS: +OK\nC: PASS tanstaaf\nS: +OK\n"
    );
    against(clear(), &script, async |_| Ok(())).await;
    let script = format!("{greeting}S: -ERR\nC: APOP ada c4c9334bac560ecc979e58001b3e22fb\nS: -ERR no\n");
    let error = tried(ada(), &script, async |_| Ok(())).await.unwrap_err();
    assert_eq!(error.refused().unwrap().command, "APOP");
    // Nothing that is safe.
    for capa in ["S: -ERR\n", "S: +OK\nS: SASL PLAIN\nS: USER\nS: .\n", "S: +OK\nS: USER\nS: .\n"] {
        let script = format!("S: +OK ready\nC: CAPA\n{capa}");
        let error = tried(ada(), &script, async |_| Ok(())).await.unwrap_err();
        assert!(matches!(error, Error::Sasl(SaslError::CredentialsInClear)), "{error:?}");
    }
    // SASL, allowed in clear.
    let script =
        "S: +OK\nC: CAPA\nS: +OK\nS: SASL PLAIN LOGIN\nS: .\nC: AUTH PLAIN AGFkYQB0YW5zdGFhZg==\nS: +OK\n";
    against(clear(), script, async |_| Ok(())).await;
    // By name.
    let script = "S: +OK\nC: CAPA\nS: -ERR\nC: AUTH LOGIN\nS: + VXNlcm5hbWU6\nC: YWRh\nS: +\nC: dGFuc3RhYWY=\nS: +OK\n";
    let mut config = clear();
    config.mechanism = Some(LoginMechanism::Sasl(Mechanism::Login));
    against(config, script, async |_| Ok(())).await;
    // A token cannot be carried by what is there.
    let script = "S: +OK\nC: CAPA\nS: -ERR\n";
    let mut config = clear();
    config.credentials = Credentials::token("ada", "t");
    let error = tried(config, script, async |_| Ok(())).await.unwrap_err();
    assert!(matches!(error, Error::Sasl(SaslError::NoMechanism { .. })), "{error:?}");
}

/// Exchange Online takes no token with AUTH, however short its line may be, and real ones do not fit anyway.
#[tokio::test]
async fn a_token_that_does_not_fit_follows_the_challenge() {
    let token = "t".repeat(1500);
    let message = format!("user=ada\x01auth=Bearer {token}\x01\x01");
    let mut encoded = Vec::new();
    mailwire_core::sasl::encode(message.as_bytes(), &mut encoded);
    let encoded = String::from_utf8(encoded).unwrap();
    let script = format!(
        "S: +OK The Microsoft Exchange POP3 service is ready.\nC: CAPA\nS: +OK\nS: SASL PLAIN XOAUTH2\nS: USER\nS: .\n\
         C: AUTH XOAUTH2\nS: +\nC: {encoded}\nS: +OK User successfully authenticated.\n"
    );
    let config = Config::login(Credentials::token("ada", token)).with_allow_clear_credentials(true);
    against(config, &script, async |_| Ok(())).await;
}

/// Wherever the connection ends within a message, nobody takes what came for the whole.
#[tokio::test]
async fn a_message_without_its_end_is_not_whole() {
    for end in ["S: def\n", "S+ .\n", "S+ .\\r\n", "S+ de\n", ""] {
        let script = then(&format!("C: RETR 1\nS: +OK 100 octets\nS: abc\n{end}"));
        let error = tried(clear(), &script, async |mut client| client.retr(1).await?.bytes(1000).await).await;
        assert!(error.unwrap_err().is_transient(), "{end:?}");
        let mut seen = Seen::new();
        let script = maildrop(&[("a", 100)], &format!("C: RETR 1\nS: +OK\nS: abc\n{end}"));
        let none = Download::new(Keep::Nothing);
        let lost = tried(clear(), &script, async |client| fetch(client, none, &mut seen, day(1)).await).await;
        assert!(lost.is_err() && seen.to_string() == "- 100 a\n", "{end:?}");
    }
    for answer in ["+OK 18446744073709551616 1", "+OK 1 99999999999999999999", "+OK -1 1"] {
        let script = then(&format!("C: STAT\nS: {answer}\n"));
        let stat =
            tried(clear(), &script, async |mut client| client.stat().await.map(|stat| stat.octets)).await;
        assert!(!matches!(stat, Ok(Some(_))), "{answer}: {stat:?}");
    }
}

#[tokio::test]
async fn refusals_are_errors() {
    let error = tried(clear(), "S: -ERR [SYS/TEMP] come back later", async |_| Ok(())).await.unwrap_err();
    assert!(error.is_transient() && error.refused().is_some());

    let script = "S: +OK\nC: CAPA\nS: -ERR\nC: USER ada\nS: +OK\nC: PASS tanstaaf\nS: -ERR [AUTH] no\n";
    let error = tried(clear(), script, async |_| Ok(())).await.unwrap_err();
    let refused = error.refused().unwrap();
    assert_eq!((refused.command, refused.code.as_ref().unwrap().as_str()), ("PASS", Some("AUTH")));
    assert!(!error.is_transient() && !format!("{error:?} {error}").contains("tanstaaf"));

    let script = then("C: DELE 1\nS: +OK\nC: QUIT\nS: -ERR some messages not deleted\n");
    against(clear(), &script, async |mut client| {
        client.dele(1).await?;
        let error = client.quit().await.unwrap_err();
        assert_eq!(error.error.refused().unwrap().text, "some messages not deleted");
        assert_eq!(error.deletions, Deletions::Incomplete(1));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_lost_connection_deletes_nothing() {
    for (script, expected) in
        [("C: DELE 1\nS: +OK\n", Deletions::Lost(1)), ("C: DELE 1\nS: +OK\nC: QUIT\n", Deletions::Unknown)]
    {
        against(clear(), &then(script), async |mut client| {
            client.dele(1).await?;
            // The server may be gone before QUIT is on its way.
            let known = client.quit().await.unwrap_err().deletions;
            assert!(known == expected || known == Deletions::Unknown, "{known:?}");
            Ok(())
        })
        .await;
    }
}

#[tokio::test]
async fn many_at_once() {
    let script = then("C: DELE 1\nS: +OK\nC: DELE 2\nS: -ERR no such\nC: DELE 3\nS: +OK\nC: NOOP\nS: +OK\n");
    against(clear(), &script, async |mut client| {
        let results = client.dele_all([1, 2, 3]).await?;
        let marked: Vec<_> = results.iter().map(|(number, result)| (*number, result.is_ok())).collect();
        assert_eq!(marked, [(1, true), (2, false), (3, true)]);
        client.noop().await
    })
    .await;

    // With PIPELINING, all are there before the first is answered.
    let script = "S: +OK\nC: CAPA\nS: +OK\nS: PIPELINING\nS: .\nC: USER ada\nC: PASS tanstaaf\nS: +OK\nS: +OK\n
        C: CAPA\nC: RETR 1\nC: RETR 2\nC: RETR 3\nS: +OK\nS: PIPELINING\nS: UIDL\nS: .\nS: +OK\nS: one\nS: .\nS: -ERR gone\nS: +OK\nS: .\n
        C: DELE 1\nC: DELE 3\nS: +OK\nS: +OK\n";
    against(clear(), script, async |mut client| {
        let mut messages = client.retr_all(1..=3).await?;
        let (number, body) = messages.next().await?.unwrap();
        assert_eq!((number, body.unwrap().bytes(10).await?.len()), (1, 5));
        let (number, body) = messages.next().await?.unwrap();
        assert_eq!((number, body.unwrap_err().text.as_str()), (2, Some("gone")));
        let (number, body) = messages.next().await?.unwrap();
        assert_eq!((number, body.unwrap().bytes(0).await?.len()), (3, 0));
        assert!(messages.next().await?.is_none());
        assert!(client.capabilities().has_tag("UIDL"));
        assert_eq!(client.dele_all([1, 3]).await?.len(), 2);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_is_not_read_is_thrown_away() {
    let script = then("C: RETR 1\nS: +OK\nS: a\nS: b\nS: .\nC: TOP 1 0\nS: +OK\nS: c\nS: .\nC: NOOP\nS:\n");
    against(clear(), &script, async |mut client| {
        let mut body = client.retr(1).await?;
        assert!(body.chunk().await?.is_some());
        let top = client.top(1, 0).await?;
        let error = top.bytes(2).await.unwrap_err();
        assert!(matches!(
            error,
            Error::Protocol { error: mailwire_core::Error::LimitExceeded { limit: 2, .. }, .. }
        ));
        // An empty line, as one server answers.
        client.noop().await
    })
    .await;
}

#[tokio::test]
async fn one_bad_line_costs_that_line() {
    let script = then(
        "C: LIST\nS: +OK\nS: 1 120\nS: two\nS: 3 -1\nS: .\nC: UIDL\nS: +OK\nS: 1   abc\nS:\nS: .\nC: NOOP\nS: what?\nC: NOOP\nS: +OK\n",
    );
    against(clear(), &script, async |mut client| {
        let list = client.list().await?;
        let list: Vec<_> = list.iter().map(|scan| (scan.number.get(), scan.octets)).collect();
        assert_eq!(list, [(1, Some(120)), (3, None)]);
        assert_eq!(client.uidl().await?.len(), 1);
        // An answer that is none is not taken for a yes, and disturbs nothing.
        let error = client.noop().await.unwrap_err();
        assert!(matches!(error.violation(), Some(mailwire_core::Error::Unexpected { .. })), "{error:?}");
        client.noop().await
    })
    .await;
}

#[tokio::test]
async fn an_answer_about_another_message_is_none() {
    let script = then("C: UIDL 2\nS: +OK 3 abc\nC: LIST 2\nS: +OK 3 100\nC: UIDL 2\nS: +OK 2 abc\n");
    against(clear(), &script, async |mut client| {
        assert!(client.uidl_one(2).await.is_err());
        assert!(client.list_one(2).await.is_err());
        client.uidl_one(2).await
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_not_waited_for_for_ever() {
    for script in ["", "S: +OK\nC: CAPA\n", &then("C: STAT\n"), &then("C: RETR 1\nS: +OK\nS: a\n")] {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let client = async {
            let endpoint = Endpoint::tcp("test", 110, Security::plaintext_without_encryption());
            let mut client = Client::over(Stream::other(ours), endpoint, clear()).await?;
            if script.contains("RETR") {
                client.retr(1).await?.bytes(100).await.map(drop)
            } else {
                client.stat().await.map(drop)
            }
        };
        let silent = async {
            assert_eq!(play_on(&mut theirs, script).await, "");
            std::future::pending::<()>().await;
        };
        let error = tokio::select! {
            result = client => result.unwrap_err(),
            () = silent => unreachable!("it waits for ever"),
        };
        assert!(
            matches!(error, Error::Protocol { error: mailwire_core::Error::TimedOut { .. }, .. }),
            "{error:?}"
        );
        assert!(error.is_transient());
    }
}

#[tokio::test]
async fn challenges_that_are_none_are_answered_with_a_cancel() {
    // A success without a proof of the server.
    let hello = "S: +OK\nC: CAPA\nS: +OK\nS: SASL SCRAM-SHA-256\nS: .\n";
    let mut config = clear();
    config.mechanism = Some(LoginMechanism::Sasl(Mechanism::Plain));
    let plain = "S: +OK\nC: CAPA\nS: -ERR\nC: AUTH PLAIN\nS: +\nC: AGFkYQB0YW5zdGFhZg==\n";
    let script = format!("{plain}S: + bW9yZQ==\nC: *\nS: -ERR cancelled\n");
    let error = tried(config.clone(), &script, async |_| Ok(())).await.unwrap_err();
    assert!(matches!(error, Error::Sasl(SaslError::UnexpectedChallenge)), "{error:?}");
    let script = format!("{plain}S: + not base64!\nC: *\nS: -ERR cancelled\n");
    let error = tried(config, &script, async |_| Ok(())).await.unwrap_err();
    assert!(matches!(error, Error::Sasl(SaslError::Malformed(_))), "{error:?}");
    // What SCRAM sends is random: only the answer is looked at.
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let server = async {
        assert_eq!(play_on(&mut theirs, hello).await, "");
        while theirs.read_u8().await.unwrap() != b'\n' {}
        theirs.write_all(b"+OK you are in\r\n").await.unwrap();
    };
    let endpoint = Endpoint::tcp("test", 110, Security::plaintext_without_encryption());
    let (result, ()) = tokio::join!(Client::over(Stream::other(ours), endpoint, ada()), server);
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Sasl(SaslError::ServerNotVerified)), "{error:?}");
}

fn day(day: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(day * 24 * 3600)
}

/// Downloads and confirms all that can be had. Returns what came.
async fn fetch(client: Client, options: Download, seen: &mut Seen, now: SystemTime) -> Result<Vec<String>> {
    let mut downloads = client.download(options, seen, now).await?;
    let mut came = Vec::new();
    while let Some((message, body)) = downloads.next().await? {
        let number = message.number;
        match body {
            Ok(body) => {
                let text = body.bytes(1000).await?;
                came.push(format!("{number} {}", String::from_utf8_lossy(&text).trim_end()));
                downloads.confirm(&message)?;
                assert!(downloads.confirm(&message).is_err(), "once is enough");
            }
            Err(refused) => {
                came.push(format!("{number} {refused}"));
                assert!(downloads.confirm(&message).is_err());
            }
        }
    }
    downloads.quit().await?;
    Ok(came)
}

/// A maildrop as a script: LIST, UIDL, and what comes after them.
fn maildrop(messages: &[(&str, u32)], rest: &str) -> String {
    let mut script = "C: LIST\nS: +OK\n".to_owned();
    for (index, (_, octets)) in messages.iter().enumerate() {
        script += &format!("S: {} {octets}\n", index + 1);
    }
    script += "S: .\nC: UIDL\nS: +OK\n";
    for (index, (id, _)) in messages.iter().enumerate() {
        script += &format!("S: {} {id}\n", index + 1);
    }
    then(&format!("{script}S: .\n{rest}"))
}

fn retr(number: u32, text: &str) -> String {
    format!("C: RETR {number}\nS: +OK\nS: {text}\nS: .\n")
}

const QUIT: &str = "C: QUIT\nS: +OK\n";

#[tokio::test]
async fn only_what_is_new_is_downloaded() {
    let mut seen = Seen::new();
    let keep = Download::new(Keep::All);
    let script = maildrop(&[("a", 1), ("b", 2)], &[&retr(1, "one"), &retr(2, "two"), QUIT].concat());
    let came = against(clear(), &script, async |client| fetch(client, keep, &mut seen, day(1)).await).await;
    assert_eq!(came, ["1 one", "2 two"]);
    assert_eq!(seen.confirmed(&"b".parse().unwrap()), Some(day(1)));
    // Over a text, and with other numbers.
    let mut seen: Seen = seen.to_string().parse().unwrap();
    let script = maildrop(&[("c", 3), ("a", 1), ("b", 2)], &[&retr(1, "three"), QUIT].concat());
    let came = against(clear(), &script, async |client| fetch(client, keep, &mut seen, day(2)).await).await;
    assert_eq!(came, ["1 three"]);
    // What is gone is forgotten; an id that is used again is another message's, which its size tells.
    let script = maildrop(&[("b", 20), ("c", 3)], &[&retr(1, "another"), QUIT].concat());
    let came = against(clear(), &script, async |client| fetch(client, keep, &mut seen, day(3)).await).await;
    assert_eq!((came, seen.len()), (vec!["1 another".to_owned()], 2));
    // Or all of it again.
    let script = maildrop(&[("b", 20), ("c", 3)], &[&retr(1, "x"), &retr(2, "y"), QUIT].concat());
    let again = keep.with_again(true);
    let came = against(clear(), &script, async |client| fetch(client, again, &mut seen, day(3)).await).await;
    assert_eq!(came, ["1 x", "2 y"]);
}

#[tokio::test]
async fn what_was_confirmed_is_deleted_at_once_or_later() {
    let mut seen = Seen::new();
    let week = Download::new(Keep::Days(7));
    let script = maildrop(&[("a", 1)], &[&retr(1, "one"), QUIT].concat());
    against(clear(), &script, async |client| fetch(client, week, &mut seen, day(10)).await).await;
    // A clock that goes back deletes nothing.
    for now in [16, 3] {
        let script = maildrop(&[("a", 1)], QUIT);
        against(clear(), &script, async |client| fetch(client, week, &mut seen, day(now)).await).await;
    }
    let script = maildrop(&[("a", 1)], &["C: DELE 1\nS: +OK\n", QUIT].concat());
    against(clear(), &script, async |client| fetch(client, week, &mut seen, day(17)).await).await;
    assert!(seen.is_empty(), "the server may use the id for another message now");

    let none = Download::new(Keep::Nothing);
    let rest = [&retr(1, "one"), "C: RETR 2\nS: -ERR damaged\n", &retr(3, "three")].concat();
    let script = maildrop(
        &[("a", 1), ("b", 1), ("c", 1)],
        &format!("{rest}C: DELE 1\nS: +OK\nC: DELE 3\nS: -ERR no\n{QUIT}"),
    );
    let came = against(clear(), &script, async |client| fetch(client, none, &mut seen, day(1)).await).await;
    assert_eq!(came[1], "2 the server refused RETR: -ERR damaged");
    // What was not deleted is the next time, without being downloaded; what was refused comes last.
    let script = maildrop(
        &[("b", 1), ("c", 1), ("d", 1)],
        &[
            &retr(3, "four"),
            &retr(1, "two"),
            "C: DELE 2\nS: +OK\nC: DELE 3\nS: +OK\nC: DELE 1\nS: +OK\n",
            QUIT,
        ]
        .concat(),
    );
    let came = against(clear(), &script, async |client| fetch(client, none, &mut seen, day(2)).await).await;
    assert_eq!(came, ["3 four", "1 two"]);
    assert!(seen.is_empty());
}

#[tokio::test]
async fn nothing_is_deleted_that_was_not_confirmed() {
    let mut seen = Seen::new();
    let none = Download::new(Keep::Nothing);
    let script = maildrop(&[("a", 1), ("b", 1)], &[&retr(1, "one"), &retr(2, "two"), QUIT].concat());
    against(clear(), &script, async |client| {
        let mut downloads = client.download(none, &mut seen, day(1)).await?;
        assert_eq!(downloads.left(), 2);
        let (first, body) = downloads.next().await?.unwrap();
        // Not read to its end.
        drop(body);
        assert!(downloads.confirm(&first).is_err());
        let (_, body) = downloads.next().await?.unwrap();
        body.unwrap().bytes(10).await?;
        assert!(downloads.confirm(&first).is_err(), "it is too late");
        let done = downloads.quit().await?;
        assert_eq!((done.deletions, done.refused.len()), (Deletions::None, 0));
        Ok(())
    })
    .await;
    assert_eq!(seen.to_string(), "- 1 a\n- 1 b\n");
    // A connection that is lost costs what was not confirmed; it is to come again, after the others.
    let script = maildrop(
        &[("a", 1), ("b", 1), ("c", 1)],
        &[&retr(3, "three"), "C: RETR 1\nS: +OK\nS: half\n"].concat(),
    );
    let lost = tried(clear(), &script, async |client| fetch(client, none, &mut seen, day(2)).await).await;
    assert!(lost.unwrap_err().is_transient());
    assert_eq!(seen.to_string(), "- 1 a\n- 1 b\n172800 1 c\n");
}

#[tokio::test]
async fn equal_ids_and_none() {
    let mut seen = Seen::new();
    let script = maildrop(&[("a", 1), ("a", 1)], &[&retr(1, "one"), &retr(2, "two"), QUIT].concat());
    for _ in 0..2 {
        let week = Download::new(Keep::Days(7));
        let came =
            against(clear(), &script, async |client| fetch(client, week, &mut seen, day(1)).await).await;
        assert_eq!(came.len(), 2);
    }
    assert!(seen.is_empty());
    let old = |rest: &str| then(&format!("C: LIST\nS: +OK\nS: 1 5\nS: .\nC: UIDL\nS: -ERR what?\n{rest}"));
    let script = old(&[&retr(1, "one"), "C: DELE 1\nS: +OK\n", QUIT].concat());
    let none = Download::new(Keep::Nothing);
    against(clear(), &script, async |client| fetch(client, none, &mut seen, day(1)).await).await;
    for options in [Download::new(Keep::All), Download::new(Keep::Days(7)).with_again(true)] {
        let script = old("C: TOP 1 0\nS: -ERR what?\n");
        let error =
            tried(clear(), &script, async |client| fetch(client, options, &mut seen, day(1)).await).await;
        assert_eq!(error.unwrap_err().to_string(), "the peer does not offer UIDL");
    }
    // For now, as it says, or though it offers them.
    let later = then("C: LIST\nS: +OK\nS: 1 5\nS: .\nC: UIDL\nS: -ERR [SYS/TEMP] busy\n");
    let all = Download::new(Keep::All);
    let error = tried(clear(), &later, async |client| fetch(client, all, &mut seen, day(1)).await).await;
    assert!(error.unwrap_err().is_transient());
}

/// A maildrop without UIDL as a script: messages with their headers, and what comes after them.
fn headers(messages: &[(&str, u32)], rest: &str) -> String {
    let mut script = "C: LIST\nS: +OK\n".to_owned();
    for (index, (_, octets)) in messages.iter().enumerate() {
        script += &format!("S: {} {octets}\n", index + 1);
    }
    script += "S: .\nC: UIDL\nS: -ERR unknown\n";
    for (index, (header, _)) in messages.iter().enumerate() {
        script += &format!("C: TOP {} 0\n{header}", index + 1);
    }
    then(&format!("{script}{rest}"))
}

fn header(id: &str) -> String {
    format!("S: +OK\nS: Received: by mx.example id {id}\nS: Subject: hi\nS: \nS: .\n")
}

#[tokio::test]
async fn without_unique_ids_headers_tell_what_is_new() {
    let mut seen = Seen::new();
    let keep = Download::new(Keep::All);
    let (a, b, c) = (header("a"), header("b"), header("c"));
    let script = headers(&[(&a, 1), (&b, 2)], &[&retr(1, "one"), &retr(2, "two"), QUIT].concat());
    let came = against(clear(), &script, async |client| fetch(client, keep, &mut seen, day(1)).await).await;
    assert_eq!(came, ["1 one", "2 two"]);
    assert_eq!(seen.to_string().matches(" header ").count(), 2);
    // Over a text, with other numbers, and fields that a server adds.
    let mut seen: Seen = seen.to_string().parse().unwrap();
    let read = a.replace("S: Subject", "S: Status: RO\nS: X-UIDL: 5\nS: Subject");
    let messages = [(&*c, 3), (&*b, 2), (&*read, 1)];
    let script = headers(&messages, &[&retr(1, "three"), QUIT].concat());
    let came = against(clear(), &script, async |client| fetch(client, keep, &mut seen, day(2)).await).await;
    assert_eq!(came, ["1 three"]);
    // Another size is another message, what cannot be told apart comes each time, and so does what is no trace.
    let refused = "S: -ERR damaged\n";
    let bare = "S: +OK\nS: Subject: hi\nS: \nS: .\n";
    let messages = [(&*c, 4), (&*b, 2), (&*b, 2), (bare, 5), (refused, 6)];
    let rest: String = [1, 2, 3, 4, 5].map(|number| retr(number, "x")).concat();
    for again in [false, true] {
        let rest = if again { rest.replace(&retr(1, "x"), "") } else { rest.clone() };
        let script = headers(&messages, &format!("{rest}{QUIT}"));
        let came =
            against(clear(), &script, async |client| fetch(client, keep, &mut seen, day(3)).await).await;
        assert_eq!((came.len(), seen.len()), (if again { 4 } else { 5 }, 1));
    }
}

#[tokio::test]
async fn without_unique_ids_nothing_is_deleted_but_what_was_confirmed() {
    let mut seen = Seen::new();
    let week = Download::new(Keep::Days(7));
    let (a, b) = (header("a"), header("b"));
    let bare = "S: +OK\nS: Subject: hi\nS: \nS: .\n";
    let rest = [&retr(1, "one"), &retr(2, "two"), QUIT].concat();
    let script = headers(&[(&a, 1), (bare, 1)], &rest);
    against(clear(), &script, async |client| fetch(client, week, &mut seen, day(10)).await).await;
    // Headers that are like it, of another size, of none, or of two messages.
    for messages in [&[(&*a, 2)][..], &[(&*a, 1), (&*a, 1)], &[(bare, 1), (&*b, 1)]] {
        let mut seen = seen.clone();
        let numbers = 1..=u32::try_from(messages.len()).unwrap();
        let rest = numbers.map(|number| retr(number, "x")).collect::<String>();
        let script = headers(messages, &format!("{rest}{QUIT}"));
        against(clear(), &script, async |client| fetch(client, week, &mut seen, day(30)).await).await;
    }
    let rest = ["C: RETR 1\nS: +OK\nS: two\nS: .\n", "C: DELE 2\nS: +OK\n", QUIT].concat();
    let script = headers(&[(bare, 1), (&a, 1)], &rest);
    against(clear(), &script, async |client| fetch(client, week, &mut seen, day(17)).await).await;
    assert!(seen.is_empty());
    // With unique ids all is new once, and what was known by headers is forgotten.
    let script = headers(&[(&a, 1)], &[&retr(1, "one"), QUIT].concat());
    against(clear(), &script, async |client| fetch(client, week, &mut seen, day(18)).await).await;
    let script = maildrop(&[("x", 1)], &[&retr(1, "one"), QUIT].concat());
    against(clear(), &script, async |client| fetch(client, week, &mut seen, day(19)).await).await;
    assert_eq!(seen.to_string(), format!("{} 1 x\n", 19 * 24 * 3600));
}

/// Who downloads all again does not begin to count anew.
#[tokio::test]
async fn days_count_from_the_first_confirmation() {
    let mut seen = Seen::new();
    let again = Download::new(Keep::Days(7)).with_again(true);
    for now in [10, 13, 16] {
        let script = maildrop(&[("a", 1)], &[&retr(1, "one"), QUIT].concat());
        against(clear(), &script, async |client| fetch(client, again, &mut seen, day(now)).await).await;
        assert_eq!(seen.confirmed(&"a".parse().unwrap()), Some(day(10)));
    }
    let script = maildrop(&[("a", 1)], &[&retr(1, "one"), "C: DELE 1\nS: +OK\n", QUIT].concat());
    against(clear(), &script, async |client| fetch(client, again, &mut seen, day(17)).await).await;
    assert!(seen.is_empty());
}

/// A server that has other ids each time, and ends each session, fills nothing.
#[tokio::test]
async fn what_is_gone_is_forgotten_though_no_session_ends_well() {
    let mut seen = Seen::new();
    let all = Download::new(Keep::All);
    for id in ["a", "b", "c"] {
        let script = maildrop(&[(id, 1)], "C: RETR 1\nS: +OK\nS: half\n");
        let lost = tried(clear(), &script, async |client| fetch(client, all, &mut seen, day(1)).await).await;
        assert!(lost.is_err());
        assert_eq!(seen.to_string(), format!("- 1 {id}\n"));
    }
    // Who does not tell ids this time has not said that they are gone.
    let script =
        [&then("C: LIST\nS: +OK\nS: 1 1\nS: .\nC: UIDL\nS: -ERR not now\n"), &*retr(1, "c"), QUIT].concat();
    let again = all.with_again(true);
    against(clear(), &script, async |client| fetch(client, again, &mut seen, day(1)).await).await;
    assert_eq!(seen.to_string(), "- 1 c\n");
}

/// A server can list what it likes: without end, without sizes, with numbers of its own, with names without end.
#[tokio::test]
async fn a_hostile_listing_is_bounded_and_harmless() {
    let mut seen = Seen::new();
    let all = Download::new(Keep::All);
    for ids in [vec!["x".repeat(70); 20], vec!["x".repeat(3000)]] {
        let lines: String = ids.iter().enumerate().map(|(n, id)| format!("S: {} {id}\n", n + 1)).collect();
        let script = then(&format!("C: LIST\nS: +OK\nS: .\nC: UIDL\nS: +OK\n{lines}"));
        let mut config = clear();
        config.collected = 1000;
        let error = tried(config, &script, async |client| fetch(client, all, &mut seen, day(1)).await).await;
        let error = error.unwrap_err();
        assert!(matches!(error.violation(), Some(mailwire_core::Error::LimitExceeded { .. })), "{error:?}");
        assert!(seen.is_empty());
    }
    // Sizes that are wrong, missing or negative, numbers that only one list has, and lines that are none.
    let script = then(
        &[
            "C: LIST\nS: +OK\nS: 1 99999999999\nS: 2\nS: 3 -1\nS: 0 1\nS: x\nS: 4294967295 1\nS: .\n",
            "C: UIDL\nS: +OK\nS: 1 a\nS: 2 b\nS: 3 c d\nS: 9 e\nS: 9 f\nS: nonsense\nS: .\n",
            &retr(1, "one"),
            &retr(2, "two"),
            &retr(3, "three"),
            "C: RETR 9\nS: -ERR none\nC: RETR 4294967295\nS: -ERR none\n",
            QUIT,
        ]
        .concat(),
    );
    let came = against(clear(), &script, async |client| fetch(client, all, &mut seen, day(1)).await).await;
    assert_eq!(came[..3], ["1 one", "2 two", "3 three"]);
    // With the same state nothing of it comes again.
    let again: Seen = seen.to_string().parse().unwrap();
    assert_eq!(again, seen);
    assert_eq!(seen.confirmed(&"a".parse().unwrap()), Some(day(1)));
}

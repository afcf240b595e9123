//! NUL in messages: what comes in, and what goes out of those that came by other ways.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod raw;

use mailwire_core::Channel;
use raw::{Protocol, Servers, store};

#[tokio::test]
async fn no_nul_comes_in_or_goes_out() {
    let store = store(0);
    let servers = Servers::new(&store);
    let user = store.user("ada").unwrap();

    let mut smtp = servers.connect(Protocol::Smtp, Channel::Tls, 4096).await;
    for command in ["EHLO x", "MAIL FROM:<a@b>", "RCPT TO:<ada@x>", "DATA"] {
        smtp.command(Protocol::Smtp, command).await;
    }
    let answer = smtp.command(Protocol::Smtp, "Subject: x\0y\r\n\r\na\0b\r\n.").await;
    assert!(answer.starts_with("554 5.6.0 "), "{answer}");

    let mut imap = servers.connect(Protocol::Imap, Channel::Tls, 4096).await;
    assert!(imap.login(Protocol::Imap, "ada", "secret").await);
    let answer = imap.command(Protocol::Imap, "APPEND INBOX {3+}\r\na\0b").await;
    assert!(answer.starts_with("a BAD "), "{answer}");
    assert!(user.messages("INBOX").unwrap().is_empty());

    user.deliver("Subject: x\r\n\r\na\0b\r\n".into()).unwrap();
    let mut pop3 = servers.connect(Protocol::Pop3, Channel::Tls, 4096).await;
    assert!(pop3.login(Protocol::Pop3, "ada", "secret").await);
    for command in ["RETR 1", "TOP 1 5"] {
        pop3.command(Protocol::Pop3, command).await;
        let lines = [pop3.line().await, pop3.line().await, pop3.line().await, pop3.line().await];
        assert_eq!(lines, ["Subject: x", "", "a\u{fffd}b", "."], "{command}");
    }
}

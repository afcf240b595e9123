//! What RFCs 2033, 2920, 3030, 3207 and 4954 ask of a server in so many words, a row a sentence: what a client says, and the
//! codes that it is answered by. Whole conversations are in the transcripts.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Granting, chunking_config, server_config};
use mailwire_smtp::{Channel, Mechanism, server};

/// The codes of the replies, with the enhanced code where it begins with a 5.
fn codes(said: &str) -> String {
    let last = said.lines().filter(|line| line.as_bytes().get(3) == Some(&b' '));
    let words = last.map(|line| {
        let mut words = line.split(' ');
        let code = words.next().unwrap_or_default();
        match words.next() {
            Some(enhanced) if enhanced.starts_with("5.") => format!("{code}/{enhanced}"),
            _ => code.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn check(config: &server::Config, begin: &str, rows: &[(&str, &str)]) {
    let answers = rows.iter().map(|(said, _)| {
        let mut server = Granting::new(config.clone());
        server.say(begin);
        (*said, codes(&server.say(said)))
    });
    let wanted: Vec<_> = rows.iter().map(|(said, answered)| (*said, (*answered).to_owned())).collect();
    assert_eq!(answers.collect::<Vec<_>>(), wanted, "after {begin:?}");
}

const MAIL: &str = "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n";

#[test]
fn rfc_2033() {
    let mut config = chunking_config();
    config.lmtp = true;
    check(
        &config,
        "",
        &[
            // 4.1: LHLO has the place of both.
            ("EHLO a.example\r\nHELO a.example\r\nLHLO a.example\r\n", "500/5.5.1 500/5.5.1 250"),
            // 4.2: DATA fails by 503 where no RCPT succeeded.
            ("LHLO a.example\r\nMAIL FROM:<>\r\nDATA\r\n", "250 250 503/5.5.1"),
            ("LHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<@>\r\nDATA\r\n", "250 250 501/5.5.4 503/5.5.1"),
            // One reply for each RCPT, of the same mailbox, too.
            (
                "LHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nhi\r\n.\r\n",
                "250 250 250 250 354 250 250",
            ),
            // 4.3: with BDAT after the last chunk alone.
            (
                "LHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<e@d.example>\r\nBDAT 1\r\naBDAT 3 LAST\r\nb\r\n",
                "250 250 250 250 250 250 250",
            ),
        ],
    );
    let mut server = Granting::new(config);
    let said = server.say("LHLO a.example\r\n");
    // 5: these are there in any case.
    assert!(said.contains("PIPELINING") && said.contains("ENHANCEDSTATUSCODES") && said.contains("8BITMIME"));
}

#[test]
fn rfc_2920() {
    check(
        &server_config(),
        "EHLO a.example\r\n",
        &[
            // 3.2 (1): in their order. (3): no DATA without a recipient.
            (
                "RSET\r\nMAIL FROM:<>\r\nRCPT TO:<c@d.example>\r\nNOOP\r\nRCPT TO:<@>\r\nDATA\r\n",
                "250 250 250 250 501/5.5.4 354",
            ),
            ("MAIL FROM:<>\r\nRCPT TO:<@>\r\nDATA\r\nRSET\r\nQUIT\r\n", "250 501/5.5.4 503/5.5.1 250 221"),
            // (6): what is not known is answered in its place.
            ("NOOP\r\nXYZZY\r\nNOOP\r\n", "250 500/5.5.1 250"),
            // (9): nothing is lost where a message ends.
            (&format!("{MAIL}DATA\r\nhi\r\n.\r\nNOOP\r\nQUIT\r\n"), "250 250 354 250 250 221"),
        ],
    );
}

#[test]
fn rfc_3030() {
    check(
        &chunking_config(),
        "EHLO a.example\r\n",
        &[
            // 2: the last may have no byte.
            (&format!("{MAIL}BDAT 2\r\n\r\nBDAT 0 LAST\r\n"), "250 250 250 250"),
            // None comes after the last.
            (&format!("{MAIL}BDAT 2 LAST\r\n\r\nBDAT 2 LAST\r\n\r\nNOOP\r\n"), "250 250 250 503/5.5.1 250"),
            // DATA does not come after BDAT, nor BDAT in place of RCPT; what fails is read and dropped.
            (&format!("{MAIL}BDAT 2\r\n\r\nDATA\r\nRSET\r\nNOOP\r\n"), "250 250 250 503/5.5.1 250 250"),
            ("MAIL FROM:<>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", "250 503/5.5.1 250"),
            ("BDAT 6\r\nQUIT\r\nNOOP\r\n", "503/5.5.1 250"),
            // 3: BINARYMIME goes by BDAT alone.
            (
                "MAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<c@d.example>\r\nDATA\r\nRSET\r\n",
                "250 250 503/5.5.1 250",
            ),
            // 4.2: lines of any octets are read.
            (
                "MAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<c@d.example>\r\nBDAT 5 LAST\r\n\0\r\r\n\nNOOP\r\n",
                "250 250 250 250",
            ),
        ],
    );
}

#[test]
fn rfc_3207() {
    let mut config = server::Config::new("mx.example".try_into().unwrap(), Channel::StartTls);
    config.require_tls = true;
    check(
        &config,
        "EHLO a.example\r\n",
        &[
            // 4: everything but NOOP, EHLO, STARTTLS and QUIT.
            ("NOOP\r\nEHLO a.example\r\n", "250 250"),
            ("MAIL FROM:<>\r\n", "530/5.7.0"),
            ("RSET\r\nVRFY x\r\n", "530/5.7.0 530/5.7.0"),
            ("QUIT\r\n", "221"),
            // No parameter is allowed.
            ("STARTTLS now\r\n", "501/5.5.4"),
            ("STARTTLS\r\n", "220"),
        ],
    );
    let mut server = Granting::new(config);
    assert!(server.say("EHLO a.example\r\n").contains("STARTTLS"));
    server.say("STARTTLS\r\n");
    // 4.2: what was said before is forgotten, and it is not offered again.
    assert_eq!(codes(&server.say("")), "");
    assert_eq!(codes(&server.say("MAIL FROM:<>\r\n")), "503/5.5.1");
    assert!(!server.say("EHLO a.example\r\n").contains("STARTTLS"));
    assert_eq!(codes(&server.say("STARTTLS\r\n")), "503/5.5.1");
}

#[test]
fn rfc_4954() {
    const PLAIN: &str = "AUTH PLAIN AGEAYg==\r\n";
    let mut config = server_config();
    config.mechanisms = vec![Mechanism::Plain, Mechanism::Login];
    check(
        &config,
        "EHLO a.example\r\n",
        &[
            // 4: once in a session, and not within a transaction.
            (&format!("{PLAIN}{PLAIN}"), "235 503/5.5.1"),
            (&format!("MAIL FROM:<>\r\n{PLAIN}"), "250 503/5.5.1"),
            ("AUTH X-UNKNOWN\r\n", "504/5.5.4"),
            // Base64 to the letter.
            ("AUTH PLAIN =AAA\r\n", "501/5.5.2"),
            ("AUTH PLAIN AAA=BBB=\r\n", "501/5.5.2"),
            ("AUTH PLAIN A*==\r\n", "501/5.5.2"),
            ("auth plain AGEAYg==\r\n", "235"),
            ("AUTH LOGIN\r\n", "334"),
            ("AUTH LOGIN\r\n*\r\n", "334 501/5.7.0"),
            ("AUTH LOGIN\r\n!\r\n", "334 501/5.5.2"),
            // 5: AUTH of MAIL, from whoever did not log in, too.
            ("MAIL FROM:<a@b.example> AUTH=<>\r\n", "250"),
            ("MAIL FROM:<a@b.example> auth=e+3Dmc2@example.com\r\n", "250"),
            ("MAIL FROM:<a@b.example> AUTH=a+3\r\n", "501/5.5.4"),
        ],
    );
}

//! The registry of enhanced status codes, held against the tables of the standards.
#![allow(clippy::unwrap_used)]

use mailwire_smtp::{EnhancedCode, EnhancedStatus, Reply, ReplyCode, Subject};

/// Subject and detail, the RFC that defines it, and the reply codes that the registry has it with: RFC 5248 section
/// 2.4, and the RFCs that came after it.
const REGISTRY: &str = "
0.0 3463
1.0 3463
1.1 3463 451 550
1.2 3463
1.3 3463 501
1.4 3463
1.5 3463 250
1.6 3463
1.7 3463
1.8 3463 451 501
1.9 3886
1.10 7505 556
2.0 3463
2.1 3463
2.2 3463 552
2.3 3463 552
2.4 3463 450 452
3.0 3463 221 250 421 451 550 554
3.1 3463 452
3.2 3463 453
3.3 3463
3.4 3463 552 554
3.5 3463
3.6 6710 250 251
4.0 3463
4.1 3463 451
4.2 3463 421
4.3 3463 451 550
4.4 3463
4.5 3463 451
4.6 3463
4.7 3463
5.0 3463 220 250 251 252 253 451 452 454 458 459 501 502 503 554
5.1 3463 430 500 501 503 530 550 554 555
5.2 3463 500 501 502 550 555
5.3 3463 451
5.4 3463 451 501 502 503 504 550 555
5.5 3463
5.6 4954 500
6.0 3463
6.1 3463
6.2 3463
6.3 3463 554
6.4 3463 250
6.5 3463
6.6 4468 554
6.7 6531 550 553
6.8 6531 252 550 553
6.9 6531 550
6.10 6531
7.0 3463 220 235 450 454 500 501 503 504 530 535 550
7.1 3463 451 454 502 503 533 550 551
7.2 3463 550
7.3 3463
7.4 3463 504
7.5 3463
7.6 3463
7.7 3463
7.8 4954 535 554
7.9 4954 534
7.10 5248 523
7.11 4954 524 538
7.12 4954 422 432
7.13 5248 525
7.14 5248 535 554
7.15 6710 450 550
7.16 6710 552
7.17 7293
7.18 7293
7.19 7293
7.20 7372 550
7.21 7372 550
7.22 7372 550
7.23 7372 550
7.24 7372 451 550
7.25 7372 550
7.26 7372 550
7.27 7505 550
7.28 -
7.29 8617 550
7.30 8689 550
";

#[test]
fn the_registry_is_whole() {
    let rows: Vec<&str> = REGISTRY.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(rows.len(), EnhancedStatus::ALL.len());
    for (row, &status) in rows.iter().zip(EnhancedStatus::ALL) {
        let code = status.permanent();
        let mut written = format!("{}.{} ", code.subject(), code.detail());
        written += &status.rfc().map_or("-".into(), |rfc| rfc.to_string());
        for code in status.reply_codes() {
            written += &format!(" {code}");
        }
        assert_eq!(*row, written);
        for class in [2, 4, 5] {
            let code: EnhancedCode = format!("{class}.{}.{}", code.subject(), code.detail()).parse().unwrap();
            assert_eq!(code.status(), Some(status));
            assert_eq!(code.class(), class);
            assert_eq!(Subject::of(code.subject()), Some(status.subject()));
        }
        assert!(!status.meaning().ends_with('.') && !status.meaning().is_empty());
    }
    assert_eq!(EnhancedCode::new(5, 7, 999).unwrap().status(), None);
    assert_eq!(Subject::of(8), None);
}

#[test]
fn reply_codes_have_names() {
    let codes = [
        (211, ReplyCode::STATUS),
        (214, ReplyCode::HELP),
        (220, ReplyCode::READY),
        (221, ReplyCode::CLOSING),
        (235, ReplyCode::AUTHENTICATED),
        (250, ReplyCode::OK),
        (251, ReplyCode::FORWARDED),
        (252, ReplyCode::CANNOT_VERIFY),
        (253, ReplyCode::PENDING_STARTED),
        (334, ReplyCode::CHALLENGE),
        (353, ReplyCode::RECIPIENT_REPLIES_FOLLOW),
        (354, ReplyCode::START_INPUT),
        (355, ReplyCode::RESTART_OFFSET),
        (421, ReplyCode::UNAVAILABLE),
        (422, ReplyCode::PASSWORD_NEEDED),
        (430, ReplyCode::NOT_NOW),
        (432, ReplyCode::PASSWORD_TRANSITION),
        (450, ReplyCode::MAILBOX_BUSY),
        (451, ReplyCode::LOCAL_ERROR),
        (452, ReplyCode::INSUFFICIENT_STORAGE),
        (453, ReplyCode::NO_MAIL_WAITING),
        (454, ReplyCode::TEMPORARY_FAILURE),
        (455, ReplyCode::PARAMETERS_UNAVAILABLE),
        (458, ReplyCode::CANNOT_QUEUE),
        (459, ReplyCode::NODE_NOT_ALLOWED),
        (500, ReplyCode::UNRECOGNIZED),
        (501, ReplyCode::BAD_ARGUMENTS),
        (502, ReplyCode::NOT_IMPLEMENTED),
        (503, ReplyCode::BAD_SEQUENCE),
        (504, ReplyCode::PARAMETER_NOT_IMPLEMENTED),
        (521, ReplyCode::NO_MAIL),
        (523, ReplyCode::ENCRYPTION_NEEDED),
        (524, ReplyCode::MECHANISM_NEEDS_ENCRYPTION),
        (525, ReplyCode::ACCOUNT_DISABLED),
        (530, ReplyCode::REQUIRED),
        (533, ReplyCode::NOT_AUTHORIZED),
        (534, ReplyCode::MECHANISM_TOO_WEAK),
        (535, ReplyCode::BAD_CREDENTIALS),
        (538, ReplyCode::ENCRYPTION_REQUIRED),
        (550, ReplyCode::MAILBOX_UNAVAILABLE),
        (551, ReplyCode::NOT_LOCAL),
        (552, ReplyCode::TOO_LARGE),
        (553, ReplyCode::BAD_MAILBOX),
        (554, ReplyCode::FAILED),
        (555, ReplyCode::BAD_PARAMETERS),
        (556, ReplyCode::DOMAIN_TAKES_NO_MAIL),
    ];
    for (number, code) in codes {
        assert_eq!(code.get(), number);
        assert_eq!(ReplyCode::new(number), Some(code));
    }
}

#[test]
fn replies_of_the_registry_agree_with_themselves() {
    for &status in EnhancedStatus::ALL {
        let replies = [status.accept("x"), status.defer("x"), status.reject("x")];
        for (reply, class) in replies.iter().zip([2, 4, 5]) {
            assert_eq!((reply.code().class(), reply.enhanced().unwrap().class()), (class, class));
            assert_ne!(reply.code(), ReplyCode::UNAVAILABLE);
            // What it says is read back, by a client that may be strict.
            let mut line = Vec::new();
            reply.write(&mut line);
            line.truncate(line.len() - 2);
            let read = Reply::parse(&line.into(), mailwire_smtp::Dialect::Strict).unwrap().value;
            assert_eq!(read, *reply);
        }
    }
    let texts = [
        (EnhancedStatus::NotAuthorized.reject("a"), "550 5.7.1 a"),
        (EnhancedStatus::NotAuthorized.defer("a"), "451 4.7.1 a"),
        (EnhancedStatus::System.defer("a"), "451 4.3.0 a"),
        (EnhancedStatus::SystemFull.defer("a"), "452 4.3.1 a"),
        (EnhancedStatus::MailboxFull.reject("a"), "552 5.2.2 a"),
        (EnhancedStatus::MailboxDisabled.reject("a"), "550 5.2.1 a"),
        (EnhancedStatus::InvalidArguments.reject("a"), "501 5.5.4 a"),
        (EnhancedStatus::Content.reject("a\r\n250 b"), "554 5.6.0 a??250 b"),
        (EnhancedStatus::RecipientValid.accept("a"), "250 2.1.5 a"),
        (EnhancedStatus::UnknownMailbox.reject("5.1.1 twice"), "550 5.1.1 5.1.1 twice"),
    ];
    for (reply, text) in texts {
        assert_eq!(reply.to_string(), text);
    }
}

#[test]
fn refusals_are_checked() {
    assert_eq!(Reply::reject(550, "5.1.1", "No").unwrap().to_string(), "550 5.1.1 No");
    assert_eq!(Reply::reject(450, "4.2.1", "Busy").unwrap().to_string(), "450 4.2.1 Busy");
    for (code, enhanced) in [
        (250, "2.1.5"),
        (354, "2.0.0"),
        (550, "4.1.1"),
        (550, "5.1"),
        (550, "5.1.1 "),
        (550, ""),
        (550, "5.1.1000"),
        (650, "5.1.1"),
        (560, "5.1.1"),
    ] {
        assert!(Reply::reject(code, enhanced, "x").is_err(), "{code} {enhanced}");
    }
}

/// What real servers say, and what it is about.
#[test]
fn predicates() {
    type Predicate = fn(&Reply) -> bool;
    let named: [(&str, Predicate); 8] = [
        ("unknown", Reply::is_unknown_recipient),
        ("full", Reply::is_mailbox_full),
        ("large", Reply::is_too_large),
        ("many", Reply::is_too_many_recipients),
        ("login", Reply::is_authentication),
        ("tls", Reply::is_encryption_needed),
        ("policy", Reply::is_policy),
        ("grey", Reply::is_greylisting),
    ];
    for (code, text, about) in [
        (550, "5.1.1 The email account that you tried to reach does not exist", "unknown"),
        (550, "No such user", ""),
        (556, "5.1.10 Recipient address has null MX", "unknown"),
        (551, "User not local; please try <b@example.org>", "unknown"),
        (452, "4.2.2 The email account that you tried to reach is over quota", "full"),
        (552, "5.2.2 Over quota", "full"),
        (552, "5.3.4 Message size exceeds fixed limit", "large"),
        (452, "4.5.3 Error: too many recipients", "many"),
        (452, "Too many recipients", "many"),
        (552, "Too many recipients", "many"),
        (535, "5.7.8 Username and Password not accepted", "login"),
        (535, "Wrong", "login"),
        (535, "5.7.0 Wrong", "login"),
        (534, "5.7.9 Application-specific password required", "login"),
        (432, "4.7.12 A password transition is needed", "login"),
        (538, "5.7.11 Encryption required", "login tls"),
        (530, "5.7.0 Must issue a STARTTLS command first", ""),
        (523, "5.7.10 Encryption Needed", "tls"),
        (550, "5.7.1 Relaying denied", "policy"),
        (550, "5.7.26 Unauthenticated email is not accepted due to DMARC policy", "policy"),
        (451, "4.7.24 SPF cannot be checked", "policy"),
        (450, "4.2.0 <b@example.org>: Recipient address rejected: Greylisted, see http://x.example", "grey"),
        (451, "4.7.1 Please try again later", "policy grey"),
        (451, "Gray-listed", "grey"),
        (450, "grey", ""),
        (550, "5.7.1 Greylisting is no help any more", "policy"),
        (250, "2.1.1 What is this?", ""),
    ] {
        let reply = Reply::new(ReplyCode::new(code).unwrap(), text);
        let found: Vec<&str> = named.iter().filter(|(_, is)| is(&reply)).map(|(name, _)| *name).collect();
        assert_eq!(found.join(" "), about, "{code} {text}");
    }
    let code = |text: &str| text.parse::<EnhancedCode>().unwrap();
    assert!(code("5.2.1").is_mailbox_disabled() && code("5.6.7").is_international());
    assert!(code("5.7.23").is_sender_unverified() && !code("2.7.23").is_sender_unverified());
    assert!(code("4.7.99").is_policy() && code("4.0.0").is_transient() && !code("5.7.5").is_policy());
}

/// RFC 2034 section 4: the same code stands in each line.
#[test]
fn every_line_has_the_code() {
    let reply = EnhancedStatus::UnknownMailbox.reject("No such user here").with_line("Try the directory");
    let mut out = Vec::new();
    reply.write(&mut out);
    assert_eq!(out, b"550-5.1.1 No such user here\r\n550 5.1.1 Try the directory\r\n");
    let read =
        Reply::parse(&out[..out.len() - 2].to_vec().into(), mailwire_smtp::Dialect::Strict).unwrap().value;
    assert_eq!(read.enhanced(), Some(EnhancedStatus::UnknownMailbox.permanent()));
    assert!(read.lines().map(|line| line.to_string()).eq(["No such user here", "Try the directory"]));
}

//! Logging in, and the test message.

use std::{sync::Arc, time::Duration};

use mailwire_transport::{
    dns::{Record, RecordType, Srv},
    doctor::{Section, Severity},
    sasl::Credentials,
};

use crate::{
    servers::{Speaks, normally},
    world::Net,
};

/// All is well, somebody logs in, and a message is sent.
async fn with_test() -> Net {
    let mut net = Net::good().await;
    let tls = net.authority.good();
    net.world.srv("_pop3s", 995, "mail.example.org");
    net.implicit(995, Speaks::Pop3, tls, normally).await;
    net.options.credentials = Some(Credentials::password("anna@example.org", "secret"));
    net.options.send_test = true;
    net.options.patience = Duration::from_secs(60);
    net
}

async fn submission(net: &mut Net, say: impl Fn(&str) -> Option<&'static str> + Send + Sync + 'static) {
    let tls = net.authority.good();
    net.implicit(465, Speaks::Submission, tls, move |line, _| say(line).map(str::to_owned)).await;
}

#[tokio::test]
async fn a_message_is_sent_and_found() {
    let net = with_test().await;
    let plan = net.doctor().plan("anna@example.org").unwrap();
    assert!(
        plan.iter()
            .any(|step| step.section == Section::Delivery && step.what.contains("One message is sent"))
    );
    let report = net.examine().await;
    let told: Vec<_> = report.section(Section::Delivery).map(|finding| finding.check).collect();
    assert_eq!(told, ["test-delivered", "authentication-results"]);
    let ways = &report.section(Section::Delivery).next().unwrap().details;
    let ways: Vec<_> = ways.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(ways, ["by IMAP", "by POP3"]);
    let logins = report.findings.iter().filter(|finding| finding.check == "login-works").count();
    assert_eq!(logins, 3);
    // It is there, and it is the only one.
    let mailbox = net.mailbox.lock().unwrap();
    assert_eq!(mailbox.len(), 1);
    assert!(mailbox[0].contains("To: <anna@example.org>"));
}

#[tokio::test]
async fn what_the_server_says_of_the_message() {
    let mut net = with_test().await;
    for (reply, check) in [("550 5.7.1 spam", "test-refused"), ("451 4.7.1 greylisted", "test-deferred")] {
        submission(&mut net, move |line| line.starts_with("RCPT").then_some(reply)).await;
        assert_eq!(net.told(Severity::Warning).await, [check]);
    }
    assert_eq!(net.mailbox.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn late_lost_and_returned() {
    let mut net = with_test().await;
    net.options.slow = Duration::ZERO;
    assert_eq!(net.told(Severity::Warning).await, ["test-slow"]);

    // It is accepted, and thrown away.
    let mut net = with_test().await;
    let mailbox = net.mailbox.clone();
    submission(&mut net, move |line| {
        if line == "." {
            mailbox.lock().unwrap().clear();
        }
        None
    })
    .await;
    net.options.patience = Duration::from_secs(1);
    assert_eq!(net.told(Severity::Warning).await, ["test-missing"]);
}

/// A report comes in its place: each protocol is enough to see that.
#[tokio::test]
async fn a_message_that_is_returned() {
    for other in ["_pop3s._tcp.example.org", "_imaps._tcp.example.org"] {
        let mut net = with_test().await;
        let mailbox = net.mailbox.clone();
        submission(&mut net, move |line| {
            if line == "." {
                let mut mailbox = mailbox.lock().unwrap();
                let message = mailbox.pop().unwrap().replace("\r\n.\r\n", "\r\n");
                mailbox.push(format!(
                    "From: <>\r\nSubject: Undelivered mail\r\n\r\nDiagnostic-Code: smtp; 550 no\r\n\r\n{message}"
                ));
            }
            None
        })
        .await;
        net.world.forget(other, RecordType::Srv);
        let report = net.examine().await;
        let told = report.section(Section::Delivery).next().unwrap();
        assert_eq!(told.check, "test-returned", "without {other}");
        assert_eq!(told.details, [("Diagnostic-Code".to_owned(), "smtp; 550 no".to_owned())]);
    }
}

#[tokio::test]
async fn checks_that_the_message_does_not_pass() {
    let mut net = with_test().await;
    let mailbox = net.mailbox.clone();
    submission(&mut net, move |line| {
        if line == "." {
            let mut mailbox = mailbox.lock().unwrap();
            let message = mailbox.pop().unwrap();
            mailbox.push(format!("Authentication-Results: mx; spf=pass;\r\n dkim=fail\r\n{message}"));
        }
        None
    })
    .await;
    assert_eq!(net.told(Severity::Warning).await, ["authentication-failed"]);
}

#[tokio::test]
async fn logins_that_fail() {
    let mut net = with_test().await;
    let tls = net.authority.good();
    net.implicit(993, Speaks::Imap, tls, |line, _| {
        line.starts_with("AUTHENTICATE").then(|| "~ NO [AUTHENTICATIONFAILED] no".to_owned())
    })
    .await;
    assert_eq!(net.told(Severity::Warning).await, ["login-refused"]);
}

/// No password goes to who is not the one, or may not be.
#[tokio::test]
async fn passwords_go_to_nobody_else() {
    let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
    let listens = |heard: &Arc<std::sync::Mutex<Vec<String>>>| {
        let heard = heard.clone();
        move |line: &str, _: bool| {
            heard.lock().unwrap().push(line.to_owned());
            None
        }
    };
    // A certificate for another name, and a host out of the domain that nothing proves.
    let mut net = with_test().await;
    let wrong = net.authority.issue(crate::certificates::Wanted::new("other.example.org"));
    net.implicit(465, Speaks::Submission, wrong, listens(&heard)).await;
    let elsewhere = Record::Srv(Srv::new(0, 1, 993, "mail.example.net"));
    net.world.unsigned("_imaps._tcp.example.org", RecordType::Srv, elsewhere);
    let tls = net.authority.issue(crate::certificates::Wanted::new("mail.example.net"));
    let port = net.implicit(9, Speaks::Imap, tls, listens(&heard)).await;
    net.at_host("mail.example.net", 993, port);
    net.world.forget("_pop3s._tcp.example.org", RecordType::Srv);
    let report = net.examine().await;
    let told: Vec<_> = report.findings.iter().map(|finding| finding.check).collect();
    assert!(told.contains(&"login-withheld") && told.contains(&"test-withheld"), "{told:?}");
    let heard = heard.lock().unwrap();
    assert!(
        heard.iter().any(|line| line.starts_with("EHLO")) && heard.iter().any(|line| line == "CAPABILITY")
    );
    assert!(!heard.iter().any(|line| line.starts_with("AUTH")), "{heard:?}");
}

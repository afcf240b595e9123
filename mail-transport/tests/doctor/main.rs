//! What the doctor says of servers that are wrong in one way each.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

mod certificates;
mod mail;
mod servers;
mod world;

use mailwire_transport::{
    Protocol, Security,
    dns::{Record, RecordType, Srv},
    doctor::{Server, Severity},
};
use rcgen::date_time_ymd;

use self::{
    certificates::Wanted,
    servers::{Speaks, full, normally},
    world::Net,
};

#[tokio::test]
async fn nothing_is_told_where_nothing_is_wrong() {
    let mut net = Net::good().await;
    let tls = net.authority.good();
    net.clear(143, Speaks::Imap, Some(tls.clone()), normally).await;
    net.clear(110, Speaks::Pop3, Some(tls.clone()), normally).await;
    net.implicit(995, Speaks::Pop3, tls.clone(), normally).await;
    net.clear(587, Speaks::Submission, Some(tls), normally).await;
    let report = net.examine().await;
    assert_eq!(net.told(Severity::Warning).await, Vec::<&str>::new());
    let good: Vec<_> = report.findings.iter().map(|finding| finding.check).collect();
    for check in ["settings-found", "port-open", "certificate-good", "tls-versions", "mechanisms"] {
        assert!(good.contains(&check), "{check}: {good:?}");
    }
    assert_eq!(report.hosts, ["mail.example.org"]);
}

/// Each is the certificate of all servers: told once, as an error.
#[tokio::test]
async fn certificates() {
    let name = "mail.example.org";
    let expired = || {
        let mut wanted = Wanted::new(name);
        wanted.params.not_after = date_time_ymd(2021, 1, 1);
        wanted
    };
    let not_yet = || {
        let mut wanted = Wanted::new(name);
        wanted.params.not_before = date_time_ymd(2090, 1, 1);
        wanted
    };
    let alone = || Wanted { sends_issuer: false, ..Wanted::new(name) };
    let own = || Wanted { is_own_issuer: true, ..Wanted::new(name) };
    for (wanted, check) in [
        (expired(), "certificate-expired"),
        (not_yet(), "certificate-not-yet"),
        (Wanted::new("other.example.org"), "certificate-name"),
        (alone(), "certificate-chain"),
        (own(), "certificate-self-signed"),
    ] {
        let mut net = Net::new();
        let tls = net.authority.issue(wanted);
        net.all_with(&tls).await;
        assert_eq!(net.told(Severity::Warning).await, [check]);
    }
}

#[tokio::test]
async fn what_is_stapled() {
    for (staple, check) in [(Vec::new(), "staple-missing"), (vec![0x30, 0], "staple-useless")] {
        let mut net = Net::new();
        let wanted = Wanted { staple, ..Wanted::new("mail.example.org").must_staple() };
        let tls = net.authority.issue(wanted);
        net.all_with(&tls).await;
        assert_eq!(net.told(Severity::Warning).await, [check]);
    }
}

#[tokio::test]
async fn old_versions() {
    let mut net = Net::good().await;
    net.old(993, 1).await;
    assert_eq!(net.told(Severity::Warning).await, ["tls-old-only"]);
}

#[tokio::test]
async fn ports_without_servers() {
    let mut net = Net::good().await;
    net.at_host("mail.example.org", 993, 1);
    assert_eq!(net.told(Severity::Warning).await, ["port-closed"]);

    let mut net = Net::good().await;
    let (port, _waiting, _listener) = full().await;
    net.at_host("mail.example.org", 465, port);
    net.options.timeout = std::time::Duration::from_secs(2);
    assert_eq!(net.told(Severity::Warning).await, ["port-dropped"]);
}

#[tokio::test]
async fn wrong_protocols() {
    let mut net = Net::good().await;
    let tls = net.authority.good();
    net.implicit(993, Speaks::Pop3, tls, normally).await;
    assert_eq!(net.told(Severity::Warning).await, ["protocol-wrong"]);

    // In clear where TLS should be, TLS where clear should be.
    let mut net = Net::good().await;
    net.clear(993, Speaks::Imap, None, normally).await;
    assert_eq!(net.told(Severity::Warning).await, ["tls-not-spoken"]);
    let mut net = Net::good().await;
    let tls = net.authority.good();
    net.implicit(25, Speaks::Smtp, tls, normally).await;
    net.options.timeout = std::time::Duration::from_secs(2);
    assert_eq!(net.told(Severity::Warning).await, ["protocol-wrong"]);
}

#[tokio::test]
async fn greetings() {
    let refuses = |line: &str, _| line.is_empty().then(|| "554 5.7.1 go away".to_owned());
    let mut net = Net::good().await;
    let tls = net.authority.good();
    net.implicit(465, Speaks::Submission, tls.clone(), refuses).await;
    assert_eq!(net.told(Severity::Warning).await, ["greeting-refuses"]);
    net.implicit(465, Speaks::Submission, tls, |_, _| Some(String::new())).await;
    assert_eq!(net.told(Severity::Warning).await, ["greeting-none"]);
}

#[tokio::test]
async fn starttls() {
    // Not there, at the port that other servers deliver to and at one for users.
    let mut net = Net::good().await;
    net.clear(25, Speaks::Smtp, None, normally).await;
    assert_eq!(net.told(Severity::Warning).await, ["starttls-missing"]);
    let mut net = Net::good().await;
    net.world.forget("_submissions._tcp.example.org", RecordType::Srv);
    net.world.srv("_submission", 587, "mail.example.org");
    // Passwords are taken in clear then, which follows from it.
    let says = |line: &str, _| {
        line.starts_with("EHLO").then(|| {
            "250-mail\r\n250-AUTH PLAIN\r\n250-SIZE 1\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8"
                .to_owned()
        })
    };
    net.clear(587, Speaks::Submission, None, says).await;
    assert_eq!(net.told(Severity::Error).await, ["starttls-missing"]);
    // Overwritten on the way.
    let says =
        |line: &str, _| line.starts_with("EHLO").then(|| "250-mail\r\n250-SIZE 1\r\n250 XXXXXXXX".to_owned());
    net.clear(587, Speaks::Submission, None, says).await;
    assert_eq!(net.told(Severity::Error).await, ["starttls-stripped"]);
    // Offered, and then refused.
    let tls = net.authority.good();
    let says = |line: &str, _| (line == "STARTTLS").then(|| "454 4.7.0 not now".to_owned());
    net.clear(587, Speaks::Submission, Some(tls), says).await;
    assert_eq!(net.told(Severity::Error).await, ["starttls-refused"]);
}

#[tokio::test]
async fn passwords_in_clear() {
    let mut net = Net::good().await;
    let tls = net.authority.good();
    let says = |line: &str, is_tls: bool| {
        (line == "CAPABILITY" && !is_tls)
            .then(|| "* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN\r\n~ OK done".to_owned())
    };
    net.clear(143, Speaks::Imap, Some(tls), says).await;
    assert_eq!(net.told(Severity::Warning).await, ["password-in-clear"]);
}

#[tokio::test]
async fn what_is_offered() {
    let mut net = Net::good().await;
    let tls = net.authority.good();
    let says = |line: &str, _| line.starts_with("EHLO").then(|| "250-mail\r\n250 AUTH PLAIN".to_owned());
    net.implicit(465, Speaks::Submission, tls.clone(), says).await;
    assert_eq!(net.told(Severity::Warning).await, ["capabilities-missing"]);
    let says = |line: &str, _| {
        line.starts_with("EHLO")
            .then(|| "250-mail\r\n250-SIZE\r\n250-PIPELINING\r\n250-SMTPUTF8\r\n250 8BITMIME".to_owned())
    };
    net.implicit(465, Speaks::Submission, tls.clone(), says).await;
    assert_eq!(net.told(Severity::Warning).await, ["login-not-offered"]);
    let says = |line: &str, _| line.starts_with("EHLO").then(|| "502 what".to_owned());
    net.implicit(465, Speaks::Submission, tls, says).await;
    assert_eq!(net.told(Severity::Warning).await, ["capabilities-none"]);
}

#[tokio::test]
async fn discovery() {
    // Nobody tells.
    let mut net = Net::good().await;
    net.world.forget("_imaps._tcp.example.org", RecordType::Srv);
    net.world.forget("_submissions._tcp.example.org", RecordType::Srv);
    net.options.discovery.guesses = false;
    assert_eq!(net.told(Severity::Warning).await, ["settings-none"]);
    // Servers that are given are not looked for.
    let server = Server::new(Protocol::Imap, "mail.example.org", Security::implicit_tls());
    net.options.servers = Some(vec![server]);
    assert_eq!(net.told(Severity::Warning).await, Vec::<&str>::new());
    // Two who tell different hosts.
    let net = Net::good().await;
    net.world.document(
        "https://example.org/.well-known/autoconfig/mail/config-v1.1.xml",
        "<clientConfig><emailProvider id=\"x\"><domain>example.org</domain>
         <incomingServer type=\"imap\"><hostname>old.example.org</hostname><port>993</port><socketType>SSL</socketType>
         <username>%EMAILADDRESS%</username><authentication>password-cleartext</authentication></incomingServer>
         </emailProvider></clientConfig>",
    );
    assert!(net.told(Severity::Warning).await.contains(&"settings-contradict"));
    // Out of the domain without a signature.
    let net = Net::good().await;
    let elsewhere = Record::Srv(Srv::new(0, 1, 993, "mail.example.net"));
    net.world.unsigned("_imaps._tcp.example.org", RecordType::Srv, elsewhere);
    assert!(net.told(Severity::Warning).await.contains(&"settings-doubtful"));
}

#[tokio::test]
async fn what_will_be_done_is_told_before() {
    let net = Net::new();
    let plan = net.doctor().plan("anna@example.org").unwrap();
    let text = plan.iter().map(|step| step.what.as_str()).collect::<Vec<_>>().join("\n");
    assert!(text.contains("anna@example.org") && text.contains("nobody logs in"), "{text}");
    assert!(net.doctor().plan("anna").is_err());
}

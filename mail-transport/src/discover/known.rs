//! Large providers whose domains tell nothing, or whose servers are in another domain.

use super::{Address, Authentication, Found, OAuth, Settings, Source, Trust};
use crate::{
    Protocol::{self, Imap, Pop3, Submission},
    Security,
    dns::is_within,
};

const TLS: Security = Security::implicit_tls();
const STARTTLS: Security = Security::required_starttls();

/// A provider that this crate knows: a row of [`KNOWN`].
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its name for people.
    pub name: &'static str,
    /// The domains of its addresses.
    pub domains: &'static [&'static str],
    /// The domains of the hosts that take mail for it (MX), and for domains of its customers.
    pub mx: &'static [&'static str],
    /// Its servers, the preferred one first, at the registered ports.
    pub servers: &'static [(Protocol, &'static str, Security)],
    /// Who issues its OAuth tokens, where it takes some.
    pub issuer: Option<&'static str>,
    /// Whether it takes passwords, if only such as are made for one program.
    pub has_passwords: bool,
    /// The provider's own page about it.
    pub source: &'static str,
    /// The month of which the page is known to have said so.
    pub as_of: &'static str,
}

/// The providers that this crate knows. What one of them tells itself, signed, is preferred to it.
///
/// A row is no promise of the provider's: it says as of when its page was like that, and servers are tried before they are
/// told (see [`Checked`](super::Checked)). What was compared with somebody else's table are the hosts that take mail from users of
/// AOL, Fastmail, Gmail, iCloud, Outlook.com, Microsoft 365 and Yahoo: nodemailer 6.9 has the same. The rest was not.
pub const KNOWN: &[Known] = &[
    Known {
        name: "AOL",
        domains: &["aol.com", "aim.com"],
        mx: &[],
        servers: &[
            (Imap, "imap.aol.com", TLS),
            (Pop3, "pop.aol.com", TLS),
            (Submission, "smtp.aol.com", TLS),
        ],
        issuer: Some("api.login.aol.com"),
        has_passwords: true,
        source: "https://help.aol.com/articles/how-do-i-use-other-email-applications-to-send-and-receive-my-aol-mail",
        as_of: "2025-01",
    },
    Known {
        name: "Fastmail",
        domains: &["fastmail.com", "fastmail.fm", "sent.com"],
        mx: &["messagingengine.com"],
        servers: &[
            (Imap, "imap.fastmail.com", TLS),
            (Pop3, "pop.fastmail.com", TLS),
            (Submission, "smtp.fastmail.com", TLS),
        ],
        issuer: None,
        has_passwords: true,
        source: "https://www.fastmail.help/hc/en-us/articles/1500000278342",
        as_of: "2025-01",
    },
    Known {
        name: "Gmail",
        domains: &["gmail.com", "googlemail.com"],
        mx: &["google.com", "googlemail.com"],
        servers: &[
            (Imap, "imap.gmail.com", TLS),
            (Pop3, "pop.gmail.com", TLS),
            (Submission, "smtp.gmail.com", TLS),
            (Submission, "smtp.gmail.com", STARTTLS),
        ],
        issuer: Some("https://accounts.google.com"),
        has_passwords: true,
        source: "https://support.google.com/mail/answer/7126229",
        as_of: "2025-01",
    },
    Known {
        name: "GMX",
        domains: &["gmx.net", "gmx.de", "gmx.at", "gmx.ch"],
        mx: &[],
        servers: &[
            (Imap, "imap.gmx.net", TLS),
            (Pop3, "pop.gmx.net", TLS),
            (Submission, "mail.gmx.net", TLS),
            (Submission, "mail.gmx.net", STARTTLS),
        ],
        issuer: None,
        has_passwords: true,
        source: "https://hilfe.gmx.net/pop-imap/imap/imap-serverdaten.html",
        as_of: "2025-01",
    },
    Known {
        name: "iCloud",
        domains: &["icloud.com", "me.com", "mac.com"],
        mx: &["mail.icloud.com"],
        servers: &[(Imap, "imap.mail.me.com", TLS), (Submission, "smtp.mail.me.com", STARTTLS)],
        issuer: None,
        has_passwords: true,
        source: "https://support.apple.com/102525",
        as_of: "2025-01",
    },
    Known {
        name: "mailbox.org",
        domains: &["mailbox.org"],
        mx: &["mailbox.org"],
        servers: &[
            (Imap, "imap.mailbox.org", TLS),
            (Pop3, "pop3.mailbox.org", TLS),
            (Submission, "smtp.mailbox.org", TLS),
            (Submission, "smtp.mailbox.org", STARTTLS),
        ],
        issuer: None,
        has_passwords: true,
        source: "https://kb.mailbox.org/en/private/e-mail-article/setup-imap-smtp-in-e-mail-client",
        as_of: "2025-01",
    },
    Known {
        name: "Outlook.com",
        domains: &["outlook.com", "hotmail.com", "live.com", "msn.com"],
        mx: &["olc.protection.outlook.com"],
        servers: &[
            (Imap, "outlook.office365.com", TLS),
            (Pop3, "outlook.office365.com", TLS),
            (Submission, "smtp-mail.outlook.com", STARTTLS),
        ],
        issuer: Some("https://login.microsoftonline.com/common/v2.0"),
        has_passwords: false,
        source: "https://support.microsoft.com/office/pop-imap-and-smtp-settings-for-outlook-com-d088b986-291d-42b8-9564-9c414e2aa040",
        as_of: "2025-01",
    },
    Known {
        name: "Microsoft 365",
        domains: &[],
        mx: &["mail.protection.outlook.com", "mx.microsoft"],
        servers: &[
            (Imap, "outlook.office365.com", TLS),
            (Pop3, "outlook.office365.com", TLS),
            (Submission, "smtp.office365.com", STARTTLS),
        ],
        issuer: Some("https://login.microsoftonline.com/common/v2.0"),
        has_passwords: false,
        source: "https://learn.microsoft.com/exchange/clients-and-mobile-in-exchange-online/pop3-and-imap4/pop3-and-imap4",
        as_of: "2025-01",
    },
    Known {
        name: "Posteo",
        domains: &["posteo.de", "posteo.net", "posteo.org", "posteo.eu"],
        mx: &["posteo.de"],
        servers: &[(Imap, "posteo.de", TLS), (Pop3, "posteo.de", TLS), (Submission, "posteo.de", TLS)],
        issuer: None,
        has_passwords: true,
        source: "https://posteo.de/en/help/how-do-i-set-up-posteo-in-an-email-client-pop3-imap-and-smtp",
        as_of: "2025-01",
    },
    Known {
        name: "WEB.DE",
        domains: &["web.de"],
        mx: &[],
        servers: &[
            (Imap, "imap.web.de", TLS),
            (Pop3, "pop3.web.de", TLS),
            (Submission, "smtp.web.de", TLS),
            (Submission, "smtp.web.de", STARTTLS),
        ],
        issuer: None,
        has_passwords: true,
        source: "https://hilfe.web.de/pop-imap/imap/imap-serverdaten.html",
        as_of: "2025-01",
    },
    Known {
        name: "Yahoo",
        domains: &["yahoo.com", "ymail.com", "rocketmail.com"],
        mx: &["yahoodns.net"],
        servers: &[
            (Imap, "imap.mail.yahoo.com", TLS),
            (Pop3, "pop.mail.yahoo.com", TLS),
            (Submission, "smtp.mail.yahoo.com", TLS),
            (Submission, "smtp.mail.yahoo.com", STARTTLS),
        ],
        issuer: Some("api.login.yahoo.com"),
        has_passwords: true,
        source: "https://help.yahoo.com/kb/SLN4075.html",
        as_of: "2025-01",
    },
];

/// The settings of the provider whose domain it is.
pub(super) fn of_domain(address: &Address<'_>) -> Vec<Settings> {
    let known = KNOWN.iter().find(|known| known.domains.contains(&address.domain.as_str()));
    known.map_or_else(Vec::new, |known| settings(known, address, known.source, Trust::Table))
}

/// The settings of the provider that takes the domain's mail at this host.
pub(super) fn of_mx(address: &Address<'_>, host: &str, trust: Trust) -> Vec<Settings> {
    let known = KNOWN.iter().find(|known| known.mx.iter().any(|domain| is_within(host, domain)));
    let place = format!("MX {host}");
    known.map_or_else(Vec::new, |known| settings(known, address, &place, trust))
}

fn settings(known: &Known, address: &Address<'_>, place: &str, trust: Trust) -> Vec<Settings> {
    let all = known.servers.iter().zip(0..).map(|(&(protocol, host, security), order)| {
        let found = Found::new(Source::Known, place, trust);
        let port = security.default_port(protocol);
        let mut settings = Settings::new((protocol, security), host.to_owned(), port, address, found);
        settings.order = order;
        settings.provider = Some(known.name.to_owned());
        if let Some(issuer) = known.issuer {
            settings.authentication.push(Authentication::OAuth2);
            settings.oauth = Some(OAuth { issuer: Some(issuer.to_owned()), ..OAuth::default() });
        }
        if known.has_passwords {
            settings.authentication.push(Authentication::Password);
        }
        settings
    });
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::host_name;

    #[test]
    fn each_row_is_whole() {
        for known in KNOWN {
            assert!(known.servers.iter().any(|(protocol, ..)| *protocol == Imap), "{}", known.name);
            assert!(known.servers.iter().any(|(protocol, ..)| *protocol == Submission), "{}", known.name);
            assert!(known.issuer.is_some() || known.has_passwords, "{}", known.name);
            assert!(!known.domains.is_empty() || !known.mx.is_empty(), "{}", known.name);
            let hosts = known.servers.iter().map(|(_, host, _)| host);
            for host in hosts.chain(known.domains).chain(known.mx) {
                assert_eq!(host_name(host).as_deref(), Some(*host), "{}", known.name);
            }
            // Nothing without TLS, and nothing where it is taken only if it is offered.
            let is_safe = |security| security == TLS || security == STARTTLS;
            assert!(known.servers.iter().all(|(.., security)| is_safe(*security)), "{}", known.name);
            let (year, month) = known.as_of.split_once('-').unwrap();
            let (year, month): (u16, u8) = (year.parse().unwrap(), month.parse().unwrap());
            assert!((2025..2100).contains(&year) && (1..=12).contains(&month), "{}", known.name);
            assert_eq!(known.as_of, format!("{year:04}-{month:02}"));
            assert!(crate::http::Url::parse(known.source).is_ok(), "{}", known.source);
            if let Some(issuer) = known.issuer {
                let host = issuer.strip_prefix("https://").unwrap_or(issuer).split('/').next();
                assert_eq!(host.and_then(host_name).as_deref(), host, "{}", known.name);
            }
        }
        // Nobody is found in two rows.
        for of in [|known: &Known| known.domains, |known: &Known| known.mx] {
            let mut domains: Vec<_> = KNOWN.iter().flat_map(of).collect();
            let count = domains.len();
            domains.sort_unstable();
            domains.dedup();
            assert_eq!(domains.len(), count);
        }
    }
}

//! Logging in, where credentials were given for that: at servers that prove who they are, and that are the address's for certain.

use super::{
    Doctor, Finding, Server,
    checks::servers::{LOGIN_FAILS, LOGIN_REFUSED, LOGIN_WITHHELD, LOGIN_WORKS},
    offered,
    port::{Examined, Port, name},
};
use crate::{
    Endpoint, Error, Login, Protocol, Result, dns::Resolver, http::Http, imap, pop3, sasl::Credentials, smtp,
};

/// A server where somebody could log in.
pub(super) struct Account {
    pub(super) server: Server,
    pub(super) endpoint: Endpoint,
}

impl<R: Resolver, H: Http> Doctor<R, H> {
    /// Logs in at each server that somebody tells of, and returns those where it worked.
    pub(super) async fn log_in(
        &self,
        examined: &[(Port, Examined)],
        credentials: &Credentials,
        findings: &mut Vec<Finding>,
    ) -> Vec<Account> {
        let mut accounts = Vec::new();
        for (port, examined) in examined.iter().filter(|(port, _)| port.is_used) {
            let server = &port.server;
            // What keeps programs from connecting is told already.
            let Some(endpoint) = examined.endpoint.as_ref().filter(|_| examined.is_verified) else {
                continue;
            };
            if server.protocol == Protocol::Smtp {
                continue;
            }
            let subject = server.to_string();
            if let Some(doubt) = server.doubt {
                let what = format!("Nobody logs in there: {doubt}.");
                let remedy = "If it is the right server, name it instead of having it looked for.";
                findings.push(Finding::new(&LOGIN_WITHHELD, subject, what).with_remedy(remedy));
                continue;
            }
            self.step(&format!("logging in at {server}"));
            let endpoint = endpoint.clone().protected(server.security);
            let outcome = match server.protocol {
                Protocol::Imap => self.by_imap(&endpoint, credentials, &subject, findings).await,
                Protocol::Pop3 => by_pop3(&endpoint, credentials).await,
                _ => by_submission(&endpoint, credentials).await,
            };
            match outcome {
                Ok(login) => {
                    findings.push(works(&subject, server.protocol, login.as_ref()));
                    accounts.push(Account { server: server.clone(), endpoint });
                }
                Err(error) => findings.push(fails(subject, server.protocol, &error)),
            }
        }
        accounts
    }

    async fn by_imap(
        &self,
        endpoint: &Endpoint,
        credentials: &Credentials,
        subject: &str,
        findings: &mut Vec<Finding>,
    ) -> Result<Option<Login>> {
        let config = imap::Config::login(credentials.clone());
        let mut client = imap::Client::connect_with(endpoint.clone(), config).await?;
        let words: Vec<_> = client.capability().await?.iter().map(ToString::to_string).collect();
        findings.extend(offered::after_login(subject, &words));
        let login = client.login().cloned();
        // It was there, however it ends.
        let _ = client.logout().await;
        Ok(login)
    }
}

async fn by_pop3(endpoint: &Endpoint, credentials: &Credentials) -> Result<Option<Login>> {
    let client = pop3::Client::connect(endpoint.clone(), credentials).await?;
    let login = client.login().cloned();
    let _ = client.quit().await;
    Ok(login)
}

async fn by_submission(endpoint: &Endpoint, credentials: &Credentials) -> Result<Option<Login>> {
    let client = smtp::Client::connect(endpoint.clone(), credentials).await?;
    let login = client.login().cloned();
    let _ = client.quit().await;
    Ok(login)
}

fn works(subject: &str, protocol: Protocol, login: Option<&Login>) -> Finding {
    let what = format!("Logging in by {} works.", name(protocol));
    let finding = Finding::new(&LOGIN_WORKS, subject, what);
    match login.and_then(|login| login.mechanism.as_ref()) {
        Some(mechanism) => finding.with_detail("mechanism", mechanism),
        None => finding,
    }
}

fn fails(subject: String, protocol: Protocol, error: &Error) -> Finding {
    let finding = match error.is_authentication() {
        true => {
            let what = "The server does not accept the name and password.";
            let remedy = "Try the name without the part after the @, or an app password where the provider wants one; see that the account is not locked.";
            Finding::new(&LOGIN_REFUSED, subject, what).with_remedy(remedy)
        }
        false => {
            let what =
                format!("Logging in by {} fails, though not for the name or password.", name(protocol));
            let remedy =
                "See in the server's log why; mostly the service that knows the users does not answer.";
            Finding::new(&LOGIN_FAILS, subject, what).with_remedy(remedy)
        }
    };
    finding.with_detail("error", error)
}

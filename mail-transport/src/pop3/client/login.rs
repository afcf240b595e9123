//! From the greeting to the maildrop.

use mailwire_core::Secret;
use mailwire_pop3::{
    ApopDigest, Command, Password, ResponseCode, UserName,
    client::{Connection, Event},
};
use md5::{Digest, Md5};

use super::{Call, Config, LoginMechanism, accept, answer, refused, send, unclaimed};
use crate::{
    Error, Result,
    sasl::{ClientExchange, Credentials, Mechanism, SaslContext, SaslError, prepare::for_digest},
    session::{AuthEvent, Session},
};

/// Waits until the server is there, TLS is up and it is known what is offered.
pub(super) async fn greet(session: &mut Session<Connection>) -> Result<()> {
    loop {
        match session.next().await? {
            Some(Event::Greeting { greeting, .. }) if !greeting.ok => {
                let code = greeting.code.as_ref().map(ResponseCode::as_text);
                let error = refused("the connection", code, &greeting.text).into();
                return Err(session.failed(error));
            }
            Some(Event::Capabilities(_)) | None => return Ok(()),
            Some(event) => unclaimed(event),
        }
    }
}

/// What is said before the login, where the server offers it. A refusal changes nothing.
pub(super) async fn introduce(session: &mut Session<Connection>, config: &Config) -> Result<()> {
    let machine = session.machine_ref();
    let offers = |tag| machine.capabilities().has_tag(tag);
    let xclient = config.xclient.clone().filter(|_| machine.offers_xclient()).map(Command::Xclient);
    let utf8 = (config.utf8 && offers("UTF8")).then_some(Command::Utf8);
    let lang = config.language.clone().filter(|_| offers("LANG")).map(|range| Command::Lang(Some(range)));
    for command in [xclient, utf8, lang].into_iter().flatten() {
        let call = send(session, command)?;
        match answer(session, call).await {
            Err(Error::Refused(refused)) => crate::traces::debug!(%refused, "goes on without it"),
            result => drop(result?),
        }
    }
    Ok(())
}

enum Plan<'a> {
    Sasl(Box<ClientExchange>),
    Apop(&'a str, &'a Secret),
    UserPass(&'a str, &'a Secret),
}

pub(super) async fn log_in(session: &mut Session<Connection>, config: &Config) -> Result<()> {
    let given = &config.credentials;
    let credentials = session.credentials(given).await?;
    let Err(error) = log_in_by(session, &credentials, config).await else { return Ok(()) };
    let renewed = session.renewed(given, &credentials, error).await?;
    log_in_by(session, &renewed, config).await
}

async fn log_in_by(
    session: &mut Session<Connection>,
    credentials: &Credentials,
    config: &Config,
) -> Result<()> {
    let context = session.sasl_context(
        config.allow_clear_credentials,
        config.binding_fallback,
        config.scram_iterations,
    );
    let permits_password = context.policy().permits_password();
    let plan = match &config.mechanism {
        None => best(session.machine_ref(), credentials, &context)?,
        Some(LoginMechanism::Sasl(mechanism)) => {
            Plan::Sasl(Box::new(ClientExchange::with_mechanism(credentials, mechanism, &context)?))
        }
        Some(LoginMechanism::Apop) => {
            let (user, password) = credentials.name_and_password()?;
            Plan::Apop(user, password)
        }
        Some(LoginMechanism::UserPass) => {
            let (user, password) = credentials.name_and_password()?;
            if !permits_password {
                return Err(SaslError::CredentialsInClear.into());
            }
            Plan::UserPass(user, password)
        }
    };
    match plan {
        Plan::Sasl(exchange) => {
            let mechanism = exchange.mechanism().clone();
            let Err(error) = authenticate(session, *exchange).await else { return Ok(()) };
            if config.mechanism.is_some() {
                return Err(error);
            }
            let offered = session.machine_ref().capabilities().mechanisms();
            let unbound = session.without_binding(&error, &mechanism, offered, credentials, &context);
            let Some(exchange) = unbound else { return Err(error) };
            authenticate(session, exchange?).await?;
            session.note_unbound();
            Ok(())
        }
        Plan::UserPass(user, password) => user_pass(session, user, password).await,
        Plan::Apop(user, password) => match apop(session, user, password).await {
            Err(Error::Refused(refused))
                if config.mechanism.is_none() && refused.code.is_none() && permits_password =>
            {
                user_pass(session, user, password).await
            }
            result => result,
        },
    }
}

/// The best way that the server offers.
fn best<'a>(machine: &Connection, credentials: &'a Credentials, context: &SaslContext) -> Result<Plan<'a>> {
    let offered = machine.capabilities();
    let simple = credentials.name_and_password().ok();
    let apop = simple.filter(|_| machine.timestamp().is_some());
    let needs_tls = !machine.is_tls() && offered.has_tag("STLS");
    let none_fits = |error: SaslError| error.needing_tls(needs_tls).into();
    match (ClientExchange::choose(credentials, offered.mechanisms(), context), apop) {
        (Ok(exchange), Some((user, password)))
            if exchange.mechanism().shows_secret() && !machine.is_tls() =>
        {
            Ok(Plan::Apop(user, password))
        }
        // USER and PASS are PLAIN, which comes before it where nobody can listen.
        (Ok(exchange), _)
            if *exchange.mechanism() == Mechanism::CramMd5
                && context.is_protected()
                && offered.has_tag("USER") =>
        {
            match (apop, simple) {
                (Some((user, password)), _) => Ok(Plan::Apop(user, password)),
                (None, Some((user, password))) => Ok(Plan::UserPass(user, password)),
                (None, None) => Ok(Plan::Sasl(Box::new(exchange))),
            }
        }
        (Ok(exchange), _) => Ok(Plan::Sasl(Box::new(exchange))),
        (Err(SaslError::NoMechanism { .. } | SaslError::CredentialsInClear), Some((user, password))) => {
            Ok(Plan::Apop(user, password))
        }
        (Err(error @ SaslError::NoMechanism { .. }), None) => match simple {
            // A server that lists mechanisms and not USER does not have it.
            Some(_) if offered.has_tag("SASL") && !offered.has_tag("USER") => Err(none_fits(error)),
            Some(_) if !context.policy().permits_password() => Err(SaslError::CredentialsInClear.into()),
            Some((user, password)) => Ok(Plan::UserPass(user, password)),
            None => Err(none_fits(error)),
        },
        (Err(error), _) => Err(error.into()),
    }
}

async fn user_pass(session: &mut Session<Connection>, user: &str, password: &Secret) -> Result<()> {
    let user = Command::User(UserName::new(user)?);
    let pass = Command::Pass(Password::new(password.clone())?);
    let user = send(session, user)?;
    // After a refused USER the machine does not send it, unless both are pipelined.
    let pass = send(session, pass)?;
    answer(session, user).await?;
    answer(session, pass).await?;
    session.logged_in(None);
    Ok(())
}

async fn apop(session: &mut Session<Connection>, user: &str, password: &Secret) -> Result<()> {
    let Some(timestamp) = session.machine_ref().timestamp() else {
        return Err(mailwire_core::Misuse::NotOffered(mailwire_core::NotOffered::Extension("APOP")).into());
    };
    let password = for_digest(password)?;
    let digest = Md5::new().chain_update(timestamp.as_bytes()).chain_update(password.expose()).finalize();
    let digest = ApopDigest::new(digest.into());
    let call = send(session, Command::Apop { name: UserName::new(user)?, digest })?;
    answer(session, call).await?;
    session.logged_in(None);
    Ok(())
}

async fn authenticate(session: &mut Session<Connection>, exchange: ClientExchange) -> Result<()> {
    let mechanism = exchange.mechanism().clone();
    let (exchange, initial) = exchange.initial_blocking().await?;
    let initial = initial?;
    let Call { ticket, name } = send(session, Command::Auth { mechanism, initial })?;
    let read = |_: &Connection, event| match event {
        Event::AuthChallenge { ticket: of, data, .. } if of == ticket => AuthEvent::Challenge(data),
        Event::Malformed { ticket: Some(of), error, .. } if of == ticket => AuthEvent::Cancelled(error),
        Event::Reply { ticket: of, reply, .. } if of == ticket => {
            AuthEvent::Ended(accept(name, reply).map(drop))
        }
        Event::NotSent { ticket: of, reason } if of == ticket => AuthEvent::Ended(Err(reason.into())),
        event => {
            unclaimed(event);
            AuthEvent::Other
        }
    };
    let result = session.authenticate(exchange, read).await;
    result.map_err(|error| session.failed(error))
}

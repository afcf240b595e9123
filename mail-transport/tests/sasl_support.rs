//! The table of mechanisms says what is spoken.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use mailwire_core::Secret;
use mailwire_transport::{
    sasl::{
        Authenticator, Claim, ClientExchange, Credentials, Custom, CustomClient, CustomServer, CustomStep,
        Mechanism, SPOKEN, SaslContext, SaslError, Unavailable,
        support::{MECHANISMS, Support},
    },
    tls::ChannelBindings,
};

/// Each with its row.
fn named() -> impl Iterator<Item = (Mechanism, Support, Support)> {
    MECHANISMS.iter().flat_map(|row| {
        row.names.iter().map(|name| {
            let name = if name.ends_with('-') { format!("{name}X") } else { (*name).to_owned() };
            (Mechanism::new(name).unwrap(), row.client, row.server)
        })
    })
}

fn context() -> SaslContext {
    let bindings = ChannelBindings::new(Some(vec![7; 32]), None);
    SaslContext::protected(bindings).with_external_identity().with_service("imap", "mail.example.org")
}

#[test]
fn none_is_missing() {
    for known in Mechanism::KNOWN.iter().chain(&SPOKEN) {
        assert!(named().any(|(mechanism, ..)| mechanism == *known), "{known} is missing");
    }
}

#[test]
fn a_client_speaks_what_is_whole() {
    for (mechanism, client, _) in named() {
        let all = [
            Credentials::password("tim", "tanstaaf"),
            Credentials::token("tim", "token"),
            Credentials::external(),
            Credentials::anonymous("x"),
        ];
        let speaks = |credentials: &Credentials| {
            ClientExchange::with_mechanism(credentials, &mechanism, &context()).is_ok()
        };
        assert_eq!(all.iter().any(speaks), client == Support::Whole, "{mechanism}");
        let own = Credentials::custom(Custom::new(mechanism.clone(), |_| Ok(Mute)));
        assert!(client == Support::Whole || speaks(&own), "{mechanism}");
    }
}

#[test]
fn a_server_offers_what_is_whole() {
    for (mechanism, _, server) in named() {
        let offers = |own| context().offered_by(&One(mechanism.clone(), own)) == [mechanism.clone()];
        assert_eq!(offers(false), server == Support::Whole, "{mechanism}");
        assert!(server == Support::Nothing || offers(true), "{mechanism}");
    }
}

/// An authenticator that supports one mechanism, of its own or not.
struct One(Mechanism, bool);

impl Authenticator for One {
    fn mechanisms(&self) -> &[Mechanism] {
        std::slice::from_ref(&self.0)
    }

    fn custom(&self, _: &Mechanism) -> Option<Box<dyn CustomServer>> {
        self.1.then(|| Box::new(Mute) as Box<dyn CustomServer>)
    }
}

struct Mute;

impl CustomClient for Mute {
    fn step(&mut self, _: &Secret) -> Result<Secret, SaslError> {
        Err(SaslError::UnexpectedChallenge)
    }

    fn is_done(&self) -> bool {
        false
    }
}

impl CustomServer for Mute {
    fn step<'a>(
        &'a mut self,
        _: Option<&'a Secret>,
        _: &'a mut Claim,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<CustomStep, Unavailable>> + Send + 'a>> {
        Box::pin(async { Ok(CustomStep::Failed) })
    }
}

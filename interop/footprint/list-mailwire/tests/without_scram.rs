//! What is said of SCRAM where it is not compiled in. The workspace's own tests have all features.
#![cfg(not(feature = "scram"))]

use mailwire_transport::imap::proto::Secret;
use mailwire_transport::sasl::{
    ClientExchange, Credentials, Custom, CustomClient, Mechanism, SaslContext, SaslError,
};

const HASHING: [Mechanism; 4] =
    [Mechanism::ScramSha256, Mechanism::ScramSha1Plus, Mechanism::CramMd5, Mechanism::DigestMd5];

/// An application's own mechanism.
struct Own;

impl CustomClient for Own {
    fn step(&mut self, _: &Secret) -> Result<Secret, SaslError> {
        Ok("own".into())
    }

    fn is_done(&self) -> bool {
        true
    }
}

#[test]
fn a_mechanism_that_is_asked_for_by_name() {
    let (credentials, context) = (Credentials::password("tim", "tanstaaf"), SaslContext::clear());
    for mechanism in HASHING {
        let error = ClientExchange::with_mechanism(&credentials, &mechanism, &context).unwrap_err();
        assert_eq!(error, SaslError::NeedsScram(mechanism.clone()));
        assert_eq!(
            error.to_string(),
            format!("{mechanism} needs mailwire-transport's feature scram, which is off")
        );
        assert!(!credentials.mechanisms().contains(&mechanism));
    }
    // What no feature would bring is not available.
    let error = ClientExchange::with_mechanism(&credentials, &Mechanism::External, &context).unwrap_err();
    assert_eq!(error, SaslError::NotAvailable(Mechanism::External));
}

#[test]
fn a_server_that_offers_nothing_else() {
    let credentials = Credentials::password("tim", "tanstaaf");
    let context = SaslContext::clear().allow_clear_credentials(true);
    let chosen = |offered: &[&str]| ClientExchange::choose(&credentials, offered, &context);
    let error = chosen(&["SCRAM-SHA-256", "SCRAM-SHA-1"]).unwrap_err();
    assert!(matches!(error, SaslError::NoMechanism { .. }), "{error:?}");
    assert!(
        error.to_string().ends_with("; SCRAM needs mailwire-transport's feature scram, which is off"),
        "{error}"
    );
    // Of others there is nothing to say, and what needs no hash function works.
    let error = chosen(&["NTLM"]).unwrap_err().to_string();
    assert!(!error.contains("SCRAM"), "{error}");
    assert_eq!(*chosen(&["SCRAM-SHA-256", "PLAIN"]).unwrap().mechanism(), Mechanism::Plain);
}

#[test]
fn an_applications_own_scram_needs_no_feature() {
    let own = || Credentials::custom(Custom::new(Mechanism::ScramSha256, |_| Ok(Own)));
    let context = SaslContext::clear();
    let exchange = ClientExchange::with_mechanism(&own(), &Mechanism::ScramSha256, &context).unwrap();
    assert_eq!(*exchange.mechanism(), Mechanism::ScramSha256);
    assert!(ClientExchange::choose(&own(), ["SCRAM-SHA-256"], &context).is_ok());
}

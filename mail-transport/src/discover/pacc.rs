//! Documents of PACC (draft-bucksch-mailmaint-pacc).

use serde_json::Value;

use super::{Address, Authentication, DocumentError, Found, OAuth, SERVERS, Settings, named};
use crate::{Account, Address as NetworkAddress, Protocol, Security, dns::host_name};

/// Reads a document of PACC for an address: its servers of IMAP, POP3 and SMTP, which always have TLS from the first byte.
/// `found` says where it comes from.
///
/// # Errors
///
/// It is not such a document, or has no server that can be used.
pub fn read_pacc(document: &[u8], address: &str, found: &Found) -> Result<Vec<Settings>, DocumentError> {
    let address = Address::parse(address)?;
    read(document, &address, found)
}

pub(super) fn read(
    document: &[u8],
    address: &Address<'_>,
    found: &Found,
) -> Result<Vec<Settings>, DocumentError> {
    let root: Value = serde_json::from_slice(document).map_err(DocumentError::new)?;
    let servers = root.get("servers").ok_or_else(|| DocumentError::new("no document of PACC"))?;
    let provider = root.pointer("/provider/name").and_then(Value::as_str).and_then(named);
    let issuer = root.pointer("/oAuth2/issuer").and_then(Value::as_str).and_then(named);
    let known = [("imap", Protocol::Imap), ("pop3", Protocol::Pop3), ("smtp", Protocol::Submission)];
    let read = known.into_iter().filter_map(|(name, protocol)| {
        let mut settings = server(servers.get(name)?, protocol, address, found)?;
        settings.provider = provider.clone();
        if settings.authentication.contains(&Authentication::OAuth2) {
            settings.oauth = issuer.clone().map(|issuer| OAuth { issuer: Some(issuer), ..OAuth::default() });
        }
        Some(settings)
    });
    super::at_least_one(read.collect())
}

fn server(value: &Value, protocol: Protocol, address: &Address<'_>, found: &Found) -> Option<Settings> {
    let account = Account::parse(value.get("url")?.as_str()?).ok()?;
    let is_asked_for = account.protocol() == protocol
        && account.endpoint().security() == Security::implicit_tls()
        && account.user().is_none()
        && account.mailbox().is_none();
    let (true, NetworkAddress::Tcp { host, port }) = (is_asked_for, account.endpoint().address()) else {
        return None;
    };
    let how = (protocol, Security::implicit_tls());
    let mut settings = Settings::new(how, host_name(host)?, *port, address, found.clone());
    let methods = value.get("authentication").and_then(Value::as_array);
    settings.authentication = methods
        .into_iter()
        .flatten()
        .take(SERVERS)
        .filter_map(|method| authentication(method.as_str()?))
        .collect();
    Some(settings)
}

fn authentication(method: &str) -> Option<Authentication> {
    match method.to_ascii_lowercase().as_str() {
        "oauth2" => Some(Authentication::OAuth2),
        "native" => Some(Authentication::Password),
        lower => lower
            .strip_prefix("sasl-")
            .and_then(named)
            .map(|name| Authentication::Sasl(name.to_ascii_uppercase())),
    }
}

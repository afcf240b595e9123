//! Mozilla's autoconfig documents.

use super::{Address, Authentication, DocumentError, Found, OAuth, SERVERS, Settings, named, xml::Element};
use crate::{Protocol, Security, dns::host_name, http::Url};

/// Reads a [document of autoconfig](https://datatracker.ietf.org/doc/draft-ietf-mailmaint-autoconfig/), versions 1.1 and 1.2, for
/// an address: its servers of IMAP, POP3 and SMTP with TLS, the preferred one first. `found` says where it comes from: from the
/// provider over HTTPS as [`Discovery`](super::Discovery) does it, or from a file of the caller's.
///
/// # Errors
///
/// It is not such a document, or has no server that can be used.
///
/// # Examples
///
/// ```
/// use mailwire_transport::discover::{Found, Source, Trust, read_autoconfig};
///
/// let document = r#"<clientConfig version="1.1"><emailProvider id="example.org"><incomingServer type="imap">
///     <hostname>imap.%EMAILDOMAIN%</hostname><port>993</port><socketType>SSL</socketType>
///     <username>%EMAILLOCALPART%</username><authentication>password-cleartext</authentication>
/// </incomingServer></emailProvider></clientConfig>"#;
/// let found = Found::new(Source::Autoconfig, "/etc/mail/example.org.xml", Trust::Table);
/// let settings = read_autoconfig(document.as_bytes(), "anna@example.org", &found)?;
/// assert_eq!((settings[0].host.as_str(), settings[0].user.as_str()), ("imap.example.org", "anna"));
/// # Ok::<(), mailwire_transport::discover::DocumentError>(())
/// ```
pub fn read_autoconfig(
    document: &[u8],
    address: &str,
    found: &Found,
) -> Result<Vec<Settings>, DocumentError> {
    let address = Address::parse(address)?;
    read(document, &address, found)
}

pub(super) fn read(
    document: &[u8],
    address: &Address<'_>,
    found: &Found,
) -> Result<Vec<Settings>, DocumentError> {
    let root = Element::parse(document)?;
    let provider = root
        .named("clientConfig")
        .and_then(|root| root.first("emailProvider"))
        .ok_or_else(|| DocumentError::new("no document of autoconfig"))?;
    let oauth =
        root.first("oAuth2").or_else(|| provider.first("oAuth2")).map(|element| oauth(element, address));
    let name = provider.text_of("displayName").and_then(|name| named(&address.fill(name)));
    let servers = provider.all("incomingServer").chain(provider.all("outgoingServer")).take(SERVERS);
    let read = servers.zip(0..).filter_map(|(element, order)| {
        let mut settings = server(element, address, found)?;
        settings.order = order;
        settings.oauth = oauth.clone().filter(|_| settings.authentication.contains(&Authentication::OAuth2));
        settings.provider = name.clone();
        Some(settings)
    });
    super::at_least_one(read.collect())
}

fn server(element: &Element, address: &Address<'_>, found: &Found) -> Option<Settings> {
    let is_incoming = element.named("incomingServer").is_some();
    let protocol = match (is_incoming, element.attribute("type")?.to_ascii_lowercase().as_str()) {
        (true, "imap") => Protocol::Imap,
        (true, "pop3") => Protocol::Pop3,
        (false, "smtp") => Protocol::Submission,
        _ => return None,
    };
    // What goes in clear is none: RFC 8314 section 5.1.
    let security = match element.text_of("socketType")?.to_ascii_lowercase().as_str() {
        "ssl" | "tls" => Security::implicit_tls(),
        "starttls" => Security::required_starttls(),
        _ => return None,
    };
    let host = host_name(&address.fill(element.text_of("hostname")?))?;
    let port = match element.text_of("port") {
        Some(port) => port.parse().ok().filter(|&port| port > 0)?,
        None => security.default_port(protocol),
    };
    let mut settings = Settings::new((protocol, security), host, port, address, found.clone());
    if let Some(user) = element.text_of("username") {
        settings.user = named(&address.fill(user))?;
    }
    settings.authentication =
        element.all("authentication").take(SERVERS).filter_map(authentication).collect();
    Some(settings)
}

fn authentication(element: &Element) -> Option<Authentication> {
    let text = element.text();
    match element.attribute("system") {
        Some("sasl") => return named(text).map(Authentication::Sasl),
        Some("http") => return None,
        _ => {}
    }
    Some(match text.to_ascii_lowercase().as_str() {
        // The second is what the first was called before.
        "password-cleartext" | "plain" => Authentication::Password,
        "password-encrypted" | "secure" => Authentication::Proof,
        "oauth2" | "oauth" => Authentication::OAuth2,
        "tls-client-cert" => Authentication::ClientCertificate,
        "gssapi" => Authentication::Gssapi,
        "ntlm" => Authentication::Ntlm,
        "none" | "client-ip-address" => Authentication::ClientAddress,
        _ => return None,
    })
}

fn oauth(element: &Element, address: &Address<'_>) -> OAuth {
    let url = |name| {
        let url = Url::parse(&address.fill(element.text_of(name)?)).ok()?;
        Some(url.to_string())
    };
    OAuth {
        issuer: element.text_of("issuer").and_then(|issuer| named(&address.fill(issuer))),
        authorization_url: url("authURL"),
        token_url: url("tokenURL"),
        scopes: element.text_of("scope").map(scopes).unwrap_or_default(),
    }
}

fn scopes(text: &str) -> Vec<String> {
    text.split_whitespace().take(SERVERS).filter_map(named).collect()
}

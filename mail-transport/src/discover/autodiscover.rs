//! What Microsoft's Autodiscover tells of IMAP, POP3 and SMTP, in its "plain old XML"
//! ([MS-OXDSCLI](https://learn.microsoft.com/openspecs/exchange_server_protocols/ms-oxdscli)).

use super::{Address, DocumentError, Found, SERVERS, Settings, named, xml::Element};
use crate::{Protocol, Security, dns::host_name, http::Url};

/// The media type of a request.
pub(super) const MEDIA_TYPE: &str = "text/xml; charset=utf-8";

/// What an answer says.
#[derive(Debug)]
pub(super) enum Answer {
    Settings(Vec<Settings>),
    /// Another URL tells.
    Elsewhere(Url),
}

/// The request for an address.
pub(super) fn request(address: &Address<'_>) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
        <Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006\">\
        <Request><EMailAddress>{}</EMailAddress>\
        <AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\
        </AcceptableResponseSchema></Request></Autodiscover>",
        quick_xml::escape::escape(address.text)
    )
}

/// Reads an answer of Autodiscover for an address: its servers of IMAP, POP3 and SMTP with TLS. `found` says where it comes from.
///
/// # Errors
///
/// It is not such an answer, or has no server that can be used.
pub fn read_autodiscover(
    document: &[u8],
    address: &str,
    found: &Found,
) -> Result<Vec<Settings>, DocumentError> {
    let address = Address::parse(address)?;
    match read(document, &address, found)? {
        Answer::Settings(settings) => Ok(settings),
        Answer::Elsewhere(url) => Err(DocumentError::new(format_args!("{url} tells"))),
    }
}

pub(super) fn read(document: &[u8], address: &Address<'_>, found: &Found) -> Result<Answer, DocumentError> {
    let root = Element::parse(document)?;
    let account = root
        .named("Autodiscover")
        .and_then(|root| root.first("Response")?.first("Account"))
        .ok_or_else(|| DocumentError::new("no account of Autodiscover"))?;
    let action = account.text_of("Action").unwrap_or("settings");
    if action.eq_ignore_ascii_case("redirectUrl") {
        let url = account.text_of("RedirectUrl").and_then(|url| Url::parse(url).ok());
        return url.map(Answer::Elsewhere).ok_or_else(|| DocumentError::new("it leads to no https URL"));
    }
    if !action.eq_ignore_ascii_case("settings") {
        return Err(DocumentError::new("it leads to another address"));
    }
    let protocols = account.all("Protocol").take(SERVERS).zip(0..);
    let read = protocols.filter_map(|(element, order)| {
        let mut settings = server(element, address, found)?;
        settings.order = order;
        Some(settings)
    });
    super::at_least_one(read.collect()).map(Answer::Settings)
}

fn server(element: &Element, address: &Address<'_>, found: &Found) -> Option<Settings> {
    // Older ones say the type as an attribute.
    let kind = element.text_of("Type").or_else(|| element.attribute("Type"))?;
    let protocol = match kind.to_ascii_uppercase().as_str() {
        "IMAP" => Protocol::Imap,
        "POP3" => Protocol::Pop3,
        "SMTP" => Protocol::Submission,
        _ => return None,
    };
    let port = match element.text_of("Port") {
        Some(port) => Some(port.parse::<u16>().ok().filter(|&port| port > 0)?),
        None => None,
    };
    let is = |name, value: &str| element.text_of(name).is_some_and(|text| text.eq_ignore_ascii_case(value));
    // `Encryption` is in force where both are there. TLS is STARTTLS there.
    let security = match element.text_of("Encryption").map(str::to_ascii_lowercase).as_deref() {
        Some("ssl") => Security::implicit_tls(),
        Some("tls") => Security::required_starttls(),
        Some("none") => return None,
        Some(_) | None if is("SSL", "off") => return None,
        // On, by default: how, the port tells.
        Some(_) | None => match port {
            Some(25 | 110 | 143 | 587) => Security::required_starttls(),
            _ => Security::implicit_tls(),
        },
    };
    let host = host_name(element.text_of("Server")?)?;
    let port = port.unwrap_or_else(|| security.default_port(protocol));
    let mut settings = Settings::new((protocol, security), host, port, address, found.clone());
    if let Some(user) = element.text_of("LoginName") {
        settings.user = named(user)?;
    }
    Some(settings)
}

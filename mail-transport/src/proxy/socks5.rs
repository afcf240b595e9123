//! SOCKS5: [RFC 1928](https://www.rfc-editor.org/rfc/rfc1928), [RFC 1929](https://www.rfc-editor.org/rfc/rfc1929).

use std::net::IpAddr;

use mailwire_core::Secret;

use super::{ProxyRefusal, Step};

/// ```text
/// client  VER NMETHODS METHODS          server  VER METHOD
///         VER ULEN UNAME PLEN PASSWD            VER STATUS              ; if METHOD is 2
///         VER CMD RSV ATYP DST.ADDR DST.PORT    VER REP RSV ATYP BND.ADDR BND.PORT
/// ```
#[derive(Debug)]
pub(super) struct Socks5 {
    state: State,
    output: Option<Secret>,
    login: Option<Secret>,
    request: Secret,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Method,
    Login,
    Reply,
    /// The length of a name.
    Length,
    /// So many bytes of the address that the proxy connects from: nobody needs it.
    Address(usize),
    Done,
}

const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;
const NONE_ACCEPTABLE: u8 = 0xff;

impl Socks5 {
    pub(super) fn new(login: Option<&(String, Secret)>, host: &str, port: u16) -> Result<Self, ProxyRefusal> {
        let methods: &[u8] =
            if login.is_some() { &[VERSION, 2, NO_LOGIN, PASSWORD] } else { &[VERSION, 1, NO_LOGIN] };
        let mut request = vec![VERSION, 1, 0];
        match host.parse() {
            Ok(IpAddr::V4(address)) => {
                request.push(1);
                request.extend_from_slice(&address.octets());
            }
            Ok(IpAddr::V6(address)) => {
                request.push(4);
                request.extend_from_slice(&address.octets());
            }
            Err(_) => {
                request.push(3);
                push(&mut request, host.as_bytes(), "the name of the server does not have 1 to 255 bytes")?;
            }
        }
        request.extend_from_slice(&port.to_be_bytes());
        let login = login.map(|(user, password)| {
            let mut login = Vec::with_capacity(3 + 2 * 255);
            login.push(1);
            let reason = "the user or password for it does not have 1 to 255 bytes";
            push(&mut login, user.as_bytes(), reason)?;
            push(&mut login, password.expose(), reason)?;
            Ok(Secret::from(login))
        });
        Ok(Self {
            state: State::Method,
            output: Some(methods.into()),
            login: login.transpose()?,
            request: request.into(),
        })
    }

    pub(super) fn next(&mut self) -> Step {
        if let Some(output) = self.output.take() {
            return Step::Write(output);
        }
        match self.state {
            State::Method | State::Login => Step::Read(2),
            State::Reply => Step::Read(4),
            State::Length => Step::Read(1),
            State::Address(length) => Step::Read(length),
            State::Done => Step::Done,
        }
    }

    pub(super) fn received(&mut self, bytes: &[u8]) -> Result<(), ProxyRefusal> {
        let unexpected = ProxyRefusal::NotAProxy("not what SOCKS5 has there");
        self.state = match (self.state, bytes) {
            (State::Method, [VERSION, NO_LOGIN]) | (State::Login, [1, 0]) => {
                self.output = Some(std::mem::take(&mut self.request));
                State::Reply
            }
            (State::Method, [VERSION, PASSWORD]) if self.login.is_some() => {
                self.output = self.login.take();
                State::Login
            }
            (State::Method, [VERSION, NONE_ACCEPTABLE]) => return Err(ProxyRefusal::LoginNeeded),
            (State::Method, [version, _]) if *version != VERSION => {
                return Err(ProxyRefusal::NotAProxy("the version is not 5"));
            }
            (State::Login, [1, _]) => return Err(ProxyRefusal::LoginRefused),
            (State::Reply, [VERSION, 0, _, 1]) => State::Address(4 + 2),
            (State::Reply, [VERSION, 0, _, 3]) => State::Length,
            (State::Reply, [VERSION, 0, _, 4]) => State::Address(16 + 2),
            (State::Reply, [VERSION, code, _, _]) if *code != 0 => return Err(ProxyRefusal::Socks(*code)),
            (State::Length, [length]) => State::Address(usize::from(*length).saturating_add(2)),
            (State::Address(length), address) if address.len() == length => State::Done,
            _ => return Err(unexpected),
        };
        Ok(())
    }
}

/// A text with its length before it.
fn push(out: &mut Vec<u8>, text: &[u8], reason: &'static str) -> Result<(), ProxyRefusal> {
    match u8::try_from(text.len()) {
        Ok(length @ 1..) => {
            out.push(length);
            out.extend_from_slice(text);
            Ok(())
        }
        _ => Err(ProxyRefusal::NotAskable(reason)),
    }
}

/// The meaning of a reply: [RFC 1928 section 6](https://www.rfc-editor.org/rfc/rfc1928#section-6).
pub(super) fn meaning(code: u8) -> String {
    let meaning = match code {
        1 => "it has failed in general",
        2 => "its rules do not allow the connection",
        3 => "the network cannot be reached",
        4 => "the host cannot be reached",
        5 => "the connection was refused",
        6 => "the packets have lived too long",
        7 => "it does not connect to servers",
        8 => "it does not know such addresses",
        code => return format!("it refuses with the code {code}"),
    };
    meaning.to_owned()
}

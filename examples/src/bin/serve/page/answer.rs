//! What is answered, and what a browser may make of it.

use std::{
    convert::Infallible,
    fmt::Write as _,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::{
    Response, StatusCode,
    body::{Frame, SizeHint},
    header::{self, HeaderName, HeaderValue},
};
use serde_json::Value;

use super::events::{Events, Next};

/// The page itself: its own files, and no code that is made of text.
const OF_THE_PAGE: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";
/// A message's HTML: styles and images that stand in it. Nothing runs, nothing is asked of any server, nothing is sent.
const OF_A_MESSAGE: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'self'; sandbox";
/// All else is data.
const OF_DATA: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";

/// What every answer has.
const HEADERS: [(&str, &str); 6] = [
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-dns-prefetch-control", "off"),
];

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("this server is not called that: use localhost, its address, or the name that --name gives it")]
    Host,
    #[error("another page may not do that")]
    Origin,
    #[error("there is no such thing, or it is no longer kept")]
    NotFound,
    #[error("GET, and DELETE of messages, are all that can be done here")]
    Method,
    #[error("{0}")]
    Wrong(String),
    #[error("{came} of {wanted} messages came within {within:?}")]
    TooFew { wanted: u64, came: usize, within: Duration },
    #[error("too many wait already")]
    Full,
    #[error("it could not be made")]
    Failed,
}

/// An answer to a request.
pub(super) struct Answer {
    status: StatusCode,
    kind: String,
    policy: &'static str,
    disposition: Option<String>,
    body: Body,
}

impl Answer {
    fn new(kind: impl Into<String>, policy: &'static str, body: impl Into<Bytes>) -> Self {
        let body = Body::Whole(Some(body.into()));
        Self { status: StatusCode::OK, kind: kind.into(), policy, disposition: None, body }
    }

    pub(super) fn file(kind: &str, file: &'static str) -> Self {
        Self::new(kind, OF_THE_PAGE, file)
    }

    pub(super) fn json(value: &Value) -> Self {
        Self::new("application/json", OF_DATA, value.to_string())
    }

    pub(super) fn text(text: String) -> Self {
        Self::new("text/plain; charset=utf-8", OF_DATA, text)
    }

    /// HTML that somebody else has written.
    pub(super) fn hostile(html: String) -> Self {
        Self::new("text/html; charset=utf-8", OF_A_MESSAGE, html)
    }

    /// A file that is stored, and never shown.
    pub(super) fn download(kind: &str, name: &str, content: Bytes) -> Self {
        let disposition = Some(format!("attachment; filename*=UTF-8''{}", escaped(name)));
        Self { disposition, ..Self::new(kind, OF_DATA, content) }
    }

    pub(super) fn events(events: Events) -> Self {
        let body = Body::Live(events.begin());
        Self { body, ..Self::new("text/event-stream", OF_DATA, Bytes::new()) }
    }

    pub(super) fn nothing() -> Self {
        Self::new("application/json", OF_DATA, Bytes::new()).with_status(StatusCode::NO_CONTENT)
    }

    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(super) fn response(self) -> Response<Body> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        for (name, value) in HEADERS {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(self.policy));
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, DELETE"));
        }
        let texts =
            [(header::CONTENT_TYPE, Some(self.kind)), (header::CONTENT_DISPOSITION, self.disposition)];
        for (name, text) in texts {
            if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// A name as an extended parameter has it ([RFC 8187](https://www.rfc-editor.org/rfc/rfc8187#section-3.2.1)).
fn escaped(name: &str) -> String {
    name.bytes().fold(String::new(), |mut all, byte| {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            all.push(char::from(byte));
        } else {
            let _ = write!(all, "%{byte:02X}");
        }
        all
    })
}

/// The bytes of an answer: all of them, or one event after the other.
pub(super) enum Body {
    Whole(Option<Bytes>),
    Live(Next),
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Live(next) => next.as_mut().poll(context).map(|(event, events)| {
                *next = events.next();
                Some(Ok(Frame::data(event)))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Live(_) => SizeHint::default(),
        }
    }
}

//! The little of HTTP that finding servers needs: one document from one `https` URL, by whichever [`Http`]. [`HttpsClient`] is
//! the default.
//!
//! ```no_run
//! # async fn example() -> Result<(), mailwire_transport::http::HttpError> {
//! use mailwire_transport::http::{Http, HttpsClient, Request, Url};
//!
//! let url = Url::parse("https://mta-sts.example.org/.well-known/mta-sts.txt")?;
//! let response = HttpsClient::new().send(&Request::get(url, 64 * 1024)).await?;
//! println!("{}: {} bytes", response.status, response.body.len());
//! # Ok(())
//! # }
//! ```

mod client;
mod read;
mod url;

use std::{future::Future, sync::Arc};

use bytes::Bytes;

pub use self::{client::HttpsClient, url::Url};

/// Asks for documents over HTTPS: [`HttpsClient`], or what an application has for it.
pub trait Http: Send + Sync {
    /// Sends one request and returns the response to it, whatever its status. Redirections are not followed: who asks decides
    /// about them. No cookie and no credential goes along.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, does not prove by its certificate to be the URL's host, does not speak HTTP, or takes too
    /// long; or the document is larger than [`limit`](Request::limit).
    fn send(&self, request: &Request) -> impl Future<Output = Result<Response, HttpError>> + Send;
}

impl<H: Http + ?Sized> Http for Arc<H> {
    fn send(&self, request: &Request) -> impl Future<Output = Result<Response, HttpError>> + Send {
        (**self).send(request)
    }
}

impl<H: Http + ?Sized> Http for &H {
    fn send(&self, request: &Request) -> impl Future<Output = Result<Response, HttpError>> + Send {
        (**self).send(request)
    }
}

/// A request.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Of what.
    pub url: Url,
    /// What is sent, and its media type: the method is POST then, and GET without.
    pub body: Option<(&'static str, Bytes)>,
    /// The most that the document may have, in bytes.
    pub limit: usize,
}

impl Request {
    /// Asks for a document of at most `limit` bytes.
    #[must_use]
    pub const fn get(url: Url, limit: usize) -> Self {
        Self { url, body: None, limit }
    }

    /// Sends `body` and asks for a document of at most `limit` bytes.
    #[must_use]
    pub fn post(url: Url, media_type: &'static str, body: impl Into<Bytes>, limit: usize) -> Self {
        Self { url, body: Some((media_type, body.into())), limit }
    }
}

/// The response to a request.
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// The status: 200 for a document.
    pub status: u16,
    /// The media type, as the server says it.
    pub media_type: Option<String>,
    /// Where else the document is, of a redirection.
    pub location: Option<String>,
    /// The document.
    pub body: Bytes,
}

impl Response {
    /// Makes a response.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    /// Sets where else the document is.
    #[must_use]
    pub fn with_location(mut self, location: impl Into<String>) -> Self {
        self.location = Some(location.into());
        self
    }

    /// Sets the media type.
    #[must_use]
    pub fn with_media_type(mut self, media_type: impl Into<String>) -> Self {
        self.media_type = Some(media_type.into());
        self
    }
}

/// A document that could not be had.
#[non_exhaustive]
#[derive(Debug, Clone, thiserror::Error)]
pub enum HttpError {
    /// The connection, its TLS or its time failed.
    #[error(transparent)]
    Connection(Box<crate::Error>),
    /// What came is not HTTP.
    #[error("{host}: not a response of HTTP: {reason}")]
    Malformed {
        /// The server.
        host: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The document is too large.
    #[error("{host}: a document of more than {limit} bytes")]
    TooLarge {
        /// The server.
        host: String,
        /// The limit, in bytes.
        limit: usize,
    },
    /// There is no document: another status than 200.
    #[error("{url}: the status is {status}")]
    Status {
        /// What was asked for.
        url: Url,
        /// The status.
        status: u16,
    },
    /// It is said to be elsewhere, where it is not asked for.
    #[error("{url}: {reason}")]
    Redirection {
        /// What was asked for.
        url: Url,
        /// Why that is not followed.
        reason: &'static str,
    },
    /// Not a URL that is asked for.
    #[error("not an https URL: {0}")]
    Url(&'static str),
}

impl From<crate::Error> for HttpError {
    fn from(error: crate::Error) -> Self {
        Self::Connection(Box::new(error))
    }
}

/// How often a document may be elsewhere.
#[cfg(feature = "discover")]
const REDIRECTIONS: usize = 5;

/// The document that a request asks for, wherever it is: other servers are asked over HTTPS only, and not too many. Returns
/// where it was, too.
#[cfg(feature = "discover")]
pub(crate) async fn document(http: &impl Http, mut request: Request) -> Result<(Url, Bytes), HttpError> {
    let refused = |url: Url, reason| Err(HttpError::Redirection { url, reason });
    for _ in 0..=REDIRECTIONS {
        let response = http.send(&request).await?;
        // A limit that somebody else's client does not know.
        if response.body.len() > request.limit {
            return Err(HttpError::TooLarge { host: request.url.host().to_owned(), limit: request.limit });
        }
        match (response.status, response.location) {
            (200, _) => return Ok((request.url, response.body)),
            (301 | 302 | 303 | 307 | 308, Some(location)) => match request.url.join(&location) {
                // 303 is answered by GET, the older ones by what everybody does: RFC 9110 section 15.4.
                Ok(url) => {
                    if !matches!(response.status, 307 | 308) {
                        request.body = None;
                    }
                    request.url = url;
                }
                Err(_) => return refused(request.url, "it leads to what is no https URL of a host"),
            },
            (status, _) => return Err(HttpError::Status { url: request.url, status }),
        }
    }
    refused(request.url, "it leads to too many others")
}

#[cfg(feature = "discover")]
#[cfg(test)]
mod tests {
    use super::*;

    /// Redirects from `/n` to `/n-1`, and from `/0` nowhere.
    struct Chain(&'static str);

    impl Http for Chain {
        async fn send(&self, request: &Request) -> Result<Response, HttpError> {
            let left: usize = request.url.target().trim_start_matches('/').parse().unwrap();
            Ok(match left {
                0 => Response::new(200, format!("{:?}", request.body.is_some())),
                _ => Response::new(302, "").with_location(format!("{}/{}", self.0, left - 1)),
            })
        }
    }

    async fn follow(from: &str, to: &'static str) -> Result<(Url, Bytes), HttpError> {
        let url = Url::parse(from).unwrap();
        document(&Chain(to), Request::post(url, "text/xml", "<a/>", 100)).await
    }

    #[tokio::test]
    async fn redirections_have_an_end_and_stay_within_https() {
        let (url, body) = follow("https://a.example/5", "").await.unwrap();
        assert_eq!((url.to_string().as_str(), body.as_ref()), ("https://a.example/0", &b"false"[..]));
        assert_eq!(follow("https://a.example/1", "https://b.example").await.unwrap().0.host(), "b.example");
        for (from, to) in [
            ("https://a.example/6", ""),
            ("https://a.example/1", "http://a.example"),
            ("https://a.example/1", "https://192.0.2.1"),
            ("https://a.example/1", "https://localhost"),
            ("https://a.example/1", "https://user@b.example"),
            ("https://a.example/1", "file://"),
        ] {
            let error = follow(from, to).await.unwrap_err();
            assert!(matches!(error, HttpError::Redirection { .. }), "{to}: {error}");
        }
    }
}

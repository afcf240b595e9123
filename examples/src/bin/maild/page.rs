//! Health and metrics over HTTP.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Frame, Incoming, SizeHint},
    header::{CONTENT_TYPE, HeaderValue},
};
use mailwire_examples::{HttpLimits, queue::Queue, serve_http};
use mailwire_store::{Error, Store};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::recorder::Counted;

const LIMITS: HttpLimits =
    HttpLimits { connections: 64, patience: Duration::from_secs(30), header: 16 << 10 };
/// So long the store has to show that it lives.
const ALIVE: Duration = Duration::from_secs(5);

/// What is told of the server.
pub(crate) struct Page<S> {
    pub(crate) store: S,
    pub(crate) queue: Queue,
    pub(crate) counted: &'static Counted,
}

impl<S: Store> Page<S> {
    /// Serves whoever comes, until it is stopped.
    pub(crate) async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let page = Arc::new(self);
        let answer = move |request: Request<Incoming>| {
            let page = Arc::clone(&page);
            async move { page.answer(&request).await }
        };
        serve_http(listener, LIMITS, stop, answer).await;
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Text> {
        match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/health") => match self.health().await {
                Ok(()) => text(StatusCode::OK, "ok\n".into()),
                Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            },
            (&Method::GET | &Method::HEAD, "/metrics") => self.metrics().await,
            (&Method::GET | &Method::HEAD, "/") => text(StatusCode::OK, "/health\n/metrics\n".into()),
            (&Method::GET | &Method::HEAD, _) => text(StatusCode::NOT_FOUND, "/health\n/metrics\n".into()),
            _ => text(StatusCode::METHOD_NOT_ALLOWED, "GET\n".into()),
        }
    }

    /// Whether the store and the queue can be read.
    async fn health(&self) -> Result<(), String> {
        let store = tokio::time::timeout(ALIVE, self.store.account("postmaster"));
        match store.await {
            Ok(Ok(_) | Err(Error::NoSuchAccount)) => {}
            Ok(Err(error)) => return Err(format!("the store: {error}")),
            Err(_) => return Err("the store does not answer".into()),
        }
        match tokio::time::timeout(ALIVE, self.queue.total()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the queue does not answer".into()),
        }
    }

    async fn metrics(&self) -> Response<Text> {
        if let Ok((messages, bytes)) = self.queue.total().await {
            #[allow(clippy::cast_precision_loss, reason = "there are not so many")]
            let (messages, bytes) = (messages as f64, bytes as f64);
            metrics::gauge!("maild_queue_messages").set(messages);
            metrics::gauge!("maild_queue_bytes").set(bytes);
        }
        let mut response = text(StatusCode::OK, self.counted.text());
        let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}

fn text(status: StatusCode, text: String) -> Response<Text> {
    let mut response = Response::new(Text(Some(text.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// A text as the body of an answer.
struct Text(Option<Bytes>);

impl Body for Text {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.0.take().map(|text| Ok(Frame::data(text))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |text| text.len() as u64))
    }
}

//! HTTP/1 for the pages of programs.

use std::{convert::Infallible, error::Error, time::Duration};

use hyper::{
    Request, Response,
    body::{Body, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// What those who come to a page may take.
#[derive(Debug, Clone, Copy)]
pub struct HttpLimits {
    /// Connections that are served at a time; others wait.
    pub connections: usize,
    /// How long somebody may take to ask for something, also for the next thing.
    pub patience: Duration,
    /// Bytes of a request's header.
    pub header: usize,
}

/// Answers whoever comes, until it is stopped. Then nothing of it is left.
pub async fn serve_http<F, R, B>(
    listener: TcpListener,
    limits: HttpLimits,
    stop: CancellationToken,
    answer: F,
) where
    F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < limits.connections => match accepted {
                Ok((stream, _)) => {
                    let answer = answer.clone();
                    connections.spawn(async move {
                        let service = service_fn(move |request| {
                            let answered = answer(request);
                            async move { Ok::<_, Infallible>(answered.await) }
                        });
                        let served = http1::Builder::new()
                            .timer(TokioTimer::new())
                            .header_read_timeout(limits.patience)
                            .max_buf_size(limits.header)
                            .serve_connection(TokioIo::new(stream), service);
                        // How a client leaves is its own affair.
                        let _ = served.await;
                    });
                }
                // No descriptor is left, mostly.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
            Some(_) = connections.join_next() => {}
            () = stop.cancelled() => break,
        }
    }
    connections.shutdown().await;
}

//! The page of what came: messages live, and a small API that tests in any language can use.

mod answer;
mod events;
mod guard;
mod html;
mod links;
mod list;
mod message;
mod query;
mod search;
mod turns;

use std::{sync::Arc, time::Duration};

use hyper::{Method, Request, Response, StatusCode, body::Incoming};
use mailwire_examples::{HttpLimits, serve_http};
use mailwire_store::{
    message::Message,
    testing::{MailServer, ReceivedMessage},
};
use mailwire_transport::Security;
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;

use self::{
    answer::{Answer, Body, Refused},
    events::Events,
    list::Listing,
    query::Query,
    turns::Turns,
};
pub(crate) use guard::Hosts;

const LIMITS: HttpLimits =
    HttpLimits { connections: 256, patience: Duration::from_secs(60), header: 64 << 10 };
/// So many of these wait for something to come. The others are for who has something to ask.
const WAITING: usize = 192;
/// So many messages are looked into at a time, and so many searches go through them.
const LOOKS: usize = 8;
const SEARCHES: usize = 2;
/// So long somebody may wait for messages by one request, and waits where no time is named.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
const USUAL_WAIT: Duration = Duration::from_secs(10);

/// What a browser is given as it stands: the path, the media type and the bytes.
const FILES: [(&str, &str, &str); 5] = [
    ("/", "text/html; charset=utf-8", include_str!("static/index.html")),
    ("/style.css", "text/css; charset=utf-8", include_str!("static/style.css")),
    ("/page.js", "text/javascript; charset=utf-8", include_str!("static/page.js")),
    ("/icon.svg", "image/svg+xml", include_str!("static/icon.svg")),
    ("/api", "text/plain; charset=utf-8", include_str!("../../../../../docs/src/page.md")),
];

/// The page of a mail server.
pub(crate) struct Page {
    server: Arc<MailServer>,
    hosts: Hosts,
    waiting: Arc<Semaphore>,
    looks: Turns,
    searches: Turns,
    /// What tells this server from the one that listened there before it.
    since: String,
}

impl Page {
    pub(crate) fn new(server: Arc<MailServer>, hosts: Hosts) -> Self {
        let since = message::time(std::time::SystemTime::now());
        Self {
            server,
            hosts,
            waiting: Arc::new(Semaphore::new(WAITING)),
            looks: Turns::new(LOOKS),
            searches: Turns::new(SEARCHES),
            since,
        }
    }

    /// Serves whoever comes, until it is stopped. Then nothing of it is left.
    pub(crate) async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        let page = Arc::new(self);
        let answer = move |request: Request<Incoming>| {
            let page = Arc::clone(&page);
            async move { page.answer(&request).await }
        };
        serve_http(listener, LIMITS, stop, answer).await;
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        match self.route(request).await {
            Ok(answer) => answer.response(),
            Err(refused) => refused.answer().response(),
        }
    }

    async fn route(&self, request: &Request<Incoming>) -> Result<Answer, Refused> {
        self.hosts.check(request)?;
        let path = request.uri().path();
        let query = Query::parse(request.uri().query().unwrap_or_default());
        if request.method() == Method::DELETE {
            return self.delete(path, &query);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(Refused::Method);
        }
        if let Some((_, kind, file)) = FILES.iter().find(|(known, ..)| *known == path) {
            return Ok(Answer::file(kind, file));
        }
        match path {
            "/api/server" => Ok(self.about()),
            "/api/messages" => self.list(&query).await,
            "/api/wait" => self.wait(&query).await,
            "/api/events" => {
                let (server, since) = (Arc::clone(&self.server), self.since.clone());
                Ok(Answer::events(Events::new(server, since, self.place()?)))
            }
            _ => self.of_message(path).await,
        }
    }

    /// What belongs to one message: it is looked into where that holds nobody up.
    async fn of_message(&self, path: &str) -> Result<Answer, Refused> {
        let (received, what) = match path.strip_prefix("/html/") {
            Some(number) => (self.find(number)?, "html".to_owned()),
            None => {
                let rest = path.strip_prefix("/api/messages/").ok_or(Refused::NotFound)?;
                let (number, what) = rest.split_once('/').unwrap_or((rest, ""));
                (self.find(number)?, what.to_owned())
            }
        };
        let is_page = !path.starts_with("/api/");
        let look = move || {
            let message = received.parsed();
            match (&*what, what.strip_prefix("parts/")) {
                ("", _) => Ok(Answer::json(&message::whole(&received, &message))),
                ("raw", _) => Ok(Answer::download("message/rfc822", &raw_name(&received), received.raw)),
                ("text", _) => message::plain(&message).map(Answer::text).ok_or(Refused::NotFound),
                ("html", _) => of_html(&message, is_page),
                (_, Some(number)) => message::part(&message, number),
                _ => Err(Refused::NotFound),
            }
        };
        self.looks.take(look).await?
    }

    fn find(&self, number: &str) -> Result<ReceivedMessage, Refused> {
        let found = match number {
            "latest" => self.server.latest(None, 1).pop(),
            number => self.server.message(number.parse().map_err(|_| Refused::NotFound)?),
        };
        found.ok_or(Refused::NotFound)
    }

    async fn list(&self, query: &Query) -> Result<Answer, Refused> {
        let listing = Listing::of(query)?;
        let turns = if listing.searches() { &self.searches } else { &self.looks };
        listing.answer(&self.server, turns).await
    }

    /// A place for one who waits.
    fn place(&self) -> Result<OwnedSemaphorePermit, Refused> {
        Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| Refused::Full)
    }

    async fn wait(&self, query: &Query) -> Result<Answer, Refused> {
        let wanted = query.number("count")?.unwrap_or(1);
        let within = query.seconds("timeout")?.unwrap_or(USUAL_WAIT).min(LONGEST_WAIT);
        let place = self.place()?;
        let came = async {
            let mut tally = self.server.tally();
            while (tally.came as u64) < wanted {
                tally = self.server.changed(tally).await;
            }
        };
        if tokio::time::timeout(within, came).await.is_err() {
            return Err(Refused::TooFew { wanted, came: self.server.tally().came, within });
        }
        drop(place);
        self.list(query).await
    }

    fn delete(&self, path: &str, query: &Query) -> Result<Answer, Refused> {
        let rest = path.strip_prefix("/api/messages").ok_or(Refused::Method)?;
        if !rest.is_empty() {
            let number = rest.strip_prefix('/').ok_or(Refused::NotFound)?;
            let found = self.find(number)?;
            self.server.forget(found.number);
        } else if query.is_set("mailboxes") {
            self.server.clear();
        } else {
            self.server.forget_all();
        }
        Ok(Answer::nothing())
    }

    /// What somebody has to know who wants to send something. Nothing that lets anybody in.
    fn about(&self) -> Answer {
        let listening = self.server.addresses().map(|(protocol, security, address)| {
            json!({
                "protocol": message::protocol(protocol),
                "tls": tls(security),
                "address": address.to_string(),
            })
        });
        Answer::json(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "since": self.since,
            "listening": listening.collect::<Vec<_>>(),
        }))
    }
}

fn tls(security: Security) -> &'static str {
    match security {
        it if it == Security::implicit_tls() => "implicit",
        it if it.is_tls() => "starttls",
        _ => "none",
    }
}

fn raw_name(received: &ReceivedMessage) -> String {
    format!("message-{}.eml", received.number)
}

/// A message's HTML: for people, in a frame that nothing gets out of, or as it came.
fn of_html(message: &Message, for_people: bool) -> Result<Answer, Refused> {
    let html = message::html(message).ok_or(Refused::NotFound)?;
    if !for_people {
        return Ok(Answer::text(html));
    }
    Ok(Answer::hostile(html::tamed(&html, &message::images(message))))
}

impl Refused {
    fn answer(&self) -> Answer {
        let status = match self {
            Self::Host | Self::Origin => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Wrong(_) => StatusCode::BAD_REQUEST,
            Self::TooFew { .. } => StatusCode::CONFLICT,
            Self::Full => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Answer::json(&json!({ "error": self.to_string() })).with_status(status)
    }
}

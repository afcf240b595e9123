//! Servers of SMTP that follow scripts, one a connection, for a mailer.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use mailwire_transport::{
    Result, Stream,
    smtp::{Client, Envelope, Mailer, MailerOptions},
};
use tokio::task::JoinHandle;

use super::{play, smtp_script};

/// Plays one script a connection, in this order.
#[derive(Clone, Default)]
pub struct Scripts(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    left: VecDeque<String>,
    connections: usize,
    playing: Vec<JoinHandle<String>>,
}

impl Scripts {
    pub fn new<'a>(scripts: impl IntoIterator<Item = &'a str>) -> Self {
        let left = scripts.into_iter().map(smtp_script).collect();
        Self(Arc::new(Mutex::new(Inner { left, ..Inner::default() })))
    }

    /// Whole scripts, from the greeting on.
    pub fn raw<'a>(scripts: impl IntoIterator<Item = &'a str>) -> Self {
        let left = scripts.into_iter().map(str::to_owned).collect();
        Self(Arc::new(Mutex::new(Inner { left, ..Inner::default() })))
    }

    async fn connect(self) -> Result<Client> {
        let stream = {
            let mut inner = self.0.lock().unwrap();
            inner.connections += 1;
            let Some(script) = inner.left.pop_front() else {
                return Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into());
            };
            let (ours, mut theirs) = tokio::io::duplex(1 << 16);
            inner.playing.push(tokio::spawn(async move { play(&mut theirs, &script).await }));
            Stream::other(ours)
        };
        super::smtp(stream).await
    }

    pub fn mailer(&self, options: MailerOptions) -> Mailer {
        let scripts = self.clone();
        Mailer::from_connector(move || scripts.clone().connect(), options)
    }

    pub fn connections(&self) -> usize {
        self.0.lock().unwrap().connections
    }

    /// All scripts were played to their end.
    pub async fn finish(self) {
        let (playing, left) = {
            let mut inner = self.0.lock().unwrap();
            (std::mem::take(&mut inner.playing), inner.left.len())
        };
        assert_eq!(left, 0, "scripts that nobody connected to");
        for played in playing {
            assert_eq!(played.await.unwrap(), "");
        }
    }
}

/// A message that is accepted.
pub const ACCEPTED: &str = "
    C: MAIL FROM:<ada@a.example>
    C: RCPT TO:<bob@b.example>
    C: DATA
    S: 250 ok
    S: 250 ok
    S: 354 go
    R: message
    S: 250 taken
";

/// The client ends the connection.
pub const QUIT: &str = "
    C: QUIT
    S: 221 bye
";

/// From Ada to Bob.
pub fn envelope() -> Envelope {
    Envelope::new("ada@a.example", ["bob@b.example"]).unwrap()
}

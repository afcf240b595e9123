//! Storing what is new here on the server.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use mailwire_transport::{
    Payload,
    imap::{Client, client::AppendOptions, proto::types::DateTime},
};
use tokio::io::{AsyncRead, ReadBuf};

use super::{CHANGED_AT_ONCE, One, Run, SMALL, disk, table::Row};
use crate::{
    Failed, Status,
    append::{AT_ONCE, Letter, Stored, append_all, stored, takes_several},
    maildir::{Letters, Newlines},
};

impl Run<'_> {
    /// Stores what the server does not have.
    pub(super) async fn store(&mut self, client: &mut Client, kept: Letters) -> Result<(), Failed> {
        let (count, bytes) = if takes_several(client) { AT_ONCE } else { (1, 0) };
        let mut batch: Vec<(String, Letter)> = Vec::new();
        let mut length = 0;
        for name in std::mem::take(&mut self.to_store) {
            let one = One::Here(name.clone());
            let Some(entry) = self.here.get(&name).filter(|_| !self.given_up.contains(&one)) else {
                continue;
            };
            let letters = entry.letters().and(kept);
            let outgoing = match Outgoing::open(&self.maildir.file(entry)) {
                Ok(outgoing) => outgoing,
                // It is there by another name, or gone.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.again = true;
                    continue;
                }
                Err(error) => {
                    self.tally.failed_as(Status::NoInput, &name, error);
                    self.given_up.insert(one);
                    continue;
                }
            };
            let options = AppendOptions::new().with_flags(letters.flags()).with_date(outgoing.date);
            match outgoing.content {
                OutgoingContent::Small(message) => {
                    let alone = self.suspects.has(&one);
                    if alone {
                        self.store_several(client, std::mem::take(&mut batch)).await?;
                        length = 0;
                    }
                    length += message.len() as u64;
                    batch.push((name, (options, message)));
                    if alone || batch.len() >= count || length >= bytes {
                        self.store_several(client, std::mem::take(&mut batch)).await?;
                        length = 0;
                    }
                }
                OutgoingContent::Large(reader, length) => {
                    let payload = Payload::from_reader(reader, Some(length));
                    let result = client.append_with(&self.mailbox, options, payload).await;
                    let outcome = stored(result).map_err(|failed| self.blamed([one], failed))?;
                    self.stored(name, letters, outcome);
                }
            }
            if self.unsaved > CHANGED_AT_ONCE {
                self.save().map_err(disk)?;
            }
        }
        self.store_several(client, batch).await
    }

    async fn store_several(
        &mut self,
        client: &mut Client,
        batch: Vec<(String, Letter)>,
    ) -> Result<(), Failed> {
        let (names, letters): (Vec<String>, Vec<Letter>) = batch.into_iter().unzip();
        let mailbox = self.mailbox.clone();
        let mut told = 0;
        let result = append_all(client, &mailbox, &letters, |index, stored| {
            told = index + 1;
            if let (Some(name), Some((options, _))) = (names.get(index), letters.get(index)) {
                self.stored(name.clone(), Letters::of_flags(&options.flags), stored);
            }
        });
        let result = result.await;
        result.map_err(|failed| self.blamed(names.into_iter().skip(told).map(One::Here), failed))
    }

    fn stored(&mut self, name: String, letters: Letters, stored: Stored) {
        self.done = true;
        match stored {
            Stored::As(place) => {
                self.tally.done();
                self.report.stored += 1;
                self.unsaved += 1;
                match place {
                    Some((validity, uid)) if Some(validity) == self.table.sync.uid_validity() => {
                        let file = Some(name);
                        let row = Row { there: Some(letters), agreed: letters, size: 0, file };
                        self.table.rows.insert(uid, row);
                    }
                    // It comes back, and is known by its content.
                    _ => {
                        self.table.sent.insert(name);
                        self.again = true;
                    }
                }
            }
            Stored::Refused(status, error) => {
                self.tally.failed_as(status, &name, format_args!("{error:#}"));
                self.given_up.insert(One::Here(name));
            }
        }
    }
}

/// A file that is to be stored.
struct Outgoing {
    date: Option<DateTime>,
    content: OutgoingContent,
}

enum OutgoingContent {
    Small(Bytes),
    Large(Blocking, u64),
}

impl Outgoing {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let seconds = metadata.modified()?.duration_since(std::time::SystemTime::UNIX_EPOCH);
        let seconds = seconds.ok().and_then(|since| i64::try_from(since.as_secs()).ok());
        let date = seconds.and_then(|seconds| DateTime::from_unix(seconds, 0));
        let mut reader = Newlines::crlf().reader(file);
        if metadata.len() <= SMALL {
            let mut message = Vec::new();
            reader.read_to_end(&mut message)?;
            return Ok(Self { date, content: OutgoingContent::Small(message.into()) });
        }
        let length = io::copy(&mut reader, &mut io::sink())?;
        let reader = Blocking(Newlines::crlf().reader(File::open(path)?));
        Ok(Self { date, content: OutgoingContent::Large(reader, length) })
    }
}

/// A file that is read where it is asked for: this program has nothing else to do meanwhile.
struct Blocking(crate::maildir::Converted<File>);

impl AsyncRead for Blocking {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.0.read(buffer.initialize_unfilled())?;
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

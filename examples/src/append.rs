//! Storing messages on a server, several at once where it can.

use anyhow::Error;
use bytes::Bytes;
use mailwire_transport::{
    Error as ClientError,
    imap::{
        Capability, Client,
        client::{AppendOptions, AppendUid},
        proto::types::{MailboxName, Uid, UidValidity},
    },
};

use crate::{Failed, Status};

/// A message in memory that is to be stored, with its flags and date.
pub type Letter = (AppendOptions, Bytes);

/// What became of a message.
#[derive(Debug)]
pub enum Stored {
    /// It is there, by this UID if the server says so.
    As(Option<(UidValidity, Uid)>),
    /// It is not there, for this reason.
    Refused(Status, Error),
}

/// How many messages one command stores, where the server takes several, and of how many bytes together.
pub const AT_ONCE: (usize, u64) = (50, 4 << 20);

/// Whether the server takes several messages in one command.
#[must_use]
pub fn takes_several(client: &Client) -> bool {
    client.has(&Capability::MultiAppend)
}

/// Stores messages: in one command if the server takes several, and one by one if it refuses them together, so that
/// one that it does not like stops no other. What is there of them at the end is told in their order.
///
/// # Errors
///
/// The connection fails. Nobody knows what is there of those that were not told.
pub async fn append_all(
    client: &mut Client,
    mailbox: &MailboxName,
    letters: &[Letter],
    mut told: impl FnMut(usize, Stored),
) -> Result<(), Failed> {
    if letters.len() > 1 && takes_several(client) {
        if let Ok(appended) = outcome(client.append_all(mailbox, letters.iter().cloned()).await)? {
            let validity = appended.as_ref().and_then(|appended| appended.uid_validity);
            let uids = appended.map(|appended| appended.uids.iter(letters.len()).collect::<Vec<_>>());
            // A server that names too few has not said which is which.
            let uids = uids.filter(|uids| uids.len() == letters.len()).unwrap_or_default();
            for index in 0..letters.len() {
                told(index, Stored::As(validity.zip(uids.get(index).copied())));
            }
            return Ok(());
        }
    }
    for (index, (options, message)) in letters.iter().enumerate() {
        let result = client.append_with(mailbox, options.clone(), message.clone()).await;
        told(index, stored(result)?);
    }
    Ok(())
}

/// What became of a message that was stored alone.
///
/// # Errors
///
/// The connection has failed, and nobody knows.
pub fn stored(result: Result<Option<AppendUid>, ClientError>) -> Result<Stored, Failed> {
    Ok(match outcome(result)? {
        Ok(appended) => Stored::As(appended.and_then(|appended| appended.uid_validity.zip(appended.uid()))),
        Err((status, error)) => Stored::Refused(status, error),
    })
}

type Refusal = (Status, Error);

fn outcome<T>(result: Result<T, ClientError>) -> Result<Result<T, Refusal>, Failed> {
    match result {
        Ok(done) => Ok(Ok(done)),
        // It was not sent: NUL in it, say.
        Err(error @ (ClientError::Misuse(_) | ClientError::Invalid(_))) => {
            let error = Error::new(error);
            Ok(Err((Status::Refused, error)))
        }
        Err(error) => match error.into() {
            Failed::Alone(status, error) => Ok(Err((status, error))),
            failed => Err(failed),
        },
    }
}

//! IMAP over a stream.

#[cfg(feature = "message")]
pub mod message;
mod server;

pub use server::{
    Appended, Body, Content, Copied, Fetched, Given, Mailbox, Namespaces, NewMessage, No, NoReader, Reader,
    Selected, Server, Service, Session, Status, Stored, Update,
};

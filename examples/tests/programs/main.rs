//! The programs against peers that follow a script, and against each other: what they say was done is what was
//! done, and so is their exit status.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod account;
mod doctor;
mod fetch;
mod help;
mod inspect;
#[cfg(feature = "http")]
mod maild;
#[cfg(feature = "http")]
mod page;
mod peer;
mod pop;
mod run;
mod send;
mod serve;
mod wire;

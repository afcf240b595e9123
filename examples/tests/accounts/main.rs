//! `sync` and `migrate` over accounts in memory: connections that are cut, runs that are dropped at any step, and changes
//! made by chance. What comes of it is compared with a model.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod migrate;
mod sync;
mod world;

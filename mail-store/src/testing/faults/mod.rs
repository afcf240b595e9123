//! Servers that fail as a test wants it.

mod fault;
mod layer;
mod script;
mod speech;

pub use fault::{Action, Fault, Happened, Moment};
pub(super) use layer::Faulty;
pub(super) use script::Script;

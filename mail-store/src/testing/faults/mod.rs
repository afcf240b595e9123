//! Servers that fail as a test wants it.

mod fault;
mod layer;
mod parse;
mod script;
mod speech;

pub use fault::{Action, Fault, Happened, Moment};
pub(super) use layer::Faulty;
pub use parse::NotAFault;
pub(super) use script::Script;

//! Sans-IO POP3.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod capability;
pub mod command;
pub mod error;
pub mod limits;
pub mod reply;
pub mod types;

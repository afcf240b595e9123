//! Extensions that stand on their own, one a file.

mod xclient;

pub use xclient::Xclient;

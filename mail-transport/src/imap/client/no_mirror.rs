//! Where no mirrors are kept, nobody sees what other calls bring.

use mailwire_imap::client::Event;

/// There is none.
pub(crate) enum Witness {}

impl Witness {
    pub(super) const fn lose(&mut self) {
        match *self {}
    }

    pub(super) const fn see(&mut self, _event: &Event) {
        match *self {}
    }
}

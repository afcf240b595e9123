//! Any `mailwire_core::Connection` as a [`Subject`].

use std::fmt::Debug;

use bytes::{Buf, BytesMut};
use mailwire_core::{Connection, Next};

use crate::{Observation, Subject};

/// A state machine, the input that it has not taken, and a function that plays its owner: it is
/// given each event, may answer it, and says how the event is reported.
pub struct Machine<C, F> {
    connection: C,
    input: BytesMut,
    react: F,
    over: bool,
    /// Whether output is thrown away as if a fast peer had read it.
    drain: bool,
}

impl<C, F> Machine<C, F>
where
    C: Connection,
    C::Event: Debug,
    F: FnMut(&mut C, C::Event) -> Observation,
{
    /// Around `connection`, whose owner does what `react` does.
    pub fn new(connection: C, react: F) -> Self {
        Self { connection, input: BytesMut::new(), react, over: false, drain: true }
    }

    /// The peer reads nothing: output stays where it is.
    pub fn with_slow_reader(mut self) -> Self {
        self.drain = false;
        self
    }

    /// The machine itself, for operations of its owner between pieces of input.
    pub fn connection(&mut self) -> &mut C {
        &mut self.connection
    }

    /// Whether the machine has closed or failed.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// What the machine wants to send, taken off its output.
    pub fn take_output(&mut self) -> Vec<u8> {
        let output = self.connection.output();
        let mut taken = vec![0; output.remaining()];
        output.copy_to_slice(&mut taken);
        taken
    }

    /// Runs the machine until it needs something.
    pub fn run(&mut self, report: &mut dyn FnMut(Observation)) {
        let mut idle = 0;
        while !self.over {
            if self.drain {
                let waiting = self.connection.output().remaining();
                self.connection.output().advance(waiting);
            }
            match self.connection.next_event(&mut self.input) {
                Ok(Next::Event(event)) => {
                    idle = 0;
                    let observation = (self.react)(&mut self.connection, event);
                    report(observation);
                }
                Ok(Next::NeedInput) => return,
                // The output was drained, so a second `Paused` in a row means that the owner is
                // to move, and it has moved.
                Ok(Next::Paused) if idle == 0 && self.drain => idle = 1,
                Ok(Next::Paused) => return,
                Ok(Next::Upgrade(upgrade)) => {
                    report(Observation::Event(format!("Upgrade {upgrade:?}")));
                    assert!(
                        upgrade.takes_rest() || self.input.is_empty(),
                        "bytes in clear survive the upgrade"
                    );
                    self.connection.upgraded(upgrade);
                }
                Ok(Next::Closed) => {
                    self.over = true;
                    report(Observation::Closed);
                }
                Err(error) => {
                    self.over = true;
                    let again = self.connection.next_event(&mut self.input);
                    assert!(again.is_err(), "an error must stay: {error}");
                    report(Observation::Error(error.to_string()));
                }
            }
        }
    }
}

impl<C, F> Subject for Machine<C, F>
where
    C: Connection,
    C::Event: Debug,
    F: FnMut(&mut C, C::Event) -> Observation,
{
    fn feed(&mut self, bytes: &[u8], report: &mut dyn FnMut(Observation)) {
        if !self.over {
            self.input.extend_from_slice(bytes);
        }
        self.run(report);
    }

    fn held(&self) -> usize {
        self.input.len()
    }
}

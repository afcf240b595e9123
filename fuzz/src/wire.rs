//! Two machines face to face.

use bytes::{Buf, BytesMut};
use mailwire_core::Connection;

/// What is on its way between a client and a server, and how much of it moves at once.
#[derive(Debug, Default)]
pub struct Wire {
    /// To the client.
    pub to_client: BytesMut,
    /// To the server.
    pub to_server: BytesMut,
    steps: Vec<u8>,
    turn: usize,
}

impl Wire {
    /// A wire on which `steps` say, again and again, how many bytes move at once.
    #[must_use]
    pub fn new(steps: Vec<u8>) -> Self {
        Self { steps, ..Self::default() }
    }

    /// Moves some bytes in each direction, if there are any.
    pub fn carry(&mut self, client: &mut impl Connection, server: &mut impl Connection) -> bool {
        let (there, back) = (self.step(), self.step());
        let there = move_some(client, &mut self.to_server, there);
        let back = move_some(server, &mut self.to_client, back);
        there || back
    }

    fn step(&mut self) -> usize {
        self.turn += 1;
        match self.steps.len() {
            0 => usize::MAX,
            count => match self.steps.get(self.turn % count) {
                None | Some(0) => usize::MAX,
                Some(&step) => step.into(),
            },
        }
    }
}

fn move_some(from: &mut impl Connection, to: &mut BytesMut, step: usize) -> bool {
    let output = from.output();
    let count = output.remaining().min(step);
    to.extend_from_slice(&output.copy_to_bytes(count));
    count > 0
}

/// `bytes` as a message that can be sent as it is: no CR or LF but in pairs, and one at its end.
#[must_use]
pub fn message(bytes: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    for line in bytes.split(|byte| matches!(byte, b'\r' | b'\n')) {
        message.extend_from_slice(line);
        message.extend_from_slice(b"\r\n");
    }
    message
}

//! Two machines face to face.

use bytes::{Buf, BytesMut};
use mailwire_core::{Connection, Error, Next};

/// A client, a server, what is on its way between them, and how much of it moves at once.
#[derive(Debug)]
pub struct Faces<C, S> {
    /// The client.
    pub client: C,
    /// The server.
    pub server: S,
    /// Whether the client has ended.
    pub over: bool,
    to_client: BytesMut,
    to_server: BytesMut,
    steps: Vec<u8>,
    turn: usize,
}

impl<C: Connection<Error = Error>, S: Connection<Error = Error>> Faces<C, S> {
    /// Two machines, of whose output `steps` say, again and again, how many bytes move at once.
    #[must_use]
    pub fn new(client: C, server: S, steps: Vec<u8>) -> Self {
        let (to_client, to_server) = (BytesMut::new(), BytesMut::new());
        Self { client, server, over: false, to_client, to_server, steps, turn: 0 }
    }

    /// Moves some bytes in each direction, if there are any.
    fn carry(&mut self) -> bool {
        let (there, back) = (self.step(), self.step());
        let there = move_some(&mut self.client, &mut self.to_server, there);
        let back = move_some(&mut self.server, &mut self.to_client, back);
        there || back
    }

    fn client_event(&mut self, moved: &mut bool) -> Option<C::Event> {
        next_event(&mut self.client, &mut self.to_client, &mut self.over, moved)
    }

    fn server_event(&mut self, moved: &mut bool) -> Option<S::Event> {
        next_event(&mut self.server, &mut self.to_server, &mut false, moved)
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

/// What happens on one side until it waits.
fn next_event<C: Connection<Error = Error>>(
    machine: &mut C,
    input: &mut BytesMut,
    over: &mut bool,
    moved: &mut bool,
) -> Option<C::Event> {
    loop {
        match machine.next_event(input).expect("the peer is one of us") {
            Next::Event(event) => {
                *moved = true;
                return Some(event);
            }
            Next::Upgrade(_) => {
                *moved = true;
                machine.upgraded(mailwire_core::Upgrade::Tls);
            }
            Next::Closed => {
                *over = true;
                return None;
            }
            Next::NeedInput | Next::Paused => return None,
        }
    }
}

/// Who uses both machines.
pub trait Pair {
    /// The client's machine.
    type Client: Connection<Error = Error>;
    /// The server's machine.
    type Server: Connection<Error = Error>;

    /// The two.
    fn faces(&mut self) -> &mut Faces<Self::Client, Self::Server>;
    /// The client was told something.
    fn hear(&mut self, event: <Self::Client as Connection>::Event);
    /// The server was asked something.
    fn serve(&mut self, event: <Self::Server as Connection>::Event);
    /// Sends what there is room for, of a body for instance; whether there was something.
    fn send(&mut self) -> bool;

    /// Until nothing moves any more.
    fn run(&mut self) {
        let mut moved = true;
        while moved {
            moved = false;
            while let Some(event) = self.faces().client_event(&mut moved) {
                self.hear(event);
            }
            while let Some(event) = self.faces().server_event(&mut moved) {
                self.serve(event);
            }
            moved |= self.send();
            moved |= self.faces().carry();
        }
    }
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

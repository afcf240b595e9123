//! Two machines face to face.

use std::vec::Vec;

use bytes::{Buf, BytesMut};

use crate::{Connection, Error, Next};

/// A client, a server, what is on its way between them, and how much of it moves at once.
#[derive(Debug)]
pub struct Faces<C, S> {
    /// The client.
    pub client: C,
    /// The server.
    pub server: S,
    /// Whether the client's conversation is over.
    pub client_closed: bool,
    /// Whether the server's conversation is over.
    pub server_closed: bool,
    to_client: BytesMut,
    to_server: BytesMut,
    steps: Vec<u8>,
    turn: usize,
}

impl<C: Connection<Error = Error>, S: Connection<Error = Error>> Faces<C, S> {
    /// Connects two machines. `steps` say, again and again, how many bytes of their output move at
    /// once; 0, or no steps, stands for all.
    #[must_use]
    pub fn new(client: C, server: S, steps: Vec<u8>) -> Self {
        Self {
            client,
            server,
            client_closed: false,
            server_closed: false,
            to_client: BytesMut::new(),
            to_server: BytesMut::new(),
            steps,
            turn: 0,
        }
    }

    /// Moves some bytes in each direction, and says whether there were any.
    fn carry(&mut self) -> bool {
        let (there, back) = (self.step(), self.step());
        let there = carry_some(&mut self.client, &mut self.to_server, there);
        let back = carry_some(&mut self.server, &mut self.to_client, back);
        there || back
    }

    fn client_event(&mut self, moved: &mut bool) -> Option<C::Event> {
        next_event(&mut self.client, &mut self.to_client, &mut self.client_closed, moved)
    }

    fn server_event(&mut self, moved: &mut bool) -> Option<S::Event> {
        next_event(&mut self.server, &mut self.to_server, &mut self.server_closed, moved)
    }

    fn step(&mut self) -> usize {
        self.turn = self.turn.wrapping_add(1);
        let turn = self.turn.checked_rem(self.steps.len()).unwrap_or_default();
        match self.steps.get(turn) {
            None | Some(0) => usize::MAX,
            Some(&step) => step.into(),
        }
    }
}

fn carry_some(from: &mut impl Connection, to: &mut BytesMut, step: usize) -> bool {
    let output = from.output();
    let count = output.remaining().min(step);
    to.extend_from_slice(&output.copy_to_bytes(count));
    count > 0
}

/// The next event of one side; `None` when it waits.
fn next_event<C: Connection<Error = Error>>(
    machine: &mut C,
    input: &mut BytesMut,
    closed: &mut bool,
    moved: &mut bool,
) -> Option<C::Event> {
    loop {
        match machine.next_event(input) {
            Ok(Next::Event(event)) => {
                *moved = true;
                return Some(event);
            }
            Ok(Next::Upgrade(upgrade)) => {
                *moved = true;
                machine.upgraded(upgrade);
            }
            Ok(Next::Closed) => {
                *closed = true;
                return None;
            }
            Ok(Next::NeedInput | Next::Paused) => return None,
            Err(error) => panic!("the peer is one of us, but {error}"),
        }
    }
}

/// The owner of a client and a server that are face to face.
pub trait Pair {
    /// The client's machine.
    type Client: Connection<Error = Error>;
    /// The server's machine.
    type Server: Connection<Error = Error>;

    /// Both machines.
    fn faces(&mut self) -> &mut Faces<Self::Client, Self::Server>;

    /// Takes note of an event of the client's.
    fn hear(&mut self, event: <Self::Client as Connection>::Event);

    /// Takes note of an event of the server's, and may answer it.
    fn serve(&mut self, event: <Self::Server as Connection>::Event);

    /// Sends what there is room for, of a body for instance, and says whether there was something.
    fn send(&mut self) -> bool {
        false
    }

    /// Moves events and bytes until nothing moves any more.
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

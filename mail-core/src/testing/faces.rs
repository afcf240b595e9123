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
    /// What is on its way to the client.
    pub to_client: BytesMut,
    /// What is on its way to the server.
    pub to_server: BytesMut,
    steps: Vec<usize>,
    turn: usize,
}

impl<C: Connection<Error = Error>, S: Connection<Error = Error>> Faces<C, S> {
    /// Connects two machines. `steps` say, again and again, how many bytes of their output move at
    /// once; 0, or no steps, stands for all.
    #[must_use]
    pub fn new(client: C, server: S, steps: impl IntoIterator<Item = impl Into<usize>>) -> Self {
        Self {
            client,
            server,
            client_closed: false,
            server_closed: false,
            to_client: BytesMut::new(),
            to_server: BytesMut::new(),
            steps: steps.into_iter().map(Into::into).collect(),
            turn: 0,
        }
    }

    /// Moves events and bytes until nothing moves any more.
    ///
    /// # Panics
    ///
    /// A machine finds an error in what the other has sent.
    pub fn run(&mut self, owners: &mut impl Owners<C, S>) {
        let mut moved = true;
        while moved {
            moved = false;
            while let Some(event) =
                next_event(&mut self.client, &mut self.to_client, &mut self.client_closed, &mut moved)
            {
                owners.hear(&mut self.client, event);
            }
            while let Some(event) =
                next_event(&mut self.server, &mut self.to_server, &mut self.server_closed, &mut moved)
            {
                owners.serve(&mut self.server, event);
            }
            moved |= owners.send(&mut self.client, &mut self.server);
            moved |= self.carry();
        }
    }

    /// Moves some bytes in each direction, and says whether there were any.
    fn carry(&mut self) -> bool {
        let (there, back) = (self.step(), self.step());
        let there = carry_some(&mut self.client, &mut self.to_server, there);
        let back = carry_some(&mut self.server, &mut self.to_client, back);
        there || back
    }

    fn step(&mut self) -> usize {
        self.turn = self.turn.wrapping_add(1);
        let turn = self.turn.checked_rem(self.steps.len()).unwrap_or_default();
        match self.steps.get(turn) {
            None | Some(0) => usize::MAX,
            Some(&step) => step,
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
                assert!(upgrade.takes_rest() || input.is_empty(), "sent in clear: {}", input.escape_ascii());
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

/// Who owns a client's and a server's machine that are face to face: the caller and the application.
///
/// Where they share nothing, two closures will do: what the client's owner does with an event, and what
/// the server's does.
pub trait Owners<C: Connection, S: Connection> {
    /// Takes note of an event of the client's, and may go on from there.
    fn hear(&mut self, client: &mut C, event: C::Event);

    /// Takes note of an event of the server's, and may answer it.
    fn serve(&mut self, server: &mut S, event: S::Event);

    /// Sends what there is room for, of a body for instance, and says whether there was something.
    fn send(&mut self, _client: &mut C, _server: &mut S) -> bool {
        false
    }
}

impl<C, S, H, A> Owners<C, S> for (H, A)
where
    C: Connection,
    S: Connection,
    H: FnMut(&mut C, C::Event),
    A: FnMut(&mut S, S::Event),
{
    fn hear(&mut self, client: &mut C, event: C::Event) {
        (self.0)(client, event);
    }

    fn serve(&mut self, server: &mut S, event: S::Event) {
        (self.1)(server, event);
    }
}

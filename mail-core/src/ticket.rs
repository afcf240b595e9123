//! What ties an answer to its question.

/// The name of one command on one connection. Its reply comes back with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// Hands out tickets, each once, in ascending order.
#[derive(Debug, Clone, Default)]
pub struct Tickets {
    issued: u64,
}

impl Tickets {
    /// A series that starts anew.
    #[must_use]
    pub const fn new() -> Self {
        Self { issued: 0 }
    }

    /// The next ticket.
    pub fn issue(&mut self) -> Ticket {
        self.issued = self.issued.wrapping_add(1);
        Ticket(self.issued)
    }
}

impl Ticket {
    /// The ticket's number, which starts at 1 on each connection: for logs and tags.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

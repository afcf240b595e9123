//! What wakes a machine that is parked within a line.

use core::ops::{Deref, DerefMut};

use crate::LineFramer;

/// What can be parked until more than a part of a line has come: a framer, or a machine by its framer.
pub trait Park {
    /// Whether it is parked, and `input` has nothing for it: neither a line end nor the limit is in
    /// what came since.
    fn is_parked(&mut self, input: &[u8]) -> bool;

    /// Has it look at everything anew.
    fn unpark(&mut self);
}

impl Park for LineFramer {
    #[inline]
    fn is_parked(&mut self, input: &[u8]) -> bool {
        Self::is_parked(self, input)
    }

    #[inline]
    fn unpark(&mut self) {
        Self::unpark(self);
    }
}

/// Holds a machine that can be parked: whoever changes it wakes it, so that no method can forget to.
///
/// The one who may look at a parked machine without waking it says so: by
/// [`is_parked`](Self::is_parked), or [`asleep`](Self::asleep).
///
/// ```
/// use mailwire_core::{LineFramer, private::Gate};
///
/// let mut gate = Gate::new(LineFramer::new());
/// assert_eq!(gate.find(b"NO", 100), Ok(None));
/// gate.asleep().park();
/// assert!(gate.is_parked(b"NOO"));
/// gate.find(b"NOO", 100).unwrap();
/// assert!(!gate.is_parked(b"NOOP"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Gate<M>(M);

impl<M: Park> Gate<M> {
    /// A gate around a machine.
    #[must_use]
    pub const fn new(machine: M) -> Self {
        Self(machine)
    }

    /// Whether the machine is parked, and `input` has nothing for it. Asked before anything else: what
    /// is parked costs nearly nothing.
    #[inline]
    #[must_use]
    pub fn is_parked(&mut self, input: &[u8]) -> bool {
        self.0.is_parked(input)
    }

    /// The machine, which stays parked: for what does not change what it waits for, such as its output
    /// being drained, and for itself while it reads.
    #[inline]
    pub const fn asleep(&mut self) -> &mut M {
        &mut self.0
    }
}

impl<M> Deref for Gate<M> {
    type Target = M;

    #[inline]
    fn deref(&self) -> &M {
        &self.0
    }
}

impl<M: Park> DerefMut for Gate<M> {
    #[inline]
    fn deref_mut(&mut self) -> &mut M {
        self.0.unpark();
        &mut self.0
    }
}

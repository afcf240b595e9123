//! What wakes a machine that is parked within a line.

use core::ops::{Deref, DerefMut};

use crate::LineFramer;

/// What is parked, by its framer, until more than a part of a line has come.
pub trait Park {
    /// The framer that it reads with.
    fn framer(&mut self) -> &mut LineFramer;
}

impl Park for LineFramer {
    #[inline]
    fn framer(&mut self) -> &mut LineFramer {
        self
    }
}

/// Declares the public side of a machine, which holds it in a [`Gate`], and says what parks it.
///
/// ```ignore
/// mailwire_core::machine! {
///     /// The state machine of a client.
///     pub struct Connection of Machine in State, parked by |machine| &mut machine.framer;
/// }
/// ```
///
/// It gives `state` and `is_tls`, from the field `session` of the machine.
#[doc(hidden)]
#[macro_export]
macro_rules! machine {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident of $machine:ident in $state:ty, parked by |$it:ident| $framer:expr;
    ) => {
        $(#[$meta])*
        #[derive(Debug)]
        $vis struct $name($crate::private::Gate<$machine>);

        impl $name {
            /// Where the session stands.
            #[must_use]
            pub fn state(&self) -> $state {
                self.0.session.state
            }

            /// Whether the stream is protected.
            #[must_use]
            pub fn is_tls(&self) -> bool {
                self.0.session.tls
            }
        }

        impl $crate::private::Park for $machine {
            #[inline]
            fn framer(&mut self) -> &mut $crate::LineFramer {
                let $it = self;
                $framer
            }
        }
    };
}

/// What the six `impl Connection` around a [`Gate`] begin with: `machine_methods!(Event);`.
///
/// The machine has the method `advance`, which reads on, and the fields `output` and `eof`.
#[doc(hidden)]
#[macro_export]
macro_rules! machine_methods {
    ($event:ty) => {
        type Event = $event;
        type Error = $crate::Error;

        #[inline]
        fn next_event(
            &mut self,
            input: &mut $crate::private::BytesMut,
        ) -> ::core::result::Result<$crate::Next<$event>, $crate::Error> {
            // Nearly free where nothing came but more of a line.
            if self.0.is_parked(input) {
                ::core::result::Result::Ok($crate::Next::NeedInput)
            } else {
                self.0.advance(input)
            }
        }

        fn output(&mut self) -> &mut $crate::Output {
            &mut self.0.asleep().output
        }

        fn handle_eof(&mut self) {
            self.0.eof = true;
        }
    };
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

    /// Whether the machine is parked, and `input` has nothing for it: neither a line
    /// end nor the limit is in what came since. Asked before anything else: what
    /// is parked costs nearly nothing.
    #[inline]
    #[must_use]
    pub fn is_parked(&mut self, input: &[u8]) -> bool {
        self.0.framer().is_parked(input)
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
        self.0.framer().unpark();
        &mut self.0
    }
}

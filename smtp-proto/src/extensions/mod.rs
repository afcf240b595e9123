//! What extensions add: parameters of MAIL and RCPT, commands; one RFC a file.
//!
//! The parameters that nearly every message has (SIZE, BODY, SMTPUTF8, AUTH) are fields of [`Mail`]; the others are in
//! [`MailParameters`] and [`RcptParameters`].

// A parameter is one line in the two tables below, which make the structs, the readers, the writers and the setters of
// them. A value has a type with a `Value` of its own. What is read stands in a module `grammar` of each file, over `read.rs`:
// without the feature `extensions` nothing is.

pub mod burl;
pub mod checkpoint;
pub mod client_id;
pub mod deliver_by;
pub mod dsn;
pub mod etrn;
pub mod future_release;
pub mod limits;
pub mod no_soliciting;
pub mod priority;
#[cfg_attr(not(feature = "extensions"), path = "unread.rs")]
mod read;
pub mod tracking;
pub mod valid_since;
pub mod xclient;

use alloc::{boxed::Box, vec::Vec};

use mailwire_core::{Cursor, ParseError, keywords, private::write_number};

#[cfg(feature = "extensions")]
use self::read::ReadField as _;
pub(crate) use self::read::{find_offered, read_offered};
use crate::{
    Capability, Mail, Parameter, Rcpt,
    capability::{Extension, ExtensionSet},
    types::{Mailbox, ParameterValue, xtext},
};

/// What stands after an extension's keyword in the reply to EHLO.
trait Offered {
    /// Appends it, with a space before it unless it is empty.
    fn put(&self, out: &mut Vec<u8>);
}

/// Appends what stands after the keyword, if anything does.
pub(crate) fn write_offered(capability: &Capability, out: &mut Vec<u8>) {
    match capability {
        Capability::Burl(offered) => offered.put(out),
        Capability::DeliverBy(offered) => offered.put(out),
        Capability::FutureRelease(offered) => offered.put(out),
        Capability::Limits(offered) => offered.put(out),
        Capability::MtPriority(offered) => offered.put(out),
        Capability::NoSoliciting(offered) => offered.put(out),
        Capability::Xclient(offered) | Capability::Xforward(offered) => offered.put(out),
        _ => {}
    }
}

/// Appends a number and what follows it, with a space before them if there is anything.
fn put_offered(out: &mut Vec<u8>, number: Option<u64>, rest: &[u8]) {
    if number.is_some() || !rest.is_empty() {
        out.push(b' ');
    }
    if let Some(number) = number {
        write_number(out, number);
    }
    out.extend_from_slice(rest);
}

/// What stands after the `=` of a parameter.
trait Value: Clone {
    /// Appends it.
    fn write(&self, out: &mut Vec<u8>);

    /// The parameter's name with a space before it: the `first` one, unless the type has several.
    fn keyword(&self, first: &'static str) -> &'static str {
        first
    }

    /// A copy that keeps no receive buffer alive.
    fn compact(&self) -> Self {
        self.clone()
    }

    /// What a server must offer for this value, besides the extension of the parameter.
    fn needs(&self) -> Option<Extension> {
        None
    }
}

/// SUBMITTER: an address in `xtext` ([RFC 4405 section 4](https://www.rfc-editor.org/rfc/rfc4405#section-4)).
impl Value for Mailbox {
    fn write(&self, out: &mut Vec<u8>) {
        xtext::write(self.as_bytes(), out);
    }

    fn compact(&self) -> Self {
        self.compact()
    }
}

/// XRCPTFORWARD: what only the server understands.
impl Value for ParameterValue {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    fn compact(&self) -> Self {
        self.compact()
    }
}

/// A field of the structs below.
trait Field {
    /// That of a command without the parameter.
    const NONE: Self;

    fn is_set(&self) -> bool;

    /// Appends the parameter; `keyword` is its name with a space before it.
    fn write(&self, keyword: &'static str, out: &mut Vec<u8>);

    fn needs(&self) -> Option<Extension>;

    /// A copy that keeps no receive buffer alive.
    fn compact(&self) -> Self;
}

/// A parameter without a value.
impl Field for bool {
    const NONE: Self = false;

    fn is_set(&self) -> bool {
        *self
    }

    fn write(&self, keyword: &'static str, out: &mut Vec<u8>) {
        if *self {
            out.extend_from_slice(keyword.as_bytes());
        }
    }

    fn needs(&self) -> Option<Extension> {
        None
    }

    fn compact(&self) -> Self {
        *self
    }
}

impl<T: Value> Field for Option<T> {
    const NONE: Self = None;

    fn is_set(&self) -> bool {
        self.is_some()
    }

    // Always: a name of known length is put by an instruction or two, and not by a call.
    #[inline(always)]
    fn write(&self, keyword: &'static str, out: &mut Vec<u8>) {
        if let Some(value) = self {
            out.extend_from_slice(value.keyword(keyword).as_bytes());
            out.push(b'=');
            value.write(out);
        }
    }

    fn needs(&self) -> Option<Extension> {
        self.as_ref().and_then(T::needs)
    }

    fn compact(&self) -> Self {
        self.as_ref().map(T::compact)
    }
}

/// Parameters that are rare: they take no memory where there are none.
#[derive(Debug)]
pub(crate) struct Rare<T: Parameters>(Option<Box<T>>);

/// The parameters of a command. What is done with them stands in this crate once, and not wherever it is done with a command.
pub(crate) trait Parameters: Default {
    fn release(self: Box<Self>);

    fn copy(&self) -> Box<Self>;
}

impl<T: Parameters> Clone for Rare<T> {
    #[inline]
    fn clone(&self) -> Self {
        Self(self.get().map(T::copy))
    }
}

impl<T: Parameters> Drop for Rare<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(parameters) = self.0.take() {
            parameters.release();
        }
    }
}

impl<T: Parameters> Rare<T> {
    pub(crate) const NONE: Self = Self(None);

    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_deref()
    }

    pub(crate) fn map(&self, change: impl FnOnce(&T) -> T) -> Self {
        Self(self.get().map(|some| Box::new(change(some))))
    }
}

impl<T: Parameters> Rare<T> {
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

/// None is the same as one in which nothing is set.
impl<T: Parameters + PartialEq> PartialEq for Rare<T> {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(one), Some(other)) => one == other,
            (Some(one), None) | (None, Some(one)) => **one == T::default(),
        }
    }
}

impl<T: Parameters + Eq> Eq for Rare<T> {}

#[cfg(feature = "serde")]
impl<T: Parameters + serde::Serialize> serde::Serialize for Rare<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(some) => some.serialize(serializer),
            None => T::default().serialize(serializer),
        }
    }
}

macro_rules! parameters {
    ($(#[$meta:meta])* $name:ident of $command:ident by $keyword:ident {
        $($(#[$doc:meta])* $field:ident: $kind:tt $(($type:ty))?, $setter:ident,
            $($variant:ident = $text:literal)|+ needs $extension:ident;)*
    }) => {
        keywords! {
            /// The names of the parameters that are known.
            enum $keyword { $($($variant = $text,)+)* }
        }

        $(#[$meta])*
        #[non_exhaustive]
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        pub struct $name {
            $($(#[$doc])* pub $field: parameters!(@type $kind $(($type))?),)*
            /// Parameters that this crate does not know.
            pub other: Vec<Parameter>,
        }

        impl $name {
            /// None of them.
            #[must_use]
            pub const fn new() -> Self {
                Self { $($field: Field::NONE,)* other: Vec::new() }
            }

            #[inline]
            pub(crate) fn compact(&self) -> Self {
                Self {
                    $($field: self.$field.compact(),)*
                    other: self.other.iter().map(Parameter::compact).collect(),
                }
            }

            /// Reads what follows the name of a parameter, which stands at `start`. Whether it was given before.
            #[cfg(feature = "extensions")]
            pub(crate) fn read(
                &mut self,
                cursor: &mut Cursor<'_>,
                start: usize,
                keyword: &[u8],
            ) -> Result<bool, ParseError> {
                match $keyword::of(keyword) {
                    $(Some($($keyword::$variant)|+) => self.$field.read(keyword, cursor),)*
                    None => {
                        self.other.push(Parameter::read(cursor, start)?);
                        Ok(false)
                    }
                }
            }

            pub(crate) fn write(&self, out: &mut Vec<u8>) {
                $(self.$field.write(parameters!(@first $($text)+), out);)*
                for parameter in &self.other {
                    out.push(b' ');
                    parameter.write(out);
                }
            }

            /// The extensions that a server must offer for these.
            #[cold]
            pub(crate) fn needs(&self) -> ExtensionSet {
                let mut needs = ExtensionSet::NONE;
                $(if self.$field.is_set() {
                    needs = needs.with(Extension::$extension);
                    needs.extend(self.$field.needs());
                })*
                needs
            }
        }

        impl Parameters for $name {
            #[inline(never)]
            fn release(self: Box<Self>) {}

            #[inline(never)]
            fn copy(&self) -> Box<Self> {
                Box::new(self.clone())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        #[cfg(feature = "arbitrary")]
        impl<'a> arbitrary::Arbitrary<'a> for $name {
            fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
                Ok(Self { $($field: u.arbitrary()?,)* other: u.arbitrary()? })
            }
        }

        impl $command {
            /// Adds a parameter that this crate does not know.
            #[must_use]
            #[inline]
            pub fn with_parameter(mut self, parameter: Parameter) -> Self {
                self.rare.get_mut().other.push(parameter);
                self
            }

            /// The parameters that few commands have.
            #[must_use]
            pub fn parameters(&self) -> &$name {
                static NONE: $name = $name::new();
                self.rare.get().unwrap_or(&NONE)
            }

            /// The parameters that few commands have, to be changed.
            pub fn parameters_mut(&mut self) -> &mut $name {
                self.rare.get_mut()
            }

            $(parameters! { @setter $setter $name $field $kind $(($type))? })*
        }
    };
    (@type flag) => { bool };
    (@type value ($type:ty)) => { Option<$type> };
    (@first $first:literal $($more:literal)*) => { concat!(" ", $first) };
    (@setter $setter:ident $name:ident $field:ident flag) => {
        #[doc = concat!("Sets [`", stringify!($field), "`](", stringify!($name), "::", stringify!($field), ").")]
        #[must_use]
        #[inline]
        pub fn $setter(mut self, $field: bool) -> Self {
            self.rare.get_mut().$field = $field;
            self
        }
    };
    (@setter $setter:ident $name:ident $field:ident value ($type:ty)) => {
        #[doc = concat!("Sets [`", stringify!($field), "`](", stringify!($name), "::", stringify!($field), ").")]
        #[must_use]
        #[inline]
        pub fn $setter(mut self, $field: $type) -> Self {
            self.rare.get_mut().$field = Some($field);
            self
        }
    };
}

parameters! {
    /// What MAIL can say by extensions that few messages need: fields of [`Mail::parameters`].
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_smtp::{Mail, Mailbox, extensions::dsn::{EnvelopeId, Ret}};
    ///
    /// let mail = Mail::new(Mailbox::try_from("anna@example.org")?)
    ///     .with_ret(Ret::Headers)
    ///     .with_envelope_id(EnvelopeId::new("order 42")?);
    /// assert_eq!(mail.parameters().ret, Some(Ret::Headers));
    /// # Ok::<(), mailwire_smtp::Invalid>(())
    /// ```
    MailParameters of Mail by MailKeyword {
        /// RET: how much of the message comes back with a report of failure ([RFC 3461 section
        /// 4.3](https://www.rfc-editor.org/rfc/rfc3461#section-4.3)).
        ret: value (dsn::Ret), with_ret, Ret = "RET" needs Dsn;
        /// ENVID: what the sender calls this transaction, in reports ([RFC 3461 section
        /// 4.4](https://www.rfc-editor.org/rfc/rfc3461#section-4.4)).
        envelope_id: value (dsn::EnvelopeId), with_envelope_id, Envid = "ENVID" needs Dsn;
        /// REQUIRETLS: the message goes over verified TLS only, from here to its end ([RFC 8689 section
        /// 2](https://www.rfc-editor.org/rfc/rfc8689#section-2)).
        require_tls: flag, with_require_tls, RequireTls = "REQUIRETLS" needs RequireTls;
        /// HOLDFOR or HOLDUNTIL: how long the message is held back ([RFC 4865 section
        /// 3](https://www.rfc-editor.org/rfc/rfc4865#section-3)).
        hold: value (future_release::Hold), with_hold,
            HoldFor = "HOLDFOR" | HoldUntil = "HOLDUNTIL" needs FutureRelease;
        /// BY: by when the message has to be delivered ([RFC 2852 section
        /// 4](https://www.rfc-editor.org/rfc/rfc2852#section-4)).
        deliver_by: value (deliver_by::DeliverBy), with_deliver_by, By = "BY" needs DeliverBy;
        /// MT-PRIORITY: how urgent the message is ([RFC 6710 section
        /// 3](https://www.rfc-editor.org/rfc/rfc6710#section-3)).
        priority: value (priority::Priority), with_priority, MtPriority = "MT-PRIORITY" needs MtPriority;
        /// SOLICIT: which solicitations the message is ([RFC 3865 section
        /// 2.3](https://www.rfc-editor.org/rfc/rfc3865#section-2.3)).
        solicit: value (no_soliciting::SolicitationKeywords), with_solicit, Solicit = "SOLICIT" needs NoSoliciting;
        /// SUBMITTER: who is responsible for the message ([RFC 4405 section
        /// 4](https://www.rfc-editor.org/rfc/rfc4405#section-4)).
        submitter: value (Mailbox), with_submitter, Submitter = "SUBMITTER" needs Submitter;
        /// MTRK: how the way of the message can be asked for; needs [`envelope_id`](Self::envelope_id) ([RFC 3885 section
        /// 3.1](https://www.rfc-editor.org/rfc/rfc3885#section-3.1)).
        tracking: value (tracking::Tracking), with_tracking, Mtrk = "MTRK" needs Mtrk;
        /// CONPERM: the message may be converted as its header says ([RFC 4141 section
        /// 4.2](https://www.rfc-editor.org/rfc/rfc4141#section-4.2)).
        conperm: flag, with_conperm, Conperm = "CONPERM" needs Conperm;
        /// TRANSID: what the transaction is called, so that it can go on after a cut ([RFC 1845 section
        /// 2](https://www.rfc-editor.org/rfc/rfc1845#section-2)).
        transaction_id: value (checkpoint::TransactionId), with_transaction_id, TransId = "TRANSID" needs Checkpoint;
        /// PRDR: each recipient has an answer of its own to the message
        /// ([draft-hall-prdr](https://datatracker.ietf.org/doc/html/draft-hall-prdr-00)).
        prdr: flag, with_prdr, Prdr = "PRDR" needs Prdr;
    }
}

parameters! {
    /// What RCPT can say by extensions: fields of [`Rcpt::parameters`].
    ///
    /// # Examples
    ///
    /// ```
    /// use mailwire_smtp::{Mailbox, Rcpt, extensions::dsn::{Notify, OriginalRecipient}};
    ///
    /// let bob = Mailbox::try_from("bob@example.net")?;
    /// let rcpt = Rcpt::new(bob.clone())
    ///     .with_notify(Notify::SUCCESS | Notify::FAILURE)
    ///     .with_original_recipient(OriginalRecipient::of(&bob)?);
    /// assert_eq!(rcpt.parameters().original_recipient.as_ref().unwrap().address(), "bob@example.net");
    /// # Ok::<(), mailwire_smtp::Invalid>(())
    /// ```
    RcptParameters of Rcpt by RcptKeyword {
        /// NOTIFY: when the sender wants a report about this recipient ([RFC 3461 section
        /// 4.1](https://www.rfc-editor.org/rfc/rfc3461#section-4.1)).
        notify: value (dsn::Notify), with_notify, Notify = "NOTIFY" needs Dsn;
        /// ORCPT: the recipient as the sender named it ([RFC 3461 section
        /// 4.2](https://www.rfc-editor.org/rfc/rfc3461#section-4.2)).
        original_recipient: value (dsn::OriginalRecipient), with_original_recipient, Orcpt = "ORCPT" needs Dsn;
        /// RRVS: since when the recipient must have had the address ([RFC 7293 section
        /// 3.1](https://www.rfc-editor.org/rfc/rfc7293#section-3.1)).
        valid_since: value (valid_since::ValidSince), with_valid_since, Rrvs = "RRVS" needs Rrvs;
        /// CONNEG: the reply is to say what the recipient's device can show ([RFC 4141 section
        /// 5.2](https://www.rfc-editor.org/rfc/rfc4141#section-5.2)).
        conneg: flag, with_conneg, Conneg = "CONNEG" needs Conneg;
        /// IGNOREQUOTA, of Cyrus' LMTP: the message is delivered to a mailbox that is full.
        ignore_quota: flag, with_ignore_quota, IgnoreQuota = "IGNOREQUOTA" needs IgnoreQuota;
        /// XRCPTFORWARD, of Dovecot's LMTP: what one server of a site tells the next about the recipient.
        forward: value (ParameterValue), with_forward, XrcptForward = "XRCPTFORWARD" needs XrcptForward;
    }
}

//! What extensions add to MAIL and RCPT, one RFC a file.
//!
//! The parameters that nearly every message has (SIZE, BODY, SMTPUTF8, AUTH) are fields of
//! [`Mail`](crate::Mail). The others are here: one line each in the two tables below, which make the structs, the
//! readers, the writers and the setters of them. A value has a type with a [`Value`] of its own.

pub mod dsn;

use alloc::{boxed::Box, vec::Vec};

use mailwire_core::{Cursor, ParseError, keywords};

use crate::{
    Mail, Parameter, Rcpt,
    capability::{Extension, ExtensionSet},
};

/// What stands after the `=` of a parameter.
trait Value: Clone {
    /// Reads it; `keyword` is the parameter's name.
    fn read(keyword: &[u8], cursor: &mut Cursor<'_>) -> Result<Self, ParseError>;

    /// Appends it.
    fn write(&self, out: &mut Vec<u8>);

    /// The parameter's name, where one type has several.
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

/// A field of the structs below.
trait Field {
    /// That of a command without the parameter.
    const NONE: Self;

    fn is_set(&self) -> bool;

    /// Reads what follows the parameter's name. Whether it was given before.
    fn read(&mut self, keyword: &[u8], cursor: &mut Cursor<'_>) -> Result<bool, ParseError>;

    /// Appends the parameter with a space before it.
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

    fn read(&mut self, _: &[u8], _: &mut Cursor<'_>) -> Result<bool, ParseError> {
        Ok(core::mem::replace(self, true))
    }

    fn write(&self, keyword: &'static str, out: &mut Vec<u8>) {
        if *self {
            out.push(b' ');
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

    fn read(&mut self, keyword: &[u8], cursor: &mut Cursor<'_>) -> Result<bool, ParseError> {
        cursor.expect(b'=', "expected = and a value")?;
        Ok(self.replace(T::read(keyword, cursor)?).is_some())
    }

    fn write(&self, keyword: &'static str, out: &mut Vec<u8>) {
        if let Some(value) = self {
            out.push(b' ');
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
#[derive(Debug, Clone)]
pub(crate) struct Rare<T>(Option<Box<T>>);

impl<T> Rare<T> {
    pub(crate) const NONE: Self = Self(None);

    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_deref()
    }

    pub(crate) fn map(&self, change: impl FnOnce(&T) -> T) -> Self {
        Self(self.get().map(|some| Box::new(change(some))))
    }
}

impl<T: Default> Rare<T> {
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

/// None is the same as one in which nothing is set.
impl<T: Default + PartialEq> PartialEq for Rare<T> {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(one), Some(other)) => one == other,
            (Some(one), None) | (None, Some(one)) => **one == T::default(),
        }
    }
}

impl<T: Default + Eq> Eq for Rare<T> {}

#[cfg(feature = "serde")]
impl<T: Default + serde::Serialize> serde::Serialize for Rare<T> {
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

            pub(crate) fn compact(&self) -> Self {
                Self {
                    $($field: self.$field.compact(),)*
                    other: self.other.iter().map(Parameter::compact).collect(),
                }
            }

            /// Reads what follows the name of a parameter, which stands at `start`. Whether it was given before.
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
    (@first $first:literal $($more:literal)*) => { $first };
    (@setter $setter:ident $name:ident $field:ident flag) => {
        #[doc = concat!("Sets [`", stringify!($field), "`](", stringify!($name), "::", stringify!($field), ").")]
        #[must_use]
        pub fn $setter(mut self, $field: bool) -> Self {
            self.rare.get_mut().$field = $field;
            self
        }
    };
    (@setter $setter:ident $name:ident $field:ident value ($type:ty)) => {
        #[doc = concat!("Sets [`", stringify!($field), "`](", stringify!($name), "::", stringify!($field), ").")]
        #[must_use]
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
    }
}

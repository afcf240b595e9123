//! How far an extension is supported: the words of the tables that each protocol has.

/// How far one role supports an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Support {
    /// The name is recognized, or carried as it came; nothing else.
    Nothing,
    /// Commands, parameters and answers have types, are read, written and kept to what is offered; the rest is the
    /// application's. Of a SASL mechanism, the application brings the exchange.
    Values,
    /// All of it works: values, machine, a call of `mailwire-transport`'s client, or its server, over
    /// `mailwire-store` where a store can keep it.
    Whole,
}

/// Tells of one extension, or of a few that come together, how far it is supported.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Extension {
    /// How much a general library needs it: 1, every library; 2, most applications gain by it; 3, some do;
    /// 4, hardly any.
    pub priority: u8,
    /// What a server announces; for what it does not, the name of the command or parameter. One that ends in `=` has a
    /// value, one that ends in `-` is the beginning of several.
    pub names: &'static [&'static str],
    /// What defines it.
    pub document: &'static str,
    /// How far a client has it.
    pub client: Support,
    /// How far a server has it.
    pub server: Support,
    /// What it brings; and, unless all works, what is missing.
    pub about: &'static str,
    /// The tests that show it, each as `file::function`, in the repository.
    pub tests: &'static [&'static str],
}

impl Extension {
    /// A row, for [`support_table!`](crate::support_table).
    #[doc(hidden)]
    #[must_use]
    pub const fn row(
        priority: u8,
        names: &'static [&'static str],
        document: &'static str,
        [client, server]: [Support; 2],
        about: &'static str,
        tests: &'static [&'static str],
    ) -> Self {
        Self { priority, names, document, client, server, about, tests }
    }
}

/// Declares a table of extensions, which its documentation shows. What is not whole says after a semicolon what is
/// missing.
#[doc(hidden)]
#[macro_export]
macro_rules! support_table {
    ($(#[$meta:meta])* $table:ident of $what:literal:
        $($priority:literal $first:literal $(, $name:literal)* in $document:literal: $client:ident $server:ident
            $about:literal [$($test:literal),* $(,)?])*) => {
        $(#[$meta])*
        ///
        #[doc = concat!("| | ", $what, " | defined in | client | server | what it brings |")]
        /// | --- | --- | --- | --- | --- | --- |
        $(#[doc = concat!("| ", $priority, " | `", $first, "`" $(, ", `", $name, "`")*, " | ", $document, " | ",
            stringify!($client), " | ", stringify!($server), " | ", $about, " |")])*
        pub const $table: &[$crate::support::Extension] = &[$($crate::support::Extension::row(
            $priority,
            &[$first $(, $name)*],
            $document,
            [$crate::support::Support::$client, $crate::support::Support::$server],
            $about,
            &[$($test),*],
        )),*];
    };
}

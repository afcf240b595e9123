//! Everything that is checked, with its name: one table a family.

use super::{Section, Severity};

/// Something that is checked.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// Its name in [`Finding::check`](super::Finding::check): small letters and hyphens.
    pub name: &'static str,
    /// What it is about.
    pub section: Section,
    /// How bad it is if nothing else is said.
    pub severity: Severity,
    /// What it says, in short.
    pub about: &'static str,
}

/// Makes a table of checks: a constant for each, all of them, and their documentation.
macro_rules! checks {
    ($(#[doc = $doc:literal])* $all:ident { $($constant:ident = $name:literal, $section:ident, $severity:ident, $about:literal;)* }) => {
        $(pub(in super::super) const $constant: Check =
            Check { name: $name, section: Section::$section, severity: Severity::$severity, about: $about };)*

        $(#[doc = $doc])*
        ///
        /// | check | section | usually | what it says |
        /// | --- | --- | --- | --- |
        $(#[doc = concat!("| `", $name, "` | ", stringify!($section), " | ", stringify!($severity), " | ", $about, " |")])*
        pub const $all: &[Check] = &[$($constant,)*];
    };
}

/// What follows from what: where the first of these names is told of a host or domain, the second is not, for the cause is told
/// already.
pub(super) const FOLLOWS: &[(&str, &str)] = &[];

/// Checks that connect to servers, and of discovery.
pub mod servers {
    use super::{Check, Section, Severity};

    checks! {
        /// What is checked by connecting.
        SERVERS {
            SETTINGS_FOUND = "settings-found", Discovery, Good, "programs find the servers of the address";
            SETTINGS_NONE = "settings-none", Discovery, Error, "no server of the address can be found";
            SETTINGS_GUESSED = "settings-guessed", Discovery, Warning, "nobody tells of the servers; they were guessed";
            SETTINGS_DOUBTFUL = "settings-doubtful", Discovery, Warning, "nothing proves that the server found is the domain's";
            SETTINGS_CONTRADICT = "settings-contradict", Discovery, Warning, "two sources tell different servers";
            DNS_FAILS = "dns-fails", Records, Error, "name servers do not answer, or what they answer cannot be used";
        }
    }
}

/// Returns all that is checked.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    servers::SERVERS.iter()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_words_and_are_there_once() {
        let names: Vec<_> = checks().map(|check| check.name).collect();
        let is_name = |name: &&str| {
            let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            name.split('-').all(|word| !word.is_empty() && word.bytes().all(is_letter))
        };
        assert!(names.iter().all(is_name), "{names:?}");
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        for (cause, consequence) in FOLLOWS {
            assert!(names.contains(cause) && names.contains(consequence), "{cause}: {consequence}");
        }
    }
}

//! Where a session stands.

/// Where a session stands (RFC 9051 section 3).
///
/// ```text
///               LOGIN, AUTHENTICATE          SELECT, EXAMINE
///  NotAuthenticated --------> Authenticated ----------------> Selected --.
///         |                     ^   |   ^   CLOSE, UNSELECT,     |   ^    | SELECT
///         |           PREAUTH --'   |   '-- SELECT that is refused-'   '---'
///         '------------ LOGOUT, BYE: Logout ---------------------'
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// The client has to log in.
    NotAuthenticated,
    /// A mailbox can be selected.
    Authenticated,
    /// A mailbox is selected.
    Selected,
    /// LOGOUT or BYE: the end.
    Logout,
}

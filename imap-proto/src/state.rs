//! Where a session stands.

/// Tells where a session stands ([RFC 9051 section 3](https://www.rfc-editor.org/rfc/rfc9051#section-3)).
///
/// ```text
///               LOGIN, AUTHENTICATE          SELECT, EXAMINE
///  NotAuthenticated --------> Authenticated ----------------> Selected --.
///         |                     ^   |   ^   CLOSE, UNSELECT,     |   ^    | SELECT
///         |           PREAUTH --'   |   '-- SELECT that is refused-'   '---'
///         '------------ LOGOUT, BYE: Logout ---------------------'
/// ```
///
/// UNAUTHENTICATE leads from the other two back to `NotAuthenticated`
/// ([RFC 8437 section 5](https://www.rfc-editor.org/rfc/rfc8437#section-5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// The session has begun, and the client has to log in.
    NotAuthenticated,
    /// The client has logged in, and can select a mailbox.
    Authenticated,
    /// A mailbox is selected.
    Selected,
    /// LOGOUT or BYE was said: the session ends.
    Logout,
}

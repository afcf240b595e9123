//! Where a session stands.

/// Where a session stands ([RFC 1939 sections 3 to 6](https://www.rfc-editor.org/rfc/rfc1939#section-3)),
/// for both roles.
///
/// ```text
///               PASS, APOP, AUTH: +OK                 QUIT
/// Authorization ---------------------> Transaction ---------> Update --> the end
///   ^   |   |                                                              ^
///   '---'   '------------------ QUIT, a greeting of -ERR ------------------'
///   STLS
/// ```
///
/// A session that ends before `Update`, however it ends, deletes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// The client has to log in.
    Authorization,
    /// The client has the maildrop for itself.
    Transaction,
    /// QUIT was said after the login: what is marked is being deleted.
    Update,
}

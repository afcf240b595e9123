/// An application's refusal of what a client asks for: a reason for people, and one for programs
/// where the protocol has a code for it.
///
/// `C` is the protocol's type of codes: IMAP's answer is a tagged NO with a response code, POP3's is
/// `-ERR` with an extended one.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "pop3")] {
/// use mailwire_transport::pop3::{proto::ResponseCode, server::Refusal};
///
/// let refusal = Refusal::new("come back in five minutes").with_code(ResponseCode::LOGIN_DELAY);
/// assert_eq!(refusal.text, "come back in five minutes");
/// # }
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal<C> {
    /// The reason for programs.
    pub code: Option<C>,
    /// The reason for people. What cannot stand in a line is replaced when it is sent.
    pub text: String,
}

impl<C> Refusal<C> {
    /// A refusal for a reason in words.
    pub fn new(text: impl Into<String>) -> Self {
        Self { code: None, text: text.into() }
    }

    /// Adds a reason for programs.
    #[must_use]
    pub fn with_code(mut self, code: C) -> Self {
        self.code = Some(code);
        self
    }
}

//! URLAUTH: URLs of messages for those who could not read them otherwise ([RFC
//! 4467](https://www.rfc-editor.org/rfc/rfc4467)), and decoded parts by them ([RFC
//! 5524](https://www.rfc-editor.org/rfc/rfc5524)).
//!
//! The URLs themselves are in [`url`](crate::url).

#[cfg(feature = "extensions")]
mod commands;
#[cfg(feature = "extensions")]
mod data;
mod mechanism;

pub(crate) use self::mechanism::is_mechanism;
pub use self::mechanism::{AuthMechanism, UrlMechanism};
#[cfg(feature = "extensions")]
pub use self::{
    commands::{ResetKey, UrlAuthCommand, UrlFetchArg, UrlFetchParam, UrlRump},
    data::{UrlAuthData, UrlContent, UrlFetched, UrlItem},
};

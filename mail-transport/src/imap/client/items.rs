//! What is in a FETCH response.

use mailwire_imap::{response::MsgAtt, types::Data};

/// The body in an item, if it is one.
pub(super) fn data_of(item: &mut MsgAtt) -> Option<&mut Data> {
    match item {
        MsgAtt::Section(part) => Some(&mut part.data),
        MsgAtt::Binary(part) => Some(&mut part.data),
        MsgAtt::Rfc822(data) | MsgAtt::Rfc822Header(data) | MsgAtt::Rfc822Text(data) => Some(data),
        _ => None,
    }
}

pub(super) fn data_ref(item: &MsgAtt) -> Option<&Data> {
    match item {
        MsgAtt::Section(part) => Some(&part.data),
        MsgAtt::Binary(part) => Some(&part.data),
        MsgAtt::Rfc822(data) | MsgAtt::Rfc822Header(data) | MsgAtt::Rfc822Text(data) => Some(data),
        _ => None,
    }
}

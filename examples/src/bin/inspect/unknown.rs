//! What is said before the protocol is known.

use bytes::BytesMut;
use serde_json::json;

use crate::{
    Inspector, Side,
    report::{Finding, incomplete, text},
};

/// Lines of a conversation whose protocol is not known.
pub(crate) struct Unknown;

impl Inspector for Unknown {
    fn next(&mut self, _: Side, input: &mut BytesMut, ended: bool) -> Option<Finding> {
        let Some(end) = input.iter().position(|&byte| byte == b'\n') else {
            return incomplete(input, ended);
        };
        let line = input.split_to(end + 1);
        Some(Finding::new("UNKNOWN", &json!({ "text": text(line.trim_ascii_end()) }), Vec::new()))
    }
}

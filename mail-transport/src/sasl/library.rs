//! What both roles give to rsasl.

use rsasl::prelude::ChannelBindingCallback;

use crate::tls::ChannelBindings;

pub(super) struct Binding(pub(super) ChannelBindings);

impl ChannelBindingCallback for Binding {
    fn get_cb_data(&self, cbname: &str) -> Option<&[u8]> {
        self.0.get(cbname)
    }
}

/// Those of rsasl's mechanisms, as a registry wants them.
macro_rules! registry {
    ($($mechanism:path),+) => {{
        static REGISTRY: &[rsasl::prelude::Mechanism] = &[$($mechanism),+];
        REGISTRY
    }};
}
pub(super) use registry;

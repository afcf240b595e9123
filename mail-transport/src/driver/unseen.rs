//! Stands in for what shows a conversation where the feature is off: nothing is shown.

use std::io::IoSlice;

use super::DriverConfig;

pub(super) struct Wire;

impl Wire {
    pub(super) const fn of(_: &DriverConfig) -> Self {
        Self
    }
    pub(super) const fn wrote(&mut self, _: &[IoSlice<'_>], _: usize) {}
    pub(super) const fn read(&mut self, _: &[u8], _: usize) {}
}

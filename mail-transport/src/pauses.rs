//! How long to wait before another attempt.

use std::time::Duration;

/// No pause is shorter.
const SHORTEST: Duration = Duration::from_millis(10);

/// The pause after so many failures before the last one: the first one doubled with each of them, up to the longest, and
/// shortened by chance to no less than a half, so that not all clients of a server that begins anew come at once.
pub(crate) fn pause_after(failures: u32, first: Duration, longest: Duration) -> Duration {
    let factor = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
    let pause = first.saturating_mul(factor).min(longest.max(first)).max(SHORTEST);
    pause.mul_f64(0.5 + chance() / 2.0)
}

/// A number from 0 to 1, by chance; without a source of it, 1.
pub(crate) fn chance() -> f64 {
    let mut bytes = [u8::MAX; 4];
    let _ = getrandom::fill(&mut bytes);
    f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX)
}

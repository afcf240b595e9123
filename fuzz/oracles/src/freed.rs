//! What is left in memory that is given back: an allocator that looks.
#![allow(unsafe_code, reason = "an allocator is unsafe to implement")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use memchr::memmem;

/// The system's allocator, which looks for secrets in all memory that is given back.
///
/// ```
/// use mailwire_oracles::freed;
///
/// #[global_allocator]
/// static ALLOCATOR: freed::Inspecting = freed::Inspecting;
///
/// freed::watch(vec![b"tanstaaf".to_vec()]);
/// drop(vec![0; 100]);
/// assert_eq!(freed::found(), 0);
/// drop(b"my tanstaaf".to_vec());
/// assert_eq!(freed::found(), 1);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Inspecting;

static SECRETS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
static FOUND: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is left to the system's allocator; memory that was given out is looked at before it is
// given back, and was zeroed when it was given out, so that every byte has a value.
unsafe impl GlobalAlloc for Inspecting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if let Some(secrets) = SECRETS.get() {
            // SAFETY: the caller gives back what it was given, of this size.
            let memory = unsafe { std::slice::from_raw_parts(pointer, layout.size()) };
            if secrets.iter().any(|secret| memmem::find(memory, secret).is_some()) {
                FOUND.fetch_add(1, Ordering::Relaxed);
            }
        }
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Looks for these from now on. Only the first call counts.
pub fn watch(secrets: Vec<Vec<u8>>) {
    let _ = SECRETS.set(secrets);
}

/// How many pieces of memory were given back with a secret in them.
#[must_use]
pub fn found() -> usize {
    FOUND.load(Ordering::Relaxed)
}

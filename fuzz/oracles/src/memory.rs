//! How much memory is held, and was ever taken: an allocator that counts.
#![allow(unsafe_code, reason = "an allocator is unsafe to implement")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// The system's allocator, which counts.
///
/// A program that uses [`held`], [`taken`] or [`script`](crate::script) makes it its own:
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: mailwire_oracles::memory::Counting = mailwire_oracles::memory::Counting;
///
/// assert!(mailwire_oracles::memory::is_counted());
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static TAKEN_BY_ALL: AtomicU64 = AtomicU64::new(0);

thread_local! {
    // Without a destructor, so that an allocator may use it at any time.
    static TAKEN: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(held, Ordering::Relaxed);
        TAKEN_BY_ALL.fetch_add(layout.size() as u64, Ordering::Relaxed);
        TAKEN.set(TAKEN.get().wrapping_add(layout.size() as u64));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// The bytes that the program holds on the heap now.
#[must_use]
pub fn held() -> usize {
    HELD.load(Ordering::Relaxed)
}

/// The most bytes that the program held on the heap since [`forget_peak`], or ever.
#[must_use]
pub fn peak() -> usize {
    PEAK.load(Ordering::Relaxed)
}

/// Begins anew to look for the [`peak`]: it is what is held now.
pub fn forget_peak() {
    PEAK.store(held(), Ordering::Relaxed);
}

/// The bytes that all threads together have ever taken from the heap: see [`taken`].
#[must_use]
pub fn taken_by_all() -> u64 {
    TAKEN_BY_ALL.load(Ordering::Relaxed)
}

/// The bytes that this thread has ever taken from the heap. A buffer that grows counts each time: what
/// is copied again and again shows here, and it is the same in each run.
#[must_use]
pub fn taken() -> u64 {
    TAKEN.get()
}

/// Whether [`Counting`] is this program's allocator: without it nothing is counted, and what asks
/// [`held`] and [`taken`] finds nothing.
#[must_use]
pub fn is_counted() -> bool {
    let before = taken();
    drop(std::hint::black_box(vec![0_u8; 64]));
    taken() > before
}

//! The kernel heap: a talc arena at a fixed address that grows by whole pages.
//!
//! Guarantees: memory of the heap is present and writable from the start, or copied on write after a restore like any
//! page. Never: gives memory back to the program; file contents of /tmp live here and are counted as guest memory.
//!
//! Before: frames, paging. After: everything with `alloc`.

#![expect(unsafe_code, reason = "the global allocator hands raw memory to talc")]

use core::alloc::Layout;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use talc::{OomHandler, Span, Talc, Talck};

use crate::arch::{KERNEL_END, PAGE};
use crate::{frames, paging};

/// First byte of the heap: behind the kernel image, under the same page table.
pub const HEAP_START: u64 = KERNEL_END;
/// End of the address range of the heap; scratch ends it sooner.
pub const HEAP_END: u64 = 0x1_0000_0000;
const GROW_MIN: u64 = 256 * 1024;

/// Grows the arena by mapped pages.
#[derive(Debug)]
pub struct Grow;

/// End of what is mapped. Beside the arena and not in it: a fault handler reads it while the arena is in use.
static END: AtomicU64 = AtomicU64::new(HEAP_START);

impl OomHandler for Grow {
    fn handle_oom(talc: &mut Talc<Self>, layout: Layout) -> Result<(), ()> {
        let end = END.load(Relaxed);
        let wanted =
            (layout.size() as u64 + layout.align() as u64 + 4096).max(GROW_MIN).next_multiple_of(PAGE);
        if end + wanted > HEAP_END || wanted / PAGE + 64 > frames::available() {
            return Err(());
        }
        let mut address = end;
        while address < end + wanted {
            let gpa = frames::alloc().ok_or(())?;
            paging::map(address, gpa, paging::WRITE | paging::NO_EXECUTE).map_err(drop)?;
            address += PAGE;
        }
        END.store(address, Relaxed);
        let old = Span::new(HEAP_START as *mut u8, end as *mut u8);
        let new = Span::new(HEAP_START as *mut u8, address as *mut u8);
        // SAFETY: the range was mapped above, is writable, and belongs to the heap alone.
        unsafe {
            if end == HEAP_START {
                talc.claim(new)?;
            } else {
                talc.extend(old, new);
            }
        }
        Ok(())
    }
}

/// A lock that is always free: one processor, and fault handlers never allocate from the heap.
#[derive(Debug)]
pub struct NoLock;

// SAFETY: there is no second context that could take the lock while it is held.
unsafe impl lock_api::RawMutex for NoLock {
    const INIT: Self = Self;
    type GuardMarker = lock_api::GuardNoSend;
    fn lock(&self) {}
    fn try_lock(&self) -> bool {
        true
    }
    unsafe fn unlock(&self) {}
}

#[cfg_attr(not(test), global_allocator)]
#[cfg_attr(test, expect(dead_code, reason = "tests allocate as ordinary programs"))]
static HEAP: Talck<NoLock, Grow> = Talck::new(Talc::new(Grow));

/// Bytes of the heap's address range in use.
pub fn bytes() -> u64 {
    END.load(Relaxed) - HEAP_START
}

/// Bytes of the heap's address range that are left.
pub fn room() -> u64 {
    HEAP_END - END.load(Relaxed)
}

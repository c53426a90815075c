//! The window through which the kernel reads the archive of the image.
//!
//! The host builds a table entry for each page of it and copies all tables for each new VM. Most runs read no file, so a
//! new VM takes the tables out, uses their frames for other things, and maps what is read when it is read.
//!
//! Guarantees: once `map` has returned, the window reads as the archive at any time; at a checkpoint every page of it is in
//! the tables, as the host requires. Never: looks inside.
//!
//! Before: paging. After: traps (a new VM, faults), mm (file pages of programs), channel (checkpoints), vfs (reads).

use crate::arch::{self, PAGE, state};
use crate::cell::KernelCell;
use crate::{mm, paging};

/// First address of the window: below every address that programs map files to, so that the host, which numbers pages
/// in the order of their addresses, gives the archive's pages consecutive numbers.
pub const START: u64 = 0x1_0000_0000;
/// Pages mapped at a fault.
const BATCH: u64 = 16;

static BYTES: KernelCell<u64> = KernelCell::new(0);

fn window() -> core::ops::Range<u64> {
    START..START + BYTES.peek(|bytes| *bytes).next_multiple_of(PAGE)
}

/// Moves the archive from the low address where the host put it, in the way of programs, to the window.
pub fn map(address: u64, bytes: u64) -> &'static [u8] {
    let mut offset = 0;
    while offset < bytes {
        let entry = paging::unmap(address + offset);
        let frame = paging::frame_of(entry);
        if frame == 0 || paging::map(START + offset, frame, paging::NO_EXECUTE).is_err() {
            arch::abort("cannot map the image archive");
        }
        offset += PAGE;
    }
    arch::flush_tlb();
    BYTES.with(|b| *b = bytes);
    arch::static_bytes(START, bytes as usize)
}

/// Takes the window's tables out of a new VM, where the archive's frames are consecutive.
pub fn drop_tables() -> Option<paging::Dropped> {
    let window = window();
    if window.is_empty() {
        return None;
    }
    let first = paging::frame_of(paging::entry(window.start));
    let last = paging::frame_of(paging::entry(window.end - PAGE));
    if first == 0 || last.checked_sub(first) != Some(window.end - PAGE - window.start) {
        // A program maps files below the window. Its tables stay.
        return None;
    }
    let tables = paging::drop_tables(window)?;
    state().archive_gpa.set(first);
    Some(tables)
}

/// The frame of the page at an address of the window.
pub fn frame(address: u64) -> u64 {
    match state().archive_gpa.get() {
        0 => paging::frame_of(paging::entry(address)),
        gpa => gpa + (address - START),
    }
}

/// Answers a fault in the window; `None` where the address is not in it, or was not taken out. Runs in the fault handler.
pub fn resolve(page: u64) -> Option<mm::Fault> {
    let window = window();
    if !window.contains(&page) || state().archive_gpa.get() == 0 {
        return None;
    }
    for at in (page..window.end).step_by(PAGE as usize).take(BATCH as usize) {
        if paging::map(at, frame(at), paging::NO_EXECUTE).is_err() {
            return Some(if at == page { mm::Fault::OutOfMemory } else { mm::Fault::Resolved });
        }
    }
    Some(mm::Fault::Resolved)
}

/// Maps every page again, because a snapshot holds what is mapped.
pub fn map_all() {
    for at in window().step_by(PAGE as usize) {
        if !paging::is_present(at) && paging::map(at, frame(at), paging::NO_EXECUTE).is_err() {
            arch::abort("scratch memory is too small to map the image archive for a snapshot");
        }
    }
}

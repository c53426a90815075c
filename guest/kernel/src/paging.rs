//! Page tables: four levels, 4 KiB leaves, edited through the alias.
//!
//! Guarantees: tables and leaves made here are open to ring 3; accessed and dirty bits are preset, so the processor
//! never writes a table. Never: decides what a program may map (mm.rs) or flushes translations (its callers know when).
//!
//! Before: frames. After: mm, heap.

use hyperlight_common::layout;

use crate::arch::{self, PAGE, is_scratch, phys_read, phys_write, state};
use crate::frames;

/// Leaf and table bits (SDM vol. 3, 4.5).
pub const PRESENT: u64 = 1;
/// Writable.
pub const WRITE: u64 = 1 << 1;
/// Open to ring 3.
pub const USER: u64 = 1 << 2;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const LARGE: u64 = 1 << 7;
/// Hyperlight's mark of a copy-on-write page; a snapshot gives it to every writable page.
const COW: u64 = 1 << 9;
/// Not executable.
pub const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
const LARGE_PAGE: u64 = 1 << 21;

/// Scratch is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfFrames;

/// The physical address in an entry.
pub fn frame_of(entry: u64) -> u64 {
    entry & ADDRESS
}

fn index(address: u64, level: u32) -> u64 {
    (address >> (12 + 9 * level)) & 511
}

/// Finds the slot of the leaf entry for `address`, making tables on the way if `create`.
fn slot(address: u64, create: bool) -> Result<Option<u64>, OutOfFrames> {
    let mut table = state().root.get();
    for level in [3, 2, 1] {
        let at = table + index(address, level) * 8;
        let entry = phys_read(at);
        if entry & PRESENT == 0 {
            if !create {
                return Ok(None);
            }
            let gpa = frames::alloc().ok_or(OutOfFrames)?;
            phys_write(at, gpa | PRESENT | WRITE | USER | ACCESSED);
            table = gpa;
        } else if entry & LARGE != 0 {
            return Ok(None);
        } else {
            table = frame_of(entry);
        }
    }
    Ok(Some(table + index(address, 0) * 8))
}

/// Reads the leaf entry of a page; 0 where there is none.
pub fn entry(address: u64) -> u64 {
    match slot(address, false) {
        Ok(Some(at)) => phys_read(at),
        _ => 0,
    }
}

/// Whether a page is present.
pub fn is_present(address: u64) -> bool {
    entry(address) & PRESENT != 0
}

/// Whether a page is present in a frame of this VM's own.
pub fn is_own(address: u64) -> bool {
    let entry = entry(address);
    entry & PRESENT != 0 && is_scratch(frame_of(entry))
}

/// Maps a page to a frame with the given bits (WRITE, NO_EXECUTE).
pub fn map(address: u64, gpa: u64, bits: u64) -> Result<(), OutOfFrames> {
    let at = slot(address, true)?.ok_or(OutOfFrames)?;
    phys_write(at, gpa | bits | PRESENT | USER | ACCESSED | DIRTY);
    Ok(())
}

/// Clears a leaf entry and returns what it was.
pub fn unmap(address: u64) -> u64 {
    match slot(address, false) {
        Ok(Some(at)) => {
            let old = phys_read(at);
            if old != 0 {
                phys_write(at, 0);
            }
            old
        }
        _ => 0,
    }
}

/// Replaces the bits of a present page and keeps its frame; returns the old entry.
pub fn set_bits(address: u64, bits: u64) -> u64 {
    match slot(address, false) {
        Ok(Some(at)) => {
            let old = phys_read(at);
            if old & PRESENT != 0 {
                phys_write(at, frame_of(old) | bits | PRESENT | ACCESSED | DIRTY);
            }
            old
        }
        _ => 0,
    }
}

/// Calls `f(address, entry)` for every leaf in a range, skipping holes a table at a time. A new value is stored where
/// `f` returns one.
pub fn for_each(start: u64, end: u64, mut f: impl FnMut(u64, u64) -> Option<u64>) {
    let mut address = start & !(PAGE - 1);
    while address < end {
        let table_end = (address | 0x1f_ffff) + 1;
        let Ok(Some(first)) = slot(address, false) else {
            address = table_end;
            continue;
        };
        let mut at = first;
        while address < end && address < table_end {
            let old = phys_read(at);
            if old != 0
                && let Some(new) = f(address, old)
            {
                phys_write(at, new);
            }
            at += 8;
            address += PAGE;
        }
    }
}

/// Pages of a range that have an entry.
pub fn count(start: u64, end: u64) -> i64 {
    let mut pages = 0;
    for_each(start, end, |_, _| {
        pages += 1;
        None
    });
    pages
}

/// Gives a present page of a snapshot its own writable copy, or just the write bit where it is ours already.
///
/// Fails when scratch is used up. The translation is not flushed: a page fault drops the one of the faulting address (SDM
/// vol. 3, 4.10.4.1), and bulk callers run before anything is cached.
pub fn make_writable(address: u64) -> Result<(), OutOfFrames> {
    let page = address & !(PAGE - 1);
    if let Some(source) = redirect(page)? {
        arch::copy_snapshot_page(source, page);
    }
    Ok(())
}

/// The first half of `make_writable`: maps a page of a snapshot to a frame of its own, whatever that holds. Returns the
/// snapshot's frame, which the caller copies with `arch::copy_snapshot_page` before anybody looks at the page.
pub fn redirect(page: u64) -> Result<Option<u64>, OutOfFrames> {
    let at = slot(page, false)?.ok_or(OutOfFrames)?;
    let old = phys_read(at);
    if old & PRESENT == 0 {
        return Ok(None);
    }
    let source = frame_of(old);
    if is_scratch(source) {
        phys_write(at, old & !COW | WRITE | USER);
        return Ok(None);
    }
    reach(source)?;
    let gpa = frames::alloc_dirty().ok_or(OutOfFrames)?;
    phys_write(at, gpa | (old & NO_EXECUTE) | WRITE | PRESENT | USER | ACCESSED | DIRTY);
    Ok(Some(source))
}

/// Has the alias reach a frame of a snapshot: all but its first GiB is aliased when it is first needed.
fn reach(source: u64) -> Result<(), OutOfFrames> {
    if !arch::is_snapshot_aliased(source) {
        arch::alias_snapshot(source, frames::alloc().ok_or(OutOfFrames)?);
    }
    Ok(())
}

/// Takes the tables out with which the host maps scratch, but for the one of its last 2 MiB: the kernel reaches scratch
/// through the alias, and only fixed pages at the top by the host's addresses.
pub fn drop_scratch_tables() -> Option<Dropped> {
    let bytes = arch::metadata(layout::SCRATCH_TOP_SIZE_OFFSET);
    let top = layout::SCRATCH_TOP_GVA as u64 & !(LARGE_PAGE - 1);
    drop_tables(layout::scratch_base_gva(bytes as usize)..top)
}

/// Tables that were taken out.
#[derive(Clone, Copy, Debug)]
pub struct Dropped {
    /// Range of frames of those of the last level.
    tables: (u64, u64),
    /// The directory above them.
    directory: u64,
}

impl Dropped {
    /// Returns the ranges of frames that they took. The processor may read them until translations are flushed.
    pub fn frames(self) -> [(u64, u64); 2] {
        [self.tables, (self.directory, self.directory + PAGE)]
    }
}

/// Takes the last-level tables of a range out, where they lie in one directory and one after the other, as the host
/// makes them.
///
/// The directory is replaced as a whole: where page tables are shadowed, each write to one in use costs a trap. The
/// caller flushes translations before anybody touches an address of the range, or uses the frames.
pub fn drop_tables(range: core::ops::Range<u64>) -> Option<Dropped> {
    let last = range.end.checked_sub(1).filter(|&last| last >= range.start)?;
    if range.start >> 30 != last >> 30 {
        return None;
    }
    let root = phys_read(state().root.get() + index(last, 3) * 8);
    let link = frame_of(root) + index(last, 2) * 8;
    let directory = frame_of(phys_read(link));
    let tables = index(range.start, 1)..index(last, 1) + 1;
    let start = frame_of(phys_read(directory + tables.start * 8));
    let mut end = start;
    let mut replacement = None;
    for i in 0..512 {
        let entry = phys_read(directory + i * 8);
        if tables.contains(&i) && frame_of(entry) == end {
            end += PAGE;
        } else if entry != 0 {
            let table = match replacement {
                Some(table) => table,
                None => *replacement.insert(frames::alloc()?),
            };
            phys_write(table + i * 8, entry);
        }
    }
    phys_write(link, replacement.map_or(0, |table| table | PRESENT | WRITE | USER | ACCESSED));
    Some(Dropped { tables: (start, end), directory })
}

/// Opens the lower half of the host-built tables to ring 3: the host writes entries without the user bit.
pub fn open_to_user() {
    let root = state().root.get();
    open_table(root, 3, 0..256);
}

fn open_table(table: u64, level: u32, entries: core::ops::Range<u64>) {
    for i in entries {
        let at = table + i * 8;
        let entry = phys_read(at);
        if entry & PRESENT == 0 || (level == 3 && i == index(arch::ALIAS, 3)) {
            continue;
        }
        if entry & USER == 0 {
            phys_write(at, entry | USER);
        }
        if level > 0 && entry & LARGE == 0 {
            open_table(frame_of(entry), level - 1, 0..512);
        }
    }
}

/// Takes the alias out of the page tables, which a snapshot requires: its walker takes a 2 MiB entry for a table.
/// Nothing may touch scratch through the alias until the host enters again.
pub fn remove_alias() {
    phys_write(state().root.get() + index(arch::ALIAS, 3) * 8, 0);
}

//! The hot set: pages that every run writes, copied, or filled with zeroes, in bulk right after a restore.
//!
//! Beside it the warm list: pages that longer programs write, copied a few at a time as such a program comes along.
//!
//! A copy-on-write fault costs about 35 us where virtualisation is nested; a page copied in bulk costs a few. While the
//! image is built, a representative run is recorded; the list is stored in the kernel image and so in the snapshot.
//!
//! Before: frames, paging. After: traps (copies in), channel (records).

use alloc::vec::Vec;
use core::cell::Cell;

use hypercell_abi::limits::MAX_HOT_SET_BYTES;

use crate::arch::{self, PAGE, phys_read, phys_write, state};
use crate::cell::KernelCell;
use crate::{frames, mm, paging};

/// Most pages in the hot set: 4 MiB of copies.
pub const MAX_PAGES: usize = 1024;
/// Most pages in the warm list: as many as a message carries.
pub const MAX_WARM_PAGES: usize = MAX_HOT_SET_BYTES / 8;
/// Addresses in a frame of the record, whose last slot leads to the next frame.
const PER_FRAME: u64 = PAGE / 8 - 1;
/// Frames of a record: as many pages as the warm list has.
const RECORD_FRAMES: u64 = (MAX_WARM_PAGES as u64).div_ceil(PER_FRAME);

/// Pages of the warm list that are copied along with one that faults: so many where a program comes upon the list, more each
/// time that it goes on where the last ones ended, and at most so many.
const FOLLOWED: (usize, usize) = (2, 128);

/// How many times as many are copied with each step along the list.
const GROWTH: usize = 3;

/// Pages of the list that a program may leave out and still go on along it.
const SKIPPED: usize = 16;

/// Pages of the list that are looked at for each that is to be copied: many are there already.
const MAX_SCANNED: usize = 4;

struct HotSet {
    len: usize,
    pages: [u64; MAX_PAGES],
    /// Pages that longer programs write, in the order in which they do.
    warm_len: usize,
    warm: [u64; MAX_WARM_PAGES],
}

static HOT: KernelCell<HotSet> =
    KernelCell::new(HotSet { len: 0, pages: [0; MAX_PAGES], warm_len: 0, warm: [0; MAX_WARM_PAGES] });

/// Pages whose tables are written before the first of them is copied: where page tables are shadowed, writing one that
/// the processor uses costs a trap.
const GROUP: usize = 64;

/// Copies the hot set.
pub fn copy_in() {
    HOT.peek(|hot| copy(&hot.pages[..hot.len.min(MAX_PAGES)]));
}

/// Gives pages their own frames, with what the snapshot has there, or zeroes.
///
/// They are written where the program uses them: an address that nobody touched before costs a fault of the host, and this
/// way there is one for each page. Where the processor still knows a page by its old frame, writing the copy faults and
/// drops that, so this runs where the fault handler may be entered.
fn copy(pages: &[u64]) {
    for group in pages.chunks(GROUP) {
        let mut sources = [None; GROUP];
        for (source, &page) in sources.iter_mut().zip(group) {
            // A page that is gone or does not fit is copied on write later, or reported there.
            if mm::is_kernel(page) {
                // This loop reads such pages: none may be without its contents.
                let _ = paging::make_writable(page);
            } else if paging::is_present(page) {
                *source = paging::redirect(page).ok().flatten();
            } else {
                mm::fill_page(page);
            }
        }
        for (source, &page) in sources.iter().zip(group) {
            if let Some(source) = *source {
                arch::copy_snapshot_page(source, page);
            }
        }
    }
}

/// Starts to record which pages are copied on write or filled. Uses frames that the fault handler can write.
pub fn start_recording() {
    let s = state();
    // The frames chain through their last slot, so that the record needs no adjacent frames.
    let mut first = 0;
    for _ in 0..RECORD_FRAMES {
        let Some(frame) = frames::alloc() else { return };
        phys_write(frame + PER_FRAME * 8, first);
        first = frame;
    }
    s.record.set(first);
    s.record_len.set(0);
}

/// The slot of an entry of the record that begins with a frame.
fn record_slot(first: u64, entry: u64) -> u64 {
    let frame = (0..entry / PER_FRAME).fold(first, |frame, _| phys_read(frame + PER_FRAME * 8));
    frame + entry % PER_FRAME * 8
}

/// Whether pages are noted.
pub fn is_recording() -> bool {
    state().record.get() != 0
}

/// Notes a page that was just copied on write, or filled with zeroes.
pub fn note(page: u64) {
    let s = state();
    let first = s.record.get();
    let n = s.record_len.get();
    if first == 0 {
        // Entering a new VM writes pages too, before the host can ask for a record.
        if let Some(slot) = s.early.get(s.early_len.get()) {
            slot.set(page);
            s.early_len.set(s.early_len.get() + 1);
        }
        return;
    }
    if n < RECORD_FRAMES * PER_FRAME {
        phys_write(record_slot(first, n), page);
        s.record_len.set(n + 1);
    }
}

/// Ends the recording: the pages noted, in the order of their first writing, as the message carries them.
pub fn recorded() -> Vec<u8> {
    let s = state();
    let first = s.record.replace(0);
    if first == 0 {
        return Vec::new();
    }
    let early = s.early.iter().take(s.early_len.get()).map(Cell::get);
    let later = (0..s.record_len.get()).map(|n| phys_read(record_slot(first, n)));
    early.chain(later).take(MAX_WARM_PAGES).flat_map(u64::to_le_bytes).collect()
}

/// Sets the lists that the next snapshot carries, from the message's bytes: the hot set, a zero, and the warm list.
pub fn set(bytes: &[u8]) {
    HOT.with(|hot| {
        let mut pages = bytes.chunks_exact(8).map(|a| u64::from_le_bytes(a.try_into().unwrap_or_default()));
        hot.len = fill(&mut hot.pages, pages.by_ref().take_while(|&page| page != 0));
        hot.warm_len = fill(&mut hot.warm, pages);
    });
}

fn fill(slots: &mut [u64], pages: impl Iterator<Item = u64>) -> usize {
    slots.iter_mut().zip(pages).map(|(slot, page)| *slot = page).count()
}

/// After a page was copied or filled, in the fault handler: notes where `follow` goes on if the warm list has the page.
pub fn come_upon(page: u64) {
    if is_recording() {
        return;
    }
    HOT.peek(|hot| {
        if let Some(at) = hot.warm[..hot.warm_len.min(MAX_WARM_PAGES)].iter().position(|&one| one == page) {
            state().step.set(at + 1);
        }
    });
}

/// Whether there is something to `follow`.
pub fn is_due() -> bool {
    state().step.get() != 0
}

/// Copies the pages that were written next when the list was recorded. A program that takes the same way finds them in
/// place, and the longer it does, the more of them. It may leave its way and come back to it.
pub fn follow() {
    let start = state().step.replace(0);
    if start == 0 {
        return;
    }
    HOT.peek(|hot| {
        let rest = hot.warm[..hot.warm_len.min(MAX_WARM_PAGES)].get(start..).unwrap_or_default();
        let (way, count) = way_to(start);
        let mut pages = [0; FOLLOWED.1];
        let (mut found, mut seen) = (0, 0);
        for &page in rest.iter().take(MAX_SCANNED * count) {
            seen += 1;
            // A program may have closed a page since the list was recorded.
            if !paging::is_own(page) && (mm::is_kernel(page) || mm::access_ok(page, PAGE, true)) {
                pages[found] = page;
                found += 1;
                if found == count {
                    break;
                }
            }
        }
        way.set((start + seen, count));
        copy(&pages[..found]);
    });
}

/// Returns the way that comes to a place of the list, or the shorter one, which begins anew there; and how many pages its
/// next step takes.
fn way_to(start: usize) -> (&'static Cell<(usize, usize)>, usize) {
    let ways = &state().ways;
    for way in ways {
        let (end, last) = way.get();
        if (end..end + SKIPPED).contains(&start) {
            return (way, (GROWTH * last).clamp(FOLLOWED.0, FOLLOWED.1));
        }
    }
    let shorter = if ways[0].get().1 < ways[1].get().1 { &ways[0] } else { &ways[1] };
    (shorter, FOLLOWED.0)
}

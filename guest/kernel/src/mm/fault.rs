//! Page faults of ring 3: what is copied, filled with zeroes, mapped from the archive, or refused.
//!
//! Guarantees: everything here may run in the fault handler, in the middle of the kernel: it reads areas, writes page tables
//! and allocates frames, and nothing else. Never: decides what an area allows.
//!
//! Before: traps. After: archive, hotset, paging, frames.

use super::{
    AddressSpace, Area, Backing, MM, Prot, count_touched, is_kernel, protection_bits, uncharged_bytes,
};
use crate::arch::{PAGE, state};
use crate::{archive, frames, hotset, paging};

/// Pages filled around a fault in fresh memory: one fault costs as much as clearing several pages.
const FAULT_AROUND: u64 = 16;

/// How a page fault ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The access may be repeated.
    Resolved,
    /// The program may not do this.
    Denied,
    /// The limit of the run is reached, or scratch is used up.
    OutOfMemory,
}

impl AddressSpace {
    /// Answers a fault of the program. Runs in the fault handler: reads areas, writes page tables, allocates frames only.
    fn resolve(&self, address: u64, write: bool, fetch: bool) -> Fault {
        let page = address & !(PAGE - 1);
        let Some((start, area)) = self.find(page) else { return Fault::Denied };
        let needed = if write {
            Prot::WRITE
        } else if fetch {
            Prot::EXEC
        } else {
            Prot::READ
        };
        if !area.prot.contains(needed) {
            return Fault::Denied;
        }
        if paging::is_present(page) {
            return if write {
                hotset::note(page);
                paging::make_writable(page).map_or(Fault::OutOfMemory, |()| Fault::Resolved)
            } else {
                // A stale translation, or a page closed by an earlier protection: open it as the area says.
                paging::set_bits(
                    page,
                    paging::USER | protection_bits(area.prot) & !paging::WRITE | keep_write(page),
                );
                Fault::Resolved
            };
        }
        if let Backing::Image(_, left) = area.backing {
            // Past the end of the file: Linux sends SIGBUS; the page of the end itself was mapped when the area was.
            if page - start >= left.next_multiple_of(PAGE) {
                return Fault::Denied;
            }
        }
        self.fill(page, area)
    }

    fn fill(&self, page: u64, area: &Area) -> Fault {
        // Recorded pages are filled one by one, so that the record says what is used.
        hotset::note(page);
        let is_alone = hotset::is_recording() || self.account.is_short(uncharged_bytes());
        let pages = if is_alone { 1 } else { FAULT_AROUND };
        let end = (page + pages * PAGE).min(area.end).min((page | 0xffff) + 1);
        if !self.fill_one(page, area) {
            return Fault::OutOfMemory;
        }
        for at in (page + PAGE..end).step_by(PAGE as usize) {
            if !paging::is_present(at) && !self.fill_one(at, area) {
                break;
            }
        }
        Fault::Resolved
    }

    /// Gives a page its zeroes; `false` where the limit of the run or scratch has no room for it. Page tables that it needs
    /// count, and stay.
    fn fill_one(&self, page: u64, area: &Area) -> bool {
        let frames_before = state().frames_used.get();
        if area.counts_pages() && self.account.left(uncharged_bytes()) < PAGE {
            return false;
        }
        let Some(gpa) = frames::alloc() else { return false };
        if paging::map(page, gpa, protection_bits(area.prot)).is_err() {
            frames::free(gpa);
            return false;
        }
        let taken = i64::from(state().frames_used.get() - frames_before);
        count_touched(if area.counts_pages() { taken } else { taken - 1 });
        true
    }
}

fn keep_write(page: u64) -> u64 {
    paging::entry(page) & paging::WRITE
}

/// Gives a page that a program has not used yet its zeroes, where the program may write it.
pub fn fill_page(page: u64) {
    MM.peek(|mm| {
        if let Some((_, area)) = mm.find(page)
            && !matches!(area.backing, Backing::Image(..))
            && area.prot.contains(Prot::WRITE)
        {
            // Where there is no room for it, the page's own fault says so.
            mm.fill_one(page, area);
        }
    });
}

/// Answers a page fault of ring 3.
pub fn handle_fault(address: u64, write: bool, fetch: bool) -> Fault {
    let page = address & !(PAGE - 1);
    if is_kernel(page) {
        return if write && paging::is_present(page) {
            hotset::note(page);
            paging::make_writable(page).map_or(Fault::OutOfMemory, |()| Fault::Resolved)
        } else {
            Fault::Denied
        };
    }
    if !write
        && !fetch
        && let Some(answer) = archive::resolve(page)
    {
        return answer;
    }
    let answer = MM.peek(|mm| mm.resolve(address, write, fetch));
    if matches!(answer, Fault::Resolved) && write {
        hotset::come_upon(page);
    }
    answer
}

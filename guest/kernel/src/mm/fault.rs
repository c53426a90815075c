//! Page faults of ring 3: what is copied, filled with zeroes, mapped from the archive, or refused.
//!
//! Guarantees: everything here may run in the fault handler, in the middle of the kernel: it reads areas, writes page tables
//! and allocates frames, and nothing else. Never: decides what an area allows.
//!
//! Before: traps. After: archive, hotset, paging, frames.

use super::{AddressSpace, Area, Backing, MM, Prot, is_kernel, protection_bits};
use crate::arch::PAGE;
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
    /// Scratch is used up.
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
        let pages = if hotset::is_recording() { 1 } else { FAULT_AROUND };
        let end = (page + pages * PAGE).min(area.end).min((page | 0xffff) + 1);
        let mut at = page;
        while at < end {
            if at == page || !paging::is_present(at) {
                let Some(gpa) = frames::alloc() else {
                    return if at == page { Fault::OutOfMemory } else { Fault::Resolved };
                };
                if paging::map(at, gpa, protection_bits(area.prot)).is_err() {
                    return if at == page { Fault::OutOfMemory } else { Fault::Resolved };
                }
            }
            at += PAGE;
        }
        Fault::Resolved
    }
}

fn keep_write(page: u64) -> u64 {
    paging::entry(page) & paging::WRITE
}

/// Gives a page that a program has not used yet its zeroes, where the program may write it.
pub fn fill_page(page: u64) {
    MM.peek(|mm| {
        if let Some((_, area)) = mm.find(page)
            && area.backing == Backing::Anonymous
            && area.prot.contains(Prot::WRITE)
            && let Some(gpa) = frames::alloc()
        {
            // Where no table can be had either, the page's own fault says so.
            let _ = paging::map(page, gpa, protection_bits(area.prot));
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
        hotset::follow(page);
    }
    answer
}

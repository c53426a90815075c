//! What the address space looks like, and how much of it is used, for /proc, statfs and crash reports.
//!
//! Before: mm. After: vfs/proc.rs, vfs/space.rs, crash.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use super::{Area, Backing, MM, Prot, STACK_TOP, uncharged_bytes};
use crate::arch::{self, PAGE};
use crate::{frames, heap};

/// A range of the address space, to show it.
#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// End address, exclusive.
    pub end: u64,
    /// Allowed accesses.
    pub prot: Prot,
    /// `[heap]`, `[stack]`, or nothing.
    pub name: &'static str,
    /// Address in the archive of what its start shows, if it is of a file.
    pub image: Option<u64>,
}

impl core::fmt::Display for Mapping {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let flag = |bit, c| if self.prot.contains(bit) { c } else { '-' };
        let (r, w, x) = (flag(Prot::READ, 'r'), flag(Prot::WRITE, 'w'), flag(Prot::EXEC, 'x'));
        write!(f, "{:012x}-{:012x} {r}{w}{x}p", self.start, self.end)
    }
}

/// The address space, in order.
pub fn mappings() -> Vec<Mapping> {
    MM.peek(|mm| {
        let mapping = |(&start, area): (&u64, &Area)| {
            let name = if start == mm.brk_start && mm.brk > mm.brk_start {
                "[heap]"
            } else if area.end == STACK_TOP {
                "[stack]"
            } else {
                ""
            };
            let image = match area.backing {
                Backing::Image(at, left) if left > 0 => Some(at),
                _ => None,
            };
            Mapping { start, end: area.end, prot: area.prot, name, image }
        };
        mm.areas.iter().map(mapping).collect()
    })
}

/// Writes the text of /proc/self/maps.
pub fn proc_maps(out: &mut String) {
    for mapping in mappings() {
        // fmt::Write on a String fails only where memory is out, which aborts by itself.
        let _ = writeln!(out, "{mapping} 00000000 00:00 0 {}", mapping.name);
    }
}

/// Bytes of frames in use.
pub fn rss_bytes() -> u64 {
    u64::from(arch::state().frames_used.get()) * PAGE
}

/// Bytes that may still count: what /tmp may grow by.
pub fn uncommitted_bytes() -> u64 {
    MM.peek(|mm| mm.account.left(uncharged_bytes())).min(heap::room())
}

/// Bytes of memory that the run may use.
pub fn total_bytes() -> u64 {
    MM.peek(|mm| mm.account.limit().min(frames::available() * PAGE + rss_bytes()))
}

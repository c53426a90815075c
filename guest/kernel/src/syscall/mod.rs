//! System calls, by family. `table` has one row for each number; what is not there is counted here and reported.
//!
//! Before: traps. After: vfs, mm, task, time, channel.

pub mod entry;
pub mod fs;
pub mod mem;
pub mod poll;
pub mod proc;
pub mod sched;
pub mod signal;
pub mod table;
pub mod thread;
pub mod time;
pub mod trace;

use hypercell_abi::frame::UnsupportedSyscall;

use crate::cell::KernelCell;
use crate::vfs;

const KINDS: usize = 32;

static UNSUPPORTED: KernelCell<[UnsupportedSyscall; KINDS]> =
    KernelCell::new([UnsupportedSyscall { nr: 0, count: 0 }; KINDS]);

/// Counts a call that the kernel refuses or does not know; the host shows it by name with the run.
pub fn report_unsupported(nr: u64) {
    let nr = u16::try_from(nr).unwrap_or(u16::MAX);
    UNSUPPORTED.with(|list| {
        if let Some(slot) = list.iter_mut().find(|s| s.count == 0 || s.nr == nr) {
            slot.nr = nr;
            slot.count = slot.count.saturating_add(1);
        }
    });
}

/// Moves counts of this run into a turn header, which adds to those of earlier ones, and says how many there are.
pub fn take_unsupported(out: &mut [UnsupportedSyscall]) -> usize {
    UNSUPPORTED.with(|list| {
        let mut n = 0;
        for (slot, from) in out.iter_mut().zip(list.iter_mut().filter(|s| s.count > 0)) {
            *slot = core::mem::take(from);
            n += 1;
        }
        n
    })
}

/// Brings what the program left to its files and to the host: the run is about to end.
pub fn end_of_run() {
    mem::write_back_all();
    vfs::hand_over_output();
}

/// Forgets the counts: a new run begins.
pub fn reset_unsupported() {
    UNSUPPORTED.with(|list| *list = [UnsupportedSyscall { nr: 0, count: 0 }; KINDS]);
}

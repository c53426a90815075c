//! Resource limits (getrlimit(2)): what the program may set for itself, below what the sandbox set.
//!
//! Guarantees: what can be set holds, or has nothing to hold back here; a hard limit never rises. Never: takes a limit that
//! would hold on Linux and does not here: of memory only what the sandbox bounds already (`Limits(memory_bytes)`), which
//! counts what is touched, not what is mapped.
//!
//! Before: syscall/proc.rs, thread, vfs. After: nothing but their constants.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::errno::Errno;
use crate::mm;
use crate::thread::MAX_THREADS;
use crate::vfs::MAX_DESCRIPTORS;

/// No limit.
pub const UNLIMITED: u64 = u64::MAX;

/// A limit in its two forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What holds.
    pub soft: u64,
    /// What the soft one may rise to.
    pub hard: u64,
}

/// What /proc/self/limits says of a resource.
#[derive(Clone, Copy, Debug)]
pub struct Resource {
    /// Name.
    pub name: &'static str,
    /// Unit.
    pub unit: &'static str,
    /// Both forms at the start.
    start: u64,
    settable: Settable,
}

/// What a program may set a limit to, if it does not rise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settable {
    /// To anything: it holds here, or there is nothing to hold back.
    Yes,
    /// To nothing below the memory of the sandbox.
    AboveMemory,
    /// To what it is.
    No,
}

const fn resource(name: &'static str, unit: &'static str, start: u64, settable: Settable) -> Resource {
    Resource { name, unit, start, settable }
}

/// By their numbers (RLIMIT_*).
static RESOURCES: [Resource; 16] = [
    resource("cpu time", "seconds", UNLIMITED, Settable::Yes),
    resource("file size", "bytes", UNLIMITED, Settable::Yes),
    resource("data size", "bytes", UNLIMITED, Settable::AboveMemory),
    resource("stack size", "bytes", mm::STACK_BYTES, Settable::No),
    resource("core file size", "bytes", 0, Settable::Yes),
    resource("resident set", "bytes", UNLIMITED, Settable::Yes),
    resource("processes", "processes", MAX_THREADS as u64, Settable::Yes),
    resource("open files", "files", MAX_DESCRIPTORS as u64, Settable::Yes),
    resource("locked memory", "bytes", UNLIMITED, Settable::Yes),
    resource("address space", "bytes", UNLIMITED, Settable::AboveMemory),
    resource("file locks", "locks", UNLIMITED, Settable::Yes),
    resource("pending signals", "signals", UNLIMITED, Settable::Yes),
    resource("msgqueue size", "bytes", UNLIMITED, Settable::Yes),
    resource("nice priority", "", UNLIMITED, Settable::Yes),
    resource("realtime priority", "", UNLIMITED, Settable::Yes),
    resource("realtime timeout", "us", UNLIMITED, Settable::Yes),
];

/// Soft and hard limits that were set, each as what it is below the one at the start, so that all begin with 0.
static LOWERED: [[AtomicU64; 2]; 16] = [const { [AtomicU64::new(0), AtomicU64::new(0)] }; 16];

fn index(resource: u32) -> Result<usize, Errno> {
    usize::try_from(resource).ok().filter(|&index| index < RESOURCES.len()).ok_or(Errno::EINVAL)
}

fn at(index: usize) -> Limit {
    let start = RESOURCES[index].start;
    let [soft, hard] = &LOWERED[index];
    Limit { soft: start - soft.load(Relaxed), hard: start - hard.load(Relaxed) }
}

/// A limit by its number.
///
/// # Errors
///
/// `EINVAL` for no resource.
pub fn get(resource: u32) -> Result<Limit, Errno> {
    index(resource).map(at)
}

/// Every resource and its limit, by number.
pub fn all() -> impl Iterator<Item = (&'static Resource, Limit)> {
    RESOURCES.iter().enumerate().map(|(index, resource)| (resource, at(index)))
}

/// What holds of a limit; none for what is no resource.
pub fn soft(resource: u32) -> u64 {
    get(resource).map_or(UNLIMITED, |limit| limit.soft)
}

/// Sets a limit. `memory_bytes` is what the sandbox has.
///
/// # Errors
///
/// `EINVAL` for no resource, or where the soft limit is above the hard one; `EPERM` where the hard one would rise, and for
/// less memory than the sandbox has.
pub fn set(resource: u32, new: Limit, memory_bytes: u64) -> Result<(), Errno> {
    let index = index(resource)?;
    let old = at(index);
    if new.soft > new.hard {
        return Err(Errno::EINVAL);
    }
    let holds = match RESOURCES[index].settable {
        Settable::Yes => true,
        Settable::AboveMemory => new.soft >= memory_bytes,
        Settable::No => new == old,
    };
    if new.hard > old.hard || !holds {
        return Err(Errno::EPERM);
    }
    let start = RESOURCES[index].start;
    for (lowered, value) in LOWERED[index].iter().zip([new.soft, new.hard]) {
        lowered.store(start - value, Relaxed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use linux_raw_sys::general as linux;

    use super::*;

    const MEMORY: u64 = 128 << 20;

    // Each test has a resource of its own: the limits are those of the process.

    #[test]
    fn a_limit_can_be_lowered_and_its_soft_form_raised_again() {
        let number = linux::RLIMIT_NICE;
        set(number, Limit { soft: 10, hard: 20 }, MEMORY).unwrap();
        set(number, Limit { soft: 20, hard: 20 }, MEMORY).unwrap();
        assert_eq!(get(number), Ok(Limit { soft: 20, hard: 20 }));
        assert_eq!(set(number, Limit { soft: 20, hard: 21 }, MEMORY), Err(Errno::EPERM));
        assert_eq!(set(number, Limit { soft: 21, hard: 20 }, MEMORY), Err(Errno::EINVAL));
    }

    #[test]
    fn memory_can_be_limited_to_what_the_sandbox_has_or_more() {
        let number = linux::RLIMIT_AS;
        let is = get(number).unwrap();
        assert_eq!(set(number, is, MEMORY), Ok(()));
        assert_eq!(set(number, Limit { soft: MEMORY - 1, ..is }, MEMORY), Err(Errno::EPERM));
        assert_eq!(set(number, Limit { soft: MEMORY, ..is }, MEMORY), Ok(()));
    }

    #[test]
    fn the_stack_has_the_size_that_it_has() {
        let number = linux::RLIMIT_STACK;
        let is = get(number).unwrap();
        assert_eq!(set(number, is, MEMORY), Ok(()));
        assert_eq!(set(number, Limit { soft: 4096, ..is }, MEMORY), Err(Errno::EPERM));
    }

    #[test]
    fn what_is_no_resource_has_no_limit() {
        assert_eq!(get(16), Err(Errno::EINVAL));
        assert_eq!(set(16, Limit { soft: 0, hard: 0 }, MEMORY), Err(Errno::EINVAL));
    }
}

//! Resource limits (getrlimit(2)): what the program may set for itself, below what the sandbox set.
//!
//! Guarantees: what can be set holds, or has nothing to hold back here; a hard limit never rises. Never: takes a limit that
//! would hold on Linux and does not here. Memory is such: `Limits(memory_bytes)` of the sandbox bounds it.
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
    /// Whether the program may set it.
    is_settable: bool,
}

const fn resource(name: &'static str, unit: &'static str, start: u64, is_settable: bool) -> Resource {
    Resource { name, unit, start, is_settable }
}

/// By their numbers (RLIMIT_*).
static RESOURCES: [Resource; 16] = [
    resource("cpu time", "seconds", UNLIMITED, true),
    resource("file size", "bytes", UNLIMITED, true),
    resource("data size", "bytes", UNLIMITED, false),
    resource("stack size", "bytes", mm::STACK_BYTES, false),
    resource("core file size", "bytes", 0, true),
    resource("resident set", "bytes", UNLIMITED, true),
    resource("processes", "processes", MAX_THREADS as u64, true),
    resource("open files", "files", MAX_DESCRIPTORS as u64, true),
    resource("locked memory", "bytes", UNLIMITED, true),
    resource("address space", "bytes", UNLIMITED, false),
    resource("file locks", "locks", UNLIMITED, true),
    resource("pending signals", "signals", UNLIMITED, true),
    resource("msgqueue size", "bytes", UNLIMITED, true),
    resource("nice priority", "", UNLIMITED, true),
    resource("realtime priority", "", UNLIMITED, true),
    resource("realtime timeout", "us", UNLIMITED, true),
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

/// Sets a limit.
///
/// # Errors
///
/// `EINVAL` for no resource, or where the soft limit is above the hard one; `EPERM` where the hard one would rise, and for
/// what only the sandbox limits.
pub fn set(resource: u32, new: Limit) -> Result<(), Errno> {
    let index = index(resource)?;
    let old = at(index);
    if new.soft > new.hard {
        return Err(Errno::EINVAL);
    }
    if new.hard > old.hard || new != old && !RESOURCES[index].is_settable {
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

    // Each test has a resource of its own: the limits are those of the process.

    #[test]
    fn a_limit_can_be_lowered_and_its_soft_form_raised_again() {
        let number = linux::RLIMIT_NICE;
        set(number, Limit { soft: 10, hard: 20 }).unwrap();
        set(number, Limit { soft: 20, hard: 20 }).unwrap();
        assert_eq!(get(number), Ok(Limit { soft: 20, hard: 20 }));
        assert_eq!(set(number, Limit { soft: 20, hard: 21 }), Err(Errno::EPERM));
        assert_eq!(set(number, Limit { soft: 21, hard: 20 }), Err(Errno::EINVAL));
    }

    #[test]
    fn what_only_the_sandbox_limits_can_be_set_to_what_it_is() {
        let number = linux::RLIMIT_AS;
        let is = get(number).unwrap();
        assert_eq!(set(number, is), Ok(()));
        assert_eq!(set(number, Limit { soft: 1 << 30, ..is }), Err(Errno::EPERM));
    }

    #[test]
    fn what_is_no_resource_has_no_limit() {
        assert_eq!(get(16), Err(Errno::EINVAL));
        assert_eq!(set(16, Limit { soft: 0, hard: 0 }), Err(Errno::EINVAL));
    }
}

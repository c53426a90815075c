//! Processor time: how long threads ran, without the time that they slept, waited, or asked the host for something.
//!
//! Guarantees: all threads together never show more than the time since the start. What is not told apart is the time that
//! the host gave the processor to others, which counts, and time in the kernel, which counts as that of the program.
//!
//! Before: syscall/time.rs, syscall/proc.rs, channel. After: thread, time.

use super::{NO_TIME, THREADS, Threads};
use crate::time;

impl Threads {
    /// Time of the one that runs which nobody was charged with yet.
    fn uncharged(&self, now: u64) -> u64 {
        now.saturating_sub(self.running_since)
    }

    /// Processor time of all threads so far.
    pub(super) fn used(&self, now: u64) -> u64 {
        self.used_ns + self.uncharged(now)
    }

    /// Charges the one that runs with the time since it was charged last.
    pub(super) fn charge(&mut self, now: u64) {
        let used = self.uncharged(now);
        if let Some(thread) = self.list.get_mut(self.current) {
            thread.used_ns += used;
            self.used_ns += used;
        }
        self.running_since = self.running_since.max(now);
    }
}

/// Does something for which the host is waited for, and charges nobody with that time.
pub fn uncounted<R>(wait: impl FnOnce() -> R) -> R {
    let now = time::monotonic_ns();
    THREADS.with(|t| {
        t.charge(now);
        t.running_since = NO_TIME;
    });
    let answer = wait();
    let now = time::monotonic_ns();
    THREADS.with(|t| t.running_since = now);
    answer
}

/// Processor time of the process, in nanoseconds.
pub fn of_process() -> u64 {
    let now = time::monotonic_ns();
    THREADS.with(|t| t.used(now))
}

/// Processor time of a thread, in nanoseconds; `None` if none that lives has this number.
pub fn of_thread(tid: u64) -> Option<u64> {
    let now = time::monotonic_ns();
    THREADS.with(|t| {
        let index = t.list.iter().position(|thread| thread.tid == tid)?;
        let uncharged = if index == t.current { t.uncharged(now) } else { 0 };
        Some(t.list[index].used_ns + uncharged)
    })
}

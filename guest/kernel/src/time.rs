//! Clocks: wall time from the host with every entry, carried on by the time-stamp counter in between.
//!
//! Guarantees: the monotonic clock never goes back, also not when a snapshot continues on another host or much later.
//!
//! Before: channel. After: syscall/time.rs.

use crate::arch;
use crate::cell::KernelCell;

/// Nanoseconds in a second.
pub const SECOND_NS: u64 = 1_000_000_000;

struct Clock {
    realtime_ns: u64,
    tsc: u64,
    /// Nanoseconds per counter tick, as a fraction of 2^32.
    scale: u64,
    monotonic_ns: u64,
    tsc_khz: u32,
}

static CLOCK: KernelCell<Clock> =
    KernelCell::new(Clock { realtime_ns: 0, tsc: 0, scale: 0, monotonic_ns: 1, tsc_khz: 0 });

/// Sets the wall clock (nanoseconds since 1970) and the rate of the counter (kHz).
pub fn set(realtime_ns: u64, tsc_khz: u32) {
    CLOCK.with(|c| {
        let monotonic = c.monotonic_now();
        let passed = realtime_ns.saturating_sub(c.realtime_ns);
        // The counter may have restarted with the VM, so time on the outside is what counts.
        c.monotonic_ns =
            if c.realtime_ns == 0 { c.monotonic_ns } else { (c.monotonic_ns + passed).max(monotonic) };
        c.realtime_ns = realtime_ns;
        c.tsc = arch::rdtsc();
        c.tsc_khz = tsc_khz;
        c.scale = if tsc_khz == 0 { 0 } else { (1_000_000u64 << 32) / u64::from(tsc_khz) };
    });
}

impl Clock {
    fn since_entry(&self) -> u64 {
        let ticks = arch::rdtsc().saturating_sub(self.tsc);
        ((u128::from(ticks) * u128::from(self.scale)) >> 32) as u64
    }

    fn monotonic_now(&self) -> u64 {
        // After a restore the counter is another one; less than an hour of ticks is believable between two entries.
        let passed = self.since_entry();
        if passed > 3_600_000_000_000 { self.monotonic_ns } else { self.monotonic_ns + passed }
    }
}

/// Nanoseconds since 1970-01-01 UTC.
pub fn realtime_ns() -> u64 {
    CLOCK.with(|c| c.realtime_ns + c.since_entry())
}

/// Nanoseconds since the image was booted.
pub fn monotonic_ns() -> u64 {
    CLOCK.with(|c| c.monotonic_now())
}

/// What the time-stamp counter will show in so many nanoseconds.
pub fn counter_in(ns: u64) -> u64 {
    let khz = CLOCK.with(|c| c.tsc_khz);
    let ticks = u128::from(ns) * u128::from(khz) / 1_000_000;
    arch::rdtsc().saturating_add(u64::try_from(ticks).unwrap_or(u64::MAX))
}

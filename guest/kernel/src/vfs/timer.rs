//! Timers that are files (timerfd_create(2)).
//!
//! Guarantees: a wait for files ends when a timer that it looked at expires: each look at one tells when to look again.
//!
//! Before: file, syscall/time.rs. After: outside, space.

use alloc::rc::Rc;
use core::cell::Cell;

use linux_raw_sys::general as linux;

use super::outside;
use super::space::{Share, Space};
use crate::errno::Errno;
use crate::user::UserBuffers;

/// What a timer costs.
const TIMER_BYTES: u64 = 256;
/// When a timer expires that is off.
const NEVER: u64 = u64::MAX;

/// A timer.
#[derive(Debug)]
pub struct FileTimer {
    is_realtime: bool,
    /// When it expires, or did first since it was read or set, on the monotonic clock in nanoseconds.
    at: Cell<u64>,
    /// How long after that again, in nanoseconds; 0 is not.
    interval: Cell<u64>,
    /// How often it was read or set.
    changes: Cell<u64>,
    _share: Share,
}

impl FileTimer {
    /// A timer that is off; `is_realtime` where the program's times are those of the wall clock.
    ///
    /// # Errors
    ///
    /// `ENFILE` where memory is used up.
    pub fn new(space: &Rc<Space>, is_realtime: bool) -> Result<Self, Errno> {
        let share = Share::of(space, TIMER_BYTES).map_err(|_| Errno::ENFILE)?;
        let (at, interval) = (Cell::new(NEVER), Cell::new(0));
        Ok(Self { is_realtime, at, interval, changes: Cell::new(0), _share: share })
    }

    /// Sets it: to a time of its clock, or to a length of time, in nanoseconds; 0 is off.
    pub fn set(&self, value: u64, interval: u64, is_absolute: bool) {
        let now = outside::monotonic_ns();
        let left = match (is_absolute, self.is_realtime) {
            (false, _) => value,
            (true, false) => value.saturating_sub(now),
            (true, true) => value.saturating_sub(outside::realtime_ns()),
        };
        self.at.set(if value == 0 { NEVER } else { now.saturating_add(left).min(NEVER - 1) });
        self.interval.set(interval);
        self.changed();
    }

    /// How long until it expires next, 0 where it does not, and its interval, both in nanoseconds.
    pub fn left(&self) -> (u64, u64) {
        let (at, now) = (self.at.get(), outside::monotonic_ns());
        let left = match now.checked_sub(at) {
            None if at == NEVER => 0,
            None => at - now,
            Some(late) => late.checked_rem(self.interval.get()).map_or(0, |late| self.interval.get() - late),
        };
        (left, self.interval.get())
    }

    /// How often it expired since it was read or set.
    fn expirations(&self) -> u64 {
        let (at, interval) = (self.at.get(), self.interval.get());
        let late = outside::monotonic_ns().checked_sub(at);
        let count =
            late.map_or(0, |late| late.checked_div(interval).map_or(1, |missed| missed.saturating_add(1)));
        if count == 0 || interval > 0 {
            outside::look_at_files_at(at.saturating_add(count.saturating_mul(interval)));
        }
        count
    }

    /// Reads how often it expired. `None` means that a reader would have to wait.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a buffer under 8 bytes, `EFAULT`.
    pub fn read(&self, to: &mut UserBuffers) -> Result<Option<usize>, Errno> {
        if to.left() < 8 {
            return Err(Errno::EINVAL);
        }
        let count = self.expirations();
        if count == 0 {
            return Ok(None);
        }
        to.put(&count.to_le_bytes())?;
        let interval = self.interval.get();
        let next = self.at.get().saturating_add(count.saturating_mul(interval));
        self.at.set(if interval == 0 { NEVER } else { next });
        self.changed();
        Ok(Some(8))
    }

    fn changed(&self) {
        self.changes.set(self.changes.get() + 1);
        outside::files_changed();
    }

    /// Readiness in poll(2)'s bits.
    pub fn ready(&self) -> u32 {
        if self.expirations() > 0 { linux::POLLIN | linux::POLLRDNORM } else { 0 }
    }

    /// Count of changes so far, of which that it expired is one until it is read.
    pub fn changes(&self) -> u64 {
        self.changes.get() * 2 + u64::from(self.expirations() > 0)
    }
}

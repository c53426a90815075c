//! eventfd(2) and epoll(7).
//!
//! Guarantees: an epoll instance holds no file open; a closed file leaves it by itself. Instances inside of instances
//! cannot form a circle. Never: waits; waiting is syscall/poll.rs.
//!
//! Before: file, syscall/poll. After: file (readiness).

use alloc::collections::BTreeMap;
use alloc::rc::{Rc, Weak};
use core::cell::{Cell, RefCell};
use core::ops::Bound;

use linux_raw_sys::general as linux;

use super::file::{Object, OpenFile, Source};
use super::outside;
use super::space::{Share, Space};
use crate::errno::{Errno, SysResult};
use crate::user::UserBuffers;

/// What an instance or a registration costs.
const ENTRY_BYTES: u64 = 256;
/// Instances inside of instances that readiness looks through (Linux: EP_MAX_NESTS is 4).
const MAX_NESTING: u32 = 5;

/// A counter that can be read and written.
#[derive(Debug)]
pub struct EventCounter {
    value: Cell<u64>,
    one_by_one: bool,
    changes: Cell<u64>,
    _share: Share,
}

impl EventCounter {
    /// A counter; `one_by_one` for EFD_SEMAPHORE.
    ///
    /// # Errors
    ///
    /// `ENFILE` where memory is used up.
    pub fn new(space: &Rc<Space>, value: u32, one_by_one: bool) -> Result<Self, Errno> {
        let share = Share::of(space, ENTRY_BYTES).map_err(|_| Errno::ENFILE)?;
        Ok(Self { value: Cell::new(u64::from(value)), one_by_one, changes: Cell::new(0), _share: share })
    }

    /// Reads and resets (or lowers) the counter. `None` means that a reader would have to wait.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a buffer under 8 bytes, `EFAULT`.
    pub fn read(&self, to: &mut UserBuffers) -> Result<Option<usize>, Errno> {
        if to.left() < 8 {
            return Err(Errno::EINVAL);
        }
        let value = self.value.get();
        if value == 0 {
            return Ok(None);
        }
        let taken = if self.one_by_one { 1 } else { value };
        to.put(&taken.to_le_bytes())?;
        self.value.set(value - taken);
        self.changes.set(self.changes.get() + 1);
        outside::files_changed();
        Ok(Some(8))
    }

    /// Adds to the counter. `None` means that a writer would have to wait.
    ///
    /// # Errors
    ///
    /// `EINVAL` for fewer than 8 bytes or the largest number, `EFAULT`.
    pub fn write(&self, from: &mut dyn Source) -> Result<Option<usize>, Errno> {
        let mut bytes = [0; 8];
        if from.left() < 8 || from.take(&mut bytes)? < 8 {
            return Err(Errno::EINVAL);
        }
        let add = u64::from_le_bytes(bytes);
        if add == u64::MAX {
            return Err(Errno::EINVAL);
        }
        let Some(value) = self.value.get().checked_add(add).filter(|&value| value != u64::MAX) else {
            return Ok(None);
        };
        self.value.set(value);
        self.changes.set(self.changes.get() + 1);
        outside::files_changed();
        Ok(Some(8))
    }

    /// Readiness in poll(2)'s bits.
    pub fn ready(&self) -> u32 {
        let input = if self.value.get() > 0 { linux::POLLIN | linux::POLLRDNORM } else { 0 };
        let output = if self.value.get() < u64::MAX - 1 { linux::POLLOUT | linux::POLLWRNORM } else { 0 };
        input | output
    }

    /// Count of changes so far.
    pub fn changes(&self) -> u64 {
        self.changes.get()
    }
}

/// An epoll instance.
#[derive(Debug)]
pub struct Epoll {
    interests: RefCell<BTreeMap<i32, Interest>>,
    /// Descriptor to look at first next time, so that a short list of results does not starve the rest.
    next: Cell<i32>,
    share: Share,
}

#[derive(Debug)]
struct Interest {
    file: Weak<OpenFile>,
    events: u32,
    data: u64,
    /// Count of changes at the last report, for edge-triggered interest.
    reported: Option<u64>,
}

/// What epoll_ctl does to a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Start watching: events and the program's word.
    Add(u32, u64),
    /// Watch something else.
    Modify(u32, u64),
    /// Stop watching.
    Remove,
}

/// Events that are reported whether asked for or not.
const ALWAYS: u32 = linux::EPOLLERR | linux::EPOLLHUP;
/// Flags beside the events.
const FLAGS: u32 = linux::EPOLLET | linux::EPOLLONESHOT | linux::EPOLLWAKEUP | linux::EPOLLEXCLUSIVE;

impl Epoll {
    /// An instance that watches nothing.
    ///
    /// # Errors
    ///
    /// `ENFILE` where memory is used up.
    pub fn new(space: &Rc<Space>) -> Result<Self, Errno> {
        let share = Share::of(space, ENTRY_BYTES).map_err(|_| Errno::ENFILE)?;
        Ok(Self { interests: RefCell::default(), next: Cell::new(0), share })
    }

    fn watches_instances(&self) -> bool {
        let interests = self.interests.borrow();
        interests
            .values()
            .any(|i| i.file.upgrade().is_some_and(|file| matches!(file.object, Object::Epoll(_))))
    }

    /// Changes what is watched at a descriptor.
    ///
    /// # Errors
    ///
    /// `EEXIST`, `ENOENT`, `EPERM` for files that cannot be watched, `ELOOP`, `ENOSPC`.
    pub fn change(&self, fd: i32, file: &Rc<OpenFile>, change: Change) -> SysResult {
        if let Object::Epoll(other) = &file.object {
            if core::ptr::eq(other, self) {
                return Err(Errno::EINVAL);
            }
            // An instance that watches others may not be watched itself: so there is never a circle.
            if change != Change::Remove && other.watches_instances() {
                return Err(Errno::ELOOP);
            }
        }
        if !file.can_be_watched() {
            return Err(Errno::EPERM);
        }
        outside::files_changed();
        let mut interests = self.interests.borrow_mut();
        let known = interests.get(&fd).is_some_and(|i| core::ptr::eq(i.file.as_ptr(), Rc::as_ptr(file)));
        match change {
            Change::Add(..) if known => Err(Errno::EEXIST),
            Change::Add(events, data) => {
                if !interests.contains_key(&fd) {
                    self.share.grow(ENTRY_BYTES)?;
                }
                interests.insert(fd, Interest { file: Rc::downgrade(file), events, data, reported: None });
                Ok(0)
            }
            Change::Modify(events, data) if known => {
                interests.insert(fd, Interest { file: Rc::downgrade(file), events, data, reported: None });
                Ok(0)
            }
            Change::Remove if known => {
                interests.remove(&fd);
                self.share.shrink(ENTRY_BYTES);
                Ok(0)
            }
            _ => Err(Errno::ENOENT),
        }
    }

    /// Reports what is ready, to at most `max` calls of `report` with events and the program's word.
    ///
    /// # Errors
    ///
    /// What `report` answers.
    pub fn collect(
        &self,
        max: usize,
        report: &mut dyn FnMut(u32, u64) -> Result<(), Errno>,
    ) -> Result<usize, Errno> {
        let mut interests = self.interests.borrow_mut();
        let before = interests.len();
        interests.retain(|_, interest| interest.file.strong_count() > 0);
        self.share.shrink((before - interests.len()) as u64 * ENTRY_BYTES);
        let start = self.next.get();
        let ranges = [(Bound::Included(start), Bound::Unbounded), (Bound::Unbounded, Bound::Excluded(start))];
        let mut count = 0;
        for range in ranges {
            for (fd, interest) in interests.range_mut(range) {
                if count == max {
                    self.next.set(*fd);
                    return Ok(count);
                }
                let Some(file) = interest.file.upgrade() else { continue };
                let events = interest.pending(&file, 0);
                if events == 0 {
                    continue;
                }
                report(events, interest.data)?;
                interest.reported = Some(file.changes());
                if interest.events & linux::EPOLLONESHOT != 0 {
                    interest.events &= FLAGS;
                }
                count += 1;
            }
        }
        Ok(count)
    }

    /// Readiness in poll(2)'s bits, seen through `nesting` other instances.
    pub fn ready(&self, nesting: u32) -> u32 {
        if nesting >= MAX_NESTING {
            return 0;
        }
        let interests = self.interests.borrow();
        let any = interests
            .values()
            .any(|i| i.file.upgrade().is_some_and(|file| i.pending(&file, nesting + 1) != 0));
        if any { linux::POLLIN | linux::POLLRDNORM } else { 0 }
    }
}

impl Interest {
    fn pending(&self, file: &OpenFile, nesting: u32) -> u32 {
        if self.events & !FLAGS == 0 {
            return 0;
        }
        if self.events & linux::EPOLLET != 0 && self.reported == Some(file.changes()) {
            return 0;
        }
        file.ready_within(nesting) & (self.events | ALWAYS) & !FLAGS
    }
}

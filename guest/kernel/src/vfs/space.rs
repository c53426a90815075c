//! Accounting of what programs make the kernel keep: file contents, names, pipes.
//!
//! Guarantees: a program that keeps storing gets `ENOSPC` while the kernel still has room to work, never a kernel without
//! memory. Never: counts what the program maps itself; that is mm's.
//!
//! Before: ramfs, pipe, epoll. After: outside (what is left of the memory limit).

use alloc::rc::Rc;
use core::cell::Cell;

use super::outside;
use crate::errno::Errno;

/// Memory that stays for the kernel's own short-lived needs: buffers of calls, page tables, frames on their way out.
const RESERVE_BYTES: u64 = 2 << 20;

/// Bytes stored by programs.
#[derive(Debug, Default)]
pub struct Space {
    used: Cell<u64>,
    /// Most that was ever stored: freed bytes stay with the kernel heap, so this much is there already.
    peak: Cell<u64>,
}

impl Space {
    /// Counts bytes that are about to be stored.
    ///
    /// # Errors
    ///
    /// `ENOSPC`.
    pub fn charge(&self, bytes: u64) -> Result<(), Errno> {
        let used = self.used.get().checked_add(bytes).ok_or(Errno::ENOSPC)?;
        let fresh = used.saturating_sub(self.peak.get());
        if fresh > 0 && fresh.saturating_add(RESERVE_BYTES) > outside::uncommitted_bytes() {
            return Err(Errno::ENOSPC);
        }
        self.used.set(used);
        self.peak.set(self.peak.get().max(used));
        Ok(())
    }

    /// Counts bytes that are stored no longer.
    pub fn release(&self, bytes: u64) {
        self.used.set(self.used.get().saturating_sub(bytes));
    }

    /// Bytes stored.
    pub fn used(&self) -> u64 {
        self.used.get()
    }

    /// Bytes that could be stored now.
    pub fn free(&self) -> u64 {
        let recycled = self.peak.get() - self.used.get();
        recycled + outside::uncommitted_bytes().saturating_sub(RESERVE_BYTES)
    }
}

/// A part of the space that is given back when its owner goes.
#[derive(Debug)]
pub struct Share {
    space: Rc<Space>,
    bytes: Cell<u64>,
}

impl Share {
    /// An owner that stores nothing yet.
    pub fn empty(space: &Rc<Space>) -> Self {
        Self { space: space.clone(), bytes: Cell::new(0) }
    }

    /// An owner that stores `bytes`.
    ///
    /// # Errors
    ///
    /// `ENOSPC`.
    pub fn of(space: &Rc<Space>, bytes: u64) -> Result<Self, Errno> {
        let share = Self::empty(space);
        share.grow(bytes)?;
        Ok(share)
    }

    /// The space that this is a part of.
    pub fn space(&self) -> &Rc<Space> {
        &self.space
    }

    /// Bytes of this owner.
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Stores more.
    ///
    /// # Errors
    ///
    /// `ENOSPC`.
    pub fn grow(&self, by: u64) -> Result<(), Errno> {
        self.space.charge(by)?;
        self.bytes.set(self.bytes.get() + by);
        Ok(())
    }

    /// Stores less.
    pub fn shrink(&self, by: u64) {
        let by = by.min(self.bytes.get());
        self.space.release(by);
        self.bytes.set(self.bytes.get() - by);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.space.release(self.bytes.get());
    }
}

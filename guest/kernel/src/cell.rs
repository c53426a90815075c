//! Global state of a single-threaded kernel.
//!
//! Guarantees: a value is borrowed once at a time; a second borrow is a kernel bug and panics with the place of both.
//! Never: hand out a reference that outlives the closure.
//!
//! Before: every module with global state. After: nothing.

#![expect(unsafe_code, reason = "the borrow rules are kept by a flag")]

use core::cell::{Cell, UnsafeCell};

/// A global value, mutably borrowed for the length of a closure.
pub struct KernelCell<T> {
    borrowed: Cell<bool>,
    value: UnsafeCell<T>,
}

// SAFETY: the VM has one virtual processor and the kernel never runs concurrently with itself; a fault handler that
// interrupts a borrow uses `peek` only, which never takes a borrow.
unsafe impl<T> Sync for KernelCell<T> {}

impl<T> KernelCell<T> {
    /// Creates a cell.
    pub const fn new(value: T) -> Self {
        Self { borrowed: Cell::new(false), value: UnsafeCell::new(value) }
    }

    /// Borrows the value for the length of `f`.
    ///
    /// # Panics
    ///
    /// On a second borrow inside `f`.
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        assert!(!self.borrowed.replace(true), "kernel state borrowed twice");
        // SAFETY: the flag above excludes every other `with`.
        let result = f(unsafe { &mut *self.value.get() });
        self.borrowed.set(false);
        result
    }

    /// Reads the value without borrowing it: for fault handlers, which may not write kernel state (the page of the
    /// flag may be the very page that faulted).
    ///
    /// The value is whole whenever the kernel touches program memory, the only time a handler needs it.
    pub fn peek<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        // SAFETY: one processor; the interrupted code does not run until the handler returns.
        f(unsafe { &*self.value.get() })
    }
}

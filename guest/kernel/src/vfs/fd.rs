//! The descriptor table.
//!
//! Guarantees: a new descriptor is the lowest free number, as POSIX asks; there are never more than the limit. Never:
//! closes a file while another descriptor or a call in progress holds it.
//!
//! Before: vfs, syscall/fs. After: file.

use alloc::rc::Rc;
use alloc::vec::Vec;

use linux_raw_sys::general as linux;

use super::file::OpenFile;
use super::outside;
use crate::errno::Errno;

/// Most descriptors of the program (the hard limit RLIMIT_NOFILE at the start).
pub const MAX_DESCRIPTORS: usize = 1024;

/// Most descriptors that the program may have now.
pub fn most_descriptors() -> usize {
    usize::try_from(outside::soft_limit(linux::RLIMIT_NOFILE))
        .map_or(MAX_DESCRIPTORS, |most| most.min(MAX_DESCRIPTORS))
}

#[derive(Debug)]
struct Descriptor {
    file: Rc<OpenFile>,
    close_on_exec: bool,
}

/// Open descriptors by number.
#[derive(Debug, Default)]
pub struct FdTable {
    slots: Vec<Option<Descriptor>>,
}

impl FdTable {
    /// The file of a descriptor.
    ///
    /// # Errors
    ///
    /// `EBADF`.
    pub fn get(&self, fd: i32) -> Result<&Rc<OpenFile>, Errno> {
        self.slot(fd).map(|descriptor| &descriptor.file)
    }

    fn slot(&self, fd: i32) -> Result<&Descriptor, Errno> {
        let index = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        self.slots.get(index).and_then(Option::as_ref).ok_or(Errno::EBADF)
    }

    /// The lowest free number that is at least `min`.
    ///
    /// # Errors
    ///
    /// `EMFILE`.
    pub fn lowest_free(&self, min: usize) -> Result<usize, Errno> {
        let taken = self.slots.iter().skip(min).take_while(|slot| slot.is_some()).count();
        let free = min + taken;
        if free < most_descriptors() { Ok(free) } else { Err(Errno::EMFILE) }
    }

    /// Gives a file the lowest free number that is at least `min`.
    ///
    /// # Errors
    ///
    /// `EMFILE`.
    pub fn add(&mut self, file: Rc<OpenFile>, close_on_exec: bool, min: usize) -> Result<u64, Errno> {
        let fd = self.lowest_free(min)?;
        self.set(fd, file, close_on_exec)?;
        Ok(fd as u64)
    }

    /// Gives a file a number, in place of what had it.
    ///
    /// # Errors
    ///
    /// `EBADF` past the limit.
    pub fn set(&mut self, fd: usize, file: Rc<OpenFile>, close_on_exec: bool) -> Result<(), Errno> {
        if fd >= most_descriptors() {
            return Err(Errno::EBADF);
        }
        if fd >= self.slots.len() {
            self.slots.resize_with(fd + 1, || None);
        }
        self.slots[fd] = Some(Descriptor { file, close_on_exec });
        Ok(())
    }

    /// Frees a number and hands the file back, to be dropped by the caller.
    ///
    /// # Errors
    ///
    /// `EBADF`.
    pub fn remove(&mut self, fd: i32) -> Result<Rc<OpenFile>, Errno> {
        let index = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        let descriptor = self.slots.get_mut(index).and_then(Option::take).ok_or(Errno::EBADF)?;
        Ok(descriptor.file)
    }

    /// Whether the descriptor would close at execve(2).
    ///
    /// # Errors
    ///
    /// `EBADF`.
    pub fn close_on_exec(&self, fd: i32) -> Result<bool, Errno> {
        self.slot(fd).map(|descriptor| descriptor.close_on_exec)
    }

    /// Sets whether the descriptor would close at execve(2).
    ///
    /// # Errors
    ///
    /// `EBADF`.
    pub fn set_close_on_exec(&mut self, fd: i32, close: bool) -> Result<(), Errno> {
        self.slot(fd)?;
        if let Some(Some(descriptor)) = self.slots.get_mut(fd as usize) {
            descriptor.close_on_exec = close;
        }
        Ok(())
    }

    /// Open numbers in order, from `min` on.
    pub fn numbers(&self, min: usize) -> impl Iterator<Item = i32> + '_ {
        self.slots.iter().enumerate().skip(min).filter(|(_, slot)| slot.is_some()).map(|(fd, _)| fd as i32)
    }
}

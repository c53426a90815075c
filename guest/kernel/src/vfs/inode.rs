//! What changes of a file, and mappings of it, hold on to: an inode in memory, or a file of the host.
//!
//! Before: syscall/fs, syscall/mem. After: ramfs, hostfs.

use alloc::rc::Rc;

use super::file::{Object, OpenFile};
use super::hostfs::HostNode;
use super::node::{Kind, Time};
use super::ramfs::RamNode;
use crate::errno::Errno;

/// Something whose permissions, times and size can be changed.
#[derive(Clone, Debug)]
pub enum Inode {
    /// In memory.
    Ram(Rc<RamNode>),
    /// In a mount.
    Host(Rc<HostNode>),
}

impl Inode {
    /// Type.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Ram(node) => node.kind(),
            Self::Host(node) => node.kind(),
        }
    }

    /// Sets the permission bits.
    ///
    /// # Errors
    ///
    /// What the host answers.
    pub fn set_permissions(&self, mode: u32) -> Result<(), Errno> {
        match self {
            Self::Ram(node) => {
                node.set_permissions(mode);
                Ok(())
            }
            Self::Host(node) => node.set_permissions(mode),
        }
    }

    /// Sets owner and group; `None` leaves one. In a mount both stay those of root.
    pub fn set_owner(&self, owner: Option<u32>, group: Option<u32>) {
        match self {
            Self::Ram(node) => node.set_owner(owner, group),
            Self::Host(_) => {}
        }
    }

    /// Sets times; `None` leaves one.
    ///
    /// # Errors
    ///
    /// What the host answers.
    pub fn set_times(&self, accessed: Option<Time>, modified: Option<Time>) -> Result<(), Errno> {
        match self {
            Self::Ram(node) => {
                node.set_times(accessed, modified);
                Ok(())
            }
            Self::Host(node) => node.set_times(accessed, modified),
        }
    }

    /// Changes the size.
    ///
    /// # Errors
    ///
    /// `ENOSPC`, what the host answers.
    pub fn set_size(&self, size: u64) -> Result<(), Errno> {
        match self {
            Self::Ram(node) => node.set_size(size),
            Self::Host(node) => node.set_size(size),
        }
    }
}

/// A file as a mapping of it holds on to it.
#[derive(Clone, Debug)]
pub enum FileRef {
    /// In memory.
    Ram(Rc<RamNode>),
    /// Open on the host.
    Host(Rc<OpenFile>),
}

impl FileRef {
    /// Size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Ram(node) => node.size(),
            Self::Host(file) => file.size(),
        }
    }

    /// Reads bytes and says how many there were.
    pub fn pread(&self, offset: u64, to: &mut [u8]) -> usize {
        let len = to.len();
        let mut done = 0;
        let mut put = |piece: &[u8]| {
            to[done..done + piece.len()].copy_from_slice(piece);
            done += piece.len();
            Ok(piece.len())
        };
        let read = match self {
            Self::Ram(node) => node.read(offset, len, &mut put),
            Self::Host(file) => match &file.object {
                Object::Host(file) => file.read(offset, len, &mut put),
                _ => Err(Errno::EBADF),
            },
        };
        read.unwrap_or(0)
    }

    /// Writes bytes and says how many fitted.
    pub fn pwrite(&self, offset: u64, mut from: &[u8]) -> usize {
        let len = from.len();
        let mut done = 0;
        let written = match self {
            Self::Ram(node) => node.write(offset, len, &mut |piece| {
                piece.copy_from_slice(&from[done..done + piece.len()]);
                done += piece.len();
                Ok(piece.len())
            }),
            Self::Host(file) => match &file.object {
                Object::Host(file) => file.write(offset, &mut from),
                _ => Err(Errno::EBADF),
            },
        };
        written.unwrap_or(0)
    }
}

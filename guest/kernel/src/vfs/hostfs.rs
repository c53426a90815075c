//! Names in directories of the host, and the question that each use of one is.
//!
//! What it is: a name in a mount is a number and a path; each use of it is one question to the host, which decides and
//! resolves. Guarantees: what the host may have changed meanwhile is asked again, but for bytes that a sequential read
//! brought ahead of time; a write by this program is seen by its next read. Never: resolves `..` by links: it is the
//! directory that the path came through.
//!
//! Before: path, ops, hostfile. After: outside (the question).

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use hypercell_abi::limits::MAX_FILE_PATH_BYTES;
use hypercell_abi::message::{FilePath, FileReply, FileRequest, FileStat};
use linux_raw_sys::general as linux;

use super::hostfile::HostFile;
use super::node::{Kind, Meta, Time};
use super::outside;
use crate::errno::Errno;

/// Device number of the first mount (stat); each has its own.
pub const DEVICE: u64 = 0x40;
/// Counts the writes of this program to any mount: what was read ahead before one may be old.
pub static WRITES: AtomicU64 = AtomicU64::new(0);

/// A name in a mount.
#[derive(Debug)]
pub struct HostNode {
    /// Number of the mount.
    pub mount: u32,
    /// Path in it; empty for the mounted directory.
    pub path: Vec<u8>,
    /// What was there when the name was looked up.
    pub meta: Meta,
}

/// Counts the questions to the host.
pub static QUESTIONS: AtomicU64 = AtomicU64::new(0);

/// Asks the host, for an answer of this kind.
pub fn ask<R>(
    request: &FileRequest<'_>,
    room: usize,
    take: impl FnOnce(FileReply<'_>) -> Option<R>,
) -> Result<R, Errno> {
    QUESTIONS.fetch_add(1, Ordering::Relaxed);
    outside::ask_host(request, room, |reply| match reply {
        FileReply::Error { errno } => Err(Errno(i32::try_from(errno).unwrap_or(Errno::EIO.0))),
        reply => take(reply).ok_or(Errno::EIO),
    })
}

/// Asks for something that has no answer but that it is done.
pub fn order(request: &FileRequest<'_>) -> Result<(), Errno> {
    WRITES.fetch_add(1, Ordering::Relaxed);
    ask(request, 0, |reply| (reply == FileReply::Done).then_some(()))
}

/// Takes an answer to a question about what is there.
pub fn stat(reply: FileReply<'_>) -> Option<FileStat> {
    match reply {
        FileReply::Stat(stat) => Some(stat),
        _ => None,
    }
}

/// What stat(2) shows of a file in a mount.
pub fn meta_of(mount: u32, stat: &FileStat) -> Meta {
    let time =
        |ns: i64| Time { seconds: ns.div_euclid(1_000_000_000), nanos: ns.rem_euclid(1_000_000_000) as u32 };
    Meta {
        device: DEVICE + u64::from(mount),
        number: stat.number,
        mode: stat.mode as u32,
        links: stat.links as u32,
        owner: 0,
        group: 0,
        special_device: 0,
        size: stat.size,
        blocks: stat.blocks,
        accessed: time(stat.accessed),
        modified: time(stat.modified),
        changed: time(stat.changed),
        born: time(stat.changed),
    }
}

impl HostNode {
    /// Looks a path in a mount up; `follow` says whether a link at its end stands for its target.
    ///
    /// # Errors
    ///
    /// What the host answers.
    pub fn look_up(mount: u32, path: Vec<u8>, follow: bool) -> Result<Rc<Self>, Errno> {
        if path.len() > MAX_FILE_PATH_BYTES {
            return Err(Errno::ENAMETOOLONG);
        }
        let at = FilePath { mount: u64::from(mount), path: &path };
        let stat = ask(&FileRequest::Stat { at, follow }, 0, stat)?;
        let meta = meta_of(mount, &stat);
        Ok(Rc::new(Self { mount, path, meta }))
    }

    /// A directory that is known to be one, and not looked at.
    pub fn dir(mount: u32, path: &[u8]) -> Rc<Self> {
        let meta = Meta { device: DEVICE, number: 1, mode: Kind::Dir.bits(), ..Meta::default() };
        Rc::new(Self { mount, path: path.to_vec(), meta })
    }

    /// Type, as it was at the last look.
    pub fn kind(&self) -> Kind {
        self.meta.kind()
    }

    /// The same name, looked at again.
    ///
    /// # Errors
    ///
    /// What the host answers.
    pub fn again(&self) -> Result<Rc<Self>, Errno> {
        Self::look_up(self.mount, self.path.clone(), self.kind() != Kind::Link)
    }

    /// The path of a name in this directory.
    pub fn join(&self, name: &[u8]) -> Vec<u8> {
        let mut path = self.path.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        path
    }

    fn at(&self) -> FilePath<'_> {
        FilePath { mount: u64::from(self.mount), path: &self.path }
    }

    /// The target of a link.
    ///
    /// # Errors
    ///
    /// What the host answers.
    pub fn link_target(&self) -> Result<Vec<u8>, Errno> {
        ask(&FileRequest::ReadLink { at: self.at() }, 0, |reply| match reply {
            FileReply::Data(target) => Some(target.to_vec()),
            _ => None,
        })
    }

    /// Sets the permission bits.
    ///
    /// # Errors
    ///
    /// What the host answers.
    pub fn set_permissions(&self, mode: u32) -> Result<(), Errno> {
        order(&FileRequest::SetMode { at: self.at(), mode: u64::from(mode) })
    }

    /// Sets times; `None` leaves one.
    ///
    /// # Errors
    ///
    /// `EOVERFLOW`, what the host answers.
    pub fn set_times(&self, accessed: Option<Time>, modified: Option<Time>) -> Result<(), Errno> {
        let ns = |time: Option<Time>| match time {
            None => Ok(None),
            Some(time) => time
                .seconds
                .checked_mul(1_000_000_000)
                .and_then(|ns| ns.checked_add(i64::from(time.nanos)))
                .map(Some)
                .ok_or(Errno::EOVERFLOW),
        };
        let (accessed, modified) = (ns(accessed)?, ns(modified)?);
        order(&FileRequest::SetTimes { at: self.at(), accessed, modified })
    }

    /// Changes the size of the file.
    ///
    /// # Errors
    ///
    /// What the host answers.
    pub fn set_size(&self, size: u64) -> Result<(), Errno> {
        HostFile::open(self.mount, &self.path, linux::O_WRONLY, 0)?.0.set_size(size)
    }
}

/// mkdir(2), unlink(2), rmdir(2) and rename(2) in a mount.
///
/// # Errors
///
/// What the host answers.
pub fn make_dir(mount: u32, path: &[u8], mode: u32) -> Result<(), Errno> {
    let at = FilePath { mount: u64::from(mount), path };
    order(&FileRequest::MakeDir { at, mode: u64::from(mode & 0o777) })
}

/// As above.
///
/// # Errors
///
/// What the host answers.
pub fn unlink(mount: u32, path: &[u8]) -> Result<(), Errno> {
    order(&FileRequest::Unlink { at: FilePath { mount: u64::from(mount), path } })
}

/// As above.
///
/// # Errors
///
/// What the host answers.
pub fn remove_dir(mount: u32, path: &[u8]) -> Result<(), Errno> {
    order(&FileRequest::RemoveDir { at: FilePath { mount: u64::from(mount), path } })
}

/// As above.
///
/// # Errors
///
/// What the host answers.
pub fn rename(mount: u32, path: &[u8], to: &[u8]) -> Result<(), Errno> {
    order(&FileRequest::Rename { at: FilePath { mount: u64::from(mount), path }, to })
}

//! What a name can stand for, and what stat(2) says about it.
//!
//! Before: tree, ramfs, special, file. After: nothing.

use alloc::rc::Rc;
use alloc::vec::Vec;

use linux_raw_sys::general as linux;

use super::file::OpenFile;
use super::hostfs::HostNode;
use super::outside;
use super::ramfs::RamNode;

/// Something that a path leads to.
#[derive(Clone, Debug)]
pub enum Node {
    /// An entry of the read-only image, by its number.
    Image(u32),
    /// An inode of /tmp.
    Ram(Rc<RamNode>),
    /// A name in a mount.
    Host(Rc<HostNode>),
    /// A directory on the way to a mount, by its place in `HostMounts::points`.
    Point(usize),
    /// A row of the table of devices and kernel files.
    Special(usize),
    /// /proc/self/fd/N: a link to whatever the descriptor is.
    Descriptor(i32),
    /// /proc/self/task/N, or by its place in `proc::THREAD_FILES` a file in there.
    Thread(u64, Option<usize>),
    /// /dev/pts/N: the slave of a pseudo-terminal.
    Terminal(u32),
    /// The end of such a link where there is no path: a pipe, a socket, a deleted file.
    Open(Rc<OpenFile>),
}

/// A node and where it stands.
#[derive(Clone, Debug)]
pub struct Place {
    /// What is there.
    pub node: Node,
    /// Numbers of the image's directories from below its root down to the node, the node included. Empty elsewhere.
    pub chain: Vec<u32>,
}

impl Place {
    /// A place outside of the image, which knows its parent by itself.
    pub fn of(node: Node) -> Self {
        Self { node, chain: Vec::new() }
    }
}

/// Type of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the file types of inode(7)")]
pub enum Kind {
    #[default]
    File,
    Dir,
    Link,
    Char,
    Fifo,
    Socket,
    /// eventfd and epoll instances, which have no type bits.
    Anonymous,
}

impl Kind {
    /// The type bits of `st_mode`.
    pub fn bits(self) -> u32 {
        match self {
            Self::File => linux::S_IFREG,
            Self::Dir => linux::S_IFDIR,
            Self::Link => linux::S_IFLNK,
            Self::Char => linux::S_IFCHR,
            Self::Fifo => linux::S_IFIFO,
            Self::Socket => linux::S_IFSOCK,
            Self::Anonymous => 0,
        }
    }

    /// The `d_type` of getdents64(2): the type bits, shifted.
    pub fn entry_type(self) -> u8 {
        (self.bits() >> 12) as u8
    }
}

/// A point in time: seconds since 1970 and nanoseconds below a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Time {
    /// Seconds, negative before 1970.
    pub seconds: i64,
    /// Nanoseconds, below 1e9.
    pub nanos: u32,
}

impl Time {
    /// Now.
    pub fn now() -> Self {
        Self::from_ns(outside::realtime_ns())
    }

    /// Nanoseconds since 1970.
    pub fn from_ns(ns: u64) -> Self {
        Self { seconds: (ns / 1_000_000_000) as i64, nanos: (ns % 1_000_000_000) as u32 }
    }

    /// Whole seconds since 1970.
    pub fn from_seconds(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }
}

/// What stat(2) and statx(2) show.
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "the fields of stat(3type), spelled out")]
pub struct Meta {
    pub device: u64,
    pub number: u64,
    /// Type and permission bits.
    pub mode: u32,
    pub links: u32,
    pub owner: u32,
    pub group: u32,
    pub special_device: u64,
    /// In bytes.
    pub size: u64,
    /// In units of 512 bytes.
    pub blocks: u64,
    pub accessed: Time,
    pub modified: Time,
    pub changed: Time,
    pub born: Time,
}

impl Meta {
    /// The type bits back as a kind.
    pub fn kind(&self) -> Kind {
        let all = [Kind::File, Kind::Dir, Kind::Link, Kind::Char, Kind::Fifo, Kind::Socket];
        all.into_iter().find(|kind| kind.bits() == self.mode & linux::S_IFMT).unwrap_or(Kind::Anonymous)
    }
}

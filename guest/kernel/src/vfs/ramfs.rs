//! The writable file system of /tmp, and memory files without a name: everything lives in the kernel heap.
//!
//! Guarantees: a file grows without copying what is there (64 KiB pieces) and holes cost nothing; a file that is open
//! lives on after its last name is gone; entries keep their place in a directory listing while others come and go; each
//! byte stored is counted (space). Never: follows links or checks paths; that is path.rs.
//!
//! Before: path, file. After: space.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use super::node::{Kind, Meta, Time};
use super::outside;
use super::pipe::Pipe;
use super::space::{Share, Space};
use crate::errno::Errno;

const CHUNK: usize = 64 * 1024;
/// What an inode and its directory entry cost apart from name and contents.
const NODE_BYTES: u64 = 512;
/// Device number of the file system (stat).
pub const DEVICE: u64 = 0x15;

/// The root of /tmp, and the numbers of its inodes.
#[derive(Debug)]
pub struct RamFs {
    root: Rc<RamNode>,
}

/// An inode.
#[derive(Debug)]
pub struct RamNode {
    number: u64,
    mode: Cell<u32>,
    links: Cell<u32>,
    owner: Cell<u32>,
    group: Cell<u32>,
    /// Directory and name where the node was linked last, for the paths that /proc shows and for `..`.
    location: RefCell<Option<Location>>,
    accessed: Cell<Time>,
    modified: Cell<Time>,
    changed: Cell<Time>,
    born: Time,
    share: Share,
    data: Data,
}

type Location = (Weak<RamNode>, Box<[u8]>);

#[derive(Debug)]
enum Data {
    File(RefCell<Contents>),
    Dir(RefCell<Entries>),
    Link(Box<[u8]>),
    Fifo(Rc<Pipe>),
}

/// A file's bytes: pieces of 64 KiB, of which a shorter or missing one reads as zeroes.
#[derive(Debug, Default)]
struct Contents {
    size: u64,
    chunks: BTreeMap<u64, Vec<u8>>,
}

/// A directory: names, and their order of arrival, which is the order of listing.
#[derive(Debug, Default)]
struct Entries {
    by_name: BTreeMap<Rc<[u8]>, (u64, Rc<RamNode>)>,
    by_cookie: BTreeMap<u64, Rc<[u8]>>,
    next_cookie: u64,
    /// How many of the entries are directories.
    dirs: u32,
}

/// Largest file: the largest offset of the C type.
const MAX_FILE_BYTES: u64 = i64::MAX as u64;

impl RamFs {
    /// An empty file system; `number` is that of its root.
    pub fn new(space: &Rc<Space>, number: u64) -> Self {
        let root = RamNode::build(
            Share::empty(space),
            number,
            Kind::Dir.bits() | 0o1777,
            Data::Dir(RefCell::default()),
        );
        root.links.set(1);
        Self { root: Rc::new(root) }
    }

    /// The directory that is mounted at /tmp.
    pub fn root(&self) -> &Rc<RamNode> {
        &self.root
    }
}

impl RamNode {
    fn build(share: Share, number: u64, mode: u32, data: Data) -> Self {
        let now = Time::now();
        Self {
            number,
            mode: Cell::new(mode),
            links: Cell::new(0),
            owner: Cell::new(0),
            group: Cell::new(0),
            location: RefCell::new(None),
            accessed: Cell::new(now),
            modified: Cell::new(now),
            changed: Cell::new(now),
            born: now,
            share,
            data,
        }
    }

    fn create(space: &Rc<Space>, number: u64, mode: u32, data: Data) -> Result<Rc<Self>, Errno> {
        Ok(Rc::new(Self::build(Share::of(space, NODE_BYTES)?, number, mode, data)))
    }

    /// Makes a file that has no name yet.
    ///
    /// # Errors
    ///
    /// `ENOSPC`.
    pub fn new_file(space: &Rc<Space>, number: u64, permissions: u32) -> Result<Rc<Self>, Errno> {
        let mode = Kind::File.bits() | permissions & 0o7777;
        Self::create(space, number, mode, Data::File(RefCell::default()))
    }

    /// Makes a directory that has no name yet.
    ///
    /// # Errors
    ///
    /// `ENOSPC`.
    pub fn new_dir(space: &Rc<Space>, number: u64, permissions: u32) -> Result<Rc<Self>, Errno> {
        let mode = Kind::Dir.bits() | permissions & 0o1777;
        Self::create(space, number, mode, Data::Dir(RefCell::default()))
    }

    /// Makes a symbolic link that has no name yet.
    ///
    /// # Errors
    ///
    /// `ENOSPC`.
    pub fn new_link(space: &Rc<Space>, number: u64, target: &[u8]) -> Result<Rc<Self>, Errno> {
        let node = Self::create(space, number, Kind::Link.bits() | 0o777, Data::Link(target.into()))?;
        node.share.grow(target.len() as u64)?;
        Ok(node)
    }

    /// Makes a pipe that has no name yet.
    ///
    /// # Errors
    ///
    /// `ENOSPC`.
    pub fn new_fifo(space: &Rc<Space>, number: u64, permissions: u32) -> Result<Rc<Self>, Errno> {
        let mode = Kind::Fifo.bits() | permissions & 0o7777;
        Self::create(space, number, mode, Data::Fifo(Pipe::new(space)?))
    }

    /// The pipe, if it is one.
    pub fn fifo(&self) -> Option<&Rc<Pipe>> {
        match &self.data {
            Data::Fifo(pipe) => Some(pipe),
            _ => None,
        }
    }

    /// What the node is.
    pub fn kind(&self) -> Kind {
        match self.data {
            Data::File(_) => Kind::File,
            Data::Dir(_) => Kind::Dir,
            Data::Link(_) => Kind::Link,
            Data::Fifo(_) => Kind::Fifo,
        }
    }

    /// The target of a symbolic link.
    pub fn link_target(&self) -> Option<&[u8]> {
        match &self.data {
            Data::Link(target) => Some(target),
            _ => None,
        }
    }

    /// Number of names.
    pub fn links(&self) -> u32 {
        self.links.get()
    }

    /// Directory and name, `None` for the root and for files that never had a name.
    pub fn location(&self) -> Option<(Rc<RamNode>, Box<[u8]>)> {
        let location = self.location.borrow();
        let (dir, name) = location.as_ref()?;
        Some((dir.upgrade()?, name.clone()))
    }

    /// Everything that stat(2) shows.
    pub fn meta(&self) -> Meta {
        let (size, stored) = match &self.data {
            Data::File(contents) => (contents.borrow().size, self.share.bytes().saturating_sub(NODE_BYTES)),
            Data::Dir(entries) => (20 * (2 + entries.borrow().by_name.len() as u64), 0),
            Data::Link(target) => (target.len() as u64, 0),
            Data::Fifo(_) => (0, 0),
        };
        let links = match &self.data {
            Data::Dir(entries) if self.links.get() > 0 => 2 + entries.borrow().dirs,
            _ => self.links.get(),
        };
        Meta {
            device: DEVICE,
            number: self.number,
            mode: self.mode.get(),
            links,
            owner: self.owner.get(),
            group: self.group.get(),
            size,
            blocks: stored.div_ceil(512),
            accessed: self.accessed.get(),
            modified: self.modified.get(),
            changed: self.changed.get(),
            born: self.born,
            ..Meta::default()
        }
    }

    /// Sets the permission bits.
    pub fn set_permissions(&self, permissions: u32) {
        self.mode.set(self.mode.get() & !0o7777 | permissions & 0o7777);
        self.changed.set(Time::now());
    }

    /// Sets the owner and the group; `None` leaves one. The one user passes every check whatever they are.
    pub fn set_owner(&self, owner: Option<u32>, group: Option<u32>) {
        self.owner.set(owner.unwrap_or(self.owner.get()));
        self.group.set(group.unwrap_or(self.group.get()));
        self.changed.set(Time::now());
    }

    /// Sets the times of last access and change; `None` leaves one.
    pub fn set_times(&self, accessed: Option<Time>, modified: Option<Time>) {
        self.accessed.set(accessed.unwrap_or(self.accessed.get()));
        self.modified.set(modified.unwrap_or(self.modified.get()));
        self.changed.set(Time::now());
    }

    fn touch(&self) {
        let now = Time::now();
        self.modified.set(now);
        self.changed.set(now);
    }

    fn contents(&self) -> Result<&RefCell<Contents>, Errno> {
        match &self.data {
            Data::File(contents) => Ok(contents),
            Data::Dir(_) => Err(Errno::EISDIR),
            Data::Link(_) | Data::Fifo(_) => Err(Errno::EINVAL),
        }
    }

    fn entries(&self) -> Result<&RefCell<Entries>, Errno> {
        match &self.data {
            Data::Dir(entries) => Ok(entries),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// Size of a file in bytes, 0 for anything else.
    pub fn size(&self) -> u64 {
        self.contents().map_or(0, |contents| contents.borrow().size)
    }

    /// Hands the bytes of a file from `offset` on to `sink`, piece by piece, until the end, `max` bytes, or until the
    /// sink takes less than it was given.
    ///
    /// # Errors
    ///
    /// `EISDIR`, or what the sink answered where nothing was taken before.
    pub fn read(
        &self,
        offset: u64,
        max: usize,
        sink: &mut dyn FnMut(&[u8]) -> Result<usize, Errno>,
    ) -> Result<usize, Errno> {
        const ZEROES: [u8; 4096] = [0; 4096];
        let contents = self.contents()?.borrow();
        let end = contents.size.min(offset.saturating_add(max as u64));
        let mut at = offset;
        while at < end {
            let within = (at % CHUNK as u64) as usize;
            let want = ((end - at) as usize).min(CHUNK - within);
            let chunk = contents
                .chunks
                .get(&(at / CHUNK as u64))
                .map_or(&[][..], |chunk| chunk.get(within..).unwrap_or(&[]));
            let piece = if chunk.is_empty() {
                &ZEROES[..want.min(ZEROES.len())]
            } else {
                &chunk[..want.min(chunk.len())]
            };
            match sink(piece) {
                Ok(n) => {
                    at += n as u64;
                    if n < piece.len() {
                        break;
                    }
                }
                Err(error) if at == offset => return Err(error),
                Err(_) => break,
            }
        }
        Ok(at.saturating_sub(offset) as usize)
    }

    /// Writes up to `len` bytes that `source` fills in, piece by piece, growing the file as needed.
    ///
    /// # Errors
    ///
    /// `EISDIR`, `EFBIG`, `ENOSPC`, or what the source answered; only where nothing was written before.
    pub fn write(
        &self,
        offset: u64,
        len: usize,
        source: &mut dyn FnMut(&mut [u8]) -> Result<usize, Errno>,
    ) -> Result<usize, Errno> {
        if len == 0 {
            return self.contents().map(|_| 0);
        }
        let end = offset.checked_add(len as u64).filter(|&end| end <= MAX_FILE_BYTES).ok_or(Errno::EFBIG)?;
        let mut contents = self.contents()?.borrow_mut();
        let mut at = offset;
        while at < end {
            let within = (at % CHUNK as u64) as usize;
            let want = ((end - at) as usize).min(CHUNK - within);
            let written = self
                .chunk(&mut contents, at / CHUNK as u64, within + want)
                .and_then(|chunk| source(&mut chunk[within..within + want]));
            match written {
                Ok(n) => {
                    at += n as u64;
                    contents.size = contents.size.max(at);
                    if n < want {
                        break;
                    }
                }
                Err(error) if at == offset => return Err(error),
                Err(_) => break,
            }
        }
        self.touch();
        Ok((at - offset) as usize)
    }

    /// A piece of the file with room for its first `len` bytes.
    fn chunk<'a>(
        &self,
        contents: &'a mut Contents,
        index: u64,
        len: usize,
    ) -> Result<&'a mut Vec<u8>, Errno> {
        let chunk = contents.chunks.entry(index).or_default();
        if len > chunk.capacity() {
            let capacity = len.max(chunk.capacity() * 2).next_power_of_two().clamp(64, CHUNK);
            let more = (capacity - chunk.capacity()) as u64;
            self.share.grow(more)?;
            if chunk.try_reserve_exact(capacity - chunk.len()).is_err() {
                self.share.shrink(more);
                return Err(Errno::ENOSPC);
            }
        }
        if len > chunk.len() {
            chunk.resize(len, 0);
        }
        Ok(chunk)
    }

    /// Sets the size of a file: cuts it, or adds a hole.
    ///
    /// # Errors
    ///
    /// `EISDIR`, `EFBIG`.
    pub fn set_size(&self, size: u64) -> Result<(), Errno> {
        let mut contents = self.contents()?.borrow_mut();
        if size > MAX_FILE_BYTES {
            return Err(Errno::EFBIG);
        }
        if size < contents.size {
            let within = (size % CHUNK as u64) as usize;
            let gone = contents.chunks.split_off(&size.div_ceil(CHUNK as u64));
            self.share.shrink(gone.values().map(|chunk| chunk.capacity() as u64).sum());
            if let Some(last) = contents.chunks.get_mut(&(size / CHUNK as u64)) {
                last.truncate(within);
            }
        }
        contents.size = size;
        self.touch();
        Ok(())
    }

    /// Fills a range of a file with zeroes, without changing its size.
    ///
    /// # Errors
    ///
    /// `EISDIR`.
    pub fn punch(&self, offset: u64, len: u64) -> Result<(), Errno> {
        let mut contents = self.contents()?.borrow_mut();
        let end = contents.size.min(offset.saturating_add(len));
        let range = offset / CHUNK as u64..=end / CHUNK as u64;
        if offset < end {
            for (index, chunk) in contents.chunks.range_mut(range) {
                let start = index * CHUNK as u64;
                let from = offset.saturating_sub(start).min(chunk.len() as u64) as usize;
                let to = end.saturating_sub(start).min(chunk.len() as u64) as usize;
                chunk[from..to].fill(0);
            }
        }
        self.touch();
        Ok(())
    }

    /// Looks a name up in a directory.
    ///
    /// # Errors
    ///
    /// `ENOTDIR`, `ENOENT`.
    pub fn lookup(&self, name: &[u8]) -> Result<Rc<RamNode>, Errno> {
        self.entries()?.borrow().by_name.get(name).map(|(_, node)| node.clone()).ok_or(Errno::ENOENT)
    }

    /// Whether a directory has no entries.
    pub fn is_empty_dir(&self) -> bool {
        self.entries().is_ok_and(|entries| entries.borrow().by_name.is_empty())
    }

    /// Whether `self` is `other` or lies somewhere below it.
    pub fn is_within(self: &Rc<Self>, other: &Rc<Self>) -> bool {
        let mut at = self.clone();
        loop {
            if Rc::ptr_eq(&at, other) {
                return true;
            }
            match at.location() {
                Some((parent, _)) => at = parent,
                None => return false,
            }
        }
    }

    /// Whether the name of a directory was removed; nothing may be put into it then.
    pub fn is_removed(&self) -> bool {
        self.links.get() == 0
    }

    /// Gives a node a name in a directory, in place of what had the name before.
    ///
    /// # Errors
    ///
    /// `ENOTDIR`, `ENOENT` for a removed directory, `ENOSPC`.
    pub fn attach(self: &Rc<Self>, name: &[u8], node: &Rc<RamNode>) -> Result<(), Errno> {
        let mut entries = self.entries()?.borrow_mut();
        if self.is_removed() {
            return Err(Errno::ENOENT);
        }
        let replaced = match entries.by_name.get_mut(name) {
            Some((_, old)) => {
                old.unlinked();
                Some(core::mem::replace(old, node.clone()))
            }
            None => {
                self.share.grow(Self::entry_bytes(name))?;
                let cookie = entries.next_cookie;
                let name: Rc<[u8]> = name.into();
                entries.next_cookie += 1;
                entries.by_cookie.insert(cookie, name.clone());
                entries.by_name.insert(name, (cookie, node.clone()));
                None
            }
        };
        entries.dirs += u32::from(node.kind() == Kind::Dir);
        entries.dirs -= u32::from(replaced.is_some_and(|old| old.kind() == Kind::Dir));
        node.links.set(node.links.get() + 1);
        node.location.replace(Some((Rc::downgrade(self), name.into())));
        node.changed.set(Time::now());
        self.touch();
        Ok(())
    }

    /// Takes a name out of a directory.
    ///
    /// # Errors
    ///
    /// `ENOTDIR`, `ENOENT`.
    pub fn detach(&self, name: &[u8]) -> Result<Rc<RamNode>, Errno> {
        let mut entries = self.entries()?.borrow_mut();
        let (cookie, node) = entries.by_name.remove(name).ok_or(Errno::ENOENT)?;
        entries.by_cookie.remove(&cookie);
        entries.dirs -= u32::from(node.kind() == Kind::Dir);
        self.share.shrink(Self::entry_bytes(name));
        node.unlinked();
        self.touch();
        Ok(node)
    }

    fn entry_bytes(name: &[u8]) -> u64 {
        name.len() as u64 * 2 + 128
    }

    fn unlinked(&self) {
        self.links.set(self.links.get().saturating_sub(1));
        self.changed.set(Time::now());
    }

    /// Lists entries from the `cookie`-th arrival on: name, node, and the cookie to continue with. Ends where `visit`
    /// answers false.
    ///
    /// # Errors
    ///
    /// `ENOTDIR`.
    pub fn list(
        &self,
        cookie: u64,
        visit: &mut dyn FnMut(&[u8], &RamNode, u64) -> bool,
    ) -> Result<(), Errno> {
        let entries = self.entries()?.borrow();
        for (at, name) in entries.by_cookie.range(cookie..) {
            if let Some((_, node)) = entries.by_name.get(name)
                && !visit(name, node, at + 1)
            {
                break;
            }
        }
        Ok(())
    }

    /// Inode number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Time of the file system, for callers that set one time to now.
    pub fn now() -> Time {
        Time::from_ns(outside::realtime_ns())
    }
}

//! What can be done to names: open, create, remove, rename, link, list.
//!
//! Guarantees: only directories in memory and in writable mounts change; everything else answers `EROFS`. A call either does all of its work or
//! leaves the tree as it was. Never: touches program memory.
//!
//! Before: syscall/fs. After: path, ramfs, file.

use alloc::rc::Rc;
use alloc::vec::Vec;

use hypercell_abi::archive::{self, EntryId};
use linux_raw_sys::general as linux;

use super::hostfile::{HostDir, HostFile};
use super::hostfs::{self, HostNode};
use super::node::{Kind, Node, Place};
use super::path::{Follow, Last, Walk, is_plain};
use super::pipe::{PipeEnd, Side};
use super::proc;
use super::ramfs::RamNode;
use super::special::{self, ROWS, Special};
use super::{Object, OpenFile, Vfs, kind_of, outside};
use crate::errno::Errno;

/// Flags of open(2) that mean something here; others are ignored, as on Linux.
const PATH_FLAGS: u32 = linux::O_PATH | linux::O_DIRECTORY | linux::O_NOFOLLOW | linux::O_CLOEXEC;
/// The bit of O_TMPFILE beside O_DIRECTORY.
const TMPFILE: u32 = linux::O_TMPFILE & !linux::O_DIRECTORY;

/// Offset in the listing of a directory in memory from which mounts follow.
pub const POINTS: u64 = 1 << 62;

/// An entry of a directory listing.
#[derive(Debug)]
pub struct Listed<'a> {
    /// Name.
    pub name: &'a [u8],
    /// Inode number.
    pub number: u64,
    /// Type.
    pub kind: Kind,
    /// Offset of the directory that continues after this entry.
    pub next: u64,
}

/// What rename does with a name that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Replace it.
    Replace,
    /// Fail.
    Keep,
}

fn writable_dir(place: &Place) -> Result<&Rc<RamNode>, Errno> {
    match &place.node {
        Node::Ram(dir) => Ok(dir),
        // Not offered there: links, and files without a name.
        Node::Host(_) => Err(Errno::EPERM),
        _ => Err(Errno::EROFS),
    }
}

impl Vfs {
    /// Opens a path (openat(2)); `start` is the directory that relative paths begin at.
    ///
    /// # Errors
    ///
    /// As open(2).
    pub fn open(&mut self, start: Place, path: &[u8], flags: u32, mode: u32) -> Result<Rc<OpenFile>, Errno> {
        // A descriptor that cannot be had must not leave a file behind, or an empty one.
        self.fds.lowest_free(0)?;
        let flags = if flags & linux::O_PATH != 0 { flags & PATH_FLAGS } else { flags };
        if flags & linux::O_ACCMODE == linux::O_ACCMODE {
            return Err(Errno::EINVAL);
        }
        if flags & TMPFILE != 0 {
            return self.open_nameless(start, path, flags, mode);
        }
        let exclusive = flags & linux::O_CREAT != 0 && flags & linux::O_EXCL != 0;
        let creates = flags & linux::O_CREAT != 0;
        let follow = match flags & linux::O_NOFOLLOW != 0 || exclusive {
            true if creates => Follow::NoToChange,
            false if creates => Follow::YesToCreate,
            true => Follow::No,
            false => Follow::Yes,
        };
        let walk = self.walk(start, path, follow)?;
        if creates && walk.must_be_dir && walk.last == Last::Name {
            return Err(Errno::EISDIR);
        }
        let Some(place) = walk.target.clone() else {
            if flags & linux::O_CREAT == 0 {
                return Err(Errno::ENOENT);
            }
            return self.create_file(&walk, flags, mode);
        };
        if exclusive {
            return Err(Errno::EEXIST);
        }
        let kind = self.kind(&place.node);
        if flags & linux::O_DIRECTORY != 0 && kind != Kind::Dir {
            return Err(if kind == Kind::Link { Errno::ELOOP } else { Errno::ENOTDIR });
        }
        if flags & linux::O_PATH != 0 {
            return Ok(OpenFile::at(place, Object::Path, flags));
        }
        let writes = flags & linux::O_ACCMODE != linux::O_RDONLY || flags & linux::O_TRUNC != 0;
        match kind {
            Kind::Link => return Err(Errno::ELOOP),
            Kind::Dir if writes || flags & linux::O_CREAT != 0 => return Err(Errno::EISDIR),
            _ => {}
        }
        self.open_node(place, kind, flags, writes)
    }

    fn create_file(&mut self, walk: &Walk, flags: u32, mode: u32) -> Result<Rc<OpenFile>, Errno> {
        if flags & linux::O_DIRECTORY != 0 {
            return Err(Errno::EINVAL);
        }
        if let Node::Host(dir) = &walk.parent.node {
            let path = dir.join(&walk.name);
            let (file, meta) = HostFile::open(dir.mount, &path, flags, mode & !self.umask)?;
            let place = Place::of(Node::Host(Rc::new(HostNode { mount: dir.mount, path, meta })));
            return Ok(OpenFile::at(place, Object::Host(file), flags));
        }
        let dir = writable_dir(&walk.parent)?;
        let node = RamNode::new_file(&self.space, self.next_number(), mode & !self.umask)?;
        dir.attach(&walk.name, &node)?;
        Ok(OpenFile::at(Place::of(Node::Ram(node.clone())), Object::Ram(node), flags))
    }

    fn open_nameless(
        &mut self,
        start: Place,
        path: &[u8],
        flags: u32,
        mode: u32,
    ) -> Result<Rc<OpenFile>, Errno> {
        if flags & linux::O_DIRECTORY == 0 || flags & linux::O_ACCMODE == linux::O_RDONLY {
            return Err(Errno::EINVAL);
        }
        let place = self.resolve(start, path, Follow::Yes)?;
        self.expect_dir(&place)?;
        if matches!(place.node, Node::Host(_)) {
            return Err(Errno::EOPNOTSUPP);
        }
        writable_dir(&place)?;
        let node = RamNode::new_file(&self.space, self.next_number(), mode & !self.umask)?;
        let flags = flags & !linux::O_TMPFILE;
        Ok(OpenFile::at(Place::of(Node::Ram(node.clone())), Object::Ram(node), flags))
    }

    fn open_node(&self, place: Place, kind: Kind, flags: u32, writes: bool) -> Result<Rc<OpenFile>, Errno> {
        let object = match &place.node {
            Node::Image(_) if writes => return Err(Errno::EROFS),
            Node::Image(_) if kind == Kind::Dir => Object::Dir,
            Node::Image(id) => Object::Image(self.archive.data(EntryId(*id)).map_err(|_| Errno::EIO)?),
            Node::Ram(node) if kind == Kind::Fifo => {
                let pipe = node.fifo().ok_or(Errno::ENXIO)?;
                Object::Pipe(PipeEnd::open(pipe, Side::of_flags(flags)?))
            }
            Node::Ram(node) => {
                if flags & linux::O_TRUNC != 0 {
                    node.set_size(0)?;
                }
                Object::Ram(node.clone())
            }
            Node::Host(node) if kind == Kind::Dir => Object::HostDir(HostDir::open(node.mount, &node.path)?),
            Node::Host(node) => Object::Host(HostFile::open(node.mount, &node.path, flags, 0)?.0),
            Node::Point(_) => Object::Dir,
            Node::Special(row) => match ROWS.get(*row) {
                Some((_, Special::Device(special::Device::Terminal, ..))) => return Err(Errno::ENXIO),
                Some((_, Special::Device(special::Device::Multiplexer, ..))) => {
                    Object::Terminal(self.terminals.make(&self.space)?)
                }
                Some((_, Special::Device(device, ..))) => Object::Device(*device),
                Some((_, Special::Text(_))) if writes => return Err(Errno::EACCES),
                Some((_, Special::Text(make))) => Object::Text(make(self)),
                Some((_, Special::Dir | Special::Descriptors | Special::Threads | Special::Terminals)) => {
                    Object::Dir
                }
                Some((_, Special::Link(_) | Special::LinkTo(_))) => return Err(Errno::ELOOP),
                None => return Err(Errno::ENOENT),
            },
            Node::Terminal(number) => Object::Terminal(self.terminals.open_slave(*number)?),
            Node::Thread(_, None) => Object::Dir,
            Node::Thread(..) if writes => return Err(Errno::EACCES),
            Node::Thread(tid, Some(file)) => match proc::THREAD_FILES.get(*file) {
                Some((_, make)) => Object::Text(make(self, *tid)),
                None => return Err(Errno::ENOENT),
            },
            Node::Descriptor(_) => return Err(Errno::ELOOP),
            Node::Open(file) => return self.reopen(file, flags),
        };
        Ok(OpenFile::at(place, object, flags))
    }

    /// Opens what /proc/self/fd/N leads to, where that has no path.
    fn reopen(&self, file: &Rc<OpenFile>, flags: u32) -> Result<Rc<OpenFile>, Errno> {
        let object = match &file.object {
            Object::Pipe(end) => Object::Pipe(end.reopen(Side::of_flags(flags)?)),
            Object::Ram(node) => Object::Ram(node.clone()),
            Object::Device(device) => Object::Device(*device),
            _ => return Err(Errno::ENXIO),
        };
        Ok(OpenFile::anonymous(object, file.label, flags))
    }

    /// The place that an open directory (or AT_FDCWD) stands for.
    ///
    /// # Errors
    ///
    /// `EBADF`; `ENOTDIR` for a file without a path.
    pub fn start_of(&self, dirfd: i32) -> Result<Place, Errno> {
        if dirfd == linux::AT_FDCWD {
            return Ok(self.cwd.clone());
        }
        self.fds.get(dirfd)?.place.clone().ok_or(Errno::ENOTDIR)
    }

    /// Makes a memory file without a name (memfd_create(2)).
    ///
    /// # Errors
    ///
    /// `ENOSPC`.
    pub fn memory_file(&mut self) -> Result<Rc<OpenFile>, Errno> {
        let node = RamNode::new_file(&self.space, self.next_number(), 0o777)?;
        Ok(OpenFile::anonymous(Object::Ram(node), "memfd", linux::O_RDWR))
    }

    /// mkdir(2).
    ///
    /// # Errors
    ///
    /// As mkdir(2).
    pub fn make_dir(&mut self, start: Place, path: &[u8], mode: u32) -> Result<(), Errno> {
        let walk = self.walk(start, path, Follow::NoToChange)?;
        if let (Node::Host(dir), None) = (&walk.parent.node, &walk.target) {
            return hostfs::make_dir(dir.mount, &dir.join(&walk.name), mode & !self.umask);
        }
        self.attach_new(walk, |vfs, number| RamNode::new_dir(&vfs.space, number, mode & !vfs.umask))
    }

    /// mknod(2), of a pipe or a regular file.
    ///
    /// # Errors
    ///
    /// As mknod(2); `EPERM` in a mount.
    pub fn make_node(&mut self, start: Place, path: &[u8], kind: Kind, mode: u32) -> Result<(), Errno> {
        let walk = self.walk(start, path, Follow::NoToChange)?;
        if walk.must_be_dir && walk.target.is_none() {
            return Err(Errno::ENOENT);
        }
        self.attach_new(walk, |vfs, number| match kind {
            Kind::Fifo => RamNode::new_fifo(&vfs.space, number, mode & !vfs.umask),
            _ => RamNode::new_file(&vfs.space, number, mode & !vfs.umask),
        })
    }

    /// symlink(2).
    ///
    /// # Errors
    ///
    /// As symlink(2).
    pub fn make_link(&mut self, target: &[u8], start: Place, path: &[u8]) -> Result<(), Errno> {
        if target.is_empty() {
            return Err(Errno::ENOENT);
        }
        let walk = self.walk(start, path, Follow::NoToChange)?;
        if walk.must_be_dir && walk.target.is_none() {
            return Err(Errno::ENOENT);
        }
        self.attach_new(walk, |vfs, number| RamNode::new_link(&vfs.space, number, target))
    }

    fn attach_new(
        &mut self,
        walk: Walk,
        make: impl FnOnce(&Self, u64) -> Result<Rc<RamNode>, Errno>,
    ) -> Result<(), Errno> {
        if walk.target.is_some() {
            return Err(Errno::EEXIST);
        }
        let dir = writable_dir(&walk.parent)?;
        if dir.is_removed() {
            return Err(Errno::ENOENT);
        }
        let node = make(self, self.next_number())?;
        dir.attach(&walk.name, &node)
    }

    /// link(2): gives a file one more name.
    ///
    /// # Errors
    ///
    /// As link(2); `EXDEV` where old and new are not both in memory.
    pub fn hard_link(&mut self, old: &Place, start: Place, path: &[u8]) -> Result<(), Errno> {
        let walk = self.walk(start, path, Follow::NoToChange)?;
        if walk.target.is_some() {
            return Err(Errno::EEXIST);
        }
        if walk.must_be_dir {
            return Err(Errno::ENOENT);
        }
        if self.kind(&old.node) == Kind::Dir {
            return Err(Errno::EPERM);
        }
        let ram = match &old.node {
            Node::Ram(node) => node,
            Node::Open(file) => file.ram().ok_or(Errno::EXDEV)?,
            Node::Image(_) if matches!(walk.parent.node, Node::Image(_)) => return Err(Errno::EROFS),
            Node::Host(_) if matches!(walk.parent.node, Node::Host(_)) => return Err(Errno::EPERM),
            _ => return Err(Errno::EXDEV),
        };
        let Node::Ram(dir) = &walk.parent.node else { return Err(Errno::EXDEV) };
        dir.attach(&walk.name, ram)
    }

    /// unlink(2).
    ///
    /// # Errors
    ///
    /// As unlink(2).
    pub fn unlink(&mut self, start: Place, path: &[u8]) -> Result<(), Errno> {
        let walk = self.walk(start, path, Follow::NoToChange)?;
        let target = walk.target.as_ref().ok_or(Errno::ENOENT)?;
        if self.kind(&target.node) == Kind::Dir {
            return Err(Errno::EISDIR);
        }
        if walk.must_be_dir {
            return Err(Errno::ENOTDIR);
        }
        if let Node::Host(dir) = &walk.parent.node {
            return hostfs::unlink(dir.mount, &dir.join(&walk.name));
        }
        let dir = writable_dir(&walk.parent)?;
        dir.detach(&walk.name).map(drop)
    }

    /// rmdir(2).
    ///
    /// # Errors
    ///
    /// As rmdir(2).
    pub fn remove_dir(&mut self, start: Place, path: &[u8]) -> Result<(), Errno> {
        let walk = self.walk(start, path, Follow::NoToChange)?;
        match walk.last {
            Last::Dot => return Err(Errno::EINVAL),
            Last::DotDot => return Err(Errno::ENOTEMPTY),
            Last::Root => return Err(Errno::EBUSY),
            Last::Name => {}
        }
        let target = walk.target.as_ref().ok_or(Errno::ENOENT)?;
        self.expect_dir(target)?;
        if self.is_mount(target) {
            return Err(Errno::EBUSY);
        }
        if let Node::Host(node) = &target.node {
            return hostfs::remove_dir(node.mount, &node.path);
        }
        let Node::Ram(node) = &target.node else { return Err(Errno::EROFS) };
        if !node.is_empty_dir() {
            return Err(Errno::ENOTEMPTY);
        }
        let (dir, name) = node.location().ok_or(Errno::EBUSY)?;
        dir.detach(&name).map(drop)
    }

    pub(super) fn is_mount(&self, place: &Place) -> bool {
        match &place.node {
            Node::Ram(node) => self.mounts().into_iter().any(|(_, root)| Rc::ptr_eq(root, node)),
            Node::Image(id) => *id == archive::ROOT.0,
            Node::Special(row) => special::parent(*row).is_none(),
            Node::Host(node) => node.path.is_empty(),
            Node::Point(_) => true,
            Node::Descriptor(_) | Node::Open(_) | Node::Thread(..) | Node::Terminal(_) => false,
        }
    }

    /// rename(2), between two paths.
    ///
    /// # Errors
    ///
    /// As rename(2).
    pub fn rename(&mut self, old: (Place, &[u8]), new: (Place, &[u8]), taken: Taken) -> Result<(), Errno> {
        let from = self.walk(old.0, old.1, Follow::NoToChange)?;
        let to = self.walk(new.0, new.1, Follow::NoToChange)?;
        if !is_plain(&from) || !is_plain(&to) {
            return Err(Errno::EBUSY);
        }
        let source = from.target.as_ref().ok_or(Errno::ENOENT)?;
        if let Node::Host(node) = &source.node {
            return self.rename_host(node, &from, &to, taken);
        }
        let Node::Ram(node) = &source.node else {
            let crosses = matches!(to.parent.node, Node::Ram(_));
            return Err(if crosses { Errno::EXDEV } else { Errno::EROFS });
        };
        if self.is_mount(source) || to.target.as_ref().is_some_and(|target| self.is_mount(target)) {
            return Err(Errno::EBUSY);
        }
        let Node::Ram(old_dir) = &from.parent.node else { return Err(Errno::EBUSY) };
        let is_dir = node.kind() == Kind::Dir;
        let Node::Ram(new_dir) = &to.parent.node else { return Err(Errno::EXDEV) };
        if (from.must_be_dir || to.must_be_dir) && !is_dir {
            return Err(Errno::ENOTDIR);
        }
        if new_dir.is_removed() {
            return Err(Errno::ENOENT);
        }
        let top = |node: &Rc<RamNode>| {
            let mut at = node.clone();
            while let Some((dir, _)) = at.location() {
                at = dir;
            }
            at
        };
        if !Rc::ptr_eq(&top(old_dir), &top(new_dir)) {
            return Err(Errno::EXDEV);
        }
        if is_dir && new_dir.is_within(node) {
            return Err(Errno::EINVAL);
        }
        if let Some(Place { node: Node::Ram(target), .. }) = &to.target {
            if taken == Taken::Keep {
                return Err(Errno::EEXIST);
            }
            if Rc::ptr_eq(target, node) {
                return Ok(());
            }
            if old_dir.is_within(target) {
                return Err(Errno::ENOTEMPTY);
            }
            match (is_dir, target.kind() == Kind::Dir) {
                (true, false) => return Err(Errno::ENOTDIR),
                (false, true) => return Err(Errno::EISDIR),
                (true, true) if !target.is_empty_dir() => return Err(Errno::ENOTEMPTY),
                _ => {}
            }
        }
        // The new name comes first: it is the step that can fail.
        new_dir.attach(&to.name, node)?;
        old_dir.detach(&from.name)?;
        Ok(())
    }

    /// Lists a directory from an offset on: `.` and `..` first. Ends where `visit` answers false.
    ///
    /// # Errors
    ///
    /// `ENOTDIR`; `ENOENT` for a directory that was removed.
    pub fn list(
        &self,
        place: &Place,
        offset: u64,
        visit: &mut dyn FnMut(Listed<'_>) -> bool,
    ) -> Result<(), Errno> {
        self.expect_dir(place)?;
        if matches!(&place.node, Node::Ram(node) if node.is_removed()) {
            return Err(Errno::ENOENT);
        }
        let own = self.meta(&place.node).number;
        let above = self.meta(&self.parent(place).node).number;
        for (at, name, number) in [(0, &b"."[..], own), (1, b"..", above)] {
            if offset <= at && !visit(Listed { name, number, kind: Kind::Dir, next: at + 1 }) {
                return Ok(());
            }
        }
        let start = offset.max(2) - 2;
        if let Node::Ram(node) = &place.node {
            let mut goes_on = true;
            if start < POINTS {
                node.list(start, &mut |name, node, next| {
                    goes_on =
                        visit(Listed { name, number: node.number(), kind: node.kind(), next: next + 2 });
                    goes_on
                })?;
            }
            if goes_on {
                self.list_points(place, start.max(POINTS), visit);
            }
            return Ok(());
        }
        if let Node::Image(id) = place.node
            && id != archive::ROOT.0
        {
            return self.list_image(id, start, visit);
        }
        for (index, (name, number, kind)) in
            self.fixed_entries(place).into_iter().enumerate().skip(start as usize)
        {
            if !visit(Listed { name: &name, number, kind, next: index as u64 + 3 }) {
                break;
            }
        }
        Ok(())
    }

    fn list_image(
        &self,
        id: u32,
        start: u64,
        visit: &mut dyn FnMut(Listed<'_>) -> bool,
    ) -> Result<(), Errno> {
        let children = self.archive.children(EntryId(id)).map_err(|_| Errno::EIO)?;
        for (index, id) in children.enumerate().skip(usize::try_from(start).unwrap_or(usize::MAX)) {
            let Ok(entry) = self.archive.entry(id) else { continue };
            let (number, kind) = (u64::from(id.0) + 1, kind_of(entry.kind));
            if !visit(Listed { name: entry.name, number, kind, next: index as u64 + 3 }) {
                break;
            }
        }
        Ok(())
    }

    /// Entries of the root, and of directories that are neither in memory nor in the image.
    fn fixed_entries(&self, place: &Place) -> Vec<(Vec<u8>, u64, Kind)> {
        let mut entries = Vec::new();
        let row_entry =
            |row: usize| (special::name(row).as_bytes().to_vec(), row as u64 + 1, special::kind(row));
        let root_of = |path: &str, dir: &str| {
            let name = path.strip_prefix(dir)?.strip_prefix('/')?;
            (!name.contains('/')).then(|| name.as_bytes().to_vec())
        };
        let mounts = self.host_mounts();
        if let (false, Some(path)) = (matches!(place.node, Node::Ram(_)), self.path_of_points(place, &mounts))
        {
            let points = mounts.children(&path);
            entries.extend(points.map(|(point, name)| (name.to_vec(), point as u64 + 1, Kind::Dir)));
        }
        match &place.node {
            Node::Image(id) => {
                entries.extend((0..ROWS.len()).filter(|row| special::parent(*row).is_none()).map(row_entry));
                let mounts =
                    self.mounts().into_iter().filter_map(|(path, root)| Some((root_of(path, "")?, root)));
                entries.extend(mounts.map(|(name, root)| (name, root.number(), Kind::Dir)));
                let hidden: Vec<Vec<u8>> = entries.iter().map(|(name, ..)| name.clone()).collect();
                let children = self.archive.children(EntryId(*id)).into_iter().flatten();
                let children = children.filter_map(|id| self.archive.entry(id).ok());
                let shown = children.filter(|entry| !hidden.iter().any(|name| name == entry.name));
                entries.extend(shown.map(|e| (e.name.to_vec(), u64::from(e.id.0) + 1, kind_of(e.kind))));
            }
            Node::Special(row) if matches!(ROWS.get(*row), Some((_, Special::Descriptors))) => {
                let name = |fd: i32| alloc::format!("{fd}").into_bytes();
                entries.extend(self.fds.numbers(0).map(|fd| (name(fd), 0x10000 + fd as u64, Kind::Link)));
            }
            Node::Special(row) if matches!(ROWS.get(*row), Some((_, Special::Terminals))) => {
                let entry = |number: u32| {
                    let inode = self.meta(&Node::Terminal(number)).number;
                    (alloc::format!("{number}").into_bytes(), inode, Kind::Char)
                };
                entries.extend(self.terminals.numbers().into_iter().map(entry));
            }
            Node::Special(row) if matches!(ROWS.get(*row), Some((_, Special::Threads))) => {
                let entry = |tid: u64| {
                    let number = self.meta(&Node::Thread(tid, None)).number;
                    (alloc::format!("{tid}").into_bytes(), number, Kind::Dir)
                };
                entries.extend(outside::tids().into_iter().map(entry));
            }
            Node::Thread(tid, None) => {
                let number = |file| self.meta(&Node::Thread(*tid, Some(file))).number;
                let files = proc::THREAD_FILES.iter().enumerate();
                entries.extend(
                    files.map(|(file, (name, _))| (name.as_bytes().to_vec(), number(file), Kind::File)),
                );
            }
            Node::Special(row) => {
                entries
                    .extend((0..ROWS.len()).filter(|child| special::is_child(*child, *row)).map(row_entry));
                let mounts = self.mounts().into_iter();
                let here =
                    mounts.filter_map(|(path, root)| Some((root_of(path, special::path(*row))?, root)));
                entries.extend(here.map(|(name, root)| (name, root.number(), Kind::Dir)));
            }
            Node::Ram(_)
            | Node::Host(_)
            | Node::Point(_)
            | Node::Descriptor(_)
            | Node::Open(_)
            | Node::Thread(..)
            | Node::Terminal(_) => {}
        }
        entries
    }
}

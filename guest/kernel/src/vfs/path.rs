//! From names to nodes: path resolution as in path_resolution(7).
//!
//! Guarantees: at most 40 links are followed, names have at most 255 bytes; `..` of the root is the root. Never: changes
//! anything.
//!
//! Before: ops. After: ramfs, special, the archive.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use hypercell_abi::archive::{self, EntryId};
use linux_raw_sys::general as linux;

use super::hostfs::HostNode;
use super::mounts;
use super::node::{Kind, Meta, Node, Place, Time};
use super::proc;
use super::ramfs::RamNode;
use super::special::{self, ROWS, Special};
use super::{Object, OpenFile, Vfs, kind_of, outside};
use crate::errno::Errno;

/// Most links in one resolution (path_resolution(7)).
const MAX_LINKS: u32 = 40;
/// Where the threads are.
const TASKS: &str = "/proc/1/task";
/// Where the slaves of pseudo-terminals are.
const TERMINALS: &str = "/dev/pts";
/// Device number of /dev/pts (stat).
const DEVPTS: u64 = 8;
/// Major device number of the slaves of pseudo-terminals.
const SLAVE_MAJOR: u64 = 136;
/// Device number of /proc (stat).
const PROC: u64 = 6;
/// Longest name of an entry.
pub const NAME_MAX: usize = 255;

/// Whether the last component, if a link, stands for itself or for its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// For its target; a slash after it makes it a directory.
    Yes,
    /// For itself; a slash after it makes it a directory, so then for its target.
    No,
    /// For its target, but for itself before a slash: names that open(2) may create.
    YesToCreate,
    /// For itself, whatever follows: names that are created, removed or renamed.
    NoToChange,
}

impl Follow {
    pub(super) fn follows(self, before_slash: bool) -> bool {
        match self {
            Self::Yes => true,
            Self::No => before_slash,
            Self::YesToCreate => !before_slash,
            Self::NoToChange => false,
        }
    }

    pub(super) fn demands_dir(self) -> bool {
        matches!(self, Self::Yes | Self::No)
    }
}

/// How the last component of a path reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// An ordinary name.
    Name,
    /// `.`.
    Dot,
    /// `..`.
    DotDot,
    /// No component at all: the root.
    Root,
}

/// Where a path led.
#[derive(Debug)]
pub struct Walk {
    /// Directory of the last component.
    pub parent: Place,
    /// Last component.
    pub name: Vec<u8>,
    /// How the last component reads.
    pub last: Last,
    /// What is there, if anything.
    pub target: Option<Place>,
    /// The path ended in a slash, so it can only mean a directory.
    pub must_be_dir: bool,
}

/// What a link says.
enum Target {
    Text(Vec<u8>),
    Place(Place),
}

impl Walk {
    /// What is there.
    ///
    /// # Errors
    ///
    /// `ENOENT`.
    pub fn existing(self) -> Result<Place, Errno> {
        self.target.ok_or(Errno::ENOENT)
    }
}

impl Vfs {
    /// The root directory.
    pub fn root(&self) -> Place {
        Place::of(Node::Image(archive::ROOT.0))
    }

    /// Resolves a path that must lead somewhere.
    ///
    /// # Errors
    ///
    /// As path_resolution(7).
    pub fn resolve(&self, start: Place, path: &[u8], follow: Follow) -> Result<Place, Errno> {
        self.walk(start, path, follow)?.existing()
    }

    /// Resolves a path up to its last component, which need not exist.
    ///
    /// # Errors
    ///
    /// `ENOENT`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`, as path_resolution(7).
    pub fn walk(&self, start: Place, path: &[u8], follow: Follow) -> Result<Walk, Errno> {
        if path.is_empty() {
            return Err(Errno::ENOENT);
        }
        let mut rest = path.to_vec();
        let mut position = 0;
        let mut links = 0;
        let mut at = if path[0] == b'/' { self.root() } else { start };
        let mut last = Last::Root;
        loop {
            let from = position + rest[position..].iter().take_while(|&&b| b == b'/').count();
            if from == rest.len() {
                // Nothing but slashes left: the path named this directory.
                self.expect_dir(&at)?;
                let parent = self.parent(&at);
                if let Node::Host(node) = &at.node {
                    at = Place::of(Node::Host(node.again()?));
                }
                return Ok(Walk { parent, name: Vec::new(), last, target: Some(at), must_be_dir: true });
            }
            let to = from + rest[from..].iter().take_while(|&&b| b != b'/').count();
            position = to;
            let name = &rest[from..to];
            if name.len() > NAME_MAX {
                return Err(Errno::ENAMETOOLONG);
            }
            self.expect_dir(&at)?;
            match name {
                b"." => {
                    last = Last::Dot;
                    continue;
                }
                b".." => {
                    last = Last::DotDot;
                    at = self.parent(&at);
                    continue;
                }
                _ => last = Last::Name,
            }
            if let Node::Host(dir) = &at.node {
                let (names, end) = mounts::names(&rest, from);
                position = end;
                match self.walk_host(dir.clone(), &names, &rest[end..], follow)? {
                    Ok(found) => return Ok(found),
                    Err(dir) => at = dir,
                }
                continue;
            }
            let is_last = rest[to..].iter().all(|&b| b == b'/');
            let must_be_dir = is_last && to < rest.len();
            let child = self.child(&at, name)?;
            let Some((node, kind)) = child else {
                if !is_last {
                    return Err(Errno::ENOENT);
                }
                return Ok(Walk { parent: at, name: name.to_vec(), last, target: None, must_be_dir });
            };
            if kind == Kind::Link && (!is_last || follow.follows(must_be_dir)) {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::ELOOP);
                }
                match self.target(&node)? {
                    Target::Text(text) if text.is_empty() => return Err(Errno::ENOENT),
                    Target::Text(mut text) => {
                        if text[0] == b'/' {
                            at = self.root();
                        }
                        text.extend_from_slice(&rest[position..]);
                        rest = text;
                        position = 0;
                    }
                    Target::Place(place) if is_last => {
                        let (name, target) = (name.to_vec(), Some(place));
                        return Ok(Walk { parent: at, name, last, target, must_be_dir });
                    }
                    Target::Place(place) => at = place,
                }
                continue;
            }
            if is_last {
                if must_be_dir && follow.demands_dir() && kind != Kind::Dir {
                    return Err(Errno::ENOTDIR);
                }
                let name = name.to_vec();
                let node = match node {
                    Node::Host(node) => Node::Host(node.again()?),
                    node => node,
                };
                let target = Some(Self::step(at.clone(), node));
                return Ok(Walk { parent: at, name, last, target, must_be_dir });
            }
            at = Self::step(at, node);
        }
    }

    /// The place of a node found in the directory `dir`.
    fn step(dir: Place, node: Node) -> Place {
        match node {
            Node::Image(id) => {
                let mut chain = dir.chain;
                chain.push(id);
                Place { node: Node::Image(id), chain }
            }
            node => Place::of(node),
        }
    }

    /// Checks that names can be looked up at a place.
    ///
    /// # Errors
    ///
    /// `ENOTDIR`.
    pub fn expect_dir(&self, place: &Place) -> Result<(), Errno> {
        if self.kind(&place.node) == Kind::Dir { Ok(()) } else { Err(Errno::ENOTDIR) }
    }

    /// Looks a name up in a directory.
    fn child(&self, dir: &Place, name: &[u8]) -> Result<Option<(Node, Kind)>, Errno> {
        if let Some(found) = self.point(dir, name) {
            return Ok(Some((found, Kind::Dir)));
        }
        match &dir.node {
            Node::Image(id) => {
                if *id == archive::ROOT.0
                    && let Some(found) = self.child_of_root(name)
                {
                    return Ok(Some(found));
                }
                let entry = self.archive.lookup(EntryId(*id), name).map_err(|_| Errno::EIO)?;
                Ok(entry.map(|entry| (Node::Image(entry.id.0), kind_of(entry.kind))))
            }
            Node::Ram(node) => match node.lookup(name) {
                Ok(child) => Ok(Some((Node::Ram(child.clone()), child.kind()))),
                Err(Errno::ENOENT) => Ok(None),
                Err(error) => Err(error),
            },
            Node::Special(row) => {
                if let Some((_, Special::Descriptors)) = ROWS.get(*row) {
                    let number = core::str::from_utf8(name).ok().and_then(|text| text.parse::<i32>().ok());
                    let open =
                        number.filter(|fd| format!("{fd}").as_bytes() == name && self.fds.get(*fd).is_ok());
                    return Ok(open.map(|fd| (Node::Descriptor(fd), Kind::Link)));
                }
                if let Some((_, Special::Threads)) = ROWS.get(*row) {
                    let tid = numbered(outside::tids(), name);
                    return Ok(tid.map(|tid| (Node::Thread(tid, None), Kind::Dir)));
                }
                if let Some((_, Special::Terminals)) = ROWS.get(*row) {
                    let number = numbered(self.terminals.numbers(), name);
                    return Ok(number.map(|number| (Node::Terminal(number), Kind::Char)));
                }
                let path = special::path(*row);
                let mounted = self.mounts().into_iter().find(|(at, _)| special::is_entry(at, path, name));
                if let Some((_, root)) = mounted {
                    return Ok(Some((Node::Ram(root.clone()), Kind::Dir)));
                }
                Ok(special::child(*row, name).map(|row| (Node::Special(row), special::kind(row))))
            }
            // Names in a mount are looked up together.
            Node::Point(_) | Node::Host(_) => Ok(None),
            Node::Thread(tid, None) => {
                let file = proc::THREAD_FILES.iter().position(|(file, _)| file.as_bytes() == name);
                Ok(file.map(|file| (Node::Thread(*tid, Some(file)), Kind::File)))
            }
            Node::Descriptor(_) | Node::Open(_) => Err(Errno::ENOTDIR),
            Node::Thread(_, Some(_)) | Node::Terminal(_) => Err(Errno::ENOTDIR),
        }
    }

    fn child_of_root(&self, name: &[u8]) -> Option<(Node, Kind)> {
        if let Some((_, root)) = self.mounts().into_iter().find(|(path, _)| special::is_entry(path, "", name))
        {
            return Some((Node::Ram(root.clone()), Kind::Dir));
        }
        let row = ROWS.iter().position(|(path, _)| special::is_entry(path, "", name))?;
        Some((Node::Special(row), special::kind(row)))
    }

    /// The directory above a place; above the root it is the root.
    pub fn parent(&self, place: &Place) -> Place {
        match &place.node {
            Node::Image(_) => {
                let mut chain = place.chain.clone();
                chain.pop();
                let id = chain.last().copied().unwrap_or(archive::ROOT.0);
                Place { node: Node::Image(id), chain }
            }
            Node::Ram(node) => match node.location() {
                Some((dir, _)) => Place::of(Node::Ram(dir)),
                None if Rc::ptr_eq(node, self.shm.root()) => self.special_or_root(special::find("/dev")),
                None => self.root(),
            },
            Node::Special(row) => self.special_or_root(special::parent(*row)),
            Node::Host(node) if node.path.is_empty() => {
                self.above_point(self.host_mounts().point_of(node.mount))
            }
            Node::Host(node) => Place::of(Node::Host(HostNode::dir(node.mount, mounts::split(&node.path).0))),
            Node::Point(point) => self.above_point(Some(*point)),
            Node::Thread(tid, Some(_)) => Place::of(Node::Thread(*tid, None)),
            Node::Thread(_, None) => self.special_or_root(special::find(TASKS)),
            Node::Terminal(_) => self.special_or_root(special::find(TERMINALS)),
            Node::Descriptor(_) | Node::Open(_) => self.root(),
        }
    }

    fn special_or_root(&self, row: Option<usize>) -> Place {
        row.map_or_else(|| self.root(), |row| Place::of(Node::Special(row)))
    }

    /// Type of a node.
    pub fn kind(&self, node: &Node) -> Kind {
        match node {
            Node::Image(id) => {
                self.archive.entry(EntryId(*id)).map_or(Kind::File, |entry| kind_of(entry.kind))
            }
            Node::Ram(node) => node.kind(),
            Node::Special(row) => special::kind(*row),
            Node::Host(node) => node.kind(),
            Node::Point(_) => Kind::Dir,
            Node::Descriptor(_) => Kind::Link,
            Node::Thread(_, None) => Kind::Dir,
            Node::Thread(_, Some(_)) => Kind::File,
            Node::Terminal(_) => Kind::Char,
            Node::Open(file) => file.anonymous_meta().kind(),
        }
    }

    fn target(&self, node: &Node) -> Result<Target, Errno> {
        if let Node::Descriptor(fd) = node {
            let file = self.fds.get(*fd).map_err(|_| Errno::ENOENT)?;
            return Ok(Target::Place(
                file.place.clone().unwrap_or_else(|| Place::of(Node::Open(file.clone()))),
            ));
        }
        self.link_text(node).map(Target::Text)
    }

    /// What readlink(2) answers.
    ///
    /// # Errors
    ///
    /// `EINVAL` for anything but a link.
    pub fn link_text(&self, node: &Node) -> Result<Vec<u8>, Errno> {
        match node {
            Node::Image(id) => {
                self.archive.link_target(EntryId(*id)).map(<[u8]>::to_vec).map_err(|_| Errno::EINVAL)
            }
            Node::Ram(node) => node.link_target().map(<[u8]>::to_vec).ok_or(Errno::EINVAL),
            Node::Special(row) => match ROWS.get(*row) {
                Some((_, Special::Link(target))) => Ok(target.as_bytes().to_vec()),
                Some((_, Special::LinkTo(make))) => Ok(make(self)),
                _ => Err(Errno::EINVAL),
            },
            Node::Descriptor(fd) => {
                let file = self.fds.get(*fd).map_err(|_| Errno::ENOENT)?;
                Ok(file.place.as_ref().map_or_else(|| describe(file), |place| self.path_of(place)))
            }
            Node::Host(node) if node.kind() == Kind::Link => node.link_target(),
            Node::Host(_) | Node::Point(_) | Node::Open(_) | Node::Thread(..) => Err(Errno::EINVAL),
            Node::Terminal(_) => Err(Errno::EINVAL),
        }
    }

    /// The absolute path of a place, as getcwd(2) and /proc/self/fd show it.
    pub fn path_of(&self, place: &Place) -> Vec<u8> {
        match &place.node {
            Node::Image(_) => {
                let mut path = Vec::new();
                for id in &place.chain {
                    path.push(b'/');
                    path.extend_from_slice(self.archive.entry(EntryId(*id)).map_or(&[], |entry| entry.name));
                }
                if path.is_empty() { b"/".to_vec() } else { path }
            }
            Node::Ram(node) => self.ram_path(node),
            Node::Special(row) => special::path(*row).as_bytes().to_vec(),
            Node::Host(node) => self.host_mounts().path_of(node),
            Node::Point(point) => {
                let mounts = self.host_mounts();
                mounts.points.get(*point).map_or_else(Vec::new, |point| point.path.clone())
            }
            Node::Descriptor(fd) => format!("/proc/1/fd/{fd}").into_bytes(),
            Node::Terminal(number) => format!("{TERMINALS}/{number}").into_bytes(),
            Node::Thread(tid, None) => format!("{TASKS}/{tid}").into_bytes(),
            Node::Thread(tid, Some(file)) => {
                format!("{TASKS}/{tid}/{}", proc::THREAD_FILES.get(*file).map_or("", |(name, _)| name))
                    .into_bytes()
            }
            Node::Open(file) => describe(file),
        }
    }

    fn ram_path(&self, node: &Rc<RamNode>) -> Vec<u8> {
        let mut names: Vec<Box<[u8]>> = Vec::new();
        let mut at = node.clone();
        while let Some((dir, name)) = at.location() {
            names.push(name);
            at = dir;
        }
        let mount =
            self.mounts().into_iter().find(|(_, root)| Rc::ptr_eq(root, &at)).map_or("", |(path, _)| path);
        let mut path = mount.as_bytes().to_vec();
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        if node.links() == 0 {
            if path.is_empty() {
                path.extend_from_slice(b"/memfd:");
            }
            path.extend_from_slice(b" (deleted)");
        }
        path
    }

    /// What stat(2) shows of a node.
    pub fn meta(&self, node: &Node) -> Meta {
        match node {
            Node::Image(id) => self.image_meta(*id),
            Node::Ram(node) => node.meta(),
            Node::Special(row) => special_meta(*row),
            Node::Host(node) => node.meta,
            Node::Point(point) => mounts::point_meta(*point),
            Node::Descriptor(fd) => {
                let (mode, number) = (Kind::Link.bits() | 0o700, 0x10000 + *fd as u64);
                Meta { device: PROC, number, mode, links: 1, size: 64, ..Meta::default() }
            }
            Node::Thread(tid, file) => thread_meta(*tid, *file),
            Node::Terminal(number) => terminal_meta(*number),
            Node::Open(file) => file.anonymous_meta(),
        }
    }

    fn image_meta(&self, id: u32) -> Meta {
        let Ok(entry) = self.archive.entry(EntryId(id)) else { return Meta::default() };
        let time = Time::from_seconds(entry.mtime_s);
        let kind = kind_of(entry.kind);
        Meta {
            device: 1,
            number: u64::from(id) + 1,
            mode: kind.bits() | entry.mode & 0o7777,
            // 1 for directories too, as on btrfs: nobody counts subdirectories at every stat.
            links: 1,
            size: if kind == Kind::Dir { 4096 } else { entry.size },
            blocks: entry.size.div_ceil(512),
            accessed: time,
            modified: time,
            changed: time,
            born: time,
            ..Meta::default()
        }
    }

    /// What stat(2) shows of an open file.
    pub fn file_meta(&self, file: &Rc<OpenFile>) -> Meta {
        match &file.object {
            Object::Host(open) => return open.meta().unwrap_or_default(),
            Object::HostDir(open) => return open.meta().unwrap_or_default(),
            _ => {}
        }
        file.place.as_ref().map_or_else(|| file.anonymous_meta(), |place| self.meta(&place.node))
    }
}

fn describe(file: &OpenFile) -> Vec<u8> {
    let text = match file.anonymous_meta().kind() {
        Kind::Fifo | Kind::Socket => format!("{}:[{}]", file.label, file.anonymous_meta().number),
        Kind::File => format!("/{} (deleted)", file.label),
        _ => format!("anon_inode:[{}]", file.label),
    };
    String::into_bytes(text)
}

/// The number that is a name.
fn numbered<N: core::fmt::Display>(numbers: Vec<N>, name: &[u8]) -> Option<N> {
    numbers.into_iter().find(|number| format!("{number}").as_bytes() == name)
}

/// What is shown of something that is made when it is looked at.
fn fresh_meta() -> Meta {
    let now = Time::now();
    Meta { accessed: now, modified: now, changed: now, born: now, ..Meta::default() }
}

fn terminal_meta(number: u32) -> Meta {
    Meta {
        device: DEVPTS,
        number: u64::from(number) + 3,
        mode: Kind::Char.bits() | 0o620,
        links: 1,
        special_device: SLAVE_MAJOR << 8 | u64::from(number),
        ..fresh_meta()
    }
}

fn thread_meta(tid: u64, file: Option<usize>) -> Meta {
    let (kind, permissions) = if file.is_some() { (Kind::File, 0o444) } else { (Kind::Dir, 0o555) };
    let number =
        0x20000 + tid * (proc::THREAD_FILES.len() as u64 + 1) + file.map_or(0, |file| file as u64 + 1);
    let links = if file.is_some() { 1 } else { 2 };
    Meta { device: PROC, number, mode: kind.bits() | permissions, links, ..fresh_meta() }
}

fn special_meta(row: usize) -> Meta {
    let path = special::path(row);
    let device = if path.starts_with("/dev") {
        5
    } else if path.starts_with("/proc") {
        PROC
    } else {
        7
    };
    let kind = special::kind(row);
    let permissions = match kind {
        Kind::Dir => 0o755,
        Kind::Link => 0o777,
        Kind::Char => 0o666,
        _ => 0o444,
    };
    let special_device = match ROWS.get(row) {
        Some((_, Special::Device(_, major, minor))) => major << 8 | minor,
        _ => 0,
    };
    let mode = kind.bits() | permissions;
    let links = if kind == Kind::Dir { 2 } else { 1 };
    Meta { device, number: row as u64 + 1, mode, links, special_device, ..fresh_meta() }
}

/// Whether a path ends in a way that names no entry of its directory; such paths cannot be created or removed.
pub fn is_plain(walk: &Walk) -> bool {
    walk.last == Last::Name && !walk.name.is_empty()
}

/// Access check of access(2) against permission bits, for the one user, who is root.
///
/// # Errors
///
/// `EACCES` for executing a file without any execute bit.
pub fn check_access(meta: &Meta, wanted: u32) -> Result<(), Errno> {
    let executes = wanted & linux::X_OK != 0;
    if executes && meta.kind() != Kind::Dir && meta.mode & 0o111 == 0 {
        return Err(Errno::EACCES);
    }
    Ok(())
}

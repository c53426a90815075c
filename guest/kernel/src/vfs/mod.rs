//! The file system of the program: one tree of paths, and the table of open files.
//!
//! What it is: a read-only image (the interpreter, its libraries, the guest Python), /tmp, /output and /dev/shm in memory,
//! directories of the host (mounts), and a table of devices and kernel files. Guarantees: a write outside of memory and
//! mounts is `EROFS`; a path never leaves the tree, since there is nothing else; a call never waits for what cannot come (`EDEADLK`). Never: panics on what a program
//! passes; never holds the tree borrowed while a device leaves the VM.
//!
//! Reading order: path (names to nodes), ops (open, create, remove), file (read, write, poll), then ramfs, hostfs, pipe,
//! event, terminal, timer, special and proc for what the nodes are.
//!
//! Before: syscall/fs, syscall/mem, loader. After: outside.

#[cfg(test)]
mod against_linux;
pub mod event;
pub mod fd;
pub mod file;
#[cfg(test)]
mod host_tests;
pub mod hostfile;
pub mod hostfs;
pub mod inode;
mod mounts;
pub mod node;
pub mod ops;
mod output;
pub mod outside;
pub mod path;
pub mod pipe;
mod proc;
pub mod ramfs;
pub mod space;
pub mod special;
pub mod terminal;
#[cfg(test)]
mod tests;
pub mod timer;

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use hypercell_abi::archive::{Archive, EntryId, EntryKind};
use linux_raw_sys::general as linux;

pub use fd::{FdTable, MAX_DESCRIPTORS, most_descriptors};
pub use file::{Object, OpenFile};
pub use inode::{FileRef, Inode};
pub use node::{Kind, Meta, Node, Place, Time};

use crate::cell::KernelCell;
use crate::errno::Errno;
use mounts::HostMounts;
use path::Follow;
use ramfs::{RamFs, RamNode};
use space::Space;
use special::Device;
use terminal::Terminals;

/// The program as /proc shows it.
#[derive(Debug, Default)]
pub struct Program {
    /// Path of the executable.
    pub path: Vec<u8>,
    /// Arguments, each ended by NUL.
    pub arguments: Vec<u8>,
    /// Environment, each entry ended by NUL.
    pub environment: Vec<u8>,
}

/// The tree and the open files.
#[derive(Debug)]
pub struct Vfs {
    archive: Archive<'static>,
    tmp: RamFs,
    shm: RamFs,
    output: RamFs,
    host_mounts: RefCell<Rc<HostMounts>>,
    /// Number of the last inode made in memory.
    last_number: Cell<u64>,
    /// What programs may still store.
    pub space: Rc<Space>,
    /// Pseudo-terminals.
    pub terminals: Terminals,
    /// Open files.
    pub fds: FdTable,
    /// Working directory.
    pub cwd: Place,
    /// Permission bits that new files do not get.
    pub umask: u32,
    /// The running program.
    pub program: Program,
}

static VFS: KernelCell<Option<Vfs>> = KernelCell::new(None);

impl Vfs {
    /// A tree over an archive, with standard input at its end and standard output and error going to the host.
    ///
    /// # Errors
    ///
    /// `EIO` for an archive that does not parse.
    pub fn new(archive: &'static [u8]) -> Result<Self, Errno> {
        let archive = Archive::parse(archive).map_err(|_| Errno::EIO)?;
        let space = Rc::new(Space::default());
        let [tmp, shm, output] = [1, 2, 3].map(|number| RamFs::new(&space, number));
        let cwd = Place::of(Node::Ram(tmp.root().clone()));
        let mut vfs = Self {
            archive,
            tmp,
            shm,
            output,
            host_mounts: RefCell::default(),
            last_number: Cell::new(3),
            space,
            terminals: Terminals::default(),
            fds: FdTable::default(),
            cwd,
            umask: 0o022,
            program: Program::default(),
        };
        let null = special::find("/dev/null").map(|row| Place::of(Node::Special(row)));
        let input = match null {
            Some(place) => OpenFile::at(place, Object::Device(Device::Null), linux::O_RDONLY),
            None => return Err(Errno::EIO),
        };
        vfs.fds.set(0, input, false)?;
        for fd in 1..=2 {
            let file = OpenFile::anonymous(Object::Device(Device::Output(fd)), "pipe", linux::O_WRONLY);
            vfs.fds.set(fd as usize, file, false)?;
        }
        Ok(vfs)
    }

    /// Whether a name in a mount may be changed.
    pub fn may_write(&self, node: &hostfs::HostNode) -> bool {
        self.host_mounts().is_writable(node.mount)
    }

    fn next_number(&self) -> u64 {
        self.last_number.set(self.last_number.get() + 1);
        self.last_number.get()
    }

    /// The root directories in memory, with their paths.
    fn mounts(&self) -> [(&'static str, &Rc<RamNode>); 3] {
        [("/tmp", self.tmp.root()), ("/dev/shm", self.shm.root()), ("/output", self.output.root())]
    }

    /// The directories of the host. The first look after the host said that there are some asks for them.
    fn host_mounts(&self) -> Rc<HostMounts> {
        if outside::take_new_mounts() {
            self.host_mounts.replace(Rc::new(HostMounts::fetch()));
        }
        self.host_mounts.borrow().clone()
    }
}

/// Builds the tree over the archive of the image.
///
/// # Errors
///
/// `EIO` for an archive that does not parse.
pub fn init(archive: &'static [u8]) -> Result<(), Errno> {
    let vfs = Vfs::new(archive)?;
    VFS.with(|slot| *slot = Some(vfs));
    Ok(())
}

/// Tells what runs, for /proc/self.
pub fn set_program(arguments: &[&str], environment: &[&str]) {
    let joined = |list: &[&str]| list.iter().flat_map(|text| text.bytes().chain([0])).collect();
    let path = arguments.first().map_or(&b""[..], |path| path.as_bytes());
    let (arguments, environment) = (joined(arguments), joined(environment));
    // Without a tree there is no /proc to show anything in.
    let _ = with(|vfs| {
        let place = vfs.resolve(vfs.root(), path, Follow::Yes);
        let path = place.map_or_else(|_| path.to_vec(), |place| vfs.path_of(&place));
        vfs.program = Program { path, arguments, environment };
        Ok(())
    });
}

/// Borrows the tree. `f` may ask the host about mounts, but must not leave the VM otherwise (devices); use [`file`] and call
/// the file instead.
///
/// # Errors
///
/// What `f` answers, and `EIO` before `init`.
pub fn with<R>(f: impl FnOnce(&mut Vfs) -> Result<R, Errno>) -> Result<R, Errno> {
    VFS.with(|slot| slot.as_mut().map_or(Err(Errno::EIO), f))
}

/// Hands what the program left in /output to the host: the run is about to end.
pub fn hand_over_output() {
    let root = with(|vfs| Ok(vfs.output.root().clone()));
    if let Ok(root) = root
        && !root.is_empty_dir()
    {
        output::hand_over(&root);
    }
}

/// The open file of a descriptor.
///
/// # Errors
///
/// `EBADF`.
pub fn file(fd: i32) -> Result<Rc<OpenFile>, Errno> {
    with(|vfs| vfs.fds.get(fd).cloned())
}

/// Contents of a regular file of the image, for the program loader.
///
/// # Errors
///
/// As path_resolution(7); `EACCES` for anything but a file of the image.
pub fn image_file(path: &[u8]) -> Result<&'static [u8], Errno> {
    with(|vfs| {
        let place = vfs.resolve(vfs.cwd.clone(), path, Follow::Yes)?;
        match place.node {
            Node::Image(id) => vfs.archive.data(EntryId(id)).map_err(|_| Errno::EACCES),
            _ => Err(Errno::EACCES),
        }
    })
}

/// Name of a file of the image, and a byte in it.
pub type ImagePlace = (&'static [u8], u64);

/// Finds the files of the image that these addresses of it lie in.
pub fn files_at(addresses: &[Option<u64>]) -> Vec<Option<ImagePlace>> {
    let mut found = alloc::vec![None; addresses.len()];
    // Without a tree there are no names.
    let _ = with(|vfs| {
        for id in (0..vfs.archive.entry_count()).map(EntryId) {
            let (Ok(entry), Ok(contents)) = (vfs.archive.entry(id), vfs.archive.data(id)) else { continue };
            let start = contents.as_ptr() as u64;
            for (address, file) in addresses.iter().zip(&mut found) {
                if let Some(offset) = address.and_then(|address| address.checked_sub(start))
                    && offset < contents.len() as u64
                {
                    *file = Some((entry.name, offset));
                }
            }
        }
        Ok(())
    });
    found
}

/// What mmap(2) maps for a descriptor.
#[derive(Clone, Debug)]
pub enum MapSource {
    /// Contents of a file of the image; they start on a page, and zeroes follow up to the end of the last page.
    Image(&'static [u8]),
    /// A file in memory or of the host, which is copied.
    Memory(FileRef),
}

/// Answers what a mapping of a descriptor shows. `shared_write`: changes are to reach the file.
///
/// # Errors
///
/// `EBADF`, `EACCES` as mmap(2), `ENODEV` for what cannot be mapped.
pub fn map_source(fd: i32, shared_write: bool) -> Result<MapSource, Errno> {
    let file = file(fd)?;
    if file.is_path() {
        return Err(Errno::EBADF);
    }
    if !file.is_readable() || shared_write && !file.is_writable() {
        return Err(Errno::EACCES);
    }
    match &file.object {
        Object::Image(contents) => Ok(MapSource::Image(contents)),
        Object::Ram(node) if node.kind() == Kind::File => Ok(MapSource::Memory(FileRef::Ram(node.clone()))),
        Object::Host(_) => Ok(MapSource::Memory(FileRef::Host(file))),
        _ => Err(Errno::ENODEV),
    }
}

/// Type of an entry of the archive.
fn kind_of(kind: EntryKind) -> Kind {
    match kind {
        EntryKind::File => Kind::File,
        EntryKind::Dir => Kind::Dir,
        EntryKind::Symlink => Kind::Link,
    }
}

#[cfg(test)]
pub mod testing {
    //! A tree for tests: a small image, and one test at a time where the global tree is used.

    use std::sync::{Mutex, MutexGuard, OnceLock};

    use hypercell_abi::archive::ArchiveBuilder;

    use super::*;

    /// An image with files, directories and links to try paths on.
    pub fn archive() -> &'static [u8] {
        static BYTES: OnceLock<&'static [u8]> = OnceLock::new();
        BYTES.get_or_init(|| {
            let mut builder = ArchiveBuilder::new();
            builder.add_dir("/python", 0o755, 1000).unwrap();
            builder.add_dir("/python/lib", 0o755, 1000).unwrap();
            builder.add_file("/python/lib/a.py", 0o644, 1234, b"print(1)\n".as_slice()).unwrap();
            builder.add_file("/python/lib/run", 0o755, 1234, b"\x7fELF".as_slice()).unwrap();
            builder.add_dir("/etc", 0o755, 1000).unwrap();
            builder.add_symlink("/lib", 0, "python/lib").unwrap();
            builder.add_symlink("/etc/abs", 0, "/python/lib/a.py").unwrap();
            builder.add_symlink("/etc/up", 0, "../python/lib").unwrap();
            builder.add_symlink("/etc/loop", 0, "loop").unwrap();
            builder.add_symlink("/etc/gone", 0, "/nowhere").unwrap();
            builder.finish().unwrap().leak()
        })
    }

    /// A fresh tree that only the caller sees.
    pub fn tree() -> Vfs {
        Vfs::new(archive()).unwrap()
    }

    /// Puts a fresh global tree in place and keeps other tests out until dropped.
    pub fn global() -> MutexGuard<'static, ()> {
        static ONE: Mutex<()> = Mutex::new(());
        let guard = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        init(archive()).unwrap();
        guard
    }
}

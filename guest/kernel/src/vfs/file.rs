//! An open file: what read, write, seek and poll do for each kind of thing.
//!
//! Guarantees: no call waits for something that only the program itself could do. Never: borrows the global file system,
//! so a device may leave the VM in the middle of a call.
//!
//! Before: syscall/fs, syscall/poll. After: ramfs, pipe, event, special (devices), outside.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::Cell;

use linux_raw_sys::general as linux;

use super::event::{Epoll, EventCounter};
use super::hostfile::{HostDir, HostFile};
use super::node::{Kind, Meta, Node, Place};
use super::outside;
use super::pipe::{Partner, PipeEnd, Side, SocketEnd};
use super::ramfs::RamNode;
use super::special::Device;
use super::terminal::TerminalEnd;
use super::timer::FileTimer;
use crate::errno::{Errno, SysResult};
use crate::thread::Woken;
use crate::user::UserBuffers;

/// Bytes on their way into a file.
pub trait Source {
    /// Bytes that are left.
    fn left(&self) -> usize;

    /// Moves the next bytes and says how many there were.
    ///
    /// # Errors
    ///
    /// `EFAULT` where the first byte already fails.
    fn take(&mut self, to: &mut [u8]) -> Result<usize, Errno>;
}

impl Source for UserBuffers {
    fn left(&self) -> usize {
        Self::left(self)
    }

    fn take(&mut self, to: &mut [u8]) -> Result<usize, Errno> {
        Self::take(self, to)
    }
}

/// Bytes of the kernel.
impl Source for &[u8] {
    fn left(&self) -> usize {
        self.len()
    }

    fn take(&mut self, to: &mut [u8]) -> Result<usize, Errno> {
        let (taken, rest) = self.split_at(to.len().min(self.len()));
        to[..taken.len()].copy_from_slice(taken);
        *self = rest;
        Ok(taken.len())
    }
}

/// The first bytes of a source.
struct Front<'a> {
    from: &'a mut dyn Source,
    left: usize,
}

impl Source for Front<'_> {
    fn left(&self) -> usize {
        self.left.min(self.from.left())
    }

    fn take(&mut self, to: &mut [u8]) -> Result<usize, Errno> {
        let len = to.len().min(self.left);
        let taken = self.from.take(&mut to[..len])?;
        self.left -= taken;
        Ok(taken)
    }
}

/// What may be written at an offset of a file (RLIMIT_FSIZE).
fn within_limit(from: &mut dyn Source, offset: impl FnOnce() -> u64) -> Result<Front<'_>, Errno> {
    let (limit, wanted) = (outside::soft_limit(linux::RLIMIT_FSIZE), from.left());
    if limit == u64::MAX || wanted == 0 {
        return Ok(Front { from, left: wanted });
    }
    let room = limit.saturating_sub(offset());
    if room == 0 {
        outside::file_grew_too_large();
        return Err(Errno::EFBIG);
    }
    Ok(Front { from, left: wanted.min(usize::try_from(room).unwrap_or(usize::MAX)) })
}

/// Checks that a file may get a size (RLIMIT_FSIZE).
///
/// # Errors
///
/// `EFBIG`, and a signal.
pub fn check_new_size(old: u64, new: u64) -> Result<(), Errno> {
    if new > old && new > outside::soft_limit(linux::RLIMIT_FSIZE) {
        outside::file_grew_too_large();
        return Err(Errno::EFBIG);
    }
    Ok(())
}

/// What stands behind an open file.
#[derive(Debug)]
pub enum Object {
    /// Contents of a file of the image.
    Image(&'static [u8]),
    /// A file or directory in memory.
    Ram(Rc<RamNode>),
    /// A file of the host.
    Host(HostFile),
    /// A directory of the host.
    HostDir(HostDir),
    /// A directory that is not in memory.
    Dir,
    /// The text of a kernel file, as it was at open.
    Text(Vec<u8>),
    /// A device.
    Device(Device),
    /// An end of a pipe.
    Pipe(PipeEnd),
    /// An end of a socket pair.
    Socket(SocketEnd),
    /// An end of a pseudo-terminal.
    Terminal(TerminalEnd),
    /// An event counter.
    Event(EventCounter),
    /// A timer.
    Timer(FileTimer),
    /// An epoll instance.
    Epoll(Epoll),
    /// A path only (O_PATH).
    Path,
}

/// An open file description: shared by the descriptors that were duplicated from one another.
#[derive(Debug)]
pub struct OpenFile {
    /// What it is.
    pub object: Object,
    /// Where it was found; `None` for things without a path.
    pub place: Option<Place>,
    /// Name of a thing without a path, as /proc/self/fd shows it.
    pub label: &'static str,
    flags: Cell<u32>,
    offset: Cell<u64>,
}

/// The flags that F_SETFL changes.
const SETTABLE: u32 =
    linux::O_APPEND | linux::O_NONBLOCK | linux::FASYNC | linux::O_DIRECT | linux::O_NOATIME;
/// Flags of open(2) that do not stay with the file.
const TRANSIENT: u32 = linux::O_CREAT | linux::O_EXCL | linux::O_NOCTTY | linux::O_TRUNC | linux::O_CLOEXEC;
/// How long a read of /dev/hypercell-idle waits for threads that go on and on.
const IDLE_WAIT_NS: u64 = 1_000_000;
/// Piece in which program bytes pass through the kernel on their way to a device.
const DEVICE_PIECE: usize = 64 * 1024;

impl OpenFile {
    /// Opens an object that has a path.
    pub fn at(place: Place, object: Object, flags: u32) -> Rc<Self> {
        let flags = Cell::new(flags & !TRANSIENT);
        Rc::new(Self { object, place: Some(place), label: "", flags, offset: Cell::new(0) })
    }

    /// Opens an object without a path.
    pub fn anonymous(object: Object, label: &'static str, flags: u32) -> Rc<Self> {
        Rc::new(Self {
            object,
            place: None,
            label,
            flags: Cell::new(flags & !TRANSIENT),
            offset: Cell::new(0),
        })
    }

    /// Status flags and access mode, as F_GETFL shows them.
    pub fn flags(&self) -> u32 {
        self.flags.get()
    }

    /// Sets the flags that may change after opening.
    pub fn set_flags(&self, flags: u32) {
        self.flags.set(self.flags.get() & !SETTABLE | flags & SETTABLE);
    }

    /// Whether the file was opened for reading.
    pub fn is_readable(&self) -> bool {
        self.flags.get() & linux::O_ACCMODE != linux::O_WRONLY && !self.is_path()
    }

    /// Whether the file was opened for writing.
    pub fn is_writable(&self) -> bool {
        matches!(self.flags.get() & linux::O_ACCMODE, linux::O_WRONLY | linux::O_RDWR) && !self.is_path()
    }

    /// Whether only a path was opened.
    pub fn is_path(&self) -> bool {
        matches!(self.object, Object::Path)
    }

    /// Tries until there is something, waiting in between unless the file was opened not to.
    ///
    /// # Errors
    ///
    /// What `attempt` answers; `EAGAIN`, `EINTR`; `EDEADLK` where nothing can ever end the wait.
    pub fn wait_until<T>(&self, attempt: impl FnMut() -> Result<Option<T>, Errno>) -> Result<T, Errno> {
        // A wait without an end ends only with something.
        self.wait_at_most(None, attempt)?.ok_or(Errno::EDEADLK)
    }

    /// As `wait_until`, but for at most so many nanoseconds, after which there is nothing.
    fn wait_at_most<T>(
        &self,
        ns: Option<u64>,
        mut attempt: impl FnMut() -> Result<Option<T>, Errno>,
    ) -> Result<Option<T>, Errno> {
        let deadline = ns.map(|ns| outside::monotonic_ns().saturating_add(ns));
        loop {
            if let Some(done) = attempt()? {
                return Ok(Some(done));
            }
            if ns == Some(0) {
                return Ok(None);
            }
            if self.flags.get() & linux::O_NONBLOCK != 0 {
                return Err(Errno::EAGAIN);
            }
            match outside::wait_for_files(deadline) {
                Woken::Signal => return Err(Errno::EINTR),
                Woken::Deadlock => return Err(Errno::EDEADLK),
                Woken::TimedOut => return Ok(None),
                Woken::Event => {}
            }
        }
    }

    /// Waits until the other end of a pipe with a name is opened, as opening one does (fifo(7)).
    ///
    /// # Errors
    ///
    /// `ENXIO` for a writer that does not wait; `EINTR`; `EDEADLK` where nobody can ever open it.
    pub fn wait_for_partner(&self) -> Result<(), Errno> {
        let (Object::Pipe(end), Some(_)) = (&self.object, &self.place) else { return Ok(()) };
        let Partner::Missing(seen) = end.partner(None) else { return Ok(()) };
        if self.flags.get() & linux::O_NONBLOCK != 0 {
            return if end.side() == Side::Write { Err(Errno::ENXIO) } else { Ok(()) };
        }
        self.wait_until(|| Ok((end.partner(Some(seen)) == Partner::Came).then_some(())))
    }

    fn read_terminal(&self, end: &TerminalEnd, to: &mut UserBuffers) -> Result<usize, Errno> {
        Ok(self.wait_at_most(end.patience(), || end.read(to))?.unwrap_or(0))
    }

    /// Writes all there is, in as many pieces as the room of a pipe makes of it.
    fn write_all(
        &self,
        from: &mut dyn Source,
        mut piece: impl FnMut(&mut dyn Source) -> Result<Option<usize>, Errno>,
    ) -> Result<usize, Errno> {
        let mut done = 0;
        loop {
            match self.wait_until(|| piece(from)) {
                Ok(n) => done += n,
                Err(error) if done == 0 => return Err(error),
                Err(_) => return Ok(done),
            }
            if from.left() == 0 {
                return Ok(done);
            }
        }
    }

    /// The inode in memory behind the file.
    pub fn ram(&self) -> Option<&Rc<RamNode>> {
        match (&self.object, &self.place) {
            (Object::Ram(node), _) => Some(node),
            (Object::Path, Some(Place { node: Node::Ram(node), .. })) => Some(node),
            _ => None,
        }
    }

    /// Whether the file has an offset that can be moved.
    pub fn is_seekable(&self) -> bool {
        match &self.object {
            Object::Image(_) | Object::Ram(_) | Object::Dir | Object::Text(_) => true,
            Object::Host(_) | Object::HostDir(_) => true,
            Object::Device(device) => device.is_seekable(),
            Object::Pipe(_) | Object::Socket(_) | Object::Terminal(_) | Object::Event(_) => false,
            Object::Timer(_) | Object::Epoll(_) | Object::Path => false,
        }
    }

    /// Current offset in bytes, or cookie of a directory.
    pub fn offset(&self) -> u64 {
        self.offset.get()
    }

    /// Moves the offset.
    pub fn set_offset(&self, offset: u64) {
        self.offset.set(offset);
    }

    /// Size in bytes of what has one.
    pub fn size(&self) -> u64 {
        match &self.object {
            Object::Image(contents) => contents.len() as u64,
            Object::Ram(node) => node.size(),
            Object::Host(file) => file.meta().map_or(0, |meta| meta.size),
            _ => 0,
        }
    }

    /// Reads into the program's buffers, at an offset of its own or at the file's.
    ///
    /// # Errors
    ///
    /// As read(2) and pread(2).
    pub fn read(&self, to: &mut UserBuffers, at: Option<u64>) -> SysResult {
        if !self.is_readable() {
            return Err(Errno::EBADF);
        }
        if at.is_some() && !self.is_seekable() {
            return Err(Errno::ESPIPE);
        }
        let offset = at.unwrap_or(self.offset.get());
        let left = to.left();
        let done = match &self.object {
            Object::Image(contents) => put_from(contents, offset, to)?,
            Object::Text(contents) => put_from(contents, offset, to)?,
            Object::Ram(node) => node.read(offset, left, &mut |piece| to.put(piece))?,
            Object::Host(file) => file.read(offset, left, &mut |piece| to.put(piece))?,
            Object::Dir | Object::HostDir(_) => return Err(Errno::EISDIR),
            Object::Device(device) => device.read(to)?,
            Object::Pipe(end) if end.side().reads() => self.wait_until(|| end.read(to, false))?,
            Object::Socket(socket) => self.wait_until(|| socket.incoming.read(to, false))?,
            Object::Terminal(end) => self.read_terminal(end, to)?,
            Object::Event(counter) => self.wait_until(|| counter.read(to))?,
            Object::Timer(timer) => self.wait_until(|| timer.read(to))?,
            Object::Pipe(_) | Object::Path => return Err(Errno::EBADF),
            Object::Epoll(_) => return Err(Errno::EINVAL),
        };
        if at.is_none() && self.is_seekable() {
            self.offset.set(offset.saturating_add(done as u64));
        }
        Ok(done as u64)
    }

    /// Writes the program's buffers, at an offset of its own or at the file's.
    ///
    /// # Errors
    ///
    /// As write(2) and pwrite(2).
    pub fn write(&self, from: &mut dyn Source, at: Option<u64>) -> SysResult {
        if !self.is_writable() {
            return Err(Errno::EBADF);
        }
        if at.is_some() && !self.is_seekable() {
            return Err(Errno::ESPIPE);
        }
        let done = match &self.object {
            Object::Ram(node) => {
                let appends = self.flags.get() & linux::O_APPEND != 0;
                let offset = if appends { node.size() } else { at.unwrap_or(self.offset.get()) };
                let mut from = within_limit(from, || offset)?;
                let done = node.write(offset, from.left(), &mut |piece| from.take(piece))?;
                if at.is_none() {
                    self.offset.set(offset + done as u64);
                }
                done
            }
            Object::Host(file) => {
                let appends = self.flags.get() & linux::O_APPEND != 0;
                let offset = at.unwrap_or(self.offset.get());
                let mut from = within_limit(from, || if appends { self.size() } else { offset })?;
                let done = file.write(offset, &mut from)?;
                if at.is_none() {
                    self.offset.set(if appends { self.size() } else { self.offset.get() + done as u64 });
                }
                done
            }
            Object::Device(device) => device.write(from)?,
            Object::Pipe(end) if end.side().writes() => self.write_all(from, |from| end.write(from))?,
            Object::Socket(socket) => self.write_all(from, |from| socket.outgoing.write(from))?,
            Object::Terminal(end) => self.write_all(from, |from| end.write(from))?,
            Object::Event(counter) => self.wait_until(|| counter.write(from))?,
            Object::Image(_) | Object::Text(_) => return Err(Errno::EBADF),
            Object::Dir | Object::HostDir(_) | Object::Pipe(_) | Object::Path => return Err(Errno::EBADF),
            Object::Epoll(_) | Object::Timer(_) => return Err(Errno::EINVAL),
        };
        Ok(done as u64)
    }

    /// Reads bytes for the kernel's own use: moving them to another file.
    ///
    /// # Errors
    ///
    /// As pread(2); `EINVAL` for things without contents.
    pub fn read_at(&self, offset: u64, max: usize) -> Result<Vec<u8>, Errno> {
        if !self.is_readable() {
            return Err(Errno::EBADF);
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(max).map_err(|_| Errno::ENOMEM)?;
        match &self.object {
            Object::Image(contents) => bytes.extend_from_slice(window(contents, offset, max)),
            Object::Text(contents) => bytes.extend_from_slice(window(contents, offset, max)),
            Object::Ram(node) => {
                node.read(offset, max, &mut |piece| {
                    bytes.extend_from_slice(piece);
                    Ok(piece.len())
                })?;
            }
            Object::Host(file) => {
                file.read(offset, max, &mut |piece| {
                    bytes.extend_from_slice(piece);
                    Ok(piece.len())
                })?;
            }
            _ => return Err(Errno::EINVAL),
        }
        Ok(bytes)
    }

    /// Readiness in poll(2)'s bits.
    pub fn ready(&self) -> u32 {
        self.ready_within(0)
    }

    /// Readiness as an epoll instance sees it that is itself watched by `nesting` others.
    pub fn ready_within(&self, nesting: u32) -> u32 {
        match &self.object {
            Object::Pipe(end) => end.ready(),
            Object::Socket(socket) => socket.ready(),
            Object::Terminal(end) => end.ready(),
            Object::Event(counter) => counter.ready(),
            Object::Timer(timer) => timer.ready(),
            Object::Epoll(epoll) => epoll.ready(nesting),
            Object::Path => linux::POLLNVAL,
            _ => linux::POLLIN | linux::POLLOUT | linux::POLLRDNORM | linux::POLLWRNORM,
        }
    }

    /// Count of changes so far, of what edge-triggered interest watches.
    pub fn changes(&self) -> u64 {
        match &self.object {
            Object::Pipe(end) => end.changes(),
            Object::Socket(socket) => socket.changes(),
            Object::Terminal(end) => end.changes(),
            Object::Event(counter) => counter.changes(),
            Object::Timer(timer) => timer.changes(),
            _ => 0,
        }
    }

    /// Whether epoll takes the file: regular files and directories are always ready, so Linux refuses them.
    pub fn can_be_watched(&self) -> bool {
        match &self.object {
            Object::Pipe(_) | Object::Socket(_) | Object::Terminal(_) => true,
            Object::Event(_) | Object::Timer(_) | Object::Epoll(_) => true,
            Object::Device(device) => device.can_be_watched(),
            Object::Image(_) | Object::Ram(_) | Object::Dir | Object::Text(_) | Object::Path => false,
            Object::Host(_) | Object::HostDir(_) => false,
        }
    }

    /// What stat(2) shows of a thing without a path.
    pub fn anonymous_meta(&self) -> Meta {
        let (kind, number) = match &self.object {
            Object::Ram(node) => return node.meta(),
            Object::Pipe(end) => (Kind::Fifo, end.number()),
            Object::Socket(socket) => (Kind::Socket, socket.incoming.number()),
            Object::Device(Device::Output(fd)) => (Kind::Fifo, u64::from(*fd)),
            _ => (Kind::Anonymous, 1),
        };
        Meta { device: 0xd, number, mode: kind.bits() | 0o600, links: 1, ..Meta::default() }
    }

    /// Bytes that can be read at once (FIONREAD); `None` where the question makes no sense.
    pub fn waiting(&self) -> Option<u64> {
        match &self.object {
            Object::Pipe(end) => Some(end.waiting() as u64),
            Object::Socket(socket) => Some(socket.incoming.waiting() as u64),
            Object::Terminal(end) => Some(end.waiting() as u64),
            Object::Image(_) | Object::Ram(_) | Object::Host(_) => {
                Some(self.size().saturating_sub(self.offset.get()))
            }
            _ => None,
        }
    }
}

/// The part of some contents that a read sees.
fn window(contents: &[u8], offset: u64, max: usize) -> &[u8] {
    let rest = usize::try_from(offset).ok().and_then(|offset| contents.get(offset..)).unwrap_or(&[]);
    &rest[..rest.len().min(max)]
}

fn put_from(contents: &[u8], offset: u64, to: &mut UserBuffers) -> Result<usize, Errno> {
    let left = to.left();
    to.put(window(contents, offset, left))
}

impl Device {
    fn read(self, to: &mut UserBuffers) -> Result<usize, Errno> {
        match self {
            Self::Null | Self::Output(_) => Ok(0),
            Self::Zero | Self::Full => fill(to, &mut |piece| {
                piece.fill(0);
                Ok(piece.len())
            }),
            Self::Random => fill(to, &mut |piece| outside::random(piece).map(|()| piece.len())),
            Self::Channel => {
                let mut piece = Vec::new();
                let len = to.left().min(DEVICE_PIECE);
                piece.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
                piece.resize(len, 0);
                let n = outside::device_read(&mut piece)? as usize;
                to.put(&piece[..n.min(len)])
            }
            Self::Idle => {
                // How long the host may wait, in nanoseconds: until a wait of another thread ends, or for ever.
                let idle = outside::wait_until_idle(IDLE_WAIT_NS).unwrap_or(u64::MAX);
                to.put(&idle.to_le_bytes())
            }
            // Opening these gives something else, or nothing.
            Self::Terminal | Self::Multiplexer => Err(Errno::ENXIO),
        }
    }

    fn write(self, from: &mut dyn Source) -> Result<usize, Errno> {
        match self {
            Self::Null | Self::Zero | Self::Random => Ok(from.left()),
            Self::Full => Err(Errno::ENOSPC),
            Self::Output(fd) => {
                let mut done = 0;
                while from.left() > 0 {
                    match take_all(from, DEVICE_PIECE).and_then(|piece| outside::output(fd, &piece)) {
                        Ok(n) => done += n as usize,
                        Err(error) if done == 0 => return Err(error),
                        Err(_) => break,
                    }
                }
                Ok(done)
            }
            Self::Channel => {
                let max = hypercell_abi::limits::MAX_FRAME_BYTES;
                if from.left() > max {
                    return Err(Errno::EMSGSIZE);
                }
                take_all(from, max).and_then(|frame| outside::device_write(&frame)).map(|n| n as usize)
            }
            Self::Idle => Err(Errno::EINVAL),
            Self::Terminal | Self::Multiplexer => Err(Errno::ENXIO),
        }
    }
}

/// Copies up to `max` bytes of the program; a bad buffer is an error here, since a message is whole or not at all.
fn take_all(from: &mut dyn Source, max: usize) -> Result<Vec<u8>, Errno> {
    let len = from.left().min(max);
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(len, 0);
    if from.take(&mut bytes)? < len {
        return Err(Errno::EFAULT);
    }
    Ok(bytes)
}

/// Fills the program's buffers with made bytes.
fn fill(
    to: &mut UserBuffers,
    make: &mut dyn FnMut(&mut [u8]) -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    let mut piece = [0; 1024];
    let mut done = 0;
    while to.left() > 0 {
        let n = piece.len().min(to.left());
        let step = make(&mut piece[..n]).and_then(|n| to.put(&piece[..n]));
        match step {
            Ok(n) if n > 0 => done += n,
            Err(error) if done == 0 => return Err(error),
            _ => break,
        }
    }
    Ok(done)
}

//! Pipes, with and without a name, and stream sockets made of two of them.
//!
//! Guarantees: nothing waits here; who has to is told so (file.rs). Never: loses bytes when a buffer of the program is bad.
//!
//! Before: file. After: space.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use linux_raw_sys::general as linux;

use super::file::Source;
use super::outside;
use super::space::{Share, Space};
use crate::errno::Errno;
use crate::user::UserBuffers;

/// Capacity of a pipe (pipe(7)).
pub const PIPE_BYTES: usize = 64 * 1024;
/// Largest capacity that a program may ask for (/proc/sys/fs/pipe-max-size).
pub const MAX_PIPE_BYTES: usize = 1024 * 1024;
/// Writes up to this length are not split (PIPE_BUF).
const ATOMIC_BYTES: usize = 4096;
/// What a pipe costs apart from its contents.
const PIPE_OVERHEAD: u64 = 512;

/// A stream of bytes with ends that open and close.
#[derive(Debug)]
pub struct Pipe {
    buffer: RefCell<VecDeque<u8>>,
    capacity: Cell<usize>,
    readers: Cell<u32>,
    writers: Cell<u32>,
    /// How often an end was opened for reading and for writing, for those who wait for the other one (fifo(7)).
    opened: [Cell<u64>; 2],
    /// Counts every change, for those who watch for changes (edge-triggered epoll).
    changes: Cell<u64>,
    share: Share,
}

/// Which end of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The end that reads.
    Read,
    /// The end that writes.
    Write,
    /// Both at once, which only a pipe with a name can be opened for.
    Both,
}

impl Side {
    /// The side that open(2) asks for.
    ///
    /// # Errors
    ///
    /// `EINVAL`.
    pub fn of_flags(flags: u32) -> Result<Self, Errno> {
        match flags & linux::O_ACCMODE {
            linux::O_RDONLY => Ok(Self::Read),
            linux::O_WRONLY => Ok(Self::Write),
            linux::O_RDWR => Ok(Self::Both),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Whether it reads.
    pub fn reads(self) -> bool {
        self != Self::Write
    }

    /// Whether it writes.
    pub fn writes(self) -> bool {
        self != Self::Read
    }
}

/// Whether the other end of a pipe with a name was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partner {
    /// It is or was open.
    Came,
    /// It is not; it was opened so often before.
    Missing(u64),
}

/// One open end of a pipe; it closes when dropped.
#[derive(Debug)]
pub struct PipeEnd {
    pipe: Rc<Pipe>,
    side: Side,
    open: Cell<bool>,
    /// How often the pipe was opened for writing, if nobody had it when this end was opened: until that changes the absence
    /// of writers is no end of what they write.
    unwritten: Option<u64>,
}

impl Pipe {
    /// A pipe and its two ends.
    ///
    /// # Errors
    ///
    /// `ENFILE` where memory is used up.
    pub fn pair(space: &Rc<Space>) -> Result<(PipeEnd, PipeEnd), Errno> {
        let pipe = Self::new(space).map_err(|_| Errno::ENFILE)?;
        Ok((PipeEnd::open(&pipe, Side::Read), PipeEnd::open(&pipe, Side::Write)))
    }

    /// A pipe that nobody has open.
    ///
    /// # Errors
    ///
    /// `ENOSPC` where memory is used up.
    pub fn new(space: &Rc<Space>) -> Result<Rc<Self>, Errno> {
        let share = Share::of(space, PIPE_OVERHEAD)?;
        Ok(Rc::new(Self {
            buffer: RefCell::default(),
            capacity: Cell::new(PIPE_BYTES),
            readers: Cell::new(0),
            writers: Cell::new(0),
            opened: Default::default(),
            changes: Cell::new(0),
            share,
        }))
    }

    fn changed(&self) {
        self.changes.set(self.changes.get() + 1);
        outside::files_changed();
    }

    /// Of each side that is meant: how many have it open, and how often it was opened.
    fn sides(&self, side: Side) -> impl Iterator<Item = (&Cell<u32>, &Cell<u64>)> {
        let both = [(side.reads(), &self.readers), (side.writes(), &self.writers)];
        both.into_iter()
            .zip(&self.opened)
            .filter_map(|((is_meant, count), times)| is_meant.then_some((count, times)))
    }

    /// Drops what is left in a pipe with a name that nobody has open.
    fn forget_if_unused(&self) {
        if self.readers.get() + self.writers.get() == 0 {
            let buffer = self.buffer.take();
            self.share.shrink(buffer.capacity() as u64);
        }
    }

    fn room(&self) -> usize {
        self.capacity.get().saturating_sub(self.buffer.borrow().len())
    }
}

impl PipeEnd {
    /// Opens an end of a pipe.
    pub fn open(pipe: &Rc<Pipe>, side: Side) -> Self {
        let unwritten = (pipe.writers.get() == 0).then_some(pipe.opened[1].get());
        for (count, times) in pipe.sides(side) {
            count.set(count.get() + 1);
            times.set(times.get() + 1);
        }
        pipe.changed();
        Self { pipe: pipe.clone(), side, open: Cell::new(true), unwritten }
    }

    /// Opens an end of the same pipe once more, as /proc/self/fd/N does.
    pub fn reopen(&self, side: Side) -> Self {
        Self::open(&self.pipe, side)
    }

    /// Tells whether somebody has opened the other end, or was there when this one was opened (fifo(7)): to be asked with
    /// what it answered first.
    pub fn partner(&self, seen: Option<u64>) -> Partner {
        let (there, times) = match self.side {
            Side::Read => (self.pipe.writers.get(), self.pipe.opened[1].get()),
            Side::Write => (self.pipe.readers.get(), self.pipe.opened[0].get()),
            Side::Both => return Partner::Came,
        };
        // One that came and went counts too.
        if there > 0 || seen.is_some_and(|seen| seen != times) {
            Partner::Came
        } else {
            Partner::Missing(times)
        }
    }

    /// Room for bytes in all (F_GETPIPE_SZ).
    pub fn capacity(&self) -> usize {
        self.pipe.capacity.get()
    }

    /// Changes the room, to a power of two of at least a page, and answers what it is now.
    ///
    /// # Errors
    ///
    /// `EPERM` above [`MAX_PIPE_BYTES`], `EBUSY` where more bytes are waiting.
    pub fn set_capacity(&self, bytes: usize) -> Result<usize, Errno> {
        if bytes > MAX_PIPE_BYTES {
            return Err(Errno::EPERM);
        }
        let capacity = bytes.next_power_of_two().max(ATOMIC_BYTES);
        if capacity < self.waiting() {
            return Err(Errno::EBUSY);
        }
        self.pipe.capacity.set(capacity);
        self.pipe.changed();
        Ok(capacity)
    }

    /// Which end this is.
    pub fn side(&self) -> Side {
        self.side
    }

    /// A number that both ends share.
    pub fn number(&self) -> u64 {
        Rc::as_ptr(&self.pipe) as u64 >> 4 & 0xffff_ffff
    }

    /// Closes the end before it is dropped.
    pub fn close(&self) {
        if self.open.replace(false) {
            for (count, _) in self.pipe.sides(self.side) {
                count.set(count.get().saturating_sub(1));
            }
            self.pipe.forget_if_unused();
            self.pipe.changed();
        }
    }

    /// Bytes that wait to be read.
    pub fn waiting(&self) -> usize {
        self.pipe.buffer.borrow().len()
    }

    /// Count of changes so far.
    pub fn changes(&self) -> u64 {
        self.pipe.changes.get()
    }

    /// Moves bytes to the program; `peek` leaves them in the pipe. `None` means that a reader would have to wait.
    ///
    /// # Errors
    ///
    /// `EFAULT`.
    pub fn read(&self, to: &mut UserBuffers, peek: bool) -> Result<Option<usize>, Errno> {
        if to.left() == 0 || !self.open.get() {
            return Ok(Some(0));
        }
        let mut buffer = self.pipe.buffer.borrow_mut();
        if buffer.is_empty() {
            return Ok((self.pipe.writers.get() == 0).then_some(0));
        }
        let (front, back) = buffer.as_slices();
        let mut done = to.put(front)?;
        if done == front.len() {
            done += to.put(back).unwrap_or(0);
        }
        if !peek {
            buffer.drain(..done);
            self.pipe.changed();
        }
        Ok(Some(done))
    }

    /// Moves bytes from the program. `None` means that a writer would have to wait.
    ///
    /// # Errors
    ///
    /// `EPIPE` without a reader, `EFAULT`, `ENOSPC` where memory is used up.
    pub fn write(&self, from: &mut dyn Source) -> Result<Option<usize>, Errno> {
        if self.pipe.readers.get() == 0 || !self.open.get() {
            return Err(Errno::EPIPE);
        }
        let len = from.left();
        let room = self.pipe.room();
        if len > 0 && (room == 0 || len <= ATOMIC_BYTES && room < len) {
            return Ok(None);
        }
        let mut buffer = self.pipe.buffer.borrow_mut();
        let want = len.min(room);
        let needed = buffer.len() + want;
        if needed > buffer.capacity() {
            let capacity = needed.next_power_of_two().max(ATOMIC_BYTES);
            let more = (capacity - buffer.capacity()) as u64;
            self.pipe.share.grow(more)?;
            let extra = capacity - buffer.len();
            if buffer.try_reserve_exact(extra).is_err() {
                self.pipe.share.shrink(more);
                return Err(Errno::ENOSPC);
            }
        }
        let mut done = 0;
        let mut piece = [0; 1024];
        while done < want {
            let n = piece.len().min(want - done);
            match from.take(&mut piece[..n]) {
                Ok(n) if n > 0 => {
                    buffer.extend(&piece[..n]);
                    done += n;
                }
                Err(error) if done == 0 => return Err(error),
                _ => break,
            }
        }
        drop(buffer);
        self.pipe.changed();
        Ok(Some(done))
    }

    /// Bytes that can be written now.
    pub fn room(&self) -> usize {
        self.pipe.room()
    }

    /// Takes bytes out for the kernel's own use: none where all writers are gone. `None` means that a reader would have to
    /// wait.
    pub fn take(&self, max: usize) -> Option<Vec<u8>> {
        let mut buffer = self.pipe.buffer.borrow_mut();
        if buffer.is_empty() && self.pipe.writers.get() > 0 && max > 0 {
            return None;
        }
        let len = buffer.len().min(max);
        let bytes = buffer.drain(..len).collect();
        self.pipe.changed();
        Some(bytes)
    }

    /// Puts bytes back that were taken out and not used, before those that were written since.
    pub fn put_back(&self, bytes: &[u8]) {
        if !bytes.is_empty() {
            let mut buffer = self.pipe.buffer.borrow_mut();
            bytes.iter().rev().for_each(|&byte| buffer.push_front(byte));
            self.pipe.changed();
        }
    }

    /// Readiness in poll(2)'s bits.
    pub fn ready(&self) -> u32 {
        let mut bits = 0;
        if self.side.reads() {
            bits |= if self.waiting() > 0 { linux::POLLIN | linux::POLLRDNORM } else { 0 };
            let had_writer = self.unwritten != Some(self.pipe.opened[1].get());
            bits |= if self.pipe.writers.get() == 0 && had_writer { linux::POLLHUP } else { 0 };
        }
        if self.side.writes() {
            bits |= match self.pipe.readers.get() {
                0 => linux::POLLERR | linux::POLLOUT,
                _ if self.pipe.room() >= ATOMIC_BYTES => linux::POLLOUT | linux::POLLWRNORM,
                _ => 0,
            };
        }
        bits
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        self.close();
    }
}

/// One end of a socket pair.
#[derive(Debug)]
pub struct SocketEnd {
    /// What the peer wrote.
    pub incoming: PipeEnd,
    /// What the peer will read.
    pub outgoing: PipeEnd,
}

impl SocketEnd {
    /// Two connected sockets.
    ///
    /// # Errors
    ///
    /// `ENFILE` where memory is used up.
    pub fn pair(space: &Rc<Space>) -> Result<(Self, Self), Errno> {
        let (first_in, second_out) = Pipe::pair(space)?;
        let (second_in, first_out) = Pipe::pair(space)?;
        Ok((
            Self { incoming: first_in, outgoing: first_out },
            Self { incoming: second_in, outgoing: second_out },
        ))
    }

    /// Readiness in poll(2)'s bits.
    pub fn ready(&self) -> u32 {
        let incoming = self.incoming.ready();
        let peer_closed = incoming & linux::POLLHUP != 0 || !self.incoming.open.get();
        let peer_gone = self.outgoing.pipe.readers.get() == 0;
        let input = if peer_closed { linux::POLLIN | linux::POLLRDNORM | linux::POLLRDHUP } else { incoming };
        let output =
            if peer_gone || !self.outgoing.open.get() { linux::POLLOUT } else { self.outgoing.ready() };
        let hung_up =
            if peer_closed && (peer_gone || !self.outgoing.open.get()) { linux::POLLHUP } else { 0 };
        input | output | hung_up
    }

    /// Count of changes so far.
    pub fn changes(&self) -> u64 {
        self.incoming.changes() + self.outgoing.changes()
    }
}

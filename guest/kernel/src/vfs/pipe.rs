//! Pipes, and stream sockets made of two of them.
//!
//! Guarantees: nothing waits here; who has to is told so (file.rs). Never: loses bytes when a buffer of the program is bad.
//!
//! Before: file. After: space.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use linux_raw_sys::general as linux;

use super::file::Source;
use super::outside;
use super::space::{Share, Space};
use crate::errno::Errno;
use crate::user::UserBuffers;

/// Capacity of a pipe (pipe(7)).
pub const PIPE_BYTES: usize = 64 * 1024;
/// Writes up to this length are not split (PIPE_BUF).
const ATOMIC_BYTES: usize = 4096;
/// What a pipe costs apart from its contents.
const PIPE_OVERHEAD: u64 = 512;

/// A stream of bytes with ends that open and close.
#[derive(Debug)]
pub struct Pipe {
    buffer: RefCell<VecDeque<u8>>,
    readers: Cell<u32>,
    writers: Cell<u32>,
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
}

/// One open end of a pipe; it closes when dropped.
#[derive(Debug)]
pub struct PipeEnd {
    pipe: Rc<Pipe>,
    side: Side,
    open: Cell<bool>,
}

impl Pipe {
    /// A pipe and its two ends.
    ///
    /// # Errors
    ///
    /// `ENFILE` where memory is used up.
    pub fn pair(space: &Rc<Space>) -> Result<(PipeEnd, PipeEnd), Errno> {
        let share = Share::of(space, PIPE_OVERHEAD).map_err(|_| Errno::ENFILE)?;
        let pipe = Rc::new(Self {
            buffer: RefCell::default(),
            readers: Cell::new(0),
            writers: Cell::new(0),
            changes: Cell::new(0),
            share,
        });
        Ok((PipeEnd::open(&pipe, Side::Read), PipeEnd::open(&pipe, Side::Write)))
    }

    fn changed(&self) {
        self.changes.set(self.changes.get() + 1);
        outside::files_changed();
    }

    fn room(&self) -> usize {
        PIPE_BYTES - self.buffer.borrow().len().min(PIPE_BYTES)
    }
}

impl PipeEnd {
    fn open(pipe: &Rc<Pipe>, side: Side) -> Self {
        let count = if side == Side::Read { &pipe.readers } else { &pipe.writers };
        count.set(count.get() + 1);
        pipe.changed();
        Self { pipe: pipe.clone(), side, open: Cell::new(true) }
    }

    /// Opens an end of the same pipe once more, as /proc/self/fd/N does.
    pub fn reopen(&self, side: Side) -> Self {
        Self::open(&self.pipe, side)
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
            let count = if self.side == Side::Read { &self.pipe.readers } else { &self.pipe.writers };
            count.set(count.get().saturating_sub(1));
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
            let capacity = needed.next_power_of_two().clamp(ATOMIC_BYTES, PIPE_BYTES);
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

    /// Readiness in poll(2)'s bits.
    pub fn ready(&self) -> u32 {
        match self.side {
            Side::Read => {
                let input = if self.waiting() > 0 { linux::POLLIN | linux::POLLRDNORM } else { 0 };
                let hung_up = if self.pipe.writers.get() == 0 { linux::POLLHUP } else { 0 };
                input | hung_up
            }
            Side::Write if self.pipe.readers.get() == 0 => linux::POLLERR | linux::POLLOUT,
            Side::Write if self.pipe.room() >= ATOMIC_BYTES => linux::POLLOUT | linux::POLLWRNORM,
            Side::Write => 0,
        }
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

//! Open files and directories of the host.
//!
//! Guarantees: a read sees what this program wrote before; a file is read ahead only while it is read in order. Never:
//! keeps more than one piece of a file in memory.
//!
//! Before: ops, file. After: hostfs.

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::sync::atomic::Ordering;

use hypercell_abi::limits::MAX_FILE_CHUNK_BYTES;
use hypercell_abi::message::{FilePath, FileReply, FileRequest, OpenFlags};
use linux_raw_sys::general as linux;

use super::file::Source;
use super::hostfs::{QUESTIONS, WRITES, ask, meta_of, order, stat};
use super::node::{Kind, Meta};
use super::ops::Listed;
use super::outside;
use crate::errno::{Errno, SysResult};

/// How long an answer about an open file is taken for the next question, in nanoseconds: `open` in Python looks at a file
/// twice in a row.
const FRESH_NS: u64 = 200_000;
/// Bytes that a first sequential read brings: with its framing one buffer of the transport.
const FIRST_AHEAD: usize = 12 * 1024;

/// What the host has open for this program; closed when dropped.
#[derive(Debug)]
struct Handle(u64);

impl Drop for Handle {
    fn drop(&mut self) {
        // A host that has closed it already is right too.
        let _ = ask(&FileRequest::Close { handle: self.0 }, 0, |_| Some(()));
    }
}

fn open(mount: u32, path: &[u8], flags: OpenFlags, mode: u32) -> Result<(Handle, Meta), Errno> {
    let at = FilePath { mount: u64::from(mount), path };
    let request = FileRequest::Open { at, flags, mode: u64::from(mode & 0o777) };
    ask(&request, 0, |reply| match reply {
        FileReply::Opened { handle, stat } => Some((Handle(handle), meta_of(mount, &stat))),
        _ => None,
    })
}

/// An open file of the host.
#[derive(Debug)]
pub struct HostFile {
    handle: Handle,
    mount: u32,
    ahead: RefCell<Ahead>,
    /// What it was at the last look, when that was, and the question that answered it.
    seen: Cell<(Meta, u64, u64)>,
}

/// What a sequential read brought beyond what the program asked for.
#[derive(Debug, Default)]
struct Ahead {
    /// Where the next read begins if it is sequential.
    next: u64,
    /// Bytes from there on, from `read` on in `data`.
    data: Vec<u8>,
    read: usize,
    /// How much the next sequential read brings.
    window: usize,
    /// `WRITES` when it was read.
    writes: u64,
    /// The last read came to the end of the file, and the program has not been told.
    is_end: bool,
}

impl HostFile {
    /// Opens or makes a file, by flags of open(2).
    ///
    /// # Errors
    ///
    /// What the host answers.
    pub fn open(mount: u32, path: &[u8], flags: u32, mode: u32) -> Result<(Self, Meta), Errno> {
        let mut wanted = match flags & linux::O_ACCMODE {
            linux::O_RDONLY => OpenFlags::READ,
            linux::O_WRONLY => OpenFlags::WRITE,
            _ => OpenFlags::READ.with(OpenFlags::WRITE),
        };
        for (flag, wire) in [
            (linux::O_APPEND, OpenFlags::APPEND),
            (linux::O_CREAT, OpenFlags::CREATE),
            (linux::O_EXCL, OpenFlags::EXCLUSIVE),
            (linux::O_TRUNC, OpenFlags::TRUNCATE),
        ] {
            // An append that never writes is none.
            let means_nothing = flag == linux::O_APPEND && flags & linux::O_ACCMODE == linux::O_RDONLY;
            if flags & flag != 0 && !means_nothing {
                wanted = wanted.with(wire);
            }
        }
        if flags & (linux::O_TRUNC | linux::O_CREAT) != 0 {
            WRITES.fetch_add(1, Ordering::Relaxed);
        }
        let (handle, meta) = open(mount, path, wanted, mode)?;
        let file = Self { handle, mount, ahead: RefCell::default(), seen: Cell::default() };
        file.see(meta);
        Ok((file, meta))
    }

    /// What stat(2) shows now.
    ///
    /// # Errors
    ///
    /// What the host answers.
    pub fn meta(&self) -> Result<Meta, Errno> {
        let (meta, at_ns, question) = self.seen.get();
        let is_fresh = outside::monotonic_ns().saturating_sub(at_ns) < FRESH_NS;
        if is_fresh && question == QUESTIONS.load(Ordering::Relaxed) {
            return Ok(meta);
        }
        let stat = ask(&FileRequest::StatHandle { handle: self.handle.0 }, 0, stat)?;
        let meta = meta_of(self.mount, &stat);
        self.see(meta);
        Ok(meta)
    }

    fn see(&self, meta: Meta) {
        self.seen.set((meta, outside::monotonic_ns(), QUESTIONS.load(Ordering::Relaxed)));
    }

    /// Hands `len` bytes at an offset to `put`, piece by piece, and says how many there were.
    ///
    /// # Errors
    ///
    /// What the host or the first piece answers.
    pub fn read(
        &self,
        offset: u64,
        len: usize,
        put: &mut dyn FnMut(&[u8]) -> Result<usize, Errno>,
    ) -> Result<usize, Errno> {
        let mut done = 0;
        while done < len {
            let step = self.read_piece(offset.saturating_add(done as u64), len - done, put);
            match step {
                Ok((0, _)) => break,
                Ok((count, is_end)) => {
                    done += count;
                    if is_end {
                        break;
                    }
                }
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    /// Reads one piece; says how much was put, and whether there is no more.
    fn read_piece(
        &self,
        offset: u64,
        len: usize,
        put: &mut dyn FnMut(&[u8]) -> Result<usize, Errno>,
    ) -> Result<(usize, bool), Errno> {
        let writes = WRITES.load(Ordering::Relaxed);
        let mut ahead = self.ahead.borrow_mut();
        let is_sequential = ahead.next == offset;
        if is_sequential && ahead.writes == writes && ahead.read < ahead.data.len() {
            let rest = &ahead.data[ahead.read..];
            let count = put(&rest[..rest.len().min(len)])?;
            ahead.read += count;
            ahead.next = offset.saturating_add(count as u64);
            if ahead.read == ahead.data.len() {
                ahead.data = Vec::new();
                ahead.read = 0;
            }
            return Ok((count, count == 0));
        }
        if core::mem::take(&mut ahead.is_end) && is_sequential && ahead.writes == writes {
            return Ok((0, true));
        }
        let need = len.min(MAX_FILE_CHUNK_BYTES);
        ahead.window = match is_sequential {
            true => (ahead.window * 2).clamp(FIRST_AHEAD, MAX_FILE_CHUNK_BYTES),
            false => 0,
        };
        let wanted = need.max(ahead.window);
        let request =
            FileRequest::Read { handle: self.handle.0, offset, len: wanted as u64, need: need as u64 };
        // The old piece goes before room for a new one is needed.
        (ahead.data, ahead.read, ahead.writes) = (Vec::new(), 0, writes);
        ask(&request, wanted, |reply| match reply {
            FileReply::Data(data) => Some(data.split_at(need.min(data.len()))).map(|(now, later)| {
                let count = put(now)?;
                ahead.next = offset.saturating_add(count as u64);
                ahead.is_end = count == now.len() && 0 < count && count < need;
                if count == now.len() && ahead.data.try_reserve_exact(later.len()).is_ok() {
                    ahead.data.extend_from_slice(later);
                }
                Ok((count, now.len() < need || count < now.len()))
            }),
            _ => None,
        })?
    }

    /// Writes at an offset, or at the end if the file was opened so, and says how much.
    ///
    /// # Errors
    ///
    /// What the host answers to the first piece, `EFAULT`, `ENOMEM`.
    pub fn write(&self, offset: u64, from: &mut dyn Source) -> Result<usize, Errno> {
        let mut done = 0;
        let mut piece = Vec::new();
        while from.left() > 0 {
            let step = self.write_piece(offset.saturating_add(done as u64), from, &mut piece);
            match step {
                Ok((count, is_whole)) => {
                    done += count;
                    if !is_whole {
                        break;
                    }
                }
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn write_piece(
        &self,
        offset: u64,
        from: &mut dyn Source,
        piece: &mut Vec<u8>,
    ) -> Result<(usize, bool), Errno> {
        let len = from.left().min(MAX_FILE_CHUNK_BYTES);
        piece.clear();
        piece.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
        piece.resize(len, 0);
        let taken = from.take(piece)?;
        WRITES.fetch_add(1, Ordering::Relaxed);
        let request = FileRequest::Write { handle: self.handle.0, offset, data: &piece[..taken] };
        let count = ask(&request, 0, |reply| match reply {
            FileReply::Count(count) => usize::try_from(count).ok().filter(|count| *count <= taken),
            _ => None,
        })?;
        Ok((count, count == len && taken == len))
    }

    /// Changes the size.
    ///
    /// # Errors
    ///
    /// What the host answers.
    pub fn set_size(&self, size: u64) -> Result<(), Errno> {
        order(&FileRequest::Truncate { handle: self.handle.0, len: size })
    }

    /// fsync(2).
    ///
    /// # Errors
    ///
    /// What the host answers.
    pub fn sync(&self) -> SysResult {
        order(&FileRequest::Sync { handle: self.handle.0 }).map(|()| 0)
    }
}

/// Inode number that a listing shows for `..`, which is not asked for.
const PARENT_NUMBER: u64 = 1;

/// An open directory of the host, which is listed from its beginning to its end.
#[derive(Debug)]
pub struct HostDir {
    mount: u32,
    path: Vec<u8>,
    number: u64,
    state: RefCell<Listing>,
}

/// How far a directory was listed.
#[derive(Debug)]
struct Listing {
    handle: Handle,
    /// Place in the directory of the first entry here: 2, behind `.` and `..`, for the first.
    first: u64,
    entries: Vec<(Vec<u8>, u64, u32)>,
}

impl HostDir {
    /// Opens a directory.
    ///
    /// # Errors
    ///
    /// What the host answers.
    pub fn open(mount: u32, path: &[u8]) -> Result<Self, Errno> {
        let (handle, meta) = open(mount, path, OpenFlags::READ.with(OpenFlags::DIRECTORY), 0)?;
        let state = RefCell::new(Listing { handle, first: 2, entries: Vec::new() });
        Ok(Self { mount, path: path.to_vec(), number: meta.number, state })
    }

    /// What stat(2) shows now.
    ///
    /// # Errors
    ///
    /// What the host answers.
    pub fn meta(&self) -> Result<Meta, Errno> {
        let handle = self.state.borrow().handle.0;
        let stat = ask(&FileRequest::StatHandle { handle }, 0, stat)?;
        Ok(meta_of(self.mount, &stat))
    }

    /// Lists entries from an offset on; ends where `visit` answers false. Going back begins anew.
    ///
    /// # Errors
    ///
    /// What the host answers.
    pub fn list(&self, offset: u64, visit: &mut dyn FnMut(Listed<'_>) -> bool) -> Result<(), Errno> {
        for (at, name, number) in [(0, &b"."[..], self.number), (1, b"..", PARENT_NUMBER)] {
            if offset <= at && !visit(Listed { name, number, kind: Kind::Dir, next: at + 1 }) {
                return Ok(());
            }
        }
        let mut at = offset.max(2);
        let mut state = self.state.borrow_mut();
        if at < state.first {
            let again = Self::open(self.mount, &self.path)?;
            *state = again.state.into_inner();
        }
        loop {
            let index = usize::try_from(at - state.first).unwrap_or(usize::MAX);
            for (name, number, mode) in state.entries.iter().skip(index) {
                let kind = Meta { mode: *mode, ..Meta::default() }.kind();
                at += 1;
                if !visit(Listed { name, number: *number, kind, next: at }) {
                    return Ok(());
                }
            }
            let handle = state.handle.0;
            let entries: Vec<(Vec<u8>, u64, u32)> =
                ask(&FileRequest::List { handle }, 0, |reply| match reply {
                    FileReply::Entries(list) => {
                        Some(list.iter().map(|e| (e.name.to_vec(), e.number, e.kind as u32)).collect())
                    }
                    _ => None,
                })?;
            if entries.is_empty() {
                return Ok(());
            }
            state.first += state.entries.len() as u64;
            state.entries = entries;
        }
    }
}

//! Moving bytes: read, write and their relatives, offsets, sizes, and copies inside of the kernel.
//!
//! Before: table. After: vfs::file.

use alloc::rc::Rc;

use linux_raw_sys::general as linux;

use super::offset;
use crate::errno::{Args, Errno, SysResult};
use crate::user::{MAX_RW_BYTES, UserBuffers, UserPtr};
use crate::vfs::file::check_new_size;
use crate::vfs::{self, Kind, Object, OpenFile};

/// Piece in which bytes move from file to file.
pub(super) const COPY_PIECE: usize = 64 * 1024;

/// read(2).
pub fn sys_read(args: &Args) -> SysResult {
    let file = vfs::file(args.int(0))?;
    file.read(&mut UserBuffers::one(args.0[1], args.0[2])?, None)
}

/// write(2).
pub fn sys_write(args: &Args) -> SysResult {
    let file = vfs::file(args.int(0))?;
    file.write(&mut UserBuffers::one(args.0[1], args.0[2])?, None)
}

/// pread64(2).
pub fn sys_pread64(args: &Args) -> SysResult {
    let file = vfs::file(args.int(0))?;
    let at = offset(args.0[3])?;
    file.read(&mut UserBuffers::one(args.0[1], args.0[2])?, Some(at))
}

/// pwrite64(2).
pub fn sys_pwrite64(args: &Args) -> SysResult {
    let file = vfs::file(args.int(0))?;
    let at = offset(args.0[3])?;
    file.write(&mut UserBuffers::one(args.0[1], args.0[2])?, Some(at))
}

/// readv(2).
pub fn sys_readv(args: &Args) -> SysResult {
    let file = vfs::file(args.int(0))?;
    file.read(&mut UserBuffers::many(args.0[1], args.0[2])?, None)
}

/// writev(2).
pub fn sys_writev(args: &Args) -> SysResult {
    let file = vfs::file(args.int(0))?;
    file.write(&mut UserBuffers::many(args.0[1], args.0[2])?, None)
}

/// preadv(2).
pub fn sys_preadv(args: &Args) -> SysResult {
    let file = vfs::file(args.int(0))?;
    let at = offset(args.0[3])?;
    file.read(&mut UserBuffers::many(args.0[1], args.0[2])?, Some(at))
}

/// pwritev(2).
pub fn sys_pwritev(args: &Args) -> SysResult {
    let file = vfs::file(args.int(0))?;
    let at = offset(args.0[3])?;
    file.write(&mut UserBuffers::many(args.0[1], args.0[2])?, Some(at))
}

/// The offset of preadv2 and pwritev2: -1 means the file's own.
fn offset_or_current(value: u64) -> Result<Option<u64>, Errno> {
    if value == u64::MAX { Ok(None) } else { offset(value).map(Some) }
}

/// preadv2(2). Flags that ask for speed or durability change nothing; RWF_APPEND has no meaning for a read.
pub fn sys_preadv2(args: &Args) -> SysResult {
    let file = vfs::file(args.int(0))?;
    let at = offset_or_current(args.0[3])?;
    rw_flags(args.uint(5))?;
    file.read(&mut UserBuffers::many(args.0[1], args.0[2])?, at)
}

/// pwritev2(2).
pub fn sys_pwritev2(args: &Args) -> SysResult {
    let file = vfs::file(args.int(0))?;
    let at = offset_or_current(args.0[3])?;
    rw_flags(args.uint(5))?;
    file.write(&mut UserBuffers::many(args.0[1], args.0[2])?, at)
}

fn rw_flags(flags: u32) -> Result<(), Errno> {
    let known = linux::RWF_HIPRI | linux::RWF_DSYNC | linux::RWF_SYNC | linux::RWF_NOWAIT;
    if flags & !known == 0 { Ok(()) } else { Err(Errno::EOPNOTSUPP) }
}

/// lseek(2). Data reaches to the end of a file, holes are not looked for.
pub fn sys_lseek(args: &Args) -> SysResult {
    let file = vfs::file(args.int(0))?;
    if file.is_path() {
        return Err(Errno::EBADF);
    }
    if !file.is_seekable() {
        return Err(Errno::ESPIPE);
    }
    let (by, size) = (args.0[1] as i64, file.size());
    let base = match args.uint(2) {
        linux::SEEK_SET => 0,
        linux::SEEK_CUR => file.offset(),
        linux::SEEK_END => size,
        linux::SEEK_DATA | linux::SEEK_HOLE => {
            let at = u64::try_from(by).ok().filter(|&at| at < size).ok_or(Errno::ENXIO)?;
            let target = if args.uint(2) == linux::SEEK_DATA { at } else { size };
            file.set_offset(target);
            return Ok(target);
        }
        _ => return Err(Errno::EINVAL),
    };
    let target = base.checked_add_signed(by).ok_or(if by < 0 { Errno::EINVAL } else { Errno::EOVERFLOW })?;
    if i64::try_from(target).is_err() {
        return Err(Errno::EOVERFLOW);
    }
    file.set_offset(target);
    Ok(target)
}

/// ftruncate(2).
pub fn sys_ftruncate(args: &Args) -> SysResult {
    let file = vfs::file(args.int(0))?;
    let size = offset(args.0[1])?;
    match &file.object {
        Object::Ram(node) if file.is_writable() && node.kind() == Kind::File => {
            check_new_size(node.size(), size)?;
            node.set_size(size).map(|()| 0)
        }
        Object::Host(open) if file.is_writable() => {
            check_new_size(file.size(), size)?;
            open.set_size(size).map(|()| 0)
        }
        Object::Path => Err(Errno::EBADF),
        _ => Err(Errno::EINVAL),
    }
}

/// fallocate(2): grows a file or punches a hole. Space is not set aside, but there must be enough now.
pub fn sys_fallocate(args: &Args) -> SysResult {
    let file = vfs::file(args.int(0))?;
    let mode = args.uint(1);
    let (at, len) = (offset(args.0[2])?, offset(args.0[3])?);
    if len == 0 {
        return Err(Errno::EINVAL);
    }
    if !file.is_writable() {
        return Err(Errno::EBADF);
    }
    let node = match &file.object {
        Object::Ram(node) if node.kind() == Kind::File => node,
        Object::Pipe(_) => return Err(Errno::ESPIPE),
        _ => return Err(Errno::ENODEV),
    };
    let end = at.checked_add(len).filter(|&end| i64::try_from(end).is_ok()).ok_or(Errno::EFBIG)?;
    let keep = mode & linux::FALLOC_FL_KEEP_SIZE != 0;
    if !keep {
        check_new_size(node.size(), end)?;
    }
    match mode & !linux::FALLOC_FL_KEEP_SIZE {
        0 => {
            let free = vfs::with(|vfs| Ok(vfs.space.free()))?;
            if end.saturating_sub(node.size()) > free {
                return Err(Errno::ENOSPC);
            }
            if !keep && end > node.size() {
                node.set_size(end)?;
            }
        }
        linux::FALLOC_FL_PUNCH_HOLE if keep => node.punch(at, len)?,
        linux::FALLOC_FL_ZERO_RANGE => {
            node.punch(at, len)?;
            if !keep && end > node.size() {
                node.set_size(end)?;
            }
        }
        _ => return Err(Errno::EOPNOTSUPP),
    }
    Ok(0)
}

/// fsync(2), fdatasync(2): memory needs no such care.
pub fn sys_fsync(args: &Args) -> SysResult {
    match &vfs::file(args.int(0))?.object {
        Object::Host(file) => file.sync(),
        _ => Ok(0),
    }
}

/// syncfs(2), readahead(2), flock(2): nothing waits to be written, and nobody else has the file.
pub fn sys_syncfs(args: &Args) -> SysResult {
    vfs::file(args.int(0)).map(|_| 0)
}

/// sync(2).
pub fn sys_sync(_: &Args) -> SysResult {
    Ok(0)
}

/// fadvise64(2): advice.
pub fn sys_fadvise64(args: &Args) -> SysResult {
    let file = vfs::file(args.int(0))?;
    if args.uint(3) > linux::POSIX_FADV_NOREUSE {
        return Err(Errno::EINVAL);
    }
    if matches!(file.object, Object::Pipe(_) | Object::Socket(_)) { Err(Errno::ESPIPE) } else { Ok(0) }
}

/// Where one side of a copy reads or writes: at an offset of the program's, or at the file's.
pub(super) struct Position {
    pub(super) file: Rc<OpenFile>,
    pub(super) at: u64,
    given: UserPtr<u64>,
}

impl Position {
    pub(super) fn new(file: Rc<OpenFile>, pointer: u64) -> Result<Self, Errno> {
        let given = UserPtr::new(pointer);
        if !given.is_null() && !file.is_seekable() {
            return Err(Errno::ESPIPE);
        }
        let at = if given.is_null() { file.offset() } else { offset(given.read()?)? };
        Ok(Self { file, at, given })
    }

    pub(super) fn done(&self) -> Result<(), Errno> {
        if self.given.is_null() {
            if self.file.is_seekable() {
                self.file.set_offset(self.at);
            }
            return Ok(());
        }
        self.given.write(self.at)
    }
}

/// Moves bytes from a file with contents to anything that can be written.
pub(super) fn copy(mut from: Position, mut to: Position, len: u64) -> SysResult {
    let len = len.min(MAX_RW_BYTES as u64);
    let mut done = 0;
    while done < len {
        let want = COPY_PIECE.min((len - done) as usize);
        let bytes = from.file.read_at(from.at, want)?;
        if bytes.is_empty() {
            break;
        }
        let written = match to.file.write(&mut &bytes[..], to.file.is_seekable().then_some(to.at)) {
            Ok(n) => n,
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        };
        from.at += written;
        to.at = to.at.saturating_add(written);
        done += written;
        if written < bytes.len() as u64 {
            break;
        }
    }
    from.done()?;
    to.done()?;
    Ok(done)
}

/// sendfile(2).
pub fn sys_sendfile(args: &Args) -> SysResult {
    let to = vfs::file(args.int(0))?;
    let from = vfs::file(args.int(1))?;
    if to.flags() & linux::O_APPEND != 0 {
        return Err(Errno::EINVAL);
    }
    copy(Position::new(from, args.0[2])?, Position::new(to, 0)?, args.0[3])
}

/// copy_file_range(2).
pub fn sys_copy_file_range(args: &Args) -> SysResult {
    let from = vfs::file(args.int(0))?;
    let to = vfs::file(args.int(2))?;
    let is_regular = |file: &OpenFile| {
        matches!(&file.object, Object::Image(_) | Object::Host(_))
            || file.ram().is_some_and(|n| n.kind() == Kind::File)
    };
    if args.uint(5) != 0 || !is_regular(&from) || !is_regular(&to) {
        return Err(Errno::EINVAL);
    }
    if to.flags() & linux::O_APPEND != 0 {
        return Err(Errno::EBADF);
    }
    copy(Position::new(from, args.0[1])?, Position::new(to, args.0[3])?, args.0[4])
}

//! Moving bytes between a pipe and something else inside of the kernel (splice(2)).
//!
//! Before: table. After: io, vfs::pipe.

use alloc::rc::Rc;

use linux_raw_sys::general as linux;

use super::io::{COPY_PIECE, Position, copy};
use crate::errno::{Args, Errno, SysResult};
use crate::vfs::pipe::PipeEnd;
use crate::vfs::{self, Object, OpenFile};

/// splice(2).
pub fn sys_splice(args: &Args) -> SysResult {
    let [_, from_at, _, to_at, len, _] = args.0;
    let flags = args.uint(5);
    let known = linux::SPLICE_F_MOVE | linux::SPLICE_F_NONBLOCK | linux::SPLICE_F_MORE | linux::SPLICE_F_GIFT;
    if flags & !known != 0 {
        return Err(Errno::EINVAL);
    }
    let (from, to) = (vfs::file(args.int(0))?, vfs::file(args.int(2))?);
    if !from.is_readable() || !to.is_writable() {
        return Err(Errno::EBADF);
    }
    let waits = flags & linux::SPLICE_F_NONBLOCK == 0;
    match (&from.object, &to.object) {
        _ if to.flags() & linux::O_APPEND != 0 => Err(Errno::EINVAL),
        (Object::Pipe(one), Object::Pipe(other)) if one.number() == other.number() => Err(Errno::EINVAL),
        (Object::Pipe(pipe), _) => drain(pipe, &from, from_at, Position::new(to, to_at)?, len, waits),
        (_, Object::Pipe(pipe)) => {
            wait_for(&to, waits, || (pipe.room() > 0).then_some(()))?;
            copy(
                Position::new(from, from_at)?,
                Position::new(to.clone(), to_at)?,
                len.min(pipe.room() as u64),
            )
        }
        _ => Err(Errno::EINVAL),
    }
}

/// Waits for a pipe, unless the program does not want to.
fn wait_for<T>(file: &OpenFile, waits: bool, mut attempt: impl FnMut() -> Option<T>) -> Result<T, Errno> {
    if waits { file.wait_until(|| Ok(attempt())) } else { attempt().ok_or(Errno::EAGAIN) }
}

/// Moves what is in a pipe, at most a piece; what the other side does not take goes back.
fn drain(
    pipe: &PipeEnd,
    from: &Rc<OpenFile>,
    from_at: u64,
    mut to: Position,
    len: u64,
    waits: bool,
) -> SysResult {
    if from_at != 0 {
        return Err(Errno::ESPIPE);
    }
    let most = match &to.file.object {
        Object::Pipe(target) => {
            wait_for(&to.file, waits, || (target.room() > 0).then_some(()))?;
            target.room()
        }
        _ => COPY_PIECE,
    };
    let bytes = wait_for(from, waits, || pipe.take(most.min(usize::try_from(len).unwrap_or(most))))?;
    let written = to.file.write(&mut &bytes[..], to.file.is_seekable().then_some(to.at));
    let done = written.as_ref().map_or(0, |&done| done as usize);
    pipe.put_back(bytes.get(done..).unwrap_or_default());
    to.at = to.at.saturating_add(done as u64);
    to.done()?;
    written
}

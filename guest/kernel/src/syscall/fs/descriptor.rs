//! Descriptors: duplicate, close, control; pipes and counters; directory listings.
//!
//! Before: table. After: vfs::fd, vfs::pipe, vfs::event.

use alloc::rc::Rc;
use alloc::vec::Vec;

use linux_raw_sys::general as linux;
use linux_raw_sys::ioctl;

use super::terminal;
use crate::errno::{Args, Errno, SysResult};
use crate::user::{UserPtr, UserSlice};
use crate::vfs::event::EventCounter;
use crate::vfs::ops::Listed;
use crate::vfs::pipe::Pipe;
use crate::vfs::{self, Kind, Object, OpenFile};

/// Most bytes of one directory listing.
const LISTING_BYTES: usize = 64 * 1024;
/// F_SEAL_SEAL of fcntl.h: no seals can be added, as with memory files that were not made for sealing.
const SEALED: u64 = 1;
/// Flags of close_range(2), from linux/close_range.h.
const CLOSE_RANGE_UNSHARE: u32 = 1 << 1;
const CLOSE_RANGE_CLOEXEC: u32 = 1 << 2;

/// close(2).
pub fn sys_close(args: &Args) -> SysResult {
    // The file is dropped after the tree is free again.
    vfs::with(|vfs| vfs.fds.remove(args.int(0))).map(|_| 0)
}

/// close_range(2).
pub fn sys_close_range(args: &Args) -> SysResult {
    let [first, last, ..] = args.0;
    let flags = args.uint(2);
    if first > last || flags & !(CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE) != 0 {
        return Err(Errno::EINVAL);
    }
    let closed = vfs::with(|vfs| {
        let from = usize::try_from(first).unwrap_or(usize::MAX);
        let numbers: Vec<i32> = vfs.fds.numbers(from).take_while(|&fd| fd as u64 <= last).collect();
        let mut closed = Vec::new();
        for fd in numbers {
            if flags & CLOSE_RANGE_CLOEXEC != 0 {
                vfs.fds.set_close_on_exec(fd, true)?;
            } else {
                closed.push(vfs.fds.remove(fd)?);
            }
        }
        Ok(closed)
    })?;
    drop(closed);
    Ok(0)
}

fn duplicate(fd: i32, close_on_exec: bool, min: usize) -> SysResult {
    vfs::with(|vfs| {
        let file = vfs.fds.get(fd)?.clone();
        vfs.fds.add(file, close_on_exec, min)
    })
}

fn duplicate_to(old: i32, new: i32, close_on_exec: bool) -> SysResult {
    let target = usize::try_from(new).map_err(|_| Errno::EBADF)?;
    let replaced = vfs::with(|vfs| {
        let file = vfs.fds.get(old)?.clone();
        let replaced = vfs.fds.get(new).ok().cloned();
        vfs.fds.set(target, file, close_on_exec)?;
        Ok(replaced)
    })?;
    drop(replaced);
    Ok(target as u64)
}

/// dup(2).
pub fn sys_dup(args: &Args) -> SysResult {
    duplicate(args.int(0), false, 0)
}

/// dup2(2).
pub fn sys_dup2(args: &Args) -> SysResult {
    if args.int(0) == args.int(1) {
        return vfs::file(args.int(0)).map(|_| args.int(0) as u64);
    }
    duplicate_to(args.int(0), args.int(1), false)
}

/// dup3(2).
pub fn sys_dup3(args: &Args) -> SysResult {
    if args.int(0) == args.int(1) || args.uint(2) & !linux::O_CLOEXEC != 0 {
        return Err(Errno::EINVAL);
    }
    duplicate_to(args.int(0), args.int(1), args.uint(2) & linux::O_CLOEXEC != 0)
}

/// fcntl(2). Locks always succeed: there is nobody to hold another.
pub fn sys_fcntl(args: &Args) -> SysResult {
    let (fd, argument) = (args.int(0), args.0[2]);
    let file = vfs::file(fd)?;
    let command = args.uint(1);
    let on_path = [linux::F_DUPFD, linux::F_DUPFD_CLOEXEC, linux::F_GETFD, linux::F_SETFD, linux::F_GETFL];
    if file.is_path() && !on_path.contains(&command) {
        return Err(Errno::EBADF);
    }
    match command {
        linux::F_DUPFD | linux::F_DUPFD_CLOEXEC => {
            let min = usize::try_from(argument as i32)
                .ok()
                .filter(|&min| min < vfs::most_descriptors())
                .ok_or(Errno::EINVAL)?;
            duplicate(fd, command == linux::F_DUPFD_CLOEXEC, min)
        }
        linux::F_GETFD => vfs::with(|vfs| vfs.fds.close_on_exec(fd)).map(u64::from),
        linux::F_SETFD => {
            let close = argument & u64::from(linux::FD_CLOEXEC) != 0;
            vfs::with(|vfs| vfs.fds.set_close_on_exec(fd, close)).map(|()| 0)
        }
        linux::F_GETFL => Ok(u64::from(file.flags())),
        linux::F_SETFL => {
            file.set_flags(argument as u32);
            Ok(0)
        }
        linux::F_GETLK | linux::F_OFD_GETLK => {
            let lock = UserPtr::<linux::flock>::new(argument);
            let mut answer = lock.read()?;
            answer.l_type = linux::F_UNLCK as i16;
            lock.write(answer).map(|()| 0)
        }
        linux::F_SETLK | linux::F_SETLKW | linux::F_OFD_SETLK | linux::F_OFD_SETLKW => {
            let lock = UserPtr::<linux::flock>::new(argument).read()?;
            let known = [linux::F_RDLCK, linux::F_WRLCK, linux::F_UNLCK];
            if known.contains(&(lock.l_type as u32)) { Ok(0) } else { Err(Errno::EINVAL) }
        }
        linux::F_GETOWN | linux::F_SETOWN | linux::F_GETSIG | linux::F_SETSIG => Ok(0),
        linux::F_GETPIPE_SZ | linux::F_SETPIPE_SZ => match &file.object {
            Object::Pipe(end) if command == linux::F_SETPIPE_SZ => {
                end.set_capacity(argument as u32 as usize).map(|bytes| bytes as u64)
            }
            Object::Pipe(end) => Ok(end.capacity() as u64),
            _ => Err(Errno::EBADF),
        },
        linux::F_NOTIFY => stop_notifying(&file, argument as u32),
        linux::F_GET_SEALS if file.label == "memfd" => Ok(SEALED),
        linux::F_ADD_SEALS if file.label == "memfd" => Err(Errno::EPERM),
        _ => Err(Errno::EINVAL),
    }
}

/// F_NOTIFY of fcntl(2), which without events stops notifications that nobody asked for; with events it is not there.
fn stop_notifying(file: &OpenFile, events: u32) -> SysResult {
    if !matches!(&file.object, Object::Dir | Object::HostDir(_))
        && file.ram().is_none_or(|node| node.kind() != Kind::Dir)
    {
        return Err(Errno::ENOTDIR);
    }
    if events & !linux::DN_MULTISHOT == 0 { Ok(0) } else { Err(Errno::EINVAL) }
}

/// ioctl(2). Standard output and the like are no terminals, so whoever asks about one hears ENOTTY.
pub fn sys_ioctl(args: &Args) -> SysResult {
    let (fd, argument) = (args.int(0), args.0[2]);
    let file = vfs::file(fd)?;
    if file.is_path() {
        return Err(Errno::EBADF);
    }
    match args.uint(1) {
        ioctl::FIOCLEX => vfs::with(|vfs| vfs.fds.set_close_on_exec(fd, true)).map(|()| 0),
        ioctl::FIONCLEX => vfs::with(|vfs| vfs.fds.set_close_on_exec(fd, false)).map(|()| 0),
        ioctl::FIONREAD => {
            let waiting = file.waiting().ok_or(Errno::ENOTTY)?;
            UserPtr::<i32>::new(argument).write(i32::try_from(waiting).unwrap_or(i32::MAX)).map(|()| 0)
        }
        ioctl::FIONBIO => {
            let on = UserPtr::<i32>::new(argument).read()? != 0;
            let bit = if on { linux::O_NONBLOCK } else { 0 };
            file.set_flags(file.flags() & !linux::O_NONBLOCK | bit);
            Ok(0)
        }
        request => match &file.object {
            Object::Terminal(end) => terminal::control(end, request, argument),
            _ => Err(Errno::ENOTTY),
        },
    }
}

/// Puts two files into the table and tells the program their numbers; neither stays where one fails.
pub(super) fn add_pair(first: Rc<OpenFile>, second: Rc<OpenFile>, flags: u32, at: u64) -> SysResult {
    let close = flags & linux::O_CLOEXEC != 0;
    let (a, b) = vfs::with(|vfs| {
        let a = vfs.fds.add(first, close, 0)?;
        match vfs.fds.add(second, close, 0) {
            Ok(b) => Ok((a as i32, b as i32)),
            Err(error) => {
                vfs.fds.remove(a as i32)?;
                Err(error)
            }
        }
    })?;
    if let Err(error) = UserPtr::<[i32; 2]>::new(at).write([a, b]) {
        vfs::with(|vfs| vfs.fds.remove(a).and(vfs.fds.remove(b)))?;
        return Err(error);
    }
    Ok(0)
}

fn make_pipe(at: u64, flags: u32) -> SysResult {
    if flags & !(linux::O_CLOEXEC | linux::O_NONBLOCK | linux::O_DIRECT) != 0 {
        return Err(Errno::EINVAL);
    }
    let (read, write) = vfs::with(|vfs| Pipe::pair(&vfs.space))?;
    let status = flags & linux::O_NONBLOCK;
    let read = OpenFile::anonymous(Object::Pipe(read), "pipe", linux::O_RDONLY | status);
    let write = OpenFile::anonymous(Object::Pipe(write), "pipe", linux::O_WRONLY | status);
    add_pair(read, write, flags, at)
}

/// pipe(2).
pub fn sys_pipe(args: &Args) -> SysResult {
    make_pipe(args.0[0], 0)
}

/// pipe2(2).
pub fn sys_pipe2(args: &Args) -> SysResult {
    make_pipe(args.0[0], args.uint(1))
}

fn make_counter(value: u32, flags: u32) -> SysResult {
    if flags & !(linux::EFD_CLOEXEC | linux::EFD_NONBLOCK | linux::EFD_SEMAPHORE) != 0 {
        return Err(Errno::EINVAL);
    }
    vfs::with(|vfs| {
        let counter = EventCounter::new(&vfs.space, value, flags & linux::EFD_SEMAPHORE != 0)?;
        let status = linux::O_RDWR | flags & linux::EFD_NONBLOCK;
        let file = OpenFile::anonymous(Object::Event(counter), "eventfd", status);
        vfs.fds.add(file, flags & linux::EFD_CLOEXEC != 0, 0)
    })
}

/// eventfd(2), the first form.
pub fn sys_eventfd(args: &Args) -> SysResult {
    make_counter(args.uint(0), 0)
}

/// eventfd2(2).
pub fn sys_eventfd2(args: &Args) -> SysResult {
    make_counter(args.uint(0), args.uint(1))
}

/// The shape of one entry in a listing.
#[derive(Clone, Copy)]
enum Form {
    /// struct linux_dirent64: type before the name.
    With64,
    /// struct linux_dirent: type in the last byte.
    Old,
}

fn entry_bytes(entry: &Listed<'_>, form: Form) -> Vec<u8> {
    let fixed = if matches!(form, Form::With64) { 19 } else { 18 };
    let ending = if matches!(form, Form::With64) { 1 } else { 2 };
    let len = (fixed + entry.name.len() + ending).next_multiple_of(8);
    let mut bytes = Vec::with_capacity(len);
    bytes.extend_from_slice(&entry.number.to_le_bytes());
    bytes.extend_from_slice(&entry.next.to_le_bytes());
    bytes.extend_from_slice(&(len as u16).to_le_bytes());
    if matches!(form, Form::With64) {
        bytes.push(entry.kind.entry_type());
    }
    bytes.extend_from_slice(entry.name);
    bytes.resize(len, 0);
    if matches!(form, Form::Old) {
        bytes[len - 1] = entry.kind.entry_type();
    }
    bytes
}

fn list(args: &Args, form: Form) -> SysResult {
    let file = vfs::file(args.int(0))?;
    let room = (args.uint(2) as usize).min(LISTING_BYTES);
    if file.is_path() {
        return Err(Errno::EBADF);
    }
    let place = file.place.as_ref().ok_or(Errno::ENOTDIR)?;
    let mut bytes = Vec::new();
    let mut next = file.offset();
    let mut is_cut = false;
    let mut visit = |entry: Listed<'_>| {
        let entry_bytes = entry_bytes(&entry, form);
        is_cut = bytes.len() + entry_bytes.len() > room;
        if !is_cut {
            bytes.extend_from_slice(&entry_bytes);
            next = entry.next;
        }
        !is_cut
    };
    match &file.object {
        Object::HostDir(dir) => dir.list(file.offset(), &mut visit)?,
        _ => vfs::with(|vfs| vfs.list(place, file.offset(), &mut visit))?,
    }
    if is_cut && bytes.is_empty() {
        return Err(Errno::EINVAL);
    }
    UserSlice::new(args.0[1], room as u64)?.write(&bytes)?;
    file.set_offset(next);
    Ok(bytes.len() as u64)
}

/// getdents64(2).
pub fn sys_getdents64(args: &Args) -> SysResult {
    list(args, Form::With64)
}

/// getdents(2).
pub fn sys_getdents(args: &Args) -> SysResult {
    list(args, Form::Old)
}

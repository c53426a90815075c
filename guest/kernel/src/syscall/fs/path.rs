//! Names: open, create, remove, rename, link; working directory; permissions and times.
//!
//! Before: table. After: vfs::ops.

use alloc::rc::Rc;
use alloc::vec::Vec;

use linux_raw_sys::general as linux;

use super::offset;
use super::stat::start_for;
use crate::errno::{Args, Errno, SysResult};
use crate::user::{self, UserPtr, UserSlice};
use crate::vfs::file::check_new_size;
use crate::vfs::ops::Taken;
use crate::vfs::path::Follow;
use crate::vfs::{self, Inode, Kind, Node, OpenFile, Place, Time, Vfs};

fn open_at(dirfd: i32, path: u64, flags: u32, mode: u32) -> SysResult {
    let path = user::read_path(path)?;
    let file = vfs::with(|vfs| {
        let start = start_for(vfs, dirfd, &path)?;
        vfs.open(start, &path, flags, mode & 0o7777)
    })?;
    file.wait_for_partner()?;
    vfs::with(|vfs| vfs.fds.add(file, flags & linux::O_CLOEXEC != 0, 0))
}

/// open(2).
pub fn sys_open(args: &Args) -> SysResult {
    open_at(linux::AT_FDCWD, args.0[0], args.uint(1), args.uint(2))
}

/// openat(2).
pub fn sys_openat(args: &Args) -> SysResult {
    open_at(args.int(0), args.0[1], args.uint(2), args.uint(3))
}

/// creat(2).
pub fn sys_creat(args: &Args) -> SysResult {
    open_at(linux::AT_FDCWD, args.0[0], linux::O_CREAT | linux::O_WRONLY | linux::O_TRUNC, args.uint(1))
}

/// openat2(2), without the ways of confining a path.
pub fn sys_openat2(args: &Args) -> SysResult {
    let [_, path, how, size, ..] = args.0;
    if size < size_of::<linux::open_how>() as u64 {
        return Err(Errno::EINVAL);
    }
    let how = UserPtr::<linux::open_how>::new(how).read()?;
    if how.resolve != 0 || how.flags > u64::from(u32::MAX) || how.mode & !0o7777 != 0 {
        return Err(Errno::EINVAL);
    }
    open_at(args.int(0), path, how.flags as u32, how.mode as u32)
}

/// memfd_create(2). Seals are not kept.
pub fn sys_memfd_create(args: &Args) -> SysResult {
    // Linux: at most 249 bytes, the rest of NAME_MAX being "memfd:".
    user::read_cstr(args.0[0], 250).map_err(|e| if e == Errno::ENAMETOOLONG { Errno::EINVAL } else { e })?;
    let known = linux::MFD_CLOEXEC | linux::MFD_ALLOW_SEALING | linux::MFD_NOEXEC_SEAL | linux::MFD_EXEC;
    if args.uint(1) & !known != 0 {
        return Err(Errno::EINVAL);
    }
    vfs::with(|vfs| {
        let file = vfs.memory_file()?;
        vfs.fds.add(file, args.uint(1) & linux::MFD_CLOEXEC != 0, 0)
    })
}

fn make_dir_at(dirfd: i32, path: u64, mode: u32) -> SysResult {
    let path = user::read_path(path)?;
    vfs::with(|vfs| vfs.make_dir(start_for(vfs, dirfd, &path)?, &path, mode).map(|()| 0))
}

/// mkdir(2).
pub fn sys_mkdir(args: &Args) -> SysResult {
    make_dir_at(linux::AT_FDCWD, args.0[0], args.uint(1))
}

/// mkdirat(2).
pub fn sys_mkdirat(args: &Args) -> SysResult {
    make_dir_at(args.int(0), args.0[1], args.uint(2))
}

fn make_node_at(dirfd: i32, path: u64, mode: u32) -> SysResult {
    let path = user::read_path(path)?;
    let kind = match mode & linux::S_IFMT {
        0 | linux::S_IFREG => Kind::File,
        linux::S_IFIFO => Kind::Fifo,
        linux::S_IFCHR | linux::S_IFBLK | linux::S_IFSOCK | linux::S_IFDIR => return Err(Errno::EPERM),
        _ => return Err(Errno::EINVAL),
    };
    vfs::with(|vfs| vfs.make_node(start_for(vfs, dirfd, &path)?, &path, kind, mode & 0o7777).map(|()| 0))
}

/// mknod(2), of pipes and regular files.
pub fn sys_mknod(args: &Args) -> SysResult {
    make_node_at(linux::AT_FDCWD, args.0[0], args.uint(1))
}

/// mknodat(2).
pub fn sys_mknodat(args: &Args) -> SysResult {
    make_node_at(args.int(0), args.0[1], args.uint(2))
}

fn remove_at(dirfd: i32, path: u64, flags: u32) -> SysResult {
    if flags & !linux::AT_REMOVEDIR != 0 {
        return Err(Errno::EINVAL);
    }
    let path = user::read_path(path)?;
    vfs::with(|vfs| {
        let start = start_for(vfs, dirfd, &path)?;
        if flags & linux::AT_REMOVEDIR != 0 { vfs.remove_dir(start, &path) } else { vfs.unlink(start, &path) }
    })
    .map(|()| 0)
}

/// rmdir(2).
pub fn sys_rmdir(args: &Args) -> SysResult {
    remove_at(linux::AT_FDCWD, args.0[0], linux::AT_REMOVEDIR)
}

/// unlink(2).
pub fn sys_unlink(args: &Args) -> SysResult {
    remove_at(linux::AT_FDCWD, args.0[0], 0)
}

/// unlinkat(2).
pub fn sys_unlinkat(args: &Args) -> SysResult {
    remove_at(args.int(0), args.0[1], args.uint(2))
}

fn rename_at(old: (i32, u64), new: (i32, u64), flags: u32) -> SysResult {
    let taken = match flags {
        0 => Taken::Replace,
        linux::RENAME_NOREPLACE => Taken::Keep,
        _ => return Err(Errno::EINVAL),
    };
    let (from, to) = (user::read_path(old.1)?, user::read_path(new.1)?);
    vfs::with(|vfs| {
        let old = (start_for(vfs, old.0, &from)?, &from[..]);
        let new = (start_for(vfs, new.0, &to)?, &to[..]);
        vfs.rename(old, new, taken).map(|()| 0)
    })
}

/// rename(2).
pub fn sys_rename(args: &Args) -> SysResult {
    rename_at((linux::AT_FDCWD, args.0[0]), (linux::AT_FDCWD, args.0[1]), 0)
}

/// renameat(2).
pub fn sys_renameat(args: &Args) -> SysResult {
    rename_at((args.int(0), args.0[1]), (args.int(2), args.0[3]), 0)
}

/// renameat2(2), without exchange and whiteout.
pub fn sys_renameat2(args: &Args) -> SysResult {
    rename_at((args.int(0), args.0[1]), (args.int(2), args.0[3]), args.uint(4))
}

fn link_at(old: (i32, u64), new: (i32, u64), flags: u32) -> SysResult {
    if flags & !(linux::AT_SYMLINK_FOLLOW | linux::AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let (from, to) = (user::read_path(old.1)?, user::read_path(new.1)?);
    vfs::with(|vfs| {
        let source = if from.is_empty() && flags & linux::AT_EMPTY_PATH != 0 {
            let file = vfs.fds.get(old.0)?.clone();
            file.place.clone().unwrap_or_else(|| Place::of(Node::Open(file)))
        } else {
            let follow = if flags & linux::AT_SYMLINK_FOLLOW != 0 { Follow::Yes } else { Follow::No };
            vfs.resolve(start_for(vfs, old.0, &from)?, &from, follow)?
        };
        vfs.hard_link(&source, start_for(vfs, new.0, &to)?, &to).map(|()| 0)
    })
}

/// link(2).
pub fn sys_link(args: &Args) -> SysResult {
    link_at((linux::AT_FDCWD, args.0[0]), (linux::AT_FDCWD, args.0[1]), 0)
}

/// linkat(2).
pub fn sys_linkat(args: &Args) -> SysResult {
    link_at((args.int(0), args.0[1]), (args.int(2), args.0[3]), args.uint(4))
}

fn symlink_at(target: u64, dirfd: i32, path: u64) -> SysResult {
    let (target, path) = (user::read_path(target)?, user::read_path(path)?);
    vfs::with(|vfs| vfs.make_link(&target, start_for(vfs, dirfd, &path)?, &path).map(|()| 0))
}

/// symlink(2).
pub fn sys_symlink(args: &Args) -> SysResult {
    symlink_at(args.0[0], linux::AT_FDCWD, args.0[1])
}

/// symlinkat(2).
pub fn sys_symlinkat(args: &Args) -> SysResult {
    symlink_at(args.0[0], args.int(1), args.0[2])
}

fn readlink_at(dirfd: i32, path: u64, to: u64, len: u64) -> SysResult {
    if len as i32 <= 0 {
        return Err(Errno::EINVAL);
    }
    let path = user::read_path(path)?;
    let text = vfs::with(|vfs| {
        let place = if path.is_empty() {
            let place = vfs.start_of(dirfd)?;
            // An empty path means the descriptor, which only a link opened by O_PATH makes sense of.
            if vfs.kind(&place.node) == Kind::Link { place } else { return Err(Errno::ENOENT) }
        } else {
            vfs.resolve(start_for(vfs, dirfd, &path)?, &path, Follow::No)?
        };
        vfs.link_text(&place.node)
    })?;
    let n = text.len().min(len as usize);
    UserSlice::new(to, n as u64)?.write(&text[..n])?;
    Ok(n as u64)
}

/// readlink(2).
pub fn sys_readlink(args: &Args) -> SysResult {
    readlink_at(linux::AT_FDCWD, args.0[0], args.0[1], args.0[2])
}

/// readlinkat(2).
pub fn sys_readlinkat(args: &Args) -> SysResult {
    readlink_at(args.int(0), args.0[1], args.0[2], args.0[3])
}

/// getcwd(2): the path with its NUL, and its length with it.
pub fn sys_getcwd(args: &Args) -> SysResult {
    let mut path: Vec<u8> = vfs::with(|vfs| {
        if matches!(&vfs.cwd.node, Node::Ram(node) if node.is_removed()) {
            return Err(Errno::ENOENT);
        }
        Ok(vfs.path_of(&vfs.cwd))
    })?;
    path.push(0);
    if (path.len() as u64) > args.0[1] {
        return Err(Errno::ERANGE);
    }
    UserSlice::new(args.0[0], path.len() as u64)?.write(&path)?;
    Ok(path.len() as u64)
}

/// chdir(2).
pub fn sys_chdir(args: &Args) -> SysResult {
    let path = user::read_path(args.0[0])?;
    vfs::with(|vfs| {
        let place = vfs.resolve(vfs.cwd.clone(), &path, Follow::Yes)?;
        vfs.expect_dir(&place)?;
        vfs.cwd = place;
        Ok(0)
    })
}

/// fchdir(2).
pub fn sys_fchdir(args: &Args) -> SysResult {
    vfs::with(|vfs| {
        let place = vfs.fds.get(args.int(0))?.place.clone().ok_or(Errno::ENOTDIR)?;
        vfs.expect_dir(&place)?;
        vfs.cwd = place;
        Ok(0)
    })
}

/// umask(2).
pub fn sys_umask(args: &Args) -> SysResult {
    vfs::with(|vfs| Ok(u64::from(core::mem::replace(&mut vfs.umask, args.uint(0) & 0o777))))
}

/// What can be changed at a place; everything else is read-only.
fn writable(node: &Node) -> Result<Inode, Errno> {
    match node {
        Node::Ram(node) => Ok(Inode::Ram(node.clone())),
        Node::Host(node) => Ok(Inode::Host(node.clone())),
        Node::Open(file) => file.ram().cloned().map(Inode::Ram).ok_or(Errno::EPERM),
        Node::Special(_) | Node::Descriptor(_) | Node::Thread(..) | Node::Terminal(_) => Err(Errno::EPERM),
        Node::Image(_) | Node::Point(_) => Err(Errno::EROFS),
    }
}

fn writable_file(file: &Rc<OpenFile>) -> Result<Inode, Errno> {
    match &file.place {
        Some(place) => writable(&place.node),
        None => writable(&Node::Open(file.clone())),
    }
}

fn writable_at(vfs: &Vfs, dirfd: i32, path: &[u8], flags: u32) -> Result<Inode, Errno> {
    if path.is_empty() && flags & linux::AT_EMPTY_PATH != 0 {
        return writable_file(vfs.fds.get(dirfd)?);
    }
    let follow = if flags & linux::AT_SYMLINK_NOFOLLOW != 0 { Follow::No } else { Follow::Yes };
    writable(&vfs.resolve(start_for(vfs, dirfd, path)?, path, follow)?.node)
}

fn chmod_at(dirfd: i32, path: u64, mode: u32, flags: u32) -> SysResult {
    let path = user::read_path(path)?;
    vfs::with(|vfs| {
        let node = writable_at(vfs, dirfd, &path, flags)?;
        if node.kind() == Kind::Link {
            return Err(Errno::EOPNOTSUPP);
        }
        node.set_permissions(mode).map(|()| 0)
    })
}

/// chmod(2).
pub fn sys_chmod(args: &Args) -> SysResult {
    chmod_at(linux::AT_FDCWD, args.0[0], args.uint(1), 0)
}

/// fchmodat(2), which has no flags in the kernel.
pub fn sys_fchmodat(args: &Args) -> SysResult {
    chmod_at(args.int(0), args.0[1], args.uint(2), 0)
}

/// fchmodat2(2).
pub fn sys_fchmodat2(args: &Args) -> SysResult {
    chmod_at(args.int(0), args.0[1], args.uint(2), args.uint(3))
}

/// fchmod(2).
pub fn sys_fchmod(args: &Args) -> SysResult {
    let node = writable_file(&open_file(args.int(0))?)?;
    node.set_permissions(args.uint(1)).map(|()| 0)
}

fn open_file(fd: i32) -> Result<Rc<OpenFile>, Errno> {
    let file = vfs::file(fd)?;
    if file.is_path() { Err(Errno::EBADF) } else { Ok(file) }
}

/// The owner or group of chown(2), of which -1 leaves what it is.
fn wanted_id(id: u32) -> Option<u32> {
    (id != u32::MAX).then_some(id)
}

fn chown_at(dirfd: i32, path: u64, owner: u32, group: u32, flags: u32) -> SysResult {
    let path = user::read_path(path)?;
    vfs::with(|vfs| {
        let node = writable_at(vfs, dirfd, &path, flags)?;
        node.set_owner(wanted_id(owner), wanted_id(group));
        Ok(0)
    })
}

/// chown(2): of what is in memory.
pub fn sys_chown(args: &Args) -> SysResult {
    chown_at(linux::AT_FDCWD, args.0[0], args.uint(1), args.uint(2), 0)
}

/// lchown(2).
pub fn sys_lchown(args: &Args) -> SysResult {
    chown_at(linux::AT_FDCWD, args.0[0], args.uint(1), args.uint(2), linux::AT_SYMLINK_NOFOLLOW)
}

/// fchown(2).
pub fn sys_fchown(args: &Args) -> SysResult {
    let node = writable_file(&open_file(args.int(0))?)?;
    node.set_owner(wanted_id(args.uint(1)), wanted_id(args.uint(2)));
    Ok(0)
}

/// fchownat(2).
pub fn sys_fchownat(args: &Args) -> SysResult {
    chown_at(args.int(0), args.0[1], args.uint(2), args.uint(3), args.uint(4))
}

/// truncate(2).
pub fn sys_truncate(args: &Args) -> SysResult {
    let path = user::read_path(args.0[0])?;
    let size = offset(args.0[1])?;
    vfs::with(|vfs| {
        let place = vfs.resolve(vfs.cwd.clone(), &path, Follow::Yes)?;
        if vfs.kind(&place.node) == Kind::Dir {
            return Err(Errno::EISDIR);
        }
        let node = writable(&place.node)?;
        check_new_size(vfs.meta(&place.node).size, size)?;
        node.set_size(size).map(|()| 0)
    })
}

/// One of the two times of utimensat(2): `None` leaves it.
fn wanted_time(time: linux::timespec) -> Result<Option<Time>, Errno> {
    match time.tv_nsec {
        nanos if nanos == i64::from(linux::UTIME_NOW) => Ok(Some(Time::now())),
        nanos if nanos == i64::from(linux::UTIME_OMIT) => Ok(None),
        nanos @ 0..=999_999_999 => Ok(Some(Time { seconds: time.tv_sec, nanos: nanos as u32 })),
        _ => Err(Errno::EINVAL),
    }
}

fn set_times(dirfd: i32, path: u64, flags: u32, accessed: Option<Time>, modified: Option<Time>) -> SysResult {
    if path == 0 {
        // utimensat with no path means the descriptor: this is how futimens(3) works.
        let node = writable_file(&open_file(dirfd)?)?;
        return node.set_times(accessed, modified).map(|()| 0);
    }
    let path = user::read_path(path)?;
    vfs::with(|vfs| {
        let node = writable_at(vfs, dirfd, &path, flags)?;
        node.set_times(accessed, modified).map(|()| 0)
    })
}

/// utimensat(2).
pub fn sys_utimensat(args: &Args) -> SysResult {
    let flags = args.uint(3);
    if flags & !(linux::AT_SYMLINK_NOFOLLOW | linux::AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    let times = UserPtr::<linux::timespec>::new(args.0[2]);
    let (accessed, modified) = if times.is_null() {
        (Some(Time::now()), Some(Time::now()))
    } else {
        (wanted_time(times.read()?)?, wanted_time(times.element(1)?.read()?)?)
    };
    set_times(args.int(0), args.0[1], flags, accessed, modified)
}

/// The two times of the calls with microseconds.
fn timevals(at: u64) -> Result<(Time, Time), Errno> {
    let times = UserPtr::<linux::timeval>::new(at);
    if times.is_null() {
        return Ok((Time::now(), Time::now()));
    }
    let time = |value: linux::timeval| match value.tv_usec {
        micros @ 0..=999_999 => Ok(Time { seconds: value.tv_sec, nanos: micros as u32 * 1000 }),
        _ => Err(Errno::EINVAL),
    };
    Ok((time(times.read()?)?, time(times.element(1)?.read()?)?))
}

/// utimes(2).
pub fn sys_utimes(args: &Args) -> SysResult {
    let (accessed, modified) = timevals(args.0[1])?;
    let path = if args.0[0] == 0 { return Err(Errno::EFAULT) } else { args.0[0] };
    set_times(linux::AT_FDCWD, path, 0, Some(accessed), Some(modified))
}

/// futimesat(2).
pub fn sys_futimesat(args: &Args) -> SysResult {
    let (accessed, modified) = timevals(args.0[2])?;
    set_times(args.int(0), args.0[1], 0, Some(accessed), Some(modified))
}

/// utime(2): whole seconds.
pub fn sys_utime(args: &Args) -> SysResult {
    if args.0[0] == 0 {
        return Err(Errno::EFAULT);
    }
    let times = UserPtr::<[i64; 2]>::new(args.0[1]);
    let (accessed, modified) = if times.is_null() {
        (Time::now(), Time::now())
    } else {
        let [accessed, modified] = times.read()?;
        (Time::from_seconds(accessed), Time::from_seconds(modified))
    };
    set_times(linux::AT_FDCWD, args.0[0], 0, Some(accessed), Some(modified))
}

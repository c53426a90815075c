//! What files are: stat and its relatives, access, file systems.
//!
//! Before: table. After: vfs::path.

use linux_raw_sys::general as linux;

use crate::errno::{Args, Errno, SysResult};
use crate::user::{self, UserPtr};
use crate::vfs::hostfs;
use crate::vfs::path::{Follow, check_access};
use crate::vfs::{self, Kind, Meta, Node, Object, Time, Vfs};

/// Preferred size of reads and writes.
const BLOCK_BYTES: u64 = 4096;
/// Preferred size for files of the host: each call is a question to it.
const HOST_BLOCK_BYTES: u64 = 64 * 1024;
/// Size of the host's file system as statfs(2) shows it, in blocks: 1 TiB.
const HOST_BLOCKS: u64 = 1 << 28;
/// linux/magic.h, of the file systems that the program sees.
const SQUASHFS_MAGIC: u32 = 0x7371_7368;

fn block_bytes(meta: &Meta) -> u64 {
    if meta.device >= hostfs::DEVICE { HOST_BLOCK_BYTES } else { BLOCK_BYTES }
}

/// st_dev as the C library takes it apart: minor number in the low byte.
fn to_stat(meta: &Meta) -> linux::stat {
    linux::stat {
        st_dev: meta.device,
        st_ino: meta.number,
        st_nlink: u64::from(meta.links),
        st_mode: meta.mode,
        st_uid: meta.owner,
        st_gid: meta.group,
        __pad0: 0,
        st_rdev: meta.special_device,
        st_size: meta.size as i64,
        st_blksize: block_bytes(meta) as i64,
        st_blocks: meta.blocks as i64,
        st_atime: meta.accessed.seconds as u64,
        st_atime_nsec: u64::from(meta.accessed.nanos),
        st_mtime: meta.modified.seconds as u64,
        st_mtime_nsec: u64::from(meta.modified.nanos),
        st_ctime: meta.changed.seconds as u64,
        st_ctime_nsec: u64::from(meta.changed.nanos),
        __unused: [0; 3],
    }
}

fn to_statx(meta: &Meta) -> linux::statx {
    let time = |t: Time| linux::statx_timestamp { tv_sec: t.seconds, tv_nsec: t.nanos, __reserved: 0 };
    linux::statx {
        stx_mask: linux::STATX_BASIC_STATS | linux::STATX_BTIME,
        stx_blksize: block_bytes(meta) as u32,
        stx_attributes: 0,
        stx_nlink: meta.links,
        stx_uid: meta.owner,
        stx_gid: meta.group,
        stx_mode: meta.mode as u16,
        __spare0: [0],
        stx_ino: meta.number,
        stx_size: meta.size,
        stx_blocks: meta.blocks,
        stx_attributes_mask: 0,
        stx_atime: time(meta.accessed),
        stx_btime: time(meta.born),
        stx_ctime: time(meta.changed),
        stx_mtime: time(meta.modified),
        stx_rdev_major: (meta.special_device >> 8) as u32,
        stx_rdev_minor: (meta.special_device & 0xff) as u32,
        stx_dev_major: (meta.device >> 8) as u32,
        stx_dev_minor: (meta.device & 0xff) as u32,
        stx_mnt_id: 0,
        stx_dio_mem_align: 0,
        stx_dio_offset_align: 0,
        stx_subvol: 0,
        stx_atomic_write_unit_min: 0,
        stx_atomic_write_unit_max: 0,
        stx_atomic_write_segments_max: 0,
        stx_dio_read_offset_align: 0,
        stx_atomic_write_unit_max_opt: 0,
        __spare2: [0],
        __spare3: [0; 8],
    }
}

/// Meta of a path, or of the descriptor itself for an empty one with AT_EMPTY_PATH.
fn meta_at(dirfd: i32, path: u64, flags: u32) -> Result<Meta, Errno> {
    let path = if path == 0 && flags & linux::AT_EMPTY_PATH != 0 {
        Default::default()
    } else {
        user::read_path(path)?
    };
    vfs::with(|vfs| {
        if path.is_empty() && flags & linux::AT_EMPTY_PATH != 0 {
            return meta_of_fd(vfs, dirfd);
        }
        let follow = if flags & linux::AT_SYMLINK_NOFOLLOW != 0 { Follow::No } else { Follow::Yes };
        let start = start_for(vfs, dirfd, &path)?;
        let place = vfs.resolve(start, &path, follow)?;
        Ok(vfs.meta(&place.node))
    })
}

fn meta_of_fd(vfs: &Vfs, fd: i32) -> Result<Meta, Errno> {
    if fd == linux::AT_FDCWD {
        return Ok(vfs.meta(&vfs.cwd.node));
    }
    Ok(vfs.file_meta(vfs.fds.get(fd)?))
}

/// Where a relative path starts; an absolute one asks nothing of the descriptor, and an empty one leads nowhere.
pub(super) fn start_for(vfs: &Vfs, dirfd: i32, path: &[u8]) -> Result<vfs::Place, Errno> {
    match path.first() {
        None => Err(Errno::ENOENT),
        Some(b'/') => Ok(vfs.root()),
        Some(_) => vfs.start_of(dirfd),
    }
}

/// stat(2).
pub fn sys_stat(args: &Args) -> SysResult {
    let meta = meta_at(linux::AT_FDCWD, args.0[0], 0)?;
    UserPtr::new(args.0[1]).write(to_stat(&meta)).map(|()| 0)
}

/// lstat(2).
pub fn sys_lstat(args: &Args) -> SysResult {
    let meta = meta_at(linux::AT_FDCWD, args.0[0], linux::AT_SYMLINK_NOFOLLOW)?;
    UserPtr::new(args.0[1]).write(to_stat(&meta)).map(|()| 0)
}

/// fstat(2).
pub fn sys_fstat(args: &Args) -> SysResult {
    let meta = vfs::with(|vfs| Ok(vfs.file_meta(vfs.fds.get(args.int(0))?)))?;
    UserPtr::new(args.0[1]).write(to_stat(&meta)).map(|()| 0)
}

/// newfstatat(2).
pub fn sys_newfstatat(args: &Args) -> SysResult {
    let flags = args.uint(3);
    if flags & !(linux::AT_EMPTY_PATH | linux::AT_SYMLINK_NOFOLLOW | linux::AT_NO_AUTOMOUNT) != 0 {
        return Err(Errno::EINVAL);
    }
    let meta = meta_at(args.int(0), args.0[1], flags)?;
    UserPtr::new(args.0[2]).write(to_stat(&meta)).map(|()| 0)
}

/// statx(2).
pub fn sys_statx(args: &Args) -> SysResult {
    let flags = args.uint(2);
    let known = linux::AT_EMPTY_PATH
        | linux::AT_SYMLINK_NOFOLLOW
        | linux::AT_NO_AUTOMOUNT
        | linux::AT_STATX_SYNC_TYPE;
    if flags & !known != 0 {
        return Err(Errno::EINVAL);
    }
    let meta = meta_at(args.int(0), args.0[1], flags)?;
    UserPtr::new(args.0[4]).write(to_statx(&meta)).map(|()| 0)
}

fn access_at(dirfd: i32, path: u64, wanted: u32, flags: u32) -> SysResult {
    if wanted & !(linux::R_OK | linux::W_OK | linux::X_OK) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = user::read_path(path)?;
    vfs::with(|vfs| {
        let empty = path.is_empty() && flags & linux::AT_EMPTY_PATH != 0;
        let follow = if flags & linux::AT_SYMLINK_NOFOLLOW != 0 { Follow::No } else { Follow::Yes };
        let place = if empty {
            vfs.start_of(dirfd)?
        } else {
            vfs.resolve(start_for(vfs, dirfd, &path)?, &path, follow)?
        };
        let meta = vfs.meta(&place.node);
        let is_device = meta.kind() == Kind::Char;
        if wanted & linux::W_OK != 0 && !is_device {
            match place.node {
                Node::Image(_) | Node::Point(_) => return Err(Errno::EROFS),
                Node::Host(node) if !vfs.may_write(&node) => return Err(Errno::EROFS),
                Node::Host(_) => {}
                Node::Special(_) | Node::Thread(_, Some(_)) => return Err(Errno::EACCES),
                Node::Ram(_)
                | Node::Descriptor(_)
                | Node::Open(_)
                | Node::Thread(_, None)
                | Node::Terminal(_) => {}
            }
        }
        check_access(&meta, wanted).map(|()| 0)
    })
}

/// access(2).
pub fn sys_access(args: &Args) -> SysResult {
    access_at(linux::AT_FDCWD, args.0[0], args.uint(1), 0)
}

/// faccessat(2).
pub fn sys_faccessat(args: &Args) -> SysResult {
    access_at(args.int(0), args.0[1], args.uint(2), 0)
}

/// faccessat2(2).
pub fn sys_faccessat2(args: &Args) -> SysResult {
    if args.uint(3) & !(linux::AT_EACCESS | linux::AT_SYMLINK_NOFOLLOW | linux::AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL);
    }
    access_at(args.int(0), args.0[1], args.uint(2), args.uint(3))
}

fn put_statfs(vfs: &Vfs, node: &Node, at: u64) -> SysResult {
    let (used, free) = (vfs.space.used() / BLOCK_BYTES, vfs.space.free() / BLOCK_BYTES);
    let read_only = i64::from(linux::MS_RDONLY);
    let (magic, blocks, free, flags) = match node {
        Node::Ram(_) => (linux::TMPFS_MAGIC, used + free, free, 0),
        Node::Image(_) | Node::Point(_) => (SQUASHFS_MAGIC, 1, 0, read_only),
        // How full the host is, is its business.
        Node::Host(node) if vfs.may_write(node) => (linux::FUSE_SUPER_MAGIC, HOST_BLOCKS, HOST_BLOCKS, 0),
        Node::Host(_) => (linux::FUSE_SUPER_MAGIC, HOST_BLOCKS, 0, read_only),
        Node::Terminal(_) => (linux::DEVPTS_SUPER_MAGIC, 0, 0, 0),
        Node::Special(_) | Node::Descriptor(_) | Node::Thread(..) => {
            (linux::PROC_SUPER_MAGIC, 0, 0, read_only)
        }
        Node::Open(_) => (linux::PIPEFS_MAGIC, 0, 0, 0),
    };
    let entry = linux::statfs {
        f_type: i64::from(magic),
        f_bsize: BLOCK_BYTES as i64,
        f_blocks: blocks as i64,
        f_bfree: free as i64,
        f_bavail: free as i64,
        f_files: blocks as i64,
        f_ffree: free as i64,
        f_fsid: linux::__kernel_fsid_t { val: [0; 2] },
        f_namelen: vfs::path::NAME_MAX as i64,
        f_frsize: BLOCK_BYTES as i64,
        f_flags: flags,
        f_spare: [0; 4],
    };
    UserPtr::new(at).write(entry).map(|()| 0)
}

/// statfs(2).
pub fn sys_statfs(args: &Args) -> SysResult {
    let path = user::read_path(args.0[0])?;
    vfs::with(|vfs| {
        let place = vfs.resolve(vfs.cwd.clone(), &path, Follow::Yes)?;
        put_statfs(vfs, &place.node, args.0[1])
    })
}

/// fstatfs(2).
pub fn sys_fstatfs(args: &Args) -> SysResult {
    vfs::with(|vfs| {
        let file = vfs.fds.get(args.int(0))?.clone();
        let node = match (&file.place, &file.object) {
            (Some(place), _) => place.node.clone(),
            (None, Object::Ram(node)) => Node::Ram(node.clone()),
            (None, _) => Node::Open(file),
        };
        put_statfs(vfs, &node, args.0[1])
    })
}

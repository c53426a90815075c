//! Each request of the guest as what it does to a mounted directory.
//!
//! Guarantees: a path was checked by `admit` and is resolved beneath its directory here; a file is opened without waiting
//! and kept only if it is a regular file. Never: decides by a name.
//!
//! Before: `mount`. After: `handle`, cap-std.

use std::io;
use std::os::unix::ffi::OsStrExt;

use cap_std::fs::{
    DirBuilder, DirBuilderExt, File, MetadataExt, OpenOptions, OpenOptionsExt, Permissions, PermissionsExt,
};
use hypercell_abi::message::{FilePath, FileRequest, OpenFlags};
use rustix::fs::{OFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;

use crate::audit::FileDenial;

use super::budget::FileBudgets;
use super::handle::{Handle, Object, stat_of};
use super::{Answer, MountGate, Outcome, Refusal, path_of};

/// The permission bits that a guest can set: no set-id bits, which would outlive the run.
const PERMISSIONS: u32 = 0o777;
const NANOS: i64 = 1_000_000_000;
/// File systems of linux/magic.h whose files are no data.
const PROC_FS: i64 = 0x9fa0;
const SYS_FS: i64 = 0x6265_6572;
const DEBUG_FS: i64 = 0x6462_6720;
const TRACE_FS: i64 = 0x7472_6163;
const SECURITY_FS: i64 = 0x7363_6673;

/// Whether a request changes what it names.
pub(super) fn changes(request: &FileRequest<'_>) -> bool {
    match request {
        FileRequest::Open { flags, .. } => {
            [OpenFlags::WRITE, OpenFlags::APPEND, OpenFlags::CREATE, OpenFlags::TRUNCATE]
                .into_iter()
                .any(|flag| flags.has(flag))
        }
        FileRequest::MakeDir { .. }
        | FileRequest::Unlink { .. }
        | FileRequest::RemoveDir { .. }
        | FileRequest::Rename { .. }
        | FileRequest::SetMode { .. }
        | FileRequest::SetTimes { .. } => true,
        _ => false,
    }
}

impl MountGate {
    /// Does what `admit` let pass. Input is guest-controlled.
    pub(super) fn perform(&mut self, request: &FileRequest<'_>, budgets: &mut FileBudgets) -> Outcome {
        match *request {
            FileRequest::Mounts => Ok(Answer::Mounts(
                self.mounts
                    .iter()
                    .map(|mount| (mount.guest.as_os_str().as_bytes().to_vec(), mount.is_writable))
                    .collect(),
            )),
            FileRequest::Stat { at, follow } => self.stat(at, follow),
            FileRequest::Open { at, flags, mode } => self.open_at(at, flags, mode, budgets),
            FileRequest::StatHandle { handle } => self.handle(handle)?.stat().map(Answer::Stat),
            FileRequest::Read { handle, offset, len, need } => {
                self.handle(handle)?.read(offset, len, need, budgets)
            }
            FileRequest::Write { handle, offset, data } => self.handle(handle)?.write(offset, data, budgets),
            FileRequest::Truncate { handle, len } => self.handle(handle)?.truncate(len, budgets),
            FileRequest::Sync { handle } => self.handle(handle)?.sync(),
            FileRequest::List { handle } => self.handle(handle)?.list(),
            FileRequest::Close { handle } => match self.handles.remove(&handle) {
                Some(_) => Ok(Answer::Done),
                None => Err(FileDenial::NoSuchHandle.into()),
            },
            FileRequest::MakeDir { at, mode } => {
                let mount = self.mount(at)?;
                budgets.charge_file()?;
                let mut builder = DirBuilder::new();
                builder.mode(permissions(mode));
                mount.dir.create_dir_with(inner_path(at)?, &builder)?;
                Ok(Answer::Done)
            }
            FileRequest::Unlink { at } => {
                self.mount(at)?.dir.remove_file(inner_path(at)?)?;
                Ok(Answer::Done)
            }
            FileRequest::RemoveDir { at } => {
                self.mount(at)?.dir.remove_dir(inner_path(at)?)?;
                Ok(Answer::Done)
            }
            FileRequest::Rename { at, to } => {
                let dir = &self.mount(at)?.dir;
                dir.rename(inner_path(at)?, dir, inner_path(FilePath { path: to, ..at })?)?;
                Ok(Answer::Done)
            }
            FileRequest::ReadLink { at } => {
                let target = self.mount(at)?.dir.read_link_contents(path_of(at.path))?;
                Ok(Answer::Data(target.as_os_str().as_bytes().to_vec()))
            }
            FileRequest::SetMode { at, mode } => {
                let (dir, path) = (&self.mount(at)?.dir, path_of(at.path));
                let meta = dir.metadata(path)?;
                if !meta.is_file() && !meta.is_dir() {
                    return Err(FileDenial::NotRegular.into());
                }
                dir.set_permissions(path, Permissions::from_mode(permissions(mode)))?;
                Ok(Answer::Done)
            }
            FileRequest::SetTimes { at, accessed, modified } => self.set_times(at, accessed, modified),
            // Files of /output go to the run, not through a mount.
            FileRequest::Artifact { .. } => Err(FileDenial::NotOffered.into()),
        }
    }

    fn handle(&mut self, handle: u64) -> Result<&mut Handle, Refusal> {
        self.handles.get_mut(&handle).ok_or(Refusal::Denied(FileDenial::NoSuchHandle))
    }

    fn stat(&self, at: FilePath<'_>, follow: bool) -> Outcome {
        let dir = &self.mount(at)?.dir;
        let meta = match (at.path, follow) {
            (b"", _) => dir.dir_metadata()?,
            (_, true) => dir.metadata(path_of(at.path))?,
            (_, false) => dir.symlink_metadata(path_of(at.path))?,
        };
        Ok(Answer::Stat(stat_of(&meta)))
    }

    fn open_at(
        &mut self,
        at: FilePath<'_>,
        flags: OpenFlags,
        mode: u64,
        budgets: &mut FileBudgets,
    ) -> Outcome {
        budgets.charge_open(self.handles.len())?;
        let object = if flags.has(OpenFlags::DIRECTORY) {
            Object::Dir { dir: self.mount(at)?.dir.open_dir(path_of(at.path))?, entries: None }
        } else {
            self.open_file(at, flags, mode, budgets)?
        };
        let mount = usize::try_from(at.mount).map_err(|_| FileDenial::NoSuchMount)?;
        let opened = Handle { mount, object };
        let stat = opened.stat()?;
        let handle = self.last_handle.checked_add(1).ok_or(Errno::NFILE)?;
        self.last_handle = handle;
        self.handles.insert(handle, opened);
        Ok(Answer::Opened { handle, stat })
    }

    fn open_file(
        &self,
        at: FilePath<'_>,
        flags: OpenFlags,
        mode: u64,
        budgets: &mut FileBudgets,
    ) -> Result<Object, Refusal> {
        let (dir, path) = (&self.mount(at)?.dir, path_of(at.path));
        let appends = flags.has(OpenFlags::APPEND);
        let can_write = flags.has(OpenFlags::WRITE) || appends;
        let can_read = flags.has(OpenFlags::READ);
        let mut options = OpenOptions::new();
        options.read(can_read || !can_write).write(can_write).append(appends).mode(permissions(mode));
        // A FIFO or a device must not hold the run up, should one be put there just now.
        options.custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed());
        match dir.metadata(path) {
            Ok(_) if flags.has(OpenFlags::CREATE.with(OpenFlags::EXCLUSIVE)) => {
                return Err(Errno::EXIST.into());
            }
            Ok(meta) if meta.is_dir() => return Err(Errno::ISDIR.into()),
            Ok(meta) if !meta.is_file() => return Err(FileDenial::NotRegular.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && flags.has(OpenFlags::CREATE) => {
                budgets.charge_file()?;
                let exclusive = flags.has(OpenFlags::EXCLUSIVE);
                options.create(true).create_new(exclusive);
                if !can_write {
                    // A file can be made without being opened for writing, but not by the library's options.
                    options.write(true);
                }
            }
            Err(error) => return Err(error.into()),
        }
        let file = dir.open_with(path, &options)?;
        if !file.metadata()?.is_file() || is_kernels_own(&file)? {
            return Err(FileDenial::NotRegular.into());
        }
        if flags.has(OpenFlags::TRUNCATE) {
            truncate(dir, path, &file, can_write)?;
        }
        Ok(Object::File { file, can_read, can_write, appends })
    }

    fn set_times(&self, at: FilePath<'_>, accessed: Option<i64>, modified: Option<i64>) -> Outcome {
        let dir = &self.mount(at)?.dir;
        let times = Timestamps { last_access: timespec(accessed), last_modification: timespec(modified) };
        let meta = dir.metadata(path_of(at.path))?;
        if meta.is_dir() {
            // A handle that only names a directory sets no times.
            let dir = dir.open_dir(path_of(at.path))?;
            rustix::fs::futimens(&dir.open(".")?, &times)?;
        } else if meta.is_file() {
            let mut options = OpenOptions::new();
            // Whoever may write may set times, and a file for writing only cannot be opened for reading.
            options.read(meta.mode() & 0o400 != 0).write(meta.mode() & 0o400 == 0);
            options.custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed());
            let file = dir.open_with(path_of(at.path), &options)?;
            if !file.metadata()?.is_file() {
                return Err(FileDenial::NotRegular.into());
            }
            rustix::fs::futimens(&file, &times)?;
        } else {
            return Err(FileDenial::NotRegular.into());
        }
        Ok(Answer::Done)
    }
}

/// Whether a file is a view into the kernel or a process of the host, such as /proc/self/mem, and no data.
fn is_kernels_own(file: &File) -> Result<bool, Refusal> {
    let kind = rustix::fs::fstatfs(file)?.f_type;
    Ok([PROC_FS, SYS_FS, DEBUG_FS, TRACE_FS, SECURITY_FS].contains(&kind))
}

/// Empties a file that was just opened, through a second opening where this one only reads.
fn truncate(
    dir: &cap_std::fs::Dir,
    path: &std::path::Path,
    file: &File,
    can_write: bool,
) -> Result<(), Refusal> {
    if can_write {
        file.set_len(0)?;
        return Ok(());
    }
    let mut options = OpenOptions::new();
    options.write(true).custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed());
    let writer = dir.open_with(path, &options)?;
    if !writer.metadata()?.is_file() {
        return Err(FileDenial::NotRegular.into());
    }
    writer.set_len(0)?;
    Ok(())
}

/// Returns the path of something in the mount, which the mounted directory itself is not.
fn inner_path(at: FilePath<'_>) -> Result<&std::path::Path, Refusal> {
    if at.path.is_empty() { Err(Errno::BUSY.into()) } else { Ok(path_of(at.path)) }
}

fn permissions(mode: u64) -> u32 {
    u32::try_from(mode & u64::from(PERMISSIONS)).unwrap_or(0)
}

fn timespec(ns: Option<i64>) -> Timespec {
    match ns {
        Some(ns) => Timespec { tv_sec: ns.div_euclid(NANOS), tv_nsec: ns.rem_euclid(NANOS) },
        None => Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
    }
}

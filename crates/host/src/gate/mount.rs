//! The mount gate: which files of the host a guest reaches.
//!
//! What it is: each directory of a mount is opened once, when the sandbox is made. A guest names a mount by its number
//! and a path in it; the path is resolved beneath that open directory by cap-std, which leaves it to the kernel
//! (`openat2` with `RESOLVE_BENEATH`). Resolving is the decision, so this gate also opens, reads and writes.
//! Guarantees: nothing outside of the mounted directories is opened, whatever links, `..`, renames or magic links of
//! /proc stand in the way, and whoever puts them there meanwhile; only regular files and directories are opened,
//! none of /proc and the like, and never waited for; a mount is read-only unless it was given for writing; handles are bounded in number and never given
//! twice; every use is charged to the run's budgets before it happens.
//! Never: compares paths as texts to decide, follows a link whose target is absolute, makes links, devices or set-id bits.
//!
//! Before: `dispatch`. After: cap-std.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod budget;
mod handle;
mod hook;
mod operations;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use hypercell_abi::limits::MAX_FILE_NAME_BYTES;
use hypercell_abi::message::{FileEntry, FilePath, FileReply, FileRequest, FileStat};
use rustix::io::Errno;

use crate::audit::{AuditEvent, FileDenial};
use crate::clock;
use crate::error::{Error, LimitError, UsageError};
use crate::gate::Context;
use crate::mounts::{MountInfo, check_mounts};

pub(crate) use budget::FileBudgets;
use handle::Handle;
pub use hook::FileAttempt;

/// The mounts of a sandbox, and what its guest has open in them.
#[derive(Debug, Default)]
pub(crate) struct MountGate {
    mounts: Vec<Mount>,
    handles: BTreeMap<u64, Handle>,
    last_handle: u64,
}

/// A mounted directory.
#[derive(Debug)]
struct Mount {
    guest: PathBuf,
    dir: Dir,
    is_writable: bool,
    max_bytes: Option<u64>,
}

/// What the guest is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    Failed(Errno),
    Stat(FileStat),
    Opened {
        handle: u64,
        stat: FileStat,
    },
    Data(Vec<u8>),
    Count(u64),
    Entries(Vec<Entry>),
    /// Path in the guest, and whether it may be written.
    Mounts(Vec<(Vec<u8>, bool)>),
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    name: Vec<u8>,
    kind: u64,
    number: u64,
}

/// Why an operation did not happen.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The gate denies it.
    Denied(FileDenial),
    /// The caller denies it, for this reason.
    Objected(String),
    /// The file system of the host failed it.
    Failed(Errno),
    /// The run used more than it may.
    Limit(LimitError),
}

type Outcome = Result<Answer, Refusal>;

impl From<LimitError> for Refusal {
    fn from(error: LimitError) -> Self {
        Self::Limit(error)
    }
}

impl From<FileDenial> for Refusal {
    fn from(denial: FileDenial) -> Self {
        Self::Denied(denial)
    }
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self::Failed(errno)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match (Errno::from_io_error(&error), error.kind()) {
            (Some(errno), _) => Self::Failed(errno),
            // What cap-std itself finds has no number of the kernel.
            (None, io::ErrorKind::PermissionDenied) => Self::Denied(FileDenial::LeavesMount),
            (None, io::ErrorKind::InvalidInput) => Self::Failed(Errno::INVAL),
            (None, io::ErrorKind::NotFound) => Self::Failed(Errno::NOENT),
            (None, _) => Self::Failed(Errno::IO),
        }
    }
}

/// Says to the guest why it is denied. The only place that does.
fn errno_of(denial: FileDenial) -> Errno {
    match denial {
        FileDenial::NoSuchMount | FileDenial::BadPath => Errno::INVAL,
        FileDenial::LeavesMount | FileDenial::NotRegular | FileDenial::OutsideMounts => Errno::ACCESS,
        FileDenial::ReadOnly => Errno::ROFS,
        FileDenial::NoSuchHandle | FileDenial::NotOpenForThis => Errno::BADF,
        FileDenial::MountIsFull => Errno::DQUOT,
        FileDenial::NotOffered => Errno::PERM,
    }
}

impl MountGate {
    /// Opens the directories.
    ///
    /// # Errors
    ///
    /// [`UsageError::MountHost`], and those of [`check_mounts`].
    pub(crate) fn open(mounts: &[MountInfo]) -> Result<Self, UsageError> {
        check_mounts(mounts)?;
        let open = |mount: &MountInfo| {
            let dir = Dir::open_ambient_dir(&mount.host, cap_std::ambient_authority()).map_err(|error| {
                UsageError::MountHost { path: mount.host.clone(), reason: reason_of(&error) }
            })?;
            let (guest, max_bytes) = (mount.guest.clone(), mount.max_bytes);
            Ok(Mount { guest, dir, is_writable: mount.is_writable, max_bytes })
        };
        let mounts = mounts.iter().map(open).collect::<Result<_, UsageError>>()?;
        // A guest that goes on from a snapshot may have numbers of handles that it was given elsewhere: they must be nobody's.
        let last_handle = clock::entropy()
            .map_or(0, |bytes| bytes.first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk)))
            .wrapping_shr(2);
        Ok(Self { mounts, last_handle, ..Self::default() })
    }

    /// Whether there is any mount.
    pub(crate) fn has_mounts(&self) -> bool {
        !self.mounts.is_empty()
    }

    /// Returns the budgets of a new run.
    pub(crate) fn budgets(&self, limits: &crate::limits::Limits) -> FileBudgets {
        FileBudgets::new(limits, self.mounts.iter().map(|mount| mount.max_bytes))
    }

    /// Forgets what is open: the guest that had it is gone.
    pub(crate) fn close_all(&mut self) {
        self.handles.clear();
    }

    /// Decides a request, does what it asks, and returns what the guest is told. Input is guest-controlled.
    ///
    /// # Errors
    ///
    /// [`LimitError`] if the run used more than it may; what ends the run while the caller is asked.
    pub(crate) fn answer(
        &mut self,
        request: &FileRequest<'_>,
        budgets: &mut FileBudgets,
        context: Context<'_>,
    ) -> Result<Answer, Error> {
        if let Err(refusal) = self.allow(request, context) {
            return self.refuse(request, refusal, context);
        }
        match (context.caller, hook::Opening::of(request)) {
            (Some(caller), Some(opening)) => self.ask(caller, &opening, budgets, context),
            _ => self.act(request, budgets, context),
        }
    }

    /// Does what was allowed, and returns what the guest is told.
    fn act(
        &mut self,
        request: &FileRequest<'_>,
        budgets: &mut FileBudgets,
        context: Context<'_>,
    ) -> Result<Answer, Error> {
        self.perform(request, budgets).or_else(|refusal| self.refuse(request, refusal, context))
    }

    /// Notes that nothing comes of a request, and returns what the guest is told.
    fn refuse(
        &self,
        request: &FileRequest<'_>,
        refusal: Refusal,
        context: Context<'_>,
    ) -> Result<Answer, Error> {
        let (reason, errno) = match &refusal {
            Refusal::Failed(errno) => return Ok(Answer::Failed(*errno)),
            Refusal::Limit(error) => return Err((*error).into()),
            Refusal::Denied(denial) => (denial.name(), errno_of(*denial)),
            Refusal::Objected(reason) => (reason.as_str(), Errno::ACCESS),
        };
        let path = request.at().map_or(&[][..], |at| at.path);
        let mount = request.at().and_then(|at| self.mount(at).ok());
        let mount = mount.map(|mount| mount.guest.as_path());
        let (run, operation) = (context.run, request.operation());
        context.audit.record(&AuditEvent::FileDenied { run, operation, mount, path, reason });
        Ok(Answer::Failed(errno))
    }

    /// Checks what can be said of a request before anything is touched, and notes that it is allowed.
    fn allow(&self, request: &FileRequest<'_>, context: Context<'_>) -> Result<(), Refusal> {
        self.admit(request)?;
        if let Some(at) = request.at() {
            let mount = self.mount(at)?.guest.as_path();
            let (run, operation, path) = (context.run, request.operation(), at.path);
            context.audit.record(&AuditEvent::FileAllowed { run, operation, mount, path });
        }
        Ok(())
    }

    /// Checks what can be said of a request before anything is touched: mount, path, and whether it may be changed.
    fn admit(&self, request: &FileRequest<'_>) -> Result<(), Refusal> {
        let Some(at) = request.at() else { return Ok(()) };
        let mount = self.mount(at)?;
        check_path(at.path)?;
        if let FileRequest::Rename { to, .. } = request {
            check_path(to)?;
        }
        if operations::changes(request) && !mount.is_writable {
            return Err(FileDenial::ReadOnly.into());
        }
        Ok(())
    }

    fn mount(&self, at: FilePath<'_>) -> Result<&Mount, FileDenial> {
        let index = usize::try_from(at.mount).map_err(|_| FileDenial::NoSuchMount)?;
        self.mounts.get(index).ok_or(FileDenial::NoSuchMount)
    }
}

/// Checks the form of a path. Where it leads is found out by opening it.
pub(crate) fn check_path(path: &[u8]) -> Result<(), Refusal> {
    if path.is_empty() {
        return Ok(());
    }
    for name in path.split(|&byte| byte == b'/') {
        if name.is_empty() || name == b"." || name == b".." || name.contains(&0) {
            return Err(FileDenial::BadPath.into());
        }
        if name.len() > MAX_FILE_NAME_BYTES {
            return Err(Errno::NAMETOOLONG.into());
        }
    }
    Ok(())
}

/// Makes a path of one that was checked; the mounted directory itself is `.`.
fn path_of(path: &[u8]) -> &Path {
    if path.is_empty() { Path::new(".") } else { Path::new(OsStr::from_bytes(path)) }
}

/// Returns what the system says of a directory that cannot be opened.
pub(crate) fn reason_of(error: &io::Error) -> String {
    error.to_string()
}

impl Answer {
    /// Returns the answer as it is sent.
    pub(crate) fn reply(&self) -> FileReply<'_> {
        match self {
            Self::Done => FileReply::Done,
            Self::Failed(errno) => {
                FileReply::Error { errno: u64::try_from(errno.raw_os_error()).unwrap_or(5).clamp(1, 4095) }
            }
            Self::Stat(stat) => FileReply::Stat(*stat),
            Self::Opened { handle, stat } => FileReply::Opened { handle: *handle, stat: *stat },
            Self::Data(data) => FileReply::Data(data),
            Self::Count(count) => FileReply::Count(*count),
            Self::Entries(entries) => FileReply::Entries(entries.iter().map(Entry::wire).collect()),
            Self::Mounts(mounts) => {
                FileReply::Mounts(mounts.iter().map(|(path, write)| (path.as_slice(), *write)).collect())
            }
        }
    }
}

impl Entry {
    fn wire(&self) -> FileEntry<'_> {
        FileEntry { name: &self.name, kind: self.kind, number: self.number }
    }
}

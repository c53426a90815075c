//! The caller's say about a file that may be opened.
//!
//! Guarantees: what the caller puts in its place goes through the same checks as what a guest asks for; nothing is opened
//! before the caller has answered, nor if the run ended meanwhile. Never: resolves a path.
//!
//! Before: `mount`. After: the caller's hook.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use hypercell_abi::message::{FilePath, FileRequest, OpenFlags};

use super::{Answer, Context, FileBudgets, MountGate, Refusal};
use crate::audit::{AuditEvent, FileDenial};
use crate::error::Error;
use crate::run::{ToolCaller, Verdict};

/// A file of a mount that may be opened and that nobody has touched yet. Guest-controlled.
#[derive(Debug)]
pub struct FileAttempt<'a> {
    mount: &'a Path,
    path: &'a [u8],
    flags: OpenFlags,
}

/// A request to open what shall be no directory.
#[derive(Clone, Copy)]
pub(super) struct Opening<'a> {
    at: FilePath<'a>,
    flags: OpenFlags,
    mode: u64,
}

impl FileAttempt<'_> {
    /// Returns its path in the guest. Links in it are not followed yet.
    #[must_use]
    pub fn path(&self) -> Vec<u8> {
        let mount = self.mount.as_os_str().as_bytes();
        if self.path.is_empty() { mount.to_vec() } else { [mount, b"/", self.path].concat() }
    }

    /// Whether it is to be read.
    #[must_use]
    pub const fn reads(&self) -> bool {
        self.flags.has(OpenFlags::READ)
    }

    /// Whether it is to be written, at its end or anywhere.
    #[must_use]
    pub const fn writes(&self) -> bool {
        self.flags.has(OpenFlags::WRITE) || self.flags.has(OpenFlags::APPEND)
    }

    /// Whether it is made if it is missing.
    #[must_use]
    pub const fn creates(&self) -> bool {
        self.flags.has(OpenFlags::CREATE)
    }

    /// Whether it is emptied.
    #[must_use]
    pub const fn truncates(&self) -> bool {
        self.flags.has(OpenFlags::TRUNCATE)
    }
}

impl<'a> Opening<'a> {
    /// Returns what a request opens, if it is a file. Listing a directory gives no more than `stat` of each name does.
    pub(super) fn of(request: &FileRequest<'a>) -> Option<Self> {
        match *request {
            FileRequest::Open { at, flags, mode } if !flags.has(OpenFlags::DIRECTORY) => {
                Some(Self { at, flags, mode })
            }
            _ => None,
        }
    }

    fn request(&self) -> FileRequest<'a> {
        FileRequest::Open { at: self.at, flags: self.flags, mode: self.mode }
    }
}

impl MountGate {
    /// Asks the caller about a file that may be opened, then opens it or what the caller puts in its place.
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`] if the caller wants so; why the run must end if it must meanwhile; [`Error::Limit`].
    pub(super) fn ask(
        &mut self,
        caller: &dyn ToolCaller,
        opening: &Opening<'_>,
        budgets: &mut FileBudgets,
        context: Context<'_>,
    ) -> Result<Answer, Error> {
        let request = opening.request();
        let mount = match self.mount(opening.at) {
            Ok(mount) => mount.guest.as_path(),
            Err(denial) => return self.refuse(&request, denial.into(), context),
        };
        let (path, flags) = (opening.at.path, opening.flags);
        let verdict = caller.before_open(&FileAttempt { mount, path, flags });
        if !matches!(verdict, Verdict::Stop { .. }) {
            // The hook may have taken its time.
            context.control.check_stop()?;
        }
        match verdict {
            Verdict::Allow => self.act(&request, budgets, context),
            Verdict::Deny { reason } => self.refuse(&request, Refusal::Objected(reason), context),
            Verdict::Change(path) => self.open_instead(opening, &path, budgets, context),
            Verdict::Stop { reason } => {
                self.refuse(&request, Refusal::Objected(reason.clone()), context)?;
                Err(Error::Cancelled { reason })
            }
        }
    }

    /// Opens another file of the guest, if it may be.
    fn open_instead(
        &mut self,
        opening: &Opening<'_>,
        path: &[u8],
        budgets: &mut FileBudgets,
        context: Context<'_>,
    ) -> Result<Answer, Error> {
        let Some((mount, at)) = self.find(path) else {
            return self.refuse(&opening.request(), FileDenial::OutsideMounts.into(), context);
        };
        let request = Opening { at, ..*opening }.request();
        let (run, operation, path) = (context.run, request.operation(), at.path);
        context.audit.record(&AuditEvent::FileRewritten { run, operation, mount, path });
        if let Err(refusal) = self.allow(&request, context) {
            return self.refuse(&request, refusal, context);
        }
        self.act(&request, budgets, context)
    }

    /// Returns the mount that a path of the guest is in, and the path in it.
    fn find<'a>(&self, path: &'a [u8]) -> Option<(&Path, FilePath<'a>)> {
        self.mounts.iter().zip(0..).find_map(|(mount, number)| {
            let rest = path.strip_prefix(mount.guest.as_os_str().as_bytes())?;
            let path = if rest.is_empty() { rest } else { rest.strip_prefix(b"/")? };
            Some((mount.guest.as_path(), FilePath { mount: number, path }))
        })
    }
}

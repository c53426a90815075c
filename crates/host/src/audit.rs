//! One typed record for each decision that a gate makes, and for the start and end of each run.
//!
//! Guarantees: an event is delivered before its decision takes effect, in order, on the thread that runs the guest.
//! Names and texts in events are guest-controlled where the field says so. Never: decides anything.
//!
//! Before: `dispatch` and `sandbox`. After: the caller's hook.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use hypercell_abi::message::OutputStream;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, LimitError};
use crate::hex;

/// What happened. `run` counts the runs of a sandbox from 1.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are what their names say")]
pub enum AuditEvent<'a> {
    /// A run starts.
    RunStarted { run: u64, name: &'a str, code_bytes: usize },
    /// The guest calls a tool that it may call. `name` is one of the sandbox's tools.
    ToolAllowed { run: u64, call: u64, name: &'a str, argument_bytes: usize, arguments_digest: ContentDigest },
    /// The guest calls what it may not, and is told so. `name` is guest-controlled.
    ToolDenied {
        run: u64,
        name: &'a str,
        argument_bytes: usize,
        arguments_digest: ContentDigest,
        reason: ToolDenial,
    },
    /// A tool's result, or its error, goes to the guest.
    ToolAnswered { run: u64, call: u64, answer: ToolAnswer, answer_bytes: usize },
    /// The guest writes output that is kept.
    OutputAllowed { run: u64, stream: OutputStream, len_bytes: usize },
    /// The run waits for the result of this call, at rest, until somebody goes on with it.
    RunPaused { run: u64, call: u64, name: &'a str },
    /// The run goes on, here or where its snapshot was loaded.
    RunResumed { run: u64, call: u64 },
    /// The guest asks for a URL that a rule allows, or is redirected to it. `request` counts the requests of a run from 1;
    /// what follows about it has its number. Method and URL are guest-controlled, or a server's.
    HttpAllowed { run: u64, request: u64, method: &'a str, url: &'a str, rule: &'a str },
    /// The caller puts another request in place of one that was allowed; whether that one is follows.
    HttpRewritten {
        run: u64,
        request: u64,
        method: &'a str,
        url: &'a str,
        len_bytes: usize,
        digest: ContentDigest,
    },
    /// The guest asks for what no rule allows, or the caller denies, or is redirected to it, or a name leads to an address
    /// that is not allowed.
    HttpDenied { run: u64, request: u64, method: &'a str, url: &'a str, reason: &'a str },
    /// A server answers.
    HttpAnswered { run: u64, request: u64, status: u16 },
    /// No server answers. `kind` is one of the words in `docs/abi.md`.
    HttpFailed { run: u64, request: u64, kind: &'a str, reason: &'a str },
    /// The guest uses a file of a mount, which it may; where resolving `path` then leads out of the mount, FileDenied
    /// follows. `mount` is its path in the guest. `path` is guest-controlled. What an open file is read and written with is
    /// part of what its opening was allowed for.
    FileAllowed { run: u64, operation: &'static str, mount: &'a Path, path: &'a [u8] },
    /// The caller puts another file in place of one that may be opened; whether that one may be follows.
    FileRewritten { run: u64, operation: &'static str, mount: &'a Path, path: &'a [u8] },
    /// The guest asks for a file that it may not use, or the caller denies it. `path` is guest-controlled. `reason` is the
    /// gate's, in words joined by underscores, or the caller's.
    FileDenied { run: u64, operation: &'static str, mount: Option<&'a Path>, path: &'a [u8], reason: &'a str },
    /// A file of /output begins to arrive. `path` is guest-controlled.
    ArtifactAllowed { run: u64, path: &'a [u8] },
    /// The run passes a limit and ends.
    LimitReached { run: u64, error: &'a LimitError },
    /// A run ends.
    RunEnded { run: u64, ending: RunEnding },
}

/// SHA-256 of the arguments of a call as the guest encoded them, or of a request of HTTP: `METHOD URL` and a line break
/// (CR LF), `name: value` and one for each header, one more, and the body. Shown as hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ContentDigest([u8; 32]);

impl ContentDigest {
    /// Takes the digest of what comes in parts, which are guest-controlled.
    pub(crate) fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Sha256::new();
        parts.into_iter().for_each(|part| hash.update(part));
        Self(hash.finalize().into())
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a tool call was denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToolDenial {
    /// The sandbox has no tool of this name.
    UnknownTool,
    /// The arguments are above `tool_argument_bytes`.
    ArgumentsTooLong,
    /// The arguments are nested deeper than values may be.
    ArgumentsTooDeep,
}

/// Why the mount gate denies a use of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileDenial {
    /// The sandbox has no mount of this number.
    NoSuchMount,
    /// The path has empty names, `.`, `..` or NUL.
    BadPath,
    /// The path leads out of the mount, by a link or otherwise.
    LeavesMount,
    /// The mount is read-only.
    ReadOnly,
    /// It is neither a regular file nor a directory, or one of /proc and the like.
    NotRegular,
    /// Nothing is open under this handle.
    NoSuchHandle,
    /// The handle was not opened for this.
    NotOpenForThis,
    /// The files of the mount grew by as much as they may.
    MountIsFull,
    /// No mount offers this.
    NotOffered,
    /// The caller put a path in its place that is in no mount.
    OutsideMounts,
}

impl FileDenial {
    /// Returns the words for this reason, joined by underscores.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::NoSuchMount => "no_such_mount",
            Self::BadPath => "bad_path",
            Self::LeavesMount => "leaves_mount",
            Self::ReadOnly => "read_only",
            Self::NotRegular => "not_regular",
            Self::NoSuchHandle => "no_such_handle",
            Self::NotOpenForThis => "not_open_for_this",
            Self::MountIsFull => "mount_is_full",
            Self::NotOffered => "not_offered",
            Self::OutsideMounts => "outside_mounts",
        }
    }
}

/// What a tool answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolAnswer {
    /// A value.
    Value,
    /// An error.
    Error,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunEnding {
    /// With a value.
    Value,
    /// With an exception of the submitted code, `sys.exit` included.
    Exception,
    /// By a limit.
    Limit,
    /// By `interrupt`.
    Cancelled,
    /// By the guest's death.
    Crash,
    /// By bytes that break the rules of the wire.
    Protocol,
    /// By a failure of the machine.
    Machine,
    /// By an error of the caller, before the guest was entered.
    Usage,
}

impl RunEnding {
    /// Returns the word for this ending.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Exception => "exception",
            Self::Limit => "limit",
            Self::Cancelled => "cancelled",
            Self::Crash => "crash",
            Self::Protocol => "protocol",
            Self::Machine => "machine",
            Self::Usage => "usage",
        }
    }

    /// Returns the ending that an error makes.
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::Usage(_) | Error::Snapshot(_) => Self::Usage,
            Error::Machine(_) | Error::Image(_) => Self::Machine,
            Error::Limit(_) => Self::Limit,
            Error::Crash(_) => Self::Crash,
            Error::Protocol(_) => Self::Protocol,
            Error::Cancelled { .. } => Self::Cancelled,
        }
    }
}

type Hook = dyn Fn(&AuditEvent<'_>) + Send + Sync;

/// Where events go.
#[derive(Clone, Default)]
pub struct AuditLog(Option<Arc<Hook>>);

impl AuditLog {
    /// Calls `hook` with each event. It must not use the sandbox that the event is about.
    pub fn new(hook: impl Fn(&AuditEvent<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    /// Delivers an event.
    pub(crate) fn record(&self, event: &AuditEvent<'_>) {
        if let Some(hook) = &self.0 {
            hook(event);
        }
    }

    /// Delivers an event that costs something to make, which is done only if somebody listens.
    pub(crate) fn record_with<'a>(&self, event: impl FnOnce() -> AuditEvent<'a>) {
        if let Some(hook) = &self.0 {
            hook(&event());
        }
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuditLog({})", if self.0.is_some() { "hook" } else { "none" })
    }
}

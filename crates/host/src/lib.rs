//! The trusted side of hypercell: from `run()` to `RunDone`.
//!
//! 1. [`Image::open`] finds or builds a snapshot in which Python waits for code (`image`).
//! 2. [`Sandbox::start`] makes a VM from it, unless one is at hand, and arms the watchdog (`sandbox`, `watchdog`).
//! 3. It enters the VM with a `RunRequest`, the time and fresh entropy (`channel`, `clock`, `engine`, `vm`).
//! 4. The VM returns with one frame and is at rest. `channel` decodes it: the only code that reads guest bytes.
//! 5. `dispatch` is one `match` from each frame to the gate that decides it (`gate`, `output`); the `audit` log hears of
//!    each decision, and a [`ToolCaller`] may object to requests and openings of files that a gate allows.
//! 6. A tool call goes to the caller as [`Step::ToolCall`], and [`Sandbox::resume`] goes on at 3 with the result.
//!    Output, sleeps and requests of HTTP go on at 3 by themselves.
//! 7. `RunDone` becomes [`Step::Done`]. A limit, a stop, a crash or a broken rule becomes an [`Error`], by who is at
//!    fault, and the VM is dropped.
//!
//! [`Pool`] makes VMs ready before anybody asks (`pool`, `preparer`). [`Control`] stops a run from any other thread. [`preflight()`] says what a machine lacks.
//!
//! Before: the Python binding. After: `hypercell-abi` for bytes, the hypervisor's library in `vm` alone.
#![warn(clippy::disallowed_methods)]

mod answers;
mod artifacts;
pub mod audit;
mod channel;
mod clock;
mod control;
mod dispatch;
pub mod engine;
pub mod error;
mod gate;
mod guest;
mod hex;
pub mod image;
mod in_flight;
mod limits;
mod members;
mod mounts;
mod output;
pub mod pool;
mod preflight;
mod preparer;
mod probe;
pub mod raw_guest;
mod run;
mod sandbox;
mod sealed;
mod shorten;
pub mod snapshot;
pub mod trace;
pub mod vm;
mod watchdog;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use control::Control;
pub use error::Error;
pub use gate::{
    FileAttempt, HttpAttempt, HttpChange, HttpPolicy, HttpRule, HttpRuleOptions, Resolve, SystemResolver,
};
pub use hypercell_abi as abi;
pub use image::Image;
pub use limits::{
    Limits, MAX_HTTP_REQUEST_BYTES, MAX_MEMORY_BYTES, MAX_WALL_TIME, MIN_MEMORY_BYTES, ToolInfo,
};
pub use mounts::{MountInfo, check_mount_path};
pub use pool::{Pool, PoolOptions, PoolStats};
pub use preflight::{Check, ensure_available, first_failure, preflight};
pub use probe::Probe;
pub use raw_guest::RawGuest;
pub use run::{
    Artifact, CodeError, Done, FileUsage, OutputUsage, OwnedValue, Report, RunSpec, Step, ToolAnswer,
    ToolCall, ToolCaller, ToolReply, ToolWait, Usage, Verdict,
};
pub use sandbox::{Sandbox, SandboxOptions, StateMode};
pub use snapshot::{Origin, Snapshot};

/// Locks a mutex, whether or not a thread panicked with it: no lock here guards a state that a panic could leave half
/// done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

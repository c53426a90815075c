//! System calls that a guest's kernel tells of, for whoever debugs the submitted code.
//!
//! Guarantees: a guest is asked for them only if somebody listens, and told to stop after a million of a run;
//! nothing is kept of them. Never: takes a call for one that was made: all of it is the guest's claim.
//!
//! Before: `dispatch`. After: the caller's hook.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hypercell_abi::message::{Syscall, SyscallArg};
use syscalls::Sysno;

/// Most system calls of a run that are told of; the run goes on untraced.
pub const MAX_TRACED_SYSCALLS: u64 = 1_000_000;

/// What a listener hears. All texts and numbers but `run` are guest-controlled.
#[derive(Debug, Clone, PartialEq)]
pub enum TraceEvent<'a> {
    /// The program made a system call.
    Call(TracedCall<'a>),
    /// It made as many as are told of, and there will be no more in this run.
    LimitReached {
        /// Number of the run.
        run: u64,
    },
}

/// A system call that the guest says it made.
#[derive(Debug, Clone, PartialEq)]
pub struct TracedCall<'a> {
    /// Number of the run, counted from 1.
    pub run: u64,
    /// Number of the thread, 1 for the first.
    pub thread: u64,
    /// Number of the call.
    pub number: u64,
    /// Linux' name for it, `syscall_` and the number if it has none.
    pub name: String,
    /// The arguments.
    pub args: &'a [SyscallArg<'a>],
    /// What it returned, an error as a negative number; `None` if it does not return.
    pub result: Option<i64>,
    /// When it began, by the guest's clock.
    pub began: SystemTime,
    /// How long it took.
    pub took: Duration,
}

type Hook = dyn Fn(&TraceEvent<'_>) + Send + Sync;

/// Who hears of system calls; nobody unless said.
#[derive(Clone, Default)]
pub struct SyscallTrace {
    hook: Option<Arc<Hook>>,
    max_calls: u64,
}

impl SyscallTrace {
    /// Calls `hook` with each event, on the thread that runs the guest, which waits meanwhile. It must not use the sandbox
    /// that the event is about.
    pub fn new(hook: impl Fn(&TraceEvent<'_>) + Send + Sync + 'static) -> Self {
        Self { hook: Some(Arc::new(hook)), max_calls: MAX_TRACED_SYSCALLS }
    }

    /// The same, for fewer calls of a run than [`MAX_TRACED_SYSCALLS`].
    #[must_use]
    pub fn at_most(self, max_calls: u64) -> Self {
        Self { max_calls: max_calls.min(self.max_calls), ..self }
    }

    /// Whether somebody wants to hear of a further call of a run, of which so many were heard of.
    pub(crate) fn wants_more(&self, heard: u64) -> bool {
        self.hook.is_some() && heard < self.max_calls
    }

    /// Delivers a call; `heard` counts it.
    pub(crate) fn record(&self, run: u64, heard: u64, call: &Syscall<'_>) {
        let Some(hook) = &self.hook else { return };
        hook(&TraceEvent::Call(TracedCall {
            run,
            thread: call.tid,
            number: call.nr,
            name: name_of(call.nr),
            args: &call.args,
            result: call.result,
            // What a guest claims may be further away than a clock can say.
            began: UNIX_EPOCH.checked_add(Duration::from_nanos(call.began_ns)).unwrap_or(UNIX_EPOCH),
            took: Duration::from_nanos(call.took_ns),
        }));
        if !self.wants_more(heard) {
            hook(&TraceEvent::LimitReached { run });
        }
    }
}

impl fmt::Debug for SyscallTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SyscallTrace({})", if self.hook.is_some() { "hook" } else { "none" })
    }
}

/// Returns Linux' name of a system call, or one made of its number.
pub(crate) fn name_of(number: u64) -> String {
    let known = usize::try_from(number).ok().and_then(Sysno::new);
    known.map_or_else(|| format!("syscall_{number}"), |known| known.name().to_owned())
}

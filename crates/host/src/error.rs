//! Every way a sandbox can fail, by who is at fault.
//!
//! Guarantees: a caller decides by the variant of [`Error`] alone: correct its own call, repair the machine or the
//! image, raise a limit, or distrust the guest. Texts name the offending value and the limit. An exception that the
//! submitted code raised is not here: it is the outcome of a run that worked.
//! Never: a variant that is only a text.
//!
//! Before: every file of this crate. After: the exception classes of the Python package.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use hypercell_abi::{FrameKind, WireError};

use crate::engine::VmError;
pub use crate::image::ImageError;
use crate::preflight::Check;
pub use crate::raw_guest::ElfError;

/// Why an operation on a sandbox failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller asked for something that cannot be.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// This machine cannot run a micro-VM, or stopped being able to.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// A snapshot cannot be taken, kept, or gone on from.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The image cannot be had.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The run used more than it may. The guest is gone.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The guest died. Whatever it was doing, it harmed itself.
    #[error(transparent)]
    Crash(#[from] CrashError),
    /// The guest broke the rules of the wire: treat it as hostile. The guest is gone.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// Somebody interrupted the run. The guest is gone.
    #[error("the run was cancelled: {reason}")]
    Cancelled {
        /// What was given to `interrupt`.
        reason: String,
    },
}

/// What the caller did wrong. The guest, if there is one, is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named after the words of the message")]
pub enum UsageError {
    /// A limit that cannot take effect.
    #[error("{limit} is {value}, which is not from {min} to {max}")]
    LimitOutOfRange { limit: &'static str, value: u64, min: u64, max: u64 },
    /// A time limit that cannot take effect.
    #[error("{limit} is {}, which is not above 0 and up to {}", value.as_secs_f64(), max.as_secs())]
    TimeOutOfRange { limit: &'static str, value: Duration, max: Duration },
    /// An ELF that cannot be a guest.
    #[error("the elf cannot be a guest: {source}")]
    RawElf { source: ElfError },
    /// More tools than the guest can be told of.
    #[error("{count} tools exceed {max}")]
    TooManyTools { count: usize, max: usize },
    /// A tool without a name, or with a very long one.
    #[error("the tool name {name:?} has {len_bytes} bytes, which is not from 1 to {max_bytes}")]
    ToolNameLength { name: String, len_bytes: usize, max_bytes: usize },
    /// Documentation that does not fit.
    #[error("the documentation of tool {name:?} has {len_bytes} bytes, which exceeds {max_bytes}")]
    ToolDocTooLong { name: String, len_bytes: usize, max_bytes: usize },
    /// Two tools that a call could not tell apart.
    #[error("two tools have the name {name:?}")]
    ToolNameTwice { name: String },
    /// A rule of the network that cannot be.
    #[error("the domain {pattern:?} {reason}")]
    HttpRule { pattern: String, reason: String },
    /// Code above its limit.
    #[error("code of {len_bytes} bytes exceeds code_bytes, which is {max_bytes}")]
    CodeTooLong { len_bytes: u64, max_bytes: u64 },
    /// Code that no Python takes.
    #[error("the code has a NUL character at byte {offset}")]
    CodeHasNul { offset: usize },
    /// A name, an input or a text that the wire does not carry.
    #[error("the run cannot be sent to the guest: {source}")]
    NotEncodable { source: WireError },
    /// A tool's result above its limit. The call still waits, and may be answered otherwise.
    #[error("a tool result of {len_bytes} bytes exceeds tool_result_bytes, which is {max_bytes}")]
    ReplyTooLong { len_bytes: u64, max_bytes: u64 },
    /// Inputs nested deeper than their limit.
    #[error("inputs of {depth} levels exceed value_depth, which is {max_depth}")]
    InputsTooDeep { depth: u64, max_depth: u64 },
    /// A tool's result nested deeper than its limit. The call still waits, and may be answered otherwise.
    #[error("a tool result of {depth} levels exceeds value_depth, which is {max_depth}")]
    ReplyTooDeep { depth: u64, max_depth: u64 },
    /// A new run, while the last one waits for the result of a tool.
    #[error("the last run still waits for the result of the tool {tool:?}")]
    RunPending { tool: String },
    /// A result for a tool call that no run waits for.
    #[error("no run waits for the result of tool call {call}")]
    NoSuchCall { call: u64 },
    /// More mounts than the guest can be told of.
    #[error("{count} mounts exceed {max}")]
    TooManyMounts { count: usize, max: usize },
    /// A place in the guest where nothing can be mounted.
    #[error("nothing can be mounted at {path:?} in the guest: {reason}")]
    MountPath { path: PathBuf, reason: &'static str },
    /// Two mounts of which one hides the other.
    #[error("the mounts at {path:?} and {other:?} overlap")]
    MountsOverlap { path: PathBuf, other: PathBuf },
    /// A directory to mount that cannot be opened.
    #[error("the directory {path:?} cannot be mounted: {reason}")]
    MountHost { path: PathBuf, reason: String },
    /// A directory for files of /output that cannot be opened.
    #[error("files cannot be put into the directory {path:?}: {reason}")]
    OutputDir { path: PathBuf, reason: String },
    /// Use after close.
    #[error("the sandbox is closed")]
    Closed,
    /// A run in a sandbox whose pool is closed.
    #[error("the pool of this sandbox is closed")]
    PoolClosed,
}

/// What is wrong with a snapshot, or with what shall go on from it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named after the words of the message")]
pub enum SnapshotError {
    /// Nothing is kept between runs, and no run waits.
    #[error(
        "there is nothing to take a snapshot of: the sandbox keeps no state between runs, and no run waits for a tool; \
         use keep_state=True, or pause_on"
    )]
    NothingKept,
    /// The run of a snapshot that was taken in the middle of one is over, and nothing else starts from there.
    #[error(
        "the snapshot was taken in the middle of a run, which is over in this sandbox; make another one from it"
    )]
    RunIsOver,
    /// Guests to be prepared for runs cannot be in the middle of one.
    #[error(
        "the snapshot was taken in the middle of a run, so that no VM can be prepared from it for others"
    )]
    CannotPrepare,
    #[error("the snapshot knows the tool {name:?}, which is not among the tools given")]
    ToolMissing { name: String },
    #[error("the tool {name:?} has other parameters than when the snapshot was taken")]
    ToolDiffers { name: String },
    #[error("the tool {name:?} was not there when the run began that this snapshot is of")]
    ToolAdded { name: String },
    #[error("{limit} is {now}; the run that this snapshot is of began with {then}")]
    OtherLimit { limit: &'static str, then: String, now: String },
    #[error("domains are {now}; the run that this snapshot is of began with {then}")]
    OtherDomains { then: String, now: String },
    #[error("mounts are {now}; the run that this snapshot is of began with {then}")]
    OtherMounts { then: String, now: String },
    #[error("memory_bytes of {memory_bytes} exceeds {max}, what the snapshot was made for")]
    OtherMemory { memory_bytes: u64, max: u64 },
    #[error("the run that this snapshot is of began with keep_state={}", if *keeps_state { "True" } else { "False" })]
    OtherStateMode { keeps_state: bool },
    #[error("the snapshot is of {what} version {then}, and this is {now}")]
    OtherVersion { what: &'static str, then: String, now: String },
    #[error("the snapshot was taken on another processor: {detail}")]
    OtherProcessor { detail: String },
    #[error("the snapshot file has SHA-256 {found}, not {expected}")]
    OtherDigest { found: String, expected: String },
    #[error("the snapshot is damaged: {detail}")]
    Damaged { detail: String },
    #[error("{what} of {len_bytes} bytes exceeds {max_bytes}, the most that a snapshot file may hold")]
    TooLong { what: &'static str, len_bytes: u64, max_bytes: u64 },
    #[error("cannot read the snapshot file {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write the snapshot file {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// The VM does not come to rest, or cannot be captured.
    #[error("the state of the VM cannot be captured: {0}")]
    Vm(VmError),
}

/// What this machine cannot do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named after the words of the message")]
pub enum MachineError {
    /// A check of `preflight` fails.
    #[error("{}; {}", check.detail, check.fix)]
    Unavailable { check: Check },
    /// The hypervisor refused or failed, though every check passes.
    #[error(transparent)]
    Hypervisor(VmError),
    /// No randomness: a guest must not start with what another one had.
    #[error("the system gives no random bytes: {source}")]
    Entropy { source: getrandom::Error },
    /// A file of /output could not be put into its directory.
    #[error("the file {file:?} cannot be written to the directory for output: {reason}")]
    OutputDir { file: String, reason: String },
    /// The thread that ends runs in time could not be started.
    #[error("cannot start the watchdog thread: {kind}")]
    Watchdog { kind: io::ErrorKind },
}

/// Which limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitKind {
    /// Time from start to end of a run.
    WallTime,
    /// Time inside the guest.
    GuestTime,
    /// Memory of the guest.
    Memory,
    /// Standard output and standard error together.
    Output,
    /// Number of tool calls.
    ToolCalls,
    /// Result of the run.
    Result,
    /// Levels of a value.
    ValueDepth,
    /// Number of HTTP requests, redirects included.
    HttpRequests,
    /// HTTP requests together: URLs, headers and bodies.
    HttpRequestBytes,
    /// HTTP responses together: headers and bodies.
    HttpResponseBytes,
    /// Bytes read from mounts.
    FileRead,
    /// Bytes written to mounts.
    FileWrite,
    /// Files of mounts that are open at once.
    OpenFiles,
    /// Files and directories made in mounts.
    FileCount,
    /// One file of /output.
    OutputFile,
    /// All files of /output together.
    OutputTotal,
    /// Number of files in /output.
    OutputFileCount,
}

impl LimitKind {
    /// Returns the name of the setting.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WallTime => "wall_time_s",
            Self::GuestTime => "guest_time_s",
            Self::Memory => "memory_bytes",
            Self::Output => "output_bytes",
            Self::ToolCalls => "tool_calls",
            Self::Result => "result_bytes",
            Self::ValueDepth => "value_depth",
            Self::HttpRequests => "http_requests",
            Self::HttpRequestBytes => "http_request_bytes",
            Self::HttpResponseBytes => "http_response_bytes",
            Self::FileRead => "file_read_bytes",
            Self::FileWrite => "file_write_bytes",
            Self::OpenFiles => "open_files",
            Self::FileCount => "file_count",
            Self::OutputFile => "output_file_bytes",
            Self::OutputTotal => "output_total_bytes",
            Self::OutputFileCount => "output_file_count",
        }
    }

    /// Returns what it counts. [`LimitError`] holds milliseconds where this says seconds.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::WallTime | Self::GuestTime => "s",
            Self::ToolCalls => "calls",
            Self::ValueDepth => "levels",
            Self::HttpRequests => "requests",
            Self::OpenFiles | Self::FileCount | Self::OutputFileCount => "files",
            _ => "bytes",
        }
    }
}

/// A run used more than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitError {
    /// Which limit.
    pub limit: LimitKind,
    /// What was used, the attempt that failed included; milliseconds for the wall time.
    pub used: u64,
    /// What may be used; milliseconds for the wall time.
    pub maximum: u64,
}

impl LimitError {
    /// Returns what was used and what may be used, in the limit's unit.
    #[must_use]
    pub fn amounts(&self) -> (f64, f64) {
        let factor = if self.limit.unit() == "s" { 1000.0 } else { 1.0 };
        (to_f64(self.used) / factor, to_f64(self.maximum) / factor)
    }
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (used, maximum) = self.amounts();
        let (name, unit) = (self.limit.name(), self.limit.unit());
        match self.limit {
            LimitKind::WallTime => {
                write!(f, "the run took {used:.3} {unit}, which exceeds {name}, which is {maximum} {unit}")
            }
            LimitKind::GuestTime => {
                write!(
                    f,
                    "the guest ran for {used:.3} {unit}, which exceeds {name}, which is {maximum} {unit}"
                )
            }
            _ => write!(f, "{used} {unit} exceed {name}, which is {maximum}"),
        }
    }
}

impl std::error::Error for LimitError {}

/// How the guest died.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named after the words of the message")]
pub enum CrashError {
    /// A fatal signal ended the interpreter.
    #[error("the guest's interpreter died by signal {signal}: {}", first_line(report))]
    Signal { signal: u64, report: String },
    /// The guest kernel gave up.
    #[error("the guest kernel gave up: {reason}")]
    Kernel { reason: String, report: String },
    /// The VM stopped without a word, or with one that is no frame.
    #[error("the micro-VM died: {}", first_line(report))]
    Vm { report: String },
}

impl CrashError {
    /// Returns registers and the like, for a bug report. Guest-controlled.
    #[must_use]
    pub fn report(&self) -> &str {
        match self {
            Self::Signal { report, .. } | Self::Kernel { report, .. } | Self::Vm { report } => report,
        }
    }
}

/// Which rule of the wire the guest broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named after the words of the message")]
pub enum ProtocolError {
    /// Bytes that are no frame, or one that does not answer the host's.
    #[error("the guest broke the rules of the wire: {source}")]
    Wire { source: WireError },
    /// A good frame at the wrong time.
    #[error("the guest sent {} where {due} was due", kind.name())]
    UnexpectedFrame { kind: FrameKind, due: &'static str },
    /// A call under the number of one that has no reply yet.
    #[error("the guest calls with number {id}, which is in flight")]
    CallInFlight { id: u64 },
    /// A cancellation of a call that has its reply, or never was.
    #[error("the guest cancels call {id}, which is not in flight")]
    NotInFlight { id: u64 },
    /// More calls without a reply than may be, or more in their arguments.
    #[error("the guest has {count} {what} in flight, which exceeds {max}")]
    TooManyInFlight { what: &'static str, count: usize, max: usize },
    /// A wait without a timeout, and without a call that could end it.
    #[error("the guest waits for ever for no call")]
    WaitsForNothing,
    /// A value that is well-formed CBOR, but no Python object.
    #[error("the guest sent {what} that is no python value: {detail}")]
    Value { what: &'static str, detail: String },
}

impl From<WireError> for ProtocolError {
    fn from(source: WireError) -> Self {
        Self::Wire { source }
    }
}

impl From<WireError> for Error {
    fn from(source: WireError) -> Self {
        Self::Protocol(source.into())
    }
}

/// Shows a count as a float; above 2^53 it is rounded, which nobody minds in a text.
#[expect(clippy::cast_precision_loss, reason = "rounding is said above")]
fn to_f64(value: u64) -> f64 {
    value as f64
}

fn first_line(report: &str) -> &str {
    report.lines().next().unwrap_or("no report")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_texts_name_value_limit_and_unit() {
        let time = LimitError { limit: LimitKind::WallTime, used: 5003, maximum: 5000 };
        assert_eq!(time.to_string(), "the run took 5.003 s, which exceeds wall_time_s, which is 5 s");
        let output = LimitError { limit: LimitKind::Output, used: 70, maximum: 64 };
        assert_eq!(output.to_string(), "70 bytes exceed output_bytes, which is 64");
    }
}

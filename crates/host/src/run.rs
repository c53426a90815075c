//! What goes into a run and what comes out of it, as plain data.
//!
//! Guarantees: values are encoded and checked; texts of the guest are valid UTF-8 within the limits of the wire.
//! Never: holds anything of the VM.
//!
//! Before: the caller. After: `sandbox`; then the caller again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hypercell_abi::message::OutputStream;
use hypercell_abi::{NamedValues, RawValue};
use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use crate::error::UsageError;
use crate::gate::{FileAttempt, HttpAttempt, HttpChange};
use crate::limits::Limits;

/// An encoded Python value that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwnedValue(#[serde(with = "crate::hex")] Vec<u8>);

impl OwnedValue {
    /// Copies a checked value.
    #[must_use]
    pub fn new(value: RawValue<'_>) -> Self {
        Self(value.as_bytes().to_vec())
    }

    /// Returns the encoded value.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for OwnedValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = crate::hex::deserialize(deserializer)?;
        RawValue::new(&bytes).map_err(D::Error::custom)?;
        Ok(Self(bytes))
    }
}

/// One piece of code to run.
#[derive(Debug, Clone, Copy)]
pub struct RunSpec<'a> {
    /// Python source.
    pub code: &'a str,
    /// File name in tracebacks.
    pub name: &'a str,
    /// Values put into the globals.
    pub inputs: NamedValues<'a>,
}

impl RunSpec<'_> {
    /// Checks what a guest need not be made for.
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), UsageError> {
        let (len_bytes, max_bytes) = (u64::try_from(self.code.len()).unwrap_or(u64::MAX), limits.code_bytes);
        if len_bytes > max_bytes {
            return Err(UsageError::CodeTooLong { len_bytes, max_bytes });
        }
        if let Some(offset) = self.code.find('\0') {
            return Err(UsageError::CodeHasNul { offset });
        }
        let (depth, max_depth) =
            (u64::try_from(self.inputs.as_value().depth()).unwrap_or(u64::MAX), limits.value_depth);
        if depth > max_depth {
            return Err(UsageError::InputsTooDeep { depth, max_depth });
        }
        Ok(())
    }
}

/// Where a run has got to.
#[derive(Debug)]
pub enum Step {
    /// The guest waits for the result of a tool.
    ToolCall(ToolCall),
    /// The run is over.
    Done(Box<Done>),
}

/// A tool call that the gate allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// Number of the call, for `resume`. A sandbox never gives one twice.
    pub id: u64,
    /// One of the sandbox's tools.
    pub name: String,
    /// The keyword arguments: a map with text keys.
    pub args: OwnedValue,
    /// Line of the submitted code that makes the call, from 1, if the guest says.
    pub line: Option<u64>,
}

/// What a tool answers.
#[derive(Debug, Clone, Copy)]
pub enum ToolReply<'a> {
    /// A value.
    Value(RawValue<'a>),
    /// An exception, as the guest shall see it. Long texts are shortened in the middle.
    Error {
        /// Name of the exception's class.
        type_name: &'a str,
        /// Its text.
        message: &'a str,
    },
}

/// Calls that run beside each other, and a wait for any that has not been answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolWait {
    /// Calls that the gate allowed and that start now.
    pub calls: Vec<ToolCall>,
    /// Calls of this wait or earlier ones whose results the guest does not want any more. Each is answered all the same.
    pub cancelled: Vec<u64>,
    /// Longest wait; `None` is until a call is answered.
    pub timeout: Option<Duration>,
}

/// Runs tools, hears of output and may object to what gates allow, in the middle of a run, on the thread of `start` or
/// `resume`, so that the guest need not leave its VM.
pub trait ToolCaller: Send + Sync {
    /// Hears of output as it is kept, in the order in which it was written. Guest-controlled; a chunk may end within a
    /// character.
    ///
    /// # Errors
    ///
    /// Why the run must end.
    fn output(&self, stream: OutputStream, data: &[u8]) -> Result<(), String> {
        let _ = (stream, data);
        Ok(())
    }

    /// Runs a tool that the gate allowed, or says that it is to become a [`Step::ToolCall`].
    fn call(&self, call: &ToolCall) -> ToolAnswer;

    /// Starts tools, and waits until one that was started, now or earlier, is done or the time is over.
    ///
    /// Returns what is done: any number of calls, each with its answer. [`ToolAnswer::Later`] leaves one running. `None`
    /// says that this caller runs one tool at a time; then each call goes to `call`.
    fn wait(&self, wait: &ToolWait) -> Option<Vec<(u64, ToolAnswer)>> {
        let _ = wait;
        None
    }

    /// Looks at a request of HTTP that a rule allows, before anything is sent; at each redirect that the host follows, too.
    /// Waiting here is not counted as waiting for a server.
    fn before_http(&self, attempt: &HttpAttempt<'_>) -> Verdict<HttpChange> {
        let _ = attempt;
        Verdict::Allow
    }

    /// Looks at a file of a mount that is to be opened, before it is touched. A change is another path of the guest, as
    /// bytes.
    fn before_open(&self, attempt: &FileAttempt<'_>) -> Verdict<Vec<u8>> {
        let _ = attempt;
        Verdict::Allow
    }
}

/// What a [`ToolCaller`] says of something that a gate allows, before anything comes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<T> {
    /// Go on.
    Allow,
    /// The guest is denied; the audit log is told why, and the guest where it has a text for it.
    Deny {
        /// Why.
        reason: String,
    },
    /// This in its place. The gate decides it as if the guest had asked for it.
    Change(T),
    /// Never: the run ends.
    Stop {
        /// Why.
        reason: String,
    },
}

/// What a [`ToolCaller`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolAnswer {
    /// A value.
    Value(OwnedValue),
    /// An exception, as the guest shall see it. Long texts are shortened in the middle.
    Error {
        /// Name of the exception's class.
        type_name: String,
        /// Its text.
        message: String,
    },
    /// Not now: the run returns the call as a step, and `resume` answers it.
    Later,
    /// Never: the run ends.
    Stop {
        /// Why.
        reason: String,
    },
}

/// The end of a run that worked, whatever the submitted code did.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// The result, or the exception that ended the code.
    pub outcome: Result<OwnedValue, CodeError>,
    /// Status given to `sys.exit` or `os._exit`, if that ended the run.
    pub exit_code: Option<i64>,
    /// Everything else.
    pub report: Report,
}

/// The exception that ended the submitted code. Guest-controlled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeError {
    /// Name of the exception's class.
    pub type_name: String,
    /// Its text.
    pub message: String,
    /// The traceback as Python prints it.
    pub traceback: String,
    /// Line of the submitted code, counted from 1, if one is known.
    pub line: Option<u64>,
}

/// What a run wrote and used, until now or until its end.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// What the run left in /output.
    pub files: Vec<Artifact>,
    /// What the run used.
    pub usage: Usage,
    /// System calls that the guest kernel does not have, by name, and how often they were tried. Guest-controlled.
    pub unsupported_syscalls: BTreeMap<String, u64>,
}

/// A file that a run left in /output. Path and contents are guest-controlled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Path below /output: names with single slashes between them.
    pub path: Vec<u8>,
    /// Bytes.
    pub size: u64,
    /// The contents, unless they are in the directory for output.
    pub data: Option<Arc<Vec<u8>>>,
}

/// What a run did with files of mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileUsage {
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub write_bytes: u64,
    /// Files and directories made.
    pub count: u64,
    /// Most files and directories open at once.
    pub open: u64,
}

/// What a run left in /output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputUsage {
    /// Bytes of the largest file.
    pub largest_bytes: u64,
    /// Bytes of all files.
    pub total_bytes: u64,
    /// Files.
    pub count: u64,
}

/// Sizes of what crossed, or tried to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueUsage {
    /// UTF-8 bytes of the code.
    pub code_bytes: u64,
    /// Encoded arguments of the tool call that had most.
    pub argument_bytes: u64,
    /// Encoded result of the tool call that had most.
    pub tool_result_bytes: u64,
    /// Encoded result of the run.
    pub result_bytes: u64,
    /// Levels of the deepest value.
    pub depth: u64,
}

/// What a run used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// From the start of the run to its end or to now.
    pub wall_time: Duration,
    /// Of that, in the guest.
    pub guest_time: Duration,
    /// Entries into the guest.
    pub turns: u64,
    /// Tool calls, denied ones included.
    pub tool_calls: u64,
    /// HTTP requests, denied ones and redirects included.
    pub http_requests: u64,
    /// Bytes of HTTP requests: URLs, headers and bodies.
    pub http_request_bytes: u64,
    /// Bytes of HTTP responses that the guest got: headers and bodies.
    pub http_response_bytes: u64,
    /// Time spent waiting for HTTP servers.
    pub http_time: Duration,
    /// Bytes of output kept.
    pub output_bytes: u64,
    /// Most memory in use at once. The guest kernel's claim, as are the next two.
    pub memory_peak_bytes: u64,
    /// Page faults served.
    pub page_faults: u64,
    /// System calls served.
    pub syscalls: u64,
    /// Code and values.
    pub values: ValueUsage,
    /// Files of mounts.
    pub files: FileUsage,
    /// Files of /output.
    pub output_files: OutputUsage,
}

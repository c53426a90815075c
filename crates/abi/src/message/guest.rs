//! Frames that the guest sends, from the program and from the kernel. The host trusts none of it.
//!
//! Guarantees and limits as in [`super`]. It must never hold a default for a missing key.
//!
//! Before: `message`. After: the guest encodes them, the host's channel decodes them.

use alloc::vec::Vec;

use super::{
    FileRequest, HttpPart, HttpRead, HttpSend, Syscall, TEXT, ToolWait, either, http, read_empty,
    read_two_texts, syscall,
};
use crate::error::WireError;
use crate::fields::{Reader, Writer};
use crate::frame::{FrameKind, Route};
use crate::limits::{MAX_HOT_SET_BYTES, MAX_LIST_ENTRIES, MAX_OUTPUT_CHUNK_BYTES, MAX_TOOL_NAME_BYTES};
use crate::value::{NamedValues, RawValue};

/// A frame from the guest, program or kernel, to the host. All of it is claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GuestFrame<'a> {
    /// Waiting for a RunRequest.
    Ready {
        /// `3.11.7`.
        python: &'a str,
        /// `cpython`.
        implementation: &'a str,
    },
    /// Bytes written to standard output or standard error.
    Output {
        /// Which of the two.
        stream: OutputStream,
        /// At most [`MAX_OUTPUT_CHUNK_BYTES`]; any bytes.
        data: &'a [u8],
    },
    /// Call of a tool by the submitted code.
    ToolCall(ToolCall<'a>),
    /// Calls of tools beside each other, and a wait for the result of any.
    ToolWait(ToolWait<'a>),
    /// End of a run.
    RunDone(RunDone<'a>),
    /// Random numbers are new.
    Reseeded,
    /// Modules are imported.
    Warmed {
        /// Module and message of each that could not be.
        failed: Vec<(&'a str, &'a str)>,
    },
    /// An HTTP request, or its first part.
    HttpSend(HttpSend<'a>),
    /// More of a request's body.
    HttpPart(HttpPart<'a>),
    /// More of a response's body is wanted.
    HttpRead(HttpRead),
    /// No more of an exchange is wanted; answered by HttpAck.
    HttpClose {
        /// That of HttpSend.
        id: u64,
    },
    /// Nothing to do for this long; answered by Resume.
    Sleep {
        /// Nanoseconds.
        ns: u64,
    },
    /// The kernel gave up; the VM is dead.
    Abort {
        /// One line.
        reason: &'a str,
        /// Registers and the like, for a bug report.
        report: &'a str,
    },
    /// Ready to be captured.
    Checkpointed {
        /// Addresses of the pages copied on write while recording, eight bytes each, little endian.
        hot: &'a [u8],
    },
    /// The program is gone; the VM is dead until restored.
    Exited(Exited<'a>),
    /// A system call that the host has traced; answered by Resume.
    Syscall(Syscall<'a>),
    /// The program uses a file of the host, or leaves one for it; answered by FileReply.
    File(FileRequest<'a>),
}

/// Keys of a ToolCall, also within a ToolWait.
pub(super) const TOOL_CALL_KEYS: u64 = 4;

/// Call of a tool by the submitted code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolCall<'a> {
    /// Chosen by the guest; the reply repeats it.
    pub id: u64,
    /// The tool's name.
    pub name: &'a str,
    /// Keyword arguments.
    pub args: NamedValues<'a>,
    /// Line of the submitted code that makes the call, from 1, if it is known.
    pub line: Option<u64>,
}

/// End of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunDone<'a> {
    /// The result, or the exception that ended the run.
    pub outcome: Result<RawValue<'a>, RunError<'a>>,
    /// Status given to `sys.exit`, if that ended the run.
    pub exit: Option<i64>,
}

/// The exception that ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunError<'a> {
    /// Name of the exception's class.
    pub type_name: &'a str,
    /// Its text.
    pub message: &'a str,
    /// The whole traceback as Python prints it.
    pub traceback: &'a str,
    /// Line of the submitted code, counted from 1, if one is known.
    pub line: Option<u64>,
}

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exited<'a> {
    /// Status given to `exit_group`, 0 after a signal.
    pub status: i64,
    /// Number of the fatal signal, 0 if none.
    pub signal: u64,
    /// Registers and the like after a signal, else empty.
    pub report: &'a str,
}

/// Standard output or standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputStream {
    /// File descriptor 1.
    Stdout,
    /// File descriptor 2.
    Stderr,
}

impl OutputStream {
    /// Returns the stream with this descriptor.
    ///
    /// # Errors
    ///
    /// [`WireError::FieldRange`] unless it is 1 or 2.
    pub fn from_fd(fd: u64) -> Result<Self, WireError> {
        match fd {
            1 => Ok(Self::Stdout),
            2 => Ok(Self::Stderr),
            value => Err(WireError::FieldRange { field: "fd", value }),
        }
    }

    /// Returns the descriptor.
    #[must_use]
    pub fn fd(self) -> u64 {
        match self {
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }
}

impl<'a> GuestFrame<'a> {
    /// Returns the kind this message is sent as.
    #[must_use]
    pub fn kind(&self) -> FrameKind {
        match self {
            Self::Ready { .. } => FrameKind::Ready,
            Self::Output { .. } => FrameKind::Output,
            Self::ToolCall(_) => FrameKind::ToolCall,
            Self::ToolWait(_) => FrameKind::ToolWait,
            Self::RunDone(_) => FrameKind::RunDone,
            Self::Reseeded => FrameKind::Reseeded,
            Self::Warmed { .. } => FrameKind::Warmed,
            Self::HttpSend(_) => FrameKind::HttpSend,
            Self::HttpPart(_) => FrameKind::HttpPart,
            Self::HttpRead(_) => FrameKind::HttpRead,
            Self::HttpClose { .. } => FrameKind::HttpClose,
            Self::Sleep { .. } => FrameKind::Sleep,
            Self::Abort { .. } => FrameKind::Abort,
            Self::Checkpointed { .. } => FrameKind::Checkpointed,
            Self::Exited(_) => FrameKind::Exited,
            Self::Syscall(_) => FrameKind::Syscall,
            Self::File(_) => FrameKind::FileRequest,
        }
    }

    /// Returns the whole frame; `seq` is that of the host frame it answers.
    ///
    /// # Errors
    ///
    /// [`WireError::FieldTooLong`], [`WireError::TooManyEntries`], [`WireError::DuplicateName`] or
    /// [`WireError::FrameTooLong`]: the message is above a limit.
    pub fn encode(&self, seq: u32) -> Result<Vec<u8>, WireError> {
        if let Self::File(request) = self {
            return request.write()?.finish(self.kind(), seq);
        }
        let mut w = Writer::new(match self {
            Self::Reseeded => 0,
            Self::Warmed { .. } | Self::Sleep { .. } | Self::Checkpointed { .. } => 1,
            Self::HttpClose { .. } => 1,
            Self::HttpPart(_) | Self::HttpRead(_) => 3,
            Self::HttpSend(_) => 8,
            Self::Ready { .. } | Self::Output { .. } | Self::Abort { .. } => 2,
            Self::ToolWait(_) | Self::Exited(_) => 3,
            Self::ToolCall(_) => TOOL_CALL_KEYS,
            Self::Syscall(_) => syscall::SYSCALL_KEYS,
            Self::RunDone(done) => 1u64.saturating_add(done.exit.is_some().into()),
            Self::File(_) => 0,
        });
        match self {
            Self::Ready { python, implementation } => {
                w.key("python").text("python", python, TEXT)?;
                w.key("impl").text("impl", implementation, TEXT)?;
            }
            Self::Output { stream, data } => {
                w.key("fd").uint(stream.fd());
                w.key("data").bytes("data", data, MAX_OUTPUT_CHUNK_BYTES)?;
            }
            Self::ToolCall(call) => call.write(&mut w)?,
            Self::ToolWait(wait) => wait.write(&mut w)?,
            Self::RunDone(done) => done.write(&mut w)?,
            Self::Reseeded => {}
            Self::Warmed { failed } => {
                w.key("failed").list("failed", failed, MAX_LIST_ENTRIES, |w, pair| {
                    w.pair(["module", "message"], *pair, [TEXT, TEXT])
                })?
            }
            Self::HttpSend(send) => send.write(&mut w)?,
            Self::HttpPart(part) => part.write(&mut w)?,
            Self::HttpRead(read) => read.write(&mut w),
            Self::HttpClose { id } => w.key("id").uint(*id),
            Self::Sleep { ns } => w.key("ns").uint(*ns),
            Self::Abort { reason, report } => {
                w.key("reason").text("reason", reason, TEXT)?;
                w.key("report").text("report", report, TEXT)?;
            }
            Self::Checkpointed { hot } => w.key("hot").bytes("hot", hot, MAX_HOT_SET_BYTES)?,
            Self::Exited(exited) => {
                w.key("status").int(exited.status);
                w.key("signal").uint(exited.signal);
                w.key("report").text("report", exited.report, TEXT)?;
            }
            Self::Syscall(call) => call.write(&mut w)?,
            Self::File(_) => {}
        }
        w.finish(self.kind(), seq)
    }

    /// Decodes the body of a frame of this kind.
    ///
    /// Input is guest-controlled.
    ///
    /// # Errors
    ///
    /// [`WireError::WrongDirection`] for a kind that is not from the guest, else what is wrong with the body.
    pub fn decode(kind: FrameKind, body: &'a [u8]) -> Result<Self, WireError> {
        if !matches!(kind.route(), Route::ProgramToHost | Route::KernelToHost) {
            return Err(WireError::WrongDirection { kind, expected: "a frame from the guest" });
        }
        let mut r = Reader::new(kind, body);
        let message = Self::read(&mut r)?;
        r.finish()?;
        Ok(message)
    }

    fn read(r: &mut Reader<'a>) -> Result<Self, WireError> {
        match r.kind {
            FrameKind::Output => {
                let (mut fd, mut data) = (None, None);
                r.map(|key, r| match key {
                    "fd" => r.once(&mut fd, "fd", |r, _| r.uint()),
                    "data" => r.once(&mut data, "data", |r, f| r.bytes(f, MAX_OUTPUT_CHUNK_BYTES)),
                    _ => Ok(false),
                })?;
                let stream = OutputStream::from_fd(r.need(fd, "fd")?)?;
                Ok(Self::Output { stream, data: r.need(data, "data")? })
            }
            FrameKind::ToolCall => Ok(Self::ToolCall(ToolCall::read(r)?)),
            FrameKind::ToolWait => Ok(Self::ToolWait(ToolWait::read(r)?)),
            FrameKind::RunDone => Ok(Self::RunDone(RunDone::read(r)?)),
            FrameKind::HttpSend => Ok(Self::HttpSend(HttpSend::read(r)?)),
            FrameKind::HttpPart => Ok(Self::HttpPart(HttpPart::read(r)?)),
            FrameKind::HttpRead => Ok(Self::HttpRead(HttpRead::read(r)?)),
            FrameKind::HttpClose => Ok(Self::HttpClose { id: http::read_id(r)? }),
            FrameKind::Syscall => Ok(Self::Syscall(Syscall::read(r)?)),
            FrameKind::FileRequest => Ok(Self::File(FileRequest::read(r)?)),
            FrameKind::Ready => {
                let (python, implementation) = read_two_texts(r, "python", "impl")?;
                Ok(Self::Ready { python, implementation })
            }
            FrameKind::Abort => {
                let (reason, report) = read_two_texts(r, "reason", "report")?;
                Ok(Self::Abort { reason, report })
            }
            FrameKind::Reseeded => {
                read_empty(r)?;
                Ok(Self::Reseeded)
            }
            FrameKind::Warmed => {
                let mut failed = None;
                r.map(|key, r| match key {
                    "failed" => r.once(&mut failed, "failed", |r, f| {
                        r.list(f, MAX_LIST_ENTRIES, |r| r.pair(["module", "message"], [TEXT, TEXT]))
                    }),
                    _ => Ok(false),
                })?;
                Ok(Self::Warmed { failed: r.need(failed, "failed")? })
            }
            FrameKind::Sleep => {
                let mut ns = None;
                r.map(|key, r| match key {
                    "ns" => r.once(&mut ns, "ns", |r, _| r.uint()),
                    _ => Ok(false),
                })?;
                Ok(Self::Sleep { ns: r.need(ns, "ns")? })
            }
            FrameKind::Exited => {
                let (mut status, mut signal, mut report) = (None, None, None);
                r.map(|key, r| match key {
                    "status" => r.once(&mut status, "status", Reader::int),
                    "signal" => r.once(&mut signal, "signal", |r, _| r.uint()),
                    "report" => r.once(&mut report, "report", |r, f| r.text(f, TEXT)),
                    _ => Ok(false),
                })?;
                let (status, signal) = (r.need(status, "status")?, r.need(signal, "signal")?);
                Ok(Self::Exited(Exited { status, signal, report: r.need(report, "report")? }))
            }
            FrameKind::Checkpointed => {
                let mut hot = None;
                r.map(|key, r| match key {
                    "hot" => r.once(&mut hot, "hot", |r, f| r.bytes(f, MAX_HOT_SET_BYTES)),
                    _ => Ok(false),
                })?;
                Ok(Self::Checkpointed { hot: r.need(hot, "hot")? })
            }
            kind => Err(WireError::WrongDirection { kind, expected: "a frame from the guest" }),
        }
    }
}

impl<'a> ToolCall<'a> {
    /// Writes the [`TOOL_CALL_KEYS`].
    pub(super) fn write(&self, w: &mut Writer) -> Result<(), WireError> {
        w.key("id").uint(self.id);
        w.key("name").text("name", self.name, MAX_TOOL_NAME_BYTES)?;
        w.key("args").named_values("args", self.args)?;
        w.key("line").uint_or_null(self.line);
        Ok(())
    }

    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, WireError> {
        let (mut id, mut name, mut args, mut line) = (None, None, None, None);
        r.map(|key, r| match key {
            "id" => r.once(&mut id, "id", |r, _| r.uint()),
            "name" => r.once(&mut name, "name", |r, f| r.text(f, MAX_TOOL_NAME_BYTES)),
            "args" => r.once(&mut args, "args", Reader::named_values),
            "line" => r.once(&mut line, "line", |r, _| r.uint_or_null()),
            _ => Ok(false),
        })?;
        Ok(Self {
            id: r.need(id, "id")?,
            name: r.need(name, "name")?,
            args: r.need(args, "args")?,
            line: r.need(line, "line")?,
        })
    }
}

impl<'a> RunDone<'a> {
    fn write(&self, w: &mut Writer) -> Result<(), WireError> {
        match &self.outcome {
            Ok(value) => w.key("value").value(*value),
            Err(error) => {
                w.key("err").map(4);
                w.key("type").text("type", error.type_name, TEXT)?;
                w.key("msg").text("msg", error.message, TEXT)?;
                w.key("tb").text("tb", error.traceback, TEXT)?;
                w.key("line").uint_or_null(error.line);
            }
        }
        if let Some(status) = self.exit {
            w.key("exit").int(status);
        }
        Ok(())
    }

    fn read(r: &mut Reader<'a>) -> Result<Self, WireError> {
        let (mut value, mut error, mut exit) = (None, None, None);
        r.map(|key, r| match key {
            "value" => r.once(&mut value, "value", |r, _| r.value()),
            "err" => r.once(&mut error, "err", |r, _| RunError::read(r)),
            "exit" => r.once(&mut exit, "exit", Reader::int),
            _ => Ok(false),
        })?;
        Ok(Self { outcome: either(r, value, error, ["value", "err"])?, exit })
    }
}

impl<'a> RunError<'a> {
    fn read(r: &mut Reader<'a>) -> Result<Self, WireError> {
        let (mut type_name, mut message, mut traceback, mut line) = (None, None, None, None);
        r.map(|key, r| match key {
            "type" => r.once(&mut type_name, "type", |r, f| r.text(f, TEXT)),
            "msg" => r.once(&mut message, "msg", |r, f| r.text(f, TEXT)),
            "tb" => r.once(&mut traceback, "tb", |r, f| r.text(f, TEXT)),
            "line" => r.once(&mut line, "line", |r, _| r.uint_or_null()),
            _ => Ok(false),
        })?;
        Ok(Self {
            type_name: r.need(type_name, "type")?,
            message: r.need(message, "msg")?,
            traceback: r.need(traceback, "tb")?,
            line: r.need(line, "line")?,
        })
    }
}

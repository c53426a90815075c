//! Frames that the host sends, to the program and to the kernel.
//!
//! Guarantees and limits as in [`super`]. It must never hold a default for a missing key.
//!
//! Before: `message`. After: the host's sandbox encodes them, the guest decodes them.

use alloc::vec::Vec;

use super::calls::{read_replies, write_replies};
use super::{FileReply, HttpBody, HttpError, HttpHead, TEXT, either, http, read_empty, read_two_texts};
use crate::cbor::len_arg;
use crate::error::WireError;
use crate::fields::{Reader, Writer};
use crate::frame::{ENTROPY_BYTES, FrameKind};
use crate::limits::{MAX_CODE_BYTES, MAX_HOT_SET_BYTES, MAX_TOOL_NAME_BYTES, MAX_TOOLS, MAX_VALUE_BYTES};
use crate::value::{NamedValues, RawValue};

/// A frame from the host to the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostFrame<'a> {
    /// Run code.
    RunRequest(RunRequest<'a>),
    /// Result of a tool call.
    ToolReply(ToolReply<'a>),
    /// Answer to ToolWait: results of some of the calls in flight, in any order.
    ToolReplies {
        /// At most [`MAX_CALLS_IN_FLIGHT`](crate::limits::MAX_CALLS_IN_FLIGHT); none if the time was over.
        replies: Vec<ToolReply<'a>>,
    },
    /// Head of a response.
    HttpHead(HttpHead<'a>),
    /// Bytes of a response's body.
    HttpBody(HttpBody<'a>),
    /// No response, or no more of it.
    HttpError(HttpError<'a>),
    /// Part of a request was taken, or an exchange is closed.
    HttpAck {
        /// That of HttpSend.
        id: u64,
    },
    /// Answer to Output.
    OutputAck,
    /// Import modules; answered by Warmed.
    Warm {
        /// Names as `import` takes them.
        modules: Vec<&'a str>,
    },
    /// Drop kept globals; answered by Ready.
    Reset,
    /// This VM is one of several copies: take new random numbers; answered by Reseeded. What the program waits for is
    /// still to come.
    Reseed {
        /// Seed of Python's random generators.
        seed: [u8; ENTROPY_BYTES],
    },
}

/// A frame from the host to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelRequest<'a> {
    /// Load `argv[0]` and run it.
    Boot {
        /// Arguments, the path of the program first.
        argv: Vec<&'a str>,
        /// `NAME=value` entries.
        env: Vec<&'a str>,
    },
    /// Come to a state that can be captured; answered by Checkpointed.
    Checkpoint {
        /// Whether the kernel records from now on which pages are copied on write.
        record: bool,
        /// Addresses of the pages to copy in bulk at each start, eight bytes each, little endian; empty keeps the list.
        hot: &'a [u8],
    },
    /// Go on after Sleep.
    Resume,
    /// Answer to FileRequest.
    File(FileReply<'a>),
}

/// One run of submitted code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRequest<'a> {
    /// Python source.
    pub code: &'a str,
    /// File name in tracebacks.
    pub name: &'a str,
    /// Values put into the globals.
    pub inputs: NamedValues<'a>,
    /// Name and documentation of each tool.
    pub tools: Vec<(&'a str, &'a str)>,
    /// Whether globals stay for the next run.
    pub keep: bool,
    /// Seed of Python's random generators for this run.
    pub seed: [u8; ENTROPY_BYTES],
    /// Bytes that the encoded result may have, at most [`MAX_VALUE_BYTES`].
    pub max_value_bytes: u64,
}

/// Result of a tool call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolReply<'a> {
    /// The id of the call.
    pub id: u64,
    /// What the tool returned or raised.
    pub outcome: Result<RawValue<'a>, ToolError<'a>>,
}

/// What a tool raised, as the submitted code sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolError<'a> {
    /// Name of the exception's class.
    pub type_name: &'a str,
    /// Its text.
    pub message: &'a str,
}

impl<'a> HostFrame<'a> {
    /// Returns the kind this message is sent as.
    #[must_use]
    pub fn kind(&self) -> FrameKind {
        match self {
            Self::RunRequest(_) => FrameKind::RunRequest,
            Self::ToolReply(_) => FrameKind::ToolReply,
            Self::ToolReplies { .. } => FrameKind::ToolReplies,
            Self::HttpHead(_) => FrameKind::HttpHead,
            Self::HttpBody(_) => FrameKind::HttpBody,
            Self::HttpError(_) => FrameKind::HttpError,
            Self::HttpAck { .. } => FrameKind::HttpAck,
            Self::OutputAck => FrameKind::OutputAck,
            Self::Warm { .. } => FrameKind::Warm,
            Self::Reset => FrameKind::Reset,
            Self::Reseed { .. } => FrameKind::Reseed,
        }
    }

    /// Returns the whole frame.
    ///
    /// # Errors
    ///
    /// [`WireError::FieldTooLong`], [`WireError::TooManyEntries`], [`WireError::FieldRange`],
    /// [`WireError::DuplicateName`] or [`WireError::FrameTooLong`]: the message is above a limit.
    pub fn encode(&self, seq: u32) -> Result<Vec<u8>, WireError> {
        let frame = match self {
            Self::RunRequest(run) => run.write()?,
            Self::ToolReply(reply) => {
                let mut w = Writer::new(2);
                reply.write(&mut w)?;
                w
            }
            Self::ToolReplies { replies } => write_replies(replies)?,
            Self::HttpHead(head) => {
                let mut w = Writer::new(4);
                head.write(&mut w)?;
                w
            }
            Self::HttpBody(body) => {
                let mut w = Writer::new(3);
                body.write(&mut w)?;
                w
            }
            Self::HttpError(error) => {
                let mut w = Writer::new(3);
                error.write(&mut w)?;
                w
            }
            Self::HttpAck { id } => {
                let mut w = Writer::new(1);
                w.key("id").uint(*id);
                w
            }
            Self::OutputAck | Self::Reset => Writer::new(0),
            Self::Warm { modules } => {
                let mut w = Writer::new(1);
                w.key("modules").texts("modules", modules, TEXT)?;
                w
            }
            Self::Reseed { seed } => {
                let mut w = Writer::new(1);
                w.key("seed").bytes("seed", seed, ENTROPY_BYTES)?;
                w
            }
        };
        frame.finish(self.kind(), seq)
    }

    /// Decodes the body of a frame of this kind.
    ///
    /// # Errors
    ///
    /// [`WireError::WrongDirection`] for a kind that is not from host to program, else what is wrong with the body.
    pub fn decode(kind: FrameKind, body: &'a [u8]) -> Result<Self, WireError> {
        let mut r = Reader::new(kind, body);
        let message = match kind {
            FrameKind::RunRequest => Self::RunRequest(RunRequest::read(&mut r)?),
            FrameKind::ToolReply => Self::ToolReply(ToolReply::read(&mut r)?),
            FrameKind::ToolReplies => Self::ToolReplies { replies: read_replies(&mut r)? },
            FrameKind::HttpHead => Self::HttpHead(HttpHead::read(&mut r)?),
            FrameKind::HttpBody => Self::HttpBody(HttpBody::read(&mut r)?),
            FrameKind::HttpError => Self::HttpError(HttpError::read(&mut r)?),
            FrameKind::HttpAck => Self::HttpAck { id: http::read_id(&mut r)? },
            FrameKind::OutputAck => {
                read_empty(&mut r)?;
                Self::OutputAck
            }
            FrameKind::Warm => {
                let mut modules = None;
                r.map(|key, r| match key {
                    "modules" => r.once(&mut modules, "modules", |r, f| r.texts(f, TEXT)),
                    _ => Ok(false),
                })?;
                Self::Warm { modules: r.need(modules, "modules")? }
            }
            FrameKind::Reset => {
                read_empty(&mut r)?;
                Self::Reset
            }
            FrameKind::Reseed => {
                let mut seed = None;
                r.map(|key, r| match key {
                    "seed" => r.once(&mut seed, "seed", read_seed),
                    _ => Ok(false),
                })?;
                Self::Reseed { seed: r.need(seed, "seed")? }
            }
            _ => return Err(WireError::WrongDirection { kind, expected: "a frame from host to program" }),
        };
        r.finish()?;
        Ok(message)
    }
}

impl<'a> KernelRequest<'a> {
    /// Returns the kind this message is sent as.
    #[must_use]
    pub fn kind(&self) -> FrameKind {
        match self {
            Self::Boot { .. } => FrameKind::Boot,
            Self::Checkpoint { .. } => FrameKind::Checkpoint,
            Self::Resume => FrameKind::Resume,
            Self::File(_) => FrameKind::FileReply,
        }
    }

    /// Returns the whole frame.
    ///
    /// # Errors
    ///
    /// [`WireError::FieldTooLong`], [`WireError::TooManyEntries`] or [`WireError::FrameTooLong`].
    pub fn encode(&self, seq: u32) -> Result<Vec<u8>, WireError> {
        let frame = match self {
            Self::Boot { argv, env } => {
                let mut w = Writer::new(2);
                w.key("argv").texts("argv", argv, TEXT)?;
                w.key("env").texts("env", env, TEXT)?;
                w
            }
            Self::Checkpoint { record, hot } => {
                let mut w = Writer::new(2);
                w.key("record").bool(*record);
                w.key("hot").bytes("hot", hot, MAX_HOT_SET_BYTES)?;
                w
            }
            Self::Resume => Writer::new(0),
            Self::File(reply) => reply.write()?,
        };
        frame.finish(self.kind(), seq)
    }

    /// Decodes the body of a frame of this kind.
    ///
    /// # Errors
    ///
    /// [`WireError::WrongDirection`] for a kind that is not from host to kernel, else what is wrong with the body.
    pub fn decode(kind: FrameKind, body: &'a [u8]) -> Result<Self, WireError> {
        let mut r = Reader::new(kind, body);
        let message = match kind {
            FrameKind::Boot => {
                let (mut argv, mut env) = (None, None);
                r.map(|key, r| match key {
                    "argv" => r.once(&mut argv, "argv", |r, f| r.texts(f, TEXT)),
                    "env" => r.once(&mut env, "env", |r, f| r.texts(f, TEXT)),
                    _ => Ok(false),
                })?;
                Self::Boot { argv: r.need(argv, "argv")?, env: r.need(env, "env")? }
            }
            FrameKind::Checkpoint => {
                let (mut record, mut hot) = (None, None);
                r.map(|key, r| match key {
                    "record" => r.once(&mut record, "record", |r, _| r.bool()),
                    "hot" => r.once(&mut hot, "hot", |r, f| r.bytes(f, MAX_HOT_SET_BYTES)),
                    _ => Ok(false),
                })?;
                Self::Checkpoint { record: r.need(record, "record")?, hot: r.need(hot, "hot")? }
            }
            FrameKind::Resume => {
                read_empty(&mut r)?;
                Self::Resume
            }
            FrameKind::FileReply => Self::File(FileReply::read(&mut r)?),
            _ => return Err(WireError::WrongDirection { kind, expected: "a frame from host to kernel" }),
        };
        r.finish()?;
        Ok(message)
    }
}

impl<'a> RunRequest<'a> {
    fn write(&self) -> Result<Writer, WireError> {
        let mut w = Writer::new(7);
        w.key("code").text("code", self.code, MAX_CODE_BYTES)?;
        w.key("name").text("name", self.name, TEXT)?;
        w.key("inputs").named_values("inputs", self.inputs)?;
        w.key("tools").list("tools", &self.tools, MAX_TOOLS, |w, tool| {
            w.pair(["tool name", "tool documentation"], *tool, [MAX_TOOL_NAME_BYTES, TEXT])
        })?;
        w.key("keep").bool(self.keep);
        w.key("seed").bytes("seed", &self.seed, ENTROPY_BYTES)?;
        w.key("max_value").uint(check_max_value(self.max_value_bytes)?);
        Ok(w)
    }

    fn read(r: &mut Reader<'a>) -> Result<Self, WireError> {
        let (mut code, mut name, mut inputs, mut tools) = (None, None, None, None);
        let (mut keep, mut seed, mut max_value) = (None, None, None);
        r.map(|key, r| match key {
            "code" => r.once(&mut code, "code", |r, f| r.text(f, MAX_CODE_BYTES)),
            "name" => r.once(&mut name, "name", |r, f| r.text(f, TEXT)),
            "inputs" => r.once(&mut inputs, "inputs", Reader::named_values),
            "tools" => r.once(&mut tools, "tools", |r, f| {
                r.list(f, MAX_TOOLS, |r| {
                    r.pair(["tool name", "tool documentation"], [MAX_TOOL_NAME_BYTES, TEXT])
                })
            }),
            "keep" => r.once(&mut keep, "keep", |r, _| r.bool()),
            "seed" => r.once(&mut seed, "seed", read_seed),
            "max_value" => r.once(&mut max_value, "max_value", |r, _| check_max_value(r.uint()?)),
            _ => Ok(false),
        })?;
        Ok(Self {
            code: r.need(code, "code")?,
            name: r.need(name, "name")?,
            inputs: r.need(inputs, "inputs")?,
            tools: r.need(tools, "tools")?,
            keep: r.need(keep, "keep")?,
            seed: r.need(seed, "seed")?,
            max_value_bytes: r.need(max_value, "max_value")?,
        })
    }
}

impl<'a> ToolReply<'a> {
    /// Writes the two keys.
    pub(super) fn write(&self, w: &mut Writer) -> Result<(), WireError> {
        w.key("id").uint(self.id);
        match &self.outcome {
            Ok(value) => w.key("ok").value(*value),
            Err(error) => {
                w.key("err").map(2);
                w.key("type").text("type", error.type_name, TEXT)?;
                w.key("msg").text("msg", error.message, TEXT)?;
            }
        }
        Ok(())
    }

    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, WireError> {
        let (mut id, mut value, mut error) = (None, None, None);
        r.map(|key, r| match key {
            "id" => r.once(&mut id, "id", |r, _| r.uint()),
            "ok" => r.once(&mut value, "ok", |r, _| r.value()),
            "err" => r.once(&mut error, "err", |r, _| {
                let (type_name, message) = read_two_texts(r, "type", "msg")?;
                Ok(ToolError { type_name, message })
            }),
            _ => Ok(false),
        })?;
        Ok(Self { id: r.need(id, "id")?, outcome: either(r, value, error, ["ok", "err"])? })
    }
}

fn read_seed(r: &mut Reader<'_>, field: &'static str) -> Result<[u8; ENTROPY_BYTES], WireError> {
    let bytes = r.bytes(field, ENTROPY_BYTES)?;
    let value = len_arg(bytes.len());
    bytes.try_into().map_err(|_| WireError::FieldRange { field: "seed length", value })
}

fn check_max_value(value: u64) -> Result<u64, WireError> {
    if value <= len_arg(MAX_VALUE_BYTES) {
        Ok(value)
    } else {
        Err(WireError::FieldRange { field: "max_value", value })
    }
}

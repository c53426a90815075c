//! What the host makes of a guest's frames during a run: the next turn for it, or a step for the caller.
//!
//! A frame comes in one of two ways. Either the guest asks with it and stays in its VM, which is twice as fast, and is
//! answered there if the host can; or it leaves the VM with it. Both are treated alike.
//!
//! Guarantees: a stop takes effect between two frames, whichever way they come; a guest that was told to leave and
//! goes on asking is stopped.
//! Never: enters the guest.
//!
//! Before: `sandbox`, and the engine in the middle of an entry. After: `channel`, `dispatch`, the caller's tools.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hypercell_abi::limits::MAX_ANSWER_BYTES;
use hypercell_abi::limits::MAX_MESSAGE_TEXT_BYTES;
use hypercell_abi::message::{ToolError, ToolReply as WireReply};
use hypercell_abi::{HostFrame, KernelRequest, RawValue};

use crate::audit::{AuditEvent, ToolAnswer as AuditedAnswer};
use crate::channel::Outgoing;
use crate::control::{Control, Counted};
use crate::dispatch::{self, Gates, Next};
use crate::error::{Error, UsageError};
use crate::gate::ToolGate;
use crate::guest::Link;
use crate::run::{CodeError, OwnedValue, ToolAnswer, ToolCall, ToolCaller, ToolReply};
use crate::sandbox::SandboxOptions;
use crate::shorten::shorten_middle;

/// The run that is going on.
pub(crate) struct Run {
    pub(crate) number: u64,
    pub(crate) tools: ToolGate,
    pub(crate) pending: Option<PendingCall>,
    /// Runs tools without a step for each, if it wants to.
    pub(crate) caller: Option<Arc<dyn ToolCaller>>,
}

/// A call that a step was returned for.
#[derive(Debug, Clone)]
pub(crate) struct PendingCall {
    pub(crate) id: u64,
    pub(crate) guest_id: u64,
    pub(crate) name: String,
}

/// What follows a frame.
pub(crate) enum Flow {
    /// The guest goes on with this turn.
    Turn(Vec<u8>),
    /// The caller runs a tool.
    CallTool(ToolCall),
    /// The run is over.
    Finish(Result<OwnedValue, CodeError>, Option<i64>),
    /// The guest's interpreter is gone.
    FinishGone(i64),
}

/// Answers the frames of one entry into the guest.
pub(crate) struct Answers<'a> {
    options: &'a SandboxOptions,
    control: &'a Control,
    link: &'a mut Link,
    run: &'a mut Run,
    /// Tool calls of the sandbox so far.
    calls: &'a mut u64,
    /// The guest's counters in its last frame.
    pub(crate) counted: Counted,
    /// When the guest was last given the processor.
    pub(crate) entered: Instant,
    /// What the guest must leave for.
    pub(crate) left: Option<Result<Flow, Error>>,
}

impl<'a> Answers<'a> {
    /// Takes over just before an entry.
    pub(crate) fn new(
        options: &'a SandboxOptions,
        control: &'a Control,
        link: &'a mut Link,
        run: &'a mut Run,
        calls: &'a mut u64,
    ) -> Self {
        let counted = link.counted;
        Self { options, control, link, run, calls, counted, entered: Instant::now(), left: None }
    }

    /// Answers a guest that asks. `None` makes it leave, and `left` says for what. Input is guest-controlled.
    pub(crate) fn answer(&mut self, turn: &[u8]) -> Option<Vec<u8>> {
        if self.left.is_none() {
            let guest_time = self.entered.elapsed();
            let flow = self.control.leave_guest().and_then(|()| self.handle(turn, guest_time, true));
            let flow = flow.and_then(|flow| self.control.enter_guest(&self.link.interrupt).map(|()| flow));
            self.entered = Instant::now();
            match flow {
                Ok(Flow::Turn(turn)) if turn.len() <= MAX_ANSWER_BYTES => return Some(turn),
                Ok(flow) => {
                    self.left = Some(Ok(flow));
                    return None;
                }
                Err(error) => self.left = Some(Err(error)),
            }
        }
        // The run has failed, or a guest that was told to leave asks again. It gets no say in when it stops.
        self.link.interrupt.interrupt();
        None
    }

    /// Decides what follows a frame that was asked with, or left with. Input is guest-controlled.
    pub(crate) fn handle(
        &mut self,
        turn: &[u8],
        guest_time: Duration,
        is_asked: bool,
    ) -> Result<Flow, Error> {
        let incoming = self.link.channel.decode(turn)?;
        self.control.count_turn(&incoming.counters, self.link.counted, guest_time);
        self.counted =
            Counted { page_faults: incoming.counters.page_faults, syscalls: incoming.counters.syscalls };
        let next_call = self.calls.saturating_add(1);
        let mut gates = Gates {
            run: self.run.number,
            next_call,
            tools: &mut self.run.tools,
            output: self.control,
            max_result_bytes: self.options.limits.result_bytes,
            max_memory_bytes: self.options.limits.memory_bytes,
            audit: &self.options.audit,
        };
        let next = dispatch::dispatch(incoming.frame, &mut gates);
        self.control.count_calls(self.run.tools.calls());
        let frame = match next? {
            Next::AcknowledgeOutput => Outgoing::Program(HostFrame::OutputAck),
            Next::Sleep(time) => {
                self.control.sleep(time)?;
                Outgoing::Kernel(KernelRequest::Resume)
            }
            Next::DenyCall { id, type_name, message } => {
                let error = ToolError { type_name, message: &message };
                let reply = WireReply { id, outcome: Err(error) };
                return self.turn(&Outgoing::Program(HostFrame::ToolReply(reply)), is_asked);
            }
            Next::CallTool { id: guest_id, name, args } => {
                *self.calls = next_call;
                self.run.pending = Some(PendingCall { id: next_call, guest_id, name: name.clone() });
                return self.call(ToolCall { id: next_call, name, args }, is_asked);
            }
            Next::Finish(outcome, exit_code) => return Ok(Flow::Finish(outcome, exit_code)),
            Next::FinishGone { status } => return Ok(Flow::FinishGone(status)),
        };
        self.turn(&frame, is_asked)
    }

    /// Has the tool run now, if there is somebody to do so.
    fn call(&mut self, call: ToolCall, is_asked: bool) -> Result<Flow, Error> {
        let Some(caller) = &self.run.caller else { return Ok(Flow::CallTool(call)) };
        let answer = caller.call(&call);
        // The tool may have taken its time.
        if let Some(stopped) = self.control.stop_reason() {
            return Err(stopped);
        }
        let replied = match &answer {
            ToolAnswer::Later => return Ok(Flow::CallTool(call)),
            ToolAnswer::Stop { reason } => return Err(Error::Cancelled { reason: reason.clone() }),
            ToolAnswer::Value(value) => {
                let checked = RawValue::new(value.as_bytes());
                checked
                    .map_err(|source| UsageError::NotEncodable { source }.into())
                    .and_then(|value| self.reply(call.id, ToolReply::Value(value), is_asked))
            }
            ToolAnswer::Error { type_name, message } => {
                self.reply(call.id, ToolReply::Error { type_name, message }, is_asked)
            }
        };
        let turn = match replied {
            Err(Error::Usage(error)) => {
                let message = error.to_string();
                let reply = ToolReply::Error { type_name: "ValueNotSendableError", message: &message };
                self.reply(call.id, reply, is_asked)?
            }
            replied => replied?,
        };
        Ok(Flow::Turn(turn))
    }

    /// Makes the turn that answers the pending call, which is pending no longer.
    ///
    /// # Errors
    ///
    /// [`UsageError::NoSuchCall`]; [`UsageError::ReplyTooLong`] and [`UsageError::NotEncodable`], after which the call
    /// is still pending.
    pub(crate) fn reply(
        &mut self,
        call: u64,
        reply: ToolReply<'_>,
        is_asked: bool,
    ) -> Result<Vec<u8>, Error> {
        let pending = self.run.pending.as_ref().filter(|pending| pending.id == call);
        let Some(guest_id) = pending.map(|pending| pending.guest_id) else {
            return Err(UsageError::NoSuchCall { call }.into());
        };
        let max_bytes = self.options.limits.tool_result_bytes;
        let (shown_type, shown_message);
        let (outcome, answer, answer_bytes) = match reply {
            ToolReply::Value(value) => {
                let answer_bytes = value.as_bytes().len();
                let len_bytes = u64::try_from(answer_bytes).unwrap_or(u64::MAX);
                if len_bytes > max_bytes {
                    return Err(UsageError::ReplyTooLong { len_bytes, max_bytes }.into());
                }
                (Ok(value), AuditedAnswer::Value, answer_bytes)
            }
            ToolReply::Error { type_name, message } => {
                shown_type = shorten_middle(type_name, MAX_MESSAGE_TEXT_BYTES);
                shown_message = shorten_middle(message, MAX_MESSAGE_TEXT_BYTES);
                let error = ToolError { type_name: &shown_type, message: &shown_message };
                (Err(error), AuditedAnswer::Error, shown_message.len())
            }
        };
        let frame = HostFrame::ToolReply(WireReply { id: guest_id, outcome });
        let turn = self.encode(&Outgoing::Program(frame), is_asked)?;
        self.run.pending = None;
        let run = self.run.number;
        self.options.audit.record(&AuditEvent::ToolAnswered { run, call, answer, answer_bytes });
        Ok(turn)
    }

    fn turn(&mut self, frame: &Outgoing<'_>, is_asked: bool) -> Result<Flow, Error> {
        self.encode(frame, is_asked).map(Flow::Turn)
    }

    fn encode(&mut self, frame: &Outgoing<'_>, is_asked: bool) -> Result<Vec<u8>, Error> {
        if is_asked { self.link.channel.encode_answer(frame) } else { self.link.channel.encode(frame) }
    }
}

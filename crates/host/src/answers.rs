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

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hypercell_abi::limits::{MAX_ANSWER_BYTES, MAX_MESSAGE_TEXT_BYTES};
use hypercell_abi::message::{ToolError, ToolReply as WireReply};
use hypercell_abi::{GuestFrame, HostFrame, KernelRequest, RawValue};

use crate::audit::{AuditEvent, ToolAnswer as AuditedAnswer};
use crate::channel::Outgoing;
use crate::control::{Control, Counted, Crossing};
use crate::dispatch::{self, Gates, Next};
use crate::error::{Error, UsageError};
use crate::gate::{Context, FileBudgets, HttpGate, MountGate, ToolGate};
use crate::guest::Link;
use crate::in_flight::{InFlight, Outcome};
use crate::limits::Limits;
use crate::run::{CodeError, OwnedValue, ToolAnswer, ToolCall, ToolCaller, ToolReply, ToolWait};
use crate::sandbox::SandboxOptions;
use crate::shorten::shorten_middle;

/// Exception that the guest sees for a call that it cancelled, as asyncio names it.
const CANCELLED: &str = "CancelledError";
/// Exception that the guest sees when a tool's result cannot be sent.
const NOT_SENDABLE: &str = "ValueNotSendableError";

/// The run that is going on.
pub(crate) struct Run {
    pub(crate) number: u64,
    pub(crate) tools: ToolGate,
    pub(crate) http: HttpGate,
    pub(crate) files: FileBudgets,
    /// System calls that were told of.
    pub(crate) traced: u64,
    /// The call that is answered before the guest goes on.
    pub(crate) pending: Option<PendingCall>,
    /// Calls beside each other that have no reply yet.
    pub(crate) in_flight: InFlight,
    /// Of these, those that become steps as soon as no other one goes on.
    pub(crate) pausing: Vec<ToolCall>,
    /// Of these, those that become steps, one after the other.
    pub(crate) queued: VecDeque<ToolCall>,
    /// Runs tools without a step for each, if it wants to.
    pub(crate) caller: Option<Arc<dyn ToolCaller>>,
}

/// A call that the guest or, once it is a step, the caller waits for.
#[derive(Debug, Clone)]
pub(crate) struct PendingCall {
    /// The guest's number, unless it is a call in flight.
    pub(crate) guest_id: Option<u64>,
    pub(crate) call: ToolCall,
}

/// What follows a frame.
pub(crate) enum Flow {
    /// The guest goes on with this turn.
    Turn(Vec<u8>),
    /// The same, with an answer that the guest has made room for.
    FileTurn(Vec<u8>),
    /// The caller runs the tool of the pending call.
    CallTool,
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
    mounts: &'a mut MountGate,
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
        mounts: &'a mut MountGate,
        calls: &'a mut u64,
    ) -> Self {
        let counted = link.counted;
        Self { options, control, link, run, mounts, calls, counted, entered: Instant::now(), left: None }
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
                Ok(Flow::FileTurn(turn)) => return Some(turn),
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
        let output = match incoming.frame {
            GuestFrame::Output { stream, data } => Some((stream, self.control.fitting(data))),
            _ => None,
        };
        let next_call = self.calls.saturating_add(1);
        let mut gates = Gates {
            run: self.run.number,
            next_call,
            tools: &mut self.run.tools,
            in_flight: &mut self.run.in_flight,
            http: &mut self.run.http,
            mounts: self.mounts,
            files: &mut self.run.files,
            trace: &self.options.trace,
            traced: &mut self.run.traced,
            output: self.control,
            max_result_bytes: self.options.limits.result_bytes,
            max_value_depth: self.options.limits.value_depth,
            max_memory_bytes: self.options.limits.memory_bytes,
            audit: &self.options.audit,
            caller: self.run.caller.as_deref(),
        };
        let next = dispatch::dispatch(incoming.frame, &mut gates);
        self.control.count_calls(self.run.tools.calls());
        if let (Some((stream, kept)), Some(caller)) = (output, &self.run.caller)
            && !kept.is_empty()
        {
            caller.output(stream, kept).map_err(|reason| Error::Cancelled { reason })?;
            self.control.check_stop()?;
        }
        self.control.count_http(self.run.http.usage());
        let frame = match next? {
            Next::AcknowledgeOutput => Outgoing::Program(HostFrame::OutputAck),
            Next::Sleep(time) => {
                self.control.sleep(time)?;
                Outgoing::Kernel(KernelRequest::Resume)
            }
            Next::Traced { may_follow } => {
                self.link.channel.trace_syscalls(may_follow);
                Outgoing::Kernel(KernelRequest::Resume)
            }
            Next::AnswerFile(answer) => {
                let frame = Outgoing::Kernel(KernelRequest::File(answer.reply()));
                return self.encode(&frame, is_asked).map(Flow::FileTurn);
            }
            Next::DenyCall { id, type_name, message } => {
                let error = ToolError { type_name, message: &message };
                let reply = WireReply { id, outcome: Err(error) };
                return self.turn(&Outgoing::Program(HostFrame::ToolReply(reply)), is_asked);
            }
            Next::CallTool { id: guest_id, name, args, line } => {
                *self.calls = next_call;
                let guest_id = Some(guest_id);
                let call = ToolCall { id: next_call, name, args, line };
                return self.call(PendingCall { guest_id, call }, is_asked);
            }
            Next::WaitForTools(wait) => {
                *self.calls = self.calls.saturating_add(u64::try_from(wait.calls.len()).unwrap_or(u64::MAX));
                return self.wait(wait, is_asked);
            }
            Next::Http { id, next } => {
                let (run, audit, caller) = (self.run.number, &self.options.audit, self.run.caller.as_deref());
                let context = Context { run, control: self.control, audit, caller };
                let reply = self.run.http.act(id, next, context);
                self.control.count_http(self.run.http.usage());
                return self.turn(&Outgoing::Program(reply?.frame(id)), is_asked);
            }
            Next::Finish(outcome, exit_code) => return Ok(Flow::Finish(outcome, exit_code)),
            Next::FinishGone { status } => return Ok(Flow::FinishGone(status)),
        };
        self.turn(&frame, is_asked)
    }

    /// Has the tool run now, if there is somebody to do so and nobody to be waited for.
    fn call(&mut self, pending: PendingCall, is_asked: bool) -> Result<Flow, Error> {
        let pauses = self.run.tools.pauses(&pending.call.name);
        let PendingCall { call, .. } = self.run.pending.insert(pending);
        let Some(caller) = self.run.caller.clone() else { return Ok(Flow::CallTool) };
        if pauses {
            self.finish_others(&*caller)?;
            return Ok(Flow::CallTool);
        }
        let (id, answer) = (call.id, caller.call(call));
        // The tool may have taken its time.
        self.control.check_stop()?;
        let replied = match &answer {
            ToolAnswer::Later => return Ok(Flow::CallTool),
            ToolAnswer::Stop { reason } => return Err(Error::Cancelled { reason: reason.clone() }),
            ToolAnswer::Value(value) => {
                checked(value).and_then(|value| self.reply(id, ToolReply::Value(value), is_asked))
            }
            ToolAnswer::Error { type_name, message } => {
                self.reply(id, ToolReply::Error { type_name, message }, is_asked)
            }
        };
        match replied {
            Err(Error::Usage(error)) => {
                let message = error.to_string();
                let reply = ToolReply::Error { type_name: NOT_SENDABLE, message: &message };
                self.reply(id, reply, is_asked)
            }
            replied => replied,
        }
    }

    /// Waits until no tool runs: a run that is paused must be whole in what the sandbox has of it.
    fn finish_others(&mut self, caller: &dyn ToolCaller) -> Result<(), Error> {
        while self.run.in_flight.running() > self.run.pausing.len() {
            let wait = ToolWait { calls: Vec::new(), cancelled: Vec::new(), timeout: None };
            let Some(answers) = caller.wait(&wait) else { break };
            self.control.check_stop()?;
            answers.into_iter().try_for_each(|(call, answer)| self.take(call, &answer))?;
        }
        Ok(())
    }

    /// Answers the pending call, which is pending no longer, and returns what follows.
    ///
    /// # Errors
    ///
    /// [`UsageError::NoSuchCall`]; [`UsageError::ReplyTooLong`] and [`UsageError::NotEncodable`], after which the call
    /// is still pending.
    pub(crate) fn reply(&mut self, call: u64, reply: ToolReply<'_>, is_asked: bool) -> Result<Flow, Error> {
        let pending = self.run.pending.as_ref().filter(|pending| pending.call.id == call);
        let Some(guest_id) = pending.map(|pending| pending.guest_id) else {
            return Err(UsageError::NoSuchCall { call }.into());
        };
        let Some(guest_id) = guest_id else {
            self.finish(call, reply)?;
            self.run.pending = None;
            return self.next_in_flight(is_asked);
        };
        let answer = CheckedReply::new(reply, &self.options.limits)?;
        let frame = HostFrame::ToolReply(WireReply { id: guest_id, outcome: answer.outcome() });
        let turn = self.encode(&Outgoing::Program(frame), is_asked)?;
        self.run.pending = None;
        self.audit(call, &answer);
        Ok(Flow::Turn(turn))
    }

    /// Has tools run beside each other, and answers with what is done.
    fn wait(&mut self, mut wait: ToolWait, is_asked: bool) -> Result<Flow, Error> {
        let caller = self.run.caller.clone();
        let becomes_step = |call: &ToolCall| caller.is_none() || self.run.tools.pauses(&call.name);
        let (pausing, calls) = wait.calls.into_iter().partition(becomes_step);
        wait.calls = calls;
        self.run.pausing.extend::<Vec<_>>(pausing);
        self.cancel_pausing(&wait.cancelled)?;
        let has_outcome = self.run.in_flight.has_outcome();
        if has_outcome {
            // A denied call, or one for which the last frame had no room, is answered at once.
            wait.timeout = Some(Duration::ZERO);
        }
        let others = self.run.in_flight.running().saturating_sub(self.run.pausing.len());
        if others > 0
            && let Some(caller) = caller
        {
            match caller.wait(&wait) {
                Some(answers) => {
                    self.control.check_stop()?;
                    answers.into_iter().try_for_each(|(call, answer)| self.take(call, &answer))?;
                }
                None => {
                    for call in wait.calls {
                        match caller.call(&call) {
                            ToolAnswer::Later => self.run.queued.push_back(call),
                            answer => self.take(call.id, &answer)?,
                        }
                        self.control.check_stop()?;
                    }
                }
            }
        } else if !has_outcome {
            self.run.queued.extend(self.run.pausing.drain(..));
            if self.run.queued.is_empty() {
                self.control.sleep(wait.timeout.unwrap_or_default())?;
            }
        }
        self.next_in_flight(is_asked)
    }

    /// Ends those calls that the guest does not want any more before anybody was asked about them.
    fn cancel_pausing(&mut self, cancelled: &[u64]) -> Result<(), Error> {
        let (ended, left): (Vec<_>, _) =
            self.run.pausing.drain(..).partition(|call| cancelled.contains(&call.id));
        self.run.pausing = left;
        let reply = ToolReply::Error { type_name: CANCELLED, message: "" };
        ended.iter().try_for_each(|call| self.finish(call.id, reply))
    }

    /// Makes a step of the next call in flight that nobody runs, or else tells the guest what is done.
    fn next_in_flight(&mut self, is_asked: bool) -> Result<Flow, Error> {
        if let Some(call) = self.run.queued.pop_front() {
            self.run.pending = Some(PendingCall { guest_id: None, call });
            return Ok(Flow::CallTool);
        }
        let outcomes = self.run.in_flight.take_outcomes();
        let replies: Result<Vec<_>, _> = outcomes.iter().map(|(id, outcome)| outcome.reply(*id)).collect();
        let replies = replies.map_err(|source| UsageError::NotEncodable { source })?;
        self.turn(&Outgoing::Program(HostFrame::ToolReplies { replies }), is_asked)
    }

    /// Takes what a caller says of a call in flight. What cannot be sent becomes an exception in the guest.
    fn take(&mut self, call: u64, answer: &ToolAnswer) -> Result<(), Error> {
        let taken = match answer {
            ToolAnswer::Later => return Ok(()),
            ToolAnswer::Stop { reason } => return Err(Error::Cancelled { reason: reason.clone() }),
            ToolAnswer::Value(value) => {
                checked(value).and_then(|value| self.finish(call, ToolReply::Value(value)))
            }
            ToolAnswer::Error { type_name, message } => {
                self.finish(call, ToolReply::Error { type_name, message })
            }
        };
        match taken {
            Err(Error::Usage(error)) => {
                let message = error.to_string();
                self.finish(call, ToolReply::Error { type_name: NOT_SENDABLE, message: &message })
            }
            taken => taken,
        }
    }

    /// Notes what came of a call in flight.
    ///
    /// # Errors
    ///
    /// [`UsageError::NoSuchCall`] if it is not, or has an answer; [`UsageError::ReplyTooLong`].
    fn finish(&mut self, call: u64, reply: ToolReply<'_>) -> Result<(), Error> {
        if !self.run.in_flight.runs(call) {
            return Err(UsageError::NoSuchCall { call }.into());
        }
        let answer = CheckedReply::new(reply, &self.options.limits)?;
        self.audit(call, &answer);
        self.run.in_flight.finish(call, answer.into_owned());
        Ok(())
    }

    fn audit(&self, call: u64, answer: &CheckedReply<'_>) {
        if let CheckedReply::Value(value) = answer {
            self.control.count_value(Crossing::ToolResult, *value);
        }
        let run = self.run.number;
        let (answer, answer_bytes) = match answer {
            CheckedReply::Value(value) => (AuditedAnswer::Value, value.as_bytes().len()),
            CheckedReply::Error { message, .. } => (AuditedAnswer::Error, message.len()),
        };
        self.options.audit.record(&AuditEvent::ToolAnswered { run, call, answer, answer_bytes });
    }

    fn turn(&mut self, frame: &Outgoing<'_>, is_asked: bool) -> Result<Flow, Error> {
        self.encode(frame, is_asked).map(Flow::Turn)
    }

    fn encode(&mut self, frame: &Outgoing<'_>, is_asked: bool) -> Result<Vec<u8>, Error> {
        if is_asked { self.link.channel.encode_answer(frame) } else { self.link.channel.encode(frame) }
    }
}

/// A tool's answer within its limits.
enum CheckedReply<'a> {
    Value(RawValue<'a>),
    Error { type_name: Cow<'a, str>, message: Cow<'a, str> },
}

impl<'a> CheckedReply<'a> {
    fn new(reply: ToolReply<'a>, limits: &Limits) -> Result<Self, UsageError> {
        match reply {
            ToolReply::Value(value) => {
                let len_bytes = u64::try_from(value.as_bytes().len()).unwrap_or(u64::MAX);
                let (max_bytes, max_depth) = (limits.tool_result_bytes, limits.value_depth);
                if len_bytes > max_bytes {
                    return Err(UsageError::ReplyTooLong { len_bytes, max_bytes });
                }
                let depth = u64::try_from(value.depth()).unwrap_or(u64::MAX);
                if depth > max_depth {
                    return Err(UsageError::ReplyTooDeep { depth, max_depth });
                }
                Ok(Self::Value(value))
            }
            ToolReply::Error { type_name, message } => Ok(Self::Error {
                type_name: shorten_middle(type_name, MAX_MESSAGE_TEXT_BYTES),
                message: shorten_middle(message, MAX_MESSAGE_TEXT_BYTES),
            }),
        }
    }

    fn outcome(&self) -> Result<RawValue<'_>, ToolError<'_>> {
        match self {
            Self::Value(value) => Ok(*value),
            Self::Error { type_name, message } => Err(ToolError { type_name, message }),
        }
    }

    fn into_owned(self) -> Outcome {
        match self {
            Self::Value(value) => Outcome::Value(OwnedValue::new(value)),
            Self::Error { type_name, message } => {
                Outcome::Error { type_name: type_name.into_owned(), message: message.into_owned() }
            }
        }
    }
}

fn checked(value: &OwnedValue) -> Result<RawValue<'_>, Error> {
    RawValue::new(value.as_bytes()).map_err(|source| UsageError::NotEncodable { source }.into())
}

//! One `match`: from each frame that a guest can send during a run to the gate that decides it.
//!
//! Guarantees: a frame without an arm here cannot have an effect; every decision is in the audit log before it takes
//! effect. Never: acts itself; the caller of `dispatch` does, and the mount gate, where opening a path decides it.
//!
//! Before: `channel` decoded the frame. After: `gate`, `output`, then `sandbox`, which does what comes out.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

use std::time::Duration;

use hypercell_abi::message::{Exited, FileRequest, RunDone, Syscall, ToolCall, ToolWait};
use hypercell_abi::{FrameKind, GuestFrame};

use crate::audit::{AuditEvent, AuditLog, ContentDigest};
use crate::control::{Control, Crossing};
use crate::error::{CrashError, Error, LimitError, LimitKind, ProtocolError};
use crate::gate::{
    Budget, Context, FileAnswer, FileBudgets, HttpGate, HttpNext, MountGate, ToolDecision, ToolGate,
};
use crate::in_flight::{InFlight, Outcome};
use crate::run::{self, CodeError, OwnedValue, ToolCaller};
use crate::trace::SyscallTrace;

/// What a run may do, and what it has done so far.
pub(crate) struct Gates<'a> {
    /// Number of the run, for the audit log.
    pub(crate) run: u64,
    /// Number that the next allowed call gets.
    pub(crate) next_call: u64,
    pub(crate) tools: &'a mut ToolGate,
    pub(crate) in_flight: &'a mut InFlight,
    pub(crate) http: &'a mut HttpGate,
    pub(crate) mounts: &'a mut MountGate,
    pub(crate) files: &'a mut FileBudgets,
    pub(crate) trace: &'a SyscallTrace,
    /// System calls of the run that were told of.
    pub(crate) traced: &'a mut u64,
    pub(crate) output: &'a Control,
    pub(crate) max_result_bytes: u64,
    pub(crate) max_value_depth: u64,
    pub(crate) max_memory_bytes: u64,
    pub(crate) audit: &'a AuditLog,
    /// Who may object to what a gate allows.
    pub(crate) caller: Option<&'a dyn ToolCaller>,
}

/// What the host does next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Say that output was taken.
    AcknowledgeOutput,
    /// Wait, then let the guest go on.
    Sleep(Duration),
    /// Let the guest go on, whose system call was told of.
    Traced {
        /// Whether the next one is to be told of, too.
        may_follow: bool,
    },
    /// Tell the guest's kernel what came of a file.
    AnswerFile(FileAnswer),
    /// Tell the guest why its call was denied.
    DenyCall {
        /// The guest's number of the call.
        id: u64,
        /// Class of the exception in the guest.
        type_name: &'static str,
        /// Its text.
        message: String,
    },
    /// Let the caller run a tool.
    CallTool {
        /// The guest's number of the call.
        id: u64,
        /// One of the sandbox's tools.
        name: String,
        /// A map with text keys.
        args: OwnedValue,
        /// Line of the submitted code, if the guest says.
        line: Option<u64>,
    },
    /// Let the caller run several tools, and wait for any.
    WaitForTools(run::ToolWait),
    /// Do this for an exchange of HTTP, and tell the guest.
    Http {
        /// The guest's number of the exchange.
        id: u64,
        /// What.
        next: HttpNext,
    },
    /// The run is over and the guest waits for the next one.
    Finish(Result<OwnedValue, CodeError>, Option<i64>),
    /// The run is over because the program ended the process: the guest is gone.
    FinishGone {
        /// The status that it gave.
        status: i64,
    },
}

/// Decides one frame of a guest that runs submitted code. Input is guest-controlled.
///
/// # Errors
///
/// [`Error::Limit`] from a gate, [`Error::Crash`] if the guest says that it is dead, [`Error::Protocol`] for a frame
/// that does not belong into a run.
pub(crate) fn dispatch(frame: GuestFrame<'_>, gates: &mut Gates<'_>) -> Result<Next, Error> {
    match frame {
        GuestFrame::Output { stream, data } => {
            gates.output.write_output(stream, data)?;
            let event = AuditEvent::OutputAllowed { run: gates.run, stream, len_bytes: data.len() };
            gates.audit.record(&event);
            Ok(Next::AcknowledgeOutput)
        }
        GuestFrame::ToolCall(call) => decide_call(&call, gates),
        GuestFrame::ToolWait(wait) => decide_wait(&wait, gates),
        GuestFrame::HttpSend(send) => {
            let next = gates.http.decide_send(&send, gates.run, gates.audit)?;
            Ok(Next::Http { id: send.id, next })
        }
        GuestFrame::HttpPart(part) => Ok(Next::Http { id: part.id, next: gates.http.decide_part(&part)? }),
        GuestFrame::HttpRead(read) => Ok(Next::Http { id: read.id, next: gates.http.decide_read(read) }),
        GuestFrame::HttpClose { id } => Ok(Next::Http { id, next: gates.http.close(id) }),
        GuestFrame::RunDone(done) => finish(done, gates),
        GuestFrame::Sleep { ns } => Ok(Next::Sleep(Duration::from_nanos(ns))),
        GuestFrame::Syscall(call) => trace(&call, gates),
        GuestFrame::File(FileRequest::Artifact { path, offset, data }) => {
            take_artifact(path, offset, data, gates)
        }
        GuestFrame::File(request) => {
            let (run, control) = (gates.run, gates.output);
            let context = Context { run, control, audit: gates.audit, caller: gates.caller };
            let answer = gates.mounts.answer(&request, gates.files, context);
            gates.output.count_files(gates.files.usage());
            Ok(Next::AnswerFile(answer?))
        }
        GuestFrame::Exited(exited) => end_of_program(&exited),
        GuestFrame::Abort { reason, report } => Err(death_of_kernel(reason, report, gates.max_memory_bytes)),
        frame @ (GuestFrame::Ready { .. }
        | GuestFrame::Reseeded
        | GuestFrame::Warmed { .. }
        | GuestFrame::Checkpointed { .. }) => {
            Err(ProtocolError::UnexpectedFrame { kind: frame.kind(), due: "a frame of a run" }.into())
        }
    }
}

/// Tells of a system call, if the sandbox was made to: a guest that was not asked gets no say in what is shown.
fn trace(call: &Syscall<'_>, gates: &mut Gates<'_>) -> Result<Next, Error> {
    if !gates.trace.wants_more(*gates.traced) {
        let due = "a frame of a run whose system calls are not traced";
        return Err(ProtocolError::UnexpectedFrame { kind: FrameKind::Syscall, due }.into());
    }
    *gates.traced = gates.traced.saturating_add(1);
    gates.trace.record(gates.run, *gates.traced, call);
    Ok(Next::Traced { may_follow: gates.trace.wants_more(*gates.traced) })
}

fn take_artifact(path: &[u8], offset: u64, data: &[u8], gates: &Gates<'_>) -> Result<Next, Error> {
    if offset == 0 {
        gates.audit.record(&AuditEvent::ArtifactAllowed { run: gates.run, path });
    }
    let taken = gates.output.take_artifact(path, offset, data)?;
    Ok(Next::AnswerFile(taken.map_or_else(FileAnswer::Failed, |()| FileAnswer::Done)))
}

fn decide_call(call: &ToolCall<'_>, gates: &mut Gates<'_>) -> Result<Next, Error> {
    let args = call.args.as_value();
    let argument_bytes = args.as_bytes().len();
    let (run, name) = (gates.run, call.name);
    gates.output.count_value(Crossing::Arguments, args);
    match gates.tools.decide(call)? {
        ToolDecision::Allow => {
            let call_number = gates.next_call;
            gates.audit.record_with(|| AuditEvent::ToolAllowed {
                run,
                call: call_number,
                name,
                argument_bytes,
                arguments_digest: ContentDigest::of([args.as_bytes()]),
            });
            let (args, line) = (OwnedValue::new(args), call.line);
            Ok(Next::CallTool { id: call.id, name: name.to_owned(), args, line })
        }
        ToolDecision::Deny { reason, type_name, message } => {
            gates.audit.record_with(|| AuditEvent::ToolDenied {
                run,
                name,
                argument_bytes,
                arguments_digest: ContentDigest::of([args.as_bytes()]),
                reason,
            });
            Ok(Next::DenyCall { id: call.id, type_name, message })
        }
    }
}

/// Decides each call of a wait as if it had come alone.
fn decide_wait(wait: &ToolWait<'_>, gates: &mut Gates<'_>) -> Result<Next, Error> {
    let mut calls = Vec::new();
    for call in &wait.calls {
        gates.in_flight.admit(call)?;
        match decide_call(call, gates)? {
            Next::CallTool { id, name, args, line } => {
                let number = gates.next_call;
                gates.next_call = number.saturating_add(1);
                gates.in_flight.start(id, number);
                calls.push(run::ToolCall { id: number, name, args, line });
            }
            Next::DenyCall { id, type_name, message } => {
                let type_name = type_name.to_owned();
                gates.in_flight.settle(id, Outcome::Error { type_name, message });
            }
            other => return Ok(other),
        }
    }
    let mut cancelled = Vec::new();
    for id in &wait.cancel {
        cancelled.extend(gates.in_flight.running_call(*id)?);
    }
    let can_end = gates.in_flight.is_running() || gates.in_flight.has_outcome() || wait.timeout_ns.is_some();
    if !can_end {
        return Err(ProtocolError::WaitsForNothing.into());
    }
    let timeout = wait.timeout_ns.map(Duration::from_nanos);
    Ok(Next::WaitForTools(run::ToolWait { calls, cancelled, timeout }))
}

fn finish(done: RunDone<'_>, gates: &Gates<'_>) -> Result<Next, Error> {
    let outcome = match done.outcome {
        Ok(value) => {
            gates.output.count_value(Crossing::Result, value);
            Budget::new(LimitKind::Result, gates.max_result_bytes).charge(value.as_bytes().len())?;
            Budget::new(LimitKind::ValueDepth, gates.max_value_depth).charge(value.depth())?;
            Ok(OwnedValue::new(value))
        }
        Err(error) => Err(CodeError {
            type_name: error.type_name.to_owned(),
            message: error.message.to_owned(),
            traceback: error.traceback.to_owned(),
            line: error.line,
        }),
    };
    Ok(Next::Finish(outcome, done.exit))
}

fn end_of_program(exited: &Exited<'_>) -> Result<Next, Error> {
    if exited.signal == 0 {
        return Ok(Next::FinishGone { status: exited.status });
    }
    Err(CrashError::Signal { signal: exited.signal, report: exited.report.to_owned() }.into())
}

/// Tells a kernel that ran out of memory, which is the run's doing, from one that failed.
pub(crate) fn death_of_kernel(reason: &str, report: &str, max_memory_bytes: u64) -> Error {
    if reason.contains("out of memory") {
        return LimitError { limit: LimitKind::Memory, used: max_memory_bytes, maximum: max_memory_bytes }
            .into();
    }
    CrashError::Kernel { reason: reason.to_owned(), report: report.to_owned() }.into()
}

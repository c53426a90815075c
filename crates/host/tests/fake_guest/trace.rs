//! System calls are heard of if somebody listens, up to a limit, and else no guest may tell of any.
//!
//! Lines of the form `gate: requests, aspect` say to `tests/security/test_every_gate.py` what a test covers.

use std::sync::{Arc, Mutex};

use hypercell_host::abi::message::{Syscall, SyscallArg};
use hypercell_host::abi::{FrameKind, GuestFrame};
use hypercell_host::error::ProtocolError;
use hypercell_host::trace::{SyscallTrace, TraceEvent};
use hypercell_host::{Done, Error, Limits, Sandbox, SandboxOptions, Step, ToolInfo, ToolReply};

use crate::guest::{Act, CODE, Entered, FakeSource, run, sandbox};

fn call(nr: u64) -> GuestFrame<'static> {
    let args = vec![SyscallArg::Number(3), SyscallArg::Text(b"/tmp/\x1b[31m")];
    GuestFrame::Syscall(Syscall {
        tid: 2,
        nr,
        args,
        result: Some(-38),
        began_ns: u64::MAX,
        took_ns: u64::MAX,
    })
}

type Heard = Arc<Mutex<Vec<String>>>;

fn listening(
    script: impl FnMut(&Entered<'_>) -> Act + Clone + Send + Sync + 'static,
) -> (Sandbox<FakeSource>, Heard) {
    let heard = Heard::default();
    let log = heard.clone();
    let trace = SyscallTrace::new(move |event| {
        let text = match event {
            TraceEvent::Call(call) => {
                format!("{} {} {:?} {:?}", call.thread, call.name, call.args, call.result)
            }
            TraceEvent::LimitReached { run } => format!("limit in run {run}"),
        };
        log.lock().expect("no panic").push(text);
    });
    let tools = vec![ToolInfo { name: "add".into(), ..ToolInfo::default() }];
    let limits = Limits { wall_time: None, ..Limits::default() };
    let trace = trace.at_most(3);
    let options = SandboxOptions { trace, tools, limits, ..SandboxOptions::default() };
    (Sandbox::new(FakeSource::new(script), options).expect("good options"), heard)
}

fn assert_unexpected(outcome: &Result<Done, Error>) {
    let Err(Error::Protocol(ProtocolError::UnexpectedFrame { kind, .. })) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(*kind, FrameKind::Syscall);
}

// gate: Syscall, allowed
#[test]
fn call_is_heard_of_by_name_whether_the_guest_asks_or_leaves_with_it() {
    let (mut sandbox, heard) = listening(|entered| {
        assert!(entered.enter.traces_syscalls);
        match (entered.turn, entered.kind()) {
            (0, FrameKind::RunRequest) => entered.say(&call(257)),
            (1, FrameKind::Resume) => entered.ask(&call(u64::MAX)),
            (2, FrameKind::Resume) => entered.done(&[5]),
            turn => panic!("{turn:?}"),
        }
    });
    run(&mut sandbox).expect("a value");
    let args = format!("{:?}", [SyscallArg::Number(3), SyscallArg::Text(b"/tmp/\x1b[31m")]);
    let expected =
        [format!("2 openat {args} Some(-38)"), format!("2 syscall_18446744073709551615 {args} Some(-38)")];
    assert_eq!(*heard.lock().expect("no panic"), expected);
}

// gate: Syscall, denied_by_default
#[test]
fn guest_that_tells_of_calls_unasked_is_hostile() {
    let outcome = run(&mut sandbox(|entered: &Entered<'_>| {
        assert!(!entered.enter.traces_syscalls);
        entered.say(&call(257))
    }));
    assert_unexpected(&outcome);
}

// gate: Syscall, at_limit
#[test]
fn guest_is_told_to_stop_at_the_limit_and_one_that_goes_on_is_hostile() {
    for goes_on in [false, true] {
        let (mut sandbox, heard) = listening(move |entered| match entered.turn {
            0..3 => {
                assert!(entered.enter.traces_syscalls);
                entered.say(&call(39))
            }
            _ => {
                assert!(!entered.enter.traces_syscalls);
                if goes_on { entered.say(&call(39)) } else { entered.done(&[5]) }
            }
        });
        let outcome = run(&mut sandbox);
        if goes_on {
            assert_unexpected(&outcome)
        } else {
            assert!(outcome.is_ok(), "{outcome:?}")
        }
        let heard = heard.lock().expect("no panic");
        assert_eq!(heard.len(), 4);
        assert_eq!(heard.last().map(String::as_str), Some("limit in run 1"));
    }
}

#[test]
fn calls_are_asked_for_again_after_the_answer_of_a_tool_and_in_the_next_run() {
    let (mut sandbox, _) = listening(|entered| {
        assert!(entered.enter.traces_syscalls);
        match entered.kind() {
            FrameKind::RunRequest => entered.call("add", &[0xa0]),
            _ => entered.done(&[5]),
        }
    });
    for _ in 0..2 {
        let Ok(Step::ToolCall(call)) = sandbox.start(&CODE) else { panic!("no call") };
        let error = ToolReply::Error { type_name: "ValueError", message: "" };
        sandbox.resume(call.id, error).expect("the end");
    }
}

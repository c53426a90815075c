//! The life of a sandbox: fresh and kept state, what a failed run leaves, reset, close, and prepared guests.

use std::sync::Arc;
use std::sync::Mutex;

use hypercell_host::abi::message::{Exited, RunDone};
use hypercell_host::abi::{FrameKind, GuestFrame, HostFrame, RawValue};
use hypercell_host::engine::VmError;
use hypercell_host::error::{CrashError, MachineError, UsageError};
use hypercell_host::{Error, Limits, Sandbox, SandboxOptions, StateMode, Step, ToolReply};

use crate::guest::{Act, CODE, Entered, FakeSource, five, int, run, sandbox, sandbox_with};

fn keeping(source: &FakeSource) -> Sandbox<FakeSource> {
    let options = SandboxOptions { state: StateMode::Kept, ..SandboxOptions::default() };
    Sandbox::new(source.clone(), options).expect("good options")
}

/// Answers with the number of turns that this guest has seen.
fn count(entered: &Entered<'_>) -> Act {
    entered.done(&[u8::try_from(entered.turn).expect("few turns")])
}

#[test]
fn value_and_counters_of_a_run_come_back() {
    let done = run(&mut sandbox(five)).expect("a run");
    assert_eq!(done.outcome, Ok(int(5)));
    assert_eq!(done.report.usage.turns, 1);
    assert_eq!(done.report.usage.memory_peak_bytes, 20 * 4096);
    assert_eq!((done.report.usage.page_faults, done.report.usage.syscalls), (5, 6));
}

#[test]
fn exception_of_the_code_is_an_outcome() {
    let done = run(&mut sandbox(|entered: &Entered<'_>| entered.raise("ValueError", "no"))).expect("a run");
    let error = done.outcome.expect_err("an exception");
    assert_eq!((error.type_name.as_str(), error.message.as_str(), error.line), ("ValueError", "no", Some(3)));
}

#[test]
fn request_carries_code_tools_entropy_and_the_memory_limit() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let mut sandbox = sandbox(move |entered: &Entered<'_>| {
        let HostFrame::RunRequest(request) = entered.host_frame() else { panic!("{:?}", entered.kind()) };
        assert_eq!((request.code, request.name, request.keep), ("1 + 1", "<code>", false));
        assert_eq!(request.tools, [("add", ""), ("sub", "")]);
        assert_eq!(request.max_value_bytes, Limits::default().result_bytes);
        assert!(entered.enter.is_fresh_start);
        assert_eq!(u64::from(entered.enter.memory_limit_pages) * 4096, Limits::default().memory_bytes);
        assert!(entered.enter.tsc_khz > 0 && entered.enter.realtime_ns > 0);
        log.lock().expect("no panic").extend([request.seed, entered.enter.entropy]);
        entered.done(&[5])
    });
    run(&mut sandbox).expect("a run");
    run(&mut sandbox).expect("a run");
    let mut seen = seen.lock().expect("no panic").clone();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 4, "seeds and entropy never repeat");
}

#[test]
fn each_run_starts_in_a_restored_guest() {
    let source = FakeSource::new(count);
    let mut sandbox = sandbox_with(&source, Limits::default());
    for _ in 0..3 {
        assert_eq!(run(&mut sandbox).expect("a run").outcome, Ok(int(0)));
    }
    assert_eq!((source.created(), source.restored()), (1, 2));
}

#[test]
fn prepared_guest_is_made_before_the_run_and_only_once() {
    let source = FakeSource::new(five);
    let mut sandbox = sandbox_with(&source, Limits::default());
    sandbox.prepare().expect("a guest");
    sandbox.prepare().expect("a guest");
    assert_eq!((source.created(), source.restored()), (1, 0));
    run(&mut sandbox).expect("a run");
    assert_eq!((source.created(), source.restored()), (1, 0));
    sandbox.prepare().expect("a guest");
    assert_eq!((source.created(), source.restored()), (1, 1));
}

#[test]
fn kept_state_stays_until_reset() {
    let source = FakeSource::new(count);
    let mut sandbox = keeping(&source);
    assert_eq!(run(&mut sandbox).expect("a run").outcome, Ok(int(0)));
    assert_eq!(run(&mut sandbox).expect("a run").outcome, Ok(int(1)));
    sandbox.reset().expect("open");
    assert_eq!(run(&mut sandbox).expect("a run").outcome, Ok(int(0)));
    assert_eq!((source.created(), source.restored()), (1, 1));
}

#[test]
fn kept_state_is_gone_after_a_crash_and_the_next_run_is_fine() {
    let source = FakeSource::new(|entered: &Entered<'_>| match entered.turn {
        0 => entered.done(&[0]),
        _ => Act::Fail(VmError::Crashed { detail: "triple fault".into() }),
    });
    let mut sandbox = keeping(&source);
    run(&mut sandbox).expect("a run");
    let error = run(&mut sandbox).expect_err("a crash");
    assert!(matches!(error, Error::Crash(CrashError::Vm { .. })), "{error}");
    assert_eq!(run(&mut sandbox).expect("a run").outcome, Ok(int(0)));
    assert_eq!((source.created(), source.restored()), (2, 0));
}

#[test]
fn counters_of_a_kept_guest_are_those_of_the_run() {
    // The fake's counters never grow, so the second run used nothing.
    let mut sandbox = keeping(&FakeSource::new(five));
    assert_eq!(run(&mut sandbox).expect("a run").report.usage.syscalls, 6);
    assert_eq!(run(&mut sandbox).expect("a run").report.usage.syscalls, 0);
}

#[test]
fn process_exit_is_an_outcome_and_the_guest_is_restored() {
    let source = FakeSource::new(|entered: &Entered<'_>| {
        entered.say(&GuestFrame::Exited(Exited { status: 7, signal: 0, report: "" }))
    });
    let mut sandbox = keeping(&source);
    for _ in 0..2 {
        let done = run(&mut sandbox).expect("a run");
        let error = done.outcome.expect_err("an exception");
        assert_eq!((error.type_name.as_str(), error.message.as_str()), ("SystemExit", "os._exit(7)"));
        assert_eq!(done.exit_code, Some(7));
    }
    assert_eq!((source.created(), source.restored()), (1, 1));
}

#[test]
fn exit_status_of_sys_exit_comes_back() {
    let mut sandbox = sandbox(|entered: &Entered<'_>| {
        let done = RunDone { outcome: Ok(RawValue::NONE), exit: Some(-3) };
        entered.say(&GuestFrame::RunDone(done))
    });
    assert_eq!(run(&mut sandbox).expect("a run").exit_code, Some(-3));
}

#[test]
fn fatal_signal_is_a_crash_with_its_report() {
    let mut sandbox = sandbox(|entered: &Entered<'_>| {
        entered.say(&GuestFrame::Exited(Exited { status: 139, signal: 11, report: "SIGSEGV (11)\nrip 0" }))
    });
    let Err(Error::Crash(error)) = run(&mut sandbox) else { panic!("a crash is an error") };
    assert_eq!(error.report(), "SIGSEGV (11)\nrip 0");
    assert_eq!(error.to_string(), "the guest's interpreter died by signal 11: SIGSEGV (11)");
}

#[test]
fn abort_of_the_kernel_is_a_crash() {
    let mut sandbox =
        sandbox(|entered: &Entered<'_>| entered.say(&GuestFrame::Abort { reason: "bug", report: "mm.rs:5" }));
    let Err(Error::Crash(error)) = run(&mut sandbox) else { panic!("a crash is an error") };
    assert_eq!(error, CrashError::Kernel { reason: "bug".into(), report: "mm.rs:5".into() });
}

#[test]
fn closed_sandbox_refuses_everything_but_close() {
    let mut sandbox = sandbox(five);
    sandbox.close();
    let closed = |error: &Error| matches!(error, Error::Usage(UsageError::Closed));
    assert!(closed(&sandbox.start(&CODE).expect_err("closed")));
    assert!(closed(&sandbox.resume(1, ToolReply::Value(RawValue::NONE)).expect_err("closed")));
    assert!(closed(&sandbox.reset().expect_err("closed")));
    assert!(closed(&sandbox.prepare().expect_err("closed")));
    sandbox.close();
}

#[test]
fn second_run_while_a_tool_runs_is_refused_and_the_first_goes_on() {
    let mut sandbox = sandbox(|entered: &Entered<'_>| match entered.kind() {
        FrameKind::RunRequest => entered.call("add", &[0xa0]),
        _ => entered.done(&[5]),
    });
    let Ok(Step::ToolCall(call)) = sandbox.start(&CODE) else { panic!("a call") };
    let error = sandbox.start(&CODE).expect_err("busy");
    assert_eq!(error.to_string(), "the last run still waits for the result of the tool \"add\"");
    let step = sandbox.resume(call.id, ToolReply::Value(RawValue::NONE));
    assert!(matches!(step, Ok(Step::Done(_))));
}

#[test]
fn reset_while_a_tool_runs_ends_that_run() {
    let mut sandbox = sandbox(|entered: &Entered<'_>| entered.call("add", &[0xa0]));
    let Ok(Step::ToolCall(call)) = sandbox.start(&CODE) else { panic!("a call") };
    sandbox.reset().expect("open");
    let error = sandbox.resume(call.id, ToolReply::Value(RawValue::NONE)).expect_err("no run");
    assert!(matches!(error, Error::Usage(UsageError::NoSuchCall { call: 1 })), "{error}");
}

#[test]
fn guest_that_cannot_be_made_is_the_machines_fault_and_the_next_try_may_work() {
    let source = FakeSource::failing(VmError::Hypervisor { detail: "no memory".into() });
    let error = run(&mut sandbox_with(&source, Limits::default())).expect_err("no guest");
    assert!(matches!(error, Error::Machine(MachineError::Hypervisor(_))), "{error}");
}

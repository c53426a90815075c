//! Time and interrupts: a run ends in time, wherever it is.

use std::thread;
use std::time::{Duration, Instant};

use hypercell_host::abi::{FrameKind, GuestFrame, RawValue};
use hypercell_host::engine::VmError;
use hypercell_host::error::LimitKind;
use hypercell_host::{Error, Limits, Step, ToolReply};

use crate::guest::{Act, CODE, Entered, FakeSource, five, run, sandbox, sandbox_with};

fn within(millis: u64) -> Limits {
    Limits { wall_time: Some(Duration::from_millis(millis)), ..Limits::default() }
}

fn assert_time_limit(error: &Error) {
    let Error::Limit(limit) = error else { panic!("{error}") };
    assert_eq!(limit.limit, LimitKind::WallTime);
    assert!(limit.used >= limit.maximum, "{limit}");
}

fn hang(_: &Entered<'_>) -> Act {
    Act::Hang
}

#[test]
fn guest_that_never_answers_ends_at_the_time_limit() {
    let start = Instant::now();
    let error = run(&mut sandbox_with(&FakeSource::new(hang), within(50))).expect_err("a limit");
    assert_time_limit(&error);
    assert!(start.elapsed() >= Duration::from_millis(50));
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn interrupt_that_comes_too_early_is_repeated() {
    let deaf = |_: &Entered<'_>| Act::HangDeaf(3);
    let error = run(&mut sandbox_with(&FakeSource::new(deaf), within(20))).expect_err("a limit");
    assert_time_limit(&error);
}

#[test]
fn guest_that_prints_for_ever_ends_at_the_time_limit() {
    let chatter = |entered: &Entered<'_>| entered.output(b"");
    let error = run(&mut sandbox_with(&FakeSource::new(chatter), within(30))).expect_err("a limit");
    assert_time_limit(&error);
}

#[test]
fn sleep_takes_its_time_and_no_more() {
    let script = |entered: &Entered<'_>| match entered.kind() {
        FrameKind::RunRequest => entered.say(&GuestFrame::Sleep { ns: 40_000_000 }),
        FrameKind::Resume => entered.done(&[5]),
        kind => panic!("{kind:?}"),
    };
    let start = Instant::now();
    assert!(run(&mut sandbox(script)).is_ok());
    assert!(start.elapsed() >= Duration::from_millis(40));
}

#[test]
fn sleep_beyond_the_time_limit_ends_there() {
    let script = |entered: &Entered<'_>| entered.say(&GuestFrame::Sleep { ns: u64::MAX });
    let start = Instant::now();
    assert_time_limit(&run(&mut sandbox_with(&FakeSource::new(script), within(40))).expect_err("a limit"));
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn time_of_a_tool_counts() {
    let script = |entered: &Entered<'_>| entered.call("add", &[0xa0]);
    let mut sandbox = sandbox_with(&FakeSource::new(script), within(30));
    let Ok(Step::ToolCall(call)) = sandbox.start(&CODE) else { panic!("a call") };
    thread::sleep(Duration::from_millis(40));
    let error = sandbox.resume(call.id, ToolReply::Value(RawValue::NONE)).expect_err("a limit");
    assert_time_limit(&error);
}

#[test]
fn run_abandoned_in_a_tool_makes_room_for_the_next_once_its_time_is_over() {
    let script = |entered: &Entered<'_>| entered.call("add", &[0xa0]);
    let source = FakeSource::new(script);
    let mut sandbox = sandbox_with(&source, within(30));
    assert!(matches!(sandbox.start(&CODE), Ok(Step::ToolCall(_))));
    thread::sleep(Duration::from_millis(40));
    let Ok(Step::ToolCall(call)) = sandbox.start(&CODE) else { panic!("a new run") };
    assert_eq!((call.id, source.created()), (2, 2));
}

#[test]
fn time_limit_is_for_each_run() {
    let mut sandbox = sandbox_with(&FakeSource::new(five), within(60));
    for _ in 0..5 {
        assert!(run(&mut sandbox).is_ok());
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn interrupt_ends_a_guest_that_computes() {
    let limits = Limits { wall_time: None, ..Limits::default() };
    let mut sandbox = sandbox_with(&FakeSource::new(hang), limits);
    let control = sandbox.control();
    let stopper = thread::spawn(move || {
        while !control.interrupt("ctrl-c") {
            thread::yield_now();
        }
    });
    let error = run(&mut sandbox).expect_err("cancelled");
    assert_eq!(error.to_string(), "the run was cancelled: ctrl-c");
    stopper.join().expect("no panic");
}

#[test]
fn interrupt_ends_a_sleep() {
    let script = |entered: &Entered<'_>| entered.say(&GuestFrame::Sleep { ns: u64::MAX });
    let limits = Limits { wall_time: None, ..Limits::default() };
    let mut sandbox = sandbox_with(&FakeSource::new(script), limits);
    let control = sandbox.control();
    let stopper = thread::spawn(move || {
        thread::sleep(Duration::from_millis(30));
        assert!(control.interrupt("ctrl-c"));
    });
    assert!(matches!(run(&mut sandbox), Err(Error::Cancelled { .. })));
    stopper.join().expect("no panic");
}

#[test]
fn interrupt_between_turns_ends_the_run_at_the_next_one() {
    let script = |entered: &Entered<'_>| match entered.kind() {
        FrameKind::RunRequest => entered.call("add", &[0xa0]),
        kind => panic!("the guest was entered with {kind:?}"),
    };
    let mut sandbox = sandbox(script);
    let Ok(Step::ToolCall(call)) = sandbox.start(&CODE) else { panic!("a call") };
    assert!(sandbox.control().interrupt("first"));
    assert!(sandbox.control().interrupt("second"));
    let error = sandbox.resume(call.id, ToolReply::Value(RawValue::NONE)).expect_err("cancelled");
    assert_eq!(error.to_string(), "the run was cancelled: first");
}

#[test]
fn interrupt_between_runs_does_nothing() {
    let mut sandbox = sandbox(five);
    assert!(!sandbox.control().interrupt("too early"));
    run(&mut sandbox).expect("a run");
    assert!(!sandbox.control().interrupt("too late"));
    run(&mut sandbox).expect("a run");
}

#[test]
fn interrupt_without_a_reason_of_ours_is_the_machines_fault() {
    let script = |_: &Entered<'_>| Act::Fail(VmError::Interrupted);
    assert!(matches!(run(&mut sandbox(script)), Err(Error::Machine(_))));
}

#[test]
fn output_so_far_can_be_seen_while_a_tool_runs() {
    let script = |entered: &Entered<'_>| match entered.kind() {
        FrameKind::RunRequest => entered.output(b"before"),
        _ => entered.call("add", &[0xa0]),
    };
    let mut sandbox = sandbox(script);
    assert_eq!(sandbox.partial(), None);
    assert!(matches!(sandbox.start(&CODE), Ok(Step::ToolCall(_))));
    assert_eq!(sandbox.control().partial().expect("a run").stdout, "before");
}

#[test]
fn kernel_without_memory_is_the_memory_limit() {
    let script =
        |entered: &Entered<'_>| entered.say(&GuestFrame::Abort { reason: "out of memory", report: "" });
    let Err(Error::Limit(limit)) = run(&mut sandbox(script)) else { panic!("a limit") };
    assert_eq!((limit.limit, limit.maximum), (LimitKind::Memory, Limits::default().memory_bytes));
}

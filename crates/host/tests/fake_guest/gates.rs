//! Tools and output: allowed, denied by default, denied by rule, at the limit.

use hypercell_host::abi::message::{ToolError, ToolReply as WireReply};
use hypercell_host::abi::{FrameKind, HostFrame, RawValue};
use hypercell_host::error::{LimitKind, UsageError};
use hypercell_host::{Error, Limits, Sandbox, SandboxOptions, Step, ToolReply};

use crate::guest::{Act, CODE, Entered, FakeSource, int, run, sandbox, sandbox_with};

/// Calls a tool and ends with 1 if it got a value, 2 if it got an error.
fn call_once(name: &'static str, args: &'static [u8]) -> impl Fn(&Entered<'_>) -> Act + Clone {
    move |entered: &Entered<'_>| match entered.kind() {
        FrameKind::RunRequest => entered.call(name, args),
        FrameKind::ToolReply => {
            let HostFrame::ToolReply(WireReply { id: 7, outcome }) = entered.host_frame() else {
                panic!("the id")
            };
            match outcome {
                Ok(_) => entered.done(&[1]),
                Err(ToolError { type_name, message }) => entered.raise(type_name, message),
            }
        }
        kind => panic!("{kind:?}"),
    }
}

#[test]
fn tool_that_was_given_reaches_the_caller_and_its_value_the_guest() {
    let mut sandbox = sandbox(call_once("add", &[0xa1, 0x61, b'a', 3]));
    let Ok(Step::ToolCall(call)) = sandbox.start(&CODE) else { panic!("a call") };
    assert_eq!((call.id, call.name.as_str(), call.args.as_bytes()), (1, "add", &[0xa1, 0x61, b'a', 3][..]));
    let Ok(Step::Done(done)) = sandbox.resume(call.id, ToolReply::Value(RawValue::NONE)) else {
        panic!("the end")
    };
    assert_eq!(done.outcome, Ok(int(1)));
    assert_eq!(done.report.usage.tool_calls, 1);
}

#[test]
fn tool_that_was_not_given_never_reaches_the_caller() {
    let done = run(&mut sandbox(call_once("secret", &[0xa0]))).expect("a run");
    let error = done.outcome.expect_err("denied");
    assert_eq!(error.type_name, "LookupError");
    assert_eq!(error.message, "no tool is named \"secret\"; there are add, sub");
    assert_eq!(done.report.usage.tool_calls, 1);
}

#[test]
fn sandbox_without_tools_allows_none() {
    let source = FakeSource::new(call_once("add", &[0xa0]));
    let mut sandbox = Sandbox::new(source, SandboxOptions::default()).expect("good options");
    let error = run(&mut sandbox).expect("a run").outcome.expect_err("denied");
    assert_eq!(error.message, "no tool is named \"add\": this sandbox has no tools");
}

#[test]
fn error_of_a_tool_reaches_the_guest() {
    let mut sandbox = sandbox(call_once("add", &[0xa0]));
    let Ok(Step::ToolCall(call)) = sandbox.start(&CODE) else { panic!("a call") };
    let reply = ToolReply::Error { type_name: "KeyError", message: "no row" };
    let Ok(Step::Done(done)) = sandbox.resume(call.id, reply) else { panic!("the end") };
    let error = done.outcome.expect_err("raised");
    assert_eq!((error.type_name.as_str(), error.message.as_str()), ("KeyError", "no row"));
}

#[test]
fn long_error_of_a_tool_is_shortened() {
    let mut sandbox = sandbox(call_once("add", &[0xa0]));
    let Ok(Step::ToolCall(call)) = sandbox.start(&CODE) else { panic!("a call") };
    let reply = ToolReply::Error { type_name: "E", message: &"x".repeat(1 << 20) };
    let Ok(Step::Done(done)) = sandbox.resume(call.id, reply) else { panic!("the end") };
    assert!(done.outcome.expect_err("raised").message.len() <= 64 << 10);
}

#[test]
fn reply_to_another_call_is_refused_and_the_call_still_waits() {
    let mut sandbox = sandbox(call_once("add", &[0xa0]));
    let Ok(Step::ToolCall(call)) = sandbox.start(&CODE) else { panic!("a call") };
    let error = sandbox.resume(call.id + 1, ToolReply::Value(RawValue::NONE)).expect_err("no such call");
    assert!(matches!(error, Error::Usage(UsageError::NoSuchCall { call: 2 })), "{error}");
    assert!(sandbox.resume(call.id, ToolReply::Value(RawValue::NONE)).is_ok());
}

#[test]
fn call_ids_do_not_repeat_in_the_next_run() {
    let mut sandbox = sandbox(call_once("add", &[0xa0]));
    run(&mut sandbox).expect("a run");
    let Ok(Step::ToolCall(call)) = sandbox.start(&CODE) else { panic!("a call") };
    assert_eq!(call.id, 2);
}

#[test]
fn result_above_its_limit_is_refused_and_the_call_still_waits() {
    let limits = Limits { tool_result_bytes: 4, ..Limits::default() };
    let mut sandbox = sandbox_with(&FakeSource::new(call_once("add", &[0xa0])), limits);
    let Ok(Step::ToolCall(call)) = sandbox.start(&CODE) else { panic!("a call") };
    let long = RawValue::new(b"\x44abcd").expect("a byte string");
    let error = sandbox.resume(call.id, ToolReply::Value(long)).expect_err("too long");
    assert_eq!(error.to_string(), "a tool result of 5 bytes exceeds tool_result_bytes, which is 4");
    let fits = RawValue::new(b"\x43abc").expect("a byte string");
    assert!(matches!(sandbox.resume(call.id, ToolReply::Value(fits)), Ok(Step::Done(_))));
}

#[test]
fn arguments_above_their_limit_raise_in_the_guest_and_never_reach_the_caller() {
    let limits = Limits { tool_argument_bytes: 3, ..Limits::default() };
    let source = FakeSource::new(call_once("add", &[0xa1, 0x61, b'a', 3]));
    let error = run(&mut sandbox_with(&source, limits)).expect("a run").outcome.expect_err("denied");
    assert_eq!(error.type_name, "ValueError");
    assert_eq!(error.message, "arguments of 4 bytes exceed tool_argument_bytes, which is 3");
}

#[test]
fn call_above_the_number_of_calls_ends_the_run() {
    let endless = |entered: &Entered<'_>| entered.call("add", &[0xa0]);
    let limits = Limits { tool_calls: 3, ..Limits::default() };
    let error = run(&mut sandbox_with(&FakeSource::new(endless), limits)).expect_err("a limit");
    assert_eq!(error.to_string(), "4 calls exceed tool_calls, which is 3");
}

#[test]
fn denied_calls_end_the_run_too() {
    let endless = |entered: &Entered<'_>| entered.call("secret", &[0xa0]);
    let limits = Limits { tool_calls: 3, ..Limits::default() };
    let error = run(&mut sandbox_with(&FakeSource::new(endless), limits)).expect_err("a limit");
    let Error::Limit(limit) = error else { panic!("{error}") };
    assert_eq!((limit.limit, limit.used, limit.maximum), (LimitKind::ToolCalls, 4, 3));
}

#[test]
fn output_is_kept_up_to_the_limit_and_a_flood_ends_the_run() {
    let flood = |entered: &Entered<'_>| entered.output(b"0123456789");
    let limits = Limits { output_bytes: 25, ..Limits::default() };
    let mut sandbox = sandbox_with(&FakeSource::new(flood), limits);
    let error = run(&mut sandbox).expect_err("a limit");
    assert_eq!(error.to_string(), "30 bytes exceed output_bytes, which is 25");
    let report = sandbox.partial().expect("a run");
    assert_eq!(report.stdout, "0123456789012345678901234");
    assert_eq!(report.usage.output_bytes, 25);
}

#[test]
fn output_of_exactly_the_limit_is_allowed() {
    let script = |entered: &Entered<'_>| match entered.kind() {
        FrameKind::RunRequest => entered.output(b"01234"),
        _ => entered.done(&[5]),
    };
    let limits = Limits { output_bytes: 5, ..Limits::default() };
    let done = run(&mut sandbox_with(&FakeSource::new(script), limits)).expect("a run");
    assert_eq!(done.report.stdout, "01234");
}

#[test]
fn result_above_its_limit_ends_the_run() {
    let script = |entered: &Entered<'_>| entered.done(b"\x44abcd");
    let limits = Limits { result_bytes: 4, ..Limits::default() };
    let error = run(&mut sandbox_with(&FakeSource::new(script), limits)).expect_err("a limit");
    assert_eq!(error.to_string(), "5 bytes exceed result_bytes, which is 4");
    let limits = Limits { result_bytes: 5, ..Limits::default() };
    assert!(run(&mut sandbox_with(&FakeSource::new(script), limits)).is_ok());
}

#[test]
fn code_above_its_limit_or_with_nul_never_reaches_the_guest() {
    let limits = Limits { code_bytes: 4, ..Limits::default() };
    let source = FakeSource::new(|_: &Entered<'_>| panic!("the guest was entered"));
    let mut sandbox = sandbox_with(&source, limits);
    let error = sandbox.start(&CODE).expect_err("too long");
    assert_eq!(error.to_string(), "code of 5 bytes exceeds code_bytes, which is 4");
    let spec = hypercell_host::RunSpec { code: "1\0", ..CODE };
    assert_eq!(sandbox.start(&spec).expect_err("nul").to_string(), "the code has a NUL character at byte 1");
    assert_eq!(source.created(), 0);
}

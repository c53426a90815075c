//! Frames that a guest asks with, without leaving its VM: answered there, or it is made to leave, or stopped.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hypercell_host::abi::limits::MAX_ANSWER_BYTES;
use hypercell_host::abi::message::OutputStream;
use hypercell_host::abi::{FrameKind, GuestFrame, HostFrame, RawValue};
use hypercell_host::error::{LimitKind, UsageError};
use hypercell_host::{
    Control, Error, Limits, OwnedValue, Sandbox, Step, ToolAnswer, ToolCall, ToolCaller, ToolReply,
};

use crate::guest::{Act, CODE, Entered, FakeSource, int, run, sandbox, sandbox_with, turn_of};

/// Answers every call as the test says, and counts them.
struct Caller<F>(F, AtomicU32);

impl<F: Fn(&ToolCall) -> ToolAnswer + Send + Sync> ToolCaller for Caller<F> {
    fn call(&self, call: &ToolCall) -> ToolAnswer {
        self.1.fetch_add(1, Ordering::SeqCst);
        (self.0)(call)
    }
}

fn caller<F>(tool: F) -> Arc<Caller<F>>
where
    F: Fn(&ToolCall) -> ToolAnswer + Send + Sync,
{
    Arc::new(Caller(tool, AtomicU32::new(0)))
}

/// Asks for tools until it has three replies, then ends with the last one's value, or 9 if that was an error.
fn three_calls(entered: &Entered<'_>) -> Act {
    if entered.turn < 3 {
        return entered.ask_call("add");
    }
    match entered.host_frame() {
        HostFrame::ToolReply(reply) => match reply.outcome {
            Ok(value) => entered.done(value.as_bytes()),
            Err(_) => entered.done(&[9]),
        },
        other => panic!("{other:?}"),
    }
}

fn finish(sandbox: &mut Sandbox<FakeSource>, caller: Arc<dyn ToolCaller>) -> Result<Step, Error> {
    sandbox.start_with(&CODE, Some(caller))
}

#[test]
fn caller_answers_every_call_and_the_run_is_one_step() {
    let mut sandbox = sandbox(three_calls);
    let tool = caller(|call: &ToolCall| ToolAnswer::Value(int(u8::try_from(call.id).expect("few calls"))));
    let Ok(Step::Done(done)) = finish(&mut sandbox, tool.clone()) else { panic!("the end") };
    assert_eq!((done.outcome, tool.1.load(Ordering::SeqCst)), (Ok(int(3)), 3));
    assert_eq!((done.report.usage.tool_calls, done.report.usage.turns), (3, 4));
}

#[test]
fn without_a_caller_each_call_is_a_step() {
    let mut sandbox = sandbox(three_calls);
    let done = run(&mut sandbox).expect("a run");
    assert_eq!((done.outcome, done.report.usage.tool_calls), (Ok(OwnedValue::new(RawValue::NONE)), 3));
}

#[test]
fn call_that_the_caller_puts_off_is_a_step_that_resume_answers() {
    let mut sandbox = sandbox(three_calls);
    let tool =
        caller(|call: &ToolCall| if call.id == 2 { ToolAnswer::Later } else { ToolAnswer::Value(int(1)) });
    let Ok(Step::ToolCall(call)) = finish(&mut sandbox, tool) else { panic!("a call") };
    assert_eq!((call.id, call.name.as_str()), (2, "add"));
    let value = int(5);
    let reply = ToolReply::Value(RawValue::new(value.as_bytes()).expect("a value"));
    let Ok(Step::Done(done)) = sandbox.resume(call.id, reply) else { panic!("the end") };
    assert_eq!(done.outcome, Ok(int(1)), "the caller answers again");
}

#[test]
fn tool_that_the_gate_denies_never_reaches_the_caller() {
    let mut sandbox = sandbox(|entered: &Entered<'_>| match entered.kind() {
        FrameKind::RunRequest => entered.ask_call("remove"),
        _ => three_calls(&Entered { turn: 3, ..*entered }),
    });
    let tool = caller(|_: &ToolCall| ToolAnswer::Value(int(1)));
    let Ok(Step::Done(done)) = finish(&mut sandbox, tool.clone()) else { panic!("the end") };
    assert_eq!((done.outcome, tool.1.load(Ordering::SeqCst)), (Ok(int(9)), 0));
}

#[test]
fn answer_too_long_for_the_buffer_enters_as_a_turn() {
    let mut sandbox = sandbox(three_calls);
    let text = vec![b'x'; MAX_ANSWER_BYTES];
    let mut encoded = vec![0x79];
    encoded.extend(u16::try_from(text.len()).expect("15 KiB").to_be_bytes());
    encoded.extend(&text);
    let value = OwnedValue::new(RawValue::new(&encoded).expect("a text"));
    let expected = value.clone();
    let tool = caller(move |_: &ToolCall| ToolAnswer::Value(value.clone()));
    let Ok(Step::Done(done)) = finish(&mut sandbox, tool) else { panic!("the end") };
    assert_eq!(done.outcome, Ok(expected));
}

#[test]
fn value_above_its_limit_becomes_an_error_of_the_tool() {
    let limits = Limits { tool_result_bytes: 16, ..Limits::default() };
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let source = FakeSource::new(move |entered: &Entered<'_>| match entered.kind() {
        FrameKind::RunRequest => entered.ask_call("add"),
        _ => {
            let HostFrame::ToolReply(reply) = entered.host_frame() else { panic!("a reply") };
            let error = reply.outcome.expect_err("too long");
            log.lock().expect("no panic").push((error.type_name.to_owned(), error.message.to_owned()));
            entered.done(&[5])
        }
    });
    let mut sandbox = sandbox_with(&source, limits);
    let long = OwnedValue::new(RawValue::new(&[&[0x58, 20][..], &[0; 20]].concat()).expect("bytes"));
    let Ok(Step::Done(_)) = finish(&mut sandbox, caller(move |_: &ToolCall| ToolAnswer::Value(long.clone())))
    else {
        panic!("the end")
    };
    let message = "a tool result of 22 bytes exceeds tool_result_bytes, which is 16";
    assert_eq!(*seen.lock().expect("no panic"), [("ValueNotSendableError".to_owned(), message.to_owned())]);
}

#[test]
fn caller_can_end_the_run() {
    let mut sandbox = sandbox(three_calls);
    let tool = caller(|_: &ToolCall| ToolAnswer::Stop { reason: "enough".into() });
    let error = finish(&mut sandbox, tool).expect_err("stopped");
    assert!(matches!(&error, Error::Cancelled { reason } if reason == "enough"), "{error}");
    assert!(matches!(
        finish(&mut sandbox, caller(|_: &ToolCall| ToolAnswer::Value(int(1)))),
        Ok(Step::Done(_))
    ));
}

#[test]
fn stop_while_the_caller_runs_a_tool_ends_the_run() {
    let mut sandbox = sandbox(three_calls);
    let control: Arc<Mutex<Option<Control>>> = Arc::new(Mutex::new(Some(sandbox.control())));
    let tool = caller(move |_: &ToolCall| {
        control.lock().expect("no panic").as_ref().expect("set").interrupt("by the tool");
        ToolAnswer::Value(int(1))
    });
    let error = finish(&mut sandbox, tool.clone()).expect_err("stopped");
    assert!(matches!(&error, Error::Cancelled { reason } if reason == "by the tool"), "{error}");
    assert_eq!(tool.1.load(Ordering::SeqCst), 1);
}

#[test]
fn time_in_the_callers_tool_counts() {
    let limits = Limits { wall_time: Some(Duration::from_millis(20)), ..Limits::default() };
    let mut sandbox = sandbox_with(&FakeSource::new(three_calls), limits);
    let tool = caller(|_: &ToolCall| {
        std::thread::sleep(Duration::from_millis(60));
        ToolAnswer::Value(int(1))
    });
    let error = finish(&mut sandbox, tool.clone()).expect_err("too late");
    assert!(matches!(&error, Error::Limit(limit) if limit.limit == LimitKind::WallTime), "{error}");
    assert_eq!(tool.1.load(Ordering::SeqCst), 1);
}

#[test]
fn output_that_is_asked_with_is_kept_and_limited() {
    let limits = Limits { output_bytes: 10, ..Limits::default() };
    let source = FakeSource::new(|entered: &Entered<'_>| {
        entered.ask(&GuestFrame::Output { stream: OutputStream::Stdout, data: b"12345678" })
    });
    let mut sandbox = sandbox_with(&source, limits);
    let error = run(&mut sandbox).expect_err("too much");
    assert!(matches!(&error, Error::Limit(limit) if limit.limit == LimitKind::Output), "{error}");
    assert_eq!(sandbox.partial().expect("a run").stdout.len(), 10);
}

#[test]
fn guest_that_asks_with_rubbish_is_a_protocol_error() {
    for rubbish in [vec![], vec![0; 7], vec![0xff; 300], turn_of(b"no frame"), vec![0; 100_000]] {
        let source = FakeSource::new(move |_: &Entered<'_>| Act::Ask(rubbish.clone()));
        let mut sandbox = sandbox_with(&source, Limits::default());
        assert!(matches!(run(&mut sandbox), Err(Error::Protocol(_))));
    }
}

#[test]
fn guest_that_goes_on_asking_when_told_to_leave_is_stopped() {
    let source = FakeSource::new(|entered: &Entered<'_>| match entered.ask_call("add") {
        Act::Ask(bytes) => Act::AskForEver(bytes),
        _ => unreachable!("a question"),
    });
    let mut sandbox = sandbox_with(&source, Limits { wall_time: None, ..Limits::default() });
    assert!(run(&mut sandbox).is_err());
    assert!(matches!(
        sandbox.resume(1, ToolReply::Value(RawValue::NONE)),
        Err(Error::Usage(UsageError::NoSuchCall { call: 1 }))
    ));
}

#[test]
fn end_of_a_run_may_be_asked_with_too() {
    let source = FakeSource::new(|entered: &Entered<'_>| match entered.done(&[5]) {
        Act::Say(bytes) => Act::Ask(bytes),
        _ => unreachable!("a turn"),
    });
    assert_eq!(run(&mut sandbox_with(&source, Limits::default())).expect("a run").outcome, Ok(int(5)));
}

//! Several calls at once: each is gated like a single one, replies come in any order, and lies end the run.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hypercell_host::abi::limits::{MAX_CALLS_IN_FLIGHT, MAX_TOOL_NAME_BYTES};
use hypercell_host::abi::message::{ToolCall as WireCall, ToolReply as WireReply, ToolWait as WireWait};
use hypercell_host::abi::{FrameKind, GuestFrame, HostFrame, NamedValues, RawValue};
use hypercell_host::audit::{AuditEvent, AuditLog, ToolDenial};
use hypercell_host::error::{LimitKind, ProtocolError, UsageError};
use hypercell_host::{
    Control, Error, Limits, OwnedValue, Sandbox, SandboxOptions, Step, ToolAnswer, ToolCall, ToolCaller,
    ToolInfo, ToolReply, ToolWait,
};

use crate::guest::{Act, CODE, Entered, FakeSource, int, run, sandbox, sandbox_with, turn_of};

type Replies = Vec<(u64, Result<Vec<u8>, (String, String)>)>;

fn wait_frame<'a>(calls: &[(u64, &'a str)], cancel: &[u64], timeout_ns: Option<u64>) -> GuestFrame<'a> {
    let calls = calls
        .iter()
        .map(|&(id, name)| WireCall { id, name, args: NamedValues::EMPTY, line: None })
        .collect::<Vec<_>>();
    GuestFrame::ToolWait(WireWait { calls, cancel: cancel.to_vec(), timeout_ns })
}

/// Leaves with a wait, or asks with it.
fn wait(entered: &Entered<'_>, frame: &GuestFrame<'_>, is_asked: bool) -> Act {
    let turn = turn_of(&frame.encode(entered.header.seq).expect("a frame within the limits"));
    if is_asked { Act::Ask(turn) } else { Act::Say(turn) }
}

fn replies(entered: &Entered<'_>) -> Replies {
    let HostFrame::ToolReplies { replies } = entered.host_frame() else { panic!("{:?}", entered.kind()) };
    let owned = |reply: WireReply<'_>| {
        let outcome = reply.outcome.map(|value| value.as_bytes().to_vec());
        (reply.id, outcome.map_err(|error| (error.type_name.to_owned(), error.message.to_owned())))
    };
    replies.into_iter().map(owned).collect()
}

/// Does what the test says for each wait, and keeps what it was asked for.
struct Caller<F>(F, Mutex<Vec<ToolWait>>);

impl<F: Fn(&ToolWait) -> Option<Vec<(u64, ToolAnswer)>> + Send + Sync> ToolCaller for Caller<F> {
    fn call(&self, _call: &ToolCall) -> ToolAnswer {
        ToolAnswer::Value(int(1))
    }

    fn wait(&self, wait: &ToolWait) -> Option<Vec<(u64, ToolAnswer)>> {
        self.1.lock().expect("no panic").push(wait.clone());
        (self.0)(wait)
    }
}

fn caller<F>(wait: F) -> Arc<Caller<F>>
where
    F: Fn(&ToolWait) -> Option<Vec<(u64, ToolAnswer)>> + Send + Sync,
{
    Arc::new(Caller(wait, Mutex::default()))
}

/// Answers every new call with its number.
fn number_all(wait: &ToolWait) -> Option<Vec<(u64, ToolAnswer)>> {
    let value = |call: &ToolCall| ToolAnswer::Value(int(u8::try_from(call.id).expect("few calls")));
    Some(wait.calls.iter().map(|call| (call.id, value(call))).collect())
}

fn end_of(step: Result<Step, Error>) -> hypercell_host::Done {
    match step {
        Ok(Step::Done(done)) => *done,
        other => panic!("{other:?}"),
    }
}

#[test]
fn calls_start_together_and_are_answered_in_any_order_over_several_waits() {
    for is_asked in [false, true] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let mut sandbox = sandbox(move |entered: &Entered<'_>| match entered.turn {
            0 => wait(entered, &wait_frame(&[(5, "add"), (6, "sub"), (7, "add")], &[], None), is_asked),
            turn => {
                log.lock().expect("no panic").push(replies(entered));
                match turn {
                    1 => wait(entered, &wait_frame(&[(8, "sub")], &[5], Some(9)), is_asked),
                    2 => wait(entered, &wait_frame(&[], &[], None), is_asked),
                    _ => entered.done(&[5]),
                }
            }
        });
        let tools = caller(|wait: &ToolWait| {
            let answer = |call: u64| (call, ToolAnswer::Value(int(u8::try_from(call).expect("few calls"))));
            Some(match (wait.calls.len(), wait.timeout) {
                (3, None) => vec![answer(3), (1, ToolAnswer::Later)],
                (1, Some(_)) => Vec::new(),
                _ => vec![answer(4), answer(2), answer(1)],
            })
        });
        let done = end_of(sandbox.start_with(&CODE, Some(tools.clone())));
        assert_eq!((done.outcome, done.report.usage.tool_calls), (Ok(int(5)), 4));
        let ok = |id, value: u8| (id, Ok(vec![value]));
        assert_eq!(
            *seen.lock().expect("no panic"),
            [vec![ok(7, 3)], vec![], vec![ok(8, 4), ok(6, 2), ok(5, 1)]]
        );
        let waits = tools.1.lock().expect("no panic");
        let started = |wait: &ToolWait| wait.calls.iter().map(|call| call.id).collect::<Vec<_>>();
        assert_eq!(waits.iter().map(started).collect::<Vec<_>>(), [vec![1, 2, 3], vec![4], vec![]]);
        assert_eq!((waits[1].cancelled.clone(), waits[1].timeout), (vec![1], Some(Duration::from_nanos(9))));
    }
}

/// One wait with calls of these names, and then the end; what the guest was told is kept.
fn one_wait(names: &'static [&'static str]) -> (FakeSource, Arc<Mutex<Replies>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let source = FakeSource::new(move |entered: &Entered<'_>| {
        if entered.turn > 0 {
            log.lock().expect("no panic").extend(replies(entered));
        }
        let told = log.lock().expect("no panic").len();
        let calls: Vec<_> = (0..).zip(names.iter().copied()).collect();
        match (entered.turn, told < names.len()) {
            (0, true) => wait(entered, &wait_frame(&calls, &[], None), true),
            (_, true) => wait(entered, &wait_frame(&[], &[], None), true),
            (_, false) => entered.done(&[5]),
        }
    });
    (source, seen)
}

#[test]
fn each_call_is_decided_for_itself_and_a_denied_one_does_not_hold_the_others_up() {
    let (source, seen) = one_wait(&["secret", "add", "Sub"]);
    let events = Arc::new(Mutex::new(Vec::new()));
    let log = events.clone();
    let audit = AuditLog::new(move |event| {
        log.lock().expect("no panic").push(match *event {
            AuditEvent::ToolAllowed { call, name, .. } => format!("allowed {name} {call}"),
            AuditEvent::ToolDenied { name, reason: ToolDenial::UnknownTool, .. } => format!("denied {name}"),
            AuditEvent::ToolAnswered { call, .. } => format!("answered {call}"),
            _ => return,
        });
    });
    let tools = vec![ToolInfo { name: "add".into(), ..ToolInfo::default() }];
    let options = SandboxOptions { tools, audit, ..SandboxOptions::default() };
    let mut sandbox = Sandbox::new(source, options).expect("good options");
    let tools = caller(|wait: &ToolWait| {
        if wait.timeout.is_some() { Some(vec![]) } else { Some(vec![(1, ToolAnswer::Value(int(1)))]) }
    });
    let done = end_of(sandbox.start_with(&CODE, Some(tools.clone())));
    assert_eq!(done.report.usage.tool_calls, 3);
    let seen = seen.lock().expect("no panic");
    let denied = |name| ("LookupError".to_owned(), format!("no tool is named {name:?}; there are add"));
    assert_eq!(*seen, [(0, Err(denied("secret"))), (2, Err(denied("Sub"))), (1, Ok(vec![1]))]);
    let first = &tools.1.lock().expect("no panic")[0];
    assert_eq!((first.calls.len(), first.timeout), (1, Some(Duration::ZERO)), "denials are told at once");
    assert_eq!(
        *events.lock().expect("no panic"),
        ["denied secret", "allowed add 1", "denied Sub", "answered 1"]
    );
}

#[test]
fn sandbox_without_tools_denies_every_call_and_asks_nobody() {
    let (source, seen) = one_wait(&["add", "sub"]);
    let mut sandbox = Sandbox::new(source, SandboxOptions::default()).expect("good options");
    let tools = caller(number_all);
    end_of(sandbox.start_with(&CODE, Some(tools.clone())));
    assert!(seen.lock().expect("no panic").iter().all(|(_, outcome)| outcome.is_err()));
    assert!(tools.1.lock().expect("no panic").is_empty());
}

#[test]
fn calls_pass_at_the_limit_of_calls_and_one_more_ends_the_run() {
    for (tool_calls, fits) in [(2, true), (1, false)] {
        let (source, _) = one_wait(&["add", "secret"]);
        let limits = Limits { tool_calls, ..Limits::default() };
        let tools = caller(|wait: &ToolWait| number_all(wait));
        let step = sandbox_with(&source, limits).start_with(&CODE, Some(tools.clone()));
        match step {
            Ok(_) => assert!(fits),
            Err(Error::Limit(error)) => {
                assert_eq!(
                    (error.limit, error.used, error.maximum, fits),
                    (LimitKind::ToolCalls, 2, 1, false)
                );
                assert!(tools.1.lock().expect("no panic").is_empty(), "none of them ran");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn arguments_above_their_limit_raise_in_the_guest_alone() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let source = FakeSource::new(move |entered: &Entered<'_>| {
        if entered.turn == 1 {
            log.lock().expect("no panic").extend(replies(entered));
            return entered.done(&[5]);
        }
        let args = |bytes| NamedValues::new(bytes).expect("a map");
        let calls = vec![
            WireCall { id: 1, name: "add", args: args(&[0xa1, 0x61, b'a', 3]), line: None },
            WireCall { id: 2, name: "add", args: args(&[0xa0]), line: None },
        ];
        entered.say(&GuestFrame::ToolWait(WireWait { calls, cancel: vec![], timeout_ns: None }))
    });
    let limits = Limits { tool_argument_bytes: 3, ..Limits::default() };
    end_of(sandbox_with(&source, limits).start_with(&CODE, Some(caller(number_all))));
    let text = "arguments of 4 bytes exceed tool_argument_bytes, which is 3";
    let denied = Err(("ValueError".to_owned(), text.to_owned()));
    assert_eq!(*seen.lock().expect("no panic"), [(1, denied), (2, Ok(vec![1]))]);
}

#[test]
fn result_above_its_limit_becomes_an_error_of_its_call_alone() {
    let (source, seen) = one_wait(&["add", "sub"]);
    let limits = Limits { tool_result_bytes: 4, ..Limits::default() };
    let long = OwnedValue::new(RawValue::new(b"\x44abcd").expect("a byte string"));
    let tools = caller(move |_: &ToolWait| {
        Some(vec![(1, ToolAnswer::Value(long.clone())), (2, ToolAnswer::Value(int(2)))])
    });
    end_of(sandbox_with(&source, limits).start_with(&CODE, Some(tools)));
    let text = "a tool result of 5 bytes exceeds tool_result_bytes, which is 4";
    let refused = Err(("ValueNotSendableError".to_owned(), text.to_owned()));
    assert_eq!(*seen.lock().expect("no panic"), [(0, refused), (1, Ok(vec![2]))]);
}

#[test]
fn caller_that_answers_what_nobody_asked_ends_the_run() {
    for answers in [vec![9], vec![1, 1]] {
        let (source, _) = one_wait(&["add", "sub"]);
        let tools = caller(move |_: &ToolWait| {
            Some(answers.iter().map(|&call| (call, ToolAnswer::Value(int(1)))).collect())
        });
        let error = sandbox_with(&source, Limits::default()).start_with(&CODE, Some(tools));
        assert!(matches!(error, Err(Error::Usage(UsageError::NoSuchCall { .. }))), "{error:?}");
    }
}

#[test]
fn caller_that_stops_ends_the_run() {
    let (source, _) = one_wait(&["add"]);
    let tools = caller(|_: &ToolWait| Some(vec![(1, ToolAnswer::Stop { reason: "a tool ended it".into() })]));
    let error = sandbox_with(&source, Limits::default()).start_with(&CODE, Some(tools)).expect_err("stopped");
    assert_eq!(error.to_string(), "the run was cancelled: a tool ended it");
}

#[test]
fn without_a_caller_each_call_is_a_step_and_the_guest_hears_of_all_at_once() {
    let (source, seen) = one_wait(&["add", "secret", "sub"]);
    let mut sandbox = sandbox_with(&source, Limits::default());
    let Ok(Step::ToolCall(first)) = sandbox.start(&CODE) else { panic!("a call") };
    let error = sandbox.resume(2, ToolReply::Value(RawValue::NONE)).expect_err("not its turn");
    assert!(matches!(error, Error::Usage(UsageError::NoSuchCall { call: 2 })), "{error}");
    let error = sandbox.start(&CODE).expect_err("busy");
    assert_eq!(error.to_string(), "the last run still waits for the result of the tool \"add\"");
    let Ok(Step::ToolCall(second)) = sandbox.resume(first.id, ToolReply::Value(RawValue::NONE)) else {
        panic!("a call")
    };
    assert_eq!((first.name.as_str(), second.name.as_str(), second.id), ("add", "sub", 2));
    let reply = ToolReply::Error { type_name: "KeyError", message: "no row" };
    end_of(sandbox.resume(second.id, reply));
    let seen: Vec<u64> = seen.lock().expect("no panic").iter().map(|(id, _)| *id).collect();
    assert_eq!(seen, [1, 0, 2]);
}

#[test]
fn caller_of_one_thing_at_a_time_is_called_for_each() {
    let (source, seen) = one_wait(&["add", "sub"]);
    end_of(sandbox_with(&source, Limits::default()).start_with(&CODE, Some(caller(|_: &ToolWait| None))));
    assert_eq!(*seen.lock().expect("no panic"), [(0, Ok(vec![1])), (1, Ok(vec![1]))]);
}

#[test]
fn wait_with_nothing_in_flight_is_a_sleep() {
    let mut sandbox = sandbox(|entered: &Entered<'_>| match entered.turn {
        0 => wait(entered, &wait_frame(&[], &[], Some(30_000_000)), true),
        _ => {
            assert_eq!(replies(entered), []);
            entered.done(&[5])
        }
    });
    let before = Instant::now();
    run(&mut sandbox).expect("a run");
    assert!(before.elapsed() >= Duration::from_millis(30));
}

fn protocol_error(script: impl Fn(&Entered<'_>) -> Act + Clone + Send + Sync + 'static) -> ProtocolError {
    let source = FakeSource::new(script);
    let tools = caller(|_: &ToolWait| Some(Vec::new()));
    match sandbox_with(&source, Limits { tool_calls: 1 << 20, ..Limits::default() })
        .start_with(&CODE, Some(tools))
    {
        Err(Error::Protocol(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn numbers_that_lie_end_the_run() {
    let twice_in_a_frame =
        |entered: &Entered<'_>| wait(entered, &wait_frame(&[(5, "add"), (5, "sub")], &[], None), true);
    assert_eq!(protocol_error(twice_in_a_frame), ProtocolError::CallInFlight { id: 5 });
    let again = |entered: &Entered<'_>| wait(entered, &wait_frame(&[(5, "add")], &[], Some(0)), true);
    assert_eq!(protocol_error(again), ProtocolError::CallInFlight { id: 5 });
    let denied_twice =
        |entered: &Entered<'_>| wait(entered, &wait_frame(&[(5, "x"), (5, "x")], &[], None), false);
    assert_eq!(protocol_error(denied_twice), ProtocolError::CallInFlight { id: 5 });
    let unknown = |entered: &Entered<'_>| wait(entered, &wait_frame(&[(5, "add")], &[6], None), true);
    assert_eq!(protocol_error(unknown), ProtocolError::NotInFlight { id: 6 });
    let for_ever = |entered: &Entered<'_>| wait(entered, &wait_frame(&[], &[], None), true);
    let error = protocol_error(for_ever);
    assert_eq!(
        (error.to_string().as_str(), error),
        ("the guest waits for ever for no call", ProtocolError::WaitsForNothing)
    );
}

#[test]
fn too_many_calls_in_flight_end_the_run() {
    let error = protocol_error(|entered: &Entered<'_>| {
        let first = u64::from(entered.turn) * 1000;
        let calls: Vec<_> = (first..first + 1000).map(|id| (id, "add")).collect();
        wait(entered, &wait_frame(&calls, &[], Some(0)), true)
    });
    let (count, max) = (MAX_CALLS_IN_FLIGHT + 1, MAX_CALLS_IN_FLIGHT);
    assert_eq!(error, ProtocolError::TooManyInFlight { what: "calls", count, max });
    assert_eq!(error.to_string(), "the guest has 1025 calls in flight, which exceeds 1024");
}

#[test]
fn name_that_is_too_long_is_refused() {
    let error = protocol_error(|entered: &Entered<'_>| {
        let mut turn = {
            let name = "n".repeat(MAX_TOOL_NAME_BYTES);
            turn_of(&wait_frame(&[(1, &name)], &[], None).encode(entered.header.seq).expect("a frame"))
        };
        let at = turn.windows(2).position(|two| two == b"nn").expect("the name") - 1;
        turn[at] += 1;
        Act::Say(turn)
    });
    assert!(matches!(error, ProtocolError::Wire { .. }), "{error}");
}

#[test]
fn stop_while_tools_run_ends_the_run_and_nothing_reaches_the_next_one() {
    let control: Arc<Mutex<Option<Control>>> = Arc::default();
    let (source, seen) = one_wait(&["add", "sub"]);
    let mut sandbox = sandbox_with(&source, Limits::default());
    *control.lock().expect("no panic") = Some(sandbox.control());
    let tools = caller(move |wait: &ToolWait| {
        if let Some(control) = control.lock().expect("no panic").take() {
            control.interrupt("enough");
        }
        number_all(wait)
    });
    let error = sandbox.start_with(&CODE, Some(tools.clone())).expect_err("stopped");
    assert_eq!(error.to_string(), "the run was cancelled: enough");
    assert!(seen.lock().expect("no panic").is_empty());
    end_of(sandbox.start_with(&CODE, Some(tools.clone())));
    let waits = tools.1.lock().expect("no panic");
    assert_eq!(waits[1].calls[0].id, 3, "numbers do not repeat");
}

#[test]
fn time_limit_holds_while_tools_run() {
    let (source, _) = one_wait(&["add"]);
    let limits = Limits { wall_time: Some(Duration::from_millis(50)), ..Limits::default() };
    let tools = caller(|_: &ToolWait| {
        std::thread::sleep(Duration::from_millis(20));
        Some(Vec::new())
    });
    let error = sandbox_with(&source, limits).start_with(&CODE, Some(tools)).expect_err("too long");
    assert!(matches!(error, Error::Limit(limit) if limit.limit == LimitKind::WallTime), "{error}");
}

#[test]
fn calls_in_flight_at_the_end_of_a_run_are_forgotten() {
    let source = FakeSource::new(|entered: &Entered<'_>| match entered.kind() {
        FrameKind::RunRequest => wait(entered, &wait_frame(&[(1, "add")], &[], Some(0)), true),
        _ => entered.done(&[5]),
    });
    let mut sandbox = sandbox_with(&source, Limits::default());
    let late = Arc::new(Mutex::new(Vec::new()));
    let answers = late.clone();
    let tools = caller(move |_: &ToolWait| Some(std::mem::take(&mut *answers.lock().expect("no panic"))));
    end_of(sandbox.start_with(&CODE, Some(tools.clone())));
    late.lock().expect("no panic").push((1, ToolAnswer::Value(int(1))));
    let error = sandbox.start_with(&CODE, Some(tools)).expect_err("an answer to a call of another run");
    assert!(matches!(error, Error::Usage(UsageError::NoSuchCall { call: 1 })), "{error}");
}

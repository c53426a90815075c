//! Every decision is heard of, in order.

use std::sync::{Arc, Mutex};

use hypercell_host::abi::FrameKind;
use hypercell_host::audit::AuditLog;
use hypercell_host::{Limits, Sandbox, SandboxOptions, ToolInfo};

use crate::guest::{Act, Entered, FakeSource, run};

/// SHA-256 of `a0`, the encoded empty map.
const EMPTY: &str = "c19a797fa1fd590cd2e5b42d1cf5f246e29b91684e2f87404b81dc345c7a56a0";

fn events_of(script: fn(&Entered<'_>) -> Act, limits: Limits) -> Vec<String> {
    let events = Arc::new(Mutex::new(Vec::new()));
    let log = events.clone();
    let options = SandboxOptions {
        tools: vec![ToolInfo { name: "add".into(), ..ToolInfo::default() }],
        limits,
        audit: AuditLog::new(move |event| log.lock().expect("no panic").push(format!("{event:?}"))),
        ..SandboxOptions::default()
    };
    let _ = run(&mut Sandbox::new(FakeSource::new(script), options).expect("good options"));
    let events = events.lock().expect("no panic");
    events.clone()
}

#[test]
fn run_with_output_and_calls_is_heard_in_order() {
    let script = |entered: &Entered<'_>| match (entered.turn, entered.kind()) {
        (0, FrameKind::RunRequest) => entered.output(b"hello"),
        (1, FrameKind::OutputAck) => entered.call("secret", &[0xa0]),
        (2, FrameKind::ToolReply) => entered.call("add", &[0xa0]),
        (3, FrameKind::ToolReply) => entered.done(&[5]),
        turn => panic!("{turn:?}"),
    };
    let denied = format!(
        "ToolDenied {{ run: 1, name: \"secret\", argument_bytes: 1, arguments_digest: {EMPTY}, reason: UnknownTool }}"
    );
    let allowed = format!(
        "ToolAllowed {{ run: 1, call: 1, name: \"add\", argument_bytes: 1, arguments_digest: {EMPTY} }}"
    );
    assert_eq!(
        events_of(script, Limits::default()),
        [
            "RunStarted { run: 1, name: \"<code>\", code_bytes: 5 }",
            "OutputAllowed { run: 1, stream: Stdout, len_bytes: 5 }",
            denied.as_str(),
            allowed.as_str(),
            "ToolAnswered { run: 1, call: 1, answer: Value, answer_bytes: 1 }",
            "RunEnded { run: 1, ending: Value }",
        ]
    );
}

#[test]
fn run_that_reaches_a_limit_says_which_before_it_ends() {
    let limits = Limits { output_bytes: 3, ..Limits::default() };
    assert_eq!(
        events_of(|entered| entered.output(b"hello"), limits),
        [
            "RunStarted { run: 1, name: \"<code>\", code_bytes: 5 }",
            "LimitReached { run: 1, error: LimitError { limit: Output, used: 5, maximum: 3 } }",
            "RunEnded { run: 1, ending: Limit }",
        ]
    );
}

#[test]
fn run_that_breaks_the_rules_is_said_to() {
    let events = events_of(|_| Act::Say(b"no turn".to_vec()), Limits::default());
    assert_eq!(events.last().map(String::as_str), Some("RunEnded { run: 1, ending: Protocol }"));
}

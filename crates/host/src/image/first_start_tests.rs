//! Tests of `first_start` with a guest that plays a script.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use hypercell_abi::FrameKind;
use hypercell_abi::frame::{EnterHeader, ExitHeader, FrameHeader};
use hypercell_abi::message::{OutputStream, RunError, ToolWait};

use super::*;
use crate::engine::{Answer, Interrupt};

/// Answers each turn with the next frame, and notes what came.
struct Player {
    script: VecDeque<GuestFrame<'static>>,
    heard: Arc<Mutex<Vec<FrameKind>>>,
}

struct Nothing;

impl Interrupt for Nothing {
    fn interrupt(&self) -> bool {
        false
    }
}

impl Engine for Player {
    fn enter(&mut self, turn: &[u8], _: &mut Answer<'_>) -> Result<Vec<u8>, VmError> {
        let (_, frame) = EnterHeader::split(turn).expect("a turn");
        let header = FrameHeader::decode(frame).expect("a frame");
        self.heard.lock().expect("one thread").push(header.kind);
        let answer = self.script.pop_front().ok_or(VmError::Interrupted)?;
        let frame = answer.encode(header.seq).expect("a small frame");
        let exit = ExitHeader { frame_len: u32::try_from(frame.len()).expect("small"), ..Default::default() };
        Ok([&exit.encode()[..], &frame].concat())
    }

    fn interrupt_handle(&self) -> Arc<dyn Interrupt> {
        Arc::new(Nothing)
    }
}

/// Runs code against a script. Returns the outcome and the kinds of frames that the guest got.
fn run(script: impl IntoIterator<Item = GuestFrame<'static>>) -> (Result<(), String>, Vec<FrameKind>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let player = Player { script: script.into_iter().collect(), heard: heard.clone() };
    let mut guest = Guest::new(player, "trying").expect("a watchdog");
    let outcome = guest.run("code", true).map_err(|error| error.to_string());
    let heard = heard.lock().expect("one thread").clone();
    (outcome, heard)
}

fn done() -> GuestFrame<'static> {
    let null = RawValue::new(&[0xf6]).expect("null");
    GuestFrame::RunDone(RunDone { outcome: Ok(null), exit: None })
}

#[test]
fn output_sleep_and_tool_calls_are_answered_on_the_way_to_the_end() {
    let args = NamedValues::new(b"\xa1\x64rows\x80").expect("a map");
    let (outcome, heard) = run([
        GuestFrame::Output { stream: OutputStream::Stdout, data: b"hello" },
        GuestFrame::Sleep { ns: 1 },
        GuestFrame::ToolCall(ToolCall { id: 1, name: "echo", args, line: None }),
        done(),
    ]);
    assert_eq!(outcome, Ok(()));
    let expected = [FrameKind::RunRequest, FrameKind::OutputAck, FrameKind::Resume, FrameKind::ToolReply];
    assert_eq!(heard, expected);
}

#[test]
fn calls_of_a_guest_with_threads_are_answered_in_their_waits() {
    let args = || NamedValues::new(b"\xa1\x64rows\x80").expect("a map");
    let call = |id| ToolCall { id, name: "echo", args: args(), line: None };
    let wait = |calls| GuestFrame::ToolWait(ToolWait { calls, cancel: Vec::new(), timeout_ns: Some(1) });
    let (outcome, heard) = run([wait(vec![call(1), call(2)]), wait(Vec::new()), done()]);
    assert_eq!(outcome, Ok(()));
    assert_eq!(heard, [FrameKind::RunRequest, FrameKind::ToolReplies, FrameKind::ToolReplies]);
}

#[test]
fn an_exception_of_the_workload_fails_the_build_with_its_traceback() {
    let error = RunError { type_name: "ValueError", message: "no", traceback: "ValueError: no", line: None };
    let (outcome, _) = run([GuestFrame::RunDone(RunDone { outcome: Err(error), exit: None })]);
    assert_eq!(outcome, Err("the image did not start: trying: ValueError: no".to_owned()));
}

#[test]
fn a_guest_that_dies_is_quoted() {
    let exited = GuestFrame::Exited(Exited { status: 1, signal: 0, report: "" });
    let (outcome, _) = run([
        GuestFrame::Output { stream: OutputStream::Stderr, data: b"no module named encodings\n" },
        exited,
    ]);
    let expected = "the image did not start: trying: the interpreter ended with status 1; the guest printed:\n\
                    no module named encodings";
    assert_eq!(outcome, Err(expected.to_owned()));
}

#[test]
fn a_crash_is_told_in_a_line() {
    let report = "SIGSEGV (11): access to address 0x0\nthread 1 of 1\nrip 0x0";
    let (outcome, _) = run([GuestFrame::Exited(Exited { status: 139, signal: 11, report })]);
    let expected = "the image did not start: trying: the interpreter died by signal 11: SIGSEGV (11): access to address 0x0";
    assert_eq!(outcome, Err(expected.to_owned()));
}

#[test]
fn only_the_end_of_a_flood_of_output_is_kept() {
    let flood = [b'x'; 3000];
    let data: &'static [u8] = Box::leak(Box::new(flood));
    let (outcome, _) = run([
        GuestFrame::Output { stream: OutputStream::Stdout, data },
        GuestFrame::Exited(Exited { status: 1, signal: 0, report: "" }),
    ]);
    let message = outcome.expect_err("it died");
    assert_eq!(message.matches('x').count(), MAX_QUOTED_BYTES);
}

#[test]
fn a_good_frame_at_the_wrong_time_is_refused() {
    let (outcome, _) = run([GuestFrame::Warmed { failed: Vec::new() }]);
    let expected = "the image did not start: trying: the guest answered Warmed { failed: [] }";
    assert_eq!(outcome, Err(expected.to_owned()));
}

#[test]
fn an_engine_that_is_interrupted_fails_the_stage() {
    let (outcome, _) = run([]);
    assert_eq!(outcome, Err("the image did not start: trying: it took longer than 300s".to_owned()));
}

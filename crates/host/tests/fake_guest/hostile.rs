//! Bytes that break the rules. Evidence: each case is refused by name; the mutations only guard against panics.

use hypercell_host::abi::frame::{EXIT_HEADER_BYTES, ExitHeader};
use hypercell_host::abi::message::{HttpPart, HttpRead, HttpSend, OutputStream, RunDone, ToolCall, ToolWait};
use hypercell_host::abi::{FrameKind, GuestFrame, NamedValues, RawValue, WireError};
use hypercell_host::error::ProtocolError;
use hypercell_host::{Error, Limits};

use crate::guest::{Act, Entered, FakeSource, five, run, sandbox, sandbox_with, turn_of};

fn protocol_error(script: impl FnMut(&Entered<'_>) -> Act + Clone + Send + Sync + 'static) -> ProtocolError {
    let mut sandbox = sandbox(script);
    match run(&mut sandbox) {
        Err(Error::Protocol(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn bytes_that_are_no_turn_are_refused() {
    for bytes in [&b""[..], b"x", &[0; EXIT_HEADER_BYTES], &[0xff; 200]] {
        protocol_error(move |_: &Entered<'_>| Act::Say(bytes.to_vec()));
    }
}

#[test]
fn frame_that_answers_another_request_is_refused() {
    let error = protocol_error(|entered: &Entered<'_>| {
        let frame = GuestFrame::RunDone(RunDone { outcome: Ok(RawValue::NONE), exit: None });
        Act::Say(turn_of(&frame.encode(entered.header.seq + 1).expect("a frame")))
    });
    assert_eq!(error, ProtocolError::Wire { source: WireError::SeqMismatch { found: 2, expected: 1 } });
}

#[test]
fn frames_that_do_not_belong_into_a_run_are_refused() {
    let frames = [
        GuestFrame::Ready { python: "3.11.7", implementation: "cpython" },
        GuestFrame::Warmed { failed: Vec::new() },
    ];
    for frame in frames {
        let kind = frame.kind();
        let error = protocol_error(move |entered: &Entered<'_>| entered.say(&frame));
        assert_eq!(error, ProtocolError::UnexpectedFrame { kind, due: "a frame of a run" });
    }
}

#[test]
fn frame_kinds_of_the_host_are_refused() {
    for kind in [FrameKind::RunRequest, FrameKind::OutputAck, FrameKind::Boot] {
        let error = protocol_error(move |entered: &Entered<'_>| {
            let header = hypercell_host::abi::FrameHeader { kind, body_len: 1, seq: entered.header.seq };
            Act::Say(turn_of(&[&header.encode()[..], &[0xa0]].concat()))
        });
        let expected = "a frame from the guest";
        assert_eq!(error, ProtocolError::Wire { source: WireError::WrongDirection { kind, expected } });
    }
}

#[test]
fn frame_length_that_lies_is_refused() {
    for claimed in [0, 1, 1000, u32::MAX] {
        protocol_error(move |entered: &Entered<'_>| {
            let Act::Say(mut turn) = five(entered) else { panic!("five says something") };
            let header = ExitHeader { frame_len: claimed, ..ExitHeader::default() };
            turn[..EXIT_HEADER_BYTES].copy_from_slice(&header.encode());
            Act::Say(turn)
        });
    }
}

#[test]
fn second_end_of_a_run_answers_nothing() {
    // The guest is entered again only with the next request, so a repeated RunDone carries an old number.
    let mut old = None;
    let source = FakeSource::new(move |entered: &Entered<'_>| {
        let Act::Say(bytes) = five(entered) else { panic!("five says something") };
        Act::Say(old.get_or_insert(bytes).clone())
    });
    let options = hypercell_host::SandboxOptions {
        state: hypercell_host::StateMode::Kept,
        ..hypercell_host::SandboxOptions::default()
    };
    let mut sandbox = hypercell_host::Sandbox::new(source, options).expect("good options");
    run(&mut sandbox).expect("a run");
    let error = run(&mut sandbox).expect_err("an old number");
    assert_eq!(
        error.to_string(),
        "the guest broke the rules of the wire: frame answers sequence number 1, not 2"
    );
}

#[test]
fn sandbox_is_fine_after_a_protocol_error() {
    let source = FakeSource::new(|entered: &Entered<'_>| match entered.enter.realtime_ns % 2 {
        0 => Act::Say(vec![1, 2, 3]),
        _ => five(entered),
    });
    let mut sandbox = sandbox_with(&source, Limits::default());
    let mut outcomes = [0, 0];
    while outcomes.contains(&0) {
        match run(&mut sandbox) {
            Ok(_) => outcomes[0] += 1,
            Err(Error::Protocol(_)) => outcomes[1] += 1,
            Err(error) => panic!("{error}"),
        }
    }
}

/// A small generator, so that failures repeat: xorshift64*.
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).expect("31 bits") % bound
    }
}

fn seeds(seq: u32) -> Vec<Vec<u8>> {
    let args = NamedValues::new(b"\xa1\x61a\x83\x01\xf6\x62hi").expect("a map");
    let value = RawValue::new(b"\xa2\x61k\xd9\x01\x02\x82\x01\x02\x02\xfb\0\0\0\0\0\0\0\0").expect("a value");
    [
        GuestFrame::Output { stream: OutputStream::Stderr, data: b"text" },
        GuestFrame::ToolCall(ToolCall { id: 7, name: "add", args, line: None }),
        GuestFrame::RunDone(RunDone { outcome: Ok(value), exit: Some(2) }),
        GuestFrame::ToolWait(ToolWait {
            calls: vec![
                ToolCall { id: 8, name: "sub", args, line: None },
                ToolCall { id: 9, name: "x", args, line: None },
            ],
            cancel: vec![8],
            timeout_ns: Some(5),
        }),
        GuestFrame::HttpSend(HttpSend {
            id: 3,
            method: "GET",
            url: "http://192.0.2.1/",
            headers: vec![("x", b"y")],
            body: b"body",
            more: true,
            redirects: 2,
            timeout_ns: Some(5),
        }),
        GuestFrame::HttpPart(HttpPart { id: 3, body: b"more", more: true }),
        GuestFrame::HttpRead(HttpRead { id: 3, max_bytes: 9, timeout_ns: Some(5) }),
        GuestFrame::HttpClose { id: 3 },
        GuestFrame::Sleep { ns: 5 },
        GuestFrame::Abort { reason: "r", report: "p" },
    ]
    .iter()
    .map(|frame| turn_of(&frame.encode(seq).expect("a frame")))
    .collect()
}

#[test]
fn random_mutations_never_panic_and_never_call_an_unknown_tool() {
    let mut random = Random(0x5eed);
    for round in 0..4000_u64 {
        let seed = random.below(usize::MAX >> 34) as u64 + round;
        let script = move |entered: &Entered<'_>| {
            let mut random = Random(seed.wrapping_mul(0x9E37_79B9).wrapping_add(u64::from(entered.turn)) | 1);
            let seeds = seeds(entered.header.seq);
            let mut turn = seeds[random.below(seeds.len())].clone();
            for _ in 0..=random.below(3) {
                let at = random.below(turn.len());
                match random.below(4) {
                    0 => turn[at] = random.below(256) as u8,
                    1 => turn[at] ^= 1 << random.below(8),
                    2 => turn.truncate(at.max(1)),
                    _ => turn.insert(at, random.below(256) as u8),
                }
            }
            if entered.turn > 20 { entered.done(&[5]) } else { Act::Say(turn) }
        };
        let limits = Limits { wall_time: Some(std::time::Duration::from_millis(200)), ..Limits::default() };
        let mut sandbox = sandbox_with(&FakeSource::new(script), limits);
        let mut step = sandbox.start(&crate::guest::CODE);
        while let Ok(hypercell_host::Step::ToolCall(call)) = step {
            assert!(["add", "sub"].contains(&call.name.as_str()));
            step = sandbox.resume(call.id, hypercell_host::ToolReply::Value(RawValue::NONE));
        }
    }
}

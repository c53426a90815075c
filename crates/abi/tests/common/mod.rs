//! Samples and helpers that several test files share.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::allow_attributes,
    reason = "each test file uses a part"
)]

use hypercell_abi::archive::{Archive, ArchiveBuilder};
use hypercell_abi::frame::UnsupportedSyscall;
use hypercell_abi::message::{
    Exited, FileEntry, FilePath, FileReply, FileRequest, FileStat, HttpBody, HttpError, HttpHead, HttpPart,
    HttpRead, HttpSend, OpenFlags, OutputStream, RunDone, RunError, RunRequest, Syscall, SyscallArg,
    ToolCall, ToolError, ToolReply, ToolWait,
};
use hypercell_abi::{
    EnterHeader, ExitHeader, FrameHeader, FrameKind, GuestFrame, HostFrame, KernelRequest, NamedValues,
    RawValue, WireError,
};

/// Sequence number of every sample frame.
pub const SEQ: u32 = 7;

/// A value with every type, every tag and every width of head.
pub fn every_value() -> Vec<u8> {
    let hex = concat!(
        "98 1a ", // an array of 26
        "f6 f4 f5 00 17 18 18 19 0100 1a 00010000 1b ffffffffffffffff 20 3b ffffffffffffffff ", // 11
        "c2 49 010000000000000000 c3 49 010000000000000000 ", // 2
        "fb 3ff8000000000000 fb 7ff8000000000000 f9 3e00 fa 3fc00000 ", // 4
        "60 63 e282ac 43 00ff80 ", // 3
        "a2 01 61 61 d9bb80 82 01 02 80 ", // a map with an integer and a tuple as keys
        "d825 50 00112233445566778899aabbccddeeff ", // UUID
        "d90102 82 01 02 d9bb84 81 01 ", // set, frozenset
        "83 ",    // texts under tags
        "d903ec 6a 323032342d30322d3239 d9bb81 68 31323a30303a3031 d9bb83 65 312e313030 ",
        "82 d9bb82 83 01 02 03 d9bb85 73 323032342d30322d32395431323a30303a3031", // timedelta, datetime
    );
    from_hex(hex)
}

pub fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|b| !b.is_ascii_whitespace())
        .map(|b| char::from(b).to_digit(16).unwrap())
        .map(low)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn low(digit: u32) -> u8 {
    u8::try_from(digit).unwrap()
}

/// A frame of any bytes as body.
pub fn frame(kind: FrameKind, body: &[u8]) -> Vec<u8> {
    let header = FrameHeader { kind, body_len: u32::try_from(body.len()).unwrap(), seq: SEQ };
    [&header.encode()[..], body].concat()
}

/// Each kind of frame with each of its shapes, under the name of its golden file.
pub fn sample_frames() -> Vec<(&'static str, Vec<u8>)> {
    let value = every_value();
    let value = RawValue::new(&value).unwrap();
    let named = NamedValues::encode(&[("rows", value), ("größe", RawValue::NONE)]);
    let named = NamedValues::new(&named).unwrap();
    let host = |message: HostFrame<'_>| message.encode(SEQ).unwrap();
    let kernel = |message: KernelRequest<'_>| message.encode(SEQ).unwrap();
    let guest = |message: GuestFrame<'_>| message.encode(SEQ).unwrap();
    let run = RunRequest {
        code: "sum(rows)\n",
        name: "<code>",
        inputs: named,
        tools: vec![("find_order", "find_order(id: int) -> dict"), ("noop", "")],
        keep: true,
        seed: *b"0123456789abcdef0123456789abcdef",
        max_value_bytes: 1 << 20,
    };
    let plain_run = RunRequest { inputs: NamedValues::EMPTY, tools: vec![], keep: false, ..run.clone() };
    let error = RunError {
        type_name: "ValueError",
        message: "no",
        traceback: "Traceback (most recent call last):\n",
        line: Some(3),
    };
    let exit = RunError { type_name: "SystemExit", message: "3", traceback: "", line: None };
    let mut frames = vec![
        ("run_request", host(HostFrame::RunRequest(run))),
        ("run_request_plain", host(HostFrame::RunRequest(plain_run))),
        ("tool_reply_ok", host(HostFrame::ToolReply(ToolReply { id: 300, outcome: Ok(value) }))),
        (
            "tool_reply_err",
            host(HostFrame::ToolReply(ToolReply {
                id: 1,
                outcome: Err(ToolError { type_name: "KeyError", message: "'x'" }),
            })),
        ),
        (
            "tool_replies",
            host(HostFrame::ToolReplies {
                replies: vec![
                    ToolReply { id: 9, outcome: Ok(value) },
                    ToolReply {
                        id: u64::MAX,
                        outcome: Err(ToolError { type_name: "KeyError", message: "'x'" }),
                    },
                ],
            }),
        ),
        ("tool_replies_none", host(HostFrame::ToolReplies { replies: vec![] })),
        (
            "http_head",
            host(HostFrame::HttpHead(HttpHead {
                id: 3,
                status: 200,
                url: "https://example.org/a?b",
                headers: vec![("content-type", b"text/plain"), ("x-bytes", b"\xff")],
            })),
        ),
        ("http_body", host(HostFrame::HttpBody(HttpBody { id: 3, body: b"\x00hello", end: true }))),
        ("http_error", host(HostFrame::HttpError(HttpError { id: 3, kind: "denied", message: "no" }))),
        ("http_ack", host(HostFrame::HttpAck { id: 3 })),
        ("output_ack", host(HostFrame::OutputAck)),
        ("warm", host(HostFrame::Warm { modules: vec!["json", "numpy"] })),
        ("reset", host(HostFrame::Reset)),
        ("reseed", host(HostFrame::Reseed { seed: *b"fedcba9876543210fedcba9876543210" })),
        (
            "boot",
            kernel(KernelRequest::Boot {
                argv: vec!["/python/bin/python3.11", "-s"],
                env: vec!["HOME=/tmp"],
            }),
        ),
        ("checkpoint", kernel(KernelRequest::Checkpoint { record: true, hot: b"" })),
        ("resume", kernel(KernelRequest::Resume)),
        ("ready", guest(GuestFrame::Ready { python: "3.11.7", implementation: "cpython" })),
        ("output_stdout", guest(GuestFrame::Output { stream: OutputStream::Stdout, data: b"hello\n" })),
        ("output_stderr", guest(GuestFrame::Output { stream: OutputStream::Stderr, data: b"\xff\x00" })),
        (
            "tool_call",
            guest(GuestFrame::ToolCall(ToolCall { id: 300, name: "find_order", args: named, line: None })),
        ),
        (
            "tool_call_of_line",
            guest(GuestFrame::ToolCall(ToolCall {
                id: 301,
                name: "find_order",
                args: named,
                line: Some(u64::MAX),
            })),
        ),
        (
            "tool_wait",
            guest(GuestFrame::ToolWait(ToolWait {
                calls: vec![
                    ToolCall { id: 9, name: "find_order", args: named, line: Some(12) },
                    ToolCall { id: u64::MAX, name: "noop", args: NamedValues::EMPTY, line: None },
                ],
                cancel: vec![3, 300],
                timeout_ns: Some(1_500_000_000),
            })),
        ),
        (
            "tool_wait_only",
            guest(GuestFrame::ToolWait(ToolWait { calls: vec![], cancel: vec![], timeout_ns: None })),
        ),
        (
            "http_send",
            guest(GuestFrame::HttpSend(HttpSend {
                id: 3,
                method: "POST",
                url: "https://example.org/a?b",
                headers: vec![("accept", b"*/*"), ("x-bytes", b"\xff")],
                body: b"\x00body",
                more: true,
                redirects: 20,
                timeout_ns: Some(1_500_000_000),
            })),
        ),
        (
            "http_send_plain",
            guest(GuestFrame::HttpSend(HttpSend {
                id: 4,
                method: "GET",
                url: "http://localhost:8000/",
                headers: vec![],
                body: b"",
                more: false,
                redirects: 0,
                timeout_ns: None,
            })),
        ),
        ("http_part", guest(GuestFrame::HttpPart(HttpPart { id: 3, body: b"rest", more: false }))),
        ("http_read", guest(GuestFrame::HttpRead(HttpRead { id: 3, max_bytes: 65_536, timeout_ns: None }))),
        ("http_close", guest(GuestFrame::HttpClose { id: 3 })),
        ("run_done_value", guest(GuestFrame::RunDone(RunDone { outcome: Ok(value), exit: None }))),
        ("run_done_error", guest(GuestFrame::RunDone(RunDone { outcome: Err(error), exit: None }))),
        ("run_done_exit", guest(GuestFrame::RunDone(RunDone { outcome: Err(exit), exit: Some(-3) }))),
        ("reseeded", guest(GuestFrame::Reseeded)),
        ("warmed", guest(GuestFrame::Warmed { failed: vec![("numpy", "No module named 'numpy'")] })),
        ("sleep", guest(GuestFrame::Sleep { ns: 1_500_000_000 })),
        ("abort", guest(GuestFrame::Abort { reason: "out of memory", report: "rip 0" })),
        ("checkpointed", guest(GuestFrame::Checkpointed { hot: &[0, 0x10, 0, 0, 0, 0, 0, 0] })),
        ("syscall", guest(GuestFrame::Syscall(sample_syscall(Some(-2))))),
        ("syscall_without_result", guest(GuestFrame::Syscall(sample_syscall(None)))),
        ("exited", guest(GuestFrame::Exited(Exited { status: -1, signal: 11, report: "at 0x0" }))),
    ];
    frames
        .extend(file_requests().into_iter().map(|(name, request)| (name, guest(GuestFrame::File(request)))));
    frames.extend(file_replies().into_iter().map(|(name, reply)| (name, kernel(KernelRequest::File(reply)))));
    frames
}

/// `openat` of a file that is not there.
fn sample_syscall(result: Option<i64>) -> Syscall<'static> {
    let at_cwd = SyscallArg::Number(0xffff_ff9c);
    let args = vec![at_cwd, SyscallArg::Text(b"/tmp/caf\xe9"), SyscallArg::Number(0), SyscallArg::Number(0)];
    Syscall { tid: 2, nr: 257, args, result, began_ns: 1_700_000_000_000_000_001, took_ns: 1500 }
}

const AT: FilePath<'_> = FilePath { mount: 3, path: b"data/caf\xe9" };

/// Each operation on files.
pub fn file_requests() -> Vec<(&'static str, FileRequest<'static>)> {
    let flags = OpenFlags::READ.with(OpenFlags::CREATE).with(OpenFlags::DIRECTORY);
    vec![
        ("file_mounts", FileRequest::Mounts),
        ("file_stat", FileRequest::Stat { at: AT, follow: true }),
        ("file_open", FileRequest::Open { at: AT, flags, mode: 0o644 }),
        ("file_fstat", FileRequest::StatHandle { handle: 9 }),
        ("file_read", FileRequest::Read { handle: 9, offset: 1 << 40, len: 65536, need: 10 }),
        ("file_write", FileRequest::Write { handle: 9, offset: 0, data: b"\x00\xff" }),
        ("file_truncate", FileRequest::Truncate { handle: 9, len: 5 }),
        ("file_sync", FileRequest::Sync { handle: 9 }),
        ("file_list", FileRequest::List { handle: 9 }),
        ("file_close", FileRequest::Close { handle: u64::MAX }),
        ("file_mkdir", FileRequest::MakeDir { at: AT, mode: 0o755 }),
        ("file_unlink", FileRequest::Unlink { at: AT }),
        ("file_rmdir", FileRequest::RemoveDir { at: AT }),
        ("file_rename", FileRequest::Rename { at: AT, to: b"data/new" }),
        ("file_readlink", FileRequest::ReadLink { at: AT }),
        ("file_chmod", FileRequest::SetMode { at: AT, mode: 0o600 }),
        ("file_utime", FileRequest::SetTimes { at: AT, accessed: Some(-5), modified: Some(1 << 60) }),
        ("file_utime_of_nothing", FileRequest::SetTimes { at: AT, accessed: None, modified: None }),
        ("file_artifact", FileRequest::Artifact { path: b"plots/a.png", offset: 0, data: b"\x89PNG" }),
    ]
}

/// Each answer about files.
pub fn file_replies() -> Vec<(&'static str, FileReply<'static>)> {
    let stat = FileStat {
        mode: 0o100_644,
        number: 77,
        links: 1,
        size: 1 << 33,
        blocks: 8,
        accessed: 1_700_000_000_000_000_001,
        modified: -1,
        changed: 0,
    };
    let entries = vec![
        FileEntry { name: b"caf\xe9", kind: 0o100_000, number: 77 },
        FileEntry { name: b"sub", kind: 0, number: u64::MAX },
    ];
    vec![
        ("file_reply_done", FileReply::Done),
        ("file_reply_error", FileReply::Error { errno: 2 }),
        ("file_reply_stat", FileReply::Stat(stat)),
        ("file_reply_opened", FileReply::Opened { handle: 9, stat }),
        ("file_reply_data", FileReply::Data(b"\x00\xff")),
        ("file_reply_count", FileReply::Count(2)),
        ("file_reply_entries", FileReply::Entries(entries)),
        ("file_reply_mounts", FileReply::Mounts(vec![(b"/input", false), (b"/work", true)])),
    ]
}

pub fn sample_enter() -> EnterHeader {
    EnterHeader {
        frame_len: 17,
        memory_limit_pages: 65536,
        realtime_ns: 1_700_000_000_000_000_001,
        entropy: *b"entropy entropy entropy entropy!",
        tsc_khz: 2_400_000,
        is_fresh_start: true,
        has_mounts: true,
        traces_syscalls: true,
    }
}

pub fn sample_exit() -> ExitHeader {
    let mut header = ExitHeader {
        frame_len: 22,
        pages_used: 1,
        pages_peak: 2,
        page_faults: 3,
        syscalls: 4,
        unsupported_count: 2,
        ..ExitHeader::default()
    };
    header.unsupported[0] = UnsupportedSyscall { nr: 435, count: 1 };
    header.unsupported[1] = UnsupportedSyscall { nr: 41, count: u16::MAX };
    header
}

pub fn enter_turn() -> Vec<u8> {
    [&sample_enter().encode()[..], &HostFrame::Reset.encode(SEQ).unwrap()].concat()
}

pub fn exit_turn() -> Vec<u8> {
    [&sample_exit().encode()[..], &GuestFrame::Checkpointed { hot: b"" }.encode(SEQ).unwrap()].concat()
}

pub fn sample_archive() -> Vec<u8> {
    let mut builder = ArchiveBuilder::new();
    builder.add_file("/python/lib/b.py", 0o644, 1_700_000_000, "b = 2\n").unwrap();
    builder.add_file("/python/lib/a.so", 0o755, -1, vec![0x7f; 5000]).unwrap();
    builder.add_file("/python/lib/empty", 0o600, 0, "").unwrap();
    builder.add_symlink("/python/bin/python3", 5, "python3.11").unwrap();
    builder.add_dir("/tmp", 0o1777, 9).unwrap();
    builder.finish().unwrap()
}

/// What decodes a golden file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Frame,
    Enter,
    Exit,
    Value,
    Archive,
}

impl Form {
    pub fn name(self) -> &'static str {
        match self {
            Self::Frame => "frame",
            Self::Enter => "enter",
            Self::Exit => "exit",
            Self::Value => "value",
            Self::Archive => "archive",
        }
    }

    /// Decodes as far as this crate can. Returns whether the bytes load.
    pub fn loads(self, bytes: &[u8]) -> Result<(), String> {
        let text = |error: WireError| error.to_string();
        match self {
            Self::Frame => decode_and_encode(bytes).map(drop).map_err(text),
            Self::Enter => {
                EnterHeader::split(bytes).and_then(|(_, f)| decode_and_encode(f)).map(drop).map_err(text)
            }
            Self::Exit => {
                ExitHeader::split(bytes).and_then(|(_, f)| decode_and_encode(f)).map(drop).map_err(text)
            }
            Self::Value => RawValue::new(bytes).map(drop).map_err(text),
            Self::Archive => Archive::parse(bytes).and_then(|a| a.check()).map_err(|error| error.to_string()),
        }
    }
}

/// Decodes a frame as its receiver would and encodes the message again.
pub fn decode_and_encode(bytes: &[u8]) -> Result<Vec<u8>, WireError> {
    let (header, body) = FrameHeader::split(bytes)?;
    match header.kind.code() {
        0x0100.. => GuestFrame::decode(header.kind, body)?.encode(header.seq),
        0x0080.. => KernelRequest::decode(header.kind, body)?.encode(header.seq),
        _ => HostFrame::decode(header.kind, body)?.encode(header.seq),
    }
}

/// A small generator of numbers, the same in every run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    pub fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }
}

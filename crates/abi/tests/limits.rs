//! Each limit at its edge: the last size that passes, the first that does not, and what the error says.

mod common;

use common::{SEQ, frame};
use hypercell_abi::cbor::{Major, write_bytes, write_head, write_text};
use hypercell_abi::limits::*;
use hypercell_abi::message::{
    FileEntry, FilePath, FileReply, FileRequest, HttpBody, HttpHeader, HttpPart, HttpSend, OutputStream,
    RunDone, RunError, RunRequest, ToolCall, ToolReply, ToolWait,
};
use hypercell_abi::{
    FrameHeader, FrameKind, GuestFrame, HostFrame, KernelRequest, NamedValues, RawValue, WireError,
};

/// An array of arrays, `levels` in all, with nothing in the last one.
fn nested(levels: usize) -> Vec<u8> {
    [vec![0x81; levels - 1], vec![0x80]].concat()
}

fn run_request(code: &str) -> RunRequest<'_> {
    RunRequest {
        code,
        name: "<code>",
        inputs: NamedValues::EMPTY,
        tools: vec![],
        keep: false,
        seed: [0; 32],
        max_value_bytes: 0,
    }
}

/// Encodes and decodes, which must agree on what is too much.
fn guest_round_trip(message: &GuestFrame<'_>) -> Result<(), WireError> {
    let bytes = message.encode(SEQ)?;
    let (header, body) = FrameHeader::split(&bytes)?;
    assert_eq!(GuestFrame::decode(header.kind, body)?, *message);
    Ok(())
}

fn host_round_trip(message: &HostFrame<'_>) -> Result<(), WireError> {
    let bytes = message.encode(SEQ)?;
    let (header, body) = FrameHeader::split(&bytes)?;
    assert_eq!(HostFrame::decode(header.kind, body)?, *message);
    Ok(())
}

#[test]
fn value_of_64_levels_passes_and_of_65_does_not() {
    assert!(RawValue::new(&nested(MAX_VALUE_DEPTH)).is_ok());
    let error = RawValue::new(&nested(MAX_VALUE_DEPTH + 1)).unwrap_err();
    assert_eq!(error.to_string(), "value is nested deeper than 64 levels at byte 64");
}

#[test]
fn closed_containers_do_not_count_as_depth() {
    let side_by_side = [vec![0x98, 200], [0x81, 0x80].repeat(200)].concat();
    assert!(RawValue::new(&side_by_side).is_ok());
}

#[test]
fn value_of_a_million_items_passes_and_one_more_does_not() {
    let array = |elements: u64| {
        let mut out = Vec::new();
        write_head(&mut out, Major::Array, elements);
        out.resize(out.len() + usize::try_from(elements).unwrap(), 0xf6);
        out
    };
    assert!(RawValue::new(&array(999_999)).is_ok());
    let error = RawValue::new(&array(1_000_000)).unwrap_err();
    assert_eq!(error.to_string(), "value has more than 1000000 items at byte 1000004");
}

#[test]
fn value_of_16_mib_passes_and_one_byte_more_does_not() {
    let bytes = |len: usize| {
        let mut out = Vec::new();
        write_bytes(&mut out, &vec![0; len - 5]);
        out
    };
    let largest = bytes(MAX_VALUE_BYTES);
    assert_eq!(largest.len(), MAX_VALUE_BYTES);
    let value = RawValue::new(&largest).unwrap();
    guest_round_trip(&GuestFrame::RunDone(RunDone { outcome: Ok(value), exit: Some(i64::MIN) })).unwrap();
    let error = RawValue::new(&bytes(MAX_VALUE_BYTES + 1)).unwrap_err();
    assert_eq!(error.to_string(), "value of 16777217 bytes exceeds 16777216");
}

#[test]
fn integer_of_65536_bytes_passes_and_one_byte_more_does_not() {
    let bignum = |len: usize| {
        let mut out = vec![0xc2];
        write_bytes(&mut out, &vec![1; len]);
        out
    };
    assert!(RawValue::new(&bignum(MAX_INT_BYTES)).is_ok());
    let error = RawValue::new(&bignum(MAX_INT_BYTES + 1)).unwrap_err();
    assert_eq!(error.to_string(), "integer of 65537 bytes exceeds 65536");
}

#[test]
fn frame_at_the_cap_passes_and_one_byte_more_does_not() {
    let header = |frame_len: usize| {
        FrameHeader { kind: FrameKind::Ready, body_len: u32::try_from(frame_len - 16).unwrap(), seq: 0 }
            .encode()
    };
    assert!(FrameHeader::decode(&header(MAX_FRAME_BYTES)).is_ok());
    let error = FrameHeader::decode(&header(MAX_FRAME_BYTES + 1)).unwrap_err();
    assert_eq!(error.to_string(), "frame of 16842753 bytes exceeds 16842752");
    let oversized = vec![0; MAX_FRAME_BYTES + 1];
    assert!(matches!(FrameHeader::split(&oversized), Err(WireError::FrameTooLong { .. })));
}

#[test]
fn message_above_the_frame_cap_is_not_encoded() {
    let text = "x".repeat(MAX_MESSAGE_TEXT_BYTES);
    let tools = vec![("tool", text.as_str()); 300];
    let message = HostFrame::RunRequest(RunRequest { tools, ..run_request("") });
    assert!(matches!(message.encode(SEQ), Err(WireError::FrameTooLong { .. })));
}

#[test]
fn code_of_1_mib_passes_and_one_byte_more_does_not() {
    let code = "x".repeat(MAX_CODE_BYTES + 1);
    host_round_trip(&HostFrame::RunRequest(run_request(&code[1..]))).unwrap();
    let error = host_round_trip(&HostFrame::RunRequest(run_request(&code))).unwrap_err();
    assert_eq!(error.to_string(), "code of 1048577 bytes exceeds 1048576");
}

#[test]
fn tool_lists_pass_at_1024_and_not_at_1025() {
    let with = |count| HostFrame::RunRequest(RunRequest { tools: vec![("a", ""); count], ..run_request("") });
    host_round_trip(&with(MAX_TOOLS)).unwrap();
    let error = host_round_trip(&with(MAX_TOOLS + 1)).unwrap_err();
    assert_eq!(error.to_string(), "tools with 1025 entries exceeds 1024");
}

#[test]
fn calls_and_cancellations_and_replies_pass_at_1024_and_not_at_1025() {
    let call = ToolCall { id: 1, name: "f", args: NamedValues::EMPTY, line: Some(1) };
    let wait = |calls, cancels| {
        let (calls, cancel) = (vec![call; calls], vec![7; cancels]);
        guest_round_trip(&GuestFrame::ToolWait(ToolWait { calls, cancel, timeout_ns: None }))
    };
    wait(MAX_CALLS_IN_FLIGHT, MAX_CALLS_IN_FLIGHT).unwrap();
    let error = wait(MAX_CALLS_IN_FLIGHT + 1, 0).unwrap_err();
    assert_eq!(error.to_string(), "calls with 1025 entries exceeds 1024");
    let error = wait(0, MAX_CALLS_IN_FLIGHT + 1).unwrap_err();
    assert_eq!(error.to_string(), "cancel with 1025 entries exceeds 1024");
    let replies = |count| {
        let reply = ToolReply { id: 1, outcome: Ok(RawValue::NONE) };
        host_round_trip(&HostFrame::ToolReplies { replies: vec![reply; count] })
    };
    replies(MAX_CALLS_IN_FLIGHT).unwrap();
    let error = replies(MAX_CALLS_IN_FLIGHT + 1).unwrap_err();
    assert_eq!(error.to_string(), "replies with 1025 entries exceeds 1024");
}

#[test]
fn items_of_a_value_are_counted_as_the_limit_counts_them() {
    let wide = [&[0x9a, 0, 0x0f, 0x42, 0x3f][..], &vec![0xf6; MAX_VALUE_ITEMS - 1]].concat();
    for (bytes, items) in
        [(&[0xf6][..], 1), (&[0xa1, 0x61, b'a', 0x82, 1, 2][..], 5), (&wide[..], MAX_VALUE_ITEMS)]
    {
        assert_eq!(RawValue::new(bytes).unwrap().item_count(), items);
    }
}

#[test]
fn tool_name_of_128_bytes_passes_and_one_byte_more_does_not() {
    let name = "n".repeat(MAX_TOOL_NAME_BYTES + 1);
    let call =
        |name| GuestFrame::ToolCall(ToolCall { id: u64::MAX, name, args: NamedValues::EMPTY, line: None });
    guest_round_trip(&call(&name[1..])).unwrap();
    let error = guest_round_trip(&call(&name)).unwrap_err();
    assert_eq!(error.to_string(), "name of 129 bytes exceeds 128");
}

#[test]
fn output_of_64_kib_passes_and_one_byte_more_does_not() {
    let data = vec![0xff; MAX_OUTPUT_CHUNK_BYTES + 1];
    let output = |data| GuestFrame::Output { stream: OutputStream::Stderr, data };
    guest_round_trip(&output(&data[1..])).unwrap();
    let error = guest_round_trip(&output(&data)).unwrap_err();
    assert_eq!(error.to_string(), "data of 65537 bytes exceeds 65536");
}

#[test]
fn traceback_of_64_kib_passes_and_one_byte_more_does_not() {
    let text = "t".repeat(MAX_MESSAGE_TEXT_BYTES + 1);
    let done = |traceback| {
        let error = RunError { type_name: "E", message: "", traceback, line: None };
        GuestFrame::RunDone(RunDone { outcome: Err(error), exit: None })
    };
    guest_round_trip(&done(&text[1..])).unwrap();
    let error = guest_round_trip(&done(&text)).unwrap_err();
    assert_eq!(error.to_string(), "tb of 65537 bytes exceeds 65536");
}

#[test]
fn decoder_applies_limits_that_an_encoder_ignored() {
    let mut body = vec![0xa2];
    write_text(&mut body, "fd");
    body.push(1);
    write_text(&mut body, "data");
    write_bytes(&mut body, &vec![0; MAX_OUTPUT_CHUNK_BYTES + 1]);
    let bytes = frame(FrameKind::Output, &body);
    let (header, body) = FrameHeader::split(&bytes).unwrap();
    let error = GuestFrame::decode(header.kind, body).unwrap_err();
    assert_eq!(error.to_string(), "data of 65537 bytes exceeds 65536");
}

#[test]
fn lists_of_texts_pass_at_1024_and_not_at_1025() {
    let boot = |count| KernelRequest::Boot { argv: vec!["/bin/x"], env: vec!["A=b"; count] }.encode(SEQ);
    assert!(boot(MAX_LIST_ENTRIES).is_ok());
    assert_eq!(boot(MAX_LIST_ENTRIES + 1).unwrap_err().to_string(), "env with 1025 entries exceeds 1024");
}

#[test]
fn result_limit_above_a_value_is_refused() {
    let with = |max_value_bytes| HostFrame::RunRequest(RunRequest { max_value_bytes, ..run_request("") });
    host_round_trip(&with(16_777_216)).unwrap();
    let error = host_round_trip(&with(16_777_217)).unwrap_err();
    assert_eq!(error.to_string(), "max_value is 16777217, which is out of range");
}

#[test]
fn arguments_count_as_one_value() {
    let inner = nested(MAX_VALUE_DEPTH - 1);
    let deepest = NamedValues::encode(&[("a", RawValue::new(&inner).unwrap())]);
    assert!(NamedValues::new(&deepest).is_ok());
    let inner = nested(MAX_VALUE_DEPTH);
    let too_deep = NamedValues::encode(&[("a", RawValue::new(&inner).unwrap())]);
    assert!(matches!(NamedValues::new(&too_deep), Err(WireError::ValueTooDeep { .. })));
}

#[test]
fn many_equal_names_are_refused_without_quadratic_time() {
    let pairs: Vec<(String, RawValue<'_>)> =
        (0..200_000).map(|n| (format!("{:06}", n % 199_999), RawValue::NONE)).collect();
    let pairs: Vec<(&str, RawValue<'_>)> =
        pairs.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let bytes = NamedValues::encode(&pairs);
    let args = NamedValues::new(&bytes).unwrap();
    assert_eq!(args.len(), 200_000);
    let error =
        GuestFrame::ToolCall(ToolCall { id: 1, name: "f", args, line: None }).encode(SEQ).unwrap_err();
    assert_eq!(error.to_string(), "args has a name of 6 bytes twice");
}

fn http_send<'a>(
    method: &'a str,
    url: &'a str,
    headers: Vec<HttpHeader<'a>>,
    body: &'a [u8],
) -> GuestFrame<'a> {
    let (id, more, redirects, timeout_ns) = (u64::MAX, false, u64::MAX, Some(u64::MAX));
    GuestFrame::HttpSend(HttpSend { id, method, url, headers, body, more, redirects, timeout_ns })
}

#[test]
fn request_of_http_passes_at_each_limit_and_not_above() {
    let (method, url) = ("M".repeat(MAX_HTTP_METHOD_BYTES + 1), "u".repeat(MAX_HTTP_URL_BYTES + 1));
    let (value, body) = (vec![b'v'; MAX_HTTP_HEADER_BYTES], vec![0; MAX_HTTP_PART_BYTES + 1]);
    let many = |count: usize| vec![("n", &b""[..]); count];
    let at_limit = http_send(&method[1..], &url[1..], many(MAX_HTTP_HEADERS), &body[1..]);
    guest_round_trip(&at_limit).unwrap();
    guest_round_trip(&http_send("M", "u", vec![("n", &value[1..])], b"")).unwrap();
    for (above, message) in [
        (http_send(&method, "u", vec![], b""), "method of 33 bytes exceeds 32"),
        (http_send("M", &url, vec![], b""), "url of 16385 bytes exceeds 16384"),
        (http_send("M", "u", many(MAX_HTTP_HEADERS + 1), b""), "headers with 129 entries exceeds 128"),
        (http_send("M", "u", vec![("n", &value)], b""), "headers of 65537 bytes exceeds 65536"),
        (http_send("M", "u", vec![], &body), "body of 131073 bytes exceeds 131072"),
    ] {
        assert_eq!(guest_round_trip(&above).unwrap_err().to_string(), message);
    }
}

#[test]
fn headers_that_exceed_their_limit_together_are_refused_by_the_decoder() {
    let half = vec![b'v'; MAX_HTTP_HEADER_BYTES / 2];
    let mut body = Vec::new();
    write_head(&mut body, Major::Map, 8);
    for key in ["id", "redirects"] {
        write_text(&mut body, key);
        body.push(1);
    }
    for key in ["method", "url"] {
        write_text(&mut body, key);
        write_text(&mut body, "x");
    }
    write_text(&mut body, "headers");
    write_head(&mut body, Major::Array, 2);
    for _ in 0..2 {
        write_head(&mut body, Major::Array, 2);
        write_text(&mut body, "n");
        write_bytes(&mut body, &half);
    }
    write_text(&mut body, "body");
    write_bytes(&mut body, b"");
    for (key, byte) in [("more", 0xf4), ("timeout", 0xf6)] {
        write_text(&mut body, key);
        body.push(byte);
    }
    let error = GuestFrame::decode(FrameKind::HttpSend, &body).unwrap_err();
    assert_eq!(error.to_string(), "headers of 65538 bytes exceeds 65536");
}

#[test]
fn body_of_a_response_passes_at_its_limit_and_not_above() {
    let body = vec![0; MAX_HTTP_PART_BYTES + 1];
    host_round_trip(&HostFrame::HttpBody(HttpBody { id: 1, body: &body[1..], end: true })).unwrap();
    let error =
        host_round_trip(&HostFrame::HttpBody(HttpBody { id: 1, body: &body, end: true })).unwrap_err();
    assert_eq!(error.to_string(), "body of 131073 bytes exceeds 131072");
    let part = GuestFrame::HttpPart(HttpPart { id: 1, body: &body, more: true });
    let error = guest_round_trip(&part).unwrap_err();
    assert_eq!(error.to_string(), "body of 131073 bytes exceeds 131072");
}

fn kernel_round_trip(message: &KernelRequest<'_>) -> Result<(), WireError> {
    let bytes = message.encode(SEQ)?;
    let (header, body) = FrameHeader::split(&bytes)?;
    assert_eq!(KernelRequest::decode(header.kind, body)?, *message);
    Ok(())
}

#[test]
fn piece_of_a_file_passes_at_the_limit_and_not_above() {
    let bytes = vec![7; MAX_FILE_CHUNK_BYTES + 1];
    for (data, passes) in [(&bytes[1..], true), (&bytes[..], false)] {
        let write = GuestFrame::File(FileRequest::Write { handle: 1, offset: u64::MAX, data });
        let read = KernelRequest::File(FileReply::Data(data));
        for result in [guest_round_trip(&write), kernel_round_trip(&read)] {
            let text = result.map_err(|error| error.to_string());
            assert_eq!(text, if passes { Ok(()) } else { Err("data of 98305 bytes exceeds 98304".into()) });
        }
    }
}

#[test]
fn path_and_name_pass_at_the_limit_and_not_above() {
    let long = vec![b'x'; MAX_FILE_PATH_BYTES + 1];
    let unlink = |path| GuestFrame::File(FileRequest::Unlink { at: FilePath { mount: 0, path } });
    assert_eq!(guest_round_trip(&unlink(&long[1..])), Ok(()));
    let error = guest_round_trip(&unlink(&long)).unwrap_err();
    assert_eq!(error.to_string(), "path of 4096 bytes exceeds 4095");
    let list = |name| KernelRequest::File(FileReply::Entries(vec![FileEntry { name, kind: 0, number: 0 }]));
    assert_eq!(kernel_round_trip(&list(&long[..MAX_FILE_NAME_BYTES])), Ok(()));
    let error = kernel_round_trip(&list(&long[..MAX_FILE_NAME_BYTES + 1])).unwrap_err();
    assert_eq!(error.to_string(), "name of 256 bytes exceeds 255");
}

#[test]
fn list_and_mounts_pass_at_the_limit_and_not_above() {
    let entry = FileEntry { name: b"x", kind: 0, number: 0 };
    let list = |count| KernelRequest::File(FileReply::Entries(vec![entry; count]));
    assert_eq!(kernel_round_trip(&list(MAX_LISTED)), Ok(()));
    let error = kernel_round_trip(&list(MAX_LISTED + 1)).unwrap_err();
    assert_eq!(error.to_string(), "entries with 257 entries exceeds 256");
    let mounts = |count| KernelRequest::File(FileReply::Mounts(vec![(&b"/x"[..], false); count]));
    assert_eq!(kernel_round_trip(&mounts(MAX_MOUNTS)), Ok(()));
    let error = kernel_round_trip(&mounts(MAX_MOUNTS + 1)).unwrap_err();
    assert_eq!(error.to_string(), "mounts with 65 entries exceeds 64");
}

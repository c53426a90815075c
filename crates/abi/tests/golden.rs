//! Golden files: bytes that must load, byte for byte as they are written today, and bytes that must be refused.
//!
//! `tests/golden/manifest.txt` names each file, what decodes it, and its verdict: `loads` or `refused`, nothing else.
//! `HYPERCELL_TEST_REWRITE_GOLDEN=1` writes all files anew. A change of one that loads is a change of the wire: see
//! "Version" in docs/abi.md first.

mod common;

use std::fs;
use std::path::PathBuf;
use std::sync::Once;

use common::{Form, SEQ, frame, from_hex};
use hypercell_abi::FrameKind;
use hypercell_abi::archive::{ENTRY_BYTES, HEADER_BYTES};
use hypercell_abi::limits::{MAX_FRAME_BYTES, MAX_VALUE_DEPTH};

struct Golden {
    name: &'static str,
    form: Form,
    bytes: Vec<u8>,
    loads: bool,
}

fn goldens() -> Vec<Golden> {
    let mut all: Vec<Golden> = Vec::new();
    let mut add = |form, loads, name, bytes| all.push(Golden { name, form, bytes, loads });
    for (name, bytes) in common::sample_frames() {
        add(Form::Frame, true, name, bytes);
    }
    add(Form::Enter, true, "turn_enter", common::enter_turn());
    add(Form::Exit, true, "turn_exit", common::exit_turn());
    add(Form::Value, true, "value_every_type", common::every_value());
    add(Form::Archive, true, "archive_small", common::sample_archive());

    let ready = frame(FrameKind::Ready, &from_hex("a2 66 707974686f6e 61 33 64 696d706c 61 63"));
    add(Form::Frame, false, "frame_other_magic", patched(&ready, 0, &[0]));
    add(Form::Frame, false, "frame_other_version", patched(&ready, 4, &[2]));
    add(Form::Frame, false, "frame_unknown_kind", patched(&ready, 6, &[7, 1]));
    add(Form::Frame, false, "frame_longer_than_header_says", [&ready[..], &[0]].concat());
    add(Form::Frame, false, "frame_shorter_than_header_says", ready[..ready.len() - 1].to_vec());
    let over_cap = u32::try_from(MAX_FRAME_BYTES - 15).unwrap();
    add(Form::Frame, false, "frame_above_cap", patched(&ready, 8, &over_cap.to_le_bytes()));
    let bodies = [
        ("body_empty", FrameKind::Reset, ""),
        ("body_not_a_map", FrameKind::Reset, "80"),
        ("body_trailing_byte", FrameKind::Reset, "a0 00"),
        ("body_indefinite_map", FrameKind::Reset, "bf ff"),
        ("body_key_not_text", FrameKind::Sleep, "a1 01 01"),
        ("body_unknown_key", FrameKind::Sleep, "a2 62 6e73 01 61 78 01"),
        ("body_repeated_key", FrameKind::Sleep, "a2 62 6e73 01 62 6e73 01"),
        ("body_missing_key", FrameKind::Sleep, "a0"),
        ("body_wrong_type", FrameKind::Sleep, "a1 62 6e73 20"),
        ("body_claims_2_64_keys", FrameKind::Sleep, "bb ffffffffffffffff 62 6e73 01"),
        ("reseed_of_one_byte", FrameKind::Reseed, "a1 64 73656564 41 00"),
        ("output_fd_3", FrameKind::Output, "a2 62 6664 03 64 64617461 40"),
        (
            "tool_call_argument_twice",
            FrameKind::ToolCall,
            "a4 62 6964 01 64 6e616d65 61 66 64 61726773 a2 61 61 01 61 61 02 64 6c696e65 f6",
        ),
        (
            "tool_call_argument_not_text",
            FrameKind::ToolCall,
            "a4 62 6964 01 64 6e616d65 61 66 64 61726773 a1 01 01 64 6c696e65 f6",
        ),
        ("tool_call_without_line", FrameKind::ToolCall, "a3 62 6964 01 64 6e616d65 61 66 64 61726773 a0"),
        ("run_done_empty", FrameKind::RunDone, "a0"),
        (
            "run_done_value_and_error",
            FrameKind::RunDone,
            "a2 65 76616c7565 f6 63 657272 a4 64 74797065 60 63 6d7367 60 62 7462 60 64 6c696e65 f6",
        ),
        ("http_head_header_of_one", FrameKind::HttpHead, "a1 67 68656164657273 81 81 61 61"),
        ("http_send_claims_2_64_headers", FrameKind::HttpSend, "a8 67 68656164657273 9b ffffffffffffffff"),
        ("http_send_header_value_is_text", FrameKind::HttpSend, "a8 67 68656164657273 81 82 61 61 61 62"),
        ("http_part_without_more", FrameKind::HttpPart, "a2 62 6964 01 64 626f6479 40"),
        ("http_read_negative_max", FrameKind::HttpRead, "a3 62 6964 01 63 6d6178 20 67 74696d656f7574 f6"),
        ("http_ack_without_id", FrameKind::HttpAck, "a0"),
        (
            "tool_wait_call_without_id",
            FrameKind::ToolWait,
            "a3 65 63616c6c73 81 a3 64 6e616d65 61 66 64 61726773 a0 64 6c696e65 f6 66 63616e63656c 80 67 74696d656f7574 f6",
        ),
        (
            "tool_wait_cancels_a_text",
            FrameKind::ToolWait,
            "a3 65 63616c6c73 80 66 63616e63656c 81 60 67 74696d656f7574 f6",
        ),
        (
            "tool_wait_claims_2_64_calls",
            FrameKind::ToolWait,
            "a3 66 63616e63656c 80 67 74696d656f7574 f6 65 63616c6c73 9b ffffffffffffffff",
        ),
        (
            "tool_wait_negative_timeout",
            FrameKind::ToolWait,
            "a3 65 63616c6c73 80 66 63616e63656c 80 67 74696d656f7574 20",
        ),
        ("tool_wait_without_timeout", FrameKind::ToolWait, "a2 65 63616c6c73 80 66 63616e63656c 80"),
        ("tool_replies_of_nothing", FrameKind::ToolReplies, "a1 67 7265706c696573 81 a1 62 6964 01"),
        ("tool_reply_without_outcome", FrameKind::ToolReply, "a1 62 6964 01"),
        (
            "syscall_argument_is_a_text",
            FrameKind::Syscall,
            "a6 63 746964 01 626e72 02 64 61726773 81 61 61 66 726573756c74 f6 65 626567616e 00 64 746f6f6b 00",
        ),
        ("syscall_claims_2_64_arguments", FrameKind::Syscall, "a6 64 61726773 9b ffffffffffffffff"),
        ("syscall_of_seven_arguments", FrameKind::Syscall, "a6 64 61726773 87 00 00 00 00 00 00 00"),
        ("syscall_text_claims_257_bytes", FrameKind::Syscall, "a6 64 61726773 81 59 0101"),
        (
            "syscall_without_result_key",
            FrameKind::Syscall,
            "a5 63 746964 01 626e72 02 64 61726773 80 65 626567616e 00 64 746f6f6b 00",
        ),
        ("file_without_op", FrameKind::FileRequest, "a1 66 68616e646c65 01"),
        ("file_unknown_op", FrameKind::FileRequest, "a1 62 6f70 65 6d6b6e6f64"),
        ("file_close_without_handle", FrameKind::FileRequest, "a1 62 6f70 65 636c6f7365"),
        ("file_close_negative", FrameKind::FileRequest, "a2 62 6f70 65 636c6f7365 66 68616e646c65 20"),
        ("file_mounts_with_handle", FrameKind::FileRequest, "a2 62 6f70 66 6d6f756e7473 66 68616e646c65 01"),
        (
            "file_open_flag_128",
            FrameKind::FileRequest,
            "a5 62 6f70 64 6f70656e 65 6d6f756e74 00 64 70617468 40 65 666c616773 1880 64 6d6f6465 00",
        ),
        (
            "file_unlink_path_as_text",
            FrameKind::FileRequest,
            "a3 62 6f70 66 756e6c696e6b 65 6d6f756e74 00 64 70617468 61 78",
        ),
        ("file_reply_errno_0", FrameKind::FileReply, "a1 63 657272 00"),
        ("file_reply_of_two", FrameKind::FileReply, "a2 63 657272 02 65 636f756e74 01"),
        ("warmed_claims_2_32_modules", FrameKind::Warmed, "a1 66 6661696c6564 9b 0000000100000000"),
    ];
    for (name, kind, hex) in bodies {
        add(Form::Frame, false, name, frame(kind, &from_hex(hex)));
    }

    let enter = common::enter_turn();
    add(Form::Enter, false, "turn_enter_unknown_flag", patched(&enter, 60, &[15]));
    add(Form::Enter, false, "turn_enter_reserved_set", patched(&enter, 6, &[1]));
    let exit = common::exit_turn();
    add(Form::Exit, false, "turn_exit_13_unsupported", patched(&exit, 6, &[13]));
    add(Form::Exit, false, "turn_exit_other_frame_len", patched(&exit, 8, &[18]));

    let values = [
        ("value_empty", ""),
        ("value_indefinite_array", "9f 01 ff"),
        ("value_indefinite_text", "7f 61 61 ff"),
        ("value_stray_break", "ff"),
        ("value_reserved_head", "1c"),
        ("value_undefined", "f7"),
        ("value_long_simple", "f8 20"),
        ("value_invalid_utf8", "62 c328"),
        ("value_surrogate", "63 eda080"),
        ("value_text_longer_than_input", "7b ffffffffffffffff 61"),
        ("value_array_claims_2_64", "9b ffffffffffffffff"),
        ("value_map_claims_2_63", "bb 8000000000000000"),
        ("value_unknown_tag", "c0 60"),
        ("value_tag_without_item", "c2"),
        ("value_tag_in_tag", "d9bb80 d9bb80 80"),
        ("value_bignum_of_text", "c2 61 31"),
        ("value_uuid_of_15_bytes", "d825 4f 000000000000000000000000000000"),
        ("value_timedelta_of_two", "d9bb82 82 01 02"),
        ("value_trailing_byte", "f6 f6"),
    ];
    for (name, hex) in values {
        add(Form::Value, false, name, from_hex(hex));
    }
    let too_deep = [vec![0x81; MAX_VALUE_DEPTH + 1], vec![0xf6]].concat();
    add(Form::Value, false, "value_nested_65_levels", too_deep);

    let archive = common::sample_archive();
    let entry = |id: usize, field: usize| HEADER_BYTES + id * ENTRY_BYTES + field;
    add(Form::Archive, false, "archive_other_magic", patched(&archive, 7, &[2]));
    add(Form::Archive, false, "archive_cut", archive[..archive.len() - 1].to_vec());
    add(Form::Archive, false, "archive_reserved_set", patched(&archive, 48, &[1]));
    add(Form::Archive, false, "archive_without_entries", patched(&archive, 8, &[0]));
    add(Form::Archive, false, "archive_root_is_its_own_child", patched(&archive, entry(0, 12), &[0]));
    add(Form::Archive, false, "archive_unknown_kind", patched(&archive, entry(1, 6), &[4]));
    add(Form::Archive, false, "archive_children_beyond_end", patched(&archive, entry(1, 16), &[0xff]));
    add(Form::Archive, false, "archive_name_beyond_end", patched(&archive, entry(1, 0), &[0xff, 0xff]));
    let names_off = usize::try_from(u64::from_le_bytes(archive[16..24].try_into().unwrap())).unwrap();
    add(Form::Archive, false, "archive_unsorted", patched(&archive, names_off, b"z"));
    add(Form::Archive, false, "archive_name_with_slash", patched(&archive, names_off + 1, b"/"));
    let first_file = (0..).find(|id| archive[entry(*id, 6)] == 1).unwrap();
    add(
        Form::Archive,
        false,
        "archive_contents_beyond_end",
        patched(&archive, entry(first_file, 32), &[0xff; 3]),
    );
    add(Form::Archive, false, "archive_contents_wrap", patched(&archive, entry(first_file, 32), &[0xff; 8]));
    add(Form::Archive, false, "archive_contents_unaligned", patched(&archive, entry(first_file, 24), &[1]));
    add(Form::Archive, false, "archive_contents_in_table", patched(&archive, entry(first_file, 24), &[0; 8]));
    all
}

fn patched(bytes: &[u8], at: usize, patch: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + patch.len()].copy_from_slice(patch);
    bytes
}

/// Returns the folder of golden files, which it writes first if asked to.
fn folder() -> PathBuf {
    static WRITTEN: Once = Once::new();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    WRITTEN.call_once(|| {
        if std::env::var_os("HYPERCELL_TEST_REWRITE_GOLDEN").is_some() {
            for golden in goldens() {
                fs::write(folder.join(golden.name).with_extension("bin"), golden.bytes).unwrap();
            }
            fs::write(folder.join("manifest.txt"), manifest()).unwrap();
        }
    });
    folder
}

fn manifest() -> String {
    let rows = goldens().into_iter().map(|golden| {
        let verdict = if golden.loads { "loads" } else { "refused" };
        format!("{} {} {verdict}\n", golden.name, golden.form.name())
    });
    ["# name, what decodes it, verdict (loads or refused); tests/golden.rs writes this file\n".to_owned()]
        .into_iter()
        .chain(rows)
        .collect()
}

#[test]
fn golden_files_hold_the_bytes_of_today() {
    for golden in goldens() {
        let stored = fs::read(folder().join(golden.name).with_extension("bin")).unwrap();
        assert_eq!(stored, golden.bytes, "{}: see \"Version\" in docs/abi.md", golden.name);
    }
    assert_eq!(fs::read_to_string(folder().join("manifest.txt")).unwrap(), manifest());
}

#[test]
fn golden_folder_has_no_file_without_verdict() {
    let mut found: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "manifest.txt")
        .collect();
    found.sort();
    let mut listed: Vec<String> = goldens().iter().map(|golden| format!("{}.bin", golden.name)).collect();
    listed.sort();
    assert_eq!(found, listed);
}

#[test]
fn stored_files_load_or_are_refused_as_the_manifest_says() {
    let text = fs::read_to_string(folder().join("manifest.txt")).unwrap();
    let forms = [Form::Frame, Form::Enter, Form::Exit, Form::Value, Form::Archive];
    for row in text.lines().filter(|row| !row.starts_with('#')) {
        let [name, form, verdict]: [&str; 3] = row.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let form = forms.into_iter().find(|known| known.name() == form).unwrap();
        let bytes = fs::read(folder().join(name).with_extension("bin")).unwrap();
        let found = form.loads(&bytes);
        match verdict {
            "loads" => assert_eq!(found, Ok(()), "{name}"),
            "refused" => assert!(found.is_err(), "{name} loads"),
            other => panic!("{name} has the verdict {other}"),
        }
    }
}

#[test]
fn frames_that_load_encode_to_the_same_bytes() {
    for (name, bytes) in common::sample_frames() {
        assert_eq!(common::decode_and_encode(&bytes).as_deref(), Ok(&bytes[..]), "{name}");
    }
}

#[test]
fn every_frame_kind_has_a_golden_file() {
    for kind in FrameKind::ALL {
        let has_sample =
            common::sample_frames().iter().any(|(_, bytes)| bytes[6..8] == kind.code().to_le_bytes());
        assert!(has_sample, "{} has none", kind.name());
    }
    assert_eq!(common::sample_frames()[0].1[12..16], SEQ.to_le_bytes());
}

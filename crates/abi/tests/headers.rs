//! Turn headers and the frame header: fields come back, and each wrong field has its own error.

mod common;

use common::{SEQ, enter_turn, exit_turn, sample_enter, sample_exit};
use hypercell_abi::{EnterHeader, ExitHeader, FrameHeader, FrameKind, HostFrame};

fn patched(bytes: &[u8], at: usize, patch: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + patch.len()].copy_from_slice(patch);
    bytes
}

#[test]
fn turns_split_into_header_and_frame() {
    let turn = enter_turn();
    let (header, frame) = EnterHeader::split(&turn).unwrap();
    assert_eq!(header, sample_enter());
    let (header, body) = FrameHeader::split(frame).unwrap();
    assert_eq!((header.kind, header.seq), (FrameKind::Reset, SEQ));
    assert_eq!(HostFrame::decode(header.kind, body), Ok(HostFrame::Reset));

    let turn = exit_turn();
    let (header, frame) = ExitHeader::split(&turn).unwrap();
    assert_eq!(header, sample_exit());
    assert_eq!(header.unsupported().map(|entry| entry.nr).collect::<Vec<_>>(), [435, 41]);
    assert_eq!(FrameHeader::split(frame).unwrap().0.kind, FrameKind::Checkpointed);
}

#[test]
fn each_wrong_field_of_a_frame_header_has_its_own_error() {
    let frame = HostFrame::Reset.encode(SEQ).unwrap();
    let text = |bytes: &[u8]| FrameHeader::split(bytes).unwrap_err().to_string();
    assert_eq!(text(&frame[..15]), "header of 15 bytes is shorter than 16");
    assert_eq!(text(&patched(&frame, 0, b"X")), "magic 0x4c454358 is not 0x4c454348");
    assert_eq!(text(&patched(&frame, 4, &[2])), "abi version 2 is not 1");
    assert_eq!(text(&patched(&frame, 6, &[0x99])), "frame kind 0x0099 has no meaning");
    assert_eq!(text(&patched(&frame, 8, &[2])), "frame has 1 bytes where its header announces 2");
    assert_eq!(text(&patched(&frame, 8, &[0xff; 4])), "frame of 4294967311 bytes exceeds 16842752");
}

#[test]
fn each_wrong_field_of_an_enter_header_has_its_own_error() {
    let turn = enter_turn();
    let text = |bytes: &[u8]| EnterHeader::split(bytes).unwrap_err().to_string();
    assert_eq!(text(&turn[..63]), "header of 63 bytes is shorter than 64");
    assert_eq!(text(&exit_turn()), "magic 0x58454348 is not 0x4e454348");
    assert_eq!(text(&patched(&turn, 6, &[5])), "reserved header field at byte 6 is 5, not 0");
    assert_eq!(text(&patched(&turn, 8, &[0, 0, 0, 2])), "frame of 33554432 bytes exceeds 16842752");
    assert_eq!(text(&patched(&turn, 60, &[8])), "header flags 0x8 have no meaning");
    assert_eq!(text(&turn[..turn.len() - 1]), "frame has 16 bytes where its header announces 17");
}

#[test]
fn each_wrong_field_of_an_exit_header_has_its_own_error() {
    let turn = exit_turn();
    let text = |bytes: &[u8]| ExitHeader::split(bytes).unwrap_err().to_string();
    assert_eq!(text(&turn[..79]), "header of 79 bytes is shorter than 80");
    assert_eq!(text(&patched(&turn, 6, &[13])), "unsupported with 13 entries exceeds 12");
    assert_eq!(text(&patched(&turn, 28, &[1])), "reserved header field at byte 28 is 1, not 0");
    assert_eq!(text(&[&turn[..], &[0]].concat()), "frame has 23 bytes where its header announces 22");
}

#[test]
fn answer_to_another_frame_is_refused() {
    let header = FrameHeader { kind: FrameKind::Ready, body_len: 0, seq: 4 };
    assert_eq!(header.expect_seq(4), Ok(()));
    assert_eq!(header.expect_seq(5).unwrap_err().to_string(), "frame answers sequence number 4, not 5");
}

#[test]
fn kind_codes_and_names_are_distinct_and_read_back() {
    for kind in FrameKind::ALL {
        assert_eq!(FrameKind::from_code(kind.code()), Ok(*kind));
        assert_eq!(FrameKind::ALL.iter().filter(|other| other.name() == kind.name()).count(), 1);
    }
    assert!(
        (0..=u16::MAX).filter(|code| FrameKind::from_code(*code).is_ok()).count() == FrameKind::ALL.len()
    );
}

#[test]
fn entropy_is_not_shown() {
    let shown = format!("{:?}", sample_enter());
    assert_eq!(
        shown,
        "EnterHeader { frame_len: 17, memory_limit_pages: 65536, realtime_ns: 1700000000000000001, \
         tsc_khz: 2400000, is_fresh_start: true, has_mounts: true, traces_syscalls: true, .. }"
    );
}

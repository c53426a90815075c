//! Bodies of frames, turns and headers: nothing panics, and what decodes survives encoding and decoding again.
//!
//! Grammar of the input: the first byte chooses. 0 is a whole turn of a guest, 1 one of the host, 2 a whole frame. Any
//! other byte is a frame of whose header only the kind is looked at, and a number that is no kind stands for one: so most
//! inputs reach the decoder of a body without having to guess a header.
#![no_main]

use hypercell_abi::frame::{EnterHeader, ExitHeader, FRAME_HEADER_BYTES, Route};
use hypercell_abi::{FrameHeader, FrameKind, GuestFrame, HostFrame, KernelRequest, WireError};
use libfuzzer_sys::fuzz_target;

const SEQ: u32 = 7;

/// Decodes a body as whoever receives its kind, and encodes what came out.
fn decode_and_encode(kind: FrameKind, body: &[u8]) -> Result<Vec<u8>, WireError> {
    match kind.route() {
        Route::HostToProgram => HostFrame::decode(kind, body)?.encode(SEQ),
        Route::HostToKernel => KernelRequest::decode(kind, body)?.encode(SEQ),
        _ => GuestFrame::decode(kind, body)?.encode(SEQ),
    }
}

fn probe_body(kind: FrameKind, body: &[u8]) {
    if let Ok(first) = decode_and_encode(kind, body) {
        let (header, again) = FrameHeader::split(&first).expect("an encoded frame splits");
        assert_eq!(header.kind, kind);
        let second = decode_and_encode(kind, again).expect("an encoded frame decodes");
        assert_eq!(first, second, "{} changes when it is encoded again", kind.name());
    }
}

fn probe_frame(frame: &[u8]) {
    if let Ok((header, body)) = FrameHeader::split(frame) {
        assert_eq!(header.encode(), frame[..header.encode().len()]);
        probe_body(header.kind, body);
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, rest)) = data.split_first() else { return };
    match *choice {
        0 => {
            if let Ok((header, frame)) = ExitHeader::split(rest) {
                assert_eq!(header.encode(), rest[..header.encode().len()]);
                probe_frame(frame);
            }
        }
        1 => {
            if let Ok((header, frame)) = EnterHeader::split(rest) {
                assert_eq!(header.encode(), rest[..header.encode().len()]);
                probe_frame(frame);
            }
        }
        2 => probe_frame(rest),
        _ => {
            let Some((header, body)) = rest.split_at_checked(FRAME_HEADER_BYTES) else { return };
            let code = u16::from_le_bytes([header[6], header[7]]);
            let some_kind = FrameKind::ALL[usize::from(code) % FrameKind::ALL.len()];
            probe_body(FrameKind::from_code(code).unwrap_or(some_kind), body);
        }
    }
});

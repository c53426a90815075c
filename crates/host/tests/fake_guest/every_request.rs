//! Every request that a guest can make, made wrong in the same ways. The samples are the golden files of the wire.
//!
//! Lines of the form `gate: requests, aspect` say to `tests/security/test_every_gate.py` what a test covers.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hypercell_host::abi::frame::Route;
use hypercell_host::abi::limits::MAX_FILE_PATH_BYTES;
use hypercell_host::abi::{FrameHeader, FrameKind, GuestFrame};
use hypercell_host::trace::SyscallTrace;
use hypercell_host::{Done, Error, Sandbox, SandboxOptions};

use crate::guest::{Act, Entered, FakeSource, five, run, turn_of};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../abi/tests/golden");
const DOC: &str = include_str!("../../../../docs/abi.md");

/// Kind and body of each frame of a guest among the golden files that load.
fn samples() -> Vec<(FrameKind, Vec<u8>)> {
    let manifest = std::fs::read_to_string(Path::new(GOLDEN).join("manifest.txt")).expect("a manifest");
    let lines = manifest.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let frames = lines.filter(|line| line.get(1..3) == Some(&["frame", "loads"]));
    frames
        .filter_map(|line| {
            let bytes =
                std::fs::read(Path::new(GOLDEN).join(format!("{}.bin", line[0]))).expect("a golden file");
            let (header, body) = FrameHeader::split(&bytes).expect("a good frame");
            is_of_guest(header.kind).then(|| (header.kind, body.to_vec()))
        })
        .collect()
}

fn is_of_guest(kind: FrameKind) -> bool {
    matches!(kind.route(), Route::ProgramToHost | Route::KernelToHost)
}

/// Runs a guest that says this, then one that behaves, in the same sandbox; returns how the first run ended.
fn outcome(kind: FrameKind, body: &[u8]) -> Result<Done, Error> {
    let was_said = Arc::new(AtomicBool::new(false));
    let body = body.to_vec();
    let source = FakeSource::new(move |entered: &Entered<'_>| {
        if was_said.swap(true, Ordering::SeqCst) {
            return five(entered);
        }
        let header = FrameHeader { kind, body_len: body.len() as u32, seq: entered.header.seq };
        Act::Say(turn_of(&[&header.encode()[..], &body].concat()))
    });
    let options = SandboxOptions { trace: SyscallTrace::new(|_| ()), ..SandboxOptions::default() };
    let mut sandbox = Sandbox::new(source, options).expect("good options");
    let first = run(&mut sandbox);
    run(&mut sandbox).expect("a run after it");
    first
}

/// The operations in the table of `docs/abi.md`.
fn documented_operations() -> BTreeSet<&'static str> {
    let table = DOC.split_once("| `op` | Keys").expect("the table of operations").1;
    let rows = table.lines().skip(2).take_while(|line| line.starts_with("| "));
    rows.flat_map(|row| row.split('|').nth(1).unwrap_or_default().split(',').map(str::trim)).collect()
}

#[test]
fn every_kind_of_frame_and_every_operation_on_files_has_a_sample() {
    let (mut kinds, mut operations) = (BTreeSet::new(), BTreeSet::new());
    for (kind, body) in samples() {
        kinds.insert(kind);
        if let Ok(GuestFrame::File(request)) = GuestFrame::decode(kind, &body) {
            operations.insert(request.operation());
        }
    }
    let expected: BTreeSet<FrameKind> =
        FrameKind::ALL.iter().copied().filter(|&kind| is_of_guest(kind)).collect();
    assert_eq!(kinds, expected);
    assert_eq!(operations, documented_operations());
}

// gate: every request, hostile_bytes
#[test]
fn every_request_made_wrong_ends_its_run_as_hostile() {
    for (kind, body) in samples() {
        let head = body[0];
        let mut changed = vec![
            ("a byte more", [&body[..], b"\x00"].concat()),
            ("a byte less", body[..body.len() - 1].to_vec()),
            ("a key that it has not", [&[head + 1], &body[1..], b"\x6bno such key\x00"].concat()),
            ("a key more than there is", [&[head + 1], &body[1..]].concat()),
            ("no map", b"\x80".to_vec()),
            ("a map without end", [b"\xbf", &body[1..], b"\xff"].concat()),
            ("a map of four billion keys", [b"\xba\xff\xff\xff\xff", &body[1..]].concat()),
        ];
        if head > 0xa0 {
            changed.push(("no keys", b"\xa0".to_vec()));
            changed.push(("another first key", [&body[..2], &[body[2] ^ 1], &body[3..]].concat()));
            let name = usize::from(body[1] - 0x60);
            changed.push(("a number without end", [&body[..2 + name], &[0x1f]].concat()));
        }
        for (what, body) in changed {
            let outcome = outcome(kind, &body);
            assert!(matches!(outcome, Err(Error::Protocol(_))), "{} with {what}: {outcome:?}", kind.name());
        }
    }
}

/// Puts a path of so many bytes in place of the one under a key, if there is one.
fn with_path(body: &[u8], key: &[u8], len: usize) -> Option<Vec<u8>> {
    let at = body.windows(key.len()).position(|bytes| bytes == key)? + key.len();
    let end = at + 1 + usize::from(body[at].checked_sub(0x40).filter(|len| *len < 24)?);
    let len_bytes = u16::try_from(len).expect("a short path").to_be_bytes();
    Some([&body[..at], b"\x59", &len_bytes, &vec![b'x'; len], &body[end..]].concat())
}

// gate: file.stat file.open file.mkdir file.chmod file.unlink file.rmdir file.rename file.readlink file.utime, at_limit
// gate: file.artifact, at_limit
#[test]
fn path_of_the_longest_size_is_answered_and_a_byte_more_is_hostile() {
    let mut tried = BTreeSet::new();
    for (kind, body) in samples() {
        for key in [&b"\x64path"[..], b"\x62to"] {
            let Some(longest) = with_path(&body, key, MAX_FILE_PATH_BYTES) else { continue };
            let Ok(GuestFrame::File(request)) = GuestFrame::decode(kind, &longest) else { continue };
            tried.insert((request.operation(), key.len()));
            let answered = outcome(kind, &longest);
            assert!(answered.is_ok(), "{request:?}: {answered:?}");
            let longer = with_path(&body, key, MAX_FILE_PATH_BYTES + 1).expect("as before");
            let refused = outcome(kind, &longer);
            assert!(matches!(refused, Err(Error::Protocol(_))), "{}: {refused:?}", request.operation());
        }
    }
    let with_paths =
        ["artifact", "chmod", "mkdir", "open", "readlink", "rename", "rmdir", "stat", "unlink", "utime"];
    let mut expected: BTreeSet<_> = with_paths.into_iter().map(|name| (name, 5)).collect();
    expected.insert(("rename", 3));
    assert_eq!(tried, expected);
}

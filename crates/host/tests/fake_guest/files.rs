//! Files of mounts and of /output, as a guest asks for them: whose handles they are, and what ends a run.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hypercell_host::abi::limits::{MAX_ANSWER_BYTES, MAX_FILE_CHUNK_BYTES};
use hypercell_host::abi::message::{FilePath, FileReply, FileRequest, OpenFlags};
use hypercell_host::abi::{FrameKind, GuestFrame, KernelRequest};
use hypercell_host::audit::{AuditEvent, AuditLog};
use hypercell_host::error::LimitKind;
use hypercell_host::{Error, Limits, MountInfo, Sandbox, SandboxOptions, StateMode};

use crate::guest::{Act, Entered, FakeSource, int, run};

fn ask(entered: &Entered<'_>, request: FileRequest<'_>) -> Act {
    entered.ask(&GuestFrame::File(request))
}

fn reply<'a>(entered: &'a Entered<'_>) -> FileReply<'a> {
    match KernelRequest::decode(entered.kind(), entered.body) {
        Ok(KernelRequest::File(reply)) => reply,
        other => panic!("{other:?}"),
    }
}

fn open(path: &'static [u8]) -> FileRequest<'static> {
    FileRequest::Open { at: FilePath { mount: 0, path }, flags: OpenFlags::READ, mode: 0 }
}

/// A directory with a file of a mebibyte.
fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("file"), vec![7; 1 << 20]).expect("a file");
    dir
}

fn options(dir: &Path) -> SandboxOptions {
    let mount = MountInfo { host: dir.into(), guest: "/input".into(), is_writable: false, max_bytes: None };
    SandboxOptions { mounts: vec![mount], ..SandboxOptions::default() }
}

fn sandbox<F>(options: SandboxOptions, script: F) -> Sandbox<FakeSource>
where
    F: FnMut(&Entered<'_>) -> Act + Clone + Send + Sync + 'static,
{
    Sandbox::new(FakeSource::new(script), options).expect("good options")
}

/// Opens the file, reads a whole piece of it, and ends with the first digit of the handle.
fn read_once(entered: &Entered<'_>, leaves: bool) -> Act {
    let say = |request| match leaves {
        true => entered.say(&GuestFrame::File(request)),
        false => ask(entered, request),
    };
    match entered.kind() {
        FrameKind::RunRequest => say(open(b"file")),
        _ => match reply(entered) {
            FileReply::Opened { handle, stat } => {
                assert_eq!(stat.size, 1 << 20);
                let len = MAX_FILE_CHUNK_BYTES as u64;
                say(FileRequest::Read { handle, offset: 0, len, need: 1 })
            }
            FileReply::Data(data) => {
                assert!(data.len() > MAX_ANSWER_BYTES && data.iter().all(|&byte| byte == 7));
                entered.done(&[5])
            }
            other => panic!("{other:?}"),
        },
    }
}

#[test]
fn file_is_read_by_asking_and_by_leaving_alike() {
    let dir = directory();
    for leaves in [false, true] {
        let mut sandbox =
            sandbox(options(dir.path()), move |entered: &Entered<'_>| read_once(entered, leaves));
        let done = run(&mut sandbox).expect("a run");
        assert_eq!(done.outcome, Ok(int(5)));
        let used = done.report.usage.files;
        assert_eq!((used.read_bytes, used.open, used.write_bytes), (MAX_FILE_CHUNK_BYTES as u64, 1, 0));
    }
}

#[test]
fn kernel_hears_of_mounts_only_where_there_are_some() {
    let dir = directory();
    for (options, expected) in [(options(dir.path()), true), (SandboxOptions::default(), false)] {
        let mut sandbox = sandbox(options, move |entered: &Entered<'_>| {
            assert_eq!(entered.enter.has_mounts, expected);
            entered.done(&[5])
        });
        run(&mut sandbox).expect("a run");
    }
}

#[test]
fn guest_that_keeps_state_hears_of_mounts_once() {
    let dir = directory();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = heard.clone();
    let options = SandboxOptions { state: StateMode::Kept, ..options(dir.path()) };
    let mut sandbox = sandbox(options, move |entered: &Entered<'_>| {
        log.lock().expect("no panic").push(entered.enter.has_mounts);
        entered.done(&[5])
    });
    for _ in 0..2 {
        run(&mut sandbox).expect("a run");
    }
    sandbox.reset().expect("open");
    run(&mut sandbox).expect("a run");
    assert_eq!(*heard.lock().expect("no panic"), [true, false, true]);
}

/// Opens a file in its first run, looks at what was open in the second; ends with 1 if it still was, 0 if not.
fn keep_open(entered: &Entered<'_>, handle: &Mutex<u64>) -> Act {
    let mut kept = handle.lock().expect("no panic");
    match entered.kind() {
        FrameKind::RunRequest if *kept == 0 => ask(entered, open(b"file")),
        FrameKind::RunRequest => ask(entered, FileRequest::StatHandle { handle: *kept }),
        _ => match reply(entered) {
            FileReply::Opened { handle, .. } => {
                *kept = handle;
                entered.done(&[5])
            }
            FileReply::Stat(_) => entered.done(&[1]),
            FileReply::Error { errno: 9 } => entered.done(&[0]),
            other => panic!("{other:?}"),
        },
    }
}

#[test]
fn handle_is_of_the_run_unless_state_is_kept() {
    let dir = directory();
    for (state, still_open) in [(StateMode::Fresh, 0), (StateMode::Kept, 1)] {
        let options = SandboxOptions { state, ..options(dir.path()) };
        let kept = Arc::new(Mutex::new(0));
        let mut sandbox = sandbox(options, move |entered: &Entered<'_>| keep_open(entered, &kept));
        run(&mut sandbox).expect("a run");
        assert_eq!(run(&mut sandbox).expect("a run").outcome, Ok(int(still_open)));
        sandbox.reset().expect("open");
        assert_eq!(run(&mut sandbox).expect("a run").outcome, Ok(int(0)), "after reset");
    }
}

#[test]
fn guest_that_opens_ten_thousand_files_is_stopped_and_the_next_run_works() {
    let dir = directory();
    let mut sandbox = sandbox(options(dir.path()), |entered: &Entered<'_>| {
        assert!(entered.turn < 10_000, "nobody stops it");
        entered.say(&GuestFrame::File(open(b"file")))
    });
    for _ in 0..2 {
        let error = run(&mut sandbox).expect_err("a limit");
        assert_eq!(error.to_string(), "257 files exceed open_files, which is 256");
        assert_eq!(sandbox.partial().expect("a run").usage.files.open, 257);
    }
}

#[test]
fn wall_time_holds_for_a_guest_that_only_uses_files() {
    let dir = directory();
    let limits = Limits { wall_time: Some(Duration::from_millis(50)), ..Limits::default() };
    let options = SandboxOptions { limits, ..options(dir.path()) };
    let mut sandbox = sandbox(options, |entered: &Entered<'_>| {
        let at = FilePath { mount: 0, path: b"file" };
        entered.say(&GuestFrame::File(FileRequest::Stat { at, follow: true }))
    });
    let error = run(&mut sandbox).expect_err("a limit");
    let Error::Limit(error) = error else { panic!("{error}") };
    assert_eq!((error.limit, error.maximum), (LimitKind::WallTime, 50));
    assert!(error.used < 10_000, "{error}");
}

fn artifact(path: &'static [u8], offset: u64, data: &'static [u8]) -> FileRequest<'static> {
    FileRequest::Artifact { path, offset, data }
}

/// Leaves files piece by piece, then ends.
fn leave(entered: &Entered<'_>, pieces: &[FileRequest<'static>]) -> Act {
    if entered.kind() != FrameKind::RunRequest {
        assert_eq!(reply(entered), FileReply::Done);
    }
    match pieces.get(entered.turn as usize) {
        Some(piece) => ask(entered, *piece),
        None => entered.done(&[5]),
    }
}

fn names(report: &hypercell_host::Report) -> Vec<(&[u8], u64)> {
    report.files.iter().map(|file| (file.path.as_slice(), file.size)).collect()
}

#[test]
fn files_of_output_are_in_the_report() {
    let pieces = [artifact(b"a", 0, b"12"), artifact(b"a", 2, b"3"), artifact(b"sub/b", 0, b"")];
    let mut sandbox =
        sandbox(SandboxOptions::default(), move |entered: &Entered<'_>| leave(entered, &pieces));
    let done = run(&mut sandbox).expect("a run");
    assert_eq!(names(&done.report), [(&b"a"[..], 3), (b"sub/b", 0)]);
    assert_eq!(done.report.files[0].data.as_deref(), Some(&b"123".to_vec()));
    let used = done.report.usage.output_files;
    assert_eq!((used.largest_bytes, used.total_bytes, used.count), (3, 3, 2));
}

#[test]
fn file_of_output_above_a_limit_ends_the_run_and_the_whole_ones_stay() {
    let pieces = [artifact(b"a", 0, b"12"), artifact(b"b", 0, b"12"), artifact(b"b", 2, b"34")];
    let limits = Limits { output_total_bytes: 5, ..Limits::default() };
    let options = SandboxOptions { limits, ..SandboxOptions::default() };
    let mut sandbox = sandbox(options, move |entered: &Entered<'_>| leave(entered, &pieces));
    let error = run(&mut sandbox).expect_err("a limit");
    assert_eq!(error.to_string(), "6 bytes exceed output_total_bytes, which is 5");
    assert_eq!(names(&sandbox.partial().expect("a run")), [(&b"a"[..], 2)]);
}

#[test]
fn files_of_output_go_to_the_directory_that_was_given() {
    let dir = tempfile::tempdir().expect("a directory");
    let pieces = [artifact(b"sub/a", 0, b"12"), artifact(b"sub/a", 2, b"3")];
    let options = SandboxOptions { output_dir: Some(dir.path().into()), ..SandboxOptions::default() };
    let mut sandbox = sandbox(options, move |entered: &Entered<'_>| leave(entered, &pieces));
    let done = run(&mut sandbox).expect("a run");
    assert_eq!(std::fs::read(dir.path().join("sub/a")).expect("written"), b"123");
    assert_eq!(done.report.files[0].data, None);
}

#[test]
fn directory_that_cannot_be_opened_is_refused() {
    let missing = PathBuf::from("/nowhere/at/all");
    let error = Sandbox::new(FakeSource::new(crate::guest::five), options(&missing)).expect_err("missing");
    assert_eq!(
        error.to_string(),
        "the directory \"/nowhere/at/all\" cannot be mounted: No such file or directory (os error 2)"
    );
    let options = SandboxOptions { output_dir: Some("/proc/version".into()), ..SandboxOptions::default() };
    let error = Sandbox::new(FakeSource::new(crate::guest::five), options).expect_err("a file");
    assert_eq!(
        error.to_string(),
        "files cannot be put into the directory \"/proc/version\": Not a directory (os error 20)"
    );
}

#[test]
fn request_that_is_none_ends_the_run_as_hostile() {
    let bodies: [&[u8]; 4] = [
        b"\xa1\x62op\x65mkfif",
        b"\xa2\x62op\x65close\x66handle\x20",
        b"\xa1\x62op\x64open",
        b"\xa2\x62op\x66mounts\x64mode\x01",
    ];
    for body in bodies {
        let dir = directory();
        let mut sandbox = sandbox(options(dir.path()), move |entered: &Entered<'_>| {
            let mut frame =
                GuestFrame::File(FileRequest::Mounts).encode(entered.header.seq).expect("a frame");
            frame.truncate(16);
            frame[8..12].copy_from_slice(&(body.len() as u32).to_le_bytes());
            frame.extend_from_slice(body);
            Act::Ask(crate::guest::turn_of(&frame))
        });
        let error = run(&mut sandbox).expect_err("hostile");
        assert!(matches!(error, Error::Protocol(_)), "{error}");
    }
}

#[test]
fn every_decision_about_a_file_is_heard_of() {
    let dir = directory();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = heard.clone();
    let audit = AuditLog::new(move |event| {
        let text = match event {
            AuditEvent::FileAllowed { operation, mount, path, .. } => {
                format!("allowed {operation} {} {}", mount.display(), String::from_utf8_lossy(path))
            }
            AuditEvent::FileDenied { operation, path, reason, .. } => {
                format!("denied {operation} {} {}", String::from_utf8_lossy(path), reason)
            }
            AuditEvent::ArtifactAllowed { path, .. } => format!("artifact {}", String::from_utf8_lossy(path)),
            _ => return,
        };
        log.lock().expect("no panic").push(text);
    });
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("out")).expect("a link");
    let at = FilePath { mount: 0, path: b"file" };
    let requests = [
        open(b"file"),
        open(b"out"),
        open(b"../x"),
        FileRequest::Unlink { at },
        FileRequest::StatHandle { handle: 77 },
        artifact(b"a", 0, b"x"),
    ];
    let mut sandbox =
        sandbox(SandboxOptions { audit, ..options(dir.path()) }, move |entered: &Entered<'_>| match requests
            .get(entered.turn as usize)
        {
            Some(request) => ask(entered, *request),
            None => entered.done(&[5]),
        });
    run(&mut sandbox).expect("a run");
    assert_eq!(
        *heard.lock().expect("no panic"),
        [
            "allowed open /input file",
            "allowed open /input out",
            "denied open out leaves_mount",
            "denied open ../x bad_path",
            "denied unlink file read_only",
            "denied fstat  no_such_handle",
            "artifact a",
        ]
    );
}

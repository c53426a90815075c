//! The gate alone, on real directories: allowed, denied by default, denied by rule, at the limit, and attacks.
//!
//! Evidence: each attack tries one thing that a resolver which compares paths would get wrong.
#![expect(clippy::disallowed_methods, reason = "the tests make and look at the files")]

mod any_requests;
mod races;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use hypercell_abi::limits::MAX_FILE_CHUNK_BYTES;
use hypercell_abi::message::{FilePath, FileRequest, OpenFlags};
use rustix::io::Errno;
use tempfile::TempDir;

use super::{Answer, Context, FileBudgets, MountGate};
use crate::audit::AuditLog;
use crate::control::Control;
use crate::error::{Error, LimitError};
use crate::limits::Limits;
use crate::mounts::MountInfo;

/// A mounted directory, one beside it, and a gate.
struct Case {
    inside: TempDir,
    outside: TempDir,
    gate: MountGate,
    budgets: FileBudgets,
}

const SECRET: &str = "secret of the host";

impl Case {
    fn new(is_writable: bool) -> Self {
        Self::with(is_writable, None, &Limits::default())
    }

    fn with(is_writable: bool, max_bytes: Option<u64>, limits: &Limits) -> Self {
        let inside = tempfile::tempdir().expect("a directory");
        let outside = tempfile::tempdir().expect("a directory");
        fs::write(inside.path().join("file"), "0123456789").expect("a file");
        fs::create_dir(inside.path().join("dir")).expect("a directory");
        fs::write(inside.path().join("dir/inner"), "inner").expect("a file");
        fs::write(outside.path().join("secret"), SECRET).expect("a file");
        let mount = MountInfo { host: inside.path().into(), guest: "/input".into(), is_writable, max_bytes };
        let gate = MountGate::open(&[mount]).expect("a directory");
        let budgets = gate.budgets(limits);
        Self { inside, outside, gate, budgets }
    }

    fn ask(&mut self, request: &FileRequest<'_>) -> Result<Answer, LimitError> {
        answer(&mut self.gate, request, &mut self.budgets)
    }

    fn answer(&mut self, request: &FileRequest<'_>) -> Answer {
        self.ask(request).expect("within the limits")
    }

    fn open(&mut self, path: &[u8], flags: OpenFlags) -> Answer {
        self.answer(&FileRequest::Open { at: at(path), flags, mode: 0o644 })
    }

    fn handle(&mut self, path: &[u8], flags: OpenFlags) -> u64 {
        match self.open(path, flags) {
            Answer::Opened { handle, .. } => handle,
            other => panic!("{}: {other:?}", String::from_utf8_lossy(path)),
        }
    }

    fn read(&mut self, handle: u64, offset: u64, len: u64) -> Answer {
        self.answer(&FileRequest::Read { handle, offset, len, need: len })
    }

    fn write(&mut self, handle: u64, offset: u64, data: &[u8]) -> Answer {
        self.answer(&FileRequest::Write { handle, offset, data })
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.inside.path().join(name)
    }

    /// Contents that a path leads to, or the error.
    fn contents(&mut self, path: &[u8]) -> Result<Vec<u8>, Errno> {
        match self.open(path, READ) {
            Answer::Opened { handle, .. } => {
                let Answer::Data(data) = self.read(handle, 0, 100) else { panic!("it is open") };
                assert_eq!(self.answer(&FileRequest::Close { handle }), Answer::Done);
                Ok(data)
            }
            Answer::Failed(errno) => Err(errno),
            other => panic!("{other:?}"),
        }
    }
}

const READ: OpenFlags = OpenFlags::READ;
const WRITE: OpenFlags = OpenFlags::WRITE;

fn answer(
    gate: &mut MountGate,
    request: &FileRequest<'_>,
    budgets: &mut FileBudgets,
) -> Result<Answer, LimitError> {
    let context = Context { run: 1, control: &Control::new(), audit: &AuditLog::default(), caller: None };
    gate.answer(request, budgets, context).map_err(|error| match error {
        Error::Limit(error) => error,
        other => panic!("{other}"),
    })
}

fn at(path: &[u8]) -> FilePath<'_> {
    FilePath { mount: 0, path }
}

/// Every request that changes something, on a path.
fn changes(path: &[u8]) -> Vec<FileRequest<'_>> {
    let open = |flags| FileRequest::Open { at: at(path), flags, mode: 0o644 };
    vec![
        open(WRITE),
        open(READ.with(WRITE)),
        open(OpenFlags::APPEND),
        open(READ.with(OpenFlags::TRUNCATE)),
        open(READ.with(OpenFlags::CREATE)),
        FileRequest::MakeDir { at: at(path), mode: 0o755 },
        FileRequest::Unlink { at: at(path) },
        FileRequest::RemoveDir { at: at(path) },
        FileRequest::Rename { at: at(path), to: b"new" },
        FileRequest::SetMode { at: at(path), mode: 0 },
        FileRequest::SetTimes { at: at(path), accessed: Some(0), modified: Some(0) },
    ]
}

#[test]
fn file_of_a_mount_is_read_and_listed() {
    let mut case = Case::new(false);
    assert_eq!(case.contents(b"file"), Ok(b"0123456789".to_vec()));
    assert_eq!(case.contents(b"dir/inner"), Ok(b"inner".to_vec()));
    let handle = case.handle(b"", OpenFlags::DIRECTORY);
    let Answer::Entries(entries) = case.answer(&FileRequest::List { handle }) else { panic!("a list") };
    let mut names: Vec<_> = entries.iter().map(|entry| (entry.name.clone(), entry.kind)).collect();
    names.sort();
    assert_eq!(names, [(b"dir".to_vec(), 0o040_000), (b"file".to_vec(), 0o100_000)]);
    assert_eq!(case.answer(&FileRequest::List { handle }), Answer::Entries(vec![]));
    let Answer::Stat(stat) = case.answer(&FileRequest::Stat { at: at(b"file"), follow: true }) else {
        panic!("a stat")
    };
    assert_eq!((stat.size, stat.mode & 0o170_000, stat.links), (10, 0o100_000, 1));
}

#[test]
fn sandbox_without_mounts_has_no_file() {
    let mut gate = MountGate::open(&[]).expect("nothing to open");
    let mut budgets = gate.budgets(&Limits::default());
    let mut ask = |request| answer(&mut gate, &request, &mut budgets);
    assert_eq!(ask(FileRequest::Mounts), Ok(Answer::Mounts(vec![])));
    assert_eq!(ask(FileRequest::Stat { at: at(b""), follow: true }), Ok(Answer::Failed(Errno::INVAL)));
    assert_eq!(ask(FileRequest::StatHandle { handle: 1 }), Ok(Answer::Failed(Errno::BADF)));
    for request in changes(b"x") {
        assert_eq!(ask(request), Ok(Answer::Failed(Errno::INVAL)));
    }
}

#[test]
fn mount_is_read_only_unless_given_for_writing() {
    let mut case = Case::new(false);
    for path in [&b"file"[..], b"dir", b"none", b"", b"dir/none"] {
        for request in changes(path) {
            assert_eq!(case.answer(&request), Answer::Failed(Errno::ROFS), "{request:?}");
        }
    }
    let handle = case.handle(b"file", READ);
    assert_eq!(case.write(handle, 0, b"x"), Answer::Failed(Errno::BADF));
    assert_eq!(case.answer(&FileRequest::Truncate { handle, len: 0 }), Answer::Failed(Errno::BADF));
    assert_eq!(fs::read(case.path("file")).expect("untouched"), b"0123456789");
}

#[test]
fn writable_mount_takes_every_change() {
    let mut case = Case::new(true);
    let handle = case.handle(b"new", WRITE.with(OpenFlags::CREATE).with(OpenFlags::EXCLUSIVE));
    assert_eq!(case.write(handle, 2, b"ab"), Answer::Count(2));
    assert_eq!(case.answer(&FileRequest::Sync { handle }), Answer::Done);
    assert_eq!(fs::read(case.path("new")).expect("written"), b"\0\0ab");
    assert_eq!(case.read(handle, 0, 1), Answer::Failed(Errno::BADF), "for writing only");
    assert_eq!(case.answer(&FileRequest::Truncate { handle, len: 3 }), Answer::Done);
    let end = case.handle(b"new", OpenFlags::APPEND);
    assert_eq!(case.write(end, 0, b"!"), Answer::Count(1));
    assert_eq!(fs::read(case.path("new")).expect("written"), b"\0\0a!");
    let exclusive = WRITE.with(OpenFlags::CREATE).with(OpenFlags::EXCLUSIVE);
    assert_eq!(case.open(b"new", exclusive), Answer::Failed(Errno::EXIST));
    case.handle(b"new", READ.with(OpenFlags::TRUNCATE));
    assert_eq!(fs::read(case.path("new")).expect("emptied"), b"");
    for request in [
        FileRequest::MakeDir { at: at(b"sub"), mode: 0o777 },
        FileRequest::Rename { at: at(b"new"), to: b"sub/moved" },
        FileRequest::SetMode { at: at(b"sub/moved"), mode: 0o6777 },
        FileRequest::SetTimes { at: at(b"sub/moved"), accessed: None, modified: Some(-1_500_000_000) },
        FileRequest::SetTimes { at: at(b"sub"), accessed: Some(5), modified: None },
    ] {
        assert_eq!(case.answer(&request), Answer::Done, "{request:?}");
    }
    let meta = fs::metadata(case.path("sub/moved")).expect("moved");
    assert_eq!(meta.permissions().mode() & 0o7777, 0o777, "no set-id bits");
    let before = std::time::UNIX_EPOCH - Duration::from_millis(1500);
    assert_eq!(meta.modified().expect("a time"), before);
    let removed = [FileRequest::Unlink { at: at(b"sub/moved") }, FileRequest::RemoveDir { at: at(b"sub") }];
    for request in removed {
        assert_eq!(case.answer(&request), Answer::Done, "{request:?}");
    }
    assert!(!case.path("sub").exists());
}

#[test]
fn mounted_directory_itself_stays() {
    let mut case = Case::new(true);
    for request in [
        FileRequest::RemoveDir { at: at(b"") },
        FileRequest::Unlink { at: at(b"") },
        FileRequest::MakeDir { at: at(b""), mode: 0 },
        FileRequest::Rename { at: at(b""), to: b"x" },
        FileRequest::Rename { at: at(b"dir"), to: b"" },
    ] {
        assert_eq!(case.answer(&request), Answer::Failed(Errno::BUSY), "{request:?}");
    }
}

#[test]
fn path_that_is_none_is_refused_before_anything_is_opened() {
    let mut case = Case::new(true);
    for path in [
        &b".."[..],
        b"../secret",
        b"dir/../file",
        b"dir/..",
        b".",
        b"./file",
        b"dir//inner",
        b"/etc/passwd",
        b"/",
        b"file/",
        b"dir/",
        b"fi\0le",
        b"\0",
    ] {
        assert_eq!(case.open(path, READ), Answer::Failed(Errno::INVAL), "{path:?}");
        for request in changes(path) {
            assert_eq!(case.answer(&request), Answer::Failed(Errno::INVAL), "{request:?}");
        }
        let rename = FileRequest::Rename { at: at(b"file"), to: path };
        assert_eq!(case.answer(&rename), Answer::Failed(Errno::INVAL), "{path:?}");
    }
    for mount in [1, 63, u64::MAX] {
        let at = FilePath { mount, path: b"file" };
        assert_eq!(case.answer(&FileRequest::Unlink { at }), Answer::Failed(Errno::INVAL));
    }
}

#[test]
fn name_of_255_bytes_passes_and_of_256_does_not() {
    let mut case = Case::new(true);
    let long = [b'x'; 256];
    assert_eq!(case.answer(&FileRequest::MakeDir { at: at(&long[1..]), mode: 0o755 }), Answer::Done);
    let too_long = FileRequest::MakeDir { at: at(&long), mode: 0o755 };
    assert_eq!(case.answer(&too_long), Answer::Failed(Errno::NAMETOOLONG));
}

#[test]
fn name_that_is_no_utf8_keeps_its_bytes() {
    let mut case = Case::new(true);
    case.handle(b"caf\xe9\xff", WRITE.with(OpenFlags::CREATE));
    let handle = case.handle(b"", OpenFlags::DIRECTORY);
    let Answer::Entries(entries) = case.answer(&FileRequest::List { handle }) else { panic!("a list") };
    assert!(entries.iter().any(|entry| entry.name == b"caf\xe9\xff"), "{entries:?}");
    assert_eq!(case.contents(b"caf\xe9\xff"), Ok(vec![]));
}

#[test]
fn link_that_leads_out_is_refused_whatever_is_asked() {
    let mut case = Case::new(true);
    let outside = case.outside.path().to_owned();
    let name = outside.file_name().expect("a name").to_owned();
    symlink(outside.join("secret"), case.path("absolute")).expect("a link");
    symlink(case.path("file"), case.path("absolute_inside")).expect("a link");
    symlink(Path::new("..").join(&name).join("secret"), case.path("relative")).expect("a link");
    symlink(&outside, case.path("outside")).expect("a link");
    symlink("/proc/self/root/etc/passwd", case.path("magic")).expect("a link");
    symlink("/proc/self/cwd", case.path("cwd")).expect("a link");
    symlink("/proc/self/fd", case.path("fds")).expect("a link");
    for path in ["absolute", "absolute_inside", "relative", "outside/secret", "magic", "cwd/x", "fds/0"] {
        let path = path.as_bytes();
        assert_eq!(case.contents(path), Err(Errno::ACCESS), "{}", String::from_utf8_lossy(path));
        let stat = FileRequest::Stat { at: at(path), follow: true };
        assert_eq!(case.answer(&stat), Answer::Failed(Errno::ACCESS));
        for request in [
            FileRequest::Open { at: at(path), flags: WRITE.with(OpenFlags::CREATE), mode: 0o644 },
            FileRequest::SetMode { at: at(path), mode: 0o777 },
            FileRequest::SetTimes { at: at(path), accessed: Some(0), modified: Some(0) },
        ] {
            assert_eq!(case.answer(&request), Answer::Failed(Errno::ACCESS), "{request:?}");
        }
    }
    for request in [
        FileRequest::MakeDir { at: at(b"outside/new"), mode: 0o755 },
        FileRequest::Unlink { at: at(b"outside/secret") },
        FileRequest::Rename { at: at(b"outside/secret"), to: b"stolen" },
        FileRequest::Rename { at: at(b"file"), to: b"outside/gift" },
        FileRequest::Open { at: at(b"outside"), flags: OpenFlags::DIRECTORY, mode: 0 },
    ] {
        assert_eq!(case.answer(&request), Answer::Failed(Errno::ACCESS), "{request:?}");
    }
    assert_eq!(fs::read_to_string(outside.join("secret")).expect("untouched"), SECRET);
    assert_eq!(fs::read_dir(&outside).expect("a directory").count(), 1);
}

#[test]
fn link_that_stays_inside_is_followed() {
    let mut case = Case::new(true);
    symlink("dir/inner", case.path("link")).expect("a link");
    symlink("../file", case.path("dir/up")).expect("a link");
    symlink("new", case.path("dangling")).expect("a link");
    assert_eq!(case.contents(b"link"), Ok(b"inner".to_vec()));
    assert_eq!(case.contents(b"dir/up"), Ok(b"0123456789".to_vec()));
    assert_eq!(case.contents(b"dangling"), Err(Errno::NOENT));
    assert_eq!(case.answer(&FileRequest::ReadLink { at: at(b"dir/up") }), Answer::Data(b"../file".to_vec()));
    case.handle(b"dangling", WRITE.with(OpenFlags::CREATE));
    assert!(case.path("new").exists());
    assert_eq!(case.answer(&FileRequest::Unlink { at: at(b"link") }), Answer::Done, "the link, not the file");
    assert!(case.path("dir/inner").exists());
}

#[test]
fn fifo_and_device_are_refused_at_once() {
    let mut case = Case::new(true);
    let fifo = case.path("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo");
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(case.path("socket")).expect("a socket");
    let start = Instant::now();
    for path in [&b"fifo"[..], b"socket"] {
        for flags in [READ, WRITE, READ.with(WRITE), WRITE.with(OpenFlags::CREATE), OpenFlags::APPEND] {
            assert_eq!(case.open(path, flags), Answer::Failed(Errno::ACCESS), "{flags:?}");
        }
        for request in [
            FileRequest::SetTimes { at: at(path), accessed: Some(0), modified: Some(0) },
            FileRequest::SetMode { at: at(path), mode: 0o777 },
        ] {
            assert_eq!(case.answer(&request), Answer::Failed(Errno::ACCESS), "{request:?}");
        }
    }
    // A directory with devices in it can be mounted; they still cannot be used.
    let mount = MountInfo { host: "/dev".into(), guest: "/d".into(), is_writable: true, max_bytes: None };
    case.gate = MountGate::open(&[mount]).expect("a directory");
    for path in [&b"null"[..], b"zero", b"kvm", b"tty"] {
        let answer = case.open(path, READ);
        assert!(matches!(answer, Answer::Failed(Errno::ACCESS | Errno::NOENT)), "{answer:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(5), "something waited");
}

#[test]
fn mounted_directory_that_is_renamed_or_replaced_stays_the_same() {
    let parent = tempfile::tempdir().expect("a directory");
    let path = |name: &str| parent.path().join(name);
    fs::create_dir(path("data")).expect("a directory");
    fs::write(path("data/file"), "mine").expect("a file");
    fs::create_dir(path("other")).expect("a directory");
    fs::write(path("other/file"), SECRET).expect("a file");
    let mut case = Case::new(false);
    let mount = MountInfo { host: path("data"), guest: "/input".into(), is_writable: false, max_bytes: None };
    case.gate = MountGate::open(&[mount]).expect("a directory");
    assert_eq!(case.contents(b"file"), Ok(b"mine".to_vec()));
    fs::rename(path("data"), path("moved")).expect("renamed");
    symlink(path("other"), path("data")).expect("a link in its place");
    assert_eq!(case.contents(b"file"), Ok(b"mine".to_vec()));
    fs::remove_dir_all(path("moved")).expect("removed");
    assert_eq!(case.contents(b"file"), Err(Errno::NOENT));
}

#[test]
fn file_of_the_kernel_is_refused_where_its_file_system_is_mounted() {
    let mut case = Case::new(true);
    for (host, paths) in [
        ("/proc", &[&b"self/mem"[..], b"self/environ", b"version", b"self/root/etc/passwd", b"self/cwd"][..]),
        ("/sys", &[&b"kernel/mm/transparent_hugepage/enabled"[..]]),
        ("/", &[&b"proc/self/mem"[..], b"proc/self/maps"]),
    ] {
        let mount = MountInfo { host: host.into(), guest: "/x".into(), is_writable: true, max_bytes: None };
        case.gate = MountGate::open(&[mount]).expect("a directory");
        for path in paths {
            for flags in [READ, WRITE, READ.with(WRITE)] {
                let answer = case.open(path, flags);
                // A container may lack some of them.
                let is_refused = matches!(
                    answer,
                    Answer::Failed(Errno::ACCESS | Errno::NOENT | Errno::ROFS | Errno::LOOP)
                );
                assert!(is_refused, "{} {answer:?}", String::from_utf8_lossy(path));
            }
        }
    }
}

#[test]
fn handle_that_was_closed_or_never_given_is_unknown_and_none_is_given_twice() {
    let mut case = Case::new(true);
    let first = case.handle(b"file", READ);
    assert_eq!(case.answer(&FileRequest::Close { handle: first }), Answer::Done);
    let second = case.handle(b"file", READ);
    assert_ne!(first, second);
    for handle in [first, 0, second + 1, u64::MAX] {
        for request in [
            FileRequest::StatHandle { handle },
            FileRequest::Read { handle, offset: 0, len: 1, need: 1 },
            FileRequest::Write { handle, offset: 0, data: b"x" },
            FileRequest::Truncate { handle, len: 0 },
            FileRequest::Sync { handle },
            FileRequest::List { handle },
            FileRequest::Close { handle },
        ] {
            assert_eq!(case.answer(&request), Answer::Failed(Errno::BADF), "{request:?}");
        }
    }
    case.gate.close_all();
    assert_eq!(case.answer(&FileRequest::StatHandle { handle: second }), Answer::Failed(Errno::BADF));
    assert!(case.handle(b"file", READ) > second, "a handle of an earlier guest must stay unknown");
}

#[test]
fn handle_of_a_directory_is_no_file_and_the_other_way_round() {
    let mut case = Case::new(true);
    let (dir, file) = (case.handle(b"dir", OpenFlags::DIRECTORY), case.handle(b"file", READ));
    assert_eq!(case.read(dir, 0, 1), Answer::Failed(Errno::BADF));
    assert_eq!(case.write(dir, 0, b"x"), Answer::Failed(Errno::BADF));
    assert_eq!(case.answer(&FileRequest::List { handle: file }), Answer::Failed(Errno::NOTDIR));
    assert_eq!(case.open(b"dir", READ), Answer::Failed(Errno::ISDIR));
    assert_eq!(case.open(b"file", OpenFlags::DIRECTORY), Answer::Failed(Errno::NOTDIR));
}

#[test]
fn offsets_and_lengths_beyond_sense_are_refused_or_cut() {
    let mut case = Case::new(true);
    let handle = case.handle(b"file", READ.with(WRITE));
    let top = u64::MAX;
    let half = i64::MAX.unsigned_abs();
    assert_eq!(case.read(handle, top, 1), Answer::Failed(Errno::INVAL));
    assert_eq!(case.read(handle, half + 1, 1), Answer::Failed(Errno::INVAL));
    assert_eq!(case.read(handle, half - 1, 1), Answer::Data(vec![]));
    assert_eq!(case.write(handle, top, b"x"), Answer::Failed(Errno::FBIG));
    assert_eq!(case.write(handle, half, b"x"), Answer::Failed(Errno::FBIG));
    assert_eq!(case.answer(&FileRequest::Truncate { handle, len: top }), Answer::Failed(Errno::INVAL));
    fs::write(case.path("big"), vec![7; MAX_FILE_CHUNK_BYTES + 5]).expect("a file");
    let big = case.handle(b"big", READ);
    let Answer::Data(data) = case.answer(&FileRequest::Read { handle: big, offset: 0, len: top, need: top })
    else {
        panic!("data")
    };
    assert_eq!(data.len(), MAX_FILE_CHUNK_BYTES);
}

#[test]
fn hard_link_into_a_mount_is_a_file_of_the_mount() {
    // Noted, not defended: whoever can make one there can as well copy the file.
    let mut case = Case::new(false);
    if fs::hard_link(case.outside.path().join("secret"), case.path("hard")).is_ok() {
        assert_eq!(case.contents(b"hard"), Ok(SECRET.as_bytes().to_vec()));
    }
}

fn limit_of(asked: Result<Answer, LimitError>) -> String {
    asked.expect_err("a limit").to_string()
}

#[test]
fn files_up_to_the_limit_are_open_at_once_and_one_more_ends_the_run() {
    let limits = Limits { open_files: 3, ..Limits::default() };
    let mut case = Case::with(false, None, &limits);
    let handles: Vec<u64> = (0..3).map(|_| case.handle(b"file", READ)).collect();
    let open = FileRequest::Open { at: at(b"file"), flags: READ, mode: 0 };
    assert_eq!(limit_of(case.ask(&open)), "4 files exceed open_files, which is 3");
    let mut case = Case::with(false, None, &limits);
    for _ in 0..10_000 {
        let handle = case.handle(b"file", READ);
        assert_eq!(case.answer(&FileRequest::Close { handle }), Answer::Done);
    }
    assert_eq!((handles.len(), case.budgets.usage().open), (3, 1));
}

#[test]
fn bytes_up_to_the_limit_are_read_and_one_more_ends_the_run() {
    let limits = Limits { file_read_bytes: 15, ..Limits::default() };
    let mut case = Case::with(false, None, &limits);
    let handle = case.handle(b"file", READ);
    assert_eq!(case.read(handle, 0, 10), Answer::Data(b"0123456789".to_vec()));
    assert_eq!(case.read(handle, 5, 100), Answer::Data(b"56789".to_vec()));
    let read = FileRequest::Read { handle, offset: 0, len: 1, need: 1 };
    assert_eq!(limit_of(case.ask(&read)), "16 bytes exceed file_read_bytes, which is 15");
}

#[test]
fn reading_ahead_stops_at_the_limit_without_passing_it() {
    let limits = Limits { file_read_bytes: 6, ..Limits::default() };
    let mut case = Case::with(false, None, &limits);
    let handle = case.handle(b"file", READ);
    let ahead = FileRequest::Read { handle, offset: 0, len: 10, need: 2 };
    assert_eq!(case.answer(&ahead), Answer::Data(b"012345".to_vec()));
    let rest = FileRequest::Read { handle, offset: 6, len: 10, need: 1 };
    assert_eq!(limit_of(case.ask(&rest)), "7 bytes exceed file_read_bytes, which is 6");
}

#[test]
fn bytes_up_to_the_limit_are_written_and_a_hole_counts() {
    let limits = Limits { file_write_bytes: 30, ..Limits::default() };
    let mut case = Case::with(true, None, &limits);
    let handle = case.handle(b"file", WRITE);
    assert_eq!(case.write(handle, 0, &[1; 10]), Answer::Count(10));
    assert_eq!(case.write(handle, 29, b"x"), Answer::Count(1), "grows by 20");
    let write = FileRequest::Write { handle, offset: 0, data: b"y" };
    assert_eq!(limit_of(case.ask(&write)), "31 bytes exceed file_write_bytes, which is 30");
    assert_eq!(fs::read(case.path("file")).expect("written").len(), 30);
    let mut case = Case::with(true, None, &limits);
    let handle = case.handle(b"file", WRITE);
    assert_eq!(case.answer(&FileRequest::Truncate { handle, len: 40 }), Answer::Done);
    let grow = FileRequest::Truncate { handle, len: 1 << 40 };
    assert_eq!(limit_of(case.ask(&grow)), "1099511627766 bytes exceed file_write_bytes, which is 30");
}

#[test]
fn files_up_to_the_limit_are_made_and_one_more_ends_the_run() {
    let limits = Limits { file_count: 2, ..Limits::default() };
    let mut case = Case::with(true, None, &limits);
    case.handle(b"one", WRITE.with(OpenFlags::CREATE));
    case.handle(b"one", WRITE.with(OpenFlags::CREATE));
    assert_eq!(case.answer(&FileRequest::MakeDir { at: at(b"two"), mode: 0o755 }), Answer::Done);
    let third = FileRequest::Open { at: at(b"three"), flags: WRITE.with(OpenFlags::CREATE), mode: 0 };
    assert_eq!(limit_of(case.ask(&third)), "3 files exceed file_count, which is 2");
    assert!(!case.path("three").exists());
}

#[test]
fn mount_grows_by_its_quota_and_then_says_that_it_is_full() {
    let mut case = Case::with(true, Some(5), &Limits::default());
    let handle = case.handle(b"file", WRITE);
    assert_eq!(case.write(handle, 0, &[1; 10]), Answer::Count(10), "in place");
    assert_eq!(case.write(handle, 10, &[1; 5]), Answer::Count(5));
    assert_eq!(case.write(handle, 15, b"x"), Answer::Failed(Errno::DQUOT));
    assert_eq!(case.answer(&FileRequest::Truncate { handle, len: 16 }), Answer::Failed(Errno::DQUOT));
    assert_eq!(case.write(handle, 0, b"still"), Answer::Count(5));
    assert_eq!(fs::read(case.path("file")).expect("written").len(), 15);
}

#[test]
fn artifact_does_not_go_through_a_mount() {
    let mut case = Case::new(true);
    let request = FileRequest::Artifact { path: b"x", offset: 0, data: b"x" };
    assert_eq!(case.answer(&request), Answer::Failed(Errno::PERM));
}

//! Mounts in the tree, against a host that a test makes up: what is asked, and how often.

use std::cell::RefCell;

use hypercell_abi::KernelRequest;
use hypercell_abi::message::{FileEntry, FileReply, FileRequest, FileStat};
use linux_raw_sys::general as linux;

use super::outside::stand_in::{HOST, NEW_MOUNTS, SLEPT};
use super::path::Follow;
use super::testing::tree;
use super::*;

/// Bytes of the one file, `big`.
const SIZE: u64 = 400_000;
/// Entries of the one directory, `many`, and how many come in one answer.
const ENTRIES: u64 = 10;
const PER_ANSWER: u64 = 4;

thread_local! {
    static ASKED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static LISTED: Cell<u64> = const { Cell::new(0) };
}

fn answer(request: &FileRequest<'_>) -> KernelRequest<'static> {
    let stat = |mode, size| FileStat { mode, size, number: 7, links: 1, ..FileStat::default() };
    let (file, dir) = (stat(0o100_644, SIZE), stat(0o040_755, 0));
    let what = request.at().map_or_else(String::new, |at| String::from_utf8_lossy(at.path).into_owned());
    ASKED.with_borrow_mut(|asked| asked.push(format!("{} {what}", request.operation()).trim().to_owned()));
    let found = match what.as_str() {
        "big" | "dir/big" => Some(file),
        "" | "dir" | "many" => Some(dir),
        _ => None,
    };
    KernelRequest::File(match (*request, found) {
        (FileRequest::Mounts, _) => {
            FileReply::Mounts(vec![(b"/input", false), (b"/a/b/work", true), (b"/tmp/m/x", true)])
        }
        (FileRequest::Stat { .. }, Some(stat)) => FileReply::Stat(stat),
        (FileRequest::Open { .. }, Some(stat)) => {
            LISTED.set(0);
            FileReply::Opened { handle: 1, stat }
        }
        (FileRequest::Stat { .. } | FileRequest::Open { .. }, None) => FileReply::Error { errno: 2 },
        (FileRequest::StatHandle { .. }, _) => FileReply::Stat(file),
        (FileRequest::Read { offset, len, .. }, _) => {
            let end = SIZE.min(offset.saturating_add(len));
            let data: Vec<u8> = (offset.min(SIZE)..end).map(|at| at as u8).collect();
            FileReply::Data(data.leak())
        }
        (FileRequest::Write { data, .. }, _) => FileReply::Count(data.len() as u64),
        (FileRequest::List { .. }, _) => {
            let from = LISTED.get();
            let to = ENTRIES.min(from + PER_ANSWER);
            LISTED.set(to);
            let entry = |n: u64| FileEntry {
                name: format!("entry {n}").into_bytes().leak(),
                kind: 0o100_000,
                number: n,
            };
            FileReply::Entries((from..to).map(entry).collect())
        }
        _ => FileReply::Done,
    })
}

/// A tree whose host has mounts.
fn mounted() -> Vfs {
    HOST.set(Some(answer));
    NEW_MOUNTS.set(true);
    ASKED.take();
    tree()
}

fn asked() -> Vec<String> {
    ASKED.take()
}

fn place(vfs: &Vfs, path: &str) -> Result<String, Errno> {
    let place = vfs.resolve(vfs.root(), path.as_bytes(), Follow::Yes)?;
    Ok(String::from_utf8(vfs.path_of(&place)).unwrap())
}

fn names(vfs: &Vfs, path: &str) -> Vec<String> {
    let place = vfs.resolve(vfs.root(), path.as_bytes(), Follow::Yes).unwrap();
    let mut names = Vec::new();
    let mut visit = |entry: ops::Listed<'_>| {
        names.push(String::from_utf8(entry.name.to_vec()).unwrap());
        true
    };
    vfs.list(&place, 0, &mut visit).unwrap();
    names
}

fn open(vfs: &mut Vfs, path: &str, flags: u32) -> Result<Rc<OpenFile>, Errno> {
    vfs.open(vfs.root(), path.as_bytes(), flags, 0o644)
}

#[test]
fn host_is_asked_for_mounts_at_the_first_look_and_not_again() {
    let vfs = mounted();
    assert_eq!(asked(), [""; 0]);
    assert!(place(&vfs, "/tmp").is_ok() && place(&vfs, "/nowhere").is_err());
    assert_eq!(asked(), ["mounts"]);
    assert!(place(&vfs, "/tmp").is_ok());
    assert_eq!(asked(), [""; 0]);
}

#[test]
fn host_without_mounts_is_never_asked() {
    HOST.set(None);
    let vfs = tree();
    assert_eq!(place(&vfs, "/input"), Err(Errno::ENOENT));
    assert_eq!(names(&vfs, "/tmp"), [".", ".."]);
}

#[test]
fn mounts_and_the_directories_on_the_way_are_listed() {
    let vfs = mounted();
    let root = names(&vfs, "/");
    assert!(
        ["input", "a", "tmp", "python"].iter().all(|name| root.contains(&(*name).to_string())),
        "{root:?}"
    );
    assert_eq!(names(&vfs, "/a"), [".", "..", "b"]);
    assert_eq!(names(&vfs, "/a/b"), [".", "..", "work"]);
    assert_eq!(names(&vfs, "/tmp"), [".", "..", "m"]);
    assert_eq!(names(&vfs, "/tmp/m"), [".", "..", "x"]);
}

#[test]
fn names_behind_a_mount_are_one_question() {
    let vfs = mounted();
    assert_eq!(place(&vfs, "/input/dir/big"), Ok("/input/dir/big".into()));
    assert_eq!(asked(), ["mounts", "stat dir/big"]);
    assert_eq!(place(&vfs, "/input//dir/./big"), Ok("/input/dir/big".into()));
    assert_eq!(asked(), ["stat dir", "stat dir/big"]);
    assert_eq!(place(&vfs, "/input/none/big"), Err(Errno::ENOENT));
    assert_eq!(place(&vfs, "/input/big/x"), Err(Errno::ENOENT));
    assert_eq!(place(&vfs, &format!("/input/{}", "x".repeat(256))), Err(Errno::ENAMETOOLONG));
}

#[test]
fn dots_stay_in_the_tree_of_the_guest() {
    let vfs = mounted();
    for (path, found) in [
        ("/input/..", "/"),
        ("/input/dir/..", "/input"),
        ("/input/dir/../..", "/"),
        ("/input/dir/../big", "/input/big"),
        ("/input/../tmp", "/tmp"),
        ("/a/b/work/..", "/a/b"),
        ("/a/b/work/../../..", "/"),
        ("/tmp/m/x/..", "/tmp/m"),
        ("/tmp/m/x/../..", "/tmp"),
    ] {
        assert_eq!(place(&vfs, path), Ok(found.into()), "{path}");
    }
    assert!(asked().iter().all(|request| !request.contains("..")), "the host never sees dots");
}

#[test]
fn directories_on_the_way_and_mount_points_do_not_change() {
    let mut vfs = mounted();
    let root = vfs.root();
    assert_eq!(open(&mut vfs, "/a/new", linux::O_CREAT | linux::O_RDWR).err(), Some(Errno::EROFS));
    assert_eq!(vfs.make_dir(root.clone(), b"/a/new", 0o755), Err(Errno::EROFS));
    for path in ["/input", "/a", "/a/b/work", "/tmp/m", "/tmp/m/x"] {
        assert_eq!(vfs.remove_dir(root.clone(), path.as_bytes()), Err(Errno::EBUSY), "{path}");
        let renamed =
            vfs.rename((root.clone(), path.as_bytes()), (root.clone(), b"/tmp/y"), ops::Taken::Replace);
        assert!(matches!(renamed, Err(Errno::EBUSY | Errno::EROFS | Errno::EXDEV)), "{path} {renamed:?}");
    }
    assert_eq!(vfs.make_link(b"x", root.clone(), b"/input/new"), Err(Errno::EPERM));
    assert_eq!(asked().iter().filter(|request| !request.starts_with("stat")).count(), 1);
}

fn read(file: &OpenFile, offset: u64, len: usize) -> Vec<u8> {
    file.read_at(offset, len).unwrap()
}

#[test]
fn reads_in_order_are_brought_ahead_in_growing_pieces() {
    let mut vfs = mounted();
    let file = open(&mut vfs, "/input/big", linux::O_RDONLY).unwrap();
    asked();
    let mut seen = Vec::new();
    loop {
        let piece = read(&file, seen.len() as u64, 1000);
        if piece.is_empty() {
            break;
        }
        seen.extend(piece);
    }
    assert_eq!(seen, (0..SIZE).map(|at| at as u8).collect::<Vec<_>>());
    let questions = asked();
    assert!(questions.len() < 12 && questions.iter().all(|question| question == "read"), "{questions:?}");
}

#[test]
fn reads_out_of_order_bring_only_what_was_asked_for() {
    let mut vfs = mounted();
    let file = open(&mut vfs, "/input/big", linux::O_RDONLY).unwrap();
    asked();
    for offset in [5000, 100, 300_000, SIZE - 3, SIZE + 5] {
        let expected: Vec<u8> = (offset..(offset + 10).min(SIZE.max(offset))).map(|at| at as u8).collect();
        assert_eq!(read(&file, offset, 10), expected);
    }
    assert_eq!(asked().len(), 5);
}

#[test]
fn what_was_read_ahead_is_forgotten_at_a_write() {
    let mut vfs = mounted();
    let file = open(&mut vfs, "/input/big", linux::O_RDONLY).unwrap();
    let other = open(&mut vfs, "/a/b/work/big", linux::O_WRONLY).unwrap();
    asked();
    read(&file, 0, 10);
    read(&file, 10, 10);
    assert_eq!(asked(), ["read"]);
    assert_eq!(other.write(&mut &b"xyz"[..], None), Ok(3));
    read(&file, 20, 10);
    assert_eq!(asked(), ["write", "read"]);
}

#[test]
fn end_of_a_file_is_told_once_without_a_question() {
    let mut vfs = mounted();
    let file = open(&mut vfs, "/input/big", linux::O_RDONLY).unwrap();
    asked();
    assert_eq!(read(&file, SIZE - 5, 100).len(), 5);
    assert_eq!(read(&file, SIZE, 100), []);
    assert_eq!(asked(), ["read"]);
    // It may have grown.
    assert_eq!(read(&file, SIZE, 100), []);
    assert_eq!(asked(), ["read"]);
}

#[test]
fn file_just_opened_is_not_looked_at_again_but_later_it_is() {
    let mut vfs = mounted();
    let file = open(&mut vfs, "/input/big", linux::O_RDONLY).unwrap();
    assert_eq!(asked(), ["mounts", "stat big", "open big"]);
    assert_eq!((file.size(), vfs.file_meta(&file).size), (SIZE, SIZE));
    assert_eq!(asked(), [""; 0]);
    SLEPT.set(SLEPT.get() + 1_000_000);
    assert_eq!(file.size(), SIZE);
    assert_eq!(asked(), ["fstat"]);
}

#[test]
fn file_that_is_closed_is_closed_on_the_host() {
    let mut vfs = mounted();
    let file = open(&mut vfs, "/input/big", linux::O_RDONLY).unwrap();
    let copy = file.clone();
    asked();
    drop(file);
    assert_eq!(asked(), [""; 0]);
    drop(copy);
    assert_eq!(asked(), ["close"]);
}

#[test]
fn directory_is_listed_in_pieces_and_again_from_its_beginning() {
    let mut vfs = mounted();
    let file = open(&mut vfs, "/input/many", linux::O_RDONLY).unwrap();
    let Object::HostDir(dir) = &file.object else { panic!("a directory") };
    let list = |offset: u64, max: usize| {
        let mut seen = Vec::new();
        let mut next = offset;
        dir.list(offset, &mut |entry| {
            if seen.len() == max {
                return false;
            }
            seen.push(String::from_utf8(entry.name.to_vec()).unwrap());
            next = entry.next;
            true
        })
        .unwrap();
        (seen, next)
    };
    let (all, end) = list(0, 100);
    assert_eq!(all.len() as u64, ENTRIES + 2);
    assert_eq!((all[0].as_str(), all[1].as_str(), all[2].as_str()), (".", "..", "entry 0"));
    assert_eq!(list(end, 100).0, [""; 0]);
    let mut pieces = Vec::new();
    let mut offset = 0;
    loop {
        let (seen, next) = list(offset, 3);
        if seen.is_empty() {
            break;
        }
        pieces.extend(seen);
        offset = next;
    }
    assert_eq!(pieces, all);
}

#[test]
fn mounts_are_in_the_table_of_the_kernel() {
    let mut vfs = mounted();
    let text = open(&mut vfs, "/proc/self/mounts", linux::O_RDONLY).unwrap().read_at(0, 1 << 16).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("\nhost /input fuse ro 0 0\nhost /a/b/work fuse rw 0 0\n"), "{text}");
    assert!(text.contains("\ntmpfs /output tmpfs rw 0 0\n"), "{text}");
}

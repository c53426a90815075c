//! Behaviour of the tree: names, files in memory, descriptors, what is stored. System calls have tests of their own.

use linux_raw_sys::general as linux;

use super::inode::FileRef;
use super::ops::Taken;
use super::outside::stand_in::ROOM;
use super::path::Follow;
use super::ramfs::RamNode;
use super::testing::tree;
use super::*;

const CREATE: u32 = linux::O_CREAT | linux::O_RDWR;

fn open(vfs: &mut Vfs, path: &str, flags: u32) -> Result<Rc<OpenFile>, Errno> {
    vfs.open(vfs.cwd.clone(), path.as_bytes(), flags, 0o644)
}

fn create(vfs: &mut Vfs, path: &str, contents: &[u8]) {
    let file = open(vfs, path, CREATE).unwrap();
    assert_eq!(file.write(&mut &contents[..], None), Ok(contents.len() as u64));
}

fn contents(vfs: &mut Vfs, path: &str) -> Result<Vec<u8>, Errno> {
    open(vfs, path, linux::O_RDONLY)?.read_at(0, 1 << 20)
}

fn resolve(vfs: &Vfs, path: &str, follow: Follow) -> Result<String, Errno> {
    let place = vfs.resolve(vfs.cwd.clone(), path.as_bytes(), follow)?;
    Ok(String::from_utf8(vfs.path_of(&place)).unwrap())
}

fn mkdir(vfs: &mut Vfs, path: &str) -> Result<(), Errno> {
    vfs.make_dir(vfs.cwd.clone(), path.as_bytes(), 0o777)
}

fn symlink(vfs: &mut Vfs, target: &str, path: &str) -> Result<(), Errno> {
    vfs.make_link(target.as_bytes(), vfs.cwd.clone(), path.as_bytes())
}

fn unlink(vfs: &mut Vfs, path: &str) -> Result<(), Errno> {
    vfs.unlink(vfs.cwd.clone(), path.as_bytes())
}

fn rmdir(vfs: &mut Vfs, path: &str) -> Result<(), Errno> {
    vfs.remove_dir(vfs.cwd.clone(), path.as_bytes())
}

fn rename(vfs: &mut Vfs, old: &str, new: &str) -> Result<(), Errno> {
    let cwd = vfs.cwd.clone();
    vfs.rename((cwd.clone(), old.as_bytes()), (cwd, new.as_bytes()), Taken::Replace)
}

fn names(vfs: &Vfs, path: &str) -> Vec<String> {
    let place = vfs.resolve(vfs.cwd.clone(), path.as_bytes(), Follow::Yes).unwrap();
    let mut names = Vec::new();
    vfs.list(&place, 0, &mut |entry| {
        names.push(String::from_utf8(entry.name.to_vec()).unwrap());
        true
    })
    .unwrap();
    names.sort();
    names
}

fn ram(file: &FileRef) -> &RamNode {
    match file {
        FileRef::Ram(node) => node,
        FileRef::Host(_) => panic!("a file in memory"),
    }
}

#[test]
fn paths_lead_through_directories_links_and_dots() {
    let vfs = tree();
    for (path, expected) in [
        ("/", "/"),
        ("//python///lib//a.py", "/python/lib/a.py"),
        ("/python/./lib/../lib/a.py", "/python/lib/a.py"),
        ("/../../python", "/python"),
        ("/lib/a.py", "/python/lib/a.py"),
        ("/lib/", "/python/lib"),
        ("/etc/abs", "/python/lib/a.py"),
        ("/etc/up/run", "/python/lib/run"),
        ("/etc/up/../../etc/up/a.py", "/python/lib/a.py"),
        (".", "/tmp"),
        ("..", "/"),
        ("../python/lib", "/python/lib"),
        ("/dev/shm/..", "/dev"),
        ("/dev/fd/../status", "/proc/1/status"),
        ("/proc/self/cwd", "/tmp"),
        ("/proc/self/root/etc", "/etc"),
    ] {
        assert_eq!(resolve(&vfs, path, Follow::Yes).as_deref(), Ok(expected), "{path}");
    }
}

#[test]
fn paths_that_lead_nowhere_say_why() {
    let vfs = tree();
    let (name, deep) = ("n".repeat(256), "/etc/up/../..".repeat(50));
    for (path, expected) in [
        ("", Errno::ENOENT),
        ("/nowhere", Errno::ENOENT),
        ("/nowhere/x", Errno::ENOENT),
        ("/python/lib/a.py/", Errno::ENOTDIR),
        ("/python/lib/a.py/x", Errno::ENOTDIR),
        ("/python/lib/a.py/..", Errno::ENOTDIR),
        ("/python/lib/a.py/.", Errno::ENOTDIR),
        ("/etc/loop", Errno::ELOOP),
        ("/etc/loop/x", Errno::ELOOP),
        ("/etc/gone", Errno::ENOENT),
        ("/proc/self/fd/77", Errno::ENOENT),
        ("/proc/self/fd/+1", Errno::ENOENT),
        ("/proc/self/fd/01", Errno::ENOENT),
        ("/proc/2", Errno::ENOENT),
        (&name, Errno::ENAMETOOLONG),
        (&deep, Errno::ELOOP),
    ] {
        assert_eq!(resolve(&vfs, path, Follow::Yes), Err(expected), "{path}");
    }
}

#[test]
fn a_link_itself_is_found_when_it_is_not_followed() {
    let vfs = tree();
    assert_eq!(resolve(&vfs, "/etc/loop", Follow::No).as_deref(), Ok("/etc/loop"));
    let place = vfs.resolve(vfs.root(), b"/lib", Follow::No).unwrap();
    assert_eq!(vfs.link_text(&place.node), Ok(b"python/lib".to_vec()));
    assert_eq!(vfs.kind(&place.node), Kind::Link);
}

#[test]
fn the_image_can_be_read_and_never_changed() {
    let mut vfs = tree();
    assert_eq!(contents(&mut vfs, "/lib/a.py"), Ok(b"print(1)\n".to_vec()));
    for flags in [linux::O_WRONLY, linux::O_RDWR, linux::O_TRUNC, CREATE] {
        assert_eq!(open(&mut vfs, "/lib/a.py", flags).err(), Some(Errno::EROFS), "{flags:#x}");
    }
    assert_eq!(open(&mut vfs, "/python/new", CREATE).err(), Some(Errno::EROFS));
    assert_eq!(open(&mut vfs, "/proc/new", CREATE).err(), Some(Errno::EROFS));
    assert_eq!(mkdir(&mut vfs, "/python/d"), Err(Errno::EROFS));
    assert_eq!(mkdir(&mut vfs, "/python/lib"), Err(Errno::EEXIST));
    assert_eq!(unlink(&mut vfs, "/lib/a.py"), Err(Errno::EROFS));
    assert_eq!(unlink(&mut vfs, "/python"), Err(Errno::EISDIR));
    assert_eq!(rmdir(&mut vfs, "/python/lib"), Err(Errno::EROFS));
    assert_eq!(symlink(&mut vfs, "x", "/etc/l"), Err(Errno::EROFS));
    create(&mut vfs, "f", b"");
    assert_eq!(rename(&mut vfs, "f", "/python/f"), Err(Errno::EXDEV));
    assert_eq!(rename(&mut vfs, "/lib/a.py", "a.py"), Err(Errno::EXDEV));
    assert_eq!(rename(&mut vfs, "/lib/a.py", "/lib/b.py"), Err(Errno::EROFS));
}

#[test]
fn open_flags_decide_about_existing_and_missing_files() {
    let mut vfs = tree();
    create(&mut vfs, "f", b"hello");
    mkdir(&mut vfs, "d").unwrap();
    symlink(&mut vfs, "f", "link").unwrap();
    symlink(&mut vfs, "made", "dangling").unwrap();
    for (path, flags, expected) in [
        ("missing", linux::O_RDONLY, Errno::ENOENT),
        ("f", CREATE | linux::O_EXCL, Errno::EEXIST),
        ("dangling", CREATE | linux::O_EXCL, Errno::EEXIST),
        ("link", linux::O_NOFOLLOW, Errno::ELOOP),
        ("f", linux::O_DIRECTORY, Errno::ENOTDIR),
        ("d", linux::O_WRONLY, Errno::EISDIR),
        ("d", CREATE, Errno::EISDIR),
        ("d/", CREATE, Errno::EISDIR),
        ("new/", CREATE, Errno::EISDIR),
        ("new", CREATE | linux::O_DIRECTORY, Errno::EINVAL),
        ("f/", linux::O_RDONLY, Errno::ENOTDIR),
        ("d", linux::O_TMPFILE, Errno::EINVAL),
        ("f", linux::O_TMPFILE | linux::O_RDWR, Errno::ENOTDIR),
        ("/python", linux::O_TMPFILE | linux::O_RDWR, Errno::EROFS),
        ("/dev/tty", linux::O_RDWR, Errno::ENXIO),
        ("/proc/self/maps", linux::O_RDWR, Errno::EACCES),
    ] {
        assert_eq!(open(&mut vfs, path, flags).err(), Some(expected), "{path} {flags:#x}");
    }
    assert_eq!(contents(&mut vfs, "link"), Ok(b"hello".to_vec()));
    open(&mut vfs, "dangling", CREATE).unwrap();
    assert_eq!(contents(&mut vfs, "made"), Ok(Vec::new()));
    open(&mut vfs, "f", linux::O_WRONLY | linux::O_TRUNC).unwrap();
    assert_eq!(contents(&mut vfs, "f"), Ok(Vec::new()));
    let path_only = open(&mut vfs, "link", linux::O_PATH | linux::O_NOFOLLOW).unwrap();
    assert_eq!(path_only.read_at(0, 1), Err(Errno::EBADF));
    assert_eq!(vfs.file_meta(&path_only).kind(), Kind::Link);
}

#[test]
fn appending_ignores_the_offset() {
    let mut vfs = tree();
    create(&mut vfs, "log", b"one");
    let file = open(&mut vfs, "log", linux::O_WRONLY | linux::O_APPEND).unwrap();
    assert_eq!(file.write(&mut &b"two"[..], Some(0)), Ok(3));
    assert_eq!(file.write(&mut &b"three"[..], None), Ok(5));
    assert_eq!(contents(&mut vfs, "log"), Ok(b"onetwothree".to_vec()));
}

#[test]
fn the_mask_takes_permissions_from_new_files() {
    let mut vfs = tree();
    vfs.umask = 0o027;
    let file = vfs.open(vfs.cwd.clone(), b"f", CREATE, 0o666).unwrap();
    assert_eq!(vfs.file_meta(&file).mode & 0o7777, 0o640);
}

#[test]
fn files_have_holes_and_shrink_and_grow() {
    let mut vfs = tree();
    let file = FileRef::Ram(open(&mut vfs, "f", CREATE).unwrap().ram().unwrap().clone());
    assert_eq!(file.pwrite(200_000, b"end"), 3);
    assert_eq!(file.size(), 200_003);
    assert!(vfs.space.used() < 100_000);
    let mut bytes = vec![1; 200_010];
    assert_eq!(file.pread(0, &mut bytes), 200_003);
    assert!(bytes[..200_000].iter().all(|&b| b == 0));
    assert_eq!(&bytes[200_000..200_003], b"end");
    assert_eq!(file.pwrite(65_530, &[7; 20]), 20);
    ram(&file).set_size(65_540).unwrap();
    ram(&file).set_size(65_560).unwrap();
    let mut bytes = [9; 30];
    assert_eq!(file.pread(65_530, &mut bytes), 30);
    assert_eq!(bytes, [[7; 10], [0; 10], [0; 10]].concat()[..]);
    ram(&file).punch(65_532, 3).unwrap();
    assert_eq!(file.pread(65_530, &mut bytes[..8]), 8);
    assert_eq!(bytes[..8], [7, 7, 0, 0, 0, 7, 7, 7]);
}

#[test]
fn offsets_at_the_end_of_the_number_range_are_too_big() {
    let mut vfs = tree();
    let file = open(&mut vfs, "f", CREATE).unwrap();
    assert_eq!(file.write(&mut &b"xy"[..], Some(i64::MAX as u64 - 1)), Err(Errno::EFBIG));
    assert_eq!(file.write(&mut &b"x"[..], Some(i64::MAX as u64 - 1)), Ok(1));
    assert_eq!(file.read_at(i64::MAX as u64 - 2, 10), Ok(vec![0, b'x']));
    assert_eq!(file.ram().unwrap().set_size(u64::MAX), Err(Errno::EFBIG));
    assert_eq!(file.read_at(u64::MAX, 10), Ok(Vec::new()));
}

#[test]
fn an_open_file_outlives_its_name() {
    let mut vfs = tree();
    create(&mut vfs, "f", b"kept");
    let file = open(&mut vfs, "f", linux::O_RDWR).unwrap();
    unlink(&mut vfs, "f").unwrap();
    assert_eq!(contents(&mut vfs, "f"), Err(Errno::ENOENT));
    assert_eq!(file.read_at(0, 10), Ok(b"kept".to_vec()));
    assert_eq!(vfs.file_meta(&file).links, 0);
    let before = vfs.space.used();
    drop(file);
    assert!(vfs.space.used() < before);
    assert_eq!(unlink(&mut vfs, "f"), Err(Errno::ENOENT));
}

#[test]
fn deleted_files_and_nameless_files_show_it_in_their_path() {
    let mut vfs = tree();
    create(&mut vfs, "f", b"");
    let file = open(&mut vfs, "f", linux::O_RDWR).unwrap();
    vfs.fds.set(9, file, false).unwrap();
    let text = |vfs: &Vfs| vfs.link_text(&Node::Descriptor(9)).unwrap();
    assert_eq!(text(&vfs), b"/tmp/f");
    rename(&mut vfs, "f", "g").unwrap();
    assert_eq!(text(&vfs), b"/tmp/g");
    unlink(&mut vfs, "g").unwrap();
    assert_eq!(text(&vfs), b"/tmp/g (deleted)");
}

#[test]
fn directories_go_when_empty_only() {
    let mut vfs = tree();
    mkdir(&mut vfs, "d").unwrap();
    create(&mut vfs, "d/f", b"");
    for (path, expected) in [
        ("d", Errno::ENOTEMPTY),
        ("d/.", Errno::EINVAL),
        ("d/..", Errno::ENOTEMPTY),
        ("d/f", Errno::ENOTDIR),
        ("/tmp", Errno::EBUSY),
        ("/dev/shm", Errno::EBUSY),
        ("/", Errno::EBUSY),
        ("/proc", Errno::EBUSY),
        ("x", Errno::ENOENT),
    ] {
        assert_eq!(rmdir(&mut vfs, path), Err(expected), "{path}");
    }
    unlink(&mut vfs, "d/f").unwrap();
    assert_eq!(unlink(&mut vfs, "d"), Err(Errno::EISDIR));
    vfs.cwd = vfs.resolve(vfs.cwd.clone(), b"d", Follow::Yes).unwrap();
    rmdir(&mut vfs, "../d/").unwrap();
    assert_eq!(open(&mut vfs, "late", CREATE).err(), Some(Errno::ENOENT));
    assert_eq!(mkdir(&mut vfs, "late"), Err(Errno::ENOENT));
    assert_eq!(resolve(&vfs, "..", Follow::Yes).as_deref(), Ok("/tmp"));
}

#[test]
fn rename_replaces_what_it_may() {
    let mut vfs = tree();
    create(&mut vfs, "a", b"a");
    create(&mut vfs, "b", b"b");
    let old = open(&mut vfs, "b", linux::O_RDONLY).unwrap();
    rename(&mut vfs, "a", "b").unwrap();
    assert_eq!(contents(&mut vfs, "b"), Ok(b"a".to_vec()));
    assert_eq!(old.read_at(0, 9), Ok(b"b".to_vec()));
    assert_eq!(names(&vfs, "/tmp"), [".", "..", "b"]);
    mkdir(&mut vfs, "d").unwrap();
    mkdir(&mut vfs, "d/sub").unwrap();
    mkdir(&mut vfs, "e").unwrap();
    for (from, to, expected) in [
        ("b", "d", Errno::EISDIR),
        ("d", "b", Errno::ENOTDIR),
        ("d", "d/sub/x", Errno::EINVAL),
        ("d", "d/sub", Errno::EINVAL),
        ("e", "d", Errno::ENOTEMPTY),
        ("b", "c/", Errno::ENOTDIR),
        ("x", "y", Errno::ENOENT),
        ("d/.", "y", Errno::EBUSY),
        ("/tmp", "/tmp/y", Errno::EROFS),
        ("b", "/dev/shm/b", Errno::EXDEV),
    ] {
        let answer = rename(&mut vfs, from, to);
        assert!(
            answer == Err(expected) || from == "/tmp" && answer == Err(Errno::EBUSY),
            "{from} {to} {answer:?}"
        );
    }
    rename(&mut vfs, "d", "e/").unwrap();
    assert_eq!(names(&vfs, "e"), [".", "..", "sub"]);
    assert_eq!(resolve(&vfs, "e/sub/..", Follow::Yes).as_deref(), Ok("/tmp/e"));
    let cwd = vfs.cwd.clone();
    assert_eq!(vfs.rename((cwd.clone(), b"b"), (cwd, b"e"), Taken::Keep), Err(Errno::EEXIST));
}

#[test]
fn hard_links_share_contents_and_count() {
    let mut vfs = tree();
    create(&mut vfs, "a", b"1");
    let place = vfs.resolve(vfs.cwd.clone(), b"a", Follow::No).unwrap();
    vfs.hard_link(&place, vfs.cwd.clone(), b"b").unwrap();
    assert_eq!(vfs.meta(&place.node).links, 2);
    assert_eq!(rename(&mut vfs, "a", "b"), Ok(()));
    assert_eq!(names(&vfs, "/tmp"), [".", "..", "a", "b"]);
    unlink(&mut vfs, "a").unwrap();
    assert_eq!(contents(&mut vfs, "b"), Ok(b"1".to_vec()));
    let dir = vfs.cwd.clone();
    assert_eq!(vfs.hard_link(&dir, vfs.cwd.clone(), b"c"), Err(Errno::EPERM));
    let image = vfs.resolve(vfs.root(), b"/lib/a.py", Follow::Yes).unwrap();
    assert_eq!(vfs.hard_link(&image, vfs.cwd.clone(), b"c"), Err(Errno::EXDEV));
}

#[test]
fn a_listing_survives_removals_between_its_parts() {
    let mut vfs = tree();
    for i in 0..100 {
        create(&mut vfs, &format!("f{i:03}"), b"");
    }
    let place = vfs.cwd.clone();
    let (mut seen, mut offset) = (Vec::new(), 0);
    loop {
        let mut part = Vec::new();
        vfs.list(&place, offset, &mut |entry| {
            part.push(String::from_utf8(entry.name.to_vec()).unwrap());
            offset = entry.next;
            part.len() < 7
        })
        .unwrap();
        if part.is_empty() {
            break;
        }
        for name in part.iter().filter(|name| name.starts_with('f')) {
            unlink(&mut vfs, name).unwrap();
        }
        seen.extend(part);
    }
    assert_eq!(seen.len(), 102);
    seen.dedup();
    assert_eq!(seen.len(), 102);
    assert_eq!(names(&vfs, "/tmp"), [".", ".."]);
}

#[test]
fn mounts_and_kernel_files_appear_in_listings() {
    let vfs = tree();
    assert_eq!(names(&vfs, "/"), [".", "..", "dev", "etc", "lib", "output", "proc", "python", "sys", "tmp"]);
    assert!(names(&vfs, "/dev").contains(&"shm".to_string()));
    assert_eq!(names(&vfs, "/proc/self/fd"), [".", "..", "0", "1", "2"]);
    assert_eq!(names(&vfs, "/lib"), [".", "..", "a.py", "run"]);
}

#[test]
fn every_kernel_file_can_be_opened_and_has_its_place() {
    let mut vfs = tree();
    for (path, _) in special::ROWS {
        let place = vfs.resolve(vfs.root(), path.as_bytes(), Follow::No).unwrap();
        assert_eq!(vfs.path_of(&place), path.as_bytes());
        let file = open(&mut vfs, path, linux::O_RDONLY);
        let text = vfs.kind(&place.node) == Kind::File;
        assert!(
            !text || !file.unwrap().read_at(0, 1 << 16).unwrap().is_empty() || path.contains("/1/"),
            "{path}"
        );
    }
    let stat = contents(&mut vfs, "/proc/self/stat").unwrap();
    assert_eq!(stat.split(|&b| b == b' ').count(), 52);
}

#[test]
fn a_full_store_answers_enospc_and_recovers() {
    let mut vfs = tree();
    // What is stored takes room, as the kernel heap does when it grows.
    let settle = |vfs: &Vfs| ROOM.set((3 << 20) - vfs.space.used());
    settle(&vfs);
    let file = FileRef::Ram(RamNode::new_file(&vfs.space, 7, 0o600).unwrap());
    let mut size = 0;
    while file.pwrite(size, &[1; 64 << 10]) == 64 << 10 {
        size += 64 << 10;
        settle(&vfs);
        assert!(size < 2 << 20);
    }
    assert!(size > 512 << 10);
    assert_eq!(file.pwrite(8 << 20, &[1; 64 << 10]), 0);
    let mut made = 0;
    while open(&mut vfs, &format!("f{made}"), CREATE).is_ok() {
        made += 1;
        settle(&vfs);
        assert!(made < 10_000);
    }
    assert_eq!(open(&mut vfs, "more", CREATE).err(), Some(Errno::ENOSPC));
    assert_eq!(mkdir(&mut vfs, "more"), Err(Errno::ENOSPC));
    assert_eq!(names(&vfs, "/tmp").len(), made + 2);
    ram(&file).set_size(0).unwrap();
    assert!(file.pwrite(0, &vec![1; 512 << 10]) == 512 << 10);
    drop((file, vfs));
    ROOM.set(64 << 20);
}

#[test]
fn descriptors_are_lowest_first_and_limited() {
    let mut vfs = tree();
    let file = open(&mut vfs, "f", CREATE).unwrap();
    for fd in 3..MAX_DESCRIPTORS as u64 {
        assert_eq!(vfs.fds.add(file.clone(), false, 0), Ok(fd));
    }
    assert_eq!(vfs.fds.add(file.clone(), false, 0), Err(Errno::EMFILE));
    assert_eq!(open(&mut vfs, "unborn", CREATE).err(), Some(Errno::EMFILE));
    assert_eq!(names(&vfs, "/tmp"), [".", "..", "f"]);
    vfs.fds.remove(5).unwrap();
    vfs.fds.remove(700).unwrap();
    assert_eq!(vfs.fds.add(file.clone(), true, 6), Ok(700));
    assert_eq!(vfs.fds.add(file, false, 0), Ok(5));
    assert_eq!(vfs.fds.close_on_exec(700), Ok(true));
    for fd in [-1, i32::MIN, 1024, i32::MAX] {
        assert_eq!(vfs.fds.get(fd).err(), Some(Errno::EBADF));
    }
}

#[test]
fn an_archive_that_does_not_parse_is_refused() {
    assert_eq!(Vfs::new(b"").err(), Some(Errno::EIO));
    assert_eq!(Vfs::new(&[0xff; 4096]).err(), Some(Errno::EIO));
}

//! The same random operations on names in /tmp of the tree and in a directory of the Linux that runs this test: the
//! answers, errors included, must be the same, and so must what is there at the end.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use linux_raw_sys::general as linux;

use super::ops::Taken;
use super::path::Follow;
use super::testing::tree;
use super::*;

const NAMES: [&str; 14] =
    ["a", "b", "c", "a/b", "a/c", "b/a", "a/b/c", "a/", "b/.", "a/..", "c/../a", "l", "l/a", "a/b/.."];
const TARGETS: [&str; 6] = ["a", "b/a", "../w/c", "l", "missing", "./"];
const FLAGS: [u32; 10] = [
    linux::O_RDONLY,
    linux::O_WRONLY,
    linux::O_RDWR | linux::O_CREAT,
    linux::O_RDWR | linux::O_CREAT | linux::O_EXCL,
    linux::O_RDONLY | linux::O_DIRECTORY,
    linux::O_RDONLY | linux::O_NOFOLLOW,
    linux::O_WRONLY | linux::O_TRUNC,
    linux::O_WRONLY | linux::O_APPEND,
    linux::O_WRONLY | linux::O_CREAT | linux::O_NOFOLLOW,
    linux::O_RDWR | linux::O_DIRECTORY,
];

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % end
    }
}

#[derive(Debug)]
enum Step {
    Open(&'static str, u32),
    Mkdir(&'static str),
    Rmdir(&'static str),
    Unlink(&'static str),
    Rename(&'static str, &'static str),
    Link(&'static str, &'static str),
    Symlink(&'static str, &'static str),
    Readlink(&'static str),
    Stat(&'static str, Follow),
}

fn step(random: &mut Random) -> Step {
    let name = NAMES[random.below(NAMES.len())];
    let other = NAMES[random.below(NAMES.len())];
    match random.below(12) {
        0..3 => Step::Open(name, FLAGS[random.below(FLAGS.len())]),
        3 | 4 => Step::Mkdir(name),
        5 => Step::Rmdir(name),
        6 => Step::Unlink(name),
        7 => Step::Rename(name, other),
        8 => Step::Link(name, other),
        9 => Step::Symlink(TARGETS[random.below(TARGETS.len())], name),
        10 => Step::Readlink(name),
        _ => Step::Stat(name, if random.below(2) == 0 { Follow::Yes } else { Follow::No }),
    }
}

/// What both sides answer: text, or the number of the error.
type Answer = Result<String, i32>;

fn ours(vfs: &mut Vfs, step: &Step) -> Answer {
    let cwd = vfs.cwd.clone();
    let start = || cwd.clone();
    let done = |result: Result<(), Errno>| result.map(|()| String::new());
    let answer = match *step {
        Step::Open(name, flags) => vfs.open(start(), name.as_bytes(), flags, 0o666).and_then(|file| {
            if file.ram().is_some_and(|node| node.kind() == Kind::Dir) {
                // Directories have sizes of their own on every file system.
                return Ok("dir".to_string());
            }
            if file.is_writable() {
                file.write(&mut &b"12345"[..], None)?;
            }
            Ok(file.size().to_string())
        }),
        Step::Mkdir(name) => done(vfs.make_dir(start(), name.as_bytes(), 0o777)),
        Step::Rmdir(name) => done(vfs.remove_dir(start(), name.as_bytes())),
        Step::Unlink(name) => done(vfs.unlink(start(), name.as_bytes())),
        Step::Rename(old, new) => {
            done(vfs.rename((start(), old.as_bytes()), (start(), new.as_bytes()), Taken::Replace))
        }
        Step::Link(old, new) => done(
            vfs.resolve(start(), old.as_bytes(), Follow::No)
                .and_then(|place| vfs.hard_link(&place, start(), new.as_bytes())),
        ),
        Step::Symlink(target, name) => done(vfs.make_link(target.as_bytes(), start(), name.as_bytes())),
        Step::Readlink(name) => vfs
            .resolve(start(), name.as_bytes(), Follow::No)
            .and_then(|place| vfs.link_text(&place.node))
            .map(|text| String::from_utf8(text).unwrap()),
        Step::Stat(name, follow) => vfs.resolve(start(), name.as_bytes(), follow).map(|place| {
            let meta = vfs.meta(&place.node);
            describe(meta.mode, meta.links, meta.size)
        }),
    };
    answer.map_err(|errno| errno.0)
}

fn describe(mode: u32, links: u32, size: u64) -> String {
    let is_dir = mode & linux::S_IFMT == linux::S_IFDIR;
    let (links, size) = if is_dir { (0, 0) } else { (links, size) };
    format!("{:o} {links} {size}", mode & linux::S_IFMT)
}

fn theirs(root: &Path, step: &Step) -> Answer {
    // `join` would drop a final "/." or "/", so paths are glued.
    let path = |name: &str| PathBuf::from(format!("{}/{name}", root.display()));
    let done = |result: std::io::Result<()>| result.map(|()| String::new());
    let answer = match *step {
        Step::Open(name, flags) => {
            let access = flags & linux::O_ACCMODE;
            let mut options = fs::OpenOptions::new();
            options.read(access != linux::O_WRONLY).write(access != linux::O_RDONLY);
            // O_CREAT and the like go through as they are.
            options.custom_flags((flags & !linux::O_ACCMODE) as i32).mode(0o666);
            options.open(path(name)).and_then(|mut file| {
                let meta = file.metadata()?;
                if meta.is_dir() {
                    return Ok("dir".to_string());
                }
                if access != linux::O_RDONLY {
                    file.write_all(b"12345")?;
                }
                Ok(file.metadata()?.len().to_string())
            })
        }
        Step::Mkdir(name) => done(fs::create_dir(path(name))),
        Step::Rmdir(name) => done(fs::remove_dir(path(name))),
        Step::Unlink(name) => done(fs::remove_file(path(name))),
        Step::Rename(old, new) => done(fs::rename(path(old), path(new))),
        Step::Link(old, new) => done(fs::hard_link(path(old), path(new))),
        Step::Symlink(target, name) => done(std::os::unix::fs::symlink(target, path(name))),
        Step::Readlink(name) => fs::read_link(path(name)).map(|text| text.to_str().unwrap().to_string()),
        Step::Stat(name, follow) => {
            let meta = if follow == Follow::Yes {
                fs::metadata(path(name))
            } else {
                fs::symlink_metadata(path(name))
            };
            meta.map(|meta| describe(meta.mode(), meta.nlink() as u32, meta.len()))
        }
    };
    answer.map_err(|error| error.raw_os_error().unwrap())
}

fn forget(vfs: &mut Vfs, path: &[u8]) {
    let place = vfs.resolve(vfs.root(), path, Follow::No).unwrap();
    let mut entries = Vec::new();
    vfs.list(&place, 2, &mut |entry| {
        entries.push(([path, b"/", entry.name].concat(), entry.kind));
        true
    })
    .unwrap();
    for (path, kind) in entries {
        if kind == Kind::Dir {
            forget(vfs, &path);
            vfs.remove_dir(vfs.root(), &path).unwrap();
        } else {
            vfs.unlink(vfs.root(), &path).unwrap();
        }
    }
}

#[test]
fn names_behave_as_on_the_linux_below() {
    let root = std::env::temp_dir().join(format!("hypercell-vfs-{}", std::process::id()));
    let work = root.join("w");
    let mut vfs = tree();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut differences = std::collections::BTreeMap::new();
    for _ in 0..200 {
        forget(&mut vfs, b"/tmp");
        vfs.make_dir(vfs.root(), b"/tmp/w", 0o777).unwrap();
        vfs.cwd = vfs.resolve(vfs.root(), b"/tmp/w", Follow::Yes).unwrap();
        fs::create_dir_all(&work).unwrap();
        let mut history = Vec::new();
        for _ in 0..60 {
            let step = step(&mut random);
            let (ours, theirs) = (ours(&mut vfs, &step), theirs(&work, &step));
            history.push(format!("{step:?} -> {theirs:?}"));
            if ours != theirs {
                let key = format!("{step:?}: ours {ours:?}, Linux {theirs:?}");
                differences.entry(key).or_insert(history);
                break;
            }
        }
        fs::remove_dir_all(&root).unwrap();
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

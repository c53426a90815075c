//! Names that change while the gate resolves them.
//!
//! Evidence: each test counts how often either outcome came up, and fails if the race did not happen.
#![expect(clippy::disallowed_methods, reason = "the tests make and look at the files")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hypercell_abi::message::FileRequest;
use rustix::io::Errno;

use super::{Case, SECRET, at};
use crate::gate::mount::Answer;
use crate::limits::Limits;

/// Runs `swap` over and over on another thread while `look` runs here, until `look` has seen enough.
fn race(swap: impl Fn() + Send + 'static, mut look: impl FnMut() -> bool) {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let thread = std::thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            swap();
        }
    });
    let start = Instant::now();
    let mut has_seen_enough = false;
    while !has_seen_enough && start.elapsed() < Duration::from_secs(60) {
        has_seen_enough = look();
    }
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("no panic");
    assert!(has_seen_enough, "the race did not happen within a minute");
}

/// Exchanges two names in one step.
fn exchange(one: &Path, other: &Path) {
    let flags = rustix::fs::RenameFlags::EXCHANGE;
    rustix::fs::renameat_with(rustix::fs::CWD, one, rustix::fs::CWD, other, flags).expect("exchanged");
}

#[test]
fn file_swapped_with_a_link_out_while_it_is_opened_never_leaks() {
    let mut case = Case::new(true);
    let (file, link) = (case.path("file"), case.path("link"));
    symlink(case.outside.path().join("secret"), &link).expect("a link");
    let (mut good, mut denied) = (0, 0);
    race(
        move || exchange(&file, &link),
        || {
            match case.contents(b"file") {
                Ok(data) => {
                    assert_eq!(data, b"0123456789");
                    good += 1;
                }
                Err(Errno::ACCESS) => denied += 1,
                Err(other) => panic!("{other}"),
            }
            good > 500 && denied > 500
        },
    );
}

#[test]
fn directory_swapped_with_a_link_out_while_a_path_goes_through_it_never_leaks() {
    let mut case = Case::new(true);
    fs::write(case.path("dir/secret"), "mine").expect("a file");
    let (dir, link) = (case.path("dir"), case.path("link"));
    symlink(case.outside.path(), &link).expect("a link");
    let outside = case.outside.path().to_owned();
    let (mut good, mut denied) = (0, 0);
    race(
        move || exchange(&dir, &link),
        || {
            match case.contents(b"dir/secret") {
                Ok(data) => {
                    assert_eq!(data, b"mine");
                    good += 1;
                }
                Err(Errno::ACCESS) => denied += 1,
                Err(other) => panic!("{other}"),
            }
            case.budgets = case.gate.budgets(&Limits::default());
            let made = case.answer(&FileRequest::MakeDir { at: at(b"dir/new"), mode: 0o755 });
            if made == Answer::Done {
                case.answer(&FileRequest::RemoveDir { at: at(b"dir/new") });
            }
            case.answer(&FileRequest::Unlink { at: at(b"dir/new") });
            good > 500 && denied > 500
        },
    );
    assert_eq!(fs::read_dir(&outside).expect("a directory").count(), 1, "nothing was made there");
    assert_eq!(fs::read_to_string(outside.join("secret")).expect("untouched"), SECRET);
}

#[test]
fn directory_moved_out_while_a_link_climbs_through_it_never_leaks() {
    // `a/b/up` leads to `../../file`: inside as long as `b` is where it was, outside once `b` is moved away.
    let mut case = Case::new(true);
    fs::create_dir_all(case.path("a/b")).expect("directories");
    symlink("../../file", case.path("a/b/up")).expect("a link");
    fs::write(case.outside.path().join("file"), SECRET).expect("a file");
    let (home, away) = (case.path("a/b"), case.outside.path().join("b"));
    let (mut good, mut gone) = (0, 0);
    race(
        move || {
            fs::rename(&home, &away).expect("moved out");
            fs::rename(&away, &home).expect("moved back");
        },
        || {
            match case.contents(b"a/b/up") {
                Ok(data) => {
                    assert_eq!(data, b"0123456789");
                    good += 1;
                }
                Err(Errno::NOENT | Errno::ACCESS | Errno::AGAIN) => gone += 1,
                Err(other) => panic!("{other}"),
            }
            good > 100 && gone > 100
        },
    );
}

#[test]
fn file_swapped_with_a_fifo_while_it_is_opened_never_waits() {
    let mut case = Case::new(true);
    let (file, fifo) = (case.path("file"), case.path("fifo"));
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo").success());
    let (mut good, mut denied) = (0, 0);
    race(
        move || exchange(&file, &fifo),
        || {
            let start = Instant::now();
            match case.contents(b"file") {
                Ok(data) => {
                    assert_eq!(data, b"0123456789");
                    good += 1;
                }
                Err(Errno::ACCESS) => denied += 1,
                Err(other) => panic!("{other}"),
            }
            assert!(start.elapsed() < Duration::from_secs(10), "it waited");
            good > 500 && denied > 500
        },
    );
}

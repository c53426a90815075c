//! Requests made at random from pieces that mean something, as a guest kernel that was taken over could send them.
//!
//! Evidence: what lies outside of the mount is compared afterwards, and reads are compared with what may be read. The
//! counts at the end show that the requests got somewhere.
#![expect(clippy::disallowed_methods, reason = "the tests make and look at the files")]

use std::fs;
use std::os::unix::fs::symlink;

use hypercell_abi::message::{FilePath, FileRequest, OpenFlags};

use super::{Case, SECRET};
use crate::gate::mount::Answer;
use crate::limits::Limits;

const REQUESTS: usize = 40_000;
const NAMES: [&str; 14] =
    ["file", "dir", "inner", "out", "up", "absolute", "new", "..", ".", "", "secret", "x\0y", "fifo", "loop"];
const FLAGS: [OpenFlags; 7] = [
    OpenFlags::READ,
    OpenFlags::WRITE,
    OpenFlags::APPEND,
    OpenFlags::CREATE,
    OpenFlags::EXCLUSIVE,
    OpenFlags::TRUNCATE,
    OpenFlags::DIRECTORY,
];

/// A small generator, the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).expect("small")).expect("small")
    }

    fn path(&mut self) -> Vec<u8> {
        let names: Vec<&str> = (0..=self.below(3)).map(|_| NAMES[self.below(NAMES.len())]).collect();
        names.join("/").into_bytes()
    }

    /// Small ones, and those near an edge.
    fn number(&mut self) -> u64 {
        let edge = [0, 1, u64::MAX, 1 << 63, (1 << 63) - 1, 1 << 32, 4096, 98_304][self.below(8)];
        if self.below(2) == 0 { self.next() % 40 } else { edge }
    }
}

fn ask(case: &mut Case, random: &mut Random) -> Answer {
    let (path, to) = (random.path(), random.path());
    let at = FilePath { mount: random.next() % 16 / 15, path: &path };
    let handle = random.next() % 64;
    let (one, two) = (random.number(), random.number());
    let time = |random: &mut Random| (random.below(2) == 0).then(|| random.next().cast_signed());
    let request = match random.below(17) {
        0..=3 => {
            let flags = (0..=random.below(3)).map(|_| FLAGS[random.below(FLAGS.len())]);
            FileRequest::Open { at, flags: flags.fold(OpenFlags::default(), OpenFlags::with), mode: one }
        }
        4 => FileRequest::Stat { at, follow: one.is_multiple_of(2) },
        5 => FileRequest::StatHandle { handle },
        6 => FileRequest::Read { handle, offset: one, len: two, need: one },
        7 => FileRequest::Write { handle, offset: one, data: &to },
        8 => FileRequest::Truncate { handle, len: one },
        9 => FileRequest::List { handle },
        10 => FileRequest::Close { handle },
        11 => FileRequest::MakeDir { at, mode: one },
        12 => FileRequest::Unlink { at },
        13 => FileRequest::RemoveDir { at },
        14 => FileRequest::Rename { at, to: &to },
        15 => FileRequest::SetMode { at, mode: one | 0o600 },
        _ => FileRequest::SetTimes { at, accessed: time(random), modified: time(random) },
    };
    // A limit would end the run; the next one begins with new budgets.
    case.ask(&request).unwrap_or_else(|_| {
        case.budgets = case.gate.budgets(&Limits::default());
        Answer::Done
    })
}

/// Puts back what requests may have removed.
fn set_up(case: &Case) {
    let links = [("out", "../outside"), ("up", ".."), ("absolute", "/etc"), ("loop", "loop")];
    for (name, target) in links {
        let _ = symlink(target, case.path(name));
    }
    let _ = symlink(case.outside.path(), case.path("dir/out"));
    let _ = symlink(case.outside.path().join("secret"), case.path("secret"));
    let _ = std::process::Command::new("mkfifo").arg(case.path("fifo")).output();
    let _ = fs::write(case.path("file"), "mine");
}

#[test]
fn requests_of_any_kind_neither_reach_out_nor_break_the_gate() {
    let mut case = Case::new(true);
    let before = fs::symlink_metadata(case.outside.path().join("secret")).expect("a file");
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut opened, mut failed) = (0, 0);
    for count in 0..REQUESTS {
        if count % 2000 == 0 {
            set_up(&case);
            case.gate.close_all();
        }
        match ask(&mut case, &mut random) {
            Answer::Data(data) => assert!(!data.starts_with(&SECRET.as_bytes()[..6]), "{data:?}"),
            Answer::Opened { .. } => opened += 1,
            Answer::Failed(_) => failed += 1,
            _ => {}
        }
    }
    let secret = case.outside.path().join("secret");
    assert_eq!(fs::read_to_string(&secret).expect("untouched"), SECRET);
    let after = fs::symlink_metadata(&secret).expect("a file");
    assert_eq!((before.permissions(), before.modified().ok()), (after.permissions(), after.modified().ok()));
    assert_eq!(fs::read_dir(case.outside.path()).expect("a directory").count(), 1);
    assert!(opened > 200 && failed > 5000, "{opened} {failed}");
}

//! The system calls on files as a program makes them, with addresses of its memory.

mod waiting;

use std::sync::MutexGuard;

use linux_raw_sys::general as linux;
use linux_raw_sys::{ioctl, net};

use super::{descriptor, io, path, socket, stat};
use crate::errno::{Args, Errno, SysResult};
use crate::syscall::{poll, table};
use crate::user::testing::Memory;
use crate::vfs::outside::stand_in::{FRAME, OUTPUT, SLEPT};
use crate::vfs::path::Follow;
use crate::vfs::{self, testing};

type Handler = fn(&Args) -> SysResult;

const AT_FDCWD: u64 = linux::AT_FDCWD as u64;
const CREATE: u64 = (linux::O_CREAT | linux::O_RDWR) as u64;

fn call<const N: usize>(handler: Handler, values: [u64; N]) -> SysResult {
    let mut args = [0; 6];
    args[..N].copy_from_slice(&values);
    handler(&Args(args))
}

fn open(name: &str, flags: u64) -> SysResult {
    call(path::sys_openat, [AT_FDCWD, Memory::of(name.as_bytes()).address(), flags, 0o644])
}

fn write(fd: u64, bytes: &[u8]) -> SysResult {
    call(io::sys_write, [fd, Memory::of(bytes).address(), bytes.len() as u64])
}

fn read(fd: u64, len: usize) -> Result<Vec<u8>, Errno> {
    let memory = Memory::new(len);
    let n = call(io::sys_read, [fd, memory.address(), len as u64])?;
    Ok(memory.get(0, n as usize))
}

fn pair(handler: Handler, mut args: Vec<u64>) -> (u64, u64) {
    let memory = Memory::new(8);
    args.push(memory.address());
    args.resize(6, 0);
    let args = if handler as usize == descriptor::sys_pipe2 as Handler as usize {
        [memory.address(), args[0], 0, 0, 0, 0]
    } else {
        [args[0], args[1], args[2], args[3], 0, 0]
    };
    assert_eq!(handler(&Args(args)), Ok(0));
    let word = |at| u64::from(u32::from_le_bytes(memory.get(at, 4).try_into().unwrap()));
    (word(0), word(4))
}

fn pipe(flags: u32) -> (u64, u64) {
    pair(descriptor::sys_pipe2, vec![u64::from(flags)])
}

fn sockets() -> (u64, u64) {
    pair(socket::sys_socketpair, vec![u64::from(net::AF_UNIX), u64::from(net::SOCK_STREAM), 0])
}

fn start() -> MutexGuard<'static, ()> {
    let guard = testing::global();
    OUTPUT.take();
    SLEPT.set(0);
    guard
}

#[test]
fn output_goes_to_the_host_and_input_is_at_its_end() {
    let _guard = start();
    assert_eq!(write(1, b"hello"), Ok(5));
    assert_eq!(write(2, b"oops"), Ok(4));
    assert_eq!(OUTPUT.take(), [(1, b"hello".to_vec()), (2, b"oops".to_vec())]);
    assert_eq!(read(0, 10), Ok(vec![]));
    assert_eq!(write(0, b"x"), Err(Errno::EBADF));
    assert_eq!(read(1, 1), Err(Errno::EBADF));
    assert_eq!(call(io::sys_lseek, [1, 0, 0]), Err(Errno::ESPIPE));
    let fd = open("/dev/stdout", u64::from(linux::O_WRONLY)).unwrap();
    assert_eq!(write(fd, b"again"), Ok(5));
    assert_eq!(OUTPUT.take(), [(1, b"again".to_vec())]);
}

#[test]
fn long_output_leaves_in_pieces() {
    let _guard = start();
    assert_eq!(write(1, &[b'x'; 150_000]), Ok(150_000));
    let lens: Vec<usize> = OUTPUT.take().iter().map(|(_, bytes)| bytes.len()).collect();
    assert_eq!(lens, [65_536, 65_536, 18_928]);
}

#[test]
fn frames_pass_through_the_device() {
    let _guard = start();
    let fd = open("/dev/hypercell", u64::from(linux::O_RDWR)).unwrap();
    assert_eq!(write(fd, b"a frame"), Ok(7));
    FRAME.set(b"an answer".to_vec());
    assert_eq!(read(fd, 3), Ok(b"an ".to_vec()));
    assert_eq!(read(fd, 100), Ok(b"answer".to_vec()));
    assert_eq!(read(fd, 1), Err(Errno::EIO));
    let memory = Memory::new(8192);
    assert_eq!(call(io::sys_write, [fd, memory.address(), 1 << 30]), Err(Errno::EMSGSIZE));
    assert_eq!(call(io::sys_write, [fd, memory.address(), 8193]), Err(Errno::EFAULT));
}

#[test]
fn devices_behave_as_their_names_say() {
    let _guard = start();
    let rw = u64::from(linux::O_RDWR);
    let fd = open("/dev/zero", rw).unwrap();
    assert_eq!(read(fd, 5000), Ok(vec![0; 5000]));
    let fd = open("/dev/full", rw).unwrap();
    assert_eq!(write(fd, b"x"), Err(Errno::ENOSPC));
    let fd = open("/dev/urandom", rw).unwrap();
    assert_eq!(read(fd, 40), Ok(vec![0x5a; 40]));
    let fd = open("/dev/null", rw).unwrap();
    assert_eq!((write(fd, b"xyz"), read(fd, 3)), (Ok(3), Ok(vec![])));
}

#[test]
fn reading_and_writing_move_the_offset() {
    let _guard = start();
    let fd = open("f", CREATE).unwrap();
    assert_eq!(write(fd, b"0123456789"), Ok(10));
    let seek = |by: i64, whence: u32| call(io::sys_lseek, [fd, by as u64, u64::from(whence)]);
    assert_eq!(seek(-4, linux::SEEK_END), Ok(6));
    assert_eq!(read(fd, 2), Ok(b"67".to_vec()));
    assert_eq!(seek(1, linux::SEEK_CUR), Ok(9));
    assert_eq!(seek(3, linux::SEEK_DATA), Ok(3));
    assert_eq!(seek(3, linux::SEEK_HOLE), Ok(10));
    assert_eq!(seek(10, linux::SEEK_DATA), Err(Errno::ENXIO));
    assert_eq!(seek(-11, linux::SEEK_END), Err(Errno::EINVAL));
    assert_eq!(seek(i64::MAX, linux::SEEK_CUR), Err(Errno::EOVERFLOW));
    assert_eq!(seek(0, 9), Err(Errno::EINVAL));
    let memory = Memory::new(16);
    assert_eq!(call(io::sys_pread64, [fd, memory.address(), 4, 8]), Ok(2));
    assert_eq!(call(io::sys_pread64, [fd, memory.address(), 4, u64::MAX]), Err(Errno::EINVAL));
    assert_eq!(call(io::sys_pread64, [1, memory.address(), 4, 0]), Err(Errno::EBADF));
    assert_eq!(seek(0, linux::SEEK_CUR), Ok(10));
}

#[test]
fn bad_buffers_are_efault_or_a_short_count() {
    let _guard = start();
    let fd = open("/lib/a.py", 0).unwrap();
    let memory = Memory::new(4096);
    assert_eq!(call(io::sys_read, [fd, memory.end(), 4]), Err(Errno::EFAULT));
    assert_eq!(call(io::sys_read, [fd, 0, 4]), Err(Errno::EFAULT));
    assert_eq!(call(io::sys_read, [fd, u64::MAX, 4]), Err(Errno::EFAULT));
    assert_eq!(call(io::sys_read, [fd, memory.address(), u64::MAX]), Err(Errno::EFAULT));
    assert_eq!(call(io::sys_read, [fd, memory.address(), 0]), Ok(0));
    assert_eq!(call(io::sys_read, [fd, Memory::read_only(9).address(), 4]), Err(Errno::EFAULT));
    assert_eq!(call(path::sys_open, [0, 0, 0]), Err(Errno::EFAULT));
    assert_eq!(call(io::sys_readv, [fd, memory.end() - 8, 1]), Err(Errno::EFAULT));
    assert_eq!(call(stat::sys_fstat, [fd, memory.end() - 100]), Err(Errno::EFAULT));
    assert_eq!(call(descriptor::sys_pipe2, [memory.end(), 0]), Err(Errno::EFAULT));
    assert_eq!(open("x", CREATE), Ok(fd + 1), "a failed pipe leaves no descriptors");
}

#[test]
fn stat_shows_what_is_there() {
    let _guard = start();
    let memory = Memory::new(256);
    let name = Memory::of(b"/lib/a.py");
    assert_eq!(call(stat::sys_stat, [name.address(), memory.address()]), Ok(0));
    let word =
        |at: usize, len: usize| memory.get(at, len).iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b));
    assert_eq!(word(24, 4), 0o100_644);
    assert_eq!((word(48, 8), word(88, 8)), (9, 1234));
    let link = Memory::of(b"/etc/loop");
    assert_eq!(call(stat::sys_stat, [link.address(), memory.address()]), Err(Errno::ELOOP));
    assert_eq!(call(stat::sys_lstat, [link.address(), memory.address()]), Ok(0));
    assert_eq!(word(24, 4) as u32 & linux::S_IFMT, linux::S_IFLNK);
    let empty = Memory::of(b"");
    let flag = u64::from(linux::AT_EMPTY_PATH);
    assert_eq!(call(stat::sys_newfstatat, [1, empty.address(), memory.address(), flag]), Ok(0));
    assert_eq!(word(24, 4) as u32 & linux::S_IFMT, linux::S_IFIFO);
    assert_eq!(call(stat::sys_newfstatat, [1, empty.address(), memory.address(), 0]), Err(Errno::ENOENT));
    assert_eq!(call(stat::sys_newfstatat, [1, 0, memory.address(), flag]), Ok(0));
    assert_eq!(call(stat::sys_statx, [AT_FDCWD, name.address(), 0, 0xfff, memory.address()]), Ok(0));
    assert_eq!((word(28, 2), word(40, 8)), (0o100_644, 9));
    assert_eq!(
        call(stat::sys_newfstatat, [AT_FDCWD, name.address(), memory.address(), 1 << 30]),
        Err(Errno::EINVAL)
    );
}

#[test]
fn access_knows_read_only_files_and_execute_bits() {
    let _guard = start();
    let access = |name: &str, wanted: u32| {
        call(stat::sys_access, [Memory::of(name.as_bytes()).address(), u64::from(wanted)])
    };
    assert_eq!(access("/lib/a.py", linux::R_OK), Ok(0));
    assert_eq!(access("/lib/a.py", linux::X_OK), Err(Errno::EACCES));
    assert_eq!(access("/lib/run", linux::X_OK), Ok(0));
    assert_eq!(access("/lib/run", linux::W_OK), Err(Errno::EROFS));
    assert_eq!(access("/tmp", linux::W_OK | linux::X_OK), Ok(0));
    assert_eq!(access("/dev/null", linux::W_OK), Ok(0));
    assert_eq!(access("/nowhere", 0), Err(Errno::ENOENT));
    assert_eq!(access("/tmp", 8), Err(Errno::EINVAL));
}

#[test]
fn listings_come_in_records_that_fit_the_buffer() {
    let _guard = start();
    for i in 0..50 {
        open(&format!("file-{i:02}"), CREATE).unwrap();
    }
    let fd = open("/tmp", u64::from(linux::O_DIRECTORY)).unwrap();
    let memory = Memory::new(4096);
    assert_eq!(call(descriptor::sys_getdents64, [fd, memory.address(), 20]), Err(Errno::EINVAL));
    let mut names = Vec::new();
    loop {
        let n = call(descriptor::sys_getdents64, [fd, memory.address(), 200]).unwrap() as usize;
        if n == 0 {
            break;
        }
        let bytes = memory.get(0, n);
        let mut at = 0;
        while at < n {
            let len = usize::from(u16::from_le_bytes([bytes[at + 16], bytes[at + 17]]));
            let name: Vec<u8> = bytes[at + 19..at + len].iter().copied().take_while(|&b| b != 0).collect();
            let expected = if name.starts_with(b".") { linux::DT_DIR } else { linux::DT_REG };
            assert_eq!(u32::from(bytes[at + 18]), expected);
            names.push(name);
            at += len;
        }
        assert_eq!(at, n);
    }
    assert_eq!(names.len(), 52);
    assert_eq!(call(io::sys_lseek, [fd, 0, 0]), Ok(0));
    assert_eq!(call(descriptor::sys_getdents64, [fd, memory.address(), 24]), Ok(24));
    assert_eq!(call(descriptor::sys_getdents64, [1, memory.address(), 24]), Err(Errno::ENOTDIR));
}

#[test]
fn the_working_directory_moves_and_is_told() {
    let _guard = start();
    let memory = Memory::new(64);
    let cwd = || call(path::sys_getcwd, [memory.address(), 64]).map(|n| memory.get(0, n as usize));
    assert_eq!(cwd(), Ok(b"/tmp\0".to_vec()));
    assert_eq!(call(path::sys_chdir, [Memory::of(b"/etc/up").address()]), Ok(0));
    assert_eq!(cwd(), Ok(b"/python/lib\0".to_vec()));
    assert_eq!(call(path::sys_getcwd, [memory.address(), 4]), Err(Errno::ERANGE));
    assert_eq!(call(path::sys_chdir, [Memory::of(b"a.py").address()]), Err(Errno::ENOTDIR));
    let fd = open("/", u64::from(linux::O_PATH)).unwrap();
    assert_eq!(call(path::sys_fchdir, [fd]), Ok(0));
    assert_eq!(cwd(), Ok(b"/\0".to_vec()));
}

#[test]
fn times_and_permissions_can_be_set_in_memory_only() {
    let _guard = start();
    let fd = open("f", CREATE).unwrap();
    let mut times = Memory::new(32);
    for (at, value) in [(0, 10u64), (8, 20), (16, 30), (24, u64::from(linux::UTIME_OMIT))] {
        times.set(at, &value.to_le_bytes());
    }
    assert_eq!(call(path::sys_utimensat, [fd, 0, times.address(), 0]), Ok(0));
    let meta = vfs::with(|vfs| Ok(vfs.file_meta(vfs.fds.get(fd as i32)?))).unwrap();
    assert_eq!((meta.accessed.seconds, meta.accessed.nanos), (10, 20));
    assert_eq!(meta.modified.seconds, 1_700_000_000);
    times.set(8, &1_000_000_000u64.to_le_bytes());
    assert_eq!(call(path::sys_utimensat, [fd, 0, times.address(), 0]), Err(Errno::EINVAL));
    assert_eq!(call(path::sys_fchmod, [fd, 0o601]), Ok(0));
    let image = Memory::of(b"/lib/run");
    assert_eq!(call(path::sys_chmod, [image.address(), 0o777]), Err(Errno::EROFS));
    assert_eq!(call(path::sys_utime, [image.address(), 0]), Err(Errno::EROFS));
    assert_eq!(
        call(path::sys_fchmodat, [AT_FDCWD, Memory::of(b"/dev/null").address(), 0]),
        Err(Errno::EPERM)
    );
}

#[test]
fn an_empty_pipe_never_waits() {
    let _guard = start();
    let (r, w) = pipe(0);
    assert_eq!(read(r, 4), Err(Errno::EDEADLK));
    assert_eq!(write(w, b"hello"), Ok(5));
    assert_eq!(read(r, 4), Ok(b"hell".to_vec()));
    assert_eq!(
        call(descriptor::sys_fcntl, [r, u64::from(linux::F_SETFL), u64::from(linux::O_NONBLOCK)]),
        Ok(0)
    );
    assert_eq!(read(r, 4), Ok(b"o".to_vec()));
    assert_eq!(read(r, 4), Err(Errno::EAGAIN));
    assert_eq!((write(r, b"x"), read(w, 1)), (Err(Errno::EBADF), Err(Errno::EBADF)));
    assert_eq!(call(descriptor::sys_close, [w]), Ok(0));
    assert_eq!(read(r, 4), Ok(vec![]));
    let (r, w) = pipe(0);
    assert_eq!(call(descriptor::sys_close, [r]), Ok(0));
    assert_eq!(write(w, b"x"), Err(Errno::EPIPE));
}

#[test]
fn a_full_pipe_takes_what_fits_and_never_waits() {
    let _guard = start();
    let (r, w) = pipe(linux::O_NONBLOCK);
    assert_eq!(write(w, &[1; 70_000]), Ok(65_536));
    assert_eq!(write(w, &[1; 100]), Err(Errno::EAGAIN));
    assert_eq!(read(r, 200).map(|b| b.len()), Ok(200));
    assert_eq!(write(w, &[1; 300]), Err(Errno::EAGAIN), "short writes are whole or not at all");
    assert_eq!(write(w, &[1; 200]), Ok(200));
    let memory = Memory::new(8);
    assert_eq!(call(descriptor::sys_ioctl, [r, u64::from(ioctl::FIONREAD), memory.address()]), Ok(0));
    assert_eq!(memory.get(0, 4), 65_536u32.to_le_bytes());
    let (_, w) = pipe(0);
    assert_eq!(write(w, &[1; 65_536]), Ok(65_536));
    assert_eq!(write(w, &[1; 1]), Err(Errno::EDEADLK));
}

#[test]
fn a_duplicated_end_keeps_the_pipe_open() {
    let _guard = start();
    let (r, w) = pipe(0);
    let copy = call(descriptor::sys_dup, [w]).unwrap();
    assert_eq!(call(descriptor::sys_dup2, [w, 100]), Ok(100));
    assert_eq!(call(descriptor::sys_close, [w]), Ok(0));
    assert_eq!(call(descriptor::sys_dup2, [r, 100]), Ok(100));
    assert_eq!(read(r, 1), Err(Errno::EDEADLK));
    assert_eq!(call(descriptor::sys_close_range, [copy, copy, 0]), Ok(0));
    assert_eq!(read(r, 1), Ok(vec![]));
    assert_eq!(call(descriptor::sys_dup3, [r, r, 0]), Err(Errno::EINVAL));
    assert_eq!(call(descriptor::sys_dup2, [r, 1024]), Err(Errno::EBADF));
    assert_eq!(call(descriptor::sys_fcntl, [r, u64::from(linux::F_DUPFD), 1024]), Err(Errno::EINVAL));
    assert_eq!(call(descriptor::sys_close_range, [3, u64::from(u32::MAX), 0]), Ok(0));
    assert_eq!(call(descriptor::sys_close, [100]), Err(Errno::EBADF));
}

#[test]
fn connected_sockets_talk_in_both_directions() {
    let _guard = start();
    let (a, b) = sockets();
    assert_eq!((write(a, b"ping"), write(b, b"pong")), (Ok(4), Ok(4)));
    let memory = Memory::new(64);
    let receive =
        |fd: u64, flags: u32| call(socket::sys_recvfrom, [fd, memory.address(), 64, u64::from(flags), 0, 0]);
    assert_eq!((receive(b, net::MSG_PEEK), receive(b, 0)), (Ok(4), Ok(4)));
    assert_eq!(receive(b, net::MSG_DONTWAIT), Err(Errno::EAGAIN));
    assert_eq!(receive(b, 0), Err(Errno::EDEADLK));
    assert_eq!(call(socket::sys_shutdown, [b, u64::from(net::SHUT_WR)]), Ok(0));
    assert_eq!(write(b, b"x"), Err(Errno::EPIPE));
    assert_eq!((receive(a, 0), receive(a, 0)), (Ok(4), Ok(0)));
    assert_eq!(call(descriptor::sys_close, [b]), Ok(0));
    assert_eq!(write(a, b"x"), Err(Errno::EPIPE));
    let mut len = Memory::new(4);
    len.set(0, &16u32.to_le_bytes());
    assert_eq!(call(socket::sys_getsockname, [a, memory.address(), len.address()]), Ok(0));
    assert_eq!((memory.get(0, 2), len.get(0, 4)), (vec![1, 0], vec![2, 0, 0, 0]));
    assert_eq!(call(socket::sys_getsockname, [1, memory.address(), len.address()]), Err(Errno::ENOTSOCK));
    assert_eq!(call(socket::sys_socketpair, [2, 1, 0, memory.address()]), Err(Errno::EAFNOSUPPORT));
}

#[test]
fn counters_add_up_and_reset() {
    let _guard = start();
    let fd = call(descriptor::sys_eventfd2, [3, 0]).unwrap();
    assert_eq!(write(fd, &4u64.to_le_bytes()), Ok(8));
    assert_eq!(read(fd, 8), Ok(7u64.to_le_bytes().to_vec()));
    assert_eq!(read(fd, 8), Err(Errno::EDEADLK));
    assert_eq!(read(fd, 7), Err(Errno::EINVAL));
    assert_eq!(write(fd, &u64::MAX.to_le_bytes()), Err(Errno::EINVAL));
    let flags = u64::from(linux::EFD_SEMAPHORE | linux::EFD_NONBLOCK);
    let fd = call(descriptor::sys_eventfd2, [2, flags]).unwrap();
    assert_eq!(read(fd, 8), Ok(1u64.to_le_bytes().to_vec()));
    assert_eq!(write(fd, &(u64::MAX - 1).to_le_bytes()), Err(Errno::EAGAIN));
}

#[test]
fn copies_between_files_move_the_right_offsets() {
    let _guard = start();
    let from = open("/lib/a.py", 0).unwrap();
    let to = open("copy", CREATE).unwrap();
    let mut at = Memory::new(8);
    at.set(0, &2u64.to_le_bytes());
    assert_eq!(call(io::sys_sendfile, [to, from, at.address(), 3]), Ok(3));
    assert_eq!(at.get(0, 8), 5u64.to_le_bytes());
    assert_eq!(call(io::sys_copy_file_range, [from, 0, to, 0, 100, 0]), Ok(9));
    assert_eq!(call(io::sys_lseek, [to, 0, 0]), Ok(0));
    assert_eq!(read(to, 100), Ok(b"intprint(1)\n".to_vec()));
    assert_eq!(call(io::sys_sendfile, [1, from, at.address(), 100]), Ok(4));
    assert_eq!(OUTPUT.take(), [(1, b"(1)\n".to_vec())]);
    let (r, _) = pipe(0);
    assert_eq!(call(io::sys_sendfile, [to, r, 0, 1]), Err(Errno::EINVAL));
    assert_eq!(call(io::sys_copy_file_range, [from, 0, 1, 0, 1, 0]), Err(Errno::EINVAL));
}

#[test]
fn memory_files_work_without_a_name() {
    let _guard = start();
    let fd = call(path::sys_memfd_create, [Memory::of(b"x").address(), 0]).unwrap();
    assert_eq!(write(fd, b"data"), Ok(4));
    let text = Memory::new(64);
    let name = Memory::of(format!("/proc/self/fd/{fd}").as_bytes());
    let n = call(path::sys_readlink, [name.address(), text.address(), 64]).unwrap();
    assert_eq!(text.get(0, n as usize), b"/memfd (deleted)");
    let again = open(&format!("/proc/self/fd/{fd}"), 0).unwrap();
    assert_eq!(read(again, 9), Ok(b"data".to_vec()));
    assert_eq!(call(io::sys_ftruncate, [fd, 1 << 40]), Ok(0));
    assert_eq!(call(io::sys_fallocate, [fd, 0, 0, 1 << 41]), Err(Errno::ENOSPC));
    assert_eq!(call(io::sys_fallocate, [fd, 0, 1, u64::MAX]), Err(Errno::EINVAL));
    assert_eq!(call(io::sys_fallocate, [fd, 0, i64::MAX as u64, 1]), Err(Errno::EFBIG));
}

#[test]
fn random_calls_never_panic() {
    let _guard = start();
    let source = include_str!("../table.rs");
    let mine: Vec<Handler> = table::TABLE
        .iter()
        .filter_map(|row| match row.action {
            table::Action::Call(handler) => Some((row, handler)),
            table::Action::Answer(_) => None,
        })
        .filter(|(row, _)| {
            let line = source
                .lines()
                .find(|line| line.contains(&format!("({}, \"{}\"", row.number, row.name)))
                .unwrap();
            ["io::", "path::", "descriptor::", "stat::", "socket::", "poll::"]
                .iter()
                .any(|family| line.contains(family))
        })
        .map(|(_, handler)| handler)
        .collect();
    assert!(mine.len() > 100, "{}", mine.len());
    let mut memory = Memory::new(16 << 10);
    let names: [&[u8]; 8] =
        [b"f\0", b"d\0", b"/lib/a.py\0", b"../tmp/f\0", b"/proc/self/fd/4\0", b"d/e\0", b"/\0", b"\0"];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let interesting =
        [0, 1, 2, 8, 4095, 4096, 65_536, 1 << 31, u64::MAX, i64::MAX as u64, 1 << 63, AT_FDCWD, 0x7fff_f000];
    for round in 0..200_000 {
        if round % 64 == 0 {
            let at = (next() % 4000) as usize;
            memory.set(at, &next().to_le_bytes());
            memory.set(0, names[(next() % 8) as usize]);
            memory.set(64, names[(next() % 8) as usize]);
        }
        let mut args = [0; 6];
        for value in &mut args {
            *value = match next() % 8 {
                0 | 1 => next() % 16,
                2 => memory.address(),
                3 => memory.address() + 64,
                4 => memory.address() + next() % (17 << 10),
                5 => next() & next() & next(),
                6 => next() % 2048,
                _ => interesting[(next() % interesting.len() as u64) as usize],
            };
        }
        let handler = mine[(next() % mine.len() as u64) as usize];
        let _ = handler(&Args(args));
        OUTPUT.take();
        FRAME.take();
        if round % 500 == 0 {
            let _ = call(descriptor::sys_close_range, [12, u64::from(u32::MAX), 0]);
        }
    }
    assert_eq!(call(descriptor::sys_close_range, [0, u64::from(u32::MAX), 0]), Ok(0));
    vfs::with(|vfs| {
        vfs.cwd = vfs.root();
        for root in ["/tmp", "/dev/shm"] {
            remove_below(vfs, root.as_bytes());
        }
        assert_eq!(vfs.space.used(), 0, "everything stored is counted out again");
        Ok(())
    })
    .unwrap();
}

fn remove_below(vfs: &mut vfs::Vfs, path: &[u8]) {
    let place = vfs.resolve(vfs.root(), path, Follow::No).unwrap();
    let mut entries = Vec::new();
    vfs.list(&place, 2, &mut |entry| {
        entries.push(([path, b"/", entry.name].concat(), entry.kind));
        true
    })
    .unwrap();
    for (path, kind) in entries {
        if kind == vfs::Kind::Dir {
            remove_below(vfs, &path);
            vfs.remove_dir(vfs.root(), &path).unwrap();
        } else {
            vfs.unlink(vfs.root(), &path).unwrap();
        }
    }
}

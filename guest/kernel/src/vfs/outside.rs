//! What the file system asks of the rest of the kernel, in one list; tests put a stand-in here.
//!
//! Before: vfs, syscall/{fs,poll}. After: channel, task, thread, time, mm, rlimit.

#[cfg(not(test))]
pub use crate::channel::{ask_host, device_read, device_write, output, random, take_new_mounts};
#[cfg(not(test))]
pub use crate::mm::{proc_maps, rss_bytes, total_bytes, uncommitted_bytes};
#[cfg(not(test))]
pub use crate::rlimit::soft as soft_limit;
#[cfg(not(test))]
pub use crate::task::file_grew_too_large;
#[cfg(not(test))]
pub use crate::thread::usage::{of_process as used_ns, of_thread as used_by_thread_ns};
#[cfg(not(test))]
pub use crate::thread::{
    count as thread_count, current_tid, files_changed, look_at_files_at, name as thread_name, tids,
    wait_for_files, wait_until_idle,
};
#[cfg(not(test))]
pub use crate::time::{monotonic_ns, realtime_ns};

#[cfg(test)]
pub use stand_in::*;

#[cfg(test)]
pub mod stand_in {
    //! A host and a memory map for tests: output is collected, time stands still unless somebody sleeps.

    #![expect(missing_docs, reason = "named as what they stand in for")]

    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;

    use hypercell_abi::message::{FileReply, FileRequest};
    use hypercell_abi::{FrameHeader, KernelRequest};

    use crate::errno::{Errno, SysResult};
    use crate::thread::Woken;

    /// The monotonic clock before anybody slept.
    const BOOTED: u64 = 5_000_000_000;

    /// Answers a request with a whole frame.
    pub type FakeHost = fn(&FileRequest<'_>) -> KernelRequest<'static>;

    thread_local! {
        /// Everything written to standard output and error.
        pub static OUTPUT: RefCell<Vec<(u32, Vec<u8>)>> = const { RefCell::new(Vec::new()) };
        /// Nanoseconds slept.
        pub static SLEPT: Cell<u64> = const { Cell::new(0) };
        /// Bytes that files may still take.
        pub static ROOM: Cell<u64> = const { Cell::new(64 << 20) };
        /// Whoever answers about files, once `NEW_MOUNTS` is set.
        pub static HOST: Cell<Option<FakeHost>> = const { Cell::new(None) };
        /// The host says that there are mounts.
        pub static NEW_MOUNTS: Cell<bool> = const { Cell::new(false) };
        /// Limits that a test has set, by their numbers.
        pub static LIMITS: RefCell<BTreeMap<u32, u64>> = const { RefCell::new(BTreeMap::new()) };
        /// How often a file was to grow above a limit.
        pub static TOO_LARGE: Cell<u32> = const { Cell::new(0) };
        /// The frame that waits in the channel.
        pub static FRAME: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }

    pub fn device_read(to: &mut [u8]) -> SysResult {
        FRAME.with_borrow_mut(|frame| {
            let n = frame.len().min(to.len());
            to[..n].copy_from_slice(&frame[..n]);
            frame.drain(..n);
            if n == 0 { Err(Errno::EIO) } else { Ok(n as u64) }
        })
    }

    pub fn device_write(frame: &[u8]) -> SysResult {
        FRAME.set(frame.to_vec());
        Ok(frame.len() as u64)
    }

    pub fn ask_host<R>(request: &FileRequest<'_>, _room: usize, take: impl FnOnce(FileReply<'_>) -> R) -> R {
        let host = HOST.get().expect("a test with mounts has a host");
        let frame = host(request).encode(0).expect("within the limits");
        let (header, body) = FrameHeader::split(&frame).expect("a frame");
        match KernelRequest::decode(header.kind, body) {
            Ok(KernelRequest::File(reply)) => take(reply),
            other => panic!("{other:?}"),
        }
    }

    pub fn take_new_mounts() -> bool {
        NEW_MOUNTS.take()
    }

    pub fn output(fd: u32, bytes: &[u8]) -> SysResult {
        OUTPUT.with_borrow_mut(|all| all.push((fd, bytes.to_vec())));
        Ok(bytes.len() as u64)
    }

    pub fn random(to: &mut [u8]) -> Result<(), Errno> {
        to.fill(0x5a);
        Ok(())
    }

    pub fn files_changed() {}

    pub fn look_at_files_at(_: u64) {}

    pub fn thread_count() -> usize {
        2
    }

    /// The first thread and another one, which runs.
    pub fn tids() -> Vec<u64> {
        vec![1, 7]
    }

    pub fn current_tid() -> u64 {
        7
    }

    pub fn thread_name(tid: u64) -> Option<[u8; 16]> {
        match tid {
            1 => Some([0; 16]),
            7 => Some(*b"worker\0\0\0\0\0\0\0\0\0\0"),
            _ => None,
        }
    }

    pub fn used_by_thread_ns(_: u64) -> Option<u64> {
        Some(monotonic_ns() / 4)
    }

    /// Half of the time.
    pub fn used_ns() -> u64 {
        monotonic_ns() / 2
    }

    pub fn soft_limit(resource: u32) -> u64 {
        LIMITS.with_borrow(|limits| limits.get(&resource).copied().unwrap_or(u64::MAX))
    }

    pub fn file_grew_too_large() {
        TOO_LARGE.set(TOO_LARGE.get() + 1);
    }

    pub fn wait_until_idle(_: u64) -> Option<u64> {
        None
    }

    /// Nobody else is there: a wait lasts until its end, or is told that it has none.
    pub fn wait_for_files(deadline: Option<u64>) -> Woken {
        let Some(deadline) = deadline else { return Woken::Deadlock };
        SLEPT.set(SLEPT.get().max(deadline.saturating_sub(BOOTED)));
        Woken::TimedOut
    }

    pub fn proc_maps(out: &mut String) {
        out.push_str("000000400000-000000401000 r-xp 00000000 00:00 0 \n");
    }

    pub fn rss_bytes() -> u64 {
        8 << 20
    }

    pub fn total_bytes() -> u64 {
        64 << 20
    }

    pub fn uncommitted_bytes() -> u64 {
        ROOM.get()
    }

    pub fn monotonic_ns() -> u64 {
        SLEPT.get().saturating_add(BOOTED)
    }

    pub fn realtime_ns() -> u64 {
        SLEPT.get().saturating_add(1_700_000_000_123_456_789)
    }
}

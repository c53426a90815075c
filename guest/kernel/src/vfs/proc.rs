//! The texts of the kernel files in /proc: what the C library, Python and its packages read, in Linux' form (proc(5)).
//!
//! Guarantees: numbers are those of the VM and the run, never of the host. Texts are made at open.
//!
//! Before: special. After: outside.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Vfs, outside};
use crate::rlimit::{self, UNLIMITED};

/// Version of the kernel that programs see (uname).
pub const RELEASE: &str = "6.1.0-hypercell";
const PAGE: u64 = 4096;
/// Clock ticks in a second (AT_CLKTCK).
const TICKS: u64 = 100;

/// Number of the first thread, which is that of the process.
const FIRST: u64 = 1;

/// Makes the text of a file of a thread.
type ThreadText = fn(&Vfs, u64) -> Vec<u8>;

/// The files of each thread, below /proc/self/task/N.
pub(super) const THREAD_FILES: [(&str, ThreadText); 3] =
    [("comm", comm_of), ("stat", stat_of), ("status", status_of)];

fn ticks(ns: u64) -> u64 {
    ns / (1_000_000_000 / TICKS)
}

impl Vfs {
    /// The name of a thread: the one that it was given, or the program's; at most 15 bytes.
    pub fn thread_name(&self, tid: u64) -> Vec<u8> {
        let given = outside::thread_name(tid).unwrap_or_default();
        let given = given.split(|&byte| byte == 0).next().unwrap_or(b"");
        if !given.is_empty() {
            return given.to_vec();
        }
        let name = self.program.path.rsplit(|&byte| byte == b'/').next().unwrap_or(b"");
        name[..name.len().min(15)].to_vec()
    }
}

pub(super) fn cpuinfo(_: &Vfs) -> Vec<u8> {
    b"processor\t: 0\nvendor_id\t: hypercell\nmodel name\t: virtual x86-64\nphysical id\t: 0\nsiblings\t: 1\n\
      core id\t\t: 0\ncpu cores\t: 1\nflags\t\t: fpu tsc cx8 cmov mmx fxsr sse sse2 lm\n\n"
        .to_vec()
}

pub(super) fn filesystems(_: &Vfs) -> Vec<u8> {
    b"nodev\tproc\nnodev\tsysfs\nnodev\tcgroup2\nnodev\ttmpfs\nnodev\tdevtmpfs\nnodev\tdevpts\n\tsquashfs\n"
        .to_vec()
}

pub(super) fn loadavg(_: &Vfs) -> Vec<u8> {
    b"0.00 0.00 0.00 1/1 1\n".to_vec()
}

pub(super) fn meminfo(vfs: &Vfs) -> Vec<u8> {
    let total = outside::total_bytes() / 1024;
    let free = outside::uncommitted_bytes().min(outside::total_bytes()) / 1024;
    let shared = vfs.space.used() / 1024;
    format!(
        "MemTotal:       {total:8} kB\nMemFree:        {free:8} kB\nMemAvailable:   {free:8} kB\nBuffers:        {:8} kB\n\
         Cached:         {shared:8} kB\nSwapCached:     {:8} kB\nShmem:          {shared:8} kB\nSwapTotal:      {:8} kB\n\
         SwapFree:       {:8} kB\n",
        0, 0, 0, 0
    )
    .into_bytes()
}

pub(super) fn stat(_: &Vfs) -> Vec<u8> {
    let (used, passed) = (ticks(outside::used_ns()), ticks(outside::monotonic_ns()));
    let idle = passed.saturating_sub(used);
    let threads = outside::thread_count();
    let boot = (outside::realtime_ns() - outside::monotonic_ns().min(outside::realtime_ns())) / 1_000_000_000;
    format!(
        "cpu  {used} 0 0 {idle} 0 0 0 0 0 0\ncpu0 {used} 0 0 {idle} 0 0 0 0 0 0\nctxt 0\nbtime {boot}\nprocesses {threads}\n\
         procs_running 1\nprocs_blocked 0\n"
    )
    .into_bytes()
}

pub(super) fn uptime(_: &Vfs) -> Vec<u8> {
    let (passed, used) = (ticks(outside::monotonic_ns()), ticks(outside::used_ns()));
    let idle = passed.saturating_sub(used);
    format!("{}.{:02} {}.{:02}\n", passed / TICKS, passed % TICKS, idle / TICKS, idle % TICKS).into_bytes()
}

pub(super) fn version(_: &Vfs) -> Vec<u8> {
    format!("Linux version {RELEASE} (hypercell) #1 hypercell\n").into_bytes()
}

pub(super) fn random_uuid(_: &Vfs) -> Vec<u8> {
    let mut bytes = [0; 16];
    if outside::random(&mut bytes).is_err() {
        // No entropy yet: an empty file, never a value that repeats.
        return Vec::new();
    }
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::new();
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text += &format!("{byte:02x}");
    }
    text.push('\n');
    text.into_bytes()
}

pub(super) fn cmdline(vfs: &Vfs) -> Vec<u8> {
    vfs.program.arguments.clone()
}

pub(super) fn environ(vfs: &Vfs) -> Vec<u8> {
    vfs.program.environment.clone()
}

pub(super) fn comm(vfs: &Vfs) -> Vec<u8> {
    comm_of(vfs, FIRST)
}

fn comm_of(vfs: &Vfs, tid: u64) -> Vec<u8> {
    let mut name = vfs.thread_name(tid);
    name.push(b'\n');
    name
}

pub(super) fn thread_self(_: &Vfs) -> Vec<u8> {
    format!("1/task/{}", outside::current_tid()).into_bytes()
}

pub(super) fn exe(vfs: &Vfs) -> Vec<u8> {
    vfs.program.path.clone()
}

pub(super) fn cwd(vfs: &Vfs) -> Vec<u8> {
    vfs.path_of(&vfs.cwd)
}

pub(super) fn limits(_: &Vfs) -> Vec<u8> {
    let shown = |value: u64| if value == UNLIMITED { String::from("unlimited") } else { format!("{value}") };
    let mut text = format!("{:<25} {:<20} {:<20} {:<10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (resource, limit) in rlimit::all() {
        let (soft, hard) = (shown(limit.soft), shown(limit.hard));
        text += &format!("Max {:<21} {soft:<20} {hard:<20} {:<10}\n", resource.name, resource.unit);
    }
    text.into_bytes()
}

pub(super) fn maps(_: &Vfs) -> Vec<u8> {
    let mut text = String::new();
    outside::proc_maps(&mut text);
    text.into_bytes()
}

/// What is mounted where: source, path, type, and whether it may be written.
fn mount_table(vfs: &Vfs) -> Vec<(&'static str, Vec<u8>, &'static str, bool)> {
    let mut table: Vec<_> = [
        ("image", "/", "squashfs", false),
        ("dev", "/dev", "devtmpfs", false),
        ("devpts", "/dev/pts", "devpts", true),
        ("proc", "/proc", "proc", false),
        ("sysfs", "/sys", "sysfs", false),
        ("cgroup2", "/sys/fs/cgroup", "cgroup2", false),
        ("tmpfs", "/tmp", "tmpfs", true),
        ("tmpfs", "/output", "tmpfs", true),
        ("tmpfs", "/dev/shm", "tmpfs", true),
    ]
    .into_iter()
    .map(|(source, path, kind, write)| (source, path.as_bytes().to_vec(), kind, write))
    .collect();
    let brought = vfs.host_mounts();
    table.extend(brought.points.iter().filter_map(|point| {
        let mount = point.mount?;
        Some(("host", point.path.clone(), "fuse", brought.is_writable(mount)))
    }));
    table
}

/// A path as fstab(5) has it, without blanks.
fn escaped(path: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(path.len());
    for &byte in path {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' => text.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
            byte => text.push(byte),
        }
    }
    text
}

pub(super) fn mounts(vfs: &Vfs) -> Vec<u8> {
    let mut text = Vec::new();
    for (source, path, kind, is_writable) in mount_table(vfs) {
        let mode = if is_writable { "rw" } else { "ro" };
        text.extend_from_slice(format!("{source} ").as_bytes());
        text.extend_from_slice(&escaped(&path));
        text.extend_from_slice(format!(" {kind} {mode} 0 0\n").as_bytes());
    }
    text
}

pub(super) fn mountinfo(vfs: &Vfs) -> Vec<u8> {
    let mut text = Vec::new();
    for (index, (source, path, kind, is_writable)) in mount_table(vfs).into_iter().enumerate() {
        let (number, mode) = (index + 1, if is_writable { "rw" } else { "ro" });
        text.extend_from_slice(format!("{number} 1 0:{number} / ").as_bytes());
        text.extend_from_slice(&escaped(&path));
        text.extend_from_slice(format!(" {mode} - {kind} {source} {mode}\n").as_bytes());
    }
    text
}

/// `R` for a thread that runs, `S` for one that waits, as far as the one that asks can tell.
fn state_of(tid: u64) -> char {
    if tid == outside::current_tid() { 'R' } else { 'S' }
}

/// The fields of stat from the number on: of the process, or of one of its threads.
fn stat_line(vfs: &Vfs, tid: u64, state: char, used_ns: u64) -> Vec<u8> {
    let name = vfs.thread_name(tid);
    let name = String::from_utf8_lossy(&name);
    let (time, rss, threads) = (ticks(used_ns), outside::rss_bytes(), outside::thread_count());
    // Fields of proc(5): state to exit_signal; what has no meaning here is 0.
    format!(
        "{tid} ({name}) {state} 0 1 1 0 -1 4194304 0 0 0 0 {time} 0 0 0 20 0 {threads} 0 0 {rss} {} 18446744073709551615 0 0 0 0 0 0 0 \
         0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
        rss / PAGE
    )
    .into_bytes()
}

pub(super) fn self_stat(vfs: &Vfs) -> Vec<u8> {
    stat_line(vfs, FIRST, 'R', outside::used_ns())
}

fn stat_of(vfs: &Vfs, tid: u64) -> Vec<u8> {
    stat_line(vfs, tid, state_of(tid), outside::used_by_thread_ns(tid).unwrap_or(0))
}

pub(super) fn self_statm(_: &Vfs) -> Vec<u8> {
    let pages = outside::rss_bytes() / PAGE;
    format!("{pages} {pages} 0 0 0 {pages} 0\n").into_bytes()
}

pub(super) fn self_status(vfs: &Vfs) -> Vec<u8> {
    status_text(vfs, FIRST, 'R')
}

fn status_of(vfs: &Vfs, tid: u64) -> Vec<u8> {
    status_text(vfs, tid, state_of(tid))
}

fn status_text(vfs: &Vfs, tid: u64, state: char) -> Vec<u8> {
    let name = vfs.thread_name(tid);
    let name = String::from_utf8_lossy(&name);
    let state = if state == 'R' { "R (running)" } else { "S (sleeping)" };
    let (rss, threads) = (outside::rss_bytes() / 1024, outside::thread_count());
    format!(
        "Name:\t{name}\nUmask:\t{:04o}\nState:\t{state}\nTgid:\t1\nPid:\t{tid}\nPPid:\t0\nTracerPid:\t0\nUid:\t0\t0\t0\t0\n\
         Gid:\t0\t0\t0\t0\nFDSize:\t64\nVmPeak:\t{rss:8} kB\nVmSize:\t{rss:8} kB\nVmHWM:\t{rss:8} kB\nVmRSS:\t{rss:8} kB\n\
         Threads:\t{threads}\nCpus_allowed:\t1\nCpus_allowed_list:\t0\nvoluntary_ctxt_switches:\t0\n\
         nonvoluntary_ctxt_switches:\t0\n",
        vfs.umask
    )
    .into_bytes()
}

/// Memory in use, all of it the program's own.
pub(super) fn smaps_rollup(_: &Vfs) -> Vec<u8> {
    let kib = outside::rss_bytes() / 1024;
    format!(
        "000000000000-7fffffffffff ---p 00000000 00:00 0 [rollup]\nRss: {kib:15} kB\nPss: {kib:15} kB\n\
         Shared_Clean: {:6} kB\nShared_Dirty: {:6} kB\nPrivate_Clean: {:5} kB\nPrivate_Dirty: {kib:5} kB\n\
         Swap: {:14} kB\n",
        0, 0, 0, 0
    )
    .into_bytes()
}

/// What the sandbox has of memory, and what of that is in use.
pub(super) fn memory_max(_: &Vfs) -> Vec<u8> {
    format!("{}\n", outside::total_bytes()).into_bytes()
}

pub(super) fn memory_current(_: &Vfs) -> Vec<u8> {
    format!("{}\n", outside::rss_bytes()).into_bytes()
}

pub(super) fn pids_current(_: &Vfs) -> Vec<u8> {
    format!("{}\n", outside::thread_count()).into_bytes()
}

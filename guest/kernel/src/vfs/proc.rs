//! The texts of the kernel files in /proc: what the C library, Python and its packages read, in Linux' form (proc(5)).
//!
//! Guarantees: numbers are those of the VM and the run, never of the host. Texts are made at open.
//!
//! Before: special. After: outside.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Vfs, outside};

/// Version of the kernel that programs see (uname).
pub const RELEASE: &str = "6.1.0-hypercell";
const PAGE: u64 = 4096;
/// Clock ticks in a second (AT_CLKTCK).
const TICKS: u64 = 100;

fn ticks() -> u64 {
    outside::monotonic_ns() / (1_000_000_000 / TICKS)
}

fn program_name(vfs: &Vfs) -> &[u8] {
    let name = vfs.program.path.rsplit(|&b| b == b'/').next().unwrap_or(b"");
    &name[..name.len().min(15)]
}

pub(super) fn cpuinfo(_: &Vfs) -> Vec<u8> {
    b"processor\t: 0\nvendor_id\t: hypercell\nmodel name\t: virtual x86-64\nphysical id\t: 0\nsiblings\t: 1\n\
      core id\t\t: 0\ncpu cores\t: 1\nflags\t\t: fpu tsc cx8 cmov mmx fxsr sse sse2 lm\n\n"
        .to_vec()
}

pub(super) fn filesystems(_: &Vfs) -> Vec<u8> {
    b"nodev\tproc\nnodev\tsysfs\nnodev\ttmpfs\nnodev\tdevtmpfs\n\tsquashfs\n".to_vec()
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
    let user = ticks();
    let boot = (outside::realtime_ns() - outside::monotonic_ns().min(outside::realtime_ns())) / 1_000_000_000;
    format!(
        "cpu  {user} 0 0 0 0 0 0 0 0 0\ncpu0 {user} 0 0 0 0 0 0 0 0 0\nctxt 0\nbtime {boot}\nprocesses 1\n\
         procs_running 1\nprocs_blocked 0\n"
    )
    .into_bytes()
}

pub(super) fn uptime(_: &Vfs) -> Vec<u8> {
    let hundredths = outside::monotonic_ns() / 10_000_000;
    format!("{}.{:02} 0.00\n", hundredths / 100, hundredths % 100).into_bytes()
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
    [program_name(vfs), b"\n"].concat()
}

pub(super) fn exe(vfs: &Vfs) -> Vec<u8> {
    vfs.program.path.clone()
}

pub(super) fn cwd(vfs: &Vfs) -> Vec<u8> {
    vfs.path_of(&vfs.cwd)
}

pub(super) fn limits(_: &Vfs) -> Vec<u8> {
    let mut text = format!("{:<26}{:<21}{:<21}{:<10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (name, soft, unit) in [
        ("Max stack size", "8388608", "bytes"),
        ("Max processes", "256", "processes"),
        ("Max open files", "1024", "files"),
        ("Max address space", "unlimited", "bytes"),
    ] {
        text += &format!("{name:<26}{soft:<21}{soft:<21}{unit:<10}\n");
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
        ("proc", "/proc", "proc", false),
        ("sysfs", "/sys", "sysfs", false),
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

pub(super) fn self_stat(vfs: &Vfs) -> Vec<u8> {
    let name = String::from_utf8_lossy(program_name(vfs));
    let (time, rss, threads) = (ticks(), outside::rss_bytes(), outside::thread_count());
    // Fields of proc(5): state to exit_signal; what has no meaning here is 0.
    format!(
        "1 ({name}) R 0 1 1 0 -1 4194304 0 0 0 0 {time} 0 0 0 20 0 {threads} 0 0 {rss} {} 18446744073709551615 0 0 0 0 0 0 0 0 0 0 \
         0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
        rss / PAGE
    )
    .into_bytes()
}

pub(super) fn self_statm(_: &Vfs) -> Vec<u8> {
    let pages = outside::rss_bytes() / PAGE;
    format!("{pages} {pages} 0 0 0 {pages} 0\n").into_bytes()
}

pub(super) fn self_status(vfs: &Vfs) -> Vec<u8> {
    let name = String::from_utf8_lossy(program_name(vfs));
    let (rss, threads) = (outside::rss_bytes() / 1024, outside::thread_count());
    format!(
        "Name:\t{name}\nUmask:\t{:04o}\nState:\tR (running)\nTgid:\t1\nPid:\t1\nPPid:\t0\nTracerPid:\t0\nUid:\t0\t0\t0\t0\n\
         Gid:\t0\t0\t0\t0\nFDSize:\t64\nVmPeak:\t{rss:8} kB\nVmSize:\t{rss:8} kB\nVmHWM:\t{rss:8} kB\nVmRSS:\t{rss:8} kB\n\
         Threads:\t{threads}\nCpus_allowed:\t1\nCpus_allowed_list:\t0\nvoluntary_ctxt_switches:\t0\n\
         nonvoluntary_ctxt_switches:\t0\n",
        vfs.umask
    )
    .into_bytes()
}

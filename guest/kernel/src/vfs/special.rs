//! The table of devices and kernel files: one row for each path under /dev, /proc and /sys.
//!
//! Guarantees: what is not in the table does not exist. Never: shows anything of the host.
//!
//! Before: path. After: proc (texts), outside (the channel behind devices).

use alloc::format;
use alloc::vec::Vec;

use super::Vfs;
use super::node::Kind;
use super::pipe::MAX_PIPE_BYTES;
use super::proc;
use crate::thread::MAX_THREADS;

/// What a row is.
#[derive(Clone, Copy, Debug)]
pub enum Special {
    /// A directory.
    Dir,
    /// A device, with its Linux number (major, minor).
    Device(Device, u64, u64),
    /// A file whose text is made when it is opened.
    Text(fn(&Vfs) -> Vec<u8>),
    /// A symbolic link.
    Link(&'static str),
    /// A symbolic link whose target is made when it is read.
    LinkTo(fn(&Vfs) -> Vec<u8>),
    /// The directory of open descriptors.
    Descriptors,
    /// The directory of threads.
    Threads,
    /// The directory of pseudo-terminals.
    Terminals,
}

/// A device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// /dev/null.
    Null,
    /// /dev/zero.
    Zero,
    /// /dev/full.
    Full,
    /// /dev/random and /dev/urandom.
    Random,
    /// /dev/hypercell: frames to and from the host.
    Channel,
    /// /dev/hypercell-idle: a read waits until no other thread can go on.
    Idle,
    /// Standard output (1) or error (2).
    Output(u32),
    /// /dev/tty: there is none.
    Terminal,
    /// /dev/ptmx: each opening makes a pseudo-terminal.
    Multiplexer,
}

impl Device {
    /// Whether an offset means anything.
    pub fn is_seekable(self) -> bool {
        matches!(self, Self::Null | Self::Zero | Self::Full | Self::Random)
    }

    /// Whether epoll takes the device.
    pub fn can_be_watched(self) -> bool {
        matches!(self, Self::Output(_) | Self::Channel | Self::Random)
    }
}

use Special::{Descriptors, Dir, Link, LinkTo, Terminals, Text, Threads};

/// Every path, parents before children. /proc/1 is the program: it is process 1 of its VM.
pub const ROWS: &[(&str, Special)] = &[
    ("/dev", Dir),
    ("/dev/null", Special::Device(Device::Null, 1, 3)),
    ("/dev/zero", Special::Device(Device::Zero, 1, 5)),
    ("/dev/full", Special::Device(Device::Full, 1, 7)),
    ("/dev/random", Special::Device(Device::Random, 1, 8)),
    ("/dev/urandom", Special::Device(Device::Random, 1, 9)),
    ("/dev/tty", Special::Device(Device::Terminal, 5, 0)),
    ("/dev/ptmx", Special::Device(Device::Multiplexer, 5, 2)),
    ("/dev/pts", Terminals),
    ("/dev/hypercell", Special::Device(Device::Channel, 10, 200)),
    ("/dev/hypercell-idle", Special::Device(Device::Idle, 10, 201)),
    ("/dev/fd", Link("/proc/self/fd")),
    ("/dev/stdin", Link("/proc/self/fd/0")),
    ("/dev/stdout", Link("/proc/self/fd/1")),
    ("/dev/stderr", Link("/proc/self/fd/2")),
    ("/proc", Dir),
    ("/proc/self", Link("1")),
    ("/proc/thread-self", LinkTo(proc::thread_self)),
    ("/proc/mounts", Link("self/mounts")),
    ("/proc/cpuinfo", Text(proc::cpuinfo)),
    ("/proc/filesystems", Text(proc::filesystems)),
    ("/proc/loadavg", Text(proc::loadavg)),
    ("/proc/meminfo", Text(proc::meminfo)),
    ("/proc/stat", Text(proc::stat)),
    ("/proc/uptime", Text(proc::uptime)),
    ("/proc/version", Text(proc::version)),
    ("/proc/sys", Dir),
    ("/proc/sys/vm", Dir),
    ("/proc/sys/vm/overcommit_memory", Text(|_| b"0\n".to_vec())),
    ("/proc/sys/vm/max_map_count", Text(|_| b"65530\n".to_vec())),
    ("/proc/sys/kernel", Dir),
    ("/proc/sys/kernel/osrelease", Text(|_| [proc::RELEASE.as_bytes(), b"\n"].concat())),
    ("/proc/sys/kernel/ostype", Text(|_| b"Linux\n".to_vec())),
    ("/proc/sys/kernel/hostname", Text(|_| b"hypercell\n".to_vec())),
    ("/proc/sys/kernel/pid_max", Text(|_| b"32768\n".to_vec())),
    ("/proc/sys/kernel/random", Dir),
    ("/proc/sys/kernel/random/uuid", Text(proc::random_uuid)),
    ("/proc/sys/fs", Dir),
    ("/proc/sys/fs/pipe-max-size", Text(|_| format!("{MAX_PIPE_BYTES}\n").into_bytes())),
    ("/proc/1", Dir),
    ("/proc/1/cmdline", Text(proc::cmdline)),
    ("/proc/1/comm", Text(proc::comm)),
    ("/proc/1/cwd", LinkTo(proc::cwd)),
    ("/proc/1/environ", Text(proc::environ)),
    ("/proc/1/exe", LinkTo(proc::exe)),
    ("/proc/1/fd", Descriptors),
    ("/proc/1/cgroup", Text(|_| b"0::/\n".to_vec())),
    ("/proc/1/limits", Text(proc::limits)),
    ("/proc/1/maps", Text(proc::maps)),
    ("/proc/1/mounts", Text(proc::mounts)),
    ("/proc/1/mountinfo", Text(proc::mountinfo)),
    ("/proc/1/oom_score", Text(|_| b"0\n".to_vec())),
    ("/proc/1/oom_score_adj", Text(|_| b"0\n".to_vec())),
    ("/proc/1/root", Link("/")),
    ("/proc/1/smaps_rollup", Text(proc::smaps_rollup)),
    ("/proc/1/stat", Text(proc::self_stat)),
    ("/proc/1/statm", Text(proc::self_statm)),
    ("/proc/1/status", Text(proc::self_status)),
    ("/proc/1/task", Threads),
    ("/sys", Dir),
    ("/sys/devices", Dir),
    ("/sys/devices/system", Dir),
    ("/sys/devices/system/cpu", Dir),
    ("/sys/devices/system/cpu/online", Text(|_| b"0\n".to_vec())),
    ("/sys/devices/system/cpu/possible", Text(|_| b"0\n".to_vec())),
    ("/sys/devices/system/cpu/present", Text(|_| b"0\n".to_vec())),
    ("/sys/devices/system/cpu/kernel_max", Text(|_| b"0\n".to_vec())),
    ("/sys/devices/system/cpu/cpu0", Dir),
    ("/sys/devices/system/cpu/cpu0/topology", Dir),
    ("/sys/devices/system/cpu/cpu0/topology/core_cpus_list", Text(|_| b"0\n".to_vec())),
    ("/sys/devices/system/cpu/cpu0/topology/core_id", Text(|_| b"0\n".to_vec())),
    ("/sys/devices/system/cpu/cpu0/topology/core_siblings_list", Text(|_| b"0\n".to_vec())),
    ("/sys/devices/system/cpu/cpu0/topology/physical_package_id", Text(|_| b"0\n".to_vec())),
    ("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list", Text(|_| b"0\n".to_vec())),
    ("/sys/devices/system/node", Dir),
    ("/sys/devices/system/node/online", Text(|_| b"0\n".to_vec())),
    ("/sys/devices/system/node/node0", Dir),
    ("/sys/devices/system/node/node0/cpulist", Text(|_| b"0\n".to_vec())),
    ("/sys/fs", Dir),
    ("/sys/fs/cgroup", Dir),
    ("/sys/fs/cgroup/cgroup.controllers", Text(|_| b"cpu memory pids\n".to_vec())),
    ("/sys/fs/cgroup/cgroup.procs", Text(|_| b"1\n".to_vec())),
    ("/sys/fs/cgroup/cpu.max", Text(|_| b"100000 100000\n".to_vec())),
    ("/sys/fs/cgroup/memory.current", Text(proc::memory_current)),
    ("/sys/fs/cgroup/memory.max", Text(proc::memory_max)),
    ("/sys/fs/cgroup/memory.swap.max", Text(|_| b"0\n".to_vec())),
    ("/sys/fs/cgroup/pids.current", Text(proc::pids_current)),
    ("/sys/fs/cgroup/pids.max", Text(|_| format!("{MAX_THREADS}\n").into_bytes())),
    ("/sys/kernel", Dir),
    ("/sys/kernel/mm", Dir),
    ("/sys/kernel/mm/transparent_hugepage", Dir),
    ("/sys/kernel/mm/transparent_hugepage/enabled", Text(|_| b"always madvise [never]\n".to_vec())),
];

/// The row of a path.
pub fn find(path: &str) -> Option<usize> {
    ROWS.iter().position(|(row, _)| *row == path)
}

/// Whether `path` is the entry `name`, which has no slash, of the directory `dir`.
pub fn is_entry(path: &str, dir: &str, name: &[u8]) -> bool {
    // Lengths first: this runs for every row at the start of every absolute path.
    let path = path.as_bytes();
    path.len() == dir.len() + 1 + name.len()
        && path[dir.len()] == b'/'
        && path.ends_with(name)
        && path.starts_with(dir.as_bytes())
}

/// The row of a name in the directory of another row.
pub fn child(dir: usize, name: &[u8]) -> Option<usize> {
    let (dir, _) = ROWS.get(dir)?;
    ROWS.iter().position(|(row, _)| is_entry(row, dir, name))
}

/// The row of the directory that holds a row; `None` for the rows right below the root.
pub fn parent(row: usize) -> Option<usize> {
    let (dir, _) = ROWS.get(row)?.0.rsplit_once('/')?;
    find(dir)
}

/// Name of a row.
pub fn name(row: usize) -> &'static str {
    ROWS.get(row).and_then(|(path, _)| path.rsplit('/').next()).unwrap_or("")
}

/// Path of a row.
pub fn path(row: usize) -> &'static str {
    ROWS.get(row).map_or("", |(path, _)| path)
}

/// Whether the row belongs to a directory, directly.
pub fn is_child(row: usize, dir: usize) -> bool {
    parent(row) == Some(dir)
}

/// Type of a row.
pub fn kind(row: usize) -> Kind {
    match ROWS.get(row).map(|(_, special)| special) {
        Some(Special::Dir | Special::Descriptors | Special::Threads | Special::Terminals) => Kind::Dir,
        Some(Special::Device(..)) => Kind::Char,
        Some(Special::Link(_) | Special::LinkTo(_)) => Kind::Link,
        Some(Special::Text(_)) | None => Kind::File,
    }
}
